//! Verifies servers by a list of certificates, or not at all.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};

/// Whom a connection trusts. That a server has the key of its certificate is always checked.
#[derive(Debug)]
pub(super) enum Verifier {
    /// A server with one of these certificates, whatever its name and date, or with one that they
    /// have signed. A self-signed one is usually marked as a CA's, which is not otherwise accepted
    /// as a server's own.
    Listed {
        certificates: Vec<CertificateDer<'static>>,
        signed: Arc<WebPkiServerVerifier>,
        provider: Arc<CryptoProvider>,
    },
    /// Anyone.
    Anyone(Arc<CryptoProvider>),
}

impl Verifier {
    fn algorithms(&self) -> &WebPkiSupportedAlgorithms {
        match self {
            Verifier::Listed { provider, .. } | Verifier::Anyone(provider) => {
                &provider.signature_verification_algorithms
            }
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        server: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self {
            Verifier::Listed {
                certificates,
                signed,
                ..
            } if !certificates.contains(server) => {
                signed.verify_server_cert(server, chain, name, ocsp, now)
            }
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, self.algorithms())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, self.algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms().supported_schemes()
    }
}

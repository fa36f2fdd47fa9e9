//! TLS on connections: who we are, whom we trust, and certificates that are read again.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use self::senders::Senders;
use self::verifier::Verifier;
use super::connection::Wire;
use crate::run::Error;

mod senders;
mod verifier;

/// How long a handshake may take by default: a few round trips on a bad line, and nobody holds a
/// place for long without one.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// A certificate and its key, in files of PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate, and the chain up to its CA.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl Identity {
    fn read(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Error> {
        let key = &self.key;
        let key = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, error))?;
        Ok((certificates(&self.certificate)?, key))
    }
}

/// TLS of a listener. Clones share it.
#[derive(Clone)]
pub struct TlsServer(Arc<Server>);

struct Server {
    /// `None`: the certificate is made up, and lasts as long as the process.
    identity: Option<Identity>,
    /// Of whom a sender must have a certificate, if it needs one.
    senders: Option<PathBuf>,
    /// What the files say, and the fingerprint of the certificate.
    current: RwLock<(Arc<ServerConfig>, String)>,
    timeout: Duration,
}

impl fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsServer")
            .field("identity", &self.0.identity)
            .field("senders", &self.0.senders)
            .finish_non_exhaustive()
    }
}

impl TlsServer {
    /// Reads the files. Without an `identity` the certificate is a new one that it has signed
    /// itself, as ncat does. With `senders`, a file of PEM, every sender must present a certificate
    /// that is in the file, or that one in the file has signed. A handshake ends after `timeout`.
    ///
    /// # Errors
    /// [`Error::Certificate`].
    pub fn new(
        identity: Option<Identity>,
        senders: Option<PathBuf>,
        timeout: Duration,
    ) -> Result<TlsServer, Error> {
        let current = configure(identity.as_ref(), senders.as_deref())?;
        Ok(TlsServer(Arc::new(Server {
            identity,
            senders,
            current: RwLock::new(current),
            timeout,
        })))
    }

    /// The SHA-256 of its certificate, as `openssl x509 -fingerprint -sha256` prints it.
    pub fn fingerprint(&self) -> String {
        self.current().1
    }

    /// Whether the certificate was made up rather than read.
    pub fn is_self_signed(&self) -> bool {
        self.0.identity.is_none()
    }

    /// Reads the files again, for connections from now on. Nothing changes on an error.
    ///
    /// # Errors
    /// [`Error::Certificate`].
    pub fn reload(&self) -> Result<(), Error> {
        let server = &*self.0;
        if server.identity.is_none() {
            // A new one would be another's.
            return Ok(());
        }
        let fresh = configure(server.identity.as_ref(), server.senders.as_deref())?;
        let mut current = server
            .current
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *current = fresh;
        Ok(())
    }

    fn current(&self) -> (Arc<ServerConfig>, String) {
        let current = self.0.current.read();
        current.unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) async fn accept(&self, wire: Wire) -> io::Result<server::TlsStream<Wire>> {
        let (config, _) = self.current();
        shaken(self.0.timeout, TlsAcceptor::from(config).accept(wire)).await
    }
}

/// Whom a connection to a server trusts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// The CAs that this machine trusts.
    #[default]
    System,
    /// The certificates of a file of PEM, and what they have signed.
    File(PathBuf),
    /// Anyone: the text is encrypted, and may come from anywhere.
    Anyone,
}

/// TLS of a connection to a server.
#[derive(Clone)]
pub struct TlsClient {
    config: Arc<ClientConfig>,
    timeout: Duration,
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsClient").finish_non_exhaustive()
    }
}

impl TlsClient {
    /// Reads the files; `identity` is for servers that want one.
    ///
    /// # Errors
    /// [`Error::Certificate`].
    pub fn new(
        trust: &Trust,
        identity: Option<&Identity>,
        timeout: Duration,
    ) -> Result<TlsClient, Error> {
        let provider = provider();
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(ours)?;
        let builder = match trust {
            Trust::Anyone => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Verifier::Anyone(provider))),
            Trust::System => {
                let found = rustls_native_certs::load_native_certs();
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(found.certs);
                if roots.is_empty() {
                    return Err(Error::Certificate {
                        what: "this machine".to_owned(),
                        reason: "it trusts no CA; name one with --tls-ca".to_owned(),
                    });
                }
                builder.with_root_certificates(roots)
            }
            Trust::File(file) => {
                let signed =
                    WebPkiServerVerifier::builder_with_provider(roots(file)?, provider.clone());
                let verifier = Verifier::Listed {
                    certificates: certificates(file)?,
                    signed: signed.build().map_err(|error| wrong(file, error))?,
                    provider,
                };
                builder
                    .dangerous()
                    .with_custom_certificate_verifier(Arc::new(verifier))
            }
        };
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let (certificates, key) = identity.read()?;
                builder
                    .with_client_auth_cert(certificates, key)
                    .map_err(|error| wrong(&identity.certificate, error))?
            }
        };
        Ok(TlsClient {
            config: Arc::new(config),
            timeout,
        })
    }

    /// `host` is what the server's certificate must be for.
    pub(super) async fn connect(
        &self,
        host: &str,
        wire: Wire,
    ) -> io::Result<client::TlsStream<Wire>> {
        let host = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let connector = TlsConnector::from(Arc::clone(&self.config));
        let shaken = shaken(self.timeout, connector.connect(host, wire)).await;
        shaken.map_err(|error| match untrusted(&error) {
            true => io::Error::new(
                error.kind(),
                format!("{error}; `--tls-ca` trusts a certificate, `--tls-insecure` any"),
            ),
            false => error,
        })
    }
}

/// Whether the other end's certificate is the reason.
fn untrusted(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    matches!(inner, Some(rustls::Error::InvalidCertificate(_)))
}

/// Limits a handshake.
async fn shaken<T>(
    limit: Duration,
    handshake: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    let late = |_| Err(io::Error::new(io::ErrorKind::TimedOut, "it took too long"));
    timeout(limit, handshake).await.unwrap_or_else(late)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// What a listener needs, and the fingerprint of its certificate.
fn configure(
    identity: Option<&Identity>,
    senders: Option<&Path>,
) -> Result<(Arc<ServerConfig>, String), Error> {
    let (own, key) = match identity {
        Some(identity) => identity.read()?,
        None => self_signed()?,
    };
    let fingerprint = fingerprint(&own[0]);
    let provider = provider();
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(ours)?;
    let builder = match senders {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let signed = WebPkiClientVerifier::builder_with_provider(roots(file)?, provider);
            builder.with_client_cert_verifier(Arc::new(Senders {
                certificates: certificates(file)?,
                signed: signed.build().map_err(|error| wrong(file, error))?,
            }))
        }
    };
    let mut config = builder
        .with_single_cert(own, key)
        .map_err(|error| match identity {
            Some(identity) => wrong(&identity.certificate, error),
            None => ours(error),
        })?;
    // A sender that never reads (ncat --send-only) closes with them unread, which resets the
    // connection and takes with it what was on its way.
    config.send_tls13_tickets = 0;
    Ok((Arc::new(config), fingerprint))
}

fn self_signed() -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Error> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).map_err(ours)?;
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    Ok((vec![made.cert.der().clone()], key))
}

/// All certificates of a file; at least one.
fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let text = fs::read(file).map_err(|error| wrong(file, error))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found.map_err(|error| wrong(file, error))? {
        none if none.is_empty() => Err(wrong(file, "the file has no certificate (PEM)")),
        some => Ok(some),
    }
}

fn roots(file: &Path) -> Result<Arc<RootCertStore>, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots.add(certificate).map_err(|error| wrong(file, error))?;
    }
    Ok(Arc::new(roots))
}

/// The SHA-256 in hexadecimal, with colons.
fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    let suite = aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
    let suite = suite.tls13().expect("a suite of TLS 1.3");
    let hash = suite.common.hash_provider.hash(certificate);
    let bytes: Vec<_> = hash.as_ref().iter().map(|b| format!("{b:02X}")).collect();
    bytes.join(":")
}

fn wrong(file: &Path, reason: impl fmt::Display) -> Error {
    Error::Certificate {
        what: file.display().to_string(),
        reason: reason.to_string(),
    }
}

fn ours(error: impl fmt::Display) -> Error {
    wrong(Path::new("TLS"), error)
}

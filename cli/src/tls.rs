//! The options of TLS, by ncat's names and by ours.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use dumpstream_flow::net::{Identity, TlsClient, TlsServer, Trust};
use dumpstream_flow::run::Error;

use super::{amount, say};

/// A certificate and its key, and how long a handshake may take.
#[derive(Args, Debug)]
struct Certificate {
    /// Own certificate, with its chain, in PEM.
    #[arg(long, alias = "ssl-cert", value_name = "FILE", requires_all = ["tls", "tls_key"],
          help_heading = "TLS")]
    tls_cert: Option<PathBuf>,
    /// Private key of --tls-cert, in PEM.
    #[arg(long, alias = "ssl-key", value_name = "FILE", requires_all = ["tls", "tls_cert"],
          help_heading = "TLS")]
    tls_key: Option<PathBuf>,
    /// How long a TLS handshake may take.
    #[arg(long, value_name = "TIME", value_parser = amount::limit, default_value = "10s",
          help_heading = "TLS")]
    tls_timeout: Duration,
}

impl Certificate {
    fn identity(&self) -> Option<Identity> {
        let (certificate, key) = self.tls_cert.clone().zip(self.tls_key.clone())?;
        Some(Identity { certificate, key })
    }
}

/// TLS of a listener.
#[derive(Args, Debug)]
pub(super) struct ServerTls {
    /// Accept TLS connections only, such as those of `ncat --ssl`. Without --tls-cert, the
    /// certificate is a new self-signed one, whose fingerprint is printed. SIGHUP reads the files
    /// again.
    #[arg(long, alias = "ssl", help_heading = "TLS")]
    tls: bool,
    /// Accept only peers whose certificate is in FILE (PEM), or was signed by one in it.
    #[arg(
        long,
        alias = "ssl-trustfile",
        value_name = "FILE",
        requires = "tls",
        help_heading = "TLS"
    )]
    tls_ca: Option<PathBuf>,
    #[command(flatten)]
    certificate: Certificate,
}

impl ServerTls {
    pub(super) fn server(&self) -> Result<Option<TlsServer>, Error> {
        let timeout = self.certificate.tls_timeout;
        match self.tls {
            false => Ok(None),
            true => {
                let (identity, senders) = (self.certificate.identity(), self.tls_ca.clone());
                TlsServer::new(identity, senders, timeout).map(Some)
            }
        }
    }
}

/// Prints the fingerprint of a self-signed certificate: nobody else can tell who it belongs to.
pub(super) fn told(tls: &TlsServer) {
    if tls.is_self_signed() {
        let fingerprint = tls.fingerprint();
        say(&format!(
            "self-signed TLS certificate, SHA-256 {fingerprint}"
        ));
    }
}

/// TLS of a connection to a server.
#[derive(Args, Debug)]
pub(super) struct ClientTls {
    /// The sensor speaks TLS, as `ncat -l --ssl` does. Its certificate is verified.
    #[arg(long, alias = "ssl", help_heading = "TLS")]
    tls: bool,
    /// Trust the certificates in FILE (PEM), and what they have signed [default: this machine's
    /// CAs].
    #[arg(
        long,
        alias = "ssl-trustfile",
        value_name = "FILE",
        requires = "tls",
        help_heading = "TLS"
    )]
    tls_ca: Option<PathBuf>,
    /// Do not verify the sensor's certificate: anyone on the way can then read and change the text.
    #[arg(
        long,
        requires = "tls",
        conflicts_with = "tls_ca",
        help_heading = "TLS"
    )]
    tls_insecure: bool,
    /// Accepted for compatibility with ncat; certificates are always verified.
    #[arg(long, hide = true, requires = "tls", conflicts_with = "tls_insecure")]
    ssl_verify: bool,
    #[command(flatten)]
    certificate: Certificate,
}

impl ClientTls {
    pub(super) fn client(&self) -> Result<Option<TlsClient>, Error> {
        if !self.tls {
            return Ok(None);
        }
        let trust = match &self.tls_ca {
            Some(file) => Trust::File(file.clone()),
            None if self.tls_insecure => Trust::Anyone,
            None => Trust::System,
        };
        let timeout = self.certificate.tls_timeout;
        let identity = self.certificate.identity();
        TlsClient::new(&trust, identity.as_ref(), timeout).map(Some)
    }
}

//! TLS on real sockets: who gets in, and that nothing of anyone else is parsed.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dumpstream_flow::net::{
    ConnectOptions, HANDSHAKE_TIMEOUT, Identity, ListenOptions, Listener, Retry, Server, TlsClient,
    TlsServer, Trust,
};
use dumpstream_flow::run::Error;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::receiver::{Connecting, HANG, Intake, Listening, record, records};

/// A CA, and the folder for what it signs.
struct Ca {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Ca {
    fn new() -> Ca {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let folder = tempfile::tempdir().unwrap();
        let ca = params.self_signed(&key).unwrap();
        std::fs::write(folder.path().join("ca.pem"), ca.pem()).unwrap();
        Ca {
            folder,
            issuer: Issuer::new(params, key),
        }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Signs a certificate that ends with a year.
    fn sign(&self, name: &str, until: i32) -> Identity {
        let key = KeyPair::generate().unwrap();
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let identity = Identity {
            certificate: self.folder.path().join(format!("{name}.pem")),
            key: self.folder.path().join(format!("{name}.key")),
        };
        std::fs::write(&identity.certificate, certificate.pem()).unwrap();
        std::fs::write(&identity.key, key.serialize_pem()).unwrap();
        identity
    }
}

const VALID: i32 = 4000;

fn listening(tls: TlsServer, intake: Intake) -> Listening {
    let options = ListenOptions {
        tls: Some(tls),
        ..ListenOptions::default()
    };
    let listener = Listener::open("127.0.0.1:0".parse().unwrap(), options).unwrap();
    Listening::on(listener, intake, true)
}

fn server(ca: &Ca, senders: Option<PathBuf>) -> TlsServer {
    let identity = ca.sign("server", VALID);
    TlsServer::new(Some(identity), senders, HANDSHAKE_TIMEOUT).unwrap()
}

/// A sender that is not ours: its handshake, and what the server presented.
async fn shake(
    listening: &Listening,
    ca: &Ca,
    identity: Option<&Identity>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(ca.file()).unwrap())
        .unwrap();
    let builder = rustls::ClientConfig::builder().with_root_certificates(roots);
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some(Identity {
            certificate, key, ..
        }) => {
            let certificate = CertificateDer::from_pem_file(certificate).unwrap();
            let key = PrivateKeyDer::from_pem_file(key).unwrap();
            builder
                .with_client_auth_cert(vec![certificate], key)
                .unwrap()
        }
    };
    let host = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(host, listening.dial().await).await
}

#[tokio::test]
async fn a_sender_over_tls_is_read_like_any_other() {
    let ca = Ca::new();
    let listening = listening(server(&ca, None), Intake::new());
    let mut tls = shake(&listening, &ca, None).await.unwrap();
    tls.write_all(records(1, 500).as_bytes()).await.unwrap();
    tls.shutdown().await.unwrap();
    let mut said = Vec::new();
    // It may close without a word of TLS.
    tls.read_to_end(&mut said).await.ok();
    assert!(said.is_empty(), "not a byte of ours");
    listening.served(1).await;
    let (outcome, intake) = listening.end().await;
    assert_eq!((outcome.broken, outcome.insecure), (0, 0));
    assert_eq!(intake.recorder.texts().concat(), records(1, 500));
}

#[tokio::test]
async fn an_end_without_a_word_of_tls_is_broken_off_and_keeps_what_arrived() {
    let ca = Ca::new();
    let listening = listening(server(&ca, None), Intake::new());
    let mut tls = shake(&listening, &ca, None).await.unwrap();
    tls.write_all(records(1, 3).as_bytes()).await.unwrap();
    tls.flush().await.unwrap();
    // Someone on the way can end TCP, but not TLS.
    tls.into_inner().0.shutdown().await.unwrap();
    listening.served(1).await;
    let (outcome, intake) = listening.end().await;
    assert_eq!((outcome.broken, outcome.connections), (1, 1));
    assert_eq!(intake.recorder.texts().concat(), records(1, 3));
}

/// Without a certificate, with one that has expired, with another CA's, and without TLS.
#[tokio::test]
async fn of_a_sender_without_a_valid_certificate_nothing_is_parsed() {
    let (ca, other) = (Ca::new(), Ca::new());
    let listening = listening(server(&ca, Some(ca.file())), Intake::new());
    let (expired, foreign) = (ca.sign("expired", 2021), other.sign("foreign", VALID));
    for identity in [None, Some(&expired), Some(&foreign)] {
        // In TLS 1.3 the client is done before the server has seen its certificate.
        if let Ok(mut tls) = shake(&listening, &ca, identity).await {
            tls.write_all(records(1, 10).as_bytes()).await.ok();
            tls.flush().await.ok();
            let closed = timeout(HANG, tls.read(&mut [0; 1])).await.expect("an end");
            assert!(!matches!(closed, Ok(1..)), "not a byte: {closed:?}");
        }
    }
    let mut plain = listening.dial().await;
    plain.write_all(records(1, 10).as_bytes()).await.unwrap();
    let mut alert = Vec::new();
    timeout(HANG, plain.read_to_end(&mut alert))
        .await
        .unwrap()
        .ok();
    let refused = |_: &Intake| listening.connections.insecure() == 4;
    listening.intake.until("all are refused", refused).await;
    let valid = ca.sign("valid", VALID);
    let mut tls = shake(&listening, &ca, Some(&valid)).await.unwrap();
    tls.write_all(record(2, 1).as_bytes()).await.unwrap();
    tls.shutdown().await.unwrap();
    listening.served(1).await;
    let (outcome, intake) = listening.end().await;
    assert_eq!((outcome.insecure, outcome.connections), (4, 1));
    assert_eq!(
        outcome.summary.inputs, 1,
        "nothing of the others is an input"
    );
    assert_eq!(outcome.summary.bytes, record(2, 1).len() as u64);
    assert_eq!(intake.recorder.texts(), [record(2, 1)]);
}

#[tokio::test]
async fn an_unfinished_handshake_ends_and_keeps_nobody_waiting() {
    let ca = Ca::new();
    let identity = ca.sign("server", VALID);
    let tls = TlsServer::new(Some(identity), None, Duration::from_millis(300)).unwrap();
    let listening = listening(tls, Intake::new());
    let mut silent = Vec::new();
    for _ in 0..20 {
        let mut tcp = listening.dial().await;
        // The beginning of a record of TLS.
        tcp.write_all(&[22, 3, 1, 2]).await.unwrap();
        silent.push(tcp);
    }
    let mut tls = shake(&listening, &ca, None).await.unwrap();
    tls.write_all(record(1, 1).as_bytes()).await.unwrap();
    tls.shutdown().await.unwrap();
    let refused = |_: &Intake| listening.connections.insecure() == 20;
    listening.intake.until("their time is over", refused).await;
    listening.served(1).await;
    for mut tcp in silent {
        let closed = timeout(HANG, tcp.read_to_end(&mut Vec::new())).await;
        closed.expect("it is closed").ok();
    }
    let (outcome, intake) = listening.end().await;
    assert_eq!((outcome.insecure, outcome.connections), (20, 1));
    assert_eq!(intake.recorder.texts(), [record(1, 1)]);
}

#[tokio::test]
async fn certificates_are_read_again_and_a_wrong_one_is_not_taken() {
    let (ca, other) = (Ca::new(), Ca::new());
    let identity = ca.sign("server", VALID);
    let tls = TlsServer::new(Some(identity.clone()), None, HANDSHAKE_TIMEOUT).unwrap();
    let listening = listening(tls.clone(), Intake::new());
    let presented = async || {
        let tls = shake(&listening, &ca, None).await.ok()?;
        let certificates = tls.get_ref().1.peer_certificates().unwrap().to_vec();
        Some(certificates)
    };
    let first = presented().await.expect("it is ours");
    let before = tls.fingerprint();
    ca.sign("server", VALID);
    assert_eq!(
        presented().await.as_ref(),
        Some(&first),
        "not before it is asked to"
    );
    listening.intake.station.hangup().raise();
    let second = presented().await.expect("it is ours");
    assert_ne!(second, first);
    assert_ne!(tls.fingerprint(), before);
    std::fs::write(&identity.certificate, "no certificate").unwrap();
    listening.intake.station.hangup().raise();
    assert!(tls.reload().unwrap_err().to_string().contains("server.pem"));
    assert_eq!(
        presented().await.as_ref(),
        Some(&second),
        "the old one stays"
    );
    // One that has nothing to do with the key is wrong, too.
    let foreign = other.sign("server", VALID);
    std::fs::copy(foreign.certificate, &identity.certificate).unwrap();
    listening.intake.station.hangup().raise();
    assert_eq!(presented().await, Some(second));
    listening.end().await;
}

#[tokio::test]
async fn what_tls_holds_is_read_after_the_stop() {
    let ca = Ca::new();
    let intake = Intake::with(|station| station.queue(64 << 10));
    intake.recorder.open(false);
    let listening = listening(server(&ca, None), intake);
    let mut tls = shake(&listening, &ca, None).await.unwrap();
    let text = records(1, 2000);
    tls.write_all(text.as_bytes()).await.unwrap();
    tls.flush().await.unwrap();
    let full = |intake: &Intake| intake.progress().waiting() == 1;
    listening.intake.until("the lane is full", full).await;
    let read = listening.intake.progress().bytes();
    assert!((read as usize) < text.len(), "some is in our socket");
    listening.cancel.cancel();
    listening.intake.recorder.open(true);
    // The sender stays.
    let (outcome, intake) = listening.ended().await;
    assert_eq!(outcome.summary.records, 2000);
    assert_eq!(intake.recorder.texts().concat(), text);
    drop(tls);
}

/// `connect --tls` to our own kind of server.
#[tokio::test]
async fn connect_verifies_the_server() {
    let (ca, other) = (Ca::new(), Ca::new());
    let valid = ca.sign("valid", VALID);
    let expired = ca.sign("expired", 2021);
    let trusts = |trust: Trust| TlsClient::new(&trust, None, HANDSHAKE_TIMEOUT).unwrap();
    for (identity, trust, trusted) in [
        (&valid, Trust::File(ca.file()), true),
        (&valid, Trust::File(other.file()), false),
        (&expired, Trust::File(ca.file()), false),
        (&expired, Trust::Anyone, true),
    ] {
        let serves = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = serves.local_addr().unwrap();
        let certificate = CertificateDer::from_pem_file(&identity.certificate).unwrap();
        let key = PrivateKeyDer::from_pem_file(&identity.key).unwrap();
        let config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let serving = tokio::spawn(async move {
            let (tcp, _) = serves.accept().await.unwrap();
            if let Ok(mut tls) = acceptor.accept(tcp).await {
                tls.write_all(records(1, 100).as_bytes()).await.ok();
                tls.shutdown().await.ok();
            }
        });
        let options = ConnectOptions {
            retry: Retry::never(),
            tls: Some(trusts(trust)),
            ..ConnectOptions::default()
        };
        let connecting = Connecting::to(Server::Host(address.to_string()), options, Intake::new());
        let (outcome, intake) = connecting.end().await;
        match trusted {
            true => {
                assert!(outcome.error.is_none(), "{:?}", outcome.error);
                assert_eq!(intake.recorder.texts().concat(), records(1, 100));
            }
            false => {
                let error = outcome.error.expect("it is not trusted");
                assert!(matches!(error, Error::Connect { .. }), "{error}");
                assert_eq!(intake.recorder.len(), 0);
            }
        }
        serving.await.unwrap();
    }
}

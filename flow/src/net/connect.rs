//! Connects to a port that serves the text, as `tcpdump … | nc -lk 4444` does.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{IpAddr, SocketAddr};
#[cfg(unix)]
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::time::Duration;

use dumpstream::Origin;
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;
#[cfg(unix)]
use tokio::time::timeout;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::address::{Family, resolve_in};
use super::connection::{Connection, Peer};
use super::dial::{CONNECT_TIMEOUT, first_answer, socket_for};
use super::keepalive::Keepalive;
#[cfg(feature = "tls")]
use super::tls::TlsClient;
use super::{Outcome, RECEIVE_BUFFER, receive};
use crate::run::Error;
use crate::station::Station;

/// When to connect again after the server has gone or did not answer. The wait doubles each time,
/// less a random part of up to a half, so that many receivers do not come back at the same moment.
/// A connection that lasted longer than the wait before it resets the wait.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retry {
    /// The first wait.
    pub first: Duration,
    /// The longest wait.
    pub most: Duration,
    /// The number of further attempts after one that failed or brought no byte. A connection that
    /// brings some resets the count. `None`: no limit. 0: no second connection, even after a good
    /// one.
    pub tries: Option<u32>,
}

impl Retry {
    /// Retries without limit, after 200 ms at first and 30 s at most.
    pub fn new() -> Retry {
        Retry {
            first: Duration::from_millis(200),
            most: Duration::from_secs(30),
            tries: None,
        }
    }

    /// Never retries: one connection.
    pub fn never() -> Retry {
        Retry {
            tries: Some(0),
            ..Retry::new()
        }
    }

    /// See [`Retry::tries`].
    pub fn tries(self, tries: u32) -> Retry {
        Retry {
            tries: Some(tries),
            ..self
        }
    }

    /// See [`Retry::first`] and [`Retry::most`].
    pub fn spans(self, first: Duration, most: Duration) -> Retry {
        Retry {
            first,
            most,
            ..self
        }
    }

    /// The wait after this many failures in a row.
    pub(crate) fn wait(&self, failures: u32) -> Duration {
        let doubled = 2u32.saturating_pow(failures.saturating_sub(1).min(31));
        let span = self.first.saturating_mul(doubled).min(self.most);
        // A hash under a random key is random enough to spread receivers.
        let part = RandomState::new().hash_one(failures) >> 11;
        span.mul_f64(0.5 + 0.5 * (part as f64 / (1u64 << 53) as f64))
    }
}

impl Default for Retry {
    fn default() -> Retry {
        Retry::new()
    }
}

/// What is connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Server {
    /// `HOST:PORT`; the host is looked up each time.
    Host(String),
    /// The unix socket at this path.
    #[cfg(unix)]
    Unix(PathBuf),
}

impl Server {
    /// What a certificate of the server must be for.
    #[cfg(feature = "tls")]
    fn host(&self) -> &str {
        match self {
            Server::Host(address) => {
                let host = address.rsplit_once(':').map_or("", |(host, _)| host);
                match host.trim_start_matches('[').trim_end_matches(']') {
                    "" => "127.0.0.1",
                    host => host,
                }
            }
            #[cfg(unix)]
            Server::Unix(_) => "localhost",
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Server::Host(address) => f.write_str(address),
            #[cfg(unix)]
            Server::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// How a server is connected to.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    /// When to connect again.
    pub retry: Retry,
    /// How long one address of a host may take to answer.
    pub timeout: Duration,
    /// The address to connect from; by default the system picks one.
    pub source: Option<IpAddr>,
    /// The only family of addresses to connect to.
    pub family: Option<Family>,
    /// How long a quiet server may be unreachable.
    pub keepalive: Keepalive,
    /// Where the state of the connection is shown.
    pub link: Link,
    /// The server speaks TLS.
    #[cfg(feature = "tls")]
    pub tls: Option<TlsClient>,
}

impl Default for ConnectOptions {
    fn default() -> ConnectOptions {
        ConnectOptions {
            retry: Retry::new(),
            timeout: CONNECT_TIMEOUT,
            source: None,
            family: None,
            keepalive: Keepalive::default(),
            link: Link::default(),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }
}

/// The state of a connection to a server, for a status line. Clones show the same.
#[derive(Clone, Debug, Default)]
pub struct Link(Arc<AtomicU8>);

/// What a [`Link`] shows, by its number.
const STATES: [&str; 3] = ["connecting", CONNECTED, "waiting to reconnect"];

const CONNECTED: &str = "connected";

impl Link {
    fn is(&self, state: &str) {
        let number = STATES.iter().position(|s| *s == state);
        self.0.store(number.unwrap_or(0) as u8, Relaxed);
    }

    fn state(&self) -> &'static str {
        STATES[usize::from(self.0.load(Relaxed))]
    }

    /// Whether there is a connection now.
    pub fn is_up(&self) -> bool {
        self.state() == CONNECTED
    }
}

impl fmt::Display for Link {
    /// `connecting`, `connected` or `waiting to reconnect`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.state())
    }
}

/// Connects once, says nothing and hears nothing, and closes the connection.
///
/// # Errors
/// [`Error::Lookup`], [`Error::Connect`] or [`Error::Address`].
pub async fn probe(server: &Server, options: &ConnectOptions) -> Result<Peer, Error> {
    Ok(open(server, options).await?.peer().clone())
}

/// Connects to the server and reads the connection as an input with the origin that `origin`
/// returns. Connects again when the connection ends, as [`Retry`] says, until [`Station::stop`].
/// Each connection is an input of its own: a record that the end of one has cut is never joined
/// with what the next one brings.
///
/// A server that closes the connection is not an error. A server that cannot be reached is one
/// after the last attempt, and so is text of `tcpdump -A`, which would be the same the next time.
pub async fn connect(
    server: &Server,
    options: &ConnectOptions,
    station: &Station,
    origin: impl Fn(&Connection) -> Origin,
) -> Outcome {
    let (retry, link) = (&options.retry, &options.link);
    let cancel = station.stop();
    let mut outcome = Outcome::default();
    let mut failures = 0;
    let (mut spans, mut wait) = (0u32, Duration::ZERO);
    let mut waited = false;
    loop {
        link.is("connecting");
        info!("Connecting to {server}.");
        let opened = tokio::select! {
            biased;
            () = cancel.cancelled() => return outcome,
            opened = open(server, options) => opened,
        };
        let ended;
        let failed = match opened {
            Ok(connection) => {
                outcome.connections += 1;
                link.is(CONNECTED);
                info!(peer = %connection.peer(), stream = connection.stream(), "Connected.");
                if std::mem::take(&mut waited) {
                    // Whoever read that it failed waits for this.
                    warn!("{server} accepted the connection.");
                }
                let before = outcome.summary.bytes;
                let start = Instant::now();
                let origin = origin(&connection);
                let result = receive(connection, origin, station).await;
                let broken = matches!(result, Err(Error::Read { .. }));
                let refused = matches!(result, Err(Error::AsciiText { .. }));
                let last = retry.tries == Some(0) || refused;
                outcome.add(result, last);
                if cancel.is_cancelled() || last || outcome.error.is_some() {
                    return outcome;
                }
                if outcome.summary.bytes > before {
                    failures = 0;
                }
                if start.elapsed() > wait {
                    spans = 0;
                }
                ended = if broken {
                    "broke off".to_owned()
                } else {
                    "closed the connection".to_owned()
                };
                None
            }
            Err(error) => {
                ended = why(&error);
                Some(error)
            }
        };
        // Text that is not an address will not become one.
        let hopeless = failed.as_ref().is_some_and(Error::is_usage);
        if hopeless || retry.tries.is_some_and(|tries| failures >= tries) {
            outcome.error = failed;
            return outcome;
        }
        failures = failures.saturating_add(1);
        spans = spans.saturating_add(1);
        wait = retry.wait(spans);
        let shown = Duration::from_millis(wait.as_millis() as u64);
        warn!("{server} {ended}; retrying in {shown:?}.");
        link.is("waiting to reconnect");
        waited = true;
        tokio::select! {
            biased;
            () = cancel.cancelled() => return outcome,
            () = sleep(wait) => {}
        }
    }
}

/// Describes a failed attempt; the sentence begins with the server.
fn why(error: &Error) -> String {
    let Error::Connect { source, .. } = error else {
        return match error {
            Error::Lookup { .. } => "was not found",
            _ => "is not an address to connect to",
        }
        .to_owned();
    };
    match source.kind() {
        io::ErrorKind::ConnectionRefused => "refused the connection".to_owned(),
        io::ErrorKind::TimedOut => "did not answer".to_owned(),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            "cannot be reached".to_owned()
        }
        // What a user must know to mend it: of TLS, a certificate.
        _ => format!("cannot be connected to: {source}"),
    }
}

/// Connects to the first address of the host that answers.
async fn open(server: &Server, options: &ConnectOptions) -> Result<Connection, Error> {
    let failed = |source| Error::Connect {
        address: server.to_string(),
        source,
    };
    let opened = match server {
        Server::Host(address) => {
            let family = options.family.or(options.source.map(Family::of));
            let hosts = resolve_in(address, family).await?;
            let dial = |host| async move {
                let tcp = dial(host, options.source).await?;
                Connection::tcp(tcp, options.keepalive)
            };
            first_answer(&hosts, options.timeout, dial).await
        }
        #[cfg(unix)]
        Server::Unix(path) => {
            let tried = timeout(options.timeout, UnixStream::connect(path)).await;
            let tried = tried.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
            tried.map(|unix| Connection::unix(unix, &Arc::from(path.as_path())))
        }
    };
    let connection = opened.map_err(failed)?;
    #[cfg(feature = "tls")]
    if let Some(tls) = &options.tls {
        let secured = connection.secured(async |wire| tls.connect(server.host(), wire).await);
        return secured.await.map_err(failed);
    }
    Ok(connection)
}

async fn dial(host: SocketAddr, source: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = socket_for(host)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER as u32)?;
    if let Some(source) = source {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    socket.connect(host).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_grows_to_its_limit_and_is_spread() {
        let retry = Retry::new();
        for failures in 1..100 {
            let span = Duration::from_millis(200 << (failures - 1).min(10)).min(retry.most);
            let wait = retry.wait(failures);
            assert!(wait <= span && wait >= span / 2, "{failures}");
        }
        let waits: std::collections::HashSet<_> = (0..100).map(|_| retry.wait(20)).collect();
        assert!(waits.len() > 90);
        assert!(retry.wait(u32::MAX) <= retry.most);
    }
}

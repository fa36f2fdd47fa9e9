//! Connects to a port that serves the text, as `tcpdump … | nc -lk 4444` does.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::time::Duration;

use dumpstream::Origin;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

use super::{Connection, Outcome, RECEIVE_BUFFER, receive, resolve};
use crate::run::Error;
use crate::station::Station;

/// How long one address may take to answer: for a host that drops our packets, the kernel would
/// take two minutes to give up.
const ANSWER: Duration = Duration::from_secs(10);

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

/// Connects to `address` (`HOST:PORT`, looked up each time) and reads the connection as an input
/// with the origin that `origin` returns. Connects again when the connection ends, as `retry` says,
/// until [`Station::stop`].
///
/// A server that closes the connection is not an error. A server that cannot be reached is one
/// after the last attempt, and so is text of `tcpdump -A`, which would be the same the next time.
pub async fn connect(
    address: &str,
    retry: &Retry,
    station: &Station,
    origin: impl Fn(&Connection) -> Origin,
) -> Outcome {
    let cancel = station.stop();
    let mut outcome = Outcome::default();
    let mut failures = 0;
    let (mut spans, mut wait) = (0u32, Duration::ZERO);
    let mut waited = false;
    loop {
        let opened = tokio::select! {
            biased;
            () = cancel.cancelled() => return outcome,
            opened = open(address) => opened,
        };
        let ended;
        let failed = match opened {
            Ok(connection) => {
                outcome.connections += 1;
                info!(peer = %connection.peer(), stream = connection.stream(), "Connected.");
                if std::mem::take(&mut waited) {
                    // Whoever read that it failed waits for this.
                    warn!("{address} accepted the connection.");
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
                    "broke off"
                } else {
                    "closed the connection"
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
        warn!("{address} {ended}; retrying in {shown:?}.");
        waited = true;
        tokio::select! {
            biased;
            () = cancel.cancelled() => return outcome,
            () = sleep(wait) => {}
        }
    }
}

/// Describes a failed attempt; the sentence begins with the address.
fn why(error: &Error) -> &'static str {
    match error {
        Error::Lookup { .. } => "was not found",
        Error::Connect { source, .. } => match source.kind() {
            io::ErrorKind::ConnectionRefused => "refused the connection",
            io::ErrorKind::TimedOut => "did not answer",
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                "cannot be reached"
            }
            _ => "cannot be connected to",
        },
        _ => "is not an address to connect to",
    }
}

/// Connects to the first address of the host that answers.
async fn open(address: &str) -> Result<Connection, Error> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for host in resolve(address).await? {
        let tried = timeout(ANSWER, dial(host)).await;
        match tried.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(tcp) => match Connection::new(tcp, None) {
                Ok(connection) => return Ok(connection),
                Err(error) => last = error,
            },
            Err(error) => last = error,
        }
    }
    Err(Error::Connect {
        address: address.to_owned(),
        source: last,
    })
}

async fn dial(host: std::net::SocketAddr) -> io::Result<TcpStream> {
    let socket = if host.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_recv_buffer_size(RECEIVE_BUFFER as u32)?;
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

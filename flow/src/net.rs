//! netcat's part: text over plain TCP, received on a port of ours or fetched from one of theirs.
//!
//! [`listen`] receives what `tcpdump … | nc HOST PORT` sends; [`connect`] fetches what `tcpdump … |
//! nc -lk PORT` serves. Both read each connection as an input of its own. [`serve`] is the other end
//! of [`connect`]. [`relay()`] is netcat itself.
//!
//! Not a byte is ever written to a plain sender, and within TLS nothing but its own records. Our half
//! of a connection is not closed before the sender's half: a sender that closes with unread bytes
//! resets the connection, and what was on its way is lost (measured: 72,000 of 200,000 bytes).

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use dumpstream::Origin;
use tracing::{debug, warn};

use self::connection::{is_idle, is_unclosed};
use crate::clock;
use crate::run::{Error, Source, run};
use crate::station::Station;
use crate::summary::Summary;

mod access;
mod address;
mod connect;
mod connection;
mod dial;
mod door;
mod keepalive;
mod listen;
mod places;
mod port;
mod refusals;
mod relay;
pub mod serve;
#[cfg(feature = "tls")]
mod tls;
mod uplink;

pub use access::Access;
pub use address::{Family, check, resolve, resolve_in};
pub use connect::{ConnectOptions, Link, Retry, Server, connect, probe};
pub use connection::{Connection, Peer, limit_unsent};
pub use dial::{CONNECT_TIMEOUT, first_answer, socket_for};
pub use door::{ListenOptions, MAX_CONNECTIONS, MAX_PER_ADDRESS};
pub use keepalive::Keepalive;
pub use listen::{Connections, Listener, listen};
pub use relay::{RelayError, RelayOptions, Relayed, relay, relay_next};
#[cfg(feature = "tls")]
pub use tls::{HANDSHAKE_TIMEOUT, Identity, TlsClient, TlsServer, Trust};
pub use uplink::Uplink;

/// Default size of a connection's kernel receive buffer, in bytes. It is set explicitly, so that it
/// does not grow: multiplied by the connection limit it bounds the kernel's memory, and it is what
/// a sender can still send while we wait for a sink.
pub const RECEIVE_BUFFER: usize = 1 << 20;

/// Reads one connection to its end.
async fn receive(
    connection: Connection,
    origin: Origin,
    station: &Station,
) -> Result<Summary, Error> {
    let peer = connection.peer().clone();
    let done = run(Source::from(connection), origin, station).await;
    let summary = done.as_ref().map_or_else(Error::summary, Some);
    let (packets, lost, suspect) = summary.map_or((0, 0, 0), |s| (s.records, s.lost, s.suspect));
    match lost + suspect {
        0 => debug!(%peer, packets, "A sender disconnected."),
        _ => warn!(%peer, packets, lost, suspect, "A sender disconnected."),
    }
    done
}

/// A name for an input that comes only once, such as stdin or a connection: 16 hexadecimal digits
/// derived from the time, this process, a counter and `of`, which says where the input comes from.
pub fn stream_name(of: &str) -> String {
    static PROCESS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = PROCESS.hash_one((
        clock::now(),
        std::process::id(),
        NEXT.fetch_add(1, Relaxed),
        of,
    ));
    format!("{name:016x}")
}

/// The result of [`listen`] or [`connect`].
///
/// Its `Display` prints the summary, then the connections.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Outcome {
    /// The figures of all connections together.
    pub summary: Summary,
    /// Connections that were read.
    pub connections: u64,
    /// Peers that the access list does not allow; they were closed before a byte was read.
    pub denied: u64,
    /// Peers that connected while the limit of connections, or of their host's, was reached; they
    /// were closed.
    pub over_cap: u64,
    /// Peers whose TLS handshake failed; nothing of what they sent was read.
    pub insecure: u64,
    /// Connections that were closed because nothing arrived for too long.
    pub idle: u64,
    /// Connections that broke off: reset, or timed out. Everything that had arrived was passed on.
    pub broken: u64,
    /// Connections that were refused because they sent text of `tcpdump -A`.
    pub refused: u64,
    /// The error that ended it, if any: of several connections the first error that must not be
    /// ignored.
    pub error: Option<Error>,
}

impl Outcome {
    /// Counts a connection that has ended. Its error is kept if it is a bug of ours, or if `only`
    /// one connection was wanted.
    fn add(&mut self, result: Result<Summary, Error>, only: bool) {
        let error = match result {
            Ok(summary) => return self.summary.add(&summary),
            Err(error) => error,
        };
        if let Some(summary) = error.summary() {
            self.summary.add(summary);
        }
        let ours = match error {
            // Asked for, and everything that had arrived was passed on.
            Error::Read { ref source, .. } if is_idle(source) => {
                self.idle += 1;
                return;
            }
            Error::Read { ref source, .. } => {
                self.broken += 1;
                if is_unclosed(source) {
                    return;
                }
                false
            }
            // Whoever refused it has counted it.
            Error::Handshake { .. } => false,
            Error::AsciiText { .. } => {
                self.refused += 1;
                false
            }
            _ => true,
        };
        if (ours || only) && self.error.is_none() {
            self.error = Some(error);
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.connections == 1 { "" } else { "s" };
        write!(
            f,
            "{}\n{} connection{plural}",
            self.summary, self.connections
        )?;
        let rest = [
            (self.broken, "broke off"),
            (self.refused, "refused (tcpdump -A)"),
            (self.denied, "not allowed"),
            (self.over_cap, "over the connection limit"),
            (self.insecure, "without a TLS handshake"),
            (self.idle, "closed after --idle-timeout"),
        ];
        for (count, what) in rest.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, ", {count} {what}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stream_names_are_short_and_never_the_same() {
        let names: std::collections::HashSet<_> = (0..1000).map(|_| stream_name("x")).collect();
        assert_eq!(names.len(), 1000);
        assert!(names.iter().all(|name| name.len() == 16));
    }
}

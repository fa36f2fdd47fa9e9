//! netcat's part: text over plain TCP, received on a port of ours or fetched from one of theirs.
//!
//! [`listen`] receives what `tcpdump … | nc HOST PORT` sends; [`connect`] fetches what `tcpdump … |
//! nc -lk PORT` serves. Both read each connection as an input of its own.
//!
//! Not a byte is ever written to a plain sender, and our half of a connection is not closed before
//! the sender's half: a sender that closes with unread bytes resets the connection, and what was on
//! its way is lost (measured: 72,000 of 200,000 bytes).

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use dumpstream::Origin;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tracing::{debug, warn};

use crate::clock;
use crate::run::{Error, Source, run};
use crate::station::Station;
use crate::summary::Summary;

mod access;
mod address;
mod connect;
mod listen;
mod refusals;
mod uplink;

pub use access::Access;
pub use address::{check, resolve};
pub use connect::{Retry, connect};
pub use listen::{Connections, Listener, MAX_CONNECTIONS, listen};
pub use uplink::Uplink;

/// Default size of a connection's kernel receive buffer, in bytes. It is set explicitly, so that it
/// does not grow: multiplied by the connection limit it bounds the kernel's memory, and it is what
/// a sender can still send while we wait for a sink.
pub const RECEIVE_BUFFER: usize = 1 << 20;

/// A quiet sender is normal; a vanished one is detected. The first probe comes after 30 s, further
/// ones each 10 s, and the connection ends after the third one without an answer.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(30))
    .with_interval(Duration::from_secs(10))
    .with_retries(3);

/// A connection of a plain sender, for reading. It cannot be written to.
#[derive(Debug)]
pub struct Connection {
    tcp: TcpStream,
    peer: SocketAddr,
    local: SocketAddr,
    stream: String,
    /// Its place among a listener's simultaneous connections, until its last record is in the
    /// lanes.
    _permit: Option<OwnedSemaphorePermit>,
}

impl Connection {
    fn new(tcp: TcpStream, permit: Option<OwnedSemaphorePermit>) -> io::Result<Connection> {
        let (peer, local) = (tcp.peer_addr()?, tcp.local_addr()?);
        SockRef::from(&tcp).set_tcp_keepalive(&KEEPALIVE)?;
        let stream = stream_name(&peer.to_string());
        Ok(Connection {
            tcp,
            peer,
            local,
            stream,
            _permit: permit,
        })
    }

    /// The address of the far end; for an IPv4 sender the IPv4 address, also on an IPv6 listener.
    pub fn peer(&self) -> SocketAddr {
        SocketAddr::new(self.peer.ip().to_canonical(), self.peer.port())
    }

    /// The address of the near end.
    pub fn local(&self) -> SocketAddr {
        SocketAddr::new(self.local.ip().to_canonical(), self.local.port())
    }

    /// A stream name that no other input has: see [`stream_name`].
    pub fn stream(&self) -> &str {
        &self.stream
    }
}

impl Connection {
    /// How many bytes the kernel holds.
    #[cfg(unix)]
    fn arrived(&self) -> u64 {
        rustix::io::ioctl_fionread(&self.tcp).unwrap_or(0)
    }

    /// How many bytes the kernel holds: not known.
    #[cfg(not(unix))]
    fn arrived(&self) -> u64 {
        0
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, buf)
    }
}

impl From<Connection> for Source<Connection> {
    fn from(connection: Connection) -> Source<Connection> {
        let (peer, local) = (connection.peer(), connection.local());
        Source::live(connection)
            .over(peer, local)
            .holding(Connection::arrived)
    }
}

/// Reads one connection to its end.
async fn receive(
    connection: Connection,
    origin: Origin,
    station: &Station,
) -> Result<Summary, Error> {
    let peer = connection.peer();
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
    /// Peers that connected while the connection limit was reached; they were closed immediately.
    pub over_cap: u64,
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
            Error::Read { .. } => {
                self.broken += 1;
                false
            }
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

//! netcat's part: text over plain TCP, to a port of ours or from one of theirs.
//!
//! [`listen`] takes what `tcpdump … | nc HOST PORT` sends; [`connect`] fetches what
//! `tcpdump … | nc -lk PORT` serves. Either reads each connection as an input of its own.
//!
//! Not a byte is ever written to a plain sender, and our half is not closed before its half: a
//! sender that closes with unread bytes resets the connection, and what was under way is lost
//! (measured: 72,000 of 200,000 bytes).

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

pub use access::Access;
pub use address::{check, resolve};
pub use connect::{Retry, connect};
pub use listen::{Connections, Listener, MAX_CONNECTIONS, listen};

/// The kernel's receive buffer of a connection, in bytes, unless told otherwise. Set outright, so
/// that it does not grow by itself: times the connection cap it bounds the kernel's memory, and it
/// is what a sender can send on while we wait for a sink.
pub const RECEIVE_BUFFER: usize = 1 << 20;

/// A quiet sender is normal, a vanished one is found out: the first probe after 30 s, then each
/// 10 s, gone after the third without an answer.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(30))
    .with_interval(Duration::from_secs(10))
    .with_retries(3);

/// One connection of a plain sender, to be read. It cannot be written to.
#[derive(Debug)]
pub struct Connection {
    tcp: TcpStream,
    peer: SocketAddr,
    local: SocketAddr,
    stream: String,
    /// Its place among the connections that a listener has at once, until the last record is in
    /// the lanes.
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

    /// The far end; of an IPv4 sender its IPv4 address, whatever we listen on.
    pub fn peer(&self) -> SocketAddr {
        SocketAddr::new(self.peer.ip().to_canonical(), self.peer.port())
    }

    /// The near end.
    pub fn local(&self) -> SocketAddr {
        SocketAddr::new(self.local.ip().to_canonical(), self.local.port())
    }

    /// A stream name that no other input has: see [`stream_name`].
    pub fn stream(&self) -> &str {
        &self.stream
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
        Source::live(connection).over(peer, local)
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
        0 => debug!(%peer, packets, "A sender has gone."),
        _ => warn!(%peer, packets, lost, suspect, "A sender has gone."),
    }
    done
}

/// A name for an input that comes only once, as stdin or a connection: 16 hexadecimal digits of
/// the time, this process, a counter and `of`, which says where the input comes from.
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

/// What [`listen`] or [`connect`] had, once it is over.
///
/// The text of its `Display` is that of the summary, then of the connections.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Outcome {
    /// The figures of all connections together.
    pub summary: Summary,
    /// Connections that were read.
    pub connections: u64,
    /// Peers that the access list does not have, closed before a byte was read.
    pub denied: u64,
    /// Peers that came while the connection cap was reached, closed at once.
    pub over_cap: u64,
    /// Connections that broke off: reset, or timed out. What had arrived was sent on.
    pub broken: u64,
    /// Connections that were refused because they sent text of `tcpdump -A`.
    pub refused: u64,
    /// What ended it, if not its own end: of several connections the first error that must not
    /// pass unseen.
    pub error: Option<Error>,
}

impl Outcome {
    /// Counts a connection that is over. Its error is kept if it is ours, or if `only` one
    /// connection was to be had.
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
            (self.refused, "refused, of tcpdump -A"),
            (self.denied, "not allowed"),
            (self.over_cap, "over the connection cap"),
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

//! One connection of a plain sender: its socket, its two ends, and its end by silence.

use std::fmt;
use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::Path;
use std::pin::Pin;
#[cfg(unix)]
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, sleep_until};
use tracing::debug;

use super::keepalive::Keepalive;
use super::places::Place;
use super::stream_name;
use crate::run::Source;

/// The far end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Peer {
    /// Over TCP; an IPv4 sender has its IPv4 address, also on an IPv6 listener.
    Tcp(SocketAddr),
    /// Over the unix socket at this path.
    #[cfg(unix)]
    Unix(Arc<Path>),
}

impl Peer {
    pub(super) fn tcp(address: SocketAddr) -> Peer {
        Peer::Tcp(canonical(address))
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Tcp(address) => write!(f, "{address}"),
            #[cfg(unix)]
            Peer::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// A connected socket.
#[derive(Debug)]
pub(super) enum Wire {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Wire {
    /// How many bytes the kernel holds.
    #[cfg(unix)]
    fn arrived(&self) -> u64 {
        match self {
            Wire::Tcp(tcp) => rustix::io::ioctl_fionread(tcp),
            Wire::Unix(unix) => rustix::io::ioctl_fionread(unix),
        }
        .unwrap_or(0)
    }

    /// How many bytes the kernel holds: not known.
    #[cfg(not(unix))]
    fn arrived(&self) -> u64 {
        0
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Wire::Tcp(tcp) => Pin::new(tcp).poll_read(cx, buf),
            #[cfg(unix)]
            Wire::Unix(unix) => Pin::new(unix).poll_read(cx, buf),
        }
    }
}

/// For clients that are served, and for TLS, which writes its own records only.
impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Wire::Tcp(tcp) => Pin::new(tcp).poll_write(cx, buf),
            #[cfg(unix)]
            Wire::Unix(unix) => Pin::new(unix).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Wire::Tcp(tcp) => Pin::new(tcp).poll_flush(cx),
            #[cfg(unix)]
            Wire::Unix(unix) => Pin::new(unix).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Wire::Tcp(tcp) => Pin::new(tcp).poll_shutdown(cx),
            #[cfg(unix)]
            Wire::Unix(unix) => Pin::new(unix).poll_shutdown(cx),
        }
    }
}

/// Makes the end of a connection a reset, so that its sender notices at its next write rather than at
/// its end.
pub(super) fn reset(tcp: &TcpStream) {
    if let Err(error) = SockRef::from(tcp).set_linger(Some(Duration::ZERO)) {
        debug!(%error, "Closed a connection without a reset.");
    }
}

/// Bytes that the kernel may hold for a connection beyond what the network has room for.
#[cfg(any(target_os = "android", target_os = "linux"))]
const UNSENT: u32 = 128 << 10;

/// Makes the kernel accept bytes as the other end takes them rather than megabytes at a time, so
/// that a slow reader can be distinguished from one that has stopped. Only Linux has such a limit
/// apart from the send buffer, which limits the throughput, too.
///
/// # Errors
/// The system's error.
pub fn limit_unsent(tcp: &TcpStream) -> io::Result<()> {
    #[cfg(any(target_os = "android", target_os = "linux"))]
    SockRef::from(tcp).set_tcp_notsent_lowat(UNSENT)?;
    #[cfg(not(any(target_os = "android", target_os = "linux")))]
    let _ = tcp;
    Ok(())
}

/// A connected socket, perhaps with TLS.
#[derive(Debug)]
pub(super) enum Stream {
    Plain(Wire),
    #[cfg(feature = "tls")]
    Tls(Box<tokio_rustls::TlsStream<Wire>>),
}

/// What decrypted text TLS may hold beside the kernel: at most a few of its records.
#[cfg(feature = "tls")]
const DECRYPTED: u64 = 64 << 10;

impl Stream {
    fn wire(&self) -> &Wire {
        match self {
            Stream::Plain(wire) => wire,
            #[cfg(feature = "tls")]
            Stream::Tls(tls) => tls.get_ref().0,
        }
    }

    /// Sets the size of the kernel's send buffer, in bytes, and that nothing waits in it for more.
    pub(super) fn send_at_once(&self, buffer: usize) -> io::Result<()> {
        match self.wire() {
            Wire::Tcp(tcp) => {
                tcp.set_nodelay(true)?;
                SockRef::from(tcp).set_send_buffer_size(buffer)
            }
            #[cfg(unix)]
            Wire::Unix(unix) => SockRef::from(unix).set_send_buffer_size(buffer),
        }
    }

    /// See [`limit_unsent`]; a unix socket has no such limit.
    pub(super) fn limit_unsent(&self) -> io::Result<()> {
        match self.wire() {
            Wire::Tcp(tcp) => limit_unsent(tcp),
            #[cfg(unix)]
            Wire::Unix(_) => Ok(()),
        }
    }

    /// Closes it so that the other end notices at its next write, and does not take this for the
    /// end of the text.
    pub(super) fn reset(self) {
        match self.wire() {
            Wire::Tcp(tcp) => reset(tcp),
            #[cfg(unix)]
            Wire::Unix(_) => {}
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(wire) => Pin::new(wire).poll_read(cx, buf),
            #[cfg(feature = "tls")]
            Stream::Tls(tls) => {
                Pin::new(tls)
                    .poll_read(cx, buf)
                    .map_err(|error| match error.kind() {
                        io::ErrorKind::UnexpectedEof => io::Error::new(error.kind(), Unclosed),
                        _ => error,
                    })
            }
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(wire) => Pin::new(wire).poll_write(cx, buf),
            #[cfg(feature = "tls")]
            Stream::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(wire) => Pin::new(wire).poll_flush(cx),
            #[cfg(feature = "tls")]
            Stream::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(wire) => Pin::new(wire).poll_shutdown(cx),
            #[cfg(feature = "tls")]
            Stream::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}

/// A connection of a plain sender, for reading. Only [`serve`](super::serve) writes to one.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    peer: Peer,
    /// The near end, over TCP.
    local: Option<SocketAddr>,
    name: String,
    /// When it ends, while it waits for bytes; of a connection with such a limit.
    idle: Option<(Duration, Pin<Box<Sleep>>)>,
    waits: bool,
    /// Its place among a listener's connections, until its last record is in the lanes.
    pub(super) place: Option<Place>,
    /// Given back once its task has begun.
    pub(super) starting: Option<OwnedSemaphorePermit>,
}

impl Connection {
    pub(super) fn tcp(tcp: TcpStream, keepalive: Keepalive) -> io::Result<Connection> {
        let (peer, local) = (tcp.peer_addr()?, tcp.local_addr()?);
        keepalive.set(&tcp)?;
        let mut connection = Connection::new(Wire::Tcp(tcp), Peer::tcp(peer));
        connection.local = Some(canonical(local));
        Ok(connection)
    }

    #[cfg(unix)]
    pub(super) fn unix(unix: UnixStream, path: &Arc<Path>) -> Connection {
        Connection::new(Wire::Unix(unix), Peer::Unix(Arc::clone(path)))
    }

    fn new(wire: Wire, peer: Peer) -> Connection {
        Connection {
            stream: Stream::Plain(wire),
            name: stream_name(&peer.to_string()),
            peer,
            local: None,
            idle: None,
            waits: false,
            place: None,
            starting: None,
        }
    }

    /// Ends with [`Idle`] after this long without a byte.
    pub(super) fn idle_timeout(mut self, limit: Option<Duration>) -> Connection {
        self.idle = limit.map(|limit| (limit, Box::pin(sleep_until(Instant::now()))));
        self
    }

    /// The far end.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// The default name of the sensor: the address of the far end, or the file name of the unix
    /// socket.
    pub fn sensor(&self) -> String {
        match &self.peer {
            Peer::Tcp(address) => address.ip().to_string(),
            #[cfg(unix)]
            Peer::Unix(path) => path.file_name().map_or_else(
                || path.display().to_string(),
                |name| name.display().to_string(),
            ),
        }
    }

    /// A stream name that no other input has: see [`stream_name`].
    pub fn stream(&self) -> &str {
        &self.name
    }

    /// Exchanges the socket for what `secure` makes of it.
    #[cfg(feature = "tls")]
    pub(super) async fn secured<T: Into<tokio_rustls::TlsStream<Wire>>>(
        self,
        secure: impl AsyncFnOnce(Wire) -> io::Result<T>,
    ) -> io::Result<Connection> {
        let stream = match self.stream {
            Stream::Plain(wire) => Stream::Tls(Box::new(secure(wire).await?.into())),
            secured => secured,
        };
        Ok(Connection { stream, ..self })
    }

    /// Closes it, unread, so that its sender notices at its next write.
    pub(super) fn reset(self) {
        self.stream.reset();
    }

    /// What a client is served over, and its place among the connections.
    pub(super) fn into_parts(self) -> (Stream, Option<Place>) {
        (self.stream, self.place)
    }

    /// How many bytes have arrived at most that are not read.
    fn arrived(&self) -> u64 {
        let arrived = self.stream.wire().arrived();
        match &self.stream {
            Stream::Plain(_) => arrived,
            #[cfg(feature = "tls")]
            Stream::Tls(_) => arrived + DECRYPTED,
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        let this = &mut *self;
        let Some((limit, sleep)) = &mut this.idle else {
            return read;
        };
        if read.is_ready() {
            this.waits = false;
            return read;
        }
        // From when the bytes were waited for: a full lane may have kept us from reading.
        if !std::mem::replace(&mut this.waits, true) {
            let now = Instant::now();
            sleep.as_mut().reset(now.checked_add(*limit).unwrap_or(now));
        }
        ready!(sleep.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, Idle(*limit))))
    }
}

/// Nothing has arrived for too long.
#[derive(Debug, thiserror::Error)]
#[error("nothing arrived for {0:?}")]
struct Idle(Duration);

/// TCP has ended, and TLS has not.
#[cfg(feature = "tls")]
#[derive(Debug, thiserror::Error)]
#[error("TLS was not closed (ncat never closes it), so the end of the text may be missing")]
struct Unclosed;

/// Whether reading a connection failed as it is asked to, when nothing arrives.
pub(super) fn is_idle(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|error| error.is::<Idle>())
}

/// Whether reading a connection failed at an end that may be the sender's own.
#[cfg(feature = "tls")]
pub(super) fn is_unclosed(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|error| error.is::<Unclosed>())
}

/// TCP has no such end.
#[cfg(not(feature = "tls"))]
pub(super) fn is_unclosed(_: &io::Error) -> bool {
    false
}

impl From<Connection> for Source<Connection> {
    fn from(connection: Connection) -> Source<Connection> {
        let ends = match (&connection.peer, connection.local) {
            (Peer::Tcp(peer), Some(local)) => Some((*peer, local)),
            _ => None,
        };
        Source::live(connection)
            .over(ends)
            .holding(Connection::arrived)
    }
}

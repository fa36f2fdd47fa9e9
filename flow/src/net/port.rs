//! What senders connect to: a TCP port or a unix socket, bound and listened on.

use std::fmt;
use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::os::unix::fs::{FileTypeExt, MetadataExt};
#[cfg(unix)]
use std::path::Path;
#[cfg(unix)]
use std::sync::Arc;

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};
#[cfg(unix)]
use tracing::debug;

use super::connection::{Connection, Peer, reset};
use super::keepalive::Keepalive;

/// Connections that the kernel queues until they are accepted.
pub(super) const BACKLOG: i32 = 1024;

/// A socket that is listened on.
#[derive(Debug)]
pub(super) enum Port {
    Tcp(TcpListener, SocketAddr),
    #[cfg(unix)]
    Unix(UnixPort),
}

impl Port {
    pub(super) fn tcp(address: SocketAddr, receive_buffer: usize) -> io::Result<Port> {
        let domain = Domain::for_address(address);
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        if address.is_ipv6() && address.ip().is_unspecified() {
            // Do not depend on the system's default: `::` accepts IPv4, too.
            socket.set_only_v6(false)?;
        }
        // Set before listening: connections inherit it, and it determines their window scale.
        socket.set_recv_buffer_size(receive_buffer)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let tcp = TcpListener::from_std(socket.into())?;
        let address = tcp.local_addr()?;
        Ok(Port::Tcp(tcp, address))
    }

    pub(super) async fn accept(&self) -> io::Result<Knock> {
        Ok(match self {
            Port::Tcp(tcp, _) => {
                let (tcp, peer) = tcp.accept().await?;
                Knock::Tcp(tcp, peer)
            }
            #[cfg(unix)]
            Port::Unix(unix) => Knock::Unix(unix.listener.accept().await?.0, unix.path.clone()),
        })
    }

    /// A connection that is queued already, or an error.
    pub(super) fn accept_now(&self) -> io::Result<Knock> {
        // The sockets do not block.
        let accept = |socket: SockRef<'_>| {
            let (socket, peer) = socket.accept()?;
            socket.set_nonblocking(true)?;
            Ok::<_, io::Error>((socket, peer))
        };
        Ok(match self {
            Port::Tcp(tcp, _) => {
                let (socket, peer) = accept(SockRef::from(tcp))?;
                let peer = peer.as_socket().ok_or(io::ErrorKind::ConnectionAborted)?;
                Knock::Tcp(TcpStream::from_std(socket.into())?, peer)
            }
            #[cfg(unix)]
            Port::Unix(unix) => {
                let (socket, _) = accept(SockRef::from(&unix.listener))?;
                Knock::Unix(UnixStream::from_std(socket.into())?, unix.path.clone())
            }
        })
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Port::Tcp(_, address) => write!(f, "{address}"),
            #[cfg(unix)]
            Port::Unix(unix) => write!(f, "{}", unix.path.display()),
        }
    }
}

/// A unix socket, whose file is removed in the end.
#[cfg(unix)]
#[derive(Debug)]
pub(super) struct UnixPort {
    listener: UnixListener,
    path: Arc<Path>,
    /// Device and inode of the file, which may be another's by then.
    file: (u64, u64),
}

#[cfg(unix)]
impl UnixPort {
    /// A file that a listener has left behind is replaced; nothing else is.
    pub(super) fn bind(path: &Path, receive_buffer: usize) -> io::Result<UnixPort> {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_recv_buffer_size(receive_buffer)?;
        socket.set_nonblocking(true)?;
        let address = socket2::SockAddr::unix(path)?;
        if let Err(error) = socket.bind(&address) {
            if error.kind() != io::ErrorKind::AddrInUse || !is_left_behind(path) {
                return Err(match is_socket(path) {
                    true => error,
                    false => io::Error::new(error.kind(), "it exists, and is not a socket"),
                });
            }
            std::fs::remove_file(path)?;
            socket.bind(&address)?;
        }
        socket.listen(BACKLOG)?;
        let listener = UnixListener::from_std(socket.into())?;
        Ok(UnixPort {
            listener,
            path: path.into(),
            file: identity(path)?,
        })
    }
}

#[cfg(unix)]
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = std::fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

#[cfg(unix)]
fn is_socket(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket())
}

/// Whether the file is a socket that nobody listens on.
#[cfg(unix)]
fn is_left_behind(path: &Path) -> bool {
    is_socket(path)
        && std::os::unix::net::UnixStream::connect(path)
            .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

#[cfg(unix)]
impl Drop for UnixPort {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == self.file)
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            debug!(%error, "Left the socket {} behind.", self.path.display());
        }
    }
}

/// An accepted connection, before anything is decided about it.
#[derive(Debug)]
pub(super) enum Knock {
    Tcp(TcpStream, SocketAddr),
    #[cfg(unix)]
    Unix(UnixStream, Arc<Path>),
}

impl Knock {
    pub(super) fn peer(&self) -> Peer {
        match self {
            Knock::Tcp(_, peer) => Peer::tcp(*peer),
            #[cfg(unix)]
            Knock::Unix(_, path) => Peer::Unix(path.clone()),
        }
    }

    pub(super) fn connection(self, keepalive: Keepalive) -> io::Result<Connection> {
        match self {
            Knock::Tcp(tcp, _) => Connection::tcp(tcp, keepalive),
            #[cfg(unix)]
            Knock::Unix(unix, path) => Ok(Connection::unix(unix, &path)),
        }
    }

    /// Closes it so that its sender notices at its next write.
    pub(super) fn reset(self) {
        match &self {
            Knock::Tcp(tcp, _) => reset(tcp),
            #[cfg(unix)]
            Knock::Unix(..) => {}
        }
    }
}

//! A port that senders connect to.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use dumpstream::Origin;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};
use tracing::{debug, error, warn};

use super::{Access, Connection, Outcome, RECEIVE_BUFFER, receive};
use crate::run::Error;
use crate::station::Station;
use crate::summary::Summary;

/// Connections at once, unless told otherwise: many sensors, and 256 MiB of the kernel's memory at
/// worst.
pub const MAX_CONNECTIONS: usize = 256;

/// Connections that the kernel holds for us until they are accepted.
const BACKLOG: i32 = 1024;

/// How long to wait when the system has no descriptor or memory for another connection: accept
/// fails at once each time, and asking again at once would burn a core.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// A bound port, and who may connect to it.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    address: SocketAddr,
    access: Access,
    permits: Arc<Semaphore>,
    cap: usize,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    connections: AtomicU64,
    denied: AtomicU64,
    over_cap: AtomicU64,
}

impl Listener {
    /// Binds `address` for at most `cap` connections at once; a port of 0 lets the system choose.
    /// Each has a receive buffer of [`RECEIVE_BUFFER`] bytes.
    ///
    /// # Errors
    /// [`Error::NoAccess`] if others than this host can reach the address, and `access` was not
    /// given; [`Error::Bind`] if the system refuses.
    pub fn bind(address: SocketAddr, access: Access, cap: usize) -> Result<Listener, Error> {
        Listener::bind_with(address, access, cap, RECEIVE_BUFFER)
    }

    /// As [`Listener::bind`], with another size of the receive buffers, in bytes.
    ///
    /// # Errors
    /// Those of [`Listener::bind`].
    pub fn bind_with(
        address: SocketAddr,
        access: Access,
        cap: usize,
        receive_buffer: usize,
    ) -> Result<Listener, Error> {
        if !address.ip().to_canonical().is_loopback() && !access.is_explicit() {
            return Err(Error::NoAccess { address });
        }
        let cap = cap.clamp(1, Semaphore::MAX_PERMITS);
        let wrong = |source| Error::Bind { address, source };
        let tcp = open(address, receive_buffer).map_err(wrong)?;
        let address = tcp.local_addr().map_err(wrong)?;
        let permits = Arc::new(Semaphore::new(cap));
        Ok(Listener {
            tcp,
            address,
            access,
            permits,
            cap,
            counts: Arc::default(),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The figures of its connections while it listens.
    pub fn connections(&self) -> Connections {
        Connections {
            counts: Arc::clone(&self.counts),
            permits: Arc::clone(&self.permits),
            cap: self.cap,
        }
    }

    /// The next connection from a host that may connect, with a place for it.
    ///
    /// At the cap a connection is accepted, closed and counted, rather than left to the kernel: in
    /// the backlog its sender would believe itself served, and its records would be late by hours.
    async fn accept(&self) -> Connection {
        loop {
            let (tcp, peer) = match self.tcp.accept().await {
                Ok(accepted) => accepted,
                Err(error) if is_of_one_connection(&error) => continue,
                Err(error) => {
                    warn!(%error, "No connection can be accepted now.");
                    tokio::time::sleep(EXHAUSTED).await;
                    continue;
                }
            };
            if !self.access.allows(peer.ip()) {
                self.counts.denied.fetch_add(1, Relaxed);
                error!(%peer, "A connection was closed: its host is not on the list (`--allow`).");
                reset(tcp);
                continue;
            }
            let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else {
                self.counts.over_cap.fetch_add(1, Relaxed);
                error!(%peer, cap = self.cap, "A connection was closed: there are too many.");
                reset(tcp);
                continue;
            };
            match Connection::new(tcp, Some(permit)) {
                Ok(connection) => {
                    self.counts.connections.fetch_add(1, Relaxed);
                    debug!(%peer, stream = connection.stream(), "A sender connected.");
                    return connection;
                }
                // It went again before we looked.
                Err(error) => debug!(%peer, %error, "A connection was gone at once."),
            }
        }
    }
}

/// The figures of a listener's connections while it listens, for a status line.
#[derive(Clone, Debug)]
pub struct Connections {
    counts: Arc<Counts>,
    permits: Arc<Semaphore>,
    cap: usize,
}

impl Connections {
    /// Connections that are read now.
    pub fn open(&self) -> usize {
        self.cap - self.permits.available_permits()
    }

    /// The most that there can be at once.
    pub fn cap(&self) -> usize {
        self.cap
    }

    /// Connections so far.
    pub fn total(&self) -> u64 {
        self.counts.connections.load(Relaxed)
    }

    /// Peers so far that the access list does not have.
    pub fn denied(&self) -> u64 {
        self.counts.denied.load(Relaxed)
    }

    /// Peers so far that came while the cap was reached.
    pub fn over_cap(&self) -> u64 {
        self.counts.over_cap.load(Relaxed)
    }
}

fn open(address: SocketAddr, receive_buffer: usize) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        // Whatever the system's default is: `::` is everything, IPv4 too.
        socket.set_only_v6(false)?;
    }
    // Before listening: connections inherit it, and their window scale is settled by it.
    socket.set_recv_buffer_size(receive_buffer)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Whether accept failed for the connection rather than for the system (`accept(2)`).
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | Interrupted
    )
}

/// Closes a connection such that its sender learns of it at its next write, not at its end.
fn reset(tcp: TcpStream) {
    if let Err(error) = SockRef::from(&tcp).set_linger(Some(Duration::ZERO)) {
        debug!(%error, "A connection was closed without a reset.");
    }
}

/// Reads each connection as an input of its own, with the origin that `origin` gives it.
///
/// Without `keep_open` it is over after one connection, and the port is closed once that is there,
/// as nc does it; with it, at [`Station::stop`]. An error of one connection among several ends that
/// one only.
pub async fn listen(
    listener: Listener,
    keep_open: bool,
    station: &Station,
    origin: impl Fn(&Connection) -> Origin,
) -> Outcome {
    let mut tasks = JoinSet::new();
    let mut outcome = Outcome::default();
    let counts = Arc::clone(&listener.counts);
    let mut listener = Some(listener);
    loop {
        let accept = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = station.stop().cancelled(), if listener.is_some() => listener = None,
            Some(ended) = tasks.join_next() => outcome.end(ended, !keep_open),
            connection = accept => {
                let (origin, station) = (origin(&connection), station.clone());
                tasks.spawn(async move { receive(connection, origin, &station).await });
                if !keep_open {
                    listener = None;
                }
            }
        }
        if listener.is_none() && tasks.is_empty() {
            break;
        }
    }
    outcome.connections = counts.connections.load(Relaxed);
    outcome.denied = counts.denied.load(Relaxed);
    outcome.over_cap = counts.over_cap.load(Relaxed);
    outcome
}

impl Outcome {
    fn end(&mut self, ended: Result<Result<Summary, Error>, JoinError>, only: bool) {
        let result = ended.unwrap_or_else(|error| Err(Error::Task(error.to_string())));
        match &result {
            Ok(_) => {}
            Err(error @ Error::AsciiText { .. }) => error!("A sender was refused: {error}."),
            Err(error) => warn!(%error, "A connection ended early."),
        }
        self.add(result, only);
    }
}

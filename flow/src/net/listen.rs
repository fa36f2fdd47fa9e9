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

use super::refusals::Refusals;
use super::{Access, Connection, Outcome, RECEIVE_BUFFER, receive};
use crate::run::Error;
use crate::station::Station;
use crate::summary::Summary;

/// Default limit of simultaneous connections: enough for many sensors, and at worst 256 MiB of
/// kernel memory.
pub const MAX_CONNECTIONS: usize = 256;

/// Connections that the kernel queues until they are accepted.
const BACKLOG: i32 = 1024;

/// How long to wait when the system has no descriptor or memory for another connection: accept
/// fails immediately each time, and retrying without a wait would keep a core busy.
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
    denied: Refusals,
    over_cap: Refusals,
}

#[derive(Debug, Default)]
struct Counts {
    connections: AtomicU64,
    denied: AtomicU64,
    over_cap: AtomicU64,
}

impl Listener {
    /// Binds `address` for at most `cap` simultaneous connections; with port 0 the system picks
    /// one. Each connection has a receive buffer of [`RECEIVE_BUFFER`] bytes.
    ///
    /// # Errors
    /// [`Error::NoAccess`] if other hosts can reach the address and `access` is not explicit;
    /// [`Error::Bind`] if the system refuses.
    pub fn bind(address: SocketAddr, access: Access, cap: usize) -> Result<Listener, Error> {
        Listener::bind_with(address, access, cap, RECEIVE_BUFFER)
    }

    /// Like [`Listener::bind`], with another size of the receive buffers, in bytes.
    ///
    /// # Errors
    /// See [`Listener::bind`].
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
            denied: Refusals::new("`--allow` does not cover its host"),
            over_cap: Refusals::new(format!("`--max-connections` ({cap}) is reached")),
        })
    }

    /// The address that it listens on.
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

    /// Returns the next connection from a host that may connect, with a place for it.
    ///
    /// At the limit a connection is accepted, closed and counted rather than left in the kernel's
    /// backlog: there its sender would believe that it is served, and its records would come hours
    /// late.
    pub(super) async fn accept(&self) -> Connection {
        loop {
            let accepted = tokio::select! {
                biased;
                accepted = self.tcp.accept() => accepted,
                () = self.refusals_due() => continue,
            };
            let (tcp, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) if is_of_one_connection(&error) => continue,
                Err(error) => {
                    warn!(%error, "Cannot accept connections at the moment.");
                    tokio::time::sleep(EXHAUSTED).await;
                    continue;
                }
            };
            if let Some(connection) = self.admit(tcp, peer) {
                return connection;
            }
        }
    }

    /// At most so many of the connections that the kernel has queued: their senders may be done and
    /// gone.
    fn queued(&self, most: usize) -> Vec<Connection> {
        let mut queued = Vec::new();
        while queued.len() < most {
            // The socket does not block.
            let accepted = SockRef::from(&self.tcp).accept();
            let connection = accepted.and_then(|(socket, peer)| {
                socket.set_nonblocking(true)?;
                let tcp = TcpStream::from_std(socket.into())?;
                Ok(peer.as_socket().and_then(|peer| self.admit(tcp, peer)))
            });
            match connection {
                Ok(connection) => queued.extend(connection),
                Err(error) if is_of_one_connection(&error) => {}
                Err(_) => break,
            }
        }
        queued
    }

    /// Refuses a connection, or gives it a place.
    fn admit(&self, tcp: TcpStream, peer: SocketAddr) -> Option<Connection> {
        if !self.access.allows(peer.ip()) {
            self.counts.denied.fetch_add(1, Relaxed);
            self.denied.refuse(peer);
            reset(tcp);
            return None;
        }
        let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else {
            self.counts.over_cap.fetch_add(1, Relaxed);
            self.over_cap.refuse(peer);
            reset(tcp);
            return None;
        };
        match Connection::new(tcp, Some(permit)) {
            Ok(connection) => {
                self.counts.connections.fetch_add(1, Relaxed);
                debug!(%peer, stream = connection.stream(), "Accepted a connection.");
                Some(connection)
            }
            // It closed before it was accepted.
            Err(error) => {
                debug!(%peer, %error, "A connection closed immediately.");
                None
            }
        }
    }
}

impl Listener {
    /// Logs refused connections that were counted when it is time.
    async fn refusals_due(&self) {
        let both = [&self.denied, &self.over_cap];
        match both.iter().filter_map(|refusals| refusals.due()).min() {
            Some(due) => tokio::time::sleep_until(due).await,
            None => std::future::pending().await,
        }
        both.iter().for_each(|refusals| refusals.tell_due());
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
    /// Connections that are being read.
    pub fn open(&self) -> usize {
        self.cap - self.permits.available_permits()
    }

    /// The limit of simultaneous connections.
    pub fn cap(&self) -> usize {
        self.cap
    }

    /// Connections so far.
    pub fn total(&self) -> u64 {
        self.counts.connections.load(Relaxed)
    }

    /// Peers so far that the access list did not allow.
    pub fn denied(&self) -> u64 {
        self.counts.denied.load(Relaxed)
    }

    /// Peers so far that came while the limit was reached.
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
        // Do not depend on the system's default: `::` accepts IPv4, too.
        socket.set_only_v6(false)?;
    }
    // Set before listening: connections inherit it, and it determines their window scale.
    socket.set_recv_buffer_size(receive_buffer)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Whether accept failed because of the connection rather than the system (`accept(2)`).
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | Interrupted
    )
}

/// Closes a connection so that its sender notices at its next write rather than at its end.
pub(super) fn reset(tcp: TcpStream) {
    if let Err(error) = SockRef::from(&tcp).set_linger(Some(Duration::ZERO)) {
        debug!(%error, "Closed a connection without a reset.");
    }
}

/// Reads each connection as an input of its own, with the origin that `origin` returns.
///
/// Without `keep_open` it reads one connection and closes the port as soon as that is accepted, as
/// nc does; with it, it ends at [`Station::stop`]. An error of one connection among several ends
/// only that connection.
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
    let most = if keep_open { usize::MAX } else { 1 };
    loop {
        let accept = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = station.stop().cancelled(), if listener.is_some() => {
                // Who has connected before is read, too.
                let queued = listener.take().map(|listener| listener.queued(most));
                for connection in queued.into_iter().flatten() {
                    let (origin, station) = (origin(&connection), station.clone());
                    tasks.spawn(async move { receive(connection, origin, &station).await });
                }
            }
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
            Err(error @ Error::AsciiText { .. }) => error!("Refused a sender: {error}."),
            Err(error) => warn!(%error, "A connection ended early."),
        }
        self.add(result, only);
    }
}

//! A port that senders connect to.

use std::fmt;
use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dumpstream::Origin;
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};
use tracing::{error, warn};

use super::door::{Door, ListenOptions};
use super::places::{NoPlace, PATIENCE};
use super::port::{BACKLOG, Knock, Port};
use super::{Access, Connection, Outcome, receive};
use crate::Hangup;
use crate::run::Error;
use crate::station::Station;
use crate::summary::Summary;

/// How long to wait when the system has no descriptor or memory for another connection: accept
/// fails immediately each time, and retrying without a wait would keep a core busy.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// The minimum time between two messages about that.
const TOLD: Duration = Duration::from_secs(10);

/// Connections whose tasks have not begun: accepting is faster than reading, and must not fill all
/// places with connections that are over already.
const STARTING: usize = 16;

/// As many connections as the kernel queues.
const QUEUED: usize = BACKLOG as usize + 1;

/// A port that is listened on, and who may connect to it.
#[derive(Debug)]
pub struct Listener {
    port: Port,
    door: Arc<Door>,
    starting: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// A connection that waits for a place, and until when.
    waiting: Option<(Knock, Instant)>,
    /// One has waited in vain, and no place has become free since: the next one is not waited for.
    crowded: bool,
    /// How many connections the kernel may have queued by the stop.
    queued: Option<usize>,
    /// Until when nothing is accepted, and when that was reported.
    exhausted: Option<Instant>,
    told: Option<Instant>,
}

impl Listener {
    /// Binds `address` for at most `cap` simultaneous connections; with port 0 the system picks
    /// one.
    ///
    /// # Errors
    /// See [`Listener::open`].
    pub fn bind(address: SocketAddr, access: Access, cap: usize) -> Result<Listener, Error> {
        let options = ListenOptions {
            access,
            connections: cap,
            ..ListenOptions::default()
        };
        Listener::open(address, options)
    }

    /// Binds `address`; with port 0 the system picks one.
    ///
    /// # Errors
    /// [`Error::NoAccess`] if other hosts can reach the address and the access list is not
    /// explicit; [`Error::Bind`] if the system refuses.
    pub fn open(address: SocketAddr, options: ListenOptions) -> Result<Listener, Error> {
        if !address.ip().to_canonical().is_loopback() && !options.access.is_explicit() {
            return Err(Error::NoAccess { address });
        }
        let port = Port::tcp(address, options.receive_buffer).map_err(|source| Error::Bind {
            address: address.to_string(),
            source,
        })?;
        Ok(Listener::of(port, options))
    }

    /// Binds a unix socket; its permissions say who may connect. A socket that nobody listens on
    /// any more is replaced. The file is removed when this is dropped.
    ///
    /// # Errors
    /// [`Error::Bind`] if the system refuses.
    #[cfg(unix)]
    pub fn unix(path: &Path, options: ListenOptions) -> Result<Listener, Error> {
        let port = super::port::UnixPort::bind(path, options.receive_buffer);
        let port = port.map_err(|source| Error::Bind {
            address: path.display().to_string(),
            source,
        })?;
        Ok(Listener::of(Port::Unix(port), options))
    }

    fn of(port: Port, options: ListenOptions) -> Listener {
        Listener {
            port,
            door: Arc::new(Door::new(options)),
            starting: Arc::new(Semaphore::new(STARTING)),
            state: Mutex::default(),
        }
    }

    /// The address that it listens on; of a unix socket there is none.
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.port {
            Port::Tcp(_, address) => Some(*address),
            #[cfg(unix)]
            Port::Unix(_) => None,
        }
    }

    /// The figures of its connections while it listens.
    pub fn connections(&self) -> Connections {
        Connections(Arc::clone(&self.door))
    }

    /// Who lets its connections in.
    pub(super) fn door(&self) -> &Arc<Door> {
        &self.door
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the next connection from a host that may connect, with a place for it. Nothing is
    /// lost if this future is dropped.
    ///
    /// When all places are taken, a connection waits a moment for one. Then it is closed and
    /// counted rather than left in the kernel's backlog: there its sender would believe that it is
    /// served, and its records would come hours late.
    pub(super) async fn accept(&self) -> Connection {
        loop {
            let (waits, exhausted) = {
                let state = self.state();
                (
                    state.waiting.as_ref().map(|(_, until)| *until),
                    state.exhausted,
                )
            };
            if let Some(until) = waits {
                tokio::select! {
                    biased;
                    () = self.door.places.free() => {}
                    () = sleep_until(until) => self.state().crowded = true,
                }
                if let Some(connection) = self.let_waiting_in() {
                    return connection;
                }
                continue;
            }
            if let Some(until) = exhausted {
                sleep_until(until).await;
                self.state().exhausted = None;
            }
            let starting = Arc::clone(&self.starting).acquire_owned().await;
            match self.port.accept().await {
                Ok(knock) => {
                    if let Some(mut connection) = self.let_in(knock) {
                        connection.starting = starting.ok();
                        return connection;
                    }
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => self.rest(&error),
            }
        }
    }

    /// Reads certificates again at each [`Hangup`].
    pub fn reload_on(&self, hangup: &Hangup) {
        self.door.reload_on(hangup);
    }

    /// The next connection; after [`Listener::stop`], until there is none.
    async fn next(&self) -> Option<Connection> {
        let stops = self.state().queued.is_some();
        match stops {
            true => self.queued().await,
            false => Some(self.accept().await),
        }
    }

    /// Accepts no more than what the kernel has queued: at most so many connections.
    fn stop(&self, queued: usize) {
        self.state().queued = Some(queued);
    }

    /// After [`Listener::stop`], returns the next connection that the kernel had queued, with a place
    /// for it: its sender may be done and gone. By then each connection is read only as far as it
    /// has arrived, so that a place is free soon.
    async fn queued(&self) -> Option<Connection> {
        loop {
            self.state().crowded = false;
            if self.state().waiting.is_some() {
                self.door.places.free().await;
                if let Some(connection) = self.let_waiting_in() {
                    return Some(connection);
                }
            }
            {
                let mut state = self.state();
                state.queued = Some(state.queued?.checked_sub(1)?);
            }
            match self.port.accept_now() {
                Ok(knock) => {
                    if let Some(connection) = self.let_in(knock) {
                        return Some(connection);
                    }
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(_) => return None,
            }
        }
    }

    fn let_waiting_in(&self) -> Option<Connection> {
        let waiting = self.state().waiting.take();
        waiting.and_then(|(knock, _)| self.let_in(knock))
    }

    /// Gives a connection a place, lets it wait for one, or refuses it.
    fn let_in(&self, knock: Knock) -> Option<Connection> {
        let (door, peer) = (&self.door, knock.peer());
        if !door.allows(&peer) {
            knock.reset();
            return None;
        }
        match door.place(&peer) {
            Ok(place) => {
                self.state().crowded = false;
                return door.admit(knock.connection(door.keepalive), place);
            }
            Err(NoPlace::Full) => {
                let mut state = self.state();
                if !state.crowded {
                    state.waiting = Some((knock, Instant::now() + PATIENCE));
                    return None;
                }
                door.over_cap.refuse(peer);
            }
            Err(NoPlace::Host) => {}
        }
        knock.reset();
        None
    }

    /// The system has nothing left for another connection.
    fn rest(&self, error: &io::Error) {
        let (mut state, now) = (self.state(), Instant::now());
        state.exhausted = Some(now + EXHAUSTED);
        if state.told.is_none_or(|told| now - told >= TOLD) {
            state.told = Some(now);
            warn!(
                %error,
                "Cannot accept connections at the moment; if files are the reason, raise `ulimit \
                 -n` or lower `--max-connections`."
            );
        }
    }
}

impl fmt::Display for Listener {
    /// Where it listens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.port.fmt(f)
    }
}

/// The figures of a listener's connections while it listens, for a status line.
#[derive(Clone, Debug)]
pub struct Connections(Arc<Door>);

impl Connections {
    /// Connections that are being read.
    pub fn open(&self) -> usize {
        self.0.places.taken()
    }

    /// The limit of simultaneous connections.
    pub fn cap(&self) -> usize {
        self.0.places.cap()
    }

    /// Connections so far.
    pub fn total(&self) -> u64 {
        self.0.connections.load(Relaxed)
    }

    /// Peers so far that the access list did not allow.
    pub fn denied(&self) -> u64 {
        self.0.denied.total()
    }

    /// Peers so far that came while all places, or all of their host, were taken.
    pub fn over_cap(&self) -> u64 {
        self.0.over_cap.total() + self.0.over_host.total()
    }

    /// Peers so far whose TLS handshake failed.
    pub fn insecure(&self) -> u64 {
        self.0.insecure.total()
    }
}

/// Whether accept failed because of the connection rather than the system (`accept(2)`).
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | Interrupted
    )
}

/// Reads each connection as an input of its own, with the origin that `origin` returns.
///
/// Without `keep_open` it reads one connection and closes the port as soon as that is accepted, as
/// nc does; with it, it ends at [`Station::stop`]. An error of one connection among several ends
/// only that connection. [`Station::hangup`] reads certificates again.
pub async fn listen(
    listener: Listener,
    keep_open: bool,
    station: &Station,
    origin: impl Fn(&Connection) -> Origin,
) -> Outcome {
    let mut tasks = JoinSet::new();
    let mut outcome = Outcome::default();
    let door = Arc::clone(&listener.door);
    door.reload_on(station.hangup());
    let serve = |tasks: &mut JoinSet<_>, connection: Connection| {
        let (origin, station) = (origin(&connection), station.clone());
        let door = Arc::clone(&door);
        tasks.spawn(async move {
            match door.ready(connection, station.stop()).await? {
                Some(connection) => {
                    let peer = connection.peer().clone();
                    let done = receive(connection, origin, &station).await;
                    door.ended(peer, &done);
                    done
                }
                None => Ok(Summary::default()),
            }
        });
    };
    let mut listener = Some(listener);
    let mut stops = false;
    loop {
        let next = async {
            match &listener {
                Some(listener) => listener.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = station.stop().cancelled(), if !stops => {
                stops = true;
                if let Some(listener) = &listener {
                    listener.stop(if keep_open { QUEUED } else { 1 });
                }
            }
            Some(ended) = tasks.join_next() => outcome.end(ended, !keep_open),
            () = door.refusals_due() => {}
            connection = next => match connection {
                Some(connection) => {
                    serve(&mut tasks, connection);
                    if !keep_open {
                        listener = None;
                    }
                }
                None => listener = None,
            }
        }
        if listener.is_none() && tasks.is_empty() {
            break;
        }
    }
    outcome.connections = door.connections.load(Relaxed);
    outcome.denied = door.denied.total();
    outcome.over_cap = door.over_cap.total() + door.over_host.total();
    outcome.insecure = door.insecure.total();
    outcome
}

impl Outcome {
    fn end(&mut self, ended: Result<Result<Summary, Error>, JoinError>, only: bool) {
        let result = ended.unwrap_or_else(|error| Err(Error::Task(error.to_string())));
        match &result {
            Err(error @ Error::AsciiText { .. }) => error!("Refused a sender: {error}."),
            Err(error @ Error::Task(_)) => error!("{error}."),
            // The others are logged, once a second.
            _ => {}
        }
        self.add(result, only);
    }
}

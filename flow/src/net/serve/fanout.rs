//! One text for any number of clients, and the figures of all of them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::piece::Piece;
use super::ring::{Cursor, Next, Ring};
use crate::net::Peer;
use crate::summary::plural;

/// Default memory limit of the text that is kept for clients that fall behind, in bytes.
pub const DEFAULT_BUFFER: usize = 64 << 20;

/// What happens to a client that reads more slowly than the text comes, once the buffer is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Slow {
    /// It is skipped ahead, and a line says by how many records.
    #[default]
    Drop,
    /// Its connection is reset.
    Disconnect,
    /// The text waits for it.
    Block,
}

/// How a line among the text says that records were skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Notice {
    /// `dumpstream: skipped N records`, which [`Framer`](dumpstream::framing::Framer) recognises
    /// among tcpdump's text.
    #[default]
    Text,
    /// `{"skipped":N}`, among JSON Lines.
    Json,
}

impl Notice {
    /// The line, with its line feed.
    fn line(self, skipped: u64) -> String {
        match self {
            Notice::Text => format!("dumpstream: skipped {}\n", plural(skipped, "record")),
            Notice::Json => format!("{{\"skipped\":{skipped}}}\n"),
        }
    }
}

/// One text for any number of clients. Clones share it.
///
/// The newest text is kept once, in memory that is bounded, and each client has its own place in
/// it: none makes another one wait. What a client does not take in time is lost to it alone, as
/// [`Slow`] says. [`serve`](super::serve()) accepts the clients.
#[derive(Clone)]
pub struct Fanout(Arc<Shared>);

struct Shared {
    ring: watch::Sender<Ring>,
    buffer: usize,
    slow: Slow,
    notice: Notice,
    clients: Mutex<Clients>,
    /// A client has joined or left, or, where the text waits for clients, has taken a piece.
    moved: Notify,
    /// One sender at a time waits for room.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Clients {
    open: BTreeMap<u64, Arc<Tally>>,
    /// The figures of those that have left, and how many clients there were.
    gone: Figures,
}

impl Clients {
    /// Whether each client has taken all pieces below this number.
    fn have_taken(&self, number: u64) -> bool {
        let mut open = self.open.values();
        open.all(|tally| tally.next.load(Relaxed) >= number)
    }
}

/// The figures of one client while it is connected.
#[derive(Debug, Default)]
struct Tally {
    /// The number of its next piece.
    next: AtomicU64,
    sent: AtomicU64,
    skipped: AtomicU64,
    ignored: AtomicU64,
}

impl fmt::Debug for Fanout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fanout")
            .field("slow", &self.0.slow)
            .field("figures", &self.figures())
            .finish_non_exhaustive()
    }
}

impl Fanout {
    /// Keeps at most `buffer` bytes for clients that fall behind, or one piece if that is longer.
    /// In addition, each client holds the piece that is being written to it.
    pub fn new(buffer: usize, slow: Slow, notice: Notice) -> Fanout {
        Fanout(Arc::new(Shared {
            ring: watch::Sender::new(Ring::default()),
            buffer,
            slow,
            notice,
            clients: Mutex::default(),
            moved: Notify::new(),
            turn: tokio::sync::Mutex::default(),
        }))
    }

    /// Sends a piece to all clients. It waits for them only with [`Slow::Block`]: until all have
    /// taken what has to make room, or until `stop`.
    pub async fn send(&self, mut piece: Piece, stop: &CancellationToken) {
        if piece.is_empty() {
            return;
        }
        piece.shrink();
        let shared = &*self.0;
        if shared.slow != Slow::Block {
            let push = |ring: &mut Ring| ring.push(piece, shared.buffer);
            return shared.ring.send_modify(push);
        }
        let _turn = shared.turn.lock().await;
        let room = shared.ring.borrow().room(piece.cost(), shared.buffer);
        tokio::select! {
            biased;
            () = self.until(|clients| clients.have_taken(room)) => {}
            () = stop.cancelled() => {}
        }
        shared
            .ring
            .send_modify(|ring| ring.push(piece, shared.buffer));
    }

    /// Ends the text: clients get what is left of it, then the end of the connection.
    pub fn end(&self) {
        self.0.ring.send_modify(Ring::close);
    }

    /// Waits for the end of the text.
    pub async fn ended(&self) {
        let mut ring = self.0.ring.subscribe();
        // The sender is ours.
        drop(ring.wait_for(Ring::has_ended).await);
    }

    /// Waits until so many clients are connected at the same time.
    pub async fn joined(&self, clients: usize) {
        self.until(|all| all.open.len() >= clients).await;
    }

    /// The figures so far.
    pub fn figures(&self) -> Figures {
        let clients = self.clients();
        let mut figures = clients.gone.clone();
        figures.open = clients.open.len() as u64;
        for tally in clients.open.values() {
            figures.sent += tally.sent.load(Relaxed);
            figures.skipped += tally.skipped.load(Relaxed);
            figures.ignored += tally.ignored.load(Relaxed);
        }
        let ring = self.0.ring.borrow();
        figures.records = ring.records();
        figures.bytes = ring.bytes();
        figures.between = ring.between();
        figures.omitted = ring.omitted();
        figures
    }

    /// A place for a new client.
    pub(super) fn join(&self, peer: Peer) -> Place {
        let mut clients = self.clients();
        let cursor = Cursor::new(self.0.ring.subscribe());
        let tally = Arc::new(Tally::default());
        tally.next.store(cursor.number(), Relaxed);
        let number = clients.gone.clients;
        clients.gone.clients += 1;
        clients.open.insert(number, Arc::clone(&tally));
        drop(clients);
        self.0.moved.notify_waiters();
        Place {
            fanout: self.clone(),
            peer,
            number,
            joined: cursor.before(),
            cursor,
            tally,
            left: Left::Itself,
        }
    }

    fn clients(&self) -> MutexGuard<'_, Clients> {
        let clients = self.0.clients.lock();
        clients.unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something holds of the clients.
    async fn until(&self, holds: impl Fn(&Clients) -> bool) {
        loop {
            let moved = self.0.moved.notified();
            tokio::pin!(moved);
            // Before the look, so that no change is missed.
            moved.as_mut().enable();
            if holds(&self.clients()) {
                return;
            }
            moved.await;
        }
    }
}

/// Why a client is not connected any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// It closed the connection, or has had everything.
    Itself,
    /// It accepted nothing for too long, or was disconnected by [`Slow::Disconnect`].
    Slow,
    /// The text has ended, and it did not take the rest in time.
    Late,
}

/// A client's place: where it is in the text, and its figures. They are counted when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    fanout: Fanout,
    pub(super) peer: Peer,
    number: u64,
    cursor: Cursor,
    tally: Arc<Tally>,
    /// Records before it joined.
    joined: u64,
    pub(super) left: Left,
}

impl Place {
    /// See [`Cursor::next`].
    pub(super) async fn next(&mut self) -> Next {
        let next = self.cursor.next().await;
        if let Next::Skipped(records) = next
            && !self.disconnects()
            && self.tally.skipped.fetch_add(records, Relaxed) == 0
        {
            let peer = &self.peer;
            warn!(%peer, records, "A client cannot keep up; skipping packets for it.");
        }
        self.tally.next.store(self.cursor.number(), Relaxed);
        if self.fanout.0.slow == Slow::Block {
            self.fanout.0.moved.notify_waiters();
        }
        next
    }

    /// Whether the client is disconnected rather than skipped ahead.
    pub(super) fn disconnects(&self) -> bool {
        self.fanout.0.slow == Slow::Disconnect
    }

    /// Waits until the client's next piece is dropped, if it is to be disconnected then.
    async fn overrun(&mut self) {
        match self.disconnects() {
            true => self.cursor.lapped().await,
            false => std::future::pending().await,
        }
    }

    /// Waits until the client, which accepts nothing, is too slow: after `patience`, when it is to be
    /// disconnected, or once the text has ended, after `drain`. Returns how it leaves.
    pub(super) async fn too_slow(&mut self, patience: Duration, drain: Duration) -> Left {
        let fanout = self.fanout.clone();
        let late = async {
            fanout.ended().await;
            sleep(drain).await;
        };
        tokio::select! {
            () = sleep(patience) => Left::Slow,
            () = self.overrun() => Left::Slow,
            () = late => Left::Late,
        }
    }

    /// The line that says how many records were skipped.
    pub(super) fn notice(&self, skipped: u64) -> String {
        self.fanout.0.notice.line(skipped)
    }

    /// Counts records that were handed to the system.
    pub(super) fn sent(&self, records: u64) {
        self.tally.sent.fetch_add(records, Relaxed);
    }

    /// Counts bytes that the client sent.
    pub(super) fn ignored(&self, bytes: usize) {
        self.tally.ignored.fetch_add(bytes as u64, Relaxed);
    }

    /// Records that were sent, that were skipped, and that have come since and were neither.
    pub(super) fn figures(&self) -> (u64, u64, u64) {
        let all = self.fanout.0.ring.borrow().records() - self.joined;
        let sent = self.tally.sent.load(Relaxed);
        let skipped = self.tally.skipped.load(Relaxed);
        (sent, skipped, all - sent - skipped)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut clients = self.fanout.clients();
        let (sent, skipped, unsent) = self.figures();
        clients.open.remove(&self.number);
        let gone = &mut clients.gone;
        gone.sent += sent;
        gone.skipped += skipped;
        gone.ignored += self.tally.ignored.load(Relaxed);
        match self.left {
            Left::Itself => gone.unsent += unsent,
            Left::Slow => {
                gone.unsent += unsent;
                gone.slow += 1;
            }
            Left::Late => gone.late += unsent,
        }
        drop(clients);
        self.fanout.0.moved.notify_waiters();
    }
}

/// The figures of a text and its clients. Those of the clients are sums over all clients.
///
/// Of each client, the records that came while it was connected are those that were sent to it,
/// those that it was told were skipped, and, once it has left, those that it left unsent.
///
/// Its `Display` prints lines like those that tcpdump ends with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Figures {
    /// Records of the text.
    pub records: u64,
    /// Bytes of the text.
    pub bytes: u64,
    /// Those of `bytes` that belong to no record.
    pub between: u64,
    /// Bytes that were left out of the text.
    pub omitted: u64,
    /// Clients so far.
    pub clients: u64,
    /// Clients that are connected.
    pub open: u64,
    /// Records that were handed to the system.
    pub sent: u64,
    /// Records that slow clients were told they do not get.
    pub skipped: u64,
    /// Records that had come but were not sent when their client left or was disconnected.
    pub unsent: u64,
    /// Records that were not sent within the drain time-out.
    pub late: u64,
    /// Clients that were disconnected because they were too slow.
    pub slow: u64,
    /// Bytes that clients sent; they are ignored.
    pub ignored: u64,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let packet = |n| plural(n, "packet");
        let (records, bytes) = (packet(self.records), plural(self.bytes, "byte"));
        write!(f, "{records} served ({bytes})")?;
        if self.between > 0 {
            let between = plural(self.between, "byte");
            write!(f, "\n{between} between packets, passed on unchanged")?;
        }
        if self.omitted > 0 {
            let omitted = plural(self.omitted, "byte");
            write!(f, "\n{omitted} of payload or between packets omitted")?;
        }
        write!(f, "\n{}", plural(self.clients, "client"))?;
        if self.open > 0 {
            write!(f, ", {} connected", self.open)?;
        }
        if self.slow > 0 {
            write!(f, ", {} disconnected as too slow", self.slow)?;
        }
        write!(f, "\n{} sent to clients", packet(self.sent))?;
        let rest = [
            (self.skipped, "skipped for slow clients"),
            (self.unsent, "unsent when their client left"),
            (self.late, "not sent when --drain-timeout expired"),
        ];
        for (n, what) in rest.into_iter().filter(|(n, _)| *n > 0) {
            write!(f, "\n{} {what}", packet(n))?;
        }
        if self.ignored > 0 {
            write!(f, "\n{} from clients ignored", plural(self.ignored, "byte"))?;
        }
        Ok(())
    }
}

//! A bounded queue of packets in front of one sink, and the task that empties it.
//!
//! Every input sends to every lane; the lane hands its sink everything queued in one write. A full
//! lane makes its sources wait, and with them the network: this is how a slow sink slows its
//! senders. A lane whose sink has been stalled for a while drops packets instead, and counts them,
//! so that one dead sink does not stop the others.
//!
//! The rule: every packet offered ends as delivered, rejected or dropped, and until then it is
//! queued. Whoever holds a packet's count gives it back under the one lock.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use dumpstream::Packets;
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

pub use self::counters::Counters;
pub use self::lanes::Lanes;
use self::offer::{Dropping, Waiting};
use crate::acks::{Owed, Ticket};
use crate::latency::{Histogram, Latency};
use crate::sink::context::RowKind;
use crate::sink::{OnFull, Sink};

mod counters;
mod lanes;
mod offer;
mod task;

/// The default of [`LaneOptions::queue`], 64 MiB: a second of a sensor that prints 100,000 packets
/// a second, and small beside the memory of any machine that receives so much.
pub const DEFAULT_QUEUE: usize = 64 << 20;

/// The default of [`LaneOptions::stall_after`]: longer than a database's checkpoint or the
/// election of a new leader, shorter than what a sender's own buffers hide.
pub const DEFAULT_STALL_AFTER: Duration = Duration::from_secs(10);

/// Bytes per permit of the queue; permits are counted in 32 bits.
const PERMIT: usize = 1 << 10;

/// How a lane behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneOptions {
    /// Memory limit of packets that are queued or being written, in bytes. A batch larger than that
    /// passes alone.
    pub queue: usize,
    /// A full lane whose sink has completed nothing for this long drops packets until the sink
    /// recovers.
    pub stall_after: Duration,
    /// What a full lane does. `None`: sources wait until the sink has stalled, then packets are
    /// dropped; if this is the only lane, sources always wait.
    pub on_full: Option<OnFull>,
    /// There is no other lane that would be delayed by waiting for this one.
    pub only: bool,
    /// Measure latency from each packet's own time stamp instead of the arrival of its text: for
    /// packets that were stamped by this machine's clock.
    pub since_stamp: bool,
    /// What the rows are, for messages.
    pub rows: RowKind,
}

impl Default for LaneOptions {
    fn default() -> LaneOptions {
        LaneOptions {
            queue: DEFAULT_QUEUE,
            stall_after: DEFAULT_STALL_AFTER,
            on_full: None,
            only: false,
            since_stamp: false,
            rows: RowKind::default(),
        }
    }
}

/// A queue of packets in front of one sink. Clones share it.
///
/// ```
/// use dumpstream_flow::{Lane, LaneOptions, SinkContext, SinkUrl};
/// # let runtime = tokio::runtime::Runtime::new()?;
/// # runtime.block_on(async {
/// # let context = SinkContext { columns: [].into(), namespace: "tcpdump".into(), hash: 0,
/// #     version: "0", ..SinkContext::default() };
/// let url: SinkUrl = "null:".parse()?;
/// let lane = Lane::spawn(url.to_string(), url.open(&context)?, LaneOptions::default());
/// // lane.send(packets).await, from as many inputs as there are
/// let counters = lane.close(None).await;
/// assert_eq!(counters.verify(), Ok(()));
/// # Ok::<(), dumpstream_flow::SinkError>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Lane(Arc<Shared>);

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane")
            .field("name", &self.0.name)
            .finish_non_exhaustive()
    }
}

struct Shared {
    name: Arc<str>,
    options: LaneOptions,
    capacity: u32,
    state: Mutex<State>,
    /// Room in the queue, in [`PERMIT`]s, first come, first served. Closed together with the lane.
    room: Semaphore,
    /// Wakes the task: the queue is no longer empty, or half full, or the lane is closing.
    work: Notify,
    /// Cancelled to give up everything that is still queued.
    abort: CancellationToken,
    /// The sink has failed.
    died: CancellationToken,
    /// The task has ended.
    done: CancellationToken,
    /// The task's sink, while the task has one.
    sink: Weak<dyn Sink>,
}

struct State {
    queue: VecDeque<Queued>,
    /// Permits of what is queued and being written.
    held: u32,
    writing: bool,
    /// Senders that wait for room, and when they were last counted.
    waiting: u32,
    waiting_since: Instant,
    /// When the sink last completed a write, or got work after it had none.
    moved: Instant,
    closing: bool,
    /// Nothing is accepted any more; every packet has been counted.
    buried: bool,
    counters: Counters,
    latency: Histogram,
    /// The current period of dropping, once it has been reported.
    dropping: Option<Dropping>,
}

struct Queued {
    packets: Packets,
    permits: u32,
    /// What it owes the packets' source, if that can take an answer.
    owed: Option<Owed>,
}

impl State {
    fn has_work(&self) -> bool {
        self.writing || !self.queue.is_empty()
    }

    /// Updates the time spent waiting.
    fn account(&mut self, now: Instant) {
        self.counters.stalled += (now - self.waiting_since) * self.waiting;
        self.waiting_since = now;
    }

    fn drop_queued(&mut self, packets: u64) {
        self.counters.queued -= packets;
        self.counters.dropped += packets;
    }

    /// Counts everything that is still queued as dropped, and accepts nothing from now on.
    fn bury(&mut self) {
        self.drop_queued(self.counters.queued);
        self.queue.clear();
        self.buried = true;
    }
}

impl Lane {
    /// Starts the lane's task on the current runtime; `name` is for reports.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn spawn(name: impl Into<String>, sink: Box<dyn Sink>, options: LaneOptions) -> Lane {
        let now = Instant::now();
        let capacity = u32::try_from(options.queue / PERMIT)
            .unwrap_or(u32::MAX)
            .max(1);
        let capacity = capacity.min(u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX));
        let sink: Arc<dyn Sink> = sink.into();
        let shared = Arc::new(Shared {
            sink: Arc::downgrade(&sink),
            name: name.into().into(),
            options,
            capacity,
            state: Mutex::new(State {
                queue: VecDeque::new(),
                held: 0,
                writing: false,
                waiting: 0,
                waiting_since: now,
                moved: now,
                closing: false,
                buried: false,
                counters: Counters::default(),
                latency: Histogram::default(),
                dropping: None,
            }),
            room: Semaphore::new(capacity as usize),
            work: Notify::new(),
            abort: CancellationToken::new(),
            died: CancellationToken::new(),
            done: CancellationToken::new(),
        });
        tokio::spawn(task::drain(shared.clone(), sink));
        Lane(shared)
    }

    /// The lane's name, for reports.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Offers packets. Returns when they are queued, or dropped and counted. If this future is
    /// dropped while it waits, its packets are dropped and counted, too.
    pub async fn send(&self, packets: Packets) {
        self.send_for(packets, None).await;
    }

    /// The same, for a source that the ticket answers.
    pub(crate) async fn send_for(&self, packets: Packets, ticket: Option<&Ticket>) {
        let count = packets.len() as u64;
        if count == 0 {
            return;
        }
        let shared = &*self.0;
        let permits = packets.footprint().div_ceil(PERMIT);
        let permits = u32::try_from(permits)
            .unwrap_or(u32::MAX)
            .clamp(1, shared.capacity);
        let owed = ticket.map(|ticket| ticket.owed(&shared.name));
        let queued = Queued {
            packets,
            permits,
            owed,
        };
        match shared.offer(queued, count) {
            Ok(say) => shared.say(&say),
            Err(queued) => {
                // From here on the guard gives the count back, even if this future is dropped.
                let waiting = Waiting::new(shared, count);
                let say = waiting.wait(queued).await;
                shared.say(&say);
            }
        }
    }

    /// What has become of the packets so far.
    pub fn counters(&self) -> Counters {
        let mut state = self.0.lock();
        state.account(Instant::now());
        state.counters.clone()
    }

    /// The time from the arrival of a packet's text, or from its stamp
    /// ([`LaneOptions::since_stamp`]), until the sink acknowledged it.
    pub fn latency(&self) -> Latency {
        self.0.lock().latency.summary()
    }

    /// Waits until the sink has failed; never returns if it does not fail.
    pub async fn died(&self) {
        self.0.died.cancelled().await;
    }

    /// Stops accepting packets, writes those offered before, and closes the sink. Packets that the
    /// sink has not acknowledged at the deadline are counted as dropped.
    pub async fn close(&self, deadline: Option<Instant>) -> Counters {
        self.0.lock().closing = true;
        self.0.work.notify_one();
        let done = self.0.done.cancelled();
        match deadline {
            None => done.await,
            Some(deadline) => {
                if timeout_at(deadline, done).await.is_err() {
                    self.0.abort.cancel();
                    self.0.done.cancelled().await;
                }
            }
        }
        self.counters()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("nothing panics while it holds this lock")
    }
}

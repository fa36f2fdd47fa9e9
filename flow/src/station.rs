//! What all inputs of a process share: the parser, the lanes, and the end.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use dumpstream::framing::Framer;
use dumpstream::{Packets, Parser};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use self::builder::{DEFAULT_DRAIN_TIMEOUT, DEFAULT_FLUSH_AFTER, StationBuilder};
pub use self::memory::DEFAULT_MEMORY;
use self::memory::Memory;
pub(crate) use self::memory::Share;
pub(crate) use self::numbers::Numbering;
use self::numbers::Numbers;
use crate::acks::Acks;
use crate::codec::BatchCodec;
use crate::lane::Lanes;
use crate::progress::Progress;
use crate::rejects::Rejects;
use crate::sink::hangup::Hangup;

mod builder;
mod memory;
mod numbers;

/// Sensors that are remembered, and reported.
const MOST_FAR: usize = 1000;

/// Minimum time that the file of rejects gets at the end, however long the sinks took.
const MOMENT: Duration = Duration::from_millis(500);

/// What all inputs of a process share. Clones share it, too.
///
/// [`run`](crate::run()) reads inputs, any number side by side;
/// [`net::listen`](crate::net::listen) does so for connections. [`Station::stop`] ends them all
/// as their own end would. Either way, [`Station::drain`] is the last step.
///
/// ```
/// use dumpstream::{Namespace, Origin, Parser};
/// use dumpstream_flow::{Station, run::Source};
///
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// let station = Station::builder(Parser::new(Namespace::tcpdump())?)
///     .output("null:".parse()?)
///     .open()?;
/// let text = &b"1700000000.000001 ARP, Request who-has 192.0.2.1 tell 192.0.2.2, length 28\n"[..];
/// let summary = dumpstream_flow::run(Source::stored(text), Origin::new("gate"), &station).await?;
/// assert_eq!((summary.parsed, station.drain().await), (1, 0));
/// assert!(station.lanes().counters().all(|(_, counters)| counters.delivered == 1));
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Station(Arc<Shared>);

struct Shared {
    parser: Arc<Parser>,
    lanes: Lanes,
    /// Whether a sink compares texts.
    compares: bool,
    rejects: Rejects,
    hangup: Hangup,
    stop: CancellationToken,
    /// When the lanes must be done, once the end was requested.
    deadline: OnceLock<Instant>,
    drain_timeout: Duration,
    max_record: usize,
    flush_after: Duration,
    memory: Memory,
    progress: Progress,
    numbers: Numbers,
    /// Sensors whose stamps are far from the clock, and reported.
    far: Mutex<BTreeSet<String>>,
}

impl fmt::Debug for Station {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Station")
            .field("lanes", &self.0.lanes)
            .finish_non_exhaustive()
    }
}

impl Station {
    /// Starts to build a station.
    pub fn builder(parser: impl Into<Arc<Parser>>) -> StationBuilder {
        StationBuilder::new(parser.into())
    }

    /// The parser of all inputs.
    pub fn parser(&self) -> &Parser {
        &self.0.parser
    }

    /// The lanes that packets go to.
    pub fn lanes(&self) -> &Lanes {
        &self.0.lanes
    }

    /// Takes records whose protocol was not found (the lanes get them, too), and rows that sinks
    /// refuse.
    pub fn rejects(&self) -> &Rejects {
        &self.0.rejects
    }

    /// Asks sinks to reopen their files.
    pub fn hangup(&self) -> &Hangup {
        &self.0.hangup
    }

    /// The figures of all inputs while they run.
    pub fn progress(&self) -> &Progress {
        &self.0.progress
    }

    /// Cancelling it ends every input as its own end would. It is also cancelled when no sink is
    /// alive any more. From then on the lanes have the drain time-out: what they have not written
    /// by then is dropped and counted, and no input waits for them any more.
    pub fn stop(&self) -> &CancellationToken {
        &self.0.stop
    }

    /// The most bytes of a record.
    pub fn max_record(&self) -> usize {
        self.0.max_record
    }

    /// Closes the lanes after all inputs have ended. Everything is written; after
    /// [`Station::stop`], everything that the drain time-out allows. Returns the number of packets
    /// left unwritten.
    pub async fn drain(&self) -> u64 {
        let Shared {
            lanes,
            rejects,
            stop,
            ..
        } = &*self.0;
        if !stop.is_cancelled() {
            tokio::select! {
                biased;
                () = async { lanes.close(None).await; rejects.flush().await } => return 0,
                () = stop.cancelled() => {}
            }
        }
        let deadline = self.deadline();
        lanes.close(Some(deadline)).await;
        // A file that accepts nothing in that time will not do so later.
        let moment = deadline.max(Instant::now() + MOMENT);
        let flushed = tokio::time::timeout_at(moment, rejects.flush()).await;
        if flushed.is_err() {
            rejects.abandon();
        }
        lanes.counters().map(|(_, c)| c.undrained).sum()
    }

    /// See [`StationBuilder::drain_timeout`].
    #[cfg(feature = "kafka")]
    pub(crate) fn drain_timeout(&self) -> Duration {
        self.0.drain_timeout
    }

    /// When the lanes must be done; the first call starts the time-out.
    pub(crate) fn deadline(&self) -> Instant {
        *self
            .0
            .deadline
            .get_or_init(|| Instant::now() + self.0.drain_timeout)
    }

    /// Runs `work`, which waits for lanes, to its end. After [`Station::stop`] the lanes have until
    /// the deadline; then they are closed, which unblocks `work`.
    pub(crate) async fn unblocked<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = self.0.stop.cancelled() => {}
        }
        let deadline = self.deadline();
        tokio::select! {
            biased;
            done = &mut work => done,
            () = tokio::time::sleep_until(deadline) => {
                self.0.rejects.abandon();
                self.0.lanes.close(Some(deadline)).await;
                work.await
            }
        }
    }

    /// Waits for the memory that parsing a text of this length may take. Inputs hold it until their
    /// packets are in the lanes. Also returns how long that was.
    pub(crate) async fn memory(&self, text: usize) -> (Share<'_>, Duration) {
        let share = self.0.memory.share(text);
        tokio::pin!(share);
        tokio::select! {
            biased;
            share = &mut share => (share, Duration::ZERO),
            // Inputs that wait for full lanes hold the rest.
            () = std::future::ready(()) => {
                let waiting = self.0.progress.wait();
                (share.await, waiting.over())
            }
        }
    }

    /// The memory for a larger read buffer, if there is enough.
    pub(crate) fn buffer(&self, bytes: usize) -> Option<Share<'_>> {
        self.0.memory.buffer(bytes)
    }

    /// Hands placed packets to every lane; returns how long full lanes made it wait.
    ///
    /// All placed packets of all inputs pass here, those of each input in order. A tap on them, for
    /// figures or a display, belongs here: it borrows the packets before the lanes do. Rows of a
    /// second kind, such as those figures, are packets of another namespace and have a station of
    /// their own, with its limits and counters, as heartbeats do (`sink::context::RowKind`).
    ///
    /// `acked` is who waits for the lanes' answers, and where the packets' text ends.
    pub(crate) async fn deliver(&self, packets: &Packets, acked: Option<(&Acks, u64)>) -> Duration {
        if packets.is_empty() {
            return Duration::ZERO;
        }
        self.0.rejects.unparsed(packets).await;
        let lanes = &self.0.lanes;
        let ticket = acked.map(|(acks, end)| acks.send(end, packets.len() as u64, lanes.len()));
        let offer = lanes.offer_for(packets, ticket.as_ref());
        tokio::pin!(offer);
        tokio::select! {
            biased;
            () = &mut offer => Duration::ZERO,
            // A lane is full: from here on this input waits, and nothing is read.
            () = std::future::ready(()) => {
                let waiting = self.0.progress.wait();
                offer.await;
                waiting.over()
            }
        }
    }

    /// Whether stored inputs are to carry [`Packets::contents`].
    pub(crate) fn compares(&self) -> bool {
        self.0.compares
    }

    /// A codec for a new input.
    pub(crate) fn codec(&self) -> BatchCodec {
        BatchCodec::from(Framer::new().max_record(self.0.max_record))
    }

    /// After this long without bytes, an input's last record is sent on if it is complete.
    pub(crate) fn flush_after(&self) -> Duration {
        self.0.flush_after
    }

    /// Whether a sensor's stamps were not reported yet as far from the clock.
    pub(crate) fn first_far(&self, sensor: &str) -> bool {
        let mut far = self.0.far.lock().unwrap_or_else(PoisonError::into_inner);
        far.len() < MOST_FAR && far.insert(sensor.to_owned())
    }

    /// Tracks the packet numbers of a new input.
    pub(crate) fn numbering(&self) -> Numbering<'_> {
        self.0.numbers.begin()
    }
}

//! What every input of a process shares: the parser, the lanes, and when it is over.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use dumpstream::framing::Framer;
use dumpstream::{Packets, Parser};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use self::builder::{DEFAULT_DRAIN_TIMEOUT, DEFAULT_FLUSH_AFTER, StationBuilder};
pub(crate) use self::numbers::Numbering;
use self::numbers::Numbers;
use crate::codec::BatchCodec;
use crate::lane::Lanes;
use crate::progress::Progress;
use crate::rejects::Rejects;
use crate::sink::hangup::Hangup;

mod builder;
mod numbers;

/// What the file of rejects has at least at the end, however long the sinks took.
const MOMENT: Duration = Duration::from_millis(500);

/// What every input of a process shares. Clones share it, too.
///
/// Inputs are read by [`run`](crate::run()), any number side by side; a listener's are by
/// [`bridge::listen`](crate::net::listen). [`Station::stop`] ends them all as their own end
/// would, and [`Station::drain`] is the last step either way.
///
/// ```
/// use dumpstream_flow::run::Source;
/// use dumpstream::{Namespace, Origin, Parser, Station};
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
    rejects: Rejects,
    hangup: Hangup,
    stop: CancellationToken,
    /// When the lanes must be done, once something has asked for the end.
    deadline: OnceLock<Instant>,
    drain_timeout: Duration,
    max_record: usize,
    flush_after: Duration,
    progress: Progress,
    numbers: Numbers,
}

impl fmt::Debug for Station {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Station")
            .field("lanes", &self.0.lanes)
            .finish_non_exhaustive()
    }
}

impl Station {
    /// Begins to put one together.
    pub fn builder(parser: impl Into<Arc<Parser>>) -> StationBuilder {
        StationBuilder::new(parser.into())
    }

    /// What makes packets of text.
    pub fn parser(&self) -> &Parser {
        &self.0.parser
    }

    /// Where packets go.
    pub fn lanes(&self) -> &Lanes {
        &self.0.lanes
    }

    /// Takes the records whose protocol was not found (the lanes get them too), and the rows that
    /// sinks refuse.
    pub fn rejects(&self) -> &Rejects {
        &self.0.rejects
    }

    /// Asks sinks to open their files anew.
    pub fn hangup(&self) -> &Hangup {
        &self.0.hangup
    }

    /// The figures of all inputs, while they run.
    pub fn progress(&self) -> &Progress {
        &self.0.progress
    }

    /// Cancelling it ends every input as its own end would, and it is cancelled when no sink lives
    /// any more. From then on the lanes have the drain's time: what they have not written by then
    /// is dropped, and counted, and no input waits for them any more.
    pub fn stop(&self) -> &CancellationToken {
        &self.0.stop
    }

    /// The most bytes of a record.
    pub fn max_record(&self) -> usize {
        self.0.max_record
    }

    /// Closes the lanes, once all inputs have ended: everything is written, or, after
    /// [`Station::stop`], what the drain's time allows. Returns how many packets that left
    /// unwritten.
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
        // A file that takes no more in that time will not take it later.
        let moment = deadline.max(Instant::now() + MOMENT);
        let flushed = tokio::time::timeout_at(moment, rejects.flush()).await;
        if flushed.is_err() {
            rejects.abandon();
        }
        lanes.counters().map(|(_, c)| c.undrained).sum()
    }

    /// When the lanes must be done; the first call says from when on that counts.
    fn deadline(&self) -> Instant {
        *self
            .0
            .deadline
            .get_or_init(|| Instant::now() + self.0.drain_timeout)
    }

    /// Runs `work`, which waits for lanes, to its end. After [`Station::stop`] they have until the
    /// deadline; then they are closed, which frees `work`.
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

    /// Hands placed packets to every lane; returns how long full ones made it wait.
    ///
    /// All placed packets of all inputs come by here, each input's in their order. So this is where
    /// a tap on them belongs, which makes figures of them or shows them: it borrows the packets,
    /// before the lanes do. Rows of a second kind, as such figures are, would go to the sinks by
    /// the same lanes, for the same bounds and counters: as a variant beside the packets in what a
    /// lane queues (`lane::Queued`).
    pub(crate) async fn deliver(&self, packets: &Packets) -> Duration {
        if packets.is_empty() {
            return Duration::ZERO;
        }
        self.0.rejects.unparsed(packets).await;
        let offer = self.0.lanes.offer(packets);
        tokio::pin!(offer);
        tokio::select! {
            biased;
            () = &mut offer => Duration::ZERO,
            // A lane is full: from here on it is waiting, and nothing is read.
            () = std::future::ready(()) => {
                let waiting = self.0.progress.wait();
                offer.await;
                waiting.over()
            }
        }
    }

    /// A codec for a new input.
    pub(crate) fn codec(&self) -> BatchCodec {
        BatchCodec::from(Framer::new().max_record(self.0.max_record))
    }

    /// Without bytes for so long, an input's last record is sent on if it is complete.
    pub(crate) fn flush_after(&self) -> Duration {
        self.0.flush_after
    }

    /// What follows the numbers of a new input.
    pub(crate) fn numbering(&self) -> Numbering<'_> {
        self.0.numbers.begin()
    }
}

//! Heartbeats: figures of this machine, and of a receiver, at regular times.
//!
//! A beat is a row like a packet's, so every sink takes it: its sensor is the machine, its stream this
//! run of the program, its record the number of the beat. Beat n is due n periods after the start,
//! however long earlier ones took. One that could not be taken before the next one was due is missed:
//! its number stays free.
//!
//! Nobody waits for a heartbeat, and a heartbeat waits for nobody: it has a station of its own, whose
//! lanes drop what a slow sink does not take.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use dumpstream::Parser;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

pub use self::fields::namespace;
use self::host::Host;
pub use self::host::host_name;
pub use self::receiver::Receiver;
use self::row::{Beat, Row};
use crate::clock;
use crate::net::stream_name;
use crate::sink::OnFull;
use crate::sink::context::RowKind;
use crate::station::{Station, StationBuilder};

mod fields;
mod host;
mod rate;
mod receiver;
mod row;

/// The shortest period: within 200 ms, sysinfo does not measure the CPUs again.
pub const SHORTEST: Duration = Duration::from_millis(250);

/// The longest period: a machine that is heard of once a day is hardly watched.
pub const LONGEST: Duration = Duration::from_secs(86_400);

/// Which beats are taken.
#[derive(Debug)]
pub struct HeartbeatOptions {
    /// The sensor of the rows.
    pub sensor: String,
    /// Time between two beats, from [`SHORTEST`] to [`LONGEST`].
    pub every: Duration,
    /// How many beats are taken; `None`: until the end is asked for.
    pub count: Option<u64>,
    /// Whose counters are a part of each beat. Its [stop](Station::stop) also ends the heartbeat.
    pub receiver: Option<Receiver>,
}

/// A heartbeat that has been started. Clones are the same one.
///
/// ```
/// use std::time::Duration;
///
/// use dumpstream_flow::heartbeat::{self, Heartbeat, HeartbeatOptions};
///
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// let station = heartbeat::station().output("null:".parse()?).open()?;
/// let options = HeartbeatOptions {
///     sensor: "gate".to_owned(),
///     every: Duration::from_millis(250),
///     count: Some(1),
///     receiver: None,
/// };
/// let heartbeat = Heartbeat::start(options, station)?;
/// assert_eq!(heartbeat.ended().await, 0);
/// assert_eq!((heartbeat.taken(), heartbeat.missed()), (1, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Heartbeat(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    station: Station,
    taken: AtomicU64,
    missed: AtomicU64,
    /// Cancelled when the last beat was written or given up.
    done: CancellationToken,
}

/// Starts to build a station for heartbeats.
pub fn station() -> StationBuilder {
    let parser = Parser::new(namespace()).expect("a test makes one");
    Station::builder(parser)
        .rows(RowKind::Heartbeats)
        .identity(true)
        .on_full(OnFull::Drop)
}

impl Heartbeat {
    /// Takes the first beat after one period, and so on. The station is one of [`station`].
    ///
    /// # Errors
    /// A sentence: this system cannot be read.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(options: HeartbeatOptions, station: Station) -> Result<Heartbeat, String> {
        let host = Host::new()?;
        let shared = Arc::new(Shared {
            station,
            taken: AtomicU64::new(0),
            missed: AtomicU64::new(0),
            done: CancellationToken::new(),
        });
        tokio::spawn(run(options, host, shared.clone()));
        Ok(Heartbeat(shared))
    }

    /// Its station.
    pub fn station(&self) -> &Station {
        &self.0.station
    }

    /// Beats that were taken.
    pub fn taken(&self) -> u64 {
        self.0.taken.load(Relaxed)
    }

    /// Beats that could not be taken in time.
    pub fn missed(&self) -> u64 {
        self.0.missed.load(Relaxed)
    }

    /// Waits until it has ended and its lanes are drained. Returns the number of beats left
    /// unwritten.
    pub async fn ended(&self) -> u64 {
        self.0.done.cancelled().await;
        let counters = self.0.station.lanes().counters();
        counters.map(|(_, counters)| counters.undrained).sum()
    }

    /// Ends it; the same as [`Heartbeat::ended`] after that.
    pub async fn end(&self) -> u64 {
        self.0.station.stop().cancel();
        self.ended().await
    }
}

/// Takes beats until the end, and drains the lanes.
async fn run(options: HeartbeatOptions, host: Host, shared: Arc<Shared>) {
    let _done = shared.done.clone().drop_guard();
    let stop = shared.station.stop().clone();
    let receiver = options.receiver.as_ref();
    let receiver = receiver.map(|receiver| receiver.station().stop().clone());
    let stopped = async {
        match receiver {
            Some(receiver) => receiver.cancelled_owned().await,
            None => std::future::pending().await,
        }
        stop.cancel();
    };
    tokio::select! {
        biased;
        () = stopped => {}
        () = stop.cancelled() => {}
        () = beat(&options, host, &shared) => {}
    }
    shared.station.drain().await;
}

async fn beat(options: &HeartbeatOptions, mut host: Host, shared: &Shared) {
    let HeartbeatOptions {
        sensor,
        every,
        count,
        receiver,
    } = options;
    let stream = stream_name(sensor);
    let mut row = Row::new(shared.station.parser());
    let start = Instant::now();
    let mut ticks = interval_at(start + *every, *every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut last = 0;
    while count.is_none_or(|count| shared.taken.load(Relaxed) < count) {
        ticks.tick().await;
        let number = number(start.elapsed(), *every, last);
        let time = clock::now();
        // A disk that does not answer must not hold up a thread of the runtime.
        let read = tokio::task::spawn_blocking(move || (host.read(), host));
        let reading;
        (reading, host) = match read.await {
            Ok(read) => read,
            Err(e) => return tracing::error!("The heartbeat ends: {e}"),
        };
        let beat = Beat {
            reading,
            every: *every,
            counted: receiver.as_ref().map(Receiver::read),
        };
        let rows = row.of(&beat, (sensor, &stream, number), time);
        shared.taken.fetch_add(1, Relaxed);
        shared.missed.fetch_add(number - last - 1, Relaxed);
        last = number;
        shared.station.deliver(&rows, None).await;
    }
}

/// The number of the beat that is due after this time: the last one whose moment has come.
fn number(elapsed: Duration, every: Duration, last: u64) -> u64 {
    let due = elapsed.as_nanos() / every.as_nanos().max(1);
    u64::try_from(due).unwrap_or(u64::MAX).max(last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beat_that_comes_late_has_the_number_of_its_moment() {
        let every = Duration::from_secs(1);
        let at = |ms| Duration::from_millis(ms);
        assert_eq!(number(at(1_000), every, 0), 1);
        assert_eq!(number(at(2_999), every, 1), 2);
        // Two and three were missed.
        assert_eq!(number(at(4_001), every, 1), 4);
        // Never the same twice.
        assert_eq!(number(at(3_999), every, 4), 5);
    }
}

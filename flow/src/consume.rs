//! Reads topics: each partition's messages are texts, and offsets follow what the lanes answer.
//!
//! One thread owns the consumer. It appends the messages of each sensor to a text of its own, which
//! [`run`](crate::run()) reads as it reads every input. An offset is committed once every record
//! before it is answered by every lane, and never before; what was not answered is read again.
//!
//! The thread never waits for a lane for long: a consumer that does not poll loses its place in the
//! group. It pauses its partitions instead.

mod context;
mod ends;
mod group;
mod look;
mod ours;
mod partition;
mod reading;
mod text;
mod topics;
mod waiting;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use dumpstream::Origin;

use self::reading::Reading;
pub use self::topics::Topics;
use crate::run::Error;
use crate::station::Station;
use crate::summary::Summary;

/// Texts that are read at the same time: each has a buffer and a task. Beyond that, those end that
/// were not used for the longest time.
pub const MAX_TEXTS: usize = 1000;

/// How [`consume`] reads.
#[derive(Clone, Debug, Default)]
pub struct ConsumeOptions {
    /// The sensor of all messages; without it, that of each message's header, its key, or the name
    /// of its topic.
    pub sensor: Option<String>,
    /// End when everything that is in the topics at the start is read and answered.
    pub until_end: bool,
    /// Where the lag is shown.
    pub lag: Lag,
}

/// How many messages of the assigned partitions were not read yet. Clones share it.
#[derive(Clone, Debug)]
pub struct Lag(Arc<AtomicI64>);

impl Default for Lag {
    fn default() -> Lag {
        Lag(Arc::new(AtomicI64::new(-1)))
    }
}

impl Lag {
    /// The messages; `None` while that is not known.
    pub fn messages(&self) -> Option<u64> {
        u64::try_from(self.0.load(Ordering::Relaxed)).ok()
    }

    fn set(&self, messages: i64) {
        self.0.store(messages, Ordering::Relaxed);
    }
}

/// The result of [`consume`].
///
/// Its `Display` prints the summary, then the messages.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Consumed {
    /// The figures of all texts together.
    pub summary: Summary,
    /// Messages that were read.
    pub messages: u64,
    /// Messages that are left in the partitions that were read last; `None` if that is not known.
    pub lag: Option<u64>,
    /// Messages that the brokers had deleted before they were read.
    pub deleted: u64,
    /// Texts that were refused because they are of `tcpdump -A`.
    pub refused: u64,
    /// The error that ended it, if any.
    pub error: Option<Error>,
}

impl fmt::Display for Consumed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.messages == 1 { "" } else { "s" };
        write!(f, "{}\n{} message{plural}", self.summary, self.messages)?;
        if let Some(lag) = self.lag {
            write!(f, ", lag {lag}")?;
        }
        if self.deleted > 0 {
            write!(f, ", {} deleted before they were read", self.deleted)?;
        }
        if self.refused > 0 {
            write!(f, ", {} texts refused (tcpdump -A)", self.refused)?;
        }
        Ok(())
    }
}

/// Reads topics until [`Station::stop`], or to their end. Each text is an input of its own, with
/// the origin that `origin` returns for its sensor; its stream is `TOPIC/PARTITION`.
///
/// At the end it waits for the lanes' answers, at most for the drain time-out, commits, and leaves
/// the group. What is not answered by then is read again next time.
///
/// # Panics
/// Outside a tokio runtime.
pub async fn consume(
    topics: Topics,
    options: ConsumeOptions,
    station: &Station,
    origin: impl Fn(&str) -> Origin + Send + 'static,
) -> Consumed {
    let station = station.clone();
    let runtime = tokio::runtime::Handle::current();
    let read = move || match Reading::open(&topics, options, station, runtime, Box::new(origin)) {
        Ok(reading) => reading.run(),
        Err(error) => Consumed {
            error: Some(error),
            ..Consumed::default()
        },
    };
    let read = tokio::task::spawn_blocking(read);
    read.await.unwrap_or_else(|panicked| Consumed {
        error: Some(Error::Task(panicked.to_string())),
        ..Consumed::default()
    })
}

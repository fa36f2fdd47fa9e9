//! A sink: takes rows and answers for each of them.
//!
//! The answer *is* the acknowledgement. A [`Sink`] does not know where rows come from, and its
//! [`Lane`](crate::Lane) does not know what the sink is. Retries, batches and concurrency towards
//! its server are the sink's own business. [`Schemes`](crate::Schemes) lists the sinks.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use dumpstream::Packets;
use tokio::time::Instant;

pub(crate) mod context;
pub(crate) mod csv;
pub(crate) mod file;
pub(crate) mod hangup;
pub(crate) mod jsonl;
pub(crate) mod null;
#[cfg(feature = "parquet")]
pub(crate) mod parquet;
pub(crate) mod parts;
pub(crate) mod patience;
pub(crate) mod scheme;
pub(crate) mod url;
#[cfg(any(feature = "cassandra", feature = "kafka"))]
pub(crate) mod waiting;
pub(crate) mod writer;

/// What a trait object's async function returns.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Writes packets somewhere.
///
/// - [`Sink::write`] answers for every row that it is given: delivered, rejected or dropped.
/// - Rows of one stream arrive in the order of their ordinals; a gap means that the lane dropped
///   rows.
/// - Writing a row twice changes nothing if the destination can identify rows: a row *is* its
///   (sensor, stream, record).
/// - An `Err` means that the sink is dead for good; nothing is written to it after that.
/// - A write whose future is dropped may have written all, some or none of its rows.
pub trait Sink: Send + Sync {
    /// Writes all rows, and returns when they are stored.
    ///
    /// # Errors
    /// Nothing can be written any more, now or later.
    fn write<'a>(&'a self, rows: &'a [Packets]) -> BoxFuture<'a, Result<Written, SinkError>>;

    /// Ends the output; nothing is written afterwards.
    ///
    /// # Errors
    /// Earlier writes cannot be made durable.
    fn close<'a>(&'a self) -> BoxFuture<'a, Result<(), SinkError>>;

    /// Asks a running write to stop as soon as it can. Returns how many of its rows are already
    /// stored, never more than it was given. It may be called again, and after a failed write.
    /// Nothing is written after that.
    fn give_up(&self) -> u64 {
        0
    }

    /// The minimum time between the starts of two writes, for a destination that prefers few large
    /// writes. A lane does not wait for it when its queue is half full or the lane is closing.
    fn linger(&self) -> Duration {
        Duration::ZERO
    }

    /// Whether it compares texts by [`Packets::contents`]: stored inputs then carry them.
    fn compares(&self) -> bool {
        false
    }

    /// Returns whether every row that its destination has refused so far is kept in a file.
    fn keeps_rejected(&self) -> BoxFuture<'_, bool> {
        Box::pin(async { false })
    }

    /// When a part of the running write last completed, if the sink can tell: a long write that
    /// makes progress is not stalled.
    fn moved(&self) -> Option<Instant> {
        None
    }
}

/// What became of the rows of one write: the acknowledgement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Rows that are stored, including those that were already stored.
    pub delivered: u64,
    /// Those of `delivered` that were already stored and stayed as they were; 0 if the destination
    /// cannot tell.
    pub present: u64,
    /// Those of `delivered` that replaced a stored row, because their record has grown.
    pub amended: u64,
    /// Rows that the destination refused because of their content.
    pub rejected: u64,
    /// Rows that the sink gave up.
    pub dropped: u64,
}

/// Why a sink could not be opened, or why it is dead.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SinkError {
    /// The URL does not name a known sink.
    #[error("unknown sink `{url}`{meant}; use one of {known}")]
    UnknownSink {
        /// As it was typed.
        url: String,
        /// What was probably meant, in parentheses, or empty.
        meant: String,
        /// How the URLs of known sinks are written.
        known: String,
    },
    /// The program was built without this sink.
    #[error(
        "this build has no {scheme}:, which is the feature `{feature}`; build one that has: cargo \
         install --locked --path cli --features {feature}"
    )]
    Absent {
        /// The word before the colon.
        scheme: &'static str,
        /// The feature that adds it.
        feature: &'static str,
    },
    /// The URL does not have the form that its sink needs.
    #[error("sink `{url}`: {why}")]
    Malformed {
        /// As it was typed, without anything that could be a password.
        url: String,
        /// What is wrong, and what would be right.
        why: String,
    },
    /// The URL has a parameter that the sink does not know.
    #[error("sink `{url}`: unknown parameter `{parameter}`; it takes {known}")]
    UnknownParameter {
        /// As it was typed.
        url: String,
        /// The name.
        parameter: String,
        /// The parameters that the sink takes.
        known: String,
    },
    /// The URL has the same parameter twice.
    #[error("sink `{url}`: parameter `{parameter}` is given more than once; it takes {known}")]
    RepeatedParameter {
        /// As it was typed.
        url: String,
        /// The name.
        parameter: String,
        /// The parameters that the sink takes.
        known: String,
    },
    /// A parameter has an invalid value.
    #[error("sink `{url}`: `{parameter}={value}` is not {wanted}")]
    BadParameter {
        /// As it was typed.
        url: String,
        /// The name.
        parameter: String,
        /// The value.
        value: String,
        /// The valid values.
        wanted: &'static str,
    },
    /// The sink does not write to this destination.
    #[error("{sink}: {why}")]
    Refused {
        /// The sink's URL.
        sink: String,
        /// Why, and what to do instead.
        why: String,
    },
    /// The reader of the output closed it, as `head` does.
    #[error("{sink}: its reader closed it")]
    ReaderGone {
        /// The sink's URL.
        sink: String,
    },
    /// The system returned an error.
    #[error("{sink}: cannot {action}")]
    Io {
        /// The sink's URL.
        sink: String,
        /// The attempted action.
        action: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// The database returned an error.
    #[error("{sink}: cannot {action}")]
    Database {
        /// The sink's URL.
        sink: String,
        /// The attempted action.
        action: &'static str,
        /// The database's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A table has a column of this name but of another type.
    #[error(
        "{sink}: column `{column}` is {found} there but {wanted} in the namespace; \
         rename the field, or write to another place"
    )]
    Column {
        /// The sink's URL.
        sink: String,
        /// The column.
        column: String,
        /// The type in the table.
        found: String,
        /// The type of the namespace.
        wanted: &'static str,
    },
    /// The writing thread ended, which is a bug of this program.
    #[error("{sink}: its thread ended unexpectedly")]
    Stopped {
        /// The sink's URL.
        sink: String,
    },
    /// The sink answered for more or fewer rows than it was given, which is a bug of the sink.
    #[error("the sink was given {given} rows and answered for {answered}")]
    Miscounted {
        /// Rows given.
        given: u64,
        /// Rows answered for.
        answered: u64,
    },
}

impl SinkError {
    /// Wraps an error of the system, while `sink` tried to do `action`.
    pub(crate) fn io(sink: &str, action: &'static str) -> impl FnOnce(io::Error) -> SinkError {
        move |source| SinkError::Io {
            sink: sink.to_owned(),
            action,
            source,
        }
    }
}

/// What a full lane does with the next packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFull {
    /// The source waits.
    Block,
    /// They are dropped, and counted.
    Drop,
}

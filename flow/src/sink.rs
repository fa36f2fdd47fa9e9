//! What a sink is: it takes rows and answers for each of them.
//!
//! The answer *is* the acknowledgement. A [`Sink`] knows nothing of where rows come from, and its
//! [`Lane`](crate::Lane) knows nothing of what it is. Retries, batches and concurrency towards its
//! server are its own business. Which sinks there are stands in [`Schemes`](crate::Schemes).

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
pub(crate) mod parts;
pub(crate) mod scheme;
pub(crate) mod url;
pub(crate) mod writer;

/// What a trait object's async function returns.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Writes packets somewhere.
///
/// - [`Sink::write`] answers for every row that it was given: delivered, rejected or dropped.
/// - Rows of one stream arrive in the order of their ordinals; a gap means that its lane dropped.
/// - Writing a row twice changes nothing where the place can tell: a row *is* its
///   (sensor, stream, record).
/// - An `Err` says that the sink is dead for good; nothing is written to it after that.
/// - A write whose future is dropped may have written all, some or none of its rows.
pub trait Sink: Send + Sync {
    /// Writes all rows, and returns when they are where they belong.
    ///
    /// # Errors
    /// When nothing can be written any more, now or later.
    fn write<'a>(&'a self, rows: &'a [Packets]) -> BoxFuture<'a, Result<Written, SinkError>>;

    /// Ends the output; nothing is written afterwards.
    ///
    /// # Errors
    /// When what was written before cannot be made safe.
    fn close<'a>(&'a self) -> BoxFuture<'a, Result<(), SinkError>>;

    /// Tells a write that is under way to stop as soon as it can: its time is over. Returns how
    /// many of its rows are where they belong by now, never more than there are; it may be asked
    /// again, and after a write that failed. Nothing is written after that.
    fn give_up(&self) -> u64 {
        0
    }

    /// The least time between the starts of two writes, for a place that prefers few large ones.
    /// A lane does not wait for it when its queue is half full, or when it is closing.
    fn linger(&self) -> Duration {
        Duration::ZERO
    }

    /// When a part of a write that still goes on was last done, where a sink can say so: a long
    /// write that gets on is not one that stands still.
    fn moved(&self) -> Option<Instant> {
        None
    }
}

/// What became of the rows of one write: an acknowledgement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Rows that are there now, also those that were there before.
    pub delivered: u64,
    /// Those of `delivered` that were there before and stayed as they were; 0 where the place
    /// cannot tell.
    pub present: u64,
    /// Rows that the place refused for what they are.
    pub rejected: u64,
    /// Rows that the sink gave up.
    pub dropped: u64,
}

/// Why a sink could not be opened, or is dead.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SinkError {
    /// The URL names no known sink.
    #[error("unknown sink `{url}`{meant}; a sink is one of {known}")]
    UnknownSink {
        /// As it was typed.
        url: String,
        /// What it may have been meant for, in parentheses; else empty.
        meant: String,
        /// How the URLs of those that are known are written.
        known: String,
    },
    /// The program was built without this sink.
    #[error("this build has no {scheme}: (feature `{feature}`)")]
    Absent {
        /// The word before the colon.
        scheme: &'static str,
        /// The feature that adds it.
        feature: &'static str,
    },
    /// The URL is not written as its sink needs it.
    #[error("sink `{url}`: {why}")]
    Malformed {
        /// As it was typed, without what could be a password.
        url: String,
        /// What is wrong, and what would be right.
        why: String,
    },
    /// The URL has a parameter that its sink does not know.
    #[error("sink `{url}`: unknown parameter `{parameter}`; it takes {known}")]
    UnknownParameter {
        /// As it was typed.
        url: String,
        /// The name.
        parameter: String,
        /// Those that it takes.
        known: String,
    },
    /// The URL has a parameter twice.
    #[error("sink `{url}`: parameter `{parameter}` is given more than once; it takes {known}")]
    RepeatedParameter {
        /// As it was typed.
        url: String,
        /// The name.
        parameter: String,
        /// Those that it takes.
        known: String,
    },
    /// A parameter has a value that it cannot have.
    #[error("sink `{url}`: `{parameter}={value}` is not {wanted}")]
    BadParameter {
        /// As it was typed.
        url: String,
        /// The name.
        parameter: String,
        /// The value.
        value: String,
        /// Those that it can have.
        wanted: &'static str,
    },
    /// The place is one that the sink does not write to.
    #[error("{sink}: {why}")]
    Refused {
        /// The sink's URL.
        sink: String,
        /// Why, and what to do instead.
        why: String,
    },
    /// The reader of the output has gone, as `head` goes.
    #[error("{sink}: its reader has closed it")]
    ReaderGone {
        /// The sink's URL.
        sink: String,
    },
    /// The system refused.
    #[error("{sink}: cannot {action}")]
    Io {
        /// The sink's URL.
        sink: String,
        /// What was tried.
        action: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// The database refused.
    #[error("{sink}: cannot {action}")]
    Database {
        /// The sink's URL.
        sink: String,
        /// What was tried.
        action: &'static str,
        /// What the database says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A table has a column of this name and another type.
    #[error(
        "{sink}: column `{column}` is {found} there and {wanted} in the namespace; \
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
    /// The thread that writes has ended, which is a fault of this program.
    #[error("{sink}: its writer has ended unexpectedly")]
    Stopped {
        /// The sink's URL.
        sink: String,
    },
    /// The sink answered for more or fewer rows than it was given, which is a fault of the sink.
    #[error("the sink was given {given} rows and answered for {answered}")]
    Miscounted {
        /// Rows given.
        given: u64,
        /// Rows answered for.
        answered: u64,
    },
}

impl SinkError {
    /// What the system refused, while `sink` was to do `action`.
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

//! Where packets go: what a sink is, and how one is named.
//!
//! A [`Sink`] takes rows and answers for each of them; the answer *is* the acknowledgement. It knows
//! nothing of where rows come from, and its [`Lane`](crate::Lane) knows nothing of what it is.
//! Retries, batches and concurrency towards its server are its own business.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

#[cfg(feature = "cassandra")]
use crate::cassandra::{Address, Cassandra};
use crate::namespace::Column;
use crate::packet::Packets;
use crate::rejects::Rejects;

pub use self::hangup::Hangup;
use self::lines::TextSink;
use self::output::{Output, Rotation, WANTED};

pub(crate) mod csv;
pub(crate) mod hangup;
pub(crate) mod jsonl;
pub(crate) mod lines;
pub(crate) mod null;
pub(crate) mod output;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;
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
    /// The URL names no sink of this build.
    #[error("unknown sink `{url}`{}; a sink is one of {}", meant(url), known().join(", "))]
    UnknownSink {
        /// As it was typed.
        url: String,
    },
    /// The URL has a parameter that its sink does not know.
    #[error(
        "sink `{url}`: unknown parameter `{parameter}`; it takes {known} (a `?` that belongs to a file's name needs another `?` at the end)"
    )]
    UnknownParameter {
        /// As it was typed.
        url: String,
        /// The name.
        parameter: String,
        /// Those that it takes.
        known: &'static str,
    },
    /// A parameter has a value that it cannot have.
    #[error("sink `{url}`: `{parameter}={value}` is not one of {wanted}")]
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
        source: std::io::Error,
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
    /// The URL of a cluster is wrong.
    #[cfg(feature = "cassandra")]
    #[error(transparent)]
    Address(#[from] crate::cassandra::AddressError),
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

/// What every sink of a run needs to know.
#[derive(Clone, Debug, Default)]
pub struct SinkContext {
    /// The namespace's columns, in order.
    pub columns: Arc<[Column]>,
    /// The namespace's name.
    pub namespace: String,
    /// The namespace's hash, [`Namespace::hash`](crate::Namespace::hash).
    pub hash: u64,
    /// The version of the program.
    pub version: &'static str,
    /// Write `sensor`, `stream`, `record` and `time_source` where a sink has the choice (JSON).
    pub identity: bool,
    /// Write the record's own bytes.
    pub raw: bool,
    /// When a stream's first record comes again, its old rows go and the new ones stay.
    pub replace: bool,
    /// Rows that are there already get the values of those that come again, each by itself, where
    /// a place can do that; without it the first write of a row stays.
    pub amend: bool,
    /// Takes the rows that the sink's place refuses.
    pub rejects: Rejects,
    /// Asks sinks to open their files anew.
    pub hangup: Hangup,
}

/// What a full lane does with the next packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFull {
    /// The source waits.
    Block,
    /// They are dropped, and counted.
    Drop,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Jsonl,
    Csv,
    #[cfg(feature = "sqlite")]
    Sqlite,
    #[cfg(feature = "cassandra")]
    Cassandra,
    Null,
}

/// Every sink of this build, as its URL is typed.
const SCHEMES: &[(&str, Scheme, &str)] = &[
    ("jsonl", Scheme::Jsonl, "jsonl:- or jsonl:FILE"),
    ("csv", Scheme::Csv, "csv:- or csv:FILE"),
    #[cfg(feature = "sqlite")]
    ("sqlite", Scheme::Sqlite, "sqlite:FILE"),
    #[cfg(feature = "cassandra")]
    (
        "cassandra",
        Scheme::Cassandra,
        "cassandra://HOST[,HOST]/KEYSPACE.TABLE",
    ),
    ("null", Scheme::Null, "null:"),
];

const PARAMETERS: &str = "on_full=block|drop";

/// The parameters of a sink that writes files of text.
const FILE_PARAMETERS: &str = "on_full=block|drop, rotate=TIME|SIZE, rotate_size=SIZE";

fn known() -> Vec<&'static str> {
    SCHEMES.iter().map(|s| s.2).collect()
}

/// What a bare file's name was meant for, by how it ends.
fn meant(url: &str) -> String {
    if url.contains(':') {
        return String::new();
    }
    let end = url.rsplit_once('.').map_or("", |(_, end)| end);
    let scheme = match end {
        "jsonl" | "json" | "ndjson" => "jsonl",
        "csv" => "csv",
        "db" | "sqlite" | "sqlite3" | "db3" if cfg!(feature = "sqlite") => "sqlite",
        _ if url == "-" => "jsonl",
        _ => return String::new(),
    };
    format!(" (did you mean `{scheme}:{url}`?)")
}

/// The name of a sink: `SCHEME:PLACE[?PARAMETER=VALUE[&…]]`, as `-o` takes it.
///
/// ```
/// use dumpstream::{OnFull, SinkUrl};
///
/// let url: SinkUrl = "jsonl:out.jsonl?on_full=drop".parse()?;
/// assert_eq!((url.scheme(), url.place()), ("jsonl", "out.jsonl"));
/// assert_eq!(url.on_full(), Some(OnFull::Drop));
/// assert!("jsonl:-?colour=1".parse::<SinkUrl>().is_err());
/// # Ok::<(), dumpstream::SinkError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkUrl {
    text: String,
    scheme: Scheme,
    place: String,
    on_full: Option<OnFull>,
    rotation: Option<Rotation>,
    #[cfg(feature = "cassandra")]
    address: Option<Box<Address>>,
}

impl Scheme {
    /// Whether it writes text to a file of any name.
    fn is_text(self) -> bool {
        matches!(self, Scheme::Jsonl | Scheme::Csv)
    }
}

impl SinkUrl {
    /// The word before the colon.
    pub fn scheme(&self) -> &'static str {
        SCHEMES
            .iter()
            .find(|s| s.1 == self.scheme)
            .expect("every scheme is in the table")
            .0
    }

    /// What stands between the colon and the parameters: a file, or `-`.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Whether the sink writes to standard output.
    pub fn is_stdout(&self) -> bool {
        self.scheme.is_text() && self.place == "-"
    }

    /// The file that the sink writes to, if it is one.
    pub fn file(&self) -> Option<&str> {
        (self.scheme != Scheme::Null && !self.is_stdout()).then_some(&*self.place)
    }

    /// The parameter `on_full`, which every sink takes.
    pub fn on_full(&self) -> Option<OnFull> {
        self.on_full
    }

    /// Opens the sink: creates the file, or the tables; a cluster is connected to meanwhile, in a
    /// tokio runtime. What is there is added to: rows of text stand at the end of a file, whatever
    /// it had. It blocks for as long as that takes.
    ///
    /// # Errors
    /// When the place is not one to write to; the text says what to do.
    pub fn open(&self, context: &SinkContext) -> Result<Box<dyn Sink>, SinkError> {
        Ok(match self.scheme {
            Scheme::Jsonl => Box::new(self.text(jsonl::Object::new(context), context)?),
            Scheme::Csv => Box::new(self.text(csv::Table::new(context), context)?),
            #[cfg(feature = "sqlite")]
            Scheme::Sqlite => Box::new(sqlite::Sqlite::open(&self.text, &self.place, context)?),
            #[cfg(feature = "cassandra")]
            Scheme::Cassandra => {
                let address = self.address.as_deref();
                let address = address.expect("a URL of a cluster has its address");
                Box::new(Cassandra::open(&self.text, address, context)?)
            }
            Scheme::Null => Box::new(null::Null),
        })
    }

    fn text(&self, spell: impl lines::Spell, context: &SinkContext) -> Result<TextSink, SinkError> {
        let out = Output::open(&self.text, &self.place, self.rotation)?;
        TextSink::new(&self.text, out, spell, &context.hangup)
    }
}

impl fmt::Display for SinkUrl {
    /// As it was typed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for SinkUrl {
    type Err = SinkError;

    fn from_str(text: &str) -> Result<SinkUrl, SinkError> {
        let url = || text.to_owned();
        let unknown = || SinkError::UnknownSink { url: url() };
        let (name, rest) = text.split_once(':').ok_or_else(unknown)?;
        let scheme = SCHEMES.iter().find(|s| s.0 == name).ok_or_else(unknown)?.1;
        // The last `?`, so that a file's name may have one: `what?.jsonl?`.
        let (place, query) = rest.rsplit_once('?').unwrap_or((rest, ""));
        #[cfg(feature = "cassandra")]
        if scheme == Scheme::Cassandra {
            let address: Address = text.parse()?;
            return Ok(SinkUrl {
                text: url(),
                scheme,
                place: place.to_owned(),
                on_full: address.on_full,
                rotation: None,
                address: Some(Box::new(address)),
            });
        }
        let refused = |why: &str| SinkError::Refused {
            sink: url(),
            why: why.to_owned(),
        };
        match (scheme, place) {
            (Scheme::Null, "") => {}
            (Scheme::Null, _) => return Err(refused("it writes nowhere; type `null:`")),
            (_, "") => return Err(refused("it needs a file's name after the colon")),
            _ => {}
        }
        let (mut on_full, mut rotation) = (None, None);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (parameter, value) = pair.split_once('=').unwrap_or((pair, ""));
            let wrong = |wanted| SinkError::BadParameter {
                url: url(),
                parameter: parameter.to_owned(),
                value: value.to_owned(),
                wanted,
            };
            match (parameter, value) {
                ("on_full", "block") => on_full = Some(OnFull::Block),
                ("on_full", "drop") => on_full = Some(OnFull::Drop),
                ("on_full", _) => return Err(wrong("block, drop")),
                ("rotate" | "rotate_size", _) if scheme.is_text() => {
                    let rotation: &mut Rotation = rotation.get_or_insert_default();
                    let read = match parameter {
                        "rotate" => rotation.either(value),
                        _ => rotation.bytes(value),
                    };
                    if !read {
                        return Err(wrong(WANTED));
                    }
                }
                _ => {
                    return Err(SinkError::UnknownParameter {
                        url: url(),
                        parameter: parameter.to_owned(),
                        known: match scheme.is_text() {
                            true => FILE_PARAMETERS,
                            false => PARAMETERS,
                        },
                    });
                }
            }
        }
        if rotation.is_some() && place == "-" {
            return Err(refused(
                "standard output is one stream; name a file to rotate",
            ));
        }
        Ok(SinkUrl {
            text: url(),
            scheme,
            place: place.to_owned(),
            on_full,
            rotation,
            #[cfg(feature = "cassandra")]
            address: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        text.parse::<SinkUrl>().unwrap_err().to_string()
    }

    #[test]
    fn urls_go_both_ways() {
        for text in [
            "jsonl:-",
            "jsonl:a:b.jsonl",
            "null:",
            "null:?on_full=block",
            "jsonl:w?.j?",
        ] {
            assert_eq!(text.parse::<SinkUrl>().unwrap().to_string(), text);
        }
        let odd: SinkUrl = "jsonl:what?.jsonl?".parse().unwrap();
        assert_eq!(odd.place(), "what?.jsonl");
        assert!("jsonl:-".parse::<SinkUrl>().unwrap().is_stdout());
    }

    #[test]
    fn errors_list_what_is_known() {
        assert!(
            error("packets.db").contains("jsonl:FILE"),
            "{}",
            error("packets.db")
        );
        assert!(error("packets.db").contains("`sqlite:packets.db`"));
        assert!(error("-").contains("`jsonl:-`"));
        assert!(error("kafka:x").contains("null:"));
        assert!(error("jsonl:a.b?c=d").contains("on_full=block|drop"));
        assert!(error("jsonl:-?on_full=maybe").contains("block, drop"));
        assert!(error("jsonl:x?rotate=often").contains("100MB"));
        assert!(error("jsonl:x?rotate_size=1h").contains("100MB"));
        assert!(error("csv:-?rotate=1h").contains("standard output"));
        assert!(error("null:?rotate=1h").contains("unknown parameter"));
        assert!(error("jsonl:").contains("file's name"));
        assert!(error("null:x").contains("`null:`"));
    }
}

//! The list of sinks, one row each, and sink URLs.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use super::context::SinkContext;
#[cfg(feature = "parquet")]
use super::parquet;
use super::parts::UrlParts;
use super::scheme::{Opening, Scheme};
use super::{OnFull, Sink, SinkError, csv, file, jsonl, null};
#[cfg(feature = "kafka")]
use crate::kafka;
#[cfg(feature = "cassandra")]
use crate::store::cassandra;
#[cfg(feature = "sqlite")]
use crate::store::sqlite;

/// Every sink of this crate.
fn built_in() -> Vec<Scheme> {
    Vec::from([
        Scheme::new("jsonl", "jsonl:- or jsonl:FILE", jsonl::read)
            .parameters(file::PARAMETERS)
            .endings(&["jsonl", "json", "ndjson", "-"]),
        Scheme::new("csv", "csv:- or csv:FILE", csv::read)
            .parameters(csv::PARAMETERS)
            .endings(&["csv"]),
        #[cfg(feature = "sqlite")]
        Scheme::new("sqlite", "sqlite:FILE", sqlite::read)
            .parameters(file::PARAMETERS)
            .endings(&["db", "sqlite", "sqlite3", "db3"]),
        #[cfg(not(feature = "sqlite"))]
        Scheme::absent("sqlite", "sqlite"),
        #[cfg(feature = "parquet")]
        Scheme::new("parquet", parquet::FORM, parquet::read)
            .parameters(parquet::PARAMETERS)
            .endings(&["parquet"]),
        #[cfg(not(feature = "parquet"))]
        Scheme::absent("parquet", "parquet"),
        #[cfg(feature = "cassandra")]
        Scheme::new("cassandra", cassandra::FORM, cassandra::read)
            .parameters(cassandra::PARAMETERS)
            .secrets(cassandra::SECRETS),
        #[cfg(not(feature = "cassandra"))]
        Scheme::absent("cassandra", "cassandra"),
        #[cfg(feature = "kafka")]
        Scheme::new("kafka", kafka::FORM, kafka::read)
            .parameters(kafka::PARAMETERS)
            .secrets(kafka::SECRETS),
        #[cfg(not(feature = "kafka"))]
        Scheme::absent("kafka", "kafka"),
        Scheme::new("null", "null:", null::read),
    ])
}

static BUILT_IN: LazyLock<Schemes> = LazyLock::new(|| Schemes(built_in()));

/// The kinds of sinks that URLs can name: those of this crate, and those that a program adds.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use dumpstream::Packets;
/// use dumpstream_flow::{BoxFuture, Opening, Scheme, Schemes, Sink, SinkContext, SinkError, Written};
///
/// /// Counts rows, by a weight.
/// struct Scale(Arc<AtomicU64>, u64);
///
/// impl Sink for Scale {
///     fn write<'a>(&'a self, rows: &'a [Packets]) -> BoxFuture<'a, Result<Written, SinkError>> {
///         let delivered = rows.iter().map(|packets| packets.len() as u64).sum();
///         self.0.fetch_add(delivered * self.1, Ordering::Relaxed);
///         Box::pin(async move { Ok(Written { delivered, ..Written::default() }) })
///     }
///
///     fn close<'a>(&'a self) -> BoxFuture<'a, Result<(), SinkError>> {
///         Box::pin(async { Ok(()) })
///     }
/// }
///
/// let sum = Arc::new(AtomicU64::new(0));
/// let mut schemes = Schemes::default();
/// schemes.register(
///     Scheme::new("scale", "scale:", move |url| {
///         let weight = url.value("weight", "a number", |text| text.parse().ok())?.unwrap_or(1);
///         let sum = sum.clone();
///         Ok(Opening::new(move |_context| Ok(Box::new(Scale(sum.clone(), weight)))))
///     })
///     .parameters(&["weight=2"]),
/// );
/// let url = schemes.url("scale:?weight=3&on_full=drop")?;
/// let sink = url.open(&SinkContext::default())?;
/// assert!(schemes.url("scale:?weight=heavy").is_err());
/// assert!(schemes.url("null:").is_ok());
/// # Ok::<(), SinkError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Schemes(Vec<Scheme>);

impl Default for Schemes {
    /// The schemes of this crate.
    fn default() -> Schemes {
        BUILT_IN.clone()
    }
}

impl Schemes {
    /// Adds a scheme, and replaces an existing one of the same name.
    pub fn register(&mut self, scheme: Scheme) -> &mut Schemes {
        self.0.retain(|s| s.name != scheme.name);
        self.0.push(scheme);
        self
    }

    /// How URLs of each scheme are written, for help.
    pub fn forms(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().filter_map(|s| s.form)
    }

    /// Parses a URL; nothing is opened.
    ///
    /// # Errors
    /// The URL names no scheme, or its scheme does not accept it.
    pub fn url(&self, text: &str) -> Result<SinkUrl, SinkError> {
        let name = text.split_once(':').map(|(name, _)| name);
        let scheme = self.0.iter().find(|s| name == Some(s.name));
        let scheme = scheme.ok_or_else(|| self.unknown(text))?;
        let parts = scheme.parts(text)?;
        Ok(SinkUrl {
            scheme: scheme.name,
            opening: scheme.read(&parts)?,
            parts,
        })
    }

    fn unknown(&self, url: &str) -> SinkError {
        // What a bare file name was meant for, by its extension.
        let end = url.rsplit_once('.').map_or(url, |(_, end)| end);
        let meant = self.0.iter().find(|s| s.endings.contains(&end));
        SinkError::UnknownSink {
            url: url.to_owned(),
            meant: match meant.filter(|_| !url.contains(':')) {
                Some(scheme) => format!(" (did you mean `{}:{url}`?)", scheme.name),
                None => String::new(),
            },
            known: self.forms().collect::<Vec<_>>().join(", "),
        }
    }
}

/// The name of a sink: `SCHEME:PLACE[?PARAMETER=VALUE[&…]]`, as `-o` takes it. Values are
/// percent-decoded.
///
/// `parse` uses the schemes of this crate; [`Schemes::url`] also those of a program.
///
/// ```
/// use dumpstream_flow::{OnFull, SinkUrl};
///
/// let url: SinkUrl = "jsonl:out.jsonl?on_full=drop".parse()?;
/// assert_eq!((url.scheme(), url.place()), ("jsonl", "out.jsonl"));
/// assert_eq!(url.on_full(), Some(OnFull::Drop));
/// assert!("jsonl:-?colour=1".parse::<SinkUrl>().is_err());
/// # Ok::<(), dumpstream_flow::SinkError>(())
/// ```
#[derive(Clone, Debug)]
pub struct SinkUrl {
    scheme: &'static str,
    parts: UrlParts,
    opening: Opening,
}

impl SinkUrl {
    /// The word before the colon.
    pub fn scheme(&self) -> &'static str {
        self.scheme
    }

    /// The text between the colon and the parameters: a file, `-`, or `//HOST/…`.
    pub fn place(&self) -> &str {
        self.parts.place()
    }

    /// Whether the sink writes to standard output.
    pub fn is_stdout(&self) -> bool {
        self.opening.to_stdout()
    }

    /// The file that the sink writes to, if any.
    pub fn file(&self) -> Option<&str> {
        self.opening.to_file()
    }

    /// The servers that the sink connects to, `HOST:PORT` each; empty if it connects to none.
    pub fn servers(&self) -> &[String] {
        self.opening.to_servers()
    }

    /// The file of text to whose end rows are added; rotated files are new ones.
    pub fn appended(&self) -> Option<&str> {
        let text = matches!(self.scheme, "csv" | "jsonl");
        self.file().filter(|_| text && !self.rotates())
    }

    /// Whether the sink finishes its file from time to time, and begins a new one.
    pub fn rotates(&self) -> bool {
        let mut rotates = ["rotate", "rotate_size"].iter();
        rotates.any(|p| self.parts.get(p).is_some())
    }

    /// The parameter `on_full`, which every sink takes.
    pub fn on_full(&self) -> Option<OnFull> {
        self.parts.on_full()
    }

    /// Opens the sink: creates the file or the tables, or starts to connect to a cluster, which
    /// needs a tokio runtime. Rows are added to an existing file or table. Blocks until this is
    /// done.
    ///
    /// # Errors
    /// The sink cannot write to this destination; the text names the remedy.
    pub fn open(&self, context: &SinkContext) -> Result<Box<dyn Sink>, SinkError> {
        self.opening.open(context)
    }
}

impl PartialEq for SinkUrl {
    /// Whether both were typed identically.
    fn eq(&self, other: &SinkUrl) -> bool {
        self.parts == other.parts
    }
}

impl Eq for SinkUrl {}

impl fmt::Display for SinkUrl {
    /// As it was typed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.parts.text())
    }
}

impl FromStr for SinkUrl {
    type Err = SinkError;

    fn from_str(text: &str) -> Result<SinkUrl, SinkError> {
        BUILT_IN.url(text)
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
            error("packets.jsonl").contains("jsonl:FILE"),
            "{}",
            error("packets.jsonl")
        );
        assert!(error("packets.csv").contains("`csv:packets.csv`"));
        assert!(error("-").contains("`jsonl:-`"));
        assert!(error("pulsar:x").contains("null:"));
        assert!(error("jsonl:a.b?c=d").contains("on_full=block|drop"));
        assert!(error("jsonl:a.b?c=d").contains("another `?`"));
        assert!(error("jsonl:-?on_full=maybe").contains("block or drop"));
        assert!(error("jsonl:x?rotate=often").contains("100MB"));
        assert!(error("jsonl:x?rotate_size=1h").contains("100MB"));
        assert!(error("csv:-?rotate=1h").contains("standard output"));
        assert!(error("null:?rotate=1h").contains("unknown parameter"));
        assert!(error("jsonl:").contains("needs a file name"));
        assert!(error("null:x").contains("`null:`"));
    }

    #[cfg(feature = "sqlite")]
    #[test]
    fn a_database_is_a_file() {
        assert!(error("packets.db").contains("`sqlite:packets.db`"));
        assert!(error("sqlite:").contains("file's name"));
        assert!(error("sqlite:x?ttl=7d").contains("unknown parameter"));
        let url: SinkUrl = "sqlite:packets.db".parse().unwrap();
        assert_eq!((url.file(), url.is_stdout()), (Some("packets.db"), false));
    }

    #[cfg(feature = "cassandra")]
    #[test]
    fn a_cluster_is_not_a_file() {
        let url: SinkUrl = "cassandra://h/k.t?rejected=a%26b?".parse().unwrap();
        assert_eq!((url.place(), url.file()), ("//h/k.t", None));
        assert_eq!(url.servers(), ["h:9042"]);
        assert!(error("cassandra://").contains("KEYSPACE.TABLE"));
        assert!(error("cassandra://h/k.t?ttl=7d&ttl=8d").contains("more than once"));
    }

    #[test]
    fn what_is_not_built_in_says_so() {
        let mut schemes = Schemes::default();
        schemes.register(Scheme::absent("kafka", "kafka"));
        let error = |text| schemes.url(text).unwrap_err().to_string();
        assert!(error("kafka:x").starts_with("this build has no kafka:"));
        assert!(error("kafka:x").ends_with(" --features kafka"));
        // It is not advertised.
        assert!(!error("x:").contains("kafka"));
        #[cfg(not(feature = "cassandra"))]
        assert!(error("cassandra://me:secret@h/k.t").contains("has no cassandra:"));
        #[cfg(not(feature = "cassandra"))]
        assert!(!error("cassandra://me:secret@h/k.t").contains("secret"));
    }

    #[test]
    fn a_program_replaces_a_scheme() {
        let mut schemes = Schemes::default();
        schemes.register(Scheme::new("null", "null:ANYTHING", |_| {
            Ok(Opening::new(|_| Ok(Box::new(null::Null))))
        }));
        assert!(schemes.url("null:x").is_ok());
        assert_eq!(schemes.forms().filter(|f| f.starts_with("null")).count(), 1);
    }
}

//! What `parse`, `listen` and `connect` share: the flags that say what becomes of records, and the
//! station that they make.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};
use dumpstream::limits::{DEFAULT_MAX_RECORD, LARGEST_MAX_RECORD};
use dumpstream::{Engine, Parser};
use dumpstream_flow::{DEFAULT_DRAIN_TIMEOUT, Rejects, SinkUrl, Station, StationBuilder};
use jiff::civil::Date;

use super::origins::{Origins, Stamp, Zone, date, zone};
use super::report::Report;
use super::{Usage, amount, namespace, same};

/// A limit below this would cut most heads.
const SHORTEST_MAX_RECORD: usize = 1 << 10;

/// What becomes of records.
#[derive(Args, Debug)]
pub(super) struct Records {
    /// Where packets go; repeatable: jsonl:- jsonl:FILE csv:- csv:FILE sqlite:FILE
    /// cassandra://HOST[,HOST]/KEYSPACE.TABLE null:
    ///
    /// `?on_full=block` makes the sender wait for a slow sink, `?on_full=drop` never; without it a
    /// sink among several is waited for until it has stood still for --stall-after.
    ///
    /// `jsonl:packets.jsonl?rotate=1h&rotate_size=100MB` writes packets.jsonl.part, and gives it,
    /// whole and safe on disk, a name such as packets.20261124T074300Z.000001.jsonl when the hour
    /// is over or the next row would make it larger; either alone will do. Without it rows
    /// are added at the end of a file that is there. SIGHUP opens files of text anew, as logrotate wants it.
    ///
    /// A cell of csv: that would begin with = + - @, TAB or CR begins with an apostrophe.
    #[arg(short, long, value_name = "URL", help_heading = "Records")]
    output: Vec<SinkUrl>,
    /// Fields and their regexes instead of the built-in packet_parse.json.
    #[arg(long, value_name = "FILE", help_heading = "Records")]
    namespace: Option<PathBuf>,
    /// How fields are found; both find the same.
    #[arg(long, value_enum, default_value = "slot", help_heading = "Records")]
    engine: EngineName,
    /// The zone that stamps are in: an IANA name, UTC or local [default: local].
    #[arg(long, value_name = "ZONE", value_parser = zone, help_heading = "Records")]
    tz: Option<Zone>,
    /// The date of the first stamp, where stamps have none.
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date, help_heading = "Records")]
    date: Option<Date>,
    /// What stamps of -ttt (delta) or -ttttt (elapsed) are: they look alike.
    #[arg(long, value_enum, help_heading = "Records")]
    stamp: Option<Stamp>,
    /// The longest record; a longer one is cut there and marked.
    #[arg(
        long,
        value_name = "SIZE",
        value_parser = longest,
        default_value_t = DEFAULT_MAX_RECORD,
        help_heading = "Records"
    )]
    max_record: usize,
    /// Keep the decoders' text (`info`) of protocols that print credentials, too.
    #[arg(long, help_heading = "Records")]
    keep_info: bool,
    /// Keep payload lines.
    #[arg(long, help_heading = "Records")]
    keep_payload: bool,
    /// Store each record's own bytes beside its fields.
    #[arg(long, help_heading = "Records")]
    raw: bool,
    /// The `sensor` of every row [default: the file's name, or the sender's address].
    #[arg(long, value_name = "NAME", help_heading = "Records")]
    sensor: Option<String>,
    /// The `stream` of every row [default: of a file, by what it holds; else one of its own].
    #[arg(long, value_name = "NAME", help_heading = "Records")]
    stream: Option<String>,
    /// Rows that are there already are written anew; without it the first write stays.
    #[arg(long, help_heading = "Records")]
    replace: bool,
    /// Keep records of no known protocol, and rows that a sink refuses, at the end of FILE: whole,
    /// payload and passwords too, with the reason. `parse --from-rejects FILE` reads them again.
    #[arg(long, value_name = "FILE", help_heading = "Records")]
    pub(super) rejects: Option<PathBuf>,
    /// How long a sink among several may stand still before it is passed over.
    #[arg(long, value_name = "TIME", value_parser = amount::duration, default_value = "10s",
          help_heading = "Records")]
    stall_after: Duration,
    /// What waits in memory for one sink.
    #[arg(long, value_name = "SIZE", value_parser = queue, default_value = "64MiB",
          help_heading = "Records")]
    queue: usize,
    /// After a signal, how long sinks have for what is still queued.
    #[arg(long, value_name = "TIME", value_parser = amount::duration, default_value = "5s",
          help_heading = "Records")]
    drain_timeout: Duration,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum EngineName {
    /// The grammar's own values where a field is the built-in one, its regex elsewhere.
    Slot,
    /// Every field by its regex: the reference.
    Regex,
}

fn queue(text: &str) -> Result<usize, String> {
    match amount::size(text)? {
        0 => Err("a queue of nothing passes nothing on".to_owned()),
        size => Ok(size),
    }
}

fn longest(text: &str) -> Result<usize, String> {
    match amount::size(text)? {
        size @ SHORTEST_MAX_RECORD..=LARGEST_MAX_RECORD => Ok(size),
        _ => Err("a limit is from 1K to 512M".to_owned()),
    }
}

impl Records {
    /// What becomes of packets that come from a table, where nothing is parsed.
    pub(super) fn of_table(
        output: Vec<SinkUrl>,
        namespace: Option<PathBuf>,
        tz: Option<Zone>,
        (raw, keep_payload): (bool, bool),
    ) -> Records {
        Records {
            output,
            namespace,
            engine: EngineName::Slot,
            tz,
            date: None,
            stamp: None,
            max_record: DEFAULT_MAX_RECORD,
            keep_info: false,
            keep_payload,
            raw,
            sensor: None,
            stream: None,
            replace: false,
            rejects: None,
            stall_after: dumpstream_flow::DEFAULT_STALL_AFTER,
            queue: dumpstream_flow::DEFAULT_QUEUE,
            drain_timeout: DEFAULT_DRAIN_TIMEOUT,
        }
    }

    /// Says that there may be several inputs.
    ///
    /// # Errors
    /// `--stream` names one: the records of a second one would be taken for those of the first.
    pub(super) fn several(&self, because: &str) -> Result<(), Usage> {
        match &self.stream {
            None => Ok(()),
            Some(stream) => Err(Usage::new(format!(
                "--stream {stream} names one input, and {because}: rows are told apart by sensor, \
                 stream and number"
            ))),
        }
    }

    /// Refuses to write to what is read, which would empty it, or never end. `-` is standard input.
    ///
    /// # Errors
    /// The two names of it.
    pub(super) fn apart(&self, inputs: &[PathBuf]) -> Result<(), Usage> {
        let (read, written) = (Path::new("/dev/stdin"), Path::new("/dev/stdout"));
        let stdout = (self.output.is_empty() || self.output.iter().any(SinkUrl::is_stdout))
            .then(|| ("standard output".to_owned(), written));
        let files = self.output.iter();
        let files = files.filter_map(|url| Some((url.to_string(), Path::new(url.file()?))));
        let rejects = self.rejects.as_deref();
        let rejects = rejects.map(|file| (format!("--rejects {}", file.display()), file));
        for (name, file) in files.chain(stdout).chain(rejects) {
            for input in inputs {
                let stdin = input == Path::new("-");
                if same::one(if stdin { read } else { input }, file) {
                    return Err(Usage::new(format!(
                        "{name} is the file that is read as {}; name another",
                        input.display()
                    )));
                }
            }
        }
        Ok(())
    }

    /// The parser, alone: nothing is opened.
    ///
    /// # Errors
    /// A namespace that is wrong or cannot be read ([`Usage`]).
    pub(super) fn parser(&self) -> anyhow::Result<Parser> {
        let mut namespace = namespace::read(self.namespace.as_deref())?;
        for warning in namespace.warnings() {
            tracing::warn!("{warning}");
        }
        if self.keep_payload {
            namespace = namespace.keep_payload();
        }
        let engine = match self.engine {
            EngineName::Slot => Engine::Slot,
            EngineName::Regex => Engine::Regex,
        };
        let from = self.namespace.as_ref().map(|f| f.display().to_string());
        let parser = match (Parser::new(namespace), from) {
            (Err(error), Some(from)) => return Err(anyhow::Error::new(error).context(from)),
            (parser, _) => parser?,
        };
        let parser = parser.engine(engine);
        Ok(match self.keep_info {
            true => parser.keep_info(),
            false => parser,
        })
    }

    /// Opens everything. `otherwise` is where packets go if nothing was typed; `more` adds what
    /// only some subcommands have.
    ///
    /// To be called in a tokio runtime.
    ///
    /// # Errors
    /// What was typed does not fit together ([`Usage`]), or a sink cannot be opened.
    pub(super) fn open(
        self,
        parser: Parser,
        otherwise: &str,
        more: impl FnOnce(StationBuilder) -> StationBuilder,
    ) -> anyhow::Result<(Origins, Report)> {
        let urls = match self.output.is_empty() {
            true => vec![otherwise.parse::<SinkUrl>().expect("a constant URL")],
            false => self.output,
        };
        for (i, url) in urls.iter().enumerate() {
            let file = url.file();
            let twice = |u: &SinkUrl| {
                u.scheme() == url.scheme() && u.place() == url.place()
                    || file.is_some() && u.file() == file
                    || file
                        .zip(u.file())
                        .is_some_and(|(a, b)| same::one(a.as_ref(), b.as_ref()))
            };
            if urls[..i].iter().any(twice) {
                return Err(Usage::new(format!("{url} is given twice")).into());
            }
            if file.is_some_and(|file| self.rejects.as_deref() == Some(Path::new(file))) {
                return Err(Usage::new(format!("--rejects and {url} name one file")).into());
            }
        }
        let rejects = match &self.rejects {
            None => Rejects::default(),
            Some(file) => {
                let named = || format!("--rejects {}", file.display());
                Rejects::open(file).with_context(named)?
            }
        };
        let stdout = urls.iter().any(SinkUrl::is_stdout);
        let builder = Station::builder(parser)
            .queue(self.queue)
            .stall_after(self.stall_after)
            .drain_timeout(self.drain_timeout)
            .max_record(self.max_record)
            .raw(self.raw)
            .replace(self.replace)
            .rejects(rejects);
        let station = urls.into_iter().fold(more(builder), StationBuilder::output);
        let station = station.open()?;
        let zone = self.tz.unwrap_or_else(Zone::local);
        let report = Report {
            station,
            stdout,
            zone: zone.name,
            replace: self.replace,
            rejects: self.rejects,
        };
        let origins = Origins {
            tz: zone.tz,
            stamp: self.stamp,
            date: self.date,
            sensor: self.sensor,
            stream: self.stream,
        };
        Ok((origins, report))
    }
}

//! The options that `parse`, `listen`, `connect` and `consume` share, and the station that they make.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};
use dumpstream::limits::{DEFAULT_MAX_RECORD, LARGEST_MAX_RECORD};
use dumpstream::{Engine, Parser};
use dumpstream_flow::{DEFAULT_DRAIN_TIMEOUT, Rejects, Schemes, SinkUrl, Station, StationBuilder};
use jiff::civil::Date;

use super::origins::{Origins, SensorZone, Stamp, Zones, date, of_run, sensor_zone};
use super::report::Report;
use super::signals::Hangup;
use super::{Usage, amount, namespace, rows, same};

/// Where what is received goes by default.
pub(super) const STORE: &str = "sqlite:packets.db";

/// A lower limit would cut most heads.
const SHORTEST_MAX_RECORD: usize = 1 << 10;

/// Options for what happens to records.
#[derive(Args, Debug)]
pub(super) struct Records {
    // Its text is `output_help`.
    #[arg(
        short,
        long,
        value_name = "URL",
        help = output_help(),
        long_help = output_long_help(),
        help_heading = "Records"
    )]
    pub(super) output: Vec<SinkUrl>,
    /// Namespace file: the fields and their regexes [default: the built-in packet_parse.json].
    #[arg(long, value_name = "FILE", help_heading = "Records")]
    namespace: Option<PathBuf>,
    /// How fields are found; both engines give the same values.
    #[arg(long, value_enum, default_value = "slot", help_heading = "Records")]
    engine: EngineName,
    /// Time zone of time stamps: an IANA name, UTC or local; with SENSOR=, of that sensor only.
    /// Repeatable [default: local].
    #[arg(long, value_name = "[SENSOR=]ZONE", value_parser = sensor_zone, help_heading = "Records")]
    tz: Vec<SensorZone>,
    /// Date of the first time stamp, if time stamps have none.
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date, help_heading = "Records")]
    pub(super) date: Option<Date>,
    /// Whether relative time stamps are deltas (-ttt) or elapsed time (-ttttt); they look
    /// identical.
    #[arg(long, value_enum, help_heading = "Records")]
    stamp: Option<Stamp>,
    /// Maximum length of a record; a longer one is cut there and marked.
    #[arg(
        long,
        value_name = "SIZE",
        value_parser = longest,
        default_value_t = DEFAULT_MAX_RECORD,
        help_heading = "Records"
    )]
    pub(super) max_record: usize,
    /// Keep the decoder's text (`info`) also for protocols that may print credentials; by default
    /// it is withheld.
    #[arg(long, help_heading = "Records")]
    keep_info: bool,
    /// Keep payload lines; by default they are dropped.
    #[arg(long, help_heading = "Records")]
    keep_payload: bool,
    /// Store each record's own bytes beside its fields.
    #[arg(long, help_heading = "Records")]
    raw: bool,
    /// Value of `sensor` in every row [default: the file name, or the sender's address].
    #[arg(long, value_name = "NAME", value_parser = name, help_heading = "Records")]
    sensor: Option<String>,
    /// Value of `stream` in every row [default: derived from the content of a file, else unique].
    /// listen and connect add the time of the run: NAME-20261130T165254Z-1a2b3c.
    #[arg(long, value_name = "NAME", value_parser = name, help_heading = "Records")]
    stream: Option<String>,
    /// Remove all rows that earlier texts of the same name left, before the first new one is
    /// written; by default they are kept.
    #[arg(long, help_heading = "Records")]
    pub(super) replace: bool,
    /// Append records of unknown protocols, and rows that a sink refuses, to FILE: whole, including
    /// payload and passwords, with the reason. `parse --from-rejects FILE` reads them again.
    /// Records are dropped and counted, never waited for, while FILE accepts nothing for a second.
    #[arg(long, value_name = "FILE", help_heading = "Records")]
    pub(super) rejects: Option<PathBuf>,
    /// If there are several sinks, drop the packets of one that has been stalled for this long.
    #[arg(long, value_name = "TIME", value_parser = amount::duration, default_value = "10s",
          help_heading = "Records")]
    stall_after: Duration,
    /// Memory limit of each output's queue.
    #[arg(long, value_name = "SIZE", value_parser = queue, default_value = "64MiB",
          help_heading = "Records")]
    pub(super) queue: usize,
    /// Memory limit of what all inputs together have read and parsed, and not yet queued. Beside
    /// it, a connection may hold one unfinished record and 2 MiB that could be text of -A.
    #[arg(long, value_name = "SIZE", value_parser = queue, default_value = "256MiB",
          help_heading = "Records")]
    memory: usize,
    /// After a signal, how long sinks may take to write queued packets.
    #[arg(long, value_name = "TIME", value_parser = amount::duration, default_value = "5s",
          help_heading = "Records")]
    pub(super) drain_timeout: Duration,
    /// Reopen files on SIGHUP even if it was ignored at the start (nohup) or the terminal is gone.
    #[arg(long, help_heading = "Records")]
    reopen_on_sighup: bool,
}

/// The help of `-o`, with what this build can write to.
fn output_help() -> String {
    let schemes = Schemes::default();
    let forms: Vec<_> = schemes.forms().collect();
    format!("Where to write packets; repeatable: {}", forms.join(", "))
}

fn output_long_help() -> String {
    output_help() + "\n\n" + OUTPUT
}

/// What only `--help` says of `-o`.
const OUTPUT: &str = "`?on_full=block` makes senders wait for a slow sink; `?on_full=drop` drops its packets \
     instead. By default senders wait; if there are several sinks, a sink that is stalled for \
     --stall-after drops packets.\n\n\
     `jsonl:packets.jsonl?rotate=1h&rotate_size=100MB` writes packets.jsonl.part. When the hour is \
     over, or the next row would exceed the size, the file is synced to disk and renamed, for \
     example to packets.20261124T074300Z.000001.jsonl. Either parameter can be used alone. Without \
     them, rows are appended to an existing file. SIGHUP reopens files, as logrotate expects. \
     A database is rotated in the same way, and its last file has the plain name.\n\n\
     `parquet:packets` writes the directory packets, with a file per hour of the packets in \
     packets/date=2026-11-24/hour=07/. Files appear when they are complete: by default every hour \
     and at 256 MB, and at the end; after a crash, the next run completes them.\n\n\
     If a database is moved or removed while it is written, this is noticed within a second, also \
     without SIGHUP: a moved database keeps its rows, and a new one is created under the old name. \
     Move only the database itself, not its -wal file.\n\n\
     Trouble that can pass, such as a full disk or a missing directory, does not end a sink that \
     writes a file: it is reported once, and writing is retried until it succeeds.\n\n\
     `?sync=full` makes files and databases ask the disk before packets count as written; without \
     it, a power cut can take rows of the last seconds, which could already be read.\n\n\
     In csv: output, lines end in LF (`?eol=crlf` for CR LF), and a text cell that a spreadsheet \
     would run as a formula gets a leading apostrophe (`?formulas=keep` writes it unchanged).";

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum EngineName {
    /// Take values from the grammar for built-in fields, and from regexes for others.
    Slot,
    /// Take every field from its regex: the reference.
    Regex,
}

pub(super) fn queue(text: &str) -> Result<usize, String> {
    match amount::size(text)? {
        0 => Err("must be greater than 0".to_owned()),
        size => Ok(size),
    }
}

/// Part of a row's identity, so that an unset shell variable must not pass for one.
pub(super) fn name(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("must not be empty".to_owned()),
        _ => Ok(text.to_owned()),
    }
}

fn longest(text: &str) -> Result<usize, String> {
    match amount::size(text)? {
        size @ SHORTEST_MAX_RECORD..=LARGEST_MAX_RECORD => Ok(size),
        _ => Err("must be from 1K to 512M".to_owned()),
    }
}

/// Whether two outputs write to one place.
pub(super) fn one_place(a: &SinkUrl, b: &SinkUrl) -> bool {
    let files = a.file().zip(b.file());
    a.scheme() == b.scheme() && a.place() == b.place()
        || files.is_some_and(|(a, b)| a == b || same::one(a.as_ref(), b.as_ref()))
}

/// The error for two outputs that would mix on standard output.
pub(super) fn mixed(one: &SinkUrl, other: &SinkUrl) -> Usage {
    Usage::new(format!(
        "{one} and {other} would mix on standard output; name a file for one of them"
    ))
}

/// Refuses outputs that would mix, or are one.
pub(super) fn distinct(urls: &[SinkUrl], rejects: Option<&Path>) -> Result<(), Usage> {
    let stdout: Vec<_> = urls.iter().filter(|url| url.is_stdout()).collect();
    if let [one, other, ..] = stdout[..]
        && one.scheme() != other.scheme()
    {
        return Err(mixed(one, other));
    }
    for (i, url) in urls.iter().enumerate() {
        if urls[..i].iter().any(|other| one_place(other, url)) {
            return Err(Usage::new(format!("{url} is given twice")));
        }
        if url
            .file()
            .is_some_and(|file| rejects == Some(Path::new(file)))
        {
            return Err(Usage::new(format!(
                "--rejects and {url} name the same file; name another"
            )));
        }
    }
    Ok(())
}

impl Records {
    /// The options for packets that come from a table, where nothing is parsed.
    pub(super) fn of_table(
        output: Vec<SinkUrl>,
        namespace: Option<PathBuf>,
        (raw, keep_payload): (bool, bool),
    ) -> Records {
        Records {
            output,
            namespace,
            engine: EngineName::Slot,
            tz: Vec::new(),
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
            memory: dumpstream_flow::DEFAULT_MEMORY,
            drain_timeout: DEFAULT_DRAIN_TIMEOUT,
            reopen_on_sighup: false,
        }
    }

    /// What SIGHUP does.
    pub(super) fn hangup(&self) -> Hangup {
        match self.reopen_on_sighup {
            true => Hangup::Reopens,
            false => Hangup::Inherited,
        }
    }

    /// Declares that there may be several inputs.
    ///
    /// # Errors
    /// `--stream` names a single input: records of another input would be taken for its records.
    pub(super) fn several(&self, because: &str) -> Result<(), Usage> {
        match &self.stream {
            None => Ok(()),
            Some(stream) => Err(Usage::new(format!(
                "--stream {stream} names a single input, but {because}; omit --stream, because rows \
                 are identified by sensor, stream and record number"
            ))),
        }
    }

    /// Refuses to write to a file that is also read: that would empty the file, or never end. `-`
    /// is standard input.
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
                        "{name} is the same file as the input {}; name another file",
                        input.display()
                    )));
                }
            }
        }
        Ok(())
    }

    /// The servers that the outputs connect to, `HOST:PORT` each.
    #[cfg(unix)]
    pub(super) fn servers(&self) -> impl Iterator<Item = &str> {
        let servers = self.output.iter().flat_map(|url| url.servers());
        servers.map(String::as_str)
    }

    /// Makes the parser only; nothing is opened.
    ///
    /// # Errors
    /// The namespace is wrong or cannot be read ([`Usage`]).
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
        let parser = match (Parser::new(namespace), &self.namespace) {
            (Err(error), Some(file)) => return Err(namespace::Wrong::new(file, error).into()),
            (parser, _) => parser?,
        };
        let parser = parser.engine(engine);
        Ok(match self.keep_info {
            true => parser.keep_info(),
            false => parser,
        })
    }

    /// Opens everything. `otherwise` is where packets go without `-o`, if `more` adds no sink;
    /// `more` adds the options of a single subcommand.
    ///
    /// To be called in a tokio runtime.
    ///
    /// # Errors
    /// The options contradict each other ([`Usage`]), or a sink cannot be opened.
    pub(super) fn open(
        self,
        parser: Parser,
        otherwise: impl Into<Option<&'static str>>,
        more: impl FnOnce(StationBuilder) -> StationBuilder,
    ) -> anyhow::Result<(Origins, Report)> {
        let hangup = self.hangup();
        let urls = match self.output.is_empty() {
            true => otherwise
                .into()
                .map(|url| url.parse::<SinkUrl>().expect("a constant URL"))
                .into_iter()
                .collect(),
            false => self.output,
        };
        let zones = Zones::new(self.tz)?;
        let had = urls.iter().filter_map(|url| {
            let rows = rows::of(url.appended()?.as_ref(), url.scheme() == "csv")?;
            Some((url.to_string(), rows))
        });
        let had = had.collect();
        distinct(&urls, self.rejects.as_deref())?;
        let stdout = urls.iter().any(SinkUrl::is_stdout);
        let rejects = match &self.rejects {
            None => Rejects::default(),
            Some(file) => Rejects::open(file).context("--rejects")?,
        };
        let builder = Station::builder(parser)
            .queue(self.queue)
            .memory(self.memory)
            .stall_after(self.stall_after)
            .drain_timeout(self.drain_timeout)
            .max_record(self.max_record)
            .raw(self.raw)
            .replace(self.replace)
            .rejects(rejects);
        let station = urls.into_iter().fold(more(builder), StationBuilder::output);
        let station = station.open()?;
        let report = Report {
            station,
            stdout,
            zone: zones.name(),
            had,
            replace: self.replace,
            hangup,
            rejects: self.rejects,
            #[cfg(feature = "kafka")]
            lag: Default::default(),
            heartbeat: None,
        };
        let origins = Origins {
            zones,
            stamp: self.stamp,
            date: self.date,
            sensor: self.sensor,
            live_stream: self.stream.as_deref().map(of_run),
            stream: self.stream,
        };
        Ok((origins, report))
    }
}

//! What `parse`, `listen` and `connect` share: the flags that say what becomes of records, and the
//! parser and lanes that they make.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};
use dumpstream::{
    BatchCodec, Counters, DEFAULT_MAX_RECORD, Engine, Framer, Hangup, LARGEST_MAX_RECORD, Lane,
    LaneOptions, Origin, Parser, Rejects, SinkContext, SinkUrl, StampForm,
};
use futures_util::future::join_all;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Usage, amount, namespace, same};

/// A limit below this would cut most heads.
const SHORTEST_MAX_RECORD: usize = 1 << 10;

/// What the file of rejects has at least at the end, however long the sinks took.
const MOMENT: Duration = Duration::from_millis(500);

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
    /// Rows that come again change those that are there, each by itself.
    #[arg(skip)]
    pub(super) amend: bool,
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

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Stamp {
    /// Since the packet before: -ttt.
    Delta,
    /// Since the first packet: -ttttt.
    Elapsed,
}

/// A zone, and how the report names it.
#[derive(Clone, Debug)]
pub(super) struct Zone {
    pub(super) tz: TimeZone,
    name: String,
}

impl Zone {
    /// The receiver's own.
    pub(super) fn local() -> Zone {
        let tz = TimeZone::system();
        let name = match tz.iana_name() {
            _ if tz.is_unknown() => "UTC, as this machine names no zone (--tz)".to_owned(),
            Some(name) => format!("{name}, this machine's zone (--tz)"),
            None => "this machine's zone (--tz)".to_owned(),
        };
        let tz = if tz.is_unknown() { TimeZone::UTC } else { tz };
        Zone { tz, name }
    }
}

pub(super) fn zone(text: &str) -> Result<Zone, String> {
    match text {
        "local" => Ok(Zone::local()),
        _ => match TimeZone::get(text) {
            Ok(tz) => Ok(Zone {
                name: tz.iana_name().unwrap_or(text).to_owned(),
                tz,
            }),
            Err(_) => Err(format!(
                "no zone {text:?} is known here: use an IANA name such as Europe/Berlin, UTC or local"
            )),
        },
    }
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

pub(super) fn date(text: &str) -> Result<Date, String> {
    text.parse().map_err(|e: jiff::Error| format!("{e}"))
}

/// A parser, its lanes, and what is needed to begin an input.
#[derive(Debug)]
pub(super) struct Pipeline {
    pub(super) parser: Arc<Parser>,
    pub(super) lanes: Vec<Lane>,
    /// Whether a lane writes to standard output.
    pub(super) stdout: bool,
    framer: Framer,
    stamp: Option<Stamp>,
    zone: Zone,
    date: Option<Date>,
    sensor: Option<String>,
    stream: Option<String>,
    drain_timeout: Duration,
    pub(super) replace: bool,
    pub(super) max_record: usize,
    pub(super) rejects: Rejects,
    /// Where they are kept.
    pub(super) rejects_file: Option<PathBuf>,
    pub(super) hangup: Hangup,
    /// When the lanes must be done, once something has asked for the end.
    deadline: OnceLock<Instant>,
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
            amend: false,
            stall_after: dumpstream::DEFAULT_STALL_AFTER,
            queue: dumpstream::DEFAULT_QUEUE,
            drain_timeout: Duration::from_secs(5),
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
        Ok(parser.engine(engine).keep_info(self.keep_info))
    }

    /// Opens everything. `otherwise` is where packets go if nothing was typed; `identity` says
    /// whether JSON has the columns of ours.
    ///
    /// To be called in a tokio runtime.
    ///
    /// # Errors
    /// A namespace that is wrong or cannot be read ([`Usage`]), a sink that cannot be opened.
    pub(super) fn open(self, otherwise: &str, identity: bool) -> anyhow::Result<Pipeline> {
        let parser = self.parser()?;
        self.open_with(parser, otherwise, identity)
    }

    /// The same with a parser that is there already.
    ///
    /// # Errors
    /// A sink that cannot be opened.
    pub(super) fn open_with(
        self,
        parser: Parser,
        otherwise: &str,
        identity: bool,
    ) -> anyhow::Result<Pipeline> {
        let framer = Framer::new().max_record(self.max_record);
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
        let hangup = Hangup::new();
        let context = SinkContext {
            columns: parser.columns(),
            namespace: parser.namespace().namespace.clone(),
            hash: parser.namespace().hash(),
            version: env!("CARGO_PKG_VERSION"),
            identity,
            raw: self.raw,
            replace: self.replace,
            amend: self.amend,
            rejects: rejects.clone(),
            hangup: hangup.clone(),
        };
        let only = urls.len() == 1;
        let mut lanes = Vec::with_capacity(urls.len());
        for url in &urls {
            let options = LaneOptions {
                queue: self.queue,
                stall_after: self.stall_after,
                on_full: url.on_full(),
                only,
            };
            lanes.push(Lane::spawn(url.to_string(), url.open(&context)?, options));
        }
        Ok(Pipeline {
            parser: Arc::new(parser),
            lanes,
            stdout: urls.iter().any(SinkUrl::is_stdout),
            framer,
            stamp: self.stamp,
            zone: self.tz.unwrap_or_else(Zone::local),
            date: self.date,
            sensor: self.sensor,
            stream: self.stream,
            drain_timeout: self.drain_timeout,
            replace: self.replace,
            max_record: self.max_record,
            rejects,
            rejects_file: self.rejects,
            hangup,
            deadline: OnceLock::new(),
        })
    }
}

impl Pipeline {
    /// A codec for a new input.
    pub(super) fn codec(&self) -> BatchCodec {
        BatchCodec::from(self.framer.clone())
    }

    /// The sensor of an input, if nothing else was typed.
    pub(super) fn sensor(&self, otherwise: &str) -> String {
        self.sensor.as_deref().unwrap_or(otherwise).to_owned()
    }

    /// The origin of a new input. Without `--stream` its stream is `stream`; `None` takes it from
    /// the first record.
    pub(super) fn origin(&self, sensor: &str, stream: Option<String>) -> Origin {
        let origin = Origin::new(self.sensor(sensor));
        let origin = origin.zone(self.zone.tz.clone());
        let origin = match self.stamp {
            Some(Stamp::Delta) => origin.stamp(StampForm::Delta),
            Some(Stamp::Elapsed) => origin.stamp(StampForm::Elapsed),
            None => origin,
        };
        let origin = match self.date {
            Some(date) => origin.date(date),
            None => origin,
        };
        match self.stream.clone().or(stream) {
            Some(stream) => origin.stream(stream),
            None => origin,
        }
    }

    /// The same of text that was stored, and last `modified` then.
    pub(super) fn stored(
        &self,
        sensor: &str,
        stream: Option<String>,
        modified: Option<i64>,
    ) -> Origin {
        let origin = self.origin(sensor, stream);
        match modified {
            Some(modified) => origin.modified(modified),
            None => origin,
        }
    }

    /// How the report names the zone.
    pub(super) fn zone(&self) -> &str {
        &self.zone.name
    }

    /// Cancels `stop` when no sink lives any more: there is nothing left to do then.
    pub(super) fn watch(&self, stop: CancellationToken) {
        let lanes = self.lanes.clone();
        tokio::spawn(async move {
            let all = join_all(lanes.iter().map(Lane::died));
            tokio::select! {
                _ = all => stop.cancel(),
                () = stop.cancelled() => {}
            }
        });
    }

    /// Runs `work` to its end. After `stop` the lanes have until the deadline; then they are
    /// closed, which frees inputs that wait for a full one.
    pub(super) async fn drive<T>(
        &self,
        stop: &CancellationToken,
        work: impl Future<Output = T>,
    ) -> T {
        tokio::pin!(work);
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = stop.cancelled() => {}
        }
        let deadline = self.deadline();
        tokio::select! {
            biased;
            done = &mut work => done,
            () = tokio::time::sleep_until(deadline) => {
                self.rejects.abandon();
                join_all(self.lanes.iter().map(|lane| lane.close(Some(deadline)))).await;
                work.await
            }
        }
    }

    /// Closes the lanes: everything is written, or, after `stop`, what the deadline allows.
    /// Returns how many packets the deadline left unwritten.
    pub(super) async fn drain(&self, stop: &CancellationToken) -> u64 {
        let close = |deadline| join_all(self.lanes.iter().map(move |lane| lane.close(deadline)));
        if !stop.is_cancelled() {
            tokio::select! {
                biased;
                _ = async { close(None).await; self.rejects.flush().await } => return 0,
                () = stop.cancelled() => {}
            }
        }
        let deadline = self.deadline();
        close(Some(deadline)).await;
        // A file that takes no more in that time will not take it later.
        let moment = deadline.max(Instant::now() + MOMENT);
        let flushed = tokio::time::timeout_at(moment, self.rejects.flush()).await;
        if flushed.is_err() {
            self.rejects.abandon();
        }
        self.counters().map(|(_, c)| c.undrained).sum()
    }

    fn deadline(&self) -> Instant {
        *self
            .deadline
            .get_or_init(|| Instant::now() + self.drain_timeout)
    }

    /// The lanes' names and figures.
    pub(super) fn counters(&self) -> impl Iterator<Item = (&str, Counters)> {
        self.lanes.iter().map(|lane| (lane.name(), lane.counters()))
    }

    /// The slowest lane's time from a record's arrival to its row, at the 99th percentile.
    pub(super) fn p99(&self) -> Option<Duration> {
        self.lanes
            .iter()
            .filter_map(|lane| lane.latency().p99)
            .max()
    }
}

//! `dumpstream parse`: parses files or standard input into sinks.

use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use dumpstream_flow::feed::{self, Feed};
use dumpstream_flow::input::{Follow, Input};
use dumpstream_flow::net;
use dumpstream_flow::run::{self, Error, Source, run};
use dumpstream_flow::{Station, Summary};
use futures_util::future::join_all;
use tokio::io::BufReader;

use super::origins::Origins;
use super::records::Records;
use super::report::Report;
use super::status::Status;
use super::{Exit, Manner, Usage, runtime, say, say_error, visible};

/// Parse files or standard input, and write JSON Lines to standard output (or -o URL)
///
///     tcpdump -nn -v -l | dumpstream parse | jq .source
///     dumpstream parse monday.txt tuesday.txt.gz -o sqlite:packets.db
///     dumpstream parse capture.pcap.zst -o csv:packets.csv
///     dumpstream parse --date 2026-11-23 --tz Europe/Berlin --origin old.txt
///     dumpstream parse --follow /var/log/tcpdump.txt -o 'jsonl:out.jsonl?rotate=1h'
///     dumpstream parse day.txt --rejects odd.jsonl -o sqlite:packets.db
///     dumpstream parse --from-rejects odd.jsonl --namespace mine.json -o sqlite:packets.db
///
/// The format is detected from the first bytes: text, .gz or .zst of it, or a capture (pcap,
/// pcapng), which tcpdump prints (`TZ=UTC tcpdump -nn -e -v -S -tt -#`). Parsing the same input
/// twice adds no rows to a database. Time stamps without a date get that of --date, else of the file's
/// last change.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct Parse {
    /// Files of tcpdump text, or captures; - or nothing is standard input.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Keep reading as the files grow, also after they are renamed and recreated, or truncated,
    /// until Ctrl-C or SIGTERM. In a file whose packets have several lines (-x), the last one is
    /// written when the next one begins.
    #[arg(long)]
    follow: bool,
    /// Parse a file of --rejects again: every record keeps its sensor, stream, number and time, and
    /// an existing row of a database gets its new values.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["files", "follow", "sensor", "stream",
          "date", "stamp", "replace"])]
    from_rejects: Option<PathBuf>,
    /// Add where each packet came from to JSON and CSV: sensor, stream, record, time_source.
    #[arg(long, help_heading = "Records")]
    origin: bool,
    #[command(flatten)]
    records: Records,
}

impl Parse {
    pub(super) fn run(self, manner: Manner) -> anyhow::Result<Exit> {
        runtime::block_on(self.parse(manner))
    }

    async fn parse(self, manner: Manner) -> anyhow::Result<Exit> {
        if self.files.len() > 1 {
            self.records.several("there are several files")?;
        }
        if self.follow {
            self.records
                .several("--follow may read several files of the same name")?;
            if self.files.is_empty() || self.files.iter().any(|f| f == Path::new("-")) {
                return Err(Usage::new(
                    "--follow needs a file name; standard input is always read to its end",
                )
                .into());
            }
        }
        if self.from_rejects.is_some() && self.records.rejects == self.from_rejects {
            return Err(Usage::new(
                "--rejects and --from-rejects name the same file, which would never end; name \
                 another file with --rejects",
            )
            .into());
        }
        let files = match &self.from_rejects {
            Some(file) => vec![file.clone()],
            None if self.files.is_empty() => vec![PathBuf::from("-")],
            None => self.files,
        };
        self.records.apart(&files)?;
        let missing = files.iter().filter_map(|file| readable(file).err());
        let missing: Vec<_> = missing.collect();
        // A followed file may appear later.
        if !self.follow && missing.len() == files.len() {
            // There is nothing to read, so no output is created.
            missing.iter().for_each(|e| say_error(manner, e));
            return Ok(Exit::Said(1));
        }
        let parser = self.records.parser()?;
        let amend = self.from_rejects.is_some();
        let (origins, report) = self.records.open(parser, "jsonl:-", |station| {
            station.identity(self.origin).amend(amend)
        })?;
        report.watch(manner)?;
        let station = &report.station;
        if self.follow && !manner.quiet {
            report.had.iter().for_each(|(name, had)| {
                say(&visible::lines(&format!(
                    "{name} already has {had}: --follow reads a file from its beginning, and adds its \
                     rows again; write to sqlite:FILE, which knows what it has, or to a new file"
                )));
            });
        }
        let mut total = Summary::default();
        let mut failed = None;
        let mut done = |done: anyhow::Result<Summary>| match done {
            Ok(summary) => total.add(&summary),
            Err(e) => {
                let read = e.chain().find_map(|e| e.downcast_ref::<Error>());
                if let Some(summary) = read.and_then(Error::summary) {
                    total.add(summary);
                }
                // As with cat, the other files are still parsed; the worst exit code wins.
                say_error(manner, &e);
                failed = failed.max(Some(super::code(&e)));
            }
        };
        if let Some(file) = self.from_rejects {
            match again(&file, &origins, station).await {
                Ok((summary, fault)) => {
                    done(Ok(summary));
                    fault.into_iter().for_each(|fault| done(Err(fault)));
                }
                Err(e) => done(Err(e)),
            }
        } else if self.follow {
            let status = report.status(manner, None);
            let followed = files
                .into_iter()
                .map(|file| follow(file, &origins, station));
            join_all(followed)
                .await
                .into_iter()
                .flatten()
                .for_each(&mut done);
            drop(status);
        } else {
            for file in files {
                if station.stop().is_cancelled() {
                    break;
                }
                done(input(file, &origins, &report, manner).await);
            }
        }
        let undrained = station.drain().await;
        let perfect = report.perfect(&total) && undrained == 0;
        let wanted =
            manner.verbose > 0 || !report.reader_left() && (io::stderr().is_terminal() || !perfect);
        if wanted && !manner.quiet {
            say(&report.closing(&total, undrained));
        } else if let Some(present) = report.present().filter(|_| !manner.quiet) {
            say(&present);
        }
        let exit = report.exit(undrained)?;
        match failed {
            Some(code) => Ok(Exit::Said(code)),
            None => Ok(exit),
        }
    }
}

/// Checks that an input can be read. A pipe is not opened, because that would consume its content.
pub(super) fn readable(path: &Path) -> anyhow::Result<()> {
    if path == Path::new("-") {
        return Ok(());
    }
    let look = || -> io::Result<()> {
        let about = fs::metadata(path)?;
        if about.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if about.is_file() {
            fs::File::open(path)?;
        }
        Ok(())
    };
    look().with_context(|| path.display().to_string())
}

/// Reads one input to its end.
pub(super) async fn input(
    path: PathBuf,
    origins: &Origins,
    report: &Report,
    manner: Manner,
) -> anyhow::Result<Summary> {
    let stop = report.station.stop();
    let name = path.display().to_string();
    let stdin = path == Path::new("-");
    if stdin && io::stdin().is_terminal() && !manner.quiet {
        say("dumpstream: reading from the terminal; press Ctrl-D to end the input");
    }
    let free = manner.live() && !report.is_shown();
    let opened = feed::aside(move || open(&path, free));
    let (input, bar) = tokio::select! {
        biased;
        opened = opened => opened.with_context(|| name.clone())?,
        // Before its first bytes.
        () = stop.cancelled() => return Ok(Summary::default()),
    };
    let sensor = origins.sensor(input.name());
    // Stored text, and any capture, gives the same rows when it is read again.
    let stream = match input.stream(&sensor) {
        None if stdin => Some(net::stream_name("stdin")),
        stream => stream,
    };
    let origin = origins.stored(&sensor, stream, input.modified());
    let live = stdin && !input.is_capture();
    let lasting = input.regular().is_some();
    let text = input.text().with_context(|| name.clone())?;
    let feed = Feed::new(text)?;
    let source = match live {
        true => Source::live(feed),
        false if lasting => Source::stored(feed).lasting(),
        false => Source::stored(feed),
    };
    let summary = run(source, origin, &report.station).await;
    drop(bar);
    summary.with_context(|| name)
}

/// Opens a file or standard input; if `shown`, with a progress bar.
fn open(path: &Path, shown: bool) -> io::Result<(Input, Option<Status>)> {
    if path == Path::new("-") {
        return Ok((Input::stdin()?, None));
    }
    let mut bar = None;
    let input = Input::open(path, |file, regular| {
        bar = regular.filter(|_| shown).map(Status::bytes);
        match &bar {
            Some(bar) => Box::new(bar.bar().wrap_read(file)),
            None => Box::new(file),
        }
    })?;
    // tcpdump reads the file by itself, so there is no progress to show.
    let bar = bar.filter(|_| !input.is_tcpdumps());
    Ok((input, bar))
}

/// Reads a growing file until a signal, and returns the result of each of its parts.
async fn follow(
    path: PathBuf,
    origins: &Origins,
    station: &Station,
) -> Vec<anyhow::Result<Summary>> {
    let name = path.display().to_string();
    let sensor = path.file_name().unwrap_or(path.as_os_str());
    let sensor = sensor.to_string_lossy().into_owned();
    let mut total = Summary::default();
    let mut followed = match Follow::new(path) {
        Ok(followed) => followed,
        Err(e) => return vec![Err(e).context(name)],
    };
    loop {
        let part = tokio::select! {
            biased;
            () = station.stop().cancelled() => return vec![Ok(total)],
            part = followed.next() => part,
        };
        let part = match part {
            Ok(part) => part,
            Err(e) => return vec![Ok(total), Err(e).context(name)],
        };
        let origin = origins.stored(&sensor, None, part.modified());
        let caught_up = part.caught_up();
        match run(Source::followed(part, caught_up), origin, station).await {
            Ok(summary) => total.add(&summary),
            Err(e) => return vec![Ok(total), Err(e).context(name)],
        }
    }
}

/// Reads the file of rejects to its end, and returns which lines could not be read.
async fn again(
    path: &Path,
    origins: &Origins,
    station: &Station,
) -> anyhow::Result<(Summary, Option<anyhow::Error>)> {
    let name = path.display().to_string();
    let (input, _) = open(path, false).with_context(|| name.clone())?;
    let text = Feed::new(input.text().with_context(|| name.clone())?)?;
    let read = run::again(BufReader::new(text), origins.live("", None), station).await;
    let (summary, wrong) = read.with_context(|| name.clone())?;
    let fault = match (wrong, summary.records) {
        (0, _) => return Ok((summary, None)),
        (_, 0) => "no rejected records found; `--rejects FILE` writes such a file".to_owned(),
        (1, _) => "1 line is not a rejected record; the others were read".to_owned(),
        (n, _) => format!("{n} lines are not rejected records; the others were read"),
    };
    Ok((summary, Some(anyhow::anyhow!("{name}: {fault}"))))
}

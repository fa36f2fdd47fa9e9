//! `dumpstream parse`: files or standard input into sinks.

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
use super::{Exit, Manner, Usage, runtime, say, say_error};

/// Parse text that was stored, or that comes on standard input; JSON Lines on standard output
///
///     tcpdump -nn -v -l | dumpstream parse | jq .source
///     dumpstream parse monday.txt tuesday.txt.gz -o sqlite:packets.db
///     dumpstream parse capture.pcap.zst -o csv:packets.csv
///     dumpstream parse --date 2026-11-23 --tz Europe/Berlin --origin old.txt
///     dumpstream parse --follow /var/log/tcpdump.txt -o 'jsonl:out.jsonl?rotate=1h'
///     dumpstream parse day.txt --rejects odd.jsonl -o sqlite:packets.db
///     dumpstream parse --from-rejects odd.jsonl --namespace mine.json -o sqlite:packets.db
///
/// How an input begins tells what it is: text, .gz or .zst of it, or a capture (pcap, pcapng),
/// which tcpdump prints (`TZ=UTC tcpdump -nn -v -S -tt -#`). What is parsed twice adds no row to a
/// database. Stamps without a date have the date of --date, else of the file's last change.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct Parse {
    /// Files of tcpdump's text, or captures; - or none is standard input.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Go on with what is added to the files, also after they were renamed and made anew, or
    /// emptied, until Ctrl-C or SIGTERM.
    #[arg(long)]
    follow: bool,
    /// Read a file of --rejects again: every record keeps its sensor, stream, number and time, and
    /// a row that a database has already gets its new values.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["files", "follow", "sensor", "stream",
          "date", "stamp", "replace"])]
    from_rejects: Option<PathBuf>,
    /// JSON and CSV also say where each packet came from: sensor, stream, record, time_source.
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
                .several("--follow may meet several files of one name")?;
            if self.files.is_empty() || self.files.iter().any(|f| f == Path::new("-")) {
                return Err(Usage::new(
                    "--follow needs a file's name: standard input is read to its end anyway",
                )
                .into());
            }
        }
        if self.from_rejects.is_some() && self.records.rejects == self.from_rejects {
            return Err(Usage::new(
                "--rejects and --from-rejects name one file, which would never end",
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
        // One that is followed may come later.
        if !self.follow && missing.len() == files.len() {
            // Nothing will come: no output is made.
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
        let mut total = Summary::default();
        let mut failed = None;
        let mut done = |done: anyhow::Result<Summary>| match done {
            Ok(summary) => total.add(&summary),
            Err(e) => {
                let read = e.chain().find_map(|e| e.downcast_ref::<Error>());
                if let Some(summary) = read.and_then(Error::summary) {
                    total.add(summary);
                }
                // The other files are parsed all the same, as cat does it; the worst code wins.
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

/// Whether an input is there to be read. A pipe is not opened: that would take what it has.
fn readable(path: &Path) -> anyhow::Result<()> {
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

/// One input, to its end.
async fn input(
    path: PathBuf,
    origins: &Origins,
    report: &Report,
    manner: Manner,
) -> anyhow::Result<Summary> {
    let stop = report.station.stop();
    let name = path.display().to_string();
    let stdin = path == Path::new("-");
    if stdin && io::stdin().is_terminal() && !manner.quiet {
        say("dumpstream: reading from the terminal; Ctrl-D ends it");
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
    // Text that was stored, and any capture, is the same rows when it is read again.
    let stream = match input.stream(&sensor) {
        None if stdin => Some(net::stream_name("stdin")),
        stream => stream,
    };
    let origin = origins.stored(&sensor, stream, input.modified());
    let live = stdin && !input.is_capture();
    let hint = input.hint();
    let text = input.text().with_context(|| name.clone())?;
    let feed = Feed::new(text)?;
    let source = match live {
        true => Source::live(feed),
        false => Source::stored(feed),
    };
    let summary = run(source, origin, &report.station).await;
    drop(bar);
    let summary = summary.with_context(|| name.clone())?;
    if summary.bytes > 0 && summary.records == 0 && !manner.quiet && !stop.is_cancelled() {
        say(&super::visible::line(&format!(
            "dumpstream: {name}: no record was found; {hint}"
        )));
    }
    Ok(summary)
}

/// Opens a file, or standard input; with a bar that moves with what is read, if it is `shown`.
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
    // What tcpdump reads by itself moves no bar of ours.
    let bar = bar.filter(|_| !input.is_tcpdumps());
    Ok((input, bar))
}

/// A file that grows, until the end is asked for; what came of each of its parts.
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

/// The file of rejects, to its end, and what of it could not be read.
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
        (_, 0) => "it has no rejected record; --rejects FILE keeps them".to_owned(),
        (1, _) => "1 line is no rejected record; the others were read".to_owned(),
        (n, _) => format!("{n} lines are no rejected record; the others were read"),
    };
    Ok((summary, Some(anyhow::anyhow!("{name}: {fault}"))))
}

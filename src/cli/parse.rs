//! `dumpstream parse`: files or standard input into sinks.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::Context;
use clap::Args;
use dumpstream::bridge;
use dumpstream::feed::Feed;
use dumpstream::run::Error;
use dumpstream::{Origin, Progress, RunOptions, Summary};
use tokio_util::sync::CancellationToken;

use super::listen::Session;
use super::pipeline::{Pipeline, Records};
use super::status::Status;
use super::{Exit, Manner, report, runtime, say, say_error};

/// Parse text that was stored, or that comes on standard input; JSON Lines on standard output
///
///     tcpdump -nn -v -l | dumpstream parse | jq .source
///     dumpstream parse monday.txt tuesday.txt.zst -o sqlite:packets.db
///     dumpstream parse --date 2026-11-23 --tz Europe/Berlin --origin old.txt
///
/// A .zst file is read as it is. A file that is parsed twice adds no row to a database. Stamps
/// without a date have the date of --date, else of the file's last change.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct Parse {
    /// Files of tcpdump's text; - or none is standard input.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// JSON also says where each packet came from: sensor, stream, record, time_source.
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
        let session = Session::new(self.records.open("jsonl:-", self.origin)?);
        session.watch(manner)?;
        let Session {
            pipeline,
            live,
            stop,
        } = session;
        let files = match self.files.is_empty() {
            true => vec![PathBuf::from("-")],
            false => self.files,
        };
        let mut total = Summary::default();
        let mut failed = None;
        for file in &files {
            if stop.is_cancelled() {
                break;
            }
            match input(file, &pipeline, &stop, &live, manner).await {
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
            }
        }
        let undrained = pipeline.drain(&stop).await;
        let perfect = report::perfect(&pipeline, &total) && undrained == 0;
        let wanted = manner.verbose > 0
            || !report::reader_left(&pipeline) && (io::stderr().is_terminal() || !perfect);
        if wanted && !manner.quiet {
            say(&report::closing(&pipeline, &total, undrained));
        }
        let exit = report::exit(&pipeline, undrained)?;
        match failed {
            Some(code) => Ok(Exit::Said(code)),
            None => Ok(exit),
        }
    }
}

/// One file, to its end.
async fn input(
    file: &Path,
    pipeline: &Pipeline,
    stop: &CancellationToken,
    live: &Progress,
    manner: Manner,
) -> anyhow::Result<Summary> {
    let mut bar = None;
    let (source, origin, options) = if file == Path::new("-") {
        if io::stdin().is_terminal() && !manner.quiet {
            say("dumpstream: reading from the terminal; Ctrl-D ends it");
        }
        let origin = pipeline.origin("stdin", Some(bridge::stream_name("stdin")));
        (Feed::new(io::stdin())?, origin, RunOptions::new())
    } else {
        let open = Stored::open(file).with_context(|| file.display().to_string())?;
        let origin = open.origin(pipeline);
        let options = RunOptions::new().live(false);
        // Where JSON goes to the same terminal, a bar would stand in its midst.
        let free = !(pipeline.stdout && io::stdout().is_terminal());
        bar = open
            .regular
            .filter(|_| manner.live() && free)
            .map(Status::bytes);
        let text = open
            .text(bar.as_ref())
            .with_context(|| file.display().to_string())?;
        (Feed::new(text)?, origin, options)
    };
    let run = dumpstream::run(
        source,
        pipeline.codec(),
        &pipeline.parser,
        origin,
        &pipeline.lanes,
        &options,
        stop.clone(),
        live,
    );
    let summary = pipeline.drive(stop, run).await;
    drop(bar);
    summary.with_context(|| file.display().to_string())
}

/// How a file of zstd begins (RFC 8878, 3.1.1); no text of tcpdump does.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// A file of text that was stored, compressed or not.
#[derive(Debug)]
pub(super) struct Stored {
    file: File,
    /// Its name without folder and `.zst`.
    name: String,
    /// Its length, if it is a regular file.
    regular: Option<u64>,
    modified: Option<i64>,
}

impl Stored {
    /// Opens it.
    ///
    /// # Errors
    /// What the system says; a folder is one.
    pub(super) fn open(path: &Path) -> io::Result<Stored> {
        let file = File::open(path)?;
        let about = file.metadata()?;
        if about.is_dir() {
            return Err(io::Error::from(io::ErrorKind::IsADirectory));
        }
        let name = path
            .file_name()
            .unwrap_or(path.as_os_str())
            .to_string_lossy();
        let since = about
            .modified()
            .ok()
            .and_then(|m| m.duration_since(UNIX_EPOCH).ok());
        Ok(Stored {
            file,
            name: name.strip_suffix(".zst").unwrap_or(&name).to_owned(),
            regular: about.is_file().then_some(about.len()),
            modified: since.and_then(|s| i64::try_from(s.as_nanos()).ok()),
        })
    }

    /// The sensor is the file's name and the date that of its last change; the stream follows from
    /// what it holds, so that parsing it again adds nothing.
    fn origin(&self, pipeline: &Pipeline) -> Origin {
        let origin = pipeline.origin(&self.name, None);
        match self.modified {
            Some(modified) => origin.modified(modified),
            None => origin,
        }
    }

    /// The text; `bar` moves with what is read of the file.
    pub(super) fn text(self, bar: Option<&Status>) -> io::Result<Box<dyn Read + Send>> {
        match bar {
            Some(bar) => plain(bar.bar().wrap_read(self.file)),
            None => plain(self.file),
        }
    }
}

/// The text of a file that may be compressed; how it begins tells.
pub(super) fn plain(mut file: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
    let mut begin = Vec::with_capacity(ZSTD.len());
    (&mut file)
        .take(ZSTD.len() as u64)
        .read_to_end(&mut begin)?;
    let compressed = begin == ZSTD;
    let whole = io::Cursor::new(begin).chain(file);
    Ok(match compressed {
        true => Box::new(zstd::Decoder::new(whole)?),
        false => Box::new(whole),
    })
}

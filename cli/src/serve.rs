//! `dumpstream serve`: serves tcpdump's text to any number of clients.

mod report;

use std::io::{self, IsTerminal};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};
use dumpstream::framing::Framer;
use dumpstream_flow::Hangup;
use dumpstream_flow::feed::{self, Feed};
use dumpstream_flow::input::Input;
use dumpstream_flow::net::serve::{Fanout, Intake, JsonLines, Notice, Slow, Treatment, serve};
use dumpstream_flow::net::{self, ListenOptions, Listener};
use dumpstream_flow::run::Error;
use tokio_util::sync::CancellationToken;

use self::report::Report;
use super::door::Door;
use super::listen::Receive;
use super::origins::Origins;
use super::parse::{input, readable};
use super::records::Records;
use super::report::Report as StationReport;
use super::{Exit, Manner, Usage, amount, runtime, say};

/// Kernel receive buffer of each client, in bytes: what clients say is ignored.
const RECEIVE_BUFFER: usize = 16 << 10;

/// Serve tcpdump's text to any number of clients, as `nc -lk` does to one
///
///     sudo tcpdump -i any -nn -v -l 'not port 4444' | dumpstream serve 4444
///     nc 127.0.0.1 4444 | dumpstream parse
///
///     dumpstream serve 0.0.0.0:4444 --allow 192.0.2.0/24       # clients of that network
///     dumpstream serve 4444 monday.txt.gz                      # begins with the first client
///     dumpstream serve 4444 --from 5555 --jsonl --origin       # typed packets of many sensors
///
/// A client that is connected from the beginning gets the text byte for byte; a later one begins
/// at a packet. Clients may leave at any time. One that reads more slowly than the text comes is
/// skipped ahead without delaying the others, and gets the line `dumpstream: skipped N records`.
///
/// With --jsonl, packets are parsed, and clients get one JSON object for each; the options under
/// "Records" apply to that. With --from, the text comes from senders that connect to another port.
///
/// At the end of the text, or after Ctrl-C or SIGTERM, clients get what is left of it, then the end
/// of the connection. SIGUSR1 prints the report and continues.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct Serve {
    /// Address to listen on, and what to serve. HOST is 127.0.0.1 by default, and port 0 picks a
    /// free port. FILE is tcpdump text (also .gz or .zst) or a capture, which tcpdump prints; - or
    /// nothing is standard input.
    #[arg(value_name = "[HOST:]PORT [FILE]", num_args = 0..=3)]
    words: Vec<String>,
    /// Port, as nc takes it.
    #[arg(short, long, value_name = "PORT")]
    port: Option<u16>,
    /// Send one line for each packet, for clients that read lines, such as Spark's socket source: the
    /// lines of its headers are joined, and its payload is omitted.
    #[arg(long)]
    joined: bool,
    /// Send one JSON object for each packet; a client that was too slow gets `{"skipped":N}`.
    #[arg(long, conflicts_with = "joined")]
    jsonl: bool,
    /// With --jsonl, add where each packet came from: sensor, stream, record, time_source.
    #[arg(long, requires = "jsonl")]
    origin: bool,
    /// Serve what senders send to this port, instead of standard input; who may connect is
    /// the same. Clients get whole packets of one sender or the other.
    #[arg(long, value_name = "[HOST:]PORT")]
    from: Option<String>,
    /// What happens to a client that is too slow: skip packets for it, disconnect it, or make the
    /// text wait for it [default: drop; with FILE, block].
    #[arg(long, value_name = "WHAT", value_enum)]
    slow: Option<SlowName>,
    /// Memory limit of the text that is kept for clients that fall behind.
    #[arg(long, value_name = "SIZE", value_parser = amount::size, default_value = "64MiB")]
    buffer: usize,
    /// Disconnect a client that accepts nothing for this long while there is text for it.
    #[arg(long, value_name = "TIME", value_parser = amount::duration,
          default_value = "5m")]
    client_timeout: Duration,
    /// Read nothing before this many clients are connected [default: 0; with FILE, 1].
    #[arg(long, value_name = "N")]
    wait: Option<usize>,
    #[command(flatten)]
    door: Door,
    /// Kernel send buffer of each client.
    #[arg(long, value_name = "SIZE", value_parser = amount::size, default_value = "256KiB")]
    sndbuf: usize,
    #[command(flatten)]
    receive: Receive,
    /// Accepted for compatibility with nc; this command always listens.
    #[arg(short = 'l', hide = true)]
    listen: bool,
    /// Accepted for compatibility with nc; this command always keeps accepting clients.
    #[arg(short, long, hide = true)]
    keep_open: bool,
    /// Accepted for compatibility with nc; names are never looked up.
    #[arg(short = 'n', hide = true)]
    numeric: bool,
    #[command(flatten)]
    records: Records,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SlowName {
    /// Skip packets for it.
    Drop,
    /// Reset its connection.
    Disconnect,
    /// Make the text, and so all clients, wait for it.
    Block,
}

impl Serve {
    pub(super) fn run(self, manner: Manner) -> anyhow::Result<Exit> {
        runtime::block_on(self.serve(manner))
    }

    async fn serve(self, manner: Manner) -> anyhow::Result<Exit> {
        let (words, file) = split(&self.words, self.port.is_some());
        let at = self.door.address(words, self.port).await?;
        let tls = self.door.tls()?;
        let options = self.door.options(tls.clone(), self.receive.keepalive);
        let from = match &self.from {
            Some(_) if file.is_some() => {
                return Err(Usage::new("--from and FILE are two inputs; give one").into());
            }
            Some(at) => {
                let at = net::resolve(at).await?;
                Some(Listener::open(at[0], options.clone())?)
            }
            None => None,
        };
        file.as_deref().map_or(Ok(()), readable)?;
        let listener = Listener::open(at, for_clients(options))?;
        let stdin = file.is_none() && from.is_none();
        let stored = match &file {
            Some(file) => is_stored(file),
            None => stdin && is_stored(Path::new("/dev/stdin")),
        };
        let slow = match self.slow {
            Some(SlowName::Drop) => Slow::Drop,
            Some(SlowName::Disconnect) => Slow::Disconnect,
            Some(SlowName::Block) => Slow::Block,
            None if stored => Slow::Block,
            None => Slow::Drop,
        };
        let notice = match self.jsonl {
            true => Notice::Json,
            false => Notice::Text,
        };
        let fanout = Fanout::new(self.buffer, slow, notice);
        let mut treatment = Treatment::default();
        treatment.send_buffer = self.sndbuf;
        treatment.patience = self.client_timeout;
        treatment.drain_timeout = self.records.drain_timeout;
        let intake = Intake::new()
            .framer(Framer::new().max_record(self.records.max_record))
            .flush_after(self.receive.flush_after)
            .joined(self.joined);
        let parsing = match self.jsonl {
            true => Some(parsing(self.records, self.origin, self.receive, &fanout)?),
            false if self.records.output.is_empty() => None,
            false => return Err(Usage::new("-o needs --jsonl: packets are parsed for it").into()),
        };
        let station = parsing.as_ref().map(|(_, station)| station.clone());
        let stop = match &station {
            Some(station) => station.station.stop().clone(),
            None => CancellationToken::new(),
        };
        let report = Report {
            fanout: fanout.clone(),
            ports: from
                .iter()
                .chain([&listener])
                .map(Listener::connections)
                .collect(),
            hangup: match &station {
                Some(station) => station.station.hangup().clone(),
                None => Hangup::new(),
            },
            station,
        };
        report.watch(&stop, manner)?;
        if !manner.quiet {
            tls.iter().for_each(super::tls::told);
            if stdin && parsing.is_none() && io::stdin().is_terminal() {
                say("dumpstream: reading from the terminal; press Ctrl-D to end the input");
            }
            let name = match (&from, &file) {
                (Some(from), _) => format!("senders to {from}"),
                (None, Some(file)) => file.display().to_string(),
                (None, None) => "standard input".to_owned(),
            };
            let name = super::visible::line(&name).into_owned();
            say(&format!("serving {name} on {listener}"));
        }
        let status = report.status(manner);
        let wait = self.wait.unwrap_or(usize::from(stored));
        let taking = async {
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = fanout.joined(wait) => {}
            }
            let taken = match (parsing, from) {
                (Some(parsing), from) => parse(file, from, parsing, manner).await,
                (None, Some(from)) => {
                    intake.senders(from, &fanout, &stop).await;
                    Taken::default()
                }
                (None, None) => Taken {
                    failed: take(file, intake, &fanout, &stop).await.err(),
                    ..Taken::default()
                },
            };
            fanout.end();
            taken
        };
        let serving = serve(listener, &fanout, &treatment, &stop, &report.hangup);
        let (taken, ()) = tokio::join!(taking, serving);
        drop(status);
        if !manner.quiet {
            taken.report.iter().for_each(|report| say(report));
            say(&report.to_string());
        }
        match (taken.failed, taken.exit, fanout.figures().late) {
            (Some(error), _, _) => Err(error),
            (None, Some(exit), _) if exit != Exit::Done => Ok(exit),
            (None, _, 0) => Ok(Exit::Done),
            (None, _, _) => Ok(Exit::Undrained),
        }
    }
}

/// What became of the text.
#[derive(Debug, Default)]
struct Taken {
    /// The closing report of a station.
    report: Option<String>,
    /// The exit code of its sinks.
    exit: Option<Exit>,
    failed: Option<anyhow::Error>,
}

/// Opens what parses packets for the clients.
fn parsing(
    records: Records,
    origin: bool,
    receive: Receive,
    fanout: &Fanout,
) -> anyhow::Result<(Origins, StationReport)> {
    let parser = records.parser()?;
    records.open(parser, None, |station| {
        let station = station.identity(origin).flush_after(receive.flush_after);
        let lines = JsonLines::new(fanout.clone(), station.context());
        station.sink("clients", Box::new(lines))
    })
}

/// Parses the text to its end.
async fn parse(
    file: Option<PathBuf>,
    from: Option<Listener>,
    (origins, report): (Origins, StationReport),
    manner: Manner,
) -> Taken {
    let station = &report.station;
    let (figures, failed) = match from {
        Some(from) => {
            let origin = |connection: &_| origins.connection(connection);
            let mut outcome = net::listen(from, true, station, origin).await;
            let failed = outcome.error.take().map(anyhow::Error::from);
            (outcome.to_string(), failed)
        }
        None => {
            let file = file.unwrap_or_else(|| PathBuf::from("-"));
            match input(file, &origins, &report, manner).await {
                Ok(summary) => (summary.to_string(), None),
                Err(error) => {
                    let read = error.chain().find_map(|e| e.downcast_ref::<Error>());
                    let summary = read.and_then(Error::summary).cloned().unwrap_or_default();
                    (summary.to_string(), Some(error))
                }
            }
        }
    };
    let undrained = station.drain().await;
    let closing = Some(report.closing(&figures, undrained));
    match report.exit(undrained) {
        Ok(exit) => Taken {
            report: closing,
            exit: Some(exit),
            failed,
        },
        Err(error) => Taken {
            report: closing,
            exit: None,
            failed: Some(error),
        },
    }
}

/// A port that clients connect to.
pub(super) fn for_clients(options: ListenOptions) -> ListenOptions {
    ListenOptions {
        receive_buffer: RECEIVE_BUFFER,
        ..options
    }
}

/// Splits what was typed into the address and the file: `4444 FILE`, `HOST:4444 FILE`,
/// `HOST 4444 FILE`, and, `with_port`, `FILE` or `HOST FILE`.
fn split(words: &[String], with_port: bool) -> (&[String], Option<PathBuf>) {
    let is_host = |word: &String| word == "localhost" || word.parse::<IpAddr>().is_ok();
    let has_port = |word: &String| {
        let port = word.rsplit(':').next().unwrap_or_default();
        let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
        digits && !is_host(word)
    };
    let address = match words {
        [] => 0,
        [one] if with_port => usize::from(is_host(one)),
        _ if with_port => 1,
        [first, ..] if has_port(first) => 1,
        _ => words.len().min(2),
    };
    let (address, file) = words.split_at(address);
    let file = file.first().filter(|file| *file != "-");
    (address, file.map(PathBuf::from))
}

/// Whether it is a regular file, which can wait for its clients.
fn is_stored(file: &Path) -> bool {
    file.metadata().is_ok_and(|about| about.is_file())
}

/// Reads the text to its end, or until `stop`.
async fn take(
    file: Option<PathBuf>,
    intake: Intake,
    fanout: &Fanout,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let name = file
        .as_deref()
        .map_or("stdin".to_owned(), |file| file.display().to_string());
    let opened = feed::aside(move || {
        let input = match file {
            None => Input::stdin()?,
            Some(file) => Input::open(&file, |file, _| Box::new(file))?,
        };
        Feed::new(input.text()?)
    });
    let taken = tokio::select! {
        biased;
        opened = opened => match opened {
            Ok(text) => intake.run(text, fanout, stop).await,
            Err(error) => Err(error),
        },
        () = stop.cancelled() => Ok(()),
    };
    taken.context(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_comes_before_the_file() {
        for (words, port, address, file) in [
            (&["4444"][..], false, &["4444"][..], None),
            (&["4444", "-"], false, &["4444"], None),
            (&["4444", "5555"], false, &["4444"], Some("5555")),
            (
                &["[::1]:4444", "a.txt"],
                false,
                &["[::1]:4444"],
                Some("a.txt"),
            ),
            (
                &["::1", "4444", "a.txt"],
                false,
                &["::1", "4444"],
                Some("a.txt"),
            ),
            (&["0.0.0.0", "4444"], false, &["0.0.0.0", "4444"], None),
            (&["a.txt"], true, &[], Some("a.txt")),
            (&["127.0.0.1"], true, &["127.0.0.1"], None),
            (&["localhost", "a.txt"], true, &["localhost"], Some("a.txt")),
            (&[], true, &[], None),
        ] {
            let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
            let (found, named) = split(&words, port);
            assert_eq!(found, address, "{words:?}");
            assert_eq!(named.as_deref(), file.map(Path::new), "{words:?}");
        }
    }
}

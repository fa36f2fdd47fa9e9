//! `dumpstream serve`: serves tcpdump's text to any number of clients.

use std::io::{self, IsTerminal};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};
use dumpstream::framing::Framer;
use dumpstream::limits::DEFAULT_MAX_RECORD;
use dumpstream_flow::feed::{self, Feed};
use dumpstream_flow::input::Input;
use dumpstream_flow::net::serve::{Fanout, Intake, Notice, Slow, Treatment, serve};
use dumpstream_flow::net::{self, Access, Connections, Listener, MAX_CONNECTIONS};
use tokio_util::sync::CancellationToken;

use super::listen::{Receive, some};
use super::records::longest;
use super::status::Live;
use super::{Exit, Manner, address, amount, runtime, say, signals};

/// Kernel receive buffer of each client, in bytes: what clients say is ignored.
const RECEIVE_BUFFER: usize = 16 << 10;

/// Serve tcpdump's text to any number of clients, as `nc -lk` does to one
///
///     sudo tcpdump -i any -nn -v -l 'not port 4444' | dumpstream serve 4444
///     nc 127.0.0.1 4444 | dumpstream parse
///
///     dumpstream serve 0.0.0.0:4444 --allow 192.0.2.0/24       # clients of that network
///     dumpstream serve 4444 monday.txt.gz                      # begins with the first client
///
/// A client that is connected from the beginning gets the text byte for byte; a later one begins
/// at a packet. Clients may leave at any time. One that reads more slowly than the text comes is
/// skipped ahead without delaying the others, and gets the line `dumpstream: skipped N records`.
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
    /// Hosts that may connect; repeatable [default: this machine only].
    #[arg(long, value_name = "CIDR")]
    allow: Vec<Access>,
    /// Maximum simultaneous clients; further ones are refused and counted.
    #[arg(short, long, value_name = "N", value_parser = some,
          default_value_t = MAX_CONNECTIONS)]
    max_connections: usize,
    /// Kernel send buffer of each client.
    #[arg(long, value_name = "SIZE", value_parser = amount::size, default_value = "256KiB")]
    sndbuf: usize,
    /// Maximum length of a record; a longer one is cut there.
    #[arg(long, value_name = "SIZE", value_parser = longest, default_value_t = DEFAULT_MAX_RECORD)]
    max_record: usize,
    /// At the end, how long clients may take to read what is left.
    #[arg(long, value_name = "TIME", value_parser = amount::duration, default_value = "5s")]
    drain_timeout: Duration,
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
        let at = net::resolve(&address::joined(words, self.port)?).await?;
        let access = self.allow.into_iter().fold(Access::loopback(), Access::and);
        let listener = Listener::bind_with(at[0], access, self.max_connections, RECEIVE_BUFFER)?;
        let stored = is_stored(file.as_deref().unwrap_or(Path::new("/dev/stdin")));
        let slow = match self.slow {
            Some(SlowName::Drop) => Slow::Drop,
            Some(SlowName::Disconnect) => Slow::Disconnect,
            Some(SlowName::Block) => Slow::Block,
            None if stored => Slow::Block,
            None => Slow::Drop,
        };
        let fanout = Fanout::new(self.buffer, slow, Notice::Text);
        let mut treatment = Treatment::default();
        treatment.send_buffer = self.sndbuf;
        treatment.patience = self.client_timeout;
        treatment.drain_timeout = self.drain_timeout;
        let report = Report {
            fanout: fanout.clone(),
            connections: listener.connections(),
        };
        let stop = CancellationToken::new();
        report.watch(&stop, manner)?;
        if !manner.quiet {
            if file.is_none() && io::stdin().is_terminal() {
                say("dumpstream: reading from the terminal; press Ctrl-D to end the input");
            }
            let name = file
                .as_deref()
                .map_or("standard input".into(), Path::to_string_lossy);
            let name = super::visible::line(&name).into_owned();
            say(&format!("serving {name} on {}", listener.address()));
        }
        let status = report.status(manner);
        let wait = self.wait.unwrap_or(usize::from(stored));
        let intake = Intake::new()
            .framer(Framer::new().max_record(self.max_record))
            .flush_after(self.receive.flush_after);
        let taking = async {
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = fanout.joined(wait) => {}
            }
            let taken = take(file, intake, &fanout, &stop).await;
            fanout.end();
            taken
        };
        let (taken, ()) = tokio::join!(taking, serve(listener, &fanout, &treatment));
        drop(status);
        if !manner.quiet {
            say(&report.to_string());
        }
        taken?;
        Ok(match fanout.figures().late {
            0 => Exit::Done,
            _ => Exit::Undrained,
        })
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

/// Reports on the text and its clients.
#[derive(Clone, Debug)]
struct Report {
    fanout: Fanout,
    connections: Connections,
}

impl Report {
    /// Handles signals: they stop the text, or print the report.
    fn watch(&self, stop: &CancellationToken, manner: Manner) -> io::Result<()> {
        let report = self.clone();
        signals::watch(
            stop.clone(),
            Default::default(),
            move |signal| match signal {
                signals::Signal::Stop if !manner.quiet => {
                    say("stopping; repeat the signal to exit immediately")
                }
                signals::Signal::Stop | signals::Signal::Reopen => {}
                signals::Signal::Now | signals::Signal::Tell => say(&report.to_string()),
            },
        )
    }

    /// The status line, if standard error is a terminal.
    fn status(&self, manner: Manner) -> Option<Live> {
        let report = self.clone();
        let line = move |rate: &mut super::status::Rate| {
            let figures = report.fanout.figures();
            format!(
                "{} records  {}/s  {} clients  {} sent  {} skipped",
                amount::grouped(figures.records),
                amount::grouped(rate.of(figures.records)),
                figures.open,
                amount::grouped(figures.sent),
                amount::grouped(figures.skipped),
            )
        };
        manner.live().then(|| Live::new(line))
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.fanout.figures())?;
        let refused = [
            (self.connections.denied(), "not allowed"),
            (self.connections.over_cap(), "over the connection limit"),
        ];
        for (n, why) in refused.into_iter().filter(|(n, _)| *n > 0) {
            let plural = if n == 1 { "" } else { "s" };
            write!(f, "\n{n} connection{plural} refused, {why}")?;
        }
        Ok(())
    }
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

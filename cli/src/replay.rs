//! `dumpstream replay`: sends recorded text at its original pace.

use std::io::{self, BufRead, BufReader, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use dumpstream_flow::Foreign;
use dumpstream_flow::feed::{self, Feed};
use dumpstream_flow::input::Input;
use dumpstream_flow::net;
use dumpstream_flow::replay::{Pace, Replay as Player, Replayed};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::{Exit, Manner, Stdout, address, amount, runtime, say, signals};

/// How long the other end may take to read what the kernel holds, after everything was sent.
const LINGER: Duration = Duration::from_secs(30);

/// Send recorded text at its original pace, to a port or to standard output
///
///     dumpstream replay monday.txt.zst 127.0.0.1 4444          # as it happened
///     dumpstream replay monday.txt 127.0.0.1 4444 -x 10        # ten times as fast
///     dumpstream replay monday.txt --topspeed | nc -N sensor 4444
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct Replay {
    /// tcpdump text (also .gz or .zst), or a capture, which tcpdump prints; - is standard input.
    file: PathBuf,
    /// Destination: HOST PORT or HOST:PORT [default: standard output].
    #[arg(value_name = "HOST:PORT", num_args = 0..=2)]
    address: Vec<String>,
    /// Speed as a multiple of the original.
    #[arg(short = 'x', long, value_name = "N", default_value = "1",
          value_parser = amount::multiplier)]
    multiplier: f64,
    /// Send as fast as the other end reads.
    #[arg(short, long, conflicts_with = "multiplier")]
    topspeed: bool,
}

impl Replay {
    pub(super) fn run(self, manner: Manner) -> anyhow::Result<Exit> {
        runtime::block_on(self.replay(manner))
    }

    async fn replay(self, manner: Manner) -> anyhow::Result<Exit> {
        let stop = CancellationToken::new();
        let file = self.file.display().to_string();
        signals::watch(
            stop.clone(),
            Default::default(),
            move |signal| match signal {
                signals::Signal::Stop | signals::Signal::Reopen | signals::Signal::Now => {}
                signals::Signal::Tell => say(&format!("replaying {file:?}")),
            },
        )?;
        let replayed = self.send(stop).await?;
        if !manner.quiet {
            say(&replayed.to_string());
        }
        Ok(Exit::Done)
    }

    /// Sends it all, or until `stop`.
    pub(super) async fn send(self, stop: CancellationToken) -> anyhow::Result<Replayed> {
        let pace = match self.topspeed {
            true => Pace::TopSpeed,
            false => Pace::Multiplier(self.multiplier),
        };
        let shown = self.address.is_empty() && io::stdout().is_terminal();
        let text = open(self.file.clone(), shown, &stop).await?;
        if self.address.is_empty() {
            let sent = Player::new(pace).run(text, tokio::io::stdout(), stop).await;
            return Ok(sent.map_err(Stdout)?);
        }
        send(text, &address::joined(&self.address, None)?, pace, stop).await
    }
}

/// Opens a file of text, or standard input; returns an empty input if `stop` comes before its first
/// bytes. Bytes that are no text are not `shown` on a terminal.
async fn open(file: PathBuf, shown: bool, stop: &CancellationToken) -> anyhow::Result<Feed> {
    let name = file.display().to_string();
    let opened = feed::aside(move || {
        let input = match file == Path::new("-") {
            true => Input::stdin()?,
            false => Input::open(&file, |file, _| Box::new(file))?,
        };
        let mut text = BufReader::new(input.text()?);
        if shown && Foreign::of(text.fill_buf()?).is_some_and(Foreign::is_binary) {
            return Err(io::Error::other(
                "is not text, and standard output is a terminal; redirect it to a file",
            ));
        }
        Ok(text)
    });
    tokio::select! {
        biased;
        opened = opened => {
            let text = opened.context(name)?;
            Ok(Feed::new(text)?)
        }
        () = stop.cancelled() => Ok(Feed::new(io::empty())?),
    }
}

/// Sends text to a port as `nc -N` does: closes our half of the connection, then waits for the
/// other half.
async fn send(
    text: Feed,
    address: &str,
    pace: Pace,
    stop: CancellationToken,
) -> anyhow::Result<Replayed> {
    let hosts = net::resolve(address).await?;
    let mut socket = TcpStream::connect(&hosts[..])
        .await
        .with_context(|| format!("cannot connect to {address}"))?;
    let named = || format!("sending to {address}");
    let replayed = Player::new(pace).run(text, &mut socket, stop.clone()).await;
    let replayed = replayed.with_context(named)?;
    socket.shutdown().await.with_context(named)?;
    // Closing with unread input would reset the connection and lose what is still on its way.
    let mut theirs = tokio::io::sink();
    tokio::select! {
        // Errors while the other end closes do not matter; everything was sent.
        _ = tokio::io::copy(&mut socket, &mut theirs) => {}
        () = tokio::time::sleep(LINGER) => {}
        () = stop.cancelled() => {}
    }
    Ok(replayed)
}

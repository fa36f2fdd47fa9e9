//! `dumpstream replay`: sends recorded text on a schedule.

use std::io::{self, BufRead, BufReader, IsTerminal, Read};
use std::net::{Shutdown, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::{ArgGroup, Args};
use dumpstream_flow::feed::{self, Feed};
use dumpstream_flow::input::Input;
use dumpstream_flow::net::serve::{DEFAULT_BUFFER, Fanout, Intake, Notice, Slow, Treatment, serve};
use dumpstream_flow::net::{self, Access, ListenOptions, Listener};
use dumpstream_flow::replay::{Pace, Player, Replay as Recording, ReplayError};
use dumpstream_flow::{Foreign, Hangup};
use tokio_util::sync::CancellationToken;

use super::origins::{Stamp, Zone};
use super::serve::for_clients;
use super::{Exit, Manner, Stdout, Usage, address, amount, runtime, say, signals};

/// How long the other end may take to read what the kernel holds, after everything was sent.
const LINGER: Duration = Duration::from_secs(30);

/// Send recorded text at its original pace, to a port or to standard output
///
///     dumpstream replay monday.txt.zst 127.0.0.1 4444          # as it happened
///     dumpstream replay monday.txt 127.0.0.1 4444 -x 10        # ten times as fast
///     dumpstream replay monday.txt --topspeed | nc -N sensor 4444
///     dumpstream replay monday.txt 127.0.0.1 4444 --pps 10000 --loop 0 --restamp --duration 1h
///     dumpstream replay monday.txt --serve 4444                # to clients, from the first one on
///
/// Each record is due at a fixed time after the first one, so that delays do not add up; after the
/// other end has blocked, replay catches up. At the end it prints what was sent, at which rate, and
/// how late records were.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment,
          group = ArgGroup::new("pace").args(["multiplier", "pps", "mbps", "topspeed"]))]
pub(super) struct Replay {
    /// tcpdump text (also .gz or .zst), or a capture, which tcpdump prints; - is standard input,
    /// whose packets are each sent when the next one begins.
    file: PathBuf,
    /// Destination: HOST PORT or HOST:PORT [default: standard output].
    #[arg(value_name = "HOST:PORT", num_args = 0..=2)]
    address: Vec<String>,
    /// Send it to any number of clients that connect to this port, from when the first one does.
    /// One that is too slow is skipped ahead, as by `dumpstream serve`; at --topspeed, all wait for
    /// the slowest.
    #[arg(long, value_name = "[HOST:]PORT", conflicts_with = "address")]
    serve: Option<String>,
    /// With --serve, hosts that may connect; repeatable [default: this machine only].
    #[arg(long, value_name = "CIDR", requires = "serve")]
    allow: Vec<Access>,
    /// Speed as a multiple of the original, by the time stamps.
    #[arg(short = 'x', long, value_name = "N", default_value = "1",
          value_parser = amount::speed, help_heading = "Pace")]
    multiplier: f64,
    /// Packets per second, evenly spaced.
    #[arg(long, value_name = "N", value_parser = amount::speed, help_heading = "Pace")]
    pps: Option<f64>,
    /// Megabits (1,000,000 bits) per second of text, not of the packets that it describes.
    #[arg(short = 'M', long, value_name = "N", value_parser = amount::speed, help_heading = "Pace")]
    mbps: Option<f64>,
    /// Send as fast as the other end reads.
    #[arg(short, long, help_heading = "Pace")]
    topspeed: bool,
    /// Wait at most this long between two packets [default: no limit].
    #[arg(long, value_name = "TIME", value_parser = amount::duration, help_heading = "Pace",
          conflicts_with_all = ["pps", "mbps", "topspeed"])]
    max_gap: Option<Duration>,
    /// Send the file N times; 0 means until a signal or a limit.
    #[arg(
        long = "loop",
        value_name = "N",
        default_value = "1",
        help_heading = "Extent"
    )]
    loops: u64,
    /// Time between two loops [default: the mean time between two packets; 0 at top speed].
    #[arg(long, value_name = "TIME", value_parser = amount::duration, help_heading = "Extent")]
    loop_delay: Option<Duration>,
    /// Stop after N packets, over all loops.
    #[arg(short = 'L', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..),
          help_heading = "Extent")]
    limit: Option<u64>,
    /// Stop after this time.
    #[arg(long, value_name = "TIME", value_parser = amount::limit, help_heading = "Extent")]
    duration: Option<Duration>,
    /// Replace each time stamp with the time at which its packet is sent, in the same form and with
    /// as many digits, in this machine's time zone. No other byte changes.
    #[arg(long, help_heading = "Time stamps")]
    restamp: bool,
    /// Whether relative time stamps are deltas (-ttt) or elapsed time (-ttttt); they look
    /// identical.
    #[arg(long, value_enum, help_heading = "Time stamps")]
    stamp: Option<Stamp>,
}

impl Replay {
    pub(super) fn run(self, manner: Manner) -> anyhow::Result<Exit> {
        runtime::block_on(self.replay(manner))
    }

    async fn replay(self, manner: Manner) -> anyhow::Result<Exit> {
        let stop = CancellationToken::new();
        let file = self.file.display().to_string();
        let player = self.player();
        let (playing, name) = (player.clone(), file.clone());
        signals::watch(
            stop.clone(),
            Default::default(),
            move |signal| match signal {
                signals::Signal::Stop | signals::Signal::Reopen | signals::Signal::Now => {}
                signals::Signal::Tell => {
                    say(&format!("replaying {name:?}\n{}", playing.replayed()));
                }
            },
        )?;
        let sent = match self.serve.clone() {
            Some(port) => self.serve(&port, &player, stop, manner).await,
            None => self.send(&player, stop).await.map(|()| Exit::Done),
        };
        let replayed = player.replayed();
        if sent.is_ok() && replayed.records == 0 && replayed.bytes > 0 {
            tracing::warn!("No packets found in {file:?}; it was sent as it is.");
        }
        if !manner.quiet && (sent.is_ok() || replayed.bytes > 0) {
            say(&replayed.to_string());
        }
        sent
    }

    /// What plays it.
    pub(super) fn player(&self) -> Player {
        let pace = match (self.pps, self.mbps) {
            _ if self.topspeed => Pace::TopSpeed,
            (Some(pps), _) => Pace::Pps(pps),
            (None, Some(mbps)) => Pace::Mbps(mbps),
            (None, None) => Pace::Multiplier(self.multiplier),
        };
        let mut recording = Recording::new(pace).loops(self.loops);
        if let Some(max_gap) = self.max_gap {
            recording = recording.max_gap(max_gap);
        }
        if let Some(loop_delay) = self.loop_delay {
            recording = recording.loop_delay(loop_delay);
        }
        if let Some(limit) = self.limit {
            recording = recording.limit(limit);
        }
        if let Some(duration) = self.duration {
            recording = recording.duration(duration);
        }
        if let Some(stamp) = self.stamp {
            recording = recording.stamp(stamp.form());
        }
        if self.restamp {
            recording = recording.restamp(Zone::local().tz);
        }
        Player::new(recording)
    }

    /// Sends it all to whoever connects, or until `stop`.
    async fn serve(
        self,
        port: &str,
        player: &Player,
        stop: CancellationToken,
        manner: Manner,
    ) -> anyhow::Result<Exit> {
        let Some(open) = self.text(false, &stop).await? else {
            return Ok(Exit::Done);
        };
        let name = self.file.display().to_string();
        let access = self.allow.into_iter().fold(Access::loopback(), Access::and);
        let options = ListenOptions {
            access,
            ..ListenOptions::default()
        };
        let listener = Listener::open(net::resolve(port).await?[0], for_clients(options))?;
        // At top speed the clients set the pace.
        let slow = if self.topspeed {
            Slow::Block
        } else {
            Slow::Drop
        };
        let fanout = Fanout::new(DEFAULT_BUFFER, slow, Notice::Text);
        if !manner.quiet {
            let name = super::visible::line(&name);
            say(&format!("serving {name} on {listener}"));
        }
        let (text, sink) = io::pipe()?;
        let text = Feed::new(text)?;
        // Each write of the player is of whole records.
        let intake = Intake::new().flush_after(Duration::ZERO);
        let sending = async {
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = fanout.joined(1) => {}
            }
            // The text ends as its player does.
            let ever = CancellationToken::new();
            let taking = intake.run(text, &fanout, &ever);
            let (played, taken) = tokio::join!(player.play(open, sink, &stop), taking);
            fanout.end();
            played.map_err(anyhow::Error::from).and(Ok(taken?))
        };
        let treatment = Treatment::default();
        let hangup = Hangup::new();
        let serving = serve(listener, &fanout, &treatment, &stop, &hangup);
        let (sent, ()) = tokio::join!(sending, serving);
        if !manner.quiet {
            say(&fanout.figures().to_string());
        }
        sent.context(name)?;
        Ok(match fanout.figures().late {
            0 => Exit::Done,
            _ => Exit::Undrained,
        })
    }

    /// The text, opened as often as it is to be sent; `None` after `stop`. Bytes that are no text
    /// are not `shown` on a terminal.
    async fn text(
        &self,
        shown: bool,
        stop: &CancellationToken,
    ) -> anyhow::Result<Option<impl FnMut() -> io::Result<Text> + Send + use<>>> {
        let name = self.file.display().to_string();
        let once = || {
            let text =
                format!("{name} can be read only once: save it to a file to send it in a loop");
            Usage::new(text)
        };
        if self.file == Path::new("-") && self.loops != 1 {
            return Err(once().into());
        }
        let file = self.file.clone();
        let opened = tokio::select! {
            biased;
            opened = feed::aside(move || open(&file, shown)) => opened,
            () = stop.cancelled() => return Ok(None),
        };
        let Opened { text, regular } = opened.with_context(|| name.clone())?;
        if !regular && self.loops != 1 {
            return Err(once().into());
        }
        let (mut first, file) = (Some(text), self.file.clone());
        Ok(Some(move || match first.take() {
            Some(text) => Ok(text),
            None => Ok(open(&file, false)?.text),
        }))
    }

    /// Sends it all, or until `stop`.
    pub(super) async fn send(self, player: &Player, stop: CancellationToken) -> anyhow::Result<()> {
        let name = self.file.display().to_string();
        let shown = self.address.is_empty() && io::stdout().is_terminal();
        let Some(open) = self.text(shown, &stop).await? else {
            return Ok(());
        };
        let read = |error: io::Error| anyhow::Error::new(error).context(name.clone());
        if self.address.is_empty() {
            let played = player.play(open, io::stdout(), &stop).await;
            return played.map_err(|error| match error {
                ReplayError::Read(error) => read(error),
                ReplayError::Write(error) => Stdout(error).into(),
            });
        }
        let address = address::joined(&self.address, None)?;
        let connected = tokio::select! {
            biased;
            connected = connect(&address) => connected,
            () = stop.cancelled() => return Ok(()),
        };
        let socket = connected.with_context(|| format!("cannot connect to {address}"))?;
        let sending = || format!("sending to {address}");
        let sink = socket.try_clone().with_context(sending)?;
        let played = player.play(open, sink, &stop).await;
        let closed = close(socket, &stop).await;
        match played {
            Err(ReplayError::Read(error)) => Err(read(error)),
            Err(ReplayError::Write(error)) => Err(error).with_context(sending),
            Ok(()) => closed.with_context(sending),
        }
    }
}

type Text = BufReader<Box<dyn Read + Send>>;

/// A text, opened.
struct Opened {
    text: Text,
    /// It can be opened again.
    regular: bool,
}

/// Opens a file, or standard input. Bytes that are no text are not `shown` on a terminal.
fn open(file: &Path, shown: bool) -> io::Result<Opened> {
    let input = match file == Path::new("-") {
        true => Input::stdin()?,
        false => Input::open(file, |file, _| Box::new(file))?,
    };
    let regular = input.regular().is_some();
    let mut text = BufReader::new(input.text()?);
    if shown && Foreign::of(text.fill_buf()?).is_some_and(Foreign::is_binary) {
        return Err(io::Error::other(
            "is not text, and standard output is a terminal; redirect it to a file",
        ));
    }
    Ok(Opened { text, regular })
}

/// A connection that blocks its writer, and delays no record.
async fn connect(address: &str) -> anyhow::Result<TcpStream> {
    let hosts = net::resolve(address).await?;
    let socket = tokio::net::TcpStream::connect(&hosts[..])
        .await?
        .into_std()?;
    socket.set_nonblocking(false)?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

/// Ends a connection as `nc -N` does: closes our half of it, then waits for the other half.
async fn close(socket: TcpStream, stop: &CancellationToken) -> io::Result<()> {
    // This also ends a write that still blocks.
    socket.shutdown(Shutdown::Write)?;
    socket.set_nonblocking(true)?;
    let mut socket = tokio::net::TcpStream::from_std(socket)?;
    // Closing with unread input would reset the connection and lose what is still on its way.
    let mut theirs = tokio::io::sink();
    tokio::select! {
        // Errors while the other end closes do not matter; everything was sent.
        _ = tokio::io::copy(&mut socket, &mut theirs) => {}
        () = tokio::time::sleep(LINGER) => {}
        () = stop.cancelled() => {}
    }
    Ok(())
}

//! `dumpstream capture`: captures packets with tcpdump, which it runs and watches.

mod destination;

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use dumpstream_flow::capture::{self, Capture, Exclusion, Mtu, Options, Outcome, Replay};
use dumpstream_flow::net::{self, Retry, Uplink};

use super::listen::Receive;
use super::origins::Origins;
use super::parse::readable;
use super::records::{Records, STORE};
use super::report::Report;
use super::{
    Exit, Manner, Stdout, Usage, amount, runtime, say, say_error, signals, status, visible,
};

/// Capture packets with tcpdump, and store them in packets.db (or -o URL), or send them to HOST PORT
///
///     sudo dumpstream capture -i eth0 'tcp port 443'        # a filter, as tcpdump takes it
///     sudo dumpstream capture -i eth0 collector 4444 tcp    # to `dumpstream listen -k 4444` there
///     sudo dumpstream capture -i eth0 --replay monday.pcap --mtu 9000
///
/// tcpdump's options have the same letters here, and it prints packets as for a capture file: -l -nn
/// -e -v -S -tt -#. The connection to HOST PORT or to Cassandra, and the SSH session that dumpstream
/// was started in, are left out. If tcpdump dies, it is started again. The report ends with a ledger:
/// packets sent (--replay), received, dropped by the kernel, printed, and written.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct CaptureCommand {
    /// Where to send tcpdump's text, HOST PORT or HOST:PORT, and a filter as for tcpdump (`man
    /// pcap-filter`).
    #[arg(value_name = "[HOST PORT] FILTER", num_args = 0..)]
    words: Vec<String>,
    /// Interface to capture; `any` is all of them [default: tcpdump's choice].
    #[arg(short, long, value_name = "IF")]
    interface: Option<String>,
    /// List the interfaces that can be captured, and exit.
    #[arg(short = 'D', long, alias = "list")]
    list_interfaces: bool,
    /// Exit after N packets.
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Kernel buffer of tcpdump, in KiB: it holds packets while tcpdump prints others [default:
    /// tcpdump's, 2048].
    #[arg(short = 'B', long, value_name = "KiB", value_parser = clap::value_parser!(u32).range(1..))]
    buffer_size: Option<u32>,
    /// Capture at most this many bytes of each packet [default: all].
    #[arg(short, long, value_name = "BYTES")]
    snapshot_length: Option<u32>,
    /// Do not put the interface into promiscuous mode.
    #[arg(short = 'p', long)]
    no_promiscuous_mode: bool,
    /// Print packets as they arrive, without up to a second's delay; the kernel's buffer then holds
    /// fewer packets.
    #[arg(long)]
    immediate_mode: bool,
    /// Also capture the SSH session that dumpstream was started in.
    #[arg(long)]
    keep_ssh: bool,
    /// How often to ask tcpdump for its counters.
    #[arg(long, value_name = "TIME", value_parser = amount::limit, default_value = "10s")]
    stats: Duration,
    /// Exit when tcpdump dies.
    #[arg(long)]
    no_restart: bool,
    /// Raise the MTU of the interfaces to BYTES, and put it back at the end, also after a signal other
    /// than KILL.
    #[arg(long, value_name = "BYTES", requires = "interface")]
    mtu: Option<u32>,
    /// Send the packets of this capture file with tcpreplay meanwhile, and exit when all of them are
    /// captured.
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,
    /// Interface to send them on [default: the captured one].
    #[arg(long, value_name = "IF", requires = "replay")]
    replay_interface: Option<String>,
    /// Packets per second of --replay.
    #[arg(long, value_name = "N", requires = "replay", value_parser = amount::speed)]
    pps: Option<f64>,
    /// Speed of --replay as a multiple of the original [default: 1].
    #[arg(short = 'x', long, value_name = "N", requires = "replay", conflicts_with = "pps",
          value_parser = amount::speed)]
    multiplier: Option<f64>,
    /// After --replay, how long to wait at most until no packet comes any more.
    #[arg(long, value_name = "TIME", value_parser = amount::duration, default_value = "10s")]
    settle: Duration,
    #[command(flatten)]
    receive: Receive,
    #[command(flatten)]
    records: Records,
}

impl CaptureCommand {
    pub(super) fn run(self, manner: Manner) -> anyhow::Result<Exit> {
        runtime::block_on(self.capture(manner))
    }

    async fn capture(self, manner: Manner) -> anyhow::Result<Exit> {
        if self.list_interfaces {
            let list = capture::interfaces().await?;
            let list = visible::lines(list.trim_end());
            writeln!(std::io::stdout(), "{list}").map_err(Stdout)?;
            return Ok(Exit::Done);
        }
        let running = self.open().await?;
        running.watch(manner)?;
        running.run(manner).await
    }

    /// Opens the sinks once it is certain that tcpdump can capture.
    async fn open(self) -> anyhow::Result<Running> {
        if !self.no_restart {
            self.records
                .several("without --no-restart tcpdump may be started several times")?;
        }
        let replay = self.replay()?;
        self.replay.as_deref().map_or(Ok(()), readable)?;
        let (address, filter) = destination::split(&self.words);
        let hosts = match &address {
            None => Vec::new(),
            Some(address) => net::resolve(address).await?,
        };
        let exclusions = self.exclusions(&hosts).await?;
        let options = self.options(Exclusion::apply(&exclusions, &filter));
        options
            .check()
            .await
            .map_err(|error| match error.is_usage() {
                true => anyhow::Error::from(Usage::new(error.to_string())),
                false => error.into(),
            })?;
        let parser = self.records.parser()?;
        let otherwise = match address {
            None => Some(STORE),
            Some(_) => None,
        };
        let (origins, report) = self.records.open(parser, otherwise, |station| {
            let station = station
                .identity(true)
                .flush_after(self.receive.flush_after)
                .since_stamp(true);
            match address {
                None => station,
                Some(address) => {
                    let uplink = Uplink::new(&address, hosts);
                    station.sink(address, Box::new(uplink))
                }
            }
        })?;
        let interfaces = [self.interface, self.replay_interface];
        let raise = self.mtu.into_iter().flat_map(|mtu| {
            let interfaces = interfaces.iter().flatten().cloned();
            interfaces.map(move |interface| (interface, mtu))
        });
        Ok(Running {
            filter: options.filter.clone(),
            capture: Capture::new(options),
            origins,
            report,
            raise: raise.collect(),
            mtu: Arc::default(),
            replay,
            settle: self.settle,
        })
    }

    fn options(&self, filter: String) -> Options {
        let mut options = Options::default();
        options.interface.clone_from(&self.interface);
        options.count = self.count;
        options.buffer = self.buffer_size;
        options.snaplen = self.snapshot_length;
        options.no_promiscuous = self.no_promiscuous_mode;
        options.immediate = self.immediate_mode;
        options.filter = filter;
        options.stats = self.stats;
        if self.no_restart {
            options.retry = Retry::never();
        }
        options
    }

    fn replay(&self) -> Result<Option<Replay>, Usage> {
        let Some(file) = &self.replay else {
            return Ok(None);
        };
        let captured = self.interface.as_ref().filter(|name| *name != "any");
        let Some(interface) = self.replay_interface.as_ref().or(captured) else {
            return Err(Usage::new(
                "--replay needs an interface to send on: name one with -i or --replay-interface",
            ));
        };
        let mut replay = Replay::new(file, interface);
        replay.pps = self.pps;
        replay.multiplier = self.multiplier.unwrap_or(1.0);
        Ok(Some(replay))
    }

    /// What is not captured.
    async fn exclusions(&self, hosts: &[std::net::SocketAddr]) -> anyhow::Result<Vec<Exclusion>> {
        let mut exclusions = Vec::new();
        if !hosts.is_empty() {
            exclusions.push(Exclusion::server(hosts, false));
        }
        for server in self.records.servers() {
            let nodes = net::resolve(server).await?;
            exclusions.push(Exclusion::server(&nodes, true));
        }
        if !self.keep_ssh {
            exclusions.extend(Exclusion::session());
        }
        Ok(exclusions)
    }
}

/// A capture that can begin: its sinks are open.
struct Running {
    filter: String,
    capture: Capture,
    origins: Origins,
    report: Report,
    /// Interfaces, and the MTU that they are to have.
    raise: Vec<(String, u32)>,
    mtu: Arc<Mtu>,
    replay: Option<Replay>,
    settle: Duration,
}

impl Running {
    /// Handles signals. The last one, which ends the process at once, leaves nothing behind.
    fn watch(&self, manner: Manner) -> std::io::Result<()> {
        let (report, capture, mtu) = (self.report.clone(), self.capture.clone(), self.mtu.clone());
        let passing = move || {
            let ledger = capture.ledger(&report.station).to_string();
            format!("{}\n{}", report.passing(), visible::lines(&ledger))
        };
        let (report, capture) = (self.report.clone(), self.capture.clone());
        let stop = report.station.stop().clone();
        signals::watch(stop, report.hangup, move |signal| match signal {
            signals::Signal::Stop if !manner.quiet => {
                say("stopping; repeat the signal to exit immediately")
            }
            signals::Signal::Stop => {}
            signals::Signal::Now => {
                capture.kill();
                put_back(&mtu, manner);
                say(&report.given_up());
            }
            signals::Signal::Tell => say(&passing()),
            signals::Signal::Reopen => report.station.hangup().raise(),
        })
    }

    async fn run(self, manner: Manner) -> anyhow::Result<Exit> {
        let station = &self.report.station;
        let _guard = PutBack(&self.mtu, manner);
        let status = self.status(manner);
        let Outcome { summary, error, .. } = self.capture(manner).await;
        // Not only after the drain, which may wait for an output.
        put_back(&self.mtu, manner);
        let undrained = station.drain().await;
        drop(status);
        let left = self.report.reader_left() && manner.verbose == 0;
        let began = self.capture.ledger(station).runs > 0;
        if began && !manner.quiet && !left {
            let ledger = self.ledger();
            say(&format!(
                "{}\n{ledger}",
                self.report.closing(&summary, undrained)
            ));
        }
        let exit = self.report.exit(undrained)?;
        match error {
            Some(error) if exit == Exit::Done => Err(error.into()),
            _ => Ok(exit),
        }
    }

    /// The ledger at the end, and whether it balances.
    fn ledger(&self) -> String {
        let ledger = self.capture.ledger(&self.report.station);
        let differences = ledger.differences();
        let verdict = match differences.is_empty() {
            true => "the ledger balances".to_owned(),
            false => format!("the ledger does not balance: {}", differences.join("; ")),
        };
        visible::lines(&format!("ledger:\n{ledger}\n{verdict}")).into_owned()
    }

    /// The status line, with what the kernel dropped.
    fn status(&self, manner: Manner) -> Option<status::Live> {
        (manner.live() && !self.report.is_shown()).then(|| {
            let (report, capture) = (self.report.clone(), self.capture.clone());
            status::Live::new(move |rate| {
                let dropped = amount::grouped(capture.counts().dropped);
                format!("{}  {dropped} dropped by kernel", report.line(rate, None))
            })
        })
    }

    /// Captures until the end, and replays meanwhile.
    async fn capture(&self, manner: Manner) -> Outcome {
        let mut raise = self.raise.iter();
        let failed = raise.find_map(|(interface, mtu)| self.mtu.raise(interface, *mtu).err());
        if failed.is_some() {
            let mut outcome = Outcome::default();
            outcome.error = failed;
            return outcome;
        }
        let (capture, station) = (&self.capture, &self.report.station);
        let host = capture::hostname();
        let origin = || self.origins.live(&host, Some(net::stream_name(&host)));
        let beside = async {
            let Some(interface) = capture.listening().await else {
                return Ok(());
            };
            if !manner.quiet {
                say(&self.begins(&interface));
            }
            let Some(replay) = &self.replay else {
                return Ok(());
            };
            let stop = async {
                tokio::select! {
                    () = station.stop().cancelled() => {}
                    () = capture.finished() => {}
                }
            };
            let sent = replay.run(stop).await;
            if let Ok(sent) = sent {
                capture.settle(sent, station, self.settle).await;
            }
            capture.finish();
            sent.map(|_| ())
        };
        let (mut outcome, replayed) = tokio::join!(capture.run(station, origin), beside);
        outcome.error = outcome.error.or(replayed.err());
        outcome
    }

    /// What is captured, and where it goes.
    fn begins(&self, interface: &str) -> String {
        let places = self.report.places();
        let text = match self.filter.as_str() {
            "" => format!("capturing on {interface}, writing to {places}"),
            filter => format!("capturing on {interface}, writing to {places}\nfilter: {filter}"),
        };
        visible::lines(&text).into_owned()
    }
}

/// Puts the MTU back however the capture ends.
struct PutBack<'a>(&'a Mtu, Manner);

impl Drop for PutBack<'_> {
    fn drop(&mut self) {
        put_back(self.0, self.1);
    }
}

fn put_back(mtu: &Mtu, manner: Manner) {
    for error in mtu.restore() {
        say_error(manner, &error.into());
    }
}

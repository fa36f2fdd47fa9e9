//! `dumpstream heartbeat`, and the heartbeat beside a receiver.

use std::io::{self, IsTerminal};
use std::time::Duration;

use clap::Args;
use dumpstream_flow::heartbeat::{
    self, Heartbeat, HeartbeatOptions, LONGEST, Receiver, SHORTEST, host_name,
};
use dumpstream_flow::{OnFull, SinkUrl, StationBuilder};

use super::records::{Records, STORE, distinct, mixed, one_place, queue};
use super::report::{self, Report, plural};
use super::signals::{self, Hangup, Signal};
use super::{Exit, Manner, Usage, amount, records, runtime, say, visible};

/// Write figures of this machine at regular times: CPU, load, memory, disks, network, uptime
///
///     dumpstream heartbeat                                    # JSON Lines, every 5 s
///     dumpstream heartbeat -o sqlite:packets.db --every 1s
///     dumpstream query "SELECT time, cpu, memory_available FROM heartbeats ORDER BY time_ns"
///     dumpstream heartbeat -o 'cassandra://10.0.0.1/pk.heartbeats?create=true' --sensor gate
///     dumpstream listen -k 4444 --heartbeat sqlite:packets.db # with the counters of the receiver
///
/// A row is a beat: `sensor` is this machine, `stream` this run, and `record` the number of the beat.
/// Beat N is due N periods after the start. One that could not be taken before the next one was due
/// is missed: no row has its number. Rates are of the time since the previous beat, `cpu` and `cores`
/// in per cent (waiting for a disk is not busy), memory in bytes, disks and network in bytes per
/// second. `schema sqlite --heartbeat` lists the columns.
///
/// Ctrl-C or SIGTERM prints the report and exits. SIGUSR1 prints the report and continues. SIGHUP
/// reopens files and databases.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct HeartbeatCommand {
    /// Where to write heartbeats; repeatable, as for parse [default: jsonl:-].
    #[arg(short, long, value_name = "URL", value_parser = sink)]
    output: Vec<SinkUrl>,
    /// Time between two beats, from 250ms to 1d.
    #[arg(long, value_name = "TIME", value_parser = every, default_value = "5s")]
    every: Duration,
    /// Value of `sensor` in every row [default: the name of this machine].
    #[arg(long, value_name = "NAME", value_parser = records::name)]
    sensor: Option<String>,
    /// Exit after N beats.
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Memory limit of each output's queue; further beats are dropped.
    #[arg(long, value_name = "SIZE", value_parser = queue, default_value = "64MiB")]
    queue: usize,
    /// After a signal, how long sinks may take to write queued beats.
    #[arg(long, value_name = "TIME", value_parser = amount::duration,
          default_value = "5s")]
    drain_timeout: Duration,
}

/// The heartbeat beside a receiver.
#[derive(Args, Debug)]
pub(super) struct Beside {
    /// Also write heartbeats to URL: a row every --heartbeat-every with figures of this machine and
    /// the counters of this command (see `dumpstream heartbeat --help`); repeatable, as -o. Nothing
    /// waits for these outputs: they drop and count beats that they cannot take.
    #[arg(
        long = "heartbeat",
        value_name = "URL",
        value_parser = sink,
        help_heading = "Heartbeat"
    )]
    sinks: Vec<SinkUrl>,
    /// Time between two beats, from 250ms to 1d.
    #[arg(
        long = "heartbeat-every",
        value_name = "TIME",
        value_parser = every,
        default_value = "5s",
        requires = "sinks",
        help_heading = "Heartbeat"
    )]
    every: Duration,
}

/// Parses the URL of a sink, which nothing may wait for.
fn sink(text: &str) -> Result<SinkUrl, String> {
    let url: SinkUrl = text.parse().map_err(|e| format!("{e}"))?;
    match url.on_full() {
        Some(OnFull::Block) => Err("nothing waits for a heartbeat; omit on_full=block".to_owned()),
        _ => Ok(url),
    }
}

fn every(text: &str) -> Result<Duration, String> {
    match amount::duration(text)? {
        time if (SHORTEST..=LONGEST).contains(&time) => Ok(time),
        _ => Err("must be from 250ms to 1d".to_owned()),
    }
}

/// The name of this machine.
fn machine() -> String {
    host_name().unwrap_or_else(|| "localhost".to_owned())
}

/// What is needed to start the heartbeat of a receiver.
#[derive(Debug)]
pub(super) struct Planned {
    station: StationBuilder,
    every: Duration,
}

impl Beside {
    /// Where heartbeats are written.
    #[cfg(feature = "kafka")]
    pub(super) fn sinks(&self) -> &[SinkUrl] {
        &self.sinks
    }

    /// Checks the options of a command that stores packets in [`STORE`] by default, before anything
    /// is opened; `None` without `--heartbeat`.
    ///
    /// # Errors
    /// Heartbeats would mix with the packets.
    pub(super) fn plan(&self, records: &Records) -> Result<Option<Planned>, Usage> {
        distinct(&self.sinks, records.rejects.as_deref())?;
        let store = [STORE.parse().expect("a constant URL")];
        let outputs = match records.output.is_empty() {
            true => &store[..],
            false => &records.output,
        };
        for sink in &self.sinks {
            let stdout = |url: &&SinkUrl| sink.is_stdout() && url.is_stdout();
            if let Some(packets) = outputs.iter().find(stdout) {
                return Err(mixed(packets, sink));
            }
            let same = outputs.iter().find(|url| one_place(sink, url));
            // A database has a table for each, but is one file to rotate.
            let rotates = same.is_some_and(SinkUrl::rotates) || sink.rotates();
            if same.is_some_and(|url| url.scheme() != "sqlite" || sink.scheme() != "sqlite")
                || same.is_some() && rotates
            {
                return Err(Usage::new(format!(
                    "--heartbeat {sink} is where packets are written{}; name another place",
                    if rotates { ", and is rotated" } else { "" }
                )));
            }
        }
        let station = open(&self.sinks, records.queue, records.drain_timeout);
        Ok((!self.sinks.is_empty()).then_some(Planned {
            station,
            every: self.every,
        }))
    }
}

impl Planned {
    /// Opens the sinks, and starts the heartbeat of the receiver that is reported on.
    pub(super) fn start(self, report: &Report, receiver: Receiver) -> anyhow::Result<Heartbeat> {
        let station = self.station.hangup(report.station.hangup().clone());
        start(
            HeartbeatOptions {
                sensor: machine(),
                every: self.every,
                count: None,
                receiver: Some(receiver),
            },
            station,
        )
    }
}

fn open(sinks: &[SinkUrl], queue: usize, drain_timeout: Duration) -> StationBuilder {
    let station = heartbeat::station();
    let station = station.queue(queue).drain_timeout(drain_timeout);
    sinks.iter().cloned().fold(station, StationBuilder::output)
}

fn start(options: HeartbeatOptions, station: StationBuilder) -> anyhow::Result<Heartbeat> {
    let heartbeat = Heartbeat::start(options, station.open()?);
    heartbeat.map_err(|why| anyhow::anyhow!("this machine cannot be read: {why}"))
}

impl HeartbeatCommand {
    pub(super) fn run(self, manner: Manner) -> anyhow::Result<Exit> {
        runtime::block_on(self.beat(manner))
    }

    async fn beat(self, manner: Manner) -> anyhow::Result<Exit> {
        let sinks = match self.output.is_empty() {
            true => vec!["jsonl:-".parse()?],
            false => self.output,
        };
        distinct(&sinks, None)?;
        let sensor = self.sensor.unwrap_or_else(machine);
        let named = visible::lines(&sensor).into_owned();
        let options = HeartbeatOptions {
            sensor,
            every: self.every,
            count: self.count,
            receiver: None,
        };
        let heartbeat = start(options, open(&sinks, self.queue, self.drain_timeout))?;
        watch(manner, &heartbeat)?;
        if !manner.quiet && self.count.is_none() {
            let lanes = heartbeat.station().lanes().counters();
            let names: Vec<_> = lanes.map(|(name, _)| name).collect();
            let every = amount::time(self.every);
            let names = names.join(", ");
            say(&format!(
                "writing a heartbeat of {named} every {every} to {names}"
            ));
        }
        let undrained = heartbeat.ended().await;
        let station = heartbeat.station();
        let lanes = || station.lanes().counters();
        let exit = report::exit(lanes(), undrained)?;
        let left = lanes().all(|(_, counters)| counters.reader_gone);
        let perfect = lanes().all(|(_, c)| c.rejected + c.dropped == 0) && heartbeat.missed() == 0;
        let asked = station.stop().is_cancelled() || io::stderr().is_terminal() || !perfect;
        if !manner.quiet && (manner.verbose > 0 || asked && !left) {
            say(&told(&heartbeat, undrained));
        }
        Ok(exit)
    }
}

/// Handles signals.
fn watch(manner: Manner, heartbeat: &Heartbeat) -> io::Result<()> {
    let heartbeat = heartbeat.clone();
    let stop = heartbeat.station().stop().clone();
    signals::watch(stop, Hangup::default(), move |signal| match signal {
        Signal::Stop if !manner.quiet => say("stopping; repeat the signal to exit immediately"),
        Signal::Stop => {}
        Signal::Tell | Signal::Now => say(&told(&heartbeat, 0)),
        Signal::Reopen => heartbeat.station().hangup().raise(),
    })
}

/// The report; `undrained` beats were not written before the drain time-out.
fn told(heartbeat: &Heartbeat, undrained: u64) -> String {
    let mut text = format!("{} taken", plural(heartbeat.taken(), "heartbeat"));
    if heartbeat.missed() > 0 {
        text += &format!(", {} missed", heartbeat.missed());
    }
    for (name, counters) in heartbeat.station().lanes().counters() {
        let delivered = plural(counters.delivered, "heartbeat");
        text += &format!("\n{delivered} written to {name}");
        if counters.queued > 0 {
            text += &format!(
                "\n{} queued for {name}",
                plural(counters.queued, "heartbeat")
            );
        }
        text += &report::lost("heartbeat", name, &counters);
    }
    if undrained > 0 {
        let undrained = plural(undrained, "heartbeat");
        text += &format!("\n{undrained} not written when --drain-timeout expired");
    }
    visible::lines(&text).into_owned()
}

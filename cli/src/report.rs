//! Reports on a station: the status line, the report on SIGUSR1, and the closing report, in the
//! style of tcpdump's closing lines.

use std::fmt::Display;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use dumpstream_flow::heartbeat::Heartbeat;
use dumpstream_flow::net::{Connections, Link, Outcome};
use dumpstream_flow::run::Error;
use dumpstream_flow::{Counters, Station, Summary};
use tokio_util::sync::CancellationToken;

use super::{Exit, Manner, amount, say, signals, status, visible};

/// A station, and what its reports need to know.
#[derive(Clone, Debug)]
pub(super) struct Report {
    pub(super) station: Station,
    /// Whether a sink writes to standard output.
    pub(super) stdout: bool,
    /// The name of the time zone of stamps.
    pub(super) zone: String,
    /// What files of text had before, by the names of their sinks.
    pub(super) had: Vec<(String, String)>,
    /// Whether `--replace` was typed, or does not apply.
    pub(super) replace: bool,
    /// What SIGHUP does.
    pub(super) hangup: signals::Hangup,
    /// Where rejects are written.
    pub(super) rejects: Option<PathBuf>,
    /// How far topics are ahead.
    #[cfg(feature = "kafka")]
    pub(super) lag: dumpstream_flow::consume::Lag,
    /// The heartbeat beside it.
    pub(super) heartbeat: Option<Heartbeat>,
}

/// What a status line shows of the network.
#[derive(Clone, Debug)]
pub(super) enum Network {
    /// A listener's connections.
    Connections(Connections),
    /// The connection to a server.
    Link(Link),
    /// How far topics are ahead.
    #[cfg(feature = "kafka")]
    Lag(dumpstream_flow::consume::Lag),
}

impl Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Network::Connections(connections) => {
                let open = connections.open();
                let plural = if open == 1 { "" } else { "s" };
                write!(f, "{open} connection{plural}")
            }
            Network::Link(link) => link.fmt(f),
            #[cfg(feature = "kafka")]
            Network::Lag(lag) => match lag.messages() {
                Some(messages) => write!(f, "lag {}", amount::grouped(messages)),
                None => write!(f, "lag ?"),
            },
        }
    }
}

impl Report {
    /// Handles signals: they stop the station, or make it report.
    pub(super) fn watch(&self, manner: Manner) -> io::Result<()> {
        let report = OnceLock::from(self.clone());
        let stop = self.station.stop().clone();
        watch(manner, stop, self.hangup, Arc::new(report))
    }

    /// The names of the sinks, for messages.
    pub(super) fn places(&self) -> String {
        let names: Vec<_> = self.counters().map(|(name, _)| name).collect();
        names.join(", ")
    }

    /// Whether standard output shows on a terminal; a line that is redrawn would then mix with it.
    pub(super) fn is_shown(&self) -> bool {
        self.stdout && io::stdout().is_terminal()
    }

    /// The status line, if standard error is a terminal.
    pub(super) fn status(&self, manner: Manner, network: Option<Network>) -> Option<status::Live> {
        (manner.live() && !self.is_shown()).then(|| {
            let report = self.clone();
            status::Live::new(move |rate| report.line(rate, network.as_ref()))
        })
    }

    /// Records, rate, connections, latency, losses, stalls, drops.
    pub(super) fn line(&self, rate: &mut status::Rate, network: Option<&Network>) -> String {
        let live = self.station.progress();
        let records = live.records();
        let mut line = format!(
            "{} records  {}/s",
            amount::grouped(records),
            amount::grouped(rate.of(records))
        );
        if let Some(network) = network {
            line += &format!("  {network}");
        }
        if let Some(p99) = self.station.lanes().p99() {
            line += &format!("  p99 {}", amount::time(p99));
        }
        let waiting = match live.waiting() {
            0 => "",
            _ => " (now)",
        };
        let dropped: u64 = self.counters().map(|(_, c)| c.dropped).sum();
        if live.captures() > 0 {
            line += &format!(
                "  {} lost  {} suspect",
                amount::grouped(live.lost()),
                amount::grouped(live.suspect())
            );
        }
        line += &format!(
            "  stalled {}{waiting}  {} dropped",
            amount::time(live.stalled()),
            amount::grouped(dropped)
        );
        let beats = self.beats();
        let (dropped, failed) = beats.fold((0, false), |(dropped, failed), (_, counters)| {
            let failed = failed || counters.error.is_some();
            (dropped + counters.dropped + counters.rejected, failed)
        });
        match (dropped, failed) {
            (0, false) => line,
            (_, true) => line + "  heartbeat failed",
            (dropped, _) => line + &format!("  {} heartbeats dropped", amount::grouped(dropped)),
        }
    }

    /// Drains the lanes, prints the report, and returns the exit code.
    pub(super) async fn end(
        &self,
        mut outcome: Outcome,
        manner: Manner,
        status: Option<status::Live>,
    ) -> anyhow::Result<Exit> {
        let error = outcome.error.take();
        self.ended(&outcome, error, manner, status).await
    }

    /// The same of any figures, and the error that ended the run, if any.
    pub(super) async fn ended(
        &self,
        figures: &impl Display,
        error: Option<Error>,
        manner: Manner,
        status: Option<status::Live>,
    ) -> anyhow::Result<Exit> {
        let undrained = self.station.drain().await;
        let beats = match &self.heartbeat {
            Some(heartbeat) => heartbeat.end().await,
            None => 0,
        };
        drop(status);
        let left = self.reader_left() && manner.verbose == 0;
        if !manner.quiet && !left {
            say(&self.closing(figures, undrained));
        }
        let exit = self.exit(undrained + beats)?;
        match error {
            Some(error) if exit == Exit::Done => Err(error.into()),
            _ => Ok(exit),
        }
    }

    fn counters(&self) -> impl Iterator<Item = (&str, Counters)> {
        self.station.lanes().counters()
    }

    /// The counters of the heartbeat's lanes.
    fn beats(&self) -> impl Iterator<Item = (&str, Counters)> {
        let heartbeat = self.heartbeat.iter();
        heartbeat.flat_map(|heartbeat| heartbeat.station().lanes().counters())
    }

    /// The closing report of a run, without a final line feed; `undrained` packets were not written
    /// before the drain time-out.
    pub(super) fn closing(&self, figures: &impl Display, undrained: u64) -> String {
        let mut text = figures.to_string();
        self.lanes(&mut text);
        if undrained > 0 {
            text += &format!("\n{undrained} packets not written when --drain-timeout expired");
        }
        text += &format!("\nstamps read in {}", self.zone);
        visible::lines(&text).into_owned()
    }

    /// The report of a run that continues.
    pub(super) fn passing(&self) -> String {
        let mut text = self.station.progress().to_string();
        #[cfg(feature = "kafka")]
        if let Some(lag) = self.lag.messages() {
            text += &format!("\nlag {lag}");
        }
        self.lanes(&mut text);
        visible::lines(&text).into_owned()
    }

    fn lanes(&self, text: &mut String) {
        let mut more = String::new();
        for (name, counters) in self.counters() {
            *text += &format!("\n{}", self.written(name, &counters));
            if counters.queued > 0 {
                *text += &format!("\n{} queued for {name}", packets(counters.queued));
            }
            *text += &lost("packet", name, &counters);
            // For a single sink the figures above include it.
            if !counters.stalled.is_zero() && self.station.lanes().len() > 1 {
                more += &format!("\n{} waited for {name}", amount::time(counters.stalled));
            }
        }
        let rejects = self.station.rejects();
        if let Some(file) = self.rejects.as_ref().filter(|_| rejects.kept() > 0) {
            let records = if rejects.kept() == 1 {
                "record"
            } else {
                "records"
            };
            *text += &format!("\n{} {records} kept in {}", rejects.kept(), file.display());
        }
        if let Some(error) = rejects.error() {
            let rejects = match rejects.lost() {
                1 => "1 reject".to_owned(),
                lost => format!("{lost} rejects"),
            };
            *text += &format!("\n{rejects} not kept: {error}");
        }
        *text += &more;
        // Only what is not as it should be.
        for (name, counters) in self.beats() {
            *text += &lost("heartbeat", name, &counters);
        }
        if let Some(missed) = self.heartbeat.as_ref().map(Heartbeat::missed)
            && missed > 0
        {
            *text += &format!("\n{} not taken in time", plural(missed, "heartbeat"));
        }
    }

    /// The last message of a run that is ended immediately: what the sinks did not get.
    pub(super) fn given_up(&self) -> String {
        let queued = self.counters().filter(|(_, c)| c.queued > 0);
        let queued: Vec<_> = queued
            .map(|(name, c)| format!("{} not written to {name}", packets(c.queued)))
            .collect();
        let what = match queued.is_empty() {
            true => "no packets were queued".to_owned(),
            false => queued.join(", "),
        };
        visible::lines(&format!("exited immediately: {what}")).into_owned()
    }

    /// The lines of sinks that already had rows, so that users who parse a file again see whether
    /// they now have them twice.
    pub(super) fn present(&self) -> Option<String> {
        let had =
            |(name, c): &(&str, Counters)| c.present + c.amended > 0 || self.had(name).is_some();
        let lines: Vec<_> = self
            .counters()
            .filter(had)
            .map(|(name, c)| self.written(name, &c))
            .collect();
        (!lines.is_empty()).then(|| visible::lines(&lines.join("\n")).into_owned())
    }

    /// What a file had before.
    fn had(&self, sink: &str) -> Option<&str> {
        let mut had = self.had.iter();
        had.find(|(name, _)| name == sink).map(|(_, had)| &**had)
    }

    /// How many packets a sink wrote, and what it already had.
    fn written(&self, name: &str, counters: &Counters) -> String {
        let Counters {
            present, amended, ..
        } = *counters;
        let new = counters.delivered - present - amended;
        if present + amended > 0 {
            let plural = if new == 1 { "" } else { "s" };
            let mut line = format!("{new} new packet{plural} written to {name}");
            if amended > 0 {
                line += &format!(", {amended} completed");
            }
            if present > 0 {
                line += &format!(", {present} already stored");
            }
            if present > 0 && !self.replace {
                line += "; --replace replaces all of that name";
            }
            return line;
        }
        match self.had(name) {
            Some(had) => format!("{} added to {name}, which had {had}", packets(new)),
            None => format!("{} written to {name}", packets(new)),
        }
    }

    /// Whether every packet was parsed and written, and every byte belonged to one.
    pub(super) fn perfect(&self, summary: &Summary) -> bool {
        let whole = summary.skipped.total() == summary.skipped.empty
            && summary.refused == 0
            && summary.left == 0
            && summary.unparsed == 0
            && summary.truncated == 0
            && summary.unstamped == 0
            && summary.misfits == 0
            && summary.names == 0
            && summary.own == 0
            && summary.lost == 0
            && summary.suspect == 0
            && summary.torn == 0;
        whole
            && self
                .counters()
                .all(|(_, c)| c.rejected == 0 && c.dropped == 0 && c.error.is_none())
    }

    /// Whether every sink ended because the reader of its output closed it: `| head -1`.
    pub(super) fn reader_left(&self) -> bool {
        self.counters().all(|(_, c)| c.reader_gone)
    }

    /// The exit code that results from the lanes.
    ///
    /// # Errors
    /// A lane whose figures do not add up: a bug of ours.
    pub(super) fn exit(&self, undrained: u64) -> anyhow::Result<Exit> {
        match exit(self.counters().chain(self.beats()), undrained)? {
            Exit::Done if self.station.rejects().lost() > 0 => Ok(Exit::Failed),
            exit => Ok(exit),
        }
    }
}

/// The exit code that results from lanes, of which `undrained` rows were not written in time.
///
/// # Errors
/// A lane whose figures do not add up: a bug of ours.
pub(super) fn exit<'a>(
    lanes: impl Iterator<Item = (&'a str, Counters)>,
    undrained: u64,
) -> anyhow::Result<Exit> {
    let mut failed = false;
    for (name, counters) in lanes {
        if let Err(reason) = counters.verify() {
            anyhow::bail!("the figures of {name} do not add up; please report this: {reason}");
        }
        failed |= counters.error.is_some() && !counters.reader_gone;
    }
    Ok(match (undrained, failed) {
        (0, false) => Exit::Done,
        (0, true) => Exit::Failed,
        _ => Exit::Undrained,
    })
}

/// The lines of a report about rows that a sink did not write, and why; `row` is what each is.
pub(super) fn lost(row: &str, sink: &str, counters: &Counters) -> String {
    let mut text = String::new();
    for (n, what) in [
        (counters.rejected, "rejected by"),
        (counters.dropped, "dropped by"),
    ] {
        if n > 0 {
            text += &format!("\n{} {what} {sink}", plural(n, row));
        }
    }
    if let Some(error) = &counters.error {
        // The lane's error names its sink.
        text += &format!("\n{error}");
    }
    text
}

/// Handles signals, for a report that may not be there yet: SIGTERM is one even then.
pub(super) fn watch(
    manner: Manner,
    stop: CancellationToken,
    hangup: signals::Hangup,
    report: Arc<OnceLock<Report>>,
) -> io::Result<()> {
    signals::watch(stop, hangup, move |signal| match (signal, report.get()) {
        (signals::Signal::Stop, _) if !manner.quiet => {
            say("stopping; repeat the signal to exit immediately")
        }
        (signals::Signal::Stop, _) | (_, None) => {}
        (signals::Signal::Now, Some(report)) => say(&report.given_up()),
        (signals::Signal::Tell, Some(report)) => say(&report.passing()),
        (signals::Signal::Reopen, Some(report)) => report.station.hangup().raise(),
    })
}

fn packets(n: u64) -> String {
    plural(n, "packet")
}

/// `1 packet`, `2 packets`.
pub(super) fn plural(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

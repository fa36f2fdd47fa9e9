//! Reports on a text and its clients: the status line, the report on SIGUSR1, and the closing one.

use std::fmt;
use std::io;

use dumpstream_flow::net::Connections;
use dumpstream_flow::net::serve::Fanout;
use tokio_util::sync::CancellationToken;

use crate::report::Report as StationReport;
use crate::signals::{self, Signal};
use crate::status::{Live, Rate};
use crate::{Manner, amount, say};

/// Reports on the text and its clients.
#[derive(Clone, Debug)]
pub(super) struct Report {
    pub(super) fanout: Fanout,
    pub(super) connections: Connections,
    /// Where packets are parsed for the clients.
    pub(super) station: Option<StationReport>,
}

impl Report {
    /// Handles signals: they stop the text, or print the report.
    pub(super) fn watch(&self, stop: &CancellationToken, manner: Manner) -> io::Result<()> {
        let report = self.clone();
        signals::watch(
            stop.clone(),
            Default::default(),
            move |signal| match signal {
                Signal::Stop if !manner.quiet => {
                    say("stopping; repeat the signal to exit immediately")
                }
                Signal::Stop => {}
                Signal::Reopen => report.hangup(),
                Signal::Now | Signal::Tell => say(&report.passing()),
            },
        )
    }

    /// Asks sinks to reopen their files.
    fn hangup(&self) {
        if let Some(station) = &self.station {
            station.station.hangup().raise();
        }
    }

    /// The report of a run that continues.
    fn passing(&self) -> String {
        match &self.station {
            Some(station) => format!("{}\n{self}", station.passing()),
            None => self.to_string(),
        }
    }

    /// The status line, if standard error is a terminal.
    pub(super) fn status(&self, manner: Manner) -> Option<Live> {
        let report = self.clone();
        let line = move |rate: &mut Rate| {
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

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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

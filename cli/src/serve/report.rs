//! Reports on a text and its clients: the status line, the report on SIGUSR1, and the closing one.

use std::fmt;
use std::io;

use dumpstream_flow::Hangup;
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
    /// The ports of the clients and, perhaps, of senders.
    pub(super) ports: Vec<Connections>,
    /// What SIGHUP asks: sinks to reopen their files, and certificates to be read again.
    pub(super) hangup: Hangup,
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
                Signal::Reopen => report.hangup.raise(),
                Signal::Now | Signal::Tell => say(&report.passing()),
            },
        )
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
        let all = |of: fn(&Connections) -> u64| self.ports.iter().map(of).sum();
        let refused: [(u64, _); 3] = [
            (all(Connections::denied), "not allowed"),
            (all(Connections::over_cap), "over the connection limit"),
            (all(Connections::insecure), "TLS handshake failed"),
        ];
        for (n, why) in refused.into_iter().filter(|(n, _)| *n > 0) {
            let plural = if n == 1 { "" } else { "s" };
            write!(f, "\n{n} connection{plural} refused, {why}")?;
        }
        Ok(())
    }
}

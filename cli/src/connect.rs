//! `dumpstream connect`: a port of theirs that serves tcpdump's text.

use clap::Args;
use dumpstream_flow::net::{self, Retry};

use super::listen::Receive;
use super::records::Records;
use super::{Exit, Manner, address, runtime, say};

/// Connect to a sensor that serves its text, and store it: in packets.db, unless -o says otherwise
///
///     sensor$ sudo tcpdump -i any -nn -v -l 'not port 4444' | nc -lk 4444
///     dumpstream connect sensor 4444
///
/// When the sensor goes away it is asked again, after ever longer times up to 30 s.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct Connect {
    /// Where: HOST PORT, or HOST:PORT.
    #[arg(value_name = "HOST:PORT", num_args = 0..=2)]
    address: Vec<String>,
    /// The port, as nc takes it.
    #[arg(short, long, value_name = "PORT")]
    port: Option<u16>,
    /// After a try that came to nothing, N more, then the end; without it there is none.
    #[arg(long, value_name = "N")]
    retry: Option<u32>,
    /// One connection, and the end.
    #[arg(long, conflicts_with = "retry")]
    no_retry: bool,
    #[command(flatten)]
    receive: Receive,
    /// For nc's sake: no name but the host's is ever looked up.
    #[arg(short = 'n', hide = true)]
    numeric: bool,
    #[command(flatten)]
    records: Records,
}

impl Connect {
    pub(super) fn run(self, manner: Manner) -> anyhow::Result<Exit> {
        runtime::block_on(self.connect(manner))
    }

    async fn connect(self, manner: Manner) -> anyhow::Result<Exit> {
        let address = address::joined(&self.address, self.port)?;
        net::check(&address)?;
        let retry = match (self.no_retry, self.retry) {
            (true, _) => Retry::never(),
            (_, Some(tries)) => Retry::new().tries(tries),
            (_, None) => Retry::new(),
        };
        if !self.no_retry {
            self.records
                .several("without --no-retry there may be many")?;
        }
        let parser = self.records.parser()?;
        let (origins, report) = self.records.open(parser, "sqlite:packets.db", |station| {
            station.identity(true).flush_after(self.receive.flush_after)
        })?;
        report.watch(manner)?;
        if !manner.quiet {
            say(&format!(
                "connecting to {address}, writing to {}",
                report.places()
            ));
        }
        let status = report.status(manner, None);
        let origin = |connection: &_| origins.connection(connection);
        let outcome = net::connect(&address, &retry, &report.station, origin).await;
        report.end(outcome, manner, status).await
    }
}

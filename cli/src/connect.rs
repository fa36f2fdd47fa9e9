//! `dumpstream connect`: connects to a port that serves tcpdump's text.

use clap::Args;
use dumpstream_flow::net::{self, Retry};

use super::listen::Receive;
use super::records::Records;
use super::{Exit, Manner, address, runtime, say};

/// Connect to a sensor that serves tcpdump's text, and store its packets in packets.db (or -o URL)
///
///     sensor$ sudo tcpdump -i any -nn -v -l 'not port 4444' | nc -lk 4444
///     dumpstream connect sensor 4444
///
/// When the connection ends, dumpstream connects again, after waits that grow up to 30 s.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct Connect {
    /// Address of the sensor: HOST PORT or HOST:PORT.
    #[arg(value_name = "HOST:PORT", num_args = 0..=2)]
    address: Vec<String>,
    /// Port, as nc takes it.
    #[arg(short, long, value_name = "PORT")]
    port: Option<u16>,
    /// After a failed attempt, retry at most N more times [default: no limit].
    #[arg(long, value_name = "N")]
    retry: Option<u32>,
    /// Exit after one connection.
    #[arg(long, conflicts_with = "retry")]
    no_retry: bool,
    #[command(flatten)]
    receive: Receive,
    /// Accepted for compatibility with nc; only the sensor's own name is ever looked up.
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
                .several("without --no-retry there may be several connections")?;
        }
        let parser = self.records.parser()?;
        let (origins, report) = self.records.open(parser, "sqlite:packets.db", |station| {
            station.identity(true).flush_after(self.receive.flush_after)
        })?;
        report.watch(manner)?;
        if !manner.quiet {
            say(&format!(
                "connecting to {address}, writing to {}{}",
                report.places(),
                origins.named()
            ));
        }
        let status = report.status(manner, None);
        let origin = |connection: &_| origins.connection(connection);
        let outcome = net::connect(&address, &retry, &report.station, origin).await;
        report.end(outcome, manner, status).await
    }
}

//! `dumpstream connect`: connects to a port that serves tcpdump's text.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use dumpstream_flow::heartbeat::Receiver;
use dumpstream_flow::net::{self, ConnectOptions, Link, Retry, Server};

use super::address::{self, Families};
use super::heartbeat::Beside;
use super::listen::Receive;
use super::records::{Records, STORE};
use super::report::Network;
use super::tls::ClientTls;
use super::{Exit, Manner, Usage, amount, runtime, say};

/// Connect to a sensor that serves tcpdump's text, and store its packets in packets.db (or -o URL)
///
///     sensor$ sudo tcpdump -i any -nn -v -l 'not port 4444' | nc -lk 4444
///     dumpstream connect sensor 4444
///
///     dumpstream connect -z sensor 4444             # only whether it answers: exit 0 or 1
///     dumpstream connect --tls --tls-ca ca.pem sensor 4444
///
/// When the connection ends, dumpstream connects again, after waits that grow up to 30 s, each
/// shortened by a random part. A record that was cut at the end of a connection is stored as
/// truncated; it is never continued with text of the next one.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct Connect {
    /// Address of the sensor: HOST PORT or HOST:PORT.
    #[arg(value_name = "HOST:PORT", num_args = 0..=2)]
    address: Vec<String>,
    /// Port, as nc takes it.
    #[arg(short, long, value_name = "PORT")]
    port: Option<u16>,
    /// Connect to the unix socket at PATH instead.
    #[arg(short = 'U', long, value_name = "PATH", conflicts_with_all = ["address", "port"])]
    unixsock: Option<PathBuf>,
    #[command(flatten)]
    families: Families,
    /// Local address to connect from.
    #[arg(short, long, value_name = "ADDR", conflicts_with = "unixsock")]
    source: Option<IpAddr>,
    /// How long an address may take to answer.
    #[arg(short = 'w', long = "connect-timeout", value_name = "TIME",
          value_parser = amount::limit, default_value = "10s")]
    timeout: Duration,
    /// Only check whether the sensor accepts connections: exit 0 if it does, else 1. Nothing is
    /// read or stored.
    #[arg(short = 'z', long)]
    zero: bool,
    /// After a failed attempt, retry at most N more times [default: no limit].
    #[arg(long, value_name = "N")]
    retry: Option<u32>,
    /// Exit after one connection.
    #[arg(long, conflicts_with = "retry")]
    no_retry: bool,
    #[command(flatten)]
    receive: Receive,
    #[command(flatten)]
    tls: ClientTls,
    /// Accepted for compatibility with nc; only the sensor's own name is ever looked up.
    #[arg(short = 'n', hide = true)]
    numeric: bool,
    #[command(flatten)]
    records: Records,
    #[command(flatten)]
    heartbeat: Beside,
}

impl Connect {
    pub(super) fn run(self, manner: Manner) -> anyhow::Result<Exit> {
        runtime::block_on(self.connect(manner))
    }

    async fn connect(self, manner: Manner) -> anyhow::Result<Exit> {
        let server = self.server()?;
        let link = Link::default();
        let options = ConnectOptions {
            retry: match (self.no_retry, self.retry) {
                (true, _) => Retry::never(),
                (_, Some(tries)) => Retry::new().tries(tries),
                (_, None) => Retry::new(),
            },
            timeout: self.timeout,
            source: self.source,
            family: self.families.one(),
            keepalive: self.receive.keepalive,
            link: link.clone(),
            tls: self.tls.client()?,
        };
        if self.zero {
            let peer = net::probe(&server, &options).await?;
            if !manner.quiet {
                say(&format!("{peer} accepts connections"));
            }
            return Ok(Exit::Done);
        }
        if !self.no_retry {
            self.records
                .several("without --no-retry there may be several connections")?;
        }
        let heartbeat = self.heartbeat.plan(&self.records)?;
        let parser = self.records.parser()?;
        let (origins, mut report) = self.records.open(parser, STORE, |station| {
            station.identity(true).flush_after(self.receive.flush_after)
        })?;
        if let Some(heartbeat) = heartbeat {
            let link = link.clone();
            let receiver = Receiver::new(&report.station).connections(move || link.is_up().into());
            report.heartbeat = Some(heartbeat.start(&report, receiver)?);
        }
        report.watch(manner)?;
        if !manner.quiet {
            say(&format!(
                "connecting to {server}, writing to {}{}",
                report.places(),
                origins.named()
            ));
        }
        let status = report.status(manner, Some(Network::Link(link)));
        let origin = |connection: &_| origins.connection(connection);
        let outcome = net::connect(&server, &options, &report.station, origin).await;
        report.end(outcome, manner, status).await
    }

    fn server(&self) -> anyhow::Result<Server> {
        #[cfg(unix)]
        if let Some(path) = &self.unixsock {
            return Ok(Server::Unix(path.clone()));
        }
        if self.unixsock.is_some() {
            return Err(Usage::new("-U: this system has no unix sockets").into());
        }
        let address = address::joined(&self.address, self.port)?;
        net::check(&address)?;
        Ok(Server::Host(address))
    }
}

//! `dumpstream listen`: listens on a port that `tcpdump | nc` sends to.

use std::time::Duration;

use clap::Args;
use dumpstream_flow::net::{self, Access, Listener, MAX_CONNECTIONS, Outcome};

use super::origins::Origins;
use super::records::Records;
use super::report::Report;
use super::{Exit, Manner, address, amount, runtime, say};

/// Listen like `nc -l`, and store the packets that tcpdump prints in packets.db (or -o URL)
///
///     dumpstream listen -k 4444
///     sudo tcpdump -i any -nn -v -l 'not port 4444' | nc 127.0.0.1 4444
///
///     dumpstream listen -k 0.0.0.0:4444 --allow 192.0.2.0/24    # sensors of that network
///     dumpstream listen -l -k -p 4444 -o jsonl:-                # as nc spells it; JSON to stdout
///
/// Ctrl-C or SIGTERM writes what has arrived, prints the report and exits. SIGUSR1 prints the
/// report and continues. SIGHUP reopens files and databases; under nohup it is ignored.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct Listen {
    /// Address to listen on; HOST is 127.0.0.1 by default, and port 0 picks a free port.
    #[arg(value_name = "[HOST:]PORT", num_args = 0..=2)]
    address: Vec<String>,
    /// Port, as nc takes it.
    #[arg(short, long, value_name = "PORT")]
    port: Option<u16>,
    /// Keep accepting connections; without this, exit after the first one.
    #[arg(short, long)]
    keep_open: bool,
    /// Hosts that may connect; repeatable [default: this machine only].
    #[arg(long, value_name = "CIDR")]
    allow: Vec<Access>,
    /// Maximum simultaneous connections; further ones are refused and counted.
    #[arg(short, long, value_name = "N", value_parser = some,
          default_value_t = MAX_CONNECTIONS)]
    max_connections: usize,
    /// Kernel receive buffer of each connection.
    #[arg(long, value_name = "SIZE", value_parser = amount::size, default_value = "1MiB")]
    rcvbuf: usize,
    #[command(flatten)]
    receive: Receive,
    /// Accepted for compatibility with nc; this command always listens.
    #[arg(short = 'l', hide = true)]
    listen: bool,
    /// Accepted for compatibility with nc; names are never looked up.
    #[arg(short = 'n', hide = true)]
    numeric: bool,
    #[command(flatten)]
    records: Records,
}

pub(super) fn some(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be greater than 0".to_owned()),
        Ok(n) => Ok(n),
        Err(e) => Err(format!("{e}")),
    }
}

/// How a connection is read.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct Receive {
    /// Treat the last record as complete after this much silence.
    #[arg(long, value_name = "TIME", value_parser = amount::duration, default_value = "250ms")]
    pub(super) flush_after: Duration,
}

impl Listen {
    pub(super) fn run(self, manner: Manner) -> anyhow::Result<Exit> {
        runtime::block_on(self.listen(manner))
    }

    async fn listen(self, manner: Manner) -> anyhow::Result<Exit> {
        let listening = self.open().await?;
        let report = listening.report.clone();
        report.watch(manner)?;
        if !manner.quiet {
            let address = listening.listener.address();
            say(&format!(
                "listening on {address}, writing to {}",
                report.places()
            ));
        }
        let status = report.status(manner, Some(listening.listener.connections()));
        let outcome = listening.serve().await;
        report.end(outcome, manner, status).await
    }

    /// Binds the port before it opens the sinks, so that no database is created if the port is
    /// taken.
    pub(super) async fn open(self) -> anyhow::Result<Listening> {
        if self.keep_open {
            self.records.several("-k accepts several connections")?;
        }
        let at = net::resolve(&address::joined(&self.address, self.port)?).await?;
        let access = self.allow.into_iter().fold(Access::loopback(), Access::and);
        let everyone = access.is_everyone();
        let listener = Listener::bind_with(at[0], access, self.max_connections, self.rcvbuf)?;
        if everyone && !at[0].ip().is_loopback() {
            tracing::warn!(
                "Any host that can reach {} may connect and have its text stored, because --allow \
                 covers all addresses.",
                listener.address()
            );
        }
        let parser = self.records.parser()?;
        let (origins, report) = self.records.open(parser, "sqlite:packets.db", |station| {
            station.identity(true).flush_after(self.receive.flush_after)
        })?;
        Ok(Listening {
            origins,
            report,
            listener,
            keep_open: self.keep_open,
        })
    }
}

/// A port that is bound and sinks that are open.
#[derive(Debug)]
pub(super) struct Listening {
    origins: Origins,
    pub(super) report: Report,
    pub(super) listener: Listener,
    keep_open: bool,
}

impl Listening {
    /// Accepts connections until the end.
    pub(super) async fn serve(self) -> Outcome {
        let origin = |connection: &_| self.origins.connection(connection);
        net::listen(self.listener, self.keep_open, &self.report.station, origin).await
    }
}

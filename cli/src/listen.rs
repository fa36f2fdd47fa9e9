//! `dumpstream listen`: listens on a port that `tcpdump | nc` sends to.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use clap::Args;
use dumpstream_flow::heartbeat::Receiver;
use dumpstream_flow::net::{self, Keepalive, ListenOptions, Listener, Outcome, TlsServer};
use tokio_util::sync::CancellationToken;

use super::door::Door;
use super::heartbeat::Beside;
use super::origins::Origins;
use super::records::{Records, STORE};
use super::report::{self, Network, Report};
use super::{Exit, Manner, amount, runtime, say};

/// Listen like `nc -l`, and store the packets that tcpdump prints in packets.db (or -o URL)
///
///     dumpstream listen -k 4444
///     sudo tcpdump -i any -nn -v -l 'not port 4444' | nc 127.0.0.1 4444
///
///     dumpstream listen -k 0.0.0.0:4444 --allow 192.0.2.0/24    # sensors of that network
///     dumpstream listen -lkp 4444 -o jsonl:-                    # as nc spells it; JSON to stdout
///     dumpstream listen -k 4444 --tls --tls-cert me.pem --tls-key me.key   # for `ncat --ssl`
///
/// Ctrl-C or SIGTERM writes what has arrived, prints the report and exits. SIGUSR1 prints the
/// report and continues. SIGHUP reopens files and databases, and reads certificates again; under
/// nohup it is ignored.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct Listen {
    /// Address to listen on; HOST is 127.0.0.1 by default, and port 0 picks a free port.
    #[arg(value_name = "[HOST:]PORT", num_args = 0..=2)]
    address: Vec<String>,
    /// Port, as nc takes it.
    #[arg(short, long, value_name = "PORT")]
    port: Option<u16>,
    /// Listen on the unix socket at PATH instead; its permissions (umask) decide who may connect.
    #[arg(short = 'U', long, value_name = "PATH", conflicts_with_all = ["address", "port", "source"])]
    unixsock: Option<PathBuf>,
    /// Keep accepting connections; without this, exit after the first one.
    #[arg(short, long)]
    keep_open: bool,
    #[command(flatten)]
    door: Door,
    /// Close a connection after this much silence [default: never; a quiet sensor is normal].
    #[arg(short = 'w', long, value_name = "TIME", value_parser = amount::limit)]
    idle_timeout: Option<Duration>,
    /// Kernel receive buffer of each connection; Linux may hold twice as much.
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
    #[command(flatten)]
    heartbeat: Beside,
}

/// How a connection is read.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct Receive {
    /// Treat the last record as complete after this much silence.
    #[arg(long, value_name = "TIME", value_parser = amount::duration, default_value = "250ms")]
    pub(super) flush_after: Duration,
    /// How long a quiet connection survives an outage of the network; `off` disables TCP
    /// keep-alive, so that vanished senders keep their places.
    #[arg(long, value_name = "TIME|off", default_value_t = Keepalive::default())]
    pub(super) keepalive: Keepalive,
}

impl Listen {
    pub(super) fn run(self, manner: Manner) -> anyhow::Result<Exit> {
        runtime::block_on(self.listen(manner))
    }

    async fn listen(self, manner: Manner) -> anyhow::Result<Exit> {
        // Before anyone can connect: from then on, a signal must not end what they have sent.
        let (stop, early) = (CancellationToken::new(), Arc::new(OnceLock::new()));
        report::watch(manner, stop.clone(), self.records.hangup(), early.clone())?;
        let listening = self.open(stop).await?;
        let report = early.get_or_init(|| listening.report.clone()).clone();
        if !manner.quiet {
            listening.tls.iter().for_each(super::tls::told);
            say(&format!(
                "listening on {}, writing to {}{}",
                listening.listener,
                report.places(),
                listening.origins.named()
            ));
        }
        let connections = listening.listener.connections();
        let status = report.status(manner, Some(Network::Connections(connections)));
        let outcome = listening.serve().await;
        report.end(outcome, manner, status).await
    }

    /// Binds the port before it opens the sinks, so that no database is created if the port is
    /// taken. `stop` becomes the station's.
    pub(super) async fn open(self, stop: CancellationToken) -> anyhow::Result<Listening> {
        if self.keep_open {
            self.records.several("-k accepts several connections")?;
        }
        let heartbeat = self.heartbeat.plan(&self.records)?;
        let tls = self.door.tls()?;
        let listener = self.listener(tls.clone()).await?;
        let parser = self.records.parser()?;
        let (origins, mut report) = self.records.open(parser, STORE, |station| {
            let station = station.identity(true).stop(stop);
            station.flush_after(self.receive.flush_after)
        })?;
        if let Some(heartbeat) = heartbeat {
            let connections = listener.connections();
            let open = move || connections.open() as u64;
            let receiver = Receiver::new(&report.station).connections(open);
            report.heartbeat = Some(heartbeat.start(&report, receiver)?);
        }
        Ok(Listening {
            origins,
            report,
            listener,
            tls,
            keep_open: self.keep_open,
        })
    }
}

impl Listen {
    async fn listener(&self, tls: Option<TlsServer>) -> anyhow::Result<Listener> {
        let options = ListenOptions {
            receive_buffer: self.rcvbuf,
            idle_timeout: self.idle_timeout,
            ..self.door.options(tls, self.receive.keepalive)
        };
        let everyone = options.access.is_everyone();
        if let Some(path) = &self.unixsock {
            return unix(path, options);
        }
        let at = self.door.address(&self.address, self.port).await?;
        let listener = Listener::open(at, options)?;
        if everyone && !at.ip().is_loopback() {
            tracing::warn!(
                "Any host that can reach {listener} may connect and have its text stored, because \
                 --allow covers all addresses."
            );
        }
        Ok(listener)
    }
}

#[cfg(unix)]
fn unix(path: &Path, options: ListenOptions) -> anyhow::Result<Listener> {
    Ok(Listener::unix(path, options)?)
}

#[cfg(not(unix))]
fn unix(_: &Path, _: ListenOptions) -> anyhow::Result<Listener> {
    Err(super::Usage::new("-U: this system has no unix sockets").into())
}

/// A port that is bound and sinks that are open.
#[derive(Debug)]
pub(super) struct Listening {
    origins: Origins,
    pub(super) report: Report,
    pub(super) listener: Listener,
    tls: Option<TlsServer>,
    keep_open: bool,
}

impl Listening {
    /// Accepts connections until the end.
    pub(super) async fn serve(self) -> Outcome {
        let origin = |connection: &_| self.origins.connection(connection);
        net::listen(self.listener, self.keep_open, &self.report.station, origin).await
    }
}

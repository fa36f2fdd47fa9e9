//! `dumpstream listen`: a port that `tcpdump | nc` sends to.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use dumpstream::bridge::{self, Access, Connections, Listener, MAX_CONNECTIONS, Outcome};
use dumpstream::run::Error;
use dumpstream::{Origin, Progress, RunOptions, Summary};
use tokio::io::AsyncRead;
use tokio_util::sync::CancellationToken;

use super::pipeline::{Pipeline, Records};
use super::{Exit, Manner, address, amount, report, runtime, say, signals, status};

/// Listen as `nc -l` does, and store what tcpdump prints: in packets.db, unless -o says otherwise
///
///     dumpstream listen -k 4444
///     sudo tcpdump -i any -nn -v -l 'not port 4444' | nc 127.0.0.1 4444
///
///     dumpstream listen -k 0.0.0.0:4444 --allow 192.0.2.0/24    # sensors of that network
///     dumpstream listen -l -k -p 4444 -o jsonl:-                # as nc spells it; JSON to stdout
///
/// Ctrl-C or SIGTERM writes what has arrived, reports and ends; SIGUSR1 reports and goes on;
/// SIGHUP opens the files of jsonl: and csv: anew.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct Listen {
    /// Where: PORT is on 127.0.0.1; port 0 is any that is free.
    #[arg(value_name = "[HOST:]PORT", num_args = 0..=2)]
    address: Vec<String>,
    /// The port, as nc takes it.
    #[arg(short, long, value_name = "PORT")]
    port: Option<u16>,
    /// Accept senders until a signal; without it one connection, and the end.
    #[arg(short, long)]
    keep_open: bool,
    /// Hosts that may connect, instead of this one only; repeatable.
    #[arg(long, value_name = "CIDR")]
    allow: Vec<Access>,
    /// Connections at once; one more is closed at once, and counted.
    #[arg(short, long, value_name = "N", value_parser = some,
          default_value_t = MAX_CONNECTIONS)]
    max_connections: usize,
    /// The kernel's buffer for each connection.
    #[arg(long, value_name = "SIZE", value_parser = amount::size, default_value = "1MiB")]
    rcvbuf: usize,
    #[command(flatten)]
    receive: Receive,
    /// For nc's sake: listening is what this does.
    #[arg(short = 'l', hide = true)]
    listen: bool,
    /// For nc's sake: no name is ever looked up.
    #[arg(short = 'n', hide = true)]
    numeric: bool,
    #[command(flatten)]
    records: Records,
}

fn some(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("0 connections at once let nobody in".to_owned()),
        Ok(n) => Ok(n),
        Err(e) => Err(format!("{e}")),
    }
}

/// How a connection is read.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct Receive {
    /// Without text for so long, the last record is complete.
    #[arg(long, value_name = "TIME", value_parser = amount::duration, default_value = "250ms")]
    flush_after: Duration,
}

impl Listen {
    pub(super) fn run(self, manner: Manner) -> anyhow::Result<Exit> {
        runtime::block_on(self.listen(manner))
    }

    async fn listen(self, manner: Manner) -> anyhow::Result<Exit> {
        let listening = self.open().await?;
        let session = listening.session.clone();
        session.watch(manner)?;
        if !manner.quiet {
            let address = listening.listener.address();
            say(&format!(
                "listening on {address}, writing to {}",
                session.places()
            ));
        }
        let status = session.status(manner, Some(listening.listener.connections()));
        let outcome = listening.serve().await;
        session.end(outcome, manner, status).await
    }

    /// Binds the port, then opens the sinks: where the port is taken, no database is made.
    pub(super) async fn open(self) -> anyhow::Result<Listening> {
        if self.keep_open {
            self.records.several("-k takes many")?;
        }
        let at = bridge::resolve(&address::joined(&self.address, self.port)?).await?;
        let access = self.allow.into_iter().fold(Access::loopback(), Access::and);
        let everyone = access.is_everyone();
        let listener = Listener::bind_with(at[0], access, self.max_connections, self.rcvbuf)?;
        if everyone && !at[0].ip().is_loopback() {
            tracing::warn!(
                "Every host that reaches {} may connect, and its text is stored: --allow has all \
                 of them.",
                listener.address()
            );
        }
        let session = Session::new(self.records.open("sqlite:packets.db", true)?);
        Ok(Listening {
            session,
            listener,
            keep_open: self.keep_open,
            receive: self.receive,
        })
    }
}

/// A port that is bound and sinks that are open.
#[derive(Debug)]
pub(super) struct Listening {
    pub(super) session: Session,
    pub(super) listener: Listener,
    keep_open: bool,
    receive: Receive,
}

impl Listening {
    /// Takes connections until the end.
    pub(super) async fn serve(self) -> Outcome {
        let Listening {
            session,
            listener,
            keep_open,
            receive,
        } = self;
        let make = |connection, cancel| session.clone().connection(connection, cancel, receive);
        let work = bridge::listen(listener, keep_open, session.stop.clone(), make);
        session.pipeline.drive(&session.stop, work).await
    }
}

/// A receiver at work: what `listen` and `connect` share, and `demo` runs.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) live: Arc<Progress>,
    pub(super) stop: CancellationToken,
}

impl Session {
    pub(super) fn new(pipeline: Pipeline) -> Session {
        let stop = CancellationToken::new();
        pipeline.watch(stop.clone());
        Session {
            pipeline: Arc::new(pipeline),
            live: Arc::new(Progress::new()),
            stop,
        }
    }

    /// Signals end it, or have it report.
    pub(super) fn watch(&self, manner: Manner) -> std::io::Result<()> {
        let session = self.clone();
        signals::watch(self.stop.clone(), move |signal| match signal {
            signals::Signal::Stop if !manner.quiet => say("stopping; once more ends at once"),
            signals::Signal::Stop => {}
            signals::Signal::Now => say(&report::given_up(&session.pipeline)),
            signals::Signal::Tell => say(&report::passing(&session.pipeline, &session.live)),
            signals::Signal::Reopen => session.pipeline.hangup.raise(),
        })
    }

    /// The sinks, for people.
    pub(super) fn places(&self) -> String {
        let names: Vec<_> = self.pipeline.lanes.iter().map(|lane| lane.name()).collect();
        names.join(", ")
    }

    /// Reads one connection to its end.
    pub(super) async fn connection(
        self,
        connection: bridge::Connection,
        cancel: CancellationToken,
        receive: Receive,
    ) -> Result<Summary, Error> {
        let (peer, local) = (connection.peer(), connection.local());
        let stream = Some(connection.stream().to_owned());
        let origin = self.pipeline.origin(&peer.ip().to_string(), stream);
        let options = RunOptions::new()
            .flush_after(receive.flush_after)
            .connection(peer, local);
        let done = self.read(connection, origin, options, cancel).await;
        let summary = done.as_ref().map_or_else(Error::summary, Some);
        let (packets, lost, suspect) =
            summary.map_or((0, 0, 0), |s| (s.records, s.lost, s.suspect));
        match lost + suspect {
            0 => tracing::debug!(%peer, packets, "A sender has gone."),
            _ => tracing::warn!(%peer, packets, lost, suspect, "A sender has gone."),
        }
        done
    }

    /// Reads one input to its end, into all lanes.
    pub(super) async fn read(
        &self,
        source: impl AsyncRead + Unpin,
        origin: Origin,
        options: RunOptions,
        cancel: CancellationToken,
    ) -> Result<Summary, Error> {
        dumpstream::run(
            source,
            self.pipeline.codec(),
            &self.pipeline.parser,
            origin,
            &self.pipeline.lanes,
            &options.rejects(self.pipeline.rejects.clone()),
            cancel,
            &self.live,
        )
        .await
    }

    /// The live line, where standard error is a terminal.
    pub(super) fn status(
        &self,
        manner: Manner,
        connections: Option<Connections>,
    ) -> Option<status::Live> {
        // Where JSON goes to the same terminal, a line would stand in its midst.
        use std::io::IsTerminal;
        let mixed = self.pipeline.stdout && std::io::stdout().is_terminal();
        (manner.live() && !mixed).then(|| {
            let session = self.clone();
            status::Live::new(move |rate| session.line(rate, connections.as_ref()))
        })
    }

    /// Records, rate, connections, latency, losses, stalls, drops.
    fn line(&self, rate: &mut status::Rate, connections: Option<&Connections>) -> String {
        let records = self.live.records();
        let mut line = format!(
            "{} records  {}/s",
            amount::grouped(records),
            amount::grouped(rate.of(records))
        );
        if let Some(connections) = connections {
            let open = connections.open();
            let plural = if open == 1 { "" } else { "s" };
            line += &format!("  {open} connection{plural}");
        }
        if let Some(p99) = self.pipeline.p99() {
            line += &format!("  p99 {}", amount::time(p99));
        }
        let waiting = match self.live.waiting() {
            0 => "",
            _ => " (now)",
        };
        let dropped: u64 = self.pipeline.counters().map(|(_, c)| c.dropped).sum();
        if self.live.captures() > 0 {
            line += &format!(
                "  {} lost  {} suspect",
                amount::grouped(self.live.lost()),
                amount::grouped(self.live.suspect())
            );
        }
        line + &format!(
            "  stalled {}{waiting}  {} dropped",
            amount::time(self.live.stalled()),
            amount::grouped(dropped)
        )
    }

    /// Drains, reports, and says how it ended.
    pub(super) async fn end(
        &self,
        mut outcome: Outcome,
        manner: Manner,
        status: Option<status::Live>,
    ) -> anyhow::Result<Exit> {
        let undrained = self.pipeline.drain(&self.stop).await;
        drop(status);
        let left = report::reader_left(&self.pipeline) && manner.verbose == 0;
        if !manner.quiet && !left {
            say(&report::closing(&self.pipeline, &outcome, undrained));
        }
        let exit = report::exit(&self.pipeline, undrained)?;
        match outcome.error.take() {
            Some(error) if exit == Exit::Done => Err(error.into()),
            _ => Ok(exit),
        }
    }
}

//! `dumpstream relay`: netcat itself, without a look at the bytes.

use std::ffi::OsString;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
#[cfg(unix)]
use std::path::Path;
use std::time::Duration;

use clap::Args;
use dumpstream_flow::Hangup;
use dumpstream_flow::feed::Feed;
use dumpstream_flow::net::{
    self, Keepalive, Listener, RelayError, RelayOptions, Relayed, TlsServer,
};
use dumpstream_flow::run::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error};

use super::door::Door;
use super::signals::{self, Signal};
use super::{Exit, Manner, Stdout, Usage, address, amount, runtime};

/// Relay standard input and output over a connection, as nc does
///
///     dumpstream relay HOST 4444 < file          # send, like `nc -N`
///     dumpstream relay -l 4444 > file            # receive
///     dumpstream relay -z HOST 4444              # only check whether the port is open
///
/// Every byte is passed on unchanged, both ways. The end of standard input closes our half of the
/// connection, and the relay ends when the other half is closed, too. The exit code is 1 if the
/// other end does not answer, stops reading or breaks off.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct Relay {
    /// HOST PORT or HOST:PORT; with -l, [HOST:]PORT, where HOST is 127.0.0.1 by default; with -U, a
    /// path.
    #[arg(value_name = "ADDRESS", num_args = 0..=2)]
    address: Vec<String>,
    /// Listen for a connection.
    #[arg(short, long)]
    listen: bool,
    /// With -l, accept the next connection when one has ended. Each ends when the other end closes
    /// its half.
    #[arg(short, long, requires = "listen")]
    keep_open: bool,
    /// With -l, the port to listen on; else the local port.
    #[arg(short, long, value_name = "PORT")]
    port: Option<u16>,
    #[command(flatten)]
    door: Door,
    /// Use the unix socket at the path that is given as address.
    #[cfg(unix)]
    #[arg(short = 'U', long, conflicts_with_all = ["port", "source", "ipv4", "ipv6", "allow", "deny", "tls"])]
    unixsock: bool,
    /// Exit when nothing was sent or received for this long; also the time limit to connect, which
    /// is 10s by default.
    #[arg(short = 'w', long, value_name = "TIME", value_parser = amount::duration)]
    idle_timeout: Option<Duration>,
    /// Exit this long after the end of standard input, without waiting for the other end; nc's `-q
    /// SECONDS` is also taken.
    #[arg(long, value_name = "TIME", value_parser = amount::duration)]
    quit: Option<Duration>,
    /// Only check whether the address accepts connections: exit 0 if it does, else 1.
    #[arg(short = 'z', long, conflicts_with = "listen")]
    zero: bool,
    /// Do not read standard input.
    #[arg(short = 'd', long)]
    no_stdin: bool,
    /// Accepted for compatibility with nc; the end of standard input always closes our half.
    #[arg(short = 'N', hide = true)]
    shutdown: bool,
    /// Accepted for compatibility with nc; only the name of the other end is ever looked up.
    #[arg(short = 'n', hide = true)]
    numeric: bool,
}

/// Standard input, for one connection after the other.
type Input = Box<dyn AsyncRead + Send + Unpin>;

impl Relay {
    pub(super) fn run(self, manner: Manner) -> anyhow::Result<Exit> {
        runtime::block_on(self.relay(manner))
    }

    async fn relay(self, manner: Manner) -> anyhow::Result<Exit> {
        let mut input: Input = match self.no_stdin || self.zero {
            true => Box::new(tokio::io::empty()),
            false => Box::new(Feed::new(io::stdin())?),
        };
        if self.listen {
            return self.accept(&mut input, manner).await;
        }
        if self.door.is_special()? {
            let only = "--allow, --deny and --tls need -l: they are for connections to this port";
            return Err(Usage::new(only).into());
        }
        #[cfg(unix)]
        if self.unixsock {
            let path = self.path()?;
            let socket = tokio::net::UnixStream::connect(path).await;
            let socket = socket.map_err(|source| Error::Connect {
                address: path.to_owned(),
                source,
            })?;
            if !self.zero {
                self.one(socket, &mut input).await?;
            }
            return Ok(Exit::Done);
        }
        let tcp = self.connect().await?;
        debug!(peer = %tcp.peer_addr()?, "Connected.");
        if !self.zero {
            self.one(tcp, &mut input).await?;
        }
        Ok(Exit::Done)
    }

    /// Relays a connection to our port, or one after the other.
    async fn accept(&self, input: &mut Input, manner: Manner) -> anyhow::Result<Exit> {
        let (listener, tls) = self.bind().await?;
        debug!("Listening on {listener}.");
        if !manner.quiet {
            tls.iter().for_each(super::tls::told);
        }
        // At a signal the file of a unix socket is removed.
        let (stop, hangup) = (CancellationToken::new(), Hangup::default());
        listener.reload_on(&hangup);
        signals::watch(stop.clone(), signals::Hangup::default(), move |signal| {
            if signal == Signal::Reopen {
                hangup.raise();
            }
        })?;
        let options = self.options();
        let relaying = async {
            loop {
                let output = tokio::io::stdout();
                let ended = ended(net::relay_next(&listener, &mut *input, output, &options).await);
                if !self.keep_open {
                    return ended;
                }
                match ended {
                    Err(fault) if fault.is::<RelayError>() => error!("{fault}."),
                    ended => ended?,
                }
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => Ok(Exit::Interrupted),
            ended = relaying => ended.map(|()| Exit::Done),
        }
    }

    /// The port, or the unix socket, of `-l`.
    async fn bind(&self) -> anyhow::Result<(Listener, Option<TlsServer>)> {
        let tls = self.door.tls()?;
        let options = self.door.options(tls.clone(), Keepalive::default());
        #[cfg(unix)]
        if self.unixsock {
            return Ok((Listener::unix(Path::new(self.path()?), options)?, tls));
        }
        let address = self.door.address(&self.address, self.port).await?;
        Ok((Listener::open(address, options)?, tls))
    }

    /// Relays one connection.
    async fn one(
        &self,
        socket: impl AsyncRead + AsyncWrite,
        input: &mut Input,
    ) -> anyhow::Result<()> {
        let output = tokio::io::stdout();
        ended(net::relay(socket, input, output, &self.options()).await)
    }

    fn options(&self) -> RelayOptions {
        let mut options = RelayOptions::default();
        options.idle = self.idle_timeout;
        options.quit = self.quit;
        options.until_closed = self.keep_open;
        options
    }

    /// The path of `-U`.
    #[cfg(unix)]
    fn path(&self) -> Result<&str, Usage> {
        match &self.address[..] {
            [path] => Ok(path),
            _ => Err(Usage::new("-U takes one path")),
        }
    }

    /// Connects to the first address that answers.
    async fn connect(&self) -> anyhow::Result<TcpStream> {
        let text = address::joined(&self.address, None)?;
        net::check(&text)?;
        let hosts = net::resolve_in(&text, self.door.families.one()).await?;
        let dial = |at| async move {
            let socket = net::socket_for(at)?;
            if self.door.source.is_some() || self.port.is_some() {
                let any = match at {
                    SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
                    SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
                };
                let local = (self.door.source.unwrap_or(any), self.port.unwrap_or(0));
                socket.set_reuseaddr(true)?;
                socket.bind(local.into())?;
            }
            let tcp = socket.connect(at).await?;
            net::limit_unsent(&tcp)?;
            Ok(tcp)
        };
        let limit = self.idle_timeout.unwrap_or(net::CONNECT_TIMEOUT);
        let answer = net::first_answer(&hosts, limit, dial).await;
        answer.map_err(|source| {
            let address = text;
            Error::Connect { address, source }.into()
        })
    }
}

/// Reports how a relay has ended.
fn ended(relayed: Result<Relayed, RelayError>) -> anyhow::Result<()> {
    match relayed {
        Ok(relayed) => {
            debug!("The connection has ended: {relayed}.");
            Ok(())
        }
        Err(RelayError::Output(error)) => Err(Stdout(error).into()),
        Err(error) => Err(error.into()),
    }
}

/// Gives `-q SECONDS` nc's meaning: elsewhere `-q` is `--quiet`, which takes no value.
pub(super) fn quit_as_nc(arguments: &mut [OsString]) {
    for i in 1..arguments.len() {
        let seconds = |at: usize| {
            let value = arguments
                .get(at)
                .and_then(|a| a.to_str())
                .unwrap_or_default();
            !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit())
        };
        if arguments[i] == "-q" && seconds(i + 1) {
            arguments[i] = "--quit".into();
        }
    }
}

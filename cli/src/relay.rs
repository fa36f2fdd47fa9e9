//! `dumpstream relay`: netcat itself, without a look at the bytes.

use std::ffi::OsString;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use dumpstream_flow::feed::Feed;
use dumpstream_flow::net::{self, Access, RelayError, RelayOptions};
use dumpstream_flow::run::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;
use tracing::{debug, error};

use super::{Exit, Manner, Stdout, Usage, address, amount, runtime};

/// How long an address may take to answer, unless `-w` sets another time.
const ANSWER: Duration = Duration::from_secs(10);

/// Connections that wait for their turn.
const BACKLOG: u32 = 128;

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
    /// Local address.
    #[arg(short, long, value_name = "ADDR")]
    source: Option<IpAddr>,
    /// Use IPv4 only.
    #[arg(short = '4', long)]
    ipv4: bool,
    /// Use IPv6 only.
    #[arg(short = '6', long, conflicts_with = "ipv4")]
    ipv6: bool,
    /// Use the unix socket at the path that is given as address.
    #[cfg(unix)]
    #[arg(short = 'U', long, conflicts_with_all = ["port", "source", "ipv4", "ipv6", "allow"])]
    unixsock: bool,
    /// With -l, hosts that may connect; repeatable [default: this machine only].
    #[arg(long, value_name = "CIDR", requires = "listen")]
    allow: Vec<Access>,
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

    async fn relay(self, _: Manner) -> anyhow::Result<Exit> {
        let mut input: Input = match self.no_stdin || self.zero {
            true => Box::new(tokio::io::empty()),
            false => Box::new(Feed::new(io::stdin())?),
        };
        #[cfg(unix)]
        if self.unixsock {
            return self.over_unix(&mut input).await;
        }
        if self.listen {
            let listener = self.bind().await?;
            debug!("Listening on {}.", listener.local_addr()?);
            let access = self.allow.iter().cloned();
            let access = access.fold(Access::loopback(), Access::and);
            return self
                .each(&mut input, async || {
                    loop {
                        let (tcp, peer) = listener.accept().await?;
                        if access.allows(peer.ip()) {
                            debug!(%peer, "Accepted a connection.");
                            net::limit_unsent(&tcp)?;
                            return Ok(tcp);
                        }
                        error!(%peer, "Refused a connection: `--allow` does not cover its host.");
                    }
                })
                .await;
        }
        let tcp = self.connect().await?;
        debug!(peer = %tcp.peer_addr()?, "Connected.");
        if !self.zero {
            self.one(tcp, &mut input).await?;
        }
        Ok(Exit::Done)
    }

    /// Relays one connection after the other, as `accept` returns them.
    async fn each<S: AsyncRead + AsyncWrite>(
        &self,
        input: &mut Input,
        accept: impl AsyncFn() -> io::Result<S>,
    ) -> anyhow::Result<Exit> {
        loop {
            let ended = self
                .one(accept().await.context("cannot accept connections")?, input)
                .await;
            if !self.keep_open {
                return ended.map(|()| Exit::Done);
            }
            match ended {
                Ok(()) => {}
                Err(fault) if fault.is::<RelayError>() => error!("{fault}."),
                Err(fault) => return Err(fault),
            }
        }
    }

    /// Relays one connection.
    async fn one(
        &self,
        socket: impl AsyncRead + AsyncWrite,
        input: &mut Input,
    ) -> anyhow::Result<()> {
        let mut options = RelayOptions::default();
        options.idle = self.idle_timeout;
        options.quit = self.quit;
        options.until_closed = self.keep_open;
        match net::relay(socket, input, tokio::io::stdout(), &options).await {
            Ok(relayed) => {
                debug!("The connection has ended: {relayed}.");
                Ok(())
            }
            Err(RelayError::Output(error)) => Err(Stdout(error).into()),
            Err(error) => Err(error.into()),
        }
    }

    /// The addresses of one host that `-4` and `-6` allow.
    async fn resolve(&self, text: &str) -> anyhow::Result<Vec<SocketAddr>> {
        let mut found = net::resolve(text).await?;
        found.retain(|at| if at.is_ipv4() { !self.ipv6 } else { !self.ipv4 });
        if found.is_empty() {
            let family = if self.ipv4 { "IPv4" } else { "IPv6" };
            anyhow::bail!("{text} has no {family} address");
        }
        Ok(found)
    }

    /// The address of `-l`.
    fn listening(&self) -> Result<String, Usage> {
        let loopback = self.ipv6.then_some(Ipv6Addr::LOCALHOST.into());
        match (self.source.or(loopback), &self.address[..]) {
            (Some(host), []) => address::joined(&[host.to_string()], self.port),
            (Some(host), [port]) if self.port.is_none() && !port.contains(':') => {
                address::joined(&[host.to_string(), port.clone()], None)
            }
            (Some(host), _) if self.source.is_some() => Err(Usage::new(format!(
                "-s {host} is the host to listen on; give only a port besides"
            ))),
            (_, words) => address::joined(words, self.port),
        }
    }

    /// Binds the port of `-l`.
    async fn bind(&self) -> anyhow::Result<TcpListener> {
        let address = self.resolve(&self.listening()?).await?[0];
        if !address.ip().to_canonical().is_loopback() && self.allow.is_empty() {
            return Err(Error::NoAccess { address }.into());
        }
        let bind = || {
            let socket = socket_for(address)?;
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            socket.listen(BACKLOG)
        };
        let wrong = |source| Error::Bind {
            address: address.to_string(),
            source,
        };
        Ok(bind().map_err(wrong)?)
    }

    /// Connects to the first address that answers.
    async fn connect(&self) -> anyhow::Result<TcpStream> {
        let text = address::joined(&self.address, None)?;
        net::check(&text)?;
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for at in self.resolve(&text).await? {
            let dialled = async {
                let socket = socket_for(at)?;
                if self.source.is_some() || self.port.is_some() {
                    let any = match at {
                        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
                        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
                    };
                    let local = (self.source.unwrap_or(any), self.port.unwrap_or(0));
                    socket.set_reuseaddr(true)?;
                    socket.bind(local.into())?;
                }
                let tcp = socket.connect(at).await?;
                net::limit_unsent(&tcp)?;
                Ok(tcp)
            };
            let answer = timeout(self.idle_timeout.unwrap_or(ANSWER), dialled).await;
            match answer.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                Ok(tcp) => return Ok(tcp),
                Err(error) => last = error,
            }
        }
        Err(Error::Connect {
            address: text,
            source: last,
        }
        .into())
    }

    #[cfg(unix)]
    async fn over_unix(&self, input: &mut Input) -> anyhow::Result<Exit> {
        let [path] = &self.address[..] else {
            return Err(Usage::new("-U takes one path").into());
        };
        if self.listen {
            let listener = tokio::net::UnixListener::bind(path)
                .with_context(|| format!("cannot listen on {path}"))?;
            let file = Removed(path.into());
            let accept = async || Ok(listener.accept().await?.0);
            let done = self.each(input, accept).await;
            drop(file);
            return done;
        }
        let socket = tokio::net::UnixStream::connect(path).await;
        let socket = socket.with_context(|| format!("cannot connect to {path}"))?;
        if !self.zero {
            self.one(socket, input).await?;
        }
        Ok(Exit::Done)
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

/// A file that is removed at the end: that of a unix socket.
#[cfg(unix)]
struct Removed(std::path::PathBuf);

#[cfg(unix)]
impl Drop for Removed {
    fn drop(&mut self) {
        // Someone else may have removed it.
        std::fs::remove_file(&self.0).ok();
    }
}

fn socket_for(address: SocketAddr) -> io::Result<TcpSocket> {
    match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }
}

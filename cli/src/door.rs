//! The options of a listening port: where it is, who may connect, and by TLS or not.

use std::net::{IpAddr, SocketAddr};

use clap::Args;
use dumpstream_flow::net::{
    self, Access, Keepalive, ListenOptions, MAX_CONNECTIONS, MAX_PER_ADDRESS, TlsServer,
};

use super::address::{self, Families};
use super::tls::ServerTls;

/// Where to listen, and who may connect.
#[derive(Args, Debug)]
pub(super) struct Door {
    #[command(flatten)]
    pub(super) families: Families,
    /// Local address; of a port to listen on, the same as HOST.
    #[arg(short, long, value_name = "ADDR")]
    pub(super) source: Option<IpAddr>,
    /// Hosts that may connect; repeatable [default: this machine only].
    #[arg(long, value_name = "CIDR")]
    allow: Vec<Access>,
    /// Hosts that may not connect, even if --allow covers them; repeatable.
    #[arg(long, value_name = "CIDR")]
    deny: Vec<Access>,
    /// Maximum simultaneous connections; further ones are refused and counted.
    #[arg(short, long, value_name = "N", value_parser = some,
          default_value_t = MAX_CONNECTIONS)]
    max_connections: usize,
    /// Maximum simultaneous connections of one host (IPv6: of one /64 network); this machine is
    /// exempt.
    #[arg(long, value_name = "N", value_parser = some, default_value_t = MAX_PER_ADDRESS)]
    max_per_address: usize,
    #[command(flatten)]
    tls: ServerTls,
}

fn some(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be greater than 0".to_owned()),
        Ok(n) => Ok(n),
        Err(e) => Err(format!("{e}")),
    }
}

impl Door {
    /// TLS, if it is asked for.
    pub(super) fn tls(&self) -> anyhow::Result<Option<TlsServer>> {
        Ok(self.tls.server()?)
    }

    /// Whether an option is given that only a listening port has.
    pub(super) fn is_special(&self) -> anyhow::Result<bool> {
        Ok(self.tls()?.is_some() || !self.allow.is_empty() || !self.deny.is_empty())
    }

    /// The address to listen on, from its words and the value of `-p`.
    pub(super) async fn address(
        &self,
        words: &[String],
        port: Option<u16>,
    ) -> anyhow::Result<SocketAddr> {
        let address = address::listening(words, port, self.source)?;
        Ok(net::resolve_in(&address, self.families.one()).await?[0])
    }

    /// A port with these options, and the others as they are by default.
    pub(super) fn options(&self, tls: Option<TlsServer>, keepalive: Keepalive) -> ListenOptions {
        let all = |lists: &[Access]| lists.iter().cloned().fold(Access::loopback(), Access::and);
        ListenOptions {
            access: all(&self.allow).except(all(&self.deny)),
            connections: self.max_connections,
            per_address: self.max_per_address,
            keepalive,
            tls,
            ..ListenOptions::default()
        }
    }
}

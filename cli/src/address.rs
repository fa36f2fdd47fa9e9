//! Addresses in netcat's spellings: `4444`, `HOST:4444`, `[::1]:4444`, `HOST 4444`, `-p 4444`.

use std::net::IpAddr;

use clap::Args;
use dumpstream_flow::net::Family;

use super::Usage;

/// The kinds of addresses to use, as nc takes them.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct Families {
    /// Use IPv4 only.
    #[arg(short = '4', long)]
    ipv4: bool,
    /// Use IPv6 only.
    #[arg(short = '6', long, conflicts_with = "ipv4")]
    ipv6: bool,
}

impl Families {
    /// The only one, if there is one.
    pub(super) fn one(self) -> Option<Family> {
        match (self.ipv4, self.ipv6) {
            (true, _) => Some(Family::V4),
            (_, true) => Some(Family::V6),
            _ => None,
        }
    }
}

/// Joins the words of an address and the value of `-p` into the `[HOST:]PORT` that the library
/// reads.
pub(super) fn joined(words: &[String], port: Option<u16>) -> Result<String, Usage> {
    match (words, port) {
        ([], None) => Err(Usage::new("missing port: give one, such as 4444")),
        ([], Some(port)) => Ok(port.to_string()),
        ([host], Some(port)) => Ok(format!("{}:{port}", bracketed(host))),
        ([one], None) => Ok(one.clone()),
        ([host, port], None) => Ok(format!("{}:{port}", bracketed(host))),
        (_, _) => Err(Usage::new(format!(
            "{} is not an address: give PORT, HOST:PORT or HOST PORT",
            words.join(" ")
        ))),
    }
}

/// The same for an address to listen on, whose host may also be the value of `-s`.
pub(super) fn listening(
    words: &[String],
    port: Option<u16>,
    source: Option<IpAddr>,
) -> Result<String, Usage> {
    let Some(source) = source.map(|source| source.to_string()) else {
        return joined(words, port);
    };
    match words {
        [] => joined(&[source], port),
        [one] if port.is_none() && !one.contains(':') => joined(&[source, one.clone()], None),
        _ => Err(Usage::new(format!(
            "-s {source} is the host to listen on: give only a port besides"
        ))),
    }
}

/// An IPv6 address in brackets, anything else as it is.
fn bracketed(host: &str) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling() {
        let typed = |words: &[&str], port| {
            let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
            joined(&words, port).map_err(|e| e.to_string())
        };
        for (words, port, address) in [
            (&["4444"][..], None, "4444"),
            (&[":4444"], None, ":4444"),
            (&[], Some(4444), "4444"),
            (&["10.0.0.1:4444"], None, "10.0.0.1:4444"),
            (&["[::1]:4444"], None, "[::1]:4444"),
            (&["::1", "4444"], None, "[::1]:4444"),
            (&["localhost"], Some(4444), "localhost:4444"),
        ] {
            assert_eq!(typed(words, port).as_deref(), Ok(address));
        }
        assert!(typed(&[], None).is_err());
        let with_s = |words: &[&str], port| {
            let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
            listening(&words, port, Some("::1".parse().expect("an address"))).ok()
        };
        assert_eq!(with_s(&["4444"], None).as_deref(), Some("[::1]:4444"));
        assert_eq!(with_s(&[], Some(4444)).as_deref(), Some("[::1]:4444"));
        assert_eq!(with_s(&["host", "4444"], None), None);
        assert_eq!(with_s(&["host:4444"], None), None);
        assert!(typed(&["a", "1"], Some(1)).is_err());
    }
}

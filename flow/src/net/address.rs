//! `[HOST:]PORT`, as it is typed.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::lookup_host;

use crate::run::Error;

/// One of the two kinds of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    pub fn of(ip: IpAddr) -> Family {
        match ip {
            IpAddr::V4(_) => Family::V4,
            IpAddr::V6(_) => Family::V6,
        }
    }
}

/// Resolves `PORT`, `HOST:PORT` or `[IPV6]:PORT` to at least one address. The default host is
/// 127.0.0.1.
///
/// # Errors
/// [`Error::Address`] if the text is not an address; [`Error::Lookup`] if the host is not found.
pub async fn resolve(text: &str) -> Result<Vec<SocketAddr>, Error> {
    resolve_in(text, None).await
}

/// The same, of one family only, if one is given; the default host of IPv6 is ::1.
///
/// # Errors
/// As [`resolve`]; a host without an address of that family is not found.
pub async fn resolve_in(text: &str, family: Option<Family>) -> Result<Vec<SocketAddr>, Error> {
    let unknown = |source| Error::Lookup {
        address: text.to_owned(),
        source,
    };
    let mut found = match text.parse::<SocketAddr>() {
        Ok(address) => vec![address],
        Err(_) => match (parts(text)?, family) {
            (("", port), Some(Family::V6)) => vec![(Ipv6Addr::LOCALHOST, port).into()],
            (("", port), _) => vec![(Ipv4Addr::LOCALHOST, port).into()],
            (host, _) => lookup_host(host).await.map_err(unknown)?.collect(),
        },
    };
    found.retain(|address| family.is_none_or(|family| family == Family::of(address.ip())));
    if found.is_empty() {
        let none = match family {
            Some(Family::V4) => "it has no IPv4 address",
            Some(Family::V6) => "it has no IPv6 address",
            None => "it has no address",
        };
        return Err(unknown(io::Error::new(
            io::ErrorKind::AddrNotAvailable,
            none,
        )));
    }
    Ok(found)
}

/// Checks an address to connect to, as far as that is possible without looking up the host.
///
/// # Errors
/// [`Error::Address`].
pub fn check(text: &str) -> Result<(), Error> {
    let port = match text.parse::<SocketAddr>() {
        Ok(address) => address.port(),
        Err(_) => parts(text)?.1,
    };
    match port {
        0 => Err(Error::Address {
            text: text.to_owned(),
            reason: "port 0 cannot be connected to".to_owned(),
        }),
        _ => Ok(()),
    }
}

/// Host, without brackets, and port; the host may be empty.
fn parts(text: &str) -> Result<(&str, u16), Error> {
    let wrong = |reason: String| Error::Address {
        text: text.to_owned(),
        reason,
    };
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    let port: u16 = port.parse().map_err(|_| match digits {
        true => wrong(format!("port {port} is too high; the highest is 65535")),
        false => wrong("the port number is missing".to_owned()),
    })?;
    if host.contains(':') && !host.starts_with('[') {
        return Err(wrong(
            "an IPv6 address needs brackets before its port".to_owned(),
        ));
    }
    // It would be read as a 32-bit address, which nobody means.
    if !host.is_empty() && host.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong(format!("{host} is a number, not a host")));
    }
    Ok((host.trim_start_matches('[').trim_end_matches(']'), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_alone_is_loopback() {
        for (text, address) in [
            ("4444", "127.0.0.1:4444"),
            (":4444", "127.0.0.1:4444"),
            ("192.0.2.1:0", "192.0.2.1:0"),
            ("[::1]:4444", "[::1]:4444"),
        ] {
            let found = resolve(text).await.expect(text);
            assert_eq!(found, [address.parse().expect("an address")]);
        }
    }

    #[tokio::test]
    async fn a_family_is_the_only_one() {
        let only = async |text, family| resolve_in(text, Some(family)).await.ok();
        let address = |text: &str| vec![text.parse::<SocketAddr>().expect("an address")];
        assert_eq!(only("4444", Family::V6).await, Some(address("[::1]:4444")));
        assert_eq!(
            only("4444", Family::V4).await,
            Some(address("127.0.0.1:4444"))
        );
        assert_eq!(only("127.0.0.1:4444", Family::V6).await, None);
        assert_eq!(only("[::1]:4444", Family::V4).await, None);
    }

    #[tokio::test]
    async fn what_is_no_address_is_named() {
        for text in [
            "",
            "x",
            "65536",
            "127.0.0.1:",
            "127.0.0.1",
            "::1:4444",
            "1:2:3",
            "4444:5555",
        ] {
            let error = resolve(text).await.expect_err(text);
            assert!(error.is_usage(), "{error}");
        }
    }
}

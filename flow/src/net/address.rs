//! `[HOST:]PORT`, as it is typed.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::lookup_host;

use crate::run::Error;

/// Resolves `PORT`, `HOST:PORT` or `[IPV6]:PORT` to at least one address. The default host is
/// 127.0.0.1.
///
/// # Errors
/// [`Error::Address`] if the text is not an address; [`Error::Lookup`] if the host is not found.
pub async fn resolve(text: &str) -> Result<Vec<SocketAddr>, Error> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(vec![address]);
    }
    let (host, port) = parts(text)?;
    if host.is_empty() {
        return Ok(vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port))]);
    }
    let unknown = |source| Error::Lookup {
        address: text.to_owned(),
        source,
    };
    let found: Vec<_> = lookup_host((host, port)).await.map_err(unknown)?.collect();
    if found.is_empty() {
        return Err(unknown(io::ErrorKind::AddrNotAvailable.into()));
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

//! Connections that a capture leaves out: those that carry its own packets on, because each packet
//! would cause further ones, and the SSH session of whoever watches it.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use super::session;

/// Connections to leave out of a capture, as a filter of pcap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exclusion(String);

impl Exclusion {
    /// The connections to a server of ours, by any of its addresses.
    ///
    /// A cluster tells its clients of further nodes. So that connections to those are left out, too,
    /// the filter names the port and our own address towards the server, if there is a route to it.
    pub fn server(addresses: &[SocketAddr], cluster: bool) -> Exclusion {
        let near = |address: &SocketAddr| {
            let any: SocketAddr = match address {
                SocketAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
                SocketAddr::V6(_) => ([0; 16], 0).into(),
            };
            // Connecting a datagram socket sends nothing; it only asks for the route.
            let socket = UdpSocket::bind(any).ok()?;
            socket.connect(address).ok()?;
            Some(socket.local_addr().ok()?.ip())
        };
        let end = |address: &SocketAddr| match cluster {
            true => near(address).unwrap_or(address.ip()),
            false => address.ip(),
        };
        let mut servers: Vec<String> = addresses
            .iter()
            .map(|address| {
                format!(
                    "tcp port {} and host {}",
                    address.port(),
                    host(end(address))
                )
            })
            .collect();
        servers.sort();
        servers.dedup();
        Exclusion(servers.join(" or "))
    }

    /// The SSH session that this process was started in, also below sudo; `None` if there is none.
    pub fn session() -> Option<Exclusion> {
        Exclusion::ssh(&session::connection()?)
    }

    /// The SSH session that the value of `SSH_CONNECTION` names: the client's address and port, and
    /// the server's. `None` if it names none.
    fn ssh(connection: &str) -> Option<Exclusion> {
        let mut words = connection.split_ascii_whitespace();
        let mut end = || {
            // An address of one link has its name behind it, which a filter does not take.
            let address = words.next()?.split('%').next()?;
            let address: IpAddr = address.parse().ok()?;
            let port: u16 = words.next()?.parse().ok()?;
            Some((host(address), port))
        };
        let ((client, from), (server, to)) = (end()?, end()?);
        Some(Exclusion(format!(
            "tcp and host {client} and port {from} and host {server} and port {to}"
        )))
    }

    /// The filter that leaves these connections out of `filter`, which may be empty.
    ///
    /// They come first: `vlan` and `mpls` in a filter change what the rest of it looks at.
    pub fn apply(exclusions: &[Exclusion], filter: &str) -> String {
        let mut parts: Vec<_> = exclusions
            .iter()
            .map(|e| format!("not ({})", e.0))
            .collect();
        match (filter.trim(), parts.is_empty()) {
            ("", _) => {}
            (filter, true) => parts.push(filter.to_owned()),
            (filter, false) => parts.push(format!("({filter})")),
        }
        parts.join(" and ")
    }
}

/// An address as tcpdump prints it: an IPv4 address that was mapped to IPv6 is an IPv4 one.
fn host(address: IpAddr) -> String {
    address.to_canonical().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(addresses: &[&str]) -> String {
        let addresses: Vec<_> = addresses.iter().map(|a| a.parse().unwrap()).collect();
        Exclusion::apply(&[Exclusion::server(&addresses, false)], "")
    }

    #[test]
    fn every_address_of_a_server() {
        assert_eq!(
            server(&["192.0.2.7:4444", "[2001:db8::7]:4444", "192.0.2.7:4444"]),
            "not (tcp port 4444 and host 192.0.2.7 or tcp port 4444 and host 2001:db8::7)"
        );
        assert_eq!(
            server(&["[fe80::1%2]:1", "[::ffff:192.0.2.7]:1"]),
            "not (tcp port 1 and host 192.0.2.7 or tcp port 1 and host fe80::1)"
        );
        let node = Exclusion::server(&["127.0.0.2:9042".parse().unwrap()], true);
        assert_eq!(node.0, "tcp port 9042 and host 127.0.0.1");
    }

    #[test]
    fn a_session() {
        let session = |text| Exclusion::ssh(text).map(|e| Exclusion::apply(&[e], "tcp or udp"));
        assert_eq!(
            session("192.0.2.9 50022 192.0.2.1 22").as_deref(),
            Some(
                "not (tcp and host 192.0.2.9 and port 50022 and host 192.0.2.1 and port 22) \
                 and (tcp or udp)"
            )
        );
        assert!(
            session("fe80::9%eth0 50022 fe80::1%eth0 22")
                .unwrap()
                .contains("host fe80::9 and")
        );
        for text in [
            "",
            "192.0.2.9",
            "192.0.2.9 50022 192.0.2.1",
            "a 1 b 2",
            "192.0.2.9 x 1.2.3.4 22",
        ] {
            assert_eq!(session(text), None, "{text}");
        }
    }

    #[test]
    fn a_filter_without_exclusions_is_unchanged() {
        assert_eq!(Exclusion::apply(&[], " tcp "), "tcp");
        assert_eq!(Exclusion::apply(&[], ""), "");
    }
}

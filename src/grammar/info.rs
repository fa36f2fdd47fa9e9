//! Which decoder's text is stored: only that of decoders which print no secrets.

use super::walk::{Walk, slot};
use crate::cell::Fixed;
use crate::part::Part;

/// Decoders whose own line is stored: how it begins, and why it is safe. Any other (HTTP, FTP,
/// SMTP, IMAP, POP, SIP, RTSP, SNMP, RADIUS, LDAP, RESP, telnet, …) is dropped unless the user
/// asks, since it prints what applications send: commands, communities, passwords.
const SAFE: &[(&[u8], &str)] = &[
    (b"[|", "a truncation mark"),
    (b" [|", "a truncation mark"),
    (b"[bad ", "a damaged header's figures"),
    (b" [bad ", "a damaged header's figures"),
    (b"[length ", "a damaged header's figures"),
    (b"tcp ", "a length"),
    (
        b"BOOTP/DHCP",
        "addresses and a transaction number; options stand in later lines",
    ),
    (b"NTPv", "clock figures"),
    (b"dhcp6 ", "addresses and durations"),
    (b"VXLAN, ", "a tunnel's own header"),
    (b"Geneve, ", "a tunnel's own header"),
    (b"GREv", "a tunnel's own header"),
    (b"BFDv", "session states"),
    (
        b"HSRPv",
        "router states; the cleartext key stands behind auth=",
    ),
    (b"VRRPv", "router states"),
    (b"CARPv", "router states"),
    (b"vrrp ", "router states"),
    (b"OSPFv", "a routing protocol"),
    (b"EIGRP", "a routing protocol"),
    (b"igmp", "group addresses"),
    (b"PIMv", "a routing protocol"),
    (b"ESP(", "a security association's figures"),
    (b"AH(", "a security association's figures"),
    (b"IPComp(", "a security association's figures"),
    (b"UDP-encap: ESP(", "a security association's figures"),
    (b"quic, ", "connection identifiers"),
    (b"sctp", "chunk figures"),
    (b"DCCP", "header figures"),
    (b"ip-proto-", "a number"),
    (b" ip-proto-", "a number"),
    (b"frag (", "fragment figures"),
    (b"HBH ", "extension header figures"),
    (b"DSTOPT ", "extension header figures"),
    (b"RT6 ", "extension header figures"),
    (b"srcrt ", "extension header figures"),
    (b"no next header", "the printer's own words"),
    (b"STP ", "bridge states"),
    (b"LLDP, ", "a length"),
    (b"CDPv", "a length"),
    (b"LACPv", "a length"),
    (b"UDLDv", "a length"),
    (b"VTPv", "a length"),
    (b"PPPoE PAD", "discovery tags"),
    (b"MPLS (", "labels"),
    (b"Loopback, ", "a skip count"),
    (b"bad-", "a damaged header's figures"),
    (b"IP", "a damaged header's figures"),
    (b": BGP", "a length"),
];

/// The rest of the head.
pub(super) fn rest<'a>(
    walk: &mut Walk<'_, 'a>,
    i: &'a [u8],
    protocol: u32,
    ports: Option<(u16, u16)>,
) {
    if i.is_empty() || i == b" " {
        return;
    }
    names(walk, i);
    if walk.keep.info || safe(i, protocol, ports) {
        let i = walk.without_added(i);
        let text = if walk.keep.info { i } else { own(i) };
        // What stands between `, length N` and a decoder's text is no part of it.
        let text = text.strip_prefix(b":").unwrap_or(text);
        let text = text.strip_prefix(b" ").unwrap_or(text);
        if text.is_empty() {
            return;
        }
        walk.part(Part::Info, text);
        walk.text(slot::INFO, text);
    }
}

/// Notes PPTP's text behind TCP's: its names may hold what looks like the next record.
pub(super) fn names(walk: &mut Walk<'_, '_>, i: &[u8]) {
    walk.parts.names |= i.starts_with(b": pptp ");
}

fn safe(i: &[u8], protocol: u32, ports: Option<(u16, u16)>) -> bool {
    if tunnel(i).is_some() {
        return true;
    }
    // DNS: over UDP it begins with its number, over TCP with a blank before it.
    if ports.is_some_and(is_dns) && matches!(protocol, 6 | 17) {
        let figure = if protocol == 6 {
            i.strip_prefix(b" ").unwrap_or(b"")
        } else {
            i
        };
        if figure.first().is_some_and(u8::is_ascii_digit) {
            return true;
        }
    }
    let known = |start: &[u8]| start.first() == i.first() && i.starts_with(start);
    SAFE.iter().any(|(start, _)| known(start))
        // HSRP's and VRRP's cleartext keys.
        && memchr::memmem::find(i, b"auth").is_none()
}

/// A header's own text, without the packet that it carries on the same line: what that one's
/// decoder prints may be anything, a password too.
fn own(i: &[u8]) -> &[u8] {
    if let Some(len) = tunnel(i) {
        return &i[..len];
    }
    // `AH(spi=0x00000001,seq=0x1,icv=0x…): 40000 > 21: Flags [P.], …: FTP: PASS …`,
    // `GREv1, call 24, seq 7, length 34: PAP, Auth-Req …`, `Geneve, Flags [none], vni 0x1: IP …`,
    // `IP 10.0.0.1.40000 > 10.0.0.2.21: Flags …`
    let carries = [
        &b"GREv"[..],
        b"Geneve, ",
        b"AH(",
        b"ESP(",
        b"IPComp(",
        b"MPLS (",
    ];
    let Some(end) = memchr::memmem::find(i, b": ") else {
        return i;
    };
    let inner = i.starts_with(b"IP ") || i.starts_with(b"IP6 ");
    let address = inner && memchr::memmem::find(&i[..end], b" > ").is_some();
    if address || carries.iter().any(|start| i.starts_with(start)) {
        return &i[..end];
    }
    i
}

/// An inner IP header on the same line: its own text up to the parenthesis that closes it, since
/// what the inner packet carries may be anything.
fn tunnel(i: &[u8]) -> Option<usize> {
    let at = if i.starts_with(b"IP (") {
        3
    } else if i.starts_with(b"IP6 (") {
        4
    } else {
        return None;
    };
    Some(at + super::leaf::balanced(&i[at..])?)
}

/// The protocol of a truncation mark, `ND_PRINT(" [|%s]", ndo->ndo_protocol)`: its printer spoke,
/// and had nothing to read.
pub(super) fn truncated(i: &[u8]) -> Option<Fixed> {
    let i = i.strip_prefix(b" ").unwrap_or(i);
    match i.strip_prefix(b"[|")?.strip_suffix(b"]")? {
        b"tcp" => Some(Fixed::Tcp),
        b"udp" => Some(Fixed::Udp),
        b"icmp" => Some(Fixed::Icmp),
        b"icmp6" => Some(Fixed::Icmp6),
        b"sctp" => Some(Fixed::Sctp),
        b"dccp" => Some(Fixed::Dccp),
        // Upper case up to 4.9.3.
        b"arp" | b"ARP" => Some(Fixed::Arp),
        _ => None,
    }
}

/// The ports whose datagrams `udp_print` gives to `domain_print`: DNS, mDNS, LLMNR.
pub(super) fn is_dns((source, destination): (u16, u16)) -> bool {
    [53, 5353, 5355]
        .iter()
        .any(|port| source == *port || destination == *port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_tunnel_carries_is_not_its_own() {
        for (line, kept) in [
            (
                "GREv0, length 58: IP 10.0.0.1.4 > 10.0.0.2.21: Flags [P.], length 14: FTP: PASS x",
                16,
            ),
            (
                "GREv1, call 24, seq 7, length 34: PAP, Auth-Req (0x01), id 1, Peer a, Name x",
                32,
            ),
            (
                "Geneve, Flags [none], vni 0x1: IP 10.0.0.1.4 > 10.0.0.2.21: FTP: PASS x",
                29,
            ),
            (
                "AH(spi=0x00000001,seq=0x1,icv=0x00): 40 > 21: Flags [P.], length 14: FTP: PASS x",
                35,
            ),
            (
                "IP 10.0.0.1.40 > 10.0.0.2.21: Flags [P.], length 14: FTP: PASS x",
                28,
            ),
            (
                "IP6 fe80::1.40 > fe80::2.21: Flags [P.], length 14: FTP: PASS x",
                27,
            ),
            (
                "MPLS (label 5, tc 0, [S], ttl 64) IP 10.0.0.1.4 > 10.0.0.2.21: FTP: PASS x",
                61,
            ),
            ("IP6 version error: 5 != 6", 25),
            ("ESP(spi=0x00000001,seq=0x1), length 100", 39),
        ] {
            assert_eq!(own(line.as_bytes()), &line.as_bytes()[..kept], "{line}");
        }
    }
}

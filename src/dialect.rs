//! Spellings that today's tcpdump does not have, and who has them.
//!
//! One grammar reads all of them, since no two take the same words for different things: a stream
//! may change its dialect from record to record, as one of JunOS does, and needs no option.

use std::fmt;

use serde::Serialize;

/// A spelling that tcpdump 4.99 and later do not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
#[cfg_attr(
    not(feature = "explain"),
    expect(unreachable_pub, reason = "an explanation gives it out")
)]
pub enum Dialect {
    /// `S 1:1(0) ack 2 win 64`
    Segment,
    /// `(tos 0x0, ttl  64, …, length: 60) 192.0.2.1`
    Header,
    /// `arp who-has`
    Arp,
    /// `192.0.2.1.40000 > 198.51.100.2.53: udp 26`
    Bare,
    /// `icmp: echo request`
    Icmp,
    /// `ICMP6, echo request, seq 7`
    Echo,
    /// `ethertype 802.1Q, vlan 10`
    Ethertype,
    /// `[|ARP]`
    Truncated,
    /// `(en0, proc curl:123, out) IP`
    MacOs,
    /// `Port1, IN: IP`
    Sophos,
    /// ` in slot1/tmm0 lis=/Common/vs`
    BigIp,
}

#[cfg(feature = "explain")]
impl Dialect {
    const ALL: [Dialect; 11] = [
        Dialect::Segment,
        Dialect::Header,
        Dialect::Arp,
        Dialect::Bare,
        Dialect::Icmp,
        Dialect::Echo,
        Dialect::Ethertype,
        Dialect::Truncated,
        Dialect::MacOs,
        Dialect::Sophos,
        Dialect::BigIp,
    ];
}

/// Who has the spelling, and what shows it.
impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Dialect::Segment => {
                "tcpdump before 4.0, JunOS, or OpenBSD: TCP flags without `Flags [`"
            }
            Dialect::Header => "tcpdump 3.9, or JunOS: `length:` in an IPv4 header on one line",
            Dialect::Arp => "tcpdump before 4.0, JunOS, or OpenBSD: ARP in small letters",
            Dialect::Bare => "OpenBSD, or tcpdump before 3.8: addresses without `IP` before them",
            Dialect::Icmp => "OpenBSD, or tcpdump before 3.9: ICMP in small letters",
            Dialect::Echo => "tcpdump before 4.99: an ICMPv6 echo without its id",
            Dialect::Ethertype => "tcpdump before 4.99: an EtherType without its number",
            Dialect::Truncated => "tcpdump before 4.99: `[|ARP]`",
            Dialect::MacOs => "macOS: metadata in parentheses before the packet",
            Dialect::Sophos => "Sophos: a port and its direction before the packet",
            Dialect::BigIp => "BIG-IP: a slot and a listener behind the packet",
        })
    }
}

/// Those of a record.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Dialects(u16);

impl Dialects {
    pub(crate) fn add(&mut self, dialect: Dialect) {
        self.0 |= 1 << dialect as u16;
    }

    pub(crate) fn has(self, dialect: Dialect) -> bool {
        self.0 >> dialect as u16 & 1 == 1
    }

    /// No tcpdump from 4.99 on prints the record so.
    pub(crate) fn old(self) -> bool {
        // Systems that add something to each packet may have any.
        const ADDED: u16 =
            1 << Dialect::MacOs as u16 | 1 << Dialect::Sophos as u16 | 1 << Dialect::BigIp as u16;
        self.0 & !ADDED != 0
    }

    #[cfg(feature = "explain")]
    pub(crate) fn iter(self) -> impl Iterator<Item = Dialect> {
        Dialect::ALL
            .into_iter()
            .filter(move |dialect| self.has(*dialect))
    }
}

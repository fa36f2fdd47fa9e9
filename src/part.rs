//! The parts of a record, by the names that `packet_parse.json` has for them.

use serde::{Deserialize, Serialize};

/// A part of a record that the grammar finds, and that a field looks into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[repr(u8)]
pub enum Part {
    /// The whole head, its two lines joined by one blank.
    Head,
    /// What `-#` prints.
    Number,
    /// What `-t…` prints.
    Stamp,
    /// What `-e` and `-i any` print before the network header.
    Link,
    /// The text between the IP header's parentheses, or the ARP line.
    Network,
    /// `4` or `6`: which printer spoke.
    IpVersion,
    /// The name of what travels on top.
    Protocol,
    /// `A.P > B.P`
    Endpoints,
    /// `A > B`
    Hosts,
    /// `P > P`, behind extension headers.
    Ports,
    /// From `Flags [` to its `length N`.
    Tcp,
    /// The checksum's verdict, `UDP, length N`, and a DNS message's closing `(N)`.
    Udp,
    /// The message's own line.
    Icmp,
    /// The rest of the head.
    Info,
    /// All other continuation lines.
    Payload,
}

impl Part {
    /// Every part, in the order of the enumeration.
    pub const ALL: &[Part] = &[
        Part::Head,
        Part::Number,
        Part::Stamp,
        Part::Link,
        Part::Network,
        Part::IpVersion,
        Part::Protocol,
        Part::Endpoints,
        Part::Hosts,
        Part::Ports,
        Part::Tcp,
        Part::Udp,
        Part::Icmp,
        Part::Info,
        Part::Payload,
    ];

    /// The name as `packet_parse.json` spells it.
    pub fn name(self) -> &'static str {
        match self {
            Part::Head => "head",
            Part::Number => "number",
            Part::Stamp => "stamp",
            Part::Link => "link",
            Part::Network => "network",
            Part::IpVersion => "ip_version",
            Part::Protocol => "protocol",
            Part::Endpoints => "endpoints",
            Part::Hosts => "hosts",
            Part::Ports => "ports",
            Part::Tcp => "tcp",
            Part::Udp => "udp",
            Part::Icmp => "icmp",
            Part::Info => "info",
            Part::Payload => "payload",
        }
    }
}

//! A value in 64 bits: in itself, or where it stands.

use std::net::IpAddr;

/// Where a text stands: 32 bits of start, 2 bits of [`Home`], 30 bits of length.
pub(crate) const LENGTH_BITS: u32 = 30;

/// Which buffer a text cell points into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Home {
    /// The batch.
    Batch,
    /// The [`Fixed`] texts.
    Fixed,
    /// Text that stands nowhere in one piece: of a joined head.
    Joined,
}

pub(crate) fn text_cell(home: Home, start: usize, len: usize) -> u64 {
    debug_assert!(start <= u32::MAX as usize && len < 1 << LENGTH_BITS);
    (start as u64) << 32 | (home as u64) << LENGTH_BITS | len as u64
}

/// An address: IPv4 in the low 32 bits; IPv6 by its place in the table of them, with bit 63 set.
const WIDE: u64 = 1 << 63;

pub(crate) fn inet_cell(ip: IpAddr, wide: &mut Vec<u128>) -> u64 {
    match ip {
        IpAddr::V4(ip) => u64::from(ip.to_bits()),
        IpAddr::V6(ip) => {
            wide.push(ip.to_bits());
            WIDE | (wide.len() - 1) as u64
        }
    }
}

/// The place of an IPv6 address in the table of them, by its cell.
pub(crate) fn wide_index(cell: u64) -> Option<usize> {
    (cell & WIDE != 0).then_some((cell ^ WIDE) as usize)
}

/// A name in [`Fixed`] and its text, once.
macro_rules! names {
    ($($name:ident $text:literal),* $(,)?) => {
        /// A text that the grammar gives where the record does not spell it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Fixed {
            $($name,)*
            /// TCP's flags as tcpdump 4 prints them, by their bits: see [`flags`].
            Flags(u8),
            /// The same, of a segment whose text shows that it has no data: `S., length 0`.
            NoData(u8),
            /// A protocol that has no name: `ip-proto-253`.
            Number(u8),
        }
        #[repr(u16)]
        enum Place { $($name,)* }
        const NAMES: &[&str] = &[$($text),*];

        impl Fixed {
            /// Its place among all fixed texts.
            pub(crate) fn index(self) -> usize {
                match self {
                    $(Fixed::$name => Place::$name as usize,)*
                    Fixed::Flags(bits) => NAMES.len() + usize::from(bits),
                    Fixed::NoData(bits) => NAMES.len() + 256 + usize::from(bits),
                    Fixed::Number(n) => NAMES.len() + 512 + usize::from(n),
                }
            }
        }
    };
}

names! {
    Four "4", Six "6", Arp "ARP", Tcp "TCP", Udp "UDP", Icmp "ICMP", Icmp6 "ICMPv6", Sctp "SCTP",
    Dccp "DCCP", Esp "ESP", Ip "IP",
    // What IP carries, by the names that tcpdump's header line or IANA has for it.
    Hopopt "HOPOPT", Igmp "IGMP", Ipip "IPIP", Egp "EGP", Igrp "IGRP", Ip6In "IPv6",
    Route "IPv6-Route", Frag "IPv6-Frag", Rsvp "RSVP", Gre "GRE", Ah "AH", Mobile "MOBILE",
    NoNext "IPv6-NoNxt", Opts "IPv6-Opts", Eigrp "EIGRP", Ospf "OSPF", Pim "PIM",
    Ipcomp "IPComp", Vrrp "VRRP", Carp "CARP", Pgm "PGM", Mobility "Mobility Header",
    // What stands below IP.
    Rarp "RARP", Stp "STP", IsIs "IS-IS", EsIs "ES-IS", Clnp "CLNP", Eapol "EAPOL", Mpcp "MPCP",
    Wlan "802.11", Usb "USB", Bluetooth "Bluetooth", AppleTalk "AppleTalk", Aarp "AARP",
    // Directions, and ARP's operations.
    In "In", Out "Out", Request "Request", Reply "Reply", ReverseRequest "Reverse Request",
    ReverseReply "Reverse Reply", InverseRequest "Inverse Request", InverseReply "Inverse Reply",
}

impl Fixed {
    /// Its text.
    pub(crate) fn text(self) -> &'static str {
        fixed(self.index())
    }
}

/// The text of a place that [`Fixed::index`] gave.
#[inline]
pub(crate) fn fixed(index: usize) -> &'static str {
    match NAMES.get(index) {
        Some(name) => name,
        None => made(index - NAMES.len()),
    }
}

/// Of older dialects; kept out of line.
#[cold]
fn made(index: usize) -> &'static str {
    let (bytes, len) = &MADE[index];
    str::from_utf8(&bytes[..usize::from(*len)]).expect("it is ASCII")
}

/// The bits of [`Fixed::Flags`], in the order in which tcpdump 4 prints them.
pub(crate) mod flags {
    pub(crate) const FIN: u8 = 1;
    pub(crate) const SYN: u8 = 2;
    pub(crate) const RST: u8 = 4;
    pub(crate) const PUSH: u8 = 8;
    pub(crate) const ACK: u8 = 16;
    pub(crate) const URG: u8 = 32;
    pub(crate) const ECE: u8 = 64;
    pub(crate) const CWR: u8 = 128;
}

/// The letter of each bit.
const LETTERS: &[u8; 8] = b"FSRP.UEW";

/// A short text and its length.
type Made = ([u8; 24], u8);

/// Texts by number: flags, flags without data, protocols.
static MADE: [Made; 768] = {
    let mut all = [([0; 24], 0); 768];
    let mut n = 0;
    while n < 256 {
        let flags = with_flags(n as u8);
        all[n] = flags;
        all[256 + n] = push(flags, b", length 0");
        let mut proto = push(([0; 24], 0), b"ip-proto-");
        if n >= 100 {
            proto = push(proto, &[b'0' + (n / 100) as u8]);
        }
        if n >= 10 {
            proto = push(proto, &[b'0' + (n / 10 % 10) as u8]);
        }
        all[512 + n] = push(proto, &[b'0' + (n % 10) as u8]);
        n += 1;
    }
    all
};

const fn push(made: Made, text: &[u8]) -> Made {
    let (mut bytes, mut len) = made;
    let mut at = 0;
    while at < text.len() {
        bytes[len as usize] = text[at];
        len += 1;
        at += 1;
    }
    (bytes, len)
}

const fn with_flags(bits: u8) -> Made {
    if bits == 0 {
        return push(([0; 24], 0), b"none");
    }
    let mut made = ([0; 24], 0);
    let mut bit = 0;
    while bit < 8 {
        if bits >> bit & 1 == 1 {
            made = push(made, &[LETTERS[bit]]);
        }
        bit += 1;
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_texts_are_where_their_index_says() {
        for (made, text) in [
            (Fixed::Four, "4"),
            (Fixed::Mobility, "Mobility Header"),
            (Fixed::Flags(0), "none"),
            (Fixed::Flags(flags::SYN | flags::ACK), "S."),
            (Fixed::Flags(255), "FSRP.UEW"),
            (Fixed::NoData(flags::ACK), "., length 0"),
            (Fixed::NoData(255), "FSRP.UEW, length 0"),
            (Fixed::Number(0), "ip-proto-0"),
            (Fixed::Number(99), "ip-proto-99"),
            (Fixed::Number(253), "ip-proto-253"),
        ] {
            assert_eq!(made.text(), text);
        }
    }
}

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
    /// [`FIXED`].
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

/// Texts that the grammar gives where the record does not spell them.
pub(crate) const FIXED: [&str; 11] = [
    "4", "6", "ARP", "TCP", "UDP", "ICMP", "ICMPv6", "SCTP", "DCCP", "ESP", "IP",
];

/// An index into [`FIXED`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Fixed {
    Four,
    Six,
    Arp,
    Tcp,
    Udp,
    Icmp,
    Icmp6,
    Sctp,
    Dccp,
    Esp,
    Ip,
}

//! One record walked over: its parts, the values of its slots, and where productions put them.

use std::net::IpAddr;

use crate::bigip;
use crate::cell::{Fixed, Home, inet_cell, text_cell};
use crate::dialect::{Dialect, Dialects};
use crate::head::{Head, Stamp};
use crate::part::Part;

/// The built-in columns, in the order of `packet_parse.json`; a slot is an index into it.
macro_rules! slots {
    ($($slot:ident $name:literal),* $(,)?) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms, dead_code, reason = "indices, read as constants")]
        #[derive(Clone, Copy)]
        #[repr(u8)]
        enum Index { $($slot),* }
        #[allow(dead_code, reason = "some columns only the patterns fill")]
        pub(crate) mod slot {
            $(pub(crate) const $slot: usize = super::Index::$slot as usize;)*
        }
        pub(crate) const SLOTS: &[&str] = &[$($name),*];
    };
}

slots! {
    NUMBER "number", TIME "time", INTERFACE "interface", DIRECTION "direction",
    SOURCE_MAC "source_mac", DESTINATION_MAC "destination_mac", ETHERTYPE "ethertype",
    VLAN "vlan", VLAN_INNER "vlan_inner", FRAME_LENGTH "frame_length",
    PROCESS "process", PID "pid", EFFECTIVE_PROCESS "effective_process",
    EFFECTIVE_PID "effective_pid", IP_VERSION "ip_version",
    PROTOCOL "protocol", IP_PROTOCOL "ip_protocol", LENGTH "length", TOS "tos", TTL "ttl",
    IP_ID "ip_id", FRAGMENT_OFFSET "fragment_offset", IP_FLAGS "ip_flags",
    IP_OPTIONS "ip_options", IP_CKSUM_BAD "ip_cksum_bad", FLOWLABEL "flowlabel",
    SOURCE "source", DESTINATION "destination", SOURCE_PORT "source_port",
    DESTINATION_PORT "destination_port", FLAGS "flags", CKSUM "cksum", CKSUM_OK "cksum_ok",
    SEQ "seq", SEQ_END "seq_end", ACK "ack", WIN "win", URG "urg", TCP_OPTIONS "tcp_options",
    MSS "mss", WSCALE "wscale", TS_VAL "ts_val", TS_ECR "ts_ecr",
    PAYLOAD_LENGTH "payload_length", ICMP "icmp", ICMP_ID "icmp_id", ICMP_SEQ "icmp_seq",
    ARP_OP "arp_op", ARP_MAC "arp_mac", SOURCE_NAME "source_name",
    DESTINATION_NAME "destination_name", INFO "info",
}

/// `start..end` of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

/// A text of a part: in the batch, or fixed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Piece {
    Span(Span),
    Fixed(Fixed),
}

/// [`Part::Udp`] can stand in two places; this is the second's place in [`Parts::spans`].
const UDP_CLOSING: usize = Part::ALL.len();

/// [`Part::Link`] too: what an appliance or a system prints before every packet, and `-e`'s header.
const LINK_BEHIND: usize = UDP_CLOSING + 1;

/// The most lines that a head goes on for: a stack of labels has a few, Juniper's extensions
/// are up to eight, and each costs one.
const MOST_LINES: usize = 16;

/// The parts of one record.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    spans: [Span; LINK_BEHIND + 1],
    ip_version: Option<Fixed>,
    protocol: Option<Fixed>,
    direction: Option<Fixed>,
    operation: Option<Fixed>,
    tcp: Option<Fixed>,
    /// Bits of the parts that are there, and of the second pieces.
    present: u32,
    /// Bits of the parts whose fields only the regexes can tell.
    pub(crate) odd: u32,
    /// The later lines of the head, without their blanks or TAB: one, or with MPLS some more.
    more: [Span; MOST_LINES],
    lines: usize,
    /// The spellings of other tcpdumps that it has.
    pub(crate) dialects: Dialects,
    /// The record has text of PPTP's, whose names may hold what looks like the next record.
    pub(super) names: bool,
    pub(crate) stamp: Stamp,
    /// The head that ended this record, and where it stands: the next record's, if that is walked
    /// over next.
    pub(super) ahead: Option<(usize, Head)>,
}

impl Parts {
    pub(crate) fn new() -> Parts {
        Parts {
            spans: [Span::default(); LINK_BEHIND + 1],
            ip_version: None,
            protocol: None,
            direction: None,
            operation: None,
            tcp: None,
            present: 0,
            odd: 0,
            more: [Span::default(); MOST_LINES],
            lines: 0,
            dialects: Dialects::default(),
            names: false,
            stamp: Stamp::None,
            ahead: None,
        }
    }

    pub(super) fn clear(&mut self) {
        self.ip_version = None;
        self.protocol = None;
        self.direction = None;
        self.operation = None;
        self.tcp = None;
        self.present = 0;
        self.odd = 0;
        self.lines = 0;
        self.dialects = Dialects::default();
        self.names = false;
        self.stamp = Stamp::None;
    }

    /// The later lines of the head.
    pub(crate) fn more(&self) -> &[Span] {
        &self.more[..self.lines]
    }

    /// The texts of a part, in their order. [`Part::Head`] is the first line; see
    /// [`Parts::more`].
    pub(crate) fn pieces(&self, part: Part) -> impl Iterator<Item = Piece> {
        let fixed = match part {
            Part::IpVersion => self.ip_version,
            Part::Protocol => self.protocol,
            _ => None,
        };
        let span = |i: usize| (self.present >> i & 1 == 1).then(|| Piece::Span(self.spans[i]));
        let second = match part {
            Part::Udp => span(UDP_CLOSING),
            Part::Link => span(LINK_BEHIND),
            _ => None,
        };
        // What the printer says in other words than today's.
        let reworded = match part {
            Part::Link => self.direction,
            Part::Network => self.operation,
            Part::Tcp => self.tcp,
            _ => None,
        };
        fixed
            .map(Piece::Fixed)
            .or(span(part as usize))
            .into_iter()
            .chain(second)
            .chain(reworded.map(Piece::Fixed))
    }

    /// The parts of a cut record that say less than the whole would, as bits: its text is known up to
    /// `end`, and one word more could make it another message, another type or another length.
    pub(crate) fn uncertain(&self, end: usize, slots: &Slots) -> u32 {
        let there = |part| self.present >> part as u32 & 1 == 1;
        let odd = |part: Part| self.odd >> part as u32 & 1 == 1;
        let at_end = |part: Part| {
            let mut pieces = self.pieces(part);
            pieces.any(|piece| matches!(piece, Piece::Span(s) if s.end as usize + 1 >= end))
        };
        let arp = self.protocol == Some(Fixed::Arp);
        // What is said of the network behind a packet.
        let tail = !arp && odd(Part::Network) && at_end(Part::Network);
        let below = !arp && self.ip_version.is_none();
        // In older texts what follows the letters of the flags tells more of them.
        let letters = self.dialects.has(Dialect::Segment);
        let cut = [
            (Part::Link, below || at_end(Part::Link)),
            (Part::Network, tail),
            (Part::Icmp, at_end(Part::Icmp)),
            (Part::Info, at_end(Part::Info)),
            (Part::Udp, tail || at_end(Part::Udp)),
            (Part::Tcp, letters && at_end(Part::Tcp)),
        ];
        let cut = cut.iter().filter(|(_, cut)| *cut);
        let cut = cut.fold(0, |bits, (part, _)| bits | 1 << *part as u32);
        let carried =
            (slots.mask >> slot::IP_PROTOCOL & 1 == 1).then(|| slots.cells[slot::IP_PROTOCOL]);
        // IPv6's extension headers are followed by others; CARP has VRRP's number.
        let named = match (self.ip_version, carried) {
            (_, None | Some(112)) => self.protocol == Some(Fixed::Arp),
            (Some(Fixed::Four), Some(_)) => true,
            (_, Some(carried)) => matches!(carried, 6 | 17 | 58),
        };
        let told = named || there(Part::Tcp) || there(Part::Udp) || there(Part::Icmp);
        cut | u32::from(!told) << Part::Protocol as u32
    }

    /// Whether the head can go on in one more line.
    pub(super) fn has_room(&self) -> bool {
        self.lines < MOST_LINES
    }

    /// The head's lines with one blank between, at the end of `head`.
    pub(crate) fn join(&self, bytes: &[u8], head: &mut Vec<u8>) {
        for piece in self.pieces(Part::Head) {
            if let Piece::Span(s) = piece {
                head.extend_from_slice(&bytes[s.start as usize..s.end as usize]);
            }
        }
        for s in self.more() {
            head.push(b' ');
            head.extend_from_slice(&bytes[s.start as usize..s.end as usize]);
        }
    }

    /// Whether a part is there.
    pub(crate) fn has(&self, part: Part) -> bool {
        self.pieces(part).next().is_some()
    }
}

/// The typed values of one record.
#[derive(Clone, Debug)]
pub(crate) struct Slots {
    /// By slot; as many as the mask has bits, so that none of them is out of range.
    pub(crate) cells: [u64; 64],
    pub(crate) mask: u64,
}

impl Slots {
    pub(crate) fn new() -> Slots {
        Slots {
            cells: [0; 64],
            mask: 0,
        }
    }

    #[inline]
    fn set(&mut self, slot: usize, cell: u64) {
        self.cells[slot] = cell;
        self.mask |= 1 << slot;
    }
}

/// What the user asked to keep.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Keep {
    /// `info` of every decoder, not only of those that print no secrets.
    pub(crate) info: bool,
}

/// A walk over one record: where the productions put what they find.
pub(super) struct Walk<'w, 'a> {
    pub(super) buf: &'a [u8],
    pub(super) parts: &'w mut Parts,
    pub(super) slots: &'w mut Slots,
    pub(super) wide: &'w mut Vec<u128>,
    pub(super) keep: Keep,
}

impl<'a> Walk<'_, 'a> {
    /// Where a slice of the buffer stands in it.
    #[inline]
    pub(super) fn span(&self, text: &[u8]) -> Span {
        let start = text.as_ptr() as usize - self.buf.as_ptr() as usize;
        Span {
            start: start as u32,
            end: (start + text.len()) as u32,
        }
    }

    /// The text from the beginning of `from` to the beginning of `to`, a later slice of the same
    /// line.
    #[inline]
    pub(super) fn between(&self, from: &'a [u8], to: &[u8]) -> &'a [u8] {
        &from[..from.len() - to.len()]
    }

    /// A part whose fields are in their slots.
    #[inline]
    pub(super) fn part(&mut self, part: Part, text: &[u8]) {
        self.parts.spans[part as usize] = self.span(text);
        self.parts.present |= 1 << part as u32;
    }

    /// A part whose fields the regexes will find.
    pub(super) fn odd(&mut self, part: Part, text: &[u8]) {
        self.part(part, text);
        self.parts.odd |= 1 << part as u32;
    }

    /// A packet's text without what BIG-IP adds to it.
    pub(super) fn without_added<'b>(&mut self, text: &'b [u8]) -> &'b [u8] {
        let own = bigip::without(text);
        if own.len() < text.len() {
            self.parts.dialects.add(Dialect::BigIp);
        }
        own
    }

    /// The second place of [`Part::Link`], or its first if that is free.
    pub(super) fn odd_link(&mut self, text: &[u8]) {
        if self.parts.present >> Part::Link as u32 & 1 == 0 {
            return self.odd(Part::Link, text);
        }
        self.parts.spans[LINK_BEHIND] = self.span(text);
        self.parts.present |= 1 << LINK_BEHIND;
        self.parts.odd |= 1 << Part::Link as u32;
    }

    /// A line that the head goes on with.
    pub(super) fn continues(&mut self, text: &[u8]) {
        self.parts.more[self.parts.lines] = self.span(text);
        self.parts.lines += 1;
    }

    #[inline]
    pub(super) fn text(&mut self, slot: usize, text: &[u8]) {
        let start = text.as_ptr() as usize - self.buf.as_ptr() as usize;
        self.slots
            .set(slot, text_cell(Home::Batch, start, text.len()));
    }

    #[inline]
    pub(super) fn number(&mut self, slot: usize, n: u64) {
        self.slots.set(slot, n);
    }

    /// A number, unless one stood before.
    #[inline]
    pub(super) fn first(&mut self, slot: usize, n: u64) {
        if self.slots.mask >> slot & 1 == 0 {
            self.number(slot, n);
        }
    }

    #[inline]
    pub(super) fn flag(&mut self, slot: usize, flag: bool) {
        self.slots.set(slot, u64::from(flag));
    }

    #[inline]
    pub(super) fn address(&mut self, slot: usize, ip: IpAddr) {
        let cell = inet_cell(ip, self.wide);
        self.slots.set(slot, cell);
    }

    pub(super) fn protocol(&mut self, fixed: Fixed) {
        self.parts.protocol = Some(fixed);
        self.fixed(slot::PROTOCOL, fixed);
    }

    /// The last text of [`Part::Link`]: the direction in today's words, where the printer has others.
    pub(super) fn direction(&mut self, fixed: Fixed) {
        self.parts.direction = Some(fixed);
        self.fixed(slot::DIRECTION, fixed);
    }

    /// The last text of [`Part::Network`]: ARP's operation in today's words, where the printer has
    /// others.
    pub(super) fn operation(&mut self, fixed: Fixed) {
        self.parts.operation = Some(fixed);
        self.fixed(slot::ARP_OP, fixed);
    }

    fn fixed(&mut self, slot: usize, fixed: Fixed) {
        let cell = text_cell(Home::Fixed, fixed.index(), fixed.text().len());
        self.slots.set(slot, cell);
    }

    /// The second text of [`Part::Tcp`]: flags that the record does not spell as tcpdump 4 does,
    /// and that there is no data where an older one shows this by printing no sequence number.
    pub(super) fn tcp_flags(&mut self, fixed: Fixed) {
        self.parts.tcp = Some(fixed);
        let len = match fixed {
            Fixed::NoData(bits) => Fixed::Flags(bits).text().len(),
            other => other.text().len(),
        };
        let cell = text_cell(Home::Fixed, fixed.index(), len);
        self.slots.set(slot::FLAGS, cell);
        if matches!(fixed, Fixed::NoData(_)) {
            self.slots.set(slot::PAYLOAD_LENGTH, 0);
        }
    }

    /// A protocol that the text names.
    pub(super) fn protocol_name(&mut self, name: &[u8]) {
        if !name.is_empty() {
            self.parts.protocol = None;
            self.part(Part::Protocol, name);
            self.text(slot::PROTOCOL, name);
        }
    }

    #[inline]
    pub(super) fn ip_version(&mut self, six: bool) {
        self.parts.ip_version = Some(if six { Fixed::Six } else { Fixed::Four });
        self.slots.set(slot::IP_VERSION, if six { 6 } else { 4 });
    }

    /// The second place of [`Part::Udp`]: a DNS message's closing `(N)`, or a decoder's `length N`.
    pub(super) fn udp_length(&mut self, text: &[u8]) {
        self.parts.spans[UDP_CLOSING] = self.span(text);
        self.parts.present |= 1 << UDP_CLOSING;
    }
}

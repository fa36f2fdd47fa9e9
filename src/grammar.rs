//! The structure of a record: which bytes are which part.
//!
//! A record's head is read from left to right, anchored, one function for each format string of
//! tcpdump's `print-*.c`, with that string quoted above it. Nothing is ever searched for over text
//! that a packet can control, so a typed field can't be forged.
//!
//! Most productions type what they walk over: the value goes into its *slot*. That is a shortcut
//! to what the field's regex would find in the part. Where a production leaves its path, the part
//! is marked *odd*, and the regexes decide.

mod arp;
mod icmp;
mod info;
mod ip;
mod ip6;
mod leaf;
mod link;
mod tcp;
mod udp;

use crate::cell::{FIXED, Fixed, Home, inet_cell, text_cell};
use crate::head::{Head, Stamp, Style};
use crate::message::is_message;
use crate::part::Part;
use crate::scan;

use std::net::IpAddr;

/// The built-in columns, in the order of `packet_parse.json`; a slot is an index into it.
macro_rules! slots {
    ($($slot:ident $name:literal),* $(,)?) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms, reason = "indices, read as constants")]
        #[derive(Clone, Copy)]
        #[repr(u8)]
        enum Index { $($slot),* }
        pub(crate) mod slot {
            $(pub(crate) const $slot: usize = super::Index::$slot as usize;)*
        }
        pub(crate) const SLOTS: &[&str] = &[$($name),*];
    };
}

slots! {
    NUMBER "number", TIME "time", INTERFACE "interface", DIRECTION "direction",
    SOURCE_MAC "source_mac", DESTINATION_MAC "destination_mac", ETHERTYPE "ethertype",
    VLAN "vlan", VLAN_INNER "vlan_inner", FRAME_LENGTH "frame_length", IP_VERSION "ip_version",
    PROTOCOL "protocol", IP_PROTOCOL "ip_protocol", LENGTH "length", TOS "tos", TTL "ttl",
    IP_ID "ip_id", FRAGMENT_OFFSET "fragment_offset", IP_FLAGS "ip_flags",
    IP_OPTIONS "ip_options", IP_CKSUM_BAD "ip_cksum_bad", FLOWLABEL "flowlabel",
    SOURCE "source", DESTINATION "destination", SOURCE_PORT "source_port",
    DESTINATION_PORT "destination_port", FLAGS "flags", CKSUM "cksum", CKSUM_OK "cksum_ok",
    SEQ "seq", SEQ_END "seq_end", ACK "ack", WIN "win", URG "urg", TCP_OPTIONS "tcp_options",
    MSS "mss", WSCALE "wscale", TS_VAL "ts_val", TS_ECR "ts_ecr",
    PAYLOAD_LENGTH "payload_length", ICMP "icmp", ICMP_ID "icmp_id", ICMP_SEQ "icmp_seq",
    ARP_OP "arp_op", ARP_MAC "arp_mac", INFO "info",
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

/// The most lines that a head goes on for: a stack of labels has a few, Juniper's extensions
/// are up to eight, and each costs one.
const MOST_LINES: usize = 16;

/// The parts of one record.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    spans: [Span; UDP_CLOSING + 1],
    ip_version: Option<Fixed>,
    protocol: Option<Fixed>,
    /// Bits of the parts that are there, and of the second UDP piece.
    present: u32,
    /// Bits of the parts whose fields only the regexes can tell.
    pub(crate) odd: u32,
    /// The later lines of the head, without their blanks or TAB: one, or with MPLS some more.
    more: [Span; MOST_LINES],
    lines: usize,
    pub(crate) stamp: Stamp,
    /// The head that ended this record, and where it stands: the next record's, if that is walked
    /// over next.
    ahead: Option<(usize, Head)>,
}

impl Parts {
    pub(crate) fn new() -> Parts {
        Parts {
            spans: [Span::default(); UDP_CLOSING + 1],
            ip_version: None,
            protocol: None,
            present: 0,
            odd: 0,
            more: [Span::default(); MOST_LINES],
            lines: 0,
            stamp: Stamp::None,
            ahead: None,
        }
    }

    fn clear(&mut self) {
        self.ip_version = None;
        self.protocol = None;
        self.present = 0;
        self.odd = 0;
        self.lines = 0;
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
        let second = if part == Part::Udp {
            span(UDP_CLOSING)
        } else {
            None
        };
        fixed
            .map(Piece::Fixed)
            .or(span(part as usize))
            .into_iter()
            .chain(second)
    }

    /// Whether a part is there.
    pub(crate) fn has(&self, part: Part) -> bool {
        self.pieces(part).next().is_some()
    }
}

/// The typed values of one record.
#[derive(Clone, Debug)]
pub(crate) struct Slots {
    pub(crate) cells: [u64; SLOTS.len()],
    pub(crate) mask: u64,
}

impl Slots {
    pub(crate) fn new() -> Slots {
        Slots {
            cells: [0; SLOTS.len()],
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
struct Walk<'w, 'a> {
    buf: &'a [u8],
    parts: &'w mut Parts,
    slots: &'w mut Slots,
    wide: &'w mut Vec<u128>,
    keep: Keep,
}

impl<'a> Walk<'_, 'a> {
    /// Where a slice of the buffer stands in it.
    #[inline]
    fn span(&self, text: &[u8]) -> Span {
        let start = text.as_ptr() as usize - self.buf.as_ptr() as usize;
        Span {
            start: start as u32,
            end: (start + text.len()) as u32,
        }
    }

    /// The text from the beginning of `from` to the beginning of `to`, a later slice of the same
    /// line.
    #[inline]
    fn between(&self, from: &'a [u8], to: &[u8]) -> &'a [u8] {
        &from[..from.len() - to.len()]
    }

    /// A part whose fields are in their slots.
    #[inline]
    fn part(&mut self, part: Part, text: &[u8]) {
        self.parts.spans[part as usize] = self.span(text);
        self.parts.present |= 1 << part as u32;
    }

    /// A part whose fields the regexes will find.
    fn odd(&mut self, part: Part, text: &[u8]) {
        self.part(part, text);
        self.parts.odd |= 1 << part as u32;
    }

    /// A line that the head goes on with.
    fn continues(&mut self, text: &[u8]) {
        self.parts.more[self.parts.lines] = self.span(text);
        self.parts.lines += 1;
    }

    #[inline]
    fn text(&mut self, slot: usize, text: &[u8]) {
        let start = text.as_ptr() as usize - self.buf.as_ptr() as usize;
        self.slots
            .set(slot, text_cell(Home::Batch, start, text.len()));
    }

    #[inline]
    fn number(&mut self, slot: usize, n: u64) {
        self.slots.set(slot, n);
    }

    #[inline]
    fn flag(&mut self, slot: usize, flag: bool) {
        self.slots.set(slot, u64::from(flag));
    }

    #[inline]
    fn address(&mut self, slot: usize, ip: IpAddr) {
        let cell = inet_cell(ip, self.wide);
        self.slots.set(slot, cell);
    }

    fn protocol(&mut self, fixed: Fixed) {
        self.parts.protocol = Some(fixed);
        self.slots.set(
            slot::PROTOCOL,
            text_cell(Home::Fixed, fixed as usize, FIXED[fixed as usize].len()),
        );
    }

    /// A protocol that the text names.
    fn protocol_name(&mut self, name: &[u8]) {
        if !name.is_empty() {
            self.parts.protocol = None;
            self.part(Part::Protocol, name);
            self.text(slot::PROTOCOL, name);
        }
    }

    #[inline]
    fn ip_version(&mut self, six: bool) {
        self.parts.ip_version = Some(if six { Fixed::Six } else { Fixed::Four });
        self.slots.set(slot::IP_VERSION, if six { 6 } else { 4 });
    }

    /// The second place of [`Part::Udp`]: a DNS message's closing `(N)`, or a decoder's `length N`.
    fn udp_length(&mut self, text: &[u8]) {
        self.parts.spans[UDP_CLOSING] = self.span(text);
        self.parts.present |= 1 << UDP_CLOSING;
    }
}

/// What the first line leaves to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Await {
    /// Nothing.
    Nothing,
    /// An IPv4 header: its endpoints stand behind four blanks.
    Endpoints(ip::Header),
    /// An MPLS header: the next header stands behind a TAB.
    Tab,
    /// Juniper's link header with `-vv`: more of it stands behind a TAB.
    Flags,
    /// Its end: the packet stands behind a TAB.
    Original,
    /// An NSH header: the next header stands behind four blanks, behind lines of its own with more.
    Blanks,
}

/// One line, without its line feed and a carriage return before that; and where the next begins.
#[inline]
fn line(buf: &[u8], start: usize) -> (&[u8], usize) {
    let (mut end, next) = match memchr::memchr(b'\n', &buf[start..]) {
        Some(i) => (start + i, start + i + 1),
        None => (buf.len(), buf.len()),
    };
    if end > start && buf[end - 1] == b'\r' {
        end -= 1;
    }
    (&buf[start..end], next)
}

/// The rest of a line that stands behind exactly four blanks.
fn four_blanks(line: &[u8]) -> Option<&[u8]> {
    line.strip_prefix(b"    ")
        .filter(|rest| rest.first() != Some(&b' '))
}

/// Walks over the record at `start`: fills its parts and slots, and gives its end; `Err` where
/// one of tcpdump's own messages stands among its lines.
#[allow(
    clippy::too_many_arguments,
    reason = "one call site; the outputs are reused buffers"
)]
pub(crate) fn record(
    buf: &[u8],
    start: usize,
    style: &Style,
    keep: Keep,
    parts: &mut Parts,
    slots: &mut Slots,
    wide: &mut Vec<u128>,
) -> Result<usize, Message> {
    parts.clear();
    slots.mask = 0;
    let head = match parts.ahead.take() {
        Some((at, head)) if at == start => Some(head),
        _ => style.head(&buf[start..]),
    };
    let (first, mut next) = line(buf, start);
    let mut walk = Walk {
        buf,
        parts,
        slots,
        wide,
        keep,
    };
    walk.part(Part::Head, first);
    let mut waits = match head {
        Some(head) => {
            if let Some((from, to)) = head.number {
                let digits = &first[from..to];
                walk.part(Part::Number, digits);
                match scan::decimal(digits).and_then(|n| i64::try_from(n).ok()) {
                    Some(n) => walk.number(slot::NUMBER, n as u64),
                    None => walk.odd(Part::Number, digits),
                }
            }
            if head.stamp.0 < head.stamp.1 {
                let stamp = &first[head.stamp.0..head.stamp.1];
                if head.value == Stamp::None {
                    // A time that does not fit: the regexes say so.
                    walk.odd(Part::Stamp, stamp);
                } else {
                    walk.part(Part::Stamp, stamp);
                    walk.parts.stamp = head.value;
                    walk.number(slot::TIME, 0);
                }
            }
            link::body(&mut walk, &first[head.body..])
        }
        None => Await::Nothing,
    };
    // The head goes on in the next lines.
    while waits != Await::Nothing && next < buf.len() && walk.parts.lines < MOST_LINES {
        let (text, after) = line(buf, next);
        waits = match waits {
            Await::Endpoints(header) => {
                let Some(text) = four_blanks(text) else { break };
                // Small numbers of `-#` stand behind four blanks, too.
                if style.numbered() && style.head(&buf[next..]).is_some() {
                    break;
                }
                walk.continues(text);
                ip::endpoints(&mut walk, text, header);
                Await::Nothing
            }
            Await::Tab => {
                let Some(text) = text.strip_prefix(b"\t") else {
                    break;
                };
                walk.continues(text);
                link::below_label(&mut walk, text)
            }
            Await::Flags | Await::Original => {
                let Some(text) = text.strip_prefix(b"\t") else {
                    break;
                };
                walk.continues(text);
                link::below_flags(&mut walk, text, waits == Await::Original)
            }
            Await::Blanks => {
                // Small numbers of `-#` stand behind four blanks, too.
                if !text.starts_with(b"    ")
                    || style.numbered() && style.head(&buf[next..]).is_some()
                {
                    break;
                }
                let text = text.trim_ascii_start();
                walk.continues(text);
                let own = [&b"Context["[..], b"TLV Class ", b"Value: 0x"];
                if own.iter().any(|start| text.starts_with(start)) {
                    Await::Blanks
                } else {
                    link::below_label(&mut walk, text)
                }
            }
            Await::Nothing => break,
        };
        next = after;
    }
    // Every other line up to the next head is payload.
    let payload = next;
    while next < buf.len() {
        let rest = &buf[next..];
        if rest[0] != b'\t' {
            if let Some(head) = style.head(rest) {
                walk.parts.ahead = Some((next, head));
                break;
            }
            if rest[0] != b' ' && is_message(line(buf, next).0) {
                return Err(Message);
            }
        }
        next = line(buf, next).1;
    }
    if payload < next {
        walk.part(Part::Payload, &buf[payload..next]);
    }
    Ok(next)
}

/// One of tcpdump's own messages stands among the lines of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message;

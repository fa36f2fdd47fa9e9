//! Recognises the text of `-A`, in which a packet can forge anything.

use crate::batch::Batch;
use crate::grammar::{self, Keep, Parts, Slots, slot};
use crate::namespace::Part;
use crate::packet::Packets;

/// How many IP records, each followed by its own dump, prove that `-A` was given. Only the first
/// ones of a stream count: later, one crafted packet must not shut a sensor out.
const PROOF: u32 = 8;

/// How far into a dump the IP header is looked for: `-AA` prints the link header first.
const LINK_HEADER: usize = 64;

/// Watches the beginning of one stream.
#[derive(Clone, Debug, Default)]
pub struct AsciiGuard {
    seen: u32,
    decided: bool,
    /// Bytes to come that the last dump covers: heads within are the packet's.
    covered: usize,
}

impl AsciiGuard {
    /// A guard at the beginning of a stream.
    pub fn new() -> AsciiGuard {
        AsciiGuard::default()
    }

    /// Looks at the next packets; `true`: this is the text of `-A`, refuse it.
    pub fn check(&mut self, packets: &Packets) -> bool {
        if self.decided {
            return false;
        }
        let batch = &packets.0.batch;
        for row in &packets.0.rows {
            let start = row.start as usize;
            if start < self.covered {
                continue;
            }
            match dump(batch, start) {
                Dump::NotIp => {}
                Dump::None => {
                    self.decided = true;
                    return false;
                }
                Dump::Until(end) => {
                    self.covered = end;
                    self.seen += 1;
                    if self.seen == PROOF {
                        self.decided = true;
                        return true;
                    }
                }
            }
        }
        self.covered = self.covered.saturating_sub(batch.bytes.len());
        false
    }

    /// Whether every IP record so far was followed by its own dump, and there are too few to tell.
    /// What was checked since should go nowhere until this is settled.
    pub fn suspects(&self) -> bool {
        !self.decided && self.seen > 0
    }

    /// At the end of a stream with fewer IP records: `true` where each had its dump.
    pub fn finish(&mut self) -> bool {
        let proven = !self.decided && self.seen > 0;
        self.decided = true;
        proven
    }
}

enum Dump {
    NotIp,
    None,
    Until(usize),
}

/// The record's own dump: the IP header's bytes as `ascii_print` in `print-ascii.c` shows them,
/// at column 0 of a continuation line.
fn dump(batch: &Batch, start: usize) -> Dump {
    let (mut parts, mut slots) = (Parts::new(), Slots::new());
    let walked = grammar::record(
        &batch.bytes,
        start,
        &batch.style,
        Keep::default(),
        &mut parts,
        &mut slots,
        &mut Vec::new(),
    );
    let (Ok(end), Some((header, length))) = (walked, header(&slots)) else {
        return Dump::NotIp;
    };
    let Some(grammar::Piece::Span(payload)) = parts.pieces(Part::Payload).next() else {
        return Dump::None;
    };
    let shown: Vec<u8> = header[1..].iter().map(|b| shown(*b)).collect();
    let mut line = payload.start as usize;
    while line < end {
        let rest = &batch.bytes[line..];
        if rest[0] != b'\t' {
            // The first byte holds the header's length, which the text does not tell.
            let window = &rest[..rest.len().min(LINK_HEADER + shown.len())];
            let found = memchr::memmem::find_iter(window, &shown)
                .any(|at| at > 0 && shown_first(header[0], window[at - 1]));
            return if found {
                Dump::Until(line + length)
            } else {
                Dump::None
            };
        }
        line += memchr::memchr(b'\n', rest).map_or(rest.len(), |i| i + 1);
    }
    Dump::None
}

/// `if (!ND_ASCII_ISGRAPH(s) && (s != '\t' && s != ' ' && s != '\n')) ND_PRINT(".")`
fn shown(byte: u8) -> u8 {
    if byte.is_ascii_graphic() || matches!(byte, b'\t' | b' ' | b'\n') {
        byte
    } else {
        b'.'
    }
}

/// Version 4 with any header length, or version 6 with its traffic class.
fn shown_first(byte: u8, text: u8) -> bool {
    if byte >> 4 == 4 {
        (b'E'..=b'O').contains(&text)
    } else {
        text == shown(byte)
    }
}

/// The first bytes of the packet as its printed fields tell them, and its length.
fn header(slots: &Slots) -> Option<(Vec<u8>, usize)> {
    let get = |slot: usize| (slots.mask >> slot & 1 == 1).then(|| slots.cells[slot]);
    let length = get(slot::LENGTH)?;
    let protocol = get(slot::IP_PROTOCOL)? as u8;
    let ttl = get(slot::TTL).unwrap_or(0) as u8;
    let tos = get(slot::TOS).unwrap_or(0) as u8;
    let two = |n: u64| (n as u16).to_be_bytes();
    let mut bytes = Vec::with_capacity(10);
    match get(slot::IP_VERSION)? {
        4 => {
            // Flags and offset, the identification: what stands before says enough.
            bytes.extend([0x45, tos]);
            bytes.extend(two(length));
            bytes.extend(two(get(slot::IP_ID)?));
            Some((bytes, length as usize))
        }
        _ => {
            let label = get(slot::FLOWLABEL).unwrap_or(0) as u32;
            let first = 0x6000_0000 | u32::from(tos) << 20 | label & 0xf_ffff;
            bytes.extend(first.to_be_bytes());
            bytes.extend(two(length));
            bytes.extend([protocol, ttl]);
            Some((bytes, length as usize + 40))
        }
    }
}

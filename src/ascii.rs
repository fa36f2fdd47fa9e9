//! Recognises the text of `-A`, in which a packet can forge anything.

use crate::batch::Batch;
use crate::grammar::{self, Keep, Parts, Piece, Slots, slot};
use crate::packet::Packets;
use crate::part::Part;

/// How many IP records, each followed by its own dump, prove that `-A` was given. Only the first
/// ones of a stream count: later, one crafted packet must not shut a sensor out.
const PROOF: u32 = 8;

/// How many records are looked at before it is decided without them: each costs a second walk.
/// Text of `-A` shows eight IP packets long before, unless hardly anything in it is IP.
const PATIENCE: u32 = 1 << 16;

/// How far into a dump the IP header is looked for: `-AA` prints the link header first.
const LINK_HEADER: usize = 64;

/// How far behind a record's head its dump is looked for: printers say less before it.
const BEFORE_DUMP: usize = 64 << 10;

#[cfg(test)]
thread_local! {
    /// Places at which a header was looked for.
    static PLACES: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// Watches the beginning of one stream.
#[derive(Clone, Debug, Default)]
pub struct AsciiGuard {
    /// IP records with their dumps.
    seen: u32,
    /// Records of any kind.
    looked_at: u32,
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
            self.looked_at += 1;
            if self.looked_at == PATIENCE {
                return self.finish();
            }
        }
        self.covered = self.covered.saturating_sub(batch.bytes.len());
        false
    }

    /// Whether every IP record so far was followed by its own dump, but there are too few to
    /// decide. Packets checked since then must be held back until this is decided.
    pub fn suspects(&self) -> bool {
        !self.decided && self.seen > 0
    }

    /// Whether the kind of this text is known.
    pub fn decided(&self) -> bool {
        self.decided
    }

    /// At the end of a stream with fewer IP records: `true` where each had its dump. After 65,536
    /// records [`AsciiGuard::check`] decides so by itself.
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
    let (mut parts, mut slots, mut wide) = (Parts::new(), Slots::new(), Vec::new());
    let keep = Keep::default();
    let walked = grammar::record(
        &batch.bytes,
        start,
        &batch.style,
        keep,
        &mut parts,
        &mut slots,
        &mut wide,
    );
    let (Ok(end), Some((header, length))) = (walked, header(&slots, &wide)) else {
        return Dump::NotIp;
    };
    let Some(Piece::Span(payload)) = parts.pieces(Part::Payload).next() else {
        return Dump::None;
    };
    // A header of which little is known stands at the very beginning.
    let places = if header.iter().flatten().count() < 8 {
        1
    } else {
        LINK_HEADER + 1
    };
    let mut line = payload.start as usize;
    let limit = line + BEFORE_DUMP;
    // No place is looked at twice, however short the lines are.
    let mut looked = line;
    while line < end {
        if line >= limit {
            return Dump::NotIp;
        }
        let rest = &batch.bytes[line..];
        // An inner packet's lines may stand before it: at column 0 (VXLAN), or behind four blanks.
        if !matches!(rest[0], b'\t' | b' ') {
            let (from, to) = (looked.max(line), line + places);
            looked = looked.max(to);
            let last = batch.bytes.len().min(to + header.len() - 1);
            let window = batch.bytes.get(from..last).unwrap_or_default();
            #[cfg(test)]
            PLACES.set(PLACES.get() + (to - from) as u64);
            let found = window.windows(header.len()).any(|text| {
                header
                    .iter()
                    .zip(text)
                    .all(|(byte, shown)| byte.is_none_or(|b| b.shows(*shown)))
            });
            if found {
                return Dump::Until(line + length);
            }
        }
        line += memchr::memchr(b'\n', rest).map_or(rest.len(), |i| i + 1);
    }
    Dump::None
}

/// What is known of a byte of the header.
#[derive(Clone, Copy)]
enum Known {
    Byte(u8),
    /// The first of an IPv4 header: the text does not tell its length.
    Version4,
}

impl Known {
    /// `if (!ND_ASCII_ISGRAPH(s) && (s != '\t' && s != ' ' && s != '\n')) ND_PRINT(".")`
    fn shows(self, text: u8) -> bool {
        match self {
            Known::Version4 => (b'E'..=b'O').contains(&text),
            Known::Byte(b) if b.is_ascii_graphic() || matches!(b, b'\t' | b' ' | b'\n') => {
                text == b
            }
            Known::Byte(_) => text == b'.',
        }
    }
}

/// The header's bytes as far as its printed fields tell them (without `-v` only the addresses do),
/// and about how many bytes the dump has.
fn header(slots: &Slots, wide: &[u128]) -> Option<(Vec<Option<Known>>, usize)> {
    let get = |slot: usize| (slots.mask >> slot & 1 == 1).then(|| slots.cells[slot]);
    let two = |n: Option<u64>| {
        let bytes = n.map(|n| (n as u16).to_be_bytes());
        [
            bytes.map(|b| Known::Byte(b[0])),
            bytes.map(|b| Known::Byte(b[1])),
        ]
    };
    let one = |n: Option<u64>| n.map(|n| Known::Byte(n as u8));
    let addresses = [get(slot::SOURCE), get(slot::DESTINATION)];
    let length = get(slot::LENGTH);
    let mut bytes = Vec::with_capacity(40);
    let carried = get(slot::PAYLOAD_LENGTH).unwrap_or(0);
    // Names (text without `-n`) stand for bytes that nobody knows; the header's figures are enough,
    // and without them what TCP and UDP say.
    if length.is_none() && addresses.iter().any(Option::is_none) {
        let tcp = get(slot::FLAGS).is_some();
        if get(slot::IP_VERSION)? != 4 || !tcp && get(slot::PAYLOAD_LENGTH).is_none() {
            return None;
        }
        let total = (!tcp).then_some(carried + 28);
        bytes.extend([Some(Known::Version4), None]);
        bytes.extend(two(total));
        bytes.extend([None; 5]);
        bytes.push(Some(Known::Byte(if tcp { 6 } else { 17 })));
        return Some((bytes, total.unwrap_or(carried + 40) as usize));
    }
    if get(slot::IP_VERSION)? == 4 {
        bytes.extend([Some(Known::Version4), one(get(slot::TOS))]);
        bytes.extend(two(length));
        bytes.extend(two(get(slot::IP_ID)));
        // Flags and offset; then the checksum.
        bytes.extend([
            None,
            None,
            one(get(slot::TTL)),
            one(get(slot::IP_PROTOCOL)),
            None,
            None,
        ]);
        for address in addresses {
            match address {
                Some(address) => {
                    bytes.extend((address as u32).to_be_bytes().map(|b| Some(Known::Byte(b))));
                }
                None => bytes.extend([None; 4]),
            }
        }
        return Some((bytes, length.unwrap_or(carried + 28) as usize));
    }
    // A flow label or a class of zero is not printed, nor is any of it without `-v`.
    let class = length.map(|_| {
        let label = get(slot::FLOWLABEL).unwrap_or(0) as u32;
        (0x6000_0000 | (get(slot::TOS).unwrap_or(0) as u32) << 20 | label & 0xf_ffff).to_be_bytes()
    });
    bytes.extend((0..4).map(|i| class.map(|c| Known::Byte(c[i]))));
    bytes.extend(two(length));
    bytes.extend([one(get(slot::IP_PROTOCOL)), one(get(slot::TTL))]);
    for address in addresses {
        // An IPv4 address has no place here; then nothing is told.
        match address {
            Some(address) => {
                let address = crate::cell::wide_index(address).and_then(|i| wide.get(i))?;
                bytes.extend(address.to_be_bytes().map(|b| Some(Known::Byte(b))));
            }
            None => bytes.extend([None; 16]),
        }
    }
    Some((bytes, length.unwrap_or(carried + 8) as usize + 40))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framing::Batches;
    use crate::{Namespace, Parser};

    /// `tcpdump -A -v` of datagrams whose lines are these.
    fn refused(first: &str, endpoints: &str) -> bool {
        let mut text = first.to_owned();
        for i in 0..8 {
            text += &format!(
                "22:13:2{i}.123456 IP (tos 0x0, ttl 64, id {i}, offset 0, flags [none], proto UDP (17), length 78)\n    \
                 {endpoints}: UDP, length 50\n\
                 E..N....@.|...........'..:..xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n"
            );
        }
        let parser = Parser::new(Namespace::tcpdump()).expect("the built-in namespace");
        let mut guard = AsciiGuard::new();
        let mut batches = Batches::new(text.as_bytes());
        batches.any(|batch| guard.check(&parser.parse(batch.expect("a slice can be read"))))
            || guard.finish()
    }

    /// A sender chooses the header that is looked for, and the lines that it is looked for in.
    #[test]
    fn the_cost_is_linear() {
        let head = "22:13:20.123456 IP (tos 0x45, ttl 69, id 17733, offset 0, flags [none], proto UDP (17), length 17733)\n    \
             69.69.69.69.17733 > 69.69.69.70.17733: UDP, length 17705\n";
        for line in [
            "E\n",
            "EEEEEEEEEEEEEEEEEEEEEEEE\n",
            "E......................\n",
        ] {
            let text = format!("{head}{}", line.repeat((512 << 10) / line.len()));
            let parser = Parser::new(Namespace::tcpdump()).expect("the built-in namespace");
            let mut guard = AsciiGuard::new();
            PLACES.set(0);
            for batch in Batches::new(text.as_bytes()) {
                guard.check(&parser.parse(batch.expect("a slice can be read")));
            }
            let places = PLACES.get();
            let most = (BEFORE_DUMP + LINK_HEADER + 1) as u64;
            assert!(places > 0 && places <= most, "{places} places: {line:?}");
        }
    }

    /// The same without `-v`.
    fn refused_plain(endpoints: &str) -> bool {
        let text: String = (0..8)
            .map(|i| {
                format!(
                    "22:13:2{i}.123456 IP {endpoints}: UDP, length 50\n\
                     E..N....@.|...........'..:..xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n"
                )
            })
            .collect();
        let parser = Parser::new(Namespace::tcpdump()).expect("the built-in namespace");
        let mut guard = AsciiGuard::new();
        let mut batches = Batches::new(text.as_bytes());
        batches.any(|batch| guard.check(&parser.parse(batch.expect("a slice can be read"))))
    }

    #[test]
    fn a_dump_is_found_whatever_stands_before_it() {
        let addresses = "127.0.0.1.5000 > 127.0.0.1.9999";
        assert!(refused("", addresses));
        assert!(refused("", "localhost.5000 > localhost.9999"), "names");
        assert!(
            refused_plain("localhost.5000 > localhost.9999"),
            "names without -v"
        );
        // A tunnel's inner packet at column 0, and the packet that an error quotes.
        let tunnel = "22:13:19.123456 IP (tos 0x0, ttl 64, id 1, offset 0, flags [none], proto UDP (17), length 98)\n    \
             1.1.1.1.5000 > 2.2.2.2.4789: VXLAN, flags [I] (0x08), vni 1\n";
        let inner = "IP (tos 0x0, ttl 64, id 1, offset 0, flags [none], proto UDP (17), length 48)\n    \
             10.0.0.2.5000 > 10.0.0.1.9999: UDP, length 20 (and a tail to make it a long, long line)\n";
        let dump = "E..b....@.t..............N........................E..0....@.f.\n...\n";
        assert!(refused(&format!("{tunnel}{inner}{dump}"), addresses));
        assert!(refused(&format!("{tunnel}\t{inner}{dump}"), addresses));
        assert!(
            !refused(&format!("{tunnel}{inner}"), addresses),
            "one without a dump settles it"
        );
    }
}

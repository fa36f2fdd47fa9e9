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
mod bigip;
mod icmp;
mod info;
mod ip;
mod ip6;
mod leaf;
mod link;
mod name;
mod tail;
mod tcp;
mod tcp3;
mod udp;
mod unheaded;
mod walk;

use self::walk::Walk;
pub(crate) use self::walk::{Keep, Parts, Piece, SLOTS, Slots, slot};
use crate::head::{Stamp, Style};
use crate::message::is_message;
use crate::part::Part;
use crate::pptp;
use crate::scan;

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

#[cfg(test)]
thread_local! {
    /// How many records this thread has walked over: what must not walk again is held to it.
    pub(crate) static WALKS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
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
    #[cfg(test)]
    WALKS.set(WALKS.get() + 1);
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
            if head.device.0 < head.device.1 {
                walk.odd_link(&first[head.device.0..head.device.1]);
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
    while waits != Await::Nothing && next < buf.len() && walk.parts.has_room() {
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
            // Whether PPTP's names are open: see [`pptp::unended`].
            let inside = walk.parts.names && pptp::unended(&buf[start..next]);
            if !inside && let Some(head) = style.head(rest) {
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

//! ICMP and ICMPv6: `print-icmp.c`, `print-icmp6.c`.

use super::leaf::{Res, int, lit, no};
use super::tail;
use super::udp::bad_cksum;
use super::walk::{Walk, slot};
use crate::part::Part;

/// `ND_PRINT("ICMP %s, length %u", str, plen)`, and for a query
/// `"echo %s, id %u, seq %u"` in the place of `str`.
pub(super) fn icmp<'a>(walk: &mut Walk<'_, 'a>, i: &'a [u8]) {
    message(walk, i, echo(i));
}

/// `ND_PRINT("[icmp6 sum ok] ")`, `"[bad icmp6 cksum 0x%04x -> 0x%04x!] "`,
/// `"ICMP6, %s"`, for a query `", id %u, seq %u"`.
pub(super) fn icmp6<'a>(walk: &mut Walk<'_, 'a>, i: &'a [u8]) {
    let rest = match i.strip_prefix(b"[icmp6 sum ok] ") {
        Some(rest) => {
            walk.flag(slot::CKSUM_OK, true);
            rest
        }
        None => match bad(i) {
            Ok((rest, ())) => {
                walk.flag(slot::CKSUM_OK, false);
                rest
            }
            Err(_) => i,
        },
    };
    message(walk, i, echo6(rest));
}

/// ICMP and ICMPv6 of tcpdump up to 3.8 and of OpenBSD's: `"icmp: %s"`, 3.8 `"icmp %d: %s"` with the
/// length, `"icmp6: %s"`; `" (id:%04x seq:%d)"`, `" [icmp cksum ok]"`, `" [icmp6 cksum ok]"`.
///
/// The packet that an error quotes with `-v`, `" for %s"`, is the sender's to spell.
pub(super) fn older<'a>(walk: &mut Walk<'_, 'a>, i: &'a [u8]) {
    let quoted = memchr::memmem::find(i, b" for ").unwrap_or(i.len());
    let at = if quoted < i.len() {
        quoted
    } else {
        tail::begins(i)
    };
    walk.odd(Part::Icmp, &i[..at]);
    if quoted == i.len() {
        tail::tail(walk, &i[at..]);
    }
}

/// The line is the part; an echo is typed, any other message is rare enough for the regexes.
fn message<'a>(walk: &mut Walk<'_, 'a>, line: &'a [u8], echo: Res<'a, Echo<'a>>) {
    match echo {
        Ok((_, Echo { kind, id, seq })) => {
            walk.part(Part::Icmp, line);
            walk.text(slot::ICMP, kind);
            match id {
                Some(id) => walk.number(slot::ICMP_ID, id),
                // ICMPv6 up to 4.9.3.
                None => walk.parts.old = true,
            }
            walk.number(slot::ICMP_SEQ, seq);
        }
        Err(_) => walk.odd(Part::Icmp, line),
    }
}

struct Echo<'a> {
    kind: &'a [u8],
    id: Option<u64>,
    seq: u64,
}

fn echo(i: &[u8]) -> Res<'_, Echo<'_>> {
    let (i, ()) = lit(b"ICMP ")(i)?;
    query(i, false)
}

fn echo6(i: &[u8]) -> Res<'_, Echo<'_>> {
    let (i, ()) = lit(b"ICMP6, ")(i)?;
    query(i, true)
}

/// `echo request, id %u, seq %u`; of ICMPv6 `echo request, seq %u` from 4.2 to 4.9.3, and
/// `echo request, length %u, seq %u` before.
fn query(i: &[u8], six: bool) -> Res<'_, Echo<'_>> {
    let len = if i.starts_with(b"echo request") {
        12
    } else if i.starts_with(b"echo reply") {
        10
    } else {
        return no();
    };
    let (kind, i) = i.split_at(len);
    let (i, id) = match i.strip_prefix(b", id ") {
        Some(i) => {
            let (i, id) = int(i)?;
            (i, Some(id))
        }
        None if six => match i.strip_prefix(b", length ") {
            Some(i) => (int(i)?.0, None),
            None => (i, None),
        },
        None => return no(),
    };
    let (i, ()) = lit(b", seq ")(i)?;
    let (i, seq) = int(i)?;
    Ok((i, Echo { kind, id, seq }))
}

/// `[bad icmp6 cksum 0x%04x -> 0x%04x!] `; up to 4.1 `[bad icmp6 cksum %x!] `
fn bad(i: &[u8]) -> Res<'_, ()> {
    let (i, ()) = lit(b"[bad icmp6 cksum ")(i)?;
    bad_cksum(i)
}

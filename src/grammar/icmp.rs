//! ICMP and ICMPv6: `print-icmp.c`, `print-icmp6.c`.

use super::leaf::{Res, hex4, int, lit, no};
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

/// The line is the part; an echo is typed, any other message is rare enough for the regexes.
fn message<'a>(walk: &mut Walk<'_, 'a>, line: &'a [u8], echo: Res<'a, Echo<'a>>) {
    match echo {
        Ok((_, Echo { kind, id, seq })) => {
            walk.part(Part::Icmp, line);
            walk.text(slot::ICMP, kind);
            walk.number(slot::ICMP_ID, id);
            walk.number(slot::ICMP_SEQ, seq);
        }
        Err(_) => walk.odd(Part::Icmp, line),
    }
}

struct Echo<'a> {
    kind: &'a [u8],
    id: u64,
    seq: u64,
}

fn echo(i: &[u8]) -> Res<'_, Echo<'_>> {
    let (i, ()) = lit(b"ICMP ")(i)?;
    query(i)
}

fn echo6(i: &[u8]) -> Res<'_, Echo<'_>> {
    let (i, ()) = lit(b"ICMP6, ")(i)?;
    query(i)
}

/// `echo request, id %u, seq %u`
fn query(i: &[u8]) -> Res<'_, Echo<'_>> {
    let len = if i.starts_with(b"echo request") {
        12
    } else if i.starts_with(b"echo reply") {
        10
    } else {
        return no();
    };
    let (kind, i) = i.split_at(len);
    let (i, ()) = lit(b", id ")(i)?;
    let (i, id) = int(i)?;
    let (i, ()) = lit(b", seq ")(i)?;
    let (i, seq) = int(i)?;
    Ok((i, Echo { kind, id, seq }))
}

/// `[bad icmp6 cksum 0x%04x -> 0x%04x!] `
fn bad(i: &[u8]) -> Res<'_, ()> {
    let (i, ()) = lit(b"[bad icmp6 cksum 0x")(i)?;
    let (i, _) = hex4(i)?;
    let (i, ()) = lit(b" -> 0x")(i)?;
    let (i, _) = hex4(i)?;
    lit(b"!] ")(i)
}

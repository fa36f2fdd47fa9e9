//! TCP: `print-tcp.c`.

use nom::Parser as _;
use nom::combinator::opt;

use super::info;
use super::leaf::{Res, bigint, bracketed, hex4, int, lit, no};
use super::walk::{Walk, slot};
use crate::part::Part;

/// A segment's line after its endpoints.
///
/// `ND_PRINT("Flags [%s]")`, `", cksum 0x%04x"`, `" (incorrect -> 0x%04x)"`, `" (correct)"`,
/// `", seq %u"`, `":%u"`, `", ack %u"`, `", win %u"`, `", urg %u"`, `", options [%s]"`,
/// `", length %u"`; with `-q` `"tcp %u"`.
pub(super) fn tcp<'a>(walk: &mut Walk<'_, 'a>, i: &'a [u8], ports: (u16, u16)) {
    let mask = walk.slots.mask;
    match strict(walk, i) {
        Ok((rest, ())) => info::rest(walk, rest, 6, Some(ports)),
        Err(_) => {
            // What was typed before the path was left is the regexes' to say.
            walk.slots.mask = mask;
            loose(walk, i, ports);
        }
    }
}

fn strict<'a>(walk: &mut Walk<'_, 'a>, text: &'a [u8]) -> Res<'a, ()> {
    let (i, ()) = lit(b"Flags [")(text)?;
    // Up to nine flags, or `none`: too short for a search to pay.
    let (i, flags) = bracketed(i, |b| matches!(b, b'.' | b'A'..=b'Z' | b'e' | b'n' | b'o'))?;
    if flags.len() > 9 {
        return no();
    }
    walk.text(slot::FLAGS, flags);
    let mut i = i;
    if let Some(rest) = i.strip_prefix(b", cksum 0x") {
        let (rest, cksum) = hex4(rest)?;
        walk.number(slot::CKSUM, cksum);
        if let Some(rest) = rest.strip_prefix(b" (correct)") {
            walk.flag(slot::CKSUM_OK, true);
            i = rest;
        } else {
            let (rest, ()) = lit(b" (incorrect -> 0x")(rest)?;
            let (rest, _) = hex4(rest)?;
            let (rest, ()) = lit(b")")(rest)?;
            walk.flag(slot::CKSUM_OK, false);
            i = rest;
        }
    }
    if let Some(rest) = i.strip_prefix(b", seq ") {
        let (rest, seq) = bigint(rest)?;
        walk.number(slot::SEQ, seq);
        i = rest;
        if let Some(rest) = i.strip_prefix(b":") {
            let (rest, end) = bigint(rest)?;
            walk.number(slot::SEQ_END, end);
            i = rest;
        }
    }
    if let Some(rest) = i.strip_prefix(b", ack ") {
        let (rest, ack) = bigint(rest)?;
        walk.number(slot::ACK, ack);
        i = rest;
    }
    let (mut i, ()) = lit(b", win ")(i)?;
    let win;
    (i, win) = bigint(i)?;
    walk.number(slot::WIN, win);
    if let Some(rest) = i.strip_prefix(b", urg ") {
        let (rest, urg) = bigint(rest)?;
        walk.number(slot::URG, urg);
        i = rest;
    }
    if let Some(rest) = i.strip_prefix(b", options [") {
        let (after, ()) = options(walk, rest)?;
        let list = walk.between(rest, after);
        walk.text(slot::TCP_OPTIONS, list);
        i = &after[1..];
    }
    let (i, ()) = lit(b", length ")(i)?;
    let (i, length) = int(i)?;
    walk.number(slot::PAYLOAD_LENGTH, length);
    let part = walk.between(text, i);
    walk.part(Part::Tcp, part);
    Ok((i, ()))
}

/// The list up to its closing bracket, which stays: `mss %u`, `wscale %u`, `TS val %u ecr %u`, and
/// what has no field of its own.
fn options<'a>(walk: &mut Walk<'_, 'a>, list: &'a [u8]) -> Res<'a, ()> {
    let mut i = list;
    loop {
        i = match i {
            [b'n', b'o', b'p', rest @ ..] => other_option(rest)?.0,
            [b'm', b's', b's', b' ', rest @ ..] => {
                let (rest, n) = bigint(rest)?;
                first(walk, slot::MSS, n);
                rest
            }
            [b'w', b's', b'c', b'a', b'l', b'e', b' ', rest @ ..] => {
                let (rest, n) = bigint(rest)?;
                first(walk, slot::WSCALE, n);
                rest
            }
            [b'T', b'S', b' ', b'v', b'a', b'l', b' ', rest @ ..] => {
                let (rest, val) = bigint(rest)?;
                let (rest, ()) = lit(b" ecr ")(rest)?;
                let (rest, ecr) = bigint(rest)?;
                first(walk, slot::TS_VAL, val);
                first(walk, slot::TS_ECR, ecr);
                rest
            }
            [b'T', ..] => return no(),
            _ => other_option(i)?.0,
        };
        i = match i {
            [b']', ..] => return Ok((i, ())),
            // A comma with a blank is nothing that these options print.
            [b',', b' ', ..] => return no(),
            [b',', rest @ ..] => rest,
            _ => return no(),
        };
    }
}

/// An option without a field, up to the next comma or the end of the list; none prints an opening
/// bracket, where the caller stops.
#[inline]
fn other_option(i: &[u8]) -> Res<'_, ()> {
    let end = i.iter().position(|b| matches!(b, b',' | b'[' | b']'));
    Ok((&i[end.unwrap_or(i.len())..], ()))
}

/// An option's value, unless the option stood before.
#[inline]
fn first(walk: &mut Walk<'_, '_>, slot: usize, n: u64) {
    if walk.slots.mask >> slot & 1 == 0 {
        walk.number(slot, n);
    }
}

/// A segment off the path: `[bad opt]`, `[bad hdr length …]`, `[|tcp]`, `-q`, another release's
/// words. Up to `, length N` all of it is the printer's own text.
fn loose<'a>(walk: &mut Walk<'_, 'a>, i: &'a [u8], ports: (u16, u16)) {
    if !i.starts_with(b"Flags [") {
        info::rest(walk, i, 6, Some(ports));
        return;
    }
    let end = memchr::memmem::find_iter(i, b", length ").find_map(|at| {
        let (rest, _) = opt(bigint).parse(&i[at + 9..]).ok()?;
        let digits = i.len() - at - 9 - rest.len();
        (digits > 0).then_some(i.len() - rest.len())
    });
    let (part, rest) = i.split_at(end.unwrap_or(i.len()));
    walk.odd(Part::Tcp, part);
    info::rest(walk, rest, 6, Some(ports));
}

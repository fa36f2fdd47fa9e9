//! TCP: `print-tcp.c`.

use nom::Parser as _;
use nom::combinator::opt;

use super::leaf::{Res, bigint, hex4, int, lit, no, until};
use super::{Walk, info, slot};
use crate::namespace::Part;

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
    let (i, flags) = until(b']')(i)?;
    if flags.len() > 9
        || !flags
            .iter()
            .all(|b| matches!(b, b'.' | b'A'..=b'Z' | b'e' | b'n' | b'o'))
    {
        return no();
    }
    walk.text(slot::FLAGS, flags);
    let mut i = &i[1..];
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
        let (rest, list) = until(b']')(rest)?;
        options(walk, list)?;
        walk.text(slot::TCP_OPTIONS, list);
        i = &rest[1..];
    }
    let (i, ()) = lit(b", length ")(i)?;
    let (i, length) = int(i)?;
    walk.number(slot::PAYLOAD_LENGTH, length);
    let part = walk.between(text, i);
    walk.part(Part::Tcp, part);
    Ok((i, ()))
}

/// The list: `mss %u`, `wscale %u`, `TS val %u ecr %u`, and what has no field of its own.
fn options<'a>(walk: &mut Walk<'_, 'a>, list: &'a [u8]) -> Res<'a, ()> {
    // A bracket, or a comma with a blank, is nothing that these options print.
    if memchr::memchr(b'[', list).is_some() || memchr::memmem::find(list, b", ").is_some() {
        return no();
    }
    for item in list.split(|b| *b == b',') {
        match item.first() {
            Some(b'm') if item.starts_with(b"mss ") => {
                let (rest, n) = bigint(&item[4..])?;
                first(walk, slot::MSS, n, rest)?;
            }
            Some(b'w') if item.starts_with(b"wscale ") => {
                let (rest, n) = bigint(&item[7..])?;
                first(walk, slot::WSCALE, n, rest)?;
            }
            Some(b'T') => {
                let (i, ()) = lit(b"TS val ")(item)?;
                let (i, val) = bigint(i)?;
                let (i, ()) = lit(b" ecr ")(i)?;
                let (rest, ecr) = bigint(i)?;
                first(walk, slot::TS_VAL, val, rest)?;
                first(walk, slot::TS_ECR, ecr, rest)?;
            }
            _ => {}
        }
    }
    Ok((list, ()))
}

/// An option's value, unless the option stood before; nothing may follow it.
fn first<'a>(walk: &mut Walk<'_, 'a>, slot: usize, n: u64, rest: &'a [u8]) -> Res<'a, ()> {
    if !rest.is_empty() {
        return no();
    }
    if walk.slots.mask >> slot & 1 == 0 {
        walk.number(slot, n);
    }
    Ok((rest, ()))
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

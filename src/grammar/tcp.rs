//! TCP: `print-tcp.c`.

use nom::Parser as _;
use nom::combinator::opt;

use super::leaf::{Res, bigint, bracketed, hex4, int, lit, no};
use super::walk::{Walk, slot};
use super::{info, tail, tcp3};
use crate::cell::Fixed;
use crate::part::Part;

/// A segment's line after its endpoints.
///
/// `ND_PRINT("Flags [%s]")`, `", cksum 0x%04x"`, `" (incorrect -> 0x%04x)"`, `" (correct)"`,
/// `", seq %u"`, `":%u"`, `", ack %u"`, `", win %u"`, `", urg %u"`, `", options [%s]"`,
/// `", length %u"`; with `-q` `"tcp %u"`.
pub(super) fn tcp<'a>(walk: &mut Walk<'_, 'a>, i: &'a [u8], ports: (u16, u16)) {
    let mask = walk.slots.mask;
    match strict(walk, i, ports) {
        Ok((rest, ())) => info::rest(walk, rest, 6, Some(ports)),
        Err(_) => {
            // What was typed before the path was left is the regexes' to say.
            walk.slots.mask = mask;
            loose(walk, i, ports);
        }
    }
}

fn strict<'a>(walk: &mut Walk<'_, 'a>, text: &'a [u8], ports: (u16, u16)) -> Res<'a, ()> {
    let (i, ()) = lit(b"Flags [")(text)?;
    // Up to nine flags, or `none`: too short for a search to pay.
    let (i, flags) = bracketed(i, |b| matches!(b, b'.' | b'A'..=b'Z' | b'e' | b'n' | b'o'))?;
    if flags.len() > 9 {
        return no();
    }
    if flags.is_empty() {
        // Up to 4.5, of a segment without flags.
        walk.tcp_flags(Fixed::Flags(0));
    } else {
        walk.text(slot::FLAGS, flags);
    }
    let mut data = None;
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
            data = Some(end.wrapping_sub(seq) as u32);
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
    let (i, length) = if ports.0 == 53 || ports.1 == 53 {
        length_before_dns(i, data)?
    } else {
        int(i)?
    };
    walk.number(slot::PAYLOAD_LENGTH, length);
    let part = walk.between(text, i);
    walk.part(Part::Tcp, part);
    Ok((i, ()))
}

/// `", length %u"` of a segment to or from port 53: up to 4.9.2 print-tcp.c called `domain_print`
/// with nothing between, which begins with the message's number, `"%u%s%s%s"`. The sequence
/// numbers tell where the length ends; without them it is not told.
///
/// ```text
/// Flags [P.], seq 1:32, ack 1, win 502, length 314660+ A? example.org. (29)
/// ```
fn length_before_dns(i: &[u8], data: Option<u32>) -> Res<'_, u64> {
    let digits = i.iter().take_while(|b| b.is_ascii_digit()).count();
    let (figures, rest) = i.split_at(digits);
    if let Some(data) = data {
        let mut n = 0u64;
        for (at, digit) in figures.iter().take(10).enumerate() {
            n = 10 * n + u64::from(digit - b'0');
            // A message's number has at most five digits.
            if n == u64::from(data) && figures.len() - at - 1 <= 5 {
                return Ok((&i[at + 1..], n));
            }
        }
        return no();
    }
    // A message's number stands behind a blank where it is apart; counts of records do not.
    let apart = match rest {
        [] | [b'[', ..] => true,
        [b' ', rest @ ..] => {
            let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
            digits > 0 && rest.get(digits) != Some(&b'/')
        }
        _ => rest.starts_with(b": "),
    };
    if apart { int(i) } else { no() }
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
                walk.first(slot::MSS, n);
                rest
            }
            [b'w', b's', b'c', b'a', b'l', b'e', b' ', rest @ ..] => {
                let (rest, n) = bigint(rest)?;
                walk.first(slot::WSCALE, n);
                rest
            }
            [b'T', b'S', b' ', b'v', b'a', b'l', b' ', rest @ ..] => {
                let (rest, val) = bigint(rest)?;
                let (rest, ()) = lit(b" ecr ")(rest)?;
                let (rest, ecr) = bigint(rest)?;
                walk.first(slot::TS_VAL, val);
                walk.first(slot::TS_ECR, ecr);
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

/// A segment off the path: `[bad opt]`, `[bad hdr length …]`, `[|tcp]`, `-q`, another release's
/// words. Up to `, length N` all of it is the printer's own text.
fn loose<'a>(walk: &mut Walk<'_, 'a>, i: &'a [u8], ports: (u16, u16)) {
    if !i.starts_with(b"Flags [") {
        if tcp3::tcp3(walk, i, ports) || tcp3::damaged(i) {
            return;
        }
        // `-q` of a printer without the word `IP`.
        if let Some(rest) = i.strip_prefix(b"tcp ")
            && let Ok((rest, _)) = bigint(rest)
            && tail::tail(walk, rest)
        {
            return;
        }
        info::rest(walk, i, 6, Some(ports));
        return;
    }
    if i.starts_with(b"Flags []") {
        walk.tcp_flags(Fixed::Flags(0));
    }
    let end = memchr::memmem::find_iter(i, b", length ").find_map(|at| {
        if ports.0 == 53 || ports.1 == 53 {
            // What the figures are was not to be told; nor where the message begins.
            return Some((at, i.len()));
        }
        let (rest, _) = opt(bigint).parse(&i[at + 9..]).ok()?;
        let digits = i.len() - at - 9 - rest.len();
        (digits > 0).then_some((i.len() - rest.len(), i.len() - rest.len()))
    });
    let (end, rest) = end.unwrap_or((i.len(), i.len()));
    walk.odd(Part::Tcp, &i[..end]);
    info::rest(walk, &i[rest..], 6, Some(ports));
}

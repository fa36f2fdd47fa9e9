//! TCP as tcpdump printed it up to 3.9.8, and as OpenBSD's prints it.

use super::leaf::{Res, bigint, hex, hex4, lit, no, until};
use super::walk::{Walk, slot};
use super::{info, tail};
use crate::cell::{Fixed, flags};
use crate::part::Part;

/// A segment's line after its endpoints; `false` where it is none of this form.
///
/// print-tcp.c of 3.9.8: `putchar('S')`, `'F'`, `'R'`, `'P'`, `'W'`, `'E'` or `'.'`;
/// `", cksum 0x%04x"`, `" (incorrect (-> 0x%04x),"`, `" (correct),"`; `" %u:%u(%u)"` where there is
/// data, a SYN, a FIN or a RST; `" ack %u"`, `" win %d"`, `" urg %d"`, `" <"` options `">"`.
/// Up to 3.8 `" [tcp sum ok]"`, `" [bad tcp cksum %x (->%x)!]"`. OpenBSD's `" [tcp sum ok]"`,
/// `" [bad tcp cksum %x! -> %x]"`, `" (src OS: %s)"`.
///
/// ```text
/// S, cksum 0x6c83 (correct), 12345:12345(0) win 64240 <mss 1460,sackOK,timestamp 123 0>
/// P 12346:12446(100) ack 778 win 502 <nop,nop,timestamp 124 7>
/// ```
pub(super) fn tcp3<'a>(walk: &mut Walk<'_, 'a>, i: &'a [u8], ports: (u16, u16)) -> bool {
    let mask = walk.slots.mask;
    let Ok((rest, ())) = segment(walk, i, ports) else {
        walk.slots.mask = mask;
        return false;
    };
    walk.parts.old = true;
    info::names(walk, rest);
    if tail::tail(walk, rest) {
        return true;
    }
    // What a printer says behind a segment is stored where it is DNS, as elsewhere.
    let dns = info::is_dns(ports) && matches!(rest, [b' ', b'0'..=b'9', ..]);
    if dns || walk.keep.info {
        info::rest(walk, rest, 6, Some(ports));
    }
    true
}

/// Whether the text begins as this form does, up to its window.
pub(super) fn begins(i: &[u8]) -> bool {
    head(i).is_ok()
}

/// A segment whose header is longer than the packet: `" [bad hdr length %u - too long, > %u]"` behind
/// the letters, which do not tell the flags without an acknowledgement.
pub(super) fn damaged(i: &[u8]) -> bool {
    let letters = i.iter().take_while(|b| b"SFRPWE.".contains(b)).count();
    letters > 0 && i[letters..].starts_with(b" [bad hdr length ")
}

/// What stands before the options.
#[derive(Default)]
struct Head {
    /// The letters, and what else the text shows: an acknowledgement, urgent data.
    bits: u8,
    cksum: Option<u64>,
    right: Option<bool>,
    seq: Option<(u64, u64, u64)>,
    ack: Option<u64>,
    win: u64,
    urg: Option<u64>,
    /// The text before ` win `.
    before_win: usize,
    /// The system that OpenBSD's guesses: words of a file.
    system: bool,
}

fn head(text: &[u8]) -> Res<'_, Head> {
    let mut head = Head::default();
    let mut i = text;
    if let Some(rest) = i.strip_prefix(b".") {
        i = rest;
    } else {
        let letters = [
            (b'S', flags::SYN),
            (b'F', flags::FIN),
            (b'R', flags::RST),
            (b'P', flags::PUSH),
            (b'W', flags::CWR),
            (b'E', flags::ECE),
        ];
        for (letter, bit) in letters {
            if i.first() == Some(&letter) {
                head.bits |= bit;
                i = &i[1..];
            }
        }
        if head.bits == 0 {
            return no();
        }
    }
    if let Some(rest) = i.strip_prefix(b", cksum 0x") {
        let (rest, cksum) = hex4(rest)?;
        head.cksum = Some(cksum);
        i = match rest.strip_prefix(b" (correct),") {
            Some(rest) => {
                head.right = Some(true);
                rest
            }
            None => {
                let (rest, ()) = lit(b" (incorrect (-> 0x")(rest)?;
                let (rest, _) = hex4(rest)?;
                head.right = Some(false);
                lit(b"),")(rest)?.0
            }
        };
    } else if let Some(rest) = i.strip_prefix(b" [tcp sum ok]") {
        head.right = Some(true);
        i = rest;
    } else if let Some(rest) = i.strip_prefix(b" [bad tcp cksum ") {
        let (rest, _) = hex(rest)?;
        let rest = match rest.strip_prefix(b" (->") {
            Some(rest) => lit(b")!]")(hex(rest)?.0)?.0,
            None => lit(b"]")(hex(lit(b"! -> ")(rest)?.0)?.0)?.0,
        };
        head.right = Some(false);
        i = rest;
    }
    if let Some(rest) = i.strip_prefix(b" (src OS: ") {
        let (rest, _) = until(b')')(rest)?;
        head.system = true;
        i = &rest[1..];
    }
    if let Ok((rest, seq)) = sequence(i) {
        head.seq = Some(seq);
        i = rest;
    }
    if let Some(rest) = i.strip_prefix(b" ack ") {
        let (rest, ack) = bigint(rest)?;
        head.ack = Some(ack);
        head.bits |= flags::ACK;
        i = rest;
    }
    head.before_win = text.len() - i.len();
    let (i, ()) = lit(b" win ")(i)?;
    let (mut i, win) = bigint(i)?;
    head.win = win;
    if let Some(rest) = i.strip_prefix(b" urg ") {
        let (rest, urg) = bigint(rest)?;
        head.urg = Some(urg);
        head.bits |= flags::URG;
        i = rest;
    }
    Ok((i, head))
}

/// `" %u:%u(%u)"`: the sequence number, that after the data, the length of the data.
fn sequence(i: &[u8]) -> Res<'_, (u64, u64, u64)> {
    let (i, ()) = lit(b" ")(i)?;
    let (i, from) = bigint(i)?;
    let (i, ()) = lit(b":")(i)?;
    let (i, to) = bigint(i)?;
    let (i, ()) = lit(b"(")(i)?;
    let (i, length) = super::leaf::int(i)?;
    let (i, ()) = lit(b")")(i)?;
    Ok((i, (from, to, length)))
}

fn segment<'a>(walk: &mut Walk<'_, 'a>, text: &'a [u8], ports: (u16, u16)) -> Res<'a, ()> {
    let (mut i, head) = head(text)?;
    if let Some(n) = head.cksum {
        walk.number(slot::CKSUM, n);
    }
    if let Some(right) = head.right {
        walk.flag(slot::CKSUM_OK, right);
    }
    if let Some((from, to, length)) = head.seq {
        walk.number(slot::SEQ, from);
        walk.number(slot::SEQ_END, to);
        walk.number(slot::PAYLOAD_LENGTH, length);
    }
    if let Some(n) = head.ack {
        walk.number(slot::ACK, n);
    }
    let mut odd = head.system;
    let mut listed = false;
    if let Some(list) = i.strip_prefix(b" <") {
        match options(walk, list) {
            Ok((rest, ())) => {
                walk.text(slot::TCP_OPTIONS, walk.between(list, rest));
                i = &rest[1..];
                listed = true;
            }
            // A list that was cut, or is damaged.
            Err(_) => odd = true,
        }
    }
    let data = head.seq.is_some_and(|(.., length)| length > 0);
    if !listed && head.urg.is_none() && data && glued(i, ports) {
        // 3.9.8 printed DNS over TCP with nothing between the window and its number.
        walk.odd(Part::Tcp, &text[..head.before_win]);
        walk.tcp_flags(Fixed::Flags(head.bits));
        return Ok((b"", ()));
    }
    walk.number(slot::WIN, head.win);
    if let Some(n) = head.urg {
        walk.number(slot::URG, n);
    }
    let part = walk.between(text, i);
    if odd {
        walk.odd(Part::Tcp, part);
    } else {
        walk.part(Part::Tcp, part);
    }
    // A list of options that ends, and no sequence number before it: there is no data.
    walk.tcp_flags(if listed && head.seq.is_none() {
        Fixed::NoData(head.bits)
    } else {
        Fixed::Flags(head.bits)
    });
    Ok((i, ()))
}

/// Whether the figures of a window may go on with those of a DNS message's number: from 3.9.4 to
/// 3.9.7 a blank stands between.
fn glued(rest: &[u8], ports: (u16, u16)) -> bool {
    if !(ports.0 == 53 || ports.1 == 53) || rest.is_empty() {
        return false;
    }
    let figures = rest.strip_prefix(b" ").unwrap_or(b"");
    let digits = figures.iter().take_while(|b| b.is_ascii_digit()).count();
    digits == 0 || figures.get(digits) == Some(&b'/')
}

/// The list up to its closing bracket, which stays: `"mss %u"`, `"wscale %u"`,
/// `"timestamp %u %u"`, and what has no field of its own: `"sackOK"`, `"sack %d {%u:%u}"`, `"nop"`,
/// `"eol"`, `"md5:%s"`, `"opt-%d:%02x"`, `"[len %d]"`.
fn options<'a>(walk: &mut Walk<'_, 'a>, list: &'a [u8]) -> Res<'a, ()> {
    let mut i = list;
    loop {
        if let Some(rest) = i.strip_prefix(b"mss ") {
            walk.first(slot::MSS, bigint(rest)?.1);
        } else if let Some(rest) = i.strip_prefix(b"wscale ") {
            walk.first(slot::WSCALE, bigint(rest)?.1);
        } else if let Some(rest) = i.strip_prefix(b"timestamp ") {
            let (rest, val) = bigint(rest)?;
            let (_, ecr) = bigint(lit(b" ")(rest)?.0)?;
            walk.first(slot::TS_VAL, val);
            walk.first(slot::TS_ECR, ecr);
        }
        let end = i
            .iter()
            .position(|b| matches!(b, b',' | b'<' | b'>' | b'(' | b'['));
        i = &i[end.unwrap_or(i.len())..];
        match i {
            [b'>', ..] => return Ok((i, ())),
            // A comma with a blank is nothing that these options print.
            [b',', b' ', ..] => return no(),
            [b',', rest @ ..] => i = rest,
            _ => return no(),
        }
    }
}

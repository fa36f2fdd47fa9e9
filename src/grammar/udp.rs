//! UDP and DNS: `print-udp.c`, `print-domain.c`.

use super::leaf::{Res, bigint, hex, hex4, int, lit, no};
use super::walk::{Walk, slot};
use super::{bigip, info, tail};
use crate::part::Part;

/// A datagram's line after its endpoints.
///
/// `ND_PRINT("[no cksum] ")`, `"[bad udp cksum 0x%04x -> 0x%04x!] "`, `"[udp sum ok] "`, then
/// `"UDP, length %u"`, or `"UDP, bad length %u > %u"`, or a decoder's text, chosen by port.
pub(super) fn udp<'a>(walk: &mut Walk<'_, 'a>, text: &'a [u8], ports: (u16, u16)) {
    let i = verdict(walk, text);
    let verdict = walk.between(text, i);
    if i.starts_with(b"UDP, ") {
        if let Ok((rest, length)) = length(i) {
            walk.number(slot::PAYLOAD_LENGTH, length);
            let part = walk.between(text, rest);
            walk.part(Part::Udp, part);
            info::rest(walk, rest, 17, Some(ports));
            return;
        }
        walk.odd(Part::Udp, text);
        return;
    }
    let verdict = verdict.strip_suffix(b" ").unwrap_or(verdict);
    if !verdict.is_empty() {
        walk.part(Part::Udp, verdict);
    }
    // `" %u"` in tcpdump up to 3.9.7, and in OpenBSD's.
    let i = match i {
        [b' ', figures @ ..]
            if info::is_dns(ports) && figures.first().is_some_and(u8::is_ascii_digit) =>
        {
            figures
        }
        _ => i,
    };
    if let Some(rest) = i.strip_prefix(b"udp ")
        && let Ok((rest, length)) = int(rest)
        && (rest.is_empty() || tail::tail(walk, rest))
    {
        walk.number(slot::PAYLOAD_LENGTH, length);
        walk.udp_length(walk.between(i, rest));
        return;
    }
    // A message's closing `(N)` stands behind everything that the sender can spell.
    let at = if info::is_dns(ports) {
        tail::begins(i)
    } else {
        i.len()
    };
    let i = if at < i.len() && dns(&i[..at]).is_ok() && tail::tail(walk, &i[at..]) {
        &i[..at]
    } else {
        i
    };
    let closing = if info::is_dns(ports) {
        let message = dns(i).or_else(|_| dns(bigip::without(i)));
        message.ok().map(|(closing, ())| closing)
    } else {
        None
    };
    if let Some(length) = closing.or_else(|| decoder_length(i)) {
        walk.udp_length(length);
        let digits = length
            .iter()
            .position(u8::is_ascii_digit)
            .map_or(length, |at| &length[at..]);
        match int(digits) {
            Ok((b"" | b")", n)) => walk.number(slot::PAYLOAD_LENGTH, n),
            // Beyond an int's range: the regexes say so.
            _ => walk.parts.odd |= 1 << Part::Udp as u32,
        }
    }
    info::rest(walk, i, 17, Some(ports));
}

/// The checksum's verdict, with its blank.
fn verdict<'a>(walk: &mut Walk<'_, 'a>, text: &'a [u8]) -> &'a [u8] {
    if let Some(i) = text.strip_prefix(b"[udp sum ok] ") {
        walk.flag(slot::CKSUM_OK, true);
        return i;
    }
    if let Some(i) = text.strip_prefix(b"[no cksum] ") {
        return i;
    }
    if let Some(i) = text.strip_prefix(b"[no udp cksum] ") {
        return i;
    }
    if let Ok((i, ())) = bad(text) {
        walk.flag(slot::CKSUM_OK, false);
        return i;
    }
    text
}

/// `[bad udp cksum 0x%04x -> 0x%04x!] `; up to 4.1 `[bad udp cksum %x!] `; OpenBSD's
/// `[bad udp cksum %x! -> %x] `.
fn bad(i: &[u8]) -> Res<'_, ()> {
    let (i, ()) = lit(b"[bad udp cksum ")(i)?;
    bad_cksum(i)
}

/// What follows `cksum ` in the three forms.
pub(super) fn bad_cksum(i: &[u8]) -> Res<'_, ()> {
    if let Some(i) = i.strip_prefix(b"0x") {
        let (i, _) = hex4(i)?;
        let (i, ()) = lit(b" -> 0x")(i)?;
        let (i, _) = hex4(i)?;
        return lit(b"!] ")(i);
    }
    let (i, _) = hex(i)?;
    let (i, ()) = lit(b"!")(i)?;
    match i.strip_prefix(b" -> ") {
        Some(i) => lit(b"] ")(hex(i)?.0),
        None => lit(b"] ")(i),
    }
}

/// `UDP, length %u`; up to 3.9.3 `UDP, length: %u`
fn length(i: &[u8]) -> Res<'_, u64> {
    let (i, ()) = lit(b"UDP, length")(i)?;
    let i = i.strip_prefix(b":").unwrap_or(i);
    let (i, ()) = lit(b" ")(i)?;
    int(i)
}

/// The datagram's length in the words of a decoder, before anything that the sender can spell:
/// `"NTPv%u, %s, length %u"`, `"BOOTP/DHCP, Request from %s, length %u"`, `"TFTP, length %u"`,
/// `"SYSLOG %s.%s (%u), length: %u"`, `"SIP, length: %u"`.
fn decoder_length(i: &[u8]) -> Option<&[u8]> {
    const DECODERS: [&[u8]; 5] = [b"NTPv", b"BOOTP/DHCP, ", b"TFTP, ", b"SYSLOG ", b"SIP, "];
    if !DECODERS.iter().any(|decoder| i.starts_with(decoder)) {
        return None;
    }
    // A version, an operation, a link address, a facility: words of these letters only.
    let own = |b: &u8| b.is_ascii_alphanumeric() || b" ,:./()-".contains(b);
    let at = memchr::memmem::find(i, b", length")?;
    let text = &i[at + 2..];
    let (rest, ()) = lit(b"length")(text).ok()?;
    let rest = rest.strip_prefix(b":").unwrap_or(rest).strip_prefix(b" ")?;
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let end = text.len() - rest.len() + digits;
    (digits > 0 && at < 60 && i[..at].iter().all(own)).then(|| &text[..end])
}

/// A DNS message, whose end the printer writes: `ND_PRINT(" (%u)", length)`. Names in it are the
/// sender's, so its beginning must be a DNS header's and only the very end counts; a message that
/// was cut ends in `[|domain]` instead.
///
/// `ND_PRINT("%u%s%s%s", id, ns_ops[], "+", "%")` for a query,
/// `ND_PRINT("%u%s%s%s%s%s%s", id, ns_ops[], ns_resp[], "*", "-", "|", "$")` for an answer; then
/// `" [b2&3=0x%x]"`, `" [%ua]"`, … and the questions.
fn dns(text: &[u8]) -> Res<'_, ()> {
    let (i, _) = bigint(text)?;
    // An operation or a response code follows the number at once: ` ` where both are plain.
    match i.first() {
        Some(b' ' | b'+' | b'%' | b'*' | b'-' | b'|' | b'$') => {}
        Some(b'A'..=b'Z' | b'a'..=b'z') => {}
        _ => return no(),
    }
    if !text.ends_with(b")") {
        return no();
    }
    let Some(open) = memchr::memrchr(b'(', text) else {
        return no();
    };
    let closing = &text[open..];
    let digits = &closing[1..closing.len() - 1];
    if open == 0
        || text[open - 1] != b' '
        || digits.is_empty()
        || !digits.iter().all(u8::is_ascii_digit)
    {
        return no();
    }
    Ok((closing, ()))
}

//! IPv4: `print-ip.c`.

use nom::Parser as _;
use nom::combinator::opt;

use super::leaf::{Res, bigint, bracketed, hex, int, ipv4, lit, number, port, until};
use super::walk::{Walk, slot};
use super::{Await, icmp, info, tcp, udp};
use crate::cell::Fixed;
use crate::part::Part;

/// What the header says of what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// IANA's number; 256 where the header does not tell.
    pub(super) protocol: u32,
    /// A fragment other than the first: no transport header follows.
    pub(super) later_fragment: bool,
}

/// A header whose protocol number can't be read.
const UNKNOWN: u32 = 256;

/// Protocols that print `A.P > B.P`.
pub(super) fn has_ports(protocol: u32) -> bool {
    matches!(protocol, 6 | 17 | 33 | 132)
}

/// After `IP `, or with `-e` at the same place without the word. Without `-v` there is no header:
/// the endpoints stand here.
///
/// ```text
/// IP (tos 0x0, ttl 64, id 1, offset 0, flags [DF], proto TCP (6), length 60)
/// IP truncated-ip - 1243 bytes missing! (tos 0x0, ...
/// IP [total length 1500 > length 257] (invalid) (tos 0x0, ...
/// ```
pub(super) fn ip<'a>(walk: &mut Walk<'_, 'a>, i: &'a [u8]) -> Option<Await> {
    walk.ip_version(false);
    if i.starts_with(b"(tos 0x") {
        return Some(header(walk, i));
    }
    let i = preface(i);
    if i.starts_with(b"(tos 0x") {
        return Some(header(walk, i));
    }
    // Without `-v`; without `-n` in names.
    if named(i).is_some() {
        let header = Header {
            protocol: UNKNOWN,
            later_fragment: false,
        };
        endpoints(walk, i, header);
        return Some(Await::Nothing);
    }
    None
}

/// What stands after a header's complaint about its own length: the header's figures, or without
/// `-v` the endpoints. It is read word by word, since a packet's own text follows on the line.
///
/// `ND_PRINT("truncated-ip - %u bytes missing! ")`, `"truncated-ip6 - %u bytes missing!"`,
/// `"[total length %u > length %u]"`, `"[header+payload length %zu > length %u]"`, `" (invalid)"`,
/// `"[real length %u, presumed BIG TCP] "`
pub(super) fn preface(i: &[u8]) -> &[u8] {
    let read = || {
        let start = i.strip_prefix(b" ").unwrap_or(i);
        let complaint = [
            &b"[total length "[..],
            b"[header+payload length ",
            b"[real length ",
        ];
        let rest = if complaint.iter().any(|text| start.starts_with(text)) {
            until(b']')(start).ok()?.0.strip_prefix(b"]")?
        } else {
            let rest = start.strip_prefix(b"truncated-ip")?;
            let rest = rest.strip_prefix(b"6").unwrap_or(rest);
            let (rest, _) = bigint(rest.strip_prefix(b" - ")?).ok()?;
            rest.strip_prefix(b" bytes missing!")?
        };
        let rest = rest.strip_prefix(b" (invalid)").unwrap_or(rest);
        Some(rest.strip_prefix(b" ").unwrap_or(rest))
    };
    read().unwrap_or(i)
}

/// A header from its `(` on.
fn header<'a>(walk: &mut Walk<'_, 'a>, i: &'a [u8]) -> Await {
    match strict(walk, i) {
        Ok((rest, header)) if rest.is_empty() || rest == b" " => return Await::Endpoints(header),
        // `-g`, since 4.99.6: everything on one line.
        Ok((rest, header)) => {
            if let Some(rest) = rest.strip_prefix(b" ") {
                endpoints(walk, rest, header);
            }
            return Await::Nothing;
        }
        Err(_) => {}
    }
    loose(walk, i)
}

/// `ND_PRINT("(tos 0x%x", ip_tos)`, `",ECT(1)"`, `",ECT(0)"`, `",CE"`,
/// `", ttl %u"`, `", id %u, offset %u, flags [%s], proto %s (%u)"`, `", length %u"`,
/// `", options (%s)"`, `", bad cksum %x (->%x)!"`, `")\n    "`
fn strict<'a>(walk: &mut Walk<'_, 'a>, i: &'a [u8]) -> Res<'a, Header> {
    let (text, ()) = lit(b"(")(i)?;
    let (i, ()) = lit(b"tos 0x")(text)?;
    let (i, tos) = hex(i)?;
    let i = match i {
        [b',', b'E', b'C', b'T', b'(', b'0' | b'1', b')', rest @ ..] => rest,
        [b',', b'C', b'E', rest @ ..] => rest,
        _ => i,
    };
    let (i, ttl) = match i.strip_prefix(b", ttl ") {
        Some(i) => {
            let (i, ttl) = int(i)?;
            (i, Some(ttl))
        }
        None => (i, None),
    };
    let (i, ()) = lit(b", id ")(i)?;
    let (i, id) = int(i)?;
    let (i, ()) = lit(b", offset ")(i)?;
    let (i, offset) = int(i)?;
    let (i, ()) = lit(b", flags [")(i)?;
    let (i, flags) = bracketed(i, |b| {
        b.is_ascii_alphabetic() || matches!(b, b'+' | b',' | b' ')
    })?;
    let (i, ()) = lit(b", proto ")(i)?;
    let (i, name) = proto_name(i)?;
    let (i, protocol) = int(i)?;
    let (i, ()) = lit(b"), length ")(i)?;
    let (i, length) = int(i)?;
    let mut options = None;
    let i = match i.strip_prefix(b", options (") {
        Some(i) => {
            // `RA`, `NOP,RA`, `RR 10.0.0.1, 10.0.0.2^`: no parentheses, no other field's words.
            let (rest, text) = until(b')')(i)?;
            let words = text
                .windows(3)
                .any(|w| w.starts_with(b", ") && w[2].is_ascii_alphabetic());
            if words || memchr::memchr(b'(', text).is_some() {
                return super::leaf::no();
            }
            options = Some(text);
            &rest[1..]
        }
        None => i,
    };
    let (i, bad) = opt(bad_cksum).parse(i)?;
    let network = walk.between(text, i);
    let (rest, ()) = lit(b")")(i)?;

    walk.part(Part::Network, network);
    walk.number(slot::TOS, tos);
    if let Some(ttl) = ttl {
        walk.number(slot::TTL, ttl);
    }
    walk.number(slot::IP_ID, id);
    walk.number(slot::FRAGMENT_OFFSET, offset);
    walk.text(slot::IP_FLAGS, flags);
    walk.protocol_name(name);
    walk.number(slot::IP_PROTOCOL, protocol);
    walk.number(slot::LENGTH, length);
    if let Some(options) = options {
        walk.text(slot::IP_OPTIONS, options);
    }
    if bad.is_some() {
        walk.flag(slot::IP_CKSUM_BAD, true);
    }
    let protocol = u32::try_from(protocol).unwrap_or(UNKNOWN);
    Ok((
        rest,
        Header {
            protocol,
            later_fragment: offset != 0,
        },
    ))
}

/// `, bad cksum %x (->%x)!`
fn bad_cksum(i: &[u8]) -> Res<'_, ()> {
    let (i, ()) = lit(b", bad cksum ")(i)?;
    let (i, _) = hex(i)?;
    let (i, ()) = lit(b" (->")(i)?;
    let (i, _) = hex(i)?;
    lit(b")!")(i)
}

/// `proto %s (%u)`: a name of letters, digits, blanks and hyphens, up to ` (`.
fn proto_name(i: &[u8]) -> Res<'_, &[u8]> {
    let at = i
        .iter()
        .position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b' ' | b'-' | b'/' | b'.')))
        .unwrap_or(i.len());
    match (i[..at].strip_suffix(b" "), i.get(at)) {
        (Some(name), Some(b'(')) if !name.is_empty() => Ok((&i[at + 1..], name)),
        _ => super::leaf::no(),
    }
}

/// A header that the strict production does not know (unusual options, a name with parentheses,
/// TSO lengths): all of it is the printer's own text, so its end is the last parenthesis.
fn loose<'a>(walk: &mut Walk<'_, 'a>, i: &'a [u8]) -> Await {
    let text = &i[1..];
    // Where the endpoints follow on the same line (`-g`), they stand behind `) A`.
    let end = match text.strip_suffix(b")") {
        Some(inner) => inner.len(),
        None => match super::leaf::balanced(i) {
            Some(len) => len - 2,
            None => {
                walk.odd(Part::Network, text);
                return Await::Nothing;
            }
        },
    };
    let network = &text[..end];
    walk.odd(Part::Network, network);
    let mut header = Header {
        protocol: UNKNOWN,
        later_fragment: false,
    };
    if let Some(at) = memchr::memmem::find(network, b", offset ")
        && let Ok((_, offset)) = bigint(&network[at + 9..])
    {
        header.later_fragment = offset != 0;
    }
    if let Some(at) = memchr::memmem::find(network, b", proto ") {
        let named = &network[at + 8..];
        // The name may have parentheses of its own; the number's are the last before the length.
        let stop = memchr::memmem::find(named, b"), length ").unwrap_or(named.len());
        if let Some(open) = memchr::memrchr(b'(', &named[..stop]) {
            if let Ok((_, n)) = number(255)(&named[open + 1..]) {
                header.protocol = n as u32;
            }
            walk.odd(
                Part::Protocol,
                named[..open].strip_suffix(b" ").unwrap_or(&named[..open]),
            );
        }
    }
    if let Some(rest) = text.get(end + 1..).and_then(|rest| rest.strip_prefix(b" "))
        && !rest.is_empty()
    {
        endpoints(walk, rest, header);
        return Await::Nothing;
    }
    Await::Endpoints(header)
}

/// The second line, without its four blanks; or what follows `IP ` where there is no header.
///
/// `ND_PRINT("%s > %s: ")` for protocols without ports, `"%s.%s > %s.%s: "` for those with;
/// `"%s > %s:"`, `" ip-proto-%u"` for later fragments.
pub(super) fn endpoints<'a>(walk: &mut Walk<'_, 'a>, i: &'a [u8], header: Header) {
    if let Ok((rest, ports)) = addresses(walk, i) {
        body(walk, rest, header, ports);
        return;
    }
    // A name in place of an address or a port: text without `-nn`.
    let Some((endpoints, rest)) = named(i) else {
        info::rest(walk, i, header.protocol, None);
        return;
    };
    let ported = match header.protocol {
        UNKNOWN => {
            let known = |text| matches!(ipv4(text), Ok((rest, _)) if rest.is_empty());
            !known(super::leaf::word(endpoints).1)
        }
        protocol => has_ports(protocol) && !header.later_fragment,
    };
    walk.odd(
        if ported { Part::Endpoints } else { Part::Hosts },
        endpoints,
    );
    body(walk, rest, header, ported.then_some((0, 0)));
}

/// `A > B:`, whatever the words are: both of them, and the body.
pub(super) fn named(i: &[u8]) -> Option<(&[u8], &[u8])> {
    let (rest, source) = super::leaf::word(i);
    let rest = rest.strip_prefix(b" > ")?;
    let (rest, destination) = super::leaf::word(rest);
    let destination = destination.strip_suffix(b":")?;
    if source.is_empty() || destination.is_empty() {
        return None;
    }
    let len = source.len() + 3 + destination.len();
    Some((&i[..len], rest.strip_prefix(b" ").unwrap_or(rest)))
}

/// `A > B: ` or `A.P > B.P: ` in figures: which of them the text itself tells, since an IPv4
/// address has just four groups.
fn addresses<'a>(walk: &mut Walk<'_, 'a>, text: &'a [u8]) -> Res<'a, Option<(u16, u16)>> {
    let (i, source) = ipv4(text)?;
    let (i, source_port) = dotted_port(i)?;
    let (i, ()) = lit(b" > ")(i)?;
    let (i, destination) = ipv4(i)?;
    let (i, destination_port) = dotted_port(i)?;
    let span = walk.between(text, i);
    let (i, ()) = lit(b":")(i)?;
    let rest = match i {
        [] => i,
        [b' ', rest @ ..] => rest,
        _ => return super::leaf::no(),
    };
    let ports = match (source_port, destination_port) {
        (Some(s), Some(d)) => {
            walk.part(Part::Endpoints, span);
            walk.number(slot::SOURCE_PORT, s);
            walk.number(slot::DESTINATION_PORT, d);
            Some((s as u16, d as u16))
        }
        (None, None) => {
            walk.part(Part::Hosts, span);
            None
        }
        _ => return super::leaf::no(),
    };
    walk.address(slot::SOURCE, source);
    walk.address(slot::DESTINATION, destination);
    Ok((rest, ports))
}

fn dotted_port(i: &[u8]) -> Res<'_, Option<u64>> {
    match i.strip_prefix(b".") {
        Some(i) => {
            let (i, port) = port(i)?;
            Ok((i, Some(port)))
        }
        None => Ok((i, None)),
    }
}

/// What the packet carries: chosen by the header's number; without a header by its first words.
fn body<'a>(walk: &mut Walk<'_, 'a>, i: &'a [u8], header: Header, ports: Option<(u16, u16)>) {
    match (header.protocol, ports) {
        (6, Some(ports)) => tcp::tcp(walk, i, ports),
        (17, Some(ports)) => udp::udp(walk, i, ports),
        (1, None) if i.starts_with(b"ICMP ") => icmp::icmp(walk, i),
        (UNKNOWN, _) => unheaded(walk, i, ports),
        _ => info::rest(walk, i, header.protocol, ports),
    }
}

/// Text without `-v`: the body names the protocol.
pub(super) fn unheaded<'a>(walk: &mut Walk<'_, 'a>, i: &'a [u8], ports: Option<(u16, u16)>) {
    match ports {
        Some(ports) => {
            if i.starts_with(b"Flags [") || i.starts_with(b"tcp ") {
                walk.protocol(Fixed::Tcp);
                tcp::tcp(walk, i, ports);
            } else if i.starts_with(b"sctp") {
                walk.protocol(Fixed::Sctp);
                info::rest(walk, i, 132, Some(ports));
            } else if i.starts_with(b"DCCP") {
                walk.protocol(Fixed::Dccp);
                info::rest(walk, i, 33, Some(ports));
            } else if let Some(fixed) = info::truncated(i) {
                walk.protocol(fixed);
                info::rest(walk, i, UNKNOWN, Some(ports));
            } else {
                walk.protocol(Fixed::Udp);
                udp::udp(walk, i, ports);
            }
        }
        None => {
            if i.starts_with(b"ICMP ") {
                walk.protocol(Fixed::Icmp);
                icmp::icmp(walk, i);
            } else if let Some(fixed) = info::truncated(i) {
                walk.protocol(fixed);
                info::rest(walk, i, UNKNOWN, None);
            } else {
                info::first_word(walk, i);
                info::rest(walk, i, UNKNOWN, None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_ends_before_what_the_packet_says() {
        for (text, rest) in [
            (
                "truncated-ip - 30 bytes missing! 10.0.0.1.4 > 10.0.0.2.80: x (tos 0x0",
                33,
            ),
            ("truncated-ip - 30 bytes missing! (tos 0x0", 33),
            ("truncated-ip6 - 30 bytes missing!(hlim 64", 33),
            (" [total length 9 > length 8] (invalid) (tos 0x0", 39),
            ("[real length 79996, presumed BIG TCP] (hlim 64", 38),
            (" [|ip]", 0),
            ("[bad] (tos 0x0", 0),
        ] {
            assert_eq!(preface(text.as_bytes()), &text.as_bytes()[rest..], "{text}");
        }
    }
}

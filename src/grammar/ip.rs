//! IPv4: `print-ip.c`.

use nom::Parser as _;
use nom::combinator::opt;

use super::leaf::{Res, bigint, bracketed, hex, int, ipv4, lit, number, port, until};
use super::unheaded::{self, End, UNKNOWN};
use super::walk::{Walk, slot};
use super::{Await, icmp, info, tcp, udp};
use crate::cell::Fixed;
use crate::dialect::Dialect;
use crate::part::Part;

/// What the header says of what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// IANA's number; 256 where the header does not tell.
    pub(super) protocol: u32,
    /// A fragment other than the first: no transport header follows.
    pub(super) later_fragment: bool,
}

impl Header {
    /// Where there is no header.
    pub(super) const UNKNOWN: Header = Header {
        protocol: UNKNOWN,
        later_fragment: false,
    };
}

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
        endpoints(walk, i, Header::UNKNOWN);
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
    match older(walk, i) {
        Ok((rest, header)) => {
            endpoints(walk, rest, header);
            Await::Nothing
        }
        Err(_) => loose(walk, i),
    }
}

/// What every header begins with.
struct Figures<'a> {
    tos: u64,
    ttl: Option<u64>,
    id: u64,
    offset: u64,
    flags: &'a [u8],
}

/// `"tos 0x%x"`, `",ECT(1)"`, `",ECT(0)"`, `",CE"`, `", ttl "` and a number,
/// `", id %u, offset %u, flags [%s]"`
///
/// Inlined by force: as a call its five values go through memory, which is 2 % of a parse.
#[inline(always)]
fn figures<'a>(i: &'a [u8], number: impl Fn(&'a [u8]) -> Res<'a, u64>) -> Res<'a, Figures<'a>> {
    let (i, ()) = lit(b"tos 0x")(i)?;
    let (i, tos) = hex(i)?;
    let i = match i {
        [b',', b'E', b'C', b'T', b'(', b'0' | b'1', b')', rest @ ..] => rest,
        [b',', b'C', b'E', rest @ ..] => rest,
        _ => i,
    };
    let (i, ttl) = match i.strip_prefix(b", ttl ") {
        Some(i) => {
            let (i, ttl) = number(i)?;
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
    let figures = Figures {
        tos,
        ttl,
        id,
        offset,
        flags,
    };
    Ok((i, figures))
}

impl<'a> Figures<'a> {
    #[inline(always)]
    fn store(&self, walk: &mut Walk<'_, 'a>) {
        walk.number(slot::TOS, self.tos);
        if let Some(ttl) = self.ttl {
            walk.number(slot::TTL, ttl);
        }
        walk.number(slot::IP_ID, self.id);
        walk.number(slot::FRAGMENT_OFFSET, self.offset);
        walk.text(slot::IP_FLAGS, self.flags);
    }
}

/// `%3u`
fn padded(mut i: &[u8]) -> Res<'_, u64> {
    while let [b' ', rest @ ..] = i {
        i = rest;
    }
    int(i)
}

/// From 3.9.4 to 3.9.7, and Junos: `"(tos 0x%x"`, `",ECT(1)"`, …, `", ttl %3u"`,
/// `", id %u, offset %u, flags [%s], proto: %s (%u)"`, `", length: %u"`, `", options ( %s )"`,
/// `", bad cksum %x (->%x)!"`, `") "`; the endpoints follow on the line. 3.8 had no `proto`.
///
/// ```text
/// (tos 0x0, ttl  64, id 1, offset 0, flags [DF], proto: TCP (6), length: 60) 192.0.2.1.40000 > ...
/// ```
#[inline(never)]
fn older<'a>(walk: &mut Walk<'_, 'a>, i: &'a [u8]) -> Res<'a, Header> {
    let (text, ()) = lit(b"(")(i)?;
    let (i, figures) = figures(text, padded)?;
    let (i, carried) = match i.strip_prefix(b", proto: ") {
        Some(i) => {
            let (i, name) = proto_name(i)?;
            let (i, protocol) = int(i)?;
            (lit(b")")(i)?.0, Some((name, protocol)))
        }
        None => (i, None),
    };
    let (i, ()) = lit(b", length: ")(i)?;
    let (i, length) = int(i)?;
    let (rest, ()) = lit(b") ")(i)?;

    walk.parts.dialects.add(Dialect::Header);
    let network = walk.between(text, i);
    walk.part(Part::Network, network);
    figures.store(walk);
    walk.number(slot::LENGTH, length);
    let mut header = Header {
        protocol: UNKNOWN,
        later_fragment: figures.offset != 0,
    };
    if let Some((name, protocol)) = carried {
        walk.number(slot::IP_PROTOCOL, protocol);
        header.protocol = u32::try_from(protocol).unwrap_or(UNKNOWN);
        unheaded::protocol(walk, name, header.protocol);
    }
    Ok((rest, header))
}

/// `ND_PRINT("(tos 0x%x", ip_tos)`, `",ECT(1)"`, `",ECT(0)"`, `",CE"`,
/// `", ttl %u"`, `", id %u, offset %u, flags [%s], proto %s (%u)"`, `", length %u"`,
/// `", options (%s)"`, `", bad cksum %x (->%x)!"`, `")\n    "`
fn strict<'a>(walk: &mut Walk<'_, 'a>, i: &'a [u8]) -> Res<'a, Header> {
    let (text, ()) = lit(b"(")(i)?;
    let (i, figures) = figures(text, int)?;
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
            let none = text.first().is_none_or(|b| *b == b' ');
            if words || none || memchr::memchr(b'(', text).is_some() {
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
    figures.store(walk);
    match protocol {
        6 | 17 | 1 => walk.protocol_name(name),
        _ => unheaded::protocol(walk, name, protocol as u32),
    }
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
            later_fragment: figures.offset != 0,
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

/// A header that the strict productions do not know (unusual options, a name with parentheses, TSO
/// lengths). Its own parentheses are balanced, so it ends where the first one is closed; what
/// follows it on the line is another's text.
#[inline(never)]
fn loose<'a>(walk: &mut Walk<'_, 'a>, i: &'a [u8]) -> Await {
    let text = &i[1..];
    let Some(len) = super::leaf::balanced(i) else {
        walk.odd(Part::Network, text);
        return Await::Nothing;
    };
    let network = &i[1..len - 1];
    walk.odd(Part::Network, network);
    let mut header = Header::UNKNOWN;
    if let Some(at) = memchr::memmem::find(network, b", offset ")
        && let Ok((_, offset)) = bigint(&network[at + 9..])
    {
        header.later_fragment = offset != 0;
    }
    if let Some(at) = memchr::memmem::find(network, b", proto") {
        let named = &network[at + 7..];
        let named = named.strip_prefix(b":").unwrap_or(named);
        let named = named.strip_prefix(b" ").unwrap_or(named);
        // The name may have parentheses of its own; the number's are the last before the length.
        let stop = memchr::memmem::find(named, b"), length").unwrap_or(named.len());
        if let Some(open) = memchr::memrchr(b'(', &named[..stop]) {
            if let Ok((_, n)) = number(255)(&named[open + 1..]) {
                header.protocol = n as u32;
            }
            let name = named[..open].strip_suffix(b" ").unwrap_or(&named[..open]);
            unheaded::protocol(walk, name, header.protocol);
        }
    }
    match i[len..].strip_prefix(b" ") {
        Some(rest) if !rest.is_empty() => {
            endpoints(walk, rest, header);
            Await::Nothing
        }
        _ => Await::Endpoints(header),
    }
}

/// The second line, without its four blanks; or what follows `IP ` where there is no header.
///
/// `ND_PRINT("%s > %s: ")` for protocols without ports, `"%s.%s > %s.%s: "` for those with;
/// `"%s > %s:"`, `" ip-proto-%u"` for later fragments.
pub(super) fn endpoints<'a>(walk: &mut Walk<'_, 'a>, i: &'a [u8], header: Header) {
    if let Ok((rest, ports)) = addresses(walk, i) {
        if let Some((source, destination)) = ports
            && (source == 2049 || destination == 2049)
            && let Some((pair, _)) = named(i)
            && nfs(walk, pair, rest, header)
        {
            return;
        }
        body(walk, rest, header, ports);
    } else {
        names(walk, i, header);
    }
}

/// A name in place of an address or a port: text without `-nn`.
#[inline(never)]
fn names<'a>(walk: &mut Walk<'_, 'a>, i: &'a [u8], header: Header) {
    let Some((pair, rest)) = named(i) else {
        info::rest(walk, i, header.protocol, None);
        return;
    };
    if nfs(walk, pair, rest, header) {
        return;
    }
    let Some(at) = memchr::memmem::find(pair, b" > ") else {
        return;
    };
    let (source, destination) = (end(&pair[..at]), end(&pair[at + 3..]));
    let ported = match (header.protocol, [source, destination]) {
        (UNKNOWN, ends) => unheaded::ported(ends, rest),
        (_, ends) if ends.contains(&End::Bare) => Some(false),
        (protocol, _) => Some(has_ports(protocol) && !header.later_fragment),
    };
    match ported {
        Some(true) => {
            walk.odd(Part::Endpoints, pair);
            let ports = (source.port(), destination.port());
            body(walk, rest, header, Some(ports));
        }
        Some(false) => {
            walk.odd(Part::Hosts, pair);
            body(walk, rest, header, None);
        }
        // Nothing tells whether what stands behind a last dot is a port.
        None => body(walk, rest, header, None),
    }
}

/// One end of `A > B`.
fn end(word: &[u8]) -> End<'_> {
    let last = memchr::memrchr(b'.', word).map_or(&b""[..], |dot| &word[dot + 1..]);
    match ipv4(word) {
        Ok((b"", _)) => End::Bare,
        Ok(([b'.', port @ ..], _)) if port == last && !last.is_empty() => End::Port(last),
        _ => End::Name(last),
    }
}

/// NFS up to 4.5, whose client's port is not printed.
#[inline(never)]
fn nfs<'a>(walk: &mut Walk<'_, 'a>, pair: &'a [u8], body: &'a [u8], header: Header) -> bool {
    let Some(way) = unheaded::nfs(body) else {
        return false;
    };
    if !unheaded::nfs_ends(walk, pair, way) {
        return false;
    }
    if header.protocol == UNKNOWN {
        walk.protocol(Fixed::Udp);
    }
    info::rest(walk, body, header.protocol, None);
    true
}

/// OpenBSD's print-ipsec.c: `"esp %s > %s spi 0x%08x seq %u len %d"`, `"ah %s > %s spi 0x%08x"`,
/// `"ipcomp %s > %s cpi 0x%04X"`: the word stands before the addresses.
pub(super) fn ipsec<'a>(walk: &mut Walk<'_, 'a>, i: &'a [u8]) -> Option<Await> {
    let words = [
        (&b"esp "[..], Fixed::Esp),
        (b"ah ", Fixed::Ah),
        (b"ipcomp ", Fixed::Ipcomp),
    ];
    let (protocol, i) = words
        .iter()
        .find_map(|(word, fixed)| Some((*fixed, i.strip_prefix(*word)?)))?;
    let (rest, source) = super::leaf::word(i);
    let (rest, destination) = super::leaf::word(rest.strip_prefix(b" > ")?);
    let figures = rest.strip_prefix(b" ")?;
    if source.is_empty()
        || destination.is_empty()
        || !figures.starts_with(b"spi 0x") && !figures.starts_with(b"cpi 0x")
    {
        return None;
    }
    if memchr::memchr(b':', source).is_some() {
        walk.ip_version(true);
    } else if end(source) == End::Bare || end(destination) == End::Bare {
        walk.ip_version(false);
    }
    walk.protocol(protocol);
    walk.odd(Part::Hosts, walk.between(i, rest));
    unheaded::rest(walk, figures);
    Some(Await::Nothing)
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
        (1, None) if i.starts_with(b"icmp") => icmp::older(walk, i),
        (UNKNOWN, Some(ports)) => unheaded::with_ports(walk, i, ports),
        (UNKNOWN, None) => unheaded::without_ports(walk, i),
        (112, None) if i.starts_with(b"CARPv") => {
            // CARP has VRRP's number.
            walk.protocol(Fixed::Carp);
            info::rest(walk, i, header.protocol, None);
        }
        _ => info::rest(walk, i, header.protocol, ports),
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

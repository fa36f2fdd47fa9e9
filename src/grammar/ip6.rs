//! IPv6 and its extension headers: `print-ip6.c`, `print-ip6opts.c`, `print-frag6.c`,
//! `print-rt6.c`, `print-ah.c`.

use super::leaf::{Res, hex, int, ipv6, lit, no, number, port, until};
use super::unheaded::{self, End, UNKNOWN};
use super::walk::{Walk, slot};
use super::{Await, icmp, info, ip, tcp, udp};
use crate::cell::Fixed;
use crate::part::Part;

/// After `IP6 `, or with `-e` at the same place without the word. Without `-v` the endpoints
/// stand here.
///
/// ```text
/// IP6 (flowlabel 0x56104, hlim 1, next-header UDP (17) payload length: 44) fe80::1.546 > ...
/// IP6 truncated-ip6 - 110 bytes missing!(hlim ...
/// IP6 [header+payload length 140 > length 60] (invalid) (hlim ...
/// ```
pub(super) fn ip6<'a>(walk: &mut Walk<'_, 'a>, i: &'a [u8]) -> Option<Await> {
    walk.ip_version(true);
    let header = ip::preface(i);
    if header.starts_with(b"[") || header.starts_with(b" [") {
        return None;
    }
    if !header.starts_with(b"(") {
        unheaded(walk, header);
        return Some(Await::Nothing);
    }
    match strict(walk, header) {
        Ok((rest, next)) => endpoints(walk, rest, next),
        Err(_) => loose(walk, header),
    }
    Some(Await::Nothing)
}

/// `ND_PRINT("(")`, `"class 0x%02x, "`, `"flowlabel 0x%05x, "`, `"hlim %u, next-header %s"`,
/// `" (%u)"`, `" payload length: %u) "`; since 4.99.6 `", payload length %u) "`; from 3.9.4 to 3.9.7
/// `"hlim %u, next-header: %s (%u), length: %u) "`.
fn strict<'a>(walk: &mut Walk<'_, 'a>, i: &'a [u8]) -> Res<'a, u32> {
    let (text, ()) = lit(b"(")(i)?;
    let mut i = text;
    let (mut class, mut label) = (None, None);
    if let Some(rest) = i.strip_prefix(b"class 0x") {
        let (rest, n) = hex(rest)?;
        class = Some(n);
        (i, _) = lit(b", ")(rest)?;
    }
    if let Some(rest) = i.strip_prefix(b"flowlabel 0x") {
        let (rest, n) = hex(rest)?;
        label = Some(n);
        (i, _) = lit(b", ")(rest)?;
    }
    let (i, ()) = lit(b"hlim ")(i)?;
    let (i, hlim) = int(i)?;
    let (i, ()) = lit(b", next-header")(i)?;
    let older = i.strip_prefix(b":");
    let (i, ()) = lit(b" ")(older.unwrap_or(i))?;
    let (i, name) = until(b' ')(i)?;
    if name.is_empty() || !name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-') {
        return no();
    }
    let (i, ()) = lit(b" (")(i)?;
    let (i, next) = int(i)?;
    let i = match i.strip_prefix(b") payload length: ") {
        Some(i) if older.is_none() => i,
        _ if older.is_some() => lit(b"), length: ")(i)?.0,
        _ => lit(b"), payload length ")(i)?.0,
    };
    let (i, length) = int(i)?;
    let network = walk.between(text, i);
    let (rest, ()) = lit(b") ")(i)?;

    walk.part(Part::Network, network);
    if let Some(n) = class {
        walk.number(slot::TOS, n);
    }
    if let Some(n) = label {
        walk.number(slot::FLOWLABEL, n);
    }
    walk.number(slot::TTL, hlim);
    walk.number(slot::IP_PROTOCOL, next);
    walk.number(slot::LENGTH, length);
    match next {
        6 | 17 | 58 => walk.protocol_name(name),
        _ => unheaded::protocol(walk, name, next as u32),
    }
    Ok((rest, u32::try_from(next).unwrap_or(UNKNOWN)))
}

/// A header with words of another release, or cut.
fn loose<'a>(walk: &mut Walk<'_, 'a>, i: &'a [u8]) {
    let text = &i[1..];
    let Some(len) = super::leaf::balanced(i) else {
        walk.odd(Part::Network, text);
        return;
    };
    let network = &text[..len - 2];
    walk.odd(Part::Network, network);
    let mut next = UNKNOWN;
    if let Some(at) = memchr::memmem::find(network, b"next-header") {
        let named = &network[at + 11..];
        let named = named.strip_prefix(b":").unwrap_or(named);
        let named = named.strip_prefix(b" ").unwrap_or(named);
        let stop = memchr::memmem::find(named, b"length").unwrap_or(named.len());
        if let Some(open) = memchr::memrchr(b'(', &named[..stop]) {
            if let Ok((_, n)) = number(255)(&named[open + 1..]) {
                next = n as u32;
            }
            let name = named[..open].strip_suffix(b" ").unwrap_or(&named[..open]);
            unheaded::protocol(walk, name, next);
        }
    }
    let rest = &i[len..];
    endpoints(walk, rest.strip_prefix(b" ").unwrap_or(rest), next);
}

/// `ND_PRINT("%s.%s > %s.%s: ")` where the fixed header's next header has ports, else
/// `"%s > %s: "`. Dots can't tell: `::ffff:10.0.0.1` has three of its own.
fn endpoints<'a>(walk: &mut Walk<'_, 'a>, text: &'a [u8], next: u32) {
    let Some((pair, i)) = ip::named(text) else {
        info::rest(walk, text, next, None);
        return;
    };
    // A transport header that was cut off leaves no ports to print.
    let ported = ip::has_ports(next) && !i.starts_with(b"[|");
    let ports = if ported {
        ported_pair(walk, pair)
    } else {
        plain_pair(walk, pair)
    };
    match (next, ports) {
        (6, Some(ports)) => tcp::tcp(walk, i, ports),
        (17, Some(ports)) => udp::udp(walk, i, ports),
        (58, None) => icmp6(walk, i),
        (33 | 132, _) => info::rest(walk, i, next, ports),
        (_, Some(ports)) => info::rest(walk, i, next, Some(ports)),
        _ => chain(walk, i, next),
    }
}

/// `A.P > B.P`: the port is behind the last dot.
fn ported_pair<'a>(walk: &mut Walk<'_, 'a>, pair: &'a [u8]) -> Option<(u16, u16)> {
    let typed = (|| {
        let at = memchr::memmem::find(pair, b" > ")?;
        let (source, source_port) = address_and_port(&pair[..at])?;
        let (destination, destination_port) = address_and_port(&pair[at + 3..])?;
        Some((source, source_port, destination, destination_port))
    })();
    let Some((source, source_port, destination, destination_port)) = typed else {
        walk.odd(Part::Endpoints, pair);
        let at = memchr::memmem::find(pair, b" > ")?;
        return Some((end(&pair[..at]).port(), end(&pair[at + 3..]).port()));
    };
    walk.part(Part::Endpoints, pair);
    walk.address(slot::SOURCE, source);
    walk.number(slot::SOURCE_PORT, source_port);
    walk.address(slot::DESTINATION, destination);
    walk.number(slot::DESTINATION_PORT, destination_port);
    Some((source_port as u16, destination_port as u16))
}

fn address_and_port(text: &[u8]) -> Option<(std::net::IpAddr, u64)> {
    let dot = memchr::memrchr(b'.', text)?;
    let (rest, port) = port(&text[dot + 1..]).ok()?;
    if rest.is_empty() {
        Some((ipv6(&text[..dot])?, port))
    } else {
        None
    }
}

/// `A > B`
fn plain_pair<'a>(walk: &mut Walk<'_, 'a>, pair: &'a [u8]) -> Option<(u16, u16)> {
    let at = memchr::memmem::find(pair, b" > ")?;
    match (ipv6(&pair[..at]), ipv6(&pair[at + 3..])) {
        (Some(source), Some(destination)) => {
            walk.part(Part::Hosts, pair);
            walk.address(slot::SOURCE, source);
            walk.address(slot::DESTINATION, destination);
        }
        _ => walk.odd(Part::Hosts, pair),
    }
    None
}

/// Text without `-v`: addresses in figures tell whether they have ports, else the body.
fn unheaded<'a>(walk: &mut Walk<'_, 'a>, text: &'a [u8]) {
    let Some((pair, i)) = ip::named(text) else {
        info::rest(walk, text, UNKNOWN, None);
        return;
    };
    let Some(at) = memchr::memmem::find(pair, b" > ") else {
        return;
    };
    let ends = [end(&pair[..at]), end(&pair[at + 3..])];
    match unheaded::ported(ends, i) {
        Some(true) => {
            if let Some(ports) = ported_pair(walk, pair) {
                unheaded::with_ports(walk, i, ports);
            }
            return;
        }
        Some(false) => {
            plain_pair(walk, pair);
        }
        None => {}
    }
    if i.starts_with(b"ICMP6") || i.starts_with(b"[icmp6 ") || i.starts_with(b"[bad icmp6 ") {
        walk.protocol(Fixed::Icmp6);
        icmp6(walk, i);
    } else {
        chain(walk, i, UNKNOWN);
    }
}

/// One end of `A > B`. Dots can't tell: `::ffff:10.0.0.1` has three of its own.
fn end(word: &[u8]) -> End<'_> {
    let dot = memchr::memrchr(b'.', word);
    let last = dot.map_or(&b""[..], |dot| &word[dot + 1..]);
    if ipv6(word).is_some() {
        return End::Bare;
    }
    match dot {
        Some(dot) if !last.is_empty() && ipv6(&word[..dot]).is_some() => End::Port(last),
        _ => End::Name(last),
    }
}

fn icmp6<'a>(walk: &mut Walk<'_, 'a>, i: &'a [u8]) {
    if i.starts_with(b"ICMP6, ")
        || i.starts_with(b"[icmp6 sum ok] ")
        || i.starts_with(b"[bad icmp6 ")
    {
        icmp::icmp6(walk, i);
    } else {
        if i.starts_with(b"icmp6: ") {
            icmp::older(walk, i);
            return;
        }
        info::rest(walk, i, 58, None);
    }
}

/// Extension headers, and the transport behind them. Only figures and words of the printers stand
/// in these; where the chain leaves them, the rest is a decoder's text.
pub(super) fn chain<'a>(walk: &mut Walk<'_, 'a>, text: &'a [u8], next: u32) {
    let mut i = text;
    let mut later_fragment = false;
    while let Ok((rest, kind)) = extension(i) {
        i = rest;
        later_fragment |= kind == Extension::LaterFragment;
    }
    if next == UNKNOWN
        && let Some(fixed) = info::truncated(i)
    {
        walk.protocol(fixed);
    }
    if later_fragment || i.len() == text.len() && next != UNKNOWN {
        // No extension header is here, or no transport header is behind them.
        if next == UNKNOWN
            && let Some(fixed) = unheaded::carried(text)
        {
            walk.protocol(fixed);
        }
        info::rest(walk, text, next, None);
        return;
    }
    if let Ok((body, (pair, source, destination))) = ports(i) {
        walk.part(Part::Ports, pair);
        walk.number(slot::SOURCE_PORT, source);
        walk.number(slot::DESTINATION_PORT, destination);
        unheaded::with_ports(walk, body, (source as u16, destination as u16));
        return;
    }
    if i.len() < text.len()
        && let Some((pair, body)) = ip::named(i)
        && let Some(ports) = named_ports(pair, body)
    {
        walk.odd(Part::Ports, pair);
        unheaded::with_ports(walk, body, ports);
        return;
    }
    if i.starts_with(b"ICMP6, ")
        || i.starts_with(b"[icmp6 sum ok] ")
        || i.starts_with(b"[bad icmp6 ")
    {
        walk.protocol(Fixed::Icmp6);
        icmp::icmp6(walk, i);
    } else if i.starts_with(b"icmp6: ") {
        walk.protocol(Fixed::Icmp6);
        icmp::older(walk, i);
    } else if i.starts_with(b"ICMP ") {
        walk.protocol(Fixed::Icmp);
        icmp::icmp(walk, i);
    } else {
        if i.starts_with(b"ESP(") {
            walk.protocol(Fixed::Esp);
        } else if i.starts_with(b"sctp") {
            walk.protocol(Fixed::Sctp);
        } else if next == UNKNOWN
            && let Some(fixed) = unheaded::carried(text)
        {
            walk.protocol(fixed);
        }
        if next == UNKNOWN {
            unheaded::rest(walk, i);
        } else {
            info::rest(walk, i, next, None);
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Extension {
    Other,
    LaterFragment,
}

/// One extension header: `HBH (padn) `, `DSTOPT (…) `, `RT6 (len=2, type=0, segleft=1, …) `,
/// `frag (0x28403c0b:0|1448) `, `AH(length=4(24-bytes),spi=0x…,seq=0x1,icv=0x…): `.
fn extension(i: &[u8]) -> Res<'_, Extension> {
    if let Some(rest) = i.strip_prefix(b"frag (") {
        let (end, inner) = until(b')')(rest)?;
        let rest = &end[1..];
        // `%u|%zu`, with `-v` an identification and a colon before.
        let offset = inner.rsplit(|b| *b == b':').next().unwrap_or(inner);
        let first = offset.starts_with(b"0|");
        let rest = rest.strip_prefix(b" ").unwrap_or(rest);
        return Ok((
            rest,
            if first {
                Extension::Other
            } else {
                Extension::LaterFragment
            },
        ));
    }
    if i.starts_with(b"AH(") {
        let Some(len) = super::leaf::balanced(&i[2..]) else {
            return no();
        };
        let (rest, ()) = lit(b": ")(&i[2 + len..])?;
        return Ok((rest, Extension::Other));
    }
    let named = [&b"HBH "[..], b"DSTOPT ", b"RT6 ", b"srcrt "];
    let Some(start) = named.iter().find(|start| i.starts_with(start)) else {
        return no();
    };
    let mut rest = &i[start.len()..];
    loop {
        if rest.starts_with(b"(") {
            let Some(len) = super::leaf::balanced(rest) else {
                return no();
            };
            rest = &rest[len..];
        } else if let Some(after) = rest.strip_prefix(b" ") {
            rest = after;
        } else {
            return Ok((rest, Extension::Other));
        }
    }
}

/// `ND_PRINT("%s > %s: ", sport, dport)`
fn ports(text: &[u8]) -> Res<'_, (&[u8], u64, u64)> {
    let (i, source) = port(text)?;
    let (i, ()) = lit(b" > ")(i)?;
    let (i, destination) = port(i)?;
    let pair = &text[..text.len() - i.len()];
    let (i, ()) = lit(b": ")(i)?;
    Ok((i, (pair, source, destination)))
}

/// The same without `-n`: names of services. Beside them a figure, or the body, must tell that they
/// are ports.
fn named_ports(pair: &[u8], body: &[u8]) -> Option<(u16, u16)> {
    let at = memchr::memmem::find(pair, b" > ")?;
    let (source, destination) = (&pair[..at], &pair[at + 3..]);
    let own = |b: &u8| b.is_ascii_alphanumeric() || b"_+-".contains(b);
    let figure = |word: &[u8]| matches!(port(word), Ok((b"", _)));
    if !source.iter().all(own)
        || !destination.iter().all(own)
        || !figure(source) && !figure(destination) && unheaded::says(body) != unheaded::Says::Ported
    {
        return None;
    }
    Some((End::Port(source).port(), End::Port(destination).port()))
}

//! What stands before the network header: nothing, `-i any`'s interface, or `-e`'s link header;
//! `print-ether.c`, `print-sll.c`, `print-null.c`, `print-pppoe.c`, `print-mpls.c`, …

use super::leaf::{Res, hex4, int, lit, mac, no, number, word};
use super::{Await, Fixed, Walk, arp, info, ip, ip6, slot};
use crate::namespace::Part;

/// The body of a head: everything behind the time stamp's blank.
pub(super) fn body<'a>(walk: &mut Walk<'_, 'a>, i: &'a [u8]) -> Await {
    if let Some(waits) = network(walk, i) {
        return waits;
    }
    let mask = walk.slots.mask;
    if let Ok((rest, ethertype)) = ethernet(walk, i) {
        return below(walk, i, rest, ethertype);
    }
    walk.slots.mask = mask;
    if let Ok((rest, _)) = any(walk, i) {
        return below(walk, i, rest, None);
    }
    walk.slots.mask = mask;
    if let Ok((rest, ethertype)) = other(i) {
        walk.odd(Part::Link, walk_link(i, rest));
        return without_link(walk, rest, ethertype);
    }
    tagged(walk, i)
}

/// `IP `, `IP6 `, `ARP, `: the printers' own words.
fn network<'a>(walk: &mut Walk<'_, 'a>, i: &'a [u8]) -> Option<Await> {
    if let Some(rest) = i.strip_prefix(b"IP ")
        && !rest.starts_with(b"(0x")
    {
        return Some(ip::ip(walk, rest).unwrap_or_else(|| damaged(walk, i)));
    }
    if let Some(rest) = i.strip_prefix(b"IP6 ")
        && !rest.starts_with(b"(0x")
    {
        return Some(ip6::ip6(walk, rest).unwrap_or_else(|| damaged(walk, i)));
    }
    if i.starts_with(b"IP6, ") || version_only(i).is_some() {
        return Some(damaged(walk, i));
    }
    for start in [&b"ARP, "[..], b"RARP, ", b"Reverse ARP, "] {
        if let Some(rest) = i.strip_prefix(start) {
            arp::arp(walk, rest);
            return Some(Await::Nothing);
        }
    }
    None
}

/// `ND_PRINT("IP%u ", IP_V(ip))`: a version that is not 4.
fn version_only(i: &[u8]) -> Option<()> {
    let (rest, _) = number(15)(i.strip_prefix(b"IP")?).ok()?;
    rest.starts_with(b" (invalid)").then_some(())
}

/// A network header that its printer could not read: `IP bad-len 0`, `IP5 (invalid)`,
/// `IP6, wrong link-layer encapsulation (invalid)`.
fn damaged<'a>(walk: &mut Walk<'_, 'a>, i: &'a [u8]) -> Await {
    walk.protocol(Fixed::Ip);
    info::rest(walk, i, 256, None);
    Await::Nothing
}

/// The link part without the blank that ends it.
fn walk_link<'a>(i: &'a [u8], rest: &[u8]) -> &'a [u8] {
    &i[..i.len() - rest.len()]
}

/// A network header behind a link header: the ethertype says which, and the printers' words are
/// left out.
fn below<'a>(
    walk: &mut Walk<'_, 'a>,
    i: &'a [u8],
    rest: &'a [u8],
    ethertype: Option<u32>,
) -> Await {
    let link = walk_link(i, rest);
    walk.part(Part::Link, link);
    without_link(walk, rest, ethertype)
}

fn without_link<'a>(walk: &mut Walk<'_, 'a>, rest: &'a [u8], ethertype: Option<u32>) -> Await {
    let waits = match ethertype {
        Some(0x0800) => ip::ip(walk, rest).or_else(|| Some(damaged(walk, rest))),
        Some(0x86dd) => ip6::ip6(walk, rest).or_else(|| Some(damaged(walk, rest))),
        Some(0x0806 | 0x8035) if !rest.starts_with(b" [|") => {
            arp::arp(walk, rest);
            Some(Await::Nothing)
        }
        _ => None,
    };
    waits
        .or_else(|| network(walk, rest))
        .or_else(|| wordless(walk, rest))
        .unwrap_or_else(|| tagged(walk, rest))
}

/// A network header whose word `-e` left out, where no ethertype told which.
fn wordless<'a>(walk: &mut Walk<'_, 'a>, i: &'a [u8]) -> Option<Await> {
    if i.starts_with(b"(tos 0x") {
        return ip::ip(walk, i);
    }
    if [&b"(hlim "[..], b"(class 0x", b"(flowlabel 0x"]
        .iter()
        .any(|start| i.starts_with(start))
    {
        return ip6::ip6(walk, i);
    }
    None
}

/// `ND_PRINT("%s > %s")`, `", ethertype %s (0x%04x)"` or `", 802.3"`, `", length %u: "`; then for
/// each tag `"vlan %u, p %u%s, "`, `"ethertype %s (0x%04x), "`.
fn ethernet<'a>(walk: &mut Walk<'_, 'a>, text: &'a [u8]) -> Res<'a, Option<u32>> {
    let (i, source) = mac(text)?;
    let (i, ()) = lit(b" > ")(i)?;
    let (i, destination) = mac(i)?;
    walk.number(slot::SOURCE_MAC, source);
    walk.number(slot::DESTINATION_MAC, destination);
    if let Some(rest) = i.strip_prefix(b", 802.3, length ") {
        let (rest, _) = int(rest)?;
        let rest = rest.strip_prefix(b": ").or_else(|| rest.strip_prefix(b":"));
        let Some(rest) = rest else { return no() };
        return tags(walk, rest, None);
    }
    let (i, ethertype) = named_ethertype(i.strip_prefix(b", ").unwrap_or(b""))?;
    let (i, ()) = lit(b", length ")(i)?;
    let (i, length) = int(i)?;
    let Some(i) = i.strip_prefix(b":") else {
        return no();
    };
    let i = i.strip_prefix(b" ").unwrap_or(i);
    walk.number(slot::FRAME_LENGTH, length);
    tags(walk, i, Some(ethertype))
}

/// `ethertype %s (0x%04x)`: the names have letters, digits, blanks, dots, hyphens; two end in
/// `(old)`.
fn named_ethertype(i: &[u8]) -> Res<'_, u32> {
    let (i, ()) = lit(b"ethertype ")(i)?;
    let Some(open) = memchr::memchr2(b'(', b',', i) else {
        return no();
    };
    let i = &i[open..];
    let i = i.strip_prefix(b"(old) ").unwrap_or(i);
    let (i, ()) = lit(b"(0x")(i)?;
    let (i, n) = hex4(i)?;
    let (i, ()) = lit(b")")(i)?;
    Ok((i, n as u32))
}

/// 802.1Q tags, the outermost first.
fn tags<'a>(
    walk: &mut Walk<'_, 'a>,
    mut i: &'a [u8],
    mut ethertype: Option<u32>,
) -> Res<'a, Option<u32>> {
    let mut count = 0;
    while let Some(rest) = i.strip_prefix(b"vlan ") {
        let (rest, vlan) = int(rest)?;
        let (rest, ()) = lit(b", p ")(rest)?;
        let (rest, _) = number(7)(rest)?;
        let rest = rest.strip_prefix(b", DEI").unwrap_or(rest);
        let (rest, ()) = lit(b", ")(rest)?;
        match count {
            0 => walk.number(slot::VLAN, vlan),
            1 => walk.number(slot::VLAN_INNER, vlan),
            _ => {}
        }
        count += 1;
        i = rest;
        if let Ok((rest, inner)) = named_ethertype(i)
            && let Ok((rest, ())) = lit(b", ")(rest)
        {
            ethertype = Some(inner);
            i = rest;
        } else if let Some(rest) = i.strip_prefix(b"802.3, ").or(Some(i)) {
            // A length in the place of a type: the last tag's type stays the innermost.
            i = rest;
        }
    }
    if let Some(n) = ethertype {
        walk.number(slot::ETHERTYPE, u64::from(n));
    }
    Ok((i, ethertype))
}

/// `-i any`: `ND_PRINT("%-5s ", if_name)`, `"%-3s "` of `sll_pkttype_values`. With `-e` more
/// follows, which [`other`] reads.
fn any<'a>(walk: &mut Walk<'_, 'a>, text: &'a [u8]) -> Res<'a, ()> {
    let (i, interface) = word(text);
    // Linux: at most 15 bytes, no white space.
    if interface.is_empty() || interface.len() > 16 || interface.iter().any(|b| matches!(b, 9..=13))
    {
        return no();
    }
    let blanks = i.iter().take_while(|b| **b == b' ').count();
    if blanks != 1usize.max(6usize.saturating_sub(interface.len())) {
        return no();
    }
    let (i, direction) = word(&i[blanks..]);
    if !matches!(direction, b"In" | b"Out" | b"B" | b"M" | b"P") {
        return no();
    }
    let blanks = i.iter().take_while(|b| **b == b' ').count();
    if blanks != 4 - direction.len() {
        return no();
    }
    let i = &i[blanks..];
    if i.starts_with(b"ifindex ") {
        return no();
    }
    walk.text(slot::INTERFACE, interface);
    walk.text(slot::DIRECTION, direction);
    Ok((i, ()))
}

/// Link headers that are read for their end only; their fields are the regexes' to find.
///
/// - SLL2 with `-e`: `lo    In  ifindex 1 00:00:00:00:00:00 ethertype IPv4 (0x0800), length 104: `
/// - SLL with `-e`: `Out ethertype IPv4 (0x0800), length 76: `
/// - BSD loopback with `-e`: `AF IPv4 (2), length 60: `
/// - raw IP with `-e`: `ip: `
/// - PPP with `-e`: `IP6 (0x0057), length 74: `
/// - Cisco HDLC with `-e`: `unicast, ethertype IPv4 (0x0800), length 163: `
fn other(text: &[u8]) -> Res<'_, Option<u32>> {
    if let Some(rest) = text.strip_prefix(b"ip: ") {
        return Ok((rest, None));
    }
    let start = text.iter().take_while(|b| **b == b' ').count();
    let i = &text[start..];
    let (after, first) = word(i);
    let i = if matches!(first, b"In" | b"Out" | b"B" | b"M" | b"P") {
        after.strip_prefix(b" ").unwrap_or(after)
    } else if first == b"AF" || first == b"unicast," || first == b"multicast," {
        i
    } else if first.len() <= 16
        && let trimmed = after.trim_ascii_start()
        && let (rest, direction) = word(trimmed)
        && matches!(direction, b"In" | b"Out" | b"B" | b"M" | b"P")
        && rest.trim_ascii_start().starts_with(b"ifindex ")
    {
        rest.trim_ascii_start()
    } else if matches!(first, b"IP" | b"IP6") && after.starts_with(b" (0x") {
        i
    } else {
        return no();
    };
    // What follows is the printer's own up to the frame's length.
    let Some(at) = memchr::memmem::find(i, b", length ") else {
        return no();
    };
    let header = &i[..at];
    let (rest, _) = int(&i[at + 9..])?;
    let (rest, ()) = lit(b": ")(rest)?;
    let ethertype = memchr::memmem::find(header, b"ethertype ")
        .and_then(|at| named_ethertype(&header[at..]).ok())
        .map(|(_, n)| n);
    Ok((rest, ethertype))
}

/// Tags and tunnels whose own line is the printer's alone, before a network header on the same
/// line or, for MPLS and NSH, behind a TAB on the next; else the printer's first word.
fn tagged<'a>(walk: &mut Walk<'_, 'a>, i: &'a [u8]) -> Await {
    info::first_word(walk, i);
    if i.starts_with(b"MPLS (") || i.starts_with(b"NSH, ") {
        walk.odd(Part::Link, i);
        return Await::Tab { link: true };
    }
    if i.starts_with(b"PPPoE  [ses 0x")
        && let Some(at) = memchr::memchr(b']', i)
        && let rest = &i[at + 1..]
        && let Some(rest) = rest.strip_prefix(b" ")
    {
        if let Some(waits) = network(walk, rest) {
            return waits;
        }
        // With `-e`: PPP's own header before it.
        if let Ok((rest, ethertype)) = other(rest) {
            return without_link(walk, rest, ethertype);
        }
    }
    info::rest(walk, i, 256, None);
    Await::Nothing
}

/// The line behind an MPLS or NSH header, without its TAB.
pub(super) fn below_tab<'a>(walk: &mut Walk<'_, 'a>, i: &'a [u8], _link: bool) -> Await {
    if let Some(waits) = network(walk, i).or_else(|| wordless(walk, i)) {
        return waits;
    }
    Await::Nothing
}

//! What stands before the network header: nothing, `-i any`'s interface, or `-e`'s link headers,
//! one within another; `print-ether.c`, `print-sll.c`, `print-null.c`, `print-pppoe.c`, …

mod ethernet;
mod format;
mod header;
mod lead;
mod radio;
mod station;

use super::leaf::{Res, no, number, word};
use super::name::{Name, name};
use super::walk::{Walk, slot};
use super::{Await, arp, info, ip, ip6};
use crate::cell::Fixed;
use crate::part::Part;

use ethernet::{Ethernet, ethernet};
use header::{Header, Kind, header};
use lead::lead;

/// The most link headers before one network header: a switch's tag alone has nine items.
const MOST_HEADERS: usize = 24;

/// The body of a head: everything behind the time stamp's blank.
pub(super) fn body<'a>(walk: &mut Walk<'_, 'a>, i: &'a [u8]) -> Await {
    if let Some(waits) = network(walk, i) {
        return waits;
    }
    if let Ok((rest, header)) = ethernet(i) {
        let link = walk.between(i, rest);
        walk.parts.old |= header.old;
        // Names are read for their end only: one that spells a tag is the regexes' to judge.
        let tags = memchr::memmem::find_iter(link, b"vlan ").count();
        if header.rare || tags != header.tags {
            walk.odd(Part::Link, link);
        } else {
            typed(walk, header);
            walk.part(Part::Link, link);
        }
        return below(walk, rest, header.ethertype, true);
    }
    let mask = walk.slots.mask;
    if let Ok((rest, ())) = any(walk, i) {
        let link = walk.between(i, rest);
        walk.part(Part::Link, link);
        return below(walk, rest, None, true);
    }
    walk.slots.mask = mask;
    if let Some((rest, direction)) = lead(i) {
        let link = walk.between(i, rest);
        walk.odd(Part::Link, link);
        if let Some(direction) = direction {
            walk.direction(direction);
        }
        return led(walk, rest);
    }
    below(walk, i, None, false)
}

/// The packet behind what a system prints before all of them.
fn led<'a>(walk: &mut Walk<'_, 'a>, i: &'a [u8]) -> Await {
    if let Some(waits) = network(walk, i) {
        return waits;
    }
    if let Ok((rest, header)) = ethernet(i) {
        let link = walk.between(i, rest);
        walk.odd_link(link);
        return below(walk, rest, header.ethertype, true);
    }
    below(walk, i, None, false)
}

fn typed(walk: &mut Walk<'_, '_>, header: Ethernet) {
    walk.number(slot::SOURCE_MAC, header.source);
    walk.number(slot::DESTINATION_MAC, header.destination);
    let rare = [
        (slot::FRAME_LENGTH, header.frame_length),
        (slot::VLAN, header.vlan),
        (slot::VLAN_INNER, header.vlan_inner),
        (slot::ETHERTYPE, header.printed),
    ];
    for (slot, n) in rare {
        if let Some(n) = n {
            walk.number(slot, n);
        }
    }
}

/// The link headers that still stand before the network header, and that; without one, the
/// printer's first word is the protocol.
fn below<'a>(
    walk: &mut Walk<'_, 'a>,
    i: &'a [u8],
    ethertype: Option<u32>,
    mut linked: bool,
) -> Await {
    let (mut rest, mut ethertype) = (i, ethertype);
    // Where the fields of link headers that follow one another began, and a tunnel's header.
    let (mut fields, mut tunnel) = (None, None);
    for depth in 0..MOST_HEADERS {
        let waits = packet(walk, rest, ethertype, depth > 0 || linked);
        let labels = rest.starts_with(b"MPLS (label ") || rest.starts_with(b"NSH, ");
        let next = if waits.is_some() || labels {
            None
        } else {
            inner(rest)
        };
        if let Some(next) = next
            && next.kind == Kind::Fields
            && !linked
            && tunnel.is_none()
        {
            fields = fields.or(Some(next.fields));
        } else if let Some(start) = fields.take() {
            let link = walk.between(start, rest);
            walk.odd_link(link);
            linked = true;
        }
        if let Some(waits) = waits {
            return waits;
        }
        if labels {
            let from = tunnel.unwrap_or(rest);
            return labelled(walk, rest, from);
        }
        let Some(next) = next else { break };
        if next.kind == Kind::Tunnel {
            tunnel = tunnel.or(Some(rest));
        }
        (rest, ethertype) = (next.rest, next.ethertype);
    }
    if rest.is_empty() && tunnel.is_none() {
        return Await::Flags;
    }
    let rest = tunnel.unwrap_or(rest);
    match info::truncated(rest) {
        Some(fixed) => {
            walk.parts.old |= rest == b"[|ARP]";
            walk.protocol(fixed);
        }
        None => {
            own(walk, rest);
        }
    }
    info::rest(walk, rest, 256, None);
    Await::Nothing
}

/// The link header that stands here.
fn inner(i: &[u8]) -> Option<Header<'_>> {
    let fields = |rest, ethertype| Header {
        rest,
        fields: i,
        kind: Kind::Fields,
        ethertype,
    };
    if let Ok((rest, header)) = ethernet(i) {
        return Some(fields(rest, header.ethertype));
    }
    if i.starts_with(b"vlan ")
        && let Ok((rest, header)) = ethernet::tags(i, Ethernet::default())
        && rest.len() < i.len()
    {
        return Some(fields(rest, header.ethertype));
    }
    header(i)
}

/// The network header that stands here. A link header's type says which, and the printers' words
/// are left out.
fn packet<'a>(
    walk: &mut Walk<'_, 'a>,
    i: &'a [u8],
    ethertype: Option<u32>,
    linked: bool,
) -> Option<Await> {
    let waits = network(walk, i);
    if waits.is_some() {
        return waits;
    }
    if !linked {
        // OpenBSD's printers, and tcpdump's up to 3.7, have no word before the addresses.
        return bare(walk, i);
    }
    match ethertype {
        Some(0x0800) => ip::ip(walk, i).or_else(|| Some(damaged(walk, i))),
        Some(0x86dd) => ip6::ip6(walk, i).or_else(|| Some(damaged(walk, i))),
        // Cisco HDLC's SLARP has the type of reverse ARP.
        Some(0x0806 | 0x8035) if !i.starts_with(b" [|") && !i.starts_with(b"SLARP ") => {
            arp::arp(walk, i);
            Some(Await::Nothing)
        }
        _ => wordless(walk, i),
    }
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
    // `-q` has a link header of this name.
    if let Some(rest) = i.strip_prefix(b"ARP, ")
        && !rest.starts_with(b"length ")
    {
        arp::arp(walk, rest);
        return Some(Await::Nothing);
    }
    arp::lower(walk, i).then_some(Await::Nothing)
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

/// A network header whose word `-e` left out, where no ethertype told which; without `-v` the
/// addresses stand here.
fn wordless<'a>(walk: &mut Walk<'_, 'a>, i: &'a [u8]) -> Option<Await> {
    if i.starts_with(b"(tos 0x") {
        return ip::ip(walk, i);
    }
    let six = [&b"(hlim "[..], b"(class 0x", b"(flowlabel 0x"];
    if six.iter().any(|start| i.starts_with(start)) {
        return ip6::ip6(walk, i);
    }
    // What a header's complaint about its own length begins with; see [`ip::preface`].
    if i.starts_with(b"truncated-ip - ") || i.starts_with(b"[total length ") {
        return ip::ip(walk, i);
    }
    if i.starts_with(b"truncated-ip6 - ") || i.starts_with(b"[header+payload length ") {
        return ip6::ip6(walk, i);
    }
    if arp::wordless(i) {
        arp::arp(walk, i);
        return Some(Await::Nothing);
    }
    match address(i) {
        Some(Fixed::Four) => ip::ip(walk, i),
        Some(_) => ip6::ip6(walk, i),
        None => ip::ipsec(walk, i),
    }
}

/// A packet without a word before its addresses: OpenBSD's, tcpdump's up to 3.7.
///
/// ```text
/// 192.0.2.1.40000 > 198.51.100.2.80: S 1000:1000(0) win 16384 <mss 1460> (DF)
/// ```
fn bare<'a>(walk: &mut Walk<'_, 'a>, i: &'a [u8]) -> Option<Await> {
    // Longer link addresses look like IPv6's; a comma stands behind them.
    let Some((pair, body)) = ip::named(i) else {
        return ip::ipsec(walk, i);
    };
    let at = memchr::memmem::find(pair, b" > ")?;
    let six = match (version(&pair[..at]), version(&pair[at + 3..])) {
        (Some(version), _) | (_, Some(version)) => version == Fixed::Six,
        // Names: the body must be one of theirs, and ICMP's alone tells the version.
        _ if !super::unheaded::wordless(body) => return None,
        _ if body.starts_with(b"icmp6: ") => true,
        _ if body.starts_with(b"icmp: ") => false,
        _ => {
            ip::endpoints(walk, i, ip::Header::UNKNOWN);
            return Some(Await::Nothing);
        }
    };
    if six {
        ip6::ip6(walk, i)
    } else {
        ip::ip(walk, i)
    }
}

/// `A > ` or `A.P > `: of which version the address is.
fn address(i: &[u8]) -> Option<Fixed> {
    let (rest, address) = word(i);
    if rest.starts_with(b" > ") {
        version(address)
    } else {
        None
    }
}

/// `A` or `A.P`: of which version the address is.
fn version(address: &[u8]) -> Option<Fixed> {
    if let Ok((rest, _)) = super::leaf::ipv4(address) {
        return matches!(rest, b"" | [b'.', ..]).then_some(Fixed::Four);
    }
    let host = memchr::memrchr(b'.', address).map_or(address, |dot| &address[..dot]);
    let six = super::leaf::ipv6(address).or_else(|| super::leaf::ipv6(host));
    six.map(|_| Fixed::Six)
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

/// `ND_PRINT("MPLS")`, for each label `" (label %u, tc %u, [S], ttl %u)"`, from the second on with
/// `-v` behind `"\n\t"`; then the packet, with `-v` behind `"\n\t"`, else behind a blank.
///
/// `ND_PRINT("NSH, ")`, `"flags [%s], "`, …, `"service-index 0x%x"`; then the packet, with `-v` behind
/// `"\n    "`, else behind `": "`.
///
/// Where it can't be read, the text from `from` on is the printer's own.
fn labelled<'a>(walk: &mut Walk<'_, 'a>, i: &'a [u8], from: &'a [u8]) -> Await {
    if i.starts_with(b"NSH, ") {
        if i.ends_with(b" (invalid)") {
            return own(walk, from);
        }
        let Some(at) = memchr::memmem::find(i, b"service-index 0x") else {
            return own(walk, from);
        };
        let index = &i[at + 16..];
        let digits = index.iter().take_while(|b| b.is_ascii_hexdigit()).count();
        return match &index[digits..] {
            [] => {
                own(walk, from);
                Await::Blanks
            }
            rest => match rest.strip_prefix(b": ") {
                Some(rest) => within(walk, rest, from),
                None => own(walk, from),
            },
        };
    }
    let mut rest = i.strip_prefix(b"MPLS").unwrap_or(b"");
    while let Some(label) = rest.strip_prefix(b" ")
        && label.starts_with(b"(label ")
        && let Some(len) = super::leaf::balanced(label)
    {
        rest = &label[len..];
    }
    match rest.strip_prefix(b" ") {
        Some(rest) => within(walk, rest, from),
        None => {
            own(walk, from);
            Await::Tab
        }
    }
}

/// The printer's own text: its name.
fn own<'a>(walk: &mut Walk<'_, 'a>, i: &'a [u8]) -> Await {
    // print-realtek.c prints the addresses itself.
    let behind = || name(station::pair(i)?.strip_prefix(b", ")?);
    match name(i).or_else(behind) {
        Some(Name::Text(text)) => walk.protocol_name(text),
        Some(Name::Fixed(fixed)) => walk.protocol(fixed),
        None if radio::frame(i) => walk.protocol(Fixed::Wlan),
        None => {}
    }
    Await::Nothing
}

/// The packet behind a label, which may have an Ethernet header of its own.
fn within<'a>(walk: &mut Walk<'_, 'a>, i: &'a [u8], from: &'a [u8]) -> Await {
    let (rest, ethertype) = match ethernet(i) {
        Ok((rest, header)) => (rest, header.ethertype),
        Err(_) => (i, None),
    };
    packet(walk, rest, ethertype, true).unwrap_or_else(|| own(walk, from))
}

/// A line of Juniper's own with `-vv`, without its TAB: `ND_PRINT("\n\tJuniper PCAP Flags [%s]")`, with
/// extensions `", PCAP Extension(s) total length %u"` and a line for each of them,
/// `"\n\t-----original packet-----\n\t"`; the packet follows.
pub(super) fn below_flags<'a>(walk: &mut Walk<'_, 'a>, i: &'a [u8], original: bool) -> Await {
    if original {
        return below(walk, i, None, false);
    }
    if i == b"-----original packet-----" {
        return Await::Original;
    }
    if let Some((rest, _)) = format::scan(b"Juniper PCAP Flags [%l]", i) {
        return if rest.starts_with(b", PCAP Extension(s) ") {
            Await::Flags
        } else {
            below(walk, rest, None, false)
        };
    }
    if i.starts_with(b"  ") && memchr::memmem::find(i, b" Extension TLV #").is_some() {
        return Await::Flags;
    }
    Await::Nothing
}

/// The line behind an MPLS or NSH header, without its TAB or blanks.
pub(super) fn below_label<'a>(walk: &mut Walk<'_, 'a>, i: &'a [u8]) -> Await {
    if i.starts_with(b"(label ") {
        return Await::Tab;
    }
    let (rest, ethertype) = match ethernet(i) {
        Ok((rest, header)) => (rest, header.ethertype),
        Err(_) => (i, None),
    };
    packet(walk, rest, ethertype, true).unwrap_or(Await::Nothing)
}

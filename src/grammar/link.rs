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
        let link = walk.between(i, rest);
        walk.part(Part::Link, link);
        return below(walk, rest, ethertype);
    }
    walk.slots.mask = mask;
    if let Ok((rest, ())) = any(walk, i) {
        let link = walk.between(i, rest);
        walk.part(Part::Link, link);
        return below(walk, rest, None);
    }
    walk.slots.mask = mask;
    if let Ok((rest, ethertype)) = other(i) {
        let link = walk.between(i, rest);
        walk.odd(Part::Link, link);
        return below(walk, rest, ethertype);
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
    if let Some(rest) = i.strip_prefix(b"ARP, ") {
        arp::arp(walk, rest);
        return Some(Await::Nothing);
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

/// A network header behind a link header: the ethertype says which, and the printers' words are
/// left out.
fn below<'a>(walk: &mut Walk<'_, 'a>, rest: &'a [u8], ethertype: Option<u32>) -> Await {
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
    match address(i)? {
        Fixed::Four => ip::ip(walk, i),
        _ => ip6::ip6(walk, i),
    }
}

/// `A ` or `A.P `: of which version the address is.
fn address(i: &[u8]) -> Option<Fixed> {
    let (_, address) = word(i);
    if let Ok((rest, _)) = super::leaf::ipv4(address) {
        return matches!(rest, b"" | [b'.', ..]).then_some(Fixed::Four);
    }
    let host = memchr::memrchr(b'.', address).map_or(address, |dot| &address[..dot]);
    let six = super::leaf::ipv6(address).or_else(|| super::leaf::ipv6(host));
    six.map(|_| Fixed::Six)
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
    let (i, ()) = lit(b", ")(i)?;
    let (i, (printed, named)) = match named_ethertype(i) {
        Ok((i, ethertype)) => (i, (Some(ethertype), None)),
        Err(_) => {
            let (i, named) = quiet_ethertype(i)?;
            (i, (None, named))
        }
    };
    let (i, ()) = lit(b", length ")(i)?;
    let (i, length) = int(i)?;
    let Some(i) = i.strip_prefix(b":") else {
        return no();
    };
    let i = i.strip_prefix(b" ").unwrap_or(i);
    walk.number(slot::FRAME_LENGTH, length);
    let (i, innermost) = tags(walk, i, printed)?;
    Ok((i, innermost.or(named)))
}

/// With `-q` the name alone: `IPv4`, `Unknown Ethertype (0x88b5)`; gives the number of those whose
/// printers leave out their own words.
fn quiet_ethertype(i: &[u8]) -> Res<'_, Option<u32>> {
    let end = i
        .iter()
        .position(|b| !(b.is_ascii_alphanumeric() || b" -.".contains(b)));
    let Some(end) = end else { return no() };
    if end == 0 || !i[0].is_ascii_alphabetic() {
        return no();
    }
    let (name, rest) = i.split_at(end);
    let number = match name {
        b"IPv4" => Some(0x0800),
        b"IPv6" => Some(0x86dd),
        b"ARP" => Some(0x0806),
        b"Reverse ARP" => Some(0x8035),
        b"Unknown Ethertype " => {
            let (rest, ()) = lit(b"(0x")(rest)?;
            let (rest, _) = hex4(rest)?;
            let (rest, ()) = lit(b")")(rest)?;
            return Ok((rest, None));
        }
        _ => None,
    };
    Ok((rest, number))
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
        } else {
            // A length in the place of a type: the last tag's type stays the innermost.
            i = i.strip_prefix(b"802.3, ").unwrap_or(i);
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

/// Link headers that are read for their end only; their fields are the regexes' to find. Nothing
/// that a packet can spell stands in them.
///
/// - SLL2 with `-e`: `lo    In  ifindex 1 00:00:00:00:00:00 ethertype IPv4 (0x0800), length 104: `
/// - SLL with `-e`: `Out 00:0c:29:03:e9:b0 ethertype IPv4 (0x0800), length 76: `
/// - BSD loopback with `-e`: `AF IPv4 (2), length 60: `, with `-q` `IPv4, length 60: `
/// - raw IP with `-e`: `ip: `
/// - PPP with `-e`: `IP6 (0x0057), length 74: `
/// - Cisco HDLC with `-e`: `unicast, ethertype IPv4 (0x0800), length 163: `
/// - NFLOG with `-e`: `version 0, resource ID 20, family IPv4 (2), length 180: `
fn other(text: &[u8]) -> Res<'_, Option<u32>> {
    if let Some(rest) = text.strip_prefix(b"ip: ") {
        return Ok((rest, None));
    }
    let i = text.trim_ascii_start();
    let (after, first) = word(i);
    let (after_second, second) = word(after.trim_ascii_start());
    let after_second = after_second.trim_ascii_start();
    let is_direction = |word: &[u8]| matches!(word, b"In" | b"Out" | b"B" | b"M" | b"P" | b"?");
    let known = matches!(
        first,
        b"AF" | b"IPv4," | b"IPv6," | b"unicast," | b"multicast,"
    ) || is_direction(first)
        || is_direction(second) && first.len() <= 16 && after_second.starts_with(b"ifindex ")
        || matches!(first, b"IP" | b"IP6") && after.starts_with(b" (0x")
        || i.starts_with(b"version 0, resource ID ");
    if !known {
        return no();
    }
    // With `-q` the direction and the sender's address are all there is.
    let packet = after.trim_ascii_start();
    let packet = mac(packet).map_or(packet, |(rest, _)| rest.trim_ascii_start());
    if is_direction(first) {
        if packet.starts_with(b"(") || address(packet).is_some() {
            return Ok((packet, None));
        }
        if packet.starts_with(b"Request who-has ")
            || packet.starts_with(b"Reply ")
            || packet.starts_with(b"Ethernet (len ")
        {
            return Ok((packet, Some(0x0806)));
        }
    }
    // What follows is the printer's own up to the frame's length.
    let Some(at) = memchr::memmem::find(i, b", length ") else {
        return no();
    };
    let header = &i[..at];
    let (rest, _) = int(&i[at + 9..])?;
    let (rest, ()) = lit(b": ")(rest)?;
    // PPP's own names are those of the network layer.
    let ethertype = match first {
        b"IP" | b"IPv4," => Some(0x0800),
        b"IP6" | b"IPv6," => Some(0x86dd),
        _ => memchr::memmem::find(header, b"ethertype ")
            .and_then(|at| named_ethertype(&header[at..]).ok())
            .map(|(_, n)| n),
    };
    Ok((rest, ethertype))
}

/// Tags and tunnels whose own text is the printer's alone, before a network header on the same
/// line or, for MPLS and NSH, behind a TAB on the next; else the printer's first word.
fn tagged<'a>(walk: &mut Walk<'_, 'a>, i: &'a [u8]) -> Await {
    info::first_word(walk, i);
    if i.starts_with(b"MPLS (") || i.starts_with(b"NSH, ") {
        return labels(walk, i);
    }
    let rest = if i.starts_with(b"PPPoE  [ses 0x") {
        memchr::memchr(b']', i).and_then(|at| i[at + 1..].strip_prefix(b" "))
    } else {
        behind_tag(i)
    };
    if let Some(rest) = rest {
        if let Some(waits) = network(walk, rest).or_else(|| wordless(walk, rest)) {
            return waits;
        }
        // With `-e`: PPP's own header before it.
        if let Ok((rest, ethertype)) = other(rest) {
            return below(walk, rest, ethertype);
        }
    }
    if let Ok((rest, ethertype)) = snap(i) {
        return below(walk, rest, ethertype);
    }
    info::rest(walk, i, 256, None);
    Await::Nothing
}

/// `ND_PRINT("MPLS")`, for each label `" (label %u, tc %u, [S], ttl %u)"`, from the second on with
/// `-v` behind `"\n\t"`; then the packet, with `-v` behind `"\n\t"`, else behind a blank.
fn labels<'a>(walk: &mut Walk<'_, 'a>, i: &'a [u8]) -> Await {
    let mut rest = i.strip_prefix(b"MPLS").unwrap_or(b"");
    while let Some(label) = rest.strip_prefix(b" ")
        && label.starts_with(b"(label ")
        && let Some(len) = super::leaf::balanced(label)
    {
        rest = &label[len..];
    }
    match rest.strip_prefix(b" ") {
        Some(rest) => network(walk, rest)
            .or_else(|| wordless(walk, rest))
            .unwrap_or(Await::Nothing),
        None => Await::Tab,
    }
}

/// What stands behind a switch's tag, a packet filter's verdict, or a radio's reception: texts of
/// figures and fixed words. Each is read item by item, and ends where an item is none of its own.
///
/// - `BRCM tag OP: IG, TC: 0, TE: None, TS: 0, DST map: 0x0080, IP (tos …`
/// - `Forward port 0.1, VLAN 5u, IP (tos …`, `Marvell DSA mode Forward, …`, `EDSA 0xdada, …`
/// - `SubType Timestamp (0x0001), Version …, IP (tos …`
/// - `rule 2/0(match): block in on em0: IP (tos …`
/// - `1448501729us tsft -74dBm signal antenna 0 54.0 Mb/s … IP (tos …`
fn behind_tag(i: &[u8]) -> Option<&[u8]> {
    /// The first words of a tag's items.
    const ITEMS: [&[u8]; 28] = [
        b"BRCM",
        b"OP:",
        b"TC:",
        b"TE:",
        b"TS:",
        b"DST",
        b"CID:",
        b"RC:",
        b"port:",
        b"port",
        b"ports",
        b"Marvell",
        b"DSA",
        b"EDSA",
        b"mode",
        b"Forward",
        b"CPU",
        b"To",
        b"From",
        b"trunk",
        b"dev",
        b"VLAN",
        b"VID",
        b"FPri",
        b"untagged",
        b"tagged",
        b"SubType",
        b"Version",
    ];
    if let Some(verdict) = i.strip_prefix(b"rule ") {
        // `rule %u/`, `%u(%s): %s %s on %s: `: the interface's name is the last word.
        let at = memchr::memmem::find(verdict, b" on ")?;
        let (after, interface) = word(&verdict[at + 4..]);
        return interface
            .strip_suffix(b":")
            .and_then(|_| after.strip_prefix(b" "));
    }
    if i.first().is_some_and(|b| b.is_ascii_digit() || *b == b'-') {
        // Radiotap's fields are words and figures; what has a comma, a quote or a parenthesis
        // before the header is another printer's, or a network's name.
        let end = memchr::memchr3(b'(', b'"', b'\'', i).unwrap_or(i.len());
        let radio = &i[..end];
        let at = [&b" IP "[..], b" IP6 ", b" ARP, "]
            .iter()
            .filter_map(|word| memchr::memmem::find(radio, word))
            .min()?;
        let units = [&b"us tsft"[..], b"dBm", b"dB", b"Mb/s", b"MHz"];
        let received = units
            .iter()
            .any(|unit| memchr::memmem::find(&i[..at], unit).is_some());
        return (received && memchr::memchr(b',', &i[..at]).is_none()).then(|| &i[at + 1..]);
    }
    let mut rest = i;
    while let Some(at) = memchr::memmem::find(rest, b", ") {
        let item = &rest[..at];
        let plain = |b: &u8| b.is_ascii_alphanumeric() || b" .:>()_/-".contains(b);
        if !ITEMS.contains(&word(item).1) || !item.iter().all(plain) {
            break;
        }
        rest = &rest[at + 2..];
    }
    (rest.len() < i.len()).then_some(rest)
}

/// LLC and SNAP before a packet, with `-e`:
/// `LLC, dsap SNAP (0xaa) Individual, ssap SNAP (0xaa) Command, ctrl 0x03: oui Ethernet (0x000000),
/// ethertype IPv4 (0x0800), length 44: `; before it stands FDDI's, Token Ring's or 802.11's own
/// header, of addresses.
fn snap(i: &[u8]) -> Res<'_, Option<u32>> {
    let start = b"LLC, dsap SNAP (0xaa) Individual, ssap SNAP (0xaa) Command, ctrl 0x03: oui ";
    let Some(at) = memchr::memmem::find(i, start) else {
        return no();
    };
    // Before it stand addresses and fixed words. Another printer's text is there too if it spells
    // this header within a name: `LLDP, length 212: NAME`, `CDPv2, ttl: 180s, Device-ID 'NAME'`.
    let before = &i[..at];
    if before.iter().any(|b| matches!(b, b'(' | b'"' | b'\''))
        || memchr::memmem::find(before, b"length ").is_some()
    {
        return no();
    }
    let oui = &i[at + start.len()..];
    let Some(close) = memchr::memmem::find(oui, b"), ") else {
        return no();
    };
    let (rest, ethertype) = named_ethertype(&oui[close + 3..])?;
    let (rest, ()) = lit(b", length ")(rest)?;
    let (rest, _) = int(rest)?;
    let (rest, ()) = lit(b": ")(rest)?;
    Ok((rest, Some(ethertype)))
}

/// The line behind an MPLS or NSH header, without its TAB.
pub(super) fn below_tab<'a>(walk: &mut Walk<'_, 'a>, i: &'a [u8]) -> Await {
    if i.starts_with(b"(label ") {
        return Await::Tab;
    }
    network(walk, i)
        .or_else(|| wordless(walk, i))
        .unwrap_or(Await::Nothing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_spells_a_link_header_is_none() {
        let header = "LLC, dsap SNAP (0xaa) Individual, ssap SNAP (0xaa) Command, ctrl 0x03: \
                      oui Ethernet (0x000000), ethertype IPv4 (0x0800), length 44: ";
        let rest = "6.6.6.6.666 > 7.7.7.7.22: Flags [S], seq 1, win 1, length 0";
        for (before, taken) in [
            ("", true),
            (
                "BSSID:02:00:00:00:00:01 SA:02:00:00:00:00:02 DA:02:00:00:00:00:03 ",
                true,
            ),
            ("LLDP, length 212: ", false),
            ("CDPv2, ttl: 180s, Device-ID '", false),
            ("PPPoE PADI [Service-Name \"", false),
        ] {
            let line = format!("{before}{header}{rest}");
            assert_eq!(snap(line.as_bytes()).is_ok(), taken, "{line}");
        }
    }
}

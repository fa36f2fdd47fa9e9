//! Every link header but Ethernet's, as its printer writes it.

use super::format::scan;
use super::radio;
use super::station::{figures, pair, station};
use crate::grammar::leaf::word;

/// What a header is to the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It has fields: a length, a type, addresses.
    Fields,
    /// It has none that we know.
    Bare,
    /// It carries a packet of another link layer, or none that we know: where no network header
    /// follows, its own name is the protocol's.
    Tunnel,
}

/// One link header, and what it says that follows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header<'a> {
    pub(super) rest: &'a [u8],
    /// Where its fields begin: at its beginning, or behind its first figures.
    pub(super) fields: &'a [u8],
    pub(super) kind: Kind,
    pub(super) ethertype: Option<u32>,
}

use Kind::{Bare, Fields, Tunnel};

/// The printers' format strings, each with the file that has it. Those that begin alike stand with
/// the longer first.
const FORMATS: &[(&[u8], Kind)] = &[
    // print-null.c
    (b"AF %s (%u), length %u: ", Fields),
    // print-raw.c
    (b"ip: ", Bare),
    // print-chdlc.c
    (b"unicast, ethertype %s (0x%x), length %u: ", Fields),
    (b"bcast, ethertype %s (0x%x), length %u: ", Fields),
    (b"0x%x, ethertype %s (0x%x), length %u: ", Fields),
    // print-ipoib.c
    (b"IPOIB, ethertype %s (0x%x), length %u: ", Fields),
    (b"IPOIB, ethertype %s, length %u: ", Fields),
    (b"Arista Vendor Specific Protocol, length %u: ", Fields),
    // print-symantec.c; print-ether.c, behind Arista's tag; print-sll.c, behind a VLAN's
    (b"ethertype %s (old) (0x%x), length %u: ", Fields),
    (b"ethertype %s (0x%x), length %u: ", Fields),
    (b"ethertype %s, ", Fields),
    // print-sll.c
    (b"802.2, length %u: ", Fields),
    (b"802.3, length %u: ", Fields),
    // print-fr.c
    (b"Q.922, hdr-len %u, DLCI %u, Flags [%l], NLPID %s (0x%x), length %u: ", Fields),
    (b"Q.922, hdr-len %u, DLCI %u, Flags [%l], cisco-ethertype %s (0x%x), length %u: ", Fields),
    (b"Q.922, DLCI %u, length %u: ", Fields),
    (b"Pad! ", Bare),
    (b"No pad! ", Bare),
    (b"UI %x! ", Bare),
    (b"FRF.16 Frag, seq %u, Flags [%l], ", Bare),
    // print-nflog.c
    (b"version %u, resource ID %u, family %s (%u), length %u: ", Fields),
    (b"version %u, resource ID %u, %s, length %u: ", Fields),
    // print-ipnet.c
    (b"%u > %u, family %s (%u), length %u: ", Fields),
    (b"%u > %u, %s, length %u: ", Fields),
    // print-arcnet.c
    (b"%x %x %u: ", Bare),
    (b"%x %x %s seqid %x (first of %u fragments) %u: ", Bare),
    (b"%x %x %s seqid %x (fragment %u) %u: ", Bare),
    (b"%x %x %s seqid %x %u: ", Bare),
    (b"%x %x %s %u: ", Bare),
    // print-ppp.c: of HDLC framing; of any other
    (b"%x %x %u %s: ", Bare),
    (b"IP: ", Bare),
    (b"IP6: ", Bare),
    (b"MPLS: ", Bare),
    // print-cip.c
    (b"%u: ", Bare),
    // print-sl.c
    (b"I ip %u: ", Bare),
    (b"O ip %u: ", Bare),
    (b"I utcp %u: ", Bare),
    (b"O utcp %u: ", Bare),
    (b"I slip-%u!: ", Bare),
    (b"O slip-%u!: ", Bare),
    (b"Invalid direction %u ip %u: ", Bare),
    (b"Invalid direction %u ", Bare),
    // print-sunatm.c, print-atm.c, print-lane.c
    (b"Rx: ", Bare),
    (b"Tx: ", Bare),
    (b"VPI:%u VCI:%u ", Bare),
    (b"lecid:%x ", Bare),
    // print-ppi.c, print-pktap.c
    (b"V.%u DLT %s (%u) len %u, length %u: ", Bare),
    (b"DLT %s (%u) len %u, length %u: ", Bare),
    // print-enc.c
    (b"(unprotected): SPI 0x%x: ", Bare),
    (b"(authentic): SPI 0x%x: ", Bare),
    (b"(authentic,confidential): SPI 0x%x: ", Bare),
    (b"(confidential): SPI 0x%x: ", Bare),
    // print-llc.c, print-isoclns.c
    (b"LLC, dsap OSI (0xfe) Individual, ssap OSI (0xfe) Command, ctrl 0x03: OSI NLPID IPv4 (0xcc): ", Bare),
    (b"LLC, dsap OSI (0xfe) Individual, ssap OSI (0xfe) Command, ctrl 0x03: OSI NLPID IPv6 (0x8e): ", Bare),
    (b"OSI NLPID IPv4 (0xcc): ", Bare),
    (b"OSI NLPID IPv6 (0x8e): ", Bare),
    (b"oui %s (0x%x), ethertype %s (old) (0x%x), length %u: ", Bare),
    (b"oui %s (0x%x), ethertype %s (0x%x), length %u: ", Bare),
    (b"oui %s (0x%x), pid %s (0x%x), length %u: ", Bare),
    // … up to 4.7.4
    (b"oui %s (0x%x), ethertype %s (0x%x): ", Bare),
    (b"oui %s (0x%x), pid %s (0x%x): ", Bare),
    // print-llc.c of OpenBSD: `"snap %s "`
    (b"snap %x:%x:%x:%x:%x ", Bare),
    // print-ether.c of OpenBSD: `"802.1Q "`, `"QinQ s"`, `"vid %d pri %d%s"`
    (b"802.1Q vid %u pri %u cfi ", Fields),
    (b"802.1Q vid %u pri %u ", Fields),
    (b"QinQ svid %u pri %u cfi ", Fields),
    (b"QinQ svid %u pri %u ", Fields),
    // print-ether.c before 3.9
    (b"802.1Q vlan#%u P%u CFI ", Fields),
    (b"802.1Q vlan#%u P%u ", Fields),
    // print-null.c, print-ppp.c of OpenBSD
    (b"ip6: ", Bare),
    (b"mpls: ", Bare),
    (b"AF %u: ", Bare),
    (b"ID-%u IP: ", Bare),
    (b"ID-%u IPV6: ", Bare),
    // print-juniper.c
    (b"no-L2-hdr, ", Bare),
    (b"hlen %u, proto 0x%x, ", Bare),
    (b"%s-PIC, cookie-len %u, cookie 0x%x: ", Bare),
    (b"%s-PIC, cookie-len %u: ", Bare),
    (b"Bundle-ID %u, ", Bare),
    (b"Bundle-ID %u: ", Bare),
    // print-arista.c
    (b"SubType %s (0x%x), Timescale %s (%u), Format %s (%u), HwInfo %s (%u), Timestamp %u-%u-%u %u:%u:%u.%u: ", Bare),
    (b"SubType %s (0x%x), Timescale %s (%u), Format %s (%u), HwInfo %s (%u), Timestamp %u.%u: ", Bare),
    // print-pppoe.c
    (b"PPPoE  [ses 0x%x] ", Tunnel),
    (b"PPPoE  [len %u > %u!] [ses 0x%x] ", Tunnel),
    // print-ppp.c
    (b"IP (0x%x), length %u: ", Fields),
    (b"IP6 (0x%x), length %u: ", Fields),
    (b"MPLS (0x%x), length %u: ", Fields),
    // print-null.c, print-ppi.c, print-pktap.c with `-q`
    (b"IPv4, length %u: ", Fields),
    (b"IPv6, length %u: ", Fields),
    (b"ARP, length %u: ", Fields),
    (b"Reverse ARP, length %u: ", Fields),
    (b"EN10MB, length %u: ", Bare),
    (b"IEEE802_11, length %u: ", Bare),
    (b"IEEE802_11_RADIO, length %u: ", Bare),
    (b"PPP, length %u: ", Bare),
    (b"RAW, length %u: ", Bare),
    (b"NULL, length %u: ", Bare),
    (b"LOOP, length %u: ", Bare),
];

/// The tags of switches, item by item: `print-brcmtag.c`, `print-dsa.c`. With `-e` they stand
/// between Ethernet's addresses and its type.
const TAGS: &[&[u8]] = &[
    b"BRCM tag OP: IG, TC: %u, TE: %s, TS: %u, DST map: 0x%x, ",
    b"BRCM tag OP: EG, CID: %u, RC: %s, TC: %u, port: %u, ",
    b"DSA ",
    b"EDSA 0x%x, ",
    b"Marvell DSA ",
    b"Marvell EDSA ethertype 0x%x (%s), rsvd %u %u, ",
    b"Forward port %u.%u, ",
    b"Forward trunk %u.%u, ",
    b"CPU > port %u.%u, ",
    b"port %u.%u > CPU, ",
    b"port %u.%u > Rx Sniffer, ",
    b"port %u.%u > Tx Sniffer, ",
    b"VLAN %ut, ",
    b"VLAN %uu, ",
    b"mode %s, ",
    b"dev %u, port %u, ",
    b"dev %u, trunk %u, ",
    b"target dev %u, port %u, ",
    b"source dev %u, port %u, ",
    b"code BPDU (MGMT) Trap, ",
    b"code %s, ",
    b"ingress sniff, ",
    b"egress sniff, ",
    b"untagged, ",
    b"tagged, ",
    b"CFI, ",
    b"VID %u, ",
    b"FPri %u, ",
];

/// The item of a switch's tag that stands here: what follows it.
pub(super) fn tag(i: &[u8]) -> Option<&[u8]> {
    TAGS.iter().find_map(|format| Some(scan(format, i)?.0))
}

/// The link header that stands here.
pub(super) fn header(i: &[u8]) -> Option<Header<'_>> {
    if let Some((rest, fields)) = addressed(i) {
        let ethertype = None;
        let kind = Fields;
        return Some(Header {
            rest,
            fields,
            kind,
            ethertype,
        });
    }
    if let Some((rest, ethertype)) = firewire(i) {
        // Eight bytes are no Ethernet address: the fields begin behind them.
        let fields = &i[memchr::memchr(b',', i)?..];
        return Some(Header {
            rest,
            fields,
            kind: Fields,
            ethertype,
        });
    }
    let bare = |rest| Header {
        rest,
        fields: i,
        kind: Bare,
        ethertype: None,
    };
    if let Some(rest) = cooked(i) {
        return Some(Header {
            kind: Fields,
            ..bare(rest)
        });
    }
    let own = || tag(i).or_else(|| rule(i)).or_else(|| route(i));
    if let Some(rest) = own().or_else(|| llc(i)) {
        return Some(bare(rest));
    }
    if let Some(rest) = radio::radio(i) {
        return Some(bare(rest));
    }
    FORMATS.iter().find_map(|(format, kind)| {
        let (rest, name) = scan(format, i)?;
        // Some have the name in the string itself.
        let name = if name.is_empty() {
            &i[..own_name(i)]
        } else {
            name
        };
        Some(Header {
            rest,
            fields: i,
            kind: *kind,
            ethertype: named(name),
        })
    })
}

/// The name that a header begins with, up to a comma or a parenthesis.
fn own_name(i: &[u8]) -> usize {
    let end = memchr::memchr2(b',', b'(', i).unwrap_or(0);
    i[..end].trim_ascii_end().len()
}

/// The network layer by its name in any of the tables.
fn named(name: &[u8]) -> Option<u32> {
    match name {
        b"IP" | b"IPv4" => Some(0x0800),
        b"IP6" | b"IPv6" => Some(0x86dd),
        b"ARP" => Some(0x0806),
        b"Reverse ARP" => Some(0x8035),
        _ => None,
    }
}

/// `ND_PRINT("%s > %s, length %u: ")` of six bytes: print-fddi.c, print-token.c, print-ipfc.c; before
/// it `"async%1x "` and the like, or `"%02x %02x "`. Up to 4.7.4 `"%s %s %d: "`.
///
/// OpenBSD's Ethernet is `"%s %s %s %d: "`, with the type in figures or its name, and `"%s %s %d: "`
/// with `-q`.
///
/// - `02:00:00:00:00:01 02:00:00:00:00:02 0800 74: 192.0.2.1.40000 > …`
fn addressed(i: &[u8]) -> Option<(&[u8], &[u8])> {
    const CONTROLS: [&[u8]; 14] = [
        b"",
        b"%x %x ",
        b"%x ",
        b"void ",
        b"nrt ",
        b"rt ",
        b"info ",
        b"nsa ",
        b"beacon ",
        b"claim ",
        b"async%x ",
        b"sync%x ",
        b"imp_async%x ",
        b"imp_sync%x ",
    ];
    CONTROLS.iter().find_map(|control| {
        let fields = scan(control, i)?.0;
        if let Some(rest) = pair(fields) {
            let rest = scan(b", length %u: ", rest).map(|(rest, _)| rest);
            return Some((rest.or_else(|| access_point(fields))?, fields));
        }
        let receiver = station(fields)?.strip_prefix(b" ")?;
        // Two names could be another printer's words.
        if figures(fields).is_none() && figures(receiver).is_none() {
            return None;
        }
        let rest = station(receiver)?;
        let rest = scan(b" %u: ", rest).or_else(|| scan(b" %s %u: ", rest))?;
        Some((rest.0, fields))
    })
}

/// print-802_11.c of OpenBSD with `-e`: `"%s > %s"`, `", bssid %s"`, `", > DS"`, `", DS >"` or
/// `" > %s, DS > DS"`, `" (seq %u): "` or `": "`.
fn access_point(i: &[u8]) -> Option<&[u8]> {
    let rest = station(pair(i)?.strip_prefix(b", bssid ")?)?;
    let rest = match rest.strip_prefix(b" > ") {
        Some(rest) => station(rest)?.strip_prefix(b", DS > DS")?,
        None => rest,
    };
    let rest = rest.strip_prefix(b", > DS").unwrap_or(rest);
    let rest = rest.strip_prefix(b", DS >").unwrap_or(rest);
    let rest = scan(b" (seq %u)", rest).map_or(rest, |(rest, _)| rest);
    rest.strip_prefix(b": ")
}

/// print-ap1394.c: `ND_PRINT("%s > %s")` of eight bytes, `", ethertype %s (0x%04x)"`, `", length %u: "`.
fn firewire(i: &[u8]) -> Option<(&[u8], Option<u32>)> {
    let address = |i| scan(b"%x:%x:%x:%x:%x:%x:%x:%x", i).map(|(rest, _)| rest);
    let rest = address(address(i)?.strip_prefix(b" > ")?)?;
    let (rest, name) = scan(b", ethertype %s (0x%x), length %u: ", rest)
        .or_else(|| scan(b", %s, length %u: ", rest))?;
    Some((rest, named(name)))
}

/// print-sll.c with `-e`: `ND_PRINT("%3s ")` of the direction and `"%s "` of the sender's address;
/// before that, of the newer form, `"%-5s "` of the interface, and `"ifindex %u "` behind it.
/// print-ppp.c and print-juniper.c print the direction alone.
fn cooked(i: &[u8]) -> Option<&[u8]> {
    let trimmed = i.trim_ascii_start();
    let (behind_first, first) = word(trimmed);
    let (behind_second, second) = word(behind_first.trim_ascii_start());
    let index = scan(b"ifindex %u ", behind_second.trim_ascii_start());
    let rest = match index {
        Some((rest, _)) if direction(second) && trimmed.len() == i.len() && first.len() <= 16 => {
            rest
        }
        _ if direction(first) => behind_first,
        _ => return None,
    };
    let rest = rest.trim_ascii_start();
    if let Some(behind) = figures(rest) {
        // An address of Ethernet's header is another's.
        return match behind.strip_prefix(b" ") {
            Some(b) if !b.starts_with(b"> ") => Some(b),
            Some(_) => Some(rest),
            None => None,
        };
    }
    // A name in an address's place, or the type at once.
    let named = station(rest).and_then(|rest| rest.strip_prefix(b" "));
    let typed = [&b"ethertype "[..], b"802.3", b"802.2"];
    match named {
        Some(behind) if typed.iter().any(|start| behind.starts_with(start)) => Some(behind),
        _ => Some(rest),
    }
}

fn direction(word: &[u8]) -> bool {
    matches!(word, b"In" | b"Out" | b"B" | b"M" | b"P" | b"?" | b"---")
}

/// print-llc.c: a header of a network's own service access points. Any other is the protocol itself,
/// and its frame's kind follows.
fn llc(i: &[u8]) -> Option<&[u8]> {
    let format = b"LLC, dsap %s (0x%x) %s, ssap %s (0x%x) %s, ctrl 0x%x: ";
    // Up to 3.9.8.
    let before = b"LLC, dsap %s (0x%x), ssap %s (0x%x), cmd 0x%x: ";
    let (rest, _) = scan(format, i).or_else(|| scan(before, i))?;
    let kinds = [
        &b"Unnumbered, "[..],
        b"Supervisory, ",
        b"Information, ",
        b"OSI NLPID ",
    ];
    let kind = kinds.iter().any(|kind| rest.starts_with(kind));
    (!kind && !rest.is_empty()).then_some(rest)
}

/// print-pflog.c: `ND_PRINT("rule %u/")` or `"rule %u.%s.%u/"`, `"%s: %s %s on "`, the interface's
/// name, `": "`; a reason is `"%u(%s)"`.
///
/// OpenBSD: `"rule "`, `"def"` or `"%u"`, `".%s"`, `".def"` or `".%u"`, `"/(%s) "`, with `-v`
/// `"[uid %u, pid %u] "`, `"%s"`, `" %s on %s: "`, `"[uid %u, pid %u] "`.
///
/// - `rule 12/0(match): block in on em0: 192.0.2.1.40000 > …`
/// - `rule def/(match) [uid 0, pid 4711] pass out on em1: 192.0.2.1.40000 > …`
fn rule(i: &[u8]) -> Option<&[u8]> {
    const ACTIONS: [&[u8]; 14] = [
        b"pass ",
        b"block ",
        b"scrub ",
        b"noscrub ",
        b"nat ",
        b"nonat ",
        b"binat ",
        b"nobinat ",
        b"rdr ",
        b"nordr ",
        b"synproxy-drop ",
        b"defer ",
        b"match ",
        b"",
    ];
    let rest = i.strip_prefix(b"rule ")?;
    let open = rest.iter().position(|b| *b == b'(' || *b == b' ')?;
    let (number, reason) = rest.split_at(open);
    memchr::memrchr(b'/', number)?;
    let close = memchr::memchr(b')', reason.strip_prefix(b"(")?)?;
    let rest = &reason[close + 2..];
    let rest = rest.strip_prefix(b":").unwrap_or(rest).strip_prefix(b" ")?;
    let rest = owner(rest);
    let rest = ACTIONS
        .iter()
        .find_map(|action| rest.strip_prefix(*action))?;
    let rest = rest.strip_prefix(b" ").unwrap_or(rest);
    let rest = rest
        .strip_prefix(b"in on ")
        .or_else(|| rest.strip_prefix(b"out on "))?;
    let (after, interface) = word(rest);
    interface.strip_suffix(b":")?;
    Some(owner(after.strip_prefix(b" ")?))
}

/// `"[uid %u, pid %u] "`, `"[uid %u] "`
fn owner(i: &[u8]) -> &[u8] {
    let formats = [&b"[uid %u, pid %u] "[..], b"[uid %u] "];
    let read = formats.iter().find_map(|format| scan(format, i));
    read.map_or(i, |(rest, _)| rest)
}

/// print-token.c: with `-v` `ND_PRINT("%s ")` and `"%s"` of words, `" [%u:%u]"` for each segment, else
/// `"rt = %x"`, `":%x"`; then `" (%s) "`.
fn route(i: &[u8]) -> Option<&[u8]> {
    const WORDS: [&[u8]; 2] = [b"%s Forward", b"%s Backward"];
    let start = i.starts_with(b"Non-Broadcast ")
        || i.starts_with(b"All-routes ")
        || i.starts_with(b"Single-route ");
    let mut rest = if start {
        WORDS.iter().find_map(|words| scan(words, i))?.0
    } else {
        scan(b"rt = %x", i)?.0
    };
    while let Some((after, _)) = scan(b" [%u:%u]", rest).or_else(|| scan(b":%x", rest)) {
        rest = after;
    }
    Some(scan(b" (%u) ", rest)?.0)
}

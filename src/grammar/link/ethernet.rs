//! Ethernet's header with `-e`, and the tags in it: `print-ether.c`, `print-macsec.c`.

use super::format::scan;
use super::header::tag;
use super::station::pair;
use crate::grammar::arp;
use crate::grammar::leaf::{Res, hex4, int, lit, mac, no, number};

/// Ethernet's header.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ethernet {
    pub(super) source: u64,
    pub(super) destination: u64,
    /// Absent where a length of 802.3 stands in its place.
    pub(super) frame_length: Option<u64>,
    /// 802.1Q tags, the outermost first.
    pub(super) vlan: Option<u64>,
    pub(super) vlan_inner: Option<u64>,
    /// Of the innermost tag, as printed.
    pub(super) printed: Option<u64>,
    /// What follows: as printed, or by its name with `-q`.
    pub(super) ethertype: Option<u32>,
    /// How many 802.1Q tags there are.
    pub(super) tags: usize,
    /// A tag has a type without its number, as up to 4.9.3.
    pub(super) old: bool,
    /// A switch's tag or MACsec's stands in it, or a name in an address's place.
    pub(super) rare: bool,
}

/// `ND_PRINT("%s > %s")` of addresses.
fn addresses(text: &[u8]) -> Res<'_, Ethernet> {
    let (i, source) = mac(text)?;
    let (i, ()) = lit(b" > ")(i)?;
    let (i, destination) = mac(i)?;
    let (i, ()) = lit(b", ")(i)?;
    Ok((
        i,
        Ethernet {
            source,
            destination,
            ..Ethernet::default()
        },
    ))
}

/// The same without `-n`: `02:00:00:00:00:01 (oui Unknown) > Broadcast`.
fn names(text: &[u8]) -> Res<'_, Ethernet> {
    match pair(text).and_then(|i| i.strip_prefix(b", ")) {
        Some(i) => Ok((
            i,
            Ethernet {
                rare: true,
                ..Ethernet::default()
            },
        )),
        None => no(),
    }
}

/// `ND_PRINT("%s > %s, ")`, a switch's tag, `"ethertype %s (0x%04x)"` or `"802.3"`,
/// `", length %u: "`; then for each tag `"vlan %u, p %u%s, "`, `"ethertype %s (0x%04x), "`. The
/// header of a jumbo frame ends behind its addresses.
pub(super) fn ethernet(text: &[u8]) -> Res<'_, Ethernet> {
    let (mut i, mut header) = addresses(text).or_else(|_| names(text))?;
    if !i.starts_with(b"ethertype ") {
        while let Some(rest) = tag(i) {
            i = rest;
            header.rare = true;
        }
    }
    if let Some(rest) = i.strip_prefix(b"802.3, length ") {
        let (rest, _) = int(rest)?;
        return match rest.strip_prefix(b":") {
            Some(rest) => Ok((rest.strip_prefix(b" ").unwrap_or(rest), header)),
            None => no(),
        };
    }
    if i.starts_with(b"LLC, ") {
        return Ok((i, header));
    }
    let (i, ethertype) = typed(i)?;
    let (i, ()) = lit(b", length ")(i)?;
    let (i, length) = int(i)?;
    let Some(i) = i.strip_prefix(b":") else {
        return no();
    };
    header.frame_length = Some(length);
    header.printed = ethertype.printed;
    header.ethertype = ethertype.next;
    tags(i.strip_prefix(b" ").unwrap_or(i), header)
}

/// An ethertype as printed.
struct Type {
    printed: Option<u64>,
    next: Option<u32>,
}

fn typed(i: &[u8]) -> Res<'_, Type> {
    if let Ok((i, n)) = named(i) {
        let (printed, next) = (Some(u64::from(n)), Some(n));
        return Ok((i, Type { printed, next }));
    }
    let (i, next) = quiet(i)?;
    Ok((
        i,
        Type {
            printed: None,
            next,
        },
    ))
}

/// With `-q` the name alone: `IPv4`, `Unknown Ethertype (0x88b5)`; gives the number of those whose
/// printers leave out their own words.
fn quiet(i: &[u8]) -> Res<'_, Option<u32>> {
    let end = i
        .iter()
        .position(|b| !(b.is_ascii_alphanumeric() || b" -.".contains(b)));
    let Some(end) = end else { return no() };
    if end == 0 || !i[0].is_ascii_alphabetic() && !i.starts_with(b"802.1") {
        return no();
    }
    let (name, rest) = i.split_at(end);
    if name.starts_with(b"ethertype ") || arp::wordless(i) {
        return no();
    }
    if name == b"Unknown Ethertype " {
        let (rest, ()) = lit(b"(0x")(rest)?;
        let (rest, _) = hex4(rest)?;
        let (rest, ()) = lit(b")")(rest)?;
        return Ok((rest, None));
    }
    let number = known(name);
    // Two names end in `(old)`.
    let rest = rest.strip_prefix(b"(old)").unwrap_or(rest);
    Ok((rest, number))
}

/// `ethertype %s (0x%04x)`: the names have letters, digits, blanks, dots, hyphens; two end in
/// `(old)`.
fn named(i: &[u8]) -> Res<'_, u32> {
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

/// `ethertype %s, ` within a tag, up to 4.9.3.
fn unnumbered(i: &[u8]) -> Option<(&[u8], Option<u32>)> {
    let name = i.strip_prefix(b"ethertype ")?;
    let own = |b: &u8| b.is_ascii_alphanumeric() || b" -.()".contains(b);
    let len = name.iter().take(64).take_while(|b| own(b)).count();
    let rest = name[len..].strip_prefix(b", ")?;
    (len > 0).then_some((rest, known(&name[..len])))
}

/// The number of those types whose printers leave out their own words.
fn known(name: &[u8]) -> Option<u32> {
    match name {
        b"IPv4" => Some(0x0800),
        b"IPv6" => Some(0x86dd),
        b"ARP" => Some(0x0806),
        b"Reverse ARP" => Some(0x8035),
        _ => None,
    }
}

/// 802.1Q tags, the outermost first; before them may stand MACsec's, whose packet can be read if it
/// is not encrypted.
pub(super) fn tags(mut i: &[u8], mut header: Ethernet) -> Res<'_, Ethernet> {
    if let Some(secured) = macsec(i)
        && let Ok((rest, ethertype)) = typed(secured)
        && let Some(rest) = rest.strip_prefix(b", ")
    {
        header.printed = ethertype.printed;
        header.ethertype = ethertype.next;
        header.rare = true;
        i = rest;
    }
    while let Some(rest) = i.strip_prefix(b"vlan ") {
        let (rest, vlan) = int(rest)?;
        let (rest, ()) = lit(b", p ")(rest)?;
        let (rest, _) = number(7)(rest)?;
        // `", CFI"` up to 3.9.
        let rest = rest.strip_prefix(b", DEI").unwrap_or(rest);
        let rest = rest.strip_prefix(b", CFI").unwrap_or(rest);
        let (rest, ()) = lit(b", ")(rest)?;
        match header.tags {
            0 => header.vlan = Some(vlan),
            1 => header.vlan_inner = Some(vlan),
            _ => {}
        }
        header.tags += 1;
        i = rest;
        let (printed, next) = match (typed(i), unnumbered(i)) {
            (Ok((rest, Type { printed, next })), _) if rest.starts_with(b", ") => {
                i = &rest[2..];
                (printed, next)
            }
            (_, Some((rest, next))) => {
                header.old = true;
                i = rest;
                (None, next)
            }
            _ => {
                // A length in the place of a type; `802.3` and LLC's header have no blank between.
                i = i.strip_prefix(b"802.3").unwrap_or(i);
                i = i.strip_prefix(b", ").unwrap_or(i);
                (None, None)
            }
        };
        header.printed = printed;
        header.ethertype = next;
    }
    Ok((i, header))
}

/// `ND_PRINT("an %u, pn %u, flags %s")`, `", sl %u"`, `", sci %016x"`, `", "`
fn macsec(i: &[u8]) -> Option<&[u8]> {
    let (mut rest, _) = scan(b"an %u, pn %u, flags %s, ", i)?;
    for format in [&b"sl %u, "[..], b"sci %x, "] {
        if let Some((after, _)) = scan(format, rest) {
            rest = after;
        }
    }
    Some(rest)
}

//! ARP: `print-arp.c`.

use super::bigip;
use super::leaf::{Res, int, ipv4, lit, mac};
use super::walk::{Walk, slot};
use crate::cell::Fixed;
use crate::part::Part;

/// After `ARP, `, or with `-e` at the same place without the words.
///
/// `ND_PRINT("%s (len %u), %s (len %u)")`, `"%s%s "` (the operation), then for a request
/// `"who-has %s"`, `" (%s)"`, `" tell %s"`, for a reply `"%s is-at %s"`; `", length %u"`.
///
/// macOS has two operations more: `"Announcement %s"`, `"Probe %s"`, with `-v`
/// `"%s who-has %s tell %s"`.
pub(super) fn arp<'a>(walk: &mut Walk<'_, 'a>, i: &'a [u8]) {
    let mask = walk.slots.mask;
    if strict(walk, i).is_ok() {
        walk.protocol(Fixed::Arp);
        return;
    }
    walk.slots.mask = mask;
    let reverse = operation(i).starts_with(b"Reverse Re");
    walk.protocol(if reverse { Fixed::Rarp } else { Fixed::Arp });
    walk.odd(Part::Network, bigip::without(i));
}

/// The text from the operation on, behind `"%s (len %u), %s (len %u), "`.
fn operation(i: &[u8]) -> &[u8] {
    let mut rest = i;
    for _ in 0..2 {
        if let Some(at) = memchr::memmem::find(rest, b" (len ")
            && let Some(end) = memchr::memmem::find(&rest[at..], b"), ")
        {
            rest = &rest[at + end + 3..];
        }
    }
    rest
}

/// What `arp_print` begins with where `-e` leaves out its word: an operation, or the names of
/// `arphrd_values` and `"Unknown Hardware (%u)"`, each with `" (len %u), "`.
pub(super) fn wordless(i: &[u8]) -> bool {
    const OPERATIONS: [&[u8]; 9] = [
        b"Request who-has ",
        b"Reply ",
        b"Reverse Request who-is ",
        b"Reverse Reply ",
        b"Inverse Request who-is ",
        b"Inverse Reply ",
        b"NACK Reply ",
        b"Announcement ",
        b"Probe ",
    ];
    const HARDWARE: [&[u8]; 9] = [
        b"Ethernet (len ",
        b"TokenRing (len ",
        b"ArcNet (len ",
        b"FrameRelay (len ",
        b"Strip (len ",
        b"IEEE 1394 (len ",
        b"InfiniBand (len ",
        b"ATM, ",
        b"Unknown Hardware (",
    ];
    OPERATIONS
        .iter()
        .chain(&HARDWARE)
        .any(|start| i.starts_with(start))
}

/// Up to 3.9.8, and OpenBSD: `"trailer-"`, `"arp who-has %s"`, `" (%s)"`, `" tell %s"`,
/// `"arp reply %s is-at %s"`, `"rarp who-is %s tell %s"`, `"rarp reply %s at %s"`,
/// `"inarp who-is %s tell %s"`, `"inarp reply %s at %s"`, `" hardware #%d"`; `"arp-#%d"`,
/// `"arp-#%d for proto #%d (%d) hardware #%d (%d)"`, `"truncated-arp"`.
pub(super) fn lower<'a>(walk: &mut Walk<'_, 'a>, i: &'a [u8]) -> bool {
    const OPERATIONS: [(&[u8], Fixed, Option<Fixed>); 10] = [
        (b"arp who-has ", Fixed::Arp, Some(Fixed::Request)),
        (b"arp reply ", Fixed::Arp, Some(Fixed::Reply)),
        (b"rarp who-is ", Fixed::Rarp, Some(Fixed::ReverseRequest)),
        (b"rarp reply ", Fixed::Rarp, Some(Fixed::ReverseReply)),
        (b"inarp who-is ", Fixed::Arp, Some(Fixed::InverseRequest)),
        (b"invarp who-is ", Fixed::Arp, Some(Fixed::InverseRequest)),
        (b"inarp reply ", Fixed::Arp, Some(Fixed::InverseReply)),
        (b"invarp reply ", Fixed::Arp, Some(Fixed::InverseReply)),
        (b"arp-#", Fixed::Arp, None),
        (b"truncated-arp", Fixed::Arp, None),
    ];
    let text = i.strip_prefix(b"trailer-").unwrap_or(i);
    let found = OPERATIONS
        .iter()
        .find(|(start, ..)| text.starts_with(start));
    let Some((_, protocol, operation)) = found else {
        return false;
    };
    walk.parts.old = true;
    walk.protocol(*protocol);
    if let Some(operation) = operation {
        walk.operation(*operation);
    }
    walk.odd(Part::Network, bigip::without(text));
    true
}

fn strict<'a>(walk: &mut Walk<'_, 'a>, text: &'a [u8]) -> Res<'a, ()> {
    let i = text
        .strip_prefix(b"Ethernet (len 6), IPv4 (len 4), ")
        .unwrap_or(text);
    let i = if let Ok((rest, ())) = lit(b"Request who-has ")(i) {
        walk.text(slot::ARP_OP, &i[..7]);
        let (rest, asked) = ipv4(rest)?;
        let (rest, ()) = lit(b" tell ")(rest)?;
        let (rest, teller) = ipv4(rest)?;
        walk.address(slot::DESTINATION, asked);
        walk.address(slot::SOURCE, teller);
        rest
    } else {
        let (rest, ()) = lit(b"Reply ")(i)?;
        walk.text(slot::ARP_OP, &i[..5]);
        let (rest, teller) = ipv4(rest)?;
        let (rest, ()) = lit(b" is-at ")(rest)?;
        let (rest, address) = mac(rest)?;
        walk.address(slot::SOURCE, teller);
        walk.number(slot::ARP_MAC, address);
        rest
    };
    let (i, ()) = lit(b", length ")(i)?;
    let (i, length) = int(i)?;
    if !i.is_empty() {
        return super::leaf::no();
    }
    walk.number(slot::LENGTH, length);
    walk.part(Part::Network, text);
    Ok((i, ()))
}

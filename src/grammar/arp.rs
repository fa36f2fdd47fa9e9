//! ARP: `print-arp.c`.

use super::leaf::{Res, int, ipv4, lit, mac};
use super::walk::{Walk, slot};
use crate::cell::Fixed;
use crate::part::Part;

/// After `ARP, `, or with `-e` at the same place without the words.
///
/// `ND_PRINT("%s (len %u), %s (len %u)")`, `"%s%s "` (the operation), then for a request
/// `"who-has %s"`, `" (%s)"`, `" tell %s"`, for a reply `"%s is-at %s"`; `", length %u"`.
pub(super) fn arp<'a>(walk: &mut Walk<'_, 'a>, i: &'a [u8]) {
    walk.protocol(Fixed::Arp);
    let mask = walk.slots.mask;
    if strict(walk, i).is_err() {
        walk.slots.mask = mask;
        walk.odd(Part::Network, i);
    }
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

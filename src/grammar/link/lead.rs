//! What a system prints before every packet, whatever its link layer: macOS' tcpdump with `-k`, and
//! Sophos' firewall.

use crate::cell::Fixed;

/// What stands before the packet: what follows, and the direction, if it has one.
pub(super) fn lead(i: &[u8]) -> Option<(&[u8], Option<Fixed>)> {
    metadata(i).or_else(|| port(i))
}

/// Sophos' firewall: `"%s, IN: "`, `"%s, OUT: "`.
///
/// - `Port1, IN: IP 192.0.2.1 > 198.51.100.2: ICMP echo request, …`
fn port(i: &[u8]) -> Option<(&[u8], Option<Fixed>)> {
    let own = |b: &u8| b.is_ascii_graphic() && *b != b',';
    let len = i.iter().take(32).take_while(|b| own(b)).count();
    if len == 0 {
        return None;
    }
    let rest = i[len..].strip_prefix(b", ")?;
    if let Some(rest) = rest.strip_prefix(b"IN: ") {
        return Some((rest, Some(Fixed::In)));
    }
    Some((rest.strip_prefix(b"OUT: ")?, Some(Fixed::Out)))
}

/// macOS' `print_pktap_header` and `print_pcap_ng_block`: `ND_PRINT("(")`, then of these what `-k` asks
/// for and the packet has, with `", "` between: `"%s"` of the interface, `"proc %s:%u"`, `"proc %s"`,
/// `"proc %u"`, `"eproc %s:%u"` and so on, `"svc %s"`, `"in"`, `"out"`, flags of two letters,
/// `"flowid 0x%x"` and the like, `"%s"` of the packet's comment; `") "`.
///
/// - `(en0, proc curl:123, svc BE, out) IP 192.0.2.1.50000 > …`
fn metadata(i: &[u8]) -> Option<(&[u8], Option<Fixed>)> {
    let mut rest = i.strip_prefix(b"(")?;
    let mut direction = None;
    let mut known = false;
    if let Some(after) = interface(rest) {
        known = true;
        match separator(after) {
            Some(Separator::Next(after)) => rest = after,
            Some(Separator::End(after)) => return Some((after, None)),
            None => return None,
        }
    }
    while let Some(after) = item(rest, &mut direction) {
        known = true;
        match separator(after) {
            Some(Separator::Next(after)) => rest = after,
            Some(Separator::End(after)) => return Some((after, direction)),
            // A program's name with a comma.
            None => break,
        }
    }
    // A comment, or a name of a program that is not read, may be anything: the packet begins at the
    // first place that looks like one.
    if !known {
        return None;
    }
    let ends = memchr::memmem::find_iter(rest, b") ");
    let packet = |at: &usize| {
        let packet = &rest[at + 2..];
        let words = [&b"IP "[..], b"IP6 ", b"ARP, "];
        words.iter().any(|word| packet.starts_with(word))
            || super::station::figures(packet).is_some()
    };
    let end = ends.into_iter().find(packet)?;
    Some((&rest[end + 2..], direction))
}

enum Separator<'a> {
    Next(&'a [u8]),
    End(&'a [u8]),
}

fn separator(i: &[u8]) -> Option<Separator<'_>> {
    if let Some(rest) = i.strip_prefix(b", ") {
        return Some(Separator::Next(rest));
    }
    i.strip_prefix(b") ").map(Separator::End)
}

/// An interface of BSD's ends in its unit's number; without a name its number stands here.
fn interface(i: &[u8]) -> Option<&[u8]> {
    let own = |b: &u8| b.is_ascii_alphanumeric() || b"_.-".contains(b);
    let len = i.iter().take(32).take_while(|b| own(b)).count();
    (len > 0 && i[len - 1].is_ascii_digit()).then(|| &i[len..])
}

/// One item: what follows it.
fn item<'a>(i: &'a [u8], direction: &mut Option<Fixed>) -> Option<&'a [u8]> {
    for word in [&b"proc "[..], b"eproc "] {
        if let Some(rest) = i.strip_prefix(word) {
            return process(rest);
        }
    }
    let letters = i.iter().take_while(|b| b.is_ascii_lowercase()).count();
    let (word, rest) = i.split_at(letters);
    match word {
        b"svc" => {
            let class = rest.strip_prefix(b" ")?;
            let own = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
            let len = class.iter().take_while(|b| own(b)).count();
            (len > 0).then(|| &class[len..])
        }
        b"in" => {
            *direction = Some(Fixed::In);
            Some(rest)
        }
        b"out" => {
            *direction = Some(Fixed::Out);
            Some(rest)
        }
        b"flowid" | b"ttag" | b"dlt" | b"cmpgc" => {
            let digits = rest.strip_prefix(b" 0x")?;
            let len = digits.iter().take_while(|b| b.is_ascii_hexdigit()).count();
            (len > 0).then(|| &digits[len..])
        }
        _ if letters == 2 => Some(rest),
        _ => None,
    }
}

/// `"%s:%u"`, later `"%s:%u:%s"` with an identifier of the program's; `"%s"`; `"%u"`. Names have
/// blanks and parentheses, and are cut at some length.
fn process(i: &[u8]) -> Option<&[u8]> {
    let colon = memchr::memchr2(b':', b',', i).filter(|at| i[*at] == b':');
    if let Some(colon) = colon {
        let digits = i[colon + 1..].iter().take_while(|b| b.is_ascii_digit());
        let digits = digits.count();
        let mut rest = &i[colon + 1 + digits..];
        if let Some(uuid) = rest.strip_prefix(b":") {
            let own = |b: &u8| b.is_ascii_hexdigit() || *b == b'-';
            rest = &uuid[uuid.iter().take_while(|b| own(b)).count()..];
        }
        if digits > 0 && separator(rest).is_some() {
            return Some(rest);
        }
    }
    let len = i.iter().position(|b| b",()".contains(b))?;
    Some(&i[len..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_and_ports() {
        for (before, direction) in [
            ("(en0, proc curl:123, svc BE, out) ", Some(Fixed::Out)),
            (
                "(en0, proc Example Helper (Renderer):77, eproc foo:1, svc BE, out, so) ",
                Some(Fixed::Out),
            ),
            (
                "(en0, proc Google Chrome He:244, svc BE, in, nf, ch) ",
                Some(Fixed::In),
            ),
            ("(en0, proc :0:, eproc :0:, svc BE, out) ", Some(Fixed::Out)),
            ("(bridge100, svc BE, in) ", Some(Fixed::In)),
            ("(proc dnsd:184, eproc app:185, out) ", Some(Fixed::Out)),
            (
                "(utun3, proc curl:1:0A1B2C3D-0000-0000-0000-000000000000, svc BK_SYS, out, flowid 0x1f) ",
                Some(Fixed::Out),
            ),
            (
                "(en0, in, a comment (of the file's), out) ",
                Some(Fixed::In),
            ),
            ("(en0) ", None),
            ("(out) ", Some(Fixed::Out)),
            ("(en0, proc curl, in) ", Some(Fixed::In)),
            ("Port1, IN: ", Some(Fixed::In)),
            ("xfrm1, OUT: ", Some(Fixed::Out)),
        ] {
            let line = format!("{before}IP 192.0.2.1 > 192.0.2.2: x (y) IP z");
            let rest = &line.as_bytes()[before.len()..];
            assert_eq!(lead(line.as_bytes()), Some((rest, direction)), "{line}");
        }
        for line in [
            "(tos 0x0, ttl 64)",
            "(unprotected): SPI 0x1: IP",
            "(NOV-ETHII) IPX 1",
            "(hlim 64, next-header TCP (6)) IP ",
            "(flowlabel 0x1, hlim 64) IP ",
            "Port1, UP: IP ",
            ", IN: IP ",
            "",
        ] {
            assert_eq!(lead(line.as_bytes()), None, "{line}");
        }
    }
}

//! What printers without the word `IP` say of the network header behind the packet: OpenBSD's
//! `print-ip.c` and `print-ip6.c`, and tcpdump's up to 3.7.

use super::leaf::{Res, hex, int, lit, no};
use super::walk::Walk;
use crate::part::Part;

/// The tail, where it stands here and the line ends with it; its fields are the regexes' to find.
///
/// `" (DF)"`, `" (frag %d:%u@%d%s)"`, `" [tos 0x%x]"`, `",ECT(1)"`, `",ECT(0)"`, `",CE"`,
/// `" [ttl %d]"`, with `-v` `" (ttl %d, id %d, len %u)"`, `"bad ip cksum %x! -> %x"`,
/// `"bad cksum %x!"`, `"optlen=%d"`. IPv6: `" [class 0x%02x]"`, `" [flowlabel 0x%05x]"`,
/// `" [hlim %d]"`, with `-v` `" (len %d, hlim %d)"`.
pub(super) fn tail<'a>(walk: &mut Walk<'_, 'a>, text: &'a [u8]) -> bool {
    if walk.parts.has(Part::Network) {
        return false;
    }
    let mut i = text;
    let mut any = false;
    while let Ok((rest, ())) = item(i) {
        i = rest;
        any = true;
    }
    // tcpdump up to 3.7 has a blank behind `[tos 0x10]`.
    if !any || !matches!(i, b"" | b" ") {
        return false;
    }
    let part = walk.between(text, i);
    walk.odd(Part::Network, part.trim_ascii_start());
    true
}

/// Where the tail begins that a line ends with, if it does.
pub(super) fn begins(line: &[u8]) -> usize {
    let line = line.strip_suffix(b" ").unwrap_or(line);
    let mut end = line.len();
    while let Some(last) = line[..end].last()
        && matches!(last, b')' | b']')
    {
        // The last item begins at a blank before its bracket.
        let open = if *last == b')' { b'(' } else { b'[' };
        let at = memchr::memrchr_iter(open, &line[..end])
            .find(|at| *at == 0 || line[*at - 1] == b' ')
            .map(|at| at.saturating_sub(1));
        match at {
            Some(at) if matches!(item(&line[at..end]), Ok((b"", ()))) => end = at,
            _ => break,
        }
    }
    end
}

fn item(i: &[u8]) -> Res<'_, ()> {
    let i = i.strip_prefix(b" ").unwrap_or(i);
    match i {
        [b' ', rest @ ..] => item_here(rest),
        _ => item_here(i),
    }
}

fn item_here(i: &[u8]) -> Res<'_, ()> {
    if let Some(rest) = i.strip_prefix(b"(DF)") {
        return Ok((rest, ()));
    }
    if let Some(rest) = i.strip_prefix(b"(frag ") {
        let (rest, _) = int(rest)?;
        let (rest, _) = int(lit(b":")(rest)?.0)?;
        let (rest, _) = int(lit(b"@")(rest)?.0)?;
        let rest = rest.strip_prefix(b"+").unwrap_or(rest);
        let rest = rest.strip_prefix(b"!").unwrap_or(rest);
        return lit(b")")(rest);
    }
    if let Some(rest) = i.strip_prefix(b"[tos 0x") {
        let (rest, _) = hex(rest)?;
        let ecn = [&b",ECT(1)"[..], b",ECT(0)", b",CE"];
        let rest = ecn
            .iter()
            .find_map(|mark| rest.strip_prefix(*mark))
            .unwrap_or(rest);
        return lit(b"]")(rest);
    }
    for name in [&b"[ttl "[..], b"[hlim "] {
        if let Some(rest) = i.strip_prefix(name) {
            return lit(b"]")(int(rest)?.0);
        }
    }
    for name in [&b"[class 0x"[..], b"[flowlabel 0x"] {
        if let Some(rest) = i.strip_prefix(name) {
            return lit(b"]")(hex(rest)?.0);
        }
    }
    for name in [&b"(ttl "[..], b"(id ", b"(len "] {
        if i.starts_with(name) {
            return figures(&i[1..]);
        }
    }
    no()
}

/// The figures of `-v` up to their closing parenthesis.
fn figures(i: &[u8]) -> Res<'_, ()> {
    let own = |b: &u8| b.is_ascii_alphanumeric() || b" ,!=->{}.#".contains(b);
    let end = i.iter().position(|b| !own(b)).unwrap_or(i.len());
    lit(b")")(&i[end..])
}

#[cfg(test)]
mod tests {
    use super::begins;

    #[test]
    fn the_tail_is_what_the_line_ends_with() {
        for (line, tail) in [
            ("77+ A? a. (29)", ""),
            ("77+ A? a. (29) (DF)", " (DF)"),
            (
                "igmp-2 [v2] (DF) [tos 0xc0] [ttl 1]",
                " (DF) [tos 0xc0] [ttl 1]",
            ),
            ("igmp-2 [v2]", ""),
            (
                "udp 5 (ttl 64, id 4242, len 64)",
                " (ttl 64, id 4242, len 64)",
            ),
            (
                "udp 5 (DF) [tos 0x3,CE] (ttl 64, id 1, len 64, bad ip cksum 1! -> 2) ",
                " (DF) [tos 0x3,CE] (ttl 64, id 1, len 64, bad ip cksum 1! -> 2) ",
            ),
            ("77+ A? x (29) (DF). (40)", ""),
            (
                "icmp6: x [flowlabel 0x12345] (len 32, hlim 255)",
                " [flowlabel 0x12345] (len 32, hlim 255)",
            ),
            (" (frag 4242:1480@1480+)", " (frag 4242:1480@1480+)"),
            ("(frag 4242:1480@1480)", "(frag 4242:1480@1480)"),
            ("", ""),
            (")", ""),
        ] {
            assert_eq!(&line[begins(line.as_bytes())..], tail, "{line}");
        }
    }
}

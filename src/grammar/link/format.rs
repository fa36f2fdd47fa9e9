//! A C format string, read backwards.
//!
//! A link layer's header is one format string of its printer's, so that is what its production is
//! here: the string, with four directives.

/// Reads text that `format` printed, from its beginning: the rest, and the last name in it.
///
/// - `%u`: decimal digits
/// - `%x`: lower-case hexadecimal digits
/// - `%s`: a name of a table of `tok2str`: letters, digits, blanks and `-./+_`, as few as fit
/// - `%l`: names with commas between, as `bittok2str` prints them
///
/// A name of a packet's own never stands in a link layer's header.
#[inline]
pub(super) fn scan<'a>(format: &'static [u8], text: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    // Whole tables of them are tried, and the first byte rules out nearly all.
    match (format.first(), text.first()) {
        (Some(b'%') | None, _) => walk(format, text),
        (first, found) if first == found => walk(format, text),
        _ => None,
    }
}

fn walk<'a>(format: &'static [u8], text: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let (mut format, mut i, mut name) = (format, text, &text[..0]);
    while let [first, after @ ..] = format {
        if *first != b'%' {
            let [b, rest @ ..] = i else { return None };
            if b != first {
                return None;
            }
            (format, i) = (after, rest);
            continue;
        }
        let (directive, after) = after.split_first()?;
        let len = match directive {
            b'u' => run(i, u8::is_ascii_digit),
            b'x' => run(i, |b| matches!(b, b'0'..=b'9' | b'a'..=b'f')),
            _ => {
                let list = *directive == b'l';
                let longest = run(i, |b| {
                    b.is_ascii_alphanumeric() || b" -./+_".contains(b) || list && *b == b','
                });
                // Up to where the literal behind it begins.
                let stop = &after[..run(after, |b| *b != b'%')];
                let len = (1..=longest).find(|len| i[*len..].starts_with(stop))?;
                name = &i[..len];
                len
            }
        };
        if len == 0 {
            return None;
        }
        (format, i) = (after, &i[len..]);
    }
    Some((i, name))
}

/// How many bytes from the beginning are of a kind, up to the longest name of any table.
fn run(i: &[u8], of: impl Fn(&u8) -> bool) -> usize {
    /// The longest name in tcpdump's tables has 44 bytes.
    const LONGEST: usize = 64;
    i.iter().take(LONGEST).take_while(|b| of(b)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_reads_what_it_printed() {
        for (format, text, rest, name) in [
            (
                &b"AF %s (%u), length %u: "[..],
                "AF IPv4 (2), length 60: x",
                "x",
                "IPv4",
            ),
            (
                b"%s (0x%x), ",
                "MPLS unicast (0x8847), y",
                "y",
                "MPLS unicast",
            ),
            (
                b"Flags [%l], ",
                "Flags [Begin, End], IP ",
                "IP ",
                "Begin, End",
            ),
            (
                b"oui %s (0x%x), ",
                "oui Ethernet w/o FCS (0x0080c2), ",
                "",
                "Ethernet w/o FCS",
            ),
        ] {
            let read = scan(format, text.as_bytes());
            assert_eq!(read, Some((rest.as_bytes(), name.as_bytes())), "{text}");
        }
        for (format, text) in [
            (&b"AF %s (%u), length %u: "[..], "AF IPv4 (2), length 60:"),
            (b"AF %s (%u)", "AF  (2)x"),
            (b"AF %s (%u)", "AF a\"b (2)"),
            (b"%u: ", "x: "),
            (b"%s", ""),
        ] {
            assert_eq!(scan(format, text.as_bytes()), None, "{text}");
        }
    }
}

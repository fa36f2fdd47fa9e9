//! A link layer's address as `etheraddr_string` spells it.

use crate::grammar::leaf::mac;

/// `ND_PRINT("%02x:%02x:%02x:%02x:%02x:%02x")`, without `-n` with `" (oui %s)"` behind it, or a name
/// of `/etc/ethers`, or `Broadcast`; what follows it.
pub(super) fn station(i: &[u8]) -> Option<&[u8]> {
    if let Ok((rest, _)) = mac(i) {
        return Some(oui(rest));
    }
    let own = |b: &u8| b.is_ascii_alphanumeric() || b"._-".contains(b);
    let len = i.iter().take_while(|b| own(b)).count();
    let named = i[..len].iter().any(u8::is_ascii_alphabetic);
    (named && len <= LONGEST).then(|| &i[len..])
}

/// Host names have at most 255 bytes.
const LONGEST: usize = 255;

/// An address in figures, with what `" (oui %s)"` says of its maker.
pub(super) fn figures(i: &[u8]) -> Option<&[u8]> {
    mac(i).ok().map(|(rest, _)| oui(rest))
}

/// `" (oui %s)"`: a maker's name, which has no parentheses.
fn oui(i: &[u8]) -> &[u8] {
    let read = || {
        let name = i.strip_prefix(b" (oui ")?;
        let end = memchr::memchr2(b'(', b')', name)?;
        (name[end] == b')').then(|| &name[end + 1..])
    };
    read().unwrap_or(i)
}

/// `ND_PRINT("%s > %s")`
pub(super) fn pair(i: &[u8]) -> Option<&[u8]> {
    station(station(i)?.strip_prefix(b" > ")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_or_a_name() {
        for (text, rest) in [
            ("02:00:00:00:00:01 x", Some(" x")),
            ("02:00:00:00:00:01 (oui Unknown) x", Some(" x")),
            (
                "02:00:00:00:00:01 (oui Example Networks, Inc.) x",
                Some(" x"),
            ),
            ("02:00:00:00:00:01 (oui a (b)) x", Some(" (oui a (b)) x")),
            ("Broadcast, x", Some(", x")),
            ("gw.example.org > ", Some(" > ")),
            ("1234, x", None),
            (" x", None),
            ("", None),
        ] {
            assert_eq!(station(text.as_bytes()), rest.map(str::as_bytes), "{text}");
        }
    }
}

//! Numbers, addresses and brackets, read from bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Decimal digits and nothing else, up to 2⁶⁴−1.
pub(crate) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |n, b| {
        let digit = b.wrapping_sub(b'0');
        (digit < 10).then(|| n.checked_mul(10)?.checked_add(u64::from(digit)))?
    })
}

/// Hexadecimal digits and nothing else, up to 2⁶⁴−1.
pub(crate) fn hexadecimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 16 {
        return None;
    }
    text.iter().try_fold(0u64, |n, b| {
        Some(n << 4 | u64::from(char::from(*b).to_digit(16)?))
    })
}

/// An address as `inet_pton(3)` reads it.
pub(crate) fn inet(text: &[u8]) -> Option<IpAddr> {
    if let Some((ip, [])) = ipv4(text) {
        return Some(IpAddr::V4(ip));
    }
    // The longest form is an IPv6 address with a dotted end.
    if text.len() > 45 || memchr::memchr(b':', text).is_none() {
        return None;
    }
    let text = str::from_utf8(text).ok()?;
    text.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
}

/// Four groups of one to three digits, each 0 to 255, without leading zeros; and what follows.
pub(crate) fn ipv4(text: &[u8]) -> Option<(Ipv4Addr, &[u8])> {
    let mut rest = text;
    let mut address = 0u32;
    for group in 0..4 {
        if group > 0 {
            rest = rest.strip_prefix(b".")?;
        }
        let (octet, after) = octet(rest)?;
        address = address << 8 | octet;
        rest = after;
    }
    Some((Ipv4Addr::from_bits(address), rest))
}

fn octet(text: &[u8]) -> Option<(u32, &[u8])> {
    let digit = |b: &u8| -> Option<u32> {
        let d = b.wrapping_sub(b'0');
        (d < 10).then_some(u32::from(d))
    };
    let first = digit(text.first()?)?;
    let Some(second) = text.get(1).and_then(digit) else {
        return Some((first, &text[1..]));
    };
    if first == 0 {
        return None;
    }
    let two = first * 10 + second;
    let Some(third) = text.get(2).and_then(digit) else {
        return Some((two, &text[2..]));
    };
    let three = two * 10 + third;
    // A fourth digit is no address; the caller sees it as what follows.
    (three < 256).then_some((three, &text[3..]))
}

/// `xx:xx:xx:xx:xx:xx`, the first in the highest of 48 bits.
pub(crate) fn mac(text: &[u8]) -> Option<u64> {
    if text.len() != 17 {
        return None;
    }
    let mut bits = 0;
    for (i, pair) in text.chunks(3).enumerate() {
        if i < 5 && pair[2] != b':' {
            return None;
        }
        bits = bits << 8 | hexadecimal(&pair[..2])?;
    }
    Some(bits)
}

/// The length of the text that begins with an opening parenthesis, up to the one that closes it.
pub(crate) fn balanced(i: &[u8]) -> Option<usize> {
    let mut depth = 0usize;
    for at in memchr::memchr2_iter(b'(', b')', i) {
        if i[at] == b'(' {
            depth += 1;
        } else {
            depth = depth.checked_sub(1)?;
            if depth == 0 {
                return Some(at + 1);
            }
        }
    }
    None
}

//! The smallest productions.
//!
//! They and all above them are nom parsers: `IResult` carries the rest of the line, and nom's
//! combinators take them as they are. The leaves themselves are not nom's, because they know more:
//! a literal of known length is compared as one or two numbers, a number is read and bounded in one
//! pass, and the error is `()`, so that an alternative which fails costs nothing.

use std::net::{IpAddr, Ipv6Addr};

use nom::{Err, IResult};

use crate::scan;
pub(super) use crate::scan::balanced;

/// What a production gives: the rest of the line, and its value.
pub(super) type Res<'a, T> = IResult<&'a [u8], T, ()>;

/// "This production is not here."
#[inline]
pub(super) fn no<'a, T>() -> Res<'a, T> {
    Err(Err::Error(()))
}

/// A literal of the format string.
#[inline]
pub(super) fn lit<'a, const N: usize>(text: &'static [u8; N]) -> impl Fn(&'a [u8]) -> Res<'a, ()> {
    // Of a known length, so that it is compared as one or two numbers.
    move |i| match i.strip_prefix(text) {
        Some(rest) => Ok((rest, ())),
        None => no(),
    }
}

/// `%u`: decimal digits up to `max`; more is not this production's business.
#[inline]
pub(super) fn number<'a>(max: u64) -> impl Fn(&'a [u8]) -> Res<'a, u64> {
    move |i| {
        let mut n = 0u64;
        let mut at = 0;
        // Nineteen digits can't overflow.
        while at < 19
            && let Some(b) = i.get(at)
        {
            let digit = b.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            n = n * 10 + u64::from(digit);
            at += 1;
        }
        if at == 0 || at == 19 || n > max {
            no()
        } else {
            Ok((&i[at..], n))
        }
    }
}

/// The range of the type `int`, above zero.
pub(super) const INT: u64 = i32::MAX as u64;

/// `%u` into an `int` field.
#[inline]
pub(super) fn int(i: &[u8]) -> Res<'_, u64> {
    number(INT)(i)
}

/// `%u` into a `bigint` field.
#[inline]
pub(super) fn bigint(i: &[u8]) -> Res<'_, u64> {
    number(i64::MAX as u64)(i)
}

/// `%u` into a `port` field.
#[inline]
pub(super) fn port(i: &[u8]) -> Res<'_, u64> {
    number(65_535)(i)
}

/// `%x`: lower-case hexadecimal digits, at most seven (an `int` holds them).
#[inline]
pub(super) fn hex(i: &[u8]) -> Res<'_, u64> {
    let mut n = 0u64;
    let mut at = 0;
    while at < 8
        && let Some(b) = i.get(at)
    {
        let digit = match b {
            b'0'..=b'9' => b - b'0',
            b'a'..=b'f' => b - b'a' + 10,
            _ => break,
        };
        n = n << 4 | u64::from(digit);
        at += 1;
    }
    if at == 0 || at == 8 {
        no()
    } else {
        Ok((&i[at..], n))
    }
}

/// `%04x`
#[inline]
pub(super) fn hex4(i: &[u8]) -> Res<'_, u64> {
    let (rest, n) = hex(i)?;
    if i.len() - rest.len() == 4 {
        Ok((rest, n))
    } else {
        no()
    }
}

/// Text up to a byte, which stays; it must come on this line.
#[inline]
pub(super) fn until<'a>(byte: u8) -> impl Fn(&'a [u8]) -> Res<'a, &'a [u8]> {
    move |i| match memchr::memchr(byte, i) {
        Some(at) => Ok((&i[at..], &i[..at])),
        None => no(),
    }
}

/// `%s]`: a short text of certain bytes, behind its opening bracket; what follows the closing one.
#[inline]
pub(super) fn bracketed(i: &[u8], allowed: impl Fn(&u8) -> bool) -> Res<'_, &[u8]> {
    let end = i.iter().position(|b| !allowed(b)).unwrap_or(i.len());
    match i[end..].strip_prefix(b"]") {
        Some(rest) => Ok((rest, &i[..end])),
        None => no(),
    }
}

/// Text up to the next blank or the end of the line.
#[inline]
pub(super) fn word(i: &[u8]) -> (&[u8], &[u8]) {
    let at = memchr::memchr(b' ', i).unwrap_or(i.len());
    (&i[at..], &i[..at])
}

/// `GET_IPADDR_STRING`
#[inline]
pub(super) fn ipv4(i: &[u8]) -> Res<'_, IpAddr> {
    match scan::ipv4(i) {
        Some((ip, rest)) => Ok((rest, IpAddr::V4(ip))),
        None => no(),
    }
}

/// A whole text as `GET_IP6ADDR_STRING` prints it.
pub(super) fn ipv6(text: &[u8]) -> Option<IpAddr> {
    if text.len() > 45 || memchr::memchr(b':', text).is_none() {
        return None;
    }
    let ip: Ipv6Addr = match groups(text) {
        Some(ip) => ip,
        None => str::from_utf8(text).ok()?.parse().ok()?,
    };
    Some(IpAddr::V6(ip))
}

/// Groups of lower-case hexadecimal digits, with one gap or none: nearly every address. Others,
/// such as `::ffff:10.0.0.1`, are the standard library's.
fn groups(text: &[u8]) -> Option<Ipv6Addr> {
    let (mut bits, mut count, mut after_gap) = (0u128, 0u32, None);
    let mut i = text;
    if let Some(rest) = i.strip_prefix(b"::") {
        after_gap = Some(0);
        i = rest;
    }
    while !i.is_empty() {
        let (rest, group) = hex(i).ok()?;
        if i.len() - rest.len() > 4 || count == 8 {
            return None;
        }
        bits = bits << 16 | u128::from(group);
        count += 1;
        i = match rest {
            [] => rest,
            [b':', b':', rest @ ..] if after_gap.is_none() => {
                after_gap = Some(count);
                rest
            }
            [b':', rest @ ..] if !rest.is_empty() => rest,
            _ => return None,
        };
    }
    match after_gap {
        None if count == 8 => Some(Ipv6Addr::from_bits(bits)),
        Some(before) if count < 8 => {
            // What stands before the gap goes to the top; a shift by all 128 bits is none.
            let low = 16 * (count - before);
            let tail = bits & !(u128::MAX << low);
            let head = (bits >> low).checked_shl(128 - 16 * before).unwrap_or(0);
            Some(Ipv6Addr::from_bits(head | tail))
        }
        _ => None,
    }
}

/// `GET_MAC48_STRING`: `%02x:%02x:%02x:%02x:%02x:%02x`
pub(super) fn mac(i: &[u8]) -> Res<'_, u64> {
    let Some(text) = i.get(..17) else { return no() };
    // `%02x` prints lower case; the field's pattern wants it too.
    if text.iter().any(u8::is_ascii_uppercase) {
        return no();
    }
    match scan::mac(text) {
        Some(bits) => Ok((&i[17..], bits)),
        None => no(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn odd_addresses_are_read_as_the_standard_library_reads_them() {
        for text in [
            "::",
            "::1",
            "1::",
            "1:2:3:4:5:6:7:8",
            "1:2:3:4:5:6:7::",
            "::2:3:4:5:6:7:8",
            "1::8",
            "1:2:3:4::5:6:7:8",
            "::ffff:10.0.0.1",
            "1:2:3:4:5:6:7:8::",
            ":1",
            "1:",
            ":::",
            "1::2::3",
            "12345::",
            "1:2:3",
            "",
            ":",
            "FE80::1",
            "fe80::1%eth0",
            "1:::2",
        ] {
            let wanted = text.parse().ok().map(IpAddr::V6);
            assert_eq!(ipv6(text.as_bytes()), wanted, "{text}");
        }
    }

    proptest! {
        #[test]
        fn addresses_are_read_as_the_standard_library_reads_them(
            bits: u128, mask: u128, text in "[0-9a-f:.]{0,40}",
        ) {
            // Many groups of zero, so that there are gaps.
            for text in [Ipv6Addr::from_bits(bits & mask & bits.rotate_left(16)).to_string(), text] {
                let wanted = text.parse().ok().map(IpAddr::V6);
                prop_assert_eq!(ipv6(text.as_bytes()), wanted, "{}", text);
            }
        }
    }
}

//! What a field's text becomes: the types, their ranges, and how each reads its bytes.
//!
//! A type either takes the whole text or refuses it; a refused text is a *misfit*, and the field is
//! missing with that reason. Nothing is rounded, cut or guessed.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize, Serializer};

use crate::grammar::stamp;

/// Nanoseconds in a second.
pub(crate) const SECOND: i64 = 1_000_000_000;
/// Nanoseconds in a day without a leap second, as `tcpdump` counts them.
pub(crate) const DAY: i64 = 86_400 * SECOND;

/// The type of a field, named as in `packet_parse.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum FieldType {
    /// Bytes as printed.
    Text,
    /// −2³¹ to 2³¹−1, decimal or `0x…`.
    Int,
    /// −2⁶³ to 2⁶³−1, decimal or `0x…`.
    Bigint,
    /// A finite decimal fraction.
    Real,
    /// True when group 1 took part in the match, false when the match had none.
    Bool,
    /// An IPv4 or IPv6 address.
    Inet,
    /// 0 to 65535.
    Port,
    /// Six bytes, written with colons.
    Mac,
    /// Bare hexadecimal digits, up to 63 bits.
    Hex,
    /// A time of day, `HH:MM:SS.fraction`; nanoseconds since midnight.
    Time,
    /// An instant: what `-tt` or `-tttt` print, or a time of day that an
    /// [`Origin`](crate::Origin) gives its date; nanoseconds since 1970 UTC.
    Timestamp,
}

impl FieldType {
    /// Every type, in the order of the documentation.
    pub const ALL: [FieldType; 11] = [
        FieldType::Text,
        FieldType::Int,
        FieldType::Bigint,
        FieldType::Real,
        FieldType::Bool,
        FieldType::Inet,
        FieldType::Port,
        FieldType::Mac,
        FieldType::Hex,
        FieldType::Time,
        FieldType::Timestamp,
    ];

    /// The name as `packet_parse.json` spells it.
    pub fn name(self) -> &'static str {
        match self {
            FieldType::Text => "text",
            FieldType::Int => "int",
            FieldType::Bigint => "bigint",
            FieldType::Real => "real",
            FieldType::Bool => "bool",
            FieldType::Inet => "inet",
            FieldType::Port => "port",
            FieldType::Mac => "mac",
            FieldType::Hex => "hex",
            FieldType::Time => "time",
            FieldType::Timestamp => "timestamp",
        }
    }
}

impl FieldType {
    /// What the type takes, in words for people.
    pub fn range(self) -> &'static str {
        match self {
            FieldType::Text => "any text",
            FieldType::Int => "a whole number from -2147483648 to 2147483647, decimal or 0x…",
            FieldType::Bigint => "a whole number from -2^63 to 2^63-1, decimal or 0x…",
            FieldType::Real => "a finite decimal fraction",
            FieldType::Bool => "true where group 1 took part in the match, else false",
            FieldType::Inet => "an IPv4 or IPv6 address",
            FieldType::Port => "a number from 0 to 65535",
            FieldType::Mac => "six bytes of two hexadecimal digits with colons between",
            FieldType::Hex => "hexadecimal digits without 0x, up to 63 bits",
            FieldType::Time => "a time of day, HH:MM:SS with 6 or 9 digits of a second",
            FieldType::Timestamp => "what -tt or -tttt print, or a time of day",
        }
    }
}

impl fmt::Display for FieldType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One typed value, borrowed from its [`Packets`](crate::Packets).
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// Bytes as `tcpdump` printed them, not necessarily UTF-8.
    Text(&'a [u8]),
    /// `int`, `bigint`, `port` and `hex`.
    Int(i64),
    /// `real`.
    Real(f64),
    /// `bool`.
    Bool(bool),
    /// `inet`.
    Inet(IpAddr),
    /// `mac`.
    Mac([u8; 6]),
    /// `time`: nanoseconds since midnight.
    Time(i64),
    /// `timestamp`: nanoseconds since 1970 UTC.
    Timestamp(i64),
}

impl fmt::Display for Value<'_> {
    /// The value as JSON and CSV spell it, without quotes; bytes that are not UTF-8 as `\xHH`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Value::Text(bytes) => write_text(f, bytes),
            Value::Int(n) => write!(f, "{n}"),
            Value::Real(x) => write!(f, "{x}"),
            Value::Bool(b) => write!(f, "{b}"),
            Value::Inet(ip) => write!(f, "{ip}"),
            Value::Mac([a, b, c, d, e, g]) => {
                write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
            }
            Value::Time(ns) => write_clock(f, ns),
            Value::Timestamp(ns) => write_timestamp(f, ns),
        }
    }
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Value::Int(n) => serializer.serialize_i64(n),
            Value::Real(x) => serializer.serialize_f64(x),
            Value::Bool(b) => serializer.serialize_bool(b),
            _ => serializer.collect_str(self),
        }
    }
}

/// Bytes as text: what is UTF-8 as it stands, any other byte as `\xHH`.
pub(crate) fn write_text(f: &mut impl fmt::Write, bytes: &[u8]) -> fmt::Result {
    for chunk in bytes.utf8_chunks() {
        f.write_str(chunk.valid())?;
        for byte in chunk.invalid() {
            write!(f, "\\x{byte:02x}")?;
        }
    }
    Ok(())
}

/// The civil date of a day number since 1970-01-01, in the proleptic Gregorian calendar.
///
/// The algorithm counts in 400-year eras of 146,097 days that begin on 1 March, so the leap day is
/// the last day of its year.
pub(crate) fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = (doy - (153 * mp + 2) / 5 + 1) as u32;
    let month = if mp < 10 { mp + 3 } else { mp - 9 } as u32;
    (yoe + era * 400 + i64::from(month <= 2), month, day)
}

/// The day number since 1970-01-01 of a civil date; the inverse of [`civil_from_days`].
pub(crate) fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let y = year - i64::from(month <= 2);
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let m = i64::from(month);
    let doy = (153 * (if m > 2 { m - 3 } else { m + 9 }) + 2) / 5 + i64::from(day) - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    era * 146_097 + doe - 719_468
}

fn write_clock(f: &mut impl fmt::Write, ns: i64) -> fmt::Result {
    let (s, frac) = (ns.div_euclid(SECOND), ns.rem_euclid(SECOND));
    write!(f, "{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)?;
    write_fraction(f, frac)
}

/// Six digits, nine where the value needs them.
fn write_fraction(f: &mut impl fmt::Write, frac: i64) -> fmt::Result {
    if frac % 1_000 == 0 {
        write!(f, ".{:06}", frac / 1_000)
    } else {
        write!(f, ".{frac:09}")
    }
}

/// RFC 3339 in UTC, with six digits of a second, nine where the value needs them.
pub(crate) fn write_timestamp(f: &mut impl fmt::Write, ns: i64) -> fmt::Result {
    let (year, month, day) = civil_from_days(ns.div_euclid(DAY));
    write!(f, "{year:04}-{month:02}-{day:02}T")?;
    write_clock(f, ns.rem_euclid(DAY))?;
    f.write_char('Z')
}

/// A time stamp as `tcpdump` printed it, before it has its place in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stamp {
    /// None was printed, or none that can be read.
    None,
    /// The default form: nanoseconds since midnight in the sensor's zone.
    Clock(i64),
    /// `-tttt`: nanoseconds since 1970-01-01 00:00 of the sensor's civil time.
    Civil(i64),
    /// `-tt`: nanoseconds since 1970 UTC.
    Epoch(i64),
    /// `-ttt` or `-ttttt`: nanoseconds since the previous or the first packet.
    Signed(i64),
}

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

/// A whole number, decimal with an optional minus, or `0x…`.
fn whole(text: &[u8]) -> Option<i64> {
    match text {
        [b'0', b'x', hex @ ..] => i64::try_from(hexadecimal(hex)?).ok(),
        [b'-', digits @ ..] => 0i64.checked_sub_unsigned(decimal(digits)?),
        digits => i64::try_from(decimal(digits)?).ok(),
    }
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

/// A value that owns nothing and borrows nothing: what a type made of a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Typed {
    /// The text itself.
    Text,
    Int(i64),
    Real(f64),
    Inet(IpAddr),
    Mac(u64),
    Time(i64),
    Stamp(Stamp),
}

impl FieldType {
    /// Reads a text; `None` is a misfit. `bool` is no text's business and never gets here.
    pub(crate) fn read(self, text: &[u8], nano: bool) -> Option<Typed> {
        Some(match self {
            FieldType::Text | FieldType::Bool => Typed::Text,
            FieldType::Int => {
                let n = whole(text)?;
                i32::try_from(n).ok()?;
                Typed::Int(n)
            }
            FieldType::Bigint => Typed::Int(whole(text)?),
            FieldType::Real => {
                let x: f64 = str::from_utf8(text).ok()?.parse().ok()?;
                x.is_finite().then_some(Typed::Real(x))?
            }
            FieldType::Inet => Typed::Inet(inet(text)?),
            FieldType::Port => {
                let n = decimal(text)?;
                (n <= 65_535).then_some(Typed::Int(n as i64))?
            }
            FieldType::Mac => Typed::Mac(mac(text)?),
            FieldType::Hex => Typed::Int(i64::try_from(hexadecimal(text)?).ok()?),
            FieldType::Time => match stamp::read(text, text.len() == 18)? {
                Stamp::Clock(ns) => Typed::Time(ns),
                _ => return None,
            },
            FieldType::Timestamp => Typed::Stamp(stamp::read(text, nano)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_go_both_ways_over_four_centuries() {
        for days in -146_097..146_097 {
            let (y, m, d) = civil_from_days(days);
            assert_eq!(days_from_civil(y, m, d), days);
        }
        assert_eq!(civil_from_days(0), (1970, 1, 1));
        assert_eq!(days_from_civil(2000, 2, 29), 11_016);
    }

    #[test]
    fn types_refuse_what_does_not_fit() {
        let read = |t: FieldType, s: &str| t.read(s.as_bytes(), false);
        assert_eq!(read(FieldType::Int, "0x10"), Some(Typed::Int(16)));
        assert_eq!(read(FieldType::Int, "2147483648"), None);
        assert_eq!(
            read(FieldType::Bigint, "2147483648"),
            Some(Typed::Int(2_147_483_648))
        );
        assert_eq!(
            read(FieldType::Bigint, "-9223372036854775808"),
            Some(Typed::Int(i64::MIN))
        );
        assert_eq!(read(FieldType::Port, "65536"), None);
        assert_eq!(read(FieldType::Hex, "ff"), Some(Typed::Int(255)));
        assert_eq!(read(FieldType::Inet, "1.2.3.04"), None);
        assert_eq!(read(FieldType::Inet, "1.2.3.256"), None);
        assert_eq!(
            read(FieldType::Inet, "::1"),
            Some(Typed::Inet("::1".parse().unwrap()))
        );
        assert_eq!(read(FieldType::Mac, "02:00:00:00:00:0g"), None);
        assert_eq!(read(FieldType::Real, "inf"), None);
        assert_eq!(
            read(FieldType::Time, "00:00:01.000000"),
            Some(Typed::Time(SECOND))
        );
        assert_eq!(read(FieldType::Time, "00:00:01"), None);
    }

    #[test]
    fn timestamps_have_nine_digits_where_they_need_them() {
        assert_eq!(
            Value::Timestamp(0).to_string(),
            "1970-01-01T00:00:00.000000Z"
        );
        assert_eq!(
            Value::Timestamp(-1).to_string(),
            "1969-12-31T23:59:59.999999999Z"
        );
        assert_eq!(Value::Text(b"a\xffb").to_string(), "a\\xffb");
    }
}

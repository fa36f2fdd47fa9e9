//! The time stamp of a head, in tcpdump's five forms.

use crate::civil::{DAY, SECOND, days_from_civil};
use crate::scan;

/// Which of tcpdump's time stamps a stream has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Form {
    /// None was seen yet.
    #[default]
    Unknown,
    /// `22:13:20.123456`
    Clock,
    /// `-tttt`: `2023-11-14 22:13:20.123456`
    Civil,
    /// `-tt`: `1700000000.123456`
    Epoch,
    /// `-ttt` and `-ttttt`: ` 00:00:00.000000`, `-00:00:01.000006`
    Signed,
    /// `-ttt` of OpenBSD: `Nov 28 22:13:20.123456`
    Dated,
    /// `-t`: none is printed.
    Absent,
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
    /// `-ttt` of OpenBSD: nanoseconds since 1 January of a leap year, in the sensor's civil time.
    Dated(i64),
}

/// A stamp in the form that is known, or in any; its value and its length.
pub(super) fn stamp(text: &[u8], form: Form, nano: bool) -> Option<(Stamp, usize, Form, bool)> {
    let unit = |digits: usize| {
        if form == Form::Unknown {
            digits == 9
        } else {
            nano
        }
    };
    if matches!(form, Form::Clock | Form::Unknown)
        && let Some((ns, len, digits)) = clock(text, unit)
    {
        return Some((Stamp::Clock(ns), len, Form::Clock, unit(digits)));
    }
    if matches!(form, Form::Epoch | Form::Unknown)
        && let Some((ns, len, digits)) = epoch(text, unit)
    {
        let value = ns.map_or(Stamp::None, Stamp::Epoch);
        return Some((value, len, Form::Epoch, unit(digits)));
    }
    if matches!(form, Form::Civil | Form::Unknown)
        && let Some((ns, len, digits)) = civil(text, unit)
    {
        let value = ns.map_or(Stamp::None, Stamp::Civil);
        return Some((value, len, Form::Civil, unit(digits)));
    }
    if matches!(form, Form::Dated | Form::Unknown)
        && let Some((ns, len, digits)) = dated(text, unit)
    {
        return Some((Stamp::Dated(ns), len, Form::Dated, unit(digits)));
    }
    if matches!(form, Form::Signed | Form::Unknown) {
        let sign = match text.first()? {
            b' ' => 1,
            b'-' => -1,
            _ => return None,
        };
        let (ns, len, digits) = clock(&text[1..], unit)?;
        return Some((
            Stamp::Signed(sign * ns),
            len + 1,
            Form::Signed,
            unit(digits),
        ));
    }
    None
}

fn two(text: &[u8], at: usize) -> Option<i64> {
    let (a, b) = (text[at].wrapping_sub(b'0'), text[at + 1].wrapping_sub(b'0'));
    (a < 10 && b < 10).then_some(i64::from(a) * 10 + i64::from(b))
}

/// `HH:MM:SS.f`: nanoseconds since midnight, the length, the digits of the fraction.
fn clock(text: &[u8], nano: impl Fn(usize) -> bool) -> Option<(i64, usize, usize)> {
    if text.len() < 15 || text[2] != b':' || text[5] != b':' || text[8] != b'.' {
        return None;
    }
    let (h, m, s) = (two(text, 0)?, two(text, 3)?, two(text, 6)?);
    if h > 23 || m > 59 || s > 60 {
        return None;
    }
    let (frac, digits) = fraction(&text[9..], nano)?;
    Some(((h * 3600 + m * 60 + s) * SECOND + frac, 9 + digits, digits))
}

/// Six to ten digits. Microseconds or nanoseconds are printed with `%06u` and `%09u`: a packet
/// header that holds more than a second of them prints more digits.
fn fraction(text: &[u8], nano: impl Fn(usize) -> bool) -> Option<(i64, usize)> {
    let mut n = 0i64;
    let mut digits = 0;
    for b in text.iter().take(11) {
        let digit = b.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        n = n * 10 + i64::from(digit);
        digits += 1;
    }
    if nano(digits) {
        return (9..=10).contains(&digits).then_some((n, digits));
    }
    (6..=10).contains(&digits).then_some((n * 1_000, digits))
}

/// `SECONDS.f`. A time that does not fit is one all the same: since 4.99.6 any of 64 bits is printed.
fn epoch(text: &[u8], nano: impl Fn(usize) -> bool) -> Option<(Option<i64>, usize, usize)> {
    let at = text
        .iter()
        .take(20)
        .take_while(|b| b.is_ascii_digit())
        .count();
    if at == 0 || text.get(at) != Some(&b'.') {
        return None;
    }
    let (frac, digits) = fraction(&text[at + 1..], nano)?;
    let ns = scan::decimal(&text[..at])
        .and_then(|seconds| i64::try_from(seconds).ok())
        .and_then(|seconds| seconds.checked_mul(SECOND)?.checked_add(frac));
    Some((ns, at + 1 + digits, digits))
}

/// `YYYY-MM-DD HH:MM:SS.f`, years of four to six digits; a time that does not fit is one all the
/// same.
fn civil(text: &[u8], nano: impl Fn(usize) -> bool) -> Option<(Option<i64>, usize, usize)> {
    let year_len = text
        .iter()
        .take(7)
        .take_while(|b| b.is_ascii_digit())
        .count();
    if !(4..=6).contains(&year_len) || text.len() < year_len + 7 {
        return None;
    }
    let date = &text[year_len..];
    if date[0] != b'-' || date[3] != b'-' || date[6] != b' ' {
        return None;
    }
    let year = scan::decimal(&text[..year_len])? as i64;
    let (month, day) = (two(date, 1)? as u32, two(date, 4)? as u32);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if day == 0 || day > last {
        return None;
    }
    let (ns, len, digits) = clock(&date[7..], nano)?;
    let ns = days_from_civil(year, month, day)
        .checked_mul(DAY)
        .and_then(|midnight| midnight.checked_add(ns));
    Some((ns, year_len + 7 + len, digits))
}

/// The day on which the years of [`Stamp::Dated`] begin: they have a 29 February.
pub(crate) fn leap_year() -> i64 {
    days_from_civil(2000, 1, 1)
}

/// OpenBSD: `strftime("%b %d %T")`, `".%06u"`.
fn dated(text: &[u8], nano: impl Fn(usize) -> bool) -> Option<(i64, usize, usize)> {
    const MONTHS: [&[u8; 4]; 12] = [
        b"Jan ", b"Feb ", b"Mar ", b"Apr ", b"May ", b"Jun ", b"Jul ", b"Aug ", b"Sep ", b"Oct ",
        b"Nov ", b"Dec ",
    ];
    let name = text.get(..4)?;
    let month = MONTHS.iter().position(|month| name == *month)? as u32 + 1;
    let rest = &text[4..];
    if rest.len() < 3 || rest[2] != b' ' {
        return None;
    }
    let day = two(rest, 0)? as u32;
    let last = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month as usize - 1];
    if day == 0 || day > last {
        return None;
    }
    let (ns, len, digits) = clock(&rest[3..], nano)?;
    let days = days_from_civil(2000, month, day) - leap_year();
    Some((days * DAY + ns, 7 + len, digits))
}

/// A time of day before 1970, as tcpdump up to 4.9.3 counted seconds from 2^31 on:
/// `ND_PRINT("%02d:%02d:%02d.%06u", sec / 3600, (sec % 3600) / 60, sec % 60, usec)` of a negative
/// number, from 4.0 to 4.5 cut to 15 bytes; with `-tttt` behind a date. What second was meant it does
/// not say. The length.
///
/// - `-7:-21:-36.000005`
/// - `1901-12-13 -7:-21:-36.0000`
pub(super) fn negative(text: &[u8]) -> Option<usize> {
    let date = text.get(..11).filter(|date| {
        let form = b"9999-99-99 ";
        date.iter().zip(form).all(|(b, f)| match f {
            b'9' => b.is_ascii_digit(),
            other => b == other,
        })
    });
    let start = date.map_or(0, <[u8]>::len);
    let mut at = start;
    let mut minus = false;
    for separator in [b':', b':', b'.'] {
        let field = &text[at..];
        let sign = usize::from(field.first() == Some(&b'-'));
        minus |= sign == 1;
        let digits = field[sign..]
            .iter()
            .take(2)
            .take_while(|b| b.is_ascii_digit());
        let digits = digits.count();
        if digits == 0 || sign + digits < 2 || field.get(sign + digits) != Some(&separator) {
            return None;
        }
        at += sign + digits + 1;
    }
    let fraction = text[at..]
        .iter()
        .take(10)
        .take_while(|b| b.is_ascii_digit());
    let fraction = fraction.count();
    let whole = fraction == 6 || fraction == 9;
    let cut = fraction >= 3 && at + fraction - start == 15;
    (minus && (whole || cut)).then_some(at + fraction)
}

/// A whole text as a stamp of any form; `nano` says what the unit of its fraction is.
pub(crate) fn read(text: &[u8], nano: bool) -> Option<Stamp> {
    let forms = [
        Form::Clock,
        Form::Epoch,
        Form::Civil,
        Form::Signed,
        Form::Dated,
    ];
    for form in forms {
        if let Some((value, len, ..)) = stamp(text, form, nano)
            && len == text.len()
        {
            return (value != Stamp::None).then_some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_of_every_form() {
        let read = |t: &str| read(t.as_bytes(), false);
        assert_eq!(read("00:00:01.000002"), Some(Stamp::Clock(1_000_002_000)));
        assert_eq!(read("1.000002"), Some(Stamp::Epoch(1_000_002_000)));
        assert_eq!(
            read("1970-01-02 00:00:00.000001"),
            Some(Stamp::Civil(DAY + 1_000))
        );
        assert_eq!(
            read("-00:00:01.000006"),
            Some(Stamp::Signed(-1_000_006_000))
        );
        assert_eq!(read(" 00:00:01.000006"), Some(Stamp::Signed(1_000_006_000)));
        // More than a second in the microseconds' field.
        assert_eq!(read("00:00:00.1000000"), Some(Stamp::Clock(SECOND)));
        assert_eq!(
            super::read(b"00:00:00.000000001", true),
            Some(Stamp::Clock(1))
        );
        assert_eq!(read("Jan 01 00:00:00.000001"), Some(Stamp::Dated(1_000)));
        assert_eq!(read("Mar 01 00:00:00.000000"), Some(Stamp::Dated(60 * DAY)));
        for bad in [
            "",
            "Feb 30 00:00:00.000000",
            "Foo 01 00:00:00.000000",
            "Jan 1 00:00:00.000000",
            "-7:-21:-36.000005",
            "24:00:00.000000",
            "00:00:00.00000",
            "1970-02-30 00:00:00.000000",
            "x.000000",
            // Beyond what 64 bits of nanoseconds hold.
            "68470465054.149710",
            "4139-09-29 05:37:34.149710",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}

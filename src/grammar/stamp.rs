//! The head of a record: `-#`, `--lengths`, and the time stamp.

use crate::framer::Style;
use crate::value::{DAY, SECOND, Stamp, days_from_civil};

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
    /// `-t`: none is printed.
    Absent,
}

/// `print.c`: all of a record whose length can't be; it stands in the place of the stamp, too.
pub(crate) const INVALID_HEADER: &[u8] = b"[Invalid header: ";

/// What stands before a record's body. Offsets count from the head's first byte.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    /// The digits of `-#`.
    pub(crate) number: Option<(usize, usize)>,
    /// The digits of the stamp, with `-ttt`'s sign; empty where none can be read.
    pub(crate) stamp: (usize, usize),
    pub(crate) value: Stamp,
    /// Where the body begins, after the blank.
    pub(crate) body: usize,
}

/// `print.c`, `pretty_print_packet`:
/// `ND_PRINT("%5u  ", packets_captured)`, `ND_PRINT("caplen %u len %u ", h->caplen, h->len)`,
/// then the stamp, or `ND_PRINT("[Invalid header:")`.
///
/// Gives the style too, with what this head adds to it.
pub(crate) fn head(line: &[u8], style: &Style) -> Option<(Head, Style)> {
    let mut style = *style;
    let mut at = 0;
    let mut number = None;
    if style.number != Some(false) {
        match packet_number(line) {
            Some((start, end)) => {
                number = Some((start, end));
                at = end + 2;
            }
            None if style.number.is_some() => return None,
            None => {}
        }
        style.number = Some(number.is_some());
    }
    if style.lengths != Some(false) {
        match lengths(&line[at..]) {
            Some(len) => at += len,
            None if style.lengths.is_some() => return None,
            None => {}
        }
        style.lengths = Some(at > number.map_or(0, |(_, end)| end + 2));
    }
    let rest = &line[at..];
    let none = |len| Head {
        number,
        stamp: (at, at),
        value: Stamp::None,
        body: at + len,
    };
    // `ts_print` in util-print.c puts these in the stamp's place, behind the sign of `-ttt`.
    let sign = usize::from(
        matches!(style.form, Form::Signed | Form::Unknown)
            && matches!(rest, [b' ' | b'-', b'[', ..]),
    );
    if rest.get(sign) == Some(&b'[') {
        for no_stamp in [&b"[Error converting time] "[..], b"[timestamp overflow] "] {
            if rest[sign..].starts_with(no_stamp) {
                return Some((none(sign + no_stamp.len()), style));
            }
        }
        if rest.starts_with(INVALID_HEADER) {
            return Some((none(0), style));
        }
    }
    if style.form == Form::Absent {
        let found = if number.is_some() {
            !rest.is_empty()
        } else {
            first_words(rest)
        };
        return found.then(|| (none(0), style));
    }
    let (value, len, form, nano) = stamp(rest, style.form, style.nano)?;
    let mut body = len;
    // Since 4.99.6: `ND_PRINT(" (invalid ns)")`, `ND_PRINT(" (invalid us)")`.
    if rest[body..].starts_with(b" (") {
        for invalid in [&b" (invalid us)"[..], b" (invalid ns)"] {
            if rest[body..].starts_with(invalid) {
                body += invalid.len();
            }
        }
    }
    if rest.get(body) != Some(&b' ') {
        return None;
    }
    style.form = form;
    style.nano = nano;
    Some((
        Head {
            number,
            stamp: (at, at + len),
            value,
            body: at + body + 1,
        },
        style,
    ))
}

/// A style without stamps, where the line can be a head of it: `-t`. Only a stream's very first
/// line may decide for it, since tunnels print such lines in the midst of a record.
pub(crate) fn stampless(line: &[u8]) -> Option<Style> {
    let number = packet_number(line);
    let rest = &line[number.map_or(0, |(_, end)| end + 2)..];
    let lengths = lengths(rest);
    let style = Style {
        number: Some(number.is_some()),
        lengths: Some(lengths.is_some()),
        form: Form::Absent,
        nano: false,
    };
    let rest = &rest[lengths.unwrap_or(0)..];
    let head = if number.is_some() {
        !rest.is_empty()
    } else {
        first_words(rest)
    };
    head.then_some(style)
}

/// What printers begin a packet with at column 0: their own name, two link addresses, or the
/// interface of `-i any`.
fn first_words(text: &[u8]) -> bool {
    const WORDS: [&[u8]; 30] = [
        b"IP ",
        b"IP6 ",
        b"IP6, ",
        b"ARP, ",
        b"STP ",
        b"LLDP, ",
        b"LLC, ",
        b"CDPv",
        b"LACPv",
        b"UDLDv",
        b"VTPv",
        b"DTPv",
        b"EAPOL ",
        b"EAP ",
        b"PPPoE ",
        b"MPLS (",
        b"NSH, ",
        b"Loopback, ",
        b"BRCM tag ",
        b"AoE ",
        b"MPCP, ",
        b"CFMv",
        b"IPX ",
        b"SLARP ",
        b"AF ",
        b"ip: ",
        b"unicast, ",
        b"multicast, ",
        b"version 0, resource ID ",
        b" [|",
    ];
    if WORDS.iter().any(|word| text.starts_with(word)) {
        return true;
    }
    let mac = |text: &[u8]| {
        text.get(..17)
            .is_some_and(|mac| crate::value::mac(mac).is_some())
    };
    if mac(text) {
        return text[17..].starts_with(b" > ") && mac(&text[20..]);
    }
    // SLL with `-e`: `%3s ` of the direction, then the type.
    if [&b"Out "[..], b" In ", b"  B ", b"  M ", b"  P "]
        .iter()
        .any(|way| {
            text.strip_prefix(*way)
                .is_some_and(|rest| rest.starts_with(b"ethertype ") || mac(rest))
        })
    {
        return true;
    }
    let interface = text
        .iter()
        .take(16)
        .take_while(|b| b.is_ascii_graphic())
        .count();
    let rest = text[interface..].trim_ascii_start();
    interface > 0
        && interface + rest.len() < text.len()
        && [&b"In  "[..], b"Out ", b"B   ", b"M   ", b"P   "]
            .iter()
            .any(|way| {
                rest.strip_prefix(*way).is_some_and(|rest| {
                    [&b"IP "[..], b"IP6 ", b"ARP, ", b"ifindex "]
                        .iter()
                        .any(|w| rest.starts_with(w))
                })
            })
}

/// `%5u  `: at least five places, two blanks.
fn packet_number(line: &[u8]) -> Option<(usize, usize)> {
    let blanks = line.iter().take(4).take_while(|b| **b == b' ').count();
    let digits = line[blanks..]
        .iter()
        .take(20)
        .take_while(|b| b.is_ascii_digit())
        .count();
    let end = blanks + digits;
    let width = if blanks > 0 { end == 5 } else { end >= 5 };
    (width && digits > 0 && line[end..].starts_with(b"  ")).then_some((blanks, end))
}

/// `caplen %u len %u `
fn lengths(text: &[u8]) -> Option<usize> {
    let digits = |text: &[u8]| {
        let n = text
            .iter()
            .take(10)
            .take_while(|b| b.is_ascii_digit())
            .count();
        (n > 0).then_some(n)
    };
    let rest = text.strip_prefix(b"caplen ")?;
    let rest = rest[digits(rest)?..].strip_prefix(b" len ")?;
    let rest = rest[digits(rest)?..].strip_prefix(b" ")?;
    Some(text.len() - rest.len())
}

/// A stamp in the form that is known, or in any; its value and its length.
fn stamp(text: &[u8], form: Form, nano: bool) -> Option<(Stamp, usize, Form, bool)> {
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
    let ns = crate::value::decimal(&text[..at])
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
    let year = crate::value::decimal(&text[..year_len])? as i64;
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

/// A whole text as a stamp of any form; `nano` says what the unit of its fraction is.
pub(crate) fn read(text: &[u8], nano: bool) -> Option<Stamp> {
    for form in [Form::Clock, Form::Epoch, Form::Civil, Form::Signed] {
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
        for bad in [
            "",
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

    #[test]
    fn heads_of_every_form() {
        let style = Style::default();
        for (line, body) in [
            ("22:13:20.123456 IP (", 16),
            ("    1  22:13:20.123456 IP (", 23),
            ("100000  1700000000.123456 IP (", 26),
            ("2023-11-14 22:13:20.123456 IP (", 27),
            (" 00:00:00.000000 IP (", 17),
            ("    1   00:00:00.000000 IP (", 24),
            ("    1  caplen 44 len 44 22:13:20.123456789 IP (", 43),
            ("22:13:20.1000000 (invalid us) IP (", 30),
            ("68470465054.149710 IP (", 19),
            ("99999999999999999999.149710 IP (", 28),
            ("4139-09-29 05:37:34.149710 IP (", 27),
            ("[Error converting time] IP (", 24),
            (" [Error converting time] IP (", 25),
            ("    4   [Error converting time] IP (", 32),
            ("[timestamp overflow] IP (", 21),
            ("[Invalid header: caplen==0, len==0]", 0),
        ] {
            let (head, _) = head(line.as_bytes(), &style).expect(line);
            assert_eq!(head.body, body, "{line}");
        }
        for line in [
            "22:13:20.123456\tIP (",
            "\t22:13:20.123456 IP (",
            "   22:13:20.123456 IP",
            "22:13:20.12345 IP",
            "  1  22:13:20.123456 IP (",
            "",
        ] {
            assert!(head(line.as_bytes(), &style).is_none(), "{line}");
        }
    }

    #[test]
    fn text_without_stamps_begins_with_printers_words() {
        let style = stampless(b"IP (tos 0x0").expect("a head");
        assert!(head(b"ARP, Request who-has", &style).is_some());
        assert!(head(b"lo    In  IP 1.2.3.4 > 5.6.7.8: x", &style).is_some());
        assert!(head(b"02:00:00:00:00:01 > 02:00:00:00:00:02, ethertype", &style).is_some());
        for line in [
            "    1.2.3.4 > 5.6.7.8: x",
            "\tIP (tos",
            "HTTP/1.1 200",
            "",
            "    1  IP (tos",
        ] {
            assert!(head(line.as_bytes(), &style).is_none(), "{line}");
        }
        let style = stampless(b"    1  IP (tos 0x0").expect("a head");
        assert!(head(b"    2  anything", &style).is_some());
        assert!(head(b"IP (tos 0x0", &style).is_none());
    }

    #[test]
    fn a_style_once_known_takes_no_other() {
        let (_, style) = head(b"22:13:20.123456 IP", &Style::default()).expect("a head");
        assert!(head(b"    1  22:13:20.123456 IP", &style).is_none());
        assert!(head(b"1700000000.123456 IP", &style).is_none());
        assert!(head(b"22:13:20.123456 ARP", &style).is_some());
    }
}

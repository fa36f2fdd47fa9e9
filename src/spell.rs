//! How values are spelt as text: by the formatting machinery, and faster by [`Text`].
//!
//! Every sink of text spells every value of every packet, and this is most of its work. Both give
//! the same spelling, that of [`Value`](crate::Value)'s `Display`; a test holds the two together.

use std::borrow::Cow;
use std::fmt;
use std::io::Write;
use std::net::IpAddr;

use crate::civil::{DAY, SECOND, civil_from_days};

/// `00` to `99`.
const PAIRS: &[u8; 200] = b"0001020304050607080910111213141516171819\
    2021222324252627282930313233343536373839\
    4041424344454647484950515253545556575859\
    6061626364656667686970717273747576777879\
    8081828384858687888990919293949596979899";

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Spells values at the end of a buffer. It remembers the day of the last instant, since packets
/// of one day come together.
///
/// ```
/// use dumpstream::spell::Text;
/// let mut text = Text::new();
/// text.timestamp(1_700_000_000_123_456_000);
/// text.out.push(b' ');
/// text.json(b"caf\xc3\xa9 \x1b[1m");
/// assert_eq!(text.out, "2023-11-14T22:13:20.123456Z \"caf\u{e9} \\u001b[1m\"".as_bytes());
/// ```
#[derive(Clone, Debug)]
pub struct Text {
    /// What was spelt so far. It may be added to and cleared.
    pub out: Vec<u8>,
    day: i64,
    /// `YYYY-MM-DDT` of `day`.
    date: Vec<u8>,
}

impl Default for Text {
    fn default() -> Text {
        Text::new()
    }
}

impl Text {
    /// With an empty buffer.
    pub fn new() -> Text {
        // No day of an `i64` of nanoseconds is this one.
        Text {
            out: Vec::new(),
            day: i64::MIN,
            date: Vec::new(),
        }
    }

    /// A whole number, in decimal.
    pub fn int(&mut self, n: i64) {
        if n < 0 {
            self.out.push(b'-');
        }
        let mut n = n.unsigned_abs();
        let mut digits = [0u8; 20];
        let mut at = digits.len();
        while n >= 100 {
            let pair = (n % 100) as usize * 2;
            n /= 100;
            at -= 2;
            digits[at..at + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
        }
        if n >= 10 {
            let pair = n as usize * 2;
            at -= 2;
            digits[at..at + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
        } else {
            at -= 1;
            digits[at] = b'0' + n as u8;
        }
        self.out.extend_from_slice(&digits[at..]);
    }

    fn pair(&mut self, n: i64) {
        let at = (n % 100) as usize * 2;
        self.out.extend_from_slice(&PAIRS[at..at + 2]);
    }

    /// A time of day, in nanoseconds since midnight.
    pub fn clock(&mut self, ns: i64) {
        let (seconds, fraction) = (ns.div_euclid(SECOND), ns.rem_euclid(SECOND));
        self.pair(seconds / 3600);
        self.out.push(b':');
        self.pair(seconds / 60 % 60);
        self.out.push(b':');
        self.pair(seconds % 60);
        self.out.push(b'.');
        let micros = fraction / 1_000;
        self.pair(micros / 10_000);
        self.pair(micros / 100 % 100);
        self.pair(micros % 100);
        let nanos = fraction % 1_000;
        if nanos != 0 {
            self.out.push(b'0' + (nanos / 100) as u8);
            self.pair(nanos % 100);
        }
    }

    /// An instant, in nanoseconds since 1970 UTC.
    pub fn timestamp(&mut self, ns: i64) {
        let day = ns.div_euclid(DAY);
        if day != self.day {
            let (year, month, date) = civil_from_days(day);
            self.date.clear();
            write!(self.date, "{year:04}-{month:02}-{date:02}T").expect("a Vec takes every byte");
            self.day = day;
        }
        self.out.extend_from_slice(&self.date);
        self.clock(ns.rem_euclid(DAY));
        self.out.push(b'Z');
    }

    /// An address.
    pub fn inet(&mut self, ip: IpAddr) {
        match ip {
            IpAddr::V4(ip) => {
                let [a, b, c, d] = ip.octets();
                self.int(a.into());
                for octet in [b, c, d] {
                    self.out.push(b'.');
                    self.int(octet.into());
                }
            }
            IpAddr::V6(ip) => write!(self.out, "{ip}").expect("a Vec takes every byte"),
        }
    }

    /// A hardware address, in lower case with colons.
    pub fn mac(&mut self, mac: [u8; 6]) {
        for (i, byte) in mac.into_iter().enumerate() {
            if i > 0 {
                self.out.push(b':');
            }
            self.hex(byte);
        }
    }

    fn hex(&mut self, byte: u8) {
        self.out.push(HEX[usize::from(byte >> 4)]);
        self.out.push(HEX[usize::from(byte & 15)]);
    }

    /// Bytes as text: what is UTF-8 as it stands, any other byte as `\xHH`.
    pub fn lossless(&mut self, bytes: &[u8]) {
        for chunk in bytes.utf8_chunks() {
            self.out.extend_from_slice(chunk.valid().as_bytes());
            for byte in chunk.invalid() {
                self.out.extend_from_slice(b"\\x");
                self.hex(*byte);
            }
        }
    }

    /// A JSON string, quotes included: what JSON forbids is escaped, and so is what a terminal
    /// might act on. Bytes that are not UTF-8 become the four characters `\xHH`.
    pub fn json(&mut self, bytes: &[u8]) {
        self.out.push(b'"');
        if bytes.iter().all(|b| PLAIN[usize::from(*b)]) {
            self.out.extend_from_slice(bytes);
        } else {
            for chunk in bytes.utf8_chunks() {
                self.json_text(chunk.valid());
                for byte in chunk.invalid() {
                    self.out.extend_from_slice(b"\\\\x");
                    self.hex(*byte);
                }
            }
        }
        self.out.push(b'"');
    }

    fn json_text(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '"' => self.out.extend_from_slice(b"\\\""),
                '\\' => self.out.extend_from_slice(b"\\\\"),
                c => self.harmless(c),
            }
        }
    }

    /// A character; what a terminal might act on as JSON escapes it.
    fn harmless(&mut self, c: char) {
        match c {
            '\n' => self.out.extend_from_slice(b"\\n"),
            '\r' => self.out.extend_from_slice(b"\\r"),
            '\t' => self.out.extend_from_slice(b"\\t"),
            c if acts(c) => {
                let n = u32::from(c);
                self.out.extend_from_slice(b"\\u");
                self.hex((n >> 8) as u8);
                self.hex(n as u8);
            }
            c => {
                let mut utf8 = [0; 4];
                self.out
                    .extend_from_slice(c.encode_utf8(&mut utf8).as_bytes());
            }
        }
    }

    /// A cell of CSV (RFC 4180) that holds text: quoted where it must be, with control characters
    /// escaped as in JSON and bytes that are not UTF-8 as `\xHH`, so that a row is always a line.
    /// A cell that a spreadsheet would take for a formula begins with an apostrophe. A text that
    /// is there and empty is `""`; an absent one is nothing.
    pub fn csv(&mut self, bytes: &[u8]) {
        let formula = matches!(
            bytes.first(),
            Some(b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r' | b'\n')
        );
        if !formula && !bytes.is_empty() && bytes.iter().all(|b| CELL[usize::from(*b)]) {
            return self.out.extend_from_slice(bytes);
        }
        let start = self.out.len();
        if formula {
            self.out.push(b'\'');
        }
        let mut quoted = bytes.is_empty();
        for chunk in bytes.utf8_chunks() {
            for c in chunk.valid().chars() {
                quoted |= matches!(c, '"' | ',');
                if c == '"' {
                    self.out.push(b'"');
                }
                self.harmless(c);
            }
            for byte in chunk.invalid() {
                self.out.extend_from_slice(b"\\x");
                self.hex(*byte);
            }
        }
        if quoted {
            self.out.insert(start, b'"');
            self.out.push(b'"');
        }
    }
}

/// The civil date of a day number since 1970-01-01, `YYYY-MM-DD`.
pub fn date(days: i64) -> String {
    let (year, month, day) = civil_from_days(days);
    format!("{year:04}-{month:02}-{day:02}")
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

pub(crate) fn write_clock(f: &mut impl fmt::Write, ns: i64) -> fmt::Result {
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

/// Characters that a terminal or a reader of lines may act on: C0, DEL and C1; the marks that turn
/// the direction of writing (CVE-2021-42574); and the separators that some take for line feeds.
pub fn acts(c: char) -> bool {
    matches!(
        c,
        '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{61c}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

/// Text for a terminal or a log: each character that acts is spelled out, as `\u{1b}`.
///
/// ```
/// assert_eq!(dumpstream::spell::visible("a\u{1b}[2J"), r"a\u{1b}[2J");
/// ```
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(acts) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match acts(c) {
            true => out.extend(c.escape_unicode()),
            false => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Bytes that stand in a JSON string as they are.
const PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let mut b = 0x20;
    while b < 0x7f {
        table[b] = b != b'"' as usize && b != b'\\' as usize;
        b += 1;
    }
    table
};

/// Bytes that stand in a cell of CSV as they are.
const CELL: [bool; 256] = {
    let mut table = PLAIN;
    table[b'\\' as usize] = true;
    table[b',' as usize] = false;
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    fn displayed(ns: i64) -> String {
        let mut out = String::new();
        write_timestamp(&mut out, ns).unwrap();
        out
    }

    fn spelt(write: impl FnOnce(&mut Text)) -> String {
        let mut text = Text::new();
        write(&mut text);
        String::from_utf8(text.out).unwrap()
    }

    #[test]
    fn numbers_and_times_are_spelt_as_display_spells_them() {
        for shift in 0..64 {
            for n in [
                1i64 << shift,
                (1i64 << shift).wrapping_sub(1),
                -1i64 << shift,
            ] {
                assert_eq!(spelt(|t| t.int(n)), n.to_string());
                assert_eq!(spelt(|t| t.timestamp(n)), displayed(n));
            }
        }
        for n in [
            0,
            9,
            10,
            99,
            100,
            999,
            i64::MIN,
            i64::MAX,
            -1_000,
            1_700_000_000_123_456_000,
        ] {
            assert_eq!(spelt(|t| t.int(n)), n.to_string());
            assert_eq!(spelt(|t| t.timestamp(n)), displayed(n));
        }
        // The leap second, and a change of day with the cache warm.
        assert_eq!(spelt(|t| t.clock(DAY - SECOND + 1)), "23:59:59.000000001");
        assert_eq!(
            spelt(|t| {
                t.timestamp(DAY - 1);
                t.timestamp(DAY);
            }),
            "1970-01-01T23:59:59.999999999Z1970-01-02T00:00:00.000000Z"
        );
    }

    #[test]
    fn addresses_are_spelt_as_display_spells_them() {
        for ip in [
            "0.0.0.0",
            "10.20.100.255",
            "::1",
            "fe80::1:0:0:1",
            "::ffff:1.2.3.4",
        ] {
            let ip: IpAddr = ip.parse().unwrap();
            assert_eq!(spelt(|t| t.inet(ip)), ip.to_string());
        }
        assert_eq!(
            spelt(|t| t.mac([2, 0, 0xab, 0, 0, 0xff])),
            "02:00:ab:00:00:ff"
        );
    }

    #[test]
    fn strings_are_those_of_serde_json_and_nothing_acts() {
        let mut all = String::new();
        for n in (0..0x300).chain(0x2000..0x2100).chain([0xfffd, 0x1f600]) {
            all.extend(char::from_u32(n));
        }
        let ours = spelt(|t| t.json(all.as_bytes()));
        assert_eq!(serde_json::from_str::<String>(&ours).unwrap(), all);
        assert!(!ours.chars().any(acts));
        assert_eq!(spelt(|t| t.json(b"a\xff\"\x1b")), r#""a\\xff\"\u001b""#);
        assert_eq!(
            spelt(|t| t.json("\u{85}\u{202e}".as_bytes())),
            r#""\u0085\u202e""#
        );
        assert_eq!(spelt(|t| t.lossless(b"a\xc3\xa9\xff")), "a\u{e9}\\xff");
    }

    #[test]
    fn cells_are_one_line_and_no_formula() {
        for (text, cell) in [
            (&b"10.0.0.1"[..], "10.0.0.1"),
            (b"", "\"\""),
            (b"a,b", "\"a,b\""),
            (b"say \"hi\"", "\"say \"\"hi\"\"\""),
            (b"=1+1", "'=1+1"),
            (b"@x,y", "\"'@x,y\""),
            (b"-2", "'-2"),
            (b"+2", "'+2"),
            (b"\tx", "'\\tx"),
            (b"\rx", "'\\rx"),
            (b"a\nb\x1b\xff\\", "a\\nb\\u001b\\xff\\"),
            ("\u{202e}caf\u{e9}".as_bytes(), "\\u202ecaf\u{e9}"),
        ] {
            assert_eq!(spelt(|t| t.csv(text)), cell);
        }
    }
}

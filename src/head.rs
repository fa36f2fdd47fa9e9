//! The head of a record: `-#`, `--lengths`, and the time stamp.

mod stamp;

use crate::scan;

pub(crate) use self::stamp::{Form, Stamp, leap_year, read};
use self::stamp::{negative, stamp};

/// No head is longer: a number of 20 digits, two lengths of 10, a stamp of 35, `(invalid us)`.
pub(crate) const MAX_HEAD: usize = 128;

/// How the heads of one stream look; recognised at its first records, then fixed, since a mixed
/// rule would give a forger more to choose from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// `-#`: known after the first head.
    pub(crate) number: Option<bool>,
    /// `--lengths`: known after the first head.
    pub(crate) lengths: Option<bool>,
    /// `-I` of OpenBSD, the interface: known after the first head with a readable stamp.
    pub(crate) device: Option<bool>,
    /// Known after the first head with a readable stamp.
    pub(crate) form: Form,
    /// Fractions are nanoseconds.
    pub(crate) nano: bool,
}

impl Style {
    /// Whether `-#` numbers the packets.
    pub fn numbered(&self) -> bool {
        self.number == Some(true)
    }

    /// Whether a packet can print a head: text of `-t` without `-#` has nothing that it could not.
    pub fn forgeable(&self) -> bool {
        self.form == Form::Absent && self.number == Some(false)
    }

    /// The style of a line that begins a record, by its stamp; `None`: no stamp can be read at its
    /// beginning.
    ///
    /// ```
    /// use dumpstream::framing::Style;
    /// let style = Style::of(b"10:00:00.000001 ARP, x").expect("a stamp");
    /// assert!(style.begins(b"10:00:00.000002 IP y") && !style.begins(b"1700000000.000003 IP z"));
    /// assert_eq!(Style::of(b"    192.0.2.1.5 > 192.0.2.2.6: UDP, length 1"), None);
    /// ```
    pub fn of(line: &[u8]) -> Option<Style> {
        let style = head(&line[..line.len().min(MAX_HEAD)], &Style::default());
        style.map(|(_, style)| style).filter(Style::known)
    }

    /// Whether a line begins a record in this style.
    pub fn begins(&self, line: &[u8]) -> bool {
        self.head(line).is_some()
    }

    /// How many heads settle this style: two, since one can be the rest of a line; without stamps
    /// some more, since tunnels print such lines in every record.
    pub(crate) fn proof(&self) -> u32 {
        if self.form == Form::Absent { 16 } else { 2 }
    }

    pub(crate) fn known(&self) -> bool {
        self.number.is_some() && self.form != Form::Unknown
    }

    /// Whether a line begins a record; what follows the line may be given too.
    pub(crate) fn head(&self, line: &[u8]) -> Option<Head> {
        head(&line[..line.len().min(MAX_HEAD)], self).map(|(head, _)| head)
    }
}

/// `print.c`: all of a record whose length can't be; it stands in the place of the stamp, too.
pub(crate) const INVALID_HEADER: &[u8] = b"[Invalid header: ";

/// What stands before a record's body. Offsets count from the head's first byte.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    /// The digits of `-#`.
    pub(crate) number: Option<(usize, usize)>,
    /// What OpenBSD's `-I` prints, with its blank; else empty.
    pub(crate) device: (usize, usize),
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
        device: (at, at),
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
        for no_stamp in [
            &b"[Error converting time] "[..],
            b"[timestamp overflow] ",
            b"[timestamp < 1970-01-01 00:00:00 UTC] ",
        ] {
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
    let device = match style.device {
        Some(false) => 0,
        Some(true) => device(rest)?,
        None => device(rest).unwrap_or(0),
    };
    let found = stamp(&rest[device..], style.form, style.nano)
        .filter(|(_, _, form, _)| device == 0 || *form != Form::Signed);
    let Some((value, len, form, nano)) = found else {
        let unsigned = matches!(style.form, Form::Clock | Form::Civil | Form::Unknown);
        let len = negative(rest).filter(|len| unsigned && rest.get(*len) == Some(&b' '))?;
        return Some((none(len + 1), style));
    };
    let rest = &rest[device..];
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
    style.device = Some(device > 0);
    let stamp = at + device;
    Some((
        Head {
            number,
            device: (at, stamp),
            stamp: (stamp, stamp + len),
            value,
            body: stamp + body + 1,
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
        device: Some(false),
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
    const WORDS: [&[u8]; 37] = [
        b"IP ",
        b"IP6 ",
        b"IP6, ",
        b"ARP, ",
        b"STP ",
        b"LLDP, ",
        b"LLC, ",
        b"IS-IS, ",
        b"arp who-has ",
        b"arp reply ",
        b"rarp who-is ",
        b"rarp reply ",
        b"rule ",
        b"802.1Q vid ",
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
    let mac = |text: &[u8]| text.get(..17).is_some_and(|mac| scan::mac(mac).is_some());
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

/// OpenBSD's `printf("%s ", device)`: letters and the unit's number. What stands before the stamp.
fn device(line: &[u8]) -> Option<usize> {
    let letters = line.iter().take(14).take_while(|b| b.is_ascii_lowercase());
    let letters = letters.count();
    let digits = line[letters..]
        .iter()
        .take(5)
        .take_while(|b| b.is_ascii_digit());
    let end = letters + digits.count();
    (letters > 0 && end > letters && line.get(end) == Some(&b' ')).then_some(end + 1)
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

#[cfg(test)]
mod tests {
    use super::*;

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
            ("[timestamp < 1970-01-01 00:00:00 UTC] IP (", 38),
            ("-7:-21:-36.000005 IP (", 18),
            ("-7:-21:-36.0000 IP (", 16),
            ("00:00:-5.000005 IP (", 16),
            ("1901-12-13 -7:-21:-36.000005 IP (", 29),
            ("Nov 28 22:13:20.123456 rule 3/(", 23),
            ("em0 22:13:20.123456 192.0.2.1 >", 20),
            ("vlan10 Nov 28 22:13:20.123456 arp", 30),
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
            "-7:-21:-36.00 IP (",
            "-7:-21:-36.000005\tIP (",
            "07:21:36.0000 IP (",
            "em 22:13:20.123456 IP (",
            "em0  22:13:20.123456 IP (",
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
        assert!(head(b"em0 22:13:20.123456 IP", &style).is_none());
        assert!(head(b"Nov 28 22:13:20.123456 IP", &style).is_none());
        let (_, style) = head(b"em0 22:13:20.123456 arp", &Style::default()).expect("a head");
        assert!(head(b"em1 22:13:20.123456 arp", &style).is_some());
        assert!(head(b"22:13:20.123456 arp", &style).is_none());
    }
}

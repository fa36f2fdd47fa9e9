//! What an input looks like that is no text of tcpdump's, and what to do about it.

use std::fmt;

/// What the first bytes of an input look like, where they are no text of tcpdump's.
///
/// ```
/// use dumpstream_flow::Foreign;
///
/// let foreign = Foreign::of(b"{\"_index\": \"packets\"}\n");
/// assert_eq!(foreign, Some(Foreign::Json));
/// assert_eq!(foreign.unwrap().to_string(), "JSON");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Foreign {
    /// A file of packets, pcap or pcapng.
    Capture,
    /// Compressed by gzip or zstd.
    Packed,
    /// Compressed by xz, bzip2, lz4 or compress, or in a zip file.
    PackedOtherwise,
    /// Text of two bytes a character, as PowerShell's `>` writes it.
    Utf16,
    /// A TLS handshake.
    Tls,
    /// A request of HTTP.
    Http,
    /// Bytes that are no text.
    Binary,
    /// A file of `--rejects`.
    Rejects,
    /// JSON.
    Json,
    /// XML, as `tshark -T pdml` prints it.
    Xml,
    /// Output of tshark.
    Tshark,
    /// Output of Solaris' snoop.
    Snoop,
    /// Debug output of Cisco's routers and firewalls.
    Cisco,
    /// Lines of tcpdump's without stamps, where nothing else shows where a record begins.
    Stampless,
    /// A table of comma-separated values.
    Csv,
}

/// Bytes that suffice to see what an input is; lines beyond them are not looked at.
pub(crate) const BEGIN: usize = 8 << 10;

impl Foreign {
    /// Looks at the first bytes of an input; all of them help, up to 8 KiB. `None` where they look
    /// like nothing that is known here.
    pub fn of(begin: &[u8]) -> Option<Foreign> {
        Foreign::of_magic(begin).or_else(|| Foreign::of_text(&begin[..begin.len().min(BEGIN)]))
    }

    /// Whether it is no text.
    pub fn is_binary(self) -> bool {
        matches!(
            self,
            Foreign::Capture
                | Foreign::Packed
                | Foreign::PackedOtherwise
                | Foreign::Utf16
                | Foreign::Tls
                | Foreign::Binary
        )
    }

    /// What the very first bytes say: no text of tcpdump's begins like this.
    pub(crate) fn of_magic(begin: &[u8]) -> Option<Foreign> {
        Some(match begin {
            // pcap, in both byte orders, of microseconds, of nanoseconds, and with the length of
            // each packet's link; pcapng (the last two bytes of its magic tell the order).
            [0xa1, 0xb2, 0xc3, 0xd4, ..]
            | [0xd4, 0xc3, 0xb2, 0xa1, ..]
            | [0xa1, 0xb2, 0x3c, 0x4d, ..]
            | [0x4d, 0x3c, 0xb2, 0xa1, ..]
            | [0xa1, 0xb2, 0xcd, 0x34, ..]
            | [0x34, 0xcd, 0xb2, 0xa1, ..]
            | [0x0a, 0x0d, 0x0d, 0x0a, ..] => Foreign::Capture,
            // `snoop -o` (RFC 1761).
            [b's', b'n', b'o', b'o', b'p', 0, ..] => Foreign::Capture,
            [0x1f, 0x8b, 8, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] => Foreign::Packed,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..]
            | [b'B', b'Z', b'h', b'1'..=b'9', ..]
            | [0x04, 0x22, 0x4d, 0x18, ..]
            | [0x1f, 0x9d, ..]
            | [b'P', b'K', 3, 4, ..] => Foreign::PackedOtherwise,
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Foreign::Utf16,
            // A handshake of TLS 1.x: its record, then the type ClientHello.
            [0x16, 3, 0..=4, _, _, 1, ..] => Foreign::Tls,
            _ => {
                let line = begin.split(|b| *b == b'\n').next().unwrap_or_default();
                let line = line.strip_suffix(b"\r")?;
                let version = line.len().checked_sub(b" HTTP/1.1".len())?;
                return line[version..]
                    .starts_with(b" HTTP/1.")
                    .then_some(Foreign::Http);
            }
        })
    }

    fn of_text(begin: &[u8]) -> Option<Foreign> {
        // Every second byte of ASCII in two bytes a character is zero.
        let zeros = |from: usize| {
            begin
                .iter()
                .skip(from)
                .step_by(2)
                .filter(|b| **b == 0)
                .count()
        };
        let (even, odd) = (zeros(0), zeros(1));
        if begin.len() >= 8 && even.max(odd) * 3 > begin.len() && even.min(odd) * 8 < begin.len() {
            return Some(Foreign::Utf16);
        }
        let control = |b: &&u8| b.is_ascii_control() && !b.is_ascii_whitespace() && **b != 0x1b;
        if begin.iter().filter(control).count() * 20 > begin.len() {
            return Some(Foreign::Binary);
        }
        let text = String::from_utf8_lossy(begin);
        let text = text.trim_start_matches('\u{feff}');
        let start = text.trim_start();
        if start.starts_with("{\"reason\":") {
            return Some(Foreign::Rejects);
        }
        // `[` also begins a line of a kernel's log.
        let json = ["{\"", "[{", "[\n", "[]"];
        if json.iter().any(|j| start.starts_with(j))
            || start.starts_with('{') && start[1..].trim_start().starts_with('"')
        {
            return Some(Foreign::Json);
        }
        if start.starts_with("<?xml") || start.starts_with("<pdml") || start.starts_with("<!") {
            return Some(Foreign::Xml);
        }
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        // Further lines without a stamp are packets in a tunnel.
        if lines.first().is_some_and(|line| is_stampless(line)) {
            return Some(Foreign::Stampless);
        }
        type Is = fn(&str) -> bool;
        // A record of tcpdump's is no other program's, whatever its packet says.
        let some = |is: Is| lines.iter().any(|line| !is_head(line) && is(line));
        let kinds: [(Is, Foreign); 3] = [
            (is_tshark, Foreign::Tshark),
            (is_cisco, Foreign::Cisco),
            (is_snoop, Foreign::Snoop),
        ];
        if let Some((_, kind)) = kinds.into_iter().find(|(is, _)| some(*is)) {
            return Some(kind);
        }
        let commas = |line: &&str| line.matches([',', ';', '\t']).count();
        let first = lines.first().map(commas).unwrap_or_default();
        // The last line may be cut.
        let whole = &lines[..lines.len().saturating_sub(1).max(1).min(lines.len())];
        // A few packets of one kind also have as many commas.
        let printed = |line: &&str| [" > ", ": ", ", length "].iter().any(|p| line.contains(p));
        if first >= 2
            && !lines.first().is_some_and(printed)
            && whole.iter().all(|line| commas(line) == first)
        {
            return Some(Foreign::Csv);
        }
        None
    }

    /// What to do about it, as a sentence without its full stop.
    pub fn remedy(self) -> &'static str {
        match self {
            Foreign::Capture => {
                "print it with `tcpdump -nn -v -r FILE`, or give the file to `dumpstream parse`; \
                 live, run tcpdump without -w"
            }
            Foreign::Packed => "give the file to `dumpstream parse`, which unpacks it",
            Foreign::PackedOtherwise => "unpack it first, as in `xz -dc FILE | dumpstream parse`",
            Foreign::Utf16 => {
                "convert it with `iconv -f UTF-16 -t UTF-8`; in PowerShell, write it with \
                 `| Out-File -Encoding ascii`"
            }
            Foreign::Tls => "send the text without TLS",
            Foreign::Http => "send tcpdump's text itself, as `tcpdump -nn -v -l | nc` does",
            Foreign::Binary => {
                "only tcpdump's text, and captures that tcpdump reads, can be parsed"
            }
            Foreign::Rejects => "read it with `dumpstream parse --from-rejects FILE`",
            Foreign::Json | Foreign::Xml | Foreign::Csv => {
                "dumpstream reads the text that tcpdump prints, as `tcpdump -nn -v` does"
            }
            Foreign::Tshark => {
                "tcpdump prints the same capture: `tcpdump -nn -v -r FILE`; live, `tcpdump -nn -v -l`"
            }
            Foreign::Snoop => {
                "write a capture with `snoop -o FILE` and give the file to `dumpstream parse`"
            }
            Foreign::Cisco => {
                "export the capture as pcap (`monitor capture NAME export`, `copy /pcap capture:`) \
                 and give the file to `dumpstream parse`"
            }
            Foreign::Stampless => {
                "its lines have no time stamps: print them without -t, or number them with -#"
            }
        }
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Foreign::Capture => "a capture",
            Foreign::Packed | Foreign::PackedOtherwise => "a compressed file",
            Foreign::Utf16 => "UTF-16 text",
            Foreign::Tls => "a TLS handshake",
            Foreign::Http => "an HTTP request",
            Foreign::Binary => "binary data",
            Foreign::Rejects => "a file of --rejects",
            Foreign::Json => "JSON",
            Foreign::Xml => "XML",
            Foreign::Tshark => "output of tshark",
            Foreign::Snoop => "output of snoop",
            Foreign::Cisco => "debug output of a Cisco device",
            Foreign::Stampless => "text of tcpdump -t",
            Foreign::Csv => "CSV",
        })
    }
}

/// What a line of tcpdump's begins with behind its stamp.
fn is_stampless(line: &str) -> bool {
    ["IP ", "IP6 ", "ARP, ", "IP0 "]
        .iter()
        .any(|p| line.starts_with(p))
}

/// Whether a line begins with a stamp of tcpdump's: of the time of day, or of seconds since 1970.
fn is_head(line: &str) -> bool {
    let stamp = line.split(' ').next().unwrap_or_default();
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    match stamp.split_once('.') {
        Some((whole, fraction)) if matches!(fraction.len(), 6 | 9) && digits(fraction) => {
            whole.len() >= 8 && whole.split(':').all(digits)
        }
        _ => false,
    }
}

/// `    1 0.000000000    10.0.0.1 → 10.0.0.2 TCP 74 …`, with `->` where the terminal has no arrows;
/// with `-V` `Frame 1: 74 bytes on wire (592 bits), …`.
fn is_tshark(line: &str) -> bool {
    let frame = line.strip_prefix("Frame ").is_some_and(|rest| {
        rest.starts_with(|c: char| c.is_ascii_digit()) && rest.contains(" bytes on wire")
    });
    let mut words = line.split_whitespace();
    let number = |word: Option<&str>| word.is_some_and(|w| w.parse::<f64>().is_ok());
    frame
        || number(words.next())
            && words.any(|word| word == "→" || word == "->")
            && words.next().is_some()
}

/// `10.0.0.1 -> 10.0.0.2 TCP D=80 S=1024 Syn Seq=1 …`, behind the stamps of `-t`; `ETHER:  -----
/// Ether Header -----` with `-v`.
fn is_snoop(line: &str) -> bool {
    line.starts_with("ETHER:  ----- ")
        || line.contains(" -> ")
            && [" D=", " S=", "?)", " R port="]
                .iter()
                .any(|w| line.contains(w))
}

/// `*Mar  1 00:01:02.003: IP: s=10.0.0.1 (Ethernet0), d=10.0.0.2, len 100, rcvd 3`, and `   1:
/// 10:00:00.000000       10.0.0.1.1024 > 10.0.0.2.80: S 1:1(0) win 5` of an ASA's `show capture`.
fn is_cisco(line: &str) -> bool {
    let debug = line.contains(" s=") && line.contains(", d=") && line.contains("IP: ");
    let number = line
        .trim_start()
        .split_once(": ")
        .is_some_and(|(number, rest)| {
            number.parse::<u32>().is_ok() && rest.contains(" > ") && rest.contains(':')
        });
    debug || line.starts_with("%ASA-") || number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_recognised() {
        let utf16: Vec<u8> = "IP 10.0.0.1 > 10.0.0.2: x\n"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        let kinds: &[(&[u8], Foreign)] = &[
            (b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00", Foreign::Capture),
            (b"\x0a\x0d\x0d\x0a\x1c\x00\x00\x00", Foreign::Capture),
            (b"snoop\0\0\0\0\0\0\x02", Foreign::Capture),
            (b"\x1f\x8b\x08\0", Foreign::Packed),
            (b"\xfd7zXZ\0", Foreign::PackedOtherwise),
            (b"BZh91AY&SY", Foreign::PackedOtherwise),
            (b"PK\x03\x04", Foreign::PackedOtherwise),
            (b"\xff\xfeI\0P\0", Foreign::Utf16),
            (&utf16, Foreign::Utf16),
            (
                b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
                Foreign::Tls,
            ),
            (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", Foreign::Http),
            (b"\0\x01\x02\x03xy", Foreign::Binary),
            (b"{\"reason\":\"unparsed\",", Foreign::Rejects),
            (b"{\n  \"a\": 1}\n", Foreign::Json),
            (b"[\n  {\"_source\": {}}\n]\n", Foreign::Json),
            (b"<?xml version=\"1.0\"?>\n<pdml>\n", Foreign::Xml),
            (b"IP 10.0.0.1 > 10.0.0.2: x\n", Foreign::Stampless),
            (
                "    1 0.000000000    10.0.0.1 \u{2192} 10.0.0.2 TCP 74 80 > 1 [SYN]\n".as_bytes(),
                Foreign::Tshark,
            ),
            (
                b"  1   0.000000 10.0.0.1 -> 10.0.0.2 DNS 74 Standard query\n",
                Foreign::Tshark,
            ),
            (
                b"Frame 1: 74 bytes on wire (592 bits), 74 bytes captured\n",
                Foreign::Tshark,
            ),
            (
                b"10.0.0.1 -> 10.0.0.2 TCP D=80 S=1024 Syn Seq=1 Len=0 Win=5\n",
                Foreign::Snoop,
            ),
            (b"ETHER:  ----- Ether Header -----\n", Foreign::Snoop),
            (
                b"*Mar  1 00:01:02.003: IP: s=10.0.0.1 (Ethernet0), d=10.0.0.2, len 100, rcvd 3\n",
                Foreign::Cisco,
            ),
            (
                b"frame.number,ip.src,ip.dst\n1,10.0.0.1,10.0.0.2\n2,10.0",
                Foreign::Csv,
            ),
        ];
        for (begin, kind) in kinds {
            let text = String::from_utf8_lossy(begin);
            assert_eq!(Foreign::of(begin), Some(*kind), "{text}");
            assert!(!kind.remedy().is_empty() && !kind.remedy().ends_with('.'));
        }
        for text in [
            "",
            "x",
            "Welcome to this host, friend\nlast login: today\n",
            "echo 7/tcp\n",
        ] {
            assert_eq!(Foreign::of(text.as_bytes()), None, "{text}");
        }
    }

    /// Of every sample: whatever a dump's first bytes are, they are never called another format.
    #[test]
    fn no_text_of_tcpdump_is_foreign() {
        for sample in given::samples() {
            let begin = &sample.text[..sample.text.len().min(BEGIN)];
            let stampless = sample.has("t");
            let looks = Foreign::of(begin);
            assert!(looks.is_none() || stampless, "{}: {looks:?}", sample.name);
        }
    }
}

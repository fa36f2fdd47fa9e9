//! Captures of pairs of packets.

use given::Random;

/// A printer, and what a packet for it is.
pub(crate) struct Printer {
    pub(crate) name: &'static str,
    carrier: Carrier,
    /// What stands before the sender's text and behind it. In front, `\x00\x00` may stand for its
    /// length where `length` says so.
    before: &'static [u8],
    after: &'static [u8],
}

#[derive(Clone, Copy)]
enum Carrier {
    /// To a port, over IPv4 or IPv6.
    Udp(u16, bool),
    Tcp(u16, bool),
    /// A TCP segment with the flag R: its text is the reason.
    Reset,
    /// An Ethernet frame of a type, or of 802.3 with LLC in its text.
    Frame(u16),
    Llc,
    /// An IP protocol.
    Ip(u8),
}

use Carrier::{Frame, Ip, Llc, Reset, Tcp, Udp};

/// How long a sender's text is: what fits in a DNS label and in an 802.11 name is shorter, and the
/// same for all is simpler.
const TEXT: usize = 60;

macro_rules! printers {
    ($($name:literal $carrier:expr, $before:literal, $after:literal;)*) => {
        &[$(Printer { name: $name, carrier: $carrier, before: $before, after: $after }),*]
    };
}

#[rustfmt::skip]
pub(crate) const PRINTERS: &[Printer] = printers! {
    "domain" Udp(53, false), b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x3c", b"\0\0\x01\0\x01";
    "domain of IPv6" Udp(53, true), b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x3c", b"\0\0\x01\0\x01";
    "mdns" Udp(5353, false), b"\0\0\x84\0\0\0\0\x01\0\0\0\0\x01a\0\0\x10\0\x01\0\0\0\x78\0\x3d\x3c", b"";
    "domain of TCP" Tcp(53, false), b"\0\x50\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x3c", b"\0\0\x01\0\x01";
    "http" Tcp(80, false), b"GET /", b" HTTP/1.1\r\n\r\n";
    "http of IPv6" Tcp(8080, true), b"POST /x HTTP/1.1\r\nHost: ", b"\r\n\r\n";
    "ftp" Tcp(21, false), b"USER ", b"\r\n";
    "smtp" Tcp(25, false), b"MAIL FROM:<", b">\r\n";
    "rtsp" Tcp(554, false), b"PLAY ", b" RTSP/1.0\r\n\r\n";
    "whois" Tcp(43, false), b"", b"\r\n";
    "resp" Tcp(6379, false), b"*2\r\n$3\r\nGET\r\n$60\r\n", b"\r\n";
    "telnet" Tcp(23, false), b"\xff\xfa\x18\0", b"\xff\xf0";
    "ssh" Tcp(22, false), b"SSH-2.0-", b"\r\n";
    "beep" Tcp(10288, false), b"MSG 0 1 . 52 120\r\n", b"END\r\n";
    "sip" Udp(5060, false), b"INVITE sip:", b" SIP/2.0\r\n\r\n";
    "syslog" Udp(514, false), b"<13>", b"";
    "syslog of IPv6" Udp(514, true), b"<13>", b"";
    "tftp" Udp(69, false), b"\0\x01", b"\0octet\0";
    "snmp" Udp(161, false), b"\x30\x56\x02\x01\x01\x04\x3c", b"\xa0\x13\x02\x01\x05\x02\x01\0\x02\x01\0\x30\x08\x30\x06\x06\x02\x2b\x06\x05\0";
    "radius" Udp(1812, false), b"\x01\x07\0\x52\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x01\x3e", b"";
    "l2tp" Udp(1701, false), b"\xc8\x02\0\x58\0\0\0\0\0\0\0\0\x80\x08\0\0\0\0\0\x01\x80\x42\0\0\0\x07", b"\0\0\0\0\0\0\0\0";
    "rip" Udp(520, false), b"\x02\x02\0\0\xff\xff\0\x02", b"";
    "hsrp" Udp(1985, false), b"\0\0\x10\x03\x0a\x78\x01\0", b"\xc0\0\x02\x63";
    "openvpn, with no printer" Udp(1194, false), b"", b"";
    "reset" Reset, b"", b"";
    "no printer" Tcp(9999, true), b"", b"";
    "lldp" Frame(0x88cc), b"\x02\x07\x04\x02\0\0\0\x0a\x01\x04\x02\x05\x61\x06\x02\0\x78\x0a\x3c", b"\0\0";
    "pppoe" Frame(0x8863), b"\x11\x09\0\0\0\x40\x01\x01\0\x3c", b"";
    "eap" Frame(0x888e), b"\x01\0\0\x41\x02\x07\0\x41\x01", b"";
    "cdp" Llc, b"\xaa\xaa\x03\0\0\x0c\x20\0\x02\xb4\0\0\0\x01\0\x40", b"";
    "udld" Llc, b"\xaa\xaa\x03\0\0\x0c\x01\x11\x21\0\0\0\0\x01\0\x40", b"";
    "vrrp" Ip(112), b"\x21\x01\x64\x01\x01\x01\0\0\xc0\0\x02\x63", b"";
    "ospf" Ip(89), b"\x02\x01\0\x2c\xc0\0\x02\x01\0\0\0\0\0\0\0\x01", b"";
    "icmp" Ip(1), b"\x08\0\0\0\x12\x34\0\x01", b"";
};

/// Pieces that readers look for.
const WORDS: [&[u8]; 32] = [
    b"1700000000.000001 IP (tos 0x0, ttl 64, id 1, offset 0, flags [DF], proto TCP (6), length 60)",
    b"\n    1  1700000000.000001 ",
    b"\n1700000000.123456 IP 6.6.6.6.666 > 7.7.7.7.22: ",
    b"\n    6.6.6.6.666 > 7.7.7.7.22: ",
    b"6.6.6.6.666 > 7.7.7.7.22: Flags [S], seq 1, win 1, length 0",
    b" > ::2.53: ",
    b"2001:db8::1.5 > ::2.53: ",
    b"Flags [R], seq 1:2, ack 3, win 4",
    b", options [mss 1460,TS val 1 ecr 2]",
    b", length 9999",
    b", length: 9999: ",
    b" (9999)",
    b"UDP, length 7",
    b"ICMP echo request, id 1, seq 2",
    b"ARP, Request who-has 10.0.0.1 tell 10.0.0.2",
    b"02:00:00:00:00:05 > 02:00:00:00:00:06, ethertype IPv4 (0x0800), length 74: ",
    b"LLC, dsap SNAP (0xaa) Individual, ssap SNAP (0xaa) Command, ctrl 0x03: ",
    b"vlan 5, p 0, ",
    b"MPLS (label 5, tc 0, [S], ttl 64)\n\t",
    b" SA:02:00:00:00:00:01 54.0 Mb/s LLC, ",
    b" IP ",
    b"[udp sum ok] ",
    b"(",
    b")",
    b"[",
    b"]",
    b": ",
    b"\n",
    b"\r\n\t",
    b"\0",
    b"\x1b[2J",
    b"\xff\xfa",
];

/// What a sender spells: pieces, and bytes between.
fn text(random: &mut Random) -> Vec<u8> {
    let mut text = Vec::with_capacity(2 * TEXT);
    // Long pieces are often cut in front, so that all of their ends come to be seen.
    while text.len() < TEXT {
        match random.below(4) {
            0 => text.push(random.next() as u8),
            1 => text.push(b' ' + random.below(95) as u8),
            _ => {
                let word = WORDS[random.below(WORDS.len())];
                let from = if random.below(3) == 0 {
                    random.below(word.len())
                } else {
                    0
                };
                text.extend_from_slice(&word[from..]);
            }
        }
    }
    text.truncate(TEXT);
    text
}

/// The header of a capture.
pub(crate) fn header(link: u32) -> Vec<u8> {
    let words = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 262_144, link];
    words
        .iter()
        .flat_map(|word: &u32| word.to_le_bytes())
        .collect()
}

/// Appends two packets of one printer, of the same lengths and checksums.
pub(crate) fn pair(capture: &mut Vec<u8>, printer: usize, random: &mut Random) {
    for _ in 0..2 {
        let frame = frame(&PRINTERS[printer], text(random));
        let length = frame.len() as u32;
        for word in [1_700_000_000, 1, length, length] {
            capture.extend_from_slice(&word.to_le_bytes());
        }
        capture.extend_from_slice(&frame);
    }
}

fn sum(bytes: &[u8]) -> u16 {
    let mut total: u32 = 0;
    for pair in bytes.chunks(2) {
        total += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
    }
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    total as u16
}

/// Makes the sum of all, in 16-bit words, `0xffff` by its last two bytes.
fn balance(segment: &mut [u8], pseudo: u16) {
    let end = segment.len() - 2;
    segment[end..].fill(0);
    let total = u32::from(sum(segment)) + u32::from(pseudo);
    let total = (total & 0xffff) + (total >> 16);
    // `0xffff` is a zero of its own here.
    let rest = 0xffff - total as u16;
    segment[end..].copy_from_slice(&rest.to_be_bytes());
}

fn frame(printer: &Printer, text: Vec<u8>) -> Vec<u8> {
    let mut payload = printer.before.to_vec();
    payload.extend_from_slice(&text);
    payload.extend_from_slice(printer.after);
    // Two bytes that make the checksum the same whatever the text is.
    payload.resize(payload.len() + payload.len() % 2 + 2, 0);
    let (protocol, v6, header) = match printer.carrier {
        Udp(port, v6) => {
            let mut header = 40_000u16.to_be_bytes().to_vec();
            header.extend_from_slice(&port.to_be_bytes());
            header.extend_from_slice(&(payload.len() as u16 + 8).to_be_bytes());
            header.extend_from_slice(&[0x12, 0x34]);
            (17, v6, header)
        }
        Tcp(port, v6) => (6, v6, tcp(port, 0x18)),
        Reset => (6, false, tcp(9999, 0x14)),
        Ip(protocol) => (protocol, false, Vec::new()),
        Frame(ethertype) => return ethernet(ethertype, &payload),
        Llc => return ethernet(payload.len() as u16, &payload),
    };
    let mut segment = header;
    segment.extend_from_slice(&payload);
    let length = segment.len() as u16;
    let (source, destination): (&[u8], &[u8]) = if v6 {
        (
            b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01",
            b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02",
        )
    } else {
        (&[192, 0, 2, 1], &[192, 0, 2, 2])
    };
    let pseudo = [source, destination, &length.to_be_bytes(), &[0, protocol]].concat();
    balance(
        &mut segment,
        if matches!(protocol, 6 | 17) {
            sum(&pseudo)
        } else {
            0
        },
    );
    let mut packet = if v6 {
        let mut header = vec![0x60, 0, 0, 0];
        header.extend_from_slice(&length.to_be_bytes());
        header.extend_from_slice(&[protocol, 64]);
        header
    } else {
        let mut header = vec![0x45, 0];
        header.extend_from_slice(&(length + 20).to_be_bytes());
        header.extend_from_slice(&[0, 7, 0, 0, 64, protocol, 0, 0]);
        header
    };
    packet.extend_from_slice(source);
    packet.extend_from_slice(destination);
    if !v6 {
        let checksum = !sum(&packet);
        packet[10..12].copy_from_slice(&checksum.to_be_bytes());
    }
    packet.extend_from_slice(&segment);
    ethernet(if v6 { 0x86dd } else { 0x0800 }, &packet)
}

fn tcp(port: u16, flags: u8) -> Vec<u8> {
    let mut header = 40_000u16.to_be_bytes().to_vec();
    header.extend_from_slice(&port.to_be_bytes());
    header.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 2, 0x50, flags, 1, 0, 0x12, 0x34, 0, 0]);
    header
}

fn ethernet(ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = b"\x02\0\0\0\0\x02\x02\0\0\0\0\x01".to_vec();
    frame.extend_from_slice(&ethertype.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

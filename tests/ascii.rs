//! Text of `-A`, in which a packet can print any line at all, is refused; nothing else is.

use std::fmt::Write as _;
use std::io::{self, Read};
use std::path::Path;

use dumpstream::{AsciiGuard, Namespace, Parser, Reader};

/// An input that gives a few bytes at a time, so that batches end anywhere.
struct Drip<'a> {
    text: &'a [u8],
    each: usize,
}

impl Read for Drip<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.each.min(self.text.len()).min(buf.len());
        let (now, later) = self.text.split_at(n);
        buf[..n].copy_from_slice(now);
        self.text = later;
        Ok(n)
    }
}

/// Whether a stream is refused, and after how many records that was known.
fn refused(parser: &Parser, text: &[u8], each: usize) -> (bool, usize) {
    let mut guard = AsciiGuard::new();
    let mut records = 0;
    for batch in Reader::new(Drip { text, each }) {
        let packets = parser.parse(batch.expect("a slice can be read"));
        records += packets.len();
        if guard.check(&packets) {
            assert!(!guard.suspects(), "it is settled");
            return (true, records);
        }
    }
    (guard.finish(), records)
}

fn parser() -> Parser {
    Parser::new(Namespace::tcpdump()).expect("it is valid")
}

#[test]
fn samples_of_a_are_refused_and_no_others() {
    let parser = parser();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    let (mut ascii, mut others) = (0, 0);
    for entry in std::fs::read_dir(folder).expect("samples/ is there") {
        let path = entry.expect("a folder's entry").path();
        if path.extension().is_none_or(|e| e != "txt") {
            continue;
        }
        let name = path.file_name().expect("a file").to_string_lossy();
        let text = std::fs::read(&path).expect("a sample");
        let is_ascii = name.starts_with("aflag");
        for each in [usize::MAX, 4_096, 500] {
            let (refused, _) = refused(&parser, &text, each);
            assert_eq!(refused, is_ascii, "{name}, reads of {each}");
        }
        if is_ascii {
            ascii += 1;
        } else {
            others += 1;
        }
    }
    assert!(ascii >= 3 && others > 100, "{ascii} and {others}");
}

// Streams that were made up.

/// A byte as `-A` shows it.
fn shown(byte: u8) -> char {
    match byte {
        b'\t' | b' ' | b'\n' => byte.into(),
        _ if byte.is_ascii_graphic() => byte.into(),
        _ => '.',
    }
}

/// The head of a TCP segment.
fn head(n: u16, payload: &str) -> String {
    format!(
        "07:16:22.{n:06} IP (tos 0x0, ttl 64, id {n}, offset 0, flags [DF], proto TCP (6), length \
         {})\n    10.0.0.1.1000 > 10.0.0.2.80: Flags [P.], seq 1:{}, ack 1, win 512, length {}\n",
        40 + payload.len(),
        1 + payload.len(),
        payload.len(),
    )
}

/// The same, followed by what `-A` prints of it: every byte from the IP header on.
fn ascii(n: u16, payload: &str) -> String {
    let mut packet = vec![0x45, 0];
    packet.extend((40 + payload.len() as u16).to_be_bytes());
    packet.extend(n.to_be_bytes());
    packet.extend([0x40, 0, 64, 6, 0xab, 0xcd, 10, 0, 0, 1, 10, 0, 0, 2]);
    packet.extend(1000u16.to_be_bytes());
    packet.extend(80u16.to_be_bytes());
    packet.extend([0; 16]);
    packet.extend(payload.bytes());
    let mut text = head(n, payload);
    text.extend(packet.into_iter().map(shown));
    text.push('\n');
    text
}

/// What an attacker sends so that the guard sees records without a dump: heads of its own.
fn forged() -> String {
    let mut payload = String::from("GET / HTTP/1.1\n");
    for n in 0..5 {
        payload += &head(900 + n, "no dump follows");
        payload += "\n";
    }
    payload
}

#[test]
fn eight_packets_with_their_dumps_are_enough() {
    let parser = parser();
    let text: String = (1..=100).map(|n| ascii(n, "hello")).collect();
    for each in [300, 64] {
        let (refused, records) = refused(&parser, text.as_bytes(), each);
        assert!(refused);
        assert!(records <= 10, "known after {records}");
    }
}

#[test]
fn fewer_are_suspected_and_refused_at_the_end() {
    let parser = parser();
    for count in 1..8 {
        let text: String = (1..=count).map(|n| ascii(n, "hello")).collect();
        let mut guard = AsciiGuard::new();
        assert!(!guard.suspects());
        for batch in Reader::new(text.as_bytes()) {
            let packets = parser.parse(batch.expect("a slice can be read"));
            assert!(!guard.check(&packets));
            assert!(guard.suspects(), "what came so far must wait");
        }
        assert!(guard.finish(), "{count}");
    }
    assert!(
        !AsciiGuard::new().finish(),
        "an empty stream is no such text"
    );
}

#[test]
fn a_stream_without_ip_is_settled_too() {
    let parser = parser();
    let arp = "07:16:22.000001 ARP, Request who-has 10.0.0.1 tell 10.0.0.2, length 28\n";
    let mut text = arp.repeat(1 << 16);
    let settled = |text: &str| {
        let mut guard = AsciiGuard::new();
        let mut refused = false;
        for batch in Reader::new(text.as_bytes()) {
            refused |= guard.check(&parser.parse(batch.expect("a slice can be read")));
        }
        assert!(guard.decided(), "for ever undecided");
        assert!(!guard.suspects());
        refused
    };
    assert!(!settled(&text));
    // It is decided as at the end.
    text.insert_str(0, &ascii(1, "hello"));
    assert!(settled(&text));
}

#[test]
fn heads_that_a_packet_forges_in_its_dump_defeat_nothing() {
    let parser = parser();
    let text: String = (1..=20).map(|n| ascii(n, &forged())).collect();
    for each in [usize::MAX, 4_096, 333, 64] {
        assert!(refused(&parser, text.as_bytes(), each).0, "reads of {each}");
    }
    // One such packet among plain ones, wherever it stands.
    for at in 1..=12 {
        let text: String = (1..=12)
            .map(|n| {
                if n == at {
                    ascii(n, &forged())
                } else {
                    ascii(n, "hello")
                }
            })
            .collect();
        for each in [usize::MAX, 64] {
            assert!(refused(&parser, text.as_bytes(), each).0, "packet {at}");
        }
    }
}

#[test]
fn one_crafted_packet_shuts_nobody_out() {
    let parser = parser();
    // Its payload is printed by some decoder, at column 0, and looks like the dump of its header.
    let crafted = ascii(7, "hello");
    let plain = |range: std::ops::Range<u16>| -> String { range.map(|n| head(n, "x")).collect() };
    let streams = [
        // After a plain one, any number of them.
        plain(1..2) + &crafted.repeat(50),
        plain(1..20) + &crafted + &plain(20..30),
        // First of all: the next packet has no dump.
        crafted.clone() + &plain(1..10),
        crafted.repeat(7) + &plain(1..10),
    ];
    for (i, text) in streams.iter().enumerate() {
        for each in [usize::MAX, 4_096, 64] {
            let (refused, _) = refused(&parser, text.as_bytes(), each);
            assert!(!refused, "stream {i}, reads of {each}");
        }
    }
}

#[test]
fn what_only_looks_like_a_dump_is_none() {
    let parser = parser();
    let mut others: Vec<String> = Vec::new();
    // Lines of decoders, and dumps of `-X`.
    others.push(
        (1..20)
            .map(|n| head(n, "x") + "\tGET / HTTP/1.1\n")
            .collect(),
    );
    others.push(
        (1..20)
            .map(|n| {
                head(n, "x") + "\t0x0000:  4500 0029 0001 4000 4006 0000 0a00 0001  E..)..@.\n"
            })
            .collect(),
    );
    // Text at column 0 with another packet's header, and with none.
    others.push(
        (1..20)
            .map(|n| head(n, "x") + "E..9.!@.@......\n")
            .collect(),
    );
    others.push((1..20).map(|n| head(n, "x") + "\n").collect());
    others.push((1..20).map(|n| head(n, "x")).collect());
    let mut arp = String::new();
    for n in 1..20 {
        // No IP: nothing is known of it.
        writeln!(
            arp,
            "07:16:22.{n:06} ARP, Ethernet (len 6), IPv4 (len 4), Request who-has 10.0.0.2 tell \
             10.0.0.1, length 28\n........."
        )
        .expect("a string takes all");
    }
    others.push(arp);
    for (i, text) in others.iter().enumerate() {
        assert!(!refused(&parser, text.as_bytes(), 500).0, "stream {i}");
    }
}

//! Mutated bytes: what a fuzzer would try, in seconds, and the same in every run.

use crate::{Random, project, samples};

/// Pieces that readers look for.
const WORDS: [&[u8]; 40] = [
    b"22:13:20.123456 ",
    b"    1  ",
    b"1700000000.000001 ",
    b"2026-11-24 22:13:20.123456 ",
    b" 00:00:00.000001 ",
    b"caplen 60 len 60 ",
    b"[Invalid header: ",
    b"[Error converting time] ",
    b"IP (tos 0x0, ttl 64, id 1, offset 0, flags [DF], proto TCP (6), length 60)\n    ",
    b"IP6 (hlim 64, next-header TCP (6) payload length: 20) ",
    b"10.0.0.1.1234 > 10.0.0.2.80: ",
    b"2001:db8::1.5 > ::2.53: ",
    b"Flags [S], seq 1:2, ack 3, win 4, options [mss 1460,TS val 1 ecr 2], length 0",
    b"[udp sum ok] ",
    b"UDP, length 7",
    b"1+ A? a.example. (27)",
    b"ICMP echo request, id 1, seq 2, length 64",
    b"ARP, Request who-has 10.0.0.1 tell 10.0.0.2, length 28",
    b"02:00:00:00:00:01 > 02:00:00:00:00:02, ethertype IPv4 (0x0800), length 74: ",
    b"eth0  In  ",
    b"vlan 5, p 0, ",
    b"MPLS (label 5, tc 0, [S], ttl 64)\n\t",
    b"tcpdump: listening on eth0\n",
    b"5 packets captured\n",
    b"\n",
    b"\n    ",
    b"\n\t",
    b"\r\n",
    b"\x1b[2J",
    b"\xc2\x9b",
    b"\xe2\x80\xae",
    b"\xff",
    b"\0",
    b"[{\"name\": \"a\", \"regex\": \"(\\\\d+)\"}]",
    b"{\"fields\": [{\"name\": \"a\", \"in\": \"tcp\", \"regex\": \"^(x)\", \"type\": \"int\"}]}",
    b"\", \"type\": \"bool\", \"",
    b"\\\\S",
    b"\\d",
    b"(?:",
    b"{2,9}",
];

/// Runs a target on so many mutated windows of the samples and of `own`, which is mutated more often;
/// `CASES` sets how many.
pub fn cases(target: fn(&[u8]), cases: usize, longest: usize, own: &[&[u8]]) {
    let cases = match std::env::var("CASES") {
        Ok(n) => n.parse().expect("CASES is a number"),
        Err(_) => cases,
    };
    let mut corpus: Vec<_> = samples().into_iter().map(|sample| sample.text).collect();
    let namespace = project().join("packet_parse.json");
    corpus.push(std::fs::read(namespace).expect("the built-in namespace"));
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    target(b"");
    own.iter().for_each(|text| target(text));
    let mut case = Vec::new();
    for _ in 0..cases {
        case.clear();
        // Mostly from a line on, so that records are met whole.
        for _ in 0..=random.below(2) {
            if !own.is_empty() && random.below(4) > 0 {
                case.extend_from_slice(own[random.below(own.len())]);
                break;
            }
            let text = &corpus[random.below(corpus.len())];
            let at = random.below(text.len());
            let line = text[..at]
                .iter()
                .rposition(|b| *b == b'\n')
                .map_or(0, |i| i + 1);
            let from = if random.below(4) == 0 { at } else { line };
            let len = random.below(longest);
            case.extend_from_slice(&text[from..(from + len).min(text.len())]);
        }
        for _ in 0..random.below(8) {
            let at = random.below(case.len() + 1);
            let end = (at + random.below(16)).min(case.len());
            match random.below(5) {
                0 if at < case.len() => case[at] = random.next() as u8,
                1 => drop(case.drain(at..end)),
                2 => drop(case.splice(at..at, case[at..end].to_vec())),
                3 if at < case.len() => case[at] ^= 1 << random.below(8),
                _ => drop(case.splice(at..at, WORDS[random.below(WORDS.len())].iter().copied())),
            }
        }
        // What fails is to be seen.
        let shown = Shown(&case);
        target(shown.0);
    }
}

/// A case that is printed when its target panics.
struct Shown<'a>(&'a [u8]);

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the case: b\"{}\"", self.0.escape_ascii());
        }
    }
}

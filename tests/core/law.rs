//! The law: both engines give the same values, for everything that tcpdump prints and for what it
//! never printed.

use dumpstream::framing::{Batch, CutKind, Framer, Record, Tail};
use dumpstream::{Engine, Namespace, Packets, Parser};
use given::{Random, Sample, samples};

struct Engines {
    slot: Parser,
    regex: Parser,
}

impl Engines {
    fn new(keep_info: bool) -> Engines {
        let parser = || {
            let namespace = Namespace::tcpdump().keep_payload();
            let parser = Parser::new(namespace).expect("it is valid");
            match keep_info {
                true => parser.keep_info(),
                false => parser,
            }
        };
        Engines {
            slot: parser(),
            regex: parser().engine(Engine::Regex),
        }
    }

    /// Parses by both and compares every value; gives the count of packets.
    fn agree(&self, text: &[u8], what: &str) -> usize {
        let mut framer = Framer::new();
        let (mut at, mut count) = (0, 0);
        while let Some(cut) = framer.next_batch(&text[at..], Tail::Final) {
            if !matches!(cut.kind, CutKind::Skipped(_)) {
                let batch = Batch::new(text[at..at + cut.len].to_vec(), framer.style());
                let (slot, regex) = (self.slot.parse(batch.clone()), self.regex.parse(batch));
                compare(&slot, &regex, what);
                count += slot.len();
            }
            at += cut.len;
        }
        assert_eq!(at, text.len());
        count
    }
}

fn compare(slot: &Packets, regex: &Packets, what: &str) {
    assert_eq!(slot.len(), regex.len(), "{what}");
    for (a, b) in slot.iter().zip(regex.iter()) {
        assert_eq!(a.raw(), b.raw(), "{what}");
        assert_eq!(
            a.misfits(),
            b.misfits(),
            "{what}: {:?}",
            a.raw().escape_ascii().to_string()
        );
        for (i, column) in slot.columns().iter().enumerate() {
            let (x, y) = (a.value(i), b.value(i));
            assert!(
                x == y,
                "{what}: {}: slot {x:?}, regex {y:?} in\n{}",
                column.name,
                a.raw().escape_ascii()
            );
        }
    }
}

/// Where the first line's body begins: behind the stamp's blank.
fn body(record: &[u8]) -> usize {
    let dot = record.iter().position(|b| *b == b'.').unwrap_or(0);
    dot + record[dot..].iter().position(|b| *b == b' ').unwrap_or(0) + 1
}

/// The records of a text.
fn records(text: &[u8]) -> Vec<&[u8]> {
    let mut framer = Framer::new();
    let mut at = 0;
    let mut records = Vec::new();
    while let Some(cut) = framer.next(&text[at..], Tail::Final) {
        if !matches!(cut.kind, CutKind::Skipped(_)) {
            records.push(&text[at..at + cut.len]);
        }
        at += cut.len;
    }
    records
}

#[test]
fn on_every_sample() {
    for keep in [false, true] {
        let engines = Engines::new(keep);
        let mut count = 0;
        for Sample { name, text, .. } in samples() {
            count += engines.agree(&text, &name);
        }
        assert!(count > 10_000, "only {count} packets");
    }
}

/// A head that is joined into one line, as `serve --joined` sends it, has the values of its record,
/// but for the payload: unless it goes on in other lines than that of the endpoints, which few layers
/// (NSH, MPLS, Juniper's) and dumps of unknown ones do.
#[test]
fn a_joined_head_has_the_values_of_its_record() {
    let engines = Engines::new(true);
    let (mut count, mut joins) = (0, 0);
    for Sample { name, text, .. } in samples() {
        let (mut framer, mut at) = (Framer::new(), 0);
        while let Some(cut) = framer.next(&text[at..], Tail::Final) {
            let text = &text[at..at + cut.len];
            at += cut.len;
            if cut.kind != CutKind::Records {
                continue;
            }
            let style = framer.style();
            let record = Record::new(text.to_vec(), style, cut.kind);
            let lines = text.strip_suffix(b"\n").unwrap_or(text);
            let more = lines.split(|b| *b == b'\n').count() - 1 - record.lines().count();
            let mut first = text.split(|b| *b == b'\n');
            let (first, second) = (first.next().unwrap(), first.next().unwrap_or_default());
            let endpoints = first.trim_ascii_end().ends_with(b")") && second.starts_with(b"    ");
            if more > 1 || more == 1 && !endpoints {
                continue;
            }
            let joined = [record.head(), b"\n"].concat();
            for parser in [&engines.slot, &engines.regex] {
                let parse = |text: &[u8]| parser.parse(Batch::new(text.to_vec(), style));
                let (packets, one) = (parse(text), parse(&joined));
                assert_eq!(one.len(), 1, "{name}: {}", joined.escape_ascii());
                let (packet, one) = (packets.packet(0), one.packet(0));
                for (i, column) in parser.columns().iter().enumerate() {
                    assert!(
                        packet.value(i) == one.value(i) || column.name == "payload",
                        "{name}: {}: {:?}, joined {:?} in\n{}",
                        column.name,
                        packet.value(i),
                        one.value(i),
                        text.escape_ascii()
                    );
                }
            }
            count += 1;
            joins += more;
        }
    }
    assert!(
        count > 10_000 && joins > 1000,
        "only {count} records, {joins} joined"
    );
}

#[test]
fn on_every_prefix_of_every_small_sample() {
    let engines = Engines::new(true);
    for Sample { name, text, .. } in samples() {
        if text.len() <= 3 << 10 {
            for end in 0..=text.len() {
                engines.agree(&text[..end], &format!("{name}[..{end}]"));
            }
        }
    }
}

/// Every record alone, cut at every byte of its head and at some of its payload.
#[test]
fn at_every_cut_within_each_record() {
    let engines = Engines::new(true);
    let mut cuts = 0;
    for Sample { name, text, .. } in samples() {
        let mut prefixes = Vec::new();
        for record in records(&text) {
            let lines = record
                .iter()
                .enumerate()
                .filter(|(_, b)| **b == b'\n')
                .nth(1);
            let head = lines.map_or(record.len(), |(i, _)| i + 1);
            for end in body(record)..=record.len() {
                if end <= head || end % 61 == 0 {
                    prefixes.extend_from_slice(&record[..end]);
                    prefixes.push(b'\n');
                    cuts += 1;
                }
            }
        }
        engines.agree(&prefixes, &name);
    }
    assert!(cuts > 1_000_000, "only {cuts} cuts");
}

/// Bytes changed, removed, doubled, and pieces of the printers' own words put in. `CASES` sets
/// how many.
#[test]
fn on_mutated_bytes() {
    const WORDS: &[&str] = &[
        ", length 5",
        "length 99999999999",
        " > ",
        "Flags [S]",
        ", seq 1:2",
        ", ack ",
        "UDP, length 7",
        "(tos 0x0, ttl 64",
        ", options [",
        "mss 1460",
        "[",
        "]",
        "(",
        ")",
        ", ",
        ": ",
        "1.2.3.4.5",
        "::1",
        "ICMP ",
        "ICMP6, ",
        ", id 5",
        "[udp sum ok] ",
        "HBH (padn) ",
        "frag (0x1:0|8) ",
        "\r",
        "\0",
        "\u{7f}",
        "4294967296",
        "0x",
        "(105)",
        "\n    ",
        "\n\t",
        "vlan 5, p 0, ",
        "ethertype IPv4 (0x0800)",
        ", bad cksum 1 (->2)!",
        "tell ",
        "is-at ",
        "who-has ",
        "next-header TCP (6)",
        "payload length: ",
    ];
    let cases: usize = std::env::var("CASES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(200_000);
    let engines = Engines::new(true);
    let samples = samples();
    let pool: Vec<&[u8]> = samples.iter().flat_map(|s| records(&s.text)).collect();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut done = 0;
    while done < cases {
        let mut text = Vec::new();
        for _ in 0..64 {
            let mut record = pool[random.below(pool.len())].to_vec();
            record.truncate(2_000);
            let from = body(&record).min(record.len());
            for _ in 0..=random.below(3) {
                if record.len() <= from {
                    break;
                }
                let at = from + random.below(record.len() - from);
                match random.below(5) {
                    0 => record[at] = random.next() as u8,
                    1 => drop(record.remove(at)),
                    2 => record.insert(at, record[at]),
                    3 => {
                        let end = (at + random.below(12)).min(record.len());
                        record.drain(at..end);
                    }
                    _ => {
                        let word = WORDS[random.below(WORDS.len())];
                        record.splice(at..at, word.bytes());
                    }
                }
            }
            if record.last() != Some(&b'\n') {
                record.push(b'\n');
            }
            text.extend_from_slice(&record);
            done += 1;
        }
        engines.agree(&text, "mutated");
    }
}

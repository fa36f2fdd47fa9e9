//! What holds for any bytes: one function for each thing that reads them. `tests/core/fuzz.rs`
//! runs them under plain `cargo test`, `fuzz/fuzz_targets/` under a fuzzer.

use std::sync::LazyLock;

use dumpstream::framing::{Batch, Batches, CutKind, Framer, Tail};
use dumpstream::{Engine, Namespace, Packets, Parser, Sequence};
use given::harmless;

/// A case in which a pattern is compiled must not be longer.
const SHORT: usize = 2 << 10;

/// The records are the same however the bytes are cut into reads, one by one or in batches, and
/// every byte is in a record or was skipped. The first two bytes choose the limit and the cuts.
pub(crate) fn framer(data: &[u8]) {
    let Some((&[limit, cut], text)) = data.split_first_chunk() else {
        return;
    };
    let framer = Framer::new().max_record(1024 + usize::from(limit) * 16);
    let whole = cuts(framer.clone(), text, text.len().max(1), false);
    for (step, batches) in [
        (usize::from(cut) + 1, false),
        (usize::from(cut) + 1, true),
        (text.len().max(1), true),
    ] {
        assert_eq!(
            cuts(framer.clone(), text, step, batches),
            whole,
            "reads of {step}, batches: {batches}"
        );
    }
    // After an idle time what was flushed is whole lines, and nothing is lost.
    let (mut framer, mut at, mut end) = (framer, 0, 0);
    while at < text.len() {
        end = (end + usize::from(cut) + 1).min(text.len());
        let tail = match end == text.len() {
            true => Tail::Final,
            false => Tail::Open,
        };
        while let Some(cut) = framer.next_batch(&text[at..end], tail) {
            assert!(cut.len > 0);
            at += cut.len;
        }
        if let Some(cut) = framer.flush(&text[at..end]) {
            assert_eq!(text[at + cut.len - 1], b'\n');
            at += cut.len;
        }
    }
    assert_eq!(at, text.len());
}

/// Each record's text and whether it was cut; then the bytes skipped, and those of messages.
fn cuts(
    mut framer: Framer,
    text: &[u8],
    step: usize,
    batches: bool,
) -> (Vec<(String, bool)>, u64, u64) {
    let (mut records, mut inside, mut skipped, mut messages) = (Vec::new(), 0, 0, 0);
    let (mut at, mut end) = (0, 0);
    while at < text.len() {
        end = (end + step).min(text.len());
        let tail = match end == text.len() {
            true => Tail::Final,
            false => Tail::Open,
        };
        loop {
            let cut = match batches {
                true => framer.next_batch(&text[at..end], tail),
                false => framer.next(&text[at..end], tail),
            };
            let Some(cut) = cut else { break };
            assert!(cut.len > 0 && cut.len <= end - at);
            if let CutKind::Skipped(_) = cut.kind {
                skipped += cut.len as u64;
            } else {
                // The parser's walk finds the records of a batch.
                let batch = Batch::new(text[at..at + cut.len].to_vec(), framer.style());
                let packets = SLOT.parse(batch.cut(cut.kind));
                assert!(batches || packets.len() <= 1);
                messages += packets.messages();
                let shown =
                    |p: dumpstream::Packet<'_>| (p.raw().escape_ascii().to_string(), p.truncated());
                inside += packets.iter().map(|p| p.raw().len() as u64).sum::<u64>();
                records.extend(packets.iter().map(shown));
            }
            at += cut.len;
        }
    }
    assert_eq!(framer.skipped().total(), skipped);
    assert_eq!(inside + skipped + messages, text.len() as u64);
    (records, skipped, messages)
}

/// Any text is parsed: each record whole, each value of its column's type.
pub(crate) fn grammar(data: &[u8]) {
    let mut origin = dumpstream::Origin::new("s").stream("x");
    let mut sequence = Sequence::new();
    let mut guard = dumpstream::AsciiGuard::new();
    let (mut records, mut suspects) = (0, 0);
    for batch in Batches::new(data) {
        let batch = batch.expect("a slice can be read");
        let bytes = batch.bytes().len() as u64;
        let mut packets = SLOT.parse(batch);
        guard.check(&packets);
        origin.place(&mut packets);
        sequence.follow(&packets);
        let inside: u64 = packets.iter().map(|packet| packet.raw().len() as u64).sum();
        assert_eq!(inside + packets.messages(), bytes);
        for packet in packets.iter() {
            records += 1;
            assert_eq!(packet.record(), records);
            suspects += u64::from(packet.number().is_some());
            for (i, column) in packets.columns().iter().enumerate() {
                if let Some(value) = packet.value(i) {
                    assert_eq!(packet.get(&column.name), Some(value));
                    drop(value.to_string());
                }
            }
            let json = serde_json::to_string(&packet).expect("a packet is JSON");
            let json: serde_json::Value = serde_json::from_str(&json).expect("it was just written");
            assert!(json.is_object());
            assert!(packet.missing().count() <= packets.columns().len());
        }
    }
    guard.finish();
    assert!(sequence.suspect() <= suspects);
}

/// Both engines give the same values.
pub(crate) fn slot_against_regex(data: &[u8]) {
    for batch in Batches::new(data) {
        let batch = batch.expect("a slice can be read");
        same(&SLOT.parse(batch.clone()), &REGEX.parse(batch));
    }
}

fn same(slot: &Packets, regex: &Packets) {
    assert_eq!(slot.len(), regex.len());
    assert_eq!(slot.messages(), regex.messages());
    for (a, b) in slot.iter().zip(regex.iter()) {
        assert_eq!(a.raw(), b.raw());
        let raw = a.raw().escape_ascii();
        assert_eq!(a.misfits(), b.misfits(), "{raw}");
        assert_eq!((a.parsed(), a.number()), (b.parsed(), b.number()), "{raw}");
        for (i, column) in slot.columns().iter().enumerate() {
            assert_eq!(a.value(i), b.value(i), "{} of {raw}", column.name);
        }
    }
}

/// A namespace loads or tells what is wrong; one that loads compiles, and finds the same in a text
/// whichever engine is asked. After a NUL comes such a text.
pub(crate) fn namespace(data: &[u8]) {
    let data = &data[..data.len().min(SHORT)];
    let (source, text) = match data.iter().position(|b| *b == 0) {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, RECORD),
    };
    let source = String::from_utf8_lossy(source);
    match Namespace::check(&source) {
        Ok(namespace) => {
            namespace.doubts();
            assert_eq!(
                namespace.hash(),
                source.parse::<Namespace>().expect("it was checked").hash()
            );
            let parser = Parser::new(namespace).expect("it was checked");
            let regex = parser.clone().engine(Engine::Regex);
            for batch in Batches::new(text) {
                let batch = batch.expect("a slice can be read");
                same(&parser.parse(batch.clone()), &regex.parse(batch));
            }
        }
        Err(errors) => {
            assert!(!errors.is_empty());
            for error in errors {
                assert!(!error.what().is_empty());
                if let Some(at) = &error.position {
                    harmless(&at.excerpt());
                }
            }
        }
    }
}

const RECORD: &[u8] = b"22:13:20.123456 IP (tos 0x0, ttl 64, id 1, offset 0, flags [DF], proto TCP (6), length 60)\n    \
    10.0.0.1.1234 > 10.0.0.2.80: Flags [S], cksum 0x1234 (correct), seq 1, win 512, options [mss 1460], length 0\n";

fn parser() -> Parser {
    Parser::new(Namespace::tcpdump().keep_payload())
        .expect("it is valid")
        .keep_info()
}

static SLOT: LazyLock<Parser> = LazyLock::new(parser);
static REGEX: LazyLock<Parser> = LazyLock::new(|| parser().engine(Engine::Regex));

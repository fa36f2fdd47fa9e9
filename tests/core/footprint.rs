//! What packets say that they hold is what was allocated for them.

use allocation_counter::measure;
use dumpstream::framing::{Batch, CutKind, Framer, Tail};
use dumpstream::{Engine, Namespace, Origin, Packets, Parser};

/// Parses and places the text again and again, in batches of about `window` bytes, until a
/// thousand packets are held.
fn hold(parser: &Parser, text: &[u8], window: usize, held: &mut Vec<Packets>) {
    // One, since what the packets of an input share is not theirs.
    let mut origin = Origin::new("s").stream("x");
    let mut packets = 0;
    while packets < 1_000 {
        let mut framer = Framer::new();
        let (mut at, mut end) = (0, 0);
        let before = packets;
        while at < text.len() {
            let tail = if end == text.len() {
                Tail::Final
            } else {
                Tail::Open
            };
            let Some(cut) = framer.next_batch(&text[at..end], tail) else {
                end = text.len().min(end + window);
                continue;
            };
            if !matches!(cut.kind, CutKind::Skipped(_)) {
                let bytes = text[at..at + cut.len].to_vec();
                let mut placed = parser.parse(Batch::new(bytes, framer.style()));
                origin.place(&mut placed);
                packets += placed.len();
                held.push(placed);
            }
            at += cut.len;
        }
        if packets == before {
            break;
        }
    }
}

#[test]
fn the_footprint_is_what_was_allocated() {
    let slot = Parser::new(Namespace::tcpdump()).expect("it is valid");
    let regex = slot.clone().engine(Engine::Regex);
    let mut checked = 0;
    for sample in given::samples() {
        // The patterns are slow: a few samples show what they hold.
        let engines = if sample.name.ends_with("/v") { 2 } else { 1 };
        for parser in [&slot, &regex].into_iter().take(engines) {
            for window in [256, 128 << 10] {
                let mut held = Vec::with_capacity(2_000);
                // What a parser makes once, and keeps.
                hold(parser, &sample.text, window, &mut held);
                let room = held.len() + 1;
                held = Vec::with_capacity(room);
                let allocated = measure(|| hold(parser, &sample.text, window, &mut held));
                let footprint: usize = held.iter().map(Packets::footprint).sum();
                let allocated = allocated.bytes_current as f64;
                let ratio = allocated / footprint.max(1) as f64;
                let name = &sample.name;
                assert!(
                    held.is_empty() || (0.98..1.02).contains(&ratio),
                    "{name}: {allocated} bytes are held and {footprint} are reported"
                );
                checked += held.iter().map(Packets::len).sum::<usize>();
            }
        }
    }
    assert!(checked > 400_000, "only {checked} packets");
}

#[test]
fn placing_copies_nothing_that_is_not_shared() {
    let text = given::text("4.99.3/http/v.txt");
    let parser = Parser::new(Namespace::tcpdump()).expect("it is valid");
    let mut held = Vec::with_capacity(100_000);
    hold(&parser, &text, 128 << 10, &mut held);
    let mut origin = Origin::new("s").stream("x");
    origin.place(&mut held[0]);
    let placed = measure(|| held[1..].iter_mut().for_each(|p| origin.place(p)));
    assert_eq!(placed.count_total, 0, "{placed:?}");
    let shared = held[1].clone();
    let placed = measure(|| origin.place(&mut held[1]));
    assert!(placed.count_total > 0, "one that is shared is copied");
    assert_ne!(shared.first_record(), held[1].first_record());
}

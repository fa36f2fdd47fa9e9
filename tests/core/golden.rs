//! Golden outputs: each `.txt` of `samples/` gives the `.jsonl` beside it. The regex engine makes them, the
//! slot engine gives the same bytes. `BLESS=1` rewrites them.

use dumpstream::framing::Batches;
use dumpstream::{Engine, Namespace, Origin, Parser};

/// JSON Lines of a text. Stamps without a date get a fixed one.
fn lines(parser: &Parser, name: &str, text: &[u8]) -> String {
    let mut origin = Origin::new(name).date(jiff::civil::date(2026, 11, 24));
    let mut out = String::new();
    for batch in Batches::new(text) {
        let mut packets = parser.parse(batch.expect("a slice can be read"));
        origin.place(&mut packets);
        for packet in packets.iter() {
            let each =
                (0..parser.columns().len()).filter_map(|i| Some((i.into(), packet.value(i)?)));
            assert_eq!(packet.values().len(), each.clone().count(), "{name}");
            assert!(
                packet.values().eq(each),
                "{name}, record {}",
                packet.record()
            );
            out += &serde_json::to_string(&packet).expect("a packet is JSON");
            out.push('\n');
        }
    }
    out
}

#[test]
fn every_sample_gives_its_golden_output() {
    let parser = Parser::new(Namespace::tcpdump()).expect("it is valid");
    let regex = parser.clone().engine(Engine::Regex);
    let bless = std::env::var_os("BLESS").is_some();
    let mut compared = 0;
    for sample in given::samples() {
        let (name, text, golden) = (&sample.name, &sample.text, sample.golden());
        let got = lines(&regex, name, text);
        assert!(
            got == lines(&parser, name, text),
            "{name}: the engines differ"
        );
        if bless {
            std::fs::write(&golden, &got).expect("samples/ can be written");
        }
        let want = std::fs::read_to_string(&golden)
            .unwrap_or_else(|e| panic!("{}: {e}; make it with BLESS=1", golden.display()));
        for (n, (got, want)) in got.lines().zip(want.lines()).enumerate() {
            assert_eq!(got, want, "{name}, record {}", n + 1);
        }
        assert_eq!(got.len(), want.len(), "{name}");
        compared += got.lines().count();
    }
    assert!(compared > 10_000, "only {compared} records");
}

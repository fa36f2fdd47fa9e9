//! What a packet is does not depend on what carries it: in the samples of `layers`, records of one
//! packet, told by the second of its stamp, read the same but for the link layer's own fields.

use std::collections::BTreeMap;

use dumpstream::framing::Batches;
use dumpstream::{Namespace, Parser};
use serde_json::{Map, Value};

/// What a link layer's printer says, and a time.
const OWN: [&str; 10] = [
    "time",
    "interface",
    "direction",
    "source_mac",
    "destination_mac",
    "ethertype",
    "vlan",
    "vlan_inner",
    "frame_length",
    "info",
];

fn packets(text: &[u8]) -> Vec<(Vec<u8>, Map<String, Value>)> {
    let parser = Parser::new(Namespace::tcpdump()).expect("it is valid");
    let mut all = Vec::new();
    for batch in Batches::new(text) {
        for packet in parser.parse(batch.expect("a slice can be read")).iter() {
            let value = serde_json::to_value(packet).expect("a packet is JSON");
            let Value::Object(fields) = value else {
                panic!("a packet is an object");
            };
            all.push((packet.raw().to_vec(), fields));
        }
    }
    all
}

#[test]
fn what_carries_a_packet_changes_nothing_in_it() {
    let mut files = 0;
    for sample in given::samples() {
        if sample.theme != "layers" {
            continue;
        }
        let name = &sample.name;
        files += 1;
        // By the second, the fields of the first record, and how many there were.
        let mut seen: BTreeMap<Vec<u8>, (Map<String, Value>, usize)> = BTreeMap::new();
        let mut count = 0;
        for (raw, mut fields) in packets(&sample.text) {
            fields.retain(|field, _| !OWN.contains(&field.as_str()));
            assert!(
                fields.contains_key("source"),
                "{name}: {}",
                raw.escape_ascii()
            );
            let second = raw.split(|b| *b == b'.').next().expect("a stamp").to_vec();
            let first = seen.entry(second).or_insert_with(|| (fields.clone(), 0));
            assert_eq!(first.0, fields, "{name}: {}", raw.escape_ascii());
            first.1 += 1;
            count += 1;
        }
        assert_eq!(count, 539, "{name}");
        assert_eq!(seen.len(), 5, "{name}");
        assert!(seen.values().all(|(_, n)| *n > 60), "{name}: {seen:?}");
    }
    assert_eq!(files, 8);
}

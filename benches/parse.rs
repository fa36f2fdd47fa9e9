//! Text in memory to typed packets: framing, copying the batch, parsing, dropping it again.
//!
//! Beside the two engines: the five patterns of the original script as a namespace, and the same
//! five run by hand over every joined head, which is the least that any regex program costs.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use dumpstream::framing::{CutKind, Framer, Tail};
use dumpstream::{Engine, Namespace, Parser};
use regex::bytes::Regex;

#[path = "input/samples.rs"]
mod samples;

/// The original's five fields.
const FIVE: [(&str, &str); 5] = [
    ("time", r"^(\d\d:\d\d:\d\d\.\d+)"),
    ("source", r"\s([\d\.]+)\s>"),
    ("destination", r">\s([\d\.]+):"),
    ("flags", r"Flags \[(.+?)\]"),
    ("length", r"length (\d+)"),
];

/// The five as a bare array, as the original writes them.
fn five() -> Parser {
    let entry = |(name, regex): (&str, &str)| {
        let regex = regex.replace('\\', "\\\\");
        format!(r#"{{"name": "{name}", "regex": "{regex}"}}"#)
    };
    let array = format!("[{}]", FIVE.map(entry).join(",\n"));
    let namespace: Namespace = array.parse().expect("a bare array");
    Parser::new(namespace).expect("five patterns")
}

/// The head as the patterns see it: both of its lines, with one blank between.
fn join(record: &[u8], head: &mut Vec<u8>) {
    head.clear();
    let mut lines = record.split(|b| *b == b'\n');
    head.extend_from_slice(lines.next().expect("a record has a line"));
    if let Some(second) = lines.next().and_then(|line| line.strip_prefix(b"    ")) {
        head.push(b' ');
        head.extend_from_slice(second);
    }
}

fn parse(criterion: &mut Criterion) {
    let slot = Parser::new(Namespace::tcpdump()).expect("it is valid");
    let engines = [
        ("slot", slot.clone()),
        ("regex", slot.engine(Engine::Regex)),
        ("five", five()),
    ];
    let regexes = FIVE.map(|(_, regex)| {
        regex::bytes::RegexBuilder::new(regex)
            .unicode(false)
            .build()
            .expect("a pattern")
    });
    for sample in samples::all() {
        let mut group = samples::group(criterion, "parse", &sample);
        for (name, parser) in &engines {
            group.bench_function(BenchmarkId::new(*name, sample.name), |b| {
                b.iter(|| {
                    let mut records = 0;
                    samples::batches(&sample.text, |batch| records += parser.parse(batch).len());
                    assert_eq!(records, sample.records);
                });
            });
        }
        group.bench_function(BenchmarkId::new("five_by_hand", sample.name), |b| {
            let mut captures = regexes.each_ref().map(Regex::capture_locations);
            let mut head = Vec::new();
            b.iter(|| {
                let mut framer = Framer::new();
                let (mut at, mut records, mut found) = (0, 0, 0);
                while let Some(cut) = framer.next(&sample.text[at..], Tail::Final) {
                    if cut.kind == CutKind::Records {
                        records += 1;
                        join(&sample.text[at..at + cut.len], &mut head);
                        for (regex, captures) in regexes.iter().zip(&mut captures) {
                            regex.captures_read(captures, &head);
                            found += usize::from(captures.get(1).is_some());
                        }
                    }
                    at += cut.len;
                }
                assert_eq!(records, sample.records);
                assert!(found >= records, "every head has its time");
            });
        });
        group.finish();
    }
}

criterion_group!(benches, parse);
criterion_main!(benches);

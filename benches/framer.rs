//! Cutting text into records, beside the least that any cutting costs: finding the line feeds.
//!
//! `next_batch` looks for the last head of a window only, and leaves the others to the parser's
//! walk; so its figure is that of a few lines a window, and stands for "next to nothing".

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use dumpstream::framing::{CutKind, Framer, Tail};

#[path = "input/samples.rs"]
mod samples;

use samples::WINDOW;

fn framer(criterion: &mut Criterion) {
    for sample in samples::all() {
        let text = &sample.text[..];
        let lines = text.split_inclusive(|b| *b == b'\n').count();
        let mut group = samples::group(criterion, "framer", &sample);
        group.bench_function(BenchmarkId::new("memchr", sample.name), |b| {
            // Each place is looked at: only counting them is done without finding them.
            b.iter(|| {
                let mut found = 0;
                for place in memchr::memchr_iter(b'\n', text) {
                    found += usize::from(black_box(place) < text.len());
                }
                assert_eq!(found, lines);
            });
        });
        group.bench_function(BenchmarkId::new("next", sample.name), |b| {
            b.iter(|| {
                let mut framer = Framer::new();
                let (mut at, mut records) = (0, 0);
                while let Some(cut) = framer.next(&text[at..], Tail::Final) {
                    at += cut.len;
                    records += usize::from(cut.kind == CutKind::Records);
                }
                assert_eq!((at, records), (text.len(), sample.records));
            });
        });
        group.bench_function(BenchmarkId::new("next_batch", sample.name), |b| {
            b.iter(|| {
                let mut framer = Framer::new();
                let (mut at, mut end, mut batches) = (0, 0, 0);
                while at < text.len() {
                    let tail = match end == text.len() {
                        true => Tail::Final,
                        false => Tail::Open,
                    };
                    match framer.next_batch(&text[at..end], tail) {
                        Some(cut) => {
                            at += cut.len;
                            batches += 1;
                        }
                        None => end = text.len().min(end + WINDOW),
                    }
                }
                // One a window, one for the first record (it tells the style), one for the last.
                assert!(batches <= text.len() / WINDOW + 3, "{batches} batches");
                assert_eq!(framer.skipped().total(), 0);
            });
        });
        group.finish();
    }
}

criterion_group!(benches, framer);
criterion_main!(benches);

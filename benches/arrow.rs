//! Text in memory to Arrow record batches, beside the parse alone: what `dumpstream.read` of the
//! Python package does.

use criterion::{Criterion, criterion_group, criterion_main};
use dumpstream::arrow::RecordBatches;
use dumpstream::{Namespace, Origin, Parser, Reader};

#[path = "input/samples.rs"]
mod samples;

/// Rows of a batch.
const ROWS: usize = 1 << 16;

fn arrow(criterion: &mut Criterion) {
    let namespace = Namespace::tcpdump();
    let parser = Parser::new(namespace.clone()).expect("it is valid");
    for sample in samples::all() {
        let mut group = samples::group(criterion, "arrow", &sample);
        let reader = || {
            let origin = Origin::new("bench").stream("bench");
            Reader::new(&sample.text[..])
                .parser(parser.clone())
                .origin(origin)
        };
        group.bench_function("parse", |b| {
            b.iter(|| {
                let rows: usize = reader().map(|packets| packets.expect("text").len()).sum();
                assert_eq!(rows, sample.records);
            });
        });
        for (name, plain) in [("arrow", false), ("plain", true)] {
            let batches = RecordBatches::new(&namespace).identity();
            let mut batches = if plain { batches.plain() } else { batches };
            group.bench_function(name, |b| {
                b.iter(|| {
                    let mut rows = 0;
                    for packets in reader() {
                        batches.push(&packets.expect("text"));
                        if batches.len() >= ROWS {
                            rows += batches.take().num_rows();
                        }
                    }
                    rows += batches.take().num_rows();
                    assert_eq!(rows, sample.records);
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, arrow);
criterion_main!(benches);

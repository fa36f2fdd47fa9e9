//! Packets to where they go: each sink opened, given everything in one write, and closed.

use std::sync::Arc;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use dumpstream::{Namespace, Origin, Packets, Parser};
use dumpstream_flow::{SinkContext, SinkUrl};

#[path = "input/samples.rs"]
mod samples;

fn context(parser: &Parser) -> SinkContext {
    SinkContext {
        columns: parser.columns(),
        namespace: parser.namespace().namespace.clone(),
        hash: parser.namespace().hash(),
        version: env!("CARGO_PKG_VERSION"),
        identity: true,
        raw: false,
        ..SinkContext::default()
    }
}

fn sinks(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let parser = Parser::new(Namespace::tcpdump()).expect("it is valid");
    let context = context(&parser);
    let sample = samples::large();
    let mut origin = Origin::new("bench")
        .stream("bench")
        .date(jiff::civil::date(2026, 11, 24));
    let mut rows: Vec<Packets> = Vec::new();
    samples::batches(&sample.text, |batch| {
        let mut packets = parser.parse(batch);
        origin.place(&mut packets);
        rows.push(packets);
    });
    let rows: Arc<[Packets]> = rows.into();
    let mut group = samples::group(criterion, "sinks", &sample);
    for (name, url) in [
        ("null", "null:"),
        ("jsonl_devnull", "jsonl:/dev/null"),
        ("jsonl_file", "jsonl:DIR/packets.jsonl"),
        ("csv_file", "csv:DIR/packets.csv"),
        (
            "jsonl_rotated",
            "jsonl:DIR/packets.jsonl?rotate=1h&rotate_size=16MB",
        ),
        #[cfg(feature = "parquet")]
        ("parquet", "parquet:DIR/packets"),
        #[cfg(feature = "sqlite")]
        ("sqlite", "sqlite:DIR/packets.db"),
    ] {
        group.bench_function(name, |b| {
            // A new folder each time: writing a row that is there costs less.
            let open = || {
                let folder = tempfile::tempdir().expect("a folder");
                let place = folder.path().to_str().expect("a name in UTF-8");
                let url: SinkUrl = url.replace("DIR", place).parse().expect("a sink");
                (url.open(&context).expect("it opens"), folder)
            };
            let write = |(sink, folder): (Box<dyn dumpstream_flow::Sink>, tempfile::TempDir)| {
                let written = runtime.block_on(async {
                    let written = sink.write(&rows).await.expect("it is written");
                    sink.close().await.expect("it is closed");
                    written
                });
                assert_eq!(written.delivered, sample.records as u64);
                // What is returned is dropped outside of the measurement.
                (sink, folder)
            };
            b.iter_batched(open, write, BatchSize::PerIteration);
        });
    }
    group.finish();
}

criterion_group!(benches, sinks);
criterion_main!(benches);

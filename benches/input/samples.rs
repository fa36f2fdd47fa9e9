//! What the benches read: recorded text, and the one way in which they all measure.
#![allow(dead_code, reason = "each bench uses what it needs of it")]

use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput};
use dumpstream::framing::{Batch, CutKind, Framer, Tail};

/// How many bytes are looked at in one go, as the library's own readers do it.
pub(crate) const WINDOW: usize = 128 << 10;

/// The count of the large sample, as `tcpdump` said it when it was recorded.
const LARGE_RECORDS: usize = 46_293;

/// Small samples: one kind of traffic each, to see which kind is dear.
const SMALL: [(&str, &str); 3] = [
    ("http-v", "4.99.3/http/v"),
    ("ip6-v", "4.99.3/ip6/v"),
    ("talk-v", "4.99.3/talk/v"),
];

/// A recorded text, and how many records it has.
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    pub(crate) text: Vec<u8>,
    pub(crate) records: usize,
}

/// 12 MB of `tcpdump -nn -v`.
pub(crate) fn large() -> Sample {
    let packed = given::text("4.99.3/large/v.txt.zst");
    Sample {
        name: "large",
        text: zstd::decode_all(&packed[..]).expect("it is zstd"),
        records: LARGE_RECORDS,
    }
}

/// The large sample and the small ones; the golden file beside each has a line a record.
pub(crate) fn all() -> Vec<Sample> {
    let small = SMALL.map(|(name, file)| Sample {
        name,
        text: given::text(&format!("{file}.txt")),
        records: memchr::memchr_iter(b'\n', &given::text(&format!("{file}.jsonl"))).count(),
    });
    std::iter::once(large()).chain(small).collect()
}

/// A group whose throughput is that of a sample: bytes and records a second.
///
/// Short, so that all benches together end within a few minutes; flat, since one pass over the
/// large sample by a slow engine takes a third of a second.
pub(crate) fn group<'a>(
    criterion: &'a mut Criterion,
    name: &str,
    sample: &Sample,
) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group
        .sample_size(15)
        .sampling_mode(SamplingMode::Flat)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .throughput(Throughput::ElementsAndBytes {
            elements: sample.records as u64,
            bytes: sample.text.len() as u64,
        });
    group
}

/// Cuts a text into batches, each of what one read brings.
pub(crate) fn batches(text: &[u8], mut each: impl FnMut(Batch)) {
    let mut framer = Framer::new();
    let (mut at, mut end) = (0, 0);
    while at < text.len() {
        let tail = match end == text.len() {
            true => Tail::Final,
            false => Tail::Open,
        };
        let Some(cut) = framer.next_batch(&text[at..end], tail) else {
            end = text.len().min(end + WINDOW);
            continue;
        };
        if !matches!(cut.kind, CutKind::Skipped(_)) {
            let bytes = text[at..at + cut.len].to_vec();
            each(Batch::new(bytes, framer.style()));
        }
        at += cut.len;
    }
}

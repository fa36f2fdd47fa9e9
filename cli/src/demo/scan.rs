//! Reads the sample before it is sent, to know what must be received.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use dumpstream::framing::{Batch, CutKind, Framer, Tail};
use dumpstream::{Namespace, Origin, Packet, Parser, Value};
use dumpstream_flow::input::Input;

use crate::amount;

/// Largest sample that is read, in bytes; a larger file is not a sample.
const LARGEST: u64 = 256 << 20;

/// What a sample holds.
#[derive(Debug)]
pub(super) struct Scan {
    pub(super) records: u64,
    /// From the first stamp to the last.
    pub(super) span: Duration,
    /// Records that are exactly the lines 1 and 2, or 3 and 4, …: a program that joins every second
    /// line gets these right.
    pairs: u64,
    /// The number of packets that tcpdump counted when the sample was recorded, if the manifest has
    /// it.
    printed: Option<u64>,
    /// The ordinal of a record of two lines, and its text.
    pub(super) example: u64,
    pub(super) text: String,
}

impl Scan {
    pub(super) fn read(sample: &Path) -> anyhow::Result<Scan> {
        let named = || sample.display().to_string();
        let mut text = Vec::new();
        let plain = Input::open(sample, |file, _| Box::new(file))
            .and_then(Input::text)
            .with_context(named)?;
        plain
            .take(LARGEST)
            .read_to_end(&mut text)
            .with_context(named)?;

        let parser = Parser::new(Namespace::tcpdump())?;
        let mut origin = Origin::new("demo");
        let mut framer = Framer::new();
        let (mut records, mut pairs, mut lines) = (0, 0, 0);
        let (mut first, mut last) = (None, 0);
        let mut example = None;
        let mut rest = &text[..];
        while let Some(cut) = framer.next(rest, Tail::Final) {
            let (record, after) = rest.split_at(cut.len);
            rest = after;
            let start = lines;
            lines += record.split_inclusive(|&b| b == b'\n').count();
            if let CutKind::Skipped(_) = cut.kind {
                continue;
            }
            records += 1;
            let two = lines - start == 2;
            pairs += u64::from(two && start % 2 == 0);
            let mut packets = parser.parse(Batch::new(record.to_vec(), framer.style()));
            origin.place(&mut packets);
            for packet in packets.iter() {
                first.get_or_insert(packet.time());
                last = packet.time();
                if two && example.is_none() && telling(packet) {
                    example = Some((records, String::from_utf8_lossy(record).into_owned()));
                }
            }
        }
        let (example, text) = example
            .with_context(|| format!("{} has no TCP record of two lines", sample.display()))?;
        let span = (last - first.unwrap_or(last)).max(0).unsigned_abs();
        let printed = printed(sample);
        let span = Duration::from_nanos(span);
        Ok(Scan {
            records,
            span,
            pairs,
            printed,
            example,
            text,
        })
    }

    /// Compares dumpstream with joining every second line: how many records each gets right.
    pub(super) fn joined(&self, ours: u64) -> String {
        let percent = 100.0 * self.pairs as f64 / self.records.max(1) as f64;
        let printed = match self.printed {
            Some(n) => format!(" of the {} that tcpdump counted", amount::grouped(n)),
            None => String::new(),
        };
        let n = amount::grouped;
        format!(
            "Records recovered whole:\n\n  \
             {} ({percent:.1} %) by joining every second line\n  \
             {} by dumpstream{printed}\n",
            n(self.pairs),
            n(ours),
        )
    }
}

/// A packet worth showing: TCP with data.
fn telling(packet: Packet<'_>) -> bool {
    let tcp = matches!(packet.get("protocol"), Some(Value::Text(b"TCP")));
    tcp && matches!(packet.get("payload_length"), Some(Value::Int(1..)))
}

/// The number of packets of a sample, from the manifest of the samples.
fn printed(sample: &Path) -> Option<u64> {
    // samples/TCPDUMP/THEME/FLAGS.txt
    let samples = sample.ancestors().nth(3)?;
    let name = sample.strip_prefix(samples).ok()?;
    let list = std::fs::read_to_string(samples.join("MANIFEST.tsv")).ok()?;
    list.lines().find_map(|line| {
        let mut cells = line.split('\t');
        (Path::new(cells.next()?) == name).then(|| cells.next()?.parse().ok())?
    })
}

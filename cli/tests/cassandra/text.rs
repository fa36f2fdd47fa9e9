//! Text of `tcpdump -tt -v`, as much as is wanted, and packets of it.

use dumpstream::framing::{Batch, Framer, Tail};
use dumpstream::{Namespace, Origin, Packets, Parser};
use dumpstream_flow::{Hangup, Rejects, SinkContext};

/// Between two records, in microseconds: 10,000 a second.
const STEP: u64 = 100;

/// When the first one is, in seconds since 1970.
pub(crate) const BEGIN: u64 = 1_700_000_000;

/// The record of an ordinal, from 1: two lines, and no two alike.
pub(crate) fn record(n: u64) -> String {
    let at = n * STEP;
    let (second, micro) = (BEGIN + at / 1_000_000, at % 1_000_000);
    let (a, b) = (n % 250 + 1, n / 250 % 250 + 1);
    let (port, length) = (1024 + n % 60_000, n % 1400);
    let [source, destination] = [format!("10.0.{b}.{a}.{port}"), format!("192.0.2.{a}.443")];
    let flags = format_args!(
        "Flags [P.], cksum 0x1a2b (correct), seq {n}:{end}, ack {ack}, win 501, \
         options [nop,nop,TS val {n} ecr 7]",
        end = n + length,
        ack = n % 4_000_000_000,
    );
    let stamp = format_args!("{second}.{micro:06}");
    given::tcp(
        stamp,
        n as usize,
        [&source, &destination],
        flags,
        12,
        length as usize,
    )
}

/// Many of them.
pub(crate) fn records(range: std::ops::Range<u64>) -> String {
    let mut text = String::with_capacity(range.clone().count() * 240);
    range.for_each(|n| text.push_str(&record(n)));
    text
}

/// Packets of text, in batches as they come from a socket.
pub(crate) fn packets(text: &str, origin: &mut Origin) -> Vec<Packets> {
    let parser = Parser::new(Namespace::tcpdump()).unwrap().keep_info();
    let mut rest = text.as_bytes();
    let mut framer = Framer::new();
    let mut all = Vec::new();
    while !rest.is_empty() {
        let (read, tail) = match rest.len() {
            n if n > 64 << 10 => (&rest[..64 << 10], Tail::Open),
            _ => (rest, Tail::Final),
        };
        let cut = framer.next_batch(read, tail).expect("a record in 64 KiB");
        let batch = Batch::new(read[..cut.len].to_vec(), framer.style());
        let mut packets = parser.parse(batch);
        origin.place(&mut packets);
        all.push(packets);
        rest = &rest[cut.len..];
    }
    all
}

/// What a sink needs to know.
pub(crate) fn context() -> SinkContext {
    let namespace = Namespace::tcpdump();
    SinkContext {
        rows: Default::default(),
        columns: namespace.columns().into(),
        namespace: namespace.namespace.clone(),
        hash: namespace.hash(),
        version: "0",
        identity: true,
        raw: false,
        replace: false,
        amend: false,
        rejects: Rejects::default(),
        hangup: Hangup::default(),
    }
}

//! Any way of cutting the bytes into reads gives the same records.

use dumpstream::framing::{Batch, Batches, CutKind, Framer, Skip, Tail};
use dumpstream::{Namespace, Parser};
use given::{Sample, samples};
use proptest::prelude::*;

/// A piece of the input: where it ends, and what it is. Neighbouring skips of one reason are one.
type Pieces = Vec<(usize, CutKind)>;

/// An input that arrives bit by bit, as a socket's owner sees it.
struct Feed<'a> {
    text: &'a [u8],
    framer: Framer,
    batch: bool,
    done: usize,
    pieces: Pieces,
}

impl<'a> Feed<'a> {
    fn new(text: &'a [u8], framer: Framer, batch: bool) -> Feed<'a> {
        Feed {
            text,
            framer,
            batch,
            done: 0,
            pieces: Vec::new(),
        }
    }

    /// Bytes up to `end` have arrived.
    fn arrive(&mut self, end: usize, tail: Tail) {
        loop {
            let src = &self.text[self.done..end];
            let cut = if self.batch {
                self.framer.next_batch(src, tail)
            } else {
                self.framer.next(src, tail)
            };
            let Some(cut) = cut else { break };
            assert!(cut.len > 0 && cut.len <= src.len());
            match (cut.kind, self.batch) {
                (CutKind::Records, true) => {
                    // The parser's walk cuts the rest with the same head function.
                    let parser = parser();
                    let bytes = src[..cut.len].to_vec();
                    let packets = parser.parse(Batch::new(bytes, self.framer.style()));
                    let mut at = self.done;
                    for packet in packets.iter() {
                        at += packet.raw().len();
                        self.pieces.push((at, CutKind::Records));
                    }
                    assert_eq!(at as u64 + packets.messages(), (self.done + cut.len) as u64);
                    if packets.messages() > 0 {
                        // Their places are lost with them; the last record's end stands for all.
                        self.pieces.last_mut().expect("a record").0 = self.done + cut.len;
                    }
                }
                (kind, _) => {
                    let end = self.done + cut.len;
                    match self.pieces.last_mut() {
                        Some((last, same))
                            if matches!(kind, CutKind::Skipped(_)) && *same == kind =>
                        {
                            *last = end;
                        }
                        _ => self.pieces.push((end, kind)),
                    }
                }
            }
            self.done += cut.len;
        }
    }
}

fn parser() -> &'static Parser {
    static PARSER: std::sync::OnceLock<Parser> = std::sync::OnceLock::new();
    PARSER.get_or_init(|| Parser::new(Namespace::tcpdump()).expect("it is valid"))
}

fn whole(text: &[u8], framer: Framer, batch: bool) -> Pieces {
    let mut feed = Feed::new(text, framer, batch);
    feed.arrive(text.len(), Tail::Final);
    assert_eq!(feed.done, text.len());
    feed.pieces
}

/// Every cut of every sample: the bytes before it arrive, then the rest.
#[test]
fn every_cut_of_every_sample() {
    for sample in samples() {
        let (name, text) = (&sample.name, &sample.text);
        let expected = whole(text, Framer::new(), false);
        let mut before = Feed::new(text, Framer::new(), false);
        for cut in 0..=text.len() {
            before.arrive(cut, Tail::Open);
            assert!(
                expected.starts_with(unsettled(&before.pieces)),
                "{name} at {cut}"
            );
            // From here on the framer has forgotten the cut once it is two records further.
            let settled = expected
                .iter()
                .filter(|(end, _)| *end > cut)
                .nth(2)
                .map_or(text.len(), |(end, _)| (*end + 200).min(text.len()));
            let mut after = Feed::new(text, before.framer.clone(), false);
            after.done = before.done;
            after.pieces = before.pieces.clone();
            let tail = match settled == text.len() {
                true => Tail::Final,
                false => Tail::Open,
            };
            after.arrive(settled, tail);
            assert!(
                expected.starts_with(unsettled(&after.pieces)),
                "{name} at {cut}"
            );
            if settled == text.len() {
                assert_eq!(after.pieces, expected, "{name} at {cut}");
            }
        }
    }
}

/// A byte-order mark costs no record, whichever of its bytes come first; a second one is text.
#[test]
fn a_byte_order_mark_is_skipped() {
    const BOM: &str = "\u{feff}";
    let texts = [
        "00:00:00.000001 ARP, a\n00:00:00.000002 ARP, b\n",
        // Without stamps only the first line can say so.
        "IP 10.0.0.1 > 10.0.0.2: ICMP echo request, id 1, seq 1, length 64\n",
    ];
    for text in texts {
        let shift = |(end, kind): &(usize, CutKind)| (end + BOM.len(), *kind);
        let bare = whole(text.as_bytes(), Framer::new(), false);
        let mut expected = vec![(BOM.len(), CutKind::Skipped(Skip::Preamble))];
        expected.extend(bare.iter().map(shift));
        let marked = format!("{BOM}{text}");
        for cut in 0..=marked.len() {
            let mut feed = Feed::new(marked.as_bytes(), Framer::new(), false);
            feed.arrive(cut, Tail::Open);
            feed.arrive(marked.len(), Tail::Final);
            assert_eq!(feed.pieces, expected, "cut at {cut}");
        }
    }
    let (kind, twice) = (CutKind::Skipped(Skip::Preamble), format!("{BOM}{BOM}x\n"));
    let all = whole(twice.as_bytes(), Framer::new(), false);
    assert_eq!(all, [(twice.len(), kind)]);
}

/// Without a last skip, which may still grow.
fn unsettled(pieces: &Pieces) -> &[(usize, CutKind)] {
    match pieces.last() {
        Some((_, CutKind::Skipped(_))) => &pieces[..pieces.len() - 1],
        _ => pieces,
    }
}

/// Reads of every size.
#[test]
fn every_chunk_size_of_a_sample() {
    for sample in samples() {
        let (name, text) = (&sample.name, &sample.text);
        if text.len() > 8 << 10 || sample.has_messages() {
            continue;
        }
        let expected = whole(text, Framer::new(), false);
        for size in (1..=128).chain([500, 1_000, 4_096, text.len().max(1)]) {
            for batch in [false, true] {
                let mut feed = Feed::new(text, Framer::new(), batch);
                for end in (0..text.len()).step_by(size) {
                    feed.arrive(end, Tail::Open);
                }
                feed.arrive(text.len(), Tail::Final);
                assert_eq!(feed.pieces, expected, "{name} by {size}, {batch}");
            }
        }
    }
}

/// The limit cuts where it says, however the bytes come.
#[test]
fn the_limit_cuts_alike_however_the_bytes_come() {
    let line = "22:13:20.123456 ARP, Request who-has\n";
    let long = format!("{line}{}\n{}", "x".repeat(1_500), "    y\n".repeat(300));
    let text = format!("{line}{long}{line}{line}{long}{line}");
    let framer = || Framer::new().max_record(1_024);
    let expected = whole(text.as_bytes(), framer(), false);
    let kinds: Vec<_> = expected.iter().map(|(_, kind)| *kind).collect();
    let (records, cut) = (CutKind::Records, CutKind::Truncated);
    let skip = CutKind::Skipped(Skip::Oversize);
    assert_eq!(
        kinds,
        [records, cut, skip, records, records, cut, skip, records]
    );
    for size in (1..400).chain([1_023, 1_024, 1_025, 1_151, 1_152, 1_153, 4_096]) {
        for batch in [false, true] {
            let mut feed = Feed::new(text.as_bytes(), framer(), batch);
            for end in (0..text.len()).step_by(size) {
                feed.arrive(end, Tail::Open);
            }
            feed.arrive(text.len(), Tail::Final);
            assert_eq!(feed.pieces, expected, "by {size}, {batch}");
        }
    }
}

/// A stream without a line feed is cut at the limit, then skipped as it comes.
#[test]
fn a_stream_without_a_line_feed_needs_one_record_of_memory() {
    let mut framer = Framer::new();
    let mut buffer = b"22:13:20.123456 IP ".to_vec();
    let (mut fed, mut longest) = (buffer.len() as u64, 0);
    let mut truncated = 0;
    while fed < 1 << 30 {
        buffer.resize(buffer.len() + (64 << 10), b'x');
        fed += 64 << 10;
        longest = longest.max(buffer.len());
        while let Some(cut) = framer.next_batch(&buffer, Tail::Open) {
            truncated += u32::from(cut.kind == CutKind::Truncated);
            buffer.drain(..cut.len);
        }
    }
    assert_eq!(truncated, 1);
    assert!(
        longest <= dumpstream::limits::DEFAULT_MAX_RECORD + (128 << 10),
        "{longest} bytes were held"
    );
    let held = buffer.len() as u64;
    assert_eq!(
        framer.skipped().total() + dumpstream::limits::DEFAULT_MAX_RECORD as u64 + held,
        fed
    );
}

/// A header that waits for its endpoints is not flushed; what comes after a flush is late.
#[test]
fn idle_flush() {
    let header = b"22:13:20.123456 IP (tos 0x0, ttl 64, proto TCP (6), length 60)\n".to_vec();
    let full = [
        &header[..],
        b"    1.1.1.1.1 > 2.2.2.2.2: Flags [S], length 0\n",
    ]
    .concat();
    let mut framer = Framer::new();
    assert_eq!(framer.next(&header, Tail::Open), None);
    assert_eq!(framer.flush(&header), None);
    assert_eq!(framer.next(&full[..full.len() - 1], Tail::Open), None);
    assert_eq!(
        framer.flush(&full[..full.len() - 1]),
        None,
        "a partial line is never flushed"
    );
    assert_eq!(framer.next(&full, Tail::Open), None);
    assert_eq!(framer.flush(&full).map(|cut| cut.len), Some(full.len()));
    let late = b"\tlate\n22:13:21.000000 ARP, x\n";
    let cut = framer.next(late, Tail::Open).expect("a skip");
    assert_eq!((cut.len, cut.kind), (6, CutKind::Skipped(Skip::Late)));
    assert_eq!(
        framer.next(&late[6..], Tail::Final).map(|cut| cut.kind),
        Some(CutKind::Records)
    );
    assert_eq!(framer.skipped().late, 6);
}

#[test]
fn the_reader_accounts_for_every_byte() {
    for sample in samples() {
        let (name, text) = (&sample.name, &sample.text);
        let mut reader = Batches::new(&text[..]);
        let mut bytes = 0;
        for batch in reader.by_ref() {
            bytes += batch.expect("a slice can be read").bytes().len() as u64;
        }
        let counted = bytes + reader.skipped().total();
        assert_eq!(counted, text.len() as u64, "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Random cuts of random stretches of random samples.
    #[test]
    fn random_cuts(which in any::<prop::sample::Index>(), from in any::<prop::sample::Index>(),
                   sizes in prop::collection::vec(1usize..5_000, 1..12), batch in any::<bool>()) {
        static SAMPLES: std::sync::OnceLock<Vec<Sample>> = std::sync::OnceLock::new();
        let samples = SAMPLES.get_or_init(|| {
            samples().into_iter().filter(|sample| !sample.has_messages()).collect()
        });
        let text = &which.get(samples).text;
        let text = &text[from.index(text.len().max(1))..];
        let expected = whole(text, Framer::new(), false);
        let mut feed = Feed::new(text, Framer::new(), batch);
        let mut end = 0;
        for size in sizes {
            end = (end + size).min(text.len());
            feed.arrive(end, Tail::Open);
        }
        feed.arrive(text.len(), Tail::Final);
        prop_assert_eq!(feed.pieces, expected);
    }

    /// Random bytes: every one is accounted for, and nothing panics.
    #[test]
    fn random_bytes(text in prop::collection::vec(any::<u8>(), 0..2_000), size in 1usize..300) {
        let expected = whole(&text, Framer::new(), false);
        let mut feed = Feed::new(&text, Framer::new(), true);
        for end in (0..text.len()).step_by(size) {
            feed.arrive(end, Tail::Open);
        }
        feed.arrive(text.len(), Tail::Final);
        prop_assert_eq!(feed.pieces, expected);
    }
}

/// A small number stands behind four blanks, as endpoints do: a header whose second line was lost
/// does not take the next record for it.
#[test]
fn a_numbered_head_is_no_line_of_endpoints() {
    let header = "00:00:00.000001 IP (tos 0x0, ttl 64, id 1, offset 0, flags [DF], proto TCP (6), \
                  length 40)\n";
    let text = format!("    1  {header}    2  {header}    10.0.0.1 > 10.0.0.2: x\n");
    let alone = whole(text.as_bytes(), Framer::new(), false);
    assert_eq!(alone.len(), 2);
    assert_eq!(whole(text.as_bytes(), Framer::new(), true), alone);
}

/// A stream that is joined in the midst of a record, at every byte of its first ones, is read right
/// from its second head on at the latest.
#[test]
fn a_stream_joined_anywhere_is_read_right() {
    for sample in samples() {
        let (name, text) = (&sample.name, &sample.text);
        // Text of -t has nothing to tell by; what -A prints can be anything.
        if sample.has("t") || sample.is_ascii() || sample.has_messages() {
            continue;
        }
        let whole = whole(text, Framer::new(), false);
        let ends: Vec<usize> = whole.iter().map(|(end, _)| *end).take(12).collect();
        let Some(last) = ends.last().filter(|_| ends.len() == 12) else {
            continue;
        };
        for start in 0..ends[2].min(3_000) {
            let text = &text[start..*last];
            let mut joined = Feed::new(text, Framer::new(), true);
            joined.arrive(text.len(), Tail::Final);
            let got: Vec<usize> = joined
                .pieces
                .iter()
                .filter(|(_, kind)| *kind == CutKind::Records)
                .map(|(end, _)| end + start)
                .collect();
            // Two records may be lost to finding the style; the rest is as it was.
            let lost = ends.iter().filter(|end| **end > start + 1).skip(3);
            for end in lost {
                assert!(
                    got.contains(end),
                    "{name} joined at {start}: {got:?} without {end}"
                );
            }
        }
    }
}

/// A banner that looks like text without stamps, and a first fraction that looks like
/// nanoseconds, are both found out.
#[test]
fn the_second_head_settles_the_style() {
    let banner = "IP forwarding is enabled\n22:13:20.000001 ARP, a\n22:13:21.000001 ARP, b\n";
    let kinds = |text: &str| -> Vec<CutKind> {
        whole(text.as_bytes(), Framer::new(), false)
            .iter()
            .map(|(_, kind)| *kind)
            .collect()
    };
    let preamble = CutKind::Skipped(Skip::Preamble);
    assert_eq!(
        kinds(banner),
        [preamble, CutKind::Records, CutKind::Records]
    );
    let nano = "17:16:10.100000000 ARP, a\n17:16:11.000001 ARP, b\n17:16:12.000001 ARP, c\n";
    assert_eq!(kinds(nano), [CutKind::Records; 3]);
}

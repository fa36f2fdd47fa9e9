//! One packet's text with its head joined, for programs that read text and not typed values.

use crate::batch::Batch;
use crate::framer::CutKind;
use crate::grammar::{self, Keep, Parts, Piece, Slots};
use crate::head::Style;
use crate::message::{Messages, without_messages};
use crate::part::Part;

/// One packet's text, without tcpdump's own messages.
///
/// ```
/// use dumpstream::framing::{Framer, Tail, Record};
/// let text = b"00:00:00.000001 IP (tos 0x0, ttl 64, id 1, offset 0, flags [DF], proto UDP (17), \
///     length 29)\n    192.0.2.1.5000 > 192.0.2.2.53: UDP, length 1\n\tmore\n";
/// let mut framer = Framer::new();
/// let cut = framer.next(text, Tail::Final).expect("there is a record");
/// let record = Record::new(text[..cut.len].to_vec(), framer.style(), cut.kind);
/// assert!(record.head().ends_with(b"length 29) 192.0.2.1.5000 > 192.0.2.2.53: UDP, length 1"));
/// assert_eq!(record.lines().collect::<Vec<_>>(), [b"\tmore"]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    raw: Vec<u8>,
    head: Head,
    /// Where in `raw` the lines begin that the head does not have.
    rest: usize,
    truncated: bool,
    messages: Messages,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Head {
    /// So many bytes of the text: the usual head of one line is not copied.
    Line(usize),
    /// The lines of the head, joined.
    Joined(Vec<u8>),
}

impl Record {
    /// One record as a [`Framer`](crate::framing::Framer) with this style has cut it.
    ///
    /// # Panics
    /// When there are more than [`Batch::MAX_LEN`] bytes.
    pub fn new(text: Vec<u8>, style: Style, kind: CutKind) -> Record {
        assert!(Batch::fits(text.len()), "a record of {} bytes", text.len());
        let (raw, messages) = without_messages(&text, &style)
            .map_or((text, Messages::default()), |without| {
                (without.bytes, without.removed)
            });
        let (mut parts, mut slots, mut wide) = (Parts::new(), Slots::new(), Vec::new());
        // Where the head ends is the grammar's to say, so that this head is the one that fields are
        // found in.
        let walked = grammar::record(
            &raw,
            0,
            &style,
            Keep::default(),
            &mut parts,
            &mut slots,
            &mut wide,
        );
        debug_assert!(walked.is_ok(), "messages were taken out before");
        let rest = match parts.pieces(Part::Payload).next() {
            Some(Piece::Span(span)) => span.start as usize,
            _ => raw.len(),
        };
        let mut printed = lines(&raw[..rest]);
        let first = printed.next().unwrap_or_default();
        let head = match rest - first.len() {
            0..=2 => Head::Line(first.len()),
            _ => {
                let mut joined = first.to_vec();
                for line in &mut printed {
                    joined.push(b' ');
                    joined.extend_from_slice(line.trim_ascii_start());
                }
                Head::Joined(joined)
            }
        };
        drop(printed);
        Record {
            raw,
            head,
            rest,
            truncated: kind == CutKind::Truncated,
            messages,
        }
    }

    /// The text as it was printed, line feeds and all.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The head: the first line, and what belongs to it of the next, with one blank between them
    /// and no line feed.
    pub fn head(&self) -> &[u8] {
        match &self.head {
            Head::Line(len) => &self.raw[..*len],
            Head::Joined(head) => head,
        }
    }

    /// The other lines, without their line feeds: text of the payload, with all its blanks.
    pub fn lines(&self) -> impl Iterator<Item = &[u8]> {
        lines(&self.raw[self.rest..])
    }

    /// Whether it was cut: at the limit, or by the end of the input.
    pub fn truncated(&self) -> bool {
        self.truncated
    }

    /// The bytes of tcpdump's own messages, and of `dumpstream serve`, that stood among its lines and were taken out.
    pub fn messages(&self) -> u64 {
        self.messages.bytes
    }

    /// How many records `dumpstream serve` says that it skipped, in such a message of its own.
    pub fn unserved(&self) -> u64 {
        self.messages.unserved
    }
}

/// Lines without their line feeds, nor a carriage return before it.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').map(|line| {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        line.strip_suffix(b"\r").unwrap_or(line)
    })
}

//! One owned buffer with every whole record of a read, and when it arrived.

use crate::cell::LENGTH_BITS;
use crate::framer::CutKind;
use crate::head::Style;

/// Whole records, back to back: what a [`Framer`](crate::framing::Framer) cuts and a
/// [`Parser`](crate::Parser) reads.
///
/// The first byte begins a head, and every byte belongs to a record of this batch.
///
/// ```
/// use dumpstream::Parser;
/// use dumpstream::framing::{Batch, Framer, Tail};
/// let text = b"22:13:20.123456 ARP, Request who-has 10.0.0.1 tell 10.0.0.2, length 28\n";
/// let mut framer = Framer::new();
/// let cut = framer.next_batch(text, Tail::Final).expect("there is a record");
/// let batch = Batch::new(text[..cut.len].to_vec(), framer.style()).cut(cut.kind).at(0);
/// assert_eq!(Parser::default().parse(batch).packet(0).offset(), Some(0));
/// ```
#[derive(Clone, Debug)]
pub struct Batch {
    pub(crate) bytes: Vec<u8>,
    pub(crate) style: Style,
    /// When the bytes arrived, nanoseconds since 1970 UTC; `None` for text that was stored before.
    pub(crate) arrival: Option<i64>,
    /// The last record was cut: at the limit, or by the end of the input.
    pub(crate) truncated: bool,
    /// Where the first byte stood in its input, if that is known.
    pub(crate) offset: Option<u64>,
}

impl Batch {
    /// The longest batch, in bytes: 1 GiB less one, since places in a batch have 32 bits and
    /// lengths 30. A [`Framer`](crate::framing::Framer) cuts none longer than
    /// [`LARGEST_MAX_RECORD`](crate::limits::LARGEST_MAX_RECORD), half of it.
    pub const MAX_LEN: usize = (1 << LENGTH_BITS) - 1;

    /// Whether a batch can hold this many bytes.
    pub(crate) fn fits(len: usize) -> bool {
        len <= Batch::MAX_LEN
    }

    /// A batch of what a [`Framer`](crate::framing::Framer) with this style has cut.
    ///
    /// # Panics
    /// When there are more than [`Batch::MAX_LEN`] bytes: let a [`Framer`](crate::framing::Framer) cut them.
    pub fn new(bytes: Vec<u8>, style: Style) -> Batch {
        let len = bytes.len();
        assert!(
            Batch::fits(len),
            "a batch of {len} bytes; at most {}",
            Batch::MAX_LEN
        );
        Batch {
            bytes,
            style,
            arrival: None,
            truncated: false,
            offset: None,
        }
    }

    /// Says where the first byte stood, in bytes from the beginning of the input.
    pub fn at(mut self, offset: u64) -> Batch {
        self.offset = Some(offset);
        self
    }

    /// Says when the bytes arrived, in nanoseconds since 1970 UTC.
    pub fn arrived(mut self, ns: i64) -> Batch {
        self.arrival = Some(ns);
        self
    }

    /// Says what the framer took the bytes for: the last record of [`CutKind::Truncated`] ones was
    /// cut.
    pub fn cut(mut self, kind: CutKind) -> Batch {
        self.truncated = kind == CutKind::Truncated;
        self
    }

    /// What is read of the record at `start`, and of those behind it: all of the text, without the
    /// word that the end of a cut record may have cut. Of `length 1372` it may be `length 13`, and of
    /// an address its half.
    pub(crate) fn certain(&self, start: usize) -> &[u8] {
        if !self.truncated {
            return &self.bytes;
        }
        let ends = |b: &u8| {
            matches!(
                b,
                b' ' | b'\t' | b'\r' | b'\n' | b',' | b')' | b']' | b'}' | b'>'
            )
        };
        let end = self.bytes.iter().rposition(ends).map_or(0, |at| at + 1);
        // A record of one word, where no stamp stands before it.
        if end > start {
            &self.bytes[..end]
        } else {
            &self.bytes
        }
    }

    /// The text.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// When the bytes arrived, in nanoseconds since 1970 UTC.
    pub fn arrival(&self) -> Option<i64> {
        self.arrival
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::text_cell;

    #[test]
    fn every_place_in_the_longest_batch_can_be_kept() {
        assert!(Batch::fits(Batch::MAX_LEN) && !Batch::fits(Batch::MAX_LEN + 1));
        assert!(!Batch::fits((1 << 32) + 1), "32 bits would wrap");
        assert!(Batch::fits(crate::limits::LARGEST_MAX_RECORD));
        let cell = text_cell(crate::cell::Home::Joined, Batch::MAX_LEN, Batch::MAX_LEN);
        assert_eq!(cell >> 32, Batch::MAX_LEN as u64);
        assert_eq!(cell >> LENGTH_BITS & 3, 2);
        assert_eq!(cell & Batch::MAX_LEN as u64, Batch::MAX_LEN as u64);
    }
}

//! One owned buffer with every whole record of a read, and when it arrived.

use crate::cell::LENGTH_BITS;
use crate::head::Style;

/// Whole records, back to back: what a [`Framer`](crate::Framer) cuts and a
/// [`Parser`](crate::Parser) reads.
///
/// The first byte begins a head, and every byte belongs to a record of this batch.
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
    /// lengths 30. A [`Framer`](crate::Framer) cuts none longer than
    /// [`LARGEST_MAX_RECORD`](crate::LARGEST_MAX_RECORD), half of it.
    pub const MAX_LEN: usize = (1 << LENGTH_BITS) - 1;

    /// Whether so many bytes are not too many for one batch.
    pub(crate) fn fits(len: usize) -> bool {
        len <= Batch::MAX_LEN
    }

    /// A batch of what a [`Framer`](crate::Framer) with this style has cut.
    ///
    /// # Panics
    /// When there are more than [`Batch::MAX_LEN`] bytes: let a [`Framer`](crate::Framer) cut them.
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

    /// Says whether the last record was cut.
    pub fn truncated(mut self, truncated: bool) -> Batch {
        self.truncated = truncated;
        self
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
        assert!(Batch::fits(crate::LARGEST_MAX_RECORD));
        let cell = text_cell(crate::cell::Home::Joined, Batch::MAX_LEN, Batch::MAX_LEN);
        assert_eq!(cell >> 32, Batch::MAX_LEN as u64);
        assert_eq!(cell >> LENGTH_BITS & 3, 2);
        assert_eq!(cell & Batch::MAX_LEN as u64, Batch::MAX_LEN as u64);
    }
}

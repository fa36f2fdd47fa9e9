//! One owned buffer with every whole record of a read, and when it arrived.

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
    /// A batch of what a [`Framer`](crate::Framer) with this style has cut.
    pub fn new(bytes: Vec<u8>, style: Style) -> Batch {
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

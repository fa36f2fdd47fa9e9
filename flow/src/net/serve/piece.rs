//! The unit that is sent: whole records, and what stands between them.

/// Text that clients get in one piece: whole records, and bytes between them that belong to none.
///
/// A client that joins late or was skipped ahead begins at a record, so a piece knows where each
/// of its records ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    text: Vec<u8>,
    /// Where the first record begins.
    head: Option<usize>,
    /// Where each record ends, without the bytes between.
    ends: Vec<u32>,
    /// Bytes that belong to no record.
    between: u64,
    /// Bytes that are left out.
    omitted: u64,
}

impl Piece {
    /// The length from which a piece is sent on, in bytes. A client that is being written to holds
    /// one piece, so this times the clients is memory.
    pub const FULL: usize = 32 << 10;

    /// Adds a record.
    ///
    /// # Panics
    /// The piece has more than 4 GiB: a record has at most 512 MiB.
    pub fn record(&mut self, text: &[u8]) {
        self.head.get_or_insert(self.text.len());
        self.text.extend_from_slice(text);
        let end = u32::try_from(self.text.len());
        self.ends
            .push(end.expect("a piece is sent on when it is full"));
    }

    /// Adds bytes that belong to no record. Those before a piece's first record only reach clients
    /// that have had everything before them.
    pub fn between(&mut self, text: &[u8]) {
        self.text.extend_from_slice(text);
        self.between += text.len() as u64;
    }

    /// Counts bytes that are left out.
    pub fn omit(&mut self, bytes: usize) {
        self.omitted += bytes as u64;
    }

    /// Whether it is long enough to be sent on.
    pub fn is_full(&self) -> bool {
        self.text.len() >= Piece::FULL
    }

    /// Whether it has no text, and none was left out.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty() && self.omitted == 0
    }

    /// How many records it has.
    pub fn records(&self) -> u64 {
        self.ends.len() as u64
    }

    /// The text.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// How many of its bytes belong to no record.
    pub(super) fn between_records(&self) -> u64 {
        self.between
    }

    /// How many bytes were left out.
    pub(super) fn omitted(&self) -> u64 {
        self.omitted
    }

    /// Where the first record begins, if there is one.
    pub(super) fn head(&self) -> Option<usize> {
        self.head
    }

    /// How many of its records end within its first `bytes`.
    pub(super) fn records_within(&self, bytes: usize) -> u64 {
        self.ends.partition_point(|end| *end as usize <= bytes) as u64
    }

    /// The memory that it takes, in bytes.
    pub(super) fn cost(&self) -> usize {
        self.text.capacity() + size_of::<u32>() * self.ends.capacity() + 2 * size_of::<Piece>()
    }

    /// Gives back what it does not need; it is kept for a while.
    pub(super) fn shrink(&mut self) {
        self.text.shrink_to_fit();
        self.ends.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_knows_its_records() {
        let mut piece = Piece::default();
        piece.between(b"before");
        assert_eq!((piece.head(), piece.records()), (None, 0));
        piece.record(b"one\n");
        piece.between(b"between\n");
        piece.record(b"two\n");
        assert_eq!((piece.head(), piece.records()), (Some(6), 2));
        let within: Vec<_> = [9, 10, 21, 22].map(|n| piece.records_within(n)).into();
        assert_eq!(within, [0, 1, 1, 2]);
    }
}

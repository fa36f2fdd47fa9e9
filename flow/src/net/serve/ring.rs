//! The newest pieces, which all clients share, and where each client is in them.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::watch;

use super::piece::Piece;

/// The newest pieces, up to a number of bytes.
#[derive(Debug, Default)]
pub(super) struct Ring {
    pieces: VecDeque<Arc<Placed>>,
    /// The memory of the pieces, in bytes.
    cost: usize,
    /// The number of the front piece, counted from the beginning of the text.
    first: u64,
    /// All records so far.
    records: u64,
    /// All bytes so far.
    bytes: u64,
    /// Bytes so far that belong to no record.
    between: u64,
    /// Bytes so far that were left out of the text.
    omitted: u64,
    ended: bool,
}

/// A piece in its place.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) piece: Piece,
    /// Records before it.
    before: u64,
}

impl Ring {
    pub(super) fn records(&self) -> u64 {
        self.records
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn between(&self) -> u64 {
        self.between
    }

    pub(super) fn omitted(&self) -> u64 {
        self.omitted
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// The number of the next piece to come.
    pub(super) fn end(&self) -> u64 {
        self.first + self.pieces.len() as u64
    }

    /// Up to which number pieces are dropped to make room for one of this cost.
    pub(super) fn room(&self, cost: usize, limit: usize) -> u64 {
        let mut over = (self.cost + cost).saturating_sub(limit);
        let dropped = self.pieces.iter().take_while(|placed| {
            let goes = over > 0;
            over = over.saturating_sub(placed.piece.cost());
            goes
        });
        self.first + dropped.count() as u64
    }

    /// Adds a piece, and drops the oldest ones beyond the limit.
    pub(super) fn push(&mut self, piece: Piece, limit: usize) {
        for _ in self.first..self.room(piece.cost(), limit) {
            let oldest = self.pieces.pop_front();
            self.cost -= oldest.map_or(0, |oldest| oldest.piece.cost());
            self.first += 1;
        }
        self.cost += piece.cost();
        self.bytes += piece.text().len() as u64;
        self.between += piece.between_records();
        self.omitted += piece.omitted();
        let before = self.records;
        self.records += piece.records();
        self.pieces.push_back(Arc::new(Placed { piece, before }));
    }

    pub(super) fn close(&mut self) {
        self.ended = true;
    }

    fn get(&self, number: u64) -> Option<&Arc<Placed>> {
        let index = number.checked_sub(self.first)?;
        self.pieces.get(usize::try_from(index).ok()?)
    }
}

/// What a client gets next.
#[derive(Debug)]
pub(super) enum Next {
    /// The text of a piece from here on.
    Text(Arc<Placed>, usize),
    /// The client was too slow: so many records are not in the ring any more.
    Skipped(u64),
    /// The text has ended.
    End,
}

/// Where a client is in the ring.
#[derive(Debug)]
pub(super) struct Cursor {
    ring: watch::Receiver<Ring>,
    /// The number of the next piece.
    next: u64,
    /// Records before it.
    before: u64,
    /// Whether the next text must begin with a record.
    seeks: bool,
}

impl Cursor {
    /// At the end of what has come so far, or at the beginning if nothing has.
    pub(super) fn new(ring: watch::Receiver<Ring>) -> Cursor {
        let (next, before, seeks) = {
            let ring = ring.borrow();
            (ring.end(), ring.records, ring.bytes > 0)
        };
        Cursor {
            ring,
            next,
            before,
            seeks,
        }
    }

    /// The number of the next piece.
    pub(super) fn number(&self) -> u64 {
        self.next
    }

    /// Records before the next piece.
    pub(super) fn before(&self) -> u64 {
        self.before
    }

    /// Waits for what comes next. A client whose next piece was dropped goes on in the middle of
    /// the ring, so that it has half of the ring's time before it is skipped again.
    pub(super) async fn next(&mut self) -> Next {
        loop {
            if let Some(next) = self.ready() {
                return next;
            }
            // The ring outlives its clients.
            if self.ring.changed().await.is_err() {
                return Next::End;
            }
        }
    }

    fn ready(&mut self) -> Option<Next> {
        let ring = self.ring.borrow_and_update();
        if self.next < ring.first {
            self.next = ring.first + ring.pieces.len() as u64 / 2;
            let before = ring.get(self.next).map_or(ring.records, |at| at.before);
            let skipped = before - self.before;
            self.before = before;
            self.seeks = true;
            return Some(Next::Skipped(skipped));
        }
        while let Some(placed) = ring.get(self.next) {
            self.next += 1;
            self.before += placed.piece.records();
            let from = match self.seeks {
                true => placed.piece.head(),
                false => Some(0),
            };
            if let Some(from) = from.filter(|from| *from < placed.piece.text().len()) {
                self.seeks = false;
                return Some(Next::Text(Arc::clone(placed), from));
            }
        }
        ring.ended.then_some(Next::End)
    }

    /// Waits until the next piece is dropped.
    pub(super) async fn lapped(&mut self) {
        let next = self.next;
        if self.ring.wait_for(|ring| ring.first > next).await.is_err() {
            std::future::pending().await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(between: &str, records: &[&str]) -> Piece {
        let mut piece = Piece::default();
        piece.between(between.as_bytes());
        records.iter().for_each(|r| piece.record(r.as_bytes()));
        piece
    }

    /// What a client gets without waiting.
    fn got(cursor: &mut Cursor) -> Vec<String> {
        let text = |next| match next {
            Next::Text(placed, from) => {
                String::from_utf8_lossy(&placed.piece.text()[from..]).into_owned()
            }
            Next::Skipped(n) => format!("skipped {n}"),
            Next::End => "end".to_owned(),
        };
        let mut all = Vec::new();
        while all.last().is_none_or(|last| last != "end")
            && let Some(next) = cursor.ready()
        {
            all.push(text(next));
        }
        all
    }

    #[test]
    fn a_late_client_begins_at_a_record() {
        let ring = watch::Sender::new(Ring::default());
        let push = |piece| ring.send_modify(|ring| ring.push(piece, usize::MAX));
        let mut first = Cursor::new(ring.subscribe());
        push(piece("preamble\n", &["1\n"]));
        let mut late = Cursor::new(ring.subscribe());
        push(piece("late\n", &[]));
        push(piece("message\n", &["2\n", "3\n"]));
        push(piece("late\n", &[]));
        ring.send_modify(Ring::close);
        let all = [
            "preamble\n1\n",
            "late\n",
            "message\n2\n3\n",
            "late\n",
            "end",
        ];
        assert_eq!(got(&mut first), all);
        assert_eq!(got(&mut late), ["2\n3\n", "late\n", "end"]);
    }

    #[test]
    fn a_slow_client_is_skipped_to_the_middle_and_told_exactly() {
        let ring = watch::Sender::new(Ring::default());
        let one = piece("", &["a\n", "b\n"]).cost();
        let mut slow = Cursor::new(ring.subscribe());
        for n in 0..10 {
            let texts = [format!("{n}a\n"), format!("{n}b\n")];
            let texts: Vec<_> = texts.iter().map(String::as_str).collect();
            ring.send_modify(|ring| ring.push(piece("", &texts), 4 * one));
        }
        // Pieces 6 to 9 are there; the middle is 8.
        assert_eq!(ring.borrow().first, 6);
        assert_eq!(got(&mut slow), ["skipped 16", "8a\n8b\n", "9a\n9b\n"]);
        assert_eq!((slow.before(), ring.borrow().records()), (20, 20));
    }

    #[test]
    fn memory_is_bounded_but_for_a_piece_that_is_larger() {
        let mut ring = Ring::default();
        let long = "x".repeat(1000);
        for n in 1..100 {
            ring.push(piece(&long, &[&long[..n]]), 10_000);
            assert!(ring.cost <= 10_000, "{}", ring.cost);
        }
        ring.push(piece(&"x".repeat(20_000), &[]), 10_000);
        assert_eq!(ring.pieces.len(), 1);
    }
}

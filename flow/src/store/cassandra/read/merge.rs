//! Merges the rows of a bucket's partitions into one order.

use std::cmp::Ordering;
use std::collections::{BTreeSet, BinaryHeap};

use scylla::response::PagingState;

use super::partitions::Partition;
use super::row::Line;

/// The partitions of one bucket. The rows of each come in the order of the table's key, and so do
/// the merged rows.
#[derive(Debug, Default)]
pub(super) struct Merge {
    cursors: Vec<Cursor>,
    /// The first row of every cursor that has rows in memory.
    heads: BinaryHeap<Head>,
    /// Cursors whose next page must come before the next row is known.
    hungry: BTreeSet<usize>,
}

/// One partition's rows.
#[derive(Debug)]
struct Cursor {
    partition: Partition,
    rows: std::vec::IntoIter<Line>,
    /// Where the next page begins; `None` after the last.
    next: Option<PagingState>,
}

/// A page to request.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) cursor: usize,
    pub(super) partition: Partition,
    pub(super) state: PagingState,
}

impl Merge {
    /// Rows that are equal except for their sensors come in the order of `partitions`.
    pub(super) fn new(partitions: Vec<Partition>) -> Merge {
        Merge {
            heads: BinaryHeap::with_capacity(partitions.len()),
            hungry: (0..partitions.len()).collect(),
            cursors: partitions
                .into_iter()
                .map(|partition| Cursor {
                    partition,
                    rows: Vec::new().into_iter(),
                    next: Some(PagingState::start()),
                })
                .collect(),
        }
    }

    /// The number of partitions.
    pub(super) fn len(&self) -> usize {
        self.cursors.len()
    }

    /// The pages that must come before the next row can be taken.
    pub(super) fn wanted(&self) -> Vec<Wanted> {
        let wanted = self.hungry.iter().filter_map(|i| {
            let cursor = &self.cursors[*i];
            Some(Wanted {
                cursor: *i,
                partition: cursor.partition,
                state: cursor.next.clone()?,
            })
        });
        wanted.collect()
    }

    /// Adds a requested page, and where the one after it begins.
    pub(super) fn fill(&mut self, i: usize, rows: Vec<Line>, next: Option<PagingState>) {
        let cursor = &mut self.cursors[i];
        cursor.rows = rows.into_iter();
        cursor.next = next;
        self.hungry.remove(&i);
        self.advance(i);
    }

    /// Takes the next row and its partition; `None` at the end. No page may be outstanding.
    pub(super) fn pop(&mut self) -> Option<(Partition, Line)> {
        debug_assert!(self.hungry.is_empty(), "a row that is not here may be next");
        let head = self.heads.pop()?;
        self.advance(head.cursor);
        Some((self.cursors[head.cursor].partition, head.line))
    }

    fn advance(&mut self, i: usize) {
        let cursor = &mut self.cursors[i];
        match cursor.rows.next() {
            Some(line) => self.heads.push(Head { line, cursor: i }),
            None if cursor.next.is_some() => {
                self.hungry.insert(i);
            }
            None => {}
        }
    }
}

/// A row, ordered so that the heap's greatest is the first.
#[derive(Debug)]
struct Head {
    line: Line,
    cursor: usize,
}

impl Head {
    /// The clustering key and what breaks its ties. A partition's rows come so; in any other order
    /// a row that stands behind a later one would come too late.
    fn key(&self) -> (i64, &[u8], u64, usize) {
        let line = &self.line;
        (line.time, line.stream(), line.record, self.cursor)
    }
}

impl Ord for Head {
    fn cmp(&self, other: &Head) -> Ordering {
        other.key().cmp(&self.key())
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Head) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Head) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Head {}

#[cfg(test)]
mod tests {
    use super::super::super::layout::Content;
    use super::super::row::RawRow;
    use super::*;

    fn line(ms: i64, stream: &str, record: i64) -> Line {
        let sources = [
            Content::Time,
            Content::TimeNs,
            Content::Stream,
            Content::Record,
        ];
        let mut raw = RawRow::new(sources.len());
        raw.push(Some(&ms.to_be_bytes()));
        raw.push(Some(&0_i32.to_be_bytes()));
        raw.push(Some(stream.as_bytes()));
        raw.push(Some(&record.to_be_bytes()));
        Line::read(raw, &sources).unwrap()
    }

    fn partitions(shards: i16) -> Vec<Partition> {
        let partition = |shard| Partition { sensor: 0, shard };
        (0..shards).map(partition).collect()
    }

    type Row = (i64, &'static str, i64);

    /// Pages of each partition, merged.
    fn merged(partitions_pages: Vec<Vec<Vec<Row>>>) -> Vec<(i64, String, u64)> {
        let mut merge = Merge::new(partitions(partitions_pages.len() as i16));
        let mut pages: Vec<_> = partitions_pages.into_iter().map(Vec::into_iter).collect();
        let mut all = Vec::new();
        loop {
            let wanted = merge.wanted();
            // In another order than they were asked for: they come as they come.
            for wanted in wanted.into_iter().rev() {
                let page = pages[wanted.cursor].next().unwrap_or_default();
                let rows = page.into_iter().map(|(t, s, r)| line(t, s, r)).collect();
                let more = pages[wanted.cursor].len() > 0;
                merge.fill(wanted.cursor, rows, more.then(PagingState::start));
            }
            if !merge.hungry.is_empty() {
                continue;
            }
            let Some((_, line)) = merge.pop() else {
                return all;
            };
            let stream = String::from_utf8(line.stream().to_vec()).unwrap();
            all.push((line.time / 1_000_000, stream, line.record));
        }
    }

    #[test]
    fn streams_of_equal_times_keep_the_order_of_the_key() {
        // Shard 0 has A's 200 and B's 10, shard 1 has B's 100, all of one instant.
        let rows = merged(vec![
            vec![vec![(1, "a", 200), (1, "b", 10)]],
            vec![vec![(1, "b", 100)]],
        ]);
        let wanted = [(1, "a", 200), (1, "b", 10), (1, "b", 100)];
        assert_eq!(rows, wanted.map(|(t, s, r)| (t, s.to_owned(), r)));
        // A name that is the beginning of another, and one of two bytes a letter.
        let rows = merged(vec![
            vec![vec![(1, "a", 1), (1, "é", 2)]],
            vec![vec![(1, "aa", 3), (1, "z", 1)]],
        ]);
        let streams: Vec<_> = rows.iter().map(|(_, s, _)| s.as_str()).collect();
        assert_eq!(streams, ["a", "aa", "z", "é"]);
    }

    #[test]
    fn pages_end_anywhere_and_may_be_empty() {
        let rows = merged(vec![
            vec![vec![], vec![(2, "s", 2)], vec![], vec![(5, "s", 5)], vec![]],
            vec![vec![(1, "s", 1), (3, "s", 3)], vec![(4, "s", 4)]],
            vec![vec![]],
        ]);
        let records: Vec<_> = rows.iter().map(|(_, _, record)| *record).collect();
        assert_eq!(records, [1, 2, 3, 4, 5]);
        assert!(merged(Vec::new()).is_empty());
    }
}

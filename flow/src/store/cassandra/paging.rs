//! Reads a table page by page: a page is counted in rows, and what is held in bytes.

use std::sync::atomic::{AtomicUsize, Ordering};

use scylla::statement::Consistency;

use super::address::Address;

/// Maximum rows of a page; more gain nothing.
const LARGEST: usize = 4_000;

/// Maximum bytes of a page; while it arrives it is held more than once, also by the server.
pub(crate) const PAGE: usize = 4 << 20;

/// Estimates how many rows a page may have for a number of bytes, from the pages before.
///
/// It cannot foresee that rows become larger: the first page with larger rows is larger by that
/// much.
#[derive(Debug)]
pub(crate) struct Paging {
    /// Estimated bytes per row.
    row: AtomicUsize,
}

impl Paging {
    /// `row` is the estimate before the first page.
    pub(crate) fn new(row: usize) -> Paging {
        Paging {
            row: AtomicUsize::new(row.max(1)),
        }
    }

    /// The rows of a page of about this many bytes: at least one, or nothing would ever come.
    pub(crate) fn rows(&self, bytes: usize) -> i32 {
        let rows = bytes.min(PAGE) / self.row.load(Ordering::Relaxed);
        i32::try_from(rows.clamp(1, LARGEST)).expect("a page is small")
    }

    /// Learns from a page. Larger rows count immediately, smaller ones gradually: a page has at
    /// most twice the rows of the one before.
    pub(crate) fn came(&self, rows: usize, bytes: usize) {
        let Some(mean) = bytes.checked_div(rows) else {
            return;
        };
        let before = self.row.load(Ordering::Relaxed);
        self.row
            .store(mean.max(before / 2).max(1), Ordering::Relaxed);
    }
}

/// The consistency of reads. A sink's URL is also a reader's, and `any` is for writes only: the
/// weakest level for reads is one copy.
pub(crate) fn consistency(address: &Address) -> Consistency {
    match address.consistency {
        Consistency::Any => Consistency::LocalOne,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_keep_to_their_bytes() {
        let paging = Paging::new(16_384);
        let share = 1 << 20;
        assert_eq!(paging.rows(share), 64);
        // Small rows: the pages grow, but never by more than twice.
        let mut before = 64;
        for _ in 0..12 {
            let rows = paging.rows(share);
            assert!(rows <= 2 * before, "{rows} after {before}");
            paging.came(rows as usize, rows as usize * 300);
            before = rows;
        }
        assert_eq!(paging.rows(share), (1 << 20) / 300);
        // Rows of 64 KiB: the next page has no more than the share.
        paging.came(100, 100 << 16);
        assert_eq!(paging.rows(share), 16);
        // A row that is larger than the share comes all the same.
        paging.came(1, 10 << 20);
        assert_eq!(paging.rows(share), 1);
        // A page of no rows tells nothing.
        paging.came(0, 0);
        assert_eq!(paging.rows(share), 1);
        assert_eq!(Paging::new(0).rows(usize::MAX), LARGEST as i32);
    }

    #[test]
    fn what_only_writes_can_ask_is_read_from_one() {
        let of = |level: &str| {
            let url = format!("cassandra://h/k.t?consistency={level}");
            consistency(&url.parse().unwrap())
        };
        assert_eq!(of("any"), Consistency::LocalOne);
        assert_eq!(of("quorum"), Consistency::Quorum);
        assert_eq!(of("all"), Consistency::All);
    }
}

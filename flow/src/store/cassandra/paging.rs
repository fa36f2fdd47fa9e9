//! Reads a table page by page: a page is counted in rows, and what is held in bytes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use scylla::errors::ExecutionError;
use scylla::response::query_result::{QueryResult, QueryRowsResult};
use scylla::response::{PagingState, PagingStateResponse};
use scylla::statement::Consistency;

use super::address::Address;
use super::cluster::PATIENCE;
use super::fault;

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

/// What the driver answers when it is asked for a page.
type Answer = Result<(QueryResult, PagingStateResponse), ExecutionError>;

/// One page: its rows, and where the next begins.
///
/// `ask` asks for it once, and gives `None` where no answer came in time. Where the cluster cannot
/// answer now, `again` says how long to wait before it is asked again; `None` gives up.
///
/// # Errors
/// A sentence: what the cluster refuses, or why it was given up.
pub(crate) async fn page<Asked: Future<Output = Option<Answer>>>(
    ask: impl Fn(PagingState) -> Asked,
    state: PagingState,
    mut again: impl FnMut(&str) -> Option<Duration>,
) -> Result<(QueryRowsResult, Option<PagingState>), String> {
    let mut said: Option<String> = None;
    let (result, next) = loop {
        let why = match ask(state.clone()).await {
            Some(Ok(answer)) => break answer,
            Some(Err(e)) if fault::transient(&e) => fault::said(&e),
            Some(Err(e)) => return Err(fault::said(&e)),
            None => said.take().unwrap_or_else(silent),
        };
        let Some(wait) = again(&why) else {
            return Err(why);
        };
        said = Some(why);
        tokio::time::sleep(wait).await;
    };
    for warning in result.warnings() {
        tracing::debug!("{warning}");
    }
    let next = match next {
        PagingStateResponse::HasMorePages { state } => Some(state),
        PagingStateResponse::NoMorePages => None,
    };
    let rows = result.into_rows_result();
    let rows = rows.map_err(|e| format!("cannot read the answer: {e}"))?;
    Ok((rows, next))
}

/// No answer came in time.
pub(crate) fn silent() -> String {
    let time = PATIENCE.as_secs();
    format!("the cluster has not answered for {time} s; is it up, and are its nodes reachable?")
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

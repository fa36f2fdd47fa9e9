//! Limits the number of requests in flight: fewer when the cluster is overloaded, more again when
//! it recovers.
//!
//! Additive increase, multiplicative decrease, as in TCP: a whole window that succeeds adds one, an
//! error halves. Errors of requests that were sent before the last decrease are ignored.

use tokio::time::Instant;

/// The limit and its bounds.
#[derive(Debug)]
pub(crate) struct Pace {
    limit: f64,
    most: f64,
    cut: Option<Instant>,
}

impl Pace {
    pub(crate) fn new(most: u32) -> Pace {
        let most = f64::from(most.max(1));
        Pace {
            limit: most,
            most,
            cut: None,
        }
    }

    /// The number of requests that may be in flight now: at least one, so that recovery is noticed.
    pub(crate) fn limit(&self) -> usize {
        // Between 1 and `most`, which came from a `u32`.
        self.limit as usize
    }

    /// A request was answered.
    pub(crate) fn succeeded(&mut self) {
        self.limit = (self.limit + 1.0 / self.limit).min(self.most);
    }

    /// A request that was sent at `sent` failed.
    pub(crate) fn failed(&mut self, sent: Instant) {
        if self.cut.is_none_or(|cut| sent >= cut) {
            self.limit = (self.limit / 2.0).max(1.0);
            self.cut = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn one_cut_for_what_was_on_its_way_together() {
        let mut pace = Pace::new(64);
        let sent = Instant::now();
        tokio::time::advance(Duration::from_millis(1)).await;
        for _ in 0..64 {
            pace.failed(sent);
        }
        assert_eq!(pace.limit(), 32);
        for _ in 0..10 {
            tokio::time::advance(Duration::from_millis(1)).await;
            pace.failed(Instant::now());
        }
        assert_eq!(pace.limit(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_window_that_succeeds_adds_one() {
        let mut pace = Pace::new(64);
        for _ in 0..6 {
            tokio::time::advance(Duration::from_millis(1)).await;
            pace.failed(Instant::now());
        }
        assert_eq!(pace.limit(), 1);
        pace.succeeded();
        assert_eq!(pace.limit(), 2);
        (0..3).for_each(|_| pace.succeeded());
        assert_eq!(pace.limit(), 3);
        (0..10_000).for_each(|_| pace.succeeded());
        assert_eq!(pace.limit(), 64);
    }
}

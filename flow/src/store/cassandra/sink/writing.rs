//! One write: requests in flight, requests that wait for their next attempt, and rows that were not
//! sent yet. The number in flight follows the cluster ([`Pace`](super::super::pace::Pace)); the
//! total is bounded by `in_flight`, so an outage costs no memory.
//!
//! When the server refuses a request, either the table has changed or a row is bad. So the tables
//! are checked first, and waited for; then the request is halved until the bad row is alone. Before
//! that row is given up, the tables are checked once more, and other rows must have succeeded
//! meanwhile: if a server refuses all rows, the rows are not at fault.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::Duration;

use dumpstream::{Packet, Packets};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use scylla::errors::ExecutionError;
use tokio::time::Instant;

use super::super::batcher::{Batcher, Proof, RowRef, Which, Work};
use super::super::cluster;
use super::super::fault::{self, Fault};
use super::super::layout::{BLOCK, Bound};
use super::{Ready, Shared, count, lock};
use crate::sink::{SinkError, Written};

/// The wait before the second attempt; it doubles with each further one.
const BACK_OFF: Duration = Duration::from_millis(20);

/// The longest wait between two attempts: rows flow again soon after the cluster recovers.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(2);

/// After this many failures of a node, while other requests succeed, a request is taken to contain
/// a bad row: about ten seconds.
const UNCLEAR_TRIES: u32 = 10;

/// The same limit for each half of such a request, on the way to the bad row.
const HALF_TRIES: u32 = 3;

/// Attempts for a single row when there are no other rows to compare it with.
const LONE_TRIES: u32 = 10;

/// One write.
pub(super) struct Writing<'a> {
    shared: &'a Shared,
    ready: &'a Ready,
    rows: &'a [Packets],
    written: Written,
    /// Single rows that were refused, and are sent once more.
    suspects: u64,
    /// A row that was refused, and why, until it is kept.
    refused: Option<(RowRef, String)>,
}

/// How one request ended.
struct Outcome {
    work: Work,
    sent: Instant,
    result: Result<(), ExecutionError>,
}

impl<'a> Writing<'a> {
    pub(super) fn new(shared: &'a Shared, ready: &'a Ready, rows: &'a [Packets]) -> Writing<'a> {
        Writing {
            shared,
            ready,
            rows,
            written: Written::default(),
            suspects: 0,
            refused: None,
        }
    }

    pub(super) async fn run(mut self) -> Result<Written, SinkError> {
        let most = self.shared.address.in_flight as usize;
        let placing = self.ready.note.placing();
        let mut batcher = Batcher::new(self.rows, placing, self.shared.hosts);
        let mut running = FuturesUnordered::new();
        let mut waiting = FuturesUnordered::new();
        let mut again: VecDeque<Work> = VecDeque::new();
        loop {
            while running.len() < lock(&self.shared.pace).limit() {
                let together = running.len() + waiting.len() + again.len();
                let new = || (together < most).then(|| batcher.next()).flatten();
                let Some(work) = again.pop_front().or_else(new) else {
                    break;
                };
                running.push(request(self.shared, self.ready, self.rows, work));
            }
            if running.is_empty() && waiting.is_empty() {
                break;
            }
            tokio::select! {
                Some(outcome) = running.next() => {
                    let next = self.ended(outcome, &mut again);
                    self.keep().await;
                    if let Some((work, wait)) = next {
                        waiting.push(async move {
                            tokio::time::sleep(wait).await;
                            work
                        });
                    }
                }
                Some(work) = waiting.next() => again.push_back(work),
                // Requests in flight may still arrive; they were not acknowledged.
                () = self.shared.stop.cancelled() => {
                    let known = self.written.delivered + self.written.rejected;
                    self.written.dropped = count(self.rows) - known;
                    return Ok(self.written);
                }
            }
        }
        self.shared.caught_up();
        self.written.rejected += batcher.nameless;
        Ok(self.written)
    }

    /// What follows a request: nothing, more requests, or a wait.
    fn ended(&mut self, outcome: Outcome, again: &mut VecDeque<Work>) -> Option<(Work, Duration)> {
        let Outcome {
            mut work,
            sent,
            result,
        } = outcome;
        let rows = work.rows.len() as u64;
        let Err(error) = result else {
            self.shared.succeeded();
            self.suspects -= u64::from(work.proof == Proof::Single);
            if work.which == Which::Packets {
                self.written.delivered += rows;
                self.shared.delivered.fetch_add(rows, Ordering::Relaxed);
            }
            return None;
        };
        work.since.get_or_insert(sent);
        if !self.blames(&work, &error) {
            self.shared.failed(&error, sent);
            let wait = back_off(work.tries);
            work.tries = work.tries.saturating_add(1);
            return Some((work, wait));
        }
        match (work.proof, &work.rows[..]) {
            (Proof::None, _) => {
                work.proof = Proof::Suspected;
                work.look = Some(Instant::now());
                again.push_front(work);
            }
            (Proof::Suspected, [_]) => {
                work.proof = Proof::Single;
                work.look = Some(Instant::now());
                self.suspects += 1;
                again.push_front(work);
            }
            (_, [row]) => {
                self.suspects -= 1;
                self.reject(work.which, *row, &error);
            }
            (_, rows) => {
                for half in rows.chunks(rows.len().div_ceil(2)).rev() {
                    again.push_front(Work {
                        which: work.which,
                        rows: half.to_vec(),
                        tries: 0,
                        // That its other half gets through speaks against it.
                        since: work.since,
                        proof: Proof::Suspected,
                        look: None,
                    });
                }
            }
        }
        None
    }

    /// Whether an error is about the rows rather than the cluster.
    fn blames(&self, work: &Work, error: &ExecutionError) -> bool {
        let moved = lock(&self.shared.health).moved;
        let others = moved.is_some_and(|moved| work.since.is_some_and(|since| moved > since));
        match fault::of(error) {
            Fault::Later => false,
            Fault::Unclear => {
                let enough = match work.proof {
                    Proof::Suspected => HALF_TRIES,
                    Proof::None | Proof::Single => UNCLEAR_TRIES,
                };
                others && work.tries >= enough
            }
            Fault::Refused => {
                let lone = work.tries >= LONE_TRIES && self.only_suspects();
                work.proof != Proof::Single
                    || others
                    || lone && (moved.is_some() || self.is_small())
            }
        }
    }

    /// Whether every unanswered row was refused alone.
    fn only_suspects(&self) -> bool {
        let answered = self.written.delivered + self.written.rejected;
        count(self.rows) - answered <= self.suspects
    }

    /// Whether there are so few rows that all of them may be bad, rather than the table refusing
    /// every row.
    fn is_small(&self) -> bool {
        count(self.rows) <= BLOCK
    }

    fn reject(&mut self, which: Which, row: RowRef, error: &ExecutionError) {
        let reason = fault::said(error);
        self.refused = Some(match which {
            Which::Packets => {
                self.written.rejected += 1;
                (row, reason)
            }
            // The packet itself is counted where it stands.
            Which::ByHost => (row, format!("by host: {reason}")),
        });
    }

    /// Keeps the refused row.
    async fn keep(&mut self) {
        if let Some((row, reason)) = self.refused.take() {
            let packets = &self.rows[row.packets as usize];
            let index = row.packet as usize;
            self.shared.refuse(packets, index, &reason).await;
        }
    }
}

fn packet(rows: &[Packets], row: RowRef) -> Packet<'_> {
    rows[row.packets as usize].packet(row.packet as usize)
}

/// Sends rows of one partition, once. Refused rows are sent after the tables have been checked.
async fn request(shared: &Shared, ready: &Ready, rows: &[Packets], mut work: Work) -> Outcome {
    if let Some(since) = work.look.take() {
        shared.check(ready, since).await;
    }
    let target = match work.which {
        Which::Packets => &ready.targets[0],
        Which::ByHost => &ready.targets[1],
    };
    let bound: Vec<Bound<'_>> = work
        .rows
        .iter()
        .map(|row| {
            let packet = packet(rows, *row);
            let hosts = shared.hosts.filter(|_| work.which == Which::ByHost);
            let host = hosts.and_then(|h| h.get(packet, row.sent));
            Bound {
                layout: &target.layout,
                packet,
                host: host.map(|host| (host, row.sent)),
            }
        })
        .collect();
    let sent = Instant::now();
    let result = cluster::in_time(target.write(&ready.session, &bound)).await;
    let result = result.unwrap_or(Err(ExecutionError::RequestTimeout(cluster::PATIENCE)));
    Outcome { work, sent, result }
}

/// Twice as long with each attempt, and random, so that no two requests wait equally long.
fn back_off(tries: u32) -> Duration {
    let longest = BACK_OFF
        .saturating_mul(1 << tries.min(16))
        .min(LONGEST_BACK_OFF);
    longest.mul_f64(0.5 + 0.5 * fraction())
}

/// A number between 0 and 1; the keys of the hasher are random.
fn fraction() -> f64 {
    use std::hash::{BuildHasher, RandomState};
    let bits = RandomState::new().hash_one(0u8) >> 11;
    bits as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_are_bounded() {
        for tries in [0, 1, 5, 20, u32::MAX] {
            let wait = back_off(tries);
            assert!(wait >= BACK_OFF / 2 && wait <= LONGEST_BACK_OFF, "{wait:?}");
        }
        assert!(back_off(20) >= LONGEST_BACK_OFF / 2);
    }
}

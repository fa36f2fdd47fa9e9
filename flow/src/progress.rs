//! The figures of inputs while they run.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

use crate::summary::{Summary, plural};

/// The figures of inputs that still run, for a status line; shared by all of them.
#[derive(Debug, Default)]
pub struct Progress {
    bytes: AtomicU64,
    record_bytes: AtomicU64,
    skipped: AtomicU64,
    records: AtomicU64,
    parsed: AtomicU64,
    truncated: AtomicU64,
    names: AtomicU64,
    own: AtomicU64,
    captures: AtomicU64,
    lost: AtomicU64,
    suspect: AtomicU64,
    stalled: AtomicU64,
    waiting: AtomicU64,
}

impl Progress {
    /// All zero.
    pub fn new() -> Progress {
        Progress::default()
    }

    /// Bytes that were read.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// Bytes that belong to records that were cut.
    pub fn record_bytes(&self) -> u64 {
        self.record_bytes.load(Relaxed)
    }

    /// Bytes that belong to no record, tcpdump's own messages among them.
    pub fn skipped(&self) -> u64 {
        self.skipped.load(Relaxed)
    }

    /// Records.
    pub fn records(&self) -> u64 {
        self.records.load(Relaxed)
    }

    /// Records whose protocol was found.
    pub fn parsed(&self) -> u64 {
        self.parsed.load(Relaxed)
    }

    /// Records that were cut.
    pub fn truncated(&self) -> u64 {
        self.truncated.load(Relaxed)
    }

    /// Records with a name in the place of the source's address.
    pub fn names(&self) -> u64 {
        self.names.load(Relaxed)
    }

    /// Records of the connection that they arrived over.
    pub fn own(&self) -> u64 {
        self.own.load(Relaxed)
    }

    /// Runs of tcpdump, by the numbers of `-#`; 0 without them.
    pub fn captures(&self) -> u64 {
        self.captures.load(Relaxed)
    }

    /// Packets that did not arrive, by the numbers of `-#`; as what comes next can tell a forged
    /// number from a loss, it can become less.
    pub fn lost(&self) -> u64 {
        self.lost.load(Relaxed)
    }

    /// Records that tcpdump did not print where they stand, by the numbers of `-#`; it can become
    /// less, too.
    pub fn suspect(&self) -> u64 {
        self.suspect.load(Relaxed)
    }

    /// How long full lanes kept inputs from being read, added up over them; a wait counts once it
    /// is over.
    pub fn stalled(&self) -> Duration {
        Duration::from_nanos(self.stalled.load(Relaxed))
    }

    /// Inputs that wait for full lanes now.
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Relaxed)
    }

    /// An input begins to wait for full lanes.
    pub(crate) fn wait(&self) -> Wait<'_> {
        self.waiting.fetch_add(1, Relaxed);
        Wait {
            progress: self,
            since: Instant::now(),
        }
    }

    pub(crate) fn read(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Relaxed);
    }

    pub(crate) fn skip(&self, bytes: u64) {
        self.skipped.fetch_add(bytes, Relaxed);
    }

    pub(crate) fn add(&self, batch: &Summary) {
        self.record_bytes.fetch_add(batch.record_bytes, Relaxed);
        self.skipped.fetch_add(batch.skipped.messages, Relaxed);
        self.records.fetch_add(batch.records, Relaxed);
        self.parsed.fetch_add(batch.parsed, Relaxed);
        self.truncated.fetch_add(batch.truncated, Relaxed);
        self.names.fetch_add(batch.names, Relaxed);
        self.own.fetch_add(batch.own, Relaxed);
    }

    /// Brings the figures of `-#` from what they were before a batch to what they are after it.
    pub(crate) fn follow(&self, before: &Summary, after: &Summary) {
        // What becomes less wraps around, and so does the sum.
        let add = |sum: &AtomicU64, before: u64, after: u64| {
            if before != after {
                sum.fetch_add(after.wrapping_sub(before), Relaxed);
            }
        };
        add(&self.captures, before.captures, after.captures);
        add(&self.lost, before.lost, after.lost);
        add(&self.suspect, before.suspect, after.suspect);
    }
}

/// An input that waits for full lanes, until this is dropped.
pub(crate) struct Wait<'a> {
    progress: &'a Progress,
    since: Instant,
}

impl Wait<'_> {
    /// How long it waited.
    pub(crate) fn over(self) -> Duration {
        let stalled = self.since.elapsed();
        let nanos = stalled.as_nanos() as u64;
        self.progress.stalled.fetch_add(nanos, Relaxed);
        stalled
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.progress.waiting.fetch_sub(1, Relaxed);
    }
}

impl fmt::Display for Progress {
    /// One line: `13622 packets received, 13600 parsed, 2 truncated, 120 bytes skipped`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} received, {} parsed, {} truncated, {} skipped",
            plural(self.records(), "packet"),
            self.parsed(),
            self.truncated(),
            plural(self.skipped(), "byte"),
        )?;
        if self.captures() > 0 {
            write!(f, ", {} lost, {} suspect", self.lost(), self.suspect())?;
        }
        Ok(())
    }
}

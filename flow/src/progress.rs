//! The figures of inputs while they run.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

use crate::summary::{Summary, plural};

/// The figures of running inputs, for a status line; all inputs share it.
#[derive(Debug, Default)]
pub struct Progress {
    bytes: AtomicU64,
    record_bytes: AtomicU64,
    skipped: AtomicU64,
    unserved: AtomicU64,
    records: AtomicU64,
    parsed: AtomicU64,
    truncated: AtomicU64,
    names: AtomicU64,
    own: AtomicU64,
    captures: AtomicU64,
    lost: AtomicU64,
    suspect: AtomicU64,
    torn: AtomicU64,
    stalled: AtomicU64,
    waiting: AtomicU64,
}

impl Progress {
    /// Creates it with all figures 0.
    pub fn new() -> Progress {
        Progress::default()
    }

    /// Bytes that were read.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// Bytes of records that were cut from the text.
    pub fn record_bytes(&self) -> u64 {
        self.record_bytes.load(Relaxed)
    }

    /// Bytes that belong to no record, including tcpdump's own messages.
    pub fn skipped(&self) -> u64 {
        self.skipped.load(Relaxed)
    }

    /// Packets that `dumpstream serve` says that it skipped.
    pub fn unserved(&self) -> u64 {
        self.unserved.load(Relaxed)
    }

    /// Records.
    pub fn records(&self) -> u64 {
        self.records.load(Relaxed)
    }

    /// Records whose protocol was found.
    pub fn parsed(&self) -> u64 {
        self.parsed.load(Relaxed)
    }

    /// Records that were truncated.
    pub fn truncated(&self) -> u64 {
        self.truncated.load(Relaxed)
    }

    /// Records with a name instead of the source's address.
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

    /// Packets that did not arrive, by the numbers of `-#`. Later numbers can show that one was
    /// forged rather than lost, so the figure can decrease.
    pub fn lost(&self) -> u64 {
        self.lost.load(Relaxed)
    }

    /// Records that tcpdump cannot have printed in their place, by the numbers of `-#`. The figure
    /// can decrease, too.
    pub fn suspect(&self) -> u64 {
        self.suspect.load(Relaxed)
    }

    /// Records that lack lines which came in another partition of a topic.
    pub fn torn(&self) -> u64 {
        self.torn.load(Relaxed)
    }

    /// How long full lanes kept inputs from being read, summed over the inputs; a wait counts after
    /// it has ended.
    pub fn stalled(&self) -> Duration {
        Duration::from_nanos(self.stalled.load(Relaxed))
    }

    /// Inputs that are waiting for full lanes.
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Relaxed)
    }

    /// Records that an input starts to wait for full lanes.
    pub(crate) fn wait(&self) -> Wait<'_> {
        self.waiting.fetch_add(1, Relaxed);
        Wait {
            progress: self,
            since: Instant::now(),
        }
    }

    /// Adds torn records; returns how many there were before.
    pub(crate) fn tear(&self, torn: u64) -> u64 {
        self.torn.fetch_add(torn, Relaxed)
    }

    pub(crate) fn read(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Relaxed);
    }

    pub(crate) fn skip(&self, bytes: u64, unserved: u64) {
        self.skipped.fetch_add(bytes, Relaxed);
        self.unserved.fetch_add(unserved, Relaxed);
    }

    pub(crate) fn add(&self, batch: &Summary) {
        self.record_bytes.fetch_add(batch.record_bytes, Relaxed);
        self.skip(batch.skipped.messages, batch.skipped.unserved);
        self.records.fetch_add(batch.records, Relaxed);
        self.parsed.fetch_add(batch.parsed, Relaxed);
        self.truncated.fetch_add(batch.truncated, Relaxed);
        self.names.fetch_add(batch.names, Relaxed);
        self.own.fetch_add(batch.own, Relaxed);
    }

    /// Replaces the figures of `-#` from before a batch by those after it.
    pub(crate) fn follow(&self, before: &Summary, after: &Summary) {
        // A decrease wraps around, and so does the sum.
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
    /// Ends the wait and returns how long it was.
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
        if self.unserved() > 0 {
            write!(f, ", {} not served", self.unserved())?;
        }
        if self.torn() > 0 {
            write!(f, ", {} torn", self.torn())?;
        }
        if self.captures() > 0 {
            write!(f, ", {} lost, {} suspect", self.lost(), self.suspect())?;
        }
        Ok(())
    }
}

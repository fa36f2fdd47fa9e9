//! Bytes that belong to no record, and why.

/// Why bytes belong to no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Skip {
    /// Before the first head.
    Preamble,
    /// Continuation lines of a record that was already given out, after an idle time.
    Late,
    /// Beyond the limit of one record.
    Oversize,
    /// One of tcpdump's own messages, or of `dumpstream serve`, outside of any record.
    Message,
}

/// Counts of skipped bytes, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Skipped {
    /// See [`Skip::Preamble`].
    pub preamble: u64,
    /// See [`Skip::Late`].
    pub late: u64,
    /// Those of `late` that are empty lines by themselves: tcpdump prints one at Ctrl-C. Nothing is
    /// lost with them.
    pub empty: u64,
    /// See [`Skip::Oversize`].
    pub oversize: u64,
    /// tcpdump's own messages, as `2>&1` mixes them in, and those of `dumpstream serve`.
    pub messages: u64,
    /// Records, not bytes: those that `dumpstream serve` says that it skipped, because they were
    /// not read fast enough.
    pub unserved: u64,
}

impl Skipped {
    /// All skipped bytes.
    pub fn total(&self) -> u64 {
        self.preamble + self.late + self.oversize + self.messages
    }

    /// Counts another's bytes too.
    pub fn add(&mut self, other: &Skipped) {
        self.preamble += other.preamble;
        self.late += other.late;
        self.empty += other.empty;
        self.oversize += other.oversize;
        self.messages += other.messages;
        self.unserved = self.unserved.saturating_add(other.unserved);
    }
}

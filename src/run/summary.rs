//! The figures of an input: while it runs, and at its end.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::framer::Skipped;

/// The figures of one input or of several, as [`run`](super::run) counts them.
///
/// The text of its `Display` reads like the lines that tcpdump ends with, one fact a line, without
/// a line feed at the end; what did not occur is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Inputs that these figures are of.
    pub inputs: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// Bytes that belong to records.
    pub record_bytes: u64,
    /// Bytes that belong to no record, by reason.
    pub skipped: Skipped,
    /// Bytes that were not looked at: the input was refused as text of `tcpdump -A`.
    pub refused: u64,
    /// Records; one is one packet's text.
    pub records: u64,
    /// Records whose protocol was found.
    pub parsed: u64,
    /// Records whose protocol was not: stored all the same, with what could be read.
    pub unparsed: u64,
    /// Records that were cut: at the limit, or by the end of the input.
    pub truncated: u64,
    /// Values whose text does not fit their type.
    pub misfits: u64,
    /// Records with a name in the place of the source's address: tcpdump ran without `-nn`.
    pub names: u64,
    /// Records of the connection that they arrived over: the sender captures its own uplink.
    pub own: u64,
    /// Runs of tcpdump, by the numbers of `-#`; 0 without them. See [`Sequence`](crate::Sequence).
    pub captures: u64,
    /// Packets that tcpdump printed and that did not arrive here, by the numbers of `-#`.
    pub lost: u64,
    /// Records that tcpdump did not print where they stand, by the numbers of `-#`: forged by a
    /// packet's text, or sent twice.
    pub suspect: u64,
    /// How long full lanes kept the input from being read.
    pub stalled: Duration,
}

impl Summary {
    /// Adds another input's figures.
    pub fn add(&mut self, other: &Summary) {
        self.inputs += other.inputs;
        self.bytes += other.bytes;
        self.record_bytes += other.record_bytes;
        self.skipped.add(&other.skipped);
        self.refused += other.refused;
        self.records += other.records;
        self.parsed += other.parsed;
        self.unparsed += other.unparsed;
        self.truncated += other.truncated;
        self.misfits += other.misfits;
        self.names += other.names;
        self.own += other.own;
        self.captures += other.captures;
        self.lost += other.lost;
        self.suspect += other.suspect;
        self.stalled += other.stalled;
    }

    /// Whether the figures add up: every byte is in a record or was skipped for a reason, and every
    /// record was parsed or was not.
    ///
    /// # Errors
    /// The identity that does not hold, with both of its sides.
    pub fn verify(&self) -> Result<(), String> {
        let skipped = self.skipped.total();
        let accounted = self.record_bytes + skipped + self.refused;
        if self.bytes != accounted {
            return Err(format!(
                "{} bytes arrived, but {} in records + {skipped} skipped + {} refused = {accounted}",
                self.bytes, self.record_bytes, self.refused,
            ));
        }
        if self.records != self.parsed + self.unparsed {
            return Err(format!(
                "{} records, but {} parsed + {} not",
                self.records, self.parsed, self.unparsed,
            ));
        }
        Ok(())
    }
}

/// `1 packet`, `2 packets`.
fn plural(n: u64, one: &str) -> String {
    format!("{n} {one}{}", if n == 1 { "" } else { "s" })
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let packet = |n| plural(n, "packet");
        write!(
            f,
            "{} received ({})",
            packet(self.records),
            plural(self.bytes, "byte")
        )?;
        write!(f, "\n{} parsed", packet(self.parsed))?;
        if self.unparsed > 0 {
            write!(f, "\n{} of unknown protocols", packet(self.unparsed))?;
        }
        if self.truncated > 0 {
            write!(f, "\n{} truncated", packet(self.truncated))?;
        }
        if self.misfits > 0 {
            write!(
                f,
                "\n{} left out, not of their type",
                plural(self.misfits, "value")
            )?;
        }
        let reasons = [
            (self.skipped.preamble, "before the first packet"),
            (
                self.skipped.late - self.skipped.empty,
                "too late for their packet",
            ),
            (self.skipped.oversize, "of packets over the limit"),
            (self.skipped.messages, "of tcpdump's own messages"),
        ];
        for (bytes, reason) in reasons.into_iter().filter(|(bytes, _)| *bytes > 0) {
            write!(f, "\n{} skipped, {reason}", plural(bytes, "byte"))?;
        }
        if self.refused > 0 {
            write!(
                f,
                "\n{} refused, of tcpdump -A",
                plural(self.refused, "byte")
            )?;
        }
        if self.captures > 0 {
            // As tcpdump does of its kernel, it is said that none was, too.
            write!(f, "\n{} lost between tcpdump and here", packet(self.lost))?;
        }
        if self.suspect > 0 {
            write!(
                f,
                "\n{} suspect: forged or sent twice, by their numbers",
                packet(self.suspect)
            )?;
        }
        if self.captures > 1 {
            write!(f, "\n{}", plural(self.captures, "capture"))?;
        }
        if self.names > 0 {
            write!(
                f,
                "\n{} with names for addresses: run tcpdump with -nn",
                packet(self.names)
            )?;
        }
        if self.own > 0 {
            write!(
                f,
                "\n{} of the sender's own connection to here: exclude its port in tcpdump's filter",
                packet(self.own),
            )?;
        }
        if self.stalled > Duration::ZERO {
            let seconds = self.stalled.as_secs_f64();
            write!(f, "\n{seconds:.3} seconds not read, waiting for full sinks")?;
        }
        Ok(())
    }
}

/// The figures of inputs that still run, for a status line; shared by all of them.
#[derive(Debug, Default)]
pub struct Progress {
    pub(super) bytes: AtomicU64,
    pub(super) record_bytes: AtomicU64,
    pub(super) skipped: AtomicU64,
    pub(super) records: AtomicU64,
    pub(super) parsed: AtomicU64,
    pub(super) truncated: AtomicU64,
    pub(super) names: AtomicU64,
    pub(super) own: AtomicU64,
    pub(super) captures: AtomicU64,
    pub(super) lost: AtomicU64,
    pub(super) suspect: AtomicU64,
    pub(super) stalled: AtomicU64,
    pub(super) waiting: AtomicU64,
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

    pub(super) fn add(&self, batch: &Summary) {
        self.record_bytes.fetch_add(batch.record_bytes, Relaxed);
        self.skipped.fetch_add(batch.skipped.messages, Relaxed);
        self.records.fetch_add(batch.records, Relaxed);
        self.parsed.fetch_add(batch.parsed, Relaxed);
        self.truncated.fetch_add(batch.truncated, Relaxed);
        self.names.fetch_add(batch.names, Relaxed);
        self.own.fetch_add(batch.own, Relaxed);
    }

    /// Brings the figures of `-#` from what they were before a batch to what they are after it.
    pub(super) fn follow(&self, before: &Summary, after: &Summary) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_and_every_record_is_accounted_for() {
        let skipped = Skipped {
            preamble: 1,
            late: 1,
            messages: 1,
            ..Skipped::default()
        };
        let mut summary = Summary {
            bytes: 10,
            record_bytes: 7,
            skipped,
            ..Summary::default()
        };
        assert_eq!(summary.verify(), Ok(()));
        summary.bytes += 1;
        assert!(
            summary
                .verify()
                .is_err_and(|reason| reason.contains("11 bytes arrived"))
        );
        summary.refused = 1;
        summary.records = 1;
        assert!(
            summary
                .verify()
                .is_err_and(|reason| reason.contains("1 records"))
        );
        summary.unparsed = 1;
        assert_eq!(summary.verify(), Ok(()));
    }

    #[test]
    fn what_did_not_occur_is_not_printed() {
        let mut summary = Summary {
            bytes: 80,
            records: 1,
            parsed: 1,
            ..Summary::default()
        };
        assert_eq!(
            summary.to_string(),
            "1 packet received (80 bytes)\n1 packet parsed"
        );
        summary.captures = 1;
        assert!(
            summary
                .to_string()
                .ends_with("\n0 packets lost between tcpdump and here")
        );
        (summary.captures, summary.lost, summary.suspect) = (2, 1, 3);
        assert!(summary.to_string().ends_with(
            "\n1 packet lost between tcpdump and here\n\
             3 packets suspect: forged or sent twice, by their numbers\n2 captures"
        ));
        summary.names = 1;
        summary.stalled = Duration::from_millis(1500);
        let text = summary.to_string();
        assert!(text.ends_with(
            "1 packet with names for addresses: run tcpdump with -nn\n\
             1.500 seconds not read, waiting for full sinks"
        ));
    }
}

//! What a replay has sent.

use std::fmt;
use std::time::Duration;

use crate::latency::Histogram;

/// What a replay has sent so far, or in all.
///
/// Its `Display` prints lines like tcpreplay's closing lines.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Replayed {
    /// Records that were sent whole.
    pub records: u64,
    /// Bytes, including those that belong to no record.
    pub bytes: u64,
    /// How often the text was sent to its end.
    pub loops: u64,
    /// Records that were due when writing failed, and were not sent whole.
    pub failed: u64,
    /// How long it took, from the first byte that was read.
    pub elapsed: Duration,
    /// How late records were; `None` without a schedule.
    pub delay: Option<Delay>,
}

/// The time from when a record was due until it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delay {
    /// Half of the records were no later than this.
    pub p50: Duration,
    /// 99 of 100 records were no later than this.
    pub p99: Duration,
    /// No record was later than this.
    pub max: Duration,
}

impl fmt::Display for Replayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Avoid a division by zero.
        let seconds = self.elapsed.as_secs_f64().max(1e-9);
        let rate = self.bytes as f64 / seconds;
        write!(
            f,
            "Actual: {} packets ({} bytes) sent in {:.6} seconds\n\
             Rated: {:.1} Bps, {:.2} Mbps, {:.2} pps",
            self.records,
            self.bytes,
            self.elapsed.as_secs_f64(),
            rate,
            rate * 8.0 / 1e6,
            self.records as f64 / seconds,
        )?;
        if let Some(Delay { p50, p99, max }) = self.delay {
            let [p50, p99, max] = [p50, p99, max].map(|delay| delay.as_secs_f64() * 1e3);
            write!(
                f,
                "\nDelay: {p50:.3} ms median, {p99:.3} ms p99, {max:.3} ms max"
            )?;
        }
        if self.loops > 1 {
            write!(f, "\nLoops: {}", self.loops)?;
        }
        if self.failed > 0 {
            write!(f, "\nFailed: {} packets", self.failed)?;
        }
        Ok(())
    }
}

/// The figures of a running replay.
#[derive(Clone, Debug, Default)]
pub(super) struct Figures {
    pub(super) sent: Replayed,
    delays: Histogram,
    longest: Duration,
}

impl Figures {
    /// Counts a record that was due at `due` and written at `now`.
    pub(super) fn delay(&mut self, due: Duration, now: Duration) {
        let late = now.saturating_sub(due);
        let ns = i64::try_from(late.as_nanos()).unwrap_or(i64::MAX);
        self.delays.record(ns, 1);
        self.longest = self.longest.max(late);
    }

    pub(super) fn replayed(&self) -> Replayed {
        let latency = self.delays.summary();
        let delay = latency.p50.zip(latency.p99);
        Replayed {
            // The ends of the histogram's buckets may lie beyond.
            delay: delay.map(|(p50, p99)| Delay {
                p50: p50.min(self.longest),
                p99: p99.min(self.longest),
                max: self.longest,
            }),
            ..self.sent
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_lines_are_those_of_tcpreplay() {
        let mut figures = Figures {
            sent: Replayed {
                records: 200,
                bytes: 13367,
                loops: 1,
                elapsed: Duration::from_millis(500),
                ..Replayed::default()
            },
            ..Figures::default()
        };
        let lines = "Actual: 200 packets (13367 bytes) sent in 0.500000 seconds\n\
                     Rated: 26734.0 Bps, 0.21 Mbps, 400.00 pps";
        assert_eq!(figures.replayed().to_string(), lines);
        (figures.sent.loops, figures.sent.failed) = (2, 1);
        let due = Duration::from_secs(1);
        figures.delay(due, due + Duration::from_micros(80));
        figures.delay(due, Duration::ZERO);
        let more =
            "\nDelay: 0.000 ms median, 0.080 ms p99, 0.080 ms max\nLoops: 2\nFailed: 1 packets";
        assert_eq!(figures.replayed().to_string(), lines.to_owned() + more);
    }
}

//! When each record of a replay is due.

use std::time::Duration;

use super::Pace;

/// Between two loops of a text whose records all have the same time, or that has one record.
const DEFAULT_GAP: Duration = Duration::from_secs(1);

/// When each record is due, counted from the start: a function of the records before it and of no
/// clock, so that no delay adds up.
#[derive(Debug)]
pub(super) struct Schedule {
    pace: Pace,
    max_gap: Option<Duration>,
    loop_delay: Option<Duration>,
    /// When this loop began.
    base: Duration,
    /// When the last record is due.
    last: Duration,
    /// The records and bytes of this loop so far.
    records: u64,
    bytes: u64,
    /// The last stamp, and its distance from the first one of this loop, in nanoseconds.
    stamp: Option<(i64, i128)>,
}

impl Schedule {
    pub(super) fn new(
        pace: Pace,
        max_gap: Option<Duration>,
        loop_delay: Option<Duration>,
    ) -> Schedule {
        Schedule {
            pace,
            max_gap,
            loop_delay,
            base: Duration::ZERO,
            last: Duration::ZERO,
            records: 0,
            bytes: 0,
            stamp: None,
        }
    }

    /// Whether the stamps are asked for.
    pub(super) fn is_by_stamp(&self) -> bool {
        matches!(self.pace, Pace::Multiplier(_))
    }

    /// When the next record is due, given its stamp and its length; never before the one in front of
    /// it. `None`: there is no schedule.
    pub(super) fn record(&mut self, stamp: Option<i64>, len: usize) -> Option<Duration> {
        let after = match self.pace {
            Pace::TopSpeed => return None,
            Pace::Pps(pps) => seconds(self.records as f64 / pps),
            Pace::Mbps(mbps) => seconds(self.bits() / 1e6 / mbps),
            // A record without a stamp is sent with its predecessor.
            Pace::Multiplier(times) => stamp.and_then(|stamp| self.by_stamp(stamp, times)),
        };
        self.records += 1;
        self.bytes += len as u64;
        // What is too late for a clock is due immediately.
        let due = after.and_then(|after| self.base.checked_add(after));
        self.last = self.last.max(due.unwrap_or_default());
        Some(self.last)
    }

    /// When bytes of no record are due: with the record before them.
    pub(super) fn skipped(&mut self, len: usize) -> Option<Duration> {
        self.bytes += len as u64;
        (self.pace != Pace::TopSpeed).then_some(self.last)
    }

    /// Begins the next loop. Returns a pause after the last byte, if there is no schedule to hold it.
    pub(super) fn again(&mut self) -> Duration {
        let gap = self.loop_delay.unwrap_or_else(|| self.mean_gap());
        let pause = match self.pace {
            Pace::TopSpeed => self.loop_delay.unwrap_or_default(),
            _ => Duration::ZERO,
        };
        self.base = self.last.saturating_add(gap);
        self.last = self.base;
        (self.records, self.bytes, self.stamp) = (0, 0, None);
        pause
    }

    /// After the first record, at the speed of the stamps.
    fn by_stamp(&mut self, stamp: i64, times: f64) -> Option<Duration> {
        let (last, offset) = self.stamp.unwrap_or((stamp, 0));
        let mut gap = i128::from(stamp) - i128::from(last);
        if let Some(most) = self.max_gap {
            gap = gap.min((most.as_nanos() as f64 * times) as i128);
        }
        self.stamp = Some((stamp, offset + gap));
        seconds((offset + gap) as f64 / 1e9 / times)
    }

    /// The mean gap between the records of this loop: it also ends the last one.
    fn mean_gap(&self) -> Duration {
        let last = self.last.saturating_sub(self.base);
        let gap = match self.pace {
            Pace::TopSpeed => return Duration::ZERO,
            Pace::Multiplier(_) => {
                let gaps = self.records.saturating_sub(1).max(1);
                seconds(last.as_secs_f64() / gaps as f64)
            }
            // These go on as if the text were longer.
            Pace::Pps(pps) => {
                seconds(self.records as f64 / pps).map(|end| end.saturating_sub(last))
            }
            Pace::Mbps(mbps) => {
                seconds(self.bits() / 1e6 / mbps).map(|end| end.saturating_sub(last))
            }
        };
        gap.filter(|gap| !gap.is_zero()).unwrap_or(DEFAULT_GAP)
    }

    fn bits(&self) -> f64 {
        self.bytes as f64 * 8.0
    }
}

/// `None` if it is negative, or too long for a clock.
fn seconds(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}

//! How long packets take, in buckets that are a few per cent wide.

use std::time::Duration;

/// Buckets per power of two: values are exact to 1/16.
const STEPS: usize = 16;

/// The time from the arrival of a packet's text, or from its time stamp, until its sink acknowledged
/// it. `None` when no packet had a time of arrival, as with text from a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Latency {
    /// Half of the packets took no longer than this.
    pub p50: Option<Duration>,
    /// 99 of 100 packets took no longer than this.
    pub p99: Option<Duration>,
    /// No packet took longer than this.
    pub max: Option<Duration>,
}

/// Counts in logarithmic buckets of nanoseconds; its size is fixed.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    counts: Box<[u64]>,
    total: u64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram {
            counts: vec![0; 64 * STEPS].into(),
            total: 0,
        }
    }
}

impl Histogram {
    /// Counts `packets` that took `ns`. A clock that was set back makes `ns` negative, which counts
    /// as 0.
    pub(crate) fn record(&mut self, ns: i64, packets: u64) {
        self.counts[bucket(ns.max(0).unsigned_abs())] += packets;
        self.total += packets;
    }

    pub(crate) fn summary(&self) -> Latency {
        Latency {
            p50: self.quantile(50),
            p99: self.quantile(99),
            max: self.quantile(100),
        }
    }

    /// The upper end of the bucket that holds this quantile.
    fn quantile(&self, percent: u64) -> Option<Duration> {
        let rank = (u128::from(self.total) * u128::from(percent))
            .div_ceil(100)
            .max(1);
        let mut seen = 0;
        self.counts.iter().enumerate().find_map(|(i, count)| {
            seen += u128::from(*count);
            (*count > 0 && seen >= rank).then(|| Duration::from_nanos(upper(i)))
        })
    }
}

/// Values below [`STEPS`] have a bucket each; above, the four bits after the highest one choose it.
fn bucket(ns: u64) -> usize {
    if ns < STEPS as u64 {
        return ns as usize;
    }
    let shift = ns.ilog2() - STEPS.ilog2();
    shift as usize * STEPS + (ns >> shift) as usize
}

fn upper(bucket: usize) -> u64 {
    if bucket < STEPS {
        return bucket as u64;
    }
    let shift = bucket / STEPS - 1;
    let lead = (bucket % STEPS + STEPS) as u64;
    (lead << shift) + ((1u64 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_within_a_sixteenth_below_its_bucket() {
        for shift in 0..63 {
            for n in [1u64 << shift, (1 << shift) + 1, (1 << shift) * 2 - 1] {
                let told = upper(bucket(n));
                assert!(told >= n && told - n <= n / STEPS as u64, "{n}: {told}");
            }
        }
        assert!(bucket(i64::MAX as u64) < 64 * STEPS);
    }

    #[test]
    fn quantiles_are_of_packets() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.summary(), Latency::default());
        histogram.record(5, 99);
        histogram.record(1_000_000, 1);
        let Latency { p50, p99, max } = histogram.summary();
        let five = Some(Duration::from_nanos(5));
        assert_eq!((p50, p99), (five, five));
        assert!(max >= Some(Duration::from_millis(1)));
        histogram.record(-1, 1);
        assert!(histogram.summary().p99 >= Some(Duration::from_nanos(5)));
    }
}

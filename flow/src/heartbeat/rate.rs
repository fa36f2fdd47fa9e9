//! Rates from counters that only grow, each of a device that may come, go, or begin again.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// Two counters of each device, such as what came in and what went out.
#[derive(Debug)]
pub(super) struct Rates<D> {
    at: Instant,
    before: HashMap<D, [u64; 2]>,
}

impl<D: Eq + Hash> Rates<D> {
    /// Begins with these counters.
    pub(super) fn new(at: Instant, counters: impl IntoIterator<Item = (D, [u64; 2])>) -> Rates<D> {
        Rates {
            at,
            before: counters.into_iter().collect(),
        }
    }

    /// How much of all devices came per second since the last time; `None` where no time has passed. A device
    /// that was not there then has no part in it yet; nor has one whose counters have begun again. Of
    /// two counters of one device the last one counts.
    pub(super) fn next(
        &mut self,
        at: Instant,
        counters: impl IntoIterator<Item = (D, [u64; 2])>,
    ) -> Option<[u64; 2]> {
        let now: HashMap<D, [u64; 2]> = counters.into_iter().collect();
        let grown = |way: usize| -> u64 {
            let devices = now.iter();
            let grown = devices.filter_map(|(device, counters)| {
                let before = self.before.get(device)?[way];
                counters[way].checked_sub(before)
            });
            grown.sum()
        };
        let grown = [grown(0), grown(1)];
        let span = at.saturating_duration_since(self.at);
        (self.at, self.before) = (at, now);
        let rate = grown.map(|amount| per_second(amount, span));
        rate[0].zip(rate[1]).map(|(came, went)| [came, went])
    }
}

/// Rounded to the nearest whole one.
fn per_second(amount: u64, span: Duration) -> Option<u64> {
    let nanos = Some(span.as_nanos()).filter(|nanos| *nanos > 0)?;
    let rate = (u128::from(amount) * 1_000_000_000 + nanos / 2) / nanos;
    Some(u64::try_from(rate).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded on a machine: `vda` of /proc/diskstats, sectors read and written, this far apart.
    const VDA: [[u64; 2]; 2] = [[116_587_762, 231_818_488], [116_613_162, 231_950_224]];
    const APART: Duration = Duration::from_nanos(3_088_133_535);

    fn bytes(sectors: [u64; 2]) -> [u64; 2] {
        sectors.map(|n| n * 512)
    }

    #[test]
    fn a_rate_is_bytes_over_seconds() {
        let begin = Instant::now();
        let mut rates = Rates::new(begin, [("vda", bytes(VDA[0]))]);
        let after = begin + APART;
        let rate = rates.next(after, [("vda", bytes(VDA[1]))]);
        // 25,400 and 131,736 sectors of 512 bytes.
        assert_eq!(rate, Some([4211217, 21841294]));
        let rate = rates.next(after + Duration::from_secs(1), [("vda", bytes(VDA[1]))]);
        assert_eq!(rate, Some([0, 0]));
    }

    #[test]
    fn devices_come_go_and_begin_again() {
        let begin = Instant::now();
        let second = |n| begin + Duration::from_secs(n);
        let mut rates = Rates::new(begin, [("a", [100, 1_000]), ("b", [7, 7])]);
        let with_new = [("a", [150, 1_001]), ("c", [1 << 40, 1 << 40])];
        assert_eq!(rates.next(second(1), with_new), Some([50, 1]));
        let grown = [("a", [150, 1_001]), ("c", [(1 << 40) + 8, 1 << 40])];
        assert_eq!(rates.next(second(2), grown), Some([8, 0]));
        let again = [("a", [3, 4]), ("c", [(1 << 40) + 9, (1 << 40) + 2])];
        assert_eq!(rates.next(second(3), again), Some([1, 2]));
        // A device with two mounts is listed twice.
        let twice = [("a", [13, 4]), ("a", [13, 4])];
        assert_eq!(rates.next(second(5), twice), Some([5, 0]));
        assert_eq!(rates.next(second(5), []), None);
        assert_eq!(rates.next(second(6), []), Some([0, 0]));
    }

    #[test]
    fn large_numbers_are_not_cut() {
        assert_eq!(per_second(u64::MAX, Duration::from_secs(1)), Some(u64::MAX));
        assert_eq!(
            per_second(u64::MAX, Duration::from_millis(1)),
            Some(u64::MAX)
        );
        assert_eq!(per_second(1 << 62, Duration::from_secs(2)), Some(1 << 61));
    }
}

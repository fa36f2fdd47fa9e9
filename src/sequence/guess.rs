//! One way to read the numbers, and what it costs to go on in each way.

/// What is unlikely costs about as many bits as it is.
pub(super) type Cost = u32;

/// A record that is not believed.
pub(super) const DOUBT: Cost = 20;
/// A loss, beside the binary logarithm of how many: one loss after the other, as `grep` before `nc`
/// makes them, stays cheaper than doubt.
const LOSS: Cost = 3;
/// A new capture that begins with 1: less than to doubt that record.
const ANEW: Cost = DOUBT - 2;
/// One that begins with the number that the capture before it began with, or where every Nth packet
/// is printed with N: more than to doubt one record, less than to doubt two.
const ANEW_AS_BEFORE: Cost = DOUBT + 1;
/// One whose beginning was lost, of which a number as small as [`BEGINNING`] is left.
const ANEW_EARLY: Cost = 4 * DOUBT;
/// One whose beginning was lost, and more: nothing else repeats numbers in so long a row.
const ANEW_UNSEEN: Cost = BURST * DOUBT;
/// That every Nth packet is printed, beside N's logarithm: some equal steps in a row make it
/// cheaper than a loss at each.
const SAMPLED: Cost = 20;
/// A count that goes back, or a new one that skips, to just where the one before it ended: that is
/// the old one, with forged records in between.
const RESUMED: Cost = BURST * DOUBT;
/// How many packets behind the old count's end it counts as going on.
const RESUMED_WITHIN: u32 = 64;

/// Records that one packet can print in a row at most, or nearly: 64 KiB of short ones.
pub(super) const BURST: Cost = 1024;
/// The numbers that a capture's lost beginning can be told by.
const BEGINNING: u32 = 8;

/// One way to read the numbers so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Guess {
    pub(super) cost: Cost,
    /// The number of the last believed record.
    pub(super) last: u32,
    /// What is between two printed numbers: 1, more with `--print-sampling`, 0 while only the
    /// capture's first number is known.
    pub(super) step: u32,
    /// The capture's first number.
    pub(super) first: u32,
    /// Believed records in a row, each the successor of the one before it.
    pub(super) run: u32,
    /// Where the count was before its last break, a loss or a new capture; and its step.
    pub(super) before: Option<(u32, u32)>,
    pub(super) lost: u64,
    pub(super) suspect: u64,
    pub(super) captures: u64,
}

impl Guess {
    /// What speaks against a guess: its cost, less what the records of its count's last stretch
    /// speak for it.
    pub(super) fn weakness(&self) -> i64 {
        i64::from(self.cost) - i64::from(self.run.min(BURST) * DOUBT)
    }

    /// The record is not tcpdump's.
    pub(super) fn doubt(self) -> Guess {
        Guess {
            cost: self.cost + DOUBT,
            suspect: self.suspect + 1,
            ..self
        }
    }

    /// The record is the next that was printed, but for those that were lost.
    pub(super) fn goes_on(self, number: u32, step: u32) -> Option<Guess> {
        let ahead = number.wrapping_sub(self.last);
        if ahead == 0 || is_behind(number, self.last) || !ahead.is_multiple_of(step) {
            return None;
        }
        let lost = ahead / step - 1;
        let believed = Guess {
            last: number,
            step,
            ..self
        };
        if lost == 0 {
            let run = self.run.saturating_add(1);
            return Some(Guess { run, ..believed });
        }
        // A loss that wraps just to a beginning is far less likely than a new capture.
        if number == step && number < self.last {
            return None;
        }
        // A new capture that was on its way there has passed it.
        let passes = self
            .before
            .is_some_and(|(before, _)| !is_behind(before, self.last));
        let resumed = if passes { self.resumed(number) } else { 0 };
        Some(Guess {
            cost: self.cost + LOSS + lost.ilog2() + resumed,
            run: 0,
            before: Some((self.last, self.step.max(1))),
            lost: self.lost + u64::from(lost),
            ..believed
        })
    }

    /// What it costs if the count before the last break goes on with this number.
    fn resumed(&self, number: u32) -> Cost {
        match self.before {
            Some((before, step))
                if (1..=RESUMED_WITHIN).contains(&(number.wrapping_sub(before) / step)) =>
            {
                RESUMED
            }
            _ => 0,
        }
    }

    /// The record is the first of every so many that are printed.
    pub(super) fn sampled(self, number: u32) -> Option<Guess> {
        let step = number.wrapping_sub(self.last);
        let sampled = self.goes_on(number, step.max(1))?;
        (step > 1).then(|| Guess {
            cost: sampled.cost + SAMPLED + step.ilog2(),
            ..sampled
        })
    }

    /// The record is the first of a new capture.
    pub(super) fn anew(self, number: u32) -> Option<Guess> {
        let sampled = self.step > 1 && number == self.step;
        let back = number == self.last || is_behind(number, self.last);
        let cost = match number {
            1 => ANEW,
            _ if number == self.first || sampled => ANEW_AS_BEFORE,
            _ if !back => return None,
            ..=BEGINNING => ANEW_EARLY,
            _ => ANEW_UNSEEN,
        };
        Some(Guess {
            cost: self.cost + cost + self.resumed(number),
            last: number,
            step: if sampled { self.step } else { 0 },
            first: number,
            run: 0,
            before: Some((self.last, self.step.max(1))),
            captures: self.captures + 1,
            ..self
        })
    }
}

/// Whether one number comes before another, in 32 bits that wrap.
fn is_behind(number: u32, other: u32) -> bool {
    other.wrapping_sub(number).wrapping_sub(1) < i32::MAX as u32
}

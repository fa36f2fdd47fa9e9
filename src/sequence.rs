//! What the numbers of `-#` show about an input: lost packets, suspect records, and new captures.
//!
//! tcpdump counts the packets that it prints, from 1, in 32 bits. So the successor is right, a skip
//! is a loss between tcpdump and here, and a repeat or a step back is a record that tcpdump did not
//! print there: forged by a packet's text, or sent twice. 1 again is a new capture.
//!
//! A single number cannot be judged by what came before it alone: after a large skip, either
//! everything between was lost or the number was forged, and the next numbers decide. So several
//! *guesses* are kept side by side. Each has believed some records and doubted the others, at a
//! cost for whatever is unlikely; the cheapest guess gives the figures. If the old count continues,
//! the skip was the forgery; if the new one does, the loss was real.
//!
//! Two cases cannot be detected: a forged record that reuses a lost packet's number, and which of
//! two records with the same number is the forged one.

mod guess;

use self::guess::{BURST, Cost, DOUBT, Guess};
use crate::packet::Packets;

/// A guess so much worse than the best is dropped.
const WINDOW: Cost = 2 * BURST * DOUBT;
/// Guesses that are kept for their cost, and as many for the length of their counts: so that many
/// forged numbers do not crowd out the real count, which is long.
const KEPT: usize = 4;
/// So many are let grow before the rest is dropped.
const MOST: usize = 12;

/// Follows the numbers that `-#` prints in one input.
///
/// The figures are those of the likeliest reading so far; a later record can change them for the
/// few before it. Without `-#` they stay 0.
///
/// ```
/// use dumpstream::Sequence;
/// let mut sequence = Sequence::new();
/// // 4 and 5 were lost; 900 was forged, as 7 goes on; 8 came twice.
/// for number in [1, 2, 3, 6, 900, 7, 8, 8, 9] {
///     sequence.number(number);
/// }
/// assert_eq!((sequence.lost(), sequence.suspect(), sequence.captures()), (2, 2, 1));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Sequence {
    /// The best is the first; empty before the first number.
    guesses: Vec<Guess>,
    /// Room for the next ones.
    spare: Vec<Guess>,
    /// Records with numbers that tcpdump cannot print, before the first that it can or after.
    impossible: u64,
}

impl Sequence {
    /// At the beginning of an input.
    pub fn new() -> Sequence {
        Sequence::default()
    }

    /// Follows the numbers of the input's next packets. A packet without a number is ignored.
    pub fn follow(&mut self, packets: &Packets) {
        for number in packets.iter().filter_map(|packet| packet.number()) {
            self.number(number);
        }
    }

    /// Follows the next record's number.
    #[inline]
    pub fn number(&mut self, number: u64) {
        match (&mut self.guesses[..], u32::try_from(number)) {
            // Nearly all there are.
            ([only], Ok(number))
                if only.step > 0 && number.wrapping_sub(only.last) == only.step =>
            {
                only.last = number;
                only.run = only.run.saturating_add(1);
            }
            (_, Ok(number)) => self.weigh(number),
            (_, Err(_)) => self.impossible += 1,
        }
    }

    /// Packets that tcpdump printed but that did not arrive. Packets before the first number do not
    /// count, because an input may join a running capture.
    pub fn lost(&self) -> u64 {
        self.guesses.first().map_or(0, |best| best.lost)
    }

    /// Records that tcpdump cannot have printed in their place: forged, or sent twice.
    pub fn suspect(&self) -> u64 {
        self.impossible + self.guesses.first().map_or(0, |best| best.suspect)
    }

    /// Captures: runs of tcpdump, each of which counts from 1.
    pub fn captures(&self) -> u64 {
        self.guesses.first().map_or(0, |best| best.captures)
    }

    /// The number that the count has reached: that of the last believed record.
    pub fn last(&self) -> Option<u32> {
        self.guesses.first().map(|best| best.last)
    }

    /// Whether some record is suspect in every plausible reading of the numbers: not only by the
    /// likeliest guess, but by all that are nearly as likely.
    pub fn forged(&self) -> bool {
        self.suspect_at_least() > 0
    }

    /// Whether some packet was lost in every plausible reading of the numbers.
    pub fn lossy(&self) -> bool {
        self.lost_at_least() > 0
    }

    /// The records that are suspect in every plausible reading; see [`Sequence::forged`].
    pub fn suspect_at_least(&self) -> u64 {
        self.impossible + self.at_least(|guess| guess.suspect)
    }

    /// The packets that were lost in every plausible reading; see [`Sequence::lossy`].
    pub fn lost_at_least(&self) -> u64 {
        self.at_least(|guess| guess.lost)
    }

    /// The least figure of the guesses that come near the likeliest.
    fn at_least(&self, figure: impl Fn(&Guess) -> u64) -> u64 {
        let near = self.guesses.iter().filter(|guess| guess.cost <= 2 * DOUBT);
        near.map(figure).min().unwrap_or(0)
    }

    fn weigh(&mut self, number: u32) {
        if self.guesses.is_empty() {
            self.guesses.push(Guess {
                cost: 0,
                last: number,
                step: 0,
                first: number,
                run: 0,
                before: None,
                lost: 0,
                suspect: 0,
                captures: 1,
            });
            return;
        }
        let mut next = std::mem::take(&mut self.spare);
        for guess in &self.guesses {
            if guess.last != number {
                // Whatever follows: to doubt the very successor is never cheaper than to doubt what
                // comes with its number later.
                if guess.step == 0 || number.wrapping_sub(guess.last) != guess.step {
                    next.push(guess.doubt());
                }
            }
        }
        // From here on all end with this number: of one step, only the cheapest can win.
        let apart = next.len();
        let mut offer = |guess: Guess| match next[apart..].iter_mut().find(|g| g.step == guess.step)
        {
            Some(held) if guess.cost < held.cost => *held = guess,
            Some(_) => {}
            None => next.push(guess),
        };
        for guess in &self.guesses {
            if guess.last == number {
                offer(guess.doubt());
            }
            guess.anew(number).into_iter().for_each(&mut offer);
            match guess.step {
                0 => {
                    guess.goes_on(number, 1).into_iter().for_each(&mut offer);
                    guess.sampled(number).into_iter().for_each(&mut offer);
                }
                step => guess.goes_on(number, step).into_iter().for_each(&mut offer),
            }
        }
        let (best, least) = next
            .iter()
            .map(|guess| guess.cost)
            .enumerate()
            .min_by_key(|&(_, cost)| cost)
            .expect("every guess has gone on in some way");
        next.swap(0, best);
        next.retain_mut(|guess| {
            guess.cost -= least;
            guess.cost <= WINDOW
        });
        if next.len() > MOST {
            next.sort_unstable_by_key(|guess| guess.cost);
            next[KEPT..].sort_unstable_by_key(Guess::weakness);
            next.truncate(2 * KEPT);
        }
        self.spare = std::mem::replace(&mut self.guesses, next);
        self.spare.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What these numbers tell: lost, suspect, captures.
    fn told(numbers: impl IntoIterator<Item = u64>) -> (u64, u64, u64) {
        let mut sequence = Sequence::new();
        numbers.into_iter().for_each(|n| sequence.number(n));
        (sequence.lost(), sequence.suspect(), sequence.captures())
    }

    #[test]
    fn the_successor_is_right() {
        assert_eq!(told([]), (0, 0, 0));
        assert_eq!(told([1]), (0, 0, 1));
        assert_eq!(told(1..5000), (0, 0, 1));
    }

    #[test]
    fn a_skip_is_lost() {
        assert_eq!(told([1, 2, 5]), (2, 0, 1));
        assert_eq!(told([1, 2, 5, 6, 7]), (2, 0, 1));
        assert_eq!(told((1..100).chain(90_000..90_003)), (89_900, 0, 1));
        assert_eq!(
            told((1..100).chain(2_000_000_000..2_000_000_009)).0,
            1_999_999_900
        );
        // One loss after the other, as a filter in the pipe makes them.
        assert_eq!(told((0..900).map(|i| 1 + i * i)), (808_202 - 900, 0, 1));
    }

    #[test]
    fn a_loss_is_certain_once_the_count_goes_on() {
        let mut sequence = Sequence::new();
        let mut lossy = |number| {
            sequence.number(number);
            sequence.lossy()
        };
        assert!(![1, 2, 3, 6, 7].into_iter().any(&mut lossy));
        assert!(lossy(8));
        // A far number may be forged, and was.
        let mut sequence = Sequence::new();
        for number in [1, 2, 3, 900, 4, 5, 6, 7, 8] {
            sequence.number(number);
            assert!(!sequence.lossy());
        }
    }

    #[test]
    fn a_repeat_or_a_step_back_is_suspect() {
        assert_eq!(told([1, 2, 3, 3]), (0, 1, 1));
        assert_eq!(told([1, 2, 3, 3, 4]), (0, 1, 1));
        assert_eq!(told([1, 2, 3, 2, 4]), (0, 1, 1));
        assert_eq!(told((1..200).chain(100..200).chain(200..300)), (0, 100, 1));
    }

    #[test]
    fn one_again_is_a_new_capture() {
        assert_eq!(told([1, 2, 3, 1]), (0, 0, 2));
        assert_eq!(told([1, 2, 3, 1, 2, 3, 4, 1, 1, 2]), (0, 0, 4));
        assert_eq!(told((1..100).chain(1..200)), (0, 0, 2));
        // Its beginning was lost.
        assert_eq!(told((1..1000).chain(3..400)), (0, 0, 2));
        // It was no beginning.
        assert_eq!(told([1, 2, 3, 4, 1, 5, 6]), (0, 1, 1));
        assert_eq!(told((1..1000).chain(1..30).chain(1000..1100)), (0, 29, 1));
    }

    #[test]
    fn a_forged_jump_is_no_loss() {
        for far in [5, 6, 100, 2_000_000_000, 4_000_000_000] {
            assert_eq!(told([1, 2, 3, far, 4, 5, 6, 7]), (0, 1, 1), "{far}");
        }
        // Several of them, a loss beside them, one in the midst of a count of its own.
        assert_eq!(told([1, 2, 3, 70, 80, 4, 5, 6, 7]), (0, 2, 1));
        assert_eq!(told([1, 2, 3, 70, 71, 72, 4, 5, 6, 7, 8]), (0, 3, 1));
        assert_eq!(told([1, 2, 3, 900, 7, 8, 9]), (3, 1, 1));
        assert_eq!(told((1..9).chain(500..1500).chain(9..1400)), (0, 1000, 1));
        // At the end nothing tells, and a small loss is likelier.
        assert_eq!(told((1..9).chain([11])), (2, 0, 1));
        assert_eq!(told((1..9).chain([2_000_000_000])), (0, 1, 1));
    }

    #[test]
    fn a_forged_successor_is_seen_when_the_real_one_repeats_it() {
        assert_eq!(told([1, 2, 3, 4, 4, 5]), (0, 1, 1));
        assert_eq!(told([1, 2, 3, 4, 5, 6, 4, 5, 6, 7]), (0, 3, 1));
    }

    #[test]
    fn numbers_that_tcpdump_cannot_print() {
        assert_eq!(told([1, 2, 4_294_967_296, 3, u64::MAX, 4]), (0, 2, 1));
    }

    #[test]
    fn thirty_two_bits_wrap() {
        let end = u64::from(u32::MAX);
        let wrapped = |from| (from..=end).chain(0..100);
        assert_eq!(told(wrapped(end - 9)), (0, 0, 1));
        assert_eq!(told((end - 9..=end - 3).chain(4..100)), (7, 0, 1));
        assert_eq!(told(wrapped(end - 9).chain([end, 100, 101])), (0, 1, 1));
    }

    #[test]
    fn a_stream_joins_in_and_begins_again_there() {
        assert_eq!(told(500..900), (0, 0, 1));
        // `--skip 499`, twice.
        assert_eq!(told((500..900).chain(500..700)), (0, 0, 2));
    }

    #[test]
    fn every_nth_packet() {
        let sampled = |from: u64, n: u64| (from..from + 50).map(move |i| i * n);
        for n in [2, 3, 10, 1000, 1_000_000] {
            assert_eq!(told(sampled(1, n)), (0, 0, 1), "{n}");
            assert_eq!(told(sampled(7, n)), (0, 0, 1), "{n}");
            assert_eq!(told(sampled(1, n).chain(sampled(1, n))), (0, 0, 2), "{n}");
            let short = sampled(1, n).filter(|i| *i != 30 * n);
            assert_eq!(told(short), (1, 0, 1), "{n}");
            let forged = sampled(1, n).flat_map(|i| [Some(i), (i == 30 * n).then_some(i + 1)]);
            assert_eq!(told(forged.flatten()), (0, 1, 1), "{n}");
        }
    }

    #[test]
    fn it_is_said_once_it_is_sure() {
        let mut sequence = Sequence::new();
        let mut sure = |n| {
            sequence.number(n);
            sequence.forged()
        };
        assert!(![1, 2, 3, 2_000_000_000].into_iter().any(&mut sure));
        assert!(sure(4));
        let mut sequence = Sequence::new();
        [1, 2, 2_000_000_000, 2_000_000_001, 1]
            .into_iter()
            .for_each(|n| sequence.number(n));
        assert!(!sequence.forged());
    }

    #[test]
    fn many_forged_numbers_do_not_crowd_out_the_real_count() {
        let forged = (0..400).map(|i| 10_000 + 3 * i);
        let (_, suspect, captures) = told((1..1000).chain(forged).chain(1000..9000));
        assert_eq!((suspect, captures), (400, 1));
        let mut sequence = Sequence::new();
        let mut random = 1u64;
        for _ in 0..100_000 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            sequence.number(random >> 32);
            assert!(sequence.guesses.len() <= MOST);
        }
    }
}

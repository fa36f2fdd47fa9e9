//! What the numbers of `-#` show about a sensor, whose count continues across its connections.
//!
//! An input whose first number is 1 starts a count. Any other input continues a count of its sensor
//! that an earlier input left behind, the nearest one below its first number, so that losses in
//! between are seen; if there is none, it joins a tcpdump that was already running. A count belongs
//! to one input at a time: two tcpdumps of one sensor have two counts, which their numbers keep
//! apart.
//!
//! A sender can be back before the end of its old connection is noticed. When the old connection
//! ends, the count that joined is taken as the continuation of the old one, if nothing came over
//! the old connection after the new one had begun.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use dumpstream::{Packets, Sequence};

/// Counts of ended inputs that are kept, over all sensors: each takes at most 2 KiB. The latest are
/// kept, because a sensor that is away for long has usually started a new count.
const KEPT: usize = 1024;

/// Counts that are kept per sensor: more tcpdumps than one host runs at once.
const KEPT_OF_ONE: usize = 8;

/// The counts of all sensors.
#[derive(Debug, Default)]
pub(crate) struct Numbers(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Counts whose input has ended, the latest last.
    left: VecDeque<Left>,
    /// Counts of running inputs that began in the middle of a count.
    joined: Vec<Joined>,
    /// The identity of the next joined input.
    next: u64,
}

#[derive(Debug)]
struct Left {
    sensor: String,
    sequence: Sequence,
    told: Figures,
}

#[derive(Debug)]
struct Joined {
    id: u64,
    sensor: String,
    first: u32,
    began: Instant,
}

/// What the numbers show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) captures: u64,
    pub(crate) lost: u64,
    pub(crate) suspect: u64,
}

impl Figures {
    fn of(sequence: &Sequence) -> Figures {
        Figures {
            captures: sequence.captures(),
            lost: sequence.lost(),
            suspect: sequence.suspect(),
        }
    }

    fn each(self, other: Figures, of: impl Fn(u64, u64) -> u64) -> Figures {
        Figures {
            captures: of(self.captures, other.captures),
            lost: of(self.lost, other.lost),
            suspect: of(self.suspect, other.suspect),
        }
    }
}

/// The count of one input's numbers. At the end it is left to the sensor's next input.
#[derive(Debug)]
pub(crate) struct Numbering<'a> {
    numbers: &'a Numbers,
    sensor: String,
    sequence: Sequence,
    /// What earlier inputs reported about this count.
    before: Figures,
    /// When the count began, and when its last number came.
    last: Option<Instant>,
    /// The identity among those that [joined](State::joined).
    joined: Option<u64>,
    /// It continues the count of another input, which counts the capture.
    continues: bool,
}

impl Numbers {
    /// Tracks the numbers of a new input.
    pub(crate) fn begin(&self) -> Numbering<'_> {
        Numbering {
            numbers: self,
            sensor: String::new(),
            sequence: Sequence::new(),
            before: Figures::default(),
            last: None,
            joined: None,
            continues: false,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        let lock = self.0.lock();
        lock.expect("nothing panics while it holds this lock")
    }
}

impl State {
    /// Takes the count that a number continues.
    fn take(&mut self, sensor: &str, first: u32) -> Option<Left> {
        let counts = self.left.iter().enumerate();
        let of_it = counts.filter(|(_, left)| left.sensor == sensor);
        let ahead = of_it.filter_map(|(i, left)| Some((ahead(first, left.sequence.last()?)?, i)));
        let (_, nearest) = ahead.min()?;
        self.left.remove(nearest)
    }

    fn leave(&mut self, left: Left) {
        let of_it = |other: &&Left| other.sensor == left.sensor;
        let full = self.left.iter().filter(of_it).count() >= KEPT_OF_ONE;
        let oldest = match full {
            true => self.left.iter().position(|other| of_it(&other)),
            false => (self.left.len() >= KEPT).then_some(0),
        };
        if let Some(oldest) = oldest {
            self.left.remove(oldest);
        }
        self.left.push_back(left);
    }

    /// Takes the input that joined at the nearest number above the last one, and not before that
    /// one came.
    fn follower(&mut self, sensor: &str, last: u32, came: Instant) -> Option<Joined> {
        let all = self.joined.iter().enumerate();
        let later = all.filter(|(_, j)| j.sensor == sensor && j.began >= came);
        let ahead = later.filter_map(|(i, j)| Some((ahead(j.first, last)?, i)));
        let (_, nearest) = ahead.min()?;
        Some(self.joined.swap_remove(nearest))
    }
}

/// How far a number is ahead of another, in 32 bits that wrap; `None` if it is not ahead.
fn ahead(number: u32, of: u32) -> Option<u32> {
    let ahead = number.wrapping_sub(of);
    (1..=i32::MAX as u32).contains(&ahead).then_some(ahead)
}

impl Numbering<'_> {
    /// Tracks the numbers of the input's next packets.
    pub(crate) fn follow(&mut self, packets: &Packets) {
        let mut numbers = packets.iter().filter_map(|packet| packet.number());
        let Some(first) = numbers.next() else { return };
        if self.last.is_none() {
            // A number that tcpdump cannot print does not start a count.
            let fits = |number| u32::try_from(number).ok();
            if let Some(first) = fits(first).or_else(|| numbers.find_map(fits)) {
                self.start(packets.sensor(), first);
            }
        }
        self.sequence.follow(packets);
        self.last = self.last.map(|_| Instant::now());
    }

    fn start(&mut self, sensor: &str, first: u32) {
        let began = Instant::now();
        self.last = Some(began);
        sensor.clone_into(&mut self.sensor);
        if first == 1 {
            return;
        }
        let mut state = self.numbers.lock();
        let Some(left) = state.take(sensor, first) else {
            let id = state.next;
            state.next += 1;
            state.joined.push(Joined {
                id,
                sensor: sensor.to_owned(),
                first,
                began,
            });
            self.joined = Some(id);
            return;
        };
        drop(state);
        let impossible = self.sequence.suspect();
        self.sequence = left.sequence;
        self.before = left.told;
        (0..impossible).for_each(|_| self.sequence.number(u64::MAX));
    }

    /// What the numbers of this input show: the figures of its count, less what earlier inputs
    /// reported.
    pub(crate) fn figures(&self) -> Figures {
        let all = Figures::of(&self.sequence);
        let mut figures = all.each(self.before, u64::saturating_sub);
        figures.captures -= u64::from(self.continues).min(figures.captures);
        figures
    }

    /// Whether some record of this input is suspect in every reading of the numbers.
    pub(crate) fn forged(&self) -> bool {
        self.sequence.suspect_at_least() > self.before.suspect
    }

    /// Whether some packet was lost in every reading of the numbers.
    pub(crate) fn lossy(&self) -> bool {
        self.sequence.lost_at_least() > self.before.lost
    }

    /// Ends the input; this can change its [`figures`](Numbering::figures).
    pub(crate) fn end(&mut self) {
        let (Some(came), Some(last)) = (self.last.take(), self.sequence.last()) else {
            return;
        };
        let mut state = self.numbers.lock();
        if let Some(id) = self.joined.take() {
            match state.joined.iter().position(|joined| joined.id == id) {
                Some(own) => drop(state.joined.swap_remove(own)),
                None => self.continues = true,
            }
        }
        if let Some(follower) = state.follower(&self.sensor, last, came) {
            let mut on = self.sequence.clone();
            on.number(u64::from(follower.first));
            // A number too far ahead counts as forged, not as a loss.
            if on.suspect() == self.sequence.suspect() {
                self.sequence = on;
            }
            return;
        }
        let told = Figures::of(&self.sequence).each(self.before, u64::max);
        state.leave(Left {
            sensor: std::mem::take(&mut self.sensor),
            sequence: self.sequence.clone(),
            told,
        });
    }
}

impl Drop for Numbering<'_> {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dumpstream::framing::{Batch, Framer, Tail};
    use dumpstream::{Namespace, Origin, Parser};

    /// An input of a sensor, which takes numbers.
    struct Input<'a>(&'a str, Numbering<'a>);

    impl<'a> Input<'a> {
        fn new(numbers: &'a Numbers, sensor: &'a str) -> Input<'a> {
            Input(sensor, numbers.begin())
        }

        fn take(&mut self, range: impl IntoIterator<Item = u64>) -> &mut Self {
            let line = |n| format!("{n:>5}  1700000000.000001 IP 192.0.2.1 > 192.0.2.2: ICMP\n");
            let text: String = range.into_iter().map(line).collect();
            let mut framer = Framer::new();
            framer
                .next_batch(text.as_bytes(), Tail::Final)
                .expect("a record");
            let batch = Batch::new(text.into_bytes(), framer.style());
            let parser = Parser::new(Namespace::tcpdump()).expect("it is valid");
            let mut packets = parser.parse(batch);
            Origin::new(self.0).stream("x").place(&mut packets);
            self.1.follow(&packets);
            self
        }

        /// Lost, suspect, captures.
        fn end(&mut self) -> (u64, u64, u64) {
            self.1.end();
            let figures = self.1.figures();
            (figures.lost, figures.suspect, figures.captures)
        }
    }

    fn whole<'a>(numbers: &'a Numbers, sensor: &'a str, range: std::ops::Range<u64>) -> [u64; 3] {
        let (lost, suspect, captures) = Input::new(numbers, sensor).take(range).end();
        [lost, suspect, captures]
    }

    #[test]
    fn a_count_goes_on_across_inputs() {
        let numbers = Numbers::default();
        assert_eq!(whole(&numbers, "a", 1..51), [0, 0, 1]);
        assert_eq!(whole(&numbers, "b", 200..251), [0, 0, 1], "another sensor");
        assert_eq!(whole(&numbers, "a", 200..251), [149, 0, 0]);
        assert_eq!(whole(&numbers, "a", 251..260), [0, 0, 0]);
        assert_eq!(whole(&numbers, "a", 261..262), [1, 0, 0]);
        // Begun anew, and again.
        assert_eq!(whole(&numbers, "a", 1..10), [0, 0, 1]);
        assert_eq!(whole(&numbers, "a", 1..20), [0, 0, 1]);
        assert_eq!(whole(&numbers, "a", 20..30), [0, 0, 0]);
        // A count that is none of those joins in.
        assert_eq!(whole(&numbers, "a", 5..8), [0, 0, 1]);
    }

    #[test]
    fn two_at_once_are_kept_apart() {
        let numbers = Numbers::default();
        let mut one = Input::new(&numbers, "a");
        let mut two = Input::new(&numbers, "a");
        for n in 0..100 {
            one.take([1 + n]);
            two.take([5000 + n]);
        }
        assert_eq!((one.end(), two.end()), ((0, 0, 1), (0, 0, 1)));
        assert_eq!(whole(&numbers, "a", 5102..5110), [2, 0, 0]);
        assert_eq!(whole(&numbers, "a", 104..110), [3, 0, 0]);
    }

    #[test]
    fn one_is_back_before_the_other_is_over() {
        let numbers = Numbers::default();
        let mut old = Input::new(&numbers, "a");
        old.take(1..51);
        let mut new = Input::new(&numbers, "a");
        new.take(200..251);
        assert_eq!(old.end(), (149, 0, 1));
        assert_eq!(new.end(), (0, 0, 0));
        assert_eq!(whole(&numbers, "a", 253..255), [2, 0, 0]);
        assert!(numbers.lock().joined.is_empty());
    }

    #[test]
    fn what_was_told_is_not_taken_back() {
        let numbers = Numbers::default();
        let begin = (1..9).chain([60]);
        assert_eq!(Input::new(&numbers, "a").take(begin).end(), (51, 0, 1));
        // 60 was forged.
        let next = (61..62).chain(9..60).chain(60..200);
        let figures = Input::new(&numbers, "a").take(next).end();
        assert_eq!((figures.0, figures.2), (0, 0));
        assert!(figures.1 > 0);
    }

    #[test]
    fn numbers_that_tcpdump_cannot_print_begin_no_count() {
        let numbers = Numbers::default();
        whole(&numbers, "a", 1..51);
        let mut next = Input::new(&numbers, "a");
        next.take([u64::MAX, 1 << 32]).take([u64::MAX, 53]);
        assert_eq!(next.end(), (2, 3, 0));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let numbers = Numbers::default();
        let left = |n: u64| {
            let mut sequence = Sequence::new();
            sequence.number(n);
            Left {
                sensor: (n % 1000).to_string(),
                sequence,
                told: Figures::default(),
            }
        };
        let mut state = numbers.lock();
        for n in 0..20 {
            state.leave(left(1000 * n));
        }
        assert_eq!(state.left.len(), KEPT_OF_ONE);
        for n in 0..5000 {
            state.leave(left(n));
        }
        assert_eq!(state.left.len(), KEPT);
        assert!(state.take("999", 5000).is_some() && state.take("999", 5000).is_some());
    }
}

//! Up to where every lane has answered for an input: the acknowledgement that reaches the source.
//!
//! The rule: a record is answered when *each* lane has delivered it, has rejected it and keeps it
//! in a file of rejects, or has dropped it because it was full and may (`?on_full=drop`). Text that is
//! no record's is answered with what stands before it. A lane that loses a record otherwise, because
//! it is dead, stalled, or given up at the drain, never answers for it: from there on the input is not answered
//! any more, whatever is written later, so that its source gives the record again next time.
//!
//! Nothing else flows back: a plain socket has nobody to tell, and has no [`Acks`].

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;

/// Up to where every lane has answered for one input; see
/// [`Source::acknowledged`](crate::run::Source::acknowledged). Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Acks(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// What the lanes have, in the order of the text.
    sent: VecDeque<Sent>,
    /// How many of them were answered and removed.
    removed: u64,
    answered: u64,
    records: u64,
    /// Where the last text ends that is a record's or nobody's.
    passed: u64,
    broken: Option<String>,
}

#[derive(Debug)]
struct Sent {
    /// Where it ends in the text, and how many records it has.
    end: u64,
    records: u64,
    answered: bool,
}

impl Acks {
    /// For a new input.
    pub fn new() -> Acks {
        Acks::default()
    }

    /// Up to which byte of the input's text everything is answered.
    pub fn answered(&self) -> u64 {
        self.lock().answered
    }

    /// How many records are answered, from the first one on.
    pub fn records(&self) -> u64 {
        self.lock().records
    }

    /// Why nothing more will be answered, if that is so, as the beginning of a sentence.
    pub fn broken(&self) -> Option<String> {
        self.lock().broken.clone()
    }

    /// Whether everything that was sent is answered, or will never be.
    pub(crate) fn is_settled(&self) -> bool {
        let state = self.lock();
        state.sent.is_empty() || state.broken.is_some()
    }

    /// Waits until everything that was sent is answered, or will never be.
    pub async fn settled(&self) {
        loop {
            let changed = self.0.changed.notified();
            tokio::pin!(changed);
            // Before the look: a change in between is not missed.
            changed.as_mut().enable();
            if self.is_settled() {
                return;
            }
            changed.await;
        }
    }

    /// Takes note that records whose text ends at `end` go to the lanes; each of `lanes` lanes then
    /// owes an answer for them.
    pub(crate) fn send(&self, end: u64, records: u64, lanes: usize) -> Ticket {
        let mut state = self.lock();
        let number = state.removed + state.sent.len() as u64;
        // Nothing is answered any more, so that nothing need be remembered.
        if state.broken.is_none() {
            state.sent.push_back(Sent {
                end,
                records,
                answered: false,
            });
            state.passed = end;
        }
        drop(state);
        let ticket = Ticket(Arc::new(Batch {
            acks: self.clone(),
            number,
            open: AtomicUsize::new(lanes),
        }));
        if lanes == 0 {
            self.answer(number);
        }
        ticket
    }

    /// Takes note that text up to here, behind what was sent, is no record's.
    pub(crate) fn pass(&self, end: u64) {
        let mut state = self.lock();
        state.passed = state.passed.max(end);
        state.advance();
    }

    fn answer(&self, number: u64) {
        let mut state = self.lock();
        let place = number.checked_sub(state.removed);
        let place = place.and_then(|place| usize::try_from(place).ok());
        if let Some(sent) = place.and_then(|place| state.sent.get_mut(place)) {
            sent.answered = true;
        }
        state.advance();
        drop(state);
        self.0.changed.notify_waiters();
    }

    fn break_off(&self, why: impl FnOnce() -> String) {
        self.lock().broken.get_or_insert_with(why);
        self.0.changed.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        let state = self.0.state.lock();
        state.expect("nothing panics while it holds this lock")
    }
}

impl State {
    fn advance(&mut self) {
        while let Some(sent) = self.sent.front().filter(|sent| sent.answered) {
            self.answered = sent.end;
            self.records += sent.records;
            self.removed += 1;
            self.sent.pop_front();
        }
        if self.sent.is_empty() && self.broken.is_none() {
            self.answered = self.passed;
        }
    }
}

/// Records of an input that go to the lanes.
#[derive(Clone)]
pub(crate) struct Ticket(Arc<Batch>);

struct Batch {
    acks: Acks,
    number: u64,
    /// Lanes that owe an answer.
    open: AtomicUsize,
}

impl Ticket {
    /// What the lane of this name owes.
    pub(crate) fn owed(&self, lane: &Arc<str>) -> Owed {
        Owed {
            ticket: self.clone(),
            lane: lane.clone(),
            why: "dropped packets",
            answered: false,
        }
    }
}

/// The answer that one lane owes for one batch. Dropped without one, the batch is not answered.
pub(crate) struct Owed {
    ticket: Ticket,
    lane: Arc<str>,
    why: &'static str,
    answered: bool,
}

impl Owed {
    /// The lane has delivered the records, or rejected and kept them, or dropped them and may.
    pub(crate) fn answer(mut self) {
        self.answered = true;
    }

    /// The lane has not; `why` goes on after its name.
    pub(crate) fn refuse(mut self, why: &'static str) {
        self.why = why;
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        let Batch { acks, number, open } = &*self.ticket.0;
        if !self.answered {
            return acks.break_off(|| format!("{} {}", self.lane, self.why));
        }
        if open.fetch_sub(1, Ordering::AcqRel) == 1 {
            acks.answer(*number);
        }
    }
}

impl fmt::Debug for Owed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Owed")
            .field("lane", &self.lane)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owed(ticket: &Ticket) -> Owed {
        ticket.owed(&"lane".into())
    }

    #[test]
    fn an_answer_counts_once_all_before_it_are_there() {
        let acks = Acks::new();
        let (first, second) = (acks.send(10, 1, 2), acks.send(30, 2, 2));
        acks.pass(35);
        owed(&second).answer();
        owed(&second).answer();
        assert_eq!((acks.answered(), acks.records()), (0, 0));
        owed(&first).answer();
        assert_eq!(acks.answered(), 0, "one of two lanes");
        owed(&first).answer();
        assert_eq!((acks.answered(), acks.records()), (35, 3));
        acks.pass(40);
        assert_eq!(acks.answered(), 40);
    }

    #[test]
    fn nothing_is_answered_beyond_what_was_lost() {
        let acks = Acks::new();
        owed(&acks.send(10, 1, 1)).answer();
        drop(owed(&acks.send(20, 1, 1)));
        owed(&acks.send(30, 1, 1)).answer();
        assert_eq!(acks.answered(), 10);
        assert_eq!(acks.broken().as_deref(), Some("lane dropped packets"));
    }

    #[test]
    fn without_lanes_all_is_answered() {
        let acks = Acks::new();
        acks.send(10, 1, 0);
        assert_eq!(acks.answered(), 10);
    }

    #[tokio::test]
    async fn settled_waits_for_the_last_answer() {
        let acks = Acks::new();
        acks.settled().await;
        let last = owed(&acks.send(10, 1, 1));
        let settled = tokio::spawn({
            let acks = acks.clone();
            async move { acks.settled().await }
        });
        tokio::task::yield_now().await;
        assert!(!settled.is_finished());
        last.answer();
        settled.await.unwrap();
    }
}

//! How packets enter the queue: immediately, after a wait for room, or not at all.

use std::time::Duration;

use tokio::sync::TryAcquireError;
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use super::{Queued, Shared, State};
use crate::sink::OnFull;

/// How long nothing must be dropped before a lane is reported to keep up again, so that a lane that
/// fills up repeatedly is reported once.
const CALM: Duration = Duration::from_secs(1);

#[derive(Clone, Copy)]
pub(super) struct Dropping {
    /// Packets that had been dropped before this period.
    before: u64,
    last: Instant,
}

/// What to log about a lane after its lock is released, because standard error may block.
#[must_use]
pub(super) enum Say {
    Nothing,
    Drops,
    /// The sink has recovered, after this many packets were dropped.
    Moves(u64),
}

impl State {
    /// Drops packets because the lane cannot keep up.
    fn pass_over(&mut self, packets: u64) -> Say {
        let now = Instant::now();
        let before = self.counters.dropped;
        self.drop_queued(packets);
        match &mut self.dropping {
            Some(dropping) => {
                dropping.last = now;
                Say::Nothing
            }
            None => {
                self.dropping = Some(Dropping { before, last: now });
                Say::Drops
            }
        }
    }

    /// Reports when the lane has kept up for a while after it did not.
    pub(super) fn moves(&mut self) -> Say {
        match self.dropping {
            Some(dropping) if dropping.last.elapsed() >= CALM => {
                self.dropping = None;
                Say::Moves(self.counters.dropped - dropping.before)
            }
            _ => Say::Nothing,
        }
    }
}

impl Shared {
    /// Queues or drops packets and returns what to log; or returns the packets if they must wait.
    pub(super) fn offer(&self, queued: Queued, count: u64) -> Result<Say, Queued> {
        let mut state = self.lock();
        state.counters.packets += count;
        if state.closing || state.buried {
            state.counters.dropped += count;
            // A dead sink is not late.
            if state.counters.error.is_none() {
                state.counters.undrained += count;
            }
            return Ok(Say::Nothing);
        }
        state.counters.queued += count;
        match self.room.try_acquire_many(queued.permits) {
            Ok(room) => {
                room.forget();
                self.push(&mut state, queued);
                return Ok(state.moves());
            }
            Err(TryAcquireError::Closed) => {
                state.drop_queued(count);
                return Ok(Say::Nothing);
            }
            Err(TryAcquireError::NoPermits) => {}
        }
        if self.drops(&state, Instant::now()) {
            if let Some(owed) = queued.owed.filter(|_| self.may_drop()) {
                owed.answer();
            }
            return Ok(state.pass_over(count));
        }
        state.account(Instant::now());
        state.waiting += 1;
        self.work.notify_one();
        Err(queued)
    }

    /// Logs it.
    pub(super) fn say(&self, say: &Say) {
        let (name, rows) = (&self.name, self.options.rows.plural());
        match say {
            Say::Nothing => {}
            Say::Drops if self.may_drop() => {
                warn!("{name} cannot keep up; dropping {rows}.");
            }
            Say::Drops => warn!(
                "{name} has been stalled for {:?}; dropping {rows} until it recovers.",
                self.options.stall_after
            ),
            Say::Moves(dropped) => {
                warn!("{name} keeps up again; {dropped} {rows} were dropped.");
            }
        }
    }

    fn push(&self, state: &mut State, queued: Queued) {
        if !state.has_work() {
            state.moved = Instant::now();
        }
        let half = self.capacity.div_ceil(2);
        let was_half = state.held >= half;
        state.held += queued.permits;
        state.queue.push_back(queued);
        // The task reads the state each time; it only needs to know that it has changed.
        if state.queue.len() == 1 || (state.held >= half && !was_half) || state.closing {
            self.work.notify_one();
        }
    }

    /// When the sink last made progress: a whole write, or a part of one if the sink reports parts.
    fn moved(&self, state: &State) -> Instant {
        let part = self.sink.upgrade().and_then(|sink| sink.moved());
        part.map_or(state.moved, |part| part.max(state.moved))
    }

    /// Whether the user allowed the lane to drop packets.
    pub(super) fn may_drop(&self) -> bool {
        self.options.on_full == Some(OnFull::Drop)
    }

    /// Whether a full lane drops packets now.
    fn drops(&self, state: &State, now: Instant) -> bool {
        match self.options.on_full {
            Some(OnFull::Drop) => true,
            Some(OnFull::Block) => false,
            None => {
                !self.options.only
                    && state.has_work()
                    && now.saturating_duration_since(self.moved(state)) >= self.options.stall_after
            }
        }
    }

    /// How long a sender waits before it checks whether the sink has made progress; `None`: without
    /// limit.
    fn patience(&self) -> Option<Instant> {
        if self.options.only || self.options.on_full == Some(OnFull::Block) {
            return None;
        }
        let state = self.lock();
        // Without work the sink cannot be late: another sender is about to fill the room.
        let since = if state.has_work() {
            self.moved(&state)
        } else {
            Instant::now()
        };
        since.checked_add(self.options.stall_after)
    }
}

/// A sender that waits for room. If it is dropped before it has queued, its packets are dropped and
/// counted.
pub(super) struct Waiting<'a> {
    shared: &'a Shared,
    count: u64,
}

impl<'a> Waiting<'a> {
    /// For packets that are counted as queued, and as waiting.
    pub(super) fn new(shared: &'a Shared, count: u64) -> Waiting<'a> {
        Waiting { shared, count }
    }

    /// Waits for room as long as the lane allows, and returns what to log.
    pub(super) async fn wait(self, queued: Queued) -> Say {
        let shared = self.shared;
        loop {
            let room = shared.room.acquire_many(queued.permits);
            let room = match shared.patience() {
                None => Ok(room.await),
                Some(deadline) => timeout_at(deadline, room).await,
            };
            match room {
                Ok(Ok(room)) => {
                    room.forget();
                    return self.queue(queued);
                }
                Ok(Err(_)) => return Say::Nothing,
                Err(_) => {
                    let mut state = shared.lock();
                    // Otherwise the sink has made progress, and waiting goes on.
                    if !state.buried && shared.drops(&state, Instant::now()) {
                        let say = state.pass_over(self.count);
                        self.leave(&mut state);
                        drop(state);
                        std::mem::forget(self);
                        return say;
                    }
                }
            }
        }
    }

    fn queue(self, queued: Queued) -> Say {
        let mut state = self.shared.lock();
        let mut say = Say::Nothing;
        // A lane that was buried in the meantime has counted these packets already.
        if !state.buried {
            self.shared.push(&mut state, queued);
            say = state.moves();
        }
        self.leave(&mut state);
        drop(state);
        std::mem::forget(self);
        say
    }

    fn leave(&self, state: &mut State) {
        state.account(Instant::now());
        state.waiting -= 1;
        if state.closing {
            self.shared.work.notify_one();
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if !state.buried {
            state.drop_queued(self.count);
        }
        self.leave(&mut state);
    }
}

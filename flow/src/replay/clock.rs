//! The clock of a replay.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::clock;

/// What a player asks of the time; tests have a clock of their own.
pub(super) trait Clock {
    /// The time since the clock was made.
    fn now(&self) -> Duration;

    /// Waits until then. Returns whether the replay goes on: `false`, at once, after a stop.
    fn wait(&self, until: Duration) -> bool;

    /// The time of day, in nanoseconds since 1970 UTC.
    fn time(&self) -> i64;
}

/// Asks a player to stop, from any thread.
#[derive(Debug, Default)]
pub(super) struct Stop {
    stopped: Mutex<bool>,
    wake: Condvar,
}

impl Stop {
    pub(super) fn stop(&self) {
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.wake.notify_all();
    }
}

/// The system's clock. A wait ends within the kernel's timer slack, about 50 µs: to spin for the
/// rest would cost a whole core, and a thread that used up its time slice is woken later.
#[derive(Debug)]
pub(super) struct System<'a> {
    start: Instant,
    stop: &'a Stop,
}

impl<'a> System<'a> {
    pub(super) fn new(stop: &'a Stop) -> System<'a> {
        System {
            start: Instant::now(),
            stop,
        }
    }
}

impl Clock for System<'_> {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn wait(&self, until: Duration) -> bool {
        let stopped = self.stop.stopped.lock();
        let mut stopped = stopped.unwrap_or_else(PoisonError::into_inner);
        while !*stopped {
            let left = until.saturating_sub(self.now());
            if left.is_zero() {
                return true;
            }
            let wake = self.stop.wake.wait_timeout(stopped, left);
            (stopped, _) = wake.unwrap_or_else(PoisonError::into_inner);
        }
        false
    }

    fn time(&self) -> i64 {
        clock::now()
    }
}

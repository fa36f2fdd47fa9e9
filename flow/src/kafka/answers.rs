//! What the brokers have answered: counted where librdkafka calls back, read by whoever waits.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dumpstream::spell::visible;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{DeliveryResult, ProducerContext};
use tokio::time::Instant;

/// The time of the last acknowledgement is taken once for so many.
const MOVES: usize = 64;

/// The acknowledgements of one write after another. It is the context of the producer, and of those
/// that follow it.
#[derive(Clone, Debug, Default)]
pub(super) struct Answers(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Messages of the current write that are stored.
    delivered: AtomicUsize,
    /// Messages that have an answer, of all writes.
    answered: AtomicUsize,
    /// Messages that came back, not yet taken.
    failed: AtomicUsize,
    /// Whoever waits is woken when so many are answered.
    wanted: AtomicUsize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    failures: Vec<Failure>,
    moved: Option<Instant>,
    /// What librdkafka said last of a broker.
    trouble: Option<Trouble>,
}

/// A message that was not stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failure {
    /// Its place in the write.
    pub(super) place: usize,
    pub(super) code: RDKafkaErrorCode,
}

/// Why a broker cannot be reached.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    pub(super) code: RDKafkaErrorCode,
    pub(super) reason: String,
}

impl Answers {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new write begins; nothing is on its way.
    pub(super) fn begin(&self) {
        self.0.delivered.store(0, Ordering::Relaxed);
    }

    pub(super) fn delivered(&self) -> usize {
        self.0.delivered.load(Ordering::Relaxed)
    }

    pub(super) fn answered(&self) -> usize {
        self.0.answered.load(Ordering::SeqCst)
    }

    pub(super) fn failed(&self) -> bool {
        self.0.failed.load(Ordering::Acquire) > 0
    }

    /// When a message was last stored.
    pub(super) fn moved(&self) -> Option<Instant> {
        self.lock().moved
    }

    /// It was not taken, and counts as one that came back.
    pub(super) fn fails(&self, place: usize, error: &KafkaError) {
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
        self.lock().failures.push(Failure { place, code });
        self.0.failed.fetch_add(1, Ordering::Release);
    }

    /// Waits until so many are answered, but not longer than this.
    pub(super) fn wait(&self, answered: usize, time: Duration) {
        self.0.wanted.store(answered, Ordering::SeqCst);
        let waits = |_: &mut State| self.answered() < answered;
        let waited = self.0.changed.wait_timeout_while(self.lock(), time, waits);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// Those that failed, in the order of the write.
    pub(super) fn failures(&self) -> Vec<Failure> {
        let mut failures = std::mem::take(&mut self.lock().failures);
        self.0.failed.store(0, Ordering::Release);
        failures.sort_unstable_by_key(|failure| failure.place);
        failures
    }

    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.lock().trouble.clone()
    }
}

impl ClientContext for Answers {
    /// What librdkafka tells people who debug it.
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(target: "rdkafka", ?level, facility, "{message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
        tracing::debug!(target: "rdkafka", %error, "{reason}");
        // It says less than what was said before.
        if code == RDKafkaErrorCode::AllBrokersDown {
            return;
        }
        // `… failed: Connection refused (after 0ms in state CONNECT, 3 identical …)`
        let reason = reason.split(" (after ").next().unwrap_or(reason);
        // It may be a text of the broker's.
        let reason = visible(reason).into_owned();
        self.lock().trouble = Some(Trouble { code, reason });
    }
}

impl ProducerContext for Answers {
    /// The place of the message in its write.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, place: usize) {
        let shared = &self.0;
        match result {
            Ok(_) => drop(shared.delivered.fetch_add(1, Ordering::Relaxed)),
            Err((error, _)) => self.fails(place, error),
        }
        let answered = shared.answered.fetch_add(1, Ordering::SeqCst) + 1;
        // Each number comes once.
        let wanted = answered == shared.wanted.load(Ordering::SeqCst);
        if result.is_ok() && (wanted || answered.is_multiple_of(MOVES)) {
            let mut state = self.lock();
            state.moved = Some(Instant::now());
            state.trouble = None;
        }
        if wanted {
            drop(self.lock());
            shared.changed.notify_all();
        }
    }
}

//! Waiting for trouble that passes: a full disk, a locked database, a folder that is away.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::SinkError;
use crate::causes::causes;

/// Set when nobody waits for a thread any more, so that it stops trying.
#[derive(Clone, Debug, Default)]
pub(crate) struct Abandoned(Arc<Bell>);

#[derive(Debug, Default)]
struct Bell {
    rung: AtomicBool,
    lock: Mutex<()>,
    sound: Condvar,
}

impl Abandoned {
    pub(crate) fn get(&self) -> bool {
        self.0.rung.load(Relaxed)
    }

    pub(crate) fn set(&self) {
        let locked = self.0.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.rung.store(true, Relaxed);
        drop(locked);
        self.0.sound.notify_all();
    }

    /// Waits this long, or until it is set; returns whether it is not set.
    pub(crate) fn sleep(&self, pause: Duration) -> bool {
        let locked = self.0.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = |(): &mut ()| !self.get();
        let slept = self.0.sound.wait_timeout_while(locked, pause, waiting);
        drop(slept.unwrap_or_else(PoisonError::into_inner));
        !self.get()
    }
}

/// Reports once that something is waited for, and once that work has resumed.
#[derive(Debug)]
pub(crate) struct Patience {
    sink: String,
    abandoned: Abandoned,
    told: bool,
}

impl Patience {
    /// How long to wait between two attempts: short enough that nobody notices it.
    const PAUSE: Duration = Duration::from_millis(200);

    pub(crate) fn new(sink: &str, abandoned: &Abandoned) -> Patience {
        Patience {
            sink: sink.to_owned(),
            abandoned: abandoned.clone(),
            told: false,
        }
    }

    /// Waits after an attempt that failed. Returns whether to try again: not if nobody waits for it
    /// any more.
    pub(crate) fn wait(&mut self, error: &SinkError) -> bool {
        self.tell(|_| format!("{}; retrying until it succeeds.", causes(error)));
        self.abandoned.sleep(Patience::PAUSE)
    }

    /// The same, with another message and another pause.
    #[cfg(feature = "sqlite")]
    pub(crate) fn wait_for(&mut self, what: &str, pause: Duration) -> bool {
        self.tell(|sink| format!("{sink}: {what}"));
        self.abandoned.sleep(pause)
    }

    /// Reports a failure of work that is tried again later.
    #[cfg(feature = "sqlite")]
    pub(crate) fn failed(&mut self, error: &SinkError) {
        self.tell(|_| format!("{}; retrying until it succeeds.", causes(error)));
    }

    /// Reports it, unless something was reported since the last success.
    fn tell(&mut self, what: impl FnOnce(&str) -> String) {
        if !std::mem::replace(&mut self.told, true) {
            tracing::warn!("{}", what(&self.sink));
        }
    }

    /// An attempt has succeeded.
    pub(crate) fn over(&mut self) {
        if std::mem::take(&mut self.told) {
            tracing::warn!("{}: resumed.", self.sink);
        }
    }
}

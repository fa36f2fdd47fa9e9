//! What SIGHUP asks of sinks: to close their files and open them again by name.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Asks one listener; returns whether the listener still exists.
type Ask = Box<dyn Fn() -> bool + Send>;

/// Tells the sinks that were opened with it to reopen their files, as logrotate needs it. Clones
/// are the same object.
///
/// A `jsonl` or `csv` file or a database is closed and opened by its name: if another file has that
/// name by then, rows go to that one from now on. A sink that rotates its files by itself finishes the current
/// one. Rows that were queued before go to the new file, and no row is split.
#[derive(Clone, Default)]
pub struct Hangup(Arc<Mutex<Vec<Ask>>>);

impl Hangup {
    /// Creates one without listeners.
    pub fn new() -> Hangup {
        Hangup::default()
    }

    /// Asks all sinks; each reopens its files after its current write.
    pub fn raise(&self) {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        asked.retain(|ask| ask());
    }

    /// Calls `ask` each time, until it returns that its listener is gone.
    pub(crate) fn on(&self, ask: impl Fn() -> bool + Send + 'static) {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        asked.push(Box::new(ask));
    }
}

impl fmt::Debug for Hangup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hangup").finish_non_exhaustive()
    }
}

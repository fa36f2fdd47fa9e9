//! What SIGHUP asks of sinks: to let go of their files and open them again by name.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Asks whoever wants to know; says whether there is still somebody.
type Ask = Box<dyn Fn() -> bool + Send>;

/// Tells the sinks that were opened with it to open their files anew, as logrotate asks for it;
/// clones are the same one.
///
/// A `jsonl` or `csv` file is closed and opened by its name: if another was put there in the
/// meantime, rows go to that one from now on. A sink that rotates its files by itself finishes the
/// one that it is at. Rows that were queued before go to the new file, and none is split.
#[derive(Clone, Default)]
pub struct Hangup(Arc<Mutex<Vec<Ask>>>);

impl Hangup {
    /// One that nobody listens to yet.
    pub fn new() -> Hangup {
        Hangup::default()
    }

    /// Asks for it; it is done when the sinks get to it, after the write they are at.
    pub fn raise(&self) {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        asked.retain(|ask| ask());
    }

    /// Calls `ask` each time, until it says that nobody is there any more.
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

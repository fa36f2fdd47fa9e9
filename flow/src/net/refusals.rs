//! Messages about refused connections: any host that reaches the port can cause them, so there is at
//! most one a second, with a count.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::error;

use super::connection::Peer;

/// The minimum time between two messages of one kind.
const EVERY: Duration = Duration::from_secs(1);

/// The refusals of one kind.
#[derive(Debug)]
pub(super) struct Refusals {
    /// Why connections are refused.
    why: String,
    total: AtomicU64,
    recent: Mutex<Recent>,
}

#[derive(Debug, Default)]
struct Recent {
    /// When the last message was logged.
    told: Option<Instant>,
    /// Refused since then, and the last peer of those.
    more: u64,
    peer: Option<Peer>,
    /// What that one adds to why.
    because: String,
}

impl Refusals {
    pub(super) fn new(why: impl Into<String>) -> Refusals {
        Refusals {
            why: why.into(),
            total: AtomicU64::new(0),
            recent: Mutex::default(),
        }
    }

    /// Logs a refused connection, or counts it until [`Refusals::due`].
    pub(super) fn refuse(&self, peer: Peer) {
        self.refuse_because(peer, String::new());
    }

    /// The same, with what went wrong.
    pub(super) fn refuse_because(&self, peer: Peer, because: String) {
        self.total.fetch_add(1, Relaxed);
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.more += 1;
        recent.peer = Some(peer);
        recent.because = because;
        self.tell(&mut recent);
    }

    /// Connections refused so far.
    pub(super) fn total(&self) -> u64 {
        self.total.load(Relaxed)
    }

    /// When those that were counted are to be logged.
    pub(super) fn due(&self) -> Option<Instant> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.told.filter(|_| recent.more > 0).map(|t| t + EVERY)
    }

    /// Logs those that were counted, if it is time.
    pub(super) fn tell_due(&self) {
        self.tell(&mut self.recent.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn tell(&self, recent: &mut Recent) {
        let Some(peer) = &recent.peer else { return };
        if recent.told.is_some_and(|told| told.elapsed() < EVERY) {
            return;
        }
        let (why, because) = (&self.why, &recent.because);
        let colon = if because.is_empty() { "" } else { ": " };
        match recent.more {
            0 => return,
            1 => error!(%peer, "Refused a connection: {why}{colon}{because}."),
            more => {
                error!(%peer, "Refused {more} connections in a second, the last one from this peer: {why}{colon}{because}.")
            }
        }
        *recent = Recent {
            told: Some(Instant::now()),
            ..Recent::default()
        };
    }
}

//! Messages about refused connections: any host that reaches the port can cause them, so there is at
//! most one a second, with a count.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::error;

/// The minimum time between two messages of one kind.
const EVERY: Duration = Duration::from_secs(1);

/// The refusals of one kind.
#[derive(Debug)]
pub(super) struct Refusals {
    /// Why connections are refused.
    why: String,
    recent: Mutex<Recent>,
}

#[derive(Debug, Default)]
struct Recent {
    /// When the last message was logged.
    told: Option<Instant>,
    /// Refused since then, and the last peer of those.
    more: u64,
    peer: Option<SocketAddr>,
}

impl Refusals {
    pub(super) fn new(why: impl Into<String>) -> Refusals {
        Refusals {
            why: why.into(),
            recent: Mutex::default(),
        }
    }

    /// Logs a refused connection, or counts it until [`Refusals::due`].
    pub(super) fn refuse(&self, peer: SocketAddr) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.more += 1;
        recent.peer = Some(peer);
        self.tell(&mut recent);
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
        let Some(peer) = recent.peer else { return };
        if recent.told.is_some_and(|told| told.elapsed() < EVERY) {
            return;
        }
        let why = &self.why;
        match recent.more {
            0 => return,
            1 => error!(%peer, "Refused a connection: {why}."),
            more => {
                error!(%peer, "Refused {more} connections in a second, the last one from this peer: {why}.")
            }
        }
        *recent = Recent {
            told: Some(Instant::now()),
            ..Recent::default()
        };
    }
}

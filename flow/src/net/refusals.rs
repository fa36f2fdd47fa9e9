//! Messages about connections that were refused, or ended early: any host that reaches the port can
//! cause them, so there is at most one a second, with a count.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::error;

use super::connection::Peer;

/// The minimum time between two messages of one kind.
const EVERY: Duration = Duration::from_secs(1);

/// The refusals, or early ends, of one kind.
#[derive(Debug)]
pub(super) struct Refusals {
    /// What happened to one, and to several: the words before and after their number.
    one: &'static str,
    several: [&'static str; 2],
    /// Why, if it is always the same.
    why: String,
    /// Notified when one is counted that is not logged yet.
    counted: Arc<Notify>,
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
    pub(super) fn new(why: impl Into<String>, counted: &Arc<Notify>) -> Refusals {
        Refusals {
            one: "Refused a connection",
            several: ["Refused ", " connections"],
            why: why.into(),
            counted: Arc::clone(counted),
            total: AtomicU64::new(0),
            recent: Mutex::default(),
        }
    }

    /// For connections that end early.
    pub(super) fn of_early_ends(counted: &Arc<Notify>) -> Refusals {
        Refusals {
            one: "A connection ended early",
            several: ["", " connections ended early"],
            ..Refusals::new("", counted)
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
        if recent.more > 0 {
            self.counted.notify_one();
        }
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
        let colon = match why.is_empty() || because.is_empty() {
            true => "",
            false => ": ",
        };
        let (one, [before, after]) = (self.one, self.several);
        let what = match recent.more {
            0 => return,
            1 => one.to_owned(),
            more => format!("{before}{more}{after} in a second, the last one from this peer"),
        };
        error!(%peer, "{what}: {why}{colon}{because}.");
        *recent = Recent {
            told: Some(Instant::now()),
            ..Recent::default()
        };
    }
}

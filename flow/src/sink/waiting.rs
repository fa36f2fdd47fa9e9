//! Reports what is waited for: once, again when it changes, and once a minute.

use std::time::{Duration, Instant};

/// Time between two checks for something that does not exist yet.
pub(crate) const POLL: Duration = Duration::from_secs(1);

/// What lasts is reported again after this time.
pub(crate) const REMIND: Duration = Duration::from_secs(60);

/// What a sink waits for.
#[derive(Debug)]
pub(crate) struct Waiting {
    sink: String,
    said: Option<(String, Instant)>,
}

impl Waiting {
    pub(crate) fn new(sink: &str) -> Waiting {
        Waiting {
            sink: sink.to_owned(),
            said: None,
        }
    }

    /// It waits for this.
    pub(crate) fn say(&mut self, what: String) {
        let new = match &self.said {
            Some((said, at)) => *said != what || at.elapsed() >= REMIND,
            None => true,
        };
        if new {
            tracing::warn!(sink = %self.sink, "Waiting: {what}");
            self.said = Some((what, Instant::now()));
        }
    }

    /// It waits for this, and looks again in a moment.
    #[cfg(feature = "cassandra")]
    pub(crate) async fn wait(&mut self, what: String) {
        self.say(what);
        tokio::time::sleep(POLL).await;
    }

    /// It does not wait any more.
    pub(crate) fn over(&mut self) {
        if self.said.take().is_some() {
            tracing::warn!(sink = %self.sink, "Resumed.");
        }
    }
}

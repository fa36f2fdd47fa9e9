//! Waiting for what is not there yet: what it is, and how it is reported.

use std::time::Duration;

/// Why the tables are not ready.
#[derive(Clone, Debug)]
pub(crate) enum Pending {
    /// Something does not exist yet: what, and what would create it.
    Wait(String),
    /// No waiting can repair it.
    Never(Halt),
}

/// Why a sink ends.
#[derive(Clone, Debug)]
pub(crate) enum Halt {
    Refused(String),
    Column {
        column: String,
        found: String,
        wanted: &'static str,
    },
}

impl Halt {
    pub(crate) fn text(&self) -> String {
        match self {
            Halt::Refused(why) => why.clone(),
            Halt::Column {
                column,
                found,
                wanted,
            } => format!("column `{column}` is {found} there but must be {wanted}"),
        }
    }
}

/// Time between two checks for something that does not exist yet.
const POLL: Duration = Duration::from_secs(1);

/// What is waited for is reported again after this time.
const REMIND: Duration = Duration::from_secs(60);

/// Reports what is waited for: once, again when it changes, and once a minute.
#[derive(Debug)]
pub(crate) struct Waiting<'a> {
    sink: &'a str,
    said: Option<(String, tokio::time::Instant)>,
}

impl<'a> Waiting<'a> {
    pub(crate) fn new(sink: &'a str) -> Waiting<'a> {
        Waiting { sink, said: None }
    }

    /// Waits a moment.
    pub(crate) async fn wait(&mut self, what: String) {
        let new = match &self.said {
            Some((said, at)) => *said != what || at.elapsed() >= REMIND,
            None => true,
        };
        if new {
            tracing::warn!(sink = %self.sink, "Waiting: {what}");
            self.said = Some((what, tokio::time::Instant::now()));
        }
        tokio::time::sleep(POLL).await;
    }

    /// Ends the wait.
    pub(crate) fn over(self) {
        if self.said.is_some() {
            tracing::warn!(sink = %self.sink, "Resumed.");
        }
    }
}

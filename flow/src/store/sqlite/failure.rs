//! Errors of a database, as errors of the sink that writes to it.

use rusqlite::ErrorCode;

use crate::sink::SinkError;

/// Makes errors that name the sink.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) sink: String,
}

impl Failure {
    pub(super) fn of(sink: &str) -> Failure {
        Failure {
            sink: sink.to_owned(),
        }
    }

    pub(super) fn refuse(&self, why: impl Into<String>) -> SinkError {
        SinkError::Refused {
            sink: self.sink.clone(),
            why: why.into(),
        }
    }

    pub(super) fn doing(&self, action: &'static str) -> impl FnOnce(rusqlite::Error) -> SinkError {
        move |source| {
            let sink = self.sink.clone();
            match source.sqlite_error_code() {
                Some(ErrorCode::NotADatabase) => SinkError::Refused {
                    sink,
                    why: "is not an SQLite database; name another file".to_owned(),
                },
                _ => SinkError::Database {
                    sink,
                    action,
                    source: source.into(),
                },
            }
        }
    }
}

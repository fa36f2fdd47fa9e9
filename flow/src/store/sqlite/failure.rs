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

/// Whether an error is waited for: another program's lock, a full disk, a file that is away. While
/// the database is not `open`, any error is: somebody must put one there.
pub(super) fn passes(error: &SinkError, open: bool) -> bool {
    if !open || matches!(error, SinkError::Io { .. }) {
        return true;
    }
    matches!(
        code(error),
        Some(
            ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::OutOfMemory
        )
    )
}

/// Whether another program has locked the database.
pub(super) fn busy(error: &SinkError) -> bool {
    matches!(
        code(error),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}

pub(super) fn code(error: &SinkError) -> Option<ErrorCode> {
    let SinkError::Database { source, .. } = error else {
        return None;
    };
    let source = source.downcast_ref::<rusqlite::Error>()?;
    source.sqlite_error_code()
}

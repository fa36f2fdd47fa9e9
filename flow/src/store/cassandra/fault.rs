//! What an error of the driver means for the rows of the request.
//!
//! The driver itself does not retry here: its own policy never retries a write that timed out, and
//! gives up after one try of the other nodes.

use scylla::errors::{DbError, ExecutionError, PrepareError, RequestAttemptError};

use crate::causes::causes;

/// What to do after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The cluster cannot accept it now: retry later.
    Later,
    /// A node failed: for a reason of its own, or because it cannot handle one of the rows.
    Unclear,
    /// The server refuses the request: the table has changed, or the server does not accept one of
    /// the rows.
    Refused,
}

/// Classifies an error of a write.
pub(crate) fn of(error: &ExecutionError) -> Fault {
    match error {
        // It does not fit into a request: a row of 2 GiB, or a value that is too long.
        ExecutionError::BadQuery(_) => Fault::Refused,
        ExecutionError::PrepareError(PrepareError::AllAttemptsFailed { first_attempt }) => {
            attempt(first_attempt)
        }
        ExecutionError::LastAttemptError(error) => attempt(error),
        // No plan, no connection, no answer in time: this is about a node, not about the rows.
        _ => Fault::Later,
    }
}

fn attempt(error: &RequestAttemptError) -> Fault {
    match error {
        RequestAttemptError::SerializationError(_)
        | RequestAttemptError::CqlRequestSerialization(_)
        | RequestAttemptError::RepreparedIdChanged { .. }
        | RequestAttemptError::RepreparedIdMissingInBatch => Fault::Refused,
        // What a full disk refuses now is accepted when there is room again.
        RequestAttemptError::DbError(DbError::Invalid, text)
            if text.starts_with("Guardrail replica") =>
        {
            Fault::Later
        }
        RequestAttemptError::DbError(error, _) => database(error),
        _ => Fault::Later,
    }
}

fn database(error: &DbError) -> Fault {
    match error {
        DbError::Invalid
        | DbError::SyntaxError
        | DbError::ProtocolError
        | DbError::Unprepared { .. }
        | DbError::FunctionFailure { .. }
        | DbError::AlreadyExists { .. } => Fault::Refused,
        DbError::ServerError | DbError::WriteFailure { .. } => Fault::Unclear,
        // Unavailable, Overloaded, IsBootstrapping, WriteTimeout, …: each may be over in a moment.
        // Unauthorized: the right may still be granted, and no row is at fault.
        _ => Fault::Later,
    }
}

/// Whether a read may be retried.
pub(crate) fn transient(error: &ExecutionError) -> bool {
    let unauthorized = matches!(
        error,
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(DbError::Unauthorized, _))
    );
    of(error) != Fault::Refused && !unauthorized
}

/// The server's own message, or the driver's if there is none.
pub(crate) fn said(error: &ExecutionError) -> String {
    match error {
        ExecutionError::LastAttemptError(error) => attempt_said(error),
        ExecutionError::PrepareError(PrepareError::AllAttemptsFailed { first_attempt }) => {
            attempt_said(first_attempt)
        }
        other => causes(other),
    }
}

fn attempt_said(error: &RequestAttemptError) -> String {
    match error {
        RequestAttemptError::DbError(DbError::Invalid | DbError::SyntaxError, text) => text.clone(),
        RequestAttemptError::DbError(error, text) if text.is_empty() => error.to_string(),
        RequestAttemptError::DbError(error, text) => format!("{error}: {text}"),
        other => causes(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scylla::statement::Consistency;

    #[test]
    fn only_a_refusal_is_about_the_rows() {
        let of = |error| {
            of(&ExecutionError::LastAttemptError(
                RequestAttemptError::DbError(error, String::new()),
            ))
        };
        for later in [
            DbError::Overloaded,
            DbError::IsBootstrapping,
            DbError::TruncateError,
            DbError::Unauthorized,
            DbError::Unavailable {
                consistency: Consistency::Quorum,
                required: 2,
                alive: 1,
            },
            DbError::Other(0x1600),
        ] {
            assert_eq!(of(later), Fault::Later);
        }
        for refused in [DbError::Invalid, DbError::ProtocolError] {
            assert_eq!(of(refused), Fault::Refused);
        }
        assert_eq!(of(DbError::ServerError), Fault::Unclear);
        assert_eq!(super::of(&ExecutionError::EmptyPlan), Fault::Later);
    }
}

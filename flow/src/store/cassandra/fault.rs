//! What an error of the driver means for the rows that it was about.
//!
//! The driver itself repeats nothing here: its own policy never repeats a write that timed out,
//! and gives up after one look at the other nodes.

use scylla::errors::{DbError, ExecutionError, PrepareError, RequestAttemptError};

use crate::causes::causes;

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The cluster cannot now: again, later.
    Later,
    /// A node failed at it: for a reason of its own, or because a row is one that it cannot handle.
    Unclear,
    /// The server refuses what was sent: the table is no longer what it was, or a row is one that
    /// it does not take.
    Refused,
}

/// Sorts an error of a write.
pub(crate) fn of(error: &ExecutionError) -> Fault {
    match error {
        // It does not fit into a request: a row of 2 GiB, or a value that is too long.
        ExecutionError::BadQuery(_) => Fault::Refused,
        ExecutionError::PrepareError(PrepareError::AllAttemptsFailed { first_attempt }) => {
            attempt(first_attempt)
        }
        ExecutionError::LastAttemptError(error) => attempt(error),
        // No plan, no connection, no answer in time: it is a node's matter, not the rows'.
        _ => Fault::Later,
    }
}

fn attempt(error: &RequestAttemptError) -> Fault {
    match error {
        RequestAttemptError::SerializationError(_)
        | RequestAttemptError::CqlRequestSerialization(_)
        | RequestAttemptError::RepreparedIdChanged { .. }
        | RequestAttemptError::RepreparedIdMissingInBatch => Fault::Refused,
        // What a full disk refuses now, it takes when there is room again.
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
        // Unauthorized: somebody may still grant the right, and no row is at fault.
        _ => Fault::Later,
    }
}

/// Whether a read may be asked again.
pub(crate) fn transient(error: &ExecutionError) -> bool {
    let unauthorized = matches!(
        error,
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(DbError::Unauthorized, _))
    );
    of(error) != Fault::Refused && !unauthorized
}

/// What the server itself said of a statement, or what the driver said instead.
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

//! What reading waits for.

use std::time::Instant;

/// What is waited for, until it is there.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) what: String,
    /// It is a broker that answers.
    pub(super) brokers: bool,
    pub(super) said: Instant,
}

//! What every sink of a run needs to know when it is opened.

use std::sync::Arc;

use dumpstream::Column;

use super::hangup::Hangup;
use crate::rejects::Rejects;

/// What every sink of a run needs to know.
#[derive(Clone, Debug, Default)]
pub struct SinkContext {
    /// The namespace's columns, in order.
    pub columns: Arc<[Column]>,
    /// The namespace's name.
    pub namespace: String,
    /// The namespace's hash, [`Namespace::hash`](dumpstream::Namespace::hash).
    pub hash: u64,
    /// The version of the program.
    pub version: &'static str,
    /// Write `sensor`, `stream`, `record` and `time_source` where a sink has the choice (JSON).
    pub identity: bool,
    /// Write the record's own bytes.
    pub raw: bool,
    /// When a stream's first record comes again, its old rows go and the new ones stay.
    pub replace: bool,
    /// Rows that are there already get the values of those that come again, each by itself, where
    /// a place can do that; without it the first write of a row stays.
    pub amend: bool,
    /// Takes the rows that the sink's place refuses.
    pub rejects: Rejects,
    /// Asks sinks to open their files anew.
    pub hangup: Hangup,
}

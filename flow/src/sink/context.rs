//! What every sink of a run needs when it is opened.

use std::sync::Arc;

use dumpstream::Column;

use super::hangup::Hangup;
use crate::rejects::Rejects;

/// What the rows of a station are: a store keeps a table for each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RowKind {
    /// Packets of a parser's columns.
    #[default]
    Packets,
    /// Figures of a machine.
    Heartbeats,
}

impl RowKind {
    /// Many of them, for messages and as the name of their table.
    pub fn plural(self) -> &'static str {
        match self {
            RowKind::Packets => "packets",
            RowKind::Heartbeats => "heartbeats",
        }
    }
}

/// What every sink of a run needs when it is opened.
#[derive(Clone, Debug, Default)]
pub struct SinkContext {
    /// What the rows are.
    pub rows: RowKind,
    /// The namespace's columns, in order.
    pub columns: Arc<[Column]>,
    /// The namespace's name.
    pub namespace: String,
    /// The namespace's hash, [`Namespace::hash`](dumpstream::Namespace::hash).
    pub hash: u64,
    /// The version of the program.
    pub version: &'static str,
    /// Write `sensor`, `stream`, `record` and `time_source` if that is optional for a sink (JSON,
    /// CSV).
    pub identity: bool,
    /// Write the record's own bytes.
    pub raw: bool,
    /// When a stream's first record comes again, delete the stream's old rows and keep the new
    /// ones.
    pub replace: bool,
    /// Overwrite existing rows one by one, if the destination can; otherwise the first write of a
    /// row stays.
    pub amend: bool,
    /// Takes the rows that the sink's destination refuses.
    pub rejects: Rejects,
    /// Asks sinks to reopen their files.
    pub hangup: Hangup,
}

//! How a table places its rows, as its comment says it.

use std::time::Duration;

use super::address::{Address, DEFAULT_BUCKET, DEFAULT_SHARDS, LARGEST_BUCKET, LARGEST_SHARDS};
use super::layout::Placing;
use crate::sink::context::RowKind;

/// The time span of a partition of heartbeats: beats of a day, at one a second, are 15 to 30 MB.
const BEATS_BUCKET: Duration = LARGEST_BUCKET;

/// One machine's beats are no work that nodes would have to share.
const BEATS_SHARDS: u16 = 1;

/// What the comment of a table says, so that every writer and reader places rows alike, and no table
/// gets rows of another kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) rows: RowKind,
    pub(crate) bucket: Duration,
    pub(crate) shards: u16,
}

impl Note {
    /// For a table that is created as the URL says.
    pub(crate) fn of(address: &Address, rows: RowKind) -> Note {
        let (bucket, shards) = match rows {
            RowKind::Packets => (DEFAULT_BUCKET, DEFAULT_SHARDS),
            RowKind::Heartbeats => (BEATS_BUCKET, BEATS_SHARDS),
        };
        Note {
            rows,
            bucket: address.bucket.unwrap_or(bucket),
            shards: address.shards.unwrap_or(shards),
        }
    }

    pub(crate) fn placing(self) -> Placing {
        Placing::new(self.bucket, self.shards)
    }

    pub(crate) fn text(self) -> String {
        let Note {
            rows,
            bucket,
            shards,
        } = self;
        let bucket = bucket.as_secs();
        format!("{}bucket {bucket}s, shards {shards}", begin(rows))
    }

    /// Parses a comment, within the limits of a URL, because anybody can change a comment.
    pub(crate) fn read(comment: &str) -> Option<Note> {
        let kinds = [RowKind::Packets, RowKind::Heartbeats];
        let mut kinds = kinds.into_iter();
        let read = |rows| Some((rows, comment.strip_prefix(begin(rows))?));
        let (rows, rest) = kinds.find_map(read)?;
        let (bucket, shards) = rest.strip_prefix("bucket ")?.split_once("s, shards ")?;
        let note = Note {
            rows,
            bucket: Duration::from_secs(bucket.parse().ok()?),
            shards: shards.parse().ok()?,
        };
        let possible = !note.bucket.is_zero()
            && note.bucket <= LARGEST_BUCKET
            && (1..=LARGEST_SHARDS).contains(&note.shards);
        possible.then_some(note)
    }
}

/// How the comment of a table of such rows begins.
fn begin(rows: RowKind) -> &'static str {
    match rows {
        RowKind::Packets => "dumpstream: ",
        RowKind::Heartbeats => "dumpstream heartbeats: ",
    }
}

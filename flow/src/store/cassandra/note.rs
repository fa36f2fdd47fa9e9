//! How a table places its rows, as its comment says it.

use std::time::Duration;

use super::address::{Address, DEFAULT_BUCKET, DEFAULT_SHARDS, LARGEST_BUCKET, LARGEST_SHARDS};
use super::layout::Placing;

/// What the comment of a table says, so that every writer and reader places rows alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) bucket: Duration,
    pub(crate) shards: u16,
}

impl Note {
    /// For a table that is created as the URL says.
    pub(crate) fn of(address: &Address) -> Note {
        Note {
            bucket: address.bucket.unwrap_or(DEFAULT_BUCKET),
            shards: address.shards.unwrap_or(DEFAULT_SHARDS),
        }
    }

    pub(crate) fn placing(self) -> Placing {
        Placing::new(self.bucket, self.shards)
    }

    pub(crate) fn text(self) -> String {
        let Note { bucket, shards } = self;
        format!("dumpstream: bucket {}s, shards {shards}", bucket.as_secs())
    }

    /// Parses a comment, within the limits of a URL, because anybody can change a comment.
    pub(crate) fn read(comment: &str) -> Option<Note> {
        let (bucket, shards) = comment
            .strip_prefix("dumpstream: bucket ")?
            .split_once("s, shards ")?;
        let note = Note {
            bucket: Duration::from_secs(bucket.parse().ok()?),
            shards: shards.parse().ok()?,
        };
        let possible = !note.bucket.is_zero()
            && note.bucket <= LARGEST_BUCKET
            && (1..=LARGEST_SHARDS).contains(&note.shards);
        possible.then_some(note)
    }
}

//! How much is read at once.

use crate::station::{Share, Station};

/// Room for the first read of an input: most of many senders are slow, and each takes memory.
const FIRST: usize = 16 << 10;

/// Room for a read of an input that fills it each time: more does not speed up parsing, and one
/// batch delays the other inputs of a busy receiver.
pub(super) const MOST: usize = 256 << 10;

/// The room for a read, and its share of the memory if it is larger than the first one.
pub(super) struct Room<'a> {
    pub(super) bytes: usize,
    _share: Option<Share<'a>>,
}

impl<'a> Room<'a> {
    pub(super) fn first() -> Room<'a> {
        Room {
            bytes: FIRST,
            _share: None,
        }
    }

    /// Doubles it, if there is memory for it.
    pub(super) fn grow(&mut self, station: &'a Station) {
        let bytes = 2 * self.bytes;
        if bytes <= MOST
            && let Some(share) = station.buffer(bytes)
        {
            *self = Room {
                bytes,
                _share: Some(share),
            };
        }
    }
}

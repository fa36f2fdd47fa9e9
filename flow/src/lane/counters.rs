//! What became of the packets that were offered to a lane.

use std::time::Duration;

/// What became of the packets that were offered to a lane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Packets offered.
    pub packets: u64,
    /// Packets that the sink has acknowledged.
    pub delivered: u64,
    /// Those of `delivered` that were already stored and stayed as they were.
    pub present: u64,
    /// Those of `delivered` that replaced a stored row, because their record has grown.
    pub amended: u64,
    /// Packets that the sink's destination refused.
    pub rejected: u64,
    /// Packets lost here: the sink was dead, stalled or given up, or dropped them itself.
    pub dropped: u64,
    /// Those of `dropped` that were still queued, or arrived, after the deadline for closing the
    /// lane.
    pub undrained: u64,
    /// Packets that are waiting or being written.
    pub queued: u64,
    /// How long sources have waited for room, summed over the sources.
    pub stalled: Duration,
    /// Why the sink is dead, if it is dead.
    pub error: Option<String>,
    /// The sink is dead because the reader of its output is gone, which is not a failure.
    pub reader_gone: bool,
}

impl Counters {
    /// Checks the identity that holds at every moment: `packets = delivered + rejected + dropped +
    /// queued`.
    ///
    /// # Errors
    /// A sentence with the figures; this is a bug of this program.
    pub fn verify(&self) -> Result<(), String> {
        let Counters {
            packets,
            delivered,
            rejected,
            dropped,
            queued,
            ..
        } = self;
        if *packets == delivered + rejected + dropped + queued {
            return Ok(());
        }
        Err(format!(
            "{packets} packets offered are not {delivered} delivered + {rejected} rejected + \
             {dropped} dropped + {queued} queued"
        ))
    }
}

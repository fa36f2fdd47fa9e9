//! One input's state: who sent it, which stream it is, the next ordinal, the last instant.

use crate::packet::Packets;

/// How a packet's time was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TimeSource {
    /// Not yet: the packets were not placed.
    Unplaced,
    /// The stamp says all of it.
    Packet,
    /// As `Packet`, and the zone has this civil time twice.
    PacketAmbiguous,
    /// The stamp is a time of day; the date was found otherwise.
    Date,
    /// As `Date`, and the zone has this civil time twice.
    DateAmbiguous,
    /// No stamp: the predecessor's.
    Previous,
    /// No stamp and no predecessor: when the text arrived.
    Arrival,
}

impl TimeSource {
    /// The text of the `time_source` column.
    pub fn name(self) -> &'static str {
        match self {
            TimeSource::Unplaced => "unplaced",
            TimeSource::Packet => "packet",
            TimeSource::PacketAmbiguous => "packet-ambiguous",
            TimeSource::Date => "date",
            TimeSource::DateAmbiguous => "date-ambiguous",
            TimeSource::Previous => "previous",
            TimeSource::Arrival => "arrival",
        }
    }
}

/// What names an input in every table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) sensor: String,
    pub(crate) stream: String,
}

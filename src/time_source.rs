//! How a packet's time was found, and the words for it.

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

    /// Whether the stamp has no date.
    pub fn is_undated(self) -> bool {
        matches!(self, TimeSource::Date | TimeSource::DateAmbiguous)
    }

    /// The one of that name; `unplaced` is not stored, so it is not one.
    pub fn named(name: &[u8]) -> Option<TimeSource> {
        [
            TimeSource::Packet,
            TimeSource::PacketAmbiguous,
            TimeSource::Date,
            TimeSource::DateAmbiguous,
            TimeSource::Previous,
            TimeSource::Arrival,
        ]
        .into_iter()
        .find(|source| source.name().as_bytes() == name)
    }
}

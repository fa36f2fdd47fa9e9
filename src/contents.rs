//! What the text of a stream is, as far as its packets: hashes that two texts are compared by.

/// Hashes of a stream's text up to each packet of a batch: what
/// [`Packets::contents`](crate::Packets::contents) gives. Two texts of one name are the same as far
/// as these agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// Up to the first packet, without it; `None` if that is not known.
    pub before: Option<u64>,
    /// Up to the end of each packet: [`hash::content`](crate::hash::content).
    pub after: Vec<u64>,
    /// When the stream's first packet was seen, in nanoseconds since 1970 UTC.
    pub began: i64,
}

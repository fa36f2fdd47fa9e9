//! The headers of messages that dumpstream writes. All values are text.

/// The sensor's name.
pub(super) const SENSOR: &str = "sensor";
/// The stream's name.
pub(super) const STREAM: &str = "stream";
/// The record's ordinal in the stream, in decimal.
pub(super) const RECORD: &str = "record";
/// The record's time, in decimal nanoseconds since 1970 UTC.
pub(super) const TIME: &str = "time";
/// How the time was found; only if it is not `packet`.
pub(super) const TIME_SOURCE: &str = "time_source";
/// `true`; only if the record was cut.
pub(super) const TRUNCATED: &str = "truncated";

//! The names of the headers of a message: what is known of a record beside its text. Values are
//! text.

/// Where the record was captured.
pub(super) const SENSOR: &str = "sensor";
/// Which stream of the sensor it is of.
pub(super) const STREAM: &str = "stream";
/// Its ordinal in the stream, decimal.
pub(super) const RECORD: &str = "record";
/// The hash of the namespace that it was parsed with, 16 hexadecimal digits.
pub(super) const NAMESPACE: &str = "namespace";
/// Its time as placed, decimal nanoseconds since 1970 UTC.
pub(super) const TIME: &str = "time";
/// Where that time is from, if not from the packet's own stamp.
pub(super) const TIME_SOURCE: &str = "time_source";
/// `true` if the record was cut.
pub(super) const TRUNCATED: &str = "truncated";

//! The names of the headers of a message: what is known of a record beside its text. Values are
//! text.

/// Where the record was captured.
pub(crate) const SENSOR: &str = "sensor";
/// Which stream of the sensor it is of.
pub(crate) const STREAM: &str = "stream";
/// Its ordinal in the stream, decimal.
pub(crate) const RECORD: &str = "record";
/// The hash of the namespace that it was parsed with, 16 hexadecimal digits.
pub(crate) const NAMESPACE: &str = "namespace";
/// Its time as placed, decimal nanoseconds since 1970 UTC.
pub(crate) const TIME: &str = "time";
/// Where that time is from, if not from the packet's own stamp.
pub(crate) const TIME_SOURCE: &str = "time_source";
/// `true` if the record was cut.
pub(crate) const TRUNCATED: &str = "truncated";

//! How much there may be of each thing. Each limit bounds the memory or the time that an input or a
//! namespace can cost.

/// The longest record, in bytes, unless [`Framer::max_record`](crate::framing::Framer::max_record)
/// says otherwise. The largest one seen in 391,490 real records has 0.47 MB.
pub const DEFAULT_MAX_RECORD: usize = 1 << 20;

/// The largest limit that [`Framer::max_record`](crate::framing::Framer::max_record) takes: offsets
/// within a batch have 30 bits.
pub const LARGEST_MAX_RECORD: usize = 1 << 29;

/// The most columns of one namespace; a row keeps one bit for each.
pub const MAX_COLUMNS: usize = 128;

/// The most entries of one namespace: eight alternatives for each column.
pub const MAX_ENTRIES: usize = 8 * MAX_COLUMNS;

/// The longest pattern, in bytes. A pattern describes a phrase of one line; what is longer is a
/// word list, which belongs behind the parser.
pub const MAX_PATTERN: usize = 4 << 10;

/// The largest compiled pattern, in bytes: it bounds the time to compile (tens of milliseconds)
/// and the time per byte.
pub const MAX_COMPILED: usize = 1 << 20;

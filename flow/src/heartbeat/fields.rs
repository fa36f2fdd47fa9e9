//! The columns of a beat, each with its unit.

use dumpstream::{Field, FieldType, Namespace, Part};

/// The namespace's name.
const NAME: &str = "heartbeat";

/// Beats are made of values; no text has them.
const NEVER: &str = "[^\\s\\S]()";

const FIELDS: &[(&str, FieldType, &str)] = &[
    ("time", FieldType::Timestamp, "when the beat was taken; UTC"),
    (
        "cpu",
        FieldType::Real,
        "busy time of all cores since the last beat, per cent of all of them: 0 to 100; waiting for a disk is not busy",
    ),
    (
        "cores",
        FieldType::Text,
        "busy time of each core since the last beat, per cent: a JSON array",
    ),
    ("load1", FieldType::Real, "load average of a minute"),
    ("load5", FieldType::Real, "load average of 5 minutes"),
    ("load15", FieldType::Real, "load average of 15 minutes"),
    ("memory_total", FieldType::Bigint, "memory, bytes"),
    ("memory_used", FieldType::Bigint, "memory in use, bytes"),
    (
        "memory_available",
        FieldType::Bigint,
        "memory that programs can get without swapping, bytes",
    ),
    ("swap_total", FieldType::Bigint, "swap space, bytes"),
    ("swap_used", FieldType::Bigint, "swap space in use, bytes"),
    (
        "disk_read",
        FieldType::Bigint,
        "read from devices with mounted file systems since the last beat, bytes/s",
    ),
    (
        "disk_written",
        FieldType::Bigint,
        "written to devices with mounted file systems since the last beat, bytes/s",
    ),
    (
        "net_received",
        FieldType::Bigint,
        "received over all interfaces but loopback since the last beat, bytes/s",
    ),
    (
        "net_sent",
        FieldType::Bigint,
        "sent over all interfaces but loopback since the last beat, bytes/s",
    ),
    (
        "uptime",
        FieldType::Bigint,
        "time since the machine was started, s",
    ),
    ("every", FieldType::Real, "time between two beats, s"),
    (
        "process_cpu",
        FieldType::Real,
        "CPU time of dumpstream since the last beat, per cent of one core",
    ),
    (
        "process_memory",
        FieldType::Bigint,
        "resident memory of dumpstream, bytes",
    ),
    (
        "records",
        FieldType::Bigint,
        "packets that were received so far, beside a receiver",
    ),
    (
        "bytes",
        FieldType::Bigint,
        "text that was received so far, beside a receiver, bytes",
    ),
    (
        "lost",
        FieldType::Bigint,
        "packets that did not arrive, by the numbers of -#, beside a receiver",
    ),
    (
        "suspect",
        FieldType::Bigint,
        "records that tcpdump cannot have printed in their place, by the numbers of -#, beside a receiver",
    ),
    (
        "connections",
        FieldType::Bigint,
        "open connections, beside a receiver",
    ),
    (
        "lanes",
        FieldType::Text,
        "what became of packets so far, beside a receiver: a JSON array with an object for each output, \
         of its name and the numbers of packets delivered, rejected, dropped and queued",
    ),
];

/// The columns of a beat. What could not be found out is absent.
pub fn namespace() -> Namespace {
    let field = |(name, kind, doc): &(&str, FieldType, &str)| {
        Field::new(*name, Part::Head, NEVER, *kind, *doc)
    };
    Namespace::new(NAME, FIELDS.iter().map(field).collect())
}

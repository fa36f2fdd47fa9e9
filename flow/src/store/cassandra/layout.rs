//! The columns of a table, and how a packet's values become bytes of CQL.
//!
//! The namespace is the table: a field is a column of its name. A `timestamp` of CQL counts
//! milliseconds, so an instant takes two columns, `x` and `x_ns`: the nanoseconds within the
//! millisecond.
//!
//! The trap: a null would be written as a tombstone, so a missing value is *unset*.

use std::net::IpAddr;
use std::time::Duration;

use dumpstream::spell::Text;
use dumpstream::{Column, FieldType, Packet, Value};
use scylla::serialize::SerializationError;
use scylla::serialize::row::{RowSerializationContext, SerializeRow};
use scylla::serialize::writers::{CellWriter, RowWriter};

use super::name::quoted;

/// Rows of one stream that stay together: `shard = (record / BLOCK) % shards`. A batch of this many
/// rows of one partition is 8 to 9 times as fast as single inserts; larger batches gain nothing.
pub(crate) const BLOCK: u64 = 64;

/// In nanoseconds.
pub(crate) const MILLISECOND: i64 = 1_000_000;

/// Where a column's value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Sensor,
    Bucket,
    Shard,
    Time,
    TimeNs,
    Stream,
    Record,
    TimeSource,
    Truncated,
    Raw,
    /// A column of the namespace, and its type.
    Field(usize, FieldType),
    /// The nanoseconds of an instant.
    FieldNs(usize),
    /// In the table by host: the address that the row is filed under.
    Host,
    /// In the table by host: whether that host sent the packet.
    Sent,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) name: String,
    /// Its CQL type.
    pub(crate) kind: &'static str,
    pub(crate) source: Content,
}

/// A table: its columns and its key.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) cells: Vec<Cell>,
    pub(crate) partition: &'static [&'static str],
    pub(crate) clustering: &'static [&'static str],
    pub(crate) placing: Placing,
    /// Write null if a packet has no value, so that `--replace` removes old values.
    pub(crate) nulls: bool,
    /// The write time of every row, microseconds since 1970; `None`: the packet's own time.
    pub(crate) written: Option<i64>,
}

/// Which partition a row belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Placing {
    /// Milliseconds.
    bucket: i64,
    shards: u64,
}

impl Placing {
    pub(crate) fn new(bucket: Duration, shards: u16) -> Placing {
        Placing {
            bucket: i64::try_from(bucket.as_millis())
                .expect("a bucket is a day at most")
                .max(1),
            shards: u64::from(shards.max(1)),
        }
    }

    /// The start of the bucket of an instant in nanoseconds, in milliseconds since 1970.
    pub(crate) fn bucket(self, time: i64) -> i64 {
        let ms = time.div_euclid(MILLISECOND);
        ms - ms.rem_euclid(self.bucket)
    }

    pub(crate) fn shard(self, record: u64) -> i16 {
        i16::try_from(record / BLOCK % self.shards).expect("there are 1,024 shards at most")
    }
}

/// The fields of the table by host, if the namespace has them: what a report about a host consists
/// of. The main table has the rest, under the same identity.
const BY_HOST: [&str; 8] = [
    "protocol",
    "source",
    "source_port",
    "destination",
    "destination_port",
    "length",
    "flags",
    "icmp",
];

impl Layout {
    /// The table of packets, or of heartbeats.
    ///
    /// # Errors
    /// A sentence: two fields of the namespace need one column.
    pub(crate) fn packets(
        columns: &[Column],
        placing: Placing,
        raw: bool,
    ) -> Result<Layout, String> {
        let mut cells: Vec<Cell> = [
            ("sensor", "text", Content::Sensor),
            ("bucket", "timestamp", Content::Bucket),
            ("shard", "smallint", Content::Shard),
            ("time", "timestamp", Content::Time),
            ("time_ns", "int", Content::TimeNs),
            ("stream", "text", Content::Stream),
            ("record", "bigint", Content::Record),
            ("time_source", "text", Content::TimeSource),
            ("truncated", "boolean", Content::Truncated),
        ]
        .into_iter()
        .map(cell)
        .collect();
        if raw {
            cells.push(cell(("raw", "blob", Content::Raw)));
        }
        // The packet's own time is already a part of the key.
        let fields = columns.iter().enumerate().filter(|(_, c)| c.name != "time");
        for (i, column) in fields.clone() {
            let source = Content::Field(i, column.kind);
            cells.push(cell((&column.name, cql(column.kind), source)));
        }
        for (i, column) in fields.filter(|(_, c)| c.kind == FieldType::Timestamp) {
            let name = format!("{}_ns", column.name);
            if cells.iter().any(|c| c.name == name) {
                return Err(format!(
                    "field `{}` is a timestamp, whose nanoseconds need the column `{name}`, but a \
                     field has that name; rename one of them",
                    column.name
                ));
            }
            cells.push(cell((&name, "int", Content::FieldNs(i))));
        }
        Ok(Layout {
            cells,
            partition: &["sensor", "bucket", "shard"],
            clustering: &["time", "time_ns", "stream", "record"],
            placing,
            nulls: false,
            written: None,
        })
    }

    /// The second table, which answers queries about one host.
    ///
    /// # Errors
    /// A sentence: the namespace has no addresses.
    pub(crate) fn by_host(columns: &[Column], placing: Placing) -> Result<Layout, String> {
        if Hosts::of(columns).is_none() {
            return Err(
                "by_host=true needs the fields `source` and `destination` of type inet".to_owned(),
            );
        }
        let mut cells: Vec<Cell> = [
            ("host", "inet", Content::Host),
            ("bucket", "timestamp", Content::Bucket),
            ("time", "timestamp", Content::Time),
            ("time_ns", "int", Content::TimeNs),
            ("sensor", "text", Content::Sensor),
            ("stream", "text", Content::Stream),
            ("record", "bigint", Content::Record),
            ("sent", "boolean", Content::Sent),
        ]
        .into_iter()
        .map(cell)
        .collect();
        for (i, column) in columns.iter().enumerate() {
            if BY_HOST.contains(&column.name.as_str()) && column.kind != FieldType::Timestamp {
                let source = Content::Field(i, column.kind);
                cells.push(cell((&column.name, cql(column.kind), source)));
            }
        }
        Ok(Layout {
            cells,
            partition: &["host", "bucket"],
            clustering: &["time", "time_ns", "sensor", "stream", "record", "sent"],
            placing,
            nulls: false,
            written: None,
        })
    }

    /// The statement that writes a row; its text depends only on the namespace.
    pub(crate) fn insert(&self, table: &str) -> String {
        let names: Vec<_> = self.cells.iter().map(|c| quoted(&c.name)).collect();
        let marks = vec!["?"; names.len()].join(", ");
        format!(
            "INSERT INTO {table} ({}) VALUES ({marks}) USING TIMESTAMP ?",
            names.join(", ")
        )
    }
}

fn cell((name, kind, source): (&str, &'static str, Content)) -> Cell {
    Cell {
        name: name.to_owned(),
        kind,
        source,
    }
}

/// The CQL type of a field's column.
pub(crate) fn cql(kind: FieldType) -> &'static str {
    match kind {
        FieldType::Int | FieldType::Port => "int",
        FieldType::Bigint | FieldType::Hex => "bigint",
        FieldType::Real => "double",
        FieldType::Bool => "boolean",
        FieldType::Inet => "inet",
        FieldType::Time => "time",
        FieldType::Timestamp => "timestamp",
        // Text, MAC addresses, and types that later versions of the core may add.
        _ => "text",
    }
}

/// The columns that hold a packet's two addresses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hosts {
    source: usize,
    destination: usize,
}

impl Hosts {
    pub(crate) fn of(columns: &[Column]) -> Option<Hosts> {
        let find = |name: &str| {
            columns
                .iter()
                .position(|c| c.name == name && c.kind == FieldType::Inet)
        };
        Some(Hosts {
            source: find("source")?,
            destination: find("destination")?,
        })
    }

    /// The source address of a packet if `sent`, else its destination address.
    pub(crate) fn get(self, packet: Packet<'_>, sent: bool) -> Option<IpAddr> {
        let column = if sent { self.source } else { self.destination };
        match packet.value(column) {
            Some(Value::Inet(ip)) => Some(ip),
            _ => None,
        }
    }
}

/// A row as it is bound to an insert. It is written straight into the bytes of the request: the
/// types of the columns were compared when the table was checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound<'a> {
    pub(crate) layout: &'a Layout,
    pub(crate) packet: Packet<'a>,
    /// In the table by host: the host, and whether it is the sender.
    pub(crate) host: Option<(IpAddr, bool)>,
}

impl SerializeRow for Bound<'_> {
    fn serialize(
        &self,
        _: &RowSerializationContext<'_>,
        writer: &mut RowWriter<'_>,
    ) -> Result<(), SerializationError> {
        for cell in &self.layout.cells {
            self.cell(cell.source, writer.make_cell_writer())?;
        }
        // A pure function of the row, so that writing it again is the same write. Of two values with
        // one time the larger one would stay: a record that was cut is written as earlier than when it
        // is whole.
        let written = self.layout.written.unwrap_or_else(|| {
            let time = self.packet.time().div_euclid(1_000);
            time - i64::from(self.packet.truncated())
        });
        put(writer.make_cell_writer(), &written.to_be_bytes())
    }

    fn is_empty(&self) -> bool {
        false
    }
}

impl Bound<'_> {
    fn cell(&self, source: Content, out: CellWriter<'_>) -> Result<(), SerializationError> {
        let packet = self.packet;
        let placing = self.layout.placing;
        match source {
            Content::Sensor => put(out, packet.sensor().as_bytes()),
            Content::Bucket => put(out, &placing.bucket(packet.time()).to_be_bytes()),
            Content::Shard => put(out, &placing.shard(packet.record()).to_be_bytes()),
            Content::Time => put(out, &packet.time().div_euclid(MILLISECOND).to_be_bytes()),
            Content::TimeNs => put(out, &nanoseconds(packet.time()).to_be_bytes()),
            Content::Stream => put(out, packet.stream().as_bytes()),
            Content::Record => put(out, &packet.record().to_be_bytes()),
            Content::TimeSource => put(out, packet.time_source().name().as_bytes()),
            Content::Truncated if packet.truncated() => put(out, &[1]),
            // Text that was stored can have been read before, when this record was cut.
            Content::Truncated if packet.arrival().is_none() => put(out, &[0]),
            Content::Truncated => self.absent(out),
            Content::Raw => put(out, packet.raw()),
            Content::Field(column, kind) => match packet.value(column) {
                Some(value) => field(out, kind, value),
                None => self.absent(out),
            },
            Content::FieldNs(column) => match packet.value(column) {
                Some(Value::Timestamp(time)) => put(out, &nanoseconds(time).to_be_bytes()),
                _ => self.absent(out),
            },
            Content::Host => match self.host {
                Some((host, _)) => inet(out, host),
                None => self.absent(out),
            },
            Content::Sent => match self.host {
                Some((_, sent)) => put(out, &[u8::from(sent)]),
                None => self.absent(out),
            },
        }
    }

    fn absent(&self, out: CellWriter<'_>) -> Result<(), SerializationError> {
        match self.layout.nulls {
            true => out.set_null(),
            false => out.set_unset(),
        };
        Ok(())
    }
}

fn nanoseconds(time: i64) -> i32 {
    i32::try_from(time.rem_euclid(MILLISECOND)).expect("a millisecond has fewer than 2³¹")
}

fn put(out: CellWriter<'_>, bytes: &[u8]) -> Result<(), SerializationError> {
    match out.set_value(bytes) {
        Ok(_) => Ok(()),
        Err(e) => Err(SerializationError::new(e)),
    }
}

fn inet(out: CellWriter<'_>, ip: IpAddr) -> Result<(), SerializationError> {
    match ip {
        IpAddr::V4(ip) => put(out, &ip.octets()),
        IpAddr::V6(ip) => put(out, &ip.octets()),
    }
}

fn field(out: CellWriter<'_>, kind: FieldType, value: Value<'_>) -> Result<(), SerializationError> {
    match value {
        Value::Text(bytes) if str::from_utf8(bytes).is_ok() => put(out, bytes),
        Value::Text(bytes) => {
            let mut text = Text::new();
            text.lossless(bytes);
            put(out, &text.out)
        }
        Value::Int(n) if matches!(kind, FieldType::Int | FieldType::Port) => {
            let n = i32::try_from(n).expect("the type's range was checked");
            put(out, &n.to_be_bytes())
        }
        Value::Int(n) | Value::Time(n) => put(out, &n.to_be_bytes()),
        Value::Real(x) => put(out, &x.to_be_bytes()),
        Value::Bool(b) => put(out, &[u8::from(b)]),
        Value::Inet(ip) => inet(out, ip),
        Value::Mac(mac) => {
            let mut text = Text::new();
            text.mac(mac);
            put(out, &text.out)
        }
        Value::Timestamp(time) => put(out, &time.div_euclid(MILLISECOND).to_be_bytes()),
        other => put(out, other.to_string().as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_and_shards() {
        let placing = Placing::new(Duration::from_secs(60), 4);
        assert_eq!(placing.bucket(1_700_000_000_123_456_789), 1_699_999_980_000);
        assert_eq!(placing.bucket(-1), -60_000);
        assert_eq!(placing.shard(63), 0);
        assert_eq!(placing.shard(64), 1);
        assert_eq!(placing.shard(64 * 4), 0);
        assert_eq!(nanoseconds(-1), 999_999);
    }
}

//! Packets as Arrow record batches, for engines and languages that share memory instead of text.
//!
//! ```
//! use dumpstream::arrow::RecordBatches;
//! use dumpstream::{Namespace, Reader};
//!
//! let mut batches = RecordBatches::new(&Namespace::tcpdump());
//! let text = "22:13:20.123456 IP 10.0.0.1.53 > 10.0.0.2.9: UDP, length 27\n";
//! for packets in Reader::new(text.as_bytes()) {
//!     batches.push(&packets?);
//! }
//! let batch = batches.take();
//! assert_eq!(batch.num_rows(), 1);
//! let ports = batch.column_by_name("source_port").expect("a column of every batch");
//! assert_eq!(ports.null_count(), 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | type | Arrow |
//! |---|---|
//! | `text` | `Utf8`, bytes that are not UTF-8 as `\xHH`; of the few values of `protocol` and such, a dictionary |
//! | `int`, `bigint`, `hex` | `Int32`, `Int64`, `Int64` |
//! | `port` | `UInt16` |
//! | `real`, `bool` | `Float64`, `Boolean` |
//! | `inet`, `mac` | `Utf8` |
//! | `time` | `Time64(ns)` |
//! | `timestamp` | `Timestamp(ns, UTC)` |
//!
//! Absent values are null. Then follow, if they were asked for, `sensor`, `stream`, `record` and
//! `time_source`; `truncated`; and `raw`. The doc of a field is its metadata `doc`; the schema's
//! metadata has the `namespace` and its `hash`, in 16 hexadecimal digits.

mod block;
mod column;

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{Field, Schema, SchemaRef};

pub use arrow_array;
pub use arrow_schema;

use self::block::Block;
use self::column::{Cells, Kind};
use crate::namespace::{Column, Namespace};
use crate::packet::Packets;
use crate::value::FieldType;

/// Collects packets of one namespace, and makes record batches of one schema from them.
#[derive(Debug)]
pub struct RecordBatches {
    namespace: String,
    hash: u64,
    columns: Vec<Column>,
    identity: bool,
    raw: bool,
    signed: bool,
    /// Made when they are first needed, after the options.
    made: Option<Made>,
    rows: usize,
}

#[derive(Debug)]
struct Made {
    schema: SchemaRef,
    /// Each with the place of its column in the namespace.
    fields: Vec<(usize, Cells)>,
    /// `sensor`, `stream`, `record`, `time_source`, if they were asked for.
    identity: Option<[Cells; 4]>,
    truncated: Cells,
    raw: Option<Cells>,
}

impl RecordBatches {
    /// Of packets of this namespace.
    pub fn new(namespace: &Namespace) -> RecordBatches {
        let (name, hash) = (namespace.namespace.clone(), namespace.hash());
        RecordBatches::of(name, hash, namespace.columns())
    }

    /// Of packets with these columns; `hash` is that of their namespace.
    pub fn of(
        namespace: impl Into<String>,
        hash: u64,
        columns: impl Into<Vec<Column>>,
    ) -> RecordBatches {
        RecordBatches {
            namespace: namespace.into(),
            hash,
            columns: columns.into(),
            identity: false,
            raw: false,
            signed: false,
            made: None,
            rows: 0,
        }
    }

    /// With the columns that say where a packet came from.
    pub fn identity(mut self) -> RecordBatches {
        self.identity = true;
        self
    }

    /// With the record's own text.
    pub fn raw(mut self) -> RecordBatches {
        self.raw = true;
        self
    }

    /// Without what Spark does not know, unsigned integers, dictionaries, times of day and nanoseconds:
    /// ports are `Int32`, every text and a time of day is `Utf8`, and a timestamp has microseconds.
    /// Beside `time` stands `time_ns`, `Int64` nanoseconds since 1970 UTC, and so for every other
    /// timestamp, unless the namespace has a field of that name.
    pub fn plain(mut self) -> RecordBatches {
        self.signed = true;
        self
    }

    /// The schema of every batch.
    pub fn schema(&mut self) -> SchemaRef {
        self.made().schema.clone()
    }

    /// The rows collected.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether none is collected.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Collects packets.
    ///
    /// # Panics
    /// When they are of a namespace with other columns.
    pub fn push(&mut self, packets: &Packets) {
        assert_eq!(
            packets.columns().len(),
            self.columns.len(),
            "packets of another namespace"
        );
        let made = self.made();
        made.push(packets);
        self.rows += packets.len();
    }

    /// The rows collected, as a batch; none is left.
    pub fn take(&mut self) -> RecordBatch {
        self.rows = 0;
        let made = self.made();
        let identity = made.identity.iter_mut().flatten();
        let fields = made.fields.iter_mut().map(|(_, cells)| cells);
        let cells = fields.chain(identity);
        let cells = cells.chain([&mut made.truncated]).chain(&mut made.raw);
        let arrays = cells.map(Cells::take).collect();
        RecordBatch::try_new(made.schema.clone(), arrays).expect("its columns are of the schema")
    }

    fn made(&mut self) -> &mut Made {
        if self.made.is_none() {
            self.made = Some(self.make());
        }
        self.made.as_mut().expect("made above")
    }

    fn make(&self) -> Made {
        let kind = |column: &Column| match column.kind {
            FieldType::Text if ENUMERATIONS.contains(&&*column.name) => Kind::Enumeration,
            other => Kind::of(other),
        };
        let kind = |column: &Column| match (kind(column), self.signed) {
            (Kind::Port, true) => Kind::Int,
            (Kind::Enumeration, true) => Kind::Text,
            (Kind::Time, true) => Kind::Clock,
            (Kind::Timestamp, true) => Kind::Micros,
            (kind, _) => kind,
        };
        let name = match self.signed {
            true => Kind::Text,
            false => Kind::Enumeration,
        };
        let mut fields = Vec::new();
        let mut add = |name: &str, kind: Kind, nullable: bool, doc: &str| {
            let metadata = match doc {
                "" => HashMap::new(),
                doc => HashMap::from([("doc".to_owned(), doc.to_owned())]),
            };
            fields.push(Field::new(name, kind.arrow(), nullable).with_metadata(metadata));
            Cells::new(kind)
        };
        let mut cells = Vec::new();
        for (at, column) in self.columns.iter().enumerate() {
            let kind = kind(column);
            cells.push((at, add(&column.name, kind, true, &column.doc)));
            let name = format!("{}_ns", column.name);
            if kind == Kind::Micros && !self.columns.iter().any(|other| other.name == name) {
                let doc = format!("`{}` in nanoseconds since 1970 UTC", column.name);
                cells.push((at, add(&name, Kind::Bigint, true, &doc)));
            }
        }
        let identity = self.identity.then(|| {
            [
                add("sensor", name, false, "the sender of the text"),
                add("stream", name, false, "which input of the sensor"),
                add(
                    "record",
                    Kind::Bigint,
                    false,
                    "the number in its stream; sensor, stream and record identify a packet",
                ),
                add("time_source", name, false, "how the time was found"),
            ]
        });
        let truncated = add("truncated", Kind::Bool, false, "the record was truncated");
        let raw = self
            .raw
            .then(|| add("raw", Kind::Text, false, "the record as tcpdump printed it"));
        let metadata = HashMap::from([
            ("namespace".to_owned(), self.namespace.clone()),
            ("hash".to_owned(), format!("{:016x}", self.hash)),
        ]);
        Made {
            schema: Arc::new(Schema::new_with_metadata(fields, metadata)),
            fields: cells,
            identity,
            truncated,
            raw,
        }
    }
}

impl Made {
    fn push(&mut self, packets: &Packets) {
        let inner = &*packets.0;
        let mut block = Block::new(packets.columns().len());
        for rows in inner.rows.chunks(block::ROWS) {
            block.fill(inner, rows);
            for (column, cells) in &mut self.fields {
                let (present, values) = block.column(*column, rows.len());
                cells.extend(inner, present, values);
            }
            let all = u64::MAX >> (block::ROWS - rows.len());
            let truncated = rows.iter().map(|row| u64::from(row.truncated));
            let truncated: Vec<u64> = truncated.collect();
            self.truncated.extend(inner, all, &truncated);
        }
        for packet in packets {
            if let Some([sensor, stream, record, source]) = &mut self.identity {
                sensor.text(packet.sensor().as_bytes());
                stream.text(packet.stream().as_bytes());
                // An ordinal counts records that were read: it never comes near 2⁶³.
                record.extend(inner, 1, &[packet.record()]);
                source.text(packet.time_source().name().as_bytes());
            }
            if let Some(raw) = &mut self.raw {
                raw.text(packet.raw());
            }
        }
    }
}

/// The built-in texts of which there are few: dictionaries.
const ENUMERATIONS: &[&str] = &[
    "arp_op",
    "direction",
    "effective_process",
    "flags",
    "interface",
    "ip_flags",
    "process",
    "protocol",
];

//! A column of text, a record in each row, as packets.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Int32Type, Int64Type, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType,
};
use arrow_array::{Array, ArrayRef, ListArray, RecordBatch, UInt32Array};
use arrow_schema::{DataType, Schema, TimeUnit};
use arrow_select::take::take;
use dumpstream::framing::{Batch, CutKind, Framer, Style, Tail};
use dumpstream::{Origin, Packets, TimeSource};
use dumpstream_flow::clock;
use dumpstream_flow::run::messages::{Message, Messages, Placing};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3_arrow::PyRecordBatch;

use crate::setup::Setup;
use crate::texts::Texts;

/// The longest key that is taken for a sensor's name, in bytes, as `dumpstream consume` has it.
const LONGEST_NAME: usize = 255;

/// The most bytes of records in a batch: a column of Arrow holds less than 2 GiB, and a byte that is
/// no text takes four characters.
const LARGEST: usize = 500_000_000;

/// Parses a column. Returns the batch, and how many rows hold no packet.
#[pyfunction]
#[pyo3(signature = (setup, batch, *, column, keep))]
pub(crate) fn parse_batch(
    py: Python<'_>,
    setup: &Setup,
    batch: PyRecordBatch,
    column: &str,
    keep: Vec<String>,
) -> PyResult<(Py<PyAny>, usize)> {
    let batch = batch.into_inner();
    let parsed = py.detach(|| parsed(setup, &batch, column, &keep));
    let (batch, unparsed) = parsed.map_err(PyValueError::new_err)?;
    Ok((
        PyRecordBatch::new(batch).into_pyarrow(py)?.unbind(),
        unparsed,
    ))
}

fn parsed(
    setup: &Setup,
    batch: &RecordBatch,
    column: &str,
    keep: &[String],
) -> Result<(RecordBatch, usize), String> {
    let rows = Rows::parse(setup, batch, column)?;
    let bytes: usize = rows.parts.iter().map(|part| part.packets.bytes()).sum();
    if bytes > LARGEST {
        return Err(format!(
            "the column {column:?} has {bytes} bytes of records; at most {LARGEST} are parsed at a \
             time, so parse slices of the batch"
        ));
    }
    let mut batches = setup.batches();
    for part in &rows.parts {
        batches.push(&part.packets);
    }
    let packets = batches.take();
    if keep.is_empty() {
        return Ok((packets, rows.unparsed));
    }
    let of = rows.parts.iter().flat_map(|part| part.rows.iter().copied());
    let of: UInt32Array = of.collect::<Vec<u32>>().into();
    let mut fields = packets.schema().fields().to_vec();
    let mut columns = packets.columns().to_vec();
    for name in keep {
        let index = batch.schema().index_of(name);
        let index = index.map_err(|_| format!("there is no column {name:?} to keep"))?;
        if fields.iter().any(|field| field.name() == name) {
            return Err(format!(
                "the packets have a column {name:?} of their own; rename the one to keep"
            ));
        }
        fields.push(Arc::new(batch.schema().field(index).clone()));
        let kept = take(batch.column(index), &of, None);
        columns.push(kept.map_err(|error| error.to_string())?);
    }
    let schema = Schema::new_with_metadata(fields, packets.schema().metadata().clone());
    let kept = RecordBatch::try_new(Arc::new(schema), columns);
    Ok((kept.map_err(|error| error.to_string())?, rows.unparsed))
}

/// The packets of a batch.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) parts: Vec<Part>,
    /// Rows without a packet.
    pub(crate) unparsed: usize,
}

/// Packets of one stream, and the row of each.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) packets: Packets,
    rows: Vec<u32>,
}

impl Rows {
    /// Parses each row by itself: what a row holds never depends on the others.
    pub(crate) fn parse(setup: &Setup, batch: &RecordBatch, column: &str) -> Result<Rows, String> {
        let texts = Texts::of(batch, column)?;
        let texts = texts.ok_or_else(|| format!("there is no column {column:?}"))?;
        let origins = Origins::of(batch, setup)?;
        let mut rows = Rows::default();
        let mut groups: Vec<Group> = Vec::new();
        let mut found: HashMap<(Vec<u8>, Vec<u8>), usize> = HashMap::new();
        let mut last: Option<usize> = None;
        for row in 0..batch.num_rows() {
            let Some(text) = texts.get(row) else { continue };
            let name = origins.name(row);
            let at = match last {
                Some(at) if groups[at].is(name) => at,
                _ => *found
                    .entry((name.0.to_vec(), name.1.to_vec()))
                    .or_insert_with(|| {
                        groups.push(Group::new(setup, &origins, row, name));
                        groups.len() - 1
                    }),
            };
            last = Some(at);
            groups[at].add(&mut rows, setup, &origins, row, text);
        }
        for group in &mut groups {
            group.flush(&mut rows, setup, CutKind::Records);
        }
        Ok(rows)
    }
}

/// Rows of one sensor and stream.
struct Group {
    sensor: Vec<u8>,
    stream: Vec<u8>,
    places: Placer,
    style: Option<Style>,
    text: Vec<u8>,
    known: Vec<(Message, u32)>,
    now: i64,
}

/// How packets get their places.
enum Placer {
    /// Each row says its own.
    Each(Box<Placing>),
    /// One after the other.
    Next(Box<Origin>),
}

impl Group {
    fn new(
        setup: &Setup,
        origins: &Origins,
        row: usize,
        (sensor, stream): (&[u8], &[u8]),
    ) -> Group {
        let named = String::from_utf8_lossy(sensor).into_owned();
        let origin = setup.origin(&named);
        let places = match origins.stream(row) {
            Some(stream) => Placer::Each(Box::new(Placing::new(
                origin,
                setup.stream.as_deref().unwrap_or(&stream),
            ))),
            None => Placer::Next(Box::new(origin)),
        };
        Group {
            sensor: sensor.to_vec(),
            stream: stream.to_vec(),
            places,
            style: None,
            text: Vec::new(),
            known: Vec::new(),
            now: clock::now(),
        }
    }

    fn is(&self, (sensor, stream): (&[u8], &[u8])) -> bool {
        self.sensor == sensor && self.stream == stream
    }

    /// Adds a row. Those that begin alike are parsed together.
    fn add(&mut self, rows: &mut Rows, setup: &Setup, origins: &Origins, row: usize, text: &[u8]) {
        let place = origins.place(row, self.now);
        let begins = |style: &Style| style.begins(text);
        if !self.style.as_ref().is_some_and(begins) {
            self.flush(rows, setup, CutKind::Records);
            self.style = Style::of(text);
        }
        // The ordinals of what is placed together increase.
        if let Some((last, _)) = self.known.last()
            && last.record >= place.message.record
        {
            self.flush(rows, setup, CutKind::Records);
        }
        // Other rows must not be taken for its lines.
        let alone = self.style.is_none();
        let at = self.text.len() as u64;
        self.known.push((
            Message {
                at,
                ..place.message
            },
            row as u32,
        ));
        self.text.extend_from_slice(text);
        if !place.truncated && !text.ends_with(b"\n") {
            self.text.push(b'\n');
        }
        match place.truncated {
            true => self.flush(rows, setup, CutKind::Truncated),
            false if alone || self.text.len() > (1 << 20) => {
                self.flush(rows, setup, CutKind::Records);
            }
            false => {}
        }
    }

    /// Parses what was added.
    fn flush(&mut self, rows: &mut Rows, setup: &Setup, end: CutKind) {
        if self.known.is_empty() {
            return;
        }
        let text = std::mem::take(&mut self.text);
        let known = std::mem::take(&mut self.known);
        let messages = Messages::new(false);
        messages.add(&mut known.iter().map(|(message, _)| *message).collect());
        let mut framer = Framer::new().max_record(setup.max_record);
        let mut seen = vec![false; known.len()];
        let mut at = 0;
        while let Some(cut) = framer.next_batch(&text[at..], Tail::Final) {
            let bytes = &text[at..at + cut.len];
            let offset = at as u64;
            at += cut.len;
            let kind = match cut.kind {
                CutKind::Skipped(_) => continue,
                // It was cut before it came here, and its end does not show it.
                CutKind::Records if at == text.len() => end,
                kind => kind,
            };
            let style = framer.style();
            let batch = Batch::new(bytes.to_vec(), style).cut(kind).at(offset);
            let mut packets = setup.parser.parse(batch);
            for packet in &packets {
                let offset = packet.offset().unwrap_or_default();
                let row = known.partition_point(|(message, _)| message.at <= offset) - 1;
                seen[row] = true;
            }
            match &mut self.places {
                Placer::Each(placing) => {
                    for packets in placing.place(&messages, (packets, style), &setup.parser) {
                        // Ordinals of rows increase.
                        let row = |record| {
                            let at = known.partition_point(|(m, _)| m.record < record);
                            known[at].1
                        };
                        let rows_of = packets.iter().map(|packet| row(packet.record()));
                        let rows_of = rows_of.collect();
                        rows.parts.push(Part {
                            packets,
                            rows: rows_of,
                        });
                    }
                }
                Placer::Next(origin) => {
                    let row = |offset| {
                        let at = known.partition_point(|(message, _)| message.at <= offset);
                        known[at - 1].1
                    };
                    let rows_of = packets.iter();
                    let rows_of = rows_of.map(|packet| row(packet.offset().unwrap_or_default()));
                    let rows_of = rows_of.collect();
                    origin.place(&mut packets);
                    rows.parts.push(Part {
                        packets,
                        rows: rows_of,
                    });
                }
            }
        }
        rows.unparsed += seen.iter().filter(|seen| !**seen).count();
    }
}

/// What the other columns say of a row's text.
#[derive(Clone, Copy, Debug)]
struct Known {
    message: Message,
    truncated: bool,
}

/// Where the rows come from.
enum Origins {
    /// A topic: `topic`, `partition`, `offset`, and if they are there `timestamp`, `key`, `headers`.
    Kafka(Box<Topic>),
    /// Records that have a place: `sensor`, `stream`, `record`, and if they are there `time`,
    /// `time_source`, `truncated`.
    Placed(Box<Places>),
    /// Nothing is known.
    Text,
}

struct Topic {
    topic: Texts,
    partition: ArrayRef,
    offset: ArrayRef,
    timestamp: Option<ArrayRef>,
    key: Option<Texts>,
    headers: Option<Headers>,
}

struct Headers {
    list: ListArray,
    keys: Texts,
    values: Texts,
}

struct Places {
    sensor: Texts,
    stream: Texts,
    record: ArrayRef,
    time: Option<ArrayRef>,
    source: Option<Texts>,
    truncated: Option<ArrayRef>,
}

/// The names of the headers that `-o kafka://` writes.
const SENSOR: &[u8] = b"sensor";
const STREAM: &[u8] = b"stream";
const RECORD: &[u8] = b"record";
const TIME: &[u8] = b"time";
const TIME_SOURCE: &[u8] = b"time_source";
const TRUNCATED: &[u8] = b"truncated";

impl Origins {
    fn of(batch: &RecordBatch, setup: &Setup) -> Result<Origins, String> {
        let column = |name: &str| batch.column_by_name(name).cloned();
        let of = |name: &str, kind: DataType| match column(name) {
            Some(array) if *array.data_type() != kind => Err(format!(
                "the column {name:?} is {}, and not {kind}",
                array.data_type()
            )),
            other => Ok(other),
        };
        let text = |name: &str| plain_text(batch, name);
        if let (Some(topic), Some(partition), Some(offset)) = (
            text("topic")?,
            of("partition", DataType::Int32)?,
            of("offset", DataType::Int64)?,
        ) {
            return Ok(Origins::Kafka(Box::new(Topic {
                topic,
                partition,
                offset,
                timestamp: column("timestamp"),
                key: text("key")?,
                headers: column("headers").map(Headers::new).transpose()?,
            })));
        }
        // A given sensor and stream are those of all rows, and need an ordinal of their own.
        let given = setup.sensor.is_some() && setup.stream.is_some();
        if let (Some(sensor), Some(stream), Some(record), false) = (
            text("sensor")?,
            text("stream")?,
            of("record", DataType::Int64)?,
            given,
        ) {
            return Ok(Origins::Placed(Box::new(Places {
                sensor,
                stream,
                record,
                // Spark's own time has no nanoseconds.
                time: column("time_ns").or_else(|| column("time")),
                source: text("time_source")?,
                truncated: of("truncated", DataType::Boolean)?,
            })));
        }
        Ok(Origins::Text)
    }

    /// The sensor of a row, and what tells its text from others of the sensor.
    fn name(&self, row: usize) -> (&[u8], &[u8]) {
        match self {
            Origins::Text => (b"", b""),
            Origins::Placed(places) => (
                places.sensor.get(row).unwrap_or_default(),
                places.stream.get(row).unwrap_or_default(),
            ),
            Origins::Kafka(topic) => {
                let key = topic.key.as_ref().and_then(|key| key.get(row));
                let header = |name| topic.headers.as_ref().and_then(|h| h.get(row, name));
                let named = header(SENSOR).filter(|name| is_name(name));
                let named = named.or_else(|| key.filter(|key| is_name(key)));
                let sensor = named.or_else(|| topic.topic.get(row)).unwrap_or_default();
                let of_record = header(RECORD).and_then(|_| header(STREAM));
                (sensor, of_record.unwrap_or_default())
            }
        }
    }

    /// The stream of a row's packets; `None`: it is derived from the first of all.
    fn stream(&self, row: usize) -> Option<String> {
        let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes?).into_owned().into();
        match self {
            Origins::Text => None,
            Origins::Placed(places) => text(places.stream.get(row)),
            Origins::Kafka(topic) => {
                let partition = topic.partition.as_primitive::<Int32Type>().value(row);
                let name: Option<String> = text(topic.topic.get(row));
                Some(format!("{}/{partition}", name?))
            }
        }
    }

    fn place(&self, row: usize, now: i64) -> Known {
        let mut message = Message {
            at: 0,
            record: row as u64 + 1,
            other: 0,
            arrival: now,
            time: None,
        };
        let mut truncated = false;
        match self {
            Origins::Text => {}
            Origins::Placed(places) => {
                let record = places.record.as_primitive::<Int64Type>().value(row);
                message.record = record.unsigned_abs();
                let time = places.time.as_ref().and_then(|time| nanoseconds(time, row));
                let source = places.source.as_ref().and_then(|source| source.get(row));
                let source = source.and_then(TimeSource::named);
                message.time = time.map(|time| (time, source.unwrap_or(TimeSource::Packet)));
                truncated = places.truncated.as_ref().is_some_and(|truncated| {
                    truncated.is_valid(row) && truncated.as_boolean().value(row)
                });
            }
            Origins::Kafka(topic) => {
                let offset = topic.offset.as_primitive::<Int64Type>().value(row);
                message.record = offset.unsigned_abs() + 1;
                let arrival = topic.timestamp.as_ref().and_then(|t| nanoseconds(t, row));
                message.arrival = arrival.unwrap_or(now);
                if let Some(headers) = &topic.headers {
                    let get = |name| headers.get(row, name);
                    let time = get(RECORD).and_then(|_| get(TIME));
                    let time = time.and_then(|time| str::from_utf8(time).ok()?.parse().ok());
                    let source = get(TIME_SOURCE).and_then(TimeSource::named);
                    message.time = time.map(|time| (time, source.unwrap_or(TimeSource::Packet)));
                    truncated = get(TRUNCATED) == Some(b"true");
                }
            }
        }
        Known { message, truncated }
    }
}

/// A column of text, also one of a dictionary.
fn plain_text(batch: &RecordBatch, name: &str) -> Result<Option<Texts>, String> {
    let Some(column) = batch.column_by_name(name) else {
        return Ok(None);
    };
    let plain = match column.as_any_dictionary_opt() {
        None => column.clone(),
        Some(dictionary) => {
            take(dictionary.values(), dictionary.keys(), None).map_err(|e| e.to_string())?
        }
    };
    Texts::new(name, plain).map(Some)
}

impl Headers {
    fn new(array: ArrayRef) -> Result<Headers, String> {
        let wrong = || "the column \"headers\" is no list of key and value".to_owned();
        let list = array.as_list_opt::<i32>().ok_or_else(wrong)?;
        let entries = list.values().as_struct_opt().ok_or_else(wrong)?;
        let of = |name: &str| match entries.column_by_name(name) {
            Some(array) => Texts::new(name, array.clone()),
            None => Err(wrong()),
        };
        Ok(Headers {
            keys: of("key")?,
            values: of("value")?,
            list: list.clone(),
        })
    }

    fn get(&self, row: usize, name: &[u8]) -> Option<&[u8]> {
        if self.list.is_null(row) {
            return None;
        }
        let offsets = self.list.value_offsets();
        let entries = offsets[row] as usize..offsets[row + 1] as usize;
        let found = entries
            .rev()
            .find(|entry| self.keys.get(*entry) == Some(name));
        found.map(|entry| self.values.get(entry).unwrap_or_default())
    }
}

/// Whether a key or a header names a sensor.
fn is_name(name: &[u8]) -> bool {
    let text = str::from_utf8(name);
    name.len() <= LONGEST_NAME && text.is_ok_and(|name| !name.trim().is_empty())
}

/// Nanoseconds since 1970 UTC of a time stamp.
fn nanoseconds(array: &ArrayRef, row: usize) -> Option<i64> {
    if array.is_null(row) {
        return None;
    }
    match array.data_type() {
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            Some(array.as_primitive::<TimestampNanosecondType>().value(row))
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let time = array.as_primitive::<TimestampMicrosecondType>().value(row);
            time.checked_mul(1_000)
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            let time = array.as_primitive::<TimestampMillisecondType>().value(row);
            time.checked_mul(1_000_000)
        }
        DataType::Int64 => Some(array.as_primitive::<Int64Type>().value(row)),
        _ => None,
    }
}

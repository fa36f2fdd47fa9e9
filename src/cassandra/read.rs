//! A time range read back, in the order of time, over all sensors, buckets and shards.
//!
//! A bucket is a span of time, so buckets follow each other, and only the partitions of one bucket
//! are merged at once. How much of each is held is such that all together are bounded, however
//! many sensors there are.

mod row;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::ops::ControlFlow;
use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use scylla::client::session::Session;
use scylla::deserialize::row::ColumnIterator;
use scylla::response::{PagingState, PagingStateResponse};
use scylla::serialize::row::SerializeRow;
use scylla::statement::prepared::PreparedStatement;
use scylla::value::CqlTimestamp;

use self::row::{Line, RawRow, fixed, long, value};
use super::address::Address;
use super::cluster::{self, Pending};
use super::fault;
use super::layout::{Content, Layout};
use super::schema::{Note, quoted};
use crate::origin::TimeSource;
use crate::packet::Packets;
use crate::parser::Parser;
use crate::sink::SinkError;
use crate::stored::Stored;

const MILLISECOND: i64 = 1_000_000;

/// Rows held of all partitions of a bucket together.
const HELD: usize = 40_000;

/// Rows of one page, at most: more gain nothing.
const LARGEST_PAGE: usize = 4_000;

/// Rows of one page, at least: a page of fewer would cost a round trip for almost nothing.
const SMALLEST_PAGE: usize = 32;

/// Pages asked for at once.
const TOGETHER: usize = 16;

/// Parts of the ring that are searched for partitions, each by its own queries.
const RANGES: i64 = 32;

/// Partitions of a sensor that are asked for without a search: so many queries that find nothing
/// cost less than a search of the whole ring.
const GUESSED: usize = 4_096;

/// How often a page is asked for before the reader gives up: about a minute.
const TRIES: u32 = 30;

/// Between two tries.
const WAIT: Duration = Duration::from_secs(2);

/// Rows that are handed on together.
const HANDED_ROWS: usize = 1_024;

/// Bytes that are handed on together, at most, unless a single row is larger.
const HANDED_BYTES: usize = 1 << 20;

/// What is read: rows from an instant on and before another, in nanoseconds since 1970 UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// The first instant.
    pub from: Option<i64>,
    /// The instant after the last.
    pub to: Option<i64>,
    /// Of this sensor alone.
    pub sensor: Option<String>,
}

/// A table that is read.
#[derive(Debug)]
pub struct Reader {
    sink: String,
    session: Session,
    note: Note,
    parser: Parser,
    /// What the columns of a page are.
    sources: Vec<Content>,
    page: PreparedStatement,
    partitions: PreparedStatement,
}

impl Reader {
    /// Connects, and compares the table with the parser's namespace: its fields are read, and
    /// those that the table lacks are missing. `raw` reads the records' bytes too.
    ///
    /// # Errors
    /// No node answers, there is no such table, or a column has another type.
    pub async fn open(address: &Address, parser: &Parser, raw: bool) -> Result<Reader, SinkError> {
        let sink = address.to_string();
        let refused = |why: String| SinkError::Refused {
            sink: sink.clone(),
            why,
        };
        let pending = |pending| match pending {
            Pending::Wait(why) => refused(why),
            Pending::Never(halt) => refused(halt.text()),
        };
        let table = address
            .table()
            .ok_or_else(|| refused("it names no table: …/KEYSPACE.TABLE".to_owned()))?;
        let session = cluster::connect(address).await.map_err(refused)?;
        let found = cluster::look(&session, address, table).await;
        let found = found
            .map_err(pending)?
            .ok_or_else(|| refused(format!("there is no table {}.{table}", address.keyspace())))?;
        let note = super::schema::placed(address, &found).map_err(refused)?;
        let columns = parser.columns();
        let layout = Layout::packets(&columns, note.placing(), raw).map_err(refused)?;
        let mut sources = Vec::new();
        let mut names = Vec::new();
        for cell in &layout.cells {
            match found.columns.iter().find(|c| c.name == cell.name) {
                Some(column) if column.kind != cell.kind => {
                    return Err(SinkError::Column {
                        sink,
                        column: cell.name.clone(),
                        found: column.kind.clone(),
                        wanted: cell.kind,
                    });
                }
                Some(_) => {
                    sources.push(cell.source);
                    names.push(quoted(&cell.name));
                }
                None => tracing::warn!(column = %cell.name, "The table lacks a column."),
            }
        }
        let place = format!("{}.{table}", address.keyspace());
        let page = format!(
            "SELECT {} FROM {place} WHERE sensor = ? AND bucket = ? AND shard = ? \
             AND time >= ? AND time <= ?",
            names.join(", ")
        );
        let partitions = format!(
            "SELECT DISTINCT sensor, bucket, shard FROM {place} \
             WHERE token(sensor, bucket, shard) > ? AND token(sensor, bucket, shard) <= ?"
        );
        let prepare = async |text: &str| {
            let prepared = session.prepare(text).await;
            let mut prepared = prepared.map_err(|e| refused(fault::chain(&e)))?;
            prepared.set_is_idempotent(true);
            Ok::<_, SinkError>(prepared)
        };
        Ok(Reader {
            page: prepare(&page).await?,
            partitions: prepare(&partitions).await?,
            sources,
            parser: parser.clone(),
            note,
            session,
            sink,
        })
    }

    /// Reads a range, and hands packets on in the order of time: those of one instant by their
    /// ordinal. Returns how many there were; `out` may end it.
    ///
    /// # Errors
    /// The cluster does not answer, for about a minute, or answers with what is no row of ours.
    pub async fn read(
        &self,
        range: &Range,
        mut out: impl AsyncFnMut(Packets) -> ControlFlow<()>,
    ) -> Result<u64, SinkError> {
        let mut handing = Handing {
            stored: Stored::new(&self.parser),
            rows: 0,
        };
        for (bucket, partitions) in self.partitions(range).await? {
            let page = (HELD / partitions.len().max(1)).clamp(SMALLEST_PAGE, LARGEST_PAGE);
            let mut statement = self.page.clone();
            statement.set_page_size(i32::try_from(page).expect("a page is small"));
            let statement = &statement;
            let open = partitions.into_iter().map(|(sensor, shard)| async move {
                let mut cursor = Cursor {
                    sensor,
                    bucket,
                    shard,
                    rows: Vec::new().into_iter(),
                    next: Some(PagingState::start()),
                };
                let first = self.advance(&mut cursor, statement, range).await?;
                Ok::<_, SinkError>(first.map(|row| (cursor, row)))
            });
            let mut cursors: Vec<(Cursor, Line)> = stream::iter(open)
                .buffered(TOGETHER)
                .try_filter_map(|opened| async move { Ok(opened) })
                .try_collect()
                .await?;
            let mut order: BinaryHeap<_> = cursors
                .iter()
                .enumerate()
                .map(|(i, (_, row))| Reverse((row.time, row.record, i)))
                .collect();
            while let Some(mut least) = order.peek_mut() {
                let Reverse((_, _, i)) = *least;
                let (cursor, row) = &mut cursors[i];
                let next = match cursor.rows.next() {
                    Some(next) => Some(next),
                    None => self.advance(cursor, statement, range).await?,
                };
                let done = match next {
                    Some(next) => {
                        *least = Reverse((next.time, next.record, i));
                        drop(least);
                        std::mem::replace(row, next)
                    }
                    None => {
                        std::collections::binary_heap::PeekMut::pop(least);
                        std::mem::take(row)
                    }
                };
                let full = handing.add(&cursor.sensor, &done, &self.sources);
                let full = full.map_err(|why| self.failed(why))?;
                if let Some(packets) = full
                    && out(packets).await.is_break()
                {
                    return Ok(handing.rows);
                }
            }
        }
        if handing.stored.len() > 0 {
            let packets = handing.take();
            // It is the last: there is nothing left to end.
            let _ended = out(packets).await;
        }
        Ok(handing.rows)
    }

    fn failed(&self, why: String) -> SinkError {
        SinkError::Refused {
            sink: self.sink.clone(),
            why,
        }
    }

    /// The partitions that a range touches, by bucket.
    async fn partitions(
        &self,
        range: &Range,
    ) -> Result<BTreeMap<i64, Vec<(std::sync::Arc<str>, i16)>>, SinkError> {
        let placing = self.note.placing();
        let from = range.from.map(|ns| placing.bucket(ns));
        let to = range.to.map(|ns| placing.bucket(ns.saturating_sub(1)));
        let mut buckets: BTreeMap<i64, Vec<(std::sync::Arc<str>, i16)>> = BTreeMap::new();
        if let (Some(from), Some(to), Some(sensor)) = (from, to, &range.sensor) {
            let step = i64::try_from(self.note.bucket.as_millis()).expect("a bucket is a day");
            let shards = i16::try_from(self.note.shards).expect("there are 1,024 at most");
            let spans = to.saturating_sub(from) / step + 1;
            if spans.saturating_mul(i64::from(shards)) <= GUESSED as i64 {
                let sensor: std::sync::Arc<str> = sensor.as_str().into();
                for bucket in (0..spans).map(|n| from + n * step) {
                    let shards = (0..shards).map(|shard| (sensor.clone(), shard));
                    buckets.insert(bucket, shards.collect());
                }
                return Ok(buckets);
            }
        }
        let step = (i128::from(i64::MAX) - i128::from(i64::MIN)) / i128::from(RANGES);
        let bound = |n: i64| match n {
            RANGES => i64::MAX,
            n => i64::try_from(i128::from(i64::MIN) + i128::from(n) * step)
                .expect("it lies within the ring"),
        };
        let found = stream::iter(0..RANGES)
            .map(|n| self.search(bound(n), bound(n + 1), range, (from, to)))
            .buffer_unordered(4);
        let found: Vec<Vec<(String, i64, i16)>> = found.try_collect().await?;
        let mut sensors: BTreeMap<String, std::sync::Arc<str>> = BTreeMap::new();
        for (sensor, bucket, shard) in found.into_iter().flatten() {
            let name = sensors
                .entry(sensor)
                .or_insert_with_key(|name| name.as_str().into());
            buckets
                .entry(bucket)
                .or_default()
                .push((name.clone(), shard));
        }
        Ok(buckets)
    }

    async fn search(
        &self,
        after: i64,
        until: i64,
        range: &Range,
        (from, to): (Option<i64>, Option<i64>),
    ) -> Result<Vec<(String, i64, i16)>, SinkError> {
        let mut found = Vec::new();
        let mut next = Some(PagingState::start());
        while let Some(state) = next {
            let rows;
            (rows, next) = self.page(&self.partitions, (after, until), state).await?;
            for row in &rows {
                let (Some(sensor), Some(bucket), Some(shard)) =
                    (row.get(0), row.get(1), row.get(2))
                else {
                    continue;
                };
                let sensor = String::from_utf8_lossy(sensor).into_owned();
                let bucket = long(bucket).map_err(|e| self.failed(e))?;
                let shard = fixed(shard).map(i16::from_be_bytes);
                let shard = shard.map_err(|e| self.failed(e))?;
                let within = from.is_none_or(|from| bucket >= from)
                    && to.is_none_or(|to| bucket <= to)
                    && range.sensor.as_ref().is_none_or(|s| *s == sensor);
                if within {
                    found.push((sensor, bucket, shard));
                }
            }
        }
        Ok(found)
    }

    /// The next row of a partition that lies in the range.
    async fn advance(
        &self,
        cursor: &mut Cursor,
        statement: &PreparedStatement,
        range: &Range,
    ) -> Result<Option<Line>, SinkError> {
        let from = range.from.unwrap_or(i64::MIN);
        let to = range.to.unwrap_or(i64::MAX);
        let bounds = (
            CqlTimestamp(from.div_euclid(MILLISECOND)),
            CqlTimestamp(to.div_euclid(MILLISECOND)),
        );
        loop {
            if let Some(row) = cursor.rows.next() {
                return Ok(Some(row));
            }
            let Some(state) = cursor.next.take() else {
                return Ok(None);
            };
            let bucket = CqlTimestamp(cursor.bucket);
            let values = (&*cursor.sensor, bucket, cursor.shard, bounds.0, bounds.1);
            let (raws, next) = self.page(statement, values, state).await?;
            cursor.next = next;
            let mut rows = Vec::with_capacity(raws.len());
            for raw in raws {
                let row = Line::read(raw, &self.sources).map_err(|e| self.failed(e))?;
                // The bounds above are of whole milliseconds.
                if row.time >= from && row.time < to {
                    rows.push(row);
                }
            }
            cursor.rows = rows.into_iter();
        }
    }

    /// One page of a query, asked for until it comes.
    async fn page(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
        state: PagingState,
    ) -> Result<(Vec<RawRow>, Option<PagingState>), SinkError> {
        let mut tries = 0;
        let (result, next) = loop {
            let asked = self
                .session
                .execute_single_page(statement, &values, state.clone())
                .await;
            match asked {
                Ok(answer) => break answer,
                Err(e) if fault::transient(&e) && tries < TRIES => {
                    if tries == 0 {
                        tracing::warn!(sink = %self.sink, error = %fault::said(&e),
                            "The cluster does not answer; it is asked again.");
                    }
                    tries += 1;
                    tokio::time::sleep(WAIT).await;
                }
                Err(e) => return Err(self.failed(fault::said(&e))),
            }
        };
        let next = match next {
            PagingStateResponse::HasMorePages { state } => Some(state),
            PagingStateResponse::NoMorePages => None,
        };
        let result = result
            .into_rows_result()
            .map_err(|e| self.failed(e.to_string()))?;
        let rows = result
            .rows::<ColumnIterator<'_, '_>>()
            .map_err(|e| self.failed(e.to_string()))?;
        let mut read = Vec::with_capacity(result.rows_num());
        for row in rows {
            let row = row.map_err(|e| self.failed(e.to_string()))?;
            let mut raw = RawRow::default();
            for column in row {
                let column = column.map_err(|e| self.failed(e.to_string()))?;
                raw.push(column.slice.map(|slice| slice.as_slice()));
            }
            read.push(raw);
        }
        Ok((read, next))
    }
}

/// One partition's rows.
struct Cursor {
    sensor: std::sync::Arc<str>,
    bucket: i64,
    shard: i16,
    rows: std::vec::IntoIter<Line>,
    /// Where the next page begins; `None` after the last.
    next: Option<PagingState>,
}

/// Gathers rows to be handed on.
struct Handing {
    stored: Stored,
    rows: u64,
}

impl Handing {
    fn take(&mut self) -> Packets {
        self.rows += self.stored.len() as u64;
        self.stored.take()
    }

    /// Adds a row; what has to be handed on before comes back.
    fn add(
        &mut self,
        sensor: &str,
        line: &Line,
        sources: &[Content],
    ) -> Result<Option<Packets>, String> {
        let get = |wanted: Content| {
            let column = sources.iter().position(|s| *s == wanted)?;
            line.raw.get(column)
        };
        let stream = get(Content::Stream).unwrap_or_default();
        let stream = std::str::from_utf8(stream).map_err(|e| format!("a stream's name: {e}"))?;
        let part = self.stored.len() > 0
            && (!self.stored.continues(sensor, stream, line.record)
                || self.stored.len() >= HANDED_ROWS
                || self.stored.bytes() >= HANDED_BYTES);
        let full = part.then(|| self.take());
        let source = get(Content::TimeSource).and_then(TimeSource::named);
        let truncated = get(Content::Truncated).is_some_and(|b| b == [1]);
        self.stored.row(
            (sensor, stream, line.record),
            line.time,
            source.unwrap_or(TimeSource::Packet),
            truncated,
            get(Content::Raw).unwrap_or_default(),
        );
        for (i, source) in sources.iter().enumerate() {
            let Content::Field(column, kind) = *source else {
                continue;
            };
            if let Some(bytes) = line.raw.get(i) {
                let ns = || get(Content::FieldNs(column));
                self.stored.set(column, value(kind, bytes, ns)?);
            }
        }
        Ok(full)
    }
}

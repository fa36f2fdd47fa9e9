//! Reads a time range back, ordered by time, over all sensors, buckets and shards.
//!
//! A bucket is a span of time, so buckets follow each other, and only the partitions of one bucket
//! are merged at once. How much of each partition is held is limited so that the total is bounded,
//! however many sensors there are and however large their rows.

mod handing;
mod merge;
mod partitions;
mod row;

use std::time::Duration;

use dumpstream::{Packets, Parser};
use futures_util::stream::{self, Stream, StreamExt, TryStreamExt};
use scylla::client::session::Session;
use scylla::deserialize::row::ColumnIterator;
use scylla::response::PagingState;
use scylla::serialize::row::SerializeRow;
use scylla::statement::prepared::PreparedStatement;
use scylla::value::CqlTimestamp;
use tokio::time::Instant;

use self::handing::Handing;
use self::merge::{Merge, Wanted};
use self::partitions::{Partitions, Sensor};
use self::row::{Line, RawRow, fixed, long};
use super::address::Address;
use super::cluster::{self, PATIENCE};
use super::found;
use super::layout::{Content, Layout, MILLISECOND};
use super::name::quoted;
use super::note::Note;
use super::paging::{self, consistency};
use super::waiting::Pending;
use crate::causes::causes;
use crate::sink::SinkError;
use crate::sink::context::RowKind;

/// Bytes held of all partitions of a bucket together: as much as a sink's queue.
const HELD: usize = 64 << 20;

/// Pages asked for at once.
const TOGETHER: usize = 16;

/// Parts of the ring that are searched for partitions, each by its own queries.
const RANGES: i64 = 32;

/// Parts that are searched at once.
const SEARCHED: usize = 4;

/// Partitions per page of the search.
const FOUND: i32 = 1_000;

/// Time limit of a page of the search: longer than the server's own limit for a range of the ring
/// (10 s), so that its answer comes first.
const SEARCH: Duration = Duration::from_secs(15);

/// Partitions of a sensor that are queried without a search: this many queries that find nothing
/// cost less than a search of the whole ring.
const GUESSED: usize = 4_096;

/// How long a page is retried before the reader gives up.
const ENDURANCE: Duration = Duration::from_secs(60);

/// Time between two attempts.
const WAIT: Duration = Duration::from_secs(2);

/// The range to read: from an instant (inclusive) to another (exclusive), in nanoseconds since 1970
/// UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// The first instant.
    pub from: Option<i64>,
    /// The instant after the last.
    pub to: Option<i64>,
    /// Only this sensor.
    pub sensor: Option<String>,
}

/// An open table.
#[derive(Debug)]
pub struct Reader {
    sink: String,
    session: Session,
    note: Note,
    parser: Parser,
    /// The content of each column of a page.
    sources: Vec<Content>,
    page: PreparedStatement,
    partitions: PreparedStatement,
}

impl Reader {
    /// Connects, and compares the table with the parser's namespace: its fields are read, and
    /// fields without a column have no values. `raw` also reads the records' bytes.
    ///
    /// # Errors
    /// No node answers, the table does not exist, or a column has another type.
    pub async fn open(address: &Address, parser: &Parser, raw: bool) -> Result<Reader, SinkError> {
        let opened = cluster::in_time(Reader::opened(address, parser, raw)).await;
        opened.unwrap_or_else(|| {
            Err(SinkError::Refused {
                sink: address.to_string(),
                why: paging::silent(),
            })
        })
    }

    async fn opened(address: &Address, parser: &Parser, raw: bool) -> Result<Reader, SinkError> {
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
            .ok_or_else(|| refused("it names no table; write …/KEYSPACE.TABLE".to_owned()))?;
        let session = cluster::connect(address).await.map_err(refused)?;
        let found = cluster::look(&session, address, table).await;
        let found = found.map_err(pending)?.ok_or_else(|| {
            refused(format!(
                "table {}.{table} does not exist",
                address.keyspace()
            ))
        })?;
        let note = found::placed(address, RowKind::Packets, &found).map_err(refused)?;
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
                None => tracing::warn!(column = %cell.name, "The table is missing a column."),
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
            let mut prepared = prepared.map_err(|e| refused(causes(&e)))?;
            prepared.set_is_idempotent(true);
            prepared.set_consistency(consistency(address));
            Ok::<_, SinkError>(prepared)
        };
        let page = prepare(&page).await?;
        let mut partitions = prepare(&partitions).await?;
        partitions.set_page_size(FOUND);
        partitions.set_request_timeout(Some(SEARCH));
        Ok(Reader {
            page,
            partitions,
            sources,
            parser: parser.clone(),
            note,
            session,
            sink,
        })
    }

    /// Starts to read a range: packets come by time, then by stream, record and sensor.
    pub fn read(&self, range: Range) -> Reading<'_> {
        Reading {
            reader: self,
            range,
            partitions: None,
            bucket: 0,
            merge: Merge::default(),
            handing: Handing::new(&self.parser),
        }
    }

    fn failed(&self, why: String) -> SinkError {
        SinkError::Refused {
            sink: self.sink.clone(),
            why,
        }
    }

    /// The partitions that a range touches, by bucket.
    async fn partitions(&self, range: &Range) -> Result<Partitions, SinkError> {
        let placing = self.note.placing();
        let from = range.from.map(|ns| placing.bucket(ns));
        let to = range.to.map(|ns| placing.bucket(ns.saturating_sub(1)));
        let mut partitions = Partitions::default();
        if let (Some(from), Some(to), Some(sensor)) = (from, to, &range.sensor) {
            let step = i64::try_from(self.note.bucket.as_millis()).expect("a bucket is a day");
            let shards = i16::try_from(self.note.shards).expect("there are 1,024 at most");
            let spans = to.saturating_sub(from) / step + 1;
            if spans.saturating_mul(i64::from(shards)) <= GUESSED as i64 {
                for bucket in (0..spans).map(|n| from + n * step) {
                    (0..shards).for_each(|shard| partitions.add(sensor, bucket, shard));
                }
                return Ok(partitions);
            }
        }
        let step = (i128::from(i64::MAX) - i128::from(i64::MIN)) / i128::from(RANGES);
        let bound = |n: i64| match n {
            RANGES => i64::MAX,
            n => i64::try_from(i128::from(i64::MIN) + i128::from(n) * step)
                .expect("it lies within the ring"),
        };
        let mut pages = stream::iter(0..RANGES)
            .map(|n| self.search(bound(n), bound(n + 1)).boxed())
            .flatten_unordered(SEARCHED);
        while let Some(rows) = pages.try_next().await? {
            for row in &rows {
                let (Some(sensor), Some(bucket), Some(shard)) =
                    (row.get(0), row.get(1), row.get(2))
                else {
                    continue;
                };
                let sensor = String::from_utf8_lossy(sensor);
                let bucket = long(bucket).map_err(|e| self.failed(e))?;
                let shard = fixed(shard).map(i16::from_be_bytes);
                let shard = shard.map_err(|e| self.failed(e))?;
                let within = from.is_none_or(|from| bucket >= from)
                    && to.is_none_or(|to| bucket <= to)
                    && range.sensor.as_ref().is_none_or(|s| *s == sensor);
                if within {
                    partitions.add(&sensor, bucket, shard);
                }
            }
        }
        Ok(partitions)
    }

    /// The partitions of a part of the ring, page by page.
    fn search(
        &self,
        after: i64,
        until: i64,
    ) -> impl Stream<Item = Result<Vec<RawRow>, SinkError>> + Send {
        let start = Some(PagingState::start());
        stream::try_unfold(start, move |next| async move {
            let Some(state) = next else { return Ok(None) };
            let page = self.page(&self.partitions, (after, until), state).await?;
            Ok(Some(page))
        })
    }

    /// The rows of a page of a partition that lie in the range, and where the next page begins.
    async fn rows(
        &self,
        range: &Range,
        bucket: i64,
        (sensor, shard): (&Sensor, i16),
        (state, bytes): (PagingState, usize),
    ) -> Result<(Vec<Line>, Option<PagingState>), SinkError> {
        let from = range.from.unwrap_or(i64::MIN);
        let to = range.to.unwrap_or(i64::MAX);
        let mut statement = self.page.clone();
        statement.set_page_size(sensor.paging.rows(bytes));
        let values = (
            &*sensor.name,
            CqlTimestamp(bucket),
            shard,
            CqlTimestamp(from.div_euclid(MILLISECOND)),
            CqlTimestamp(to.div_euclid(MILLISECOND)),
        );
        let (raws, next) = self.page(&statement, values, state).await?;
        let held = raws.iter().map(RawRow::held).sum();
        sensor.paging.came(raws.len(), held);
        let mut rows = Vec::with_capacity(raws.len());
        for raw in raws {
            let row = Line::read(raw, &self.sources).map_err(|e| self.failed(e))?;
            // The bounds above are of whole milliseconds.
            if row.time >= from && row.time < to {
                rows.push(row);
            }
        }
        Ok((rows, next))
    }

    /// Requests one page of a query until it comes.
    async fn page(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
        state: PagingState,
    ) -> Result<(Vec<RawRow>, Option<PagingState>), SinkError> {
        let deadline = Instant::now() + ENDURANCE;
        let mut warned = false;
        let again = |why: &str| {
            if Instant::now() + WAIT >= deadline {
                return None;
            }
            if !std::mem::replace(&mut warned, true) {
                tracing::warn!(sink = %self.sink, error = %why,
                    "The cluster does not answer; retrying.");
            }
            Some(WAIT)
        };
        let ask = |state| {
            // Not all of the driver's own waits have a limit.
            let limit = deadline.min(Instant::now() + PATIENCE);
            let asked = self.session.execute_single_page(statement, &values, state);
            async move { tokio::time::timeout_at(limit, asked).await.ok() }
        };
        let page = paging::page(ask, state, again).await;
        let (result, next) = page.map_err(|why| self.failed(why))?;
        let rows = result
            .rows::<ColumnIterator<'_, '_>>()
            .map_err(|e| self.failed(e.to_string()))?;
        let columns = result.column_specs().len();
        let mut read = Vec::with_capacity(result.rows_num());
        for row in rows {
            let row = row.map_err(|e| self.failed(e.to_string()))?;
            let mut raw = RawRow::new(columns);
            for column in row {
                let column = column.map_err(|e| self.failed(e.to_string()))?;
                raw.push(column.slice.map(|slice| slice.as_slice()));
            }
            read.push(raw);
        }
        Ok((read, next))
    }
}

/// A range that is being read.
///
/// Packets come ordered by time, and for equal times by stream, record and sensor: the order of the
/// table's key.
///
/// What is held at once is bounded: 64 MiB of rows, shared among the partitions of one bucket.
/// Beyond that, each of these partitions holds at least one row, a page whose rows are larger than
/// those before is larger by as much, and every partition of the range takes eight bytes.
#[derive(Debug)]
pub struct Reading<'a> {
    reader: &'a Reader,
    range: Range,
    /// The remaining partitions; `None` before they were searched for.
    partitions: Option<Partitions>,
    /// The start of the current bucket, in milliseconds since 1970.
    bucket: i64,
    merge: Merge,
    handing: Handing,
}

impl Reading<'_> {
    /// The next packets; `None` after the last.
    ///
    /// The future may be dropped before it is done: nothing is lost.
    ///
    /// # Errors
    /// The cluster does not answer for a minute, or its answer is not a row of dumpstream.
    pub async fn next(&mut self) -> Result<Option<Packets>, SinkError> {
        let reader = self.reader;
        if self.partitions.is_none() {
            self.partitions = Some(reader.partitions(&self.range).await?);
        }
        let partitions = self.partitions.as_mut().expect("they were found");
        loop {
            let wanted = self.merge.wanted();
            if wanted.is_empty() {
                let Some((partition, line)) = self.merge.pop() else {
                    let Some((bucket, next)) = partitions.pop() else {
                        return Ok(self.handing.rest());
                    };
                    self.bucket = bucket;
                    self.merge = Merge::new(next);
                    continue;
                };
                let sensor = &partitions.sensors[partition.sensor as usize].name;
                let full = self.handing.add(sensor, &line, &reader.sources);
                if let Some(packets) = full.map_err(|why| reader.failed(why))? {
                    return Ok(Some(packets));
                }
                continue;
            }
            let (range, bucket, sensors) = (&self.range, self.bucket, &partitions.sensors);
            let share = HELD / self.merge.len();
            let pages = wanted.into_iter().map(|wanted| async move {
                let Wanted {
                    cursor,
                    partition,
                    state,
                } = wanted;
                let of = (&sensors[partition.sensor as usize], partition.shard);
                let page = reader.rows(range, bucket, of, (state, share)).await?;
                Ok::<_, SinkError>((cursor, page))
            });
            let mut pages = stream::iter(pages).buffer_unordered(TOGETHER);
            while let Some((cursor, (rows, next))) = pages.try_next().await? {
                self.merge.fill(cursor, rows, next);
            }
        }
    }
}

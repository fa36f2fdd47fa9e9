//! The Parquet files of one spool: one for each hour, under hidden names until all are complete.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, RecordBatch, UInt32Array};
use arrow_schema::{DataType, SchemaRef};
use arrow_select::take::take_record_batch;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use super::spool::gone;
use crate::sink::file::output::sync_folder;

/// Rows of a group. A reader that looks for a time or an address skips whole groups: by their least
/// and greatest values, and by the Bloom filters of addresses.
const GROUP: usize = 122_880;

/// How many hours are written at the same time; of more, the one that was written to longest ago is
/// completed. A capture that is stored at once has its hours in order, live text has one or two.
const HOURS: usize = 16;

/// Values of an address column of a group that its Bloom filter is made for, and how often it says
/// that one is there that is not.
const ADDRESSES: u64 = 10_000;
const FALSE: f64 = 0.01;

/// The level of zstd: higher ones take much longer and save little.
const LEVEL: i32 = 1;

const HOUR: i64 = 3_600_000_000_000;

/// The files.
pub(super) struct Files {
    folder: PathBuf,
    id: String,
    open: BTreeMap<i64, Open>,
    /// Completed, under hidden names: those and the final ones.
    complete: Vec<(PathBuf, PathBuf)>,
    /// Bytes of those.
    bytes: u64,
    /// Counts writes, to know which hour was written to longest ago.
    writes: u64,
}

struct Open {
    part: PathBuf,
    end: PathBuf,
    writer: ArrowWriter<File>,
    last: u64,
}

impl Files {
    /// Those of the spool of this id; nothing is created yet.
    pub(super) fn new(folder: &Path, id: &str) -> Files {
        Files {
            folder: folder.to_owned(),
            id: id.to_owned(),
            open: BTreeMap::new(),
            complete: Vec::new(),
            bytes: 0,
            writes: 0,
        }
    }

    /// Adds rows to the files of their hours. The files depend on the order of the rows alone, so that
    /// the same spool makes the same files.
    pub(super) fn write(&mut self, rows: &RecordBatch) -> io::Result<()> {
        self.writes += 1;
        let times = rows.column_by_name("time_ns").and_then(|column| {
            let times = column.as_primitive_opt::<Int64Type>()?;
            Some((0..times.len()).map(|row| match times.is_valid(row) {
                true => times.value(row).div_euclid(HOUR),
                false => 0,
            }))
        });
        let Some(hours) = times else {
            return self.hour(0, rows);
        };
        let hours: Vec<i64> = hours.collect();
        let Some(first) = hours.first() else {
            return Ok(());
        };
        if hours.iter().all(|hour| hour == first) {
            return self.hour(*first, rows);
        }
        let mut places: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
        for (row, hour) in (0..).zip(&hours) {
            places.entry(*hour).or_default().push(row);
        }
        for (hour, places) in places {
            let rows = take_record_batch(rows, &UInt32Array::from(places));
            self.hour(hour, &rows.map_err(io::Error::other)?)?;
        }
        Ok(())
    }

    fn hour(&mut self, hour: i64, rows: &RecordBatch) -> io::Result<()> {
        if !self.open.contains_key(&hour) {
            if self.open.len() == HOURS {
                let oldest = self.open.iter().min_by_key(|(_, open)| open.last);
                let oldest = oldest.map(|(hour, _)| *hour);
                oldest.map_or(Ok(()), |oldest| self.complete(oldest))?;
            }
            let open = self.begin(hour, rows.schema())?;
            self.open.insert(hour, open);
        }
        let open = self.open.get_mut(&hour).expect("it was opened above");
        open.last = self.writes;
        open.writer.write(rows).map_err(of_parquet)
    }

    fn begin(&self, hour: i64, schema: SchemaRef) -> io::Result<Open> {
        let since = jiff::Timestamp::from_second(hour.saturating_mul(3_600));
        let since = since.unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let folders = since.strftime("date=%Y-%m-%d/hour=%H").to_string();
        // An hour may have been completed and begun again.
        let number = self.complete.len() + self.open.len();
        let name = format!("{}-{number:03}.parquet", self.id);
        let part = self.folder.join(format!(".{name}.part"));
        let file = File::create(&part)?;
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(
                ZstdLevel::try_new(LEVEL).map_err(of_parquet)?,
            ))
            .set_max_row_group_row_count(Some(GROUP))
            .set_statistics_enabled(EnabledStatistics::Page);
        for field in schema.fields() {
            // Times, ordinals, sequence numbers: hardly one comes twice, and neighbours are close.
            if matches!(field.data_type(), DataType::Int64 | DataType::Timestamp(..)) {
                let column = ColumnPath::from(field.name().as_str());
                properties = properties
                    .set_column_dictionary_enabled(column.clone(), false)
                    .set_column_encoding(column, Encoding::DELTA_BINARY_PACKED);
            }
        }
        for address in ["source", "destination"] {
            if schema.index_of(address).is_ok() {
                let column = ColumnPath::from(address);
                properties = properties
                    .set_column_bloom_filter_enabled(column.clone(), true)
                    .set_column_bloom_filter_max_ndv(column.clone(), ADDRESSES)
                    .set_column_bloom_filter_fpp(column, FALSE);
            }
        }
        let writer = ArrowWriter::try_new(file, schema, Some(properties.build()));
        Ok(Open {
            part,
            end: self.folder.join(folders).join(name),
            writer: writer.map_err(of_parquet)?,
            last: self.writes,
        })
    }

    /// Completes the file of an hour, under its hidden name.
    fn complete(&mut self, hour: i64) -> io::Result<()> {
        let Some(open) = self.open.remove(&hour) else {
            return Ok(());
        };
        let file = open.writer.into_inner().map_err(of_parquet)?;
        file.sync_all()?;
        self.bytes += file.metadata()?.len();
        self.complete.push((open.part, open.end));
        Ok(())
    }

    /// Completes all files, and gives them their names; again after an error.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        while let Some(hour) = self.open.keys().next().copied() {
            self.complete(hour)?;
        }
        for (part, end) in &self.complete {
            let hour = end.parent().unwrap_or(&self.folder);
            fs::create_dir_all(hour)?;
            match fs::rename(part, end) {
                // It was renamed before the error.
                Err(error) if error.kind() == io::ErrorKind::NotFound && end.exists() => {}
                renamed => renamed?,
            }
            sync_folder(hour)?;
            hour.parent().map_or(Ok(()), sync_folder)?;
        }
        sync_folder(&self.folder)
    }

    /// How large the files are, about, in bytes.
    pub(super) fn size(&self) -> u64 {
        let open = self.open.values().map(|open| {
            let writer = &open.writer;
            writer.bytes_written() + writer.in_progress_size()
        });
        self.bytes + open.sum::<usize>() as u64
    }

    /// Removes what is not complete: an error has spoilt it, or a crash.
    pub(super) fn discard(folder: &Path, id: &str) -> io::Result<()> {
        let begin = format!(".{id}-");
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if name.to_str().is_some_and(|name| name.starts_with(&begin)) {
                gone(&entry.path())?;
            }
        }
        Ok(())
    }
}

fn of_parquet(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(error) => match error.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(other) => io::Error::other(other),
        },
        other => io::Error::other(other),
    }
}

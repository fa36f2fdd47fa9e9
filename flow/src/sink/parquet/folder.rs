//! The folder: what is written to the spool and to the files, and when they are turned.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use dumpstream::Packets;
use dumpstream::arrow::RecordBatches;
use dumpstream::hash::stream_name;

use super::files::Files;
use super::spool::{Rows, Spool};
use crate::sink::context::{RowKind, SinkContext};
use crate::sink::file::Rotation;
use crate::sink::file::output::passes;
use crate::sink::patience::{Abandoned, Patience};
use crate::sink::writer::{Course, Store};
use crate::sink::{SinkError, Written};

/// When files are completed, if the URL does not say.
pub(super) const ROTATION: Rotation = Rotation {
    every: Some(Duration::from_secs(3_600)),
    size: Some(256_000_000),
};

/// Files are completed when the spool is so large, in bytes, if the URL does not say: it is about five
/// times as large as they, and on the same disk.
pub(super) const SPOOL: usize = 2 << 30;

/// A smaller one would make files of a few rows.
pub(super) const SMALLEST_SPOOL: usize = 1 << 20;

/// Rows of a batch: enough that a column is worth its overhead, and few enough to hold.
const ROWS: usize = 1 << 14;

/// Bytes of text of a batch, about: records may be long.
const BYTES: usize = 32 << 20;

/// What the thread owns.
pub(super) struct Folder {
    sink: String,
    path: PathBuf,
    rotation: Rotation,
    /// The largest spool, in bytes.
    most: u64,
    syncs: bool,
    batches: RecordBatches,
    spool: Spool,
    /// `None`: writing failed, and they are made from the spool when they are due.
    files: Option<Files>,
    due: Option<Instant>,
    course: Course,
    abandoned: Abandoned,
    patience: Patience,
}

impl Folder {
    /// Opens the folder, which is created, and completes what earlier runs have left.
    pub(super) fn open(
        sink: &str,
        path: &Path,
        (rotation, most, syncs): (Rotation, u64, bool),
        context: &SinkContext,
        abandoned: &Abandoned,
    ) -> Result<Folder, SinkError> {
        let failed = |action| SinkError::io(sink, action);
        if context.rows != RowKind::Packets {
            return Err(SinkError::Refused {
                sink: sink.to_owned(),
                why: "it is for packets; write heartbeats to jsonl:, csv: or a database".to_owned(),
            });
        }
        fs::create_dir_all(path).map_err(failed("create the directory"))?;
        recover(sink, path).map_err(failed("complete what an earlier run has left"))?;
        let batches = RecordBatches::of(&*context.namespace, context.hash, &*context.columns);
        let batches = batches.identity().plain();
        let mut batches = if context.raw { batches.raw() } else { batches };
        let spool = begin(path, &mut batches).map_err(failed("create the spool"))?;
        Ok(Folder {
            files: Some(Files::new(path, &spool.id)),
            sink: sink.to_owned(),
            path: path.to_owned(),
            rotation,
            most,
            syncs,
            batches,
            spool,
            due: rotation.due(),
            course: Course::default(),
            abandoned: abandoned.clone(),
            patience: Patience::new(sink, abandoned),
        })
    }

    /// How far its writes have come.
    pub(super) fn course(&self) -> Course {
        self.course.clone()
    }

    /// Stores the rows collected. They are in the spool, or nobody waits for them any more.
    fn store(&mut self) -> Result<(), SinkError> {
        if self.batches.is_empty() {
            return Ok(());
        }
        let rows = self.batches.take();
        while let Err(error) = self.spool.append(&rows) {
            if !self.waits("write the spool", error)? {
                return Ok(());
            }
        }
        while let Err(error) = match self.syncs {
            true => self.spool.sync(),
            false => Ok(()),
        } {
            if !self.waits("write the spool to the disk", error)? {
                return Ok(());
            }
        }
        self.patience.over();
        self.course.add(rows.num_rows() as u64);
        if let Some(files) = &mut self.files
            && let Err(error) = files.write(&rows)
        {
            tracing::debug!(sink = %self.sink, %error, "A Parquet file failed; it is made anew.");
            self.files = None;
        }
        let size = self.files.as_ref().map_or(0, Files::size);
        let full = self.rotation.size.is_some_and(|most| size >= most);
        if full || self.spool.len() >= self.most {
            self.turn()?;
        }
        Ok(())
    }

    /// Whether to try again after an error.
    fn waits(&mut self, action: &'static str, error: io::Error) -> Result<bool, SinkError> {
        let error = SinkError::io(&self.sink, action)(error);
        if !passes(&error) {
            return Err(error);
        }
        Ok(self.patience.wait(&error))
    }

    /// Completes the files, and begins with a new spool.
    fn turn(&mut self) -> Result<(), SinkError> {
        self.due = self.rotation.due();
        if self.spool.rows == 0 {
            return Ok(());
        }
        if !self.complete()? {
            // The next run does it.
            return Ok(());
        }
        loop {
            match begin(&self.path, &mut self.batches) {
                Ok(spool) => {
                    self.files = Some(Files::new(&self.path, &spool.id));
                    self.spool = spool;
                    self.patience.over();
                    return Ok(());
                }
                Err(error) => {
                    if !self.waits("create the spool", error)? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Completes the files, and removes the spool; whether that was done before nobody waited.
    fn complete(&mut self) -> Result<bool, SinkError> {
        loop {
            let made = match self.files.take() {
                Some(files) => Ok(files),
                None => fs::create_dir_all(&self.path)
                    .and_then(|()| made(&self.path, &self.spool.id, self.spool.read()?))
                    .map(|(files, _)| files),
            };
            let done = made.and_then(|mut files| files.finish());
            match done.and_then(|()| self.spool.remove()) {
                Ok(()) => {
                    self.patience.over();
                    return Ok(true);
                }
                Err(error) => {
                    if !self.waits("complete the files", error)? {
                        return Ok(false);
                    }
                }
            }
        }
    }
}

/// A new spool.
fn begin(path: &Path, batches: &mut RecordBatches) -> io::Result<Spool> {
    fs::create_dir_all(path)?;
    let now = jiff::Timestamp::now();
    // Neither another process nor the spool before has this.
    let unique = format!("{} {}", now.as_nanosecond(), std::process::id());
    let unique = stream_name("parquet", unique.as_bytes());
    let id = format!("{}-{}", now.strftime("%Y%m%dT%H%M%SZ"), &unique[..8]);
    Spool::create(path, id, &batches.schema())
}

/// Files made of all that is in a spool, and how many packets they have.
fn made(path: &Path, id: &str, spool: Rows) -> io::Result<(Files, u64)> {
    Files::discard(path, id)?;
    let mut files = Files::new(path, id);
    let mut packets = 0;
    for rows in spool {
        files.write(&rows)?;
        packets += rows.num_rows() as u64;
    }
    Ok((files, packets))
}

/// Completes what runs that were killed have left.
fn recover(sink: &str, path: &Path) -> io::Result<()> {
    for left in Spool::left(path)? {
        let (mut files, packets) = made(path, &left.id, left.read()?)?;
        if packets > 0 {
            files.finish()?;
        }
        left.remove()?;
        if packets > 0 {
            tracing::warn!(
                sink,
                packets,
                "Completed the files of a run that was killed."
            );
        }
    }
    Ok(())
}

impl Store for Folder {
    fn write(&mut self, rows: &[Packets]) -> Result<Written, SinkError> {
        self.tick()?;
        let given: u64 = rows.iter().map(|r| r.len() as u64).sum();
        let mut bytes = 0;
        for packets in rows {
            if self.abandoned.get() {
                break;
            }
            self.batches.push(packets);
            bytes += packets.bytes();
            if self.batches.len() >= ROWS || bytes >= BYTES {
                self.store()?;
                bytes = 0;
            }
        }
        self.store()?;
        Ok(self.course.written(given))
    }

    fn due(&self) -> Option<Instant> {
        self.due
    }

    fn tick(&mut self) -> Result<(), SinkError> {
        match self.due {
            Some(due) if due <= Instant::now() => self.turn(),
            _ => Ok(()),
        }
    }

    fn reopen(&mut self) -> Result<(), SinkError> {
        self.turn()
    }

    fn close(mut self) -> Result<(), SinkError> {
        match self.spool.rows {
            0 => self
                .spool
                .remove()
                .map_err(SinkError::io(&self.sink, "remove the spool")),
            _ => self.complete().map(|_| ()),
        }
    }
}

//! Rotated files: written as `NAME.part`, synced to disk, then renamed.
//!
//! A program that waits for files that match `packets.*.jsonl` meets only complete ones, from the
//! beginning to the end of their format. A `.part` that a crash has left is kept under a name of the
//! same form that ends in `.part`.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use super::name::{Name, PART};
use super::rotation::Rotation;
use crate::sink::SinkError;

pub(super) struct Rotated {
    sink: String,
    name: Name,
    part: PathBuf,
    rotation: Rotation,
    file: File,
    /// When the first row was written to the file.
    begun: Option<SystemTime>,
    due: Option<Instant>,
}

impl Rotated {
    pub(super) fn open(
        sink: &str,
        path: PathBuf,
        rotation: Rotation,
    ) -> Result<Rotated, SinkError> {
        let mut name = Name::open(sink, &path)?;
        let mut part = path.into_os_string();
        part.push(PART);
        let part = PathBuf::from(part);
        set_aside(sink, &mut name, &part)?;
        let file = create(&part).map_err(SinkError::io(sink, "create the file"))?;
        let mut rotated = Rotated {
            sink: sink.to_owned(),
            name,
            part,
            rotation,
            file,
            begun: None,
            due: None,
        };
        rotated.stay();
        Ok(rotated)
    }

    pub(super) fn fits(&self, bytes: u64) -> bool {
        self.rotation.size.is_none_or(|size| bytes <= size)
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Restarts the period from now: until the next whole multiple of it.
    pub(super) fn stay(&mut self) {
        self.due = self.rotation.due();
    }

    /// The current file, for writing.
    pub(super) fn written(&mut self) -> &mut File {
        self.begun.get_or_insert_with(SystemTime::now);
        &mut self.file
    }

    /// The current file.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Syncs the file to disk, then gives it its own name.
    pub(super) fn finish(&mut self) -> Result<(), SinkError> {
        let begun = self.begun.take().unwrap_or_else(SystemTime::now);
        self.file
            .sync_all()
            .map_err(SinkError::io(&self.sink, "sync the file to disk"))?;
        let renamed = self.name.rename(&self.part, begun, "");
        renamed
            .and_then(|_| self.name.sync())
            .map_err(SinkError::io(&self.sink, "rename the finished file"))
    }

    pub(super) fn begin(&mut self) -> Result<(), SinkError> {
        let created = create(&self.part);
        self.file = created.map_err(SinkError::io(&self.sink, "create the next file"))?;
        self.stay();
        Ok(())
    }

    /// Removes a file that has no rows.
    pub(super) fn discard(self) -> Result<(), SinkError> {
        fs::remove_file(&self.part).map_err(SinkError::io(&self.sink, "remove the empty file"))
    }
}

/// Keeps the file that an earlier run has left; does not touch a file that another run is writing.
fn set_aside(sink: &str, name: &mut Name, part: &Path) -> Result<(), SinkError> {
    let left = match OpenOptions::new().append(true).open(part) {
        Ok(left) => left,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Err(e) => {
            return Err(SinkError::io(
                sink,
                "open the file that an earlier run left",
            )(e));
        }
    };
    if let Err(TryLockError::WouldBlock) = left.try_lock() {
        return Err(SinkError::Refused {
            sink: sink.to_owned(),
            why: format!(
                "another program is writing to {}; name another file",
                part.display()
            ),
        });
    }
    let failed = SinkError::io(sink, "rename the file that an earlier run left");
    let about = left.metadata();
    if about.as_ref().is_ok_and(|about| about.len() == 0) {
        return fs::remove_file(part).map_err(failed);
    }
    let changed = about.and_then(|about| about.modified());
    let changed = changed.unwrap_or_else(|_| SystemTime::now());
    let kept = name.rename(part, changed, PART).map_err(failed)?;
    tracing::warn!(
        file = %part.display(),
        kept = %kept.display(),
        "An earlier run did not finish its file; it is kept, and its end may be missing."
    );
    Ok(())
}

fn create(part: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options.append(true).create_new(true).open(part)?;
    // Held until the file is closed; on a file system without locks the file is written all the
    // same.
    file.try_lock().ok();
    Ok(file)
}

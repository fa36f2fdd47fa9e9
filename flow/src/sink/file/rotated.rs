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
use crate::place::Identity;
use crate::sink::SinkError;

pub(super) struct Rotated {
    sink: String,
    name: Name,
    part: PathBuf,
    rotation: Rotation,
    /// `None`: it is finished, and the next one does not exist yet.
    file: Option<File>,
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
            file: Some(file),
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
    pub(super) fn written(&mut self) -> Option<&mut File> {
        self.begun.get_or_insert_with(SystemTime::now);
        self.file.as_mut()
    }

    /// The current file.
    pub(super) fn file(&self) -> Option<&File> {
        self.file.as_ref()
    }

    /// The folder of the files.
    pub(super) fn folder(&self) -> Option<&Path> {
        self.part.parent()
    }

    /// Syncs the file to disk, then gives it its own name. If that fails it can be tried again.
    pub(super) fn finish(&mut self) -> Result<(), SinkError> {
        if let Some(file) = &self.file {
            file.sync_all()
                .map_err(SinkError::io(&self.sink, "sync the file to disk"))?;
            if self.name.is_away() || self.is_named(file) {
                let begun = self.begun.unwrap_or_else(SystemTime::now);
                self.name
                    .rename(&self.part, begun, "")
                    .map_err(SinkError::io(&self.sink, "rename the finished file"))?;
            } else {
                tracing::warn!(
                    "{}: {} was moved or removed; its rows are not in a finished file.",
                    self.sink,
                    self.part.display()
                );
            }
            self.file = None;
        }
        self.name
            .sync()
            .map_err(SinkError::io(&self.sink, "sync the directory"))
    }

    /// Whether the unfinished file still has its name.
    fn is_named(&self, file: &File) -> bool {
        match Identity::of(&self.part) {
            Ok(named) => file
                .metadata()
                .is_ok_and(|about| Identity::from(&about) == named),
            Err(error) => error.kind() != ErrorKind::NotFound,
        }
    }

    pub(super) fn begin(&mut self) -> Result<(), SinkError> {
        if self.file.is_none() {
            // Somebody may have put a file there.
            set_aside(&self.sink, &mut self.name, &self.part)?;
            let created = create(&self.part);
            self.file = Some(created.map_err(SinkError::io(&self.sink, "create the next file"))?);
            self.begun = None;
            self.stay();
        }
        Ok(())
    }

    /// Removes a file that has no rows.
    pub(super) fn discard(&mut self) -> Result<(), SinkError> {
        let removed = match self.file.take() {
            Some(file) if self.is_named(&file) => fs::remove_file(&self.part),
            _ => Ok(()),
        };
        removed.map_err(SinkError::io(&self.sink, "remove the empty file"))
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

//! Rotated files: written as `NAME.part`, synced to disk, then renamed.
//!
//! `packets.jsonl` becomes `packets.20261124T074300Z.000001.jsonl`: the time when its first row was
//! written, and a number that continues from run to run. A program that waits for files that match
//! `packets.*.jsonl` meets only complete ones, from the beginning to the end of their format. A
//! `.part` that a crash has left is kept under a name of the same form that ends in `.part`.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::rotation::Rotation;
use crate::clock;
use crate::sink::SinkError;

/// The suffix of an unfinished file.
const PART: &str = ".part";

pub(super) struct Rotated {
    sink: String,
    name: Name,
    rotation: Rotation,
    file: File,
    /// When the first row was written to the file.
    begun: Option<SystemTime>,
    due: Option<Instant>,
    /// The number of the next finished file.
    number: u64,
}

/// `FOLDER/STEM.EXTENSION`.
struct Name {
    folder: PathBuf,
    stem: String,
    /// With its dot; empty if there is none.
    extension: String,
    part: PathBuf,
}

impl Rotated {
    pub(super) fn open(
        sink: &str,
        path: PathBuf,
        rotation: Rotation,
    ) -> Result<Rotated, SinkError> {
        let name = Name::new(&path).ok_or_else(|| SinkError::Refused {
            sink: sink.to_owned(),
            why: "it needs a file name in UTF-8".to_owned(),
        })?;
        let failed = SinkError::io(sink, "read its directory");
        let mut number = name.last_number().map_err(failed)? + 1;
        set_aside(sink, &name, &mut number)?;
        let file = name
            .create()
            .map_err(SinkError::io(sink, "create the file"))?;
        let mut rotated = Rotated {
            sink: sink.to_owned(),
            name,
            rotation,
            file,
            begun: None,
            due: None,
            number,
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
        self.due = self.rotation.every.and_then(|every| {
            let over = i128::from(clock::now()).rem_euclid(every.as_nanos() as i128);
            let over = Duration::from_nanos(over as u64);
            Instant::now().checked_add(every - over)
        });
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
        let finished = self.name.finished(begun, self.number);
        self.file
            .sync_all()
            .map_err(SinkError::io(&self.sink, "sync the file to disk"))?;
        self.name
            .rename(&finished)
            .map_err(SinkError::io(&self.sink, "rename the finished file"))?;
        self.number += 1;
        Ok(())
    }

    pub(super) fn begin(&mut self) -> Result<(), SinkError> {
        let created = self.name.create();
        self.file = created.map_err(SinkError::io(&self.sink, "create the next file"))?;
        self.stay();
        Ok(())
    }

    /// Removes a file that has no rows.
    pub(super) fn discard(self) -> Result<(), SinkError> {
        fs::remove_file(&self.name.part).map_err(SinkError::io(&self.sink, "remove the empty file"))
    }
}

/// Keeps the file that an earlier run has left; does not touch a file that another run is writing.
fn set_aside(sink: &str, name: &Name, number: &mut u64) -> Result<(), SinkError> {
    let left = match OpenOptions::new().append(true).open(&name.part) {
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
                name.part.display()
            ),
        });
    }
    let failed = SinkError::io(sink, "rename the file that an earlier run left");
    let about = left.metadata();
    if about.as_ref().is_ok_and(|about| about.len() == 0) {
        return fs::remove_file(&name.part).map_err(failed);
    }
    let changed = about.and_then(|about| about.modified());
    let mut kept = name.finished(changed.unwrap_or_else(|_| SystemTime::now()), *number);
    *number += 1;
    kept.as_mut_os_string().push(PART);
    name.rename(&kept).map_err(failed)?;
    tracing::warn!(
        file = %name.part.display(),
        kept = %kept.display(),
        "An earlier run did not finish its file; it is kept, and its end may be missing."
    );
    Ok(())
}

impl Name {
    fn new(path: &Path) -> Option<Name> {
        let folder = path.parent().filter(|f| !f.as_os_str().is_empty());
        let extension = match path.extension() {
            Some(extension) => format!(".{}", extension.to_str()?),
            None => String::new(),
        };
        let mut part = path.as_os_str().to_owned();
        part.push(PART);
        Some(Name {
            folder: folder.unwrap_or(Path::new(".")).to_owned(),
            stem: path.file_stem()?.to_str()?.to_owned(),
            extension,
            part: part.into(),
        })
    }

    /// The name of a finished file.
    fn finished(&self, begun: SystemTime, number: u64) -> PathBuf {
        let since = begun.duration_since(UNIX_EPOCH).unwrap_or_default();
        let second = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
        let begun = jiff::Timestamp::from_second(second).unwrap_or(jiff::Timestamp::MAX);
        let stamp = begun.strftime("%Y%m%dT%H%M%SZ");
        let Name {
            stem, extension, ..
        } = self;
        self.folder
            .join(format!("{stem}.{stamp}.{number:06}{extension}"))
    }

    /// The number in such a name.
    fn number(&self, file: &str) -> Option<u64> {
        let file = file.strip_suffix(PART).unwrap_or(file);
        let middle = file.strip_prefix(&self.stem)?.strip_prefix('.')?;
        let (_, number) = middle.strip_suffix(&self.extension)?.rsplit_once('.')?;
        number.parse().ok()
    }

    /// The highest number that a file of the folder has.
    fn last_number(&self) -> io::Result<u64> {
        let mut last = 0;
        for entry in fs::read_dir(&self.folder)? {
            let file = entry?.file_name();
            last = last.max(file.to_str().and_then(|f| self.number(f)).unwrap_or(0));
        }
        Ok(last)
    }

    fn create(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        let file = options.append(true).create_new(true).open(&self.part)?;
        // Held until the file is closed; on a file system without locks the file is written all the
        // same.
        file.try_lock().ok();
        Ok(file)
    }

    /// Renames the unfinished file; the new name survives a crash of the machine.
    fn rename(&self, to: &Path) -> io::Result<()> {
        // Numbers continue from the highest existing one, so another program has created this file.
        if fs::exists(to)? {
            return Err(io::Error::new(
                ErrorKind::AlreadyExists,
                format!("{} already exists", to.display()),
            ));
        }
        fs::rename(&self.part, to)?;
        #[cfg(unix)]
        File::open(&self.folder)?.sync_all()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_a_stamp_and_a_number() {
        let begun = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        for (path, finished) in [
            ("a/packets.jsonl", "a/packets.20231114T221320Z.000007.jsonl"),
            ("packets", "./packets.20231114T221320Z.000007"),
            ("a.b.csv", "./a.b.20231114T221320Z.000007.csv"),
        ] {
            let name = Name::new(Path::new(path)).unwrap();
            let named = name.finished(begun, 7);
            assert_eq!(named, Path::new(finished));
            let file = named.file_name().unwrap().to_str().unwrap();
            assert_eq!(name.number(file), Some(7));
            assert_eq!(name.number(&format!("{file}.part")), Some(7));
            assert_eq!(name.number(path), None);
        }
        assert!(Name::new(Path::new("..")).is_none());
    }
}

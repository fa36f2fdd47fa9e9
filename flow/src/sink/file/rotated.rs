//! Files that take turns: written aside as `NAME.part`, made safe, then given their own name.
//!
//! `packets.jsonl` becomes `packets.20261124T074300Z.000001.jsonl`: when its first row was written,
//! and a number that goes on from run to run. Whoever waits for files that match `packets.*.jsonl`
//! meets only whole ones, from what their format begins a file with to what it ends it with. What a crash leaves as `.part` is kept under a name of the same form
//! that ends in `.part`.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::rotation::Rotation;
use crate::clock;
use crate::sink::SinkError;

/// The end of the name of a file that is not finished.
const PART: &str = ".part";

pub(super) struct Rotated {
    sink: String,
    name: Name,
    rotation: Rotation,
    file: File,
    /// When the first row was written to the file.
    begun: Option<SystemTime>,
    due: Option<Instant>,
    /// The number of the file that is finished next.
    number: u64,
}

/// `FOLDER/STEM.EXTENSION`.
struct Name {
    folder: PathBuf,
    stem: String,
    /// With its dot; empty where there is none.
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
            why: "it needs a file's name, in UTF-8".to_owned(),
        })?;
        let failed = SinkError::io(sink, "look into its folder");
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

    /// Takes the time from now: until the next whole multiple of the period.
    pub(super) fn stay(&mut self) {
        self.due = self.rotation.every.and_then(|every| {
            let over = i128::from(clock::now()).rem_euclid(every.as_nanos() as i128);
            let over = Duration::from_nanos(over as u64);
            Instant::now().checked_add(every - over)
        });
    }

    /// The present file, to write to it.
    pub(super) fn written(&mut self) -> &mut File {
        self.begun.get_or_insert_with(SystemTime::now);
        &mut self.file
    }

    /// The present file.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Gives the file its own name, once it is safe.
    pub(super) fn finish(&mut self) -> Result<(), SinkError> {
        let begun = self.begun.take().unwrap_or_else(SystemTime::now);
        let finished = self.name.finished(begun, self.number);
        self.file
            .sync_all()
            .map_err(SinkError::io(&self.sink, "make the file safe"))?;
        self.name
            .rename(&finished)
            .map_err(SinkError::io(&self.sink, "give the finished file its name"))?;
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
        fs::remove_file(&self.name.part).map_err(SinkError::io(&self.sink, "remove its empty file"))
    }
}

/// What another run has left is kept; what another run still writes to is not touched.
fn set_aside(sink: &str, name: &Name, number: &mut u64) -> Result<(), SinkError> {
    let left = match OpenOptions::new().append(true).open(&name.part) {
        Ok(left) => left,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(SinkError::io(sink, "open what a run has left there")(e)),
    };
    if let Err(TryLockError::WouldBlock) = left.try_lock() {
        return Err(SinkError::Refused {
            sink: sink.to_owned(),
            why: format!(
                "another program writes to {} now; name another file",
                name.part.display()
            ),
        });
    }
    let failed = SinkError::io(sink, "set aside what a run has left there");
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
        "A run before this one did not finish its file: it is kept; its end may be missing."
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
        // Held until it is closed; a file system that has no locks is written to all the same.
        file.try_lock().ok();
        Ok(file)
    }

    /// Renames the unfinished file; the new name outlives a crash of the machine.
    fn rename(&self, to: &Path) -> io::Result<()> {
        // Numbers go on from the highest that is there: this is another program's doing.
        if fs::exists(to)? {
            return Err(io::Error::new(
                ErrorKind::AlreadyExists,
                format!("{} is there already", to.display()),
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

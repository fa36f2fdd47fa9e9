//! The names of rotated files.
//!
//! `packets.jsonl` becomes `packets.20261124T074300Z.000001.jsonl`: the time when its first row was
//! written, and a number that continues from run to run.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::sink::SinkError;

/// The suffix of an unfinished file.
pub(super) const PART: &str = ".part";

/// `FOLDER/STEM.EXTENSION`, and the number of the next finished file.
#[derive(Debug)]
pub(crate) struct Name {
    folder: PathBuf,
    stem: String,
    /// With its dot; empty if there is none.
    extension: String,
    number: u64,
}

impl Name {
    /// Finds the next number in the folder.
    pub(crate) fn open(sink: &str, path: &Path) -> Result<Name, SinkError> {
        let mut name = Name::new(path).ok_or_else(|| SinkError::Refused {
            sink: sink.to_owned(),
            why: "it needs a file name in UTF-8".to_owned(),
        })?;
        name.recount()
            .map_err(SinkError::io(sink, "read its directory"))?;
        Ok(name)
    }

    fn new(path: &Path) -> Option<Name> {
        let folder = path.parent().filter(|f| !f.as_os_str().is_empty());
        let extension = match path.extension() {
            Some(extension) => format!(".{}", extension.to_str()?),
            None => String::new(),
        };
        Some(Name {
            folder: folder.unwrap_or(Path::new(".")).to_owned(),
            stem: path.file_stem()?.to_str()?.to_owned(),
            extension,
            number: 1,
        })
    }

    /// The name of the next finished file.
    fn finished(&self, begun: SystemTime) -> PathBuf {
        let since = begun.duration_since(UNIX_EPOCH).unwrap_or_default();
        let second = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
        let begun = jiff::Timestamp::from_second(second).unwrap_or(jiff::Timestamp::MAX);
        let stamp = begun.strftime("%Y%m%dT%H%M%SZ");
        let Name {
            stem,
            extension,
            number,
            ..
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

    /// Continues from the highest number that a file of the folder has.
    fn recount(&mut self) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let file = entry?.file_name();
            if let Some(number) = file.to_str().and_then(|f| self.number(f)) {
                self.number = self.number.max(number.saturating_add(1));
            }
        }
        Ok(())
    }

    /// Renames a file that is finished, or with `suffix` one that an earlier run has left. Another
    /// program may have taken the name; then the next number is used.
    pub(crate) fn rename(
        &mut self,
        from: &Path,
        begun: SystemTime,
        suffix: &str,
    ) -> io::Result<PathBuf> {
        let mut to = self.finished(begun);
        to.as_mut_os_string().push(suffix);
        if fs::exists(&to)? {
            self.recount()?;
            to = self.finished(begun);
            to.as_mut_os_string().push(suffix);
            if fs::exists(&to)? {
                return Err(ErrorKind::AlreadyExists.into());
            }
        }
        fs::rename(from, &to)?;
        self.number += 1;
        Ok(to)
    }

    /// Whether the folder does not exist now.
    pub(crate) fn is_away(&self) -> bool {
        !self.folder.exists()
    }

    /// Makes the new name survive a crash of the machine.
    pub(crate) fn sync(&self) -> io::Result<()> {
        #[cfg(unix)]
        fs::File::open(&self.folder)?.sync_all()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn names_have_a_stamp_and_a_number() {
        let begun = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        for (path, finished) in [
            ("a/packets.jsonl", "a/packets.20231114T221320Z.000007.jsonl"),
            ("packets", "./packets.20231114T221320Z.000007"),
            ("a.b.csv", "./a.b.20231114T221320Z.000007.csv"),
        ] {
            let mut name = Name::new(Path::new(path)).unwrap();
            name.number = 7;
            let named = name.finished(begun);
            assert_eq!(named, Path::new(finished));
            let file = named.file_name().unwrap().to_str().unwrap();
            assert_eq!(name.number(file), Some(7));
            assert_eq!(name.number(&format!("{file}.part")), Some(7));
            assert_eq!(name.number(path), None);
        }
        assert!(Name::new(Path::new("..")).is_none());
    }

    #[test]
    fn a_name_that_is_taken_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("p.db");
        let mut name = Name::open("x", &file).unwrap();
        let names: Vec<_> = (0..3)
            .map(|n| {
                fs::write(&file, format!("{n}")).unwrap();
                if n == 1 {
                    // Another program has numbered on.
                    fs::write(name.finished(UNIX_EPOCH), "theirs").unwrap();
                }
                name.rename(&file, UNIX_EPOCH, "").unwrap()
            })
            .map(|path| fs::read_to_string(path).unwrap())
            .collect();
        assert_eq!(names, ["0", "1", "2"]);
    }
}

//! Files that rows are appended to: where they can be, and where their last row ends.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Refuses a path that cannot be a file.
///
/// # Errors
/// The reason, and the remedy.
pub(crate) fn check(path: &Path) -> Result<(), String> {
    if path.is_dir() {
        return Err("is a directory; name a file in it".to_owned());
    }
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
    match parent.filter(|p| !p.is_dir()) {
        Some(parent) => Err(format!(
            "directory `{}` does not exist; create it first",
            parent.display()
        )),
        None => Ok(()),
    }
}

/// Which file it is, whatever its names are: its device and its number there. Where the system has
/// no such numbers, all files are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity(u64, u64);

impl Identity {
    /// The file that a name means now; links are followed.
    pub(crate) fn of(path: &Path) -> io::Result<Identity> {
        Ok(Identity::from(&path.metadata()?))
    }
}

impl From<&Metadata> for Identity {
    #[cfg(unix)]
    fn from(about: &Metadata) -> Identity {
        use std::os::unix::fs::MetadataExt;
        Identity(about.dev(), about.ino())
    }

    #[cfg(not(unix))]
    fn from(_: &Metadata) -> Identity {
        Identity(0, 0)
    }
}

/// Opens a file for appending: another program may truncate it meanwhile. `options` may add more,
/// such as the mode of a new file. Also returns the file's length. If a crash has left half a row,
/// that row is ended by `row_end`, so that the next one stands alone.
///
/// # Errors
/// The system's error if the file cannot be opened.
pub(crate) fn append(
    path: &Path,
    options: &mut OpenOptions,
    row_end: Option<u8>,
) -> io::Result<(File, u64)> {
    let mut file = options.append(true).create(true).open(path)?;
    let mut length = length(&file.metadata()?);
    if let Some(end) = row_end.filter(|_| length > 0) {
        let mut last = [0];
        let read = File::open(path).and_then(|mut file| {
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)
        });
        // A file that we may not read is appended to as it is.
        if read.is_ok() && last != [end] {
            file.write_all(&[end])?;
            length += 1;
        }
    }
    Ok((file, length))
}

/// A device or a pipe has no length.
fn length(about: &Metadata) -> u64 {
    if about.is_file() { about.len() } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn half_a_row_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rows");
        let length = |end| append(&file, &mut OpenOptions::new(), end).unwrap().1;
        assert_eq!(length(Some(b'\n')), 0);
        fs::write(&file, "a\nb").unwrap();
        assert_eq!(length(None), 3);
        assert_eq!(length(Some(b'\n')), 4);
        assert_eq!(length(Some(b'\n')), 4);
        assert_eq!(fs::read(&file).unwrap(), b"a\nb\n");
    }

    #[test]
    fn a_directory_is_not_a_file() {
        let folder = tempfile::tempdir().unwrap();
        assert!(check(folder.path()).is_err());
        assert!(check(&folder.path().join("no/rows")).is_err());
        assert!(check(&folder.path().join("rows")).is_ok());
        assert!(check(Path::new("rows")).is_ok());
    }
}

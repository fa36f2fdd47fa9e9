//! A file that rows are added to: where it can be, and where its last row ends.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Whether a path can be that of a file.
///
/// # Errors
/// Why not, with the remedy.
pub(crate) fn check(path: &Path) -> Result<(), String> {
    if path.is_dir() {
        return Err("is a directory; name a file in it".to_owned());
    }
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
    match parent.filter(|p| !p.is_dir()) {
        Some(parent) => Err(format!(
            "there is no directory `{}`; make it first",
            parent.display()
        )),
        None => Ok(()),
    }
}

/// Opens a file to write at its end, wherever that is by then: another program may cut it.
/// `options` may say more, such as who may read a file that is made. Its length comes with it; what
/// a crash has left of a last row is ended by `row_end`, so that the next stands alone.
///
/// # Errors
/// What the system says when it cannot be opened.
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
        // A file that we may not read is added to as it is.
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

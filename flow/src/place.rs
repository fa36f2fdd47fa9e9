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

/// How rows end that may be appended to, and how a cut one is ended, so that the next one stands
/// alone. In either case a row is a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowEnd {
    /// With a line feed.
    Line,
    /// With a line feed outside quotes.
    Quoted,
}

impl RowEnd {
    /// What ends `row` if it was cut.
    pub(crate) fn ending(self, row: &[u8]) -> &'static [u8] {
        let quotes = || memchr::memchr_iter(b'"', row).count();
        match row.last() {
            None | Some(b'\n') => b"",
            Some(_) if self == RowEnd::Quoted && quotes() % 2 == 1 => b"\"\n",
            Some(_) => b"\n",
        }
    }
}

/// What follows the last line feed of a file.
fn last_line(path: &Path, length: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut wanted = PIECE;
    loop {
        file.seek(SeekFrom::Start(length.saturating_sub(wanted)))?;
        let mut tail = Vec::new();
        file.read_to_end(&mut tail)?;
        let line = memchr::memrchr(b'\n', &tail).map(|end| end + 1);
        if line.is_some() || wanted >= length {
            tail.drain(..line.unwrap_or(0));
            return Ok(tail);
        }
        wanted *= 2;
    }
}

/// How much is read first to find the last line.
const PIECE: u64 = 64 << 10;

/// Opens a file for appending: another program may truncate it meanwhile. `options` may add more,
/// such as the mode of a new file. Also returns the file's length. If a crash or a full disk has
/// left half a row, that row is ended, so that the next one stands alone.
///
/// # Errors
/// The system's error if the file cannot be opened.
pub(crate) fn append(
    path: &Path,
    options: &mut OpenOptions,
    row_end: Option<RowEnd>,
) -> io::Result<(File, u64)> {
    let mut file = options.append(true).create(true).open(path)?;
    let mut length = length(&file.metadata()?);
    if let Some(row_end) = row_end.filter(|_| length > 0) {
        // A file that we may not read is appended to as it is.
        let ending = last_line(path, length).map_or(&b""[..], |line| row_end.ending(&line));
        file.write_all(ending)?;
        length += ending.len() as u64;
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
        let line = Some(RowEnd::Line);
        assert_eq!(length(line), 0);
        fs::write(&file, "a\nb").unwrap();
        assert_eq!(length(None), 3);
        assert_eq!(length(line), 4);
        assert_eq!(length(line), 4);
        assert_eq!(fs::read(&file).unwrap(), b"a\nb\n");
    }

    #[test]
    fn a_row_that_is_cut_in_quotes_is_ended_outside() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rows");
        for (cut, ended) in [
            ("a,\"b", "a,\"b\"\n"),
            ("a,\"b\"\"c", "a,\"b\"\"c\"\n"),
            // Here the quote may also have been the first one of two.
            ("a,\"b\"", "a,\"b\"\n"),
            ("a,\"b\"\r", "a,\"b\"\r\n"),
            ("a,\"b\"\r\n", "a,\"b\"\r\n"),
        ] {
            for before in ["", "x\n", "\"\r\n", &("y".repeat(PIECE as usize * 3) + ",")] {
                fs::write(&file, format!("{before}{cut}")).unwrap();
                append(&file, &mut OpenOptions::new(), Some(RowEnd::Quoted)).unwrap();
                let text = fs::read_to_string(&file).unwrap();
                assert_eq!(text, format!("{before}{ended}"));
            }
        }
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

//! Where a file sink writes: a stream, a file, or rotated files.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::rotated::Rotated;
use super::rotation::Rotation;
use crate::place::{self, RowEnd, append};
use crate::sink::SinkError;

/// Bytes that a pipe takes whole or not at all (`pipe(7)`, PIPE_BUF of Linux): no row is cut when
/// the reader stops, and the number of written rows is known. On other systems the size may be
/// smaller; then a row may be cut.
const PIPE: usize = 4096;

/// The destination, and how much was written.
pub(crate) struct Output {
    /// The sink's URL, for errors.
    sink: String,
    place: Place,
    /// Size of the current file in bytes.
    bytes: u64,
    /// Whether it is a pipe, whose reader may stop reading.
    pipe: bool,
    /// How rows end, if rows may be appended to an existing file.
    row_end: Option<RowEnd>,
    /// Whether what is flushed is on the disk, and whether the disk knows the file's name.
    syncs: bool,
    named: bool,
    /// What ends a row that was cut and could not be removed; it is written before the next one.
    ending: &'static [u8],
}

enum Place {
    Stream(Box<dyn Write + Send>),
    File { path: PathBuf, file: File },
    Rotated(Rotated),
}

impl Output {
    /// `-` is standard output; an existing file is appended to if rows have an end.
    pub(super) fn open(
        sink: &str,
        place: &str,
        rotation: Option<Rotation>,
        row_end: Option<RowEnd>,
    ) -> Result<Output, SinkError> {
        let path = PathBuf::from(place);
        if place != "-" {
            place::check(&path).map_err(|why| refused(sink, why))?;
        }
        let (mut bytes, mut pipe) = (0, false);
        let place = match rotation {
            _ if place == "-" => {
                pipe = stdout_is_pipe();
                Place::Stream(Box::new(io::stdout()))
            }
            Some(rotation) => Place::Rotated(Rotated::open(sink, path, rotation)?),
            None => {
                let opened = append(&path, &mut OpenOptions::new(), row_end);
                let (file, length) = opened.map_err(SinkError::io(sink, "open the file"))?;
                if length > 0 && row_end.is_none() {
                    return Err(refused(
                        sink,
                        "the file exists and cannot be appended to; name another file".to_owned(),
                    ));
                }
                bytes = length;
                pipe = file.metadata().is_ok_and(|about| is_pipe(&about));
                Place::File { path, file }
            }
        };
        Ok(Output {
            sink: sink.to_owned(),
            place,
            bytes,
            pipe,
            row_end,
            syncs: false,
            named: false,
            ending: b"",
        })
    }

    /// A file that only its owner can read if it does not exist yet; lines are appended to it.
    pub(crate) fn private(name: &str, path: PathBuf) -> Result<Output, SinkError> {
        let mut options = OpenOptions::new();
        // A pipe is opened though nobody reads it yet.
        options.read(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let row_end = Some(RowEnd::Line);
        let opened = append(&path, &mut options, row_end);
        let (file, bytes) = opened.map_err(SinkError::io(name, "open the file"))?;
        Ok(Output {
            sink: name.to_owned(),
            place: Place::File { path, file },
            bytes,
            pipe: false,
            row_end,
            syncs: false,
            named: false,
            ending: b"",
        })
    }

    /// Whether what is flushed is on the disk.
    pub(super) fn syncing(self, syncs: bool) -> Output {
        Output { syncs, ..self }
    }

    /// Refuses an existing file with a different beginning.
    pub(super) fn continues(&self, header: &[u8]) -> Result<(), SinkError> {
        let Place::File { path, .. } = &self.place else {
            return Ok(());
        };
        if self.is_new() || header.is_empty() {
            return Ok(());
        }
        let mut begin = Vec::with_capacity(header.len());
        File::open(path)
            .and_then(|file| file.take(header.len() as u64).read_to_end(&mut begin))
            .map_err(SinkError::io(&self.sink, "read the beginning of the file"))?;
        if begin == header {
            return Ok(());
        }
        let names = header.trim_ascii_end();
        let why = match begin.strip_prefix(names) {
            Some([b'\r', ..]) => "its lines end in CR LF: add ?eol=crlf, or name another file",
            Some([b'\n', ..]) => "its lines end in LF: omit ?eol=crlf, or name another file",
            _ => "the file has other columns, or is not a table; name another file",
        };
        Err(refused(&self.sink, why.to_owned()))
    }

    /// Anything that is written to.
    #[cfg(test)]
    pub(crate) fn stream(sink: &str, out: Box<dyn Write + Send>) -> Output {
        Output {
            sink: sink.to_owned(),
            place: Place::Stream(out),
            bytes: 0,
            pipe: false,
            row_end: None,
            syncs: false,
            named: false,
            ending: b"",
        }
    }

    /// Whether an error is waited for: trouble with a file may pass, that of a stream or a device
    /// does not. A file that has its largest size stays as large.
    pub(crate) fn passes(&self, error: &SinkError) -> bool {
        let file = match &self.place {
            Place::Stream(_) => None,
            Place::File { file, .. } => Some(file),
            Place::Rotated(rotated) => rotated.file(),
        };
        let device = file.map(|file| file.metadata().is_ok_and(|about| !about.is_file()));
        passes(error) && !device.unwrap_or(matches!(self.place, Place::Stream(_)))
    }

    /// The number of bytes to write in one call.
    pub(super) fn piece(&self) -> usize {
        if self.pipe { PIPE } else { usize::MAX }
    }

    /// Whether the destination is still empty, so that a header is due.
    pub(super) fn is_new(&self) -> bool {
        self.bytes == 0
    }

    /// Whether the current file has room for `more` bytes.
    pub(super) fn fits(&self, more: usize) -> bool {
        match &self.place {
            Place::Rotated(rotated) => rotated.fits(self.bytes + more as u64),
            _ => true,
        }
    }

    /// When the current file is due for rotation.
    pub(super) fn due(&self) -> Option<Instant> {
        match &self.place {
            Place::Rotated(rotated) => rotated.due(),
            _ => None,
        }
    }

    /// Writes everything; on an error, also returns how many bytes were written before.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), (usize, SinkError)> {
        let ending = self.ending;
        let (ended, end) = self.put(ending);
        self.ending = &ending[ended..];
        end.map_err(|error| (0, error))?;
        let (written, end) = self.put(bytes);
        end.map_err(|error| (written, error))
    }

    /// Writes bytes; returns how many were written, and whether all were.
    fn put(&mut self, bytes: &[u8]) -> (usize, Result<(), SinkError>) {
        let (written, end) = match &mut self.place {
            Place::Stream(out) => all(out, bytes),
            Place::File { file, .. } => all(file, bytes),
            Place::Rotated(rotated) => match rotated.written() {
                Some(file) => all(file, bytes),
                None => (0, Err(ErrorKind::NotFound.into())),
            },
        };
        self.bytes += written as u64;
        let end = end.map_err(|source| match source.kind() {
            ErrorKind::BrokenPipe => SinkError::ReaderGone {
                sink: self.sink.clone(),
            },
            _ => SinkError::io(&self.sink, "write")(source),
        });
        (written, end)
    }

    /// Removes half a row from the end of a file, if it is still its end, after a failed write. If
    /// that is not possible, it stays, and is ended before the next row.
    pub(crate) fn take_back(&mut self, half: &[u8]) {
        let file = match &self.place {
            Place::Stream(_) => return,
            Place::File { file, .. } => Some(file),
            Place::Rotated(rotated) => rotated.file(),
        };
        let Some(file) = file.filter(|_| !half.is_empty()) else {
            return;
        };
        let ours = |about: Metadata| about.is_file() && about.len() == self.bytes;
        let left = self.bytes - half.len() as u64;
        if file.metadata().is_ok_and(ours) && file.set_len(left).is_ok() {
            self.bytes = left;
        } else if let Some(row_end) = self.row_end {
            self.ending = row_end.ending(half);
        }
    }

    pub(super) fn flush(&mut self) -> Result<(), SinkError> {
        match &mut self.place {
            Place::Stream(out) => out.flush().map_err(|source| match source.kind() {
                ErrorKind::BrokenPipe => SinkError::ReaderGone {
                    sink: self.sink.clone(),
                },
                _ => SinkError::io(&self.sink, "write")(source),
            }),
            _ => self.sync(),
        }
    }

    fn sync(&mut self) -> Result<(), SinkError> {
        let file = match &self.place {
            _ if !self.syncs => None,
            Place::Stream(_) => None,
            Place::File { path, file } => Some((file, path.parent())),
            Place::Rotated(rotated) => rotated.file().map(|file| (file, rotated.folder())),
        };
        let Some((file, folder)) = file else {
            return Ok(());
        };
        let synced = file.sync_data().and_then(|()| match folder {
            Some(folder) if !self.named => sync_folder(folder),
            _ => Ok(()),
        });
        synced.map_err(SinkError::io(&self.sink, "write to the disk"))?;
        self.named = true;
        Ok(())
    }

    /// Finishes the current file and starts the next one; does nothing without rotation.
    pub(super) fn turn(&mut self) -> Result<(), SinkError> {
        if let Place::Rotated(rotated) = &mut self.place {
            rotated.finish()?;
            rotated.begin()?;
            self.named = false;
            self.bytes = 0;
            self.ending = b"";
        }
        Ok(())
    }

    /// Keeps the current file beyond its time, because it has no rows.
    pub(super) fn stay(&mut self) {
        if let Place::Rotated(rotated) = &mut self.place {
            rotated.stay();
        }
    }

    /// Reopens the file by name. Rotated files are not reopened.
    pub(super) fn reopen(&mut self) -> Result<(), SinkError> {
        if let Place::File { path, file } = &mut self.place {
            let opened = append(path, &mut OpenOptions::new(), self.row_end);
            let failed = SinkError::io(&self.sink, "reopen the file");
            let (opened, length) = opened.map_err(failed)?;
            if length > 0 && self.row_end.is_none() {
                return Err(refused(
                    &self.sink,
                    "the file was not moved away, and cannot be appended to".to_owned(),
                ));
            }
            *file = opened;
            self.named = false;
            self.bytes = length;
            self.ending = b"";
        }
        Ok(())
    }

    /// Whether a file without rows is removed.
    pub(super) fn discards_empty(&self) -> bool {
        matches!(self.place, Place::Rotated(_))
    }

    /// Closes it; `rows` says whether the current file has any.
    pub(super) fn close(&mut self, rows: bool) -> Result<(), SinkError> {
        match &mut self.place {
            Place::Rotated(rotated) if rows => rotated.finish(),
            Place::Rotated(rotated) => rotated.discard(),
            _ => Ok(()),
        }
    }
}

/// Whether an error of a file may pass.
pub(crate) fn passes(error: &SinkError) -> bool {
    match error {
        SinkError::Io { source, .. } => source.kind() != ErrorKind::FileTooLarge,
        SinkError::Refused { .. } => true,
        _ => false,
    }
}

/// Makes the names in a folder last.
#[cfg(unix)]
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    let folder = match folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => folder,
    };
    File::open(folder)?.sync_all()
}

/// A folder cannot be opened there.
#[cfg(not(unix))]
pub(crate) fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Writes everything, and returns how much was written.
fn all(out: &mut impl Write, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while written < bytes.len() {
        match out.write(&bytes[written..]) {
            Ok(0) => return (written, Err(ErrorKind::WriteZero.into())),
            Ok(n) => written += n,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return (written, Err(e)),
        }
    }
    (written, Ok(()))
}

#[cfg(unix)]
fn is_pipe(about: &Metadata) -> bool {
    std::os::unix::fs::FileTypeExt::is_fifo(&about.file_type())
}

#[cfg(not(unix))]
fn is_pipe(_: &Metadata) -> bool {
    false
}

#[cfg(unix)]
fn stdout_is_pipe() -> bool {
    use std::os::fd::AsFd;
    let file = io::stdout().as_fd().try_clone_to_owned().map(File::from);
    file.and_then(|file| file.metadata())
        .is_ok_and(|about| is_pipe(&about))
}

#[cfg(not(unix))]
fn stdout_is_pipe() -> bool {
    false
}

fn refused(sink: &str, why: String) -> SinkError {
    SinkError::Refused {
        sink: sink.to_owned(),
        why,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn half_a_row_that_cannot_be_removed_is_ended_before_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rows");
        for (row_end, half, ended) in [
            (RowEnd::Line, "{\"a\":\"b", "{\"a\":\"b\n"),
            (RowEnd::Quoted, "1,\"b", "1,\"b\"\n"),
        ] {
            fs::write(&file, "").unwrap();
            let mut out = Output::open("x", file.to_str().unwrap(), None, Some(row_end)).unwrap();
            out.write(half.as_bytes()).unwrap();
            out.take_back(half.as_bytes());
            assert_eq!(fs::read_to_string(&file).unwrap(), "");
            out.write(half.as_bytes()).unwrap();
            // Another program has appended to it meanwhile.
            let theirs = File::options().append(true).open(&file);
            theirs.unwrap().write_all(b"!").unwrap();
            out.take_back(half.as_bytes());
            out.write(b"2\n").unwrap();
            out.write(b"3\n").unwrap();
            let (ended, rest) = ended.split_at(half.len());
            let text = fs::read_to_string(&file).unwrap();
            assert_eq!(text, format!("{half}!{}{rest}2\n3\n", &ended[half.len()..]));
        }
    }
}

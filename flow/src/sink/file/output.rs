//! Where a file sink writes: a stream, a file, or rotated files.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::PathBuf;
use std::time::Instant;

use super::rotated::Rotated;
use super::rotation::Rotation;
use crate::place::{self, append};
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
        row_end: Option<u8>,
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
        })
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
        Err(refused(
            &self.sink,
            "the file has other columns, or is not a table; name another file".to_owned(),
        ))
    }

    /// Anything that is written to.
    #[cfg(test)]
    pub(crate) fn stream(sink: &str, out: Box<dyn Write + Send>) -> Output {
        Output {
            sink: sink.to_owned(),
            place: Place::Stream(out),
            bytes: 0,
            pipe: false,
        }
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
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), (usize, SinkError)> {
        let (written, end) = match &mut self.place {
            Place::Stream(out) => all(out, bytes),
            Place::File { file, .. } => all(file, bytes),
            Place::Rotated(rotated) => all(rotated.written(), bytes),
        };
        self.bytes += written as u64;
        end.map_err(|source| {
            let error = match source.kind() {
                ErrorKind::BrokenPipe => SinkError::ReaderGone {
                    sink: self.sink.clone(),
                },
                _ => SinkError::io(&self.sink, "write")(source),
            };
            (written, error)
        })
    }

    /// Removes `bytes` from the end of a file, if they are still its end: half a row, after a
    /// failed write. If that is not possible, they stay.
    pub(super) fn take_back(&mut self, bytes: usize) {
        let file = match &self.place {
            Place::Stream(_) => return,
            Place::File { file, .. } => file,
            Place::Rotated(rotated) => rotated.file(),
        };
        let ours = |about: Metadata| about.is_file() && about.len() == self.bytes;
        let left = self.bytes - bytes as u64;
        if file.metadata().is_ok_and(ours) && file.set_len(left).is_ok() {
            self.bytes = left;
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
            _ => Ok(()),
        }
    }

    /// Finishes the current file and starts the next one; does nothing without rotation.
    pub(super) fn turn(&mut self) -> Result<(), SinkError> {
        if let Place::Rotated(rotated) = &mut self.place {
            rotated.finish()?;
            rotated.begin()?;
            self.bytes = 0;
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
    pub(super) fn reopen(&mut self, row_end: Option<u8>) -> Result<(), SinkError> {
        if let Place::File { path, file } = &mut self.place {
            let opened = append(path, &mut OpenOptions::new(), row_end);
            let failed = SinkError::io(&self.sink, "reopen the file");
            let (opened, length) = opened.map_err(failed)?;
            if length > 0 && row_end.is_none() {
                return Err(refused(
                    &self.sink,
                    "the file was not moved away, and cannot be appended to".to_owned(),
                ));
            }
            *file = opened;
            self.bytes = length;
        }
        Ok(())
    }

    /// Whether a file without rows is removed.
    pub(super) fn discards_empty(&self) -> bool {
        matches!(self.place, Place::Rotated(_))
    }

    /// Closes it; `rows` says whether the current file has any.
    pub(super) fn close(self, rows: bool) -> Result<(), SinkError> {
        match self.place {
            Place::Rotated(mut rotated) if rows => rotated.finish(),
            Place::Rotated(rotated) => rotated.discard(),
            _ => Ok(()),
        }
    }
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

//! Where a sink of files writes: a stream, a file, or files that take turns.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::PathBuf;
use std::time::Instant;

use super::rotated::Rotated;
use super::rotation::Rotation;
use crate::place::{self, append};
use crate::sink::SinkError;

/// Bytes that a pipe takes whole or not at all (`pipe(7)`, PIPE_BUF of Linux), so that no row is
/// cut when its reader stops, and it is known how many were written. Elsewhere it may be less: then
/// one may be cut.
const PIPE: usize = 4096;

/// The place, and how much of it was written.
pub(crate) struct Output {
    /// The sink's URL, for errors.
    sink: String,
    place: Place,
    /// Bytes that the present file has.
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
    /// `-` is standard output; a file that is there is added to, if rows have an end.
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
                        "the file is there, and nothing can be added to it; name another file"
                            .to_owned(),
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

    /// Refuses a file that was there and begins otherwise.
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
            .map_err(SinkError::io(&self.sink, "read how the file begins"))?;
        if begin == header {
            return Ok(());
        }
        Err(refused(
            &self.sink,
            "the file has other columns, or is no table; name another file".to_owned(),
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

    /// How many bytes to write at once.
    pub(super) fn piece(&self) -> usize {
        if self.pipe { PIPE } else { usize::MAX }
    }

    /// Whether nothing stands there yet: a header is due.
    pub(super) fn is_new(&self) -> bool {
        self.bytes == 0
    }

    /// Whether the present file may have so many more bytes.
    pub(super) fn fits(&self, more: usize) -> bool {
        match &self.place {
            Place::Rotated(rotated) => rotated.fits(self.bytes + more as u64),
            _ => true,
        }
    }

    /// When the present file has had its time.
    pub(super) fn due(&self) -> Option<Instant> {
        match &self.place {
            Place::Rotated(rotated) => rotated.due(),
            _ => None,
        }
    }

    /// Writes all of it; of a write that fails, tells how many bytes were written before.
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

    /// Takes so many bytes off the end of a file again, if they are still what stands there: half a
    /// row, after a write that failed. Where that cannot be done it stays.
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

    /// Finishes the present file and begins the next; of a place that does not rotate, nothing.
    pub(super) fn turn(&mut self) -> Result<(), SinkError> {
        if let Place::Rotated(rotated) = &mut self.place {
            rotated.finish()?;
            rotated.begin()?;
            self.bytes = 0;
        }
        Ok(())
    }

    /// The present file stays, though its time is over: it has no rows.
    pub(super) fn stay(&mut self) {
        if let Place::Rotated(rotated) = &mut self.place {
            rotated.stay();
        }
    }

    /// Opens by name again. Of files that rotate nothing: they take turns instead.
    pub(super) fn reopen(&mut self, row_end: Option<u8>) -> Result<(), SinkError> {
        if let Place::File { path, file } = &mut self.place {
            let opened = append(path, &mut OpenOptions::new(), row_end);
            let failed = SinkError::io(&self.sink, "open the file again");
            let (opened, length) = opened.map_err(failed)?;
            if length > 0 && row_end.is_none() {
                return Err(refused(
                    &self.sink,
                    "the file was not moved away, and nothing can be added to it".to_owned(),
                ));
            }
            *file = opened;
            self.bytes = length;
        }
        Ok(())
    }

    /// Whether a file without rows is not worth keeping.
    pub(super) fn discards_empty(&self) -> bool {
        matches!(self.place, Place::Rotated(_))
    }

    /// Ends it; `rows` says whether the present file has any.
    pub(super) fn close(self, rows: bool) -> Result<(), SinkError> {
        match self.place {
            Place::Rotated(mut rotated) if rows => rotated.finish(),
            Place::Rotated(rotated) => rotated.discard(),
            _ => Ok(()),
        }
    }
}

/// Writes all of it, and tells how much of it was written.
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

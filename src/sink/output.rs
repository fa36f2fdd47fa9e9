//! Where sinks of text write: a stream, a file, or files that take turns.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use self::rotated::Rotated;
pub(crate) use self::rotation::{Rotation, WANTED};
use super::SinkError;

mod rotated;
mod rotation;

/// The place, and how much of it was written.
pub(crate) struct Output {
    /// The sink's URL, for errors.
    sink: String,
    place: Place,
    /// Bytes that the present file has.
    bytes: u64,
}

enum Place {
    Stream(Box<dyn Write + Send>),
    File { path: PathBuf, file: File },
    Rotated(Rotated),
}

impl Output {
    /// `-` is standard output; a file that is there is replaced, unless files are rotated: then
    /// none is.
    pub(crate) fn open(
        sink: &str,
        place: &str,
        rotation: Option<Rotation>,
    ) -> Result<Output, SinkError> {
        let path = PathBuf::from(place);
        let place = match rotation {
            _ if place == "-" => Place::Stream(Box::new(io::stdout())),
            Some(rotation) => Place::Rotated(Rotated::open(sink, path, rotation)?),
            None => {
                let file = append(&path).and_then(|file| {
                    // A device or a pipe has no length.
                    if file.metadata()?.is_file() {
                        file.set_len(0)?;
                    }
                    Ok(file)
                });
                let file = file.map_err(doing(sink, "create the file"))?;
                Place::File { path, file }
            }
        };
        Ok(Output {
            sink: sink.to_owned(),
            place,
            bytes: 0,
        })
    }

    /// Anything that is written to.
    #[cfg(test)]
    pub(crate) fn stream(sink: &str, out: Box<dyn Write + Send>) -> Output {
        Output {
            sink: sink.to_owned(),
            place: Place::Stream(out),
            bytes: 0,
        }
    }

    /// Whether nothing stands there yet: a header is due.
    pub(crate) fn is_new(&self) -> bool {
        self.bytes == 0
    }

    /// Whether the present file may have so many more bytes.
    pub(crate) fn fits(&self, more: usize) -> bool {
        match &self.place {
            Place::Rotated(rotated) => rotated.fits(self.bytes + more as u64),
            _ => true,
        }
    }

    /// When the present file has had its time.
    pub(crate) fn due(&self) -> Option<Instant> {
        match &self.place {
            Place::Rotated(rotated) => rotated.due(),
            _ => None,
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        let written = match &mut self.place {
            Place::Stream(out) => out.write_all(bytes),
            Place::File { file, .. } => file.write_all(bytes),
            Place::Rotated(rotated) => rotated.write(bytes),
        };
        self.bytes += bytes.len() as u64;
        written.map_err(|source| match source.kind() {
            ErrorKind::BrokenPipe => SinkError::ReaderGone {
                sink: self.sink.clone(),
            },
            _ => doing(&self.sink, "write")(source),
        })
    }

    pub(crate) fn flush(&mut self) -> Result<(), SinkError> {
        match &mut self.place {
            Place::Stream(out) => out.flush().map_err(|source| match source.kind() {
                ErrorKind::BrokenPipe => SinkError::ReaderGone {
                    sink: self.sink.clone(),
                },
                _ => doing(&self.sink, "write")(source),
            }),
            _ => Ok(()),
        }
    }

    /// Finishes the present file and begins the next; of a place that does not rotate, nothing.
    pub(crate) fn turn(&mut self) -> Result<(), SinkError> {
        if let Place::Rotated(rotated) = &mut self.place {
            rotated.finish()?;
            rotated.begin()?;
            self.bytes = 0;
        }
        Ok(())
    }

    /// The present file stays, though its time is over: it has no rows.
    pub(crate) fn stay(&mut self) {
        if let Place::Rotated(rotated) = &mut self.place {
            rotated.stay();
        }
    }

    /// Opens by name again. Of files that rotate nothing: they take turns instead.
    pub(crate) fn reopen(&mut self) -> Result<(), SinkError> {
        if let Place::File { path, file } = &mut self.place {
            let opened = append(path).and_then(|new| Ok((new.metadata()?.len(), new)));
            let (length, opened) = opened.map_err(doing(&self.sink, "open the file again"))?;
            *file = opened;
            self.bytes = length;
        }
        Ok(())
    }

    /// Whether a file without rows is not worth keeping.
    pub(crate) fn discards_empty(&self) -> bool {
        matches!(self.place, Place::Rotated(_))
    }

    /// Ends it; `rows` says whether the present file has any.
    pub(crate) fn close(self, rows: bool) -> Result<(), SinkError> {
        match self.place {
            Place::Rotated(mut rotated) if rows => rotated.finish(),
            Place::Rotated(rotated) => rotated.discard(),
            _ => Ok(()),
        }
    }
}

/// Opens a file to write at its end, wherever that is by then: another program may cut it.
fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

fn doing(sink: &str, action: &'static str) -> impl FnOnce(io::Error) -> SinkError {
    move |source| SinkError::Io {
        sink: sink.to_owned(),
        action,
        source,
    }
}

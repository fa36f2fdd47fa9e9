//! Python's file objects and iterators as readers.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyIterator};

/// The most that is asked of a file at a time, in bytes.
const READ: usize = 1 << 20;

/// The exception that a source raised, until it is raised again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Raised(Arc<Mutex<Option<PyErr>>>);

impl Raised {
    fn keep(&self, error: PyErr) -> io::Error {
        let text = error.to_string();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        io::Error::other(text)
    }

    pub(crate) fn take(&self) -> Option<PyErr> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A source of bytes that Python has.
pub(crate) struct Source {
    from: From,
    /// What was given and is not read yet, from here.
    piece: Option<Py<PyBytes>>,
    at: usize,
    raised: Raised,
}

enum From {
    /// An object with `read`.
    File(Py<PyAny>),
    Iterator(Py<PyIterator>),
}

impl Source {
    /// # Errors
    /// It is none of both.
    pub(crate) fn new(object: &Bound<'_, PyAny>, raised: &Raised) -> PyResult<Source> {
        let from = match object.hasattr("read")? {
            true => From::File(object.clone().unbind()),
            false => {
                let iterator = object.try_iter().map_err(|_| {
                    let kind = object.get_type();
                    PyTypeError::new_err(format!(
                        "a path, bytes, a binary file or an iterable of bytes is read, not {kind}"
                    ))
                })?;
                From::Iterator(iterator.unbind())
            }
        };
        Ok(Source {
            from,
            piece: None,
            at: 0,
            raised: raised.clone(),
        })
    }

    /// The next piece; `None` at the end.
    fn next(&self, py: Python<'_>) -> PyResult<Option<Py<PyBytes>>> {
        // Ctrl-C.
        py.check_signals()?;
        let piece = match &self.from {
            From::File(file) => file.bind(py).call_method1("read", (READ,))?,
            From::Iterator(iterator) => match iterator.bind(py).clone().next() {
                Some(piece) => piece?,
                None => return Ok(None),
            },
        };
        let piece = match piece.cast_into::<PyBytes>() {
            Ok(piece) => piece,
            Err(other) => {
                let other = other.into_inner();
                // bytearray, memoryview; text is none of them.
                if other.is_none() || other.is_instance_of::<pyo3::types::PyString>() {
                    let kind = other.get_type();
                    return Err(PyTypeError::new_err(format!(
                        "the source gives {kind}; open files in binary mode (\"rb\")"
                    )));
                }
                py.get_type::<PyBytes>().call1((other,))?.cast_into()?
            }
        };
        let ends = matches!(self.from, From::File(_)) && piece.as_bytes().is_empty();
        Ok((!ends).then(|| piece.unbind()))
    }
}

impl Read for Source {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        Python::attach(|py| {
            loop {
                if let Some(piece) = &self.piece {
                    let rest = &piece.as_bytes(py)[self.at..];
                    if !rest.is_empty() {
                        let n = rest.len().min(buf.len());
                        buf[..n].copy_from_slice(&rest[..n]);
                        self.at += n;
                        return Ok(n);
                    }
                }
                self.at = 0;
                self.piece = self.next(py).map_err(|error| self.raised.keep(error))?;
                if self.piece.is_none() {
                    return Ok(0);
                }
            }
        })
    }
}

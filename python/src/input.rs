//! Any input as record batches: files, captures, bytes, and what Python reads.

use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use arrow_array::RecordBatch;
use dumpstream::arrow::RecordBatches;
use dumpstream::framing::Skipped;
use dumpstream::{Origin, ReadError, Reader};
use dumpstream_flow::causes::causes;
use dumpstream_flow::input::Input;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use pyo3_arrow::PyRecordBatch;

use crate::os_error;
use crate::setup::Setup;
use crate::source::{Raised, Source};

/// Bytes of text of a batch, about: a column of Arrow holds less than 2 GiB, and records may be long.
const BYTES: usize = 128 << 20;

/// Record batches, one after the other, until the input ends.
#[pyclass(frozen, skip_from_py_object, module = "dumpstream._dumpstream")]
pub(crate) struct Reading {
    state: Mutex<State>,
    /// The input's name.
    name: String,
    raised: Raised,
}

struct State {
    /// `None`: it was closed.
    reader: Option<Reader<Box<dyn Read + Send>>>,
    batches: RecordBatches,
    /// The least number of rows of a batch, but for the last, and those of much text.
    rows: usize,
    /// Bytes of text of the rows collected.
    bytes: usize,
    packets: u64,
    skipped: Skipped,
    /// What ended the input, after the rows before it.
    failed: Option<ReadError>,
}

impl State {
    fn next(&mut self) -> Result<Option<RecordBatch>, ReadError> {
        while self.batches.len() < self.rows && self.bytes < BYTES {
            if let Some(error) = self.failed.take() {
                self.reader = None;
                return Err(error);
            }
            let Some(reader) = &mut self.reader else {
                break;
            };
            let next = reader.next();
            self.skipped = reader.skipped();
            match next {
                Some(Ok(packets)) => {
                    self.packets += packets.len() as u64;
                    self.batches.push(&packets);
                    self.bytes += packets.bytes();
                }
                Some(Err(error)) => {
                    self.failed = Some(error);
                    if !self.batches.is_empty() {
                        break;
                    }
                }
                None => self.reader = None,
            }
        }
        self.bytes = 0;
        let rows = !self.batches.is_empty();
        Ok(rows.then(|| self.batches.take()))
    }
}

#[pymethods]
impl Reading {
    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        py.check_signals()?;
        let next = py.detach(|| self.lock().next());
        match next {
            Ok(batch) => batch
                .map(|batch| Ok(PyRecordBatch::new(batch).into_pyarrow(py)?.unbind()))
                .transpose(),
            Err(error) => Err(self.raise(&error)),
        }
    }

    /// Reads no more.
    fn close(&self, py: Python<'_>) {
        let reader = py.detach(|| self.lock().reader.take());
        drop(reader);
    }

    /// Packets read so far.
    #[getter]
    fn packets(&self, py: Python<'_>) -> u64 {
        py.detach(|| self.lock().packets)
    }

    /// Bytes that belonged to no packet so far, by reason; `unserved` are packets that `dumpstream
    /// serve` says that it skipped.
    #[getter]
    fn skipped<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let skipped = py.detach(|| self.lock().skipped);
        let figures = PyDict::new(py);
        for (reason, count) in [
            ("preamble", skipped.preamble),
            ("late", skipped.late - skipped.empty),
            ("oversize", skipped.oversize),
            ("messages", skipped.messages),
            ("unserved", skipped.unserved),
        ] {
            figures.set_item(reason, count)?;
        }
        Ok(figures)
    }
}

impl Reading {
    pub(crate) fn new(
        reader: Reader<Box<dyn Read + Send>>,
        setup: &Setup,
        rows: usize,
        name: String,
        raised: Raised,
    ) -> Reading {
        let state = State {
            reader: Some(reader),
            batches: setup.batches(),
            rows,
            bytes: 0,
            packets: 0,
            skipped: Skipped::default(),
            failed: None,
        };
        Reading {
            state: Mutex::new(state),
            name,
            raised,
        }
    }

    /// Never while the interpreter is held: who reads may wait for it.
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The exception of an error: the source's own, if it raised one.
    fn raise(&self, error: &ReadError) -> PyErr {
        if let Some(raised) = self.raised.take() {
            return raised;
        }
        match error {
            ReadError::Io(error) => os_error(error, Some(&self.name)),
            error => PyValueError::new_err(format!("{}: {}", self.name, causes(error))),
        }
    }
}

/// Opens an input: a path (as `str`), `bytes`, or what Python reads.
#[pyfunction]
#[pyo3(signature = (setup, source, *, path=None, rows))]
pub(crate) fn read(
    py: Python<'_>,
    setup: &Setup,
    source: Option<Bound<'_, PyAny>>,
    path: Option<PathBuf>,
    rows: usize,
) -> PyResult<Reading> {
    let raised = Raised::default();
    let (input, name) = match (path, source) {
        (Some(path), _) => {
            let name = path.display().to_string();
            let opened = py.detach(|| Input::open(&path, |file, _| Box::new(file)));
            (opened, name)
        }
        (None, Some(source)) => match source.cast::<PyBytes>() {
            Ok(bytes) => {
                // A copy: it is parsed while Python goes on.
                let bytes = bytes.as_bytes().to_vec();
                (Input::new(Box::new(Cursor::new(bytes))), "bytes".to_owned())
            }
            Err(_) => {
                let source = Source::new(&source, &raised)?;
                let opened = py.detach(|| Input::new(Box::new(source)));
                (opened, "source".to_owned())
            }
        },
        (None, None) => return Err(PyValueError::new_err("there is no source")),
    };
    let failed = |error: io::Error| {
        raised
            .take()
            .unwrap_or_else(|| os_error(&error, Some(&name)))
    };
    let input = input.map_err(failed)?;
    let origin = origin(setup, &input);
    let text = py.detach(|| input.text()).map_err(failed)?;
    let reader = Reader::new(text)
        .parser(setup.parser.clone())
        .max_record(setup.max_record)
        .origin(origin);
    Ok(Reading::new(reader, setup, rows, name, raised))
}

/// As `dumpstream parse` has it: the file's name is the sensor's.
pub(crate) fn origin(setup: &Setup, input: &Input) -> Origin {
    let sensor = setup.sensor.as_deref().unwrap_or(input.name());
    let origin = setup.origin(sensor);
    let origin = match (&setup.stream, input.stream(sensor)) {
        (None, Some(stream)) => origin.stream(stream),
        _ => origin,
    };
    match input.modified() {
        Some(modified) => origin.modified(modified),
        None => origin,
    }
}

/// The name of a file's sensor.
pub(crate) fn sensor_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

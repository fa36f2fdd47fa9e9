//! What the keyword arguments say: the parser, the schema, and what is known of the text.

use dumpstream::arrow::RecordBatches;
use dumpstream::limits::DEFAULT_MAX_RECORD;
use dumpstream::{Engine, Namespace, Origin, Parser, StampForm};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3_arrow::PySchema;

/// Compiled once, and then used for any number of inputs.
#[derive(Clone, Debug)]
#[pyclass(frozen, skip_from_py_object, module = "dumpstream._dumpstream")]
pub(crate) struct Setup {
    pub(crate) parser: Parser,
    zone: TimeZone,
    date: Option<Date>,
    stamp: Option<StampForm>,
    pub(crate) sensor: Option<String>,
    pub(crate) stream: Option<String>,
    pub(crate) max_record: usize,
    identity: bool,
    raw: bool,
    plain: bool,
}

#[pymethods]
impl Setup {
    /// `namespace` is the text of a file that is called `name`.
    #[new]
    #[pyo3(signature = (*, namespace=None, name="namespace", engine="slot", tz=None, date=None,
        stamp=None, sensor=None, stream=None, max_record=DEFAULT_MAX_RECORD, keep_info=false,
        keep_payload=false, identity=true, raw=false, plain=false))]
    #[allow(
        clippy::too_many_arguments,
        reason = "they are Python's keyword arguments"
    )]
    fn new(
        namespace: Option<&str>,
        name: &str,
        engine: &str,
        tz: Option<&str>,
        date: Option<&str>,
        stamp: Option<&str>,
        sensor: Option<String>,
        stream: Option<String>,
        max_record: usize,
        keep_info: bool,
        keep_payload: bool,
        identity: bool,
        raw: bool,
        plain: bool,
    ) -> PyResult<Setup> {
        let wrong = |what: String| PyValueError::new_err(what);
        let of_file = |error: dumpstream::NamespaceError| wrong(format!("{name}: {error}"));
        let namespace: Namespace = match namespace {
            Some(text) => text.parse().map_err(of_file)?,
            None => Namespace::tcpdump(),
        };
        let namespace = match keep_payload {
            true => namespace.keep_payload(),
            false => namespace,
        };
        let engine = match engine {
            "slot" => Engine::Slot,
            "regex" => Engine::Regex,
            other => {
                return Err(wrong(format!(
                    "unknown engine {other:?}: use slot or regex"
                )));
            }
        };
        let parser = Parser::new(namespace).map_err(of_file)?.engine(engine);
        let parser = match keep_info {
            true => parser.keep_info(),
            false => parser,
        };
        let date: Option<Result<Date, _>> = date.map(str::parse);
        let date = date.transpose().map_err(|_: jiff::Error| {
            wrong("date: use an existing date such as 2026-11-24".to_owned())
        })?;
        let stamp = match stamp {
            None => None,
            Some("delta") => Some(StampForm::Delta),
            Some("elapsed") => Some(StampForm::Elapsed),
            Some(other) => {
                return Err(wrong(format!(
                    "unknown stamp {other:?}: use delta or elapsed"
                )));
            }
        };
        Ok(Setup {
            parser,
            zone: zone(tz.unwrap_or("local")).map_err(wrong)?,
            date,
            stamp,
            sensor,
            stream,
            max_record,
            identity,
            raw,
            plain,
        })
    }

    /// The schema of every batch.
    fn schema(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let schema = PySchema::new(self.batches().schema());
        Ok(schema.into_pyarrow(py)?.unbind())
    }
}

impl Setup {
    /// An empty collection of rows of the schema.
    pub(crate) fn batches(&self) -> RecordBatches {
        let batches = RecordBatches::new(self.parser.namespace());
        let batches = if self.identity {
            batches.identity()
        } else {
            batches
        };
        let batches = if self.raw { batches.raw() } else { batches };
        if self.plain { batches.plain() } else { batches }
    }

    /// What is known of an input of this sensor, if no argument names another.
    pub(crate) fn origin(&self, sensor: &str) -> Origin {
        let sensor = self.sensor.as_deref().unwrap_or(sensor);
        let origin = Origin::new(sensor).zone(self.zone.clone());
        let origin = match self.date {
            Some(date) => origin.date(date),
            None => origin,
        };
        let origin = match self.stamp {
            Some(stamp) => origin.stamp(stamp),
            None => origin,
        };
        match &self.stream {
            Some(stream) => origin.stream(stream),
            None => origin,
        }
    }

    pub(crate) fn zone(&self) -> TimeZone {
        self.zone.clone()
    }

    /// Whether stamps are said to be differences.
    pub(crate) fn has_differences(&self) -> bool {
        self.stamp.is_some()
    }

    /// Whether the records' own text is kept.
    pub(crate) fn has_raw(&self) -> bool {
        self.raw
    }
}

fn zone(name: &str) -> Result<TimeZone, String> {
    match name {
        "local" => {
            let zone = TimeZone::system();
            Ok(if zone.is_unknown() {
                TimeZone::UTC
            } else {
                zone
            })
        }
        name => TimeZone::get(name).map_err(|_| {
            format!(
                "unknown time zone {name:?}: use an IANA name such as Europe/Berlin, UTC or local"
            )
        }),
    }
}

//! Packets of a partition into a store: the whole line behind the parser, in the process that has
//! the text.

use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use dumpstream::Packets;
use dumpstream_flow::causes::causes;
use dumpstream_flow::run::placed;
use dumpstream_flow::{OnFull, SinkUrl, Station};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pyo3_arrow::PyRecordBatch;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::Error;
use crate::rows::Rows;
use crate::setup::Setup;

/// Batches that wait for the store.
const WAITING: usize = 4;

/// An output that is open.
#[pyclass(frozen, skip_from_py_object, module = "dumpstream._dumpstream")]
pub(crate) struct Store {
    setup: Setup,
    state: Mutex<Option<State>>,
}

/// Dropped in this order, if a task fails: the runtime waits until nothing more can come.
struct State {
    sender: mpsc::Sender<Packets>,
    task: JoinHandle<()>,
    station: Station,
    packets: u64,
    unparsed: u64,
    runtime: Runtime,
}

#[pymethods]
impl Store {
    /// Opens the output of a URL, as `-o` has it.
    #[new]
    fn new(py: Python<'_>, setup: &Setup, url: &str) -> PyResult<Store> {
        let url: SinkUrl = url
            .parse()
            .map_err(|e: dumpstream_flow::SinkError| PyValueError::new_err(causes(&e)))?;
        let setup = setup.clone();
        let state = py.detach(|| open(&setup, url))?;
        Ok(Store {
            setup,
            state: Mutex::new(Some(state)),
        })
    }

    /// Parses a batch and hands its packets over; waits while the store is slower.
    fn write(&self, py: Python<'_>, batch: PyRecordBatch, column: &str) -> PyResult<()> {
        let batch = batch.into_inner();
        py.detach(|| {
            let rows = Rows::parse(&self.setup, &batch, column).map_err(PyValueError::new_err)?;
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let state = state
                .as_mut()
                .ok_or_else(|| Error::new_err("it is closed"))?;
            state.unparsed += rows.unparsed as u64;
            for part in rows.parts {
                state.packets += part.packets.len() as u64;
                let sent = state.sender.blocking_send(part.packets);
                sent.map_err(|_| Error::new_err("the store takes nothing more"))?;
            }
            Ok(())
        })
    }

    /// Waits until everything is answered; returns the figures.
    fn close<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let state = py.detach(|| {
            self.state
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take()
        });
        let state = state.ok_or_else(|| Error::new_err("it is closed"))?;
        let (packets, unparsed) = (state.packets, state.unparsed);
        let (delivered, rejected, undelivered, error) = py.detach(|| finish(state));
        if let Some(error) = error {
            return Err(Error::new_err(error));
        }
        let figures = PyDict::new(py);
        for (name, count) in [
            ("packets", packets),
            ("unparsed", unparsed),
            ("delivered", delivered),
            ("rejected", rejected),
            ("undelivered", undelivered),
        ] {
            figures.set_item(name, count)?;
        }
        Ok(figures)
    }
}

fn open(setup: &Setup, url: SinkUrl) -> PyResult<State> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|e| Error::new_err(e.to_string()))?;
    let entered = runtime.enter();
    let station = Station::builder(setup.parser.clone())
        .identity(true)
        .raw(setup.has_raw())
        // Spark retries a task that fails, and waits for one that is slow.
        .on_full(OnFull::Block)
        .drain_timeout(Duration::MAX)
        .output(url)
        .open()
        .map_err(|e| Error::new_err(causes(&e)))?;
    let (sender, mut waiting) = mpsc::channel(WAITING);
    let lanes = station.clone();
    let task = runtime.spawn_blocking(move || {
        let next = async || Ok::<_, Infallible>(waiting.recv().await);
        let Ok(_) = Handle::current().block_on(placed(next, &lanes));
    });
    drop(entered);
    Ok(State {
        sender,
        task,
        station,
        packets: 0,
        unparsed: 0,
        runtime,
    })
}

/// Delivered, rejected, undelivered, and what went wrong.
fn finish(state: State) -> (u64, u64, u64, Option<String>) {
    let State {
        runtime,
        station,
        sender,
        task,
        ..
    } = state;
    drop(sender);
    let undrained = runtime.block_on(async {
        let ended = task.await;
        let undrained = station.drain().await;
        ended.map(|()| undrained)
    });
    let counters = station.lanes().counters().map(|(_, counters)| counters);
    let (mut delivered, mut rejected, mut dropped) = (0, 0, 0);
    for counters in counters {
        delivered += counters.delivered;
        rejected += counters.rejected;
        dropped += counters.dropped;
    }
    let error = match undrained {
        Err(error) => Some(error.to_string()),
        Ok(undrained) if undrained + dropped > 0 => {
            let failed = station
                .lanes()
                .counters()
                .find_map(|(_, counters)| counters.error);
            let lost = undrained + dropped;
            Some(failed.unwrap_or_else(|| format!("{lost} packets were not written")))
        }
        Ok(_) => None,
    };
    (delivered, rejected, dropped, error)
}

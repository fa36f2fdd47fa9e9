//! Builds a station.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use dumpstream::Parser;
use dumpstream::limits::DEFAULT_MAX_RECORD;
use tokio_util::sync::CancellationToken;

use super::memory::{DEFAULT_MEMORY, Memory};
use super::{Shared, Station};
use crate::lane::{Lane, LaneOptions};
use crate::progress::Progress;
use crate::rejects::Rejects;
use crate::sink::context::{RowKind, SinkContext};
use crate::sink::hangup::Hangup;
use crate::sink::url::SinkUrl;
use crate::sink::{OnFull, Sink, SinkError};

/// How long a complete record waits for a continuation line before it is sent on: a line of
/// `tcpdump -l` arrives as small writes within a millisecond, and a person does not notice a
/// quarter of a second.
pub const DEFAULT_FLUSH_AFTER: Duration = Duration::from_millis(250);

/// How long sinks have to write queued packets after the end was requested: a service manager kills
/// a process that takes much longer.
pub const DEFAULT_DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Builds a [`Station`]: [`Station::builder`] creates it, [`StationBuilder::open`] opens the
/// station.
pub struct StationBuilder {
    parser: Arc<Parser>,
    outputs: Vec<Output>,
    context: SinkContext,
    lane: LaneOptions,
    flush_after: Duration,
    drain_timeout: Duration,
    max_record: usize,
    memory: usize,
    stop: CancellationToken,
}

enum Output {
    Url(SinkUrl),
    Sink(String, Box<dyn Sink>),
}

impl fmt::Debug for StationBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StationBuilder")
            .field("outputs", &self.outputs.len())
            .field("lane", &self.lane)
            .finish_non_exhaustive()
    }
}

impl StationBuilder {
    pub(super) fn new(parser: Arc<Parser>) -> StationBuilder {
        let context = SinkContext {
            rows: RowKind::default(),
            columns: parser.columns(),
            namespace: parser.namespace().namespace.clone(),
            hash: parser.namespace().hash(),
            version: env!("CARGO_PKG_VERSION"),
            identity: false,
            raw: false,
            replace: false,
            amend: false,
            rejects: Rejects::default(),
            hangup: Hangup::new(),
        };
        StationBuilder {
            parser,
            outputs: Vec::new(),
            context,
            lane: LaneOptions::default(),
            flush_after: DEFAULT_FLUSH_AFTER,
            drain_timeout: DEFAULT_DRAIN_TIMEOUT,
            max_record: DEFAULT_MAX_RECORD,
            memory: DEFAULT_MEMORY,
            stop: CancellationToken::new(),
        }
    }

    /// Adds a sink, which is opened together with the station.
    pub fn output(mut self, url: SinkUrl) -> StationBuilder {
        self.outputs.push(Output::Url(url));
        self
    }

    /// Adds a sink that is already open; `name` is for reports.
    pub fn sink(mut self, name: impl Into<String>, sink: Box<dyn Sink>) -> StationBuilder {
        self.outputs.push(Output::Sink(name.into(), sink));
        self
    }

    /// What its sinks are opened with, for a sink that is made elsewhere: of the options set so far.
    pub fn context(&self) -> &SinkContext {
        &self.context
    }

    /// What the rows are [default: packets].
    pub fn rows(mut self, rows: RowKind) -> StationBuilder {
        self.context.rows = rows;
        self.lane.rows = rows;
        self
    }

    /// See [`LaneOptions::queue`].
    pub fn queue(mut self, bytes: usize) -> StationBuilder {
        self.lane.queue = bytes;
        self
    }

    /// See [`LaneOptions::stall_after`].
    pub fn stall_after(mut self, stall_after: Duration) -> StationBuilder {
        self.lane.stall_after = stall_after;
        self
    }

    /// What a full lane does if its URL does not say; see [`LaneOptions::on_full`].
    pub fn on_full(mut self, on_full: OnFull) -> StationBuilder {
        self.lane.on_full = Some(on_full);
        self
    }

    /// See [`LaneOptions::since_stamp`].
    pub fn since_stamp(mut self, since_stamp: bool) -> StationBuilder {
        self.lane.since_stamp = since_stamp;
        self
    }

    /// After this long without bytes, the last record of an input is sent on if it is complete
    /// [default: [`DEFAULT_FLUSH_AFTER`]].
    pub fn flush_after(mut self, flush_after: Duration) -> StationBuilder {
        self.flush_after = flush_after;
        self
    }

    /// After [`Station::stop`], how long sinks have to write queued packets [default:
    /// [`DEFAULT_DRAIN_TIMEOUT`]].
    pub fn drain_timeout(mut self, drain_timeout: Duration) -> StationBuilder {
        self.drain_timeout = drain_timeout;
        self
    }

    /// The most bytes of a record; see [`Framer::max_record`](dumpstream::framing::Framer::max_record).
    pub fn max_record(mut self, bytes: usize) -> StationBuilder {
        self.max_record = bytes;
        self
    }

    /// Memory limit, in bytes, of the text that all inputs parse at the same time, and of their
    /// packets until those are in the lanes' queues [default: [`DEFAULT_MEMORY`]].
    pub fn memory(mut self, bytes: usize) -> StationBuilder {
        self.memory = bytes;
        self
    }

    /// What [`Station::stop`] returns: of a stop that may be asked for before the station is open.
    pub fn stop(mut self, stop: CancellationToken) -> StationBuilder {
        self.stop = stop;
        self
    }

    /// Takes records whose protocol was not found, and rows that sinks refuse.
    pub fn rejects(mut self, rejects: Rejects) -> StationBuilder {
        self.context.rejects = rejects;
        self
    }

    /// Asks sinks to reopen their files; by default that is the station's own.
    pub fn hangup(mut self, hangup: Hangup) -> StationBuilder {
        self.context.hangup = hangup;
        self
    }

    /// See [`SinkContext::identity`].
    pub fn identity(mut self, identity: bool) -> StationBuilder {
        self.context.identity = identity;
        self
    }

    /// See [`SinkContext::raw`].
    pub fn raw(mut self, raw: bool) -> StationBuilder {
        self.context.raw = raw;
        self
    }

    /// See [`SinkContext::replace`].
    pub fn replace(mut self, replace: bool) -> StationBuilder {
        self.context.replace = replace;
        self
    }

    /// See [`SinkContext::amend`].
    pub fn amend(mut self, amend: bool) -> StationBuilder {
        self.context.amend = amend;
        self
    }

    /// Opens the sinks in order, and starts their lanes.
    ///
    /// # Errors
    /// A sink cannot be opened.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn open(self) -> Result<Station, SinkError> {
        let only = self.outputs.len() == 1;
        let mut lanes = Vec::with_capacity(self.outputs.len());
        let mut compares = false;
        for output in self.outputs {
            let mut options = LaneOptions { only, ..self.lane };
            let (name, sink) = match output {
                Output::Sink(name, sink) => (name, sink),
                Output::Url(url) => {
                    options.on_full = url.on_full().or(options.on_full);
                    (url.to_string(), url.open(&self.context)?)
                }
            };
            compares |= sink.compares();
            lanes.push(Lane::spawn(name, sink, options));
        }
        let station = Station(Arc::new(Shared {
            parser: self.parser,
            lanes: lanes.into_iter().collect(),
            compares,
            rejects: self.context.rejects,
            hangup: self.context.hangup,
            stop: self.stop,
            deadline: OnceLock::new(),
            drain_timeout: self.drain_timeout,
            max_record: self.max_record,
            flush_after: self.flush_after,
            memory: Memory::new(self.memory),
            progress: Progress::new(),
            numbers: Default::default(),
            far: Default::default(),
        }));
        // When no sink is alive any more, nothing is left to do.
        let (lanes, stop) = (station.lanes().clone(), station.stop().clone());
        tokio::spawn(async move {
            tokio::select! {
                () = lanes.died() => stop.cancel(),
                () = stop.cancelled() => {}
            }
        });
        Ok(station)
    }
}

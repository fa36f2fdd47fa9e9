//! A thread that owns what blocks: a file, a pipe, a database connection.
//!
//! It is not a thread of the runtime's pool: a runtime waits for every blocking task when it shuts
//! down, and a write to a pipe that nobody reads never ends.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use dumpstream::Packets;
use tokio::sync::oneshot;

use super::hangup::Hangup;
use super::patience::Abandoned;
use super::{SinkError, Written};

/// What the thread owns; its functions may block.
pub(crate) trait Store: Send + 'static {
    fn write(&mut self, rows: &[Packets]) -> Result<Written, SinkError>;
    /// When [`Store::tick`] must be called even if nothing is written.
    fn due(&self) -> Option<Instant> {
        None
    }
    /// Does what is due.
    fn tick(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
    /// Reopens by name what is open.
    fn reopen(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
    /// Closes it; what the thread owned is idle when this returns.
    fn close(self) -> Result<(), SinkError>;
}

/// How far the running write has come, for those who wait for it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Course(Arc<Mutex<Progress>>);

#[derive(Debug, Default)]
struct Progress {
    rows: u64,
    moved: Option<tokio::time::Instant>,
}

impl Course {
    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new write begins.
    pub(crate) fn begin(&self) {
        self.lock().rows = 0;
    }

    /// So many rows more are stored.
    pub(crate) fn add(&self, rows: u64) {
        let mut progress = self.lock();
        progress.rows += rows;
        progress.moved = Some(tokio::time::Instant::now());
    }

    /// The rows of the running write that are stored.
    pub(crate) fn rows(&self) -> u64 {
        self.lock().rows
    }

    /// The answer of the running write, which was given so many rows.
    pub(crate) fn written(&self, given: u64) -> Written {
        let delivered = self.rows();
        Written {
            delivered,
            dropped: given - delivered,
            ..Written::default()
        }
    }

    /// When rows were last stored.
    pub(crate) fn moved(&self) -> Option<tokio::time::Instant> {
        self.lock().moved
    }
}

enum Job {
    Write(Vec<Packets>, oneshot::Sender<Result<Written, SinkError>>),
    Close(oneshot::Sender<Result<(), SinkError>>),
    Reopen,
}

/// The handle to the thread. If it is dropped, the thread ends after its current job.
#[derive(Debug)]
pub(crate) struct Writer {
    sink: String,
    /// Nobody else holds this for long: when it is dropped, the thread ends.
    jobs: Arc<mpsc::Sender<Job>>,
    abandoned: Abandoned,
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.abandoned.set();
    }
}

impl Writer {
    /// Starts the thread; `sink` is the URL, for errors.
    pub(crate) fn spawn<S: Store>(
        sink: &str,
        abandoned: Abandoned,
        store: S,
    ) -> Result<Writer, SinkError> {
        let (jobs, queue) = mpsc::channel();
        thread::Builder::new()
            .name(sink.chars().take_while(|c| *c != ':').collect())
            .spawn(move || work(store, &queue))
            .map_err(|source| SinkError::Io {
                sink: sink.to_owned(),
                action: "start its thread",
                source,
            })?;
        Ok(Writer {
            sink: sink.to_owned(),
            jobs: Arc::new(jobs),
            abandoned,
        })
    }

    /// Makes the thread reopen its file whenever `hangup` is raised.
    pub(crate) fn reopens(&self, hangup: &Hangup) {
        let jobs = Arc::downgrade(&self.jobs);
        hangup.on(move || {
            jobs.upgrade()
                .is_some_and(|jobs| jobs.send(Job::Reopen).is_ok())
        });
    }

    /// Makes the thread end its current work as soon as it can.
    pub(crate) fn abandon(&self) {
        self.abandoned.set();
    }

    pub(crate) async fn write(&self, rows: &[Packets]) -> Result<Written, SinkError> {
        let (answer, written) = oneshot::channel();
        self.ask(Job::Write(rows.to_vec(), answer), written).await
    }

    pub(crate) async fn close(&self) -> Result<(), SinkError> {
        let (answer, closed) = oneshot::channel();
        self.ask(Job::Close(answer), closed).await
    }

    async fn ask<T>(
        &self,
        job: Job,
        answer: oneshot::Receiver<Result<T, SinkError>>,
    ) -> Result<T, SinkError> {
        let stopped = || SinkError::Stopped {
            sink: self.sink.clone(),
        };
        self.jobs.send(job).map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

/// Runs the thread: one job after the other, and between them what is due.
fn work<S: Store>(mut store: S, queue: &mpsc::Receiver<Job>) {
    // An error while nobody waited; the next caller gets it.
    let mut failed = None;
    loop {
        let job = match store.due().filter(|_| failed.is_none()) {
            None => queue.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(due) => queue.recv_timeout(due.saturating_duration_since(Instant::now())),
        };
        // If nobody waits for the answer, the lane has counted those rows.
        match job {
            Ok(Job::Write(rows, answer)) => {
                let written = match failed.take() {
                    None => store.write(&rows),
                    Some(error) => Err(error),
                };
                answer.send(written).ok();
            }
            Ok(Job::Close(answer)) => {
                let closed = store.close();
                answer.send(failed.map_or(closed, Err)).ok();
                return;
            }
            Ok(Job::Reopen) if failed.is_none() => failed = store.reopen().err(),
            Ok(Job::Reopen) => {}
            Err(RecvTimeoutError::Timeout) => failed = store.tick().err(),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

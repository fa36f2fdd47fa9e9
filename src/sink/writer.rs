//! A thread that owns what blocks: a file, a pipe, a database's connection.
//!
//! It is a thread of its own and none of the runtime's pool: a runtime waits at its end for every
//! blocking task, and a write to a pipe that nobody reads never ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;

use tokio::sync::oneshot;

use super::{SinkError, Written};
use crate::packet::Packets;

/// What stands behind the thread; its functions may block.
pub(crate) trait Store: Send + 'static {
    fn write(&mut self, rows: &[Packets]) -> Result<Written, SinkError>;
    /// Ends it; what the thread owned is at rest when this returns.
    fn close(self) -> Result<(), SinkError>;
}

/// Told when nobody waits for the thread any more, so that it stops trying.
#[derive(Clone, Debug, Default)]
pub(crate) struct Abandoned(Arc<AtomicBool>);

impl Abandoned {
    #[cfg(feature = "sqlite")]
    pub(crate) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

enum Job {
    Write(Vec<Packets>, oneshot::Sender<Result<Written, SinkError>>),
    Close(oneshot::Sender<Result<(), SinkError>>),
}

/// The handle to the thread. Dropping it lets the thread end after the job it is at.
#[derive(Debug)]
pub(crate) struct Writer {
    sink: String,
    jobs: mpsc::Sender<Job>,
    abandoned: Abandoned,
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.abandoned.0.store(true, Ordering::Relaxed);
    }
}

impl Writer {
    /// Starts the thread; `sink` is the URL, for errors.
    pub(crate) fn spawn<S: Store>(
        sink: &str,
        abandoned: Abandoned,
        mut store: S,
    ) -> Result<Writer, SinkError> {
        let (jobs, queue) = mpsc::channel();
        thread::Builder::new()
            .name(sink.chars().take_while(|c| *c != ':').collect())
            .spawn(move || {
                // An answer that nobody waits for is no failure: the lane has counted those rows.
                for job in queue {
                    match job {
                        Job::Write(rows, answer) => {
                            answer.send(store.write(&rows)).ok();
                        }
                        Job::Close(answer) => {
                            answer.send(store.close()).ok();
                            return;
                        }
                    }
                }
            })
            .map_err(|source| SinkError::Io {
                sink: sink.to_owned(),
                action: "start its thread",
                source,
            })?;
        Ok(Writer {
            sink: sink.to_owned(),
            jobs,
            abandoned,
        })
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

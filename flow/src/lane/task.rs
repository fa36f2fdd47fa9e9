//! The task behind a lane: it takes what is queued, hands it to the sink and counts the answer.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use dumpstream::Packets;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::error;

use super::{Queued, Shared};
use crate::acks::Owed;
use crate::causes::causes;
use crate::clock;
use crate::sink::{Sink, SinkError, Written};

/// How long a sink that was asked to give up may take to report how far it has come. Any system
/// call either takes less, or never ends.
const MOMENT: Duration = Duration::from_millis(100);

/// Ends the lane even if the sink panics or the runtime drops its task, so that nobody waits for
/// it.
struct Ending<'a>(&'a Shared);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        if !self.0.done.is_cancelled() {
            self.0.end(Some(SinkError::Stopped {
                sink: self.0.name.to_string(),
            }));
        }
    }
}

/// The lane's task.
pub(super) async fn drain(shared: Arc<Shared>, sink: Arc<dyn Sink>) {
    let _ending = Ending(&shared);
    let mut due = None;
    loop {
        let Some(taken) = shared.unless_aborted(shared.take(due)).await else {
            return shared.end(None);
        };
        let Some(Taken {
            rows,
            permits,
            owed,
        }) = taken
        else {
            break;
        };
        due = Instant::now().checked_add(sink.linger());
        let write = sink.write(&rows);
        tokio::pin!(write);
        let answer = tokio::select! {
            biased;
            answer = &mut write => answer,
            () = shared.abort.cancelled() => {
                sink.give_up();
                match timeout(MOMENT, write).await {
                    Ok(Ok(written)) if balanced(&rows, written).is_ok() => {
                        shared.answered(&rows, permits, written);
                        shared.lock().counters.undrained += written.dropped;
                        settle(owed, written, &*sink, false).await;
                    }
                    _ => shared.partly(&rows, sink.give_up()),
                }
                return shared.end(None);
            }
        };
        match answer.and_then(|written| balanced(&rows, written)) {
            Ok(written) => {
                shared.answered(&rows, permits, written);
                settle(owed, written, &*sink, shared.may_drop()).await;
            }
            Err(error) => {
                shared.partly(&rows, sink.give_up());
                return shared.end(Some(error));
            }
        }
    }
    let closed = shared.unless_aborted(sink.close()).await;
    shared.end(closed.and_then(Result::err));
}

/// Everything that was queued.
struct Taken {
    rows: Vec<Packets>,
    permits: u32,
    owed: Vec<Owed>,
}

/// Answers the sources of a write.
async fn settle(owed: Vec<Owed>, written: Written, sink: &dyn Sink, may_drop: bool) {
    // Which of the rows were dropped is not known, so that none is answered.
    if owed.is_empty() || written.dropped > 0 && !may_drop {
        return;
    }
    let kept = written.rejected == 0 || sink.keeps_rejected().await;
    for owed in owed {
        match kept {
            true => owed.answer(),
            false => {
                owed.refuse("rejected packets that are kept nowhere; name a file: --rejects FILE")
            }
        }
    }
}

/// Refuses an answer that does not account for every row exactly once.
fn balanced(rows: &[Packets], written: Written) -> Result<Written, SinkError> {
    let given = rows.iter().map(|r| r.len() as u64).sum();
    let answered = written
        .delivered
        .saturating_add(written.rejected)
        .saturating_add(written.dropped);
    if answered == given {
        Ok(written)
    } else {
        Err(SinkError::Miscounted { given, answered })
    }
}

impl FromIterator<Queued> for Taken {
    fn from_iter<T: IntoIterator<Item = Queued>>(queue: T) -> Taken {
        let mut taken = Taken {
            rows: Vec::new(),
            permits: 0,
            owed: Vec::new(),
        };
        for queued in queue {
            taken.rows.push(queued.packets);
            taken.permits += queued.permits;
            taken.owed.extend(queued.owed);
        }
        taken
    }
}

impl Shared {
    /// Returns the sink's answer, or `None` if the lane was asked to give up.
    async fn unless_aborted<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            output = future => Some(output),
            () = self.abort.cancelled() => None,
        }
    }

    /// Waits for work, and until `due` unless the queue is half full or the lane is closing; takes
    /// everything queued. `None`: the lane is closing, and nothing is left.
    async fn take(&self, due: Option<Instant>) -> Option<Taken> {
        loop {
            let timer = {
                let mut state = self.lock();
                // While a sender waits for room, the queue counts as full.
                let full = state.held >= self.capacity.div_ceil(2) || state.waiting > 0;
                let urgent = state.closing || full;
                let early = due.filter(|due| !urgent && Instant::now() < *due);
                match early {
                    None if !state.queue.is_empty() => {
                        state.writing = true;
                        let queue = std::mem::take(&mut state.queue);
                        return Some(queue.into_iter().collect());
                    }
                    None if state.closing && state.waiting == 0 => return None,
                    None => None,
                    early => early.filter(|_| !state.queue.is_empty()),
                }
            };
            match timer {
                None => self.work.notified().await,
                Some(due) => tokio::select! {
                    () = self.work.notified() => {}
                    () = sleep_until(due) => {}
                },
            }
        }
    }

    /// Counts the answer to a write.
    fn answered(&self, rows: &[Packets], permits: u32, written: Written) {
        let given: u64 = rows.iter().map(|r| r.len() as u64).sum();
        let now = clock::now();
        let mut state = self.lock();
        state.counters.queued -= given;
        state.counters.delivered += written.delivered;
        state.counters.present += written.present.min(written.delivered);
        state.counters.amended += written.amended.min(written.delivered);
        state.counters.rejected += written.rejected;
        state.counters.dropped += written.dropped;
        state.moved = Instant::now();
        state.writing = false;
        state.held -= permits;
        for row in rows {
            match row.arrival() {
                Some(_) if self.options.since_stamp => row
                    .iter()
                    .for_each(|packet| state.latency.record(now.saturating_sub(packet.time()), 1)),
                Some(arrival) => state
                    .latency
                    .record(now.saturating_sub(arrival), row.len() as u64),
                None => {}
            }
        }
        self.room.add_permits(permits as usize);
        let say = state.moves();
        drop(state);
        self.say(&say);
    }

    /// Counts the rows of a write that failed or was given up before all rows were written.
    fn partly(&self, rows: &[Packets], written: u64) {
        let given: u64 = rows.iter().map(|r| r.len() as u64).sum();
        let written = written.min(given);
        let mut state = self.lock();
        state.counters.queued -= written;
        state.counters.delivered += written;
    }

    fn end(&self, error: Option<SinkError>) {
        let mut state = self.lock();
        state.writing = false;
        if error.is_none() {
            state.counters.undrained += state.counters.queued;
        }
        state.bury();
        let mut died = None;
        if let Some(error) = error {
            died = Some(causes(&error)).filter(|_| !matches!(error, SinkError::ReaderGone { .. }));
            state.counters.reader_gone = matches!(error, SinkError::ReaderGone { .. });
            state.counters.error = Some(causes(&error));
            self.died.cancel();
        }
        drop(state);
        self.room.close();
        if let Some(error) = died {
            // The error names the sink.
            error!("{error}; dropping its {}.", self.options.rows.plural());
        }
        self.done.cancel();
    }
}

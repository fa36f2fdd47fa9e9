//! Standard error for a process that moves data: messages are queued, and a thread of their own
//! writes them, so that a pipe that nobody reads or a stopped terminal stops nothing else.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Memory limit of the queue in bytes: thousands of messages, which is more than anyone reads.
const ROOM: usize = 256 << 10;

/// Whether messages are queued. Before there is data to move, they are written directly.
static QUEUED: AtomicBool = AtomicBool::new(false);

static QUEUE: Mutex<Queue> = Mutex::new(Queue {
    messages: VecDeque::new(),
    bytes: 0,
    lost: 0,
    written: 0,
    writing: false,
});

/// The queue has changed.
static CHANGED: Condvar = Condvar::new();

struct Queue {
    messages: VecDeque<Vec<u8>>,
    bytes: usize,
    /// Messages that had no room, and are not yet reported.
    lost: u64,
    /// Messages that were written, to see whether the writing thread moves.
    written: u64,
    writing: bool,
}

fn lock() -> MutexGuard<'static, Queue> {
    QUEUE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the thread, if it does not run: from now on no message is waited for. Only this thread
/// calls `write`.
pub(super) fn start(write: fn(&[u8])) {
    if QUEUED.swap(true, Relaxed) {
        return;
    }
    let thread = thread::Builder::new().name("log".to_owned());
    if thread.spawn(move || work(write)).is_err() {
        QUEUED.store(false, Relaxed);
    }
}

/// Queues a message. Returns whether it is taken care of: it is counted if there is no room, and
/// refused if the thread does not run.
pub(super) fn queue(message: &[u8]) -> bool {
    if !QUEUED.load(Relaxed) {
        return false;
    }
    let mut queue = lock();
    if queue.bytes + message.len() > ROOM {
        queue.lost += 1;
    } else {
        queue.bytes += message.len();
        queue.messages.push_back(message.to_vec());
        CHANGED.notify_all();
    }
    true
}

/// Waits until everything is written, or nothing was for this long.
pub(super) fn flush(patience: Duration) {
    let mut queue = lock();
    while QUEUED.load(Relaxed) && queue.has_work() {
        let before = queue.written;
        let stands = |queue: &mut Queue| queue.written == before;
        let waited = CHANGED.wait_timeout_while(queue, patience, stands);
        let (now, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() {
            return;
        }
        queue = now;
    }
}

impl Queue {
    fn has_work(&self) -> bool {
        self.writing || !self.messages.is_empty() || self.lost > 0
    }

    /// The next message; when all are written, what became of the others.
    fn next(&mut self) -> Option<Vec<u8>> {
        if let Some(message) = self.messages.pop_front() {
            self.bytes -= message.len();
            return Some(message);
        }
        let lost = std::mem::take(&mut self.lost);
        let plural = if lost == 1 { "" } else { "s" };
        let text = format!("{lost} message{plural} lost: standard error was not read\n");
        (lost > 0).then(|| text.into_bytes())
    }
}

fn work(write: fn(&[u8])) {
    let mut queue = lock();
    loop {
        let Some(message) = queue.next() else {
            queue = CHANGED.wait(queue).unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        queue.writing = true;
        drop(queue);
        write(&message);
        queue = lock();
        queue.writing = false;
        queue.written += 1;
        CHANGED.notify_all();
    }
}

//! The line at the foot of the terminal that is redrawn in place.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tracing_subscriber::fmt::MakeWriter;

use super::log;

/// The line is redrawn at most this often; nobody reads figures faster.
pub(super) const EVERY: Duration = Duration::from_millis(250);

/// How long the removal of the line is waited for: a stopped terminal takes nothing.
const REMOVED: Duration = Duration::from_millis(500);

/// The current line, so that other messages are printed above it.
static LINE: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// A line at the foot of the terminal. Dropping it removes the line.
#[derive(Debug)]
pub(super) struct Status(ProgressBar);

impl Status {
    /// A line of text.
    pub(super) fn text() -> Status {
        Status::stand(ProgressBar::no_length(), "{wide_msg}")
    }

    /// A bar that fills up to `total` bytes, with rate and remaining time.
    pub(super) fn bytes(total: u64) -> Status {
        let template = "{wide_bar} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} to go  {msg}";
        let status = Status::stand(ProgressBar::new(total), template);
        // Drawn by a thread of its own rather than by the reader that moves it.
        status.0.enable_steady_tick(EVERY);
        status
    }

    fn stand(bar: ProgressBar, template: &str) -> Status {
        bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(4));
        bar.set_style(ProgressStyle::with_template(template).expect("a constant template"));
        *LINE.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.clone());
        Status(bar)
    }

    /// Shows another text.
    pub(super) fn show(&self, text: String) {
        self.0.set_message(text);
        self.0.tick();
    }

    /// The bar, for a reader that moves it.
    pub(super) fn bar(&self) -> ProgressBar {
        self.0.clone()
    }
}

impl Drop for Status {
    fn drop(&mut self) {
        self.0.finish_and_clear();
        *LINE.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Standard error, with the line kept at its foot. A write never fails: if standard error is full
/// or closed, the message is lost and the data goes on. Nor does it wait once messages are queued.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !log::queue(bytes) {
            print(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Queues messages from now on, so that none is waited for.
pub(super) fn queue() {
    log::start(print);
}

/// Writes a message above the line.
fn print(bytes: &[u8]) {
    let line = LINE.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let written = match line {
        Some(bar) => bar.suspend(|| io::stderr().write_all(bytes)),
        None => io::stderr().write_all(bytes),
    };
    drop(written);
}

impl MakeWriter<'_> for Stderr {
    type Writer = Stderr;

    fn make_writer(&self) -> Stderr {
        Stderr
    }
}

/// A line that is updated until it is dropped.
#[derive(Debug)]
pub(super) struct Live {
    /// Dropped to end the thread, which waits on it between two updates.
    end: Option<Sender<()>>,
    ended: Receiver<()>,
}

impl Live {
    /// Shows what `line` says, [`EVERY`] time, in a thread of its own: a terminal may be stopped.
    pub(super) fn new(line: impl Fn(&mut Rate) -> String + Send + 'static) -> Live {
        let (end, wait) = mpsc::channel();
        let (done, ended) = mpsc::channel();
        let work = move || {
            let status = Status::text();
            let mut rate = Rate::new();
            status.show(line(&mut rate));
            while wait.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                status.show(line(&mut rate));
            }
            drop(status);
            drop(done);
        };
        // Without the thread there is no line.
        drop(thread::Builder::new().name("status".to_owned()).spawn(work));
        Live {
            end: Some(end),
            ended,
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.end = None;
        // Nothing is ever sent: it returns when the line is removed.
        self.ended.recv_timeout(REMOVED).ok();
    }
}

/// How fast a count has grown during the last second or so.
#[derive(Debug)]
pub(super) struct Rate {
    /// Counts and their times, the oldest first.
    seen: VecDeque<(Instant, u64)>,
}

impl Rate {
    pub(super) fn new() -> Rate {
        Rate {
            seen: VecDeque::new(),
        }
    }

    /// The rate per second, given the current count.
    pub(super) fn of(&mut self, count: u64) -> u64 {
        let now = Instant::now();
        self.seen.push_back((now, count));
        while self.seen.len() > 1 + (1000 / EVERY.as_millis()) as usize {
            self.seen.pop_front();
        }
        let (then, before) = self.seen[0];
        match now.duration_since(then).as_secs_f64() {
            0.0 => 0,
            seconds => ((count - before) as f64 / seconds) as u64,
        }
    }
}

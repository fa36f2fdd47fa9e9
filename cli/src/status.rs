//! The line at the foot of the terminal that is redrawn in place.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::task::AbortHandle;
use tracing_subscriber::fmt::MakeWriter;

/// The line is redrawn at most this often; nobody reads figures faster.
pub(super) const EVERY: Duration = Duration::from_millis(250);

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
        Status::stand(ProgressBar::new(total), template)
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
/// or closed, the message is lost and the data goes on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = LINE.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let written = match line {
            Some(bar) => bar.suspend(|| io::stderr().write_all(bytes)),
            None => io::stderr().write_all(bytes),
        };
        drop(written);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
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
    // Removed after the task has ended, because fields are dropped in their order.
    _task: AbortOnDrop,
    _line: Arc<Status>,
}

impl Live {
    /// Shows what `line` says, [`EVERY`] time.
    ///
    /// To be called in a tokio runtime.
    pub(super) fn new(line: impl Fn(&mut Rate) -> String + Send + 'static) -> Live {
        let status = Arc::new(Status::text());
        let shown = Arc::downgrade(&status);
        let task = tokio::spawn(async move {
            let mut rate = Rate::new();
            let mut ticks = tokio::time::interval(EVERY);
            loop {
                ticks.tick().await;
                let Some(status) = shown.upgrade() else {
                    return;
                };
                status.show(line(&mut rate));
            }
        });
        Live {
            _task: AbortOnDrop(task.abort_handle()),
            _line: status,
        }
    }
}

#[derive(Debug)]
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
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

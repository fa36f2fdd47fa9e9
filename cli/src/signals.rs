//! Signals: the first one ends every input as its own end would, the second one ends the process.
//!
//! They are handled in a thread of their own, so that a second one ends the process whatever the
//! runtime is busy with.

use std::io;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::{log, status};

/// Time limit of the last message before the process ends.
const LAST_WORD: Duration = Duration::from_millis(500);

/// A signal that follows the first one so soon is the same request: `timeout N dumpstream …`
/// signals its child and then its process group, within a millisecond.
const SAME: Duration = Duration::from_millis(500);

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// Stop; the token is cancelled.
    Stop,
    /// Print the figures.
    Tell,
    /// Reopen files.
    Reopen,
    /// Exit immediately, after a second signal. This is the last chance to report what is lost.
    Now,
}

/// When SIGHUP is handled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Hangup {
    /// Unless it was ignored when the program started, as `nohup` makes it. If the terminal is
    /// gone, it acts as SIGTERM.
    #[default]
    Inherited,
    /// Always, and only to reopen files.
    Reopens,
}

/// The requests to end so far.
#[derive(Debug, Default)]
struct Requests(Option<Instant>);

impl Requests {
    /// Whether a request that comes now is the first one, or the one that ends the process; `None`:
    /// it is the first one again.
    fn next(&mut self, now: Instant) -> Option<Signal> {
        match self.0 {
            None => {
                self.0 = Some(now);
                Some(Signal::Stop)
            }
            Some(first) if now.duration_since(first) < SAME => None,
            Some(_) => Some(Signal::Now),
        }
    }

    fn handle(&mut self, code: i32, stop: &CancellationToken, told: &impl Fn(Signal)) {
        match self.next(Instant::now()) {
            Some(Signal::Now) => leave(code, told),
            Some(first) => {
                stop.cancel();
                told(first);
            }
            None => {}
        }
    }
}

/// Handles signals until the process ends. SIGINT and SIGTERM cancel the token; a second one exits
/// with 130 or 143 after a last message. SIGUSR1 asks for the figures. SIGHUP asks to reopen files,
/// as `hangup` says.
///
/// # Errors
/// A signal that cannot be caught.
#[cfg(unix)]
pub(super) fn watch(
    stop: CancellationToken,
    hangup: Hangup,
    told: impl Fn(Signal) + Send + 'static,
) -> io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};

    status::queue();
    let mut handled = vec![SIGINT, SIGTERM, SIGUSR1];
    if hangup == Hangup::Reopens || !is_ignored(SIGHUP) {
        handled.push(SIGHUP);
    }
    let mut signals = signal_hook::iterator::Signals::new(handled)?;
    let terminal = hangup == Hangup::Inherited && has_terminal();
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            let mut requests = Requests::default();
            for signal in signals.forever() {
                match signal {
                    SIGUSR1 => told(Signal::Tell),
                    SIGHUP if !terminal || has_terminal() => told(Signal::Reopen),
                    // The exit code that a shell shows for a process that the signal has ended.
                    signal => requests.handle(128 + signal, &stop, &told),
                }
            }
        })?;
    Ok(())
}

/// Ends the process after a last message, whose reader may have stopped reading.
fn leave(code: i32, told: &impl Fn(Signal)) -> ! {
    std::thread::spawn(move || {
        std::thread::sleep(LAST_WORD);
        end(code);
    });
    told(Signal::Now);
    log::flush(LAST_WORD);
    end(code)
}

/// Ends the process. Nothing is flushed, because that could wait for a reader.
#[cfg(unix)]
fn end(code: i32) -> ! {
    signal_hook::low_level::exit(code)
}

#[cfg(not(unix))]
fn end(code: i32) -> ! {
    std::process::exit(code)
}

/// Whether there is a controlling terminal.
#[cfg(unix)]
fn has_terminal() -> bool {
    std::fs::File::open("/dev/tty").is_ok()
}

/// Whether the process was started with the signal ignored. Only Linux tells without unsafe code;
/// elsewhere, no signal counts as ignored.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// Handles Ctrl-C until the process ends: the first one cancels the token, the second one exits.
#[cfg(not(unix))]
pub(super) fn watch(
    stop: CancellationToken,
    _: Hangup,
    told: impl Fn(Signal) + Send + 'static,
) -> io::Result<()> {
    status::queue();
    tokio::spawn(async move {
        let mut requests = Requests::default();
        while tokio::signal::ctrl_c().await.is_ok() {
            requests.handle(130, &stop, &told);
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_request_ends_unless_it_is_the_first_one_again() {
        let start = Instant::now();
        let mut requests = Requests::default();
        let mut after = |ms| requests.next(start + Duration::from_millis(ms));
        assert_eq!(after(0), Some(Signal::Stop));
        assert_eq!((after(1), after(499)), (None, None));
        assert_eq!(after(500), Some(Signal::Now));
    }
}

//! Signals: the first one ends every input as its own end would, the second one ends the process.

use std::io;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Time limit of the last message before the process ends.
const LAST_WORD: Duration = Duration::from_millis(500);

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

/// Handles signals until the process ends. SIGINT and SIGTERM cancel the token; a second one exits
/// with 130 or 143 after a last message. SIGUSR1 asks for the figures. SIGHUP asks to reopen files,
/// unless the terminal is gone: then it acts as SIGTERM.
///
/// # Errors
/// A signal that cannot be caught.
#[cfg(unix)]
pub(super) fn watch(
    stop: CancellationToken,
    told: impl Fn(Signal) + Send + 'static,
) -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut user = signal(SignalKind::user_defined1())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let terminal = has_terminal();
    tokio::spawn(async move {
        let mut before = false;
        loop {
            let code = tokio::select! {
                _ = interrupt.recv() => 130,
                _ = terminate.recv() => 143,
                _ = user.recv() => {
                    told(Signal::Tell);
                    continue;
                }
                _ = hangup.recv() => {
                    if !terminal || has_terminal() {
                        told(Signal::Reopen);
                        continue;
                    }
                    129
                }
            };
            if std::mem::replace(&mut before, true) {
                leave(code, &told);
            }
            stop.cancel();
            told(Signal::Stop);
        }
    });
    Ok(())
}

/// Ends the process after a last message, whose reader may have stopped reading.
fn leave(code: i32, told: &impl Fn(Signal)) -> ! {
    std::thread::spawn(move || {
        std::thread::sleep(LAST_WORD);
        std::process::exit(code);
    });
    told(Signal::Now);
    std::process::exit(code);
}

/// Whether there is a controlling terminal.
#[cfg(unix)]
fn has_terminal() -> bool {
    std::fs::File::open("/dev/tty").is_ok()
}

/// Handles Ctrl-C until the process ends: the first one cancels the token, the second one exits.
#[cfg(not(unix))]
pub(super) fn watch(
    stop: CancellationToken,
    told: impl Fn(Signal) + Send + 'static,
) -> io::Result<()> {
    tokio::spawn(async move {
        let mut before = false;
        while tokio::signal::ctrl_c().await.is_ok() {
            if std::mem::replace(&mut before, true) {
                leave(130, &told);
            }
            stop.cancel();
            told(Signal::Stop);
        }
    });
    Ok(())
}

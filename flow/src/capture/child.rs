//! A program that runs beside us: its messages, its signals, how it ended.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};

use dumpstream::spell::visible;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

/// Bytes of a message that are passed on.
const MESSAGE: u64 = 1 << 10;

/// Messages of one run that are passed on.
const MESSAGES: usize = 100;

/// The process to signal, while there is one: its number is not used after its end was waited for.
#[derive(Debug, Default)]
pub(super) struct Target(Mutex<Option<Pid>>);

impl Target {
    /// Starts a program, which is killed if the result is dropped before its end.
    pub(super) fn start(&self, mut command: Command) -> io::Result<Child> {
        let child = command
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let id = child.id().and_then(|id| Pid::from_raw(id as i32));
        *self.lock() = id;
        Ok(child)
    }

    /// Signals the process; without one it does nothing.
    pub(super) fn signal(&self, signal: Signal) {
        if let Some(pid) = *self.lock() {
            // It may have ended by itself.
            kill_process(pid, signal).ok();
        }
    }

    /// Waits for the end of a process whose output has ended.
    pub(super) async fn end(&self, child: &mut Child) -> io::Result<ExitStatus> {
        let status = child.wait().await;
        *self.lock() = None;
        status
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Pid>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands each line of a program to `line`, without its end and cut at [`MESSAGE`] bytes.
pub(super) async fn lines(output: impl AsyncRead + Unpin, mut line: impl FnMut(String)) {
    let mut output = BufReader::new(output);
    loop {
        let mut bytes = Vec::new();
        let read = (&mut output)
            .take(MESSAGE)
            .read_until(b'\n', &mut bytes)
            .await;
        match read {
            Ok(1..) => line(String::from_utf8_lossy(bytes.trim_ascii()).into_owned()),
            _ => return,
        }
    }
}

/// Messages of a program: all are logged but the last one, which may say why it ended.
#[derive(Debug, Default)]
pub(super) struct Messages {
    last: Option<String>,
    logged: usize,
}

impl Messages {
    pub(super) fn add(&mut self, message: String) {
        if let (Some(last), true) = (&mut self.last, message.starts_with('(')) {
            // The system's words for it, in a line of their own.
            last.push(' ');
            last.push_str(&message);
        } else if !message.is_empty() {
            let before = self.last.replace(message);
            self.log(before);
        }
    }

    fn log(&mut self, message: Option<String>) {
        if let Some(message) = message {
            self.logged += 1;
            match self.logged {
                ..MESSAGES => tracing::warn!("{}", visible(&message)),
                MESSAGES => tracing::warn!("Further messages of it are not shown."),
                _ => {}
            }
        }
    }

    /// How it ended, with its last message: `ended with exit status: 1: eth0: No such device`. After
    /// success that message says nothing of the end, and is logged, too.
    pub(super) fn ended(mut self, program: &str, status: ExitStatus) -> String {
        if status.success() {
            let last = self.last.take();
            self.log(last);
        }
        let last = self.last.unwrap_or_default();
        let last = last.strip_prefix(program).unwrap_or(&last);
        let last = last.strip_prefix(": ").unwrap_or(last);
        match last {
            "" => format!("ended with {status}"),
            last => format!("ended with {status}: {last}"),
        }
    }
}

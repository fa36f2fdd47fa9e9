//! Runs tcpdump to print a capture. Its standard error is never mixed into the text.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use dumpstream::spell::visible;

use crate::tcpdump;

/// Messages that are passed on: a capture can have as many faults as packets.
const MESSAGES: usize = 100;

/// Bytes of a message that are passed on.
const MESSAGE: u64 = 1 << 10;

/// Messages that tcpdump prints for every file.
const USUAL: [&str; 3] = [
    "reading from file ",
    "dropped privs to ",
    "Warning: interface names might be incorrect",
];

/// A running tcpdump: its text, then how it ended.
#[derive(Debug)]
pub(super) struct Tcpdump {
    child: Child,
    text: ChildStdout,
    messages: Option<JoinHandle<Option<String>>>,
    /// The error of feeding it.
    fed: Arc<Mutex<Option<io::Error>>>,
    ended: bool,
}

impl Tcpdump {
    /// Prints a file, which tcpdump opens by itself.
    pub(super) fn of_file(path: &Path, nano: bool) -> io::Result<Tcpdump> {
        let mut command = command(nano)?;
        command.arg("-r").arg(path).stdin(Stdio::null());
        Tcpdump::start(command)
    }

    /// Prints bytes that are fed to it; if they are `live`, every line comes as soon as it is
    /// printed.
    pub(super) fn of_bytes(
        bytes: Box<dyn Read + Send>,
        nano: bool,
        live: bool,
    ) -> io::Result<Tcpdump> {
        let mut command = command(nano)?;
        if live {
            command.arg("-l");
        }
        command.args(["-r", "-"]).stdin(Stdio::piped());
        let mut tcpdump = Tcpdump::start(command)?;
        let stdin = tcpdump.child.stdin.take().expect("it was piped");
        let fed = tcpdump.fed.clone();
        thread::Builder::new()
            .name("capture".to_owned())
            .spawn(move || feed(bytes, stdin, &fed))?;
        Ok(tcpdump)
    }

    fn start(mut command: Command) -> io::Result<Tcpdump> {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let text = child.stdout.take().expect("it was piped");
        let stderr = child.stderr.take().expect("it was piped");
        let mut tcpdump = Tcpdump {
            child,
            text,
            messages: None,
            fed: Arc::default(),
            ended: false,
        };
        let listener = thread::Builder::new().name("messages".to_owned());
        tcpdump.messages = Some(listener.spawn(move || listen(stderr))?);
        Ok(tcpdump)
    }

    /// Waits for its end. Returns an error unless the whole capture was printed.
    fn end(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.ended, true) {
            return Ok(());
        }
        let status = self.child.wait()?;
        let messages = self.messages.take().map(JoinHandle::join);
        let last = messages.and_then(Result::ok).flatten();
        let mut fed = self.fed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = fed.take() {
            return Err(error);
        }
        if status.success() {
            last.iter().for_each(|message| pass_on(message));
            return Ok(());
        }
        let why = last.unwrap_or_default();
        let why = why.strip_prefix("tcpdump: ").unwrap_or(&why);
        Err(io::Error::other(format!(
            "tcpdump ended with {status}: {why}"
        )))
    }
}

impl Read for Tcpdump {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.text.read(buf)? {
            0 if !buf.is_empty() => self.end().map(|()| 0),
            n => Ok(n),
        }
    }
}

impl Drop for Tcpdump {
    fn drop(&mut self) {
        if !self.ended {
            // It may have ended by itself; either way nothing of it remains.
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }
}

/// tcpdump with its options.
fn command(nano: bool) -> io::Result<Command> {
    let program = tcpdump::program().ok_or_else(|| {
        io::Error::new(
            ErrorKind::NotFound,
            "this is a capture, and tcpdump, which prints captures, is not installed: install \
             tcpdump, or parse the output of `tcpdump -nn -v -tt -r FILE` from another machine",
        )
    })?;
    Ok(tcpdump::command(&program, nano))
}

/// Feeds all bytes to tcpdump, which may close its end before.
fn feed(mut bytes: Box<dyn Read + Send>, mut stdin: ChildStdin, fed: &Mutex<Option<io::Error>>) {
    let mut buf = vec![0; 64 << 10];
    loop {
        match bytes.read(&mut buf) {
            Ok(0) => return,
            Ok(n) => {
                if stdin.write_all(&buf[..n]).is_err() {
                    return;
                }
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => {
                // Before tcpdump sees the end of its input: whoever waits for tcpdump finds the
                // error here.
                *fed.lock().unwrap_or_else(PoisonError::into_inner) = Some(e);
                return;
            }
        }
    }
}

/// Logs its messages except the last one, which is returned.
fn listen(stderr: ChildStderr) -> Option<String> {
    let mut stderr = BufReader::new(stderr);
    let (mut last, mut passed) = (None, 0);
    loop {
        let mut line = Vec::new();
        let read = (&mut stderr).take(MESSAGE).read_until(b'\n', &mut line);
        if !matches!(read, Ok(1..)) {
            return last;
        }
        let line = String::from_utf8_lossy(line.trim_ascii_end()).into_owned();
        if line.is_empty() || USUAL.iter().any(|usual| line.starts_with(usual)) {
            tracing::debug!("{}", visible(&line));
            continue;
        }
        if let Some(message) = last.replace(line) {
            passed += 1;
            match passed {
                ..MESSAGES => pass_on(&message),
                MESSAGES => tracing::warn!("Further messages of tcpdump are not shown."),
                _ => {}
            }
        }
    }
}

fn pass_on(message: &str) {
    tracing::warn!("{}", visible(message));
}

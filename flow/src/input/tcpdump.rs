//! Runs tcpdump to print a capture.
//!
//! tcpdump runs without a shell, and only what is set here shapes its text. Its standard error is
//! never mixed into the text.

use std::env;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::thread::{self, JoinHandle};

use dumpstream::spell::visible;

/// Options of tcpdump: numeric addresses, full headers, absolute sequence numbers, stamps that do
/// not depend on a time zone.
const OPTIONS: [&str; 4] = ["-nn", "-v", "-S", "-tt"];

/// Packet numbers, since 4.6.
const NUMBER: &str = "-#";

/// Where Debian and others install tcpdump when the path of ordinary users does not have it.
const PLACES: [&str; 3] = ["/usr/sbin", "/usr/local/sbin", "/sbin"];

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
        command
            .env("TZ", "UTC")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // A signal of the terminal is ours to act on: everything printed before it is still read.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
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

fn command(nano: bool) -> io::Result<Command> {
    let program = program()?;
    let mut command = Command::new(&program);
    command.args(OPTIONS);
    if !numbers(&program) {
        static TOLD: Once = Once::new();
        TOLD.call_once(|| {
            tracing::warn!(
                program = %program.display(),
                "The installed tcpdump is older than 4.6: it has no packet numbers (-#), by which \
                 forged records are detected, and no nanoseconds."
            );
        });
        return Ok(command);
    }
    command.arg(NUMBER);
    if nano {
        command.arg("--time-stamp-precision=nano");
    }
    Ok(command)
}

/// Whether it has `-#`, by its usage; `--time-stamp-precision` came with it. One that does not
/// print its usage is taken for a newer one.
fn numbers(program: &Path) -> bool {
    // Up to 4.8 it is an unknown option, or prints to standard error: the usage all the same.
    let mut command = Command::new(program);
    let usage = command.arg("-h").stdin(Stdio::null()).output();
    usage.map_or(true, |output| {
        [output.stdout, output.stderr]
            .iter()
            .find_map(|text| flags(text))
            .is_none_or(|flags| flags.contains(&b'#'))
    })
}

/// The flags without a value of a usage: `tcpdump [-aAbdDefhHIJKlLnNOpqStuUvxX#] [ -B size ]`.
fn flags(text: &[u8]) -> Option<&[u8]> {
    let usage = text
        .windows(6)
        .position(|w| w.eq_ignore_ascii_case(b"usage:"))?;
    let text = &text[usage..];
    let from = text.windows(2).position(|w| w == b"[-")? + 2;
    let end = text[from..].iter().position(|b| *b == b']')?;
    Some(&text[from..from + end])
}

/// Finds the tcpdump program.
fn program() -> io::Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).filter(|folder| folder.is_absolute());
    folders
        .chain(PLACES.iter().map(PathBuf::from))
        .map(|folder| folder.join("tcpdump"))
        .find(|program| program.is_file())
        .ok_or_else(|| {
            io::Error::new(
                ErrorKind::NotFound,
                "this is a capture, and tcpdump, which prints captures, is not installed: install \
                 tcpdump, or parse the output of `tcpdump -nn -v -tt -r FILE` from another machine",
            )
        })
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

#[cfg(test)]
mod tests {
    use super::flags;

    #[test]
    fn the_flags_of_a_usage() {
        for (text, wanted) in [
            (
                "tcpdump version 4.99.3\nUsage: tcpdump [-AbdX#] [ -B size ]\n",
                Some("AbdX#"),
            ),
            (
                "tcpdump version 4.5.1\nUsage: tcpdump [-aAbdDX]\n\t\t[ -B size ]\n",
                Some("aAbdDX"),
            ),
            ("usage: tcpdump [-AadX] [-B fildrop]\n", Some("AadX")),
            ("[-#]", None),
            ("Usage: tcpdump [-", None),
            ("", None),
        ] {
            assert_eq!(flags(text.as_bytes()), wanted.map(str::as_bytes), "{text}");
        }
    }
}

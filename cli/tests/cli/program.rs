//! Running the binary.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long anything is waited for before the test fails; never how long something may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// The binary in a folder, with an environment that does not depend on who runs the tests.
pub(crate) fn dumpstream(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dumpstream"));
    command
        .args(arguments)
        .current_dir(folder)
        .env("TZ", "UTC")
        .env("TMPDIR", folder)
        .env_remove("NO_COLOR")
        .env_remove("COLUMNS")
        .stdin(Stdio::null());
    command
}

/// Runs it to its end; its output is read, its input is `text`.
pub(crate) fn fed(folder: &Path, arguments: &[&str], text: &[u8]) -> Ran {
    let mut child = dumpstream(folder, arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let text = text.to_vec();
    // A program that does not read its input closes it: no failure of the test.
    let feeder = thread::spawn(move || stdin.write_all(&text).ok());
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    Ran::from(output)
}

/// Runs it to its end, without input.
pub(crate) fn ran(folder: &Path, arguments: &[&str]) -> Ran {
    Ran::from(dumpstream(folder, arguments).output().unwrap())
}

/// What a run left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        Ran {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).expect("only UTF-8 is printed"),
            err: String::from_utf8(output.stderr).expect("only UTF-8 is printed"),
        }
    }
}

impl Ran {
    /// Exit 0, and nothing said.
    #[track_caller]
    pub(crate) fn quiet(self) -> Ran {
        assert_eq!((self.code, self.err.as_str()), (Some(0), ""), "{self:?}");
        self
    }

    /// Exit with a code, and each of `words` on standard error.
    #[track_caller]
    pub(crate) fn failed(self, code: i32, words: &[&str]) -> Ran {
        assert_eq!(self.code, Some(code), "{self:?}");
        for word in words {
            assert!(self.err.contains(word), "{word:?} is not in {self:?}");
        }
        self
    }

    /// The lines of JSON on standard output.
    #[track_caller]
    pub(crate) fn json(&self) -> Vec<serde_json::Value> {
        self.out
            .lines()
            .map(|line| serde_json::from_str(line).expect(line))
            .collect()
    }
}

/// A run in the background; killed when the test ends before it.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    said: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Running {
    pub(crate) fn new(mut command: Command) -> Running {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let said = Arc::new(Mutex::new(String::new()));
        let sayings = Arc::clone(&said);
        let reader = thread::spawn(move || {
            for line in stderr.lines() {
                let mut said = sayings.lock().unwrap();
                said.push_str(&line.unwrap());
                said.push('\n');
            }
        });
        Running {
            child,
            said,
            reader: Some(reader),
        }
    }

    /// Where standard error goes elsewhere.
    pub(crate) fn mute(command: &mut Command) -> Running {
        Running {
            child: command.spawn().unwrap(),
            said: Arc::default(),
            reader: None,
        }
    }

    /// What standard error has so far.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Waits for words on standard error.
    #[track_caller]
    pub(crate) fn says(&self, words: &str) -> String {
        until(&format!("{words:?} is said"), || {
            let said = self.said();
            said.contains(words).then_some(said)
        })
    }

    /// Where a listener listens.
    #[track_caller]
    pub(crate) fn address(&self) -> SocketAddr {
        let said = self.says(", writing to ");
        let after = said.split("listening on ").nth(1).unwrap();
        after.split(',').next().unwrap().parse().unwrap()
    }

    /// Its standard input, where that is a pipe.
    pub(crate) fn stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().expect("a pipe that was not taken")
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has not ended.
    pub(crate) fn is_running(&self) -> bool {
        Path::new(&format!("/proc/{}/exe", self.child.id())).exists()
    }

    /// Sends it a signal, by its id and to it alone.
    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(
            Command::new("sh")
                .args(["-c", &kill])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        let status = until("it has ended", || self.child.try_wait().unwrap());
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        (status, self.said())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended long ago.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Waits until something is there.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited too long until {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A record of two lines, as `tcpdump -nn -v` prints it; `n` makes it different from any other.
pub(crate) fn record(n: usize) -> String {
    let stamp = format!("10:00:{:02}.{:06}", n % 60, n % 1_000_000);
    let source = format!("192.0.2.1.{}", 1024 + n % 60_000);
    given::udp(stamp, n, source, "192.0.2.2.9999", 2)
}

/// So many of them.
pub(crate) fn records(n: usize) -> String {
    (0..n).map(record).collect()
}

/// Packed by gzip.
pub(crate) fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gz.write_all(bytes).unwrap();
    gz.finish().unwrap()
}

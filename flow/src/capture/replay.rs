//! tcpreplay, which sends the packets of a file while they are captured.

use std::cell::Cell;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::process::Signal;
use tokio::process::Command;

use super::Error;
use super::child::{Messages, Target, lines};
use crate::program;

/// How long an interrupted tcpreplay may take to print its figures.
const GRACE: Duration = Duration::from_secs(2);

/// What tcpreplay sends, and how fast.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Replay {
    /// The capture file.
    pub file: PathBuf,
    /// The interface to send on.
    pub interface: String,
    /// Packets per second, as tcpreplay takes it; `None`: as `multiplier` says.
    pub pps: Option<f64>,
    /// Speed as a multiple of the original.
    pub multiplier: f64,
}

/// What tcpreplay has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sent {
    /// Packets that the interface took.
    pub packets: u64,
    /// Packets that the interface refused.
    pub failed: u64,
}

impl Sent {
    fn read(&mut self, line: &str) {
        let figure = |name| line.strip_prefix(name).and_then(|n| n.trim().parse().ok());
        if let Some(packets) = figure("Successful packets:") {
            self.packets = packets;
        }
        if let Some(failed) = figure("Failed packets:") {
            self.failed = failed;
        }
    }
}

impl Replay {
    /// A file at its original pace.
    pub fn new(file: impl Into<PathBuf>, interface: impl Into<String>) -> Replay {
        Replay {
            file: file.into(),
            interface: interface.into(),
            pps: None,
            multiplier: 1.0,
        }
    }

    /// Sends the file, or what is sent before `stop`.
    ///
    /// # Errors
    /// tcpreplay is not installed, or fails.
    pub async fn run(&self, stop: impl Future<Output = ()>) -> Result<Sent, Error> {
        let program = program::find("tcpreplay").ok_or(Error::Missing {
            program: "tcpreplay",
            package: "tcpreplay",
        })?;
        let wrap = |source| Error::Program {
            program: "tcpreplay",
            source,
        };
        let mut command = Command::new(program);
        command.process_group(0).arg("-i").arg(&self.interface);
        match self.pps {
            Some(pps) => command.arg(format!("--pps={pps}")),
            None => command.arg(format!("--multiplier={}", self.multiplier)),
        };
        command.arg("--").arg(&self.file);
        let target = Target::default();
        let mut child = target.start(command).map_err(wrap)?;
        let sent = Mutex::new(Sent::default());
        let figures = |line: &str| {
            let mut sent = sent.lock().unwrap_or_else(PoisonError::into_inner);
            sent.read(line);
        };
        let mut messages = Messages::default();
        let mut refused = false;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let read = async {
            let out = lines(stdout.expect("it is piped"), |line| figures(&line));
            let err = lines(stderr.expect("it is piped"), |line| {
                figures(&line);
                // It says so of each packet; they are counted.
                let again = line.starts_with("Unable to send packet: ")
                    && std::mem::replace(&mut refused, true);
                if !is_usual(&line) && !again {
                    messages.add(line);
                }
            });
            tokio::join!(out, err);
        };
        let stopped = Cell::new(false);
        let interrupt = async {
            stop.await;
            stopped.set(true);
            target.signal(Signal::INT);
            tokio::time::sleep(GRACE).await;
            target.signal(Signal::KILL);
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = read => {}
            () = interrupt => {}
        }
        let status = target.end(&mut child).await.map_err(wrap)?;
        let ended = messages.ended("tcpreplay", status);
        match status.success() || stopped.get() {
            true => Ok(sent.into_inner().unwrap_or_else(PoisonError::into_inner)),
            false => Err(Error::Replay { ended }),
        }
    }
}

/// What tcpreplay prints whatever happens, the places of its source that its messages come from, and
/// a warning that concerns its own statistics of flows.
fn is_usual(line: &str) -> bool {
    [
        "Warning in ",
        "Fatal Error in ",
        "Unable to parse args: ",
        "Unable to process unsupported DLT type",
        "sendpacket_abort",
        "User interrupt",
    ]
    .iter()
    .any(|usual| line.starts_with(usual))
}

#[cfg(test)]
mod tests {
    use super::Sent;

    #[test]
    fn the_closing_figures() {
        let mut sent = Sent::default();
        for line in [
            "Actual: 95 packets (48660 bytes) sent in 0.937623 seconds",
            "Statistics for network device: left",
            "Successful packets:        94",
            "Failed packets:            1",
            "Truncated packets:         0",
            "Retried packets (ENOBUFS): 7",
        ] {
            sent.read(line);
        }
        assert_eq!((sent.packets, sent.failed), (94, 1));
    }
}

//! `relay` against real netcats: random bytes both ways, and each side closes its half first.

use std::fs::{self, File};
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use given::{Random, tool, trial};
use libtest_mimic::{Failed, Trial};

use crate::netcat::nc;
use crate::program::{dumpstream, until};

/// Bytes of each way.
const SIZE: usize = 10 << 20;

const CONNECT: [(&str, &[&str]); 4] = [
    ("nc", &["nc", "-N", "HOST", "PORT"]),
    ("ncat", &["ncat", "HOST", "PORT"]),
    ("socat", &["socat", "-t", "60", "-", "TCP:HOST:PORT"]),
    ("relay", &["dumpstream", "relay", "HOST", "PORT"]),
];

const LISTEN: [(&str, &[&str]); 4] = [
    ("nc", &["nc", "-N", "-l", "HOST", "PORT"]),
    ("ncat", &["ncat", "-l", "HOST", "PORT"]),
    (
        "socat",
        &[
            "socat",
            "-t",
            "60",
            "-",
            "TCP-LISTEN:PORT,bind=HOST,reuseaddr",
        ],
    ),
    ("relay", &["dumpstream", "relay", "-l", "HOST", "PORT"]),
];

/// Which side ends its input first; the other one sends everything after that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    Listener,
    Connector,
}

pub(crate) fn trials() -> Vec<Trial> {
    let needs = |words: &[&str]| match words[0] {
        "nc" => nc(),
        "dumpstream" => Ok(()),
        other => tool(other),
    };
    let mut trials = Vec::new();
    for (listener, listen) in LISTEN {
        for (connector, connect) in CONNECT {
            if listener != "relay" && connector != "relay" {
                continue;
            }
            for first in [First::Listener, First::Connector] {
                // `nc -l` and `ncat -l` end with the other half, and send nothing after it.
                if ["nc", "ncat"].contains(&listener) && first == First::Connector {
                    continue;
                }
                let name = format!("relay_{connector}_to_{listener}_{first:?}_first");
                let needs = [needs(listen), needs(connect)];
                trials.push(trial(&name.to_lowercase(), &needs, move || {
                    both_ways(listen, connect, first)
                }));
            }
        }
    }
    trials
}

/// One side: its process, its input and what it writes.
struct Side {
    child: Child,
    stdin: Option<ChildStdin>,
    output: PathBuf,
}

impl Side {
    fn start(folder: &Path, words: &[&str], address: SocketAddr) -> Result<Side, Failed> {
        let (host, port) = (address.ip().to_string(), address.port().to_string());
        let words: Vec<String> = words
            .iter()
            .map(|word| word.replace("HOST", &host).replace("PORT", &port))
            .collect();
        let rest: Vec<&str> = words[1..].iter().map(String::as_str).collect();
        let mut command = match words[0].as_str() {
            "dumpstream" => dumpstream(folder, &rest),
            name => {
                let mut command = Command::new(name);
                command.args(rest);
                command
            }
        };
        let output = folder.join(format!("output{}", fs::read_dir(folder)?.count()));
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(File::create(&output)?)
            .stderr(Stdio::piped())
            .spawn()?;
        let stdin = child.stdin.take();
        Ok(Side {
            child,
            stdin,
            output,
        })
    }

    /// Sends all of it, and ends its input.
    fn send(&mut self, bytes: &[u8]) -> Result<(), Failed> {
        let mut stdin = self.stdin.take().expect("its input is open");
        stdin.write_all(bytes)?;
        Ok(())
    }

    /// Waits until it has written this many bytes.
    fn wrote(&self, bytes: usize) {
        until(&format!("{bytes} bytes are there"), || {
            let found = fs::metadata(&self.output).ok()?.len();
            (found == bytes as u64).then_some(())
        });
    }

    /// Its end by itself, and in order; what it wrote.
    fn end(mut self) -> Result<Vec<u8>, Failed> {
        let status = until("it ends", || self.child.try_wait().ok().flatten());
        match status.success() {
            true => Ok(fs::read(&self.output)?),
            false => Err(format!("{}: {status}", self.output.display()).into()),
        }
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn both_ways(listen: &[&str], connect: &[&str], first: First) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let mut random = Random(0x5eed);
    let mut bytes = |n: usize| -> Vec<u8> {
        let words = std::iter::repeat_with(|| random.next().to_le_bytes());
        words.flatten().take(n).collect()
    };
    let (one, two) = (bytes(SIZE), bytes(SIZE));
    let listener = Side::start(folder.path(), listen, address)?;
    listening(address);
    let connector = Side::start(folder.path(), connect, address)?;
    let (mut early, mut late) = match first {
        First::Listener => (listener, connector),
        First::Connector => (connector, listener),
    };
    early.send(&one)?;
    late.wrote(one.len());
    // The end of the first half has arrived, or is about to.
    std::thread::sleep(Duration::from_millis(50));
    late.send(&two)?;
    let (got_one, got_two) = (late.end()?, early.end()?);
    match got_one == one && got_two == two {
        true => Ok(()),
        false => Err(format!("{} and {} bytes of {SIZE}", got_one.len(), got_two.len()).into()),
    }
}

/// Waits until something listens there, without connecting: it may take only one connection.
fn listening(address: SocketAddr) {
    let port = format!(":{:04X}", address.port());
    until("it listens", || {
        let Ok(table) = fs::read_to_string("/proc/net/tcp") else {
            std::thread::sleep(Duration::from_secs(1));
            return Some(());
        };
        let mut lines = table.lines().map(|line| line.split_whitespace());
        // State 0A is LISTEN.
        let found = lines.any(|mut words| {
            words.nth(1).is_some_and(|local| local.ends_with(&port)) && words.nth(1) == Some("0A")
        });
        found.then_some(())
    });
}

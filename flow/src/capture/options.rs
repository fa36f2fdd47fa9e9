//! What to capture, and whether tcpdump can.

use std::time::Duration;

use tokio::process::Command;

use super::Error;
use crate::net::Retry;
use crate::tcpdump;

/// The default of [`Options::stats`].
pub const DEFAULT_STATS: Duration = Duration::from_secs(10);

/// What to capture. The fields are options of tcpdump unless they say otherwise.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// `-i`: the interface; `None`: tcpdump chooses one.
    pub interface: Option<String>,
    /// `-c`: the number of packets to capture; `None`: no limit.
    pub count: Option<u64>,
    /// `-B`: the size of the kernel's buffer, in KiB; `None`: 2,048 with today's tcpdump.
    pub buffer: Option<u32>,
    /// `-s`: the most bytes of a packet to capture; `None`: all.
    pub snaplen: Option<u32>,
    /// `-p`: do not put the interface into promiscuous mode.
    pub no_promiscuous: bool,
    /// `--immediate-mode`: packets are handed over one by one, not buffered for up to a second.
    pub immediate: bool,
    /// The filter; empty: all packets.
    pub filter: String,
    /// How often to ask tcpdump for its counters.
    pub stats: Duration,
    /// When to start tcpdump again after it has died. With [`Retry::never`] its death is the end.
    pub retry: Retry,
}

impl Default for Options {
    /// All packets of tcpdump's default interface, without end.
    fn default() -> Options {
        Options {
            interface: None,
            count: None,
            buffer: None,
            snaplen: None,
            no_promiscuous: false,
            immediate: false,
            filter: String::new(),
            stats: DEFAULT_STATS,
            retry: Retry::new().spans(Duration::from_millis(200), Duration::from_secs(10)),
        }
    }
}

impl Options {
    /// Checks, with tcpdump, that the interface can be captured and the filter is right; nothing is
    /// captured yet.
    ///
    /// # Errors
    /// What tcpdump says, with the remedy: run it as root, or name one of the interfaces.
    pub async fn check(&self) -> Result<(), Error> {
        if let Some(message) = self.compiled("").await? {
            let remedy = self.remedy(&message).await;
            return Err(Error::Interface { message, remedy });
        }
        match self.compiled(&self.filter).await? {
            Some(message) => Err(Error::Filter {
                filter: self.filter.clone(),
                message,
            }),
            None => Ok(()),
        }
    }

    /// Has tcpdump compile a filter (`-d`). Returns what it says if it cannot.
    async fn compiled(&self, filter: &str) -> Result<Option<String>, Error> {
        let mut command = self.command(None)?;
        let output = command.args(["-d", "--", filter]).output().await;
        let output = output.map_err(not_run)?;
        Ok((!output.status.success()).then(|| message(&output.stderr)))
    }

    /// What to do about an interface that cannot be opened.
    async fn remedy(&self, message: &str) -> String {
        if message.contains("ermission") || message.contains("not permitted") {
            return "; run dumpstream as root, or allow tcpdump to capture: `setcap \
                    cap_net_raw,cap_net_admin=eip` and the path of tcpdump"
                .to_owned();
        }
        let listed = interfaces().await.unwrap_or_default();
        // `1.eth0 [Up, Running]`
        let names = listed.lines().filter_map(|line| {
            let (_, name) = line.split_once('.')?;
            name.split_ascii_whitespace().next()
        });
        let names: Vec<_> = names.collect();
        match &self.interface {
            Some(interface) if !names.is_empty() && !names.contains(&&**interface) => {
                format!("; the interfaces are {}", names.join(", "))
            }
            _ => String::new(),
        }
    }

    /// tcpdump with its options but the filter; `captured` packets of `-c` are there already.
    pub(super) fn command(&self, captured: Option<u64>) -> Result<Command, Error> {
        let program = tcpdump::program().ok_or(MISSING)?;
        let mut command = tcpdump::command(&program, false);
        command.arg("-l");
        if let Some(interface) = &self.interface {
            command.arg("-i").arg(interface);
        }
        if let (Some(count), Some(captured)) = (self.count, captured) {
            command
                .arg("-c")
                .arg(count.saturating_sub(captured).to_string());
        }
        let numbers = [("-B", self.buffer), ("-s", self.snaplen)];
        for (option, number) in numbers {
            if let Some(number) = number {
                command.arg(option).arg(number.to_string());
            }
        }
        if self.no_promiscuous {
            command.arg("-p");
        }
        if self.immediate {
            command.arg("--immediate-mode");
        }
        Ok(command.into())
    }
}

/// Lists the interfaces that can be captured, as `tcpdump -D` prints them.
///
/// # Errors
/// tcpdump is not installed, or fails.
pub async fn interfaces() -> Result<String, Error> {
    let program = tcpdump::program().ok_or(MISSING)?;
    let output = Command::new(program).arg("-D").output().await;
    let output = output.map_err(not_run)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Error::Interface {
        message: message(&output.stderr),
        remedy: String::new(),
    })
}

pub(super) const MISSING: Error = Error::Missing {
    program: "tcpdump",
    package: "tcpdump",
};

pub(super) fn not_run(source: std::io::Error) -> Error {
    Error::Program {
        program: "tcpdump",
        source,
    }
}

/// tcpdump's messages in one line.
fn message(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let text = text.trim().trim_start_matches("tcpdump: ");
    text.lines().collect::<Vec<_>>().join(" ")
}

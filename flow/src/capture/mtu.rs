//! The maximum packet size (MTU) of an interface, raised for a while.

use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use super::Error;
use crate::program;

/// Interfaces whose MTU was raised, until [`Mtu::restore`].
#[derive(Debug, Default)]
pub struct Mtu(Mutex<Vec<Raised>>);

/// An interface, and its MTU before.
#[derive(Debug)]
struct Raised {
    interface: String,
    before: String,
}

impl Mtu {
    /// Nothing is raised yet.
    pub fn new() -> Mtu {
        Mtu::default()
    }

    /// Raises the MTU of an interface to `bytes`; one that is as large already stays as it is.
    ///
    /// # Errors
    /// [`Error::Mtu`]: there is no such interface, it cannot be that large, or this user may not
    /// set it. [`Error::Missing`]: the program `ip`.
    pub fn raise(&self, interface: &str, bytes: u32) -> Result<(), Error> {
        let shown = ip(interface, &["-o", "link", "show", "dev", interface])?;
        let mut words = shown.split_ascii_whitespace();
        let before = words.find(|word| *word == "mtu").and_then(|_| words.next());
        let before = before.ok_or_else(|| Error::Mtu {
            interface: interface.to_owned(),
            message: "`ip link` does not show it".to_owned(),
        })?;
        if before.parse::<u32>().is_ok_and(|before| before >= bytes) {
            return Ok(());
        }
        // From here on the lock is held, so that `restore` finds either both changes or none.
        let mut raised = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        set(interface, &bytes.to_string())?;
        raised.push(Raised {
            interface: interface.to_owned(),
            before: before.to_owned(),
        });
        Ok(())
    }

    /// Puts every interface back. Returns those for which that failed, with the reason.
    pub fn restore(&self) -> Vec<Error> {
        let mut raised = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all = raised.drain(..).rev();
        all.filter_map(|raised| set(&raised.interface, &raised.before).err())
            .collect()
    }
}

fn set(interface: &str, bytes: &str) -> Result<String, Error> {
    ip(interface, &["link", "set", "dev", interface, "mtu", bytes])
}

/// Runs `ip`, and returns what it prints.
fn ip(interface: &str, arguments: &[&str]) -> Result<String, Error> {
    let program = program::find("ip").ok_or(Error::Missing {
        program: "ip",
        package: "iproute2",
    })?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    // A signal of the terminal is ours to act on.
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let output = command.output().map_err(|source| Error::Program {
        program: "ip",
        source,
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let message = String::from_utf8_lossy(&output.stderr);
    Err(Error::Mtu {
        interface: interface.to_owned(),
        message: message.trim().to_owned(),
    })
}

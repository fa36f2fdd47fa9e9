//! The machine, and the SSH session that this process was started in.

use std::env;

/// What sshd tells the programs of a session: the addresses and ports of its two ends.
const VARIABLE: &str = "SSH_CONNECTION";

/// Processes between this one and the session's shell that are looked at.
const ANCESTORS: usize = 32;

/// The name of this machine.
pub fn hostname() -> String {
    let system = rustix::system::uname();
    system.nodename().to_string_lossy().into_owned()
}

/// The value of `SSH_CONNECTION`: of this process, or else of the nearest ancestor that has it and
/// may be read, because sudo removes it.
pub(super) fn connection() -> Option<String> {
    if let Ok(own) = env::var(VARIABLE) {
        return Some(own);
    }
    let mut id = std::process::id();
    for _ in 0..ANCESTORS {
        id = parent(id)?;
        if let Some(value) = variable(id) {
            return Some(value);
        }
    }
    None
}

/// The parent of a process, as Linux tells it.
fn parent(id: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    parent.trim().parse().ok().filter(|parent| *parent > 0)
}

fn variable(id: u32) -> Option<String> {
    let all = std::fs::read(format!("/proc/{id}/environ")).ok()?;
    let mut all = all.split(|byte| *byte == 0);
    let value = all.find_map(|one| {
        let value = one.strip_prefix(VARIABLE.as_bytes())?;
        value.strip_prefix(b"=")
    })?;
    String::from_utf8(value.to_vec()).ok()
}

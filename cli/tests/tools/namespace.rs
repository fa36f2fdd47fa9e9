//! A network of the tests' own: a namespace with two ends of a cable.

use std::process::{Command, Output};

use given::tool;

pub(crate) fn root() -> Result<(), String> {
    let id = Command::new("id")
        .arg("-u")
        .output()
        .map_err(|error| format!("id: {error}"))?;
    if id.stdout.trim_ascii() == b"0" {
        Ok(())
    } else {
        Err("no root".to_owned())
    }
}

pub(crate) fn namespaces() -> Result<(), String> {
    root()?;
    tool("ip")?;
    Namespace::new("probe")
        .map(drop)
        .map_err(|error| format!("no network namespaces: {error}"))
}

pub(crate) fn checked(command: &mut Command) -> Result<Output, String> {
    let output = command
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(format!("{command:?}: {}: {said}", output.status))
}

/// A network namespace with two ends of one cable, in which nothing speaks by itself.
pub(crate) struct Namespace(String);

impl Namespace {
    pub(crate) fn new(what: &str) -> Result<Namespace, String> {
        let namespace = Namespace(format!("dumpstream-{what}-{}", std::process::id()));
        checked(Command::new("ip").args(["netns", "add", &namespace.0]))?;
        let quiet = "net.ipv6.conf.all.disable_ipv6=1";
        // Where there is no IPv6 there is nothing to silence.
        namespace
            .command("sysctl")
            .args(["-qw", quiet])
            .output()
            .ok();
        for words in [
            "link add left mtu 65535 type veth peer name right mtu 65535",
            "link set left arp off up",
            "link set right arp off up",
        ] {
            checked(namespace.command("ip").args(words.split(' ')))?;
        }
        Ok(namespace)
    }

    /// A command within; its process is the command's own.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0, program]);
        command
    }
}

impl Namespace {
    /// The same command, within.
    pub(crate) fn within(&self, command: &Command) -> Command {
        let mut within = self.command(command.get_program().to_str().unwrap());
        within.args(command.get_args());
        if let Some(folder) = command.get_current_dir() {
            within.current_dir(folder);
        }
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => within.env(name, value),
                None => within.env_remove(name),
            };
        }
        within
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        checked(Command::new("ip").args(["netns", "del", &self.0])).ok();
    }
}

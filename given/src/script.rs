//! Real servers on this machine, which a script of the tests starts and stops.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// A script that starts and stops servers, which it numbers from 1 to 3.
#[derive(Clone, Debug)]
pub struct Script {
    /// The script.
    pub file: PathBuf,
    /// The variable that tells it where data belong, and where that is.
    pub data: (&'static str, PathBuf),
}

impl Script {
    /// The script with these arguments.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let (variable, folder) = &self.data;
        let mut command = Command::new(&self.file);
        command
            .args(arguments)
            .env(variable, folder)
            .stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        let output = self.command(arguments).output();
        output.unwrap_or_else(|e| panic!("{} {arguments:?}: {e}", self.file.display()))
    }

    /// Runs it, and returns what it printed; it must succeed.
    #[track_caller]
    pub fn must(&self, arguments: &[&str]) -> String {
        self.succeeded(arguments, &self.run(arguments))
    }

    /// What a run with these arguments printed; it must have succeeded.
    #[track_caller]
    pub fn succeeded(&self, arguments: &[&str], output: &Output) -> String {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(
            output.status.success(),
            "{} {arguments:?}: {}{}",
            self.file.display(),
            text(&output.stdout),
            text(&output.stderr)
        );
        text(&output.stdout)
    }

    /// Fetches the servers' jars.
    ///
    /// # Errors
    /// Why not: there is no mvn, or no way to Maven Central.
    pub fn install(&self) -> Result<(), String> {
        let installed = self.run(&["install"]);
        if installed.status.success() {
            return Ok(());
        }
        let said = [installed.stdout, installed.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        Err(format!(
            "no jars: {}",
            said.lines().last().unwrap_or_default()
        ))
    }

    /// Ends every server, and removes the data.
    pub fn stop_all(&self) {
        let data = &self.data.1;
        for n in 1..=3 {
            let n = n.to_string();
            if data.join(format!("node{n}/pid")).exists() {
                self.run(&["resume", &n]);
                self.run(&["kill", &n]);
                self.run(&["gone", &n]);
            }
        }
        // There is none where nothing was started.
        fs::remove_dir_all(data).ok();
    }
}

/// The version of the Java that `JAVA` names, else of the one on the path: `17.0.15`.
///
/// # Errors
/// There is none.
pub fn java() -> Result<String, String> {
    let java = std::env::var_os("JAVA").unwrap_or_else(|| "java".into());
    let version = Command::new(java).arg("-version").output();
    let version = version.map_err(|_| "no java")?;
    let version = String::from_utf8_lossy(&version.stderr).into_owned();
    Ok(version.split('"').nth(1).unwrap_or_default().to_owned())
}

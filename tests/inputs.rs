//! Inputs as they come, sinks that rotate, and what was rejected: the built binary and real files.
//!
//! A test that lacks its tool is reported as ignored, with the reason in its name, and fails if it
//! is run all the same; with `CI=true` it is not ignored.

#[path = "inputs/captures.rs"]
mod captures;
#[path = "inputs/csv.rs"]
mod csv;
#[path = "inputs/follow.rs"]
mod follow;
#[path = "inputs/packed.rs"]
mod packed;
#[path = "cli/program.rs"]
mod program;
#[path = "inputs/rejects.rs"]
mod rejects;
#[path = "inputs/rotation.rs"]
mod rotation;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = [
        packed::trials(),
        captures::trials(),
        follow::trials(),
        csv::trials(),
        rotation::trials(),
        rejects::trials(),
    ];
    libtest_mimic::run(&arguments, trials.into_iter().flatten().collect()).exit_code()
}

/// A test; if it fails it panics.
fn trial(name: &str, test: fn()) -> Trial {
    Trial::test(name, move || {
        test();
        Ok(())
    })
}

/// A test that needs tcpdump.
fn with_tcpdump(name: &str, test: fn()) -> Trial {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&path).any(|folder| folder.join("tcpdump").is_file()) {
        return trial(name, test);
    }
    let must = std::env::var("CI").is_ok_and(|ci| ci == "true");
    let named = format!("{name} (ignored: no tcpdump)");
    let name = if must { name } else { &named };
    Trial::test(name, || Err("no tcpdump".into())).with_ignored_flag(!must)
}

//! Inputs as they come, sinks that rotate, and what was rejected: the built binary and real files.
//!
//! A test that lacks its tool is reported as ignored (`given/trial.rs`).

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
#[path = "given/trial.rs"]
mod trial;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

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
    trial::trial(name, &[], ended(test))
}

/// A test that needs tcpdump.
fn with_tcpdump(name: &str, test: fn()) -> Trial {
    trial::trial(name, &[trial::tool("tcpdump")], ended(test))
}

fn ended(test: fn()) -> impl FnOnce() -> Result<(), Failed> {
    move || {
        test();
        Ok(())
    }
}

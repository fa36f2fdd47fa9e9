//! Against the tools of the trade: tcpdump, and netcats of every kind.
//!
//! A test that lacks its tool is reported as ignored (`given/src/trial.rs`).

mod capture;
mod captures;
mod disk;
mod endings;
mod flow;
mod namespace;
mod netcat;
mod outage;
mod pairs;
#[path = "../cli/program.rs"]
#[allow(dead_code, reason = "the tests of the command line use more of it")]
mod program;
#[path = "../../../flow/tests/flow/receiver.rs"]
mod receiver;
mod relay;
mod serve;
mod tls;

use std::process::ExitCode;

use libtest_mimic::Arguments;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = [
        capture::trials(),
        captures::trials(),
        disk::trials(),
        endings::trials(),
        flow::trials(),
        netcat::trials(),
        outage::trials(),
        pairs::trials(),
        relay::trials(),
        serve::trials(),
        tls::trials(),
    ];
    libtest_mimic::run(&arguments, trials.into_iter().flatten().collect()).exit_code()
}

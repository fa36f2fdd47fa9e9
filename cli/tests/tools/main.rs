//! Against the tools of the trade: tcpdump, and netcats of every kind.
//!
//! A test that lacks its tool is reported as ignored (`given/src/trial.rs`).

mod capture;
mod captures;
mod disk;
mod endings;
mod flow;
#[cfg(target_os = "linux")]
mod heartbeat;
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
#[cfg(target_os = "linux")]
#[path = "../cli/stat.rs"]
#[allow(dead_code, reason = "the tests of the command line use more of it")]
mod stat;
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
        #[cfg(target_os = "linux")]
        heartbeat::trials(),
        netcat::trials(),
        outage::trials(),
        pairs::trials(),
        relay::trials(),
        serve::trials(),
        tls::trials(),
    ];
    libtest_mimic::run(&arguments, trials.into_iter().flatten().collect()).exit_code()
}

//! A test that lacks its tool is reported as ignored, with the reason in its name, and fails if it is
//! run all the same; with `CI=true` it is not ignored. Only a harness of our own can decide that when
//! it runs.

use std::str::FromStr;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};

/// A test, and what it needs of this machine.
pub fn trial(
    name: &str,
    needs: &[Result<(), String>],
    test: impl FnOnce() -> Result<(), Failed> + Send + 'static,
) -> Trial {
    let missing: Vec<_> = needs
        .iter()
        .filter_map(|need| need.as_ref().err())
        .cloned()
        .collect();
    if missing.is_empty() {
        return Trial::test(name, test);
    }
    let reason = missing.join(", ");
    let must = set("CI", "true");
    // The reason goes into the name in one line, whatever a tool said.
    let named = format!(
        "{name} (ignored: {})",
        reason.replace(char::is_control, " ")
    );
    let name = if must { name.to_owned() } else { named };
    Trial::test(name, move || Err(reason.into())).with_ignored_flag(!must)
}

/// A program on the path.
pub fn tool(name: &str) -> Result<(), String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    match std::env::split_paths(&path).any(|folder| folder.join(name).is_file()) {
        true => Ok(()),
        false => Err(format!("no {name}")),
    }
}

/// The same, of a test that waits for servers, which may be for ever: after the `longest` time they are
/// stopped by `stop`, and the program ends. It prints how long the test took.
pub fn watched(
    name: &'static str,
    needs: &[Result<(), String>],
    (longest, stop): (Duration, fn()),
    test: fn(),
) -> Trial {
    trial(name, needs, move || {
        let begun = Instant::now();
        let (ended, watch) = mpsc::channel::<()>();
        thread::spawn(move || {
            if watch.recv_timeout(longest) == Err(RecvTimeoutError::Timeout) {
                println!("{name} hangs");
                stop();
                std::process::exit(1);
            }
        });
        test();
        drop(ended);
        println!("{:.1?}", begun.elapsed());
        Ok(())
    })
}

/// Whether tests that take minutes are asked for: by `CI=true`, or by this variable.
pub fn asked(variable: &str) -> bool {
    set("CI", "true") || set(variable, "1")
}

fn set(name: &str, value: &str) -> bool {
    std::env::var(name).is_ok_and(|v| v == value)
}

/// A number of the environment.
pub fn amount<N: FromStr>(name: &str, default: N) -> N {
    let Ok(text) = std::env::var(name) else {
        return default;
    };
    text.parse()
        .unwrap_or_else(|_| panic!("{name}={text} is not a number"))
}

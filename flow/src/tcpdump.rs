//! How tcpdump is run, for a file and for an interface alike: without a shell, and only what is set
//! here shapes its text.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Once;

use crate::program;

/// Options of tcpdump: numeric addresses, the link's header, full headers, absolute sequence
/// numbers, stamps that do not depend on a time zone.
const OPTIONS: [&str; 5] = ["-nn", "-e", "-v", "-S", "-tt"];

/// Packet numbers, since 4.6.
const NUMBER: &str = "-#";

/// Finds the tcpdump program.
pub(crate) fn program() -> Option<PathBuf> {
    program::find("tcpdump")
}

/// tcpdump with the options that shape its text; if `nano`, with nanoseconds.
pub(crate) fn command(program: &Path, nano: bool) -> Command {
    let mut command = Command::new(program);
    command.args(OPTIONS).env("TZ", "UTC");
    // A signal of the terminal is ours to act on: everything printed before it is still read.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    if !numbers(program) {
        static TOLD: Once = Once::new();
        TOLD.call_once(|| {
            tracing::warn!(
                program = %program.display(),
                "The installed tcpdump is older than 4.6: it has no packet numbers (-#), by which \
                 forged records are detected, and no nanoseconds."
            );
        });
        return command;
    }
    command.arg(NUMBER);
    if nano {
        command.arg("--time-stamp-precision=nano");
    }
    command
}

/// Whether it has `-#`, by its usage; `--time-stamp-precision` came with it. One that does not
/// print its usage is taken for a newer one.
fn numbers(program: &Path) -> bool {
    // Up to 4.8 it is an unknown option, or prints to standard error: the usage all the same.
    let mut command = Command::new(program);
    let usage = command.arg("-h").stdin(Stdio::null()).output();
    usage.map_or(true, |output| {
        [output.stdout, output.stderr]
            .iter()
            .find_map(|text| flags(text))
            .is_none_or(|flags| flags.contains(&b'#'))
    })
}

/// The flags without a value of a usage: `tcpdump [-aAbdDefhHIJKlLnNOpqStuUvxX#] [ -B size ]`.
fn flags(text: &[u8]) -> Option<&[u8]> {
    let usage = text
        .windows(6)
        .position(|w| w.eq_ignore_ascii_case(b"usage:"))?;
    let text = &text[usage..];
    let from = text.windows(2).position(|w| w == b"[-")? + 2;
    let end = text[from..].iter().position(|b| *b == b']')?;
    Some(&text[from..from + end])
}

#[cfg(test)]
mod tests {
    use super::flags;

    #[test]
    fn the_flags_of_a_usage() {
        for (text, wanted) in [
            (
                "tcpdump version 4.99.3\nUsage: tcpdump [-AbdX#] [ -B size ]\n",
                Some("AbdX#"),
            ),
            (
                "tcpdump version 4.5.1\nUsage: tcpdump [-aAbdDX]\n\t\t[ -B size ]\n",
                Some("aAbdDX"),
            ),
            ("usage: tcpdump [-AadX] [-B fildrop]\n", Some("AadX")),
            ("[-#]", None),
            ("Usage: tcpdump [-", None),
            ("", None),
        ] {
            assert_eq!(flags(text.as_bytes()), wanted.map(str::as_bytes), "{text}");
        }
    }
}

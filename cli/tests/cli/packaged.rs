//! What a package installs beside the binary: completions and manual pages.

use std::fs;

use crate::program::{dumpstream, ran};

const COMMANDS: [&str; 12] = [
    "parse",
    "listen",
    "connect",
    "capture",
    "replay",
    "query",
    "read",
    "explain",
    "check",
    "schema",
    "namespace",
    "demo",
];

#[test]
fn every_shell_completes_every_command() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = ran(folder.path(), &["completions", shell]);
        assert_eq!(script.code, Some(0), "{}", script.err);
        assert_eq!(script.err, "");
        for word in COMMANDS.into_iter().chain(["stall-after", "delta"]) {
            assert!(script.out.contains(word), "{shell} completes no {word}");
        }
    }
    let unknown = ran(folder.path(), &["completions", "tcsh"]);
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.err.contains("bash"), "{}", unknown.err);
}

#[test]
fn a_script_may_find_its_reader_gone() {
    use std::process::Stdio;

    let folder = tempfile::tempdir().unwrap();
    let mut child = dumpstream(folder.path(), &["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn every_command_has_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let ran = ran(folder.path(), &["man", "share/man1"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), ""), "{}", ran.err);
    let page = |name: &str| {
        let file = folder.path().join("share/man1").join(name);
        fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
    };
    let main = page("dumpstream.1");
    assert!(main.contains("tcpdump"), "{main}");
    for command in COMMANDS {
        assert!(page(&format!("dumpstream-{command}.1")).contains("SYNOPSIS"));
        assert!(
            main.contains(&format!(r"dumpstream\-{command}(1)")),
            "{command}:\n{main}"
        );
    }
    assert!(page("dumpstream-parse.1").contains(r"\-\-stall\-after"));
}

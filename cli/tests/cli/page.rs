//! The page of the docs that leads to a field of one's own: what it shows is what is seen.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Runs one line of a shell with our program on its path: all that it prints.
fn shell(folder: &Path, line: &str) -> String {
    let bin = Path::new(env!("CARGO_BIN_EXE_dumpstream"));
    let bin = bin.parent().unwrap().display().to_string();
    let path = std::env::var("PATH").unwrap();
    let ran = Command::new("sh")
        .args(["-c", &format!("({line}) 2>&1")])
        .current_dir(folder)
        .env("PATH", format!("{bin}:{path}"))
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    String::from_utf8(ran.stdout).unwrap().replace('\r', "")
}

#[test]
#[cfg(unix)]
fn the_page_shows_what_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let page = given::project().join("docs/own-field.md");
    let page = fs::read_to_string(page).unwrap();
    let mut commands = 0;
    for (about, text) in given::blocks(&page) {
        if about != "console" {
            let (_, name) = about.split_once(' ').unwrap();
            fs::write(folder.path().join(name), text).unwrap();
            continue;
        }
        for step in format!("\n{text}").split("\n$ ").skip(1) {
            let (command, shown) = step.split_once('\n').unwrap_or((step, ""));
            let seen = shell(folder.path(), command);
            assert_eq!(seen.trim_end(), shown.trim_end(), "{command}");
            commands += 1;
        }
    }
    assert!(commands > 5, "{commands} commands");
}

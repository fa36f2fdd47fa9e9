//! The page of the docs: its commands are run against a broker, and what it shows is what is seen.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::broker::cluster;

/// Kafka's programs, by the names that its own scripts have, and their classes.
const PROGRAMS: [(&str, &str); 3] = [
    ("kafka-topics.sh", "org.apache.kafka.tools.TopicCommand"),
    (
        "kafka-console-producer.sh",
        "org.apache.kafka.tools.ConsoleProducer",
    ),
    (
        "kafka-console-consumer.sh",
        "org.apache.kafka.tools.consumer.ConsoleConsumer",
    ),
];

/// Runs lines of a shell with our program and Kafka's on its path: all that they print.
fn shell(folder: &Path, lines: &str) -> String {
    let ours = Path::new(env!("CARGO_BIN_EXE_dumpstream"));
    let ours = ours.parent().unwrap().display();
    let path = std::env::var("PATH").unwrap();
    let ran = Command::new("bash")
        .args(["-c", &format!("{{ {lines}\n}} 2>&1")])
        .current_dir(folder)
        .env(
            "PATH",
            format!("{}:{ours}:{path}", folder.join("bin").display()),
        )
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    let seen = String::from_utf8(ran.stdout).unwrap();
    assert!(ran.status.success(), "{lines}: {seen}");
    seen
}

pub(crate) fn the_page_shows_what_is_seen() {
    let _cluster = cluster(1);
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kafka/cluster.sh");
    fs::create_dir(folder.path().join("bin")).unwrap();
    for (name, class) in PROGRAMS {
        let file = folder.path().join("bin").join(name);
        let text = format!("#!/bin/sh\nexec {} tool {class} \"$@\"\n", script.display());
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let capture = given::text("4.99.3/mix/v.txt");
    fs::write(folder.path().join("capture.txt"), capture).unwrap();
    let file = given::project().join("docs/kafka.md");
    let page = fs::read_to_string(&file).unwrap();
    let bless = std::env::var_os("BLESS").is_some();
    let mut blessed = page.clone();
    let mut compared = 0;
    for (about, text) in given::blocks(&page) {
        match about {
            "sh" => drop(shell(folder.path(), &text)),
            "console" => {
                let mut shown = String::new();
                for step in format!("\n{text}").split("\n$ ").skip(1) {
                    let command = step.lines().next().unwrap();
                    let seen = shell(folder.path(), command);
                    shown += &format!("$ {command}\n{seen}");
                    compared += 1;
                }
                match bless {
                    true => blessed = blessed.replace(&text, &shown),
                    false => assert_eq!(text, shown),
                }
            }
            other => panic!("a block of {other}"),
        }
    }
    if bless {
        fs::write(&file, blessed).unwrap();
    }
    assert!(compared > 5, "{compared} commands");
}

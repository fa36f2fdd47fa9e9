//! The examples do what their first lines say.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The built example. `cargo test` builds it before it runs any test; `cargo test --test cli` does
/// not, and then it is built here.
fn example(name: &str) -> Command {
    let test = std::env::current_exe().expect("a test has a path");
    // …/target/debug/deps/cli-0123, beside …/target/debug/examples/NAME.
    let folder = test.ancestors().nth(2).expect("cargo's own folders");
    let built = folder
        .join("examples")
        .join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    if !built.is_file() {
        build(name, folder);
    }
    Command::new(built)
}

fn build(name: &str, folder: &Path) {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args([
            "build",
            "--quiet",
            "--offline",
            "--example",
            name,
            "--manifest-path",
        ])
        .arg(given::project().join("Cargo.toml"))
        .arg("--target-dir")
        .arg(folder.parent().expect("cargo's own folders"));
    // The folder has the profile's name, but for one profile.
    let profile = folder.file_name().expect("cargo's own folders");
    if profile != "debug" {
        cargo.arg("--profile").arg(profile);
    }
    assert!(cargo.status().expect("cargo runs").success(), "{cargo:?}");
}

fn sample(name: &str) -> PathBuf {
    given::sample(&format!("4.99.3/{name}"))
}

/// Rows of the golden file with this key and value.
fn golden(name: &str, holds: impl Fn(&serde_json::Value) -> bool) -> (u64, u64) {
    let text = std::fs::read_to_string(sample(name)).expect("a golden file");
    let rows = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"));
    rows.filter(|row: &serde_json::Value| holds(row))
        .fold((0, 0), |(packets, bytes), row| {
            (packets + 1, bytes + row["length"].as_u64().unwrap_or(0))
        })
}

fn row((packets, bytes): (u64, u64), name: &str) -> String {
    format!("{name:<39} {packets:>10} {bytes:>14}")
}

#[test]
fn embed_counts_a_file() {
    let output = example("embed")
        .arg(sample("mix/v.txt"))
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let text = String::from_utf8(output.stdout).expect("it prints UTF-8");
    let lines: Vec<_> = text.lines().collect();
    let golden = |holds: &dyn Fn(&serde_json::Value) -> bool| golden("mix/v.jsonl", holds);
    let (packets, bytes) = golden(&|_| true);
    assert_eq!(lines[0], format!("{packets} packets, {bytes} bytes"));
    assert!(packets > 20);
    for protocol in ["TCP", "ICMP", "ICMPv6", "ARP"] {
        let total = golden(&|row| row["protocol"] == protocol);
        assert!(total.0 > 0, "{protocol}");
        assert!(
            lines.contains(&&row(total, protocol)[..]),
            "{protocol}:\n{text}"
        );
    }
    let sources = lines
        .iter()
        .position(|l| l.starts_with("source "))
        .expect("a table");
    let top = lines[sources + 1].split(' ').next().expect("an address");
    let total = golden(&|row| row["source"] == top);
    assert_eq!(lines[sources + 1], row(total, top));
}

#[test]
fn embed_reads_stdin() {
    let text = std::fs::File::open(sample("http-requests/v.txt")).expect("a sample");
    let output = example("embed").stdin(text).output().expect("it runs");
    assert!(output.status.success(), "{output:?}");
    let (packets, bytes) = golden("http-requests/v.jsonl", |_| true);
    let first = format!("{packets} packets, {bytes} bytes\n");
    assert!(output.stdout.starts_with(first.as_bytes()), "{output:?}");
}

#[test]
fn embed_refuses_what_packets_can_forge() {
    let output = example("embed")
        .arg(sample("http/v-A.txt"))
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("print it again without -A"), "{told}");
}

#[test]
fn records_prints_each_as_soon_as_it_is_whole() {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::process::Stdio;

    let text = std::fs::read(sample("hostile/v.txt")).expect("a sample");
    let wanted = std::fs::read_to_string(sample("hostile/v.jsonl")).expect("a golden file");
    let wanted = wanted.lines().count();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let mut child = example("records")
        .arg(listener.local_addr().expect("an address").to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let (mut tcp, _) = listener.accept().expect("it connects");
    tcp.write_all(b"tcpdump: listening on eth0\n")
        .expect("it is read");
    tcp.write_all(&text).expect("it is read");
    // The connection stays open: the last record comes after an idle time.
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    for n in 1..=wanted {
        let line = lines
            .next()
            .unwrap_or_else(|| panic!("only {n} records"))
            .expect("UTF-8");
        assert!(line.is_ascii() && !line.contains('\u{1b}'), "{line:?}");
        if n == 1 {
            let first = text.split(|b| *b == b'\n').next().expect("a line");
            assert!(line.as_bytes().starts_with(first), "{line:?}");
        }
    }
    drop(tcp);
    assert!(lines.next().is_none(), "no record but those");
    let mut told = String::new();
    child
        .stderr
        .take()
        .expect("piped")
        .read_to_string(&mut told)
        .expect("UTF-8");
    assert_eq!(told, format!("{wanted} records, 27 bytes of none\n"));
    assert!(child.wait().expect("it ends").success());
}

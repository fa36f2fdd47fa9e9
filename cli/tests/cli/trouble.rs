//! Files that cannot be written for a while: nothing ends, and nothing is miscounted.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;

use crate::program::{Running, dumpstream, records, until};

/// The lines of a file, each an object.
fn lines(file: &Path) -> Option<usize> {
    let text = fs::read_to_string(file).ok()?;
    for line in text.lines() {
        serde_json::from_str::<serde_json::Value>(line).ok()?;
    }
    Some(text.lines().count())
}

#[track_caller]
fn holds(file: &Path, rows: usize) {
    until(&format!("{} has {rows} rows", file.display()), || {
        (lines(file)? == rows).then_some(())
    });
}

#[test]
#[cfg(unix)]
fn a_folder_that_is_away_at_sighup_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("logs")).unwrap();
    let into = "jsonl:logs/x.jsonl";
    let outputs = ["listen", "0", "-o", into, "-o", "jsonl:good.jsonl"];
    let running = Running::new(dumpstream(folder.path(), &outputs));
    let mut sender = TcpStream::connect(running.address()).unwrap();
    sender.write_all(records(6).as_bytes()).unwrap();
    holds(&at("logs/x.jsonl"), 6);
    fs::rename(at("logs"), at("away")).unwrap();
    running.signal("HUP");
    running.says("logs/x.jsonl: cannot reopen the file: No such file or directory");
    sender.write_all(records(4).as_bytes()).unwrap();
    // The other sink goes on.
    holds(&at("good.jsonl"), 10);
    fs::create_dir(at("logs")).unwrap();
    holds(&at("logs/x.jsonl"), 4);
    running.says("logs/x.jsonl: resumed");
    assert_eq!(lines(&at("away/x.jsonl")), Some(6));
    drop(sender);
    let (status, said) = running.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert_eq!(said.matches("cannot reopen").count(), 1, "{said}");
    assert!(
        said.contains(&format!("10 packets written to {into}")),
        "{said}"
    );
}

#[test]
fn a_folder_that_is_away_at_a_rotation_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("logs")).unwrap();
    let into = "jsonl:logs/x.jsonl?rotate=1s";
    let running = Running::new(dumpstream(folder.path(), &["listen", "0", "-o", into]));
    let mut sender = TcpStream::connect(running.address()).unwrap();
    fs::rename(at("logs"), at("away")).unwrap();
    sender.write_all(records(6).as_bytes()).unwrap();
    running.says("cannot rename the finished file");
    fs::rename(at("away"), at("logs")).unwrap();
    running.says("resumed");
    sender.write_all(records(4).as_bytes()).unwrap();
    drop(sender);
    let (status, said) = running.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(
        said.contains(&format!("10 packets written to {into}")),
        "{said}"
    );
    let files = fs::read_dir(at("logs")).unwrap();
    let rows: usize = files.map(|f| lines(&f.unwrap().path()).unwrap()).sum();
    assert_eq!(rows, 10);
}

#[test]
#[cfg(unix)]
fn a_part_that_was_removed_or_replaced_does_not_end_a_rotation() {
    let folder = tempfile::tempdir().unwrap();
    let part = folder.path().join("x.jsonl.part");
    let into = "jsonl:x.jsonl?rotate=1h";
    let running = Running::new(dumpstream(folder.path(), &["listen", "0", "-o", into]));
    let mut sender = TcpStream::connect(running.address()).unwrap();
    for round in 1..=2 {
        sender.write_all(records(6).as_bytes()).unwrap();
        until("rows are in the unfinished file", || {
            (lines(&part)? == 6).then_some(())
        });
        fs::remove_file(&part).unwrap();
        if round == 2 {
            fs::write(&part, "theirs\n").unwrap();
        }
        running.signal("HUP");
        until("that is said", || {
            let said = running.said();
            let told = "x.jsonl.part was moved or removed";
            (said.matches(told).count() == round).then_some(())
        });
    }
    sender.write_all(records(4).as_bytes()).unwrap();
    drop(sender);
    let (status, said) = running.end();
    assert_eq!(status.code(), Some(0), "{said}");
    let files = fs::read_dir(folder.path()).unwrap();
    let texts: Vec<_> = files
        .map(|file| fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    assert!(texts.contains(&"theirs\n".to_owned()));
    let rows: usize = texts.iter().map(|text| text.matches('{').count()).sum();
    assert_eq!(rows, 4);
}

/// A named pipe.
#[cfg(unix)]
fn fifo(path: &Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status();
    assert!(made.unwrap().success());
}

/// Its queue takes longer to write than a sink may stand still.
#[test]
#[cfg(unix)]
fn a_slow_pipe_that_moves_all_the_time_loses_nothing() {
    use std::io::Read;

    const ROWS: usize = 30_000;
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    fifo(&pipe);
    let reader = std::thread::spawn(move || {
        let mut pipe = fs::File::open(pipe).unwrap();
        let mut text = Vec::new();
        let mut piece = vec![0; 64 << 10];
        // 2 MB/s.
        while let Ok(n @ 1..) = pipe.read(&mut piece) {
            text.extend_from_slice(&piece[..n]);
            std::thread::sleep(std::time::Duration::from_micros(n as u64 / 2));
        }
        text
    });
    let slow = ["listen", "0", "-o", "jsonl:pipe", "-o", "null:"];
    let stalls = ["--queue", "8M", "--stall-after", "500ms"];
    let running = Running::new(dumpstream(folder.path(), &[&slow[..], &stalls].concat()));
    let mut sender = TcpStream::connect(running.address()).unwrap();
    sender.write_all(records(ROWS).as_bytes()).unwrap();
    drop(sender);
    let (status, said) = running.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(!said.contains("stalled for"), "{said}");
    let text = reader.join().unwrap();
    assert_eq!(text.iter().filter(|b| **b == b'\n').count(), ROWS);
}

#[test]
#[cfg(unix)]
fn a_stuck_file_of_rejects_stops_no_sender_and_costs_no_row() {
    const ROWS: usize = 6_000;
    let folder = tempfile::tempdir().unwrap();
    fifo(&folder.path().join("stuck"));
    let keep = ["listen", "0", "--rejects", "stuck", "-o", "csv:x.csv"];
    let end = ["-k", "--drain-timeout", "1s"];
    let running = Running::new(dumpstream(folder.path(), &[&keep[..], &end].concat()));
    let mut sender = TcpStream::connect(running.address()).unwrap();
    // More batches than wait for the file.
    for sent in (0..ROWS).step_by(100) {
        let odd = |n| format!("10:00:00.{n:06} (frobnicate) colour {n}\n");
        let text: String = (sent..sent + 100).map(odd).collect();
        sender.write_all(text.as_bytes()).unwrap();
        until("all but the last row are stored", || {
            let text = fs::read_to_string(folder.path().join("x.csv")).ok()?;
            (text.lines().count() >= sent + 100).then_some(())
        });
    }
    running.says("Cannot write rejects");
    running.signal("TERM");
    let (status, said) = running.end();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(
        said.contains(&format!("{ROWS} packets written to csv:x.csv")),
        "{said}"
    );
    let late = "rejects not kept: the file could not be written in time";
    assert!(said.contains(late), "{said}");
}

//! Files that take turns, and SIGHUP.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::program::{Running, dumpstream, fed, ran, record, records, until};

/// Files of a folder, by name, that begin so.
fn files(folder: &Path, begin: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    let mut files: Vec<_> = entries
        .filter(|path| name(path).starts_with(begin))
        .collect();
    files.sort();
    files
}

/// The ordinals in whole lines of JSON.
#[track_caller]
fn ordinals(text: &str) -> Vec<u64> {
    assert!(
        text.is_empty() || text.ends_with('\n'),
        "a record was split"
    );
    text.lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect(line))
        .map(|row| row["record"].as_u64().unwrap())
        .collect()
}

#[test]
fn files_take_turns_by_size() {
    let folder = tempfile::tempdir().unwrap();
    let into = [
        "parse",
        "--origin",
        "-o",
        "jsonl:out.jsonl?rotate=10K",
        "-v",
    ];
    let run = fed(folder.path(), &into, records(500).as_bytes());
    assert!(
        run.err.contains("500 packets written to jsonl:out.jsonl"),
        "{}",
        run.err
    );
    let finished = files(folder.path(), "out.");
    assert!(finished.len() > 5, "{finished:?}");
    let mut all = Vec::new();
    for (i, file) in finished.iter().enumerate() {
        let text = fs::read_to_string(file).unwrap();
        assert!(text.len() <= 10 << 10 && !text.is_empty());
        all.extend(ordinals(&text));
        // Its number and its end.
        let name = file.file_name().unwrap().to_str().unwrap();
        assert!(name.ends_with(&format!("Z.{:06}.jsonl", i + 1)), "{name}");
        // Full: one more would not have fitted.
        let next = finished
            .get(i + 1)
            .map(|next| fs::read_to_string(next).unwrap());
        if let Some(next) = next {
            assert!(text.len() + next.lines().next().unwrap().len() + 1 > 10 << 10);
        }
    }
    assert_eq!(all, (1..=500).collect::<Vec<_>>());
    // Another run goes on where this one ended, and overwrites nothing.
    fed(folder.path(), &into[..4], records(10).as_bytes()).quiet();
    assert_eq!(files(folder.path(), "out.").len(), finished.len() + 1);
    // A run without a row leaves no file.
    fed(folder.path(), &into[..4], b"").quiet();
    assert_eq!(files(folder.path(), "out.").len(), finished.len() + 1);
}

#[test]
fn files_take_turns_by_time_also_when_idle() {
    let folder = tempfile::tempdir().unwrap();
    let into = "jsonl:out.jsonl?rotate=1s&rotate_size=1MB";
    let running = Running::new(dumpstream(folder.path(), &["listen", "0", "-o", into]));
    let mut sender = TcpStream::connect(running.address()).unwrap();
    let mut sent = 0;
    for round in 1..=3 {
        sender
            .write_all((sent..sent + 7).map(record).collect::<String>().as_bytes())
            .unwrap();
        sent += 7;
        // Nothing more is sent, and the file is finished all the same.
        until("another file is finished", || {
            let finished = files(folder.path(), "out.");
            let rows: usize = finished
                .iter()
                .filter(|f| f.extension().unwrap() == "jsonl")
                .map(|f| fs::read_to_string(f).unwrap_or_default().lines().count())
                .sum();
            (rows == sent && finished.len() > round).then_some(())
        });
    }
    drop(sender);
    assert!(running.end().0.success());
    let finished = files(folder.path(), "out.");
    assert!(
        finished.iter().all(|f| f.extension().unwrap() == "jsonl"),
        "{finished:?}"
    );
    let text: String = finished
        .iter()
        .map(|f| fs::read_to_string(f).unwrap())
        .collect();
    assert_eq!(ordinals(&text), (1..=21).collect::<Vec<_>>());
}

#[test]
fn rotated_csv_has_a_header_in_each_file() {
    let folder = tempfile::tempdir().unwrap();
    let into = ["parse", "-o", "csv:out.csv?rotate=10K"];
    fed(folder.path(), &into, records(200).as_bytes()).quiet();
    let finished = files(folder.path(), "out.");
    assert!(finished.len() > 1);
    let mut rows = 0;
    for file in finished {
        let text = fs::read_to_string(file).unwrap();
        assert!(text.starts_with("number,time,") && text.len() <= 10 << 10);
        rows += text.lines().count() - 1;
    }
    assert_eq!(rows, 200);
}

#[test]
fn kill_9_leaves_a_part_that_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let into = "jsonl:out.jsonl?rotate_size=100K";
    let mut kept: BTreeSet<(PathBuf, u64)> = BTreeSet::new();
    for run in 1..=5u64 {
        let running = Running::new(dumpstream(folder.path(), &["listen", "0", "-o", into]));
        let mut sender = TcpStream::connect(running.address()).unwrap();
        let rows = || -> usize {
            let files = files(folder.path(), "out.");
            files
                .iter()
                .map(|f| fs::read(f).map_or(0, |t| memchr(&t)))
                .sum()
        };
        let before = rows();
        // It is killed at some moment while files take turns.
        std::thread::spawn(move || {
            let text = records(3000);
            while sender.write_all(text.as_bytes()).is_ok() {}
        });
        until("files take turns", || {
            (rows() > before + 1500 * run as usize).then_some(())
        });
        running.signal("KILL");
        assert!(!running.end().0.success());
        // Nothing that is there is ever lost again: the files of the runs before are as they were.
        for (path, length) in &kept {
            assert_eq!(fs::metadata(path).unwrap().len(), *length);
        }
        // Finished ones are whole.
        for file in files(folder.path(), "out.") {
            if file.extension().unwrap() == "jsonl" {
                ordinals(&fs::read_to_string(&file).unwrap());
                kept.insert((file.clone(), fs::metadata(&file).unwrap().len()));
            }
        }
        let part = fs::read(folder.path().join("out.jsonl.part"));
        // The next start keeps what this one has left, and says so.
        let next = fed(
            folder.path(),
            &["parse", "--origin", "-o", into],
            record(0).as_bytes(),
        );
        assert_eq!(next.code, Some(0));
        if let Some(part) = part.ok().filter(|part| !part.is_empty()) {
            assert!(next.err.contains("it is kept"), "{}", next.err);
            let parts = files(folder.path(), "out.");
            let set_aside = parts
                .iter()
                .filter(|f| f.to_str().unwrap().ends_with(".jsonl.part"));
            let found = set_aside.into_iter().find(|f| fs::read(f).unwrap() == part);
            let found = found.expect("it is there, byte for byte");
            kept.insert((found.clone(), part.len() as u64));
        }
        assert!(!folder.path().join("out.jsonl.part").exists());
    }
    assert!(kept.len() > 5, "{kept:?}");
}

/// Line feeds.
fn memchr(text: &[u8]) -> usize {
    text.iter().filter(|b| **b == b'\n').count()
}

#[test]
fn two_runs_do_not_share_a_part() {
    let folder = tempfile::tempdir().unwrap();
    let into = "jsonl:out.jsonl?rotate=1h";
    let running = Running::new(dumpstream(folder.path(), &["listen", "0", "-o", into]));
    let mut sender = TcpStream::connect(running.address()).unwrap();
    sender.write_all(records(3).as_bytes()).unwrap();
    let part = folder.path().join("out.jsonl.part");
    until("a row is there", || {
        (fs::metadata(&part).ok()?.len() > 0).then_some(())
    });
    let second = ran(folder.path(), &["parse", "-o", into]);
    second.failed(1, &["another program", "out.jsonl.part"]);
    drop(sender);
    assert!(running.end().0.success());
    let finished = files(folder.path(), "out.");
    assert_eq!(finished.len(), 1);
    assert_eq!(
        ordinals(&fs::read_to_string(&finished[0]).unwrap()),
        [1, 2, 3]
    );
}

/// logrotate's way: rename, then SIGHUP.
#[test]
fn sighup_reopens_under_load() {
    let folder = tempfile::tempdir().unwrap();
    let listen = ["listen", "0", "-o", "jsonl:out.jsonl", "-o", "csv:out.csv"];
    let running = Running::new(dumpstream(folder.path(), &listen));
    let mut sender = TcpStream::connect(running.address()).unwrap();
    // The load lasts as long as the turns do, however fast either is.
    let turned = Arc::new(AtomicBool::new(false));
    let sending = std::thread::spawn({
        let turned = turned.clone();
        move || {
            let mut total = 0;
            while !turned.load(Ordering::Relaxed) {
                sender.write_all(record(total).as_bytes()).unwrap();
                total += 1;
            }
            total
        }
    });
    let at = |name: &str| folder.path().join(name);
    let length = |name: &str| fs::metadata(at(name)).map_or(0, |about| about.len());
    let mut turns = 0;
    while turns < 8 {
        until("rows arrive", || {
            (length("out.jsonl") > 50_000).then_some(())
        });
        for name in ["out.jsonl", "out.csv"] {
            fs::rename(at(name), at(&format!("{name}.{turns}"))).unwrap();
        }
        running.signal("HUP");
        turns += 1;
        until("it has opened them anew", || {
            (at("out.jsonl").exists() && at("out.csv").exists()).then_some(())
        });
        std::thread::sleep(Duration::from_millis(5));
    }
    turned.store(true, Ordering::Relaxed);
    let total = sending.join().unwrap();
    let (status, said) = running.end();
    assert!(status.success(), "{said}");
    assert!(
        said.contains(&format!("{total} packets written to jsonl:out.jsonl")),
        "{said}"
    );
    let mut all = Vec::new();
    let mut rows = 0;
    for name in (0..turns).map(|i| format!(".{i}")).chain([String::new()]) {
        all.extend(ordinals(
            &fs::read_to_string(at(&format!("out.jsonl{name}"))).unwrap(),
        ));
        let csv = fs::read_to_string(at(&format!("out.csv{name}"))).unwrap();
        if !csv.is_empty() {
            assert!(csv.starts_with("number,time,") && csv.ends_with("\n"));
            rows += csv.lines().count() - 1;
        }
    }
    assert_eq!(all, (1..=total as u64).collect::<Vec<_>>());
    assert_eq!(rows, total);
}

#[test]
fn sighup_finishes_a_rotated_file() {
    let folder = tempfile::tempdir().unwrap();
    let into = "jsonl:out.jsonl?rotate=1d";
    let running = Running::new(dumpstream(folder.path(), &["listen", "0", "-o", into]));
    let mut sender = TcpStream::connect(running.address()).unwrap();
    sender.write_all(records(3).as_bytes()).unwrap();
    let part = folder.path().join("out.jsonl.part");
    let rows = || fs::read(&part).map_or(0, |text| memchr(&text));
    until("three rows are there", || (rows() == 3).then_some(()));
    running.signal("HUP");
    until("it is finished", || (rows() == 0).then_some(()));
    // Once more: there is nothing to finish.
    running.signal("HUP");
    sender.write_all(record(4).as_bytes()).unwrap();
    drop(sender);
    assert!(running.end().0.success());
    let finished = files(folder.path(), "out.");
    let rows: Vec<_> = finished
        .iter()
        .map(|f| ordinals(&fs::read_to_string(f).unwrap()))
        .collect();
    assert_eq!(rows, [vec![1, 2, 3], vec![4]]);
}

//! A disk that is full for a while, and a process without descriptors.

use std::fs::{self, File};
use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use given::{tool, trial};
use libtest_mimic::{Failed, Trial};
use rusqlite::{Connection, OpenFlags};

use crate::program::{Running, dumpstream, record, until};

pub(crate) fn trials() -> Vec<Trial> {
    let sinks = [
        ("jsonl", "jsonl:small/x.jsonl", json as Count),
        ("csv", "csv:small/x.csv", table),
        ("rotated", "jsonl:small/x.jsonl?rotate=1s", json),
        ("sqlite", "sqlite:small/x.db", database),
    ];
    let full = sinks.map(|(name, url, count)| {
        let name = format!("a_full_disk_is_waited_for_by_{name}");
        trial(&name, &[tool("mount"), mounts()], move || fills(url, count))
    });
    let rejects = trial(
        "a_full_disk_is_waited_for_by_rejects",
        &[tool("mount"), mounts()],
        rejects,
    );
    let descriptors = trial(
        "a_rotation_waits_for_a_descriptor",
        &[tool("prlimit")],
        descriptors,
    );
    full.into_iter().chain([rejects, descriptors]).collect()
}

/// Counts whole rows of a file.
type Count = fn(&Path) -> Option<usize>;

/// A file system in memory, unmounted at the end.
struct Small(PathBuf);

impl Small {
    fn mount(at: PathBuf) -> Result<Small, Failed> {
        fs::create_dir(&at)?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=32M", "tmpfs"]);
        match mount.arg(&at).output()? {
            done if done.status.success() => Ok(Small(at)),
            failed => Err(String::from_utf8_lossy(&failed.stderr).into_owned().into()),
        }
    }

    /// Takes all the room.
    fn fill(&self) {
        let mut file = File::create(self.0.join("filler")).unwrap();
        let mut piece = vec![b'x'; 1 << 20];
        while !piece.is_empty() {
            match file.write(&piece) {
                Ok(0) | Err(_) => piece.truncate(piece.len() / 2),
                Ok(_) => {}
            }
        }
    }

    fn free(&self) {
        fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(&self.0).status().ok();
    }
}

fn mounts() -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    match Small::mount(folder.path().join("x")) {
        Ok(_) => Ok(()),
        Err(_) => Err("nothing can be mounted".to_owned()),
    }
}

/// How often the disk is filled; `CYCLES` sets it.
fn cycles() -> usize {
    std::env::var("CYCLES").map_or(3, |n| n.parse().expect("CYCLES is a number"))
}

fn json(file: &Path) -> Option<usize> {
    let folder = file.parent()?;
    let mut rows = 0;
    // It may be rotated.
    for file in fs::read_dir(folder).ok()? {
        let path = file.ok()?.path();
        if !path.to_str()?.contains(".jsonl") {
            continue;
        }
        for line in fs::read_to_string(path).ok()?.lines() {
            serde_json::from_str::<serde_json::Value>(line).ok()?;
            rows += 1;
        }
    }
    Some(rows)
}

fn table(file: &Path) -> Option<usize> {
    let text = fs::read_to_string(file).ok()?;
    let cells = |line: &str| line.split(',').count();
    let wanted = cells(text.lines().next()?);
    let whole = text.ends_with('\n') && text.lines().all(|line| cells(line) == wanted);
    whole.then(|| text.lines().count() - 1)
}

fn database(file: &Path) -> Option<usize> {
    let database = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
    let count = "SELECT count(*) FROM packet";
    let count: i64 = database.query_row(count, [], |row| row.get(0)).ok()?;
    usize::try_from(count).ok()
}

fn fills(url: &str, count: Count) -> Result<(), Failed> {
    const ROWS: usize = 300;
    let folder = tempfile::tempdir()?;
    let small = Small::mount(folder.path().join("small"))?;
    let file = url.split([':', '?']).nth(1).unwrap();
    let file = folder.path().join(file);
    let good = folder.path().join("good.csv");
    let outputs = ["listen", "0", "-o", url, "-o", "csv:good.csv"];
    let running = Running::new(dumpstream(folder.path(), &outputs));
    let mut sender = TcpStream::connect(running.address())?;
    let cycles = cycles();
    // A database may still have room in its log.
    let strict = !url.starts_with("sqlite:");
    let mut told = 0;
    for cycle in 1..=cycles {
        small.fill();
        let rows = (cycle - 1) * ROWS..cycle * ROWS;
        let text: String = rows.map(record).collect();
        sender.write_all(text.as_bytes())?;
        until("the full disk is reported", || {
            let said = running.said();
            let now = said.matches("retrying until it succeeds").count();
            assert!(now <= told + 1, "{said}");
            let fits = !strict && count(&file)? == cycle * ROWS;
            (fits || now > told).then(|| told = now)
        });
        // The other sink goes on.
        until("the other sink has all rows", || {
            (table(&good)? == cycle * ROWS).then_some(())
        });
        small.free();
        until("the rows are there", || {
            (count(&file)? == cycle * ROWS).then_some(())
        });
        until("that is reported", || {
            (running.said().matches("resumed").count() == told).then_some(())
        });
    }
    assert!(told > 0);
    drop(sender);
    let (status, said) = running.end();
    assert_eq!(status.code(), Some(0), "{said}");
    let written = format!("{} packets written to {url}", cycles * ROWS);
    assert!(said.contains(&written), "{said}");
    assert_eq!(count(&file), Some(cycles * ROWS));
    Ok(())
}

/// Records of no protocol, which are rejects.
fn odd(n: usize) -> String {
    format!("10:00:00.{n:06} (frobnicate) colour {n}\n")
}

fn rejects() -> Result<(), Failed> {
    const ROWS: usize = 100;
    let folder = tempfile::tempdir()?;
    let small = Small::mount(folder.path().join("small"))?;
    let file = folder.path().join("small/odd.jsonl");
    let arguments = ["listen", "0", "--rejects", "small/odd.jsonl"];
    let running = Running::new(dumpstream(folder.path(), &arguments));
    let mut sender = TcpStream::connect(running.address())?;
    let cycles = cycles();
    for cycle in 1..=cycles {
        small.fill();
        let text: String = ((cycle - 1) * ROWS..cycle * ROWS).map(odd).collect();
        sender.write_all(text.as_bytes())?;
        until("the full disk is reported", || {
            let told = running.said().matches("retrying until it succeeds").count();
            (told == cycle).then_some(())
        });
        small.free();
        until("all are kept", || {
            (json(&file)? == cycle * ROWS).then_some(())
        });
        until("that is reported", || {
            (running.said().matches("resumed").count() == cycle).then_some(())
        });
    }
    drop(sender);
    let (status, said) = running.end();
    assert_eq!(status.code(), Some(0), "{said}");
    let kept = format!("{} records kept in", cycles * ROWS);
    assert!(said.contains(&kept), "{said}");
    Ok(())
}

fn descriptors() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let into = "jsonl:x.jsonl?rotate=1s";
    let running = Running::new(dumpstream(folder.path(), &["listen", "0", "-o", into]));
    let mut sender = TcpStream::connect(running.address())?;
    let limit = |files: &str| {
        let mut prlimit = Command::new("prlimit");
        prlimit.args([
            "--pid",
            &running.id().to_string(),
            &format!("--nofile={files}:"),
        ]);
        assert!(prlimit.status().unwrap().success());
    };
    sender.write_all(record(1).as_bytes())?;
    limit("3");
    running.says("Too many open files");
    limit("1000");
    running.says("resumed");
    sender.write_all(record(2).as_bytes())?;
    drop(sender);
    let (status, said) = running.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert_eq!(json(&folder.path().join("x")), Some(2));
    Ok(())
}

//! A database that is moved, removed or rotated while it is written.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::program::{Running, dumpstream, fed, record, records, until};

/// The records of a database file; `None`: it has no tables so far.
fn stored(file: &Path) -> Option<Vec<i64>> {
    let read = || -> rusqlite::Result<Vec<i64>> {
        let database = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let sql = "SELECT record FROM packet ORDER BY record";
        let mut statement = database.prepare(sql)?;
        statement.query_map([], |row| row.get(0))?.collect()
    };
    read().ok()
}

/// Waits until a database has so many rows.
#[track_caller]
fn holds(file: &Path, rows: usize) {
    until(&format!("{} has {rows} rows", file.display()), || {
        (stored(file)?.len() == rows).then_some(())
    });
}

#[track_caller]
fn sound(file: &Path) {
    let database = Connection::open(file).unwrap();
    let verdict: String = database
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(verdict, "ok");
}

/// Files of a folder that end so.
fn files(folder: &Path, end: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    let mut files: Vec<_> = entries
        .filter(|path| path.to_str().unwrap().ends_with(end))
        .collect();
    files.sort();
    files
}

#[test]
fn the_log_of_a_moved_database_is_not_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let running = Running::new(dumpstream(folder.path(), &["listen", "0"]));
    let mut sender = TcpStream::connect(running.address()).unwrap();
    sender.write_all(records(6).as_bytes()).unwrap();
    holds(&at("packets.db"), 6);
    drop(running);
    fs::rename(at("packets.db"), at("old.db")).unwrap();
    let parse = || {
        let arguments = ["parse", "-o", "sqlite:packets.db"];
        fed(folder.path(), &arguments, record(7).as_bytes())
    };
    parse().failed(1, &["packets.db-wal may have the last rows", "remove it"]);
    fs::rename(at("packets.db-wal"), at("old.db-wal")).unwrap();
    parse().quiet();
    assert_eq!(stored(&at("old.db")).unwrap(), (1..=6).collect::<Vec<_>>());
    assert_eq!(stored(&at("packets.db")).unwrap(), [1]);
}

#[test]
fn a_moved_database_keeps_its_rows_and_a_new_one_is_made() {
    for hangup in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let running = Running::new(dumpstream(folder.path(), &["listen", "0"]));
        let mut sender = TcpStream::connect(running.address()).unwrap();
        sender.write_all(records(6).as_bytes()).unwrap();
        holds(&at("packets.db"), 6);
        fs::rename(at("packets.db"), at("old.db")).unwrap();
        if hangup {
            running.signal("HUP");
        }
        // Also while nothing is sent.
        holds(&at("packets.db"), 0);
        running.says("the database was moved");
        sender.write_all(records(4).as_bytes()).unwrap();
        drop(sender);
        let (status, said) = running.end();
        assert_eq!(status.code(), Some(0), "{said}");
        assert!(said.contains("10 packets written to sqlite:"), "{said}");
        assert_eq!(stored(&at("old.db")).unwrap(), (1..=6).collect::<Vec<_>>());
        assert_eq!(
            stored(&at("packets.db")).unwrap(),
            (7..=10).collect::<Vec<_>>()
        );
        sound(&at("old.db"));
        sound(&at("packets.db"));
    }
}

#[test]
fn a_database_that_is_moved_under_load_loses_and_doubles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let running = Running::new(dumpstream(folder.path(), &["listen", "0"]));
    let mut sender = TcpStream::connect(running.address()).unwrap();
    let moved = Arc::new(AtomicBool::new(false));
    let sending = thread::spawn({
        let moved = Arc::clone(&moved);
        move || {
            let mut total = 0;
            while !moved.load(Ordering::Relaxed) {
                let text: String = (total..total + 50).map(record).collect();
                sender.write_all(text.as_bytes()).unwrap();
                total += 50;
                thread::sleep(Duration::from_millis(1));
            }
            total
        }
    });
    for turn in 0..8 {
        until("it has rows", || {
            (stored(&at("packets.db"))?.len() > 100).then_some(())
        });
        fs::rename(at("packets.db"), at(&format!("old{turn}.db"))).unwrap();
        if turn % 2 == 0 {
            running.signal("HUP");
        }
    }
    moved.store(true, Ordering::Relaxed);
    let total = sending.join().unwrap();
    let (status, said) = running.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(
        said.contains(&format!("{total} packets written to sqlite:")),
        "{said}"
    );
    let all: Vec<i64> = files(folder.path(), ".db")
        .iter()
        .flat_map(|file| {
            sound(file);
            stored(file).unwrap()
        })
        .collect();
    let once: BTreeSet<i64> = all.iter().copied().collect();
    assert_eq!((all.len(), once.len()), (total, total));
}

#[test]
fn what_is_sent_after_a_database_was_removed_is_in_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("packets.db");
    let running = Running::new(dumpstream(folder.path(), &["listen", "0"]));
    let mut sender = TcpStream::connect(running.address()).unwrap();
    for round in 0..12 {
        sender.write_all(records(5).as_bytes()).unwrap();
        if round % 3 == 0 {
            // While rows may be on their way.
            thread::sleep(Duration::from_millis(40 * round));
        } else {
            until("they are stored", || {
                let stored = stored(&database)?;
                (stored.last() == Some(&(5 * (round as i64 + 1)))).then_some(())
            });
        }
        for file in files(folder.path(), "").iter().filter(|f| f.is_file()) {
            fs::remove_file(file).ok();
        }
    }
    sender.write_all(records(5).as_bytes()).unwrap();
    drop(sender);
    let (status, said) = running.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("the database was removed"), "{said}");
    let left = stored(&database).unwrap();
    assert_eq!(left[left.len() - 5..], [61, 62, 63, 64, 65]);
    sound(&database);
}

#[test]
fn databases_take_turns_by_size() {
    let folder = tempfile::tempdir().unwrap();
    let into = ["parse", "-v", "-o", "sqlite:out.db?rotate=200K"];
    let run = fed(folder.path(), &into, records(5000).as_bytes());
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.err.contains("5000 packets written"), "{}", run.err);
    let finished = files(folder.path(), ".db");
    assert!(finished.len() > 3, "{finished:?}");
    // No log is left, and the current file has its plain name.
    assert_eq!(files(folder.path(), ""), finished);
    assert!(folder.path().join("out.db").exists());
    let mut all = Vec::new();
    for file in &finished {
        sound(file);
        all.extend(stored(file).unwrap());
    }
    all.sort_unstable();
    assert_eq!(all, (1..=5000).collect::<Vec<_>>());
    let numbered = finished[0].file_name().unwrap().to_str().unwrap();
    assert!(numbered.ends_with("Z.000001.db"), "{numbered}");
}

#[test]
fn databases_take_turns_by_time_also_when_idle() {
    let folder = tempfile::tempdir().unwrap();
    let into = "sqlite:out.db?rotate=1s";
    let running = Running::new(dumpstream(folder.path(), &["listen", "0", "-o", into]));
    let mut sender = TcpStream::connect(running.address()).unwrap();
    for round in 1..=2 {
        sender.write_all(records(7).as_bytes()).unwrap();
        until("another file is finished", || {
            let finished = files(folder.path(), ".db");
            let rows = finished.iter().filter(|f| !f.ends_with("out.db"));
            let rows: usize = rows.filter_map(|f| stored(f)).map(|rows| rows.len()).sum();
            (rows == 7 * round).then_some(())
        });
        holds(&folder.path().join("out.db"), 0);
    }
    drop(sender);
    assert!(running.end().0.success());
}

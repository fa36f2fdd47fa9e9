//! Heartbeats: their numbers, their figures, and that nothing waits for them.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use super::program::{Running, dumpstream, ran, records, until};
use super::stat::{Child, Watch};

/// Rows of a file of JSON Lines; a line that is being written is no row yet.
fn beats(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let row = |line| serde_json::from_str(line).expect(line);
    whole.lines().map(row).collect()
}

/// Waits until there are so many.
#[track_caller]
fn several(file: &Path, count: usize) -> Vec<Value> {
    until(&format!("{count} beats are written"), || {
        Some(beats(file)).filter(|beats| beats.len() >= count)
    })
}

fn number(beat: &Value) -> u64 {
    beat["record"].as_u64().expect("a beat has a number")
}

/// In seconds since 1970.
fn time(beat: &Value) -> f64 {
    let time: jiff::Timestamp = beat["time"].as_str().unwrap().parse().unwrap();
    time.as_nanosecond() as f64 / 1e9
}

/// What a query of one number gives; `None`: it has no such table so far.
fn ask(file: &Path, sql: &str) -> Option<i64> {
    let database = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
    database.query_row(sql, [], |row| row.get(0)).ok()
}

#[test]
fn a_beat_is_a_row_of_this_machine_and_this_run() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["heartbeat", "--count", "3", "--every", "250ms"];
    let run = |more: &[&str]| ran(folder.path(), &[&arguments[..], more].concat());
    let rows = run(&[]).quiet().json();
    assert_eq!(rows.len(), 3);
    assert!(number(&rows[0]) >= 1);
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    for (row, next) in rows.iter().zip(&rows[1..]) {
        assert!(number(row) < number(next) && time(row) < time(next));
        assert_eq!(
            (&row["sensor"], &row["stream"]),
            (&next["sensor"], &next["stream"])
        );
    }
    let row = &rows[2];
    assert_eq!(
        (&row["sensor"], &row["every"]),
        (&host.trim().into(), &0.25.into())
    );
    let kilobytes = |name: &str| {
        let memory = fs::read_to_string("/proc/meminfo").unwrap();
        let line = memory.lines().find(|line| line.starts_with(name)).unwrap();
        let number = line.split_whitespace().nth(1).unwrap();
        number.parse::<u64>().unwrap()
    };
    assert_eq!(row["memory_total"], kilobytes("MemTotal") * 1024);
    assert_eq!(row["swap_total"], kilobytes("SwapTotal") * 1024);
    let memory = ["memory_used", "memory_available"].map(|name| row[name].as_u64().unwrap());
    assert_eq!(memory[0] + memory[1], kilobytes("MemTotal") * 1024);
    assert!(row["process_memory"].as_u64().unwrap() > 1 << 20);
    for absent in ["records", "bytes", "connections", "lanes"] {
        assert!(row.get(absent).is_none(), "there is no receiver: {row}");
    }
    let other = run(&["--sensor", "gate"]).quiet().json();
    assert_eq!(other[0]["sensor"], "gate");
    assert_ne!(other[0]["stream"], row["stream"], "another run");
}

#[test]
fn a_missed_beat_leaves_its_number_free() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("beats.jsonl");
    let arguments = ["heartbeat", "--every", "250ms", "-o", "jsonl:beats.jsonl"];
    let running = Running::new(dumpstream(folder.path(), &arguments));
    let before = several(&file, 2).len();
    running.signal("STOP");
    thread::sleep(Duration::from_millis(1_500));
    running.signal("CONT");
    several(&file, before + 3);
    running.signal("INT");
    let (status, said) = running.end();
    assert_eq!(status.code(), Some(0), "{said}");
    let rows = beats(&file);
    let last = number(rows.last().unwrap());
    let missed = last - rows.len() as u64;
    assert!(missed >= 3, "{missed} of {last}");
    assert!(
        said.contains(&format!(
            "\n{} heartbeats taken, {missed} missed\n",
            rows.len()
        )),
        "{said}"
    );
    assert!(
        said.contains(&format!("{} heartbeats written to jsonl:", rows.len())),
        "{said}"
    );
    // Each stands at its moment, whatever was missed before: there is no drift.
    for row in &rows {
        let due = 0.25 * (number(row) - number(&rows[0])) as f64;
        let after = time(row) - time(&rows[0]);
        assert!(
            (after - due).abs() < 0.25,
            "beat {} at {after}",
            number(row)
        );
    }
}

#[test]
fn every_sink_has_the_same_rows() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let arguments = [
        "heartbeat",
        "--count",
        "4",
        "--every",
        "250ms",
        "-o",
        "jsonl:a.jsonl",
        "-o",
        "csv:a.csv",
        "-o",
        "sqlite:a.db",
        "-o",
        "null:",
    ];
    ran(folder.path(), &arguments).quiet();
    let rows = beats(&at("a.jsonl"));
    assert_eq!(rows.len(), 4);
    let sql = "SELECT * FROM heartbeats ORDER BY time_ns";
    let query = ["query", "-d", "a.db", "-f", "jsonl", sql];
    let stored = ran(folder.path(), &query).quiet().json();
    let table = fs::read_to_string(at("a.csv")).unwrap();
    let mut lines = table.lines();
    let header: Vec<_> = lines.next().unwrap().split(',').collect();
    for (row, (stored, line)) in rows.iter().zip(stored.iter().zip(lines)) {
        let row = row.as_object().unwrap();
        for (name, value) in row {
            assert_eq!(&stored[name], value, "{name}");
            let column = header.iter().position(|column| column == name);
            assert!(column.is_some(), "{name} is not in {header:?}");
        }
        // A cell of text has commas; numbers have none.
        let used = row["memory_used"].to_string();
        assert!(
            line.split(',').any(|cell| cell == used),
            "{used} is not in {line}"
        );
    }
    assert_eq!(stored.len(), 4);
    // A column that holds what no 32 bits do.
    assert!(
        rows.iter()
            .any(|row| row["memory_total"].as_u64() > Some(1 << 31))
    );
    ran(
        folder.path(),
        &["query", "-d", "a.db", "SELECT * FROM packets"],
    )
    .failed(1, &["only heartbeats"]);
    ran(
        folder.path(),
        &["query", "-d", "a.db", "SELECT nope FROM heartbeats"],
    )
    .failed(1, &["the columns of heartbeats: time, cpu,"]);
}

#[test]
fn the_printed_tables_are_those_that_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let printed = ran(folder.path(), &["schema", "sqlite", "--heartbeat"]).quiet();
    let tables = Connection::open(folder.path().join("b.db")).unwrap();
    tables.execute_batch(&printed.out).unwrap();
    drop(tables);
    let run = [
        "heartbeat",
        "--count",
        "1",
        "--every",
        "250ms",
        "-o",
        "sqlite:b.db",
    ];
    ran(folder.path(), &run).quiet();
    let count = ask(
        &folder.path().join("b.db"),
        "SELECT count(*) FROM heartbeats",
    );
    assert_eq!(count, Some(1));
    let cql = ran(folder.path(), &["schema", "cassandra", "--heartbeat"]).quiet();
    assert!(cql.out.contains("dumpstream.heartbeats ("), "{}", cql.out);
    assert!(cql.out.contains("    memory_used bigint,\n"), "{}", cql.out);
    ran(folder.path(), &["schema", "json", "--heartbeat"]).failed(2, &["--count 1"]);
}

#[test]
fn a_known_load_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let watch = Watch::new();
    let burner = Child::burning();
    let arguments = ["heartbeat", "--every", "2s", "--count", "3"];
    let rows = ran(folder.path(), &arguments).quiet().json();
    for (from, to) in rows.iter().zip(&rows[1..]) {
        let busy = watch.busy(time(from), time(to));
        let cpu = to["cpu"].as_f64().unwrap();
        assert!(
            (cpu - busy).abs() < 3.0,
            "{cpu} %, and /proc/stat has {busy} %"
        );
        let cores: Vec<f64> = serde_json::from_str(to["cores"].as_str().unwrap()).unwrap();
        assert_eq!(cores.len(), watch.cores());
        let mean = cores.iter().sum::<f64>() / cores.len() as f64;
        assert!(
            (cpu - mean).abs() < 3.0,
            "{cpu} % is not the mean of {cores:?}"
        );
    }
    // The one core that the child has burnt is in it.
    let share = burner.used() / watch.span() * 100.0 / watch.cores() as f64;
    let last = rows.last().unwrap()["cpu"].as_f64().unwrap();
    assert!(
        share > 1.0 && last > share / 2.0,
        "{last} %, of them {share} % of the child"
    );
}

#[test]
fn the_receivers_counters() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("beats.jsonl");
    let arguments = [
        "listen",
        "-k",
        "0",
        "-o",
        "jsonl:packets.jsonl",
        "-o",
        "null:",
        "--heartbeat",
        "jsonl:beats.jsonl",
        "--heartbeat-every",
        "250ms",
    ];
    let running = Running::new(dumpstream(folder.path(), &arguments));
    let text = records(1_000);
    let mut socket = TcpStream::connect(running.address()).unwrap();
    socket.write_all(text.as_bytes()).unwrap();
    let lanes = |beat: &Value| -> Vec<Value> {
        serde_json::from_str(beat["lanes"].as_str().unwrap()).unwrap()
    };
    let written = |beat: &Value| lanes(beat).iter().all(|lane| lane["delivered"] == 1_000);
    let beat = until("all packets are counted", || {
        beats(&file)
            .into_iter()
            .find(|beat| beat["records"] == 1_000 && written(beat))
    });
    assert_eq!(
        (&beat["bytes"], &beat["connections"]),
        (&text.len().into(), &1.into())
    );
    // The text has no numbers, so nobody knows.
    assert!(beat.get("lost").is_none() && beat.get("suspect").is_none());
    let lane = |name: &str| serde_json::json!({"name": name, "delivered": 1_000, "rejected": 0, "dropped": 0, "queued": 0});
    assert_eq!(lanes(&beat), [lane("jsonl:packets.jsonl"), lane("null:")]);
    drop(socket);
    until("the connection is gone", || {
        beats(&file)
            .iter()
            .any(|beat| beat["records"] == 1_000 && beat["connections"] == 0)
            .then_some(())
    });
    running.signal("TERM");
    let (status, said) = running.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("\n1000 packets received"), "{said}");
    assert!(
        said.contains("\n1000 packets written to jsonl:packets.jsonl\n"),
        "{said}"
    );
    assert!(
        !said.contains("heartbeat"),
        "nothing went wrong with it: {said}"
    );
}

#[test]
fn numbers_show_losses() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("beats.jsonl");
    let heartbeat = [
        "--heartbeat",
        "jsonl:beats.jsonl",
        "--heartbeat-every",
        "250ms",
    ];
    let arguments = [&["listen", "-k", "0", "-o", "null:"], &heartbeat[..]].concat();
    let running = Running::new(dumpstream(folder.path(), &arguments));
    let numbered = |n: usize| format!("{n:>5}  {}", super::program::record(n));
    let text: String = (1..11).chain(14..21).map(numbered).collect();
    let mut socket = TcpStream::connect(running.address()).unwrap();
    socket.write_all(text.as_bytes()).unwrap();
    drop(socket);
    until("the gap is counted", || {
        beats(&file)
            .iter()
            .any(|beat| beat["lost"] == 3 && beat["suspect"] == 0)
            .then_some(())
    });
}

/// Sends records until told to stop.
fn load(running: &Running, senders: usize, each: usize) -> Vec<thread::JoinHandle<()>> {
    let address = running.address();
    let send = |_| {
        thread::spawn(move || {
            let mut socket = TcpStream::connect(address).unwrap();
            let text = records(1_000);
            (0..each).for_each(|_| socket.write_all(text.as_bytes()).unwrap());
        })
    };
    (0..senders).map(send).collect()
}

#[test]
fn two_writers_of_one_database() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("packets.db");
    let heartbeat = [
        "--heartbeat",
        "sqlite:packets.db",
        "--heartbeat-every",
        "250ms",
    ];
    let arguments = [&["listen", "-k", "0"], &heartbeat[..]].concat();
    let running = Running::new(dumpstream(folder.path(), &arguments));
    // Transactions are long where the queue is full.
    let senders = load(&running, 4, 350);
    senders
        .into_iter()
        .for_each(|sender| sender.join().unwrap());
    // Beats are stored while packets wait for their turn, too.
    let under_load = ask(&file, "SELECT count(*) FROM heartbeats").unwrap_or(0);
    until("all packets are stored", || {
        (ask(&file, "SELECT count(*) FROM packets")? == 1_400_000).then_some(())
    });
    running.signal("TERM");
    let (status, said) = running.end();
    assert_eq!(status.code(), Some(0), "{said}");
    for trouble in ["locked", "resumed", "retrying", "dropped", "heartbeat"] {
        assert!(!said.contains(trouble), "{trouble}: {said}");
    }
    assert!(under_load > 0, "no beat was stored under load");
    // What was taken is stored: only a beat that was missed could lack, and none is reported.
    let numbers = "SELECT max(record) - count(*) FROM heartbeats";
    assert_eq!(ask(&file, numbers), Some(0));
    let last = ask(&file, "SELECT max(records) FROM heartbeats");
    assert!(last > Some(0), "{last:?}");
    assert_eq!(ask(&file, "SELECT count(*) FROM streams"), Some(5));
    let damage = "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'";
    assert_eq!(ask(&file, damage), Some(0));
}

#[test]
fn a_database_of_both_is_moved() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let heartbeat = [
        "--heartbeat",
        "sqlite:packets.db",
        "--heartbeat-every",
        "250ms",
    ];
    let arguments = [&["listen", "-k", "0"], &heartbeat[..]].concat();
    let running = Running::new(dumpstream(folder.path(), &arguments));
    let mut moved = Vec::new();
    let stored = |file: &str, table: &str| ask(&at(file), &format!("SELECT count(*) FROM {table}"));
    for n in 0..3 {
        let senders = load(&running, 1, 3);
        until("both are stored", || {
            let rows = (
                stored("packets.db", "packets")?,
                stored("packets.db", "heartbeats")?,
            );
            (rows.0 > 0 && rows.1 > 0).then_some(())
        });
        let name = format!("old{n}.db");
        fs::rename(at("packets.db"), at(&name)).unwrap();
        moved.push(name);
        senders
            .into_iter()
            .for_each(|sender| sender.join().unwrap());
        until("both have left it", || {
            let said = running.said();
            (said.matches("the database was moved").count() == 2 * (n + 1)).then_some(())
        });
    }
    running.signal("TERM");
    let (status, said) = running.end();
    assert_eq!(status.code(), Some(0), "{said}");
    moved.push("packets.db".to_owned());
    let all = |table: &str| -> i64 {
        let counts = moved.iter().map(|file| stored(file, table).unwrap_or(0));
        counts.sum()
    };
    assert_eq!(all("packets"), 9_000, "{said}");
    let mut numbers = BTreeMap::new();
    for file in &moved {
        let database = Connection::open(at(file)).unwrap();
        let Ok(mut rows) = database.prepare("SELECT record FROM heartbeats") else {
            continue;
        };
        let rows = rows.query_map([], |row| row.get::<_, i64>(0)).unwrap();
        rows.for_each(|record| *numbers.entry(record.unwrap()).or_insert(0) += 1);
    }
    assert!(numbers.values().all(|times| *times == 1), "{numbers:?}");
    let missed = if said.contains("not taken in time") {
        1
    } else {
        0
    };
    let lacks = numbers.len() as i64 - numbers.keys().last().copied().unwrap();
    assert!(missed == 1 || lacks == 0, "{numbers:?}");
}

#[test]
fn what_a_kill_leaves_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let outputs = [
        "-o",
        "jsonl:k.jsonl",
        "-o",
        "csv:k.csv",
        "-o",
        "sqlite:k.db",
    ];
    let arguments = [&["heartbeat", "--every", "250ms"], &outputs[..]].concat();
    let mut had = 0;
    for _ in 0..3 {
        let running = Running::new(dumpstream(folder.path(), &arguments));
        several(&at("k.jsonl"), had + 2);
        until("rows are stored", || {
            (ask(&at("k.db"), "SELECT count(*) FROM heartbeats")? >= 1).then_some(())
        });
        running.signal("KILL");
        running.end();
        let text = fs::read_to_string(at("k.jsonl")).unwrap();
        assert!(text.ends_with("}\n"), "{text}");
        let table = fs::read_to_string(at("k.csv")).unwrap();
        assert!(table.ends_with('\n'));
        let mut widths = table.lines().map(|line| {
            let quoted = line.split('"').step_by(2);
            quoted.map(|part| part.matches(',').count()).sum::<usize>()
        });
        let width = widths.next().unwrap();
        assert!(widths.all(|other| other == width), "{table}");
        let lacks = "SELECT count(*) FROM heartbeats WHERE cpu IS NULL OR memory_total IS NULL";
        assert_eq!(ask(&at("k.db"), lacks), Some(0));
        let damage = "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'";
        assert_eq!(ask(&at("k.db"), damage), Some(0));
        had = beats(&at("k.jsonl")).len();
    }
    assert_eq!(ask(&at("k.db"), "SELECT count(*) FROM streams"), Some(3));
}

#[test]
fn a_sink_that_takes_nothing_delays_nobody() {
    let folder = tempfile::tempdir().unwrap();
    // Nobody listens there.
    let heartbeat = [
        "--heartbeat",
        "cassandra://127.0.0.1:1/k",
        "--heartbeat-every",
        "250ms",
    ];
    let more = [
        "-o",
        "jsonl:p.jsonl",
        "--drain-timeout",
        "300ms",
        "--queue",
        "8KiB",
    ];
    let arguments = [&["listen", "-k", "0"], &heartbeat[..], &more].concat();
    let running = Running::new(dumpstream(folder.path(), &arguments));
    let mut socket = TcpStream::connect(running.address()).unwrap();
    socket.write_all(records(100).as_bytes()).unwrap();
    let file = folder.path().join("p.jsonl");
    until("packets are written all the same", || {
        (beats(&file).len() == 100).then_some(())
    });
    running.says("cassandra://127.0.0.1:1/k cannot keep up; dropping heartbeats.");
    running.signal("TERM");
    let (status, said) = running.end();
    assert_eq!(status.code(), Some(5), "{said}");
    let report = said
        .split("100 packets written to jsonl:p.jsonl")
        .nth(1)
        .expect(&said);
    assert!(
        report.contains("heartbeats dropped by cassandra://127.0.0.1:1/k"),
        "{said}"
    );
    assert!(!report.contains("packets dropped"), "{said}");
}

#[test]
fn what_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |arguments: &[&str], words: &[&str]| {
        ran(folder.path(), arguments).failed(2, words);
    };
    refused(
        &["heartbeat", "-o", "nope:x"],
        &["unknown sink", "sqlite:FILE"],
    );
    refused(&["heartbeat", "-o", "beats.db"], &["`sqlite:beats.db`"]);
    refused(&["heartbeat", "--every", "100ms"], &["250ms to 1d"]);
    refused(&["heartbeat", "--every", "0"], &["250ms to 1d"]);
    refused(&["heartbeat", "--count", "0"], &["--count"]);
    refused(&["heartbeat", "--sensor", " "], &["must not be empty"]);
    refused(
        &["heartbeat", "-o", "csv:-", "-o", "jsonl:-"],
        &["would mix"],
    );
    let block = "jsonl:x?on_full=block";
    refused(&["heartbeat", "-o", block], &["omit on_full=block"]);
    for command in [&["listen", "0"][..], &["connect", "127.0.0.1", "1"]] {
        let refused = |more: &[&str], words: &[&str]| refused(&[command, more].concat(), words);
        refused(&["--heartbeat", "nope:x"], &["unknown sink"]);
        refused(&["--heartbeat", block], &["omit on_full=block"]);
        refused(&["--heartbeat-every", "1s"], &["--heartbeat <URL>"]);
        let both = |output, heartbeat| ["-o", output, "--heartbeat", heartbeat];
        refused(
            &both("jsonl:x", "jsonl:x"),
            &["jsonl:x is where packets are written"],
        );
        refused(
            &both("jsonl:x", "csv:x"),
            &["csv:x is where packets are written"],
        );
        refused(&both("csv:-", "jsonl:-"), &["would mix"]);
        refused(&both("sqlite:x?rotate=1h", "sqlite:x"), &["is rotated"]);
        refused(
            &["--heartbeat", "csv:packets.db"],
            &["csv:packets.db is where packets"],
        );
        let table = "cassandra://127.0.0.1:1/k.t";
        refused(&both(table, table), &["is where packets are written"]);
        refused(
            &["--heartbeat", "jsonl:y", "--rejects", "y"],
            &["--rejects and jsonl:y"],
        );
    }
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "nothing was opened: {left:?}");
}

#[test]
fn a_name_cannot_act_on_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["heartbeat", "--sensor", "a\u{1b}[31mb", "-o", "null:"];
    let running = Running::new(dumpstream(folder.path(), &arguments));
    let said = running.says("writing a heartbeat of");
    assert!(!said.contains('\u{1b}'), "{said:?}");
}

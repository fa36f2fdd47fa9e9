//! `--rejects` and `--from-rejects`.

use std::fs;
use std::io::Write;
use std::net::TcpStream;

use rusqlite::Connection;

use crate::program::{Running, dumpstream, fed, ran, record};

/// Records 1, 3 and 5 are of a protocol that is not known; 3 has bytes that are not UTF-8.
fn text() -> Vec<u8> {
    let odd = |n: usize, more: &[u8]| {
        let head = format!("10:00:{n:02}.000000 (frobnicate) colour {n}");
        [head.as_bytes(), more, b"\n\t0x0000:  4500\n"].concat()
    };
    [
        odd(1, b""),
        record(2).into_bytes(),
        odd(3, b" \xff\x00\x1b[2J caf\xc3\xa9"),
        record(4).into_bytes(),
        odd(5, b""),
    ]
    .concat()
}

const MENDED: &str = r#"{"namespace": "mine", "fields": [
    {"name": "time", "in": "stamp", "regex": "(.+)", "type": "timestamp"},
    {"name": "colour", "in": "head", "regex": "colour (\\d+)", "type": "int"}]}"#;

const DATED: [&str; 3] = ["parse", "--date", "2026-01-31"];

#[test]
fn unparsed_records_are_kept_with_their_place() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.txt"), text()).unwrap();
    let keep = ["--rejects", "odd.jsonl", "a.txt"];
    let run = ran(folder.path(), &[&DATED[..], &keep].concat());
    let run = run.failed(
        0,
        &[
            "3 packets of unknown protocols",
            "3 records kept in odd.jsonl",
        ],
    );
    // They are in the sink all the same.
    assert_eq!(run.json().len(), 5);
    let file = folder.path().join("odd.jsonl");
    let kept = fs::read_to_string(&file).unwrap();
    assert!(!kept.contains('\x1b'));
    let lines: Vec<serde_json::Value> = kept
        .lines()
        .map(|line| serde_json::from_str(line).expect(line))
        .collect();
    assert_eq!(lines.len(), 3);
    for (line, n) in lines.iter().zip([1, 3, 5]) {
        assert_eq!(line["reason"], "unparsed");
        assert_eq!(
            (&line["sensor"], &line["record"]),
            (&"a.txt".into(), &n.into())
        );
        assert_eq!(line["time_source"], "date");
        assert_eq!(line["time"], format!("2026-01-31T10:00:0{n}.000000Z"));
        // The text, where it was.
        let raw: Vec<u8> = match line["raw"].as_str() {
            Some(raw) => raw.as_bytes().to_vec(),
            None => line["raw_latin1"]
                .as_str()
                .unwrap()
                .chars()
                .map(|c| c as u8)
                .collect(),
        };
        let offset = line["offset"].as_u64().unwrap() as usize;
        assert!(text()[offset..].starts_with(&raw) && raw.ends_with(b"4500\n"));
    }
    assert!(lines[1].get("raw").is_none());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
    // A second run adds to it, also after half a line.
    fs::OpenOptions::new()
        .append(true)
        .open(&file)
        .unwrap()
        .write_all(b"{\"half")
        .unwrap();
    ran(folder.path(), &[&DATED[..], &keep].concat());
    let twice = fs::read_to_string(&file).unwrap();
    assert_eq!(twice.lines().count(), 7);
    assert!(twice.starts_with(&kept) && twice.ends_with(&kept));
    // Nothing to reject, nothing said.
    fs::write(folder.path().join("good.txt"), record(1)).unwrap();
    ran(
        folder.path(),
        &[&DATED[..], &["--rejects", "none", "good.txt"]].concat(),
    )
    .quiet();
    let one = [&DATED[..], &["--rejects", "x", "-o", "jsonl:x", "good.txt"]].concat();
    ran(folder.path(), &one).failed(2, &["name the same file"]);
}

#[test]
fn they_come_back_under_their_own_identity() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.txt"), text()).unwrap();
    fs::write(folder.path().join("mine.json"), MENDED).unwrap();
    let db = ["-q", "-o", "sqlite:a.db"];
    let keep = [&DATED[..], &db, &["--rejects", "odd.jsonl", "a.txt"]].concat();
    ran(folder.path(), &keep);
    let rows = || {
        let sql = "SELECT sensor, stream, record, time, protocol, ttl FROM packets ORDER BY record";
        ran(folder.path(), &["query", "-d", "a.db", "-f", "jsonl", sql])
            .quiet()
            .out
    };
    let before = rows();
    let mended = [
        "parse",
        "-q",
        "-o",
        "sqlite:a.db",
        "--namespace",
        "mine.json",
    ];
    let from = [&mended[..], &["--from-rejects", "odd.jsonl"]].concat();
    for _ in 0..2 {
        ran(folder.path(), &from).quiet();
        // No row more, none less; what the namespace does not speak of is as it was.
        assert_eq!(rows(), before);
        let sql = "SELECT record, colour FROM packets WHERE colour IS NOT NULL ORDER BY record";
        let colours = ran(folder.path(), &["query", "-d", "a.db", "-f", "csv", sql]).quiet();
        assert_eq!(colours.out, "record,colour\r\n1,1\r\n3,3\r\n5,5\r\n");
    }
    // To JSON, with what is still odd kept elsewhere.
    let json = [
        "parse",
        "--origin",
        "--from-rejects",
        "odd.jsonl",
        "--rejects",
        "still.jsonl",
    ];
    let json = ran(folder.path(), &json)
        .failed(0, &["3 records kept in still.jsonl"])
        .json();
    let records: Vec<_> = json
        .iter()
        .map(|row| row["record"].as_u64().unwrap())
        .collect();
    assert_eq!(records, [1, 3, 5]);
    assert_eq!(json[0]["time"], "2026-01-31T10:00:01.000000Z");
    let lines = |name| {
        fs::read_to_string(folder.path().join(name))
            .unwrap()
            .lines()
            .count()
    };
    assert_eq!((lines("odd.jsonl"), lines("still.jsonl")), (3, 3));
    let itself = [
        "parse",
        "--from-rejects",
        "odd.jsonl",
        "--rejects",
        "odd.jsonl",
    ];
    ran(folder.path(), &itself).failed(2, &["never end"]);
    let other = ["parse", "--from-rejects", "odd.jsonl", "--stream", "s"];
    ran(folder.path(), &other).failed(2, &["--stream"]);
}

#[test]
fn rows_that_a_sink_refused_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let text: String = (0..30).map(record).collect();
    fs::write(folder.path().join("a.txt"), text).unwrap();
    let into = ["-o", "sqlite:a.db", "--rejects", "odd.jsonl"];
    // The tables, then somebody's trigger.
    fed(folder.path(), &[&DATED[..], &into].concat(), b"").quiet();
    let db = Connection::open(folder.path().join("a.db")).unwrap();
    let trigger = "CREATE TRIGGER t BEFORE INSERT ON packet WHEN NEW.ip_id IN (0, 13) \
                   BEGIN SELECT RAISE(ABORT, 'not this one'); END";
    db.execute_batch(trigger).unwrap();
    let run = ran(folder.path(), &[&DATED[..], &into, &["a.txt"]].concat());
    let run = run.failed(
        0,
        &[
            "28 packets written to",
            "2 packets rejected by",
            "2 records kept in odd",
        ],
    );
    assert_eq!(run.out, "");
    let kept = fs::read_to_string(folder.path().join("odd.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> = kept
        .lines()
        .map(|line| serde_json::from_str(line).expect(line))
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1]["reason"], "refused");
    assert_eq!(lines[1]["sink"], "sqlite:a.db");
    assert_eq!(lines[1]["detail"], "not this one");
    assert_eq!(
        (&lines[0]["record"], &lines[1]["record"]),
        (&1.into(), &14.into())
    );
    assert_eq!(lines[1]["raw"], record(13));
    let count = || -> (i64, i64) {
        let sql = "SELECT count(*), max(record) FROM packet";
        db.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
    };
    assert_eq!(count(), (28, 30));
    // Still refused, still counted; the first record of the stream does not take the others away.
    let from = ["parse", "-o", "sqlite:a.db", "--from-rejects", "odd.jsonl"];
    ran(folder.path(), &from).failed(0, &["2 packets rejected by"]);
    assert_eq!(count(), (28, 30));
    db.execute_batch("DROP TRIGGER t").unwrap();
    ran(folder.path(), &from).quiet();
    assert_eq!(count(), (30, 30));
    // The file as a whole again: everything is known.
    ran(
        folder.path(),
        &[&DATED[..], &into[..2], &["a.txt"]].concat(),
    )
    .failed(0, &["30 of them already stored"]);
    assert_eq!(count(), (30, 30));
}

#[test]
fn a_connection_has_rejects_too() {
    let folder = tempfile::tempdir().unwrap();
    let listen = ["listen", "0", "-o", "null:", "--rejects", "odd.jsonl"];
    let running = Running::new(dumpstream(folder.path(), &listen));
    let mut sender = TcpStream::connect(running.address()).unwrap();
    sender.write_all(&text()).unwrap();
    drop(sender);
    let (status, said) = running.end();
    assert!(
        status.success() && said.contains("3 records kept in odd.jsonl"),
        "{said}"
    );
    let kept = fs::read_to_string(folder.path().join("odd.jsonl")).unwrap();
    assert_eq!(kept.lines().count(), 3);
    assert!(kept.contains("\"sensor\":\"127.0.0.1\""));
}

/// In every style of stamps: a record alone is read as it was among the others.
#[test]
fn rejects_of_the_samples_come_back_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let rows = |name: &str| fs::read_to_string(at(name)).unwrap_or_default();
    let mut compared = 0;
    for sample in given::samples() {
        for name in ["odd.jsonl", "all.jsonl", "again.jsonl"] {
            fs::write(at(name), "").unwrap();
        }
        let path = sample.path.to_str().unwrap();
        let full = ["-q", "--origin", "--raw"];
        let keep = ["--rejects", "odd.jsonl", "-o", "jsonl:all.jsonl", path];
        ran(folder.path(), &[&DATED[..], &full, &keep].concat());
        let from = ["--from-rejects", "odd.jsonl", "-o", "jsonl:again.jsonl"];
        ran(folder.path(), &[&["parse"][..], &full, &from].concat()).quiet();
        let (all, again) = (rows("all.jsonl"), rows("again.jsonl"));
        assert_eq!(
            again.lines().count(),
            rows("odd.jsonl").lines().count(),
            "{path}"
        );
        let all: std::collections::HashSet<&str> = all.lines().collect();
        for row in again.lines() {
            assert!(all.contains(row), "{path}: {row}");
            compared += 1;
        }
    }
    assert!(compared > 100, "{compared}");
}

#[test]
fn rejects_that_are_damaged_are_told() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.txt"), text()).unwrap();
    ran(
        folder.path(),
        &[&DATED[..], &["-q", "--rejects", "odd.jsonl", "a.txt"]].concat(),
    );
    let good = fs::read_to_string(folder.path().join("odd.jsonl")).unwrap();
    let damaged = format!("nonsense\x1b\n{good}{}", &good[..40]);
    fs::write(folder.path().join("damaged.jsonl"), damaged).unwrap();
    let run = ran(folder.path(), &["parse", "--from-rejects", "damaged.jsonl"]);
    let run = run.failed(1, &["damaged.jsonl", "line=1", "line=5", "2 lines are"]);
    assert_eq!(run.json().len(), 3);
    assert!(!run.err.contains('\x1b'));
    assert!(!run.err.contains("reading stopped"), "{}", run.err);
    let text = ran(folder.path(), &["parse", "--from-rejects", "a.txt"]);
    text.failed(
        1,
        &["a.txt: no rejected records found", "not a JSON object"],
    );
    ran(folder.path(), &["parse", "--from-rejects", "gone"]).failed(1, &["gone", "No such file"]);
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "there is no /dev/full")]
fn rejects_that_cannot_be_written_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let run = fed(
        folder.path(),
        &[&DATED[..], &["--rejects", "/dev/full"]].concat(),
        &text(),
    );
    let run = run.failed(1, &["3 rejects not kept", "No space"]);
    assert_eq!(run.json().len(), 5);
}

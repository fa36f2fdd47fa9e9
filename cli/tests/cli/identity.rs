//! Which stream a file is: its content decides, whatever its name and however it begins.

use std::fs;
use std::path::Path;

use crate::program::{Ran, Running, dumpstream, fed, ran, until};

/// A packet of the second `n`, told by its port.
fn packet(n: u32) -> String {
    packet_at(&format!("10:00:{n:02}.000000 "), n)
}

fn packet_at(stamp: &str, n: u32) -> String {
    format!("{stamp}IP 192.0.2.1.{n} > 198.51.100.2.53: UDP, length {n}\n")
}

fn text(packets: &[u32]) -> String {
    packets.iter().copied().map(packet).collect()
}

const ARP: &str = "ARP, Request who-has 192.0.2.1 tell 192.0.2.254, length 28\n";

/// Parses into p.db.
fn parse(folder: &Path, more: &[&str]) -> Ran {
    let parse = ["parse", "--date", "2026-01-31", "-o", "sqlite:p.db"];
    let ran = ran(folder, &[&parse, more].concat());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran
}

/// The rows that a query finds; nothing while there is no table.
fn query(folder: &Path, sql: &str) -> String {
    let ran = ran(folder, &["query", "-d", "p.db", "-f", "csv", sql]);
    let rows = ran.out.lines().skip(1);
    rows.collect::<Vec<_>>().join(" ")
}

/// The ports of each stream, in the order in which the streams came.
fn streams(folder: &Path) -> String {
    query(
        folder,
        "SELECT (SELECT group_concat(coalesce(source_port, 'arp'), ' ') FROM \
         (SELECT * FROM packet WHERE packet.stream = streams.id ORDER BY record)) FROM streams ORDER BY id",
    )
}

const DIFFERS: &str = "differs from the text that was read earlier under this name";

#[test]
fn a_wider_filter_is_another_text() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let file = path.join("out.txt");
    let texts = [text(&[1, 3]), text(&[1, 2, 3]), text(&[1, 2, 4, 5])];
    for (text, said, there) in [
        (&texts[0], None, "1 3"),
        (
            &texts[1],
            Some("a copy of the packet before it"),
            "1 3 1 2 3",
        ),
        (
            &texts[2],
            Some("copies of the 2 packets before it"),
            "1 3 1 2 3 1 2 4 5",
        ),
    ] {
        fs::write(&file, text).unwrap();
        let ran = parse(path, &["out.txt"]);
        match said {
            None => assert_eq!(ran.err, ""),
            Some(said) => assert!(
                ran.err.contains(DIFFERS) && ran.err.contains(said),
                "{ran:?}"
            ),
        }
        assert_eq!(streams(path), there);
    }
    // Each of them again, and what they have when they grow.
    for text in &texts {
        fs::write(&file, text).unwrap();
        let ran = parse(path, &["out.txt"]);
        assert!(
            ran.err.contains(" 0 new packets") || ran.err.starts_with("0 new packets"),
            "{ran:?}"
        );
        assert!(!ran.err.contains(DIFFERS), "{ran:?}");
    }
    fs::write(&file, text(&[1, 2, 3, 9])).unwrap();
    let ran = parse(path, &["out.txt"]);
    assert!(
        ran.err
            .contains("1 new packet written to sqlite:p.db, 3 already stored"),
        "{ran:?}"
    );
    assert_eq!(streams(path), "1 3 1 2 3 9 1 2 4 5");
    // All of them give way.
    fs::write(&file, text(&[1, 7])).unwrap();
    parse(path, &["--replace", "out.txt"]).quiet();
    assert_eq!(streams(path), "1 7");
    assert_eq!(query(path, "SELECT count(*) FROM packet"), "2");
}

/// Days without dates in their stamps begin alike.
#[test]
fn days_that_begin_alike_are_several() {
    for stamps in [
        ["", "", ""],
        [
            " 00:00:00.000000 ",
            " 00:00:01.500000 ",
            " 00:00:00.250000 ",
        ],
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let day = |n: u32| {
            let [first, second, third] = stamps;
            format!(
                "{first}{ARP}{}{}",
                packet_at(second, n),
                packet_at(third, n + 1)
            )
        };
        for (date, n) in [("2026-01-30", 10), ("2026-01-31", 20)] {
            fs::write(path.join("day.txt"), day(n)).unwrap();
            // Without stamps, the time is that of the file.
            let at: jiff::Timestamp = format!("{date}T12:00:00Z").parse().unwrap();
            let file = fs::File::options()
                .append(true)
                .open(path.join("day.txt"))
                .unwrap();
            let since = std::time::Duration::from_secs(at.as_second().unsigned_abs());
            file.set_modified(std::time::UNIX_EPOCH + since).unwrap();
            let parse = [
                "parse",
                "--tz",
                "UTC",
                "--date",
                date,
                "day.txt",
                "-o",
                "sqlite:p.db",
                "--stamp",
                "delta",
            ];
            assert_eq!(ran(path, &parse).code, Some(0));
        }
        assert_eq!(streams(path), "arp 10 11 arp 20 21");
        // The copy of what both begin with is of its own day.
        let days =
            "SELECT substr(time, 1, 10), count(*), count(DISTINCT stream) FROM packets GROUP BY 1";
        assert_eq!(query(path, days), "2026-01-30,3,1 2026-01-31,3,1");
    }
}

#[test]
fn files_of_one_name_are_told_apart() {
    for together in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let files = [("a/day.txt", [1, 2, 3]), ("b/day.txt", [1, 5, 6])];
        for (file, packets) in files {
            fs::create_dir(path.join(file).parent().unwrap()).unwrap();
            fs::write(path.join(file), text(&packets)).unwrap();
        }
        let both = |more: &[&str]| match together {
            true => parse(path, &[&["a/day.txt", "b/day.txt"], more].concat()).err,
            false => files
                .map(|(file, _)| parse(path, &[&[file], more].concat()).err)
                .concat(),
        };
        assert!(both(&[]).contains(DIFFERS));
        assert_eq!(streams(path), "1 2 3 1 5 6");
        assert!(!both(&[]).contains(DIFFERS));
        assert_eq!(streams(path), "1 2 3 1 5 6");
        // One run replaces what was there before it.
        both(&["--replace"]);
        let last = if together { "1 2 3 1 5 6" } else { "1 5 6" };
        assert_eq!(streams(path), last);
        // A copy under another name is another sensor's.
        fs::copy(path.join("b/day.txt"), path.join("copy.txt")).unwrap();
        parse(path, &["copy.txt"]).quiet();
        assert_eq!(streams(path), format!("{last} 1 5 6"));
    }
}

#[test]
fn a_followed_file_that_is_written_again_is_another_text() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(path.join("a.txt"), text(&[1, 3])).unwrap();
    for (written, there) in [([1, 2, 3], "1 3 1 2 3"), ([1, 2, 9], "1 3 1 2 3 1 2 9")] {
        let follow = [
            "parse",
            "--date",
            "2026-01-31",
            "--follow",
            "a.txt",
            "-o",
            "sqlite:p.db",
        ];
        let running = Running::new(dumpstream(path, &follow));
        until("what was there is read", || {
            streams(path).starts_with("1 3").then_some(())
        });
        fs::write(path.join("a.txt"), text(&written)).unwrap();
        until("what is there now is read", || {
            (streams(path) == there).then_some(())
        });
        running.says(DIFFERS);
        running.signal("TERM");
        assert!(running.end().0.success());
    }
}

/// The tables of a database that was made before texts were compared.
const OLD: &str = "
PRAGMA application_id = 1685417328;
PRAGMA user_version = 1;
CREATE TABLE streams(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sensor TEXT NOT NULL,
    stream TEXT NOT NULL,
    records INTEGER NOT NULL DEFAULT 0,
    complete INTEGER NOT NULL DEFAULT 1,
    first_time INTEGER,
    last_time INTEGER,
    UNIQUE(sensor, stream)
) STRICT;
CREATE TABLE gaps(stream INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    PRIMARY KEY(stream, first)) STRICT, WITHOUT ROWID;
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT) STRICT;
CREATE TABLE packet(time INTEGER NOT NULL, stream INTEGER NOT NULL, record INTEGER NOT NULL,
    time_source TEXT, truncated INTEGER, source_port INTEGER, PRIMARY KEY(time, stream, record)) STRICT, WITHOUT ROWID;
";

#[test]
fn a_database_of_before_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let old = rusqlite::Connection::open(path.join("p.db")).unwrap();
    old.execute_batch(OLD).unwrap();
    let name = dumpstream::hash::stream_name("a.txt", packet(1).as_bytes());
    let at = 1_769_853_600_000_000_000_i64;
    let stream = "INSERT INTO streams VALUES (1, 'a.txt', ?1, 2, 1, ?2, ?3)";
    old.execute(stream, (&name, at + 1_000_000_000, at + 2_000_000_000))
        .unwrap();
    for n in [1, 2] {
        old.execute(
            "INSERT INTO packet VALUES (?1, 1, ?2, 'date', NULL, ?2)",
            (at + n * 1_000_000_000, n),
        )
        .unwrap();
    }
    drop(old);
    // What was stored then is there; what comes from now on is compared.
    for (packets, there) in [
        (&[1, 2, 3][..], "1 2 3"),
        (&[1, 2, 3, 4, 5], "1 2 3 4 5"),
        (&[1, 2, 3, 4, 6], "1 2 3 4 5 1 2 3 4 6"),
        (&[1, 2, 3, 4, 6], "1 2 3 4 5 1 2 3 4 6"),
        (&[1, 2, 3, 4, 5], "1 2 3 4 5 1 2 3 4 6"),
    ] {
        fs::write(path.join("a.txt"), text(packets)).unwrap();
        parse(path, &["--tz", "UTC", "a.txt"]);
        assert_eq!(streams(path), there);
    }
}

/// A name for what comes by a pipe.
#[test]
fn other_text_of_standard_input_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let named = [
        "parse",
        "--date",
        "2026-01-31",
        "--stream",
        "x",
        "-o",
        "sqlite:p.db",
    ];
    for (packets, said, there) in [
        ([1, 2], "", "1 2"),
        ([1, 3], DIFFERS, "1 2 1 3"),
        ([1, 2], "2 already stored", "1 2 1 3"),
    ] {
        let ran = fed(folder.path(), &named, text(&packets).as_bytes());
        assert!(ran.code == Some(0) && ran.err.contains(said), "{ran:?}");
        assert_eq!(streams(folder.path()), there);
    }
}

/// Rejected rows go back to where they came from.
#[test]
fn a_reject_of_another_text_changes_its_own_row() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let odd = "10:00:02.000000 Nonsense 7\n";
    for other in [packet(2), odd.to_owned(), odd.replace('7', "8")] {
        fs::write(path.join("a.txt"), packet(1) + &other + &packet(3)).unwrap();
        parse(path, &["a.txt", "--rejects", "odd.jsonl"]);
    }
    let namespace = r#"{"namespace": "mine", "fields": [
        {"name": "source_port", "in": "endpoints", "regex": "\\.(\\d+) > ", "type": "port", "doc": "p"},
        {"name": "odd", "in": "head", "regex": "Nonsense (\\d)", "type": "int", "doc": "n"}]}"#;
    fs::write(path.join("mine.json"), namespace).unwrap();
    let again = [
        "parse",
        "--namespace",
        "mine.json",
        "--from-rejects",
        "odd.jsonl",
        "-o",
        "sqlite:p.db",
    ];
    assert_eq!(ran(path, &again).code, Some(0));
    let odd = "SELECT source_port, odd FROM packet WHERE record = 2 ORDER BY stream";
    assert_eq!(query(path, odd), "2, ,7 ,8");
    assert_eq!(query(path, "SELECT count(*) FROM packet"), "9");
}

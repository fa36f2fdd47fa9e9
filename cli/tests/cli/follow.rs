//! `--follow`: files that grow, are renamed and made anew, or are emptied.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::ops::Range;
use std::path::Path;

use crate::program::{Running, dumpstream, gz, ran, record, records, until};

fn text(range: Range<usize>) -> String {
    range.map(record).collect()
}

struct Followed {
    folder: tempfile::TempDir,
    running: Running,
}

impl Followed {
    fn new(folder: tempfile::TempDir) -> Followed {
        let follow = [
            "parse",
            "--follow",
            "a.txt",
            "--origin",
            "-o",
            "jsonl:out.jsonl",
        ];
        let running = Running::new(dumpstream(folder.path(), &follow));
        Followed { folder, running }
    }

    fn at(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn append(&self, name: &str, text: &str) {
        append(&self.at(name), text);
    }

    /// The ports of the rows that are there, which say which records they are.
    fn rows(&self) -> Vec<serde_json::Value> {
        let text = fs::read_to_string(self.at("out.jsonl")).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).expect(line))
            .collect()
    }

    #[track_caller]
    fn waits(&self, rows: usize) -> Vec<serde_json::Value> {
        until(&format!("{rows} rows are there"), || {
            let there = self.rows();
            assert!(
                there.len() <= rows,
                "{} rows: {:?}",
                there.len(),
                there.last()
            );
            (there.len() == rows).then_some(there)
        })
    }

    fn ends(self) {
        self.running.signal("TERM");
        let (status, said) = self.running.end();
        assert!(status.success(), "{said}");
    }
}

fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

#[track_caller]
fn are(rows: &[serde_json::Value], records: Range<usize>) {
    let ports: Vec<_> = rows
        .iter()
        .map(|row| row["source_port"].as_u64().unwrap())
        .collect();
    let expected: Vec<_> = records.map(|n| 1024 + n as u64).collect();
    assert_eq!(ports, expected);
}

#[test]
fn a_file_that_grows_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.txt"), records(10)).unwrap();
    let followed = Followed::new(folder);
    // The last one has no successor: it comes after an idle time.
    are(&followed.waits(10), 0..10);
    // In pieces that are no lines.
    let more = text(10..20);
    for piece in more.as_bytes().chunks(100) {
        followed.append("a.txt", str::from_utf8(piece).unwrap());
    }
    let rows = followed.waits(20);
    are(&rows, 0..20);
    assert_eq!(rows[19]["record"], 20);
    assert_eq!(rows[0]["stream"], rows[19]["stream"]);
    // What was there has the date of the file's last change, what came the day it came.
    assert!(rows.iter().all(|row| row["time_source"] == "date"));
    followed.ends();
}

#[test]
#[cfg_attr(not(unix), ignore = "files cannot be told apart there")]
fn a_file_that_is_renamed_and_made_anew_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.txt"), records(10)).unwrap();
    let followed = Followed::new(folder);
    followed.waits(10);
    fs::rename(followed.at("a.txt"), followed.at("a.txt.1")).unwrap();
    // The writer has not noticed yet: it is read all the same.
    followed.append("a.txt.1", &text(10..15));
    File::create(followed.at("a.txt")).unwrap();
    followed.append("a.txt.1", &text(15..20));
    are(&followed.waits(20), 0..20);
    followed.append("a.txt", &text(20..30));
    let rows = followed.waits(30);
    are(&rows, 0..30);
    // Another file is another stream.
    assert_ne!(rows[19]["stream"], rows[20]["stream"]);
    assert_eq!(rows[20]["record"], 1);
    assert_eq!(rows[20]["sensor"], "a.txt");
    // Once more, and the end while the old one is still held.
    fs::rename(followed.at("a.txt"), followed.at("a.txt.2")).unwrap();
    followed.append("a.txt", &text(30..40));
    are(&followed.waits(40), 0..40);
    followed.ends();
}

/// Files that take the name and lose it again while the one before them is still read.
#[test]
#[cfg_attr(
    not(target_os = "linux"),
    ignore = "only /proc shows which files a program holds"
)]
fn a_file_that_loses_the_name_before_it_is_read_is_not_missed() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.txt"), records(10)).unwrap();
    let followed = Followed::new(folder);
    followed.waits(10);
    let mut late = 1000..;
    for n in 1..=3 {
        let aside = followed.at(&format!("a.txt.{n}"));
        fs::rename(followed.at("a.txt"), &aside).unwrap();
        followed.append("a.txt", &text(n * 10..n * 10 + 10));
        let files = format!("/proc/{}/fd", followed.running.id());
        until("the new file is held", || {
            // The first one's writer has not noticed, and keeps it from being left.
            let late = late.next().expect("it is endless");
            followed.append("a.txt.1", &record(late));
            let held = |file: fs::DirEntry| fs::read_link(file.path());
            let mut held = fs::read_dir(&files).unwrap().flatten().flat_map(held);
            held.any(|file| file == followed.at("a.txt")).then_some(())
        });
    }
    let rows = followed.waits(40 + late.start - 1000);
    let (_, rows): (Vec<_>, Vec<_>) = rows
        .into_iter()
        .partition(|row| row["source_port"].as_u64() >= Some(1024 + 1000));
    are(&rows, 0..40);
    followed.ends();
}

#[test]
fn a_file_that_is_emptied_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.txt"), records(10)).unwrap();
    let followed = Followed::new(folder);
    followed.waits(10);
    let truncate = || {
        let file = OpenOptions::new()
            .write(true)
            .open(followed.at("a.txt"))
            .unwrap();
        file.set_len(0).unwrap();
    };
    truncate();
    followed.append("a.txt", &text(10..13));
    let rows = followed.waits(13);
    are(&rows, 0..13);
    assert_eq!(rows[10]["record"], 1);
    // It is longer again, by the time we look, than it ever was.
    truncate();
    followed.append("a.txt", &text(13..200));
    are(&followed.waits(200), 0..200);
    // A writer that does not append goes on where it was: before that is a hole.
    truncate();
    let end = text(13..200).len() as u64;
    let mut file = OpenOptions::new()
        .write(true)
        .open(followed.at("a.txt"))
        .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(end)).unwrap();
    file.write_all(text(200..210).as_bytes()).unwrap();
    let rows = followed.waits(210);
    are(&rows, 0..210);
    followed.ends();
}

#[test]
fn a_file_that_is_not_there_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let followed = Followed::new(folder);
    followed.running.says("waiting for it");
    followed.append("a.txt", &text(0..5));
    are(&followed.waits(5), 0..5);
    followed.ends();
}

#[test]
fn what_cannot_be_followed_is_told() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.gz"), gz(b"x")).unwrap();
    fs::create_dir(folder.path().join("d")).unwrap();
    ran(folder.path(), &["parse", "--follow"]).failed(2, &["needs a file name"]);
    ran(folder.path(), &["parse", "--follow", "-"]).failed(2, &["needs a file name"]);
    let named = ["parse", "--follow", "a.gz", "--stream", "s"];
    ran(folder.path(), &named).failed(2, &["--stream s"]);
    ran(folder.path(), &["parse", "--follow", "a.gz"]).failed(1, &["a.gz", "compressed"]);
    ran(folder.path(), &["parse", "--follow", "d"]).failed(1, &["d: ", "regular file"]);
}

#[test]
fn several_files_are_followed_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let follow = [
        "parse",
        "--follow",
        "a",
        "b",
        "--origin",
        "-o",
        "jsonl:out.jsonl",
    ];
    for name in ["a", "b"] {
        fs::write(folder.path().join(name), records(3)).unwrap();
    }
    let running = Running::new(dumpstream(folder.path(), &follow));
    let rows =
        || fs::read_to_string(folder.path().join("out.jsonl")).map_or(0, |t| t.lines().count());
    until("both are read", || (rows() == 6).then_some(()));
    append(&folder.path().join("b"), &text(3..6));
    append(&folder.path().join("a"), &text(3..4));
    until("both go on", || (rows() == 10).then_some(()));
    running.signal("INT");
    assert!(running.end().0.success());
}

#[test]
#[cfg_attr(not(unix), ignore = "files cannot be told apart there")]
fn a_file_followed_twice_adds_no_row() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    fs::write(path.join("a.txt"), records(10)).unwrap();
    let count = || {
        let sql = "SELECT count(*) n FROM packets";
        let query = ran(&path, &["query", "-d", "a.db", "-f", "jsonl", sql]);
        query.json().first().map(|row| row["n"].as_u64().unwrap())
    };
    for rows in [10, 12] {
        let follow = ["parse", "--follow", "a.txt", "-o", "sqlite:a.db"];
        let running = Running::new(dumpstream(&path, &follow));
        until("the rows are there", || {
            (count() == Some(rows)).then_some(())
        });
        running.signal("INT");
        assert!(running.end().0.success());
        append(&path.join("a.txt"), &text(10..12));
    }
    // The file under its new name is the same rows.
    fs::rename(path.join("a.txt"), path.join("a.txt.1")).unwrap();
    let again = ["parse", "a.txt.1", "--sensor", "a.txt", "-o", "sqlite:a.db"];
    ran(&path, &again).failed(
        0,
        &["2 new packets written to sqlite:a.db, 12 already stored"],
    );
    assert_eq!(count(), Some(14));
}

/// A file's end that stands within a record, at each stop and start.
#[test]
fn a_stop_leaves_what_is_no_record_yet() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let whole = text(0..4);
    // Within the second line of the third and of the fourth.
    let lines: Vec<_> = whole.match_indices('\n').map(|(at, _)| at).collect();
    let ends = [lines[4] + 10, lines[6] + 10, whole.len()];
    for (i, end) in ends.into_iter().enumerate() {
        fs::write(path.join("a.txt"), &whole[..end]).unwrap();
        let jsonl = format!("jsonl:{i}.jsonl");
        let follow = [
            "parse",
            "--follow",
            "a.txt",
            "-o",
            "sqlite:a.db",
            "-o",
            &jsonl,
        ];
        let running = Running::new(dumpstream(path, &follow));
        let ended = whole[..end].matches("UDP, length 2\n").count();
        let lines =
            || fs::read_to_string(path.join(format!("{i}.jsonl"))).map_or(0, |t| t.lines().count());
        until("what is whole is written", || {
            (lines() == ended).then_some(())
        });
        running.signal("TERM");
        let (status, said) = running.end();
        assert!(status.success(), "{said}");
        let left = "of an unfinished packet left for the next run";
        assert_eq!(said.contains(left), end < whole.len(), "{said}");
        assert_eq!(lines(), ended);
        let sql = "SELECT count(*) n, count(truncated) cut FROM packets";
        let rows = ran(path, &["query", "-d", "a.db", "-f", "csv", sql]).quiet();
        assert_eq!(rows.out, format!("n,cut\n{ended},0\n"));
    }
}

#[test]
fn rows_that_are_added_again_are_said() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.txt"), records(3)).unwrap();
    for url in ["jsonl:x.jsonl", "csv:x.csv"] {
        for again in [false, true] {
            let follow = ["parse", "--follow", "a.txt", "-o", url];
            let running = Running::new(dumpstream(folder.path(), &follow));
            let file = folder.path().join(url.split(':').nth(1).unwrap());
            let rows = if again { 6 } else { 3 } + usize::from(url.starts_with("csv"));
            until("the rows are there", || {
                (fs::read_to_string(&file).ok()?.lines().count() == rows).then_some(())
            });
            running.signal("TERM");
            let (_, said) = running.end();
            let warned =
                format!("{url} already has 3 rows: --follow reads a file from its beginning");
            assert_eq!(said.contains(&warned), again, "{said}");
        }
    }
}

/// Lines of a packet that come later belong to it: a writer of a file writes in blocks.
#[test]
fn lines_that_come_late_are_of_their_packet() {
    let folder = tempfile::tempdir().unwrap();
    let followed = |n: u32| {
        let stamp = format!("10:00:00.00000{n} ");
        format!(
            "{stamp}ARP, Request who-has 192.0.2.{n} tell 192.0.2.254, length 28\n\t0x0000:  0001\n"
        )
    };
    let path = folder.path().to_owned();
    fs::write(path.join("a.txt"), followed(1) + &followed(2)).unwrap();
    let keep = [
        "parse",
        "--follow",
        "a.txt",
        "--keep-payload",
        "-o",
        "jsonl:out.jsonl",
        "-o",
        "sqlite:a.db",
    ];
    let running = Running::new(dumpstream(&path, &keep));
    let rows = || fs::read_to_string(path.join("out.jsonl")).unwrap_or_default();
    until("the first is written", || {
        (rows().lines().count() == 1).then_some(())
    });
    std::thread::sleep(std::time::Duration::from_millis(600));
    append(&path.join("a.txt"), "\t0x0010:  0002\n");
    append(&path.join("a.txt"), &followed(3));
    until("the second is written", || {
        (rows().lines().count() == 2).then_some(())
    });
    assert!(
        rows().lines().nth(1).unwrap().contains("0002"),
        "{}",
        rows()
    );
    running.signal("TERM");
    assert!(running.end().0.success());
    let again = ["parse", "a.txt", "--keep-payload", "-o", "sqlite:a.db"];
    ran(&path, &again).failed(
        0,
        &["0 new packets written to sqlite:a.db, 3 already stored"],
    );
}

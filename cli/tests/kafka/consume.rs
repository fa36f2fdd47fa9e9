//! `consume`, of what Kafka's own producer wrote, and killed at any moment.

use std::collections::BTreeSet;
use std::path::Path;
use std::thread;
use std::time::Duration;

use given::Random;
use rusqlite::Connection;

use crate::amount;
use crate::broker::{Cluster, cluster};
use crate::program::{Ran, Running, dumpstream, fed, ran, until};

/// Records of two lines, with stamps that say all.
fn text(records: u64) -> String {
    let record = |n: u64| {
        let stamp = format!("{}.{:06}", 1_700_000_000 + n / 1000, n % 1_000_000);
        let source = format!("192.0.2.{}.{}", n % 250, 1024 + n % 60_000);
        given::udp(stamp, n as usize, source, "192.0.2.2.9999", 2)
    };
    (0..records).map(record).collect()
}

fn plain(cluster: &Cluster, topic: &str, parameters: &str) -> String {
    cluster.url(0, topic, parameters)
}

/// Reads a topic to its end into a database.
fn consume(cluster: &Cluster, folder: &Path, topic: &str, parameters: &str) -> Ran {
    let url = plain(cluster, topic, parameters);
    ran(
        folder,
        &[
            "consume",
            &url,
            "--until-end",
            "--raw",
            "-v",
            "-o",
            "sqlite:p.db",
        ],
    )
}

/// All columns of JSON but those of the identity.
fn rows(text: &str) -> Vec<serde_json::Value> {
    let row = |line: &str| {
        let mut row: serde_json::Value = serde_json::from_str(line).expect(line);
        let row_fields = row.as_object_mut().unwrap();
        for name in ["sensor", "stream", "record"] {
            row_fields.remove(name);
        }
        row
    };
    text.lines().map(row).collect()
}

fn raws(folder: &Path) -> (u64, BTreeSet<String>) {
    let database = Connection::open(folder.join("p.db")).unwrap();
    let mut raws = database.prepare("SELECT raw FROM packets").unwrap();
    let raws = raws.query_map([], |row| row.get(0)).unwrap();
    let raws: Vec<String> = raws.map(Result::unwrap).collect();
    (raws.len() as u64, raws.into_iter().collect())
}

/// Whether the database has every record of a text once.
#[track_caller]
fn has_all(folder: &Path, records: u64) {
    let (rows, different) = raws(folder);
    assert_eq!((rows, different.len() as u64), (records, records));
}

pub(crate) fn what_the_console_wrote() {
    let cluster = cluster(1);
    let folder = tempfile::tempdir().unwrap();
    let topic = cluster.topic(1);
    let lines = text(20_000);
    cluster.console_producer(&topic, &[], lines.as_bytes());
    let url = plain(&cluster, &topic, "group=console");
    let read = ran(
        folder.path(),
        &[
            "consume",
            &url,
            "--until-end",
            "--raw",
            "-q",
            "-o",
            "jsonl:-",
        ],
    );
    let read = read.quiet();
    let parsed = fed(
        folder.path(),
        &["parse", "-", "--raw", "-q", "-o", "jsonl:-"],
        lines.as_bytes(),
    );
    assert_eq!(rows(&read.out), rows(&parsed.out));
    assert_eq!(read.out.lines().count(), 20_000);
    // A group goes on behind its last commit.
    let again = ran(
        folder.path(),
        &["consume", &url, "--until-end", "-q", "-o", "jsonl:-"],
    );
    assert_eq!(again.quiet().out, "");
}

pub(crate) fn lines_in_three_partitions_are_noticed() {
    let cluster = cluster(1);
    let folder = tempfile::tempdir().unwrap();
    let topic = cluster.topic(3);
    cluster.console_producer(&topic, &[], text(20_000).as_bytes());
    let read = consume(&cluster, folder.path(), &topic, "group=torn");
    assert_eq!(read.code, Some(0), "{read:?}");
    assert!(read.err.contains("torn"), "{}", read.err);
    assert!(
        read.err
            .contains("the same key, or use a topic with one partition"),
        "{}",
        read.err
    );
}

pub(crate) fn from_the_beginning_again_adds_no_row() {
    let cluster = cluster(1);
    let folder = tempfile::tempdir().unwrap();
    let topic = cluster.topic(1);
    cluster.console_producer(&topic, &[], text(10_000).as_bytes());
    for round in 0..4 {
        let read = consume(
            &cluster,
            folder.path(),
            &topic,
            &format!("group=round{round}"),
        );
        assert_eq!(read.code, Some(0), "{read:?}");
        has_all(folder.path(), 10_000);
    }
}

/// Sends so many records into three partitions, those of one sensor into one.
fn keyed(cluster: &Cluster, records: u64) -> String {
    let topic = cluster.topic(3);
    let sensors = ["gate", "dmz", "lab", "hall", "roof"];
    let all = text(records);
    let lines: Vec<&str> = all.split_inclusive("length 2\n").collect();
    let keyed: String = lines
        .iter()
        .enumerate()
        .flat_map(|(n, record)| {
            let sensor = sensors[n % sensors.len()];
            record
                .lines()
                .map(move |line| format!("{sensor}\u{1}{line}\n"))
        })
        .collect();
    let properties = [
        "--reader-property",
        "parse.key=true",
        "--reader-property",
        "key.separator=\u{1}",
    ];
    cluster.console_producer(&topic, &properties, keyed.as_bytes());
    topic
}

pub(crate) fn killed_at_random_moments() {
    let cluster = cluster(1);
    let folder = tempfile::tempdir().unwrap();
    let records = amount("DUMPSTREAM_KAFKA_RECORDS", 100_000);
    let kills = amount("DUMPSTREAM_KAFKA_KILLS", 20);
    let topic = keyed(&cluster, records);
    let url = plain(&cluster, &topic, "group=killed");
    let mut random = Random(14);
    for _ in 0..kills {
        let arguments = ["consume", &url, "--raw", "-v", "-o", "sqlite:p.db"];
        let running = Running::new(dumpstream(folder.path(), &arguments));
        running.says("A partition was assigned.");
        thread::sleep(Duration::from_millis(random.below(1500)));
        running.signal("KILL");
        running.end();
    }
    let read = consume(&cluster, folder.path(), &topic, "group=killed");
    assert_eq!(read.code, Some(0), "{read:?}");
    has_all(folder.path(), records);
}

pub(crate) fn two_of_a_group_one_of_them_killed() {
    let cluster = cluster(1);
    let folder = tempfile::tempdir().unwrap();
    let records = amount("DUMPSTREAM_KAFKA_RECORDS", 100_000);
    let topic = keyed(&cluster, records);
    let url = plain(&cluster, &topic, "group=two");
    let start = || {
        let arguments = ["consume", &url, "--raw", "-v", "-o", "sqlite:p.db"];
        Running::new(dumpstream(folder.path(), &arguments))
    };
    let first = start();
    first.says("A partition was assigned.");
    let mut random = Random(41);
    for _ in 0..10 {
        let other = start();
        other.says("reading kafka://");
        thread::sleep(Duration::from_millis(random.below(4000)));
        other.signal("KILL");
        other.end();
    }
    until("every record is stored", || {
        (raws(folder.path()).0 >= records).then_some(())
    });
    first.signal("TERM");
    let (status, said) = first.end();
    assert!(status.success(), "{said}");
    has_all(folder.path(), records);
}

//! `consume`, of what Kafka's own producer wrote, and killed at any moment.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

use given::Random;
use rusqlite::Connection;

use crate::broker::{Cluster, cluster};
use crate::node;
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
        for name in ["sensor", "stream", "record", "time_source"] {
            row_fields.remove(name);
        }
        row
    };
    text.lines().map(row).collect()
}

fn raws(folder: &Path) -> (u64, BTreeSet<String>) {
    let database = Connection::open(folder.join("p.db")).unwrap();
    let mut raws = database
        .prepare("SELECT CAST(raw AS TEXT) FROM packets")
        .unwrap();
    let raws = raws.query_map([], |row| row.get(0)).unwrap();
    let raws: Vec<String> = raws.map(Result::unwrap).collect();
    (raws.len() as u64, raws.into_iter().collect())
}

/// Whether the database has every record of a text once.
#[track_caller]
pub(crate) fn has_all(folder: &Path, records: u64) {
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
    assert!(rows(&read.out) == rows(&parsed.out), "the rows differ");
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
                .map(move |line| format!("{sensor}\t{line}\n"))
        })
        .collect();
    let keys = ["--property", "parse.key=true"];
    cluster.console_producer(&topic, &keys, keyed.as_bytes());
    topic
}

pub(crate) fn what_the_brokers_deleted_is_told() {
    let cluster = cluster(1);
    let folder = tempfile::tempdir().unwrap();
    let topic = cluster.topic(1);
    let half = text(100);
    cluster.console_producer(&topic, &[], half.as_bytes());
    let read = || consume(&cluster, folder.path(), &topic, "group=late");
    assert_eq!(read().code, Some(0));
    cluster.console_producer(&topic, &[], half.as_bytes());
    // Of the 400 lines it has read 200.
    cluster.delete(&topic, 250);
    let late = read();
    assert_eq!(late.code, Some(0), "{late:?}");
    assert!(
        late.err.contains("50 deleted before they were read"),
        "{late:?}"
    );
    assert!(late.err.contains("retention.ms"), "{late:?}");
    assert_eq!(raws(folder.path()).0, 175);
}

pub(crate) fn killed_at_random_moments() {
    let cluster = cluster(1);
    let folder = tempfile::tempdir().unwrap();
    let records = given::amount("DUMPSTREAM_KAFKA_RECORDS", 100_000);
    let kills = given::amount("DUMPSTREAM_KAFKA_KILLS", 20);
    let topic = keyed(&cluster, records);
    // As the same member: a group waits for 10 s for one that was killed.
    let url = plain(&cluster, &topic, "group=killed&instance=one");
    let mut random = Random(14);
    for _ in 0..kills {
        let arguments = ["consume", &url, "--raw", "-v", "-o", "sqlite:p.db"];
        let running = Running::new(dumpstream(folder.path(), &arguments));
        running.says("A partition was assigned.");
        thread::sleep(Duration::from_millis(random.below(1500)));
        running.signal("KILL");
        running.end();
    }
    let read = consume(&cluster, folder.path(), &topic, "group=killed&instance=one");
    assert_eq!(read.code, Some(0), "{read:?}");
    has_all(folder.path(), records);
}

pub(crate) fn two_of_a_group_one_of_them_killed() {
    let cluster = cluster(1);
    let folder = tempfile::tempdir().unwrap();
    let records = given::amount("DUMPSTREAM_KAFKA_RECORDS", 100_000);
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

/// Sends a text as `nc -N` does, and waits until it was taken.
fn send(address: SocketAddr, text: &[u8]) {
    let mut connection = TcpStream::connect(address).unwrap();
    connection.write_all(text).unwrap();
    connection.shutdown(Shutdown::Write).unwrap();
    connection.read_to_end(&mut Vec::new()).unwrap();
}

/// Text over TCP into a topic, by `listen`.
fn listen(cluster: &Cluster, folder: &Path, topic: &str, texts: impl Iterator<Item = Vec<u8>>) {
    let url = plain(cluster, topic, "format=text");
    let arguments = [
        "listen",
        "-k",
        "0",
        "--sensor",
        "gate",
        "--date",
        "2026-11-30",
        "-o",
        &url,
    ];
    let listening = Running::new(dumpstream(folder, &arguments));
    let address = listening.address();
    texts.for_each(|text| send(address, &text));
    listening.signal("TERM");
    let (status, said) = listening.end();
    assert!(status.success(), "{said}");
}

/// What `parse` makes of a text, added to another database as a stream of its own.
fn parse(folder: &Path, stream: &str, text: &[u8]) {
    let options = [
        "--sensor",
        "gate",
        "--date",
        "2026-11-30",
        "--raw",
        "--stream",
        stream,
    ];
    let arguments = [&["parse", "-", "-q", "-o", "sqlite:q.db"], &options[..]].concat();
    let parsed = fed(folder, &arguments, text);
    assert_eq!(parsed.code, Some(0), "{parsed:?}");
}

/// Holds that both databases have the same rows: all columns but stream and record, and the time
/// only where it is more than that of the arrival.
#[track_caller]
fn same_rows(folder: &Path) {
    let database = Connection::open(folder.join("p.db")).unwrap();
    let attach = format!("ATTACH '{}' AS other", folder.join("q.db").display());
    database.execute_batch(&attach).unwrap();
    let columns: Vec<String> = database
        .prepare(
            "SELECT name FROM pragma_table_info('packets') \
             WHERE name NOT IN ('stream', 'record', 'time', 'time_ns')",
        )
        .unwrap()
        .query_map([], |row| Ok(format!("\"{}\"", row.get::<_, String>(0)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert!(columns.len() > 40, "{columns:?}");
    let rows = |database: &str| {
        format!(
            "SELECT {}, CASE WHEN time_source NOT IN ('arrival', 'previous') THEN time_ns END, \
             count(*) FROM {database}.packets GROUP BY ALL_COLUMNS",
            columns.join(", ")
        )
        .replace("ALL_COLUMNS", &columns_of(columns.len() + 1))
    };
    let (one, two) = (rows("main"), rows("other"));
    let differences = format!(
        "SELECT (SELECT count(*) FROM main.packets), (SELECT count(*) FROM other.packets), \
         (SELECT count(*) FROM ({one} EXCEPT {two})), (SELECT count(*) FROM ({two} EXCEPT {one}))"
    );
    let found = database.query_row(&differences, [], |row| {
        Ok::<(i64, i64, i64, i64), _>((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
    });
    let (ours, theirs, more, less) = found.unwrap();
    assert!(
        ours > 0 && ours == theirs,
        "{ours} rows, and {theirs} of parse"
    );
    if more + less > 0 {
        let example = format!("SELECT CAST(raw AS TEXT) FROM ({one} EXCEPT {two}) LIMIT 3");
        let mut examples = database.prepare(&example).unwrap();
        let examples = examples
            .query_map([], |row| row.get::<_, String>(0))
            .unwrap();
        let examples: Vec<_> = examples.map(Result::unwrap).collect();
        panic!("{more} rows are not parse's, {less} of parse's are not there: {examples:#?}");
    }
}

/// `1, 2, 3`.
fn columns_of(count: usize) -> String {
    let numbers: Vec<String> = (1..=count).map(|n| n.to_string()).collect();
    numbers.join(", ")
}

pub(crate) fn all_samples_pass_through_a_topic() {
    let cluster = cluster(1);
    let folder = tempfile::tempdir().unwrap();
    let topic = cluster.topic(3);
    let samples = given::samples();
    let texts = || samples.iter().filter(|sample| !sample.is_ascii());
    let sent = texts().map(|sample| sample.text.clone());
    listen(&cluster, folder.path(), &topic, sent);
    let read = consume(&cluster, folder.path(), &topic, "group=samples");
    assert_eq!(read.code, Some(0), "{read:?}");
    for sample in texts() {
        parse(folder.path(), &sample.name, &sample.text);
    }
    same_rows(folder.path());
}

pub(crate) fn a_large_text_passes_through_a_topic() {
    let cluster = cluster(1);
    let folder = tempfile::tempdir().unwrap();
    let topic = cluster.topic(1);
    let records = given::amount("DUMPSTREAM_KAFKA_RECORDS", 100_000);
    let all = text(records).into_bytes();
    let sent = std::iter::once(all.clone());
    listen(&cluster, folder.path(), &topic, sent);
    let read = consume(&cluster, folder.path(), &topic, "group=large");
    assert_eq!(read.code, Some(0), "{read:?}");
    has_all(folder.path(), records);
    parse(folder.path(), "large", &all);
    same_rows(folder.path());
}

/// Text to a topic and from there into Cassandra, by two groups: what `parse` finds, once.
pub(crate) fn through_a_topic_into_cassandra() {
    let cluster = cluster(1);
    let folder = tempfile::tempdir().unwrap();
    let topic = cluster.topic(1);
    let all = text(given::amount("DUMPSTREAM_KAFKA_RECORDS", 20_000)).into_bytes();
    listen(
        &cluster,
        folder.path(),
        &topic,
        std::iter::once(all.clone()),
    );
    let nodes = node::cluster(1);
    let table = nodes.url(&nodes.keyspace(), "create=true");
    for group in ["group=first", "group=second"] {
        let url = plain(&cluster, &topic, group);
        let arguments = ["consume", &url, "--until-end", "--raw", "-o", &table];
        let read = ran(folder.path(), &arguments);
        assert_eq!(read.code, Some(0), "{read:?}");
    }
    let stored = ran(folder.path(), &["read", &table, "--raw", "-q"]);
    let options = ["parse", "-", "--date", "2026-11-30", "--raw", "-q"];
    let parsed = fed(folder.path(), &options, &all);
    let sorted = |ran: &Ran| {
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        let mut rows: Vec<_> = rows(&ran.out).iter().map(ToString::to_string).collect();
        rows.sort_unstable();
        rows
    };
    let (stored, parsed) = (sorted(&stored), sorted(&parsed));
    assert_eq!(stored.len(), parsed.len());
    for (stored, parsed) in stored.iter().zip(&parsed) {
        assert_eq!(stored, parsed);
    }
}

pub(crate) fn what_is_not_there_yet_is_waited_for() {
    let cluster = cluster(1);
    let folder = tempfile::tempdir().unwrap();
    let topic = cluster.name();
    let url = plain(&cluster, &topic, "group=early");
    let arguments = ["consume", &url, "-o", "sqlite:p.db", "--raw"];
    let running = Running::new(dumpstream(folder.path(), &arguments));
    running.says(&format!("Waiting: topic {topic} does not exist yet"));
    cluster.create(&topic, 1, &[]);
    running.says("Resumed.");
    cluster.console_producer(&topic, &[], text(1000).as_bytes());
    let stored = |records| {
        until("every record is stored", || {
            let stored = Connection::open(folder.path().join("p.db")).ok()?;
            let count = stored.query_row("SELECT count(*) FROM packets", [], |row| row.get(0));
            (count.ok() == Some(records)).then_some(())
        });
    };
    stored(1000i64);
    cluster.kill(1);
    running.says("Waiting: no broker answers");
    cluster.start(1);
    let twice = |said: &str| said.matches("Resumed.").count() == 2;
    until("it has resumed again", || {
        twice(&running.said()).then_some(())
    });
    let more = text(2000);
    let more = &more[text(1000).len()..];
    cluster.console_producer(&topic, &[], more.as_bytes());
    stored(2000);
    running.signal("INT");
    let (status, said) = running.end();
    assert!(status.success(), "{said}");
    has_all(folder.path(), 2000);
}

pub(crate) fn a_wrong_password_ends_it() {
    let cluster = cluster(1);
    let folder = tempfile::tempdir().unwrap();
    let topic = cluster.topic(1);
    cluster.console_producer(&topic, &[], text(10).as_bytes());
    let url = cluster.url(4, &topic, "sasl=plain&group=secret");
    let run = |password: &str| {
        let arguments = ["consume", &url, "--until-end", "-q", "-o", "jsonl:-"];
        let mut command = dumpstream(folder.path(), &arguments);
        command.env("DUMPSTREAM_KAFKA_USER", "alice");
        command.env("DUMPSTREAM_KAFKA_PASSWORD", password);
        Ran::from(command.output().unwrap())
    };
    run("wrong").failed(1, &["cannot read kafka://", "uthentication"]);
    assert_eq!(run("alice-secret").quiet().out.lines().count(), 10);
}

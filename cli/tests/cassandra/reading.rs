//! What is read back, and asked about: the order, the end, and what it takes.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use scylla_proxy::{Condition, Reaction, RequestOpcode, RequestReaction, RequestRule};
use tokio::sync::mpsc;

use crate::ask;
use crate::node::{cluster, proxied};
use crate::program::{Running, dumpstream, ran};
use crate::{proxy, rows, text};

/// Two streams of one sensor whose rows have equal times, over all shards.
pub(crate) fn streams_of_equal_times() {
    let cluster = cluster(1);
    let folder = tempfile::tempdir().unwrap();
    let url = cluster.url(&cluster.keyspace(), "create=true");
    // 300 instants of ten rows each: other ordinals in the one stream than in the other.
    let record = |n: u64| {
        let (at, length) = (text::BEGIN, n % 9);
        let micro = n / 10;
        format!("{at}.{micro:06} IP 10.0.0.1.53 > 10.0.0.2.9: UDP, length {length}\n")
    };
    let text: String = (0..3_000).map(record).collect();
    fs::write(folder.path().join("long.txt"), &text).unwrap();
    let text: String = (1_005..2_001).map(record).collect();
    fs::write(folder.path().join("short.txt"), &text).unwrap();
    for (file, stream) in [("long.txt", "a"), ("short.txt", "b")] {
        let arguments = [
            "parse", "--sensor", "s", "--stream", stream, file, "-o", &url,
        ];
        ran(folder.path(), &arguments).quiet();
    }
    let read = ran(folder.path(), &["read", &url, "--origin"]).quiet();
    let keys: Vec<_> = read
        .json()
        .iter()
        .map(|row| {
            let text = |name: &str| row[name].as_str().unwrap().to_owned();
            (
                text("time"),
                text("stream"),
                row["record"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(keys.len(), 3_996);
    assert!(keys.is_sorted(), "by time, stream and record");
    let times = keys.windows(2).filter(|w| w[0].0 == w[1].0).count();
    assert!(times > 3_000, "{times} neighbours of one instant");
}

/// Where there is nothing to read, nothing is made, and only the reason is said.
pub(crate) fn nobody_answers() {
    let folder = tempfile::tempdir().unwrap();
    let url = "cassandra://127.0.0.9/k.packets";
    let read = ran(folder.path(), &["read", url, "-o", "jsonl:out.jsonl"]);
    let said = read.failed(1, &["no node of 127.0.0.9:9042 answers"]).err;
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(!folder.path().join("out.jsonl").exists());
    let range = ["--from", "2026-11-25", "--to", "2026-11-24"];
    let read = ran(folder.path(), &[&["read", url], &range[..]].concat());
    read.failed(2, &["the range from --from 2026-11-25"]);
    let query = ran(
        folder.path(),
        &[
            "query",
            "-d",
            "cassandra://127.0.0.9/k?colour=1",
            "SELECT 1",
        ],
    );
    let said = query.failed(2, &["cassandra `", "unknown parameter"]).err;
    assert!(!said.contains("sink"), "{said}");
}

/// A URL that writes to any node, and a table that does not tell how times were found.
pub(crate) fn what_lacks() {
    let cluster = cluster(1);
    let folder = tempfile::tempdir().unwrap();
    let keyspace = cluster.keyspace();
    let url = cluster.url(&keyspace, "create=true&consistency=any");
    fs::write(folder.path().join("a.txt"), text::records(1..101)).unwrap();
    ran(folder.path(), &["parse", "a.txt", "-o", &url]).quiet();
    let read = ran(folder.path(), &["read", &url, "--origin"]).quiet();
    let rows = read.json();
    assert_eq!(rows.len(), 100);
    assert!(rows.iter().all(|row| row["time_source"] == "packet"));
    let count = "SELECT count(*) AS n FROM packets";
    let count = ran(folder.path(), &["query", "-d", &url, "-f", "jsonl", count]).quiet();
    assert_eq!(count.json()[0]["n"], 100);
    ask::block_on(async {
        let session = ask::session("127.0.0.1:9042").await;
        let less = format!("ALTER TABLE {keyspace}.packets DROP time_source");
        ask::run(&session, &less).await;
    });
    let read = ran(folder.path(), &["read", &url, "--origin"]);
    assert!(read.err.contains("time_source"), "{read:?}");
    let rows = read.json();
    assert_eq!(rows.len(), 100);
    assert!(rows.iter().all(|row| row["time_source"] == "unplaced"));
}

/// Ctrl-C, while the cluster does not answer, ends it.
pub(crate) fn interrupted() {
    let cluster = proxied();
    let folder = tempfile::tempdir().unwrap();
    let url = proxy::typed(&cluster.keyspace());
    fs::write(folder.path().join("a.txt"), text::records(1..1_001)).unwrap();
    ask::block_on(async {
        let mut proxy = proxy::proxy().await;
        let work = async |arguments: &[&str]| {
            let arguments: Vec<_> = arguments.iter().map(|a| (*a).to_owned()).collect();
            let folder = folder.path().to_owned();
            let work = tokio::task::spawn_blocking(move || {
                let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
                ran(&folder, &arguments).quiet()
            });
            work.await.unwrap()
        };
        work(&["parse", "a.txt", "-o", &url]).await;
        // The search goes through, the pages of partitions do not.
        let (heard, mut asked) = mpsc::unbounded_channel();
        let pages = Condition::BodyContainsCaseSensitive((*b"a.txt").into());
        let reaction = RequestReaction::drop_frame().with_feedback_when_performed(heard);
        let rule = RequestRule(pages, reaction);
        proxy.running_nodes[0].change_request_rules(Some(vec![rule]));
        let read = Running::new(dumpstream(folder.path(), &["read", &url]));
        asked.recv().await.unwrap();
        let begun = Instant::now();
        read.signal("INT");
        let (status, said) = tokio::task::spawn_blocking(|| read.end()).await.unwrap();
        assert_eq!(status.code(), Some(130), "{said}");
        assert!(!said.contains("does not answer; retrying"), "{said}");
        println!("ended {:.1?} after the signal", begun.elapsed());
        proxy.running_nodes[0].change_request_rules(None);
        let read = work(&["read", &url]).await;
        assert_eq!(read.out.lines().count(), 1_000);
        proxy::end(proxy).await;
    });
}

/// A statement that takes longer than any write may is waited for, and asked once.
pub(crate) fn a_statement_that_takes_its_time() {
    let cluster = proxied();
    let folder = tempfile::tempdir().unwrap();
    let url = proxy::typed(&cluster.keyspace());
    fs::write(folder.path().join("a.txt"), text::records(1..1_001)).unwrap();
    ask::block_on(async {
        let mut proxy = proxy::proxy().await;
        let (heard, mut asked) = mpsc::unbounded_channel();
        let count = Condition::and(
            Condition::RequestOpcode(RequestOpcode::Query),
            Condition::BodyContainsCaseSensitive((*b"count(*)").into()),
        );
        let reaction = RequestReaction::delay(Duration::from_secs(8));
        let reaction = reaction.with_feedback_when_performed(heard);
        proxy.running_nodes[0].change_request_rules(Some(vec![RequestRule(count, reaction)]));
        let counted = tokio::task::spawn_blocking(move || {
            ran(folder.path(), &["parse", "a.txt", "-o", &url]).quiet();
            let count = "SELECT count(*) AS n FROM packets";
            ran(folder.path(), &["query", "-d", &url, "-f", "csv", count])
        });
        assert_eq!(counted.await.unwrap().quiet().out, "n\n1000\n");
        assert!(asked.try_recv().is_ok());
        assert!(asked.try_recv().is_err(), "it was asked once");
        proxy::end(proxy).await;
    });
}

/// The most memory that a process ever held, in bytes.
fn peak(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib << 10)
}

/// Rows of 40 KiB: more of them than may be held.
const LARGE: u64 = 5_000;

/// Many rows, and large ones: what is held is bounded by bytes.
pub(crate) fn memory_of_a_read() {
    let cluster = cluster(1);
    let folder = tempfile::tempdir().unwrap();
    let many = cluster.url(&cluster.keyspace(), "create=true");
    let rows = rows();
    fs::write(folder.path().join("a.txt"), text::records(1..rows + 1)).unwrap();
    ran(folder.path(), &["parse", "a.txt", "-o", &many]).quiet();
    // All in one bucket.
    let large = cluster.url(&cluster.keyspace(), "create=true");
    let name = "a".repeat(20_000);
    let record = |n: u64| {
        let at = text::BEGIN;
        format!("{at}.{n:06} IP 10.0.0.1.53 > 10.0.0.2.9: {n} A? {name}. (27)\n")
    };
    fs::write(
        folder.path().join("b.txt"),
        (0..LARGE).map(record).collect::<String>(),
    )
    .unwrap();
    ran(folder.path(), &["parse", "--raw", "b.txt", "-o", &large]).quiet();
    for (url, rows, raw) in [(&many, rows, &[][..]), (&large, LARGE, &["--raw"][..])] {
        let arguments = [&["read", url, "-v", "-o", "null:"], raw].concat();
        let mut child = dumpstream(folder.path(), &arguments)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut most = 0;
        while child.try_wait().unwrap().is_none() {
            most = most.max(peak(child.id()).unwrap_or(0));
            std::thread::sleep(Duration::from_millis(10));
        }
        let said = child.wait_with_output().unwrap().stderr;
        let said = String::from_utf8(said).unwrap();
        assert!(said.contains(&format!("{rows} packets read")), "{said}");
        println!("{rows} rows read, at most {} MiB held", most >> 20);
        // 64 MiB of rows, as much before the sink, and what a page takes while it comes.
        assert!(most < 300 << 20, "{most} bytes");
    }
}

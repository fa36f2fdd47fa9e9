//! Many rows: bad ones among them, again and again, and with a death in between.

use std::fs;
use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use crate::ask;
use crate::node::cluster;
use crate::program::{Running, dumpstream, ran};
use crate::{rows, text};

/// A row in so many is one that the server refuses.
const POISON: u64 = 1_000;

pub(crate) fn rows_that_are_refused() {
    let cluster = cluster(1);
    let folder = tempfile::tempdir().unwrap();
    let keyspace = cluster.keyspace();
    let url = cluster.url(&keyspace, "create=true&rejected=refused.jsonl");
    let rows = rows();
    // Larger than the server takes at once (64 KiB).
    let long = "a".repeat(70_000);
    let mut file = fs::File::create(folder.path().join("a.txt")).unwrap();
    for n in 1..=rows {
        match n % POISON {
            500 => {
                let (second, micro) = (text::BEGIN + n / 10_000, n % 10_000 * 100);
                let head = format!("{second}.{micro:06} IP 10.0.0.1.53 > 10.0.0.2.9");
                writeln!(file, "{head}: {n} A? {long}. (27)").unwrap();
            }
            _ => file.write_all(text::record(n).as_bytes()).unwrap(),
        }
    }
    drop(file);
    let poison = (rows + POISON / 2) / POISON;
    let parse = ran(folder.path(), &["parse", "-v", "a.txt", "-o", &url]);
    assert_eq!(parse.code, Some(0), "{parse:?}");
    let good = rows - poison;
    for said in [
        format!("{good} packets written to"),
        format!("{poison} packets rejected by"),
    ] {
        assert!(parse.err.contains(&said), "{said}: {}", parse.err);
    }
    let letters = fs::read_to_string(folder.path().join("refused.jsonl")).unwrap();
    let mut refused: Vec<u64> = letters
        .lines()
        .map(|line| {
            let json: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(json["reason"], "refused");
            let detail = json["detail"].as_str().unwrap();
            assert!(detail.contains("oversized mutation"), "{detail}");
            assert!(json["raw"].as_str().unwrap().contains(&long));
            assert_eq!(json["sensor"], "a.txt");
            json["record"].as_u64().unwrap()
        })
        .collect();
    // The same file, read again: nothing of it is lost.
    let again = ran(
        folder.path(),
        &["parse", "--from-rejects", "refused.jsonl", "--origin"],
    );
    assert_eq!(again.out.lines().count() as u64, poison, "{again:?}");
    refused.sort_unstable();
    let wanted: Vec<_> = (0..poison).map(|i| i * POISON + 500).collect();
    assert_eq!(refused, wanted);
    let stored = ask::block_on(async {
        let session = ask::session("127.0.0.1:9042").await;
        ask::rows(&session, &format!("{keyspace}.packets"), "record").await
    });
    let mut wanted = (1..=rows).filter(|n| n % POISON != 500);
    assert!(stored.iter().all(|row| wanted.next() == Some(row.1 as u64)));
    assert_eq!(wanted.next(), None);
    println!("{good} of {rows} rows stored, {poison} refused");
}

pub(crate) fn replay_changes_nothing() {
    let cluster = cluster(1);
    let folder = tempfile::tempdir().unwrap();
    let keyspace = cluster.keyspace();
    let url = cluster.url(&keyspace, "create=true");
    let rows = rows();
    fs::write(folder.path().join("a.txt"), text::records(1..rows + 1)).unwrap();
    let mut before = None;
    for round in 1..=3 {
        ran(folder.path(), &["parse", "a.txt", "-o", &url]).quiet();
        let found = ask::block_on(async {
            let session = ask::session("127.0.0.1:9042").await;
            let table = format!("{keyspace}.packets");
            let written = ask::rows(&session, &table, "writetime(protocol)").await;
            let values = ask::rows(&session, &table, "seq").await;
            (written, values)
        });
        ask::each_once(&found.0, rows);
        for ((_, record, written), (_, _, seq)) in found.0.iter().zip(&found.1) {
            let time = text::BEGIN as i64 * 1_000_000 + record * 100;
            assert_eq!((*written, *seq), (time, *record), "round {round}");
        }
        let before = before.get_or_insert_with(|| found.clone());
        assert_eq!(*before, found, "round {round}");
    }
    // Every value, not only these.
    let read = ran(
        folder.path(),
        &["read", &url, "--origin", "--to", "2023-11-14T22:13:22Z"],
    );
    let parsed = ran(folder.path(), &["parse", "--origin", "a.txt"])
        .quiet()
        .out;
    let first = parsed.lines().take(read.out.lines().count());
    assert!(read.quiet().out.lines().eq(first));
    println!("{rows} rows, three times");
}

pub(crate) fn killed_and_parsed_again() {
    let cluster = cluster(1);
    let folder = tempfile::tempdir().unwrap();
    let keyspace = cluster.keyspace();
    let url = cluster.url(&keyspace, "");
    let printed = ran(folder.path(), &["schema", "cassandra", &url]).quiet();
    ask::block_on(async {
        let session = ask::session("127.0.0.1:9042").await;
        ask::run(&session, &printed.out).await;
    });
    let rows = rows();
    fs::write(folder.path().join("a.txt"), text::records(1..rows + 1)).unwrap();
    let table = format!("{keyspace}.packets");
    let count = || {
        ask::block_on(async {
            let session = ask::session("127.0.0.1:9042").await;
            ask::rows(&session, &table, "record").await
        })
    };
    let parse = Running::new(dumpstream(folder.path(), &["parse", "a.txt", "-o", &url]));
    // In mid-load: some rows are there.
    ask::block_on(async {
        let session = ask::session("127.0.0.1:9042").await;
        while !ask::any(&session, &table).await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    parse.signal("KILL");
    let (status, _) = parse.end();
    assert_eq!(status.code(), None, "it was killed");
    let partial = count().len() as u64;
    println!("killed when {partial} rows of {rows} were there");
    assert!(partial > 0 && partial < rows);
    ran(folder.path(), &["parse", "a.txt", "-o", &url]).quiet();
    ask::each_once(&count(), rows);
}

/// The memory that a process holds, in bytes.
fn resident(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|l| l.starts_with("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib << 10)
}

pub(crate) fn memory_is_flat() {
    let cluster = cluster(1);
    let folder = tempfile::tempdir().unwrap();
    let keyspace = cluster.keyspace();
    let url = cluster.url(&keyspace, "create=true");
    let rows = rows() * 5;
    let arguments = [
        "parse", "-v", "-o", &url, "--sensor", "s", "--queue", "8MiB",
    ];
    let mut child = dumpstream(folder.path(), &arguments)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let process = child.id();
    let step = 10_000;
    let mut samples = Vec::new();
    for first in (1..=rows).step_by(step) {
        let text = text::records(first..(first + step as u64).min(rows + 1));
        stdin.write_all(text.as_bytes()).unwrap();
        samples.extend(resident(process));
    }
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains(&format!("{rows} packets written to")),
        "{said}"
    );
    let peak = |part: &[u64]| part.iter().max().copied().unwrap_or(0) >> 20;
    let (early, late) = samples.split_at(samples.len() / 3);
    println!(
        "{rows} rows: at most {} MiB in the first third, {} MiB after it",
        peak(early),
        peak(late)
    );
    // A row that were kept whole, of 250 bytes and more, would be 50 MiB of the least rows.
    assert!(peak(late) < 200 && peak(late) < peak(early) + 20);
}

//! Heartbeats in a table of their own.

use std::fs;

use crate::ask;
use crate::node::cluster;
use crate::program::{Running, dumpstream, ran, until};
use crate::text;

pub(crate) fn heartbeats() {
    let cluster = cluster(1);
    let folder = tempfile::tempdir().unwrap();
    let keyspace = cluster.keyspace();
    let packets = cluster.url(&keyspace, "create=true");
    let unnamed = packets.replace(".packets", "");
    let query = |cql: &str| {
        let asked = ["query", "-d", &unnamed, "-f", "jsonl", cql];
        ran(folder.path(), &asked).quiet().json()
    };
    let beat = |url: &str| {
        let beat = [
            "heartbeat",
            "--every",
            "250ms",
            "--count",
            "4",
            "--sensor",
            "gate",
        ];
        ran(
            folder.path(),
            &[&beat[..], &["-o", "jsonl:b.jsonl", "-o", url]].concat(),
        )
    };

    // A keyspace is enough.
    beat(&unnamed).quiet();
    let rows = query("SELECT * FROM heartbeats");
    let written = fs::read_to_string(folder.path().join("b.jsonl")).unwrap();
    assert_eq!((rows.len(), written.lines().count()), (4, 4));
    for (row, line) in rows.iter().zip(written.lines()) {
        let beat: serde_json::Value = serde_json::from_str(line).unwrap();
        for (name, value) in beat.as_object().unwrap() {
            // A timestamp of CQL has milliseconds.
            if name != "time" {
                assert_eq!(&row[name], value, "{name}");
            }
        }
    }

    // Its table is the printed one.
    let other = cluster.keyspace();
    let url = cluster.url(&other, "").replace(".packets", ".beats");
    let running = Running::new(dumpstream(
        folder.path(),
        &["heartbeat", "--every", "250ms", "-o", &url],
    ));
    let said = running.says(&format!("keyspace {other} does not exist; "));
    assert!(
        said.contains("`dumpstream schema cassandra --heartbeat 'cassandra://"),
        "{said}"
    );
    let printed = ran(folder.path(), &["schema", "cassandra", "--heartbeat", &url]).quiet();
    ask::block_on(async {
        let session = ask::session("127.0.0.1:9042").await;
        ask::run(&session, &printed.out).await;
        let table = format!("{other}.beats");
        while !ask::any(&session, &table).await {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    });
    running.signal("TERM");
    let (status, said) = running.end();
    assert_eq!(status.code(), Some(0), "{said}");

    // Neither table takes rows of the other kind.
    fs::write(folder.path().join("a.txt"), text::records(1..101)).unwrap();
    ran(folder.path(), &["parse", "a.txt", "-o", &packets]).quiet();
    let refused = [
        "a table of packets",
        "name another table",
        "4 heartbeats dropped by",
    ];
    beat(&packets).failed(1, &refused);
    let beats = packets.replace(".packets", ".heartbeats");
    let parse = ran(folder.path(), &["parse", "a.txt", "-o", &beats]);
    parse.failed(1, &["a table of heartbeats", "name another table"]);
    ran(folder.path(), &["read", &beats]).failed(1, &["a table of heartbeats"]);
    let count = |table: &str| query(&format!("SELECT count(*) AS n FROM {table}"))[0]["n"].clone();
    assert_eq!(
        (count("packets"), count("heartbeats")),
        (100.into(), 4.into())
    );

    // Beside a receiver.
    let listen = ["listen", "0", "-k", "-o", "null:", "--heartbeat", &unnamed];
    let listen = [&listen[..], &["--heartbeat-every", "250ms"]].concat();
    let running = Running::new(dumpstream(folder.path(), &listen));
    running.address();
    until("beats have lanes", || {
        let rows = query("SELECT lanes FROM heartbeats");
        let mut lanes = rows.iter().filter_map(|row| row["lanes"].as_str());
        lanes.any(|lanes| lanes.contains("null:")).then_some(())
    });
    running.signal("TERM");
    let (status, said) = running.end();
    assert_eq!(status.code(), Some(0), "{said}");
}

//! What is written comes back, is asked about, and is waited for.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use dumpstream::{Origin, Packets};
use dumpstream_flow::{Sink, SinkUrl};

use crate::ask;
use crate::node::cluster;
use crate::program::{Running, dumpstream, ran};
use crate::text;

/// `(stream, record)` of a line, which orders lines, and the line.
fn by_identity(text: &str) -> Vec<(String, u64, &str)> {
    let mut lines: Vec<_> = text
        .lines()
        .map(|line| {
            let json: serde_json::Value = serde_json::from_str(line).unwrap();
            let stream = json["stream"].as_str().unwrap().to_owned();
            (stream, json["record"].as_u64().unwrap(), line)
        })
        .collect();
    lines.sort();
    lines
}

/// The time of a line, in a form that compares as text.
fn time(line: &str) -> String {
    let json: serde_json::Value = serde_json::from_str(line).unwrap();
    let time = json["time"]
        .as_str()
        .unwrap()
        .trim_end_matches('Z')
        .to_owned();
    let fraction = time.len() - time.rfind('.').unwrap() - 1;
    time + &"0".repeat(9 - fraction)
}

pub(crate) fn everything_comes_back() {
    let cluster = cluster(1);
    let folder = tempfile::tempdir().unwrap();
    for parameters in ["create=true", "create=true&bucket=1h&shards=1&by_host"] {
        let keyspace = cluster.keyspace();
        let url = cluster.url(&keyspace, parameters);
        let file = folder.path().join(format!("{keyspace}.jsonl"));
        let file_url = format!("jsonl:{}", file.display());
        let mut arguments = vec![
            "parse",
            "--origin",
            "--raw",
            "--keep-payload",
            "--keep-info",
        ];
        // Text of -A is refused: anything could be forged in it. A sensor is a file's name without
        // its folder, and each sample is a sensor of its own here.
        let paths: Vec<_> = given::samples()
            .into_iter()
            .filter(|sample| !sample.is_ascii())
            .map(|sample| {
                let name = format!("{}.txt", sample.name.replace('/', "-"));
                fs::write(folder.path().join(&name), &sample.text).unwrap();
                name
            })
            .collect();
        arguments.extend(["-o", &file_url, "-o", &url]);
        arguments.extend(paths.iter().map(String::as_str));
        let parsed = ran(folder.path(), &arguments);
        assert_eq!(parsed.code, Some(0), "{parsed:?}");

        let read = ["read", &url, "--origin", "--raw", "--keep-payload"];
        let read = ran(folder.path(), &read).quiet();
        let text = fs::read_to_string(&file).unwrap();
        let (parsed, stored) = (by_identity(&text), by_identity(&read.out));
        assert!(parsed.len() > 10_000, "{}", parsed.len());
        assert_eq!(parsed.len(), stored.len());
        for (parsed, stored) in parsed.iter().zip(&stored) {
            assert_eq!(parsed, stored);
        }
        let times: Vec<_> = read.out.lines().map(time).collect();
        assert!(times.is_sorted(), "in the order of time");
        println!("{} rows of {} samples came back", stored.len(), paths.len());
    }
}

pub(crate) fn a_range_comes_back() {
    let cluster = cluster(1);
    let folder = tempfile::tempdir().unwrap();
    let url = cluster.url(&cluster.keyspace(), "create=true&bucket=1s");
    // Three seconds, and a second sensor in between.
    fs::write(folder.path().join("a.txt"), text::records(1..30_001)).unwrap();
    fs::write(folder.path().join("b.txt"), text::records(5_001..15_001)).unwrap();
    ran(folder.path(), &["parse", "a.txt", "b.txt", "-o", &url]).quiet();

    let begin = text::BEGIN;
    let at = |s: u64, fraction: &str| {
        let time = jiff::Timestamp::from_second((begin + s) as i64).unwrap();
        time.to_string().replace('Z', fraction)
    };
    let read = |from: &str, to: &str, more: &[&str]| {
        let arguments = [
            &["read", &url, "--origin", "--from", from, "--to", to],
            more,
        ]
        .concat();
        ran(folder.path(), &arguments).quiet().json()
    };
    // The sensor's own partitions, without a search.
    let rows = read(&at(1, ".0001Z"), &at(2, ".000000Z"), &["--sensor", "a.txt"]);
    let records: Vec<_> = rows.iter().map(|r| r["record"].as_u64().unwrap()).collect();
    assert_eq!(records, (10_001..20_000).collect::<Vec<_>>());
    // Both sensors, found by a search, and a bound within a millisecond.
    let rows = read(&at(1, "Z"), &at(1, ".0002Z"), &[]);
    let text = |row: &serde_json::Value, name: &str| row[name].as_str().unwrap().to_owned();
    let found: Vec<_> = rows
        .iter()
        .map(|r| (text(r, "sensor"), r["record"].as_u64().unwrap()))
        .collect();
    let keys = rows.iter().map(|r| (text(r, "time"), text(r, "stream")));
    assert!(keys.is_sorted(), "by time, then by stream");
    let mut wanted = vec![
        ("a.txt", 10_000),
        ("a.txt", 10_001),
        ("b.txt", 5_000),
        ("b.txt", 5_001),
    ];
    let mut sorted: Vec<_> = found.iter().map(|(s, r)| (s.as_str(), *r)).collect();
    sorted.sort_unstable();
    assert_eq!(sorted, wanted);
    wanted.retain(|(sensor, _)| *sensor == "b.txt");
    let rows = read(&at(1, "Z"), &at(1, ".0002Z"), &["--sensor", "b.txt"]);
    assert_eq!(rows.len(), wanted.len());
    // All of it into another store.
    ran(folder.path(), &["read", &url, "-o", "sqlite:all.db"]).quiet();
    let count = "SELECT count(*) AS n FROM packets";
    let count = ran(
        folder.path(),
        &["query", "-d", "all.db", "-f", "jsonl", count],
    )
    .quiet();
    assert_eq!(count.json()[0]["n"], 40_000);
    let none = ran(folder.path(), &["read", &url, "--from", "yesterday"]);
    none.failed(2, &["--from yesterday", "2026-11-24T07:30"]);
}

pub(crate) fn the_printed_schema() {
    let cluster = cluster(1);
    let folder = tempfile::tempdir().unwrap();
    let url = cluster.url(&cluster.keyspace(), "ttl=7d&by_host=true&shards=8");
    let printed = ran(folder.path(), &["schema", "cassandra", &url]).quiet();
    ask::block_on(async {
        let session = ask::session("127.0.0.1:9042").await;
        ask::run(&session, &printed.out).await;
    });
    fs::write(folder.path().join("a.txt"), text::records(1..1_001)).unwrap();
    // Made by hand, so nothing is made and nothing is missing.
    ran(folder.path(), &["parse", "a.txt", "-o", &url]).quiet();
    let count = "SELECT count(*) AS n, max(ttl(protocol)) AS left FROM packets";
    let count = ran(folder.path(), &["query", "-d", &url, "-f", "jsonl", count]).quiet();
    let count = &count.json()[0];
    assert_eq!(count["n"], 1_000);
    assert!(
        (604_000..=604_800).contains(&count["left"].as_u64().unwrap()),
        "{count}"
    );
    // A host that sent, and one that received, file their packets each.
    let hosts = "SELECT count(*) AS n FROM packets_by_host";
    let hosts = ran(folder.path(), &["query", "-d", &url, "-f", "jsonl", hosts]).quiet();
    assert_eq!(hosts.json()[0]["n"], 2_000);
}

pub(crate) fn what_is_missing_is_waited_for() {
    let cluster = cluster(1);
    let folder = tempfile::tempdir().unwrap();
    let keyspace = cluster.keyspace();
    let url = cluster.url(&keyspace, "");
    fs::write(folder.path().join("a.txt"), text::records(1..1_001)).unwrap();
    cluster.stop(1);
    let parse = Running::new(dumpstream(
        folder.path(),
        &["parse", "-v", "a.txt", "-o", &url],
    ));
    parse.says("Waiting: no node of 127.0.0.1:9042 answers");
    cluster.start(1);
    parse.says(&format!("Waiting: keyspace {keyspace} does not exist; "));
    let printed = ran(folder.path(), &["schema", "cassandra", &url]).quiet();
    let (keyspace_made, table) = printed.out.split_once(";\n").unwrap();
    ask::block_on(async {
        let session = ask::session("127.0.0.1:9042").await;
        ask::run(&session, keyspace_made).await;
        parse.says(&format!(
            "Waiting: table {keyspace}.packets does not exist; "
        ));
        ask::run(&session, table).await;
    });
    let (status, said) = parse.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(
        said.contains("Resumed.") && said.contains("1000 packets written to"),
        "{said}"
    );
}

pub(crate) fn a_table_that_lacks_columns() {
    let cluster = cluster(1);
    let folder = tempfile::tempdir().unwrap();
    let keyspace = cluster.keyspace();
    let url = cluster.url(&keyspace, "");
    fs::write(folder.path().join("a.txt"), text::records(1..1_001)).unwrap();
    let printed = ran(folder.path(), &["schema", "cassandra", &url])
        .quiet()
        .out;
    let less = printed
        .replace("    ttl int,\n", "")
        .replace("    flags text,\n", "");
    let parse = ask::block_on(async {
        let session = ask::session("127.0.0.1:9042").await;
        ask::run(&session, &less).await;
        let parse = Running::new(dumpstream(folder.path(), &["parse", "a.txt", "-o", &url]));
        let said = parse.says("flags text;");
        let alter = format!("ALTER TABLE {keyspace}.packets ADD ");
        assert!(
            said.contains(&format!("{alter}ttl int;\n{alter}flags text;")),
            "{said}"
        );
        ask::run(&session, &format!("{alter}ttl int;\n{alter}flags text")).await;
        parse
    });
    assert_eq!(parse.end().0.code(), Some(0));
    // The same, run when it is asked for.
    let (before, keyspace) = (keyspace, cluster.keyspace());
    let url = cluster.url(&keyspace, "create=true");
    let less = less.replace(&format!("EXISTS {before}"), &format!("EXISTS {keyspace}"));
    ask::block_on(async {
        ask::run(&ask::session("127.0.0.1:9042").await, &less).await;
    });
    ran(folder.path(), &["parse", "a.txt", "-o", &url]).quiet();
    let sql = "SELECT count(ttl) AS n, count(flags) AS m FROM packets";
    let count = ran(folder.path(), &["query", "-d", &url, "-f", "jsonl", sql]).quiet();
    assert_eq!(count.out, "{\"n\":1000,\"m\":1000}\n");
}

pub(crate) fn a_table_of_other_columns() {
    let cluster = cluster(1);
    let folder = tempfile::tempdir().unwrap();
    let keyspace = cluster.keyspace();
    let url = cluster.url(&keyspace, "");
    fs::write(folder.path().join("a.txt"), text::records(1..1_001)).unwrap();
    let printed = ran(folder.path(), &["schema", "cassandra", &url])
        .quiet()
        .out;
    let other = printed.replace("    ttl int,\n", "    ttl text,\n");
    ask::block_on(async {
        ask::run(&ask::session("127.0.0.1:9042").await, &other).await;
    });
    let parse = ran(folder.path(), &["parse", "a.txt", "-o", &url]);
    parse.failed(
        1,
        &["column `ttl` is text there", "1000 packets dropped by"],
    );
    let url = cluster.url(&keyspace, "shards=8");
    let parse = ran(folder.path(), &["parse", "a.txt", "-o", &url]);
    parse.failed(1, &["bucket=60s&shards=4", "omit both"]);
    let url = url.replace(".packets", "");
    let parse = ran(folder.path(), &["parse", "a.txt", "-o", &url]);
    parse.failed(1, &["names no table"]);
    for secret in [
        "cassandra://me:secret@127.0.0.1/k.t",
        "cassandra://me:sec?secret@127.0.0.1/k.t",
        "cassandra://127.0.0.1/k.t?password=secret",
    ] {
        let parse = ran(folder.path(), &["parse", "a.txt", "-o", secret]);
        assert!(!parse.err.contains("secret"), "{}", parse.err);
        parse.failed(2, &["DUMPSTREAM_CASSANDRA_PASSWORD", "credentials=FILE"]);
    }
    let url = cluster.url(&keyspace, "");
    let parse = ran(folder.path(), &["parse", "--replace", "a.txt", "-o", &url]);
    parse.failed(1, &["--replace cannot", "delete them with CQL"]);
    let url = cluster.url(&keyspace, "rejected=nowhere/file");
    let parse = ran(folder.path(), &["parse", "a.txt", "-o", &url]);
    parse.failed(1, &["nowhere/file", "rejected=FILE"]);
}

/// The table by host is made as the first one was, whatever the URL leaves out by then.
pub(crate) fn a_second_table_later() {
    let cluster = cluster(1);
    let folder = tempfile::tempdir().unwrap();
    let keyspace = cluster.keyspace();
    fs::write(folder.path().join("a.txt"), text::records(1..1_001)).unwrap();
    for parameters in [
        "create=true&bucket=1h&ttl=7d",
        "create=true&by_host=true",
        "by_host=true",
    ] {
        let url = cluster.url(&keyspace, parameters);
        // Rows of 2023 have expired, and count all the same.
        ran(folder.path(), &["parse", "a.txt", "-o", &url]).quiet();
    }
    ask::block_on(async {
        let session = ask::session("127.0.0.1:9042").await;
        let asked = format!(
            "SELECT comment, default_time_to_live FROM system_schema.tables \
             WHERE keyspace_name = '{keyspace}' AND table_name = 'packets_by_host'"
        );
        let found = session.query_unpaged(asked, ()).await.unwrap();
        let found = found.into_rows_result().unwrap();
        let (comment, ttl) = found.single_row::<(String, i32)>().unwrap();
        assert_eq!(comment, "dumpstream: bucket 3600s, shards 4");
        assert_eq!(ttl, 7 * 86_400);
        // Whoever takes the note away must say what it said.
        let table = format!("ALTER TABLE {keyspace}.packets WITH comment = 'mine'");
        session.query_unpaged(table, ()).await.unwrap();
    });
    let url = cluster.url(&keyspace, "");
    let parse = ran(folder.path(), &["parse", "a.txt", "-o", &url]);
    parse.failed(1, &["does not say how its rows are placed"]);
    let url = cluster.url(&keyspace, "bucket=1h&shards=4");
    ran(folder.path(), &["parse", "a.txt", "-o", &url]).quiet();
}

pub(crate) fn queries() {
    let cluster = cluster(1);
    let folder = tempfile::tempdir().unwrap();
    let url = cluster.url(&cluster.keyspace(), "create=true");
    fs::write(folder.path().join("a.txt"), text::records(1..10_001)).unwrap();
    ran(folder.path(), &["parse", "a.txt", "-o", &url]).quiet();
    let query = |format, cql| ran(folder.path(), &["query", "-d", &url, "-f", format, cql]);
    // Many pages.
    let rows = query("csv", "SELECT record, cksum_ok, source FROM packets")
        .quiet()
        .out;
    assert_eq!(rows.lines().count(), 10_001);
    assert!(
        rows.starts_with("record,cksum_ok,source\n"),
        "{}",
        &rows[..80]
    );
    let one = "SELECT record, sensor, time, source, cksum_ok, ttl, vlan FROM packets \
               WHERE sensor = 'a.txt' AND bucket = '2023-11-14T22:13:00Z' AND shard = 0 LIMIT 1";
    assert_eq!(
        query("jsonl", one).quiet().out,
        "{\"record\":1,\"sensor\":\"a.txt\",\"time\":\"2023-11-14T22:13:20.000000Z\",\
         \"source\":\"10.0.1.2\",\"cksum_ok\":true,\"ttl\":64,\"vlan\":null}\n"
    );
    assert_eq!(
        query("table", one).quiet().out,
        "record  sensor  time                         source    cksum_ok  ttl  vlan\n     \
         1  a.txt   2023-11-14T22:13:20.000000Z  10.0.1.2  true       64\n"
    );
    query("csv", "SELECT nothing FROM packets").failed(1, &["nothing"]);
    query("csv", "TRUNCATE packets").failed(1, &["must be one SELECT statement"]);
    let down = url.replace("127.0.0.1", "127.0.0.9");
    let down = ran(
        folder.path(),
        &["query", "-d", &down, "SELECT record FROM packets"],
    );
    down.failed(1, &["no node of 127.0.0.9:9042 answers"]);
}

/// Every statement of the page is asked, and has the answer that stands below it.
pub(crate) fn the_page_of_worked_cql() {
    let cluster = cluster(1);
    let folder = tempfile::tempdir().unwrap();
    let root = given::project();
    let page = fs::read_to_string(root.join("docs/cassandra.md")).unwrap();
    let url = cluster.url(&cluster.keyspace(), "create=true&by_host=true");
    let blocks = |kind: &str| {
        let fence = format!("```{kind}\n");
        let after = page.split(&fence).skip(1);
        after
            .map(|rest| rest.split_once("```").unwrap())
            .map(|(block, rest)| (block.to_owned(), rest.to_owned()))
            .collect::<Vec<_>>()
    };
    // The page's own command, with the test's table.
    let load = "dumpstream parse --tz UTC --date 2026-11-23 --sensor gate samples/4.99.3/mix/v.txt \\\n    \
                -o 'cassandra://127.0.0.1/pk.packets?create=true&replication=1&by_host=true'";
    assert!(page.contains(load), "{load}");
    let sample = root.join("samples/4.99.3/mix/v.txt").display().to_string();
    let load = [
        "parse",
        "--tz",
        "UTC",
        "--date",
        "2026-11-23",
        "--sensor",
        "gate",
        &sample,
        "-o",
        &url,
    ];
    let loaded = ran(folder.path(), &load);
    assert_eq!(loaded.code, Some(0), "{loaded:?}");
    let statements = blocks("cql");
    assert!(statements.len() >= 6, "{}", statements.len());
    for (statement, rest) in statements {
        let answer = ran(folder.path(), &["query", "-d", &url, &statement]);
        if std::env::var_os("BLESS").is_some() {
            println!("{statement}{}{}", answer.out, answer.err);
            continue;
        }
        let wanted = rest.split("```text\n").nth(1).unwrap();
        let wanted = wanted.split_once("```").unwrap().0;
        assert_eq!(answer.quiet().out, wanted, "{statement}");
    }
}

pub(crate) fn a_password() {
    let mut cluster = cluster(1);
    let folder = tempfile::tempdir().unwrap();
    let keyspace = cluster.keyspace();
    cluster.stop(1);
    cluster.start_with(
        1,
        &[
            "authenticator: PasswordAuthenticator",
            "authorizer: CassandraAuthorizer",
        ],
    );
    fs::write(folder.path().join("a.txt"), text::records(1..1_001)).unwrap();
    let url = cluster.url(&keyspace, "create=true");
    let with = |url: &str, password: &str| {
        let mut command = dumpstream(folder.path(), &["parse", "-v", "a.txt", "-o", url]);
        command
            .env("DUMPSTREAM_CASSANDRA_USER", "cassandra")
            .env("DUMPSTREAM_CASSANDRA_PASSWORD", password);
        Running::new(command)
    };
    let wrong = with(&url, "wrong");
    let said = wrong.says("Waiting: no node of 127.0.0.1:9042 answers");
    assert!(said.contains("password"), "{said}");
    drop(wrong);
    let (status, said) = with(&url, "cassandra").end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("1000 packets written to"), "{said}");
    // The same from a file that only we can read.
    let file = folder.path().join("credentials");
    fs::write(&file, "username = cassandra\npassword = cassandra\n").unwrap();
    let url = cluster.url(&keyspace, "credentials=credentials");
    let count = [
        "query",
        "-d",
        &url,
        "-f",
        "csv",
        "SELECT count(*) AS n FROM packets",
    ];
    ran(folder.path(), &count).failed(1, &["chmod 600"]);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(&file, mode).unwrap();
    assert_eq!(ran(folder.path(), &count).quiet().out, "n\n1000\n");
    cluster.spoilt();
}

fn packets(first: u64) -> Vec<Packets> {
    let mut origin = Origin::new("s").stream(format!("from {first}"));
    text::packets(&text::records(first..first + 5_000), &mut origin)
}

/// Dropped while we write, and made again.
pub(crate) fn a_table_that_goes_away() {
    let cluster = cluster(1);
    let keyspace = cluster.keyspace();
    let url = cluster.url(&keyspace, "create=true");
    ask::block_on(async {
        let session = ask::session("127.0.0.1:9042").await;
        let made: SinkUrl = url.parse().unwrap();
        let made = made.open(&text::context()).unwrap();
        made.write(&packets(1)).await.unwrap();
        let waits: SinkUrl = url.replace("create=true", "").parse().unwrap();
        let sink: Arc<dyn Sink> = waits.open(&text::context()).unwrap().into();
        sink.write(&packets(1)).await.unwrap();
        for statement in [
            format!("DROP TABLE {keyspace}.packets"),
            format!("DROP KEYSPACE {keyspace}"),
        ] {
            session.query_unpaged(statement, ()).await.unwrap();
            let writing = tokio::spawn({
                let sink = Arc::clone(&sink);
                async move { sink.write(&packets(10_001)).await }
            });
            tokio::time::sleep(Duration::from_secs(2)).await;
            assert!(
                !writing.is_finished(),
                "no row is given up, none is called bad"
            );
            // Made again by one that may.
            let again: SinkUrl = url.parse().unwrap();
            let again = again.open(&text::context()).unwrap();
            again.write(&packets(20_001)).await.unwrap();
            assert_eq!(writing.await.unwrap().unwrap().delivered, 5_000);
            let rows = ask::rows(&session, &format!("{keyspace}.packets"), "record").await;
            assert_eq!(rows.len() as u64, 10_000);
        }
    });
}

/// A node that speaks TLS alone, with a certificate that `keytool` makes.
pub(crate) fn tls() {
    let mut cluster = cluster(1);
    let folder = tempfile::tempdir().unwrap();
    let keytool = |arguments: &str| {
        let done = std::process::Command::new("keytool")
            .args(arguments.split(' '))
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
    };
    for name in ["node", "other"] {
        let store = format!("-alias n -keystore {name}.p12 -storetype PKCS12 -storepass secret");
        keytool(&format!(
            "-genkeypair -keyalg RSA -dname CN={name} -ext san=ip:127.0.0.1 -validity 2 {store}"
        ));
        keytool(&format!("-exportcert -rfc -file {name}.pem {store}"));
    }
    cluster.stop(1);
    let keystore = folder.path().join("node.p12");
    cluster.start_with(
        1,
        &[&format!(
            "client_encryption_options: {{enabled: true, optional: false, keystore: '{}', \
             keystore_password: secret}}",
            keystore.display()
        )],
    );
    fs::write(folder.path().join("a.txt"), text::records(1..1_001)).unwrap();
    let keyspace = cluster.keyspace();
    let url = |more| cluster.url(&keyspace, more);
    for (wrong, said) in [
        ("tls=other.pem", "invalid peer certificate"),
        ("", "Waiting: no node of 127.0.0.1:9042 answers"),
    ] {
        let url = url(wrong);
        let parse = Running::new(dumpstream(folder.path(), &["parse", "a.txt", "-o", &url]));
        parse.says(said);
    }
    let url = url("create=true&tls=node.pem");
    ran(folder.path(), &["parse", "a.txt", "-o", &url]).quiet();
    let count = [
        "query",
        "-d",
        &url,
        "-f",
        "csv",
        "SELECT count(*) AS n FROM packets",
    ];
    assert_eq!(ran(folder.path(), &count).quiet().out, "n\n1000\n");
    cluster.spoilt();
}

/// The wait ends when the time to drain does, and what was not written is counted.
pub(crate) fn a_cluster_that_never_comes() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.txt"), text::records(1..1_001)).unwrap();
    let url = "cassandra://127.0.0.9/k.packets";
    let arguments = ["parse", "--drain-timeout", "1s", "a.txt", "-o", url];
    let parse = Running::new(dumpstream(folder.path(), &arguments));
    parse.says("Waiting: no node of 127.0.0.9:9042 answers");
    // Its ear for signals opens at the same time.
    std::thread::sleep(Duration::from_millis(300));
    parse.signal("INT");
    let (status, said) = parse.end();
    assert_eq!(status.code(), Some(5), "{said}");
    for said_too in [
        "1000 packets not written when --drain-timeout expired",
        "0 packets written to",
        "1000 packets dropped by",
    ] {
        assert!(said.contains(said_too), "{said_too}: {said}");
    }
}

/// A file that ended within a record is read again when it is whole, and as it was before.
pub(crate) fn a_record_that_was_cut() {
    let cluster = cluster(1);
    let folder = tempfile::tempdir().unwrap();
    let whole = "1700000000.000001 IP 10.0.0.1.53 > 10.0.0.2.9: UDP, length 26\n\
                 1700000000.000002 IP 10.0.0.1.53 > 10.0.0.2.9: UDP, length 1372\n";
    let cut = &whole[..whole.len() - 3];
    let ended = "record,truncated,payload_length\n1,false,26\n2,false,1372\n";
    for texts in [&[cut, whole, cut][..], &[whole, cut]] {
        let keyspace = cluster.keyspace();
        let url = cluster.url(&keyspace, "create=true");
        for (i, text) in texts.iter().enumerate() {
            fs::write(folder.path().join("a.txt"), text).unwrap();
            ran(
                folder.path(),
                &["parse", "-q", "--raw", "a.txt", "-o", &url],
            );
            let sql = "SELECT record, truncated, payload_length FROM packets";
            let place = cluster.url(&keyspace, "").replace(".packets", "");
            let query = ran(folder.path(), &["query", "-d", &place, "-f", "csv", sql]).quiet();
            match i == 0 && *text == cut {
                true => assert!(query.out.contains("\n2,true,\n"), "{query:?}"),
                false => assert_eq!(query.out, ended),
            }
        }
        let read = ["read", &cluster.url(&keyspace, ""), "--raw"];
        let read = ran(folder.path(), &read).quiet();
        assert!(read.out.contains("length 1372\\n\""), "{}", read.out);
        assert!(!read.out.contains("truncated"), "{}", read.out);
    }
}

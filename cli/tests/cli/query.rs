use std::fs;
use std::io::Read;
use std::path::Path;

use super::program::{Ran, Running, dumpstream, fed, ran, record};

/// A database of two packets; the second has hostile text in it.
fn store(folder: &Path) {
    let hostile = "10:00:01.000000 IP 192.0.2.7.5000 > 192.0.2.2.53: 1+ A? \
                   \u{1b}[2J\u{9b}31m\u{202e}evil.example. (30)\n";
    let text = format!("{}{hostile}", record(0));
    let parse = ["parse", "--date", "2026-01-31", "-o", "sqlite:packets.db"];
    fed(folder, &parse, text.as_bytes()).quiet();
}

#[test]
fn every_format() {
    let folder = tempfile::tempdir().unwrap();
    store(folder.path());
    let sql = "SELECT source, source_port, time FROM packets ORDER BY record";
    let as_ = |format| ran(folder.path(), &["query", "-f", format, sql]).quiet();
    assert_eq!(
        as_("table").out,
        "source     source_port  time\n\
         192.0.2.1         1024  2026-01-31T10:00:00.000000Z\n\
         192.0.2.7         5000  2026-01-31T10:00:01.000000Z\n"
    );
    assert_eq!(
        as_("csv").out,
        "source,source_port,time\n\
         192.0.2.1,1024,2026-01-31T10:00:00.000000Z\n\
         192.0.2.7,5000,2026-01-31T10:00:01.000000Z\n"
    );
    let json = as_("jsonl").json();
    assert_eq!(json[1]["source_port"], 5000);
    let formula = "SELECT '=cmd()' AS a, -5 AS b";
    let csv = ran(folder.path(), &["query", "-f", "csv", formula]).quiet();
    assert_eq!(csv.out, "a,b\n'=cmd(),-5\n");
}

#[test]
fn text_of_the_wire_does_not_act_on_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    store(folder.path());
    let sql = "SELECT info FROM packets WHERE source = '192.0.2.7'";
    let table = ran(folder.path(), &["query", sql]).quiet().out;
    assert!(
        table.contains("\\u{1b}[2J\\u{9b}31m\\u{202e}evil.example."),
        "{table}"
    );
    let json = ran(folder.path(), &["query", "-f", "jsonl", sql]).quiet();
    assert!(
        !json.out.contains(['\u{1b}', '\u{9b}', '\u{202e}']),
        "{json:?}"
    );
    let value = json.json()[0]["info"].as_str().unwrap().to_owned();
    assert!(
        value.contains("\u{1b}[2J\u{9b}31m\u{202e}evil"),
        "JSON keeps it: {value:?}"
    );
    // Errors repeat what was typed.
    let typed = ran(
        folder.path(),
        &["query", "SELECT \"\u{1b}[31m\"x FROM packet s s"],
    );
    assert!(!typed.err.contains('\u{1b}'), "{typed:?}");
}

#[test]
fn mistakes_are_told_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    ran(folder.path(), &["query", "SELECT 1"]).failed(1, &["packets.db", "dumpstream listen"]);
    assert!(!folder.path().join("packets.db").exists());
    store(folder.path());
    let column = ran(folder.path(), &["query", "SELECT sorce FROM packets"]);
    column.failed(1, &["no such column: sorce", "source", "destination_port"]);
    let table = ran(folder.path(), &["query", "SELECT * FROM packetz"]);
    table.failed(1, &["no such table: packetz", "packets"]);
    ran(folder.path(), &["query", "SELEC"]).failed(1, &["syntax error"]);
    ran(folder.path(), &["query", "SELECT 1; SELECT 2"]).failed(2, &["one statement"]);
    fs::write(
        folder.path().join("text.db"),
        "no database at all, but some text\n".repeat(99),
    )
    .unwrap();
    ran(folder.path(), &["query", "-d", "text.db", "SELECT 1"]).failed(1, &["not a database"]);
    ran(folder.path(), &["query", "-d", ".", "SELECT 1"]).failed(1, &["is a directory"]);
    let other = rusqlite::Connection::open(folder.path().join("other.db")).unwrap();
    other.execute_batch("CREATE TABLE t (x)").unwrap();
    let sql = "SELECT * FROM packets";
    let ran_other = ran(folder.path(), &["query", "-d", "other.db", sql]);
    ran_other.failed(1, &["not a dumpstream database"]);
}

#[test]
#[cfg(unix)]
fn who_may_read_a_closed_database_is_told() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    let folder = tempfile::tempdir().unwrap();
    store(folder.path());
    let closed = folder.path().join("packets.db");
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(&closed, 0o000);
    let arguments = ["query", "SELECT * FROM packets"];
    let mut command = dumpstream(folder.path(), &arguments);
    // Root reads it all the same: somebody else asks.
    if fs::metadata(&closed).unwrap().uid() == 0 {
        command = of_nobody(folder.path(), &arguments);
    }
    let ran = Ran::from(command.output().unwrap());
    ran.failed(1, &["Permission denied", "its owner", "mode 000"]);
}

/// The program as another user than root runs it, with a copy that he can reach.
#[cfg(unix)]
fn of_nobody(folder: &Path, arguments: &[&str]) -> std::process::Command {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;

    let program = folder.join("program");
    // By another process: what this one writes is busy while a test beside it forks.
    let mut cp = std::process::Command::new("cp");
    cp.arg(env!("CARGO_BIN_EXE_dumpstream")).arg(&program);
    assert!(cp.status().unwrap().success());
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = std::process::Command::new(program);
    command.args(arguments).current_dir(folder);
    command.uid(65_534).gid(65_534);
    command
}

#[test]
#[cfg(unix)]
fn another_user_reads_a_database_that_nobody_writes() {
    use std::os::unix::fs::MetadataExt;

    let folder = tempfile::tempdir().unwrap();
    store(folder.path());
    if fs::metadata(folder.path()).unwrap().uid() != 0 {
        // Only root becomes somebody else.
        return;
    }
    // A name that means something in a URI.
    fs::rename(
        folder.path().join("packets.db"),
        folder.path().join("a%41?#.db"),
    )
    .unwrap();
    let sql = "SELECT count(*) AS n FROM packets";
    let asked = ["query", "-f", "csv", "-d", "a%41?#.db", sql];
    let ask = || Ran::from(of_nobody(folder.path(), &asked).output().unwrap());
    assert_eq!(ask().quiet().out, "n\n2\n");
    assert_eq!(ran(folder.path(), &asked).quiet().out, "n\n2\n");
    // A copy of a database that is written has rows in its log.
    let writer = rusqlite::Connection::open(folder.path().join("a%41?#.db")).unwrap();
    writer
        .execute("UPDATE packet SET truncated = 1", [])
        .unwrap();
    for end in ["", "-wal"] {
        let [from, to] = ["a%41?#.db", "b.db"].map(|name| format!("{name}{end}"));
        fs::copy(folder.path().join(from), folder.path().join(to)).unwrap();
    }
    let asked = ["query", "-d", "b.db", sql];
    let copy = Ran::from(of_nobody(folder.path(), &asked).output().unwrap());
    copy.failed(1, &["b.db-wal", "run this as its owner"]);
}

#[test]
fn bytes_have_one_meaning_for_both_versions_of_ip() {
    let folder = tempfile::tempdir().unwrap();
    let text = "10:00:00.000000 IP (tos 0x0, ttl 64, id 1, offset 0, flags [DF], proto UDP (17), length 60)\n    \
                192.0.2.1.5000 > 192.0.2.2.9: UDP, length 32\n\
                10:00:01.000000 IP6 (hlim 64, next-header UDP (17) payload length: 40) \
                2001:db8::1.5000 > 2001:db8::2.9: UDP, length 32\n\
                10:00:02.000000 IP 192.0.2.1.5000 > 192.0.2.2.9: UDP, length 32\n\
                10:00:03.000000 ARP, Ethernet (len 6), IPv4 (len 4), Request who-has 192.0.2.1 tell 192.0.2.2, length 28\n";
    let parse = ["parse", "-q", "-o", "sqlite:packets.db"];
    fed(folder.path(), &parse, text.as_bytes()).quiet();
    let sql = "SELECT length, bytes FROM packets ORDER BY record";
    let out = ran(folder.path(), &["query", "-f", "csv", sql]).quiet().out;
    assert_eq!(out, "length,bytes\n60,60\n40,80\n,\n28,\n");
    // A field of that name is the user's own.
    let mine = r#"{"namespace": "n", "fields": [
        {"name": "ip_version", "in": "ip_version", "regex": "(.)", "type": "int"},
        {"name": "length", "in": "network", "regex": "length:? (\\d+)", "type": "int"},
        {"name": "bytes", "in": "network", "regex": "ttl (\\d+)", "type": "int"}]}"#;
    fs::write(folder.path().join("mine.json"), mine).unwrap();
    let parse = [
        "parse",
        "-q",
        "--namespace",
        "mine.json",
        "-o",
        "sqlite:mine.db",
    ];
    fed(folder.path(), &parse, text.as_bytes()).quiet();
    let own = [
        "query",
        "-f",
        "csv",
        "-d",
        "mine.db",
        "SELECT bytes FROM packets WHERE length = 60",
    ];
    assert_eq!(ran(folder.path(), &own).quiet().out, "bytes\n64\n");
}

#[test]
fn a_query_does_not_write() {
    let folder = tempfile::tempdir().unwrap();
    store(folder.path());
    for sql in [
        "CREATE TABLE t (x)",
        "DROP VIEW packets",
        "PRAGMA user_version = 7",
        "VACUUM",
    ] {
        let refused = ran(folder.path(), &["query", sql]);
        assert!(matches!(refused.code, Some(1 | 2)), "{sql}: {refused:?}");
        assert_ne!(refused.err, "", "{sql}");
    }
    let count = ran(
        folder.path(),
        &["query", "-f", "csv", "SELECT count(*) FROM packets"],
    )
    .quiet();
    assert_eq!(count.out, "count(*)\n2\n");
}

#[test]
fn a_signal_ends_a_query_that_does_not_end() {
    let folder = tempfile::tempdir().unwrap();
    store(folder.path());
    let sql = "WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c)
               SELECT n FROM c WHERE n < 10000";
    let mut command = dumpstream(folder.path(), &["query", "-f", "csv", sql]);
    let (mut reader, writer) = std::io::pipe().unwrap();
    command.stdout(writer);
    let running = Running::new(command);
    reader.read_exact(&mut [0; 9]).unwrap();
    running.signal("INT");
    let (status, said) = running.end();
    assert_eq!((status.code(), said.as_str()), (Some(130), ""));
}

#[test]
fn sql_comes_from_standard_input_and_may_begin_with_a_comment() {
    let folder = tempfile::tempdir().unwrap();
    store(folder.path());
    let sql = "-- how many\nSELECT count(*) AS n FROM packets;\n";
    let asked = ["query", "-f", "csv"];
    for arguments in [&asked[..], &["query", "-f", "csv", "-"]] {
        assert_eq!(
            fed(folder.path(), arguments, sql.as_bytes()).quiet().out,
            "n\n2\n"
        );
    }
    for comment in [sql, "--how many\nSELECT count(*) AS n FROM packets"] {
        let typed = ran(folder.path(), &["query", "-f", "csv", comment]).quiet();
        assert_eq!(typed.out, "n\n2\n");
    }
    // Options stay options.
    ran(folder.path(), &["query", "--colour=a b", "SELECT 1"]).failed(2, &["--colour"]);
    fed(folder.path(), &asked, b"").failed(1, &["SQL is empty"]);
    fed(folder.path(), &asked, b"\xff").failed(2, &["not text"]);
    fed(folder.path(), &asked, &[b' '; 2 << 20]).failed(2, &["1 MiB"]);
}

#[test]
fn a_statement_that_writes_is_wrong_usage() {
    let folder = tempfile::tempdir().unwrap();
    store(folder.path());
    for sql in [
        "DELETE FROM packets",
        "DROP TABLE packet",
        "DELETE FROM packet",
    ] {
        ran(folder.path(), &["query", sql]).failed(2, &["a query only reads"]);
    }
}

#[test]
fn a_database_may_have_any_name() {
    let folder = tempfile::tempdir().unwrap();
    store(folder.path());
    for name in ["a?b#c%20.db", "file:x"] {
        std::fs::copy(folder.path().join("packets.db"), folder.path().join(name)).unwrap();
        let whole = format!("/{}/{name}", folder.path().display());
        for name in [name, &whole] {
            let asked = [
                "query",
                "-f",
                "csv",
                "-d",
                name,
                "SELECT count(*) AS n FROM packets",
            ];
            assert_eq!(ran(folder.path(), &asked).quiet().out, "n\n2\n", "{name}");
        }
    }
}

#[test]
fn a_range_of_the_key_reads_no_other_rows() {
    let folder = tempfile::tempdir().unwrap();
    store(folder.path());
    let sql = "SELECT count(*) AS n FROM packets WHERE time_ns >= unixepoch('2026-01-31 10:00:01') * 1000000000 \
               AND time_ns < unixepoch('2026-02-01') * 1000000000";
    let asked = |sql: &str| ran(folder.path(), &["query", "-f", "csv", sql]).quiet().out;
    assert_eq!(asked(sql), "n\n1\n");
    let plan = asked(&format!("EXPLAIN QUERY PLAN {sql}"));
    assert!(
        plan.contains("SEARCH packet USING PRIMARY KEY (time>? AND time<?)"),
        "{plan}"
    );
}

#[test]
fn a_row_begins_with_the_packet_and_ends_with_where_it_came_from() {
    let folder = tempfile::tempdir().unwrap();
    store(folder.path());
    let sql = "SELECT * FROM packets LIMIT 0";
    let names = ran(folder.path(), &["query", "-f", "csv", sql]).quiet().out;
    let end = "info,bytes,sensor,stream,record,time_source,truncated,time_ns\n";
    assert!(
        names.starts_with("time,number,") && names.ends_with(end),
        "{names}"
    );
}

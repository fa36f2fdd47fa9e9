use std::fs;
use std::path::Path;

use super::program::{Ran, dumpstream, fed, ran, record, records};

/// A namespace of one field that does not match, and one that does.
const MINE: &str = r#"{"namespace": "mine", "fields": [
  {"name": "time", "in": "stamp", "regex": "^(.+)$", "type": "timestamp"},
  {"name": "hops", "in": "network", "regex": "ttl: (\\d+)", "type": "int", "doc": "hops left"},
  {"name": "port", "in": "endpoints", "regex": "\\.(\\d+) > ", "type": "port"}
]}"#;

fn explained(folder: &Path, arguments: &[&str]) -> Ran {
    let mut all = vec!["explain"];
    all.extend(arguments);
    ran(folder, &all)
}

#[test]
fn a_line_a_file_and_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("three.txt"), records(3)).unwrap();
    let line = record(1);
    let escaped = line.trim_end().replace('\n', "\\n");
    for arguments in [
        &["three.txt", "--record", "2"][..],
        &[line.as_str()],
        &[escaped.as_str()],
    ] {
        let out = explained(folder.path(), arguments).quiet().out;
        assert!(out.contains("source_port"), "{out}");
        assert!(out.contains("1025"), "{out}");
        assert!(out.lines().count() < 50, "one screen: {out}");
        assert!(!out.contains('\u{1b}'), "{out}");
    }
    let piped = fed(
        folder.path(),
        &["explain", "-r", "3"],
        records(3).as_bytes(),
    )
    .quiet();
    assert!(piped.out.contains("1026"), "{}", piped.out);
    explained(folder.path(), &["three.txt", "-r", "4"]).failed(2, &["has 3 records"]);
    explained(folder.path(), &["four.txt"]).failed(1, &["not a readable file"]);
    explained(folder.path(), &["three.txt", "-f", "tll"]).failed(2, &["no such field", "ttl"]);
    explained(folder.path(), &["", "-r", "0"]).failed(2, &["--record"]);
}

#[test]
fn why_a_pattern_did_not_match() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mine.json"), MINE).unwrap();
    let line = record(0);
    // Told without being asked for: the field is the user's own.
    let page = explained(folder.path(), &["--namespace", "mine.json", &line]).quiet();
    let field = ["--namespace", "mine.json", "--field", "hops", &line];
    let field = explained(folder.path(), &field).quiet();
    for out in [&page.out, &field.out] {
        for words in [
            "mine.json:3:46 in `network`: does not match",
            "    pattern   ttl: (\\d+)\n              ---^\n",
            "3 bytes match; then expected `: `, found ` 64, id 0",
            "at 1:33",
        ] {
            assert!(out.contains(words), "{words:?} is not in {out}");
        }
    }
    assert!(!field.out.contains("port"), "{}", field.out);
    let json = ["--namespace", "mine.json", "--format", "json", &line];
    let json = explained(folder.path(), &json).quiet().out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let miss = &json["fields"][1]["tries"][0]["verdict"]["no-match"];
    assert_eq!(miss["reach"]["expected"], ": ");
    assert_eq!(json["fields"][2]["value"], 1024);
    assert_eq!(json["fields"][1]["missing"], "no-match");
}

#[test]
fn nothing_acts_on_a_terminal_but_our_own_colours() {
    let folder = tempfile::tempdir().unwrap();
    let hostile = "10:00:01.000000 IP 192.0.2.7.5000 > 192.0.2.2.53: 1+ A? \
                   \u{1b}[2J\u{9b}31m\u{202e}evil.example. (30)\n\t\u{1b}]0;x\u{7}\n";
    for arguments in [
        &["--color", "never", hostile][..],
        &["--color", "never", "--field", "info", hostile],
        &["--format", "json", hostile],
    ] {
        let out = explained(folder.path(), arguments).quiet().out;
        let acts = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!out.contains(acts), "{out:?}");
        assert!(out.contains("evil.example"), "{out}");
    }
    let coloured = explained(folder.path(), &["--color", "always", &record(0)]).quiet();
    assert!(
        coloured.out.contains("\u{1b}[1mparts\u{1b}[0m"),
        "{}",
        coloured.out
    );
}

#[test]
fn a_right_namespace_and_its_coverage() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mine.json"), MINE).unwrap();
    let mixed = format!(
        "{}10:00:09.000000 ARP, Request who-has 10.0.0.1 tell 10.0.0.2, length 28\n",
        records(3)
    );
    fs::write(folder.path().join("mixed.txt"), mixed).unwrap();
    let check = |arguments: &[&str]| {
        let mut all = vec!["check", "mine.json"];
        all.extend(arguments);
        ran(folder.path(), &all)
    };
    let plain = check(&[]).quiet();
    assert!(
        plain
            .out
            .contains("mine.json: 3 fields, 3 entries, no errors"),
        "{}",
        plain.out
    );
    let table = check(&["--sample", "mixed.txt", "--min-coverage", "100"])
        .quiet()
        .out;
    assert!(table.contains("4 records: 4 parsed (100.00 %)"), "{table}");
    let row = |name: &str| -> Vec<String> {
        let row = table.lines().find(|line| line.starts_with(name)).unwrap();
        row.split_whitespace().map(str::to_owned).collect()
    };
    assert_eq!(
        row("hops"),
        ["hops", "0", "0.00", "%", "0.00", "%", "4", "0", "0"]
    );
    assert_eq!(
        row("port"),
        ["port", "3", "75.00", "%", "100.00", "%", "0", "0", "1"]
    );
    check(&["-s", "mixed.txt", "-m", "port=100"]).quiet();
    let below = check(&["-s", "mixed.txt", "-m", "port=100", "-m", "hops=1"]);
    assert_eq!(below.code, Some(3), "{below:?}");
    assert!(
        below.out.contains("hops: 0 of 4 (0.00 %), required 1 %"),
        "{}",
        below.out
    );
    check(&["-s", "mixed.txt", "-m", "nix=1"]).failed(2, &["no such field"]);
    check(&["-m", "1"]).failed(2, &["--sample"]);
    check(&["-s", "/dev/null", "-m", "0"]).failed(2, &["no record"]);
}

const HSRP: &str = "1126551970.888102 IP (tos 0xc0, ttl 1, id 0, offset 0, flags [none], proto UDP \
    (17), length 48)\n    10.0.0.1.1985 > 224.0.0.2.1985: HSRPv0-hello 20: state=active group=10 \
    addr=10.0.0.3 hellotime=3s holdtime=10s priority=90 auth=\"cisco\"\n";

const STANDBY: &str = r#"{"namespace": "standby", "fields": [
 {"name": "state", "in": "info", "regex": "state=(\\w+)", "type": "text"},
 {"name": "hello", "in": "info", "regex": "hellotime (\\d+)", "type": "int"}]}"#;

#[test]
fn what_is_withheld_is_said_to_be() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("standby.json"), STANDBY).unwrap();
    let text =
        format!("{HSRP}1126551971.000000 ARP, Reply 10.0.0.1 is-at 02:00:00:00:00:01, length 28\n");
    fs::write(folder.path().join("hsrp.txt"), text).unwrap();
    let check = |more: &[&str]| {
        let mut all = vec!["check", "standby.json", "-s", "hsrp.txt"];
        all.extend(more);
        ran(folder.path(), &all)
    };
    let told = check(&[]).quiet().out;
    assert!(told.contains("1 of them with `info` withheld"), "{told}");
    assert!(told.contains("--keep-info"), "{told}");
    let kept = check(&["--keep-info", "-m", "state=100"]).quiet().out;
    assert!(!kept.contains("withheld"), "{kept}");
    let explained = |more: &[&str]| {
        let mut all = vec!["explain", "--namespace", "standby.json", "hsrp.txt"];
        all.extend(more);
        ran(folder.path(), &all).quiet().out
    };
    // One that would match in it, and one that would not.
    for field in ["state", "hello"] {
        let told = explained(&["-f", field]);
        assert!(told.contains("withheld for this decoder"), "{told}");
        assert!(!explained(&["-f", field, "--keep-info"]).contains("withheld"));
    }
}

#[test]
fn a_quiet_check_tells_only_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let payload = MINE.replace("endpoints", "payload");
    fs::write(folder.path().join("mine.json"), &payload).unwrap();
    fs::write(folder.path().join("day.txt"), records(3)).unwrap();
    let check = |more: &[&str]| {
        let mut all = vec!["check", "-q", "mine.json"];
        all.extend(more);
        ran(folder.path(), &all)
    };
    assert_eq!(check(&[]).quiet().out, "");
    assert_eq!(check(&["-s", "day.txt"]).quiet().out, "");
    let below = check(&["-s", "day.txt", "-m", "hops=1"]);
    assert_eq!(below.code, Some(3));
    assert_eq!(below.out, "below: hops: 0 of 3 (0.00 %), required 1 %\n");
    fs::write(
        folder.path().join("mine.json"),
        payload.replace("payload", "paylod"),
    )
    .unwrap();
    let wrong = check(&[]);
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.out.contains("no such part"), "{}", wrong.out);
}

#[test]
fn everything_wrong_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = MINE
        .replace("ttl: (", "ttl: ^(")
        .replace("\"port\"}", "\"prot\"}");
    fs::write(folder.path().join("wrong.json"), wrong).unwrap();
    let check = ran(folder.path(), &["check", "wrong.json"]);
    assert_eq!(check.code, Some(2), "{check:?}");
    for words in [
        "wrong.json:3:52: error: field \"hops\": pattern can never match: ",
        "wrong.json:4:72: error: field \"port\": no such type",
        "wrong.json: 2 errors",
    ] {
        assert!(
            check.out.contains(words),
            "{words:?} is not in {}",
            check.out
        );
    }
    let payload = MINE.replace("endpoints", "payload");
    fs::write(folder.path().join("payload.json"), payload).unwrap();
    let payload = ran(folder.path(), &["check", "payload.json"]).quiet().out;
    assert!(payload.contains("counts as --keep-payload"), "{payload}");
    ran(folder.path(), &["check", "none.json"]).failed(2, &["none.json"]);
}

#[test]
fn the_schema_of_json_holds_for_records() {
    let folder = tempfile::tempdir().unwrap();
    let schema = ran(folder.path(), &["schema", "json", "--origin", "--raw"])
        .quiet()
        .out;
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    let parse = ["parse", "--origin", "--raw"];
    for record in fed(folder.path(), &parse, records(3).as_bytes())
        .quiet()
        .json()
    {
        let record = record.as_object().unwrap();
        for (name, value) in record {
            let property = &schema["properties"][name];
            let kind = match value {
                serde_json::Value::String(_) => "string",
                serde_json::Value::Number(_) => "integer",
                serde_json::Value::Bool(_) => "boolean",
                other => panic!("{name}: {other}"),
            };
            let fits = property["type"] == kind || !property["enum"].is_null();
            assert!(fits, "{name}: {value} is not {property}");
        }
        for name in schema["required"].as_array().unwrap() {
            assert!(record.contains_key(name.as_str().unwrap()), "{name}");
        }
    }
    assert_eq!(
        schema["properties"]["ttl"]["description"],
        "IPv4 time to live"
    );
}

/// As pyarrow spells it; the tests of the Python package compare all of it.
#[test]
fn the_schema_of_arrow_is_spelled_as_pyarrow_does() {
    let folder = tempfile::tempdir().unwrap();
    let schema = |more: &[&str]| {
        let arguments = [&["schema"], more].concat();
        ran(folder.path(), &arguments).quiet().out
    };
    let printed = schema(&["arrow", "--raw"]);
    for lines in [
        "time: timestamp[ns, tz=UTC]\n  -- field metadata --\n  doc: 'when the packet was seen; UTC'\n",
        "\nflags: dictionary<values=string, indices=int32, ordered=0>\n",
        "\nsource_port: uint16\n",
        "\nrecord: int64 not null\n",
        "\nraw: string not null\n",
    ] {
        assert!(printed.contains(lines), "{lines} is not in {printed}");
    }
    let hash = dumpstream::Namespace::tcpdump().hash();
    let end = format!("-- schema metadata --\nnamespace: 'tcpdump'\nhash: '{hash:016x}'\n");
    assert!(printed.ends_with(&end), "{printed}");
    let printed = schema(&["parquet"]);
    assert!(printed.contains("\ntime_ns: int64\n") && printed.contains("\nflags: string\n"));
    let mine = r#"{"namespace": "mine", "fields": [
        {"name": "loss", "in": "info", "regex": "loss (\\S+)", "type": "real", "doc": "a\n\u001b[2Jb"},
        {"name": "at", "in": "info", "regex": "at (\\S+)", "type": "time"}]}"#;
    fs::write(folder.path().join("mine.json"), mine).unwrap();
    let printed = schema(&["arrow", "--namespace", "mine.json"]);
    let begin =
        "loss: double\n  -- field metadata --\n  doc: 'a\\n\\u{1b}[2Jb'\nat: time64[ns]\nsensor: ";
    assert!(printed.starts_with(begin), "{printed}");
    ran(folder.path(), &["schema", "arrow", "--heartbeat"]).failed(2, &["--count 1"]);
}

#[test]
fn the_schema_of_sqlite_is_that_of_a_store() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mine.json"), MINE).unwrap();
    let namespace = ["--namespace", "mine.json"];
    let parse = [
        "parse",
        "--raw",
        "-o",
        "sqlite:packets.db",
        namespace[0],
        namespace[1],
    ];
    fed(folder.path(), &parse, records(1).as_bytes()).quiet();
    let schema = ["schema", "sqlite", "--raw", namespace[0], namespace[1]];
    let schema = ran(folder.path(), &schema).quiet().out;
    let of = |database: &rusqlite::Connection| -> Vec<(String, String)> {
        let sql = "SELECT name, sql FROM sqlite_schema WHERE sql NOT NULL \
                   AND name NOT LIKE 'sqlite_%' ORDER BY name";
        let mut statement = database.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        rows.unwrap().map(Result::unwrap).collect()
    };
    let store = rusqlite::Connection::open(folder.path().join("packets.db")).unwrap();
    let made = rusqlite::Connection::open_in_memory().unwrap();
    made.execute_batch(&schema).unwrap();
    assert_eq!(of(&made), of(&store));
}

#[test]
fn a_database_made_from_the_schema_takes_packets() {
    let folder = tempfile::tempdir().unwrap();
    let schema = ran(folder.path(), &["schema", "sqlite"]).quiet().out;
    let empty = rusqlite::Connection::open(folder.path().join("empty.db")).unwrap();
    empty.execute_batch(&schema).unwrap();
    drop(empty);
    let parse = ["parse", "-o", "sqlite:empty.db"];
    fed(folder.path(), &parse, records(3).as_bytes()).quiet();
    let count = [
        "query",
        "-d",
        "empty.db",
        "-f",
        "csv",
        "SELECT count(*) AS n FROM packets",
    ];
    assert_eq!(ran(folder.path(), &count).quiet().out, "n\n3\n");
}

#[test]
fn the_namespace_goes_out_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let export = ran(folder.path(), &["namespace", "export"]).quiet().out;
    assert_eq!(export, include_str!("../../../packet_parse.json"));
    fs::write(folder.path().join("mine.json"), &export).unwrap();
    let list = ran(folder.path(), &["namespace", "list"]).quiet().out;
    assert!(
        list.lines()
            .any(|line| line.starts_with("ttl ") && line.contains("network")),
        "{list}"
    );
    let again = ["namespace", "list", "--namespace", "mine.json"];
    assert_eq!(ran(folder.path(), &again).quiet().out, list);
}

#[test]
fn no_color_is_heard() {
    let folder = tempfile::tempdir().unwrap();
    let line = record(0);
    let mut command = dumpstream(folder.path(), &["explain", &line]);
    let out = Ran::from(command.env("NO_COLOR", "1").output().unwrap())
        .quiet()
        .out;
    assert!(!out.contains('\u{1b}'), "{out}");
}

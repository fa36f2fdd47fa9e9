//! Mistakes on the command line: each is refused in our words, with the remedy.

use std::fs;
use std::io::Write;
use std::net::TcpListener;

use crate::program::{Running, dumpstream, fed, ran, record};

#[test]
fn an_empty_sensor_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["--sensor", "--stream"] {
        for empty in ["", " "] {
            ran(folder.path(), &["parse", name, empty]).failed(2, &[name, "must not be empty"]);
        }
    }
}

#[test]
fn amounts_are_read_as_people_type_them() {
    let folder = tempfile::tempdir().unwrap();
    let amounts = [
        "parse",
        "--stall-after",
        "1h30m",
        "-o",
        "csv:a.csv?rotate=1h30m",
        "-o",
        "jsonl:a.jsonl?rotate_size=100TB",
    ];
    fed(folder.path(), &amounts, b"").quiet();
}

#[test]
fn ports_that_cannot_be_are_named() {
    let folder = tempfile::tempdir().unwrap();
    for (typed, said) in [
        (&["listen", "99999"][..], "port 99999 is too high"),
        (&["listen", "127.0.0.1:"], "the port number is missing"),
        (
            &["connect", "127.0.0.1", "0"],
            "port 0 cannot be connected to",
        ),
        (&["connect", "localhost:0"], "port 0 cannot be connected to"),
    ] {
        ran(folder.path(), typed).failed(2, &[said]);
    }
    assert!(!folder.path().join("packets.db").exists());
}

#[test]
fn dates_and_times_are_refused_in_our_words() {
    let folder = tempfile::tempdir().unwrap();
    let url = "cassandra://192.0.2.1/k.t";
    for (typed, said) in [
        (&["parse", "--date", "24.11.2026"][..], "such as 2026-11-24"),
        (&["parse", "--date", "2026-02-30"], "such as 2026-11-24"),
        (&["read", url, "--from", "2026-02-30"], "give 2026-11-24"),
        (&["read", url, "--to", "noon"], "give 2026-11-24"),
    ] {
        let refused = ran(folder.path(), typed).failed(2, &[said]);
        let foreign = ["parameter", "failed to parse", "ASCII", "RFC"];
        assert!(
            !foreign.iter().any(|f| refused.err.contains(f)),
            "{refused:?}"
        );
    }
}

#[test]
fn a_wrong_namespace_names_check() {
    let folder = tempfile::tempdir().unwrap();
    let broken = r#"{"namespace": "n", "fields": [{"name": "a", "in": "tcp", "regex": "(", "type": "int"}]}"#;
    fs::write(folder.path().join("mine.json"), broken).unwrap();
    let typed = ["parse", "--namespace", "mine.json"];
    fed(folder.path(), &typed, b"").failed(2, &["mine.json:", "`dumpstream check mine.json`"]);
}

#[test]
fn two_texts_on_standard_output_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let both = ["parse", "-o", "csv:-", "-o", "jsonl:-"];
    fed(folder.path(), &both, b"").failed(2, &["csv:- and jsonl:-", "name a file"]);
}

#[test]
fn json_is_not_added_to_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let to = |url| fed(folder.path(), &["parse", "-o", url], record(0).as_bytes());
    to("csv:out").quiet();
    let table = fs::read(folder.path().join("out")).unwrap();
    to("jsonl:out").failed(1, &["not JSON Lines", "name another file"]);
    assert_eq!(fs::read(folder.path().join("out")).unwrap(), table);
    // A rotated file has another name.
    to("jsonl:out?rotate=1h").quiet();
    // What is JSON Lines, or empty, is added to.
    fs::write(folder.path().join("lines"), "").unwrap();
    to("jsonl:lines").quiet();
    assert_eq!(to("jsonl:lines").code, Some(0));
}

#[test]
fn read_of_a_database_names_query() {
    let folder = tempfile::tempdir().unwrap();
    let words = ["packets.db is not", "dumpstream query -d FILE"];
    ran(folder.path(), &["read", "packets.db"]).failed(2, &words);
}

#[test]
fn connect_says_that_it_has_connected_after_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    drop(taken);
    let command = dumpstream(folder.path(), &["connect", &address.to_string()]);
    let running = Running::new(command);
    running.says("refused the connection");
    let listener = TcpListener::bind(address).unwrap();
    let (mut sensor, _) = listener.accept().unwrap();
    sensor.write_all(record(0).as_bytes()).unwrap();
    running.says(&format!("{address} accepted the connection"));
    running.signal("TERM");
    assert_eq!(running.end().0.code(), Some(0));
}

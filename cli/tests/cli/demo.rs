use std::path::Path;

use super::program::{fed, ran, records};

#[test]
fn the_demo_shows_what_it_computes() {
    let folder = tempfile::tempdir().unwrap();
    let demo = ran(folder.path(), &["demo", "--database", "demo.db"]);
    assert_eq!(demo.code, Some(0), "{demo:?}");
    for words in [
        "dumpstream listen",
        "dumpstream replay",
        "dumpstream query",
        "Listening on 127.0.0.1:",
        "database demo.db",
        "bytes received =",
        "records = ",
        "joining every second line",
        "\"protocol\":\"TCP\"",
        "five top talkers",
        "not port 4444",
    ] {
        assert!(demo.out.contains(words), "{words:?} is not in {}", demo.out);
    }
    // The rows that it told of are there.
    let told = demo
        .out
        .lines()
        .find(|line| line.contains("rows of this stream"))
        .unwrap();
    let told = told.split(' ').next().unwrap().replace(',', "");
    let sql = "SELECT count(*) AS n FROM packets";
    let stored = ran(folder.path(), &["query", "-d", "demo.db", "-f", "csv", sql]).quiet();
    assert_eq!(stored.out, format!("n\n{told}\n"));
    let left = demo
        .out
        .lines()
        .find(|line| line.starts_with("The demo left "));
    let left = left
        .expect("where its files are")
        .split(" in ")
        .nth(1)
        .unwrap();
    assert!(
        Path::new(left.split("; ").next().unwrap()).is_dir(),
        "{left}"
    );
}

#[test]
fn the_demo_asks_for_its_own_rows() {
    let folder = tempfile::tempdir().unwrap();
    let before = ["parse", "-o", "sqlite:demo.db"];
    fed(folder.path(), &before, records(5).as_bytes()).quiet();
    let demo = ran(folder.path(), &["demo", "--database", "demo.db"]);
    assert_eq!(demo.code, Some(0), "{demo:?}");
    assert!(
        demo.out.contains("FROM packets WHERE stream LIKE '"),
        "{}",
        demo.out
    );
}

//! Compressed text, and what is no text at all.

use std::fs;

use crate::program::{fed, gz, ran, records};

fn zst(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

const DATED: [&str; 3] = ["parse", "--date", "2026-01-31"];

#[test]
fn packed_text_is_recognised_by_how_it_begins() {
    let folder = tempfile::tempdir().unwrap();
    let text = records(500);
    let plain = fed(folder.path(), &DATED, text.as_bytes()).quiet();
    assert_eq!(plain.out.lines().count(), 500);
    for packed in [gz(text.as_bytes()), zst(text.as_bytes())] {
        assert_eq!(fed(folder.path(), &DATED, &packed).quiet().out, plain.out);
        // A name that lies changes nothing.
        fs::write(folder.path().join("lies.txt"), &packed).unwrap();
        let file = ran(folder.path(), &[&DATED[..], &["lies.txt"]].concat()).quiet();
        assert_eq!(file.out, plain.out);
    }
    fs::write(folder.path().join("lies.gz"), &text).unwrap();
    let file = ran(folder.path(), &[&DATED[..], &["lies.gz"]].concat()).quiet();
    assert_eq!(file.out, plain.out);
    // The sensor is the name without what says how it is packed.
    fs::write(folder.path().join("monday.txt.gz"), gz(text.as_bytes())).unwrap();
    let origin = ran(
        folder.path(),
        &[&DATED[..], &["--origin", "monday.txt.gz"]].concat(),
    );
    assert_eq!(origin.quiet().json()[0]["sensor"], "monday.txt");
}

#[test]
fn members_that_follow_each_other_are_one_text() {
    let folder = tempfile::tempdir().unwrap();
    let text = records(200);
    let plain = fed(folder.path(), &DATED, text.as_bytes()).quiet();
    // In the midst of a record, and of a line.
    let (one, two) = text.as_bytes().split_at(text.len() / 2 + 7);
    for packed in [[gz(one), gz(two)].concat(), [zst(one), zst(two)].concat()] {
        assert_eq!(fed(folder.path(), &DATED, &packed).quiet().out, plain.out);
    }
}

#[test]
fn a_corrupted_gz_is_told_and_what_stood_before_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let text = records(20_000);
    let whole = fed(folder.path(), &DATED, text.as_bytes()).quiet();
    let cut = |mut packed: Vec<u8>| {
        packed.truncate(packed.len() / 2);
        packed
    };
    let mut flipped = gz(text.as_bytes());
    let crc = flipped.len() - 6;
    flipped[crc] ^= 1;
    for (name, bytes, word, least) in [
        ("cut.gz", cut(gz(text.as_bytes())), "gzip: ", 1_000),
        ("cut.zst", cut(zst(text.as_bytes())), "zstd: ", 1_000),
        ("flipped.gz", flipped, "gzip: ", 20_000),
    ] {
        fs::write(folder.path().join(name), bytes).unwrap();
        let ran = ran(folder.path(), &[&DATED[..], &[name]].concat());
        let ran = ran.failed(1, &[name, word, "everything before it was read"]);
        let rows = ran.out.lines().count();
        assert!(rows >= least, "{rows} rows of {name}");
        // The last one may be cut; every other is what it is in the whole text.
        let same = ran
            .out
            .lines()
            .zip(whole.out.lines())
            .filter(|(a, b)| a == b);
        assert!(same.count() >= rows - 1);
    }
}

#[test]
fn a_packed_file_read_twice_adds_no_row() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.txt.gz"), gz(records(30).as_bytes())).unwrap();
    fs::write(folder.path().join("a.txt.zst"), zst(records(30).as_bytes())).unwrap();
    for file in ["a.txt.gz", "a.txt.gz", "a.txt.zst"] {
        let into = [&DATED[..], &["-o", "sqlite:a.db", file]].concat();
        ran(folder.path(), &into).failed(0, &[]);
    }
    let count = [
        "query",
        "-d",
        "a.db",
        "-f",
        "csv",
        "SELECT count(*) FROM packets",
    ];
    assert_eq!(ran(folder.path(), &count).quiet().out, "count(*)\r\n30\r\n");
}

#[test]
fn replay_reads_packed_text() {
    let folder = tempfile::tempdir().unwrap();
    let text = records(40);
    let topspeed = ["replay", "-q", "--topspeed", "-"];
    for packed in [gz(text.as_bytes()), zst(text.as_bytes())] {
        assert_eq!(fed(folder.path(), &topspeed, &packed).quiet().out, text);
    }
}

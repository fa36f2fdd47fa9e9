//! Secrets on the wire: with default settings none is found in anything that dumpstream writes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use regex::bytes::Regex;

/// What `samples/tools/traffic.py secrets` logs in with.
const TWELVE: [&str; 12] = [
    "canary-http-4b1d",
    "canary-cookie-92e0",
    "canary-ftp-7f3a",
    "canary-smtp-c05e",
    "canary-imap-1d97",
    "canary-pop-e6b2",
    "canary-snmp-38f4",
    "canary-resp-a9c1",
    "canary-sip-5e70",
    "canary-rtsp-f21b",
    "canary-telnet-06da",
    "canary-ldap-b84c",
];

/// What `samples/tools/frames.py secrets` carries beside them.
const MORE: [&str; 9] = [
    "cnry-vrp",
    "cnry-hsr",
    "cnry-osp",
    "canary-rip-77c2",
    "canary-pap-d30a",
    "canary-radius-6be5",
    "canary-eap-41fc",
    "canary-isis-0e8d",
    "canary-syslog-29da",
];

fn samples() -> Vec<PathBuf> {
    let flags = ["nn", "v", "vvv", "v-e", "v-X"];
    let flags = flags.map(|flags| given::sample(&format!("4.99.3/secrets/{flags}.txt")));
    let ip6 = given::sample("4.99.3/secrets-ip6/v.txt");
    flags.into_iter().chain([ip6]).collect()
}

/// The ways in which a secret can stand in a text.
struct Search {
    patterns: Vec<(&'static str, Regex)>,
    dump: Regex,
    blob: Regex,
}

impl Search {
    fn new() -> Search {
        let pattern = |canary: &'static str| {
            let mut forms = vec![canary.to_owned()];
            forms.extend((0..3).map(|shift| base64(canary.as_bytes(), shift)));
            let forms: Vec<_> = forms.iter().map(|form| regex::escape(form)).collect();
            let regex = Regex::new(&forms.join("|")).expect("escaped texts");
            (canary, regex)
        };
        Search {
            patterns: TWELVE.into_iter().chain(MORE).map(pattern).collect(),
            // A line of -X, as text or as JSON has it; its first bytes in hexadecimal digits.
            dump: Regex::new(r"0x[0-9a-f]{4,}:  ((?:[0-9a-f]{2,4} ?){1,8})").expect("it is valid"),
            // As a query shows the bytes of `raw`.
            blob: Regex::new(r"[0-9a-f]{40,}").expect("it is valid"),
        }
    }

    /// The canaries in a text, as they are, in base64, and in hexadecimal dumps.
    fn find(&self, text: &[u8]) -> BTreeSet<&'static str> {
        let blobs: Vec<u8> = self
            .blob
            .find_iter(text)
            .flat_map(|digits| unhex(digits.as_bytes()))
            .collect();
        let texts = [text, &blobs[..]];
        let dumped: Vec<u8> = texts
            .iter()
            .flat_map(|text| self.dump.captures_iter(text))
            .flat_map(|line| unhex(&line[1]))
            .collect();
        let found = |regex: &Regex| [text, &blobs, &dumped].iter().any(|t| regex.is_match(t));
        self.patterns
            .iter()
            .filter(|(_, regex)| found(regex))
            .map(|(canary, _)| *canary)
            .collect()
    }
}

/// The bytes of hexadecimal digits, with or without blanks between them.
fn unhex(digits: &[u8]) -> Vec<u8> {
    let digits: Vec<u8> = digits.iter().copied().filter(|b| *b != b' ').collect();
    let pairs = digits.chunks_exact(2).map(|pair| {
        let pair = std::str::from_utf8(pair).expect("ASCII");
        u8::from_str_radix(pair, 16).expect("hexadecimal digits")
    });
    pairs.collect()
}

/// The digits of base64 that a text has wherever it stands in a longer one: without the first and
/// the last, in which there are bits of its neighbours. `shift` is how many bytes stand before it
/// in its group of three.
fn base64(text: &[u8], shift: usize) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bytes: Vec<u8> = std::iter::repeat_n(0, shift)
        .chain(text.iter().copied())
        .collect();
    let bit = |i: usize| bytes[i / 8] >> (7 - i % 8) & 1;
    let (from, to) = ((shift * 8).div_ceil(6), bytes.len() * 8 / 6);
    (from..to)
        .map(|digit| (0..6).fold(0, |n, i| n << 1 | bit(digit * 6 + i)))
        .map(|n| char::from(DIGITS[usize::from(n)]))
        .collect()
}

/// Runs the command; everything that it printed or wrote.
fn everything(folder: &Path, args: &[&str]) -> Vec<(String, Vec<u8>)> {
    let run = |args: &[&str]| {
        let out = Command::new(env!("CARGO_BIN_EXE_dumpstream"))
            .args(args)
            .current_dir(folder)
            .output()
            .expect("it is built");
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        (out, said)
    };
    let (out, said) = run(args);
    assert!(out.status.success(), "{args:?}: {said}");
    let mut all = vec![
        ("stdout".to_owned(), out.stdout),
        ("stderr".to_owned(), out.stderr),
    ];
    if folder.join("p.db").exists() {
        for format in ["table", "csv", "jsonl"] {
            let (out, said) = run(&["query", "-d", "p.db", "-f", format, "SELECT * FROM packets"]);
            assert!(out.status.success(), "{said}");
            all.push((format!("query {format}"), [out.stdout, out.stderr].concat()));
        }
    }
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("an entry").path();
        all.push((
            path.display().to_string(),
            std::fs::read(&path).expect("a file"),
        ));
    }
    all
}

fn sinks() -> Vec<&'static str> {
    let help = Command::new(env!("CARGO_BIN_EXE_dumpstream"))
        .args(["parse", "--help"])
        .output()
        .expect("it is built");
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let known = ["jsonl:-", "jsonl:p.jsonl", "sqlite:p.db", "csv:p.csv"];
    let known = known.into_iter().filter(|url| {
        let (scheme, _) = url.split_once(':').expect("a URL");
        help.contains(&format!("{scheme}:"))
    });
    known.collect()
}

/// What is found in all sinks, logs and reports for one sample.
fn found(search: &Search, sample: &Path, more: &[&str]) -> BTreeSet<(String, &'static str)> {
    let folder = tempfile::tempdir().expect("a folder");
    let mut args = vec!["-vv", "parse", "--tz", "UTC"];
    args.push(sample.to_str().expect("UTF-8"));
    let sinks = sinks();
    for sink in &sinks {
        args.extend(["-o", *sink]);
    }
    args.extend(more);
    let mut found = BTreeSet::new();
    for (place, text) in everything(folder.path(), &args) {
        // A query leaves an empty log behind.
        assert!(!text.is_empty() || place.ends_with("-wal"), "{place}");
        found.extend(search.find(&text).into_iter().map(|c| (place.clone(), c)));
    }
    found
}

#[test]
fn no_secret_is_stored_or_said() {
    let search = Search::new();
    for sample in samples() {
        for engine in ["slot", "regex"] {
            let leaks = found(&search, &sample, &["--engine", engine]);
            assert!(
                leaks.is_empty(),
                "{}, {engine}: {leaks:?}",
                sample.display()
            );
        }
    }
}

/// What is looked for is there to be found: else the test above would hold of anything.
#[test]
fn each_secret_is_found_where_it_is_asked_for() {
    let search = Search::new();
    let dump = &samples()[4];
    for keep in ["--keep-payload", "--raw"] {
        let found = found(&search, dump, &[keep]);
        let seen: BTreeSet<_> = found.iter().map(|(_, canary)| *canary).collect();
        for canary in TWELVE.iter().chain(&MORE) {
            assert!(seen.contains(canary), "{canary} with {keep}");
        }
        for place in ["stdout", "p.jsonl", "p.db", "query jsonl"] {
            assert!(found.iter().any(|(p, _)| p.ends_with(place)), "{place}");
        }
    }
    let found = found(&search, &samples()[0], &["--keep-info"]);
    for canary in [
        "canary-ftp-7f3a",
        "canary-snmp-38f4",
        "canary-resp-a9c1",
        "canary-rtsp-f21b",
    ] {
        assert!(found.iter().any(|(_, c)| *c == canary), "{canary}");
    }
}

/// Errors quote what is wrong, and never a packet; nor do figures of a sample. (`explain` prints a
/// record that it is given: that is what it is for, and it stores nothing.)
#[test]
fn no_secret_is_in_an_error() {
    let search = Search::new();
    let folder = tempfile::tempdir().expect("a folder");
    let broken = folder.path().join("fields.json");
    std::fs::write(&broken, r#"[{"name": "x", "regex": "("}]"#).expect("it can be written");
    for sample in samples() {
        let sample = sample.to_str().expect("UTF-8");
        let broken = broken.to_str().expect("UTF-8");
        for args in [
            &["parse", sample, "--namespace", broken][..],
            // A sample that is no namespace, no database.
            &["parse", "/dev/null", "--namespace", sample],
            &["query", "-d", sample, "SELECT 1"],
            &["parse", sample, "-o", "jsonl:/dev/full"],
            &["parse", sample, "--max-record", "1K", "-o", "null:"],
            &["check", "--sample", sample],
        ] {
            let out = Command::new(env!("CARGO_BIN_EXE_dumpstream"))
                .arg("-vv")
                .args(args)
                .output()
                .expect("it is built");
            let said = [out.stdout, out.stderr].concat();
            assert!(!said.is_empty(), "{args:?}");
            let leaks = search.find(&said);
            assert!(leaks.is_empty(), "{args:?}: {leaks:?}");
        }
    }
}

#[test]
fn base64_is_found_at_every_place() {
    assert_eq!(base64(b"canary", 0), "Y2FuYXJ5");
    assert_eq!(base64(b"canary", 1), "NhbmFye");
    assert_eq!(base64(b"canary", 2), "jYW5hcn");
}

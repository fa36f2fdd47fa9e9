//! Nothing that a packet, a file or an argument holds acts on a terminal: hostile bytes in every
//! place, through everything that the program prints to one.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};

use given::Random;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

/// Files of hostile records, each printed in every way. `CASES` sets another number.
const FILES: usize = 4;

/// Hostile records in each.
const RECORDS: usize = 150;

/// What a terminal would act on, or show out of its place; no line feed.
fn hostile(random: &mut Random) -> Vec<u8> {
    const WORDS: [&[u8]; 14] = [
        b"\x1b[2J",
        b"\x1b]0;title\x07",
        b"\x1bP+q\x1b\\",
        b"\x9b31m",
        b"\xc2\x9b31m",
        b"\xc2\x85",
        b"\r",
        b"\t",
        b"\x08\x7f",
        b"\xff\xfe\x80",
        b"\xed\xa0\x80",
        b"\"',;=\\",
        b"\\u001b\\x1b",
        b"@SUM(1)",
    ];
    let mut bytes = Vec::new();
    for _ in 0..=random.below(3) {
        match random.below(5) {
            0 => bytes.push([random.below(10) as u8, 11 + random.below(21) as u8][random.below(2)]),
            1 => bytes.push(0x7f + random.below(129) as u8),
            2 => {
                let bidi = "\u{61c}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202b}\u{202c}\
                            \u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}";
                let one = bidi.chars().nth(random.below(14)).expect("there are 14");
                bytes.extend(one.to_string().bytes());
            }
            _ => bytes.extend(WORDS[random.below(WORDS.len())]),
        }
    }
    bytes
}

/// Records of every sample.
fn records() -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    for sample in given::samples() {
        // One style of stamps in a file; none of `-A`.
        if !matches!(sample.flags.join("-").as_str(), "v" | "vvv" | "v-e") || sample.has_messages()
        {
            continue;
        }
        let text = &sample.text;
        let mut framer = dumpstream::framing::Framer::new();
        let mut at = 0;
        while let Some(cut) = framer.next(&text[at..], dumpstream::framing::Tail::Final) {
            records.push(text[at..at + cut.len].to_vec());
            at += cut.len;
        }
    }
    records
}

/// A pseudo-terminal that changes nothing of what is written to it: our end, and the program's.
fn terminal() -> (File, OwnedFd) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
    grantpt(&ours).expect("it is ours");
    unlockpt(&ours).expect("it is ours");
    let name = ptsname(&ours, Vec::new()).expect("it has a name");
    let theirs = File::options()
        .read(true)
        .write(true)
        .open(std::ffi::OsStr::from_bytes(name.as_bytes()))
        .expect("it can be opened");
    let mut attributes = tcgetattr(&theirs).expect("it is a terminal");
    attributes.make_raw();
    tcsetattr(&theirs, OptionalActions::Now, &attributes).expect("it is a terminal");
    (File::from(ours), theirs.into())
}

/// What the program prints with its standard output on a terminal, and on standard error.
fn shown(folder: &Path, arguments: &[&std::ffi::OsStr]) -> [Vec<u8>; 2] {
    let (mut ours, theirs) = terminal();
    let mut child = Command::new(env!("CARGO_BIN_EXE_dumpstream"))
        .args(["--color", "never"])
        .args(arguments)
        .current_dir(folder)
        .env("TZ", "UTC")
        .stdin(Stdio::null())
        .stdout(theirs)
        .stderr(Stdio::piped())
        .spawn()
        .expect("it is built");
    let mut stderr = child.stderr.take().expect("it is piped");
    let said = std::thread::spawn(move || {
        let mut said = Vec::new();
        stderr.read_to_end(&mut said).expect("a pipe can be read");
        said
    });
    let mut out = Vec::new();
    let mut room = [0; 1 << 16];
    // The end of a terminal is an error.
    while let Ok(n @ 1..) = ours.read(&mut room) {
        out.extend_from_slice(&room[..n]);
    }
    let status = child.wait().expect("it is ours");
    assert!(status.code().is_some(), "{arguments:?}: {status}");
    [out, said.join().expect("it has no reason to panic")]
}

/// Whether nothing acts on a terminal; `returns`: lines may end with CR LF.
fn harmless(text: &[u8], returns: bool) -> Result<(), String> {
    let text = std::str::from_utf8(text).map_err(|e| format!("no UTF-8: {e}"))?;
    let text = if returns {
        text.replace("\r\n", "\n")
    } else {
        text.to_owned()
    };
    let acts = |c: char| {
        c.is_control() && c != '\n'
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    match text.char_indices().find(|&(_, c)| acts(c)) {
        None => Ok(()),
        Some((at, c)) => {
            let around: String = text[..at].chars().rev().take(60).collect();
            let around: String = around.chars().rev().collect();
            Err(format!("{c:?} after {around:?}"))
        }
    }
}

#[test]
fn replay_shows_no_binary_file_on_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["replay", "file", "--topspeed"].map(std::ffi::OsStr::new);
    let replayed = |bytes: &[u8]| {
        std::fs::write(folder.path().join("file"), bytes).unwrap();
        shown(folder.path(), &arguments)
    };
    let [out, said] = replayed(&[b"\x7fELF", &[0, 1, 2, 7].repeat(99)[..]].concat());
    assert_eq!(out, b"");
    let said = String::from_utf8(said).unwrap();
    assert!(
        said.contains("is not text") && said.contains("redirect it"),
        "{said}"
    );
    let text = b"10:00:00.000001 IP 192.0.2.1.5000 > 192.0.2.2.9: UDP, length 1\n";
    assert_eq!(replayed(text)[0], text);
}

#[test]
fn nothing_acts_on_a_terminal() {
    let files = std::env::var("CASES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(FILES);
    let pool = records();
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let mut printed = Vec::new();
    for file in 0..files {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        let mut text = Vec::new();
        for _ in 0..RECORDS {
            let mut record = pool[random.below(pool.len())].clone();
            record.truncate(1500);
            for _ in 0..=random.below(3) {
                // Behind the stamp, so that it stays a record.
                let at =
                    16.min(record.len()) + random.below(record.len().saturating_sub(17).max(1));
                let hostile = hostile(&mut random);
                record.splice(at.min(record.len())..at.min(record.len()), hostile);
            }
            if record.last() != Some(&b'\n') {
                record.push(b'\n');
            }
            text.extend_from_slice(&record);
        }
        std::fs::write(folder.join("records.txt"), &text).expect("it can be written");
        // What can be named by whoever calls: arguments have no NUL, names of files no slash.
        let mut word = || {
            let mut word = hostile(&mut random);
            word.retain(|b| !matches!(b, 0 | b'/'));
            word
        };
        let utf8 = |word: Vec<u8>| String::from_utf8_lossy(&word).into_owned();
        let (sensor, stream, sql) = (utf8(word()), utf8(word()), utf8(word()));
        let mut name = word();
        name.extend_from_slice(b".txt");
        let name = std::ffi::OsStr::from_bytes(&name).to_owned();
        std::fs::write(folder.join(&name), &text).expect("it can be written");
        let field = serde_json::Value::from(utf8(word()));
        let namespaces = [
            format!(r#"[{{"name": {field}, "regex": "(x"}}]"#),
            format!(
                r#"{{"fields": [{{"name": "a", "regex": {field}, "type": "int", {field}: 1}}]}}"#
            ),
            utf8(text[..text.len().min(300)].to_vec()),
            r#"[{"name": "a\d", "regex": "(\d)"}]"#.replace("a", &utf8(word())),
        ];
        for (i, namespace) in namespaces.iter().enumerate() {
            std::fs::write(folder.join(format!("{i}.json")), namespace).expect("it can be written");
        }
        let missing = format!("sqlite:{}/x.db", utf8(word()));
        let unknown = format!("{}:x", utf8(word()));
        let query = format!("SELECT \"{sql}\"x FROM packet");
        let alias = format!("SELECT info AS \"{}\" FROM packets", sql.replace('"', ""));
        let (parse, explain) = ("parse", "explain");
        let keep = [
            "--keep-info",
            "--keep-payload",
            "--raw",
            "--sensor",
            &sensor,
            "--stream",
            &stream,
        ];
        let with = |more: &[&str]| -> Vec<std::ffi::OsString> {
            more.iter().chain(&keep).map(Into::into).collect()
        };
        let plain =
            |words: &[&str]| -> Vec<std::ffi::OsString> { words.iter().map(Into::into).collect() };
        let mut runs = vec![
            with(&["-vv", parse, "--origin", "records.txt"]),
            with(&["-vv", parse, "records.txt", "-o", "sqlite:p.db"]),
            with(&["parse", "--origin", "records.txt", "-o", "csv:-"]),
            plain(&["query", "-d", "p.db", "SELECT * FROM packets"]),
            plain(&["query", "-d", "p.db", "-f", "csv", "SELECT * FROM packets"]),
            plain(&[
                "query",
                "-d",
                "p.db",
                "-f",
                "jsonl",
                "SELECT * FROM packets",
            ]),
            plain(&["query", "-d", "p.db", &query]),
            plain(&["query", "-d", "p.db", &alias]),
            plain(&["query", "-d", "p.db", "-f", "csv", &alias]),
            plain(&["query", "-d", &sensor, "SELECT 1"]),
            plain(&["check", "--sample", "records.txt"]),
            plain(&[parse, "--tz", &sensor, "records.txt"]),
            plain(&[parse, "-o", &missing, "records.txt"]),
            plain(&[parse, "-o", &unknown, "records.txt"]),
            plain(&[&unknown]),
        ];
        for record in ["1", "50", "100"] {
            runs.push(plain(&[explain, "records.txt", "--record", record]));
            runs.push(plain(&[
                explain,
                "records.txt",
                "--record",
                record,
                "--field",
                "info",
            ]));
            runs.push(plain(&[
                explain,
                "--format",
                "json",
                "records.txt",
                "--record",
                record,
            ]));
        }
        for i in 0..namespaces.len() {
            let file = format!("{i}.json");
            runs.push(plain(&["check", &file]));
            runs.push(plain(&[parse, "--namespace", &file, "records.txt"]));
            for of in ["json", "arrow", "parquet"] {
                runs.push(plain(&["schema", of, "--namespace", &file]));
            }
        }
        let mut named = plain(&["-v", parse]);
        named.push(name.clone());
        runs.push(named);
        let mut gone = plain(&[parse]);
        gone.push({
            let mut gone = name.clone();
            gone.push("gone");
            gone
        });
        runs.push(gone);
        for run in &runs {
            let run: Vec<_> = run.iter().map(|word| word.as_os_str()).collect();
            let csv = run.iter().any(|word| *word == "csv" || *word == "csv:-");
            let [out, said] = shown(folder, &run);
            printed.extend_from_slice(&out);
            printed.extend_from_slice(&said);
            for (stream, text) in [("standard output", out), ("standard error", said)] {
                if let Err(why) = harmless(&text, csv) {
                    panic!("file {file}, {run:?}, {stream}: {why}");
                }
            }
        }
    }
    assert!(printed.len() > files * 100_000, "only {}", printed.len());
    // They came that far, and were spelled out.
    for spelled in [
        &b"\\u{1b}[2J"[..],
        b"\\u001b[2J",
        b"\\xff",
        b"\\u{202e}",
        b"\\u009b",
    ] {
        let found = printed.windows(spelled.len()).any(|w| w == spelled);
        assert!(found, "{}", spelled.escape_ascii());
    }
}

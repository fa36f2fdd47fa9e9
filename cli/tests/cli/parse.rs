use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use super::program::{Running, dumpstream, fed, ran, record, records, until};

#[test]
fn standard_input_becomes_lines_of_json() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["parse"][..],
        &["parse", "-"],
        &["parse", "-o", "jsonl:-", "-"],
    ] {
        let ran = fed(folder.path(), arguments, records(3).as_bytes()).quiet();
        let json = ran.json();
        assert_eq!(json.len(), 3);
        assert_eq!(json[2]["source"], "192.0.2.1");
        assert_eq!(json[2]["source_port"], 1026);
        assert_eq!(json[2]["payload_length"], 2);
        assert!(json[2].get("sensor").is_none());
    }
}

#[test]
fn files_are_parsed_one_after_the_other() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("one.txt"), records(2)).unwrap();
    let compressed = zstd::encode_all(records(3).as_bytes(), 3).unwrap();
    fs::write(folder.path().join("two.txt.zst"), compressed).unwrap();
    let files = [
        "parse",
        "--origin",
        "--date",
        "2026-01-31",
        "one.txt",
        "two.txt.zst",
    ];
    let json = ran(folder.path(), &files).quiet().json();
    let of = |key: &str| {
        json.iter()
            .map(|row| row[key].to_string())
            .collect::<Vec<_>>()
    };
    let (one, two) = ("\"one.txt\"", "\"two.txt\"");
    assert_eq!(of("sensor"), [one, one, two, two, two]);
    assert_eq!(of("record"), ["1", "2", "1", "2", "3"]);
    assert_eq!(of("time_source")[0], "\"date\"");
    assert_eq!(json[1]["time"], "2026-01-31T10:00:01.000001Z");
}

#[test]
fn a_zone_moves_the_stamps() {
    let folder = tempfile::tempdir().unwrap();
    let zone = ["parse", "--tz", "Asia/Tokyo", "--date", "2026-01-31", "-v"];
    let ran = fed(folder.path(), &zone, records(1).as_bytes());
    assert_eq!(ran.json()[0]["time"], "2026-01-31T01:00:00.000000Z");
    assert!(ran.err.contains("stamps read in Asia/Tokyo"), "{}", ran.err);
    let unknown = fed(folder.path(), &["parse", "--tz", "Mars/Olympus"], b"");
    unknown.failed(2, &["Mars/Olympus", "IANA"]);
}

#[test]
fn both_engines_print_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let text = given::text("4.99.3/http-requests/v.txt");
    let dated = ["parse", "--date", "2026-01-31", "--engine"];
    let slot = fed(folder.path(), &[&dated[..], &["slot"]].concat(), &text);
    let regex = fed(folder.path(), &[&dated[..], &["regex"]].concat(), &text);
    assert!(slot.out.lines().count() > 100);
    assert!(slot.out == regex.out);
}

#[test]
fn an_edited_regex_changes_its_field_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let built_in = include_str!("../../../packet_parse.json");
    let edited = built_in.replace(r", ttl +(\\d+)", r", ttl +(\\d)");
    assert_ne!(
        edited, built_in,
        "the built-in ttl is spelled differently now"
    );
    fs::write(folder.path().join("fields.json"), edited).unwrap();
    let text = records(1);
    let before = fed(
        folder.path(),
        &["parse", "--date", "2026-01-31"],
        text.as_bytes(),
    )
    .quiet();
    let after = [
        "parse",
        "--date",
        "2026-01-31",
        "--namespace",
        "fields.json",
    ];
    let after = fed(folder.path(), &after, text.as_bytes()).quiet();
    let (mut before, after) = (before.json(), after.json());
    assert_eq!(before[0]["ttl"], 64);
    before[0]["ttl"] = 6.into();
    assert_eq!(before, after);
}

#[test]
fn a_wrong_namespace_is_shown_with_a_caret() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = "{\"namespace\": \"mine\", \"fields\": [\n  \
                 {\"name\": \"ttl\", \"in\": \"network\", \"regex\": \"ttl (\\\\d+\", \
                 \"type\": \"int\"}\n]}\n";
    fs::write(folder.path().join("wrong.json"), wrong).unwrap();
    let ran = fed(
        folder.path(),
        &["parse", "--namespace", "wrong.json"],
        records(1).as_bytes(),
    );
    let ran = ran.failed(2, &["wrong.json", "\"ttl\"", "line 2", "column"]);
    assert!(
        ran.err.lines().any(|line| line.trim_end().ends_with('^')),
        "{}",
        ran.err
    );
    assert_eq!(ran.out, "");
    let none = fed(folder.path(), &["parse", "--namespace", "none.json"], b"");
    none.failed(2, &["none.json", "No such file"]);
}

#[test]
fn what_is_typed_wrongly_is_exit_2() {
    let folder = tempfile::tempdir().unwrap();
    ran(folder.path(), &[]).failed(2, &["Usage:"]);
    ran(folder.path(), &["parse", "--frobnicate"]).failed(2, &["--frobnicate"]);
    ran(folder.path(), &["parse", "-o", "ftp:x"]).failed(2, &["ftp:x", "jsonl:FILE"]);
    ran(folder.path(), &["parse", "--date", "2026-02-30"]).failed(2, &["2026-02-30"]);
    ran(folder.path(), &["parse", "-o", "null:", "-o", "null:"]).failed(2, &["twice"]);
    ran(folder.path(), &["parse", "--max-record", "7"]).failed(2, &["1K"]);
    ran(folder.path(), &["parse", "--stream", "s", "a.txt", "b.txt"]).failed(2, &["--stream s"]);
    ran(folder.path(), &["listen", "-k", "0", "--stream", "s"]).failed(2, &["--stream s"]);
}

#[test]
fn a_missing_file_is_exit_1_and_the_others_are_parsed() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("here.txt"), records(1)).unwrap();
    let ran = ran(folder.path(), &["parse", "gone.txt", "here.txt"]);
    let ran = ran.failed(1, &["gone.txt", "No such file"]);
    assert_eq!(ran.json().len(), 1);
}

#[test]
fn text_of_dash_a_is_refused_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let sample = given::sample("4.99.3/http/v-A.txt");
    let sample = sample.to_str().unwrap();
    let file = ran(folder.path(), &["parse", sample]).failed(2, &["v-A.txt", "-A", "drop"]);
    assert_eq!(file.out, "", "nothing of it is believed");
    let text = fs::read(sample).unwrap();
    fed(folder.path(), &["parse"], &text).failed(2, &["-A"]);
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    // Far more than a pipe holds.
    fs::write(folder.path().join("long.txt"), records(50_000)).unwrap();
    let mut command = dumpstream(folder.path(), &["parse", "long.txt"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut first)
        .unwrap();
    assert!(first.starts_with("{\"time\":"), "{first}");
    let end = child.wait_with_output().unwrap();
    assert_eq!(
        (
            end.status.code(),
            String::from_utf8(end.stderr).unwrap().as_str()
        ),
        (Some(0), "")
    );
}

#[test]
fn a_sink_that_cannot_be_opened_is_exit_1() {
    let folder = tempfile::tempdir().unwrap();
    let gone = ["parse", "-o", "sqlite:no/such/folder/x.db"];
    fed(folder.path(), &gone, b"").failed(1, &["no/such/folder"]);
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "there is no /dev/full")]
fn a_sink_that_fails_is_exit_1_and_its_loss_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let two = ["parse", "-o", "jsonl:/dev/full", "-o", "jsonl:good.jsonl"];
    let ran = fed(folder.path(), &two, records(9).as_bytes());
    ran.failed(
        1,
        &[
            "9 packets written to jsonl:good.jsonl",
            "9 packets dropped by jsonl:/dev/full",
        ],
    );
    let good = fs::read_to_string(folder.path().join("good.jsonl")).unwrap();
    assert_eq!(good.lines().count(), 9);
}

/// The file system says in the midst of a write that it is full: here, that the file is as large as
/// it may be.
#[test]
#[cfg(unix)]
fn a_disk_that_fills_leaves_whole_rows_and_true_figures() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("day.txt"), records(4000)).unwrap();
    for (file, url, header) in [
        ("x.jsonl", "jsonl:x.jsonl", 0),
        ("x.csv", "csv:x.csv", 1),
        ("y.csv.part", "csv:y.csv?rotate=1d", 1),
    ] {
        let program = env!("CARGO_BIN_EXE_dumpstream");
        // 64 KiB, or 32 where a block is half as large: less than one write.
        let script =
            format!("trap '' XFSZ; ulimit -f 64; exec '{program}' parse -o '{url}' day.txt");
        let shell = Command::new("sh")
            .args(["-c", &script])
            .current_dir(folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&shell.stderr);
        assert_eq!(shell.status.code(), Some(1), "{said}");
        let text = fs::read_to_string(at(file)).unwrap();
        assert!(text.ends_with('\n'), "{url}: half a row is left");
        let rows = text.lines().count() - header;
        assert!(rows > 100, "{url}: {rows}");
        let written = format!("{rows} packets written to {url}");
        assert!(said.contains(&written), "{written}: {said}");
    }
}

#[test]
fn a_report_is_printed_where_something_is_amiss() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("tcpdump: listening on any\nnonsense\n{}", records(2));
    let ran = fed(folder.path(), &["parse"], text.as_bytes());
    assert_eq!(ran.json().len(), 2);
    let ran = ran.failed(
        0,
        &[
            "2 packets received",
            "2 packets written to jsonl:-",
            "skipped",
        ],
    );
    assert!(!ran.err.contains("dropped"), "{}", ran.err);
    fed(folder.path(), &["parse", "-q"], text.as_bytes()).quiet();
    let perfect = fed(folder.path(), &["parse", "-v"], records(2).as_bytes());
    perfect.failed(0, &["2 packets received", "stamps read in"]);
}

#[test]
fn numbers_tell_what_was_lost_and_what_is_suspect() {
    let folder = tempfile::tempdir().unwrap();
    let numbered = |numbers: &[usize]| -> String {
        let record = |n: &usize| format!("{n:5}  {}", record(*n));
        numbers.iter().map(record).collect()
    };
    // 3 and 4 were lost, 900 was forged, 6 came twice.
    let text = numbered(&[1, 2, 5, 900, 6, 6, 7, 8]);
    for arguments in [
        &["parse"][..],
        // Whatever the fields are called.
        &["parse", "--namespace", "bare.json"],
    ] {
        let bare = r#"[{"name": "ttl", "regex": "ttl (\\d+)"}]"#;
        fs::write(folder.path().join("bare.json"), bare).unwrap();
        let ran = fed(folder.path(), arguments, text.as_bytes());
        let ran = ran.failed(
            0,
            &[
                "2 packets lost between tcpdump and here",
                "2 packets suspect",
            ],
        );
        let warned = ran.err.matches("tcpdump cannot have printed").count();
        assert_eq!(warned, 1, "{}", ran.err);
    }
    let clean = numbered(&[1, 2, 3]);
    fed(folder.path(), &["parse"], clean.as_bytes()).quiet();
    let told = fed(folder.path(), &["parse", "-v"], clean.as_bytes());
    told.failed(0, &["0 packets lost between tcpdump and here"]);
}

/// Up to 4.9.3 a packet can print records of its own, and only numbers tell.
#[test]
fn text_in_which_records_can_be_forged_is_warned_of_once() {
    const WARNED: &str = "older than 4.99";
    let folder = tempfile::tempdir().unwrap();
    let old = "10:00:00.000001 arp who-has 192.0.2.9 tell 192.0.2.1\n\
               10:00:00.000002 IP 192.0.2.1.40000 > 198.51.100.2.80: S 1:1(0) win 512 <mss 1460>\n";
    // Many reads, and so many batches.
    let long = old.repeat(20_000);
    let one = fed(folder.path(), &["parse"], long.as_bytes()).failed(0, &[WARNED]);
    assert_eq!(one.err.matches(WARNED).count(), 1, "{}", one.err);
    assert_eq!(one.json().len(), 40_000);
    // Once for each input.
    fs::write(folder.path().join("a.txt"), old).unwrap();
    fs::write(folder.path().join("b.txt"), old).unwrap();
    let two = ran(folder.path(), &["parse", "a.txt", "b.txt"]);
    assert_eq!(two.err.matches(WARNED).count(), 2, "{}", two.err);
    // Numbers tell, and 4.99 needs none.
    let numbered: String = (1..)
        .zip(old.lines())
        .map(|(n, line)| format!("{n:5}  {line}\n"))
        .collect();
    for text in [numbered, records(3)] {
        let ran = fed(folder.path(), &["parse"], text.as_bytes());
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(!ran.err.contains(WARNED), "{ran:?}");
    }
}

/// The end of a file that still grows: of `length 1372` it may have `length 13`.
#[test]
fn a_record_that_was_cut_is_replaced_when_it_comes_whole() {
    let folder = tempfile::tempdir().unwrap();
    let whole = "10:00:00.000001 IP 192.0.2.1.40000 > 198.51.100.2.5000: UDP, length 26\n\
                 10:00:00.000002 IP 192.0.2.1.40000 > 198.51.100.2.5000: UDP, length 1372\n\
                 10:00:00.000003 IP 192.0.2.1.40000 > 198.51.100.2.5000: UDP, length 7\n";
    let file = folder.path().join("a.txt");
    let parse = [
        "parse",
        "--date",
        "2026-01-31",
        "-q",
        "-o",
        "sqlite:p.db",
        "a.txt",
    ];
    let cut = whole.find("72\n").unwrap();
    for (text, rows) in [
        (&whole[..cut], "26,\n,1\n"),
        (&whole[..cut + 3], "26,\n1372,\n"),
        (&whole[..cut], "26,\n1372,\n"),
        (whole, "26,\n1372,\n7,\n"),
    ] {
        fs::write(&file, text).unwrap();
        ran(folder.path(), &parse);
        let sql = "SELECT payload_length, truncated FROM packets ORDER BY record";
        let told = ran(folder.path(), &["query", "-d", "p.db", "-f", "csv", sql]);
        assert_eq!(
            told.out,
            format!("payload_length,truncated\n{rows}"),
            "{told:?}"
        );
    }
}

#[test]
fn a_file_parsed_twice_adds_no_row() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("day.txt"), records(500)).unwrap();
    let count = || {
        let sql = "SELECT count(*), count(DISTINCT record) FROM packets";
        ran(folder.path(), &["query", "--format", "csv", sql])
            .quiet()
            .out
    };
    for said in [
        "",
        "0 new packets written to sqlite:packets.db, 500 already stored",
    ] {
        let day = ["parse", "day.txt", "-o", "sqlite:packets.db"];
        let day = ran(folder.path(), &day).failed(0, &[said]);
        assert_eq!(day.err.is_empty(), said.is_empty(), "{}", day.err);
        assert!(count().ends_with("\n500,500\n"), "{}", count());
    }
    // Another sensor's file is another stream, whatever it holds.
    let other = [
        "parse",
        "day.txt",
        "-o",
        "sqlite:packets.db",
        "--sensor",
        "roof",
    ];
    ran(folder.path(), &other).quiet();
    assert!(count().ends_with("\n1000,500\n"), "{}", count());
}

#[test]
fn what_a_file_of_text_had_is_told() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("day.txt"), records(2)).unwrap();
    for url in ["csv:x.csv", "jsonl:x.jsonl"] {
        let parse = || ran(folder.path(), &["parse", "day.txt", "-o", url]);
        parse().quiet();
        parse().failed(
            0,
            &[&format!("2 packets added to {url}, which had 2 rows\n")],
        );
        parse().failed(0, &["which had 4 rows"]);
        let quiet = ["parse", "-q", "day.txt", "-o", url];
        ran(folder.path(), &quiet).quiet();
    }
    let rotated = ["parse", "day.txt", "-o", "csv:x.csv?rotate=1h"];
    ran(folder.path(), &rotated).quiet();
}

#[test]
fn raw_and_payload_are_stored_when_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let text = records(1);
    let json = fed(folder.path(), &["parse", "--raw"], text.as_bytes())
        .quiet()
        .json();
    assert_eq!(json[0]["raw"], text);
}

#[test]
fn colours_are_for_terminals_and_those_who_ask() {
    let folder = tempfile::tempdir().unwrap();
    let escape = |arguments: &[&str], variable: Option<&str>| {
        let mut command = dumpstream(folder.path(), arguments);
        command.envs(variable.map(|name| (name, "1")));
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        output.stderr.contains(&0x1b)
    };
    assert!(!escape(&["parse", "gone"], None));
    assert!(!escape(&["parse", "gone"], Some("NO_COLOR")));
    assert!(!escape(&["parse", "gone", "--color", "never"], None));
    assert!(escape(&["parse", "gone", "--color", "always"], None));
}

#[test]
fn the_drain_has_a_deadline() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("long.txt"), records(50_000)).unwrap();
    let blocked = |timeout: &str| {
        let arguments = ["parse", "-v", "long.txt", "--drain-timeout", timeout];
        let mut command = dumpstream(folder.path(), &arguments);
        // A pipe that nobody reads any more, and that is not closed.
        let (mut reader, writer) = std::io::pipe().unwrap();
        command.stdout(writer);
        let running = Running::new(command);
        // It runs, and then it has read everything, which is more than a pipe holds.
        reader.read_exact(&mut [0]).unwrap();
        until("all is read", || {
            running.signal("USR1");
            running
                .said()
                .contains("50000 packets received")
                .then_some(())
        });
        (running, reader)
    };
    let (running, mut reader) = blocked("100ms");
    running.signal("TERM");
    let (status, said) = running.end();
    // What the pipe has is what was written, no more and no less, and no line is cut.
    let mut rest = String::new();
    reader.read_to_string(&mut rest).unwrap();
    let lines = rest.lines().count();
    assert!(lines > 0 && rest.ends_with("}\n"), "{lines} lines");
    assert!(
        said.contains(&format!("\n{lines} packets written to jsonl:-")),
        "{said}"
    );
    let lost = 50_000 - lines;
    assert!(
        said.contains(&format!("\n{lost} packets not written when")),
        "{said}"
    );
    assert_eq!(status.code(), Some(5), "{said}");
    assert!(
        said.contains("not written when --drain-timeout expired"),
        "{said}"
    );

    let (running, reader) = blocked("1h");
    running.signal("INT");
    running.says("stopping");
    // Any sooner, it would be the same request.
    std::thread::sleep(std::time::Duration::from_millis(600));
    running.signal("INT");
    let (status, said) = running.end();
    drop(reader);
    let last = said.lines().last().unwrap();
    assert!(last.starts_with("exited immediately: "), "{said}");
    assert!(last.ends_with(" packets not written to jsonl:-"), "{said}");
    assert_eq!(status.code(), Some(130), "{said}");
}

#[test]
fn versions_and_help_go_to_standard_output() {
    let folder = tempfile::tempdir().unwrap();
    let version = ran(folder.path(), &["--version"]).quiet().out;
    assert_eq!(
        version,
        concat!("dumpstream ", env!("CARGO_PKG_VERSION"), "\n")
    );
    for command in ["parse", "listen", "connect", "replay", "query"] {
        let help = ran(folder.path(), &[command, "--help"]).quiet().out;
        assert!(help.contains(&format!("dumpstream {command} ")), "{help}");
    }
}

#[test]
fn files_of_text_are_added_to() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("day.txt"), records(3)).unwrap();
    let read = |name| fs::read_to_string(folder.path().join(name)).unwrap();
    for times in 1..=2 {
        for (name, header) in [("out.jsonl", 0), ("out.csv", 1)] {
            let (scheme, url) = (&name[4..], format!("{}:{name}", &name[4..]));
            ran(folder.path(), &["parse", "-q", "day.txt", "-o", &url]).quiet();
            assert_eq!(read(name).lines().count(), 3 * times + header, "{scheme}");
        }
    }
    // What a crash has left of a line spoils no other.
    fs::write(folder.path().join("torn.jsonl"), "{\"time\":").unwrap();
    ran(
        folder.path(),
        &["parse", "day.txt", "-o", "jsonl:torn.jsonl"],
    )
    .quiet();
    assert_eq!(read("torn.jsonl").lines().count(), 4);
    // Another table's rows would stand under wrong names.
    let other = ["parse", "--origin", "day.txt", "-o", "csv:out.csv"];
    ran(folder.path(), &other).failed(1, &["out.csv", "other columns"]);
    assert_eq!(read("out.csv").lines().count(), 7);
}

#[test]
fn a_place_that_cannot_be_is_told_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let to = |url: &str| fed(folder.path(), &["parse", "-o", url], records(1).as_bytes());
    to("packets.db").failed(2, &["sqlite:packets.db"]);
    for (text, words) in [
        ("{\"fields\":[]}", "`namespace` is missing"),
        ("7", "an object {\"namespace\": NAME"),
        ("[{\"name\":\"x\",\"regex\":\"abc\"}]", "no group 1"),
    ] {
        fs::write(folder.path().join("mine.json"), text).unwrap();
        let namespace = ["parse", "--namespace", "mine.json"];
        fed(folder.path(), &namespace, b"").failed(2, &["mine.json", words]);
    }
    to("jsonl:nodir/x").failed(1, &["directory `nodir` does not exist", "create it first"]);
    to("csv:.").failed(1, &["is a directory"]);
}

#[test]
fn nothing_is_written_to_what_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let text = records(3);
    let here = |name: &str| folder.path().join(name);
    fs::write(here("in.txt"), &text).unwrap();
    std::os::unix::fs::symlink("in.txt", here("soft")).unwrap();
    fs::hard_link(here("in.txt"), here("hard")).unwrap();
    let same = |arguments: &[&str]| {
        ran(folder.path(), arguments).failed(2, &["name another"]);
        assert_eq!(fs::read_to_string(here("in.txt")).unwrap(), text);
    };
    for url in [
        "jsonl:in.txt",
        "csv:./in.txt",
        "jsonl:soft",
        "jsonl:hard",
        "sqlite:hard",
    ] {
        same(&["parse", "in.txt", "-o", url]);
    }
    same(&["parse", "soft", "-o", "jsonl:hard"]);
    same(&["parse", "in.txt", "-o", "null:", "--rejects", "hard"]);
    let append = || {
        fs::File::options()
            .append(true)
            .open(here("in.txt"))
            .unwrap()
    };
    let to_itself = dumpstream(folder.path(), &["parse", "in.txt"])
        .stdout(append())
        .output()
        .unwrap();
    assert_eq!(to_itself.status.code(), Some(2));
    let stdin = dumpstream(folder.path(), &["parse", "-o", "jsonl:in.txt"])
        .stdin(fs::File::open(here("in.txt")).unwrap())
        .output()
        .unwrap();
    assert_eq!(stdin.status.code(), Some(2));
    assert_eq!(fs::read_to_string(here("in.txt")).unwrap(), text);
}

#[test]
fn without_an_input_no_output_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let none = [
        "parse",
        "gone.txt",
        ".",
        "-o",
        "sqlite:x.db",
        "-o",
        "jsonl:x.jsonl",
    ];
    ran(folder.path(), &none).failed(1, &["gone.txt: No such file", "directory"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_database_that_another_program_holds_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let to = ["parse", "day.txt", "-o", "sqlite:packets.db"];
    fs::write(folder.path().join("day.txt"), records(3)).unwrap();
    ran(folder.path(), &to).quiet();
    let other = rusqlite::Connection::open(folder.path().join("packets.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let running = Running::new(dumpstream(folder.path(), &to));
    running.says("another program has locked the database");
    other.execute_batch("COMMIT").unwrap();
    let (status, said) = running.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert_eq!(said.matches("locked the database").count(), 1, "{said}");
}

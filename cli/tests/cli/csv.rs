//! The sink `csv:`.

use std::fs;

use crate::program::{fed, ran, record, records};

/// RFC 4180, read with all its rules; lines may end in LF.
fn read(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
    let mut chars = text.chars().peekable();
    let mut quoted = false;
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => cell.extend(chars.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !quoted => assert_eq!(chars.peek(), Some(&'\n')),
            '\n' if !quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            c => cell.push(c),
        }
    }
    assert!(cell.is_empty() && row.is_empty() && !quoted);
    rows
}

/// The value of a cell: without the apostrophe before what a spreadsheet would run.
fn value(cell: &str) -> &str {
    let bare = cell.trim_start_matches('\'');
    let runs = bare.starts_with(['=', '@'])
        || bare.starts_with(['+', '-'])
            && !bare[1..].starts_with(',')
            && bare[1..].contains(|c: char| !c.is_ascii_digit() && c != '.');
    match cell.strip_prefix('\'') {
        Some(value) if runs => value,
        _ => cell,
    }
}

#[test]
fn csv_has_the_values_of_jsonl() {
    let folder = tempfile::tempdir().unwrap();
    let mut compared = 0;
    for name in [
        "http/v-e",
        "dns/v",
        "icmp6-all/vvv-e",
        "vlan/v-e",
        "arp/v",
        "hostile-real/v-X",
    ] {
        let file = given::sample(&format!("4.99.3/{name}.txt"));
        let file = file.to_str().unwrap();
        let both = [
            "parse",
            "-q",
            "--origin",
            "--raw",
            "-o",
            "jsonl:a.jsonl",
            "-o",
            "csv:a.csv",
        ];
        let ran = ran(folder.path(), &[&both[..], &[file]].concat());
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let csv = read(&fs::read_to_string(folder.path().join("a.csv")).unwrap());
        let jsonl = fs::read_to_string(folder.path().join("a.jsonl")).unwrap();
        assert_eq!(csv.len(), 1 + jsonl.lines().count());
        for (row, line) in csv[1..].iter().zip(jsonl.lines()) {
            let object: serde_json::Map<_, _> = serde_json::from_str(line).unwrap();
            assert_eq!(row.len(), csv[0].len());
            for (name, cell) in csv[0].iter().zip(row) {
                let expected = match object.get(name) {
                    None => String::new(),
                    Some(serde_json::Value::String(text)) => {
                        // As JSON escapes it, but for what CSV says otherwise.
                        let line = text.replace('\n', "\\n").replace('\t', "\\t");
                        let line = line.replace('\r', "\\r");
                        let line: String = line
                            .chars()
                            .map(|c| match c.is_control() {
                                true => format!("\\u{:04x}", u32::from(c)),
                                false => c.to_string(),
                            })
                            .collect();
                        line
                    }
                    Some(value) => value.to_string(),
                };
                assert_eq!(value(cell), expected, "{name} of {line}");
                compared += 1;
            }
        }
    }
    assert!(compared > 10_000, "{compared}");
}

#[test]
fn csv_has_a_header_and_stable_columns() {
    let folder = tempfile::tempdir().unwrap();
    let none = fed(folder.path(), &["parse", "-o", "csv:-"], b"").quiet();
    let header = none.out.lines().next().unwrap();
    assert!(
        header.starts_with("number,time,") && header.ends_with(",info,truncated"),
        "{header}"
    );
    assert_eq!(none.out.lines().count(), 1);
    let three = fed(
        folder.path(),
        &["parse", "-o", "csv:-"],
        records(3).as_bytes(),
    )
    .quiet();
    assert!(three.out.starts_with(&none.out));
    assert_eq!(read(&three.out).len(), 4);
    let origin = ["parse", "-o", "csv:-", "--origin", "--raw"];
    let origin = fed(folder.path(), &origin, records(1).as_bytes()).quiet();
    let rows = read(&origin.out);
    let end = [
        "sensor",
        "stream",
        "record",
        "time_source",
        "truncated",
        "raw",
    ];
    assert!(rows[0].ends_with(&end.map(str::to_owned)));
    assert_eq!(rows[1].last().unwrap(), &record(0).replace('\n', "\\n"));
    let twice = ["parse", "-o", "csv:x", "-o", "jsonl:x"];
    ran(folder.path(), &twice).failed(2, &["twice"]);
}

#[test]
fn csv_is_harmless() {
    let folder = tempfile::tempdir().unwrap();
    let namespace = r#"[{"name": "n", "regex": "ttl (\\d+)"}, {"name": "t", "regex": "<(.*)>"}]"#;
    fs::write(folder.path().join("mine.json"), namespace).unwrap();
    let mut text = Vec::new();
    let cells: [&[u8]; 9] = [
        b"=1+1",
        b"@SUM(A1)",
        b"-2+3",
        b"+A1",
        b"-2",
        b"'=1",
        b"\t=x",
        b"a\x1b[2J\xff",
        b"b,\"c\"",
    ];
    for cell in cells {
        text.extend(
            b"1700000000.000001 IP ttl 64 <"
                .iter()
                .chain(cell)
                .chain(b">\n"),
        );
    }
    let mine = ["parse", "-q", "--namespace", "mine.json", "-o", "csv:-"];
    let out = fed(folder.path(), &mine, &text).out;
    let rows = read(&out);
    let cells: Vec<_> = rows.iter().map(|row| row[1].as_str()).collect();
    let expected = [
        "t",
        "'=1+1",
        "'@SUM(A1)",
        "'-2+3",
        "'+A1",
        "-2",
        "''=1",
        "\\t=x",
        "a\\u001b[2J\\xff",
        "b,\"c\"",
    ];
    assert_eq!(cells, expected);
    assert_eq!(out.lines().count(), 10);
    let keep = [
        "parse",
        "-q",
        "--namespace",
        "mine.json",
        "-o",
        "csv:-?formulas=keep",
    ];
    let kept = read(&fed(folder.path(), &keep, &text).out);
    for (kept, row) in kept.iter().zip(&rows) {
        assert_eq!(kept[1], value(&row[1]));
    }
    fed(folder.path(), &["parse", "-o", "csv:-?formulas=run"], b"").failed(2, &["is not keep"]);
}

#[test]
fn csv_changes_no_flags() {
    let folder = tempfile::tempdir().unwrap();
    let record = record(0);
    let text: String = ["+", "+, DF", "none"]
        .map(|flags| record.replacen("flags [DF]", &format!("flags [{flags}]"), 1))
        .concat();
    let out = fed(
        folder.path(),
        &["parse", "-q", "-o", "csv:-"],
        text.as_bytes(),
    )
    .out;
    let rows = read(&out);
    let flags = rows[0].iter().position(|name| name == "ip_flags").unwrap();
    let flags: Vec<_> = rows[1..].iter().map(|row| row[flags].as_str()).collect();
    assert_eq!(flags, ["+", "+, DF", "none"], "{out}");
}

#[test]
fn csv_lines_end_in_lf() {
    let folder = tempfile::tempdir().unwrap();
    let as_ = |url| fed(folder.path(), &["parse", "-o", url], records(3).as_bytes()).quiet();
    let lf = as_("csv:-").out;
    assert!(lf.lines().count() == 4 && !lf.contains('\r'), "{lf}");
    assert_eq!(as_("csv:-?eol=lf").out, lf);
    assert_eq!(as_("csv:-?eol=crlf").out, lf.replace('\n', "\r\n"));
    let wrong = fed(folder.path(), &["parse", "-o", "csv:-?eol=cr"], b"");
    wrong.failed(2, &["is not lf or crlf"]);
}

/// A crash or a full disk cuts it where it likes.
#[test]
fn rows_after_a_cut_one_are_whole() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.csv");
    let parse = ["parse", "-q", "--raw", "-o", "csv:x.csv"];
    let add = || fed(folder.path(), &parse, records(2).as_bytes()).quiet();
    add();
    let whole = fs::read_to_string(&file).unwrap();
    let last = whole.lines().last().unwrap();
    assert!(last.contains('"'), "{last}");
    let rows: Vec<_> = whole.lines().skip(1).collect();
    for cut in (1..last.len()).step_by(5) {
        fs::write(&file, &whole[..whole.len() - 2 - cut]).unwrap();
        add();
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.ends_with(&whole[whole.len() - last.len() - 2..]));
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[3..], rows, "{text}");
        let quotes = |line: &&str| line.matches('"').count().is_multiple_of(2);
        assert!(lines.iter().all(quotes), "{text}");
    }
}

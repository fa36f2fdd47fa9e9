//! `packet_parse.json` is the definition: what it must hold, what an edited copy changes, and how
//! a wrong one is told.

use dumpstream::framing::Batches;
use dumpstream::limits::MAX_PATTERN;
use dumpstream::{BUILT_IN, Engine, FieldType, Namespace, Packet, Packets, Parser, Part};
use proptest::prelude::*;

/// A text to its packets.
fn parse(parser: &Parser, text: &[u8]) -> Vec<Packets> {
    Batches::new(text)
        .map(|batch| parser.parse(batch.expect("a slice can be read")))
        .collect()
}

fn value(packet: Packet<'_>, name: &str) -> Option<String> {
    packet.get(name).map(|value| value.to_string())
}

// The original's bare array.

const PLAIN: &str = include_str!("namespace/doubled.json");
/// JSON forbids `\d`: the file is read as its author meant it.
const FORBIDDEN: &str = include_str!("namespace/as_it_stands.json");
/// Escaped for JSON, and once more for the script that wrote it.
const PAIRED: &str = include_str!("namespace/paired.json");

const FIVE: [&str; 5] = ["time", "source", "destination", "flags", "length"];

/// The five values of every record.
fn five(source: &str, text: &[u8]) -> Vec<[Option<String>; 5]> {
    let namespace: Namespace = source.parse().expect("a bare array");
    let parser = Parser::new(namespace).expect("five patterns");
    assert!(parser.columns().iter().map(|c| &c.name[..]).eq(FIVE));
    parse(&parser, text)
        .iter()
        .flat_map(|packets| {
            packets
                .iter()
                .map(|p| FIVE.map(|name| value(p, name)))
                .collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn the_bare_array_means_the_same_in_its_three_spellings() {
    for name in [
        "4.99.3/http-requests/v.txt",
        "4.99.3/http/nn.txt",
        "4.99.3/dns/v.txt",
    ] {
        let text = given::text(name);
        let plain = five(PLAIN, &text);
        assert!(plain.len() > 20);
        assert!(plain.iter().all(|row| row[0].is_some()), "{name}: the time");
        assert_eq!(five(FORBIDDEN, &text), plain, "{name}");
        assert_eq!(five(PAIRED, &text), plain, "{name}");
    }
    // As the original finds them: the first of both lengths, and ports within the addresses.
    let first = &five(PLAIN, &given::text("4.99.3/http-requests/v.txt"))[0];
    let values = first.each_ref().map(|v| v.as_deref().expect("it is there"));
    assert_eq!(
        values,
        [
            "07:16:22.476739",
            "10.77.0.1.41822",
            "10.77.0.2.80",
            "S",
            "60"
        ]
    );
}

#[test]
fn only_the_forbidden_spelling_is_warned_of() {
    let warnings = |source: &str| {
        let namespace: Namespace = source.parse().expect("a bare array");
        namespace.warnings().to_vec()
    };
    assert_eq!(
        warnings(FORBIDDEN),
        [
            "line 4, column 21: JSON has no such escape; every back-slash of this file is taken \
             literally"
        ]
    );
    assert!(warnings(PLAIN).is_empty());
    assert!(warnings(PAIRED).is_empty());
    assert!(warnings(BUILT_IN).is_empty());
}

#[test]
fn the_patterns_of_the_three_spellings_are_equal() {
    let patterns = |source: &str| {
        let namespace: Namespace = source.parse().expect("a bare array");
        assert!(namespace.fields.iter().all(|f| f.part == Part::Head));
        assert!(namespace.fields.iter().all(|f| f.kind == FieldType::Text));
        namespace
            .fields
            .into_iter()
            .map(|f| f.regex)
            .collect::<Vec<_>>()
    };
    let plain = patterns(PLAIN);
    assert_eq!(plain[1], r"\s([\d\.]+)\s>");
    assert_eq!(patterns(FORBIDDEN), plain);
    assert_eq!(patterns(PAIRED), plain);
}

#[test]
fn one_back_slash_without_its_twin_halves_none() {
    let source = r#"[{"name": "a", "regex": "\\\\d(x)"}, {"name": "b", "regex": "\\d(x)"}]"#;
    let namespace: Namespace = source.parse().expect("a bare array");
    assert_eq!(namespace.fields[0].regex, r"\\d(x)", "a literal back-slash");
    assert_eq!(namespace.fields[1].regex, r"\d(x)");
}

// The built-in namespace.

/// Every column, in order; the contract with tables and with those who read them.
const FIELDS: &str = "
    number bigint, time timestamp, interface text, direction text, source_mac mac,
    destination_mac mac, ethertype int, vlan int, vlan_inner int, frame_length int,
    process text, pid int, effective_process text, effective_pid int,
    ip_version int, protocol text, ip_protocol int, length int, tos int, ttl int, ip_id int,
    fragment_offset int, ip_flags text, ip_options text, ip_cksum_bad bool, flowlabel int,
    source inet, destination inet, source_port port, destination_port port, flags text,
    cksum int, cksum_ok bool, seq bigint, seq_end bigint, ack bigint, win bigint, urg bigint,
    tcp_options text, mss bigint, wscale bigint, ts_val bigint, ts_ecr bigint,
    payload_length int, icmp text, icmp_id int, icmp_seq int, arp_op text, arp_mac mac,
    source_name text, destination_name text, info text";

#[test]
fn every_field_is_there_with_its_type_and_a_doc() {
    let namespace = Namespace::tcpdump();
    let columns = namespace.columns();
    let got: Vec<_> = columns
        .iter()
        .map(|c| format!("{} {}", c.name, c.kind))
        .collect();
    let want: Vec<_> = FIELDS.split(',').map(str::trim).collect();
    assert_eq!(got, want);
    for field in &namespace.fields {
        assert!(!field.doc.trim().is_empty(), "{} has no doc", field.name);
    }
}

#[test]
fn the_file_in_the_tree_is_what_is_built_in() {
    let path = given::project().join("packet_parse.json");
    let file = std::fs::read_to_string(path).expect("packet_parse.json");
    assert_eq!(file, BUILT_IN);
    let namespace: Namespace = file.parse().expect("it is valid");
    assert_eq!(namespace.hash(), Namespace::tcpdump().hash());
    assert_eq!(namespace.namespace, "tcpdump");
}

// An edited copy.

/// A copy of the file with one text for another, which stands there once.
fn edited(from: &str, to: &str) -> Namespace {
    assert_eq!(BUILT_IN.matches(from).count(), 1, "{from}");
    let copy = BUILT_IN.replace(from, to);
    copy.parse().expect("it is valid")
}

/// Parses by the built-in namespace and by the copy, which may differ in one column only; gives
/// how often it does.
fn differences(copy: Namespace, name: &str, only: &str, text: &[u8]) -> usize {
    let built_in = Parser::new(Namespace::tcpdump()).expect("it is valid");
    let copy = Parser::new(copy).expect("it is valid");
    assert_eq!(built_in.columns(), copy.columns());
    let mut differ = 0;
    for engine in [Engine::Slot, Engine::Regex] {
        let copy = copy.clone().engine(engine);
        for (ours, theirs) in parse(&built_in, text).iter().zip(parse(&copy, text)) {
            assert_eq!(ours.len(), theirs.len());
            for (a, b) in ours.iter().zip(theirs.iter()) {
                for (i, column) in ours.columns().iter().enumerate() {
                    if a.value(i) == b.value(i) {
                        continue;
                    }
                    assert_eq!(column.name, only, "{name}, {engine:?}");
                    differ += 1;
                }
            }
        }
    }
    assert_eq!(differ % 2, 0, "{name}: both engines see the same");
    differ / 2
}

#[test]
fn an_edited_pattern_changes_its_field_and_no_other() {
    // The slot holds the whole number; the edited pattern takes its last digit.
    let copy = edited(
        r#""regex": "^tos .*?, ttl +(\\d+)""#,
        r#""regex": "^tos .*?, ttl +\\d+(\\d)""#,
    );
    assert_ne!(copy.hash(), Namespace::tcpdump().hash());
    let text = given::text("4.99.3/http/v.txt");
    let parser = Parser::new(copy.clone()).expect("it is valid");
    let mut headers = 0;
    for packets in parse(&parser, &text) {
        for packet in packets.iter() {
            if let Some(ttl) = value(packet, "ttl") {
                assert_eq!(ttl, "4", "of 64");
                headers += 1;
            }
        }
    }
    assert!(headers > 50);
    assert_eq!(
        differences(copy, "4.99.3/http/v.txt", "ttl", &text),
        headers
    );
}

#[test]
fn an_edited_pattern_of_a_field_with_alternatives_leaves_the_others() {
    // IPv6's `hlim` no longer counts; IPv4's `ttl` does.
    let copy = edited(r#""regex": "hlim (\\d+)""#, r#""regex": "hoplimit (\\d+)""#);
    let text = given::text("4.99.3/ip6/v.txt");
    let lost = differences(copy.clone(), "4.99.3/ip6/v.txt", "ttl", &text);
    assert!(lost > 50, "{lost}");
    assert_eq!(
        differences(
            copy,
            "4.99.3/http/v.txt",
            "ttl",
            &given::text("4.99.3/http/v.txt")
        ),
        0
    );
}

#[test]
fn words_for_people_change_nothing() {
    let copy = edited("IPv4 time to live", "how many routers are left");
    assert_eq!(copy.hash(), Namespace::tcpdump().hash());
    let columns = copy.columns();
    let ttl = columns.iter().find(|c| c.name == "ttl").expect("a column");
    assert_eq!(ttl.doc, "how many routers are left");
    let parser = Parser::new(copy).expect("it is valid");
    let built_in = Parser::new(Namespace::tcpdump()).expect("it is valid");
    let text = given::text("4.99.3/http/v.txt");
    for (a, b) in parse(&parser, &text).iter().zip(parse(&built_in, &text)) {
        for (a, b) in a.iter().zip(b.iter()) {
            assert!((0..columns.len()).all(|i| a.value(i) == b.value(i)));
        }
    }
}

// Errors: the field, the line, the column, and a caret below the very character.

/// A document whose third line is this entry.
fn entry(entry: &str) -> String {
    format!("{{\"namespace\": \"mine\",\n\"fields\": [\n{entry}\n]}}\n")
}

fn error(source: &str) -> String {
    let namespace: Result<Namespace, _> = source.parse();
    match namespace.and_then(Parser::new) {
        Ok(_) => panic!("it is taken: {source}"),
        Err(error) => error.to_string(),
    }
}

/// The error of an entry begins with this text, and its caret stands below the byte where `at`
/// begins in the entry.
#[track_caller]
fn wrong(text: &str, at: &str, what: &str) {
    let error = error(&entry(text));
    let mut lines = error.lines();
    let first = lines.next().expect("a first line");
    assert!(first.starts_with(what), "{error}");
    let byte = text.find(at).expect("it is in the entry");
    let column = text[..byte].chars().count() + 1;
    assert_eq!(
        lines.next(),
        Some(&format!("  at line 3, column {column}")[..]),
        "{error}"
    );
    // The caret stands below the same character of the shown window.
    let shown = lines.next().expect("the line").strip_prefix("  | ");
    let caret = lines.next().expect("the caret").strip_prefix("  | ");
    let (shown, caret) = (shown.expect("a frame"), caret.expect("a frame"));
    let place = caret.find('^').expect("a caret");
    assert_eq!(caret.trim(), "^");
    let window: String = shown.chars().skip(place).collect();
    let rest = &text[byte..];
    assert!(!window.is_empty() && rest.starts_with(&window), "{error}");
    assert_eq!(lines.next(), None);
}

#[test]
fn an_unknown_part_is_told_with_those_that_there_are() {
    wrong(
        r#"{"name": "hops", "in": "netwerk", "regex": "ttl (\\d+)", "type": "int"}"#,
        r#""netwerk""#,
        "field \"hops\": no such part; one of: head number stamp link network ip_version \
         protocol endpoints hosts ports tcp udp icmp info payload",
    );
}

#[test]
fn an_unknown_type_is_told_with_those_that_there_are() {
    wrong(
        r#"{"name": "hops", "in": "network", "regex": "ttl (\\d+)", "type": "integer"}"#,
        r#""integer""#,
        "field \"hops\": no such type; one of: text int bigint real bool inet port mac hex time \
         timestamp",
    );
}

#[test]
fn a_wrong_pattern_is_told_at_the_very_character() {
    let what = "field \"hops\": regex: unclosed group";
    for pattern in [
        r"ttl (\\d+",
        // One character that is written with six.
        r"\u00e9\\.(\\d+",
        // One of two bytes, and two of an escape each.
        r"é\t\\.(\\d+",
        "(",
    ] {
        let text =
            format!(r#"{{"name": "hops", "in": "network", "regex": "{pattern}", "type": "int"}}"#);
        wrong(&text, &pattern[pattern.find('(').expect("a group")..], what);
    }
    wrong(
        r#"{"name": "hops", "in": "network", "regex": "ttl (\\d+)\\q", "type": "int"}"#,
        r"\\q",
        "field \"hops\": regex: unrecognized escape sequence",
    );
}

#[test]
fn a_pattern_without_a_group_has_no_value() {
    wrong(
        r#"{"name": "hops", "in": "network", "regex": "ttl (?:\\d+)", "type": "int"}"#,
        r#""ttl"#,
        "field \"hops\": pattern has no group 1, which is the value; add ( )",
    );
}

#[test]
fn columns_of_our_own_are_reserved_in_any_case() {
    for name in ["record", "Stream", "SENSOR", "time_source", "truncated"] {
        wrong(
            &format!(r#"{{"name": "{name}", "in": "network", "regex": "(x)", "type": "text"}}"#),
            &format!(r#""{name}""#),
            &format!(
                "field \"{name}\": is reserved for a column of dumpstream's own; choose another name"
            ),
        );
    }
}

#[test]
fn a_name_is_one_that_any_table_takes() {
    for name in ["", "my ttl", "1st", "ttl;drop", "größe", &"x".repeat(49)] {
        let text =
            format!(r#"{{"name": "{name}", "in": "network", "regex": "(x)", "type": "text"}}"#);
        let error = error(&entry(&text));
        assert!(
            error.starts_with(&format!(
                "field {name:?}: a name must be a letter, then letters, digits and _, at most 48 in all"
            )),
            "{error}"
        );
    }
}

#[test]
fn alternatives_have_one_type() {
    let first = r#"{"name": "hops", "in": "network", "regex": "(a)", "type": "int"},"#;
    wrong(
        &format!(
            r#"{first} {{"name": "hops", "in": "network", "regex": "(b)", "type": "bigint"}}"#
        ),
        r#""bigint""#,
        "field \"hops\": type bigint here, int in an earlier entry; entries of one name must have one type",
    );
    wrong(
        &format!(r#"{first} {{"name": "Hops", "in": "network", "regex": "(b)", "type": "int"}}"#),
        r#""Hops""#,
        "field \"Hops\": differs from `hops` only in case; rename one of them",
    );
}

#[test]
fn patterns_have_limits() {
    let with = |pattern: &str| {
        format!(r#"{{"name": "hops", "in": "network", "regex": "{pattern}", "type": "int"}}"#)
    };
    let longest = format!("({})", "a".repeat(MAX_PATTERN - 2));
    assert!(entry(&with(&longest)).parse::<Namespace>().is_ok());
    let long = error(&entry(&with(&format!("{longest}b"))));
    assert!(
        long.starts_with("field \"hops\": pattern of 4097 bytes; at most 4096\n  at line 3"),
        "{long}"
    );
    wrong(
        &with("((a{0,99}){0,99}){0,99}"),
        r#""((a"#,
        "field \"hops\": pattern compiles to more than 1048576 bytes; make it narrower",
    );
}

#[test]
fn keys_are_known_and_none_is_left_out() {
    // The reader has just read the key: the caret stands at its end.
    wrong(
        r#"{"name": "hops", "in": "network", "regexp": "ttl (\\d+)", "type": "int"}"#,
        r#"": "ttl"#,
        "field \"hops\": unknown field `regexp`, expected one of `name`, `in`, `regex`, `type`, `doc`",
    );
    let unit = r#"{"name": "hops", "in": "network", "regex": "(x)", "type": "int", "unit": "m"}"#;
    wrong(
        unit,
        r#"": "m"#,
        "field \"hops\": unknown field `unit`, expected one of `name`, `in`, `regex`, `type`, `doc`",
    );
    wrong(
        r#"{"name": "hops", "regex": "ttl (\\d+)", "type": "int"}"#,
        r#""hops""#,
        "field \"hops\": `in` is missing",
    );
    wrong(
        r#"{"name": "hops", "in": "network", "regex": "ttl (\\d+)"}"#,
        r#""hops""#,
        "field \"hops\": `type` is missing",
    );
    wrong(
        r#"{"name": "hops", "in": "network", "type": "int"}"#,
        "}",
        "field \"hops\": `regex` is missing",
    );
    wrong(
        r#"{"name": "hops", "in": "network", "regex": 7, "type": "int"}"#,
        "7",
        "field \"hops\": `regex` is not a string",
    );
    wrong(
        r#"{"name": 7, "in": "network", "regex": "(x)", "type": "int"}"#,
        "7",
        "`name` is not a string",
    );
    let top = error("{\"namespace\": \"mine\", \"field\": []}");
    assert!(top.starts_with("unknown field `field`"), "{top}");
    let none = error("{\"namespace\": \"mine\", \"fields\": []}");
    assert_eq!(none, "no fields");
}

#[test]
fn broken_json_is_told_where_it_breaks() {
    wrong(
        r#"{"name": "hops", "in": "network", "regex": "(x)" "type": "int"}"#,
        r#""type"#,
        "expected `,` or `}`",
    );
    // Not a bare array: the escape is an error.
    wrong(
        r#"{"name": "hops", "in": "network", "regex": "\d", "type": "int"}"#,
        r#"d", "type"#,
        r"JSON has no such escape; write a back-slash twice, `\\d` for \d",
    );
    let cut = error("{\"namespace\": \"mine\",\n \"fields\": [");
    assert!(
        cut.starts_with("the file ends within a list\n  at line 2, column "),
        "{cut}"
    );
    assert!(error("").starts_with("the file ends where a value is expected"));
    for text in ["", "null", "7", "\"x\"", "{}", "[", "[7]", "[[]]"] {
        error(text);
    }
}

#[test]
fn a_bare_array_has_no_other_keys() {
    let text = "[\n{\"name\": \"a\", \"regex\": \"(x)\", \"type\": \"int\"}]";
    let error = error(text);
    assert!(
        error.starts_with("field \"a\": a bare array has only `name` and `regex`; write"),
        "{error}"
    );
    assert!(error.contains("\n  at line 2, column 39\n"), "{error}");
}

#[test]
fn what_a_file_holds_never_reaches_a_terminal_as_it_stands() {
    let error = error("{\"namespace\": \"\u{1b}]0;x\u{7}\u{9b}\", \"fields\": 7}");
    assert!(
        error.chars().all(|c| c == '\n' || !c.is_control()),
        "{error:?}"
    );
}

// Any pattern.

/// Pieces of patterns: most of what they make is wrong, and some of it is dear.
fn pattern() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "(", ")", "(", ")", "(x)", "(.+)", "(?:", "(?s)", "(?i)", "(?P<n>", "[", "]", "[^", "a",
        "0", "-", ",", " ", "é", ".", "\\d", "\\", "\\b", "\\s", "\\pL", "\\x{ff}", "\\xff", "*",
        "+", "+?", "?", "{3}", "{0,99}", "{9,1000}", "|", "^", "$", "&&", "length ", "\"", "\n",
    ]);
    prop_oneof![
        4 => prop::collection::vec(pieces, 0..24).prop_map(|pieces| pieces.concat()),
        1 => "\\PC{0,64}",
    ]
}

fn kind() -> impl Strategy<Value = FieldType> {
    prop::sample::select(FieldType::ALL.to_vec())
}

/// A record of each kind, and what no printer prints.
fn any_text(junk: &[u8]) -> Vec<u8> {
    let mut text = given::text("4.99.3/http-requests/v.txt");
    text.truncate(4_000);
    for head in [
        &b"\n07:16:22.476739 "[..],
        b"\n07:16:23.000000 IP (tos 0x0, ttl 64, id 1, offset 0, flags [DF], proto TCP (6), length ",
        b"\n07:16:24.000000 IP 10.0.0.1.80 > 10.0.0.2.81: ",
    ] {
        text.extend_from_slice(head);
        text.extend_from_slice(junk);
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// It loads or it is an error; and what loads can be matched against anything.
    #[test]
    fn any_pattern_loads_or_is_an_error(
        pattern in pattern(),
        part in prop::sample::select(Part::ALL.to_vec()),
        kind in kind(),
        junk in prop::collection::vec(any::<u8>(), 0..256),
    ) {
        let written = serde_json::to_string(&pattern).expect("a string is JSON");
        let (part, kind) = (part.name(), kind.name());
        let line = format!(r#"{{"name": "x", "in": "{part}", "regex": {written}, "type": "{kind}"}}"#);
        let bare = format!(r#"[{{"name": "x", "regex": {written}}}]"#);
        // As somebody types it who knows no JSON.
        let raw = format!(r#"[{{"name": "x", "regex": "{pattern}"}}]"#);
        for source in [entry(&line), bare, raw] {
            match source.parse::<Namespace>().and_then(Parser::new) {
                Ok(parser) => {
                    for packets in parse(&parser, &any_text(&junk)) {
                        for packet in packets.iter() {
                            let _ = value(packet, "x");
                        }
                    }
                }
                Err(error) => {
                    let told = error.to_string();
                    prop_assert!(!told.is_empty());
                    prop_assert!(told.chars().all(|c| c == '\n' || !c.is_control()), "{told:?}");
                }
            }
        }
    }

    /// Any text for a file: it loads or it is an error.
    #[test]
    fn any_file_loads_or_is_an_error(text in "\\PC{0,200}", at in 0..BUILT_IN.len(), junk in "\\PC{0,4}") {
        // The file itself, damaged in one place.
        let at = BUILT_IN.floor_char_boundary(at);
        let damaged = format!("{}{junk}{}", &BUILT_IN[..at], &BUILT_IN[at..]);
        for text in [text, damaged] {
            if let Err(error) = text.parse::<Namespace>() {
                prop_assert!(!error.to_string().is_empty());
            }
        }
    }
}

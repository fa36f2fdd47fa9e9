//! What is explained is what was parsed, on every sample; and what is proven of a namespace holds.

use dumpstream::explain::{Explanation, Found, Verdict};
use dumpstream::framing::{Batch, CutKind, Framer, Tail};
use dumpstream::{Engine, Missing, Namespace, Packets, Parser, Part};

/// Explained of each sample: its first record, its last, and so many between.
const BETWEEN: usize = 1;

fn parse(parser: &Parser, text: &[u8]) -> Vec<Packets> {
    let mut framer = Framer::new();
    let (mut at, mut all) = (0, Vec::new());
    while let Some(cut) = framer.next(&text[at..], Tail::Final) {
        if !matches!(cut.kind, CutKind::Skipped(_)) {
            let batch = Batch::new(text[at..at + cut.len].to_vec(), framer.style());
            all.push(parser.parse(batch));
        }
        at += cut.len;
    }
    all
}

fn explain(namespace: &str, text: &str) -> Explanation {
    let parser = Parser::new(namespace.parse().expect("it is valid")).expect("it is valid");
    let packets = parse(&parser, text.as_bytes());
    packets[0].packet(0).explain()
}

/// Every text of an explanation stands where it says, and every value comes from where it says.
fn consistent(packets: &Packets, what: &str) {
    let packet = packets.packet(0);
    let explanation = packet.explain();
    let raw = packet.raw();
    let spelled = |bytes: &[u8]| dumpstream::Value::Text(bytes).to_string();
    for piece in &explanation.parts {
        let Some(place) = &piece.place else { continue };
        assert_eq!(spelled(&raw[place.bytes.clone()]), piece.text, "{what}");
        let before = &raw[..place.bytes.start];
        let lines = before.iter().filter(|b| **b == b'\n').count();
        assert_eq!(place.line, lines + 1, "{what}");
    }
    let missing: Vec<_> = packet.missing().collect();
    let told: Vec<_> = explanation
        .fields
        .iter()
        .filter_map(|f| Some((f.name.as_str(), f.missing?)))
        .collect();
    assert_eq!(missing, told, "{what}");
    for (i, field) in explanation.fields.iter().enumerate() {
        let values: Vec<_> = field
            .tries
            .iter()
            .filter_map(|t| match &t.verdict {
                Verdict::Value(found) => Some(found),
                _ => None,
            })
            .collect();
        let what = format!("{what}: {}: {}", field.name, raw.escape_ascii());
        // The one law of it: what the patterns give is what was given.
        assert_eq!(packet.value(i).is_some(), values.len() == 1, "{what}");
        assert_eq!(packet.value(i).is_some(), field.value.is_some(), "{what}");
        let misfits = field.tries.iter();
        let misfits = misfits.filter(|t| matches!(t.verdict, Verdict::Misfit(_)));
        let misfit = field.missing == Some(Missing::Misfit);
        assert_eq!(misfits.count() == 1, misfit, "{what}");
        if let Some(place) = values.first().and_then(|found| found.place.as_ref()) {
            let text = values[0].text.as_deref().expect("a place has its text");
            assert_eq!(spelled(&raw[place.bytes.clone()]), text, "{what}");
            if let Some(dumpstream::Value::Text(value)) = packet.value(i) {
                assert_eq!(spelled(value), text, "{what}");
            }
        }
        for entry in &field.tries {
            if let Verdict::NoMatch(miss) = &entry.verdict {
                let reach = miss.reach.as_ref().expect("it does not match");
                assert!(entry.regex.is_char_boundary(reach.passed), "{what}");
                assert!(
                    reach.passed < entry.regex.len() && !reach.expected.is_empty(),
                    "{what}"
                );
            }
        }
    }
}

#[test]
fn every_sample_is_explained_as_it_was_parsed() {
    let parser = || {
        let namespace = Namespace::tcpdump().keep_payload();
        Parser::new(namespace).expect("it is valid")
    };
    let (slot, regex) = (parser(), parser().engine(Engine::Regex));
    for (i, sample) in given::samples().into_iter().enumerate() {
        // One engine each: that both are equal is another test's.
        let packets = parse(if i % 4 == 0 { &regex } else { &slot }, &sample.text);
        let step = (packets.len() / (BETWEEN + 1)).max(1);
        let last = packets.len().saturating_sub(1);
        for (n, packets) in packets.iter().enumerate() {
            if n % step == 0 || n == last {
                consistent(packets, &format!("{} record {}", sample.name, n + 1));
            }
        }
    }
}

const UDP: &str = "10:00:00.000000 IP (tos 0x0, ttl 64, id 7, offset 0, flags [DF], proto UDP (17), \
                   length 30)\n    192.0.2.1.1024 > 192.0.2.2.9999: UDP, length 2\n";

fn one(part: &str, regex: &str, kind: &str) -> Explanation {
    let regex = serde_json::to_string(regex).expect("a string");
    let namespace = format!(
        r#"{{"namespace": "one", "fields": [{{"name": "x", "in": "{part}", "regex": {regex}, "type": "{kind}"}}]}}"#
    );
    explain(&namespace, UDP)
}

#[test]
fn why_a_pattern_did_not_match() {
    // How far it came, what was expected, and what stands there.
    let told = one("network", r"^tos .*?, ttl=(\d+)", "int");
    let Verdict::NoMatch(miss) = &told.fields[0].tries[0].verdict else {
        panic!("{told:?}");
    };
    let reach = miss.reach.as_ref().expect("it does not match");
    assert_eq!((reach.passed, reach.matched.clone()), (13, 0..12));
    assert_eq!(reach.expected, "=");
    let instead = miss.instead.as_ref().expect("it is in the record");
    assert_eq!((instead.line, instead.column), (1, 33));
    // Upper and lower case; another part.
    let told = one("network", r"TTL (\d+)", "int");
    assert!(matches!(&told.fields[0].tries[0].verdict, Verdict::NoMatch(m) if m.ignoring_case));
    let told = one("endpoints", r"ttl (\d+)", "int");
    assert!(
        matches!(&told.fields[0].tries[0].verdict, Verdict::NoMatch(m)
            if m.elsewhere == [Part::Head, Part::Network])
    );
    let told = one("tcp", r"ttl (\d+)", "int");
    assert!(
        matches!(&told.fields[0].tries[0].verdict, Verdict::NoPart { elsewhere }
            if *elsewhere == [Part::Head, Part::Network])
    );
    // The type's verdict; a match without the group.
    let told = one("network", r"ttl (\d+)", "mac");
    assert_eq!(told.fields[0].missing, Some(Missing::Misfit));
    let told = one("network", r"ttl|(never)", "text");
    assert!(matches!(
        told.fields[0].tries[0].verdict,
        Verdict::NoGroup(_)
    ));
    // Over both lines of the head: the place is that of the second.
    let told = one("head", r"length 30\) \S+\.(\d+) ", "int");
    let Verdict::Value(found) = &told.fields[0].tries[0].verdict else {
        panic!("{told:?}");
    };
    let place = found.place.as_ref().expect("it is in the record");
    assert_eq!((place.line, place.column), (2, 15));
    assert_eq!(&UDP[place.bytes.clone()], "1024");
}

#[test]
fn which_engine_and_why() {
    let engine = |namespace: &str, name: &str| {
        let told = explain(namespace, UDP);
        told.fields
            .iter()
            .find(|f| f.name == name)
            .expect("the field")
            .engine
    };
    let edited = dumpstream::BUILT_IN.replace(r"^tos .*?, ttl +(\\d+)", r"^tos .*, ttl +(\\d+)");
    assert_eq!(engine(dumpstream::BUILT_IN, "ttl"), Found::Slot);
    assert_eq!(engine(&edited, "ttl"), Found::RegexEdited);
    assert_eq!(engine(&edited, "tos"), Found::Slot);
    assert_eq!(
        one("network", "(x)", "text").fields[0].engine,
        Found::RegexOwn
    );
    let parser = Parser::new(Namespace::tcpdump()).expect("it is valid");
    let asked = parse(&parser.clone().engine(Engine::Regex), UDP.as_bytes());
    assert_eq!(
        asked[0].packet(0).explain().fields[0].engine,
        Found::RegexAsked
    );
    // A network header that is not as tcpdump writes it: its fields leave their slots.
    let odd = UDP.replace("offset 0,", "offset x,");
    let odd = parse(&parser, odd.as_bytes())[0].packet(0).explain();
    let of = |name: &str| odd.fields.iter().find(|f| f.name == name).expect("it");
    assert_eq!(of("ttl").engine, Found::RegexOdd);
    assert_eq!(of("source_port").engine, Found::Slot);
}

#[test]
fn text_that_is_withheld_is_said_to_be() {
    let text = "10:00:00.000000 IP 192.0.2.1.1024 > 192.0.2.2.80: Flags [P.], seq 1:9, ack 1, win 1, \
                length 8: HTTP: GET / HTTP/1.0\n";
    let namespace = r#"{"namespace": "web", "fields": [
        {"name": "method", "in": "info", "regex": "HTTP: (\\S+)", "type": "text"}]}"#;
    let told = explain(namespace, text);
    let place = told.withheld.as_ref().expect("HTTP may print credentials");
    assert!(text[place.bytes.clone()].contains("GET /"));
    assert!(
        matches!(&told.fields[0].tries[0].verdict, Verdict::NoPart { elsewhere }
        if elsewhere.contains(&Part::Info))
    );
}

#[test]
fn everything_wrong_at_once() {
    let wrong = r#"{"namespace": "wrong", "fields": [
  {"name": "raw", "in": "tcp", "regex": "(a)", "type": "text"},
  {"name": "a", "in": "tpc", "regex": "(a", "type": "txt"},
  {"name": "b", "in": "tcp", "regex": "\u0061, ^(b)", "type": "text"},
  {"name": "c", "in": "tcp", "regex": "c", "type": "text", "dok": ""},
  {"name": "d", "in": "tcp", "regex": "d", "type": "text"},
  {"name": "e", "in": "tcp", "regex": "(e)", "type": "text"},
  {"name": "e", "in": "tcp", "regex": "(e)", "type": "int"},
  {"name": "E", "in": "tcp", "regex": "(e)", "type": "int"}
]}"#;
    let errors = Namespace::check(wrong).expect_err("nearly all of it is wrong");
    let places: Vec<_> = errors
        .iter()
        .map(|e| {
            let at = e.position.as_ref().expect("each has its place");
            (at.line, at.column, e.field.as_deref().unwrap_or(""))
        })
        .collect();
    assert_eq!(
        places,
        [
            (2, 12, "raw"),
            (3, 23, "a"),
            (3, 40, "a"),
            (3, 53, "a"),
            (4, 48, "b"),
            (5, 64, "c"),
            (6, 39, "d"),
            (8, 54, "e"),
            (9, 12, "E"),
        ],
        "{errors:#?}"
    );
    let first: dumpstream::NamespaceError = wrong.parse::<Namespace>().expect_err("the same");
    assert_eq!(first.to_string(), errors[0].to_string());
    assert!(
        errors[4].what().contains("can never match"),
        "{}",
        errors[4]
    );
    // A file in one line of a megabyte: a place stays small.
    let long = format!(
        r#"[{}{{"name": "time_ns", "regex": "(a)"}}]"#,
        " ".repeat(1 << 20)
    );
    let error = long.parse::<Namespace>().expect_err("the name is ours");
    assert!(error.to_string().len() < 400, "{error}");
    // A bare array whose back-slashes JSON forbids: the place is that of the file.
    let bare = r#"[{"name": "a", "regex": "\d\d(x"}]"#;
    let errors = Namespace::check(bare).expect_err("the group is open");
    assert_eq!(errors[0].position.as_ref().map(|at| at.column), Some(25));
}

#[test]
fn the_built_in_namespace_is_right() {
    let namespace = Namespace::check(dumpstream::BUILT_IN).expect("it is valid");
    assert!(namespace.doubts().is_empty(), "{:?}", namespace.doubts());
    let doubts = namespace.keep_payload().doubts();
    assert!(doubts[0].what().contains("--keep-payload"));
}

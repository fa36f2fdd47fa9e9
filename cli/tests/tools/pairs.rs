//! What a sender can spell changes no typed field: pairs of packets that differ only in the
//! sender's text, printed by the real tcpdump through many printers, read the same but for `info`.
//!
//! `PAIRS` sets how many pairs; without it some seconds' worth. It needs tcpdump.

mod capture;

use std::io::Write as _;
use std::process::{Command, Stdio};

use capture::PRINTERS;
use dumpstream::framing::Batches;
use dumpstream::{Namespace, Packet, Parser};
use given::{Random, tool, trial};
use libtest_mimic::Trial;

/// Pairs of one run of tcpdump.
const CHUNK: usize = 10_000;

/// Each chunk is printed in the next of these.
const LAYOUTS: [&[&str]; 8] = [
    &["-v"],
    &[],
    &["-v", "-e"],
    &["-vvv"],
    &["-e", "-X"],
    &["-v", "-#"],
    &["-v", "-K"],
    &["-vv", "-xx", "-#", "-e"],
];

pub(crate) fn trials() -> Vec<Trial> {
    vec![trial(
        "a_senders_text_changes_no_typed_field",
        &[tool("tcpdump")],
        || {
            a_senders_text_changes_no_typed_field();
            Ok(())
        },
    )]
}

/// The text of a capture.
fn printed(capture: Vec<u8>, layout: &[&str]) -> Vec<u8> {
    let mut child = Command::new("tcpdump")
        .args(["-nn", "-S", "-tt", "-r", "-"])
        .args(layout)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("tcpdump was looked for");
    let mut stdin = child.stdin.take().expect("it is piped");
    let feeder = std::thread::spawn(move || stdin.write_all(&capture));
    let output = child.wait_with_output().expect("tcpdump ends");
    feeder.join().expect("no panic").expect("all was read");
    output.stdout
}

fn same(a: Packet<'_>, b: Packet<'_>, columns: &[dumpstream::Column], printer: &str) {
    for (i, column) in columns.iter().enumerate() {
        if !matches!(column.name.as_str(), "info" | "number") {
            assert!(
                a.value(i) == b.value(i),
                "{printer}: {}: {:?} and {:?} in\n{}\n{}",
                column.name,
                a.value(i),
                b.value(i),
                a.raw().escape_ascii(),
                b.raw().escape_ascii(),
            );
        }
    }
    let missing = |packet: Packet<'_>| {
        packet
            .missing()
            .map(|(name, _)| name.to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        missing(a),
        missing(b),
        "{printer}: {}",
        a.raw().escape_ascii()
    );
}

fn a_senders_text_changes_no_typed_field() {
    let pairs: usize = std::env::var("PAIRS")
        .map(|n| n.parse().expect("PAIRS is a number"))
        .unwrap_or(20_000);
    let parser = Parser::new(Namespace::tcpdump()).expect("it is valid");
    let mut random = Random(0x5eed);
    let mut compared = 0;
    for (chunk, from) in (0..pairs).step_by(CHUNK).enumerate() {
        let count = CHUNK.min(pairs - from);
        let mut bytes = capture::header(1);
        for n in 0..count {
            capture::pair(&mut bytes, n % PRINTERS.len(), &mut random);
        }
        let layout = LAYOUTS[chunk % LAYOUTS.len()];
        let text = printed(bytes, layout);
        let (mut n, mut first) = (0, None::<dumpstream::Packets>);
        for batch in Batches::new(&text[..]) {
            let packets = parser.parse(batch.expect("a slice can be read"));
            let columns = packets.columns().to_vec();
            for (i, packet) in packets.iter().enumerate() {
                let printer = PRINTERS[n / 2 % PRINTERS.len()].name;
                if n % 2 == 1 {
                    match (i, &first) {
                        (0, Some(before)) => {
                            let last = before.packet(before.len() - 1);
                            same(last, packet, &columns, printer);
                        }
                        _ => same(packets.packet(i - 1), packet, &columns, printer),
                    }
                    compared += 1;
                }
                n += 1;
            }
            first = Some(packets);
        }
        assert_eq!(
            n,
            2 * count,
            "{layout:?}: records that were cut or made by a sender"
        );
    }
    assert_eq!(compared, pairs);
    eprintln!("{compared} pairs through {} printers", PRINTERS.len());
}

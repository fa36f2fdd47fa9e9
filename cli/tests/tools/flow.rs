//! The whole flow as it is typed, in network namespaces: tcpreplay at one end of a cable, tcpdump at
//! the other, nc, `listen`, SQLite. As many rows as packets, each with the text that `tcpdump -r`
//! prints of its packet, but for the stamp; and the ledger balances from the first to the last.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use dumpstream::framing::{CutKind, Framer, Tail};
use given::{tool, trial};
use libtest_mimic::{Failed, Trial};

use crate::namespace::{Namespace, checked, namespaces};
use crate::netcat::{Process, capture, nc, recorded};
use crate::program::{Running, dumpstream, until};

const OPTIONS: [&str; 4] = ["-nn", "-v", "-tt", "-#"];

pub(crate) fn trials() -> Vec<Trial> {
    let tools = ["tcpdump", "tcpreplay", "ip", "kill"].map(tool);
    let needs = [&tools[..], &[nc(), namespaces()]].concat();
    vec![trial(
        "tcpreplay_over_veth_to_tcpdump_to_nc_to_listen_to_sqlite",
        &needs,
        the_flow,
    )]
}

/// The number of `-#` and the text behind the stamp, of each record.
fn numbered(text: &str) -> Vec<(usize, String)> {
    let (mut framer, mut rest, mut records) = (Framer::new(), text, Vec::new());
    while let Some(cut) = framer.next(rest.as_bytes(), Tail::Final) {
        let (record, after) = rest.split_at(cut.len);
        assert_eq!(cut.kind, CutKind::Records);
        let (number, stamped) = record.trim_start().split_once("  ").expect("a number");
        let (_, body) = stamped.split_once(' ').expect("a stamp");
        records.push((number.parse().expect(number), body.to_owned()));
        rest = after;
    }
    records
}

/// The figure in front of some words.
fn figure(text: &str, words: &str) -> Result<usize, Failed> {
    let before = text.split(words).next().filter(|before| *before != text);
    let number = before.and_then(|before| before.rsplit([' ', '\n']).next());
    let number = number.and_then(|number| number.parse().ok());
    number.ok_or_else(|| format!("no figure before {words:?} in {text}").into())
}

/// What is stored, in the order of the records.
fn rows(folder: &Path) -> rusqlite::Result<Vec<String>> {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let database = rusqlite::Connection::open_with_flags(folder.join("packets.db"), flags)?;
    let sql = "SELECT CAST(raw AS TEXT) FROM packets ORDER BY record";
    let mut statement = database.prepare(sql)?;
    statement.query_map([], |row| row.get(0))?.collect()
}

fn the_flow() -> Result<(), Failed> {
    let printed = numbered(&recorded(&OPTIONS)?);
    let sent = printed.len();
    // A frame that ends within its VLAN tag gets no further than the cable's end: the kernel takes
    // the tag off before anybody sees the frame (`skb_vlan_untag`), and drops what is too short.
    let arriving = |body: &String| body.trim() != "[|vlan]";
    let expected: Vec<_> = printed
        .into_iter()
        .map(|(_, body)| body)
        .filter(arriving)
        .collect();
    let n = expected.len();

    let folder = tempfile::tempdir()?;
    let listen = ["listen", "-k", "0", "--raw", "-v"];
    let listening = Running::new(dumpstream(folder.path(), &listen));
    let address = listening.address();

    let namespace = Namespace::new("flow")?;
    let mut tcpdump = namespace.command("tcpdump");
    // A buffer that holds all that is sent, and no wait for a block of it to fill.
    tcpdump.args(["-i", "right", "-l", "--immediate-mode", "-B", "8192"]);
    tcpdump
        .args(OPTIONS)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut tcpdump = Process::start(&mut tcpdump)?;
    let mut errors = BufReader::new(tcpdump.0.stderr.take().expect("it is piped"));
    let mut line = String::new();
    while !line.contains("listening on") {
        line.clear();
        if errors.read_line(&mut line)? == 0 {
            return Err("tcpdump does not listen".into());
        }
    }
    let mut nc = Command::new("nc");
    nc.args(["-N", &address.ip().to_string(), &address.port().to_string()]);
    nc.stdin(tcpdump.0.stdout.take().expect("it is piped"));
    let mut nc = Process::start(&mut nc)?;

    let mut tcpreplay = namespace.command("tcpreplay");
    tcpreplay
        .args(["-i", "left", "--pps", "2000"])
        .arg(capture());
    let replayed = String::from_utf8(checked(&mut tcpreplay)?.stdout)?;
    until("all rows are there", || {
        rows(folder.path())
            .is_ok_and(|rows| rows.len() == n)
            .then_some(())
    });
    tcpdump.interrupt()?;
    let mut said = String::new();
    errors.read_to_string(&mut said)?;
    tcpdump.wait()?;
    nc.wait()?;
    listening.signal("TERM");
    let (status, report) = listening.end();

    // Each record, byte for byte.
    let rows = numbered(&rows(folder.path())?.concat());
    for (i, (row, expected)) in rows.iter().zip(&expected).enumerate() {
        if *row != (i + 1, expected.clone()) {
            return Err(format!("record {} is\n{row:?}\nand was\n{expected}", i + 1).into());
        }
    }
    // The ledger, from one program to the next.
    let stored = figure(&report, " packets written to sqlite:packets.db")?;
    let (captured, received, dropped) = (
        figure(&said, " packets captured")?,
        figure(&said, " packets received by filter")?,
        figure(&said, " packets dropped by kernel")?,
    );
    let (parsed, unknown, lost) = (
        figure(&report, " packets parsed")?,
        figure(&report, " packets of unknown protocols")?,
        figure(&report, " packets lost between tcpdump and here")?,
    );
    for (what, left, right) in [
        ("sent", figure(&replayed, " packets (")?, sent),
        ("received by tcpdump", received, n),
        ("captured and dropped", captured + dropped, received),
        (
            "received by listen",
            figure(&report, " packets received")?,
            captured,
        ),
        ("parsed and not", parsed + unknown, captured),
        ("lost on the way", lost, 0),
        ("stored", stored, captured),
        ("rows", rows.len(), stored),
    ] {
        if left != right {
            return Err(format!("{what}: {left}, not {right}\n{said}\n{report}").into());
        }
    }
    match status.code() == Some(0) {
        true => Ok(()),
        false => Err(format!("{status}: {report}").into()),
    }
}

//! How many cores, partitions, brokers and nodes a rate of packets needs: the tables of
//! `docs/scale.md`, computed from what `cargo bench --bench scale` measured (`docs/scale.json`).
//!
//!     cargo run --release --example scale [FILE]

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;

/// The rates, in bytes of tcpdump's text a second.
const RATES: [(&str, f64); 4] = [
    ("10 MB/s", 1e7),
    ("100 MB/s", 1e8),
    ("1 GB/s", 1e9),
    ("10 GB/s", 1e10),
];

/// Share of a machine that is used at the mean rate: the rest is for peaks, and for the work of a
/// neighbour that has failed.
const USED: f64 = 0.6;

/// Cores of a machine.
const CORES: f64 = 16.0;

/// Copies of each partition in Kafka, and of each row in Cassandra.
const COPIES: f64 = 3.0;

/// Bytes a second that a machine receives or sends: 25 Gbit/s.
const NETWORK: f64 = 25e9 / 8.0;

/// Bytes a second that a machine writes to its disks.
const DISK: f64 = 1e9;

/// How often Cassandra writes a byte: the commit log, a flush, and three compactions.
const REWRITTEN: f64 = 5.0;

/// What was measured.
#[derive(Debug, Deserialize)]
pub(crate) struct Measured {
    processor: String,
    text: Text,
    per_million_packets: BTreeMap<String, Cost>,
}

#[derive(Debug, Deserialize)]
struct Text {
    packets: f64,
    bytes: f64,
}

/// Of a million packets.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
struct Cost {
    core_seconds: f64,
    server_core_seconds: f64,
    seconds: f64,
    stored_bytes: f64,
}

impl Measured {
    fn cost(&self, stage: &str) -> Cost {
        *self
            .per_million_packets
            .get(stage)
            .unwrap_or_else(|| panic!("`{stage}` was not measured"))
    }

    fn bytes_per_packet(&self) -> f64 {
        self.text.bytes / self.text.packets
    }

    /// Millions of packets a second.
    fn millions(&self, rate: f64) -> f64 {
        rate / self.bytes_per_packet() / 1e6
    }
}

/// What there is one of, until there must be more: its name, and how many of it, without reserve, a
/// million packets a second keep busy.
type Unit = (&'static str, f64);

fn units(measured: &Measured) -> Vec<Unit> {
    let bytes = measured.bytes_per_packet() * 1e6;
    let [tcpdump, listen, sqlite, parquet, kafka, consume, cassandra] = [
        "tcpdump",
        "listen null",
        "listen sqlite",
        "listen parquet",
        "listen kafka",
        "consume null",
        "listen cassandra",
    ]
    .map(|stage| measured.cost(stage));
    vec![
        ("tcpdump, one process", tcpdump.core_seconds),
        ("a connection to `listen`", listen.seconds),
        ("an SQLite file", sqlite.seconds),
        ("a `parquet:` output", parquet.seconds),
        ("a partition of a topic", consume.seconds),
        ("the network card of a receiver", bytes / NETWORK),
        (
            "a broker",
            worst([
                COPIES * kafka.server_core_seconds / CORES,
                COPIES * kafka.stored_bytes / DISK,
                COPIES * kafka.stored_bytes / NETWORK,
            ]),
        ),
        ("a Cassandra node", node(cassandra)),
    ]
}

/// Cassandra nodes that a million packets a second keep busy.
fn node(cassandra: Cost) -> f64 {
    worst([
        COPIES * cassandra.server_core_seconds / CORES,
        COPIES * REWRITTEN * cassandra.stored_bytes / DISK,
        COPIES * cassandra.stored_bytes / NETWORK,
    ])
}

fn worst<const N: usize>(shares: [f64; N]) -> f64 {
    shares.into_iter().fold(0.0, f64::max)
}

/// How many there must be, each used to [`USED`].
fn needed(busy: f64) -> f64 {
    (busy / USED).ceil().max(1.0)
}

/// The assumptions and all tables, as Markdown.
pub(crate) fn tables(measured: &Measured) -> String {
    let mut page = String::new();
    let out = &mut page;
    let per_packet = measured.bytes_per_packet();
    let mut line = |text: String| writeln!(out, "{text}").expect("a string takes it");
    line(format!(
        "Measured on: {}. A packet is {per_packet:.0} bytes of text.\n",
        measured.processor.trim()
    ));
    line("| assumption | value |\n|---|---|".to_owned());
    for (what, value) in [
        (
            "used share of each machine, file and process",
            format!("{:.0} %", USED * 100.0),
        ),
        (
            "cores of a machine, each as fast as one here",
            format!("{CORES:.0}"),
        ),
        (
            "copies in Kafka and in Cassandra, each as costly as the first",
            format!("{COPIES:.0}"),
        ),
        (
            "network of a machine, each direction",
            format!("{:.0} Gbit/s", NETWORK * 8.0 / 1e9),
        ),
        (
            "disks of a machine",
            format!("{:.0} GB/s written", DISK / 1e9),
        ),
        (
            "times that Cassandra writes a byte",
            format!("{REWRITTEN:.0}"),
        ),
    ] {
        line(format!("| {what} | {value} |"));
    }
    line(String::new());
    line(
        "| a million packets | core-seconds of ours | of the server | stored |\n|---|---|---|---|"
            .to_owned(),
    );
    for (stage, cost) in &measured.per_million_packets {
        line(format!(
            "| {stage} | {:.2} | {} | {} |",
            cost.core_seconds,
            or_none(
                cost.server_core_seconds > 0.0,
                format!("{:.2}", cost.server_core_seconds)
            ),
            or_none(
                cost.stored_bytes > 0.0,
                format!("{:.0} MB", cost.stored_bytes / 1e6)
            ),
        ));
    }
    let heads = RATES.map(|(name, _)| name).join(" | ");
    line(format!("\n| text | {heads} |\n|---|---|---|---|---|"));
    let mut row = |what: &str, value: &dyn Fn(f64) -> String| {
        let values = RATES.map(|(_, rate)| value(rate)).join(" | ");
        line(format!("| {what} | {values} |"));
    };
    let cores = |stage: &'static str| {
        move |rate| number(measured.millions(rate) * measured.cost(stage).core_seconds / USED)
    };
    row("packets/s", &|rate| number(measured.millions(rate) * 1e6));
    row("network, Gbit/s", &|rate| number(rate * 8.0 / 1e9));
    row("tcpdump, processes", &|rate| {
        number(needed(
            measured.millions(rate) * measured.cost("tcpdump").core_seconds,
        ))
    });
    row(
        "`listen`, cores to receive and parse",
        &cores("listen null"),
    );
    row("… into SQLite, cores", &cores("listen sqlite"));
    row("… SQLite files", &|rate| {
        number(needed(
            measured.millions(rate) * measured.cost("listen sqlite").seconds,
        ))
    });
    row("… into Parquet, cores", &cores("listen parquet"));
    row("… into Kafka, cores", &cores("listen kafka"));
    row("Kafka, partitions", &|rate| {
        number(needed(
            measured.millions(rate) * measured.cost("consume null").seconds,
        ))
    });
    let broker = |rate| needed(measured.millions(rate) * busy(measured, "a broker")).max(COPIES);
    row("Kafka, brokers", &|rate| number(broker(rate)));
    row(
        "`consume` into Cassandra, cores",
        &cores("consume cassandra"),
    );
    let nodes =
        |rate| needed(measured.millions(rate) * busy(measured, "a Cassandra node")).max(COPIES);
    row("Cassandra, nodes", &|rate| number(nodes(rate)));
    let day = |stage: &'static str, copies: f64| {
        move |rate| {
            number(
                measured.millions(rate) * measured.cost(stage).stored_bytes * copies * 86_400.0
                    / 1e12,
            )
        }
    };
    row("a day in Kafka, TB", &day("listen kafka", COPIES));
    row("a day in Cassandra, TB", &day("listen cassandra", COPIES));
    row("a day in Parquet, TB", &day("listen parquet", 1.0));
    row("a day in SQLite, TB", &day("listen sqlite", 1.0));
    line("\n| text | first bottleneck | then |\n|---|---|---|".to_owned());
    for (name, rate) in RATES {
        let mut busy = units(measured);
        busy.iter_mut()
            .for_each(|(_, busy)| *busy *= measured.millions(rate));
        busy.sort_by(|a, b| b.1.total_cmp(&a.1));
        let said = |(unit, busy): Unit| match busy {
            busy if busy > USED => format!("{unit}: {} are needed", number(needed(busy))),
            busy => format!("none; {unit} is busy to {:.0} %", busy * 100.0),
        };
        line(format!(
            "| {name} | {} | {} |",
            said(busy[0]),
            said(busy[1])
        ));
    }
    page
}

fn busy(measured: &Measured, unit: &str) -> f64 {
    let units = units(measured);
    units
        .iter()
        .find(|(name, _)| *name == unit)
        .expect("it is listed")
        .1
}

fn or_none(is: bool, text: String) -> String {
    match is {
        true => text,
        false => "–".to_owned(),
    }
}

/// Three digits of small ones, thousands separated of large ones.
fn number(n: f64) -> String {
    let digits = match n {
        n if n < 1.0 => return format!("{n:.2}"),
        n if n < 10.0 && n.fract() != 0.0 => return format!("{n:.1}"),
        n => format!("{n:.0}"),
    };
    let mut grouped = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[allow(dead_code, reason = "a test has the tables without it")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::args().nth(1);
    let file =
        file.unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/docs/scale.json").to_owned());
    let measured: Measured = serde_json::from_str(&std::fs::read_to_string(file)?)?;
    print!("{}", tables(&measured));
    Ok(())
}

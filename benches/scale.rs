//! What a million packets cost: seconds of a core in each program of the flow, and bytes in each
//! store, all in one run. `docs/scale.json` is its output, and `cargo run --example scale` computes
//! the tables of `docs/scale.md` from it.
//!
//! No criterion: whole programs are measured, by the processor time that the system counts for them,
//! which does not depend on how many of them share the cores. Everything is the median of rounds.
//! `CASS_HEAP=4G KAFKA_HEAP=1g cargo bench -p dumpstream-cli --features kafka,parquet --bench scale
//! >docs/scale.json`; `DUMPSTREAM_SCALE_ROUNDS` (3) says how many. Needs tcpdump, Java 17 and Maven.

#[allow(dead_code)]
#[path = "../cli/tests/kafka/broker.rs"]
mod broker;
#[allow(dead_code)]
#[path = "../cli/tests/cassandra/node.rs"]
mod node;
#[allow(dead_code)]
#[path = "../cli/tests/cli/program.rs"]
mod program;
#[path = "input/samples.rs"]
mod samples;

use std::fs;
use std::io::Write as _;
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use given::Script;
use serde_json::{Map, Value, json};

/// How often the large sample is repeated: 1,018,446 packets, 260 MB.
const REPEATED: usize = 22;

/// How often the capture of the samples is repeated for tcpdump.
const PRINTED: usize = 500;

/// Ends the servers, however the bench ends.
struct Servers;

impl Drop for Servers {
    fn drop(&mut self) {
        broker::stop_all();
        node::stop_all();
    }
}

fn main() {
    // `cargo test --benches` and `cargo bench -- --test` run it too, and there is nothing to test.
    let asked = |name: &str| std::env::args().any(|a| a == name);
    if !asked("--bench") || asked("--test") {
        return;
    }
    let needs = [
        given::tool("tcpdump"),
        broker::available(),
        node::available(),
    ];
    if let Some(why) = needs.iter().find_map(|need| need.as_ref().err()) {
        eprintln!("no bench: {why}");
        std::process::exit(1);
    }
    let servers = Servers;
    let bench = Bench::new();
    let rounds = given::amount("DUMPSTREAM_SCALE_ROUNDS", 3);
    let stages: [(&str, Stage); 9] = [
        ("tcpdump", Bench::tcpdump),
        ("listen null", |b| b.listen("null:", 0)),
        ("listen jsonl", |b| b.listen("jsonl:DIR/a.jsonl", 0)),
        ("listen sqlite", |b| b.listen("sqlite:DIR/a.db", 0)),
        ("listen parquet", |b| b.listen("parquet:DIR/parquet", 0)),
        ("listen cassandra", Bench::cassandra),
        ("listen kafka", Bench::kafka),
        ("consume null", |b| {
            b.consume("null:", pid(&broker::script()))
        }),
        ("consume cassandra", Bench::consume_cassandra),
    ];
    let mut measured = Map::new();
    for (name, stage) in stages {
        let mut costs: Vec<Cost> = (1..=rounds)
            .map(|round| {
                let cost = stage(&bench);
                eprintln!("{name}, {round} of {rounds}: {cost:?}");
                cost
            })
            .collect();
        costs.sort_by_key(|cost| cost.client + cost.server);
        measured.insert(name.to_owned(), costs[rounds / 2].json());
    }
    drop(servers);
    let found = json!({
        "processor": processor(),
        "cores": std::thread::available_parallelism().map_or(0, |n| n.get()),
        "text": { "packets": bench.packets, "bytes": bench.bytes },
        "per_million_packets": measured,
    });
    println!("{found:#}");
}

/// Processes all packets once.
type Stage = fn(&Bench) -> Cost;

/// What it took for `packets`.
#[derive(Clone, Debug)]
struct Cost {
    packets: usize,
    /// Of our program, or of tcpdump.
    client: Duration,
    server: Duration,
    wall: Duration,
    /// What is stored, after a server has written it to its disk.
    stored: u64,
}

impl Cost {
    fn json(&self) -> Value {
        let million = |amount: f64| (amount * 1e6 / self.packets as f64 * 1e3).round() / 1e3;
        json!({
            "core_seconds": million(self.client.as_secs_f64()),
            "server_core_seconds": million(self.server.as_secs_f64()),
            "seconds": million(self.wall.as_secs_f64()),
            "stored_bytes": million(self.stored as f64) as u64,
        })
    }
}

struct Bench {
    folder: tempfile::TempDir,
    text: PathBuf,
    bytes: u64,
    packets: usize,
    capture: PathBuf,
    printed: usize,
    /// A topic with all packets.
    topic: String,
    numbers: std::cell::Cell<u32>,
}

impl Bench {
    fn new() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("packets.txt");
        let sample = samples::large();
        fs::write(&text, repeated(&sample.text)).unwrap();
        let one = fs::read(given::sample("4.99.3/mix/replay.pcap")).unwrap();
        let (head, body) = one.split_at(24);
        let capture = folder.path().join("packets.pcap");
        fs::write(&capture, [head, &body.repeat(PRINTED)].concat()).unwrap();
        let bench = Bench {
            bytes: fs::metadata(&text).unwrap().len(),
            packets: sample.records * REPEATED,
            printed: packets_of(body) * PRINTED,
            topic: broker::cluster(1).topic(1),
            numbers: std::cell::Cell::new(0),
            folder,
            text,
            capture,
        };
        bench.listen(&into(&bench.topic), 0);
        bench
    }

    fn number(&self) -> u32 {
        self.numbers.set(self.numbers.get() + 1);
        self.numbers.get()
    }

    fn tcpdump(&self) -> Cost {
        let begun = Instant::now();
        let before = children();
        let status = Command::new("tcpdump")
            .args(["-nn", "-v", "-tt", "-r"])
            .arg(&self.capture)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(status.unwrap().success());
        Cost {
            packets: self.printed,
            client: children() - before,
            server: Duration::ZERO,
            wall: begun.elapsed(),
            stored: 0,
        }
    }

    /// One sender's text over loopback; `server` is the process of the server behind it, or 0.
    fn listen(&self, url: &str, server: u32) -> Cost {
        let folder = tempfile::tempdir_in(self.folder.path()).unwrap();
        let url = url.replace("DIR", folder.path().to_str().unwrap());
        let text = fs::read(&self.text).unwrap();
        let (before, server_before) = (children(), process(server));
        let stream = format!("bench{}", self.number());
        let arguments = [
            "listen",
            "127.0.0.1:0",
            "--sensor",
            "bench",
            "--stream",
            &stream,
            "-o",
            &url,
        ];
        let running = program::Running::new(program::dumpstream(folder.path(), &arguments));
        let mut sender = TcpStream::connect(running.address()).unwrap();
        let begun = Instant::now();
        sender.write_all(&text).unwrap();
        sender.shutdown(Shutdown::Write).unwrap();
        self.ended(running, "packets written to");
        Cost {
            packets: self.packets,
            client: children() - before,
            server: process(server) - server_before,
            wall: begun.elapsed(),
            stored: size(folder.path()),
        }
    }

    fn ended(&self, running: program::Running, words: &str) {
        let (status, said) = running.end();
        assert!(status.success(), "{said}");
        let all = format!("{} {words}", self.packets);
        assert!(said.contains(&all), "{all}: {said}");
    }

    fn kafka(&self) -> Cost {
        let topic = broker::cluster(1).topic(1);
        let data = broker::script().data.1.join("node1");
        let mut cost = self.listen(&into(&topic), pid(&broker::script()));
        cost.stored = named(&data, &format!("{topic}-")).map(|f| size(&f)).sum();
        cost
    }

    fn cassandra(&self) -> Cost {
        let (keyspace, url) = table();
        stored_after(&keyspace, || self.listen(&url, pid(&node::script())))
    }

    /// The topic; `server` is the process of the server that is measured.
    fn consume(&self, url: &str, server: u32) -> Cost {
        let group = format!("bench{}", self.number());
        let from = broker::cluster(1).url(0, &self.topic, &format!("group={group}"));
        let (before, server_before) = (children(), process(server));
        let begun = Instant::now();
        let arguments = ["consume", &from, "--until-end", "-o", url];
        let running = program::Running::new(program::dumpstream(self.folder.path(), &arguments));
        self.ended(running, "packets written to");
        Cost {
            packets: self.packets,
            client: children() - before,
            server: process(server) - server_before,
            wall: begun.elapsed(),
            stored: 0,
        }
    }

    fn consume_cassandra(&self) -> Cost {
        let (keyspace, url) = table();
        stored_after(&keyspace, || self.consume(&url, pid(&node::script())))
    }
}

/// The URL of the topic, as an output.
fn into(topic: &str) -> String {
    broker::cluster(1).url(0, topic, "format=text&compression=zstd")
}

/// A table of its own: its keyspace, and its URL.
fn table() -> (String, String) {
    let cluster = node::cluster(1);
    let keyspace = cluster.keyspace();
    let url = cluster.url(&keyspace, "create=true");
    (keyspace, url)
}

/// The cost with what Cassandra then has on its disk; writing that is part of it.
fn stored_after(keyspace: &str, stage: impl FnOnce() -> Cost) -> Cost {
    let script = node::script();
    let mut cost = stage();
    let before = process(pid(&script));
    script.must(&["nodetool", "1", "flush", keyspace]);
    cost.server += process(pid(&script)) - before;
    cost.stored = named(&script.data.1.join("node1"), keyspace)
        .map(|f| size(&f))
        .sum();
    cost
}

/// The sample so many times, its stamps replaced by those of a text of `-tt` with 10,000 packets a
/// second.
fn repeated(sample: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(sample.len() * REPEATED * 11 / 10);
    let mut packet = 0_u64;
    for _ in 0..REPEATED {
        for line in sample.split_inclusive(|b| *b == b'\n') {
            match line.iter().position(|b| *b == b' ') {
                Some(stamp) if line[0].is_ascii_digit() => {
                    let time = 1_764_550_000_000_000 + packet * 100;
                    write!(text, "{}.{:06}", time / 1_000_000, time % 1_000_000).unwrap();
                    text.extend_from_slice(&line[stamp..]);
                    packet += 1;
                }
                _ => text.extend_from_slice(line),
            }
        }
    }
    text
}

/// How many packets a pcap has after its header, in this machine's order of bytes.
fn packets_of(mut body: &[u8]) -> usize {
    let mut packets = 0;
    while let Some(captured) = body.get(8..12) {
        let captured = u32::from_ne_bytes(captured.try_into().unwrap());
        body = &body[16 + captured as usize..];
        packets += 1;
    }
    packets
}

fn pid(script: &Script) -> u32 {
    let pid = fs::read_to_string(script.data.1.join("node1/pid")).unwrap();
    pid.trim().parse().unwrap()
}

/// Processor time of all children that have ended.
fn children() -> Duration {
    times("/proc/self/stat", 13)
}

/// Processor time of a process; none of 0.
fn process(id: u32) -> Duration {
    match id {
        0 => Duration::ZERO,
        id => times(&format!("/proc/{id}/stat"), 11),
    }
}

/// Two fields of proc_pid_stat(5), counted from the state, which follows the name's bracket.
fn times(stat: &str, first: usize) -> Duration {
    let stat = fs::read_to_string(stat).unwrap();
    let (_, after) = stat.rsplit_once(") ").unwrap();
    let ticks = after.split(' ').skip(first).take(2);
    let ticks: u64 = ticks.map(|n| n.parse::<u64>().unwrap()).sum();
    Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// All folders below one whose names begin like this.
fn named(folder: &Path, begin: &str) -> impl Iterator<Item = PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        for path in entries
            .map(|entry| entry.path())
            .filter(|path| path.is_dir())
        {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            match name.starts_with(begin) {
                true => found.push(path),
                false => folders.push(path),
            }
        }
    }
    found.into_iter()
}

/// Bytes on the disk of all files below a folder; Kafka's indexes are longer than what they hold.
fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => size(&entry.path()),
        _ => entry.metadata().map_or(0, |about| about.blocks() * 512),
    });
    sizes.sum()
}

fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = model.and_then(|model| model.split_once(": "));
    model.map_or_else(String::new, |(_, model)| model.to_owned())
}

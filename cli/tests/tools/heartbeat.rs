//! Heartbeats against top, beside a receiver under load; and what they cost.
//!
//! `DUMPSTREAM_HEARTBEAT` says for how many seconds (default 15), as in
//! `DUMPSTREAM_HEARTBEAT=600 cargo test --release --test tools heartbeat -- --nocapture`.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use given::{tool, trial};
use libtest_mimic::{Failed, Trial};

use crate::program::{Running, dumpstream, records, until};
use crate::stat::used;

/// Records that are sent a second.
const RATE: usize = 50_000;

/// How far the figures may be apart, in points of per cent: top's are of other seconds than ours.
const APART: f64 = 2.0;

/// CPU time of a heartbeat every second, per cent of a core.
const COST: f64 = 0.5;

pub(crate) fn trials() -> Vec<Trial> {
    let needs = [tool("top"), procps()];
    vec![trial("heartbeat_beside_top", &needs, beside_top)]
}

/// Other tops print other words.
fn procps() -> Result<(), String> {
    let mut top = Command::new("top");
    let printed = top.args(["-b", "-n", "1"]).env("LC_ALL", "C").output();
    match printed.map(|output| String::from_utf8_lossy(&output.stdout).contains("\n%Cpu(s)")) {
        Ok(true) => Ok(()),
        _ => Err("top is not that of procps".to_owned()),
    }
}

fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("after 1970").as_secs_f64()
}

/// Busy time in per cent of all cores, and the span of it in seconds since 1970.
#[derive(Clone, Copy, Debug)]
struct Busy {
    from: f64,
    to: f64,
    cpu: f64,
}

/// What top prints, as long as it lives.
struct Top {
    top: Child,
    lines: Arc<Mutex<Vec<(f64, String)>>>,
}

impl Top {
    fn new() -> Top {
        let mut top = Command::new("top");
        top.args(["-b", "-d", "1"]).env("LC_ALL", "C");
        let mut top = top.stdout(Stdio::piped()).spawn().expect("it is there");
        let text = BufReader::new(top.stdout.take().expect("a pipe"));
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = lines.clone();
        thread::spawn(move || {
            for line in text.lines().map_while(Result::ok) {
                if line.starts_with("%Cpu") {
                    kept.lock().expect("nobody panics").push((now(), line));
                }
            }
        });
        Top { top, lines }
    }

    /// Each of its figures but the first, which is of the time since the machine was started.
    fn busy(&self) -> Vec<Busy> {
        let lines = self.lines.lock().expect("nobody panics");
        let pairs = lines.iter().zip(&lines[1..]);
        let busy = |((from, _), (to, line)): (&(f64, String), &(f64, String))| Busy {
            from: *from,
            to: *to,
            cpu: 100.0 - share(line, "id") - share(line, "wa"),
        };
        pairs.map(busy).collect()
    }
}

impl Drop for Top {
    fn drop(&mut self) {
        self.top.kill().ok();
        self.top.wait().ok();
    }
}

/// `%Cpu(s): 61.3 us, 12.1 sy, …`
fn share(line: &str, of: &str) -> f64 {
    let line = line.split(':').nth(1).expect(line);
    let part = line.split(',').find(|part| part.trim().ends_with(of));
    let part = part.expect(line).trim().trim_end_matches(of).trim();
    part.parse().expect(line)
}

/// Each beat of a file but the first, and its number.
fn beats(file: &Path) -> Vec<(u64, Busy)> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let row = |line: &str| {
        let row: serde_json::Value = serde_json::from_str(line).expect(line);
        let time: jiff::Timestamp = row["time"].as_str().expect(line).parse().expect(line);
        let cpu = row["cpu"].as_f64().expect(line);
        let number = row["record"].as_u64().expect(line);
        (number, time.as_nanosecond() as f64 / 1e9, cpu)
    };
    let rows: Vec<_> = whole.lines().map(row).collect();
    let pairs = rows.iter().zip(rows.iter().skip(1));
    let busy = |((_, from, _), (number, to, cpu)): (&(u64, f64, f64), &(u64, f64, f64))| {
        let (from, to, cpu) = (*from, *to, *cpu);
        (*number, Busy { from, to, cpu })
    };
    pairs.map(busy).collect()
}

/// The mean of figures over a span; `None` where they do not cover it.
fn mean(figures: &[Busy], from: f64, to: f64) -> Option<f64> {
    let (first, last) = (figures.first()?, figures.last()?);
    if first.from > from || last.to < to {
        return None;
    }
    let weighed = figures.iter().map(|busy| {
        let overlap = busy.to.min(to) - busy.from.max(from);
        busy.cpu * overlap.max(0.0)
    });
    Some(weighed.sum::<f64>() / (to - from))
}

/// Sends records at a steady rate until it is dropped.
struct Sender(Arc<AtomicBool>);

impl Sender {
    fn new(running: &Running) -> Sender {
        let ends = Arc::new(AtomicBool::new(false));
        let (address, end) = (running.address(), ends.clone());
        thread::spawn(move || {
            let mut socket = TcpStream::connect(address).expect("it listens");
            let text = records(RATE / 20);
            let start = Instant::now();
            for n in 1.. {
                if end.load(Ordering::Relaxed) || socket.write_all(text.as_bytes()).is_err() {
                    break;
                }
                let due = start + Duration::from_millis(50 * n);
                thread::sleep(due.saturating_duration_since(Instant::now()));
            }
        });
        Sender(ends)
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn beside_top() -> Result<(), Failed> {
    let seconds = std::env::var("DUMPSTREAM_HEARTBEAT");
    let seconds: u64 = seconds.map_or(Ok(15), |text| text.parse())?;
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name);
    let listen = [
        "listen",
        "-k",
        "0",
        "-o",
        "null:",
        "--heartbeat",
        "jsonl:beats.jsonl",
    ];
    let listen = [&listen[..], &["--heartbeat-every", "1s"]].concat();
    let listen = Running::new(dumpstream(folder.path(), &listen));
    let alone = ["heartbeat", "--every", "1s", "-o", "jsonl:alone.jsonl"];
    let alone = Running::new(dumpstream(folder.path(), &alone));
    let sender = Sender::new(&listen);
    let top = Top::new();
    // What starting it costs is no part of what a beat costs.
    until("the first beats are written", || {
        (!beats(&at("alone.jsonl")).is_empty()).then_some(())
    });
    let (begun, before) = (Instant::now(), used(alone.id()));
    thread::sleep(Duration::from_secs(seconds));
    let cost = (used(alone.id()) - before) / begun.elapsed().as_secs_f64() * 100.0;
    let tops = top.busy();
    drop((sender, top));
    let mut wrong = Vec::new();
    for (running, file) in [(listen, "beats.jsonl"), (alone, "alone.jsonl")] {
        running.signal("TERM");
        let (status, said) = running.end();
        let beats = beats(&at(file));
        let (last, _) = beats.last().ok_or("no beats")?;
        // The first one is not among them.
        let missed = last - 1 - beats.len() as u64;
        let figures: Vec<_> = beats.iter().map(|(_, busy)| *busy).collect();
        let from = figures[0].from.max(tops[0].from);
        let to = figures[figures.len() - 1].to.min(tops[tops.len() - 1].to);
        let ours = mean(&figures, from, to).ok_or("beats do not cover it")?;
        let theirs = mean(&tops, from, to).ok_or("top does not cover it")?;
        let pairs = figures.iter().filter_map(|busy| {
            let theirs = mean(&tops, busy.from, busy.to)?;
            Some((busy.cpu - theirs).abs())
        });
        let mut apart: Vec<_> = pairs.collect();
        apart.sort_by(f64::total_cmp);
        println!(
            "{file}: beats {last}, missed {missed}; cpu {ours:.2} %, of top {theirs:.2} %; single \
             beats apart: median {:.2}, at most {:.2} points",
            apart[apart.len() / 2],
            apart[apart.len() - 1]
        );
        if missed > 0 {
            wrong.push(format!("{missed} beats of {file} were missed: {said}"));
        }
        if (ours - theirs).abs() >= APART {
            wrong.push(format!("{ours} % of {file} are not top's {theirs} %"));
        }
        if status.code() != Some(0) || *last < seconds {
            wrong.push(format!("{file}: {last} beats, {status}: {said}"));
        }
    }
    println!("cost of a heartbeat every second: {cost:.3} % of a core");
    if cost >= COST {
        wrong.push(format!("a heartbeat costs {cost} % of a core"));
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(wrong.join("\n").into()),
    }
}

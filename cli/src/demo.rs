//! `dumpstream demo`: `listen`, `replay` and `query`, in one process, over a real connection.

use std::fs;
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use dumpstream_flow::net::{Outcome, stream_name};
use dumpstream_flow::sqlite::Database;
use tokio_util::sync::CancellationToken;

use super::listen::{Listen, Listening};
use super::query::Query;
use super::replay::Replay;
use super::report::{Network, Report};
use super::{Exit, Manner, Stdout, amount, runtime, visible};

mod scan;

use scan::Scan;

/// The large sample of the source tree. The package omits it because of its size.
const LARGE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../samples/4.99.3/large/v.txt.zst"
);
/// The sample that is always available.
const SMALL: &[u8] = include_bytes!("../sample.txt");
/// How long the replay takes: long enough to see the status line move.
const PLAYED: Duration = Duration::from_secs(8);
/// When the demo stops, whatever step it has reached.
const LONGEST: Duration = Duration::from_secs(25);

/// The query for the five top talkers, of the whole database or of one stream.
fn talkers(stream: Option<&str>) -> String {
    // The name consists of hexadecimal digits, so it needs no escaping.
    let which = stream.map_or(String::new(), |s| format!("WHERE stream LIKE '{s}-%' "));
    format!(
        "SELECT source, count(*) n, sum(bytes) bytes FROM packets \
         {which}GROUP BY 1 ORDER BY n DESC LIMIT 5"
    )
}

/// Show the whole flow over TCP in under 30 s: listen, replay and query in one process.
///
/// Sends a recorded sample over a real connection into a real database, which is kept. Every figure
/// on the screen is computed from that run. At the end the demo prints the folder of the database
/// and its size.
#[derive(Args, Debug)]
pub(super) struct Demo {
    /// Database file [default: packets.db in a new temporary folder].
    #[arg(short, long, value_name = "FILE")]
    database: Option<PathBuf>,
}

impl Demo {
    pub(super) fn run(self, manner: Manner) -> anyhow::Result<Exit> {
        runtime::block_on(self.demo(manner))
    }

    async fn demo(self, manner: Manner) -> anyhow::Result<Exit> {
        let folder = new_folder()?;
        let built_in = !Path::new(LARGE).exists();
        let sample = match built_in {
            true => folder.join("sample.txt"),
            false => PathBuf::from(LARGE),
        };
        if built_in {
            fs::write(&sample, SMALL).with_context(|| sample.display().to_string())?;
        }
        let database = self.database.unwrap_or_else(|| folder.join("packets.db"));
        // Other runs may have rows in this database; only the stream of this run is queried.
        let stream = database.exists().then(|| stream_name("demo"));
        let talkers = talkers(stream.as_deref());
        let json = folder.join("packets.jsonl");
        let scan = Scan::read(&sample)?;
        let times = (scan.span.as_secs_f64() / PLAYED.as_secs_f64())
            .ceil()
            .max(1.0);

        let stores = [
            format!("sqlite:{}", database.display()),
            format!("jsonl:{}", json.display()),
        ];
        let listen = |port: &str| {
            let mut listen = words(&["listen", port, "-o", &stores[0], "-o", &stores[1]]);
            listen.extend(stream.iter().flat_map(|s| words(&["--stream", s])));
            listen
        };
        let listening = typed::<Listen>(&listen("0"))?
            .open(CancellationToken::new())
            .await?;
        let address = listening.listener.address().expect("a port");
        let (host, port) = (address.ip().to_string(), address.port().to_string());
        let (file, times) = (sample.display().to_string(), times.to_string());
        let replay = words(&["replay", &file, &host, &port, "-x", &times]);
        let query = words(&["query", "-d", &database.display().to_string(), &talkers]);

        show("This runs the whole flow over TCP in one process. By hand, use three terminals:\n")?;
        for command in [&listen(&port), &replay, &query] {
            show(&format!("  dumpstream {}", shell(command)))?;
        }
        if built_in {
            show("\nThis is the built-in sample; the source tree has a larger one.")?;
        }
        show(&format!(
            "\nListening on {address}, database {}",
            database.display()
        ))?;

        let report = listening.report.clone();
        let (outcome, took) = flow(listening, typed::<Replay>(&replay)?, manner).await?;
        if report.station.stop().is_cancelled() && took < LONGEST {
            // Ctrl-C: skip the rest.
            return report.exit(0);
        }
        show(&accounts(&report, &outcome, took))?;
        show(&scan.joined(outcome.summary.records))?;

        let json = json_of(&json, scan.example)?;
        show(&format!("Record {} has two lines:\n", scan.example))?;
        show(&format!(
            "  {}\n",
            scan.text.trim_end().replace('\n', "\n  ")
        ))?;
        show(&format!("Its JSON:\n\n  {}\n", visible::json(&json)))?;

        let stream = serde_json::from_str::<serde_json::Value>(&json)?["stream"].clone();
        let store = Database::open(&database)?;
        let rows = store.packets_of(stream.as_str().unwrap_or_default())?;
        show(&format!(
            "{} rows of this stream are in the database.",
            amount::grouped(rows)
        ))?;
        show(&format!("The five top talkers:\n\n  {talkers}\n"))?;
        typed::<Query>(&query)?.ask(&store, manner)?;
        show(
            "\nTo use your own packets, run `dumpstream listen -k 4444` here, and on the sensor (HOST \
             is this\nmachine; to accept packets from other machines, see --allow):\n\n  \
             sudo tcpdump -i any -nn -v -l 'not port 4444' | nc HOST 4444",
        )?;
        show(&format!(
            "\nThe demo left {} in {}; remove it when you are done.",
            megabytes(size_of(&folder)?),
            folder.display()
        ))?;
        let received = outcome.summary.records;
        anyhow::ensure!(
            rows == scan.records && received == scan.records,
            "the sample has {} records, but {received} were received and {rows} are in the database",
            scan.records,
        );
        report.exit(0)
    }
}

/// Runs the replay into the listener until both end, and returns how long that took.
async fn flow(
    listening: Listening,
    replay: Replay,
    manner: Manner,
) -> anyhow::Result<(Outcome, Duration)> {
    let report = listening.report.clone();
    report.watch(manner)?;
    let connections = listening.listener.connections();
    let status = report.status(manner, Some(Network::Connections(connections)));
    let start = Instant::now();
    let stop = report.station.stop().clone();
    let overdue = tokio::spawn(async move {
        tokio::time::sleep(LONGEST).await;
        stop.cancel();
    });
    let player = replay.player();
    let (outcome, sent) = tokio::join!(
        listening.serve(),
        replay.send(&player, report.station.stop().child_token())
    );
    report.station.drain().await;
    overdue.abort();
    drop(status);
    sent?;
    match outcome.error {
        Some(error) => Err(error.into()),
        None => Ok((outcome, start.elapsed())),
    }
}

/// The figures of the run, and the identities that must hold.
fn accounts(report: &Report, outcome: &Outcome, took: Duration) -> String {
    let n = amount::grouped;
    let s = &outcome.summary;
    let rate = s.records as f64 / took.as_secs_f64().max(1e-9);
    let lanes = report.station.lanes();
    let p99 = lanes.p99().map_or("unknown".to_owned(), amount::time);
    let mut text = format!(
        "{} records in {}, {}/s; p99 from line received to row readable: {p99}\n\n\
         Every byte and every record is accounted for:\n\n  \
         {} bytes received = {} in records + {} skipped\n  \
         {} records = {} parsed + {} of unknown protocols\n",
        n(s.records),
        amount::time(took),
        n(rate as u64),
        n(s.bytes),
        n(s.record_bytes),
        n(s.skipped.total() + s.refused + s.left),
        n(s.records),
        n(s.parsed),
        n(s.unparsed),
    );
    for (name, c) in lanes.counters() {
        text += &format!(
            "  {} packets = {} written to {name} + {} rejected + {} dropped\n",
            n(c.packets),
            n(c.delivered),
            n(c.rejected),
            n(c.dropped),
        );
    }
    text
}

/// The JSON line of record `number`; the file holds a single stream.
fn json_of(file: &Path, number: u64) -> anyhow::Result<String> {
    let named = || file.display().to_string();
    let mut lines = io::BufReader::new(fs::File::open(file).with_context(named)?).lines();
    let index = usize::try_from(number - 1)?;
    let line = lines.nth(index).with_context(named)?;
    line.with_context(named)
}

/// Creates a new folder that only this user can read.
fn new_folder() -> anyhow::Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("dumpstream-demo-{}", stream_name("demo")));
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(&folder)
        .with_context(|| folder.display().to_string())?;
    Ok(folder)
}

/// The total size of the files in a folder, in bytes.
fn size_of(folder: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for file in fs::read_dir(folder)? {
        bytes += file?.metadata()?.len();
    }
    Ok(bytes)
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|w| (*w).to_owned()).collect()
}

/// Parses the words of a subcommand; the first is its name.
fn typed<T: Args>(words: &[String]) -> anyhow::Result<T> {
    let command = T::augment_args(clap::Command::new("demo"));
    Ok(T::from_arg_matches(&command.try_get_matches_from(words)?)?)
}

/// Quotes words for a shell.
fn shell(words: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+".contains(c);
    let quoted = words.iter().map(|word| match word.chars().all(plain) {
        true => word.clone(),
        false if word.contains('\'') => format!("\"{word}\""),
        false => format!("'{word}'"),
    });
    quoted.collect::<Vec<_>>().join(" ")
}

fn show(text: &str) -> Result<(), Stdout> {
    writeln!(io::stdout(), "{}", visible::lines(text)).map_err(Stdout)
}

//! Rows a second into one Cassandra node on this machine, all in one run: ours, the bare driver,
//! single inserts, `cqlsh COPY FROM`, DSBulk.
//!
//! No criterion: one measurement takes seconds, and what is compared are programs. The figures are
//! medians of rounds in which everybody has its turn. `cargo bench --bench cassandra` makes the
//! table; `DUMPSTREAM_CASSANDRA_ROWS` (200,000), `DUMPSTREAM_CASSANDRA_ROUNDS` (3), `CQLSH` (the
//! program, else `cqlsh` of the path) and `DSBULK` (a folder with the jars that
//! `benches/cassandra/dsbulk.xml` names) say with what. Peers that are not there are left out, with a
//! word. The node's memory is `CASS_HEAP` (4G here).

#[allow(dead_code)]
#[path = "../cli/tests/cassandra/ask.rs"]
mod ask;
#[allow(dead_code)]
#[path = "../cli/tests/cassandra/node.rs"]
mod node;
#[allow(dead_code)]
#[path = "../cli/tests/cassandra/text.rs"]
mod text;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use dumpstream::{Column, FieldType, Namespace, Origin, Packet, Packets, Value};
use dumpstream_flow::{Lane, LaneOptions, SinkUrl};
use futures_util::stream::{self, StreamExt};
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::client::{Compression, PoolSize};
use scylla::serialize::SerializationError;
use scylla::serialize::row::{RowSerializationContext, SerializeRow};
use scylla::serialize::writers::RowWriter;
use scylla::statement::batch::{Batch, BatchStatement, BatchType};

/// Requests on their way at once: of batches, as ours has; of single rows, what was fastest.
const BATCHES: usize = 64;
const SINGLES: usize = 512;

fn main() {
    // `cargo test --benches` and `cargo bench -- --test` run it too, and there is nothing to test.
    let asked = |name: &str| std::env::args().any(|a| a == name);
    if !asked("--bench") || asked("--test") {
        return;
    }
    if std::env::var_os("CASS_HEAP").is_none() {
        println!("CASS_HEAP is not set: a node of 512 MiB; CASS_HEAP=4G is what the table is of");
    }
    if let Err(why) = node::available() {
        println!("no bench: {why}");
        return;
    }
    let _nodes = Nodes;
    let rows = given::amount("DUMPSTREAM_CASSANDRA_ROWS", 200_000) as u64;
    let rounds = given::amount("DUMPSTREAM_CASSANDRA_ROUNDS", 3);
    let bench = Bench::new(rows);
    println!("{rows} rows, {rounds} rounds, one node");
    // The server's compiler needs a while.
    bench.ours();
    bench.ours();
    let contestants: [(&str, Contestant); 6] = [
        ("ours: packets to the sink", |b| Some(b.ours())),
        ("ours: dumpstream parse", |b| Some(b.program())),
        ("bare driver, the same batches ready-made", |b| {
            Some(b.bare())
        }),
        ("single prepared inserts, ready-made", |b| Some(b.single())),
        ("cqlsh COPY FROM", Bench::cqlsh),
        ("DSBulk 1.10", Bench::dsbulk),
    ];
    // `cargo bench --bench cassandra -- driver DSBulk`: only these, beside ours.
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with('-'))
        .collect();
    let wanted = |i: usize| {
        let name = contestants[i].0;
        i == 0 || words.is_empty() || words.iter().any(|word| name.contains(word))
    };
    let mut times = vec![Vec::new(); contestants.len()];
    for round in 1..=rounds {
        for (i, (times, (name, run))) in times.iter_mut().zip(&contestants).enumerate() {
            if !wanted(i) {
                continue;
            }
            match run(&bench) {
                Some(time) => {
                    println!("{round} {name}: {:.0}", rows as f64 / time.as_secs_f64());
                    times.push(time);
                }
                None if round == 1 => println!("{name}: not there"),
                None => {}
            }
        }
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        times.get(times.len() / 2).copied()
    };
    let ours = median(&mut times[0]).expect("it ran");
    println!("\n| rows a second, median of {rounds} | rows/s | ours is |\n|---|---|---|");
    for ((name, _), times) in contestants.iter().zip(&mut times) {
        if let Some(time) = median(times) {
            let rate = rows as f64 / time.as_secs_f64();
            let ratio = time.as_secs_f64() / ours.as_secs_f64();
            println!("| {name} | {rate:.0} | {ratio:.2} × |");
        }
    }
}

/// Ends them, however the bench ends.
struct Nodes;

impl Drop for Nodes {
    fn drop(&mut self) {
        node::stop_all();
    }
}

/// Writes all rows once; `None` where it is not there.
type Contestant = fn(&Bench) -> Option<Duration>;

struct Bench {
    folder: tempfile::TempDir,
    rows: u64,
    packets: Vec<Packets>,
    /// The columns of the insert, and every row as bytes, in batches of one partition.
    insert: String,
    ready: Vec<Vec<Ready>>,
    /// The columns of the CSV.
    columns: String,
}

impl Bench {
    fn new(rows: u64) -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let text = text::records(1..rows + 1);
        std::fs::write(folder.path().join("a.txt"), &text).unwrap();
        let packets = text::packets(&text, &mut Origin::new("a.txt").stream("x"));
        let columns = Namespace::tcpdump().columns();
        let fields: Vec<_> = (0..columns.len())
            .filter(|i| columns[*i].name != "time")
            .collect();
        let names = fields.iter().map(|i| columns[*i].name.as_str());
        let ours = "sensor, bucket, shard, time, time_ns, stream, record, time_source";
        let names = [ours].into_iter().chain(names).collect::<Vec<_>>();
        let insert = format!(
            "({}) VALUES ({}) USING TIMESTAMP ?",
            names.join(", "),
            vec!["?"; names.len() + 7].join(", ")
        );
        // Runs of one partition, which are those of 64 neighbours.
        let mut ready: Vec<Vec<Ready>> = Vec::new();
        let mut last = None;
        for packet in packets.iter().flat_map(Packets::iter) {
            let place = (
                packet.record() / 64,
                packet.time().div_euclid(60_000_000_000),
            );
            if last.replace(place) != Some(place) {
                ready.push(Vec::with_capacity(64));
            }
            let batch = ready.last_mut().expect("one was pushed");
            batch.push(Ready::new(packet, &columns, &fields));
        }
        // For the others, only the columns that these rows have.
        let first = packets[0].packet(0);
        let there: Vec<_> = fields
            .iter()
            .filter(|i| first.value(**i).is_some())
            .collect();
        let mut csv =
            std::io::BufWriter::new(std::fs::File::create(folder.path().join("a.csv")).unwrap());
        let mut line = String::new();
        for packet in packets.iter().flat_map(Packets::iter) {
            line.clear();
            let ms = packet.time() / 1_000_000;
            let bucket = ms - ms % 60_000;
            let at = |ms: i64| {
                let at = jiff::Timestamp::from_millisecond(ms).unwrap();
                at.strftime("%Y-%m-%d %H:%M:%S.%3f+0000").to_string()
            };
            let shard = packet.record() / 64 % 4;
            let ns = packet.time() % 1_000_000;
            write!(
                line,
                "a.txt,{},{shard},{},{ns},x,{},packet",
                at(bucket),
                at(ms),
                packet.record()
            )
            .unwrap();
            for i in &there {
                match packet.value(**i) {
                    Some(value) if value.to_string().contains(',') => {
                        write!(line, ",\"{value}\"").unwrap();
                    }
                    Some(value) => write!(line, ",{value}").unwrap(),
                    None => line.push(','),
                }
            }
            writeln!(csv, "{line}").unwrap();
        }
        csv.flush().unwrap();
        let there = there.iter().map(|i| columns[**i].name.as_str());
        let columns = [ours].into_iter().chain(there).collect::<Vec<_>>();
        Bench {
            rows,
            insert,
            ready,
            columns: columns.join(", "),
            packets,
            folder,
        }
    }

    /// A new table, made by our own sink.
    fn table(&self) -> (String, String) {
        let cluster = node::cluster(1);
        let keyspace = cluster.keyspace();
        let url = cluster.url(&keyspace, "create=true");
        (format!("{keyspace}.packets"), url)
    }

    fn count(&self, table: &str) {
        let found = ask::block_on(async {
            let session = ask::session("127.0.0.1:9042").await;
            ask::rows(&session, table, "record").await.len()
        });
        assert_eq!(found as u64, self.rows, "rows of {table}");
        // The next one shall not pay for this one's rows.
        ask::block_on(async {
            let session = ask::session("127.0.0.1:9042").await;
            let drop = format!("DROP TABLE {table}");
            session.query_unpaged(drop, ()).await.unwrap();
        });
    }

    fn ours(&self) -> Duration {
        let (table, url) = self.table();
        let url: SinkUrl = url.parse().unwrap();
        let time = ask::block_on(async {
            let sink = url.open(&text::context()).unwrap();
            // It is there, and prepared.
            sink.write(&[]).await.unwrap();
            let lane = Lane::spawn("c", sink, LaneOptions::default());
            let start = Instant::now();
            for packets in &self.packets {
                lane.send(packets.clone()).await;
            }
            let counters = lane.close(None).await;
            let time = start.elapsed();
            assert_eq!(counters.delivered, self.rows, "{counters:?}");
            time
        });
        self.count(&table);
        time
    }

    /// The whole program, from the text in a file; its start and the making of the table too.
    fn program(&self) -> Duration {
        let (table, url) = self.table();
        let start = Instant::now();
        let status = Command::new(env!("CARGO_BIN_EXE_dumpstream"))
            .args(["parse", "--stream", "x", "a.txt", "-o", &url])
            .current_dir(self.folder.path())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        let time = start.elapsed();
        assert!(status.success());
        self.count(&table);
        time
    }

    async fn session(&self, table: &str, url: &str) -> (Session, Batch) {
        // Our sink makes the table.
        let made: SinkUrl = url.parse().unwrap();
        let made = made.open(&text::context()).unwrap();
        made.write(&[]).await.unwrap();
        let session = SessionBuilder::new()
            .known_node("127.0.0.1:9042")
            .compression(Some(Compression::Lz4))
            .pool_size(PoolSize::PerHost(2.try_into().unwrap()))
            .build()
            .await
            .unwrap();
        let insert = format!("INSERT INTO {table} {}", self.insert);
        let prepared = session.prepare(insert).await.unwrap();
        let statement = BatchStatement::PreparedStatement(prepared);
        let batch = Batch::new_with_statements(BatchType::Unlogged, vec![statement; 64]);
        (session, batch)
    }

    fn bare(&self) -> Duration {
        let (table, url) = self.table();
        let time = ask::block_on(async {
            let (session, batch) = self.session(&table, &url).await;
            let batches: Vec<Batch> = (1..=64)
                .map(|n| {
                    let statements = batch.statements[..n].to_vec();
                    Batch::new_with_statements(BatchType::Unlogged, statements)
                })
                .collect();
            let start = Instant::now();
            stream::iter(&self.ready)
                .map(|rows| session.batch(&batches[rows.len() - 1], rows))
                .buffer_unordered(BATCHES)
                .for_each(async |result| drop(result.unwrap()))
                .await;
            start.elapsed()
        });
        self.count(&table);
        time
    }

    fn single(&self) -> Duration {
        let (table, url) = self.table();
        let time = ask::block_on(async {
            let (session, batch) = self.session(&table, &url).await;
            let BatchStatement::PreparedStatement(insert) = &batch.statements[0] else {
                unreachable!("it was prepared");
            };
            let start = Instant::now();
            stream::iter(self.ready.iter().flatten())
                .map(|row| session.execute_unpaged(insert, row))
                .buffer_unordered(SINGLES)
                .for_each(async |result| drop(result.unwrap()))
                .await;
            start.elapsed()
        });
        self.count(&table);
        time
    }

    fn cqlsh(&self) -> Option<Duration> {
        let cqlsh = std::env::var_os("CQLSH").unwrap_or_else(|| "cqlsh".into());
        let version = Command::new(&cqlsh).arg("--version").output().ok()?;
        version.status.success().then_some(())?;
        let (table, url) = self.table();
        ask::block_on(self.session(&table, &url));
        let copy = format!(
            "COPY {table} ({}) FROM 'a.csv' WITH HEADER=false",
            self.columns
        );
        let start = Instant::now();
        let output = Command::new(&cqlsh)
            .args(["127.0.0.1", "-e", &copy])
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        let time = start.elapsed();
        assert!(output.status.success(), "{output:?}");
        self.count(&table);
        Some(time)
    }

    fn dsbulk(&self) -> Option<Duration> {
        let jars = PathBuf::from(std::env::var_os("DSBULK")?);
        let (table, url) = self.table();
        ask::block_on(self.session(&table, &url));
        let (keyspace, table_name) = table.split_once('.').unwrap();
        let mapping: Vec<_> = self.columns.split(", ").enumerate().collect();
        let mapping = mapping.iter().map(|(i, name)| format!("{i}={name}"));
        let mapping = mapping.collect::<Vec<_>>().join(",");
        let start = Instant::now();
        let output = Command::new("java")
            .arg("-cp")
            .arg(Path::new(&jars).join("*"))
            .arg("com.datastax.oss.dsbulk.runner.DataStaxBulkLoader")
            .args([
                "load",
                "-url",
                "a.csv",
                "-header",
                "false",
                "-h",
                "127.0.0.1",
            ])
            .args(["-k", keyspace, "-t", table_name, "-m", &mapping])
            .args(["--codec.timestamp", "yyyy-MM-dd HH:mm:ss.SSSZ"])
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        let time = start.elapsed();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&[output.stdout, output.stderr].concat())
        );
        self.count(&table);
        Some(time)
    }
}

/// A row whose values are bytes of CQL already: nothing is left to do but to copy them.
struct Ready(Vec<Option<Vec<u8>>>);

impl Ready {
    fn new(packet: Packet<'_>, columns: &[Column], fields: &[usize]) -> Ready {
        let (time, record) = (packet.time(), packet.record());
        let ms = time.div_euclid(1_000_000);
        let shard = i16::try_from(record / 64 % 4).unwrap();
        let ns = i32::try_from(time.rem_euclid(1_000_000)).unwrap();
        let mut cells = vec![
            Some(packet.sensor().as_bytes().to_vec()),
            Some((ms - ms.rem_euclid(60_000)).to_be_bytes().to_vec()),
            Some(shard.to_be_bytes().to_vec()),
            Some(ms.to_be_bytes().to_vec()),
            Some(ns.to_be_bytes().to_vec()),
            Some(packet.stream().as_bytes().to_vec()),
            Some(record.to_be_bytes().to_vec()),
            Some(packet.time_source().name().as_bytes().to_vec()),
        ];
        for i in fields {
            cells.push(packet.value(*i).map(|value| bytes(columns[*i].kind, value)));
        }
        cells.push(Some((time / 1_000).to_be_bytes().to_vec()));
        Ready(cells)
    }
}

fn bytes(kind: FieldType, value: Value<'_>) -> Vec<u8> {
    match (kind, value) {
        (FieldType::Int | FieldType::Port, Value::Int(n)) => {
            i32::try_from(n).unwrap().to_be_bytes().to_vec()
        }
        (_, Value::Int(n) | Value::Time(n) | Value::Timestamp(n)) => n.to_be_bytes().to_vec(),
        (_, Value::Text(text)) => text.to_vec(),
        (_, Value::Bool(b)) => vec![u8::from(b)],
        (_, Value::Inet(std::net::IpAddr::V4(ip))) => ip.octets().to_vec(),
        (_, Value::Inet(std::net::IpAddr::V6(ip))) => ip.octets().to_vec(),
        (_, value) => value.to_string().into_bytes(),
    }
}

impl SerializeRow for Ready {
    fn serialize(
        &self,
        _: &RowSerializationContext<'_>,
        writer: &mut RowWriter<'_>,
    ) -> Result<(), SerializationError> {
        for cell in &self.0 {
            let out = writer.make_cell_writer();
            match cell {
                Some(bytes) => {
                    out.set_value(bytes).map_err(SerializationError::new)?;
                }
                None => {
                    out.set_unset();
                }
            }
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        false
    }
}

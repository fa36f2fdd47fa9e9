//! Records a second into a topic of one Kafka broker on this machine, all in one run: ours, a bare
//! producer loop, `kafka-console-producer`.
//!
//! No criterion: one measurement takes seconds, and what is compared are programs. The figures are
//! medians of rounds in which everybody has its turn. `cargo bench -p dumpstream-cli --features kafka
//! --bench kafka` makes the table; `DUMPSTREAM_KAFKA_RECORDS` (500,000), `DUMPSTREAM_KAFKA_ROUNDS` (5)
//! and `DUMPSTREAM_KAFKA_PARAMETERS` (of our URL) say with what. The broker's memory is `KAFKA_HEAP`
//! (1g here).

#[allow(dead_code)]
#[path = "../cli/tests/kafka/broker.rs"]
mod broker;
#[allow(dead_code)]
#[path = "../cli/tests/cli/program.rs"]
mod program;
#[allow(dead_code)]
#[path = "../cli/tests/cassandra/text.rs"]
mod text;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use dumpstream::{Origin, Packets};
use dumpstream_flow::{Lane, LaneOptions, SinkUrl};
use rdkafka::ClientContext;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, ProducerContext, ThreadedProducer};

/// Each has a partition of its own, or shares one.
const SENSORS: usize = 6;

fn main() {
    // `cargo test --benches` and `cargo bench -- --test` run it too, and there is nothing to test.
    let asked = |name: &str| std::env::args().any(|a| a == name);
    if !asked("--bench") || asked("--test") {
        return;
    }
    if std::env::var_os("KAFKA_HEAP").is_none() {
        println!(
            "KAFKA_HEAP is not set: a broker of 512 MiB; KAFKA_HEAP=1g is what the table is of"
        );
    }
    if let Err(why) = broker::available() {
        println!("no bench: {why}");
        return;
    }
    let _brokers = Brokers;
    let records = given::amount("DUMPSTREAM_KAFKA_RECORDS", 500_000);
    let rounds = given::amount("DUMPSTREAM_KAFKA_ROUNDS", 5);
    let bench = Bench::new(records);
    println!("{records} records, {rounds} rounds, one broker");
    // The broker's compiler needs a while.
    bench.bare(Ready::text, Headers::Here);
    bench.ours("format=text");
    let contestants: [(&str, Contestant); 9] = [
        ("ours: text", |b| b.ours("format=text")),
        ("bare producer: text, the same headers", |b| {
            b.bare(Ready::text, Headers::Here)
        }),
        ("bare producer: text, headers made before", |b| {
            b.bare(Ready::text, Headers::Before)
        }),
        ("bare producer: text, no headers", |b| {
            b.bare(Ready::text, Headers::None)
        }),
        ("ours: jsonl", |b| b.ours("format=jsonl")),
        ("bare producer: jsonl, the same headers", |b| {
            b.bare(Ready::json, Headers::Here)
        }),
        ("ours: text, zstd", |b| {
            b.ours("format=text&compression=zstd")
        }),
        ("ours: text, not compressed", |b| {
            b.ours("format=text&compression=none")
        }),
        ("kafka-console-producer: the same lines", Bench::console),
    ];
    // `-- bare console`: only these, beside ours.
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
            if wanted(i) {
                let time = run(&bench);
                println!("{round} {name}: {:.0}", records as f64 / time.as_secs_f64());
                times.push(time);
            }
        }
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        times.get(times.len() / 2).copied()
    };
    let ours = median(&mut times[0]).expect("it ran");
    println!(
        "\n| records a second, median of {rounds} | records/s | ours (text) is |\n|---|---|---|"
    );
    for ((name, _), times) in contestants.iter().zip(&mut times) {
        if let Some(time) = median(times) {
            let rate = records as f64 / time.as_secs_f64();
            let ratio = time.as_secs_f64() / ours.as_secs_f64();
            println!("| {name} | {rate:.0} | {ratio:.2} × |");
        }
    }
}

/// Ends them, however the bench ends.
struct Brokers;

impl Drop for Brokers {
    fn drop(&mut self) {
        broker::stop_all();
    }
}

/// Writes all records once.
type Contestant = fn(&Bench) -> Duration;

struct Bench {
    text: String,
    packets: Vec<Packets>,
    ready: Vec<Ready>,
}

/// What a bare producer does about headers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Headers {
    None,
    /// From ready-made texts, when its message is sent: librdkafka takes them away with it.
    Here,
    /// All before the first message is sent, which no stream can have.
    Before,
}

/// A message whose parts are bytes already.
struct Ready {
    key: Vec<u8>,
    text: Vec<u8>,
    json: Vec<u8>,
    record: String,
    stream: String,
    time: String,
}

impl Ready {
    fn text(&self) -> &[u8] {
        &self.text
    }

    fn json(&self) -> &[u8] {
        &self.json
    }

    fn headers(&self, time: bool) -> OwnedHeaders {
        let header = |headers: OwnedHeaders, key: &str, value: &[u8]| {
            let value = Some(value);
            headers.insert(Header { key, value })
        };
        let headers = header(OwnedHeaders::new(), "sensor", &self.key);
        let headers = header(headers, "stream", self.stream.as_bytes());
        let headers = header(headers, "record", self.record.as_bytes());
        let headers = header(headers, "namespace", b"0123456789abcdef");
        match time {
            true => header(headers, "time", self.time.as_bytes()),
            false => headers,
        }
    }
}

impl Bench {
    fn new(records: usize) -> Bench {
        let each = records.div_ceil(SENSORS) as u64;
        let mut queues: Vec<_> = (0..SENSORS)
            .map(|i| {
                let text = text::records(1..each + 1);
                let mut origin = Origin::new(format!("sensor{i}")).stream("stream");
                text::packets(&text, &mut origin).into_iter()
            })
            .collect();
        // In turns, as they come from six connections.
        let mut packets = Vec::new();
        while let Some(next) = queues
            .iter_mut()
            .map(Iterator::next)
            .collect::<Option<Vec<_>>>()
        {
            packets.extend(next);
        }
        let object = |packet: dumpstream::Packet<'_>| serde_json::to_vec(&packet).unwrap();
        let ready = packets.iter().flat_map(Packets::iter).map(|packet| Ready {
            key: packet.sensor().as_bytes().to_vec(),
            text: packet.raw().trim_ascii_end().to_vec(),
            json: object(packet),
            record: packet.record().to_string(),
            stream: packet.stream().to_owned(),
            time: packet.time().to_string(),
        });
        Bench {
            ready: ready.collect(),
            text: text::records(1..each * SENSORS as u64 + 1),
            packets,
        }
    }

    fn ours(&self, parameters: &str) -> Duration {
        let cluster = broker::cluster(1);
        let topic = cluster.topic(SENSORS as i32);
        let more = std::env::var("DUMPSTREAM_KAFKA_PARAMETERS").unwrap_or_default();
        let url = cluster.url(0, &topic, &format!("{parameters}&{more}"));
        let url: SinkUrl = url.parse().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let mut context = text::context();
        context.identity = false;
        let time = runtime.block_on(async {
            let sink = url.open(&context).unwrap();
            // It is connected, and has found the topic.
            let warm = self.packets[0].clone();
            sink.write(&[warm]).await.unwrap();
            let lane = Lane::spawn("k", sink, LaneOptions::default());
            let start = Instant::now();
            for packets in &self.packets {
                lane.send(packets.clone()).await;
            }
            // Not its end as well: the bare loop's is not counted either.
            while lane.counters().delivered < self.ready.len() as u64 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let time = start.elapsed();
            let counters = lane.close(None).await;
            assert_eq!(counters.delivered, self.ready.len() as u64, "{counters:?}");
            time
        });
        let warm = self.packets[0].len() as u64;
        assert_eq!(cluster.count(&topic), self.ready.len() as u64 + warm);
        cluster.forget(&topic);
        time
    }

    fn bare(&self, value: fn(&Ready) -> &[u8], headers: Headers) -> Duration {
        let cluster = broker::cluster(1);
        let topic = cluster.topic(SENSORS as i32);
        let count = Arc::new(AtomicUsize::new(0));
        // As ours is made.
        let producer: ThreadedProducer<Counting> = cluster
            .config()
            .set("enable.idempotence", "true")
            .set("message.timeout.ms", "0")
            .set("compression.type", "lz4")
            .set("partitioner", "murmur2_random")
            .set("linger.ms", "2")
            .set("queue.buffering.max.messages", "0")
            .set("queue.buffering.max.kbytes", "2147483647")
            .create_with_context(Counting(count.clone()))
            .unwrap();
        let send = |ready: &Ready, headers: Option<OwnedHeaders>| {
            let message = BaseRecord::to(&topic).key(&ready.key).payload(value(ready));
            let message = match headers {
                Some(headers) => message.headers(headers),
                None => message,
            };
            producer.send(message).map_err(|(e, _)| e).unwrap();
        };
        let wait = |most: usize| {
            while count.load(Ordering::Acquire) < most {
                std::thread::sleep(Duration::from_millis(1));
            }
        };
        // It is connected, and has found the topic.
        send(&self.ready[0], None);
        wait(1);
        let time = value(&self.ready[0]) == self.ready[0].text;
        let make = |ready: &Ready, when| (headers == when).then(|| ready.headers(time));
        let made = self.ready.iter().map(|ready| make(ready, Headers::Before));
        let made: Vec<_> = made.collect();
        // In a thread of its own, as ours is.
        let time = std::thread::scope(|scope| {
            let sending = scope.spawn(|| {
                let start = Instant::now();
                for (i, (ready, made)) in self.ready.iter().zip(made).enumerate() {
                    send(ready, made.or_else(|| make(ready, Headers::Here)));
                    if i % 64 == 0 {
                        wait((i + 2).saturating_sub(50_000));
                    }
                }
                wait(self.ready.len() + 1);
                start.elapsed()
            });
            sending.join().unwrap()
        });
        drop(producer);
        assert_eq!(cluster.count(&topic), self.ready.len() as u64 + 1);
        cluster.forget(&topic);
        time
    }

    /// A message a line; without its start.
    fn console(&self) -> Duration {
        let cluster = broker::cluster(1);
        let topic = cluster.topic(SENSORS as i32);
        let start = Instant::now();
        cluster.console_producer(&topic, &[], b"");
        let starts = start.elapsed();
        let start = Instant::now();
        cluster.console_producer(&topic, &[], self.text.as_bytes());
        let time = start.elapsed();
        let lines = self.text.lines().count() as u64;
        assert_eq!(cluster.count(&topic), lines);
        cluster.forget(&topic);
        time.saturating_sub(starts)
    }
}

/// Counts what is stored.
struct Counting(Arc<AtomicUsize>);

impl ClientContext for Counting {}

impl ProducerContext for Counting {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        assert!(
            result.is_ok(),
            "{:?}",
            result.as_ref().err().map(|(e, _)| e)
        );
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

//! Records a second out of a topic of one Kafka broker on this machine, all in one run: ours, and a
//! bare consumer loop with the parse in memory behind it.
//!
//! No criterion: one measurement takes seconds, and what is compared are programs. The figures are
//! medians of rounds in which everybody has its turn, from the first message on: joining a group
//! takes seconds, whoever does it. `cargo bench -p dumpstream-cli --features kafka --bench consume`
//! makes the table; `DUMPSTREAM_KAFKA_RECORDS` (500,000) and `DUMPSTREAM_KAFKA_ROUNDS` (5) say with
//! what.

#[allow(dead_code)]
#[path = "../cli/tests/kafka/broker.rs"]
mod broker;
#[allow(dead_code)]
#[path = "../cli/tests/cli/program.rs"]
mod program;

use std::io::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use dumpstream::{Origin, Parser, Reader};
use dumpstream_flow::consume::{self, ConsumeOptions, Topics};
use dumpstream_flow::{OnFull, Station};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

/// Ends the brokers, however the bench ends.
struct Brokers;

impl Drop for Brokers {
    fn drop(&mut self) {
        broker::stop_all();
    }
}

fn main() {
    // `cargo test --benches` and `cargo bench -- --test` run it too, and there is nothing to test.
    let asked = |name: &str| std::env::args().any(|a| a == name);
    if !asked("--bench") || asked("--test") {
        return;
    }
    if let Err(why) = broker::available() {
        println!("no bench: {why}");
        return;
    }
    let _brokers = Brokers;
    let records = given::amount("DUMPSTREAM_KAFKA_RECORDS", 500_000);
    let rounds = given::amount("DUMPSTREAM_KAFKA_ROUNDS", 5);
    println!("{records} records of two lines, {rounds} rounds, one broker");
    for (what, lines) in [("a line a message", true), ("a record a message", false)] {
        let bench = Bench::new(records, lines);
        bench.ours();
        let (mut ours, mut bare) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            ours.push(bench.ours());
            bare.push(bench.bare());
        }
        let (ours, bare) = (median(ours), median(bare));
        let rate = |time: Duration| records as f64 / time.as_secs_f64();
        println!(
            "{what}: ours {:.0} records/s, bare loop and parse {:.0}; {:.2} times",
            rate(ours),
            rate(bare),
            bare.as_secs_f64() / ours.as_secs_f64(),
        );
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

struct Bench {
    bootstrap: String,
    topic: String,
    records: usize,
    messages: usize,
}

impl Bench {
    fn new(records: usize, lines: bool) -> Bench {
        let cluster = broker::cluster(1);
        let topic = cluster.topic(1);
        let mut config = cluster.config();
        config.set("compression.type", "lz4");
        config.set("queue.buffering.max.messages", "1000000");
        let producer: BaseProducer = config.create().unwrap();
        let mut messages = 0;
        for n in 0..records {
            let record = program::record(n);
            let text = record.trim_end();
            let parts: Vec<&str> = match lines {
                true => text.lines().collect(),
                false => vec![text],
            };
            for part in parts {
                messages += 1;
                let mut sent = BaseRecord::<(), str>::to(&topic).payload(part);
                while let Err((_, back)) = producer.send(sent) {
                    producer.poll(Duration::from_millis(10));
                    sent = back;
                }
            }
        }
        producer.flush(Duration::from_secs(60)).unwrap();
        Bench {
            bootstrap: cluster.bootstrap(),
            topic,
            records,
            messages,
        }
    }

    /// A group that has read nothing.
    fn group(&self) -> String {
        format!("bench{}", kafka_group())
    }

    /// Ours, into a sink that takes everything.
    fn ours(&self) -> Duration {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let _entered = runtime.enter();
        let url = format!(
            "kafka://{}/{}?group={}",
            self.bootstrap,
            self.topic,
            self.group()
        );
        let topics: Topics = url.parse().unwrap();
        let station = Station::builder(Parser::default())
            .on_full(OnFull::Block)
            .identity(true)
            .output("null:".parse().unwrap())
            .open()
            .unwrap();
        let reading = station.clone();
        let consume = async move {
            let options = ConsumeOptions::default();
            consume::consume(topics, options, &reading, |sensor: &str| {
                Origin::new(sensor)
            })
            .await
        };
        let consume = runtime.spawn(consume);
        let wait = |done: &dyn Fn() -> bool| {
            while !done() {
                thread::sleep(Duration::from_micros(200));
            }
            Instant::now()
        };
        let delivered = || {
            station
                .lanes()
                .counters()
                .map(|(_, c)| c.delivered)
                .sum::<u64>()
        };
        let begun = wait(&|| station.progress().bytes() > 0);
        // The very last record waits for more of it.
        let ended = wait(&|| delivered() as usize + 1 >= self.records);
        station.stop().cancel();
        runtime.block_on(consume).unwrap();
        ended - begun
    }

    /// A bare loop that copies values behind each other, and then the parse of it all.
    fn bare(&self) -> Duration {
        let consumer: BaseConsumer = broker::cluster(1)
            .config()
            .set("group.id", self.group())
            .set("auto.offset.reset", "earliest")
            .set("fetch.queue.backoff.ms", "5")
            .create()
            .unwrap();
        consumer.subscribe(&[&self.topic]).unwrap();
        let mut text = Vec::new();
        let (mut begun, mut taken) = (None, 0);
        while taken < self.messages {
            if let Some(message) = consumer.poll(Duration::from_millis(100)) {
                let message = message.unwrap();
                begun.get_or_insert_with(Instant::now);
                text.write_all(message.payload().unwrap()).unwrap();
                text.push(b'\n');
                taken += 1;
            }
        }
        let mut records = 0;
        for packets in Reader::new(&text[..]) {
            records += packets.unwrap().len();
        }
        assert_eq!(records, self.records);
        begun.unwrap().elapsed()
    }
}

/// A number that no group had before.
fn kafka_group() -> u128 {
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_nanos()
}

//! Topics of librdkafka's own cluster in this process, read into sinks that fail on cue.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dumpstream::{Namespace, Origin, Packets, Parser};
use dumpstream_flow::kafka::{ConsumeOptions, Consumed, Topics, consume};
use dumpstream_flow::{BoxFuture, OnFull, Sink, SinkError, Station, Written};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use tokio::sync::watch;

/// How long anything is waited for before a test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// When messages are sent.
const SENT: i64 = 1_700_000_000_000;

/// What the sink does with its next writes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Cue {
    Write,
    Stall,
    Fail,
}

/// A row as a sink got it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    sensor: String,
    stream: String,
    record: u64,
    time: i64,
    source: &'static str,
    truncated: bool,
    raw: String,
}

/// Remembers what was written; the first write of an identity stays.
#[derive(Clone)]
struct Store {
    cue: watch::Sender<Cue>,
    rows: Arc<Mutex<BTreeMap<(String, String, u64), Row>>>,
    /// Rows, those that came again included.
    written: watch::Sender<u64>,
}

impl Store {
    fn new() -> Store {
        Store {
            cue: watch::Sender::new(Cue::Write),
            rows: Arc::default(),
            written: watch::Sender::new(0),
        }
    }

    fn rows(&self) -> Vec<Row> {
        self.rows.lock().unwrap().values().cloned().collect()
    }

    /// `sensor stream record` of each.
    fn names(&self) -> Vec<String> {
        let name = |row: &Row| format!("{} {} {}", row.sensor, row.stream, row.record);
        self.rows().iter().map(name).collect()
    }

    async fn wrote(&self, rows: u64) {
        let mut written = self.written.subscribe();
        let enough = written.wait_for(|written| *written >= rows);
        tokio::time::timeout(PATIENCE, enough)
            .await
            .unwrap()
            .unwrap();
    }
}

impl Sink for Store {
    fn write<'a>(&'a self, batch: &'a [Packets]) -> BoxFuture<'a, Result<Written, SinkError>> {
        Box::pin(async move {
            let mut cue = self.cue.subscribe();
            let cue = *cue.wait_for(|cue| *cue != Cue::Stall).await.unwrap();
            if cue == Cue::Fail {
                return Err(SinkError::Refused {
                    sink: "store".into(),
                    why: "told to".into(),
                });
            }
            let mut rows = self.rows.lock().unwrap();
            let mut delivered = 0;
            for packet in batch.iter().flat_map(Packets::iter) {
                delivered += 1;
                let (sensor, stream) = (packet.sensor().to_owned(), packet.stream().to_owned());
                let name = (sensor.clone(), stream.clone(), packet.record());
                rows.entry(name).or_insert_with(|| Row {
                    sensor,
                    stream,
                    record: packet.record(),
                    time: packet.time(),
                    source: packet.time_source().name(),
                    truncated: packet.truncated(),
                    raw: String::from_utf8_lossy(packet.raw()).into_owned(),
                });
            }
            drop(rows);
            self.written.send_modify(|written| *written += delivered);
            Ok(Written {
                delivered,
                ..Written::default()
            })
        })
    }

    fn close<'a>(&'a self) -> BoxFuture<'a, Result<(), SinkError>> {
        Box::pin(async { Ok(()) })
    }
}

/// A cluster in this process, and what a test asks it.
struct Broker {
    cluster: MockCluster<'static, DefaultProducerContext>,
    producer: BaseProducer,
}

/// A message to send.
#[derive(Clone, Default)]
struct Sent<'a> {
    partition: i32,
    key: Option<&'a str>,
    value: &'a [u8],
    headers: &'a [(&'a str, &'a str)],
    at: Option<i64>,
}

impl Broker {
    fn new(topic: &str, partitions: i32) -> Broker {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic(topic, partitions, 1).unwrap();
        let servers = cluster.bootstrap_servers();
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", servers);
        Broker {
            cluster,
            producer: config.create().unwrap(),
        }
    }

    fn send(&self, topic: &str, sent: Sent<'_>) {
        let mut headers = OwnedHeaders::new();
        for (key, value) in sent.headers {
            headers = headers.insert(Header {
                key,
                value: Some(*value),
            });
        }
        let record: BaseRecord<'_, str, [u8]> = BaseRecord::to(topic)
            .partition(sent.partition)
            .payload(sent.value)
            .headers(headers)
            .timestamp(sent.at.unwrap_or(SENT));
        let record = match sent.key {
            Some(key) => record.key(key),
            None => record,
        };
        self.producer.send(record).map_err(|(e, _)| e).unwrap();
    }

    /// Sends each line of a text as a message.
    fn lines(&self, topic: &str, partition: i32, text: &str) {
        for line in text.lines() {
            self.send(
                topic,
                Sent {
                    partition,
                    value: line.as_bytes(),
                    ..Sent::default()
                },
            );
        }
        self.flush();
    }

    fn flush(&self) {
        self.producer.flush(PATIENCE).unwrap();
    }

    fn url(&self, rest: &str) -> Topics {
        let url = format!("kafka://{}/{rest}", self.cluster.bootstrap_servers());
        url.parse().unwrap()
    }

    /// The committed offset of a partition.
    fn committed(&self, group: &str, topic: &str, partition: i32) -> Option<i64> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.cluster.bootstrap_servers())
            .set("group.id", group)
            .create()
            .unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition(topic, partition);
        let committed = consumer.committed_offsets(list, PATIENCE).unwrap();
        match committed.elements()[0].offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        }
    }
}

fn station(store: &Store) -> Station {
    Station::builder(Parser::new(Namespace::tcpdump()).unwrap())
        .on_full(OnFull::Block)
        .drain_timeout(Duration::from_secs(2))
        .sink("store", Box::new(store.clone()))
        .open()
        .unwrap()
}

fn origin(sensor: &str) -> Origin {
    Origin::new(sensor)
}

/// Reads to the end of the topics.
async fn read(broker: &Broker, url: &str, store: &Store) -> Consumed {
    let station = station(store);
    let options = ConsumeOptions {
        until_end: true,
        ..ConsumeOptions::default()
    };
    let consumed = consume(broker.url(url), options, &station, origin);
    let consumed = tokio::time::timeout(PATIENCE, consumed).await.unwrap();
    station.drain().await;
    consumed
}

/// Two-line records.
fn text(from: usize, records: usize) -> String {
    let record = |n| {
        format!(
            "17000000{:02}.{n:06} IP (tos 0x0, ttl 64, id 1, offset 0, flags [DF], proto UDP (17), \
             length 29)\n    192.0.2.1.5000 > 192.0.2.2.53: UDP, length 1\n",
            n % 60,
        )
    };
    (from..from + records).map(record).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_records_of_their_first_message() {
    let broker = Broker::new("t", 1);
    broker.lines("t", 0, &text(0, 500));
    let store = Store::new();
    let consumed = read(&broker, "t", &store).await;
    assert!(consumed.error.is_none(), "{:?}", consumed.error);
    assert_eq!((consumed.summary.records, consumed.messages), (500, 1000));
    let rows = store.rows();
    assert_eq!(rows.len(), 500);
    for (n, row) in rows.iter().enumerate() {
        assert_eq!((row.record, row.stream.as_str()), (2 * n as u64 + 1, "t/0"));
        assert_eq!((row.raw.lines().count(), row.source), (2, "packet"));
    }
    assert_eq!(broker.committed("dumpstream", "t", 0), Some(1000));
    // Whoever reads again from the beginning gets the same rows.
    let again = read(&broker, "t?group=other", &store).await;
    assert_eq!(again.summary.records, 500);
    assert_eq!(store.rows(), rows);
    // A group goes on where it was.
    broker.lines("t", 0, &text(500, 10));
    let more = read(&broker, "t", &store).await;
    assert_eq!(more.summary.records, 10);
    assert_eq!(store.rows().len(), 510);
}

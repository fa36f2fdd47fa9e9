//! Topics of librdkafka's own cluster in this process, read into sinks that fail on cue.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dumpstream::{Namespace, Origin, Packets, Parser};
use dumpstream_flow::consume::{ConsumeOptions, Consumed, Topics, consume};
use dumpstream_flow::{BoxFuture, Counters, OnFull, Sink, SinkError, Station, Written};
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

/// Rows by their identity: sensor, stream, record.
type Rows = BTreeMap<(String, String, u64), Row>;

/// Remembers what was written; the first write of an identity stays.
#[derive(Clone)]
struct Store {
    cue: watch::Sender<Cue>,
    rows: Arc<Mutex<Rows>>,
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
        .queue(1 << 20)
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

/// A consumer that runs until it is stopped.
struct Running {
    station: Station,
    task: tokio::task::JoinHandle<Consumed>,
}

impl Running {
    fn new(broker: &Broker, url: &str, store: &Store) -> Running {
        let station = station(store);
        let (url, reading) = (broker.url(url), station.clone());
        let options = ConsumeOptions::default();
        let task = async move { consume(url, options, &reading, origin).await };
        Running {
            station,
            task: tokio::spawn(task),
        }
    }

    async fn stop(self) -> Consumed {
        self.station.stop().cancel();
        self.end().await
    }

    async fn end(self) -> Consumed {
        let consumed = tokio::time::timeout(PATIENCE, self.task).await;
        self.station.drain().await;
        consumed.unwrap().unwrap()
    }
}

/// Waits until something holds.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waited = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waited).await;
    waited.unwrap_or_else(|_| panic!("waited too long until {what}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_committed_that_is_not_answered() {
    let broker = Broker::new("t", 1);
    broker.lines("t", 0, &text(0, 100));
    let store = Store::new();
    let running = Running::new(&broker, "t", &store);
    store.wrote(100).await;
    until("it is committed", || {
        broker.committed("dumpstream", "t", 0) == Some(200)
    })
    .await;
    store.cue.send_replace(Cue::Stall);
    broker.lines("t", 0, &text(100, 100));
    until("it is read", || running.station.progress().records() == 200).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(broker.committed("dumpstream", "t", 0), Some(200));
    // Not at the end, either.
    let consumed = running.stop().await;
    assert!(consumed.error.is_none(), "{:?}", consumed.error);
    assert_eq!(broker.committed("dumpstream", "t", 0), Some(200));
    store.cue.send_replace(Cue::Write);
    read(&broker, "t", &store).await;
    assert_eq!(store.rows().len(), 200);
    assert_eq!(broker.committed("dumpstream", "t", 0), Some(400));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_dies_ends_the_reading() {
    let broker = Broker::new("t", 1);
    broker.lines("t", 0, &text(0, 100));
    let (store, other) = (Store::new(), Store::new());
    store.cue.send_replace(Cue::Fail);
    // Another sink lives on, so that the station does not stop by itself.
    let station = Station::builder(Parser::new(Namespace::tcpdump()).unwrap())
        .on_full(OnFull::Block)
        .sink("dying", Box::new(store.clone()))
        .sink("living", Box::new(other.clone()))
        .open()
        .unwrap();
    let options = ConsumeOptions::default();
    let consumed = consume(broker.url("t"), options, &station, origin);
    let consumed = tokio::time::timeout(PATIENCE, consumed).await.unwrap();
    station.drain().await;
    let error = consumed.error.unwrap().to_string();
    assert!(
        error.contains("dying") && error.contains("read again"),
        "{error}"
    );
    assert!(
        broker
            .committed("dumpstream", "t", 0)
            .is_none_or(|offset| offset == 0)
    );
    store.cue.send_replace(Cue::Write);
    read(&broker, "t", &store).await;
    assert_eq!(store.rows().len(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unfinished_record_is_left_and_read_again() {
    let broker = Broker::new("t", 1);
    let all = text(0, 10);
    let (most, last) = all.trim_end().rsplit_once('\n').unwrap();
    broker.lines("t", 0, most);
    let store = Store::new();
    let running = Running::new(&broker, "t", &store);
    store.wrote(9).await;
    until("it is committed", || {
        broker.committed("dumpstream", "t", 0) == Some(18)
    })
    .await;
    let consumed = running.stop().await;
    assert!(consumed.summary.left > 0 && consumed.summary.truncated == 0);
    assert_eq!(broker.committed("dumpstream", "t", 0), Some(18));
    broker.lines("t", 0, last);
    read(&broker, "t", &store).await;
    let rows = store.rows();
    assert_eq!(rows.len(), 10);
    assert!(
        rows.iter()
            .all(|row| !row.truncated && row.raw.lines().count() == 2)
    );
    assert_eq!(broker.committed("dumpstream", "t", 0), Some(20));
}

const ARP: &str = "ARP, Request who-has 192.0.2.1 tell 192.0.2.2, length 28";

#[tokio::test(flavor = "multi_thread")]
async fn sensors_are_keys_and_times_are_those_of_messages() {
    let broker = Broker::new("t", 1);
    let send = |key, value: &str, at| {
        broker.send(
            "t",
            Sent {
                key,
                value: value.as_bytes(),
                at: Some(at),
                ..Sent::default()
            },
        );
    };
    // Each has a style of its own; without a key it is the topic's.
    for n in 0..3 {
        let at = SENT + n;
        send(Some("clock"), &format!("22:13:2{n}.000001 {ARP}"), at);
        send(
            Some("civil"),
            &format!("2023-11-14 22:13:2{n}.000001 {ARP}"),
            at,
        );
        send(Some("delta"), &format!(" 00:00:0{n}.000001 {ARP}"), at);
        send(None, &format!("170000000{n}.000001 {ARP}"), at);
        send(Some(" "), &format!("170000000{n}.000002 {ARP}"), at);
    }
    broker.flush();
    let store = Store::new();
    read(&broker, "t?group=a", &store).await;
    let rows = store.rows();
    assert_eq!(rows.len(), 15);
    let of = |sensor: &str| -> Vec<(u64, i64, &str)> {
        let rows = rows.iter().filter(|row| row.sensor == sensor);
        rows.map(|row| (row.record, row.time, row.source)).collect()
    };
    let second = 1_000_000_000;
    let sent = SENT * 1_000_000;
    assert_eq!(
        of("clock"),
        [0, 1, 2].map(|n| (5 * n + 1, sent + n as i64 * second + 1000, "date"))
    );
    assert_eq!(
        of("civil"),
        [0, 1, 2].map(|n| (5 * n + 2, sent + n as i64 * second + 1000, "packet"))
    );
    assert_eq!(
        of("delta"),
        [0, 1, 2].map(|n| (5 * n + 3, sent + n as i64 * 1_000_000, "arrival"))
    );
    assert_eq!(of("t").len(), 6);
    // From the middle on, the times are the same.
    let from = format!("t?group=b&from={}", "2023-11-14T22:13:20.001Z");
    let later = Store::new();
    read(&broker, &from, &later).await;
    assert!(later.rows().iter().all(|row| rows.contains(row)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_several_records_gives_each_a_name_of_its_own() {
    let broker = Broker::new("t", 1);
    let three = |from| text(from, 3);
    for n in 0..50 {
        let value = three(3 * n);
        broker.send(
            "t",
            Sent {
                value: value.trim_end().as_bytes(),
                ..Sent::default()
            },
        );
    }
    broker.flush();
    let store = Store::new();
    let consumed = read(&broker, "t", &store).await;
    assert!(consumed.error.is_none(), "{:?}", consumed.error);
    let rows = store.rows();
    assert_eq!(rows.len(), 150);
    for stream in ["t/0", "t/0+1", "t/0+2"] {
        let records = rows.iter().filter(|row| row.stream == stream);
        let records: Vec<_> = records.map(|row| row.record).collect();
        assert_eq!(records, (1..=50).collect::<Vec<u64>>(), "{stream}");
    }
    read(&broker, "t?group=again", &store).await;
    assert_eq!(store.rows(), rows);
    assert_eq!(broker.committed("dumpstream", "t", 0), Some(50));
}

#[tokio::test(flavor = "multi_thread")]
async fn our_messages_keep_their_times_and_cuts() {
    let broker = Broker::new("t", 2);
    let all = text(0, 4);
    let records: Vec<&str> = all.split_inclusive("length 1\n").collect();
    let cut = "1700000050.000001 IP (tos 0x0, ttl 64, id 1, off";
    for (n, partition) in [(0, 0), (1, 1), (2, 0), (3, 0)] {
        let number = format!("{}", n + 1);
        let time = format!("{}", 1_700_000_000_000_000_000i64 + n as i64);
        let headers = [
            ("sensor", "gate"),
            ("stream", "one"),
            ("record", &*number),
            ("time", &*time),
        ];
        let headers = [&headers[..], &[("time_source", "date")]].concat();
        // A blank line at the end is of the record.
        let blank = if n == 3 { "\n" } else { "" };
        let value = format!("{}{blank}", records[n].trim_end());
        let sent = Sent {
            partition,
            key: Some("other"),
            value: value.as_bytes(),
            headers: &headers,
            ..Sent::default()
        };
        broker.send("t", sent.clone());
        if n == 2 {
            let headers = [&headers[..], &[("truncated", "true")]].concat();
            broker.send(
                "t",
                Sent {
                    value: cut.as_bytes(),
                    headers: &headers,
                    ..sent
                },
            );
        }
    }
    broker.flush();
    let store = Store::new();
    let consumed = read(&broker, "t", &store).await;
    assert!(consumed.error.is_none(), "{:?}", consumed.error);
    assert_eq!(
        store.names(),
        [
            "gate t/0 1",
            "gate t/0 2",
            "gate t/0 3",
            "gate t/0 4",
            "gate t/1 1"
        ]
    );
    let rows = store.rows();
    let truncated: Vec<_> = rows.iter().map(|row| row.truncated).collect();
    assert_eq!(truncated, [false, false, true, false, false]);
    assert_eq!(rows[2].raw, cut);
    assert!(rows[3].raw.ends_with("length 1\n\n"), "{:?}", rows[3].raw);
    assert_eq!(
        (rows[0].time, rows[0].source),
        (1_700_000_000_000_000_000, "date")
    );
    assert_eq!(rows[4].time, 1_700_000_000_000_000_001);
    assert_eq!(consumed.summary.torn, 0);
    assert_eq!(broker.committed("dumpstream", "t", 0), Some(4));
}

#[tokio::test(flavor = "multi_thread")]
async fn torn_records_are_counted() {
    let broker = Broker::new("t", 2);
    let all = text(0, 10);
    // Lines in turn: every header is in one partition, its endpoints are in the other one.
    for (n, line) in all.lines().enumerate() {
        let partition = n as i32 % 2;
        let value = line.as_bytes();
        broker.send(
            "t",
            Sent {
                partition,
                value,
                ..Sent::default()
            },
        );
    }
    broker.flush();
    let store = Store::new();
    let consumed = read(&broker, "t", &store).await;
    // The last header still waits.
    assert_eq!(consumed.summary.torn, 9);
    assert!(consumed.summary.to_string().contains("9 packets torn"));
}

/// Reads the topic to its end into a database.
async fn stored(broker: &Broker, group: &str, file: &Path) -> (Consumed, Counters) {
    let station = Station::builder(Parser::new(Namespace::tcpdump()).unwrap())
        .identity(true)
        .output(format!("sqlite:{}", file.display()).parse().unwrap())
        .open()
        .unwrap();
    let options = ConsumeOptions {
        until_end: true,
        ..ConsumeOptions::default()
    };
    let url = broker.url(&format!("t?group={group}"));
    let consumed = consume(url, options, &station, origin).await;
    station.drain().await;
    let (_, counters) = station.lanes().counters().next().unwrap();
    (consumed, counters)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_streams_of_one_sensor_miss_no_row_of_each_other() {
    let broker = Broker::new("t", 1);
    for n in 0..2000 {
        let stream = ["one", "two"][n / 7 % 2];
        let number = format!("{n}");
        let value = format!("17000000{:02}.{n:06} {ARP}", n % 60);
        let headers = [("sensor", "gate"), ("stream", stream), ("record", &*number)];
        broker.send(
            "t",
            Sent {
                value: value.as_bytes(),
                headers: &headers,
                ..Sent::default()
            },
        );
    }
    broker.flush();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("p.db");
    for (group, new) in [("a", 2000), ("b", 0)] {
        let (consumed, counters) = stored(&broker, group, &file).await;
        assert_eq!(consumed.summary.records, 2000);
        assert_eq!((counters.delivered, counters.present), (2000, 2000 - new));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_move_between_consumers_and_nothing_is_lost() {
    let broker = Broker::new("t", 4);
    let store = Store::new();
    let first = Running::new(&broker, "t", &store);
    let mut second = None;
    for round in 0..40 {
        for partition in 0..4 {
            let from = 10 * (4 * round + partition);
            broker.lines("t", partition as i32, &text(from, 10));
        }
        match round {
            5 => second = Some(Running::new(&broker, "t", &store)),
            25 => {
                let stopped = second.take().expect("it runs").stop().await;
                assert!(stopped.error.is_none(), "{:?}", stopped.error);
            }
            _ => {}
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    until("all is committed", || {
        (0..4).all(|partition| broker.committed("dumpstream", "t", partition) == Some(800))
    })
    .await;
    first.stop().await;
    let rows = store.rows();
    assert_eq!(rows.len(), 1600);
    assert!(rows.iter().all(|row| row.raw.lines().count() == 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_knows_what_comes_again() {
    let broker = Broker::new("t", 1);
    broker.lines("t", 0, &text(0, 500));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("p.db");
    for (group, present) in [("a", 0), ("b", 500)] {
        let (consumed, counters) = stored(&broker, group, &file).await;
        assert_eq!(consumed.summary.records, 500);
        assert_eq!((counters.delivered, counters.present), (500, present));
        let database = rusqlite::Connection::open(&file).unwrap();
        let found = database.query_row(
            "SELECT records, last, (SELECT count(*) FROM gaps), (SELECT count(*) FROM packet) \
             FROM streams",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        );
        // Every second message begins no record, which is no gap.
        assert_eq!(found, Ok((500, 999, 0, 500)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tcpdump_with_other_options_goes_on_in_the_topic() {
    let broker = Broker::new("t", 1);
    let (first, last) = (text(0, 20), text(20, 20));
    let other = |n| format!("2023-11-14 22:13:{n:02}.000001 {ARP}\n");
    let others: String = (0..20).map(other).collect();
    broker.lines("t", 0, &(first + &others + &last));
    // Single lines in turn, too.
    let turns = |n: usize| format!("17000000{n:02}.000009 {ARP}\n{}", other(n as i32));
    broker.lines("t", 0, &(20..40).map(turns).collect::<String>());
    let store = Store::new();
    let consumed = read(&broker, "t", &store).await;
    assert!(consumed.error.is_none(), "{:?}", consumed.error);
    let rows = store.rows();
    assert_eq!(rows.len(), 20 + 20 + 20 + 40);
    let lines = rows.iter().map(|row| row.raw.lines().count());
    assert_eq!(lines.sum::<usize>(), 40 + 20 + 40 + 40);
    read(&broker, "t?group=again", &store).await;
    assert_eq!(store.rows(), rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_is_down_for_long_pauses_the_partitions() {
    let broker = Broker::new("t", 2);
    let store = Store::new();
    store.cue.send_replace(Cue::Stall);
    for partition in 0..2 {
        broker.lines("t", partition, &text(0, 20_000));
    }
    let running = Running::new(&broker, "t", &store);
    // Longer than a full text is waited for: the consumer polls on, and keeps its partitions.
    let full = running.station.progress();
    until("the sinks are full", || full.waiting() > 0).await;
    tokio::time::sleep(Duration::from_secs(12)).await;
    let before = full.bytes();
    assert!(before < 40_000 * 75, "not all was read: {before}");
    store.cue.send_replace(Cue::Write);
    until("all is committed", || {
        (0..2).all(|partition| broker.committed("dumpstream", "t", partition) == Some(40_000))
    })
    .await;
    let consumed = running.stop().await;
    assert_eq!(
        (consumed.messages, consumed.summary.records),
        (80_000, 40_000)
    );
    assert_eq!(store.rows().len(), 40_000);
}

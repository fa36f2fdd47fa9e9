//! The `kafka:` sink against librdkafka's own cluster in this process, whose faults are exact. It
//! has no replicas, no limits of size, and no memory of what an idempotent producer has sent before:
//! what is sent again because its answer was lost stands in it twice. Real brokers, whose memory is
//! good, are in `cli/tests/kafka`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dumpstream::framing::{Batch, Framer, Tail};
use dumpstream::{Namespace, Origin, Packets, Parser};
use dumpstream_flow::{Rejects, Sink, SinkContext, SinkUrl, Written};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message as _};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rdkafka::{Offset, TopicPartitionList};

/// How long anything is waited for before the test fails.
const PATIENCE: Duration = Duration::from_secs(120);

const BROKERS: i32 = 3;
const PARTITIONS: i32 = 3;

struct Cluster(MockCluster<'static, DefaultProducerContext>);

/// What a message says of its record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Sent {
    sensor: String,
    record: u64,
}

impl Cluster {
    fn new() -> Cluster {
        let mock = MockCluster::new(BROKERS).unwrap();
        mock.create_topic("t", PARTITIONS, BROKERS).unwrap();
        for partition in 0..PARTITIONS {
            mock.partition_leader("t", partition, Some(partition % BROKERS + 1))
                .unwrap();
        }
        Cluster(mock)
    }

    fn open(&self, parameters: &str, rejects: &Rejects) -> Arc<dyn Sink> {
        let url = format!("kafka://{}/t?{parameters}", self.0.bootstrap_servers());
        let namespace = Namespace::tcpdump();
        let context = SinkContext {
            columns: namespace.columns().into(),
            namespace: namespace.namespace.clone(),
            hash: namespace.hash(),
            rejects: rejects.clone(),
            ..SinkContext::default()
        };
        let sink = url.parse::<SinkUrl>().unwrap().open(&context).unwrap();
        Arc::from(sink)
    }

    /// Produce requests fail with these errors, one after the other.
    fn refuse(&self, error: RDKafkaRespErr, times: usize) {
        let errors = vec![error; times];
        self.0.request_errors(RDKafkaApiKey::Produce, &errors);
    }

    /// Whether a broker is there: all or none.
    fn up(&self, up: bool) {
        for broker in 1..=BROKERS {
            match up {
                true => self.0.broker_up(broker).unwrap(),
                false => self.0.broker_down(broker).unwrap(),
            }
        }
    }

    /// Everything in the topic, partition after partition.
    fn read(&self) -> Vec<Sent> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.0.bootstrap_servers())
            .set("group.id", "tests")
            .create()
            .unwrap();
        let mut all = Vec::new();
        for partition in 0..PARTITIONS {
            let (first, end) = consumer.fetch_watermarks("t", partition, PATIENCE).unwrap();
            let mut list = TopicPartitionList::new();
            list.add_partition_offset("t", partition, Offset::Offset(first))
                .unwrap();
            consumer.assign(&list).unwrap();
            let mut next = first;
            let begun = Instant::now();
            while next < end {
                assert!(begun.elapsed() < PATIENCE, "{next} of {end}");
                let Some(message) = consumer.poll(Duration::from_millis(100)) else {
                    continue;
                };
                let message = message.unwrap();
                next = message.offset() + 1;
                let headers: BTreeMap<_, _> = message
                    .headers()
                    .unwrap()
                    .iter()
                    .map(|h| (h.key, str::from_utf8(h.value.unwrap()).unwrap()))
                    .collect();
                assert_eq!(message.key(), Some(headers["sensor"].as_bytes()));
                all.push(Sent {
                    sensor: headers["sensor"].to_owned(),
                    record: headers["record"].parse().unwrap(),
                });
            }
        }
        all
    }

    /// Every record is there, as far as this cluster can tell.
    #[track_caller]
    fn holds(&self, count: u64, there: There) {
        let read = self.read();
        if there != There::AtLeastOnce {
            assert_eq!(read.len() as u64, count * SENSORS.len() as u64);
        }
        for sensor in SENSORS {
            let records = read.iter().filter(|sent| sent.sensor == sensor);
            let mut records: Vec<u64> = records.map(|sent| sent.record).collect();
            match there {
                There::InOrder => {}
                There::Once => records.sort_unstable(),
                There::AtLeastOnce => {
                    let mut before = BTreeSet::new();
                    records.retain(|record| before.insert(*record));
                }
            }
            let mut wanted = 1..=count;
            for (place, record) in records.into_iter().enumerate() {
                assert_eq!(wanted.next(), Some(record), "{sensor}, message {place}");
            }
            assert_eq!(wanted.next(), None, "{sensor}");
        }
    }
}

/// What must be so of the records of a sensor.
#[derive(Clone, Copy, PartialEq, Eq)]
enum There {
    /// Each once, in their order.
    InOrder,
    /// Each once: a real broker would refuse what was sent behind a refused batch, and this one takes
    /// it.
    Once,
    /// Each came first in its order, and perhaps again.
    AtLeastOnce,
}

/// The next records of a stream.
fn packets(origin: &mut Origin, count: usize) -> Packets {
    let text: String = (0..count)
        .map(|n| {
            let stamp = format!("1700000000.{n:06}");
            given::udp(stamp, n, "192.0.2.1.1024", "192.0.2.2.9999", 2)
        })
        .collect();
    let mut framer = Framer::new();
    framer.next_batch(text.as_bytes(), Tail::Final).unwrap();
    let batch = Batch::new(text.into_bytes(), framer.style());
    let mut packets = Parser::new(Namespace::tcpdump()).unwrap().parse(batch);
    origin.place(&mut packets);
    assert_eq!(packets.len(), count);
    packets
}

const SENSORS: [&str; 5] = ["a", "b", "c", "d", "e"];

/// So many records of each sensor, in turns of 100.
fn rows(count: usize) -> Vec<Packets> {
    let mut origins = SENSORS.map(|sensor| Origin::new(sensor).stream("x"));
    let turns = (0..count / 100).flat_map(|_| 0..SENSORS.len());
    turns.map(|i| packets(&mut origins[i], 100)).collect()
}

async fn write(sink: &Arc<dyn Sink>, rows: Vec<Packets>) -> Written {
    let written = tokio::time::timeout(PATIENCE, sink.write(&rows)).await;
    written.expect("it is written in time").unwrap()
}

/// Writes in the background.
fn start(sink: &Arc<dyn Sink>, rows: Vec<Packets>) -> tokio::task::JoinHandle<Written> {
    let sink = sink.clone();
    tokio::spawn(async move { sink.write(&rows).await.unwrap() })
}

fn delivered(n: u64) -> Written {
    Written {
        delivered: n,
        ..Written::default()
    }
}

async fn moment() {
    tokio::time::sleep(Duration::from_millis(300)).await;
}

/// Writes so many records of each sensor while something happens to the brokers, and reads
/// everything back.
async fn survives(count: usize, parameters: &str, there: There, happens: impl AsyncFn(&Cluster)) {
    let cluster = Cluster::new();
    let sink = cluster.open(parameters, &Rejects::default());
    let mut all = rows(count);
    let rest = all.split_off(SENSORS.len());
    assert_eq!(write(&sink, all).await, delivered(500));
    let running = start(&sink, rest);
    happens(&cluster).await;
    let written = tokio::time::timeout(PATIENCE, running).await;
    let written = written.expect("it is written in time").unwrap();
    assert_eq!(written, delivered((count * SENSORS.len() - 500) as u64));
    sink.close().await.unwrap();
    cluster.holds(count as u64, there);
}

/// Answers take a while, so that there is always something on its way.
fn slow(cluster: &Cluster, time: Duration) {
    for broker in 1..=BROKERS {
        cluster.0.broker_round_trip_time(broker, time).unwrap();
    }
}

const WHILE: Duration = Duration::from_millis(20);

#[tokio::test(flavor = "multi_thread")]
async fn every_record_once_in_its_order() {
    survives(4_000, "", There::InOrder, async |_| {}).await;
    let parameters = "in_flight=7&compression=zstd&format=text";
    survives(500, parameters, There::InOrder, async |_| {}).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn brokers_that_go_away() {
    survives(
        4_000,
        "in_flight=100",
        There::AtLeastOnce,
        async |cluster| {
            slow(cluster, WHILE);
            for _ in 0..3 {
                cluster.up(false);
                moment().await;
                cluster.up(true);
                moment().await;
            }
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leaders_that_change() {
    survives(
        4_000,
        "in_flight=100",
        There::AtLeastOnce,
        async |cluster| {
            slow(cluster, WHILE);
            for turn in 0..6 {
                for partition in 0..PARTITIONS {
                    let leader = (partition + turn) % BROKERS + 1;
                    let moved = cluster.0.partition_leader("t", partition, Some(leader));
                    moved.unwrap();
                }
                moment().await;
            }
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_that_pass() {
    for error in [
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR,
    ] {
        let happens = async |cluster: &Cluster| cluster.refuse(error, 5);
        survives(4_000, "", There::Once, happens).await;
        // One at a time: nothing is behind it.
        survives(200, "in_flight=1", There::InOrder, happens).await;
    }
    // The connection is cut.
    survives(4_000, "", There::AtLeastOnce, async |cluster| {
        cluster.refuse(RDKafkaRespErr::RD_KAFKA_RESP_ERR__TRANSPORT, 5);
    })
    .await;
}

/// The producer itself is of no use after it: what it did not store is sent by another one.
#[tokio::test(flavor = "multi_thread")]
async fn a_producer_that_fails() {
    let happens = async |cluster: &Cluster| {
        let error = RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
        cluster.refuse(error, 2);
    };
    // What was stored and not acknowledged comes twice: no broker knows the new producer.
    survives(4_000, "", There::AtLeastOnce, happens).await;
    survives(200, "in_flight=1", There::InOrder, happens).await;
}

/// The right may still be granted.
#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_missing() {
    let happens = async |cluster: &Cluster| {
        let error = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
        cluster.refuse(error, 2);
    };
    survives(4_000, "", There::Once, happens).await;
    survives(200, "in_flight=1", There::InOrder, happens).await;
}

/// Answers that come too late, when the records are long stored.
#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_lost() {
    survives(
        4_000,
        "in_flight=100",
        There::AtLeastOnce,
        async |cluster| {
            // More than the sink waits for one.
            slow(cluster, Duration::from_secs(17));
            tokio::time::sleep(Duration::from_secs(1)).await;
            slow(cluster, Duration::from_millis(1));
        },
    )
    .await;
}

/// Nothing counts as delivered before its acknowledgement.
#[tokio::test(flavor = "multi_thread")]
async fn not_before_its_acknowledgement() {
    let cluster = Cluster::new();
    let sink = cluster.open("", &Rejects::default());
    assert_eq!(write(&sink, rows(100)).await, delivered(500));
    cluster.up(false);
    let running = start(&sink, rows(1_000));
    moment().await;
    assert!(!running.is_finished());
    let stored = sink.give_up();
    let written = tokio::time::timeout(PATIENCE, running).await.unwrap();
    let written = written.unwrap();
    assert_eq!((stored, written.delivered, written.dropped), (0, 0, 5_000));
    drop(sink);
    cluster.up(true);
    let read: BTreeSet<_> = cluster.read().into_iter().collect();
    assert_eq!(read.len(), 500);
}

/// It is looked for until it is there, and does not stand in the way of the end.
#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_missing() {
    let cluster = Cluster::new();
    let set = |error| cluster.0.topic_error("t", error).unwrap();
    set(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    let idle = cluster.open("", &Rejects::default());
    idle.close().await.unwrap();
    let sink = cluster.open("", &Rejects::default());
    let running = start(&sink, rows(100));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!running.is_finished());
    set(RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR);
    let written = tokio::time::timeout(PATIENCE, running).await.unwrap();
    assert_eq!(written.unwrap(), delivered(500));
    cluster.holds(100, There::InOrder);
}

fn kept(file: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let lines = text.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().unwrap()
}

/// Of a batch that is refused, no record is rejected that the broker accepts alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_too_large() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rejects.jsonl");
    let rejects = Rejects::open(&file).unwrap();
    let cluster = Cluster::new();
    let sink = cluster.open("", &rejects);
    let too_large = RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    assert_eq!(write(&sink, rows(100)).await, delivered(500));
    let mut origin = Origin::new("f").stream("x");
    cluster.refuse(too_large, 1);
    let written = write(&sink, vec![packets(&mut origin, 300)]).await;
    assert_eq!(written, delivered(300));
    assert!(kept(&file).is_empty());
    // Refused, and refused again alone.
    cluster.refuse(too_large, 2);
    let written = write(&sink, vec![packets(&mut origin, 1)]).await;
    assert_eq!((written.delivered, written.rejected), (0, 1));
    let kept = kept(&file);
    assert_eq!(kept.len(), 1);
    let wanted = ("refused", "f", 301);
    let letter = &kept[0];
    assert_eq!(
        (
            letter["reason"].as_str().unwrap(),
            letter["sensor"].as_str().unwrap(),
            letter["record"].as_u64().unwrap()
        ),
        wanted
    );
    assert!(letter["detail"].as_str().unwrap().contains("too large"));
    assert_eq!(
        write(&sink, vec![packets(&mut origin, 1)]).await,
        delivered(1)
    );
    sink.close().await.unwrap();
    let read = cluster.read();
    let f: BTreeSet<u64> = read
        .iter()
        .filter(|sent| sent.sensor == "f")
        .map(|sent| sent.record)
        .collect();
    let wanted: BTreeSet<u64> = (1..=300).chain([302]).collect();
    assert_eq!(f, wanted);
    assert_eq!(read.len(), 500 + 301);
}

//! A real cluster on this machine: one broker or three.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use given::Script;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Headers, Message as _};
use rdkafka::metadata::MetadataPartition;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::program::until;

/// How long a broker may take to start, and how long anything is waited for before the test fails.
const PATIENCE: Duration = Duration::from_secs(90);

/// How long one question to a broker may take.
const ANSWER: Duration = Duration::from_secs(10);

/// The cluster, which all tests of this process share.
#[derive(Debug, Default)]
pub(crate) struct Cluster {
    brokers: u8,
    /// Topics given out.
    topics: Cell<u32>,
}

/// What is in a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Vec<u8>,
    pub(crate) headers: BTreeMap<String, Vec<u8>>,
    /// Milliseconds since 1970 UTC.
    pub(crate) timestamp: i64,
}

impl From<&BorrowedMessage<'_>> for Message {
    fn from(message: &BorrowedMessage<'_>) -> Message {
        let headers = message.headers().into_iter().flat_map(|h| h.iter());
        let headers = headers.map(|h| (h.key.to_owned(), h.value.unwrap_or(b"").to_vec()));
        Message {
            partition: message.partition(),
            offset: message.offset(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().unwrap_or_default().to_vec(),
            headers: headers.collect(),
            timestamp: message.timestamp().to_millis().unwrap_or_default(),
        }
    }
}

impl Message {
    /// A header that is text; empty if it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| str::from_utf8(value).expect("text"))
    }
}

/// The first of a broker's five ports (`cluster.sh`): plain, controller, TLS, SASL over TLS, SASL.
fn port() -> u16 {
    let port = std::env::var("KAFKA_PORT");
    port.map_or(9092, |port| port.parse().expect("a port"))
}

pub(crate) fn script() -> Script {
    Script {
        file: Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kafka/cluster.sh"),
        data: (
            "KAFKA_DATA",
            Path::new(env!("CARGO_TARGET_TMPDIR")).join("kafka"),
        ),
    }
}

/// Whether a cluster can be started here, and if not, why.
pub(crate) fn available() -> Result<(), String> {
    static AVAILABLE: OnceLock<Result<(), String>> = OnceLock::new();
    AVAILABLE.get_or_init(look).clone()
}

fn look() -> Result<(), String> {
    if !cfg!(target_os = "linux") {
        return Err("no Linux, which has 127.0.0.2 and 127.0.0.3".to_owned());
    }
    let number = given::java()?;
    let major: Option<u32> = number.split('.').next().and_then(|n| n.parse().ok());
    if major.is_none_or(|major| major < 17) {
        return Err(format!("java is {number}, and Kafka needs 17"));
    }
    // Brokers of a run that was killed are ours to end.
    stop_all();
    for n in 1..=3 {
        if answers(n) {
            return Err(format!("127.0.0.{n}:{} is taken", port()));
        }
    }
    script().install()
}

fn answers(n: u8) -> bool {
    TcpStream::connect((format!("127.0.0.{n}"), port())).is_ok()
}

/// Ends every broker.
pub(crate) fn stop_all() {
    script().stop_all();
}

/// A cluster of one or of three brokers, all up; the other one ends if it runs.
pub(crate) fn cluster(brokers: u8) -> MutexGuard<'static, Cluster> {
    static CLUSTER: OnceLock<Mutex<Cluster>> = OnceLock::new();
    let cluster = CLUSTER.get_or_init(Mutex::default);
    // A test that failed leaves a cluster that can be mended.
    let mut cluster = cluster.lock().unwrap_or_else(PoisonError::into_inner);
    if cluster.brokers != brokers {
        stop_all();
        cluster.brokers = brokers;
        (1..=brokers).for_each(|n| cluster.begin(n));
        (1..=brokers).for_each(|n| cluster.wait(n));
    }
    for n in 1..=brokers {
        script().run(&["resume", &n.to_string()]);
        if !answers(n) {
            script().run(&["kill", &n.to_string()]);
            cluster.start(n);
        }
    }
    cluster
}

impl Cluster {
    /// Starts a broker, and waits for it.
    pub(crate) fn start(&self, n: u8) {
        self.begin(n);
        self.wait(n);
    }

    /// Starts a broker: one of three answers only when there are two.
    pub(crate) fn begin(&self, n: u8) {
        script().must(&["start", &n.to_string(), &self.brokers.to_string()]);
    }

    pub(crate) fn wait(&self, n: u8) {
        script().must(&["wait", &n.to_string(), &PATIENCE.as_secs().to_string()]);
    }

    /// `kill -9`.
    pub(crate) fn kill(&self, n: u8) {
        script().must(&["kill", &n.to_string()]);
        script().must(&["gone", &n.to_string()]);
    }

    /// Asks a broker to end.
    pub(crate) fn stop(&self, n: u8) {
        script().must(&["stop", &n.to_string()]);
        script().must(&["gone", &n.to_string()]);
    }

    /// Stops a broker's process for a time.
    pub(crate) fn pause(&self, n: u8, time: Duration) {
        script().must(&["pause", &n.to_string()]);
        thread::sleep(time);
        script().must(&["resume", &n.to_string()]);
    }

    /// Where its certificates are: `ca.pem`, `alice.pem`, `alice.key`.
    pub(crate) fn certificates(&self) -> PathBuf {
        script().data.1.join("tls")
    }

    /// The URL of a topic, its parameters behind it; `listener` is 0 (plain), 2 (TLS), 3 (SASL over
    /// TLS) or 4 (SASL).
    pub(crate) fn url(&self, listener: u16, topic: &str, parameters: &str) -> String {
        let hosts = self.hosts().collect::<Vec<_>>().join(",");
        format!("kafka://{hosts}:{}/{topic}?{parameters}", port() + listener)
    }

    fn hosts(&self) -> impl Iterator<Item = String> {
        (1..=self.brokers).map(|n| format!("127.0.0.{n}"))
    }

    /// `HOST:PORT` each.
    pub(crate) fn bootstrap(&self) -> String {
        let brokers: Vec<_> = self.hosts().map(|h| format!("{h}:{}", port())).collect();
        brokers.join(",")
    }

    /// What a client of the tests' own is made with.
    pub(crate) fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", self.bootstrap())
            .set("group.id", "tests")
            .set("enable.auto.commit", "false")
            .set("log_level", "0");
        config
    }

    /// A name that no test had before; there is no topic of it.
    pub(crate) fn name(&self) -> String {
        self.topics.set(self.topics.get() + 1);
        format!("t{}", self.topics.get())
    }

    /// A new topic.
    pub(crate) fn topic(&self, partitions: i32) -> String {
        let name = self.name();
        self.create(&name, partitions, &[]);
        name
    }

    /// Creates a topic, with settings of its own.
    pub(crate) fn create(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) {
        let admin: AdminClient<DefaultClientContext> = self.config().create().unwrap();
        let copies = TopicReplication::Fixed(self.brokers.into());
        let new = NewTopic::new(name, partitions, copies);
        let new = settings.iter().fold(new, |new, (k, v)| new.set(k, v));
        let options = AdminOptions::new().operation_timeout(Some(ANSWER));
        // A broker that has just come up may not be counted yet.
        until("the topic is there", || {
            let created = block_on(admin.create_topics([&new], &options));
            let created = created.map(|mut all| all.remove(0));
            matches!(created, Ok(Ok(_))).then_some(())
        });
        until("every partition has a leader", || {
            let leaders = self.leaders(name);
            (leaders.len() == partitions as usize && !leaders.contains(&-1)).then_some(())
        });
    }

    /// How many messages are in a topic.
    pub(crate) fn count(&self, topic: &str) -> u64 {
        let consumer: BaseConsumer = self.config().create().unwrap();
        let partitions = i32::try_from(self.leaders(topic).len()).unwrap();
        let counts = (0..partitions).map(|partition| {
            let (first, end) = consumer.fetch_watermarks(topic, partition, ANSWER).unwrap();
            u64::try_from(end - first).unwrap()
        });
        counts.sum()
    }

    /// Deletes the messages before an offset of a topic with one partition.
    pub(crate) fn delete(&self, topic: &str, before: i64) {
        let admin: AdminClient<DefaultClientContext> = self.config().create().unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, 0, Offset::Offset(before))
            .unwrap();
        let deleted = block_on(admin.delete_records(&list, &AdminOptions::new())).unwrap();
        assert!(deleted.elements()[0].error().is_ok());
    }

    /// Deletes a topic.
    pub(crate) fn forget(&self, topic: &str) {
        let admin: AdminClient<DefaultClientContext> = self.config().create().unwrap();
        let deleted = block_on(admin.delete_topics(&[topic], &AdminOptions::new()));
        deleted
            .unwrap()
            .into_iter()
            .for_each(|topic| drop(topic.unwrap()));
    }

    /// The leader of each partition; -1 if it has none.
    pub(crate) fn leaders(&self, topic: &str) -> Vec<i32> {
        self.partitions(topic, MetadataPartition::leader)
    }

    /// Waits until every partition of a topic has all of its replicas.
    pub(crate) fn settle(&self, topic: &str) {
        until("all replicas are in sync", || {
            let in_sync = self.partitions(topic, |partition| partition.isr().len());
            let all = usize::from(self.brokers);
            (!in_sync.is_empty() && in_sync.iter().all(|n| *n == all)).then_some(())
        });
    }

    fn partitions<T>(&self, topic: &str, of: impl Fn(&MetadataPartition) -> T) -> Vec<T> {
        let consumer: BaseConsumer = self.config().create().unwrap();
        let metadata = consumer.fetch_metadata(Some(topic), ANSWER);
        let metadata = metadata.ok();
        let topic = metadata.as_ref().and_then(|m| m.topics().first());
        let partitions = topic.map_or(&[][..], |topic| topic.partitions());
        partitions.iter().map(of).collect()
    }

    /// Everything in a topic, partition after partition.
    pub(crate) fn read(&self, topic: &str) -> Vec<Message> {
        let mut messages = Vec::new();
        self.each(topic, |message| messages.push(Message::from(message)));
        messages
    }

    /// Hands over everything in a topic, partition after partition.
    pub(crate) fn each(&self, topic: &str, mut take: impl FnMut(&BorrowedMessage<'_>)) {
        let consumer: BaseConsumer = self.config().create().unwrap();
        let partitions = self.leaders(topic).len();
        assert!(partitions > 0, "{topic} is not there");
        for partition in 0..i32::try_from(partitions).unwrap() {
            let (first, end) = until("a partition answers", || {
                consumer.fetch_watermarks(topic, partition, ANSWER).ok()
            });
            let mut list = TopicPartitionList::new();
            list.add_partition_offset(topic, partition, Offset::Offset(first))
                .unwrap();
            consumer.assign(&list).unwrap();
            let mut next = first;
            let mut moved = Instant::now();
            while next < end {
                match consumer.poll(Duration::from_millis(100)) {
                    Some(Ok(message)) => {
                        assert_eq!(message.offset(), next, "a gap in {topic}");
                        next += 1;
                        moved = Instant::now();
                        take(&message);
                    }
                    other => {
                        assert!(moved.elapsed() < PATIENCE, "{topic}: {other:?}");
                    }
                }
            }
        }
    }

    /// `kafka-console-producer`, to its end.
    #[track_caller]
    pub(crate) fn console_producer(&self, topic: &str, more: &[&str], lines: &[u8]) {
        let bootstrap = self.bootstrap();
        let class = "org.apache.kafka.tools.ConsoleProducer";
        let arguments = ["tool", class, "--bootstrap-server", &bootstrap];
        let arguments = [&arguments[..], &["--topic", topic], more].concat();
        let mut producer = script()
            .command(&arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = producer.stdin.take().unwrap();
        stdin.write_all(lines).unwrap();
        drop(stdin);
        let output = producer.wait_with_output().unwrap();
        // It ends well even when it could not send: it says so.
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!said.contains("ERROR"), "{said}");
        script().succeeded(&arguments, &output);
    }

    /// What `kafka-console-consumer` shows of so many messages from the beginning.
    #[track_caller]
    pub(crate) fn console_consumer(&self, topic: &str, messages: u64, more: &[&str]) -> String {
        let (bootstrap, messages) = (self.bootstrap(), messages.to_string());
        let class = "org.apache.kafka.tools.consumer.ConsoleConsumer";
        let arguments = ["tool", class, "--bootstrap-server", &bootstrap];
        let which = ["--from-beginning", "--max-messages", &messages];
        let arguments = [&arguments[..], &["--topic", topic], &which, more].concat();
        script().must(&arguments)
    }
}

/// A runtime for a test's own questions.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

//! The topic: its producer, its state, and what is reported of it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::metadata::MetadataTopic;
use rdkafka::producer::{Producer, ThreadedProducer};

use super::address::Address;
use super::answers::Answers;
use super::fault;
use super::message::Message;
use crate::sink::patience::Abandoned;
use crate::sink::waiting::{POLL, REMIND, Waiting};

/// How long librdkafka collects messages for a batch that is not full, milliseconds. While requests
/// are in flight it collects anyway; at the end of a write this is what the last batch waits.
const LINGER: &str = "2";

/// Largest batch, in bytes before compression; librdkafka's own default. A topic that takes only
/// smaller ones gets smaller ones, so that no record is refused because of its neighbours.
const BATCH: usize = 1_000_000;

/// What a batch has beside its records.
const BATCH_HEAD: usize = 512;

/// Largest message. A broker closes the connection, without a reason, when a request is larger than
/// its `socket.request.max.bytes` (100 MiB).
const LARGEST: &str = "67108864";

/// How long a broker may take to store a batch on all in-sync replicas before it is asked again, and
/// how long we wait for that answer: a broker that hangs is replaced after 9 seconds.
const REQUEST: &str = "10000";
const ANSWER: &str = "15000";

/// How long a question about the topic may take.
const ASK: Duration = Duration::from_secs(2);

/// How often a thread that waits for acknowledgements looks whether anybody waits for it.
const LOOK: Duration = Duration::from_millis(50);

/// Failures are looked for once for so many messages.
const GLANCE: usize = 64;

/// After so long without an acknowledgement the brokers are asked why.
const STILL: Duration = Duration::from_secs(3);

/// A topic that is written to.
pub(super) struct Topic {
    address: Address,
    config: ClientConfig,
    answers: Answers,
    abandoned: Abandoned,
    producer: Option<ThreadedProducer<Answers>>,
    /// The producer's largest batch.
    batch: usize,
    /// None until the brokers have told them.
    limits: Option<Limits>,
    /// Messages handed over, of all writes, and how many of them were answered when that was last
    /// looked at.
    sent: usize,
    answered: usize,
    waiting: Waiting,
    /// The topic was there, and nothing has come back since.
    ready: bool,
    /// Records have come back, and none was stored since.
    troubled: bool,
    /// When the topic is looked for, as long as it was never found.
    due: Option<Instant>,
    refused: u64,
    refused_told: Option<Instant>,
}

/// What the topic's settings say.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Largest batch.
    batch: usize,
    /// Replicas that must be in sync.
    in_sync: usize,
}

impl Topic {
    /// Checks what can be checked without the brokers, and starts to connect.
    ///
    /// # Errors
    /// A sentence: the credentials or a certificate cannot be used.
    pub(super) fn new(
        address: &Address,
        answers: &Answers,
        abandoned: &Abandoned,
    ) -> Result<Topic, String> {
        let mut config = address.cluster.config()?;
        config
            // What is repeated is stored once and in its order, and never given up.
            .set("enable.idempotence", "true")
            .set("message.timeout.ms", "0")
            .set("compression.type", address.compression)
            // A key goes where Kafka's own clients put it.
            .set("partitioner", "murmur2_random")
            .set("linger.ms", LINGER)
            .set("message.max.bytes", LARGEST)
            // Both are limited here: messages by `in_flight`, bytes by what a write holds.
            .set("queue.buffering.max.messages", "0")
            .set("queue.buffering.max.kbytes", "2147483647")
            .set("request.timeout.ms", REQUEST)
            .set("socket.timeout.ms", ANSWER)
            .set_log_level(RDKafkaLogLevel::Info);
        let mut topic = Topic {
            waiting: Waiting::new(&address.text),
            address: address.clone(),
            config,
            answers: answers.clone(),
            abandoned: abandoned.clone(),
            producer: None,
            batch: BATCH,
            limits: None,
            sent: 0,
            answered: 0,
            ready: false,
            troubled: false,
            due: Some(Instant::now()),
            refused: 0,
            refused_told: None,
        };
        topic.produce().map_err(|e| e.to_string())?;
        Ok(topic)
    }

    /// The sink's URL.
    pub(super) fn sink(&self) -> &str {
        &self.address.text
    }

    pub(super) fn answers(&self) -> &Answers {
        &self.answers
    }

    /// When [`Topic::connect`] must be called although there is nothing to write.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Waits until the topic is there; returns whether it is: not if nobody waits for it any more.
    pub(super) fn ready(&mut self) -> bool {
        while !self.abandoned.get() {
            if self.connect() {
                return true;
            }
            self.abandoned.sleep(POLL);
        }
        false
    }

    /// Looks once whether the topic is there, unless that is known.
    pub(super) fn connect(&mut self) -> bool {
        if self.ready {
            return true;
        }
        match self.look() {
            Ok(()) => {
                self.ready = true;
                self.due = None;
                // Else it resumes with the first record that is stored.
                if !self.troubled {
                    self.waiting.over();
                }
                true
            }
            Err(what) => {
                self.waiting.say(what);
                self.due = self.due.and(Some(Instant::now() + POLL));
                false
            }
        }
    }

    fn look(&mut self) -> Result<(), String> {
        let producer = self.producer.as_ref();
        if let Some((code, reason)) = producer.and_then(|p| p.client().fatal_error()) {
            tracing::warn!(sink = %self.address.text, %code, reason,
                "The producer has failed; starting another one.");
            self.producer = None;
        }
        if self.producer.is_none() {
            self.produce().map_err(|e| e.to_string())?;
        }
        self.check()?;
        let batch = self.limits.map_or(BATCH, |limits| limits.batch);
        if batch != self.batch {
            self.batch = batch;
            self.produce().map_err(|e| e.to_string())?;
        }
        Ok(())
    }

    fn produce(&mut self) -> KafkaResult<()> {
        let mut config = self.config.clone();
        config.set("batch.size", self.batch.to_string());
        let producer = config.create_with_context(self.answers.clone())?;
        self.producer = Some(producer);
        Ok(())
    }

    /// Reads the topic's settings; takes Kafka's defaults if we may not read them. A broker that does
    /// not answer is asked again the next time.
    fn read_limits(&mut self) {
        let settings = match self.settings() {
            Ok(settings) => settings,
            Err(error) => {
                tracing::debug!(sink = %self.address.text, %error,
                    "Cannot read the topic's settings.");
                return;
            }
        };
        let read = |name: &str| -> Option<usize> { settings.get(name)?.parse().ok() };
        let most = read("max.message.bytes").unwrap_or(BATCH + BATCH_HEAD);
        self.limits = Some(Limits {
            batch: most.saturating_sub(BATCH_HEAD).clamp(1, BATCH),
            in_sync: read("min.insync.replicas").unwrap_or(1),
        });
    }

    fn settings(&self) -> KafkaResult<BTreeMap<String, String>> {
        let config = self.address.cluster.config();
        let mut config = config.map_err(KafkaError::ClientCreation)?;
        // Nobody would read what it says.
        config.set_log_level(RDKafkaLogLevel::Emerg);
        let admin: AdminClient<DefaultClientContext> = config.create()?;
        let topic = [ResourceSpecifier::Topic(&self.address.topic)];
        let options = AdminOptions::new().request_timeout(Some(ASK));
        let answer = admin.describe_configs(&topic, &options);
        let answer = futures_util::future::FutureExt::boxed(answer);
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.map_err(|e| KafkaError::ClientCreation(e.to_string()))?;
        let answer = runtime.block_on(answer)?;
        let entries = answer.into_iter().flatten().flat_map(|topic| topic.entries);
        Ok(entries
            .filter_map(|entry| Some((entry.name, entry.value?)))
            .collect())
    }

    /// Whether the topic can be written to, as far as the brokers know.
    fn check(&mut self) -> Result<(), String> {
        let Some(producer) = &self.producer else {
            return Ok(());
        };
        let name = &self.address.topic;
        let asked = producer.client().fetch_metadata(Some(name), ASK);
        let metadata = asked.map_err(|error| self.silent(&error))?;
        let Some(topic) = metadata.topics().first() else {
            return Err(fault::missing(name));
        };
        if self.limits.is_none() && topic.error().is_none() {
            self.read_limits();
        }
        self.state(topic)
    }

    fn silent(&self, error: &KafkaError) -> String {
        let brokers = self.address.cluster.name();
        match self.answers.trouble() {
            Some(trouble) if trouble.code == RDKafkaErrorCode::Authentication => format!(
                "{brokers} do not accept the user ({}); check the name and the password",
                trouble.reason
            ),
            Some(trouble) => format!("{brokers} do not answer ({})", trouble.reason),
            None => format!("{brokers} do not answer ({error})"),
        }
    }

    fn state(&self, topic: &MetadataTopic) -> Result<(), String> {
        let name = &self.address.topic;
        if let Some(error) = topic.error() {
            let code = RDKafkaErrorCode::from(error);
            // A topic that has just been created.
            if code != RDKafkaErrorCode::LeaderNotAvailable {
                return Err(fault::wanted(code, name));
            }
        }
        if topic.partitions().is_empty() {
            return Err(fault::missing(name));
        }
        let needed = self.limits.map_or(1, |limits| limits.in_sync);
        for partition in topic.partitions() {
            let (id, replicas) = (partition.id(), partition.replicas());
            let away: Vec<String> = replicas
                .iter()
                .filter(|broker| !partition.isr().contains(broker))
                .map(i32::to_string)
                .collect();
            let away = away.join(", ");
            if partition.leader() < 0 {
                return Err(format!(
                    "partition {id} of the topic `{name}` has no leader; its brokers must be \
                     started: {away}"
                ));
            }
            if partition.isr().len() < needed {
                return Err(format!(
                    "partition {id} of the topic `{name}` has {} of {needed} in-sync replicas; these \
                     brokers must be started: {away}",
                    partition.isr().len()
                ));
            }
        }
        Ok(())
    }

    /// Hands over a message.
    ///
    /// # Errors
    /// It was not taken.
    #[allow(clippy::result_large_err, reason = "it is rdkafka's")]
    pub(super) fn send<'m>(
        &mut self,
        message: Message<'m>,
    ) -> Result<(), (KafkaError, Message<'m>)> {
        let Some(producer) = &self.producer else {
            let gone = KafkaError::MessageProduction(RDKafkaErrorCode::Fatal);
            return Err((gone, message));
        };
        producer.send(message)?;
        self.sent += 1;
        Ok(())
    }

    /// Waits for room for another message; returns whether to go on: not if one came back, or nobody
    /// waits for them any more.
    pub(super) fn room(&mut self) -> bool {
        let most = self.address.in_flight;
        // What another thread writes at every message is not read at every message.
        if self.sent - self.answered < most && !self.sent.is_multiple_of(GLANCE) {
            return true;
        }
        self.answered = self.answers.answered();
        let room = self.sent - self.answered < most;
        // A thread that was stopped is woken for more than one message.
        (room || self.wait(self.sent - most / 4 * 3)) && !self.answers.failed()
    }

    /// Waits until every message is answered; returns whether that is so.
    pub(super) fn settle(&mut self) -> bool {
        self.wait(self.sent)
    }

    /// Waits until so many messages are answered.
    fn wait(&mut self, answered: usize) -> bool {
        let mut seen = self.answers.delivered();
        let mut moved = Instant::now();
        let mut asked = moved;
        while self.answers.answered() < answered {
            if self.abandoned.get() {
                return false;
            }
            self.answers.wait(answered, LOOK);
            if self.answers.delivered() != seen {
                seen = self.answers.delivered();
                moved = Instant::now();
                self.goes_on();
            } else if moved.elapsed() >= STILL && asked.elapsed() >= POLL {
                match self.check() {
                    Err(what) => self.waiting.say(what),
                    Ok(()) => self.waiting.say(format!(
                        "{} do not acknowledge messages to the topic `{}`",
                        self.address.cluster.name(),
                        self.address.topic
                    )),
                }
                asked = Instant::now();
            }
        }
        true
    }

    /// Records are stored: nothing is waited for any more.
    pub(super) fn goes_on(&mut self) {
        self.troubled = false;
        self.waiting.over();
    }

    /// Records came back, and will be sent again.
    pub(super) fn fails(&mut self, code: RDKafkaErrorCode) {
        self.ready = false;
        self.troubled = true;
        self.waiting.say(fault::wanted(code, &self.address.topic));
        self.abandoned.sleep(POLL);
    }

    /// A record was refused. One line for many: each stands in the file of rejects.
    pub(super) fn refused(&mut self, record: u64, reason: &str, kept: bool) {
        self.refused += 1;
        let due = |told: Instant| told.elapsed() >= REMIND;
        if !self.refused_told.is_none_or(due) {
            return;
        }
        self.refused_told = Some(Instant::now());
        let (sink, records) = (&self.address.text, self.refused);
        match kept {
            true => tracing::warn!(%sink, records, record, reason,
                "The brokers refused records; they are in the file of rejects."),
            false => tracing::error!(%sink, records, record, reason,
                "The brokers refused records, and they are lost; keep them with --rejects FILE."),
        }
    }
}

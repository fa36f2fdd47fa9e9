//! What librdkafka reports beside messages: partitions that come and go, commits, figures, its log.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dumpstream::spell::visible;
use rdkafka::bindings::rd_kafka_resp_err_t as Code;
use rdkafka::config::RDKafkaLogLevel as Level;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::metadata::MetadataPartition;
use rdkafka::statistics::Broker;
use rdkafka::{ClientContext, Statistics, TopicPartitionList};

/// How long a question to the brokers may take.
pub(super) const ANSWER: Duration = Duration::from_secs(10);

/// A topic and the number of a partition.
pub(super) type Place = (String, i32);

/// Partitions that come or go.
#[derive(Debug)]
pub(super) enum Change {
    Assigned(Vec<Place>),
    Revoked(Vec<Place>),
}

/// How far a partition reaches.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    /// The offset behind its last message.
    pub(super) end: i64,
    /// Messages that were not read, as librdkafka knows; negative if it does not.
    pub(super) behind: i64,
}

#[derive(Debug, Default)]
pub(super) struct Context {
    changes: Mutex<Vec<Change>>,
    changed: AtomicBool,
    /// The consumer is being closed, and nobody asks for changes any more.
    closing: AtomicBool,
    /// A commit has failed.
    failed: AtomicBool,
    /// A broker answers.
    up: AtomicBool,
    reaches: Mutex<HashMap<Place, Reach>>,
    /// The text of the last error of a broker.
    reason: Mutex<String>,
}

impl Context {
    /// The changes since the last call.
    pub(super) fn changes(&self) -> Vec<Change> {
        match self.changed.swap(false, Ordering::Acquire) {
            true => std::mem::take(&mut lock(&self.changes)),
            false => Vec::new(),
        }
    }

    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    pub(super) fn reach(&self, place: &Place) -> Option<Reach> {
        lock(&self.reaches).get(place).copied()
    }

    /// Whether a commit has failed since the last call.
    pub(super) fn failed(&self) -> bool {
        self.failed.swap(false, Ordering::Relaxed)
    }

    /// Whether a broker answers, as of the last figures.
    pub(super) fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    /// What librdkafka said of the last error.
    pub(super) fn reason(&self) -> String {
        lock(&self.reason).clone()
    }
}

impl ClientContext for Context {
    fn log(&self, level: Level, facility: &str, message: &str) {
        // What a user needs to know comes as an error, too.
        match level {
            Level::Debug => tracing::trace!(target: "rdkafka", facility, "{message}"),
            _ => tracing::debug!(target: "rdkafka", facility, "{message}"),
        }
    }

    fn stats(&self, statistics: Statistics) {
        let up = |broker: &Broker| broker.nodeid >= 0 && broker.state == "UP";
        let up = statistics.brokers.values().any(up);
        self.up.store(up, Ordering::Relaxed);
        let mut reaches = lock(&self.reaches);
        for (name, topic) in statistics.topics {
            for (number, partition) in topic.partitions {
                let end = partition.ls_offset.max(partition.hi_offset);
                if number >= 0 && end >= 0 {
                    let behind = partition.consumer_lag;
                    reaches.insert((name.clone(), number), Reach { end, behind });
                }
            }
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // `poll` returns the error itself. That all brokers are down is no reason.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            // It may be a text of the broker's.
            *lock(&self.reason) = visible(reason).into_owned();
        }
    }
}

impl ConsumerContext for Context {
    /// Only notes what is asked for: the texts of partitions that go must end first.
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Context>,
        code: Code,
        partitions: &mut TopicPartitionList,
    ) {
        if self.closing.load(Ordering::Acquire) {
            drop(unassign(consumer, partitions));
            return;
        }
        let places = partitions.elements();
        let places = places
            .iter()
            .map(|e| (e.topic().to_owned(), e.partition()))
            .collect();
        let change = match code {
            Code::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Change::Assigned(places),
            _ => Change::Revoked(places),
        };
        lock(&self.changes).push(change);
        self.changed.store(true, Ordering::Release);
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        // The next commit covers what this one did not.
        if let Err(error) = result {
            tracing::debug!(%error, "Offsets were not committed.");
            self.failed.store(true, Ordering::Relaxed);
        }
    }
}

/// Gives partitions back.
pub(super) fn unassign(
    consumer: &BaseConsumer<Context>,
    partitions: &TopicPartitionList,
) -> KafkaResult<()> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_unassign(partitions),
        _ => consumer.unassign(),
    }
}

/// Takes partitions over.
pub(super) fn assign(
    consumer: &BaseConsumer<Context>,
    partitions: &TopicPartitionList,
) -> KafkaResult<()> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_assign(partitions),
        _ => consumer.assign(partitions),
    }
}

/// The numbers of a topic's partitions, none if it does not exist; `None`: the brokers do not say.
pub(super) fn partitions(consumer: &BaseConsumer<Context>, topic: &str) -> Option<Vec<i32>> {
    let metadata = consumer.fetch_metadata(Some(topic), ANSWER).ok()?;
    let topic = metadata.topics().first()?;
    let partitions = topic
        .partitions()
        .iter()
        .filter(|_| topic.error().is_none());
    Some(partitions.map(MetadataPartition::id).collect())
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

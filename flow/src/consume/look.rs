//! What is looked at once a second, and what goes wrong.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use tokio::task::JoinHandle;
use tracing::{debug, warn};

use super::MAX_TEXTS;
use super::context::{Context, Place, partitions};
use super::ends::Ends;
use super::partition::Partition;
use super::reading::{EVERY, Reading};
use super::text::Done;
use super::waiting::Waiting;
use crate::run::Error;
use crate::sink::waiting::REMIND;

/// A text without messages for this long ends once it is answered.
const IDLE: Duration = Duration::from_secs(300);

impl Reading {
    /// Once a second: what has ended, what is answered, how far the brokers are ahead.
    pub(super) fn look(&mut self) {
        self.reap();
        let mut partitions = std::mem::take(&mut self.partitions);
        if self.consumer.context().failed() {
            partitions
                .iter_mut()
                .for_each(|partition| partition.committed = None);
        }
        self.commit(&mut partitions, CommitMode::Async);
        self.partitions = partitions;
        self.options.lag.set(self.lag());
        let broken = self.partitions.iter().flat_map(|p| &p.texts);
        let broken = broken.filter_map(|text| text.acks.broken()).next();
        if let Some(why) = broken
            && !self.station.stop().is_cancelled()
        {
            self.unanswered(why);
        }
        // While nothing can come, nothing is idle.
        let held = self.paused || self.waiting.is_some() || self.station.progress().waiting() > 0;
        for partition in &mut self.partitions {
            let mut ended = false;
            for text in &mut partition.texts {
                if held {
                    text.used = Instant::now();
                } else if text.is_open() && text.used.elapsed() >= IDLE {
                    ended |= text.retire() || text.give_up();
                }
            }
            if ended {
                partition.index();
            }
            partition.remove(|text| match text.refused {
                // Another tcpdump may write by now.
                true => text.used.elapsed() >= IDLE,
                false => text.task.is_none() && !text.is_open() && text.unanswered().is_none(),
            });
        }
        self.find_ends();
        self.remind();
    }

    /// Finds out where reading is to end, if it is.
    pub(super) fn find_ends(&mut self) {
        if self.options.until_end && self.ends.is_none() {
            self.ends = Ends::find(&self.consumer, &self.topics.names);
        }
    }

    /// Reports again what is waited for, or that it is over.
    fn remind(&mut self) {
        let Some(waiting) = &mut self.waiting else {
            return;
        };
        let over = match waiting.brokers {
            true => self.consumer.context().is_up(),
            false => missing(&self.consumer, &self.topics.names).is_empty(),
        };
        if over {
            warn!("Resumed.");
            self.waiting = None;
        } else if waiting.said.elapsed() >= REMIND {
            waiting.said = Instant::now();
            warn!("Waiting: {}", waiting.what);
        }
    }

    /// Makes room for one more text, if there can be; whether there is.
    pub(super) fn make_room(&mut self) -> bool {
        let texts = || {
            self.partitions
                .iter()
                .flat_map(|partition| &partition.texts)
        };
        let count = || texts().filter(|text| !text.is_over()).count();
        if count() < MAX_TEXTS {
            return true;
        }
        let mut used: Vec<Instant> = texts()
            .filter(|text| text.is_open())
            .map(|text| text.used)
            .collect();
        used.sort_unstable();
        // A tenth of them at once: finding them takes time.
        let Some(limit) = used.get(used.len() / 10).copied() else {
            return false;
        };
        for partition in &mut self.partitions {
            for text in &mut partition.texts {
                if text.is_open() && text.used <= limit {
                    text.retire();
                }
            }
            partition.index();
        }
        self.reap();
        let texts = self.partitions.iter().flat_map(|p| &p.texts);
        texts.filter(|text| !text.is_over()).count() < MAX_TEXTS
    }

    /// Collects the figures of tasks that have ended.
    pub(super) fn reap(&mut self) {
        let mut done = Vec::new();
        let over = |task: &JoinHandle<Done>| task.is_finished();
        for text in self.partitions.iter_mut().flat_map(|p| &mut p.texts) {
            if let Some(task) = text.task.take_if(|task| over(task)) {
                let result = self.runtime.block_on(task);
                if let Ok(Err(Error::AsciiText { .. })) = result {
                    text.refuse();
                }
                done.push(result);
            }
        }
        for task in std::mem::take(&mut self.leaving) {
            match over(&task) {
                true => done.push(self.runtime.block_on(task)),
                false => self.leaving.push(task),
            }
        }
        for result in done {
            let error = match result {
                Ok(Ok(summary)) => {
                    self.consumed.summary.add(&summary);
                    continue;
                }
                Ok(Err(error)) => error,
                Err(panicked) => Error::Task(panicked.to_string()),
            };
            if let Some(summary) = error.summary() {
                self.consumed.summary.add(summary);
            }
            match error {
                Error::AsciiText { .. } => {
                    self.consumed.refused += 1;
                    warn!("{error}");
                }
                error => self.fail(error),
            }
        }
    }

    /// Messages that were not read; negative if that is not known.
    pub(super) fn lag(&self) -> i64 {
        let context = self.consumer.context();
        let mut lag = -1;
        for partition in &self.partitions {
            let Some(reach) = context.reach(&partition.place) else {
                continue;
            };
            let behind = match partition.next {
                Some(next) => (reach.end - next).max(0),
                None if reach.behind >= 0 => reach.behind,
                None => continue,
            };
            lag = lag.max(0) + behind;
        }
        lag
    }

    /// Whether all that was in the topics at the start is handed on, by us or by others of the group.
    pub(super) fn is_at_end(&mut self) -> bool {
        let (Some(ends), None) = (&self.ends, self.since) else {
            return false;
        };
        let reached = |partition: &Partition| {
            partition.ended || ends.reached(&partition.place, partition.next)
        };
        if !self.partitions.iter().all(reached) {
            return false;
        }
        // What others have to do takes its time.
        if self.asked.is_some_and(|asked| asked.elapsed() < EVERY) {
            return false;
        }
        self.asked = Some(Instant::now());
        let ours = |place: &Place| self.partitions.iter().any(|p| p.place == *place);
        ends.others_reached(&self.consumer, ours)
    }

    /// Looks at an error of the consumer.
    pub(super) fn trouble(&mut self, error: &KafkaError) {
        if let KafkaError::PartitionEOF(number) = *error {
            // It does not say of which topic; transactions can end with an offset that is no message's.
            if let [_] = self.topics.names[..] {
                for partition in &mut self.partitions {
                    partition.ended |= partition.place.1 == number;
                }
            }
            return;
        }
        let code = error.rdkafka_error_code();
        debug!(%error, "The consumer reports an error.");
        let reason = self.consumer.context().reason();
        let code = match error {
            KafkaError::MessageConsumptionFatal(_) => Some(Code::Fatal),
            _ => code,
        };
        match code {
            Some(
                Code::Authentication
                | Code::SaslAuthenticationFailed
                | Code::TopicAuthorizationFailed
                | Code::GroupAuthorizationFailed
                | Code::ClusterAuthorizationFailed
                | Code::InvalidGroupId
                | Code::InconsistentGroupProtocol
                | Code::Fatal,
            ) => {
                // Of a failed login, librdkafka says why only in its log.
                let login = matches!(
                    code,
                    Some(Code::Authentication | Code::SaslAuthenticationFailed)
                );
                let reason = match login && !reason.is_empty() {
                    true => reason,
                    false => error.to_string(),
                };
                let topics = self.topics.to_string();
                self.fail(Error::Topics { topics, reason });
            }
            Some(Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition) => {
                let missing = missing(&self.consumer, &self.topics.names);
                let what = match &missing[..] {
                    [] => return,
                    [name] => {
                        format!("topic {name} does not exist yet; create it, or correct its name")
                    }
                    names => format!(
                        "topics {} do not exist yet; create them, or correct their names",
                        names.join(", ")
                    ),
                };
                self.wait(what, false);
            }
            Some(Code::AllBrokersDown) => {
                let brokers = self.topics.cluster.name();
                let reason = match &*reason {
                    "" => String::new(),
                    reason => format!(": {reason}"),
                };
                self.wait(format!("no broker answers at {brokers}{reason}"), true);
            }
            Some(Code::PollExceeded) => {
                warn!(
                    "The group took this consumer for dead, because the sinks were full for too long."
                );
            }
            _ => {}
        }
    }

    /// Reports what is waited for, once.
    pub(super) fn wait(&mut self, what: String, brokers: bool) {
        // The reasons of one outage differ.
        let same = |waiting: &Waiting| waiting.what == what || waiting.brokers && brokers;
        if !self.waiting.as_ref().is_some_and(same) {
            warn!("Waiting: {what}");
            let said = Instant::now();
            self.waiting = Some(Waiting {
                what,
                brokers,
                said,
            });
        }
    }

    /// A lane will never answer: reading ends.
    pub(super) fn unanswered(&mut self, why: String) {
        let mut lanes = self.station.lanes().iter();
        // `| head` has what it wanted.
        let left = lanes.any(|lane| lane.counters().reader_gone);
        match left {
            true => self.station.stop().cancel(),
            false => self.fail(Error::Unanswered { why }),
        }
    }

    pub(super) fn fail(&mut self, error: Error) {
        self.consumed.error.get_or_insert(error);
        self.station.stop().cancel();
    }
}

/// The topics that do not exist, as far as the brokers say.
fn missing(consumer: &BaseConsumer<Context>, names: &[String]) -> Vec<String> {
    let is_missing = |name: &&String| partitions(consumer, name).is_some_and(|p| p.is_empty());
    names.iter().filter(is_missing).cloned().collect()
}

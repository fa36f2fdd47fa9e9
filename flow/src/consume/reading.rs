//! The thread that owns the consumer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dumpstream::Origin;
use dumpstream::framing::Style;
use rdkafka::TopicPartitionList;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Message as _};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::{debug, warn};

use super::context::{ANSWER, Change, Context};
use super::ends::Ends;
use super::ours::Ours;
use super::partition::{Partition, named};
use super::text::{Done, Name, PIECE, Text};
use super::topics::Topics;
use super::waiting::Waiting;
use super::{ConsumeOptions, Consumed};
use crate::run::Error;
use crate::run::messages::{End, Message};
use crate::station::Station;

/// How long a poll waits for a message while nothing else is to be done.
pub(super) const TICK: Duration = Duration::from_millis(50);

/// How long a text that is smaller than a piece waits for more.
pub(super) const LINGER: Duration = Duration::from_millis(5);

/// How often offsets are committed, and figures are looked at.
pub(super) const EVERY: Duration = Duration::from_secs(1);

/// How long a full text is waited for before the partitions are paused: a pause throws away what
/// librdkafka has fetched ahead, and a poll must not be missing for minutes.
const PATIENCE: Duration = Duration::from_secs(5);

/// The most kilobytes that librdkafka fetches ahead.
const AHEAD: &str = "32768";

pub(super) type Origins = Box<dyn Fn(&str) -> Origin + Send>;

pub(super) struct Reading {
    pub(super) consumer: Arc<BaseConsumer<Context>>,
    pub(super) topics: Topics,
    pub(super) options: ConsumeOptions,
    pub(super) station: Station,
    pub(super) runtime: Handle,
    pub(super) origins: Origins,
    pub(super) partitions: Vec<Partition>,
    /// The partition of the last message.
    pub(super) last: usize,
    pub(super) paused: bool,
    /// Tasks of texts whose partitions are gone.
    pub(super) leaving: Vec<JoinHandle<Done>>,
    /// Since when text has been waiting to be handed on.
    pub(super) since: Option<Instant>,
    pub(super) waiting: Option<Waiting>,
    pub(super) said_json: bool,
    /// Where reading ends, once that is known, and when others were last asked how far they are.
    pub(super) ends: Option<Ends>,
    pub(super) asked: Option<Instant>,
    pub(super) consumed: Consumed,
}

impl Reading {
    /// Makes the consumer, which joins the group in the background.
    pub(super) fn open(
        topics: &Topics,
        options: ConsumeOptions,
        station: Station,
        runtime: Handle,
        origins: Origins,
    ) -> Result<Reading, Error> {
        let failed = |reason: String| Error::Topics {
            topics: topics.to_string(),
            reason,
        };
        let mut config = topics.cluster.config().map_err(failed)?;
        config
            .set("group.id", &topics.group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            .set("isolation.level", "read_committed")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("enable.partition.eof", options.until_end.to_string())
            .set("queued.max.messages.kbytes", AHEAD)
            // By default, a full queue stops fetching for a whole second.
            .set("fetch.queue.backoff.ms", "5")
            // How soon the group takes over from one that was killed.
            .set("session.timeout.ms", "10000")
            // How soon a new topic is found.
            .set("topic.metadata.refresh.interval.ms", "5000")
            .set("statistics.interval.ms", "1000");
        if let Some(instance) = &topics.instance {
            config.set("group.instance.id", instance);
        }
        let consumer = BaseConsumer::from_config_and_context(&config, Context::default());
        let consumer = consumer.map_err(|e| failed(e.to_string()))?;
        let names: Vec<&str> = topics.names.iter().map(String::as_str).collect();
        consumer
            .subscribe(&names)
            .map_err(|e| failed(e.to_string()))?;
        Ok(Reading {
            consumer: Arc::new(consumer),
            topics: topics.clone(),
            options,
            station,
            runtime,
            origins,
            partitions: Vec::new(),
            last: 0,
            paused: false,
            leaving: Vec::new(),
            since: None,
            waiting: None,
            said_json: false,
            ends: None,
            asked: None,
            consumed: Consumed::default(),
        })
    }

    /// Reads until the end.
    pub(super) fn run(mut self) -> Consumed {
        let consumer = self.consumer.clone();
        let mut looked = Instant::now();
        let mut count = 0u32;
        loop {
            let wait = match self.since {
                _ if self.paused => TICK,
                Some(_) => Duration::ZERO,
                None => TICK,
            };
            let polled = consumer.poll(wait);
            let nothing = polled.is_none();
            match polled {
                Some(Ok(message)) => self.take(&message),
                Some(Err(error)) => self.trouble(&error),
                None => {}
            }
            for change in consumer.context().changes() {
                match change {
                    Change::Assigned(places) => self.take_over(places),
                    Change::Revoked(places) => self.give_back(&places),
                }
            }
            count = count.wrapping_add(1);
            // Looking at the clock takes a part of what a message takes.
            if !nothing && !count.is_multiple_of(64) {
                continue;
            }
            if self.station.stop().is_cancelled() {
                break;
            }
            let now = Instant::now();
            if self.paused {
                self.resume();
            } else if let Some(since) = self.since {
                match LINGER.checked_sub(now - since) {
                    Some(rest) if nothing => {
                        // The next message ends the wait.
                        match consumer.poll(rest) {
                            Some(Ok(message)) => self.take(&message),
                            Some(Err(error)) => self.trouble(&error),
                            None => drop(self.hand_on()),
                        }
                    }
                    Some(_) => {}
                    None => drop(self.hand_on()),
                }
            }
            if now - looked >= EVERY {
                looked = now;
                self.look();
            }
            if self.options.until_end && nothing && self.is_at_end() {
                break;
            }
        }
        // The consumer is closed with its last owner.
        drop(consumer);
        self.finish()
    }

    /// Adds a message to its text.
    fn take(&mut self, message: &BorrowedMessage<'_>) {
        let (topic, number) = (message.topic(), message.partition());
        let is = |partition: &Partition| partition.place.1 == number && partition.place.0 == topic;
        if !self.partitions.get(self.last).is_some_and(is) {
            match self.partitions.iter().position(is) {
                Some(found) => self.last = found,
                // It was fetched before its partition went.
                None => return,
            }
        }
        let at = self.last;
        let offset = message.offset();
        let record = offset.unsigned_abs() + 1;
        match self.partitions[at].next {
            Some(next) if offset > next => self.miss(at, next, offset),
            Some(next) if offset < next => self.anew(at),
            _ => {}
        }
        self.partitions[at].next = Some(offset + 1);
        self.consumed.messages += 1;
        let Some(value) = message.payload() else {
            return;
        };
        let ours = Ours::of(message);
        if ours.record && value.starts_with(b"{") && !self.said_json {
            self.said_json = true;
            warn!(
                topic,
                "Messages are JSON, which is not read: write the topic with `?format=text`."
            );
        }
        let key = message.key().unwrap_or_default();
        // Lines of different keys are of different tcpdumps, whatever sensor they are said to be of.
        let (sensor, stream) = match (&self.options.sensor, ours.sensor) {
            (Some(sensor), _) => (&**sensor, key),
            (None, Some(sensor)) => (sensor, key),
            (None, None) => match named(key) {
                Some(sensor) => (sensor, &b""[..]),
                None => (topic, key),
            },
        };
        let stream = match ours.record {
            true => ours.stream,
            false => stream,
        };
        let at_text = match self.partitions[at].find(sensor, stream) {
            Some(text) => text,
            None => {
                let name = Name {
                    sensor: sensor.to_owned(),
                    stream: stream.to_vec(),
                };
                // Records that were sent one by one may be spread over partitions, and their
                // numbers, too.
                let whole = !self.partitions[at].several || message.key().is_some();
                self.begin(at, name, whole && !ours.record)
            }
        };
        let at_text = match self.partitions[at].texts[at_text].differs(value) {
            Some(style) => self.turn(at, at_text, style),
            None => at_text,
        };
        let arrival = message.timestamp().to_millis().unwrap_or(0);
        let partition = &mut self.partitions[at];
        partition.parts(at_text, record);
        let text = &mut partition.texts[at_text];
        let message = Message {
            at: 0,
            record,
            other: text.other,
            arrival: arrival.saturating_mul(1_000_000),
            time: ours.time(),
        };
        text.add(value, ours.ending(), message);
        if self.since.is_none() {
            self.since = Some(Instant::now());
        }
        let full = partition.texts[at_text].waiting() >= PIECE;
        if ours.truncated {
            self.cut(at, at_text);
        } else if full && !self.paused && !self.hand_on_patiently(at, at_text) {
            self.pause();
        }
    }

    /// Some offsets did not come: those of transactions and of compacted topics are no messages, but
    /// others were deleted.
    fn miss(&mut self, at: usize, next: i64, offset: i64) {
        let now = Instant::now();
        let partition = &mut self.partitions[at];
        if partition.asked.is_some_and(|asked| now - asked < EVERY) {
            return;
        }
        partition.asked = Some(now);
        let (topic, number) = self.partitions[at].place.clone();
        if let Ok((low, _)) = self.consumer.fetch_watermarks(&topic, number, ANSWER) {
            self.deleted(&topic, number, low.min(offset) - next);
        }
    }

    /// Offsets begin again: what stands in texts is of messages that are gone.
    fn anew(&mut self, at: usize) {
        let partition = &mut self.partitions[at];
        for text in &mut partition.texts {
            text.end(End::Left);
        }
        partition.index();
        partition.committed = None;
        let (topic, number) = partition.place.clone();
        created_anew(&topic, number);
    }

    /// Counts messages that the brokers deleted before they were read.
    pub(super) fn deleted(&mut self, topic: &str, partition: i32, messages: i64) {
        if let Some(messages) = u64::try_from(messages).ok().filter(|n| *n > 0) {
            self.consumed.deleted += messages;
            warn!(
                topic,
                partition,
                messages,
                "The brokers deleted messages before they were read; the topic keeps them for too short \
                 a time (retention.ms, retention.bytes)."
            );
        }
    }

    /// Begins a text in a partition.
    fn begin(&mut self, at: usize, name: Name, numbered: bool) -> usize {
        if !self.make_room() && !self.paused {
            self.pause();
        }
        let origin = (self.origins)(&name.sensor);
        let partition = &mut self.partitions[at];
        let context = (&self.station, &self.runtime);
        let text = Text::begin(name, partition.stream(), numbered, origin, context);
        let text = partition.add(text);
        if partition.several || partition.texts.len() > 1 {
            let texts = partition.texts.iter();
            texts.for_each(|text| text.messages.spreads());
        }
        text
    }

    /// The text in another style beside one of the same name.
    fn turn(&mut self, at: usize, text: usize, style: Style) -> usize {
        let text = &self.partitions[at].texts[text];
        let (name, numbered) = (text.name.clone(), text.messages.numbered);
        if let Some(text) = self.partitions[at].turn(&name, style) {
            return text;
        }
        let text = self.begin(at, name, numbered);
        self.partitions[at].texts[text].styled(style);
        text
    }

    /// Ends a text, which was cut there.
    fn cut(&mut self, at: usize, text: usize) {
        let partition = &mut self.partitions[at];
        let closed = partition.texts[text].close();
        partition.index();
        if !closed && !self.paused {
            self.pause();
        }
    }

    /// Hands on a text, and waits for room for a while; whether there was any.
    fn hand_on_patiently(&mut self, at: usize, text: usize) -> bool {
        let text = &mut self.partitions[at].texts[text];
        if text.hand_on() {
            return true;
        }
        let stop = self.station.stop();
        if let Some(room) = text.room() {
            self.runtime.block_on(async {
                tokio::select! {
                    _ = timeout(PATIENCE, room.reserve()) => {}
                    () = stop.cancelled() => {}
                }
            });
        }
        text.hand_on()
    }

    /// Hands on every text; whether there was room for all.
    pub(super) fn hand_on(&mut self) -> bool {
        let mut all = true;
        for text in self.partitions.iter_mut().flat_map(|p| &mut p.texts) {
            all &= text.waiting() == 0 || text.hand_on();
        }
        self.since = (!all).then(Instant::now);
        all
    }

    /// Reads nothing more until all is handed on.
    pub(super) fn pause(&mut self) {
        debug!("The sinks are full; reading is paused.");
        match self.consumer.pause(&list(&self.partitions)) {
            Ok(()) => self.paused = true,
            Err(error) => debug!(%error, "Partitions could not be paused."),
        }
    }

    fn resume(&mut self) {
        if !self.hand_on() || !self.make_room() {
            return;
        }
        debug!("Reading goes on.");
        self.paused = false;
        if let Err(error) = self.consumer.resume(&list(&self.partitions)) {
            debug!(%error, "Partitions could not be resumed.");
        }
    }
}

/// Warns that a topic has another one's name.
pub(super) fn created_anew(topic: &str, partition: i32) {
    warn!(
        topic,
        partition,
        "The topic was created anew: its offsets begin again, so that databases take its records for \
         those of the earlier topic. Give it another name, or use another --sensor."
    );
}

fn list(partitions: &[Partition]) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for Partition {
        place: (topic, number),
        ..
    } in partitions
    {
        list.add_partition(topic, *number);
    }
    list
}

//! The thread that owns the consumer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dumpstream::{Origin, TimeSource};
use futures_util::future::join_all;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{BorrowedMessage, Headers, Message as _};
use rdkafka::{Offset, TopicPartitionList};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::{debug, warn};

use super::context::{Change, Context, Place, assign, unassign};
use super::partition::{Partition, named};
use super::text::{Done, Name, PIECE, Text};
use super::{ConsumeOptions, Consumed, MAX_TEXTS};
use crate::kafka::headers;
use crate::kafka::topics::{From, Topics};
use crate::run::Error;
use crate::run::messages::{End, Message};
use crate::station::Station;

/// How long a poll waits for a message while nothing else is to be done.
const TICK: Duration = Duration::from_millis(50);

/// How long a text that is smaller than a piece waits for more.
const LINGER: Duration = Duration::from_millis(5);

/// How often offsets are committed, and figures are looked at.
const EVERY: Duration = Duration::from_secs(1);

/// How long a full text is waited for before the partitions are paused: a pause throws away what
/// librdkafka has fetched ahead, and a poll must not be missing for minutes.
const PATIENCE: Duration = Duration::from_secs(5);

/// A text without messages for this long ends once it is answered.
const IDLE: Duration = Duration::from_secs(300);

/// How long a question to the brokers may take.
const ANSWER: Duration = Duration::from_secs(10);

/// How long leaving the group may take; the brokers notice by themselves later.
const LEAVING: Duration = Duration::from_secs(5);

/// What is waited for is reported again after this time.
const REMIND: Duration = Duration::from_secs(60);

/// The most kilobytes that librdkafka fetches ahead.
const AHEAD: &str = "32768";

pub(super) type Origins = Box<dyn Fn(&str) -> Origin + Send>;

pub(super) struct Reading {
    consumer: Arc<BaseConsumer<Context>>,
    topics: Topics,
    options: ConsumeOptions,
    station: Station,
    runtime: Handle,
    origins: Origins,
    partitions: Vec<Partition>,
    /// The partition of the last message.
    last: usize,
    /// Partitions were given to us at least once.
    assigned: bool,
    paused: bool,
    /// Tasks of texts whose partitions are gone.
    leaving: Vec<JoinHandle<Done>>,
    /// Since when text has been waiting to be handed on.
    since: Option<Instant>,
    waiting: Option<(String, Instant)>,
    said_json: bool,
    consumed: Consumed,
}

/// What the headers of a message say, if dumpstream wrote it.
#[derive(Debug, Default)]
struct Ours<'a> {
    sensor: Option<&'a str>,
    stream: &'a [u8],
    record: bool,
    time: Option<i64>,
    source: Option<TimeSource>,
    truncated: bool,
}

impl<'a> Ours<'a> {
    fn of(message: &'a BorrowedMessage<'_>) -> Ours<'a> {
        let mut ours = Ours::default();
        let Some(found) = message.headers() else {
            return ours;
        };
        for header in found.iter() {
            let value = header.value.unwrap_or_default();
            match header.key {
                headers::SENSOR => ours.sensor = named(value),
                headers::STREAM => ours.stream = value,
                headers::RECORD => ours.record = true,
                headers::TIME => {
                    ours.time = str::from_utf8(value).ok().and_then(|t| t.parse().ok())
                }
                headers::TIME_SOURCE => ours.source = TimeSource::named(value),
                headers::TRUNCATED => ours.truncated = value == b"true",
                _ => {}
            }
        }
        ours
    }

    fn time(&self) -> Option<(i64, TimeSource)> {
        let time = self.time.filter(|_| self.record)?;
        Some((time, self.source.unwrap_or(TimeSource::Packet)))
    }
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
            // How soon a new topic is found.
            .set("topic.metadata.refresh.interval.ms", "5000")
            .set("statistics.interval.ms", "1000");
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
            assigned: false,
            paused: false,
            leaving: Vec::new(),
            since: None,
            waiting: None,
            said_json: false,
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
            if !nothing && count % 64 != 0 {
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
        let sensor = match &self.options.sensor {
            Some(sensor) => sensor,
            None => {
                let key = || message.key().and_then(named);
                ours.sensor.or_else(key).unwrap_or(topic)
            }
        };
        let stream = if ours.record { ours.stream } else { b"" };
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
        text.add(value, ours.truncated, message);
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

    /// Begins a text in a partition.
    fn begin(&mut self, at: usize, name: Name, numbered: bool) -> usize {
        self.make_room();
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

    /// Ends a text, which was cut there.
    fn cut(&mut self, at: usize, text: usize) {
        // If the lanes are full for long, it is left, and read again.
        let end = match self.hand_on_patiently(at, text) {
            true => End::Cut,
            false => End::Left,
        };
        let partition = &mut self.partitions[at];
        partition.texts[text].end(end);
        partition.index();
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
    fn hand_on(&mut self) -> bool {
        let mut all = true;
        for text in self.partitions.iter_mut().flat_map(|p| &mut p.texts) {
            all &= text.waiting() == 0 || text.hand_on();
        }
        self.since = (!all).then(Instant::now);
        all
    }

    /// Reads nothing more until all is handed on.
    fn pause(&mut self) {
        debug!("The sinks are full; reading is paused.");
        match self.consumer.pause(&list(&self.partitions)) {
            Ok(()) => self.paused = true,
            Err(error) => debug!(%error, "Partitions could not be paused."),
        }
    }

    fn resume(&mut self) {
        if !self.hand_on() {
            return;
        }
        debug!("Reading goes on.");
        self.paused = false;
        if let Err(error) = self.consumer.resume(&list(&self.partitions)) {
            debug!(%error, "Partitions could not be resumed.");
        }
    }

    /// Partitions were assigned.
    fn take_over(&mut self, places: Vec<Place>) {
        let mut starts = TopicPartitionList::new();
        for (topic, number) in &places {
            starts.add_partition(topic, *number);
        }
        if self.options.until_end || self.topics.from != From::Earliest {
            match self.starts(&starts) {
                Some(found) => starts = found,
                None => return,
            }
        }
        for place in places {
            let mut partition = Partition::new(place);
            let (topic, number) = &partition.place;
            partition.several = self.several(topic);
            if let Some(element) = starts.find_partition(topic, *number)
                && let Offset::Offset(offset) = element.offset()
            {
                partition.next = Some(offset);
            }
            if self.options.until_end {
                let marks = self.consumer.fetch_watermarks(topic, *number, ANSWER);
                partition.until = marks.ok().map(|(_, high)| high);
            }
            debug!(topic, number, "A partition was assigned.");
            self.partitions.push(partition);
        }
        if let Err(error) = assign(&self.consumer, &starts) {
            debug!(%error, "Partitions were not taken over.");
        }
        self.assigned |= !self.partitions.is_empty();
        if !self.partitions.is_empty() {
            self.waiting = match self.waiting.take() {
                Some(_) => {
                    warn!("Resumed.");
                    None
                }
                None => None,
            };
        }
        // What was paused before is paused no longer.
        if self.paused {
            self.pause();
        }
    }

    /// Whether a topic has several partitions.
    fn several(&self, topic: &str) -> bool {
        let known = self.consumer.fetch_metadata(Some(topic), ANSWER).ok();
        let known = known
            .as_ref()
            .and_then(|metadata| metadata.topics().first());
        known.is_some_and(|topic| topic.partitions().len() > 1)
    }

    /// Where reading begins; `None`: it is to stop.
    fn starts(&mut self, places: &TopicPartitionList) -> Option<TopicPartitionList> {
        loop {
            match self.found(places) {
                Ok(starts) => return Some(starts),
                Err(error) => {
                    self.trouble(&error);
                    std::thread::sleep(TICK);
                }
            }
            if self.station.stop().is_cancelled() {
                return None;
            }
        }
    }

    fn found(&self, places: &TopicPartitionList) -> Result<TopicPartitionList, KafkaError> {
        let committed = self.consumer.committed_offsets(places.clone(), ANSWER)?;
        let mut starts = TopicPartitionList::new();
        for element in committed.elements() {
            let (topic, number) = (element.topic(), element.partition());
            let marks = || self.consumer.fetch_watermarks(topic, number, ANSWER);
            let offset = match (element.offset(), self.topics.from) {
                (Offset::Offset(committed), _) => committed,
                (_, From::Earliest) => marks()?.0,
                (_, From::Latest) => marks()?.1,
                (_, From::Time(ms)) => {
                    let mut times = TopicPartitionList::new();
                    times.add_partition_offset(topic, number, Offset::Offset(ms))?;
                    let found = self.consumer.offsets_for_times(times, ANSWER)?;
                    match found.elements().first().map(|element| element.offset()) {
                        Some(Offset::Offset(offset)) => offset,
                        _ => marks()?.1,
                    }
                }
            };
            starts.add_partition_offset(topic, number, Offset::Offset(offset))?;
        }
        Ok(starts)
    }

    /// Partitions are to be given back: their texts end, and what is answered is committed.
    fn give_back(&mut self, places: &[Place]) {
        let (mut gone, stay) = std::mem::take(&mut self.partitions)
            .into_iter()
            .partition(|partition: &Partition| places.contains(&partition.place));
        self.partitions = stay;
        self.last = 0;
        self.settle(&mut gone, End::Left, true);
        if !self.consumer.assignment_lost() {
            self.commit(&mut gone, CommitMode::Sync);
        }
        debug!(partitions = gone.len(), "Partitions were given back.");
        self.leave(gone);
        let mut list = TopicPartitionList::new();
        for (topic, number) in places {
            list.add_partition(topic, *number);
        }
        if let Err(error) = unassign(&self.consumer, &list) {
            debug!(%error, "Partitions were not given back.");
        }
    }

    /// Ends the texts of partitions, and waits for the answers for what was handed on: at most for
    /// the drain time-out, which begins now if they are `revoked`, else with a stop.
    fn settle(&mut self, partitions: &mut [Partition], end: End, revoked: bool) {
        let mut texts = Vec::new();
        for text in partitions.iter_mut().flat_map(|p| &mut p.texts) {
            if text.is_open() {
                text.end(end);
            }
            texts.push(&*text);
        }
        let station = &self.station;
        let limit = async {
            if revoked {
                return tokio::time::sleep(station.drain_timeout()).await;
            }
            station.stop().cancelled().await;
            tokio::time::sleep_until(station.deadline()).await;
        };
        let settled = async {
            while !texts.iter().all(|text| text.is_over()) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            join_all(texts.iter().map(|text| text.acks.settled())).await;
        };
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = settled => {}
                () = limit => debug!("Not all was answered in time."),
            }
        });
    }

    /// Forgets partitions; the tasks of their texts end by themselves.
    fn leave(&mut self, gone: Vec<Partition>) {
        let texts = gone.into_iter().flat_map(|partition| partition.texts);
        self.leaving.extend(texts.filter_map(|text| text.task));
        self.reap();
    }

    /// Commits what is answered, where that is more than before.
    fn commit(&self, partitions: &mut [Partition], mode: CommitMode) {
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            let Some(answered) = partition.answered() else {
                continue;
            };
            if partition.committed.is_some_and(|before| before >= answered) {
                continue;
            }
            partition.committed = Some(answered);
            let (topic, number) = &partition.place;
            if let Err(error) = list.add_partition_offset(topic, *number, Offset::Offset(answered))
            {
                debug!(%error, "An offset cannot be committed.");
            }
        }
        if list.count() == 0 {
            return;
        }
        match self.consumer.commit(&list, mode) {
            Err(error) if matches!(mode, CommitMode::Sync) => {
                warn!(%error, "The last offsets were not committed: their messages are read again.");
            }
            Err(error) => debug!(%error, "Offsets were not committed."),
            Ok(()) => {}
        }
    }

    /// Once a second: what has ended, what is answered, how far the brokers are ahead.
    fn look(&mut self) {
        self.reap();
        let mut partitions = std::mem::take(&mut self.partitions);
        self.commit(&mut partitions, CommitMode::Async);
        self.partitions = partitions;
        self.options.lag.set(self.lag());
        let broken = self.partitions.iter().flat_map(|p| &p.texts);
        let broken = broken.filter_map(|text| text.acks.broken()).next();
        if let Some(why) = broken
            && !self.station.stop().is_cancelled()
        {
            self.fail(Error::Unanswered { why });
        }
        for at in 0..self.partitions.len() {
            let runtime = self.runtime.clone();
            let mut ended = false;
            for text in &mut self.partitions[at].texts {
                if text.is_open() && text.used.elapsed() >= IDLE {
                    ended |= text.retire(&runtime);
                }
            }
            let partition = &mut self.partitions[at];
            if ended {
                partition.index();
            }
            partition.remove(|text| match text.refused {
                // Another tcpdump may write by now.
                true => text.used.elapsed() >= IDLE,
                false => text.task.is_none() && !text.is_open() && text.unanswered().is_none(),
            });
        }
        if let Some(waiting) = &mut self.waiting
            && waiting.1.elapsed() >= REMIND
        {
            waiting.1 = Instant::now();
            warn!("Waiting: {}", waiting.0);
        }
    }

    /// Makes room for one more text.
    fn make_room(&mut self) {
        let texts = || {
            self.partitions
                .iter()
                .flat_map(|partition| &partition.texts)
        };
        if texts().filter(|text| text.is_open()).count() < MAX_TEXTS {
            return;
        }
        let mut used: Vec<Instant> = texts()
            .filter(|text| text.is_open())
            .map(|text| text.used)
            .collect();
        used.sort_unstable();
        // A tenth of them at once: finding them takes time.
        let limit = used[used.len() / 10];
        for partition in &mut self.partitions {
            for text in &mut partition.texts {
                if text.is_open() && text.used <= limit {
                    text.retire(&self.runtime);
                }
            }
            partition.index();
        }
    }

    /// Collects the figures of tasks that have ended.
    fn reap(&mut self) {
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
    fn lag(&self) -> i64 {
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

    /// Whether all that was in the topics at the start is handed on.
    fn is_at_end(&self) -> bool {
        let ended = |partition: &Partition| {
            partition.ended
                || partition
                    .until
                    .is_some_and(|until| partition.next >= Some(until))
        };
        self.assigned && self.since.is_none() && self.partitions.iter().all(ended)
    }

    /// Looks at an error of the consumer.
    fn trouble(&mut self, error: &KafkaError) {
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
                let reason = if reason.is_empty() {
                    error.to_string()
                } else {
                    reason
                };
                let topics = self.topics.to_string();
                self.fail(Error::Topics { topics, reason });
            }
            Some(Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition) => {
                self.wait(format!(
                    "{} does not exist yet; create it, or correct its name",
                    topics(&self.topics.names)
                ));
            }
            Some(Code::AllBrokersDown) => self.wait(format!(
                "no broker of {} answers ({reason})",
                self.topics.cluster.name()
            )),
            Some(Code::PollExceeded) => {
                warn!(
                    "The group took this consumer for dead, because the sinks were full for too long."
                );
            }
            _ => {}
        }
    }

    /// Reports what is waited for, once.
    fn wait(&mut self, what: String) {
        let said = self.waiting.as_ref();
        if said.is_none_or(|(said, _)| *said != what) {
            warn!("Waiting: {what}");
            self.waiting = Some((what, Instant::now()));
        }
    }

    fn fail(&mut self, error: Error) {
        self.consumed.error.get_or_insert(error);
        self.station.stop().cancel();
    }

    /// Ends all texts, commits what is answered, and leaves the group.
    fn finish(mut self) -> Consumed {
        let stopped = self.station.stop().is_cancelled();
        if !stopped {
            while !self.hand_on() && !self.station.stop().is_cancelled() {
                std::thread::sleep(LINGER);
            }
        }
        let mut partitions = std::mem::take(&mut self.partitions);
        let end = if stopped { End::Left } else { End::Flushed };
        self.settle(&mut partitions, end, false);
        let broken = partitions.iter().flat_map(|p| &p.texts);
        let broken = broken.filter_map(|text| text.acks.broken()).next();
        if let Some(why) = broken
            && !stopped
        {
            self.fail(Error::Unanswered { why });
        }
        self.partitions = partitions;
        self.reap();
        self.consumed.lag = u64::try_from(self.lag()).ok();
        let mut partitions = std::mem::take(&mut self.partitions);
        self.leaving.extend(
            partitions
                .iter_mut()
                .flat_map(|p| &mut p.texts)
                .filter_map(|text| text.task.take()),
        );
        // While no broker answers, leaving takes long; nobody need wait for it.
        let (left, leaving) = std::sync::mpsc::channel::<()>();
        let consumed = std::mem::take(&mut self.consumed);
        let leave = move || {
            self.commit(&mut partitions, CommitMode::Sync);
            self.consumer.context().close();
            drop(self);
            drop(left);
        };
        match std::thread::Builder::new()
            .name("leaving".to_owned())
            .spawn(leave)
        {
            Ok(_) => drop(leaving.recv_timeout(LEAVING)),
            Err(error) => warn!(%error, "The group was not left in order."),
        }
        consumed
    }
}

/// `topic a`, `one of the topics a, b`.
fn topics(names: &[String]) -> String {
    match names {
        [name] => format!("topic {name}"),
        names => format!("one of the topics {}", names.join(", ")),
    }
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

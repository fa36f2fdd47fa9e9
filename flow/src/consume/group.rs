//! Partitions come and go, and what is answered is committed.

use std::collections::HashMap;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use futures_util::future::join_all;
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};
use tokio::time::timeout;
use tracing::{debug, warn};

use super::Consumed;
use super::context::{ANSWER, Place, assign, partitions, unassign};
use super::partition::Partition;
use super::reading::{LINGER, Reading, TICK, created_anew};
use super::topics::From;
use crate::run::messages::End;

/// How long leaving the group may take; the brokers notice by themselves later.
const LEAVING: Duration = Duration::from_secs(5);

/// How long answers are waited for without a poll.
const SLICE: Duration = Duration::from_secs(1);

impl Reading {
    /// Partitions were assigned.
    pub(super) fn take_over(&mut self, places: Vec<Place>) {
        let mut starts = TopicPartitionList::new();
        for (topic, number) in &places {
            starts.add_partition(topic, *number);
        }
        match self.starts(&starts) {
            Some(found) => starts = found,
            None => return,
        }
        // What was ours before, and is given to us again, begins again.
        let (again, others) = std::mem::take(&mut self.partitions)
            .into_iter()
            .partition(|partition: &Partition| places.contains(&partition.place));
        self.partitions = others;
        self.leave(again);
        let mut several = HashMap::new();
        for (topic, _) in &places {
            if !several.contains_key(topic) {
                several.insert(topic.clone(), self.several(topic));
            }
        }
        for place in places {
            let mut partition = Partition::new(place);
            let (topic, number) = &partition.place;
            partition.several = several[topic];
            if let Some(element) = starts.find_partition(topic, *number)
                && let Offset::Offset(offset) = element.offset()
            {
                partition.next = Some(offset);
            }
            debug!(topic, number, "A partition was assigned.");
            self.partitions.push(partition);
        }
        if let Err(error) = assign(&self.consumer, &starts) {
            debug!(%error, "Partitions were not taken over.");
        }
        self.find_ends();
        // A topic that is missing stays so.
        if !self.partitions.is_empty() && self.waiting.take_if(|waiting| waiting.brokers).is_some()
        {
            warn!("Resumed.");
        }
        // What was paused before is paused no longer.
        if self.paused {
            self.pause();
        }
    }

    /// Whether a topic has several partitions.
    fn several(&self, topic: &str) -> bool {
        partitions(&self.consumer, topic).is_some_and(|known| known.len() > 1)
    }

    /// Where reading begins; `None`: it is to stop.
    fn starts(&mut self, places: &TopicPartitionList) -> Option<TopicPartitionList> {
        loop {
            match self.found(places) {
                Ok(starts) => return Some(starts),
                Err(error) => {
                    self.trouble(&error);
                    self.wait(
                        format!("the brokers do not say where to begin: {error}"),
                        true,
                    );
                    std::thread::sleep(TICK);
                }
            }
            if self.station.stop().is_cancelled() {
                return None;
            }
        }
    }

    fn found(&mut self, places: &TopicPartitionList) -> Result<TopicPartitionList, KafkaError> {
        let committed = self.consumer.committed_offsets(places.clone(), ANSWER)?;
        let mut starts = TopicPartitionList::new();
        let (mut deleted, mut anew) = (Vec::new(), Vec::new());
        for element in committed.elements() {
            element.error()?;
            let (topic, number) = (element.topic(), element.partition());
            let marks = || self.consumer.fetch_watermarks(topic, number, ANSWER);
            let offset = match (element.offset(), self.topics.from) {
                // Who cannot be asked now is asked by reading.
                (Offset::Offset(committed), _) => match marks() {
                    Ok((low, _)) if committed < low => {
                        deleted.push((topic.to_owned(), number, low - committed));
                        low
                    }
                    Ok((low, high)) if committed > high => {
                        anew.push((topic.to_owned(), number));
                        low
                    }
                    _ => committed,
                },
                (_, From::Earliest) if !self.options.until_end => {
                    starts.add_partition_offset(topic, number, Offset::Beginning)?;
                    continue;
                }
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
        for (topic, number, messages) in deleted {
            self.deleted(&topic, number, messages);
        }
        for (topic, partition) in anew {
            created_anew(&topic, partition);
        }
        Ok(starts)
    }

    /// Partitions are to be given back: their texts end, and what is answered is committed.
    pub(super) fn give_back(&mut self, places: &[Place]) {
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
        let ended = async {
            tokio::select! {
                biased;
                () = settled => {}
                () = limit => debug!("Not all was answered in time."),
            }
        };
        let mut ended = std::pin::pin!(ended);
        // A member that does not poll is thrown out of its group.
        while !self
            .runtime
            .block_on(async { timeout(SLICE, ended.as_mut()).await.is_ok() })
        {
            if !revoked {
                drop(self.consumer.poll(Duration::ZERO));
            }
        }
    }

    /// Forgets partitions; the tasks of their texts end by themselves.
    fn leave(&mut self, gone: Vec<Partition>) {
        let texts = gone.into_iter().flat_map(|partition| partition.texts);
        self.leaving.extend(texts.filter_map(|text| text.task));
        self.reap();
    }

    /// Commits what is answered, where that is more than before.
    pub(super) fn commit(&self, partitions: &mut [Partition], mode: CommitMode) {
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            let Some(answered) = partition.answered() else {
                continue;
            };
            // Whether the last commit has arrived is not known at the end.
            let known = partition
                .committed
                .filter(|_| matches!(mode, CommitMode::Async));
            if known.is_some_and(|before| before >= answered) {
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

    /// Ends all texts, commits what is answered, and leaves the group.
    pub(super) fn finish(mut self) -> Consumed {
        let stopped = self.station.stop().is_cancelled();
        if !stopped {
            while !self.hand_on() && !self.station.stop().is_cancelled() {
                std::thread::sleep(LINGER);
            }
        }
        // Nothing more is to come, but polling goes on.
        if !self.paused {
            self.pause();
        }
        let mut partitions = std::mem::take(&mut self.partitions);
        let end = if stopped { End::Left } else { End::Flushed };
        self.settle(&mut partitions, end, false);
        let broken = partitions.iter().flat_map(|p| &p.texts);
        let broken = broken.filter_map(|text| text.acks.broken()).next();
        if let Some(why) = broken
            && !stopped
        {
            self.unanswered(why);
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
        let (left, leaving) = mpsc::channel::<()>();
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
            Ok(_) if leaving.recv_timeout(LEAVING) == Err(RecvTimeoutError::Timeout) => {
                warn!("The last offsets may not be committed: their messages are then read again.");
            }
            Ok(_) => {}
            Err(error) => warn!(%error, "The group was not left in order."),
        }
        consumed
    }
}

//! One write: each of its records is handed to librdkafka, and waited for.

use std::collections::VecDeque;

use dumpstream::Packets;
use rdkafka::error::RDKafkaErrorCode;

use super::answers::Failure;
use super::fault::{self, Fault};
use super::message::Messages;
use super::topic::Topic;
use crate::rejects::Rejects;
use crate::sink::Written;

/// A write on its way.
pub(super) struct Sending<'a> {
    topic: &'a mut Topic,
    messages: &'a mut Messages,
    rejects: &'a Rejects,
    rows: &'a [Packets],
    /// The place of the first record of each of `rows` in the write.
    starts: Vec<usize>,
    /// Records that have not been sent yet begin here.
    next: usize,
    count: usize,
    /// Records that came back, in their order: they go before those that are next.
    again: VecDeque<usize>,
    /// Records of refused batches: each is sent alone, so that only the guilty are rejected.
    suspects: VecDeque<usize>,
    rejected: usize,
}

impl<'a> Sending<'a> {
    pub(super) fn new(
        topic: &'a mut Topic,
        messages: &'a mut Messages,
        rejects: &'a Rejects,
        rows: &'a [Packets],
    ) -> Sending<'a> {
        let mut count = 0;
        let starts = rows.iter().map(|packets| {
            count += packets.len();
            count - packets.len()
        });
        Sending {
            starts: starts.collect(),
            topic,
            messages,
            rejects,
            rows,
            next: 0,
            count,
            again: VecDeque::new(),
            suspects: VecDeque::new(),
            rejected: 0,
        }
    }

    /// Returns when every record is answered, or nobody waits for them any more.
    pub(super) fn run(mut self) -> Written {
        while self.next < self.count || !self.again.is_empty() || !self.suspects.is_empty() {
            if !self.topic.ready() {
                break;
            }
            let delivered = self.topic.answers().delivered();
            let alone = self.suspects.pop_front();
            match alone {
                Some(place) => drop(self.send(place)),
                None => self.feed(),
            }
            if !self.topic.settle() {
                break;
            }
            if self.topic.answers().delivered() > delivered {
                self.topic.goes_on();
            }
            self.take_back(alone.is_some());
        }
        let delivered = self.topic.answers().delivered();
        Written {
            delivered: delivered as u64,
            rejected: self.rejected as u64,
            dropped: (self.count - delivered - self.rejected) as u64,
            ..Written::default()
        }
    }

    /// Sends what there is, until something comes back.
    fn feed(&mut self) {
        while let Some(place) = self.again.pop_front() {
            if !self.send(place) {
                return;
            }
        }
        while self.next < self.count {
            let (batch, first) = self.at(self.next);
            let packets = &self.rows[batch];
            self.messages.of(packets);
            for index in first..packets.len() {
                let place = self.next;
                self.next += 1;
                if !self.hand_over(packets, index, place) {
                    return;
                }
            }
        }
    }

    /// Sends one; returns whether to go on.
    fn send(&mut self, place: usize) -> bool {
        let (batch, index) = self.at(place);
        let packets = &self.rows[batch];
        self.messages.of(packets);
        self.hand_over(packets, index, place)
    }

    fn hand_over(&mut self, packets: &Packets, index: usize, place: usize) -> bool {
        let message = self.messages.make(packets.packet(index), place);
        match self.topic.send(message) {
            Ok(()) => self.topic.room(),
            Err((error, _)) => {
                self.topic.answers().fails(place, &error);
                false
            }
        }
    }

    /// Which packet is at a place.
    fn at(&self, place: usize) -> (usize, usize) {
        // Empty batches begin where the next one does.
        let packets = self.starts.partition_point(|start| *start <= place) - 1;
        (packets, place - self.starts[packets])
    }

    /// Decides about those that came back; there was only one if it was sent `alone`.
    fn take_back(&mut self, alone: bool) {
        let failures = self.topic.answers().failures();
        let mut later: Option<RDKafkaErrorCode> = None;
        for Failure { place, code } in failures.into_iter().rev() {
            match fault::of(code) {
                Fault::Refused if alone => self.reject(place, code),
                Fault::Refused => self.suspects.push_front(place),
                Fault::Later if alone => self.suspects.push_front(place),
                Fault::Later => self.again.push_front(place),
            }
            if fault::of(code) == Fault::Later {
                later = Some(code);
            }
        }
        if let Some(code) = later {
            self.topic.fails(code);
        }
    }

    fn reject(&mut self, place: usize, code: RDKafkaErrorCode) {
        let (packets, index) = self.at(place);
        let packets = &self.rows[packets];
        let reason = fault::said(code);
        let record = packets.packet(index).record();
        self.rejects
            .refused_blocking(packets, index, self.topic.sink(), &reason);
        let kept = self.rejects.kept_anywhere();
        self.topic.refused(record, &reason, kept);
        self.rejected += 1;
    }
}

//! Text that came as messages: where each begins, and which places its records have.
//!
//! An ordinal is a function of the message alone, so that a message that is read again gives the
//! same rows: its own ordinal for the first record that begins in it, in the stream; and for the
//! further ones the same ordinal in the streams `STREAM+1`, `STREAM+2`, ….

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use dumpstream::framing::{Batch, CutKind, Style, complete};
use dumpstream::{Origin, Packets, Parser, Place, TimeSource};

/// One message of a text.
#[derive(Clone, Copy, Debug)]
pub struct Message {
    /// Where it begins in the text.
    pub at: u64,
    /// Its ordinal in the stream, from 1.
    pub record: u64,
    /// The last ordinal before it of a message of the same sensor in another text; 0: there is
    /// none.
    pub other: u64,
    /// When it was sent, in nanoseconds since 1970 UTC.
    pub arrival: i64,
    /// The time of its record, if it says so.
    pub time: Option<(i64, TimeSource)>,
}

/// How a text ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// What is not known to be a whole record is left: it is read again from its head.
    Left,
    /// Nothing more was there: the last record counts if it is complete.
    Flushed,
    /// The text was cut here.
    Cut,
}

/// The messages of a text, which whoever reads it adds to and takes from.
#[derive(Debug, Default)]
pub struct Messages {
    known: Mutex<VecDeque<Message>>,
    end: AtomicU8,
    /// Its lines may be spread over several texts.
    spread: AtomicBool,
    /// Whether the numbers of `-#` are those of one tcpdump.
    pub(crate) numbered: bool,
}

impl Messages {
    /// Without any; `numbered`: the numbers of `-#` are those of one tcpdump.
    pub fn new(numbered: bool) -> Messages {
        Messages {
            numbered,
            ..Messages::default()
        }
    }

    /// Adds those of text that is about to be read.
    pub fn add(&self, messages: &mut Vec<Message>) {
        self.lock().extend(messages.drain(..));
    }

    /// Forgets those that end before this byte. Returns the one that holds it.
    #[cfg(feature = "kafka")]
    pub(crate) fn forget(&self, answered: u64) -> Option<Message> {
        let mut known = self.lock();
        while known.get(1).is_some_and(|next| next.at <= answered) {
            known.pop_front();
        }
        known.front().copied()
    }

    /// Sets how the text ends; before its end is sent.
    #[cfg(feature = "kafka")]
    pub(crate) fn ends(&self, end: End) {
        self.end.store(end as u8, Ordering::Release);
    }

    pub(crate) fn end(&self) -> End {
        match self.end.load(Ordering::Acquire) {
            end if end == End::Cut as u8 => End::Cut,
            end if end == End::Flushed as u8 => End::Flushed,
            _ => End::Left,
        }
    }

    /// Declares that lines of one record may have come in several texts.
    #[cfg(feature = "kafka")]
    pub(crate) fn spreads(&self) {
        self.spread.store(true, Ordering::Relaxed);
    }

    /// How many records of these lack lines that went elsewhere: a header without its endpoints.
    pub(crate) fn torn(&self, packets: &Packets) -> u64 {
        if !self.spread.load(Ordering::Relaxed) {
            return 0;
        }
        let torn = packets
            .iter()
            .filter(|packet| !packet.truncated() && !complete(packet.raw()));
        torn.count() as u64
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Message>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives the records of one text their places.
#[derive(Debug)]
pub struct Placing {
    /// As it was given, without a record.
    origin: Origin,
    stream: String,
    /// Of the stream, of `STREAM+1`, ….
    streams: Vec<Stream>,
    /// The message in which the last record began, and how many began in it before.
    last: (u64, usize),
}

#[derive(Debug)]
struct Stream {
    origin: Origin,
    /// The last record.
    last: u64,
}

impl Placing {
    /// Into this stream; `origin` says the sensor and the zone.
    pub fn new(origin: Origin, stream: &str) -> Placing {
        Placing {
            origin,
            stream: stream.to_owned(),
            streams: Vec::new(),
            last: (0, 0),
        }
    }

    /// Places packets. They are several batches, one a stream, if messages have several records.
    pub fn place(
        &mut self,
        messages: &Messages,
        (mut packets, style): (Packets, Style),
        parser: &Parser,
    ) -> Vec<Packets> {
        let (places, streams) = self.places(messages, &packets);
        if streams.iter().all(|stream| *stream == 0) {
            self.stream(0).place_each(&mut packets, &places);
            return vec![packets];
        }
        let most = streams.iter().copied().max().unwrap_or(0);
        let of = |stream: usize| {
            let rows = streams.iter().enumerate();
            let rows = rows.filter(move |(_, s)| **s == stream);
            rows.map(|(row, _)| row).collect::<Vec<_>>()
        };
        let mut parts = Vec::new();
        for stream in 0..=most {
            let rows = of(stream);
            let Some(last) = rows.last() else { continue };
            let text: Vec<u8> = rows
                .iter()
                .flat_map(|row| packets.packet(*row).raw())
                .copied()
                .collect();
            let kind = match packets.packet(*last).truncated() {
                true => CutKind::Truncated,
                false => CutKind::Records,
            };
            let mut part = parser.parse(Batch::new(text, style).cut(kind));
            let places: Vec<Place> = rows.iter().map(|row| places[*row]).collect();
            self.stream(stream).place_each(&mut part, &places);
            parts.push(part);
        }
        parts
    }

    fn stream(&mut self, index: usize) -> &mut Origin {
        while self.streams.len() <= index {
            let name = match self.streams.len() {
                0 => self.stream.clone(),
                n => format!("{}+{n}", self.stream),
            };
            self.streams.push(Stream {
                origin: self.origin.clone().stream(name),
                last: 0,
            });
        }
        &mut self.streams[index].origin
    }

    /// The place of each record, and in which stream.
    fn places(&mut self, messages: &Messages, packets: &Packets) -> (Vec<Place>, Vec<usize>) {
        let known = messages.lock();
        let mut places = Vec::with_capacity(packets.len());
        let mut streams = Vec::with_capacity(packets.len());
        let mut at = None;
        for packet in packets.iter() {
            let offset = packet.offset().unwrap_or_default();
            let mut index = match at {
                Some(index) => index,
                None => known.partition_point(|message| message.at <= offset) - 1,
            };
            while known.get(index + 1).is_some_and(|next| next.at <= offset) {
                index += 1;
            }
            at = Some(index);
            let message = known[index];
            self.last = match self.last {
                (record, before) if record == message.record => (record, before + 1),
                _ => (message.record, 0),
            };
            let (record, stream) = self.last;
            self.stream(stream);
            let last = &mut self.streams[stream].last;
            // Where another text of the sensor has messages in between, they may be records.
            let follows = match *last {
                0 => record - 1,
                // Or it comes again, or the rows of a table are in no order.
                last if message.other > last || last >= record => record - 1,
                last => last,
            };
            *last = record;
            places.push(Place {
                record,
                follows,
                arrival: message.arrival,
                time: message.time,
            });
            streams.push(stream);
        }
        (places, streams)
    }
}

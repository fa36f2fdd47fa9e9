//! The first noun of a program: any [`io::Read`] as parsed and placed packets.

use std::collections::VecDeque;
use std::fmt;
use std::io;

use crate::ascii::AsciiGuard;
use crate::batches::Batches;
use crate::framer::Skipped;
use crate::message::Messages;
use crate::origin::Origin;
use crate::packet::Packets;
use crate::parser::Parser;

/// Bytes of text that are held back at most while it is not known whether this is the text of
/// `tcpdump -A`: the guard needs eight IP packets to tell, and other records may stand between them.
const MOST_HELD: usize = 1 << 20;

/// Reads tcpdump's text to its end: an iterator of [`Packets`], parsed, with their ordinals, times
/// and offsets.
///
/// The busiest senders of a dump:
///
/// ```no_run
#[doc = include_str!("../examples/talkers.rs")]
/// ```
///
/// Without more it finds the built-in fields, takes the zone for UTC and a stamp without a date for
/// one of 1970; [`Reader::parser`] and [`Reader::origin`] say otherwise:
///
/// ```
/// use dumpstream::{Namespace, Origin, Parser, Reader};
/// let text = "22:13:20.123456 ARP, Request who-has 10.0.0.1 tell 10.0.0.2, length 28\n";
/// let mut reader = Reader::new(text.as_bytes())
///     .parser(Parser::new(Namespace::tcpdump().keep_payload())?)
///     .origin(Origin::new("sensor-1").date(dumpstream::jiff::civil::date(2026, 11, 24)));
/// let packets = reader.next().expect("there is a record")?;
/// let packet = packets.packet(0);
/// assert_eq!(packet.get("time").expect("always").to_string(), "2026-11-24T22:13:20.123456Z");
/// assert_eq!((packet.sensor(), packet.record()), ("sensor-1", 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The first packets are held back (up to 1 MiB of text) until it is known that this is not the text
/// of `tcpdump -A`, in which a packet can forge any record. What is read before an error of the input
/// comes before the error.
#[derive(Debug)]
pub struct Reader<R> {
    batches: Batches<R>,
    /// Compiled when it is needed: most who have one of their own never need the built-in one.
    parser: Option<Parser>,
    origin: Origin,
    guard: AsciiGuard,
    /// Parsed, not yet placed.
    held: VecDeque<Packets>,
    /// What is held may go.
    released: bool,
    /// The input, or what of it may be believed, has ended.
    ended: bool,
    /// Why the input ended early.
    failed: Option<io::Error>,
    /// Messages that stood within records.
    messages: Messages,
}

impl<R: io::Read> Reader<R> {
    /// A reader at the beginning of an input. It reads much at a time: no `BufReader` is needed.
    pub fn new(input: R) -> Reader<R> {
        Reader {
            batches: Batches::new(input),
            parser: None,
            origin: Origin::new(""),
            guard: AsciiGuard::new(),
            held: VecDeque::new(),
            released: false,
            ended: false,
            failed: None,
            messages: Messages::default(),
        }
    }

    /// Parses with this parser; without it, with the built-in namespace.
    pub fn parser(mut self, parser: Parser) -> Reader<R> {
        self.parser = Some(parser);
        self
    }

    /// Says what is known of the input: its sensor, stream, date and zone.
    pub fn origin(mut self, origin: Origin) -> Reader<R> {
        self.origin = origin;
        self
    }

    /// Sets the longest record, in bytes; the default is
    /// [`DEFAULT_MAX_RECORD`](crate::limits::DEFAULT_MAX_RECORD). The rest of a longer one is
    /// skipped.
    pub fn max_record(mut self, bytes: usize) -> Reader<R> {
        self.batches = self.batches.max_record(bytes);
        self
    }

    /// The bytes that belonged to no record so far, by reason.
    pub fn skipped(&self) -> Skipped {
        let mut skipped = self.batches.skipped();
        skipped.messages += self.messages.bytes;
        skipped.unserved = skipped.unserved.saturating_add(self.messages.unserved);
        skipped
    }

    /// What may go now, in order.
    fn ready(&mut self) -> Option<Packets> {
        if !self.released {
            return None;
        }
        let Some(mut packets) = self.held.pop_front() else {
            self.released = false;
            return None;
        };
        self.origin.place(&mut packets);
        Some(packets)
    }

    fn refuse(&mut self) -> Option<Result<Packets, ReadError>> {
        self.held.clear();
        self.ended = true;
        self.failed = None;
        Some(Err(ReadError::AsciiText))
    }
}

impl<R: io::Read> Iterator for Reader<R> {
    type Item = Result<Packets, ReadError>;

    fn next(&mut self) -> Option<Result<Packets, ReadError>> {
        loop {
            if let Some(packets) = self.ready() {
                return Some(Ok(packets));
            }
            if self.ended {
                return self.failed.take().map(|error| Err(error.into()));
            }
            match self.batches.next() {
                Some(Ok(batch)) => {
                    let packets = self.parser.get_or_insert_default().parse(batch);
                    self.messages.add(packets.0.messages);
                    if self.guard.check(&packets) {
                        return self.refuse();
                    }
                    self.held.push_back(packets);
                    let held = || self.held.iter().map(Packets::bytes).sum::<usize>();
                    self.released = self.guard.decided() || held() >= MOST_HELD;
                }
                Some(Err(error)) => self.failed = Some(error),
                None => {
                    self.ended = true;
                    if self.guard.finish() {
                        return self.refuse();
                    }
                    self.released = true;
                }
            }
        }
    }
}

/// Why a [`Reader`] ended before its input did.
///
/// Its `Debug` is its text and its cause's, so that a `main` that returns it reports the remedy.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The input cannot be read.
    #[error("cannot read the input")]
    Io(#[from] io::Error),
    /// Packets can forge records in the text of `-A`.
    #[error(
        "this is the text of `tcpdump -A`, in which a packet can forge records; \
         print it again without -A"
    )]
    AsciiText,
}

impl fmt::Debug for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Io(cause) => write!(f, "{self}: {cause}"),
            ReadError::AsciiText => write!(f, "{self}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARP: &str = "22:13:20.123456 ARP, Request who-has 10.0.0.1 tell 10.0.0.2, length 28\n";

    #[test]
    fn packets_come_before_the_error() {
        struct Broken(Option<&'static [u8]>);
        impl io::Read for Broken {
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                let text = self.0.take().ok_or_else(|| io::Error::other("broken"))?;
                buf[..text.len()].copy_from_slice(text);
                Ok(text.len())
            }
        }
        let mut reader = Reader::new(Broken(Some(ARP.as_bytes())));
        let packets = reader.next().expect("a batch").expect("packets first");
        assert_eq!(packets.packet(0).record(), 1);
        let error = reader
            .next()
            .expect("then the error")
            .expect_err("an error");
        let ReadError::Io(source) = error else {
            panic!("{error}");
        };
        assert_eq!(source.to_string(), "broken");
        assert!(reader.next().is_none());
    }

    #[test]
    fn text_of_a_is_refused_before_any_packet() {
        let text: String = (0..8)
            .map(|i| {
                format!(
                    "22:13:2{i}.123456 IP 127.0.0.1.5000 > 127.0.0.1.9999: UDP, length 50\n\
                     E..N....@.|...........'..:..xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n"
                )
            })
            .collect();
        // All of it, and too few to be sure before the end.
        for text in [text.as_str(), text.split_at(text.len() / 2).0] {
            let mut reader = Reader::new(text.as_bytes());
            assert!(matches!(reader.next(), Some(Err(ReadError::AsciiText))));
            assert!(reader.next().is_none());
        }
    }

    #[test]
    fn offsets_and_ordinals_go_on() {
        let text = format!("listening on eth0\n{}", ARP.repeat(5_000));
        let mut reader = Reader::new(text.as_bytes());
        let (mut count, mut batches) = (0, 0);
        for packets in &mut reader {
            batches += 1;
            for packet in &packets.expect("a slice can be read") {
                let offset = 18 + count * ARP.len();
                count += 1;
                assert_eq!(
                    (packet.record(), packet.offset()),
                    (count as u64, Some(offset as u64))
                );
            }
        }
        assert!(count == 5_000 && batches > 1);
        assert_eq!(reader.skipped().total(), 18);
    }

    #[test]
    fn what_is_not_ip_is_held_only_so_long() {
        // Nothing here tells the guard anything.
        let text = ARP.repeat(MOST_HELD * 2 / ARP.len());
        let mut reader = Reader::new(text.as_bytes());
        assert!(reader.next().is_some());
        assert!(!reader.ended && !reader.guard.decided());
    }
}

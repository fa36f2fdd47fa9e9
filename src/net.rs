//! The framer behind tokio-util's codecs: one record at a time, or all that a read brought.
//!
//! Neither has a data error: a `FramedRead` ends after an `Err`, and bad text must not end a
//! stream. What belongs to no record is skipped and counted by the framer.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio_util::codec::Decoder;

use crate::batch::Batch;
use crate::framer::{Cut, CutKind, Framer, Skipped};
use crate::grammar::{self, Keep, Parts, Piece, Slots};
use crate::head::Style;
use crate::message::without_messages;
use crate::part::Part;

/// Decodes [`Batch`]es: as many whole records as the buffer holds. What [`run`](crate::run()) uses.
#[derive(Clone, Debug, Default)]
pub struct BatchCodec {
    framer: Framer,
}

impl BatchCodec {
    /// Records as a new [`Framer`] cuts them.
    pub fn new() -> BatchCodec {
        BatchCodec::default()
    }

    /// The bytes that belonged to no record so far, by reason. The messages of tcpdump among the
    /// records are the parser's to find: [`Packets::messages`](crate::Packets::messages).
    pub fn skipped(&self) -> Skipped {
        self.framer.skipped()
    }

    /// After an idle time: the record that waits for its successor, if it is complete. Decode until
    /// there is `None` first.
    pub fn flush(&mut self, buf: &mut BytesMut) -> Option<Batch> {
        let cut = self.framer.flush(buf)?;
        self.batch(buf, cut)
    }

    fn next(&mut self, buf: &mut BytesMut, eof: bool) -> Option<Batch> {
        loop {
            let cut = self.framer.next_batch(buf, eof)?;
            if let Some(batch) = self.batch(buf, cut) {
                return Some(batch);
            }
        }
    }

    /// Takes the cut from the front; `None` when it was skipped.
    fn batch(&self, buf: &mut BytesMut, cut: Cut) -> Option<Batch> {
        let truncated = match cut.kind {
            CutKind::Records => false,
            CutKind::Truncated => true,
            CutKind::Skipped(_) => {
                buf.advance(cut.len);
                return None;
            }
        };
        // A copy of the exact length: the batch lives as long as a lane's queue, and must not hold
        // the read buffer with it.
        let bytes = buf[..cut.len].to_vec();
        buf.advance(cut.len);
        Some(Batch::new(bytes, self.framer.style()).truncated(truncated))
    }
}

impl From<Framer> for BatchCodec {
    fn from(framer: Framer) -> BatchCodec {
        BatchCodec { framer }
    }
}

impl Decoder for BatchCodec {
    type Item = Batch;
    type Error = io::Error;

    /// Never an `Err`.
    fn decode(&mut self, buf: &mut BytesMut) -> io::Result<Option<Batch>> {
        Ok(self.next(buf, false))
    }

    /// Never an `Err`: what is left is the last record, cut or whole.
    fn decode_eof(&mut self, buf: &mut BytesMut) -> io::Result<Option<Batch>> {
        Ok(self.next(buf, true))
    }
}

/// Decodes [`Record`]s: one packet's text at a time, as a program wants it that reads text and not
/// typed values.
///
/// ```
/// use dumpstream::RecordCodec;
/// use futures_util::StreamExt as _;
/// use tokio_util::codec::FramedRead;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let text = &b"00:00:00.000001 IP (tos 0x0, ttl 64, id 1, offset 0, flags [DF], proto UDP (17), \
///     length 29)\n    192.0.2.1.5000 > 192.0.2.2.53: UDP, length 1\n"[..];
/// let mut records = FramedRead::new(text, RecordCodec::new());
/// let record = records.next().await.expect("there is one")?;
/// assert!(record.head().ends_with(b"length 29) 192.0.2.1.5000 > 192.0.2.2.53: UDP, length 1"));
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
#[derive(Clone, Debug, Default)]
pub struct RecordCodec {
    framer: Framer,
    /// Bytes of tcpdump's own messages, which the framer leaves in.
    messages: u64,
}

impl RecordCodec {
    /// Records as a new [`Framer`] cuts them.
    pub fn new() -> RecordCodec {
        RecordCodec::default()
    }

    /// The bytes that belonged to no record so far, by reason.
    pub fn skipped(&self) -> Skipped {
        let mut skipped = self.framer.skipped();
        skipped.messages += self.messages;
        skipped
    }

    /// After an idle time: the record that waits for its successor, if it is complete. Decode until
    /// there is `None` first.
    pub fn flush(&mut self, buf: &mut BytesMut) -> Option<Record> {
        let cut = self.framer.flush(buf)?;
        self.record(buf, cut)
    }

    fn next(&mut self, buf: &mut BytesMut, eof: bool) -> Option<Record> {
        loop {
            let cut = self.framer.next(buf, eof)?;
            if let Some(record) = self.record(buf, cut) {
                return Some(record);
            }
        }
    }

    fn record(&mut self, buf: &mut BytesMut, cut: Cut) -> Option<Record> {
        if let CutKind::Skipped(_) = cut.kind {
            buf.advance(cut.len);
            return None;
        }
        let text = &buf[..cut.len];
        let style = self.framer.style();
        let raw = match without_messages(text, &style) {
            Some((kept, removed)) => {
                self.messages += removed;
                kept.into()
            }
            None => Bytes::copy_from_slice(text),
        };
        buf.advance(cut.len);
        Some(Record::new(raw, &style, cut.kind == CutKind::Truncated))
    }
}

impl From<Framer> for RecordCodec {
    fn from(framer: Framer) -> RecordCodec {
        RecordCodec {
            framer,
            messages: 0,
        }
    }
}

impl Decoder for RecordCodec {
    type Item = Record;
    type Error = io::Error;

    /// Never an `Err`.
    fn decode(&mut self, buf: &mut BytesMut) -> io::Result<Option<Record>> {
        Ok(self.next(buf, false))
    }

    /// Never an `Err`: what is left is the last record, cut or whole.
    fn decode_eof(&mut self, buf: &mut BytesMut) -> io::Result<Option<Record>> {
        Ok(self.next(buf, true))
    }
}

/// One packet's text, without tcpdump's own messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// As it was printed.
    raw: Bytes,
    head: Bytes,
    /// Where in `raw` the lines begin that the head does not have.
    rest: usize,
    truncated: bool,
}

impl Record {
    fn new(raw: Bytes, style: &Style, truncated: bool) -> Record {
        let (mut parts, mut slots, mut wide) = (Parts::new(), Slots::new(), Vec::new());
        // Where the head ends is the grammar's to say, so that this head is the one that fields are
        // found in.
        let walked = grammar::record(
            &raw,
            0,
            style,
            Keep::default(),
            &mut parts,
            &mut slots,
            &mut wide,
        );
        debug_assert!(walked.is_ok(), "messages were taken out before");
        let payload = parts.pieces(Part::Payload).next();
        let rest = match payload {
            Some(Piece::Span(span)) => span.start as usize,
            _ => raw.len(),
        };
        let mut printed = lines(&raw[..rest]);
        let first = printed.next().unwrap_or_default();
        let head = match rest - first.len() {
            // The usual one-line head is shared, not copied.
            0..=2 => raw.slice(..first.len()),
            _ => {
                let mut joined = first.to_vec();
                for line in &mut printed {
                    joined.push(b' ');
                    joined.extend_from_slice(line.trim_ascii_start());
                }
                joined.into()
            }
        };
        drop(printed);
        Record {
            raw,
            head,
            rest,
            truncated,
        }
    }

    /// The text as it was printed, line feeds and all.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The head: the first line, and what belongs to it of the next, with one blank between them
    /// and no line feed.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// The other lines, without their line feeds: text of the payload, with all its blanks.
    pub fn lines(&self) -> impl Iterator<Item = &[u8]> {
        lines(&self.raw[self.rest..])
    }

    /// Whether it was cut: at the limit, or by the end of the input.
    pub fn truncated(&self) -> bool {
        self.truncated
    }
}

/// Lines without their line feeds, nor a carriage return before it.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').map(|line| {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        line.strip_suffix(b"\r").unwrap_or(line)
    })
}

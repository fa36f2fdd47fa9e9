//! The framer behind tokio-util's codecs: one record at a time, or all that a read brought.
//!
//! Neither has a data error: a `FramedRead` ends after an `Err`, and bad text must not end a
//! stream. What belongs to no record is skipped and counted by the framer.

use std::io;

use bytes::{Buf, BytesMut};
use tokio_util::codec::Decoder;

use crate::batch::Batch;
use crate::framer::{Cut, CutKind, Framer, Skipped};
use crate::record::Record;

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
        let text = buf[..cut.len].to_vec();
        buf.advance(cut.len);
        let record = Record::new(text, self.framer.style(), cut.kind);
        self.messages += record.messages();
        Some(record)
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

//! The framer behind tokio-util's codecs: one record at a time, or all records of a read.
//!
//! Neither codec returns a data error: a `FramedRead` ends after an `Err`, and bad text must not
//! end a stream. The framer skips and counts what belongs to no record.

use std::io;

use bytes::{Buf, BytesMut};
use dumpstream::framing::{Batch, Cut, CutKind, Framer, Record, Skipped, Style, Tail};
use tokio_util::codec::Decoder;

/// Decodes [`Batch`]es: as many whole records as the buffer holds. [`run`](crate::run()) uses this
/// codec.
#[derive(Clone, Debug, Default)]
pub struct BatchCodec {
    framer: Framer,
}

impl BatchCodec {
    /// Records as a new [`Framer`] cuts them.
    pub fn new() -> BatchCodec {
        BatchCodec::default()
    }

    /// The bytes that belonged to no record so far, by reason. Messages of tcpdump among the
    /// records are found by the parser: [`Packets::messages`](dumpstream::Packets::messages).
    pub fn skipped(&self) -> Skipped {
        self.framer.skipped()
    }

    /// The style of the heads, as far as it is known.
    pub(crate) fn style(&self) -> Style {
        self.framer.style()
    }

    /// Returns the last record after an idle time, if it is complete: it was waiting for its
    /// successor. Decode until there is `None` first.
    pub fn flush(&mut self, buf: &mut BytesMut) -> Option<Batch> {
        let cut = self.framer.flush(buf)?;
        self.batch(buf, cut)
    }

    fn next(&mut self, buf: &mut BytesMut, tail: Tail) -> Option<Batch> {
        loop {
            let cut = self.framer.next_batch(buf, tail)?;
            if let Some(batch) = self.batch(buf, cut) {
                return Some(batch);
            }
        }
    }

    /// Takes the cut from the front; `None` when it was skipped.
    fn batch(&self, buf: &mut BytesMut, cut: Cut) -> Option<Batch> {
        if let CutKind::Skipped(_) = cut.kind {
            buf.advance(cut.len);
            return None;
        }
        // A copy of the exact length: the batch lives as long as a lane's queue, and must not hold
        // the read buffer with it.
        let bytes = buf[..cut.len].to_vec();
        buf.advance(cut.len);
        Some(Batch::new(bytes, self.framer.style()).cut(cut.kind))
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

    /// Never returns an `Err`.
    fn decode(&mut self, buf: &mut BytesMut) -> io::Result<Option<Batch>> {
        Ok(self.next(buf, Tail::Open))
    }

    /// Never returns an `Err`: the rest is the last record, cut or whole.
    fn decode_eof(&mut self, buf: &mut BytesMut) -> io::Result<Option<Batch>> {
        Ok(self.next(buf, Tail::Final))
    }
}

/// Decodes [`Record`]s: the text of one packet at a time, for programs that want text rather than
/// typed values.
///
/// ```
/// use dumpstream_flow::RecordCodec;
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
    /// Messages among the records, which the framer does not remove.
    messages: Skipped,
}

impl RecordCodec {
    /// Records as a new [`Framer`] cuts them.
    pub fn new() -> RecordCodec {
        RecordCodec::default()
    }

    /// The bytes that belonged to no record so far, by reason.
    pub fn skipped(&self) -> Skipped {
        let mut skipped = self.framer.skipped();
        skipped.add(&self.messages);
        skipped
    }

    /// Returns the last record after an idle time, if it is complete: it was waiting for its
    /// successor. Decode until there is `None` first.
    pub fn flush(&mut self, buf: &mut BytesMut) -> Option<Record> {
        let cut = self.framer.flush(buf)?;
        self.record(buf, cut)
    }

    fn next(&mut self, buf: &mut BytesMut, tail: Tail) -> Option<Record> {
        loop {
            let cut = self.framer.next(buf, tail)?;
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
        self.messages.messages += record.messages();
        self.messages.unserved = self.messages.unserved.saturating_add(record.unserved());
        Some(record)
    }
}

impl From<Framer> for RecordCodec {
    fn from(framer: Framer) -> RecordCodec {
        RecordCodec {
            framer,
            messages: Skipped::default(),
        }
    }
}

impl Decoder for RecordCodec {
    type Item = Record;
    type Error = io::Error;

    /// Never returns an `Err`.
    fn decode(&mut self, buf: &mut BytesMut) -> io::Result<Option<Record>> {
        Ok(self.next(buf, Tail::Open))
    }

    /// Never returns an `Err`: the rest is the last record, cut or whole.
    fn decode_eof(&mut self, buf: &mut BytesMut) -> io::Result<Option<Record>> {
        Ok(self.next(buf, Tail::Final))
    }
}

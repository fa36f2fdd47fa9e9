//! The text of a replay in chunks, and when each record of them is due.

use std::io::{self, ErrorKind, Read};
use std::ops::Range;
use std::time::Duration;

use dumpstream::framing::{Batch, CutKind, Framer, Style, Tail};
use dumpstream::{FieldType, Namespace, Origin, Packet, Packets, Parser, TimeSource, Value};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use memchr::memmem;
use tracing::warn;

use super::Replay;
use super::schedule::Schedule;

/// Bytes per read.
const READ: usize = 128 << 10;

/// The field with the text of a stamp.
const STAMP: &str = "stamp";

/// A stretch of the text.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    pub(super) text: Vec<u8>,
    /// What it consists of, without gaps.
    pub(super) parts: Vec<Part>,
    /// Waits this long before its first byte.
    pub(super) pause: Duration,
    /// It ends a loop.
    pub(super) ends: bool,
}

/// A record, or bytes of no record.
#[derive(Debug)]
pub(super) struct Part {
    /// Where it ends in the chunk.
    pub(super) end: usize,
    pub(super) record: bool,
    /// `None`: as soon as possible.
    pub(super) due: Option<Duration>,
    /// Where the stamp of the record stands in the chunk; empty unless it is to be replaced.
    pub(super) stamp: Range<usize>,
}

/// Reads the text, loop after loop.
pub(super) struct Chunks<F, R> {
    open: F,
    source: Option<R>,
    framer: Framer,
    stamps: Option<Stamps>,
    schedule: Schedule,
    replay: Replay,
    /// Bytes that were read; those of the record that is not complete.
    buffer: Vec<u8>,
    /// The bytes of this loop so far.
    bytes: u64,
    loops: u64,
    records: u64,
    pause: Duration,
    failed: Option<io::Error>,
    ended: bool,
}

impl<F: FnMut() -> io::Result<R>, R: Read> Chunks<F, R> {
    pub(super) fn new(replay: &Replay, open: F) -> io::Result<Chunks<F, R>> {
        let schedule = Schedule::new(replay.pace, replay.max_gap, replay.loop_delay);
        let stamped = schedule.is_by_stamp() || replay.restamp.is_some();
        Ok(Chunks {
            open,
            source: None,
            framer: replay.framer.clone(),
            stamps: stamped.then(|| Stamps::new(replay)).transpose()?,
            schedule,
            replay: replay.clone(),
            buffer: Vec::new(),
            bytes: 0,
            loops: 0,
            records: 0,
            pause: Duration::ZERO,
            failed: None,
            ended: false,
        })
    }

    fn read(&mut self) -> io::Result<Chunk> {
        let source = match &mut self.source {
            Some(source) => source,
            None => self.source.insert((self.open)()?),
        };
        let old = self.buffer.len();
        self.buffer.resize(old + READ, 0);
        let read = loop {
            match source.read(&mut self.buffer[old..]) {
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        let len = *read.as_ref().unwrap_or(&0);
        self.buffer.truncate(old + len);
        self.bytes += len as u64;
        let tail = if len == 0 { Tail::Final } else { Tail::Open };
        let mut chunk = self.cut(tail);
        chunk.pause = std::mem::take(&mut self.pause);
        match read {
            _ if self.ended => {}
            // After what was read before it.
            Err(error) => self.failed = Some(error),
            Ok(0) => {
                chunk.ends = true;
                self.again();
            }
            Ok(_) => {}
        }
        Ok(chunk)
    }

    /// Cuts what is complete.
    fn cut(&mut self, tail: Tail) -> Chunk {
        let mut parts: Vec<Part> = Vec::new();
        // The records in a row whose stamps are yet to be read, and their style.
        let (mut row, mut style) = (0, Style::default());
        let mut at = 0;
        while !self.ended
            && let Some(cut) = self.framer.next(&self.buffer[at..], tail)
        {
            let record = !matches!(cut.kind, CutKind::Skipped(_));
            if !record || style != self.framer.style() {
                self.time(&mut parts, row, style);
                style = self.framer.style();
                row = parts.len() + usize::from(!record);
            }
            at += cut.len;
            parts.push(Part {
                end: at,
                record,
                due: None,
                stamp: 0..0,
            });
            if record {
                self.records += 1;
                self.ended = self.replay.limit.is_some_and(|n| self.records >= n);
            } else {
                let last = parts.len() - 1;
                parts[last].due = self.schedule.skipped(cut.len);
            }
        }
        self.time(&mut parts, row, style);
        let rest = self.buffer.split_off(at);
        Chunk {
            text: std::mem::replace(&mut self.buffer, rest),
            parts,
            ..Chunk::default()
        }
    }

    /// Says when the records of a row, which ends the parts, are due.
    fn time(&mut self, parts: &mut [Part], row: usize, style: Style) {
        let mut start = match row {
            0 => 0,
            row => parts[row - 1].end,
        };
        let Some(last) = parts.get(row..).and_then(<[Part]>::last) else {
            return;
        };
        let row_text = &self.buffer[start..last.end];
        let packets = self.stamps.as_mut().map(|s| s.read(row_text, style));
        let packet = |i| {
            packets
                .as_ref()
                .filter(|p| i < p.len())
                .map(|p| p.packet(i))
        };
        for (i, part) in parts[row..].iter_mut().enumerate() {
            let (packet, text) = (packet(i), &self.buffer[start..part.end]);
            part.due = self.schedule.record(packet.and_then(time), text.len());
            if self.replay.restamp.is_some()
                && let Some(Value::Text(stamp)) = packet.and_then(|p| p.get(STAMP))
                // What stands before the stamp has neither its colons nor its point.
                && let Some(at) = memmem::find(text, stamp)
            {
                part.stamp = start + at..start + at + stamp.len();
            }
            start = part.end;
        }
    }

    /// Begins the next loop, if there is one.
    fn again(&mut self) {
        self.loops += 1;
        // A text that has become empty would be looped over for ever.
        if self.replay.loops == self.loops || self.bytes == 0 {
            self.ended = true;
            return;
        }
        self.source = None;
        self.framer = self.replay.framer.clone();
        if let Some(stamps) = &mut self.stamps {
            stamps.origin = stamps.begin.clone();
        }
        self.pause = self.schedule.again();
        self.bytes = 0;
    }
}

impl<F: FnMut() -> io::Result<R>, R: Read> Iterator for Chunks<F, R> {
    type Item = io::Result<Chunk>;

    fn next(&mut self) -> Option<io::Result<Chunk>> {
        if let Some(error) = self.failed.take() {
            self.ended = true;
            return Some(Err(error));
        }
        if self.ended {
            return None;
        }
        let chunk = self.read();
        self.ended |= chunk.is_err();
        Some(chunk)
    }
}

/// Reads stamps.
struct Stamps {
    parser: Parser,
    /// At the beginning of a loop.
    begin: Origin,
    origin: Origin,
    warned: bool,
}

impl Stamps {
    fn new(replay: &Replay) -> io::Result<Stamps> {
        // A record's own instant is read whatever the fields are.
        let mut namespace = Namespace::tcpdump();
        namespace.fields.retain(|field| field.name == "time");
        if replay.restamp.is_some() {
            let [time] = &mut namespace.fields[..] else {
                return Err(io::Error::other("the namespace has no time"));
            };
            (time.name, time.kind) = (STAMP.to_owned(), FieldType::Text);
        }
        let parser = Parser::new(namespace).map_err(io::Error::other)?;
        // Any day and zone will do, because only differences count; UTC has no hour twice.
        let mut begin = Origin::new("replay")
            .zone(TimeZone::UTC)
            .date(Date::constant(2001, 1, 1));
        if let Some(form) = replay.stamp {
            begin = begin.stamp(form);
        }
        Ok(Stamps {
            parser,
            origin: begin.clone(),
            begin,
            warned: false,
        })
    }

    fn read(&mut self, text: &[u8], style: Style) -> Packets {
        let mut packets = self.parser.parse(Batch::new(text.to_vec(), style));
        self.origin.place(&mut packets);
        if self.origin.has_guessed() && !std::mem::replace(&mut self.warned, true) {
            warn!(
                "Relative time stamps are read as those of -ttt (since the previous packet); \
                 --stamp elapsed reads them as those of -ttttt."
            );
        }
        packets
    }
}

/// The time of a packet, in nanoseconds, if its record has a stamp.
fn time(packet: Packet<'_>) -> Option<i64> {
    let unstamped = matches!(
        packet.time_source(),
        TimeSource::Previous | TimeSource::Arrival
    );
    (!unstamped).then(|| packet.time())
}

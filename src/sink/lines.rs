//! A sink of text, a line a row, whatever a line looks like.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use super::output::Output;
use super::writer::{Abandoned, Store, Writer};
use super::{BoxFuture, Hangup, Sink, SinkError, Written};
use crate::packet::{Packet, Packets};

/// How much text is gathered before it is written: few system calls, and no more memory than that.
const CHUNK: usize = 256 << 10;

/// How a row is spelt.
pub(crate) trait Spell: Send + 'static {
    /// What was spelt and not yet written.
    fn text(&mut self) -> &mut Vec<u8>;
    /// The line that a file begins with.
    fn header(&mut self) {}
    /// One row and its line feed.
    fn row(&mut self, packet: Packet<'_>);
}

/// The sink: its thread writes what is spelt.
#[derive(Debug)]
pub(crate) struct TextSink {
    writer: Writer,
    written: Arc<AtomicU64>,
}

impl TextSink {
    pub(crate) fn new(
        url: &str,
        out: Output,
        spell: impl Spell,
        hangup: &Hangup,
    ) -> Result<TextSink, SinkError> {
        let abandoned = Abandoned::default();
        let written = Arc::new(AtomicU64::new(0));
        let mut lines = Lines {
            out,
            spell,
            rows: 0,
            ends: Vec::new(),
            written: Arc::clone(&written),
            abandoned: abandoned.clone(),
        };
        lines.spell.header();
        lines.out.continues(lines.spell.text())?;
        lines.begin();
        let writer = Writer::spawn(url, abandoned, lines)?;
        writer.reopens(hangup);
        Ok(TextSink { writer, written })
    }
}

impl Sink for TextSink {
    fn write<'a>(&'a self, rows: &'a [Packets]) -> BoxFuture<'a, Result<Written, SinkError>> {
        // The thread is at rest: there is one write at a time.
        self.written.store(0, Relaxed);
        Box::pin(self.writer.write(rows))
    }

    fn give_up(&self) -> u64 {
        self.writer.abandon();
        self.written.load(Relaxed)
    }

    fn close<'a>(&'a self) -> BoxFuture<'a, Result<(), SinkError>> {
        Box::pin(self.writer.close())
    }
}

struct Lines<S> {
    out: Output,
    spell: S,
    /// Rows of the present file, those not yet written too.
    rows: u64,
    /// Where each row ends that was spelt and not yet written.
    ends: Vec<usize>,
    /// Rows of this write that were written.
    written: Arc<AtomicU64>,
    abandoned: Abandoned,
}

impl<S: Spell> Lines<S> {
    /// The beginning of a file.
    fn begin(&mut self) {
        self.rows = 0;
        self.spell.text().clear();
        self.ends.clear();
        if self.out.is_new() {
            self.spell.header();
        }
    }

    /// Writes what was spelt, whole rows at a time; of a write that was given up, not all of it.
    fn put(&mut self) -> Result<(), SinkError> {
        let text = self.spell.text();
        let (mut start, mut row) = (0, 0);
        while start < text.len() && !self.abandoned.get() {
            let first = row;
            let mut end = start;
            while let Some(next) = self.ends.get(row) {
                if row > first && next - start > self.out.piece() {
                    break;
                }
                end = *next;
                row += 1;
            }
            if row == first {
                // A header alone.
                end = text.len();
            }
            if let Err((bytes, error)) = self.out.write(&text[start..end]) {
                // Rows that are there count, though the write as a whole failed.
                let ends = self.ends[first..row].iter().map(|end| end - start);
                let whole: Vec<usize> = ends.take_while(|end| *end <= bytes).collect();
                let last = whole.last().copied().unwrap_or(0);
                self.written.fetch_add(whole.len() as u64, Relaxed);
                self.out.take_back(bytes - last);
                return Err(error);
            }
            self.written.fetch_add((row - first) as u64, Relaxed);
            start = end;
        }
        text.clear();
        self.ends.clear();
        Ok(())
    }

    fn turn(&mut self) -> Result<(), SinkError> {
        self.put()?;
        self.out.turn()?;
        self.begin();
        Ok(())
    }

    /// A row, in this file or, where it is one too many for it, in the next.
    fn row(&mut self, packet: Packet<'_>) -> Result<(), SinkError> {
        let start = self.spell.text().len();
        self.spell.row(packet);
        let length = self.spell.text().len();
        if self.rows > 0 && !self.out.fits(length) {
            let row = self.spell.text().split_off(start);
            self.turn()?;
            self.spell.text().extend_from_slice(&row);
        }
        self.rows += 1;
        let end = self.spell.text().len();
        self.ends.push(end);
        if end >= CHUNK {
            self.put()?;
        }
        Ok(())
    }
}

impl<S: Spell> Store for Lines<S> {
    fn write(&mut self, rows: &[Packets]) -> Result<Written, SinkError> {
        self.tick()?;
        let given: u64 = rows.iter().map(|r| r.len() as u64).sum();
        for packet in rows.iter().flat_map(Packets::iter) {
            if self.abandoned.get() {
                break;
            }
            self.row(packet)?;
        }
        if self.rows > 0 || !self.out.discards_empty() {
            self.put()?;
        }
        self.out.flush()?;
        let delivered = self.written.load(Relaxed);
        Ok(Written {
            delivered,
            dropped: given - delivered,
            ..Written::default()
        })
    }

    fn due(&self) -> Option<Instant> {
        self.out.due()
    }

    fn tick(&mut self) -> Result<(), SinkError> {
        match self.out.due() {
            Some(due) if due <= Instant::now() => match self.rows {
                0 => self.out.stay(),
                _ => self.turn()?,
            },
            _ => {}
        }
        Ok(())
    }

    fn reopen(&mut self) -> Result<(), SinkError> {
        if self.out.discards_empty() {
            return match self.rows {
                0 => Ok(()),
                _ => self.turn(),
            };
        }
        self.put()?;
        self.out.flush()?;
        self.out.reopen()?;
        self.begin();
        Ok(())
    }

    fn close(mut self) -> Result<(), SinkError> {
        if self.rows > 0 || !self.out.discards_empty() {
            self.put()?;
        }
        self.out.flush()?;
        self.out.close(self.rows > 0)
    }
}

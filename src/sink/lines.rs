//! A sink of text, a line a row, whatever a line looks like.

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
}

impl TextSink {
    pub(crate) fn new(
        url: &str,
        out: Output,
        spell: impl Spell,
        hangup: &Hangup,
    ) -> Result<TextSink, SinkError> {
        let mut lines = Lines {
            out,
            spell,
            rows: 0,
        };
        lines.begin();
        let writer = Writer::spawn(url, Abandoned::default(), lines)?;
        writer.reopens(hangup);
        Ok(TextSink { writer })
    }
}

impl Sink for TextSink {
    fn write<'a>(&'a self, rows: &'a [Packets]) -> BoxFuture<'a, Result<Written, SinkError>> {
        Box::pin(self.writer.write(rows))
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
}

impl<S: Spell> Lines<S> {
    /// The beginning of a file.
    fn begin(&mut self) {
        self.rows = 0;
        self.spell.text().clear();
        if self.out.is_new() {
            self.spell.header();
        }
    }

    /// Writes what was spelt.
    fn put(&mut self) -> Result<(), SinkError> {
        let text = self.spell.text();
        if !text.is_empty() {
            self.out.write(text)?;
            text.clear();
        }
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
        if self.spell.text().len() >= CHUNK {
            self.put()?;
        }
        Ok(())
    }
}

impl<S: Spell> Store for Lines<S> {
    fn write(&mut self, rows: &[Packets]) -> Result<Written, SinkError> {
        self.tick()?;
        let mut delivered = 0;
        for packet in rows.iter().flat_map(Packets::iter) {
            self.row(packet)?;
            delivered += 1;
        }
        if self.rows > 0 || !self.out.discards_empty() {
            self.put()?;
        }
        self.out.flush()?;
        Ok(Written {
            delivered,
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

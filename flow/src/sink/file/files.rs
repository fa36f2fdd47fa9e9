//! Writes what a format makes, in the sink's thread. Trouble that may pass, such as a full disk or a
//! folder that is away, is waited for.

use std::time::Instant;

use dumpstream::{Packet, Packets};

use super::Format;
use super::output::Output;
use crate::sink::patience::{Abandoned, Patience};
use crate::sink::writer::{Course, Store};
use crate::sink::{SinkError, Written};

/// How many bytes are collected before they are written: few system calls, and bounded memory.
const CHUNK: usize = 256 << 10;

pub(super) struct Files<F> {
    out: Output,
    format: F,
    /// Rows of the current file, including those not yet written.
    rows: u64,
    /// Where each row ends that is not yet written.
    ends: Vec<usize>,
    /// Rows of the current write that are written.
    course: Course,
    abandoned: Abandoned,
    patience: Patience,
}

impl<F: Format> Files<F> {
    /// Begins with the current file of `out`; refuses one that has another beginning.
    pub(super) fn new(
        url: &str,
        out: Output,
        format: F,
        abandoned: &Abandoned,
    ) -> Result<Files<F>, SinkError> {
        let mut files = Files {
            out,
            format,
            rows: 0,
            ends: Vec::new(),
            course: Course::default(),
            abandoned: abandoned.clone(),
            patience: Patience::new(url, abandoned),
        };
        files.format.begin();
        files.out.continues(files.format.made())?;
        files.begin();
        Ok(files)
    }

    /// How far its writes have come.
    pub(super) fn course(&self) -> Course {
        self.course.clone()
    }

    /// The beginning of a file.
    fn begin(&mut self) {
        self.rows = 0;
        self.format.made().clear();
        self.ends.clear();
        if self.out.is_new() {
            self.format.begin();
        }
    }

    /// Repeats work that fails in a way that may pass, until it succeeds or nobody waits any more.
    /// Returns whether it has succeeded.
    fn patiently(
        &mut self,
        mut work: impl FnMut(&mut Output) -> Result<(), SinkError>,
    ) -> Result<bool, SinkError> {
        loop {
            match work(&mut self.out) {
                Ok(()) => {
                    self.patience.over();
                    return Ok(true);
                }
                Err(error) if !self.out.passes(&error) => return Err(error),
                Err(error) => {
                    if !self.patience.wait(&error) {
                        return Ok(false);
                    }
                }
            }
        }
    }

    /// Writes what was made, whole rows at a time; not everything if the write was given up.
    fn put(&mut self) -> Result<(), SinkError> {
        let (mut start, mut row) = (0, 0);
        while start < self.format.made().len() && !self.abandoned.get() {
            let text = self.format.made();
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
                // Only the beginning of the file.
                end = text.len();
            }
            let Err((bytes, error)) = self.out.write(&text[start..end]) else {
                self.course.add((row - first) as u64);
                self.patience.over();
                start = end;
                continue;
            };
            // Rows that are written count, though the write as a whole failed.
            let whole = self.ends[first..row].iter();
            let whole = whole.take_while(|end| **end <= start + bytes).count();
            let last = match whole {
                0 => start,
                _ => self.ends[first + whole - 1],
            };
            self.out.take_back(&text[last..start + bytes]);
            if whole > 0 {
                self.course.add(whole as u64);
            }
            (start, row) = (last, first + whole);
            if !self.out.passes(&error) {
                return Err(error);
            }
            self.patience.wait(&error);
        }
        self.format.made().clear();
        self.ends.clear();
        Ok(())
    }

    /// Finishes a file: writes what is left, and the end of the format, even if the write was given
    /// up. A file without content stays empty.
    fn finish(&mut self) -> Result<(), SinkError> {
        self.put()?;
        if self.out.is_new() {
            return Ok(());
        }
        self.format.finish();
        let end = std::mem::take(self.format.made());
        if end.is_empty() {
            return Ok(());
        }
        let mut rest = &end[..];
        self.patiently(|out| {
            let written = out.write(rest);
            rest = match &written {
                Ok(()) => &[],
                Err((bytes, _)) => &rest[*bytes..],
            };
            written.map_err(|(_, error)| error)
        })?;
        Ok(())
    }

    fn turn(&mut self) -> Result<(), SinkError> {
        self.finish()?;
        self.patiently(Output::turn)?;
        self.begin();
        Ok(())
    }

    /// Writes a row to this file, or to the next one if it does not fit.
    fn row(&mut self, packet: Packet<'_>) -> Result<(), SinkError> {
        let start = self.format.made().len();
        self.format.row(packet);
        let length = self.format.made().len();
        if self.rows > 0 && !self.out.fits(length) {
            let row = self.format.made().split_off(start);
            self.turn()?;
            self.format.made().extend_from_slice(&row);
        }
        self.rows += 1;
        let end = self.format.made().len();
        self.ends.push(end);
        if end >= CHUNK {
            self.put()?;
        }
        Ok(())
    }
}

impl<F: Format> Store for Files<F> {
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
        self.patiently(Output::flush)?;
        Ok(self.course.written(given))
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
        self.finish()?;
        self.out.flush()?;
        if self.patiently(Output::reopen)? {
            self.begin();
        }
        Ok(())
    }

    fn close(mut self) -> Result<(), SinkError> {
        if self.rows > 0 || !self.out.discards_empty() {
            self.finish()?;
        }
        self.out.flush()?;
        let rows = self.rows > 0;
        self.patiently(|out| out.close(rows))?;
        Ok(())
    }
}

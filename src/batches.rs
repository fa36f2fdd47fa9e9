//! The blocking shell of the core: any [`io::Read`] as batches.

use std::io;

use crate::batch::Batch;
use crate::framer::{CutKind, Framer, Skipped, Tail};

/// Bytes asked of the input at a time: large enough that system calls don't count, small enough
/// for a cache.
const READ: usize = 128 << 10;

/// Cuts an input into batches of whole records, to its end. It holds one record, or one read,
/// whichever is longer. A [`Reader`](crate::Reader) also parses and places them.
///
/// ```
/// use dumpstream::Parser;
/// use dumpstream::framing::Batches;
/// let text = "22:13:20.123456 ARP, Request who-has 10.0.0.1 tell 10.0.0.2, length 28\n";
/// let parser = Parser::default();
/// for batch in Batches::new(text.as_bytes()) {
///     for packet in &parser.parse(batch?) {
///         assert_eq!(packet.get("arp_op").and_then(|op| op.as_str()), Some("Request"));
///     }
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Batches<R> {
    input: R,
    framer: Framer,
    /// Room for what was read; its bytes count from `done` to `end`.
    buffer: Vec<u8>,
    /// What was given out of the buffer's front.
    done: usize,
    end: usize,
    eof: bool,
    /// Where in the input the next record begins.
    offset: u64,
}

impl<R: io::Read> Batches<R> {
    /// At the beginning of an input.
    pub fn new(input: R) -> Batches<R> {
        Batches {
            input,
            framer: Framer::new(),
            buffer: Vec::new(),
            done: 0,
            end: 0,
            eof: false,
            offset: 0,
        }
    }

    /// Sets the longest record, as [`Framer::max_record`] does; before the first is read.
    pub fn max_record(mut self, bytes: usize) -> Batches<R> {
        self.framer = self.framer.max_record(bytes);
        self
    }

    /// The bytes that belonged to no record so far.
    pub fn skipped(&self) -> Skipped {
        self.framer.skipped()
    }

    fn fill(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.done..self.end, 0);
        self.end -= self.done;
        self.done = 0;
        // Only new room is filled with zeros, so that small reads cost what they bring.
        if self.buffer.len() < self.end + READ {
            self.buffer.resize(self.end + READ, 0);
        }
        let read = loop {
            match self.input.read(&mut self.buffer[self.end..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        self.end += read;
        self.eof = read == 0;
        Ok(())
    }
}

impl<R: io::Read> Iterator for Batches<R> {
    type Item = io::Result<Batch>;

    fn next(&mut self) -> Option<io::Result<Batch>> {
        loop {
            let tail = match self.eof {
                true => Tail::Final,
                false => Tail::Open,
            };
            let rest = &self.buffer[self.done..self.end];
            let Some(cut) = self.framer.next_batch(rest, tail) else {
                if self.eof {
                    return None;
                }
                if let Err(error) = self.fill() {
                    // What was read so far is given out before the iteration ends.
                    self.eof = true;
                    return Some(Err(error));
                }
                continue;
            };
            let bytes = &rest[..cut.len];
            let offset = self.offset;
            self.done += cut.len;
            self.offset += cut.len as u64;
            match cut.kind {
                CutKind::Skipped(_) => {}
                kind => {
                    let batch = Batch::new(bytes.to_vec(), self.framer.style());
                    return Some(Ok(batch.cut(kind).at(offset)));
                }
            }
        }
    }
}

//! The blocking shell of the core: any [`io::Read`] as batches.

use std::io;

use crate::batch::Batch;
use crate::framer::{CutKind, Framer, Skipped};

/// Bytes asked of the input at a time: large enough that system calls don't count, small enough
/// for a cache.
const READ: usize = 128 << 10;

/// Reads an input to its end, batch by batch. It holds one record, or one read, whichever is
/// longer.
///
/// ```
/// use dumpstream::{Namespace, Parser, Reader};
/// let text = "22:13:20.123456 ARP, Request who-has 10.0.0.1 tell 10.0.0.2, length 28\n";
/// let parser = Parser::new(Namespace::tcpdump())?;
/// for batch in Reader::new(text.as_bytes()) {
///     for packet in parser.parse(batch?).iter() {
///         assert_eq!(packet.get("arp_op").map(|v| v.to_string()).as_deref(), Some("Request"));
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    framer: Framer,
    /// Room for what was read; its bytes count from `done` to `end`.
    buffer: Vec<u8>,
    /// What was given out of the buffer's front.
    done: usize,
    end: usize,
    eof: bool,
}

impl<R: io::Read> Reader<R> {
    /// A reader at the beginning of an input.
    pub fn new(input: R) -> Reader<R> {
        Reader::with_framer(input, Framer::new())
    }

    /// A reader with a framer of one's own settings.
    pub fn with_framer(input: R, framer: Framer) -> Reader<R> {
        Reader {
            input,
            framer,
            buffer: Vec::new(),
            done: 0,
            end: 0,
            eof: false,
        }
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

impl<R: io::Read> Iterator for Reader<R> {
    type Item = io::Result<Batch>;

    fn next(&mut self) -> Option<io::Result<Batch>> {
        loop {
            let Some(cut) = self
                .framer
                .next_batch(&self.buffer[self.done..self.end], self.eof)
            else {
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
            let bytes = &self.buffer[self.done..self.done + cut.len];
            self.done += cut.len;
            match cut.kind {
                CutKind::Skipped(_) => {}
                kind => {
                    let batch = Batch::new(bytes.to_vec(), self.framer.style());
                    return Some(Ok(batch.truncated(kind == CutKind::Truncated)));
                }
            }
        }
    }
}

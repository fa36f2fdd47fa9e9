//! Reads rejected records again; each keeps its own identity.

use std::io;

use dumpstream::framing::{Batch, CutKind, Framer, Tail};
use dumpstream::{Origin, Packets, Parser};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};
use tracing::warn;

use super::Error;
use super::placed::placed_into;
use crate::rejects::Reject;
use crate::station::Station;
use crate::summary::Summary;

/// Unreadable lines that are logged; further ones are only counted.
const SHOWN: u64 = 10;

/// Maximum size of a line besides the text of its record.
const REST: u64 = 64 << 10;

/// Reads a file of [`Rejects`](crate::Rejects) into all lanes. Every record keeps its sensor,
/// stream, ordinal and time, so a row that is already stored is not duplicated. Also returns how
/// many lines could not be read; the log says why. Records that still cannot be parsed go to the
/// station's rejects, which is another file.
///
/// The `origin` gives the time zone of stamps in columns other than `time`.
///
/// # Errors
/// Reading the file fails.
pub async fn again(
    file: impl AsyncBufRead + Unpin,
    origin: Origin,
    station: &Station,
) -> Result<(Summary, u64), Error> {
    let mut rejected = Rejected {
        file,
        // A byte of a record takes up to six characters of JSON.
        longest: 8 * station.max_record() as u64 + REST,
        parser: station.parser(),
        origin,
        line: Vec::new(),
        number: 0,
        wrong: 0,
    };
    let mut summary = Summary::of_one();
    let next = async || rejected.next().await;
    match placed_into(&mut summary, next, station).await {
        Ok(()) => Ok((summary, rejected.wrong)),
        Err(source) => Err(Error::Read {
            source,
            summary: Box::new(summary),
        }),
    }
}

/// A file of rejects, being read.
struct Rejected<'a, R> {
    file: R,
    /// The most bytes of a line.
    longest: u64,
    parser: &'a Parser,
    origin: Origin,
    line: Vec<u8>,
    /// Lines so far, and how many of them could not be read.
    number: u64,
    wrong: u64,
}

impl<R: AsyncBufRead + Unpin> Rejected<'_, R> {
    /// The record of the next readable line, as it was placed.
    async fn next(&mut self) -> io::Result<Option<Packets>> {
        loop {
            self.line.clear();
            let mut limited = (&mut self.file).take(self.longest);
            if limited.read_until(b'\n', &mut self.line).await? == 0 {
                return Ok(None);
            }
            self.number += 1;
            if self.line.trim_ascii().is_empty() {
                continue;
            }
            match self.record() {
                Ok(packets) => return Ok(Some(packets)),
                Err(reason) => {
                    self.wrong += 1;
                    if self.wrong <= SHOWN {
                        warn!(
                            line = self.number,
                            reason, "A line is not a rejected record."
                        );
                    }
                }
            }
        }
    }

    fn record(&mut self) -> Result<Packets, String> {
        let reject = Reject::read(&self.line)?;
        let mut framer = Framer::new();
        framer.next(&reject.raw, Tail::Final);
        let kind = match reject.truncated {
            true => CutKind::Truncated,
            false => CutKind::Records,
        };
        let batch = Batch::new(reject.raw, framer.style()).cut(kind);
        let mut packets = self.parser.parse(batch);
        if packets.len() != 1 {
            return Err(format!(
                "its raw text has {} records instead of one",
                packets.len()
            ));
        }
        self.origin.restore(
            &mut packets,
            (&reject.sensor, &reject.stream),
            reject.record,
            (reject.time, reject.source),
            reject.content,
        );
        Ok(packets)
    }
}

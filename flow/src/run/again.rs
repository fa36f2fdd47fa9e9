//! Rejected records, read again: each lands under its own identity.

use std::io;

use dumpstream::framing::{Batch, CutKind, Framer, Tail};
use dumpstream::{Origin, Packets, Parser};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};
use tracing::warn;

use super::Error;
use super::relay::relay_into;
use crate::rejects::Reject;
use crate::station::Station;
use crate::summary::Summary;

/// Lines that cannot be read which are shown; the others are counted.
const SHOWN: u64 = 10;

/// What a line has beside its record's text at most.
const REST: u64 = 64 << 10;

/// Reads the file of [`Rejects`](crate::Rejects) to all lanes. Every record keeps the sensor, the
/// stream, the ordinal and the time that it had: where it is stored already nothing is doubled.
/// Returns also how many lines could not be read; the log says why. What
/// is still unparsed goes to the station's rejects, another file.
///
/// The `origin` says in which zone the stamps of columns beside `time` are.
///
/// # Errors
/// When the file cannot be read on.
pub async fn again(
    file: impl AsyncBufRead + Unpin,
    origin: Origin,
    station: &Station,
) -> Result<(Summary, u64), Error> {
    let mut rejected = Rejected {
        file,
        // A byte of a record is up to six characters of JSON.
        longest: 8 * station.max_record() as u64 + REST,
        parser: station.parser(),
        origin,
        line: Vec::new(),
        number: 0,
        wrong: 0,
    };
    let mut summary = Summary::of_one();
    let next = async || rejected.next().await;
    match relay_into(&mut summary, next, station).await {
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
    /// Lines so far, and those that could not be read.
    number: u64,
    wrong: u64,
}

impl<R: AsyncBufRead + Unpin> Rejected<'_, R> {
    /// The record of the next line that has one, as it was placed.
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
                            reason, "A line is no record that was rejected."
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
            return Err(format!("its raw text is {} records", packets.len()));
        }
        self.origin.restore(
            &mut packets,
            (&reject.sensor, &reject.stream),
            reject.record,
            (reject.time, reject.source),
        );
        Ok(packets)
    }
}

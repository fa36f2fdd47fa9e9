//! Rejected records, read again: each lands under its own identity.

use futures_util::future::join_all;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{Error, Progress, Summary};
use crate::batch::Batch;
use crate::framer::Framer;
use crate::lane::Lane;
use crate::origin::Origin;
use crate::parser::Parser;
use crate::rejects::{Reject, Rejects};

/// Lines that cannot be read which are shown; the others are counted.
const SHOWN: u64 = 10;

/// Reads the file of [`Rejects`](crate::Rejects) to all lanes. Every record keeps the sensor, the
/// stream, the ordinal and the time that it had: where it is stored already nothing is doubled.
/// Returns also how many lines could not be read; the log says why. What
/// is still unparsed goes to `rejects`, another file.
///
/// A line may have `longest` bytes. The `origin` says in which zone the stamps of columns beside
/// `time` are.
///
/// # Errors
/// When the file cannot be read on.
#[expect(clippy::too_many_arguments, reason = "those of `run`")]
pub async fn again(
    mut file: impl AsyncBufRead + Unpin,
    longest: u64,
    parser: &Parser,
    mut origin: Origin,
    lanes: &[Lane],
    rejects: &Rejects,
    cancel: CancellationToken,
    live: &Progress,
) -> Result<(Summary, u64), Error> {
    let mut summary = Summary {
        inputs: 1,
        ..Summary::default()
    };
    let (mut number, mut wrong) = (0, 0);
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut limited = (&mut file).take(longest);
        let read = tokio::select! {
            biased;
            () = cancel.cancelled() => break,
            read = limited.read_until(b'\n', &mut line) => read,
        };
        match read {
            Ok(0) => break,
            Ok(_) => number += 1,
            Err(source) => {
                return Err(Error::Read {
                    source,
                    summary: Box::new(summary),
                });
            }
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let reject = match Reject::read(&line) {
            Ok(reject) => reject,
            Err(reason) => {
                wrong += 1;
                if wrong <= SHOWN {
                    warn!(
                        line = number,
                        reason, "A line is no record that was rejected."
                    );
                }
                continue;
            }
        };
        let bytes = reject.raw.len() as u64;
        let mut framer = Framer::new();
        framer.next(&reject.raw, true);
        let batch = Batch::new(reject.raw, framer.style()).truncated(reject.truncated);
        let mut packets = parser.parse(batch);
        if packets.len() != 1 {
            wrong += 1;
            if wrong <= SHOWN {
                let reason = format!("its raw text is {} records", packets.len());
                warn!(
                    line = number,
                    reason, "A line is no record that was rejected."
                );
            }
            continue;
        }
        origin.restore(
            &mut packets,
            (&reject.sensor, &reject.stream),
            reject.record,
            (reject.time, reject.source),
        );
        let packet = packets.packet(0);
        let one = Summary {
            bytes,
            record_bytes: bytes,
            records: 1,
            parsed: packet.parsed().into(),
            unparsed: (!packet.parsed()).into(),
            truncated: packet.truncated().into(),
            misfits: packet.misfits().into(),
            ..Summary::default()
        };
        rejects.unparsed(&packets).await;
        live.bytes
            .fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
        live.add(&one);
        summary.add(&one);
        join_all(lanes.iter().map(|lane| lane.send(packets.clone()))).await;
    }
    Ok((summary, wrong))
}

//! Typed packets for the clients of a fan-out: one JSON object a line.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use dumpstream::Packets;
use tokio_util::sync::CancellationToken;

use super::fanout::Fanout;
use super::piece::Piece;
use crate::sink::context::SinkContext;
use crate::sink::file::Format as _;
use crate::sink::jsonl::Object;
use crate::sink::{BoxFuture, Sink, SinkError, Written};

/// Sends packets to the clients of a [`Fanout`] as JSON Lines. A packet counts as delivered once it
/// is handed to the fan-out, whose figures say which clients got it.
pub struct JsonLines {
    fanout: Fanout,
    object: Mutex<Object>,
}

impl fmt::Debug for JsonLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonLines")
            .field("fanout", &self.fanout)
            .finish_non_exhaustive()
    }
}

impl JsonLines {
    /// Spells packets as the sink `jsonl:` does.
    pub fn new(fanout: Fanout, context: &SinkContext) -> JsonLines {
        JsonLines {
            fanout,
            object: Mutex::new(Object::new(context)),
        }
    }

    /// The lines of some packets.
    fn pieces(&self, packets: &Packets) -> Vec<Piece> {
        let mut object = self.object.lock().unwrap_or_else(PoisonError::into_inner);
        let mut pieces = vec![Piece::default()];
        for packet in packets.iter() {
            object.row(packet);
            if pieces.last().is_none_or(Piece::is_full) {
                pieces.push(Piece::default());
            }
            if let Some(piece) = pieces.last_mut() {
                piece.record(object.made());
            }
            object.made().clear();
        }
        pieces
    }
}

impl Sink for JsonLines {
    fn write<'a>(&'a self, rows: &'a [Packets]) -> BoxFuture<'a, Result<Written, SinkError>> {
        Box::pin(async move {
            let mut written = Written::default();
            for packets in rows {
                for piece in self.pieces(packets) {
                    // The lane gives up a write in time.
                    self.fanout.send(piece, &CancellationToken::new()).await;
                }
                written.delivered += packets.len() as u64;
            }
            Ok(written)
        })
    }

    fn close<'a>(&'a self) -> BoxFuture<'a, Result<(), SinkError>> {
        Box::pin(async { Ok(()) })
    }
}

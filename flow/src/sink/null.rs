//! `null:` counts packets and discards them, to measure everything before it.

use dumpstream::Packets;

use super::parts::UrlParts;
use super::scheme::Opening;
use super::{BoxFuture, Sink, SinkError, Written};

/// Reads a URL `null:`.
pub(super) fn read(url: &UrlParts) -> Result<Opening, SinkError> {
    match url.place() {
        "" => Ok(Opening::new(|_| Ok(Box::new(Null)))),
        _ => Err(url.malformed("it has no destination; write `null:`")),
    }
}

#[derive(Debug)]
pub(crate) struct Null;

impl Sink for Null {
    fn write<'a>(&'a self, rows: &'a [Packets]) -> BoxFuture<'a, Result<Written, SinkError>> {
        let delivered = rows.iter().map(|packets| packets.len() as u64).sum();
        Box::pin(async move {
            Ok(Written {
                delivered,
                ..Written::default()
            })
        })
    }

    fn close<'a>(&'a self) -> BoxFuture<'a, Result<(), SinkError>> {
        Box::pin(async { Ok(()) })
    }
}

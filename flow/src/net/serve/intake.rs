//! Cuts text into records and hands it to all clients, every byte unchanged.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use dumpstream::framing::{CutKind, Framer, Record, Tail};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use super::fanout::Fanout;
use super::piece::Piece;
use crate::foreign::{BEGIN, Foreign};
use crate::net::Listener;
use crate::station::DEFAULT_FLUSH_AFTER;

/// Bytes of one read.
const READ: usize = 128 << 10;

/// Reads text and hands it to the clients of a [`Fanout`].
#[derive(Clone, Debug)]
pub struct Intake {
    framer: Framer,
    flush_after: Duration,
    joined: bool,
    /// There are other senders: what belongs to no record would be taken for a part of theirs.
    shared: bool,
    /// What the text began with, until a record is recognised or its lack is reported.
    begin: Option<Vec<u8>>,
}

impl Default for Intake {
    fn default() -> Intake {
        Intake::new()
    }
}

impl Intake {
    /// Cuts as a new [`Framer`] does, and sends the last record on after [`DEFAULT_FLUSH_AFTER`].
    pub fn new() -> Intake {
        Intake {
            framer: Framer::new(),
            flush_after: DEFAULT_FLUSH_AFTER,
            joined: false,
            shared: false,
            begin: Some(Vec::new()),
        }
    }

    /// Sets how the text is cut into records.
    pub fn framer(self, framer: Framer) -> Intake {
        Intake { framer, ..self }
    }

    /// After this long without bytes, the last record is sent on if it is complete.
    pub fn flush_after(self, flush_after: Duration) -> Intake {
        Intake {
            flush_after,
            ..self
        }
    }

    /// Hands on one line for each record: its head, joined as [`Record::head`] does. Its payload
    /// lines, and bytes that belong to no record, are omitted.
    pub fn joined(self, joined: bool) -> Intake {
        Intake { joined, ..self }
    }

    /// Reads `text` to its end, or until `stop`, and hands all of it to `fanout`, which is not ended.
    ///
    /// # Errors
    /// Reading fails. What was read before is handed on.
    pub async fn run(
        mut self,
        mut text: impl AsyncRead + Unpin,
        fanout: &Fanout,
        stop: &CancellationToken,
    ) -> io::Result<()> {
        let mut buf = BytesMut::new();
        // Whether a flush can bring nothing more.
        let mut flushed = true;
        let ended = loop {
            buf.reserve(READ);
            let read = async {
                let read = text.read_buf(&mut buf);
                match flushed {
                    true => Some(read.await),
                    false => timeout(self.flush_after, read).await.ok(),
                }
            };
            let read = tokio::select! {
                biased;
                () = stop.cancelled() => break Ok(()),
                read = read => read,
            };
            match read {
                Some(Ok(0)) => break Ok(()),
                Some(Ok(_)) => {
                    flushed = false;
                    self.cut(&mut buf, Tail::Open, fanout, stop).await;
                    // However fast the text comes, its clients get their turn.
                    tokio::task::yield_now().await;
                }
                Some(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Some(Err(error)) => break Err(error),
                None => {
                    flushed = true;
                    if let Some(cut) = self.framer.flush(&buf) {
                        let mut piece = Piece::default();
                        self.record(&buf[..cut.len], cut.kind, &mut piece);
                        buf.advance(cut.len);
                        fanout.send(piece, stop).await;
                    }
                }
            }
        };
        self.cut(&mut buf, Tail::Final, fanout, stop).await;
        if self.begin.as_ref().is_some_and(|begin| !begin.is_empty()) {
            self.unrecognised();
        }
        ended
    }

    /// Accepts senders until `stop`, and hands the records of all of them to `fanout`, which is not
    /// ended. Bytes that belong to no record are omitted, and a record that was cut ends its line, so
    /// that no client takes one sender's text for another's.
    pub async fn senders(&self, listener: Listener, fanout: &Fanout, stop: &CancellationToken) {
        let mut tasks = JoinSet::new();
        let door = Arc::clone(listener.door());
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(ended) = tasks.join_next() => failed(ended),
                () = door.refusals_due() => {}
                connection = listener.accept() => {
                    let mut intake = self.clone();
                    intake.shared = true;
                    let (fanout, stop) = (fanout.clone(), stop.clone());
                    let door = Arc::clone(&door);
                    tasks.spawn(async move {
                        // A handshake that fails is counted, and logged once a second.
                        let Ok(Some(connection)) = door.ready(connection, &stop).await else {
                            return;
                        };
                        let peer = connection.peer().clone();
                        match intake.run(connection, &fanout, &stop).await {
                            Ok(()) => debug!(%peer, "A sender disconnected."),
                            Err(error) => door.early.refuse_because(peer, error.to_string()),
                        }
                    });
                }
            }
        }
        drop(listener);
        while let Some(ended) = tasks.join_next().await {
            failed(ended);
        }
    }

    /// Sends everything that is complete.
    async fn cut(
        &mut self,
        buf: &mut BytesMut,
        tail: Tail,
        fanout: &Fanout,
        stop: &CancellationToken,
    ) {
        let mut piece = Piece::default();
        while let Some(cut) = self.framer.next(buf, tail) {
            let text = &buf[..cut.len];
            match cut.kind {
                CutKind::Skipped(_) => {
                    if let Some(begin) = &mut self.begin {
                        begin.extend_from_slice(&text[..text.len().min(BEGIN - begin.len())]);
                    }
                    match self.joined || self.shared {
                        true => piece.omit(text.len()),
                        false => piece.between(text),
                    }
                }
                kind => {
                    self.begin = None;
                    self.record(text, kind, &mut piece);
                }
            }
            buf.advance(cut.len);
            if self
                .begin
                .as_ref()
                .is_some_and(|begin| begin.len() == BEGIN)
            {
                self.unrecognised();
            }
            if piece.is_full() {
                fanout.send(std::mem::take(&mut piece), stop).await;
            }
        }
        fanout.send(piece, stop).await;
    }

    fn record(&self, text: &[u8], kind: CutKind, piece: &mut Piece) {
        if !self.joined {
            return match self.shared && !text.ends_with(b"\n") {
                true => piece.record(&[text, b"\n"].concat()),
                false => piece.record(text),
            };
        }
        let record = Record::new(text.to_vec(), self.framer.style(), kind);
        let line = [record.head(), b"\n"].concat();
        piece.record(&line);
        // Joining takes away blanks, which are not missed.
        let payload: usize = record.lines().map(|line| line.len() + 1).sum();
        piece.omit(payload + record.messages() as usize);
    }

    /// Reports, once, that the text has no records.
    fn unrecognised(&mut self) {
        let begin = self.begin.take().unwrap_or_default();
        let looks = match Foreign::of(&begin) {
            Some(looks) => format!(" It looks like {looks}; {}.", looks.remedy()),
            None => String::new(),
        };
        let sent = match self.joined || self.shared {
            true => "nothing is sent to clients",
            false => {
                "the text is passed on unchanged, but clients that connect later or are slow get \
                 none of it"
            }
        };
        warn!("No packets found: {sent}.{looks}");
    }
}

/// Reports a task that has panicked, which is a bug of ours.
pub(super) fn failed(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        error!(%error, "A connection's task failed; please report this.");
    }
}

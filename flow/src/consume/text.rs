//! One text: the messages of one sensor in one partition, and the task that reads it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};
use dumpstream::Origin;
use dumpstream::framing::Style;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::JoinHandle;

use crate::acks::Acks;
use crate::run::messages::{End, Message, Messages};
use crate::run::{Error, Source, run};
use crate::station::Station;
use crate::summary::Summary;

/// Text is handed on in pieces of about this many bytes: half of the largest read.
pub(super) const PIECE: usize = 128 << 10;

/// Pieces of a text that wait for its task: one that is read, and the next one.
const PIECES: usize = 2;

/// What became of the text's task.
pub(super) type Done = Result<Summary, Error>;

/// Which text a message belongs to, within its partition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Name {
    pub(super) sensor: String,
    /// The stream that the message came from, if dumpstream wrote it.
    pub(super) stream: Vec<u8>,
}

/// Whether the line feed at the end of a message is in its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It never is: dumpstream wrote the record without it.
    Missing,
    /// Whoever wrote it may have left it.
    Perhaps,
    /// There was none: the text was cut there.
    Cut,
}

#[derive(Debug)]
pub(super) struct Text {
    pub(super) name: Name,
    /// How its records begin, once one did.
    style: Option<Style>,
    /// Bytes that were not handed on, and their messages.
    bytes: BytesMut,
    pending: Vec<Message>,
    /// Bytes that were handed on.
    taken: u64,
    pub(super) messages: Arc<Messages>,
    pub(super) acks: Acks,
    /// `None`: it has ended.
    pieces: Option<mpsc::Sender<Bytes>>,
    /// It takes no more messages, and ends where its last one was cut once that is handed on.
    closing: bool,
    pub(super) task: Option<JoinHandle<Done>>,
    /// Its task refused it; its messages are nobody's.
    pub(super) refused: bool,
    /// The ordinal of the last message of its sensor in another text.
    pub(super) other: u64,
    /// Another text has messages of the same sensor.
    pub(super) shared: bool,
    /// The ordinal of its last message.
    pub(super) last: u64,
    pub(super) used: Instant,
}

impl Text {
    /// A text without messages; its task begins.
    pub(super) fn begin(
        name: Name,
        stream: String,
        numbered: bool,
        origin: Origin,
        (station, runtime): (&Station, &Handle),
    ) -> Text {
        let (sender, pieces) = mpsc::channel(PIECES);
        let messages = Arc::new(Messages::new(numbered));
        let acks = Acks::new();
        let source = Source::live(Pieces {
            pieces,
            piece: Bytes::new(),
        });
        let source = source
            .messages(messages.clone(), stream)
            .acknowledged(acks.clone());
        let station = station.clone();
        let task = runtime.spawn(async move { run(source, origin, &station).await });
        Text {
            name,
            style: None,
            bytes: BytesMut::new(),
            pending: Vec::new(),
            taken: 0,
            messages,
            acks,
            pieces: Some(sender),
            closing: false,
            task: Some(task),
            refused: false,
            other: 0,
            shared: false,
            last: 0,
            used: Instant::now(),
        }
    }

    /// The style of a message that begins a record in another style than those of this text:
    /// tcpdump was started again, with other options. A text has one style.
    pub(super) fn differs(&mut self, value: &[u8]) -> Option<Style> {
        if self.style.is_some_and(|style| style.begins(value)) {
            return None;
        }
        let other = Style::of(value)?;
        match self.style {
            Some(_) => Some(other),
            None => {
                self.style = Some(other);
                None
            }
        }
    }

    /// Says how its records begin.
    pub(super) fn styled(&mut self, style: Style) {
        self.style = Some(style);
    }

    /// Whether its records begin so.
    pub(super) fn is_like(&self, name: &Name, style: Style) -> bool {
        self.is_open() && self.name == *name && self.style == Some(style)
    }

    /// Adds a message, and ends its last line as `ending` says.
    pub(super) fn add(&mut self, value: &[u8], ending: Ending, message: Message) {
        self.last = message.record;
        let at = self.taken + self.bytes.len() as u64;
        if !self.is_open() {
            // Of what nobody reads, the first message says where to read on.
            if self.pending.is_empty() {
                self.pending.push(Message { at, ..message });
            }
            return;
        }
        self.pending.push(Message { at, ..message });
        self.bytes.extend_from_slice(value);
        let ends = match ending {
            Ending::Missing => true,
            Ending::Perhaps => !value.ends_with(b"\n"),
            Ending::Cut => false,
        };
        if ends {
            self.bytes.extend_from_slice(b"\n");
        }
    }

    /// Whether it takes messages.
    pub(super) fn is_open(&self) -> bool {
        self.pieces.is_some() && !self.closing
    }

    /// Bytes that were not handed on.
    pub(super) fn waiting(&self) -> usize {
        self.bytes.len()
    }

    /// Hands on what was not; whether there was room.
    pub(super) fn hand_on(&mut self) -> bool {
        if self.bytes.is_empty() {
            return true;
        }
        let Some(sender) = self.pieces.clone() else {
            self.dismiss();
            return true;
        };
        let permit = match sender.try_reserve() {
            Ok(permit) => permit,
            Err(TrySendError::Full(())) => return false,
            Err(TrySendError::Closed(())) => {
                self.dismiss();
                return true;
            }
        };
        let piece = self.bytes.len();
        self.messages.add(&mut self.pending);
        self.taken += self.bytes.len() as u64;
        permit.send(self.bytes.split().freeze());
        // The next piece is of about this size.
        self.bytes.reserve(piece + piece / 8);
        self.used = Instant::now();
        if self.closing {
            self.end(End::Cut);
        }
        true
    }

    /// Who gives room for the next piece.
    pub(super) fn room(&self) -> Option<mpsc::Sender<Bytes>> {
        self.pieces.clone()
    }

    /// The task has ended: nothing more is read.
    fn dismiss(&mut self) {
        self.bytes = BytesMut::new();
        self.pending.truncate(1);
        self.pieces = None;
    }

    /// Ends the text where its last message was cut, once that is handed on; whether it is.
    pub(super) fn close(&mut self) -> bool {
        self.closing = true;
        if self.bytes.is_empty() {
            self.end(End::Cut);
        }
        self.hand_on()
    }

    /// Ends the text; what was not handed on is left.
    pub(super) fn end(&mut self, end: End) {
        self.messages.ends(end);
        self.pieces = None;
    }

    /// Whether its task has ended.
    pub(super) fn is_over(&self) -> bool {
        self.task.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Its task has refused it: nobody answers for its messages.
    pub(super) fn refuse(&mut self) {
        self.dismiss();
        self.pending.clear();
        self.refused = true;
    }

    /// Ends the text if it is wholly answered; whether it is.
    pub(super) fn retire(&mut self) -> bool {
        let answered = self.unanswered().is_none();
        if answered {
            self.end(End::Left);
        }
        answered
    }

    /// Ends the text where only the beginning of a record is not answered, whose rest did not come;
    /// whether that is so. Its task has long had everything.
    pub(super) fn give_up(&mut self) -> bool {
        let had = |pieces: &mpsc::Sender<Bytes>| pieces.capacity() == pieces.max_capacity();
        let all = self.bytes.is_empty() && self.pieces.as_ref().is_some_and(had);
        let gives_up = all && self.acks.is_settled();
        if gives_up {
            self.end(End::Cut);
        }
        gives_up
    }

    /// The ordinal of the first message that is not wholly answered.
    pub(super) fn unanswered(&self) -> Option<u64> {
        let answered = self.acks.answered();
        let known = self.messages.forget(answered);
        if self.refused {
            // What had gone to the lanes before.
            return known.filter(|_| !self.acks.is_settled()).map(|m| m.record);
        }
        if answered >= self.taken && self.pending.is_empty() {
            return None;
        }
        match answered >= self.taken {
            true => self.pending.first().map(|message| message.record),
            false => known.map(|message| message.record),
        }
    }
}

/// The pieces of a text, as a reader.
struct Pieces {
    pieces: mpsc::Receiver<Bytes>,
    piece: Bytes,
}

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.piece.is_empty() {
            match ready!(self.pieces.poll_recv(cx)) {
                Some(piece) => self.piece = piece,
                None => return Poll::Ready(Ok(())),
            }
        }
        let n = self.piece.len().min(buf.remaining());
        buf.put_slice(&self.piece[..n]);
        self.piece.advance(n);
        Poll::Ready(Ok(()))
    }
}

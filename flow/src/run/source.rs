//! The bytes of an input, and when they were printed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use super::messages::Messages;
use crate::acks::Acks;

/// An input: a reader, and what is known about its text.
#[derive(Debug)]
pub struct Source<R> {
    pub(super) reader: R,
    live: Live,
    /// Whether it comes over a connection, and the ends of one over TCP.
    pub(super) connected: bool,
    pub(super) connection: Option<(SocketAddr, SocketAddr)>,
    /// Who waits for the lanes' answers.
    pub(super) acks: Option<Acks>,
    /// Its text can be read again.
    lasting: bool,
    /// How many bytes at most have arrived that are not read yet, as far as is known.
    pub(super) arrived: fn(&R) -> u64,
    /// The messages of a text that came as such, and the name of its stream.
    pub(super) messages: Option<(Arc<Messages>, String)>,
}

#[derive(Debug)]
enum Live {
    Never,
    Always,
    Once(Arc<AtomicBool>),
}

impl<R> Source<R> {
    /// Live text: its packets carry the time of their arrival.
    pub fn live(reader: R) -> Source<R> {
        Source {
            reader,
            live: Live::Always,
            connected: false,
            connection: None,
            acks: None,
            lasting: false,
            arrived: |_| 0,
            messages: None,
        }
    }

    /// Text that was stored earlier.
    pub fn stored(reader: R) -> Source<R> {
        Source {
            live: Live::Never,
            ..Source::live(reader)
        }
    }

    /// Text that was stored earlier, and is live once `caught_up` is true: a followed file has
    /// both.
    pub fn followed(reader: R, caught_up: Arc<AtomicBool>) -> Source<R> {
        Source {
            live: Live::Once(caught_up),
            lasting: true,
            ..Source::live(reader)
        }
    }

    /// Declares that the text can be read again, as that of a file: a packet that
    /// [`Station::stop`](crate::Station::stop) cuts is left for the next time.
    pub fn lasting(self) -> Source<R> {
        Source {
            lasting: true,
            ..self
        }
    }

    /// Sets that the text comes over a connection, and the far and the near end of one over TCP:
    /// records of that connection show that the sender captures its own uplink.
    pub fn over(self, connection: Option<(SocketAddr, SocketAddr)>) -> Source<R> {
        Source {
            connected: true,
            connection,
            ..self
        }
    }

    /// Declares that somebody waits for the lanes' answers, to tell the sender up to where its text
    /// is stored. The text can then be read again, so it is [lasting](Source::lasting), too.
    pub fn acknowledged(self, acks: Acks) -> Source<R> {
        Source {
            acks: Some(acks),
            lasting: true,
            ..self
        }
    }

    /// Sets how to find out how many bytes at most have arrived that are not read yet: they are read even
    /// after [`Station::stop`](crate::Station::stop), because the sender may be gone.
    pub(crate) fn holding(self, arrived: fn(&R) -> u64) -> Source<R> {
        Source { arrived, ..self }
    }

    /// Sets that the text came as messages, and the name of its stream.
    #[cfg(feature = "kafka")]
    pub(crate) fn messages(self, messages: Arc<Messages>, stream: String) -> Source<R> {
        Source {
            messages: Some((messages, stream)),
            connected: true,
            ..self
        }
    }

    /// Whether the text that is read now is live.
    pub(super) fn is_live(&self) -> bool {
        match &self.live {
            Live::Never => false,
            Live::Always => true,
            Live::Once(caught_up) => caught_up.load(Relaxed),
        }
    }

    /// Whether the input as a whole is the text: neither a connection nor the part of a file that
    /// grows.
    pub(super) fn is_whole(&self) -> bool {
        !self.connected && !self.is_followed()
    }

    /// Whether the text can be read again.
    pub(super) fn is_lasting(&self) -> bool {
        self.lasting
    }

    /// Whether it is the part of a file that grows.
    pub(super) fn is_followed(&self) -> bool {
        matches!(self.live, Live::Once(_))
    }

    /// Whether no part of the text is ever live.
    pub(super) fn is_stored(&self) -> bool {
        matches!(self.live, Live::Never)
    }
}

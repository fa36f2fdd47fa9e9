//! Where an input's bytes come from, and when they were printed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

/// An input: a reader, and what is known of its text beforehand.
#[derive(Debug)]
pub struct Source<R> {
    pub(super) reader: R,
    live: Live,
    pub(super) connection: Option<(SocketAddr, SocketAddr)>,
}

#[derive(Debug)]
enum Live {
    Never,
    Always,
    Once(Arc<AtomicBool>),
}

impl<R> Source<R> {
    /// Text from now: its packets carry the time of their arrival.
    pub fn live(reader: R) -> Source<R> {
        Source {
            reader,
            live: Live::Always,
            connection: None,
        }
    }

    /// Text that was stored before.
    pub fn stored(reader: R) -> Source<R> {
        Source {
            live: Live::Never,
            ..Source::live(reader)
        }
    }

    /// Text that was stored before, and that comes from now once `caught_up` is true: a file that
    /// is followed has both.
    pub fn followed(reader: R, caught_up: Arc<AtomicBool>) -> Source<R> {
        Source {
            live: Live::Once(caught_up),
            ..Source::live(reader)
        }
    }

    /// Says which connection the text comes over: records that show it are the sender's own
    /// uplink, captured.
    pub fn over(self, peer: SocketAddr, local: SocketAddr) -> Source<R> {
        Source {
            connection: Some((peer, local)),
            ..self
        }
    }

    /// Whether what is read now comes from now.
    pub(super) fn is_live(&self) -> bool {
        match &self.live {
            Live::Never => false,
            Live::Always => true,
            Live::Once(caught_up) => caught_up.load(Relaxed),
        }
    }

    /// Whether no part of it ever comes from now.
    pub(super) fn is_stored(&self) -> bool {
        matches!(self.live, Live::Never)
    }
}

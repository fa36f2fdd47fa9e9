//! Why an input or a connection ended early.

use std::io;
use std::net::SocketAddr;

use super::Summary;
use crate::foreign::Foreign;

/// Why an input or a connection ended early. What was read before is in the lanes, and counted in
/// [`Error::summary`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Reading failed, for example because a connection was reset. What had arrived was passed on.
    #[error("reading stopped after {} bytes: {source}", .summary.bytes)]
    Read {
        /// The system's error.
        source: io::Error,
        /// What had arrived.
        summary: Box<Summary>,
    },
    /// The text was printed by `tcpdump -A`, where the payload of any packet can look like a record.
    #[error(
        "this is text of `tcpdump -A`: packets can forge records in it; drop -A (`-v` without it \
         shows every header, `-X` shows payloads safely)"
    )]
    AsciiText {
        /// What had arrived; [`Summary::refused`] counts the bytes that were not examined.
        summary: Box<Summary>,
    },
    /// Nothing in the input was recognised as tcpdump's text.
    #[error("no packets found: {}", foreign(*.looks))]
    Foreign {
        /// What it looks like, if that is known.
        looks: Option<Foreign>,
        /// What had arrived.
        summary: Box<Summary>,
    },
    /// The closing figures do not add up: a bug of this program, never of the sender.
    #[error("the closing figures do not add up, please report this: {reason}")]
    Identity {
        /// The identity that does not hold, with both sides.
        reason: String,
        /// The figures.
        summary: Box<Summary>,
    },
    /// The address can be reached by other hosts, and nothing says who may connect.
    #[error(
        "listening on {address} would accept any host that can reach it: say who may connect with \
         `--allow CIDR` (as in `--allow 192.0.2.0/24`), or listen on 127.0.0.1"
    )]
    NoAccess {
        /// The address to listen on.
        address: SocketAddr,
    },
    /// The text is not `[HOST:]PORT`.
    #[error("address {text:?}: {reason}; give PORT, HOST:PORT or [IPV6]:PORT")]
    Address {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The host has no address, or the name service does not answer.
    #[error("cannot look up {address}: {source}")]
    Lookup {
        /// The address as it was given.
        address: String,
        /// The system's error.
        source: io::Error,
    },
    /// The text is not a `CIDR`.
    #[error("{text:?} is not a network: give an address or a CIDR, as in 192.0.2.0/24")]
    Network {
        /// What was given.
        text: String,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address, or the path of a unix socket.
        address: String,
        /// The system's error.
        source: io::Error,
    },
    /// A certificate, or a file with one, is not usable.
    #[error("{what}: {reason}")]
    Certificate {
        /// The file.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The TLS handshake of a sender failed; nothing of what it sent was read.
    #[error("the TLS handshake with {peer} failed: {source}")]
    Handshake {
        /// The sender.
        peer: String,
        /// Why.
        source: io::Error,
    },
    /// The server does not answer, or no longer answers.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// The address as it was given.
        address: String,
        /// The system's error for the last attempt.
        source: io::Error,
    },
    /// The topics cannot be read.
    #[error("cannot read {topics}: {reason}")]
    Topics {
        /// The topics as they were given.
        topics: String,
        /// What the brokers or their library say.
        reason: String,
    },
    /// A sink will not answer for packets that were given to it.
    #[error(
        "{why}, so reading has stopped, and the offsets are committed up to there; repair the sink \
         and start again: what was not stored is read again"
    )]
    Unanswered {
        /// Which sink, and what became of it.
        why: String,
    },
    /// The task of a connection panicked: a bug of this program.
    #[error("a connection's task failed, please report this: {0}")]
    Task(String),
}

impl Error {
    /// What had arrived before the error, if anything could.
    pub fn summary(&self) -> Option<&Summary> {
        match self {
            Error::Read { summary, .. }
            | Error::AsciiText { summary }
            | Error::Foreign { summary, .. }
            | Error::Identity { summary, .. } => Some(summary),
            _ => None,
        }
    }

    /// Whether the caller asked for something impossible.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Error::NoAccess { .. }
                | Error::Address { .. }
                | Error::Network { .. }
                | Error::Certificate { .. }
        )
    }
}

/// What was found in place of tcpdump's text, and what to do about it.
pub(super) fn foreign(looks: Option<Foreign>) -> String {
    match looks {
        Some(looks) => format!("it looks like {looks}; {}", looks.remedy()),
        None => "is it tcpdump's text? A record begins with a time stamp at the start of a line, \
                 as `tcpdump -nn -v` prints it"
            .to_owned(),
    }
}

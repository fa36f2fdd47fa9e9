//! Why an input or a connection ended before its time.

use std::io;
use std::net::SocketAddr;

use super::Summary;

/// Why an input or a connection ended before its time. What was read until then is in the lanes,
/// and counted in [`Error::summary`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The input broke off, a reset connection for one; what had arrived was sent on.
    #[error("reading stopped after {} bytes: {source}", .summary.bytes)]
    Read {
        /// What the system says.
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
        /// What had arrived; the bytes that were not looked at are in [`Summary::refused`].
        summary: Box<Summary>,
    },
    /// The figures at the end do not add up: a bug of ours, never the sender's.
    #[error("the closing figures do not add up, please report this: {reason}")]
    Identity {
        /// Which identity, and both sides of it.
        reason: String,
        /// The figures.
        summary: Box<Summary>,
    },
    /// An address that others can reach was to be listened on, and nothing says who may connect.
    #[error(
        "listening on {address} lets every host in that reaches it: say who may connect with \
         `--allow CIDR` (as in `--allow 192.0.2.0/24`), or listen on 127.0.0.1"
    )]
    NoAccess {
        /// Where it was to listen.
        address: SocketAddr,
    },
    /// The text is no `[HOST:]PORT`.
    #[error("address {text:?}: {reason}; give PORT, HOST:PORT or [IPV6]:PORT")]
    Address {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The host of an address has none, or the name service does not say.
    #[error("cannot look up {address}: {source}")]
    Lookup {
        /// The address as it was given.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// The text is no `CIDR`.
    #[error("{text:?} is no network: give an address or a CIDR, as in 192.0.2.0/24")]
    Network {
        /// What was given.
        text: String,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// Nobody answers there, or no longer.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// The address as it was given.
        address: String,
        /// What the system says of the last try.
        source: io::Error,
    },
    /// A connection's task panicked: a bug of ours.
    #[error("a connection's task failed, please report this: {0}")]
    Task(String),
}

impl Error {
    /// What had arrived until then, where anything could.
    pub fn summary(&self) -> Option<&Summary> {
        match self {
            Error::Read { summary, .. }
            | Error::AsciiText { summary }
            | Error::Identity { summary, .. } => Some(summary),
            _ => None,
        }
    }

    /// Whether the caller asked for something impossible, rather than that something went wrong.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Error::NoAccess { .. } | Error::Address { .. } | Error::Network { .. }
        )
    }
}

//! Why packets cannot be captured.

use std::io;

use crate::run;

/// Why packets cannot be captured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A program is not installed.
    #[error("{program} is not installed; install it, for example with `apt install {package}`")]
    Missing {
        /// Its name.
        program: &'static str,
        /// The package that has it.
        package: &'static str,
    },
    /// A program cannot be started, or its end not be waited for.
    #[error("cannot run {program}: {source}")]
    Program {
        /// Its name.
        program: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// tcpdump cannot open the interface.
    #[error("tcpdump cannot capture: {message}{remedy}")]
    Interface {
        /// What tcpdump says.
        message: String,
        /// What to do about it, with its separator, or empty.
        remedy: String,
    },
    /// tcpdump does not accept the filter.
    #[error("filter `{filter}`: {message}; `man pcap-filter` describes filters")]
    Filter {
        /// The filter as it was given.
        filter: String,
        /// What tcpdump says.
        message: String,
    },
    /// tcpdump ended before it captured anything.
    #[error("tcpdump {ended}")]
    Ended {
        /// How, and its last message.
        ended: String,
    },
    /// tcpreplay failed.
    #[error("tcpreplay {ended}")]
    Replay {
        /// How, and its last message.
        ended: String,
    },
    /// The maximum packet size of an interface cannot be read or set.
    #[error("cannot set the MTU of {interface}: {message}")]
    Mtu {
        /// The interface.
        interface: String,
        /// Why.
        message: String,
    },
    /// The text of tcpdump cannot be read.
    #[error(transparent)]
    Run(#[from] run::Error),
}

impl Error {
    /// Whether the caller asked for something impossible.
    pub fn is_usage(&self) -> bool {
        matches!(self, Error::Filter { .. })
    }
}

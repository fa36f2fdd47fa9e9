//! What moves packets: lanes, sinks, the bridge to netcat. In this process, with real sockets and files.

mod bridge;
mod growth;
#[cfg(feature = "kafka")]
mod kafka;
mod lane;
mod receiver;
mod sqlite;
#[cfg(feature = "tls")]
mod tls;
mod uplink;

//! What moves packets: lanes, sinks, the bridge to netcat. In this process, with real sockets and files.

mod acks;
mod bridge;
mod growth;
mod lane;
mod receiver;
mod sqlite;
#[cfg(feature = "tls")]
mod tls;
mod uplink;

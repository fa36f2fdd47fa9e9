//! What moves packets: lanes, sinks, the bridge to netcat. In this process, with real sockets and files.

mod acks;
mod bridge;
mod growth;
#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "kafka")]
mod kafka_consume;
mod lane;
#[cfg(feature = "parquet")]
mod parquet;
mod receiver;
mod sqlite;
#[cfg(feature = "tls")]
mod tls;
mod uplink;

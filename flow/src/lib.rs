//! What moves packets: inputs, lanes, sinks and stores, and the netcat bridge.
//!
//! ```text
//! bytes → Framer → Batch → Parser → Packets → Origin.place → Lanes → Sink → Written
//!   ↑                                                                          │
//!   └──────────────────────────────── Acks ←───────────────────────────────────┘
//! ```
//!
//! One way through. What flows back is only the acknowledgement, and only to a source that can take
//! one: [`Acks`] has its rule.
#![forbid(unsafe_code)]

mod acks;
pub mod amount;
#[cfg(all(unix, feature = "input"))]
pub mod capture;
pub mod causes;
pub mod clock;
mod codec;
#[cfg(feature = "kafka")]
pub mod consume;
#[cfg(any(feature = "cassandra", feature = "kafka"))]
mod credentials;
pub mod feed;
mod foreign;
#[cfg(feature = "heartbeat")]
pub mod heartbeat;
#[cfg(feature = "input")]
pub mod input;
#[cfg(feature = "kafka")]
pub mod kafka;
mod lane;
mod latency;
pub mod net;
mod place;
#[cfg(feature = "input")]
mod program;
mod progress;
pub mod rejects;
pub mod replay;
pub mod run;
#[cfg(any(feature = "cassandra", feature = "kafka"))]
mod servers;
mod sink;
mod station;
mod store;
mod summary;
#[cfg(feature = "input")]
mod tcpdump;
pub use acks::Acks;
pub use codec::{BatchCodec, RecordCodec};
pub use foreign::Foreign;
pub use lane::{Counters, DEFAULT_QUEUE, DEFAULT_STALL_AFTER, Lane, LaneOptions, Lanes};
pub use latency::Latency;
pub use progress::Progress;
pub use rejects::Rejects;
pub use run::run;
pub use sink::context::{RowKind, SinkContext};
pub use sink::hangup::Hangup;
pub use sink::parts::UrlParts;
pub use sink::scheme::{Opening, Scheme};
pub use sink::url::{Schemes, SinkUrl};
pub use sink::{BoxFuture, OnFull, Sink, SinkError, Written};
pub use station::{
    DEFAULT_DRAIN_TIMEOUT, DEFAULT_FLUSH_AFTER, DEFAULT_MEMORY, Station, StationBuilder,
};
#[cfg(feature = "cassandra")]
pub use store::cassandra;
#[cfg(any(feature = "cassandra", feature = "sqlite"))]
pub use store::datum::Datum;
#[cfg(feature = "sqlite")]
pub use store::sqlite;
pub use summary::Summary;

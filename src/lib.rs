//! tcpdump's text into typed packet records.
#![forbid(unsafe_code)]

mod ascii;
mod batch;
#[cfg(feature = "net")]
pub mod bridge;
#[cfg(feature = "net")]
pub mod feed;
mod framer;
mod grammar;
#[cfg(feature = "net")]
mod lane;
mod namespace;
#[cfg(feature = "net")]
mod net;
mod origin;
mod packet;
mod parser;
mod reader;
#[cfg(feature = "net")]
pub mod replay;
#[cfg(feature = "net")]
pub mod run;
#[cfg(feature = "net")]
mod sink;
mod value;

pub use ascii::AsciiGuard;
pub use batch::Batch;
pub use framer::{
    Cut, CutKind, DEFAULT_MAX_RECORD, Framer, LARGEST_MAX_RECORD, Skip, Skipped, Style,
};
#[cfg(feature = "net")]
pub use lane::{Counters, DEFAULT_QUEUE, DEFAULT_STALL_AFTER, Lane, LaneOptions, Latency};
pub use namespace::{
    BUILT_IN, Column, Field, MAX_COLUMNS, MAX_COMPILED, MAX_PATTERN, Namespace, NamespaceError,
    Part, Position, RESERVED,
};
#[cfg(feature = "net")]
pub use net::{BatchCodec, Record, RecordCodec};
pub use origin::{Origin, StampForm, TimeSource};
pub use packet::{Missing, Packet, Packets};
pub use parser::{Engine, Parser};
pub use reader::Reader;
#[cfg(feature = "net")]
pub use run::{Progress, RunOptions, Summary, run};
#[cfg(feature = "net")]
pub use sink::{BoxFuture, OnFull, Sink, SinkContext, SinkError, SinkUrl, Written};
pub use value::{FieldType, Value};

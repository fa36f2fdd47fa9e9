//! tcpdump's text into typed packet records.
//!
//! One way for the data; nothing flows back but the acknowledgement:
//!
//! ```text
//! bytes → Framer → Batch → Parser → Packets → Origin.place → Lane → Sink → Written
//! ```
//!
//! A [`Framer`] finds where one packet's printout ends and the next begins. A [`Batch`] owns the
//! whole records of one read. A [`Parser`] is a compiled [`Namespace`], the names, patterns and
//! types of `packet_parse.json`; it makes [`Packets`] of a batch and cannot fail: what it cannot
//! read is data with missing values. An [`Origin`] gives an input's packets their ordinals and
//! their place in time. A `Lane` queues them for one `Sink`, whose `Written` is the
//! acknowledgement.
//!
//! ```
//! use dumpstream::{Namespace, Origin, Parser, Reader, Value};
//!
//! let text = "22:13:20.123456 IP6 (hlim 64, next-header ICMPv6 (58) payload length: 64) \
//!     2001:db8::1 > 2001:db8::2: [icmp6 sum ok] ICMP6, echo request, id 7, seq 1\n";
//! let parser = Parser::new(Namespace::tcpdump())?;
//! let mut origin = Origin::new("sensor-1").date(jiff::civil::date(2026, 11, 24));
//! for batch in Reader::new(text.as_bytes()) {
//!     let mut packets = parser.parse(batch?);
//!     origin.place(&mut packets);
//!     for packet in packets.iter() {
//!         assert_eq!(packet.get("icmp_seq"), Some(Value::Int(1)));
//!         assert!(serde_json::to_string(&packet)?.starts_with(r#"{"time":"2026-11-24T22:13:20.123456Z""#));
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is where
//!
//! The core needs neither tokio nor files nor a clock: [`Namespace`], [`Framer`], [`Batch`],
//! [`Parser`], [`Packets`], [`Origin`], [`Reader`]. Embed it with `default-features = false`.
//! Beside the data line stand [`Packet::explain`], which tells why a value is there or is not,
//! [`Namespace::check`], which tells everything that is wrong with a namespace, [`Sequence`],
//! which tells by the numbers of `-#` what was lost or forged, and [`JsonSchema`]. [`Record`] is a
//! packet's text without typed values, [`PacketsBuilder`] makes packets of values that were stored,
//! [`spell`] writes values as text and [`hash`] names a text.
//!
//! The shell comes by features: `net` (codecs for tokio-util, lanes, sinks, the netcat bridge and
//! `run`, which joins them), `input` (compressed text, captures, files that grow), `sqlite` (the
//! embedded store), `cli` (the `dumpstream` command).
//!
//! # What is promised
//!
//! - A typed field is never taken from text that a packet controls: the grammar reads a head from
//!   left to right, anchored, and `info` and `payload` are the only parts with such text.
//! - Any way of cutting the bytes into reads gives the same records.
//! - Both engines give the same values ([`Engine`]).
//! - Every byte is in a record or counted as skipped, with the reason; every packet that is offered
//!   to a lane is delivered, rejected or dropped, and counted.
//!
//! The tests `law`, `cuts`, `golden`, `lane` and `bridge` hold it to these.
#![forbid(unsafe_code)]

#[cfg(feature = "net")]
pub mod amount;
mod ascii;
mod batch;
#[cfg(feature = "net")]
pub mod bridge;
mod builder;
#[cfg(feature = "cassandra")]
pub mod cassandra;
mod cell;
mod civil;
mod explain;
#[cfg(feature = "net")]
pub mod feed;
mod framer;
mod grammar;
pub mod hash;
mod head;
#[cfg(feature = "input")]
pub mod input;
#[cfg(feature = "net")]
mod lane;
mod message;
mod namespace;
#[cfg(feature = "net")]
mod net;
mod origin;
mod packet;
mod parser;
mod part;
mod pattern;
mod plan;
mod pptp;
mod reader;
mod record;
#[cfg(feature = "net")]
pub mod rejects;
#[cfg(feature = "net")]
pub mod replay;
#[cfg(feature = "net")]
pub mod run;
mod scan;
mod schema;
mod sequence;
mod service;
#[cfg(feature = "net")]
mod sink;
pub mod spell;
mod table;
mod time_source;
mod typed;
mod value;

pub use ascii::AsciiGuard;
pub use batch::Batch;
pub use builder::PacketsBuilder;
pub use explain::{Explanation, Finding, Found, Match, Miss, Piecewise, Place, Try, Verdict};
pub use framer::{Cut, CutKind, DEFAULT_MAX_RECORD, Framer, LARGEST_MAX_RECORD, Skip, Skipped};
pub use head::Style;
#[cfg(feature = "net")]
pub use lane::{Counters, DEFAULT_QUEUE, DEFAULT_STALL_AFTER, Lane, LaneOptions, Latency};
pub use namespace::{
    BUILT_IN, Column, Field, MAX_COLUMNS, MAX_ENTRIES, Namespace, NamespaceError, Position,
    RESERVED,
};
#[cfg(feature = "net")]
pub use net::{BatchCodec, RecordCodec};
pub use origin::{Origin, StampForm};
pub use packet::{Missing, Packet, Packets};
pub use parser::Parser;
pub use part::Part;
pub use pattern::{MAX_COMPILED, MAX_PATTERN, Reach};
pub use plan::Engine;
pub use reader::Reader;
pub use record::Record;
#[cfg(feature = "net")]
pub use rejects::Rejects;
#[cfg(feature = "net")]
pub use run::{Progress, RunOptions, Summary, run};
pub use schema::JsonSchema;
pub use sequence::Sequence;
#[cfg(feature = "sqlite")]
pub use sink::sqlite::sqlite_schema;
#[cfg(feature = "net")]
pub use sink::{BoxFuture, Hangup, OnFull, Sink, SinkContext, SinkError, SinkUrl, Written};
pub use time_source::TimeSource;
pub use value::{FieldType, Value};

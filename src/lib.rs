//! tcpdump's text into typed packet records.
//!
//! One way for the data; nothing flows back but the acknowledgement:
//!
//! ```text
//! bytes → Framer → Batch → Parser → Packets → Origin.place → Lane → Sink → Written
//! ```
//!
//! A [`Framer`](framing::Framer) finds where one packet's printout ends and the next begins. A
//! [`Batch`](framing::Batch) owns the whole records of one read. A [`Parser`] is a compiled [`Namespace`], the names, patterns and
//! types of `packet_parse.json`; it makes [`Packets`] of a batch and cannot fail: what it cannot
//! read is data with missing values. An [`Origin`] gives an input's packets their ordinals and
//! their place in time. A `Lane` queues them for one `Sink`, whose `Written` is the
//! acknowledgement.
//!
//! A [`Reader`] does all of it for a program that wants packets:
//!
//! ```
//! let text = "22:13:20.123456 IP6 (hlim 64, next-header ICMPv6 (58) payload length: 64) \
//!     2001:db8::1 > 2001:db8::2: [icmp6 sum ok] ICMP6, echo request, id 7, seq 1\n";
//! for packets in dumpstream::Reader::new(text.as_bytes()) {
//!     for packet in packets?.iter() {
//!         assert_eq!(packet.get("icmp_seq").and_then(|value| value.as_int()), Some(1));
//!         let json = serde_json::to_string(&packet)?;
//!         assert!(json.contains(r#""source":"2001:db8::1""#));
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is where
//!
//! - [`Reader`] reads; [`Packets`], [`Packet`] and [`Value`] are what it gives.
//!   [`Packet::deserialize`] fills a struct of yours.
//! - [`Namespace`] says which fields there are, [`Parser`] compiles it, [`Origin`] says when and
//!   where the text was printed.
//! - [`framing`] cuts text into records for programs that read by other means, [`limits`] has what
//!   bounds them. [`AsciiGuard`] is what a [`Reader`] refuses the text of `-A` by.
//! - `explain` (a feature, on by default) tells why a value is there or not, and
//!   `Namespace::check` everything that is wrong with a namespace.
//! - [`Sequence`] tells by the numbers of `-#` what was lost or forged. [`PacketsBuilder`] makes
//!   packets of values that were stored. [`JsonSchema`] describes a packet's JSON, [`spell`] writes
//!   values as text, [`hash`] names a text.
//!
//! There is neither tokio nor a file nor a clock in it. What moves packets (lanes, sinks, stores, the
//! netcat bridge) is the package `dumpstream-flow`, the command `dumpstream-cli`.
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

mod ascii;
mod batch;
mod batches;
mod builder;
mod cell;
mod civil;
mod column;
mod deserialize;
#[cfg(feature = "explain")]
pub mod explain;
mod framer;
pub mod framing;
mod grammar;
pub mod hash;
mod head;
pub mod limits;
mod message;
mod namespace;
mod origin;
mod packet;
mod parser;
mod part;
mod pattern;
mod plan;
mod pptp;
mod reader;
mod record;
mod scan;
mod schema;
mod sequence;
mod service;
pub mod spell;
mod table;
mod time_source;
mod typed;
mod value;

/// Time zones and dates, as [`Origin`] takes them.
pub use jiff;

pub use ascii::AsciiGuard;
pub use builder::PacketsBuilder;
pub use column::ColumnId;
pub use deserialize::DeserializeError;
pub use namespace::{BUILT_IN, Column, Field, Namespace, NamespaceError, Position, RESERVED};
pub use origin::{Origin, StampForm};
pub use packet::{Iter, Missing, Packet, Packets};
pub use parser::Parser;
pub use part::Part;
pub use plan::Engine;
pub use reader::{ReadError, Reader};
pub use schema::JsonSchema;
pub use sequence::Sequence;
pub use time_source::TimeSource;
pub use value::{FieldType, Value};

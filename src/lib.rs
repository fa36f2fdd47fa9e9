//! Parses the text that tcpdump prints into typed packets.
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
//! A [`Reader`] takes anything that implements [`Read`](std::io::Read) and yields [`Packets`], one
//! batch per read. A [`Packet`] has a [`Value`] for each field that its text shows;
//! [`Packet::deserialize`] fills a struct of your own.
//!
//! # How it works
//!
//! ```text
//! bytes → Framer → Batch → Parser → Packets → Origin.place
//! ```
//!
//! - A [`Framer`](framing::Framer) finds where one packet's printout ends and the next begins; a
//!   [`Batch`](framing::Batch) owns the complete records of one read. The module [`framing`] is for
//!   programs that get their bytes by other means than `Read`; [`limits`] has the bounds.
//! - A [`Namespace`] lists the fields: names, patterns and types, as in `packet_parse.json`. A
//!   [`Parser`] is a compiled namespace. It never fails: where it finds no value, the packet has
//!   none.
//! - An [`Origin`] numbers the packets of one input and turns their stamps into instants.
//!
//! Beside this line, [`Sequence`] finds lost and forged records by the numbers of `tcpdump -#`,
//! [`AsciiGuard`] recognizes the text of `-A`, which cannot be parsed safely, [`PacketsBuilder`]
//! makes packets from stored values, [`JsonSchema`] describes a packet's JSON, [`spell`] writes
//! values as text and [`hash`] names a text. The module `explain` (a feature, on by default) shows
//! why a value is present or missing, and `Namespace::check` lists all that is wrong with a
//! namespace.
//!
//! This package uses no runtime, files or clock. Lanes, sinks, stores and the netcat bridge are in
//! the package `dumpstream-flow`, the command is in `dumpstream-cli`.
//!
//! # Guarantees
//!
//! - A typed field never comes from text that the packet's sender controls. The grammar reads a
//!   record's head from left to right, anchored; only `info` and `payload` hold such text.
//! - However the bytes are cut into reads, the records are the same.
//! - Both engines give the same values ([`Engine`]).
//! - Every byte belongs to a record or is counted as skipped, with the reason.
//!
//! The tests `law`, `cuts`, `golden` and `fuzz` in `tests/core` hold the crate to these.
#![forbid(unsafe_code)]

#[cfg(feature = "arrow")]
pub mod arrow;
mod ascii;
mod batch;
mod batches;
mod bigip;
mod builder;
mod cell;
mod civil;
mod column;
mod contents;
mod deserialize;
mod dialect;
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
pub use contents::Contents;
pub use deserialize::DeserializeError;
pub use namespace::{BUILT_IN, Column, Field, Namespace, NamespaceError, Position, RESERVED};
pub use origin::{Origin, Place, StampForm};
pub use packet::{Iter, Missing, Packet, Packets, Values};
pub use parser::Parser;
pub use part::Part;
pub use plan::Engine;
pub use reader::{ReadError, Reader};
pub use schema::JsonSchema;
pub use sequence::Sequence;
pub use time_source::TimeSource;
pub use value::{FieldType, Value};

//! tcpdump's text into typed packet records.
#![forbid(unsafe_code)]

mod ascii;
mod batch;
mod framer;
mod grammar;
mod namespace;
mod origin;
mod packet;
mod parser;
mod reader;
mod value;

pub use ascii::AsciiGuard;
pub use batch::Batch;
pub use framer::{
    Cut, CutKind, DEFAULT_MAX_RECORD, Framer, LARGEST_MAX_RECORD, Skip, Skipped, Style,
};
pub use namespace::{
    BUILT_IN, Column, Field, MAX_COLUMNS, MAX_COMPILED, MAX_PATTERN, Namespace, NamespaceError,
    Part, Position, RESERVED,
};
pub use origin::{Origin, StampForm, TimeSource};
pub use packet::{Missing, Packet, Packets};
pub use parser::{Engine, Parser};
pub use reader::Reader;
pub use value::{FieldType, Value};

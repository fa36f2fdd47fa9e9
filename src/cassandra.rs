//! Packets in a table of a Cassandra cluster: written, read back, asked about.
//!
//! The namespace is the table. Its key is `((sensor, bucket, shard), time, time_ns, stream,
//! record)`: a partition is a span of time of one sensor, parted into shards so that no node has
//! all the work, and 64 neighbouring records stay together, so that they travel in one request.
//!
//! A row's write time is the packet's own, so to write it again changes nothing: every retry and
//! every replay is safe.

mod address;
mod batcher;
mod cluster;
mod fault;
mod layout;
mod letters;
mod pace;
mod paging;
mod query;
mod read;
mod schema;
mod sink;
mod target;

pub use address::{Address, AddressError, PASSWORD_VARIABLE, USER_VARIABLE};
pub use query::{Datum, query};
pub use read::{Range, Reader, Reading};
pub use schema::print as schema;
pub(crate) use sink::Cassandra;

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
mod name;
mod pace;
mod paging;
mod query;
mod read;
mod replication;
mod schema;
mod sink;
mod target;

pub use self::address::{Address, PASSWORD_VARIABLE, USER_VARIABLE};
pub(crate) use self::address::{FORM, PARAMETERS, SECRETS};
pub use self::query::query;
pub use self::read::{Range, Reader, Reading};
pub use self::schema::print as schema;
use self::sink::Cassandra;
use crate::sink::SinkError;
use crate::sink::parts::UrlParts;
use crate::sink::scheme::Opening;

/// Reads a URL `cassandra://…`.
pub(crate) fn read(url: &UrlParts) -> Result<Opening, SinkError> {
    let address = Address::of(url)?;
    Ok(Opening::new(move |context| {
        Ok(Box::new(Cassandra::open(&address, context)?))
    }))
}

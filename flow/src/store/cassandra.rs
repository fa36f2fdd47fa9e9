//! Packets in a table of a Cassandra cluster: written, read back, queried.
//!
//! The namespace is the table. Its key is `((sensor, bucket, shard), time, time_ns, stream,
//! record)`. A partition is a span of time of one sensor, split into shards so that no node has all
//! the work. 64 neighbouring records stay together, so that they travel in one request.
//!
//! The write time of a row is the packet's own time, so writing it again changes nothing: every
//! retry and every replay is safe.

mod address;
mod batcher;
mod cluster;
mod fault;
mod found;
mod layout;
mod name;
mod note;
mod pace;
mod paging;
mod query;
mod read;
mod replication;
mod schema;
mod sink;
mod target;
mod waiting;
mod window;

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
    let nodes = address.nodes.clone();
    let opening = Opening::new(move |context| Ok(Box::new(Cassandra::open(&address, context)?)));
    Ok(opening.servers(nodes))
}

//! Stores: each has its sink, its schema, and what reads it, together.

#[cfg(feature = "cassandra")]
pub mod cassandra;
#[cfg(any(feature = "cassandra", feature = "sqlite"))]
pub(crate) mod datum;
#[cfg(feature = "sqlite")]
pub mod sqlite;

//! Stores: each with its sink, its schema and its reader together.

#[cfg(feature = "cassandra")]
pub mod cassandra;
#[cfg(any(feature = "cassandra", feature = "sqlite"))]
pub(crate) mod datum;
#[cfg(feature = "sqlite")]
pub mod sqlite;

//! A value in the answer to a query, of any store.

use std::borrow::Cow;

/// A value in the answer to a query.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Datum<'a> {
    /// No value.
    Null,
    /// `boolean`, if the store has it.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Real(f64),
    /// Text, or a value that is written as text, such as an address or a time of Cassandra. It may
    /// not be UTF-8.
    Text(Cow<'a, [u8]>),
    /// Bytes.
    Bytes(Cow<'a, [u8]>),
}

impl Datum<'_> {
    /// Owned text.
    #[cfg(feature = "cassandra")]
    pub(crate) fn owned(text: impl Into<String>) -> Datum<'static> {
        Datum::Text(Cow::Owned(text.into().into_bytes()))
    }
}

//! A value of an answer to a query, of whichever store.

use std::borrow::Cow;

/// A value of an answer to a query.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Datum<'a> {
    /// None.
    Null,
    /// `boolean`, where a store has it.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Real(f64),
    /// Text, and what is spelt as text, as an address or a time of Cassandra. It need not be UTF-8.
    Text(Cow<'a, [u8]>),
    /// Bytes.
    Bytes(Cow<'a, [u8]>),
}

impl Datum<'_> {
    /// Text that nobody else owns.
    #[cfg(feature = "cassandra")]
    pub(crate) fn owned(text: impl Into<String>) -> Datum<'static> {
        Datum::Text(Cow::Owned(text.into().into_bytes()))
    }
}

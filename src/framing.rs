//! Where one packet's printout ends and the next begins: text cut into records, without typed values.
//!
//! A [`Reader`](crate::Reader) does this by itself. A program that reads by other means (async, from
//! memory) gives the bytes that it has to a [`Framer`], puts what that cuts into a [`Batch`] and
//! lets a [`Parser`](crate::Parser) read it. [`Batches`] does so for any [`std::io::Read`].
//! [`Record`] is for programs that want tcpdump's words and no values.

pub use crate::batch::Batch;
pub use crate::batches::Batches;
pub use crate::framer::{Cut, CutKind, Framer, Skip, Skipped, Tail, complete};
pub use crate::head::Style;
pub use crate::record::Record;

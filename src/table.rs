//! The rows of one batch: what is known of each packet, and the cells of its columns.

use std::sync::Arc;

use crate::batch::Batch;
use crate::cell::inet_cell;
use crate::head::Stamp;
use crate::plan::Plan;
use crate::time_source::TimeSource;
use crate::typed::Typed;

/// What names an input in every table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) sensor: String,
    pub(crate) stream: String,
}

/// A record without the number of `-#`.
pub(crate) const NO_NUMBER: u64 = u64::MAX;

/// What is known of one packet beside its cells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// The record is `bytes[start..end]` of the batch.
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// The columns that have a value.
    pub(crate) present: u128,
    /// The columns whose text was found and did not fit the type.
    pub(crate) misfit: u128,
    pub(crate) stamp: Stamp,
    /// Nanoseconds since 1970 UTC, once placed.
    pub(crate) time: i64,
    pub(crate) source: TimeSource,
    /// What `-#` printed, or [`NO_NUMBER`].
    pub(crate) number: u64,
    /// A protocol was found.
    pub(crate) parsed: bool,
    pub(crate) truncated: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Inner {
    pub(crate) plan: Arc<Plan>,
    pub(crate) batch: Batch,
    pub(crate) rows: Vec<Row>,
    /// `plan.columns.len()` cells for each row.
    pub(crate) cells: Vec<u64>,
    pub(crate) wide: Vec<u128>,
    /// Texts of joined heads.
    pub(crate) joined: Vec<u8>,
    /// Stamps of the user's own timestamp columns, until they are placed.
    pub(crate) stamps: Vec<Stamp>,
    /// Bytes of tcpdump's own messages that stood among the records and were taken out.
    pub(crate) messages: u64,
    /// A record is one that no tcpdump from 4.99 on prints so.
    pub(crate) old: bool,
    pub(crate) identity: Option<Arc<Identity>>,
    /// The ordinal of the first row, once placed.
    pub(crate) first: u64,
}

impl Inner {
    /// No rows yet.
    pub(crate) fn empty(plan: Arc<Plan>, batch: Batch) -> Inner {
        Inner {
            plan,
            batch,
            rows: Vec::new(),
            cells: Vec::new(),
            wide: Vec::new(),
            joined: Vec::new(),
            stamps: Vec::new(),
            messages: 0,
            old: false,
            identity: None,
            first: 0,
        }
    }

    /// The cell of a typed value; `text` is where the text stands.
    pub(crate) fn cell(&mut self, typed: Typed, text: u64) -> u64 {
        match typed {
            Typed::Text => text,
            Typed::Int(n) | Typed::Time(n) => n as u64,
            Typed::Real(x) => x.to_bits(),
            Typed::Inet(ip) => inet_cell(ip, &mut self.wide),
            Typed::Mac(bits) => bits,
            Typed::Stamp(stamp) => {
                self.stamps.push(stamp);
                (self.stamps.len() - 1) as u64
            }
        }
    }
}

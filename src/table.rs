//! The rows of one batch: what is known of each packet, and the cells of its columns.
//!
//! A row stores the cells of the columns that it has, one behind the other: a packet has about
//! half of the built-in ones, and what is written and held is what it has. What few packets have
//! stands in tables of its own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use crate::batch::Batch;
use crate::cell::{LENGTH_BITS, fixed, inet_cell, wide_index};
use crate::contents::Contents;
use crate::head::{Form, Stamp};
use crate::message::Messages;
use crate::plan::Plan;
use crate::time_source::TimeSource;
use crate::typed::Typed;

/// What names an input in every table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) sensor: String,
    pub(crate) stream: String,
}

/// The place of a record in its stream, where ordinals are not consecutive.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ordinal {
    pub(crate) record: u64,
    /// No record of the stream lies between this ordinal and its own.
    pub(crate) follows: u64,
}

/// A record without the number of `-#`.
pub(crate) const NO_NUMBER: u64 = u64::MAX;

/// What is known of one packet beside its cells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// The columns that have a cell: that have a value and are not the record's own instant.
    pub(crate) present: u128,
    /// Where its cells begin, in the order of the columns.
    pub(crate) cells: usize,
    /// The record is `bytes[start..end]` of the batch.
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// The stamp's own figure; once placed, nanoseconds since 1970 UTC.
    time: i64,
    /// The stamp's form; once placed, [`Form::Epoch`].
    form: Form,
    source: TimeSource,
    /// The column of the record's own instant has its value.
    pub(crate) timed: bool,
    /// A protocol was found.
    pub(crate) parsed: bool,
    pub(crate) truncated: bool,
}

// Every packet has one.
const _: () = assert!(size_of::<Row>() == 48);

impl Row {
    /// A row without values.
    pub(crate) fn new((start, end): (usize, usize), cells: usize) -> Row {
        Row {
            present: 0,
            cells,
            start: start as u32,
            end: end as u32,
            time: 0,
            form: Form::Absent,
            source: TimeSource::Unplaced,
            timed: false,
            parsed: false,
            truncated: false,
        }
    }

    /// Gives it what was printed; its place in time is still to be found, but that of `-tt`.
    pub(crate) fn stamped(&mut self, stamp: Stamp) {
        self.source = TimeSource::Unplaced;
        (self.form, self.time) = match stamp {
            Stamp::None => (Form::Absent, 0),
            Stamp::Clock(ns) => (Form::Clock, ns),
            Stamp::Civil(ns) => (Form::Civil, ns),
            Stamp::Epoch(ns) => (Form::Epoch, ns),
            Stamp::Signed(ns) => (Form::Signed, ns),
            Stamp::Dated(ns) => (Form::Dated, ns),
        };
        if self.form == Form::Epoch {
            self.source = TimeSource::Packet;
        }
    }

    /// What was printed, until it is placed.
    pub(crate) fn stamp(&self) -> Stamp {
        match self.form {
            Form::Clock => Stamp::Clock(self.time),
            Form::Civil => Stamp::Civil(self.time),
            Form::Epoch => Stamp::Epoch(self.time),
            Form::Signed => Stamp::Signed(self.time),
            Form::Dated => Stamp::Dated(self.time),
            Form::Absent | Form::Unknown => Stamp::None,
        }
    }

    /// Gives it its place in time.
    pub(crate) fn place(&mut self, time: i64, source: TimeSource) {
        (self.form, self.time, self.source) = (Form::Epoch, time, source);
    }

    /// Nanoseconds since 1970 UTC; 0 while that is not known.
    pub(crate) fn time(&self) -> i64 {
        match self.form {
            Form::Epoch => self.time,
            _ => 0,
        }
    }

    pub(crate) fn source(&self) -> TimeSource {
        self.source
    }
}

/// The columns of one row whose text was found and did not fit the type.
#[derive(Clone, Copy, Debug)]
struct Misfits {
    row: u32,
    columns: u128,
}

#[derive(Clone, Debug)]
pub(crate) struct Inner {
    pub(crate) plan: Arc<Plan>,
    pub(crate) batch: Batch,
    pub(crate) rows: Vec<Row>,
    /// Row after row.
    pub(crate) cells: Vec<u64>,
    /// Of the rows that have some, in their order.
    misfits: Vec<Misfits>,
    /// What `-#` printed, of all rows or of none; [`NO_NUMBER`] where a row has none.
    numbers: Vec<u64>,
    pub(crate) wide: Vec<u128>,
    /// Texts of joined heads.
    pub(crate) joined: Vec<u8>,
    /// Stamps of the user's own timestamp columns, until they are placed.
    pub(crate) stamps: Vec<Stamp>,
    /// Messages that stood among the records and were taken out.
    pub(crate) messages: Messages,
    /// Where they stood, in what is left of the text, and the bytes taken out up to there.
    pub(crate) taken: Vec<(u32, u32)>,
    /// A record is one that no tcpdump from 4.99 on prints so.
    pub(crate) old: bool,
    pub(crate) identity: Option<Arc<Identity>>,
    /// The ordinal of the first row, once placed.
    pub(crate) first: u64,
    /// The ordinal of each row and the one that it follows, unless they are consecutive.
    pub(crate) ordinals: Vec<Ordinal>,
    /// Once placed, if the origin was asked for them.
    pub(crate) contents: Option<Contents>,
}

impl Inner {
    /// No rows yet.
    pub(crate) fn empty(plan: Arc<Plan>, batch: Batch) -> Inner {
        Inner {
            plan,
            batch,
            rows: Vec::new(),
            cells: Vec::new(),
            misfits: Vec::new(),
            numbers: Vec::new(),
            wide: Vec::new(),
            joined: Vec::new(),
            stamps: Vec::new(),
            messages: Messages::default(),
            old: false,
            identity: None,
            first: 0,
            ordinals: Vec::new(),
            taken: Vec::new(),
            contents: None,
        }
    }

    /// Takes all rows out again.
    pub(crate) fn clear(&mut self) {
        self.rows.clear();
        self.cells.clear();
        self.misfits.clear();
        self.numbers.clear();
        self.wide.clear();
        self.joined.clear();
        self.stamps.clear();
    }

    /// Gives back what was reserved and is not needed.
    pub(crate) fn fit(&mut self) {
        self.batch.bytes.shrink_to_fit();
        self.rows.shrink_to_fit();
        self.cells.shrink_to_fit();
        self.misfits.shrink_to_fit();
        self.numbers.shrink_to_fit();
        self.wide.shrink_to_fit();
        self.joined.shrink_to_fit();
        self.stamps.shrink_to_fit();
    }

    /// The bytes that this holds, itself included; not what it shares with other batches.
    pub(crate) fn footprint(&self) -> usize {
        fn held<T>(table: &Vec<T>) -> usize {
            table.capacity() * size_of::<T>()
        }
        size_of::<Inner>()
            + held(&self.batch.bytes)
            + held(&self.rows)
            + held(&self.cells)
            + held(&self.misfits)
            + held(&self.numbers)
            + held(&self.wide)
            + held(&self.joined)
            + held(&self.stamps)
            + held(&self.ordinals)
            + held(&self.taken)
            + self.contents.as_ref().map_or(0, |c| held(&c.after))
    }

    /// The text of a record.
    pub(crate) fn text(&self, row: &Row) -> &[u8] {
        &self.batch.bytes[row.start as usize..row.end as usize]
    }

    /// The text of a record that more text cannot change: of a cut one its whole lines, if it has
    /// one, because the rest can be the beginning of the next record.
    pub(crate) fn settled(&self, row: &Row) -> &[u8] {
        let text = self.text(row);
        match memchr::memrchr(b'\n', text) {
            Some(last) if row.truncated => &text[..=last],
            _ => text,
        }
    }

    /// Adds the cells of a row that has these columns, chosen from one for each column.
    pub(crate) fn pack(&mut self, present: u128, cells: &[u64]) {
        self.cells.extend(Bits(present).map(|column| cells[column]));
    }

    /// As [`Inner::pack`], for the built-in columns: of every record, so it has no test that could
    /// fail and one growth.
    #[inline]
    pub(crate) fn pack_slots(&mut self, present: u64, cells: &[u64; 64], line: &mut [u64; 64]) {
        let mut rest = present;
        let mut len = 0;
        while rest != 0 {
            line[len & 63] = cells[rest.trailing_zeros() as usize];
            len += 1;
            rest &= rest - 1;
        }
        self.cells.extend_from_slice(&line[..len]);
    }

    /// Where the cell of a column stands, or where it would be put.
    #[inline]
    pub(crate) fn at(&self, row: &Row, column: usize) -> usize {
        // Most namespaces need one half; counting both is what reading a value would cost most.
        let (below, before) = match column {
            0..64 => (row.present as u64, 0),
            _ => (
                (row.present >> 64) as u64,
                (row.present as u64).count_ones(),
            ),
        };
        let before = before + (below & ((1 << (column % 64)) - 1)).count_ones();
        row.cells + before as usize
    }

    /// The text that a cell stands for.
    #[inline]
    pub(crate) fn cell_text(&self, cell: u64) -> &[u8] {
        let start = (cell >> 32) as usize;
        let len = (cell & ((1 << LENGTH_BITS) - 1)) as usize;
        match cell >> LENGTH_BITS & 3 {
            0 => &self.batch.bytes[start..start + len],
            1 => &fixed(start).as_bytes()[..len],
            _ => &self.joined[start..start + len],
        }
    }

    /// The address that a cell stands for.
    #[inline]
    pub(crate) fn cell_inet(&self, cell: u64) -> IpAddr {
        match wide_index(cell) {
            Some(i) => Ipv6Addr::from_bits(self.wide[i]).into(),
            None => Ipv4Addr::from_bits(cell as u32).into(),
        }
    }

    /// Marks columns of the last row as misfits.
    pub(crate) fn misfit(&mut self, columns: u128) {
        let row = self.rows.len() as u32 - 1;
        match self.misfits.last_mut() {
            Some(last) if last.row == row => last.columns |= columns,
            _ if columns == 0 => {}
            _ => self.misfits.push(Misfits { row, columns }),
        }
    }

    /// The misfits of a row.
    pub(crate) fn misfits(&self, row: usize) -> u128 {
        let found = self.misfits.binary_search_by_key(&row, |m| m.row as usize);
        found.map_or(0, |i| self.misfits[i].columns)
    }

    /// Gives the last row its number, or [`NO_NUMBER`].
    pub(crate) fn numbered(&mut self, number: u64) {
        if number != NO_NUMBER || !self.numbers.is_empty() {
            self.numbers.resize(self.rows.len() - 1, NO_NUMBER);
            self.numbers.push(number);
        }
    }

    /// What `-#` printed.
    pub(crate) fn number(&self, row: usize) -> Option<u64> {
        self.numbers.get(row).copied().filter(|n| *n != NO_NUMBER)
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

/// The places of the bits that are set, in order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bits(pub(crate) u128);

impl Iterator for Bits {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        let next = self.0.trailing_zeros();
        self.0 &= self.0.wrapping_sub(1);
        (next < 128).then_some(next as usize)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let bits = self.0.count_ones() as usize;
        (bits, Some(bits))
    }
}

impl ExactSizeIterator for Bits {}

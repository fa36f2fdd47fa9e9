//! A compiled namespace: a batch in, its typed packets out.

use std::sync::Arc;

use regex::bytes::CaptureLocations;

use crate::batch::Batch;
use crate::cell::{Home, text_cell};
use crate::grammar::{self, Parts, Piece, Slots, slot};
use crate::head::Stamp;
use crate::message;
use crate::namespace::{Column, Namespace, NamespaceError};
use crate::packet::Packets;
use crate::part::Part;
use crate::plan::{Engine, Plan};
use crate::table::{Inner, NO_NUMBER, Row};
use crate::time_source::TimeSource;
use crate::typed::Typed;
use crate::value::FieldType;

/// Parses batches. It has no state between them, is shared freely, and can't fail: what it can't
/// read is data with missing values.
///
/// ```
/// use dumpstream::{Batch, Framer, Namespace, Parser, Value};
/// let text = b"1700000000.123456 IP (tos 0x0, ttl 64, id 1, offset 0, flags [DF], proto TCP (6), length 60)\n    \
///     10.0.0.1.1234 > 10.0.0.2.80: Flags [S], seq 1, win 512, options [mss 1460], length 0\n";
/// let parser = Parser::new(Namespace::tcpdump())?;
/// let mut framer = Framer::new();
/// let cut = framer.next_batch(text, true).expect("there is a record");
/// let packets = parser.parse(Batch::new(text[..cut.len].to_vec(), framer.style()));
/// let packet = packets.packet(0);
/// assert_eq!(packet.get("destination_port"), Some(Value::Int(80)));
/// assert_eq!(packet.get("flags"), Some(Value::Text(b"S")));
/// # Ok::<(), dumpstream::NamespaceError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Parser {
    plan: Arc<Plan>,
    namespace: Arc<Namespace>,
}

impl Parser {
    /// Compiles a namespace.
    ///
    /// # Errors
    /// A pattern that does not compile within its limits or has no group 1, a reserved name,
    /// alternatives of two types; see [`NamespaceError`].
    pub fn new(namespace: Namespace) -> Result<Parser, NamespaceError> {
        Ok(Parser {
            plan: Arc::new(Plan::new(&namespace)?),
            namespace: Arc::new(namespace),
        })
    }

    /// Chooses the engine.
    pub fn engine(mut self, engine: Engine) -> Parser {
        Arc::make_mut(&mut self.plan).choose(engine, &self.namespace);
        self
    }

    /// Keeps the `info` of every decoder, also of those that print passwords.
    pub fn keep_info(mut self, keep: bool) -> Parser {
        Arc::make_mut(&mut self.plan).keep.info = keep;
        self
    }

    /// The columns, in order.
    pub fn columns(&self) -> Arc<[Column]> {
        self.plan.columns.clone()
    }

    pub(crate) fn plan(&self) -> Arc<Plan> {
        self.plan.clone()
    }

    /// The namespace that was compiled.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Parses every record of a batch.
    pub fn parse(&self, batch: Batch) -> Packets {
        let plan = self.plan.clone();
        // About 250 bytes a record in real text.
        let expect = batch.bytes.len() / 200 + 1;
        let rows = Vec::with_capacity(expect);
        let cells = Vec::with_capacity(expect * plan.columns.len());
        let mut inner = Inner {
            rows,
            cells,
            ..Inner::empty(plan, batch)
        };
        if fill(&mut inner).is_err()
            && let Some((bytes, removed)) =
                message::without_messages(&inner.batch.bytes, &inner.batch.style)
        {
            inner.batch.bytes = bytes;
            inner.messages = removed;
            // What was taken out stood somewhere in between.
            inner.batch.offset = None;
            inner.rows.clear();
            inner.cells.clear();
            inner.wide.clear();
            inner.joined.clear();
            inner.stamps.clear();
            let again = fill(&mut inner);
            debug_assert!(again.is_ok(), "messages were taken out");
        }
        if inner.batch.truncated
            && let Some(last) = inner.rows.last_mut()
        {
            last.truncated = true;
        }
        Packets(Arc::new(inner))
    }
}

fn fill(inner: &mut Inner) -> Result<(), grammar::Message> {
    let plan = inner.plan.clone();
    let width = plan.columns.len();
    let style = inner.batch.style;
    let (mut parts, mut slots) = (Parts::new(), Slots::new());
    let mut search = Search::default();
    let mut start = 0;
    while start < inner.batch.bytes.len() {
        let end = grammar::record(
            &inner.batch.bytes,
            start,
            &style,
            plan.keep,
            &mut parts,
            &mut slots,
            &mut inner.wide,
        )?;
        inner.old |= parts.old;
        let base = inner.cells.len();
        let mut row = Row {
            start: start as u32,
            end: end as u32,
            present: 0,
            misfit: 0,
            stamp: parts.stamp,
            time: 0,
            source: TimeSource::Unplaced,
            number: match slots.mask >> slot::NUMBER & 1 {
                1 => slots.cells[slot::NUMBER],
                _ if parts.has(Part::Number) => NO_NUMBER - 1,
                _ => NO_NUMBER,
            },
            parsed: parts.has(Part::Protocol),
            truncated: false,
        };
        // Columns that only the patterns can tell.
        let mut searched = !plan.bound & (u128::MAX >> (128 - width));
        let mut odd = parts.odd;
        while odd != 0 {
            searched |= plan.by_part[odd.trailing_zeros() as usize];
            odd &= odd - 1;
        }
        if plan.straight {
            inner.cells.extend_from_slice(&slots.cells);
            inner.cells.resize(base + width, 0);
            row.present = u128::from(slots.mask) & !searched;
        } else {
            inner.cells.resize(base + width, 0);
            for (column, slot) in plan.slots.iter().enumerate() {
                if let Some(slot) = *slot
                    && slots.mask >> slot & 1 == 1
                    && searched >> column & 1 == 0
                {
                    inner.cells[base + column] = slots.cells[slot];
                    row.present |= 1 << column;
                }
            }
        }
        while searched != 0 {
            let column = searched.trailing_zeros() as usize;
            searched &= searched - 1;
            search.column(inner, &plan, &parts, column, base, &mut row);
        }
        search.head.clear();
        if let Stamp::Epoch(ns) = row.stamp {
            row.time = ns;
            row.source = TimeSource::Packet;
        }
        inner.rows.push(row);
        start = end;
    }
    Ok(())
}

/// What searching needs again and again.
#[derive(Default)]
struct Search {
    /// The joined head of the record, once a field asked for it.
    head: Vec<u8>,
    locations: Vec<Option<CaptureLocations>>,
}

impl Search {
    /// Fills one cell from the column's patterns: the first that matches gives the value.
    fn column(
        &mut self,
        inner: &mut Inner,
        plan: &Plan,
        parts: &Parts,
        column: usize,
        base: usize,
        row: &mut Row,
    ) {
        let kind = plan.columns[column].kind;
        let is_time = plan.time == Some(column);
        if is_time {
            row.stamp = Stamp::None;
        }
        for pattern in &plan.patterns[column] {
            for piece in parts.pieces(pattern.part) {
                let joined = pattern.part == Part::Head && !parts.more().is_empty();
                if joined && self.head.is_empty() {
                    parts.join(&inner.batch.bytes, &mut self.head);
                }
                let (text, home, offset) = match piece {
                    _ if joined => (&self.head[..], Home::Joined, 0),
                    Piece::Span(s) => {
                        let (start, end) = (s.start as usize, s.end as usize);
                        (&inner.batch.bytes[start..end], Home::Batch, start)
                    }
                    Piece::Fixed(fixed) => (fixed.text().as_bytes(), Home::Fixed, fixed.index()),
                };
                if self.locations.len() <= pattern.id {
                    self.locations.resize_with(pattern.id + 1, || None);
                }
                let locations = self.locations[pattern.id]
                    .get_or_insert_with(|| pattern.regex.capture_locations());
                if pattern.regex.captures_read(locations, text).is_none() {
                    continue;
                }
                let group = locations.get(1);
                if kind == FieldType::Bool {
                    inner.cells[base + column] = u64::from(group.is_some());
                    row.present |= 1 << column;
                    return;
                }
                let Some((from, to)) = group else { continue };
                let Some(typed) = kind.read(&text[from..to], inner.batch.style.nano) else {
                    row.misfit |= 1 << column;
                    return;
                };
                if let (true, Typed::Stamp(stamp)) = (is_time, typed) {
                    row.stamp = stamp;
                    row.present |= 1 << column;
                    return;
                }
                let cell = match home {
                    Home::Batch => text_cell(home, offset + from, to - from),
                    // A fixed text is found from its beginning or, by a pattern of the user's,
                    // elsewhere.
                    Home::Fixed if from == 0 => text_cell(home, offset, to),
                    _ if typed == Typed::Text => {
                        let at = inner.joined.len();
                        // Many columns of a large batch's heads can be more than a cell counts.
                        if u32::try_from(at).is_err() {
                            row.misfit |= 1 << column;
                            return;
                        }
                        inner.joined.extend_from_slice(&text[from..to]);
                        text_cell(Home::Joined, at, to - from)
                    }
                    _ => 0,
                };
                inner.cells[base + column] = inner.cell(typed, cell);
                row.present |= 1 << column;
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grammar::SLOTS;

    #[test]
    fn the_slots_are_the_built_in_columns() {
        let parser = Parser::new(Namespace::tcpdump()).expect("packet_parse.json is valid");
        let names: Vec<_> = parser.columns().iter().map(|c| c.name.clone()).collect();
        assert_eq!(names, SLOTS);
        assert!(parser.plan.straight);
        assert_eq!(SLOTS[grammar::slot::INFO], "info");
    }
}

//! A compiled namespace: a batch in, its typed packets out.

use std::sync::Arc;

use regex::bytes::CaptureLocations;

use crate::batch::Batch;
use crate::cell::{Home, text_cell};
use crate::column::ColumnId;
use crate::grammar::{self, Parts, Piece, Slots, slot};
use crate::head::Stamp;
use crate::message;
use crate::namespace::{Column, Namespace, NamespaceError};
use crate::packet::Packets;
use crate::part::Part;
use crate::plan::{Engine, Plan};
use crate::table::{Inner, NO_NUMBER, Row};
use crate::typed::Typed;
use crate::value::FieldType;

/// Parses batches. It has no state between them, is shared freely, and can't fail: what it can't
/// read is data with missing values.
///
/// ```
/// use dumpstream::framing::{Batch, Framer, Tail};
/// use dumpstream::{Namespace, Parser, Value};
/// let text = b"1700000000.123456 IP (tos 0x0, ttl 64, id 1, offset 0, flags [DF], proto TCP (6), length 60)\n    \
///     10.0.0.1.1234 > 10.0.0.2.80: Flags [S], seq 1, win 512, options [mss 1460], length 0\n";
/// let parser = Parser::new(Namespace::tcpdump())?;
/// let mut framer = Framer::new();
/// let cut = framer.next_batch(text, Tail::Final).expect("there is a record");
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

impl Default for Parser {
    /// A parser of the built-in namespace.
    fn default() -> Parser {
        Parser::new(Namespace::tcpdump()).expect("packet_parse.json is valid: a test loads it")
    }
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
    pub fn keep_info(mut self) -> Parser {
        Arc::make_mut(&mut self.plan).keep.info = true;
        self
    }

    /// The handle of a column: found by name once, it spares each packet the search.
    ///
    /// ```
    /// use dumpstream::{Parser, Reader, Value};
    /// let text = "22:13:20.123456 IP 10.0.0.1.53 > 10.0.0.2.9: UDP, length 27\n";
    /// let parser = Parser::default();
    /// let port = parser.column("source_port").expect("a built-in field");
    /// for packets in Reader::new(text.as_bytes()).parser(parser) {
    ///     for packet in &packets? {
    ///         assert_eq!(packet.value(port), Some(Value::Int(53)));
    ///     }
    /// }
    /// # Ok::<(), dumpstream::ReadError>(())
    /// ```
    pub fn column(&self, name: &str) -> Option<ColumnId> {
        ColumnId::find(&self.plan.columns, name)
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
        let mut inner = Inner::empty(plan, batch);
        inner.rows.reserve_exact(expect);
        // Half of the built-in columns.
        let width = inner.plan.columns.len();
        inner.cells.reserve_exact(expect * width.div_ceil(2));
        if fill(&mut inner).is_err()
            && let Some(without) = message::without_messages(&inner.batch.bytes, &inner.batch.style)
        {
            inner.batch.bytes = without.bytes;
            inner.messages = without.removed;
            inner.taken = without.taken;
            inner.clear();
            let again = fill(&mut inner);
            debug_assert!(again.is_ok(), "messages were taken out");
        }
        if inner.batch.truncated
            && let Some(last) = inner.rows.last_mut()
        {
            last.truncated = true;
        }
        inner.fit();
        Packets(Arc::new(inner))
    }
}

/// The slot of the record's own instant.
const TIME: u128 = 1 << slot::TIME;

fn fill(inner: &mut Inner) -> Result<(), grammar::Message> {
    let plan = inner.plan.clone();
    let width = plan.columns.len();
    let style = inner.batch.style;
    let (mut parts, mut slots) = (Parts::new(), Slots::new());
    let mut search = Search::default();
    // One cell a column, of a row that is not made of slots alone.
    let mut line = vec![0; width];
    let mut packed = [0; 64];
    let mut start = 0;
    while start < inner.batch.bytes.len() {
        let text = inner.batch.certain(start);
        let mut end = grammar::record(
            text,
            start,
            &style,
            plan.keep,
            &mut parts,
            &mut slots,
            &mut inner.wide,
        )?;
        let mut cut = 0;
        if end == text.len() {
            // A line that ended has all of its words, and a header waits for its endpoints.
            let header = parts.has(Part::IpVersion)
                && !(parts.has(Part::Endpoints) || parts.has(Part::Hosts));
            if inner.batch.truncated && (header || !text.ends_with(b"\n")) {
                let parts = parts.uncertain(end, &slots);
                let message = parts & (1 << Part::Icmp as u32);
                // Its figures end before what follows them; its name may go on.
                cut = plan.columns_of(parts & !message) | plan.columns_of(message) & plan.texts();
            }
            end = inner.batch.bytes.len();
        }
        inner.old |= parts.dialects.old();
        let mut row = Row::new((start, end), inner.cells.len());
        row.parsed = parts.has(Part::Protocol);
        row.stamped(parts.stamp);
        // Columns that only the patterns can tell.
        let searched = !plan.bound & (u128::MAX >> (128 - width));
        let mut searched = (searched | plan.columns_of(parts.odd)) & !cut;
        let mut misfits = 0;
        if plan.straight {
            row.present = u128::from(slots.mask) & !searched & !cut;
        }
        if plan.straight && searched == 0 {
            // The columns are the slots, and the instant's is the row's.
            row.timed = row.present & TIME != 0;
            row.present &= !TIME;
            inner.pack_slots(row.present as u64, &slots.cells, &mut packed);
        } else {
            for (column, slot) in plan.slots.iter().enumerate() {
                if let Some(slot) = *slot
                    && slots.mask >> slot & 1 == 1
                    && (searched | cut) >> column & 1 == 0
                {
                    line[column] = slots.cells[slot];
                    row.present |= 1 << column;
                }
            }
            while searched != 0 {
                let column = searched.trailing_zeros() as usize;
                searched &= searched - 1;
                match search.column(inner, &plan, &parts, column, &mut row) {
                    Found::Cell(cell) => {
                        line[column] = cell;
                        row.present |= 1 << column;
                    }
                    Found::Misfit => misfits |= 1 << column,
                    Found::Nothing => {}
                }
            }
            search.head.clear();
            if let Some(time) = plan.time {
                row.timed = row.present >> time & 1 == 1;
                row.present &= !(1 << time);
            }
            inner.pack(row.present, &line);
        }
        inner.rows.push(row);
        inner.misfit(misfits);
        inner.numbered(match slots.mask >> slot::NUMBER & 1 {
            1 => slots.cells[slot::NUMBER],
            _ if parts.has(Part::Number) => NO_NUMBER - 1,
            _ => NO_NUMBER,
        });
        start = end;
    }
    Ok(())
}

/// What a column's patterns find.
enum Found {
    Cell(u64),
    Misfit,
    Nothing,
}

/// What searching needs again and again.
#[derive(Default)]
struct Search {
    /// The joined head of the record, once a field asked for it.
    head: Vec<u8>,
    locations: Vec<Option<CaptureLocations>>,
}

impl Search {
    /// The cell of a column by its patterns: the first that matches gives the value.
    fn column(
        &mut self,
        inner: &mut Inner,
        plan: &Plan,
        parts: &Parts,
        column: usize,
        row: &mut Row,
    ) -> Found {
        let kind = plan.columns[column].kind;
        let is_time = plan.time == Some(column);
        if is_time {
            row.stamped(Stamp::None);
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
                    return Found::Cell(u64::from(group.is_some()));
                }
                let Some((from, to)) = group else { continue };
                let Some(typed) = kind.read(&text[from..to], inner.batch.style.nano) else {
                    return Found::Misfit;
                };
                if let (true, Typed::Stamp(stamp)) = (is_time, typed) {
                    row.stamped(stamp);
                    return Found::Cell(0);
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
                            return Found::Misfit;
                        }
                        inner.joined.extend_from_slice(&text[from..to]);
                        text_cell(Home::Joined, at, to - from)
                    }
                    _ => 0,
                };
                return Found::Cell(inner.cell(typed, cell));
            }
        }
        Found::Nothing
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

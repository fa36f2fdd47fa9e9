//! A batch and its typed values, and one packet of them.

use std::ops::Range;
use std::slice;
use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::column::ColumnId;
use crate::contents::Contents;
use crate::table::{Bits, Inner, Row};
use crate::time_source::TimeSource;
use crate::value::{FieldType, Value};

/// The packets of one batch: the text and its typed values. Cloning shares them.
#[derive(Clone, Debug)]
pub struct Packets(pub(crate) Arc<Inner>);

impl Packets {
    /// The columns, in order; the index is that of [`Packet::value`].
    pub fn columns(&self) -> &[crate::Column] {
        &self.0.plan.columns
    }

    /// The handle of a column, by name: for [`Packet::value`], of these packets and of all that the
    /// same parser makes.
    pub fn column(&self, name: &str) -> Option<ColumnId> {
        ColumnId::find(self.columns(), name)
    }

    /// How many packets.
    pub fn len(&self) -> usize {
        self.0.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.rows.is_empty()
    }

    /// One after the other.
    pub fn iter(&self) -> Iter<'_> {
        Iter {
            packets: self,
            range: 0..self.len(),
        }
    }

    /// The packet at an index below [`Packets::len`].
    ///
    /// # Panics
    /// When the index is out of range.
    pub fn packet(&self, index: usize) -> Packet<'_> {
        assert!(index < self.len(), "packet {index} of {}", self.len());
        Packet {
            packets: self,
            index,
        }
    }

    /// The bytes of text that these packets hold in memory.
    pub fn bytes(&self) -> usize {
        self.0.batch.bytes.len()
    }

    /// The memory that these packets hold, in bytes: all that was allocated for them. What all
    /// packets of a parser or of an input share is not counted.
    pub fn footprint(&self) -> usize {
        // An `Arc` counts twice beside what it holds.
        self.0.footprint() + 2 * size_of::<usize>()
    }

    /// Bytes of tcpdump's own messages (`N packets captured`, …) and of `dumpstream serve` that stood among these records
    /// and belong to none.
    pub fn messages(&self) -> u64 {
        self.0.messages.bytes
    }

    /// Records that `dumpstream serve` says that it skipped, in its messages among these records.
    pub fn unserved(&self) -> u64 {
        self.0.messages.unserved
    }

    /// Whether a remote packet could have printed records of its own into text like this: a record
    /// shows that its tcpdump is older than 4.99 (its printers of SNMP, timed and PPTP gave out
    /// names as they came, line feeds too), and no `-#` numbers the packets. What is said of one
    /// batch holds for its stream.
    ///
    /// ```
    /// use dumpstream::framing::{Batch, Framer, Tail};
    /// use dumpstream::{Packets, Parser};
    /// let parser = Parser::default();
    /// let packets = |text: &[u8]| -> Packets {
    ///     let mut framer = Framer::new();
    ///     framer.next_batch(text, Tail::Final).expect("there is a record");
    ///     parser.parse(Batch::new(text.to_vec(), framer.style()))
    /// };
    /// assert!(packets(b"10:00:00.000001 arp who-has 192.0.2.9 tell 192.0.2.1\n").forgeable());
    /// assert!(!packets(b"    1  10:00:00.000001 arp who-has 192.0.2.9 tell 192.0.2.1\n").forgeable());
    /// assert!(!packets(b"10:00:00.000001 ARP, Request who-has 192.0.2.9 tell 192.0.2.1, length 28\n").forgeable());
    /// ```
    pub fn forgeable(&self) -> bool {
        self.0.old && !self.0.batch.style.numbered()
    }

    /// When the text arrived, nanoseconds since 1970 UTC.
    pub fn arrival(&self) -> Option<i64> {
        self.0.batch.arrival
    }

    /// The sensor, which [`Origin::place`](crate::Origin::place) sets; empty before.
    pub fn sensor(&self) -> &str {
        self.0.identity.as_ref().map_or("", |i| &i.sensor)
    }

    /// The stream, which [`Origin::place`](crate::Origin::place) sets; empty before.
    pub fn stream(&self) -> &str {
        self.0.identity.as_ref().map_or("", |i| &i.stream)
    }

    /// The ordinal of the first packet in its stream, from 1; 0 before it is placed. Those of the
    /// others need not be consecutive: [`Packet::record`].
    pub fn first_record(&self) -> u64 {
        self.0.first
    }

    /// The packet with this ordinal, if it is one of these.
    pub fn find(&self, record: u64) -> Option<Packet<'_>> {
        let Inner {
            first, ordinals, ..
        } = &*self.0;
        let index = match ordinals.is_empty() {
            true => usize::try_from(record.checked_sub(*first)?).ok()?,
            false => ordinals.binary_search_by_key(&record, |o| o.record).ok()?,
        };
        (index < self.len()).then(|| self.packet(index))
    }

    /// Hashes of the stream's text, if [`Origin::contents`](crate::Origin::contents) asked for them.
    pub fn contents(&self) -> Option<&Contents> {
        self.0.contents.as_ref()
    }
}

impl<'a> IntoIterator for &'a Packets {
    type Item = Packet<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// The packets of one batch, one after the other: what [`Packets::iter`] gives.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    packets: &'a Packets,
    range: Range<usize>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = Packet<'a>;

    #[inline]
    fn next(&mut self) -> Option<Packet<'a>> {
        let packets = self.packets;
        self.range.next().map(|index| Packet { packets, index })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.range.size_hint()
    }

    fn nth(&mut self, n: usize) -> Option<Packet<'a>> {
        let packets = self.packets;
        self.range.nth(n).map(|index| Packet { packets, index })
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl<'a> DoubleEndedIterator for Iter<'a> {
    fn next_back(&mut self) -> Option<Packet<'a>> {
        let packets = self.packets;
        self.range
            .next_back()
            .map(|index| Packet { packets, index })
    }
}

/// Why a column has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Missing {
    /// The record does not have its parts.
    NoPart,
    /// The record has a part, but no pattern matches.
    NoMatch,
    /// A pattern matches, but its text does not fit the type.
    Misfit,
    /// The record was cut, and the value may have stood behind the cut or across it.
    Truncated,
}

impl Missing {
    /// The reason as reports spell it.
    pub fn name(self) -> &'static str {
        match self {
            Missing::NoPart => "no-part",
            Missing::NoMatch => "no-match",
            Missing::Misfit => "misfit",
            Missing::Truncated => "truncated",
        }
    }
}

/// One packet, borrowed; as cheap as an index.
///
/// ```
/// use dumpstream::{Reader, Value};
/// let text = "22:13:20.123456 IP 10.0.0.1.53 > 10.0.0.2.9: UDP, length 27\n";
/// for packets in Reader::new(text.as_bytes()) {
///     for packet in &packets? {
///         assert_eq!(packet.get("source_port"), Some(Value::Int(53)));
///         assert_eq!((packet.record(), packet.offset()), (1, Some(0)));
///         assert_eq!(packet.raw(), text.as_bytes());
///         let json = serde_json::to_value(packet)?;
///         assert_eq!(json["destination"], "10.0.0.2");
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    packets: &'a Packets,
    index: usize,
}

impl<'a> Packet<'a> {
    fn row(self) -> &'a Row {
        &self.packets.0.rows[self.index]
    }

    /// Its batch, and which of its rows it is.
    pub(crate) fn place(self) -> (&'a Packets, usize) {
        (self.packets, self.index)
    }

    /// The record as `tcpdump` printed it, its last line feed included.
    pub fn raw(self) -> &'a [u8] {
        let row = self.row();
        &self.packets.0.batch.bytes[row.start as usize..row.end as usize]
    }

    /// Where the record begins, in bytes from the beginning of its input, if that is known.
    pub fn offset(self) -> Option<u64> {
        let inner = &*self.packets.0;
        let start = self.row().start;
        // What was taken out stood before it.
        let taken = inner.taken.partition_point(|(at, _)| *at <= start);
        let taken = taken.checked_sub(1).map_or(0, |i| inner.taken[i].1);
        let start = u64::from(start) + u64::from(taken);
        inner.batch.offset.map(|offset| offset + start)
    }

    /// The value of a column by name. Where many packets are asked, find its handle once:
    /// [`Parser::column`](crate::Parser::column).
    pub fn get(self, name: &str) -> Option<Value<'a>> {
        self.value(self.packets.column(name)?)
    }

    /// The value of a column by its handle, or by its index in [`Packets::columns`].
    #[inline]
    pub fn value(self, column: impl Into<ColumnId>) -> Option<Value<'a>> {
        self.cell(column.into().index())
    }

    /// The columns that have a value, in their order, with it: less work than [`Packet::value`] of
    /// each.
    ///
    /// ```
    /// use dumpstream::Reader;
    /// let text = "22:13:20.123456 IP 10.0.0.1.53 > 10.0.0.2.9: UDP, length 27\n";
    /// for packets in Reader::new(text.as_bytes()) {
    ///     let packets = packets?;
    ///     let packet = packets.packet(0);
    ///     for (column, value) in packet.values() {
    ///         println!("{} = {value}", packets.columns()[column.index()].name);
    ///     }
    ///     assert_eq!(packet.values().next().map(|(_, value)| Some(value)), Some(packet.get("time")));
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn values(self) -> Values<'a> {
        let row = self.row();
        let time = match self.packets.0.plan.time {
            Some(time) if row.timed => 1 << time,
            _ => 0,
        };
        Values {
            packet: self,
            columns: Bits(row.present | time),
            cells: self.packets.0.cells[row.cells..].iter(),
        }
    }

    fn cell(self, column: usize) -> Option<Value<'a>> {
        let inner = &*self.packets.0;
        let row = self.row();
        if row.present >> column & 1 == 0 {
            let own = row.timed && inner.plan.time == Some(column);
            return own.then(|| Value::Timestamp(row.time()));
        }
        Some(self.read(column, inner.cells[inner.at(row, column)]))
    }

    /// The value that a column's cell stands for.
    #[inline]
    fn read(self, column: usize, cell: u64) -> Value<'a> {
        let inner = &*self.packets.0;
        match inner.plan.columns[column].kind {
            FieldType::Text => Value::Text(inner.cell_text(cell)),
            FieldType::Bool => Value::Bool(cell != 0),
            FieldType::Real => Value::Real(f64::from_bits(cell)),
            FieldType::Inet => Value::Inet(inner.cell_inet(cell)),
            FieldType::Mac => {
                let [_, _, mac @ ..] = cell.to_be_bytes();
                Value::Mac(mac)
            }
            FieldType::Time => Value::Time(cell as i64),
            FieldType::Timestamp => Value::Timestamp(cell as i64),
            FieldType::Int | FieldType::Bigint | FieldType::Port | FieldType::Hex => {
                Value::Int(cell as i64)
            }
        }
    }

    /// The columns without a value, and why.
    pub fn missing(self) -> impl Iterator<Item = (&'a str, Missing)> {
        let inner = &*self.packets.0;
        let row = self.row();
        let parts = inner.plan.parts(&inner.batch, row.start as usize);
        let misfits = inner.misfits(self.index);
        inner
            .plan
            .columns
            .iter()
            .enumerate()
            .filter_map(move |(i, column)| {
                if row.present >> i & 1 == 1 || row.timed && inner.plan.time == Some(i) {
                    return None;
                }
                let reason = if misfits >> i & 1 == 1 {
                    Missing::Misfit
                } else if row.truncated {
                    Missing::Truncated
                } else if inner.plan.looks_into(i, parts) {
                    Missing::NoMatch
                } else {
                    Missing::NoPart
                };
                Some((column.name.as_str(), reason))
            })
    }

    /// Whether a column's text was found and does not fit its type, as a name where an address
    /// should stand; by the column's handle or index. [`Packet::missing`] tells the other reasons,
    /// and walks over the record again for them.
    pub fn misfit(self, column: impl Into<ColumnId>) -> bool {
        let column = column.into().index();
        assert!(column < self.packets.columns().len(), "no column {column}");
        self.packets.0.misfits(self.index) >> column & 1 == 1
    }

    /// How many columns were found whose text did not fit the type.
    pub fn misfits(self) -> u32 {
        self.packets.0.misfits(self.index).count_ones()
    }

    /// When the packet was seen: nanoseconds since 1970 UTC. Before
    /// [`Origin::place`](crate::Origin::place) only `-tt` stamps have theirs.
    pub fn time(self) -> i64 {
        self.row().time()
    }

    /// How [`Packet::time`] was found.
    pub fn time_source(self) -> TimeSource {
        self.row().source()
    }

    /// The ordinal in its stream, from 1; 0 before it is placed.
    pub fn record(self) -> u64 {
        let inner = &*self.packets.0;
        match (inner.first, inner.ordinals.get(self.index)) {
            (0, _) => 0,
            (_, Some(ordinal)) => ordinal.record,
            (first, None) => first + self.index as u64,
        }
    }

    /// An ordinal before [`Packet::record`] such that no record of the stream lies between them:
    /// the one before it, unless ordinals are those of messages
    /// ([`Origin::place_each`](crate::Origin::place_each)).
    pub fn follows(self) -> u64 {
        match self.packets.0.ordinals.get(self.index) {
            Some(ordinal) => ordinal.follows,
            None => self.record().saturating_sub(1),
        }
    }

    /// The number that `-#` printed, whatever the namespace makes of it; one that does not fit 63
    /// bits, which tcpdump never prints, is `u64::MAX - 1`.
    pub fn number(self) -> Option<u64> {
        self.packets.0.number(self.index)
    }

    /// When its text arrived; see [`Packets::arrival`].
    pub fn arrival(self) -> Option<i64> {
        self.packets.arrival()
    }

    /// The hash of the stream's text up to the end of this record; see [`Packets::contents`].
    pub fn content(self) -> Option<u64> {
        self.packets.contents()?.after.get(self.index).copied()
    }

    /// The text that [`Packet::content`] takes in: that of the record; of a cut one its whole lines,
    /// if it has one, because the rest can be the beginning of the next record.
    pub fn settled(self) -> &'a [u8] {
        self.packets.0.settled(self.row())
    }

    /// The sensor; see [`Packets::sensor`].
    pub fn sensor(self) -> &'a str {
        self.packets.sensor()
    }

    /// The stream; see [`Packets::stream`].
    pub fn stream(self) -> &'a str {
        self.packets.stream()
    }

    /// Whether the record was cut: at the limit, or by the end of the input.
    pub fn truncated(self) -> bool {
        self.row().truncated
    }

    /// Whether the grammar found a protocol.
    pub fn parsed(self) -> bool {
        self.row().parsed
    }
}

/// The columns of a packet that have a value: what [`Packet::values`] gives.
#[derive(Clone, Debug)]
pub struct Values<'a> {
    packet: Packet<'a>,
    columns: Bits,
    /// Those of the columns that have one, in the same order, and of the packets that follow.
    cells: slice::Iter<'a, u64>,
}

impl<'a> Iterator for Values<'a> {
    type Item = (ColumnId, Value<'a>);

    #[inline]
    fn next(&mut self) -> Option<(ColumnId, Value<'a>)> {
        let column = self.columns.next()?;
        let row = self.packet.row();
        let value = match row.present >> column & 1 {
            0 => Value::Timestamp(row.time()),
            _ => self.packet.read(column, *self.cells.next()?),
        };
        Some((column.into(), value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.columns.size_hint()
    }
}

impl ExactSizeIterator for Values<'_> {}

impl Serialize for Packet<'_> {
    /// A map of the columns that have a value, in the namespace's order, then `truncated`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (column, value) in self.values() {
            map.serialize_entry(&self.packets.columns()[column.index()].name, &value)?;
        }
        if self.truncated() {
            map.serialize_entry("truncated", &true)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Parser;
    use crate::framing::Batches;
    use crate::grammar::WALKS;

    #[test]
    fn a_name_for_an_address_is_told_without_another_walk() {
        let text = "22:13:20.123456 IP localhost.5000 > localhost.9999: UDP, length 1\n";
        let batch = Batches::new(text.as_bytes()).next().unwrap().unwrap();
        let packets = Parser::default().parse(batch);
        let column = |name: &str| packets.column(name);
        let walked = WALKS.get();
        let packet = packets.packet(0);
        assert!(packet.misfit(column("source").unwrap()));
        assert!(!packet.misfit(column("ttl").unwrap()));
        assert_eq!(packet.misfits(), 2);
        assert_eq!(WALKS.get(), walked);
        let misfit = ("source", Missing::Misfit);
        assert!(packet.missing().any(|missing| missing == misfit));
        assert_eq!(WALKS.get(), walked + 1, "the other reasons need one");
    }
}

//! Packets from values instead of text: the way back from a table.

use std::sync::Arc;

use crate::batch::Batch;
use crate::cell::{Home, inet_cell, text_cell};
use crate::head::{Stamp, Style};
use crate::packet::Packets;
use crate::parser::Parser;
use crate::plan::Plan;
use crate::table::{Identity, Inner, NO_NUMBER, Row};
use crate::time_source::TimeSource;
use crate::value::Value;

/// Makes [`Packets`] from values that were stored before.
///
/// It gathers rows of one stream with consecutive ordinals. What is in no column is not there: a
/// [`Packet::missing`](crate::Packet::missing) of such a packet reports on its raw text, if that
/// was builder.
///
/// ```
/// use dumpstream::{Namespace, PacketsBuilder, Parser, TimeSource, Value};
/// let parser = Parser::new(Namespace::tcpdump())?;
/// let ttl = parser.columns().iter().position(|column| column.name == "ttl").expect("a column");
/// let mut builder = PacketsBuilder::new(&parser);
/// builder.row(("sensor-1", "stream-1", 7), (1_700_000_000_000_000_000, TimeSource::Packet), b"");
/// builder.set(ttl, Value::Int(64));
/// assert!(builder.continues("sensor-1", "stream-1", 8));
/// let packets = builder.take();
/// assert_eq!(packets.packet(0).record(), 7);
/// assert_eq!(packets.packet(0).get("ttl"), Some(Value::Int(64)));
/// # Ok::<(), dumpstream::NamespaceError>(())
/// ```
#[derive(Clone, Debug)]
pub struct PacketsBuilder {
    plan: Arc<Plan>,
    inner: Inner,
}

impl PacketsBuilder {
    /// A builder of packets with a parser's columns.
    pub fn new(parser: &Parser) -> PacketsBuilder {
        let plan = parser.plan();
        PacketsBuilder {
            inner: Inner::empty(plan.clone(), Batch::new(Vec::new(), Style::default())),
            plan,
        }
    }

    /// How many rows were gathered.
    pub fn len(&self) -> usize {
        self.inner.rows.len()
    }

    /// Whether none was gathered.
    pub fn is_empty(&self) -> bool {
        self.inner.rows.is_empty()
    }

    /// The bytes of text that were gathered; [`Batch::MAX_LEN`] is the most there may be.
    pub fn bytes(&self) -> usize {
        self.inner.batch.bytes.len()
    }

    /// Whether a row of this sensor, stream and ordinal comes next after those gathered.
    pub fn continues(&self, sensor: &str, stream: &str, record: u64) -> bool {
        let same = |i: &Arc<Identity>| i.sensor == sensor && i.stream == stream;
        self.inner.identity.as_ref().is_some_and(same)
            && self.inner.first + self.len() as u64 == record
    }

    /// Begins a row: its sensor, stream and ordinal, its time and how that was found, and its text
    /// as far as it was builder.
    ///
    /// # Panics
    /// When it is not the first and does not continue the rows gathered ([`take`](Self::take)
    /// those before it), and beyond [`Batch::MAX_LEN`] bytes of text.
    pub fn row(
        &mut self,
        (sensor, stream, record): (&str, &str, u64),
        (time, source): (i64, TimeSource),
        raw: &[u8],
    ) {
        if self.is_empty() {
            self.inner.first = record;
            self.inner.identity = Some(Arc::new(Identity {
                sensor: sensor.to_owned(),
                stream: stream.to_owned(),
            }));
        } else {
            let next = self.continues(sensor, stream, record);
            assert!(next, "record {record} of {stream} is not the next row");
        }
        let (start, end) = self.text(raw);
        let inner = &mut self.inner;
        inner.rows.push(Row {
            start: start as u32,
            end: end as u32,
            present: self.plan.time.map_or(0, |time| 1 << time),
            misfit: 0,
            stamp: Stamp::None,
            time,
            source,
            number: NO_NUMBER,
            parsed: true,
            truncated: false,
        });
        let cells = inner.rows.len() * self.plan.columns.len();
        inner.cells.resize(cells, 0);
    }

    /// Says whether the record of the row begun last was cut.
    pub fn truncated(&mut self, truncated: bool) {
        if let Some(row) = self.inner.rows.last_mut() {
            row.truncated = truncated;
        }
    }

    /// Gives the row begun last a value of the column's type. One of another type is a
    /// [`Misfit`](crate::Missing::Misfit).
    ///
    /// # Panics
    /// When there is no such column, and beyond [`Batch::MAX_LEN`] bytes of text.
    pub fn set(&mut self, column: usize, value: Value<'_>) {
        let (kind, width) = (self.plan.columns[column].kind, self.plan.columns.len());
        let Some(row) = self.inner.rows.last_mut() else {
            return;
        };
        if !kind.holds(&value) {
            row.misfit |= 1 << column;
            return;
        }
        row.present |= 1 << column;
        let cell = match value {
            Value::Text(bytes) => {
                let (start, _) = self.text(bytes);
                text_cell(Home::Batch, start, bytes.len())
            }
            Value::Int(n) | Value::Time(n) | Value::Timestamp(n) => n as u64,
            Value::Real(x) => x.to_bits(),
            Value::Bool(b) => u64::from(b),
            Value::Inet(ip) => inet_cell(ip, &mut self.inner.wide),
            Value::Mac([a, b, c, d, e, f]) => u64::from_be_bytes([0, 0, a, b, c, d, e, f]),
        };
        let first = self.inner.cells.len() - width;
        self.inner.cells[first + column] = cell;
    }

    /// What was gathered; the builder is empty again.
    pub fn take(&mut self) -> Packets {
        let batch = Batch::new(Vec::new(), Style::default());
        let empty = Inner::empty(self.plan.clone(), batch);
        Packets(Arc::new(std::mem::replace(&mut self.inner, empty)))
    }

    /// Adds bytes to the text; where they stand.
    fn text(&mut self, bytes: &[u8]) -> (usize, usize) {
        let text = &mut self.inner.batch.bytes;
        let (start, end) = (text.len(), text.len() + bytes.len());
        assert!(Batch::fits(end), "more text than {} bytes", Batch::MAX_LEN);
        text.extend_from_slice(bytes);
        (start, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Framer, Namespace, Origin};

    #[test]
    fn values_come_back() {
        let text = b"1700000000.000001 IP6 (hlim 64, next-header UDP (17) payload length: 13) \
            ::1.1234 > ::2.5678: [udp sum ok] UDP, length 5\n\
            1700000000.000002 IP 10.0.0.1.53 > 10.0.0.2.9: 1 A? caf\xc3\xa9\xff. (27)\n";
        let parser = Parser::new(Namespace::tcpdump()).unwrap();
        let mut framer = Framer::new();
        framer.next_batch(text, true).unwrap();
        let mut packets = parser.parse(Batch::new(text.to_vec(), framer.style()));
        Origin::new("s").stream("x").place(&mut packets);
        let mut builder = PacketsBuilder::new(&parser);
        for packet in packets.iter() {
            assert!(builder.len() == 0 || builder.continues("s", "x", packet.record()));
            let identity = (packet.sensor(), packet.stream(), packet.record());
            let (time, source) = (packet.time(), packet.time_source());
            builder.row(identity, (time, source), packet.raw());
            builder.truncated(packet.truncated());
            for column in 0..packets.columns().len() {
                if let Some(value) = packet.value(column) {
                    builder.set(column, value);
                }
            }
        }
        assert!(!builder.continues("s", "y", 3) && !builder.continues("s", "x", 4));
        let again = builder.take();
        assert_eq!((builder.len(), builder.bytes()), (0, 0));
        assert_eq!(again.first_record(), 1);
        for (a, b) in packets.iter().zip(again.iter()) {
            let json = |p| serde_json::to_string(&p).unwrap();
            assert_eq!(json(a), json(b));
            assert_eq!(a.raw(), b.raw());
            assert_eq!(
                (a.sensor(), a.stream(), a.record()),
                (b.sensor(), b.stream(), b.record())
            );
        }
    }

    #[test]
    fn a_value_of_another_type_is_a_misfit() {
        let parser = Parser::new(Namespace::tcpdump()).unwrap();
        let column = |name: &str| parser.columns().iter().position(|c| c.name == name);
        let (ttl, flags) = (column("ttl").unwrap(), column("flags").unwrap());
        let mut builder = PacketsBuilder::new(&parser);
        builder.row(("s", "x", 1), (0, TimeSource::Packet), b"");
        builder.set(ttl, Value::Text(b"64"));
        builder.set(flags, Value::Int(1 << 40));
        let packets = builder.take();
        let packet = packets.packet(0);
        assert_eq!((packet.value(ttl), packet.value(flags)), (None, None));
        assert!(packet.misfit(ttl) && packet.misfit(flags));
    }

    #[test]
    #[should_panic(expected = "not the next row")]
    fn rows_go_on() {
        let parser = Parser::new(Namespace::tcpdump()).unwrap();
        let mut builder = PacketsBuilder::new(&parser);
        builder.row(("s", "x", 1), (0, TimeSource::Packet), b"");
        builder.row(("s", "x", 3), (0, TimeSource::Packet), b"");
    }
}

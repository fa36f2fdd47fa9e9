//! Packets again, from values that a sink has stored: the way back from a table.

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

/// Gathers rows of one stream with consecutive ordinals.
///
/// What stands in no column is gone: a [`Packet::missing`](crate::Packet::missing) of such a packet
/// tells of its bytes, if those were stored.
#[derive(Debug)]
pub(crate) struct Stored {
    plan: Arc<Plan>,
    inner: Inner,
}

impl Stored {
    pub(crate) fn new(parser: &Parser) -> Stored {
        let plan = parser.plan();
        Stored {
            inner: empty(plan.clone()),
            plan,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.inner.rows.len()
    }

    /// Bytes of text gathered.
    pub(crate) fn bytes(&self) -> usize {
        self.inner.batch.bytes.len()
    }

    /// Whether a row of this identity and ordinal comes next after those gathered.
    pub(crate) fn continues(&self, sensor: &str, stream: &str, record: u64) -> bool {
        let same = |i: &Arc<Identity>| i.sensor == sensor && i.stream == stream;
        self.inner.identity.as_ref().is_some_and(same)
            && self.inner.first + self.len() as u64 == record
    }

    /// Begins a row. The first one says whose rows these are.
    pub(crate) fn row(
        &mut self,
        (sensor, stream, record): (&str, &str, u64),
        time: i64,
        source: TimeSource,
        truncated: bool,
        raw: &[u8],
    ) {
        let inner = &mut self.inner;
        if inner.rows.is_empty() {
            inner.first = record;
            inner.identity = Some(Arc::new(Identity {
                sensor: sensor.to_owned(),
                stream: stream.to_owned(),
            }));
        }
        let start = position(inner.batch.bytes.len());
        inner.batch.bytes.extend_from_slice(raw);
        inner.rows.push(Row {
            start,
            end: position(inner.batch.bytes.len()),
            present: self.plan.time.map_or(0, |time| 1 << time),
            misfit: 0,
            stamp: Stamp::None,
            time,
            source,
            number: NO_NUMBER,
            parsed: true,
            truncated,
        });
        let cells = inner.rows.len() * self.plan.columns.len();
        inner.cells.resize(cells, 0);
    }

    /// Gives the row that was begun last a value; it is of the column's type.
    pub(crate) fn set(&mut self, column: usize, value: Value<'_>) {
        let inner = &mut self.inner;
        let Some(row) = inner.rows.last_mut() else {
            return;
        };
        row.present |= 1 << column;
        let cell = match value {
            Value::Text(bytes) => {
                let start = inner.batch.bytes.len();
                inner.batch.bytes.extend_from_slice(bytes);
                text_cell(Home::Batch, start, bytes.len())
            }
            Value::Int(n) | Value::Time(n) | Value::Timestamp(n) => n as u64,
            Value::Real(x) => x.to_bits(),
            Value::Bool(b) => u64::from(b),
            Value::Inet(ip) => inet_cell(ip, &mut inner.wide),
            Value::Mac([a, b, c, d, e, f]) => u64::from_be_bytes([0, 0, a, b, c, d, e, f]),
        };
        let width = self.plan.columns.len();
        let first = inner.cells.len() - width;
        inner.cells[first + column] = cell;
    }

    /// What was gathered; it begins anew.
    pub(crate) fn take(&mut self) -> Packets {
        let inner = std::mem::replace(&mut self.inner, empty(self.plan.clone()));
        Packets(Arc::new(inner))
    }
}

/// Rows are gathered to far fewer bytes than a cell can count.
fn position(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("what is gathered is bounded by who gathers")
}

fn empty(plan: Arc<Plan>) -> Inner {
    Inner {
        plan,
        batch: Batch::new(Vec::new(), Style::default()),
        rows: Vec::new(),
        cells: Vec::new(),
        wide: Vec::new(),
        joined: Vec::new(),
        stamps: Vec::new(),
        messages: 0,
        identity: None,
        first: 0,
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
        let mut stored = Stored::new(&parser);
        for packet in packets.iter() {
            assert!(stored.len() == 0 || stored.continues("s", "x", packet.record()));
            let identity = (packet.sensor(), packet.stream(), packet.record());
            let (time, source) = (packet.time(), packet.time_source());
            stored.row(identity, time, source, packet.truncated(), packet.raw());
            for column in 0..packets.columns().len() {
                if let Some(value) = packet.value(column) {
                    stored.set(column, value);
                }
            }
        }
        assert!(!stored.continues("s", "y", 3) && !stored.continues("s", "x", 4));
        let again = stored.take();
        assert_eq!((stored.len(), stored.bytes()), (0, 0));
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
}

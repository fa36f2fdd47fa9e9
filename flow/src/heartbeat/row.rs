//! A beat as a row.

use std::time::Duration;

use dumpstream::{Packets, PacketsBuilder, Parser, TimeSource, Value};

use super::host::Reading;
use super::receiver::Counted;

/// Makes the rows of one stream.
#[derive(Debug)]
pub(super) struct Row {
    builder: PacketsBuilder,
    parser: Parser,
}

/// What one beat says.
#[derive(Clone, Debug, Default)]
pub(super) struct Beat {
    pub(super) reading: Reading,
    pub(super) every: Duration,
    pub(super) counted: Option<Counted>,
}

impl Row {
    /// Of the columns of [`namespace`](super::namespace).
    pub(super) fn new(parser: &Parser) -> Row {
        Row {
            builder: PacketsBuilder::new(parser),
            parser: parser.clone(),
        }
    }

    /// The row of a beat: its identity, and its time in nanoseconds since 1970 UTC.
    pub(super) fn of(&mut self, beat: &Beat, identity: (&str, &str, u64), time: i64) -> Packets {
        // As of a record without a stamp, the time is this machine's.
        let placed = (time, TimeSource::Arrival);
        self.builder.row(identity, placed, b"");
        self.host(&beat.reading);
        self.real("every", beat.every.as_secs_f64());
        if let Some(counted) = &beat.counted {
            self.int("records", counted.records);
            self.int("bytes", counted.bytes);
            self.int("lost", counted.lost);
            self.int("suspect", counted.suspect);
            self.int("connections", counted.connections);
            self.set("lanes", Value::Text(counted.lanes.as_bytes()));
        }
        self.builder.take()
    }

    fn host(&mut self, reading: &Reading) {
        self.real("cpu", hundredths(reading.cpu));
        let cores: Vec<f64> = reading.cores.iter().map(|x| hundredths(*x)).collect();
        let cores = serde_json::to_string(&cores).expect("numbers");
        self.set("cores", Value::Text(cores.as_bytes()));
        let [one, five, fifteen] = reading.load.map_or([None; 3], |load| load.map(Some));
        self.real("load1", one);
        self.real("load5", five);
        self.real("load15", fifteen);
        self.int("memory_total", reading.memory_total);
        self.int("memory_used", reading.memory_used);
        self.int("memory_available", reading.memory_available);
        self.int("swap_total", reading.swap_total);
        self.int("swap_used", reading.swap_used);
        let [read, written] = ways(reading.disk);
        self.int("disk_read", read);
        self.int("disk_written", written);
        let [received, sent] = ways(reading.net);
        self.int("net_received", received);
        self.int("net_sent", sent);
        self.int("uptime", reading.uptime);
        self.real("process_cpu", reading.process_cpu);
        self.int("process_memory", reading.process_memory);
    }

    fn int(&mut self, column: &str, n: impl Into<Option<u64>>) {
        if let Some(n) = n.into() {
            // No counter of bytes or packets comes near 2⁶³.
            self.set(column, Value::Int(i64::try_from(n).unwrap_or(i64::MAX)));
        }
    }

    fn real(&mut self, column: &str, x: impl Into<Option<f64>>) {
        if let Some(x) = x.into().filter(|x| x.is_finite()) {
            self.set(column, Value::Real(x));
        }
    }

    fn set(&mut self, column: &str, value: Value<'_>) {
        let column = self.parser.column(column);
        self.builder
            .set(column.expect("a column of the namespace"), value);
    }
}

/// Two ways of which none or both are known.
fn ways(both: Option<[u64; 2]>) -> [Option<u64>; 2] {
    both.map_or([None; 2], |both| both.map(Some))
}

/// More digits than a counter of hundredths of a second can tell would be noise.
fn hundredths(x: f64) -> f64 {
    (x * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heartbeat::namespace;

    fn json(beat: &Beat) -> serde_json::Value {
        let parser = Parser::new(namespace()).unwrap();
        let rows = Row::new(&parser).of(beat, ("gate", "x", 3), 1_700_000_000_000_000_000);
        let packet = rows.packet(0);
        assert_eq!(
            (packet.sensor(), packet.stream(), packet.record()),
            ("gate", "x", 3)
        );
        serde_json::to_value(packet).unwrap()
    }

    #[test]
    fn every_column_gets_its_value() {
        let beat = Beat {
            reading: Reading {
                cpu: 12.345_678,
                cores: vec![24.691_3, 0.0],
                load: Some([0.5, 0.25, 0.125]),
                memory_total: 1 << 45,
                memory_used: 1 << 44,
                memory_available: 1 << 43,
                swap_total: 3,
                swap_used: 2,
                disk: Some([5, u64::from(u32::MAX) + 1]),
                net: Some([7, 8]),
                uptime: Some(9),
                process_cpu: Some(1.5),
                process_memory: Some(10),
            },
            every: Duration::from_millis(1_500),
            counted: Some(Counted {
                records: 11,
                bytes: 12,
                lost: Some(13),
                suspect: Some(14),
                connections: Some(15),
                lanes: "[]".to_owned(),
            }),
        };
        let row = json(&beat);
        let columns = namespace().columns();
        for column in &columns {
            assert!(!row[&column.name].is_null(), "{} has no value", column.name);
        }
        assert_eq!(row.as_object().unwrap().len(), columns.len());
        assert_eq!(row["time"], "2023-11-14T22:13:20.000000Z");
        assert_eq!(
            (&row["cpu"], &row["cores"]),
            (&12.35.into(), &"[24.69,0.0]".into())
        );
        assert_eq!(row["memory_total"], 1u64 << 45);
        assert_eq!(row["disk_written"], 1u64 << 32);
        assert_eq!((&row["every"], &row["lanes"]), (&1.5.into(), &"[]".into()));
    }

    #[test]
    fn what_is_not_known_is_absent() {
        let row = json(&Beat::default());
        for absent in [
            "load1",
            "disk_read",
            "net_sent",
            "uptime",
            "process_cpu",
            "records",
            "lanes",
        ] {
            assert!(row.get(absent).is_none(), "{absent}: {row}");
        }
    }
}

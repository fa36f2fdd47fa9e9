//! Which records of each stream are in the table.
//!
//! The records of a stream come in order, so the table has everything up to the last one, except
//! for the gaps that a lane's drops have left; the gaps are ranges in a table of their own. No row
//! is ever searched for, and a record that comes again is recognised whatever its time is now.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use rusqlite::{Connection, OptionalExtension, Result, params};

/// Maximum number of streams whose state is held in memory; others are read again when needed.
const STREAMS: usize = 4096;

/// The state of recently seen streams, and the changes not yet saved.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// By sensor, then by stream.
    sensors: HashMap<String, HashMap<String, Stream>>,
    count: usize,
}

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) id: i64,
    /// The highest record that was admitted; 0 before the first.
    last: i64,
    /// The number of records in the table.
    records: i64,
    complete: bool,
    /// The range of `time` of the stream's rows.
    times: Option<(i64, i64)>,
    changed: bool,
}

impl Ledger {
    /// Forgets the state: another program has written, or a transaction has failed.
    pub(super) fn forget(&mut self) {
        self.sensors.clear();
        self.count = 0;
    }

    /// The state of the stream, read or created at its first use.
    pub(super) fn stream(
        &mut self,
        conn: &Connection,
        sensor: &str,
        stream: &str,
    ) -> Result<&mut Stream> {
        if !self
            .sensors
            .get(sensor)
            .is_some_and(|streams| streams.contains_key(stream))
        {
            let state = Stream::read(conn, sensor, stream)?;
            self.count += 1;
            self.sensors
                .entry(sensor.to_owned())
                .or_default()
                .insert(stream.to_owned(), state);
        }
        Ok(self
            .sensors
            .get_mut(sensor)
            .and_then(|streams| streams.get_mut(stream))
            .expect("it was put there above"))
    }

    /// Writes every change, inside the transaction of the rows.
    pub(super) fn save(&mut self, conn: &Connection) -> Result<()> {
        for stream in self.sensors.values_mut().flat_map(HashMap::values_mut) {
            stream.save(conn)?;
        }
        if self.count > STREAMS {
            self.forget();
        }
        Ok(())
    }
}

impl Stream {
    fn read(conn: &Connection, sensor: &str, stream: &str) -> Result<Stream> {
        conn.prepare_cached("INSERT OR IGNORE INTO streams(sensor, stream) VALUES (?1, ?2)")?
            .execute([sensor, stream])?;
        conn.prepare_cached(
            "SELECT id, records, complete, first_time, last_time, \
             (SELECT coalesce(sum(last - first + 1), 0) FROM gaps WHERE gaps.stream = streams.id) \
             FROM streams WHERE sensor = ?1 AND stream = ?2",
        )?
        .query_row([sensor, stream], |row| {
            let records: i64 = row.get(1)?;
            let times: (Option<i64>, Option<i64>) = (row.get(3)?, row.get(4)?);
            Ok(Stream {
                id: row.get(0)?,
                last: records + row.get::<_, i64>(5)?,
                records,
                complete: row.get(2)?,
                times: times.0.zip(times.1),
                changed: false,
            })
        })
    }

    /// The highest record that was admitted; 0 before the first.
    pub(super) fn last(&self) -> i64 {
        self.last
    }

    /// Records the arrival of records `first` to `last`, and returns those that are not stored yet.
    /// They count as stored from now on.
    pub(super) fn admit(
        &mut self,
        conn: &Connection,
        first: i64,
        last: i64,
    ) -> Result<Vec<RangeInclusive<i64>>> {
        let mut wanted = Vec::new();
        if first <= self.last && !self.complete {
            self.fill(conn, first, last.min(self.last), &mut wanted)?;
        }
        if first > self.last + 1 {
            self.missing(conn, self.last + 1, first - 1)?;
        }
        if last > self.last {
            wanted.push(first.max(self.last + 1)..=last);
            self.last = last;
            self.changed = true;
        }
        Ok(wanted)
    }

    /// Removes records `first` to `last` from the gaps, and returns those that were in one.
    fn fill(
        &mut self,
        conn: &Connection,
        first: i64,
        last: i64,
        wanted: &mut Vec<RangeInclusive<i64>>,
    ) -> Result<()> {
        // The gap that begins before `first` is the only one that can reach into the range.
        let before: Option<(i64, i64)> = conn
            .prepare_cached(
                "SELECT first, last FROM gaps WHERE stream = ?1 AND first < ?2 \
                 ORDER BY first DESC LIMIT 1",
            )?
            .query_row([self.id, first], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let mut gaps: Vec<(i64, i64)> = before.into_iter().filter(|gap| gap.1 >= first).collect();
        let mut within = conn.prepare_cached(
            "SELECT first, last FROM gaps WHERE stream = ?1 AND first BETWEEN ?2 AND ?3 \
             ORDER BY first",
        )?;
        for gap in within.query_map([self.id, first, last], |r| Ok((r.get(0)?, r.get(1)?)))? {
            gaps.push(gap?);
        }
        for (from, to) in gaps {
            conn.prepare_cached("DELETE FROM gaps WHERE stream = ?1 AND first = ?2")?
                .execute([self.id, from])?;
            if from < first {
                self.missing(conn, from, first - 1)?;
            }
            if to > last {
                self.missing(conn, last + 1, to)?;
            }
            wanted.push(from.max(first)..=to.min(last));
            self.changed = true;
        }
        Ok(())
    }

    /// Records that `first` to `last` are missing though later records are stored.
    pub(super) fn missing(&mut self, conn: &Connection, first: i64, last: i64) -> Result<()> {
        conn.prepare_cached("INSERT INTO gaps(stream, first, last) VALUES (?1, ?2, ?3)")?
            .execute([self.id, first, last])?;
        self.complete = false;
        self.changed = true;
        Ok(())
    }

    /// Records that a row was inserted, with its time.
    pub(super) fn stored(&mut self, time: i64) {
        self.records += 1;
        let (first, last) = self.times.unwrap_or((time, time));
        self.times = Some((first.min(time), last.max(time)));
        self.changed = true;
    }

    /// Deletes the stream's rows, because its record 1 has come again and replaces them.
    pub(super) fn remove(&mut self, conn: &Connection) -> Result<()> {
        if let Some((first, last)) = self.times {
            conn.prepare_cached("DELETE FROM packet WHERE time BETWEEN ?1 AND ?2 AND stream = ?3")?
                .execute([first, last, self.id])?;
        }
        conn.prepare_cached("DELETE FROM gaps WHERE stream = ?1")?
            .execute([self.id])?;
        *self = Stream {
            id: self.id,
            last: 0,
            records: 0,
            complete: true,
            times: None,
            changed: true,
        };
        Ok(())
    }

    fn save(&mut self, conn: &Connection) -> Result<()> {
        if !self.changed {
            return Ok(());
        }
        if !self.complete {
            self.complete = conn
                .prepare_cached("SELECT NOT EXISTS (SELECT 1 FROM gaps WHERE stream = ?1)")?
                .query_row([self.id], |row| row.get(0))?;
        }
        conn.prepare_cached(
            "UPDATE streams SET records = ?2, complete = ?3, first_time = ?4, last_time = ?5 \
             WHERE id = ?1",
        )?
        .execute(params![
            self.id,
            self.records,
            self.complete,
            self.times.map(|t| t.0),
            self.times.map(|t| t.1)
        ])?;
        self.changed = false;
        Ok(())
    }
}

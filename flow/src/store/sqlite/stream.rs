//! One stream: which of its records are in the table, and how its text ends.

use std::ops::RangeInclusive;

use dumpstream::{Packet, Packets, hash};
use rusqlite::{Connection, OptionalExtension, Result, params};

use super::{contents, schema};

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
    /// The time of its first record.
    began: Option<i64>,
    /// Of its last record, if its text is compared.
    tail: Option<Tail>,
    changed: bool,
}

/// The last record of a text that may grow.
#[derive(Clone, Copy, Debug)]
struct Tail {
    time: i64,
    /// The length of its text in bytes.
    length: i64,
    /// What is kept of the text up to its end.
    content: u32,
}

impl Stream {
    /// A stream without rows; when its first record was seen.
    pub(super) fn new(id: i64, began: i64) -> Stream {
        Stream {
            began: Some(began),
            ..Stream::empty(id)
        }
    }

    fn empty(id: i64) -> Stream {
        Stream {
            id,
            last: 0,
            records: 0,
            complete: true,
            times: None,
            began: None,
            tail: None,
            changed: true,
        }
    }

    /// The stream of this name, and then those that were read under it.
    pub(super) fn read(conn: &Connection, sensor: &str, stream: &str) -> Result<Vec<Stream>> {
        let id: Option<i64> = conn
            .prepare_cached("SELECT id FROM streams WHERE sensor = ?1 AND stream = ?2")?
            .query_row([sensor, stream], |row| row.get(0))
            .optional()?;
        let mut statement = conn.prepare_cached(
            "SELECT id, records, complete, first_time, last_time, began, tail, length, \
             max(coalesce(last, 0), records + (SELECT coalesce(sum(gaps.last - gaps.first + 1), 0) \
             FROM gaps WHERE gaps.stream = streams.id)) FROM streams WHERE id = ?1 \
             OR id IN (SELECT stream FROM families WHERE family = ?1) ORDER BY id",
        )?;
        let streams = statement.query_map([id], |row| {
            let times: (Option<i64>, Option<i64>) = (row.get(3)?, row.get(4)?);
            let tail: (Option<i64>, Option<i64>) = (row.get(6)?, row.get(7)?);
            let stream = Stream {
                id: row.get(0)?,
                last: row.get(8)?,
                records: row.get(1)?,
                complete: row.get(2)?,
                times: times.0.zip(times.1),
                began: row.get(5)?,
                tail: None,
                changed: false,
            };
            Ok((stream, tail.0.zip(tail.1)))
        })?;
        let streams = streams.map(|stream| {
            let (mut stream, tail) = stream?;
            let content = contents::at(conn, stream.id, stream.last)?;
            stream.tail = tail.zip(content).map(|((time, length), content)| Tail {
                time,
                length,
                content,
            });
            Ok(stream)
        });
        streams.collect()
    }

    /// The highest record that was admitted; 0 before the first.
    pub(super) fn last(&self) -> i64 {
        self.last
    }

    /// Whether something is not saved.
    pub(super) fn is_changed(&self) -> bool {
        self.changed
    }

    /// What is kept of the text up to this record.
    pub(super) fn content(&self, conn: &Connection, record: i64) -> Result<Option<u32>> {
        match self.tail {
            Some(tail) if record == self.last => Ok(Some(tail.content)),
            _ if record > self.last => Ok(None),
            _ => contents::at(conn, self.id, record),
        }
    }

    /// Whether this is the text of the last record, and more of it; the hash is that of the text
    /// before.
    pub(super) fn has_grown(&self, before: u64, text: &[u8]) -> bool {
        self.tail.is_some_and(|tail| {
            let old = text.get(..tail.length.unsigned_abs() as usize);
            old.is_some_and(|old| contents::kept(hash::content(before, old)) == tail.content)
        })
    }

    /// Whether there is a row of this record with its time, whatever date the stream had then.
    pub(super) fn has(&self, conn: &Connection, packet: Packet<'_>, began: i64) -> Result<bool> {
        let since = packet.time().saturating_sub(began);
        let time = self.began.unwrap_or(began).saturating_add(since);
        conn.prepare_cached("SELECT 1 FROM packet WHERE time = ?1 AND stream = ?2 AND record = ?3")?
            .exists((time, self.id, packet.record() as i64))
    }

    /// Records the arrival of packets, and returns the records that are not stored yet. They count as stored from now on.
    pub(super) fn admit(
        &mut self,
        conn: &Connection,
        packets: &Packets,
    ) -> Result<Vec<RangeInclusive<i64>>> {
        let mut wanted = Vec::new();
        for (first, last) in stretches(packets) {
            self.reach(conn, packets, (first, last), &mut wanted)?;
        }
        if let Some(contents) = packets.contents() {
            self.began.get_or_insert(contents.began);
        }
        Ok(wanted)
    }

    /// Records the arrival of all that the stream has of records `first` to `last`, and adds those that
    /// are not stored yet.
    fn reach(
        &mut self,
        conn: &Connection,
        packets: &Packets,
        (first, last): (i64, i64),
        admitted: &mut Vec<RangeInclusive<i64>>,
    ) -> Result<()> {
        let mut wanted = Vec::new();
        if first <= self.last && !self.complete {
            self.fill(conn, first, last.min(self.last), &mut wanted)?;
        }
        if first > self.last + 1 {
            self.missing(conn, self.last + 1, first - 1)?;
        }
        let hashes = packets.contents().map(|contents| &contents.after[..]);
        let hashes = |range: &RangeInclusive<i64>| {
            let (from, to) = (range.start() - first, range.end() - first);
            Some(&hashes?[from as usize..=to as usize])
        };
        for range in &wanted {
            if let Some(hashes) = hashes(range) {
                contents::fill(conn, self.id, *range.start(), hashes)?;
            }
        }
        if last > self.last {
            let range = first.max(self.last + 1)..=last;
            if let Some(hashes) = hashes(&range) {
                contents::keep(conn, self.id, *range.start(), hashes)?;
            }
            wanted.push(range);
            self.last = last;
            self.ends(packets.packet(packets.len() - 1));
        }
        admitted.append(&mut wanted);
        Ok(())
    }

    /// Records what the last record is.
    fn ends(&mut self, packet: Packet<'_>) {
        self.tail = packet.content().map(|content| Tail {
            time: packet.time(),
            length: packet.settled().len() as i64,
            content: contents::kept(content),
        });
        self.changed = true;
    }

    /// Removes the row of the last record, because this one is more of it. Returns whether there
    /// was one.
    pub(super) fn amend(&mut self, conn: &Connection, packet: Packet<'_>) -> Result<bool> {
        let time = self.tail.map_or(packet.time(), |tail| tail.time);
        let mut statement = conn
            .prepare_cached("DELETE FROM packet WHERE time = ?1 AND stream = ?2 AND record = ?3")?;
        let had = statement.execute([time, self.id, self.last])? == 1;
        contents::forget(conn, self.id, self.last)?;
        if let Some(content) = packet.content() {
            contents::keep(conn, self.id, self.last, &[content])?;
        }
        self.ends(packet);
        Ok(had)
    }

    /// Removes the row of the last record if it was cut.
    pub(super) fn remove_cut(&mut self, conn: &Connection, packet: Packet<'_>) -> Result<bool> {
        let time = self.tail.map_or(packet.time(), |tail| tail.time);
        let mut statement = conn.prepare_cached(
            "DELETE FROM packet WHERE time = ?1 AND stream = ?2 AND record = ?3 AND truncated",
        )?;
        let had = statement.execute([time, self.id, self.last])? == 1;
        if had && packet.content().is_none() {
            contents::forget(conn, self.id, self.last)?;
        }
        if had {
            self.ends(packet);
        }
        Ok(had)
    }

    /// Copies the rows of another stream before `end` to this one, which is empty. Their times are
    /// as far from its first one as they were there. Returns how many they are.
    pub(super) fn copy(&mut self, conn: &Connection, other: &Stream, end: i64) -> Result<usize> {
        let mut copied = 0;
        if let Some((first, last)) = other.times {
            let began = self.began.zip(other.began);
            let shift = began.map_or(0, |(new, old)| new.saturating_sub(old));
            // At the ends of what 64 bits hold, times stay what they were.
            let fits = first.checked_add(shift).is_some() && last.checked_add(shift).is_some();
            let shift = if fits { shift } else { 0 };
            copied = conn
                .prepare(&schema::copy(conn)?)?
                .execute((shift, self.id, first, last, other.id, end))?;
            let times: (Option<i64>, Option<i64>) = conn.query_row(
                "SELECT min(time), max(time) FROM packet \
                 WHERE time BETWEEN ?1 AND ?2 AND stream = ?3",
                [first + shift, last + shift, self.id],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            self.times = times.0.zip(times.1);
        }
        conn.prepare_cached(
            "INSERT INTO gaps(stream, first, last) SELECT ?2, first, min(last, ?3 - 1) FROM gaps \
             WHERE stream = ?1 AND first < ?3",
        )?
        .execute([other.id, self.id, end])?;
        contents::copy(conn, other.id, self.id, end)?;
        self.records = copied as i64;
        self.complete = other.complete;
        self.last = end - 1;
        self.changed = true;
        Ok(copied)
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

    /// Records that a row took the place of one that was removed, with its time.
    pub(super) fn amended(&mut self, time: i64) {
        self.stored(time);
        self.records -= 1;
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
        contents::forget(conn, self.id, 0)?;
        *self = Stream::empty(self.id);
        Ok(())
    }

    pub(super) fn save(&mut self, conn: &Connection) -> Result<()> {
        if !self.changed {
            return Ok(());
        }
        if !self.complete {
            self.complete = conn
                .prepare_cached("SELECT NOT EXISTS (SELECT 1 FROM gaps WHERE stream = ?1)")?
                .query_row([self.id], |row| row.get(0))?;
        }
        conn.prepare_cached(
            "UPDATE streams SET records = ?2, complete = ?3, first_time = ?4, last_time = ?5, \
             began = ?6, tail = ?7, length = ?8, last = ?9 WHERE id = ?1",
        )?
        .execute(params![
            self.id,
            self.records,
            self.complete,
            self.times.map(|t| t.0),
            self.times.map(|t| t.1),
            self.began,
            self.tail.map(|tail| tail.time),
            self.tail.map(|tail| tail.length),
            self.last,
        ])?;
        self.changed = false;
        Ok(())
    }
}

/// The stretches of ordinals of which these packets are all that the stream has: one, unless the
/// packets came as messages.
fn stretches(packets: &Packets) -> Vec<(i64, i64)> {
    let mut stretches: Vec<(i64, i64)> = Vec::new();
    for packet in packets.iter() {
        let (follows, record) = (packet.follows() as i64, packet.record() as i64);
        match stretches.last_mut() {
            Some((_, last)) if follows <= *last => *last = record,
            _ => stretches.push((follows + 1, record)),
        }
    }
    stretches
}

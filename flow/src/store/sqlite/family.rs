//! The streams that were read under one name, and which of them a batch goes on with.
//!
//! A text is named by how it begins, and texts of several captures can begin alike: what decides is
//! the content. The records of a batch are compared one by one with what is kept of the text so far.
//! From the first difference on it is another stream, which is whole: it gets a copy of the records
//! before.

use std::fmt::Write;

use dumpstream::{Contents, Packets};
use rusqlite::{Connection, Result};

use super::contents;
use super::stream::Stream;

/// All streams of one name; the first one has the name itself.
#[derive(Debug)]
pub(super) struct Family {
    name: String,
    members: Vec<Stream>,
}

/// The stream that a batch belongs to, and what is to be done with its records.
#[derive(Debug)]
pub(super) struct Place<'a> {
    pub(super) stream: &'a mut Stream,
    pub(super) end: End,
    pub(super) difference: Option<Difference>,
}

/// How a comparison ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// No record differs from what is kept.
    Same,
    /// The batch's last record is a stored one, cut.
    Cut,
    /// The stream's last record, this one, has grown.
    Grown,
    /// This record is the first one with another text.
    Differs(i64),
}

/// Another text than before came under a name.
#[derive(Debug)]
pub(super) struct Difference {
    sensor: String,
    /// The name of the new stream.
    stream: String,
    /// The first record that differs.
    record: i64,
    /// How many rows were copied.
    copied: usize,
}

impl Difference {
    /// Reports it, once it is stored.
    pub(super) fn report(&self) {
        let copied = match self.copied {
            0 => String::new(),
            1 => ", with a copy of the packet before it".to_owned(),
            n => format!(", with copies of the {n} packets before it"),
        };
        tracing::warn!(
            sensor = self.sensor,
            stream = self.stream,
            "Packet {} differs from the text that was read earlier under this name, so this text is \
             stored as another stream{copied}. --replace replaces the earlier text instead.",
            self.record,
        );
    }
}

/// How well a stream fits, in order of weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Fit {
    /// The text before the batch is the same; else it is not known.
    exact: bool,
    same: bool,
    /// Records that are the same.
    matched: usize,
}

impl Family {
    /// The streams under a name, if there are any.
    pub(super) fn read(conn: &Connection, sensor: &str, name: &str) -> Result<Option<Family>> {
        let members = Stream::read(conn, sensor, name)?;
        let name = name.to_owned();
        Ok((!members.is_empty()).then_some(Family { name, members }))
    }

    /// A name that did not exist.
    pub(super) fn create(conn: &Connection, sensor: &str, name: &str) -> Result<Family> {
        conn.prepare_cached("INSERT OR IGNORE INTO streams(sensor, stream) VALUES (?1, ?2)")?
            .execute([sensor, name])?;
        Ok(Family {
            name: name.to_owned(),
            members: Stream::read(conn, sensor, name)?,
        })
    }

    /// Whether something is not saved.
    pub(super) fn is_changed(&self) -> bool {
        self.members.iter().any(Stream::is_changed)
    }

    pub(super) fn save(&mut self, conn: &Connection) -> Result<()> {
        self.members.iter_mut().try_for_each(|m| m.save(conn))
    }

    /// Deletes all rows that were read under the name.
    pub(super) fn remove(&mut self, conn: &Connection) -> Result<()> {
        for member in &mut self.members {
            member.remove(conn)?;
        }
        for member in self.members.drain(1..) {
            conn.prepare_cached("DELETE FROM streams WHERE id = ?1")?
                .execute([member.id])?;
        }
        conn.prepare_cached("DELETE FROM families WHERE family = ?1")?
            .execute([self.members[0].id])?;
        Ok(())
    }

    /// Finds the stream that a batch goes on with, or makes one.
    pub(super) fn place(&mut self, conn: &Connection, packets: &Packets) -> Result<Place<'_>> {
        let Some(contents) = packets.contents() else {
            return Ok(Place {
                stream: &mut self.members[0],
                end: End::Same,
                difference: None,
            });
        };
        let mut best: Option<(Fit, usize, End)> = None;
        for (at, member) in self.members.iter().enumerate() {
            if let Some((fit, end)) = fit(conn, member, packets, contents)?
                && best.is_none_or(|(other, ..)| fit > other)
            {
                best = Some((fit, at, end));
            }
        }
        let (at, end, difference) = match best {
            Some((_, at, End::Differs(record))) => {
                let base = contents.before.map(|_| at);
                self.branch(conn, base, record, packets, contents)?
            }
            Some((_, at, end)) => (at, end, None),
            // What stood before the batch never came.
            None => {
                let first = packets.first_record() as i64;
                self.branch(conn, None, first, packets, contents)?
            }
        };
        Ok(Place {
            stream: &mut self.members[at],
            end,
            difference,
        })
    }

    /// Adds a stream whose text is that of `base` up to `record`, and another one from there on.
    fn branch(
        &mut self,
        conn: &Connection,
        base: Option<usize>,
        record: i64,
        packets: &Packets,
        contents: &Contents,
    ) -> Result<(usize, End, Option<Difference>)> {
        let sensor = packets.sensor();
        let at = (record - packets.first_record() as i64) as usize;
        let mut name = self.name.clone();
        write!(name, ".{:016x}", contents.after[at]).expect("a String takes every text");
        let mut insert =
            conn.prepare_cached("INSERT OR IGNORE INTO streams(sensor, stream) VALUES (?1, ?2)")?;
        // Anyone may have given a stream this name.
        while insert.execute([sensor, &name])? == 0 {
            name.push('+');
        }
        let mut branch = Stream::new(conn.last_insert_rowid(), contents.began);
        conn.prepare_cached("INSERT INTO families(family, stream) VALUES (?1, ?2)")?
            .execute([self.members[0].id, branch.id])?;
        let copied = match base {
            Some(base) => branch.copy(conn, &self.members[base], record)?,
            None => 0,
        };
        self.members.push(branch);
        let difference = Difference {
            sensor: sensor.to_owned(),
            stream: name,
            record,
            copied,
        };
        Ok((self.members.len() - 1, End::Same, Some(difference)))
    }
}

/// Compares a batch with a stream; `None`: the text before it is another one.
fn fit(
    conn: &Connection,
    stream: &Stream,
    packets: &Packets,
    contents: &Contents,
) -> Result<Option<(Fit, End)>> {
    let first = packets.first_record() as i64;
    let exact = match contents.before {
        None => false,
        Some(_) if first == 1 => true,
        Some(before) => match stream.content(conn, first - 1)? {
            Some(kept) if kept == contents::kept(before) => true,
            Some(_) => return Ok(None),
            None => false,
        },
    };
    let last = stream.last().min(first + packets.len() as i64 - 1);
    let (mut matched, mut end) = (0, End::Same);
    for (record, kept) in contents::read(conn, stream.id, (first, last))? {
        let at = (record - first) as usize;
        if kept != contents::kept(contents.after[at]) {
            let packet = packets.packet(at);
            let before = match at.checked_sub(1) {
                Some(before) => Some(contents.after[before]),
                None => contents.before,
            };
            let grown =
                |before| record == stream.last() && stream.has_grown(before, packet.settled());
            end = if before.is_some_and(grown) {
                End::Grown
            } else if packet.truncated() && stream.has(conn, packet, contents.began)? {
                End::Cut
            } else {
                End::Differs(record)
            };
            break;
        }
        matched += 1;
    }
    let same = !matches!(end, End::Differs(_));
    Ok(Some((
        Fit {
            exact,
            same,
            matched,
        },
        end,
    )))
}

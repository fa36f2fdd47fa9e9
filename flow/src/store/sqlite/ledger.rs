//! Which records of each stream are in the table.
//!
//! The records of a stream come in order, so the table has everything up to the last one, except
//! for the gaps that a lane's drops have left; the gaps are ranges in a table of their own. No row
//! is ever searched for, and a record that comes again is recognised whatever its time is now.

use std::collections::{HashMap, HashSet};

use dumpstream::Packets;
use rusqlite::{Connection, Result};

use super::contents;
use super::family::Family;

/// Maximum number of names whose state is held in memory; others are read again when needed.
const NAMES: usize = 4096;

/// The state of recently seen streams, and the changes not yet saved.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// By sensor, then by the name under which a stream is read.
    sensors: HashMap<String, HashMap<String, Family>>,
    count: usize,
}

impl Ledger {
    /// Forgets the state: another program has written, or a transaction has failed.
    pub(super) fn forget(&mut self) {
        self.sensors.clear();
        self.count = 0;
    }

    /// The streams under the packets' name, read or created at their first use.
    pub(super) fn family(&mut self, conn: &Connection, packets: &Packets) -> Result<&mut Family> {
        let (sensor, stream) = (packets.sensor(), packets.stream());
        let names = match self.sensors.contains_key(sensor) {
            true => self.sensors.get_mut(sensor),
            false => Some(self.sensors.entry(sensor.to_owned()).or_default()),
        };
        let names = names.expect("it was put there above");
        if !names.contains_key(stream) {
            let family = match Family::read(conn, sensor, stream)? {
                Some(family) => family,
                None => {
                    adopt(conn, names, packets)?;
                    Family::create(conn, sensor, stream)?
                }
            };
            self.count += 1;
            names.insert(stream.to_owned(), family);
        }
        Ok(names.get_mut(stream).expect("it was put there above"))
    }

    /// Writes every change, inside the transaction of the rows.
    pub(super) fn save(&mut self, conn: &Connection) -> Result<()> {
        for family in self.sensors.values_mut().flat_map(HashMap::values_mut) {
            family.save(conn)?;
        }
        if self.count > NAMES {
            self.forget();
        }
        Ok(())
    }
}

/// The end of a file stood within its first record, which is whole now and gives the stream another
/// name: the stream gets it.
fn adopt(conn: &Connection, names: &mut HashMap<String, Family>, packets: &Packets) -> Result<()> {
    if packets.first_record() != 1 || packets.contents().is_none() {
        return Ok(());
    }
    let (sensor, text) = (packets.sensor(), packets.packet(0).settled());
    let Some((id, name)) = contents::beginning(conn, sensor, text)? else {
        return Ok(());
    };
    if names.get(&name).is_some_and(Family::is_changed) {
        return Ok(());
    }
    names.remove(&name);
    conn.prepare_cached("UPDATE streams SET stream = ?2 WHERE id = ?1")?
        .execute((id, packets.stream()))?;
    Ok(())
}

/// The names whose rows this run has replaced: what comes under one of them again is another file
/// of that name, and replaces nothing.
#[derive(Debug, Default)]
pub(super) struct Replaced {
    names: HashSet<(String, String)>,
    /// Those of the running transaction.
    now: Vec<(String, String)>,
}

impl Replaced {
    /// Whether the rows under the packets' name are to be replaced now.
    pub(super) fn is_due(&mut self, packets: &Packets) -> bool {
        let name = (packets.sensor().to_owned(), packets.stream().to_owned());
        let due = !self.names.contains(&name) && !self.now.contains(&name);
        if due {
            self.now.push(name);
        }
        due
    }

    /// The transaction has ended.
    pub(super) fn end(&mut self, committed: bool) {
        let now = self.now.drain(..);
        self.names.extend(now.filter(|_| committed));
    }
}

//! Rows of packets: what is inserted, and how its values are bound.

use dumpstream::spell::Text;
use dumpstream::{Packet, Packets, Value};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, ErrorCode};

use super::family::{Difference, End, Place};
use super::ledger::{Ledger, Replaced};
use super::schema;
use crate::sink::context::SinkContext;

/// What became of one batch.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// The indices of refused rows, with the reasons.
    pub(super) refused: Vec<(usize, String)>,
    /// Rows that were already stored.
    pub(super) present: u64,
    /// Stored rows that were replaced, because their record has grown.
    pub(super) amended: u64,
    /// The text is not the one that was read before.
    pub(super) difference: Option<Difference>,
}

/// Inserts those rows of one batch that are not stored yet, or all of them to amend. With
/// `replaced`, stored rows of the same name are deleted at its first record.
pub(super) fn write_packets(
    conn: &Connection,
    ledger: &mut Ledger,
    insert: &mut Insert<'_>,
    (replaced, amend): (Option<&mut Replaced>, bool),
    packets: &Packets,
) -> rusqlite::Result<Outcome> {
    let first = packets.first_record();
    let mut outcome = Outcome::default();
    if packets.is_empty() {
        return Ok(outcome);
    }
    if first == 0 {
        // These rows were not placed, so they have no key.
        let nobody = |index| (index, "it was not placed".to_owned());
        outcome.refused = (0..packets.len()).map(nobody).collect();
        return Ok(outcome);
    }
    let family = ledger.family(conn, packets)?;
    // Amend rows one by one: the first record of a stream does not mean that all of it comes again.
    if !amend && first == 1 && replaced.is_some_and(|replaced| replaced.is_due(packets)) {
        family.remove(conn)?;
    }
    let Place {
        stream,
        end,
        difference,
    } = family.place(conn, packets)?;
    outcome.difference = difference;
    let known = stream.last();
    let last_known = packets.find(known.unsigned_abs());
    let grown = match (end, last_known) {
        (End::Grown, Some(packet)) => stream.amend(conn, packet)?,
        _ => false,
    };
    let admitted = stream.admit(conn, packets)?;
    let old = |packet: Packet<'_>| {
        let record = packet.record() as i64;
        !admitted.iter().any(|range| range.contains(&record))
    };
    let (stored, fresh): (Vec<_>, Vec<_>) = packets
        .iter()
        .enumerate()
        .partition(|(_, packet)| old(*packet));
    let mut present = if amend { 0 } else { stored.len() as u64 };
    let amended = match amend && end == End::Same {
        true => &stored[..],
        false => &[],
    };
    for (index, packet) in amended.iter().copied() {
        let record = packet.record();
        match insert.row(packet, stream.id) {
            Ok(()) => {}
            Err(e) if refuses_row(&e) && !conn.is_autocommit() => {
                tracing::warn!(error = %e, record, "The database refused to change a row.");
                outcome.refused.push((index, e.to_string()));
            }
            Err(e) => return Err(e),
        }
    }
    // The last record of an input that grew since: what was stored of it may have been cut.
    if let Some(packet) = last_known.filter(|packet| !amend && old(*packet))
        && (grown || !packet.truncated() && stream.remove_cut(conn, packet)?)
    {
        insert.row(packet, stream.id)?;
        stream.amended(packet.time());
        outcome.amended = 1;
        present -= 1;
    }
    for (index, packet) in fresh {
        let record = packet.record() as i64;
        match insert.row(packet, stream.id) {
            Ok(()) => stream.stored(packet.time()),
            Err(e) if refuses_row(&e) && !conn.is_autocommit() => {
                tracing::warn!(error = %e, record, "The database refused a row.");
                stream.missing(conn, record, record)?;
                outcome.refused.push((index, e.to_string()));
            }
            Err(e) => return Err(e),
        }
    }
    outcome.present = present;
    Ok(outcome)
}

/// The first parameter behind those of the key, the time's source and `truncated`.
const OURS: usize = 6;

/// The parameter of each column of the namespace in the statement that inserts a row; 0 for those
/// that have no column in the table.
pub(super) fn parameters(context: &SinkContext) -> Vec<usize> {
    let mut parameters = vec![0; context.columns.len()];
    let first = OURS + usize::from(context.raw);
    for (parameter, column) in (first..).zip(schema::stored(context)) {
        parameters[column] = parameter;
    }
    parameters
}

/// The prepared statement and what it needs to bind a packet.
pub(super) struct Insert<'a> {
    pub(super) statement: CachedStatement<'a>,
    pub(super) parameters: &'a [usize],
    pub(super) raw: bool,
    pub(super) text: &'a mut Text,
}

impl Insert<'_> {
    fn row(&mut self, packet: Packet<'_>, stream: i64) -> rusqlite::Result<()> {
        let s = &mut self.statement;
        s.clear_bindings();
        s.raw_bind_parameter(1, packet.time())?;
        s.raw_bind_parameter(2, stream)?;
        s.raw_bind_parameter(3, packet.record() as i64)?;
        s.raw_bind_parameter(4, packet.time_source().name())?;
        if packet.truncated() {
            s.raw_bind_parameter(5, 1)?;
        }
        if self.raw {
            s.raw_bind_parameter(OURS, packet.raw())?;
        }
        for (column, value) in packet.values() {
            let parameter = self.parameters[column.index()];
            if parameter > 0 {
                let value = borrowed(self.text, &value);
                s.raw_bind_parameter(parameter, ToSqlOutput::Borrowed(value))?;
            }
        }
        s.raw_execute()?;
        Ok(())
    }
}

/// The value as the table holds it; `text` holds text that must be formatted. (By reference:
/// copying what was just written in smaller pieces stalls the processor, measurably.)
fn borrowed<'a>(text: &'a mut Text, value: &Value<'a>) -> ValueRef<'a> {
    text.out.clear();
    match *value {
        Value::Int(n) | Value::Time(n) | Value::Timestamp(n) => return ValueRef::Integer(n),
        Value::Bool(b) => return ValueRef::Integer(b.into()),
        Value::Real(x) => return ValueRef::Real(x),
        Value::Text(bytes) if str::from_utf8(bytes).is_ok() => return ValueRef::Text(bytes),
        Value::Text(bytes) => text.lossless(bytes),
        Value::Inet(ip) => text.inet(ip),
        Value::Mac(mac) => text.mac(mac),
        ref other => text.lossless(other.to_string().as_bytes()),
    }
    ValueRef::Text(&text.out)
}

/// Whether the database refuses this row rather than every row.
fn refuses_row(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig)
    )
}

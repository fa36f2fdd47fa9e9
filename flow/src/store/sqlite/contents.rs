//! What is kept of a stream's text: four bytes for each record, by which another text is told from
//! it.

use dumpstream::hash;
use rusqlite::{Connection, Result, params};

/// Records of one row of the table: its pages hold several such rows.
const CHUNK: usize = 256;

/// The part of a hash that is kept. Each takes in all records before, so a difference that these
/// bits miss shows at the next record.
pub(super) fn kept(content: u64) -> u32 {
    content as u32
}

/// What is kept of records `first` to `last`, in order; some or all may be missing.
pub(super) fn read(
    conn: &Connection,
    stream: i64,
    (first, last): (i64, i64),
) -> Result<Vec<(i64, u32)>> {
    let mut found = Vec::new();
    if first > last {
        return Ok(found);
    }
    let mut statement = conn.prepare_cached(
        "SELECT first, hashes FROM contents WHERE stream = ?1 AND first BETWEEN coalesce( \
         (SELECT max(first) FROM contents WHERE stream = ?1 AND first <= ?2), ?2) AND ?3 \
         ORDER BY first",
    )?;
    let mut rows = statement.query([stream, first, last])?;
    while let Some(row) = rows.next()? {
        let begin: i64 = row.get(0)?;
        let (hashes, _) = row.get_ref(1)?.as_blob()?.as_chunks::<4>();
        let hashes = (begin..).zip(hashes.iter().map(|hash| u32::from_le_bytes(*hash)));
        found.extend(hashes.filter(|(record, _)| (first..=last).contains(record)));
    }
    Ok(found)
}

/// What is kept of one record.
pub(super) fn at(conn: &Connection, stream: i64, record: i64) -> Result<Option<u32>> {
    Ok(read(conn, stream, (record, record))?
        .first()
        .map(|found| found.1))
}

/// Keeps the hashes of records from `first` on. None of them may be there.
pub(super) fn keep(conn: &Connection, stream: i64, first: i64, hashes: &[u64]) -> Result<()> {
    let mut insert =
        conn.prepare_cached("INSERT INTO contents(stream, first, hashes) VALUES (?1, ?2, ?3)")?;
    for (first, chunk) in (first..).step_by(CHUNK).zip(hashes.chunks(CHUNK)) {
        let bytes: Vec<u8> = chunk.iter().flat_map(|h| kept(*h).to_le_bytes()).collect();
        insert.execute(params![stream, first, bytes])?;
    }
    Ok(())
}

/// The same for records of a gap: a row that was refused has left its hash there.
pub(super) fn fill(conn: &Connection, stream: i64, first: i64, hashes: &[u64]) -> Result<()> {
    let there = read(conn, stream, (first, first + hashes.len() as i64 - 1))?;
    for (record, hash) in (first..).zip(hashes) {
        if there
            .binary_search_by_key(&record, |found| found.0)
            .is_err()
        {
            keep(conn, stream, record, &[*hash])?;
        }
    }
    Ok(())
}

/// Forgets what is kept of records from `record` on.
pub(super) fn forget(conn: &Connection, stream: i64, record: i64) -> Result<()> {
    conn.prepare_cached("DELETE FROM contents WHERE stream = ?1 AND first >= ?2")?
        .execute([stream, record])?;
    conn.prepare_cached(
        "UPDATE contents SET hashes = substr(hashes, 1, 4 * (?2 - first)) WHERE stream = ?1 AND \
         first = (SELECT max(first) FROM contents WHERE stream = ?1)",
    )?
    .execute([stream, record])?;
    Ok(())
}

/// Keeps of another stream what is kept of this one's records before `end`.
pub(super) fn copy(conn: &Connection, stream: i64, other: i64, end: i64) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO contents(stream, first, hashes) \
         SELECT ?2, first, substr(hashes, 1, 4 * (?3 - first)) FROM contents \
         WHERE stream = ?1 AND first < ?3",
    )?
    .execute([stream, other, end])?;
    Ok(())
}

/// A stream of this sensor that has nothing but the beginning of this text, cut within its first
/// record: its id and its name.
pub(super) fn beginning(
    conn: &Connection,
    sensor: &str,
    text: &[u8],
) -> Result<Option<(i64, String)>> {
    /// The last ones: a file that grows is read again before long.
    const LAST: i64 = 16;
    let mut statement = conn.prepare_cached(
        "SELECT id, stream, length FROM streams WHERE sensor = ?1 AND records = 1 AND complete \
         AND length < ?2 ORDER BY id DESC LIMIT ?3",
    )?;
    let streams = statement.query_map(params![sensor, text.len() as i64, LAST], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get::<_, i64>(2)?))
    })?;
    for stream in streams {
        let (id, name, length): (i64, String, i64) = stream?;
        let begin = text.get(..length.unsigned_abs() as usize);
        if begin.is_some_and(|begin| hash::stream_name(sensor, begin) == name) {
            return Ok(Some((id, name)));
        }
    }
    Ok(None)
}

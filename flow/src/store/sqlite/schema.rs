//! The tables and the view: created in a new file, extended in an old one, never rewritten.

use std::fmt::Write;

use dumpstream::FieldType;
use rusqlite::{Connection, TransactionBehavior};

use super::failure::Failure;
use crate::sink::SinkError;
use crate::sink::context::{RowKind, SinkContext};

/// `PRAGMA application_id`: "dump". It marks the file as dumpstream's.
const APPLICATION: i32 = 0x6475_6d70;

/// `PRAGMA user_version`: raised when an older program would damage a newer file.
const FORMAT: i32 = 1;

/// Page size of a new file in bytes: half as many pages to split and to write as with the default.
pub(super) const PAGE: u32 = 8192;

/// Pages of the log before it is copied back into the file (64 MiB), where the disk has room for
/// it. Pages at the right edge of the table are written again and again; the longer the log, the
/// fewer of them go to the file.
pub(super) const CHECKPOINT: u32 = 8192;

/// Page cache, as SQLite writes it: negative, in KiB.
const CACHE: i32 = -(16 << 10);

const TABLES: &str = r#"
CREATE TABLE IF NOT EXISTS streams(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sensor TEXT NOT NULL,
    stream TEXT NOT NULL,
    records INTEGER NOT NULL DEFAULT 0,
    -- 1: no record between record 1 and the last one here is missing. Whether more were to follow
    -- is not known, for example after a sender was killed.
    complete INTEGER NOT NULL DEFAULT 1,
    first_time INTEGER,
    last_time INTEGER,
    -- The time of the first record; that of the last record, and the bytes of its text.
    began INTEGER,
    tail INTEGER,
    length INTEGER,
    -- The highest record so far: where ordinals are those of messages, some are no record's.
    last INTEGER,
    UNIQUE(sensor, stream)
) STRICT;
-- Other texts that came under the name of a stream: its id, and those of their streams.
CREATE TABLE IF NOT EXISTS families(
    family INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    PRIMARY KEY(family, stream)
) STRICT, WITHOUT ROWID;
-- Four bytes of a hash of the stream's text up to the end of each record: a file that is read again is
-- compared with them.
CREATE TABLE IF NOT EXISTS contents(
    stream INTEGER NOT NULL,
    first INTEGER NOT NULL,
    hashes BLOB NOT NULL,
    PRIMARY KEY(stream, first)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS gaps(
    stream INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY(stream, first)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT) STRICT;
"#;

/// Columns of `streams` that an older file does not have.
const LATER: [&str; 4] = ["began", "tail", "length", "last"];

/// The key and dumpstream's own columns, in the order of the table.
const OURS: [(&str, &str); 5] = [
    ("time", "INTEGER NOT NULL"),
    ("stream", "INTEGER NOT NULL"),
    ("record", "INTEGER NOT NULL"),
    ("time_source", "TEXT"),
    ("truncated", "INTEGER"),
];

/// The packet's size on the network layer, with one meaning for both versions of IP: `length` is
/// IPv4's total length, but IPv6's without its header. NULL where the text does not have it.
const BYTES: &str = ", CASE packet.\"ip_version\" WHEN 4 THEN packet.\"length\" \
     WHEN 6 THEN packet.\"length\" + 40 END AS bytes";

/// The table of a kind of rows; the view of it has their plural.
///
/// Only rows of text are compared, completed or replaced, so that but for inserts all statements are
/// about packets.
fn table(rows: RowKind) -> &'static str {
    match rows {
        RowKind::Packets => "packet",
        RowKind::Heartbeats => "heartbeat",
    }
}

/// How many of them are the key: the first ones.
const KEY: usize = 3;

/// Prepares the file: checks that it is dumpstream's, and creates what is missing.
pub(super) fn prepare(
    fail: &Failure,
    conn: &mut Connection,
    context: &SinkContext,
    syncs: bool,
) -> Result<(), SinkError> {
    own(fail, conn)?;
    // Without it a power cut may take the last commits, and never damages the database.
    let synchronous = if syncs { "full" } else { "normal" };
    let settings = || -> rusqlite::Result<String> {
        let mode = conn.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
        conn.pragma_update(None, "synchronous", synchronous)?;
        limit_log(conn, CHECKPOINT.into())?;
        conn.pragma_update(None, "cache_size", CACHE)?;
        Ok(mode)
    };
    if settings().map_err(fail.doing("set up the database"))? != "wal" {
        return Err(fail.refuse(
            "its file system does not allow a write-ahead log; name a file on a local disk",
        ));
    }
    let doing = || fail.doing("create the tables");
    let tx = conn
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(doing())?;
    tables(fail, &tx, context)?;
    meta(&tx, context).map_err(doing())?;
    tx.commit().map_err(doing())
}

/// Sets after how many pages the log is copied back into the file. It is truncated to that length
/// after a long reader has let it grow.
pub(super) fn limit_log(conn: &Connection, pages: u64) -> rusqlite::Result<()> {
    conn.pragma_update(None, "wal_autocheckpoint", pages as i64)?;
    conn.pragma_update(None, "journal_size_limit", (pages * u64::from(PAGE)) as i64)
}

fn tables(fail: &Failure, conn: &Connection, context: &SinkContext) -> Result<(), SinkError> {
    let doing = || fail.doing("create the tables");
    conn.execute_batch(TABLES).map_err(doing())?;
    let streams = existing(conn, "streams").map_err(doing())?;
    for name in LATER {
        if !streams.iter().any(|(there, _)| there == name) {
            let sql = format!("ALTER TABLE streams ADD COLUMN {name} INTEGER");
            conn.execute_batch(&sql).map_err(doing())?;
        }
    }
    widen(fail, conn, context)?;
    view(conn, context.rows).map_err(doing())
}

/// The statements that mark a file as dumpstream's, and create the tables and the view of a sink
/// `sqlite:FILE`, in order and without semicolons, as SQLite keeps them. They come from a database
/// in memory, which the same code has created.
///
/// # Errors
/// SQLite's error; nothing in the context should cause one.
pub fn schema(context: &SinkContext) -> Result<Vec<String>, SinkError> {
    let fail = Failure::of("sqlite schema");
    let conn = Connection::open_in_memory().map_err(fail.doing("open a database in memory"))?;
    tables(&fail, &conn, context)?;
    let read = || -> rusqlite::Result<Vec<String>> {
        // Tables that SQLite creates for itself cannot be created by a statement.
        conn.prepare(
            "SELECT sql FROM sqlite_schema \
             WHERE sql NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY rowid",
        )?
        .query_map([], |row| row.get(0))?
        .collect()
    };
    let tables = read().map_err(fail.doing("read the schema"))?;
    let marks = [
        format!("PRAGMA application_id = {APPLICATION}"),
        format!("PRAGMA user_version = {FORMAT}"),
    ];
    Ok(marks.into_iter().chain(tables).collect())
}

/// Refuses a database of another program, and claims an empty one.
fn own(fail: &Failure, conn: &Connection) -> Result<(), SinkError> {
    let doing = || fail.doing("open the database");
    let number = |name| conn.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let tables: i64 = conn
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(doing())?;
    if tables == 0 {
        conn.pragma_update(None, "page_size", PAGE)
            .map_err(doing())?;
        conn.pragma_update(None, "application_id", APPLICATION)
            .map_err(doing())?;
        conn.pragma_update(None, "user_version", FORMAT)
            .map_err(doing())?;
        return Ok(());
    }
    if number("application_id").map_err(doing())? != APPLICATION {
        return Err(fail.refuse("is a database of another program; name another file"));
    }
    if number("user_version").map_err(doing())? > FORMAT {
        return Err(
            fail.refuse("was created by a newer dumpstream; use that, or name another file")
        );
    }
    Ok(())
}

/// The indices of the namespace's columns that have a column in the table: all but `time`, which is
/// part of the key.
pub(super) fn stored(context: &SinkContext) -> Vec<usize> {
    (0..context.columns.len())
        .filter(|i| !context.columns[*i].name.eq_ignore_ascii_case("time"))
        .collect()
}

/// Every column that this run writes, with its type.
fn wanted(context: &SinkContext) -> Vec<(&str, &'static str)> {
    let mut columns: Vec<(&str, &str)> = OURS.to_vec();
    if context.raw {
        columns.push(("raw", "BLOB"));
    }
    for column in stored(context).into_iter().map(|i| &context.columns[i]) {
        columns.push((&column.name, affinity(column.kind)));
    }
    columns
}

fn affinity(kind: FieldType) -> &'static str {
    match kind {
        FieldType::Real => "REAL",
        FieldType::Int
        | FieldType::Bigint
        | FieldType::Port
        | FieldType::Hex
        | FieldType::Bool
        | FieldType::Time
        | FieldType::Timestamp => "INTEGER",
        // Text, addresses, and types that later versions of the core may add.
        _ => "TEXT",
    }
}

/// The columns of a table and their types; empty if there is no such table.
fn existing(conn: &Connection, table: &str) -> rusqlite::Result<Vec<(String, String)>> {
    conn.prepare("SELECT name, type FROM pragma_table_info(?1) ORDER BY cid")?
        .query_map([table], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// Creates the table, or adds the columns that an older namespace did not have.
fn widen(fail: &Failure, conn: &Connection, context: &SinkContext) -> Result<(), SinkError> {
    let doing = || fail.doing("create the tables");
    let table = table(context.rows);
    let existing = existing(conn, table).map_err(doing())?;
    let wanted = wanted(context);
    if existing.is_empty() {
        let columns: Vec<String> = wanted
            .iter()
            .map(|(name, kind)| format!("{} {kind}", quoted(name)))
            .collect();
        let sql = format!(
            "CREATE TABLE {table}({}, PRIMARY KEY(time, stream, record)) STRICT, WITHOUT ROWID",
            columns.join(", ")
        );
        return conn.execute_batch(&sql).map_err(doing());
    }
    for (name, kind) in wanted {
        let declared = kind
            .split(' ')
            .next()
            .expect("split yields at least one piece");
        match existing
            .iter()
            .find(|(there, _)| there.eq_ignore_ascii_case(name))
        {
            Some((_, found)) if found.eq_ignore_ascii_case(declared) => {}
            Some((_, found)) => {
                return Err(SinkError::Column {
                    sink: fail.sink.clone(),
                    column: name.to_owned(),
                    found: found.clone(),
                    wanted: declared,
                });
            }
            None => {
                let sql = format!("ALTER TABLE {table} ADD COLUMN {} {kind}", quoted(name));
                conn.execute_batch(&sql).map_err(doing())?;
            }
        }
    }
    Ok(())
}

/// Creates the view, and again when the table has other columns than the view.
fn view(conn: &Connection, rows: RowKind) -> rusqlite::Result<()> {
    let (table, view) = (table(rows), rows.plural());
    // SQL rounds division and remainder towards zero; a time before 1970 must be rounded down.
    let fraction = format!("(({table}.time % 1000000000 + 1000000000) % 1000000000)");
    let mut sql = format!(
        "CREATE VIEW {view} AS SELECT \
         strftime('%Y-%m-%dT%H:%M:%S', ({table}.time - {fraction}) / 1000000000, 'unixepoch') || \
         CASE WHEN {table}.time % 1000 = 0 THEN printf('.%06dZ', {fraction} / 1000) \
         ELSE printf('.%09dZ', {fraction}) END AS time"
    );
    // The fields come before our own columns, so that a terminal shows them.
    let columns = existing(conn, table)?;
    let ours = |name: &str| name == "raw" || OURS.iter().any(|(ours, _)| *ours == name);
    let (ours, fields): (Vec<_>, Vec<_>) = columns.iter().partition(|(name, _)| ours(name));
    let add = |sql: &mut String, name: &str| {
        let name = quoted(name);
        write!(sql, ", {table}.{name} AS {name}").expect("a String takes every text");
    };
    fields.iter().for_each(|(name, _)| add(&mut sql, name));
    let field = |name: &str| fields.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
    let number = |name: &str| field(name).is_some_and(|(_, kind)| kind == "INTEGER");
    if number("ip_version") && number("length") && field("bytes").is_none() {
        sql.push_str(BYTES);
    }
    for name in ["sensor", "stream"] {
        let of = format!("FROM streams WHERE streams.id = {table}.stream");
        write!(sql, ", (SELECT streams.{name} {of}) AS {name}").expect("a String takes every text");
    }
    let others = ours
        .iter()
        .filter(|(name, _)| name != "time" && name != "stream");
    others.for_each(|(name, _)| add(&mut sql, name));
    write!(sql, ", {table}.time AS time_ns FROM {table}").expect("a String takes every text");
    let same: bool = conn.query_row(
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = ?1 AND sql = ?2)",
        [view, &sql],
        |row| row.get(0),
    )?;
    if !same {
        conn.execute_batch(&format!("DROP VIEW IF EXISTS {view}; {sql}"))?;
    }
    Ok(())
}

/// Records who wrote the file last, and with which namespace its packets.
fn meta(conn: &Connection, context: &SinkContext) -> rusqlite::Result<()> {
    conn.execute(
        "INSERT OR IGNORE INTO meta VALUES ('created', strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))",
        [],
    )?;
    let hash = format!("{:016x}", context.hash);
    let all = [
        ("version", context.version),
        ("namespace", &context.namespace),
        ("hash", &hash),
    ];
    let known = match context.rows {
        RowKind::Packets => &all[..],
        RowKind::Heartbeats => &all[..1],
    };
    for (key, value) in known {
        conn.execute("INSERT OR REPLACE INTO meta VALUES (?1, ?2)", [key, value])?;
    }
    Ok(())
}

/// The statement that inserts a row: our own columns, `raw`, the namespace's columns.
pub(super) fn insert(context: &SinkContext) -> String {
    let wanted = wanted(context);
    let names: Vec<String> = wanted.iter().map(|(name, _)| quoted(name)).collect();
    let marks: Vec<String> = (1..=wanted.len()).map(|i| format!("?{i}")).collect();
    let values = names[KEY..].iter();
    let values: Vec<String> = values.map(|n| format!("{n} = excluded.{n}")).collect();
    let there = match context.amend {
        true => format!("DO UPDATE SET {}", values.join(", ")),
        false => "DO NOTHING".to_owned(),
    };
    format!(
        "INSERT INTO {}({}) VALUES ({}) ON CONFLICT(time, stream, record) {there}",
        table(context.rows),
        names.join(", "),
        marks.join(", ")
    )
}

/// The statement that copies the rows of a stream to another one. Parameters: how much later the new
/// rows are, the new stream, the range of the old rows' times, the old stream, the record to end
/// before.
pub(super) fn copy(conn: &Connection) -> rusqlite::Result<String> {
    let columns = existing(conn, "packet")?;
    let names: Vec<_> = columns.iter().map(|(name, _)| quoted(name)).collect();
    let rest = &names[KEY..];
    Ok(format!(
        "INSERT INTO packet(time, stream, record, {rest}) \
         SELECT time + ?1, ?2, record, {rest} FROM packet \
         WHERE time BETWEEN ?3 AND ?4 AND stream = ?5 AND record < ?6",
        rest = rest.join(", ")
    ))
}

/// Quotes a name for SQL, whatever it contains.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

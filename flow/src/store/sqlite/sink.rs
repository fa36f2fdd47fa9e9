//! The sink: writes rows in one transaction per write, in one thread that owns the connection.
//!
//! The trap: `BEGIN` without `IMMEDIATE` would fail half-way if another process writes.

use std::path::Path;
use std::time::Duration;

use dumpstream::spell::Text;
use dumpstream::{Packet, Packets, Value};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, ErrorCode, OpenFlags};

use super::failure::Failure;
use super::ledger::Ledger;
use super::schema;
use crate::place;
use crate::rejects::Rejects;
use crate::sink::context::SinkContext;
use crate::sink::writer::{Abandoned, Store, Writer};
use crate::sink::{BoxFuture, Sink, SinkError, Written};

/// The minimum time between the starts of two transactions: a commit costs milliseconds, and a
/// quarter of a second still feels immediate.
const LINGER: Duration = Duration::from_millis(250);

/// How long one attempt waits for another process that writes. Longer waits consist of several, so
/// that the thread can end in between.
const BUSY: Duration = Duration::from_secs(1);

/// How long to wait after an attempt that SQLite did not wait for: some locks it refuses
/// immediately.
const REFUSED: Duration = Duration::from_millis(20);

/// Number of cached prepared statements: more than this file and the ledger use.
const STATEMENTS: usize = 32;

/// The sink of a URL `sqlite:FILE`.
#[derive(Debug)]
pub(super) struct Sqlite {
    writer: Writer,
}

impl Sqlite {
    /// Opens the file, and creates or extends its tables.
    pub(super) fn open(url: &str, place: &str, context: &SinkContext) -> Result<Sqlite, SinkError> {
        let fail = Failure::of(url);
        check(&fail, place)?;
        // Not `SQLITE_OPEN_URI`: a file may be called `file:x`.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = Connection::open_with_flags(place, flags);
        let mut conn = opened.map_err(fail.doing("open the database"))?;
        conn.busy_timeout(BUSY)
            .map_err(fail.doing("open the database"))?;
        conn.set_prepared_statement_cache_capacity(STATEMENTS);
        patiently(&fail.sink, &Abandoned::default(), || {
            schema::prepare(&fail, &mut conn, context)
        })?;

        let abandoned = Abandoned::default();
        let database = Database {
            fail,
            conn,
            insert: schema::insert(context),
            parameters: parameters(context),
            raw: context.raw,
            replace: context.replace,
            amend: context.amend,
            rejects: context.rejects.clone(),
            ledger: Ledger::default(),
            version: 0,
            abandoned: abandoned.clone(),
            text: Text::new(),
        };
        Ok(Sqlite {
            writer: Writer::spawn(url, abandoned, database)?,
        })
    }
}

impl Sink for Sqlite {
    fn write<'a>(&'a self, rows: &'a [Packets]) -> BoxFuture<'a, Result<Written, SinkError>> {
        Box::pin(self.writer.write(rows))
    }

    fn close<'a>(&'a self) -> BoxFuture<'a, Result<(), SinkError>> {
        Box::pin(self.writer.close())
    }

    fn give_up(&self) -> u64 {
        self.writer.abandon();
        // A transaction is written completely or not at all.
        0
    }

    fn linger(&self) -> Duration {
        LINGER
    }
}

/// Refuses names that SQLite would open but nobody means.
fn check(fail: &Failure, file: &str) -> Result<(), SinkError> {
    if file == ":memory:" {
        return Err(fail.refuse("a database in memory ends with the program; name a file"));
    }
    place::check(Path::new(file)).map_err(|why| fail.refuse(why))
}

struct Database {
    fail: Failure,
    conn: Connection,
    /// The statement that inserts one row.
    insert: String,
    /// The parameter of each column of the namespace; 0 for `time`, which is part of the key.
    parameters: Vec<usize>,
    raw: bool,
    replace: bool,
    amend: bool,
    rejects: Rejects,
    ledger: Ledger,
    /// `PRAGMA data_version`: it changes when another connection has written.
    version: i64,
    abandoned: Abandoned,
    text: Text,
}

impl Store for Database {
    fn write(&mut self, rows: &[Packets]) -> Result<Written, SinkError> {
        self.begin()?;
        let written = self.transaction(rows);
        if written.is_err() && !self.conn.is_autocommit() {
            // Return the first error.
            self.conn.execute_batch("ROLLBACK").ok();
        }
        written
    }

    fn close(self) -> Result<(), SinkError> {
        let Database { fail, conn, .. } = self;
        // The last connection that closes copies the log back into the file.
        conn.close()
            .map_err(|(_, e)| fail.doing("close the database")(e))
    }
}

impl Database {
    /// Takes the write lock, however long another process holds it: the lane handles a stalled
    /// sink.
    fn begin(&self) -> Result<(), SinkError> {
        patiently(&self.fail.sink, &self.abandoned, || {
            run(&self.conn, "BEGIN IMMEDIATE").map_err(self.fail.doing("begin a transaction"))
        })
    }

    fn transaction(&mut self, rows: &[Packets]) -> Result<Written, SinkError> {
        let Database {
            fail, conn, ledger, ..
        } = self;
        let version = conn
            .prepare_cached("PRAGMA data_version")
            .and_then(|mut s| s.query_row([], |row| row.get(0)))
            .map_err(fail.doing("read its version"))?;
        if version != self.version {
            ledger.forget();
            self.version = version;
        }
        let mut written = Written::default();
        let mut insert = Insert {
            statement: conn
                .prepare_cached(&self.insert)
                .map_err(fail.doing("insert"))?,
            parameters: &self.parameters,
            raw: self.raw,
            text: &mut self.text,
        };
        for packets in rows {
            if self.abandoned.get() {
                break;
            }
            let (refused, present) = write_packets(
                conn,
                ledger,
                &mut insert,
                (self.replace, self.amend),
                packets,
            )
            .map_err(fail.doing("insert"))?;
            written.delivered += packets.len() as u64 - refused.len() as u64;
            written.rejected += refused.len() as u64;
            written.present += present;
            for (index, why) in refused {
                self.rejects
                    .refused_blocking(packets, index, &fail.sink, &why);
            }
        }
        drop(insert);
        if self.abandoned.get() {
            // The lane has counted the rows of a write that was given up as lost, so they must not
            // be stored.
            run(conn, "ROLLBACK").map_err(fail.doing("roll back"))?;
            ledger.forget();
            return Ok(Written {
                dropped: rows.iter().map(|r| r.len() as u64).sum(),
                ..Written::default()
            });
        }
        ledger
            .save(conn)
            .map_err(fail.doing("keep the streams' state"))?;
        run(conn, "COMMIT").map_err(fail.doing("commit"))?;
        Ok(written)
    }
}

/// Inserts those rows of one batch that are not stored yet, or all of them to amend. Returns the
/// indices of refused rows with the reasons, and how many rows were already stored.
fn write_packets(
    conn: &Connection,
    ledger: &mut Ledger,
    insert: &mut Insert<'_>,
    (replace, amend): (bool, bool),
    packets: &Packets,
) -> rusqlite::Result<(Vec<(usize, String)>, u64)> {
    let first = packets.first_record() as i64;
    let len = packets.len() as i64;
    let mut refused = Vec::new();
    if len == 0 {
        return Ok((refused, 0));
    }
    if first == 0 {
        // These rows were not placed, so they have no key.
        let nobody = |index| (index, "it was not placed".to_owned());
        return Ok(((0..packets.len()).map(nobody).collect(), 0));
    }
    let last = first + len - 1;
    let stream = ledger.stream(conn, packets.sensor(), packets.stream())?;
    // Amend rows one by one: the first record of a stream does not mean that all of it comes again.
    if replace && !amend && first == 1 {
        stream.remove(conn)?;
    }
    let admitted = stream.admit(conn, first, last)?;
    let fresh: i64 = admitted.iter().map(|r| r.end() - r.start() + 1).sum();
    let present = if amend { 0 } else { len - fresh };
    let old = |record: &i64| !admitted.iter().any(|range| range.contains(record));
    let amended: Vec<i64> = match amend {
        true => (first..=last).filter(old).collect(),
        false => Vec::new(),
    };
    for record in amended {
        let index = (record - first) as usize;
        match insert.row(packets.packet(index), stream.id) {
            Ok(()) => {}
            Err(e) if refuses_row(&e) && !conn.is_autocommit() => {
                tracing::warn!(error = %e, record, "The database refused to change a row.");
                refused.push((index, e.to_string()));
            }
            Err(e) => return Err(e),
        }
    }
    for record in admitted.into_iter().flatten() {
        let index = (record - first) as usize;
        let packet = packets.packet(index);
        match insert.row(packet, stream.id) {
            Ok(()) => stream.stored(packet.time()),
            Err(e) if refuses_row(&e) && !conn.is_autocommit() => {
                tracing::warn!(error = %e, record, "The database refused a row.");
                stream.missing(conn, record, record)?;
                refused.push((index, e.to_string()));
            }
            Err(e) => return Err(e),
        }
    }
    Ok((refused, present.unsigned_abs()))
}

/// The first parameter behind those of the key, the time's source and `truncated`.
const OURS: usize = 6;

/// The parameter of each column of the namespace in the statement that inserts a row; 0 for those
/// that have no column in the table.
fn parameters(context: &SinkContext) -> Vec<usize> {
    let mut parameters = vec![0; context.columns.len()];
    let first = OURS + usize::from(context.raw);
    for (parameter, column) in (first..).zip(schema::stored(context)) {
        parameters[column] = parameter;
    }
    parameters
}

/// The prepared statement and what it needs to bind a packet.
struct Insert<'a> {
    statement: CachedStatement<'a>,
    parameters: &'a [usize],
    raw: bool,
    text: &'a mut Text,
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

/// Runs a statement that has neither parameters nor rows.
fn run(conn: &Connection, sql: &str) -> rusqlite::Result<()> {
    conn.prepare_cached(sql)?.execute([]).map(|_| ())
}

/// Retries while another program locks the database; reports it once.
fn patiently<T>(
    sink: &str,
    abandoned: &Abandoned,
    mut attempt: impl FnMut() -> Result<T, SinkError>,
) -> Result<T, SinkError> {
    let mut told = false;
    loop {
        match attempt() {
            Err(e) if busy(&e) && !abandoned.get() => {
                if !told {
                    tracing::warn!(
                        sink,
                        "Another program has locked the database; waiting for it."
                    );
                    told = true;
                }
                std::thread::sleep(REFUSED);
            }
            done => return done,
        }
    }
}

fn busy(error: &SinkError) -> bool {
    let SinkError::Database { source, .. } = error else {
        return false;
    };
    let code = source
        .downcast_ref::<rusqlite::Error>()
        .and_then(rusqlite::Error::sqlite_error_code);
    matches!(
        code,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}

/// Whether the database refuses this row rather than every row.
fn refuses_row(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig)
    )
}

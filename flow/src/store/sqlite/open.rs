//! The connection to a database file, and what is known of the file.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use rusqlite::{Connection, OpenFlags};

use super::failure::Failure;
use super::held::Held;
use super::ledger::Ledger;
use super::schema::{self, CHECKPOINT, PAGE, limit_log};
use super::turn::{self, Turn};
use crate::place;
use crate::sink::SinkError;
use crate::sink::context::SinkContext;
use crate::sink::file::Rotation;

/// How long one attempt waits for another process that writes. Longer waits consist of several, so
/// that the thread can end in between.
const BUSY: Duration = Duration::from_secs(1);

/// Number of cached prepared statements: more than this file and the ledger use.
const STATEMENTS: usize = 32;

/// How long a rotation is put off while a reader uses the file.
const PUT_OFF: Duration = Duration::from_secs(10);

/// How often the room of the disk is measured.
const MEASURE: Duration = Duration::from_millis(200);

/// The log takes at most the room of the disk divided by this.
const LOG_SHARE: u64 = 4;

/// Pages of the log before it is copied back, however little room the disk has.
const SHORTEST_LOG: u64 = 16;

pub(super) struct Open {
    pub(super) conn: Connection,
    pub(super) held: Held,
    pub(super) turn: Turn,
    pub(super) ledger: Ledger,
    /// `PRAGMA data_version`: it changes when another connection has written.
    pub(super) version: i64,
    /// Rows that were written since it was opened, and when the first one was.
    pub(super) rows: u64,
    pub(super) begun: Option<SystemTime>,
    /// When it is due for rotation.
    due: Option<Instant>,
    /// Not rotated before.
    put_off: Option<Instant>,
    /// The pages of its log, and when they were last compared with the room of the disk.
    log: u64,
    measured: Option<Instant>,
}

impl Open {
    /// Opens the file, and creates or extends its tables; `syncs`: each commit is on the disk.
    pub(super) fn new(
        fail: &Failure,
        path: &Path,
        context: &SinkContext,
        (rotation, syncs): (Option<Rotation>, bool),
    ) -> Result<Open, SinkError> {
        place::check(path).map_err(|why| fail.refuse(why))?;
        let _names = turn::names();
        // Not `SQLITE_OPEN_URI`: a file may be called `file:x`.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = Connection::open_with_flags(path, flags);
        let mut conn = opened.map_err(fail.doing("open the database"))?;
        conn.busy_timeout(BUSY)
            .map_err(fail.doing("open the database"))?;
        conn.set_prepared_statement_cache_capacity(STATEMENTS);
        schema::prepare(fail, &mut conn, context, syncs)?;
        let held = Held::open(path).map_err(SinkError::io(&fail.sink, "open the database"))?;
        Ok(Open {
            conn,
            turn: Turn::of(held.file()),
            held,
            ledger: Ledger::default(),
            version: 0,
            rows: 0,
            begun: None,
            due: rotation.and_then(|rotation| rotation.due()),
            put_off: None,
            log: CHECKPOINT.into(),
            measured: None,
        })
    }

    /// Keeps the log small where the disk has little room: what it has must fit into the file
    /// before the log gives back its own room.
    pub(super) fn fit(&mut self) -> rusqlite::Result<()> {
        let now = Instant::now();
        if self.measured.is_some_and(|last| now < last + MEASURE) {
            return Ok(());
        }
        self.measured = Some(now);
        let Some(room) = self.held.room() else {
            return Ok(());
        };
        let pages = room / LOG_SHARE / u64::from(PAGE);
        let pages = pages.clamp(SHORTEST_LOG, CHECKPOINT.into());
        if pages != self.log {
            limit_log(&self.conn, pages)?;
            self.log = pages;
        }
        Ok(())
    }

    /// Runs a statement that has neither parameters nor rows.
    pub(super) fn run(&self, sql: &str) -> rusqlite::Result<()> {
        self.conn.prepare_cached(sql)?.execute([]).map(|_| ())
    }

    /// When it is due for rotation.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due.max(self.put_off.filter(|_| self.due.is_some()))
    }

    /// Whether it is to be rotated now. A file without new rows stays for another period.
    pub(super) fn rotates(&mut self, rotation: Rotation) -> Result<bool, rusqlite::Error> {
        let now = Instant::now();
        if self.put_off.is_some_and(|until| now < until) {
            return Ok(false);
        }
        if self.rows > 0 && self.is_full(rotation)? {
            return Ok(true);
        }
        if self.due.is_none_or(|due| now < due) {
            return Ok(false);
        }
        if self.rows == 0 {
            self.due = rotation.due();
        }
        Ok(self.rows > 0)
    }

    pub(super) fn put_off(&mut self) {
        self.put_off = Instant::now().checked_add(PUT_OFF);
    }

    /// Whether it has reached the size at which it is rotated, with what is not yet committed.
    pub(super) fn is_full(&self, rotation: Rotation) -> Result<bool, rusqlite::Error> {
        let Some(size) = rotation.size else {
            return Ok(false);
        };
        let number = |sql| -> Result<i64, rusqlite::Error> {
            let mut statement = self.conn.prepare_cached(sql)?;
            statement.query_row([], |row| row.get(0))
        };
        let bytes = number("PRAGMA page_count")?.saturating_mul(number("PRAGMA page_size")?);
        Ok(bytes.unsigned_abs() >= size)
    }

    /// Copies the log into the file, and empties it.
    pub(super) fn checkpoint(&self, fail: &Failure) -> Result<(), SinkError> {
        let _turn = self.turn.wait();
        let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
        let busy: rusqlite::Result<i64> = self.conn.query_row(sql, [], |row| row.get(0));
        let busy = busy.map_err(fail.doing("copy the log into the database"))?;
        if busy == 0 {
            return Ok(());
        }
        let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
        let busy = rusqlite::Error::SqliteFailure(busy, None);
        Err(fail.doing("copy the log into the database")(busy))
    }
}

//! Writes rows in one transaction per write, and follows the name of the database: a file that was
//! moved, removed or is due for rotation is left, and the next one is opened.
//!
//! The trap: `BEGIN` without `IMMEDIATE` would fail half-way if another process writes.

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use dumpstream::Packets;
use dumpstream::spell::Text;
use rusqlite::ErrorCode;

use super::failure::{Failure, busy, code, passes};
use super::family::Difference;
use super::held::left_over;
use super::ledger::Replaced;
use super::open::Open;
use super::rows::{Insert, parameters, write_packets};
use super::schema;
use super::turn;
use crate::sink::context::SinkContext;
use crate::sink::file::{Name, Rotation};
use crate::sink::patience::{Abandoned, Patience};
use crate::sink::writer::{Course, Store};
use crate::sink::{SinkError, Written};

/// How long to wait after an attempt that SQLite did not wait for: some locks it refuses
/// immediately.
const REFUSED: Duration = Duration::from_millis(20);

/// How often an idle sink looks whether its file is still there.
const LOOK: Duration = Duration::from_secs(1);

pub(super) struct Database {
    fail: Failure,
    path: PathBuf,
    context: SinkContext,
    /// What was replaced, if that is asked for.
    replaced: Option<Replaced>,
    rotation: Option<(Rotation, Name)>,
    /// Whether each commit is on the disk.
    syncs: bool,
    /// `None`: it could not be opened again so far.
    open: Option<Open>,
    /// It is to be opened again by its name.
    asked: bool,
    /// A finished file that does not have its name yet, and when its first row was written.
    unnamed: Option<SystemTime>,
    looked: Instant,
    /// The statement that inserts one row.
    insert: String,
    /// The parameter of each column of the namespace; 0 for `time`, which is part of the key.
    parameters: Vec<usize>,
    course: Course,
    abandoned: Abandoned,
    patience: Patience,
    text: Text,
}

/// What a transaction has written.
#[derive(Default)]
struct Done {
    written: Written,
    /// How many of the batches it has.
    batches: usize,
    /// Refused rows: the batch, the row, the reason.
    refused: Vec<(usize, usize, String)>,
    differences: Vec<Difference>,
}

impl Store for Database {
    fn write(&mut self, rows: &[Packets]) -> Result<Written, SinkError> {
        let mut written = Written::default();
        let mut rest = rows;
        while !rest.is_empty() && !self.abandoned.get() {
            let done = match self.some(rest) {
                Ok(done) => done,
                Err(error) if passes(&error, self.open.is_some()) => {
                    self.wait(&error);
                    continue;
                }
                Err(error) => return Err(error),
            };
            self.patience.over();
            let (now, these) = (&done.written, &rest[..done.batches]);
            self.course.add(now.delivered);
            written.delivered += now.delivered;
            written.rejected += now.rejected;
            written.present += now.present;
            written.amended += now.amended;
            done.differences.iter().for_each(Difference::report);
            for (batch, row, why) in &done.refused {
                let rejects = &self.context.rejects;
                rejects.refused_blocking(&these[*batch], *row, &self.fail.sink, why);
            }
            rest = &rest[done.batches..];
        }
        written.dropped = rest.iter().map(|r| r.len() as u64).sum();
        Ok(written)
    }

    fn due(&self) -> Option<Instant> {
        let rotates = self.open.as_ref().and_then(Open::due);
        let look = self.looked + LOOK;
        Some(rotates.map_or(look, |due| due.min(look)))
    }

    fn tick(&mut self) -> Result<(), SinkError> {
        self.looked = Instant::now();
        match self.ready() {
            Ok(_) => self.patience.over(),
            Err(error) => {
                // A rotation that fails is tried again, but not at once.
                if let Some(open) = &mut self.open {
                    open.put_off();
                }
                self.patience.failed(&error);
            }
        }
        Ok(())
    }

    fn reopen(&mut self) -> Result<(), SinkError> {
        self.asked = true;
        self.tick()
    }

    fn close(mut self) -> Result<(), SinkError> {
        let Some(open) = &self.open else {
            return Ok(());
        };
        if open.held.has_changed() {
            return self.leave_patiently().map(|_| ());
        }
        // The last connection that closes copies the log back into the file.
        let Some(open) = self.open.take() else {
            return Ok(());
        };
        let closed = open.conn.close();
        closed.map_err(|(_, e)| self.fail.doing("close the database")(e))
    }
}

impl Database {
    /// Opens the file, and creates or extends its tables.
    pub(super) fn open(
        url: &str,
        path: PathBuf,
        (rotation, syncs): (Option<Rotation>, bool),
        context: &SinkContext,
        abandoned: &Abandoned,
    ) -> Result<Database, SinkError> {
        let fail = Failure::of(url);
        if path.as_os_str() == ":memory:" {
            // SQLite would open it, but nobody means it.
            return Err(fail.refuse("a database in memory ends with the program; name a file"));
        }
        if let Some(log) = left_over(&path) {
            return Err(fail.refuse(format!(
                "{} may have the last rows of a database that was moved without it; rename it to \
                 that database's name with -wal at the end, or remove it",
                log.display()
            )));
        }
        let mut patience = Patience::new(url, abandoned);
        let open = loop {
            match Open::new(&fail, &path, context, (rotation, syncs)) {
                Err(e) if busy(&e) => locked(&mut patience),
                open => break open?,
            };
        };
        let name = rotation.map(|_| Name::open(url, &path)).transpose()?;
        Ok(Database {
            patience: Patience::new(url, abandoned),
            fail,
            path,
            rotation: rotation.zip(name),
            syncs,
            open: Some(open),
            asked: false,
            unnamed: None,
            looked: Instant::now(),
            replaced: context.replace.then(Replaced::default),
            insert: schema::insert(context),
            parameters: parameters(context),
            context: context.clone(),
            course: Course::default(),
            abandoned: abandoned.clone(),
            text: Text::new(),
        })
    }

    /// How far its writes have come.
    pub(super) fn course(&self) -> Course {
        self.course.clone()
    }

    /// Waits after an attempt that failed. Returns whether to try again.
    fn wait(&mut self, error: &SinkError) -> bool {
        if busy(error) {
            return locked(&mut self.patience);
        }
        match code(error) {
            // What the log has may fit into the file, and then the log has room again.
            Some(ErrorCode::DiskFull) => {
                let open = self.open.as_ref();
                open.map(|open| open.checkpoint(&self.fail));
            }
            // The next attempt begins with a new connection; one whose file has changed is left as
            // such.
            _ => self.open = self.open.take().filter(|open| open.held.has_changed()),
        }
        self.patience.wait(error)
    }

    /// Writes as many batches as one transaction takes.
    fn some(&mut self, rows: &[Packets]) -> Result<Done, SinkError> {
        self.ready()?;
        let open = self.open.as_mut().expect("it is ready");
        open.fit().map_err(self.fail.doing("set up the database"))?;
        let turn = open.turn.wait();
        open.run("BEGIN IMMEDIATE")
            .map_err(self.fail.doing("begin a transaction"))?;
        let done = self.transaction(rows);
        let open = self.open.as_mut().expect("it is ready");
        if !open.conn.is_autocommit() {
            // Return the first error.
            open.conn.execute_batch("ROLLBACK").ok();
        }
        drop(turn);
        let nothing = done.as_ref().map_or(true, |done| done.batches == 0);
        if let Some(replaced) = &mut self.replaced {
            replaced.end(!nothing);
        }
        if nothing {
            // It counts rows that were rolled back, by a failed commit too.
            open.ledger.forget();
        }
        let done = done?;
        open.rows += done.written.delivered;
        open.begun.get_or_insert_with(SystemTime::now);
        // A database that was removed meanwhile does not hold them.
        if open.held.has_changed() && !self.leave_patiently()? {
            return Ok(Done::default());
        }
        Ok(done)
    }

    /// Makes sure that the database is open under its name: leaves one that was moved, removed or
    /// is full, and opens the next one.
    fn ready(&mut self) -> Result<(), SinkError> {
        if let Some(open) = &mut self.open {
            let rotates = match &self.rotation {
                _ if open.held.has_changed() => false,
                Some(_) if self.asked => open.rows > 0,
                Some((rotation, _)) => open
                    .rotates(*rotation)
                    .map_err(self.fail.doing("read its size"))?,
                None => false,
            };
            if open.held.has_changed() {
                self.leave()?;
            } else if rotates {
                self.rotate()?;
            } else if self.asked && self.rotation.is_none() {
                self.open = None;
            }
        }
        self.asked = false;
        self.rename()?;
        if self.open.is_none() {
            let rotation = self.rotation.as_ref().map(|(rotation, _)| *rotation);
            let manner = (rotation, self.syncs);
            let opened = Open::new(&self.fail, &self.path, &self.context, manner)?;
            self.open = Some(opened);
        }
        Ok(())
    }

    /// Ends a file that is due, unless a reader uses it: then later.
    fn rotate(&mut self) -> Result<(), SinkError> {
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        match open.checkpoint(&self.fail) {
            Ok(()) => {}
            Err(error) if busy(&error) => {
                open.put_off();
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        self.unnamed = Some(open.begun.unwrap_or_else(SystemTime::now));
        self.forsake();
        Ok(())
    }

    /// Gives a finished file its name.
    fn rename(&mut self) -> Result<(), SinkError> {
        let Some((begun, (_, name))) = self.unnamed.zip(self.rotation.as_mut()) else {
            return Ok(());
        };
        match name.rename(&self.path, begun, "") {
            Ok(_) => {}
            // Somebody has moved it meanwhile.
            Err(e) if !self.path.exists() => drop(e),
            Err(e) => {
                return Err(SinkError::io(&self.fail.sink, "rename the finished file")(
                    e,
                ));
            }
        }
        self.unnamed = None;
        name.sync()
            .map_err(SinkError::io(&self.fail.sink, "sync its directory"))
    }

    /// Leaves a file that was moved or removed. Returns whether its rows are still in a file.
    fn leave(&mut self) -> Result<bool, SinkError> {
        let Some(open) = &self.open else {
            return Ok(true);
        };
        let kept = !open.held.is_removed();
        if kept {
            // Its rows must be in the file before anyone uses its name again.
            open.checkpoint(&self.fail)?;
        }
        let (sink, rows) = (&self.fail.sink, self.context.rows.plural());
        match (open.held.is_away(), kept) {
            (true, true) => tracing::warn!(
                "{sink}: the database was moved. It keeps its rows; {rows} from now on go to a new \
                 file."
            ),
            (true, false) => tracing::warn!(
                "{sink}: the database was removed, or moved to another file system, together with \
                 its rows; {rows} from now on go to a new file."
            ),
            (false, _) => {
                tracing::warn!("{sink}: the write-ahead log was removed; no row was lost.")
            }
        }
        self.forsake();
        Ok(kept)
    }

    /// Closes a database whose log has no rows any more, and removes the log.
    fn forsake(&mut self) {
        if let Some(Open { conn, held, .. }) = self.open.take() {
            let away = held.is_away();
            // Until its log is closed, no other file can have the log's number.
            let _names = turn::names();
            drop(conn);
            if away || self.unnamed.is_some() {
                held.clear();
            }
        }
    }

    /// The same as [`Database::leave`], whatever time it takes; false also if it was given up.
    fn leave_patiently(&mut self) -> Result<bool, SinkError> {
        loop {
            match self.leave() {
                Err(error) if passes(&error, self.open.is_some()) => {
                    if !self.wait(&error) {
                        return Ok(false);
                    }
                }
                left => return left,
            }
        }
    }

    fn transaction(&mut self, rows: &[Packets]) -> Result<Done, SinkError> {
        let fail = &self.fail;
        let open = self.open.as_mut().expect("it is ready");
        let version = open
            .conn
            .prepare_cached("PRAGMA data_version")
            .and_then(|mut s| s.query_row([], |row| row.get(0)))
            .map_err(fail.doing("read its version"))?;
        if version != open.version {
            open.ledger.forget();
            open.version = version;
        }
        let mut done = Done::default();
        let mut insert = Insert {
            statement: open
                .conn
                .prepare_cached(&self.insert)
                .map_err(fail.doing("insert"))?,
            parameters: &self.parameters,
            raw: self.context.raw,
            text: &mut self.text,
        };
        for packets in rows {
            if self.abandoned.get() {
                break;
            }
            if let Some((rotation, _)) = &self.rotation
                && done.batches > 0
                && open
                    .is_full(*rotation)
                    .map_err(fail.doing("read its size"))?
            {
                break;
            }
            let outcome = write_packets(
                &open.conn,
                &mut open.ledger,
                &mut insert,
                (self.replaced.as_mut(), self.context.amend),
                packets,
            )
            .map_err(fail.doing("insert"))?;
            let refused = outcome.refused.len() as u64;
            done.written.delivered += packets.len() as u64 - refused;
            done.written.rejected += refused;
            done.written.present += outcome.present;
            done.written.amended += outcome.amended;
            done.differences.extend(outcome.difference);
            let refused = outcome.refused.into_iter();
            let batch = done.batches;
            done.refused
                .extend(refused.map(|(index, why)| (batch, index, why)));
            done.batches += 1;
            // Nothing is stored before the commit, but the write moves.
            self.course.add(0);
        }
        drop(insert);
        if self.abandoned.get() {
            // The lane counts the rows of a write that was given up as lost, so they must not be
            // stored.
            return Ok(Done::default());
        }
        open.ledger
            .save(&open.conn)
            .map_err(fail.doing("keep the streams' state"))?;
        open.run("COMMIT").map_err(fail.doing("commit"))?;
        Ok(done)
    }
}

/// Waits for another program that has locked the database. Returns whether to try again.
fn locked(patience: &mut Patience) -> bool {
    patience.wait_for(
        "another program has locked the database; waiting for it.",
        REFUSED,
    )
}

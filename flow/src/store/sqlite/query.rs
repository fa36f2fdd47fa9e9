//! Runs SQL on a database that is opened read-only.

use std::borrow::Cow;
use std::fmt;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, InterruptHandle, OpenFlags};

use crate::store::datum::Datum;

/// How long a query waits for a writer that locks the database before SQLite reports it as locked.
/// In WAL mode readers wait only for the recovery after a crash.
const BUSY: Duration = Duration::from_secs(10);

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The statement does not only read.
    #[error("{0}")]
    NotAQuery(&'static str),
    /// [`Interrupt::interrupt`] was called.
    #[error("interrupted")]
    Interrupted,
    /// The database cannot be read, or refuses the statement: its message, and a hint.
    #[error("{0}")]
    Refused(String),
}

impl From<rusqlite::Error> for QueryError {
    fn from(error: rusqlite::Error) -> QueryError {
        match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => QueryError::Interrupted,
            _ => QueryError::Refused(error.to_string()),
        }
    }
}

/// A database that is read, also while another program writes to it.
///
/// ```
/// use std::ops::ControlFlow;
///
/// use dumpstream_flow::Datum;
/// use dumpstream_flow::sqlite::Database;
///
/// # let file = tempfile::NamedTempFile::new()?;
/// # let file = file.path();
/// let database = Database::open(file)?;
/// let mut sum = 0;
/// let rows = database.query(
///     "SELECT 1 AS n UNION ALL SELECT 2",
///     |names| {
///         assert_eq!(names, ["n"]);
///         ControlFlow::Continue(())
///     },
///     |row| {
///         if let [Datum::Int(n)] = row {
///             sum += n;
///         }
///         ControlFlow::Continue(())
///     },
/// )?;
/// assert_eq!((rows, sum), (2, 3));
/// assert!(database.query("DROP TABLE packet", |_| ControlFlow::Continue(()), |_| ControlFlow::Continue(())).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Database(Connection);

/// Ends a query, from another thread.
pub struct Interrupt(InterruptHandle);

impl fmt::Debug for Interrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interrupt").finish_non_exhaustive()
    }
}

impl Interrupt {
    /// Ends the query that the database is running, if any.
    pub fn interrupt(&self) {
        self.0.interrupt();
    }
}

impl Database {
    /// Opens an existing database.
    ///
    /// # Errors
    /// The file does not exist, cannot be read, or is not a database.
    pub fn open(file: &Path) -> Result<Database, QueryError> {
        let refused = |why: String| Err(QueryError::Refused(why));
        if !file.exists() {
            return refused(format!(
                "database {} does not exist: `dumpstream listen -k 4444` or `dumpstream parse FILE \
                 -o sqlite:packets.db` creates packets.db; name another one with -d",
                file.display()
            ));
        }
        if file.is_dir() {
            return refused(format!(
                "{} is a directory; name a database in it with -d",
                file.display()
            ));
        }
        if let Err(e) = fs::File::open(file) {
            return refused(format!("database {}: {e}{}", file.display(), readers(file)));
        }
        let open = |name: &Path, more: OpenFlags| {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | more;
            let database = Connection::open_with_flags(name, flags)?;
            database.busy_timeout(BUSY)?;
            database.pragma_update(None, "query_only", true)?;
            // Reads the header, to recognise a file that is not a database.
            database.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
            Ok::<_, rusqlite::Error>(database)
        };
        let error = match open(file, OpenFlags::empty()) {
            Ok(database) => return Ok(Database(database)),
            Err(error) => error,
        };
        // Readers, too, create the files that coordinate them with a writer.
        let unwritable = matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen)
        );
        if !unwritable {
            return refused(format!("database {}: {error}", file.display()));
        }
        let log = beside(file, "-wal");
        if log.metadata().is_ok_and(|about| about.len() > 0) {
            return refused(format!(
                "database {}: its last rows are in {}, which only a user who may write to the \
                 directory can read: run this as its owner, or copy both files",
                file.display(),
                log.display()
            ));
        }
        // Without a log there is no writer.
        let file = file.canonicalize().unwrap_or_else(|_| file.to_owned());
        let immutable = format!("file://{}?immutable=1", encoded(&file));
        match open(Path::new(&immutable), OpenFlags::SQLITE_OPEN_URI) {
            Ok(database) => Ok(Database(database)),
            Err(error) => refused(format!("database {}: {error}", file.display())),
        }
    }

    /// A handle that ends a query from another thread.
    pub fn interrupt(&self) -> Interrupt {
        Interrupt(self.0.get_interrupt_handle())
    }

    /// Runs a query, and hands every row on: first the names of the columns, then rows. Returns the
    /// number of rows; `names` and `row` may end it.
    ///
    /// # Errors
    /// The statement does not only read, SQLite refuses it, or it was interrupted.
    pub fn query(
        &self,
        sql: &str,
        names: impl FnOnce(Vec<String>) -> ControlFlow<()>,
        mut row: impl FnMut(&[Datum<'_>]) -> ControlFlow<()>,
    ) -> Result<u64, QueryError> {
        let mut statement = match self.0.prepare(sql) {
            Ok(statement) => statement,
            Err(rusqlite::Error::MultipleStatement) => {
                return Err(QueryError::NotAQuery("give one statement at a time"));
            }
            // Of the view `packets`: SQLite refuses it before it is known to write.
            Err(e) if e.to_string().contains("because it is a view") => return Err(WRITES),
            Err(e) => return Err(self.hinted(sql, &e)),
        };
        if !statement.readonly() {
            return Err(WRITES);
        }
        let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let width = columns.len();
        let mut rows = statement.query([])?;
        let mut count = 0;
        if names(columns).is_break() {
            return Ok(count);
        }
        while let Some(answer) = rows.next()? {
            count += 1;
            let values = (0..width).map(|i| answer.get_ref(i).map(datum));
            let values: Vec<Datum<'_>> = values.collect::<Result<_, _>>()?;
            if row(&values).is_break() {
                break;
            }
        }
        Ok(count)
    }

    /// The number of packets of a stream, of any sensor.
    ///
    /// # Errors
    /// The database is not dumpstream's.
    pub fn packets_of(&self, stream: &str) -> Result<u64, QueryError> {
        let sql = "SELECT count(*) FROM packets WHERE stream = ?1";
        let counted = self.0.query_row(sql, [stream], |row| row.get(0));
        Ok(counted.map(i64::unsigned_abs)?)
    }

    /// SQLite's message, with a hint.
    fn hinted(&self, sql: &str, error: &rusqlite::Error) -> QueryError {
        let message = match error {
            rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
            other => other.to_string(),
        };
        let names = |sql| -> Vec<String> {
            let list = || {
                let mut statement = self.0.prepare(sql)?;
                let names = statement.query_map([], |row| row.get(0))?;
                names.collect::<rusqlite::Result<Vec<String>>>()
            };
            // The hint is a courtesy: where it fails, the message stands alone.
            list().unwrap_or_default()
        };
        let beats = names("SELECT name FROM pragma_table_info('heartbeats')");
        if message.ends_with("no such table: packets") {
            let why = match beats.is_empty() {
                true => "this is not a dumpstream database",
                false => "this database has only heartbeats",
            };
            return QueryError::Refused(format!("{message}: {why}; name another one with -d"));
        }
        let (what, names) = if message.contains("no such column") && sql.contains("heartbeats") {
            ("the columns of heartbeats", beats)
        } else if message.contains("no such column") {
            (
                "the columns of packets",
                names("SELECT name FROM pragma_table_info('packets')"),
            )
        } else if message.contains("no such table") {
            (
                "the tables",
                names(
                    "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') \
                     AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY type DESC, name",
                ),
            )
        } else {
            ("", Vec::new())
        };
        QueryError::Refused(match names.is_empty() {
            true => message,
            false => format!("{message}\n  {what}: {}", names.join(", ")),
        })
    }
}

const WRITES: QueryError = QueryError::NotAQuery(
    "this statement writes, but a query only reads; use `sqlite3` to change a database",
);

/// A path as a URI spells it.
fn encoded(path: &Path) -> String {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"/._-".contains(b);
    let mut uri = String::new();
    for b in path.as_os_str().as_encoded_bytes() {
        match plain(b) {
            true => uri.push(char::from(*b)),
            false => uri += &format!("%{b:02x}"),
        }
    }
    uri
}

fn beside(file: &Path, end: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(end);
    name.into()
}

fn datum(value: ValueRef<'_>) -> Datum<'_> {
    match value {
        ValueRef::Null => Datum::Null,
        ValueRef::Integer(n) => Datum::Int(n),
        ValueRef::Real(x) => Datum::Real(x),
        ValueRef::Text(text) => Datum::Text(Cow::Borrowed(text)),
        ValueRef::Blob(bytes) => Datum::Bytes(Cow::Borrowed(bytes)),
    }
}

/// Who may read a file that we may not read.
#[cfg(unix)]
fn readers(file: &Path) -> String {
    use std::os::unix::fs::MetadataExt;
    let Ok(about) = fs::metadata(file) else {
        return "; you may not read its directory".to_owned();
    };
    let who = match about.mode() & 0o040 {
        0 => "",
        _ => " and its group",
    };
    format!(
        "; its owner{who} may read it (user {}, group {}, mode {:03o}): run this as one of them",
        about.uid(),
        about.gid(),
        about.mode() & 0o777
    )
}

#[cfg(not(unix))]
fn readers(_: &Path) -> String {
    String::new()
}

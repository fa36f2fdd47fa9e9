//! `dumpstream query`: read-only SQL on the store.

use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use super::signals::{self, Signal};
use super::table::{self, Layout};
use super::{Exit, Manner, Usage};

/// How long a query waits for a writer that holds the database, before SQLite says that it is
/// locked. In WAL mode readers wait for nobody but a recovery after a crash.
const BUSY: Duration = Duration::from_secs(10);

/// Ask the store: read-only SQL on packets.db, also while `listen` writes it
///
/// The view `packets` has a column for each field of the namespace, and `sensor`, `stream`,
/// `record`, `time_source` beside them. `time` is text, UTC.
///
///     dumpstream query "SELECT source, count(*) n, sum(length) bytes
///                       FROM packets GROUP BY 1 ORDER BY n DESC LIMIT 10"
///     dumpstream query --format csv "SELECT * FROM packets WHERE destination_port = 53" > dns.csv
///     dumpstream query -d other.db --format jsonl "SELECT * FROM packets LIMIT 3"
///     dumpstream query -d cassandra://10.0.0.1/pk "SELECT count(*) FROM packets WHERE …"
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct Query {
    /// One SELECT statement, as SQLite reads it; of a cluster, as Cassandra does.
    sql: String,
    /// The database: a file, or cassandra://HOST[,HOST]/KEYSPACE[.TABLE].
    #[arg(short, long, value_name = "FILE|URL", default_value = "packets.db")]
    database: PathBuf,
    /// How rows are printed.
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Columns side by side, numbers to the right.
    Table,
    /// RFC 4180, with a header; text that a spreadsheet would run as a formula gets a leading '.
    Csv,
    /// One JSON object a line.
    Jsonl,
}

impl Query {
    pub(super) fn run(self, manner: Manner) -> anyhow::Result<Exit> {
        if let Some(url) = self.database.to_str()
            && url.starts_with("cassandra:")
        {
            let address = super::cql::address(url)?;
            return super::runtime::block_on(super::cql::query(
                address,
                self.sql,
                self.format,
                manner,
            ));
        }
        let database = open(&self.database)?;
        let _signals = interruptible(&database)?;
        self.print(&database, manner)
    }

    /// Prints the rows, without an ear for signals.
    pub(super) fn print(&self, database: &Connection, manner: Manner) -> anyhow::Result<Exit> {
        let out = io::stdout();
        let layout = Layout {
            format: self.format,
            bold: manner.coloured(out.is_terminal()),
            terminal: out.is_terminal(),
        };
        match select(
            database,
            &self.sql,
            layout,
            &mut io::BufWriter::new(out.lock()),
        ) {
            Err(e) if interrupted(&e) => Ok(Exit::Interrupted),
            done => done.map(|_rows| Exit::Done),
        }
    }
}

/// Opens a store for reading and nothing else.
pub(super) fn open(file: &Path) -> anyhow::Result<Connection> {
    if !file.exists() {
        anyhow::bail!(
            "there is no database {}: `dumpstream listen -k 4444` makes packets.db, and \
             `dumpstream parse FILE -o sqlite:packets.db` does; -d names another",
            file.display()
        );
    }
    if file.is_dir() {
        anyhow::bail!(
            "{} is a directory; -d names a database in it",
            file.display()
        );
    }
    if let Err(e) = fs::File::open(file) {
        anyhow::bail!("database {}: {e}{}", file.display(), readers(file));
    }
    let open = || {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let database = Connection::open_with_flags(file, flags)?;
        database.busy_timeout(BUSY)?;
        database.pragma_update(None, "query_only", true)?;
        // Reads the header: a file that is no database is told apart here.
        database.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        Ok::<_, rusqlite::Error>(database)
    };
    open().map_err(|e| anyhow::anyhow!("database {}: {e}", file.display()))
}

/// Who may read a file that we may not.
#[cfg(unix)]
fn readers(file: &Path) -> String {
    use std::os::unix::fs::MetadataExt;
    let Ok(about) = fs::metadata(file) else {
        return "; its folder is closed to you".to_owned();
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

/// Runs one statement and prints its rows; returns how many there were.
///
/// # Errors
/// A statement that writes is [`Usage`]; what SQLite says of a wrong one has a hint beside it.
pub(super) fn select(
    database: &Connection,
    sql: &str,
    layout: Layout,
    out: &mut dyn io::Write,
) -> anyhow::Result<u64> {
    let mut statement = match database.prepare(sql) {
        Ok(statement) => statement,
        Err(rusqlite::Error::MultipleStatement) => {
            return Err(Usage::new("one statement at a time, please").into());
        }
        Err(e) => return Err(hinted(database, &e)),
    };
    if !statement.readonly() {
        return Err(Usage::new(
            "this statement writes, and a query only reads: `sqlite3` changes a store",
        )
        .into());
    }
    table::print(&mut statement, layout, out)
}

/// SQLite's message, and what it could have been.
fn hinted(database: &Connection, error: &rusqlite::Error) -> anyhow::Error {
    let message = match error {
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    };
    let names = |sql| -> Vec<String> {
        let list = || {
            let mut statement = database.prepare(sql)?;
            let names = statement.query_map([], |row| row.get(0))?;
            names.collect::<rusqlite::Result<Vec<String>>>()
        };
        // The hint is a courtesy: where it fails, the message stands alone.
        list().unwrap_or_default()
    };
    if message.ends_with("no such table: packets") {
        return anyhow::anyhow!("{message}: this is no database of dumpstream; -d names another");
    }
    let (what, names) = if message.contains("no such column") {
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
    match names.is_empty() {
        true => anyhow::anyhow!("{message}"),
        false => anyhow::anyhow!("{message}\n  {what}: {}", names.join(", ")),
    }
}

/// A signal ends the statement, a second one the process, for as long as the runtime lives.
fn interruptible(database: &Connection) -> anyhow::Result<Runtime> {
    let handle = database.get_interrupt_handle();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_io()
        .build()?;
    let entered = runtime.enter();
    signals::watch(CancellationToken::new(), move |signal| match signal {
        Signal::Stop => handle.interrupt(),
        // A query has no figures but its rows, and no file of its own.
        Signal::Tell | Signal::Reopen | Signal::Now => {}
    })?;
    drop(entered);
    Ok(runtime)
}

fn interrupted(error: &anyhow::Error) -> bool {
    error.chain().any(|e| {
        matches!(e.downcast_ref(), Some(rusqlite::Error::SqliteFailure(e, _))
            if e.code == ErrorCode::OperationInterrupted)
    })
}

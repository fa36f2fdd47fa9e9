//! `dumpstream query`: runs read-only SQL on a database, or CQL on a cluster.

use std::cell::{Cell, RefCell};
use std::ffi::OsString;
use std::io::{self, IsTerminal, Read};
use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use dumpstream_flow::Datum;
use dumpstream_flow::cassandra::{self, Address};
use dumpstream_flow::sqlite::{Database, QueryError};
use terminal_size::terminal_size_of;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use super::signals::{self, Hangup, Signal};
use super::table::{Format, Layout, Printer};
use super::{Exit, Manner, Stdout, Usage};

/// No statement that anyone writes is longer; what is, is another file.
const LARGEST: u64 = 1 << 20;

/// Run read-only SQL on packets.db, also while `listen` writes to it
///
/// The view `packets` has a column for each field of the namespace, plus `sensor`, `stream`,
/// `record` and `time_source`. `time` is text in UTC. `bytes` is the packet's size from its IP
/// header on, which tcpdump prints with -v. The key is `time_ns`, so that a range of it is fast;
/// a condition on `time` reads all rows.
///
///     dumpstream query "SELECT source, count(*) n, sum(bytes) bytes
///                       FROM packets GROUP BY 1 ORDER BY n DESC LIMIT 10"
///     dumpstream query --format csv "SELECT * FROM packets WHERE destination_port = 53" > dns.csv
///     dumpstream query -d other.db --format jsonl "SELECT * FROM packets LIMIT 3"
///     dumpstream query "SELECT * FROM packets
///                       WHERE time_ns > unixepoch('now', '-1 hour') * 1000000000"
///     dumpstream query < report.sql
///     dumpstream query -d cassandra://10.0.0.1/pk "SELECT count(*) FROM packets WHERE …"
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct Query {
    /// One SELECT statement: SQL as SQLite reads it, or CQL for a cluster; - or nothing reads it
    /// from standard input.
    #[arg(default_value = "-", hide_default_value = true)]
    sql: String,
    /// Database: a file, or cassandra://HOST[,HOST]/KEYSPACE[.TABLE].
    #[arg(short, long, value_name = "FILE|URL", default_value = "packets.db")]
    database: PathBuf,
    /// Output format.
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

impl Query {
    pub(super) fn run(mut self, manner: Manner) -> anyhow::Result<Exit> {
        if self.sql == "-" {
            self.sql = typed()?;
        }
        if let Some(url) = self.database.to_str()
            && url.starts_with("cassandra:")
        {
            let address = super::cql::address(url)?;
            return super::runtime::block_on(self.ask_cluster(&address, manner));
        }
        let database = Database::open(&self.database)?;
        let _signals = interruptible(&database)?;
        self.ask(&database, manner)
    }

    /// Prints the rows of a database, without handling signals.
    pub(super) fn ask(&self, database: &Database, manner: Manner) -> anyhow::Result<Exit> {
        let mut out = io::BufWriter::new(io::stdout().lock());
        let printed = Printed::new(self.layout(manner), &mut out);
        let asked = database.query(
            &self.sql,
            |names| printed.names(names),
            |row| printed.row(row),
        );
        match asked {
            Err(QueryError::Interrupted) => Ok(Exit::Interrupted),
            Err(e @ QueryError::NotAQuery(_)) => Err(Usage::new(e.to_string()).into()),
            asked => printed.end(asked.err().map(Into::into)),
        }
    }

    /// Prints the rows of a cluster, until a signal.
    async fn ask_cluster(self, address: &Address, manner: Manner) -> anyhow::Result<Exit> {
        let stop = CancellationToken::new();
        // A query has no report to print, and no files to reopen.
        signals::watch(stop.clone(), Hangup::default(), |_| {})?;
        let mut out = io::BufWriter::new(io::stdout());
        let printed = Printed::new(self.layout(manner), &mut out);
        let asked = cassandra::query(
            address,
            &self.sql,
            |names| printed.names(names),
            |row| printed.row(row),
        );
        let asked = tokio::select! {
            asked = asked => asked,
            () = stop.cancelled() => {
                return printed.written().map(|()| Exit::Interrupted);
            }
        };
        printed.end(asked.err().map(Into::into))
    }

    fn layout(&self, manner: Manner) -> Layout {
        Layout {
            format: self.format,
            paint: manner.paint(&io::stdout()),
            terminal: io::stdout().is_terminal().then(|| {
                // One that does not know its width cuts nothing.
                terminal_size_of(io::stdout()).map_or(usize::MAX, |(width, _)| width.0.into())
            }),
        }
    }
}

/// Reads the statement from standard input.
fn typed() -> anyhow::Result<String> {
    if io::stdin().is_terminal() {
        return Err(Usage::new(
            "give a statement, such as \"SELECT count(*) FROM packets\", or redirect a file of SQL \
             to standard input",
        )
        .into());
    }
    let mut sql = Vec::new();
    io::stdin()
        .take(LARGEST + 1)
        .read_to_end(&mut sql)
        .context("standard input")?;
    if sql.len() as u64 > LARGEST {
        return Err(
            Usage::new("standard input is longer than 1 MiB, the limit of a statement").into(),
        );
    }
    String::from_utf8(sql).map_err(|_| Usage::new("standard input is not text").into())
}

/// Puts a blank before SQL that begins with a comment, so that it is not read as an option. The
/// name of an option has no white space.
pub(super) fn hide_comment(argument: &mut OsString) {
    let text = argument.to_str().unwrap_or_default();
    let name = text.split('=').next().unwrap_or_default();
    if text.starts_with("--") && name.contains(char::is_whitespace) {
        *argument = format!(" {text}").into();
    }
}

/// Prints the rows of an answer on standard output until that is closed.
struct Printed<'a> {
    printer: RefCell<Printer<'a>>,
    failed: Cell<Option<io::Error>>,
}

impl<'a> Printed<'a> {
    fn new(layout: Layout, out: &'a mut dyn io::Write) -> Printed<'a> {
        Printed {
            printer: RefCell::new(Printer::new(layout, out)),
            failed: Cell::new(None),
        }
    }

    fn names(&self, names: Vec<String>) -> ControlFlow<()> {
        self.so_far(self.printer.borrow_mut().begin(names))
    }

    fn row(&self, row: &[Datum<'_>]) -> ControlFlow<()> {
        self.so_far(self.printer.borrow_mut().row(row))
    }

    fn so_far(&self, written: io::Result<()>) -> ControlFlow<()> {
        match written {
            Ok(()) => ControlFlow::Continue(()),
            Err(e) => {
                self.failed.set(Some(e));
                ControlFlow::Break(())
            }
        }
    }

    /// Returns an error if standard output did not take all rows.
    fn written(&self) -> anyhow::Result<()> {
        match self.failed.take() {
            Some(e) => Err(Stdout(e).into()),
            None => Ok(()),
        }
    }

    /// Ends the answer, or reports why it is incomplete.
    fn end(self, error: Option<anyhow::Error>) -> anyhow::Result<Exit> {
        self.written()?;
        match error {
            Some(error) => Err(error),
            None => {
                self.printer.into_inner().end().map_err(Stdout)?;
                Ok(Exit::Done)
            }
        }
    }
}

/// Lets the first signal interrupt the statement and a second one end the process, as long as the
/// runtime lives.
fn interruptible(database: &Database) -> anyhow::Result<Runtime> {
    let handle = database.interrupt();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_io()
        .build()?;
    let entered = runtime.enter();
    let stop = CancellationToken::new();
    signals::watch(stop, Hangup::default(), move |signal| match signal {
        Signal::Stop => handle.interrupt(),
        // A query has no report to print, and no files to reopen.
        Signal::Tell | Signal::Reopen | Signal::Now => {}
    })?;
    drop(entered);
    Ok(runtime)
}

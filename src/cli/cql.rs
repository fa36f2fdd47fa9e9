//! `dumpstream query -d cassandra://…`: CQL on a cluster.

use std::borrow::Cow;
use std::cell::RefCell;
use std::io::{self, IsTerminal};
use std::ops::ControlFlow;

use dumpstream::cassandra::{self, Address, AddressError};
use tokio_util::sync::CancellationToken;

use super::query::Format;
use super::signals;
use super::table::{Datum, Layout, Printer};
use super::{Exit, Manner, Stdout, Usage};

/// The address that was typed.
pub(super) fn address(url: &str) -> Result<Address, Usage> {
    url.parse().map_err(|e: AddressError| {
        // Nothing is written to it here.
        let text = e.to_string();
        let text = text.strip_prefix("sink ").unwrap_or(&text);
        Usage::new(format!("cassandra {text}"))
    })
}

/// Asks, and prints the rows as they come.
pub(super) async fn query(
    address: Address,
    statement: String,
    format: Format,
    manner: Manner,
) -> anyhow::Result<Exit> {
    let stop = CancellationToken::new();
    // A query has no figures but its rows, and no file of its own.
    signals::watch(stop.clone(), |_| {})?;
    let terminal = io::stdout().is_terminal();
    let layout = Layout {
        format,
        bold: manner.coloured(terminal),
        terminal,
    };
    let mut out = io::BufWriter::new(io::stdout());
    let printer = RefCell::new(Printer::new(layout, &mut out));
    let failed = RefCell::new(None);
    let written = |result: io::Result<()>| match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(e) => {
            failed.replace(Some(e));
            ControlFlow::Break(())
        }
    };
    let names = |names| written(printer.borrow_mut().begin(names));
    let row = |row: Vec<cassandra::Datum>| {
        let values: Vec<Datum<'_>> = row.into_iter().map(datum).collect();
        written(printer.borrow_mut().row(&values))
    };
    let asked = tokio::select! {
        asked = cassandra::query(&address, &statement, names, row) => Some(asked),
        () = stop.cancelled() => None,
    };
    if let Some(e) = failed.take() {
        return Err(Stdout(e).into());
    }
    match asked {
        None => Ok(Exit::Interrupted),
        Some(asked) => {
            asked?;
            printer.into_inner().end().map_err(Stdout)?;
            Ok(Exit::Done)
        }
    }
}

fn datum(value: cassandra::Datum) -> Datum<'static> {
    match value {
        cassandra::Datum::Bool(b) => Datum::Bool(b),
        cassandra::Datum::Int(n) => Datum::Integer(n),
        cassandra::Datum::Real(x) => Datum::Real(x),
        cassandra::Datum::Text(t) => Datum::Text(Cow::Owned(t.into_bytes())),
        cassandra::Datum::Bytes(b) => Datum::Blob(Cow::Owned(b)),
        _ => Datum::Null,
    }
}

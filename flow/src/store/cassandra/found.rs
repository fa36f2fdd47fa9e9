//! A table that exists: what it is, and how it differs from what is wanted.

use super::address::Address;
use super::layout::Layout;
use super::name::quoted;
use super::note::Note;
use super::window::window;
use crate::sink::context::RowKind;

/// What exists of a table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    pub(crate) columns: Vec<FoundColumn>,
    pub(crate) comment: String,
    /// `default_time_to_live`, in seconds.
    pub(crate) ttl: u64,
}

/// An existing column.
#[derive(Clone, Debug)]
pub(crate) struct FoundColumn {
    pub(crate) name: String,
    pub(crate) kind: String,
    /// `partition_key`, `clustering`, `regular` or `static`.
    pub(crate) role: String,
    pub(crate) position: i32,
    pub(crate) descending: bool,
}

/// Why an existing table cannot be written to as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Difference {
    /// These statements would repair it.
    Lacks(Vec<String>),
    /// A column has another type.
    Column {
        column: String,
        found: String,
        wanted: &'static str,
    },
    /// Nothing repairs it: a sentence.
    Other(String),
}

/// Compares an existing table with what the namespace and the URL ask for.
pub(crate) fn compare(
    address: &Address,
    table: &str,
    layout: &Layout,
    found: &Found,
) -> Result<(), Difference> {
    let key = |role: &str| {
        let mut key: Vec<_> = found.columns.iter().filter(|c| c.role == role).collect();
        key.sort_by_key(|c| c.position);
        key.into_iter().map(|c| c.name.as_str()).collect::<Vec<_>>()
    };
    if key("partition_key") != layout.partition || key("clustering") != layout.clustering {
        return Err(Difference::Other(format!(
            "its primary key is (({}), {}), but must be (({}), {}); name another table",
            key("partition_key").join(", "),
            key("clustering").join(", "),
            layout.partition.join(", "),
            layout.clustering.join(", ")
        )));
    }
    if let Some(column) = found.columns.iter().find(|c| c.descending) {
        return Err(Difference::Other(format!(
            "its rows are in descending order of `{}`; name another table",
            column.name
        )));
    }
    let mut lacks = Vec::new();
    for cell in &layout.cells {
        match found.columns.iter().find(|c| c.name == cell.name) {
            None => lacks.push(format!(
                "ALTER TABLE {}.{table} ADD {} {}",
                address.keyspace,
                quoted(&cell.name),
                cell.kind
            )),
            Some(column) if column.kind != cell.kind => {
                return Err(Difference::Column {
                    column: cell.name.clone(),
                    found: column.kind.clone(),
                    wanted: cell.kind,
                });
            }
            Some(_) => {}
        }
    }
    if let Some(ttl) = address.ttl.filter(|ttl| ttl.as_secs() != found.ttl) {
        let (size, unit) = window(ttl.as_secs());
        lacks.push(format!(
            "ALTER TABLE {}.{table} WITH default_time_to_live = {} AND compaction = {{'class': \
             'TimeWindowCompactionStrategy', 'compaction_window_unit': '{unit}', \
             'compaction_window_size': {size}}}",
            address.keyspace,
            ttl.as_secs()
        ));
    }
    match lacks.is_empty() {
        true => Ok(()),
        false => Err(Difference::Lacks(lacks)),
    }
}

/// How an existing table places its rows: as its comment says, which the URL must not contradict.
/// If the comment does not say it, the URL must. A guess would duplicate rows, and miss them when
/// reading. A table has one kind of rows.
pub(crate) fn placed(address: &Address, rows: RowKind, found: &Found) -> Result<Note, String> {
    let Some(note) = Note::read(&found.comment) else {
        if address.bucket.is_some() && address.shards.is_some() {
            return Ok(Note::of(address, rows));
        }
        return Err(
            "its comment does not say how its rows are placed (`dumpstream: bucket 60s, shards \
             4`); restore the comment, or add the bucket= and shards= that it was created with"
                .to_owned(),
        );
    };
    if note.rows != rows {
        return Err(format!(
            "it is a table of {}, and {} need one of their own; name another table",
            note.rows.plural(),
            rows.plural()
        ));
    }
    let bucket = address.bucket.is_none_or(|b| b == note.bucket);
    if bucket && address.shards.is_none_or(|n| n == note.shards) {
        return Ok(note);
    }
    Err(format!(
        "its rows are placed by bucket={}s&shards={}, which cannot be changed; omit both from \
         the URL, or name another table",
        note.bucket.as_secs(),
        note.shards
    ))
}

//! `dumpstream schema`: prints the schema of stored records.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use dumpstream::JsonSchema;
use dumpstream::arrow::RecordBatches;
use dumpstream::arrow::arrow_schema::{DataType, Schema as ArrowSchema, TimeUnit};
use dumpstream::spell::visible;
use dumpstream_flow::{RowKind, SinkContext, cassandra, heartbeat, sqlite};

use super::{Exit, Manner, namespace};

/// Print the schema of stored records: of JSON, of Arrow and Parquet, or of a database's tables
///
///     dumpstream schema json > record.schema.json
///     dumpstream schema json --namespace mine.json --origin
///     dumpstream schema arrow
///     dumpstream schema sqlite | sqlite3 empty.db
///     dumpstream schema cassandra 'cassandra://10.0.0.1/pk.packets?ttl=7d&shards=16' | cqlsh
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct Schema {
    /// Which schema to print.
    #[arg(value_enum)]
    of: Of,
    /// For cassandra: the table and its parameters, as for -o.
    #[arg(
        value_name = "URL",
        default_value = "cassandra://localhost/dumpstream.packets",
        default_value_if("heartbeat", "true", "cassandra://localhost/dumpstream.heartbeats")
    )]
    url: String,
    /// For sqlite and cassandra: the tables of heartbeats instead of packets.
    #[arg(long, conflicts_with = "namespace")]
    heartbeat: bool,
    /// For cassandra: packets per second of one sensor, to estimate the size of partitions.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    rate: u64,
    /// Namespace file [default: the built-in packet_parse.json].
    #[arg(long, value_name = "FILE")]
    namespace: Option<PathBuf>,
    /// For json: include where a packet came from, as `parse --origin` writes it.
    #[arg(long)]
    origin: bool,
    /// Include each record's own bytes (`raw`).
    #[arg(long)]
    raw: bool,
    /// Include payload lines.
    #[arg(long)]
    keep_payload: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Of {
    /// JSON Schema (2020-12) of one line of `parse`.
    Json,
    /// The columns of the Python package's record batches, in the notation of pyarrow.
    Arrow,
    /// The columns of `-o parquet:DIR`, in the same notation.
    Parquet,
    /// The CREATE statements of `-o sqlite:FILE`.
    Sqlite,
    /// The CREATE statements of `-o cassandra://…`, which `?create=true` runs.
    Cassandra,
}

impl Schema {
    pub(super) fn run(self, _manner: Manner) -> anyhow::Result<Exit> {
        let (rows, mut names) = match self.heartbeat {
            true => (RowKind::Heartbeats, heartbeat::namespace()),
            false => (
                RowKind::Packets,
                namespace::read(self.namespace.as_deref())?,
            ),
        };
        if self.keep_payload {
            names = names.keep_payload();
        }
        let text = match self.of {
            Of::Json | Of::Arrow | Of::Parquet if self.heartbeat => {
                return Err(super::Usage::new(
                    "--heartbeat is for sqlite and cassandra; `dumpstream heartbeat --count 1` \
                     prints a row as JSON",
                )
                .into());
            }
            Of::Json => {
                let mut schema = JsonSchema::new(&names);
                if self.origin {
                    schema = schema.identity();
                }
                if self.raw {
                    schema = schema.raw();
                }
                let text = serde_json::to_string_pretty(&schema)?;
                format!("{}\n", super::visible::json_lines(&text))
            }
            Of::Arrow | Of::Parquet => {
                let batches = RecordBatches::new(&names).identity();
                let batches = if self.raw { batches.raw() } else { batches };
                let mut batches = match self.of {
                    Of::Parquet => batches.plain(),
                    _ => batches,
                };
                arrow(&batches.schema())
            }
            Of::Sqlite => {
                let context = SinkContext {
                    rows,
                    columns: names.columns().into(),
                    namespace: names.namespace.clone(),
                    hash: names.hash(),
                    version: env!("CARGO_PKG_VERSION"),
                    identity: true,
                    raw: self.raw,
                    ..SinkContext::default()
                };
                let statements = sqlite::schema(&context)?;
                statements.iter().map(|s| format!("{s};\n")).collect()
            }
            Of::Cassandra => {
                let address = super::cql::address(&self.url)?;
                let columns = names.columns();
                cassandra::schema(&address, (rows, &columns), self.raw, self.rate)
                    .map_err(super::Usage::new)?
            }
        };
        namespace::print(&text)
    }
}

/// A schema as pyarrow prints it.
fn arrow(schema: &ArrowSchema) -> String {
    let mut text = String::new();
    let mut line = |what: String| writeln!(text, "{what}").expect("a string takes it");
    for field in schema.fields() {
        let null = if field.is_nullable() { "" } else { " not null" };
        let name = visible(field.name());
        line(format!("{name}: {}{null}", kind(field.data_type())));
        if let Some(doc) = field.metadata().get("doc") {
            line("  -- field metadata --".to_owned());
            line(format!("  doc: '{}'", visible(doc)));
        }
    }
    line("-- schema metadata --".to_owned());
    for key in ["namespace", "hash"] {
        line(format!("{key}: '{}'", visible(&schema.metadata()[key])));
    }
    text
}

/// A type as pyarrow calls it.
fn kind(kind: &DataType) -> String {
    match kind {
        DataType::Utf8 => "string".to_owned(),
        DataType::Float64 => "double".to_owned(),
        DataType::Boolean => "bool".to_owned(),
        DataType::Time64(TimeUnit::Nanosecond) => "time64[ns]".to_owned(),
        DataType::Timestamp(unit, zone) => {
            let unit = match unit {
                TimeUnit::Nanosecond => "ns",
                _ => "us",
            };
            format!("timestamp[{unit}, tz={}]", zone.as_deref().unwrap_or("UTC"))
        }
        DataType::Dictionary(..) => {
            "dictionary<values=string, indices=int32, ordered=0>".to_owned()
        }
        other => other.to_string().to_lowercase(),
    }
}

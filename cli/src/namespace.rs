//! `dumpstream namespace`: lists the fields, or prints the file that defines them.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use dumpstream::{BUILT_IN, Namespace, NamespaceError};

use super::paint::Paint;
use super::{Exit, Manner, Stdout, Usage, columns};

/// No namespace of [`dumpstream::limits::MAX_ENTRIES`] patterns of [`dumpstream::limits::MAX_PATTERN`] bytes is
/// larger: what is, is another file.
const LARGEST: u64 = 16 << 20;

/// The text of a namespace's file.
///
/// # Errors
/// The file cannot be read, is not text or is too large: [`Usage`], because the user named it.
pub(super) fn text(file: &Path) -> Result<String, Usage> {
    use std::io::Read;
    let named =
        |e: &dyn std::fmt::Display| Usage::new(format!("namespace {}: {e}", file.display()));
    let mut text = Vec::new();
    std::fs::File::open(file)
        .and_then(|f| f.take(LARGEST + 1).read_to_end(&mut text))
        .map_err(|e| named(&e))?;
    if text.len() as u64 > LARGEST {
        return Err(named(
            &"the file is larger than 16 MiB, the limit of a namespace",
        ));
    }
    String::from_utf8(text).map_err(|e| named(&e))
}

/// The namespace of a file, or the built-in one.
///
/// # Errors
/// As [`text`], and what is wrong with the namespace.
pub(super) fn read(file: Option<&Path>) -> anyhow::Result<Namespace> {
    let Some(file) = file else {
        return Ok(Namespace::tcpdump());
    };
    let read = text(file)?.parse();
    read.map_err(|error| Wrong::new(file, error).into())
}

/// The first error of a namespace's file.
#[derive(Debug, thiserror::Error)]
#[error("{file}")]
pub(super) struct Wrong {
    file: String,
    source: NamespaceError,
}

impl Wrong {
    pub(super) fn new(file: &Path, source: NamespaceError) -> Wrong {
        Wrong {
            file: file.display().to_string(),
            source,
        }
    }

    /// Names the command that shows more than the first error.
    pub(super) fn remedy(&self) -> String {
        format!("`dumpstream check {}` shows all errors", self.file)
    }
}

/// List the fields, or print the file that defines them
///
///     dumpstream namespace list
///     dumpstream namespace export > mine.json
///     dumpstream parse --namespace mine.json monday.txt
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct Names {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List the fields: name, part of the record, type, description.
    List {
        /// Namespace file [default: the built-in packet_parse.json].
        #[arg(long, value_name = "FILE")]
        namespace: Option<PathBuf>,
    },
    /// Print the built-in packet_parse.json, as a start for your own.
    Export,
}

impl Names {
    pub(super) fn run(self, manner: Manner) -> anyhow::Result<Exit> {
        let text = match self.what {
            What::List { namespace } => {
                let namespace = read(namespace.as_deref())?;
                list(&namespace, manner.paint(&io::stdout()))
            }
            What::Export => BUILT_IN.to_owned(),
        };
        print(&text)
    }
}

/// Prints text on standard output and ends the subcommand.
pub(super) fn print(text: &str) -> anyhow::Result<Exit> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(Stdout)?;
    Ok(Exit::Done)
}

fn list(namespace: &Namespace, paint: Paint) -> String {
    let rows: Vec<Vec<String>> = namespace
        .columns()
        .into_iter()
        .map(|column| {
            let mut parts: Vec<&str> = Vec::new();
            for field in namespace.fields.iter().filter(|f| f.name == column.name) {
                if !parts.contains(&field.part.name()) {
                    parts.push(field.part.name());
                }
            }
            let kind = column.kind.name().to_owned();
            vec![column.name, parts.join(" "), kind, column.doc]
        })
        .collect();
    columns::table(&["name", "in", "type", "doc"], &[false; 4], &rows, paint)
}

//! `dumpstream namespace`: which fields there are, and the file that defines them.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use dumpstream::{BUILT_IN, Namespace};

use super::paint::Paint;
use super::{Exit, Manner, Stdout, Usage, columns};

/// No namespace of [`dumpstream::limits::MAX_ENTRIES`] patterns of [`dumpstream::limits::MAX_PATTERN`] bytes is
/// larger: what is, is another file.
const LARGEST: u64 = 16 << 20;

/// The text of a namespace's file.
///
/// # Errors
/// A file that cannot be read, is no text or too large: [`Usage`], since it was named.
pub(super) fn text(file: &Path) -> Result<String, Usage> {
    use std::io::Read;
    let named =
        |e: &dyn std::fmt::Display| Usage::new(format!("namespace {}: {e}", file.display()));
    let mut text = Vec::new();
    std::fs::File::open(file)
        .and_then(|f| f.take(LARGEST + 1).read_to_end(&mut text))
        .map_err(|e| named(&e))?;
    if text.len() as u64 > LARGEST {
        return Err(named(&"it is over 16 MiB, which no namespace is"));
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
    text(file)?
        .parse()
        .with_context(|| file.display().to_string())
}

/// Show which fields there are, or the file that defines them
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
    /// The fields: name, part of the record, type, what it is.
    List {
        /// The fields of this file instead of the built-in ones.
        #[arg(long, value_name = "FILE")]
        namespace: Option<PathBuf>,
    },
    /// The built-in packet_parse.json on standard output, to be edited.
    Export,
}

impl Names {
    pub(super) fn run(self, manner: Manner) -> anyhow::Result<Exit> {
        let text = match self.what {
            What::List { namespace } => {
                let namespace = read(namespace.as_deref())?;
                list(
                    &namespace,
                    Paint(manner.coloured(io::stdout().is_terminal())),
                )
            }
            What::Export => BUILT_IN.to_owned(),
        };
        print(&text)
    }
}

/// Writes to standard output, and that is all.
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

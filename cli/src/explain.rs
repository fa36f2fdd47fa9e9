//! `dumpstream explain`: shows why each field of a record has its value, or has none.

mod field;
mod page;

use std::borrow::Cow;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, ValueEnum};
use dumpstream::framing::{Batch, Batches};
use dumpstream::{Engine, Namespace, Origin, Packets, Parser};
use dumpstream_flow::clock;
use dumpstream_flow::input::Input as Stored;
use jiff::civil::Date;

use self::page::Page;
use super::origins::{Zone, date, zone};
use super::records::EngineName;
use super::{Exit, Manner, Usage, namespace, visible};

/// Explain a record: its parts, and why each field has its value or has none
///
/// For a field without a value, it shows how far the pattern matched, what should have come next,
/// and where else in the record the pattern would match.
///
///     dumpstream explain monday.txt --record 17
///     dumpstream explain --namespace mine.json --field hops monday.txt
///     dumpstream explain '22:13:20.123456 ARP, Request who-has 10.0.0.1 tell 10.0.0.2, length 28'
///     tcpdump -nn -v -c 1 | dumpstream explain --format json | jq .fields
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct Explain {
    /// Text of a record (\n is a line feed), or a file of records; - or nothing is standard input.
    #[arg(value_name = "LINE|FILE")]
    input: Option<String>,
    /// Number of the record, counted from 1.
    #[arg(short, long, value_name = "N", default_value = "1",
          value_parser = clap::value_parser!(u64).range(1..))]
    record: u64,
    /// Explain only this field, with all its entries; repeatable.
    #[arg(short, long, value_name = "NAME")]
    field: Vec<String>,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Namespace file: the fields and their regexes [default: the built-in packet_parse.json].
    #[arg(long, value_name = "FILE")]
    namespace: Option<PathBuf>,
    /// How fields are found; both engines give the same values.
    #[arg(long, value_enum, default_value = "slot")]
    engine: EngineName,
    /// Time zone of time stamps: an IANA name, UTC or local [default: local].
    #[arg(long, value_name = "ZONE", value_parser = zone)]
    tz: Option<Zone>,
    /// Date of time stamps that have none.
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date)]
    date: Option<Date>,
    /// Keep the decoder's text (`info`) also for protocols that may print credentials; by default
    /// it is withheld.
    #[arg(long)]
    keep_info: bool,
    /// Keep payload lines; by default they are dropped.
    #[arg(long)]
    keep_payload: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Text for people, on one screen.
    Text,
    /// One JSON object with all details.
    Json,
}

impl Explain {
    pub(super) fn run(self, manner: Manner) -> anyhow::Result<Exit> {
        let mut names = namespace::read(self.namespace.as_deref())?;
        for warning in names.warnings() {
            tracing::warn!("{warning}");
        }
        if self.keep_payload {
            names = names.keep_payload();
        }
        for field in &self.field {
            known(&names, field)?;
        }
        let engine = match self.engine {
            EngineName::Slot => Engine::Slot,
            EngineName::Regex => Engine::Regex,
        };
        let mut parser = Parser::new(names)?.engine(engine);
        if self.keep_info {
            parser = parser.keep_info();
        }
        let input = Input::of(self.input.as_deref(), manner)?;
        let mut origin = Origin::new(input.name.clone());
        origin = origin.zone(self.tz.unwrap_or_else(Zone::local).tz);
        if let Some(modified) = input.modified {
            origin = origin.modified(modified);
        }
        if let Some(date) = self.date {
            origin = origin.date(date);
        }
        let name = input.name.clone();
        let (packets, index) = record(input, &parser, origin, self.record)?;
        let mut explanation = packets.packet(index).explain();
        if !self.field.is_empty() {
            explanation
                .fields
                .retain(|found| self.field.contains(&found.name));
        }
        let text = match self.format {
            Format::Json => {
                let text = serde_json::to_string_pretty(&explanation)?;
                format!("{}\n", visible::json_lines(&text))
            }
            Format::Text => {
                let page = Page {
                    explanation: &explanation,
                    names: parser.namespace(),
                    file: self.namespace.as_deref(),
                    paint: manner.paint(&io::stdout()),
                    full: !self.field.is_empty(),
                };
                page.print(&name, self.record)
            }
        };
        namespace::print(&text)
    }
}

/// Refuses a name that the namespace does not have, and lists those that it has.
fn known(names: &Namespace, field: &str) -> Result<(), Usage> {
    let columns = names.columns();
    if columns.iter().any(|c| c.name == field) {
        return Ok(());
    }
    let all: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
    Err(Usage::new(format!(
        "--field {field}: the namespace has no such field; it has {}",
        all.join(" ")
    )))
}

/// Where records come from.
struct Input {
    name: String,
    text: Box<dyn Read + Send>,
    /// When the file was last written, for the date of its stamps.
    modified: Option<i64>,
}

impl Input {
    fn of(input: Option<&str>, manner: Manner) -> anyhow::Result<Input> {
        let now = Some(clock::now());
        let input = match input {
            None | Some("-") => {
                if io::stdin().is_terminal() && !manner.quiet {
                    super::say(
                        "dumpstream: reading from the terminal; press Ctrl-D to end the input",
                    );
                }
                return Ok(Input {
                    name: "standard input".to_owned(),
                    text: Stored::stdin()?.text()?,
                    modified: now,
                });
            }
            Some(input) => input,
        };
        let file = Path::new(input);
        // A record contains blanks; a file name seldom does.
        let line = input.contains([' ', '\n']) && !file.exists();
        if line {
            let mut text = unescaped(input).into_owned();
            if !text.ends_with('\n') {
                text.push('\n');
            }
            return Ok(Input {
                name: "the argument".to_owned(),
                text: Box::new(io::Cursor::new(text)),
                modified: now,
            });
        }
        let open = || -> io::Result<Input> {
            let stored = Stored::open(file, |file, _| Box::new(file))?;
            Ok(Input {
                name: input.to_owned(),
                modified: stored.modified(),
                text: stored.text()?,
            })
        };
        open().with_context(|| {
            format!("{input}: not a readable file, and not a record (a record contains blanks)")
        })
    }
}

/// Replaces `\n` by a line feed and `\t` by a TAB, if the text has no line feed of its own.
fn unescaped(text: &str) -> Cow<'_, str> {
    match text.trim_end().contains('\n') {
        true => Cow::Borrowed(text),
        false => Cow::Owned(text.replace("\\n", "\n").replace("\\t", "\t")),
    }
}

/// The packets that hold record `n`, and its index in them.
fn record(
    input: Input,
    parser: &Parser,
    mut origin: Origin,
    n: u64,
) -> anyhow::Result<(Packets, usize)> {
    let mut before = 0;
    let mut reader = Batches::new(input.text);
    for batch in &mut reader {
        let batch: Batch = batch.with_context(|| input.name.clone())?;
        let mut packets = parser.parse(batch);
        origin.place(&mut packets);
        let here = packets.len() as u64;
        if n <= before + here {
            return Ok((packets, (n - before - 1) as usize));
        }
        before += here;
    }
    match (before, reader.skipped().total()) {
        (0, 0) => Err(Usage::new(format!("{}: the input is empty", input.name)).into()),
        (0, skipped) => Err(Usage::new(format!(
            "{}: no record found in {skipped} bytes. A record begins at column 0 with a time stamp \
             as tcpdump prints it, such as 22:13:20.123456, and a blank",
            input.name
        ))
        .into()),
        (all, _) => Err(Usage::new(format!(
            "--record {n}: {} has {all} record{}",
            input.name,
            if all == 1 { "" } else { "s" }
        ))
        .into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_feeds_of_an_argument() {
        assert_eq!(unescaped(r"a\n    b"), "a\n    b");
        assert_eq!(unescaped("a\nb \\n"), "a\nb \\n");
    }
}

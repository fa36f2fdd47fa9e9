//! `csv:` writes a table of text (RFC 4180): a header, then one row per packet. Lines end in LF, as
//! psql and DuckDB write them, because a shell takes a CR for a part of the last cell.
//!
//! The columns are those of the namespace in their order; then, if requested, `sensor`, `stream`,
//! `record` and `time_source`; then `truncated`; then, if requested, `raw`. They are the same for
//! every row; a missing value is an empty cell. Numbers, addresses and times are written unchanged;
//! a text cell that a spreadsheet would run as a formula gets a leading apostrophe.

use dumpstream::spell::Text;
use dumpstream::{Packet, Value};

use super::SinkError;
use super::context::SinkContext;
use super::file::{self, Format};
use super::parts::UrlParts;
use super::scheme::Opening;
use crate::place::RowEnd;

/// The parameters of `csv:` URLs.
pub(super) const PARAMETERS: &[&str] = &[
    file::PARAMETERS[0],
    file::PARAMETERS[1],
    file::PARAMETERS[2],
    "eol=lf|crlf",
    "formulas=keep",
];

/// Reads a URL `csv:FILE`.
pub(super) fn read(url: &UrlParts) -> Result<Opening, SinkError> {
    let eol = url.value("eol", "lf or crlf", |value| match value {
        "lf" => Some("\n"),
        "crlf" => Some("\r\n"),
        _ => None,
    })?;
    let keep = url.value("formulas", "keep", |value| (value == "keep").then_some(()))?;
    let spelling = Spelling {
        eol: eol.unwrap_or("\n"),
        text: match keep {
            Some(()) => Text::csv_as_is,
            None => Text::csv,
        },
    };
    file::read(url, move |context| Table::new(context, spelling))
}

/// How lines end, and how text is spelled.
#[derive(Clone, Copy)]
struct Spelling {
    eol: &'static str,
    text: fn(&mut Text, &[u8]),
}

/// Spells packets as rows.
struct Table {
    spelling: Spelling,
    columns: usize,
    header: Vec<u8>,
    identity: bool,
    raw: bool,
    /// `,sensor,stream,` of the last stream.
    stream: Vec<u8>,
    /// The sensor and the stream of `stream`.
    owner: (String, String),
    text: Text,
}

impl Table {
    fn new(context: &SinkContext, spelling: Spelling) -> Table {
        let ours: &[&str] = match context.identity {
            true => &["sensor", "stream", "record", "time_source"],
            false => &[],
        };
        let raw = context.raw.then_some("raw");
        let names = context.columns.iter().map(|column| column.name.as_str());
        let names = names.chain(ours.iter().copied()).chain(["truncated"]);
        let mut header = Text::new();
        for name in names.chain(raw) {
            if !header.out.is_empty() {
                header.out.push(b',');
            }
            (spelling.text)(&mut header, name.as_bytes());
        }
        header.out.extend_from_slice(spelling.eol.as_bytes());
        Table {
            spelling,
            columns: context.columns.len(),
            header: header.out,
            identity: context.identity,
            raw: context.raw,
            stream: Vec::new(),
            owner: Default::default(),
            text: Text::new(),
        }
    }

    /// Goes this many cells on.
    fn separate(&mut self, cells: usize) {
        let out = &mut self.text.out;
        out.resize(out.len() + cells, b',');
    }

    fn identify(&mut self, packet: Packet<'_>) {
        let (sensor, stream) = (packet.sensor(), packet.stream());
        if self.stream.is_empty() || self.owner.0 != sensor || self.owner.1 != stream {
            let mut text = Text::new();
            for name in [sensor, stream] {
                text.out.push(b',');
                (self.spelling.text)(&mut text, name.as_bytes());
            }
            text.out.push(b',');
            self.stream = text.out;
            self.owner = (sensor.to_owned(), stream.to_owned());
        }
        let text = &mut self.text;
        text.out.extend_from_slice(&self.stream);
        // An ordinal counts records that were read: it never comes near 2⁶³.
        text.int(packet.record() as i64);
        text.out.push(b',');
        let source = packet.time_source().name();
        text.out.extend_from_slice(source.as_bytes());
    }
}

impl Format for Table {
    const ROW_END: Option<RowEnd> = Some(RowEnd::Quoted);

    fn made(&mut self) -> &mut Vec<u8> {
        &mut self.text.out
    }

    fn begin(&mut self) {
        self.text.out.extend_from_slice(&self.header);
    }

    fn row(&mut self, packet: Packet<'_>) {
        let mut at = 0;
        for (column, value) in packet.values() {
            self.separate(column.index() - at);
            at = column.index();
            cell(&mut self.text, &value, self.spelling.text);
        }
        self.separate((self.columns - 1).saturating_sub(at));
        if self.identity {
            self.identify(packet);
        }
        let out = &mut self.text.out;
        out.push(b',');
        if packet.truncated() {
            out.extend_from_slice(b"true");
        }
        if self.raw {
            out.push(b',');
            (self.spelling.text)(&mut self.text, packet.raw());
        }
        let eol = self.spelling.eol.as_bytes();
        self.text.out.extend_from_slice(eol);
    }
}

fn cell(text: &mut Text, value: &Value<'_>, spell: fn(&mut Text, &[u8])) {
    match *value {
        Value::Text(bytes) => spell(text, bytes),
        Value::Int(n) => text.int(n),
        Value::Bool(b) => text
            .out
            .extend_from_slice(if b { b"true" } else { b"false" }),
        Value::Inet(ip) => text.inet(ip),
        Value::Mac(mac) => text.mac(mac),
        Value::Time(ns) => text.clock(ns),
        Value::Timestamp(ns) => text.timestamp(ns),
        Value::Real(x) if x.is_finite() => {
            serde_json::to_writer(&mut text.out, &x).expect("a Vec takes every byte");
        }
        // Not a number: absent, as in JSON.
        Value::Real(_) => {}
        // A type that a later version of the core may add.
        ref other => spell(text, other.to_string().as_bytes()),
    }
}

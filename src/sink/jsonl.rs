//! `jsonl:` writes one JSON object a line.
//!
//! The keys are the namespace's columns in their order; then, where asked for, `sensor`, `stream`,
//! `record` and `time_source`; then `truncated`; then `raw`. What a packet lacks is left out.

use std::fs::File;
use std::io::{self, ErrorKind, Write};

use super::text::Text;
use super::writer::{Abandoned, Store, Writer};
use super::{BoxFuture, Sink, SinkContext, SinkError, Written};
use crate::namespace::Column;
use crate::packet::{Packet, Packets};
use crate::value::Value;

/// How much text is gathered before it is written: few system calls, and no more memory than that.
const CHUNK: usize = 256 << 10;

/// The sink of a URL `jsonl:-` or `jsonl:FILE`.
#[derive(Debug)]
pub(crate) struct Jsonl {
    writer: Writer,
}

impl Jsonl {
    /// Opens `-` (standard output) or a file, which is replaced.
    pub(crate) fn open(url: &str, place: &str, context: &SinkContext) -> Result<Jsonl, SinkError> {
        let out: Box<dyn Write + Send> = if place == "-" {
            Box::new(io::stdout())
        } else {
            Box::new(File::create(place).map_err(|source| SinkError::Io {
                sink: url.to_owned(),
                action: "create the file",
                source,
            })?)
        };
        Jsonl::new(url, out, context)
    }

    fn new(
        url: &str,
        out: Box<dyn Write + Send>,
        context: &SinkContext,
    ) -> Result<Jsonl, SinkError> {
        let store = Lines {
            sink: url.to_owned(),
            out,
            object: Object::new(context),
        };
        Ok(Jsonl {
            writer: Writer::spawn(url, Abandoned::default(), store)?,
        })
    }
}

impl Sink for Jsonl {
    fn write<'a>(&'a self, rows: &'a [Packets]) -> BoxFuture<'a, Result<Written, SinkError>> {
        Box::pin(self.writer.write(rows))
    }

    fn close<'a>(&'a self) -> BoxFuture<'a, Result<(), SinkError>> {
        Box::pin(self.writer.close())
    }
}

struct Lines {
    sink: String,
    out: Box<dyn Write + Send>,
    object: Object,
}

impl Lines {
    fn failed(&self, source: io::Error) -> SinkError {
        let sink = self.sink.clone();
        match source.kind() {
            ErrorKind::BrokenPipe => SinkError::ReaderGone { sink },
            _ => SinkError::Io {
                sink,
                action: "write",
                source,
            },
        }
    }
}

impl Store for Lines {
    fn write(&mut self, rows: &[Packets]) -> Result<Written, SinkError> {
        let mut delivered = 0;
        for packet in rows.iter().flat_map(Packets::iter) {
            self.object.line(packet);
            delivered += 1;
            if self.object.text.out.len() >= CHUNK {
                self.out
                    .write_all(&self.object.text.out)
                    .map_err(|e| self.failed(e))?;
                self.object.text.out.clear();
            }
        }
        let written = self
            .out
            .write_all(&self.object.text.out)
            .and_then(|()| self.out.flush());
        self.object.text.out.clear();
        written.map_err(|e| self.failed(e))?;
        Ok(Written {
            delivered,
            ..Written::default()
        })
    }

    fn close(mut self) -> Result<(), SinkError> {
        self.out.flush().map_err(|e| self.failed(e))
    }
}

/// Spells packets as JSON objects.
struct Object {
    /// `"name":` of each column.
    keys: Vec<Vec<u8>>,
    identity: bool,
    raw: bool,
    /// `,"sensor":…,"stream":…` of the last stream.
    stream: Vec<u8>,
    /// Whose that is.
    owner: (String, String),
    text: Text,
}

impl Object {
    fn new(context: &SinkContext) -> Object {
        let key = |column: &Column| {
            let mut text = Text::new();
            text.json(column.name.as_bytes());
            text.out.push(b':');
            text.out
        };
        Object {
            keys: context.columns.iter().map(key).collect(),
            identity: context.identity,
            raw: context.raw,
            stream: Vec::new(),
            owner: Default::default(),
            text: Text::new(),
        }
    }

    /// One object and its line feed.
    fn line(&mut self, packet: Packet<'_>) {
        let text = &mut self.text;
        text.out.push(b'{');
        let start = text.out.len();
        for (i, key) in self.keys.iter().enumerate() {
            let Some(value) = packet.value(i) else {
                continue;
            };
            if text.out.len() > start {
                text.out.push(b',');
            }
            text.out.extend_from_slice(key);
            spell(text, value);
        }
        if self.identity {
            self.identify(packet);
        }
        let text = &mut self.text;
        if packet.truncated() {
            text.out.extend_from_slice(b",\"truncated\":true");
        }
        if self.raw {
            text.out.extend_from_slice(b",\"raw\":");
            text.json(packet.raw());
        }
        // A namespace need not give this packet any value.
        if text.out.get(start) == Some(&b',') {
            text.out.remove(start);
        }
        text.out.extend_from_slice(b"}\n");
    }

    fn identify(&mut self, packet: Packet<'_>) {
        let (sensor, stream) = (packet.sensor(), packet.stream());
        if self.stream.is_empty() || self.owner.0 != sensor || self.owner.1 != stream {
            let mut text = Text::new();
            text.out.extend_from_slice(b",\"sensor\":");
            text.json(sensor.as_bytes());
            text.out.extend_from_slice(b",\"stream\":");
            text.json(stream.as_bytes());
            self.stream = text.out;
            self.owner = (sensor.to_owned(), stream.to_owned());
        }
        let text = &mut self.text;
        text.out.extend_from_slice(&self.stream);
        text.out.extend_from_slice(b",\"record\":");
        // An ordinal counts records that were read: it never comes near 2⁶³.
        text.int(packet.record() as i64);
        text.out.extend_from_slice(b",\"time_source\":\"");
        text.out
            .extend_from_slice(packet.time_source().name().as_bytes());
        text.out.push(b'"');
    }
}

fn spell(text: &mut Text, value: Value<'_>) {
    match value {
        Value::Text(bytes) => return text.json(bytes),
        Value::Int(n) => return text.int(n),
        Value::Bool(b) => {
            return text
                .out
                .extend_from_slice(if b { b"true" } else { b"false" });
        }
        // The shortest digits that read back as the same number are an art of their own.
        Value::Real(x) => {
            return serde_json::to_writer(&mut text.out, &x).expect("a Vec takes every byte");
        }
        _ => {}
    }
    text.out.push(b'"');
    match value {
        Value::Inet(ip) => text.inet(ip),
        Value::Mac(mac) => text.mac(mac),
        Value::Time(ns) => text.clock(ns),
        Value::Timestamp(ns) => text.timestamp(ns),
        Value::Text(_) | Value::Int(_) | Value::Bool(_) | Value::Real(_) => {}
    }
    text.out.push(b'"');
}

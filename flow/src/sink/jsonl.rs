//! `jsonl:` writes one JSON object per line.
//!
//! The keys are the namespace's columns in their order; then, if requested, `sensor`, `stream`,
//! `record` and `time_source`; then `truncated`; then `raw`. Missing values are omitted.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use dumpstream::spell::Text;
use dumpstream::{Column, Packet, Value};

use super::SinkError;
use super::context::SinkContext;
use super::file::{self, Format};
use super::parts::UrlParts;
use super::scheme::Opening;
use crate::place::RowEnd;

/// Bytes that show what a file is.
const BEGIN: u64 = 64;

/// Reads a URL `jsonl:FILE`.
pub(super) fn read(url: &UrlParts) -> Result<Opening, SinkError> {
    let opening = file::read(url, Object::new)?;
    let (sink, path) = (url.text().to_owned(), url.place().to_owned());
    Ok(match opening.to_file() {
        // Rotated files have other names.
        Some(_) if url.get("rotate").or(url.get("rotate_size")).is_none() => {
            opening.after(move || continues(&sink, path.as_ref()))
        }
        _ => opening,
    })
}

/// Refuses an existing file that does not begin with an object.
fn continues(sink: &str, path: &Path) -> Result<(), SinkError> {
    // Reading a pipe would consume its content. Why a file cannot be opened is said later.
    let regular = path.metadata().is_ok_and(|about| about.is_file());
    let Some(file) = regular.then(|| File::open(path).ok()).flatten() else {
        return Ok(());
    };
    let mut begin = Vec::new();
    let read = file.take(BEGIN).read_to_end(&mut begin);
    read.map_err(SinkError::io(sink, "read the beginning of the file"))?;
    match begin.trim_ascii_start() {
        [] | [b'{', ..] => Ok(()),
        _ => Err(SinkError::Refused {
            sink: sink.to_owned(),
            why: "the file exists and is not JSON Lines; name another file".to_owned(),
        }),
    }
}

/// Spells packets as JSON objects.
pub(crate) struct Object {
    /// `"name":` of each column.
    keys: Vec<Vec<u8>>,
    identity: bool,
    raw: bool,
    /// `,"sensor":…,"stream":…` of the last stream.
    stream: Vec<u8>,
    /// The sensor and the stream of `stream`.
    owner: (String, String),
    text: Text,
}

impl Format for Object {
    const ROW_END: Option<RowEnd> = Some(RowEnd::Line);

    fn made(&mut self) -> &mut Vec<u8> {
        &mut self.text.out
    }

    /// Writes one object and its line feed.
    fn row(&mut self, packet: Packet<'_>) {
        let text = &mut self.text;
        text.out.push(b'{');
        let start = text.out.len();
        for (column, value) in packet.values() {
            if text.out.len() > start {
                text.out.push(b',');
            }
            text.out.extend_from_slice(&self.keys[column.index()]);
            spell(text, &value);
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
        // A namespace may give this packet no value at all.
        if text.out.get(start) == Some(&b',') {
            text.out.remove(start);
        }
        text.out.extend_from_slice(b"}\n");
    }
}

impl Object {
    pub(crate) fn new(context: &SinkContext) -> Object {
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

fn spell(text: &mut Text, value: &Value<'_>) {
    match *value {
        Value::Text(bytes) => return text.json(bytes),
        Value::Int(n) => return text.int(n),
        Value::Bool(b) => {
            return text
                .out
                .extend_from_slice(if b { b"true" } else { b"false" });
        }
        // The shortest digits that read back as the same number are hard to compute; serde_json
        // does it.
        Value::Real(x) => {
            return serde_json::to_writer(&mut text.out, &x).expect("a Vec takes every byte");
        }
        Value::Inet(_) | Value::Mac(_) | Value::Time(_) | Value::Timestamp(_) => {}
        // A type that a later version of the core may add.
        ref other => return text.json(other.to_string().as_bytes()),
    }
    text.out.push(b'"');
    match *value {
        Value::Inet(ip) => text.inet(ip),
        Value::Mac(mac) => text.mac(mac),
        Value::Time(ns) => text.clock(ns),
        Value::Timestamp(ns) => text.timestamp(ns),
        _ => unreachable!("written above"),
    }
    text.out.push(b'"');
}

#[cfg(test)]
mod tests {
    use std::io::{self, ErrorKind, Write};
    use std::sync::{Arc, Mutex, mpsc};

    use super::*;
    use crate::sink::file::FileSink;
    use crate::sink::file::output::Output;
    use crate::sink::hangup::Hangup;
    use crate::sink::{Sink, SinkError};
    use dumpstream::Packets;
    use dumpstream::framing::{Batch, CutKind, Framer, Tail};
    use dumpstream::{Namespace, Origin, Parser};

    /// Keeps what is written, or refuses it.
    #[derive(Clone, Default)]
    struct Out {
        bytes: Arc<Mutex<Vec<u8>>>,
        refuses: Option<ErrorKind>,
    }

    impl Write for Out {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if let Some(kind) = self.refuses {
                return Err(kind.into());
            }
            self.bytes.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn context(namespace: &Namespace, identity: bool, raw: bool) -> SinkContext {
        SinkContext {
            columns: namespace.columns().into(),
            namespace: namespace.namespace.clone(),
            hash: namespace.hash(),
            version: "0",
            identity,
            raw,
            ..SinkContext::default()
        }
    }

    fn sink(out: Box<dyn Write + Send>, context: &SinkContext) -> FileSink {
        let out = Output::stream("jsonl:-", out);
        FileSink::new("jsonl:-", out, Object::new(context), &Hangup::new()).unwrap()
    }

    const TEXT: &[u8] = b"1700000000.000001 02:00:00:00:00:0a > 02:00:00:00:00:0b, ethertype IPv4 \
        (0x0800), length 74: (tos 0x0, ttl 64, id 1, offset 0, flags [DF], proto TCP (6), length \
        60)\n    10.0.0.1.1234 > 10.0.0.2.80: Flags [S], cksum 0xd8a8 (correct), seq 1, win 512, \
        options [mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7], length 0\n\
        1700000000.000002 IP 10.0.0.1.53 > 10.0.0.2.9: 1 A? caf\xc3\xa9\xff.\x1b\xe2\x80\xae (27)\n\
        1700000000.000003 ???\n";

    fn packets(namespace: &Namespace) -> Packets {
        let mut framer = Framer::new();
        framer.next_batch(TEXT, Tail::Final).unwrap();
        let batch = Batch::new(TEXT.to_vec(), framer.style()).cut(CutKind::Truncated);
        let mut packets = Parser::new(namespace.clone()).unwrap().parse(batch);
        Origin::new("s\x1b").stream("x").place(&mut packets);
        packets
    }

    async fn written(context: &SinkContext, packets: &Packets) -> String {
        let out = Out::default();
        let sink = sink(Box::new(out.clone()), context);
        let written = sink.write(std::slice::from_ref(packets)).await.unwrap();
        assert_eq!(written.delivered, packets.len() as u64);
        sink.close().await.unwrap();
        let bytes = out.bytes.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[tokio::test]
    async fn the_values_are_those_of_serialize() {
        let namespace = Namespace::tcpdump();
        let packets = packets(&namespace);
        let lines = written(&context(&namespace, false, false), &packets).await;
        assert_eq!(lines.lines().count(), 3);
        for (line, packet) in lines.lines().zip(packets.iter()) {
            let ours: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(ours, serde_json::to_value(packet).unwrap());
            // Equal as text too, where nothing is escaped that JSON would not escape.
            if packet.raw().is_ascii() {
                assert_eq!(line, serde_json::to_string(&packet).unwrap());
            }
        }
        assert!(!lines.contains(['\x1b', '\u{202e}']));
    }

    #[tokio::test]
    async fn what_was_asked_for_comes_after_the_columns() {
        let namespace: Namespace = r#"[{"name": "ttl", "regex": "ttl (\\d+)"}]"#.parse().unwrap();
        let packets = packets(&namespace);
        let lines = written(&context(&namespace, true, true), &packets).await;
        let lines: Vec<&str> = lines.lines().collect();
        let ours = r#""sensor":"s\u001b","stream":"x","record":"#;
        let first = format!(r#"{{"ttl":"64",{ours}1,"time_source":"packet","raw":"#);
        assert!(lines[0].starts_with(&first), "{}", lines[0]);
        assert!(
            lines[1].contains(r"\\xff.\u001b\u202e (27)\n"),
            "{}",
            lines[1]
        );
        let end = r#""truncated":true,"raw":"1700000000.000003 ???\n"}"#;
        assert_eq!(
            lines[2],
            format!(r#"{{{ours}3,"time_source":"packet",{end}"#)
        );
        // A packet without any value, and nothing asked for.
        let bare = written(&context(&namespace, false, false), &packets).await;
        assert_eq!(bare, "{\"ttl\":\"64\"}\n{}\n{\"truncated\":true}\n");
    }

    #[tokio::test]
    async fn a_reader_that_has_gone_is_told_apart() {
        let namespace = Namespace::tcpdump();
        let packets = packets(&namespace);
        for (kind, gone) in [
            (ErrorKind::BrokenPipe, true),
            (ErrorKind::StorageFull, false),
        ] {
            let out = Out {
                refuses: Some(kind),
                ..Out::default()
            };
            let context = context(&namespace, false, false);
            let sink = sink(Box::new(out), &context);
            let error = sink
                .write(std::slice::from_ref(&packets))
                .await
                .unwrap_err();
            assert_eq!(
                matches!(error, SinkError::ReaderGone { .. }),
                gone,
                "{error}"
            );
        }
    }

    /// Blocks until it is told.
    struct Blocked(mpsc::Receiver<()>);

    impl Write for Blocked {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.recv().unwrap();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_write_that_blocks_does_not_block_the_runtime() {
        let namespace = Namespace::tcpdump();
        let packets = packets(&namespace);
        let (release, blocked) = mpsc::channel();
        let context = context(&namespace, false, false);
        let sink = sink(Box::new(Blocked(blocked)), &context);
        let rows = std::slice::from_ref(&packets);
        let (written, ()) = tokio::join!(sink.write(rows), async {
            tokio::task::yield_now().await;
            release.send(()).unwrap();
        });
        assert_eq!(written.unwrap().delivered, 3);
    }
}

//! Collects rows into packets.

use dumpstream::{Packets, PacketsBuilder, Parser, TimeSource};

use super::super::layout::Content;
use super::row::{Line, value};

/// Maximum rows per batch.
const HANDED_ROWS: usize = 1_024;

/// Maximum bytes per batch, unless a single row is larger.
const HANDED_BYTES: usize = 1 << 20;

/// Collects rows into batches.
#[derive(Debug)]
pub(super) struct Handing {
    stored: PacketsBuilder,
}

impl Handing {
    pub(super) fn new(parser: &Parser) -> Handing {
        Handing {
            stored: PacketsBuilder::new(parser),
        }
    }

    /// The last batch.
    pub(super) fn rest(&mut self) -> Option<Packets> {
        (!self.stored.is_empty()).then(|| self.stored.take())
    }

    /// Adds a row; returns a batch that must be handed on before.
    pub(super) fn add(
        &mut self,
        sensor: &str,
        line: &Line,
        sources: &[Content],
    ) -> Result<Option<Packets>, String> {
        let get = |wanted: Content| {
            let column = sources.iter().position(|s| *s == wanted)?;
            line.raw.get(column)
        };
        let stream = line.stream();
        let stream = std::str::from_utf8(stream).map_err(|e| format!("a stream's name: {e}"))?;
        let part = !self.stored.is_empty()
            && (!self.stored.continues(sensor, stream, line.record)
                || self.stored.len() >= HANDED_ROWS
                || self.stored.bytes() >= HANDED_BYTES);
        let full = part.then(|| self.stored.take());
        // A row of another program may not have a time source; then it is unknown.
        let source = get(Content::TimeSource).and_then(TimeSource::named);
        let truncated = get(Content::Truncated).is_some_and(|b| b == [1]);
        self.stored.row(
            (sensor, stream, line.record),
            (line.time, source.unwrap_or(TimeSource::Unplaced)),
            get(Content::Raw).unwrap_or_default(),
        );
        if truncated {
            self.stored.truncated();
        }
        for (i, source) in sources.iter().enumerate() {
            let Content::Field(column, kind) = *source else {
                continue;
            };
            if let Some(bytes) = line.raw.get(i) {
                let ns = || get(Content::FieldNs(column));
                self.stored.set(column, value(kind, bytes, ns)?);
            }
        }
        Ok(full)
    }
}

#[cfg(test)]
mod tests {
    use super::super::row::RawRow;
    use super::*;
    use dumpstream::Namespace;

    #[test]
    fn a_time_source_that_is_not_told_is_none() {
        let parser = Parser::new(Namespace::tcpdump()).unwrap();
        let mut handing = Handing::new(&parser);
        let sources = [
            Content::Time,
            Content::TimeNs,
            Content::Stream,
            Content::Record,
            Content::TimeSource,
        ];
        for (record, source) in [(1_i64, Some("previous")), (2, None), (3, Some("guess"))] {
            let mut raw = RawRow::new(sources.len());
            raw.push(Some(&1_700_000_000_000_i64.to_be_bytes()));
            raw.push(Some(&0_i32.to_be_bytes()));
            raw.push(Some(b"x"));
            raw.push(Some(&record.to_be_bytes()));
            raw.push(source.map(str::as_bytes));
            let line = Line::read(raw, &sources).unwrap();
            assert!(handing.add("s", &line, &sources).unwrap().is_none());
        }
        let packets = handing.rest().unwrap();
        let sources: Vec<_> = packets.iter().map(|p| p.time_source()).collect();
        let unknown = TimeSource::Unplaced;
        assert_eq!(sources, [TimeSource::Previous, unknown, unknown]);
    }
}

//! Rows gathered to packets.

use super::super::layout::Content;
use super::row::{Line, value};
use crate::builder::PacketsBuilder;
use crate::packet::Packets;
use crate::parser::Parser;
use crate::time_source::TimeSource;

/// Rows that are handed on together.
const HANDED_ROWS: usize = 1_024;

/// Bytes that are handed on together, at most, unless a single row is larger.
const HANDED_BYTES: usize = 1 << 20;

/// Gathers rows to be handed on.
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

    /// What was gathered last.
    pub(super) fn rest(&mut self) -> Option<Packets> {
        (!self.stored.is_empty()).then(|| self.stored.take())
    }

    /// Adds a row; what has to be handed on before comes back.
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
        // A table, or a row of another's, that does not tell: then we do not know.
        let source = get(Content::TimeSource).and_then(TimeSource::named);
        let truncated = get(Content::Truncated).is_some_and(|b| b == [1]);
        self.stored.row(
            (sensor, stream, line.record),
            (line.time, source.unwrap_or(TimeSource::Unplaced)),
            get(Content::Raw).unwrap_or_default(),
        );
        self.stored.truncated(truncated);
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
    use crate::Namespace;

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

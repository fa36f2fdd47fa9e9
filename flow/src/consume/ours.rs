//! The headers of a message that dumpstream wrote.

use std::str;

use dumpstream::TimeSource;
use rdkafka::message::{BorrowedMessage, Headers, Message as _};

use super::partition::named;
use super::text::Ending;
use crate::kafka::headers;

/// What the headers of a message say, if dumpstream wrote it.
#[derive(Debug, Default)]
pub(super) struct Ours<'a> {
    pub(super) sensor: Option<&'a str>,
    pub(super) stream: &'a [u8],
    pub(super) record: bool,
    time: Option<i64>,
    source: Option<TimeSource>,
    pub(super) truncated: bool,
}

impl<'a> Ours<'a> {
    pub(super) fn of(message: &'a BorrowedMessage<'_>) -> Ours<'a> {
        let mut ours = Ours::default();
        let Some(found) = message.headers() else {
            return ours;
        };
        for header in found.iter() {
            let value = header.value.unwrap_or_default();
            match header.key {
                headers::SENSOR => ours.sensor = named(value),
                headers::STREAM => ours.stream = value,
                headers::RECORD => ours.record = true,
                headers::TIME => {
                    ours.time = str::from_utf8(value).ok().and_then(|t| t.parse().ok())
                }
                headers::TIME_SOURCE => ours.source = TimeSource::named(value),
                headers::TRUNCATED => ours.truncated = value == b"true",
                _ => {}
            }
        }
        ours
    }

    pub(super) fn ending(&self) -> Ending {
        match (self.truncated, self.record) {
            (true, _) => Ending::Cut,
            (false, true) => Ending::Missing,
            (false, false) => Ending::Perhaps,
        }
    }

    pub(super) fn time(&self) -> Option<(i64, TimeSource)> {
        let time = self.time.filter(|_| self.record)?;
        Some((time, self.source.unwrap_or(TimeSource::Packet)))
    }
}

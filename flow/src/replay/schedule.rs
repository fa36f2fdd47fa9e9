//! When each record of a replay is due.

use std::io;
use std::time::Duration;

use dumpstream::framing::{Batch, Style};
use dumpstream::{Namespace, Origin, Parser, TimeSource};
use tokio::time::Instant;

use super::Pace;

/// When each record is due.
pub(super) struct Schedule {
    start: Instant,
    /// `None`: everything is due immediately.
    times: Option<f64>,
    max_gap: Option<i128>,
    parser: Parser,
    origin: Origin,
    /// The last stamp, and how long after the first record it was due, in nanoseconds of the
    /// stamps.
    last: Option<(i64, i128)>,
}

impl Schedule {
    pub(super) fn new(
        start: Instant,
        pace: Pace,
        max_gap: Option<Duration>,
    ) -> io::Result<Schedule> {
        // Only the stamp is read.
        let mut namespace = Namespace::tcpdump();
        namespace.fields.retain(|field| field.name == "time");
        let parser = Parser::new(namespace).map_err(io::Error::other)?;
        // Any day and zone will do, because only differences count; UTC has no hour twice.
        let origin = Origin::new("replay")
            .zone(jiff::tz::TimeZone::UTC)
            .date(jiff::civil::Date::constant(2001, 1, 1));
        let times = match pace {
            Pace::Multiplier(times) => Some(times),
            Pace::TopSpeed => None,
        };
        let max_gap = max_gap.map(|gap| gap.as_nanos() as i128);
        Ok(Schedule {
            start,
            times,
            max_gap,
            parser,
            origin,
            last: None,
        })
    }

    /// When the record is due; `None`: immediately.
    pub(super) fn due(&mut self, text: &[u8], style: Style) -> Option<Instant> {
        let times = self.times?;
        let mut packets = self.parser.parse(Batch::new(text.to_vec(), style));
        self.origin.place(&mut packets);
        let packet = packets.iter().next()?;
        // A record without a stamp is sent with its predecessor.
        if matches!(
            packet.time_source(),
            TimeSource::Previous | TimeSource::Arrival
        ) {
            return None;
        }
        let time = packet.time();
        let (last, offset) = self.last.unwrap_or((time, 0));
        let mut gap = i128::from(time) - i128::from(last);
        if let Some(most) = self.max_gap {
            gap = gap.min(most);
        }
        let offset = offset + gap;
        self.last = Some((time, offset));
        // Before its predecessor, or too late for the clock: send it immediately.
        let wait = Duration::try_from_secs_f64(offset as f64 / 1e9 / times).ok()?;
        self.start.checked_add(wait)
    }
}

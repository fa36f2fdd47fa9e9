//! Time stamps as tcpdump prints them, of the moment at which a record is sent.

use dumpstream::StampForm;
use jiff::Timestamp;
use jiff::tz::TimeZone;

const SECOND: i64 = 1_000_000_000;

/// Prints stamps in the form of those that they replace.
#[derive(Clone, Debug)]
pub(super) struct Restamp {
    zone: TimeZone,
    relative: StampForm,
    /// When the first and the last record were sent, in nanoseconds since 1970 UTC.
    first: Option<i64>,
    last: Option<i64>,
}

impl Restamp {
    pub(super) fn new(zone: TimeZone, relative: StampForm) -> Restamp {
        Restamp {
            zone,
            relative,
            first: None,
            last: None,
        }
    }

    /// The stamp of a record that is sent at `now`, in nanoseconds since 1970 UTC, in place of the
    /// `old` one.
    pub(super) fn stamp(&mut self, old: &[u8], now: i64) -> String {
        let digits = old.iter().rev().take_while(|b| b.is_ascii_digit()).count();
        let nano = digits >= 9;
        // Differences are those of the stamps: what is not printed does not add up.
        let now = if nano { now } else { now - now % 1_000 };
        let first = *self.first.get_or_insert(now);
        let last = self.last.replace(now).unwrap_or(now);
        let (whole, ns) = match old.first() {
            Some(b' ' | b'-') => {
                let since = match self.relative {
                    StampForm::Elapsed => now - first,
                    _ => now - last,
                };
                (relative(since), since.abs() % SECOND)
            }
            _ if old.contains(&b':') => (self.civil(old, now), now.rem_euclid(SECOND)),
            _ => (now.div_euclid(SECOND).to_string(), now.rem_euclid(SECOND)),
        };
        match nano {
            true => format!("{whole}.{ns:09}"),
            false => format!("{whole}.{:06}", ns / 1_000),
        }
    }

    /// The time of day, behind the date if the old stamp has one.
    fn civil(&self, old: &[u8], now: i64) -> String {
        const MONTHS: [&str; 12] = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ];
        let at = Timestamp::from_nanosecond(now.into()).expect("64 bits fit");
        let at = self.zone.to_datetime(at);
        let (hour, minute, second) = (at.hour(), at.minute(), at.second());
        let clock = format!("{hour:02}:{minute:02}:{second:02}");
        let (year, month, day) = (at.year(), at.month(), at.day());
        match old {
            // `-ttt` of OpenBSD.
            [b'A'..=b'Z', ..] => format!("{} {day:02} {clock}", MONTHS[month as usize - 1]),
            _ if old.contains(&b'-') => format!("{year:04}-{month:02}-{day:02} {clock}"),
            _ => clock,
        }
    }
}

/// `-ttt` and `-ttttt`: after a day tcpdump begins at 0 again.
fn relative(since: i64) -> String {
    let sign = if since < 0 { '-' } else { ' ' };
    let seconds = since.abs() / SECOND;
    let (hours, minutes) = (seconds / 3600 % 24, seconds / 60 % 60);
    format!("{sign}{hours:02}:{minutes:02}:{:02}", seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-30 17:05:09.123456789 UTC.
    const NOW: i64 = 1_796_058_309_123_456_789;

    #[test]
    fn a_stamp_keeps_its_form_and_its_digits() {
        let tokyo = TimeZone::get("Asia/Tokyo").unwrap();
        for (old, utc, there) in [
            ("1700000000.000001", "1796058309.123456", ""),
            ("1700000000.000000001", "1796058309.123456789", ""),
            ("10:00:00.000001", "17:05:09.123456", "02:05:09.123456"),
            (
                "10:00:00.000000001",
                "17:05:09.123456789",
                "02:05:09.123456789",
            ),
            (
                "2023-11-14 22:13:20.000000",
                "2026-11-30 17:05:09.123456",
                "2026-12-01 02:05:09.123456",
            ),
            (
                "Nov 28 22:13:20.123456",
                "Nov 30 17:05:09.123456",
                "Dec 01 02:05:09.123456",
            ),
        ] {
            let stamp = |zone| Restamp::new(zone, StampForm::Delta).stamp(old.as_bytes(), NOW);
            assert_eq!(stamp(TimeZone::UTC), utc, "{old}");
            let there = if there.is_empty() { utc } else { there };
            assert_eq!(stamp(tokyo.clone()), there, "{old}");
        }
    }

    #[test]
    fn a_relative_stamp_counts_from_the_previous_or_the_first_record() {
        let sent = [
            0,
            1_500,
            1_000_001_999,
            86_400 * SECOND + 61 * SECOND,
            86_400 * SECOND,
        ];
        let stamps = |form, old: &str| {
            let mut restamp = Restamp::new(TimeZone::UTC, form);
            sent.map(|ns| restamp.stamp(old.as_bytes(), ns))
        };
        assert_eq!(
            stamps(StampForm::Delta, " 00:00:07.000000"),
            [
                " 00:00:00.000000",
                " 00:00:00.000001",
                " 00:00:01.000000",
                " 00:00:59.999999",
                "-00:01:01.000000",
            ]
        );
        assert_eq!(
            stamps(StampForm::Elapsed, "-00:00:07.000000000"),
            [
                " 00:00:00.000000000",
                " 00:00:00.000001500",
                " 00:00:01.000001999",
                " 00:01:01.000000000",
                " 00:00:00.000000000",
            ]
        );
    }
}

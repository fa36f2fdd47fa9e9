//! Sends recorded text on a schedule.

use std::time::Duration;

use dumpstream::StampForm;
use dumpstream::framing::Framer;
use jiff::tz::TimeZone;

mod chunks;
mod clock;
mod player;
mod replayed;
mod restamp;
mod schedule;

pub use self::player::{Player, ReplayError};
pub use self::replayed::{Delay, Replayed};

/// How fast recorded text is sent. A figure that is not above 0 counts as 1.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Pace {
    /// By the time stamps of the text, at this multiple of their speed.
    Multiplier(f64),
    /// So many records a second, at equal distances.
    Pps(f64),
    /// So many megabits of text a second: 10⁶ bits, as the text is before its stamps are replaced.
    Mbps(f64),
    /// As fast as the other end reads.
    TopSpeed,
}

/// Recorded text, when each record of it is sent, and for how long.
///
/// Every record is due at a fixed time after the first one, so that the errors of waits do not add
/// up; after the other end has blocked, the replay catches up. A record whose stamp goes back is due
/// with its predecessor. A time of day that goes back by more than two hours belongs to the next day.
/// Every byte is sent as it is, unless [`Replay::restamp`] replaces the stamps. Only whole records
/// are sent: one is complete when the next one begins, or the text ends.
///
/// ```
/// use std::time::Duration;
/// use dumpstream_flow::replay::{Pace, Player, Replay};
///
/// let text = &b"00:00:00.000000 ARP, Request who-has 192.0.2.1 tell 192.0.2.2, length 28\n\
///     01:00:00.000000 ARP, Reply 192.0.2.1 is-at 02:00:00:00:00:01, length 28\n"[..];
/// let replay = Replay::new(Pace::Multiplier(1.0)).max_gap(Duration::from_millis(5));
/// let player = Player::new(replay.loops(2));
/// let mut sent = Vec::new();
/// player.run(move || Ok(text), &mut sent)?;
/// assert_eq!((player.replayed().records, sent), (4, text.repeat(2)));
/// # Ok::<(), dumpstream_flow::replay::ReplayError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Replay {
    pace: Pace,
    max_gap: Option<Duration>,
    /// 0: for ever.
    loops: u64,
    loop_delay: Option<Duration>,
    limit: Option<u64>,
    duration: Option<Duration>,
    stamp: Option<StampForm>,
    restamp: Option<TimeZone>,
    framer: Framer,
}

impl Replay {
    /// Creates a replay at a pace.
    pub fn new(pace: Pace) -> Replay {
        let positive = |x: f64| if x > 0.0 && x.is_finite() { x } else { 1.0 };
        let pace = match pace {
            Pace::Multiplier(times) => Pace::Multiplier(positive(times)),
            Pace::Pps(pps) => Pace::Pps(positive(pps)),
            Pace::Mbps(mbps) => Pace::Mbps(positive(mbps)),
            Pace::TopSpeed => Pace::TopSpeed,
        };
        Replay {
            pace,
            max_gap: None,
            loops: 1,
            loop_delay: None,
            limit: None,
            duration: None,
            stamp: None,
            restamp: None,
            framer: Framer::new(),
        }
    }

    /// Sets the longest time between two records of [`Pace::Multiplier`], as it is waited. By default
    /// there is no limit.
    pub fn max_gap(self, max_gap: Duration) -> Replay {
        Replay {
            max_gap: Some(max_gap),
            ..self
        }
    }

    /// Sets how often the text is sent; 0 is for ever. An empty text is sent once.
    pub fn loops(self, loops: u64) -> Replay {
        Replay { loops, ..self }
    }

    /// Sets the time from the last record of a loop to the first of the next. By default it is the
    /// mean time between two records, or 1 s if that is 0; at [`Pace::TopSpeed`] it is 0.
    pub fn loop_delay(self, loop_delay: Duration) -> Replay {
        Replay {
            loop_delay: Some(loop_delay),
            ..self
        }
    }

    /// Sets after how many records, of all loops and at least 1, it ends.
    pub fn limit(self, records: u64) -> Replay {
        Replay {
            limit: Some(records),
            ..self
        }
    }

    /// Sets after what time it ends.
    pub fn duration(self, duration: Duration) -> Replay {
        Replay {
            duration: Some(duration),
            ..self
        }
    }

    /// Sets which kind of relative stamps the text has. By default they are read as
    /// [`StampForm::Delta`], with a warning.
    pub fn stamp(self, form: StampForm) -> Replay {
        Replay {
            stamp: Some(form),
            ..self
        }
    }

    /// Replaces each stamp by the time at which its record is sent, in the form and with the digits
    /// of the old one; stamps without a zone are of this one. What has no stamp gets none.
    pub fn restamp(self, zone: TimeZone) -> Replay {
        Replay {
            restamp: Some(zone),
            ..self
        }
    }

    /// Sets how the text is cut into records.
    pub fn framer(self, framer: Framer) -> Replay {
        Replay { framer, ..self }
    }
}

#[cfg(test)]
mod tests;

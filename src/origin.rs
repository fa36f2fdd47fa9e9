//! The state of one input: its sensor, its stream, the next ordinal, the last instant.

use std::sync::Arc;

use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};

use crate::civil::{DAY, SECOND, civil_from_days, days_from_civil};
use crate::contents::Contents;
use crate::hash;
use crate::head::{Stamp, leap_year};
use crate::packet::Packets;
use crate::plan::Plan;
use crate::table::{Identity, Inner, Ordinal};
use crate::time_source::TimeSource;

const HOUR: i64 = 3_600 * SECOND;
/// How far back a stamp may go in a stream that goes forward: tcpdump prints the packets of several
/// queues out of order, by less than a second.
const REORDER: i64 = 10 * SECOND;
/// How far back the time of day may go within one day: a clock that is set for winter, and some
/// disorder.
const BACK: i64 = 2 * HOUR;
/// Less than this since 1970 is no time of a packet's where stamps were said to be differences.
const YEAR: i64 = 365 * DAY;
/// Half a day: a stamp without a date is taken for the nearest of that time of day.
const HALF: i64 = DAY / 2;

/// Which kind of relative time stamps a stream has; they look identical.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StampForm {
    /// `-ttt`: since the previous packet.
    #[default]
    Delta,
    /// `-ttttt`: since the first packet.
    Elapsed,
}

/// What is known of one record of a text that came as messages, each with an ordinal and a time of
/// its own: see [`Origin::place_each`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The ordinal in its stream, from 1.
    pub record: u64,
    /// An ordinal before it such that no record of the stream lies between them.
    pub follows: u64,
    /// When its text arrived, in nanoseconds since 1970 UTC.
    pub arrival: i64,
    /// Its time, in nanoseconds since 1970 UTC, and how that was found, if both are known already.
    pub time: Option<(i64, TimeSource)>,
}

/// One input. [`Origin::place`] takes its packets in order and makes their ordinals and times
/// absolute.
///
/// A time stamp without a date gets one: the given date; else, for live text, the date that puts it
/// within twelve hours of its arrival; else, for stored text, the last date that puts its first
/// packet before the file's last change, and from then on midnight advances it.
#[derive(Clone, Debug)]
pub struct Origin {
    sensor: String,
    stream: Option<String>,
    identity: Option<Arc<Identity>>,
    next: u64,
    /// The hash of the text so far, if packets are to carry it.
    content: Option<u64>,
    zone: TimeZone,
    /// The zone is UTC: no look-ups.
    utc: bool,
    date: Option<Date>,
    modified: Option<i64>,
    /// The kind of relative stamps, if it was set.
    form: Option<StampForm>,
    /// Relative stamps were found, and their kind was not set.
    guessed: bool,
    /// The civil day and time of day of the last stamp without a date.
    clock: Option<(i64, i64)>,
    /// The civil time of the last stamp without a year.
    dated: Option<i64>,
    /// The instant of the first and of the last packet.
    first: Option<i64>,
    last: Option<i64>,
    /// A civil hour since 1970 in which the zone's offset, in nanoseconds, is one.
    hour: Option<(i64, i64)>,
}

impl Origin {
    /// An input of a sensor; its zone is UTC until [`Origin::zone`] says otherwise.
    pub fn new(sensor: impl Into<String>) -> Origin {
        Origin {
            sensor: sensor.into(),
            stream: None,
            identity: None,
            next: 1,
            content: None,
            zone: TimeZone::UTC,
            utc: true,
            date: None,
            modified: None,
            form: None,
            guessed: false,
            clock: None,
            dated: None,
            first: None,
            last: None,
            hour: None,
        }
    }

    /// Names the stream. Without this it is a hash of the sensor and the first record, so that
    /// reading a file twice gives the same rows.
    pub fn stream(mut self, stream: impl Into<String>) -> Origin {
        self.stream = Some(stream.into());
        self
    }

    /// Sets the time zone in which tcpdump printed.
    pub fn zone(mut self, zone: TimeZone) -> Origin {
        self.utc = zone == TimeZone::UTC;
        self.zone = zone;
        self
    }

    /// Sets the date of the first time stamp that has none.
    pub fn date(mut self, date: Date) -> Origin {
        self.date = Some(date);
        self
    }

    /// Sets when the text was last written, in nanoseconds since 1970 UTC.
    pub fn modified(mut self, ns: i64) -> Origin {
        self.modified = Some(ns);
        self
    }

    /// Sets whether `-ttt` or `-ttttt` printed the stamps.
    pub fn stamp(mut self, form: StampForm) -> Origin {
        self.form = Some(form);
        self
    }

    /// Sets the ordinal of the first packet, which is otherwise 1: for one who reads a text from its
    /// middle.
    pub fn record(mut self, first: u64) -> Origin {
        self.next = first;
        self
    }

    /// Makes packets carry hashes of the stream's text: other captures may begin with the same record,
    /// and a store that compares these tells them apart.
    pub fn contents(mut self) -> Origin {
        self.content = Some(0);
        self
    }

    /// Whether the stream has relative stamps whose kind was guessed, because [`Origin::stamp`] was
    /// not called.
    pub fn has_guessed(&self) -> bool {
        self.guessed
    }

    /// Whether stamps of stored text that have no date get it from the text's last change.
    pub fn dates_by_change(&self) -> bool {
        self.date.is_none() && self.modified.is_some()
    }

    /// Sets the sensor, stream, ordinals and times of the packets. Call it once for each batch, in
    /// order.
    pub fn place(&mut self, packets: &mut Packets) {
        let inner = Arc::make_mut(&mut packets.0);
        let Some(first) = inner.rows.first() else {
            return;
        };
        let identity = self.identity.get_or_insert_with(|| {
            let stream = self
                .stream
                .take()
                .unwrap_or_else(|| hash::stream_name(&self.sensor, inner.settled(first)));
            Arc::new(Identity {
                sensor: self.sensor.clone(),
                stream,
            })
        });
        inner.identity = Some(identity.clone());
        inner.first = self.next;
        inner.ordinals = Vec::new();
        self.next += inner.rows.len() as u64;
        let arrival = inner.batch.arrival;
        let plan = inner.plan.clone();
        for row in 0..inner.rows.len() {
            let (time, source) = self.instant(inner.rows[row].stamp(), arrival);
            self.settle(&plan, inner, row, (time, source));
        }
        // Placed twice, the cells would be taken for indices again.
        inner.stamps = Vec::new();
        let (Some(before), Some(began)) = (self.content, self.first) else {
            return;
        };
        let mut content = before;
        let mut after = Vec::with_capacity(inner.rows.len());
        for row in &inner.rows {
            content = hash::content(content, inner.settled(row));
            after.push(content);
        }
        self.content = Some(content);
        inner.contents = Some(Contents {
            before: Some(before),
            after,
            began,
        });
    }

    /// Sets the sensor, stream, ordinals and times of packets whose ordinals are known, one place
    /// each, in increasing order. A time is a function of the record and its place alone, never of
    /// what came before, so that text that is read again from anywhere gives the same times: a
    /// stamp without a date gets the one nearest to the arrival, and the time of a record with a
    /// relative stamp, or none, is its arrival.
    ///
    /// # Panics
    /// When there are not as many places as packets, and on a stream that was not named.
    pub fn place_each(&mut self, packets: &mut Packets, places: &[Place]) {
        let inner = Arc::make_mut(&mut packets.0);
        assert_eq!(inner.rows.len(), places.len(), "a place for each packet");
        let (Some(first), Some(last)) = (places.first(), places.last()) else {
            return;
        };
        let identity = self.identity.get_or_insert_with(|| {
            let stream = self.stream.take().expect("the stream has a name");
            Arc::new(Identity {
                sensor: self.sensor.clone(),
                stream,
            })
        });
        inner.identity = Some(identity.clone());
        inner.batch.arrival = Some(last.arrival);
        inner.first = first.record;
        inner.ordinals = Vec::new();
        let next = |(i, place): (usize, &Place)| {
            place.record == first.record + i as u64 && place.follows + 1 == place.record
        };
        if !places.iter().enumerate().all(next) {
            let ordinal = |place: &Place| Ordinal {
                record: place.record,
                follows: place.follows,
            };
            inner.ordinals = places.iter().map(ordinal).collect();
        }
        let plan = inner.plan.clone();
        for (row, place) in places.iter().enumerate() {
            let stamp = inner.rows[row].stamp();
            let time = place
                .time
                .unwrap_or_else(|| self.alone(stamp, place.arrival));
            self.settle(&plan, inner, row, time);
        }
        inner.stamps = Vec::new();
    }

    /// The instant of a stamp by itself, given when its text arrived.
    fn alone(&mut self, stamp: Stamp, arrival: i64) -> (i64, TimeSource) {
        match stamp {
            Stamp::Epoch(ns) if ns >= YEAR || self.form.is_none() => (ns, TimeSource::Packet),
            Stamp::Civil(ns) => self.absolute(ns, TimeSource::Packet, Some(arrival)),
            Stamp::Clock(ns) => {
                let civil = self
                    .near(ns, arrival)
                    .saturating_mul(DAY)
                    .saturating_add(ns);
                self.absolute(civil, TimeSource::Date, Some(arrival))
            }
            Stamp::Dated(ns) => {
                let civil = nearest(ns, self.civil(arrival));
                self.absolute(civil, TimeSource::Date, Some(arrival))
            }
            Stamp::Epoch(_) | Stamp::Signed(_) | Stamp::None => (arrival, TimeSource::Arrival),
        }
    }

    /// The civil day, counted from 1970, that puts a time of day nearest to an instant.
    fn near(&self, clock: i64, instant: i64) -> i64 {
        let civil = self.civil(instant);
        match clock - civil.rem_euclid(DAY) {
            ahead if ahead > HALF => civil.div_euclid(DAY) - 1,
            behind if behind < -HALF => civil.div_euclid(DAY) + 1,
            _ => civil.div_euclid(DAY),
        }
    }

    /// Gives packets of one record the place that they had before, in place of the next one:
    /// sensor and stream, ordinal, time and how that was found, and the hash of the text up to its
    /// end, if that is known.
    pub fn restore(
        &mut self,
        packets: &mut Packets,
        (sensor, stream): (&str, &str),
        record: u64,
        (time, source): (i64, TimeSource),
        content: Option<u64>,
    ) {
        let inner = Arc::make_mut(&mut packets.0);
        let same = |i: &&Arc<Identity>| i.sensor == sensor && i.stream == stream;
        let identity = self.identity.as_ref().filter(same).cloned();
        let identity = identity.unwrap_or_else(|| {
            Arc::new(Identity {
                sensor: sensor.to_owned(),
                stream: stream.to_owned(),
            })
        });
        self.identity = Some(identity.clone());
        inner.identity = Some(identity);
        inner.first = record;
        inner.ordinals = Vec::new();
        let plan = inner.plan.clone();
        for row in 0..inner.rows.len() {
            self.settle(&plan, inner, row, (time, source));
        }
        inner.stamps = Vec::new();
        inner.contents = content.map(|content| Contents {
            before: None,
            after: vec![content],
            began: time,
        });
    }

    /// Makes the times of one row absolute.
    fn settle(
        &mut self,
        plan: &Plan,
        inner: &mut Inner,
        row: usize,
        (time, source): (i64, TimeSource),
    ) {
        let row = &mut inner.rows[row];
        row.place(time, source);
        row.timed = plan.time.is_some();
        let row = *row;
        for column in &plan.timestamps {
            if row.present >> column & 1 == 1 {
                let at = inner.at(&row, *column);
                let cell = &mut inner.cells[at];
                if let Some(stamp) = inner.stamps.get(*cell as usize) {
                    *cell = self.beside(*stamp, time) as u64;
                }
            }
        }
    }

    fn instant(&mut self, stamp: Stamp, arrival: Option<i64>) -> (i64, TimeSource) {
        let (time, source) = match stamp {
            // OpenBSD's differences have no form of their own: only who says so can tell them.
            Stamp::Epoch(ns) if ns < YEAR && self.form.is_some() && self.first.is_some() => {
                (self.since(ns, arrival), TimeSource::Date)
            }
            Stamp::Epoch(ns) => (ns, TimeSource::Packet),
            Stamp::Civil(ns) => self.absolute(ns, TimeSource::Packet, arrival),
            Stamp::Clock(ns) => {
                let day = self.day(ns, arrival);
                self.clock = Some((day, ns));
                self.absolute(
                    day.saturating_mul(DAY).saturating_add(ns),
                    TimeSource::Date,
                    arrival,
                )
            }
            Stamp::Signed(ns) => (self.since(ns, arrival), TimeSource::Date),
            Stamp::Dated(ns) => {
                let civil = self.year(ns, arrival);
                self.dated = Some(civil);
                self.absolute(civil, TimeSource::Date, arrival)
            }
            Stamp::None => match (self.last, arrival.or(self.modified)) {
                (Some(last), _) => (last, TimeSource::Previous),
                (None, other) => (other.unwrap_or(0), TimeSource::Arrival),
            },
        };
        self.first.get_or_insert(time);
        self.last = Some(time);
        (time, source)
    }

    /// The civil day, counted from 1970, of a time of day.
    fn day(&self, clock: i64, arrival: Option<i64>) -> i64 {
        if let (None, Some(arrival)) = (self.date, arrival) {
            return self.near(clock, arrival);
        }
        // Stored text goes forward, over pauses of any length up to a day; back only by a little,
        // or where a clock was set.
        if let Some((day, last)) = self.clock {
            return match clock - last {
                ahead if ahead > DAY - BACK => day - 1,
                behind if behind < -BACK => day + 1,
                _ => day,
            };
        }
        if let Some(date) = self.date {
            return days(date);
        }
        let Some(modified) = self.modified else {
            return 0;
        };
        let civil = self.civil(modified);
        civil.div_euclid(DAY) - i64::from(clock > civil.rem_euclid(DAY))
    }

    /// The civil time, counted from 1970, of a stamp without a year.
    fn year(&self, ns: i64, arrival: Option<i64>) -> i64 {
        if let (None, Some(arrival)) = (self.date, arrival) {
            return nearest(ns, self.civil(arrival));
        }
        // Stored text goes on over New Year's Eve.
        if let Some(last) = self.dated {
            return nearest(ns, last);
        }
        if let Some(date) = self.date {
            return in_year(ns, date.year().into());
        }
        let Some(modified) = self.modified else {
            return in_year(ns, 1970);
        };
        let civil = self.civil(modified);
        let (year, ..) = civil_from_days(civil.div_euclid(DAY));
        match in_year(ns, year) {
            ahead if ahead > civil => in_year(ns, year - 1),
            this => this,
        }
    }

    /// An instant from a difference.
    fn since(&mut self, ns: i64, arrival: Option<i64>) -> i64 {
        let Some(first) = self.first else {
            let midnight = self.date.map(|date| days(date).saturating_mul(DAY));
            return midnight
                .or(self.modified)
                .or(arrival)
                .unwrap_or(0)
                .saturating_add(ns);
        };
        let last = self.last.unwrap_or(first);
        self.guessed |= self.form.is_none();
        match self.form.unwrap_or_default() {
            StampForm::Delta => last.saturating_add(ns),
            // The difference is printed modulo a day.
            StampForm::Elapsed => {
                let behind = last.saturating_sub(first.saturating_add(ns));
                let days = behind.saturating_add(HALF).div_euclid(DAY);
                first
                    .saturating_add(ns)
                    .saturating_add(days.max(0).saturating_mul(DAY))
            }
        }
    }

    /// A user's own timestamp beside the packet's.
    fn beside(&mut self, stamp: Stamp, time: i64) -> i64 {
        match stamp {
            Stamp::Epoch(ns) => ns,
            Stamp::Civil(ns) => self.absolute(ns, TimeSource::Packet, None).0,
            Stamp::Clock(ns) => {
                let civil = self.near(ns, time).saturating_mul(DAY).saturating_add(ns);
                self.absolute(civil, TimeSource::Date, None).0
            }
            Stamp::Signed(ns) => time.saturating_add(ns),
            Stamp::Dated(ns) => {
                let civil = nearest(ns, self.civil(time));
                self.absolute(civil, TimeSource::Date, None).0
            }
            Stamp::None => time,
        }
    }

    /// The civil time of an instant, in nanoseconds since 1970-01-01 00:00 of the zone.
    fn civil(&self, ns: i64) -> i64 {
        if self.utc {
            return ns;
        }
        let Ok(instant) = jiff::Timestamp::from_nanosecond(ns.into()) else {
            return ns;
        };
        ns.saturating_add(i64::from(self.zone.to_offset(instant).seconds()) * SECOND)
    }

    /// The instant of a civil time of the zone.
    fn absolute(
        &mut self,
        civil: i64,
        source: TimeSource,
        arrival: Option<i64>,
    ) -> (i64, TimeSource) {
        if self.utc {
            return (civil, source);
        }
        // At the ends of what 64 bits hold, an instant stays there.
        let less = |offset: i64| civil.saturating_sub(offset);
        let hour = civil.div_euclid(HOUR);
        if let Some((cached, offset)) = self.hour
            && cached == hour
        {
            return (less(offset), source);
        }
        let first = hour.saturating_mul(HOUR);
        let begin = self.offsets(first);
        if let (Ok(a), Ok(b)) = (begin, self.offsets(first.saturating_add(HOUR - 1)))
            && a == b
        {
            self.hour = Some((hour, a));
            return (less(a), source);
        }
        match self.offsets(civil) {
            Ok(offset) => (less(offset), source),
            Err((before, after)) => {
                let (early, late) = (less(before), less(after));
                if early > late {
                    // The zone skips this time; the clock had not been set forward yet.
                    return (early, source);
                }
                // The zone has it twice. Packets go forward, live ones have just arrived.
                let time = match (self.last, arrival) {
                    (_, Some(at)) if late.abs_diff(at) < early.abs_diff(at) => late,
                    (Some(last), None) if early < last.saturating_sub(REORDER) => late,
                    _ => early,
                };
                let flagged = match source {
                    TimeSource::Date => TimeSource::DateAmbiguous,
                    _ => TimeSource::PacketAmbiguous,
                };
                (time, flagged)
            }
        }
    }

    /// The zone's offset at a civil time, or the two around a change; in nanoseconds.
    fn offsets(&self, civil: i64) -> Result<i64, (i64, i64)> {
        let ns = |offset: jiff::tz::Offset| i64::from(offset.seconds()) * SECOND;
        match self.zone.to_ambiguous_timestamp(date_time(civil)).offset() {
            AmbiguousOffset::Unambiguous { offset } => Ok(ns(offset)),
            AmbiguousOffset::Gap { before, after } | AmbiguousOffset::Fold { before, after } => {
                Err((ns(before), ns(after)))
            }
        }
    }
}

/// A stamp without a year in one of them, counted from 1970; a 29 February that it does not have is
/// the day after.
fn in_year(ns: i64, year: i64) -> i64 {
    let day = ns.div_euclid(DAY);
    let (_, month, date) = civil_from_days(leap_year() + day);
    let day = days_from_civil(year, month, date);
    day.saturating_mul(DAY).saturating_add(ns.rem_euclid(DAY))
}

/// A stamp without a year in the one that puts it nearest to a civil time.
fn nearest(ns: i64, civil: i64) -> i64 {
    let (year, ..) = civil_from_days(civil.div_euclid(DAY));
    let years = [year, year - 1, year + 1].map(|year| in_year(ns, year));
    let [first, ..] = years;
    let near = |time: &i64| time.saturating_sub(civil).saturating_abs();
    years.into_iter().min_by_key(near).unwrap_or(first)
}

/// The day number of a date, from 1970-01-01.
fn days(date: Date) -> i64 {
    let (month, day) = (date.month().unsigned_abs(), date.day().unsigned_abs());
    days_from_civil(date.year().into(), month.into(), day.into())
}

/// A civil time from its nanoseconds since 1970; 64 bits of them stay within the years that jiff
/// knows.
fn date_time(civil: i64) -> DateTime {
    let (year, month, day) = civil_from_days(civil.div_euclid(DAY));
    let s = civil.rem_euclid(DAY) / SECOND;
    let nanosecond = civil.rem_euclid(SECOND) as i32;
    let date = DateTime::new(
        year as i16,
        month as i8,
        day as i8,
        (s / 3600) as i8,
        (s / 60 % 60) as i8,
        (s % 60) as i8,
        nanosecond,
    );
    date.unwrap_or(DateTime::constant(1970, 1, 1, 0, 0, 0, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(zone: &str) -> Origin {
        Origin::new("s").zone(TimeZone::get(zone).expect("a zone"))
    }

    fn utc(text: &str) -> i64 {
        let instant: jiff::Timestamp = text.parse().expect("an instant");
        instant.as_nanosecond() as i64
    }

    #[test]
    fn midnight_rolls_over_and_back() {
        let mut o = Origin::new("s").date(Date::constant(2024, 2, 28));
        let at = |o: &mut Origin, h: i64| o.instant(Stamp::Clock(h * HOUR), None).0;
        assert_eq!(at(&mut o, 23), utc("2024-02-28T23:00:00Z"));
        assert_eq!(at(&mut o, 0), utc("2024-02-29T00:00:00Z"));
        assert_eq!(at(&mut o, 23), utc("2024-02-28T23:00:00Z"));
        assert_eq!(at(&mut o, 1), utc("2024-02-29T01:00:00Z"));
        // A quiet night goes forward, too.
        assert_eq!(at(&mut o, 15), utc("2024-02-29T15:00:00Z"));
        assert_eq!(at(&mut o, 14), utc("2024-02-29T14:00:00Z"));
        assert_eq!(at(&mut o, 5), utc("2024-03-01T05:00:00Z"));
    }

    #[test]
    fn a_file_ends_when_it_was_written() {
        let mut o = Origin::new("s").modified(utc("2024-03-01T00:10:00Z"));
        let (time, source) = o.instant(Stamp::Clock(23 * HOUR), None);
        assert_eq!(
            (time, source),
            (utc("2024-02-29T23:00:00Z"), TimeSource::Date)
        );
    }

    #[test]
    fn live_stamps_are_within_twelve_hours_of_arrival() {
        let arrival = Some(utc("2024-01-01T00:00:01Z"));
        let mut o = Origin::new("s");
        let clock = Stamp::Clock(DAY - 1);
        assert_eq!(
            o.instant(clock, arrival).0,
            utc("2023-12-31T23:59:59.999999999Z")
        );
        assert_eq!(o.instant(Stamp::None, arrival).1, TimeSource::Previous);
    }

    #[test]
    fn a_stamp_alone_does_not_depend_on_others() {
        let arrival = utc("2024-01-01T00:00:01Z");
        let stamps = [
            Stamp::Clock(DAY - 1),
            Stamp::Clock(HOUR),
            Stamp::Signed(5),
            Stamp::None,
            Stamp::Epoch(7),
            Stamp::Dated(0),
        ];
        let mut o = Origin::new("s");
        let alone = |o: &mut Origin| stamps.map(|stamp| o.alone(stamp, arrival));
        let found = alone(&mut o);
        assert_eq!(found[0].0, utc("2023-12-31T23:59:59.999999999Z"));
        assert_eq!(found[1].0, utc("2024-01-01T01:00:00Z"));
        assert_eq!(found[2], (arrival, TimeSource::Arrival));
        assert_eq!(found[3], (arrival, TimeSource::Arrival));
        assert_eq!(found[4], (7, TimeSource::Packet));
        o.instant(Stamp::Clock(12 * HOUR), None);
        assert_eq!(alone(&mut o), found);
    }

    #[test]
    fn no_zone_turns_the_end_of_time_into_its_beginning() {
        for zone in ["America/New_York", "Asia/Tokyo", "UTC"] {
            for civil in [i64::MAX, i64::MAX - HOUR, i64::MIN, i64::MIN + HOUR] {
                for form in [Stamp::Civil(civil), Stamp::Epoch(civil)] {
                    let (time, _) = origin(zone).instant(form, None);
                    assert!(time.abs_diff(civil) <= 14 * HOUR as u64, "{zone} {civil}");
                }
                let late = origin(zone).modified(civil);
                late.clone().instant(Stamp::Clock(DAY - 1), None);
                late.clone().instant(Stamp::Signed(-1), None);
                late.clone().instant(Stamp::None, Some(civil));
                late.clone().instant(Stamp::Clock(1), Some(civil));
            }
        }
    }

    #[test]
    fn a_time_that_a_zone_has_twice_is_flagged_and_goes_forward() {
        // 2024-10-27 03:00 CEST is 02:00 CET.
        let mut o = origin("Europe/Berlin").date(Date::constant(2024, 10, 27));
        let at =
            |o: &mut Origin, minutes: i64| o.instant(Stamp::Clock(minutes * 60 * SECOND), None);
        assert_eq!(
            at(&mut o, 119),
            (utc("2024-10-26T23:59:00Z"), TimeSource::Date)
        );
        assert_eq!(
            at(&mut o, 179),
            (utc("2024-10-27T00:59:00Z"), TimeSource::DateAmbiguous)
        );
        assert_eq!(
            at(&mut o, 121),
            (utc("2024-10-27T01:01:00Z"), TimeSource::DateAmbiguous)
        );
        assert_eq!(
            at(&mut o, 180),
            (utc("2024-10-27T02:00:00Z"), TimeSource::Date)
        );
    }
}

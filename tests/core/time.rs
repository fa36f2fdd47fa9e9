//! Stamps without a date or a zone find their place in time.

use dumpstream::framing::{Batch, CutKind, Framer, Tail};
use dumpstream::{Namespace, Origin, Packets, Parser, Place, TimeSource};
use given::Random;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

const SECOND: i64 = 1_000_000_000;
const HOUR: i64 = 3_600 * SECOND;
const DAY: i64 = 24 * HOUR;

/// Places where clocks are set twice a year or were, in both hemispheres, by an hour and by half
/// of one, and some where they never are.
const ZONES: [&str; 20] = [
    "Europe/Berlin",
    "Europe/London",
    "Europe/Dublin",
    "Europe/Moscow",
    "America/New_York",
    "America/Los_Angeles",
    "America/Sao_Paulo",
    "America/St_Johns",
    "America/Santiago",
    "America/Havana",
    "Asia/Tehran",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Asia/Tokyo",
    "Asia/Beirut",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Australia/Sydney",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
];

/// A parser of nothing but the time.
fn parser() -> Parser {
    let mut namespace = Namespace::tcpdump();
    namespace.fields.retain(|f| f.name == "time");
    Parser::new(namespace).expect("a part of the built-in namespace is valid")
}

fn parse(parser: &Parser, text: &str, arrival: Option<i64>) -> Packets {
    let mut framer = Framer::new();
    let mut at = 0;
    while let Some(cut) = framer.next_batch(&text.as_bytes()[at..], Tail::Final) {
        assert!(!matches!(cut.kind, CutKind::Skipped(_)), "{text}");
        at += cut.len;
    }
    let batch = Batch::new(text.as_bytes().to_vec(), framer.style());
    parser.parse(match arrival {
        Some(ns) => batch.arrived(ns),
        None => batch,
    })
}

/// What tcpdump prints at an instant, in the default form or with `-tttt`.
fn stamp(ns: i64, zone: &TimeZone, date: bool) -> String {
    let at = Timestamp::from_nanosecond(ns.into()).expect("an instant of these centuries");
    let civil = zone.to_datetime(at);
    let us = civil.subsec_nanosecond() / 1_000;
    let clock = format!(
        "{:02}:{:02}:{:02}.{us:06}",
        civil.hour(),
        civil.minute(),
        civil.second()
    );
    if date {
        return format!(
            "{:04}-{:02}-{:02} {clock}",
            civil.year(),
            civil.month(),
            civil.day()
        );
    }
    clock
}

fn date_of(ns: i64, zone: &TimeZone) -> Date {
    zone.to_datetime(Timestamp::from_nanosecond(ns.into()).expect("an instant"))
        .date()
}

/// The last and the first microsecond of every day of 400 years, leap days among them, in one
/// stream that names only its first date.
#[test]
fn four_hundred_years_of_midnights() {
    let parser = parser();
    let first = Date::constant(1850, 1, 1);
    let start: Timestamp = "1850-01-01T00:00:00Z".parse().expect("an instant");
    let start = start.as_nanosecond() as i64;
    let mut origin = Origin::new("s").date(first);
    let (mut day, mut checked) = (0, 0);
    while day < 146_097 {
        let text: String = (0..512)
            .map(|_| "00:00:00.000000 x\n12:00:00.000000 x\n23:59:59.999999 x\n")
            .collect();
        let mut packets = parse(&parser, &text, None);
        origin.place(&mut packets);
        for (i, packet) in packets.iter().enumerate() {
            // The days alone are more nanoseconds than 63 bits hold.
            let days = i128::from(day + i as i64 / 3) * i128::from(DAY);
            let midnight = (i128::from(start) + days) as i64;
            let expected = midnight + [0, DAY / 2, DAY - 1_000][i % 3];
            assert_eq!(packet.time(), expected, "day {}", day + i as i64 / 3);
            assert_eq!(packet.time_source(), TimeSource::Date);
            checked += 1;
        }
        day += 512;
    }
    assert!(checked > 400 * 365 * 3);
}

/// Live packets: the sensor's clock is off by up to 11 h 59 min, the text arrives up to 30 s late
/// (after midnight, too), a second out of order; the date is right all the same.
#[test]
fn a_clock_that_is_off_by_less_than_half_a_day_keeps_its_date() {
    let parser = parser();
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    for zone in ZONES
        .iter()
        .map(|name| TimeZone::get(name).expect("a zone"))
    {
        for _ in 0..500 {
            // 1990 to 2040; the microsecond is what tcpdump prints.
            let seen = 631_152_000 * SECOND + random.below(18_262) * DAY + random.below(DAY);
            let seen = seen - seen % 1_000;
            let off =
                random.below(2 * (11 * HOUR + 59 * 60 * SECOND)) - 11 * HOUR - 59 * 60 * SECOND;
            let arrival = seen - off + random.below(30 * SECOND);
            let mut origin = Origin::new("s").zone(zone.clone());
            let text = format!("{} x\n", stamp(seen, &zone, false));
            let mut packets = parse(&parser, &text, Some(arrival));
            origin.place(&mut packets);
            let packet = packets.packet(0);
            // A change of the clocks between the stamp and the arrival moves one against the
            // other by what they were set.
            if (seen - arrival).abs() < 11 * HOUR || packet.time() == seen {
                flagged_or_right(packet.time(), packet.time_source(), seen, &zone);
            } else {
                let changed = zone
                    .following(
                        Timestamp::from_nanosecond((seen.min(arrival) - DAY).into())
                            .expect("an instant"),
                    )
                    .next()
                    .is_some_and(|t| {
                        t.timestamp().as_nanosecond() <= i128::from(seen.max(arrival) + DAY)
                    });
                assert!(
                    changed,
                    "{text} arrived at {arrival}: {} is not {seen}",
                    packet.time()
                );
            }
        }
    }
}

fn flagged_or_right(time: i64, source: TimeSource, expected: i64, zone: &TimeZone) {
    match source {
        TimeSource::Date | TimeSource::Packet => {
            assert_eq!(time, expected, "{}", stamp(expected, zone, true));
        }
        TimeSource::DateAmbiguous | TimeSource::PacketAmbiguous => {
            // The other one of the two that have this civil time, at worst.
            assert!(
                (time - expected).abs() <= HOUR,
                "{}",
                stamp(expected, zone, true)
            );
            assert_eq!(stamp(time, zone, true), stamp(expected, zone, true));
        }
        other => panic!("{other:?} at {}", stamp(expected, zone, true)),
    }
}

/// Every change of the clocks from 1995 to 2035 in twenty zones: packets ten minutes apart, three
/// hours before and after. None is wrong, and what the zone has twice is flagged.
#[test]
fn clocks_that_are_set_both_ways() {
    let parser = parser();
    let (mut changes, mut twice) = (0, 0);
    for name in ZONES {
        let zone = TimeZone::get(name).expect("a zone");
        let from: Timestamp = "1995-01-01T00:00:00Z".parse().expect("an instant");
        let until: Timestamp = "2035-01-01T00:00:00Z".parse().expect("an instant");
        for change in zone.following(from).take_while(|t| t.timestamp() < until) {
            let change = change.timestamp().as_nanosecond() as i64;
            let times: Vec<i64> = (-18..18)
                .map(|i| change + i * 600 * SECOND + 1_000)
                .collect();
            for dated in [false, true] {
                let text: String = times
                    .iter()
                    .map(|ns| format!("{} x\n", stamp(*ns, &zone, dated)))
                    .collect();
                let mut origin = Origin::new("s").zone(zone.clone());
                if !dated {
                    origin = origin.date(date_of(times[0], &zone));
                }
                let mut packets = parse(&parser, &text, None);
                origin.place(&mut packets);
                for (packet, expected) in packets.iter().zip(&times) {
                    assert_eq!(
                        packet.time(),
                        *expected,
                        "{name}: {} ({:?})",
                        stamp(*expected, &zone, true),
                        packet.time_source()
                    );
                    let at = Timestamp::from_nanosecond((*expected).into()).expect("an instant");
                    let ambiguous = zone
                        .to_ambiguous_timestamp(zone.to_datetime(at))
                        .is_ambiguous();
                    let flagged = matches!(
                        packet.time_source(),
                        TimeSource::DateAmbiguous | TimeSource::PacketAmbiguous
                    );
                    assert_eq!(
                        flagged,
                        ambiguous,
                        "{name}: {}",
                        stamp(*expected, &zone, true)
                    );
                    twice += u32::from(flagged);
                }
            }
            changes += 1;
        }
    }
    assert!(
        changes > 500 && twice > 1_000,
        "{changes} changes, {twice} stamps twice"
    );
}

/// A capture that went over midnight, read the day after.
#[test]
fn a_file_ends_when_it_was_last_written() {
    let parser = parser();
    let zone = TimeZone::get("Europe/Berlin").expect("a zone");
    let written: Timestamp = "2024-03-01T00:30:00+01:00".parse().expect("an instant");
    let mut origin = Origin::new("s")
        .zone(zone)
        .modified(written.as_nanosecond() as i64);
    let mut packets = parse(&parser, "23:50:00.000000 x\n00:10:00.000000 x\n", None);
    origin.place(&mut packets);
    let times: Vec<String> = packets
        .iter()
        .map(|p| p.get("time").expect("a time").to_string())
        .collect();
    assert_eq!(
        times,
        ["2024-02-29T22:50:00.000000Z", "2024-02-29T23:10:00.000000Z"]
    );
}

/// A record without a readable stamp has its predecessor's time; the first one its arrival's.
#[test]
fn time_is_never_absent() {
    let parser = parser();
    let text = "[Error converting time] IP x\n1700000000.000001 IP x\n[timestamp overflow] IP x\n[Invalid header: caplen==0, len==0]\n";
    let mut packets = parse(&parser, text, Some(5));
    Origin::new("s").place(&mut packets);
    let times: Vec<(i64, &str)> = packets
        .iter()
        .map(|p| (p.time(), p.time_source().name()))
        .collect();
    let then = 1_700_000_000_000_001_000;
    assert_eq!(
        times,
        [
            (5, "arrival"),
            (then, "packet"),
            (then, "previous"),
            (then, "previous")
        ]
    );
}

/// Text that came as messages: each record has the place that its message gives it.
#[test]
fn records_of_messages_have_places_of_their_own() {
    let text = "10:00:00.000001 ARP, Request who-has 10.0.0.1 tell 10.0.0.2, length 28\n\
        listening on eth0, link-type EN10MB\n\
        10:00:00.000002 ARP, Request who-has 10.0.0.1 tell 10.0.0.3, length 28\n\
        10:00:00.000003 ARP, Request who-has 10.0.0.1 tell 10.0.0.4, length 28\n";
    let mut framer = Framer::new();
    framer
        .next_batch(text.as_bytes(), Tail::Final)
        .expect("records");
    let batch = Batch::new(text.as_bytes().to_vec(), framer.style()).at(0);
    let mut packets = Parser::default().parse(batch);
    let heads = text.match_indices("10:00").map(|(at, _)| Some(at as u64));
    let offsets: Vec<_> = packets.iter().map(|packet| packet.offset()).collect();
    assert_eq!(offsets, heads.collect::<Vec<_>>());
    let arrival = 1_700_000_000_000_000_000;
    let place = |record, follows| Place {
        record,
        follows,
        arrival,
        time: None,
    };
    let mut origin = Origin::new("s").stream("topic/0");
    let known = Place {
        time: Some((7, TimeSource::Packet)),
        ..place(9, 5)
    };
    origin.place_each(&mut packets, &[place(2, 1), place(5, 2), known]);
    let all: Vec<_> = packets.iter().collect();
    let records: Vec<_> = all.iter().map(|p| (p.record(), p.follows())).collect();
    assert_eq!(records, [(2, 1), (5, 2), (9, 5)]);
    assert_eq!(
        (packets.first_record(), packets.arrival()),
        (2, Some(arrival))
    );
    assert_eq!(packets.find(5).map(|p| p.offset()), Some(all[1].offset()));
    assert!(packets.find(4).is_none() && packets.find(10).is_none());
    assert_eq!(
        (all[2].time(), all[2].time_source()),
        (7, TimeSource::Packet)
    );
    assert_eq!(all[0].time_source(), TimeSource::Date);
    assert!(all[0].time().abs_diff(arrival) <= 12 * 3600 * 1_000_000_000);
}

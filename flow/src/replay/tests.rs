//! Replays under a clock that stands still but for waits, so that times are exact.

use std::io::{self, Write};
use std::sync::Mutex;
use std::time::Duration;

use dumpstream::{Parser, Reader, StampForm, TimeSource};
use jiff::tz::TimeZone;

use super::clock::Clock;
use super::{Pace, Player, Replay, ReplayError, Replayed};
use crate::clock;

/// 2026-11-30 17:05:09 UTC.
const START: i64 = 1_796_058_309_000_000_000;

/// A clock that is moved by those who wait, and by writes that take their time.
#[derive(Debug, Default)]
struct Hands {
    now: Mutex<Duration>,
    /// When it is told to stop.
    stop: Option<Duration>,
}

impl Clock for Hands {
    fn now(&self) -> Duration {
        *self.now.lock().unwrap()
    }

    fn wait(&self, until: Duration) -> bool {
        let mut now = self.now.lock().unwrap();
        let stop = self.stop.unwrap_or(Duration::MAX);
        *now = now.max(until.min(stop));
        *now < stop
    }

    fn time(&self) -> i64 {
        START + self.now().as_nanos() as i64
    }
}

/// Keeps what was written at each millisecond.
struct Recorder<'a> {
    clock: &'a Hands,
    sent: Vec<(u128, Vec<u8>)>,
    /// How long each write takes.
    takes: Duration,
    /// Takes so many bytes, then fails.
    room: usize,
}

impl Write for Recorder<'_> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let millis = self.clock.now().as_millis();
        let n = text.len().min(self.room);
        if n == 0 {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        self.room -= n;
        match self.sent.last_mut() {
            Some((last, sent)) if *last == millis => sent.extend(&text[..n]),
            _ => self.sent.push((millis, text[..n].to_vec())),
        }
        *self.clock.now.lock().unwrap() += self.takes;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a replay of a text sends, with how many records came at which millisecond.
#[derive(Debug)]
struct Sent {
    times: Vec<(u128, usize)>,
    text: String,
    replayed: Replayed,
    error: Option<ReplayError>,
}

fn play(replay: Replay, text: &str) -> Sent {
    play_with(replay, text, Hands::default(), Duration::ZERO, usize::MAX)
}

fn play_with(replay: Replay, text: &str, clock: Hands, takes: Duration, room: usize) -> Sent {
    let player = Player::new(replay);
    let text = text.to_owned();
    let mut recorder = Recorder {
        clock: &clock,
        sent: Vec::new(),
        takes,
        room,
    };
    let open = move || Ok(io::Cursor::new(text.clone()));
    let done = player.run_by(&clock, open, &mut recorder);
    let sent = |(millis, text): &(u128, Vec<u8>)| {
        let records = text.windows(4).filter(|word| word == b"ARP,").count();
        (*millis, records)
    };
    Sent {
        times: recorder.sent.iter().map(sent).collect(),
        text: recorder
            .sent
            .iter()
            .map(|(_, text)| str::from_utf8(text).unwrap())
            .collect(),
        replayed: player.replayed(),
        error: done.err(),
    }
}

fn arp(stamp: &str) -> String {
    // 80 bytes behind a stamp of -tt, without its line feed.
    format!("{stamp} ARP, Request who-has 192.0.2.1 tell 192.0.2.2, length 28\n")
}

fn arps(stamps: &[&str]) -> String {
    stamps.iter().map(|stamp| arp(stamp)).collect()
}

/// At which millisecond each record comes; the text is unchanged.
#[track_caller]
fn times(replay: Replay, text: &str) -> Vec<u128> {
    let sent = play(replay, text);
    assert!(sent.error.is_none(), "{sent:?}");
    assert_eq!(sent.text, text);
    assert_eq!(sent.replayed.bytes, text.len() as u64);
    each(&sent)
}

fn each(sent: &Sent) -> Vec<u128> {
    let times = sent.times.iter();
    let times = times.flat_map(|(millis, records)| vec![*millis; *records]);
    let times: Vec<_> = times.collect();
    assert_eq!(sent.replayed.records, times.len() as u64);
    times
}

fn original() -> Replay {
    Replay::new(Pace::Multiplier(1.0))
}

const THREE: [&str; 3] = ["10:00:00.000000", "10:00:00.500000", "10:00:02.000000"];

#[test]
fn each_pace_has_its_schedule() {
    let text = arps(&THREE);
    for (pace, expected) in [
        (Pace::Multiplier(1.0), [0, 500, 2000]),
        (Pace::Multiplier(10.0), [0, 50, 200]),
        (Pace::Multiplier(0.5), [0, 1000, 4000]),
        (Pace::Multiplier(f64::NAN), [0, 500, 2000]),
        (Pace::Pps(4.0), [0, 250, 500]),
        (Pace::Pps(0.5), [0, 2000, 4000]),
        // A record has 584 bits.
        (Pace::Mbps(0.000584), [0, 1000, 2000]),
        (Pace::TopSpeed, [0, 0, 0]),
    ] {
        assert_eq!(text.len() * 8, 3 * 584);
        assert_eq!(times(Replay::new(pace), &text), expected, "{pace:?}");
    }
}

#[test]
fn a_gap_is_capped_as_it_is_waited() {
    let cap = Duration::from_millis(700);
    let text = arps(&THREE);
    assert_eq!(times(original().max_gap(cap), &text), [0, 500, 1200]);
    let slow = Replay::new(Pace::Multiplier(0.5)).max_gap(cap);
    assert_eq!(times(slow, &text), [0, 700, 1400]);
}

#[test]
fn no_delay_adds_up() {
    // Every third record is late by the time that the one before it took.
    let stamps: Vec<_> = (0..1000).map(|n| format!("10:00:00.{n:03}333")).collect();
    let text: String = stamps.iter().map(|stamp| arp(stamp)).collect();
    let times = times(original(), &text);
    assert!(times.iter().copied().eq(0..1000), "{times:?}");
    let pps = Replay::new(Pace::Pps(3000.0)).loops(30).limit(30_000);
    let sent = play(pps, &text);
    assert_eq!(each(&sent).last(), Some(&9_999));
}

#[test]
fn after_a_block_the_replay_catches_up() {
    let stamps: Vec<_> = (0..10).map(|n| format!("10:00:00.{n}00000")).collect();
    let text: String = stamps.iter().map(|stamp| arp(stamp)).collect();
    // Each write takes 250 ms, and takes all that is due by then; the last record comes by itself.
    let takes = Duration::from_millis(250);
    let sent = play_with(original(), &text, Hands::default(), takes, usize::MAX);
    assert_eq!(
        sent.times,
        [(0, 1), (250, 2), (500, 3), (750, 2), (1000, 1), (1250, 1)]
    );
    // Until the end of the write.
    let delay = sent.replayed.delay.unwrap();
    assert_eq!(delay.max, Duration::from_millis(600));
}

#[test]
fn a_stamp_that_goes_back_is_due_with_its_predecessor() {
    let text = arps(&["10:00:01.000000", "10:00:00.000000", "10:00:02.000000"]);
    let sent = play(original(), &text);
    assert_eq!(each(&sent), [0, 0, 1000]);
    assert_eq!(sent.replayed.delay.unwrap().max, Duration::ZERO);
}

#[test]
fn midnight_is_no_step_back() {
    let text = arps(&["23:59:59.500000", "00:00:00.500000"]);
    assert_eq!(times(original(), &text), [0, 1000]);
}

#[test]
fn every_stamp_form_is_followed() {
    for (first, second) in [
        ("1700000000.000000", "1700000001.000000"),
        ("2023-11-14 22:13:20.000000", "2023-11-14 22:13:21.000000"),
        ("10:00:00.000000000", "10:00:01.000000000"),
        ("Nov 28 22:13:20.000000", "Nov 28 22:13:21.000000"),
        (" 00:00:00.000000", " 00:00:01.000000"),
    ] {
        let twice = Replay::new(Pace::Multiplier(2.0));
        assert_eq!(times(twice, &arps(&[first, second])), [0, 500], "{first}");
    }
    let relative = [" 00:00:00.000000", " 00:00:01.000000", " 00:00:03.000000"];
    for (form, expected) in [
        (StampForm::Delta, [0, 1000, 4000]),
        (StampForm::Elapsed, [0, 1000, 3000]),
    ] {
        assert_eq!(times(original().stamp(form), &arps(&relative)), expected);
    }
    // `-t`: there is nothing to follow.
    let text = "ARP, Request who-has 192.0.2.1 tell 192.0.2.2, length 28\n".repeat(3);
    assert_eq!(times(original(), &text), [0, 0, 0]);
    assert_eq!(times(Replay::new(Pace::Pps(10.0)), &text), [0, 100, 200]);
}

#[test]
fn bytes_of_no_record_stay_in_their_place() {
    let text = format!(
        "reading from file x.pcap, link-type EN10MB (Ethernet)\n{}\tlate text\n{}2 packets captured\n",
        arp("10:00:00.000000"),
        arp("10:00:01.000000"),
    );
    assert_eq!(times(original(), &text), [0, 1000]);
    assert_eq!(times(Replay::new(Pace::TopSpeed), &text), [0, 0]);
}

#[test]
fn a_loop_begins_a_mean_gap_after_the_last_one() {
    let text = arps(&THREE);
    let looped = |replay: Replay| {
        let sent = play(replay, &text);
        assert_eq!(sent.text, text.repeat(3));
        assert_eq!((sent.replayed.loops, sent.replayed.records), (3, 9));
        each(&sent)
    };
    assert_eq!(
        looped(original().loops(3)),
        [0, 500, 2000, 3000, 3500, 5000, 6000, 6500, 8000]
    );
    let pps = Replay::new(Pace::Pps(10.0)).loops(3);
    assert!(looped(pps).into_iter().eq((0..900).step_by(100)));
    let mbps = Replay::new(Pace::Mbps(0.000584)).loops(3);
    assert!(looped(mbps).into_iter().eq((0..9000).step_by(1000)));
    assert_eq!(looped(Replay::new(Pace::TopSpeed).loops(3)), [0; 9]);
    let delay = Duration::from_millis(100);
    assert_eq!(
        looped(original().loops(3).loop_delay(delay)),
        [0, 500, 2000, 2100, 2600, 4100, 4200, 4700, 6200]
    );
    assert_eq!(
        looped(Replay::new(Pace::TopSpeed).loops(3).loop_delay(delay)),
        [0, 0, 0, 100, 100, 100, 200, 200, 200]
    );
}

#[test]
fn a_text_without_gaps_does_not_loop_at_top_speed() {
    let replay = original().loops(0).limit(3);
    assert_eq!(
        each(&play(replay, &arp("10:00:00.000000"))),
        [0, 1000, 2000]
    );
    // And nothing is not sent for ever.
    let sent = play(original().loops(0), "");
    assert_eq!((sent.replayed.bytes, sent.replayed.loops), (0, 1));
}

#[test]
fn limits_end_it() {
    let text = arps(&THREE);
    let sent = play(original().loops(0).limit(4), &text);
    assert_eq!(each(&sent), [0, 500, 2000, 3000]);
    assert_eq!(sent.replayed.loops, 1);
    let sent = play(
        original().loops(0).duration(Duration::from_millis(3500)),
        &text,
    );
    assert_eq!(each(&sent), [0, 500, 2000, 3000]);
    assert_eq!(sent.replayed.elapsed.as_millis(), 3500);
    // While the other end blocks, it ends after the write.
    let duration = Replay::new(Pace::TopSpeed)
        .loops(0)
        .duration(Duration::from_secs(1));
    let takes = Duration::from_millis(300);
    let sent = play_with(duration, &text, Hands::default(), takes, usize::MAX);
    assert_eq!(sent.times, [(0, 2), (300, 1), (600, 2), (900, 1)]);
}

#[test]
fn a_stop_ends_a_long_wait() {
    let text = arps(&["10:00:00.000000", "11:00:00.000000"]);
    let clock = Hands {
        stop: Some(Duration::from_secs(1)),
        ..Hands::default()
    };
    let sent = play_with(original(), &text, clock, Duration::ZERO, usize::MAX);
    assert_eq!(sent.replayed.elapsed.as_millis(), 1000);
    assert_eq!(sent.text, arp("10:00:00.000000"));
}

#[test]
fn a_stop_from_another_thread_wakes_it() {
    let text = arps(&["10:00:00.000000", "11:00:00.000000"]);
    let player = Player::new(original());
    let other = player.clone();
    std::thread::spawn(move || {
        while other.replayed().records == 0 {
            std::thread::yield_now();
        }
        other.stop();
    });
    let text: &'static str = text.leak();
    let mut sent = Vec::new();
    player.run(move || Ok(text.as_bytes()), &mut sent).unwrap();
    assert_eq!(sent, arp("10:00:00.000000").as_bytes());
}

#[test]
fn what_was_sent_before_a_failure_is_counted() {
    let text = arps(&THREE);
    let room = text.len() / 3 + 10;
    let sent = play_with(
        Replay::new(Pace::TopSpeed),
        &text,
        Hands::default(),
        Duration::ZERO,
        room,
    );
    let Some(ReplayError::Write(error)) = sent.error else {
        panic!("{sent:?}");
    };
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    let replayed = sent.replayed;
    // The last one was not yet due for a write.
    assert_eq!((replayed.records, replayed.failed), (1, 1));
    assert_eq!(replayed.bytes, room as u64);
}

#[test]
fn what_was_read_before_a_failure_is_sent() {
    struct Broken(Option<String>);
    impl io::Read for Broken {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let text = self.0.take().ok_or_else(|| io::Error::other("broken"))?;
            buf[..text.len()].copy_from_slice(text.as_bytes());
            Ok(text.len())
        }
    }
    let player = Player::new(Replay::new(Pace::TopSpeed).loops(0));
    let mut sent = Vec::new();
    let open = || Ok(Broken(Some(arps(&THREE))));
    let ended = player.run(open, &mut sent);
    assert!(matches!(ended, Err(ReplayError::Read(e)) if e.to_string() == "broken"));
    assert_eq!(sent, arps(&THREE).as_bytes());
    assert_eq!(player.replayed().loops, 0);
}

#[test]
fn stamps_become_the_times_of_sending() {
    let restamped = |replay: Replay, stamps: &[&str], expected: &[&str]| {
        let sent = play(replay.restamp(TimeZone::UTC), &arps(stamps));
        assert_eq!(sent.text, arps(expected));
        assert_eq!(sent.replayed.bytes, sent.text.len() as u64);
    };
    restamped(
        original().loops(2).loop_delay(Duration::from_millis(1)),
        &["1700000000.000000", "1700000000.250000"],
        &[
            "1796058309.000000",
            "1796058309.250000",
            "1796058309.251000",
            "1796058309.501000",
        ],
    );
    restamped(
        Replay::new(Pace::Pps(2.0)),
        &THREE,
        &["17:05:09.000000", "17:05:09.500000", "17:05:10.000000"],
    );
    restamped(
        original().stamp(StampForm::Delta),
        &[" 00:00:07.000000", "-00:00:01.000000", " 00:00:03.000000"],
        &[" 00:00:00.000000", " 00:00:00.000000", " 00:00:02.000000"],
    );
    // Behind a number and lengths; one that has none gets none.
    restamped(
        original(),
        &[
            "    1  caplen 60 len 60 10:00:00.000000001",
            "    2  caplen 60 len 60 [Error converting time]",
            "    3  caplen 60 len 60 10:00:00.000000003",
        ],
        &[
            "    1  caplen 60 len 60 17:05:09.000000000",
            "    2  caplen 60 len 60 [Error converting time]",
            "    3  caplen 60 len 60 17:05:09.000000002",
        ],
    );
}

/// What a real clock sends of a sample, at top speed.
fn sent(replay: &Replay, text: &[u8]) -> Vec<u8> {
    let (text, mut sent) = (text.to_vec(), Vec::new());
    let player = Player::new(replay.clone());
    let open = move || Ok(io::Cursor::new(text.clone()));
    player.run(open, &mut sent).unwrap();
    assert_eq!(player.replayed().bytes, sent.len() as u64);
    sent
}

/// The records of a text: the fields of each but its time, and the time if its stamp has a date.
fn records(parser: &Parser, text: &[u8]) -> Vec<(serde_json::Value, Option<i64>)> {
    let mut records = Vec::new();
    for packets in Reader::new(text).parser(parser.clone()) {
        for packet in &packets.unwrap() {
            let mut fields = serde_json::to_value(packet).unwrap();
            fields.as_object_mut().unwrap().remove("time");
            let dated = packet.time_source() == TimeSource::Packet;
            records.push((fields, dated.then(|| packet.time())));
        }
    }
    records
}

#[test]
fn samples_are_sent_as_they_are_and_restamped_ones_differ_by_their_time_alone() {
    let plain = Replay::new(Pace::TopSpeed);
    let restamped = plain.clone().restamp(TimeZone::UTC);
    let (parser, mut dated) = (Parser::default(), 0);
    for sample in given::samples().iter().filter(|sample| !sample.is_ascii()) {
        let name = &sample.name;
        assert!(sent(&plain, &sample.text) == sample.text, "{name}");
        let before = clock::now();
        let text = sent(&restamped, &sample.text);
        let after = clock::now();
        let (old, new) = (records(&parser, &sample.text), records(&parser, &text));
        assert_eq!(old.len(), new.len(), "{name}");
        for ((old, old_time), (new, time)) in old.iter().zip(&new) {
            assert_eq!(old, new, "{name}");
            assert_eq!(old_time.is_some(), time.is_some(), "{name}: {new}");
            if let Some(time) = time {
                // Of a microsecond, what is less is cut off.
                assert!((before - 1_000..=after).contains(time), "{name}: {new}");
                dated += 1;
            }
        }
    }
    assert!(dated > 1_000, "{dated} records have a date");
}

//! What is said about the time of packets: dates, zones, clocks.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::program::{Running, dumpstream, ran, records};

#[test]
fn dates_from_a_files_last_change_are_in_the_report() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("day.txt"), records(3)).unwrap();
    let parse = ["parse", "-v", "-o", "null:", "day.txt"];
    let said = "3 packets dated by the file's last change";
    ran(folder.path(), &parse).failed(0, &[said, "--date"]);
    let dated = ran(
        folder.path(),
        &[&parse[..], &["--date", "2026-11-24"]].concat(),
    );
    assert!(
        dated.code == Some(0) && !dated.err.contains("last change"),
        "{dated:?}"
    );
}

#[test]
fn a_sensor_may_have_a_zone_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let line = "2026-11-24 10:00:00.000001 IP 192.0.2.1.5000 > 192.0.2.2.9: UDP, length 1\n";
    for name in ["here.txt", "tokyo.txt"] {
        fs::write(folder.path().join(name), line).unwrap();
    }
    let zones = ["--tz", "UTC", "--tz", "tokyo.txt=Asia/Tokyo"];
    let parse = ["parse", "-v", "here.txt", "tokyo.txt"];
    let parsed = ran(folder.path(), &[&parse[..], &zones].concat());
    let times: Vec<_> = parsed
        .json()
        .iter()
        .map(|row| row["time"].to_string())
        .collect();
    let expected = [
        "\"2026-11-24T10:00:00.000001Z\"",
        "\"2026-11-24T01:00:00.000001Z\"",
    ];
    assert_eq!(times, expected);
    parsed.failed(0, &["stamps read in UTC, those of tokyo.txt in Asia/Tokyo"]);
    for (wrong, said) in [
        (
            &["--tz", "UTC", "--tz", "local"][..],
            "twice for all sensors",
        ),
        (&["--tz", "a=UTC", "--tz", "a=local"], "twice for a"),
        (&["--tz", "=UTC"], "must not be empty"),
        (&["--tz", "a=Mars"], "unknown time zone"),
    ] {
        ran(folder.path(), &[&parse[..], wrong].concat()).failed(2, &[said]);
    }
}

#[test]
fn stamps_far_from_the_clock_are_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let listen = ["listen", "0", "--tz", "UTC", "-o", "null:"];
    let running = Running::new(dumpstream(folder.path(), &listen));
    let mut sensor = TcpStream::connect(running.address()).unwrap();
    for _ in 0..14 {
        let ahead = SystemTime::now() + Duration::from_secs(9 * 3600);
        let stamp = ahead.duration_since(UNIX_EPOCH).unwrap().as_micros();
        let (s, us) = (stamp / 1_000_000, stamp % 1_000_000);
        writeln!(
            sensor,
            "{s}.{us:06} IP 192.0.2.1.5000 > 192.0.2.2.9: UDP, length 1"
        )
        .unwrap();
        thread::sleep(Duration::from_millis(500));
    }
    let said = running.says("9 h 0 min ahead of this machine's clock");
    assert!(said.contains("--tz 127.0.0.1=ZONE"), "{said}");
    drop(sensor);
    assert_eq!(running.end().1.matches("ahead of").count(), 1);
}

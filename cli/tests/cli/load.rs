//! Many senders at once through the built binary, over loopback into SQLite: every record is
//! stored exactly once.
//!
//! 100 senders and 100,000 records; `RECORDS=1000000 cargo test --release --test cli load:: -- --nocapture`
//! for more, and to see the figures.

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use rusqlite::{Connection, OpenFlags};

use crate::program::{Running, dumpstream, until};

const SENDERS: usize = 100;
/// Of all senders together.
const RECORDS: usize = 100_000;
/// Records of one write: of no size that anything here has.
const WRITE: usize = 37;

/// How many each sender sends.
fn each() -> usize {
    let all = match std::env::var("RECORDS") {
        Ok(text) => text.parse().expect("RECORDS is a number"),
        Err(_) => RECORDS,
    };
    usize::max(all / SENDERS, 1)
}

/// A record that says who sent it, in its source, and which of his it is, in its port and its
/// length.
fn record(sender: usize, n: usize) -> String {
    let (seconds, micros) = (1_700_000_000 + n / 1000, n % 1000 * 1000 + sender);
    let (port, payload) = (1 + n % 60_000, n / 60_000);
    let stamp = format_args!("{seconds}.{micros:06}");
    let source = format_args!("10.0.{sender}.1.{port}");
    given::udp(stamp, n, source, "10.9.9.9.9999", payload)
}

fn send(address: SocketAddr, sender: usize, records: usize) {
    let mut socket = TcpStream::connect(address).unwrap();
    let mut text = String::new();
    for n in 0..records {
        text += &record(sender, n);
        if n % WRITE == WRITE - 1 {
            socket.write_all(text.as_bytes()).unwrap();
            text.clear();
        }
    }
    socket.write_all(text.as_bytes()).unwrap();
}

/// The most memory that the process had, in MiB, where the system tells.
fn peak(id: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024.0)
}

#[test]
fn every_record_of_a_hundred_senders_is_stored_once() {
    let each = each();
    let all = each * SENDERS;
    let folder = tempfile::tempdir().unwrap();
    let listen = ["listen", "-k", "0", "-v"];
    let running = Running::new(dumpstream(folder.path(), &listen));
    let address = running.address();
    let start = Instant::now();
    let together = Barrier::new(SENDERS);
    thread::scope(|scope| {
        for sender in 0..SENDERS {
            let together = &together;
            scope.spawn(move || {
                together.wait();
                send(address, sender, each);
            });
        }
    });
    let file = folder.path().join("packets.db");
    let ask = |sql: &str| -> rusqlite::Result<i64> {
        let database = Connection::open_with_flags(&file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        database.query_row(sql, [], |row| row.get(0))
    };
    until("all rows are there", || {
        // Counted by stream: rows are many.
        let stored = ask("SELECT coalesce(sum(records), 0) FROM streams");
        stored.is_ok_and(|n| n >= all as i64).then_some(())
    });
    let took = start.elapsed();
    let peak = peak(running.id());
    running.signal("TERM");
    let (status, said) = running.end();
    assert_eq!(status.code(), Some(0), "{said}");

    // The report's own identity, to the packet.
    for line in [
        format!("\n{all} packets received"),
        format!("\n{all} packets parsed"),
        format!("\n{SENDERS} connections"),
        format!("\n{all} packets written to sqlite:packets.db"),
    ] {
        assert!(
            said.contains(&format!("{line}\n")) || said.contains(&format!("{line} (")),
            "{line:?} is not in {said}"
        );
    }
    for wrong in [
        "skipped",
        "dropped",
        "rejected",
        "truncated",
        "already stored",
    ] {
        assert!(!said.contains(wrong), "{said}");
    }

    // Each once: as many rows as were sent, of each sender all that he sent, under one stream.
    let number = |sql: &str| ask(sql).unwrap();
    assert_eq!(number("SELECT count(*) FROM packet"), all as i64);
    assert_eq!(number("SELECT count(*) FROM streams"), SENDERS as i64);
    assert_eq!(number("SELECT count(*) FROM streams WHERE NOT complete"), 0);
    let whole = format!(
        "SELECT count(*) FROM (SELECT stream FROM packets GROUP BY stream HAVING
           count(*) = {each} AND min(record) = 1 AND max(record) = {each}
           AND count(DISTINCT source) = 1
           AND count(DISTINCT payload_length * 60000 + source_port) = {each})"
    );
    assert_eq!(number(&whole), SENDERS as i64);
    assert_eq!(
        number("SELECT count(DISTINCT source) FROM packets"),
        SENDERS as i64
    );
    // And in the order in which they were sent.
    let order = "SELECT count(*) FROM packets
                 WHERE payload_length * 60000 + source_port <> record";
    assert_eq!(number(order), 0);
    println!(
        "{all} records of {SENDERS} senders in {:.1} s, {:.0}/s; peak memory {}",
        took.as_secs_f64(),
        all as f64 / took.as_secs_f64(),
        peak.map_or("unknown".to_owned(), |mib| format!("{mib:.0} MiB")),
    );
}

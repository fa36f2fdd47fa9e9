//! Many records while brokers die, hang and restart.

use std::io::Write;
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::broker::cluster;
use crate::consume::has_all;
use crate::program::{Running, dumpstream, ran};
use crate::text;

/// Pieces of the text that is sent while one fault happens, and the time between them.
const PIECES: u64 = 50;
const PAUSE: Duration = Duration::from_millis(20);

pub(crate) fn each_record_once() {
    let count = given::amount("DUMPSTREAM_KAFKA_RECORDS", 100_000);
    let faults = given::amount("DUMPSTREAM_KAFKA_FAULTS", 6);
    let cluster = cluster(3);
    let folder = tempfile::tempdir().unwrap();
    let topic = cluster.topic(6);
    let url = cluster.url(0, &topic, "format=text&key=flow");
    let arguments = ["listen", "0", "-v", "--sensor", "s", "-o", &url];
    let listen = Running::new(dumpstream(folder.path(), &arguments));
    let address = listen.address();
    // Read while it is written, through the same faults.
    let url = cluster.url(0, &topic, "group=faults");
    let arguments = ["consume", &url, "-v", "--raw", "-o", "sqlite:p.db"];
    let consume = Running::new(dumpstream(folder.path(), &arguments));
    let (next, turns) = mpsc::channel::<()>();
    let sender = thread::spawn(move || {
        let mut socket = TcpStream::connect(address).unwrap();
        let pieces = faults * PIECES;
        for piece in 0..pieces {
            // Something is sent during every fault.
            if piece % PIECES == 0 {
                turns.recv().unwrap();
            }
            let range = count * piece / pieces + 1..count * (piece + 1) / pieces + 1;
            socket.write_all(text::records(range).as_bytes()).unwrap();
            thread::sleep(PAUSE);
        }
    });
    let mut random = given::Random(0x4b61_666b);
    for _ in 0..faults {
        next.send(()).unwrap();
        thread::sleep(PAUSE * u32::try_from(random.below(20)).unwrap());
        let broker = u8::try_from(random.below(3)).unwrap() + 1;
        match random.below(3) {
            0 => {
                cluster.kill(broker);
                thread::sleep(Duration::from_millis(500));
                cluster.start(broker);
            }
            1 => cluster.pause(broker, Duration::from_secs(random.below(4) + 1)),
            _ => {
                cluster.stop(broker);
                cluster.start(broker);
            }
        }
        // A second one at the same time would be one too many.
        cluster.settle(&topic);
    }
    sender.join().unwrap();
    let (status, said) = listen.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(
        said.contains(&format!("\n{count} packets written to")),
        "{said}"
    );
    consume.signal("TERM");
    let (status, read) = consume.end();
    assert_eq!(status.code(), Some(0), "{read}");
    let rest = ran(folder.path(), &[&arguments[..], &["--until-end"]].concat());
    assert_eq!(rest.code, Some(0), "{rest:?}");
    println!("{read}\n{}", rest.err);
    has_all(folder.path(), count);
    let mut seen = vec![false; count as usize + 1];
    let mut last = (-1, 0);
    cluster.each(&topic, |message| {
        let message = crate::broker::Message::from(message);
        let record: u64 = message.header("record").parse().unwrap();
        let twice = std::mem::replace(&mut seen[record as usize], true);
        assert!(!twice, "record {record} stands twice");
        assert!(
            (message.partition, record) > last,
            "{record} after {last:?}"
        );
        last = (message.partition, record);
        assert_eq!(message.value, text::record(record).trim_end().as_bytes());
    });
    let missing = seen.iter().skip(1).filter(|seen| !**seen).count();
    assert_eq!(missing, 0, "records are missing");
    println!("{count} records once, in their order, through {faults} faults\n{said}");
}

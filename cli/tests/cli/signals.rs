//! What SIGINT, SIGTERM and SIGHUP do.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::program::{Running, dumpstream, record, records, until};

/// A pipe that nobody reads until the test does; it can be opened for writing at once.
fn fifo(folder: &Path) -> File {
    let path = folder.join("fifo");
    assert!(
        Command::new("mkfifo")
            .arg(&path)
            .status()
            .unwrap()
            .success()
    );
    let both = File::options().read(true).write(true).open(path);
    both.unwrap()
}

/// A listener whose only output is a pipe that takes nothing more, and the pipe.
fn stuck(folder: &Path) -> (Running, File) {
    let pipe = fifo(folder);
    let listen = ["listen", "-k", "0", "-o", "jsonl:fifo"];
    let more = ["--drain-timeout", "100s"];
    let running = Running::new(dumpstream(folder, &[&listen[..], &more].concat()));
    let mut sender = TcpStream::connect(running.address()).unwrap();
    sender.write_all(records(500).as_bytes()).unwrap();
    drop(sender);
    until("they are received", || {
        running.signal("USR1");
        running
            .said()
            .contains("500 packets received")
            .then_some(())
    });
    (running, pipe)
}

/// Signals its process twice, as `timeout` does.
fn twice(running: &Running, name: &str) {
    let kill = format!("kill -{name} {0}; kill -{name} {0}", running.id());
    assert!(
        Command::new("sh")
            .args(["-c", &kill])
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn a_second_signal_at_once_is_the_first_one_again() {
    // The two can also arrive as one.
    for round in 0..10 {
        let folder = tempfile::tempdir().unwrap();
        let (running, mut pipe) = stuck(folder.path());
        twice(&running, if round % 2 == 0 { "TERM" } else { "INT" });
        running.says("stopping");
        let reader = std::thread::spawn(move || {
            let mut lines = 0;
            let mut buf = [0; 65_536];
            while lines < 500 {
                let n = pipe.read(&mut buf).unwrap();
                lines += buf[..n].iter().filter(|b| **b == b'\n').count();
            }
        });
        let (status, said) = running.end();
        assert_eq!(status.code(), Some(0), "{said}");
        assert!(said.contains("500 packets written to jsonl:fifo"), "{said}");
        reader.join().unwrap();
    }
}

#[test]
fn a_second_signal_later_ends_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let (running, _pipe) = stuck(folder.path());
    twice(&running, "INT");
    running.says("stopping");
    std::thread::sleep(Duration::from_millis(600));
    running.signal("TERM");
    let (status, said) = running.end();
    assert_eq!(status.code(), Some(143), "{said}");
    assert!(said.contains("exited immediately: "), "{said}");
}

/// `nohup dumpstream listen &` goes on when the terminal closes.
#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "only Linux tells what was ignored")]
fn an_ignored_sighup_stays_ignored_unless_a_flag_asks_for_it() {
    for (flag, reopens) in [(None, false), (Some("--reopen-on-sighup"), true)] {
        let folder = tempfile::tempdir().unwrap();
        let listen = "trap '' HUP; exec \"$@\"";
        let program = dumpstream(folder.path(), &[]);
        let mut shell = Command::new("sh");
        shell
            .args(["-c", listen, "sh"])
            .arg(program.get_program())
            .args(["listen", "0", "-o", "jsonl:out.jsonl"])
            .args(flag)
            .current_dir(folder.path());
        let running = Running::new(shell);
        let mut sender = TcpStream::connect(running.address()).unwrap();
        let out = folder.path().join("out.jsonl");
        let rows = |file: &Path| fs::read_to_string(file).map_or(0, |text| text.lines().count());
        sender.write_all(record(1).as_bytes()).unwrap();
        until("a row is there", || (rows(&out) == 1).then_some(()));
        let moved = folder.path().join("moved.jsonl");
        fs::rename(&out, &moved).unwrap();
        running.signal("HUP");
        if reopens {
            until("it is reopened", || out.exists().then_some(()));
        }
        sender.write_all(record(2).as_bytes()).unwrap();
        drop(sender);
        let (status, said) = running.end();
        assert_eq!(status.code(), Some(0), "{said}");
        let expected = if reopens { (1, 1) } else { (2, 0) };
        assert_eq!((rows(&moved), rows(&out)), expected);
    }
}

/// A pipe that is full, and that nobody reads until the test does.
fn full() -> (std::io::PipeReader, std::io::PipeWriter) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let fill = writer.try_clone().unwrap();
    std::thread::spawn(move || {
        // The last write waits for the reader.
        (&fill).write_all(&[b'\n'; 1 << 20]).ok();
    });
    // It is full once the thread is in its write.
    std::thread::sleep(Duration::from_millis(200));
    writer.flush().unwrap();
    (reader, writer)
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "loopback has one address there")]
fn a_log_that_nobody_reads_stops_neither_data_nor_signals() {
    for signals in [&["TERM"][..], &["INT", "INT"]] {
        let folder = tempfile::tempdir().unwrap();
        let (reader, writer) = full();
        // Where it listens cannot be read, so it is an address that no other test has.
        let free = std::net::TcpListener::bind("127.0.0.77:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let limit = ["--max-connections", "1", "-o", "jsonl:x.jsonl"];
        let listen = ["listen", "-k", &address.to_string()];
        let mut command = dumpstream(folder.path(), &[&listen[..], &limit].concat());
        let running = Running::mute(command.stderr(writer));
        drop(command);
        let connect = || TcpStream::connect(address).ok();
        let mut sender = until("it listens", connect);
        let holds = |rows: usize| {
            until("the rows are there", || {
                let text = fs::read_to_string(folder.path().join("x.jsonl")).ok()?;
                (text.lines().count() >= rows).then_some(())
            });
        };
        sender.write_all(records(2).as_bytes()).unwrap();
        holds(2);
        for n in 0..200 {
            // Refused, and reported if there is room.
            connect();
            if n % 20 == 0 {
                running.signal("USR1");
            }
            sender.write_all(record(n).as_bytes()).unwrap();
        }
        holds(202);
        let start = std::time::Instant::now();
        for (n, signal) in signals.iter().enumerate() {
            std::thread::sleep(Duration::from_millis(600 * n as u64));
            if n == 0 || running.is_running() {
                running.signal(signal);
            }
        }
        let (status, _) = running.end();
        // The drain time-out is 5 s, and there is nothing to drain.
        assert!(
            start.elapsed() < Duration::from_secs(4),
            "{:?}",
            start.elapsed()
        );
        assert!(matches!(status.code(), Some(0 | 130)), "{status}");
        drop(reader);
    }
}

/// Senders that are done and gone have their text only in our sockets.
#[test]
fn what_sockets_hold_is_read_after_a_signal() {
    const EACH: usize = 2000;
    const SENDERS: usize = 8;
    for (timeout, code) in [("60s", 0), ("500ms", 5)] {
        let folder = tempfile::tempdir().unwrap();
        let mut pipe = fifo(folder.path());
        let listen = ["listen", "-k", "0", "-o", "jsonl:fifo", "--queue", "64K"];
        let more = ["--drain-timeout", timeout];
        let running = Running::new(dumpstream(folder.path(), &[&listen[..], &more].concat()));
        let text = records(EACH);
        for _ in 0..SENDERS {
            let mut sender = TcpStream::connect(running.address()).unwrap();
            sender.write_all(text.as_bytes()).unwrap();
        }
        // They are closed, and most of their text is not read.
        running.signal("TERM");
        running.says("stopping");
        if code == 0 {
            let mut lines = 0;
            let mut buf = [0; 65_536];
            while lines < SENDERS * EACH {
                let n = pipe.read(&mut buf).unwrap();
                lines += buf[..n].iter().filter(|b| **b == b'\n').count();
            }
        }
        let (status, said) = running.end();
        assert_eq!(status.code(), Some(code), "{said}");
        let received = format!("{} packets received", SENDERS * EACH);
        assert!(said.contains(&received), "{said}");
    }
}

#[test]
fn connections_that_were_not_accepted_yet_are_read_after_a_signal() {
    let folder = tempfile::tempdir().unwrap();
    let listen = ["listen", "-k", "0", "-o", "jsonl:x.jsonl"];
    let running = Running::new(dumpstream(folder.path(), &listen));
    let address = running.address();
    running.signal("STOP");
    for _ in 0..5 {
        let mut sender = TcpStream::connect(address).unwrap();
        sender.write_all(records(10).as_bytes()).unwrap();
    }
    running.signal("TERM");
    running.signal("CONT");
    let (status, said) = running.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(
        said.contains("50 packets written to jsonl:x.jsonl"),
        "{said}"
    );
}

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{ChildStdin, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::AsyncReadExt;

use super::program::{Running, dumpstream, fed, gz, ran, record, records, until};

/// A server whose text the test writes, and where it listens.
struct Server {
    running: Running,
    address: SocketAddr,
    text: Option<ChildStdin>,
}

impl Server {
    fn new(folder: &Path, arguments: &[&str]) -> Server {
        let mut command = dumpstream(folder, &[&["serve", "0"], arguments].concat());
        command.stdin(Stdio::piped());
        let mut running = Running::new(command);
        let text = Some(running.stdin());
        let address = serving(&running);
        Server {
            running,
            address,
            text,
        }
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).unwrap()
    }

    fn write(&mut self, text: &str) {
        let stdin = self.text.as_mut().unwrap();
        stdin.write_all(text.as_bytes()).unwrap();
        stdin.flush().unwrap();
    }

    /// Waits until so many clients are connected.
    fn connected(&self, clients: usize) {
        let connected = format!(", {clients} connected");
        until("the clients are connected", || {
            report(&self.running).contains(&connected).then_some(())
        });
    }

    /// Ends the text, and waits for the end.
    fn end(mut self, code: i32) -> String {
        self.text = None;
        let (status, said) = self.running.end();
        assert_eq!(status.code(), Some(code), "{said}");
        said
    }
}

/// The report of a server that goes on.
fn report(running: &Running) -> String {
    let before = running.said().len();
    running.signal("USR1");
    until("it reports", || {
        let said = running.said().split_off(before);
        said.contains(" sent to clients").then_some(said)
    })
}

/// Where a server listens.
pub(crate) fn serving(running: &Running) -> SocketAddr {
    let said = running.says("serving ");
    let after = said.split(" on ").nth(1).unwrap();
    after.lines().next().unwrap().parse().unwrap()
}

/// Everything until the end.
pub(crate) fn read(mut socket: TcpStream) -> String {
    let mut text = String::new();
    socket.read_to_string(&mut text).unwrap();
    text
}

/// Waits for this text, and nothing else.
fn got(socket: &mut TcpStream, text: &str) {
    let mut found = vec![0; text.len()];
    socket.read_exact(&mut found).unwrap();
    assert_eq!(String::from_utf8(found).unwrap(), text);
}

#[test]
fn clients_get_the_text_and_a_late_one_begins_at_a_record() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::new(folder.path(), &["--flush-after", "20ms"]);
    let mut first = server.connect();
    server.connected(1);
    let preamble = "listening on eth0, link-type EN10MB (Ethernet)\n";
    server.write(&format!("{preamble}{}", record(0)));
    got(&mut first, preamble);
    got(&mut first, &record(0));
    // In the midst of a record that a late client must not get a part of.
    let (head, tail) = ("10:00:01.000000 ARP, Request\n", "\tlate\n");
    server.write(head);
    got(&mut first, head);
    let late = server.connect();
    server.connected(2);
    server.write(&format!("{tail}{}5 packets captured\n", records(3)));
    let said = server.end(0);
    let rest = format!("{}5 packets captured\n", records(3));
    assert_eq!(read(first), format!("{tail}{rest}"));
    assert_eq!(read(late), rest);
    assert!(said.contains("\n5 packets served ("), "{said}");
    assert!(
        said.contains("\n2 clients\n8 packets sent to clients"),
        "{said}"
    );
    assert!(!said.contains("unsent"), "{said}");
}

#[test]
fn clients_may_say_what_they_like_and_leave_as_they_like() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::new(folder.path(), &["--flush-after", "20ms", "-v"]);
    let (mut half, mut chatty) = (server.connect(), server.connect());
    let (leaves, resets) = (server.connect(), server.connect());
    half.shutdown(Shutdown::Write).unwrap();
    chatty.write_all(&[b'x'; 100_000]).unwrap();
    server.connected(4);
    server.write(&record(0));
    got(&mut half, &record(0));
    got(&mut chatty, &record(0));
    drop(leaves.try_clone().map(read_some));
    drop(leaves);
    // Its text is unread, so this is a reset.
    until("the text is there", || {
        (resets.peek(&mut [0; 8]).unwrap() > 0).then_some(())
    });
    drop(resets);
    let mut sent = 1;
    until("both have left", || {
        server.write(&record(sent));
        sent += 1;
        let said = server.running.said();
        (said.matches("A client disconnected.").count() == 2).then_some(())
    });
    let rest: String = (1..sent).map(record).collect();
    let said = server.end(0);
    assert_eq!(read(half), rest);
    assert_eq!(read(chatty), rest);
    assert!(
        said.contains("\n100000 bytes from clients ignored"),
        "{said}"
    );
    assert!(said.contains("\n4 clients\n"), "{said}");
}

/// Reads what is there, so that closing is no reset.
fn read_some(mut socket: TcpStream) {
    let mut text = vec![0; record(0).len()];
    socket.read_exact(&mut text).unwrap();
}

/// Where each record begins.
fn starts(text: &str) -> Vec<usize> {
    let mut start = 0;
    let mut starts: Vec<_> = text
        .split_inclusive('\n')
        .filter_map(|line| {
            let here = start;
            start += line.len();
            (!line.starts_with(' ')).then_some(here)
        })
        .collect();
    starts.push(text.len());
    starts
}

/// What a slow client got: so many records as they were, and so many that it was told were skipped.
fn accounted(got: &str, text: &str, starts: &[usize]) -> (u64, u64) {
    let (mut sent, mut skipped, mut rest) = (0, 0, got);
    let mut next = 0;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("dumpstream: skipped ") {
            let (n, after) = after.split_once(' ').unwrap();
            let n: usize = n.parse().unwrap();
            (next, skipped) = (next + n, skipped + n as u64);
            rest = after.split_once('\n').unwrap().1;
            continue;
        }
        let record = &text[starts[next]..starts[next + 1]];
        rest = rest.strip_prefix(record).expect("a record as it was");
        (next, sent) = (next + 1, sent + 1);
    }
    assert_eq!(next + 1, starts.len(), "every record is accounted for");
    (sent, skipped)
}

/// The most memory that a process had, in bytes, where the system tells.
fn peak(id: u32) -> Option<usize> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: usize = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib << 10)
}

/// 1,000 readers, 100 of which read nothing: the others lose nothing and wait for none of them.
#[test]
fn a_stalled_client_is_skipped_alone_and_exactly() {
    const READERS: usize = 900;
    const STALLED: usize = 100;
    const BUFFER: usize = 256 << 10;
    /// Records that are written before all readers must have them.
    const BLOCK: usize = 400;
    const BLOCKS: usize = 20;
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::new(
        folder.path(),
        &[
            "-m",
            "1000",
            "--buffer",
            "256K",
            "--sndbuf",
            "16K",
            "--flush-after",
            "10ms",
        ],
    );
    let before = peak(server.running.id());
    let text: Arc<str> = records(BLOCK * BLOCKS).into();
    let starts = starts(&text);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let stalled: Vec<_> = (0..STALLED).map(|_| server.connect()).collect();
    let places: Arc<[AtomicUsize]> = (0..READERS).map(|_| AtomicUsize::new(0)).collect();
    let readers: Vec<_> = (0..READERS)
        .map(|i| {
            let (text, places) = (Arc::clone(&text), Arc::clone(&places));
            let socket = server.connect();
            socket.set_nonblocking(true).unwrap();
            runtime.spawn(async move {
                let mut socket = tokio::net::TcpStream::from_std(socket).unwrap();
                let mut buf = vec![0; 16 << 10];
                let mut at = 0;
                loop {
                    let n = socket.read(&mut buf).await.unwrap();
                    if n == 0 {
                        return at;
                    }
                    let expected = text.as_bytes().get(at..at + n);
                    assert_eq!(expected, Some(&buf[..n]), "reader {i} at byte {at}");
                    at += n;
                    places[i].store(at, Relaxed);
                }
            })
        })
        .collect();
    server.connected(READERS + STALLED);
    for block in 1..=BLOCKS {
        let (from, to) = (starts[(block - 1) * BLOCK], starts[block * BLOCK]);
        server.write(&text[from..to]);
        until("all readers have all", || {
            let slowest = places.iter().map(|place| place.load(Relaxed)).min();
            (slowest == Some(to)).then_some(())
        });
    }
    let after = peak(server.running.id());
    // They wake up before the end, so that they get the rest and not the time-out.
    let stalled: Vec<_> = stalled
        .into_iter()
        .map(|socket| runtime.spawn_blocking(move || read(socket)))
        .collect();
    let said = server.end(0);
    let records = (BLOCK * BLOCKS) as u64;
    let (mut sent, mut skipped) = (0, 0);
    runtime.block_on(async {
        for reader in readers {
            assert_eq!(reader.await.unwrap(), text.len());
            sent += records;
        }
        for client in stalled {
            let (had, told) = accounted(&client.await.unwrap(), &text, &starts);
            assert!(
                told > 0,
                "{} bytes are no more than a client holds",
                text.len()
            );
            sent += had;
            skipped += told;
        }
    });
    assert_eq!(sent + skipped, (READERS + STALLED) as u64 * records);
    assert!(
        said.contains(&format!("\n{sent} packets sent to clients")),
        "{said}"
    );
    assert!(
        said.contains(&format!("\n{skipped} packets skipped for slow")),
        "{said}"
    );
    if let (Some(before), Some(after)) = (before, after) {
        let grown = after - before;
        println!("memory grew by {} KiB", grown >> 10);
        // For each client one piece at most, its task and what it reads into.
        let most = BUFFER + (READERS + STALLED) * (48 << 10);
        assert!(grown <= most, "grew by {grown} bytes, {most} are allowed");
    }
}

#[test]
fn joined_records_are_lines_with_the_same_values() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::new(folder.path(), &["--joined"]);
    let client = server.connect();
    server.connected(1);
    let text = format!(
        "listening on eth0\n{}\tpayload\n10:00:09.000000 ARP, Request\n5 packets captured\n",
        records(3)
    );
    server.write(&text);
    let said = server.end(0);
    let lines = read(client);
    let expected = records(3).replace("\n    ", " ") + "10:00:09.000000 ARP, Request\n";
    assert_eq!(lines, expected);
    let omitted = "listening on eth0\n\tpayload\n5 packets captured\n".len();
    let omitted = format!("\n{omitted} bytes of payload or between packets omitted");
    assert!(said.contains(&omitted), "{said}");
    let parse = |text: &str| {
        let parsed = fed(
            folder.path(),
            &["parse", "--date", "2026-11-30"],
            text.as_bytes(),
        );
        parsed.out
    };
    assert_eq!(parse(&lines), parse(&text));
}

#[test]
fn typed_packets_are_those_that_parse_writes() {
    let folder = tempfile::tempdir().unwrap();
    let options = ["--jsonl", "--date", "2026-11-30", "-o", "sqlite:packets.db"];
    let mut server = Server::new(folder.path(), &options);
    let client = server.connect();
    server.connected(1);
    let text = records(500);
    server.write(&text);
    let said = server.end(0);
    let parsed = fed(
        folder.path(),
        &["parse", "--date", "2026-11-30"],
        text.as_bytes(),
    );
    assert_eq!(read(client), parsed.out);
    for line in [
        "\n500 packets received",
        "\n500 packets written to clients",
        "\n500 packets written to sqlite:packets.db",
        "\n500 packets served",
        "\n500 packets sent to clients",
    ] {
        assert!(said.contains(line), "{line:?} is not in {said}");
    }
    let sinks = ["serve", "0", "-o", "null:"];
    ran(folder.path(), &sinks).failed(2, &["-o needs --jsonl"]);

    // A client that was too slow is told so in JSON.
    let small = ["--jsonl", "--buffer", "64K", "--sndbuf", "16K"];
    let mut server = Server::new(folder.path(), &small);
    let slow = server.connect();
    server.connected(1);
    server.write(&records(20_000));
    until("all is taken", || {
        let taken = report(&server.running).contains("\n20000 packets served");
        taken.then_some(())
    });
    let slow = std::thread::spawn(move || read(slow));
    server.end(0);
    let (mut packets, mut skipped) = (0, 0);
    for line in slow.join().unwrap().lines() {
        let object: serde_json::Value = serde_json::from_str(line).expect(line);
        match object["skipped"].as_u64() {
            Some(n) => skipped += n,
            None => packets += 1,
        }
    }
    assert!(
        skipped > 0 && packets + skipped == 20_000,
        "{packets} and {skipped}"
    );
}

#[test]
fn senders_push_to_one_port_and_clients_fetch_from_another() {
    let folder = tempfile::tempdir().unwrap();
    let ports = [
        "serve",
        "0",
        "--from",
        "0",
        "--flush-after",
        "20ms",
        "--drain-timeout",
        "2s",
    ];
    for typed in [false, true] {
        let more: &[&str] = if typed {
            &["--jsonl", "--origin", "-v"]
        } else {
            &["-v"]
        };
        let running = Running::new(dumpstream(folder.path(), &[&ports, more].concat()));
        let client = TcpStream::connect(serving(&running)).unwrap();
        let said = running.says("serving senders to ");
        let from = said.split("serving senders to ").nth(1).unwrap();
        let from: SocketAddr = from.split(' ').next().unwrap().parse().unwrap();
        running.says("Accepted a connection.");
        let mut senders: Vec<_> = (0..4).map(|_| TcpStream::connect(from).unwrap()).collect();
        // In pieces that end within records, so that the senders alternate.
        let texts: Vec<String> = (0..4)
            .map(|sender| (0..200).map(|n| record(sender * 1000 + n)).collect())
            .collect();
        for part in 0..50 {
            for (socket, text) in senders.iter_mut().zip(&texts) {
                let size = text.len().div_ceil(50);
                let end = text.len().min((part + 1) * size);
                socket
                    .write_all(&text.as_bytes()[part * size..end])
                    .unwrap();
            }
        }
        // One is cut in the midst of its last record.
        senders[0].write_all(&record(7).as_bytes()[..60]).unwrap();
        drop(senders);
        until("all senders are gone", || {
            let said = running.said();
            (said.matches("A sender disconnected.").count() == 4).then_some(())
        });
        running.signal("TERM");
        let got = read(client);
        let (status, said) = running.end();
        assert_eq!(status.code(), Some(0), "{said}");
        if typed {
            assert_eq!(got.lines().count(), 801, "{said}");
            let streams: std::collections::HashSet<String> = got
                .lines()
                .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
                .map(|row| row["stream"].to_string())
                .collect();
            assert_eq!(streams.len(), 4);
            continue;
        }
        let mut lines = got.lines();
        let mut whole = 0;
        while let Some(head) = lines.next() {
            if head == &record(7)[..60] {
                continue;
            }
            let two = format!("{head}\n{}\n", lines.next().unwrap());
            assert!(texts.iter().any(|text| text.contains(&two)), "{two}");
            whole += 1;
        }
        assert_eq!(whole, 800);
    }
    let both = ["serve", "0", "--from", "0", "day.txt"];
    ran(folder.path(), &both).failed(2, &["two inputs"]);
}

/// A text that waits for a client does not wait after a signal.
#[test]
fn a_signal_ends_waiting_for_a_stalled_client() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("day.txt"), records(50_000)).unwrap();
    let arguments = [
        "serve",
        "0",
        "day.txt",
        "--buffer",
        "64K",
        "--sndbuf",
        "16K",
        "--drain-timeout",
        "200ms",
    ];
    let running = Running::new(dumpstream(folder.path(), &arguments));
    let client = TcpStream::connect(serving(&running)).unwrap();
    assert!(client.peek(&mut [0; 1]).unwrap() > 0, "it has begun");
    until("it waits", || {
        let before = report(&running);
        std::thread::sleep(Duration::from_millis(200));
        (report(&running) == before).then_some(())
    });
    running.signal("TERM");
    let (status, said) = running.end();
    assert_eq!(status.code(), Some(5), "{said}");
}

#[test]
fn slow_clients_may_be_disconnected_or_waited_for() {
    let text = records(20_000);
    // Nobody reads: the text goes on, and the client is reset.
    let folder = tempfile::tempdir().unwrap();
    let small = ["--buffer", "64K", "--sndbuf", "16K", "--slow"];
    let mut server = Server::new(folder.path(), &[&small[..], &["disconnect"]].concat());
    let mut client = server.connect();
    server.connected(1);
    server.write(&text);
    server
        .running
        .says("Disconnected a client that was too slow.");
    let mut all = Vec::new();
    let error = client.read_to_end(&mut all).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    let said = server.end(0);
    assert!(
        said.contains("1 client, 1 disconnected as too slow"),
        "{said}"
    );

    // It reads after a while, and has lost nothing.
    let mut server = Server::new(folder.path(), &[&small[..], &["block"]].concat());
    let (slow, fast) = (server.connect(), server.connect());
    server.connected(2);
    let fast = std::thread::spawn(move || read(fast));
    std::thread::scope(|scope| {
        scope.spawn(|| server.write(&text));
        until("it waits", || {
            (slow.peek(&mut [0; 1]).unwrap() > 0).then_some(())
        });
        let slow = scope.spawn(|| {
            let mut text = vec![0; text.len()];
            (&slow).read_exact(&mut text).unwrap();
            text
        });
        assert!(slow.join().unwrap() == text.as_bytes());
    });
    let said = server.end(0);
    assert_eq!(fast.join().unwrap(), text);
    assert!(!said.contains("skipped"), "{said}");
}

#[test]
fn a_client_that_is_disconnected_as_slow_is_never_skipped_ahead() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("day.txt"), records(20_000)).unwrap();
    let serve = [
        "serve",
        "0",
        "day.txt",
        "--buffer",
        "64K",
        "--slow",
        "disconnect",
    ];
    for _ in 0..8 {
        let running = Running::new(dumpstream(folder.path(), &serve));
        let mut text = Vec::new();
        // It may be fast enough or not.
        let mut client = TcpStream::connect(serving(&running)).unwrap();
        client.read_to_end(&mut text).ok();
        assert!(!String::from_utf8(text).unwrap().contains("skipped"));
    }
}

#[test]
fn a_client_has_its_time_after_the_end_of_the_text() {
    let folder = tempfile::tempdir().unwrap();
    let text = records(5_000);
    fs::write(folder.path().join("day.txt"), &text).unwrap();
    let serve = [
        "serve",
        "0",
        "day.txt",
        "--sndbuf",
        "16K",
        "--drain-timeout",
        "1s",
    ];
    let running = Running::new(dumpstream(folder.path(), &serve));
    let mut client = TcpStream::connect(serving(&running)).unwrap();
    SockRef::from(&client)
        .set_recv_buffer_size(16 << 10)
        .unwrap();
    let (mut all, mut some) = (Vec::new(), [0; 64 << 10]);
    loop {
        match client.read(&mut some).unwrap() {
            0 => break,
            n => all.extend_from_slice(&some[..n]),
        }
        std::thread::sleep(std::time::Duration::from_millis(40));
    }
    assert!(
        all == text.as_bytes(),
        "{} of {} bytes",
        all.len(),
        text.len()
    );
    let (status, said) = running.end();
    assert_eq!(status.code(), Some(0), "{said}");
}

#[test]
fn a_file_begins_with_its_first_client() {
    let folder = tempfile::tempdir().unwrap();
    let text = records(50_000);
    fs::write(folder.path().join("day.txt.gz"), gz(text.as_bytes())).unwrap();
    let small = ["serve", "0", "day.txt.gz", "--buffer", "64K"];
    let running = Running::new(dumpstream(folder.path(), &small));
    let client = TcpStream::connect(serving(&running)).unwrap();
    assert_eq!(read(client), text);
    let (status, said) = running.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("\n50000 packets sent to clients"), "{said}");
    let gone = ["serve", "0", "gone.txt", "--wait", "0"];
    ran(folder.path(), &gone).failed(1, &["gone.txt"]);
}

#[test]
fn a_signal_ends_the_text_and_clients_get_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    for (name, stalled) in [("TERM", false), ("INT", true)] {
        let mut server = Server::new(
            folder.path(),
            &["--sndbuf", "16K", "--drain-timeout", "300ms"],
        );
        let client = server.connect();
        server.connected(1);
        // The last record waits for its successor.
        let text = records(10_000);
        server.write(&text);
        server.running.signal(name);
        if stalled {
            let said = server.end(5);
            assert!(
                said.contains(" not sent when --drain-timeout expired"),
                "{said}"
            );
            // It is not the end of the text.
            let error = { client }.read_to_end(&mut Vec::new()).unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        } else {
            assert!(text.starts_with(&read(client)));
            server.end(0);
        }
    }
}

#[test]
fn what_was_skipped_is_counted_where_it_arrives() {
    let folder = tempfile::tempdir().unwrap();
    let skipped = "dumpstream: skipped 7 records\n";
    let text = format!("{}{skipped}{}", records(2), records(1));
    let parse = |text: &str, more: &[&str]| {
        let parsed = fed(
            folder.path(),
            &[&["parse", "--raw"], more].concat(),
            text.as_bytes(),
        );
        assert_eq!(parsed.code, Some(0), "{parsed:?}");
        let raw = parsed.json().into_iter().map(|row| row["raw"].to_string());
        assert!(
            raw.clone().all(|raw| !raw.contains("skipped")),
            "{parsed:?}"
        );
        assert_eq!(raw.count(), 3);
        parsed.err
    };
    for engine in ["slot", "regex"] {
        let said = parse(&text, &["--engine", engine]);
        assert!(
            said.contains("\n7 packets not sent by `dumpstream serve`"),
            "{said}"
        );
        assert!(said.contains("\n30 bytes skipped, of messages"), "{said}");
        assert!(!said.contains("lost"), "{said}");
    }
    // Where the numbers of -# show the same loss, it is not counted twice.
    let numbered = |n: usize| format!("{n:5}  {}", record(n));
    let text = format!("{}{}{skipped}{}", numbered(1), numbered(2), numbered(10));
    let said = parse(&text, &[]);
    assert!(said.contains("\n7 packets lost"), "{said}");
    assert!(
        said.contains(
            "\n7 packets not sent by `dumpstream serve`: read too slowly here, among those lost"
        ),
        "{said}"
    );
}

#[test]
fn what_cannot_be_served_is_said() {
    let folder = tempfile::tempdir().unwrap();
    ran(folder.path(), &["serve"]).failed(2, &["missing port"]);
    ran(folder.path(), &["serve", "0.0.0.0:0"]).failed(2, &["--allow"]);
    let foreign = fed(folder.path(), &["serve", "0"], b"{\"a\": 1}\n");
    foreign.failed(0, &["No packets found", "JSON"]);
    // As nc spells it.
    let mut nc = dumpstream(folder.path(), &["serve", "-l", "-k", "-n", "-p", "0"]);
    let running = Running::new({
        nc.stdin(Stdio::null());
        nc
    });
    assert!(serving(&running).ip().is_loopback());
    assert_eq!(running.end().0.code(), Some(0));
}

#[test]
fn whoever_is_not_allowed_or_too_many_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::new(folder.path(), &["-m", "1"]);
    let _only = server.connect();
    server.connected(1);
    let mut other = BufReader::new(server.connect());
    // Reset, or closed before it could be.
    other.read_line(&mut String::new()).unwrap_or(0);
    server.running.says("`--max-connections` (1) is reached");
    let said = server.end(0);
    assert!(
        said.contains("\n1 connection refused, over the connection limit"),
        "{said}"
    );
}

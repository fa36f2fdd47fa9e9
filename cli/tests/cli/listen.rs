use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use rusqlite::{Connection, OpenFlags};

use super::program::{Running, dumpstream, ran, record, records, until};

/// A listener on a free port.
fn listening(folder: &Path, arguments: &[&str]) -> Running {
    Running::new(dumpstream(folder, &[&["listen", "0"], arguments].concat()))
}

/// Sends text as `nc -N` does.
fn send(running: &Running, text: &str) {
    let mut socket = TcpStream::connect(running.address()).unwrap();
    socket.write_all(text.as_bytes()).unwrap();
}

/// What one query of one column and one row gives.
fn ask(folder: &Path, sql: &str) -> i64 {
    let database = Connection::open(folder.join("packets.db")).unwrap();
    database
        .busy_timeout(std::time::Duration::from_secs(60))
        .unwrap();
    database.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Waits until so many rows can be read.
#[track_caller]
fn rows(folder: &Path, count: i64) {
    let file = folder.join("packets.db");
    // The table may not be there yet.
    let counted = || -> rusqlite::Result<i64> {
        let database = Connection::open_with_flags(&file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        database.query_row("SELECT count(*) FROM packets", [], |row| row.get(0))
    };
    until(&format!("{count} rows are there"), || {
        counted().is_ok_and(|rows| rows >= count).then_some(())
    });
}

#[test]
fn one_connection_and_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let running = listening(folder.path(), &[]);
    send(&running, &records(3));
    let (status, said) = running.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("\n3 packets received"), "{said}");
    assert!(said.contains("\n1 connection"), "{said}");
    assert!(
        said.contains("\n3 packets written to sqlite:packets.db"),
        "{said}"
    );
    assert!(!said.contains("dropped"), "{said}");
    let named = "SELECT count(*) FROM packets WHERE sensor = '127.0.0.1' AND stream IS NOT NULL";
    assert_eq!(ask(folder.path(), named), 3);
}

#[test]
fn signals_drain_report_and_end() {
    for name in ["TERM", "INT"] {
        let folder = tempfile::tempdir().unwrap();
        let running = listening(folder.path(), &["-k"]);
        send(&running, &records(2));
        // A sender that stays, in the midst of a record.
        let mut stays = TcpStream::connect(running.address()).unwrap();
        stays.write_all(records(2).as_bytes()).unwrap();
        stays.write_all(&record(2).as_bytes()[..100]).unwrap();
        rows(folder.path(), 4);
        running.signal("USR1");
        running.says("packets written to sqlite:packets.db");
        send(&running, &records(1));
        rows(folder.path(), 5);
        running.signal(name);
        let (status, said) = running.end();
        assert_eq!(status.code(), Some(0), "{said}");
        let report = said.split("stopping").nth(1).expect(&said);
        assert!(report.contains("\n6 packets received"), "{said}");
        assert!(report.contains("\n1 packet truncated"), "{said}");
        assert!(
            report.contains("\n6 packets written to sqlite:packets.db"),
            "{said}"
        );
        assert_eq!(ask(folder.path(), "SELECT count(*) FROM packets"), 6);
    }
}

#[test]
fn nc_spells_it_so() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "listen",
        "-l",
        "-k",
        "-n",
        "-p",
        "0",
        "127.0.0.1",
        "-o",
        "jsonl:out.jsonl",
    ];
    let running = Running::new(dumpstream(folder.path(), &arguments));
    assert!(running.address().ip().is_loopback());
    send(&running, &records(2));
    let read = || fs::read_to_string(folder.path().join("out.jsonl")).unwrap();
    until("two lines are written", || {
        (read().lines().count() == 2).then_some(())
    });
    running.signal("TERM");
    assert_eq!(running.end().0.code(), Some(0));
    let row: serde_json::Value = serde_json::from_str(read().lines().next().unwrap()).unwrap();
    assert_eq!(
        (&row["sensor"], &row["record"]),
        (&"127.0.0.1".into(), &1.into())
    );
}

#[test]
fn other_hosts_need_to_be_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let open = ran(folder.path(), &["listen", "0.0.0.0:0"]);
    open.failed(2, &["--allow", "127.0.0.1"]);
    ran(folder.path(), &["listen", "0", "--allow", "everyone"]).failed(2, &["everyone"]);
    ran(folder.path(), &["listen", "70000"]).failed(2, &["70000"]);
    assert!(
        !folder.path().join("packets.db").exists(),
        "nothing was listened for"
    );
}

#[test]
fn a_port_that_is_taken_is_exit_1() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    ran(folder.path(), &["listen", &port]).failed(1, &["cannot listen", &port]);
    assert!(!folder.path().join("packets.db").exists());
}

#[test]
fn killed_in_mid_load_it_leaves_whole_rows() {
    let folder = tempfile::tempdir().unwrap();
    let running = listening(folder.path(), &["-k"]);
    let address = running.address();
    let senders: Vec<_> = (0..4)
        .map(|_| {
            thread::spawn(move || {
                let mut socket = TcpStream::connect(address).unwrap();
                let text = records(1000);
                // Until the other end is gone.
                while socket.write_all(text.as_bytes()).is_ok() {}
            })
        })
        .collect();
    rows(folder.path(), 2000);
    let streams = "SELECT count(DISTINCT stream) FROM packets";
    until("each stream has rows", || {
        (ask(folder.path(), streams) == 4).then_some(())
    });
    running.signal("KILL");
    let (status, _) = running.end();
    assert_eq!(status.code(), None);
    for sender in senders {
        sender.join().unwrap();
    }
    let database = Connection::open(folder.path().join("packets.db")).unwrap();
    let verdict: String = database
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(verdict, "ok");
    // Of each stream the first rows, none missing between, each with all that it had.
    let gaps = "SELECT count(*) FROM (SELECT stream FROM packets GROUP BY stream
                HAVING min(record) <> 1 OR max(record) <> count(*))";
    assert_eq!(ask(folder.path(), gaps), 0);
    let whole = "SELECT count(*) FROM packets WHERE time IS NULL OR source IS NOT '192.0.2.1'
                 OR destination_port IS NOT 9999 OR payload_length IS NOT 2";
    assert_eq!(ask(folder.path(), whole), 0);
    assert!(ask(folder.path(), "SELECT count(*) FROM packets") >= 2000);
    assert_eq!(
        ask(folder.path(), "SELECT count(DISTINCT stream) FROM packets"),
        4
    );
    // And it is gone on with.
    let again = listening(folder.path(), &[]);
    send(&again, &records(1));
    assert_eq!(again.end().0.code(), Some(0));
    assert_eq!(
        ask(folder.path(), "SELECT count(DISTINCT stream) FROM packets"),
        5
    );
}

#[test]
fn replay_listen_query() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("day.txt"), records(60)).unwrap();
    let running = listening(folder.path(), &[]);
    let address = running.address();
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let replay = ran(
        folder.path(),
        &["replay", "day.txt", &host, &port, "-x", "1000"],
    );
    replay.failed(0, &["Actual: 60 packets", "Rated: "]);
    assert_eq!(running.end().0.code(), Some(0));
    let sql = "SELECT source, count(*) n, sum(payload_length) bytes FROM packets GROUP BY 1";
    let query = ran(folder.path(), &["query", sql]).quiet();
    assert_eq!(query.out, "source      n  bytes\n192.0.2.1  60    120\n");
}

#[test]
fn connect_reads_what_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port().to_string();
    let arguments = ["connect", "127.0.0.1", &port, "--no-retry"];
    let running = Running::new(dumpstream(folder.path(), &arguments));
    let (mut socket, _) = server.accept().unwrap();
    socket.write_all(records(4).as_bytes()).unwrap();
    drop(socket);
    let (status, said) = running.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(
        said.contains("4 packets written to sqlite:packets.db"),
        "{said}"
    );
    drop(server);
    ran(folder.path(), &arguments).failed(1, &["cannot connect", &port]);
    ran(
        folder.path(),
        &["connect", "127.0.0.1", &port, "--retry", "1"],
    )
    .failed(1, &[&port]);
}

#[test]
fn text_of_dash_a_is_closed_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let sample = given::sample("4.99.3/http/v-A.txt");
    let sample = sample.to_str().unwrap();
    let running = listening(folder.path(), &["-k"]);
    send(&running, &fs::read_to_string(sample).unwrap());
    running.says("-A");
    send(&running, &records(2));
    rows(folder.path(), 2);
    running.signal("TERM");
    let (status, said) = running.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(
        said.contains("2 connections, 1 refused (tcpdump -A)"),
        "{said}"
    );
}

/// A port that was free a moment ago, for a listener that cannot say where it listens.
fn free() -> std::net::SocketAddr {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    taken.local_addr().unwrap()
}

/// Text that is warned of: a name for an address.
fn named(n: usize) -> String {
    records(n).replace("192.0.2.1.", "sensor.example.")
}

#[test]
fn data_goes_on_where_standard_error_is_dead() {
    let stderr = || -> Vec<(&'static str, Stdio)> {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut dead = vec![("a pipe without a reader", writer.into())];
        if let Ok(full) = fs::File::options().write(true).open("/dev/full") {
            dead.push(("a full device", full.into()));
        }
        dead
    };
    for (what, dead) in stderr() {
        let folder = tempfile::tempdir().unwrap();
        let address = free();
        let port = address.port().to_string();
        let mut command = dumpstream(folder.path(), &["listen", "-k", "-v", &port]);
        let running = Running::mute(command.stderr(dead));
        for part in 1..=2 {
            let mut socket = until("it listens", || TcpStream::connect(address).ok());
            socket.write_all(named(3).as_bytes()).unwrap();
            drop(socket);
            rows(folder.path(), 3 * part);
        }
        running.signal("TERM");
        assert_eq!(running.end().0.code(), Some(0), "{what}");
    }
}

#[test]
fn who_loses_packets_is_named_while_it_does_and_when_it_goes() {
    let folder = tempfile::tempdir().unwrap();
    let running = listening(folder.path(), &["-k", "-o", "null:"]);
    let numbered = |n: usize| format!("{n:5}  {}", record(n));
    send(&running, &(1..50).map(numbered).collect::<String>());
    let mut socket = TcpStream::connect(running.address()).unwrap();
    let with_losses = (1..50).filter(|n| n % 10 != 0).map(numbered);
    socket
        .write_all(with_losses.collect::<String>().as_bytes())
        .unwrap();
    // It is still connected.
    running.says("Numbers of -# are missing");
    drop(socket);
    running.says("lost=4 suspect=0");
    running.signal("TERM");
    let (_, said) = running.end();
    assert!(said.contains("\n4 packets lost"), "{said}");
    assert_eq!(said.matches("Numbers of -#").count(), 1, "{said}");
    assert_eq!(said.matches("A sender disconnected").count(), 1, "{said}");
}

#[test]
fn a_lane_that_drops_is_told_of_once_each_way() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    // Opened both ways, so that it is there before anyone writes.
    let reader = fs::File::options().read(true).write(true).open(&fifo);
    let mut reader = reader.unwrap();
    let full = [
        "-k",
        "--queue",
        "64K",
        "-o",
        "null:",
        "-o",
        "jsonl:fifo?on_full=drop",
    ];
    let running = listening(folder.path(), &full);
    send(&running, &records(5000));
    running.says("cannot keep up");
    let drained = thread::spawn(move || while reader.read(&mut [0; 65_536]).unwrap() > 0 {});
    let said = until("it keeps up again", || {
        send(&running, &records(1));
        thread::sleep(std::time::Duration::from_millis(50));
        let said = running.said();
        said.contains("keeps up again").then_some(said)
    });
    assert_eq!(said.matches("cannot keep up").count(), 1, "{said}");
    running.signal("TERM");
    let (status, said) = running.end();
    assert_eq!(
        status.code(),
        Some(0),
        "what was dropped before is no matter of the drain: {said}"
    );
    assert!(said.contains(" packets dropped by jsonl:fifo"), "{said}");
    // It is never closed: the thread ends with the process.
    drop(drained);
}

#[test]
fn an_address_that_cannot_be_is_exit_2_and_nothing_is_made() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, words) in [
        (&["connect", "127.0.0.1"][..], "the port number is missing"),
        (&["connect", "4444", "5555"], "4444 is a number"),
        (&["listen", "4444", "5555"], "4444 is a number"),
        (&["listen", "0", "-m", "0"], "must be greater than 0"),
        (&["listen", "0", "--queue", "0"], "must be greater than 0"),
    ] {
        ran(folder.path(), arguments).failed(2, &[words]);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn whoever_refuses_a_connection_is_not_said_not_to_answer() {
    let folder = tempfile::tempdir().unwrap();
    let port = free().port().to_string();
    let once_more = ["connect", "127.0.0.1", &port, "--retry", "1"];
    let ran = ran(folder.path(), &once_more);
    let ran = ran.failed(1, &["refused the connection; retrying in "]);
    assert_eq!(ran.err.matches("retrying").count(), 1, "{}", ran.err);
}

#[test]
fn everyone_is_told_of_beyond_loopback_only() {
    let folder = tempfile::tempdir().unwrap();
    for (at, told) in [("127.0.0.1:0", false), ("0.0.0.0:0", true)] {
        let arguments = ["listen", at, "--allow", "0.0.0.0/0", "-o", "null:"];
        let running = Running::new(dumpstream(folder.path(), &arguments));
        let port = running.address().port();
        drop(TcpStream::connect(("127.0.0.1", port)).unwrap());
        let (_, said) = running.end();
        assert_eq!(said.contains("Any host"), told, "{said}");
    }
}

#[test]
fn quiet_is_about_all_but_errors() {
    let folder = tempfile::tempdir().unwrap();
    let sample = given::sample("4.99.3/http/v-A.txt");
    let sample = sample.to_str().unwrap();
    let address = free();
    let port = address.port().to_string();
    let running = Running::new(dumpstream(folder.path(), &["listen", "-q", "-k", &port]));
    let mut socket = until("it listens", || TcpStream::connect(address).ok());
    socket.write_all(&fs::read(sample).unwrap()).ok();
    drop(socket);
    running.says("Refused a sender");
    running.signal("TERM");
    let (status, said) = running.end();
    assert_eq!(
        (status.code(), said.lines().count()),
        (Some(0), 1),
        "{said}"
    );
}

#[test]
fn the_empty_line_of_ctrl_c_is_no_loss() {
    let folder = tempfile::tempdir().unwrap();
    let running = listening(folder.path(), &["-v", "--flush-after", "20ms"]);
    let mut socket = TcpStream::connect(running.address()).unwrap();
    socket.write_all(records(1).as_bytes()).unwrap();
    rows(folder.path(), 1);
    socket.write_all(b"\n").unwrap();
    drop(socket);
    let (status, said) = running.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(!said.contains("skipped"), "{said}");
    assert!(said.contains("A sender disconnected."), "{said}");
}

#[test]
fn refused_connections_are_one_line_a_second() {
    const REFUSED: usize = 500;
    let folder = tempfile::tempdir().unwrap();
    let listen = ["listen", "-k", "0", "--max-connections", "1"];
    let running = Running::new(dumpstream(folder.path(), &listen));
    let address = running.address();
    let mut only = TcpStream::connect(address).unwrap();
    only.write_all(records(2).as_bytes()).unwrap();
    let start = Instant::now();
    for _ in 0..REFUSED {
        TcpStream::connect(address).unwrap();
    }
    let told = |said: &str| -> Vec<usize> {
        let lines = said.lines().filter(|line| line.contains("Refused "));
        lines
            .map(|line| {
                let count = line.split("Refused ").nth(1).unwrap();
                let count = count.split(' ').next().unwrap();
                count.parse().unwrap_or(1)
            })
            .collect()
    };
    // The last ones are reported when their second is over.
    let lines = until("all are reported", || {
        let lines = told(&running.said());
        (lines.iter().sum::<usize>() == REFUSED).then_some(lines)
    });
    let seconds = start.elapsed().as_secs() as usize;
    assert!(lines.len() <= 2 + seconds, "{lines:?} in {seconds} s");
    running.signal("TERM");
    let (status, said) = running.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(
        said.contains(&format!("{REFUSED} over the connection limit")),
        "{said}"
    );
}

/// A name of the user's for live text: each run is a stream of its own.
#[test]
fn a_second_run_under_one_name_adds_its_rows() {
    let folder = tempfile::tempdir().unwrap();
    for (run, more) in [&["--stream", "x"][..], &["--stream", "x", "--replace"]]
        .iter()
        .enumerate()
    {
        let running = listening(folder.path(), more);
        let said = running.says("listening on");
        let stream = said
            .split(", stream ")
            .nth(1)
            .unwrap()
            .lines()
            .next()
            .unwrap()
            .to_owned();
        assert!(
            stream.starts_with("x-20") && stream.len() > "x-20261130T165254Z".len(),
            "{stream}"
        );
        send(&running, &records(3));
        assert!(running.end().0.success());
        assert_eq!(
            ask(folder.path(), "SELECT count(*) FROM packets"),
            3 * (run as i64 + 1)
        );
        let sql = format!("SELECT count(*) FROM packets WHERE stream = '{stream}'");
        assert_eq!(ask(folder.path(), &sql), 3);
    }
}

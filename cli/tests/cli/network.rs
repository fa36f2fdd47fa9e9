//! `listen` and `connect` on the network: who gets in, for how long, and what it costs.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::program::{Running, dumpstream, ran, record, records, until};

fn running(folder: &Path, arguments: &[&str]) -> Running {
    Running::new(dumpstream(folder, arguments))
}

/// Waits until a file has so many lines.
#[track_caller]
fn lines(folder: &Path, count: usize) {
    let file = folder.join("out.jsonl");
    let read = || fs::read_to_string(&file).map_or(0, |text| text.lines().count());
    until(&format!("{count} lines are written"), || {
        (read() >= count).then_some(())
    });
}

#[track_caller]
fn stopped(running: Running) -> String {
    running.signal("TERM");
    let (status, said) = running.end();
    assert_eq!(status.code(), Some(0), "{said}");
    said
}

#[test]
fn letters_are_combined_as_nc_takes_them() {
    for letters in [
        &["-lkp", "0"][..],
        &["-lk", "0"],
        &["-nlvp", "0", "-k"],
        &["-k", "-s", "127.0.0.1", "-p", "0"],
        &["-4lk", "localhost", "0"],
        &["-lk", "-m", "3", "-w", "100", "127.0.0.1:0"],
    ] {
        let folder = tempfile::tempdir().unwrap();
        let arguments = [&["listen", "-o", "jsonl:out.jsonl"], letters].concat();
        let running = running(folder.path(), &arguments);
        let address = running.address();
        assert!(address.is_ipv4() && address.ip().is_loopback(), "{address}");
        let mut sender = TcpStream::connect(address).unwrap();
        sender.write_all(records(2).as_bytes()).unwrap();
        drop(sender);
        lines(folder.path(), 2);
        stopped(running);
    }
    let folder = tempfile::tempdir().unwrap();
    for (wrong, word) in [
        (&["listen", "-s", "::1", "host", "0"][..], "-s ::1"),
        (&["listen", "-4", "-6", "0"], "--ipv6"),
        (&["listen", "-U", "x", "0"], "--unixsock"),
        (&["listen", "-4", "[::1]:0"], "[::1]:0"),
        (&["listen", "--tls-key", "x", "0"], "--tls"),
        (&["connect", "--tls-insecure", "localhost", "1"], "--tls"),
    ] {
        let ran = ran(folder.path(), wrong);
        assert!(matches!(ran.code, Some(1 | 2)), "{ran:?}");
        assert!(ran.err.contains(word), "{ran:?}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_unix_socket_is_listened_on_and_replaced_only_if_nobody_listens() {
    let folder = tempfile::tempdir().unwrap();
    let listen = ["listen", "-lkU", "gate.sock", "-o", "jsonl:out.jsonl"];
    let socket = folder.path().join("gate.sock");
    // What a process that was killed leaves behind.
    drop(UnixListener::bind(&socket).unwrap());
    let first = running(folder.path(), &listen);
    first.says("listening on gate.sock");
    let mut sender = UnixStream::connect(&socket).unwrap();
    sender.write_all(records(2).as_bytes()).unwrap();
    drop(sender);
    lines(folder.path(), 2);
    let row = fs::read_to_string(folder.path().join("out.jsonl")).unwrap();
    assert!(row.contains(r#""sensor":"gate.sock""#), "{row}");
    // Someone listens on it: it is not taken away.
    ran(folder.path(), &listen).failed(1, &["cannot listen on gate.sock"]);
    UnixStream::connect(&socket).unwrap();
    stopped(first);
    assert!(!socket.exists(), "its file is removed");
    // What is not a socket is not touched.
    fs::write(&socket, "mine").unwrap();
    ran(folder.path(), &listen).failed(1, &["cannot listen on gate.sock"]);
    assert_eq!(fs::read_to_string(&socket).unwrap(), "mine");
}

#[test]
fn connect_reads_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let server = UnixListener::bind(folder.path().join("serve")).unwrap();
    let connect = [
        "connect",
        "-U",
        "serve",
        "--no-retry",
        "-o",
        "jsonl:out.jsonl",
    ];
    let running = running(folder.path(), &connect);
    let (mut sensor, _) = server.accept().unwrap();
    sensor.write_all(records(3).as_bytes()).unwrap();
    drop(sensor);
    let (status, said) = running.end();
    assert_eq!(status.code(), Some(0), "{said}");
    lines(folder.path(), 3);
}

#[test]
fn a_probe_says_whether_someone_listens_and_stores_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port().to_string();
    let probe = ["connect", "-vz", "-w", "5", "127.0.0.1", &port];
    let open = ran(folder.path(), &probe);
    assert_eq!(open.code, Some(0), "{open:?}");
    assert!(open.err.contains("accepts connections"), "{open:?}");
    let (mut probed, _) = server.accept().unwrap();
    assert_eq!(probed.read(&mut [0; 1]).unwrap(), 0, "not a byte");
    drop(server);
    ran(folder.path(), &probe).failed(1, &["refused"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_silent_connection_is_closed_if_asked_to() {
    let folder = tempfile::tempdir().unwrap();
    let listen = ["listen", "-k", "0", "-w", "300ms", "-o", "jsonl:out.jsonl"];
    let listening = running(folder.path(), &listen);
    let mut silent = TcpStream::connect(listening.address()).unwrap();
    silent.write_all(records(2).as_bytes()).unwrap();
    // It is closed, and not a byte is said.
    assert!(matches!(silent.read(&mut [0; 1]), Ok(0) | Err(_)));
    lines(folder.path(), 2);
    let said = stopped(listening);
    assert!(
        said.contains("1 connection, 1 closed after --idle-timeout"),
        "{said}"
    );
    // The only one: an end, and no error.
    let listening = running(
        folder.path(),
        &["listen", "0", "-w", "100ms", "-o", "null:"],
    );
    let _silent = TcpStream::connect(listening.address()).unwrap();
    assert_eq!(listening.end().0.code(), Some(0));
}

#[test]
fn deny_wins_over_allow() {
    let folder = tempfile::tempdir().unwrap();
    let allow = ["--allow", "127.0.0.0/8", "--deny", "127.0.0.1"];
    let listen = ["listen", "-k", "0", "-o", "null:"];
    let listening = running(folder.path(), &[&listen[..], &allow].concat());
    let mut denied = TcpStream::connect(listening.address()).unwrap();
    denied.write_all(records(1).as_bytes()).ok();
    assert!(matches!(denied.read(&mut [0; 1]), Ok(0) | Err(_)));
    listening.says("`--deny`");
    let said = stopped(listening);
    assert!(said.contains("0 packets received (0 bytes)"), "{said}");
    assert!(said.contains("0 connections, 1 not allowed"), "{said}");
}

/// One sender, one connection after another, as fast as it can: its places are free in time.
#[test]
fn short_connections_one_after_another_are_all_read() {
    const CONNECTIONS: usize = 5000;
    let folder = tempfile::tempdir().unwrap();
    let few = ["--max-connections", "4", "-o", "null:"];
    let listening = running(folder.path(), &[&["listen", "-k", "0"][..], &few].concat());
    let address = listening.address();
    for n in 0..CONNECTIONS {
        let mut sender = TcpStream::connect(address).unwrap();
        sender.write_all(record(n).as_bytes()).unwrap();
    }
    let said = stopped(listening);
    let all = format!("\n{CONNECTIONS} connections\n");
    assert!(said.contains(&all), "{said}");
    assert!(
        said.contains(&format!("{CONNECTIONS} packets received")),
        "{said}"
    );
}

#[test]
fn a_record_that_a_broken_connection_has_cut_is_not_continued_by_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap().to_string();
    let connect = ["connect", &address, "-v", "--raw", "-o", "jsonl:out.jsonl"];
    let connecting = running(folder.path(), &connect);
    let text = record(1);
    let (begin, end) = text.split_at(text.find("\n    ").unwrap() + 9);
    for (part, rows) in [(begin, 1), (&[end, &record(2)].concat(), 2)] {
        let (mut sensor, _) = server.accept().unwrap();
        sensor.write_all(part.as_bytes()).unwrap();
        drop(sensor);
        lines(folder.path(), rows);
    }
    connecting.says("Connecting to ");
    connecting.says("Connected.");
    let said = stopped(connecting);
    let out = fs::read_to_string(folder.path().join("out.jsonl")).unwrap();
    let rows: Vec<serde_json::Value> = out
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(rows.len(), 2, "{out}");
    assert_eq!(
        (&rows[0]["raw"], &rows[0]["truncated"]),
        (&begin.into(), &true.into())
    );
    assert_eq!(
        (&rows[1]["raw"], &rows[1]["truncated"]),
        (&record(2).into(), &().into())
    );
    let skipped = format!("{} bytes skipped", end.len());
    assert!(said.contains(&skipped), "{said}");
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "/proc shows the open files")]
fn without_descriptors_it_waits_and_goes_on_once_there_are_some() {
    let folder = tempfile::tempdir().unwrap();
    let mut shell = std::process::Command::new("sh");
    let program = dumpstream(folder.path(), &[]);
    shell
        .args(["-c", "ulimit -n 64; exec \"$@\"", "sh"])
        .arg(program.get_program())
        .args(["listen", "-k", "0", "-o", "jsonl:out.jsonl"])
        .current_dir(folder.path());
    let listening = Running::new(shell);
    let address = listening.address();
    let mut held: Vec<_> = (0..200)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    listening.says("ulimit -n");
    let ticks = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", listening.id())).unwrap();
        let after = stat.rsplit_once(')').unwrap().1;
        let times = after.split_whitespace().skip(11).take(2);
        times.map(|t| t.parse::<u64>().unwrap()).sum::<u64>()
    };
    let before = ticks();
    thread::sleep(Duration::from_secs(2));
    // A busy loop would take 200 and more.
    let busy = ticks() - before;
    assert!(busy < 50, "{busy} ticks in two seconds of nothing");
    let mut last = held.pop().unwrap();
    drop(held);
    last.write_all(records(3).as_bytes()).unwrap();
    drop(last);
    lines(folder.path(), 3);
    let said = stopped(listening);
    assert!(said.contains("\n200 connections"), "{said}");
    assert_eq!(said.matches("ulimit -n").count(), 1, "{said}");
}

fn open_files(running: &Running) -> usize {
    let files = fs::read_dir(format!("/proc/{}/fd", running.id())).unwrap();
    files.count()
}

/// The memory that the process has in use, in MiB.
fn resident(running: &Running) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", running.id())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    let kib: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib >> 10
}

/// Beside two thousand connections of every hostile kind, one good sender loses nothing, memory
/// stays within what was set, and every descriptor comes back.
#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "/proc shows memory and open files")]
fn hostile_connections_take_nothing_from_a_good_sender() {
    const EACH: usize = 500;
    const GOOD: usize = 20_000;
    let folder = tempfile::tempdir().unwrap();
    let limits = [
        "--memory",
        "32M",
        "--queue",
        "16M",
        "--max-record",
        "64K",
        "-m",
        "4000",
    ];
    let listen = ["listen", "-k", "0", "-o", "jsonl:out.jsonl"];
    let plain = running(folder.path(), &[&listen[..], &limits].concat());
    let tls = [
        "listen",
        "-k",
        "0",
        "--tls",
        "--tls-timeout",
        "2s",
        "-o",
        "null:",
    ];
    let tls = running(folder.path(), &tls);
    let (address, tls_address) = (plain.address(), tls.address());
    let (files, tls_files) = (open_files(&plain), open_files(&tls));

    let good = thread::spawn(move || {
        let mut sender = TcpStream::connect(address).unwrap();
        for piece in records(GOOD).as_bytes().chunks(10_000) {
            sender.write_all(piece).unwrap();
            thread::sleep(Duration::from_millis(1));
        }
    });
    let dial = || TcpStream::connect(address).unwrap();
    let mut held: Vec<TcpStream> = Vec::new();
    for n in 0..EACH {
        // Nothing, or a byte now and then.
        held.push(dial());
        // Reset with something on its way.
        let mut reset = dial();
        reset.write_all(&record(n).as_bytes()[..100]).unwrap();
        socket2::SockRef::from(&reset)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
        drop(reset);
        // A line that does not end.
        let mut endless = dial();
        endless.write_all(record(n).trim_end().as_bytes()).unwrap();
        endless.set_nonblocking(true).unwrap();
        held.push(endless);
        // A handshake that is not finished.
        let mut hello = TcpStream::connect(tls_address).unwrap();
        hello.write_all(&[22, 3, 1, 2, 0, 1]).unwrap();
        held.push(hello);
    }
    for round in 0..40 {
        for (n, socket) in held.iter_mut().enumerate() {
            match n % 3 {
                0 if round % 10 == 0 => drop(socket.write(b"x")),
                // As much as goes.
                1 => drop(socket.write(&[b'x'; 16 << 10])),
                _ => {}
            }
        }
    }
    good.join().unwrap();
    let of_good = || {
        let text = fs::read_to_string(folder.path().join("out.jsonl")).unwrap();
        let mut streams = std::collections::HashMap::new();
        for line in text.lines() {
            // The last line may be half written.
            if let Some((_, rest)) = line.split_once("\"stream\":\"") {
                *streams
                    .entry(rest[..16.min(rest.len())].to_owned())
                    .or_insert(0) += 1;
            }
        }
        streams.values().copied().max().unwrap_or(0)
    };
    until("the good sender is read", || {
        (of_good() >= GOOD).then_some(())
    });
    let (most, tls_most) = (resident(&plain), resident(&tls));
    drop(held);
    until("every descriptor is back", || {
        (open_files(&plain) <= files && open_files(&tls) <= tls_files).then_some(())
    });
    assert_eq!(of_good(), GOOD);
    // 32 and 16 MiB, an unfinished record of each that has one, and the program.
    assert!(most < 200, "{most} MiB");
    assert!(tls_most < 200, "{tls_most} MiB");
    println!("{most} MiB, and {tls_most} MiB of TLS");
    stopped(plain);
    let said = stopped(tls);
    assert!(said.contains("0 packets received (0 bytes)"), "{said}");
    assert!(said.contains(" without a TLS handshake"), "{said}");
}

#[test]
fn limits_that_would_end_everything_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["listen", "0", "--idle-timeout", "0"][..],
        &["listen", "0", "--keepalive", "0s"],
        &["connect", "127.0.0.1", "1", "-w", "0"],
        &["replay", "day.txt", "--duration", "0"],
    ] {
        ran(folder.path(), arguments).failed(2, &["must be greater than 0"]);
    }
    std::fs::write(folder.path().join("file"), "kept").unwrap();
    ran(folder.path(), &["listen", "-U", "file"]).failed(1, &["is not a socket"]);
    for arguments in [&["serve", "0", "gone.txt"][..], &["serve", "0", "."]] {
        ran(folder.path(), arguments).failed(1, &[arguments[2]]);
    }
}

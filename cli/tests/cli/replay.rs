//! `replay`: what is sent, when it ends, and what it says.

use std::fs;
use std::io::Read;
use std::net::{TcpListener, TcpStream};

use crate::program::{Ran, Running, dumpstream, fed, ran, records, until};
use crate::serve::{read, serving};

/// A folder with a text of `n` records, one in each second, behind a line of no record.
fn day(n: usize) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("preamble\n{}", records(n));
    fs::write(folder.path().join("day.txt"), &text).unwrap();
    (folder, text)
}

#[test]
fn to_standard_output_no_byte_changes() {
    let (folder, text) = day(60);
    for pace in [
        &["--topspeed"][..],
        &["-x", "1000000"],
        &["--pps", "1000000"],
        &["-M", "100000"],
        &["-x", "1", "--max-gap", "10us"],
    ] {
        let replay = ran(folder.path(), &[&["replay", "day.txt"], pace].concat());
        assert_eq!(replay.out, text);
        let delay = if pace == ["--topspeed"] {
            ""
        } else {
            "Delay: "
        };
        let words = ["Actual: 60 packets", "Rated: ", delay];
        replay.failed(0, &words);
    }
    ran(folder.path(), &["replay", "-q", "day.txt", "--topspeed"]).quiet();
    ran(folder.path(), &["replay", "gone.txt"]).failed(1, &["gone.txt"]);
}

#[test]
fn wrong_usage_names_the_remedy() {
    let (folder, text) = day(3);
    let wrong = |options: &[&str], words: &[&str]| {
        let all = [&["replay", "day.txt"], options].concat();
        let ran = ran(folder.path(), &all).failed(2, words);
        assert_eq!(ran.out, "");
    };
    wrong(&["--topspeed", "-x", "2"], &["--topspeed"]);
    wrong(&["--pps", "10", "--mbps", "2"], &["--pps", "--mbps"]);
    wrong(&["--topspeed", "--max-gap", "1s"], &["--max-gap"]);
    wrong(&["--pps", "0"], &["above 0"]);
    wrong(&["-L", "0"], &["--limit"]);
    let stdin = fed(
        folder.path(),
        &["replay", "-", "--loop", "2"],
        text.as_bytes(),
    );
    stdin.failed(2, &["only once", "save it to a file"]);
}

#[test]
fn loops_and_limits() {
    let (folder, text) = day(3);
    let replay = |options: &[&str]| {
        let all = [&["replay", "day.txt"], options].concat();
        let ran = ran(folder.path(), &all);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        ran
    };
    let thrice = replay(&["--pps", "10000", "--loop", "3"]);
    assert_eq!(thrice.out, text.repeat(3));
    thrice.failed(0, &["Actual: 9 packets", "Loops: 3"]);
    let limited = replay(&["--topspeed", "--loop", "0", "-L", "4"]);
    let end = text.find('\n').unwrap() + 1 + records(1).len();
    assert_eq!(limited.out, text.clone() + &text[..end]);
    // Three records are there for two seconds.
    let ended = replay(&["--duration", "100ms"]);
    assert_eq!(ended.out, text[..end]);
}

/// A replay to a port, and the connection when its first record has come.
fn to_a_port(folder: &tempfile::TempDir, options: &[&str]) -> (Running, TcpStream) {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap().to_string();
    let all = [&["replay", "day.txt", &address], options].concat();
    let running = Running::new(dumpstream(folder.path(), &all));
    let (mut socket, _) = server.accept().unwrap();
    let mut text = vec![0; "preamble\n".len() + records(1).len()];
    socket.read_exact(&mut text).unwrap();
    (running, socket)
}

#[test]
fn a_signal_shows_what_was_sent_and_another_ends_a_long_wait() {
    let (folder, _) = day(3);
    let (running, mut socket) = to_a_port(&folder, &["-x", "0.001"]);
    running.signal("USR1");
    running.says("replaying \"day.txt\"\nActual: 1 packets");
    running.signal("TERM");
    let (status, said) = running.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert_eq!(said.matches("Actual: 1 packets").count(), 2, "{said}");
    // A whole record, and a proper end.
    assert_eq!(socket.read(&mut [0; 9]).unwrap(), 0);
}

#[test]
fn a_signal_ends_a_write_that_blocks() {
    let (folder, _) = day(3);
    let (running, socket) = to_a_port(&folder, &["--topspeed", "--loop", "0"]);
    until("nothing more is taken", || {
        running.signal("USR1");
        let said = running.said();
        let lines = said.lines().filter(|line| line.starts_with("Actual: "));
        let mut sent = lines.rev().map(|line| line.split(" sent in").next());
        (sent.next()? == sent.next()?).then_some(())
    });
    running.signal("TERM");
    let (status, said) = running.end();
    assert_eq!(status.code(), Some(0), "{said}");
    drop(socket);
}

#[test]
fn a_reset_is_a_failure_with_figures() {
    let (folder, _) = day(3);
    let (running, socket) = to_a_port(&folder, &["--pps", "1000", "--loop", "0"]);
    // What is not read makes a reset of the end.
    let unread = || socket.peek(&mut [0; 1]).unwrap();
    until("more has come", || (unread() > 0).then_some(()));
    drop(socket);
    let (status, said) = running.end();
    assert_eq!(status.code(), Some(1), "{said}");
    for words in ["sending to 127.0.0.1:", "Actual: ", "Failed: 1 packets"] {
        assert!(said.contains(words), "{words:?} is not in {said}");
    }
    let gone = ["replay", "day.txt", "127.0.0.1:1"];
    ran(folder.path(), &gone).failed(1, &["cannot connect to 127.0.0.1:1", "refused"]);
}

#[test]
fn a_pipe_is_read_once_and_its_reader_may_leave() {
    let (folder, text) = day(3);
    let script = |script: &str| {
        let mut sh = std::process::Command::new("sh");
        sh.args(["-c", script]).current_dir(folder.path());
        sh.env("DUMPSTREAM", env!("CARGO_BIN_EXE_dumpstream"));
        Ran::from(sh.output().unwrap())
    };
    script("mkfifo pipe").quiet();
    let piped = script("cat day.txt > pipe & \"$DUMPSTREAM\" replay -q --topspeed pipe").quiet();
    assert_eq!(piped.out, text);
    let looped = script("cat day.txt > pipe & \"$DUMPSTREAM\" replay --loop 0 pipe");
    looped.failed(2, &["pipe can be read only once"]);
    let head = "{ \"$DUMPSTREAM\" replay day.txt --topspeed --loop 0; echo $? >&2; } | head -1";
    let head = script(head);
    assert_eq!(head.out, "preamble\n");
    assert!(head.err.ends_with("\n0\n"), "{head:?}");
}

#[test]
fn clients_are_served_from_when_the_first_one_connects() {
    let (folder, text) = day(5);
    let arguments = [
        "replay", "day.txt", "--serve", "0", "--pps", "20", "--loop", "2",
    ];
    let running = Running::new(dumpstream(folder.path(), &arguments));
    let address = serving(&running);
    let first = TcpStream::connect(address).unwrap();
    let mut one = [0; 1];
    first.peek(&mut one).unwrap();
    // It is too late for the first packets, and begins with a whole one.
    let second = TcpStream::connect(address).unwrap();
    let whole = text.repeat(2);
    assert_eq!(read(first), whole);
    let late = read(second);
    assert!(!late.is_empty() && whole.ends_with(&late), "{late}");
    let (status, said) = running.end();
    assert_eq!(status.code(), Some(0), "{said}");
    for words in ["Actual: 10 packets", "Delay: ", "2 clients"] {
        assert!(said.contains(words), "{said}");
    }
    let everyone = ["replay", "day.txt", "--serve", "0.0.0.0:0"];
    ran(folder.path(), &everyone).failed(2, &["--allow"]);
}

//! Input that is not tcpdump's text is never silently nothing.

use std::io::Write;
use std::net::TcpStream;
use std::path::Path;

use super::program::{Running, dumpstream, fed, ran, records};

const UTF16: &[u8] = b"1\x000\0:\x000\x000\0 \0I\0P\0 \x001\0.\x001\0\n\0";

#[test]
fn parse_fails_and_names_what_it_looks_like() {
    let folder = tempfile::tempdir().unwrap();
    for (bytes, words) in [
        (&b"some words\nand more\n"[..], "is it tcpdump's text?"),
        (
            &[0, 1, 2, 3, 4, 5, 6, 7, 0x80, 0xff, 0, 0, 0, 0][..],
            "binary data",
        ),
        (UTF16, "it looks like UTF-16 text; convert it with `iconv"),
        (b"{\"a\": 1}\n{\"a\": 2}\n", "it looks like JSON; "),
        (b"\xfd7zXZ\0\0\x04", "unpack it first"),
        (b"a,b,c\n1,2,3\n", "it looks like CSV; "),
        (
            b"    1 0.000000000    10.0.0.1 -> 10.0.0.2 TCP 74 80 > 1 [SYN] Seq=0\n",
            "it looks like output of tshark; ",
        ),
        (b"\x1b]0;x\x07 words\n", "no packets found"),
    ] {
        let ran = fed(folder.path(), &["parse"], bytes).failed(1, &["-: no packets found: "]);
        let ran = match words {
            "no packets found" => ran,
            _ => ran.failed(1, &[words]),
        };
        assert!(!ran.err.contains('\x1b'), "{ran:?}");
        assert_eq!(ran.out, "");
    }
    // Nothing at all is no mistake, nor is a tcpdump that saw no packet.
    fed(folder.path(), &["parse"], b"").quiet();
    let messages =
        b"tcpdump: listening on eth0, link-type EN10MB (Ethernet), snapshot length 262144 \
        bytes\n0 packets captured\n0 packets received by filter\n0 packets dropped by kernel\n";
    fed(folder.path(), &["parse"], messages).failed(0, &["\n0 packets"]);
}

#[test]
fn one_foreign_file_does_not_hide_the_others() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.json"), "{\"a\": 1}\n").unwrap();
    std::fs::write(folder.path().join("b.txt"), records(3)).unwrap();
    let ran = ran(folder.path(), &["parse", "a.json", "b.txt"]).failed(1, &["a.json: no packets"]);
    assert_eq!(ran.json().len(), 3);
}

#[test]
fn a_byte_order_mark_costs_no_packet() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("\u{feff}{}", records(2));
    let ran = fed(folder.path(), &["parse"], text.as_bytes()).failed(0, &["2 packets received"]);
    assert_eq!(ran.json().len(), 2);
}

#[test]
fn times_of_arrival_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let text = "IP 10.0.0.1.53 > 10.0.0.2.9: UDP, length 27\n".repeat(2);
    fed(folder.path(), &["parse"], text.as_bytes()).failed(
        0,
        &["2 packets without a time stamp (tcpdump -t), timed by arrival"],
    );
}

#[test]
fn records_without_a_protocol_are_said_once_with_an_example() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "{}13:00:00.000000 what\x1b is this\n13:00:01.000000 or this\n",
        records(1)
    );
    let ran = fed(folder.path(), &["parse"], text.as_bytes()).failed(
        0,
        &[
            "unparsed=2",
            "records=3",
            "is this",
            "tcpdump -nn -v",
            "dumpstream explain",
        ],
    );
    assert_eq!(ran.err.matches("No known protocol").count(), 1, "{ran:?}");
    assert!(
        !ran.err.contains('\x1b') && !ran.err.contains(" or this"),
        "{ran:?}"
    );
}

#[test]
fn records_of_an_unknown_protocol_are_not_another_programs_output() {
    let folder = tempfile::tempdir().unwrap();
    let text = "1700000000.000001 FooBar a -> b thing\n".repeat(2);
    let ran = fed(folder.path(), &["parse"], text.as_bytes()).failed(0, &["unparsed=2"]);
    assert!(!ran.err.contains("tshark"), "{ran:?}");
    assert_eq!(ran.json().len(), 2);
}

/// However much arrives at once.
#[test]
fn good_text_is_not_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let running = listening(folder.path());
    let mut sender = TcpStream::connect(running.address()).unwrap();
    sender.write_all(records(2_000).as_bytes()).unwrap();
    drop(sender);
    running.signal("TERM");
    let (status, said) = running.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("2000 packets received"), "{said}");
    assert!(!said.contains("No packets found"), "{said}");
}

fn listening(folder: &Path) -> Running {
    Running::new(dumpstream(folder, &["listen", "0", "-k"]))
}

#[test]
fn a_connection_is_warned_of_while_it_lasts() {
    let folder = tempfile::tempdir().unwrap();
    let running = listening(folder.path());
    // As `tcpdump -w - | nc` begins.
    let mut capture = TcpStream::connect(running.address()).unwrap();
    capture
        .write_all(b"\xd4\xc3\xb2\xa1\x02\0\x04\0\0\0\0\0\0\0\0\0")
        .unwrap();
    running.says("it looks like a capture; print it with `tcpdump -nn -v -r FILE`");
    let mut log = TcpStream::connect(running.address()).unwrap();
    log.write_all("echo 7/tcp\n".repeat(1_000).as_bytes())
        .unwrap();
    running.says("is it tcpdump's text?");
    // One that ends at once.
    let mut short = TcpStream::connect(running.address()).unwrap();
    short
        .write_all(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        .unwrap();
    drop(short);
    running.says("it looks like an HTTP request");
    drop((capture, log));
    running.signal("TERM");
    let (status, said) = running.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert_eq!(said.matches("No packets found").count(), 3, "{said}");
    assert_eq!(said.matches("peer=127.0.0.1:").count(), 3, "{said}");
}

//! Captures, which tcpdump prints.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use given::{tool, trial};
use libtest_mimic::{Failed, Trial};

use crate::program::{Ran, Running, dumpstream, fed, gz, ran, until};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        with_tcpdump("captures_of_every_kind_are_what_tcpdump_prints", kinds),
        with_tcpdump("nanoseconds_are_kept", nanoseconds),
        with_tcpdump("a_capture_read_twice_adds_no_row", twice),
        with_tcpdump(
            "a_truncated_capture_is_told_and_what_stood_before_is_kept",
            truncated,
        ),
        with_tcpdump("a_capture_in_a_corrupted_gz_is_told", corrupted),
        with_tcpdump("a_live_capture_arrives_packet_by_packet", live),
        with_tcpdump("replay_reads_a_capture", replayed),
        trial(
            "an_old_tcpdump_prints_without_numbers",
            &[tool("sh")],
            ended(old),
        ),
        trial(
            "without_tcpdump_the_remedy_is_told",
            &[hidden()],
            ended(missing),
        ),
    ]
}

fn with_tcpdump(name: &str, test: fn()) -> Trial {
    trial(name, &[tool("tcpdump")], ended(test))
}

/// A test that panics if it fails.
fn ended(test: fn()) -> impl FnOnce() -> Result<(), Failed> {
    move || {
        test();
        Ok(())
    }
}

/// Without a path no tcpdump is found: there is none in the folders that are looked into besides.
fn hidden() -> Result<(), String> {
    let elsewhere = ["/usr/sbin", "/usr/local/sbin", "/sbin"];
    match elsewhere
        .iter()
        .find(|folder| Path::new(folder).join("tcpdump").exists())
    {
        Some(folder) => Err(format!("tcpdump is in {folder}")),
        None => Ok(()),
    }
}

fn sample() -> String {
    given::sample("4.99.3/mix/replay.pcap")
        .display()
        .to_string()
}

/// A packet of the sample: seconds, microseconds, length on the wire, bytes.
type Packet = (u32, u32, u32, Vec<u8>);

fn packets() -> Vec<Packet> {
    let bytes = fs::read(sample()).unwrap();
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    assert_eq!(
        (number(0), number(20)),
        (0xa1b2_c3d4, 1),
        "Ethernet, little endian"
    );
    let (mut at, mut packets) = (24, Vec::new());
    while at < bytes.len() {
        let end = at + 16 + number(at + 8) as usize;
        let bytes = bytes[at + 16..end].to_vec();
        packets.push((number(at), number(at + 4), number(at + 12), bytes));
        at = end;
    }
    packets
}

#[derive(Clone, Copy)]
struct Writer {
    little: bool,
}

impl Writer {
    fn four(self, n: u32) -> [u8; 4] {
        if self.little {
            n.to_le_bytes()
        } else {
            n.to_be_bytes()
        }
    }

    fn two(self, n: u16) -> [u8; 2] {
        if self.little {
            n.to_le_bytes()
        } else {
            n.to_be_bytes()
        }
    }

    fn pcap(self, magic: u32, packets: &[Packet]) -> Vec<u8> {
        let (nano, modified) = (magic == 0xa1b2_3c4d, magic == 0xa1b2_cd34);
        let mut out = self.four(magic).to_vec();
        out.extend([self.two(2), self.two(4)].concat());
        out.extend([0, 0, 262_144, 1].map(|n| self.four(n)).concat());
        for (seconds, micros, wire, bytes) in packets {
            let fraction = if nano { micros * 1000 } else { *micros };
            let header = [*seconds, fraction, bytes.len() as u32, *wire];
            out.extend(header.map(|n| self.four(n)).concat());
            if modified {
                // Interface, protocol, packet type, padding.
                out.extend([0; 8]);
            }
            out.extend(bytes);
        }
        out
    }

    fn pcapng(self, packets: &[Packet]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut block = |kind: u32, body: &[u8]| {
            let length = self.four(12 + body.len().next_multiple_of(4) as u32);
            out.extend([self.four(kind), length].concat());
            out.extend(body);
            out.resize(out.len().next_multiple_of(4), 0);
            out.extend(length);
        };
        let version = [self.two(1), self.two(0)].concat();
        block(
            0x0a0d_0d0a,
            &[&self.four(0x1a2b_3c4d)[..], &version, &[0xff; 8]].concat(),
        );
        block(
            1,
            &[&self.two(1)[..], &self.two(0), &self.four(262_144)].concat(),
        );
        for (seconds, micros, wire, bytes) in packets {
            let stamp = u64::from(*seconds) * 1_000_000 + u64::from(*micros);
            let (high, low) = ((stamp >> 32) as u32, stamp as u32);
            let header = [0, high, low, bytes.len() as u32, *wire];
            block(
                6,
                &[&header.map(|n| self.four(n)).concat()[..], bytes].concat(),
            );
        }
        out
    }
}

fn captures() -> Vec<(String, Vec<u8>)> {
    let packets = packets();
    let mut captures = Vec::new();
    for little in [true, false] {
        let writer = Writer { little };
        let end = if little { "le" } else { "be" };
        for (name, magic) in [
            ("micro", 0xa1b2_c3d4),
            ("nano", 0xa1b2_3c4d),
            ("modified", 0xa1b2_cd34),
        ] {
            captures.push((format!("{name}-{end}"), writer.pcap(magic, &packets)));
        }
        captures.push((format!("ng-{end}"), writer.pcapng(&packets)));
    }
    captures
}

/// What `parse` makes of the text that tcpdump prints by itself.
fn printed(folder: &Path) -> String {
    let tcpdump = Command::new("tcpdump")
        .args(["-nn", "-e", "-v", "-S", "-tt", "-#", "-r", &sample()])
        .env("TZ", "UTC")
        .stderr(Stdio::null())
        .output()
        .unwrap();
    fed(folder, &["parse", "-q"], &tcpdump.stdout).out
}

fn kinds() {
    let folder = tempfile::tempdir().unwrap();
    let expected = printed(folder.path());
    assert!(expected.lines().count() == packets().len() && !expected.is_empty());
    // All but two frames that are cut behind their addresses.
    let macs = expected.matches("\"source_mac\":").count();
    assert_eq!(macs, packets().len() - 2);
    for (name, bytes) in captures() {
        // No zone of ours has a say in it.
        fs::write(folder.path().join(&name), &bytes).unwrap();
        let file = ran(folder.path(), &["parse", "-q", "--tz", "Asia/Tokyo", &name]);
        assert_eq!((file.code, file.err.as_str()), (Some(0), ""), "{name}");
        assert!(file.out == expected, "{name}");
        let stdin = fed(folder.path(), &["parse", "-q"], &bytes);
        assert!(
            stdin.out == expected && stdin.err.is_empty(),
            "{name} on stdin"
        );
    }
    fs::write(
        folder.path().join("-odd name.pcap.gz"),
        gz(&fs::read(sample()).unwrap()),
    )
    .unwrap();
    let packed = ran(folder.path(), &["parse", "-q", "./-odd name.pcap.gz"]);
    assert!(packed.out == expected && packed.err.is_empty());
}

fn nanoseconds() {
    let folder = tempfile::tempdir().unwrap();
    let writer = Writer { little: true };
    let mut nano = writer.pcap(0xa1b2_3c4d, &packets()[..1]);
    nano[28..32].copy_from_slice(&123_456_789u32.to_le_bytes());
    let json = fed(folder.path(), &["parse", "-q"], &nano).json();
    let time = json[0]["time"].as_str().unwrap();
    assert!(time.ends_with(".123456789Z"), "{time}");
}

fn twice() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = fs::read(sample()).unwrap();
    fs::write(folder.path().join("a.pcap"), &bytes).unwrap();
    fs::write(folder.path().join("a.pcap.gz"), gz(&bytes)).unwrap();
    // While it is written it is the same one, too.
    fs::create_dir(folder.path().join("early")).unwrap();
    fs::write(
        folder.path().join("early/a.pcap"),
        &bytes[..bytes.len() / 2],
    )
    .unwrap();
    let into = ["parse", "-q", "-o", "sqlite:a.db"];
    for file in ["early/a.pcap", "a.pcap", "a.pcap", "a.pcap.gz"] {
        ran(folder.path(), &[&into[..], &[file]].concat());
    }
    let stdin = [&into[..], &["--sensor", "a.pcap"]].concat();
    fed(folder.path(), &stdin, &bytes).quiet();
    let count = "SELECT count(*) n, count(DISTINCT stream) s, max(record) m FROM packets";
    let query = ran(
        folder.path(),
        &["query", "-d", "a.db", "-f", "jsonl", count],
    )
    .quiet();
    let n = packets().len();
    assert_eq!(query.json()[0], serde_json::json!({"n": n, "s": 1, "m": n}));
}

fn truncated() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = fs::read(sample()).unwrap();
    let whole = printed(folder.path());
    fs::write(folder.path().join("cut.pcap"), &bytes[..bytes.len() - 3]).unwrap();
    let cut = ran(folder.path(), &["parse", "cut.pcap"]);
    let cut = cut.failed(
        1,
        &["cut.pcap", "tcpdump ended with", "truncated dump file"],
    );
    assert_eq!(cut.out.lines().count(), packets().len() - 1);
    assert!(whole.starts_with(&cut.out));
    let stdin = fed(folder.path(), &["parse"], &bytes[..bytes.len() - 3]);
    assert_eq!(stdin.failed(1, &["truncated dump file"]).out, cut.out);
    // Of a header without a packet nothing is amiss, and of half a header tcpdump says so.
    fed(folder.path(), &["parse"], &bytes[..24]).quiet();
    fed(folder.path(), &["parse"], &bytes[..20]).failed(1, &["tcpdump ended with"]);
}

fn corrupted() {
    let folder = tempfile::tempdir().unwrap();
    let mut packed = gz(&fs::read(sample()).unwrap());
    packed.truncate(packed.len() / 2);
    fs::write(folder.path().join("cut.pcap.gz"), packed).unwrap();
    let ran = ran(folder.path(), &["parse", "cut.pcap.gz"]).failed(1, &["gzip: "]);
    assert!(ran.out.lines().count() > 10);
}

/// `tcpdump -w - -U | dumpstream parse`.
fn live() {
    use std::io::Write;
    let folder = tempfile::tempdir().unwrap();
    let packets = packets();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let mut command = dumpstream(folder.path(), &["parse", "-o", "jsonl:out.jsonl"]);
    command.stdin(reader);
    let running = Running::new(command);
    let file = Writer { little: true };
    writer
        .write_all(&file.pcap(0xa1b2_c3d4, &packets[..5]))
        .unwrap();
    let rows =
        || fs::read_to_string(folder.path().join("out.jsonl")).map_or(0, |t| t.lines().count());
    until("five rows are there", || (rows() == 5).then_some(()));
    writer
        .write_all(&file.pcap(0xa1b2_c3d4, &packets[5..6])[24..])
        .unwrap();
    until("six rows are there", || (rows() == 6).then_some(()));
    // The end, while tcpdump still waits for more.
    running.signal("INT");
    let (status, said) = running.end();
    assert!(status.success(), "{said}");
    assert_eq!(rows(), 6);
}

fn replayed() {
    let folder = tempfile::tempdir().unwrap();
    let text = ran(folder.path(), &["replay", "-q", "--topspeed", &sample()]).quiet();
    let again = fed(folder.path(), &["parse", "-q"], text.out.as_bytes());
    assert!(again.out == printed(folder.path()));
    let looped = ["replay", "-q", "--topspeed", "--loop", "2", &sample()];
    assert!(ran(folder.path(), &looped).quiet().out == text.out.repeat(2));
}

fn missing() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = dumpstream(folder.path(), &["parse", &sample()]);
    let ran = command.env("PATH", folder.path()).output().unwrap();
    let said = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.status.code(), Some(1));
    assert!(
        said.contains("replay.pcap") && said.contains("install tcpdump"),
        "{said}"
    );
}

/// Up to 4.5 tcpdump has neither `-#` nor long options: it prints its usage and nothing else.
#[cfg(unix)]
fn old() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("tcpdump");
    let script = r##"#!/bin/sh
for option; do case $option in
-h | -*"#"* | --*)
    echo "tcpdump version 4.5.1" >&2
    echo "Usage: tcpdump [-aAbdDefhHIJKlLnNOpqRStuUvxX] [ -B size ] [ -c count ]" >&2
    exit 1 ;;
esac; done
echo "1700000000.000001 IP (tos 0x0, ttl 64, id 1, offset 0, flags [DF], proto UDP (17), length 54)"
echo "    192.0.2.1.40000 > 198.51.100.2.5000: UDP, length 26"
"##;
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    // pcapng asks for nanoseconds, too.
    let block = |kind: u32, body: &[u8]| {
        let length = (12 + body.len() as u32).to_le_bytes();
        [&kind.to_le_bytes(), &length[..], body, &length].concat()
    };
    let section = [
        0x1a2b_3c4du32.to_le_bytes(),
        1u32.to_le_bytes(),
        [0xff; 4],
        [0xff; 4],
    ];
    fs::write(
        folder.path().join("a.pcapng"),
        block(0x0a0d_0d0a, &section.concat()),
    )
    .unwrap();
    fs::copy(sample(), folder.path().join("b.pcap")).unwrap();
    let mut command = dumpstream(
        folder.path(),
        &["parse", "-o", "jsonl:-", "a.pcapng", "b.pcap"],
    );
    let ran = Ran::from(command.env("PATH", folder.path()).output().unwrap());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let rows = ran.json();
    assert_eq!(rows.len(), 2, "{ran:?}");
    assert!(rows.iter().all(|row| row["destination_port"] == 5000));
    assert_eq!(ran.err.matches("older than 4.6").count(), 1, "{ran:?}");
    assert!(!ran.err.contains("Usage"), "{ran:?}");
}

#[cfg(not(unix))]
fn old() {}

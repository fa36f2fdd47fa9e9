//! The whole flow in a network namespace: tcpreplay at one end of a cable, tcpdump at the other, nc,
//! `listen`, the cluster. As many rows as packets, each with the text that `tcpdump -r` prints.

use std::process::{Child, Command, Stdio};

use crate::namespace::{Namespace, checked};
use crate::node::cluster;
use crate::program::{Running, dumpstream, ran, until};

const OPTIONS: [&str; 4] = ["-nn", "-v", "-tt", "-#"];

/// Ended with the test.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// The texts of records in order, without their stamps: of `NUMBER  STAMP TEXT`.
fn texts<'a>(records: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut texts: Vec<(usize, String)> = records
        .map(|record| {
            let (number, stamped) = record.trim_start().split_once("  ").expect("a number");
            let (_, text) = stamped.split_once(' ').expect("a stamp");
            (number.parse().expect(number), text.trim_end().to_owned())
        })
        .collect();
    texts.sort();
    texts.into_iter().map(|(_, text)| text).collect()
}

pub(crate) fn the_whole_flow() {
    let cluster = cluster(1);
    let folder = tempfile::tempdir().unwrap();
    let url = cluster.url(&cluster.keyspace(), "create=true");
    let capture = given::sample("4.99.3/mix/replay.pcap");
    let read = ["parse", "-", "--raw", "-o", "jsonl:-"];

    let mut printed = Command::new("tcpdump");
    let printed = checked(printed.args(OPTIONS).arg("-r").arg(&capture)).unwrap();
    let printed = crate::program::fed(folder.path(), &read, &printed.stdout);
    let raw = |json: &serde_json::Value| json["raw"].as_str().unwrap().to_owned();
    let printed: Vec<_> = printed.json().iter().map(raw).collect();
    // A frame that ends within its VLAN tag gets no further than the cable's end.
    let arriving = printed.iter().map(String::as_str);
    let mut expected = texts(arriving);
    expected.retain(|text| text.trim() != "[|vlan]");

    let listen = ["listen", "-k", "0", "--raw", "-o", &url];
    let listening = Running::new(dumpstream(folder.path(), &listen));
    let address = listening.address();
    let namespace = Namespace::new("cassandra").unwrap();
    let mut tcpdump = namespace.command("tcpdump");
    tcpdump.args(["-i", "right", "-l", "--immediate-mode", "-B", "8192"]);
    tcpdump.args(OPTIONS).stdout(Stdio::piped());
    let said = std::fs::File::create(folder.path().join("said")).unwrap();
    let mut tcpdump = Ends(tcpdump.stderr(said).spawn().unwrap());
    let mut nc = Command::new("nc");
    nc.args(["-N", &address.ip().to_string(), &address.port().to_string()]);
    let _nc = Ends(nc.stdin(tcpdump.0.stdout.take().unwrap()).spawn().unwrap());
    until("tcpdump listens", || {
        let said = std::fs::read_to_string(folder.path().join("said")).ok()?;
        said.contains("listening on").then_some(())
    });
    let mut tcpreplay = namespace.command("tcpreplay");
    checked(
        tcpreplay
            .args(["-i", "left", "--pps", "2000"])
            .arg(&capture),
    )
    .unwrap();

    let stored = until("all rows are there", || {
        let read = ran(folder.path(), &["read", &url, "--raw"]);
        let rows: Vec<_> = (read.code == Some(0)).then(|| read.json().iter().map(raw).collect())?;
        (rows.len() >= expected.len()).then_some(rows)
    });
    assert_eq!(texts(stored.iter().map(String::as_str)), expected);
    listening.signal("TERM");
    let (status, said) = listening.end();
    assert_eq!(status.code(), Some(0), "{said}");
    println!("{} packets, each once", expected.len());
}

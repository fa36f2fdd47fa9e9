//! Groups rows into requests: neighbouring rows of one partition each.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use dumpstream::{Packet, Packets};
use tokio::time::Instant;

use super::layout::{BLOCK, Hosts, Placing};

/// Maximum bytes of records in one request, unless a single record is larger: far below what a
/// server accepts (16 MiB), and large enough for usual rows (64 of 250 bytes).
const REQUEST: usize = 256 << 10;

/// Partitions whose rows are collected at the same time. If there are more, all are sent as they
/// are.
const OPEN: usize = 4096;

/// A row: the packet's place in what is written, and which of its hosts it is filed under.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowRef {
    pub(crate) packets: u32,
    pub(crate) packet: u32,
    pub(crate) sent: bool,
}

/// The table of packets, and the one by host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    Packets,
    ByHost,
}

/// Rows of one partition, and their state.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) which: Which,
    pub(crate) rows: Vec<RowRef>,
    /// How often the cluster failed to store them.
    pub(crate) tries: u32,
    /// When the request, or the one that it is a part of, was first sent.
    pub(crate) since: Option<Instant>,
    pub(crate) proof: Proof,
    /// The tables must be checked after this moment, before it is sent.
    pub(crate) look: Option<Instant>,
}

/// What is known after the server has refused rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// The server has not refused them.
    None,
    /// The tables were checked afterwards and are right, so these rows are suspected.
    Suspected,
    /// The tables were checked once more, for this row alone.
    Single,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Key {
    Packets {
        sensor: u32,
        bucket: i64,
        shard: i16,
    },
    ByHost {
        host: IpAddr,
        bucket: i64,
    },
}

#[derive(Debug, Default)]
struct Open {
    rows: Vec<RowRef>,
    bytes: usize,
}

/// Goes through the rows of a write once.
#[derive(Debug)]
pub(crate) struct Batcher<'a> {
    rows: &'a [Packets],
    placing: Placing,
    hosts: Option<Hosts>,
    packets: usize,
    packet: usize,
    /// The sensors seen, in their order.
    sensors: Vec<&'a str>,
    open: HashMap<Key, Open>,
    ready: VecDeque<Work>,
    /// Rows that were not placed: they have no key.
    pub(crate) nameless: u64,
}

impl<'a> Batcher<'a> {
    pub(crate) fn new(rows: &'a [Packets], placing: Placing, hosts: Option<Hosts>) -> Batcher<'a> {
        Batcher {
            rows,
            placing,
            hosts,
            packets: 0,
            packet: 0,
            sensors: Vec::new(),
            open: HashMap::new(),
            ready: VecDeque::new(),
            nameless: 0,
        }
    }

    /// The rows of the next request; `None` when all have been given.
    pub(crate) fn next(&mut self) -> Option<Work> {
        loop {
            if let Some(work) = self.ready.pop_front() {
                return Some(work);
            }
            let Some(packets) = self.rows.get(self.packets) else {
                self.flush();
                return self.ready.pop_front();
            };
            if packets.first_record() == 0 || self.packet == packets.len() {
                if packets.first_record() == 0 {
                    self.nameless += packets.len() as u64;
                }
                self.packets += 1;
                self.packet = 0;
                continue;
            }
            let packet = packets.packet(self.packet);
            let row = RowRef {
                packets: u32::try_from(self.packets).expect("a queue has fewer batches"),
                packet: u32::try_from(self.packet).expect("a batch has fewer packets"),
                sent: false,
            };
            self.packet += 1;
            self.add(packet, row);
        }
    }

    fn add(&mut self, packet: Packet<'a>, row: RowRef) {
        let bucket = self.placing.bucket(packet.time());
        let key = Key::Packets {
            sensor: self.sensor(packet.sensor()),
            bucket,
            shard: self.placing.shard(packet.record()),
        };
        self.gather(key, packet, row);
        let Some(hosts) = self.hosts else { return };
        for sent in [true, false] {
            if let Some(host) = hosts.get(packet, sent) {
                let row = RowRef { sent, ..row };
                self.gather(Key::ByHost { host, bucket }, packet, row);
            }
        }
    }

    fn sensor(&mut self, name: &'a str) -> u32 {
        // Rows of one sensor come together.
        let known = self.sensors.iter().rposition(|s| *s == name);
        let index = known.unwrap_or_else(|| {
            self.sensors.push(name);
            self.sensors.len() - 1
        });
        u32::try_from(index).expect("there are fewer sensors than batches")
    }

    fn gather(&mut self, key: Key, packet: Packet<'_>, row: RowRef) {
        if self.open.len() >= OPEN && !self.open.contains_key(&key) {
            self.flush();
        }
        let bytes = packet.raw().len();
        let open = self.open.entry(key).or_default();
        if open.bytes + bytes > REQUEST && !open.rows.is_empty() {
            self.ready.push_back(work(key, std::mem::take(open)));
        }
        open.bytes += bytes;
        open.rows.push(row);
        if open.rows.len() as u64 == BLOCK {
            self.ready.push_back(work(key, std::mem::take(open)));
        }
    }

    fn flush(&mut self) {
        let open = self.open.drain().filter(|(_, open)| !open.rows.is_empty());
        self.ready.extend(open.map(|(key, open)| work(key, open)));
    }
}

fn work(key: Key, open: Open) -> Work {
    Work {
        which: match key {
            Key::Packets { .. } => Which::Packets,
            Key::ByHost { .. } => Which::ByHost,
        },
        rows: open.rows,
        tries: 0,
        since: None,
        proof: Proof::None,
        look: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dumpstream::framing::{Batch, Framer, Tail};
    use dumpstream::{Namespace, Origin, Parser};
    use std::time::Duration;

    fn packets(origin: &mut Origin, times: impl Iterator<Item = u64>) -> Packets {
        let text: String = times
            .map(|t| format!("17000000{t:02}.000000 IP 10.0.0.1.1 > 10.0.0.2.2: UDP, length 1\n"))
            .collect();
        let mut framer = Framer::new();
        framer.next_batch(text.as_bytes(), Tail::Final).unwrap();
        let batch = Batch::new(text.into_bytes(), framer.style());
        let mut packets = Parser::new(Namespace::tcpdump()).unwrap().parse(batch);
        origin.place(&mut packets);
        packets
    }

    fn all(batcher: &mut Batcher<'_>) -> Vec<Work> {
        std::iter::from_fn(|| batcher.next()).collect()
    }

    #[test]
    fn a_block_is_one_request_however_it_comes() {
        let mut origin = Origin::new("s").stream("x");
        // Records 1 to 640: each of the 4 shards has its blocks.
        let rows: Vec<_> = (0..64)
            .map(|_| packets(&mut origin, std::iter::repeat_n(0, 10)))
            .collect();
        let placing = Placing::new(Duration::from_secs(60), 4);
        let works = all(&mut Batcher::new(&rows, placing, None));
        assert_eq!(works.iter().map(|w| w.rows.len()).sum::<usize>(), 640);
        assert!(works.len() <= 10 + 4, "{}", works.len());
        for work in &works {
            let shards = work.rows.iter().map(|r| {
                let packet = rows[r.packets as usize].packet(r.packet as usize);
                placing.shard(packet.record())
            });
            let shards: std::collections::HashSet<_> = shards.collect();
            assert_eq!(shards.len(), 1);
        }
    }

    #[test]
    fn buckets_and_sensors_are_parted() {
        let (mut a, mut b) = (Origin::new("a").stream("x"), Origin::new("b").stream("x"));
        let rows = [
            packets(&mut a, [0, 0, 45].into_iter()),
            packets(&mut b, [0].into_iter()),
        ];
        let placing = Placing::new(Duration::from_secs(60), 1);
        let mut sizes: Vec<_> = all(&mut Batcher::new(&rows, placing, None))
            .iter()
            .map(|w| w.rows.len())
            .collect();
        sizes.sort_unstable();
        assert_eq!(sizes, [1, 1, 2]);
    }

    #[test]
    fn each_packet_is_filed_under_both_hosts() {
        let mut origin = Origin::new("a").stream("x");
        let rows = [packets(&mut origin, [0, 1, 2].into_iter())];
        let placing = Placing::new(Duration::from_secs(60), 1);
        let hosts = Hosts::of(rows[0].columns());
        let works = all(&mut Batcher::new(&rows, placing, hosts));
        let by_host = works.iter().filter(|w| w.which == Which::ByHost);
        let sizes: Vec<_> = by_host.map(|w| w.rows.len()).collect();
        assert_eq!(sizes, [3, 3]);
    }

    #[test]
    fn rows_without_a_key_are_counted() {
        let mut framer = Framer::new();
        let text = b"1700000000.000000 IP 10.0.0.1.1 > 10.0.0.2.2: UDP, length 1\n";
        framer.next_batch(text, Tail::Final).unwrap();
        let batch = Batch::new(text.to_vec(), framer.style());
        let rows = [Parser::new(Namespace::tcpdump()).unwrap().parse(batch)];
        let placing = Placing::new(Duration::from_secs(60), 1);
        let mut batcher = Batcher::new(&rows, placing, None);
        assert!(batcher.next().is_none());
        assert_eq!(batcher.nameless, 1);
    }
}

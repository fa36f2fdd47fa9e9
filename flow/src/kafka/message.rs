//! What a record is in a topic: the value, the key, the headers and the time of a message.

use dumpstream::hash::Fnv;
use dumpstream::spell::Text;
use dumpstream::{ColumnId, Packet, Packets, TimeSource, Value};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::BaseRecord;

use super::address::{Address, Format, Key};
use super::headers;
use crate::clock;
use crate::sink::context::SinkContext;
use crate::sink::file::Format as _;
use crate::sink::jsonl::Object;

/// Makes messages.
pub(super) struct Messages {
    topic: String,
    /// `None`: the value is the record's own text.
    object: Option<Object>,
    key: Key,
    namespace: String,
    /// Of the batch whose messages are made: where it has the ends of a flow, and when it arrived,
    /// in milliseconds since 1970 UTC.
    ends: Option<Ends>,
    arrival: i64,
    flow: [u8; 16],
    digits: Text,
}

/// A message; `usize` is what its delivery is told with.
pub(super) type Message<'a> = BaseRecord<'a, [u8], [u8], usize>;

impl Messages {
    pub(super) fn new(address: &Address, context: &SinkContext) -> Messages {
        Messages {
            topic: address.topic.clone(),
            object: (address.format == Format::Jsonl).then(|| Object::new(context)),
            key: address.key,
            namespace: format!("{:016x}", context.hash),
            ends: None,
            arrival: 0,
            flow: [0; 16],
            digits: Text::new(),
        }
    }

    /// What follows is of these packets.
    pub(super) fn of(&mut self, packets: &Packets) {
        self.ends = (self.key == Key::Flow).then(|| Ends::of(packets));
        let arrival = packets.arrival().unwrap_or_else(clock::now);
        self.arrival = arrival.div_euclid(1_000_000);
    }

    pub(super) fn make<'a>(&'a mut self, packet: Packet<'a>, opaque: usize) -> Message<'a> {
        let headers = self.headers(packet);
        let value = match &mut self.object {
            None => packet.raw(),
            Some(object) => {
                object.made().clear();
                object.row(packet);
                object.made()
            }
        };
        let message = BaseRecord::with_opaque_to(&self.topic, opaque)
            .payload(value.strip_suffix(b"\n").unwrap_or(value))
            .headers(headers)
            .timestamp(self.arrival);
        match (self.key, &self.ends) {
            (Key::Sensor, _) => message.key(packet.sensor().as_bytes()),
            (Key::Flow, Some(ends)) => {
                self.flow = ends.hash(packet);
                message.key(&self.flow)
            }
            _ => message,
        }
    }

    fn headers(&mut self, packet: Packet<'_>) -> OwnedHeaders {
        let text = self.object.is_none();
        let headers = OwnedHeaders::new_with_capacity(if text { 7 } else { 4 });
        let headers = header(headers, headers::SENSOR, packet.sensor().as_bytes());
        let headers = header(headers, headers::STREAM, packet.stream().as_bytes());
        // An ordinal counts records that were read: it never comes near 2⁶³.
        let record = self.decimal(packet.record() as i64);
        let headers = header(headers, headers::RECORD, record);
        let headers = header(headers, headers::NAMESPACE, self.namespace.as_bytes());
        if !text {
            return headers;
        }
        let mut headers = header(headers, headers::TIME, self.decimal(packet.time()));
        if packet.time_source() != TimeSource::Packet {
            let source = packet.time_source().name().as_bytes();
            headers = header(headers, headers::TIME_SOURCE, source);
        }
        if packet.truncated() {
            headers = header(headers, headers::TRUNCATED, b"true");
        }
        headers
    }

    fn decimal(&mut self, n: i64) -> &[u8] {
        self.digits.out.clear();
        self.digits.int(n);
        &self.digits.out
    }
}

fn header(headers: OwnedHeaders, key: &str, value: &[u8]) -> OwnedHeaders {
    let value = Some(value);
    headers.insert(Header { key, value })
}

/// The columns that tell a flow from others; `None` where the namespace has no such field.
struct Ends {
    protocol: Option<ColumnId>,
    source: [Option<ColumnId>; 2],
    destination: [Option<ColumnId>; 2],
}

impl Ends {
    fn of(packets: &Packets) -> Ends {
        let column = |name| packets.column(name);
        Ends {
            protocol: column("protocol"),
            source: [column("source"), column("source_port")],
            destination: [column("destination"), column("destination_port")],
        }
    }

    /// Hashes both ends in an order of their own, so that both directions are one flow: 16
    /// hexadecimal digits.
    fn hash(&self, packet: Packet<'_>) -> [u8; 16] {
        let value = |column: Option<ColumnId>| column.and_then(|column| packet.value(column));
        let end = |[host, port]: [Option<ColumnId>; 2]| {
            let mut bytes = [0; 26];
            if let Some(Value::Inet(ip)) = value(host) {
                let octets = match ip {
                    std::net::IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
                    std::net::IpAddr::V6(ip) => ip.octets(),
                };
                bytes[..16].copy_from_slice(&octets);
                bytes[16] = 1;
            }
            if let Some(Value::Int(port)) = value(port) {
                bytes[17] = 1;
                bytes[18..].copy_from_slice(&port.to_be_bytes());
            }
            bytes
        };
        let mut ends = [end(self.source), end(self.destination)];
        ends.sort_unstable();
        let mut hash = Fnv::new();
        ends.iter().for_each(|end| hash.write(end));
        if let Some(Value::Text(protocol)) = value(self.protocol) {
            hash.write(protocol);
        }
        let mut hash = hash.finish() as u64;
        let mut digits = [0; 16];
        for digit in digits.iter_mut().rev() {
            *digit = b"0123456789abcdef"[(hash & 15) as usize];
            hash >>= 4;
        }
        digits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dumpstream::framing::{Batch, CutKind, Framer, Tail};
    use dumpstream::{Namespace, Origin, Parser};
    use rdkafka::message::Headers;

    use crate::kafka::{address, cluster};
    use crate::sink::parts::UrlParts;

    const TEXT: &[u8] = b"1700000000.000001 02:00:00:00:00:0a > 02:00:00:00:00:0b, ethertype IPv4 \
        (0x0800), length 74: (tos 0x0, ttl 64, id 1, offset 0, flags [DF], proto UDP (17), length \
        60)\n    10.0.0.1.1234 > 10.0.0.2.53: 1+ A? caf\xc3\xa9\xff.\x1b (27)\n\
        1700000000.000002 IP 10.0.0.2.53 > 10.0.0.1.1234: UDP, length 1\n\
        1700000000.000003 IP 10.0.0.2.53 > 10.0.0.1.1235: UDP, length 1\n\
        1700000000.000004 ARP, Reply 10.0.0.1 is-at 02:00:00:00:00:0a, length 28\n";

    fn packets() -> Packets {
        let mut framer = Framer::new();
        framer.next_batch(TEXT, Tail::Final).unwrap();
        let batch = Batch::new(TEXT.to_vec(), framer.style()).cut(CutKind::Truncated);
        let mut packets = Parser::new(Namespace::tcpdump()).unwrap().parse(batch);
        Origin::new("s\x1b").stream("x").place(&mut packets);
        packets
    }

    /// Key, value and headers of each.
    type Made = (Option<Vec<u8>>, Vec<u8>, Vec<(String, String)>);

    fn made(parameters: &str) -> Vec<Made> {
        let url = format!("kafka://h/t?{parameters}");
        let url = UrlParts::read(&url, address::PARAMETERS, Some(cluster::SECRETS)).unwrap();
        let packets = packets();
        let context = SinkContext {
            columns: packets.columns().into(),
            hash: 0xab,
            ..SinkContext::default()
        };
        let mut messages = Messages::new(&Address::of(&url).unwrap(), &context);
        messages.of(&packets);
        let of = |packet| {
            let message = messages.make(packet, 7);
            let headers = message.headers.as_ref().unwrap();
            let headers = headers.iter().map(|h| {
                let value = str::from_utf8(h.value.unwrap()).unwrap();
                (h.key.to_owned(), value.to_owned())
            });
            let headers = headers.collect();
            let key = message.key.map(<[u8]>::to_vec);
            (key, message.payload.unwrap().to_vec(), headers)
        };
        packets.iter().map(of).collect()
    }

    #[test]
    fn text_is_the_record_itself() {
        let made = made("format=text");
        let text: Vec<_> = made.iter().map(|(_, value, _)| &value[..]).collect();
        assert_eq!([&text.join(&b'\n'), &b"\n"[..]].concat(), TEXT);
        assert!(
            made.iter()
                .all(|(key, ..)| key.as_deref() == Some(b"s\x1b"))
        );
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let mut wanted = vec![
            pair("sensor", "s\x1b"),
            pair("stream", "x"),
            pair("record", "4"),
            pair("namespace", "00000000000000ab"),
            pair("time", "1700000000000004000"),
            pair("truncated", "true"),
        ];
        assert_eq!(made[3].2, wanted);
        wanted.truncate(5);
        wanted[2].1 = "1".to_owned();
        wanted[4].1 = "1700000000000001000".to_owned();
        assert_eq!(made[0].2, wanted);
    }

    #[test]
    fn an_object_has_no_line_feed() {
        for (_, value, headers) in made("key=none") {
            assert!(!value.contains(&b'\n') && !value.contains(&0x1b));
            let object: serde_json::Value = serde_json::from_slice(&value).unwrap();
            assert!(object["time"].is_string());
            let names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, ["sensor", "stream", "record", "namespace"]);
        }
        assert!(made("key=none").iter().all(|(key, ..)| key.is_none()));
    }

    #[test]
    fn both_directions_are_one_flow() {
        let keys: Vec<_> = made("key=flow")
            .into_iter()
            .map(|made| made.0.unwrap())
            .collect();
        assert_eq!(keys[0], keys[1]);
        assert_ne!(keys[1], keys[2]);
        assert_ne!(keys[2], keys[3]);
        assert!(keys.iter().flatten().all(u8::is_ascii_hexdigit));
        // It is stored, and must stay.
        assert_eq!(keys[0], b"26add2e3dc66d60c");
    }
}

//! What a `kafka://` URL of an output says: the topic, and what is written to it.

use super::cluster::{self, Cluster, is_topic};
use crate::sink::SinkError;
use crate::sink::parts::UrlParts;

/// How a URL of a topic is written.
pub(crate) const FORM: &str = "kafka://HOST[,HOST]/TOPIC";

/// The parameters of a `kafka://` URL of an output.
pub(crate) const PARAMETERS: &[&str] = &{
    let [credentials, sasl, tls, certificate, key] = cluster::PARAMETERS;
    [
        "acks=all",
        "compression=lz4|zstd|none",
        credentials,
        "format=jsonl|text",
        "in_flight=50000",
        "key=sensor|flow|none",
        sasl,
        tls,
        certificate,
        key,
    ]
};

/// Default limit of messages that are sent and not acknowledged: a few times what the five requests
/// that an idempotent producer has in flight can hold. More only fill memory (about 700 bytes each).
const DEFAULT_IN_FLIGHT: usize = 50_000;
/// A write of a lane has hardly more.
const LARGEST_IN_FLIGHT: usize = 1_000_000;

/// What the value of a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// The object that `jsonl:` writes.
    Jsonl,
    /// The record's own text.
    Text,
}

/// What the key of a message is: messages of one key go to one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Sensor,
    /// The two ends of a flow, in either direction.
    Flow,
    None,
}

/// The topic of a URL, and how it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) text: String,
    pub(super) cluster: Cluster,
    pub(super) topic: String,
    pub(super) format: Format,
    pub(super) key: Key,
    /// librdkafka's name of it.
    pub(super) compression: &'static str,
    pub(super) in_flight: usize,
}

impl Address {
    /// Parses a URL.
    ///
    /// # Errors
    /// A host, the topic or a parameter's value is invalid.
    pub(super) fn of(url: &UrlParts) -> Result<Address, SinkError> {
        let (cluster, topic) = Cluster::of(url, FORM)?;
        if !is_topic(topic) {
            return Err(url.malformed(format!(
                "`{topic}` is not a topic's name: use letters, digits, `.`, `_` and `-`; write \
                 {FORM}[?PARAMETER=VALUE&…]"
            )));
        }
        let acks = "all: a record counts as written when every in-sync replica has it";
        url.value("acks", acks, |acks| (acks == "all").then_some(()))?;
        Ok(Address {
            text: url.text().to_owned(),
            topic: topic.to_owned(),
            cluster,
            format: url
                .value("format", "jsonl or text", |name| match name {
                    "jsonl" => Some(Format::Jsonl),
                    "text" => Some(Format::Text),
                    _ => None,
                })?
                .unwrap_or(Format::Jsonl),
            key: url
                .value("key", "sensor, flow or none", |name| match name {
                    "sensor" => Some(Key::Sensor),
                    "flow" => Some(Key::Flow),
                    "none" => Some(Key::None),
                    _ => None,
                })?
                .unwrap_or(Key::Sensor),
            compression: url
                .value("compression", "lz4, zstd or none", |name| match name {
                    "lz4" => Some("lz4"),
                    "zstd" => Some("zstd"),
                    "none" => Some("none"),
                    _ => None,
                })?
                .unwrap_or("lz4"),
            in_flight: url
                .value("in_flight", "a number from 1 to 1000000", |value| {
                    let n = value.parse().ok();
                    n.filter(|n| (1..=LARGEST_IN_FLIGHT).contains(n))
                })?
                .unwrap_or(DEFAULT_IN_FLIGHT),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Address, String> {
        let url = UrlParts::read(text, PARAMETERS, Some(cluster::SECRETS));
        let address = url.and_then(|url| Address::of(&url));
        address.map_err(|e| e.to_string())
    }

    #[test]
    fn parameters() {
        let plain = read("kafka://h/t").unwrap();
        assert_eq!(
            (plain.format, plain.key, plain.compression, plain.in_flight),
            (Format::Jsonl, Key::Sensor, "lz4", DEFAULT_IN_FLIGHT)
        );
        let all = "format=text&key=flow&acks=all&compression=zstd&in_flight=8&on_full=drop";
        let all = read(&format!("kafka://h:1,g/net.packets?{all}")).unwrap();
        assert_eq!(
            (
                &*all.topic,
                all.format,
                all.key,
                all.compression,
                all.in_flight
            ),
            ("net.packets", Format::Text, Key::Flow, "zstd", 8)
        );
        for wrong in [
            "format=avro",
            "key=time",
            "compression=gzip",
            "in_flight=0",
            "in_flight=9999999",
        ] {
            let error = read(&format!("kafka://h/t?{wrong}")).unwrap_err();
            assert!(error.contains("is not"), "{error}");
        }
        assert!(
            read("kafka://h/t?colour=1")
                .unwrap_err()
                .contains("acks=all")
        );
    }

    #[test]
    fn written_means_all_replicas() {
        for acks in ["0", "1", "-1"] {
            let error = read(&format!("kafka://h/t?acks={acks}")).unwrap_err();
            assert!(error.contains("every in-sync replica"), "{error}");
        }
    }

    #[test]
    fn one_topic() {
        for wrong in ["kafka://h/", "kafka://h", "kafka://h/a,b", "kafka://h/ä"] {
            assert!(read(wrong).unwrap_err().contains(FORM), "{wrong}");
        }
    }
}

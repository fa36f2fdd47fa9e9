//! A packet as a struct of the user's: serde over its columns.

use std::fmt::{self, Display, Write as _};

use serde::de::value::{BorrowedStrDeserializer, SeqDeserializer};
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;

use crate::packet::Packet;
use crate::value::Value;

impl<'a> Packet<'a> {
    /// Fills a struct whose fields are named like columns.
    ///
    /// ```
    /// use std::net::IpAddr;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Flow<'a> {
    ///     source: IpAddr,
    ///     source_port: Option<u16>,
    ///     /// Borrowed from the packet's text.
    ///     flags: Option<&'a str>,
    ///     record: u64,
    /// }
    ///
    /// let text = "22:13:20.123456 IP 10.0.0.1.53 > 10.0.0.2.9: UDP, length 27\n";
    /// for packets in dumpstream::Reader::new(text.as_bytes()) {
    ///     for packet in packets?.iter() {
    ///         let flow: Flow = packet.deserialize()?;
    ///         assert_eq!(flow.source.to_string(), "10.0.0.1");
    ///         assert_eq!((flow.source_port, flow.flags, flow.record), (Some(53), None, 1));
    ///     }
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// A field that may be absent is an `Option`. Numbers take any type that they fit, addresses
    /// those of `std::net` or text, a `mac` also `[u8; 6]`. A time is text as in JSON, or its
    /// nanoseconds where the field is a number. `&str` borrows; it refuses what is not UTF-8, where
    /// a `String` has `\xHH`, and `&[u8]` the bytes. An enum takes its variant's name.
    ///
    /// A struct may also have fields `sensor`, `stream`, `record`, `time_source`, `time_ns`,
    /// `truncated` and `raw`. A map gets the columns that have a value.
    ///
    /// # Errors
    /// When a field does not fit its column or has no value; the error names the field.
    pub fn deserialize<T: Deserialize<'a>>(self) -> Result<T, DeserializeError> {
        T::deserialize(Row(self)).map_err(|mut error| {
            if error.absent
                && let Some(field) = &error.field
                && Cell::find(self, field).is_none()
            {
                error.what = "the namespace has no such field".into();
            }
            error
        })
    }
}

/// Why a packet does not fit a struct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeserializeError {
    field: Option<String>,
    what: String,
    /// The field has no value.
    absent: bool,
}

impl DeserializeError {
    /// The field that does not fit, where one is to blame.
    pub fn field(&self) -> Option<&str> {
        self.field.as_deref()
    }
}

impl Display for DeserializeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(field) = &self.field {
            write!(f, "field {field:?}: ")?;
        }
        f.write_str(&self.what)
    }
}

impl std::error::Error for DeserializeError {}

impl de::Error for DeserializeError {
    fn custom<T: Display>(what: T) -> DeserializeError {
        DeserializeError {
            field: None,
            what: what.to_string(),
            absent: false,
        }
    }

    fn missing_field(field: &'static str) -> DeserializeError {
        DeserializeError {
            field: Some(field.to_owned()),
            what: "this packet has no value for it; an Option takes that".into(),
            absent: true,
        }
    }
}

/// Where a field of the struct comes from.
#[derive(Clone, Copy)]
enum Cell<'a> {
    Value(Option<Value<'a>>),
    Bool(bool),
    Unsigned(u64),
    Bytes(&'a [u8]),
}

impl<'a> Cell<'a> {
    /// The cell of that name; `None` if there is none, whatever the packet.
    fn find(packet: Packet<'a>, name: &str) -> Option<Cell<'a>> {
        if let Some(column) = packet.place().0.column(name) {
            return Some(Cell::Value(packet.value(column)));
        }
        Some(match name {
            "sensor" => Cell::Bytes(packet.sensor().as_bytes()),
            "stream" => Cell::Bytes(packet.stream().as_bytes()),
            "record" => Cell::Unsigned(packet.record()),
            "time_source" => Cell::Bytes(packet.time_source().name().as_bytes()),
            "time_ns" => Cell::Value(Some(Value::Int(packet.time()))),
            "truncated" => Cell::Bool(packet.truncated()),
            "raw" => Cell::Bytes(packet.raw()),
            _ => return None,
        })
    }

    /// The value, as serde has it; `None` where the packet has none.
    fn present(self) -> Option<Present<'a>> {
        Some(Present(match self {
            Cell::Value(value) => value?,
            Cell::Bool(b) => Value::Bool(b),
            // An ordinal beyond 63 bits would take longer than the sun lasts.
            Cell::Unsigned(n) => Value::Int(n as i64),
            Cell::Bytes(bytes) => Value::Text(bytes),
        }))
    }
}

/// The whole packet.
struct Row<'a>(Packet<'a>);

impl<'a> Deserializer<'a> for Row<'a> {
    type Error = DeserializeError;

    /// A map of the columns that have a value.
    fn deserialize_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, DeserializeError> {
        let packet = self.0;
        let columns = packet.place().0.columns();
        visitor.visit_map(Entries {
            entries: packet
                .values()
                .map(|(column, value)| (columns[column.index()].name.as_str(), Present(value))),
            next: None,
        })
    }

    fn deserialize_struct<V: Visitor<'a>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeserializeError> {
        visitor.visit_map(Entries {
            entries: fields
                .iter()
                .filter_map(|name| Some((*name, Cell::find(self.0, name)?.present()?))),
            next: None,
        })
    }

    fn deserialize_newtype_struct<V: Visitor<'a>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, DeserializeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, DeserializeError> {
        visitor.visit_some(self)
    }

    forward_to_deserialize_any! {
        <W: Visitor<'a>>
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// Names and their values.
struct Entries<'a, I> {
    entries: I,
    /// The one whose name was given.
    next: Option<(&'a str, Present<'a>)>,
}

impl<'a, I: Iterator<Item = (&'a str, Present<'a>)>> MapAccess<'a> for Entries<'a, I> {
    type Error = DeserializeError;

    fn next_key_seed<K: DeserializeSeed<'a>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, DeserializeError> {
        self.next = self.entries.next();
        match self.next {
            Some((name, _)) => seed
                .deserialize(BorrowedStrDeserializer::new(name))
                .map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<S: DeserializeSeed<'a>>(
        &mut self,
        seed: S,
    ) -> Result<S::Value, DeserializeError> {
        let (name, value) = self.next.take().expect("a key was given before");
        seed.deserialize(value).map_err(|error| DeserializeError {
            field: Some(name.to_owned()),
            ..error
        })
    }
}

/// One value that is there.
#[derive(Clone, Copy)]
struct Present<'a>(Value<'a>);

/// A number: that of the value, or the nanoseconds of a time.
macro_rules! numbers {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, DeserializeError> {
            match self.0 {
                Value::Time(ns) | Value::Timestamp(ns) => visitor.visit_i64(ns),
                _ => self.deserialize_any(visitor),
            }
        })*
    };
}

impl<'a> Deserializer<'a> for Present<'a> {
    type Error = DeserializeError;

    fn deserialize_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, DeserializeError> {
        match self.0 {
            Value::Text(bytes) => match str::from_utf8(bytes) {
                Ok(text) => visitor.visit_borrowed_str(text),
                Err(_) => visitor.visit_string(self.0.to_string()),
            },
            Value::Int(n) => visitor.visit_i64(n),
            Value::Real(x) => visitor.visit_f64(x),
            Value::Bool(b) => visitor.visit_bool(b),
            value => {
                let mut text = Short::default();
                write!(text, "{value}").expect("an address or a time is short");
                visitor.visit_str(text.as_str())
            }
        }
    }

    numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }

    fn deserialize_bytes<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, DeserializeError> {
        match self.0 {
            Value::Text(bytes) => visitor.visit_borrowed_bytes(bytes),
            Value::Mac(mac) => visitor.visit_bytes(&mac),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'a>>(
        self,
        visitor: V,
    ) -> Result<V::Value, DeserializeError> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_seq<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, DeserializeError> {
        match self.0 {
            Value::Text(bytes) => visitor.visit_seq(SeqDeserializer::new(bytes.iter().copied())),
            Value::Mac(mac) => visitor.visit_seq(SeqDeserializer::new(mac.into_iter())),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'a>>(
        self,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, DeserializeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_option<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, DeserializeError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'a>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, DeserializeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'a>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeserializeError> {
        match self.0.as_str() {
            Some(text) => {
                BorrowedStrDeserializer::new(text).deserialize_enum(name, variants, visitor)
            }
            None => self.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        <W: Visitor<'a>>
        bool f32 f64 char str string unit unit_struct tuple_struct map struct identifier ignored_any
    }
}

/// Text of an address or a time, without an allocation.
struct Short {
    bytes: [u8; 64],
    len: usize,
}

impl Default for Short {
    fn default() -> Short {
        Short {
            bytes: [0; 64],
            len: 0,
        }
    }
}

impl Short {
    fn as_str(&self) -> &str {
        str::from_utf8(&self.bytes[..self.len]).expect("whole strings were written")
    }
}

impl fmt::Write for Short {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        let room = self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::{IpAddr, Ipv4Addr};

    use serde::Deserialize;

    use crate::packet::Packets;
    use crate::reader::Reader;

    fn packets(text: &str) -> Packets {
        let mut reader = Reader::new(text.as_bytes());
        reader
            .next()
            .expect("a record")
            .expect("a slice can be read")
    }

    const TCP: &str = "1700000000.123456 02:00:00:00:00:01 > 02:00:00:00:00:02, ethertype IPv4 \
        (0x0800), length 74: (tos 0x0, ttl 64, id 1, offset 0, flags [DF], proto TCP (6), length 60)\n    \
        10.0.0.1.1234 > 10.0.0.2.80: Flags [S], seq 1, win 512, options [mss 1460], length 0\n";

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "UPPERCASE")]
    enum Protocol {
        Tcp,
        Udp,
    }

    #[test]
    fn every_type_has_its_counterparts() {
        #[derive(Debug, Deserialize)]
        struct Flow<'a> {
            time: i64,
            source: IpAddr,
            destination: Ipv4Addr,
            source_port: u16,
            destination_port: Option<i128>,
            source_mac: [u8; 6],
            destination_mac: String,
            flags: &'a str,
            protocol: Protocol,
            icmp_seq: Option<u32>,
            #[serde(rename = "ttl")]
            hops: f64,
            record: u64,
            truncated: bool,
            time_source: &'a str,
            raw: &'a [u8],
        }
        let packets = packets(TCP);
        let flow: Flow = packets.packet(0).deserialize().expect("it fits");
        assert_eq!(flow.time, 1_700_000_000_123_456_000);
        assert_eq!(flow.source.to_string(), "10.0.0.1");
        assert_eq!(flow.destination, Ipv4Addr::new(10, 0, 0, 2));
        assert_eq!((flow.source_port, flow.destination_port), (1234, Some(80)));
        assert_eq!(flow.source_mac, [2, 0, 0, 0, 0, 1]);
        assert_eq!(flow.destination_mac, "02:00:00:00:00:02");
        assert!(
            matches!(flow.protocol, Protocol::Tcp),
            "{:?}",
            flow.protocol
        );
        assert!(
            flow.raw.as_ptr_range().contains(&flow.flags.as_ptr()),
            "borrowed"
        );
        assert_eq!((flow.flags, flow.icmp_seq, flow.hops), ("S", None, 64.0));
        assert_eq!((flow.record, flow.truncated), (1, false));
        assert_eq!((flow.time_source, flow.raw), ("packet", TCP.as_bytes()));
        let _ = Protocol::Udp;
    }

    #[test]
    fn a_map_has_what_is_there() {
        let packets = packets(TCP);
        let all: BTreeMap<&str, serde_json::Value> =
            packets.packet(0).deserialize().expect("any column is JSON");
        let json = serde_json::to_value(packets.packet(0)).expect("it is JSON");
        assert_eq!(serde_json::to_value(all).expect("it is JSON"), json);
    }

    #[test]
    fn an_error_names_the_field() {
        #[derive(Debug, Deserialize)]
        struct Small {
            #[serde(rename = "destination_port")]
            _port: i8,
        }
        #[derive(Debug, Deserialize)]
        struct Needs {
            #[serde(rename = "icmp_seq")]
            _seq: u32,
        }
        #[derive(Debug, Deserialize)]
        struct Typo {
            #[serde(rename = "sorce")]
            _source: IpAddr,
        }
        let packets = packets(&TCP.replace(".80:", ".8080:"));
        let packet = packets.packet(0);
        let error = packet.deserialize::<Small>().expect_err("8080 is no i8");
        assert_eq!(error.field(), Some("destination_port"));
        assert_eq!(
            error.to_string(),
            "field \"destination_port\": invalid value: integer `8080`, expected i8"
        );
        let error = packet.deserialize::<Needs>().expect_err("it is TCP");
        assert_eq!(
            error.to_string(),
            "field \"icmp_seq\": this packet has no value for it; an Option takes that"
        );
        let error = packet.deserialize::<Typo>().expect_err("no such column");
        assert_eq!(
            error.to_string(),
            "field \"sorce\": the namespace has no such field"
        );
    }
}

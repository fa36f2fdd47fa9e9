//! What a field's text becomes: the types, their ranges, and the values.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize, Serializer};

use crate::scan;
use crate::spell::{write_clock, write_text, write_timestamp};

/// The type of a field, named as in `packet_parse.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum FieldType {
    /// Bytes as printed.
    Text,
    /// −2³¹ to 2³¹−1, decimal or `0x…`.
    Int,
    /// −2⁶³ to 2⁶³−1, decimal or `0x…`.
    Bigint,
    /// A finite decimal fraction.
    Real,
    /// True when group 1 took part in the match, false when the match had none.
    Bool,
    /// An IPv4 or IPv6 address.
    Inet,
    /// 0 to 65535, also by the name of a service: `domain` is 53.
    Port,
    /// Six bytes, written with colons.
    Mac,
    /// Bare hexadecimal digits, up to 63 bits.
    Hex,
    /// A time of day, `HH:MM:SS.fraction`; nanoseconds since midnight.
    Time,
    /// An instant: what `-tt` or `-tttt` print, or a time of day that an
    /// [`Origin`](crate::Origin) gives its date; nanoseconds since 1970 UTC.
    Timestamp,
}

impl FieldType {
    /// Every type, in the order of the documentation.
    pub const ALL: &[FieldType] = &[
        FieldType::Text,
        FieldType::Int,
        FieldType::Bigint,
        FieldType::Real,
        FieldType::Bool,
        FieldType::Inet,
        FieldType::Port,
        FieldType::Mac,
        FieldType::Hex,
        FieldType::Time,
        FieldType::Timestamp,
    ];

    /// The name as `packet_parse.json` spells it.
    pub fn name(self) -> &'static str {
        match self {
            FieldType::Text => "text",
            FieldType::Int => "int",
            FieldType::Bigint => "bigint",
            FieldType::Real => "real",
            FieldType::Bool => "bool",
            FieldType::Inet => "inet",
            FieldType::Port => "port",
            FieldType::Mac => "mac",
            FieldType::Hex => "hex",
            FieldType::Time => "time",
            FieldType::Timestamp => "timestamp",
        }
    }
}

impl FieldType {
    /// What the type takes, in words for people.
    pub fn range(self) -> &'static str {
        match self {
            FieldType::Text => "any text",
            FieldType::Int => "a whole number from -2147483648 to 2147483647, decimal or 0x…",
            FieldType::Bigint => "a whole number from -2^63 to 2^63-1, decimal or 0x…",
            FieldType::Real => "a finite decimal fraction",
            FieldType::Bool => "true where group 1 took part in the match, else false",
            FieldType::Inet => "an IPv4 or IPv6 address",
            FieldType::Port => "a number from 0 to 65535, or the name of a service (domain: 53)",
            FieldType::Mac => "six bytes of two hexadecimal digits with colons between",
            FieldType::Hex => "hexadecimal digits without 0x, up to 63 bits",
            FieldType::Time => "a time of day, HH:MM:SS with 6 or 9 digits of a second",
            FieldType::Timestamp => "what -tt or -tttt print, or a time of day",
        }
    }
}

impl FieldType {
    /// Whether a value is one of this type.
    pub(crate) fn holds(self, value: &Value<'_>) -> bool {
        match value {
            Value::Text(_) => self == FieldType::Text,
            Value::Int(_) => matches!(
                self,
                FieldType::Int | FieldType::Bigint | FieldType::Port | FieldType::Hex
            ),
            Value::Real(_) => self == FieldType::Real,
            Value::Bool(_) => self == FieldType::Bool,
            Value::Inet(_) => self == FieldType::Inet,
            Value::Mac(_) => self == FieldType::Mac,
            Value::Time(_) => self == FieldType::Time,
            Value::Timestamp(_) => self == FieldType::Timestamp,
        }
    }
}

impl fmt::Display for FieldType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One typed value, borrowed from its [`Packets`](crate::Packets).
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// Bytes as `tcpdump` printed them, not necessarily UTF-8.
    Text(&'a [u8]),
    /// `int`, `bigint`, `port` and `hex`.
    Int(i64),
    /// `real`.
    Real(f64),
    /// `bool`.
    Bool(bool),
    /// `inet`.
    Inet(IpAddr),
    /// `mac`.
    Mac([u8; 6]),
    /// `time`: nanoseconds since midnight.
    Time(i64),
    /// `timestamp`: nanoseconds since 1970 UTC.
    Timestamp(i64),
}

impl Value<'_> {
    /// The value of a hardware address, `xx:xx:xx:xx:xx:xx`.
    pub fn mac(text: &[u8]) -> Option<Value<'static>> {
        let [_, _, mac @ ..] = scan::mac(text)?.to_be_bytes();
        Some(Value::Mac(mac))
    }
}

/// The value as what its type holds; `None` if it is of another type. Nothing is converted.
///
/// ```
/// use dumpstream::Value;
/// assert_eq!(Value::Int(64).as_int(), Some(64));
/// assert_eq!(Value::Text(b"S").as_str(), Some("S"));
/// assert_eq!(Value::Text(b"64").as_int(), None);
/// ```
impl<'a> Value<'a> {
    /// The bytes of a `text`.
    pub fn as_text(self) -> Option<&'a [u8]> {
        match self {
            Value::Text(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// A `text` that is UTF-8.
    pub fn as_str(self) -> Option<&'a str> {
        str::from_utf8(self.as_text()?).ok()
    }

    /// The number of an `int`, `bigint`, `port` or `hex`.
    pub fn as_int(self) -> Option<i64> {
        match self {
            Value::Int(n) => Some(n),
            _ => None,
        }
    }

    /// The number of a `real`.
    pub fn as_real(self) -> Option<f64> {
        match self {
            Value::Real(x) => Some(x),
            _ => None,
        }
    }

    /// The truth of a `bool`.
    pub fn as_bool(self) -> Option<bool> {
        match self {
            Value::Bool(b) => Some(b),
            _ => None,
        }
    }

    /// The address of an `inet`.
    pub fn as_ip(self) -> Option<IpAddr> {
        match self {
            Value::Inet(ip) => Some(ip),
            _ => None,
        }
    }

    /// The bytes of a `mac`.
    pub fn as_mac(self) -> Option<[u8; 6]> {
        match self {
            Value::Mac(mac) => Some(mac),
            _ => None,
        }
    }

    /// The nanoseconds since midnight of a `time`.
    pub fn as_time(self) -> Option<i64> {
        match self {
            Value::Time(ns) => Some(ns),
            _ => None,
        }
    }

    /// The nanoseconds since 1970 UTC of a `timestamp`.
    pub fn as_timestamp(self) -> Option<i64> {
        match self {
            Value::Timestamp(ns) => Some(ns),
            _ => None,
        }
    }
}

impl fmt::Display for Value<'_> {
    /// The value as JSON and CSV spell it, without quotes; bytes that are not UTF-8 as `\xHH`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Value::Text(bytes) => write_text(f, bytes),
            Value::Int(n) => write!(f, "{n}"),
            Value::Real(x) => write!(f, "{x}"),
            Value::Bool(b) => write!(f, "{b}"),
            Value::Inet(ip) => write!(f, "{ip}"),
            Value::Mac([a, b, c, d, e, g]) => {
                write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
            }
            Value::Time(ns) => write_clock(f, ns),
            Value::Timestamp(ns) => write_timestamp(f, ns),
        }
    }
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Value::Int(n) => serializer.serialize_i64(n),
            Value::Real(x) => serializer.serialize_f64(x),
            Value::Bool(b) => serializer.serialize_bool(b),
            _ => serializer.collect_str(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_have_nine_digits_where_they_need_them() {
        assert_eq!(
            Value::Timestamp(0).to_string(),
            "1970-01-01T00:00:00.000000Z"
        );
        assert_eq!(
            Value::Timestamp(-1).to_string(),
            "1969-12-31T23:59:59.999999999Z"
        );
        assert_eq!(Value::Text(b"a\xffb").to_string(), "a\\xffb");
    }
}

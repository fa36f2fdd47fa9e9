//! A row as the server sends it, and its values.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use dumpstream::{FieldType, Value};

use super::super::layout::{Content, MILLISECOND};

/// A row's columns as bytes.
#[derive(Debug, Default)]
pub(super) struct RawRow {
    bytes: Vec<u8>,
    /// Where each column ends, and whether it has a value.
    ends: Vec<(u32, bool)>,
}

impl RawRow {
    pub(super) fn new(columns: usize) -> RawRow {
        RawRow {
            bytes: Vec::new(),
            ends: Vec::with_capacity(columns),
        }
    }

    /// The memory that the row takes.
    pub(super) fn held(&self) -> usize {
        size_of::<Line>() + self.bytes.capacity() + self.ends.capacity() * size_of::<(u32, bool)>()
    }

    pub(super) fn push(&mut self, value: Option<&[u8]>) {
        self.bytes.extend_from_slice(value.unwrap_or_default());
        let end = u32::try_from(self.bytes.len()).expect("a frame has fewer bytes");
        self.ends.push((end, value.is_some()));
    }

    pub(super) fn get(&self, column: usize) -> Option<&[u8]> {
        let (end, there) = *self.ends.get(column)?;
        let start = match column {
            0 => 0,
            column => self.ends[column - 1].0,
        };
        there.then(|| &self.bytes[start as usize..end as usize])
    }
}

/// A row, and the values that order it.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) time: i64,
    pub(super) record: u64,
    /// The column of the stream's name.
    stream: usize,
    pub(super) raw: RawRow,
}

impl Line {
    pub(super) fn read(raw: RawRow, sources: &[Content]) -> Result<Line, String> {
        let (mut ms, mut ns, mut record, mut stream) = (None, None, None, None);
        for (i, source) in sources.iter().enumerate() {
            match (source, raw.get(i)) {
                (Content::Time, Some(bytes)) => ms = Some(long(bytes)?),
                (Content::TimeNs, Some(bytes)) => ns = Some(int(bytes)?),
                (Content::Record, Some(bytes)) => record = Some(long(bytes)?),
                (Content::Stream, Some(_)) => stream = Some(i),
                _ => {}
            }
        }
        let (Some(ms), Some(ns), Some(record), Some(stream)) = (ms, ns, record, stream) else {
            return Err("a row without its key".to_owned());
        };
        let time = ms.checked_mul(MILLISECOND);
        let time = time.and_then(|ms| ms.checked_add(i64::from(ns)));
        Ok(Line {
            time: time.ok_or("a row with an invalid time")?,
            record: u64::try_from(record).map_err(|_| "a row with a negative ordinal")?,
            stream,
            raw,
        })
    }

    /// The stream's name, as the server compares it.
    pub(super) fn stream(&self) -> &[u8] {
        self.raw.get(self.stream).unwrap_or_default()
    }
}

/// Converts a column's bytes to a value of its field's type.
pub(super) fn value<'a>(
    kind: FieldType,
    bytes: &'a [u8],
    ns: impl Fn() -> Option<&'a [u8]>,
) -> Result<Value<'a>, String> {
    Ok(match kind {
        FieldType::Int | FieldType::Port => Value::Int(int(bytes)?.into()),
        FieldType::Bigint | FieldType::Hex => Value::Int(long(bytes)?),
        FieldType::Real => Value::Real(f64::from_bits(long(bytes)? as u64)),
        FieldType::Bool => Value::Bool(bytes == [1]),
        FieldType::Inet => Value::Inet(match bytes.len() {
            4 => IpAddr::V4(Ipv4Addr::from(fixed::<4>(bytes)?)),
            _ => IpAddr::V6(Ipv6Addr::from(fixed::<16>(bytes)?)),
        }),
        FieldType::Mac => {
            let mac = Value::mac(bytes);
            mac.ok_or_else(|| format!("`{}` is not a mac", bytes.escape_ascii()))?
        }
        FieldType::Time => Value::Time(long(bytes)?),
        FieldType::Timestamp => {
            let ns = ns().map(int).transpose()?.unwrap_or(0);
            Value::Timestamp(
                long(bytes)?
                    .saturating_mul(MILLISECOND)
                    .saturating_add(ns.into()),
            )
        }
        // Text, and types that later versions of the core may add.
        _ => Value::Text(bytes),
    })
}

pub(super) fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], String> {
    let found = bytes.len();
    let fixed = bytes.try_into();
    fixed.map_err(|_| format!("a value of {found} bytes where {N} were expected"))
}

fn int(bytes: &[u8]) -> Result<i32, String> {
    fixed(bytes).map(i32::from_be_bytes)
}

pub(super) fn long(bytes: &[u8]) -> Result<i64, String> {
    fixed(bytes).map(i64::from_be_bytes)
}

//! One column under construction: plain vectors, which are handed to Arrow as they are.
//!
//! Arrow's own builders take a value at a time through a layer that is made for every type; a packet
//! has about thirty, so that they would cost more than the parse.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use arrow_array::types::{
    ArrowPrimitiveType, Float64Type, Int32Type, Int64Type, Time64NanosecondType,
    TimestampMicrosecondType, TimestampNanosecondType, UInt16Type,
};
use arrow_array::{ArrayRef, BooleanArray, DictionaryArray, PrimitiveArray, StringArray};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, TimeUnit};

use crate::spell::Text;
use crate::table::Inner;
use crate::value::FieldType;

/// Addresses whose text is remembered.
const REMEMBERED: usize = 256;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Enumeration,
    Int,
    Bigint,
    Port,
    Real,
    Bool,
    Inet,
    Mac,
    Time,
    /// A time of day as text.
    Clock,
    Timestamp,
    /// A timestamp without its nanoseconds.
    Micros,
}

impl Kind {
    pub(super) fn of(kind: FieldType) -> Kind {
        match kind {
            FieldType::Text => Kind::Text,
            FieldType::Int => Kind::Int,
            FieldType::Bigint | FieldType::Hex => Kind::Bigint,
            FieldType::Port => Kind::Port,
            FieldType::Real => Kind::Real,
            FieldType::Bool => Kind::Bool,
            FieldType::Inet => Kind::Inet,
            FieldType::Mac => Kind::Mac,
            FieldType::Time => Kind::Time,
            FieldType::Timestamp => Kind::Timestamp,
        }
    }

    pub(super) fn arrow(self) -> DataType {
        match self {
            Kind::Text | Kind::Inet | Kind::Mac | Kind::Clock => DataType::Utf8,
            Kind::Enumeration => {
                DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
            }
            Kind::Int => DataType::Int32,
            Kind::Bigint => DataType::Int64,
            Kind::Port => DataType::UInt16,
            Kind::Real => DataType::Float64,
            Kind::Bool => DataType::Boolean,
            Kind::Time => DataType::Time64(TimeUnit::Nanosecond),
            Kind::Timestamp => DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
            Kind::Micros => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        }
    }
}

/// The values so far.
#[derive(Debug)]
pub(super) struct Cells {
    /// A bit for each row that has a value.
    present: Bits,
    values: Values,
}

#[derive(Debug)]
enum Values {
    Text(Strings, Text),
    Enumeration(Box<Names>, Text),
    Int(Vec<i32>),
    Bigint(Vec<i64>),
    Port(Vec<u16>),
    Real(Vec<f64>),
    Bool(Bits),
    Inet(Strings, Box<Addresses>),
    Mac(Strings, Text),
    Time(Vec<i64>),
    Clock(Strings, Text),
    Timestamp(Vec<i64>),
    Micros(Vec<i64>),
}

impl Cells {
    pub(super) fn new(kind: Kind) -> Cells {
        let values = match kind {
            Kind::Text => Values::Text(Strings::default(), Text::new()),
            Kind::Enumeration => Values::Enumeration(Box::default(), Text::new()),
            Kind::Int => Values::Int(Vec::new()),
            Kind::Bigint => Values::Bigint(Vec::new()),
            Kind::Port => Values::Port(Vec::new()),
            Kind::Real => Values::Real(Vec::new()),
            Kind::Bool => Values::Bool(Bits::default()),
            Kind::Inet => Values::Inet(Strings::default(), Box::default()),
            Kind::Mac => Values::Mac(Strings::default(), Text::new()),
            Kind::Time => Values::Time(Vec::new()),
            Kind::Clock => Values::Clock(Strings::default(), Text::new()),
            Kind::Timestamp => Values::Timestamp(Vec::new()),
            Kind::Micros => Values::Micros(Vec::new()),
        };
        Cells {
            present: Bits::default(),
            values,
        }
    }

    /// Adds the cells of as many rows as there are `cells`, at most 64, in which a bit of `present`
    /// is set for each row that has a value.
    #[inline]
    pub(super) fn extend(&mut self, inner: &Inner, present: u64, cells: &[u64]) {
        self.present.extend(present, cells.len());
        let each = || {
            cells
                .iter()
                .enumerate()
                .map(|(i, cell)| (present >> i & 1 == 1, *cell))
        };
        match &mut self.values {
            Values::Text(strings, text) => each().for_each(|(present, cell)| {
                strings.push(present.then(|| utf8(inner.cell_text(cell), text)));
            }),
            Values::Enumeration(names, text) => each().for_each(|(present, cell)| {
                names.push(present.then(|| inner.cell_text(cell)), text);
            }),
            Values::Int(numbers) => numbers.extend(cells.iter().map(|cell| *cell as i32)),
            Values::Bigint(numbers) | Values::Time(numbers) | Values::Timestamp(numbers) => {
                numbers.extend(cells.iter().map(|cell| *cell as i64));
            }
            Values::Micros(numbers) => {
                numbers.extend(cells.iter().map(|cell| (*cell as i64).div_euclid(1_000)));
            }
            Values::Port(numbers) => numbers.extend(cells.iter().map(|cell| *cell as u16)),
            Values::Real(numbers) => numbers.extend(cells.iter().map(|cell| f64::from_bits(*cell))),
            Values::Bool(bits) => {
                let set = |word, (i, cell): (usize, &u64)| word | u64::from(*cell != 0) << i;
                bits.extend(cells.iter().enumerate().fold(0, set), cells.len());
            }
            Values::Inet(strings, addresses) => each().for_each(|(present, cell)| {
                strings.push(present.then(|| addresses.text(inner.cell_inet(cell))));
            }),
            Values::Clock(strings, text) => each().for_each(|(present, cell)| {
                strings.push(present.then(|| {
                    text.out.clear();
                    text.clock(cell as i64);
                    spelt(&text.out)
                }));
            }),
            Values::Mac(strings, text) => each().for_each(|(present, cell)| {
                strings.push(present.then(|| {
                    let [_, _, mac @ ..] = cell.to_be_bytes();
                    text.out.clear();
                    text.mac(mac);
                    spelt(&text.out)
                }));
            }),
        }
    }

    /// Adds a row's text.
    pub(super) fn text(&mut self, bytes: &[u8]) {
        self.present.extend(1, 1);
        match &mut self.values {
            Values::Text(strings, text) => strings.push(Some(utf8(bytes, text))),
            Values::Enumeration(names, text) => names.push(Some(bytes), text),
            _ => unreachable!("a column of text"),
        }
    }

    /// The values so far; none is left.
    pub(super) fn take(&mut self) -> ArrayRef {
        let present = NullBuffer::new(self.present.take());
        let nulls = (present.null_count() > 0).then_some(present);
        match &mut self.values {
            Values::Text(strings, _)
            | Values::Inet(strings, _)
            | Values::Mac(strings, _)
            | Values::Clock(strings, _) => Arc::new(strings.take(nulls)),
            Values::Enumeration(names, _) => Arc::new(names.take(nulls)),
            Values::Int(numbers) => Arc::new(take::<Int32Type>(numbers, nulls)),
            Values::Bigint(numbers) => Arc::new(take::<Int64Type>(numbers, nulls)),
            Values::Port(numbers) => Arc::new(take::<UInt16Type>(numbers, nulls)),
            Values::Real(numbers) => Arc::new(take::<Float64Type>(numbers, nulls)),
            Values::Bool(bits) => Arc::new(BooleanArray::new(bits.take(), nulls)),
            Values::Time(numbers) => Arc::new(take::<Time64NanosecondType>(numbers, nulls)),
            Values::Timestamp(numbers) => {
                let instants = take::<TimestampNanosecondType>(numbers, nulls);
                Arc::new(instants.with_timezone("UTC"))
            }
            Values::Micros(numbers) => {
                let instants = take::<TimestampMicrosecondType>(numbers, nulls);
                Arc::new(instants.with_timezone("UTC"))
            }
        }
    }
}

fn take<T: ArrowPrimitiveType>(
    numbers: &mut Vec<T::Native>,
    nulls: Option<NullBuffer>,
) -> PrimitiveArray<T> {
    let next = Vec::with_capacity(numbers.len());
    let numbers = std::mem::replace(numbers, next);
    PrimitiveArray::new(ScalarBuffer::from(numbers), nulls)
}

/// A bit for each row.
#[derive(Debug, Default)]
struct Bits {
    words: Vec<u64>,
    len: usize,
}

impl Bits {
    /// Adds the lowest `len` bits of a word, at most 64; the others are 0.
    #[inline]
    fn extend(&mut self, word: u64, len: usize) {
        let used = self.len % 64;
        match self.words.last_mut().filter(|_| used > 0) {
            None => self.words.push(word),
            Some(last) => {
                *last |= word << used;
                if used + len > 64 {
                    self.words.push(word >> (64 - used));
                }
            }
        }
        self.len += len;
    }

    fn take(&mut self) -> BooleanBuffer {
        let next = Vec::with_capacity(self.words.len());
        let mut words = std::mem::replace(&mut self.words, next);
        // Arrow counts bits from the lowest of the first byte on.
        words.iter_mut().for_each(|word| *word = word.to_le());
        BooleanBuffer::new(Buffer::from_vec(words), 0, std::mem::take(&mut self.len))
    }
}

/// Texts, one behind the other.
#[derive(Debug, Default)]
struct Strings {
    /// Where the text of each row ends.
    ends: Vec<i32>,
    bytes: Vec<u8>,
}

impl Strings {
    #[inline]
    fn push(&mut self, text: Option<&str>) {
        if let Some(text) = text {
            self.bytes.extend_from_slice(text.as_bytes());
        }
        let end = i32::try_from(self.bytes.len());
        self.ends
            .push(end.expect("a batch has less than 2 GiB of one column's text"));
    }

    fn take(&mut self, nulls: Option<NullBuffer>) -> StringArray {
        let mut offsets = Vec::with_capacity(self.ends.len() + 1);
        offsets.push(0);
        offsets.append(&mut self.ends);
        let next = Vec::with_capacity(self.bytes.len());
        let bytes = std::mem::replace(&mut self.bytes, next);
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        // It checks again that all is UTF-8: without that, one would have to trust this code.
        StringArray::new(offsets, Buffer::from_vec(bytes), nulls)
    }
}

/// Texts of which there are few.
#[derive(Debug, Default)]
struct Names {
    keys: Vec<i32>,
    known: HashMap<Box<[u8]>, i32>,
    /// The last ones' bytes and keys: packets of few kinds come together.
    last: Vec<(Box<[u8]>, i32)>,
    names: Strings,
}

/// How many names are compared before one is looked up.
const LAST: usize = 4;

impl Names {
    #[inline]
    fn push(&mut self, bytes: Option<&[u8]>, text: &mut Text) {
        let key = match bytes {
            None => 0,
            Some(bytes) => match self.last.iter().find(|(last, _)| **last == *bytes) {
                Some((_, key)) => *key,
                None => self.key(bytes, text),
            },
        };
        self.keys.push(key);
    }

    #[cold]
    fn key(&mut self, bytes: &[u8], text: &mut Text) -> i32 {
        let key = match self.known.get(bytes) {
            Some(key) => *key,
            None => {
                let next = self.names.ends.len();
                let key = i32::try_from(next).expect("as many as texts, which are fewer");
                self.names.push(Some(utf8(bytes, text)));
                self.known.insert(bytes.into(), key);
                key
            }
        };
        if self.last.len() == LAST {
            self.last.remove(0);
        }
        self.last.push((bytes.into(), key));
        key
    }

    fn take(&mut self, nulls: Option<NullBuffer>) -> DictionaryArray<Int32Type> {
        let keys = take::<Int32Type>(&mut self.keys, nulls);
        self.known.clear();
        self.last.clear();
        DictionaryArray::new(keys, Arc::new(self.names.take(None)))
    }
}

/// Bytes as text, as every output spells them.
#[inline]
fn utf8<'a>(bytes: &'a [u8], text: &'a mut Text) -> &'a str {
    match str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => {
            text.out.clear();
            text.lossless(bytes);
            spelt(&text.out)
        }
    }
}

fn spelt(text: &[u8]) -> &str {
    str::from_utf8(text).expect("what was spelt is text")
}

/// The texts of addresses seen lately: a capture has few of them, and spelling one costs more than
/// all its numbers.
#[derive(Debug)]
struct Addresses {
    places: Vec<Option<(IpAddr, String)>>,
    text: Text,
}

impl Default for Addresses {
    fn default() -> Addresses {
        Addresses {
            places: vec![None; REMEMBERED],
            text: Text::new(),
        }
    }
}

impl Addresses {
    #[inline]
    fn text(&mut self, ip: IpAddr) -> &str {
        let bits = match ip {
            IpAddr::V4(ip) => u64::from(ip.to_bits()),
            IpAddr::V6(ip) => (ip.to_bits() >> 64) as u64 ^ ip.to_bits() as u64,
        };
        // The high bits of the product depend on all of them.
        let mixed = bits.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let place = &mut self.places[(mixed >> 56) as usize % REMEMBERED];
        if place.as_ref().is_none_or(|(known, _)| *known != ip) {
            self.text.out.clear();
            self.text.inet(ip);
            *place = Some((ip, spelt(&self.text.out).to_owned()));
        }
        place.as_ref().map_or("", |(_, text)| text)
    }
}

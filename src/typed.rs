//! How each type reads a field's text.
//!
//! A type either takes the whole text or refuses it; a refused text is a *misfit*, and the field is
//! missing with that reason. Nothing is rounded, cut or guessed.

use std::net::IpAddr;

use crate::head::{self, Stamp};
use crate::scan::{decimal, hexadecimal, inet, mac};
use crate::service;
use crate::value::FieldType;

/// A value that owns nothing and borrows nothing: what a type made of a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Typed {
    /// The text itself.
    Text,
    Int(i64),
    Real(f64),
    Inet(IpAddr),
    Mac(u64),
    Time(i64),
    Stamp(Stamp),
}

impl FieldType {
    /// Parses a text; `None` is a misfit. `bool` has no text, so it never gets here.
    pub(crate) fn read(self, text: &[u8], nano: bool) -> Option<Typed> {
        Some(match self {
            FieldType::Text | FieldType::Bool => Typed::Text,
            FieldType::Int => {
                let n = whole(text)?;
                i32::try_from(n).ok()?;
                Typed::Int(n)
            }
            FieldType::Bigint => Typed::Int(whole(text)?),
            FieldType::Real => {
                let x: f64 = str::from_utf8(text).ok()?.parse().ok()?;
                x.is_finite().then_some(Typed::Real(x))?
            }
            FieldType::Inet => Typed::Inet(inet(text)?),
            FieldType::Port => match decimal(text) {
                Some(n) => (n <= 65_535).then_some(Typed::Int(n as i64))?,
                None => Typed::Int(i64::from(service::port(text)?)),
            },
            FieldType::Mac => Typed::Mac(mac(text)?),
            FieldType::Hex => Typed::Int(i64::try_from(hexadecimal(text)?).ok()?),
            FieldType::Time => match head::read(text, text.len() == 18)? {
                Stamp::Clock(ns) => Typed::Time(ns),
                _ => return None,
            },
            FieldType::Timestamp => Typed::Stamp(head::read(text, nano)?),
        })
    }
}

/// A whole number, decimal with an optional minus, or `0x…`.
fn whole(text: &[u8]) -> Option<i64> {
    match text {
        [b'0', b'x', hex @ ..] => i64::try_from(hexadecimal(hex)?).ok(),
        [b'-', digits @ ..] => 0i64.checked_sub_unsigned(decimal(digits)?),
        digits => i64::try_from(decimal(digits)?).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::civil::SECOND;

    #[test]
    fn types_refuse_what_does_not_fit() {
        let read = |t: FieldType, s: &str| t.read(s.as_bytes(), false);
        assert_eq!(read(FieldType::Int, "0x10"), Some(Typed::Int(16)));
        assert_eq!(read(FieldType::Int, "2147483648"), None);
        assert_eq!(
            read(FieldType::Bigint, "2147483648"),
            Some(Typed::Int(2_147_483_648))
        );
        assert_eq!(
            read(FieldType::Bigint, "-9223372036854775808"),
            Some(Typed::Int(i64::MIN))
        );
        assert_eq!(read(FieldType::Port, "65536"), None);
        assert_eq!(read(FieldType::Hex, "ff"), Some(Typed::Int(255)));
        assert_eq!(read(FieldType::Inet, "1.2.3.04"), None);
        assert_eq!(read(FieldType::Inet, "1.2.3.256"), None);
        assert_eq!(
            read(FieldType::Inet, "::1"),
            Some(Typed::Inet("::1".parse().unwrap()))
        );
        assert_eq!(read(FieldType::Mac, "02:00:00:00:00:0g"), None);
        assert_eq!(read(FieldType::Real, "inf"), None);
        assert_eq!(
            read(FieldType::Time, "00:00:01.000000"),
            Some(Typed::Time(SECOND))
        );
        assert_eq!(read(FieldType::Time, "00:00:01"), None);
    }
}

//! The text of a cell, in each format.

use std::borrow::Cow;

use dumpstream_flow::Datum;

use super::super::visible;

/// The text of a cell, a byte that is not UTF-8 as `\xHH`.
pub(super) fn text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(dumpstream::Value::Text(bytes).to_string()),
    }
}

/// Formats bytes as text if they are UTF-8, such as a record's own; others in hexadecimal.
pub(super) fn blob(bytes: &[u8]) -> Cow<'_, str> {
    match str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().map(|b| format!("{b:02x}")).collect()),
    }
}

/// Formats a value that never needs quotes.
pub(super) fn shown(value: &Datum<'_>) -> String {
    match value {
        Datum::Null => String::new(),
        Datum::Bool(b) => b.to_string(),
        Datum::Int(n) => n.to_string(),
        // `{:?}` keeps the point of a whole number: 2.0, as sqlite3 prints it.
        Datum::Real(x) => format!("{x:?}"),
        Datum::Text(t) => text(t).into_owned(),
        Datum::Bytes(b) => blob(b).into_owned(),
        // A kind of value that a later version may add.
        other => format!("{other:?}"),
    }
}

pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Marks text that a spreadsheet would run as a formula with a leading `'`, which it hides.
pub(super) fn formula(text: &str) -> Cow<'_, str> {
    match text.as_bytes().first() {
        Some(b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r') => Cow::Owned(format!("'{text}")),
        _ => Cow::Borrowed(text),
    }
}

/// Quotes a cell as RFC 4180 requires.
pub(super) fn csv(text: &str, terminal: bool) -> Cow<'_, str> {
    let text = if terminal {
        visible::line(text)
    } else {
        Cow::Borrowed(text)
    };
    match text.contains(['"', ',', '\r', '\n']) {
        true => Cow::Owned(format!("\"{}\"", text.replace('"', "\"\""))),
        false => text,
    }
}

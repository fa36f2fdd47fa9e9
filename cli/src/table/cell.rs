//! The text of a cell, in each format.

use std::borrow::Cow;

use dumpstream_flow::Datum;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

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

/// A text as a cell of CSV, by the rule of the sink `csv:`: a row is always one line, an empty text
/// is `""` and an absent one nothing, and no cell is a formula.
pub(super) fn csv(text: &[u8]) -> String {
    let mut cell = dumpstream::spell::Text::new();
    cell.csv(text);
    String::from_utf8_lossy(&cell.out).into_owned()
}

/// Cuts a line to `edge` columns, and returns whether it was longer.
pub(super) fn cut(line: &mut String, edge: usize) -> bool {
    if line.width() <= edge {
        return false;
    }
    let mut width = 0;
    let end = line.char_indices().find(|(_, c)| {
        width += c.width().unwrap_or(0);
        width > edge
    });
    line.truncate(end.map_or(line.len(), |(at, _)| at));
    true
}

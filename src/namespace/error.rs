//! What is wrong with a namespace, and where.

use std::fmt;

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// An excerpt of the line, escaped for a terminal, and where the position is in it.
    shown: String,
    caret: usize,
}

/// Characters of a line that are shown before and after a place: a file without line breaks stays
/// readable, and small in memory.
const BEFORE: usize = 59;
const AFTER: usize = 41;

impl Position {
    pub(super) fn of(source: &str, offset: usize) -> Position {
        let (before, rest) = source.split_at(source.floor_char_boundary(offset));
        let start = before.rfind('\n').map_or(0, |i| i + 1);
        let lead: Vec<char> = before[start..].chars().rev().take(BEFORE).collect();
        let mut shown: String = lead.into_iter().rev().flat_map(visible).collect();
        let caret = shown.chars().count();
        let after = rest.lines().next().unwrap_or_default();
        shown.extend(after.chars().take(AFTER).flat_map(visible));
        Position {
            line: memchr::memchr_iter(b'\n', before.as_bytes()).count() + 1,
            column: before[start..].chars().count() + 1,
            shown,
            caret,
        }
    }

    /// The line, and a caret below it: two lines, escaped for a terminal.
    pub fn excerpt(&self) -> String {
        format!("  | {}\n  | {:caret$}^", self.shown, "", caret = self.caret)
    }
}

/// What is wrong with a namespace, and where.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub struct NamespaceError {
    /// The field, if the error is about one.
    pub field: Option<String>,
    /// The position in the file, if the namespace came from a file.
    pub position: Option<Position>,
    what: String,
}

impl NamespaceError {
    pub(super) fn at(field: &str, what: String, position: Option<Position>) -> NamespaceError {
        NamespaceError {
            field: Some(field.to_owned()),
            position,
            what,
        }
    }

    pub(super) fn whole(what: impl Into<String>, position: Option<Position>) -> NamespaceError {
        NamespaceError {
            field: None,
            position,
            what: what.into(),
        }
    }

    /// The error without the field and the position.
    pub fn what(&self) -> &str {
        &self.what
    }
}

impl fmt::Display for NamespaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(field) = &self.field {
            write!(f, "field {field:?}: ")?;
        }
        f.write_str(&self.what)?;
        let Some(at) = &self.position else {
            return Ok(());
        };
        write!(
            f,
            "\n  at line {}, column {}\n{}",
            at.line,
            at.column,
            at.excerpt()
        )
    }
}

/// A character of the file, such that it does not act on a terminal nor turn the text about: as
/// Rust escapes what is not printable.
fn visible(c: char) -> impl Iterator<Item = char> {
    let c = if c == '\t' { ' ' } else { c };
    let plain = matches!(c, '"' | '\'' | '\\') || c.escape_debug().len() == 1;
    let escaped = (!plain).then(|| c.escape_debug());
    plain
        .then_some(c)
        .into_iter()
        .chain(escaped.into_iter().flatten())
}

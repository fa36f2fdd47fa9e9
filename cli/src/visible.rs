//! Escapes text from the network for a terminal: characters that could act on the terminal are
//! spelled out.

use std::borrow::Cow;
use std::fmt::Write;

use dumpstream::spell::acts;

/// Escapes one line for a terminal: characters that act on it become `\u{1b}` or `\n`.
pub(super) use dumpstream::spell::visible as line;

/// The same for messages of several lines, whose line feeds are kept.
pub(super) fn lines(text: &str) -> Cow<'_, str> {
    each(text, line)
}

/// Escapes the same characters in JSON text, as `\u009b`: readers of JSON see no difference, and no
/// terminal acts on them. (JSON itself escapes only C0.)
pub(super) fn json(text: &str) -> Cow<'_, str> {
    if !text.chars().any(acts) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match acts(c) {
            // All that acts stands in the basic plane: one unit of UTF-16 is enough.
            true => write!(out, "\\u{:04x}", u32::from(c)).expect("a String takes it"),
            false => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// The same for JSON that is laid out in lines.
pub(super) fn json_lines(text: &str) -> Cow<'_, str> {
    each(text, json)
}

/// Escapes each line.
fn each(text: &str, line: fn(&str) -> Cow<'_, str>) -> Cow<'_, str> {
    match text.chars().any(|c| acts(c) && c != '\n') {
        true => Cow::Owned(text.split('\n').map(line).collect::<Vec<_>>().join("\n")),
        false => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_acts_is_left() {
        for c in ('\0'..='\u{10ffff}').filter(|&c| acts(c)) {
            let hostile = format!("a{c}b");
            assert!(!line(&hostile).contains(c));
            assert_eq!(lines(&hostile).contains(c), c == '\n');
            assert!(!json(&hostile).contains(c));
            assert_eq!(json_lines(&hostile).contains(c), c == '\n');
        }
        assert_eq!(line("\u{1b}[2J"), "\\u{1b}[2J");
        assert_eq!(line("a\nb\r\tc"), "a\\nb\\r\\tc");
        assert_eq!(json("\u{9b}2J"), "\\u009b2J");
        assert!(matches!(line("plain, ü, 漢"), Cow::Borrowed(_)));
    }
}

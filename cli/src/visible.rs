//! Escapes text from the network for a terminal: characters that could act on the terminal are
//! spelled out.

use std::borrow::Cow;

/// Whether a character acts on a terminal, or on the order in which it shows what follows.
fn acts(c: char) -> bool {
    // C0, DEL and C1; then characters that change the direction of text, and the two line
    // separators.
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Escapes one line for a terminal: characters that act on it become `\u{1b}`.
pub(super) fn line(text: &str) -> Cow<'_, str> {
    escape(text, |_| false)
}

/// The same for messages of several lines, whose line feeds are kept.
pub(super) fn lines(text: &str) -> Cow<'_, str> {
    escape(text, |c| c == '\n')
}

fn escape(text: &str, keep: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(|c| acts(c) && !keep(c)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if acts(c) && !keep(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Escapes the same characters in JSON text, as `\u009b`: readers of JSON see no difference, and no
/// terminal acts on them. (JSON itself escapes only C0.)
pub(super) fn json(text: &str) -> Cow<'_, str> {
    escape_json(text, |_| false)
}

/// The same for JSON that is laid out in lines.
pub(super) fn json_lines(text: &str) -> Cow<'_, str> {
    escape_json(text, |c| c == '\n')
}

fn escape_json(text: &str, keep: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(|c| acts(c) && !keep(c)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if acts(c) && !keep(c) {
            // All of these are in the basic plane, so one UTF-16 unit is enough.
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
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
        assert_eq!(json("\u{9b}2J"), "\\u009b2J");
        assert!(matches!(line("plain, ü, 漢"), Cow::Borrowed(_)));
    }
}

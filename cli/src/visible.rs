//! Escapes text from the network for a terminal: characters that could act on the terminal are
//! spelled out.

use std::borrow::Cow;
use std::fmt::Write;

use dumpstream::spell::acts;

/// Escapes one line for a terminal: characters that act on it become `\u{1b}`.
pub(super) use dumpstream::spell::visible as line;

/// The same for messages of several lines, whose line feeds are kept.
pub(super) fn lines(text: &str) -> Cow<'_, str> {
    spelled(text, |c| c == '\n', unicode)
}

/// Escapes the same characters in JSON text, as `\u009b`: readers of JSON see no difference, and no
/// terminal acts on them. (JSON itself escapes only C0.)
pub(super) fn json(text: &str) -> Cow<'_, str> {
    spelled(text, |_| false, unit)
}

/// The same for JSON that is laid out in lines.
pub(super) fn json_lines(text: &str) -> Cow<'_, str> {
    spelled(text, |c| c == '\n', unit)
}

fn unicode(out: &mut String, c: char) {
    out.extend(c.escape_unicode());
}

/// All that acts stands in the basic plane: one unit of UTF-16 is enough.
fn unit(out: &mut String, c: char) {
    write!(out, "\\u{:04x}", u32::from(c)).expect("a String takes it");
}

/// Text in which `spell` has spelled what acts, but for what is kept.
fn spelled(
    text: &str,
    keep: impl Fn(char) -> bool,
    spell: impl Fn(&mut String, char),
) -> Cow<'_, str> {
    if !text.chars().any(|c| acts(c) && !keep(c)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if acts(c) && !keep(c) {
            spell(&mut out, c);
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

//! Words in colour, where there is colour.

use std::borrow::Cow;

/// Colours for one stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint(pub(super) bool);

impl Paint {
    fn dye<'a>(self, code: &str, text: &'a str) -> Cow<'a, str> {
        match self.0 && !text.is_empty() {
            true => Cow::Owned(format!("\u{1b}[{code}m{text}\u{1b}[0m")),
            false => Cow::Borrowed(text),
        }
    }

    pub(super) fn bold<'a>(self, text: &'a str) -> Cow<'a, str> {
        self.dye("1", text)
    }

    pub(super) fn faint<'a>(self, text: &'a str) -> Cow<'a, str> {
        self.dye("2", text)
    }

    pub(super) fn good<'a>(self, text: &'a str) -> Cow<'a, str> {
        self.dye("32", text)
    }

    pub(super) fn bad<'a>(self, text: &'a str) -> Cow<'a, str> {
        self.dye("1;31", text)
    }

    pub(super) fn warn<'a>(self, text: &'a str) -> Cow<'a, str> {
        self.dye("33", text)
    }
}

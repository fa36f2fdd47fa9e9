//! Words in colour, where there is colour.

use std::borrow::Cow;

use anstyle::{AnsiColor, Style};

/// Colours for one stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint(pub(super) bool);

impl Paint {
    fn dye(self, style: Style, text: &str) -> Cow<'_, str> {
        match self.0 && !text.is_empty() {
            true => Cow::Owned(format!("{style}{text}{style:#}")),
            false => Cow::Borrowed(text),
        }
    }

    pub(super) fn bold(self, text: &str) -> Cow<'_, str> {
        self.dye(Style::new().bold(), text)
    }

    pub(super) fn faint(self, text: &str) -> Cow<'_, str> {
        self.dye(Style::new().dimmed(), text)
    }

    pub(super) fn good(self, text: &str) -> Cow<'_, str> {
        self.dye(AnsiColor::Green.on_default(), text)
    }

    pub(super) fn bad(self, text: &str) -> Cow<'_, str> {
        self.dye(AnsiColor::Red.on_default().bold(), text)
    }

    pub(super) fn warn(self, text: &str) -> Cow<'_, str> {
        self.dye(AnsiColor::Yellow.on_default(), text)
    }
}

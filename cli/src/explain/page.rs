//! An explanation on one screen.

use std::fmt::Write;
use std::path::Path;

use dumpstream::explain::{Explanation, Finding, Found, Place, Verdict};
use dumpstream::{Missing, Namespace, Part};

use super::super::paint::Paint;
use super::super::visible;

/// Payload lines that are shown.
const PAYLOAD_LINES: usize = 3;
/// Characters of a text that are shown on one line.
pub(super) const WIDE: usize = 100;
/// Fields of the user's own without a value that are explained in full by default.
const TOLD: usize = 4;

/// What to show.
pub(super) struct Page<'a> {
    pub(super) explanation: &'a Explanation,
    pub(super) names: &'a Namespace,
    /// The namespace's file.
    pub(super) file: Option<&'a Path>,
    pub(super) paint: Paint,
    /// Explain every field in full.
    pub(super) full: bool,
}

impl Page<'_> {
    /// The whole page.
    pub(super) fn print(&self, input: &str, n: u64) -> String {
        let mut out = String::new();
        self.record(&mut out, input, n);
        if self.full {
            for field in &self.explanation.fields {
                self.field(&mut out, field);
            }
            return out;
        }
        self.parts(&mut out);
        self.values(&mut out);
        self.missing(&mut out);
        let own = self.explanation.fields.iter().filter(|f| {
            let mine = matches!(f.engine, Found::RegexOwn | Found::RegexEdited);
            f.value.is_none() && (mine || f.missing == Some(Missing::Misfit))
        });
        let own: Vec<&Finding> = own.collect();
        for field in own.iter().take(TOLD) {
            self.field(&mut out, field);
        }
        let rest = match own.len().saturating_sub(TOLD) {
            0 => "--field NAME shows everything that was tried for a field".to_owned(),
            n => format!("{n} more of your own fields have no value: --field NAME explains each"),
        };
        line(&mut out, format_args!("{}", self.paint.faint(&rest)));
        out
    }

    fn heading(&self, out: &mut String, text: &str) {
        line(out, format_args!("{}", self.paint.bold(text)));
    }

    fn record(&self, out: &mut String, input: &str, n: u64) {
        let explanation = self.explanation;
        let mut state = Vec::new();
        if !explanation.parsed {
            state.push("no protocol found");
        }
        if explanation.truncated {
            state.push("cut");
        }
        let state = match state.is_empty() {
            true => String::new(),
            false => format!(": {}", state.join(", ")),
        };
        let heading = format!("record {n} of {}{state}", visible::line(input));
        self.heading(out, &heading);
        let payload = explanation
            .parts
            .iter()
            .filter(|p| p.part == Part::Payload)
            .find_map(|p| p.place.as_ref())
            .map_or(usize::MAX, |place| place.line);
        let lines: Vec<&str> = explanation.raw.lines().collect();
        let shown = payload.saturating_add(PAYLOAD_LINES - 1);
        for (i, text) in lines.iter().enumerate().take(shown) {
            // The head is shown whole; payload is cut to the width.
            let text = match i + 1 < payload {
                true => visible::line(text).into_owned(),
                false => cut(text, WIDE),
            };
            let number = format!("{:>3} |", i + 1);
            line(out, format_args!("{} {text}", self.paint.faint(&number)));
        }
        if let more @ 1.. = lines.len().saturating_sub(shown) {
            let more = format!("      and {more} more lines of payload");
            line(out, format_args!("{}", self.paint.faint(&more)));
        }
        for dialect in &explanation.dialects {
            line(out, format_args!("  spelled as by {dialect}"));
        }
    }

    fn parts(&self, out: &mut String) {
        self.heading(out, "parts");
        for piece in &self.explanation.parts {
            let odd = match piece.odd {
                true => format!("  {}", self.paint.warn("odd")),
                false => String::new(),
            };
            let (name, place) = (piece.part.name(), at(piece.place.as_ref()));
            let text = cut(piece.text.trim_end(), WIDE - 24);
            line(out, format_args!("  {name:<10}  {place:>7}  {text}{odd}"));
        }
        if let Some(withheld) = &self.explanation.withheld {
            let why = "withheld: this decoder may print credentials (--keep-info)";
            let place = at(Some(withheld));
            line(
                out,
                format_args!("  info        {place:>7}  {}", self.paint.warn(why)),
            );
        }
    }

    fn values(&self, out: &mut String) {
        self.heading(out, "fields");
        let fields = self.explanation.fields.iter();
        let there: Vec<(&Finding, String)> = fields
            .filter_map(|f| Some((f, cut(&spelled(f.value.as_ref()?), 44))))
            .collect();
        let wide = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0);
        let names = wide(&mut there.iter().map(|(f, _)| f.name.chars().count()));
        let values = wide(&mut there.iter().map(|(_, v)| v.chars().count()));
        for (field, value) in &there {
            let pad = values - value.chars().count();
            let name = format!("{:<names$}", field.name);
            let value = self.paint.good(value);
            let source = self.source(field);
            line(
                out,
                format_args!(
                    "  {name}  {value}{:pad$}  {}",
                    "",
                    self.paint.faint(&source)
                ),
            );
        }
    }

    /// Summarises the source of a value: type, part, place, engine.
    fn source(&self, field: &Finding) -> String {
        let engine = match field.engine {
            Found::Slot => "grammar",
            Found::RegexOdd => "regex (odd part)",
            Found::RegexAsked => "regex (requested)",
            Found::RegexEdited => "regex (edited)",
            _ => "regex (own)",
        };
        let kind = field.kind.name();
        let decided = field.tries.iter().find_map(|t| match &t.verdict {
            Verdict::Value(found) => Some((t.part.name(), found)),
            _ => None,
        });
        let mut text = match decided {
            Some((part, found)) => {
                let place = found
                    .place
                    .as_ref()
                    .map_or(String::new(), |p| format!(" {}", at(Some(p))));
                format!("{kind}, {part}{place}, {engine}")
            }
            None => kind.to_owned(),
        };
        if field.name == "time" {
            write!(text, ", time source {}", self.explanation.time_source)
                .expect("a String takes every text");
        }
        text
    }

    /// Lists the fields without a value, by reason and part.
    fn missing(&self, out: &mut String) {
        for (reason, what) in [
            (Missing::Misfit, "does not fit its type"),
            (Missing::NoMatch, "no match"),
            (Missing::NoPart, "no such part in this record"),
            (Missing::Truncated, "not before the record's cut"),
        ] {
            let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
            for field in &self.explanation.fields {
                if field.missing != Some(reason) {
                    continue;
                }
                let mut parts: Vec<&str> = Vec::new();
                for entry in &field.tries {
                    let part = entry.part.name();
                    let absent = matches!(entry.verdict, Verdict::NoPart { .. });
                    if !parts.contains(&part) && absent == (reason == Missing::NoPart) {
                        parts.push(part);
                    }
                }
                let parts = parts.join(", ");
                match groups.iter_mut().find(|(p, _)| *p == parts) {
                    Some((_, names)) => names.push(&field.name),
                    None => groups.push((parts, vec![&field.name])),
                }
            }
            if groups.is_empty() {
                continue;
            }
            self.heading(out, what);
            for (parts, names) in groups {
                line(out, format_args!("  {parts}: {}", names.join(" ")));
            }
        }
    }
}

/// One line of a text, with dots if it is longer than `most` characters.
pub(super) fn cut(text: &str, most: usize) -> String {
    let mut chars = text.chars();
    let shown: String = chars.by_ref().take(most).collect();
    let more = if chars.next().is_some() { "…" } else { "" };
    format!("{}{more}", visible::line(&shown))
}

pub(super) fn spelled(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Line and column.
pub(super) fn at(place: Option<&Place>) -> String {
    place.map_or("-".to_owned(), |place| {
        format!("{}:{}", place.line, place.column)
    })
}

pub(super) fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(out, "{text}").expect("a String takes every text");
}

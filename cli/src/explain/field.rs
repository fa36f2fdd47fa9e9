//! Explains one field, with every entry that was tried.

use std::ops::Range;

use dumpstream::explain::{Finding, Match, Miss, Try, Verdict};
use dumpstream::{Missing, Part};

use super::super::visible;
use super::page::{Page, WIDE, at, cut, line, spelled};

/// Characters shown before and after the place that a pattern reached.
const BEFORE: usize = 56;
const AFTER: usize = 40;
/// A pattern that matches in more parts than this gives no hint.
const MOST_HINTS: usize = 3;
impl Page<'_> {
    /// One field with all that was tried.
    pub(super) fn field(&self, out: &mut String, field: &Finding) {
        let verdict = match (&field.value, field.missing) {
            (Some(value), _) => self.paint.good(&cut(&spelled(value), WIDE)).into_owned(),
            (None, Some(Missing::NoPart)) => self
                .paint
                .bad("no value: the record has no such part")
                .into_owned(),
            (None, Some(Missing::Misfit)) => self
                .paint
                .bad("no value: the text does not fit the type")
                .into_owned(),
            (None, Some(Missing::Truncated)) => self
                .paint
                .bad("no value: the record was cut before it, or within it")
                .into_owned(),
            (None, _) => self.paint.bad("no value: no pattern matches").into_owned(),
        };
        let name = format!("{} ({})", field.name, field.kind);
        line(out, format_args!("{}: {verdict}", self.paint.bold(&name)));
        if !field.doc.is_empty() {
            line(
                out,
                format_args!("  {}", self.paint.faint(&cut(&field.doc, WIDE))),
            );
        }
        line(out, format_args!("  found by {}", field.engine));
        for entry in &field.tries {
            self.entry(out, field, entry);
        }
        if field.name == "time" && field.value.is_some() {
            let source = self.explanation.time_source;
            line(out, format_args!("  time source: {source}"));
        }
    }

    fn entry(&self, out: &mut String, field: &Finding, entry: &Try) {
        let written = self.names.fields.get(entry.entry);
        let file = match self.file {
            Some(file) => file.display().to_string(),
            None => "packet_parse.json".to_owned(),
        };
        let place = match written.and_then(|f| f.position()) {
            Some(at) => format!("{}:{}:{}", visible::line(&file), at.line, at.column),
            None => format!("entry {}", entry.entry + 1),
        };
        let part = entry.part.name();
        let mut say = |text: String| line(out, format_args!("  {text}"));
        let text = entry.text.as_deref().unwrap_or_default();
        let verdict = match &entry.verdict {
            Verdict::Value(found) => match &found.place {
                Some(place) => format!("gave the value, at {}", at(Some(place))),
                None => "gave the value".to_owned(),
            },
            Verdict::Misfit(_) => "matches, but the text does not fit the type".to_owned(),
            Verdict::NoGroup(_) => "matches, but not in group 1, which is the value".to_owned(),
            Verdict::NoMatch(_) => "does not match".to_owned(),
            Verdict::NoPart { .. } => "this record has no such part".to_owned(),
            _ => "not tried: an earlier entry decided".to_owned(),
        };
        say(format!(
            "{} in `{part}`: {verdict}",
            self.paint.bold(&place)
        ));
        let pattern = &entry.regex;
        match &entry.verdict {
            Verdict::Value(found) | Verdict::Misfit(found) | Verdict::NoGroup(found) => {
                say(format!("  pattern   {}", cut(pattern, WIDE)));
                for row in self.matched(text, found) {
                    say(format!("  {row}"));
                }
                if let (Verdict::Misfit(_), Some(text)) = (&entry.verdict, &found.text) {
                    let kind = field.kind;
                    let named =
                        text.contains(|c: char| !c.is_ascii_hexdigit() && c.is_alphabetic());
                    let text = self.paint.bad(&cut(text, 40)).into_owned();
                    say(format!(
                        "  `{text}` is not of type {kind}: {kind} is {}",
                        kind.range()
                    ));
                    if kind.name() == "inet" && named {
                        say("  this is a name, not an address: run tcpdump with -nn".to_owned());
                    }
                }
            }
            Verdict::NoMatch(miss) => {
                for row in self.missed(pattern, text, miss) {
                    say(format!("  {row}"));
                }
                self.hints(&mut say, entry.part, &miss.elsewhere, miss.ignoring_case);
            }
            Verdict::NoPart { elsewhere } => {
                say(format!("  pattern   {}", cut(pattern, WIDE)));
                let mut parts: Vec<&str> = Vec::new();
                for piece in &self.explanation.parts {
                    if !parts.contains(&piece.part.name()) {
                        parts.push(piece.part.name());
                    }
                }
                say(format!("  it has    head {}", parts.join(" ")));
                self.hints(&mut say, entry.part, elsewhere, false);
                let withheld = entry.part == Part::Info && self.explanation.withheld.is_some();
                if withheld && !elsewhere.contains(&Part::Info) {
                    let hint = self.paint.warn("hint");
                    say(format!(
                        "  {hint}      `info` is withheld for this decoder; --keep-info shows how \
                         far the pattern matches in it"
                    ));
                }
            }
            _ => {}
        }
    }

    /// Suggests remedies.
    fn hints(&self, say: &mut dyn FnMut(String), part: Part, elsewhere: &[Part], case: bool) {
        let hint = self.paint.warn("hint");
        if case {
            say(format!(
                "  {hint}      it matches if case is ignored: begin the pattern with (?i)"
            ));
        }
        // A pattern that matches nearly anywhere does not tell which part it belongs to.
        let vague = elsewhere.len() > MOST_HINTS;
        for other in elsewhere.iter().filter(|other| !vague || **other == part) {
            let more = match (other, &self.explanation.withheld) {
                (Part::Info, Some(_)) => ", which is withheld for this decoder: --keep-info",
                (Part::Payload, _) => {
                    ", which can hold passwords: using it counts as --keep-payload"
                }
                _ => "",
            };
            if *other == part {
                say(format!(
                    "  {hint}      it matches in all of `{}`{more}",
                    other.name()
                ));
            } else {
                let name = other.name();
                say(format!(
                    "  {hint}      it would match in `{name}`{more}: \"in\": \"{name}\""
                ));
            }
        }
    }

    /// The text with the match beneath it.
    fn matched(&self, text: &str, found: &Match) -> Vec<String> {
        // Bytes that are not UTF-8 are escaped and so take more space: no place can be marked.
        let (Some(_), true) = (
            text.get(found.whole.clone()),
            text.is_char_boundary(found.whole.end),
        ) else {
            return vec![format!("text      {}", cut(text, WIDE))];
        };
        let middle = found.group.clone().unwrap_or(found.whole.clone());
        let window = window(text, middle.end);
        let lead = width(text, window.start..found.whole.start.max(window.start));
        let mut marks = " ".repeat(lead);
        let mut mark = |from: usize, to: usize, sign: &str| {
            let from = from.clamp(window.start, window.end);
            let to = to.clamp(from, window.end);
            marks.push_str(&sign.repeat(width(text, from..to)));
        };
        mark(found.whole.start, middle.start, "-");
        mark(middle.start, middle.end, "^");
        mark(middle.end, found.whole.end, "-");
        vec![
            format!("text      {}", self.excerpt(text, &window)),
            format!("          {}", self.paint.good(&marks)),
        ]
    }

    /// The pattern and the text, each with a mark where they differ.
    fn missed(&self, pattern: &str, text: &str, miss: &Miss) -> Vec<String> {
        let Some(reach) = &miss.reach else {
            return vec![
                format!("pattern   {}", cut(pattern, WIDE)),
                format!("text      {}", cut(text, WIDE)),
            ];
        };
        let mut rows = Vec::new();
        let view = window(pattern, reach.passed);
        let mut marks = "-".repeat(width(pattern, view.start..reach.passed));
        rows.push(format!("pattern   {}", self.excerpt(pattern, &view)));
        marks.push('^');
        rows.push(format!("          {}", self.paint.good(&marks)));
        let matched = reach.matched.clone();
        let spelled = text.get(matched.clone()).is_some();
        let begins = reach.passed == 0 || matched.is_empty();
        let expected = expected(&reach.expected);
        if spelled {
            let view = window(text, matched.end);
            rows.push(format!("text      {}", self.excerpt(text, &view)));
            let start = matched.start.max(view.start);
            let marks = format!(
                "{}{}^",
                " ".repeat(width(text, view.start..start)),
                "-".repeat(width(text, start..matched.end))
            );
            if !begins {
                rows.push(format!("          {}", self.paint.good(&marks)));
            }
        } else {
            rows.push(format!("text      {}", cut(text, WIDE)));
        }
        let bytes = match matched.len() {
            1 => "1 byte matches".to_owned(),
            n => format!("{n} bytes match"),
        };
        let stands = match text.get(matched.end..) {
            Some("") => "the end of the part".to_owned(),
            Some(rest) => format!("`{}`", cut(rest, 24)),
            None => "something else".to_owned(),
        };
        let place = miss
            .instead
            .as_ref()
            .map_or(String::new(), |p| format!(" at {}", at(Some(p))));
        let sentence = match begins {
            true => format!("nothing matches: expected {expected}"),
            false => {
                format!("{bytes}; then expected {expected}, found {stands}{place}")
            }
        };
        rows.push(format!("so far    {sentence}"));
        rows
    }

    fn excerpt(&self, text: &str, view: &Range<usize>) -> String {
        let (left, right) = (
            if view.start > 0 { "…" } else { "" },
            if view.end < text.len() { "…" } else { "" },
        );
        // The dots replace one character, so that marks stay below their places.
        let mut shown = visible::line(&text[view.clone()]).into_owned();
        if !left.is_empty() {
            shown = format!("{left}{}", shown.chars().skip(1).collect::<String>());
        }
        format!("{shown}{right}")
    }
}

/// The bytes of a text around a place, in whole characters.
fn window(text: &str, place: usize) -> Range<usize> {
    let place = text.floor_char_boundary(place);
    let before = text[..place].char_indices().rev().take(BEFORE).last();
    let after = text[place..].char_indices().nth(AFTER);
    before.map_or(place, |(i, _)| i)..after.map_or(text.len(), |(i, _)| place + i)
}

/// The number of characters that a range takes on the screen.
fn width(text: &str, range: Range<usize>) -> usize {
    let stretch = text.get(range).unwrap_or_default();
    visible::line(stretch).chars().count()
}

/// Describes a piece of a pattern in words, if there are any for it.
fn expected(piece: &str) -> String {
    match piece {
        "^" => "the beginning of the part".to_owned(),
        "$" => "the end of the part".to_owned(),
        r"\d" | r"\d+" => format!("digits, `{piece}`"),
        r"\S" | r"\S+" => format!("no blank, `{piece}`"),
        _ => format!("`{}`", cut(piece, 40)),
    }
}

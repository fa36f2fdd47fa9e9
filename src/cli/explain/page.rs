//! An explanation on one screen.

use std::fmt::Write;
use std::ops::Range;
use std::path::Path;

use dumpstream::{
    Explanation, Finding, Found, Match, Miss, Missing, Namespace, Part, Place, Try, Verdict,
};

use super::super::paint::Paint;
use super::super::visible;

/// Payload lines that are shown: the screen is for what is read from them.
const PAYLOAD_LINES: usize = 3;
/// Characters of a text that are shown on one line.
const WIDE: usize = 100;
/// Characters before and after the place that a pattern came to.
const BEFORE: usize = 56;
const AFTER: usize = 40;
/// More parts than this that a pattern would match in are no hint.
const MOST_HINTS: usize = 3;
/// Fields of the user's own without a value that are told in full without being asked for.
const TOLD: usize = 4;

/// What is to be shown.
pub(super) struct Page<'a> {
    pub(super) explanation: &'a Explanation,
    pub(super) names: &'a Namespace,
    /// The namespace's file.
    pub(super) file: Option<&'a Path>,
    pub(super) paint: Paint,
    /// Every field in full.
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
            0 => "--field NAME tells all that was tried for one".to_owned(),
            n => format!("and {n} more of your own without a value: --field NAME tells of each"),
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
            state.push("no protocol was found");
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
            // The head is shown whole, payload as far as it fits.
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

    /// In a few words: which engine, which part, where.
    fn source(&self, field: &Finding) -> String {
        let engine = match field.engine {
            Found::Slot => "grammar",
            Found::RegexOdd => "regex (odd part)",
            Found::RegexAsked => "regex (asked for)",
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

    /// The fields without a value, by reason and part.
    fn missing(&self, out: &mut String) {
        for (reason, what) in [
            (Missing::Misfit, "does not fit its type"),
            (Missing::NoMatch, "no match"),
            (Missing::NoPart, "no such part here"),
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

    /// One field with all that was tried.
    fn field(&self, out: &mut String, field: &Finding) {
        let verdict = match (&field.value, field.missing) {
            (Some(value), _) => self.paint.good(&cut(&spelled(value), WIDE)).into_owned(),
            (None, Some(Missing::NoPart)) => {
                self.paint.bad("no value: no such part here").into_owned()
            }
            (None, Some(Missing::Misfit)) => self
                .paint
                .bad("no value: the text does not fit the type")
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
            Verdict::Misfit(_) => "matches, and the text does not fit".to_owned(),
            Verdict::NoGroup(_) => "matches without group 1, which is the value".to_owned(),
            Verdict::NoMatch(_) => "does not match".to_owned(),
            Verdict::NoPart { .. } => "this record has no such part".to_owned(),
            _ => "was not asked: what stands above has decided".to_owned(),
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
                        "  `{text}` is no {kind}: {kind} is {}",
                        kind.range()
                    ));
                    if kind.name() == "inet" && named {
                        say(
                            "  a name stands where an address should: run tcpdump with -nn"
                                .to_owned(),
                        );
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
            }
            _ => {}
        }
    }

    /// What would help.
    fn hints(&self, say: &mut dyn FnMut(String), part: Part, elsewhere: &[Part], case: bool) {
        let hint = self.paint.warn("hint");
        if case {
            say(format!(
                "  {hint}      it matches if case is ignored: begin the pattern with (?i)"
            ));
        }
        // A pattern that matches nearly anything says nothing of where it belongs.
        let vague = elsewhere.len() > MOST_HINTS;
        for other in elsewhere.iter().filter(|other| !vague || **other == part) {
            let more = match (other, &self.explanation.withheld) {
                (Part::Info, Some(_)) => ", which is withheld for this decoder: --keep-info",
                (Part::Payload, _) => ", which can hold passwords: it counts as --keep-payload",
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
        // Bytes that are not UTF-8 are spelled longer than they are: then no place can be shown.
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

    /// The pattern and the text, each with a mark where it went apart.
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
            true => format!("nothing of it matches: expected {expected}"),
            false => {
                format!("{bytes}; then expected {expected}, and there is {stands}{place}")
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
        // The dots stand where a character is left out, so that marks stay beneath their places.
        let mut shown = visible::line(&text[view.clone()]).into_owned();
        if !left.is_empty() {
            shown = format!("{left}{}", shown.chars().skip(1).collect::<String>());
        }
        format!("{shown}{right}")
    }
}

/// Bytes of a text about a place: whole characters.
fn window(text: &str, place: usize) -> Range<usize> {
    let place = text.floor_char_boundary(place);
    let before = text[..place].char_indices().rev().take(BEFORE).last();
    let after = text[place..].char_indices().nth(AFTER);
    before.map_or(place, |(i, _)| i)..after.map_or(text.len(), |(i, _)| place + i)
}

/// Characters that a stretch takes on the screen.
fn width(text: &str, range: Range<usize>) -> usize {
    let stretch = text.get(range).unwrap_or_default();
    visible::line(stretch).chars().count()
}

/// A text of one line, with dots where it is longer than so many characters.
fn cut(text: &str, most: usize) -> String {
    let mut chars = text.chars();
    let shown: String = chars.by_ref().take(most).collect();
    let more = if chars.next().is_some() { "…" } else { "" };
    format!("{}{more}", visible::line(&shown))
}

fn spelled(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Line and column.
fn at(place: Option<&Place>) -> String {
    place.map_or("-".to_owned(), |place| {
        format!("{}:{}", place.line, place.column)
    })
}

/// A piece of a pattern in words, where it has some.
fn expected(piece: &str) -> String {
    match piece {
        "^" => "the beginning of the part".to_owned(),
        "$" => "the end of the part".to_owned(),
        r"\d" | r"\d+" => format!("digits, `{piece}`"),
        r"\S" | r"\S+" => format!("no blank, `{piece}`"),
        _ => format!("`{}`", cut(piece, 40)),
    }
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(out, "{text}").expect("a String takes every text");
}

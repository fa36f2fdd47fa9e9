//! One record and its texts: where they stand, and what patterns find in them.

use std::ops::Range;

use super::{Match, Miss, Place, Try, Verdict, shown};
use crate::grammar::{Parts, Piece};
use crate::part::Part;
use crate::pattern;
use crate::plan::{self, Plan};
use crate::value::FieldType;

/// A text that patterns are searched in.
pub(super) struct Text {
    pub(super) part: Part,
    pub(super) bytes: Vec<u8>,
    /// Which of its bytes are which of the record's: where each stretch begins in the text and in
    /// the record. None for fixed text.
    stretches: Vec<(usize, usize)>,
}

/// One record of a batch.
pub(super) struct Record<'a> {
    /// The batch.
    pub(super) bytes: &'a [u8],
    pub(super) raw: &'a [u8],
    /// Where the record begins in the batch.
    pub(super) start: usize,
    pub(super) nano: bool,
}

impl Record<'_> {
    /// The texts of all parts.
    pub(super) fn texts(&self, parts: &Parts) -> Vec<Text> {
        let mut texts = Vec::new();
        for part in Part::ALL.iter().copied() {
            for piece in parts.pieces(part) {
                texts.push(match piece {
                    Piece::Fixed(fixed) => Text {
                        part,
                        bytes: fixed.text().as_bytes().to_vec(),
                        stretches: Vec::new(),
                    },
                    Piece::Span(span) if part == Part::Head => {
                        let mut bytes = Vec::new();
                        parts.join(self.bytes, &mut bytes);
                        let mut stretches = vec![(0, span.start as usize - self.start)];
                        let mut at = (span.end - span.start) as usize;
                        for line in parts.more() {
                            stretches.push((at + 1, line.start as usize - self.start));
                            at += 1 + (line.end - line.start) as usize;
                        }
                        Text {
                            part,
                            bytes,
                            stretches,
                        }
                    }
                    Piece::Span(span) => Text {
                        part,
                        bytes: self.bytes[span.start as usize..span.end as usize].to_vec(),
                        stretches: vec![(0, span.start as usize - self.start)],
                    },
                });
            }
        }
        texts
    }

    /// Where a range of a text stands in the record.
    pub(super) fn place(&self, text: &Text, range: Range<usize>) -> Option<Place> {
        let at = |offset: usize| {
            let stretch = text
                .stretches
                .iter()
                .rev()
                .find(|(from, _)| *from <= offset);
            stretch.map(|(from, to)| to + offset - from)
        };
        let start = at(range.start)?;
        let end = match range.is_empty() {
            true => start,
            false => at(range.end - 1)? + 1,
        };
        let before = &self.raw[..start];
        let line = memchr::memrchr(b'\n', before).map_or(0, |i| i + 1);
        Some(Place {
            bytes: start..end,
            line: memchr::memchr_iter(b'\n', before).count() + 1,
            column: String::from_utf8_lossy(&before[line..]).chars().count() + 1,
        })
    }

    /// What each entry of a column gives: the first that matches with its group decides.
    pub(super) fn tries(
        &self,
        plan: &Plan,
        column: usize,
        texts: &[Text],
        dropped: &[Text],
    ) -> Vec<Try> {
        let kind = plan.columns[column].kind;
        let mut tries = Vec::new();
        let mut decided = false;
        for pattern in &plan.patterns[column] {
            let attempt = |text: Option<&Text>, verdict| Try {
                entry: pattern.id,
                part: pattern.part,
                regex: pattern.regex.as_str().to_owned(),
                text: text.map(|text| shown(&text.bytes)),
                verdict,
            };
            let mut found = texts.iter().filter(|t| t.part == pattern.part).peekable();
            if decided || found.peek().is_none() {
                let verdict = match decided {
                    true => Verdict::NotTried,
                    false => Verdict::NoPart {
                        elsewhere: elsewhere(pattern, texts, dropped),
                    },
                };
                tries.push(attempt(None, verdict));
                continue;
            }
            for text in found {
                let verdict = match decided {
                    true => Verdict::NotTried,
                    false => self.verdict(pattern, kind, text, texts, dropped),
                };
                decided |= matches!(verdict, Verdict::Value(_) | Verdict::Misfit(_));
                tries.push(attempt(Some(text), verdict));
            }
        }
        tries
    }

    fn verdict(
        &self,
        pattern: &plan::Pattern,
        kind: FieldType,
        text: &Text,
        texts: &[Text],
        dropped: &[Text],
    ) -> Verdict {
        let Some(captures) = pattern.regex.captures(&text.bytes) else {
            let regex = pattern.regex.as_str();
            let reach = pattern::reach(regex, &text.bytes);
            let instead = reach
                .as_ref()
                .and_then(|reach| self.place(text, reach.matched.end..text.bytes.len()));
            return Verdict::NoMatch(Miss {
                reach,
                instead,
                ignoring_case: pattern::ignoring_case(regex, &text.bytes),
                elsewhere: elsewhere(pattern, texts, dropped),
            });
        };
        let group = captures.get(1);
        let found = Match {
            whole: captures.get(0).map_or(0..0, |m| m.range()),
            group: group.map(|g| g.range()),
            place: group.and_then(|g| self.place(text, g.range())),
            text: group.map(|g| shown(g.as_bytes())),
        };
        match group {
            _ if kind == FieldType::Bool => Verdict::Value(found),
            None => Verdict::NoGroup(found),
            Some(g) if kind.read(g.as_bytes(), self.nano).is_none() => Verdict::Misfit(found),
            Some(_) => Verdict::Value(found),
        }
    }
}

/// The other parts that a pattern matches in, with its group.
fn elsewhere(pattern: &plan::Pattern, texts: &[Text], dropped: &[Text]) -> Vec<Part> {
    let matches = |text: &&Text| {
        let captures = pattern.regex.captures(&text.bytes);
        text.part != pattern.part && captures.is_some_and(|c| c.get(1).is_some())
    };
    let mut parts: Vec<Part> = texts
        .iter()
        .chain(dropped)
        .filter(matches)
        .map(|t| t.part)
        .collect();
    // A part's own text that is withheld is elsewhere, too.
    let own = |text: &&Text| text.part == pattern.part && pattern.regex.is_match(&text.bytes);
    parts.extend(dropped.iter().filter(own).map(|text| text.part));
    parts.sort_by_key(|part| *part as u8);
    parts.dedup();
    parts
}

//! Proofs that a pattern can never match.

use regex_syntax::hir::{Class, Hir, HirKind, Look};

use super::reach::{joined, steps};
use super::{compile, hir};
use crate::part::Part;

/// Why a pattern can never match in its part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Never {
    /// Where in the pattern it is decided.
    pub(crate) at: usize,
    pub(crate) why: &'static str,
}

/// Proves that a pattern can never match in a part, or never with its group 1; `None` is no proof
/// of the contrary.
pub(crate) fn never(pattern: &str, part: Part) -> Option<Never> {
    let proof = |text: &str| Prover::new(part).impossible(&hir(text)?);
    let whole = hir(pattern)?;
    if let Some(why) = Prover::new(part).impossible(&whole) {
        // The shortest beginning that cannot match ends where it is decided.
        let steps = steps(pattern)?;
        let ends: Vec<usize> = (1..=steps.len()).collect();
        let fine = ends.partition_point(|n| proof(&joined("", &steps[..*n])).is_none());
        let at = steps.get(fine).map_or(0, |step| step.source.start);
        return Some(Never { at, why });
    }
    if part == Part::IpVersion {
        let regex = compile(pattern).ok()?;
        if !regex.is_match(b"4") && !regex.is_match(b"6") {
            let why = "this part is always `4` or `6`, but the pattern matches neither";
            return Some(Never { at: 0, why });
        }
    }
    let with = with_group(&whole)?;
    Prover::new(part).impossible(&with).map(|_| Never {
        at: pattern.find('(').unwrap_or(0),
        why: "whenever it matches, group 1, which is the value, is not set",
    })
}

/// What is certain at a place of a pattern.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Place {
    /// At least one byte stands before it.
    behind: bool,
    /// No byte stands after it.
    ended: bool,
}

impl Place {
    /// What is certain whichever way one came.
    fn or(self, other: Place) -> Place {
        Place {
            behind: self.behind && other.behind,
            ended: self.ended && other.ended,
        }
    }
}

const NOTHING: &str = "it requires a character of an empty class";
const START: &str = "it requires the beginning after other text";
const END: &str = "it requires text after the end";
const LINE_FEED: &str = "it requires a line feed, but this part is one line";
const DIGITS: &str = "it requires something other than digits, but this part has only digits";

/// The steps of one proof: repetitions of repetitions double them at each level.
const MOST_PROOF: u32 = 100_000;

/// Walks over a pattern with what is certain at each place.
struct Prover {
    part: Part,
    budget: u32,
}

impl Prover {
    fn new(part: Part) -> Prover {
        Prover {
            part,
            budget: MOST_PROOF,
        }
    }

    /// Why a pattern cannot match; `None` where that is not proven.
    fn impossible(&mut self, hir: &Hir) -> Option<&'static str> {
        self.possible(hir, Place::default()).err()
    }

    /// What is certain behind a pattern; `Err` says why it cannot match.
    fn possible(&mut self, hir: &Hir, at: Place) -> Result<Place, &'static str> {
        if self.budget == 0 {
            return Ok(Place::default());
        }
        self.budget -= 1;
        let part = self.part;
        let one_line = part != Part::Payload;
        let taken = Place {
            behind: true,
            ended: false,
        };
        let fits = |byte: u8| match part {
            Part::Payload => Ok(()),
            Part::Number if !byte.is_ascii_digit() => Err(DIGITS),
            _ if byte == b'\n' => Err(LINE_FEED),
            _ => Ok(()),
        };
        match hir.kind() {
            HirKind::Empty => Ok(at),
            HirKind::Literal(literal) => {
                literal.0.iter().try_for_each(|byte| fits(*byte))?;
                if at.ended { Err(END) } else { Ok(taken) }
            }
            HirKind::Class(class) => {
                let mut why = NOTHING;
                let mut some = |byte: u8| fits(byte).map_err(|e| why = e).is_ok();
                let fits = match class {
                    Class::Bytes(class) => class
                        .iter()
                        .any(|range| (range.start()..=range.end()).any(&mut some)),
                    // Of a character that is not ASCII nothing is said.
                    Class::Unicode(class) => class.iter().any(|range| {
                        !range.end().is_ascii()
                            || (range.start()..=range.end()).any(|c| some(c as u8))
                    }),
                };
                if !fits {
                    return Err(why);
                }
                if at.ended { Err(END) } else { Ok(taken) }
            }
            HirKind::Look(Look::Start) if at.behind => Err(START),
            HirKind::Look(Look::StartLF) if at.behind && one_line => Err(START),
            HirKind::Look(Look::End) => Ok(Place { ended: true, ..at }),
            HirKind::Look(Look::EndLF) if one_line => Ok(Place { ended: true, ..at }),
            HirKind::Look(_) => Ok(at),
            HirKind::Capture(capture) => self.possible(&capture.sub, at),
            HirKind::Concat(subs) => subs.iter().try_fold(at, |at, sub| self.possible(sub, at)),
            HirKind::Alternation(subs) => {
                let mut ways = subs.iter().map(|sub| self.possible(sub, at));
                let first = ways.next().expect("an alternation has branches");
                ways.fold(first, |all, way| match (all, way) {
                    (Ok(a), Ok(b)) => Ok(a.or(b)),
                    (Ok(one), Err(_)) | (Err(_), Ok(one)) => Ok(one),
                    (Err(why), Err(_)) => Err(why),
                })
            }
            HirKind::Repetition(repetition) => {
                // Three times round says what any number does: a place has two facts to change.
                let mut now = at;
                for _ in 0..repetition.min.min(3) {
                    now = self.possible(&repetition.sub, now)?;
                }
                let mut all = now;
                for _ in 0..3 {
                    match self.possible(&repetition.sub, now) {
                        Ok(next) => (now, all) = (next, all.or(next)),
                        Err(_) => break,
                    }
                }
                Ok(all)
            }
        }
    }
}

/// The pattern with only the ways that go through group 1; `None` where there is no such group.
fn with_group(hir: &Hir) -> Option<Hir> {
    Some(match hir.kind() {
        HirKind::Capture(capture) if capture.index == 1 => hir.clone(),
        HirKind::Capture(capture) => with_group(&capture.sub)?,
        HirKind::Repetition(repetition) => Hir::concat(vec![
            // It takes part in one of the times; before and after there may be others.
            optional(&repetition.sub),
            with_group(&repetition.sub)?,
            optional(&repetition.sub),
        ]),
        HirKind::Alternation(subs) => subs.iter().find_map(with_group)?,
        HirKind::Concat(subs) => {
            let found = |(i, sub)| Some((i, with_group(sub)?));
            let (index, with) = subs.iter().enumerate().find_map(found)?;
            let mut subs = subs.clone();
            subs[index] = with;
            Hir::concat(subs)
        }
        _ => return None,
    })
}

/// Any number of times.
fn optional(hir: &Hir) -> Hir {
    Hir::repetition(regex_syntax::hir::Repetition {
        min: 0,
        max: None,
        greedy: true,
        sub: Box::new(hir.clone()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_proven() {
        let proof = |pattern: &str, part| never(pattern, part).map(|n| (n.at, n.why));
        let tcp = |pattern| proof(pattern, Part::Tcp);
        assert_eq!(tcp("win ^(\\d+)"), Some((4, START)));
        assert_eq!(tcp("(?m)win ^(\\d+)"), Some((8, START)));
        assert_eq!(proof("(?m)win\n^(\\d+)", Part::Payload), None);
        assert_eq!(tcp("(\\d+)$, win"), Some((6, END)));
        assert_eq!(tcp("win (\\d+)\n"), Some((9, LINE_FEED)));
        assert_eq!(proof("(\\d+)\\.", Part::Number), Some((5, DIGITS)));
        assert_eq!(tcp("[a&&b](x)"), Some((0, NOTHING)));
        assert!(proof("^(IPv\\d)$", Part::IpVersion).is_some());
        let group = tcp("a(?:b|c\\n(d))").expect("the group needs a line feed");
        assert!(group.1.contains("group 1"));
        for fine in [
            "^(a)",
            "(?:^|,)(a)",
            "a*^(b)",
            "(a)$",
            "(a)$|b",
            "(a)(?:$)?b",
            "x(?:\n|(a))",
        ] {
            assert_eq!(tcp(fine), None, "{fine}");
        }
    }
}

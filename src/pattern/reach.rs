//! A pattern read step by step: how far it comes in a text.
//!
//! A step is a piece of the pattern that stands for itself: one character, class or assertion, or
//! a group that cannot be opened. The steps before any of them are a pattern too, and one that
//! matches wherever the longer one does; so the longest that matches is found by halving.

use std::ops::Range;

use regex_syntax::ast::{self, Ast, GroupKind, RepetitionKind, RepetitionRange};
use serde::Serialize;

use super::compile;

/// More steps than a pattern of [`MAX_PATTERN`](crate::limits::MAX_PATTERN) bytes has characters; what is
/// repeated more often stays one step.
const MOST_STEPS: usize = 8 << 10;
/// A counted repetition up to this is opened: what a person writes out (a MAC's five groups).
const MOST_COPIES: u32 = 16;
/// So many branches of a group are tried: each costs some compilations.
const MOST_BRANCHES: usize = 64;
/// How deep alternatives are looked into.
const DEEPEST: usize = 8;

/// How far a pattern came in a text where it does not match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Reach {
    /// The bytes of the pattern that are passed, from its beginning.
    pub passed: usize,
    /// The bytes of the text that the passed beginning matches, at its leftmost place.
    pub matched: Range<usize>,
    /// The piece of the pattern that should have come next.
    pub expected: String,
}

/// A piece of a pattern that stands for itself.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// The piece, as a pattern.
    text: String,
    /// Where it stands in the whole.
    pub(super) source: Range<usize>,
    /// One plain character.
    literal: bool,
    /// The branches of a group, where it is one that can be opened.
    branches: Vec<Vec<Step>>,
}

/// How far `pattern`, which does not match `text`, comes in it; `None` if it matches, or is none.
pub(crate) fn reach(pattern: &str, text: &[u8]) -> Option<Reach> {
    let steps = steps(pattern)?;
    let (reach, left) = advance(pattern, "", &steps, text, 0)?;
    (left > 0).then_some(reach)
}

/// Whether a pattern matches where upper and lower case are the same.
pub(crate) fn ignoring_case(pattern: &str, text: &[u8]) -> bool {
    compile(&format!("(?i){pattern}")).is_ok_and(|regex| regex.is_match(text))
}

pub(super) fn joined(before: &str, steps: &[Step]) -> String {
    let mut out = before.to_owned();
    out.extend(steps.iter().map(|step| step.text.as_str()));
    out
}

/// The longest beginning of the steps that matches behind `before`, and how many steps are left.
fn advance(
    pattern: &str,
    before: &str,
    steps: &[Step],
    text: &[u8],
    depth: usize,
) -> Option<(Reach, usize)> {
    let matches = |n: usize| {
        let regex = compile(&joined(before, &steps[..n])).ok()?;
        regex.find(text).map(|m| m.range())
    };
    let mut matched = matches(0)?;
    // All below `low` match, none from `high` on does.
    let (mut low, mut high) = (0, steps.len() + 1);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        match matches(middle) {
            Some(range) => (low, matched) = (middle, range),
            None => high = middle,
        }
    }
    let Some(next) = steps.get(low) else {
        let passed = steps.last().map_or(0, |s| s.source.end);
        let expected = String::new();
        return Some((
            Reach {
                passed,
                matched,
                expected,
            },
            0,
        ));
    };
    // The next step may be a group, one of whose branches comes further.
    if depth < DEEPEST {
        let before = joined(before, &steps[..low]);
        let best = next
            .branches
            .iter()
            .take(MOST_BRANCHES)
            .filter_map(|branch| {
                let (reach, left) = advance(pattern, &before, branch, text, depth + 1)?;
                (left < branch.len()).then_some(reach)
            })
            .reduce(|a, b| match b.matched.end > a.matched.end {
                true => b,
                false => a,
            });
        // A branch that matches whole leaves nothing to be expected of it.
        if let Some(reach) = best.filter(|reach| !reach.expected.is_empty()) {
            return Some((reach, steps.len() - low));
        }
    }
    // What is expected is a word, not its first letter.
    let mut end = next.source.end;
    if next.literal {
        for step in &steps[low + 1..] {
            if !step.literal || step.source.start != end {
                break;
            }
            end = step.source.end;
        }
    }
    let passed = match low {
        0 => next.source.start,
        _ => steps[low - 1].source.end,
    };
    let reach = Reach {
        passed,
        matched,
        expected: pattern[next.source.start..end].to_owned(),
    };
    Some((reach, steps.len() - low))
}

/// The steps of a pattern; `None` if it is none.
pub(super) fn steps(pattern: &str) -> Option<Vec<Step>> {
    let ast = ast::parse::Parser::new().parse(pattern).ok()?;
    let mut steps = Vec::new();
    open(pattern, &ast, &mut steps);
    Some(steps)
}

fn range(ast: &Ast) -> Range<usize> {
    ast.span().start.offset..ast.span().end.offset
}

/// A step that stays closed.
fn closed(pattern: &str, ast: &Ast) -> Step {
    Step {
        text: pattern[range(ast)].to_owned(),
        source: range(ast),
        literal: matches!(ast, Ast::Literal(_)),
        branches: Vec::new(),
    }
}

/// Whether flags are set within, whose reach opening the group would change.
fn sets_flags(ast: &Ast) -> bool {
    match ast {
        Ast::Flags(_) => true,
        Ast::Concat(concat) => concat.asts.iter().any(sets_flags),
        Ast::Alternation(alternation) => alternation.asts.iter().any(sets_flags),
        // A group's own end with it.
        _ => false,
    }
}

fn open(pattern: &str, ast: &Ast, out: &mut Vec<Step>) {
    if out.len() > MOST_STEPS {
        return out.push(closed(pattern, ast));
    }
    match ast {
        Ast::Empty(_) => {}
        Ast::Concat(concat) => concat.asts.iter().for_each(|ast| open(pattern, ast, out)),
        Ast::Group(group) => {
            let plain = match &group.kind {
                GroupKind::NonCapturing(flags) => flags.items.is_empty(),
                _ => true,
            };
            if !plain || sets_flags(&group.ast) {
                out.push(closed(pattern, ast));
            } else if matches!(*group.ast, Ast::Alternation(_)) {
                out.push(Step {
                    branches: branches(pattern, &group.ast),
                    ..closed(pattern, ast)
                });
            } else {
                open(pattern, &group.ast, out);
            }
        }
        Ast::Alternation(_) if !sets_flags(ast) => out.push(Step {
            branches: branches(pattern, ast),
            ..closed(pattern, ast)
        }),
        Ast::Repetition(repetition) => repeat(pattern, ast, repetition, out),
        _ => out.push(closed(pattern, ast)),
    }
}

/// The branches of an alternation, each opened.
fn branches(pattern: &str, ast: &Ast) -> Vec<Vec<Step>> {
    let Ast::Alternation(alternation) = ast else {
        return Vec::new();
    };
    let branch = |ast| {
        let mut steps = Vec::new();
        open(pattern, ast, &mut steps);
        steps
    };
    alternation.asts.iter().map(branch).collect()
}

/// As many copies as there must be, then the rest.
fn repeat(pattern: &str, ast: &Ast, repetition: &ast::Repetition, out: &mut Vec<Step>) {
    let (least, most) = match &repetition.op.kind {
        RepetitionKind::ZeroOrOne => (0, Some(1)),
        RepetitionKind::ZeroOrMore => (0, None),
        RepetitionKind::OneOrMore => (1, None),
        RepetitionKind::Range(RepetitionRange::Exactly(n)) => (*n, Some(*n)),
        RepetitionKind::Range(RepetitionRange::AtLeast(n)) => (*n, None),
        RepetitionKind::Range(RepetitionRange::Bounded(n, m)) => (*n, Some(*m)),
    };
    let mut copy = Vec::new();
    open(pattern, &repetition.ast, &mut copy);
    let exactly = most == Some(least);
    // `X+` of one character is clearer than `X`, then `X*`.
    let simple = copy.len() == 1 && copy[0].branches.is_empty() && !exactly;
    let many = copy.len().saturating_mul(least as usize) > MOST_STEPS;
    if least == 0 || least > MOST_COPIES || simple || many {
        return out.push(closed(pattern, ast));
    }
    for _ in 0..least {
        out.extend(copy.iter().cloned());
    }
    if !exactly {
        let inner = &pattern[range(&repetition.ast)];
        let more = most.map_or("*".to_owned(), |m| format!("{{0,{}}}", m - least));
        out.push(Step {
            text: format!("(?:{inner}){more}"),
            ..closed(pattern, ast)
        });
    }
}

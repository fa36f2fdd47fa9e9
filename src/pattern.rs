//! A pattern read step by step: how far it comes in a text, and whether it can match at all.
//!
//! A step is a piece of the pattern that stands for itself: one character, class or assertion, or
//! a group that cannot be opened. The steps before any of them are a pattern too, and one that
//! matches wherever the longer one does; so the longest that matches is found by halving.

mod never;
mod worst;

use std::ops::Range;

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::ast::{self, Ast, GroupKind, RepetitionKind, RepetitionRange};
use regex_syntax::hir::Hir;
use serde::Serialize;

pub(crate) use self::never::never;
pub(crate) use self::worst::worst_lines;

/// The longest pattern, in bytes. A pattern describes a phrase of one line; what is longer is a
/// word list, which belongs behind the parser.
pub const MAX_PATTERN: usize = 4 << 10;
/// The largest compiled pattern, in bytes: it bounds the time to compile (tens of milliseconds)
/// and the time per byte.
pub const MAX_COMPILED: usize = 1 << 20;

/// More steps than a pattern of [`MAX_PATTERN`] bytes has characters; what is
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
struct Step {
    /// The piece, as a pattern.
    text: String,
    /// Where it stands in the whole.
    source: Range<usize>,
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

/// Compiles a pattern within its limits: the one way in which patterns are compiled.
pub(crate) fn compile(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern)
        .unicode(false)
        .size_limit(MAX_COMPILED)
        .dfa_size_limit(2 * MAX_COMPILED)
        .build()
}

fn joined(before: &str, steps: &[Step]) -> String {
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
fn steps(pattern: &str) -> Option<Vec<Step>> {
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

/// The pattern as the compiler sees it.
fn hir(pattern: &str) -> Option<Hir> {
    regex_syntax::ParserBuilder::new()
        .unicode(false)
        .utf8(false)
        .build()
        .parse(pattern)
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::part::Part;

    fn reached(pattern: &str, text: &str) -> (String, String, String) {
        let reach = reach(pattern, text.as_bytes()).expect("it does not match");
        (
            pattern[..reach.passed].to_owned(),
            text[reach.matched].to_owned(),
            reach.expected,
        )
    }

    fn triple(a: &str, b: &str, c: &str) -> (String, String, String) {
        (a.to_owned(), b.to_owned(), c.to_owned())
    }

    #[test]
    fn how_far_a_pattern_comes() {
        assert_eq!(
            reached(r"^tos .*?, ttl (\d+)", "tos 0x0, hlim 64"),
            triple(r"^tos .*?, ", "tos 0x0, ", "ttl ")
        );
        assert_eq!(reached("hlim (\\d+)", "xyz"), triple("", "", "hlim "));
        assert_eq!(
            reached(r"seq (\d+):(\d+)$", "seq 1:x"),
            triple(r"seq (\d+):", "seq 1:", r"\d+")
        );
        // Copies of a counted group are opened, branches are looked into.
        assert_eq!(
            reached("^((?:[0-9a-f]{2}:){5}[0-9a-f]{2}) > ", "02:00:00:zz").1,
            "02:00:00:"
        );
        assert_eq!(
            reached("a (?:bcd|bce|x) f", "a bcf"),
            triple("a (?:bc", "a bc", "d")
        );
        assert_eq!(reached("abc|abd", "ab"), triple("ab", "ab", "c"));
        assert_eq!(reached("(?i:ab)c", "AB"), triple("(?i:ab)", "AB", "c"));
        assert_eq!(reached("(?x) a b  c", "ab").2, "c");
        assert_eq!(reached("(?i)a|b", "x").2, "(?i)a|b");
        assert_eq!(reach("a+", b"a"), None);
        assert_eq!(reach("a(", b"a"), None);
    }

    #[test]
    fn a_repeated_group_comes_as_far_as_its_times() {
        assert_eq!(
            reached("(?:ab,){2,4}!", "ab,ab,ab,?"),
            triple("(?:ab,){2,4}", "ab,ab,ab,", "!")
        );
        assert_eq!(reached("(?:ab){3}", "abab").1, "abab");
    }

    proptest::proptest! {
        /// Whatever the pattern: what is proven holds, and how far it came is how far it came.
        #[test]
        fn any_pattern(
            pieces in proptest::collection::vec(
                proptest::sample::select(vec![
                    "a", "b", "ab", "^", "$", "(", ")", "(?:", ")", "|", "*", "+", "?", "{2}",
                    "{1,3}", ".", "[ab]", "\\n", "(?m)", "(?i:", "(a)", "(a|b)", "\\b", "(?s)",
                ]),
                1..12,
            ),
            texts in proptest::collection::vec("[abA]{0,8}", 16),
        ) {
            let pattern = pieces.concat();
            let Ok(regex) = compile(&pattern) else { return Ok(()) };
            let never = never(&pattern, Part::Tcp);
            worst_lines(&pattern, 64);
            for text in &texts {
                let captures = regex.captures(text.as_bytes());
                if never.is_some() {
                    let group = captures.as_ref().and_then(|c| c.get(1));
                    proptest::prop_assert!(group.is_none(), "{pattern} in {text}: {never:?}");
                }
                match reach(&pattern, text.as_bytes()) {
                    None => proptest::prop_assert!(captures.is_some(), "{pattern} in {text}"),
                    Some(reach) => {
                        proptest::prop_assert!(captures.is_none(), "{pattern} in {text}");
                        proptest::prop_assert!(reach.passed < pattern.len());
                        proptest::prop_assert!(reach.matched.end <= text.len());
                        proptest::prop_assert!(!reach.expected.is_empty());
                    }
                }
            }
        }
    }

    #[test]
    fn worst_lines_are_hard() {
        let pattern = "^tos .*?, ttl (\\d+)";
        let lines = worst_lines(pattern, 4096);
        assert!(lines.iter().all(|line| line.len() <= 4096));
        let regex = compile(pattern).unwrap();
        let whole = lines.iter().filter_map(|line| regex.find(line));
        assert!(whole.map(|m| m.len()).max() > Some(1000));
        let dots = worst_lines("((a.*){9}){9}", 4096);
        assert!(dots.iter().all(|line| line.len() <= 4096));
    }

    #[test]
    fn nests_end() {
        let deep = format!("{}a{}(b)", "(?:".repeat(60), "^)+".repeat(60));
        never(&deep, Part::Tcp);
        reach(&deep, b"aaaa");
        let copies = format!("{}a{}(b)", "(?:".repeat(9), "x){9}".repeat(9));
        never(&copies, Part::Tcp);
        reach(&copies, b"aaaa");
        worst_lines(&copies, 1024);
        worst_lines(&format!("{}(a)", "(?:x*)*".repeat(50)), 1024);
    }
}

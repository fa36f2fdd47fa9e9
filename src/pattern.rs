//! Patterns: compiled within their limits, and what can be told of one by reading it.

#[cfg(feature = "explain")]
mod never;
#[cfg(feature = "explain")]
mod reach;
#[cfg(feature = "explain")]
mod worst;

use regex::bytes::{Regex, RegexBuilder};
#[cfg(feature = "explain")]
use regex_syntax::hir::Hir;

#[cfg(feature = "explain")]
pub(crate) use self::never::never;
#[cfg(feature = "explain")]
pub use self::reach::Reach;
#[cfg(feature = "explain")]
pub(crate) use self::reach::{ignoring_case, reach};
#[cfg(feature = "explain")]
pub(crate) use self::worst::worst_lines;
use crate::limits::MAX_COMPILED;

/// Compiles a pattern within its limits: the one way in which patterns are compiled.
pub(crate) fn compile(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern)
        .unicode(false)
        .size_limit(MAX_COMPILED)
        .dfa_size_limit(2 * MAX_COMPILED)
        .build()
}

/// What is wrong with a pattern's syntax, and at which of its bytes, if that is known.
#[cfg(feature = "explain")]
pub(crate) fn syntax_fault(pattern: &str) -> Option<(String, Option<usize>)> {
    Some(match *parsed(pattern).err()? {
        regex_syntax::Error::Parse(e) => (e.kind().to_string(), Some(e.span().start.offset)),
        regex_syntax::Error::Translate(e) => (e.kind().to_string(), Some(e.span().start.offset)),
        other => (other.to_string(), Some(0)),
    })
}

/// The same without a parser of patterns: the words of `regex`, whose last line says what is wrong.
#[cfg(not(feature = "explain"))]
pub(crate) fn syntax_fault(pattern: &str) -> Option<(String, Option<usize>)> {
    match compile(pattern) {
        Err(regex::Error::Syntax(text)) => {
            let last = text.lines().last().unwrap_or_default();
            Some((last.trim_start_matches("error: ").to_owned(), None))
        }
        // How large it becomes is for another check to say.
        _ => None,
    }
}

/// The pattern as the compiler sees it.
#[cfg(feature = "explain")]
fn hir(pattern: &str) -> Option<Hir> {
    parsed(pattern).ok()
}

#[cfg(feature = "explain")]
fn parsed(pattern: &str) -> Result<Hir, Box<regex_syntax::Error>> {
    regex_syntax::ParserBuilder::new()
        .unicode(false)
        .utf8(false)
        .build()
        .parse(pattern)
        .map_err(Box::new)
}

#[cfg(all(test, feature = "explain"))]
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

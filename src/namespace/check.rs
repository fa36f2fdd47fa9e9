//! Everything that is wrong with a namespace at once, and what its patterns cost.

use super::read::{read, written_offset};
use super::{Field, Namespace, NamespaceError, Position, in_order};
use crate::pattern;

impl Namespace {
    /// Reads a namespace as [`Namespace::from_str`](std::str::FromStr::from_str) does, compiles its patterns, and looks for
    /// those that provably never match; gives everything that is wrong at once.
    ///
    /// ```
    /// let wrong = r#"{"namespace": "mine", "fields": [
    ///     {"name": "ttl", "in": "netwrok", "regex": "ttl (\\d+)", "type": "int"},
    ///     {"name": "win", "in": "tcp", "regex": "win (\\d+", "type": "bigint"}
    /// ]}"#;
    /// let errors = dumpstream::Namespace::check(wrong).expect_err("two things are wrong");
    /// let lines: Vec<_> = errors.iter().map(|e| e.position.as_ref().expect("a place").line).collect();
    /// assert_eq!(lines, [2, 3]);
    /// ```
    ///
    /// # Errors
    /// All errors, in the order of the file. What is no JSON has one: nothing can be told of what
    /// follows it.
    pub fn check(source: &str) -> Result<Namespace, Vec<NamespaceError>> {
        let (namespace, mut errors) = match read(source) {
            (Some(namespace), errors) => (namespace, errors),
            (None, errors) => return Err(errors),
        };
        for field in &namespace.fields {
            if let Err(error) = Namespace::compile(field) {
                errors.push(error);
            } else if let Some(never) = pattern::never(&field.regex, field.part) {
                let quoted = field.at.as_ref().and_then(|at| at.quoted.clone());
                let position = match quoted {
                    Some(at) => {
                        let within = written_offset(&source[at.clone()], never.at);
                        Some(Position::of(source, at.start + within))
                    }
                    None => field.position().cloned(),
                };
                let what = format!("pattern can never match: {}", never.why);
                errors.push(NamespaceError::at(&field.name, what, position));
            }
        }
        in_order(&mut errors);
        match errors.is_empty() {
            true => Ok(namespace),
            false => Err(errors),
        }
    }
}

impl Field {
    /// Lines of `len` bytes that are hard for the pattern: those that it almost matches again and
    /// again, and one that it matches from end to end.
    pub fn worst_lines(&self, len: usize) -> Vec<Vec<u8>> {
        pattern::worst_lines(&self.regex, len)
    }
}

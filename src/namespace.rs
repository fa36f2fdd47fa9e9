//! Which fields there are: the names, parts, patterns and types of `packet_parse.json`.
//!
//! The file is the definition; the grammar's own typing of the built-in fields is only a shortcut
//! to what their patterns say.

#[cfg(feature = "explain")]
mod check;
mod error;
mod read;

use std::str::FromStr;

pub use self::error::{NamespaceError, Position};
use self::read::read;
use crate::hash::Fnv;
use crate::limits::{MAX_COLUMNS, MAX_ENTRIES, MAX_PATTERN};
use crate::part::Part;
use crate::pattern;
use crate::value::FieldType;

/// Columns of ours that stand beside the fields in every table.
pub const RESERVED: &[&str] = &[
    "sensor",
    "stream",
    "record",
    "time_source",
    "time_ns",
    "truncated",
    "raw",
    "bucket",
    "shard",
];

/// The namespace that is built in: the text of `packet_parse.json`.
pub const BUILT_IN: &str = include_str!("../packet_parse.json");

/// One entry: a name, the part to search, a pattern whose group 1 is the value, and a type.
#[derive(Clone, Debug)]
pub struct Field {
    /// The name of the column. Entries of one name are alternatives, tried in their order.
    pub name: String,
    /// The part that the pattern is searched in.
    pub part: Part,
    /// The pattern, in the syntax of the `regex` crate, over bytes: `\d` is `[0-9]`.
    pub regex: String,
    /// What group 1 becomes.
    pub kind: FieldType,
    /// A short description: what the field is, and its unit.
    pub doc: String,
    at: Option<Box<Written>>,
}

/// Where a field's words stand in its file.
#[derive(Clone, Debug)]
struct Written {
    name: Position,
    kind: Position,
    regex: Position,
    /// The pattern in its quotes, where a place in it can be told: not of a bare array, whose
    /// back-slashes may have been repaired.
    #[cfg_attr(
        not(feature = "explain"),
        expect(dead_code, reason = "only the check points into a pattern")
    )]
    quoted: Option<std::ops::Range<usize>>,
}

impl Field {
    /// Creates a field in a program.
    pub fn new(
        name: impl Into<String>,
        part: Part,
        regex: impl Into<String>,
        kind: FieldType,
        doc: impl Into<String>,
    ) -> Field {
        Field {
            name: name.into(),
            part,
            regex: regex.into(),
            kind,
            doc: doc.into(),
            at: None,
        }
    }

    /// The position of the pattern, for a field that was read from a file.
    pub fn position(&self) -> Option<&Position> {
        self.at.as_ref().map(|at| &at.regex)
    }

    /// Compiles the pattern: what is returned searches a text and tells whether group 1 is in it,
    /// at the cost that the parser has.
    ///
    /// # Errors
    /// A pattern that does not compile within its limits or has no group 1.
    pub fn matcher(&self) -> Result<impl FnMut(&[u8]) -> bool + use<>, NamespaceError> {
        let regex = Namespace::compile(self)?;
        let mut locations = regex.capture_locations();
        Ok(move |text: &[u8]| {
            regex.captures_read(&mut locations, text).is_some() && locations.get(1).is_some()
        })
    }

    /// The same meaning: everything but the words for people.
    pub(crate) fn same(&self, other: &Field) -> bool {
        self.part == other.part && self.regex == other.regex && self.kind == other.kind
    }
}

/// A named list of fields.
///
/// ```
/// let namespace: dumpstream::Namespace = r#"{"namespace": "mine", "fields": [
///     {"name": "ttl", "in": "network", "regex": "ttl (\\d+)", "type": "int", "doc": "hops left"}
/// ]}"#.parse()?;
/// assert_eq!(namespace.columns()[0].name, "ttl");
/// # Ok::<(), dumpstream::NamespaceError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Namespace {
    /// The name of the namespace.
    pub namespace: String,
    /// The entries, in their order.
    pub fields: Vec<Field>,
    warnings: Vec<String>,
    bare: bool,
}

/// A column: what all entries of a name have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Column {
    /// The name, from the JSON key to the table.
    pub name: String,
    /// The type.
    pub kind: FieldType,
    /// A short description.
    pub doc: String,
}

impl Namespace {
    /// The built-in namespace.
    pub fn tcpdump() -> Namespace {
        BUILT_IN
            .parse()
            .expect("packet_parse.json is valid: a test loads it")
    }

    /// Creates a namespace in a program.
    pub fn new(namespace: impl Into<String>, fields: Vec<Field>) -> Namespace {
        Namespace {
            namespace: namespace.into(),
            fields,
            warnings: Vec::new(),
            bare: false,
        }
    }

    /// The columns, in order of first appearance.
    pub fn columns(&self) -> Vec<Column> {
        let mut columns: Vec<Column> = Vec::new();
        for field in &self.fields {
            if !columns.iter().any(|c| c.name == field.name) {
                columns.push(Column {
                    name: field.name.clone(),
                    kind: field.kind,
                    doc: field.doc.clone(),
                });
            }
        }
        columns
    }

    /// Warnings about a file that was read all the same: a repaired back-slash.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Adds a `payload` column: the continuation lines, unchanged.
    pub fn keep_payload(mut self) -> Namespace {
        if !self.fields.iter().any(|f| f.name == "payload") {
            self.fields.push(Field::new(
                "payload",
                Part::Payload,
                "(?s)^(.+)$",
                FieldType::Text,
                "continuation lines as printed",
            ));
        }
        self
    }

    /// A hash of the meaning (names, parts, patterns, types), for the tables' `meta`.
    pub fn hash(&self) -> u64 {
        let mut hash = Fnv::new();
        for f in &self.fields {
            for piece in [f.name.as_str(), f.part.name(), &f.regex, f.kind.name()] {
                hash.write(piece.as_bytes());
                hash.write(&[0]);
            }
        }
        hash.finish() as u64
    }

    /// What is not wrong, and yet worth a look: fields that keep payload, entries that nothing can
    /// reach.
    pub fn doubts(&self) -> Vec<NamespaceError> {
        let mut doubts = Vec::new();
        for (i, field) in self.fields.iter().enumerate() {
            let mut doubt = |what: String| {
                let position = field.position().cloned();
                doubts.push(NamespaceError::at(&field.name, what, position));
            };
            if field.part == Part::Payload {
                doubt(
                    "looks into `payload`, which can hold passwords: this field counts as \
                     --keep-payload"
                        .into(),
                );
            }
            let above = |other: &Field| other.name == field.name && other.same(field);
            if self.fields[..i].iter().any(above) {
                doubt("duplicates an earlier entry, which always wins".into());
            }
        }
        doubts
    }

    /// Errors that no single entry shows: names, types of alternatives, count. Returns the first
    /// one.
    pub(crate) fn validate(&self) -> Result<(), NamespaceError> {
        match self.faults().into_iter().next() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// All errors that no single entry shows.
    fn faults(&self) -> Vec<NamespaceError> {
        let mut errors = Vec::new();
        if self.fields.len() > MAX_ENTRIES {
            let what = format!("{} entries; at most {MAX_ENTRIES}", self.fields.len());
            return vec![NamespaceError::whole(what, None)];
        }
        for (i, field) in self.fields.iter().enumerate() {
            let at = field.at.as_deref();
            let mut fail = |what: String, position: Option<&Position>| {
                errors.push(NamespaceError::at(&field.name, what, position.cloned()));
            };
            if let Some(what) = name_fault(&field.name) {
                fail(what, at.map(|at| &at.name));
            }
            if field.regex.len() > MAX_PATTERN {
                let what = format!(
                    "pattern of {} bytes; at most {MAX_PATTERN}",
                    field.regex.len()
                );
                fail(what, at.map(|at| &at.regex));
            }
            if !self.bare
                && field.name.eq_ignore_ascii_case("time")
                && field.kind != FieldType::Timestamp
            {
                let what = "`time` orders the rows, so its type must be `timestamp`";
                fail(what.into(), at.map(|at| &at.kind));
            }
            let above = &self.fields[..i];
            if let Some(other) = above
                .iter()
                .find(|other| other.name == field.name && other.kind != field.kind)
            {
                let what = format!(
                    "type {} here, {} in an earlier entry; entries of one name must have one type",
                    field.kind, other.kind
                );
                fail(what, at.map(|at| &at.kind));
            }
            if let Some(other) = above.iter().find(|other| {
                other.name != field.name && other.name.eq_ignore_ascii_case(&field.name)
            }) {
                let what = format!(
                    "differs from `{}` only in case; rename one of them",
                    other.name
                );
                fail(what, at.map(|at| &at.name));
            }
        }
        let columns = self.columns().len();
        if columns == 0 {
            errors.push(NamespaceError::whole("no fields", None));
        }
        if columns > MAX_COLUMNS {
            errors.push(NamespaceError::whole(
                format!("{columns} names; at most {MAX_COLUMNS}"),
                None,
            ));
        }
        errors
    }

    /// Compiles one entry's pattern within its limits.
    pub(crate) fn compile(field: &Field) -> Result<regex::bytes::Regex, NamespaceError> {
        let fail = |what: String| NamespaceError::at(&field.name, what, field.position().cloned());
        let regex = pattern::compile(&field.regex).map_err(|error| match error {
            regex::Error::CompiledTooBig(limit) => fail(format!(
                "pattern compiles to more than {limit} bytes; make it narrower"
            )),
            other => fail(format!("regex: {other}")),
        })?;
        if regex.captures_len() < 2 {
            return Err(fail(
                "pattern has no group 1, which is the value; add ( )".into(),
            ));
        }
        Ok(regex)
    }
}

impl FromStr for Namespace {
    type Err = NamespaceError;

    /// Reads `packet_parse.json`, or the original bare array in any of its three spellings.
    ///
    /// # Errors
    /// The first thing that is wrong, with its field, line, column and a caret;
    /// `Namespace::check` (feature `explain`) gives all.
    fn from_str(source: &str) -> Result<Namespace, NamespaceError> {
        let (namespace, mut errors) = read(source);
        in_order(&mut errors);
        match (namespace, errors.into_iter().next()) {
            (Some(namespace), None) => Ok(namespace),
            (_, Some(error)) => Err(error),
            (None, None) => unreachable!("without a namespace there is an error"),
        }
    }
}

/// What is wrong with a name by itself.
fn name_fault(name: &str) -> Option<String> {
    let mut chars = name.bytes();
    let first = chars
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    if !first || name.len() > 48 || !chars.all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Some(
            "a name must be a letter, then letters, digits and _, at most 48 in all".into(),
        );
    }
    RESERVED
        .iter()
        .any(|r| r.eq_ignore_ascii_case(name))
        .then(|| "is reserved for a column of dumpstream's own; choose another name".into())
}

/// Errors as the file has them; those of the whole come last.
fn in_order(errors: &mut [NamespaceError]) {
    errors.sort_by_key(|e| {
        e.position
            .as_ref()
            .map_or((usize::MAX, 0), |at| (at.line, at.column))
    });
}

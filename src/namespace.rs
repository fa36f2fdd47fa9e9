//! Which fields there are: the names, parts, patterns and types of `packet_parse.json`.
//!
//! The file is the definition; the grammar's own typing of the built-in fields is only a shortcut
//! to what their patterns say.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::pattern;
use crate::value::FieldType;

/// The longest pattern, in bytes. A pattern describes a phrase of one line; what is longer is a
/// word list, which belongs behind the parser.
pub const MAX_PATTERN: usize = 4 << 10;
/// The largest compiled pattern, in bytes: it bounds the time to compile (tens of milliseconds)
/// and the time per byte.
pub const MAX_COMPILED: usize = 1 << 20;
/// The most columns of one namespace; a row keeps one bit for each.
pub const MAX_COLUMNS: usize = 128;
/// The most entries of one namespace: eight alternatives for each column.
pub const MAX_ENTRIES: usize = 8 * MAX_COLUMNS;
/// Columns of ours that stand beside the fields in every table.
pub const RESERVED: [&str; 9] = [
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

/// A part of a record that the grammar finds, and that a field looks into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Part {
    /// The whole head, its two lines joined by one blank.
    Head,
    /// What `-#` prints.
    Number,
    /// What `-t…` prints.
    Stamp,
    /// What `-e` and `-i any` print before the network header.
    Link,
    /// The text between the IP header's parentheses, or the ARP line.
    Network,
    /// `4` or `6`: which printer spoke.
    IpVersion,
    /// The name of what travels on top.
    Protocol,
    /// `A.P > B.P`
    Endpoints,
    /// `A > B`
    Hosts,
    /// `P > P`, behind extension headers.
    Ports,
    /// From `Flags [` to its `length N`.
    Tcp,
    /// The checksum's verdict, `UDP, length N`, and a DNS message's closing `(N)`.
    Udp,
    /// The message's own line.
    Icmp,
    /// The rest of the head.
    Info,
    /// All other continuation lines.
    Payload,
}

impl Part {
    /// Every part, in the order of the enumeration.
    pub const ALL: [Part; 15] = [
        Part::Head,
        Part::Number,
        Part::Stamp,
        Part::Link,
        Part::Network,
        Part::IpVersion,
        Part::Protocol,
        Part::Endpoints,
        Part::Hosts,
        Part::Ports,
        Part::Tcp,
        Part::Udp,
        Part::Icmp,
        Part::Info,
        Part::Payload,
    ];

    /// The name as `packet_parse.json` spells it.
    pub fn name(self) -> &'static str {
        match self {
            Part::Head => "head",
            Part::Number => "number",
            Part::Stamp => "stamp",
            Part::Link => "link",
            Part::Network => "network",
            Part::IpVersion => "ip_version",
            Part::Protocol => "protocol",
            Part::Endpoints => "endpoints",
            Part::Hosts => "hosts",
            Part::Ports => "ports",
            Part::Tcp => "tcp",
            Part::Udp => "udp",
            Part::Icmp => "icmp",
            Part::Info => "info",
            Part::Payload => "payload",
        }
    }
}

/// One entry: a name, the part to look into, a pattern whose group 1 is the value, and a type.
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
    /// One line for people: what the field is, and its unit.
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
    quoted: Option<std::ops::Range<usize>>,
}

impl Field {
    /// A field that a program makes.
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

    /// Where its pattern stands, for a field that was read from a file.
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

    /// Lines of `len` bytes that are hard for the pattern: those that it almost matches again and
    /// again, and one that it matches from end to end.
    pub fn worst_lines(&self, len: usize) -> Vec<Vec<u8>> {
        pattern::worst_lines(&self.regex, len)
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
    /// The name of the whole.
    pub namespace: String,
    /// The entries, in their order.
    pub fields: Vec<Field>,
    warnings: Vec<String>,
    bare: bool,
}

/// One column: what all entries of a name share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// The name, from the JSON key to the table.
    pub name: String,
    /// The type.
    pub kind: FieldType,
    /// One line for people.
    pub doc: String,
}

impl Namespace {
    /// The built-in namespace.
    pub fn tcpdump() -> Namespace {
        BUILT_IN
            .parse()
            .expect("packet_parse.json is valid: a test loads it")
    }

    /// A namespace that a program makes.
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

    /// What the reader of the file should know though it was read: a repaired back-slash.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The namespace with a `payload` column: the continuation lines as they stand.
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

    /// Reads a namespace as [`Namespace::from_str`] does, compiles its patterns, and looks for
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
                doubt("is the same as an entry above, which has the value before it".into());
            }
        }
        doubts
    }

    /// What no single entry shows: names, types of alternatives, count. The first error.
    pub(crate) fn validate(&self) -> Result<(), NamespaceError> {
        match self.faults().into_iter().next() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// All that no single entry shows.
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
            if !self.bare && field.name == "time" && field.kind != FieldType::Timestamp {
                let what = "`time` orders the rows, so its type is `timestamp`";
                fail(what.into(), at.map(|at| &at.kind));
            }
            let above = &self.fields[..i];
            if let Some(other) = above
                .iter()
                .find(|other| other.name == field.name && other.kind != field.kind)
            {
                let what = format!(
                    "type {} here, {} in an entry above; alternatives agree",
                    field.kind, other.kind
                );
                fail(what, at.map(|at| &at.kind));
            }
            if let Some(other) = above.iter().find(|other| {
                other.name != field.name && other.name.eq_ignore_ascii_case(&field.name)
            }) {
                let what = format!("differs from `{}` only in case", other.name);
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
        let regex = regex::bytes::RegexBuilder::new(&field.regex)
            .unicode(false)
            .size_limit(MAX_COMPILED)
            .dfa_size_limit(2 * MAX_COMPILED)
            .build()
            .map_err(|error| match error {
                regex::Error::CompiledTooBig(limit) => fail(format!(
                    "pattern compiles to more than {limit} bytes; write it narrower"
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

/// The document as its author wrote it; slices that remember where they stand in the source.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document<'a> {
    namespace: String,
    #[serde(borrow)]
    fields: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry<'a> {
    #[serde(borrow)]
    name: &'a RawValue,
    #[serde(borrow, rename = "in")]
    part: Option<&'a RawValue>,
    #[serde(borrow)]
    regex: &'a RawValue,
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(default)]
    doc: String,
}

impl FromStr for Namespace {
    type Err = NamespaceError;

    /// Reads `packet_parse.json`, or the original bare array in any of its three spellings.
    ///
    /// # Errors
    /// The first thing that is wrong, with its field, line, column and a caret;
    /// [`Namespace::check`] gives all.
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
        return Some("a name is a letter, then letters, digits and _, at most 48".into());
    }
    RESERVED
        .iter()
        .any(|r| r.eq_ignore_ascii_case(name))
        .then(|| "is a column of dumpstream's own; choose another name".into())
}

/// Errors as the file has them; those of the whole come last.
fn in_order(errors: &mut [NamespaceError]) {
    errors.sort_by_key(|e| {
        e.position
            .as_ref()
            .map_or((usize::MAX, 0), |at| (at.line, at.column))
    });
}

/// The source as the author wrote it, and as JSON reads it.
#[derive(Clone, Copy)]
struct Source<'a> {
    /// What JSON reads.
    text: &'a str,
    /// What the author wrote, where back-slashes were doubled in `text`.
    original: Option<&'a str>,
}

impl<'a> Source<'a> {
    /// The place of an offset in `text`.
    fn position(self, offset: usize) -> Position {
        let Some(original) = self.original else {
            return Position::of(self.text, offset);
        };
        // Every back-slash of the original but those before a quote stands there twice.
        let (mut read, mut written) = (0, 0);
        let bytes = original.as_bytes();
        while read < offset && written < bytes.len() {
            let quote = bytes.get(written + 1) == Some(&b'"');
            read += if bytes[written] == b'\\' && !quote {
                2
            } else {
                1
            };
            written += 1;
        }
        Position::of(original, written)
    }

    /// The place of a piece of `text`.
    fn at(self, raw: &str) -> Position {
        self.position(offset_in(self.text, raw))
    }

    /// What is read here, and the error where it can't be.
    fn json<T: Deserialize<'a>>(self, slice: &'a str) -> Result<T, NamespaceError> {
        serde_json::from_str(slice).map_err(|error| {
            let mut offset = 0;
            for _ in 1..error.line() {
                offset += slice[offset..].find('\n').map_or(0, |i| i + 1);
            }
            offset += error.column().saturating_sub(1);
            let text = error.to_string();
            let what = text
                .rsplit_once(" at line ")
                .map_or(text.as_str(), |(what, _)| what);
            let offset = (offset_in(self.text, slice) + offset).min(self.text.len());
            NamespaceError::whole(what, Some(self.position(offset)))
        })
    }
}

/// What can be read, and everything that is wrong with the rest.
fn read(source: &str) -> (Option<Namespace>, Vec<NamespaceError>) {
    let bare = source.trim_start().starts_with('[');
    let read = if bare {
        bare_array(source)
    } else {
        document(source)
    };
    let (namespace, mut errors) = match read {
        Ok(read) => read,
        Err(error) => return (None, vec![error]),
    };
    // A namespace whose entries are all wrong has fields all the same.
    if !namespace.fields.is_empty() || errors.is_empty() {
        errors.extend(namespace.faults());
    }
    (Some(namespace), errors)
}

type Read = Result<(Namespace, Vec<NamespaceError>), NamespaceError>;

fn document(source: &str) -> Read {
    let source = Source {
        text: source,
        original: None,
    };
    let document: Document<'_> = source.json(source.text)?;
    let (fields, errors) = entries(source, &document.fields, false)?;
    Ok((Namespace::new(document.namespace, fields), errors))
}

/// `[{"name": …, "regex": …}, …]`: every value text, every search over the whole joined head.
///
/// Three spellings of a back-slash are in the wild, told apart once per file.
fn bare_array(written: &str) -> Read {
    let mut warnings = Vec::new();
    let doubled;
    let mut source = Source {
        text: written,
        original: None,
    };
    if let Some(offset) = forbidden_escape(written) {
        let at = Position::of(written, offset);
        warnings.push(format!(
            "line {}, column {}: JSON has no such escape; every back-slash of this file is taken as it stands",
            at.line, at.column
        ));
        doubled = literal_back_slashes(written);
        source = Source {
            text: &doubled,
            original: Some(written),
        };
    }
    let raws: Vec<&RawValue> = source.json(source.text)?;
    let (mut fields, mut errors) = entries(source, &raws, true)?;
    if warnings.is_empty() && all_paired(&fields) {
        for field in &mut fields {
            field.regex = field.regex.replace("\\\\", "\\");
        }
    }
    fields.retain(|field| match syntax(field, None) {
        Ok(()) => true,
        Err(error) => {
            errors.push(error);
            false
        }
    });
    let namespace = Namespace {
        namespace: "bare".into(),
        fields,
        warnings,
        bare: true,
    };
    Ok((namespace, errors))
}

/// The entries that can be read, and what is wrong with the others.
fn entries(
    source: Source<'_>,
    raws: &[&RawValue],
    bare: bool,
) -> Result<(Vec<Field>, Vec<NamespaceError>), NamespaceError> {
    if raws.len() > MAX_ENTRIES {
        let what = format!("{} entries; at most {MAX_ENTRIES}", raws.len());
        return Err(NamespaceError::whole(what, None));
    }
    let (mut fields, mut errors) = (Vec::with_capacity(raws.len()), Vec::new());
    for raw in raws {
        match entry(source, raw.get(), bare) {
            Ok(field) => fields.push(field),
            Err(wrong) => errors.extend(wrong),
        }
    }
    Ok((fields, errors))
}

/// Whether there are back-slashes, and each has a twin beside it.
fn all_paired(fields: &[Field]) -> bool {
    let paired = |regex: &str| {
        let mut run = 0;
        let mut chars = regex.chars().peekable();
        while let Some(c) = chars.next() {
            run = if c == '\\' { run + 1 } else { 0 };
            if run % 2 == 1 && chars.peek() != Some(&'\\') {
                return false;
            }
        }
        true
    };
    fields.iter().any(|f| f.regex.contains('\\')) && fields.iter().all(|f| paired(&f.regex))
}

/// Where a string holds an escape that JSON forbids.
fn forbidden_escape(source: &str) -> Option<usize> {
    strings(source).find_map(|(offset, next)| {
        (!matches!(
            next,
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' | b'u'
        ))
        .then_some(offset)
    })
}

/// Every back-slash within a string and the byte after it.
fn strings(source: &str) -> impl Iterator<Item = (usize, u8)> {
    let bytes = source.as_bytes();
    let (mut i, mut inside) = (0, false);
    std::iter::from_fn(move || {
        while i < bytes.len() {
            let at = i;
            match bytes[i] {
                b'"' => inside = !inside,
                b'\\' if inside => {
                    i += 2;
                    return Some((at, bytes.get(at + 1).copied().unwrap_or(b' ')));
                }
                _ => {}
            }
            i += 1;
        }
        None
    })
}

/// The source with every back-slash doubled but those before a quote.
fn literal_back_slashes(source: &str) -> String {
    let mut out = String::with_capacity(source.len() * 2);
    let mut chars = source.chars().peekable();
    while let Some(c) = chars.next() {
        out.push(c);
        if c == '\\' {
            match chars.peek() {
                Some('"') => out.push(chars.next().expect("peeked")),
                _ => out.push('\\'),
            }
        }
    }
    out
}

/// One entry, or everything that is wrong with it.
fn entry(source: Source<'_>, raw: &str, bare: bool) -> Result<Field, Vec<NamespaceError>> {
    let entry: Entry<'_> = source.json(raw).map_err(|e| {
        vec![NamespaceError {
            field: name_of(raw),
            ..e
        }]
    })?;
    let at = |raw: &RawValue| Some(source.at(raw.get()));
    let mut errors = Vec::new();
    let name = string(source, entry.name, "name").map_err(|e| vec![e])?;
    let regex = string(source, entry.regex, &name).unwrap_or_else(|e| {
        errors.push(e);
        String::new()
    });
    let mut fail = |what: String, raw: &RawValue| {
        errors.push(NamespaceError::at(&name, what, at(raw)));
    };
    let (mut part, mut kind) = (Part::Head, FieldType::Text);
    if bare {
        if let Some(odd) = entry.part.or(entry.kind) {
            let what = "a bare array has only `name` and `regex`; write {\"namespace\": …, \"fields\": […]}";
            fail(what.into(), odd);
        }
    } else {
        match entry.part.map(|raw| (raw, serde_json::from_str(raw.get()))) {
            Some((_, Ok(known))) => part = known,
            Some((raw, Err(_))) => {
                let known = Part::ALL.map(Part::name).join(" ");
                fail(format!("no such part; one of: {known}"), raw);
            }
            None => fail("`in` is missing".into(), entry.name),
        }
        match entry.kind.map(|raw| (raw, serde_json::from_str(raw.get()))) {
            Some((_, Ok(known))) => kind = known,
            Some((raw, Err(_))) => {
                let known = FieldType::ALL.map(FieldType::name).join(" ");
                fail(format!("no such type; one of: {known}"), raw);
            }
            None => fail("`type` is missing".into(), entry.name),
        }
    }
    let field = Field {
        at: Some(Box::new(Written {
            name: source.at(entry.name.get()),
            kind: source.at(entry.kind.unwrap_or(entry.name).get()),
            regex: source.at(entry.regex.get()),
            quoted: (!bare).then(|| {
                let start = offset_in(source.text, entry.regex.get());
                start..start + entry.regex.get().len()
            }),
        })),
        name: name.clone(),
        part,
        regex,
        kind,
        doc: entry.doc,
    };
    if !bare && let Err(error) = syntax(&field, Some((source, entry.regex.get()))) {
        errors.push(error);
    }
    if errors.is_empty() {
        return Ok(field);
    }
    // The others' names are judged together; this one's by itself.
    if let Some(what) = name_fault(&name) {
        errors.push(NamespaceError::at(&name, what, at(entry.name)));
    }
    Err(errors)
}

/// The name of an entry that cannot be read otherwise.
fn name_of(raw: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    let named: Named = serde_json::from_str(raw).ok()?;
    Some(named.name)
}

fn string(source: Source<'_>, raw: &RawValue, field: &str) -> Result<String, NamespaceError> {
    serde_json::from_str(raw.get()).map_err(|_| {
        NamespaceError::at(field, "is not a string".into(), Some(source.at(raw.get())))
    })
}

/// The pattern's syntax; `written` is the document and the pattern as it stands there, in quotes,
/// so that the caret points into the pattern.
fn syntax(field: &Field, written: Option<(Source<'_>, &str)>) -> Result<(), NamespaceError> {
    let parsed = regex_syntax::ParserBuilder::new()
        .unicode(false)
        .utf8(false)
        .build()
        .parse(&field.regex);
    let Err(error) = parsed else { return Ok(()) };
    let (what, span) = match &error {
        regex_syntax::Error::Parse(e) => (e.kind().to_string(), e.span().start.offset),
        regex_syntax::Error::Translate(e) => (e.kind().to_string(), e.span().start.offset),
        other => (other.to_string(), 0),
    };
    let at = match written {
        Some((source, raw)) => {
            let offset = offset_in(source.text, raw) + written_offset(raw, span);
            Some(source.position(offset))
        }
        None => field.position().cloned(),
    };
    Err(NamespaceError::at(
        &field.name,
        format!("regex: {what}"),
        at,
    ))
}

/// Where the decoded byte `offset` of a JSON string stands in the string as written.
fn written_offset(raw: &str, offset: usize) -> usize {
    let bytes = raw.as_bytes();
    let (mut written, mut decoded) = (1, 0);
    while decoded < offset && written < bytes.len() {
        if bytes[written] == b'\\' {
            if bytes.get(written + 1) == Some(&b'u') {
                let hex = bytes.get(written + 2..written + 6).unwrap_or_default();
                let code = crate::value::hexadecimal(hex).unwrap_or(0) as u32;
                decoded += char::from_u32(code).map_or(2, char::len_utf8);
                written += 6;
            } else {
                decoded += 1;
                written += 2;
            }
        } else {
            decoded += 1;
            written += 1;
        }
    }
    written
}

/// The offset of a slice within the text that it was cut from.
fn offset_in(source: &str, slice: &str) -> usize {
    (slice.as_ptr() as usize)
        .saturating_sub(source.as_ptr() as usize)
        .min(source.len())
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// The line about the place, made harmless to a terminal, and where in it the place is.
    shown: String,
    caret: usize,
}

/// Characters of a line that are shown before and after a place: a file without line breaks stays
/// readable, and small in memory.
const BEFORE: usize = 59;
const AFTER: usize = 41;

impl Position {
    fn of(source: &str, offset: usize) -> Position {
        let (before, rest) = source.split_at(source.floor_char_boundary(offset));
        let start = before.rfind('\n').map_or(0, |i| i + 1);
        let lead: Vec<char> = before[start..].chars().rev().take(BEFORE).collect();
        let mut shown: String = lead.into_iter().rev().flat_map(visible).collect();
        let caret = shown.chars().count();
        let after = rest.lines().next().unwrap_or_default();
        shown.extend(after.chars().take(AFTER).flat_map(visible));
        Position {
            line: memchr::memchr_iter(b'\n', before.as_bytes()).count() + 1,
            column: before[start..].chars().count() + 1,
            shown,
            caret,
        }
    }

    /// The line, and beneath it a caret: two lines, harmless to a terminal.
    pub fn excerpt(&self) -> String {
        format!("  | {}\n  | {:caret$}^", self.shown, "", caret = self.caret)
    }
}

/// What is wrong with a namespace, and where.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub struct NamespaceError {
    /// The field, where one is to blame.
    pub field: Option<String>,
    /// Where in the file, where it came from one.
    pub position: Option<Position>,
    what: String,
}

impl NamespaceError {
    fn at(field: &str, what: String, position: Option<Position>) -> NamespaceError {
        NamespaceError {
            field: Some(field.to_owned()),
            position,
            what,
        }
    }

    fn whole(what: impl Into<String>, position: Option<Position>) -> NamespaceError {
        NamespaceError {
            field: None,
            position,
            what: what.into(),
        }
    }

    /// What is wrong, without the field and the place.
    pub fn what(&self) -> &str {
        &self.what
    }
}

impl fmt::Display for NamespaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(field) = &self.field {
            write!(f, "field {field:?}: ")?;
        }
        f.write_str(&self.what)?;
        let Some(at) = &self.position else {
            return Ok(());
        };
        write!(
            f,
            "\n  at line {}, column {}\n{}",
            at.line,
            at.column,
            at.excerpt()
        )
    }
}

fn visible(c: char) -> impl Iterator<Item = char> {
    let tab = c == '\t';
    let plain = (tab || !c.is_control()).then_some(if tab { ' ' } else { c });
    let escaped = plain.is_none().then(|| c.escape_default());
    plain.into_iter().chain(escaped.into_iter().flatten())
}

/// FNV-1a of 128 bits: a name for a stream or a namespace, the same on every machine and in every
/// release. Not a defence: who can choose both texts can make them collide.
#[derive(Debug)]
pub(crate) struct Fnv(u128);

impl Fnv {
    pub(crate) fn new() -> Fnv {
        Fnv(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d)
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u128::from(*byte))
                .wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
    }

    pub(crate) fn finish(&self) -> u128 {
        self.0
    }
}

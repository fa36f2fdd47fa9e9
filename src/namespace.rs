//! Which fields there are: the names, parts, patterns and types of `packet_parse.json`.
//!
//! The file is the definition; the grammar's own typing of the built-in fields is only a shortcut
//! to what their patterns say.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::value::FieldType;

/// The longest pattern, in bytes. A pattern describes a phrase of one line; what is longer is a
/// word list, which belongs behind the parser.
pub const MAX_PATTERN: usize = 4 << 10;
/// The largest compiled pattern, in bytes: it bounds the time to compile (tens of milliseconds)
/// and the time per byte.
pub const MAX_COMPILED: usize = 1 << 20;
/// The most columns of one namespace; a row keeps one bit for each.
pub const MAX_COLUMNS: usize = 128;
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
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
    at: Option<Position>,
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

    /// What no single entry shows: names, types of alternatives, count.
    pub(crate) fn validate(&self) -> Result<(), NamespaceError> {
        for (i, field) in self.fields.iter().enumerate() {
            let fail = |what: String| Err(NamespaceError::at(&field.name, what, field.at.clone()));
            let mut chars = field.name.bytes();
            let first = chars
                .next()
                .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
            if !first
                || field.name.len() > 48
                || !chars.all(|b| b.is_ascii_alphanumeric() || b == b'_')
            {
                return fail("a name is a letter, then letters, digits and _, at most 48".into());
            }
            if RESERVED.iter().any(|r| r.eq_ignore_ascii_case(&field.name)) {
                return fail("is a column of dumpstream's own; choose another name".into());
            }
            if field.regex.len() > MAX_PATTERN {
                return fail(format!(
                    "pattern of {} bytes; at most {MAX_PATTERN}",
                    field.regex.len()
                ));
            }
            if !self.bare
                && field.name.eq_ignore_ascii_case("time")
                && field.kind != FieldType::Timestamp
            {
                return fail("`time` orders the rows, so its type is `timestamp`".into());
            }
            for other in &self.fields[..i] {
                if other.name == field.name && other.kind != field.kind {
                    return fail(format!(
                        "type {} here, {} in an entry above; alternatives agree",
                        field.kind, other.kind
                    ));
                }
                if other.name != field.name && other.name.eq_ignore_ascii_case(&field.name) {
                    return fail(format!("differs from `{}` only in case", other.name));
                }
            }
        }
        let columns = self.columns().len();
        if columns == 0 {
            return Err(NamespaceError::whole("no fields", None));
        }
        if columns > MAX_COLUMNS {
            return Err(NamespaceError::whole(
                format!("{columns} names; at most {MAX_COLUMNS}"),
                None,
            ));
        }
        Ok(())
    }

    /// Compiles one entry's pattern within its limits.
    pub(crate) fn compile(field: &Field) -> Result<regex::bytes::Regex, NamespaceError> {
        let fail = |what: String| NamespaceError::at(&field.name, what, field.at.clone());
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
    /// The first thing that is wrong, with its field, line, column and a caret.
    fn from_str(source: &str) -> Result<Namespace, NamespaceError> {
        let namespace = if source.trim_start().starts_with('[') {
            bare_array(source)?
        } else {
            document(source)?
        };
        namespace.validate()?;
        Ok(namespace)
    }
}

fn document(source: &str) -> Result<Namespace, NamespaceError> {
    let document: Document<'_> =
        serde_json::from_str(source).map_err(|e| NamespaceError::json(source, source, &e))?;
    let mut fields = Vec::with_capacity(document.fields.len());
    for raw in document.fields {
        fields.push(entry(source, raw.get(), false)?);
    }
    Ok(Namespace::new(document.namespace, fields))
}

/// `[{"name": …, "regex": …}, …]`: every value text, every search over the whole joined head.
///
/// Three spellings of a back-slash are in the wild, told apart once per file.
fn bare_array(source: &str) -> Result<Namespace, NamespaceError> {
    let mut warnings = Vec::new();
    let mut text = std::borrow::Cow::Borrowed(source);
    if let Some(offset) = forbidden_escape(source) {
        let at = Position::of(source, offset);
        warnings.push(format!(
            "line {}, column {}: JSON has no such escape; every back-slash of this file is taken as it stands",
            at.line, at.column
        ));
        text = std::borrow::Cow::Owned(literal_back_slashes(source));
    }
    let raws: Vec<&RawValue> =
        serde_json::from_str(&text).map_err(|e| NamespaceError::json(&text, &text, &e))?;
    let mut fields = Vec::with_capacity(raws.len());
    for raw in raws {
        fields.push(entry(&text, raw.get(), true)?);
    }
    if warnings.is_empty() && all_paired(&fields) {
        for field in &mut fields {
            field.regex = field.regex.replace("\\\\", "\\");
        }
    }
    for field in &fields {
        syntax(field, None)?;
    }
    Ok(Namespace {
        namespace: "bare".into(),
        fields,
        warnings,
        bare: true,
    })
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

fn entry(source: &str, raw: &str, bare: bool) -> Result<Field, NamespaceError> {
    let entry: Entry<'_> = serde_json::from_str(raw).map_err(|e| NamespaceError {
        field: name_of(raw),
        ..NamespaceError::json(source, raw, &e)
    })?;
    let at = |raw: &RawValue| Position::of(source, offset_in(source, raw.get()));
    let name: String = string(source, entry.name, "name")?;
    let regex: String = string(source, entry.regex, &name)?;
    let (part, kind) = match (entry.part, entry.kind) {
        (None, None) if bare => (Part::Head, FieldType::Text),
        (Some(part), Some(kind)) if !bare => (
            serde_json::from_str(part.get()).map_err(|_| {
                let known = Part::ALL.map(Part::name).join(" ");
                NamespaceError::at(
                    &name,
                    format!("no such part; one of: {known}"),
                    Some(at(part)),
                )
            })?,
            serde_json::from_str(kind.get()).map_err(|_| {
                let known = FieldType::ALL.map(FieldType::name).join(" ");
                NamespaceError::at(
                    &name,
                    format!("no such type; one of: {known}"),
                    Some(at(kind)),
                )
            })?,
        ),
        (Some(odd), _) | (_, Some(odd)) if bare => {
            let what = "a bare array has only `name` and `regex`; write {\"namespace\": …, \"fields\": […]}";
            return Err(NamespaceError::at(&name, what.into(), Some(at(odd))));
        }
        (None, _) => {
            return Err(NamespaceError::at(
                &name,
                "`in` is missing".into(),
                Some(at(entry.name)),
            ));
        }
        _ => {
            return Err(NamespaceError::at(
                &name,
                "`type` is missing".into(),
                Some(at(entry.name)),
            ));
        }
    };
    let field = Field {
        name,
        part,
        regex,
        kind,
        doc: entry.doc,
        at: Some(at(entry.regex)),
    };
    if !bare {
        syntax(&field, Some((source, entry.regex.get())))?;
    }
    Ok(field)
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

fn string(source: &str, raw: &RawValue, field: &str) -> Result<String, NamespaceError> {
    serde_json::from_str(raw.get()).map_err(|_| {
        let at = Position::of(source, offset_in(source, raw.get()));
        NamespaceError::at(field, "is not a string".into(), Some(at))
    })
}

/// The pattern's syntax; `written` is the document and the pattern as it stands there, in quotes,
/// so that the caret points into the pattern.
fn syntax(field: &Field, written: Option<(&str, &str)>) -> Result<(), NamespaceError> {
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
        Some((source, raw)) => Some(Position::of(
            source,
            offset_in(source, raw) + written_offset(raw, span),
        )),
        None => field.at.clone(),
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
    text: String,
}

impl Position {
    fn of(source: &str, offset: usize) -> Position {
        let before = &source[..source.floor_char_boundary(offset)];
        let start = before.rfind('\n').map_or(0, |i| i + 1);
        let text = source[start..].lines().next().unwrap_or_default();
        Position {
            line: before.matches('\n').count() + 1,
            column: before[start..].chars().count() + 1,
            text: text.to_owned(),
        }
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

    /// An error of the JSON reader within `slice` of `source`.
    fn json(source: &str, slice: &str, error: &serde_json::Error) -> NamespaceError {
        let mut offset = 0;
        for _ in 1..error.line() {
            offset += slice[offset..].find('\n').map_or(0, |i| i + 1);
        }
        offset += error.column().saturating_sub(1);
        let text = error.to_string();
        let what = text
            .rsplit_once(" at line ")
            .map_or(text.as_str(), |(what, _)| what);
        let at = Position::of(
            source,
            (offset_in(source, slice) + offset).min(source.len()),
        );
        NamespaceError::whole(what, Some(at))
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
        // A window of the line, so that a file without line breaks stays readable; escaped, since
        // a namespace may come from anywhere.
        let from = at.column.saturating_sub(60).max(1);
        let shown: String = at
            .text
            .chars()
            .skip(from - 1)
            .take(100)
            .flat_map(visible)
            .collect();
        let lead: String = at
            .text
            .chars()
            .skip(from - 1)
            .take(at.column - from)
            .flat_map(visible)
            .collect();
        write!(
            f,
            "\n  at line {}, column {}\n  | {shown}\n  | ",
            at.line, at.column
        )?;
        write!(f, "{:width$}^", "", width = lead.chars().count())
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

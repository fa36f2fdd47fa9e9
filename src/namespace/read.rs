//! `packet_parse.json` and the original bare array, read with every place kept.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::{NamespaceError, Position};
use super::{Field, Namespace, Written, name_fault};
use crate::limits::MAX_ENTRIES;
use crate::part::Part;
use crate::pattern;
use crate::scan;
use crate::value::FieldType;

/// The document as its author wrote it; slices that remember where they stand in the source.
#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "an object {\"namespace\": NAME, \"fields\": [FIELD, …]}"
)]
struct Document<'a> {
    namespace: String,
    #[serde(borrow)]
    fields: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "an object {\"name\": NAME, \"regex\": PATTERN, …}"
)]
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
            let what = in_words(
                text.rsplit_once(" at line ")
                    .map_or(text.as_str(), |(what, _)| what),
            );
            let offset = (offset_in(self.text, slice) + offset).min(self.text.len());
            NamespaceError::whole(what, Some(self.position(offset)))
        })
    }
}

/// Translates serde's messages for users who do not know serde.
fn in_words(what: &str) -> String {
    if let Some(name) = what.strip_prefix("missing field ") {
        return format!("{name} is missing");
    }
    if what == "invalid escape" {
        return r"JSON has no such escape; write a back-slash twice, `\\d` for \d".to_owned();
    }
    match what.strip_prefix("EOF while parsing ") {
        Some("a value") => return "the file ends where a value is expected".to_owned(),
        Some(open) => return format!("the file ends within {open}"),
        None => {}
    }
    match what
        .strip_prefix("invalid type: ")
        .and_then(|what| what.split_once(", expected "))
    {
        Some((found, wanted)) => format!("expected {wanted}, found {found}"),
        None => what.to_owned(),
    }
}

/// What can be read, and everything that is wrong with the rest.
pub(super) fn read(source: &str) -> (Option<Namespace>, Vec<NamespaceError>) {
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
/// Back-slashes have three spellings in existing files; one is chosen per file.
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
            "line {}, column {}: JSON has no such escape; every back-slash of this file is taken literally",
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
    let entry: Entry<'_> = source.json(raw).map_err(|mut e: NamespaceError| {
        e.field = name_of(raw);
        vec![e]
    })?;
    let at = |raw: &RawValue| Some(source.at(raw.get()));
    let mut errors = Vec::new();
    let name = string(entry.name, "name")
        .map_err(|what| vec![NamespaceError::whole(what, at(entry.name))])?;
    let mut fail = |what: String, raw: &RawValue| {
        errors.push(NamespaceError::at(&name, what, at(raw)));
    };
    let regex = string(entry.regex, "regex").unwrap_or_else(|what| {
        fail(what, entry.regex);
        String::new()
    });
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
                let known = Part::ALL.iter().map(|part| part.name());
                let known = known.collect::<Vec<_>>().join(" ");
                fail(format!("no such part; one of: {known}"), raw);
            }
            None => fail("`in` is missing".into(), entry.name),
        }
        match entry.kind.map(|raw| (raw, serde_json::from_str(raw.get()))) {
            Some((_, Ok(known))) => kind = known,
            Some((raw, Err(_))) => {
                let known = FieldType::ALL.iter().map(|kind| kind.name());
                let known = known.collect::<Vec<_>>().join(" ");
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

fn string(raw: &RawValue, key: &str) -> Result<String, String> {
    serde_json::from_str(raw.get()).map_err(|_| format!("`{key}` is not a string"))
}

/// The pattern's syntax; `written` is the document and the pattern as it stands there, in quotes,
/// so that the caret points into the pattern.
fn syntax(field: &Field, written: Option<(Source<'_>, &str)>) -> Result<(), NamespaceError> {
    let Some((what, at)) = pattern::syntax_fault(&field.regex) else {
        return Ok(());
    };
    let at = match (written, at) {
        (Some((source, raw)), Some(at)) => {
            let offset = offset_in(source.text, raw) + written_offset(raw, at);
            Some(source.position(offset))
        }
        _ => field.position().cloned(),
    };
    Err(NamespaceError::at(
        &field.name,
        format!("regex: {what}"),
        at,
    ))
}

/// Where the decoded byte `offset` of a JSON string stands in the string as written.
pub(super) fn written_offset(raw: &str, offset: usize) -> usize {
    let bytes = raw.as_bytes();
    let (mut written, mut decoded) = (1, 0);
    while decoded < offset && written < bytes.len() {
        if bytes[written] == b'\\' {
            if bytes.get(written + 1) == Some(&b'u') {
                let hex = bytes.get(written + 2..written + 6).unwrap_or_default();
                let code = scan::hexadecimal(hex).unwrap_or(0) as u32;
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

//! Why a packet has the values it has: the record's parts, and for each column what was tried.
//!
//! It is made from the record alone, by the same walk and the same patterns as the values, so it
//! costs a thousand times what parsing costs: for one record that someone asks about.

mod record;

use std::fmt;
use std::ops::Range;

use serde::Serialize;
use serde::ser::Serializer;
/// A value of JSON: that of `serde_json`.
pub use serde_json::Value as Json;

use self::record::{Record, Text};
use crate::batch::Batch;
pub use crate::dialect::Dialect;
use crate::grammar::{self, Keep, Parts, SLOTS, Slots};
use crate::namespace::Namespace;
use crate::packet::{Missing, Packet};
use crate::part::Part;
pub use crate::pattern::Reach;
use crate::plan::{self, Engine, Plan};
use crate::table::Row;
use crate::value::{FieldType, Value};

/// A record and its columns, explained. [`Packet::explain`] makes it.
///
/// Its texts come from the wire: what shows them on a terminal must escape them first. Bytes that
/// are not UTF-8 stand as `\xHH`.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Explanation {
    /// The record as tcpdump printed it.
    pub raw: String,
    /// Its head: the lines that belong to it joined by one blank, as the part `head` is searched.
    pub head: String,
    /// Whether a protocol was found.
    pub parsed: bool,
    /// Whether the record was cut: at the limit, or by the end of the input.
    pub truncated: bool,
    /// How its time was found.
    pub time_source: &'static str,
    /// The spellings of older tcpdumps, and of other systems, that it has.
    pub dialects: Vec<Dialect>,
    /// The parts of the record, in the order of [`Part::ALL`], without `head`.
    pub parts: Vec<Piecewise>,
    /// Text of the part `info` that was withheld because its decoder may print credentials.
    pub withheld: Option<Place>,
    /// The columns, in order.
    pub fields: Vec<Finding>,
}

/// The position of a text in its record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Place {
    /// Bytes of the record.
    pub bytes: Range<usize>,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

/// A part, or one of the pieces of a part that is in two places.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Piecewise {
    /// Which part.
    pub part: Part,
    /// Its position; `None` if the grammar knows the part but the record does not contain its text.
    pub place: Option<Place>,
    /// Its text.
    pub text: String,
    /// The grammar does not cover this text, so patterns find this part's fields.
    pub odd: bool,
}

/// One column, explained.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// The name.
    pub name: String,
    /// The type.
    #[serde(rename = "type")]
    pub kind: FieldType,
    /// One line for people.
    pub doc: String,
    /// The value, as in JSON.
    pub value: Option<Json>,
    /// Why there is none.
    pub missing: Option<Missing>,
    /// What found the value, or did not find one.
    pub engine: Found,
    /// The entries of this name in their order, and what each gave. Where the grammar had the
    /// value, what its patterns find is the same.
    pub tries: Vec<Try>,
}

/// What finds a column's value, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Found {
    /// The grammar, as it walks over the record: the field equals the built-in one.
    Slot,
    /// The field's patterns: the grammar does not cover the text of a part that the field searches.
    RegexOdd,
    /// The field's patterns: [`Engine::Regex`] was requested.
    RegexAsked,
    /// The field's patterns: a built-in field of this name has others.
    RegexEdited,
    /// The field's patterns: no built-in field has this name.
    RegexOwn,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Found::Slot => "grammar",
            Found::RegexOdd => "regex, because the grammar does not cover that part",
            Found::RegexAsked => "regex, because of --engine regex",
            Found::RegexEdited => "regex, because its entries differ from the built-in ones",
            Found::RegexOwn => "regex, because it is not a built-in field",
        })
    }
}

/// One entry of a column against one text.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Try {
    /// The index of the entry in [`Namespace::fields`].
    pub entry: usize,
    /// The part that it looks into.
    #[serde(rename = "in")]
    pub part: Part,
    /// Its pattern.
    pub regex: String,
    /// The text that was searched; `None` without the part.
    pub text: Option<String>,
    /// What came of it.
    pub verdict: Verdict,
}

/// What an entry gave.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Verdict {
    /// The value.
    Value(Match),
    /// The pattern matches, but the text of its group does not fit the type.
    Misfit(Match),
    /// The pattern matches, but its group 1 is not set, so there is no value.
    NoGroup(Match),
    /// The pattern does not match.
    NoMatch(Miss),
    /// The part is not in the record.
    NoPart {
        /// Parts of this record that the pattern would match in.
        elsewhere: Vec<Part>,
    },
    /// An earlier entry decided.
    NotTried,
}

/// Where a pattern matched.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Match {
    /// The whole match, in bytes of the text that was searched.
    pub whole: Range<usize>,
    /// Group 1 likewise.
    pub group: Option<Range<usize>>,
    /// Group 1 in the record, where the record spells it.
    pub place: Option<Place>,
    /// The text of group 1.
    pub text: Option<String>,
}

/// How a pattern failed.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Miss {
    /// How far the pattern matched.
    pub reach: Option<Reach>,
    /// The text from there to the end, which does not match.
    pub instead: Option<Place>,
    /// It matches if case is ignored.
    pub ignoring_case: bool,
    /// Other parts of this record that the pattern would match in.
    pub elsewhere: Vec<Part>,
}

impl Packet<'_> {
    /// Explains every column.
    ///
    /// ```
    /// use dumpstream::explain::Verdict;
    /// use dumpstream::{Namespace, Parser, Reader};
    /// let namespace: Namespace = r#"{"namespace": "mine", "fields": [
    ///     {"name": "hops", "in": "network", "regex": "ttl: (\\d+)", "type": "int"}
    /// ]}"#.parse()?;
    /// let text = "22:13:20.123456 IP (tos 0x0, ttl 64, id 1, offset 0, flags [DF], proto UDP (17), \
    ///     length 30)\n    192.0.2.1.1024 > 192.0.2.2.9999: UDP, length 2\n";
    /// let mut reader = Reader::new(text.as_bytes()).parser(Parser::new(namespace)?);
    /// let packets = reader.next().expect("there is a record")?;
    /// let explanation = packets.packet(0).explain();
    /// let Verdict::NoMatch(miss) = &explanation.fields[0].tries[0].verdict else {
    ///     panic!("a colon too many");
    /// };
    /// let reach = miss.reach.as_ref().expect("it does not match");
    /// assert_eq!((reach.passed, reach.expected.as_str()), (3, ": "));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn explain(self) -> Explanation {
        let (plan, batch, row) = source(self);
        let walk = |keep| {
            let mut parts = Parts::new();
            let walked = grammar::record(
                batch.certain(row.start as usize),
                row.start as usize,
                &batch.style,
                keep,
                &mut parts,
                &mut Slots::new(),
                &mut Vec::new(),
            );
            debug_assert!(walked.is_ok(), "messages were taken out");
            parts
        };
        let record = Record {
            bytes: &batch.bytes,
            raw: self.raw(),
            start: row.start as usize,
            nano: batch.style.nano,
        };
        let parts = walk(plan.keep);
        let all = walk(Keep { info: true });
        let texts = record.texts(&parts);
        let dropped: Vec<Text> = record
            .texts(&all)
            .into_iter()
            .filter(|text| {
                let same = |t: &Text| t.part == text.part && t.bytes == text.bytes;
                text.part == Part::Info && !texts.iter().any(same)
            })
            .collect();
        let columns = plan.columns.iter().enumerate();
        let built_in = Namespace::tcpdump();
        let fields = columns.map(|(i, column)| {
            let value = self.value(i);
            Finding {
                name: column.name.clone(),
                kind: column.kind,
                doc: column.doc.clone(),
                value: value.map(json),
                missing: match value {
                    Some(_) => None,
                    None => Some(self.reason(i, &texts)),
                },
                engine: found(plan, &built_in, i, &parts),
                tries: record.tries(plan, i, &texts, &dropped),
            }
        });
        let fields = fields.collect();
        Explanation {
            raw: shown(self.raw()),
            head: texts
                .iter()
                .find(|t| t.part == Part::Head)
                .map(|t| shown(&t.bytes))
                .unwrap_or_default(),
            parsed: self.parsed(),
            truncated: self.truncated(),
            time_source: self.time_source().name(),
            dialects: all.dialects.iter().collect(),
            parts: texts
                .iter()
                .filter(|text| text.part != Part::Head)
                .map(|text| Piecewise {
                    part: text.part,
                    place: record.place(text, 0..text.bytes.len()),
                    text: shown(&text.bytes),
                    odd: parts.odd >> text.part as u32 & 1 == 1,
                })
                .collect(),
            withheld: dropped
                .first()
                .and_then(|text| record.place(text, 0..text.bytes.len())),
            fields,
        }
    }

    fn reason(self, column: usize, texts: &[Text]) -> Missing {
        let (plan, ..) = source(self);
        let there = |p: &plan::Pattern| texts.iter().any(|t| t.part == p.part);
        if self.misfit(column) {
            Missing::Misfit
        } else if self.truncated() {
            Missing::Truncated
        } else if plan.patterns[column].iter().any(there) {
            Missing::NoMatch
        } else {
            Missing::NoPart
        }
    }
}

/// What a packet was made of.
fn source(packet: Packet<'_>) -> (&Plan, &Batch, &Row) {
    let (packets, index) = packet.place();
    let inner = &*packets.0;
    (&inner.plan, &inner.batch, &inner.rows[index])
}

/// Why a column is found as it is.
fn found(plan: &Plan, built_in: &Namespace, column: usize, parts: &Parts) -> Found {
    let patterns = &plan.patterns[column];
    if plan.slots[column].is_some() {
        let odd = patterns.iter().any(|p| parts.odd >> p.part as u32 & 1 == 1);
        return if odd { Found::RegexOdd } else { Found::Slot };
    }
    let name = &plan.columns[column].name;
    let ours: Vec<_> = built_in.fields.iter().filter(|f| f.name == *name).collect();
    if ours.is_empty() || !SLOTS.contains(&name.as_str()) {
        return Found::RegexOwn;
    }
    let equal = ours.len() == patterns.len()
        && ours.iter().zip(patterns).all(|(ours, theirs)| {
            ours.part == theirs.part
                && ours.regex == theirs.regex.as_str()
                && ours.kind == plan.columns[column].kind
        });
    match plan.engine {
        Engine::Regex if equal => Found::RegexAsked,
        _ => Found::RegexEdited,
    }
}

fn json(value: Value<'_>) -> Json {
    match value {
        Value::Int(n) => n.into(),
        Value::Real(x) => x.into(),
        Value::Bool(b) => b.into(),
        other => other.to_string().into(),
    }
}

/// Bytes as text.
fn shown(bytes: &[u8]) -> String {
    Value::Text(bytes).to_string()
}

impl Serialize for Missing {
    /// `no-part`, `no-match` or `misfit`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

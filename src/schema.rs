//! The schema of a record's JSON, for programs that validate it or generate code.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value, json};

use crate::namespace::{Column, Namespace};
use crate::value::FieldType;

/// The JSON Schema (draft 2020-12) of one record; serialize it to have it.
///
/// ```
/// let schema = dumpstream::JsonSchema::new(&dumpstream::Namespace::tcpdump());
/// let schema = serde_json::to_value(&schema)?;
/// assert_eq!(schema["properties"]["source_port"]["maximum"], 65_535);
/// assert_eq!(schema["required"][0], "time");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct JsonSchema {
    namespace: String,
    columns: Vec<Column>,
    identity: bool,
    raw: bool,
}

impl JsonSchema {
    /// Of the records of a namespace.
    pub fn new(namespace: &Namespace) -> JsonSchema {
        JsonSchema {
            namespace: namespace.namespace.clone(),
            columns: namespace.columns(),
            identity: false,
            raw: false,
        }
    }

    /// With the columns that say where a packet came from.
    pub fn identity(mut self) -> JsonSchema {
        self.identity = true;
        self
    }

    /// With the record's own text.
    pub fn raw(mut self) -> JsonSchema {
        self.raw = true;
        self
    }

    /// Names and schemas, in the order of a record.
    fn properties(&self) -> Vec<(&str, Value)> {
        let mut properties: Vec<(&str, Value)> = Vec::new();
        for column in &self.columns {
            let mut schema = of_type(column.kind);
            if !column.doc.is_empty() {
                schema["description"] = column.doc.as_str().into();
            }
            properties.push((&column.name, schema));
        }
        if self.identity {
            properties.extend([
                ("sensor", described("string", "the sender of the text")),
                ("stream", described("string", "which input of the sensor")),
                (
                    "record",
                    json!({"type": "integer", "minimum": 1,
                           "description": "the number in its stream; sensor, stream and record \
                                           identify a packet"}),
                ),
                (
                    "time_source",
                    json!({"enum": ["packet", "packet-ambiguous", "date", "date-ambiguous",
                                    "previous", "arrival"],
                           "description": "how the time was found"}),
                ),
            ]);
        }
        properties.push((
            "truncated",
            json!({"const": true, "description": "the record was truncated; absent otherwise"}),
        ));
        if self.raw {
            let what = "the record as tcpdump printed it, bytes that are not UTF-8 as \\xHH";
            properties.push(("raw", described("string", what)));
        }
        properties
    }

    /// What every record has.
    fn required(&self) -> Vec<&str> {
        let time = self.columns.iter();
        let time = time.filter(|c| c.name == "time" && c.kind == FieldType::Timestamp);
        let mut required: Vec<&str> = time.map(|c| c.name.as_str()).collect();
        if self.identity {
            required.extend(["sensor", "stream", "record", "time_source"]);
        }
        if self.raw {
            required.push("raw");
        }
        required
    }
}

fn described(kind: &str, description: &str) -> Value {
    json!({"type": kind, "description": description})
}

fn of_type(kind: FieldType) -> Value {
    let integer = |minimum: i64, maximum: i64| json!({"type": "integer", "minimum": minimum, "maximum": maximum});
    match kind {
        FieldType::Text => json!({"type": "string"}),
        FieldType::Int => integer(i32::MIN.into(), i32::MAX.into()),
        FieldType::Bigint => integer(i64::MIN, i64::MAX),
        FieldType::Hex => integer(0, i64::MAX),
        FieldType::Port => integer(0, u16::MAX.into()),
        FieldType::Real => json!({"type": "number"}),
        FieldType::Bool => json!({"type": "boolean"}),
        FieldType::Inet => {
            json!({"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]})
        }
        FieldType::Mac => json!({"type": "string", "pattern": "^([0-9a-f]{2}:){5}[0-9a-f]{2}$"}),
        FieldType::Time => json!({"type": "string",
            "pattern": r"^[0-9]{2}:[0-9]{2}:[0-9]{2}\.([0-9]{6}|[0-9]{9})$"}),
        FieldType::Timestamp => json!({"type": "string", "format": "date-time"}),
    }
}

/// Names and their schemas as a map, in their order.
struct Properties<'a>(Vec<(&'a str, Value)>);

impl Serialize for Properties<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, schema)| (name, schema)))
    }
}

impl Serialize for JsonSchema {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("$schema", "https://json-schema.org/draft/2020-12/schema")?;
        map.serialize_entry("title", &self.namespace)?;
        map.serialize_entry(
            "description",
            "One packet. What tcpdump did not print is absent.",
        )?;
        map.serialize_entry("type", "object")?;
        map.serialize_entry("properties", &Properties(self.properties()))?;
        map.serialize_entry("required", &self.required())?;
        map.serialize_entry("additionalProperties", &false)?;
        map.end()
    }
}

//! Reads one line of a file of rejects.

use dumpstream::TimeSource;
use serde::Deserialize;

/// A line of a file of rejects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reject {
    pub(crate) sensor: String,
    pub(crate) stream: String,
    pub(crate) record: u64,
    /// Nanoseconds since 1970 UTC.
    pub(crate) time: i64,
    pub(crate) source: TimeSource,
    /// The hash of the stream's text up to its end, if it is known.
    pub(crate) content: Option<u64>,
    pub(crate) truncated: bool,
    pub(crate) raw: Vec<u8>,
}

#[derive(Deserialize)]
struct Line {
    sensor: String,
    stream: String,
    record: u64,
    time: String,
    time_source: String,
    content: Option<String>,
    #[serde(default)]
    truncated: bool,
    raw: Option<String>,
    raw_latin1: Option<String>,
}

impl Reject {
    /// Parses a line; the error describes what is wrong with it.
    pub(crate) fn read(line: &[u8]) -> Result<Reject, String> {
        let line: Line = serde_json::from_slice(line).map_err(|e| match line.first() {
            Some(b'{') => e.to_string(),
            _ => "it is not a JSON object".to_owned(),
        })?;
        let time = line.time.parse().map_err(|e: jiff::Error| e.to_string());
        let time = time.map(jiff::Timestamp::as_nanosecond)?;
        let source = TimeSource::named(line.time_source.as_bytes());
        let content = line.content.map(|digits| u64::from_str_radix(&digits, 16));
        let content = content
            .transpose()
            .map_err(|_| "content is not hexadecimal");
        let raw = match (line.raw, line.raw_latin1) {
            (Some(raw), None) => raw.into_bytes(),
            (None, Some(raw)) => {
                let bytes = raw.chars().map(|c| u8::try_from(u32::from(c)));
                let bytes = bytes.collect::<Result<_, _>>();
                bytes.map_err(|_| "raw_latin1 has a character above U+00FF".to_owned())?
            }
            _ => return Err("it needs either raw or raw_latin1".to_owned()),
        };
        if line.record == 0 || i64::try_from(line.record).is_err() || raw.is_empty() {
            return Err("record or raw has a value that is never written".to_owned());
        }
        Ok(Reject {
            sensor: line.sensor,
            stream: line.stream,
            record: line.record,
            time: i64::try_from(time).map_err(|_| "time is out of range".to_owned())?,
            source: source.ok_or_else(|| format!("unknown time_source {:?}", line.time_source))?,
            content: content?,
            truncated: line.truncated,
            raw,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_wrong_says_why() {
        let good = r#"{"sensor":"s","stream":"t","record":1,"time":"2026-11-24T00:00:00Z","time_source":"date","raw":"x"}"#;
        assert!(Reject::read(good.as_bytes()).is_ok());
        for (from, to, why) in [
            (r#""raw""#, r#""war""#, "needs either raw"),
            (":1,", ":0,", "record"),
            ("date", "guess", "guess"),
            ("-24T", "-99T", "day"),
            ("}", "", "EOF"),
            ("{", "1.2 IP {", "not a JSON object"),
        ] {
            let wrong = Reject::read(good.replace(from, to).as_bytes()).unwrap_err();
            assert!(wrong.contains(why), "{wrong}");
        }
    }
}

//! Counts how many records of a sample have each field.

use std::str::FromStr;

use dumpstream::framing::Batch;
use dumpstream::{Missing, Namespace, NamespaceError, Packets, Parser, Part};

use super::super::paint::Paint;
use super::super::{Usage, columns};

/// A required share: of records that have a protocol, or of a field.
#[derive(Clone, Debug)]
pub(super) struct Least {
    field: Option<String>,
    percent: f64,
}

impl FromStr for Least {
    type Err = String;

    fn from_str(text: &str) -> Result<Least, String> {
        let (field, percent) = match text.rsplit_once('=') {
            Some((field, percent)) => (Some(field.to_owned()), percent),
            None => (None, text),
        };
        match percent.trim_end_matches('%').parse::<f64>() {
            Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(Least { field, percent }),
            _ => Err("give a percentage from 0 to 100, or NAME=PERCENT".to_owned()),
        }
    }
}

impl Least {
    /// Refuses a name that is not a field.
    pub(super) fn known(&self, names: &Namespace) -> Result<(), Usage> {
        match &self.field {
            Some(field) if !names.columns().iter().any(|c| c.name == *field) => Err(Usage::new(
                format!("--min-coverage {field}=…: the namespace has no such field"),
            )),
            _ => Ok(()),
        }
    }
}

/// The counts of one column.
#[derive(Clone, Debug, Default)]
struct Column {
    name: String,
    had: u64,
    no_part: u64,
    no_match: u64,
    misfit: u64,
}

/// The counts of a sample.
#[derive(Debug)]
pub(super) struct Coverage {
    records: u64,
    parsed: u64,
    /// Records whose decoder text is withheld.
    pub(super) withheld: u64,
    columns: Vec<Column>,
}

/// Counts the records whose `info` is withheld: they have one only if it is kept.
pub(super) struct Withheld {
    without: Parser,
    with: Parser,
}

impl Withheld {
    pub(super) fn new() -> Result<Withheld, NamespaceError> {
        let parser = || {
            let info = Namespace::tcpdump().fields;
            let info = info.into_iter().filter(|field| field.part == Part::Info);
            Parser::new(Namespace::new("info", info.collect()))
        };
        Ok(Withheld {
            without: parser()?,
            with: parser()?.keep_info(),
        })
    }

    pub(super) fn of(&self, batch: &Batch) -> u64 {
        let count = |parser: &Parser| {
            let packets = parser.parse(batch.clone());
            let there = packets.iter().filter(|packet| packet.value(0).is_some());
            there.count() as u64
        };
        count(&self.with).saturating_sub(count(&self.without))
    }
}

impl Coverage {
    pub(super) fn new(names: &Namespace) -> Coverage {
        let column = |c: dumpstream::Column| Column {
            name: c.name,
            ..Column::default()
        };
        Coverage {
            records: 0,
            parsed: 0,
            withheld: 0,
            columns: names.columns().into_iter().map(column).collect(),
        }
    }

    pub(super) fn records(&self) -> u64 {
        self.records
    }

    pub(super) fn add(&mut self, packets: &Packets) {
        for packet in packets.iter() {
            self.records += 1;
            self.parsed += u64::from(packet.parsed());
            // Columns without a value come in the order of the namespace.
            let mut missing = packet.missing().peekable();
            for column in &mut self.columns {
                let reason = missing.next_if(|(name, _)| *name == column.name);
                let count = match reason.map(|(_, reason)| reason) {
                    None => &mut column.had,
                    Some(Missing::NoPart) => &mut column.no_part,
                    Some(Missing::Misfit) => &mut column.misfit,
                    Some(_) => &mut column.no_match,
                };
                *count += 1;
            }
        }
    }

    /// The whole table, with the totals above it.
    pub(super) fn table(&self, paint: Paint) -> String {
        let unparsed = self.records - self.parsed;
        let mut out = format!(
            "{} records: {} parsed ({}), {unparsed} without a protocol\n",
            self.records,
            self.parsed,
            percent(self.parsed, self.records)
        );
        if self.withheld > 0 {
            out.push_str(&format!(
                "{} of them with `info` withheld, because that decoder may print credentials \
                 (--keep-info)\n",
                self.withheld
            ));
        }
        let header = [
            "field",
            "records",
            "of all",
            "of its part",
            "no match",
            "misfit",
            "no part",
        ];
        let right = [false, true, true, true, true, true, true];
        let row = |c: &Column| {
            vec![
                c.name.clone(),
                c.had.to_string(),
                percent(c.had, self.records),
                percent(c.had, self.records - c.no_part),
                c.no_match.to_string(),
                c.misfit.to_string(),
                c.no_part.to_string(),
            ]
        };
        let rows: Vec<Vec<String>> = self.columns.iter().map(row).collect();
        out.push_str(&columns::table(&header, &right, &rows, paint));
        out
    }

    /// Describes what falls short of a required share.
    pub(super) fn below(&self, least: &Least) -> Option<String> {
        let (what, part, whole) = match &least.field {
            None => ("records with a protocol", self.parsed, self.records),
            Some(field) => {
                let column = self.columns.iter().find(|c| c.name == *field)?;
                (field.as_str(), column.had, self.records - column.no_part)
            }
        };
        // A field whose part does not occur in the sample has not been shown to work.
        let share = match whole {
            0 => 0.0,
            _ => part as f64 * 100.0 / whole as f64,
        };
        (share < least.percent).then(|| {
            format!(
                "{what}: {part} of {whole} ({}), required {} %",
                percent(part, whole),
                least.percent
            )
        })
    }
}

/// Formats a share; it is 100 % only if it is all, and 0 % only if it is none.
fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".to_owned();
    }
    let hundredths = (u128::from(part) * 10_000 / u128::from(whole)) as u64;
    match hundredths {
        0 if part > 0 => "<0.01 %".to_owned(),
        n => format!("{}.{:02} %", n / 100, n % 100),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares() {
        assert_eq!(percent(9_999_999, 10_000_000), "99.99 %");
        assert_eq!(percent(1, 10_000_000), "<0.01 %");
        assert_eq!(percent(3, 3), "100.00 %");
        assert_eq!(percent(0, 0), "-");
        let least: Least = "a=99.5%".parse().unwrap();
        assert_eq!((least.field.as_deref(), least.percent), (Some("a"), 99.5));
        for wrong in ["", "101", "a=x", "NaN", "-1"] {
            assert!(wrong.parse::<Least>().is_err(), "{wrong}");
        }
    }
}

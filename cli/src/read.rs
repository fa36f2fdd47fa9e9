//! `dumpstream read`: reads a time range of a cluster's table into any sink.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use clap::Args;
use dumpstream_flow::cassandra::{Range, Reader};
use dumpstream_flow::clock;
use dumpstream_flow::run::placed;
use dumpstream_flow::{SinkUrl, Summary};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use super::origins::{Zone, zone};
use super::records::Records;
use super::{Exit, Manner, Usage, amount, cql, runtime, say};

/// Read packets back from a cluster, ordered by time, into any sink
///
///     dumpstream read cassandra://10.0.0.1/pk.packets --from 2026-11-24T07:00 --to 2026-11-24T08:00
///     dumpstream read cassandra://10.0.0.1/pk.packets --from -1h --sensor gate -o sqlite:hour.db
///
/// A time is 2026-11-24 or 2026-11-24T07:30[:00.123], in the zone of --tz unless Z or an offset
/// follows. -1h means one hour ago. --from is the first instant of the range, --to the first one
/// after it. Without them everything is read.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment, allow_negative_numbers = true)]
pub(super) struct Read {
    /// Table to read: cassandra://HOST[,HOST]/KEYSPACE.TABLE
    #[arg(value_name = "URL")]
    table: String,
    /// Start of the time range [default: the first packet].
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    from: Option<String>,
    /// End of the time range, exclusive [default: the last packet, inclusive].
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    to: Option<String>,
    /// Read packets of this sensor only.
    #[arg(long, value_name = "NAME")]
    sensor: Option<String>,
    /// Where to write packets; repeatable, as for parse [default: jsonl:-].
    #[arg(short, long, value_name = "URL")]
    output: Vec<SinkUrl>,
    /// Namespace file: the fields to read [default: the built-in packet_parse.json].
    #[arg(long, value_name = "FILE")]
    namespace: Option<PathBuf>,
    /// Time zone of --from and --to: an IANA name, UTC or local [default: local].
    #[arg(long, value_name = "ZONE", value_parser = zone)]
    tz: Option<Zone>,
    /// Add where each packet came from to JSON and CSV: sensor, stream, record, time_source.
    #[arg(long)]
    origin: bool,
    /// Include payload lines, if they were stored.
    #[arg(long)]
    keep_payload: bool,
    /// Include each record's own bytes (`raw`), if they were stored.
    #[arg(long)]
    raw: bool,
}

impl Read {
    pub(super) fn run(self, manner: Manner) -> anyhow::Result<Exit> {
        runtime::block_on(self.read(manner))
    }

    async fn read(self, manner: Manner) -> anyhow::Result<Exit> {
        if !self.table.starts_with("cassandra:") {
            return Err(Usage::new(format!(
                "{} is not the URL of a cluster's table, cassandra://HOST/KEYSPACE.TABLE; for a \
                 database file run `dumpstream query -d FILE \"SELECT …\"`, for text `dumpstream \
                 parse FILE`",
                self.table
            ))
            .into());
        }
        let address = cql::address(&self.table)?;
        let zone = self.tz.unwrap_or_else(Zone::local);
        let range = range(&self.from, &self.to, self.sensor, &zone)?;
        let records = Records::of_table(self.output, self.namespace, (self.raw, self.keep_payload));
        let parser = records.parser()?;
        // Outputs are opened last: if there is nothing to read, no file is created.
        let reader = Reader::open(&address, &parser, self.raw).await?;
        let (_, report) = records.open(parser, "jsonl:-", |s| s.identity(self.origin))?;
        report.watch(manner)?;
        let mut reading = reader.read(range);
        let mut whole = false;
        let next = async || {
            let next = reading.next().await;
            whole |= matches!(next, Ok(None));
            next
        };
        let written = placed(next, &report.station).await;
        let undrained = report.station.drain().await;
        let rows = written?.records;
        let perfect = report.perfect(&Summary::default()) && undrained == 0;
        let left = report.reader_left();
        let wanted = manner.verbose > 0 || !left && (io::stderr().is_terminal() || !perfect);
        if wanted && !manner.quiet {
            let figures = format!("{rows} packets read from {address}");
            say(&report.closing(&figures, undrained));
        }
        Ok(match report.exit(undrained)? {
            Exit::Done if !whole && !left => Exit::Interrupted,
            exit => exit,
        })
    }
}

/// Parses the time range to read.
fn range(
    from: &Option<String>,
    to: &Option<String>,
    sensor: Option<String>,
    zone: &Zone,
) -> Result<Range, Usage> {
    let time = |name: &str, text: &Option<String>| -> Result<Option<i64>, Usage> {
        let Some(text) = text else { return Ok(None) };
        instant(text, &zone.tz)
            .map(Some)
            .map_err(|why| Usage::new(format!("--{name} {text}: {why}")))
    };
    let range = Range {
        from: time("from", from)?,
        to: time("to", to)?,
        sensor,
    };
    match (range.from, range.to, from, to) {
        (Some(first), Some(after), Some(from), Some(to)) if first >= after => {
            Err(Usage::new(format!(
                "the range from --from {from} to --to {to} is empty: --to must be later than --from"
            )))
        }
        _ => Ok(range),
    }
}

/// Parses a time, into nanoseconds since 1970 UTC.
fn instant(text: &str, tz: &TimeZone) -> Result<i64, String> {
    let wanted = "give 2026-11-24, 2026-11-24T07:30:00, the same with Z or +01:00, or -1h";
    if let Some(ago) = text.strip_prefix('-') {
        let ago = amount::duration(ago)?;
        // A hundred years at most.
        return Ok(clock::now() - ago.as_nanos() as i64);
    }
    let instant = if let Ok(instant) = text.parse::<Timestamp>() {
        instant
    } else {
        let civil = text
            .parse::<DateTime>()
            .or_else(|_| match text.parse::<Date>() {
                Ok(date) => Ok(date.to_datetime(jiff::civil::Time::midnight())),
                Err(_) => Err(wanted.to_owned()),
            })?;
        tz.to_timestamp(civil)
            .map_err(|_| format!("out of range; {wanted}"))?
    };
    i64::try_from(instant.as_nanosecond()).map_err(|_| format!("out of range; {wanted}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_a_length() {
        let zone = zone("UTC").unwrap();
        let range = |from: &str, to: &str| {
            let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            range(&text(from), &text(to), None, &zone)
        };
        assert!(range("2026-11-24", "2026-11-25").is_ok());
        assert!(range("-2h", "-1h").is_ok() && range("", "").is_ok());
        for (from, to) in [
            ("2026-11-25", "2026-11-24"),
            ("2026-11-24", "2026-11-24"),
            ("-1h", "-2h"),
        ] {
            let error = range(from, to).unwrap_err().to_string();
            assert!(error.contains(&format!("--to {to} is empty: ")), "{error}");
        }
        let error = range("", "yesterday").unwrap_err().to_string();
        assert!(error.starts_with("--to yesterday: give 2026"), "{error}");
    }

    #[test]
    fn times_as_people_type_them() {
        let tz = TimeZone::get("Europe/Berlin").unwrap();
        let at = |text| instant(text, &tz).unwrap();
        assert_eq!(at("2026-11-24T07:30:00Z"), 1_795_505_400_000_000_000);
        assert_eq!(at("2026-11-24T08:30"), at("2026-11-24T07:30:00Z"));
        assert_eq!(
            at("2026-11-24 08:30:00.5") - at("2026-11-24 08:30"),
            500_000_000
        );
        assert_eq!(at("2026-11-24T08:30:00+01:00"), at("2026-11-24T07:30:00Z"));
        assert_eq!(at("2026-11-24"), at("2026-11-23T23:00:00Z"));
        assert!(at("-1h") < at("-1m"));
        for wrong in ["", "yesterday", "-x", "2026-13-01", "9999-01-01"] {
            assert!(instant(wrong, &tz).is_err(), "{wrong}");
        }
    }
}

//! Parts of a large text file, read by several processes: which records each has, and their
//! ordinals and times.
//!
//! A record belongs to the range in which its first byte lies. Who reads a range begins at the
//! first line in it that begins a record, and goes on behind its end up to the next such line: the
//! same rule for both neighbours, so that every byte is read once. Ordinals and days count from the
//! beginning of the file; hence the ranges are read twice: `scan` counts, `fold` adds up, and
//! `read_range` has the packets.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use dumpstream::framing::{CutKind, Framer, Style, Tail};
use dumpstream::{Origin, Packets, Reader};
use dumpstream_flow::input::Input;
use jiff::Timestamp;
use jiff::civil::Date;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::input::{Reading, sensor_of};
use crate::os_error;
use crate::setup::Setup;
use crate::source::Raised;

/// From what the style of a file is read.
const BEGIN: u64 = 256 << 10;

/// What a range has: its number of records, the text of the first and of the last, how many days
/// lie between them, and whether their stamps have no date, or are differences.
type Scan = (u64, Vec<u8>, Vec<u8>, i64, bool, bool);

/// What must be known to read a range: the ordinal and the date of its first record.
type Start = (u64, Option<String>);

const DAY: i64 = 86_400_000_000_000;

/// A range's text.
struct Range {
    text: Box<dyn Read + Send>,
    /// The file can be read from any of its records.
    style: Option<Style>,
}

/// Opens a range of bytes. If nothing in the file says where records begin, the first range has it
/// all.
fn range(path: &Path, begin: u64, end: u64) -> io::Result<Range> {
    let mut file = BufReader::new(File::open(path)?);
    let mut first = Vec::new();
    (&mut file).take(BEGIN).read_to_end(&mut first)?;
    let style = style(&first);
    let len = file.get_ref().metadata()?.len();
    let (begin, end) = match style {
        Some(style) => (
            boundary(&mut file, begin.min(len), len, style)?,
            boundary(&mut file, end.min(len), len, style)?,
        ),
        None if begin == 0 => (0, len),
        None => (len, len),
    };
    file.seek(SeekFrom::Start(begin))?;
    let text = Box::new(file.take(end.saturating_sub(begin)));
    Ok(Range { text, style })
}

/// How the records of a text begin, if that can be told from their stamps.
fn style(first: &[u8]) -> Option<Style> {
    let mut framer = Framer::new();
    let mut at = 0;
    while let Some(cut) = framer.next(&first[at..], Tail::Open) {
        if matches!(cut.kind, CutKind::Records) {
            return Style::of(&first[at..at + cut.len]).map(|_| framer.style());
        }
        at += cut.len;
    }
    // All of a short text.
    while let Some(cut) = framer.next(&first[at..], Tail::Final) {
        if !matches!(cut.kind, CutKind::Skipped(_)) {
            return Style::of(&first[at..]).map(|_| framer.style());
        }
        at += cut.len;
    }
    None
}

/// Where the first record at or behind `at` begins.
fn boundary(file: &mut BufReader<File>, at: u64, len: u64, style: Style) -> io::Result<u64> {
    if at == 0 || at >= len {
        return Ok(at);
    }
    // The byte before says whether a line begins here.
    file.seek(SeekFrom::Start(at - 1))?;
    let mut at = at - 1 + file.skip_until(b'\n')? as u64;
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = file.read_until(b'\n', &mut line)? as u64;
        if read == 0 || style.begins(&line) {
            return Ok(at);
        }
        at += read;
    }
}

fn reader(setup: &Setup, range: Range, origin: Origin) -> Reader<Box<dyn Read + Send>> {
    Reader::new(range.text)
        .parser(setup.parser.clone())
        .max_record(setup.max_record)
        .origin(origin)
}

/// Whether a file can be read from any of its records: it is plain text with time stamps.
#[pyfunction]
pub(crate) fn divisible(py: Python<'_>, path: PathBuf) -> PyResult<bool> {
    let look = || -> io::Result<bool> {
        let input = Input::open(&path, |file, _| Box::new(file))?;
        Ok(!input.is_packed() && !input.is_capture() && range(&path, 0, 0)?.style.is_some())
    };
    py.detach(look)
        .map_err(|error| os_error(&error, Some(&path.display().to_string())))
}

/// Counts what a range has.
#[pyfunction]
pub(crate) fn scan(
    py: Python<'_>,
    setup: &Setup,
    path: PathBuf,
    begin: u64,
    end: u64,
) -> PyResult<Scan> {
    py.detach(|| {
        let failed = |error: io::Error| os_error(&error, Some(&path.display().to_string()));
        let range = range(&path, begin, end).map_err(failed)?;
        // In UTC no day is longer than another.
        let epoch = jiff::civil::date(2000, 1, 2);
        let origin = Origin::new("").stream("").date(epoch);
        let (mut records, mut undated) = (0, false);
        let (mut first, mut last) = ((Vec::new(), 0), (Vec::new(), 0));
        let mut differences = range.style.is_none();
        for packets in reader(setup, range, origin) {
            let packets = packets.map_err(|error| PyValueError::new_err(error.to_string()))?;
            let Some(index) = packets.len().checked_sub(1) else {
                continue;
            };
            let of = |index| {
                let packet = packets.packet(index);
                (packet.raw().to_vec(), packet.time())
            };
            if records == 0 {
                first = of(0);
            }
            last = of(index);
            records += packets.len() as u64;
            undated |= packets
                .iter()
                .any(|packet| packet.time_source().is_undated());
            // The time of such a record is that of the one before, or counts from it.
            differences |= packets.packet(0).time() < DAY;
        }
        let days = last.1.div_euclid(DAY) - first.1.div_euclid(DAY);
        Ok((records, first.0, last.0, days, undated, differences))
    })
}

/// The stream of a file, and how each of its ranges starts; an empty list: the file must be read as
/// a whole, because its stamps are differences or there are none.
#[pyfunction]
pub(crate) fn fold(
    py: Python<'_>,
    setup: &Setup,
    path: PathBuf,
    scans: Vec<Scan>,
) -> PyResult<(String, Vec<Start>)> {
    py.detach(|| {
        let sensor = sensor_of(&path);
        let about = std::fs::metadata(&path);
        let about = about.map_err(|e| os_error(&e, Some(&path.display().to_string())))?;
        let origin = setup.origin(&sensor);
        let modified = about.modified().ok();
        let modified = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let origin = match modified {
            Some(since) => origin.modified(since.as_nanos() as i64),
            None => origin,
        };
        let mut stream = String::new();
        let mut starts = Vec::new();
        let mut record = 1;
        // The last record before, and its date.
        let mut before: Option<(&[u8], Date)> = None;
        for (records, first, last, days, undated, differences) in &scans {
            if *differences && scans.len() > 1 {
                return Ok((stream, Vec::new()));
            }
            if *records == 0 {
                starts.push((record, None));
                continue;
            }
            let date = match before {
                None => {
                    let packets = placed(setup, &[first], origin.clone());
                    stream = packets.stream().to_owned();
                    date_of(setup, &packets, 0)
                }
                Some((text, date)) => {
                    let origin = setup.origin(&sensor).stream("").date(date);
                    date_of(setup, &placed(setup, &[text, first], origin), 1)
                }
            };
            starts.push((record, undated.then(|| date.to_string())));
            record += records;
            let span = jiff::Span::new().days(*days);
            before = Some((last, date.saturating_add(span)));
        }
        Ok((stream, starts))
    })
}

/// Records behind each other, parsed and placed.
fn placed(setup: &Setup, records: &[&[u8]], origin: Origin) -> Packets {
    let text = records.concat();
    let mut reader = Reader::new(&text[..])
        .parser(setup.parser.clone())
        .max_record(setup.max_record)
        .origin(origin);
    let packets = reader.next().expect("a record that was read before");
    packets.expect("memory can be read")
}

fn date_of(setup: &Setup, packets: &Packets, index: usize) -> Date {
    let time = packets.packet(index.min(packets.len() - 1)).time();
    let time = Timestamp::from_nanosecond(time.into()).unwrap_or_default();
    setup.zone().to_datetime(time).date()
}

/// Reads a range, as [`fold`] says that it starts.
#[pyfunction]
#[pyo3(signature = (setup, path, begin, end, *, stream, record, date, rows))]
#[allow(clippy::too_many_arguments, reason = "a range and its start")]
pub(crate) fn read_range(
    py: Python<'_>,
    setup: &Setup,
    path: PathBuf,
    begin: u64,
    end: u64,
    stream: String,
    record: u64,
    date: Option<&str>,
    rows: usize,
) -> PyResult<Reading> {
    let name = path.display().to_string();
    let opened = py.detach(|| range(&path, begin, end));
    let range = opened.map_err(|error| os_error(&error, Some(&name)))?;
    let origin = setup
        .origin(&sensor_of(&path))
        .stream(stream)
        .record(record);
    let origin = match date {
        Some(date) => {
            let date: Result<Date, _> = date.parse();
            origin.date(date.map_err(|e: jiff::Error| PyValueError::new_err(e.to_string()))?)
        }
        None => origin,
    };
    let reader = reader(setup, range, origin);
    Ok(Reading::new(reader, setup, rows, name, Raised::default()))
}

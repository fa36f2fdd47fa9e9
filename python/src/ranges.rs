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

use dumpstream::framing::{Batches, CutKind, Framer, Style, Tail, complete};
use dumpstream::{AsciiGuard, Origin, Packet, Packets, ReadError, Reader, TimeSource};
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

/// How much of the text before a line says whether it is the rest of a record, in bytes: more than
/// [`complete`] looks at.
const BEFORE: u64 = 4 << 10;

/// What a range has: its number of records; the text of the first and of the last one with a time, and
/// how many days lie between them; and whether the file must be read as a whole: stamps are
/// differences, or it may be the text of `-A`, which is told from the beginning of a file.
type Scan = (u64, Vec<u8>, Vec<u8>, i64, bool);

/// What must be known to read a range: the ordinal of its first record, and the last one before it
/// with a time, and its date. `None`: a clock that was put back has the time of that record twice, so
/// that only those before it say which is meant, and the range before must be read on.
type Start = Option<(u64, Option<(Vec<u8>, String)>)>;

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

/// Where the first record at or behind `at` begins. A packet can print a line that looks like a
/// record's; as the framer does, this passes over one that stands in text that is not complete. It may
/// pass over others, too: what matters is that a record begins here, and that both neighbours agree.
fn boundary(file: &mut BufReader<File>, at: u64, len: u64, style: Style) -> io::Result<u64> {
    if at == 0 || at >= len {
        return Ok(at);
    }
    let from = at.saturating_sub(BEFORE);
    file.seek(SeekFrom::Start(from))?;
    let mut before = Vec::new();
    file.take(at - from).read_to_end(&mut before)?;
    let mut at = at;
    if !before.ends_with(b"\n") {
        at += to_line_end(file, &mut before)?;
    }
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = file.take(BEFORE).read_until(b'\n', &mut line)? as u64;
        if read == 0 || style.begins(&line) && complete(&before) {
            return Ok(at);
        }
        before.extend_from_slice(&line);
        at += read;
        if !line.ends_with(b"\n") {
            at += to_line_end(file, &mut before)?;
        }
        shorten(&mut before);
    }
}

/// Reads up to the end of the line, however long it is; keeps its last bytes. Returns its length.
fn to_line_end(file: &mut BufReader<File>, before: &mut Vec<u8>) -> io::Result<u64> {
    let mut len = 0;
    loop {
        let read = file.take(BEFORE).read_until(b'\n', before)? as u64;
        len += read;
        shorten(before);
        if read == 0 || before.ends_with(b"\n") {
            return Ok(len);
        }
    }
}

fn shorten(before: &mut Vec<u8>) {
    before.drain(..before.len().saturating_sub(BEFORE as usize));
}

fn reader(
    setup: &Setup,
    text: Box<dyn Read + Send>,
    origin: Origin,
) -> Reader<Box<dyn Read + Send>> {
    Reader::new(text)
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
        let mut origin = Origin::new("").stream("").date(epoch);
        let mut guard = AsciiGuard::new();
        let mut records = 0;
        let mut ends: Option<[(Vec<u8>, i64); 2]> = None;
        let whole = || Ok((0, Vec::new(), Vec::new(), 0, true));
        for batch in Batches::new(range.text).max_record(setup.max_record) {
            let mut packets = setup.parser.parse(batch.map_err(failed)?);
            if guard.check(&packets) {
                return match begin {
                    0 => Err(PyValueError::new_err(ReadError::AsciiText.to_string())),
                    _ => whole(),
                };
            }
            origin.place(&mut packets);
            records += packets.len() as u64;
            let timed = |packet: &Packet<'_>| {
                let source = packet.time_source();
                !matches!(source, TimeSource::Previous | TimeSource::Arrival)
            };
            let of = |packet: Packet<'_>| (packet.raw().to_vec(), packet.time());
            let mut backwards = (0..packets.len()).rev().map(|index| packets.packet(index));
            if let (Some(first), Some(last)) = (packets.iter().find(timed), backwards.find(timed)) {
                match &mut ends {
                    Some([_, end]) => *end = of(last),
                    none => *none = Some([of(first), of(last)]),
                }
            }
        }
        if guard.finish() {
            return whole();
        }
        // Which kind they are was guessed, or said.
        let differences = range.style.is_none() || origin.has_guessed() || setup.has_differences();
        let [first, last] = ends.unwrap_or_default();
        let days = last.1.div_euclid(DAY) - first.1.div_euclid(DAY);
        Ok((records, first.0, last.0, days, differences))
    })
}

/// The stream of a file, and how each of its ranges starts; an empty list: the file must be read as
/// a whole.
#[pyfunction]
pub(crate) fn fold(
    py: Python<'_>,
    setup: &Setup,
    path: PathBuf,
    scans: Vec<Scan>,
) -> PyResult<(String, Vec<Start>)> {
    py.detach(|| {
        let failed = |error: io::Error| os_error(&error, Some(&path.display().to_string()));
        let sensor = sensor_of(&path);
        let origin = changed(&path, setup.origin(&sensor)).map_err(failed)?;
        let dated = |date| setup.origin(&sensor).stream("").date(date);
        let stream = match scans.iter().any(|scan| scan.0 > 0) {
            true => first_of(setup, &path, origin.clone())?.stream().to_owned(),
            false => String::new(),
        };
        let mut starts = Vec::new();
        let mut record = 1;
        // The last record before, and its date.
        let mut before: Option<(&[u8], Date)> = None;
        for (records, first, last, days, whole) in &scans {
            if *whole {
                return Ok((stream, Vec::new()));
            }
            let twice = before.is_some_and(|(text, date)| {
                let (_, last) = placed(setup, &[text], dated(date));
                last.is_some_and(|(_, source)| is_ambiguous(source))
            });
            let known = before.map(|(text, date)| (text.to_vec(), date.to_string()));
            starts.push((!twice).then_some((record, known)));
            record += records;
            if first.is_empty() {
                continue;
            }
            let date = match before {
                None => date_of(setup, &[first], origin.clone()),
                Some((text, date)) => date_of(setup, &[text, first], dated(date)),
            };
            // A stamp with its month says by itself how many days have passed; those of another
            // year may be more or fewer.
            let months = first
                .trim_ascii_start()
                .first()
                .is_some_and(u8::is_ascii_alphabetic);
            let date = match months {
                true => date_of(setup, &[first, last], dated(date)),
                false => date.saturating_add(jiff::Span::new().days(*days)),
            };
            before = Some((last, date));
        }
        Ok((stream, starts))
    })
}

/// The first packets of a file.
fn first_of(setup: &Setup, path: &Path, origin: Origin) -> PyResult<Packets> {
    let named = |what: &str| PyValueError::new_err(format!("{}: {what}", path.display()));
    let range = range(path, 0, u64::MAX);
    let range = range.map_err(|error| os_error(&error, Some(&path.display().to_string())))?;
    match reader(setup, range.text, origin).next() {
        Some(Ok(packets)) => Ok(packets),
        Some(Err(error)) => Err(named(&error.to_string())),
        None => Err(named("it has changed")),
    }
}

/// What is known of a file: when it was last written.
fn changed(path: &Path, origin: Origin) -> io::Result<Origin> {
    let modified = std::fs::metadata(path)?.modified().ok();
    let since = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let since = since.and_then(|since| i64::try_from(since.as_nanos()).ok());
    Ok(match since {
        Some(since) => origin.modified(since),
        None => origin,
    })
}

/// The date of the last of these records, when they follow one another.
fn date_of(setup: &Setup, records: &[&[u8]], origin: Origin) -> Date {
    let (_, last) = placed(setup, records, origin);
    let time = last.map_or(0, |(time, _)| time);
    let time = Timestamp::from_nanosecond(time.into()).unwrap_or_default();
    setup.zone().to_datetime(time).date()
}

/// The origin once it has placed these records, and the time of the last one.
fn placed(
    setup: &Setup,
    records: &[&[u8]],
    mut origin: Origin,
) -> (Origin, Option<(i64, TimeSource)>) {
    let mut last = None;
    for batch in Batches::new(records.concat().as_slice()).max_record(setup.max_record) {
        let mut packets = setup.parser.parse(batch.expect("memory can be read"));
        origin.place(&mut packets);
        let packet = packets.iter().next_back();
        last = packet.map(|packet| (packet.time(), packet.time_source()));
    }
    (origin, last)
}

fn is_ambiguous(source: TimeSource) -> bool {
    matches!(
        source,
        TimeSource::PacketAmbiguous | TimeSource::DateAmbiguous
    )
}

/// Reads a range, as [`fold`] says that it starts.
#[pyfunction]
#[pyo3(signature = (setup, path, begin, end, *, stream, record, before, rows))]
#[allow(clippy::too_many_arguments, reason = "a range and its start")]
pub(crate) fn read_range(
    py: Python<'_>,
    setup: &Setup,
    path: PathBuf,
    begin: u64,
    end: u64,
    stream: String,
    record: u64,
    before: Option<(Vec<u8>, String)>,
    rows: usize,
) -> PyResult<Reading> {
    let name = path.display().to_string();
    let failed = |error: io::Error| os_error(&error, Some(&name));
    let range = py.detach(|| range(&path, begin, end)).map_err(failed)?;
    let origin = setup.origin(&sensor_of(&path)).stream(stream);
    let origin = match before {
        // Its time is what the first ones here go on from.
        Some((text, date)) => {
            let date: Result<Date, _> = date.parse();
            let date = date.map_err(|e: jiff::Error| PyValueError::new_err(e.to_string()))?;
            placed(setup, &[&text], origin.date(date).record(record - 1)).0
        }
        None => changed(&path, origin.record(record)).map_err(failed)?,
    };
    let reader = reader(setup, range.text, origin);
    Ok(Reading::new(reader, setup, rows, name, Raised::default()))
}

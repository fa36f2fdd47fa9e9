//! `parquet:DIR`: folders of hours with Parquet files, which DuckDB, Spark and pyarrow read as one
//! table.
//!
//! A Parquet file is worth nothing without its end, and its end comes last. So every row goes to a
//! spool first, and counts as written there: a file that a crash can cut only at its end. The Parquet
//! files grow beside it under hidden names. At a turn they are completed, synced and renamed, and
//! then the spool goes. After a crash the next run makes the same files from the spool, under the
//! same names: no row is missing, and none is there twice.

mod files;
mod folder;
mod spool;

use std::path::PathBuf;

use self::folder::Folder;
use super::SinkError;
use super::file::{FileSink, Rotation, syncs};
use super::parts::UrlParts;
use super::patience::Abandoned;
use super::scheme::Opening;
use crate::amount;

/// How URLs of it are written.
pub(super) const FORM: &str = "parquet:DIR";

/// The parameters that they may have.
pub(super) const PARAMETERS: &[&str] = &[
    "rotate=TIME|SIZE",
    "rotate_size=SIZE",
    "spool=SIZE",
    "sync=full",
];

/// Reads a URL.
pub(super) fn read(url: &UrlParts) -> Result<Opening, SinkError> {
    let place = url.place().to_owned();
    if place.is_empty() || place == "-" {
        return Err(url.malformed("it needs the name of a directory after the colon"));
    }
    let rotation = Rotation::read(url)?.unwrap_or(folder::ROTATION);
    let size = |text: &str| {
        amount::size(text)
            .ok()
            .filter(|size| *size >= folder::SMALLEST_SPOOL)
    };
    let spool = url.value("spool", "a size such as 2GiB (at least 1M)", size)?;
    let spool = spool.unwrap_or(folder::SPOOL) as u64;
    let syncs = syncs(url)?;
    let (text, path) = (url.text().to_owned(), PathBuf::from(place));
    let opening = Opening::new(move |context| {
        let abandoned = Abandoned::default();
        let folder = Folder::open(&text, &path, (rotation, spool, syncs), context, &abandoned)?;
        let course = folder.course();
        let sink = FileSink::of(&text, folder, course, abandoned, &context.hangup)?;
        Ok(Box::new(sink))
    });
    Ok(opening)
}

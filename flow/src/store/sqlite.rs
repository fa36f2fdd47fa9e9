//! Packets in an SQLite database, which other programs can read while it is written.
//!
//! The table `packet` has the key (time, stream, record), so a range of time is a range of the key,
//! and rows of a live capture go to its right edge; no other index costs time. A ledger, rather
//! than a search, tells which records of a stream are stored: a record that comes again with
//! another time is still the same record.

mod contents;
mod database;
mod failure;
mod family;
mod held;
mod ledger;
mod open;
mod query;
mod rows;
mod schema;
mod sink;
mod stream;
mod turn;

pub use self::query::{Database, Interrupt, QueryError};
pub use self::schema::schema;
use self::sink::Sqlite;
use crate::sink::SinkError;
use crate::sink::file::{self, Rotation};
use crate::sink::parts::UrlParts;
use crate::sink::scheme::Opening;

/// Reads a URL `sqlite:FILE`.
pub(crate) fn read(url: &UrlParts) -> Result<Opening, SinkError> {
    let (text, place) = (url.text().to_owned(), url.place().to_owned());
    if place.is_empty() {
        return Err(url.malformed("it needs a file's name after the colon"));
    }
    let rotation = Rotation::read(url)?;
    let syncs = file::syncs(url)?;
    let opening = Opening::new({
        let place = place.clone();
        move |context| {
            Ok(Box::new(Sqlite::open(
                &text, &place, rotation, syncs, context,
            )?))
        }
    });
    Ok(opening.file(place))
}

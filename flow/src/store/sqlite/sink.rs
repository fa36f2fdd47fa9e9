//! The sink: a thread that owns the database.

use std::path::PathBuf;
use std::time::Duration;

use dumpstream::Packets;
use tokio::time::Instant;

use super::database::Database;
use crate::rejects::Rejects;
use crate::sink::context::SinkContext;
use crate::sink::file::Rotation;
use crate::sink::patience::Abandoned;
use crate::sink::writer::{Course, Writer};
use crate::sink::{BoxFuture, Sink, SinkError, Written};

/// The minimum time between the starts of two transactions: a commit costs milliseconds, and a
/// quarter of a second still feels immediate.
const LINGER: Duration = Duration::from_millis(250);

/// The sink of a URL `sqlite:FILE`.
#[derive(Debug)]
pub(super) struct Sqlite {
    writer: Writer,
    course: Course,
    rejects: Rejects,
}

impl Sqlite {
    /// Opens the file, and creates or extends its tables.
    pub(super) fn open(
        url: &str,
        place: &str,
        rotation: Option<Rotation>,
        syncs: bool,
        context: &SinkContext,
    ) -> Result<Sqlite, SinkError> {
        let abandoned = Abandoned::default();
        let path = PathBuf::from(place);
        let database = Database::open(url, path, (rotation, syncs), context, &abandoned)?;
        let course = database.course();
        let writer = Writer::spawn(url, abandoned, database)?;
        writer.reopens(&context.hangup);
        Ok(Sqlite {
            writer,
            course,
            rejects: context.rejects.clone(),
        })
    }
}

impl Sink for Sqlite {
    fn write<'a>(&'a self, rows: &'a [Packets]) -> BoxFuture<'a, Result<Written, SinkError>> {
        // The thread is idle: there is one write at a time.
        self.course.begin();
        Box::pin(self.writer.write(rows))
    }

    fn close<'a>(&'a self) -> BoxFuture<'a, Result<(), SinkError>> {
        Box::pin(self.writer.close())
    }

    fn give_up(&self) -> u64 {
        self.writer.abandon();
        self.course.rows()
    }

    fn keeps_rejected(&self) -> BoxFuture<'_, bool> {
        Box::pin(self.rejects.complete())
    }

    fn compares(&self) -> bool {
        true
    }

    fn moved(&self) -> Option<Instant> {
        self.course.moved()
    }

    fn linger(&self) -> Duration {
        LINGER
    }
}

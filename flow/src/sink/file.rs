//! A sink that writes files of any format: one stream, one file, or rotated files.

use dumpstream::{Packet, Packets};
use tokio::time::Instant;

use self::files::Files;
#[cfg(feature = "sqlite")]
pub(crate) use self::name::Name;
use self::output::Output;
pub(crate) use self::rotation::Rotation;
use super::context::SinkContext;
use super::hangup::Hangup;
use super::parts::UrlParts;
use super::patience::Abandoned;
use super::scheme::Opening;
use super::writer::{Course, Store, Writer};
use super::{BoxFuture, Sink, SinkError, Written};
use crate::place::RowEnd;

mod files;
mod name;
pub(crate) mod output;
mod rotated;
mod rotation;

/// The parameters of a sink that writes files.
pub(crate) const PARAMETERS: &[&str] = &["rotate=TIME|SIZE", "rotate_size=SIZE", "sync=full"];

/// Whether rows are on the disk, not only with the system, before they count as written
/// (`sync=full`).
pub(crate) fn syncs(url: &UrlParts) -> Result<bool, SinkError> {
    let full = |value: &str| (value == "full").then_some(());
    Ok(url.value("sync", "full", full)?.is_some())
}

/// The format of a file: a beginning, rows, an end.
pub(crate) trait Format: Send + 'static {
    /// How rows end, if they may be appended to an existing file: a row that a crash has cut is
    /// ended, so that the next row stands alone. `None`: a file is complete once it is finished, and
    /// nothing is appended to it.
    const ROW_END: Option<RowEnd>;

    /// The output that is not yet written; whoever writes it clears it.
    fn made(&mut self) -> &mut Vec<u8>;
    /// Makes the beginning of a file.
    fn begin(&mut self) {}
    /// Makes one row.
    fn row(&mut self, packet: Packet<'_>);
    /// Makes the end of a file.
    fn finish(&mut self) {}
}

/// Parses a URL of a sink that writes files; `format` makes their content.
pub(super) fn read<F: Format>(
    url: &UrlParts,
    format: impl Fn(&SinkContext) -> F + Send + Sync + 'static,
) -> Result<Opening, SinkError> {
    let (text, place) = (url.text().to_owned(), url.place().to_owned());
    let stdout = place == "-";
    if place.is_empty() {
        return Err(url.malformed("it needs a file name after the colon"));
    }
    let rotation = Rotation::read(url)?;
    if rotation.is_some() && stdout {
        return Err(url.malformed("standard output cannot be rotated; name a file"));
    }
    let syncs = syncs(url)?;
    if syncs && stdout {
        return Err(url.malformed("sync=full is for files; name a file"));
    }
    let file = place.clone();
    let opening = Opening::new(move |context| {
        let out = Output::open(&text, &place, rotation, F::ROW_END)?.syncing(syncs);
        let sink = FileSink::new(&text, out, format(context), &context.hangup)?;
        Ok(Box::new(sink))
    });
    Ok(match stdout {
        true => opening.stdout(),
        false => opening.file(file),
    })
}

/// The sink; its thread writes what the format makes.
#[derive(Debug)]
pub(crate) struct FileSink {
    writer: Writer,
    course: Course,
}

impl FileSink {
    pub(crate) fn new(
        url: &str,
        out: Output,
        format: impl Format,
        hangup: &Hangup,
    ) -> Result<FileSink, SinkError> {
        let abandoned = Abandoned::default();
        let files = Files::new(url, out, format, &abandoned)?;
        let course = files.course();
        FileSink::of(url, files, course, abandoned, hangup)
    }

    /// One that a store of its own writes, which says in `course` how far it has come.
    pub(crate) fn of(
        url: &str,
        store: impl Store,
        course: Course,
        abandoned: Abandoned,
        hangup: &Hangup,
    ) -> Result<FileSink, SinkError> {
        let writer = Writer::spawn(url, abandoned, store)?;
        writer.reopens(hangup);
        Ok(FileSink { writer, course })
    }
}

impl Sink for FileSink {
    fn write<'a>(&'a self, rows: &'a [Packets]) -> BoxFuture<'a, Result<Written, SinkError>> {
        // The thread is idle: there is one write at a time.
        self.course.begin();
        Box::pin(self.writer.write(rows))
    }

    fn give_up(&self) -> u64 {
        self.writer.abandon();
        self.course.rows()
    }

    fn moved(&self) -> Option<Instant> {
        self.course.moved()
    }

    fn close<'a>(&'a self) -> BoxFuture<'a, Result<(), SinkError>> {
        Box::pin(self.writer.close())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use dumpstream::framing::{Batch, Framer, Tail};
    use dumpstream::{Namespace, Origin, Parser};

    /// Files of which each has a beginning and an end, and no lines.
    #[derive(Default)]
    struct Framed(Vec<u8>);

    impl Format for Framed {
        const ROW_END: Option<RowEnd> = None;

        fn made(&mut self) -> &mut Vec<u8> {
            &mut self.0
        }

        fn begin(&mut self) {
            self.0.push(b'[');
        }

        fn row(&mut self, packet: Packet<'_>) {
            self.0.extend_from_slice(&[b'r'; 400]);
            self.0.extend_from_slice(&packet.record().to_be_bytes());
        }

        fn finish(&mut self) {
            self.0.push(b']');
        }
    }

    fn packets(rows: usize) -> Packets {
        let text = "1700000000.000001 IP 10.0.0.1.53 > 10.0.0.2.9: 1 A? a. (27)\n".repeat(rows);
        let mut framer = Framer::new();
        framer.next_batch(text.as_bytes(), Tail::Final).unwrap();
        let batch = Batch::new(text.into_bytes(), framer.style());
        let mut packets = Parser::new(Namespace::tcpdump()).unwrap().parse(batch);
        Origin::new("s").stream("x").place(&mut packets);
        packets
    }

    fn open(url: &str) -> Result<Box<dyn Sink>, SinkError> {
        let parts = UrlParts::read(url, PARAMETERS, None)?;
        read(&parts, |_| Framed::default())?.open(&SinkContext::default())
    }

    fn files(folder: &Path) -> Vec<Vec<u8>> {
        let entries = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
        let mut names: Vec<_> = entries.collect();
        names.sort();
        names.iter().map(|name| fs::read(name).unwrap()).collect()
    }

    #[tokio::test]
    async fn every_file_of_a_rotation_is_begun_and_finished() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("framed:{}/out.bin?rotate=1K", folder.path().display());
        let sink = open(&url).unwrap();
        let written = sink.write(&[packets(5)]).await.unwrap();
        assert_eq!(written.delivered, 5);
        sink.close().await.unwrap();
        let files = files(folder.path());
        // Two rows of 408 bytes have room in a KiB.
        let lengths: Vec<usize> = files.iter().map(Vec::len).collect();
        assert_eq!(lengths, [818, 818, 410]);
        assert!(
            files
                .iter()
                .all(|f| f.starts_with(b"[r") && f.ends_with(b"]"))
        );
    }

    #[tokio::test]
    async fn a_file_that_is_finished_is_not_added_to() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("framed:{}/out.bin", folder.path().display());
        let sink = open(&url).unwrap();
        sink.write(&[packets(1)]).await.unwrap();
        sink.close().await.unwrap();
        assert_eq!(files(folder.path())[0].len(), 410);
        let again = open(&url).map(drop).unwrap_err().to_string();
        assert!(again.contains("name another file"), "{again}");
        assert_eq!(files(folder.path())[0].len(), 410);
    }

    #[tokio::test]
    async fn a_run_that_is_given_up_finishes_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("framed:{}/out.bin", folder.path().display());
        let sink = open(&url).unwrap();
        sink.write(&[packets(2)]).await.unwrap();
        assert_eq!(sink.give_up(), 2);
        sink.close().await.unwrap();
        assert!(files(folder.path())[0].ends_with(b"]"));
    }
}

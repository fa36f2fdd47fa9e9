//! A sink that writes files of any format: one stream, one file, or rotated files.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use dumpstream::{Packet, Packets};

pub(crate) use self::name::Name;
pub(crate) use self::output::Output;
pub(crate) use self::rotation::Rotation;
use super::context::SinkContext;
use super::hangup::Hangup;
use super::parts::UrlParts;
use super::patience::Abandoned;
use super::scheme::Opening;
use super::writer::{Store, Writer};
use super::{BoxFuture, Sink, SinkError, Written};

mod name;
mod output;
mod rotated;
mod rotation;

/// The parameters of a sink that writes files.
pub(crate) const PARAMETERS: &[&str] = &["rotate=TIME|SIZE", "rotate_size=SIZE"];

/// How many bytes are collected before they are written: few system calls, and bounded memory.
const CHUNK: usize = 256 << 10;

/// The format of a file: a beginning, rows, an end.
pub(crate) trait Format: Send + 'static {
    /// The last byte of every row, if rows may be appended to an existing file: a row that a crash
    /// has cut is ended with it, so that the next row stands alone. `None`: a file is complete once
    /// it is finished, and nothing is appended to it.
    const ROW_END: Option<u8>;

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
    let file = place.clone();
    let opening = Opening::new(move |context| {
        let out = Output::open(&text, &place, rotation, F::ROW_END)?;
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
    written: Arc<AtomicU64>,
}

impl FileSink {
    pub(crate) fn new(
        url: &str,
        out: Output,
        format: impl Format,
        hangup: &Hangup,
    ) -> Result<FileSink, SinkError> {
        let abandoned = Abandoned::default();
        let written = Arc::new(AtomicU64::new(0));
        let mut files = Files {
            out,
            format,
            rows: 0,
            ends: Vec::new(),
            written: Arc::clone(&written),
            abandoned: abandoned.clone(),
        };
        files.format.begin();
        files.out.continues(files.format.made())?;
        files.begin();
        let writer = Writer::spawn(url, abandoned, files)?;
        writer.reopens(hangup);
        Ok(FileSink { writer, written })
    }
}

impl Sink for FileSink {
    fn write<'a>(&'a self, rows: &'a [Packets]) -> BoxFuture<'a, Result<Written, SinkError>> {
        // The thread is idle: there is one write at a time.
        self.written.store(0, Relaxed);
        Box::pin(self.writer.write(rows))
    }

    fn give_up(&self) -> u64 {
        self.writer.abandon();
        self.written.load(Relaxed)
    }

    fn close<'a>(&'a self) -> BoxFuture<'a, Result<(), SinkError>> {
        Box::pin(self.writer.close())
    }
}

struct Files<F> {
    out: Output,
    format: F,
    /// Rows of the current file, including those not yet written.
    rows: u64,
    /// Where each row ends that is not yet written.
    ends: Vec<usize>,
    /// Rows of the current write that are written.
    written: Arc<AtomicU64>,
    abandoned: Abandoned,
}

impl<F: Format> Files<F> {
    /// The beginning of a file.
    fn begin(&mut self) {
        self.rows = 0;
        self.format.made().clear();
        self.ends.clear();
        if self.out.is_new() {
            self.format.begin();
        }
    }

    /// Writes what was made, whole rows at a time; not everything if the write was given up.
    fn put(&mut self) -> Result<(), SinkError> {
        let text = self.format.made();
        let (mut start, mut row) = (0, 0);
        while start < text.len() && !self.abandoned.get() {
            let first = row;
            let mut end = start;
            while let Some(next) = self.ends.get(row) {
                if row > first && next - start > self.out.piece() {
                    break;
                }
                end = *next;
                row += 1;
            }
            if row == first {
                // Only the beginning of the file.
                end = text.len();
            }
            if let Err((bytes, error)) = self.out.write(&text[start..end]) {
                // Rows that are written count, though the write as a whole failed.
                let ends = self.ends[first..row].iter().map(|end| end - start);
                let whole: Vec<usize> = ends.take_while(|end| *end <= bytes).collect();
                let last = whole.last().copied().unwrap_or(0);
                self.written.fetch_add(whole.len() as u64, Relaxed);
                self.out.take_back(bytes - last);
                return Err(error);
            }
            self.written.fetch_add((row - first) as u64, Relaxed);
            start = end;
        }
        text.clear();
        self.ends.clear();
        Ok(())
    }

    /// Finishes a file: writes what is left, and the end of the format, even if the write was given
    /// up. A file without content stays empty.
    fn finish(&mut self) -> Result<(), SinkError> {
        self.put()?;
        if self.out.is_new() {
            return Ok(());
        }
        self.format.finish();
        let end = self.format.made();
        if !end.is_empty() {
            self.out.write(end).map_err(|(_, error)| error)?;
            end.clear();
        }
        Ok(())
    }

    fn turn(&mut self) -> Result<(), SinkError> {
        self.finish()?;
        self.out.turn()?;
        self.begin();
        Ok(())
    }

    /// Writes a row to this file, or to the next one if it does not fit.
    fn row(&mut self, packet: Packet<'_>) -> Result<(), SinkError> {
        let start = self.format.made().len();
        self.format.row(packet);
        let length = self.format.made().len();
        if self.rows > 0 && !self.out.fits(length) {
            let row = self.format.made().split_off(start);
            self.turn()?;
            self.format.made().extend_from_slice(&row);
        }
        self.rows += 1;
        let end = self.format.made().len();
        self.ends.push(end);
        if end >= CHUNK {
            self.put()?;
        }
        Ok(())
    }
}

impl<F: Format> Store for Files<F> {
    fn write(&mut self, rows: &[Packets]) -> Result<Written, SinkError> {
        self.tick()?;
        let given: u64 = rows.iter().map(|r| r.len() as u64).sum();
        for packet in rows.iter().flat_map(Packets::iter) {
            if self.abandoned.get() {
                break;
            }
            self.row(packet)?;
        }
        if self.rows > 0 || !self.out.discards_empty() {
            self.put()?;
        }
        self.out.flush()?;
        let delivered = self.written.load(Relaxed);
        Ok(Written {
            delivered,
            dropped: given - delivered,
            ..Written::default()
        })
    }

    fn due(&self) -> Option<Instant> {
        self.out.due()
    }

    fn tick(&mut self) -> Result<(), SinkError> {
        match self.out.due() {
            Some(due) if due <= Instant::now() => match self.rows {
                0 => self.out.stay(),
                _ => self.turn()?,
            },
            _ => {}
        }
        Ok(())
    }

    fn reopen(&mut self) -> Result<(), SinkError> {
        if self.out.discards_empty() {
            return match self.rows {
                0 => Ok(()),
                _ => self.turn(),
            };
        }
        self.finish()?;
        self.out.flush()?;
        self.out.reopen(F::ROW_END)?;
        self.begin();
        Ok(())
    }

    fn close(mut self) -> Result<(), SinkError> {
        if self.rows > 0 || !self.out.discards_empty() {
            self.finish()?;
        }
        self.out.flush()?;
        self.out.close(self.rows > 0)
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
        const ROW_END: Option<u8> = None;

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

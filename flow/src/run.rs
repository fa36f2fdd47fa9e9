//! One input to all lanes: read, decode, parse, place, send, and the closing summary.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::{BufMut, BytesMut};
use dumpstream::framing::{Batch, Skipped};
use dumpstream::{AsciiGuard, Origin, Packets};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;
use tokio_util::codec::Decoder;
use tracing::warn;

pub use self::again::again;
pub use self::error::Error;
pub use self::relay::relay;
pub use self::source::Source;
use self::watch::Watch;
use crate::codec::BatchCodec;
use crate::station::{Numbering, Station};
use crate::summary::Summary;

mod again;
mod error;
mod relay;
mod source;
mod watch;

/// The room for the first read of an input: most senders of many are slow, and memory grows with
/// each.
const FIRST_ROOM: usize = 16 << 10;

/// The room for a read of an input that fills it each time: past this, parsing gains nothing, and
/// one batch keeps the others of a busy receiver waiting.
const MOST_ROOM: usize = 256 << 10;

/// Bytes of text that are held back at most while the stream looks like that of `tcpdump -A`: the
/// guard needs eight IP packets to tell, and other records may stand between them.
const MOST_HELD: u64 = 1 << 20;

/// Reads an input to its end, and hands every record to every lane.
///
/// While a lane makes it wait nothing is read, so that the sender's TCP window closes and what is
/// in memory is bounded: one read, and one record. The source is dropped once its last record is
/// in the lanes.
///
/// [`Station::stop`] ends it as the input's own end would: the last record, then the summary.
///
/// # Errors
/// [`Error::Read`] if reading fails, [`Error::AsciiText`] for text of `tcpdump -A`,
/// [`Error::Identity`] if the figures do not add up. Bad text is no error: it is counted.
pub async fn run<R: AsyncRead + Unpin>(
    source: Source<R>,
    origin: Origin,
    station: &Station,
) -> Result<Summary, Error> {
    let input = Input {
        codec: station.codec(),
        origin,
        guard: AsciiGuard::new(),
        held: Vec::new(),
        watch: Watch::new(station.parser(), source.connection),
        numbering: station.numbering(),
        forged: false,
        lossy: false,
        source,
        station,
        sent: Skipped::default(),
        summary: Summary::of_one(),
    };
    station.unblocked(input.run()).await
}

/// Why an input is left before its end.
enum Stop {
    Io(io::Error),
    Ascii,
}

struct Input<'a, R> {
    /// Held to the end: a connection gives its place back with it.
    source: Source<R>,
    station: &'a Station,
    codec: BatchCodec,
    origin: Origin,
    guard: AsciiGuard,
    /// What waits for the guard to be sure, and the bytes of each.
    held: Vec<(Packets, u64)>,
    watch: Watch,
    numbering: Numbering<'a>,
    /// Whether it was said that some records are suspect.
    forged: bool,
    /// Whether it was said that packets are lost.
    lossy: bool,
    /// The part of the codec's skipped bytes that the station's figures have.
    sent: Skipped,
    summary: Summary,
}

impl<R: AsyncRead + Unpin> Input<'_, R> {
    async fn run(mut self) -> Result<Summary, Error> {
        let mut buf = BytesMut::new();
        let end = match self.read(&mut buf).await {
            Ok(()) => self.finish(&mut buf).await,
            // What arrived before the failure is as good as before an end.
            Err(Stop::Io(error)) => self.finish(&mut buf).await.and(Err(Stop::Io(error))),
            Err(Stop::Ascii) => Err(Stop::Ascii),
        };
        if let Err(Stop::Ascii) = end {
            let held: u64 = self.held.iter().map(|(_, bytes)| bytes).sum();
            self.summary.refused += held + buf.len() as u64;
        }
        self.count_skipped();
        self.numbering.end();
        self.count_numbers();
        let summary = self.summary;
        match end {
            Err(Stop::Ascii) => Err(Error::AsciiText {
                summary: Box::new(summary),
            }),
            _ if let Err(reason) = summary.verify() => Err(Error::Identity {
                reason,
                summary: Box::new(summary),
            }),
            Err(Stop::Io(source)) => Err(Error::Read {
                source,
                summary: Box::new(summary),
            }),
            Ok(()) => Ok(summary),
        }
    }

    async fn read(&mut self, buf: &mut BytesMut) -> Result<(), Stop> {
        let mut room = FIRST_ROOM;
        // Whether everything that a flush could bring was brought.
        let mut flushed = true;
        loop {
            buf.reserve(room);
            let mut limited = (&mut *buf).limit(room);
            let read = self.source.reader.read_buf(&mut limited);
            let read = async {
                match flushed {
                    true => Some(read.await),
                    false => timeout(self.station.flush_after(), read).await.ok(),
                }
            };
            let read = tokio::select! {
                biased;
                () = self.station.stop().cancelled() => return Ok(()),
                read = read => read,
            };
            match read {
                Some(Ok(0)) => return Ok(()),
                Some(Ok(n)) => {
                    self.summary.bytes += n as u64;
                    self.station.progress().read(n as u64);
                    flushed = false;
                    let now = self.now();
                    while let Some(batch) = self.codec.decode(buf).map_err(Stop::Io)? {
                        let rest = buf.len() as u64;
                        self.send(batch, now, rest).await?;
                    }
                    if n == room {
                        room = (room * 2).min(MOST_ROOM);
                    }
                }
                Some(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Some(Err(error)) => return Err(Stop::Io(error)),
                None => {
                    flushed = true;
                    room = FIRST_ROOM;
                    let now = self.now();
                    while let Some(batch) = self.codec.flush(buf) {
                        let rest = buf.len() as u64;
                        self.send(batch, now, rest).await?;
                    }
                }
            }
            self.count_skipped();
        }
    }

    /// The last record.
    async fn finish(&mut self, buf: &mut BytesMut) -> Result<(), Stop> {
        let now = self.now();
        while let Some(batch) = self.codec.decode_eof(buf).map_err(Stop::Io)? {
            let rest = buf.len() as u64;
            self.send(batch, now, rest).await?;
        }
        if self.guard.finish() {
            return Err(Stop::Ascii);
        }
        self.release().await;
        Ok(())
    }

    /// When the bytes arrived, if they do so now.
    fn now(&self) -> Option<i64> {
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).ok();
        let since = self.source.is_live().then(now)??;
        i64::try_from(since.as_nanos()).ok()
    }

    /// Parses a batch and sends it on; `rest` bytes that were read stand behind it.
    async fn send(&mut self, batch: Batch, now: Option<i64>, rest: u64) -> Result<(), Stop> {
        let batch = match now {
            Some(now) => batch.arrived(now),
            None => batch,
        };
        let bytes = batch.bytes().len() as u64;
        let batch = batch.at(self.summary.bytes - rest - bytes);
        let packets = self.station.parser().parse(batch);
        let refused = self.guard.check(&packets);
        self.held.push((packets, bytes));
        if refused {
            return Err(Stop::Ascii);
        }
        let held: u64 = self.held.iter().map(|(_, bytes)| bytes).sum();
        // Stored text can wait until it is known what it is; live packets only on a suspicion.
        let waits = self.guard.suspects() || self.source.is_stored() && !self.guard.decided();
        if waits && held < MOST_HELD {
            return Ok(());
        }
        self.release().await;
        Ok(())
    }

    /// Sends on what was held back.
    async fn release(&mut self) {
        for (mut packets, bytes) in std::mem::take(&mut self.held) {
            let guessed = self.origin.has_guessed();
            self.origin.place(&mut packets);
            if self.origin.has_guessed() && !guessed {
                warn!(
                    "Stamps are taken as those of -ttt, since the packet before; \
                     --stamp elapsed reads those of -ttttt."
                );
            }
            self.count(&packets, bytes);
            self.summary.stalled += self.station.deliver(&packets).await;
        }
    }

    fn count(&mut self, packets: &Packets, bytes: u64) {
        let messages = packets.messages();
        let mut batch = Summary {
            record_bytes: bytes - messages,
            ..Summary::of_packets(packets)
        };
        batch.skipped.messages = messages;
        self.watch.count(packets, &mut batch);
        self.station.progress().add(&batch);
        self.summary.add(&batch);
        self.numbering.follow(packets);
        self.count_numbers();
        self.warn(packets.sensor());
    }

    /// Brings the figures up to what the numbers of `-#` tell.
    fn count_numbers(&mut self) {
        let figures = self.numbering.figures();
        let before = self.summary.clone();
        self.summary.captures = figures.captures;
        self.summary.lost = figures.lost;
        self.summary.suspect = figures.suspect;
        self.station.progress().follow(&before, &self.summary);
    }

    /// Says what the numbers of `-#` tell, once it is sure.
    fn warn(&mut self, sensor: &str) {
        if !self.forged && self.numbering.forged() {
            self.forged = true;
            warn!(
                sensor,
                suspect = self.summary.suspect,
                "Packets arrive with numbers that tcpdump cannot have printed there: some are \
                 forged by what packets carry, or sent twice. With -A, and before 4.99.5, tcpdump \
                 lets a packet print whole records.",
            );
        }
        if !self.lossy && self.numbering.lossy() {
            self.lossy = true;
            warn!(
                sensor,
                lost = self.summary.lost,
                "Numbers of -# are missing: packets are lost between tcpdump and here, as when \
                 what stands between them drops or filters lines.",
            );
        }
    }

    /// Brings the skipped bytes up to what the codec says.
    fn count_skipped(&mut self) {
        let skipped = self.codec.skipped();
        let fresh = skipped.total() - self.sent.total();
        if fresh > 0 {
            self.station.progress().skip(fresh);
            // What the parser took out of records stays beside what the codec skipped.
            let messages = self.summary.skipped.messages - self.sent.messages;
            self.summary.skipped = skipped;
            self.summary.skipped.messages += messages;
            self.sent = skipped;
        }
    }
}

//! Reads one input into all lanes: read, decode, parse, place, send, and the closing summary.

use std::io;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use dumpstream::framing::{Batch, Skipped, Style};
use dumpstream::{AsciiGuard, Origin, Packets};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;
use tokio_util::codec::Decoder;
use tracing::warn;

pub use self::again::again;
pub use self::error::Error;
use self::messages::{End, Placing};
pub use self::placed::placed;
use self::room::Room;
pub use self::source::Source;
use self::watch::Watch;
use crate::clock;
use crate::codec::BatchCodec;
use crate::station::{Numbering, Station};
use crate::summary::Summary;

mod again;
mod error;
pub mod messages;
mod placed;
mod room;
mod source;
mod watch;

/// How long a read of what has arrived may take, once it is time to stop: within TLS, some of it may
/// be no text, or the beginning of a record whose rest never comes.
const ARRIVING: Duration = Duration::from_millis(200);

/// Maximum memory of packets that are held back while the stream looks like that of `tcpdump -A`:
/// the guard needs eight IP packets to decide, and other records may come between them. A sender
/// decides how long it takes, so this is beside the memory that inputs share.
const MOST_HELD: usize = 2 << 20;

/// Reads an input to its end, and hands every record to every lane.
///
/// While a lane makes it wait, it reads nothing, so that the sender's TCP window closes and memory
/// is bounded: to the share of [`StationBuilder::memory`](crate::StationBuilder::memory), and to one
/// read and one record. The source is dropped once its last record is in the
/// lanes.
///
/// [`Station::stop`] ends it as the input's own end does: what has arrived over a connection, the
/// last record, then the summary.
///
/// # Errors
/// [`Error::Read`] if reading fails, [`Error::AsciiText`] for text of `tcpdump -A`,
/// [`Error::Foreign`] if a whole input was something else than tcpdump's text (of a connection that
/// is a warning), [`Error::Identity`] if the figures do not add up. Bad text is not an error: it is counted.
pub async fn run<R: AsyncRead + Unpin>(
    source: Source<R>,
    origin: Origin,
    station: &Station,
) -> Result<Summary, Error> {
    // A connection is another text each time.
    let origin = match station.compares() && !source.connected {
        true => origin.contents(),
        false => origin,
    };
    let placing = source.messages.as_ref();
    let placing = placing.map(|(_, stream)| Placing::new(origin.clone(), stream));
    let input = Input {
        codec: station.codec(),
        origin,
        placing,
        guard: AsciiGuard::new(),
        held: Vec::new(),
        watch: Watch::new(station.parser(), source.connection),
        numbering: station.numbering(),
        forged: false,
        lossy: false,
        several: false,
        stopped: false,
        source,
        station,
        sent: Skipped::default(),
        summary: Summary::of_one(),
    };
    station.unblocked(input.run()).await
}

/// Why reading an input stops before its end.
enum Stop {
    Io(io::Error),
    Ascii,
}

/// Packets, the bytes of their batch, where those end, and how their heads look.
struct Held {
    packets: Packets,
    bytes: u64,
    end: u64,
    style: Style,
}

struct Input<'a, R> {
    /// Held to the end: with it, a connection gives its place back.
    source: Source<R>,
    station: &'a Station,
    codec: BatchCodec,
    origin: Origin,
    /// Places records of text that came as messages.
    placing: Option<Placing>,
    guard: AsciiGuard,
    /// Packets that wait until the guard is sure, and the bytes of each.
    held: Vec<Held>,
    watch: Watch,
    numbering: Numbering<'a>,
    /// Whether suspect records were reported.
    forged: bool,
    /// Whether lost packets were reported.
    lossy: bool,
    /// Whether packets have lines behind their heads.
    several: bool,
    /// Reading stopped before the end.
    stopped: bool,
    /// The part of the codec's skipped bytes that the station's figures include.
    sent: Skipped,
    summary: Summary,
}

impl<R: AsyncRead + Unpin> Input<'_, R> {
    async fn run(mut self) -> Result<Summary, Error> {
        let mut buf = BytesMut::new();
        let end = match self.read(&mut buf).await {
            Ok(()) => self.finish(&mut buf).await,
            // What arrived before the failure counts as before a normal end.
            Err(Stop::Io(error)) => self.finish(&mut buf).await.and(Err(Stop::Io(error))),
            Err(Stop::Ascii) => Err(Stop::Ascii),
        };
        if let Err(Stop::Ascii) = end {
            let held: u64 = self.held.iter().map(|held| held.bytes).sum();
            self.summary.refused += held + buf.len() as u64;
        }
        self.count_skipped();
        self.numbering.end();
        self.count_numbers();
        self.watch.unparsed(&self.summary, true);
        let summary = self.summary;
        let stopped = self.station.stop().is_cancelled();
        let foreign = match end {
            Ok(()) if !stopped => self.watch.foreign(&summary, self.source.is_whole()),
            _ => None,
        };
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
            Ok(()) => match foreign {
                Some(looks) => Err(Error::Foreign {
                    looks,
                    summary: Box::new(summary),
                }),
                None => Ok(summary),
            },
        }
    }

    async fn read(&mut self, buf: &mut BytesMut) -> Result<(), Stop> {
        let mut room = Room::first();
        // Whether a flush can bring nothing more.
        let mut flushed = true;
        loop {
            buf.reserve(room.bytes);
            let mut limited = (&mut *buf).limit(room.bytes);
            let read = self.source.reader.read_buf(&mut limited);
            let read = async {
                match flushed {
                    true => Some(read.await),
                    false => timeout(self.station.flush_after(), read).await.ok(),
                }
            };
            let read = tokio::select! {
                biased;
                () = self.station.stop().cancelled() => {
                    self.stopped = true;
                    return self.rest(buf).await;
                }
                read = read => read,
            };
            match read {
                Some(Ok(0)) => return Ok(()),
                Some(Ok(n)) => {
                    flushed = false;
                    self.took(buf, n).await?;
                    if n == room.bytes {
                        room.grow(self.station);
                    }
                }
                Some(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Some(Err(error)) => return Err(Stop::Io(error)),
                None => {
                    flushed = true;
                    room = Room::first();
                    // The writer of a file may write in blocks, which end between two lines.
                    if !(self.source.is_followed() && self.several) {
                        self.flush(buf).await?;
                    }
                    if buf.is_empty() {
                        *buf = BytesMut::new();
                    }
                }
            }
            self.pass(buf.len());
            self.count_skipped();
        }
    }

    /// Sends on what the last `n` bytes of the buffer complete.
    async fn took(&mut self, buf: &mut BytesMut, n: usize) -> Result<(), Stop> {
        self.summary.bytes += n as u64;
        let unknown = self.summary.parsed == 0;
        if unknown {
            self.watch.begins(&buf[buf.len() - n..]);
        }
        self.station.progress().read(n as u64);
        let now = self.now();
        while let Some(batch) = self.codec.decode(buf).map_err(Stop::Io)? {
            let rest = buf.len() as u64;
            self.send(batch, now, rest).await?;
        }
        if unknown && self.summary.records == 0 && self.held.is_empty() && !self.source.is_whole() {
            self.count_skipped();
            self.watch.unrecognised(self.summary.skipped.total() > 0);
        }
        Ok(())
    }

    /// Sends on the last record, if it is complete.
    async fn flush(&mut self, buf: &mut BytesMut) -> Result<(), Stop> {
        let now = self.now();
        while let Some(batch) = self.codec.flush(buf) {
            let rest = buf.len() as u64;
            self.send(batch, now, rest).await?;
        }
        Ok(())
    }

    /// Reads what had arrived before the stop. Lanes that have no time left for it count it as
    /// dropped.
    async fn rest(&mut self, buf: &mut BytesMut) -> Result<(), Stop> {
        let mut left = (self.source.arrived)(&self.source.reader);
        // Where that cannot be told, the text ends by itself.
        let all = left == u64::MAX;
        while left > 0 {
            let room = usize::try_from(left).map_or(room::MOST, |left| left.min(room::MOST));
            buf.reserve(room);
            let mut limited = (&mut *buf).limit(room);
            let read = self.source.reader.read_buf(&mut limited);
            let read = match all {
                true => read.await,
                false => timeout(ARRIVING, read).await.unwrap_or(Ok(0)),
            };
            match read {
                Ok(0) => break,
                Ok(n) => {
                    left = left.saturating_sub(n as u64);
                    self.took(buf, n).await?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Stop::Io(error)),
            }
        }
        Ok(())
    }

    /// Sends the last record, or leaves what is not a record yet.
    async fn finish(&mut self, buf: &mut BytesMut) -> Result<(), Stop> {
        if let Some((messages, _)) = &self.source.messages {
            let end = match self.stopped {
                true => End::Left,
                false => messages.end(),
            };
            if end == End::Flushed {
                self.flush(buf).await?;
            }
            if end != End::Cut {
                self.summary.left += buf.len() as u64;
                buf.clear();
            }
        } else if self.stopped && self.source.is_lasting() {
            if self.source.is_followed() {
                self.flush(buf).await?;
            }
            self.summary.left += buf.len() as u64;
            buf.clear();
        }
        let now = self.now();
        while let Some(batch) = self.codec.decode_eof(buf).map_err(Stop::Io)? {
            let rest = buf.len() as u64;
            self.send(batch, now, rest).await?;
        }
        if self.guard.finish() {
            return Err(Stop::Ascii);
        }
        self.release().await;
        self.pass(self.summary.left as usize);
        Ok(())
    }

    /// When the bytes arrived, if the input is live.
    fn now(&self) -> Option<i64> {
        self.source.is_live().then(clock::now)
    }

    /// Parses a batch and sends it on; `rest` bytes that were read follow it.
    async fn send(&mut self, batch: Batch, now: Option<i64>, rest: u64) -> Result<(), Stop> {
        let batch = match now {
            Some(now) => batch.arrived(now),
            None => batch,
        };
        let bytes = batch.bytes().len() as u64;
        let batch = batch.at(self.summary.bytes - rest - bytes);
        let (mut share, waited) = self.station.memory(batch.bytes().len()).await;
        self.summary.stalled += waited;
        let packets = self.station.parser().parse(batch);
        share.settle(packets.footprint());
        let refused = self.guard.check(&packets);
        let style = self.codec.style();
        self.held.push(Held {
            packets,
            bytes,
            end: self.summary.bytes - rest,
            style,
        });
        if refused {
            return Err(Stop::Ascii);
        }
        let held: usize = self.held.iter().map(|held| held.packets.footprint()).sum();
        // Stored text can wait until its kind is known; live packets wait only on a suspicion.
        let waits = self.guard.suspects() || self.source.is_stored() && !self.guard.decided();
        if waits && held < MOST_HELD {
            return Ok(());
        }
        self.release().await;
        Ok(())
    }

    /// Sends on what was held back.
    async fn release(&mut self) {
        for held in std::mem::take(&mut self.held) {
            let Held {
                mut packets,
                bytes,
                end,
                style,
            } = held;
            if let Some((messages, _)) = self.source.messages.clone()
                && let Some(placing) = &mut self.placing
            {
                let torn = messages.torn(&packets);
                let parts = placing.place(&messages, (packets, style), self.station.parser());
                self.torn(torn);
                // All parts are of the same text, so that only the last one can end it.
                let last = parts.len() - 1;
                for (i, packets) in parts.iter().enumerate() {
                    self.count(packets, if i == 0 { bytes } else { 0 });
                    let end = if i == last { end } else { end - bytes };
                    let acked = self.source.acks.as_ref().map(|acks| (acks, end));
                    self.summary.stalled += self.station.deliver(packets, acked).await;
                }
                continue;
            }
            let guessed = self.origin.has_guessed();
            self.origin.place(&mut packets);
            if self.origin.has_guessed() && !guessed {
                warn!(
                    "Relative time stamps are read as those of -ttt (since the previous packet); \
                     --stamp elapsed reads them as those of -ttttt."
                );
            }
            self.count(&packets, bytes);
            let acked = self.source.acks.as_ref().map(|acks| (acks, end));
            self.summary.stalled += self.station.deliver(&packets, acked).await;
        }
    }

    /// Answers for what was read, is no record's, and stands before `rest` bytes that wait.
    fn pass(&self, rest: usize) {
        if let Some(acks) = self.source.acks.as_ref().filter(|_| self.held.is_empty()) {
            acks.pass(self.summary.bytes - rest as u64);
        }
    }

    fn count(&mut self, packets: &Packets, bytes: u64) {
        let messages = packets.messages();
        let mut batch = Summary {
            record_bytes: bytes - messages,
            ..Summary::of_packets(packets)
        };
        batch.skipped.messages = messages;
        batch.skipped.unserved = packets.unserved();
        if packets.arrival().is_none() && self.origin.dates_by_change() {
            let sources = packets.iter().map(|packet| packet.time_source());
            batch.dated = sources.filter(|source| source.is_undated()).count() as u64;
        }
        self.watch.count(packets, &mut batch);
        if let Some(ahead) = self.watch.ahead(packets)
            && self.station.first_far(packets.sensor())
        {
            warn!(
                sensor = packets.sensor(),
                "Time stamps are {} this machine's clock. If the sensor is in another zone, run \
                 tcpdump with -tt, or set `--tz {}=ZONE` here; otherwise set its clock.",
                watch::from_clock(ahead),
                packets.sensor(),
            );
        }
        if self.source.is_followed() && !self.several {
            self.several = packets
                .iter()
                .any(|packet| watch::has_more_lines(packet.raw()));
        }
        self.station.progress().add(&batch);
        self.summary.add(&batch);
        let messages = self.source.messages.as_ref();
        if messages.is_none_or(|(messages, _)| messages.numbered) {
            self.numbering.follow(packets);
        }
        self.count_numbers();
        self.watch.unparsed(&self.summary, false);
        self.warn(packets.sensor());
    }

    /// Counts records whose other lines went elsewhere, and reports the first.
    fn torn(&mut self, torn: u64) {
        if torn > 0 && self.station.progress().tear(torn) == 0 {
            warn!(
                "Lines of one packet arrive in several partitions, where they cannot be joined. \
                 Give all messages of one tcpdump the same key, or use a topic with one partition."
            );
        }
        self.summary.torn += torn;
    }

    /// Updates the figures that follow from the numbers of `-#`.
    fn count_numbers(&mut self) {
        let figures = self.numbering.figures();
        let before = self.summary.clone();
        self.summary.captures = figures.captures;
        self.summary.lost = figures.lost;
        self.summary.suspect = figures.suspect;
        self.station.progress().follow(&before, &self.summary);
    }

    /// Warns of what the numbers of `-#` show, once it is certain.
    fn warn(&mut self, sensor: &str) {
        if !self.forged && self.numbering.forged() {
            self.forged = true;
            warn!(
                sensor,
                suspect = self.summary.suspect,
                "Some records have numbers that tcpdump cannot have printed there: they are \
                 forged by the contents of packets, or sent twice. With -A, and before version \
                 4.99, tcpdump lets a packet print whole records.",
            );
        }
        if !self.lossy && self.numbering.lossy() {
            self.lossy = true;
            warn!(
                sensor,
                lost = self.summary.lost,
                "Numbers of -# are missing: packets are lost between tcpdump and here, for example \
                 because a program between them drops or filters lines.",
            );
        }
    }

    /// Updates the skipped bytes from the codec.
    fn count_skipped(&mut self) {
        let skipped = self.codec.skipped();
        let fresh = skipped.total() - self.sent.total();
        if fresh > 0 {
            let unserved = skipped.unserved - self.sent.unserved;
            self.station.progress().skip(fresh, unserved);
            // Bytes that the parser took out of records are added to those that the codec skipped.
            let Skipped {
                messages, unserved, ..
            } = self.summary.skipped;
            self.summary.skipped = skipped;
            self.summary.skipped.messages += messages - self.sent.messages;
            let unserved = unserved.saturating_sub(self.sent.unserved);
            self.summary.skipped.unserved = skipped.unserved.saturating_add(unserved);
            self.sent = skipped;
        }
    }
}

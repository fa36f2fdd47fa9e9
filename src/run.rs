//! One input to all lanes: read, decode, parse, place, send, and the closing summary.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{BufMut, BytesMut};
use futures_util::future::join_all;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{Instant, timeout};
use tokio_util::codec::Decoder;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::AsciiGuard;
use crate::batch::Batch;
use crate::framer::Skipped;
use crate::lane::Lane;
use crate::net::BatchCodec;
use crate::origin::Origin;
use crate::packet::{Packet, Packets};
use crate::parser::Parser;
use crate::rejects::Rejects;
use crate::sequence::Sequence;
use crate::value::Value;

mod again;
mod error;
mod summary;

pub use again::again;
pub use error::Error;
pub use summary::{Progress, Summary};

/// How long a complete record waits for a continuation line before it is sent on: a line of
/// `tcpdump -l` arrives as small writes within a millisecond of each other, and a person who
/// watches does not see a quarter of a second.
pub const FLUSH_AFTER: Duration = Duration::from_millis(250);

/// The room for the first read of an input: most senders of many are slow, and memory grows with
/// each.
const FIRST_ROOM: usize = 16 << 10;

/// The room for a read of an input that fills it each time: past this, parsing gains nothing, and
/// one batch keeps the others of a busy receiver waiting.
const MOST_ROOM: usize = 256 << 10;

/// Bytes of text that are held back at most while the stream looks like that of `tcpdump -A`: the
/// guard needs eight IP packets to tell, and other records may stand between them.
const MOST_HELD: u64 = 1 << 20;

/// How [`run`] treats its input.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RunOptions {
    /// Without bytes for so long, the last record is sent on if it is complete.
    pub flush_after: Duration,
    /// Whether the text comes from now: batches then carry the time of their arrival. `false` for
    /// text that was stored before.
    pub live: bool,
    /// The connection that the text comes over, its far end first: records that show it are the
    /// sender's own uplink, captured.
    pub connection: Option<(SocketAddr, SocketAddr)>,
    /// False while live text is still what was stored before: a file that is followed has both.
    pub caught_up: Option<Arc<AtomicBool>>,
    /// Takes the records whose protocol was not found; the lanes get them too.
    pub rejects: Rejects,
}

impl RunOptions {
    /// Text from now, flushed after [`FLUSH_AFTER`], over no connection.
    pub fn new() -> RunOptions {
        RunOptions {
            flush_after: FLUSH_AFTER,
            live: true,
            connection: None,
            caught_up: None,
            rejects: Rejects::default(),
        }
    }

    /// See [`RunOptions::caught_up`].
    pub fn caught_up(self, caught_up: Arc<AtomicBool>) -> RunOptions {
        RunOptions {
            caught_up: Some(caught_up),
            ..self
        }
    }

    /// See [`RunOptions::rejects`].
    pub fn rejects(self, rejects: Rejects) -> RunOptions {
        RunOptions { rejects, ..self }
    }

    /// See [`RunOptions::flush_after`].
    pub fn flush_after(self, flush_after: Duration) -> RunOptions {
        RunOptions {
            flush_after,
            ..self
        }
    }

    /// See [`RunOptions::live`].
    pub fn live(self, live: bool) -> RunOptions {
        RunOptions { live, ..self }
    }

    /// See [`RunOptions::connection`].
    pub fn connection(self, peer: SocketAddr, local: SocketAddr) -> RunOptions {
        RunOptions {
            connection: Some((peer, local)),
            ..self
        }
    }
}

impl Default for RunOptions {
    fn default() -> RunOptions {
        RunOptions::new()
    }
}

/// Reads an input to its end, and hands every record to every lane.
///
/// Lanes are filled side by side: one that is slow delays the others by no more than its queue
/// makes this input wait. While a lane makes it wait nothing is read, so that the sender's TCP
/// window closes and what is in memory is bounded: one read, and one record.
///
/// `cancel` ends it as the input's own end would: the last record, then the summary. It still
/// waits for lanes that are full; whoever cancels closes the lanes by a deadline, which frees it.
/// `live` is added to as it goes, and may be shared by many inputs.
///
/// # Errors
/// [`Error::Read`] if reading fails, [`Error::AsciiText`] for text of `tcpdump -A`,
/// [`Error::Identity`] if the figures do not add up. Bad text is no error: it is counted.
#[expect(
    clippy::too_many_arguments,
    reason = "the two ends, and what lies between them"
)]
pub async fn run(
    source: impl AsyncRead + Unpin,
    codec: BatchCodec,
    parser: &Parser,
    origin: Origin,
    lanes: &[Lane],
    options: &RunOptions,
    cancel: CancellationToken,
    live: &Progress,
) -> Result<Summary, Error> {
    let mut input = Input {
        codec,
        parser,
        origin,
        lanes,
        guard: AsciiGuard::new(),
        held: Vec::new(),
        watch: Watch::new(parser, options),
        sequence: Sequence::new(),
        forged: false,
        lossy: false,
        options,
        live,
        sent: Skipped::default(),
        summary: Summary {
            inputs: 1,
            ..Summary::default()
        },
    };
    let mut buf = BytesMut::new();
    let end = input.read(source, &mut buf, &cancel).await;
    let end = match end {
        Ok(()) => input.finish(&mut buf).await,
        // What arrived before the failure is as good as before an end.
        Err(Stop::Io(error)) => input.finish(&mut buf).await.and(Err(Stop::Io(error))),
        Err(Stop::Ascii) => Err(Stop::Ascii),
    };
    if let Err(Stop::Ascii) = end {
        let held: u64 = input.held.iter().map(|(_, bytes)| bytes).sum();
        input.summary.refused += held + buf.len() as u64;
    }
    input.count_skipped();
    let summary = input.summary;
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

/// Why an input is left before its end.
enum Stop {
    Io(io::Error),
    Ascii,
}

struct Input<'a> {
    codec: BatchCodec,
    parser: &'a Parser,
    origin: Origin,
    lanes: &'a [Lane],
    guard: AsciiGuard,
    /// What waits for the guard to be sure, and the bytes of each.
    held: Vec<(Packets, u64)>,
    watch: Watch,
    sequence: Sequence,
    /// Whether it was said that some records are suspect.
    forged: bool,
    /// Whether it was said that packets are lost.
    lossy: bool,
    options: &'a RunOptions,
    live: &'a Progress,
    /// The part of the codec's skipped bytes that `live` knows of.
    sent: Skipped,
    summary: Summary,
}

impl Input<'_> {
    async fn read(
        &mut self,
        mut source: impl AsyncRead + Unpin,
        buf: &mut BytesMut,
        cancel: &CancellationToken,
    ) -> Result<(), Stop> {
        let mut room = FIRST_ROOM;
        // Whether everything that a flush could bring was brought.
        let mut flushed = true;
        loop {
            buf.reserve(room);
            let mut limited = (&mut *buf).limit(room);
            let read = source.read_buf(&mut limited);
            let read = async {
                match flushed {
                    true => Some(read.await),
                    false => timeout(self.options.flush_after, read).await.ok(),
                }
            };
            let read = tokio::select! {
                biased;
                () = cancel.cancelled() => return Ok(()),
                read = read => read,
            };
            match read {
                Some(Ok(0)) => return Ok(()),
                Some(Ok(n)) => {
                    self.summary.bytes += n as u64;
                    self.live.bytes.fetch_add(n as u64, Relaxed);
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
        let stored = |caught: &Arc<AtomicBool>| !caught.load(Relaxed);
        let live = self.options.live && !self.options.caught_up.as_ref().is_some_and(stored);
        let since = live.then(|| SystemTime::now().duration_since(UNIX_EPOCH))?;
        since
            .ok()
            .and_then(|since| i64::try_from(since.as_nanos()).ok())
    }

    /// Parses a batch and sends it on; `rest` bytes that were read stand behind it.
    async fn send(&mut self, batch: Batch, now: Option<i64>, rest: u64) -> Result<(), Stop> {
        let batch = match now {
            Some(now) => batch.arrived(now),
            None => batch,
        };
        let bytes = batch.bytes().len() as u64;
        let batch = batch.at(self.summary.bytes - rest - bytes);
        let packets = self.parser.parse(batch);
        let refused = self.guard.check(&packets);
        self.held.push((packets, bytes));
        if refused {
            return Err(Stop::Ascii);
        }
        let held: u64 = self.held.iter().map(|(_, bytes)| bytes).sum();
        // Stored text can wait until it is known what it is; live packets only on a suspicion.
        let waits = self.guard.suspects() || !self.options.live && !self.guard.decided();
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
            self.options.rejects.unparsed(&packets).await;
            self.deliver(packets).await;
        }
    }

    /// Hands the packets to every lane.
    async fn deliver(&mut self, packets: Packets) {
        if packets.is_empty() {
            return;
        }
        let sends = join_all(self.lanes.iter().map(|lane| lane.send(packets.clone())));
        tokio::pin!(sends);
        tokio::select! {
            biased;
            _ = &mut sends => {}
            // A lane is full: from here on it is waiting, and nothing is read.
            () = std::future::ready(()) => {
                let start = Instant::now();
                self.live.waiting.fetch_add(1, Relaxed);
                sends.await;
                self.live.waiting.fetch_sub(1, Relaxed);
                let stalled = start.elapsed();
                self.summary.stalled += stalled;
                self.live.stalled.fetch_add(stalled.as_nanos() as u64, Relaxed);
            }
        }
    }

    fn count(&mut self, packets: &Packets, bytes: u64) {
        let messages = packets.messages();
        let mut batch = Summary {
            record_bytes: bytes - messages,
            skipped: Skipped {
                messages,
                ..Skipped::default()
            },
            records: packets.len() as u64,
            ..Summary::default()
        };
        for packet in packets.iter() {
            batch.parsed += u64::from(packet.parsed());
            batch.truncated += u64::from(packet.truncated());
            batch.misfits += u64::from(packet.misfits());
            batch.names += u64::from(self.watch.named(packet));
            batch.own += u64::from(self.watch.own(packet));
        }
        batch.unparsed = batch.records - batch.parsed;
        if batch.own > 0 && self.summary.own == 0 {
            let (peer, local) = self.options.connection.unzip();
            warn!(
                peer = peer.map(tracing::field::display),
                local = local.map(tracing::field::display),
                "The sender captures the connection that carries its own text, which feeds itself: \
                 add `not port {}` to its filter.",
                local.map_or(0, |local| local.port()),
            );
        }
        if batch.names > 0 && self.summary.names == 0 {
            warn!("Addresses arrive as names, which are not stored: run tcpdump with -nn.");
        }
        self.live.add(&batch);
        let before = self.summary.clone();
        self.summary.add(&batch);
        self.follow(&before, packets);
    }

    /// What the numbers of `-#` tell.
    fn follow(&mut self, before: &Summary, packets: &Packets) {
        self.sequence.follow(packets);
        self.summary.captures = self.sequence.captures();
        self.summary.lost = self.sequence.lost();
        self.summary.suspect = self.sequence.suspect();
        self.live.follow(before, &self.summary);
        if !self.forged && self.sequence.forged() {
            self.forged = true;
            warn!(
                sensor = packets.sensor(),
                suspect = self.summary.suspect,
                "Packets arrive with numbers that tcpdump cannot have printed there: some are \
                 forged by what packets carry, or sent twice. With -A, and before 4.99.5, tcpdump \
                 lets a packet print whole records.",
            );
        }
        if !self.lossy && self.sequence.lossy() {
            self.lossy = true;
            warn!(
                sensor = packets.sensor(),
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
            self.live.skipped.fetch_add(fresh, Relaxed);
            // What the parser took out of records stays beside what the codec skipped.
            let messages = self.summary.skipped.messages - self.sent.messages;
            self.summary.skipped = skipped;
            self.summary.skipped.messages += messages;
            self.sent = skipped;
        }
    }
}

/// What is looked for in every packet beside its values.
struct Watch {
    source: Option<usize>,
    destination: Option<usize>,
    ports: Option<(usize, usize)>,
    connection: Option<(SocketAddr, SocketAddr)>,
}

impl Watch {
    fn new(parser: &Parser, options: &RunOptions) -> Watch {
        let columns = parser.columns();
        let column = |name: &str| columns.iter().position(|column| column.name == name);
        // A listener on `::` sees IPv4 peers as ::ffff:a.b.c.d; tcpdump prints a.b.c.d.
        let plain = |addr: SocketAddr| SocketAddr::new(addr.ip().to_canonical(), addr.port());
        Watch {
            source: column("source"),
            destination: column("destination"),
            ports: column("source_port").zip(column("destination_port")),
            connection: options
                .connection
                .map(|(peer, local)| (plain(peer), plain(local))),
        }
    }

    /// Whether an address stands there as a name.
    fn named(&self, packet: Packet<'_>) -> bool {
        self.source.is_some_and(|source| packet.misfit(source))
    }

    /// Whether the packet belongs to the connection that it arrived over.
    fn own(&self, packet: Packet<'_>) -> bool {
        let Some((peer, local)) = self.connection else {
            return false;
        };
        let Some((source_port, destination_port)) = self.ports else {
            return false;
        };
        let port = |column| match packet.value(column) {
            Some(Value::Int(port)) => u16::try_from(port).ok(),
            _ => None,
        };
        // The ports first: they settle it for nearly every packet.
        let Some(from) = port(source_port) else {
            return false;
        };
        let Some(to) = port(destination_port) else {
            return false;
        };
        let out = from == peer.port() && to == local.port();
        let back = from == local.port() && to == peer.port();
        if !out && !back {
            return false;
        }
        let address = |column: Option<usize>| match packet.value(column?) {
            Some(Value::Inet(ip)) => Some(ip),
            _ => None,
        };
        let hosts = (address(self.source), address(self.destination));
        (out && hosts == (Some(peer.ip()), Some(local.ip())))
            || (back && hosts == (Some(local.ip()), Some(peer.ip())))
    }
}

//! Writes each record of a text when it is due.

use std::io::{self, ErrorKind, Read, Write};
use std::pin::pin;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::Replay;
use super::chunks::{Chunk, Chunks, Part};
use super::clock::{Clock, Stop, System};
use super::replayed::{Figures, Replayed};
use super::restamp::Restamp;
use crate::feed;

/// Chunks that are read ahead, so that reading delays no record.
const AHEAD: usize = 4;

/// How often a stop is looked for while the text does not go on.
const LOOK: Duration = Duration::from_millis(50);

/// How long the last write may take after [`Player::play`] was cancelled.
const LAST_WRITE: Duration = Duration::from_millis(250);

/// Why a replay ended early.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The text cannot be opened or read.
    #[error("cannot read the text")]
    Read(#[source] io::Error),
    /// The text cannot be written.
    #[error("cannot write the text")]
    Write(#[source] io::Error),
}

/// Plays a [`Replay`]. Clones are handles to it, for other threads.
#[derive(Clone, Debug)]
pub struct Player {
    replay: Replay,
    stop: Arc<Stop>,
    figures: Arc<Mutex<Figures>>,
}

impl Player {
    /// Prepares to play; a player plays once.
    pub fn new(replay: Replay) -> Player {
        Player {
            replay,
            stop: Arc::default(),
            figures: Arc::default(),
        }
    }

    /// Sends the text that `open` opens to `sink`, until its end, a limit of the replay, or
    /// [`Player::stop`]. `open` is called again for each loop. The text is read by a thread of its
    /// own, a few chunks ahead; after an early end that thread ends with its next read.
    ///
    /// # Errors
    /// Opening, reading or writing fails. [`Player::replayed`] counts what was sent before.
    pub fn run<R: Read>(
        &self,
        open: impl FnMut() -> io::Result<R> + Send + 'static,
        sink: impl Write,
    ) -> Result<(), ReplayError> {
        self.run_by(&System::new(&self.stop), open, sink)
    }

    /// Like [`Player::run`], in a thread of its own, until `cancel`: then a write that blocks is given
    /// a moment, and left to itself.
    ///
    /// # Errors
    /// Those of [`Player::run`].
    pub async fn play<R: Read>(
        &self,
        open: impl FnMut() -> io::Result<R> + Send + 'static,
        sink: impl Write + Send + 'static,
        cancel: &CancellationToken,
    ) -> Result<(), ReplayError> {
        let player = self.clone();
        let mut playing = pin!(feed::aside(move || Ok(player.run(open, sink))));
        let played = tokio::select! {
            biased;
            played = &mut playing => played,
            () = cancel.cancelled() => {
                self.stop();
                let played = timeout(LAST_WRITE, playing).await;
                played.unwrap_or(Ok(Ok(())))
            }
        };
        played.map_err(ReplayError::Read)?
    }

    /// Stops it, also while it waits for the next record. A read or a write that blocks is not
    /// interrupted.
    pub fn stop(&self) {
        self.stop.stop();
    }

    /// What was sent so far.
    pub fn replayed(&self) -> Replayed {
        self.figures().replayed()
    }

    fn figures(&self) -> MutexGuard<'_, Figures> {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn run_by<R: Read>(
        &self,
        clock: &impl Clock,
        open: impl FnMut() -> io::Result<R> + Send + 'static,
        sink: impl Write,
    ) -> Result<(), ReplayError> {
        let (sender, chunks) = sync_channel(AHEAD);
        let replay = self.replay.clone();
        let reader = thread::Builder::new().name("replay".to_owned());
        let reader = reader
            .spawn(move || match Chunks::new(&replay, open) {
                // A closed channel: nobody plays any more.
                Ok(mut read) => drop(read.try_for_each(|chunk| sender.send(chunk))),
                Err(error) => drop(sender.send(Err(error))),
            })
            .map_err(ReplayError::Read)?;
        let restamp = |zone| Restamp::new(zone, self.replay.stamp.unwrap_or_default());
        let mut playing = Playing {
            player: self,
            clock,
            sink,
            start: None,
            restamp: self.replay.restamp.clone().map(restamp),
            out: Vec::new(),
            ends: Vec::new(),
        };
        let played = playing.play(&chunks);
        self.figures().sent.elapsed = playing.now();
        if played? && reader.join().is_err() {
            let error = "the thread that reads it ended unexpectedly";
            return Err(ReplayError::Read(io::Error::other(error)));
        }
        Ok(())
    }
}

struct Playing<'a, C, W> {
    player: &'a Player,
    clock: &'a C,
    sink: W,
    /// When the first chunk came, by the clock: opening a text may take its time.
    start: Option<Duration>,
    restamp: Option<Restamp>,
    /// Scratch space: what is written, if it is not the text as it was read, and where its parts
    /// end.
    out: Vec<u8>,
    ends: Vec<usize>,
}

impl<C: Clock, W: Write> Playing<'_, C, W> {
    /// Sends what comes. Returns whether that was all, rather than until a limit or a stop.
    fn play(&mut self, chunks: &Receiver<io::Result<Chunk>>) -> Result<bool, ReplayError> {
        loop {
            match chunks.recv_timeout(LOOK) {
                Ok(chunk) => {
                    let chunk = chunk.map_err(ReplayError::Read)?;
                    self.start.get_or_insert_with(|| self.clock.now());
                    if !self.send(&chunk).map_err(ReplayError::Write)? {
                        return Ok(false);
                    }
                    self.player.figures().sent.loops += u64::from(chunk.ends);
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(true),
                Err(RecvTimeoutError::Timeout) if self.wait(self.now()) => {}
                Err(RecvTimeoutError::Timeout) => return Ok(false),
            }
        }
    }

    /// The time since the start.
    fn now(&self) -> Duration {
        let since = |start| self.clock.now().saturating_sub(start);
        self.start.map_or(Duration::ZERO, since)
    }

    /// Waits, no longer than the replay goes on; returns whether it does then.
    fn wait(&self, until: Duration) -> bool {
        let most = self.player.replay.duration.unwrap_or(Duration::MAX);
        let start = self.start.unwrap_or_default();
        self.clock.wait(start.saturating_add(until.min(most))) && until < most
    }

    /// Sends a chunk. Returns whether the replay goes on.
    fn send(&mut self, chunk: &Chunk) -> io::Result<bool> {
        if !self.wait(self.now().saturating_add(chunk.pause)) {
            return Ok(false);
        }
        let (mut from, mut rest) = (0, &chunk.parts[..]);
        while let Some(first) = rest.first() {
            if !self.wait(first.due.unwrap_or_else(|| self.now())) {
                return Ok(false);
            }
            // All that is due goes into one write: after the other end has blocked, or where there
            // are more records than a clock can tell apart.
            let now = self.now();
            let due = |part: &&Part| part.due.is_none_or(|due| due <= now);
            let n = rest.iter().take_while(due).count().max(1);
            let (parts, later) = rest.split_at(n);
            let end = parts[n - 1].end;
            self.write(&chunk.text, from, parts)?;
            (from, rest) = (end, later);
        }
        Ok(true)
    }

    /// Writes some parts of a text, of which the first begins at `from`.
    fn write(&mut self, text: &[u8], from: usize, parts: &[Part]) -> io::Result<()> {
        self.ends.clear();
        let end = parts.last().map_or(from, |part| part.end);
        let mut bytes = &text[from..end];
        match &mut self.restamp {
            None => self.ends.extend(parts.iter().map(|part| part.end - from)),
            Some(restamp) => {
                self.out.clear();
                let mut at = from;
                for part in parts {
                    if !part.stamp.is_empty() {
                        let old = &text[part.stamp.clone()];
                        let new = restamp.stamp(old, self.clock.time());
                        self.out.extend_from_slice(&text[at..part.stamp.start]);
                        self.out.extend_from_slice(new.as_bytes());
                        at = part.stamp.end;
                    }
                    self.out.extend_from_slice(&text[at..part.end]);
                    at = part.end;
                    self.ends.push(self.out.len());
                }
                bytes = &self.out;
            }
        }
        let mut written = 0;
        let result = write_all(&mut self.sink, bytes, &mut written);
        let now = self.now();
        let mut figures = self.player.figures();
        figures.sent.bytes += written as u64;
        figures.sent.elapsed = now;
        for (part, end) in parts.iter().zip(&self.ends).filter(|(part, _)| part.record) {
            if *end > written {
                figures.sent.failed += 1;
                continue;
            }
            figures.sent.records += 1;
            if let Some(due) = part.due {
                figures.delay(due, now);
            }
        }
        result
    }
}

/// Writes and flushes; says how much was written also if it fails.
fn write_all(sink: &mut impl Write, bytes: &[u8], written: &mut usize) -> io::Result<()> {
    while *written < bytes.len() {
        match sink.write(&bytes[*written..]) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(n) => *written += n,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    sink.flush()
}

//! A file of text that grows, is renamed and made anew, or is cut, as log rotation does it.
//!
//! Each file that stands under the name, one after the other, is a [`Part`]: an input of its own,
//! with a stream of its own, so that a part that is read again, now or under its new name, is the
//! same rows. It is looked at ten times a second; the file system is not asked to tell, since not
//! every one does.
//!
//! A file that takes the name while another is still read is held, and read after it, though it
//! may lose the name in turn.
//!
//! What cannot be seen: what a writer puts into a file between the copy and the cut of
//! `copytruncate`, and a file that came and went between two looks, or while a full sink kept us
//! from looking.

use std::collections::VecDeque;
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::thread;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::mpsc;

use crate::clock;

/// How often a file is looked at: a person does not see a tenth of a second, and two system calls
/// in that time are nothing.
pub const POLL: Duration = Duration::from_millis(100);

/// A file that has lost its name is read until nothing was added for so long: its writer may not
/// know yet.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Files that are held at most until the one before them is read: each is an open file of the
/// process, and none was missed yet where rotation is slower than reading.
const HELD: usize = 64;

/// Bytes of one read.
const CHUNK: usize = 128 << 10;

/// Chunks that are read ahead.
const AHEAD: usize = 2;

/// Bytes before the place that was read to which are compared: other bytes there are another
/// text, though the file is as long as before.
const TAIL: usize = 64;

enum Event {
    /// A file begins.
    Begin {
        modified: Option<i64>,
    },
    Text {
        chunk: Bytes,
        live: bool,
    },
    Failed(io::Error),
}

/// Follows a file by its name, as `tail -F` does, from its beginning.
#[derive(Debug)]
pub struct Follow {
    events: mpsc::Receiver<Event>,
    /// A part has begun that was not given out yet.
    begun: Option<Option<i64>>,
    failed: Option<io::Error>,
}

impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Event::Begin { .. } => "Begin",
            Event::Text { .. } => "Text",
            Event::Failed(_) => "Failed",
        })
    }
}

impl Follow {
    /// Begins, in a thread of its own, which ends soon after this is dropped. A file that is not
    /// there is waited for.
    ///
    /// # Errors
    /// Those of starting a thread.
    pub fn new(path: PathBuf) -> io::Result<Follow> {
        let (sender, events) = mpsc::channel(AHEAD);
        thread::Builder::new()
            .name("follow".to_owned())
            .spawn(move || {
                let mut watch = Watch {
                    path,
                    sender,
                    live: false,
                    held: VecDeque::new(),
                    looked: Instant::now(),
                };
                // `Err`: nobody reads any more.
                if let Ok(Some(error)) = watch.run() {
                    watch.sender.blocking_send(Event::Failed(error)).ok();
                }
            })?;
        Ok(Follow {
            events,
            begun: None,
            failed: None,
        })
    }

    /// Waits for the first text of the next part. What was not read of the one before is skipped.
    ///
    /// # Errors
    /// What the system says; following ends with it.
    pub async fn next(&mut self) -> io::Result<Part<'_>> {
        let modified = loop {
            if let Some(error) = self.failed.take() {
                return Err(error);
            }
            if let Some(modified) = self.begun.take() {
                break modified;
            }
            match self.events.recv().await {
                Some(Event::Begin { modified }) => break modified,
                Some(Event::Text { .. }) => {}
                Some(Event::Failed(error)) => return Err(error),
                None => return Err(io::Error::other("following has ended")),
            }
        };
        Ok(Part {
            follow: self,
            modified,
            chunk: Bytes::new(),
            live: Arc::default(),
        })
    }
}

/// One file of those that stand under the name: ends when another has taken its place.
#[derive(Debug)]
pub struct Part<'a> {
    follow: &'a mut Follow,
    modified: Option<i64>,
    chunk: Bytes,
    live: Arc<AtomicBool>,
}

impl Part<'_> {
    /// When the file was last written before it was first read, in nanoseconds since 1970 UTC.
    pub fn modified(&self) -> Option<i64> {
        self.modified
    }

    /// Becomes true with the first text that was added while we looked: it has just arrived.
    pub fn caught_up(&self) -> Arc<AtomicBool> {
        self.live.clone()
    }
}

impl AsyncRead for Part<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let part = &mut *self;
        if part.chunk.is_empty() {
            if part.follow.begun.is_some() {
                return Poll::Ready(Ok(()));
            }
            match ready!(part.follow.events.poll_recv(cx)) {
                Some(Event::Text { chunk, live }) => {
                    part.live.store(live, Relaxed);
                    part.chunk = chunk;
                }
                Some(Event::Begin { modified }) => {
                    part.follow.begun = Some(modified);
                    return Poll::Ready(Ok(()));
                }
                Some(Event::Failed(error)) => {
                    let told = io::Error::new(error.kind(), error.to_string());
                    part.follow.failed = Some(error);
                    return Poll::Ready(Err(told));
                }
                None => return Poll::Ready(Ok(())),
            }
        }
        let n = part.chunk.len().min(buf.remaining());
        buf.put_slice(&part.chunk[..n]);
        part.chunk.advance(n);
        Poll::Ready(Ok(()))
    }
}

/// Nobody reads any more.
struct Gone;

struct Watch {
    path: PathBuf,
    sender: mpsc::Sender<Event>,
    /// What is read now was written while we looked.
    live: bool,
    /// Files that have taken the name since, in their order.
    held: VecDeque<File>,
    /// When it was last seen to who has the name.
    looked: Instant,
}

impl Watch {
    /// Until nobody reads any more, or something fails.
    fn run(&mut self) -> Result<Option<io::Error>, Gone> {
        let mut told = false;
        // After a cut, a writer that does not append leaves a hole: it is no text.
        let mut hole = false;
        loop {
            let opened = match self.held.pop_front() {
                Some(file) => Ok(file),
                None => File::open(&self.path),
            };
            let opened = opened.and_then(|file| {
                let about = file.metadata()?;
                Ok((file, about))
            });
            let end = match opened {
                Ok((_, about)) if !about.is_file() => {
                    let why = "only a regular file can be followed; without --follow a pipe is \
                               read until it ends";
                    return Ok(Some(io::Error::new(ErrorKind::InvalidInput, why)));
                }
                Ok((file, about)) => {
                    if magic(&file).is_ok_and(|packed| packed) {
                        let why = "only text can be followed, and this is compressed or a capture";
                        return Ok(Some(io::Error::new(ErrorKind::InvalidInput, why)));
                    }
                    self.one(file, &about, hole)?
                }
                Err(e) if e.kind() == ErrorKind::NotFound => {
                    if !std::mem::replace(&mut told, true) && !self.live {
                        tracing::warn!(file = %self.path.display(), "It is not there; waiting for it.");
                    }
                    self.live = true;
                    self.sleep()?;
                    continue;
                }
                Err(e) => Err(e),
            };
            match end {
                Ok(cut) => hole = cut,
                Err(error) => return Ok(Some(error)),
            }
            self.live = true;
        }
    }

    /// One file, until it is cut (`true`) or another has taken its place.
    fn one(
        &mut self,
        mut file: File,
        about: &Metadata,
        mut hole: bool,
    ) -> Result<io::Result<bool>, Gone> {
        let mut begin = Some(Event::Begin {
            modified: about.modified().ok().and_then(clock::nanoseconds),
        });
        let mut buf = vec![0; CHUNK];
        let (mut place, mut tail) = (0, Vec::new());
        // Whether the file may be another text since we looked last.
        let mut fresh = false;
        // Since when it has been quiet, once another file has taken its name.
        let mut quiet = Instant::now();
        loop {
            if std::mem::replace(&mut fresh, false) {
                match same(&mut file, place, &tail) {
                    Ok(true) => {}
                    Ok(false) => return Ok(Ok(true)),
                    Err(e) => return Ok(Err(e)),
                }
            }
            match file.read(&mut buf) {
                Ok(0) => {
                    self.live = true;
                    fresh = true;
                    self.look(&file);
                    match self.held.is_empty() {
                        true => quiet = Instant::now(),
                        false if quiet.elapsed() >= LAST_WORDS => return Ok(Ok(false)),
                        false => {}
                    }
                    self.sleep()?;
                }
                Ok(n) => {
                    place += n as u64;
                    tail.extend_from_slice(&buf[n.saturating_sub(TAIL)..n]);
                    tail.drain(..tail.len().saturating_sub(TAIL));
                    quiet = Instant::now();
                    if self.looked.elapsed() >= POLL {
                        self.look(&file);
                    }
                    let zeros = match hole {
                        true => buf[..n].iter().take_while(|b| **b == 0).count(),
                        false => 0,
                    };
                    hole &= zeros == n;
                    if zeros == n {
                        continue;
                    }
                    if let Some(begin) = begin.take() {
                        self.send(begin)?;
                    }
                    self.send(Event::Text {
                        chunk: Bytes::copy_from_slice(&buf[zeros..n]),
                        live: self.live,
                    })?;
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Ok(Err(e)),
            }
        }
    }

    /// Holds the file that stands under the name, if it is another and has text: while it has none,
    /// nothing is missed.
    fn look(&mut self, file: &File) {
        self.looked = Instant::now();
        if self.held.len() == HELD {
            return;
        }
        let last = self.held.back().unwrap_or(file);
        let other = || -> io::Result<Option<File>> {
            let there = std::fs::metadata(&self.path)?;
            if there.len() == 0 || is_same(&last.metadata()?, &there) {
                return Ok(None);
            }
            File::open(&self.path).map(Some)
        };
        // One that is not there, or cannot be opened yet, may be the next time.
        let Ok(Some(other)) = other() else { return };
        self.held.push_back(other);
        if self.held.len() == HELD {
            tracing::warn!(
                file = %self.path.display(),
                "Files take this name faster than they are read: some may be missed."
            );
        }
    }

    fn send(&self, event: Event) -> Result<(), Gone> {
        self.sender.blocking_send(event).map_err(|_| Gone)
    }

    fn sleep(&self) -> Result<(), Gone> {
        if self.sender.is_closed() {
            return Err(Gone);
        }
        thread::sleep(POLL);
        Ok(())
    }
}

/// Whether the file still has what was read of it: it is as long, and ends there as it did.
fn same(file: &mut File, place: u64, tail: &[u8]) -> io::Result<bool> {
    if file.metadata()?.len() < place {
        return Ok(false);
    }
    let mut there = vec![0; tail.len()];
    file.seek(SeekFrom::Start(place - tail.len() as u64))?;
    match file.read_exact(&mut there) {
        Ok(()) => Ok(there == tail),
        // Cut between the two calls.
        Err(e) if e.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(e) => Err(e),
    }
}

/// Whether a file begins as something that is not text.
fn magic(mut file: &File) -> io::Result<bool> {
    let mut begin = Vec::new();
    file.take(super::MAGIC as u64).read_to_end(&mut begin)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(super::Packing::of(&begin).is_some() || super::Capture::of(&begin).is_some())
}

#[cfg(unix)]
fn is_same(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

/// Elsewhere files cannot be told apart: a cut is seen, a new file only if it is shorter.
#[cfg(not(unix))]
fn is_same(a: &Metadata, b: &Metadata) -> bool {
    a.len() <= b.len()
}

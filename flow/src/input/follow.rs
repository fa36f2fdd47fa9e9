//! Follows a file of text that grows, is renamed and recreated, or is truncated, as log rotation
//! does it.
//!
//! Each file that takes the name is a [`Part`]: an input of its own with a stream of its own, so
//! that a part that is read again, now or under its new name, gives the same rows. The file is
//! checked ten times a second, because not every file system can notify.
//!
//! A file that takes the name while another is still being read is kept open and read next, even if
//! it loses the name in turn.
//!
//! Three things cannot be seen: what a writer puts into a file between the copy and the truncation
//! of `copytruncate`, a file that came and went between two checks, and one that came and went
//! while a full sink kept us from checking.

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

/// How often a file is checked: a person does not notice a tenth of a second, and two system calls
/// in that time cost nothing.
pub const POLL: Duration = Duration::from_millis(100);

/// A file that has lost its name is read until nothing was added for this long: its writer may not
/// know yet.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Maximum number of files that are kept open until they can be read. Each takes a file descriptor;
/// none is missed while files are rotated more slowly than they are read.
const HELD: usize = 64;

/// Bytes of one read.
const CHUNK: usize = 128 << 10;

/// Chunks that are read ahead.
const AHEAD: usize = 2;

/// Bytes before the read position that are compared: if they differ, the file holds another text,
/// though it is not shorter than before.
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
    /// A part has begun that was not returned yet.
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
    /// Starts to follow, in a thread that ends soon after this is dropped. Waits for a file that
    /// does not exist.
    ///
    /// # Errors
    /// The thread cannot be started.
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
                // `Err`: the receiver is gone.
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

    /// Waits for the first text of the next part. Unread text of the previous part is skipped.
    ///
    /// # Errors
    /// The system's error, which ends following.
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

/// One of the files that take the name. It ends when another file has taken its place.
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

    /// Becomes true with the first text that was added while the file was being watched: such text
    /// has just arrived.
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

/// The receiver is gone.
struct Gone;

struct Watch {
    path: PathBuf,
    sender: mpsc::Sender<Event>,
    /// The text that is read now was written while the file was being watched.
    live: bool,
    /// Files that have taken the name since, in order.
    held: VecDeque<File>,
    /// When it was last checked which file has the name.
    looked: Instant,
}

impl Watch {
    /// Runs until the receiver is gone or something fails.
    fn run(&mut self) -> Result<Option<io::Error>, Gone> {
        let mut told = false;
        // After a truncation, a writer that does not append leaves a hole, which is not text.
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
                    let why = "only a regular file can be followed; omit --follow to read a pipe \
                               until it ends";
                    return Ok(Some(io::Error::new(ErrorKind::InvalidInput, why)));
                }
                Ok((file, about)) => {
                    if magic(&file).is_ok_and(|packed| packed) {
                        let why = "only text can be followed; this is compressed or a capture";
                        return Ok(Some(io::Error::new(ErrorKind::InvalidInput, why)));
                    }
                    self.one(file, &about, hole)?
                }
                Err(e) if e.kind() == ErrorKind::NotFound => {
                    if !std::mem::replace(&mut told, true) && !self.live {
                        tracing::warn!(file = %self.path.display(), "File not found; waiting for it.");
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

    /// Reads one file until it is truncated (`true`) or another has taken its place.
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
        // Whether the file may have been replaced by another text since the last check.
        let mut fresh = false;
        // Since when it has been quiet, after another file has taken its name.
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

    /// Keeps the file that has the name now, if it is another one and has text. While it has none,
    /// nothing can be missed.
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
        // A file that does not exist, or cannot be opened yet, may be there the next time.
        let Ok(Some(other)) = other() else { return };
        self.held.push_back(other);
        if self.held.len() == HELD {
            tracing::warn!(
                file = %self.path.display(),
                "Files take this name faster than they can be read; some may be missed."
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

/// Whether the file still has the text that was read: it is not shorter, and has the same bytes
/// there.
fn same(file: &mut File, place: u64, tail: &[u8]) -> io::Result<bool> {
    if file.metadata()?.len() < place {
        return Ok(false);
    }
    let mut there = vec![0; tail.len()];
    file.seek(SeekFrom::Start(place - tail.len() as u64))?;
    match file.read_exact(&mut there) {
        Ok(()) => Ok(there == tail),
        // Truncated between the two calls.
        Err(e) if e.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(e) => Err(e),
    }
}

/// Whether a file begins like something that is not text.
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

/// On other systems files cannot be identified: a truncation is seen, a new file only if it is
/// shorter.
#[cfg(not(unix))]
fn is_same(a: &Metadata, b: &Metadata) -> bool {
    a.len() <= b.len()
}

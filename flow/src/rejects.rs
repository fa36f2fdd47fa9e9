//! Writes records that could not be parsed, and rows that a sink refused, to a file with the
//! reason, so that they can be read again.
//!
//! Each line is a JSON object:
//!
//! | key | |
//! |---|---|
//! | `reason` | `unparsed`: no protocol was found (the record is also in the sinks, with what could be parsed); `refused`: a sink's destination refused the row |
//! | `sink`, `detail` | for `refused`: which sink, and its message |
//! | `sensor`, `stream`, `record` | the identity of the row |
//! | `offset` | where its text begins, in bytes from the start of the input; omitted if unknown |
//! | `time`, `time_source` | as placed, with all digits |
//! | `truncated` | the record was truncated |
//! | `raw` | the text of the record, if it is UTF-8 |
//! | `raw_latin1` | otherwise, each byte as the character of that number: nothing is lost |

mod line;
mod reject;

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use dumpstream::Packets;
use dumpstream::spell::Text;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use self::line::line;
pub(crate) use self::reject::Reject;
use crate::place::append;

/// Maximum number of batches that wait for the file. Each holds the text of one read; whoever has
/// another one waits.
const WAITING: usize = 16;

/// Keeps records that were not parsed or not stored. Clones write to the same file. The default
/// keeps none.
#[derive(Clone, Default)]
pub struct Rejects(Option<Arc<Shared>>);

struct Shared {
    jobs: mpsc::Sender<Job>,
    /// Records handed over, written, and refused by the file.
    offered: AtomicU64,
    kept: AtomicU64,
    lost: AtomicU64,
    error: Mutex<Option<String>>,
    /// Nobody waits for the file any more.
    abandoned: CancellationToken,
}

/// The file.
enum Place {
    Open(File),
    /// Created when the first record is kept.
    Later(PathBuf),
}

impl Place {
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        if let Place::Later(path) = self {
            *self = Place::Open(private(path)?);
        }
        match self {
            // One write, because several programs may write to the file.
            Place::Open(file) => file.write_all(lines),
            Place::Later(_) => unreachable!("it was opened above"),
        }
    }
}

enum Job {
    Keep {
        packets: Packets,
        /// Indices of the packets.
        which: Vec<usize>,
        /// The sink and its message; `None`: the records were not parsed.
        refused: Option<(String, String)>,
    },
    Flush(oneshot::Sender<()>),
}

impl fmt::Debug for Rejects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Rejects").field(&self.0.is_some()).finish()
    }
}

impl Rejects {
    /// Appends to a file, which is created if it does not exist. Only its owner can read it,
    /// because whole records contain payload.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(path: &Path) -> io::Result<Rejects> {
        Rejects::keep(Place::Open(private(path)?))
    }

    /// Like [`Rejects::open`], but the file is created when the first record is kept. That this is
    /// possible is checked now.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn when_needed(path: &Path) -> io::Result<Rejects> {
        let there = path.try_exists()?;
        private(path)?;
        if !there {
            fs::remove_file(path)?;
        }
        Rejects::keep(Place::Later(path.to_owned()))
    }

    fn keep(place: Place) -> io::Result<Rejects> {
        let (jobs, queue) = mpsc::channel(WAITING);
        let shared = Arc::new(Shared {
            jobs,
            offered: AtomicU64::new(0),
            kept: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            error: Mutex::default(),
            abandoned: CancellationToken::new(),
        });
        // Weak, so that the thread ends when there are no senders any more.
        let told = Arc::downgrade(&shared);
        thread::Builder::new()
            .name("rejects".to_owned())
            .spawn(move || work(place, queue, &told))?;
        Ok(Rejects(Some(shared)))
    }

    /// Whether rejects are kept.
    pub fn kept_anywhere(&self) -> bool {
        self.0.is_some()
    }

    /// The number of records kept so far.
    pub fn kept(&self) -> u64 {
        self.0
            .as_ref()
            .map_or(0, |shared| shared.kept.load(Relaxed))
    }

    /// The number of records that could not be kept, because the file failed or was too slow.
    pub fn lost(&self) -> u64 {
        let Some(shared) = &self.0 else { return 0 };
        if !shared.abandoned.is_cancelled() {
            return shared.lost.load(Relaxed);
        }
        let kept = shared.kept.load(Relaxed);
        shared.offered.load(Relaxed).saturating_sub(kept)
    }

    /// The reason why records were lost, if any were.
    pub fn error(&self) -> Option<String> {
        let shared = self.0.as_ref()?;
        let late = || (self.lost() > 0).then(|| "the file could not be written in time".to_owned());
        let error = shared.error.lock().unwrap_or_else(PoisonError::into_inner);
        error.clone().or_else(late)
    }

    /// Keeps those packets whose protocol was not found. Waits while the file is behind.
    pub async fn unparsed(&self, packets: &Packets) {
        let Some(shared) = &self.0 else { return };
        let odd = packets.iter().enumerate().filter(|(_, p)| !p.parsed());
        let which: Vec<usize> = odd.map(|(i, _)| i).collect();
        if which.is_empty() {
            return;
        }
        let job = Job::Keep {
            packets: packets.clone(),
            which,
            refused: None,
        };
        shared.send(job).await;
    }

    /// Keeps the packet at an index, which the destination of `sink` refused with the message
    /// `detail`.
    ///
    /// # Panics
    /// In an asynchronous context, because it waits while the file is behind.
    pub fn refused_blocking(&self, packets: &Packets, index: usize, sink: &str, detail: &str) {
        if let Some(shared) = &self.0 {
            let job = Job::refused(packets, index, sink, detail);
            shared.offer(&job);
            shared.jobs.blocking_send(job).ok();
        }
    }

    /// Like [`Rejects::refused_blocking`], for a sink that does not block.
    pub async fn refused(&self, packets: &Packets, index: usize, sink: &str, detail: &str) {
        if let Some(shared) = &self.0 {
            shared
                .send(Job::refused(packets, index, sink, detail))
                .await;
        }
    }

    /// Stops waiting for a file that is behind: from now on, what finds no room is lost and
    /// counted.
    pub fn abandon(&self) {
        if let Some(shared) = &self.0 {
            shared.abandoned.cancel();
        }
    }

    /// Waits until everything that was handed over before is in the file.
    pub async fn flush(&self) {
        if let Some(shared) = &self.0 {
            let (done, written) = oneshot::channel();
            shared.send(Job::Flush(done)).await;
            // There is no answer after `abandon`.
            written.await.ok();
        }
    }
}

impl Shared {
    async fn send(&self, job: Job) {
        self.offer(&job);
        tokio::select! {
            biased;
            // The thread ends only when there are no senders any more.
            sent = self.jobs.send(job) => debug_assert!(sent.is_ok(), "the thread is there"),
            () = self.abandoned.cancelled() => {}
        }
    }

    fn offer(&self, job: &Job) {
        if let Job::Keep { which, .. } = job {
            self.offered.fetch_add(which.len() as u64, Relaxed);
        }
    }
}

impl Job {
    fn refused(packets: &Packets, index: usize, sink: &str, detail: &str) -> Job {
        Job::Keep {
            packets: packets.clone(),
            which: vec![index],
            refused: Some((sink.to_owned(), detail.to_owned())),
        }
    }
}

/// Opens a file to append lines to, and creates it if it does not exist. Only its owner can read
/// it.
///
/// # Errors
/// The file cannot be opened.
fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    // A pipe is opened though nobody reads it yet.
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let (file, _) = append(path, &mut options, Some(b'\n'))?;
    Ok(file)
}

fn work(mut place: Place, mut queue: mpsc::Receiver<Job>, told: &std::sync::Weak<Shared>) {
    let mut text = Text::new();
    while let Some(job) = queue.blocking_recv() {
        let (packets, which, refused) = match job {
            Job::Keep {
                packets,
                which,
                refused,
            } => (packets, which, refused),
            Job::Flush(done) => {
                // The caller may have given up.
                done.send(()).ok();
                continue;
            }
        };
        text.out.clear();
        for index in &which {
            line(&mut text, packets.packet(*index), refused.as_ref());
        }
        let written = place.write(&text.out);
        let Some(shared) = told.upgrade() else { return };
        let count = which.len() as u64;
        match written {
            Ok(()) => shared.kept.fetch_add(count, Relaxed),
            Err(error) => {
                let mut said = shared.error.lock().unwrap_or_else(PoisonError::into_inner);
                if said.is_none() {
                    tracing::warn!(%error, "Cannot write rejects; from now on some are lost.");
                    *said = Some(error.to_string());
                }
                shared.lost.fetch_add(count, Relaxed)
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dumpstream::TimeSource;
    use dumpstream::framing::{Batch, CutKind, Framer, Tail};
    use dumpstream::{Namespace, Origin, Parser};

    #[tokio::test]
    async fn a_file_is_made_when_it_is_needed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rejected.jsonl");
        let rejects = Rejects::when_needed(&file).unwrap();
        rejects.flush().await;
        assert!(!file.exists());
        let text = b"1700000000.123456789 IP 10.0.0.1.53 > 10.0.0.2.9: 1 A? a. (27)\n";
        let mut framer = Framer::new();
        framer.next(text, Tail::Final).unwrap();
        let batch = Batch::new(text.to_vec(), framer.style());
        let mut packets = Parser::new(Namespace::tcpdump()).unwrap().parse(batch);
        Origin::new("s").stream("t").place(&mut packets);
        for _ in 0..2 {
            rejects
                .refused(&packets, 0, "cassandra://h/k.t", "no")
                .await;
        }
        rejects.flush().await;
        assert_eq!((rejects.kept(), rejects.lost()), (2, 0));
        let kept = fs::read(&file).unwrap();
        let lines: Vec<_> = kept.split_inclusive(|b| *b == b'\n').collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(Reject::read(lines[1]).unwrap().raw, text);
        // One that is there stays there.
        Rejects::when_needed(&file).unwrap().flush().await;
        assert_eq!(fs::read(&file).unwrap(), kept);
        assert!(Rejects::when_needed(&folder.path().join("none/file")).is_err());
    }

    #[test]
    fn every_byte_comes_back() {
        let all: Vec<u8> = (0..=255).collect();
        let head = b"1700000000.123456789 XYZ ";
        for raw in [&all[..], "caf\u{e9} \u{202e}\\".as_bytes()] {
            let raw = [&head[..], raw, b"\n"].concat();
            let mut framer = Framer::new();
            framer.next(&raw, Tail::Final).unwrap();
            let batch = Batch::new(raw.clone(), framer.style())
                .at(7)
                .cut(CutKind::Truncated);
            let mut packets = Parser::new(Namespace::tcpdump()).unwrap().parse(batch);
            Origin::new("s\x1b").stream("\"").place(&mut packets);
            let mut text = Text::new();
            let refused = ("sqlite:x".to_owned(), "no \u{1b}".to_owned());
            line(&mut text, packets.packet(0), Some(&refused));
            let spelt = String::from_utf8(text.out).unwrap();
            assert!(spelt.contains("\"offset\":7,"), "{spelt}");
            assert!(!spelt.trim_end().contains(char::is_control), "{spelt}");
            let read = Reject::read(spelt.as_bytes()).unwrap();
            assert_eq!(
                (read.sensor.as_str(), read.stream.as_str()),
                ("s\x1b", "\"")
            );
            assert_eq!((read.record, read.time), (1, 1_700_000_000_123_456_789));
            assert_eq!((read.source, read.truncated), (TimeSource::Packet, true));
            assert_eq!(read.raw, raw);
        }
    }
}

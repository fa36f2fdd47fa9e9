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

mod file;
mod line;
mod reject;

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use dumpstream::Packets;
use dumpstream::spell::Text;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use self::file::RejectsFile;
use self::line::line;
pub(crate) use self::reject::Reject;
use crate::causes::causes;
use crate::sink::SinkError;
use crate::sink::patience::{Abandoned, Patience};

/// Maximum number of batches that wait for the file. Each holds the text of one read.
const WAITING: usize = 16;

/// How long a full queue is waited for while the file accepts nothing. Then rejects are dropped and
/// counted, so that a stuck file neither stops senders nor costs the rows of a sink.
const STALLED: Duration = Duration::from_secs(1);

/// How often a blocked thread looks for room.
const LOOK: Duration = Duration::from_millis(5);

/// Why rejects are dropped if the file does not fail.
const LATE: &str = "the file could not be written in time";

/// Keeps records that were not parsed or not stored. Clones write to the same file. The default
/// keeps none.
#[derive(Clone, Default)]
pub struct Rejects(Option<Arc<Shared>>);

struct Shared {
    jobs: mpsc::Sender<Job>,
    /// Records handed over, written, and dropped because of the file.
    offered: AtomicU64,
    kept: AtomicU64,
    lost: AtomicU64,
    error: Mutex<Option<String>>,
    /// When the queue was first found full since the file last accepted something.
    full: Mutex<Option<Instant>>,
    /// Nobody waits for the file any more.
    abandoned: CancellationToken,
    /// The same, for the thread.
    given_up: Abandoned,
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
    pub fn open(path: &Path) -> Result<Rejects, SinkError> {
        let mut file = RejectsFile::new(path);
        file.open()?;
        Rejects::keep(file)
    }

    /// Like [`Rejects::open`], but the file is created when the first record is kept. That this is
    /// possible is checked now.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn when_needed(path: &Path) -> Result<Rejects, SinkError> {
        let file = RejectsFile::new(path);
        file.check()?;
        Rejects::keep(file)
    }

    fn keep(file: RejectsFile) -> Result<Rejects, SinkError> {
        let (jobs, queue) = mpsc::channel(WAITING);
        let given_up = Abandoned::default();
        let shared = Arc::new(Shared {
            jobs,
            offered: AtomicU64::new(0),
            kept: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            error: Mutex::default(),
            full: Mutex::default(),
            abandoned: CancellationToken::new(),
            given_up: given_up.clone(),
        });
        // Weak, so that the thread ends when there are no senders any more.
        let told = Arc::downgrade(&shared);
        let name = file.name().to_owned();
        thread::Builder::new()
            .name("rejects".to_owned())
            .spawn(move || work(file, queue, &told, &given_up))
            .map_err(SinkError::io(&name, "start its thread"))?;
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
        let late = || (self.lost() > 0).then(|| LATE.to_owned());
        let error = shared.error.lock().unwrap_or_else(PoisonError::into_inner);
        error.clone().or_else(late)
    }

    /// Keeps those packets whose protocol was not found. Waits while the file is behind, unless it
    /// accepts nothing.
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
    /// It blocks while the file is behind, unless the file accepts nothing.
    pub fn refused_blocking(&self, packets: &Packets, index: usize, sink: &str, detail: &str) {
        if let Some(shared) = &self.0 {
            shared.send_blocking(Job::refused(packets, index, sink, detail));
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

    /// Returns whether everything that was handed over before is in the file. Without a file nothing
    /// is kept.
    pub async fn complete(&self) -> bool {
        self.flush().await;
        self.kept_anywhere() && self.lost() == 0
    }

    /// Stops waiting for a file that is behind: from now on, what finds no room is lost and
    /// counted.
    pub fn abandon(&self) {
        if let Some(shared) = &self.0 {
            shared.abandoned.cancel();
            shared.given_up.set();
        }
    }

    /// Waits until everything that was handed over before is in the file, unless the file accepts
    /// nothing.
    pub async fn flush(&self) {
        let Some(shared) = &self.0 else { return };
        let (done, written) = oneshot::channel();
        let flushed = async {
            tokio::select! {
                biased;
                () = shared.abandoned.cancelled() => {}
                sent = shared.jobs.send(Job::Flush(done)) => drop(sent),
            }
            // There is no answer after `abandon`.
            written.await.ok();
        };
        tokio::pin!(flushed);
        loop {
            let kept = self.kept();
            tokio::select! {
                biased;
                () = &mut flushed => return,
                () = tokio::time::sleep(STALLED) => {}
            }
            if self.kept() == kept {
                self.abandon();
                return flushed.await;
            }
        }
    }
}

impl Shared {
    async fn send(&self, job: Job) {
        self.offered.fetch_add(job.records(), Relaxed);
        let Err(TrySendError::Full(job)) = self.jobs.try_send(job) else {
            return;
        };
        loop {
            let Some(until) = self.patience() else {
                return self.lose(&job);
            };
            tokio::select! {
                biased;
                room = self.jobs.reserve() => {
                    return room.map_or((), |room| room.send(job));
                }
                () = self.abandoned.cancelled() => return,
                () = tokio::time::sleep_until(until.into()) => {}
            }
        }
    }

    fn send_blocking(&self, mut job: Job) {
        self.offered.fetch_add(job.records(), Relaxed);
        while let Err(TrySendError::Full(again)) = self.jobs.try_send(job) {
            job = again;
            if self.patience().is_none() {
                return self.lose(&job);
            }
            thread::sleep(LOOK);
        }
    }

    /// How long the full queue is waited for; `None`: not any more.
    fn patience(&self) -> Option<Instant> {
        let mut full = self.full.lock().unwrap_or_else(PoisonError::into_inner);
        let until = *full.get_or_insert_with(Instant::now) + STALLED;
        (Instant::now() < until && !self.abandoned.is_cancelled()).then_some(until)
    }

    /// The file has accepted something.
    fn moves(&self) {
        *self.full.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn lose(&self, job: &Job) {
        self.lost.fetch_add(job.records(), Relaxed);
        self.fails(LATE.to_owned());
    }

    /// Reports the first failure of the file.
    fn fails(&self, why: String) {
        let mut said = self.error.lock().unwrap_or_else(PoisonError::into_inner);
        if said.is_none() {
            tracing::warn!("Cannot write rejects; dropping some: {why}.");
            *said = Some(why);
        }
    }
}

impl Job {
    /// The number of records.
    fn records(&self) -> u64 {
        match self {
            Job::Keep { which, .. } => which.len() as u64,
            Job::Flush(_) => 0,
        }
    }

    fn refused(packets: &Packets, index: usize, sink: &str, detail: &str) -> Job {
        Job::Keep {
            packets: packets.clone(),
            which: vec![index],
            refused: Some((sink.to_owned(), detail.to_owned())),
        }
    }
}

fn work(
    mut file: RejectsFile,
    mut queue: mpsc::Receiver<Job>,
    told: &Weak<Shared>,
    given_up: &Abandoned,
) {
    let mut text = Text::new();
    let mut patience = Patience::new(file.name(), given_up);
    while let Some(job) = queue.blocking_recv() {
        let count = job.records();
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
        let (kept, end) = file.write(&text.out, &mut patience);
        let Some(shared) = told.upgrade() else { return };
        shared.kept.fetch_add(kept, Relaxed);
        shared.lost.fetch_add(count - kept, Relaxed);
        match end {
            Ok(()) => shared.moves(),
            Err(error) => shared.fails(causes(&error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

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

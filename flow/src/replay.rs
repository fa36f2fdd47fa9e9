//! Sends recorded text at its original pace.

mod schedule;

use std::fmt;
use std::io;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use dumpstream::framing::{CutKind, Framer, Skipped, Tail};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use self::schedule::Schedule;

/// Bytes per read.
const READ: usize = 64 << 10;

/// Maximum number of bytes that are held back until their records are due.
const PENDING: usize = 64 << 10;

/// How fast recorded text is sent.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Pace {
    /// By the time stamps of the text, at this multiple of their speed.
    Multiplier(f64),
    /// As fast as the other end reads.
    TopSpeed,
}

/// Sends recorded text, every byte unchanged, each record when its stamp says.
///
/// The first record is sent immediately and every other at a fixed time after it, so that the
/// errors of waits do not add up; after the other end has blocked, the replay catches up. A record
/// whose stamp goes back is sent immediately. A time of day that goes back by more than half a day
/// belongs to the next day.
///
/// ```
/// use std::time::Duration;
/// use dumpstream_flow::replay::{Pace, Replay};
/// use tokio_util::sync::CancellationToken;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let text = &b"00:00:00.000000 ARP, Request who-has 192.0.2.1 tell 192.0.2.2, length 28\n\
///     01:00:00.000000 ARP, Reply 192.0.2.1 is-at 02:00:00:00:00:01, length 28\n"[..];
/// let mut sent = Vec::new();
/// let replay = Replay::new(Pace::Multiplier(1.0)).max_gap(Duration::from_millis(5));
/// let replayed = replay.run(text, &mut sent, CancellationToken::new()).await?;
/// assert_eq!((replayed.records, sent.as_slice()), (2, text));
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Replay {
    pace: Pace,
    max_gap: Option<Duration>,
    framer: Framer,
}

impl Replay {
    /// Creates a replay at a pace; a multiplier that is not above 0 counts as 1.
    pub fn new(pace: Pace) -> Replay {
        let pace = match pace {
            Pace::Multiplier(times) if !(times > 0.0 && times.is_finite()) => Pace::Multiplier(1.0),
            pace => pace,
        };
        Replay {
            pace,
            max_gap: None,
            framer: Framer::new(),
        }
    }

    /// Sets the longest time between two records, by their stamps and before the multiplier. By
    /// default there is no limit.
    pub fn max_gap(self, max_gap: Duration) -> Replay {
        Replay {
            max_gap: Some(max_gap),
            ..self
        }
    }

    /// Sets how the text is cut into records.
    pub fn framer(self, framer: Framer) -> Replay {
        Replay { framer, ..self }
    }

    /// Sends `source` to `sink` until its end or until `cancel`. The sink is flushed but not shut
    /// down.
    ///
    /// # Errors
    /// Reading or writing fails.
    pub async fn run(
        &self,
        mut source: impl AsyncRead + Unpin,
        mut sink: impl AsyncWrite + Unpin,
        cancel: CancellationToken,
    ) -> io::Result<Replayed> {
        let start = Instant::now();
        let mut replayed = Replayed::default();
        let ended = tokio::select! {
            biased;
            () = cancel.cancelled() => Ok(()),
            ended = self.send(&mut source, &mut sink, start, &mut replayed) => ended,
        };
        replayed.elapsed = start.elapsed();
        ended.map(|()| replayed)
    }

    async fn send(
        &self,
        source: &mut (impl AsyncRead + Unpin),
        sink: &mut (impl AsyncWrite + Unpin),
        start: Instant,
        replayed: &mut Replayed,
    ) -> io::Result<()> {
        let mut framer = self.framer.clone();
        let mut schedule = Schedule::new(start, self.pace, self.max_gap)?;
        let mut buf = BytesMut::new();
        // What is due but not yet written; with many records per millisecond, one write takes many.
        let mut pending = Pending::default();
        let mut tail = Tail::Open;
        while tail == Tail::Open {
            buf.reserve(READ);
            if source.read_buf(&mut buf).await? == 0 {
                tail = Tail::Final;
            }
            while let Some(cut) = framer.next(&buf, tail) {
                let text = &buf[..cut.len];
                if let CutKind::Skipped(_) = cut.kind {
                    replayed.skipped = framer.skipped();
                } else {
                    if let Some(due) = schedule.due(text, framer.style())
                        && due > Instant::now()
                    {
                        replayed.write(sink, &mut pending).await?;
                        sleep_until(due).await;
                    }
                    pending.records += 1;
                }
                pending.text.extend_from_slice(text);
                buf.advance(cut.len);
                if pending.text.len() >= PENDING {
                    replayed.write(sink, &mut pending).await?;
                }
            }
            // The source may be slow; what is due does not wait for it.
            replayed.write(sink, &mut pending).await?;
        }
        Ok(())
    }
}

/// What is due but not yet written.
#[derive(Default)]
struct Pending {
    text: Vec<u8>,
    records: u64,
}

/// What a replay has sent.
///
/// Its `Display` prints lines like tcpreplay's closing lines.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Replayed {
    /// Records.
    pub records: u64,
    /// Bytes, including those that belong to no record.
    pub bytes: u64,
    /// The bytes that belong to no record, by reason.
    pub skipped: Skipped,
    /// How long it took.
    pub elapsed: Duration,
}

impl Replayed {
    async fn write(
        &mut self,
        sink: &mut (impl AsyncWrite + Unpin),
        pending: &mut Pending,
    ) -> io::Result<()> {
        if pending.text.is_empty() {
            return Ok(());
        }
        sink.write_all(&pending.text).await?;
        sink.flush().await?;
        self.bytes += pending.text.len() as u64;
        self.records += std::mem::take(&mut pending.records);
        pending.text.clear();
        Ok(())
    }
}

impl fmt::Display for Replayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Avoid a division by zero.
        let seconds = self.elapsed.as_secs_f64().max(1e-9);
        let rate = self.bytes as f64 / seconds;
        write!(
            f,
            "Actual: {} packets ({} bytes) sent in {:.6} seconds\n\
             Rated: {:.1} Bps, {:.2} Mbps, {:.2} pps",
            self.records,
            self.bytes,
            self.elapsed.as_secs_f64(),
            rate,
            rate * 8.0 / 1e6,
            self.records as f64 / seconds,
        )
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::task::Poll;

    use super::*;

    /// Keeps each write, and when it came.
    #[derive(Clone, Debug)]
    struct Recorder {
        start: Instant,
        writes: Arc<Mutex<Vec<Write>>>,
    }

    #[derive(Debug)]
    struct Write {
        millis: u128,
        text: Vec<u8>,
    }

    impl Recorder {
        fn new() -> Recorder {
            Recorder {
                start: Instant::now(),
                writes: Arc::default(),
            }
        }

        /// When the records came, in milliseconds.
        fn times(&self) -> Vec<u128> {
            self.writes
                .lock()
                .unwrap()
                .iter()
                .map(|write| write.millis)
                .collect()
        }

        fn text(&self) -> Vec<u8> {
            self.writes
                .lock()
                .unwrap()
                .iter()
                .flat_map(|write| write.text.clone())
                .collect()
        }
    }

    impl AsyncWrite for Recorder {
        fn poll_write(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            let write = Write {
                millis: self.start.elapsed().as_millis(),
                text: buf.to_vec(),
            };
            self.writes.lock().unwrap().push(write);
            Poll::Ready(Ok(buf.len()))
        }

        fn poll_flush(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn arp(stamp: &str) -> String {
        format!("{stamp} ARP, Request who-has 192.0.2.1 tell 192.0.2.2, length 28\n")
    }

    async fn times(replay: Replay, text: &str) -> Vec<u128> {
        let recorder = Recorder::new();
        let sent = replay
            .run(text.as_bytes(), recorder.clone(), CancellationToken::new())
            .await;
        let sent = sent.unwrap();
        assert_eq!(recorder.text(), text.as_bytes());
        assert_eq!(sent.bytes, text.len() as u64);
        recorder.times()
    }

    // Under a paused clock sleeping costs nothing, and times are exact.

    #[tokio::test(start_paused = true)]
    async fn records_come_when_their_stamps_say() {
        let text = [
            arp("10:00:00.000000"),
            arp("10:00:00.500000"),
            arp("10:00:02.000000"),
        ]
        .concat();
        assert_eq!(
            times(Replay::new(Pace::Multiplier(1.0)), &text).await,
            [0, 500, 2000]
        );
        assert_eq!(
            times(Replay::new(Pace::Multiplier(10.0)), &text).await,
            [0, 50, 200]
        );
        assert_eq!(
            times(Replay::new(Pace::TopSpeed), &text).await,
            [0, 0],
            "a write for each read"
        );
        let capped = Replay::new(Pace::Multiplier(1.0)).max_gap(Duration::from_millis(700));
        assert_eq!(times(capped, &text).await, [0, 500, 1200]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stamp_that_goes_back_is_sent_at_once() {
        let text = [
            arp("10:00:01.000000"),
            arp("10:00:00.000000"),
            arp("10:00:02.000000"),
        ]
        .concat();
        assert_eq!(
            times(Replay::new(Pace::Multiplier(1.0)), &text).await,
            [0, 1000]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn midnight_is_no_step_back() {
        let text = [arp("23:59:59.500000"), arp("00:00:00.500000")].concat();
        assert_eq!(
            times(Replay::new(Pace::Multiplier(1.0)), &text).await,
            [0, 1000]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn every_stamp_form_is_followed() {
        for (first, second) in [
            ("1700000000.000000", "1700000001.000000"),
            ("2023-11-14 22:13:20.000000", "2023-11-14 22:13:21.000000"),
            ("10:00:00.000000000", "10:00:01.000000000"),
        ] {
            let text = [arp(first), arp(second)].concat();
            assert_eq!(
                times(Replay::new(Pace::Multiplier(2.0)), &text).await,
                [0, 500],
                "{first}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_of_no_record_stay_in_their_place() {
        let text = format!(
            "reading from file x.pcap, link-type EN10MB (Ethernet)\n{}\tlate text\n{}2 packets captured\n",
            arp("10:00:00.000000"),
            arp("10:00:01.000000"),
        );
        assert_eq!(
            times(Replay::new(Pace::Multiplier(1.0)), &text).await,
            [0, 1000]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn cancelling_ends_a_long_wait() {
        let text = [arp("10:00:00.000000"), arp("11:00:00.000000")].concat();
        let cancel = CancellationToken::new();
        let later = cancel.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            later.cancel();
        });
        let mut sent = Vec::new();
        let replay = Replay::new(Pace::Multiplier(1.0));
        let replayed = replay
            .run(text.as_bytes(), &mut sent, cancel)
            .await
            .unwrap();
        assert_eq!(replayed.elapsed.as_millis(), 1000);
        assert_eq!(sent, arp("10:00:00.000000").as_bytes());
    }

    #[test]
    fn the_closing_lines_are_those_of_tcpreplay() {
        let replayed = Replayed {
            records: 200,
            bytes: 13367,
            skipped: Skipped::default(),
            elapsed: Duration::from_millis(500),
        };
        assert_eq!(
            replayed.to_string(),
            "Actual: 200 packets (13367 bytes) sent in 0.500000 seconds\n\
             Rated: 26734.0 Bps, 0.21 Mbps, 400.00 pps"
        );
    }
}

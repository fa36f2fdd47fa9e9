//! Sends the text of records on to a port, as `tcpdump … | nc HOST PORT` does.

use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use dumpstream::Packets;
use socket2::SockRef;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};
use tracing::warn;

use super::dial::{CONNECT_TIMEOUT, first_answer};
use super::{Keepalive, Retry};
use crate::sink::{BoxFuture, Sink, SinkError, Written};

/// How long the other end may take to read what the kernel holds, after everything was sent.
const LINGER: Duration = Duration::from_secs(30);

/// How long the reset of a connection may be on its way.
const RESET: Duration = Duration::from_millis(500);

/// Bytes of one write.
const CHUNK: usize = 64 << 10;

/// A sink that sends each record's own text to a port.
///
/// It connects when there is something to send, and again when the connection ends. A connection
/// begins with a record's head: a record that an earlier one cut off is counted as dropped. One
/// counts as delivered when the kernel has taken it; what the kernel still holds when a connection
/// breaks is lost, which the receiver sees by the numbers of `-#`.
#[derive(Debug)]
pub struct Uplink {
    name: String,
    hosts: Vec<SocketAddr>,
    retry: Retry,
    connection: Mutex<Option<Open>>,
    /// Rows of the present write that are sent.
    sent: AtomicU64,
}

impl Uplink {
    /// To the first of these addresses that answers; `name` is for messages. They are not looked up
    /// again.
    pub fn new(name: impl Into<String>, hosts: Vec<SocketAddr>) -> Uplink {
        Uplink {
            name: name.into(),
            hosts,
            retry: Retry::new(),
            connection: Mutex::new(None),
            sent: AtomicU64::new(0),
        }
    }

    /// Connects, however long that takes.
    async fn connect(&self) -> Open {
        let mut failures = 0;
        loop {
            let last = match first_answer(&self.hosts, CONNECT_TIMEOUT, TcpStream::connect).await {
                Ok(tcp) => {
                    // It also works without them.
                    tcp.set_nodelay(true).ok();
                    Keepalive::default().set(&tcp).ok();
                    if failures > 0 {
                        // Whoever read that it failed waits for this.
                        warn!("{} accepted the connection.", self.name);
                    }
                    return Open { tcp, half: false };
                }
                Err(error) => error,
            };
            failures += 1;
            let wait = self.retry.wait(failures);
            let shown = Duration::from_millis(wait.as_millis() as u64);
            warn!(
                "{}: cannot connect: {last}; retrying in {shown:?}.",
                self.name
            );
            sleep(wait).await;
        }
    }

    /// Sends a chunk of records, which end at `ends`. Returns how many were lost by the end of a
    /// connection.
    async fn send(&self, open: &mut Option<Open>, chunk: &[u8], ends: &[usize]) -> u64 {
        let (mut at, mut next, mut lost) = (0, 0, 0);
        while next < ends.len() {
            let Some(connection) = open else {
                // A connection begins with a record's head.
                if at > next.checked_sub(1).map_or(0, |last| ends[last]) {
                    at = ends[next];
                    next += 1;
                    lost += 1;
                } else {
                    *open = Some(self.connect().await);
                }
                continue;
            };
            let doubtful = !connection.half && ended(&connection.tcp);
            let end = if doubtful { ends[next] } else { chunk.len() };
            let failed = match connection.tcp.write(&chunk[at..end]).await {
                Ok(n) => {
                    at += n;
                    match doubtful {
                        true => connection.reset().await,
                        false => None,
                    }
                }
                Err(error) => Some(error),
            };
            if let Some(error) = failed {
                warn!("{}: the connection ended: {error}.", self.name);
                *open = None;
                continue;
            }
            let whole = ends[next..].iter().take_while(|end| **end <= at).count();
            next += whole;
            self.sent.fetch_add(whole as u64, Relaxed);
        }
        lost
    }
}

/// An open connection.
#[derive(Debug)]
struct Open {
    tcp: TcpStream,
    /// The other end has closed its half and still reads.
    half: bool,
}

impl Open {
    /// The other end has closed its half, and something was written since: it may still read, as
    /// `socat -u` does, or be gone. Then a reset is the answer.
    async fn reset(&mut self) -> Option<io::Error> {
        sleep(RESET).await;
        let error = self.tcp.take_error();
        self.half = matches!(error, Ok(None));
        error.unwrap_or_else(Some)
    }
}

/// Whether the other end has closed its half. What it may have sent before is not for us.
///
/// The kernel is asked, not tokio, which may learn of it only later.
fn ended(tcp: &TcpStream) -> bool {
    let socket = SockRef::from(tcp);
    let mut theirs = [MaybeUninit::uninit(); 512];
    loop {
        match socket.recv(&mut theirs) {
            Ok(0) => return true,
            Ok(_) => {}
            // Nothing came; or an error, which is one of the next write, too.
            Err(_) => return false,
        }
    }
}

impl Sink for Uplink {
    fn write<'a>(&'a self, rows: &'a [Packets]) -> BoxFuture<'a, Result<Written, SinkError>> {
        Box::pin(async move {
            self.sent.store(0, Relaxed);
            let mut connection = self.connection.lock().await;
            let (mut chunk, mut ends, mut dropped) = (Vec::new(), Vec::new(), 0);
            for packet in rows.iter().flat_map(Packets::iter) {
                chunk.extend_from_slice(packet.raw());
                if !chunk.ends_with(b"\n") {
                    // A record that was cut at the limit must not join the next one.
                    chunk.push(b'\n');
                }
                ends.push(chunk.len());
                if chunk.len() >= CHUNK {
                    dropped += self.send(&mut connection, &chunk, &ends).await;
                    chunk.clear();
                    ends.clear();
                }
            }
            dropped += self.send(&mut connection, &chunk, &ends).await;
            Ok(Written {
                delivered: self.sent.load(Relaxed),
                dropped,
                ..Written::default()
            })
        })
    }

    /// Closes our half of the connection, and waits until the other end has read everything.
    fn close<'a>(&'a self) -> BoxFuture<'a, Result<(), SinkError>> {
        Box::pin(async move {
            if let Some(Open { mut tcp, .. }) = self.connection.lock().await.take() {
                // An error here comes after everything was sent.
                tcp.shutdown().await.ok();
                let mut theirs = tokio::io::sink();
                timeout(LINGER, tokio::io::copy(&mut tcp, &mut theirs))
                    .await
                    .ok();
            }
            Ok(())
        })
    }

    fn give_up(&self) -> u64 {
        self.sent.load(Relaxed)
    }
}

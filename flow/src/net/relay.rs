//! What netcat itself does: bytes from an input to a socket and from the socket to an output, both
//! ways at the same time.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::{Connection, Listener};

/// Bytes of one read.
const ROOM: usize = 256 << 10;

/// Bytes of one write at most, as many as a pipe holds: what a slow reader takes counts soon.
const PIECE: usize = 64 << 10;

/// When a relay ends, beside the end of both ways.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RelayOptions {
    /// It ends when no byte has moved for this long; if bytes were waiting to be written, it fails.
    pub idle: Option<Duration>,
    /// It ends this long after the end of the input, even if the other end has more to say.
    pub quit: Option<Duration>,
    /// It ends when the other end closes its half, even if the input has more.
    pub until_closed: bool,
}

/// Why a relay failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RelayError {
    /// The input cannot be read.
    #[error("input: {0}")]
    Input(#[source] io::Error),
    /// The output cannot be written to.
    #[error("output: {0}")]
    Output(#[source] io::Error),
    /// The other end does not take everything.
    #[error("the other end stopped reading after {sent} bytes: {source}")]
    Send {
        /// Bytes that were handed to the system; the last ones may not have arrived.
        sent: u64,
        /// The system's error.
        source: io::Error,
    },
    /// The connection broke off.
    #[error("the connection broke off after {received} bytes: {source}")]
    Receive {
        /// Bytes that were received, and written to the output.
        received: u64,
        /// The system's error.
        source: io::Error,
    },
}

/// What a relay has moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Relayed {
    /// Bytes from the input to the socket.
    pub sent: u64,
    /// Bytes from the socket to the output.
    pub received: u64,
}

impl fmt::Display for Relayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes sent, {} received", self.sent, self.received)
    }
}

/// Moves bytes both ways, unchanged, until both ways have ended: the input's end closes our half of
/// the connection, and the end of the other half does not stop what is sent.
///
/// # Errors
/// The first failure, after everything that was received is written to the output.
pub async fn relay(
    socket: impl AsyncRead + AsyncWrite,
    mut input: impl AsyncRead + Unpin,
    mut output: impl AsyncWrite + Unpin,
    options: &RelayOptions,
) -> Result<Relayed, RelayError> {
    let (mut read, mut write) = tokio::io::split(socket);
    let (sent, received) = (Way::default(), Way::default());
    let sending = async {
        let copied = sent.copy(&mut input, &mut write).await;
        copied.map_err(|fault| match fault {
            Fault::Read(error) => RelayError::Input(error),
            Fault::Write(source) => RelayError::Send {
                sent: sent.bytes.get(),
                source,
            },
        })?;
        // The other end may have closed everything by now, and needs no word of ours.
        write.shutdown().await.ok();
        match options.quit {
            Some(quit) => sleep(quit).await,
            None => return Ok(false),
        }
        Ok(true)
    };
    let receiving = async {
        let copied = received.copy(&mut read, &mut output).await;
        copied.map_err(|fault| match fault {
            Fault::Write(error) => RelayError::Output(error),
            Fault::Read(source) => RelayError::Receive {
                received: received.bytes.get(),
                source,
            },
        })
    };
    let idle = async {
        let Some(idle) = options.idle else {
            return std::future::pending().await;
        };
        loop {
            let last = sent.moved.get().max(received.moved.get());
            match last.checked_add(idle) {
                Some(end) if end <= Instant::now() => return,
                Some(end) => sleep_until(end).await,
                None => std::future::pending().await,
            }
        }
    };
    let moved = || Relayed {
        sent: sent.bytes.get(),
        received: received.bytes.get(),
    };
    tokio::pin!(sending, receiving, idle);
    let (mut sends, mut receives) = (true, true);
    let mut failed = None;
    while sends || receives {
        tokio::select! {
            ended = &mut sending, if sends => {
                sends = false;
                match ended {
                    Ok(quit) if quit => break,
                    Ok(_) => {}
                    // What the other end has sent before is still to be read.
                    Err(error @ RelayError::Send { .. }) => failed = Some(error),
                    Err(error) => return Err(error),
                }
            }
            ended = &mut receiving, if receives => {
                receives = false;
                match ended {
                    Ok(()) if options.until_closed => break,
                    Ok(()) => {}
                    Err(error) => return Err(failed.unwrap_or(error)),
                }
            }
            () = &mut idle => {
                let stalled = |way: &Way| {
                    let idle = options.idle.unwrap_or_default();
                    let waits = format!("no byte was accepted for {idle:?}");
                    way.waits.get().then(|| io::Error::new(io::ErrorKind::TimedOut, waits))
                };
                failed = failed
                    .or(stalled(&sent).map(|source| RelayError::Send {
                        sent: sent.bytes.get(),
                        source,
                    }))
                    .or(stalled(&received).map(RelayError::Output));
                break;
            }
        }
    }
    failed.map_or_else(|| Ok(moved()), Err)
}

/// Relays the next connection that the listener lets in.
///
/// # Errors
/// See [`relay()`].
pub async fn relay_next(
    listener: &Listener,
    input: impl AsyncRead + Unpin,
    output: impl AsyncWrite + Unpin,
    options: &RelayOptions,
) -> Result<Relayed, RelayError> {
    let connection = next(listener).await;
    debug!(peer = %connection.peer(), "Accepted a connection.");
    // Its place is taken until the end.
    let (stream, _place) = connection.into_parts();
    if let Err(error) = stream.limit_unsent() {
        debug!(%error, "Cannot set the options of a connection.");
    }
    relay(stream, input, output, options).await
}

/// The next connection after its TLS handshake, if it needs one; nobody is let in meanwhile.
async fn next(listener: &Listener) -> Connection {
    let (door, never) = (listener.door(), CancellationToken::new());
    loop {
        tokio::select! {
            biased;
            () = door.refusals_due() => {}
            connection = listener.accept() => {
                // A handshake that fails is counted, and logged once a second.
                if let Ok(Some(connection)) = door.ready(connection, &never).await {
                    return connection;
                }
            }
        }
    }
}

enum Fault {
    Read(io::Error),
    Write(io::Error),
}

/// One way of a relay.
struct Way {
    bytes: Cell<u64>,
    /// When bytes last moved.
    moved: Cell<Instant>,
    /// Whether bytes were read that are not written yet.
    waits: Cell<bool>,
}

impl Default for Way {
    fn default() -> Way {
        Way {
            bytes: Cell::new(0),
            moved: Cell::new(Instant::now()),
            waits: Cell::new(false),
        }
    }
}

impl Way {
    async fn copy(
        &self,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
    ) -> Result<(), Fault> {
        let mut buf = vec![0; ROOM];
        loop {
            let n = match from.read(&mut buf).await {
                Ok(0) => return Ok(()),
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Fault::Read(error)),
            };
            self.moved.set(Instant::now());
            self.waits.set(true);
            for piece in buf[..n].chunks(PIECE) {
                self.write(piece, to).await.map_err(Fault::Write)?;
            }
            self.waits.set(false);
        }
    }

    /// Writes all of it, and counts each part as soon as that is accepted.
    async fn write(&self, mut piece: &[u8], to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        while !piece.is_empty() {
            let n = match to.write(piece).await {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.moved.set(Instant::now());
            to.flush().await?;
            self.bytes.set(self.bytes.get() + n as u64);
            self.moved.set(Instant::now());
            piece = &piece[n..];
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_way_ends_by_itself() {
        let (ours, theirs) = tokio::io::duplex(1000);
        let (input, long) = (vec![1; 100_000], vec![2; 200_000]);
        let mut output = Vec::new();
        let other = tokio::spawn(async move {
            let (mut read, mut write) = tokio::io::split(theirs);
            // Its half is closed first, and what is sent goes on.
            write.write_all(&vec![2; 200_000]).await.unwrap();
            write.shutdown().await.unwrap();
            let mut all = Vec::new();
            read.read_to_end(&mut all).await.unwrap();
            all
        });
        let done = relay(ours, &input[..], &mut output, &RelayOptions::default()).await;
        let done = done.unwrap();
        assert_eq!((done.sent, done.received), (100_000, 200_000));
        assert!(other.await.unwrap() == input && output == long);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_is_not_silence_and_one_that_stops_is_a_failure() {
        let options = RelayOptions {
            idle: Some(Duration::from_secs(1)),
            ..RelayOptions::default()
        };
        let input = vec![1; 300_000];
        let (ours, mut theirs) = tokio::io::duplex(10_000);
        let other = tokio::spawn(async move {
            let (mut all, mut buf) = (0, vec![0; 40_000]);
            loop {
                sleep(Duration::from_millis(600)).await;
                match theirs.read(&mut buf).await.unwrap() {
                    0 => return all,
                    n => all += n,
                }
            }
        });
        let done = relay(ours, &input[..], &mut Vec::new(), &options).await;
        assert_eq!(done.unwrap().sent, 300_000);
        assert_eq!(other.await.unwrap(), 300_000);

        let (ours, _theirs) = tokio::io::duplex(10_000);
        let stopped = relay(ours, &input[..], &mut Vec::new(), &options).await;
        let stopped = stopped.unwrap_err().to_string();
        assert!(stopped.contains("after 10000 bytes"), "{stopped}");

        // An output that takes nothing more.
        let (ours, mut theirs) = tokio::io::duplex(10_000);
        theirs.write_all(&[2; 5_000]).await.unwrap();
        let (mut output, _reader) = tokio::io::duplex(1_000);
        let (input, _writer) = tokio::io::duplex(1);
        let stopped = relay(ours, input, &mut output, &options).await;
        let stopped = stopped.unwrap_err().to_string();
        assert!(stopped.contains("output"), "{stopped}");
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_it_and_so_does_the_end_of_the_input() {
        let (ours, _theirs) = tokio::io::duplex(1000);
        let start = Instant::now();
        let options = RelayOptions {
            idle: Some(Duration::from_secs(7)),
            ..RelayOptions::default()
        };
        // An input that never ends.
        let (input, _writer) = tokio::io::duplex(1);
        let done = relay(ours, input, &mut Vec::new(), &options).await;
        assert_eq!(done.unwrap(), Relayed::default());
        assert_eq!(start.elapsed(), Duration::from_secs(7));

        let (ours, _theirs) = tokio::io::duplex(1000);
        let start = Instant::now();
        let options = RelayOptions {
            quit: Some(Duration::from_secs(3)),
            ..RelayOptions::default()
        };
        let done = relay(ours, &b"text"[..], &mut Vec::new(), &options).await;
        assert_eq!(done.unwrap().sent, 4);
        assert_eq!(start.elapsed(), Duration::from_secs(3));
    }
}

//! A blocking reader (a file, a decompressor, stdin) as an `AsyncRead`.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::thread;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::{mpsc, oneshot};

/// Bytes of one read.
const CHUNK: usize = 128 << 10;

/// Chunks that are read ahead: one is parsed while the next is read.
const AHEAD: usize = 2;

/// Reads in a thread of its own, a few chunks ahead.
///
/// tokio's own stdin and files block a thread that the runtime waits for when it shuts down. The
/// runtime does not know this thread, so a program can end while its stdin stays open.
#[derive(Debug)]
pub struct Feed {
    chunks: mpsc::Receiver<io::Result<Bytes>>,
    chunk: Bytes,
}

impl Feed {
    /// Starts to read.
    ///
    /// # Errors
    /// The thread cannot be started. Errors of the reader are returned by the reads.
    pub fn new(reader: impl io::Read + Send + 'static) -> io::Result<Feed> {
        let (sender, chunks) = mpsc::channel(AHEAD);
        thread::Builder::new()
            .name("feed".to_owned())
            .spawn(move || read(reader, &sender))?;
        Ok(Feed {
            chunks,
            chunk: Bytes::new(),
        })
    }
}

/// Runs blocking work in a thread of its own, which the runtime does not wait for when it shuts
/// down.
///
/// # Errors
/// The error of the work, or of starting the thread.
pub async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let (sender, done) = oneshot::channel();
    thread::Builder::new()
        .name("aside".to_owned())
        .spawn(move || {
            // The caller may have given up.
            sender.send(work()).ok();
        })?;
    done.await
        .unwrap_or_else(|_| Err(io::Error::other("its thread ended unexpectedly")))
}

fn read(mut reader: impl io::Read, sender: &mpsc::Sender<io::Result<Bytes>>) {
    let mut buf = vec![0; CHUNK];
    loop {
        let chunk = match reader.read(&mut buf) {
            Ok(0) => return,
            Ok(n) => Ok(Bytes::copy_from_slice(&buf[..n])),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let failed = chunk.is_err();
        // A closed channel: nobody reads any more.
        if sender.blocking_send(chunk).is_err() || failed {
            return;
        }
    }
}

impl AsyncRead for Feed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.chunk.is_empty() {
            match ready!(self.chunks.poll_recv(cx)) {
                Some(chunk) => self.chunk = chunk?,
                None => return Poll::Ready(Ok(())),
            }
        }
        let n = self.chunk.len().min(buf.remaining());
        buf.put_slice(&self.chunk[..n]);
        self.chunk.advance(n);
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn every_byte_comes_in_its_order() {
        let text: Vec<u8> = (0..1_000_003u32).map(|i| (i % 251) as u8).collect();
        let mut feed = Feed::new(io::Cursor::new(text.clone())).unwrap();
        let mut read = Vec::new();
        feed.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, text);
    }

    #[tokio::test]
    async fn an_error_comes_after_what_was_read() {
        struct Broken(bool);
        impl io::Read for Broken {
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                if std::mem::replace(&mut self.0, true) {
                    return Err(io::Error::other("broken"));
                }
                buf[0] = b'x';
                Ok(1)
            }
        }
        let mut feed = Feed::new(Broken(false)).unwrap();
        let mut read = Vec::new();
        assert_eq!(
            feed.read_to_end(&mut read).await.unwrap_err().to_string(),
            "broken"
        );
        assert_eq!(read, b"x");
    }
}

//! One client's connection: the text goes out, and what the client says is ignored.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use super::Treatment;
use super::fanout::{Left, Place};
use super::ring::{Next, Placed};

/// Bytes of one read from a client; it is not expected to say anything.
const ROOM: usize = 4 << 10;

/// Sends the text to a client until the text ends or the client leaves; then closes our half, and
/// waits for the other half: closing with unread input would reset the connection, and lose what
/// is still on its way.
///
/// A client that closes its half, as `nc -N` does, still gets the text.
pub(super) async fn client(
    mut read: impl AsyncRead + Unpin,
    mut write: impl AsyncWrite + Unpin,
    place: &mut Place,
    treatment: &Treatment,
) -> Left {
    let mut said = vec![0; ROOM];
    let mut half = false;
    let mut sending = Sending::default();
    let left = loop {
        // A read that is given up has read nothing, and a write that is given up wrote nothing.
        let step = tokio::select! {
            biased;
            n = read.read(&mut said), if !half => match n {
                Ok(0) => { half = true; continue }
                Ok(n) => { place.ignored(n); continue }
                Err(_) => break Left::Itself,
            },
            step = sending.step(&mut write, place, treatment) => step,
        };
        match step {
            Ok(Step::More) => {}
            Ok(Step::End) => break Left::Itself,
            Ok(Step::Left(left)) => return left,
            Err(_) => break Left::Itself,
        }
    };
    let close = async {
        if write.shutdown().await.is_ok() {
            while !half {
                match read.read(&mut said).await {
                    Ok(n) if n > 0 => place.ignored(n),
                    _ => half = true,
                }
            }
        }
    };
    if sending.ended {
        // It has had everything.
        timeout(treatment.drain_timeout, close).await.ok();
    }
    left
}

/// What one step of sending did.
enum Step {
    More,
    End,
    Left(Left),
}

/// What is being written.
#[derive(Default)]
struct Sending {
    now: Option<Now>,
    /// The last byte that was written was not a line feed.
    mid_line: bool,
    /// TLS may hold some of what was written.
    held: bool,
    ended: bool,
}

/// The text that is being written, and how far.
struct Now {
    text: Text,
    at: usize,
    /// When the client last accepted some, or the text came.
    moved: Instant,
}

enum Text {
    Piece(Arc<Placed>),
    Notice(String),
}

impl Now {
    fn new(text: Text, at: usize) -> Now {
        let moved = Instant::now();
        Now { text, at, moved }
    }

    fn bytes(&self) -> &[u8] {
        match &self.text {
            Text::Piece(placed) => placed.piece.text(),
            Text::Notice(line) => line.as_bytes(),
        }
    }

    /// Counts `n` more bytes; returns the records that they complete.
    fn wrote(&mut self, n: usize) -> u64 {
        let before = self.at;
        self.at += n;
        self.moved = Instant::now();
        match &self.text {
            Text::Piece(placed) => {
                placed.piece.records_within(self.at) - placed.piece.records_within(before)
            }
            Text::Notice(_) => 0,
        }
    }
}

impl Sending {
    /// Takes the next text, or writes some of it.
    async fn step(
        &mut self,
        write: &mut (impl AsyncWrite + Unpin),
        place: &mut Place,
        treatment: &Treatment,
    ) -> io::Result<Step> {
        let Treatment {
            patience,
            drain_timeout,
            ..
        } = *treatment;
        let Some(now) = &mut self.now else {
            if self.held {
                tokio::select! {
                    biased;
                    flushed = write.flush() => flushed?,
                    left = place.too_slow(patience, drain_timeout) => return Ok(Step::Left(left)),
                }
                self.held = false;
            }
            self.now = match place.next().await {
                Next::End => {
                    self.ended = true;
                    return Ok(Step::End);
                }
                Next::Text(placed, at) => Some(Now::new(Text::Piece(placed), at)),
                Next::Skipped(_) if place.disconnects() => return Ok(Step::Left(Left::Slow)),
                Next::Skipped(records) => {
                    let notice = Text::Notice(self.notice(place, records));
                    Some(Now::new(notice, 0))
                }
            };
            return Ok(Step::More);
        };
        let patience = patience.saturating_sub(now.moved.elapsed());
        let written = tokio::select! {
            biased;
            written = write.write(&now.bytes()[now.at..]) => written,
            left = place.too_slow(patience, drain_timeout) => return Ok(Step::Left(left)),
        };
        match written {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Step::More),
            written => {
                self.held = true;
                place.sent(now.wrote(written?));
            }
        }
        if now.at == now.bytes().len() {
            self.mid_line = now.bytes().last() != Some(&b'\n');
            self.now = None;
        }
        Ok(Step::More)
    }

    /// The line that says what was skipped: a line of its own, also behind a record that was cut.
    fn notice(&self, place: &Place, records: u64) -> String {
        let line = place.notice(records);
        match self.mid_line {
            true => format!("\n{line}"),
            false => line,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::net::Peer;
    use crate::net::serve::{Fanout, Notice, Piece, Slow};
    use tokio::io::BufWriter;
    use tokio_util::sync::CancellationToken;

    /// As TLS does, the writer holds what the socket did not take.
    #[tokio::test]
    async fn nothing_is_held_back_until_the_next_packet() {
        let fanout = Fanout::new(1 << 20, Slow::Drop, Notice::Text);
        let mut place = fanout.join(Peer::Tcp(([127, 0, 0, 1], 1).into()));
        let (ours, mut theirs) = tokio::io::duplex(1 << 10);
        let (read, write) = tokio::io::split(ours);
        let write = BufWriter::with_capacity(64 << 10, write);
        let treatment = Treatment::default();
        let serving = client(read, write, &mut place, &treatment);
        let reading = async {
            let mut piece = Piece::default();
            piece.record(b"10:00:00.000000 ARP, Request\n");
            fanout.send(piece, &CancellationToken::new()).await;
            let mut one = [0; 1];
            theirs.read_exact(&mut one).await.unwrap();
            fanout.end();
            drop(theirs);
        };
        let both = async { tokio::join!(serving, reading) };
        tokio::time::timeout(Duration::from_secs(30), both)
            .await
            .unwrap();
    }
}

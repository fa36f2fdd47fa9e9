//! One client's connection: the text goes out, and what the client says is ignored.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use super::fanout::{Left, Place};
use super::ring::{Next, Placed};

/// Bytes of one read from a client; it is not expected to say anything.
const ROOM: usize = 4 << 10;

/// Sends the text to a client until the text ends or the client leaves; then closes our half, and
/// waits for the other half: closing with unread input would reset the connection, and lose what
/// is still on its way.
///
/// A client that closes its half, as `nc -N` does, still gets the text. One that accepts nothing for
/// `patience` while there is text for it is slow.
pub(super) async fn client(
    mut read: impl AsyncRead + Unpin,
    mut write: impl AsyncWrite + Unpin,
    place: &mut Place,
    patience: Duration,
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
            step = sending.step(&mut write, place, patience) => step,
        };
        match step {
            Ok(Step::More) => {}
            Ok(Step::End) => break Left::Itself,
            Ok(Step::Slow) => return Left::Slow,
            Err(_) => break Left::Itself,
        }
    };
    if sending.ended && write.shutdown().await.is_ok() {
        while !half {
            match read.read(&mut said).await {
                Ok(n) if n > 0 => place.ignored(n),
                _ => half = true,
            }
        }
    }
    left
}

/// What one step of sending did.
enum Step {
    More,
    End,
    Slow,
}

/// What is being written.
#[derive(Default)]
struct Sending {
    now: Option<Now>,
    /// The last byte that was written was not a line feed.
    mid_line: bool,
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
        patience: Duration,
    ) -> io::Result<Step> {
        let Some(now) = &mut self.now else {
            self.now = match place.next().await {
                Next::End => {
                    self.ended = true;
                    return Ok(Step::End);
                }
                Next::Text(placed, at) => Some(Now::new(Text::Piece(placed), at)),
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
            written = timeout(patience, write.write(&now.bytes()[now.at..])) => written,
            () = place.overrun() => return Ok(Step::Slow),
        };
        let Ok(written) = written else {
            return Ok(Step::Slow);
        };
        match written {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Step::More),
            written => place.sent(now.wrote(written?)),
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

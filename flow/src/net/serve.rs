//! A port that serves one text to any number of clients, as `tcpdump … | nc -lk 4444` was meant to.
//!
//! An [`Intake`] cuts the text into records and hands it to a [`Fanout`], which keeps the newest of
//! it; [`serve`] accepts clients and sends each of them the text from where it has joined. A client
//! that is there from the beginning gets the text byte for byte, a later one begins at a record.

mod client;
mod fanout;
mod intake;
mod lines;
mod piece;
mod ring;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use self::client::client;
use self::fanout::Left;
pub use self::fanout::{DEFAULT_BUFFER, Fanout, Figures, Notice, Slow};
pub use self::intake::Intake;
use self::intake::failed;
pub use self::lines::JsonLines;
pub use self::piece::Piece;
use super::Connection;
use super::listen::Listener;
use crate::Hangup;
use crate::station::DEFAULT_DRAIN_TIMEOUT;

/// Default size of a client's kernel send buffer, in bytes. It is set explicitly, so that it does
/// not grow: what it holds is lost with a client that vanishes, and multiplied by the connection
/// limit it bounds the kernel's memory.
pub const SEND_BUFFER: usize = 256 << 10;

/// Default time that a client may accept nothing while there is text for it.
pub const DEFAULT_PATIENCE: Duration = Duration::from_secs(300);

/// How clients are treated.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Treatment {
    /// Size of each client's kernel send buffer, in bytes.
    pub send_buffer: usize,
    /// How long a client may accept nothing while there is text for it; then its connection is
    /// reset.
    pub patience: Duration,
    /// How long clients have for the rest after a stop. After the end of the text: how long one may
    /// accept nothing, and how long it has for closing the connection once it has had everything.
    pub drain_timeout: Duration,
}

impl Default for Treatment {
    fn default() -> Treatment {
        Treatment {
            send_buffer: SEND_BUFFER,
            patience: DEFAULT_PATIENCE,
            drain_timeout: DEFAULT_DRAIN_TIMEOUT,
        }
    }
}

/// Accepts clients until the text ends, and sends it to each of them. Returns when all clients have
/// had everything and closed the connection; after `stop`, at the latest when the drain time-out has
/// expired. `hangup` reads certificates again.
pub async fn serve(
    listener: Listener,
    fanout: &Fanout,
    treatment: &Treatment,
    stop: &CancellationToken,
    hangup: &Hangup,
) {
    let expired = CancellationToken::new();
    let door = Arc::clone(listener.door());
    door.reload_on(hangup);
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = fanout.ended() => break,
            Some(ended) = tasks.join_next() => failed(ended),
            () = door.refusals_due() => {}
            connection = listener.accept() => {
                let (door, fanout) = (Arc::clone(&door), fanout.clone());
                let (treatment, expired) = (treatment.clone(), expired.clone());
                tasks.spawn(async move {
                    let ready = tokio::select! {
                        biased;
                        ready = door.ready(connection, &expired) => ready,
                        // There is nothing left for it.
                        () = fanout.ended() => return,
                    };
                    // A handshake that fails is counted, and logged once a second.
                    if let Ok(Some(connection)) = ready {
                        attend(connection, &fanout, treatment, expired).await;
                    }
                });
            }
        }
    }
    drop(listener);
    let drained = async {
        stop.cancelled().await;
        tokio::time::sleep(treatment.drain_timeout).await;
    };
    let mut drained = std::pin::pin!(drained);
    while !tasks.is_empty() {
        tokio::select! {
            biased;
            Some(ended) = tasks.join_next() => failed(ended),
            () = &mut drained, if !expired.is_cancelled() => expired.cancel(),
        }
    }
}

/// Sends the text to one client.
async fn attend(
    connection: Connection,
    fanout: &Fanout,
    treatment: Treatment,
    expired: CancellationToken,
) {
    let peer = connection.peer().clone();
    let mut place = fanout.join(peer.clone());
    let (mut stream, held) = connection.into_parts();
    // Its defaults also work.
    if let Err(error) = stream.send_at_once(treatment.send_buffer) {
        debug!(%peer, %error, "Cannot set the options of a connection.");
    }
    let (read, write) = tokio::io::split(&mut stream);
    place.left = tokio::select! {
        biased;
        left = client(read, write, &mut place, &treatment) => left,
        () = expired.cancelled() => Left::Late,
    };
    let (sent, skipped, unsent) = place.figures();
    match place.left {
        Left::Itself => debug!(%peer, sent, skipped, unsent, "A client disconnected."),
        Left::Slow => {
            warn!(%peer, sent, skipped, unsent, "Disconnected a client that was too slow.");
            // So that it does not take this for the end of the text.
            stream.reset();
        }
        Left::Late if unsent > 0 => {
            warn!(%peer, sent, skipped, unsent, "A client did not take the rest in time.");
            stream.reset();
        }
        Left::Late => debug!(%peer, sent, skipped, "A client did not close its connection."),
    }
    drop((place, held));
}

//! Records as text, one at a time, from a socket: for a program that wants tcpdump's words and not
//! typed values.
//!
//! ```text
//! sudo tcpdump -i any -nn -v -l 'not port 4444' | nc -lk 4444
//! cargo run --example records -- 127.0.0.1:4444
//! ```
//!
//! Prints each record on one line, as soon as it is complete: its joined head, and how many more
//! lines it has.

use std::error::Error;
use std::io::{self, Write};
use std::time::Duration;

use dumpstream::framing::Record;
use dumpstream_flow::RecordCodec;
use futures_util::StreamExt as _;
use tokio::io::AsyncRead;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::codec::FramedRead;

/// Only the next head says where a record ends. After so long without one, a record that waits for
/// nothing more is taken for whole.
const IDLE: Duration = Duration::from_millis(250);

/// The next record: decoded, or flushed after an idle time.
async fn next<R: AsyncRead + Unpin>(
    records: &mut FramedRead<R, RecordCodec>,
) -> Option<io::Result<Record>> {
    loop {
        if let Ok(record) = timeout(IDLE, records.next()).await {
            return record;
        }
        // The codec and its buffer belong to one value: the buffer is taken out for a moment.
        let mut buffer = std::mem::take(records.read_buffer_mut());
        let record = records.decoder_mut().flush(&mut buffer);
        *records.read_buffer_mut() = buffer;
        if let Some(record) = record {
            return Some(Ok(record));
        }
    }
}

fn print(out: &mut impl Write, record: &Record) -> io::Result<()> {
    // Packets print what they like: nothing of it reaches a terminal as it stands.
    write!(out, "{}", record.head().escape_ascii())?;
    match record.lines().count() {
        0 => {}
        more => write!(out, " (+ {more} lines)")?,
    }
    if record.truncated() {
        write!(out, " (cut)")?;
    }
    writeln!(out)?;
    out.flush()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).ok_or("usage: records HOST:PORT")?;
    let mut records = FramedRead::new(TcpStream::connect(address).await?, RecordCodec::new());
    let mut count = 0u64;
    while let Some(record) = next(&mut records).await {
        count += 1;
        match print(&mut io::stdout().lock(), &record?) {
            // Whoever reads has enough, as `head` has.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
            other => other?,
        }
    }
    let skipped = records.decoder().skipped().total();
    eprintln!("{count} records, {skipped} bytes of none");
    Ok(())
}

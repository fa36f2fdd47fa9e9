//! The parser within a program of one's own: no tokio, no sinks, no command line.
//!
//! ```text
//! sudo tcpdump -nn -v -c 1000 | cargo run --example embed
//! cargo run --example embed -- samples/4.99.3/http-requests/v.txt
//! ```
//!
//! Prints what each protocol and the busiest sources sent: packets, and bytes of the network
//! header's `length`. As a dependency: `dumpstream = { version = "…", default-features = false }`.

use std::collections::HashMap;
use std::error::Error;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::IpAddr;

use dumpstream::{ColumnId, Packet, Parser, Reader};

/// How many of the sources are shown.
const TOP: usize = 10;

/// What one protocol or source sent.
#[derive(Clone, Copy, Debug, Default)]
struct Total {
    packets: u64,
    bytes: u64,
}

impl Total {
    fn add(&mut self, bytes: u64) {
        self.packets += 1;
        self.bytes += bytes;
    }
}

/// The columns that this program looks at, found by name once.
struct Columns {
    protocol: ColumnId,
    source: ColumnId,
    length: ColumnId,
}

impl Columns {
    fn of(parser: &Parser) -> Option<Columns> {
        Some(Columns {
            protocol: parser.column("protocol")?,
            source: parser.column("source")?,
            length: parser.column("length")?,
        })
    }
}

#[derive(Default)]
struct Totals {
    all: Total,
    protocols: HashMap<String, Total>,
    sources: HashMap<IpAddr, Total>,
}

impl Totals {
    fn count(&mut self, columns: &Columns, packet: Packet<'_>) {
        // Absent is not zero, but it adds nothing.
        let length = packet
            .value(columns.length)
            .and_then(|length| length.as_int());
        let bytes = length.and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
        self.all.add(bytes);
        let protocol = packet.value(columns.protocol);
        let protocol = protocol.map_or("(unknown)".to_owned(), |name| name.to_string());
        self.protocols.entry(protocol).or_default().add(bytes);
        if let Some(source) = packet
            .value(columns.source)
            .and_then(|source| source.as_ip())
        {
            self.sources.entry(source).or_default().add(bytes);
        }
    }

    fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let Total { packets, bytes } = self.all;
        writeln!(out, "{packets} packets, {bytes} bytes")?;
        table(out, "protocol", &self.protocols, usize::MAX)?;
        table(out, "source", &self.sources, TOP)
    }
}

/// The first of the rows, most bytes first.
fn table<K: ToString>(
    out: &mut impl Write,
    title: &str,
    totals: &HashMap<K, Total>,
    top: usize,
) -> io::Result<()> {
    let mut rows: Vec<_> = totals
        .iter()
        .map(|(k, total)| (k.to_string(), total))
        .collect();
    rows.sort_by(|(a, x), (b, y)| {
        (y.bytes, y.packets)
            .cmp(&(x.bytes, x.packets))
            .then_with(|| a.cmp(b))
    });
    writeln!(out, "\n{title:<39} {:>10} {:>14}", "packets", "bytes")?;
    for (name, Total { packets, bytes }) in rows.into_iter().take(top) {
        writeln!(out, "{name:<39} {packets:>10} {bytes:>14}")?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let input: Box<dyn Read> = match std::env::args_os().nth(1) {
        Some(path) => Box::new(File::open(path)?),
        None => Box::new(io::stdin().lock()),
    };
    let parser = Parser::default();
    let columns = Columns::of(&parser).expect("built-in fields");
    let mut totals = Totals::default();
    for packets in Reader::new(input).parser(parser) {
        for packet in &packets? {
            totals.count(&columns, packet);
        }
    }
    match totals.print(&mut io::stdout().lock()) {
        // Whoever reads has enough, as `head` has.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

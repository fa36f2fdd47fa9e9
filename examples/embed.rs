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

use dumpstream::{AsciiGuard, Namespace, Packet, Parser, Reader, Value};

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

/// Which columns this program looks at, found by name once.
struct Columns {
    protocol: usize,
    source: usize,
    length: usize,
}

impl Columns {
    fn of(parser: &Parser) -> Result<Columns, String> {
        let columns = parser.columns();
        let find = |name: &str| {
            let found = columns.iter().position(|column| column.name == name);
            found.ok_or_else(|| format!("the namespace has no field `{name}`"))
        };
        Ok(Columns {
            protocol: find("protocol")?,
            source: find("source")?,
            length: find("length")?,
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
        let bytes = match packet.value(columns.length) {
            Some(Value::Int(n)) => u64::try_from(n).unwrap_or(0),
            _ => 0,
        };
        self.all.add(bytes);
        let protocol = packet.value(columns.protocol);
        let protocol = protocol.map_or("(unknown)".to_owned(), |name| name.to_string());
        self.protocols.entry(protocol).or_default().add(bytes);
        if let Some(Value::Inet(source)) = packet.value(columns.source) {
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
    let parser = Parser::new(Namespace::tcpdump())?;
    let columns = Columns::of(&parser)?;
    let mut totals = Totals::default();
    // In the text of `-A` a packet can print a record of its own: such text is not to be believed.
    let mut guard = AsciiGuard::new();
    let mut ascii = false;
    for batch in Reader::new(input) {
        let packets = parser.parse(batch?);
        ascii |= guard.check(&packets);
        for packet in packets.iter() {
            totals.count(&columns, packet);
        }
    }
    if ascii || guard.finish() {
        return Err("this is the text of `tcpdump -A`; record it without -A".into());
    }
    match totals.print(&mut io::stdout().lock()) {
        // Whoever reads has enough, as `head` has.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

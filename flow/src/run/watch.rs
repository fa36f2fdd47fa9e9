//! Detects mistakes of a sender: in what an input begins with, and in its packets.

use std::net::SocketAddr;

use dumpstream::spell::visible;
use dumpstream::{Packet, Packets, Parser, Value};
use tracing::field::display;
use tracing::warn;

use super::error;
use crate::foreign::{self, Foreign};
use crate::summary::Summary;

/// Bytes without a packet after which a live input is looked at: the first lines tell.
const ENOUGH: usize = 4 << 10;

/// Records without a protocol after which a live input is warned of.
const MANY: u64 = 100;

/// The longest example of a record in a warning, in bytes.
const EXAMPLE: usize = 160;

/// Examines every packet for mistakes of its sender.
pub(super) struct Watch {
    source: Option<usize>,
    destination: Option<usize>,
    ports: Option<(usize, usize)>,
    /// The addresses of its far end and its near end.
    connection: Option<(SocketAddr, SocketAddr)>,
    /// What the input began with, until a packet is recognised.
    begin: Vec<u8>,
    /// The first record without a protocol.
    example: Option<Vec<u8>>,
    /// Whether the mistake was reported.
    said_foreign: bool,
    said_names: bool,
    said_own: bool,
    said_unparsed: bool,
    said_forgeable: bool,
}

impl Watch {
    pub(super) fn new(parser: &Parser, connection: Option<(SocketAddr, SocketAddr)>) -> Watch {
        let columns = parser.columns();
        let column = |name: &str| columns.iter().position(|column| column.name == name);
        // A listener on `::` sees IPv4 peers as ::ffff:a.b.c.d; tcpdump prints a.b.c.d.
        let plain = |addr: SocketAddr| SocketAddr::new(addr.ip().to_canonical(), addr.port());
        Watch {
            source: column("source"),
            destination: column("destination"),
            ports: column("source_port").zip(column("destination_port")),
            connection: connection.map(|(peer, local)| (plain(peer), plain(local))),
            begin: Vec::new(),
            example: None,
            said_foreign: false,
            said_names: false,
            said_own: false,
            said_unparsed: false,
            said_forgeable: false,
        }
    }

    /// Takes what was read while no packet was recognised; `live` input may never end, so that it
    /// is reported as soon as it is certain.
    pub(super) fn unrecognised(&mut self, read: &[u8], live: bool) {
        let room = foreign::BEGIN - self.begin.len();
        self.begin.extend_from_slice(&read[..read.len().min(room)]);
        if !live || self.said_foreign {
            return;
        }
        let looks = match self.begin.len() {
            ..ENOUGH => Foreign::of_magic(&self.begin),
            _ => Foreign::of(&self.begin),
        };
        if looks.is_some() || self.begin.len() == foreign::BEGIN {
            self.warn_foreign(looks);
        }
    }

    /// At the end of an input: whether nothing in it was recognised, and what it looks like. That
    /// of a connection, and of a part of a growing file, is reported here.
    pub(super) fn foreign(&mut self, summary: &Summary, whole: bool) -> Option<Option<Foreign>> {
        let none = summary.records == 0;
        let ours = summary.skipped.messages + summary.skipped.empty;
        if summary.parsed > 0 || none && summary.bytes <= ours {
            return None;
        }
        let looks = Foreign::of(&self.begin);
        if !none && looks.is_none() {
            return None;
        }
        if whole {
            return Some(looks);
        }
        if !self.said_foreign {
            self.warn_foreign(looks);
        }
        None
    }

    fn warn_foreign(&mut self, looks: Option<Foreign>) {
        self.said_foreign = true;
        let peer = self.connection.map(|(peer, _)| display(peer));
        warn!(
            peer,
            "No packets found in what arrives: {}",
            error::foreign(looks)
        );
    }

    /// Reports records without a protocol, once: at the end, or when a live input has many.
    pub(super) fn unparsed(&mut self, summary: &Summary, end: bool) {
        if self.said_unparsed || summary.unparsed == 0 || !end && summary.unparsed < MANY {
            return;
        }
        let Some(example) = self.example.take() else {
            return;
        };
        self.said_unparsed = true;
        let peer = self.connection.map(|(peer, _)| display(peer));
        warn!(
            peer,
            unparsed = summary.unparsed,
            records = summary.records,
            example = %visible(&String::from_utf8_lossy(&example)),
            "No known protocol was found in some records: they are stored without their fields. \
             Print them with `tcpdump -nn -v`; `dumpstream explain` shows what was found.",
        );
    }

    /// Adds to a batch's figures, and reports each mistake the first time.
    pub(super) fn count(&mut self, packets: &Packets, batch: &mut Summary) {
        if self.connection.is_some() || batch.misfits > 0 {
            for packet in packets.iter() {
                batch.names += u64::from(self.named(packet));
                batch.own += u64::from(self.own(packet));
            }
        }
        if batch.parsed > 0 {
            self.begin = Vec::new();
        }
        if batch.unparsed > 0 && self.example.is_none() && !self.said_unparsed {
            // One that was cut at the end of its input needs no other options.
            let unparsed = packets
                .iter()
                .find(|packet| !packet.parsed() && !packet.truncated());
            self.example = unparsed.map(|packet| {
                let line = packet.raw().trim_ascii_end();
                line[..line.len().min(EXAMPLE)].to_vec()
            });
        }
        if batch.own > 0 && !self.said_own {
            self.said_own = true;
            let (peer, local) = self.connection.unzip();
            warn!(
                peer = peer.map(display),
                local = local.map(display),
                "The sender captures its own connection to here, so the capture feeds itself: \
                 add `not port {}` to its filter.",
                local.map_or(0, |local| local.port()),
            );
        }
        if batch.names > 0 && !self.said_names {
            self.said_names = true;
            warn!(
                "Names arrive instead of addresses, and are stored as source_name and \
                 destination_name: run tcpdump with -nn."
            );
        }
        if !self.said_forgeable && packets.forgeable() {
            self.said_forgeable = true;
            warn!(
                sensor = packets.sensor(),
                "This text is from a tcpdump older than 4.99, without -#: a packet can make it \
                 print whole records, and they cannot be distinguished. Run tcpdump with -#, or \
                 upgrade it."
            );
        }
    }

    /// Whether the source's address is a name.
    fn named(&self, packet: Packet<'_>) -> bool {
        self.source.is_some_and(|source| packet.misfit(source))
    }

    /// Whether the packet belongs to the connection that it arrived over.
    fn own(&self, packet: Packet<'_>) -> bool {
        let Some((peer, local)) = self.connection else {
            return false;
        };
        let Some((source_port, destination_port)) = self.ports else {
            return false;
        };
        let port = |column| match packet.value(column) {
            Some(Value::Int(port)) => u16::try_from(port).ok(),
            _ => None,
        };
        // The ports come first: they decide nearly every packet.
        let Some(from) = port(source_port) else {
            return false;
        };
        let Some(to) = port(destination_port) else {
            return false;
        };
        let out = from == peer.port() && to == local.port();
        let back = from == local.port() && to == peer.port();
        if !out && !back {
            return false;
        }
        let address = |column: Option<usize>| match packet.value(column?) {
            Some(Value::Inet(ip)) => Some(ip),
            _ => None,
        };
        let hosts = (address(self.source), address(self.destination));
        (out && hosts == (Some(peer.ip()), Some(local.ip())))
            || (back && hosts == (Some(local.ip()), Some(peer.ip())))
    }
}

//! Detects mistakes of a sender in the packets of an input.

use std::net::SocketAddr;

use dumpstream::{Packet, Packets, Parser, Value};
use tracing::warn;

use crate::summary::Summary;

/// Examines every packet for mistakes of its sender.
pub(super) struct Watch {
    source: Option<usize>,
    destination: Option<usize>,
    ports: Option<(usize, usize)>,
    /// The addresses of its far end and its near end.
    connection: Option<(SocketAddr, SocketAddr)>,
    /// Whether the mistake was reported.
    said_names: bool,
    said_own: bool,
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
            said_names: false,
            said_own: false,
            said_forgeable: false,
        }
    }

    /// Adds to a batch's figures, and reports each mistake the first time.
    pub(super) fn count(&mut self, packets: &Packets, batch: &mut Summary) {
        if self.connection.is_some() || batch.misfits > 0 {
            for packet in packets.iter() {
                batch.names += u64::from(self.named(packet));
                batch.own += u64::from(self.own(packet));
            }
        }
        if batch.own > 0 && !self.said_own {
            self.said_own = true;
            let (peer, local) = self.connection.unzip();
            warn!(
                peer = peer.map(tracing::field::display),
                local = local.map(tracing::field::display),
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

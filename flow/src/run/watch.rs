//! Detects mistakes of a sender: in what an input begins with, and in its packets.

use std::net::SocketAddr;

use dumpstream::spell::visible;
use dumpstream::{Packet, Packets, Parser, TimeSource, Value};
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
    clock: Clock,
}

/// Stamps that differ from this machine's clock by more than this are reported.
const FAR: i64 = 60 * SECOND;

/// The difference of a sensor's stamps is that of its clock or its zone if it stays the same, within
/// `STEADY`, for `LONG`: a recording that is sent quickly, or text that waits on its way, drifts.
const LONG: i64 = 5 * SECOND;
const STEADY: i64 = 2 * SECOND;

/// No two zones differ by more; what does is a recording.
const ZONES: i64 = 26 * 3600 * SECOND;

const SECOND: i64 = 1_000_000_000;

/// `9 h 0 min ahead of`.
pub(super) fn from_clock(ahead: i64) -> String {
    let minutes = (ahead.unsigned_abs() + 30 * SECOND as u64) / (60 * SECOND as u64);
    let side = if ahead > 0 { "ahead of" } else { "behind" };
    format!("{} h {} min {side}", minutes / 60, minutes % 60)
}

/// Compares live stamps with this machine's clock.
#[derive(Default)]
struct Clock {
    /// Since when the stamps have been so far ahead.
    steady: Option<(i64, i64)>,
    said: bool,
}

impl Clock {
    /// How far stamps are ahead, once it is certain that this is the sensor's mistake.
    fn ahead(&mut self, time: i64, arrival: i64) -> Option<i64> {
        let ahead = time.saturating_sub(arrival);
        let (since, first) = *self.steady.get_or_insert((arrival, ahead));
        if ahead.abs_diff(first) > STEADY as u64 {
            self.steady = Some((arrival, ahead));
            return None;
        }
        let far = (FAR..=ZONES).contains(&ahead.saturating_abs());
        let long = arrival.saturating_sub(since) >= LONG;
        (far && long && !std::mem::replace(&mut self.said, true)).then_some(ahead)
    }
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
            clock: Clock::default(),
        }
    }

    /// How far the stamps of live text are ahead of this machine's clock, once, if they are wrong.
    pub(super) fn ahead(&mut self, packets: &Packets) -> Option<i64> {
        let last = packets.iter().next_back()?;
        match last.time_source() {
            TimeSource::Previous | TimeSource::Arrival => None,
            _ => self.clock.ahead(last.time(), packets.arrival()?),
        }
    }

    /// Takes what is read while no packet was recognised.
    pub(super) fn begins(&mut self, read: &[u8]) {
        let room = foreign::BEGIN - self.begin.len();
        self.begin.extend_from_slice(&read[..read.len().min(room)]);
    }

    /// Nothing was recognised yet, and some was `skipped`. The input may never end, so it is reported
    /// as soon as it is certain.
    pub(super) fn unrecognised(&mut self, skipped: bool) {
        if self.said_foreign {
            return;
        }
        let looks = match self.begin.len() {
            ENOUGH.. if skipped => Foreign::of(&self.begin),
            _ => Foreign::of_magic(&self.begin),
        };
        if looks.is_some() || skipped && self.begin.len() == foreign::BEGIN {
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
             `tcpdump -nn -v` prints the most of them; `dumpstream explain` shows what was found.",
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

/// Whether a record has lines behind its head, such as those of `-x`; a head has up to two.
pub(super) fn has_more_lines(record: &[u8]) -> bool {
    let mut lines = record.split(|byte| *byte == b'\n').skip(1);
    let second = lines.next().unwrap_or_default();
    second.starts_with(b"\t") || lines.any(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stamps that are so many seconds ahead, in one batch a second.
    fn said(ahead: impl Fn(i64) -> i64) -> Option<i64> {
        let mut clock = Clock::default();
        let start = 1_800_000_000 * SECOND;
        (0..60).find_map(|s| {
            let arrival = start + s * SECOND;
            clock.ahead(arrival + ahead(s) * SECOND, arrival)
        })
    }

    #[test]
    fn stamps_that_stay_far_from_the_clock_are_told_of_once() {
        assert_eq!(said(|_| 9 * 3600), Some(9 * 3600 * SECOND));
        assert_eq!(from_clock(9 * 3600 * SECOND - 1), "9 h 0 min ahead of");
        assert_eq!(from_clock(-5400 * SECOND), "1 h 30 min behind");
        assert_eq!(said(|s| -3600 - s % 2), Some(-3601 * SECOND));
        // A right clock; a recording; one that is sent at another pace.
        assert_eq!(said(|_| -30), None);
        assert_eq!(said(|_| -27 * 3600), None);
        assert_eq!(said(|s| -3600 + 2 * s), None);
        let mut clock = Clock::default();
        let arrivals = (0..60).map(|s| s * SECOND);
        let said = arrivals.filter_map(|a| clock.ahead(a + 3600 * SECOND, a));
        assert_eq!(said.count(), 1);
    }
}

//! The closing figures of one or several inputs.

use std::fmt;
use std::time::Duration;

use dumpstream::framing::Skipped;
use dumpstream::{Packets, TimeSource};

/// The figures of one or several inputs, as [`run`](crate::run()) counts them.
///
/// Its `Display` prints lines like those that tcpdump ends with, one fact per line, without a final
/// line feed. What did not occur is omitted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Number of inputs in these figures.
    pub inputs: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// Bytes that belong to records.
    pub record_bytes: u64,
    /// Bytes that belong to no record, by reason.
    pub skipped: Skipped,
    /// Bytes that were not examined, because the input was refused as text of `tcpdump -A`.
    pub refused: u64,
    /// Bytes of a packet that [`Station::stop`](crate::Station::stop) cut, in a file that can be
    /// read again: it is not a record yet.
    pub left: u64,
    /// Records; each is the text of one packet.
    pub records: u64,
    /// Records whose protocol was found.
    pub parsed: u64,
    /// Records whose protocol was not found. They are stored, too, with what could be parsed.
    pub unparsed: u64,
    /// Records that were truncated: at the limit, or by the end of the input.
    pub truncated: u64,
    /// Records without a time stamp: tcpdump ran with `-t`. Each has the time of its arrival.
    pub unstamped: u64,
    /// Records of stored text that have the date of the file's last change, because their time
    /// stamps have none.
    pub dated: u64,
    /// Values whose text does not fit their type.
    pub misfits: u64,
    /// Records with a name instead of the source's address: tcpdump ran without `-nn`.
    pub names: u64,
    /// Records of the connection that they arrived over: the sender captures its own uplink.
    pub own: u64,
    /// Runs of tcpdump, by the numbers of `-#`; 0 without `-#`, and for an input that continues the
    /// count of an earlier one. See [`Sequence`](dumpstream::Sequence).
    pub captures: u64,
    /// Packets that tcpdump printed but that did not arrive, by the numbers of `-#`, including
    /// those lost between this input and the previous one of the same sensor.
    pub lost: u64,
    /// Records that tcpdump cannot have printed in their place, by the numbers of `-#`: forged by a
    /// packet's text, or sent twice.
    pub suspect: u64,
    /// Records that lack lines which came in another partition of a topic.
    pub torn: u64,
    /// How long full lanes kept the input from being read.
    pub stalled: Duration,
}

impl Summary {
    /// For one input that has not begun.
    pub(crate) fn of_one() -> Summary {
        Summary {
            inputs: 1,
            ..Summary::default()
        }
    }

    /// The records of a batch, and what its packets show by themselves.
    pub(crate) fn of_packets(packets: &Packets) -> Summary {
        let mut batch = Summary {
            records: packets.len() as u64,
            ..Summary::default()
        };
        for packet in packets.iter() {
            batch.parsed += u64::from(packet.parsed());
            batch.truncated += u64::from(packet.truncated());
            batch.misfits += u64::from(packet.misfits());
            let source = packet.time_source();
            let unstamped = matches!(source, TimeSource::Arrival | TimeSource::Previous);
            batch.unstamped += u64::from(unstamped);
        }
        batch.unparsed = batch.records - batch.parsed;
        batch
    }

    /// Adds another input's figures.
    pub fn add(&mut self, other: &Summary) {
        self.inputs += other.inputs;
        self.bytes += other.bytes;
        self.record_bytes += other.record_bytes;
        self.skipped.add(&other.skipped);
        self.refused += other.refused;
        self.left += other.left;
        self.records += other.records;
        self.parsed += other.parsed;
        self.unparsed += other.unparsed;
        self.truncated += other.truncated;
        self.unstamped += other.unstamped;
        self.dated += other.dated;
        self.misfits += other.misfits;
        self.names += other.names;
        self.own += other.own;
        self.captures += other.captures;
        self.lost += other.lost;
        self.suspect += other.suspect;
        self.torn += other.torn;
        self.stalled += other.stalled;
    }

    /// Checks that the figures add up: every byte is in a record or was skipped for a reason, and
    /// every record was parsed or was not.
    ///
    /// # Errors
    /// The identity that does not hold, with both of its sides.
    pub fn verify(&self) -> Result<(), String> {
        let skipped = self.skipped.total();
        let accounted = self.record_bytes + skipped + self.refused + self.left;
        if self.bytes != accounted {
            return Err(format!(
                "{} bytes arrived, but {} in records + {skipped} skipped + {} refused + {} left \
                 = {accounted}",
                self.bytes, self.record_bytes, self.refused, self.left,
            ));
        }
        if self.records != self.parsed + self.unparsed {
            return Err(format!(
                "{} records, but {} parsed + {} not",
                self.records, self.parsed, self.unparsed,
            ));
        }
        Ok(())
    }
}

/// `1 packet`, `2 packets`.
pub(crate) fn plural(n: u64, one: &str) -> String {
    format!("{n} {one}{}", if n == 1 { "" } else { "s" })
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let packet = |n| plural(n, "packet");
        write!(
            f,
            "{} received ({})",
            packet(self.records),
            plural(self.bytes, "byte")
        )?;
        write!(f, "\n{} parsed", packet(self.parsed))?;
        if self.unparsed > 0 {
            write!(f, "\n{} of unknown protocols", packet(self.unparsed))?;
        }
        if self.truncated > 0 {
            write!(f, "\n{} truncated", packet(self.truncated))?;
        }
        if self.unstamped > 0 {
            write!(
                f,
                "\n{} without a time stamp (tcpdump -t), timed by arrival",
                packet(self.unstamped)
            )?;
        }
        if self.dated > 0 {
            write!(
                f,
                "\n{} dated by the file's last change, because time stamps have no date (--date)",
                packet(self.dated)
            )?;
        }
        if self.misfits > 0 {
            write!(
                f,
                "\n{} omitted (wrong type)",
                plural(self.misfits, "value")
            )?;
        }
        let reasons = [
            (self.skipped.preamble, "before the first packet"),
            (
                self.skipped.late - self.skipped.empty,
                "too late for their packet",
            ),
            (self.skipped.oversize, "of packets over the limit"),
            (self.skipped.messages, "of messages among the packets"),
        ];
        for (bytes, reason) in reasons.into_iter().filter(|(bytes, _)| *bytes > 0) {
            write!(f, "\n{} skipped, {reason}", plural(bytes, "byte"))?;
        }
        if self.refused > 0 {
            write!(f, "\n{} refused (tcpdump -A)", plural(self.refused, "byte"))?;
        }
        if self.left > 0 {
            write!(
                f,
                "\n{} of an unfinished packet left for the next run",
                plural(self.left, "byte")
            )?;
        }
        if self.skipped.unserved > 0 {
            let of_lost = if self.captures > 0 {
                ", among those lost"
            } else {
                ""
            };
            write!(
                f,
                "\n{} not sent by `dumpstream serve`: read too slowly here{of_lost}",
                packet(self.skipped.unserved)
            )?;
        }
        if self.captures > 0 || self.lost > 0 {
            // As tcpdump does for its kernel, this line is also printed if the count is 0.
            write!(f, "\n{} lost between tcpdump and here", packet(self.lost))?;
        }
        if self.suspect > 0 {
            write!(
                f,
                "\n{} suspect: forged or sent twice, by their numbers",
                packet(self.suspect)
            )?;
        }
        if self.torn > 0 {
            write!(
                f,
                "\n{} torn: other lines came in another partition",
                packet(self.torn)
            )?;
        }
        if self.captures > 1 {
            write!(f, "\n{}", plural(self.captures, "capture"))?;
        }
        if self.names > 0 {
            write!(
                f,
                "\n{} with names instead of addresses: run tcpdump with -nn",
                packet(self.names)
            )?;
        }
        if self.own > 0 {
            write!(
                f,
                "\n{} of the sender's own connection to here: exclude its port in tcpdump's filter",
                packet(self.own),
            )?;
        }
        if self.stalled > Duration::ZERO {
            let seconds = self.stalled.as_secs_f64();
            write!(f, "\n{seconds:.3} seconds spent waiting for full sinks")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_and_every_record_is_accounted_for() {
        let mut skipped = Skipped::default();
        (skipped.preamble, skipped.late, skipped.messages) = (1, 1, 1);
        let mut summary = Summary {
            bytes: 10,
            record_bytes: 7,
            skipped,
            ..Summary::default()
        };
        assert_eq!(summary.verify(), Ok(()));
        summary.bytes += 1;
        assert!(
            summary
                .verify()
                .is_err_and(|reason| reason.contains("11 bytes arrived"))
        );
        (summary.refused, summary.bytes) = (1, 13);
        summary.left = 2;
        summary.records = 1;
        assert!(
            summary
                .verify()
                .is_err_and(|reason| reason.contains("1 records"))
        );
        summary.unparsed = 1;
        assert_eq!(summary.verify(), Ok(()));
    }

    #[test]
    fn what_did_not_occur_is_not_printed() {
        let mut summary = Summary {
            bytes: 80,
            records: 1,
            parsed: 1,
            ..Summary::default()
        };
        assert_eq!(
            summary.to_string(),
            "1 packet received (80 bytes)\n1 packet parsed"
        );
        summary.captures = 1;
        assert!(
            summary
                .to_string()
                .ends_with("\n0 packets lost between tcpdump and here")
        );
        (summary.captures, summary.lost, summary.suspect) = (2, 1, 3);
        assert!(summary.to_string().ends_with(
            "\n1 packet lost between tcpdump and here\n\
             3 packets suspect: forged or sent twice, by their numbers\n2 captures"
        ));
        summary.names = 1;
        summary.stalled = Duration::from_millis(1500);
        let text = summary.to_string();
        assert!(text.ends_with(
            "1 packet with names instead of addresses: run tcpdump with -nn\n\
             1.500 seconds spent waiting for full sinks"
        ));
    }
}

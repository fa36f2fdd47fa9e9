//! The figures of an input, or of several, at their end.

use std::fmt;
use std::time::Duration;

use dumpstream::Packets;
use dumpstream::framing::Skipped;

/// The figures of one input or of several, as [`run`](crate::run()) counts them.
///
/// The text of its `Display` reads like the lines that tcpdump ends with, one fact a line, without
/// a line feed at the end; what did not occur is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Inputs that these figures are of.
    pub inputs: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// Bytes that belong to records.
    pub record_bytes: u64,
    /// Bytes that belong to no record, by reason.
    pub skipped: Skipped,
    /// Bytes that were not looked at: the input was refused as text of `tcpdump -A`.
    pub refused: u64,
    /// Records; one is one packet's text.
    pub records: u64,
    /// Records whose protocol was found.
    pub parsed: u64,
    /// Records whose protocol was not: stored all the same, with what could be read.
    pub unparsed: u64,
    /// Records that were cut: at the limit, or by the end of the input.
    pub truncated: u64,
    /// Values whose text does not fit their type.
    pub misfits: u64,
    /// Records with a name in the place of the source's address: tcpdump ran without `-nn`.
    pub names: u64,
    /// Records of the connection that they arrived over: the sender captures its own uplink.
    pub own: u64,
    /// Runs of tcpdump, by the numbers of `-#`; 0 without them, and of an input that goes on with
    /// the count of one before it. See [`Sequence`](dumpstream::Sequence).
    pub captures: u64,
    /// Packets that tcpdump printed and that did not arrive here, by the numbers of `-#`; also
    /// between this input and the one before it of the same sensor.
    pub lost: u64,
    /// Records that tcpdump did not print where they stand, by the numbers of `-#`: forged by a
    /// packet's text, or sent twice.
    pub suspect: u64,
    /// How long full lanes kept the input from being read.
    pub stalled: Duration,
}

impl Summary {
    /// Of one input that has not begun.
    pub(crate) fn of_one() -> Summary {
        Summary {
            inputs: 1,
            ..Summary::default()
        }
    }

    /// The records of a batch, and what its packets tell by themselves.
    pub(crate) fn of_packets(packets: &Packets) -> Summary {
        let mut batch = Summary {
            records: packets.len() as u64,
            ..Summary::default()
        };
        for packet in packets.iter() {
            batch.parsed += u64::from(packet.parsed());
            batch.truncated += u64::from(packet.truncated());
            batch.misfits += u64::from(packet.misfits());
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
        self.records += other.records;
        self.parsed += other.parsed;
        self.unparsed += other.unparsed;
        self.truncated += other.truncated;
        self.misfits += other.misfits;
        self.names += other.names;
        self.own += other.own;
        self.captures += other.captures;
        self.lost += other.lost;
        self.suspect += other.suspect;
        self.stalled += other.stalled;
    }

    /// Whether the figures add up: every byte is in a record or was skipped for a reason, and every
    /// record was parsed or was not.
    ///
    /// # Errors
    /// The identity that does not hold, with both of its sides.
    pub fn verify(&self) -> Result<(), String> {
        let skipped = self.skipped.total();
        let accounted = self.record_bytes + skipped + self.refused;
        if self.bytes != accounted {
            return Err(format!(
                "{} bytes arrived, but {} in records + {skipped} skipped + {} refused = {accounted}",
                self.bytes, self.record_bytes, self.refused,
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
        if self.misfits > 0 {
            write!(
                f,
                "\n{} left out, not of their type",
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
            (self.skipped.messages, "of tcpdump's own messages"),
        ];
        for (bytes, reason) in reasons.into_iter().filter(|(bytes, _)| *bytes > 0) {
            write!(f, "\n{} skipped, {reason}", plural(bytes, "byte"))?;
        }
        if self.refused > 0 {
            write!(
                f,
                "\n{} refused, of tcpdump -A",
                plural(self.refused, "byte")
            )?;
        }
        if self.captures > 0 || self.lost > 0 {
            // As tcpdump does of its kernel, it is said that none was, too.
            write!(f, "\n{} lost between tcpdump and here", packet(self.lost))?;
        }
        if self.suspect > 0 {
            write!(
                f,
                "\n{} suspect: forged or sent twice, by their numbers",
                packet(self.suspect)
            )?;
        }
        if self.captures > 1 {
            write!(f, "\n{}", plural(self.captures, "capture"))?;
        }
        if self.names > 0 {
            write!(
                f,
                "\n{} with names for addresses: run tcpdump with -nn",
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
            write!(f, "\n{seconds:.3} seconds not read, waiting for full sinks")?;
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
        summary.refused = 1;
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
            "1 packet with names for addresses: run tcpdump with -nn\n\
             1.500 seconds not read, waiting for full sinks"
        ));
    }
}

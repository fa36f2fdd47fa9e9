//! What became of every packet, from the sender to the row.

use std::fmt;

use super::{Counts, Sent};
use crate::lane::Counters;
use crate::latency::Latency;
use crate::summary::plural;

/// What became of every packet: sent, received by the kernel's filter, captured, printed, written.
///
/// Its `Display` prints one figure per line, in that order, without a final line feed.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Ledger {
    /// What tcpreplay sent on the captured interface, if it did.
    pub sent: Option<Sent>,
    /// Sum of the counters of every run of tcpdump.
    pub counts: Counts,
    /// Runs of tcpdump that opened the interface.
    pub runs: u64,
    /// Runs that ended without their counters, because tcpdump was killed: of these, `counts` has
    /// what tcpdump last reported.
    pub uncounted: u64,
    /// Whether the interface is a loopback interface, whose packets `received` counts twice.
    pub loopback: bool,
    /// Records that were read.
    pub printed: u64,
    /// What the outputs have.
    pub outputs: Vec<Output>,
}

/// What an output has.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Output {
    /// Its name.
    pub name: String,
    /// What became of its packets.
    pub counters: Counters,
    /// The time from a packet's stamp to its row.
    pub delay: Latency,
}

impl Ledger {
    /// Packets that were received, but neither dropped nor captured: left in tcpdump's buffer, or the
    /// copies of loopback packets.
    fn unread(&self) -> i128 {
        let counts = &self.counts;
        i128::from(counts.received) - i128::from(counts.dropped) - i128::from(counts.captured)
    }

    /// Packets that passed the filter, each once.
    fn passed(&self) -> u64 {
        match self.loopback {
            true => self.counts.received / 2,
            false => self.counts.received,
        }
    }

    /// Where figures that should be equal differ, once everything has ended. Packets that the kernel
    /// dropped are lost, but accounted for. Empty: the ledger balances.
    pub fn differences(&self) -> Vec<String> {
        let mut differences = Vec::new();
        if self.uncounted > 0 {
            let runs = plural(self.uncounted, "run");
            differences.push(format!("{runs} of tcpdump ended without its counters"));
        }
        if let Some(sent) = self.sent {
            let passed = self.passed();
            match passed.cmp(&sent.packets) {
                std::cmp::Ordering::Less => differences.push(format!(
                    "{} sent, but not received by the filter: it excludes them, or the interface \
                     lost them",
                    plural(sent.packets - passed, "packet")
                )),
                std::cmp::Ordering::Greater => differences.push(format!(
                    "{} received that tcpreplay did not send: other traffic",
                    plural(passed - sent.packets, "packet")
                )),
                std::cmp::Ordering::Equal => {}
            }
        }
        if self.unread() < 0 {
            differences.push(format!(
                "{} captured or dropped, but not received by the filter",
                plural(self.unread().unsigned_abs() as u64, "packet")
            ));
        }
        let mut differ = |from: u64, what: &str, to: u64, then: &str| {
            if from > to {
                let missing = plural(from - to, "packet");
                differences.push(format!("{missing} {what}, but not {then}"));
            }
        };
        let (captured, printed) = (self.counts.captured, self.printed);
        differ(captured, "captured", printed, "printed");
        differ(printed, "printed", captured, "captured");
        for Output { name, counters, .. } in &self.outputs {
            let then = format!("written to {name}");
            differ(printed, "printed", counters.delivered, &then);
            differ(counters.delivered, &then, printed, "printed");
        }
        differences
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let packets = |n| plural(n, "packet");
        if let Some(sent) = self.sent {
            writeln!(f, "{} sent by tcpreplay", packets(sent.packets))?;
            if sent.failed > 0 {
                writeln!(
                    f,
                    "{} refused by its interface; --mtu lets it take longer packets",
                    packets(sent.failed)
                )?;
            }
        }
        let counts = &self.counts;
        writeln!(f, "{} received by filter", packets(counts.received))?;
        writeln!(f, "{} dropped by kernel", packets(counts.dropped))?;
        if counts.missed > 0 {
            writeln!(f, "{} dropped by interface", packets(counts.missed))?;
        }
        if let Ok(unread @ 1..) = u64::try_from(self.unread()) {
            let what = match self.loopback {
                true => "received twice from the loopback interface, or left in tcpdump's buffer",
                false => "left in tcpdump's buffer",
            };
            writeln!(f, "{} {what}", packets(unread))?;
        }
        write!(f, "{} captured", packets(counts.captured))?;
        if self.runs != 1 {
            write!(f, " by {} of tcpdump", plural(self.runs, "run"))?;
        }
        write!(f, "\n{} printed", packets(self.printed))?;
        for Output {
            name,
            counters,
            delay,
        } in &self.outputs
        {
            write!(f, "\n{} written to {name}", packets(counters.delivered))?;
            if let (Some(p50), Some(p99), Some(max)) = (delay.p50, delay.p99, delay.max) {
                let [p50, p99, max] = [p50, p99, max].map(|d| d.as_secs_f64() * 1e3);
                write!(
                    f,
                    ", {p50:.1} ms after their time stamps (p50), {p99:.1} ms (p99), {max:.1} ms (max)"
                )?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ledger() -> Ledger {
        Ledger {
            sent: Some(Sent {
                packets: 10,
                failed: 0,
            }),
            counts: Counts {
                captured: 7,
                received: 10,
                dropped: 2,
                missed: 0,
            },
            runs: 1,
            printed: 7,
            outputs: vec![Output {
                name: "null:".to_owned(),
                counters: Counters {
                    delivered: 7,
                    ..Counters::default()
                },
                delay: Latency::default(),
            }],
            ..Ledger::default()
        }
    }

    #[test]
    fn what_is_accounted_for_balances() {
        let ledger = ledger();
        assert_eq!(ledger.differences(), [""; 0]);
        assert_eq!(
            ledger.to_string(),
            "10 packets sent by tcpreplay\n10 packets received by filter\n\
             2 packets dropped by kernel\n1 packet left in tcpdump's buffer\n7 packets captured\n\
             7 packets printed\n7 packets written to null:"
        );
    }

    #[test]
    fn each_difference_is_named() {
        let changed = |change: fn(&mut Ledger)| {
            let mut ledger = ledger();
            change(&mut ledger);
            ledger.differences().join("; ")
        };
        for (change, named) in [
            (
                (|l| l.uncounted = 1) as fn(&mut Ledger),
                "1 run of tcpdump ended without its counters",
            ),
            (
                |l| l.counts.received -= 1,
                "1 packet sent, but not received",
            ),
            (
                |l| l.counts.received += 3,
                "3 packets received that tcpreplay did not send",
            ),
            (
                |l| l.counts.dropped += 2,
                "1 packet captured or dropped, but not received",
            ),
            (|l| l.printed -= 1, "1 packet captured, but not printed"),
            (|l| l.printed += 1, "1 packet printed, but not captured"),
            (
                |l| l.outputs[0].counters.delivered = 4,
                "3 packets printed, but not written to null:",
            ),
        ] {
            assert!(
                changed(change).contains(named),
                "{named}: {}",
                changed(change)
            );
        }
    }

    #[test]
    fn a_loopback_packet_is_received_twice() {
        let mut ledger = ledger();
        ledger.loopback = true;
        ledger.counts = Counts {
            captured: 10,
            received: 20,
            ..Counts::default()
        };
        ledger.printed = 10;
        ledger.outputs[0].counters.delivered = 10;
        ledger.outputs[0].delay.p50 = Some(Duration::from_micros(1500));
        ledger.outputs[0].delay.p99 = Some(Duration::from_millis(2));
        ledger.outputs[0].delay.max = Some(Duration::from_secs(1));
        assert_eq!(ledger.differences(), [""; 0]);
        let text = ledger.to_string();
        assert!(text.contains("10 packets received twice"), "{text}");
        assert!(
            text.ends_with("1.5 ms after their time stamps (p50), 2.0 ms (p99), 1000.0 ms (max)")
        );
    }
}

//! tcpdump's own counters, as it prints them at its end and when it is asked.

use std::ops::AddAssign;

/// tcpdump's counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Packets that tcpdump read from its buffer and printed.
    pub captured: u64,
    /// Packets that passed the filter in the kernel: captured, dropped, or still in the buffer. On
    /// Linux a packet of the loopback interface counts twice, and tcpdump reads one of the two.
    pub received: u64,
    /// Packets for which the buffer had no room.
    pub dropped: u64,
    /// Packets that the interface or its driver dropped before the filter, if it can tell.
    pub missed: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.captured += other.captured;
        self.received += other.received;
        self.dropped += other.dropped;
        self.missed += other.missed;
    }
}

/// A line of tcpdump's standard error that has counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// All of them, when it was asked: `tcpdump: 2 packets captured, 2 packets received by filter,
    /// 0 packets dropped by kernel`.
    Passing(Counts),
    /// One of them, at its end: `1 packet captured`. The others are 0.
    Closing(Counts),
}

impl Line {
    pub(super) fn read(line: &str) -> Option<Line> {
        let rest = line.strip_prefix("tcpdump: ");
        let mut counts = Counts::default();
        for item in rest.unwrap_or(line).split(", ") {
            let (number, what) = item.split_once(" packet")?;
            let count = match what.strip_prefix('s').unwrap_or(what) {
                " captured" => &mut counts.captured,
                " received by filter" => &mut counts.received,
                " dropped by kernel" => &mut counts.dropped,
                " dropped by interface" => &mut counts.missed,
                _ => return None,
            };
            *count = number.parse().ok()?;
        }
        Some(match rest {
            Some(_) => Line::Passing(counts),
            None => Line::Closing(counts),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings() {
        let all = "tcpdump: 214 packets captured, 6340 packets received by filter, \
                   4639 packets dropped by kernel, 1 packet dropped by interface";
        let counts = Counts {
            captured: 214,
            received: 6340,
            dropped: 4639,
            missed: 1,
        };
        assert_eq!(Line::read(all), Some(Line::Passing(counts)));
        let mut sum = Counts::default();
        for line in [
            "214 packets captured",
            "6340 packets received by filter",
            "4639 packets dropped by kernel",
            "1 packet dropped by interface",
        ] {
            match Line::read(line) {
                Some(Line::Closing(counts)) => sum += counts,
                other => panic!("{line}: {other:?}"),
            }
        }
        assert_eq!(sum, counts);
    }

    #[test]
    fn other_messages_are_none() {
        for line in [
            "",
            "tcpdump: ",
            "listening on lo, link-type EN10MB (Ethernet), snapshot length 262144 bytes",
            "tcpdump: eth0: 5 packets captured",
            "-1 packets captured",
            "99999999999999999999 packets captured",
            "5 packets eaten",
            "packets captured",
        ] {
            assert_eq!(Line::read(line), None, "{line}");
        }
    }
}

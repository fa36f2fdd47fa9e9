//! How long a silent sender may be unreachable.

use std::fmt;
use std::io;
use std::str::FromStr;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

use crate::amount;

/// For how long a quiet connection survives that the other end does not answer, by TCP's probes.
///
/// A sender's own TCP retransmits for at least 15 minutes (Linux) before it gives up, so an outage
/// shorter than the default of 20 minutes ends no connection that the sender keeps.
///
/// ```
/// # use dumpstream_flow::net::Keepalive;
/// assert_eq!(Keepalive::default().to_string(), "20m");
/// assert_eq!("off".parse(), Ok(Keepalive::off()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive(Option<Duration>);

/// Probes of an outage as long as allowed: a coarse step, so that quiet connections cost nothing.
const PROBES: u32 = 16;

/// TCP counts in seconds, and no more of them.
const LONGEST: Duration = Duration::from_secs(PROBES as u64 * 32_000);

impl Keepalive {
    /// Survives outages up to this long, in whole seconds: at least 1 s, at most 5 days.
    pub fn of(outage: Duration) -> Keepalive {
        Keepalive(Some(outage.clamp(Duration::from_secs(1), LONGEST)))
    }

    /// Never probes: a sender that vanishes without a word keeps its place.
    pub fn off() -> Keepalive {
        Keepalive(None)
    }

    /// The time between two probes, and after how many unanswered ones the connection ends. The
    /// first one of an outage may go out as it begins, so there is one more than fit into it.
    fn probes(outage: Duration) -> (Duration, u32) {
        let outage = outage.as_secs_f64().ceil() as u32;
        let interval = outage.div_ceil(PROBES).max(1);
        (
            Duration::from_secs(interval.into()),
            outage.div_ceil(interval) + 1,
        )
    }

    pub(super) fn set<'a, S>(self, socket: &'a S) -> io::Result<()>
    where
        SockRef<'a>: From<&'a S>,
    {
        let Some(outage) = self.0 else { return Ok(()) };
        let (interval, retries) = Keepalive::probes(outage);
        let probes = TcpKeepalive::new()
            .with_time(interval)
            .with_interval(interval)
            .with_retries(retries);
        SockRef::from(socket).set_tcp_keepalive(&probes)
    }
}

impl Default for Keepalive {
    fn default() -> Keepalive {
        Keepalive::of(Duration::from_secs(20 * 60))
    }
}

impl FromStr for Keepalive {
    type Err = String;

    fn from_str(text: &str) -> Result<Keepalive, String> {
        match text {
            "off" => Ok(Keepalive::off()),
            time => match amount::duration(time)? {
                Duration::ZERO => Err("must be greater than 0, or off".to_owned()),
                outage => Ok(Keepalive::of(outage)),
            },
        }
    }
}

impl fmt::Display for Keepalive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.map(|outage| outage.as_secs()) {
            None => f.write_str("off"),
            Some(seconds) if seconds % 60 == 0 => write!(f, "{}m", seconds / 60),
            Some(seconds) => write!(f, "{seconds}s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_of_the_time_leaves_one_probe_to_be_answered() {
        for seconds in [1, 2, 15, 16, 17, 60, 900, 1000, 1200, 86_400] {
            let outage = Duration::from_secs(seconds);
            let (interval, retries) = Keepalive::probes(outage);
            // Worst case: the first probe is sent as the outage begins; the last one after it.
            assert!(interval * (retries - 1) >= outage, "{seconds}");
            // What vanishes is noticed not much later than that.
            assert!(interval * retries <= outage * 2 + interval, "{seconds}");
            assert!(retries <= PROBES + 1, "{seconds}");
        }
        let (interval, retries) = Keepalive::probes(Duration::from_secs(1200));
        assert_eq!((interval.as_secs(), retries), (75, 17));
    }

    #[test]
    fn off_is_no_time() {
        assert_eq!("off".parse(), Ok(Keepalive::off()));
        assert_eq!("90s".parse(), Ok(Keepalive::of(Duration::from_secs(90))));
        assert!("never".parse::<Keepalive>().is_err());
        for text in ["off", "20m", "90s"] {
            assert_eq!(text.parse::<Keepalive>().expect(text).to_string(), text);
        }
    }
}

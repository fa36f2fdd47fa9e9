//! Who may connect.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};

use crate::run::Error;

/// The networks whose hosts may connect, by default loopback only, and those whose hosts may not.
///
/// ```
/// use dumpstream_flow::net::Access;
/// let access: Access = "192.0.2.0/24,2001:db8::1".parse()?;
/// assert!(access.allows("192.0.2.7".parse()?));
/// assert!(access.allows("::ffff:192.0.2.7".parse()?), "as a listener on `::` sees it");
/// assert!(!access.allows("127.0.0.1".parse()?), "the list is what it says");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// If empty, loopback only.
    nets: Vec<IpNet>,
    /// Those that may not, whatever `nets` says.
    denied: Vec<IpNet>,
}

impl Access {
    /// Allows this host only.
    pub fn loopback() -> Access {
        Access::default()
    }

    /// Adds the networks of another list.
    pub fn and(mut self, other: Access) -> Access {
        self.nets.extend(other.nets);
        self.denied.extend(other.denied);
        self
    }

    /// Excepts the networks that another list allows.
    pub fn except(mut self, other: Access) -> Access {
        self.denied.extend(other.nets);
        self
    }

    /// Whether networks were given explicitly.
    pub fn is_explicit(&self) -> bool {
        !self.nets.is_empty()
    }

    /// Whether one of the networks covers all of IPv4 or IPv6.
    pub fn is_everyone(&self) -> bool {
        self.nets.iter().any(|net| net.prefix_len() == 0)
    }

    /// Whether a host may connect. An IPv4 address mapped into IPv6 counts as the IPv4 address.
    pub fn allows(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        if self.denied.iter().any(|net| net.contains(&ip)) {
            return false;
        }
        match self.nets.as_slice() {
            [] => ip.is_loopback(),
            nets => nets.iter().any(|net| net.contains(&ip)),
        }
    }
}

impl FromStr for Access {
    type Err = Error;

    /// Parses addresses and CIDRs, separated by commas.
    fn from_str(text: &str) -> Result<Access, Error> {
        let nets = text.split(',').map(|entry| {
            net(entry.trim()).ok_or_else(|| Error::Network {
                text: entry.trim().to_owned(),
            })
        });
        Ok(Access {
            nets: nets.collect::<Result<_, _>>()?,
            denied: Vec::new(),
        })
    }
}

fn net(text: &str) -> Option<IpNet> {
    let net = match text.parse::<IpAddr>() {
        Ok(ip) => IpNet::from(ip),
        Err(_) => text.parse::<IpNet>().ok()?,
    };
    // Peers are compared as IPv4 addresses if they have one, so a network in ::ffff:0:0/96 must be
    // IPv4, too.
    let mapped = match net {
        IpNet::V6(v6) if v6.prefix_len() >= 96 => v6
            .addr()
            .to_ipv4_mapped()
            .and_then(|v4| Ipv4Net::new(v4, v6.prefix_len() - 96).ok()),
        _ => None,
    };
    Some(mapped.map_or(net, IpNet::V4).trunc())
}

impl fmt::Display for Access {
    /// The networks, separated by commas, or `loopback`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nets.is_empty() {
            return f.write_str("loopback");
        }
        for (i, net) in self.nets.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            write!(f, "{comma}{net}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(list: &str, ip: &str) -> bool {
        let access: Access = list.parse().expect("a list");
        access.allows(ip.parse().expect("an address"))
    }

    #[test]
    fn loopback_unless_told() {
        let access = Access::loopback();
        for ip in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert!(access.allows(ip.parse().expect("an address")), "{ip}");
        }
        for ip in ["192.0.2.1", "::", "0.0.0.0", "::ffff:192.0.2.1", "fe80::1"] {
            assert!(!access.allows(ip.parse().expect("an address")), "{ip}");
        }
        assert!(!access.is_explicit());
        assert_eq!(access.to_string(), "loopback");
    }

    #[test]
    fn ipv4_within_ipv6_is_ipv4() {
        assert!(allows("10.0.0.0/8", "::ffff:10.1.2.3"));
        assert!(allows("::ffff:10.0.0.0/104", "10.1.2.3"));
        assert!(!allows("::ffff:10.0.0.0/104", "11.1.2.3"));
        assert!(!allows("::/0", "10.1.2.3"), "all of IPv6 is none of IPv4");
        assert!(allows("0.0.0.0/0,::/0", "10.1.2.3"));
        let everyone = |list: &str| list.parse::<Access>().expect("a list").is_everyone();
        assert!(everyone("10.0.0.0/8,0.0.0.0/0") && everyone("::/0") && !everyone("10.0.0.0/8"));
    }

    #[test]
    fn an_exception_wins() {
        let list = |text: &str| text.parse::<Access>().expect("a list");
        let access = list("10.0.0.0/8").except(list("10.1.0.0/16,::ffff:10.2.0.0/112"));
        for (ip, allowed) in [
            ("10.0.0.1", true),
            ("10.1.0.1", false),
            ("::ffff:10.2.0.1", false),
        ] {
            assert_eq!(
                access.allows(ip.parse().expect("an address")),
                allowed,
                "{ip}"
            );
        }
        let access = access.and(list("10.1.0.0/16"));
        assert!(!access.allows("10.1.0.1".parse().expect("an address")));
        assert!(!Access::loopback().except(list("127.0.0.1")).is_explicit());
    }

    #[test]
    fn host_bits_do_not_matter() {
        assert!(allows("10.9.8.7/8", "10.1.2.3"));
        assert!(allows("192.0.2.1", "192.0.2.1"));
        assert!(!allows("192.0.2.1", "192.0.2.2"));
    }

    #[test]
    fn what_is_no_network_is_named() {
        for text in ["", "10.0.0.0/33", "host", "10.0.0.0/8,", "10.0.0"] {
            let error = text.parse::<Access>().expect_err(text);
            assert!(
                error.is_usage() && error.to_string().contains("CIDR"),
                "{error}"
            );
        }
    }
}

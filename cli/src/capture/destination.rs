//! Tells the address to send to from the filter: `[HOST PORT] FILTER…`.

use dumpstream_flow::net;

use super::super::address;

/// Words with which a filter begins, and that a number may follow. A host of such a name is written
/// `HOST:PORT`.
const FILTER_WORDS: [&str; 36] = [
    "and",
    "arp",
    "atalk",
    "broadcast",
    "decnet",
    "dst",
    "ether",
    "fddi",
    "gateway",
    "geneve",
    "greater",
    "host",
    "icmp",
    "icmp6",
    "igmp",
    "ip",
    "ip6",
    "less",
    "link",
    "mpls",
    "net",
    "not",
    "or",
    "port",
    "portrange",
    "pppoes",
    "proto",
    "protochain",
    "rarp",
    "sctp",
    "src",
    "tcp",
    "udp",
    "vlan",
    "vxlan",
    "wlan",
];

/// The address, `HOST:PORT`, if the words begin with one, and the filter.
pub(super) fn split(words: &[String]) -> (Option<String>, String) {
    let (address, filter) = match words {
        [host, port, filter @ ..] if is_host(host) && port.parse::<u16>().is_ok() => (
            address::joined(&[host.clone(), port.clone()], None).ok(),
            filter,
        ),
        [one, filter @ ..] if one.rsplit_once(':').is_some_and(|(host, _)| is_host(host)) => {
            (Some(one.clone()), filter)
        }
        filter => (None, filter),
    };
    match address.filter(|address| net::check(address).is_ok()) {
        Some(address) => (Some(address), filter.join(" ")),
        None => (None, words.join(" ")),
    }
}

/// Whether a word can be a host but not the begin of a filter.
fn is_host(word: &str) -> bool {
    let host =
        |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%' | '[' | ']');
    !word.is_empty() && word.chars().all(host) && !FILTER_WORDS.contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_comes_first() {
        for (typed, address, filter) in [
            ("", None, ""),
            ("tcp port 80", None, "tcp port 80"),
            ("port 80", None, "port 80"),
            ("vlan 5 and tcp", None, "vlan 5 and tcp"),
            ("10.0.0.1 4444", Some("10.0.0.1:4444"), ""),
            (
                "collector 4444 tcp port 80",
                Some("collector:4444"),
                "tcp port 80",
            ),
            ("port:80 tcp", None, "port:80 tcp"),
            ("fe80::1%eth0 4444 udp", Some("[fe80::1%eth0]:4444"), "udp"),
            ("[2001:db8::1]:4444 udp", Some("[2001:db8::1]:4444"), "udp"),
            ("collector:4444", Some("collector:4444"), ""),
            ("host ::1", None, "host ::1"),
            ("ether[0:2] = 1", None, "ether[0:2] = 1"),
            ("collector 0", None, "collector 0"),
            ("collector 70000", None, "collector 70000"),
            ("192.0.2.1", None, "192.0.2.1"),
        ] {
            let words: Vec<String> = typed.split_whitespace().map(str::to_owned).collect();
            let wanted = (address.map(str::to_owned), filter.to_owned());
            assert_eq!(split(&words), wanted, "{typed}");
        }
        // A filter in one word, as it is usually quoted.
        let quoted = ["host 192.0.2.1 and port 80".to_owned()];
        assert_eq!(split(&quoted), (None, quoted[0].clone()));
    }
}

//! Reads the servers of a cluster, as a URL lists them.

/// Reads `h1,h2:9092` as `HOST:PORT` each. A port after the last host applies to all hosts without
/// one; if there is none, that is `default`.
pub(crate) fn servers(hosts: &str, default: u16) -> Result<Vec<String>, String> {
    let parsed: Vec<(&str, Option<&str>)> = hosts
        .split(',')
        .map(|host| match host.rsplit_once(':') {
            // `[::1]` and `[::1]:9092`; the colons of a bare IPv6 address do not begin a port.
            Some((_, port)) if port.ends_with(']') => (host, None),
            Some((host, port)) => (host, Some(port)),
            None => (host, None),
        })
        .collect();
    let last = parsed.last().and_then(|(_, port)| *port);
    let mut servers = Vec::new();
    for (host, port) in parsed {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if bare.is_empty() || (bare.contains(':') && bare == host) {
            return Err(format!(
                "`{host}` is not a host: give 10.0.0.1, db.example.org or [2001:db8::1]"
            ));
        }
        let port = match port.or(last) {
            None => default,
            Some(text) => text
                .parse()
                .map_err(|_| format!("`{text}` is not a port: give a number from 1 to 65535"))?,
        };
        servers.push(format!("{host}:{port}"));
    }
    Ok(servers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports() {
        assert_eq!(servers("a,b", 9042).unwrap(), ["a:9042", "b:9042"]);
        assert_eq!(servers("a,b:19042", 9042).unwrap(), ["a:19042", "b:19042"]);
        assert_eq!(servers("a:1,b:2", 9042).unwrap(), ["a:1", "b:2"]);
        assert_eq!(
            servers("[::1],[::2]:7", 9042).unwrap(),
            ["[::1]:7", "[::2]:7"]
        );
        for wrong in ["", "a,,b", "::1", "a:x", "a:70000"] {
            assert!(servers(wrong, 9042).is_err(), "{wrong}");
        }
    }
}

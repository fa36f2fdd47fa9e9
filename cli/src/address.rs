//! Addresses in netcat's spellings: `4444`, `HOST:4444`, `[::1]:4444`, `HOST 4444`, `-p 4444`.

use super::Usage;

/// Joins the words of an address and the value of `-p` into the `[HOST:]PORT` that the library
/// reads.
pub(super) fn joined(words: &[String], port: Option<u16>) -> Result<String, Usage> {
    match (words, port) {
        ([], None) => Err(Usage::new("missing port: give one, such as 4444")),
        ([], Some(port)) => Ok(port.to_string()),
        ([host], Some(port)) => Ok(format!("{}:{port}", bracketed(host))),
        ([one], None) => Ok(one.clone()),
        ([host, port], None) => Ok(format!("{}:{port}", bracketed(host))),
        (_, _) => Err(Usage::new(format!(
            "{} is not an address: give PORT, HOST:PORT or HOST PORT",
            words.join(" ")
        ))),
    }
}

/// An IPv6 address in brackets, anything else as it is.
fn bracketed(host: &str) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling() {
        let typed = |words: &[&str], port| {
            let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
            joined(&words, port).map_err(|e| e.to_string())
        };
        for (words, port, address) in [
            (&["4444"][..], None, "4444"),
            (&[":4444"], None, ":4444"),
            (&[], Some(4444), "4444"),
            (&["10.0.0.1:4444"], None, "10.0.0.1:4444"),
            (&["[::1]:4444"], None, "[::1]:4444"),
            (&["::1", "4444"], None, "[::1]:4444"),
            (&["localhost"], Some(4444), "localhost:4444"),
        ] {
            assert_eq!(typed(words, port).as_deref(), Ok(address));
        }
        assert!(typed(&[], None).is_err());
        assert!(typed(&["a", "1"], Some(1)).is_err());
    }
}

//! The names of services that tcpdump prints for ports, without `-n`.
//!
//! The names and numbers are IANA's, and those that systems had in `/etc/services` before IANA's
//! names. A name that stands for two ports (`http-alt`: 591, 8008 and 8080) is not in the table:
//! which of them it was, the text does not tell.

/// `NAME PORT` a line, in the order of the bytes.
const NAMES: &str = include_str!("service/names.txt");

/// The port that has the name.
pub(crate) fn port(name: &[u8]) -> Option<u16> {
    let table = NAMES.as_bytes();
    let (mut from, mut to) = (0, table.len());
    while from < to {
        let middle = usize::midpoint(from, to);
        let start = memchr::memrchr(b'\n', &table[from..middle]).map_or(from, |at| from + at + 1);
        let end = memchr::memchr(b'\n', &table[middle..to]).map_or(to, |at| middle + at);
        let line = &table[start..end];
        let blank = memchr::memchr(b' ', line)?;
        match line[..blank].cmp(name) {
            std::cmp::Ordering::Equal => {
                return str::from_utf8(&line[blank + 1..]).ok()?.parse().ok();
            }
            std::cmp::Ordering::Less => from = end + 1,
            std::cmp::Ordering::Greater => to = start,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_the_table_is_found_and_no_other() {
        let mut before = "";
        for line in NAMES.lines() {
            let (name, number) = line.split_once(' ').expect("a name and a port");
            assert!(before < name, "{before} stands before {name}");
            assert_eq!(port(name.as_bytes()), number.parse().ok(), "{name}");
            before = name;
        }
        assert_eq!(port(b"domain"), Some(53));
        for other in [
            "", "zzzz", "0", "doma", "domainx", "http-alt", "http 80", "\n",
        ] {
            assert_eq!(port(other.as_bytes()), None, "{other}");
        }
    }
}

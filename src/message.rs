//! Messages among the text: tcpdump's own, which `2>&1` mixes in, and that of `dumpstream serve`.

use crate::head::Style;

/// A message and no text of a packet: one of tcpdump's own, or that of `dumpstream serve`.
pub(crate) fn is_message(line: &[u8]) -> bool {
    const STARTS: [&[u8]; 5] = [
        b"tcpdump: ",
        b"reading from file ",
        b"listening on ",
        b"dropped privs to ",
        b"Warning: interface names might be incorrect",
    ];
    if STARTS.iter().any(|start| line.starts_with(start)) {
        return true;
    }
    if unserved(line).is_some() {
        return true;
    }
    let digits = line.iter().take_while(|b| b.is_ascii_digit()).count();
    let Some(rest) = line[digits..].strip_prefix(b" packet") else {
        return false;
    };
    let rest = rest.strip_prefix(b"s").unwrap_or(rest);
    digits > 0
        && [
            &b" captured"[..],
            b" received by filter",
            b" dropped by kernel",
            b" dropped by interface",
        ]
        .iter()
        .any(|end| rest.starts_with(end))
}

/// How many records `dumpstream serve` did not send, in its message `dumpstream: skipped N records`.
pub(crate) fn unserved(line: &[u8]) -> Option<u64> {
    let rest = line.strip_prefix(b"dumpstream: skipped ")?;
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let (number, rest) = rest.split_at(digits);
    rest.starts_with(b" record").then_some(())?;
    str::from_utf8(number).ok()?.parse().ok()
}

/// What messages among records had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Messages {
    pub(crate) bytes: u64,
    /// See [`unserved`].
    pub(crate) unserved: u64,
}

impl Messages {
    pub(crate) fn add(&mut self, other: Messages) {
        self.bytes += other.bytes;
        self.unserved = self.unserved.saturating_add(other.unserved);
    }
}

/// Records whose messages were taken out.
pub(crate) struct Without {
    pub(crate) bytes: Vec<u8>,
    pub(crate) removed: Messages,
    /// Where messages stood in `bytes`, and how many bytes were taken out up to there.
    pub(crate) taken: Vec<(u32, u32)>,
}

/// The records without messages; `None` when there are none.
pub(crate) fn without_messages(bytes: &[u8], style: &Style) -> Option<Without> {
    let mut kept = Vec::new();
    let mut taken = Vec::new();
    let (mut from, mut start, mut removed) = (0, 0, Messages::default());
    while start < bytes.len() {
        let end = memchr::memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |i| start + i + 1);
        let line = &bytes[start..end];
        if is_message(line) && style.head(line).is_none() {
            kept.extend_from_slice(&bytes[from..start]);
            from = end;
            removed.add(Messages {
                bytes: (end - start) as u64,
                unserved: unserved(line).unwrap_or(0),
            });
            taken.push((kept.len() as u32, removed.bytes as u32));
        }
        start = end;
    }
    if removed.bytes == 0 {
        return None;
    }
    kept.extend_from_slice(&bytes[from..]);
    Some(Without {
        bytes: kept,
        removed,
        taken,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_message_of_serve_says_what_was_not_sent() {
        let all = |text: &str| unserved(text.as_bytes());
        assert_eq!(all("dumpstream: skipped 12 records\n"), Some(12));
        assert_eq!(all("dumpstream: skipped 1 record\r\n"), Some(1));
        for text in [
            "dumpstream: skipped records",
            "dumpstream: skipped -1 records",
            "dumpstream: skipped 1,000 records",
            "dumpstream: skipped 99999999999999999999 records",
            " dumpstream: skipped 1 record",
            "dumpstream: skipped 1",
        ] {
            assert_eq!(all(text), None, "{text}");
        }
    }
}

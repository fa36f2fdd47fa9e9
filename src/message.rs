//! tcpdump's own messages, which `2>&1` mixes into the text.

use crate::head::Style;

/// One of tcpdump's own messages, which `2>&1` mixes into the text.
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

/// The records without tcpdump's own messages, and how many bytes those had; `None` when there are
/// none.
pub(crate) fn without_messages(bytes: &[u8], style: &Style) -> Option<(Vec<u8>, u64)> {
    let mut kept = Vec::new();
    let (mut from, mut start, mut removed) = (0, 0, 0);
    while start < bytes.len() {
        let end = memchr::memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |i| start + i + 1);
        let line = &bytes[start..end];
        if is_message(line) && style.head(line).is_none() {
            kept.extend_from_slice(&bytes[from..start]);
            from = end;
            removed += (end - start) as u64;
        }
        start = end;
    }
    if removed == 0 {
        return None;
    }
    kept.extend_from_slice(&bytes[from..]);
    Some((kept, removed))
}

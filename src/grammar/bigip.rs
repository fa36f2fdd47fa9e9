//! What F5's BIG-IP prints behind every packet.

/// The text without it: its tcpdump adds
/// `" %s slot%d/tmm%d lis=%s port=%s trunk=%s"`, and with `-i IF:nnn` `" flowtype=%d flowid=%x …"`:
///
/// - `… length 26 in slot1/tmm0 lis=/Common/vs_http port=1.1 trunk=`
///
/// It is read from the end, where only the box itself writes.
pub(super) fn without(i: &[u8]) -> &[u8] {
    let mut rest = i;
    let mut values = 0;
    loop {
        let at = memchr::memrchr(b' ', rest).map_or(0, |at| at + 1);
        let last = &rest[at..];
        let Some(before) = rest[..at].strip_suffix(b" ") else {
            return i;
        };
        if let Some(equals) = memchr::memchr(b'=', last)
            && equals > 0
            && last[..equals].iter().all(u8::is_ascii_lowercase)
        {
            values += 1;
            rest = before;
            continue;
        }
        let from = before
            .strip_suffix(b" in")
            .or_else(|| before.strip_suffix(b" out"));
        return match from {
            Some(from) if values > 0 && processor(last) => from,
            _ => i,
        };
    }
}

/// `slot%d/tmm%d`, `tmm%d`
fn processor(word: &[u8]) -> bool {
    let number = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let tmm = match word.strip_prefix(b"slot") {
        Some(rest) => match memchr::memchr(b'/', rest) {
            Some(at) if number(&rest[..at]) => &rest[at + 1..],
            _ => return false,
        },
        None => word,
    };
    tmm.strip_prefix(b"tmm").is_some_and(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_suffix_is_left_out() {
        for (text, kept) in [
            (
                "x (29) in slot1/tmm0 lis=/Common/vs port=1.1 trunk=",
                "x (29)",
            ),
            ("x out slot1/tmm11 lis=", "x"),
            ("x in tmm0 lis= flowtype=64 flowid=5600 peerid=0", "x"),
            ("x in slot1/tmm0", "x in slot1/tmm0"),
            ("x in slot1/tmm lis=", "x in slot1/tmm lis="),
            ("x in slot1/tmm0 lis= (29)", "x in slot1/tmm0 lis= (29)"),
            ("slot1/tmm0 lis=", "slot1/tmm0 lis="),
            ("a=b c=d", "a=b c=d"),
            ("", ""),
        ] {
            assert_eq!(without(text.as_bytes()), kept.as_bytes(), "{text}");
        }
    }
}

//! Names in PPTP's messages, which tcpdump printed raw up to 4.9.3.
//!
//! `ND_PRINT(" HOSTNAME(%.64s)")` and `" VENDOR(%.64s)"` of print-pptp.c print up to 64 bytes each as
//! they came: line feeds too, and so whole records. One packet to port 1723 is enough, without a
//! connection. Honest text ends its line with both names and a parenthesis; a line that does not is
//! not over, and no record begins in it.

use memchr::memmem::rfind;

/// Both names, what stands between them, and the parenthesis at the end.
const LONGEST: usize = 64 + VENDOR.len() + 64 + 1;
const HOSTNAME: &[u8] = b" HOSTNAME(";
const VENDOR: &[u8] = b") VENDOR(";
/// Before the names of a message that has them: ten figures of up to 40 bytes.
const MESSAGE: &[u8] = b": pptp CTRL_MSGTYPE=";
const FIGURES: usize = 400;

/// Whether the text before a line is a record whose last line is one of PPTP's that is not over.
/// `before` ends with a line feed.
pub(crate) fn unended(before: &[u8]) -> bool {
    let window = before.len().saturating_sub(HOSTNAME.len() + LONGEST + 2);
    let Some(at) = rfind(&before[window..], HOSTNAME) else {
        return false;
    };
    let at = window + at;
    let message = &before[at.saturating_sub(FIGURES)..at];
    let Some(message) = rfind(message, MESSAGE).map(|from| &message[from..]) else {
        return false;
    };
    if memchr::memchr(b'\n', message).is_some() {
        return false;
    }
    let names = &before[at + HOSTNAME.len()..];
    let names = names.strip_suffix(b"\n").unwrap_or(names);
    let names = names.strip_suffix(b"\r").unwrap_or(names);
    // A packet that was cut says so.
    let ended = memchr::memmem::find(names, VENDOR).is_some() && names.ends_with(b")")
        || names.ends_with(b"[|pptp]");
    !ended
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_over_with_both_names() {
        let head = "22:13:21.000001 IP 192.0.2.1.4 > 192.0.2.7.1723: Flags [P.], length 156: pptp \
                    CTRL_MSGTYPE=SCCRQ PROTO_VER(1.0) FIRM_REV(1)";
        let long = "x".repeat(200);
        for (names, wanted) in [
            (" HOSTNAME(a) VENDOR(b)\n", false),
            (" HOSTNAME(a) VENDOR(b)\r\n", false),
            (" HOSTNAME() VENDOR()\n", false),
            (" HOSTNAME(a\n", true),
            (" HOSTNAME(a\r\n", true),
            (" HOSTNAME(a\nb) VENDOR(c\n", true),
            (" HOSTNAME(a\nb) VENDOR(c)\n", false),
            (" HOSTNAME(a) [|pptp]\n", false),
            (" [|pptp]\n", false),
            (&format!(" HOSTNAME({long}\n"), false),
        ] {
            assert_eq!(
                unended(format!("{head}{names}").as_bytes()),
                wanted,
                "{names:?}"
            );
        }
        assert!(!unended(
            b"22:13:21.000001 IP a > b: HTTP: GET / HOSTNAME(a\n"
        ));
        assert!(!unended(b"\n"));
        assert!(!unended(b""));
    }
}

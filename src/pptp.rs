//! Names in PPTP's messages, which tcpdump printed raw up to 4.9.3.
//!
//! `ND_PRINT(" HOSTNAME(%.64s)")` and `" VENDOR(%.64s)"` of print-pptp.c print up to 64 bytes each as
//! they came: line feeds too, and so whole records. One packet to port 1723 is enough, without a
//! connection. Honest text ends its line with both names and a parenthesis; a line that does not is
//! not over, and no record begins in it.

use memchr::memmem::find;

use crate::bigip;

/// Both names, what stands between them, and the parenthesis at the end.
const LONGEST: usize = 64 + VENDOR.len() + 64 + 1;
const HOSTNAME: &[u8] = b" HOSTNAME(";
const VENDOR: &[u8] = b") VENDOR(";
/// Before the names of a message that has them: figures.
const MESSAGE: &[u8] = b": pptp CTRL_MSGTYPE=";

/// Whether a record so far, given with its last line feed, ends with a line of PPTP's that is not
/// over.
pub(crate) fn unended(record: &[u8]) -> bool {
    let window = record.len().saturating_sub(HOSTNAME.len() + LONGEST + 2);
    if find(&record[window..], HOSTNAME).is_none() {
        return false;
    }
    // The first ones are the printer's: the names can spell them, too.
    let Some(message) = find(record, MESSAGE).map(|at| &record[at..]) else {
        return false;
    };
    let Some(at) = find(message, HOSTNAME) else {
        return false;
    };
    if memchr::memchr(b'\n', &message[..at]).is_some() {
        return false;
    }
    let names = &message[at + HOSTNAME.len()..];
    let names = names.strip_suffix(b"\n").unwrap_or(names);
    let names = names.strip_suffix(b"\r").unwrap_or(names);
    let names = bigip::without(names);
    // A packet that was cut says so.
    let ended =
        find(names, VENDOR).is_some() && names.ends_with(b")") || names.ends_with(b"[|pptp]");
    !ended && names.len() <= LONGEST
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
            (" HOSTNAME(a) VENDOR( HOSTNAME()\n", false),
            (
                " HOSTNAME(: pptp CTRL_MSGTYPE= HOSTNAME() VENDOR()\n",
                false,
            ),
            (
                " HOSTNAME(a) VENDOR(: pptp CTRL_MSGTYPE= HOSTNAME()\n",
                false,
            ),
            (" HOSTNAME(: pptp CTRL_MSGTYPE= HOSTNAME(a) VENDOR(\n", true),
            (" HOSTNAME(a) [|pptp]\n", false),
            (" HOSTNAME(a) VENDOR(b) in slot1/tmm0 lis=/a\n", false),
            (" HOSTNAME(a in slot1/tmm0 lis=/a\n", true),
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

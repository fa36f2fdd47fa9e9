//! Names in PPTP's messages, which tcpdump printed raw up to 4.9.3.
//!
//! `ND_PRINT(" HOSTNAME(%.64s)")` and `" VENDOR(%.64s)"` of print-pptp.c print up to 64 bytes each as
//! they came: line feeds too, and so whole records. One packet to port 1723 is enough, without a
//! connection. Honest text ends its line with both names and a parenthesis; a line that does not is
//! not over, and no record begins in it.

use memchr::memmem::find;

use crate::bigip;

/// Both names, what stands between them, the parenthesis at the end, and what BIG-IP adds.
const LONGEST: usize = 64 + VENDOR.len() + 64 + 1 + 256;
const HOSTNAME: &[u8] = b" HOSTNAME(";
const VENDOR: &[u8] = b") VENDOR(";
/// Before the names of a message that has them: with `-v` its length and its magic number, figures.
const MESSAGE: &[u8] = b": pptp ";
const TYPE: &[u8] = b"CTRL_MSGTYPE=";
const FIGURES: usize = 400;

/// Whether text that ends with a line feed ends within the names of a message of PPTP's.
pub(crate) fn unended(text: &[u8]) -> bool {
    let reach = MESSAGE.len() + FIGURES + HOSTNAME.len() + LONGEST;
    let mut rest = &text[text.len().saturating_sub(reach)..];
    // Messages from the first one on, since names can spell another.
    while let Some(at) = find(rest, MESSAGE) {
        rest = &rest[at + MESSAGE.len()..];
        let Some(names) = names(rest) else { continue };
        match end(names) {
            Some(end) => rest = &names[end..],
            None if names.len() <= LONGEST => return true,
            None => {}
        }
    }
    false
}

/// What follows `HOSTNAME(` in a message, if it has names.
fn names(message: &[u8]) -> Option<&[u8]> {
    let at = find(
        &message[..message.len().min(FIGURES + HOSTNAME.len())],
        HOSTNAME,
    )?;
    let figures = &message[..at];
    let own = find(figures, TYPE).is_some() && memchr::memchr(b'\n', figures).is_none();
    own.then(|| &message[at + HOSTNAME.len()..])
}

/// Where the line ends that both names end with.
fn end(names: &[u8]) -> Option<usize> {
    let ends = memchr::memchr_iter(b'\n', names).take_while(|end| *end <= LONGEST);
    ends.map(|end| end + 1).find(|end| {
        let line = &names[..end - 1];
        let line = bigip::without(line.strip_suffix(b"\r").unwrap_or(line));
        // A packet that was cut says so.
        find(line, VENDOR).is_some() && line.ends_with(b")") || line.ends_with(b"[|pptp]")
    })
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
            (&format!(" HOSTNAME({long}{long}\n"), false),
        ] {
            assert_eq!(
                unended(format!("{head}{names}").as_bytes()),
                wanted,
                "{names:?}"
            );
        }
        // With `-v`, and behind one that is over.
        let verbose = head.replace("CTRL_M", "Length=156 CTRL-MSG Magic-Cookie=1a2b3c4d CTRL_M");
        let honest = format!("{verbose} HOSTNAME(a) VENDOR(b)\n");
        assert!(!unended(honest.as_bytes()));
        for before in ["", &honest, &honest.repeat(3)] {
            let open = format!("{before}{verbose} HOSTNAME(: pptp CTRL_MSGTYPE= HOSTNAME(a\n");
            assert!(unended(open.as_bytes()), "{open}");
            assert!(!unended(format!("{open}) VENDOR(c)\n").as_bytes()));
        }
        assert!(!unended(
            b"22:13:21.000001 IP a > b: HTTP: GET / HOSTNAME(a\n"
        ));
        assert!(!unended(b"\n"));
        assert!(!unended(b""));
    }
}

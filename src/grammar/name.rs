//! What the packet is where no network header stands: the names of the printers below IP.
//!
//! A line's first word is a protocol only if it is on this list, and each entry is the beginning of
//! a printer's format string. Any other word (`ERROR`, an interface, a host) is no protocol.

use super::leaf::word;
use crate::cell::Fixed;

/// A protocol's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name<'a> {
    /// As the line has it.
    Text(&'a [u8]),
    /// In other words than the line's.
    Fixed(Fixed),
}

/// What a printer begins with, and which bytes of that are the name.
const SPELT: &[(&[u8], usize, usize)] = &[
    // print-stp.c: `"STP %s"`
    (b"STP ", 0, 3),
    // print-lldp.c: `"LLDP, length %u"`; OpenBSD: `"LLDP"`, `", ChassisId: "`
    (b"LLDP, ", 0, 4),
    // print-cdp.c: `"CDPv%u, ttl: %us"`; OpenBSD: `"CDP v%d, ttl=%ds"`
    (b"CDPv", 0, 3),
    (b"CDP v", 0, 3),
    // print-slow.c: `"%sv%u, length %u"`, `"%s version %u packet not supported"`, `"%s, length %u"`
    (b"LACPv", 0, 4),
    (b"LACP version ", 0, 4),
    (b"MARKERv", 0, 6),
    (b"MARKER version ", 0, 6),
    (b"OAM, length ", 0, 3),
    // print-atm.c: `"OAM %s"`
    (b"OAM F", 0, 3),
    // print-udld.c, print-vtp.c, print-dtp.c: `"UDLDv%u, "`, `"VTPv%u, "`, `"DTPv%u, "`
    (b"UDLDv", 0, 4),
    (b"VTPv", 0, 3),
    (b"DTPv", 0, 3),
    // print-eap.c: `"%s (%u) v%u, len %u"`
    (b"EAPOL ", 0, 5),
    // print-pppoe.c: `"PPPoE "`; OpenBSD: `"PPPoE-Discovery"`, `"PPPoE-Session"`
    (b"PPPoE ", 0, 5),
    (b"PPPoE-Discovery", 0, 5),
    (b"PPPoE-Session", 0, 5),
    // print-mpls.c: `"MPLS"`, `" (label %u"`, before 3.9 `"(label %u"`
    (b"MPLS (", 0, 4),
    (b"MPLS(", 0, 4),
    // print-nsh.c
    (b"NSH, ", 0, 3),
    (b"NSH ver ", 0, 3),
    // print-loopback.c: `"Loopback, skipCount %u, "`
    (b"Loopback, ", 0, 8),
    // print-aoe.c: `"AoE length %u, Ver %u"`
    (b"AoE ", 0, 3),
    // print-mpcp.c: `"MPCP, Opcode %s"`
    (b"MPCP, ", 0, 4),
    // print-cfm.c: `"CFMv%u %s"`
    (b"CFMv", 0, 3),
    // print-ptp.c: `"PTPv1 (not implemented)"`, `"PTPv2, "`, …
    (b"PTPv", 0, 3),
    // print-ipx.c: `"IPX "`; print-ether.c, print-llc.c before that
    (b"IPX ", 0, 3),
    (b"(NOV-ETHII) IPX ", 12, 15),
    (b"(NOV-802.2) IPX ", 12, 15),
    (b"(NOV-802.3) IPX ", 12, 15),
    // print-chdlc.c: `"SLARP (length: %u), "`
    (b"SLARP (", 0, 5),
    // print-isoclns.c: `"CLNP"`, `"ES-IS"`, `"IS-IS"`, each with `", "` or `"%slength: %u"`
    (b"IS-IS", 0, 5),
    (b"ES-IS", 0, 5),
    (b"CLNP, ", 0, 4),
    (b"CLNP length", 0, 4),
    // print-ppp.c: `"%s, %s (0x%02x), id %u, length %u"`, `"CHAP, %s (0x%02x)"`, `"PAP, %s (0x%02x)"`
    (b"LCP, ", 0, 3),
    (b"IPCP, ", 0, 4),
    (b"IP6CP, ", 0, 5),
    (b"MPLSCP, ", 0, 6),
    (b"OSICP, ", 0, 5),
    (b"CCP, ", 0, 3),
    (b"CHAP, ", 0, 4),
    (b"PAP, ", 0, 3),
    (b"BACP, ", 0, 4),
    (b"BAP, ", 0, 3),
    // print-fr.c: `"FRF.15, seq 0x%03x"`, `"FRF.16 Control, "`, `"Q.933"`, `"%s"`
    (b"FRF.15, ", 0, 6),
    (b"FRF.16 ", 0, 6),
    (b"Q.933", 0, 5),
    // print-tipc.c: `"TIPC v%u.0, "`
    (b"TIPC v", 0, 4),
    // print-geonet.c: `"GeoNet "`; print-calm-fast.c: `"CALM FAST"`
    (b"GeoNet ", 0, 6),
    (b"CALM FAST", 0, 9),
    // print-msnlb.c: `"MS NLB heartbeat: "`, `"MS NLB heartbeat, host priority: %u,"`
    (b"MS NLB heartbeat", 0, 6),
    // print-realtek.c, print-rrcp.c: `"RRCP %s: %s"`, `"RRCP-"`, `"REP"`, `"RLDP"`
    (b"RRCP ", 0, 4),
    (b"RRCP-", 0, 4),
    // print-802_15_4.c: `"IEEE 802.15.4 %s packet"`
    (b"IEEE 802.15.4 ", 5, 13),
    // print-802_11.c of OpenBSD: `"802.11"`, `": %s"`, `" flags"`
    (b"802.11", 0, 6),
    // print-pfsync.c: `"PFSYNCv%d"`
    (b"PFSYNCv", 0, 6),
    // print-smb.c, print-llc.c: `"NBF Packet: "`
    (b"NBF Packet", 0, 3),
    // print-llc.c: `"LLC, dsap %s (0x%02x) %s, ssap %s (0x%02x) %s"`
    (b"LLC, dsap ", 0, 3),
];

/// What a printer begins with, and the name that the protocol has.
const OTHER: &[(&[u8], Fixed)] = &[
    // print-eap.c: the frame's types
    (b"EAP packet (", Fixed::Eapol),
    (b"EAP code=", Fixed::Eapol),
    (b"Encapsulated ASF alert (", Fixed::Eapol),
    // print-stp.c of OpenBSD and before 3.9: `"802.1d"`, `"SSTP"`, `" config"`
    (b"802.1d ", Fixed::Stp),
    (b"SSTP ", Fixed::Stp),
    // print-ether.c of OpenBSD: `"MACCTL"`, `" PAUSE"`
    (b"MACCTL", Fixed::Mpcp),
    // print-isoclns.c: `"OSI NLPID %s (0x%02x): length %u"`
    (b"OSI NLPID IS-IS (", Fixed::IsIs),
    (b"OSI NLPID ES-IS (", Fixed::EsIs),
    (b"OSI NLPID CLNP (", Fixed::Clnp),
    // print-atalk.c: `"AT "`, `"aarp "`
    (b"AT ", Fixed::AppleTalk),
    (b"aarp who-has ", Fixed::Aarp),
    (b"aarp reply ", Fixed::Aarp),
    (b"aarp probe ", Fixed::Aarp),
    // print-bt.c: `"hci length %u, direction %s, "`
    (b"hci length ", Fixed::Bluetooth),
];

/// The name of the protocol whose printer began this text.
pub(super) fn name(i: &[u8]) -> Option<Name<'_>> {
    if let Some((_, fixed)) = OTHER.iter().find(|(start, _)| i.starts_with(start)) {
        return Some(Name::Fixed(*fixed));
    }
    if usb(i) {
        return Some(Name::Fixed(Fixed::Usb));
    }
    if let Some((_, from, to)) = SPELT.iter().find(|(start, ..)| i.starts_with(start)) {
        return Some(Name::Text(&i[*from..*to]));
    }
    match i {
        // print-realtek.c: all of it.
        b"REP" | b"RLDP" => Some(Name::Text(i)),
        _ => hdlc(i),
    }
}

/// print-usb.c: `ND_PRINT("CONTROL")` and the like, `" SUBMIT"` and the like, `" from"` or `" to"`,
/// `" %u:%u:%u"`.
fn usb(i: &[u8]) -> bool {
    const TRANSFERS: [&[u8]; 5] = [b"ISOCHRONOUS", b"INTERRUPT", b"CONTROL", b"BULK", b" ?"];
    const EVENTS: [&[u8]; 4] = [b" SUBMIT", b" COMPLETE", b" ERROR", b" ?"];
    let one_of = |i: &'_ [u8], words: &[&[u8]]| -> Option<usize> {
        let word = words.iter().find(|word| i.starts_with(word))?;
        Some(word.len())
    };
    let read = || {
        let i = &i[one_of(i, &TRANSFERS)?..];
        let i = &i[one_of(i, &EVENTS)?..];
        let i = i.strip_prefix(b" from").unwrap_or(i);
        let i = i.strip_prefix(b" to").unwrap_or(i).strip_prefix(b" ")?;
        let own = |b: &u8| b.is_ascii_digit() || *b == b':';
        (i.iter().filter(|b| **b == b':').count() == 2 && i.iter().all(own)).then_some(())
    };
    read().is_some()
}

/// print-ppp.c of OpenBSD: `printf("ID-%03d ", …)`, `"%s: "`.
fn hdlc(i: &[u8]) -> Option<Name<'_>> {
    const NAMES: [&[u8]; 9] = [
        b"IPCP:", b"IPXCP:", b"CCP:", b"LCP:", b"PAP:", b"LQR:", b"CHAP:", b"IPX:", b"XNS:",
    ];
    let (rest, number) = word(i.strip_prefix(b"ID-")?);
    let (_, name) = word(rest.strip_prefix(b" ")?);
    let known = number.len() == 3 && number.iter().all(u8::is_ascii_digit) && NAMES.contains(&name);
    known.then(|| Name::Text(&name[..name.len() - 1]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_printer_begins_with_is_a_name() {
        for (line, wanted) in [
            ("STP 802.1d, Config, Flags [none]", "STP"),
            ("CDPv2, ttl: 180s", "CDP"),
            ("CDP v2, ttl=180s", "CDP"),
            ("LACPv1, length 110", "LACP"),
            (
                "IS-IS, p2p IIH, src-id 0000.0000.0005, length 1497",
                "IS-IS",
            ),
            ("(NOV-ETHII) IPX 00000000.02", "IPX"),
            ("IEEE 802.15.4 Beacon packet seq 01", "802.15.4"),
            ("ID-001 LCP: Configure-Request", "LCP"),
            ("PPPoE-Discovery", "PPPoE"),
        ] {
            assert_eq!(
                name(line.as_bytes()),
                Some(Name::Text(wanted.as_bytes())),
                "{line}"
            );
        }
        for (line, wanted) in [
            ("EAP packet (0) v1, len 5", Fixed::Eapol),
            ("802.1d STP config root=8000.0:0:0:0:0:1", Fixed::Stp),
            ("SSTP STP config pvid=5", Fixed::Stp),
            ("CONTROL SUBMIT to 5:4:0", Fixed::Usb),
            ("INTERRUPT COMPLETE to 1:2:1", Fixed::Usb),
            (" ? ERROR 1:2:1", Fixed::Usb),
            ("OSI NLPID IS-IS (0x83): length 1497", Fixed::IsIs),
        ] {
            assert_eq!(name(line.as_bytes()), Some(Name::Fixed(wanted)), "{line}");
        }
        for line in [
            "ERROR: something",
            "FOOBAR 1",
            "Port1, IN: x",
            "P 1:2",
            "CF +QoS",
            "CONTROL SUBMIT to nowhere",
            "BULK",
            "IP 10.0.0.1",
            "",
        ] {
            assert_eq!(name(line.as_bytes()), None, "{line}");
        }
    }
}

//! What a packet carries, where no header tells: the first words of its body decide.

use super::walk::Walk;
use super::{icmp, info, tail, tcp, tcp3, udp};
use crate::cell::Fixed;
use crate::part::Part;
use crate::service;

/// A header whose protocol number is not known.
pub(super) const UNKNOWN: u32 = 256;

/// What the first words tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// A protocol with ports.
    Ported,
    /// A protocol without.
    Portless,
    /// Nothing.
    Nothing,
}

/// How the bodies of protocols without ports begin; see [`carried`] for their names.
const PORTLESS: [(&[u8], Fixed); 41] = [
    (b"ICMP ", Fixed::Icmp),
    (b"icmp: ", Fixed::Icmp),
    (b"icmp ", Fixed::Icmp),
    (b"ICMP6", Fixed::Icmp6),
    (b"icmp6: ", Fixed::Icmp6),
    (b"[icmp6 ", Fixed::Icmp6),
    (b"[bad icmp6 ", Fixed::Icmp6),
    // print-igmp.c: "igmp %s query", "igmp v3 report"; OpenBSD's "igmp-2 [v2]".
    (b"igmp", Fixed::Igmp),
    (b"OSPFv", Fixed::Ospf),
    (b"PIMv", Fixed::Pim),
    (b"pim v", Fixed::Pim),
    (b"GREv", Fixed::Gre),
    (b"gre ", Fixed::Gre),
    (b"VRRPv", Fixed::Vrrp),
    (b"vrrp ", Fixed::Vrrp),
    (b"CARPv", Fixed::Carp),
    (b"RSVPv", Fixed::Rsvp),
    (b"ERROR: RSVP ", Fixed::Rsvp),
    (b"EIGRP", Fixed::Eigrp),
    (b"ESP(", Fixed::Esp),
    (b"esp ", Fixed::Esp),
    (b"AH(", Fixed::Ah),
    (b"ah ", Fixed::Ah),
    (b"IPComp(", Fixed::Ipcomp),
    (b"ipcomp ", Fixed::Ipcomp),
    (b"PGM, ", Fixed::Pgm),
    (b"EGPv", Fixed::Egp),
    (b"egp: ", Fixed::Egp),
    (b"igrp: ", Fixed::Igrp),
    (b"mobile: ", Fixed::Mobile),
    (b"mobility: ", Fixed::Mobility),
    (b"HBH ", Fixed::Hopopt),
    (b"DSTOPT ", Fixed::Opts),
    (b"RT6 ", Fixed::Route),
    (b"srcrt ", Fixed::Route),
    (b"frag (", Fixed::Frag),
    (b"no next header", Fixed::NoNext),
    // A packet within: IP's own word, a header's complaint.
    (b"IP ", Fixed::Ipip),
    (b"IP6 ", Fixed::Ip6In),
    (b"truncated-ip ", Fixed::Ipip),
    (b"truncated-ip6 ", Fixed::Ip6In),
];

/// What a later fragment carries, by the names of `getprotobynumber`: nothing else is printed.
const BARE: [(&[u8], Fixed); 11] = [
    (b"udp", Fixed::Udp),
    (b"tcp", Fixed::Tcp),
    (b"icmp", Fixed::Icmp),
    (b"igmp", Fixed::Igmp),
    (b"sctp", Fixed::Sctp),
    (b"gre", Fixed::Gre),
    (b"esp", Fixed::Esp),
    (b"ah", Fixed::Ah),
    (b"ospf", Fixed::Ospf),
    (b"pim", Fixed::Pim),
    (b"ipv6", Fixed::Ip6In),
];

/// How the bodies of datagrams begin: what `udp_print` says itself, and decoders that it calls.
const UDP: [&[u8]; 36] = [
    b"UDP, ",
    b"udp ",
    b"[udp sum ok] ",
    b"[no cksum] ",
    b"[no udp cksum] ",
    b"[bad udp cksum ",
    b"NTPv",
    b"BOOTP/DHCP, ",
    b"dhcp6 ",
    b"TFTP, ",
    b"SYSLOG ",
    b"SIP",
    b"RADIUS, ",
    b"isakmp: ",
    b"isakmp ",
    b"NONESP-encap: ",
    b"UDP-encap: ",
    b"VXLAN, ",
    b"VXLAN-GPE, ",
    b"Geneve, ",
    b"OTV, ",
    b"HSRPv",
    b"BFDv",
    b"BFD, ",
    b"RIPv",
    b"RIPng",
    b"NBT UDP PACKET(",
    b"sFlowv",
    b"LISP-",
    b"babel ",
    b"OLSRv",
    b"LDP, ",
    b"quic, ",
    b"PTPv",
    b"L2TP ",
    b"NFS re",
];

/// The last words of endpoints whose datagrams are DNS messages.
const DNS: [&[u8]; 4] = [b"domain", b"mdns", b"llmnr", b"hostmon"];

/// Whether what the body begins with is a protocol with ports.
pub(super) fn says(i: &[u8]) -> Says {
    let segment = [&b"Flags ["[..], b"tcp ", b"sctp ", b"sctp[", b"DCCP"];
    if segment.iter().chain(&UDP).any(|start| i.starts_with(start)) || tcp3::begins(i) {
        Says::Ported
    } else if carried(i).is_some() {
        Says::Portless
    } else {
        Says::Nothing
    }
}

/// Whether a body with names before it is that of a printer without the word `IP`.
pub(super) fn wordless(body: &[u8]) -> bool {
    let starts = [
        &b"udp "[..],
        b"[udp sum ok] udp ",
        b"icmp: ",
        b"icmp6: ",
        b"tcp ",
    ];
    starts.iter().any(|start| body.starts_with(start)) || tcp3::begins(body)
}

/// What one end of `A > B` shows of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End<'a> {
    /// An address in figures, without one.
    Bare,
    /// An address in figures, and one.
    Port(&'a [u8]),
    /// A name, with or without one: what stands behind its last dot.
    Name(&'a [u8]),
}

impl End<'_> {
    /// The port, in figures or by the name of its service; 0 where it is neither.
    pub(super) fn port(self) -> u16 {
        let text = match self {
            End::Bare => return 0,
            End::Port(text) | End::Name(text) => text,
        };
        match super::leaf::port(text) {
            Ok((b"", n)) => n as u16,
            _ => service::port(text).unwrap_or(0),
        }
    }
}

/// Whether the ends of `A > B` have ports, where no header tells: addresses in figures show it,
/// else the body's words, else a figure behind a name's last dot, which no name of a host has. `None`
/// where nothing tells.
pub(super) fn ported(ends: [End<'_>; 2], body: &[u8]) -> Option<bool> {
    if ends.contains(&End::Bare) {
        return Some(false);
    }
    if ends.iter().any(|end| matches!(end, End::Port(_))) {
        return Some(true);
    }
    match says(body) {
        Says::Ported => return Some(true),
        Says::Portless => return Some(false),
        Says::Nothing => {}
    }
    let last = ends.map(|end| match end {
        End::Name(last) => last,
        _ => b"",
    });
    let figure = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let dns = last.iter().any(|text| DNS.contains(text));
    let message = body.iter().find(|b| !b.is_ascii_digit());
    if last.iter().any(|text| figure(text))
        || dns && body.first().is_some_and(u8::is_ascii_digit) && message != Some(&b'.')
    {
        return Some(true);
    }
    None
}

/// A body behind endpoints with ports.
pub(super) fn with_ports<'a>(walk: &mut Walk<'_, 'a>, i: &'a [u8], ports: (u16, u16)) {
    if i.starts_with(b"Flags [") || i.starts_with(b"tcp ") {
        walk.protocol(Fixed::Tcp);
        tcp::tcp(walk, i, ports);
    } else if i.starts_with(b"sctp") {
        walk.protocol(Fixed::Sctp);
        info::rest(walk, i, 132, Some(ports));
    } else if i.starts_with(b"DCCP") {
        walk.protocol(Fixed::Dccp);
        info::rest(walk, i, 33, Some(ports));
    } else if let Some(fixed) = info::truncated(i) {
        walk.protocol(fixed);
        info::rest(walk, i, UNKNOWN, Some(ports));
    } else if tcp3::tcp3(walk, i, ports) || tcp3::damaged(i) {
        walk.protocol(Fixed::Tcp);
    } else {
        walk.protocol(Fixed::Udp);
        udp::udp(walk, i, ports);
    }
}

/// A body behind endpoints without ports, or behind such of which nothing tells whether they have
/// some.
pub(super) fn without_ports<'a>(walk: &mut Walk<'_, 'a>, i: &'a [u8]) {
    if i.starts_with(b"ICMP ") {
        walk.protocol(Fixed::Icmp);
        icmp::icmp(walk, i);
    } else if i.starts_with(b"icmp: ") || i.starts_with(b"icmp ") {
        walk.protocol(Fixed::Icmp);
        icmp::older(walk, i);
    } else if let Some(fixed) = info::truncated(i) {
        walk.protocol(fixed);
        info::rest(walk, i, UNKNOWN, None);
    } else {
        if let Some(fixed) = carried(i) {
            walk.protocol(fixed);
        }
        rest(walk, i);
    }
}

/// A printer's own line, and the tail of a printer without the word `IP`, where it has one.
pub(super) fn rest<'a>(walk: &mut Walk<'_, 'a>, i: &'a [u8]) {
    // Of these nothing on the line is the sender's to spell.
    let own = [
        &b"igmp"[..],
        b"OSPFv",
        b"VRRPv",
        b"CARPv",
        b"(frag ",
        b" (frag ",
        b"spi 0x",
    ];
    if own.iter().any(|start| i.starts_with(start)) {
        let at = tail::begins(i);
        if at < i.len() && tail::tail(walk, &i[at..]) {
            return;
        }
    }
    info::rest(walk, i, UNKNOWN, None);
}

/// The protocol of a body without ports, by its printer's first words.
pub(super) fn carried(i: &[u8]) -> Option<Fixed> {
    if let Some(number) = i.strip_prefix(b" ").unwrap_or(i).strip_prefix(b"ip-proto-") {
        let (_, n) = super::leaf::number(255)(number).ok()?;
        return Some(named(n as u32).unwrap_or(Fixed::Number(n as u8)));
    }
    let bare = BARE.iter().find(|(name, _)| i == *name);
    let start = || PORTLESS.iter().find(|(start, _)| i.starts_with(start));
    Some(bare.or_else(start)?.1)
}

/// The name of a protocol that IP carries; one however it was printed.
pub(super) fn named(number: u32) -> Option<Fixed> {
    Some(match number {
        0 => Fixed::Hopopt,
        1 => Fixed::Icmp,
        2 => Fixed::Igmp,
        4 => Fixed::Ipip,
        6 => Fixed::Tcp,
        8 => Fixed::Egp,
        9 => Fixed::Igrp,
        17 => Fixed::Udp,
        33 => Fixed::Dccp,
        41 => Fixed::Ip6In,
        43 => Fixed::Route,
        44 => Fixed::Frag,
        46 => Fixed::Rsvp,
        47 => Fixed::Gre,
        50 => Fixed::Esp,
        51 => Fixed::Ah,
        55 => Fixed::Mobile,
        58 => Fixed::Icmp6,
        59 => Fixed::NoNext,
        60 => Fixed::Opts,
        88 => Fixed::Eigrp,
        89 => Fixed::Ospf,
        103 => Fixed::Pim,
        108 => Fixed::Ipcomp,
        112 => Fixed::Vrrp,
        113 => Fixed::Pgm,
        132 => Fixed::Sctp,
        135 => Fixed::Mobility,
        _ => return None,
    })
}

/// A header's `%s (%u)`: the protocol by its one name.
pub(super) fn protocol<'a>(walk: &mut Walk<'_, 'a>, name: &'a [u8], number: u32) {
    match named(number) {
        Some(fixed) if fixed.text().as_bytes() != name => walk.protocol(fixed),
        // 62 is not what the printer takes it for, and without `-v` it has a number only.
        None if (name == b"unknown" || number == 62) && number < UNKNOWN => {
            walk.protocol(Fixed::Number(number as u8));
        }
        _ => walk.protocol_name(name),
    }
}

/// NFS as printed up to 4.5: the number behind the client's address is the request's
/// (`print_nfsaddr`, `"%s.%s > %s.%s: "`), and its port is not told.
///
/// print-nfs.c: `"%d"` the length, `" null"`, `" getattr"`, …; `"reply %s %d"`.
pub(super) fn nfs(body: &[u8]) -> Option<Nfs> {
    if body.starts_with(b"reply ok ") || body.starts_with(b"reply ERR ") {
        return Some(Nfs::Reply);
    }
    let (rest, _) = super::leaf::int(body).ok()?;
    let operation = rest.strip_prefix(b" ")?;
    let (_, word) = super::leaf::word(operation);
    let known = [
        &b"null"[..],
        b"nop",
        b"root",
        b"getattr",
        b"setattr",
        b"lookup",
        b"access",
        b"readlink",
        b"read",
        b"wrcache",
        b"write",
        b"create",
        b"mkdir",
        b"symlink",
        b"mknod",
        b"remove",
        b"rmdir",
        b"rename",
        b"link",
        b"readdir",
        b"readdirplus",
        b"fsstat",
        b"fsinfo",
        b"statfs",
        b"pathconf",
        b"commit",
    ];
    (known.contains(&word) || word.starts_with(b"proc-")).then_some(Nfs::Request)
}

/// Which way an NFS message goes: who has the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nfs {
    /// `A.NUMBER > B.2049: `
    Request,
    /// `A.2049 > B.NUMBER: `
    Reply,
}

/// One end with its port, the other without, whatever stands behind its last dot.
pub(super) fn nfs_ends<'a>(walk: &mut Walk<'_, 'a>, pair: &'a [u8], way: Nfs) -> bool {
    let Some(at) = memchr::memmem::find(pair, b" > ") else {
        return false;
    };
    let (source, destination) = (&pair[..at], &pair[at + 3..]);
    let (client, server) = match way {
        Nfs::Request => (source, destination),
        Nfs::Reply => (destination, source),
    };
    if !(server.ends_with(b".2049") || server.ends_with(b".nfs")) {
        return false;
    }
    let Some(dot) = memchr::memrchr(b'.', client) else {
        return false;
    };
    // What stands before and behind ` > ` tells the patterns which end it is.
    walk.odd(
        Part::Endpoints,
        match way {
            Nfs::Request => &pair[at..],
            Nfs::Reply => &pair[..at + 3],
        },
    );
    walk.odd(Part::Hosts, &client[..dot]);
    true
}

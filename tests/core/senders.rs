//! What a sender can spell changes no typed field, in the text of older tcpdumps and of other
//! systems: records that differ only in a sender's text read the same but for `info`. (Those of
//! today's tcpdump are made by tcpdump itself: `cli/tests/tools/pairs.rs`.)
//!
//! `CASES` sets how many records of each dialect.

use dumpstream::framing::Batches;
use dumpstream::{Namespace, Packet, Parser};
use given::Random;

/// Stands for the sender's text.
const SENDER: char = '§';

/// One tcpdump's spelling: what stands before and behind the bodies that it prints.
struct Dialect {
    /// Before and behind a body over UDP.
    udp: &'static [[&'static str; 2]],
    /// The same over TCP, where the bodies do not differ from those of others.
    tcp: &'static [[&'static str; 2]],
    bodies: &'static [&'static str],
    /// Whole records.
    records: &'static [&'static str],
}

/// Bodies over UDP that all of them print, the format strings' own words around the sender's.
/// Names are printed by `safeputs`, `fn_print` or `fn_printn`: no line feed comes through.
const UDP: &[&str] = &[
    // `print-domain.c`
    " 1234+ A? §. (32)",
    " 1234+ [1au] TXT CHAOS? §. (57)",
    " 1234* 1/0/0 CNAME §. (60)",
    " 1234 NXDomain 0/1/0 (60)",
    " 1234 1/0/0 TXT \"§\" (60)",
    " 1234 q: A? §. 1/1/0 §. A 192.0.2.9 ns: §. NS §. (60)",
    // `print-snmp.c`
    " C=§ GetRequest(24)  .1.3.6.1.2.1",
    " { SNMPv1 C=§ { GetRequest(24) R=1  .1.3.6.1.2.1 } } ",
    " GetResponse(40)  .1.3.6.1.2.1.1.1.0=\"§\"",
    // `print-tftp.c`
    "  20 RRQ \"§\" octet",
    "  30 ERROR EACCESS \"§\"",
    // `print-syslog.c`
    "SYSLOG kernel.emergency (0), length: 20\n\tMsg: §",
    // `print-bootp.c`
    "BOOTP/DHCP, Request from 02:00:00:00:00:01, length 300, xid 0x1, Flags [none]\n\t  \
     Client-Ethernet-Address 02:00:00:00:00:01\n\t  sname \"§\"\n\t  file \"§\"\n\t  \
     Vendor-rfc1048 Extensions\n\t    Magic Cookie 0x63825363\n\t    \
     Hostname Option 12, length 5: \"§\"",
    // `print-radius.c`
    "RADIUS, length: 57\n\tAccess Request (1), id: 0x05, Authenticator: 00\n\t  \
     Username Attribute (1), length: 6, Value: §",
    // `print-hsrp.c`
    "HSRPv0-hello 20: state=active group=0 addr=192.0.2.9 hellotime=3s holdtime=10s \
     priority=100 auth=\"§\"",
    // `print-rx.c`
    " rx data fs call lookup fid 1/2/3 \"§\" (44)",
    // `print-timed.c`
    "TSP_ADJTIME vers 1 seq 2 time 5.000006 name §",
    // `print-ldp.c`
    "\n\tLDP, Label-Space-ID: 192.0.2.1:0, pdu-length: 30\n\t  \
     Notification Message (0x0001), length: 20, Message ID: 0x00000001, Flags: [ignore if unknown]\
     \n\t    Interface Description: §",
    // `print-nbns.c` of `smbutil.c`
    "NBT UDP PACKET(137): QUERY; REQUEST; BROADCAST\nTrnID=0x1\nOpCode=0\nQuestionRecords:\n\
     Name=§ NameType=0x00 (Workstation)",
];

/// Bodies over TCP up to 3.9, behind the options.
const TCP_OLD: &[&str] = &[
    "P 1:20(19) ack 1 win 64 <nop,nop,timestamp 7 8> 4660+ A? §. (17)",
    "P 1:20(19) ack 1 win 64 4660* 1/0/0 TXT \"§\" (17)",
    "P 1:20(19) ack 1 win 64 [telnet SB TERMINAL TYPE IS 0x§ SE]",
    "P 1:157(156) ack 1 win 64: pptp CTRL_MSGTYPE=SCCRQ PROTO_VER(1.0) FRAME_CAP(AS) \
     BEARER_CAP(DA) MAX_CHAN(0) FIRM_REV(1) HOSTNAME(§) VENDOR(§)",
    "P, cksum 0xbeef (correct), 1:20(19) ack 1 win 64: RSIP §",
    "P 1:20(19) ack 1 win 64 NBT Packet\nSMB PACKET: SMBnegprot (REQUEST)\nNativeOS=§",
];

/// Bodies over TCP since 4.0.
const TCP: &[&str] = &[
    "Flags [P.], seq 1:32, ack 1, win 502, length 31 4660+ A? §. (29)",
    "Flags [P.], seq 1:32, ack 1, win 502, length 314660+ A? §. (29)",
    "Flags [P.], cksum 0xbeef (correct), seq 1:32, ack 1, win 502, options [nop,nop,TS val 7 \
     ecr 8], length 31: HTTP, length: 31\n\tGET /§ HTTP/1.1\n\tHost: §\n\t",
    "Flags [P.], seq 1:32, ack 1, win 502, length 31: HTTP: GET /§ HTTP/1.1",
    "Flags [P.], seq 1:32, ack 1, win 502, length 31: FTP, length: 31\n\tUSER §",
    "Flags [P.], seq 1:32, ack 1, win 502, length 31: SMTP, length: 31\n\tHELO §",
    "Flags [P.], seq 1:32, ack 1, win 502, length 31: RTSP: DESCRIBE §",
    "Flags [P.], seq 1:157, ack 1, win 502, length 156: pptp CTRL_MSGTYPE=SCCRQ PROTO_VER(1.0) \
     FRAME_CAP(AS) BEARER_CAP(DA) MAX_CHAN(0) FIRM_REV(1) HOSTNAME(§) VENDOR(§)",
    "Flags [P.], seq 1:32, ack 1, win 502, length 31: NBT Packet\nSMB PACKET: SMBnegprot \
     (REQUEST)\nNativeOS=§",
];

/// Below and beside IP.
const RECORDS: &[&str] = &[
    // `print-vrrp.c`
    "IP 192.0.2.1 > 224.0.0.18: VRRPv2, Advertisement, vrid 1, prio 100, authtype simple, \
     intvl 1s, length 20, addrs: 192.0.2.3 auth \"§\"",
    // `print-ospf.c`
    "IP (tos 0xc0, ttl 1, id 1, offset 0, flags [none], proto OSPF (89), length 64)\n    \
     192.0.2.1 > 224.0.0.5: OSPFv2, Hello, length 44\n\tRouter-ID 192.0.2.1, Backbone Area, \
     Authentication Type: simple (1)\n\tSimple text password: §",
    // `print-lldp.c`
    "LLDP, length 60\n\tChassis ID TLV (1), length 7\n\t  Subtype MAC address (4): \
     02:00:00:00:00:01\n\tSystem Name TLV (5), length 5: §\n\tSystem Description TLV (6), \
     length 9\n\t  §",
    // `print-cdp.c`
    "CDPv2, ttl: 180s, checksum: 692 (unverified), length 60\n\tDevice-ID (0x01), length: 4 \
     bytes: '§'\n\tVersion String (0x05), length: 9 bytes: \n\t  §",
    "CDPv2, ttl: 180s, Device-ID '§', length 60",
    // `print-vtp.c`
    "VTPv1, Message Summary advertisement (0x01), length 72\n\tDomain name: §, Followers: 1",
    // `print-802_11.c`
    "44us Beacon (§) [1.0* 2.0* 5.5* 11.0* Mbit] ESS CH: 1, PRIVACY",
    "Probe Request (§) [1.0 2.0 Mbit]",
    "1.0 Mb/s 2412 MHz 11b -50dB signal antenna 1 Probe Response (§) [1.0 Mbit] CH: 1",
    // `print-pppoe.c`, `print-ppp.c`
    "PPPoE PADI [Service-Name \"§\"] [Host-Uniq 0x01]",
    "PPPoE  [ses 0x11] PPP-PAP, Auth-Req (0x01), id 1, length 20, Peer §, Name §",
    // `print-nfs.c`, whose names stand in quotation marks.
    "IP 192.0.2.1.1234 > 198.51.100.2.2049: 100 lookup fh 0,0/1 \"§\"",
];

const OPENBSD: &[&str] = &[
    "192.0.2.1.1234 > 198.51.100.2.2049: 100 lookup fh 0,0/1 \"§\"",
    "192.0.2.1.1234 > 198.51.100.2.2049: 100 lookup fh 0,0/1 \"§\" (DF) (ttl 64, id 1, len 128)",
    "02:00:00:00:00:01 > ff:ff:ff:ff:ff:ff, bssid 02:00:00:00:00:01: 802.11: beacon, ssid (§), \
     rates, ds, tim, 42:1",
    "LLDP, ChassisId: lladdr 02:00:00:00:00:01, PortId: ifname \"§\", TTL: 120s, SysName: \"§\"",
    "CDP v2, ttl=180s DevID '§' Addr (1): IPv4 192.0.2.1 PortID 'em0'",
    "rule 4/(match) block in on em0: 192.0.2.1.40000 > 198.51.100.2.53: 1234+ A? §.(32)",
    "rule 4/(match) block in on em0: 192.0.2.1.40000 > 198.51.100.2.53: [udp sum ok] 1234+ A? \
     §.(32) (DF) (ttl 64, id 1, len 60)",
];

const V3_9_5: Dialect = Dialect {
    udp: &[
        ["IP 192.0.2.1.40000 > 198.51.100.2.53: ", ""],
        [
            "IP (tos 0x0, ttl  64, id 1, offset 0, flags [DF], proto: UDP (17), length: 60) \
             192.0.2.1.40000 > 198.51.100.2.53: [udp sum ok] ",
            "",
        ],
        [
            "IP (tos 0x0, ttl  64, id 1, offset 0, flags [none], proto: UDP (17), length: 64, \
             options ( RA (148) len 4 ), bad cksum 1 (->2)!) 192.0.2.1.40000 > 198.51.100.2.53: ",
            "",
        ],
        [
            "IP6 (flowlabel 0x12345, hlim 64, next-header: UDP (17), length: 40) \
             2001:db8::1.40000 > 2001:db8::2.53: ",
            "",
        ],
    ],
    tcp: &[
        ["IP 192.0.2.1.40000 > 198.51.100.2.53: ", ""],
        [
            "IP (tos 0x0, ttl  64, id 1, offset 0, flags [DF], proto: TCP (6), length: 60) \
             192.0.2.1.40000 > 198.51.100.2.53: ",
            "",
        ],
        [
            "IP6 (hlim 64, next-header: TCP (6), length: 40) 2001:db8::1.40000 > 2001:db8::2.53: ",
            "",
        ],
    ],
    bodies: TCP_OLD,
    records: RECORDS,
};

const V3_9_8: Dialect = Dialect {
    udp: &[
        ["IP 192.0.2.1.40000 > 198.51.100.2.53: ", ""],
        [
            "IP (tos 0x0, ttl 64, id 1, offset 0, flags [DF], proto UDP (17), length 60) \
             192.0.2.1.40000 > 198.51.100.2.53: ",
            "",
        ],
        [
            "02:00:00:00:00:01 > 02:00:00:00:00:02, ethertype IPv4 (0x0800), length 74: \
             (tos 0x0, ttl 64, id 1, offset 0, flags [DF], proto UDP (17), length 60) \
             192.0.2.1.40000 > 198.51.100.2.53: [bad udp cksum ff70!] ",
            "",
        ],
    ],
    tcp: &[
        ["IP 192.0.2.1.40000 > 198.51.100.2.53: ", ""],
        [
            "IP (tos 0x0, ttl 64, id 1, offset 0, flags [DF], proto TCP (6), length 60) \
             192.0.2.1.40000 > 198.51.100.2.53: ",
            "",
        ],
    ],
    bodies: TCP_OLD,
    records: RECORDS,
};

const V4: Dialect = Dialect {
    udp: &[
        ["IP 192.0.2.1.40000 > 198.51.100.2.53: ", ""],
        [
            "IP (tos 0x0, ttl 64, id 1, offset 0, flags [DF], proto UDP (17), length 60)\n    \
             192.0.2.1.40000 > 198.51.100.2.53: [udp sum ok] ",
            "",
        ],
        [
            "IP6 (hlim 64, next-header UDP (17) payload length: 40) 2001:db8::1.40000 > \
             2001:db8::2.53: [bad udp cksum 0x1234 -> 0x5678!] ",
            "",
        ],
        [
            "02:00:00:00:00:01 > 02:00:00:00:00:02, ethertype 802.1Q (0x8100), length 78: vlan 5, \
             p 0, ethertype IPv4, 192.0.2.1.40000 > 198.51.100.2.53: ",
            "",
        ],
        ["IP gw.example.org.40000 > ns.example.org.domain: ", ""],
        ["44us CF +QoS IP 192.0.2.1.40000 > 198.51.100.2.53: ", ""],
    ],
    tcp: &[
        ["IP 192.0.2.1.40000 > 198.51.100.2.53: ", ""],
        [
            "IP (tos 0x0, ttl 64, id 1, offset 0, flags [DF], proto TCP (6), length 71)\n    \
             192.0.2.1.40000 > 198.51.100.2.53: ",
            "",
        ],
        ["IP6 gw.example.org.40000 > ns.example.org.domain: ", ""],
    ],
    bodies: TCP,
    records: RECORDS,
};

const MACOS: Dialect = Dialect {
    udp: &[
        [
            "(en0, proc curl:123, svc BE, out) IP 192.0.2.1.40000 > 198.51.100.2.53: ",
            "",
        ],
        [
            "(en0, proc Google Chrome He:244, eproc a (b):12, svc CTL, in, so) IP (tos 0x0, ttl \
             64, id 1, offset 0, flags [DF], proto UDP (17), length 60)\n    192.0.2.1.40000 > \
             198.51.100.2.53: ",
            "",
        ],
    ],
    tcp: &[[
        "(en0, proc curl:123, svc BE, out) IP 192.0.2.1.40000 > 198.51.100.2.53: ",
        "",
    ]],
    bodies: TCP,
    records: &["ARP, Announcement 192.0.2.1, length 28"],
};

const JUNOS: Dialect = Dialect {
    udp: &[
        [" In IP 192.0.2.1.40000 > 198.51.100.2.53: ", ""],
        [
            "Out IP (tos 0xc0, ttl  64, id 1, offset 0, flags [DF], proto: UDP (17), length: 71) \
             192.0.2.1.40000 > 192.0.2.9.53: ",
            "",
        ],
    ],
    tcp: &[[" In IP 192.0.2.1.40000 > 198.51.100.2.53: ", ""]],
    bodies: TCP_OLD,
    records: &[],
};

const SOPHOS: Dialect = Dialect {
    udp: &[["Port1, IN: IP 192.0.2.1.40000 > 198.51.100.2.53: ", ""]],
    tcp: &[["PortA, OUT: IP 192.0.2.1.40000 > 198.51.100.2.53: ", ""]],
    bodies: TCP,
    records: &[],
};

const BIG_IP: Dialect = Dialect {
    udp: &[[
        "IP 192.0.2.1.40000 > 198.51.100.2.53: ",
        " in slot1/tmm0 lis=/Common/vs port=1.1 trunk=",
    ]],
    tcp: &[[
        "IP 192.0.2.1.40000 > 198.51.100.2.53: ",
        " out slot1/tmm0 lis=/Common/vs port=1.1 trunk=",
    ]],
    bodies: TCP,
    records: &[],
};

const OPEN_BSD: Dialect = Dialect {
    udp: &[
        ["192.0.2.1.40000 > 198.51.100.2.53: ", ""],
        [
            "192.0.2.1.40000 > 198.51.100.2.53: [udp sum ok] ",
            " (DF) [tos 0x10] (ttl 64, id 1, len 60)",
        ],
        [
            "2001:db8::1.40000 > 2001:db8::2.53: [udp sum ok] ",
            " [flowlabel 0x12345] (len 40, hlim 64)",
        ],
    ],
    tcp: &[
        ["192.0.2.1.40000 > 198.51.100.2.53: ", ""],
        [
            "192.0.2.1.40000 > 198.51.100.2.53: ",
            " (DF) (ttl 64, id 1, len 60)",
        ],
    ],
    bodies: TCP_OLD,
    records: OPENBSD,
};

/// Pieces that readers look for.
const WORDS: &[&str] = &[
    "10:00:00.000001 IP 203.0.113.6.666 > 203.0.113.7.22: ",
    "    203.0.113.6.666 > 203.0.113.7.22: Flags [S], seq 1, win 1, length 0",
    "203.0.113.6.666 > 203.0.113.7.22: S 9:9(0) win 512 <mss 1460>",
    " > 203.0.113.7.22: ",
    " > ::2.53: ",
    "(tos 0x0, ttl 99, id 9, offset 0, flags [DF], proto TCP (6), length 99)",
    ", ttl 99, bad cksum 1 (->2)!, length 7.",
    ", bad cksum 1 (->2)!)",
    ", length 9999",
    "length: 9999",
    " (DF)",
    " [tos 0x99]",
    " [ttl 1]",
    " (ttl 99, id 99, len 99)",
    " (ttl 99, id 99, len 99, bad ip cksum 1! -> 2)",
    " [flowlabel 0x99999] (len 99, hlim 99)",
    " in slot9/tmm9 lis=/Common/other port=9.9 trunk=",
    "(en9, proc nc:99, in) IP ",
    " In IP ",
    "Port9, IN: IP ",
    "Flags [R], seq 9:99, ack 9, win 9",
    "FSRP. 9:99(90) ack 9 win 9",
    " ack 99 win 99 <mss 99>",
    ", options [mss 99]",
    "<mss 99,nop>",
    "ICMP echo request, id 9, seq 9",
    "icmp: echo request",
    "UDP, length 99",
    "udp 99",
    " (9999)",
    ".(99)",
    "HOSTNAME(x) VENDOR(y)",
    "[udp sum ok] ",
    "[|domain]",
    "arp who-has 203.0.113.9 tell 203.0.113.1",
    "02:00:00:00:00:05 > 02:00:00:00:00:06, ethertype IPv4 (0x0800), length 99: ",
    "vlan 99, p 0, ",
    "rule 9/(match) pass out on em9: ",
    "IP6 ",
    "IP ",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "<",
    ">",
    ": ",
    ", ",
    "\"",
    "'",
    "^J",
    "M-^J",
];

/// What a sender spells, as it is printed: pieces, and characters between.
fn spelled(random: &mut Random, out: &mut String) {
    for _ in 0..random.below(6) {
        match random.below(4) {
            0 => out.push(char::from(b' ' + random.below(95u8))),
            _ => out.push_str(WORDS[random.below(WORDS.len())]),
        }
    }
}

fn same(template: &str, a: Packet<'_>, b: Packet<'_>, columns: &[dumpstream::Column]) {
    for (i, column) in columns.iter().enumerate() {
        if column.name != "info" {
            assert!(
                a.value(i) == b.value(i),
                "{}: {:?} and {:?} in\n{template}\n{}",
                column.name,
                a.value(i),
                b.value(i),
                b.raw().escape_ascii(),
            );
        }
    }
}

/// Gives the count of records.
fn hold(dialect: &Dialect) -> usize {
    let cases: usize = std::env::var("CASES")
        .map(|n| n.parse().expect("CASES is a number"))
        .unwrap_or(50_000);
    let around = |ends: &[[&str; 2]], bodies: &[&str]| {
        let one = |[before, behind]: &[&str; 2]| {
            let whole = bodies.iter().map(|body| format!("{before}{body}{behind}"));
            whole.collect::<Vec<_>>()
        };
        ends.iter().flat_map(one).collect::<Vec<_>>()
    };
    let mut templates = around(dialect.udp, UDP);
    templates.extend(around(dialect.tcp, dialect.bodies));
    templates.extend(dialect.records.iter().map(|record| record.to_string()));

    let parser = Parser::new(Namespace::tcpdump()).expect("it is valid");
    let columns = parser.columns();
    let mut random = Random(0x5eed);
    let mut text = String::new();
    let mut done = 0;
    while done < cases {
        for template in &templates {
            text.clear();
            for n in 0..64 {
                text.push_str("10:00:00.000001 ");
                let mut parts = template.split(SENDER);
                text.push_str(parts.next().expect("it has one"));
                for part in parts {
                    // The first three settle the style, and are what the others must be like.
                    match n {
                        0..3 => text.push('a'),
                        _ => spelled(&mut random, &mut text),
                    }
                    text.push_str(part);
                }
                text.push('\n');
            }
            let mut records = 0;
            let mut first = None;
            for batch in Batches::new(text.as_bytes()) {
                let packets = parser.parse(batch.expect("a slice can be read"));
                records += packets.len();
                let first = first.get_or_insert_with(|| packets.clone());
                for packet in packets.iter() {
                    same(template, first.packet(0), packet, &columns);
                }
            }
            assert_eq!(records, 64, "{template}");
            done += records;
        }
    }
    done
}

#[test]
fn in_3_9_5() {
    assert!(hold(&V3_9_5) > 0);
}

#[test]
fn in_3_9_8() {
    assert!(hold(&V3_9_8) > 0);
}

#[test]
fn in_4_0_to_4_9() {
    assert!(hold(&V4) > 0);
}

#[test]
fn in_macos() {
    assert!(hold(&MACOS) > 0);
}

#[test]
fn in_junos() {
    assert!(hold(&JUNOS) > 0);
}

#[test]
fn in_sophos() {
    assert!(hold(&SOPHOS) > 0);
}

#[test]
fn in_big_ip() {
    assert!(hold(&BIG_IP) > 0);
}

#[test]
fn in_openbsd() {
    assert!(hold(&OPEN_BSD) > 0);
}

#!/usr/bin/env python3
"""One capture for each link layer, each with the same packets in it.

    layers.py FOLDER     write FOLDER/LAYER.pcap

What a packet is does not depend on what carries it: with the same options, all
records of one packet must read the same but for the link layer's own fields.
The packet's number is the second of its time stamp.
"""
import os
import struct
import sys

from frames import csum, pseudo

A4, B4 = "192.0.2.1", "198.51.100.2"
A6, B6 = "2001:db8::1", "fe80::211:2233:4455:6677"
M1, M2, M3 = (bytes.fromhex("02000000000%d" % n) for n in (1, 2, 3))
ETHER = M2 + M1
B = bytes.fromhex


def be(*numbers):
    return struct.pack(">%dH" % len(numbers), *numbers)


def summed(six, proto, header, at):
    """A transport header with its checksum in place."""
    src, dst = (A6, B6) if six else (A4, B4)
    total = csum(pseudo(src, dst, proto, len(header)) + header)
    return header[:at] + be(total) + header[at + 2:]


def four(proto, payload, offset=0):
    header = struct.pack(">BBHHHBBH4s4s", 0x45, 16, 20 + len(payload), 4711, offset, 61, proto, 0,
                         bytes(map(int, A4.split("."))), bytes(map(int, B4.split("."))))
    return header[:10] + be(csum(header)) + header[12:] + payload


def six(proto, payload):
    return (struct.pack(">IHBB", 6 << 28 | 0x20 << 20 | 0x12345, len(payload), proto, 60)
            + B("20010db8000000000000000000000001fe800000000000000211223344556677") + payload)


def tcp(v6, flags, options=b""):
    header = struct.pack(">HHIIBBHHH", 4321, 8088, 1000, 2000 if flags & 16 else 0,
                         (20 + len(options)) // 4 << 4, flags, 501, 0, 0) + options
    return summed(v6, 6, header, 16)


UDP6 = summed(True, 17, struct.pack(">HHHH", 5001, 6001, 15, 0) + b"payload", 6)
ARP = be(1, 0x800) + B("06040001") + M1 + B("c0000201000000000000c6336402")
# Family 4, 6, or 0 for ARP, which not every layer carries.
PACKETS = [
    (4, four(6, tcp(False, 2, B("020405b40402080a0001e2400000000001030307")))),
    (4, four(17, b"a later fragment", 3)),
    (6, six(17, UDP6)),
    (6, six(0, B("0600010400000000") + tcp(True, 16))),
    (0, ARP),
]
ET = {4: 0x800, 6: 0x86dd, 0: 0x806}
PPP = {4: 0x21, 6: 0x57}
NLP = {4: 0xcc, 6: 0x8e}
LABEL = struct.pack(">I", 1000 << 12 | 3 << 9 | 1 << 8 | 63)
captures = {}


def snap(f):
    return B("aaaa03000000") + be(ET[f])


def link(name, linktype, wrap, arp=True, families=(4, 6)):
    """A layer by its LINKTYPE_ number, and what it puts around a packet."""
    carried = families + (0,) if arp else families
    captures[name] = linktype, [(n, wrap(f, p)) for n, (f, p) in enumerate(PACKETS) if f in carried]


link("ether", 1, lambda f, p: ETHER+be(ET[f])+p)
link("vlan", 1, lambda f, p: ETHER+be(0x8100, 0x6064, ET[f])+p)
link("vlan-dei", 1, lambda f, p: ETHER+be(0x8100, 0x7064, ET[f])+p)
link("qinq", 1, lambda f, p: ETHER+be(0x88a8, 0x2064, 0x8100, 7, ET[f])+p)
link("q9100", 1, lambda f, p: ETHER+be(0x9100, 0x2064, 0x9200, 7, 0x8100, 9, ET[f])+p)
link("ether-snap", 1, lambda f, p: ETHER+be(8+len(p))+snap(f)+p)
link("vlan-snap", 1, lambda f, p: ETHER+be(0x8100, 0x64, 8+len(p))+snap(f)+p)
link("ether-snap-cisco", 1, lambda f, p: ETHER+be(8+len(p))+B("aaaa030000f8")+be(ET[f])+p)
link("ether-llc-ip", 1, lambda f, p: ETHER+be(3+len(p))+B("060603")+p, False, (4,))
link("jumbo", 1, lambda f, p: ETHER+be(0x8870)+snap(f)+p)
link("mpls1", 1, lambda f, p: ETHER+be(0x8847)+LABEL+p, False)
link("mpls3", 1, lambda f, p: ETHER+be(0x8847)+b"".join(struct.pack(">I", (l << 12) | (s << 8) | 63) for l, s in ((100, 0), (200, 0), (300, 1)))+p, False)
link("mpls-null", 1, lambda f, p: ETHER+be(0x8847)+struct.pack(">I", ((0 if f == 4 else 2) << 12) | (1 << 8) | 63)+p, False)
link("mpls-vlan", 1, lambda f, p: ETHER+be(0x8100, 5, 0x8848)+LABEL+p, False)
link("pppoe", 1, lambda f, p: ETHER+be(0x8864)+B("1100")+be(0x17, 2+len(p), PPP[f])+p, False)
link("pppoe-vlan", 1, lambda f, p: ETHER+be(0x8100, 7, 0x8864)+B("1100")+be(0x17, 2+len(p), PPP[f])+p, False)
link("pppoe-mpls", 1, lambda f, p: ETHER+be(0x8864)+B("1100")+be(0x17, 6+len(p), 0x281)+LABEL+p, False)
link("nsh", 1, lambda f, p: ETHER+be(0x894f)+struct.pack(">HBB", 0x0fc6, 1, 1 if f == 4 else 2)+B("00002aff")+b"\0"*16+p, False)
link("nsh-ether", 1, lambda f, p: ETHER+be(0x894f)+struct.pack(">HBB", 0x0fc2, 2, 3)+B("00002aff")+M1+M2+be(ET[f])+p)
link("macsec-clear", 1, lambda f, p: ETHER+be(0x88e5)+B("000000000001")+be(ET[f])+p+b"\0"*16)
link("macsec-sci", 1, lambda f, p: ETHER+be(0x88e5)+B("2000000000010200000000010001")+be(ET[f])+p+b"\0"*16)
link("arista", 1, lambda f, p: ETHER+be(0xd28b)+B("0001001051e0a6f3000003e8")+be(ET[f])+p)
link("arista48", 1, lambda f, p: ETHER+be(0xd28b)+B("0001012151e0000003e8")+be(ET[f])+p)
link("brcm", 281, lambda f, p: ETHER+B("20000080")+be(ET[f])+p)
link("brcm-eg", 281, lambda f, p: ETHER+B("00010203")+be(ET[f])+p)
link("brcm-vlan", 281, lambda f, p: ETHER+B("20000080")+be(0x8100, 44, ET[f])+p)
link("brcm-prepend", 282, lambda f, p: B("20000080")+ETHER+be(ET[f])+p)
for i, t in enumerate(("c0082001", "00082001", "40083001", "80083001", "e0182064")):
    link("dsa%d" % i, 284, lambda f, p, t=t: ETHER+B(t)+be(ET[f])+p)
    link("edsa%d" % i, 285, lambda f, p, t=t: ETHER+B("dada0000")+B(t)+be(ET[f])+p)
link("null", 0, lambda f, p: struct.pack("<I", {4: 2, 6: 30}[f])+p, False)
link("null-be", 0, lambda f, p: struct.pack(">I", {4: 2, 6: 24}[f])+p, False)
link("loop", 108, lambda f, p: struct.pack(">I", {4: 2, 6: 28}[f])+p, False)
link("raw", 101, lambda f, p: p, False)
link("ipv4", 228, lambda f, p: p, False, (4,))
link("ipv6", 229, lambda f, p: p, False, (6,))
for d in range(5):
    link("sll%d" % d, 113, lambda f, p, d=d: be(d, 1, 6)+M1+b"\0\0"+be(ET[f])+p)
link("sll-noaddr", 113, lambda f, p: be(0, 772, 0)+b"\0"*8+be(ET[f])+p)
link("sll-vlan", 113, lambda f, p: be(0, 1, 6)+M1+b"\0\0"+be(0x8100, 33, ET[f])+p)
link("sll-snap", 113, lambda f, p: be(0, 1, 6)+M1+b"\0\0"+be(4)+snap(f)+p)
link("sll2-noif", 276, lambda f, p: be(ET[f], 0)+struct.pack(">IHBB", 9999, 1, 0, 6)+M1+b"\0\0"+p)
link("sll2-noaddr", 276, lambda f, p: be(ET[f], 0)+struct.pack(">IHBB", 1, 65534, 4, 0)+b"\0"*8+p)
link("sll2-vlan", 276, lambda f, p: be(0x8100, 0)+struct.pack(">IHBB", 1, 1, 0, 6)+M1+b"\0\0"+be(33, ET[f])+p)
link("ppp", 9, lambda f, p: be(PPP[f])+p, False)
link("ppp-acfc", 9, lambda f, p: B("ff03")+be(PPP[f])+p, False)
link("ppp-pfc", 9, lambda f, p: B("ff03")+bytes([PPP[f]])+p, False)
link("ppp-mpls", 9, lambda f, p: B("ff03")+be(0x281)+LABEL+p, False)
link("pppd-in", 166, lambda f, p: B("0003")+be(PPP[f])+p, False)
link("pppd-out", 166, lambda f, p: B("0103")+be(PPP[f])+p, False)
link("ppp-serial", 50, lambda f, p: B("ff03")+be(PPP[f])+p, False)
link("ppp-serial-chdlc", 50, lambda f, p: B("0f00")+be(ET[f])+p, False)
link("ppp-ether", 51, lambda f, p: B("1100")+be(0x17, 2+len(p), PPP[f])+p, False)
link("chdlc", 104, lambda f, p: B("0f00")+be(ET[f])+p, False)
link("chdlc-bcast", 104, lambda f, p: B("8f00")+be(ET[f])+p, False)
link("chdlc-mpls", 104, lambda f, p: B("0f00")+be(0x8847)+LABEL+p, False)
link("fr-nlpid", 107, lambda f, p: B("18e103")+bytes([NLP[f]])+p, False)
link("fr-cisco", 107, lambda f, p: B("18e1")+be(ET[f])+p, False)
link("fr-snap", 107, lambda f, p: B("18e1030080000000")+be(ET[f])+p)
link("fr-cisco-mpls", 107, lambda f, p: B("18e1")+be(0x8847)+LABEL+p, False)
link("mfr", 182, lambda f, p: B("c10118e103")+bytes([NLP[f]])+p, False)
link("mfr-raw", 182, lambda f, p: B("c001")+B("18e103")+bytes([NLP[f]])+p, False)
link("fddi", 10, lambda f, p: B("50400000000080400000000040")+snap(f)+p)
link("token", 6, lambda f, p: B("1040")+ETHER+snap(f)+p)
link("token-sr", 6, lambda f, p: B("1040020000000002820000000001"  # the bit of a route in the sender
                                       "0830001100120013")+snap(f)+p)
link("arcnet", 7, lambda f, p: B("0102")+bytes([{4: 0xd4, 6: 0xc4, 0: 0xd5}[f]])+B("000007")+p)
link("arcnet-linux", 129, lambda f, p: B("01020000")+bytes([{4: 0xd4, 6: 0xc4, 0: 0xd5}[f]])+B("000007")+p)
link("ipfc", 122, lambda f, p: B("1000")+M2+B("1000")+M1+snap(f)+p)
link("ap1394", 138, lambda f, p: B("0200000000000001")+B("0200000000000002")+be(ET[f])+p)
link("atm1483-snap", 100, lambda f, p: snap(f)+p)
link("atm1483-eth", 100, lambda f, p: B("aaaa030080c200070000")+ETHER+be(ET[f])+p)
link("atm1483-nlpid", 100, lambda f, p: B("fefe03")+bytes([NLP[f]])+p, False)
link("clip", 106, lambda f, p: snap(f)+p)
link("clip-raw", 106, lambda f, p: p, False, (4,))
link("sunatm-llc", 123, lambda f, p: B("02640020")+snap(f)+p)
link("sunatm-lane", 123, lambda f, p: B("01640020")+B("0007")+ETHER+be(ET[f])+p)
link("ipoib", 242, lambda f, p: b"\0"*40+be(ET[f], 0)+p)
link("slip-raw", 8, lambda f, p: b"\0"+bytes([0x45])+b"\0"*14+p, False)
link("slip-out", 8, lambda f, p: b"\1"+bytes([0x45])+b"\0"*14+p, False)
link("nflog", 239, lambda f, p: bytes([{4: 2, 6: 10}[f], 0])+be(20)+struct.pack("<HH", 8, 10)+b"pre\0"+struct.pack("<HH", 4+len(p), 9)+p+b"\0"*(-len(p)%4), False)


def pflog(f, p, action=1, reason=0, ruleset=b"", direction=1):
    header = bytes([61, {4: 2, 6: 24}[f], action, reason])+b"em0".ljust(16, b"\0")
    header += ruleset.ljust(16, b"\0")+struct.pack(">II", 7, 3 if ruleset else 0xffffffff)
    return (header+b"\0"*16+bytes([direction])).ljust(64, b"\0")+p


link("pflog", 117, pflog, False)
link("pflog-out", 117, lambda f, p: pflog(f, p, 0, 1, b"anchor", 2), False)
link("enc", 109, lambda f, p: struct.pack("<III", {4: 2, 6: 24}[f], 0x1234, 0x0c00)+p, False)
link("enc-auth", 109, lambda f, p: struct.pack("<III", {4: 2, 6: 24}[f], 0x1234, 0x0800)+p, False)
link("ipnet", 226, lambda f, p: bytes([2, {4: 2, 6: 26}[f]])+be(0)+struct.pack(">IIIII", 0, 1, 2, 3, 4)+p, False)
link("symantec", 99, lambda f, p: b"\0"*6+be(ET[f])+b"\0"*36+p)
link("netanalyzer", 240, lambda f, p: B("00000000")+ETHER+be(ET[f])+p)
link("netanalyzer-t", 241, lambda f, p: B("00000000")+B("555555555555")+B("55d5")+ETHER+be(ET[f])+p)


def wifi(f, p, control="0801"):
    return B(control)+B("2c00")+M3+M1+M2+B("1000")+snap(f)+p


def qos(f, p):
    return B("8801")+B("2c00")+M3+M1+M2+B("1000")+B("0000")+snap(f)+p


link("wifi-tods", 105, wifi)
link("wifi-fromds", 105, lambda f, p: wifi(f, p, "0802"))
link("wifi-ibss", 105, lambda f, p: wifi(f, p, "0800"))
link("wifi-wds", 105, lambda f, p: B("08032c00")+M3+M1+M2+B("1000")+M1+snap(f)+p)
link("wifi-retry-pm", 105, lambda f, p: wifi(f, p, "0819"))
link("wifi-qos", 105, qos)
rt = B("00000e00") + struct.pack("<I", 1 << 1 | 1 << 2 | 1 << 3) + bytes([0, 0x6c]) + struct.pack("<HH", 2437, 0x00a0)
link("radiotap", 127, lambda f, p: rt + qos(f, p))
rt2 = B("00001800") + struct.pack("<I", 0x6f) + struct.pack("<Q", 1448501729) + bytes([0, 12]) + struct.pack("<HH", 5180, 0x140) + bytes([0xb6, 0xa0])
link("radiotap-tsft", 127, lambda f, p: rt2 + qos(f, p))
link("radiotap-min", 127, lambda f, p: B("0000080000000000") + wifi(f, p))
link("prism", 119, lambda f, p: struct.pack("<II", 0x44, 144) + b"wlan0".ljust(16, b"\0") + b"\0"*120 + wifi(f, p))
link("avs", 163, lambda f, p: struct.pack(">II", 0x80211001, 64) + b"\0"*56 + wifi(f, p))
link("ppi-wifi", 192, lambda f, p: struct.pack("<BBHI", 0, 0, 8, 105) + wifi(f, p))
link("ppi-ether", 192, lambda f, p: struct.pack("<BBHI", 0, 0, 8, 1) + ETHER+be(ET[f])+p)
link("ppi-raw", 192, lambda f, p: struct.pack("<BBHI", 0, 0, 8, 12) + p, False)


def pktap(f, p, dlt=1):
    h = struct.pack("<III", 108, 1, dlt)+b"en0".ljust(24, b"\0")+struct.pack("<IIII", 0, 2, 14, 0)+struct.pack("<I", 55)+b"curl".ljust(20, b"\0")
    return h.ljust(108, b"\0") + (ETHER+be(ET[f]) if dlt == 1 else b"")+p


link("pktap", 258, pktap)
link("pktap-raw", 258, lambda f, p: pktap(f, p, 12), False)
JUNIPER = B("4d474301")
link("jun-ether", 178, lambda f, p: JUNIPER+ETHER+be(ET[f])+p)
link("jun-ppp", 179, lambda f, p: JUNIPER+be(PPP[f])+p, False)
link("jun-frelay", 180, lambda f, p: JUNIPER+B("18e103")+bytes([NLP[f]])+p, False)
link("jun-chdlc", 181, lambda f, p: JUNIPER+B("0f00")+be(ET[f])+p, False)
link("jun-nol2", 178, lambda f, p: B("4d474302")+struct.pack(">I", {4: 2, 6: 28}[f])+p, False)


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    for name, (linktype, frames) in captures.items():
        with open(os.path.join(folder, name + ".pcap"), "wb") as out:
            out.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 262144, linktype))
            for n, frame in frames:
                out.write(struct.pack("<IIII", 1700000000 + n, 123456, len(frame), len(frame)) + frame)


if __name__ == "__main__":
    main()

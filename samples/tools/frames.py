#!/usr/bin/env python3
"""Build and send the frames that no ordinary kernel or server makes.

    frames.py IFACE THEME...     send every frame of the themes out of IFACE
    frames.py --list             name the themes

Only the standard library is used, so that the samples can be recorded anew on
a bare Debian machine.  All checksums are computed here; where one is wrong,
it is wrong on purpose.  The addresses are those reserved for documentation
(RFC 5737, RFC 3849), and the frames go to a MAC address nobody has, so no
kernel answers them and a capture holds just what is listed below.
"""
import itertools
import socket
import struct
import sys
import time

MAC_A = bytes.fromhex("020000000a01")
MAC_B = bytes.fromhex("020000000b02")
BCAST = b"\xff" * 6
A4, B4 = "192.0.2.1", "198.51.100.2"
A6, B6, C6 = "2001:db8::1", "2001:db8:1::2", "2001:db8:2::3"

# What a reader of tcpdump's text must not take for the start of a record.
FAKE = (b"12:34:56.789012 IP (tos 0x0, ttl 64, id 1, offset 0, flags [none], "
        b"proto TCP (6), length 60)\r\n"
        b"    6.6.6.6.666 > 7.7.7.7.22: Flags [S], seq 1, win 1, length 0\r\n")
FAKE_ONE = b"12:34:56.789012 IP 6.6.6.6.666 > 7.7.7.7.22: Flags [S], seq 1, win 1, length 0"


# ---------------------------------------------------------------- headers

def be16(n):
    return struct.pack("!H", n & 0xFFFF)


def be32(n):
    return struct.pack("!I", n & 0xFFFFFFFF)


def csum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def addr(text):
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


def pseudo(src, dst, proto, size):
    if ":" in src:
        return addr(src) + addr(dst) + be32(size) + b"\0\0\0" + bytes([proto])
    return addr(src) + addr(dst) + b"\0" + bytes([proto]) + be16(size)


def eth(kind, payload, dst=MAC_B, src=MAC_A):
    return dst + src + be16(kind) + payload


def llc(payload, dst, src=MAC_A, size=None):
    return dst + src + be16(len(payload) if size is None else size) + payload


_id = itertools.count(1)


def ip4(proto, payload, src=A4, dst=B4, ttl=64, tos=0, ident=None, frag=0, opts=b"",
        ver=4, ihl=None, total=None, ck=None):
    opts += b"\0" * (-len(opts) % 4)
    size = 20 + len(opts)
    head = struct.pack("!BBHHHBBH4s4s", ver << 4 | (size // 4 if ihl is None else ihl), tos,
                       size + len(payload) if total is None else total,
                       next(_id) & 0xFFFF if ident is None else ident,
                       frag, ttl, proto, 0, addr(src), addr(dst)) + opts
    ck = csum(head) if ck is None else ck
    return head[:10] + be16(ck) + head[12:] + payload


def ip6(nh, payload, src=A6, dst=B6, hlim=64, tc=0, flow=0x12345, plen=None, ver=6):
    return struct.pack("!IHBB", ver << 28 | tc << 20 | flow,
                       len(payload) if plen is None else plen, nh, hlim) \
        + addr(src) + addr(dst) + payload


def tcp(payload=b"", sport=40000, dport=9999, seq=1000, ack=0, flags=2, win=64240, opts=b"",
        urg=0, doff=None, ck=None, src=A4, dst=B4):
    opts += b"\0" * (-len(opts) % 4)
    doff = (20 + len(opts)) // 4 if doff is None else doff
    seg = struct.pack("!HHIIHHHH", sport, dport, seq, ack, doff << 12 | flags, win, 0, urg) \
        + opts + payload
    if ck is None:
        ck = csum(pseudo(src, dst, 6, len(seg)) + seg)
    return seg[:16] + be16(ck) + seg[18:]


def udp(payload=b"", sport=40000, dport=9999, size=None, ck=None, src=A4, dst=B4):
    size = 8 + len(payload) if size is None else size
    seg = struct.pack("!HHHH", sport, dport, size, 0) + payload
    if ck is None:
        ck = csum(pseudo(src, dst, 17, len(seg)) + seg) or 0xFFFF
    return seg[:6] + be16(ck) + seg[8:]


def icmp(kind, code, rest=b"\0\0\0\0", payload=b"", ck=None):
    seg = bytes([kind, code, 0, 0]) + rest + payload
    return seg[:2] + be16(csum(seg) if ck is None else ck) + seg[4:]


def icmp6(kind, code, rest=b"\0\0\0\0", payload=b"", src=A6, dst=B6, ck=None):
    seg = bytes([kind, code, 0, 0]) + rest + payload
    if ck is None:
        ck = csum(pseudo(src, dst, 58, len(seg)) + seg)
    return seg[:2] + be16(ck) + seg[4:]


def e4(*a, **k):
    return eth(0x0800, ip4(*a, **k))


def e6(*a, **k):
    return eth(0x86DD, ip6(*a, **k))


def u4(payload, sport, dport, **ipk):
    s, d = ipk.get("src", A4), ipk.get("dst", B4)
    return e4(17, udp(payload, sport, dport, src=s, dst=d), **ipk)


def u6(payload, sport, dport, **ipk):
    s, d = ipk.get("src", A6), ipk.get("dst", B6)
    return e6(17, udp(payload, sport, dport, src=s, dst=d), **ipk)


def t4(payload=b"", opts=b"", flags=0x18, **k):
    return e4(6, tcp(payload, opts=opts, flags=flags, ack=k.pop("ack", 5000), **k), frag=0x4000)


def t6(payload=b"", opts=b"", flags=0x18, **k):
    return e6(6, tcp(payload, opts=opts, flags=flags, ack=k.pop("ack", 5000), src=A6, dst=B6, **k))


ECHO = icmp(8, 0, be16(77) + be16(1), b"abcdefghijklmnop")
ECHO6 = icmp6(128, 0, be16(77) + be16(1), b"abcdefghijklmnop")
SYN_OPTS = (b"\x02\x04\x05\xb4" b"\x04\x02" b"\x08\x0a" + be32(100) + be32(0)
            + b"\x01" b"\x03\x03\x07")


def arp(op, sha=MAC_A, spa=A4, tha=b"\0" * 6, tpa="192.0.2.2", dst=BCAST, kind=0x0806,
        hw=1, pro=0x0800, hl=6, pl=4, cut=None):
    body = struct.pack("!HHBBH", hw, pro, hl, pl, op) + sha + addr(spa) + tha + addr(tpa)
    return eth(kind, body[:cut], dst=dst)


# ---------------------------------------------------------------- names of DNS and so on

def label(text):
    return bytes([len(text)]) + text


def name(*labels):
    return b"".join(label(x if isinstance(x, bytes) else x.encode()) for x in labels) + b"\0"


def dns(ident, flags, qd=(), an=(), ns=(), ar=()):
    return struct.pack("!HHHHHH", ident, flags, len(qd), len(an), len(ns), len(ar)) \
        + b"".join(qd) + b"".join(an) + b"".join(ns) + b"".join(ar)


def q(nm, kind=1, cls=1):
    return nm + be16(kind) + be16(cls)


def rr(nm, kind, data, cls=1, ttl=300):
    return nm + be16(kind) + be16(cls) + be32(ttl) + be16(len(data)) + data


def ber(tag, *parts):
    body = b"".join(parts)
    size = bytes([len(body)]) if len(body) < 128 else b"\x81" + bytes([len(body)])
    return bytes([tag]) + size + body


def ber_int(n):
    return ber(2, bytes([n]))


def snmp(pdu, community=b"canary", version=1, val=b"\x05\x00", oid=b"\x2b\x06\x01\x02\x01\x01\x01\x00"):
    return ber(0x30, ber_int(version), ber(4, community),
               ber(pdu, ber_int(7), ber_int(0), ber_int(0),
                   ber(0x30, ber(0x30, ber(6, oid), val))))


# ---------------------------------------------------------------- themes

def vlan():
    """802.1Q, priority tags, QinQ with both outer kinds, three tags."""
    def tag(vid, inner, pcp=0, dei=0):
        return be16(pcp << 13 | dei << 12 | vid) + inner
    p4 = be16(0x0800)
    inner = [
        p4 + ip4(6, tcp(opts=SYN_OPTS)),
        p4 + ip4(17, udp(b"hello")),
        p4 + ip4(1, ECHO),
        p4 + ip4(17, udp(dns(1, 0x100, [q(name("vlan", "example"))]), 40001, 53)),
        be16(0x86DD) + ip6(6, tcp(opts=SYN_OPTS, src=A6, dst=B6)),
        be16(0x86DD) + ip6(17, udp(b"hello", src=A6, dst=B6)),
        be16(0x86DD) + ip6(58, ECHO6),
        arp(1)[12:],
        be16(0x88B5) + b"local experiment" * 2,
        be16(0x0026) + b"\x42\x42\x03" + b"\0" * 35,
    ]
    for x in inner:
        yield eth(0x8100, tag(10, x))
        yield eth(0x8100, tag(0, x, pcp=5))
        yield eth(0x8100, tag(4095, x, pcp=7, dei=1))
        yield eth(0x88A8, tag(100, be16(0x8100) + tag(200, x)))
        yield eth(0x9100, tag(300, be16(0x8100) + tag(400, x, pcp=3)))
        yield eth(0x8100, tag(1, be16(0x8100) + tag(2, be16(0x8100) + tag(3, x, dei=1))))
    yield eth(0x8100, b"\0")
    yield eth(0x8100, tag(10, b"\x08"))


def ip6_ext():
    """Chains of extension headers before TCP, UDP and ICMPv6."""
    def ext(nh, body):
        body += b"\0" * ((-len(body) - 2) % 8)
        return bytes([nh, (len(body) + 2) // 8 - 1]) + body
    uppers = [(6, tcp(b"x" * 5, flags=0x18, ack=9, src=A6, dst=B6)),
              (6, tcp(opts=SYN_OPTS, src=A6, dst=B6)),
              (17, udp(b"hello", src=A6, dst=B6)), (58, ECHO6)]
    ra_opt = b"\x05\x02\0\0" b"\x01\0"
    for nh, up in uppers:
        hbh = lambda n: ext(n, ra_opt)
        pad = lambda n: ext(n, b"\x01\x0c" + b"\0" * 12)
        pad1 = lambda n: ext(n, b"\0" * 6)
        rt0 = lambda n: bytes([n, 4, 0, 1, 0, 0, 0, 0]) + addr(C6) + addr("2001:db8:4::4")
        rt2 = lambda n: bytes([n, 2, 2, 1, 0, 0, 0, 0]) + addr(C6)
        rt4 = lambda n: bytes([n, 4, 4, 1, 1, 0, 0, 9]) + addr(C6) + addr(B6)
        rtx = lambda n: bytes([n, 0, 99, 1, 0, 0, 0, 0])
        dst = lambda n: ext(n, b"\x01\x04\0\0\0\0")
        home = lambda n: ext(n, b"\x01\x02\0\0" b"\xc9\x10" + addr(C6))
        tun = lambda n: ext(n, b"\x04\x01\x05" b"\x01\x01\0")
        unk = lambda n: ext(n, b"\x9e\x04abcd")
        fr1 = lambda n: bytes([n, 0]) + be16(1) + be32(0xDEADBEEF)
        frx = lambda n: bytes([n, 0]) + be16(185 << 3 | 1) + be32(0xDEADBEEF)
        frl = lambda n: bytes([n, 0]) + be16(370 << 3) + be32(0xDEADBEEF)
        fr0 = lambda n: bytes([n, 0]) + be16(0) + be32(0x11)
        ah = lambda n: bytes([n, 4, 0, 0]) + be32(0x100) + be32(1) + b"\xaa" * 12
        for chain in ([(0, hbh)], [(0, pad)], [(0, pad1)], [(60, dst)], [(60, home)], [(60, tun)],
                      [(60, unk)], [(43, rt0)], [(43, rt2)], [(43, rt4)], [(43, rtx)],
                      [(44, fr0)], [(44, fr1)], [(44, frx)], [(44, frl)], [(51, ah)],
                      [(0, hbh), (60, dst)], [(0, pad), (43, rt0), (44, fr1)],
                      [(0, hbh), (60, dst), (43, rt4), (51, ah), (60, dst)],
                      [(60, dst), (44, frl)]):
            data, n = up, nh
            for kind, make in reversed(chain):
                data, n = make(n) + data, kind
            yield e6(n, data)
        yield e6(nh, up, hlim=1, tc=0xB9, flow=0)
        yield e6(nh, up, flow=0xFFFFF)
        yield e6(nh, up, hlim=0, tc=3)
        yield e6(nh, up[:-3] + b"zzz", flow=0)
    yield e6(50, be32(0x1234) + be32(1) + b"\x5a" * 32)
    yield e6(59, b"")
    yield e6(59, b"trailing")
    yield e6(0, ext(59, ra_opt))
    # A jumbo payload option: the length of the header is 0.
    yield e6(0, bytes([17, 0]) + b"\xc2\x04" + be32(65600) + udp(b"j" * 64, src=A6, dst=B6), plen=0)
    yield e6(0, bytes([6, 0]) + b"\xc2\x04" + be32(8 + 20) + tcp(src=A6, dst=B6), plen=0)
    yield e6(17, udp(b"x", src=A6, dst=B6), plen=0)
    yield e6(253, b"experimental one")
    yield e6(4, ip4(17, udp(b"4in6")))
    yield e6(41, ip6(17, udp(b"6in6", src=A6, dst=B6)))
    yield e6(47, b"\0\0\x08\0" + ip4(1, ECHO))
    yield e6(132, struct.pack("!HHII", 5000, 5001, 0, 0) + b"\x01\0\0\x14" + be32(1) + be32(65536)
             + be16(10) + be16(10) + be32(77))
    yield e6(135, bytes([59, 0, 5, 0, 0, 0]) + b"\0\0")
    yield e6(0, bytes([6, 9]) + b"\x05\x02")
    yield e6(43, bytes([6, 200, 0, 1]) + b"\0" * 4)
    yield e6(44, bytes([6, 0, 0]))


def ip4_opts():
    """IPv4 options, fragments, flags, odd tos and ttl, bad header checksums."""
    ptr = lambda n: bytes([n])
    opts = [
        b"\x07\x0f" + ptr(4) + b"\0" * 12,
        b"\x07\x0f" + ptr(12) + addr("10.1.1.1") + addr("10.2.2.2") + b"\0" * 4,
        b"\x83\x0b" + ptr(4) + addr("10.1.1.1") + addr("10.2.2.2"),
        b"\x89\x07" + ptr(4) + addr("10.1.1.1"),
        b"\x44\x0c" + ptr(5) + b"\x00" + b"\0" * 8,
        b"\x44\x0c" + ptr(9) + b"\x00" + be32(3600000) + b"\0" * 4,
        b"\x44\x14" + ptr(13) + b"\x01" + addr("10.1.1.1") + be32(3600001) + b"\0" * 8,
        b"\x44\x0c" + ptr(5) + b"\x13" + addr("10.9.9.9") + be32(5),
        b"\x44\x0c" + ptr(5) + b"\x02" + b"\0" * 8,
        b"\x94\x04\0\0", b"\x94\x04\0\x01", b"\x01\x01\x01\0", b"\x01" * 40, b"\0\0\0\0",
        b"\x88\x04\x12\x34", b"\x82\x0b\xab\xcd" + b"\0" * 7, b"\x86\x06\0\0\0\1",
        b"\x19\x04ab", b"\x9e\x06wxyz", b"\x07\x03\x05", b"\x07\x01\0\0", b"\x83\x28\x04\0",
        b"\x07\x07\x04", b"\x94\x02\0\0",
        b"\x94\x04\0\0\x01\x07\x07\x04" + b"\0" * 4 + b"\0" * 4,
    ]
    for o in opts:
        yield e4(6, tcp(opts=SYN_OPTS), opts=o)
        yield e4(17, udp(b"opts"), opts=o)
        yield e4(1, ECHO, opts=o)
    for flags in range(8):
        yield e4(17, udp(b"flags"), frag=flags << 13)
        yield e4(6, tcp(b"", flags=0x10, ack=1), frag=flags << 13)
    for off in (1, 185, 370, 8191):
        for proto in (6, 17, 1, 50, 253):
            yield e4(proto, b"\x55" * 24, ident=4242, frag=off | (0x2000 if off < 300 else 0))
    yield e4(6, tcp(b"y" * 24, flags=0x18, ack=1), ident=4242, frag=0x2000)
    yield e4(17, udp(b"y" * 24, size=3000), ident=4243, frag=0x2000)
    yield e4(1, ECHO + b"\0" * 8, ident=4244, frag=0x2000)
    for tos in (1, 2, 3, 0x10, 0xB8, 0xBB, 0xFF):
        yield e4(6, tcp(flags=0x10, ack=1), tos=tos)
        yield e4(17, udp(b"tos"), tos=tos)
    for ttl in (0, 1, 255):
        yield e4(1, ECHO, ttl=ttl)
        yield e4(6, tcp(), ttl=ttl)
        yield e4(17, udp(b"ttl"), ttl=ttl)
    for ck in (0, 0xDEAD, 0xFFFF):
        yield e4(6, tcp(), ck=ck)
        yield e4(17, udp(b"cksum"), ck=ck)
        yield e4(1, ECHO, ck=ck, tos=1, ttl=0, opts=b"\x94\x04\0\0")
    yield e4(6, tcp(b"z" * 7, flags=0x18, ack=1, ck=0x1234))
    yield e4(6, tcp(b"", flags=0x10, ack=1, ck=0))
    yield e4(1, icmp(8, 0, be16(1) + be16(2), b"bad", ck=0xBEEF))
    yield e4(6, tcp(), ident=0, frag=0x4000)
    yield e4(6, tcp(), ident=65535)
    for proto in (0, 2, 3, 8, 9, 27, 33, 46, 55, 88, 98, 108, 115, 136, 143, 253, 254, 255):
        yield e4(proto, bytes(range(24)))
    yield e4(6, tcp(), src="0.0.0.0", dst="255.255.255.255")
    yield e4(17, udp(b"m"), dst="239.1.2.3", ttl=1)
    yield e4(17, udp(b"", dport=0, sport=0))


def tcp_opts():
    """Every TCP option that has a printer, some that have none, and broken ones."""
    ts = b"\x08\x0a" + be32(4294967295) + be32(1)
    nn = b"\x01\x01"

    def sack(*edges):
        return b"\x05" + bytes([2 + 4 * len(edges)]) + b"".join(be32(x) for x in edges)
    opts = [
        b"", b"\x00", b"\x01", nn, b"\x02\x04\x05\xb4", b"\x02\x04\0\0", b"\x03\x03\x00",
        b"\x03\x03\x0e", b"\x03\x03\xff", b"\x04\x02", b"\x06\x06abcd", b"\x07\x06abcd",
        nn + sack(100, 200), nn + sack(100, 200, 300, 400), nn + sack(1, 2, 3, 4, 5, 6),
        sack(1, 2, 3, 4, 5, 6, 7, 8), nn + ts, nn + ts + nn + sack(10, 20),
        nn + ts + nn + sack(10, 20, 30, 40, 50, 60), SYN_OPTS,
        b"\x02\x04\x05\xb4\x01\x03\x03\x06" + nn + ts + b"\x04\x02\0\0",
        b"\x09\x02", b"\x0a\x03\x80", b"\x0b\x06" + be32(77), b"\x0c\x06" + be32(78),
        b"\x0d\x06" + be32(79), b"\x0e\x03\x02", b"\x0f\x04ab",
        nn + b"\x13\x12" + bytes(range(16)),                      # md5
        nn + ts + b"\x13\x12" + bytes(range(16)),
        b"\x1c\x04\x80\x05", b"\x1c\x04\x00\x3c",                 # uto, minutes and seconds
        b"\x1d\x10\x01\x02" + b"\xab" * 12, b"\x1d\x04\x07\x08",  # tcp-ao
        b"\x22\x02", b"\x22\x0a" + b"cookie!!", b"\x22\x06" + b"cook", b"\x22\x12" + b"c" * 16,
        b"\x22\x03x",                                              # tfo, the last one damaged
        b"\xfe\x04\xf9\x89", b"\xfe\x0c\xf9\x89" + b"cookie!!",   # exp-tfo
        b"\xfe\x04\x12\x34", b"\xfd\x06\xf9\x89zz", b"\xfd\x04\0\1", b"\xfe\x02",
        b"\x1b\x08\x01\x02" + be32(3), b"\x14\x04zz", b"\x19\x06zzzz", b"\x63\x06wxyz", b"\x46\x02",
    ]
    key = b"\x11" * 8
    mptcp = [
        b"\x1e\x04\x01\x81", b"\x1e\x0c\x00\x81" + key, b"\x1e\x0c\x01\x81" + key,
        b"\x1e\x14\x01\x01" + key + b"\x22" * 8,
        b"\x1e\x16\x01\x01" + key + b"\x22" * 8 + be16(100),
        b"\x1e\x0c\x10\x05" + be32(0xCAFE) + be32(0xF00D),        # join syn
        b"\x1e\x10\x11\x05" + b"\x33" * 8 + be32(0xF00D),         # join syn-ack
        b"\x1e\x18\x10\x00" + b"\x44" * 20,                       # join ack
        b"\x1e\x08\x20\x01" + be32(1000),                         # dss, ack
        b"\x1e\x0c\x20\x03" + b"\0\0\0\0\0\0\x10\0",
        b"\x1e\x14\x20\x05" + be32(1000) + be32(2000) + be32(1) + be16(100) + be16(0xABCD),
        b"\x1e\x1c\x20\x0f" + b"\0" * 7 + b"\x01" + b"\0" * 7 + b"\x02" + be32(1) + be16(9) + be16(7),
        b"\x1e\x14\x20\x15" + be32(1000) + be32(2000) + be32(1) + be16(0) + be16(0xABCD),
        b"\x1e\x08\x34\x01" + addr("192.0.2.9"),                  # add-addr
        b"\x1e\x0a\x34\x01" + addr("192.0.2.9") + be16(8080),
        b"\x1e\x14\x36\x02" + addr(C6),
        b"\x1e\x10\x30\x01" + addr("192.0.2.9") + b"\x55" * 8,
        b"\x1e\x08\x31\x01" + addr("192.0.2.9"),
        b"\x1e\x04\x40\x01", b"\x1e\x06\x40\x01\x02\x03",         # rem-addr
        b"\x1e\x03\x50", b"\x1e\x04\x51\x07",                     # prio
        b"\x1e\x0c\x60\x00" + key, b"\x1e\x0c\x70\x00" + key,     # fail, fastclose
        b"\x1e\x04\x80\x01", b"\x1e\x03\x90", b"\x1e\x04\xf0\x00", b"\x1e\x05\x00\x81\0",
    ]
    for o in opts + mptcp:
        yield t4(b"", o, flags=0x02, ack=0)
        yield t4(b"data", o, flags=0x18)
    for o in (mptcp[0], mptcp[2]):
        yield t4(b"", o, flags=0x12)
    for o in mptcp[5:8]:
        for f in (0x02, 0x12, 0x10):
            yield t4(b"", o, flags=f)
    for o in opts[4:20:3] + mptcp[::4]:
        yield t6(b"six", o, flags=0x18)
    # Broken lengths: zero, one, past the end of the header, too short for the kind.
    for o in (b"\x02\x00\0\0", b"\x02\x01\0\0", b"\x02\x08\0\0", b"\x03\x04\0\0", b"\x08\x08" + b"\0" * 6,
              b"\x05\x05\0\0\0\0\0\0", b"\x04\x03\0\0", b"\x13\x04\0\0", b"\x1e\x02\0\0", b"\x63\x00\0\0",
              b"\x63\x28\0\0", b"\x01\x01\x01\x08", b"\x1c\x03\0\0", b"\x1d\x03\0\0", b"\xfe\x00\0\0"):
        yield t4(b"", o, flags=0x02, ack=0)
        yield t4(b"bad", o, flags=0x18)


def tcp_flags():
    """All 256 sets of flags, urgent pointers, sequence numbers that wrap, bad header lengths."""
    for f in range(256):
        yield e4(6, tcp(b"", flags=f, ack=77 if f & 0x10 else 0, sport=30000 + f), frag=0x4000)
    yield e4(6, tcp(b"", flags=0x1FF, ack=1))
    yield e4(6, tcp(b"", flags=0xE02, ack=1))
    for f in (0x20, 0x38, 0x30, 0x10):
        yield t4(b"urgent!", flags=f, urg=3)
        yield t4(b"urgent!", flags=f, urg=65535)
    for win in (0, 1, 65535):
        yield t4(b"", flags=0x10, win=win)
    yield t4(b"r" * 30, flags=0x14)
    yield t4(b"reset: canary text in a RST\n", flags=0x04)
    yield t4(b"syn with data", flags=0x02, ack=0)
    for s in (0, 4294967290, 4294967295):
        yield t4(b"w" * 20, seq=s, ack=s, sport=31000 + s % 7)
    for doff in range(0, 16):
        yield t4(b"", flags=0x10, doff=doff)
        yield t4(b"p" * 24, flags=0x18, doff=doff)
    yield t4(b"", sport=0, dport=0, flags=2)
    yield t4(b"", sport=65535, dport=65535, flags=2)
    for cut in (1, 4, 12, 16, 19):
        yield e4(6, tcp()[:cut])
        yield e6(6, tcp(src=A6, dst=B6)[:cut])


def udp_odd():
    """Bad lengths, no checksum, bad checksum, for IPv4 and IPv6."""
    for dport in (9999, 53, 123, 514):
        for ck in (None, 0, 0xBAD1):
            yield e4(17, udp(b"checksum", dport=dport, ck=ck))
            yield e6(17, udp(b"checksum", dport=dport, ck=ck, src=A6, dst=B6))
        for size in (0, 1, 7, 8, 9, 15, 17, 100, 65535):
            yield e4(17, udp(b"length..", dport=dport, size=size))
            yield e6(17, udp(b"length..", dport=dport, size=size, src=A6, dst=B6))
    yield e4(17, udp(b""))
    yield e4(17, udp(b"x" * 1400))
    for cut in (0, 1, 4, 7):
        yield e4(17, udp(b"")[:cut])
        yield e6(17, udp(b"", src=A6, dst=B6)[:cut])
    yield e4(136, udp(b"udplite!", size=8))


def icmp_all():
    """Every ICMP type and code with a printer, and some without."""
    inner = [ip4(17, udp(b"payload"), ttl=1), ip4(6, tcp(opts=SYN_OPTS)), ip4(1, ECHO),
             ip4(17, udp(b"payload"), frag=0x2000)]
    for code in range(0, 18):
        for i in inner if code < 5 else inner[:2]:
            yield e4(1, icmp(3, code, payload=i))
    yield e4(1, icmp(3, 4, be16(0) + be16(1280), inner[1]))
    yield e4(1, icmp(3, 3, payload=inner[0][:28]))
    yield e4(1, icmp(3, 2, payload=ip4(132, b"\0" * 12)))
    yield e4(1, icmp(3, 3, payload=ip4(50, b"\0" * 12)))
    # RFC 4884 extension: an MPLS stack and an interface object after 128 bytes of datagram.
    orig = inner[0] + b"\0" * (128 - len(inner[0]))
    obj = be16(8) + b"\x01\x01" + be32(100 << 12 | 1 << 8 | 64) + be16(12) + b"\x02\x0a" + be32(3) + b"abcd"
    body = b"\x20\0\0\0" + obj
    body = body[:2] + be16(csum(body)) + body[4:]
    yield e4(1, icmp(11, 0, b"\0\x20\0\0", orig + body))
    yield e4(1, icmp(3, 1, b"\0\x20\0\0", orig + body))
    yield e4(1, icmp(4, 0, payload=inner[0]))
    for code in range(5):
        yield e4(1, icmp(5, code, addr("192.0.2.254"), inner[1]))
    for code in range(3):
        for i in inner:
            yield e4(1, icmp(11, code, payload=i))
    for code in range(3):
        yield e4(1, icmp(12, code, bytes([20, 0, 0, 0]), inner[0]))
    yield e4(1, icmp(8, 0, be16(1) + be16(1), b""))
    yield e4(1, icmp(0, 0, be16(1) + be16(65535), b"x" * 56))
    yield e4(1, icmp(8, 1, be16(0) + be16(0), b"x" * 8))
    yield e4(1, icmp(9, 0, bytes([2, 2]) + be16(1800), addr("192.0.2.1") + be32(0) + addr("192.0.2.2") + be32(10)),
             dst="224.0.0.1", ttl=1)
    yield e4(1, icmp(9, 16, bytes([1, 2]) + be16(30), addr("192.0.2.1") + be32(0)))
    yield e4(1, icmp(10, 0), dst="224.0.0.2", ttl=1)
    yield e4(1, icmp(13, 0, be16(9) + be16(1), be32(36000000) + be32(0) + be32(0)))
    yield e4(1, icmp(14, 0, be16(9) + be16(1), be32(36000000) + be32(36000005) + be32(36000006)))
    yield e4(1, icmp(15, 0, be16(9) + be16(1)))
    yield e4(1, icmp(16, 0, be16(9) + be16(1)))
    yield e4(1, icmp(17, 0, be16(9) + be16(1), be32(0)))
    yield e4(1, icmp(18, 0, be16(9) + be16(1), addr("255.255.255.0")))
    for kind in (1, 2, 6, 7, 19, 30, 31, 37, 40, 41, 42, 43, 100, 253, 255):
        yield e4(1, icmp(kind, 0, be16(9) + be16(1), b"unknown type"))
    yield e4(1, icmp(8, 0, be16(5) + be16(6), b"bad", ck=0x0001))
    yield e4(1, icmp(3, 1, payload=inner[0], ck=0x0001))
    for cut in (0, 1, 3, 4, 7):
        yield e4(1, ECHO[:cut])
    yield e4(1, icmp(3, 3, payload=inner[0][:10]))
    yield e4(1, icmp(3, 3, payload=b"\x65" + inner[0][1:]))


def icmp6_all():
    """ICMPv6 errors, router and neighbour discovery with options, MLD, node information."""
    def six(*a, src=A6, dst=B6, hlim=64, **k):
        return e6(58, icmp6(*a, src=src, dst=dst, **k), src=src, dst=dst, hlim=hlim)
    ll, ll2, allr, alln = "fe80::1", "fe80::2", "ff02::2", "ff02::1"
    inner = [ip6(17, udp(b"payload", src=A6, dst=B6)), ip6(6, tcp(opts=SYN_OPTS, src=A6, dst=B6)),
             ip6(58, ECHO6)]
    for code in range(9):
        for i in inner:
            yield six(1, code, payload=i)
    for i in inner:
        yield six(2, 0, be32(1280), i)
    for code in range(3):
        yield six(3, code, payload=inner[0])
        yield six(4, code, be32(40), inner[1])
    yield six(4, 3, be32(6), inner[1])
    yield six(128, 0, be16(1) + be16(1), b"x" * 56)
    yield six(129, 0, be16(1) + be16(65535), b"x" * 56)
    slla, tlla = b"\x01\x01" + MAC_A, b"\x02\x01" + MAC_B
    yield six(133, 0, src=ll, dst=allr, hlim=255)
    yield six(133, 0, b"\0" * 4, slla, src=ll, dst=allr, hlim=255)
    pfx = b"\x03\x04\x40\xc0" + be32(86400) + be32(14400) + be32(0) + addr("2001:db8:5::")
    pfx_inf = b"\x03\x04\x40\xe0" + be32(0xFFFFFFFF) + be32(0xFFFFFFFF) + be32(0) + addr("2001:db8:6::")
    mtu = b"\x05\x01\0\0" + be32(1500)
    rdnss = b"\x19\x05\0\0" + be32(600) + addr("2001:db8::53") + addr("2001:db8::54")
    dnssl = name("corp", "example") + name("example")
    dnssl += b"\0" * (-len(dnssl) % 8)
    dnssl = b"\x1f" + bytes([1 + len(dnssl) // 8]) + b"\0\0" + be32(600) + dnssl
    route = b"\x18\x03\x30\x08" + be32(1800) + addr("2001:db8:7::")
    adv = b"\x07\x01\0\0" + be32(30000)
    home = b"\x08\x01\0\x01" + be16(10) + be16(1800)
    pref64 = b"\x26\x02" + be16(600 | 0) + addr("64:ff9b::")[:12]
    unk = b"\xc8\x01unknwn"
    for fl in (0, 0x80, 0x40, 0xC8, 0x18, 0x20):
        yield six(134, 0, bytes([64, fl]) + be16(1800), be32(30000) + be32(1000) + slla + mtu + pfx,
                  src=ll, dst=alln, hlim=255)
    yield six(134, 0, b"\x40\xc0" + be16(9000), be32(0) + be32(0) + slla + mtu + pfx + pfx_inf + rdnss
              + dnssl + route + adv + home + pref64 + unk, src=ll, dst=alln, hlim=255)
    yield six(134, 0, b"\0\0" + be16(0), be32(0) + be32(0), src=ll, dst=alln, hlim=255)
    tgt = addr(ll2)
    yield six(135, 0, b"\0" * 4, tgt, src="::", dst="ff02::1:ff00:2", hlim=255)
    yield six(135, 0, b"\0" * 4, tgt + slla, src=ll, dst="ff02::1:ff00:2", hlim=255)
    yield six(135, 0, b"\0" * 4, addr(B6) + slla + b"\x0e\x01nonce!", src=A6, dst=B6, hlim=255)
    for fl in (0xE0, 0x60, 0x20, 0x40, 0x80, 0):
        yield six(136, 0, bytes([fl, 0, 0, 0]), tgt + tlla, src=ll2, dst=ll, hlim=255)
    yield six(136, 0, b"\x20\0\0\0", tgt, src=ll2, dst=alln, hlim=255)
    redir_hdr = b"\x04\x07" + b"\0" * 6 + inner[0][:48]
    yield six(137, 0, b"\0" * 4, tgt + addr(B6) + tlla + redir_hdr, src=ll, dst=A6, hlim=255)
    rtr = bytes([58, 0, 5, 2, 0, 0, 1, 0])

    def mld(kind, rest, payload, dst, src=ll):
        return e6(0, rtr + icmp6(kind, 0, rest, payload, src=src, dst=dst), src=src, dst=dst, hlim=1)
    grp = addr("ff02::fb")
    yield mld(130, be16(10000) + b"\0\0", b"\0" * 16, alln)
    yield mld(130, be16(1000) + b"\0\0", grp, "ff02::fb")
    yield mld(131, b"\0" * 4, grp, "ff02::fb")
    yield mld(132, b"\0" * 4, grp, allr)
    yield mld(130, be16(10000) + b"\0\0", b"\0" * 16 + b"\x02\x7d\0\0", alln)
    yield mld(130, be16(10000) + b"\0\0", grp + b"\x0a\x7d" + be16(2) + addr(A6) + addr(C6), "ff02::fb")
    recs = b""
    for t, srcs in ((4, []), (3, []), (1, [A6]), (2, [A6, C6]), (5, [A6]), (6, [C6]), (9, [])):
        recs += bytes([t, 0]) + be16(len(srcs)) + grp + b"".join(addr(x) for x in srcs)
    yield mld(143, be16(0) + be16(7), recs, "ff02::16")
    yield mld(143, be16(0) + be16(1), b"\x04\0\0\0" + grp, "ff02::16", src="::")
    nonce = b"\x01\x02\x03\x04\x05\x06\x07\x08"
    for code in range(3):
        for qt in (0, 1, 2, 3, 4):
            data = addr(B6) if code == 0 else name("host", "example") if code == 1 else addr(B4)
            yield six(139, code, be16(qt) + be16(0), nonce + data)
    yield six(140, 0, be16(2) + be16(0), nonce + be32(0) + name("host", "example"))
    yield six(140, 0, be16(3) + be16(2), nonce + be32(60) + addr(B6))
    yield six(140, 1, be16(2) + be16(0), nonce)
    yield six(140, 2, be16(9) + be16(0), nonce)
    yield six(138, 0, b"\0" * 4, be32(5) + b"\0" * 8 + b"\x01\x1c\x01" + b"\0" * 25)
    yield six(144, 0, be16(1) + be16(0))
    yield six(145, 0, be16(1) + be16(0), addr(B6))
    yield six(146, 0, be16(1) + be16(0))
    yield six(147, 0, be16(1) + be16(0), b"\x03\x04\x40\xc0" + be32(1) + be32(1) + be32(0) + addr(B6))
    # RPL: DIS, DIO, DAO.
    yield six(155, 0, b"\0\0\0\0", src=ll, dst="ff02::1a")
    yield six(155, 1, b"\x01\x02" + be16(256), b"\x88\0\0\0" + addr(A6) + b"\x04\x0e" + b"\0" * 14, src=ll, dst="ff02::1a")
    yield six(155, 2, b"\x01\x40\0\x05", addr(A6) + b"\x05\x12\0\x80" + addr(B6), src=ll, dst=ll2)
    for kind in (5, 100, 101, 127, 148, 151, 158, 200, 255):
        yield six(kind, 0, b"\0" * 4, b"unknown type")
    yield six(128, 0, be16(1) + be16(1), b"bad", ck=0x0BAD)
    for cut in (0, 1, 3, 4, 7):
        yield e6(58, ECHO6[:cut])
    yield e6(58, icmp6(134, 0, b"\x40\0" + be16(9))[:9])
    yield six(135, 0, b"\0" * 4, tgt[:9], src=ll, dst=ll2)
    yield six(134, 0, b"\x40\0" + be16(9), be32(0) + be32(0) + b"\x01\x00", src=ll, dst=alln)


def arp_all():
    """ARP and its relations, whole and damaged."""
    yield arp(1)
    yield arp(2, tha=MAC_B, dst=MAC_B)
    yield arp(1, tpa=A4)
    yield arp(2, tha=BCAST, tpa=A4)
    yield arp(1, spa="0.0.0.0")
    yield arp(1, tha=MAC_B, dst=MAC_B)
    for op in (3, 4):
        yield arp(op, kind=0x8035)
        yield arp(op, tha=MAC_B)
    for op in (8, 9):
        yield arp(op, tha=MAC_B)
    for op in (0, 5, 6, 7, 10, 99, 65535):
        yield arp(op)
    yield arp(1, hw=6)
    yield arp(1, hw=24)
    yield arp(1, hw=999)
    yield arp(1, pro=0x86DD)
    yield arp(1, hl=0)
    yield arp(1, hl=8)
    yield arp(1, pl=6)
    yield arp(10, hw=15)
    for cut in (0, 1, 7, 8, 14, 20, 27):
        yield arp(1, cut=cut)
    # Frames padded to the least size of Ethernet: the length printed is that of the padding too.
    yield arp(1) + b"\0" * 18
    yield arp(2, tha=MAC_B, dst=MAC_B) + b"\0" * 18
    # InATMARP and Frame Relay.
    yield eth(0x0806, struct.pack("!HHBBHBBBB", 19, 0x0800, 0x14, 0, 8, 4, 0x14, 0, 4)
              + bytes(20) + addr(A4) + bytes(20) + addr(B4))
    yield eth(0x0806, struct.pack("!HHBBH", 15, 0x0800, 2, 4, 8) + b"\x18\x41" + addr(A4) + b"\0\0" + addr(B4))


def damaged():
    """Headers that contradict themselves or end too soon."""
    for ihl in (0, 1, 4, 6, 15):
        yield e4(6, tcp(), ihl=ihl)
        yield e4(17, udp(b"hlen"), ihl=ihl)
    for ver in (0, 3, 5, 6, 15):
        yield e4(6, tcp(), ver=ver)
    for total in (0, 10, 19, 20, 21, 39, 60, 1500, 65535):
        yield e4(6, tcp(), total=total)
        yield e4(17, udp(b"total"), total=total)
        yield e4(1, ECHO, total=total)
    whole = e4(6, tcp(b"GET / HTTP/1.0\r\n\r\n", dport=80, opts=SYN_OPTS))
    for cut in (14, 15, 18, 24, 33, 34, 36, 42, 47, 53, 54, 60, 70):
        yield whole[:cut]
    for ver in (0, 4, 5, 7, 15):
        yield e6(6, tcp(src=A6, dst=B6), ver=ver)
    for plen in (0, 1, 8, 19, 20, 21, 100, 65535):
        yield e6(6, tcp(src=A6, dst=B6), plen=plen)
        yield e6(17, udp(b"plen!", src=A6, dst=B6), plen=plen)
        yield e6(58, ECHO6, plen=plen)
    whole = e6(6, tcp(b"GET / HTTP/1.0\r\n\r\n", dport=80, opts=SYN_OPTS, src=A6, dst=B6))
    for cut in (14, 15, 22, 38, 53, 54, 60, 73, 80, 90):
        yield whole[:cut]
    yield u4(dns(1, 0x100, [q(name("cut", "example"))])[:13], 40000, 53)
    yield u4(dns(1, 0x8180, [q(name("cut", "example"))], [b"\xc0\x0c\0\1"]), 53, 40000)
    yield u4(dns(1, 0x8180, [q(b"\xc0\x0c")]), 53, 40000)
    yield u4(b"\x23\x02", 123, 123)
    yield u4(b"\x01\x01\x06", 68, 67)
    yield u4(b"0\x81", 40000, 161)
    yield e4(2, b"\x22\0\0")
    yield e4(89, b"\x02\x01\0\x30")
    yield e4(47, b"\x30\0")
    yield e4(50, b"\0\0")
    yield e4(51, b"\x06\x04")
    yield e4(132, b"\0\1\0")
    yield e4(112, b"\x21")
    yield e4(4, b"\x45\0")
    yield e4(41, b"\x60\0")


def link():
    """What is not IP: unknown ethertypes, LLC and SNAP, spanning tree, LLDP, CDP, LACP, PPPoE, MPLS."""
    for kind in (0x88B5, 0x1234, 0x6003, 0x8137, 0x809B, 0x0600, 0xFFFF, 0x88F7, 0x893A):
        yield eth(kind, bytes(range(46)))
    yield eth(0x88B5, b"A frame of the local experimental ethertype; canary " * 4)
    yield eth(0x9000, b"\0\0\x01\0" + b"\0" * 42)
    yield eth(0x0842, BCAST + MAC_B * 16, dst=BCAST)
    stp_mac, lldp_mac = bytes.fromhex("0180c2000000"), bytes.fromhex("0180c200000e")
    bridge = be16(0x8000) + MAC_A
    times = be16(0x0100) + be16(0x1400) + be16(0x0200) + be16(0x0F00)
    cfg = bridge + be32(4) + be16(0x8001) + MAC_B + be16(0x8002) + times
    for fl in (0, 1, 0x80, 0x81):
        yield llc(b"\x42\x42\x03" + b"\0\0\0\0" + bytes([fl]) + cfg + b"\0" * 8, stp_mac, size=38)
    yield llc(b"\x42\x42\x03" + b"\0\0\0\x80" + b"\0" * 35, stp_mac, size=7)
    for fl in (0x3C, 0x0E, 0x7C, 0x78):
        yield llc(b"\x42\x42\x03" + b"\0\0\x02\x02" + bytes([fl]) + cfg + b"\0" + b"\0" * 7, stp_mac, size=39)
    mst = be16(0x40) + b"\0" + b"region".ljust(32, b"\0") + be16(1) + bytes(16) + be32(10) + bridge + b"\x14"
    yield llc(b"\x42\x42\x03" + b"\0\0\x03\x02\x7c" + cfg + b"\0" + mst, stp_mac)
    yield llc(b"\xaa\xaa\x03\x00\x00\x0c\x01\x0b" + b"\0\0\0\0\0" + cfg + b"\0\0\0\0\x02\0\x01",
              bytes.fromhex("01000ccccccd"))

    def tlv(kind, data):
        return be16(kind << 9 | len(data)) + data
    chassis, port = tlv(1, b"\x04" + MAC_A), tlv(2, b"\x05eth0/1")
    caps = tlv(7, be16(0x14) + be16(0x04))
    mgmt = tlv(8, b"\x05\x01" + addr("192.0.2.250") + b"\x02" + be32(3) + b"\0")
    d1 = tlv(127, b"\0\x80\xc2\x01" + be16(10)) + tlv(127, b"\0\x80\xc2\x03" + be16(10) + b"\x04data")
    d3 = tlv(127, b"\0\x12\x0f\x01\x03" + be16(0x6C11) + be16(0x1E)) + tlv(127, b"\0\x12\x0f\x04" + be16(1522))
    med = tlv(127, b"\0\x12\xbb\x01" + be16(0x33) + b"\x04")
    yield eth(0x88CC, chassis + port + tlv(3, be16(120)) + tlv(0, b""), dst=lldp_mac)
    yield eth(0x88CC, chassis + port + tlv(3, be16(120)) + tlv(4, b"uplink") + tlv(5, b"switch.example")
              + tlv(6, b"A switch\nwith two lines\n" + FAKE_ONE) + caps + mgmt + d1 + d3 + med
              + tlv(127, b"\xde\xad\xbe\x01zz") + tlv(50, b"reserved") + tlv(0, b""), dst=lldp_mac)
    yield eth(0x88CC, chassis + port + tlv(3, be16(0)) + tlv(0, b""), dst=lldp_mac)
    yield eth(0x88CC, chassis + be16(2 << 9 | 300) + b"short", dst=lldp_mac)

    def ctlv(kind, data):
        return be16(kind) + be16(len(data) + 4) + data
    cdp = b"\x02\xb4\0\0" + ctlv(1, b"router.example") + ctlv(3, b"GigabitEthernet0/1") \
        + ctlv(2, be32(1) + b"\x01\x01\xcc" + be16(4) + addr(A4)) + ctlv(4, be32(0x29)) \
        + ctlv(5, b"Router OS\nVersion 1\n" + FAKE_ONE + b"\n") + ctlv(6, b"platform x") \
        + ctlv(7, addr("192.0.2.0") + b"\x18") + ctlv(9, b"vtp-domain") + ctlv(10, be16(10)) \
        + ctlv(11, b"\x01") + ctlv(0x0e, b"\x20\x02\x01") + ctlv(0x10, be16(6300)) + ctlv(0x12, b"\0") \
        + ctlv(0x13, b"\0") + ctlv(0x77, b"?")
    cdp = cdp[:2] + be16(csum(cdp)) + cdp[4:]
    yield llc(b"\xaa\xaa\x03\x00\x00\x0c\x20\x00" + cdp, bytes.fromhex("01000ccccccc"))
    yield llc(b"\xaa\xaa\x03\x00\x00\x0c\x20\x00" + cdp[:20], bytes.fromhex("01000ccccccc"))
    yield llc(b"\xaa\xaa\x03\x00\x00\x0c\x20\x03" + b"\x01" + be16(1) + be16(12) + b"vtpname\0"
              + be16(2) + be16(5) + b"\x81", bytes.fromhex("01000ccccccc"))
    slow = bytes.fromhex("0180c2000002")
    info = lambda t, st: bytes([t, 20]) + be16(0x8000) + MAC_A + be16(1) + be16(0x8000) + be16(2) + bytes([st, 0, 0, 0])
    yield eth(0x8809, b"\x01\x01" + info(1, 0x3D) + info(2, 0x3F) + b"\x03\x10" + be16(0) + b"\0" * 12 + b"\0" * 52, dst=slow)
    yield eth(0x8809, b"\x02\x01" + b"\x01\x04\0\1" + b"\0" * 40, dst=slow)
    yield eth(0x8809, b"\x03\0\x50\0" + b"\x01\x10\0\x01\x01\0\x1f\x05\xee\0\0\0\0\0\0\0" + b"\0" * 26, dst=slow)
    yield eth(0x8809, b"\x09\0" + b"\0" * 44, dst=slow)
    yield eth(0x8808, b"\0\x01\xff\xff" + b"\0" * 42, dst=bytes.fromhex("0180c2000001"))
    pae = bytes.fromhex("0180c2000003")
    yield eth(0x888E, b"\x01\x01\0\0", dst=pae)
    yield eth(0x888E, b"\x01\0" + be16(5) + b"\x01\x01" + be16(5) + b"\x01", dst=pae)
    yield eth(0x888E, b"\x01\0" + be16(11) + b"\x02\x01" + be16(11) + b"\x01canary", dst=pae)
    # LLC: test, XID, unnumbered and supervisory frames, NetBIOS, IPX, IS-IS, SNAP with IP.
    for dsap, ssap, ctl in ((0xF0, 0xF0, b"\x03"), (0, 1, b"\xaf\x81\x01\x02"), (0, 0, b"\xf3"), (0x04, 0x05, b"\x01\x02"),
                            (0x42, 0x43, b"\x03"), (0xE0, 0xE0, b"\x03"), (0xFE, 0xFE, b"\x03\x83\x1b\x01\0\x0f\x01"),
                            (0x06, 0x06, b"\x03"), (0xFF, 0xFF, b"")):
        yield llc(bytes([dsap, ssap]) + ctl + bytes(range(40)), BCAST)
    snap = b"\xaa\xaa\x03\0\0\0"
    yield llc(snap + b"\x08\0" + ip4(17, udp(b"snap")), MAC_B)
    yield llc(snap + b"\x08\x06" + arp(1)[14:], BCAST)
    yield llc(snap + b"\x86\xdd" + ip6(17, udp(b"snap6", src=A6, dst=B6)), MAC_B)
    yield llc(b"\xaa\xaa\x03\x08\0\x07\x80\x9b" + bytes(range(40)), BCAST)
    yield llc(b"\xaa\xaa\x03\xde\xad\xbe\xef\x01" + bytes(range(40)), BCAST)
    yield llc(b"\xaa\xaa", BCAST)
    yield llc(b"\x42", BCAST)
    # PPPoE: the four steps of discovery, then a session that carries LCP, PAP, IPCP, IPv4 and IPv6.
    ptag = lambda k, v: be16(k) + be16(len(v)) + v
    for code, tags in ((0x09, ptag(0x0101, b"") + ptag(0x0103, b"uniq")),
                       (0x07, ptag(0x0102, b"access.example") + ptag(0x0101, b"isp") + ptag(0x0104, b"cookie")),
                       (0x19, ptag(0x0101, b"isp")), (0x65, ptag(0x0101, b"isp")), (0xA7, ptag(0x0203, b"bye"))):
        yield eth(0x8863, b"\x11" + bytes([code]) + be16(0 if code < 0x60 else 7) + be16(len(tags)) + tags,
                  dst=BCAST if code == 9 else MAC_B)
    for ppp in (b"\xc0\x21\x01\x01" + be16(14) + b"\x01\x04\x05\xd4\x05\x06abcd",
                b"\xc0\x21\x09\x01" + be16(8) + b"abcd",
                b"\xc0\x23\x01\x01" + be16(18) + b"\x06canary\x06canary",
                b"\xc2\x23\x01\x01" + be16(21) + b"\x08chalengesrv.a",
                b"\x80\x21\x01\x01" + be16(10) + b"\x03\x06" + addr(A4),
                b"\x00\x21" + ip4(6, tcp(opts=SYN_OPTS)), b"\x00\x21" + ip4(17, udp(b"pppoe")),
                b"\x00\x57" + ip6(58, ECHO6), b"\x12\x34unknown"):
        yield eth(0x8864, b"\x11\0" + be16(7) + be16(len(ppp)) + ppp)
    mpls = lambda l, bos, exp=0, ttl=64: be32(l << 12 | exp << 9 | bos << 8 | ttl)
    yield eth(0x8847, mpls(100, 1) + ip4(6, tcp(opts=SYN_OPTS)))
    yield eth(0x8847, mpls(100, 0, 5) + mpls(200, 1, ttl=1) + ip4(17, udp(b"mpls")))
    yield eth(0x8847, mpls(0, 1) + ip4(1, ECHO))
    yield eth(0x8847, mpls(2, 1) + ip6(58, ECHO6))
    yield eth(0x8848, mpls(1048575, 1, 7, 255) + ip6(6, tcp(src=A6, dst=B6)))
    yield eth(0x8847, mpls(3, 1) + b"\xff" * 20)
    yield eth(0x8847, b"\0\x01")
    yield eth(0x88E5, b"\x2c\0" + be32(1) + b"\0" * 40)
    yield eth(0x8902, b"\x20\x01\0\x46" + be32(5) + be16(1) + b"\x01\x04" + b"maid".ljust(44, b"\0") + b"\0" * 20)
    yield eth(0x8914, b"\x10\x01" + b"\0" * 40)
    yield eth(0x88A2, b"\x10\0\0\0\0\0\0\0\0\0" + b"\0" * 20)
    yield eth(0x22F0, b"\0" * 46)


def tunnels():
    """VXLAN, Geneve, GRE, IP in IP, ESP and AH, L2TP, each with IP within."""
    inner_eth = [eth(0x0800, ip4(6, tcp(opts=SYN_OPTS, src="10.0.0.1", dst="10.0.0.2"), "10.0.0.1", "10.0.0.2")),
                 eth(0x0800, ip4(6, tcp(b"GET /inner HTTP/1.1\r\nHost: inner.example\r\n\r\n", dport=80, flags=0x18,
                                        ack=1, src="10.0.0.1", dst="10.0.0.2"), "10.0.0.1", "10.0.0.2")),
                 eth(0x0800, ip4(1, ECHO)), eth(0x86DD, ip6(58, ECHO6)), arp(1),
                 eth(0x86DD, ip6(17, udp(b"v6", src=A6, dst=B6))),
                 eth(0x0800, ip4(17, udp(dns(1, 0x100, [q(name("inner", "example"))]), 40000, 53))),
                 eth(0x8100, be16(10) + be16(0x0800) + ip4(17, udp(b"vlan"))), eth(0x88B5, b"odd" * 9)]
    for i in inner_eth:
        yield u4(b"\x08\0\0\0" + be32(42 << 8) + i, 50000, 4789)
        yield u6(b"\x08\0\0\0" + be32(43 << 8) + i, 50000, 4789)
        yield u4(b"\x0c\0\0\x03" + be32(44 << 8) + i, 50000, 4790)
        yield u4(b"\x00\0\x65\x58" + be32(45 << 8) + i, 50000, 6081)
        yield u4(b"\x02\x40\x65\x58" + be32(46 << 8) + b"\x01\x08\x80\x01abcd" + i, 50000, 6081)
        yield e4(47, b"\0\0\x65\x58" + i)
        yield e4(47, b"\x20\0\x65\x58" + be32(77) + i)
    yield u4(b"\0\0\0\0" + be32(1 << 8) + inner_eth[0], 50000, 4789)
    yield u4(b"\x08\0\0", 50000, 4789)
    yield u4(b"\x08\0\0\0" + be32(2 << 8) + inner_eth[0][:20], 50000, 4789)
    nest = eth(0x0800, ip4(17, udp(b"\x08\0\0\0" + be32(9 << 8) + inner_eth[0], 50001, 4789)))
    yield u4(b"\x08\0\0\0" + be32(8 << 8) + nest, 50000, 4789)
    inner4 = [ip4(6, tcp(opts=SYN_OPTS)), ip4(17, udp(b"inner")), ip4(1, ECHO), ip4(17, udp(b"f"), frag=0x2000)]
    for i in inner4:
        yield e4(47, b"\0\0\x08\0" + i)
        yield e4(47, b"\xb0\0\x08\0" + be32(0) + be32(7) + be32(9) + i)
        yield e4(47, b"\x30\x81\x88\x0b" + be16(len(i) + 4) + be16(5) + be32(1) + be32(1) + b"\xff\x03\0\x21" + i)
        yield e4(47, b"\x10\0\x88\xbe" + be32(5) + be16(0x1001) + be16(9) + be32(0) + eth(0x0800, i))
        yield e4(4, i)
        yield u4(b"\0\0\x08\0" + be32(45 << 8) + i, 50000, 6081)
        yield e4(51, bytes([4, 4, 0, 0]) + be32(0x200) + be32(9) + b"\xbb" * 12 + i)
        yield e4(137, be32(100 << 12 | 1 << 8 | 64) + i)
        yield e4(4, ip4(4, i))
    for i in (ip6(6, tcp(opts=SYN_OPTS, src=A6, dst=B6)), ip6(17, udp(b"inner", src=A6, dst=B6)), ip6(58, ECHO6)):
        yield e4(41, i)
        yield e4(47, b"\0\0\x86\xdd" + i)
        yield u4(b"\0\0\x86\xdd" + be32(45 << 8) + i, 50000, 6081)
    yield e4(50, be32(0xABC) + be32(1) + b"\x5a" * 64)
    yield e4(50, be32(0xABC) + be32(4294967295) + b"\x5a" * 64)
    for nh, up in ((6, tcp()), (17, udp(b"ah")), (1, ECHO)):
        yield e4(51, bytes([nh, 4, 0, 0]) + be32(0x100) + be32(7) + b"\xaa" * 12 + up)
    yield u4(be32(0xABC) + be32(1) + b"\x5a" * 32, 4500, 4500)
    yield u4(b"\xff", 4500, 4500)
    ike = b"\x11" * 8 + b"\0" * 8 + b"\x21\x20\x22\x08" + be32(0) + be32(28 + 12) + b"\0\0" + be16(12) + b"nonceXYZ"
    yield u4(ike, 500, 500)
    yield u4(be32(0) + ike, 4500, 4500)
    ike1 = b"\x11" * 8 + b"\0" * 8 + b"\x01\x10\x02\0" + be32(0) + be32(28 + 44) + b"\0\0" + be16(44) + be32(1) + be32(1) \
        + b"\0\0" + be16(32) + b"\x01\x01\0\x01" + b"\0\0" + be16(24) + b"\x01\x01\0\0" \
        + b"\x80\x01\0\x05\x80\x02\0\x02\x80\x03\0\x01\x80\x04\0\x02"
    yield u4(ike1, 500, 500)
    l2tp = be16(0xC802) + be16(20) + be16(0) + be16(0) + be16(0) + be16(0) + be16(0x8008) + be16(0) + be16(0) + be16(1)
    yield u4(l2tp, 1701, 1701)
    yield u4(be16(0x0002) + be16(1) + be16(2) + b"\xff\x03\0\x21" + inner4[0], 1701, 1701)
    yield u4(b"\x30\xff" + be16(12) + be32(7) + be16(1) + b"\0\0" + inner4[0], 40000, 2152)
    yield u4(ip6(58, ECHO6), 3544, 3544)


def protos():
    """Other protocols over IP whose printers write many lines or parentheses of their own."""
    def ig(kind, code, group, rest=b""):
        return icmp(kind, code, addr(group), rest)
    ra = b"\x94\x04\0\0"
    yield e4(2, ig(0x11, 100, "0.0.0.0"), dst="224.0.0.1", ttl=1, opts=ra)
    yield e4(2, ig(0x11, 0, "0.0.0.0"), dst="224.0.0.1", ttl=1)
    yield e4(2, ig(0x11, 100, "239.1.2.3"), dst="239.1.2.3", ttl=1, opts=ra)
    yield e4(2, ig(0x12, 0, "239.1.2.3"), dst="239.1.2.3", ttl=1)
    yield e4(2, ig(0x16, 0, "239.1.2.3"), dst="239.1.2.3", ttl=1, opts=ra)
    yield e4(2, ig(0x17, 0, "239.1.2.3"), dst="224.0.0.2", ttl=1, opts=ra)
    yield e4(2, ig(0x11, 100, "239.1.2.3", b"\x02\x7d" + be16(1) + addr(A4)), dst="224.0.0.1", ttl=1, opts=ra)
    recs = b"".join(bytes([t, 0]) + be16(len(s)) + addr("239.1.2.%d" % t) + b"".join(addr(x) for x in s)
                    for t, s in ((4, []), (3, []), (1, [A4]), (2, [A4, B4]), (5, [A4]), (6, [B4])))
    yield e4(2, icmp(0x22, 0, be16(0) + be16(6), recs), dst="224.0.0.22", ttl=1, opts=ra, tos=0xC0)
    yield e4(2, ig(0x13, 1, "0.0.0.1"), dst="224.0.0.4", ttl=1)
    yield e4(2, ig(0x99, 0, "0.0.0.1"), dst="224.0.0.4", ttl=1)
    yield e4(2, icmp(0x16, 0, addr("239.1.2.3"), ck=0x1111), dst="239.1.2.3", ttl=1, opts=ra)

    def ospf(kind, body, rid="192.0.2.1", area="0.0.0.0"):
        h = bytes([2, kind]) + be16(24 + len(body)) + addr(rid) + addr(area) + be16(0) + be16(0)
        c = csum(h + body)
        return h[:12] + be16(c) + h[14:] + b"\0" * 8 + body
    hello = addr("255.255.255.0") + be16(10) + b"\x12\x01" + be32(40) + addr("192.0.2.1") + addr("192.0.2.2") + addr("192.0.2.9")
    lsa = be16(1) + b"\x02\x01" + addr("192.0.2.1") + addr("192.0.2.1") + be32(0x80000001) + be16(0x1234) + be16(36)
    rtr = b"\0\0" + be16(1) + addr("192.0.2.0") + addr("255.255.255.0") + b"\x03\0" + be16(10)
    yield e4(89, ospf(1, hello), dst="224.0.0.5", ttl=1, tos=0xC0)
    yield e4(89, ospf(2, be16(1500) + b"\x02\x07" + be32(100) + lsa), ttl=1, tos=0xC0)
    yield e4(89, ospf(3, be32(1) + addr("192.0.2.1") + addr("192.0.2.1")), ttl=1, tos=0xC0)
    yield e4(89, ospf(4, be32(1) + lsa + rtr), dst="224.0.0.5", ttl=1, tos=0xC0)
    yield e4(89, ospf(5, lsa), dst="224.0.0.5", ttl=1, tos=0xC0)
    h3 = b"\x03\x01" + be16(36 + 4) + addr("192.0.2.1") + be32(0) + be16(0) + b"\0\0" + be32(5) + b"\x01\0\0\x13" \
        + be16(10) + be16(40) + addr("192.0.2.1") + be32(0) + addr("192.0.2.9")
    yield e6(89, h3, src="fe80::1", dst="ff02::5", hlim=1)
    vr = b"\x21\x01\x64\x01\0\x01\0\0" + addr("192.0.2.254") + b"\0" * 8
    yield e4(112, vr[:6] + be16(csum(vr)) + vr[8:], dst="224.0.0.18", ttl=255)
    vr = b"\x21\x01\x64\x01\x01\x01\0\0" + addr("192.0.2.254") + b"canary\0\0"
    yield e4(112, vr[:6] + be16(csum(vr)) + vr[8:], dst="224.0.0.18", ttl=255)
    v3 = b"\x31\x02\xc8\x01\0\x64\0\0" + addr("192.0.2.253")
    c = csum(pseudo(A4, "224.0.0.18", 112, len(v3)) + v3)
    yield e4(112, v3[:6] + be16(c) + v3[8:], dst="224.0.0.18", ttl=255)
    yield u4(b"\0\0\x10\x03\x0a\x64\x01\0canary\0\0" + addr("192.0.2.252"), 1985, 1985, dst="224.0.0.2", ttl=1)
    eig = b"\x02\x05" + be16(0) + be32(0) + be32(0) + be32(0) + be32(100) + be16(1) + be16(12) + b"\1\0\1\0\0\0" + be16(15)
    yield e4(88, eig[:2] + be16(csum(eig)) + eig[4:], dst="224.0.0.10", ttl=2)
    pim = b"\x20\0\0\0" + be16(1) + be16(2) + be16(105) + be16(19) + be16(4) + be32(1) + be16(20) + be16(4) + be32(77)
    yield e4(103, pim[:2] + be16(csum(pim)) + pim[4:], dst="224.0.0.13", ttl=1)
    jp = b"\x23\0\0\0" + b"\x01\0" + addr("192.0.2.2") + b"\0\x01" + be16(210) + b"\x01\0\0\x20" + addr("239.1.2.3") \
        + be16(1) + be16(0) + b"\x01\0\x07\x20" + addr("192.0.2.9")
    yield e4(103, jp[:2] + be16(csum(jp)) + jp[4:], dst="224.0.0.13", ttl=1)
    sh = struct.pack("!HHII", 5000, 5001, 0x1234, 0)
    ini = be32(0xAAAA) + be32(65536) + be16(10) + be16(10) + be32(1) + b"\x80\0\0\4"
    for chunk in (b"\x01\0" + be16(4 + len(ini)) + ini, b"\x02\0" + be16(4 + len(ini)) + ini, b"\x0a\0" + be16(8) + b"cook",
                  b"\x0b\0\0\4", b"\0\x03" + be16(20) + be32(1) + be16(0) + be16(0) + be32(0) + b"data",
                  b"\x03\0" + be16(20) + be32(1) + be32(65536) + be16(1) + be16(0) + be16(2) + be16(3),
                  b"\x04\0" + be16(12) + b"\0\1\0\x08ping", b"\x05\0" + be16(12) + b"\0\1\0\x08ping",
                  b"\x07\0" + be16(8) + be32(1), b"\x08\0\0\4", b"\x0e\0\0\4", b"\x06\0\0\x08\0\x0c\0\4", b"\x77\0\0\4",
                  b"\0\x03" + be16(20) + be32(2) + be16(1) + be16(0) + be32(0) + b"more" + b"\0\x03" + be16(20) + be32(3)
                  + be16(1) + be16(1) + be32(0) + b"text"):
        yield e4(132, sh + chunk)
    yield e4(46, b"\x10\x01\0\0\x40\0" + be16(20) + be16(12) + b"\x01\x01" + addr(B4) + b"\x11\0\0\x50")
    yield e4(33, struct.pack("!HHBBHBBHI", 5000, 5001, 6, 0, 0, 1, 0, 0, 1) + be32(42) + be32(0))
    rip = lambda cmd, ver, *e: bytes([cmd, ver, 0, 0]) + b"".join(e)
    entry = be16(2) + be16(7) + addr("10.5.0.0") + addr("255.255.0.0") + addr("0.0.0.0") + be32(2)
    yield u4(rip(1, 2, be16(0) + be16(0) + b"\0" * 12 + be32(16)), 520, 520, dst="224.0.0.9", ttl=1)
    yield u4(rip(2, 2, be16(0xFFFF) + be16(2) + b"canary".ljust(16, b"\0"), entry, entry), 520, 520, dst="224.0.0.9", ttl=1)
    yield u4(rip(2, 1, be16(2) + be16(0) + addr("10.0.0.0") + b"\0" * 8 + be32(1)), 520, 520, dst="192.0.2.255", ttl=1)
    yield u6(b"\x02\x01\0\0" + addr("2001:db8:9::") + be16(0) + b"\x40\x01", 521, 521, src="fe80::1", dst="ff02::9")
    # Answers and odd kinds of DNS that dnsmasq does not give.
    n = name("odd", "example")
    c0 = b"\xc0\x0c"
    soa = name("ns", "example") + name("root", "example") + be32(1) + be32(2) + be32(3) + be32(4) + be32(5)
    opt = b"\0" + be16(41) + be16(1232) + be32(0x8000) + be16(12) + be16(10) + be16(8) + b"cookie!!"
    for kind, data in ((1, addr(B4)), (28, addr(B6)), (2, name("ns", "example")), (5, name("c", "example")), (6, soa),
                       (12, name("p", "example")), (13, label(b"CPU") + label(b"OS")), (15, be16(10) + name("mx")),
                       (16, label(b"v=spf1 -all") + label(b'quote " and \\')), (33, be16(1) + be16(2) + be16(443) + name("srv")),
                       (35, be16(1) + be16(1) + label(b"s") + label(b"SIP+D2U") + label(b"") + name("r")), (43, be16(1) + b"\x08\x02abcd"),
                       (48, be16(257) + b"\x03\x08key"), (257, b"\0\x05issueca.example"), (65, be16(1) + b"\0"), (255, b"x"),
                       (9999, b"unknown"), (46, be16(1) + b"\x08\x02" + b"\0" * 12 + be16(5) + name("e") + b"sig"), (29, b"\0" * 16)):
        yield u4(dns(kind, 0x8580, [q(n, kind)], [rr(c0, kind, data)], [rr(c0, 2, name("ns"))], [opt]), 53, 40000)
    for fl in (0x0100, 0x0120, 0x0110, 0x0130, 0x0000, 0x0800, 0x1000, 0x2000, 0x2800, 0x8000, 0x8181, 0x8182, 0x8183, 0x8184, 0x8185,
               0x8380, 0x8780, 0x81A0, 0x8190, 0xA000, 0xA805, 0x8189, 0x7800):
        yield u4(dns(fl, fl, [q(n)]), 40000 if fl < 0x8000 else 53, 53 if fl < 0x8000 else 40000)
    for kind in (251, 252, 253, 254, 255, 10, 99, 65535):
        yield u4(dns(kind, 0x0100, [q(n, kind)], ar=[opt]), 40000, 53)
    yield u4(dns(5, 0x0100, [q(n, 1, 3), q(n, 28, 255)]), 40000, 53)
    yield u4(dns(6, 0x0100, []), 40000, 53)
    yield u4(dns(7, 0x0100, [q(name())]), 40000, 53)
    yield u4(dns(8, 0x2800, [q(n, 6)], [rr(c0, 255, b"", 254, 0)], [rr(c0, 1, addr(B4))]), 40000, 53)
    yield u4(dns(0, 0, [q(name("_http", "_tcp", "local"), 12)]), 5353, 5353, dst="224.0.0.251", ttl=255)
    yield u6(dns(0, 0x8400, [], [rr(name("host", "local"), 28, addr(A6), 0x8001, 120)]), 5353, 5353, src="fe80::1", dst="ff02::fb", hlim=255)
    yield u4(dns(9, 0, [q(name("wpad"))]), 40000, 5355, dst="224.0.0.252", ttl=1)
    nb = label(b"FHEPFCELFDFEEBFEEJEPEOCACACACAAA") + b"\0"
    yield u4(dns(10, 0x0110, [q(nb, 32)]), 137, 137, dst="192.0.2.255")
    yield u4(b"\x11\x02\0\1" + addr(A4) + be16(138) + be16(100) + be16(0) + nb + nb + b"\xffSMB" + b"\0" * 40, 138, 138, dst="192.0.2.255")
    yield u4(b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\nST: ssdp:all\r\n\r\n",
             40000, 1900, dst="239.255.255.250", ttl=2)
    stamp = be32(3900000000) + be32(0x80000000)
    for first, stratum in ((0x23, 0), (0x24, 2), (0xE3, 0), (0x1B, 3), (0x25, 1), (0x26, 0), (0x27, 0), (0x19, 16)):
        yield u4(bytes([first, stratum, 6, 0xEC]) + be32(0x100) + be32(0x200) + b"GPS\0" + stamp + b"\0" * 8 + stamp + stamp, 123, 123)
    for pri, text in ((b"<34>", b"Oct 11 22:14:15 host su: 'su root' failed for canary"), (b"<165>", b"1 2026-01-01T00:00:00Z host app - - - msg"),
                      (b"<0>", b"kernel panic"), (b"<999>", b"bad pri"), (b"", b"no priority")):
        yield u4(pri + text, 514, 514)
    for pdu, val in ((0xA0, b"\x05\0"), (0xA1, b"\x05\0"), (0xA2, ber(4, b"Linux canary")), (0xA3, ber_int(7)), (0xA5, b"\x05\0"),
                     (0xA7, ber(0x43, b"\x01\x02\x03")), (0xA2, ber(0x40, addr(A4))), (0xA2, b"\x80\0"), (0xA2, ber(0x41, b"\x7f"))):
        yield u4(snmp(pdu, val=val), 40000 if pdu != 0xA2 else 161, 161 if pdu != 0xA2 else 40000)
    yield u4(snmp(0xA0, b"public", 0), 40000, 161)
    yield u4(ber(0x30, ber_int(3), ber(0x30, ber(2, be16(77)), ber(2, be16(2000)), ber(4, b"\x04"), ber_int(3)),
                 ber(4, ber(0x30, ber(4, b""), ber_int(0), ber_int(0), ber(4, b"canary"), ber(4, b""), ber(4, b""))), b"\x30\0"), 40000, 161)
    att = lambda k, v: bytes([k, len(v) + 2]) + v
    def radius(code, ident, attrs):
        return bytes([code, ident]) + be16(20 + len(attrs)) + b"\x77" * 16 + attrs
    yield u4(radius(1, 9, att(1, b"canary") + att(2, b"\x5a" * 16) + att(4, addr(A4)) + att(5, be32(7)) + att(31, b"02-00-00-00-0a-01")
                    + att(61, be32(15)) + att(6, be32(2)) + att(26, be32(9) + b"\x01\x0bshell=1!!") + att(80, b"\x11" * 16)), 40000, 1812)
    yield u4(radius(2, 9, att(8, addr("10.0.0.9")) + att(18, b"welcome\n" + FAKE_ONE) + att(27, be32(3600))), 1812, 40000)
    yield u4(radius(3, 9, att(18, b"no")), 1812, 40000)
    yield u4(radius(4, 10, att(40, be32(1)) + att(44, b"session-1") + att(46, be32(65)) + att(55, be32(1700000000))), 40000, 1813)
    yield u4(radius(5, 10, b""), 1813, 40000)
    yield u4(radius(40, 11, att(1, b"canary") + b"\x01\x00"), 40000, 3799)
    sip = (b"INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK77\r\nFrom: <sip:canary@example.com>;tag=1\r\n"
           b"To: <sip:bob@example.com>\r\nCall-ID: canary@192.0.2.1\r\nCSeq: 1 INVITE\r\nContent-Length: 28\r\n\r\nv=0\r\no=- 1 1 IN IP4 192.0.2.1")
    yield u4(sip, 5060, 5060)
    yield u4(b"SIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n", 5060, 5060)
    yield u4(b"REGISTER sip:example.com SIP/2.0\r\nAuthorization: Digest username=\"canary\", response=\"canary\"\r\n\r\n", 5060, 5060)
    yield t4(b"OPTIONS rtsp://cam.example/ RTSP/1.0\r\nCSeq: 1\r\n\r\n", dport=554)
    for op in (b"\0\1canary.bin\0octet\0", b"\0\2up.bin\0netascii\0blksize\x001428\0", b"\0\3\0\1data", b"\0\4\0\1", b"\0\5\0\1File not found\0",
               b"\0\6tsize\x001234\0", b"\0\x09??"):
        yield u4(op, 40000, 69)
    boot = lambda op, opts, fl=0, yi="0.0.0.0": bytes([op, 1, 6, 0]) + be32(0xCAFE) + be16(3) + be16(fl) + addr("0.0.0.0") + addr(yi) \
        + addr("0.0.0.0") + addr("0.0.0.0") + MAC_A + b"\0" * 10 + b"\0" * 64 + b"boot.img".ljust(128, b"\0") + b"\x63\x82\x53\x63" + opts
    o = lambda k, v: bytes([k, len(v)]) + v
    common = o(61, b"\x01" + MAC_A) + o(12, b"canary-host") + o(60, b"vendor 1") + o(55, bytes([1, 3, 6, 15, 119, 121, 252])) + o(57, be16(1500))
    for t in range(1, 9):
        who = dict(src="0.0.0.0", dst="255.255.255.255") if t in (1, 3, 4) else {}
        yield u4(boot(1 if t in (1, 3, 4, 7, 8) else 2, o(53, bytes([t])) + common + o(1, addr("255.255.255.0")) + o(3, addr(A4))
                 + o(6, addr(A4) + addr(B4)) + o(15, b"example") + o(51, be32(3600)) + o(54, addr(A4)) + o(82, o(1, b"port1") + o(2, b"sw"))
                 + o(121, b"\x18\x0a\x01\x02" + addr(A4)) + o(200, b"odd") + b"\xff", 0x8000 if t == 1 else 0, A4), 68 if t in (1, 3) else 67,
                 67 if t in (1, 3) else 68, **who)
    yield u4(boot(1, b"")[:236], 68, 67, src="0.0.0.0", dst="255.255.255.255")
    d6 = lambda k, v: be16(k) + be16(len(v)) + v
    yield u6(b"\x01\xab\xcd\xef" + d6(1, be16(3) + be16(1) + MAC_A) + d6(6, be16(23) + be16(24)) + d6(8, be16(0))
             + d6(3, be32(1) + be32(0) + be32(0)), 546, 547, src="fe80::1", dst="ff02::1:2", hlim=1)
    yield u6(b"\x07\xab\xcd\xef" + d6(1, be16(3) + be16(1) + MAC_A) + d6(2, be16(3) + be16(1) + MAC_B) + d6(23, addr("2001:db8::53"))
             + d6(3, be32(1) + be32(100) + be32(200) + d6(5, addr("2001:db8::99") + be32(300) + be32(400))) + d6(13, be16(0) + b"fine"),
             547, 546, src="fe80::2", dst="fe80::1")
    bgp = lambda k, b: b"\xff" * 16 + be16(19 + len(b)) + bytes([k]) + b
    yield t4(bgp(1, b"\x04" + be16(64500) + be16(180) + addr(A4) + b"\x0c" + b"\x02\x06\x01\x04\0\1\0\1" + b"\x02\x02\x02\0"), dport=179)
    yield t4(bgp(4, b"") + bgp(2, be16(0) + be16(18) + b"\x40\x01\x01\0" + b"\x40\x02\x04\x02\x01" + be16(64500) + b"\x40\x03\x04" + addr(A4)
             + b"\x18\x0a\x01\x02"), dport=179)
    yield t4(bgp(3, b"\x06\x02bye"), dport=179)
    rtp = lambda: b"\x80\x00" + be16(7) + be32(160) + be32(0xFEED) + b"\x55" * 160
    yield u4(rtp(), 40000, 5004)
    yield u4(b"\x80\xc8" + be16(6) + be32(0xFEED) + stamp + be32(160) + be32(1) + be32(160), 40001, 5005)
    yield u4(b"\x40\x01\0\0" + b"\0\1\2\3", 40000, 3478)
    yield t4(b"\0\0\0\x35\xffSMB\x72\0\0\0\0\x18\x53\xc8" + b"\0" * 20 + b"\0\0\x12\0\x02NT LM 0.12\0", dport=445)
    rpc = be32(0x1234) + be32(0) + be32(2) + be32(100003) + be32(3) + be32(1) + be32(0) * 4 + be32(8) + b"filehand"
    yield t4(be32(0x80000000 | len(rpc)) + rpc, dport=2049)
    yield u4(rpc, 900, 2049)
    yield t4(b"\x03\0\0\x13\x0e\xe0\0\0\0\0\0\1\0\x08\0\x0b\0\0\0", dport=3389)
    yield t4(b"\xff\xfd\x18\xff\xfb\x01login: canary\r\n\xff\xfa\x18\x01\xff\xf0", dport=23)
    yield t4(b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\0\x80\0", dport=389)
    yield t4(be16(26) + dns(77, 0x0100, [q(name("tcp", "ex"))]), dport=53)
    yield u4(b"\x20\x40\x03\x18" + be32(1) + be32(0) + be32(1000000) + be32(1000000) + be32(0), 49152, 3784)
    yield u4(b"\x12\x01\0\x1e" + addr(A4), 646, 646, dst="224.0.0.2")
    yield u4(be16(5) + be16(1) + be32(1000) + be32(1700000000) + be32(0) + be32(9) + be32(0) + addr(A4) + addr(B4) + addr("0.0.0.0")
             + be16(1) + be16(2) + be32(10) + be32(1000) + be32(1) + be32(2) + be16(40000) + be16(80) + b"\0\x1b\x06\0" + be16(0) * 2 + b"\x18\x18\0\0",
             40000, 2055)
    yield u4(be32(5) + be32(1) + addr(A4) + be32(0) + be32(1) + be32(1000) + be32(0), 40000, 6343)
    yield u4(b"\x10\0" + be16(64) + b"\0" * 44, 319, 319, dst="224.0.1.129")
    yield u4(b"\0" * 64, 4000, 9)
    yield u4(b"\x00" * 8 + b"zmtp", 40000, 5555)


def hostile():
    """Payloads that hold what looks like tcpdump's own lines."""
    ep = b" > 1.2.3.4.5: Flags [S], length 9 (105)"
    yield u4(dns(1, 0x0100, [q(name(ep))]), 40000, 53)
    yield u4(dns(2, 0x0100, [q(name(ep, b"ex ample", b"a.b"))]), 40000, 53)
    yield u4(dns(3, 0x0100, [q(name(b"\n12:00:00.0 IP 1.1.1.1 > 2.2.2.2: x", b"nl"))]), 40000, 53)
    yield u4(dns(4, 0x8180, [q(name(ep), 16)], [rr(b"\xc0\x0c", 16, label(b'12:00:00.000000 IP 1.1.1.1.1 > 2.2.2.2.2: UDP, length 1') + label(FAKE[:200]))]), 53, 40000)
    yield u4(dns(5, 0x8180, [q(name(b"[udp sum ok]", b", length 7) (42)"), 5)], [rr(b"\xc0\x0c", 5, name(ep))]), 53, 40000)
    yield u4(dns(6, 0x8180, [q(name(b"x: ", b"(proto TCP (6), length 1)"), 15)], [rr(b"\xc0\x0c", 15, be16(1) + name(ep, b"]|[)("))]), 53, 40000)
    yield u6(dns(7, 0x0100, [q(name(ep))]), 40000, 53)
    line = FAKE_ONE + b"\r\n"
    req = b"GET /" + FAKE_ONE.replace(b" ", b"%20") + b" HTTP/1.1\r\n"
    for body in (req + b"Host: a\r\n" + line + b"    6.6.6.6.666 > 7.7.7.7.22: Flags [S], seq 1, win 1, length 0\r\n\r\n" + FAKE,
                 b"HTTP/1.1 200 OK\r\n" + FAKE + b"\r\n" + FAKE,
                 b"HTTP/1.1 200 OK\n" + FAKE.replace(b"\r", b"") + b"\n" + FAKE.replace(b"\r", b""),
                 b"GET / HTTP/1.1\r\n\t0x0000:  4500 003c 0001 4000 4006 0000 0102 0304  E..<..@.@.......\r\nX: [|http]\r\n\r\n",
                 b"HTTP/1.1 200 OK\r\nX-A: \x1b[31mred\x07\x00nul\r\n\xc3\xa9\xff: high\r\n\r\n",
                 b"POST / HTTP/1.1\r\n1969-12-31 23:59:59.999999 ARP, Request who-has 1.2.3.4 tell 5.6.7.8, length 28\r\n"
                 b"1700000000.123456 IP6 (hlim 64, next-header TCP (6) payload length: 20) ::1.1 > ::1.2: Flags [S], length 0\r\n"
                 b"    1  12:34:56.789012 IP 1.1.1.1 > 2.2.2.2: ICMP echo request, id 1, seq 1, length 8\r\n"
                 b"3 packets captured\r\n3 packets received by filter\r\n0 packets dropped by kernel\r\n\r\n",
                 b"tcpdump: listening on eth0, link-type EN10MB (Ethernet), snapshot length 262144 bytes\r\n"):
        yield t4(body, dport=80)
        yield t4(body, sport=8080, dport=40000)
        yield t6(body, dport=80)
        yield t4(body, dport=25)
        yield t4(body, dport=21)
    yield t4(b"*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n" % (len(FAKE), FAKE), dport=6379)
    yield t4(b"+" + line + b"-ERR " + line + b":42\r\n$-1\r\n", sport=6379, dport=40000)
    yield t4(b"*1\r\n$9999\r\nabc", dport=6379)
    yield u4(b"<13>" + FAKE, 514, 514)
    yield u4(b"<13>" + FAKE.replace(b"\r", b""), 514, 514)
    yield u4(b"\0\1" + FAKE_ONE + b"\n" + FAKE_ONE + b"\0octet\0", 40000, 69)
    yield u4(b"\0\5\0\1" + FAKE + b"\0", 40000, 69)
    yield u4(snmp(0xA2, community=b" > 1.2.3.4.5: canary", val=ber(4, FAKE_ONE + b"\n"), version=0), 161, 40000)
    o = lambda k, v: bytes([k, len(v)]) + v
    boot = bytes([1, 1, 6, 0]) + be32(7) + b"\0" * 20 + MAC_A + b"\0" * 10 + FAKE_ONE[:60].ljust(64, b"\0") + (FAKE_ONE + b"\n")[:120].ljust(128, b"\0") \
        + b"\x63\x82\x53\x63" + o(53, b"\x01") + o(12, b"h\n" + FAKE_ONE) + o(60, FAKE[:200]) + b"\xff"
    yield u4(boot, 68, 67, src="0.0.0.0", dst="255.255.255.255")
    yield u4(b"INVITE sip:x SIP/2.0\r\n" + FAKE + b"\r\n" + FAKE, 5060, 5060)
    yield u4(FAKE, 9999, 9998)
    yield t4(FAKE, dport=9999)
    yield e4(1, icmp(8, 0, be16(1) + be16(1), FAKE))
    yield eth(0x88B5, FAKE + FAKE)
    yield t4(b"RST says: " + FAKE, flags=0x04)
    tlv = lambda kind, data: be16(kind << 9 | len(data)) + data
    yield eth(0x88CC, tlv(1, b"\x07" + FAKE_ONE) + tlv(2, b"\x05" + FAKE) + tlv(3, be16(9)) + tlv(5, b"\n" + FAKE) + tlv(6, FAKE) + tlv(0, b""))


def secrets():
    """keys and passwords of routing protocols, PPP and RADIUS, which no server here speaks"""
    vr = b"\x21\x01\x64\x01\x01\x01\0\0" + addr("192.0.2.254") + b"cnry-vrp"
    yield e4(112, vr[:6] + be16(csum(vr)) + vr[8:], dst="224.0.0.18", ttl=255)
    yield u4(b"\0\0\x10\x03\x0a\x64\x01\0cnry-hsr" + addr("192.0.2.252"), 1985, 1985, dst="224.0.0.2", ttl=1)
    hello = addr("255.255.255.0") + be16(10) + b"\x02\x01" + be32(40) + addr("192.0.2.1") + be32(0)
    head = b"\x02\x01" + be16(24 + len(hello)) + addr("192.0.2.1") + be32(0)
    yield e4(89, head + be16(csum(head + b"\0\0" + be16(1) + hello)) + be16(1) + b"cnry-osp" + hello, dst="224.0.0.5", ttl=1)
    yield u4(b"\x02\x02\0\0" + be16(0xFFFF) + be16(2) + b"canary-rip-77c2".ljust(16, b"\0") + be16(2) + be16(7) + addr("10.5.0.0")
             + addr("255.255.0.0") + addr("0.0.0.0") + be32(2), 520, 520, dst="224.0.0.9", ttl=1)
    pap = b"\x03bob" + b"\x0fcanary-pap-d30a"
    ppp = b"\xc0\x23\x01\x01" + be16(4 + len(pap)) + pap
    yield eth(0x8864, b"\x11\0" + be16(7) + be16(len(ppp)) + ppp)
    att = lambda kind, data: bytes([kind, 2 + len(data)]) + data
    atts = att(1, b"bob") + att(18, b"canary-radius-6be5") + att(2, b"canary-radius-6be5".ljust(32, b"\0"))
    yield u4(b"\x01\x09" + be16(20 + len(atts)) + b"\x77" * 16 + atts, 40000, 1812)
    eap = b"\x02\x01" + be16(20) + b"\x01canary-eap-41fc"
    yield eth(0x888E, b"\x01\0" + be16(len(eap)) + eap, dst=bytes.fromhex("0180c2000003"))
    auth = b"\x0a\x11\x01canary-isis-0e8d"
    isis = b"\x83\x1b\x01\0\x0f\x01\0\0\x03" + b"\0\0\0\0\0\x01" + be16(30) + be16(27 + len(auth)) + b"\x40" + b"\0" * 7 + auth
    yield llc(b"\xfe\xfe\x03" + isis, bytes.fromhex("0180c2000014"))
    yield u4(b"<34>Oct 11 22:14:15 host su: password canary-syslog-29da", 40000, 514)
    yield t4(b"HTTP/1.1 200 OK\r\nSet-Cookie: session=canary-cookie-92e0\r\n\r\n", sport=8080, dport=40000)
    # A login within a tunnel, and one that an error message quotes.
    login = ip4(17, udp(snmp(0xA0, community=b"canary-snmp-38f4"), sport=40000, dport=161))
    yield e4(4, login)
    yield e4(47, b"\0\0\x08\0" + login)
    yield u4(b"\x08\0\0\0\0\0\x07\0" + eth(0x0800, login), 40000, 4789)
    yield e4(1, icmp(3, 3, payload=login))


THEMES = {f.__name__.replace("_", "-"): f for f in (
    vlan, ip6_ext, ip4_opts, tcp_opts, tcp_flags, udp_odd, icmp_all, icmp6_all, arp_all, damaged, link, tunnels, protos, hostile, secrets)}


def main():
    args = sys.argv[1:]
    if args == ["--list"]:
        print("\n".join("%-10s %s" % (n, f.__doc__.splitlines()[0]) for n, f in THEMES.items()))
        return
    if len(args) < 2 or any(t not in THEMES for t in args[1:]):
        sys.exit(__doc__.strip())
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    raw.bind((args[0], 0))
    for theme in args[1:]:
        for frame in THEMES[theme]():
            if len(frame) < 14:
                raise ValueError("a frame shorter than an Ethernet header cannot be sent")
            raw.send(frame)
            # Apart enough for the stamps to differ and for no buffer to overflow.
            time.sleep(0.0005)


if __name__ == "__main__":
    main()

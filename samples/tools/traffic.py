#!/usr/bin/env python3
"""Real servers and clients for the samples: what Debian has no small program for.

    traffic.py offload IFACE on|off       let the kernel do checksums and segments, or the card
    traffic.py serve                      text and datagram servers (FTP, SMTP, Redis, ...)
    traffic.py talk HOST                  clients of these servers
    traffic.py secrets HOST               logins to them, each with a canary of its own
    traffic.py ping HOST [SIZE [TTL [COUNT]]]
    traffic.py scan HOST                  connect to many ports, most of them closed
    traffic.py bulk HOST BYTES [MODE]     send bytes to the sink; MODE slow, paced, urgent,
                                          fastopen, mptcp, md5 or fetch (the other way round)
    traffic.py datagrams HOST             UDP of the kernel, to ports open and closed
    traffic.py hostile HOST               replies that hold what looks like tcpdump's lines
    traffic.py lease IFACE                DHCP from discover to release
    traffic.py load HOST HOST6 SECONDS    a mix at scale
"""
import base64
import ctypes
import fcntl
import http.client
import itertools
import os
import random
import socket
import ssl
import struct
import sys
import threading
import time

import frames

SINK, SOURCE, HOSTILE = 9000, 9001, 8080


# ---------------------------------------------------------------- the card

def offload(iface, state):
    # With offload on a capture shows segments far larger than the link and checksums not yet
    # filled in, as most real captures do; with it off every checksum is right.
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for command in (0x15, 0x17, 0x19, 0x1F, 0x24, 0x2C):  # rx, tx, sg, tso, gso, gro
        value = bytearray(struct.pack("II", command, int(state == "on")))
        buf = (ctypes.c_char * 8).from_buffer(value)
        req = struct.pack("16sP", iface.encode(), ctypes.addressof(buf)) + b"\0" * 16
        try:
            fcntl.ioctl(sock, 0x8946, req)
        except OSError:
            pass  # not every card has every switch


# ---------------------------------------------------------------- servers

def ftp(conn):
    f = conn.makefile("rwb", 0)
    f.write(b"220 ftp.example ready\r\n")
    for line in f:
        verb = line.split()[0].upper()
        f.write({b"USER": b"331 Password please\r\n", b"PASS": b"230-Welcome\r\n230-canary\r\n230 Logged in\r\n",
                 b"PWD": b'257 "/" is the current directory\r\n', b"SYST": b"215 UNIX Type: L8\r\n",
                 b"QUIT": b"221 Bye\r\n"}.get(verb, b"502 Not here\r\n"))
        if verb == b"QUIT":
            return


def smtp(conn):
    f = conn.makefile("rwb", 0)
    f.write(b"220 mail.example ESMTP\r\n")
    data = False
    for line in f:
        verb = line.split()[0].upper() if line.split() else b""
        if data:
            if line == b".\r\n":
                data = False
                f.write(b"250 2.0.0 Queued as CANARY\r\n")
            continue
        if verb == b"EHLO":
            f.write(b"250-mail.example\r\n250-SIZE 10240000\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME\r\n")
        elif verb == b"DATA":
            data = True
            f.write(b"354 End with a dot\r\n")
        else:
            f.write(b"221 Bye\r\n" if verb == b"QUIT" else b"250 OK\r\n")
        if verb == b"QUIT":
            return


def redis(conn):
    f = conn.makefile("rwb", 0)
    answers = itertools.cycle([b"+OK\r\n", b"$6\r\ncanary\r\n", b":1000\r\n", b"*3\r\n$1\r\na\r\n:7\r\n$-1\r\n",
                               b"-ERR unknown command\r\n", b"*-1\r\n", b"$0\r\n\r\n"])
    while f.readline():
        conn.settimeout(0.05)
        try:
            while conn.recv(4096):
                pass
        except OSError:
            pass
        conn.settimeout(None)
        f.write(next(answers))


def chat(greeting, answers):
    def run(conn):
        f = conn.makefile("rwb", 0)
        f.write(greeting)
        for line in f:
            f.write(answers.get(line.split()[0].upper() if line.split() else b"", b"-ERR\r\n"))
    return run


def sink(conn):
    while conn.recv(65536):
        pass


def slow_sink(conn):
    # A reader slower than the sender makes the window shrink to nothing and open again.
    time.sleep(0.4)
    while conn.recv(20000):
        time.sleep(0.02)


def source(conn):
    size = int(conn.makefile("rb").readline())
    conn.sendall(os.urandom(size))


def hostile_http(conn):
    conn.recv(65536)
    # One write, so that the head and the body share a segment.
    conn.sendall(b"HTTP/1.1 200 OK\r\nServer: x\r\nX-Note: " + frames.FAKE_ONE + b"\r\n" + frames.FAKE
                 + b"Content-Type: text/plain\r\n\r\n" + frames.FAKE * 3 + frames.FAKE.replace(b"\r", b"") * 3)


def sip_or_rtsp(conn):
    # Both speak requests that end in an empty line, and answer with the same kind of head.
    f = conn.makefile("rwb", 0)
    lines = []
    for line in f:
        lines.append(line)
        if line == b"\r\n":
            f.write(lines[0].split()[2] + b" 200 OK\r\nCSeq: 1\r\n\r\n")
            lines = []


def telnet(conn):
    f = conn.makefile("rwb", 0)
    f.write(b"\xff\xfd\x18\xff\xfb\x01login: ")
    f.readline()
    f.write(b"Password: ")
    f.readline()
    f.write(b"\r\nWelcome\r\n$ ")
    f.readline()


def ldap(conn):
    while conn.recv(4096):
        conn.sendall(frames.ber(0x30, frames.ber_int(1), frames.ber(0x61, frames.ber(10, b"\0"), frames.ber(4), frames.ber(4))))


TCP_SERVERS = {
    23: telnet, 389: ldap, 554: sip_or_rtsp, 5060: sip_or_rtsp,
    21: ftp, 25: smtp, 587: smtp, 6379: redis, SINK: sink, SINK + 10: slow_sink, SOURCE: source, HOSTILE: hostile_http,
    110: chat(b"+OK POP3 ready\r\n", {b"USER": b"+OK\r\n", b"PASS": b"+OK canary has 2 messages\r\n", b"QUIT": b"+OK bye\r\n"}),
    143: chat(b"* OK IMAP4rev1 ready\r\n", {b"A1": b"A1 OK LOGIN completed\r\n", b"A2": b"* BYE\r\nA2 OK LOGOUT\r\n"}),
    7: lambda c: [c.sendall(d) for d in iter(lambda: c.recv(4096), b"")],
}


def tcp_server(port, handler):
    srv = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
    for option in ((socket.IPPROTO_TCP, 23, 16), ):  # TCP_FASTOPEN
        try:
            srv.setsockopt(*option)
        except OSError:
            pass
    serve_on(srv, handler)


def serve_on(srv, handler):
    def one(conn):
        with conn:
            try:
                handler(conn)
            except (OSError, ValueError, IndexError):
                pass
    while True:
        conn, _ = srv.accept()
        threading.Thread(target=one, args=(conn,), daemon=True).start()


def ntp_answer(data):
    now = struct.pack("!II", int(time.time()) + 2208988800, 0x40000000)
    return b"\x24\x02\x06\xec" + struct.pack("!II", 0x100, 0x200) + b"\x7f\x7f\x01\x01" + now + data[40:48] + now + now


UDP_SERVERS = {
    123: ntp_answer, 7: lambda d: d, 514: lambda d: None, 9999: lambda d: None,
    161: lambda d: frames.snmp(0xA2, val=frames.ber(4, b"Linux canary")), 5060: lambda d: b"SIP/2.0 200 OK\r\nCSeq: 1 OPTIONS\r\n\r\n",
    1812: lambda d: b"\x02" + d[1:2] + b"\0\x14" + b"\x77" * 16,
}


def udp_server(port, answer):
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind(("::", port))
    while True:
        data, peer = sock.recvfrom(65536)
        reply = answer(data)
        if reply is not None:
            sock.sendto(reply, peer)


def special_server(make, port):
    # Multipath TCP and MD5 signatures are not in every kernel.
    try:
        srv = make()
        srv.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        srv.bind(("0.0.0.0", port))
        srv.listen(8)
    except OSError as err:
        print("port %d not served: %s" % (port, err), file=sys.stderr)
        return
    serve_on(srv, sink)


def mptcp_socket():
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)


def md5_socket(peer="10.77.0.1"):
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    ss = struct.pack("=HH4s", socket.AF_INET, 0, socket.inet_aton(peer)).ljust(128, b"\0")
    sock.setsockopt(socket.IPPROTO_TCP, 14, ss + struct.pack("=BBHI", 0, 0, 6, 0) + b"canary".ljust(80, b"\0"))
    return sock


def serve():
    jobs = [(tcp_server, p, h) for p, h in TCP_SERVERS.items()] + [(udp_server, p, h) for p, h in UDP_SERVERS.items()]
    jobs += [(special_server, mptcp_socket, SINK + 2), (special_server, md5_socket, SINK + 3)]
    for job in jobs:
        threading.Thread(target=job[0], args=job[1:], daemon=True).start()
    threading.Event().wait()


# ---------------------------------------------------------------- clients

def connect(host, port):
    return socket.create_connection((host, port), timeout=5)


def say(host, port, lines, pause=0.02):
    with connect(host, port) as sock:
        sock.settimeout(0.3)
        for line in lines:
            time.sleep(pause)
            try:
                sock.recv(4096)
            except OSError:
                pass
            sock.sendall(line)
        time.sleep(pause)
        try:
            sock.recv(4096)
        except OSError:
            pass


def talk(host):
    say(host, 21, [b"USER canary\r\n", b"PASS canary\r\n", b"SYST\r\n", b"PWD\r\n", b"PORT 10,77,0,1,200,13\r\n",
                   b"RETR canary.txt\r\n", b"QUIT\r\n"])
    mail = b"From: <canary@example.com>\r\nSubject: canary\r\n\r\nA body\r\n" + frames.FAKE + b".\r\n"
    for port in (25, 587):
        say(host, port, [b"EHLO client.example\r\n", b"AUTH PLAIN AGNhbmFyeQBjYW5hcnk=\r\n", b"MAIL FROM:<canary@example.com>\r\n",
                         b"RCPT TO:<bob@example.com>\r\n", b"DATA\r\n", mail, b"QUIT\r\n"])
    say(host, 110, [b"USER canary\r\n", b"PASS canary\r\n", b"QUIT\r\n"])
    say(host, 143, [b"A1 LOGIN canary canary\r\n", b"A2 LOGOUT\r\n"])
    with connect(host, 6379) as sock:
        for cmd in ([b"AUTH", b"canary"], [b"SET", b"key", b"canary value"], [b"GET", b"key"], [b"INCR", b"n"],
                    [b"LRANGE", b"l", b"0", b"-1"], [b"SET", b"k", frames.FAKE], [b"NOPE"], [b"DEL", b"key"]):
            sock.sendall(b"*%d\r\n" % len(cmd) + b"".join(b"$%d\r\n%s\r\n" % (len(c), c) for c in cmd))
            time.sleep(0.01)
            sock.recv(4096)


def canary(protocol):
    # Known by its own name wherever it turns up; tests/secrets.rs has the same list.
    return ("canary-%s" % SECRETS[protocol]).encode()


# What each of them is hidden in.
SECRETS = {"http": "http-4b1d", "cookie": "cookie-92e0", "ftp": "ftp-7f3a", "smtp": "smtp-c05e", "imap": "imap-1d97", "pop": "pop-e6b2",
           "snmp": "snmp-38f4", "resp": "resp-a9c1", "sip": "sip-5e70", "rtsp": "rtsp-f21b", "telnet": "telnet-06da", "ldap": "ldap-b84c"}


def secrets(host):
    b64 = lambda data: base64.b64encode(data)
    for port in (80, HOSTILE):
        say(host, port, [b"GET /index.html HTTP/1.1\r\nHost: www.example.test\r\nAuthorization: Basic " + b64(b"bob:" + canary("http"))
                         + b"\r\nCookie: session=" + canary("cookie") + b"\r\nConnection: close\r\n\r\n"])
    say(host, 21, [b"USER bob\r\n", b"PASS " + canary("ftp") + b"\r\n", b"QUIT\r\n"])
    for port in (25, 587):
        say(host, port, [b"EHLO client.example\r\n", b"AUTH PLAIN " + b64(b"\0bob\0" + canary("smtp")) + b"\r\n", b"AUTH LOGIN\r\n",
                         b64(b"bob") + b"\r\n", b64(canary("smtp")) + b"\r\n", b"QUIT\r\n"])
    say(host, 143, [b"A1 LOGIN bob " + canary("imap") + b"\r\n", b"A1 AUTHENTICATE PLAIN " + b64(b"\0bob\0" + canary("imap")) + b"\r\n",
                    b"A2 LOGOUT\r\n"])
    say(host, 110, [b"USER bob\r\n", b"PASS " + canary("pop") + b"\r\n", b"AUTH PLAIN " + b64(b"\0bob\0" + canary("pop")) + b"\r\n",
                    b"QUIT\r\n"])
    for version in (0, 1):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(0.3)
            sock.sendto(frames.snmp(0xA0, community=canary("snmp"), version=version), (host, 161))
            try:
                sock.recv(4096)
            except OSError:
                pass
    say(host, 6379, [b"*2\r\n$4\r\nAUTH\r\n$%d\r\n%s\r\n" % (len(canary("resp")), canary("resp")), b"AUTH " + canary("resp") + b"\r\n"])
    sip = (b"REGISTER sip:example.test SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK77\r\nFrom: <sip:bob@example.test>;tag=1\r\n"
           b"To: <sip:bob@example.test>\r\nCall-ID: 7@192.0.2.1\r\nCSeq: 1 REGISTER\r\n"
           b"Authorization: Digest username=\"bob\", response=\"" + canary("sip") + b"\"\r\nContent-Length: 0\r\n\r\n")
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(sip, (host, 5060))
        time.sleep(0.05)
    say(host, 5060, [sip])
    say(host, 554, [b"DESCRIBE rtsp://bob:" + canary("rtsp") + b"@" + host.encode() + b"/live RTSP/1.0\r\nCSeq: 1\r\nAuthorization: Basic "
                    + b64(b"bob:" + canary("rtsp")) + b"\r\n\r\n"])
    say(host, 23, [b"bob\r\n", canary("telnet") + b"\r\n", b"exit\r\n"])
    bind = frames.ber(0x60, frames.ber_int(3), frames.ber(4, b"cn=bob,dc=example"), frames.ber(0x80, canary("ldap")))
    say(host, 389, [frames.ber(0x30, frames.ber_int(1), bind)])


def ping(host, size=56, ttl=64, count=3):
    six = ":" in host
    sock = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_RAW, 58 if six else 1)
    if six:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, int(ttl))
    else:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, int(ttl))
    sock.settimeout(0.2)
    ident = os.getpid() & 0xFFFF
    for seq in range(1, int(count) + 1):
        body = (struct.pack("!d", time.time()) + bytes(range(8, 256)) * (int(size) // 248 + 1))[:int(size)]
        pkt = struct.pack("!BBHHH", 128 if six else 8, 0, 0, ident, seq) + body
        if not six:
            pkt = pkt[:2] + struct.pack("!H", frames.csum(pkt)) + pkt[4:]
        sock.sendto(pkt, (host, 0))
        try:
            sock.recv(65536)
        except OSError:
            pass
        time.sleep(0.02)


def scan(host):
    ports = [21, 22, 25, 80, 443] + list(range(1000, 1180))
    random.seed(7)
    random.shuffle(ports)
    for port in ports:
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        sock.settimeout(0.5)
        if sock.connect_ex((host, port)) == 0 and port != 22:
            # A scanner resets what it finds open.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()


def bulk(host, size, mode=""):
    size = int(size)
    data = os.urandom(size)
    if mode == "fetch":
        with connect(host, SOURCE) as sock:
            sock.sendall(b"%d\n" % size)
            while sock.recv(65536):
                pass
        return
    if mode == "fastopen":
        for _ in range(3):  # the first asks for a cookie, the others use it
            sock = socket.socket()
            sock.sendto(data[:600], 0x20000000, (host, SINK))  # MSG_FASTOPEN
            sock.shutdown(socket.SHUT_WR)
            sock.close()
            time.sleep(0.05)
        return
    if mode in ("mptcp", "md5"):
        try:
            sock = mptcp_socket() if mode == "mptcp" else md5_socket(host)
            sock.settimeout(3)
            sock.connect((host, SINK + (2 if mode == "mptcp" else 3)))
        except OSError as err:
            print("no %s: %s" % (mode, err), file=sys.stderr)
            return
    else:
        sock = connect(host, SINK + (10 if mode == "slow" else 0))
    with sock:
        sock.settimeout(20)
        if mode == "paced":
            sock.setsockopt(socket.SOL_SOCKET, 47, 1000000)  # SO_MAX_PACING_RATE, bytes a second
        if mode == "urgent":
            sock.send(b"before")
            sock.send(b"!", socket.MSG_OOB)
        sock.sendall(data)


def datagrams(host):
    six = ":" in host
    sock = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(0.1)
    ntp = b"\x23" + b"\0" * 39 + struct.pack("!II", int(time.time()) + 2208988800, 0)
    for port, data in ((514, b"<34>Oct 11 22:14:15 host su: 'su root' failed for canary"), (123, ntp), (161, frames.snmp(0xA0)),
                       (5060, b"OPTIONS sip:canary@example.com SIP/2.0\r\nCSeq: 1 OPTIONS\r\n\r\n"), (1812, b"\x01\x07\0\x1c" + b"\x77" * 16 + b"\x01\x08canary"),
                       (7, b"echo"), (7, b"e" * 1400), (7, b"e" * 4000), (7, b""), (33434, b"closed"), (33435, b"c" * 512), (9999, b"sink")):
        try:
            sock.sendto(data, (host, port))
            sock.recv(65536)
        except OSError:
            pass
        time.sleep(0.01)
    # With the path MTU in mind the kernel sets DF and a router has to say that it cannot.
    try:
        sock.setsockopt(socket.IPPROTO_IP if not six else socket.IPPROTO_IPV6, 10 if not six else 23, 2)
        sock.sendto(b"d" * 1400, (host, 9999))
    except OSError:
        pass


def hostile(host):
    for path in ("/", "/" + frames.FAKE_ONE.decode().replace(" ", "%20"), "/x"):
        with connect(host, HOSTILE) as sock:
            sock.sendall(b"GET %s HTTP/1.1\r\nHost: h\r\nAuthorization: Basic Y2FuYXJ5OmNhbmFyeQ==\r\nX-Req: %s\r\n%s\r\n"
                         % (path.encode(), frames.FAKE_ONE, frames.FAKE))
            while sock.recv(65536):
                pass
    talk(host)
    with connect(host, SINK) as sock:
        sock.sendall(frames.FAKE)
    say(host, 7, [frames.FAKE, frames.FAKE.replace(b"\r", b"")])


def lease(iface):
    """The client side of DHCP; the kernel has no address yet, so the frames are built here."""
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
    raw.bind((iface, 0))
    raw.settimeout(1.5)
    mac = raw.getsockname()[4]
    opt = lambda k, v: bytes([k, len(v)]) + v

    def send(kind, extra=b"", ciaddr="0.0.0.0"):
        boot = bytes([1, 1, 6, 0]) + b"\xca\xfe\0\1" + b"\0\0\x80\0" + socket.inet_aton(ciaddr) + b"\0" * 12 + mac + b"\0" * 202 \
            + b"\x63\x82\x53\x63" + opt(53, bytes([kind])) + opt(12, b"canary-host") + opt(55, bytes([1, 3, 6, 15, 51])) + extra + b"\xff"
        src, dst = "0.0.0.0", "255.255.255.255"
        raw.send(frames.BCAST + mac + b"\x08\0" + frames.ip4(17, frames.udp(boot, 68, 67, src=src, dst=dst), src, dst))

    def answer():
        while True:
            data = raw.recv(2048)
            if data[23] == 17 and data[36:38] == b"\0\x44":
                return data[42:]
    send(1)
    offer = answer()
    you, server = offer[16:20], offer[offer.index(b"\x36\x04", 240) + 2:][:4]
    send(3, opt(50, you) + opt(54, server))
    answer()
    send(8, ciaddr="10.77.0.1")
    try:
        answer()
    except OSError:
        pass
    send(7, opt(54, server), socket.inet_ntoa(you))
    time.sleep(0.2)


# ---------------------------------------------------------------- load

def load(host, host6, seconds):
    stop = time.time() + float(seconds)

    def every(gap, job):
        def run():
            while time.time() < stop:
                start = time.time()
                try:
                    job()
                except OSError:
                    pass
                time.sleep(max(0, gap * random.uniform(0.5, 1.5) - (time.time() - start)))
        thread = threading.Thread(target=run)
        thread.start()
        return thread

    paths = ["/index.html", "/text.txt", "/big.bin", "/mid.bin", "/mid.bin", "/missing", "/post"]

    def web(target, tls=False, pages=6, head="GET"):
        def job():
            if tls:
                ctx = ssl._create_unverified_context()
                conn = http.client.HTTPSConnection(target, 443, timeout=5, context=ctx)
            else:
                conn = http.client.HTTPConnection(target, 80, timeout=5)
            for _ in range(random.randint(1, pages)):
                conn.request("GET", random.choice(paths), headers={"User-Agent": "load/1.0", "Accept": "*/*", "Cookie": "session=canary"})
                conn.getresponse().read()
            conn.close()
        return job

    words = ["www", "mail", "v6", "alias", "txt", "nothing", "host%d"]

    def lookup(target):
        fam = socket.AF_INET6 if ":" in target else socket.AF_INET
        sock = socket.socket(fam, socket.SOCK_DGRAM)
        sock.settimeout(0.3)

        def job():
            nonlocal sock
            for _ in range(random.randint(1, 5)):
                if random.random() < 0.3:
                    sock = socket.socket(fam, socket.SOCK_DGRAM)
                    sock.settimeout(0.3)
                word = random.choice(words)
                word = word % random.randint(1, 999) if "%" in word else word
                sock.sendto(frames.dns(random.getrandbits(16), 0x100, [frames.q(frames.name(word, "example", "test"), random.choice((1, 1, 28, 15, 16)))]),
                            (target, 53))
                sock.recv(4096)
        return job

    threads = [every(0.07, web(host)), every(0.09, web(host)), every(0.12, web(host, tls=True)), every(0.17, web(host6)),
               every(0.025, lookup(host)), every(0.025, lookup(host)), every(0.15, lookup(host6)), every(0.5, lambda: ping(host, 56, 64, 20)),
               every(0.5, lambda: ping(host, 1000, 64, 15)), every(0.5, lambda: ping(host6, 56, 64, 5)), every(1.5, lambda: ping(host, 3000, 64, 1)),
               every(0.4, lambda: datagrams(host)), every(1.2, lambda: say(host, 25, [b"EHLO x\r\n", b"QUIT\r\n"])),
               every(0.25, lambda: bulk(host, 60000)), every(0.5, lambda: bulk(host, 90000, "fetch"))]
    for thread in threads:
        thread.join()


COMMANDS = {f.__name__: f for f in (offload, serve, talk, secrets, ping, scan, bulk, datagrams, hostile, lease, load)}


def main():
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
        sys.exit(__doc__.strip())
    COMMANDS[sys.argv[1]](*sys.argv[2:])


if __name__ == "__main__":
    main()

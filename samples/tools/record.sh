#!/bin/bash
# Records the samples of the tcpdump of this machine, into samples/VERSION: real servers and clients in network
# namespaces of their own, captured and printed by that tcpdump.
#
#   sudo samples/tools/record.sh [THEME...]     (all themes without arguments)
#
# Nothing here reaches a network outside the namespaces, and they go away at exit.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
# The python of the system: a version manager's one may lack rights or modules.
py=/usr/bin/python3

# ---------------------------------------------------------------- what must be there

[ "$(id -u)" = 0 ] || { echo "record.sh: run it as root: it makes network namespaces" >&2; exit 1; }
missing=
for tool in ip tcpdump curl dig dnsmasq nginx openssl sshd ssh ssh-keygen ssh-keyscan sysctl zstd "$py"; do
    command -v "$tool" >/dev/null || missing+=" $tool"
done
if [ -n "$missing" ]; then
    echo "record.sh: missing:$missing" >&2
    echo "record.sh: Debian has them in: iproute2 tcpdump curl bind9-dnsutils dnsmasq-base nginx openssl" \
         "openssh-server openssh-client procps zstd python3" >&2
    exit 1
fi
version=$(tcpdump --version 2>&1 | sed -n 's/^tcpdump.* version \([0-9.]*\).*/\1/p' | head -n 1)
[ -n "$version" ] || { echo "record.sh: tcpdump does not say its version" >&2; exit 1; }
# The texts go there, each theme into a folder of its own.
samples=$(cd "$here/.." && pwd)
out=$samples/$version

# ---------------------------------------------------------------- namespaces

tmp=$(mktemp -d)
chmod 755 "$tmp"
# left - right - far; right routes between the two, so that there is a hop.
left=ds$$-left right=ds$$-right far=ds$$-far

cleanup() {
    # Only what was started here: each namespace is ours, and so is all that runs in it.
    for ns in "$left" "$right" "$far"; do
        if [ -e "/run/netns/$ns" ]; then
            for pid in $(ip netns pids "$ns"); do kill -9 "$pid" 2>/dev/null || true; done
            ip netns del "$ns" || true
        fi
    done
    rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

L() { ip netns exec "$left" "$@"; }
R() { ip netns exec "$right" "$@"; }
F() { ip netns exec "$far" "$@"; }
# No byte code left behind in the folder of the samples.
export PYTHONDONTWRITEBYTECODE=1
traffic() { L "$py" "$here/traffic.py" "$@"; }
craft() { L "$py" "$here/frames.py" l0 "$@"; }

for ns in "$left" "$right" "$far"; do
    ip netns add "$ns"
    ip -n "$ns" link set lo up
done
ip link add l0 netns "$left" address 02:00:00:00:77:01 type veth peer name r0 netns "$right" address 02:00:00:00:77:02
ip link add r1 netns "$right" address 02:00:00:00:78:01 type veth peer name f0 netns "$far" address 02:00:00:00:78:02
R sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
# The kernel answers echo and errors only so often; the samples want every answer.
for ns in "$left" "$right" "$far"; do
    ip netns exec "$ns" sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0 || true
    ip netns exec "$ns" sysctl -qw net.ipv4.icmp_msgs_per_sec=100000 2>/dev/null || true
done
L sysctl -qw net.ipv6.conf.l0.autoconf=0
L sysctl -qw net.ipv4.tcp_fastopen=3
R sysctl -qw net.ipv4.tcp_fastopen=3
place() { # namespace device network host-part
    ip -n "$1" addr add "10.$3.0.$4/24" dev "$2"
    ip -n "$1" addr add "fd00:$3::$4/64" dev "$2" nodad
    ip -n "$1" link set "$2" up
}
place "$left" l0 77 1
place "$right" r0 77 2
place "$right" r1 78 1
place "$far" f0 78 2
ip -n "$left" route add 10.78.0.0/24 via 10.77.0.2
ip -n "$left" route add fd00:78::/64 via fd00:77::2
ip -n "$far" route add 10.77.0.0/24 via 10.78.0.1
ip -n "$far" route add fd00:77::/64 via fd00:78::1
offload() { # on|off, for both ends of the first link
    traffic offload l0 "$1"
    R "$py" "$here/traffic.py" offload r0 "$1"
}
offload off

# ---------------------------------------------------------------- servers

www=$tmp/www
mkdir -p "$www" "$tmp/nginx" /run/sshd
chmod 755 "$www"
printf '<html><body>canary</body></html>\n' >"$www/index.html"
seq 1 1200 >"$www/text.txt"
head -c 40000 /dev/urandom >"$www/big.bin"
head -c 9000 /dev/urandom >"$www/mid.bin"
head -c 200000 /dev/urandom >"$www/huge.bin"
openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=server.example.test \
    -keyout "$tmp/tls.key" -out "$tmp/tls.crt" 2>/dev/null
cat >"$tmp/nginx.conf" <<END
user root;
worker_processes 1;
pid $tmp/nginx/pid;
error_log $tmp/nginx/error.log;
events { worker_connections 256; }
http {
    access_log off;
    client_body_temp_path $tmp/nginx/body;
    proxy_temp_path $tmp/nginx/proxy;
    fastcgi_temp_path $tmp/nginx/fastcgi;
    uwsgi_temp_path $tmp/nginx/uwsgi;
    scgi_temp_path $tmp/nginx/scgi;
    types { text/html html; text/plain txt; application/octet-stream bin; }
    server {
        listen 80; listen [::]:80; listen 443 ssl; listen [::]:443 ssl;
        ssl_certificate $tmp/tls.crt;
        ssl_certificate_key $tmp/tls.key;
        root $www;
        location /post { return 200 "posted\n"; }
        location /moved { return 301 http://server.example.test/index.html; }
        location /login { add_header Set-Cookie "session=canary; HttpOnly"; return 200 "in\n"; }
    }
}
END
R nginx -c "$tmp/nginx.conf" -g 'daemon off;' 2>/dev/null &
R dnsmasq --conf-file=/dev/null --no-daemon --no-resolv --no-hosts --user=root --pid-file= --interface=r0 --interface=lo \
    --local=/test/ --host-record=www.example.test,10.77.0.2,fd00:77::2 --host-record=v6.example.test,fd00:77::2 \
    --mx-host=example.test,mail.example.test,10 --mx-host=mail.example.test,mail.example.test,5 --host-record=mail.example.test,10.77.0.25 \
    --txt-record=txt.example.test,"v=spf1 -all","canary text" --srv-host=_http._tcp.example.test,www.example.test,80,1,2 \
    --cname=alias.example.test,www.example.test --ptr-record=9.0.77.10.in-addr.arpa,nine.example.test --caa-record=example.test,0,issue,ca.example.test \
    --txt-record=long.example.test,"$(head -c 250 /dev/zero | tr '\0' x)","$(head -c 250 /dev/zero | tr '\0' y)","$(head -c 250 /dev/zero | tr '\0' z)" \
    --dhcp-range=10.77.0.100,10.77.0.120,1h --dhcp-range=fd00:77::,ra-only --enable-ra --dhcp-leasefile="$tmp/leases" --dhcp-authoritative --no-ping \
    --enable-tftp --tftp-root="$www" >"$tmp/dnsmasq.log" 2>&1 &
ssh-keygen -q -t ed25519 -N '' -C canary -f "$tmp/host_key"
ssh-keygen -q -t ed25519 -N '' -C canary -f "$tmp/user_key"
cat >"$tmp/sshd_config" <<END
HostKey $tmp/host_key
AuthorizedKeysFile $tmp/user_key.pub
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PidFile none
END
R "$(command -v sshd)" -D -e -f "$tmp/sshd_config" 2>"$tmp/sshd.log" &
R "$py" "$here/traffic.py" serve 2>"$tmp/serve.log" &
F "$py" "$here/traffic.py" serve 2>/dev/null &
ssh_to() { # host command
    L ssh -n -F /dev/null -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR \
        -i "$tmp/user_key" "root@$1" "$2" >/dev/null
}
get() { L curl -sS -k -m 10 -u canary:canary "$@" >/dev/null; }
ask() { L dig +tries=1 +time=1 "$@" >/dev/null || true; }
sleep 1.5

# ---------------------------------------------------------------- capture

# Stamps are kept to the nanosecond; tcpdump prints microseconds of them unless told otherwise.
declare -A running=()
start() { # theme [namespace] [device] [options...]
    local theme=$1 ns=${2:-$left} dev=${3:-l0}
    shift $(($# < 3 ? $# : 3))
    # --immediate-mode, so that nothing waits in a buffer when the capture is stopped.
    ip netns exec "$ns" tcpdump -i "$dev" -Z root --immediate-mode -B 65536 --time-stamp-precision=nano -U \
        -w "$tmp/$theme.pcap" "$@" 2>"$tmp/$theme.err" &
    running[$theme]=$!
    for _ in $(seq 100); do
        grep -q 'listening on' "$tmp/$theme.err" && return
        sleep 0.05
    done
    echo "record.sh: the capture of $theme did not start" >&2
    cat "$tmp/$theme.err" >&2
    exit 1
}
stop() { # theme...
    sleep 0.3
    for theme in "$@"; do
        kill -INT "${running[$theme]}"
        wait "${running[$theme]}" || true
        unset "running[$theme]"
    done
}
forget() { # the neighbours of the left host, so that it has to ask again
    ip -n "$left" neigh flush dev l0 >/dev/null 2>&1 || true
}

do_http() {
    get http://10.77.0.2/index.html http://10.77.0.2/text.txt http://10.77.0.2/missing
    get -I http://10.77.0.2/index.html
    get -d 'user=canary&password=canary' http://10.77.0.2/post
    get -b session=canary -e http://referer.example/ http://10.77.0.2/login
    get -r 10-20 http://10.77.0.2/text.txt
    get -X OPTIONS http://10.77.0.2/
}
do_http_requests() {
    for path in / /index.html /text.txt /missing '/index.html?q=canary&page=2' /moved /login; do
        get "http://10.77.0.2$path" "http://10.77.0.2/mid.bin"
    done
    get -I http://10.77.0.2/text.txt
    get -X DELETE http://10.77.0.2/text.txt
    get -X PUT -d canary http://10.77.0.2/put
    get -d 'user=canary&password=canary' -H 'Cookie: session=canary' http://10.77.0.2/post
    get -F 'file=@'"$www/index.html" http://10.77.0.2/post
    get -g 'http://[fd00:77::2]/index.html'
}
do_dns() {
    for srv in 10.77.0.2 fd00:77::2; do
        for q in "www.example.test A" "www.example.test AAAA" "mail.example.test MX" "example.test MX" "txt.example.test TXT" \
                 "alias.example.test CNAME" "alias.example.test A" "nothing.example.test A" "_http._tcp.example.test SRV" \
                 "example.test CAA" "long.example.test TXT" "9.0.77.10.in-addr.arpa PTR" "www.example.test ANY" "www.example.test SOA" \
                 "outside.invalid A" "example.test DNSKEY" "www.example.test HTTPS" "chaos.test TYPE1234"; do
            # shellcheck disable=SC2086 # a name and a type
            ask @$srv $q
        done
        ask @$srv version.bind TXT CH
        ask @$srv www.example.test A +nocookie +noedns
        ask @$srv www.example.test A +dnssec +cdflag
        ask @$srv www.example.test A +norecurse +subnet=192.0.2.0/24
        ask @$srv long.example.test TXT +bufsize=512 +ignore
        ask @$srv long.example.test TXT +tcp
        ask @$srv www.example.test A +tcp
        ask @$srv nothing.example.test MX +tcp
    done
    ask @10.77.0.2 -p 5454 www.example.test A
}
do_tls() {
    get https://10.77.0.2/index.html https://10.77.0.2/text.txt
    get --tls-max 1.2 https://10.77.0.2/index.html
    get -g 'https://[fd00:77::2]/big.bin'
    L openssl s_client -connect 10.77.0.2:443 -servername server.example.test </dev/null >/dev/null 2>&1 || true
    L openssl s_client -tls1_2 -connect 10.77.0.2:80 </dev/null >/dev/null 2>&1 || true
}
do_ssh() {
    L ssh-keyscan -T 2 10.77.0.2 >/dev/null 2>&1 || true
    ssh_to 10.77.0.2 'seq 1 4000'
    ssh_to fd00:77::2 'echo canary'
}
do_icmp() {
    forget
    traffic ping 10.77.0.2
    traffic ping 10.77.0.2 0 64 1
    traffic ping 10.77.0.2 1472 64 1
    traffic ping 10.77.0.2 5000 64 2
    traffic ping 10.78.0.2 56 1 2
    traffic ping 10.78.0.2 56 64 2
    traffic ping 10.78.0.99 56 64 1
    traffic ping 10.77.0.99 56 64 1 2>/dev/null || true
    ip -n "$right" route add unreachable 10.80.0.0/24
    ip -n "$right" route add prohibit 10.81.0.0/24
    ip -n "$left" route add 10.80.0.0/12 via 10.77.0.2
    traffic ping 10.80.0.1 56 64 1
    traffic ping 10.81.0.1 56 64 1
    traffic datagrams 10.77.0.2
    # A narrower link behind the router: it has to say what fits.
    ip -n "$right" link set r1 mtu 1280
    traffic datagrams 10.78.0.2
    traffic ping 10.78.0.2 1400 64 1
    L curl -s -m 2 -o /dev/null -F "f=@$www/mid.bin" http://10.78.0.2:9000/ || true
    ip -n "$right" link set r1 mtu 1500
    sleep 3.2 # until the router has given up on the host that is not there
}
do_ip6() {
    forget
    traffic ping fd00:77::2
    traffic ping fd00:77::2 5000 64 2
    traffic ping fd00:78::2 56 1 1
    traffic ping fd00:78::2 56 64 1
    traffic ping fd00:78::99 56 64 1
    traffic ping fd00:79::1 56 64 1 2>/dev/null || true
    traffic ping ff02::1%l0 56 1 1
    traffic datagrams fd00:77::2
    ip -n "$right" link set r1 mtu 1280
    traffic ping fd00:78::2 1400 64 2
    traffic datagrams fd00:78::2
    ip -n "$right" link set r1 mtu 1500
    get -g 'http://[fd00:77::2]/index.html'
    traffic bulk fd00:77::2 30000
    ask @fd00:77::2 v6.example.test AAAA
    # An address that has to be tested for doubles, and a multicast group joined on the way.
    ip -n "$left" addr add fd00:77::aaaa/64 dev l0
    sleep 3.5
    ip -n "$left" addr del fd00:77::aaaa/64 dev l0
}
do_arp() {
    for _ in 1 2 3; do
        forget
        traffic ping 10.77.0.2 8 64 1
        sleep 0.1
    done
    traffic ping 10.77.0.99 8 64 1 2>/dev/null || true
    # From the other side, and an address announced on its own.
    ip -n "$right" neigh flush dev r0 >/dev/null 2>&1 || true
    R "$py" "$here/traffic.py" ping 10.77.0.1 8 64 1
    L sysctl -qw net.ipv4.conf.l0.arp_notify=1
    ip -n "$left" link set l0 address 02:00:00:00:77:09
    ip -n "$left" link set l0 address 02:00:00:00:77:01
    craft arp-all
    sleep 3.2
}
do_tcp() {
    traffic bulk 10.77.0.2 500 urgent
    traffic bulk 10.77.0.2 1000 fastopen
    traffic bulk 10.77.0.2 2000 mptcp
    traffic bulk 10.77.0.2 2000 md5
    L sysctl -qw net.ipv4.tcp_ecn=1
    R sysctl -qw net.ipv4.tcp_ecn=1
    traffic bulk 10.77.0.2 2000
    traffic bulk fd00:77::2 2000
    L sysctl -qw net.ipv4.tcp_timestamps=0
    traffic bulk 10.77.0.2 2000
    L sysctl -qw net.ipv4.tcp_timestamps=1 net.ipv4.tcp_ecn=2 net.ipv4.tcp_sack=0 net.ipv4.tcp_window_scaling=0
    R sysctl -qw net.ipv4.tcp_ecn=2
    traffic bulk 10.77.0.2 2000
    L sysctl -qw net.ipv4.tcp_sack=1 net.ipv4.tcp_window_scaling=1
    traffic bulk 10.77.0.2 40000 fetch
    traffic bulk 10.77.0.2 60000
}
do_window() {
    # A reader that sleeps closes the window; the sender probes.
    traffic bulk 10.77.0.2 600000 slow
    sleep 0.5
}
do_retransmit() {
    # The router loses what is sent on to the far host, for a moment, again and again:
    # holes within a window bring selective acknowledgements and fast retransmits.
    local job
    for _ in 1 2 3; do
        traffic bulk 10.78.0.2 300000 paced &
        job=$!
        sleep 0.1
        for _ in 1 2 3; do
            sleep 0.05
            ip -n "$right" route add blackhole 10.78.0.2/32
            sleep 0.01
            ip -n "$right" route del blackhole 10.78.0.2/32
        done
        wait "$job" || true
    done
    sleep 0.7
}
do_timeout() {
    # Here the answers get lost: the sender has to wait for its timer, first for its SYN.
    local job
    ip -n "$right" route add blackhole 10.77.0.1/32
    traffic bulk 10.77.0.2 3000 &
    job=$!
    sleep 1.6
    ip -n "$right" route del blackhole 10.77.0.1/32
    wait "$job" || true
    ssh_to 10.77.0.2 'seq 1 200; sleep 1; seq 1 50' &
    job=$!
    sleep 0.7
    ip -n "$right" route add blackhole 10.77.0.1/32
    sleep 1.4
    ip -n "$right" route del blackhole 10.77.0.1/32
    wait "$job" || true
    traffic bulk 10.77.0.2 12000 paced &
    job=$!
    sleep 0.1
    ip -n "$right" route add blackhole 10.77.0.1/32
    sleep 1.2
    ip -n "$right" route del blackhole 10.77.0.1/32
    wait "$job" || true
}
do_mix() { # a little of everything, within the MTU: for a replay
    forget
    traffic ping 10.77.0.2 56 64 2
    traffic ping fd00:77::2 56 64 2
    traffic ping 10.77.0.2 3000 64 1
    do_http_requests
    ask @10.77.0.2 www.example.test A
    ask @fd00:77::2 nothing.example.test AAAA
    ask @10.77.0.2 long.example.test TXT +tcp
    get https://10.77.0.2/index.html
    L ssh-keyscan -T 2 -t ed25519 10.77.0.2 >/dev/null 2>&1 || true
    traffic datagrams 10.77.0.2
    traffic talk 10.77.0.2
    traffic bulk 10.77.0.2 15000
    craft vlan ip6-ext
}
do_scan() {
    traffic scan 10.77.0.2
}

# ---------------------------------------------------------------- printing

# The manifest says of each file how many packets it was printed from, so that a
# reader can be held to the number.
manifest=$tmp/manifest
: >"$manifest"
# Interfaces are known by their numbers in a capture of all devices, and tcpdump asks the
# machine it prints on for the names: so it prints where they are the right ones.
printing=()
dump() { # theme options...
    local theme=$1
    shift
    # In the folder of the captures, so that no message holds the name of that folder.
    (cd "$tmp" && TZ=UTC "${printing[@]}" tcpdump -nn -r "$theme.pcap" "$@" 2>/dev/null)
}
print_to() { # most-KB file theme options...
    local most=$(($1 * 1024)) file=$2 theme=$3 count low high middle
    shift 3
    count=$(dump "$theme" --count "$@")
    count=${count%% *}
    local -a less=()
    dump "$theme" "$@" >"$tmp/text"
    if [ "$most" -gt 0 ] && [ "$(stat -c %s "$tmp/text")" -gt "$most" ]; then
        # Too long: as many packets as fit.
        low=1 high=$count
        while [ $((high - low)) -gt 1 ]; do
            middle=$(((low + high) / 2))
            if [ "$(dump "$theme" -c "$middle" "$@" | wc -c)" -gt "$most" ]; then high=$middle; else low=$middle; fi
        done
        less=(-c "$low") count=$low
        dump "$theme" "${less[@]}" "$@" >"$tmp/text"
    fi
    mkdir -p "$out/${file%/*}"
    mv "$tmp/text" "$out/$file.txt"
    note "$file.txt" "$count" "-nn${less[*]:+ ${less[*]}}${*:+ $*}"
}
# The folder is to stay small: variants of the flags need few packets, dumps in hex and the
# main file of a theme more, and what frames.py builds is to be there to the last frame.
print() { print_to 7 "$@"; }
hexed() { print_to 13 "$@"; }
long() { print_to 36 "$@"; }
whole() { print_to 0 "$@"; }
note() { # file packets options
    local theme=${1%/*} about
    about=$(awk -F'\t' -v OFS='\t' -v theme="$theme" '$1 == theme { print $2, $3 }' "$here/themes.tsv")
    [ -n "$about" ] || { echo "record.sh: themes.tsv does not say what $theme is" >&2; exit 1; }
    printf '%s\t%s\t%s\t%s\t%s\n' "$version/$1" "$2" "$version" "$3" "$about" >>"$manifest"
}

themes=(http tls ssh dns talk secrets icmp ip6 arp tcp retransmit scan dhcp frames hostile any snap stderr replay layers large)
[ $# -eq 0 ] || themes=("$@")

theme_http() {
    start http; do_http; stop http
    start http-requests; do_http_requests; stop http-requests
    # As most machines are: the card makes the segments and the checksums.
    offload on
    start http-offload; do_http; get http://10.77.0.2/huge.bin; stop http-offload
    offload off
    long http-requests/v http-requests -v
    print http/nn http
    long http/v http -v
    print http/vv http -vv
    print http/vvv http -vvv
    print http/e http -e
    print http/v-e http -v -e
    print http/number http '-#'
    print http/v-number-e-tt http -v '-#' -e -tt
    hexed http/v-X http -v -X
    hexed http/X http -X
    hexed http/v-XX http -v -XX
    hexed http/v-x http -v -x
    hexed http/v-e-X http -v -e -X
    print http/v-K http -v -K
    print http/v-S http -v -S
    print http/S http -S
    print http/tt http -tt
    print http/tttt http -tttt
    hexed http/v-tttt-e-X-number http -v -tttt -e -X '-#'
    print http/v-nano http -v --nano
    print http/v-nano-tttt http -v --nano -tttt
    print http/nano-tt http --nano -tt
    print http/v-t http -v -t
    print http/v-ttt http -v -ttt
    print http/v-ttttt http -v -ttttt
    print http/q http -q
    print http/v-q http -v -q
    long http-offload/v http-offload -v
    print http-offload/vvv-K http-offload -vvv -K
    print http/A http -A
    print http/v-A http -v -A
    # With names instead of numbers; in a namespace, for nobody is to be asked.
    (cd "$tmp" && TZ=UTC L tcpdump -v -c 20 -r http.pcap 2>/dev/null) >"$out/http/v-names.txt"
    note http/v-names.txt 20 "-v -c 20"
}
theme_tls() {
    start tls; do_tls; stop tls
    print tls/nn tls
    long tls/v tls -v
    print tls/v-tt tls -v -tt
    print tls/vvv-S tls -vvv -S
    print tls/v-e-nano-tt tls -v -e --nano -tt
    hexed tls/v-X tls -v -X
}
theme_ssh() {
    start ssh; do_ssh; stop ssh
    print ssh/nn ssh
    long ssh/v ssh -v
    print ssh/v-tttt ssh -v -tttt
    print ssh/vvv ssh -vvv
    print ssh/e-number-tttt ssh -e '-#' -tttt
}
theme_dns() {
    start dns; do_dns; stop dns
    print dns/nn dns
    long dns/v dns -v
    print dns/vv dns -vv
    print dns/vvv dns -vvv
    print dns/v-e dns -v -e
    hexed dns/v-X dns -v -X
    print dns/tt dns -tt
    print dns/v-number-nano dns -v '-#' --nano
    print dns/v-K dns -v -K
}
theme_talk() {
    start talk; traffic talk 10.77.0.2; traffic talk fd00:77::2; stop talk
    print talk/nn talk
    long talk/v talk -v
    print talk/vvv talk -vvv
    hexed talk/v-X talk -v -X
}
theme_secrets() {
    # To the last login: a secret that is cut off cannot leak.
    start secrets; traffic secrets 10.77.0.2; craft secrets; stop secrets
    start secrets6; traffic secrets fd00:77::2; stop secrets6
    whole secrets/nn secrets
    whole secrets/v secrets -v
    whole secrets/vvv secrets -vvv
    whole secrets/v-e secrets -v -e
    whole secrets/v-X secrets -v -X
    whole secrets-ip6/v secrets6 -v
}
theme_icmp() {
    start icmp; do_icmp; stop icmp
    print icmp/nn icmp
    long icmp/v icmp -v
    print icmp/vvv icmp -vvv
    hexed icmp/v-e-X icmp -v -e -X
    print icmp/tttt icmp -tttt
}
theme_ip6() {
    start ip6; do_ip6; stop ip6
    print ip6/nn ip6
    long ip6/v ip6 -v
    print ip6/vv ip6 -vv
    print ip6/vvv ip6 -vvv
    print ip6/v-e ip6 -v -e
    print ip6/v-number-tt ip6 -v '-#' -tt
    hexed ip6/v-X ip6 -v -X
}
theme_arp() {
    start arp; do_arp; stop arp
    print arp/nn arp
    long arp/v arp -v
    print arp/vvv arp -vvv
    print arp/e arp -e
    print arp/v-e-number arp -v -e '-#'
    hexed arp/v-X arp -v -X
}
theme_tcp() {
    start tcp; do_tcp; stop tcp
    print tcp/nn tcp
    long tcp/v tcp -v
    print tcp/vvv-S tcp -vvv -S
    print tcp/v-tt-nano tcp -v -tt --nano
    start window; do_window; stop window
    long window/v window -v
}
theme_retransmit() {
    start retransmit; do_retransmit; stop retransmit
    # Of a long transfer only what tells of a loss: headers long enough for SACK blocks.
    long retransmit-sack/v retransmit -v 'tcp[12] >= 0xb0 or tcp[tcpflags] & (tcp-syn|tcp-fin|tcp-rst) != 0'
    long retransmit/nn retransmit
    start timeout; do_timeout; stop timeout
    long retransmit/v timeout -v
    print retransmit/S-tt timeout -S -tt
}
theme_scan() {
    start scan; do_scan; stop scan
    print scan/nn scan
    print scan/v scan -v
    long scan/v-number scan -v '-#'
    print scan/e-tt scan -e -tt
}
theme_dhcp() {
    start dhcp
    # Router advertisements and leases are answered by dnsmasq, files too.
    L sysctl -qw net.ipv6.conf.l0.accept_ra=1
    traffic lease l0
    L curl -s -m 5 -o /dev/null tftp://10.77.0.2/mid.bin || true
    L curl -s -m 5 -o /dev/null tftp://10.77.0.2/none || true
    # A link that comes up asks for routers.
    ip -n "$left" link set l0 down
    ip -n "$left" link set l0 up
    sleep 2.5
    stop dhcp
    # What the link going down has taken away.
    ip -n "$left" addr replace fd00:77::1/64 dev l0 nodad
    ip -n "$left" route replace fd00:78::/64 via fd00:77::2
    ip -n "$left" route replace 10.78.0.0/24 via 10.77.0.2
    print dhcp/nn dhcp
    long dhcp/v dhcp -v
    print dhcp/vvv-e dhcp -vvv -e
}
theme_frames() {
    local set
    for set in vlan ip6-ext ip4-opts tcp-opts tcp-flags udp-odd icmp-all icmp6-all damaged link tunnels protos; do
        start "$set"; craft "$set"; stop "$set"
        whole "$set/nn" "$set"
        whole "$set/v" "$set" -v
    done
    print vlan/v-e vlan -v -e
    print vlan/e vlan -e
    hexed vlan/v-e-X-number vlan -v -e -X '-#'
    print ip6-ext/vv ip6-ext -vv
    print ip6-ext/v-e-tttt ip6-ext -v -e -tttt
    hexed ip6-ext/v-X ip6-ext -v -X
    print ip4-opts/vvv ip4-opts -vvv
    print ip4-opts/v-K ip4-opts -v -K
    hexed ip4-opts/v-X ip4-opts -v -X
    long tcp-options/v-nano-tt tcp-opts -v --nano -tt
    print tcp-opts/vvv-S tcp-opts -vvv -S
    hexed tcp-opts/v-X tcp-opts -v -X
    print tcp-flags/S tcp-flags -S
    print tcp-flags/v-K tcp-flags -v -K
    print udp-odd/vv udp-odd -vv
    print udp-odd/v-K udp-odd -v -K
    print icmp-all/vvv icmp-all -vvv
    print icmp-all/v-e icmp-all -v -e
    print icmp6-all/vv icmp6-all -vv
    print icmp6-all/vvv-e icmp6-all -vvv -e
    print damaged/v-e damaged -v -e
    hexed damaged/v-X damaged -v -X
    print damaged/vvv-tt damaged -vvv -tt
    print link/vv-e link -vv -e
    print link/e link -e
    hexed link/v-number-X link -v '-#' -X
    print link/vvv link -vvv
    print tunnels/v-e tunnels -v -e
    print tunnels/vvv tunnels -vvv
    hexed tunnels/v-X tunnels -v -X
    whole vxlan/v tunnels -v udp port 4789 or udp port 4790
    print vxlan/v-e tunnels -v -e udp port 4789 or udp port 4790
    print protos/vv protos -vv
    print protos/vvv protos -vvv
    print protos/v-e-number protos -v -e '-#'
    hexed protos/v-X protos -v -X
}
theme_hostile() {
    start hostile; craft hostile; stop hostile
    start hostile-real; traffic hostile 10.77.0.2; traffic hostile fd00:77::2; stop hostile-real
    whole hostile/nn hostile
    whole hostile/v hostile -v
    print hostile-real/nn hostile-real
    long hostile-real/v hostile-real -v
    local set
    for set in hostile hostile-real; do
        print "$set/vvv" "$set" -vvv
        hexed "$set/v-X" "$set" -v -X
        print "$set/v-e-tttt-number" "$set" -v -e -tttt '-#'
    done
    print hostile/tt-nano hostile --nano -tt
    print hostile/A hostile -A
}
theme_any() {
    # Every device of the host at once: the link type is then the cooked one.
    offload on
    start any "$right" any
    start cooked "$right" any -y LINUX_SLL
    start loopback "$right" lo
    forget
    traffic ping 10.77.0.2
    traffic ping 10.78.0.2
    traffic ping fd00:78::2
    traffic ping 10.77.0.2 4000 64 1
    do_http
    ask @10.77.0.2 www.example.test A
    ask @fd00:77::2 mail.example.test MX
    R curl -s -o /dev/null http://127.0.0.1/index.html
    R curl -s -o /dev/null -g 'http://[::1]/text.txt'
    R dig +tries=1 +time=1 @127.0.0.1 www.example.test A >/dev/null || true
    R "$py" "$here/traffic.py" ping 127.0.0.1 56 64 1
    R "$py" "$here/traffic.py" datagrams ::1
    traffic scan 10.77.0.2
    craft vlan arp-all
    stop any cooked loopback
    offload off
    printing=(ip netns exec "$right")
    print any/nn any
    long any/v any -v
    long any/v-e any -v -e
    print any/e-tttt-number any -e -tttt '-#'
    print any/vvv any -vvv
    hexed any/v-X any -v -X
    print any/v-nano-tt any -v --nano -tt
    print cooked/v cooked -v
    print cooked/v-e cooked -v -e
    print loopback/v loopback -v
    print loopback/e loopback -e
    printing=()
}
theme_snap() {
    # Captures cut short: at 10 (within the Ethernet header), 20, 40, 60, 80 and 120 bytes.
    local n
    for n in 10 20 40 60 80 120; do start "snap$n" "$left" l0 -s "$n"; done
    forget
    traffic ping 10.77.0.2
    traffic ping fd00:77::2 56 64 2
    get http://10.77.0.2/index.html
    get -g 'http://[fd00:77::2]/index.html'
    ask @10.77.0.2 www.example.test A
    ask @fd00:77::2 mail.example.test MX
    get https://10.77.0.2/index.html
    traffic datagrams 10.77.0.2
    craft vlan arp-all tunnels
    stop snap10 snap20 snap40 snap60 snap80 snap120
    for n in 10 20; do
        print "snap$n/nn" "snap$n"
        print "snap$n/v-e" "snap$n" -v -e
    done
    for n in 40 60 80 120; do
        print "snap$n/nn" "snap$n"
        print "snap$n/v" "snap$n" -v
        print "snap$n/vvv-e" "snap$n" -vvv -e
    done
    hexed snap40/v-X snap40 -v -X
    print snap60/v-tttt-number snap60 -v -tttt '-#'
}
live() { # file namespace device options... : printed as it comes, with tcpdump's own lines among it
    local file=$1 ns=$2 dev=$3
    shift 3
    mkdir -p "$out/${file%/*}"
    TZ=UTC ip netns exec "$ns" tcpdump -nn -l -i "$dev" -Z root --immediate-mode "$@" >"$out/$file.txt" 2>&1 &
    running[live]=$!
    sleep 1
    get http://10.77.0.2/index.html
    ask @10.77.0.2 www.example.test A
    traffic ping 10.77.0.2 56 64 8
    ask @10.77.0.2 mail.example.test MX
    sleep 0.3
    # Those that have not stopped by -c are stopped as by the key.
    kill -INT "${running[live]}" 2>/dev/null || true
    wait "${running[live]}" || true
}
theme_stderr() {
    live stderr/v "$left" l0 -v -c 30
    note stderr/v.txt 30 "-nn -v -l -i l0 -c 30 2>&1"
    live stderr/nn "$left" l0 -c 20
    note stderr/nn.txt 20 "-nn -l -i l0 -c 20 2>&1"
    live stderr-any/v-e "$left" any -v -e -c 24
    note stderr-any/v-e.txt 24 "-nn -v -e -l -i any -c 24 2>&1"
    live stderr-interrupted/v "$left" l0 -v icmp
    note stderr-interrupted/v.txt "$(grep -cE '^[0-9]{2}:' "$out/stderr-interrupted/v.txt")" "-nn -v -l -i l0 icmp 2>&1, stopped by SIGINT"
    (cd "$tmp" && start mini && ask @10.77.0.2 www.example.test A && stop mini)
    mkdir -p "$out/stderr-read"
    (cd "$tmp" && TZ=UTC tcpdump -nn -v -r mini.pcap) >"$out/stderr-read/v.txt" 2>&1
    note stderr-read/v.txt "$(tcpdump --count -r "$tmp/mini.pcap" 2>/dev/null | cut -d' ' -f1)" "-nn -v -r mini.pcap 2>&1"
}
theme_replay() {
    # Microseconds here, for replayers that know no other.
    start replay "$left" l0 --time-stamp-precision=micro
    do_mix
    stop replay
    mkdir -p "$out/mix"
    cp "$tmp/replay.pcap" "$out/mix/replay.pcap"
    note mix/replay.pcap "$(tcpdump --count -r "$tmp/replay.pcap" 2>/dev/null | cut -d' ' -f1)" "(capture, Ethernet, microseconds)"
    long mix/v replay -v
    hexed mix/v-S-K-e-X-number-nano-tttt replay -v -S -K -e -X '-#' --nano -tttt
    print mix/nn-tt-e replay -tt -e
}
# Every link layer that tcpdump has a printer for: a capture of each, all in one text.
theme_layers() {
    "$py" "$here/layers.py" "$tmp/layers"
    local flags name capture
    mkdir -p "$out/layers"
    for flags in "" -v -e "-v -e" -q "-q -e" -vvv "-vvv -e"; do
        # "-v -e" makes v-e-tt.
        name=$(tr ' ' '-' <<<"${flags//-/}${flags:+ }tt")
        for capture in "$tmp"/layers/*.pcap; do
            # shellcheck disable=SC2086 # options, apart
            TZ=UTC tcpdump -nn -tt $flags -r "$capture" 2>/dev/null
        done >"$out/layers/$name.txt"
        note "layers/$name.txt" "$(grep -c '^17000000' "$out/layers/$name.txt")" "-nn -tt${flags:+ $flags}"
    done
}
theme_large() {
    start large
    traffic load 10.77.0.2 fd00:77::2 "$large_seconds" 2>"$tmp/load.err" &
    local job=$! end=$((SECONDS + large_seconds))
    while [ $SECONDS -lt $end ]; do
        forget
        ssh_to 10.77.0.2 'seq 1 9000' || true
        sleep 0.4
    done
    wait "$job"
    stop large
    (cd "$tmp" && TZ=UTC tcpdump -nn -v -c "$large_packets" -r large.pcap 2>/dev/null) >"$tmp/large.txt"
    mkdir -p "$out/large"
    note large/v.txt.zst "$(tcpdump --count -c "$large_packets" -r "$tmp/large.pcap" 2>/dev/null | cut -d' ' -f1)" "-nn -v -c $large_packets"
    # A file that is kept is worth the wait for the high level.
    zstd -q -19 -f "$tmp/large.txt" -o "$out/large/v.txt.zst"
    stat -c 'record.sh: %s bytes: %n' "$tmp/large.txt" "$out/large/v.txt.zst"
}
# So many seconds and packets make 10 to 16 MB of text.
large_seconds=15
large_packets=60000

for theme in "${themes[@]}"; do
    echo "record.sh: $theme ($SECONDS s)"
    "theme_$theme"
done
# Themes recorded alone must not take the others out of the manifest, nor one version another.
if [ -e "$samples/MANIFEST.tsv" ]; then
    awk -F'\t' 'NR == FNR { new[$1] = 1; print; next } FNR > 1 && !($1 in new)' "$manifest" "$samples/MANIFEST.tsv" >"$tmp/merged"
else
    cp "$manifest" "$tmp/merged"
fi
{ printf 'file\tpackets\ttcpdump\toptions\tmade by\tshows\n'; LC_ALL=C sort "$tmp/merged"; } >"$samples/MANIFEST.tsv"
cat "$tmp/serve.log" >&2
echo "record.sh: done in $SECONDS s, $(wc -l <"$manifest") files"

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A hostile client of the failover IP, without a login and with one: what it sends ends its own connection at once, with the
# alert or the status that says why, and is nobody else's business.
# alone: it compares round trips in milliseconds
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
vip=198.51.100.10 host=vpn.example.net

cat >"$files/client.py" <<'PYTHON'
"""What the attacks share: connections, requests, logins, tunnels."""
import re, socket, ssl, struct, sys, time

VIP, HOST = "198.51.100.10", "vpn.example.net"
SLOW = int(sys.argv[1])
PATIENCE = 20 * SLOW
AT_ONCE = 4 * SLOW  # well below every deadline of a listener, 10 s
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE


def tcp(source=None):
    s = socket.create_connection((VIP, 443), PATIENCE, (source, 0) if source else None)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def tls(source=None):
    return context.wrap_socket(tcp(source), server_hostname=HOST)


def rest(s):
    """All that comes until the other end closes, however it does; a time-out is an error."""
    out = b""
    try:
        while piece := s.recv(65536):
            out += piece
    except (ConnectionError, ssl.SSLError):
        pass
    return out


def ask(data, source=None):
    """The answers on a connection of its own, until the server ends it, and how long that took."""
    with tls(source) as s:
        begin = time.monotonic()
        s.sendall(data)
        return rest(s), time.monotonic() - begin


def post(path, body, headers=""):
    return (f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n{headers}"
            f"Content-Length: {len(body)}\r\n\r\n{body}").encode()


def login(user, password="right-1", source=None):
    """The cookie, or what the page says instead."""
    answer, _ = ask(post("/auth", f"username={user}&password={password}&group_list=staff"), source)
    cookie = re.search(rb"webvpn=([0-9a-f]{64})", answer)
    error = re.search(rb'role="alert">([^<]*)<', answer)
    return cookie.group(1).decode() if cookie else (error.group(1) if error else answer.split(b"\r\n")[0]).decode()


def tunnel(cookie):
    """A connection behind CONNECT, and the head of the answer."""
    s, head = tls(), b""
    s.sendall(f"CONNECT /CSCOSSLC/tunnel HTTP/1.1\r\nHost: {HOST}\r\nCookie: webvpn={cookie}\r\nX-CSTP-Version: 1\r\n"
              "X-CSTP-Address-Type: IPv6,IPv4\r\n\r\n".encode())
    while b"\r\n\r\n" not in head:
        piece = s.recv(65536)
        if not piece:
            break
        head += piece
    return s, head.decode()


def status(answer):
    return int((answer.decode("latin-1") if isinstance(answer, bytes) else answer).split()[1])


def frame(kind, payload=b"", magic=b"STF\x01", length=None, end=0):
    return magic + struct.pack(">HBB", len(payload) if length is None else length, kind, end) + payload


def is_alive(s):
    s.settimeout(PATIENCE)
    s.sendall(frame(3, b"still there?"))
    return s.recv(65536) == frame(4, b"still there?")


def check(is_good, *said):
    if not is_good:
        print(*said)
        sys.exit(1)
PYTHON

cat >"$files/tls.py" <<'PYTHON'
from client import *
import os


def hello():
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    peer = context.wrap_bio(incoming, outgoing, server_hostname=HOST)
    try:
        peer.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return peer, incoming, outgoing, outgoing.read()


def handshake(s, peer, incoming, outgoing):
    while True:
        try:
            peer.do_handshake()
            s.sendall(outgoing.read())
            return
        except ssl.SSLWantReadError:
            s.sendall(outgoing.read())
            incoming.write(s.recv(65536))


def ends_with_alert(data):
    with tcp() as s:
        begin = time.monotonic()
        try:
            s.sendall(data)
        except ConnectionError:
            pass
        answer = rest(s)
        return answer[:1] == b"\x15" and time.monotonic() - begin < AT_ONCE


if sys.argv[2] == "pieces":
    # Each byte a segment; then each byte a record.
    for cut in (lambda b: [bytes([c]) for c in b], lambda b: [b"\x16\x03\x01\x00\x01" + bytes([c]) for c in b[5:]]):
        peer, incoming, outgoing, first = hello()
        with tcp() as s:
            for piece in cut(first):
                s.send(piece)
            handshake(s, peer, incoming, outgoing)
            check(peer.version() in ("TLSv1.2", "TLSv1.3"), peer.version())
elif sys.argv[2] == "alerts":
    _, _, _, first = hello()
    check(ends_with_alert(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP")
    check(ends_with_alert((b"\x16\x03\x01\x40\x00\x01\xff\xff\xff" + bytes(16380)) * 12), "a hello of 16 MiB")
    check(ends_with_alert(first[:60] + os.urandom(len(first) - 60)), "a damaged hello")
    check(ends_with_alert(b"\x17\x03\x03\x00\x20" + os.urandom(32)), "data before a handshake")
    check(ends_with_alert(b"\x16\x03\x01\xff\xff" + bytes(70000)), "a record that is too long")
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    try:
        with tcp() as s:
            old.wrap_socket(s)
        check(False, "TLS 1.1 was taken")
    except ssl.SSLError as error:
        check("ALERT_PROTOCOL_VERSION" in str(error), error)
    # Who names other protocols only does not speak HTTP/1.
    for names, wanted in ((["http/1.0"], "http/1.0"), (["h2", "http/1.1"], "http/1.1"), (["h2", "acme-tls/1"], None)):
        other = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        other.check_hostname, other.verify_mode = False, ssl.CERT_NONE
        other.set_alpn_protocols(names)
        try:
            with other.wrap_socket(tcp(), server_hostname=HOST) as s:
                check(wanted is not None and s.selected_alpn_protocol() == wanted, names, s.selected_alpn_protocol())
        except ssl.SSLError as error:
            check(wanted is None and "no application protocol" in str(error).lower().replace("_", " "), names, error)
elif sys.argv[2] == "waiting":
    # The round trip of a connection that lives, alone and beside a thousand handshakes that do not go on.
    def median_ms(s):
        took = []
        for _ in range(40):
            begin = time.monotonic()
            s.sendall(f"GET /healthz HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
            answer = s.recv(65536)
            check(answer.startswith(b"HTTP/1.1 200 "), answer)
            took.append(time.monotonic() - begin)
        return sorted(took)[20] * 1000

    def is_open(s):
        try:
            s.setblocking(False)
            return s.recv(1) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False

    _, _, _, first = hello()
    with tls() as s:
        before = median_ms(s)
        held = []
        for i in range(1000):
            h = tcp(f"198.51.100.{100 + i % 20}")
            h.sendall(first[: i % len(first)])
            held.append(h)
        during = median_ms(s)
        live = sum(is_open(h) for h in held)
        print(f"# the round trip is {before:.2f} ms alone, {during:.2f} ms beside {live} half-open handshakes")
        check(live > 500, "they were let go too soon")
        check(during < 3 * before + 5 * SLOW, "slowed down")
PYTHON

cat >"$files/http.py" <<'PYTHON'
from client import *

H = f"Host: {HOST}\r\n".encode()
P = b"POST /auth HTTP/1.1\r\n" + H
CHUNKED = b"Transfer-Encoding: chunked\r\n"
cases = [
    (200, b"GET / HTTP/1.0\r\n\r\n"),
    (400, b"GET /\r\n"),  # HTTP/0.9 sends no more than that
    (400, b"GET / HTTP/1.1\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\n" + H + H + b"\r\n"),
    (400, b"GET / HTTP/1.1\n" + H),
    (400, b"GET / HTTP/1.1\r\n" + H + b"X: a\r\n b\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\n" + H + b"X: a\0b\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\n" + H + b"X : a\r\n\r\n"),
    (400, b"\x00\x01\x02\x03"),
    (505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    (431, b"GET / HTTP/1.1\r\n" + H + b"X: a\r\n" * 100 + b"\r\n"),
    (431, b"GET / HTTP/1.1\r\n" + H + b"X: " + b"a" * 9000),
    (414, b"GET /" + b"a" * 9000),
    (501, b"A" * 9000),
    (501, b"BREW / HTTP/1.1\r\n" + H + b"\r\n"),
    (200, b"GET / HTTP/1.2\r\nConnection: close\r\n" + H + b"\r\n"),
    # what two servers in a row could read in two ways
    (400, P + b"Content-Length: 5\r\n" + CHUNKED + b"\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\n" + H + b"\r\n"),
    (400, P + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef"),
    (400, P + b"Content-Length: 5, 5\r\n\r\nabcde"),
    (400, P + b"Content-Length: +5\r\n\r\nabcde"),
    (400, P + b"Content-Length: 0x5\r\n\r\nabcde"),
    (400, P + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
    (400, P + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n"),
    (400, P + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    (501, P + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    (400, P.replace(b"1.1", b"1.0") + CHUNKED + b"\r\n0\r\n\r\n"),
    (400, P + CHUNKED + b"\r\n3 garbage\r\nabc\r\n0\r\n\r\n"),
    (400, P + CHUNKED + b"\r\n3 \r\nabc\r\n0\r\n\r\n"),
    (400, P + CHUNKED + b"\r\n3\nabc\r\n0\r\n\r\n"),
    (400, P + CHUNKED + b"\r\n3\r\nabcd\r\n0\r\n\r\n"),
    (413, P + CHUNKED + b"\r\nffffffffffffffff\r\n"),
    (413, P + b"Content-Length: 18446744073709551617\r\n\r\n"),
    (413, P + b"Content-Length: 100000\r\n\r\n"),
]
for wanted, request in cases:
    answer, took = ask(request)
    check(answer.startswith(b"HTTP/1.1 %d " % wanted) and answer.count(b"HTTP/1.1 ") == 1 and took < AT_ONCE,
          f"wanted {wanted} at once, has {answer[:40]!r} after {took:.1f} s, of {request[:80]!r}")
# What comes behind a refusal is not looked at; what comes behind a good request is, in order.
get = b"GET /healthz HTTP/1.1\r\n" + H
answer, _ = ask(get + b"\r\n" + b"GET /nothing HTTP/1.1\r\n" + H + b"\r\nBAD\r\n\r\n" + get + b"\r\n")
said = re.findall(rb"HTTP/1\.1 (\d+) ", answer)
check(said == [b"200", b"404", b"400"], said)
PYTHON

cat >"$files/vpn.py" <<'PYTHON'
from client import *


def v4(source, to="192.0.2.20"):
    head = struct.pack(">BBHHHBBH", 0x45, 0, 28, 1, 0, 64, 17, 0) + socket.inet_aton(source) + socket.inet_aton(to)
    total = sum(struct.unpack(">10H", head))
    total = (total & 0xFFFF) + (total >> 16)
    return head[:10] + struct.pack(">H", ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF) + head[12:] + bytes(8)


def v6(source, to="2001:db8:100::20"):
    return struct.pack(">IHBB", 6 << 28, 8, 17, 64) + b"".join(socket.inet_pton(socket.AF_INET6, a) for a in (source, to)) + bytes(8)


def header(head, name):
    return re.search(rf"(?im)^{name}: (\S+)", head).group(1)


what = sys.argv[2]
if what == "spoof":
    s, head = tunnel(login("anna"))
    check(status(head) == 200, head)
    sources = ["10.9.0.250", "10.9.0.1", "198.51.100.10", "192.0.2.1", "127.0.0.1", "0.0.0.0", "255.255.255.255"]
    sources6 = ["fd00:9::ffff", "fe80::1", "::1", "::", "ff02::1", "::ffff:10.9.0.10", "2001:db8:100::10"]
    for packet in [v4(a) for a in sources] + [v6(a) for a in sources6]:
        s.sendall(frame(0, packet))
    own = v4(header(head, "X-CSTP-Address"))
    # Lengths and versions that lie, in packets with the right address.
    for packet in (b"", own[:19], own + b"x", b"\x4f" + own[1:], b"\x05" + own[1:], v6("fd00:9::10")[:39]):
        s.sendall(frame(0, packet))
    check(is_alive(s), "the tunnel ended")
    print("sent", len(sources) + len(sources6) + 6)
    # The account is told when something moves; it is read while the tunnel stands.
    sys.stdout.flush()
    sys.stdin.read()
elif what == "frames":
    calm, _ = tunnel(login("anna"))
    cookie = login("bert")
    bad = [frame(0, b"a", magic=b"STF\x02"), frame(0, b"abc", length=2000), frame(0, b"abc", length=1), frame(0, end=1), b"STF",
           frame(8, b"abc"), frame(3, b"a") + frame(3, b"b"), b"GET / HTTP/1.1\r\n\r\n"]
    for data in bad:
        s, head = tunnel(cookie)
        check(status(head) == 200, data, head)
        begin = time.monotonic()
        s.sendall(data)
        check(not [n for n in (rest(s),) if n] and time.monotonic() - begin < AT_ONCE, data)
        s.close()
    s, head = tunnel(cookie)
    check(status(head) == 200 and is_alive(s), "its session is gone")
    check(is_alive(calm), "somebody else's tunnel is gone")
elif what == "cookies":
    mine, other = login("anna"), login("bert")
    flipped = [mine[:i] + format(int(mine[i], 16) ^ 1, "x") + mine[i + 1:] for i in (0, 31, 63)]
    for cookie in flipped + ["", mine[:-1], mine + "0", "0" * 64, mine[:32], f"{mine}; webvpn={other}", mine[:10] + "%00" + mine[13:]]:
        s, head = tunnel(cookie)
        check(status(head) == 401, cookie, head)
    # Two clients with one cookie: the later one has the session, and the address is still one client's.
    first, head1 = tunnel(mine)
    second, head2 = tunnel(mine)
    check(header(head1, "X-CSTP-Address") == header(head2, "X-CSTP-Address"), head1, head2)
    check(rest(first) == b"", "the first one was told something")
    check(is_alive(second), "the second one ended")
elif what == "limits":
    # The pool has three addresses.
    said = [login(u) for u in ("anna", "anna", "bert", "bert")]
    check([len(s) == 64 for s in said] == [True, True, True, False], said)
    check("no address left" in said[3], said[3])
    answer, _ = ask(post("/logout", "", f"User-Agent: OpenConnect\r\nCookie: webvpn={said[0]}\r\n"))
    check(status(answer) in (200, 303), answer)
    check(len(login("bert")) == 64, "an address that is free again is not given")
elif what == "portal":
    cookie = login("anna")
    pages = [f"GET / HTTP/1.0\r\nCookie: webvpn={cookie}\r\n\r\n".encode(), b"GET / HTTP/1.0\r\n\r\n", b"GET /none HTTP/1.0\r\n\r\n",
             post("/auth", "username=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&password=x&group_list=staff"),
             post("/auth", "username=a&password=x&group_list=%3Cscript%3E"), b"BAD\r\n\r\n"]
    for page in pages:
        answer, _ = ask(page)
        check(b"<script" not in answer and b"X-Frame-Options: DENY" in answer and b"frame-ancestors 'none'" in answer and
              b"default-src 'none'" in answer and b"nosniff" in answer, page, answer)
    check(b"&lt;script&gt;" in ask(pages[0])[0], "(the banner is shown)")
    for name in ("username", "password", "group_list"):
        answer, _ = ask(post("/auth", f"username=a&password=b&group_list=staff&{name}=a%0d%0aX-Evil:%20yes"))
        check(status(answer) == 400 and b"X-Evil" not in answer, name, answer)
elif what == "guesses":
    # A few get to the comparison, the rest meets a lock; names and addresses vary.
    left = int(sys.argv[3])
    while left > 0:
        with tls(f"198.51.100.{100 + left // 50 % 4}") as s:
            for _ in range(50):
                left -= 1
                body = f"username=user{left % 500}&password=wrong&group_list=staff"
                s.sendall(post("/auth", body).replace(b"Connection: close\r\n", b""))
                answer = b""
                while b"</html>" not in answer:
                    piece = s.recv(65536)
                    check(piece, "hung up")
                    answer += piece
                check(status(answer) in (200, 503), answer)
PYTHON

hostile() { # hostile SCRIPT CASE...
	local script=$1
	shift
	lab exec client env PYTHONDONTWRITEBYTECODE=1 timeout $((60 * slow)) python3 "$files/$script.py" "$slow" "$@"
}
nobody_is_logged_in() {
	asafo a vpn-sessiondb logoff all >/dev/null 2>&1
	[ "$(asafo a --json show vpn-sessiondb | jq '.sessions | length')" = 0 ]
}
fresh() { until_true 10 nobody_is_logged_in || not_ok "nobody is logged in"; }
dropped() { asafo a --json show vpn-sessiondb | jq '[.sessions[].dropped] | add'; }
dropped_are() { [ "$(dropped)" = "$1" ]; }
# Every process that hears of a client.
pids() {
	local p
	for p in $(ip netns pids "asafo-$LAB-a" | sort -n); do
		case $(cat "/proc/$p/comm" 2>/dev/null) in asafo-engine | asafo-front | asafo-auth) echo "$p" ;; esac
	done
}
memory_kb() { for pid in $(pids); do awk '/^VmRSS/ { print $2 }' "/proc/$pid/status"; done | awk '{ n += $1 } END { print n }'; }

pair_up
make_ca corp && make_p12 corp vpn
expect "a trustpoint" import a vpn vpn
configure() {
	asafo a configure <<'CONFIG'
ip local pool P 10.9.0.10-10.9.0.12 mask 255.255.255.0
ipv6 local pool P6 fd00:9::10/64 100
group-policy GP internal
group-policy GP attributes
 banner value </p><script>alert(1)</script>
 vpn-simultaneous-logins 3
tunnel-group staff type remote-access
tunnel-group staff general-attributes
 address-pool P
 ipv6-address-pool P6
 default-group-policy GP
tunnel-group staff webvpn-attributes
 group-alias staff enable
username anna password right-1
username bert password right-1
ssl trust-point vpn outside
webvpn
 enable outside
 anyconnect enable
CONFIG
}
expect "users, a small pool, and a banner that is no text" configure
until_true 10 serves $vip corp "$(fingerprint_of "$files/vpn.pem")"
for n in $(seq 100 119); do lab exec client ip address add "198.51.100.$n/24" dev eth0; done
before=$(pids)

expect "a handshake in pieces of a byte is a handshake" hostile tls pieces
expect "one that fails has its alert at once" hostile tls alerts
if said=$(hostile tls waiting); then ok "a thousand half-open handshakes do not slow down who is there"; else
	not_ok "a thousand half-open handshakes do not slow down who is there: $said"
fi
echo "$said" | grep '^#'
same "no ticket allows early data" "$(lab exec client openssl s_client -connect $vip:443 -servername $host -ign_eof \
	<<<$'GET / HTTP/1.0\r\n\r' 2>/dev/null | sed -n 's/^ *Max Early Data: //p' | sort -u)" 0
expect "a malformed request has its 4xx at once, and nothing behind it is read" hostile http

expect "no name, group or banner gets out of its place, and no page into a frame" hostile vpn portal
fresh
expect "a cookie that is nobody's is 401, and one that two have is the later one's" hostile vpn cookies
fresh
expect "a malformed frame ends its tunnel, and nothing else" hostile vpn frames
expect "and the log says why" grep -q 'the tunnel is closed: .*CSTP' "/run/asafo-lab-$LAB/a/log"
fresh
mkfifo "$files/go"
hostile vpn spoof <"$files/go" >"$files/spoof" 2>&1 &
spoofer=$!
exec 8>"$files/go"
expect "packets with an address that is not one's own" until_true 20 grep -q '^sent' "$files/spoof"
expect "are dropped, and counted" until_true 20 dropped_are "$(awk '/^sent/ { print $2 }' "$files/spoof")"
exec 8>&-
wait "$spoofer"
fresh
expect "a pool that is empty is said to be, and what is free again is given" hostile vpn limits
fresh

# Once before, so that what is made at first use is made.
expect "guesses" hostile vpn guesses 1000
kb=$(memory_kb)
expect "and ten times as many" hostile vpn guesses $((10000 / slow))
# A sanitizer keeps what was freed for a while.
[ "$slow" -gt 1 ] || expect "the memory did not grow with them ($kb to $(memory_kb) KiB)" test "$(memory_kb)" -lt $((kb + 4096))
same "nobody died" "$(pids)" "$before"
expect "the certificate is served" serves $vip corp "$(fingerprint_of "$files/vpn.pem")"
done_testing

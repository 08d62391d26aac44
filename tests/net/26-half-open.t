#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A thousand handshakes that begin and do not go on, from twenty addresses, in several states: a tunnel that is up does not notice
# them, somebody else gets in beside them, and after their time they are gone. Then five thousand of one address.
# alone: it measures the longest answer of a ping
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
vip=198.51.100.10 inside=192.0.2.20
# shellcheck source=openconnect.sh
. "$(dirname "$0")/openconnect.sh"
openconnect_or_skip

# Nothing, a record's header, and all of a ClientHello but its last byte: each third of them one.
cat >"$files/half.py" <<'PYTHON'
import signal, socket, ssl, sys

vip, n, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
context = ssl.create_default_context()
incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
half = context.wrap_bio(incoming, outgoing, server_hostname="vpn.example.net")
try:
    half.do_handshake()
except ssl.SSLWantReadError:
    pass
hello = outgoing.read()
kept = []
for i in range(n):
    s = socket.create_connection((vip, 443), seconds, (f"198.51.100.{100 + i % 20}", 0))
    s.sendall((b"", hello[:5], hello[:-1])[i % 3])
    kept.append(s)
print("held", flush=True)
signal.pause()
PYTHON
connections() { lab exec a ss -Htn state established '( sport = :443 )' | wc -l; }
connections_at_least() { [ "$(connections)" -ge "$1" ]; }
connections_at_most() { [ "$(connections)" -le "$1" ]; }
cat >"$files/flood.py" <<'PYTHON'
import resource, signal, socket, sys

resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
vip, source, n, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
kept = [socket.create_connection((vip, 443), seconds, (source, 0)) for _ in range(n)]
print("held", flush=True)
signal.pause()
PYTHON
front_kb() {
	local pid
	for pid in $(ip netns pids "asafo-$LAB-a"); do
		[ "$(cat "/proc/$pid/comm" 2>/dev/null)" != asafo-front ] || awk '/^VmRSS/ { print $2 }' "/proc/$pid/status"
	done | awk '{ n += $1 } END { print n }'
}
flood() { # NAME: five thousand connections of 198.51.100.99, held until flood_end
	lab exec client python3 "$files/flood.py" $vip 198.51.100.99 5000 $((30 * slow)) >"$files/$1" 2>&1 &
	until_true $((30 * slow)) grep -q held "$files/$1"
}
flood_end() {
	kill "$(pgrep -f "$files/flood.py")" 2>/dev/null
	until_true 30 connections_at_most 5
}
pings() { lab exec client ping -q -i 0.05 -c 60 -W $((2 * slow)) $inside >"$files/ping"; }
lost() { sed -n 's/.* \([0-9]*\)% packet loss.*/\1/p' "$files/ping"; }
longest_ms() { sed -n 's!^rtt .*/\([0-9]*\)\.[0-9]*/[^/]*$!\1!p' "$files/ping"; }

pair_up
make_ca corp && make_p12 corp vpn
expect "a trustpoint" import a vpn vpn
expect "on both units" asafo a write-standby
expect "a group, a pool and a user" vpn_configure
for ((i = 100; i < 120; i++)); do lab exec client ip address add 198.51.100.$i/24 dev eth0; done
lab exec client ip route delete 192.0.2.0/24
script_make
until_true 10 serves $vip corp "$(fingerprint_of "$files/vpn.pem")"
openconnect_start
expect "a tunnel is up" until_true 30 test -s "$files/up"
expect "it reaches the inside" until_true 10 pings
echo "# without them the longest of 60 answers took $(longest_ms) ms"
lab exec client python3 "$files/half.py" $vip 1000 $((30 * slow)) >"$files/half" 2>&1 &
expect "a thousand handshakes stand still" until_true 30 grep -q held "$files/half"
expect "(at the unit, too)" connections_at_least 900
expect "the tunnel goes on" pings
expect "(they stood still all the while)" connections_at_least 900
echo "# with $(connections) connections the longest took $(longest_ms) ms"
same "and loses nothing" "$(lost)" 0
expect "nor is it slow" test "$(longest_ms)" -lt $((100 * slow))
expect "somebody else gets in" serves $vip corp "$(fingerprint_of "$files/vpn.pem")"
expect "they are let go when their time is over" until_true 30 connections_at_most 5
expect "the tunnel is still up" pings

lab exec client ip address add 198.51.100.99/24 dev eth0
kb=$(front_kb)
expect "five thousand connections of one stranger's address" flood first
expect "(most of them are at the unit)" connections_at_least 2500
echo "# $(connections) connections, $kb and $(front_kb) KiB"
expect "somebody else gets in" serves $vip corp "$(fingerprint_of "$files/vpn.pem")"
expect "the tunnel goes on" pings
same "and loses nothing" "$(lost)" 0
# A sanitizer keeps what was freed for a while.
[ "$slow" -gt 1 ] || expect "what they cost is bounded ($kb to $(front_kb) KiB)" test "$(front_kb)" -lt $((kb + 6144))
expect "they are let go" flood_end
kb=$(front_kb)
expect "as many once more" flood second
[ "$slow" -gt 1 ] || expect "cost nothing anew ($kb to $(front_kb) KiB)" test "$(front_kb)" -lt $((kb + 2048))
expect "and are let go" flood_end
expect "somebody else gets in now, too" serves $vip corp "$(fingerprint_of "$files/vpn.pem")"
done_testing

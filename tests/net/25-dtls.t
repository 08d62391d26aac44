#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The real OpenConnect by DTLS: packets go by it in both directions and none is in pieces, they go by TLS where UDP is cut off,
# and at a failover the session goes on, by DTLS again, without a second login.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
vip=198.51.100.10 inside=192.0.2.20
# shellcheck source=openconnect.sh
. "$(dirname "$0")/openconnect.sh"
openconnect_or_skip

ping_once() { lab exec client ping -c 1 -W 1 "$@" "$inside"; }
# What the client's kernel counts, of UDP over IPv4: datagrams that were in pieces, and those sent.
pieces() { lab exec client awk '/^Ip:/ { n++; if (n == 2) print $15 + $18 + $19 + $20 }' /proc/net/snmp; }
datagrams() { lab exec client awk '/^Udp:/ { n++; if (n == 2) print $5 }' /proc/net/snmp; }

detected() { sed -n 's/.*Detected MTU of \([0-9]*\) bytes.*/\1/p' "$files/openconnect" | tail -n 1; }

pair_up
make_ca corp && make_p12 corp vpn
expect "a trustpoint" import a vpn vpn
expect "on both units" asafo a write-standby
expect "groups, a pool and a user" vpn_configure
lab exec client ip route delete 192.0.2.0/24
transfer_ready
script_make
until_true 10 serves $vip corp "$(fingerprint_of "$files/vpn.pem")"

openconnect_start
if until_true 20 established 1; then ok "OpenConnect establishes a DTLS connection"; else
	not_ok "OpenConnect establishes a DTLS connection"
	sed 's/^/#   /' "$files/openconnect"
	done_testing
	exit 1
fi
expect "and has an address" until_true 20 test -s "$files/up"
address=$(address_of_client) index=$(index_of a) posts=$(count 'POST https')
mtu=$(cat "$files/up")
expect "it reaches the inside" until_true 10 ping_once
expect "the session is shown as a DTLS tunnel" until_true 10 goes_by a DTLS-Tunnel
before=$(pieces) sent=$(datagrams)
expect "packets of the whole MTU go through" ping_once -s $((mtu - 28)) -M "do"
transfer "$inside" "a transfer arrives whole"
same "nothing of it was in pieces" "$(pieces)" "$before"
more_datagrams() { [ "$(datagrams)" -gt $((sent + 100)) ]; }
expect "all that went by datagrams" more_datagrams

expect "the active unit loses its plug" lab power a off
wait_state b Active
expect "DTLS is established anew on the other unit" until_true 40 established 2
expect "it reaches the inside again" until_true 10 ping_once
same "with the same address" "$(address_of_client)" "$address"
same "in the same session" "$(index_of b)" "$index"
expect "which is a DTLS tunnel again" until_true 10 goes_by b DTLS-Tunnel

expect "UDP is cut off" udp_cut b
expect "packets go by TLS then" until_true 40 ping_once
expect "and the session is shown so" until_true 30 goes_by b SSL-Tunnel
transfer "$inside" "a transfer arrives whole by TLS"
expect "UDP is there again" udp_mend b

# A path that swallows large datagrams without a word, between a client that asks for its size and its unit.
expect "the path becomes narrow" udp_narrow b 1200
n=$(count 'Established DTLS connection')
for pid in $(ip netns pids "asafo-$LAB-client"); do
	[ "$(cat "/proc/$pid/comm")" != openconnect ] || kill -USR2 "$pid"
done
expect "the client comes back" until_true 40 established $((n + 1))
expect "and finds out what fits, by what the unit echoes" until_true 40 at_least 'Detected MTU of' 1
sed -n 's/^.*\(Detected MTU of\)/# \1/p' "$files/openconnect"
expect "which is less than before" test "$(detected)" -lt "$mtu" -a "$(detected)" -gt 1000
expect "the path is as it was" udp_mend b

same "one login was enough" "$(count 'POST https')" "$posts"
never() { ! grep -qE "$1" "$files/openconnect"; }
expect "nobody was told 401" never 'HTTP/1.1 401'
expect "nor that the session is over" never 'server (terminate|disconnect)'
done_testing

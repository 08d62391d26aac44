#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Whoever was connected to the unit that is gone is told so by the one that took over, also behind a usual firewall.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
vip=198.51.100.10

# What many a host has: nothing that conntrack does not know, and no new connection without a SYN.
lab_firewall() {
	lab exec "$1" sysctl -qw net.netfilter.nf_conntrack_tcp_loose=0 2>/dev/null
	# So that what nobody tracks any more is soon forgotten.
	lab exec "$1" sysctl -qw net.netfilter.nf_conntrack_udp_timeout=1 net.netfilter.nf_conntrack_udp_timeout_stream=1
	printf '%s\n' 'table inet usual { chain input { type filter hook input priority filter; policy accept' \
		'ct state invalid drop' 'tcp flags & (fin | syn | rst | ack) != syn ct state new drop' '}' '}' >"$files/usual.nft"
	lab exec "$1" nft -f "$files/usual.nft"
}
open_connection() { # open_connection SENTENCE; not in a subshell: it keeps a descriptor
	rm -f "$files/in" && mkfifo "$files/in" && : >"$files/out"
	lab exec client openssl s_client -quiet -connect "$vip:443" <"$files/in" >"$files/out" 2>&1 &
	connection=$!
	exec 8>"$files/in"
	printf 'GET /healthz HTTP/1.1\r\nHost: gw\r\n\r\n' >&8
	if until_true 10 grep -q '200 OK' "$files/out"; then ok "$1"; else not_ok "$1"; fi
}
is_over() { ! kill -0 "$connection" 2>/dev/null; }
is_open() { ! is_over; }
has_address() { lab exec "$1" ip -4 -o address show | grep -q "$vip/"; }

pair_up
open_connection "a client is connected"
expect "the unit that it is connected to loses its plug" lab power a off
expect "the other one has the address" until_true 15 has_address b
printf 'GET /healthz HTTP/1.1\r\nHost: gw\r\n\r\n' >&8
expect "the client's next segment is answered with a reset" until_true 5 is_over
expect "(a reset, no end)" grep -qiE 'errno=104|reset by peer|Connection reset' "$files/out"
exec 8>&-
wait_state b Active

expect "the same with a usual firewall" lab_firewall b
open_connection "a client is connected to that unit"
lab power a on
wait_state a "Standby Ready" 30
expect "a firewall there, too" lab_firewall a
expect "its plug is pulled" lab power b off
expect "the other one takes over" until_true 15 has_address a
printf 'GET /healthz HTTP/1.1\r\nHost: gw\r\n\r\n' >&8
expect "such a firewall leaves the client in the dark" exits 1 until_true 2 is_over
hellos_are_tracked() { lab exec a grep -q 'udp .*dport=5105' /proc/net/nf_conntrack; }
expect "conntrack has the hellos in its table, which may be full" until_true 5 hellos_are_tracked
expect "the rules that are shipped are loaded" lab exec a nft -f "$top/doc/examples/nftables.conf"
hellos_are_not_tracked() { ! hellos_are_tracked; }
expect "it has the hellos no more" until_true 10 hellos_are_not_tracked
expect "the client's next segment is answered, before the firewall sees it" until_true 10 is_over
expect "(a reset, no end)" grep -qiE 'errno=104|reset by peer|Connection reset' "$files/out"
exec 8>&-
open_connection "a client that comes anew is served behind both"
expect "and goes on" is_open
exec 8>&-
done_testing

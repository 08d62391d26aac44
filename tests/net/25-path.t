#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Paths that are narrower than both ends believe, where nobody says so: logins, tunnels and transfers come through all the same,
# with the kernel setting that is shipped. And what fits into a tunnel is what was said of it, to the byte.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
vip=198.51.100.10 inside=192.0.2.20
# shellcheck source=openconnect.sh
. "$(dirname "$0")/openconnect.sh"
openconnect_or_skip

# Each packet as it would be on a wire: what is cut into segments only behind the filter has no length of its own there.
whole_packets() { lab exec a ip link set eth0 gso_max_segs 1 && lab exec client ip link set eth0 gso_max_segs 1; }
# What is larger vanishes on arrival, and nobody is told.
path_narrow() { # path_narrow BYTES
	local host
	for host in a client; do
		lab exec $host nft "add table inet path; add chain inet path in { type filter hook prerouting priority -300; }; add rule inet path in iifname eth0 meta length > $1 drop" || return 1
	done
}
path_mend() { lab exec a nft delete table inet path && lab exec client nft delete table inet path; }
is_served() { lab exec client timeout $((20 * slow)) openssl s_client -connect $vip:443 </dev/null 2>/dev/null | grep -q 'BEGIN CERTIFICATE'; }
ping_whole() { # ping_whole FROM TO BYTES: of an IPv4 packet that may not be taken apart
	lab exec "$1" ping -n -M 'do' -c 1 -W 2 -s $(($3 - 28)) "$2"
}

pair_up
make_ca corp && make_p12 corp vpn
expect "a trustpoint" import a vpn vpn
expect "a group, a pool and a user" vpn_configure
lab exec client ip route delete 192.0.2.0/24
script_make
transfer_ready
until_true 10 serves $vip corp "$(fingerprint_of "$files/vpn.pem")"
expect "the setting that is shipped" lab exec a sysctl -qp "$top/doc/examples/sysctl.conf"
expect "a client whose system does as much" lab exec client sysctl -qw net.ipv4.tcp_mtu_probing=1
expect "(packets are filtered one by one)" whole_packets

openconnect_start
expect "a tunnel over a path of 1500 bytes" until_true 30 test -s "$files/up"
mtu=$(cat "$files/up")
expect "what is as large as its MTU ($mtu) goes through" until_true 10 ping_whole client $inside "$mtu"
refused "a byte more is refused by the client's own system" 1 "message too long, mtu=$mtu" ping_whole client $inside $((mtu + 1))
address=$(address_of_client)
expect "the same from the inside" ping_whole inside "${address%/*}" "$mtu"
refused "where the unit says how large it may be" 1 "Frag(mentation)? needed.*mtu ?= ?$mtu|message too long, mtu=$mtu" \
	ping_whole inside "${address%/*}" $((mtu + 1))
openconnects() {
	local p
	for p in $(ip netns pids "asafo-$LAB-client"); do [ "$(name_of "$p")" != openconnect ] || echo "$p"; done
}
is_over() { [ -z "$(openconnects)" ]; }
log_out() {
	local p
	for p in $(openconnects); do kill -INT "$p"; done
	until_true 10 is_over
}
expect "a logout" log_out

for bytes in 1400 1280; do
	expect "a path swallows what is larger than $bytes bytes" path_narrow $bytes
	expect "$bytes: a handshake comes through" is_served
	openconnect_start
	expect "$bytes: a tunnel comes up" until_true 60 test -s "$files/up"
	transfer $inside "$bytes: a megabyte comes through it"
	expect "$bytes: a logout" log_out
	expect "(the path is as before)" path_mend
	expect "(nothing is remembered of it)" lab exec a ip tcp_metrics flush
done
done_testing

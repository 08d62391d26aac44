#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The real OpenConnect over IPv6, with both families inside the tunnel, by DTLS and by TLS: through the death of each front and
# of a unit. A client's datagrams find its front whatever becomes of others.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
vip='[2001:db8:100::10]' inside=192.0.2.20 inside6=2001:db8:200::20
# shellcheck source=openconnect.sh
. "$(dirname "$0")/openconnect.sh"
openconnect_or_skip

vpn_configure() {
	asafo a configure <<'CONFIG'
interface eth1
 ipv6 address 2001:db8:200::1/64 standby 2001:db8:200::2
ip local pool VPN 10.9.0.10-10.9.0.250 mask 255.255.255.0
ipv6 local pool VPN6 fd00:9::10/64 100
tunnel-group staff type remote-access
tunnel-group staff general-attributes
 address-pool VPN
 ipv6-address-pool VPN6
username alice password s3cret-word
webvpn
 anyconnect enable
CONFIG
}
addresses() { lab exec client ip -o address show dev octun scope global | awk '{ print $4 }' | sort | xargs; }
ping_both() {
	lab exec client ping -c 1 -W 1 "$@" $inside && lab exec client ping -6 -c 1 -W 1 "$@" $inside6
}
# What the client's kernel counts, of IPv6: datagrams that were in pieces, and those sent by UDP.
of_ipv6() { lab exec client awk -v "names=$1" '$1 ~ names { n += $2 } END { print n + 0 }' /proc/net/snmp6; }
pieces() { of_ipv6 '^Ip6(FragCreates|ReasmReqds)$'; }
datagrams() { of_ipv6 '^Udp6OutDatagrams$'; }
by_datagrams() { # all that is sent arrives, and none of it by TLS
	local before
	goes_by "$1" DTLS-Tunnel && before=$(datagrams) && ping_both -c 3 -i 0.1 && [ "$(datagrams)" -ge $((before + 6)) ]
}
fronts_of() {
	local p
	for p in $(ip netns pids "asafo-$LAB-$1"); do
		[ "$(cat "/proc/$p/comm" 2>/dev/null)" != asafo-front ] || echo "$p"
	done
}
# Each with an open port beside those of clients.
fronts_hear() { # fronts_hear UNIT N
	[ "$(lab exec "$1" ss -6 -uln | grep -cF "$vip:443 ")" -eq "$2" ]
}
# The one with the tunnel says so by the number that it has among the unit's own processes.
owner() {
	local said p
	said=$(sed -n 's/.*asafo-front\[\([0-9]*\)\]: session .* the tunnel is up.*/\1/p' "/run/asafo-lab-$LAB/a/log" | tail -n 1)
	for p in $(fronts_of a); do
		[ "$(awk '/^NSpid:/ { print $NF }' "/proc/$p/status")" != "$said" ] || echo "$p"
	done
}
others_die() { # others_die: one after the other
	local n p fronts own
	mapfile -t fronts < <(fronts_of a)
	n=${#fronts[@]} own=$(owner)
	for p in "${fronts[@]}"; do
		[ "$p" != "$own" ] || continue
		kill -KILL "$p"
		expect "another front died and is there again" until_true 20 fronts_hear a "$n"
		expect "packets go by DTLS as before" by_datagrams a
	done
	same "neither the tunnel nor DTLS was made anew" "$(count 'Established DTLS connection')" 1
	expect "nor given up" never 'DTLS Dead Peer'
	kill -KILL "$own"
	expect "the front with the tunnel died and is there again" until_true 20 fronts_hear a "$n"
	expect "packets go by DTLS again" until_true 40 by_datagrams a
}
never() { ! grep -qE "$1" "$files/openconnect"; }

LAB_FLAGS="--fronts 3" pair_up
make_ca corp && make_p12 corp vpn
expect "a trustpoint" import a vpn vpn
expect "on both units" asafo a write-standby
expect "both families on the inside, and pools of both" vpn_configure
lab exec client ip route delete 192.0.2.0/24
lab exec inside ip address add $inside6/64 dev eth0 nodad
lab exec inside ip route add default via 2001:db8:200::1
transfer_ready
script_make
expect "the certificate is served over IPv6" until_true 20 serves "$vip" corp "$(fingerprint_of "$files/vpn.pem")"

openconnect_start
if until_true 20 established 1; then ok "OpenConnect establishes a DTLS connection over IPv6"; else
	not_ok "OpenConnect establishes a DTLS connection over IPv6"
	sed 's/^/#   /' "$files/openconnect"
	done_testing
	exit 1
fi
expect "and has an address" until_true 20 test -s "$files/up"
had=$(addresses) index=$(session_of a index) posts=$(count 'POST https')
same "one of each family" "$(wc -w <<<"$had")" 2
expect "it reaches the inside by both" until_true 20 ping_both
expect "packets go by DTLS" until_true 20 by_datagrams a
mtu=$(cat "$files/up") before=$(pieces)
expect "IPv6 packets of the whole MTU go through" lab exec client ping -6 -c 1 -W 2 -M "do" -s $((mtu - 48)) $inside6
transfer $inside6 "a transfer over IPv6 arrives whole"
transfer $inside "a transfer over IPv4 arrives whole"
same "nothing of it was in pieces" "$(pieces)" "$before"
others_die

n=$(count 'Established DTLS connection')
expect "the active unit loses its plug" lab power a off
wait_state b Active
expect "DTLS is established anew on the other unit" until_true 40 established $((n + 1))
expect "it reaches the inside by both again" until_true 20 ping_both
same "with the same addresses" "$(addresses)" "$had"
same "in the same session" "$(session_of b index)" "$index"
expect "packets go by DTLS again" until_true 20 by_datagrams b

expect "UDP is cut off" udp_cut b
expect "packets of both families go by TLS then" until_true 40 ping_both
expect "and the session is shown so" until_true 30 goes_by b SSL-Tunnel
transfer $inside6 "a transfer over IPv6 arrives whole by TLS"
same "one login was enough" "$(count 'POST https')" "$posts"
expect "nobody was told 401" never 'HTTP/1.1 401'
done_testing

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The real OpenConnect with DTLS keys that are old after 15 s: it makes new ones again and again, also on the other unit after a
# failover, and of a ping that runs all the time nothing is lost but at the failover.
# long: keys grow old three times
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
vip=198.51.100.10 inside=192.0.2.20
# shellcheck source=openconnect.sh
. "$(dirname "$0")/openconnect.sh"
openconnect_or_skip

# The units' programs, with another front.
mkdir "$files/bin" && chmod 755 "$files"
for program in "$ASAFO_BUILD"/asafo*; do
	[ ! -x "$program" ] || ln -s "$(realpath "$program")" "$files/bin/${program##*/}"
done
ln -sf "$(realpath "$ASAFO_BUILD/tests/net/front_hasty")" "$files/bin/asafo-front"

pings_start() { # five a second; ICMP numbers say which are missing
	pings=$files/pings.$((++n_pings))
	lab exec client ping -n -i 0.2 "$inside" >"$pings" 2>&1 &
}
pings_end() {
	local pid
	for pid in $(ip netns pids "asafo-$LAB-client"); do
		[ "$(name_of "$pid")" != ping ] || kill "$pid"
	done
}
n_pings=0
lost() { # between the first answer and the last one
	sed -n 's/.*icmp_seq=\([0-9]*\) ttl.*/\1/p' "$pings" | sort -nu |
		awk 'NR == 1 { first = $1 } { last = $1 } END { print last - first + 1 - NR }'
}
answered() { grep -c 'bytes from' "$pings"; }
answered_more_than() { [ "$(answered)" -gt "$1" ]; }

build=$ASAFO_BUILD
export ASAFO_BUILD=$files/bin
pair_up
export ASAFO_BUILD=$build
make_ca corp && make_p12 corp vpn
expect "a trustpoint" import a vpn vpn
expect "on both units" asafo a write-standby
expect "groups, a pool and a user" vpn_configure
lab exec client ip route delete 192.0.2.0/24
script_make
until_true 10 serves $vip corp "$(fingerprint_of "$files/vpn.pem")"

openconnect_start
expect "OpenConnect establishes a DTLS connection" until_true 20 established 1
expect "and has an address" until_true 20 test -s "$files/up"
address=$(address_of_client) index=$(index_of a) posts=$(count 'POST https')
pings_start
expect "its keys are new twice" until_true 90 established 3
expect "packets go by DTLS" until_true 20 goes_by a DTLS-Tunnel
n=$(answered)
expect "they go through" until_true 10 answered_more_than "$n"
pings_end
echo "# of $(answered) pings"
same "no ping was lost" "$(lost)" 0
same "the session is the same" "$(index_of a)" "$index"
same "and it made no other connection by TLS" "$(count 'Got CONNECT response')" 1

n=$(count 'Established DTLS connection')
expect "the active unit loses its plug" lab power a off
wait_state b Active
expect "DTLS is established anew on the other unit" until_true 40 established $((n + 1))
pings_start
expect "its keys are new there, too" until_true 60 established $((n + 2))
expect "packets go by DTLS" until_true 20 goes_by b DTLS-Tunnel
n=$(answered)
expect "they go through" until_true 10 answered_more_than "$n"
pings_end
same "no ping was lost" "$(lost)" 0
same "with the same address" "$(address_of_client)" "$address"
same "in the same session" "$(index_of b)" "$index"
same "one login was enough" "$(count 'POST https')" "$posts"
done_testing

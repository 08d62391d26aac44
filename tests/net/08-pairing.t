#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# asafo pair: two units without a key become a pair by a one-time code; a wrong code gets nothing.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

config() { # config UNIT
	cat <<-TEXT
		hostname gw
		failover lan unit $1
		failover lan interface fover eth2
		failover interface ip fover 203.0.113.1 255.255.255.252 standby 203.0.113.2
		interface eth0
		 nameif outside
		 ip address 198.51.100.10 255.255.255.0 standby 198.51.100.11
		interface eth1
		 nameif inside
		 ip address 192.0.2.1 255.255.255.0 standby 192.0.2.2
		webvpn
		 enable outside
		failover
	TEXT
}
config primary >"$files/a.conf"
config secondary >"$files/b.conf"
lab up --config-a "$files/a.conf" --config-b "$files/b.conf" >"$files/up.log" 2>&1 ||
	sed 's/^/# /' "$files/up.log"

# The lab does not wait for units with a configuration of one's own.
says_to_pair() { field "$1" .trouble | grep -q 'asafo pair'; }
expect "a unit without a key says what to do" until_true 10 says_to_pair a
same "and claims nothing" "$(field a .role)" none
expect "(the other one runs, too)" until_true 10 says_to_pair b

asafo a pair >"$files/offer.log" 2>&1 &
offer=$!
code_shown() { grep -qoE '([0-9A-Z]{5}-){4}[0-9A-Z]{5}' "$files/offer.log"; }
expect "the primary shows a code" until_true 5 code_shown
code=$(grep -oE '([0-9A-Z]{5}-){4}[0-9A-Z]{5}' "$files/offer.log" | head -n 1)

join() { asafo "$1" pair --join <<<"$2"; }
refused "the primary cannot join" 1 'secondary' join a "$code"
refused "what is no code is refused" 1 'code' join b 12345
wrong=$(tr 0-9A-HJKMNP-TV-Z 1-9A-HJKMNP-TV-Z0 <<<"$code")
refused "a wrong code is refused" 1 'code' join b "$wrong"
expect "(the primary's link is set up anew)" asafo a configure <<<'failover link fover'
expect "the code is taken, all the same" join b "$code"
offered=0
wait $offer || offered=$?
same "the offer ends well" "$offered $(grep -iE 'error|cannot|lost|asafo:' "$files/offer.log" || :)" "0 "
wait_state a Active
wait_state b "Standby Ready"
make_ca corp && make_p12 corp vpn
expect "they replicate" import a vpn vpn
expect "(write standby)" asafo a write-standby
expect "(it is there)" has b vpn
refused "the code is good once" 1 '' join b "$code"
lab power b off
lab power b on
wait_state b "Standby Ready"
done_testing

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The main job: import, write standby, pull the plug, and the other unit serves the same certificate.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
vip=198.51.100.10

pair_up
make_ca corp && make_p12 corp vpn
leaf=$(fingerprint_of "$files/vpn.pem")

refused "import is refused on the standby, with the unit to do it on" 3 'primary' import b vpn vpn
expect "a PKCS#12 is imported on the active" import a vpn vpn
expect "the active has it" has a vpn
expect "the standby does not have it yet" has_not b vpn
same "the active says that the standby lacks it" \
	"$(asafo a --json show trustpoints | jq -r '.trustpoints[] | select(.name == "vpn") | .on_mate')" no
expect "the failover IP serves it at once" until_true 5 serves $vip corp "$leaf"
expect "write standby succeeds, and shows on a terminal how far it is" \
	eval 'script -qec "$top/tools/lab --name $LAB asafo a write-standby" /dev/null </dev/null | grep -q "committing *\["'
expect "the standby has it" has b vpn
expect "both units hold the same digest" same_digest
wait_state b "Standby Ready"
expect "a second write standby sends nothing" test "$(asafo a --json write-standby | jq -r .items)" = 0
expect "IPv6 serves it, too" until_true 5 serves '[2001:db8:100::10]' corp "$leaf"
expect "the standby address serves it before a failover" until_true 5 serves 198.51.100.11 corp "$leaf"
same "healthz is 200 on the active" \
	"$(lab exec client curl -sk -o /dev/null -w '%{http_code}' "https://$vip/healthz")" 200
same "healthz is 503 on the standby" \
	"$(lab exec client curl -sk -o /dev/null -w '%{http_code}' https://198.51.100.11/healthz)" 503

lab power a off
wait_state b Active
expect "the other unit serves the same leaf on the failover IP" until_true 5 serves $vip corp "$leaf"
expect "curl trusts it" lab exec client curl -sf --cacert "$files/corp-ca.pem" \
	--resolve "vpn.example.net:443:$vip" https://vpn.example.net/healthz
make_p12 corp second secret second.example.net
expect "the new active takes imports alone" import b second second

lab power a on
wait_state a "Standby Ready"
expect "the lost unit got in bulk what it missed" has a second
expect "both units hold the same digest again" same_digest
same "it did not preempt" "$(field b .state)" Active
expect "the failover IP still serves the leaf" serves $vip corp "$leaf"

expect "failover active takes over on request" asafo a failover active
wait_state a Active
wait_state b "Standby Ready"
expect "the leaf is the same after the switchover" until_true 5 serves $vip corp "$leaf"

make_p12 corp third secret third.example.net
expect "an import that the standby lacks" import a third third
expect "failover standby brings it over before it hands over" asafo a failover standby
wait_state b Active
wait_state a "Standby Ready"
expect "(nothing was lost)" has b third
make_p12 corp fourth secret fourth.example.net
expect "an import that the other lacks" import b fourth fourth
expect "failover active on the standby gets it first" asafo a failover active
wait_state a Active
expect "(nothing was lost)" has a fourth
done_testing

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What stays on a unit because a line says so: redundancy no, scope unit. It never crosses, it is served where it is, and why
# names the line.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
vip=198.51.100.10

says() { # says PATTERN COMMAND...: whatever its status
	local pattern=$1
	shift
	"$@" 2>&1 | grep -qE -- "$pattern"
}

pair_up
make_ca corp && make_p12 corp vpn && make_p12 corp fwa secret fwa.example.net && make_p12 corp fwb secret fwb.example.net
vpn=$(fingerprint_of "$files/vpn.pem") fwa=$(fingerprint_of "$files/fwa.pem")
expect "a shared one" import a vpn vpn
expect "a line keeps the next one home" asafo a configure "crypto ca trustpoint lab" "redundancy no"
expect "it is imported" import a lab fwa
expect "a line gives each unit its own" asafo a configure "crypto ca trustpoint mgmt" "scope unit"
expect "imported on the active" import a mgmt fwa
refused "on the standby a shared one cannot be" 3 'do it on the active unit' import b shared vpn
expect "on the standby its own can" import b mgmt fwb
expect "write standby" asafo a write-standby
expect "the shared one is on the standby" has b vpn
expect "what a line keeps home is not" has_not b lab
same "each unit has its own under the one name" \
	"$(for unit in a b; do asafo $unit --json show trustpoints mgmt | jq -r '.trustpoints[0].names[0]'; done | xargs)" \
	"fwa.example.net fwb.example.net"
expect "why names the line" says 'redundancy no: it stays' asafo a why lab
expect "(and the other one)" says 'scope unit: each unit has its own' asafo b why mgmt
expect "nothing differs of what the pair shares" says 'Nothing differs' asafo a show failover diff

expect "a unit's own is bound to its name" asafo a bind mgmt outside --domain fwa.example.net
expect "and one that only this unit has" asafo a configure "crypto ca trustpoint only" "scope unit"
expect "(imported)" import a only fwa
expect "(bound)" asafo a bind only outside --domain only.example.net
expect "clients get it by its name" until_true 5 serves $vip corp "$fwa" fwa.example.net
expect "others get the interface's" serves $vip corp "$vpn"
expect "all is well on both units" until_true 10 asafo a verify
expect "(where it is not there, the next binding holds)" until_true 10 asafo b verify
expect "what is shared does not become home by a line" asafo a configure "crypto ca trustpoint vpn" "redundancy no"
expect "it is still on both" has b vpn
refused "and not by a renewal either" 1 'shared with the standby' import a vpn fwa --replace
expect "why says how" says 'asafo remove vpn takes it from both' asafo a why vpn
expect "the lines are in the running-config, on both units" says 'redundancy no' asafo b show running-config
asafo a unbind mgmt outside --domain fwa.example.net >/dev/null
expect "a unit's own is removed on it" asafo b remove mgmt
expect "(and stays on the other)" has a mgmt
done_testing

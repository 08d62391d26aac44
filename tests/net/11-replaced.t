#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One unit gets an empty disk and boots first: the full one, however late it comes, wins, and fills it.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
vip=198.51.100.10
state=/run/asafo-lab-$LAB

# replace UNIT MATE: both lose power, UNIT comes back with an empty disk and runs alone before MATE does.
replace() {
	local unit=$1 mate=$2
	lab power a off
	lab power b off
	find "$state/$unit/state" -mindepth 1 -delete
	lab power "$unit" on
	wait_state "$unit" Active
	expect "the replaced $unit has made its fallback" until_true 5 has_position "$unit"
	expect "it has no trustpoint" has_not "$unit" vpn
	# A second boot: now its terms are above those that the full unit's data were made in.
	lab power "$unit" off
	lab power "$unit" on
	wait_state "$unit" Active
	lab power "$mate" on
	wait_state "$mate" Active
	wait_state "$unit" "Standby Ready"
	expect "$mate has its trustpoint" has "$mate" vpn
	expect "$unit got it" has "$unit" vpn
	expect "both units hold the same digest" same_digest
	expect "the failover IP serves the leaf" until_true 5 serves $vip corp "$leaf"
	expect "$mate says why it took over" said "$mate" "was replaced and holds no trustpoint"
}
has_position() { [ "$(field "$1" .position.seq)" -gt 0 ]; }
said() { asafo "$1" show failover history | grep -q -- "$2"; }

pair_up
make_ca corp && make_p12 corp vpn
leaf=$(fingerprint_of "$files/vpn.pem")
expect "a PKCS#12 is imported" import a vpn vpn
expect "write standby succeeds" asafo a write-standby
expect "both units hold the same digest" same_digest

replace b a
replace a b

expect "failover active still moves the service" asafo a failover active
wait_state a Active
wait_state b "Standby Ready"
expect "the failover IP serves the leaf" until_true 5 serves $vip corp "$leaf"
done_testing

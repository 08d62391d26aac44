#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Somebody else on the machine holds the kernel's RTNL lock, without which no address is renewed and none moves: nobody takes
# over, nobody is late, and a change of role waits for the lock and is whole behind it.
# alone: holdtimes are 50 ms
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
hold=$ASAFO_BUILD/tests/net/hold_rtnl
vip=198.51.100.10
terms() { echo "$(field a .state) $(field a .term) $(field b .state) $(field b .term)"; }
forget_logs() { forget_log a && forget_log b; }
late() { cat "/run/asafo-lab-$LAB"/[ab]/log | grep -aE 'this unit was late|not scheduled'; }
still() { [ "$(terms)" = "$1" ]; }
nobody_late() { ! late; }
has_vip() { lab exec "$1" ip -o addr show to "$vip" | grep -q .; }

held() { # held MILLISECONDS
	local before
	before=$(terms)
	forget_logs
	expect "(the lock is held for $1 ms)" "$hold" "$1"
	expect "the active address is there $1 ms later, or back at once" until_true 2 has_vip a
	# What was late would be known by the next hello, and a unit that took over by the next holdtime.
	expect "all the while both units stay what they are" stays 1 still "$before"
	expect "and neither was late" nobody_late
}
moved() { # moved FROM TO MILLISECONDS: by the operator, in the middle of it
	local holder
	forget_logs
	"$hold" "$3" >"$files/held" &
	holder=$!
	expect "with the lock held for $3 ms, $2 is told to be the active unit" asafo "$2" failover active
	wait "$holder"
	same "(the lock was held)" $? 0
	wait_state "$2" Active
	wait_state "$1" "Standby Ready"
	expect "the active address is on $2" until_true 2 has_vip "$2"
	expect "and not on $1" exits 1 has_vip "$1"
	expect "neither unit was late" nobody_late
}

LAB_POLL=10 LAB_HOLD=50 pair_up
for ms in 20 100 400 900 2000; do held "$ms"; done
moved a b 400
moved b a 2000
lab down >/dev/null 2>&1

pair_up
for ms in 900 2000; do held "$ms"; done
done_testing

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
configure() { printf '%s\n' "$@" | asafo a configure >/dev/null; }
still() { [ "$(terms)" = "$1" ]; }
nobody_late() { ! late; }
has_vip() { lab exec "$1" ip -o addr show to "$vip" | grep -q .; }

watch_vip() { # watch_vip UNIT: what becomes of the active address there
	ip netns exec "asafo-$LAB-$1" ip -ts monitor address >"$files/vip.log" 2>&1 &
	watcher=$!
}
stop_watching() {
	kill "$watcher"
	wait "$watcher" || :
}
# The milliseconds for which it was away at the longest, a second after the latest change; -1: for good. The kernel may take away a
# lease that is over as soon as it has the lock; this unit itself takes none away.
longest_away() {
	python3 - "$vip/" "$files/vip.log" <<'EOF2'
import datetime, sys
longest, gone = 0, None
for line in open(sys.argv[2]):
    if sys.argv[1] not in line:
        continue
    at = datetime.datetime.fromisoformat(line[1:line.index(']')]).timestamp()
    if '] Deleted' in line:
        gone = gone or at
    elif gone is not None:
        longest, gone = max(longest, at - gone), None
print(-1 if gone is not None else int(longest * 1000))
EOF2
}
hardly_away() {
	local ms
	ms=$(longest_away)
	echo "away for $ms ms"
	[ "$ms" -ge 0 ] && [ "$ms" -lt 250 ]
}
never_away() { ! grep -F "$vip/" "$files/vip.log" | grep Deleted; }
held() { # held MILLISECONDS
	local before
	before=$(terms)
	forget_logs
	watch_vip a
	expect "(the lock is held for $1 ms)" "$hold" "$1"
	expect "the active address is there $1 ms later, or back at once" until_true 2 has_vip a
	# What was late would be known by the next hello, and a unit that took over by the next holdtime.
	expect "all the while both units stay what they are" stays 1 still "$before"
	expect "and neither was late" nobody_late
	stop_watching
	expect "nor was the address away for longer than the kernel had it away" hardly_away
}
changed() { # changed MILLISECONDS: its configuration, in the middle of it
	local before holder
	before=$(terms)
	forget_logs
	watch_vip a
	"$hold" "$1" >"$files/held" &
	holder=$!
	expect "with the lock held for $1 ms, the active unit is given one more address" \
		configure "interface eth0" "ip address 198.51.100.77 255.255.255.0 secondary"
	wait "$holder"
	same "(the lock was held)" $? 0
	expect "the active address is there, or back at once" until_true 2 has_vip a
	expect "both units stay what they are" stays 1 still "$before"
	expect "and neither was late" nobody_late
	stop_watching
	expect "nor was the address away for longer than the kernel had it away" hardly_away
	expect "(the address goes again)" configure "interface eth0" "no ip address 198.51.100.77 255.255.255.0 secondary"
}
taken_over() { # taken_over FROM TO MILLISECONDS: nobody but the lock keeps TO waiting, and with the lock it has it for good
	local holder
	forget_logs
	watch_vip "$2"
	"$hold" "$3" >"$files/held" &
	holder=$!
	expect "with the lock held for $3 ms, $1 is frozen" lab freeze "$1"
	wait "$holder"
	same "(the lock was held)" $? 0
	wait_state "$2" Active
	expect "the active address is on $2" until_true 2 has_vip "$2"
	expect "and stays there" stays 1 has_vip "$2"
	stop_watching
	expect "where it was never given up again" never_away
	expect "($1 goes on)" lab thaw "$1"
	wait_state "$1" "Standby Ready"
}
moved() { # moved FROM TO MILLISECONDS: by the operator, in the middle of it
	local holder
	forget_logs
	watch_vip "$2"
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
	expect "and it stays on $2" stays 1 has_vip "$2"
	stop_watching
	expect "where it was never given up again" never_away
}

LAB_POLL=10 LAB_HOLD=50 pair_up
for ms in 20 100 400 900 2000; do held "$ms"; done
moved a b 400
moved b a 2000
lab down >/dev/null 2>&1

pair_up
for ms in 900 2000; do held "$ms"; done
for ms in 1500 2000; do changed "$ms"; done
for ms in 1800 2000; do
	taken_over a b "$ms"
	taken_over b a "$ms"
done
done_testing

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Junk hellos at full speed on the outside LAN: nobody takes over, the other paths stay as they are, the engine stays cheap.
# alone: it takes all of the machine that it gets, and holdtimes are 50 ms
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
flood=$ASAFO_BUILD/tests/net/flood
seconds=6
ticks() { cut -d' ' -f14,15 "/proc/$(pid_of "$1" asafo-engine)/stat" | tr ' ' + | bc; }
path_field() { field "$1" "[.paths[] | select(.name == \"$2\" and .family == \"ipv4\")][0].$3"; }
terms() { echo "$(field a .state) $(field a .term) $(field b .state) $(field b .term)"; }

run_at() { # run_at POLL HOLD
	local before_a before_b sent ticks_a ticks_b
	LAB_POLL=$1 LAB_HOLD=$2 pair_up
	expect "hellos come on the failover link" until_true 5 eval '[ "$(path_field a fover state)" = up ]'
	before_a=$(terms) ticks_a=$(ticks a) ticks_b=$(ticks b)
	sent=$(lab exec client "$flood" eth0 "$seconds")
	echo "# at $1/$2 ms: $((sent / seconds)) junk hellos a second;" \
		"engine a used $(($(ticks a) - ticks_a)) and b $(($(ticks b) - ticks_b)) ticks of $((seconds * 100))"
	same "at $1/$2 ms nobody took over in the flood" "$(terms)" "$before_a"
	before_b=$(field a '.paths | map(select(.name == "fover"))[0].lost')
	expect "(the failover link lost next to nothing: $before_b)" [ "$before_b" -le 10 ]
	expect "the flooded path is read, but not as fast as it comes" \
		[ "$(($(ticks a) - ticks_a))" -lt $((seconds * 40 * slow)) ]
	expect "after the flood the path works as before" until_true 10 eval '[ "$(path_field a outside state)" = up ]'
	[ "$n_bad" -eq 0 ] || asafo a show failover history | tail -n 12 | sed 's/^/#   /'
	[ "$n_bad" -eq 0 ] || grep -ahE 'scheduled|Switching' "/run/asafo-lab-$LAB"/[ab]/log | sed 's/^/#   /'
	lab down >/dev/null 2>&1
}
run_at 100 500
run_at 10 50
done_testing

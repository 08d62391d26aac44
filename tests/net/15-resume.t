#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A failover link that dies in the middle of a bulk replication costs a pause, not a restart: seen by the bytes that crossed it.
# long: 2,000 trustpoints over a slow link, time and again
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
count=2000
state=/run/asafo-lab-$LAB

# The units' own TCP connection, so that the middle lasts long enough to be met.
slow_link() { lab exec a tc qdisc replace dev eth2 root tbf rate "$1" burst 256kb latency 200ms; }
received() { field b .link.bytes_received; }
received_more_than() { [ "$(received)" -gt "$1" ]; }
link_is_down() { [ "$(field "$1" .link.up)" = false ]; }
replication_is() { [ "$(field "$1" .replication.state)" = "$2" ]; }
last() { field a ".replication.last.$1"; }
empty_standby() {
	lab power b off
	rm -rf "$state/b/state/keeper/store"
}
in_the_middle() { # in_the_middle BYTES: the standby has that many, and not all
	until_true 30 received_more_than "$1"
	expect "(in the middle of it: more than $1 bytes are there)" replication_is a syncing
	same "(the standby says so)" "$(field b .state)" "Bulk Sync"
}
went_on() { # went_on SENTENCE BYTES
	wait_state b "Standby Ready" 40
	expect "$1: the digests agree" same_digest
	same "$1: it is one session" "$(last ok) $(last mode)" "true $mode"
	expect "$1: it was resumed" test "$(last resumed)" -ge 1
	expect "$1: it went on, and did not begin again ($(received) bytes came, $2 without trouble)" \
		test "$(received)" -lt $(($2 * 6 / 5))
	expect "$1: the standby's machine never failed" \
		exits 1 grep -q "Configuration synchronization failed" <(asafo b show failover history | tail -n "$new_rows")
}

lab up >"$files/up.log" 2>&1 || not_ok "the lab comes up"
lab power b off
lab power a off
owner=$(stat -c %u:%g "$state/a/state/keeper/store")
expect "a store of $count trustpoints" "$ASAFO_BUILD/tests/bench/fill" --state "$state/a/state/keeper" --count $count
chown -R "$owner" "$state/a/state/keeper"
lab power a on
wait_state a Active
empty_standby
lab power b on
wait_state b "Standby Ready" 30
whole=$(last bytes)
mode=$(last mode)
expect "a bulk replication without trouble ($whole bytes)" test "$whole" -gt $((count * 3000))
new_rows=8

slow_link 8mbit
for way in cut reset; do
	empty_standby
	lab power b on
	in_the_middle $((whole / 3))
	if [ $way = cut ]; then
		lab cut a fover
		until_true 10 link_is_down a
		until_true 10 link_is_down b
		expect "cut: the active waits for its link" replication_is a paused
		expect "cut: the standby, too" replication_is b paused
		refused "cut: write standby says why, at once" 1 'link to the mate is down' asafo a write-standby
		same "cut: nobody fails over" "$(field a .state)" Active
		lab heal
	else
		lab exec a nft -f - <<-RULES
			table inet cutter {
				chain in { type filter hook input priority 0; tcp dport 5105 reject with tcp reset; }
				chain out { type filter hook output priority 0; tcp sport 5105 reject with tcp reset; }
			}
		RULES
		until_true 10 link_is_down a
		until_true 10 link_is_down b
		lab exec a nft delete table inet cutter
	fi
	went_on $way "$whole"
done

empty_standby
lab power b on
in_the_middle $((whole / 3))
lab cut a fover
until_true 10 link_is_down b
kill -KILL "$(pid_of b asafo-keeper)" # and with it what was staged
lab heal
wait_state b "Standby Ready" 40
expect "with a standby that lost what it had staged: the digests agree" same_digest
expect "(it began again: there was nothing to go on with)" test "$(received)" -gt $((whole * 6 / 5))
same "(its statistics count what went on)" "$(field a .replication.resumed)" 2
done_testing

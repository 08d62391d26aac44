#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A log that nobody reads, a pipe here, as a journal that stands still is one: no process waits for it, the unit serves and
# changes roles, and says how much was lost when somebody reads again.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
log=/run/asafo-lab-$LAB/b/log
# Whoever looks at the log behind the test must not wait for its end.
end_log() {
	[ -p "$log" ] || return 0
	kill -CONT "$reader"
	lab power b off
	wait "$reader"
	rm "$log" && cp "$files/read" "$log"
}
trap 'end_log; cleanup' EXIT
takes_more() {
	head -c 4096 /dev/zero | tr '\0' '\n' |
		timeout 5 dd of="$log" oflag=nonblock bs=4096 iflag=fullblock status=none 2>/dev/null
}
is_full() { ! takes_more; }
pids() {
	local process
	for process in asafo-engine asafo-keeper asafo-auth asafo-runner asafo-fetch asafo-pam; do pid_of b $process; done
}
other_front() { runs b asafo-front && [ "$(pid_of b asafo-front)" != "$front" ]; }

LAB_POLL=500 LAB_HOLD=3000 pair_up "$@" # nobody changes roles because the machine was busy for a second
make_ca corp && make_p12 corp vpn && make_p12 corp more
leaf=$(fingerprint_of "$files/vpn.pem")
expect "a trustpoint" import a vpn vpn
expect "on both units" asafo a write-standby
lab power b off
rm "$log" && mkfifo "$log"
cat "$log" >"$files/read" &
reader=$!
lab power b on
wait_state b "Standby Ready"
before=$(pids)
kill -STOP "$reader"
expect "the log of unit b takes nothing more" until_true 10 is_full
expect "it becomes the active unit all the same" until_true 10 asafo b failover active
wait_state b Active
expect "it imports" import b more more
expect "it serves" until_true 10 serves 198.51.100.10 corp "$leaf"
front=$(pid_of b asafo-front)
kill -KILL "$front"
expect "a process of it that dies is started again" until_true 10 other_front
term=$(field b .term)
expect "it stays active for longer than a process may give no sign of life" stays 7 state_is b Active
same "(in the same term)" "$(field b .term)" "$term"
same "(none of its processes was killed)" "$(pids)" "$before"
expect "the other unit's certificates are its own" until_true 10 asafo b write-standby
kill -CONT "$reader"
is_told() { # is_told PROCESS
	asafo b configure "hostname gw$SECONDS" &&
		grep -aqE "asafo-$1\[[0-9]+\]: [0-9]+ lines of this process are lost" "$files/read"
}
expect "where somebody reads again the engine says how many lines are lost" until_true 10 is_told engine
end_log
done_testing

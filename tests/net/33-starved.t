#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A unit that can start no process any more, here for want of descriptors: what died is tried again, ever more seldom, with a
# line each and no flood of them; the rest serves, and what is missing is there again when there is room.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
log=/run/asafo-lab-$LAB/a/log
supervisor=
# It was longer up than the supervisor takes for stable.
has_run_long() { [ "$(ps -o etimes= -p "$1")" -gt 10 ]; }
tries() { grep -c "cannot start $1" "$log"; }
tried() { [ "$(tries "$1")" -gt 0 ]; }
allow() { prlimit --pid "$supervisor" --nofile="$1:"; }
starved() { # starved PROCESS WORD: it dies, and cannot be started
	local before pid
	pid=$(pid_of a "$1")
	expect "$1 runs for a while" until_true 20 has_run_long "$pid"
	forget_log a
	allow 4
	kill -KILL "$pid"
	expect "$1 died and cannot be started" until_true 10 tried "$2"
	stays 4 true
	before=$(tries "$2")
	expect "it is tried ever more seldom ($before times in 4 s)" test "$before" -le 12
}

LAB_POLL=500 LAB_HOLD=3000 pair_up "$@" # nobody changes roles because the machine was busy for a second
make_ca corp && make_p12 corp vpn
leaf=$(fingerprint_of "$files/vpn.pem")
expect "a trustpoint" import a vpn vpn
expect "on both units" asafo a write-standby
expect "it is served" until_true 10 serves 198.51.100.10 corp "$leaf"
supervisor=$(pid_of a asafod)
room=$(awk '/^Max open files/ { print $4 }' "/proc/$supervisor/limits")
starved asafo-runner runner
expect "the unit goes on" state_is a Active
expect "and serves" until_true 10 serves 198.51.100.10 corp "$leaf"
allow "$room"
expect "with room again it is started" until_true 20 runs a asafo-runner
starved asafo-keeper keeper
wait_state b Active
expect "the unit that can sign serves" until_true 10 serves 198.51.100.10 corp "$leaf"
allow "$room"
expect "with room again the keeper is started" until_true 20 runs a asafo-keeper
wait_state a "Standby Ready" 30
done_testing

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Import-time replication: what is acknowledged as durable is on both; a mate that is off, frozen, cut off or without its
# keeper delays nobody for longer than the bound, is said, and gets the rest by itself when it is back.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
bound_ms=5000
within() { # within SENTENCE STATUS PATTERN COMMAND...: refused, and not slower than the bound
	local start=${EPOCHREALTIME/./}
	refused "$@"
	expect "(within its bound)" test $(((${EPOCHREALTIME/./} - start) / 1000)) -lt $((bound_ms * slow))
}
drains() {
	expect "the queue drains by itself" until_true 20 same_digest
	wait_state b "Standby Ready"
}
queue_is() { field a ".replication | .queue == $1 and .queue_age_ms $2" | grep -q true; } # queue_is DEPTH AGE
asafo_says() { asafo "${@:2}" | grep -qE "$1"; }

pair_up
make_ca corp && make_p12 corp vpn && make_p12 corp more
expect "an import while the mode is off" import a vpn vpn
same "(is not on the standby)" "$(has b vpn && echo yes)" ""
expect "one import waits for the standby all the same" import a waited more --wait-standby
expect "(it is there, at once)" has b waited
for mode in sync async; do
	expect "mode $mode" asafo a configure "failover replication trustpoint $mode"
	expect "$mode: an import" import a "$mode-1" more
	[ $mode = async ] && until_true 10 has b "$mode-1"
	expect "$mode: (it is on the standby)" has b "$mode-1"
	status=5
	[ $mode = async ] && status='[05]' # whether it knows yet that nobody is there
	lab power b off
	out=$(import a "$mode-2" more 2>&1) && code=0 || code=$?
	expect "$mode: with the standby off an import says that it is queued" grep -qE 'queued|on its way' <<<"$out"
	expect "$mode: (status $code)" grep -qE "^$status\$" <<<"$code"
	expect "$mode: the queue has one, and says for how long" until_true 10 queue_is 1 '> 500'
	expect "$mode: (in words)" asafo_says 'queue: 1, the oldest for [0-9].*s$' a show failover
	lab power b on
	drains
	expect "$mode: the queue is empty, and without an age" until_true 10 queue_is 0 '== 0'
	expect "$mode: (it is on the standby)" has b "$mode-2"
	lab cut b fover
	[ $mode = sync ] && within "sync: with the failover link cut" 5 'degraded, queued' import a "$mode-3" more
	lab heal
	drains
	lab freeze b
	[ $mode = sync ] && within "sync: with the standby frozen" 5 'degraded, queued' import a "$mode-4" more
	[ $mode = sync ] && within "sync: a removal, too" 5 'may still have it' asafo a remove "$mode-1"
	lab thaw b
	drains
	[ $mode = sync ] && expect "sync: what was removed is gone there, too" has_not b "$mode-1"
	kill -STOP "$(pid_of b asafo-keeper)" # its supervisor ends it
	[ $mode = sync ] && within "sync: with a keeper that hangs" 5 'degraded, queued' import a "$mode-5" more
	drains
done
expect "a removal when all is well" asafo a remove async-1
expect "(it is gone there, too)" until_true 5 has_not b async-1
done_testing

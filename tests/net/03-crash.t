#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# kill -9 of each process, during an import and during a bulk replication: old or new, never between; the service goes on.
# long: each process is killed twice, and the pair settles again
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
vip=198.51.100.10

pair_up
make_ca corp && make_p12 corp vpn && make_p12 corp more
leaf=$(fingerprint_of "$files/vpn.pem")
expect "a trustpoint to begin with" import a vpn vpn
expect "on both units" asafo a write-standby
# What is acknowledged is on both units then, so that a change of roles does not take it back.
expect "imports wait for the standby" asafo a configure "failover replication trustpoint sync"

active() { if state_is a Active; then echo a; else echo b; fi; }
settled() {
	{ state_is a Active && state_is b "Standby Ready"; } || { state_is b Active && state_is a "Standby Ready"; }
}
settle() {
	until_true 20 settled || {
		not_ok "the pair settles"
		asafo a show failover history | tail -n 8 | sed 's/^/#   a /'
		asafo b show failover history | tail -n 8 | sed 's/^/#   b /'
		return
	}
}
replicate_again() { asafo "$(active)" write-standby; }
n=0
for process in asafo-keeper asafo-engine asafo-front asafo-runner asafo-auth asafo-fetch asafo-pam asafod; do
	for moment in import write-standby; do
		n=$((n + 1))
		unit=$(active)
		if [ $moment = import ]; then import "$unit" "k$n" more >"$files/k.log" 2>&1 & else
			asafo "$unit" write-standby >"$files/k.log" 2>&1 &
		fi
		job=$!
		kill -KILL "$(pid_of "$unit" $process)"
		status=0
		wait $job || status=$?
		if [ $process = asafod ]; then
			lab power "$unit" off
			lab power "$unit" on
		fi
		settle
		unit=$(active)
		if [ $moment = import ] && [ $status -eq 0 ] && [ $process != asafod ] && [ $process != asafo-engine ]; then
			expect "kill -9 of $process during $moment: what was acknowledged is there" until_true 10 has "$unit" "k$n"
		fi
		expect "kill -9 of $process during $moment: write standby works" until_true 10 replicate_again
		settle
		expect "kill -9 of $process during $moment: digests agree" until_true 10 same_digest
		expect "kill -9 of $process during $moment: the leaf is served" until_true 10 serves $vip corp "$leaf"
	done
done
for process in asafo-keeper asafo-engine; do
	unit=$(active)
	mate=$([ "$unit" = a ] && echo b || echo a)
	asafo "$unit" write-standby >/dev/null 2>&1 &
	kill -KILL "$(pid_of "$mate" $process)"
	wait
	settle
	expect "kill -9 of the standby's $process: write standby works after" until_true 10 replicate_again
	expect "kill -9 of the standby's $process: digests agree" until_true 10 same_digest
done
unit=$(active)
kill -KILL "$(pgrep -P "$(pid_of "$unit" asafo-keeper)")"
# The keeper starts anew with it; on a slow machine the mate has taken over by then.
import_again() { import "$(active)" after more; }
expect "kill -9 of the process that parses files: imports work again" until_true 15 import_again
expect "(write standby, too)" until_true 10 replicate_again
expect "(and the leaf is served)" until_true 10 serves $vip corp "$leaf"
done_testing

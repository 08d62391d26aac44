#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Lost links, frozen units, a mate with another key.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
holds() { lab exec "$1" ip -o addr show | grep -q ' 198.51.100.10/'; }
holds_not() { ! holds "$1"; }
not_named() { ! { asafo a show failover && asafo b show failover; } | grep 'also claimed'; }

pair_up
lab cut a fover
expect "loss of the failover link alone: a keeps its role" state_is a Active
expect "(b stays standby)" until_true 3 state_is b "Standby Ready"
expect "(only one holds the address)" holds_not b
lab heal
make_ca corp && make_p12 corp vpn
expect "after the heal an import" import a vpn vpn
expect "and write standby" until_true 10 asafo a write-standby

lab cut a fover
lab cut a outside
lab cut a inside
wait_state b Active
asafo a configure "track 7 ping 192.0.2.9" >/dev/null
# The connection outlives so short a cut: this line crosses before the bulk.
asafo b configure "track 8 ping 192.0.2.8" >/dev/null
lab heal
expect "what the winner was told alone is on both" until_true 15 eval 'asafo a show running-config | grep -q "^track 8"'
# Perhaps before the loser is ready: what the pair has no more was never the loser's own.
asafo b configure "no track 8" >/dev/null
expect "they meet: one is active, the older term gave way" until_true 15 state_is a "Standby Ready"
same "(the newer stays)" "$(field b .state)" Active
expect "the loser released the address" until_true 5 holds_not a
expect "digests agree" until_true 10 same_digest
expect "what the winner was told to take back is on neither" until_true 10 eval '! asafo a show running-config | grep -q "^track 8"'
expect "neither takes the other for a stranger with its address" not_named
same "what the loser was told alone gave way" "$(asafo a show running-config | grep -c '^track 7')" 0
expect "it is listed" grep -q '^  track 7 ping 192.0.2.9' <(asafo a show orphans)
same "what was taken back is not" "$(asafo a show orphans | grep -c '^  track 8')" 0
expect "in JSON as lines to be typed again" test "$(asafo a --json show orphans | jq -r .lines | grep -c '^track 7')" = 1
expect "and in the log" grep -q 'replaced: track 7 ping 192.0.2.9' "/run/asafo-lab-$LAB/a/log"

lab freeze b
wait_state a Active
expect "a frozen unit loses the address by itself" until_true 4 holds_not b
lab thaw b
wait_state b "Standby Ready"
expect "(a keeps it)" holds a

# Longer than a listener process may be silent: the engine was frozen as well.
forget_log b
lab freeze b
refused "who looks is not kept waiting" 2 'CRITICAL - asafod does not answer' timeout 60 "$top/tools/lab" --name "$LAB" asafo b check
expect "a standby is frozen for long" until_true 10 eval '[ "$(field a .mate.last_heard_ms)" -gt 4000 ]'
lab thaw b
expect "it is back" until_true 10 eval '[ "$(field a .mate.heard)" = true ] && state_is b "Standby Ready"'
expect "it says that it was not scheduled" until_true 5 eval 'lab log b | grep -q "not scheduled for"'
same "and has not failed for the silence of what was frozen with it" "$(lab log b | grep -c 104003)" 0

lab exec a ip addr del 198.51.100.10/24 dev eth0
expect "an address that somebody deleted is back" until_true 3 holds a
kill -KILL "$(pid_of a asafo-engine)"
expect "a killed engine's address is withdrawn" until_true 2 holds_not a
wait_state b Active
wait_state a "Standby Ready"
done_testing

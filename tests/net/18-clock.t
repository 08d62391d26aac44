#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One unit's wall clock is set wrong and right again: said from 2 s on, certificates named, over by itself.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# The engine of unit b, which stamps the hellos and judges by its clock, has one that the test sets; so has its keeper.
programs=$files/programs
mkdir "$programs" && chmod 0711 "$files"
for program in asafo asafod asafo-engine asafo-keeper asafo-front asafo-runner asafo-auth asafo-fetch asafo-pam; do
	cp "$ASAFO_BUILD/$program" "$programs/$program"
done
mkdir "$programs/real" "$programs/tools" "$programs/src"
cp "$ASAFO_BUILD/tests/net/clockshift.so" "$programs/clockshift.so"
set_clock() { # set_clock SECONDS [PROGRAM]: ahead of the machine's
	perl -e 'print pack("q", $ARGV[0])' -- "$1" | dd of="$programs/shift-${2-asafo-engine}" conv=notrunc status=none
}
for program in asafo-engine asafo-keeper; do
	mv "$programs/$program" "$programs/real/$program"
	set_clock 0 $program
	printf '#!/bin/sh\nCLOCKSHIFT=%s LD_PRELOAD=%s exec %s "$@"\n' \
		"$programs/shift-$program" "$programs/clockshift.so" "$programs/real/$program" >"$programs/$program"
	chmod 0755 "$programs/$program"
done
chmod -R a+rX "$programs"

logged() { lab log "$1" | grep -aqE -- "$2"; }
troubled() { asafo "$1" --json show failover | jq -e --arg t "$2" '.troubles | any(test($t))' >/dev/null; }
untroubled() { asafo "$1" --json show failover | jq -e '.troubles | any(test("clock")) | not' >/dev/null; }
class_is() { [ "$(field "$1" .mate.clock.class)" = "$2" ]; }

pair_up --build-b "$programs"
make_ca corp && make_p12 corp vpn
expect "the clocks agree" until_true 10 class_is a same
expect "(and there is no trouble)" untroubled a
expect "an import, valid from now on" import a vpn vpn
expect "that both have" asafo a write-standby

set_clock 1
expect "a second is no difference that is told" until_true 10 eval '[ "$(field a .mate.clock.skew_ms)" -ge 800 ]'
expect "(none is)" untroubled a
set_clock 60
expect "a minute is told on one unit" until_true 10 troubled a '^the clocks of the units differ by .*ahead'
expect "and on the other" until_true 10 troubled b '^the clocks of the units differ by .*behind'
expect "in the log, once" test "$(lab log a | grep -ac 'the clocks of the units differ')" -eq 1
expect "and warned of" exits 1 asafo a check
expect "it is shown beside the states" grep -q '^Clocks: they differ, the other unit.s is ' <(asafo a show failover state)

set_clock -86400
expect "with a clock that is a day behind, a new certificate is not valid on the other unit, and named" \
	until_true 30 troubled a '^trustpoint vpn is not valid by the clock of the other unit, but from'
expect "on that unit, too" until_true 30 troubled b '^trustpoint vpn is not valid by the clock of this unit, but from'
refused "an import of such a certificate is refused" 1 "by the mate's clock is yet to come" import a early vpn
expect "a line keeps a trustpoint home" asafo a configure "crypto ca trustpoint home" "redundancy no"
expect "(there the other unit's clock does not matter)" import a home vpn
same "nobody changed its role for it" "$(field a .state) $(field b .state)" "Active Standby Ready"

set_clock 0
expect "when the clock is set, it is over by itself" until_true 20 untroubled a
expect "on both" until_true 20 untroubled b
expect "and the import is taken" import a early vpn --wait-standby
expect "which is said" until_true 10 logged a 'the clocks of the units agree again'
expect "a check is well again" until_true 10 exits 0 asafo a check

expect "unit b makes its local CA" asafo b localca create
refused "a second one is refused" 1 'has a local CA already' asafo b localca create
set_clock $((1200 * 86400)) asafo-keeper
refused "years later it has expired" 1 'has expired: create the local CA again' \
	asafo b localca issue joe "$files/joe.p12" --passphrase-file "$files/vpn.pass"
expect "then another one takes its place" asafo b localca create
expect "and issues" asafo b localca issue joe "$files/joe.p12" --passphrase-file "$files/vpn.pass"
done_testing

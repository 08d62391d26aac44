#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A pair of two versions, as while it is upgraded: either may be the active one, nothing is lost, and what the older one
# cannot know is said. ASAFO_BUILD_OLD names the build folder of an older release; without one a mate of the older version
# is played by tests/unit/test_engine_older only.
# alone: what is answered at once is told from what waits by its milliseconds
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
old=${ASAFO_BUILD_OLD:-}
if [ -z "$old" ]; then
	echo "ok - a pair of two versions # SKIP ASAFO_BUILD_OLD names no build of an older release"
	done_testing
	exit
fi

line_of() { asafo "$1" show running-config | grep -qxF -- "$2"; }
no_line_of() { ! line_of "$@"; }
ready() { # ready ACTIVE STANDBY
	wait_state "$1" Active
	wait_state "$2" "Standby Ready"
}
troubles() { asafo "$1" --json show failover | jq -r '.troubles[]'; }
trouble() { troubles "$1" | grep -q -- "$2"; }
no_trouble() { ! troubles "$1" | grep -q 'works without'; }
upgrade() { # upgrade UNIT: its power goes, the other takes over or stays, it comes back with this build
	lab power "$1" off
	lab power "$1" on --build "$ASAFO_BUILD"
}
serves_both() { # serves_both FINGERPRINT: the failover IP, to a client
	until_true 10 serves 198.51.100.10 corp "$1"
}
holds() { ip -n "asafo-$LAB-$1" address show to 198.51.100.10 2>/dev/null | grep -q inet; }
# Looks, until it is told to end, whether both hold the failover IP: a, then b, then a again.
watch_addresses() {
	while [ -e "$files/watch" ]; do
		if holds a && holds b && holds a; then echo both >>"$files/both"; fi
		pause_short
	done
}
watch_start() {
	touch "$files/watch"
	watch_addresses &
	watcher=$!
}
watch_end() {
	rm -f "$files/watch"
	wait "$watcher"
	expect "the failover IP was never held by both" test ! -s "$files/both"
}

# What a pair does, with A active and B standby, whichever of them is the older one.
pair_works() { # pair_works ACTIVE STANDBY PREFIX
	local a=$1 b=$2 p=$3
	asafo "$a" configure "failover replication trustpoint off" >/dev/null
	expect "$p: an import on the active" import "$a" "$p-bulk" vpn
	same "$p: (the mode is off: it is not on the standby)" "$(has "$b" "$p-bulk" && echo yes)" ""
	expect "$p: write standby" asafo "$a" write-standby
	expect "$p: (it is on the standby)" has "$b" "$p-bulk"
	same "$p: both hold the same" "$(digest a)" "$(digest b)"
	expect "$p: import-time replication is turned on" asafo "$a" configure "failover replication trustpoint sync"
	expect "$p: the standby has the line" until_true 5 line_of "$b" "failover replication trustpoint sync"
	expect "$p: an import at once on both" import "$a" "$p-sync" vpn
	expect "$p: (it is)" has "$b" "$p-sync"
	expect "$p: a line of the configuration" asafo "$a" configure "hostname $p"
	expect "$p: is on the standby" until_true 5 line_of "$b" "hostname $p"
	expect "$p: write memory" asafo "$a" write-memory
	expect "$p: saves it there, too" grep -qx "hostname $p" "/run/asafo-lab-$LAB/$b/etc/startup-config"
	lab power "$b" off
	refused "$p: a removal while the standby is off is queued" 5 'degraded, queued' asafo "$a" remove "$p-bulk"
	refused "$p: and an import" 5 'degraded, queued' import "$a" "$p-late" vpn
	lab power "$b" on
	ready "$a" "$b"
	expect "$p: the standby that comes back has the new one" until_true 10 has "$b" "$p-late"
	expect "$p: and not the old one" has_not "$b" "$p-bulk"
	expect "$p: switchover" asafo "$a" failover standby
	ready "$b" "$a"
	expect "$p: the failover IP serves the same certificate" serves_both "$print"
	expect "$p: and back, by the other unit" asafo "$a" failover active
	ready "$a" "$b"
	expect "$p: (it serves)" serves_both "$print"
	lab power "$a" off
	wait_state "$b" Active
	expect "$p: the plug of the active pulled: the standby serves" serves_both "$print"
	refused "$p: an import there" 5 'degraded, queued' import "$b" "$p-alone" vpn
	lab power "$a" on
	ready "$b" "$a"
	expect "$p: the unit that comes back takes it" until_true 10 has "$a" "$p-alone"
	expect "$p: switchover again" asafo "$b" failover standby
	ready "$a" "$b"
	until_true 10 same_digest
	same "$p: both hold the same at the end" "$(digest a)" "$(digest b)"
}
everything_is_there() { # everything_is_there UNIT: of both rounds
	local name
	for name in vpn old-sync old-late old-alone new-sync new-late new-alone; do
		has "$1" "$name" || return 1
	done
}

# show state of UNIT says nothing of its own: the supervisor ended.
is_down() { ! asafo "$1" show version >/dev/null 2>&1; }
says_in_log() { grep -q -- "$2" <(lab log "$1"); }

pair_up --build-a "$old" --build-b "$old"
make_ca corp && make_p12 corp vpn
print=$(fingerprint_of "$files/vpn.pem")
expect "two units of the older release: an import" import a vpn vpn
expect "(written to the standby)" asafo a write-standby
watch_start

# ---- the standby first: older active, newer standby ----
upgrade b
ready a b
expect "the upgraded standby has the trustpoint" has b vpn
pair_works a b old
expect "the newer standby of an older active has no trouble with it" no_trouble b

# ---- it takes over: newer active, older standby ----
expect "switchover to the newer unit" asafo a failover standby
ready b a
pair_works b a new
expect "lines that the older one cannot know" asafo b configure "failover preempt delay 600" \
	"track 7 interface inside line-protocol" "hostname mixed"
expect "what it does know is there" until_true 5 line_of a "hostname mixed"
expect "it stays ready" state_is a "Standby Ready"
expect "the line is named" trouble b '"failover preempt delay 600", "track 7 interface inside line-protocol"'
expect "with the releases" trouble b 'asafo [0-9.]*, failover link version 1) is older than this unit (asafo'
expect "and in the log" grep -q '709007.*failover preempt delay 600' <(lab log b)
expect "asafo check has it as a warning" grep -q WARNING <(asafo b check)
expect "bulk replication goes on beside it" asafo b write-standby
# Who waits for an answer of the mate waits for two seconds at least.
at_once() {
	local start=${EPOCHREALTIME/./} r=0
	"$@" || r=$?
	(((${EPOCHREALTIME/./} - start) / 1000 < 1900 * slow)) && return $r
	echo "it waited"
	return 99
}
says_at_once() { # TEXT COMMAND...
	local out
	out=$(at_once "${@:2}") && grep -q -- "$1" <<<"$out"
}
refused "failover exec is refused at once" 1 'older than failover exec' at_once asafo b failover exec mate show version
refused "show failover diff is refused" 1 'diff: the mate \(asafo [0-9.]*, .*older than failover exec, and cannot be asked' \
	at_once asafo b show failover diff
refused "a dry run is refused" 1 'cannot be asked from here: upgrade it' at_once asafo b write-standby --dry-run
refused "write-standby with a list says that nothing was sent" 1 'nothing was sent; asafo write-standby' \
	at_once asafo b write-standby --verbose
refused "reload-standby is refused" 1 'older than failover exec' at_once asafo b failover reload-standby
refused "a rekey is refused, and changes nothing" 1 'does not say which failover key.*nothing was changed' at_once asafo b rekey
refused "(there is none to cancel)" 1 'is not being rekeyed' at_once asafo b rekey --cancel
refused "verify proves this unit's half, and says why not the other" 5 'yes +yes +unknown' at_once asafo b verify vpn
refused "(why)" 5 'could not be asked: the mate .*older' at_once asafo b verify vpn
expect "why vpn knows it by the digests" says_at_once 'shared by the pair, and the digests of both units are equal' asafo b why vpn
expect "history details say why they are one unit's only" says_at_once 'does not tell its history' \
	asafo b show failover history details
expect "switchover to the older one" asafo b failover standby
ready a b
expect "a line of its, as the active" asafo a configure "hostname again"
expect "(it came)" until_true 5 line_of b "hostname again"
expect "the newer standby keeps what the older cannot say" line_of b "failover preempt delay 600"
expect "(all of it)" line_of b "track 7 interface inside line-protocol"
start=${EPOCHREALTIME/./}
expect "and back" asafo b failover active
expect "(it does not wait for a gap that nobody tells)" test $(((${EPOCHREALTIME/./} - start) / 1000)) -lt $((800 * slow))
ready b a

# ---- the other one ----
upgrade a
ready b a
expect "the upgraded unit has the lines" until_true 5 line_of a "failover preempt delay 600"
expect "(all of them)" line_of a "track 7 interface inside line-protocol"
expect "there is no trouble any more" no_trouble b
expect "every trustpoint is on the one" everything_is_there a
expect "and on the other" everything_is_there b
same "both hold the same" "$(digest a)" "$(digest b)"
expect "failover exec works" asafo b failover exec mate show version

# ---- back to the older release, with a store that the newer one wrote ----
downgrade() {
	lab power "$1" off
	lab power "$1" on --build "$old"
}
expect "the newer release saves lines that the older cannot know" asafo b write-memory
downgrade a
expect "the older release names the line that it cannot know" until_true 10 says_in_log a 'startup-config:.*failover preempt'
expect "(and does not run)" until_true 5 is_down a
expect "the active goes on" serves_both "$print"
lab power a off
sed -i -e '/^failover preempt/d' -e '/^track/d' "/run/asafo-lab-$LAB/a/etc/startup-config"
lab power a on --build "$old"
ready b a
expect "without them the older release opens the newer one's store" everything_is_there a
same "both hold the same" "$(digest a)" "$(digest b)"
expect "an import reaches it" asafo b configure "failover replication trustpoint sync"
expect "(it is acknowledged)" import b back vpn
expect "the older unit takes over" asafo a failover active
ready a b
expect "with the certificate" serves_both "$print"
expect "what it changes" asafo a remove back
upgrade a
expect "is read by the newer release again" until_true 15 state_is a "Standby Ready"
expect "(the removal)" has_not a back
expect "(everything else)" everything_is_there a
same "both hold the same in the end" "$(digest a)" "$(digest b)"
expect "no store is damaged" exits 0 asafo a check
watch_end
done_testing

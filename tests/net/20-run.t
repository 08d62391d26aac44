#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tests/net/run itself: files side by side, each one's lines together; who must be alone is; what it was told to end leaves
# nothing behind, whoever was killed.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
mkdir "$files/net" "$files/tmp" && cp "$top/tests/net/run" "$files/net/"
fake() { # fake NAME [WHY]: a test of that name, its body from stdin
	{
		printf '#!/bin/bash\n%s\nrecord=%s here=%s\n' "${2-}" "$files/record" "$files"
		cat
	} >"$files/net/$1.t"
	chmod +x "$files/net/$1.t"
}
run() { TMPDIR=$files/tmp "$files/net/run" "$@" >"$files/out" 2>&1; }
lines() { sed "$1" "$files/out" | tr '\n' ' '; }
nothing_is_left() { [ -z "$(ls -A "$files/tmp")" ] && ! pgrep -f "^/bin/bash ./(one|two|three|clean|hangs).t" >/dev/null; }

# Each of two waits for the other's first word: in turns they would never end.
meet='until [ -e "$here/$other" ]; do read -rt 0.02 <><(:); done'
fake one <<<"echo 'ok - one'; : >\"\$here/one.met\"; other=two.met; $meet; echo 'ok - one again'; echo 'one' >>\"\$record\""
fake two <<<"echo 'ok - two'; : >\"\$here/two.met\"; other=one.met; $meet; echo 'not ok - two again'; echo 'two' >>\"\$record\"; exit 1"
fake three '# alone: it says who has ended' <<<'sort "$record" | tr "\n" " " >"$here/before"; echo "ok - three"; mktemp -d >/dev/null'
expect "one of three fails" exits 1 run -j 2
expect "the lines of the first are together" grep -q '# one.t ok - one ok - one again ' <(lines '')
expect "so are those of the second, with its failure" grep -q '# two.t ok - two not ok - two again # two.t failed ' <(lines '')
same "who is alone comes when the others have ended" "$(cat "$files/before")" "one two "
expect "what a test forgets in its folder goes" nothing_is_left
refused "no number of files" 2 'expected a number' "$files/net/run" -j many

# Whoever it is that ends, by whatever signal, the test clears up.
fake clean <<<'trap "echo cleared >\"$here/cleared\"" EXIT; trap "exit 1" TERM; : >"$here/began"; while [ -d "$here" ]; do read -rt 0.02 <><(:); done'
for signal in TERM HUP KILL; do
	for n in 1 2; do
		rm -f "$files/cleared" "$files/began"
		TMPDIR=$files/tmp "$files/net/run" -j "$n" clean.t >"$files/out" 2>&1 &
		pid=$!
		expect "$signal, $n at a time: a test has begun" until_true 10 test -e "$files/began"
		kill "-$signal" "$pid"
		wait "$pid" 2>/dev/null
		expect "it clears up" until_true 10 test -e "$files/cleared"
		[ "$signal" = KILL ] || expect "and nothing is left" until_true 10 nothing_is_left
		rm -rf "$files/tmp"/*
	done
done
done_testing

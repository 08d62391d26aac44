#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tests/net/run itself: files side by side, each one's lines together; who must be alone is; what it was told to end leaves
# nothing behind, whoever was killed. And tests/run, with a step that only says what it is to.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# What the runner above was told is not for those that are tried here.
unset ASAFO_TEST_DIR
mkdir -p "$files/tests/net" "$files/tmp" && cp "$top/tests/net/run" "$files/tests/net/" && cp "$top/tests/run" "$files/tests/"
ln -s "$top/tools" "$files/tools"
program() { # program PATH [LINE]: below tests/, its body from stdin
	{
		printf '#!/bin/bash\n%s\nrecord=%s here=%s\n' "${2-}" "$files/record" "$files"
		cat
	} >"$files/tests/$1"
	chmod +x "$files/tests/$1"
}
fake() { program "net/$1.t" "${2-}"; } # fake NAME [WHY]: a test of that name
run() { TMPDIR=$files/tmp "$files/tests/net/run" "$@" >"$files/out" 2>&1; }
lines() { sed "$1" "$files/out" | tr '\n' ' '; }
# No file, and no process; another one of these tests may run beside this one.
nothing_is_left() { [ -z "$(ls -A "$files/tmp")" ] && [ -z "$(find /proc -maxdepth 2 -lname "$files/tests/net" 2>/dev/null)" ]; }

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
refused "no number of files" 2 'expected a number' "$files/tests/net/run" -j many

# Whoever it is that ends, by whatever signal, the test clears up.
fake clean <<<'trap "echo cleared >\"$here/cleared\"" EXIT; trap "exit 1" TERM; : >"$here/began"; while [ -d "$here" ]; do read -rt 0.02 <><(:); done'
for signal in TERM HUP KILL; do
	for n in 1 2; do
		rm -f "$files/cleared" "$files/began"
		TMPDIR=$files/tmp "$files/tests/net/run" -j "$n" clean.t >"$files/out" 2>&1 &
		pid=$!
		expect "$signal, $n at a time: a test has begun" until_true 10 test -e "$files/began"
		kill "-$signal" "$pid"
		wait "$pid" 2>/dev/null
		expect "it clears up" until_true 10 test -e "$files/cleared"
		[ "$signal" = KILL ] || expect "and nothing is left" until_true 10 nothing_is_left
		rm -rf "$files/tmp"/*
	done
done

# A shell that waits for a command in a group of its own does not clear up before it is killed.
fake hangs <<'TEST'
echo "$LAB" >"$here/lab"
mkdir "/run/asafo-lab-$LAB" && ip netns add "asafo-$LAB-client"
trap 'exit 1' TERM
ip netns exec "asafo-$LAB-client" timeout 60 bash -c ": >$here/began; while :; do read -rt 0.1 <><(:); done"
TEST
no_lab() { [ ! -e "/run/asafo-lab-$(<"$files/lab")" ] && [ ! -e "/run/netns/asafo-$(<"$files/lab")-client" ]; }
for n in 1 2; do
	rm -f "$files/lab" "$files/began"
	ASAFO_LIMIT=1 ASAFO_GRACE=1 expect "$n at a time: a file that does not end fails" exits 1 run -j "$n" hangs.t
	expect "it had begun what is not ended with it" test -e "$files/began"
	expect "the reason is told" grep -q '^# hangs.t failed: it was killed, or had not ended after 1 s nor when told to$' "$files/out"
	expect "its lab is removed" no_lab
	expect "and nothing is left" until_true 10 nothing_is_left
	rm -f "$files/lab" "$files/began"
	ASAFO_GRACE=1 TMPDIR=$files/tmp "$files/tests/net/run" -j "$n" hangs.t >"$files/out" 2>&1 &
	pid=$!
	expect "it has begun once more" until_true 10 test -e "$files/began"
	kill -TERM "$pid"
	wait "$pid"
	same "who is told to end says so" $? 143
	expect "and has removed its lab" no_lab
	expect "and left nothing" until_true 10 nothing_is_left
done

steps() { TMPDIR=$files/tmp "$files/tests/run" "$@" >"$files/out" 2>&1; }
program lint <<'STEP'
printf '%s\n' '# a.t' 'ok - one' '# b.t' '1..0 # SKIP no such program' '# c.t' 'ok - two' 'ok - three # SKIP no such device' \
	'# c.t failed: it had not ended after 600 s' '# d.t' 'not ok - four' '# d.t failed' '# e.t' 'ok - five'
exit 1
STEP
expect "a step that fails" exits 1 steps lint
same "a file that could not say what failed counts, one that was skipped, too" "$(tail -n 1 "$files/out")" "3 passed, 2 failed, 2 skipped"
expect "what comes last names it" grep -q '^lint: # c.t failed: it had not ended after 600 s$' "$files/out"
rm -rf "$files/tmp"/*
mkdir "$files/kept" && echo 'ok - one' >"$files/kept/lint.log" && echo '0 1' >"$files/kept/lint.ended"
program lint <<<'kill -KILL 0'
ASAFO_TEST_DIR=$files/kept expect "a step that is killed with all of its group" exits 1 steps lint
same "has not done what an earlier run did" "$(tail -n 1 "$files/out")" "0 passed, 1 failed"
rm -f "$files/began"
program lint <<'STEP'
trap 'trap "" TERM; read -rt 1 <><(:); ls "$TMPDIR" >"$here/there"; exit 1' TERM
: >"$here/began"
while :; do read -rt 0.1 <><(:); done
STEP
TMPDIR=$files/tmp "$files/tests/run" lint >"$files/out" 2>&1 &
pid=$!
expect "a step has begun" until_true 10 test -e "$files/began"
kill -TERM "$pid"
wait "$pid"
same "tests/run is told to end" $? 143
expect "the step cleared up before its folder went" grep -q '^asafo-tests' "$files/there"
expect "which it did" test -z "$(ls -A "$files/tmp")"
done_testing

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The lab itself: what users, tests and benches stand on. It refuses nonsense, and leaves nothing behind.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

namespace_is_there() { ip netns list | grep -q "^asafo-$LAB-"; }
nothing_is_left() {
	! namespace_is_there && [ ! -e "/run/asafo-lab-$LAB" ] &&
		! compgen -G "/var/tmp/asafo-lab-$LAB-*" >/dev/null && ! pgrep -f "/run/asafo-lab-$LAB/" >/dev/null
}
# interrupted SIGNAL STATUS COMMAND...: the signal comes to the whole group, as from a terminal, once there is something.
interrupted() {
	local signal=$1 want=$2 pid status=0
	shift 2
	set -m # a job with a group of its own, which takes SIGINT
	"$@" >"$files/log" 2>&1 &
	pid=$!
	set +m
	until_true 20 namespace_is_there
	kill "-$signal" -- "-$pid"
	wait "$pid" || status=$?
	same "$signal while $(basename "$1") makes the pair ends it with $want" "$status" "$want"
	expect "(nothing is left of it)" nothing_is_left
}

refused "a verb that is none" 2 'unknown verb "fly"' lab fly
refused "a name without a name" 2 'expected a name' "$top/tools/lab" --name
refused "a name that is none" 2 'small letters' "$top/tools/lab" --name 'A b' up
refused "a folder without programs" 1 'holds no built' lab --build "$files" up
refused "a configuration that is not there" 1 'cannot read' lab up --config-a "$files/none"
refused "a unit's folder without programs" 1 'holds no built' lab up --build-b "$files"
refused "a unit's folder that is not said" 2 'expected a folder' lab up --build-a
refused "a lab that is not up" 1 'no lab is up' lab power a off
refused "anybody but root" 1 'needs root' setpriv --reuid 65534 --regid 65534 --clear-groups "$top/tools/lab" up
expect "(nothing of it is left)" nothing_is_left

interrupted INT 130 "$top/tools/lab" --name "$LAB" up
interrupted TERM 143 "$top/tools/lab" --name "$LAB" up
interrupted HUP 129 "$top/tools/lab" --name "$LAB" up

pair_up
for words in "power" "power a" "power c off" "power a off now" "cut a" "cut a moon" "loss inside 3" "loss fover 101" \
	"power a on now" "power a on --build" "power a off --build x" "wait a" "wait a Active soon" "freeze" "exec a" "status now" "heal now"; do
	# shellcheck disable=SC2086
	refused "\"lab $words\"" 2 'expected|unexpected' lab $words
done
expect "up is quick where it is up" lab up
expect "status says who is active" grep -q 'unit a .*Active' <(lab status)
lab cut b fover && lab loss outside 7
expect "status says what is cut" grep -q 'cut.*b-fover' <(lab status)
expect "status says what is lost" grep -q 'outside 7 %' <(lab status)
lab heal
expect "heal ends both" grep -qz 'cut *nothing.*outside 0 %' <(lab status)

# Another build for one unit. The programs of a folder that the units' users cannot reach are copied.
mkdir -m 0700 "$files/other" && cp "$ASAFO_BUILD"/asafo "$ASAFO_BUILD"/asafod "$ASAFO_BUILD"/asafo-* "$files/other/"
program_of() { readlink "/proc/$(pid_of "$1" "$2")/exe"; }
own=$(program_of b asafod)
refused "other programs for a unit that is on" 1 'is on' lab power b on --build "$files/other"
lab power b off
refused "other programs that are none" 1 'holds no built' lab power b on --build "$files"
expect "a unit boots with other programs" lab power b on --build "$files/other"
wait_state b "Standby Ready"
same "they are those of the folder" "$(program_of b asafod)" "$files/other/asafod"
expect "so are its rooms'" test "$(dirname "$(program_of b asafo-keeper)")" != "$(dirname "$own")"
lab power b off
lab power b on
wait_state b "Standby Ready"
same "it keeps them when its power was off" "$(program_of b asafod)" "$files/other/asafod"
same "the other unit has those that it had" "$(program_of a asafod)" "$own"
expect "the CLI of the unit is that of the folder" lab asafo b show version

# Beside it another, with configurations of its own.
sed 's/^hostname .*/hostname other/' "/run/asafo-lab-$LAB/a/etc/startup-config" >"$files/a.cfg"
sed 's/^hostname .*/hostname other/' "/run/asafo-lab-$LAB/b/etc/startup-config" >"$files/b.cfg"
other() { "$top/tools/lab" --name "${LAB}x" "$@"; }
trap '"$top/tools/lab" --name "${LAB}x" down >/dev/null 2>&1; cleanup' EXIT
expect "a second lab comes up beside the first, from two files" other up --config-a "$files/a.cfg" --config-b "$files/b.cfg"
expect "(its pair is one)" other wait b "Standby Ready"
same "(it has its own configuration)" "$(other asafo b --json show version | jq -r .hostname)" other
other power a off
expect "what is done to it" other wait b Active
same "does not reach the first" "$(field a .state) $(field b .state)" "Active Standby Ready"
expect "the second goes" other down
expect "the first stays" state_is a Active
expect "down" lab down
expect "(nothing of it is left)" nothing_is_left
done_testing

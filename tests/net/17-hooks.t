#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Hooks: what runs when the role changes, what it gets, what is refused, and that nothing waits for it.
# long: a hook has 30 s
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

pair_up
disk=/run/asafo-lab-$LAB/a
hooks=$disk/etc/hooks.d
record=$disk/record
hook() { # hook NAME: the script from stdin
	{
		printf '#!/bin/bash\nrecord=%s\n' "$record"
		cat
	} >"$hooks/$1.new"
	chmod 755 "$hooks/$1.new"
	mv "$hooks/$1.new" "$hooks/$1"
}
recorded() { grep -qxF -- "$1" "$record"; }
said() { grep -qE -- "$1" "$disk/log"; }
straggles() { # what a hook left in a session of its own
	local p
	for p in $(ip netns pids "asafo-$LAB-a"); do
		tr '\0' ' ' 2>/dev/null <"/proc/$p/cmdline" | grep -qF "$record.pin" && return 0
	done
	return 1
}
count() { field a ".hooks.$1"; }
count_is() { [ "$(count "$1")" -ge "$2" ]; }
troubled() { asafo a --json show failover | jq -e --arg t "$1" '.troubles | any(test($t))' >/dev/null; }
untroubled() { ! troubled '^hooks? '; }
switch() { # switch ROLE: of unit a
	expect "unit a becomes $1" asafo a failover "$1"
	if [ "$1" = active ]; then wait_state a Active && wait_state b "Standby Ready"; else wait_state b Active && wait_state a "Standby Ready"; fi
}

hook 10-first <<'HOOK'
echo "$ASAFO_SCRIPT $1 $2" >>"$record"
printf '%s\n' "role=$ASAFO_ROLE previous=$ASAFO_PREVIOUS_ROLE state=$ASAFO_STATE unit=$ASAFO_UNIT" >>"$record"
echo "reason=$ASAFO_REASON" >>"$record"
[ -n "$ASAFO_TERM" ] && [ -n "$ASAFO_MATE_STATE" ] && echo complete >>"$record"
HOOK
hook 20.second <<'HOOK'
echo "second after $(tail -n 1 "$record")" >>"$record"
printf 'a bell \a and an escape \033[31mred\n'
echo "environment: $(env | grep -cv '^ASAFO_')" >>"$record"
echo "sockets and the like: $(find /proc/$$/fd \( -lname 'socket:*' -o -lname 'anon_inode:*' \) | wc -l)" >>"$record"
read -r line || echo "no input" >>"$record"
[ "$(cut -d' ' -f5 /proc/$$/stat)" = $$ ] && echo "a group of its own" >>"$record"
HOOK
hook 30-store <<HOOK
ls $disk/state/keeper/store >/dev/null 2>&1 || echo "the store is closed" >>"\$record"
ip rule add from 203.0.113.77 table 77 && echo "a rule is set" >>"\$record"
HOOK
echo ignored >"$hooks/README"

switch standby
expect "the hook ran with the new and the previous role" until_true 5 recorded "10-first standby active"
expect "it knows role, state and unit" until_true 5 recorded "role=standby previous=active state=Standby Ready unit=primary"
expect "it knows the reason in the words of the history" until_true 5 recorded "reason=Set by the config command"
expect "it knows the term and the mate's state" until_true 5 recorded complete
expect "the second ran after the first" until_true 5 recorded "second after complete"
expect "they have no input" until_true 5 recorded "no input"
expect "they have a process group of their own" until_true 5 recorded "a group of its own"
expect "they have no descriptor of anybody's" recorded "sockets and the like: 0"
expect "they cannot look into the store" until_true 5 recorded "the store is closed"
expect "they may set routing rules" until_true 5 recorded "a rule is set"
expect "what they say is in the log, control characters escaped" until_true 5 said 'hook 20.second: a bell . and an escape .\[31mred'
expect "no control character of theirs is" exits 1 grep -q "$(printf '\a')" "$disk/log"
expect "the runs are counted" until_true 5 count_is runs 3
same "nothing failed" "$(count failures)" 0

# What is not root's own, or what others can write, is refused and named.
hook 40-theirs </dev/null && chown 12345 "$hooks/40-theirs"
hook 41-open </dev/null && chmod 777 "$hooks/41-open"
ln -s /bin/true "$hooks/42-link"
hook 43-fails <<'HOOK'
echo "this went wrong" >&2
exit 3
HOOK
printf '#!/nowhere/sh\n' >"$hooks/44-lost" && chmod 755 "$hooks/44-lost"
: >"$record"
switch active
expect "the others run all the same" until_true 5 recorded "10-first active standby"
expect "a hook that is not root's is refused" until_true 5 said '"40-theirs" does not belong to root'
expect "a hook that everybody can write is refused" until_true 5 said '"41-open" can be written by others'
expect "a link is refused" until_true 5 said '"42-link" is not a plain file'
expect "one that fails is named with its exit code" until_true 5 said 'hook 43-fails ended with exit code 3'
expect "one that cannot be executed says why" until_true 5 said 'hook 44-lost: cannot be executed: its interpreter is missing'
expect "all five are counted as failures" until_true 5 count_is failures 5
same "the latest is told with its words" "$(count last_failure)" "44-lost: exit code 126: cannot be executed: its interpreter is missing (the #! line)"
expect "each is named among the troubles" until_true 5 troubled '^hook 43-fails failed at the latest change of role: exit code 3: this went wrong; mend it'
rm -f "$hooks"/4*
chmod 777 "$hooks"
: >"$record"
switch standby
expect "a folder that everybody can write is refused altogether" until_true 5 said 'hooks.d" can be written by others'
same "and nothing ran" "$(cat "$record")" ""
expect "(which is a trouble)" until_true 5 troubled '^hooks failed at the latest change of role: .*written by others'
chmod 755 "$hooks"

# Nothing waits for a hook that hangs; the newest change wins.
hook 05-hangs <<'HOOK'
echo "hangs for $1" >>"$record"
: >"$record.pin"
(setsid tail -f "$record.pin" >/dev/null 2>&1 &)
exec tail -f /dev/null
HOOK
switch active
expect "a hook hangs" until_true 5 recorded "hangs for active"
expect "what it started left its session" until_true 5 straggles
switch standby
switch active
expect "the hooks behind it do not begin" exits 1 grep -q 10-first "$record"
expect "a change that was overtaken is counted" until_true 5 count_is overtaken 1
hook 05-hangs </dev/null
expect "it is killed when its 30 seconds are over, and this is logged" until_true 60 said 'hook 05-hangs did not end within 30000 ms: it was killed'
expect "and so is what left its session" until_true 5 exits 1 straggles
expect "then the hooks run for the newest change" until_true 10 recorded "10-first active standby"
expect "not for the overtaken one" exits 1 grep -q '10-first standby' "$record"

expect "what runs well is no trouble any more" until_true 10 untroubled

# A runner that dies costs its hooks, not the service; a change that it missed is told to the next one.
: >"$record"
killed=$(pid_of a asafo-runner)
kill -KILL "$killed"
runs_anew() { runs a asafo-runner && [ "$(pid_of a asafo-runner)" != "$killed" ]; }
expect "the runner is started again" until_true 10 runs_anew
same "the unit is still active" "$(field a .state)" Active
switch standby
expect "its successor runs the hooks" until_true 10 recorded "10-first standby active"

# An orderly end is a change of role, too.
: >"$record"
kill -TERM "$(pid_of a asafod)"
expect "hooks run when the service stops" until_true 10 recorded "10-first none standby"
done_testing

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The operator's hand on the pair: planned switchovers and their gap, exec on the other unit, maintenance, a reload.
# alone: it compares gaps in milliseconds
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

pair_up
make_ca corp && make_p12 corp vpn
ready() { # ready ACTIVE STANDBY: both have their roles, and the standby is ready
	wait_state "$1" Active && wait_state "$2" "Standby Ready"
}
answer() { # answer UNIT ARGS...: its JSON into $files/answer
	asafo "$1" --json "${@:2}" >"$files/answer" 2>"$files/errors"
}
told() { jq -e "$1" "$files/answer" >/dev/null; }
field_is() { [ "$(field "$1" "$2")" = "$3" ]; } # field_is UNIT PATH VALUE
line_of() { asafo "$1" show running-config | grep -q -- "$2"; }
same_hostname() { [ "$(field a .hostname)" = "$(field b .hostname)" ]; }
term() { field "$1" .term; }

# ---- planned, with the gap that was measured ----
expect "failover standby on the active is answered" answer a failover standby
expect "with the gap that was measured" told '.changed and .gap_us > 0'
expect "which is no longer than the whole took and a hello's way" told ".gap_us < $((200000 * slow))"
ready b a
expect "failover active on the standby is answered" answer a failover active
expect "with the gap that the other unit measured" told '.changed and .gap_us > 0'
ready a b
expect "no failover active does the same as failover standby" answer a no failover active
expect "(with a gap)" told '.role == "standby" and .gap_us > 0'
ready b a
asafo a failover active >"$files/words"
expect "the words tell the gap, too" grep -qE 'This unit is active, after .*; the addresses moved within [0-9.]+ ms' "$files/words"
ready a b

# What the command says agrees with what a client of the failover IP sees. Two clocks' ends: the client may see less.
# The stopwatch and who answers it come before everything else, or they would measure this machine's load.
for unit in a b; do
	for pid in $(ip netns pids "asafo-$LAB-$unit"); do
		[ "$(cat "/proc/$pid/comm" 2>/dev/null)" != probe ] || chrt -f -p 50 "$pid"
	done
done
chrt -f 50 "$top/tools/lab" --name "$LAB" gap --interval-us 200 --seconds 3 --json >"$files/gap" 2>/dev/null &
probe=$!
until_true 5 grep -q . "$files/gap"
answer a failover standby
wait $probe
said=$(jq .gap_us "$files/answer") seen=$(tail -n 1 "$files/gap" | jq '.gap_ms * 1000 | floor')
echo "# the command said $said us, the probe saw $seen us"
expect "no datagram was answered twice" jq -e '.twice == 0' <(tail -n 1 "$files/gap")
expect "the probe saw no gap that the command did not tell (but 10 ms in which it was not scheduled)" \
	test "$seen" -le $((said + 10000 * slow))
ready b a

# ---- no-ops ----
before=$(term b)
expect "failover active on the active is no error" answer b failover active
expect "and says that nothing changed" told '.changed == false and .role == "active"'
expect "failover standby on the standby is no error" answer a failover standby
expect "and says so" told '.changed == false and .role == "standby"'
same "nobody was activated by it" "$(term b)" "$before"
asafo a failover active >/dev/null
ready a b

# ---- nothing is lost ----
expect "an import that the standby lacks" import a vpn vpn
expect "a switchover brings it over first" asafo a failover standby
ready b a
expect "(it is there)" has b vpn
asafo a failover active >/dev/null
ready a b

# ---- refused, with the reason ----
lab power b off
until_true 10 field_is a .mate.heard false
refused "without a mate failover standby is refused" 1 'mate is not heard' asafo a failover standby
refused "with --force, too: there is nobody to hand over to" 1 'mate is not heard' asafo a failover standby --force --yes
same "the unit is still active" "$(field a .state)" Active
refused "reload-standby without a standby is refused" 1 'not heard' asafo a failover reload-standby
refused "exec on a mate that is not there is refused" 1 'mate cannot be asked' asafo a failover exec mate show state
lab power b on
ready a b
refused "--force without a terminal wants --yes" 2 'confirmed on a terminal, or --yes' asafo a failover standby --force
same "and nothing was done" "$(field a .state)" Active
expect "--force where nothing is lost hands over" asafo a failover standby --force --yes
ready b a
asafo a failover active >/dev/null
ready a b

make_p12 corp late secret late.example.net
expect "an import that only the active has" import a late late
asafo a failover standby --force --yes >"$files/words" 2>&1
expect "--force names what would be lost" grep -q 'would be lost: the standby lacks: late' "$files/words"
expect "and hands over all the same" until_true 10 state_is b Active
wait_state a "Standby Ready"
expect "without it" has_not b late
expect "the unit that gave it up lists it" test "$(asafo a --json show orphans | jq -r '.orphans[] | "\(.name) \(.term > 0)"')" = "late true"
same "the other gave nothing up" "$(asafo b show orphans | head -n 1)" "No orphans: this unit gave nothing up"
expect "the unit that gave it up says that it kept it aside" grep -q 'unit/orphans' "/run/asafo-lab-$LAB/a/log"
refused "it is taken back on the active unit only" 3 'make it active' asafo a orphans restore late
asafo a failover active >/dev/null
ready a b
refused "what is no orphan cannot be taken back" 1 'there is no orphan named early' asafo a orphans restore early
expect "what it accepted alone is taken back" asafo a orphans restore late
same "it is a trustpoint again" "$(asafo a --json show trustpoints late | jq -r '.trustpoints[0].names[0]')" late.example.net
same "and no orphan any more" "$(asafo a show orphans | head -n 1)" "No orphans: this unit gave nothing up"
expect "the mate gets it" asafo a write-standby
expect "with its key" same_digest
refused "what is no orphan cannot be dropped" 1 'there is no orphan named late' asafo a orphans drop late

# ---- exec ----
has_line() { asafo "$1" show running-config | grep -qx "$2"; }
says_already() { asafo "$1" failover active --force </dev/null | grep -q 'active already: nothing was changed'; }
expect "exec mate shows the mate's state" answer a failover exec mate show state
expect "(it is the secondary's)" told '.this.unit == "secondary" and .other.unit == "primary"'
expect "exec active on the active runs here" answer a failover exec active show state
expect "(the primary's)" told '.this.unit == "primary"'
expect "exec active on the standby runs there" answer b failover exec active show state
expect "(the primary's)" told '.this.unit == "primary"'
expect "exec standby on the standby runs here" answer b failover exec standby show state
expect "(the secondary's)" told '.this.unit == "secondary"'
asafo a failover exec mate show failover >"$files/words"
expect "without --json it is the text that the mate would print" grep -q 'This host: Secondary - Standby Ready' "$files/words"
refused "a failure there is a failure here, with its exit status" 3 'primary' asafo a failover exec mate write-standby
refused "exec within exec is refused" 2 'expected|failover exec' asafo a failover exec mate failover exec mate show state
refused "what needs a file is refused" 2 'that unit itself' asafo a failover exec mate import x y
refused "so is what needs a terminal" 2 'that unit itself' asafo a failover exec mate pair
refused "a removal on the standby is refused by its role" 3 'primary' asafo a failover exec standby remove vpn
expect "a removal on the active works from the standby" asafo b failover exec active remove vpn --force
expect "(it is gone)" has_not a vpn
expect "lines of the configuration can be typed on the standby for the active" asafo b failover exec active configure "hostname far" "monitor-interface inside"
expect "and are taken there" has_line a 'hostname far'
refused "not the other way round" 3 'Primary' asafo a failover exec standby configure "hostname near"
expect "the name is as it was" asafo a configure "hostname gw"
expect "force in the role that it has asks for nothing" says_already a
user=$(id -u nobody)
# The build folder may be nobody's to enter.
place=$(mktemp -d /run/asafo-net.XXXXXX) && also_remove+=("$place")
chmod 755 "$place" && install -m 755 "$ASAFO_BUILD/asafo" "$place/asafo"
refused "who may not look may not exec" 1 'may be called by' \
	setpriv --reuid "$user" --regid "$user" --clear-groups env ASAFO_CONTROL="/run/asafo-lab-$LAB/a/run/control" \
	"$place/asafo" failover exec mate show state
python3 - "/run/asafo-lab-$LAB/a/run/control" $((10 * slow)) >"$files/raw" <<'PYTHON'
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(int(sys.argv[2]))
s.connect(sys.argv[1])
s.sendall(b'{"method":"asafo.FailoverExec","parameters":{"unit":"mate","method":"asafo.FailoverExec"}}\0')
answer = b""
while b"\0" not in answer and (piece := s.recv(4096)):
    answer += piece
print(answer.decode())
PYTHON
expect "the daemon refuses exec within exec by itself" grep -q 'asafo.Denied\|within failover exec' "$files/raw"
# A mate that stands still: its kernel keeps the connection for as long as it does.
lab freeze b
refused "exec on a mate that is lost meanwhile does not wait for its time to be over" 1 \
	'the mate was lost before it answered|it is not heard' \
	timeout $((20 * slow)) "$top/tools/lab" --name "$LAB" asafo a failover exec mate show failover
lab thaw b
wait_state b "Standby Ready"
wait_state a Active

# ---- maintenance ----
expect "maintenance on on a standby" asafo b maintenance on
expect "the other unit says so" until_true 5 field_is a .mate.maintenance true
refused "it is not handed over to" 1 'mate is in maintenance' asafo a failover standby
refused "nor may both be in maintenance" 1 'in maintenance, too' asafo a maintenance on
expect "it is a line of the running-config" grep -q '^failover maintenance' <(asafo b show running-config)
expect "of this unit's only" exits 1 line_of a '^failover maintenance' 
expect "by force they may" asafo a maintenance on --force --yes
same "the active goes on to serve" "$(field a .state)" Active
both_told() { asafo "$1" --json show failover | jq -e '.troubles | any(startswith("both units are in maintenance: if the active one is lost, nobody serves"))'; }
expect "what that means is said on the active" until_true 5 both_told a
expect "and on the standby" until_true 5 both_told b
expect "and asked again, too" grep -q '^Note: both units are in maintenance' <(asafo a maintenance)
expect "(the active's ends)" asafo a maintenance off
refused "which unit it is cannot be changed while failover is on" 1 'failover is on, and this unit is the secondary' asafo b configure "failover lan unit primary"
same "(nothing was changed)" "$(field b .unit)" secondary
expect "the same line again is no change" asafo b configure "failover lan unit secondary"
expect "maintenance off" asafo b maintenance off
until_true 5 field_is a .mate.maintenance false
expect "maintenance on on the active hands over first" answer a maintenance on
ready b a
expect "and it is in maintenance" test "$(field a .maintenance)" = true
expect "saved, it survives a restart" asafo a write-memory
lab power a off && lab power a on
wait_state a "Standby Ready"
expect "(it did)" until_true 5 field_is a .maintenance true
expect "maintenance off again" asafo a maintenance off
asafo a write-memory >/dev/null
asafo a failover active >/dev/null
ready a b

# ---- reload-standby ----
boot=$(pid_of b asafo-engine) supervisor=$(pid_of b asafod)
expect "reload-standby is answered when the standby is ready again" answer a failover reload-standby
expect "with the time that it took" told '.state == "Standby Ready" and .ms > 0'
expect "(it lost nothing of its own)" told '.warnings == []'
same "the standby is ready at that moment" "$(field b .state)" "Standby Ready"
expect "its engine is another" test "$(pid_of b asafo-engine)" != "$boot"
same "its supervisor is the same process" "$(pid_of b asafod)" "$supervisor"
refused "on the standby it is refused" 3 'active unit' asafo b failover reload-standby
asafo b maintenance on >/dev/null
expect "a line of the standby's own that is not saved is warned of" answer a failover reload-standby
expect "by itself" told '.warnings[0] | test("without 1 line of its own that was not saved .*: \"failover maintenance\"$")'
expect "(it came back without it)" until_true 10 field_is b .maintenance false
same "the active unit served all the time" "$(field a .state)" Active
ready a b

# ---- the lock of the standby's configuration ----
refused "the standby refuses a change of the configuration" 3 'primary' asafo b configure 'hostname other'
expect "the lock can be opened on the active" asafo a configure 'no failover standby config-lock'
expect "the line reaches the standby" until_true 5 line_of b '^no failover standby config-lock' 
asafo b configure 'hostname other' >"$files/words" 2>&1
expect "then the standby takes one, with a warning" grep -q 'warning: this unit is the standby' "$files/words"
same "(it did)" "$(field b .hostname)" other
expect "the active's next lines replace it" asafo a configure 'failover standby config-lock'
expect "(they did)" until_true 5 same_hostname
refused "and the lock holds again" 3 'primary' asafo b configure 'hostname other'

# ---- lines and counters ----
expect "preemption is configured with a delay" asafo a configure 'failover preempt delay 1200'
expect "and shown" grep -q '^failover preempt delay 1200' <(asafo a show running-config)
expect "and taken back" asafo a configure 'no failover preempt'
refused "a delay has a bound" 2 '1200' asafo a configure 'failover preempt delay 1201'
expect "an operator's switchover comes before the wish" asafo b failover active
ready b a
expect "the active takes the line for both" asafo b configure 'failover preempt'
expect "failover reset ends what the operator ordered" asafo a failover reset
expect "and the primary is active again" ready a b
same "by its own wish" "$(asafo a --json show failover history | jq -r '[.rows[] | select(.to == "Active")][-1].reason')" Preempt
expect "failover statistics begin anew" asafo a clear failover statistics

# ---- frozen roles ----
troubled() { asafo "$1" --json show failover | jq -e --arg t "$2" '.troubles | any(startswith($t))' >/dev/null; }
expect "failover is turned off on the active" asafo a configure 'no failover'
expect "which says that it serves all the same" until_true 5 troubled a 'failover is off on this unit, which serves'
expect "and so does the standby" until_true 5 troubled b 'failover is off on the other unit, which serves'
refused "the standby is refused the role, and told why" 1 'failover is off on the other unit, which serves' asafo b failover active
refused "also by force" 1 'failover is off on the other unit, which serves' asafo b failover active --force --yes
expect "no switchover can be asked for, in the words of IOS" \
	grep -q '^Manual Swact = disabled (failover is off)' <(asafo a show redundancy state)
expect "it is turned on again" asafo a configure 'failover'
ready a b

# ---- the neighbours ----
same "in all this nobody took the mate's word for a duplicate address" "$({ lab log a; lab log b; } | grep -c 405001)" 0

# ---- lines that the standby never got ----
asafo a failover active >/dev/null 2>&1
wait_state a Active
wait_state b "Standby Ready"
lab exec a ip link set eth2 down
expect "the link goes" until_true 20 eval '! asafo a failover exec mate show state'
expect "(on both units)" until_true 20 eval '! asafo b failover exec mate show state'
expect "a certificate is taken while the failover link is down" import a lonely late
expect "(the standby knows of it)" until_true 5 eval '! same_digest && [ "$(field b .mate.position.digest)" = "$(digest a)" ]'
refused "the standby is refused the role at once: it would serve without it" 1 'link is down.*lose it' asafo b failover active
expect "of what is there on the mate no number is made up" grep -E 'Other host: term [0-9]+, seq [0-9]+, digest' <(asafo a show failover)
expect "it is removed again" asafo a remove lonely
expect "so that the units hold the same" until_true 10 same_digest
expect "(the standby knows of it)" until_true 5 eval '[ "$(field b .mate.position.digest)" = "$(digest a)" ]'
refused "the standby is refused the role all the same, and nothing would be lost" 1 'nothing is lost' asafo b failover active
expect "a line is taken while the failover link is down" asafo a configure "hostname alone"
expect "(the standby knows of it)" until_true 5 eval 'asafo b failover active 2>&1 | grep -q "different running-configs"'
refused "the standby is refused the role: it would serve without the line" 1 'different running-configs' asafo b failover active
refused "the active does not hand over, either" 1 'different running-configs' asafo a failover standby
expect "(it is active)" state_is a Active
lab exec a ip link set eth2 up
expect "the line is sent when the link is back" until_true 10 eval 'asafo b show running-config | grep -q "hostname alone"'
expect "and the standby takes over" until_true 10 asafo b failover active
expect "(with the line)" grep -q "hostname alone" <(asafo b show running-config)
done_testing

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What the operator sees: both units' history over a crash, the words of ASA and IOS, one line for monitoring, the log.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

says() { # says UNIT PATTERN COMMAND...: the screen has a line that matches (extended).
	local unit=$1 pattern=$2
	shift 2
	asafo "$unit" "$@" | grep -qE -- "$pattern"
}
logged() { lab log "$1" | grep -aqE -- "$2"; }
not_logged() { ! logged "$@"; }
complains() { # complains TEXT COMMAND...: what the command says of its failure.
	local text=$1
	shift
	"$@" 2>&1 >/dev/null | grep -q -- "$text"
}
rows() { asafo "$1" --json show history "${@:2}" | jq -r '.rows[] | "\(.unit) \(.from) -> \(.to): \(.reason)"'; }

pair_up
expect "a unit that starts tells no lost link" not_logged a '105005'
expect "neither does the one that connects" not_logged b '105005'
same "a promotion is told row by row, with one reason" "$(rows a | head -n 6)" \
	"primary Not Detected -> Negotiation: No Error
primary Negotiation -> Just Active: No Active unit found
primary Just Active -> Active Drain: No Active unit found
primary Active Drain -> Active Applying Config: No Active unit found
primary Active Applying Config -> Active Config Applied: No Active unit found
primary Active Config Applied -> Active: No Active unit found"
same "and so is a join" "$(rows b | tail -n 5)" \
	"secondary Negotiation -> Cold Standby: Detected an Active mate
secondary Cold Standby -> Sync Config: Detected an Active mate
secondary Sync Config -> Sync File System: Detected an Active mate
secondary Sync File System -> Bulk Sync: Detected an Active mate
secondary Bulk Sync -> Standby Ready: Detected an Active mate"
expect "details hold both units' rows" test "$(rows a details | cut -d' ' -f1 | sort -u | wc -l)" = 2
same "details are in one order" "$(asafo b --json show history details | jq '[.rows[].at] | . == sort')" true
same "without details there is one unit" "$(rows a | cut -d' ' -f1 | sort -u)" primary

expect "IOS users find the active" says a '^my state = 13 -ACTIVE$' show redundancy state
expect "and the hot standby" says a '^peer state = 8 -STANDBY HOT$' show redundancy state
expect "by the command's name there, too" says a '^my state = 13 -ACTIVE$' show redundancy states
expect "and where to switch over" says b '^Manual Swact = cannot be initiated from this the standby unit$' show redundancy state
expect "the failover link has both addresses" says b '^                Other IP Address : 203.0.113.1$' show failover interface
expect "hellos are counted" says a '^        tx:[1-9]' show failover statistics
expect "the clocks of one machine are the same" until_true 5 says a '^ *Clocks: the same' show failover
expect "what crossed the link is counted" says a '^        General         [1-9]' show failover
expect "a line that names a trustpoint which nobody has makes a check warn" until_true 5 exits 1 asafo a check
expect "what is served in its place is not shown under its name" says a '^self-signed fallback +outside .* vpn is bound by interface, but ' show ssl
expect "a trustpoint that is not there is named" complains 'there is no trustpoint nope: see asafo show trustpoints' asafo a show certificates nope
expect "a line that stands below another names it" complains '"ip ..." belongs below "interface DEVICE"' asafo a configure 'ip address 192.0.2.9 255.255.255.0'
expect "a binding is refused without the number of a line" complains '^asafo: bind: "ssl trust-point vpn nowhere": no interface' asafo a bind vpn nowhere
expect "a standby that saves says for whom" says b '^On this unit alone: on the active unit write-memory saves on both$' write memory
make_ca corp && make_p12 corp vpn
expect "an import" import a vpn vpn
expect "names what the standby lacks" says a 'The standby lacks: 1 change \(vpn\): run asafo write-standby' show failover
expect "and makes a check warn" exits 1 asafo a check
expect "until it has it" asafo a write-standby
until_true 10 exits 0 asafo a check
same "a check of a pair that is well is OK" "$(asafo a check | cut -d' ' -f1-3; asafo a check >/dev/null; echo $?)" "ASAFO OK -
0"
# What bash completes the words to: those that a daemon knows, too.
completed() { # completed UNIT WORD...
	ASAFO_CONTROL=/run/asafo-lab-$LAB/$1/run/control PATH=$ASAFO_BUILD:$PATH bash -c '
		. "$0/tools/completion/asafo"
		COMP_WORDS=(asafo "$@") COMP_CWORD=$#
		_asafo 2>/dev/null
		echo "${COMPREPLY[*]}"' "$top" "${@:2}"
}
same "a trustpoint is completed where one is wanted" "$(completed a why '')" vpn
same "also behind an abbreviation" "$(completed a sh trust v)" vpn
openssl pkcs12 -export -in "$files/vpn.pem" -inkey "$files/vpn.key" -passout pass:secret -out "$files/bare.p12"
echo secret >"$files/bare.pass"
expect "a chain that is incomplete" import a bare bare
expect "is noted below the table" says a '^bare: the certificate chain is incomplete$' show trustpoints
same "a note is no name" "$(completed a why '' | tr ' ' '\n' | sort | xargs)" "bare vpn"
expect "it goes again" asafo a remove bare
same "an interface, too" "$(completed a bind vpn '' | tr ' ' '\n' | sort | xargs)" "inside outside"
same "no trustpoint is where another name is wanted" "$(completed a localca issue '')" ""
expect "who types lines on the standby is told before" grep -q 'warning: this unit is Standby Ready: what the pair shares is configured on the active unit' \
	<(echo end | script -qec "'$top/tools/lab' --name '$LAB' --build '$ASAFO_BUILD' asafo b conf t" /dev/null)
same "a check that may not ask says no word of a daemon that is away" "$(setpriv --reuid 65534 --regid 65534 --clear-groups \
	"$ASAFO_BUILD/asafo" --control "/run/asafo-lab-$LAB/a/run/control" check 2>/dev/null || echo "$?")" \
	"ASAFO UNKNOWN - asafod did not say how the pair is: standard error has why
3"
expect "a switchover that is asked for" asafo b failover active
until_true 5 exits 0 asafo a check
expect "is no failed replication" not_logged a '709007'
expect "nor on the other unit" not_logged b '709007'
expect "who was both roles shows the replication of both" says b '^        Sync (Done|Skipped) - STANDBY$' show failover state
expect "an ASA counts the active time of all times" until_true 3 says a '^                Active time: [1-9][0-9]* \(sec\)$' show failover
expect "back again" asafo a failover active
until_true 5 exits 0 asafo a check
lab cut a fover
expect "a failover link that carries nothing makes a check warn" until_true 5 exits 1 asafo b check
expect "and is named" until_true 5 says b '^Trouble: no hello of the mate comes on the failover link fover \(eth2\)' show failover
lab heal
expect "until it is repaired" until_true 5 exits 0 asafo b check
expect "the statistics begin anew" asafo b clear failover statistics
same "losses, too" "$(asafo b --json show failover statistics | jq '[.paths[].lost] | add')" 0

# ---- certificates over time ----
openssl req -newkey rsa:2048 -nodes -subj /CN=old.example.net -keyout "$files/old.key" -out "$files/old.csr" 2>/dev/null
openssl x509 -req -in "$files/old.csr" -CA "$files/corp-ca.pem" -CAkey "$files/corp-ca.key" -days 10 -set_serial 0x77 -out "$files/old.pem" 2>/dev/null
openssl pkcs12 -export -in "$files/old.pem" -inkey "$files/old.key" -certfile "$files/corp-ca.pem" -passout pass:secret -out "$files/old.p12"
echo secret >"$files/old.pass"
active_now=$(state_is a Active && echo a || echo b)
expect "a certificate of 10 days" import "$active_now" old old --replace
expect "is told of in the log" until_true 40 logged "$active_now" '%ASAFO-1-717054: .* The ID certificate in the trustpoint old is due to expire in 9 days. Expiration'
expect "and under Trouble" says "$active_now" '^Trouble: the certificate of trustpoint old expires in 9 days' show failover
expect "a check warns of it" exits 1 asafo "$active_now" check
same "once" "$(lab log "$active_now" | grep -ac 717054)" 1
expect "a shorter notice" asafo "$active_now" configure "crypto ca alerts expiration begin 5 repeat 1"
untroubled() { ! says "$1" '^Trouble: the certificate' show failover; }
expect "takes it from Trouble" until_true 20 untroubled "$active_now"
expect "the line is shown in its section" says "$active_now" '^crypto ca alerts expiration begin 5 repeat 1$' show running-config crypto
expect "it goes again" asafo "$active_now" remove old
expect "from both" asafo "$active_now" write-standby
lab power a off
lost() { asafo b --json show failover | jq -e '.mate.heard == false'; }
until_true 5 lost
asafo b --json show failover >"$files/lost.json"
same "from the first moment the session is down, and what the mate lacks is unknown" \
	"$(jq -c '[.link.up, .mate.lacks, .mate.state]' "$files/lost.json")" '[false,-1,"Failed"]'
same "and the loss is the trouble" "$(jq -r '.troubles[0]' "$files/lost.json" | cut -d, -f1)" "the other unit is lost"
wait_state b Active
expect "the screen has it, too" says b '^Trouble: the other unit is lost, no hello for [0-9]+ s: ' show failover
expect "what it lacks is unknown" says b '^        The standby lacks: unknown$' show failover
expect "a write standby without one says where to look" complains 'write standby: the .*; see asafo show failover, then run it again$' asafo b write standby
expect "a session to nobody is down" says b '^Failover link session: down' show failover
same "no trustpoint is said to be there" "$(asafo b --json show trustpoints | jq -r '.trustpoints[] | select(.name == "vpn") | .on_mate')" unknown
expect "the loss of the mate has its number" logged b '%ASAFO-1-103001: \(Secondary\) No response from other firewall \(reason code = [0-9]\)'
expect "the takeover has its number" logged b '%ASAFO-1-104001: \(Secondary\) Switching to ACTIVE - HELLO not heard from mate'
expect "the mate is shown as failed" says b '^               Failed         Comm Failure             [0-9:]{8} ' show failover state
expect "in each view" says b '^        Other host: Primary - Failed$' show failover
expect "the redundancy is gone" says b '^Communications = Down      Reason: Simplex mode$' show redundancy state
expect "a check warns" exits 1 asafo b check
expect "details without a mate are this unit's" says b '^Only this unit.s rows: ' show failover history details

lab power a on
wait_state a "Standby Ready"
expect "the history goes over a loss of power" test "$(rows a | grep -c 'Not Detected -> Negotiation')" = 2
before=$(rows b | wc -l)
kept() { asafo b --json show history | jq -e '.rows | length >= 7' >/dev/null; }
expect "the other has its rows, too" kept
kill -9 "$(pid_of b asafo-engine)"
wait_state a Active
wait_state b "Standby Ready"
expect "the history goes over the death of the engine" test "$(rows b | wc -l)" -gt "$before"
same "as it was" "$(rows b | head -n 1)" "secondary Not Detected -> Negotiation: No Error"

expect "no-one's colour is on a pipe" test -z "$(asafo a show failover | tr -d -c '\033')"
expect "every message is one line of printable text" test -z "$(lab log a | grep -a '%ASAFO' | LC_ALL=C tr -d '\n' | LC_ALL=C tr -d '[:print:]')"
done_testing

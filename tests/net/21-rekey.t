#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# asafo rekey: another failover key while the pair serves and replicates; killed at each step, either unit goes on.
# long: the pair settles again 18 times
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
vip=198.51.100.10

pair_up
make_ca corp && make_p12 corp vpn && make_p12 corp more
leaf=$(fingerprint_of "$files/vpn.pem")
expect "a trustpoint to begin with" import a vpn vpn
expect "on both units" asafo a write-standby

key() { field "$1" .failover_key.id; }
is_settled() {
	[ "$(field "$1" .failover_key.rekey)" = settled ] && [ "$(key "$1")" = "$(key "$2")" ]
}
both_settled() { is_settled a b && is_settled b a; }
transitions() { asafo "$1" --json show failover history | jq '[.rows[] | select(.from != .to)] | length'; }
told() { grep -ac "$2" "/run/asafo-lab-$LAB/$1/log"; }
active() { if state_is a Active; then echo a; else echo b; fi; }
pair_settled() {
	{ state_is a Active && state_is b "Standby Ready"; } || { state_is b Active && state_is a "Standby Ready"; }
}

# ---- nothing happens but another key ----
first=$(key a)
same "both units have one key" "$first" "$(key b)"
before="$(transitions a) $(transitions b) $(told a 'Lost Failover') $(told b 'Lost Failover')"
link=$(asafo a --json show failover | jq .link.bytes_sent)
expect "the active unit rekeys the pair" asafo a rekey
second=$(key a)
expect "the key is another" test "$first" != "$second"
expect "on both units, and each is done" until_true 5 both_settled
same "no unit changed its state, and no hello was missed" \
	"$(transitions a) $(transitions b) $(told a 'Lost Failover') $(told b 'Lost Failover')" "$before"
expect "the link is the same connection" test "$(asafo a --json show failover | jq .link.bytes_sent)" -gt "$link"
same "no hello was refused" "$(($(told a 'hello refused') + $(told b 'hello refused')))" 0
expect "the leaf is served" serves $vip corp "$leaf"
expect "it replicates" import a more more
expect "(write standby)" asafo a write-standby
for unit in a b; do
	expect "the history of $unit says it" grep -q 'Failover key changed' <(asafo $unit show failover history)
	expect "the log of $unit says it" test "$(told $unit "rekey: both units use failover key $second")" -ge 1
	expect "show failover of $unit says it" grep -q "Failover key: $second, since" <(asafo $unit show failover)
done

# ---- while a bulk runs, and after restarts: the file still has the line of the first key ----
asafo a write-standby >"$files/bulk.log" 2>&1 &
job=$!
expect "a rekey beside a replication" asafo a rekey
ended=0
wait $job || ended=$?
same "(the replication ends well)" "$ended $(grep 'asafo:' "$files/bulk.log")" "0 "
is_silent() { [ "$(field "$1" .mate.heard)" = false ]; }
lab power b off
expect "(the mate is lost)" until_true 10 is_silent a
refused "without the mate nothing is changed" 1 'mate is not there.*nothing was changed' asafo a rekey
lab power b on
wait_state b "Standby Ready"
expect "a unit that starts again has the new key, whatever its file says" until_true 5 both_settled
refused "a standby sends to the active unit" 3 'active' asafo b rekey

# ---- a mate that does not take it ----
lab cut b fover
refused "a mate that does not take it: the rekey is pending" 1 '(in time|was lost).*old failover key.*goes on by itself' \
	asafo a rekey
expect "show failover says so" grep -q 'Trouble: .*takes both keys' <(asafo a show failover)
refused "and another one is refused" 1 'already' asafo a rekey
expect "it can be given up" asafo a rekey --cancel
refused "(once)" 1 'not being rekeyed' asafo a rekey --cancel
refused "(and not begun)" 1 'not there' asafo a rekey
lab heal
expect "the mate never had it" until_true 20 both_settled
expect "and the next one is taken" until_true 20 asafo a rekey
third=$(key a)
lab cut b fover
refused "one that is not given up" 1 'goes on by itself' asafo a rekey
lab heal
is_another() { [ "$(key a)" != "$third" ] && both_settled; }
expect "goes on by itself" until_true 40 is_another

# ---- killed at each step ----
wait_line() { # wait_line UNIT PATTERN COUNT: the log has more than COUNT of it
	[ "$(told "$1" "$2")" -gt "$3" ]
}
n=0
for line in 'is ready; this unit uses' 'rekey: this unit uses' 'is forgotten'; do
	for of in a b; do
		for process in asafo-keeper asafo-engine asafod; do
			n=$((n + 1))
			old=$(told $of "$line")
			asafo "$(active)" rekey >"$files/rekey.log" 2>&1 &
			job=$!
			while ! wait_line $of "$line" "$old" && kill -0 $job 2>/dev/null; do :; done
			kill -KILL "$(pid_of $of $process)"
			wait $job || :
			if [ $process = asafod ]; then
				lab power $of off
				lab power $of on
			fi
			expect "$n. kill -9 of $process of $of at \"$line\": the pair settles" until_true 20 pair_settled
			expect "$n. with one key" until_true 20 both_settled
			expect "$n. and replicates" until_true 10 asafo "$(active)" write-standby
			expect "$n. digests agree" until_true 5 same_digest
		done
	done
done
same "no hello was refused in all this" "$(($(told a 'hello refused') + $(told b 'hello refused')))" 0
expect "the leaf is served, still" until_true 10 serves $vip corp "$leaf"
done_testing

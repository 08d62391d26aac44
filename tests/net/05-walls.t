#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The walls as they stand in the running pair: users, filters, and who may open the store.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

pair_up
status() { sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status"; }
store=/run/asafo-lab-$LAB/a/state/keeper

own=$(cat /proc/self/oom_score_adj)
seen=
for process in asafo-engine asafo-keeper asafo-front asafo-auth asafo-fetch asafo-pam; do
	pid=$(pid_of a $process)
	same "$process has a seccomp filter" "$(status "$pid" Seccomp)" 2
	same "$process can gain no privilege" "$(status "$pid" NoNewPrivs)" 1
	uid=$(status "$pid" Uid | cut -f1)
	expect "$process runs as a user of its own, not root" test "$uid" -ne 0
	expect "$process shares its user with no other" test "${seen#* "$uid" }" = "$seen"
	seen="$seen $uid "
	if [ $process != asafo-keeper ]; then
		expect "there is a store" test -e "$store/store/data.mdb"
		refused "the user of $process cannot open the store" 1 'denied' \
			setpriv --reuid "$uid" --regid "$uid" --clear-groups cat "$store/store/data.mdb"
	fi
	expect "$process leaves no core" test "$(awk '/Max core file size/ { print $5 }' "/proc/$pid/limits")" = 0
done
runner=$(pid_of a asafo-runner)
same "asafo-runner can gain no privilege" "$(status "$runner" NoNewPrivs)" 1
same "it has of root what hooks need: addresses, raw sockets, signals" "$(status "$runner" CapBnd)" 0000000000003020
same "it has no socket of the network" "$(nsenter -t "$runner" -n ss -tuapnH | grep -c "pid=$runner,")" 0
same "it has no file open but its log" \
	"$(find "/proc/$runner/fd" -type l -printf '%l\n' | grep -vE '^(socket|anon_inode|pipe):|^/dev/null$|/log$')" ""
oom() { cat "/proc/$(pid_of a "$1")/oom_score_adj"; }
same "where memory is short neither the engine nor the keeper goes first" "$(oom asafo-engine) $(oom asafo-keeper)" "$own $own"
before=$((own < -300 ? 0 : own + 300 > 1000 ? 1000 : own + 300))
for process in asafo-front asafo-auth asafo-fetch asafo-pam asafo-runner; do
	same "$process goes before them" "$(oom $process)" $before
done
same "the keeper has no capability" "$(status "$(pid_of a asafo-keeper)" CapEff)" 0000000000000000
same "who fetches has no capability" "$(status "$(pid_of a asafo-fetch)" CapEff)" 0000000000000000
same "who asks PAM has no capability" "$(status "$(pid_of a asafo-pam)" CapBnd)" 0000000000000000
same "the auth helper has no capability" "$(status "$(pid_of a asafo-auth)" CapEff)" 0000000000000000
same "the auth helper has no socket of the network" \
	"$(nsenter -t "$(pid_of a asafo-auth)" -n ss -tuapnH | grep -c "pid=$(pid_of a asafo-auth),")" 0
same "the keeper has no socket of the network" \
	"$(nsenter -t "$(pid_of a asafo-keeper)" -n ss -tuapnH | grep -c "pid=$(pid_of a asafo-keeper),")" 0
make_ca corp && make_p12 corp vpn
expect "an import" import a vpn vpn
expect "(and its replication)" asafo a write-standby
openssl pkcs8 -topk8 -nocrypt -in "$files/vpn.key" -outform DER -out "$files/vpn.der"
# 64 bytes of the RSA private exponent's neighbourhood: in no file of either unit.
needle=$(tail -c 200 "$files/vpn.der" | head -c 64 | xxd -p -c 256)
found=$(for u in a b; do
	find "/run/asafo-lab-$LAB/$u" -type f -exec sh -c 'xxd -p -c 1000000000 "$1" | grep -q "$2" && echo "$1"' _ {} "$needle" \;
done)
same "the private key lies in clear in no file of either unit" "$found" ""

# Not ready before it has a configuration that it can work with: systemd must not believe a broken start.
mapfile -t programs <"/run/asafo-lab-$LAB/programs-a"
place=$(mktemp -d /run/asafo-net.XXXXXX) && also_remove+=("$place")
chmod 755 "$place" && mkdir "$place/run" "$place/state"
started() { # started CONFIG: asafod alone, in the inside host's namespace
	printf '%s\n' "$1" >"$place/config"
	lab exec inside timeout 30 "${programs[0]}" --config "$place/config" --state-dir "$place/state" \
		--run-dir "$place/run" --uid-base 62100 ${programs[2]:+--libexec-dir "${programs[2]}"}
}
refused "a wrong line in the startup-config ends the start with 78" 78 'config:1:1: "bogus": unknown command' started bogus
refused "so do lines that do not go together" 78 'config: failover is on, but there is no failover link' started failover
done_testing

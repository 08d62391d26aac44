#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A disk that needs longer for a change than the supervisor waits for a sign of life (5 s), be it a standby's bulk commit or an
# active unit's import: the keeper lives, clients are served meanwhile, and what is acknowledged is on the disk. A disk that
# hangs is found.
# long: what is slow there, and a disk that hangs
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
disk=/run/asafo-lab-$LAB/b/state
disk_pid='' vip=198.51.100.10

cleanup_disk() {
	[ -z "$disk_pid" ] || kill "$disk_pid" 2>/dev/null
	lab power b off >/dev/null 2>&1
	umount -l "$disk" 2>/dev/null
	cleanup
}
trap cleanup_disk EXIT

[ -w /dev/fuse ] || {
	echo "ok - a slow disk # SKIP no /dev/fuse on this machine"
	exit 0
}
settled() { state_is a Active && state_is b "Standby Ready"; }
insert_disk() {
	cp -a "$disk" "$files/disk"
	mkfifo "$files/says"
	exec 8<>"$files/says"
	"$ASAFO_BUILD/tests/net/forgetful" "$files/disk" "$files/after" "$disk" <"$files/says" >"$files/lost" 2>&1 &
	disk_pid=$!
	until_true 10 mountpoint -q "$disk" || not_ok "the disk is there: $(cat "$files/lost")"
}
killed() { grep -q 'keeper gave no sign of life' "/run/asafo-lab-$LAB/b/log"; }
count_of() { asafo "$1" --json show trustpoints | jq '.trustpoints | length'; }
troubled() { asafo b --json show failover | jq -e '.troubles | any(startswith("the disk of this unit is slow"))' >/dev/null; }
has_beaten() {
	local age
	age=$(ps -o etimes= -p "$(pid_of b asafo-keeper)" 2>/dev/null) && [ "$age" -gt 2 ]
}
bulk() {
	local begun=$SECONDS
	lab heal
	until_true 60 settled && echo $((SECONDS - begun)) >"$files/took"
}

pair_up
lab power b off
lab power a off
keeper=/run/asafo-lab-$LAB/a/state/keeper
owner=$(stat -c %u:%g "$keeper/store")
expect "unit a has 300 trustpoints" "$ASAFO_BUILD/tests/bench/fill" --state "$keeper" --count 300
chown -R "$owner" "$keeper"
insert_disk
lab power a on
wait_state a Active
# Without its link to the mate it has nothing to do, but to give its first sign of life: before that it has more time.
lab cut b fover
lab power b on
until_true 30 has_beaten || not_ok "the keeper of unit b runs"
echo "slow 6000" >&8
expect "a bulk commit on a slow disk ends" bulk
expect "... after longer than a keeper may be silent" test "$(cat "$files/took")" -gt 6
expect "the keeper was left alone" exits 1 killed
same "all of it is on the standby" "$(count_of b)" 300
expect "the digests are equal" same_digest

make_ca corp && make_p12 corp vpn && make_p12 corp more
expect "a certificate is imported and bound" import a vpn vpn
expect "(bound)" asafo a configure "ssl trust-point vpn"
leaf=$(fingerprint_of "$files/vpn.pem")
make_active b
keeper_pid=$(pid_of b asafo-keeper)
expect "the unit with the slow disk serves it" until_true 20 serves "$vip" corp "$leaf"
echo "slow 300000" >&8
begun=$SECONDS
(import b more more >"$files/said" 2>&1; echo $? >"$files/code") &
importer=$!
served_n=0 told_n=0
until [ -s "$files/code" ] || [ $((SECONDS - begun)) -gt $((60 * slow)) ]; do
	serves "$vip" corp "$leaf" && served_n=$((served_n + 1))
	troubled && told_n=$((told_n + 1))
	pause_short
done
wait "$importer"
same "an import whose disk is slow is done" "$(cat "$files/code")" 0
expect "... after longer than a keeper may be silent" test $((SECONDS - begun)) -gt 6
expect "clients were served meanwhile ($served_n times)" test "$served_n" -gt 3
expect "the unit says so under Trouble, then" test "$told_n" -gt 0
expect "... and no more when it is done" exits 1 troubled
same "by the same keeper" "$(pid_of b asafo-keeper)" "$keeper_pid"
expect "the log says what was waited for" grep -q 'a change of the certificate store is durable, after' "/run/asafo-lab-$LAB/b/log"
expect "it is there" has b more

echo "slow 300000" >&8
(asafo b master-key rotate >"$files/said" 2>&1; echo $? >"$files/rotated") &
rotator=$!
begun=$SECONDS served_n=0
until [ -s "$files/rotated" ] || [ $((SECONDS - begun)) -gt $((60 * slow)) ]; do
	serves "$vip" corp "$leaf" && served_n=$((served_n + 1))
	pause_short
done
wait "$rotator"
same "a new master key is written to the slow disk" "$(cat "$files/rotated")" 0
expect "clients were served meanwhile ($served_n times)" test "$served_n" -gt 3
same "by the same keeper" "$(pid_of b asafo-keeper)" "$keeper_pid"

echo "slow 10000000" >&8
(import b vpn more --replace >"$files/said" 2>&1 &)
# A look at the disk whose read is behind the commit hangs with it, and may do so for 5 minutes until the commit's time counts.
expect "a disk that hangs is found" until_true 400 killed
# It dies when the disk lets go of it.
kill "$disk_pid"
wait "$disk_pid" 2>/dev/null
disk_pid=
lab power b off
done_testing

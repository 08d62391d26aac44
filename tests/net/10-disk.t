#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Disks that are full, read-only or damaged: the unit says why, serves nothing that it cannot vouch for, and goes on by
# itself when the disk is well again.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
state=/run/asafo-lab-$LAB
disk=$state/b/state
inside_b() { nsenter -t "$(cat "$state/b/pid")" -m "$@"; } # a unit sees mounts as they were when it booted
cleanup_disk() {
	lab power b off >/dev/null 2>&1
	umount "$disk" 2>/dev/null
	cleanup
}
trap cleanup_disk EXIT
trouble_is() { field "$1" .trouble | grep -qE "$2"; } # trouble_is UNIT PATTERN
not_trouble() { ! trouble_is "$@"; }
times_ready() { asafo b --json show failover history | jq '[.rows[] | select(.to == "Standby Ready")] | length'; }
restarts() { grep -c 'keeper is ready' "$state/b/log"; }
fill() { dd if=/dev/zero of="$disk/fill" bs=4k 2>/dev/null || :; }
boot_b_on() { # boot_b_on SIZE: a disk of its own, with what b had
	lab power b off
	mount -t tmpfs -o "size=$1,mode=755" none "$disk"
	cp -a "$files/b.state/." "$disk/"
	forget_log b
}

pair_up
make_ca corp && make_p12 corp vpn && make_p12 corp more
expect "a trustpoint" import a vpn vpn
expect "on both units" asafo a write-standby
lab power b off
cp -a "$disk" "$files/b.state"
boot_b_on 1m
lab power b on
wait_state b "Standby Ready"
fill
for n in 1 2 3; do import a "n$n" more >/dev/null; done
ready_before=$(times_ready)
refused "bulk replication to a full disk fails and says so" 1 'no space left' asafo a write-standby
same "the standby kept what it had" "$(asafo b --json show trustpoints | jq '.trustpoints | length')" 1
# It tries again and again, and is something else while it does.
expect "(and is not ready)" until_true 5 state_is b "Cold Standby"
same "(nor was it in between)" "$(times_ready)" "$ready_before"
inside_b rm "$disk/fill"
wait_state b "Standby Ready"
expect "with room again it fetched what it lacked" same_digest
fill
expect "switchover to the unit with a full disk" asafo b failover active
wait_state b Active
refused "an import on a full disk says so" 1 'no space left' import b full more
expect "(nothing of it is there)" has_not b full
expect "and the service goes on" serves 198.51.100.10 corp "$(fingerprint_of "$files/vpn.pem")"
inside_b rm "$disk/fill"
expect "with room again it is taken" until_true 5 import b full more
expect "switchover back" until_true 10 asafo a failover active
wait_state a Active
lab power b off

rm -rf "${disk:?}"/*
fill
forget_log b
lab power b on
expect "a unit that has no room for a store says so" until_true 10 trouble_is b 'no space left'
same "(it claims nothing)" "$(field b .role)" none
inside_b rm "$disk/fill"
wait_state b "Standby Ready" 20
lab power b off
umount "$disk"

boot_b_on 1m
mount -o remount,ro "$disk"
lab power b on
expect "a store that is read-only: the unit says so" until_true 10 trouble_is b 'Read-only'
same "(it claims nothing)" "$(field b .role)" none
mount -o remount,rw "$disk"
inside_b mount -o remount,rw "$disk"
wait_state b "Standby Ready" 20
lab power b off
umount "$disk"

# damage WHAT COMMAND...: boots b with a data.mdb that COMMAND spoilt.
data=$disk/keeper/store/data.mdb
flip() { # flip FILE OFFSET...: turns all bits of these bytes over
	local file=$1 offset
	shift
	for offset; do
		printf '%b' "\\x$(printf %02x $((0xff ^ 0x$(xxd -s "$offset" -l 1 -p "$file"))))" |
			dd of="$file" bs=1 seek="$offset" conv=notrunc status=none
	done
}
in_records() { grep -abo 'CN=vpn.example.net' "$1" | cut -d: -f1 | while read -r at; do echo $((at + 300)); done; }
flip_records() {
	local offsets
	mapfile -t offsets < <(in_records "$1")
	flip "$1" "${offsets[@]}"
}
damage() {
	local what=$1
	shift
	lab power b off
	rm -rf "${disk:?}" && cp -a "$files/b.state" "$disk"
	forget_log b
	"$@" "$data"
	lab power b on
	expect "$what: the unit says that its store is damaged" until_true 10 trouble_is b damaged
	same "$what: it claims nothing" "$(field b .role)" none
	refused "$what: it refuses an import" 1 damaged import b x more
	same "$what: it does not loop" "$(restarts)" 1
	state_is a Active || not_ok "$what: the mate goes on"
}
overwrite() { dd if=/dev/urandom of="$1" bs=16384 count=1 conv=notrunc status=none; }
damage "a header of nonsense" overwrite
damage "a file that was cut off" truncate -s 6000
lab power a off
expect "with the mate gone, too, it still claims nothing" state_is b Disabled
lab power a on
wait_state a Active

# A record that is damaged is fetched from the mate.
boot_damaged() {
	lab power b off
	rm -rf "${disk:?}" && cp -a "$files/b.state" "$disk"
	forget_log b
	flip_records "$data"
	lab power b on
}
boot_damaged
wait_state b "Standby Ready" 20
expect "a bit in a record that turned over: the mate filled it" same_digest
expect "(the log says so)" grep -q 'was damaged: .* records were saved' "$state/b/log"
mended() { grep -q 'the certificate store has everything again' "$state/b/log"; }
expect "(and that it has everything again)" until_true 5 mended
expect "(what was damaged is kept)" test -s "$disk/keeper/store.damaged/data.mdb"
same "(the keeper started once)" "$(restarts)" 1
state_is a Active || not_ok "the mate goes on"
expect "switchover to the unit that was mended" asafo b failover active
wait_state b Active
expect "it serves what it was given back" serves 198.51.100.10 corp "$(fingerprint_of "$files/vpn.pem")"
expect "switchover back" until_true 10 asafo a failover active
wait_state a Active
forget_log b
flip_records "$data"
expect "a bit that turns over while the unit runs is found without a reader" until_true 30 mended
expect "(the log says how)" grep -q 'the check in the background found' "$state/b/log"
wait_state b "Standby Ready" 20
expect "(the mate filled it again)" same_digest
lab power a off
boot_damaged
expect "with the mate gone a unit that lost a record says so" until_true 10 trouble_is b 'records were damaged and are missing'
expect "(it is not active)" stays 2 exits 1 state_is b Active
expect "(it is active where the operator says so)" until_true 10 asafo b failover active
wait_state b Active
expect "(and lacks nothing any more of what it claims to have)" until_true 10 not_trouble b 'damaged'
lab power a on
wait_state a Active
wait_state b "Standby Ready" 20
expect "the mate that has everything took over from one that lost its only record, and filled it" same_digest
lab power b off
rm -rf "$disk/keeper/store"
lab power b on
wait_state b "Standby Ready" 20
expect "with the damaged files moved away the mate filled it" same_digest
done_testing

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A bit that turns over on the disk of a unit that runs, below what the system has of it in memory: the unit finds it, and
# writes it anew, before it is started again and would read it.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
disk=/run/asafo-lab-$LAB/b/state
store=$disk/keeper/store/data.mdb
disk_pid='' vip=198.51.100.10

cleanup_disk() {
	lab power b off >/dev/null 2>&1
	[ -z "$disk_pid" ] || kill "$disk_pid" 2>/dev/null
	umount -l "$disk" 2>/dev/null
	cleanup
}
trap cleanup_disk EXIT

[ -w /dev/fuse ] || {
	echo "ok - a disk that loses a block # SKIP no /dev/fuse on this machine"
	exit 0
}
insert_disk() {
	cp -a "$disk" "$files/disk"
	mkfifo "$files/says"
	exec 8<>"$files/says"
	"$ASAFO_BUILD/tests/net/forgetful" "$files/disk" "$files/after" "$disk" <"$files/says" >"$files/lost" 2>&1 &
	disk_pid=$!
	until_true 10 mountpoint -q "$disk" || not_ok "the disk is there: $(cat "$files/lost")"
}
# What the disk has, past what the system has of it in memory.
platter() { dd if="$store" iflag=direct bs=4096 2>/dev/null | sha256sum; }
memory() { sha256sum <"$store"; }
# Behind the system's back, in the record.
flip() {
	local at
	at=$(grep -abo 'CN=vpn.example.net' "$store" | tail -n 1 | cut -d: -f1)
	echo "flip $((at + 300)) keeper/store/data.mdb" >&8
	until_true 5 is_lost
}
is_lost() { ! is_whole; }
is_whole() { [ "$(platter)" = "$(memory)" ]; }
told() { grep -q "$1" "/run/asafo-lab-$LAB/b/log"; }

pair_up
lab power b off
insert_disk
lab power b on
wait_state b "Standby Ready"
make_ca corp && make_p12 corp vpn
expect "a certificate is imported" import a vpn vpn
expect "and is on both units" asafo a write-standby
keeper_pid=$(pid_of b asafo-keeper)
expect "a bit turns over on the disk, and not in memory" flip
expect "the unit finds it" until_true 40 told 'the disk has lost the block at byte [0-9]* of the certificate store.s file'
expect "and writes it anew" told 'written anew from memory, where every record fits its digest'
expect "(so that the disk has it)" until_true 5 is_whole
same "by the same keeper" "$(pid_of b asafo-keeper)" "$keeper_pid"
expect "the unit is ready" state_is b "Standby Ready"
lab power b off
lab power b on
wait_state b "Standby Ready"
expect "after a new start nothing is damaged" exits 1 told 'was damaged'
make_active b
expect "and it serves it" until_true 20 serves "$vip" corp "$(fingerprint_of "$files/vpn.pem")"
done_testing

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A startup-config that is wrong, binary, huge, empty or missing; a device that is missing and comes later: one sentence, no
# loop, and the mate serves on.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
state=/run/asafo-lab-$LAB
startup=$state/a/etc/startup-config
ended() { [ -z "$(ip netns pids "asafo-$LAB-a")" ]; }
boot_with() { # boot_with FILE
	lab power a off
	cp "$1" "$startup"
	forget_log a
	lab power a on
}

pair_up
make_ca corp && make_p12 corp vpn
leaf=$(fingerprint_of "$files/vpn.pem")
expect "a trustpoint" import a vpn vpn
expect "on both units" asafo a write-standby
cp "$startup" "$files/good"

sed 's/^failover polltime.*/failover polltiem msec 5/' "$files/good" >"$files/wrong"
head -c 50000 /dev/urandom >"$files/binary"
{ cat "$files/good" && yes '! a line of comment' | head -c 3000000; } >"$files/huge"
for bad in wrong binary huge; do
	for again in 1 2 3; do
		boot_with "$files/$bad"
		expect "a $bad startup-config: the service ends ($again)" until_true 10 ended
		expect "and names the file" grep -q "$startup" "$state/a/log"
		same "and is not started again and again" "$(grep -c 'startup-config' "$state/a/log")" 1
	done
	expect "(the mate serves on)" until_true 10 serves 198.51.100.10 corp "$leaf"
done
expect "the wrong line is named" grep -q ':[0-9]*:[0-9]*: .*polltiem\|polltiem.*expected' <(
	asafo a check-config "$files/wrong" 2>&1)

: >"$files/empty"
lab power a off
rm "$startup" && mkdir "$startup"
forget_log a
lab power a on
expect "a startup-config that is a folder: the service ends" until_true 10 ended
expect "and names it" grep -q "$startup" "$state/a/log"
rmdir "$startup"
boot_with "$files/empty"
until_true 10 asafo a show version
is_disabled() { [ "$(field a .enabled)" = false ]; }
expect "an empty one: no failover, and it says so" until_true 10 is_disabled
expect "(the mate serves on)" serves 198.51.100.10 corp "$leaf"

sed 's/^failover lan interface.*/failover lan interface fover eth9/' "$files/good" >"$files/later"
boot_with "$files/later"
link_says() { field a .link.why | grep -q eth9; }
expect "a failover link without its device: it is named" until_true 10 link_says
expect "(the active unit is heard on the other paths, and left alone)" until_true 10 state_is a "Cold Standby"
troubled() { asafo a --json show failover | jq -e --arg t "$1" '.troubles | any(test($t))' >/dev/null; }
expect "(the device is the trouble, and not the cable)" until_true 5 troubled 'failover link fover has no device: there is no eth9'
ip -n "asafo-$LAB-a" link set eth2 down
ip -n "asafo-$LAB-a" link set eth2 name eth9
ip -n "asafo-$LAB-a" link set eth9 up
wait_state a "Standby Ready" 20
expect "when the device appears it is used" same_digest
done_testing

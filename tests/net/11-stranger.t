#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A mate that cannot be understood: another failover key, another protocol version, the same unit twice. Both units say so
# once and clearly, one of them serves, and nothing that an unproven datagram says stops a unit that serves.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
state=/run/asafo-lab-$LAB
config() { # config UNIT KEY
	cat <<-TEXT
		hostname gw
		interface eth0
		 nameif outside
		 ip address 198.51.100.10 255.255.255.0 standby 198.51.100.11
		interface eth1
		 nameif inside
		 ip address 192.0.2.1 255.255.255.0 standby 192.0.2.2
		failover lan unit $1
		failover lan interface fover eth2
		failover interface ip fover 203.0.113.1 255.255.255.252 standby 203.0.113.2
		failover polltime msec 100 holdtime msec 500
		failover key $2
		webvpn
		 enable outside
		failover
	TEXT
}
key_is_named() { field "$1" .trouble | grep -q 'another failover key'; }
refusals() { grep -c "hello refused: the mate" "$state/$1/log"; }
role_is() { [ "$(field "$1" .role)" = "$2" ]; }
holds_vip() { lab exec "$1" ip -o -4 address show dev eth0 | grep -q 198.51.100.10/; }
holds_no_vip() { ! holds_vip "$1"; }

config primary one >"$files/a.conf"
config secondary two >"$files/b.conf"
lab up --config-a "$files/a.conf" --config-b "$files/b.conf" >"$files/up.log" 2>&1
wait_state a Active
expect "the primary says that the mate has another key" until_true 5 key_is_named a
expect "so does the secondary" until_true 5 key_is_named b
expect "the link says so, too" until_true 5 bash -c "grep -q 'failover key' '$state/b/log'"
same "the secondary hears one that serves, and does not" "$(field b .role)" standby
expect "(it has not the failover IP)" holds_no_vip b
# Between two tries of the mate's the link only says that it waits.
says_key() { asafo a write-standby 2>&1 | grep -q 'failover key'; }
expect "write standby says why it cannot" until_true 10 says_key
refused "(its status says that it could not)" 1 'failover (key|link)' asafo a write-standby
before=$(wc -l <"$state/b/log")
sent=$(field a '.paths[0].sent')
more_sent() { [ "$(field a '.paths[0].sent')" -gt $((sent + 20)) ]; }
until_true 10 more_sent
same "each says it once, not for each packet" "$(refusals a) $(refusals b)" "1 1"
expect "(the log did not grow with the packets)" test "$(wc -l <"$state/b/log")" -lt $((before + 6))

lab power a off
wait_state b Active
lab power a on
expect "when the other comes back it hears one that serves" until_true 5 key_is_named a
expect "and does not serve beside it, though it is the primary" role_is a standby
expect "(it has not the failover IP)" holds_no_vip a
expect "the operator may say otherwise" asafo a failover active
wait_state a Active
lab power b off
config secondary one >"$state/b/etc/startup-config"
lab power b on
wait_state b "Standby Ready"
nothing_is_wrong() { asafo b --json show failover | jq -e '.trouble == ""'; }
expect "with the same key nothing is wrong any more" until_true 5 nothing_is_wrong

new_key() { asafo "$1" configure <<<'failover key three'; }
# A standby whose mate gets another key while it runs.
expect "another key on the active unit" new_key a
expect "the standby says so" until_true 5 key_is_named b
expect "and leaves the addresses to the one that serves" holds_no_vip b
expect "which serves on" role_is a active
expect "the same key on the standby" new_key b
wait_state b "Standby Ready" 20

# What a newer release would send: the same first bytes, another version.
hello_of() { # hello_of UNIT-BYTE VERSION: a hello of nonsense but for its first seven bytes
	printf '%b' "AFHO\\x0$2\\x0$1\\x01\\0" >"$files/hello"
	head -c 100 /dev/urandom >>"$files/hello"
}
send_hello() { # send_hello NAMESPACE ADDRESS
	lab exec "$1" bash -c "for i in 1 2 3; do cat '$files/hello' >/dev/udp/$2/5105; done"
}
lab power b off
# The engine is off; its namespace plays the mate.
ip -n "asafo-$LAB-lan" link set b-fover up
ip netns exec "asafo-$LAB-lan" nft delete element bridge lab unplugged '{ "b-fover" }'
lab exec b ip address add 203.0.113.2/30 dev eth2
hello_of 1 9
reached() { lab exec b ping -c 1 -W 1 203.0.113.1; }
expect "(the link is up)" until_true 5 reached
send_hello b 203.0.113.1
version_is_named() { field a .trouble | grep -q 'hello version 9, this unit 1'; }
expect "a mate of another version: both versions are named" until_true 5 version_is_named
expect "the active unit goes on" role_is a active
hello_of 1 1
for _ in 1 2 3 4 5 6 7 8 9 10; do send_hello b 203.0.113.1; done
expect "hellos of nonsense do not move it either" role_is a active
lab exec b ip address flush dev eth2

config primary three >"$state/b/etc/startup-config"
lab power b on
twin_is_named() { field a .trouble | grep -q 'Primary, too'; }
expect "two primaries: the unit says what must be changed" until_true 10 twin_is_named
serves_alone() { field "$1" .trouble | grep -q 'Primary, too.*it serves, so this unit waits'; }
expect "the one that comes second says that it waits" until_true 10 serves_alone b
expect "and has not the failover IP" holds_no_vip b
expect "the first one serves on" role_is a active
serves_beside_none() { field a .trouble | grep 'Primary, too' | grep -vq 'both units serve'; }
expect "and does not say that both do" until_true 5 serves_beside_none
lab power a off
expect "when the first one is gone the second serves" until_true 15 holds_vip b
lab power b off
config primary three >"$state/a/etc/startup-config"
lab power a on
lab power b on
one_holds() { { holds_vip a && holds_no_vip b; } || { holds_vip b && holds_no_vip a; }; }
expect "of two that start together one serves" until_true 15 one_holds
waits() { serves_alone a || serves_alone b; }
expect "and the other waits" until_true 10 waits
expect "(still one)" one_holds
done_testing

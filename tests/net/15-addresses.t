#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The addresses of a role: secondary ones, virtual MAC addresses, routes; by hand, in hundreds, after a crash.
# alone: at a polltime of 5 ms nothing may move
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
vip=198.51.100.10

configure() { printf '%s\n' "$@" | asafo "$(active)" configure >/dev/null; }
active() { if state_is a Active; then echo a; else echo b; fi; }
mate_of() { if [ "$1" = a ]; then echo b; else echo a; fi; }
holds() { lab exec "$1" ip -o addr show | grep -qF " $2/"; } # holds UNIT ADDRESS
holds_not() { ! holds "$@"; }
routes() { lab exec "$1" ip route show | grep -q "$2"; } # routes UNIT PATTERN
routes_not() { ! routes "$@"; }
answers() { lab exec client ping -c 1 -W 1 "$1"; }
neighbour() { lab exec client ip neigh show "$1" | grep -o 'lladdr [^ ]*' | cut -d' ' -f2; } # neighbour ADDRESS
neighbour_is() { [ "$(neighbour "$1")" = "$2" ]; }
settled() { state_is "$1" Active && state_is "$2" "Standby Ready"; }
switch() { # the other unit becomes the active one
	local to
	to=$(mate_of "$(active)")
	expect "$to takes over" asafo "$to" failover active
	expect "(the pair settles)" until_true 15 settled "$to" "$(mate_of "$to")"
}

pair_up
make_ca corp && make_p12 corp vpn
leaf=$(fingerprint_of "$files/vpn.pem")
expect "a trustpoint to be served" import a vpn vpn
expect "(on both units)" asafo a write-standby
expect "(bound)" asafo a bind vpn

# ---- secondary addresses ----
expect "secondary addresses are configured" configure "interface eth0" "ip address 198.51.100.30 255.255.255.0 secondary" \
	"ipv6 address 2001:db8:100::30/64 secondary"
expect "the active has them" until_true 5 holds a 198.51.100.30
expect "the standby has not" holds_not b 198.51.100.30
expect "they answer" answers 198.51.100.30
expect "they answer over IPv6" answers 2001:db8:100::30
expect "they serve" until_true 10 serves 198.51.100.30 corp "$leaf"
line_of() { asafo "$1" show running-config | grep -q -- "$2"; }
expect "the standby knows the line" until_true 5 line_of b 'address 198.51.100.30 255.255.255.0 secondary'
switch
expect "they have moved" holds b 198.51.100.30
expect "(from the old active)" holds_not a 198.51.100.30
expect "they serve from there" until_true 10 serves 198.51.100.30 corp "$leaf"
expect "they answer over IPv6 from there" answers 2001:db8:100::30
switch

claims() { # claims UNIT MAC: how many addresses of the unit it is said to claim
	asafo "$1" --json show failover | jq --arg m "$2" '[.troubles[] | select(test("is also claimed by " + $m))] | length'
}
same "no unit takes the other for a stranger, whoever spoke for the addresses" "$(claims a "") $(claims b "")" "0 0"

# ---- by hand ----
by_hand() { lab exec "$1" ip addr add "$2" dev eth0; }
by_hand b $vip/32
expect "the active address on the standby goes, whatever its prefix" until_true 5 holds_not b $vip
by_hand b 198.51.100.30/25
expect "so does a secondary one" until_true 5 holds_not b 198.51.100.30
by_hand a 198.51.100.11/32
expect "so does the standby's on the active" until_true 5 holds_not a 198.51.100.11
expect "(the standby has it)" holds b 198.51.100.11
lab exec a ip addr del 198.51.100.30/24 dev eth0
expect "one that somebody deleted is back" until_true 5 holds a 198.51.100.30
lab exec a ip addr change $vip/24 dev eth0 valid_lft forever preferred_lft forever
permanent() { lab exec a ip addr show dev eth0 | grep -A 1 "$vip/24" | grep -q 'valid_lft forever'; }
leased() { ! permanent; }
expect "one that somebody made permanent is a lease again" until_true 5 leased
lab exec b ip addr add $vip/24 dev eth0
expect "the active address that somebody gave the standby goes" until_true 5 holds_not b $vip
lab exec b ip addr add 198.51.100.30/24 dev eth0
expect "(a secondary one, too)" until_true 5 holds_not b 198.51.100.30

# ---- routes ----
expect "routes are configured" configure "route outside 10.77.0.0 255.255.0.0 198.51.100.20" \
	"route inside 10.78.0.0 255.255.0.0 192.0.2.20 5 active" "ipv6 route outside 2001:db8:77::/48 2001:db8:100::20"
expect "the active has the route" until_true 5 routes a '10.77.0.0/16 via 198.51.100.20'
expect "the standby has it, too, by its own address" until_true 5 routes b '10.77.0.0/16 via 198.51.100.20'
expect "the active has its own route, with its metric" routes a '10.78.0.0/16 via 192.0.2.20 .*metric 5'
expect "the standby has not" routes_not b 10.78
expect "the IPv6 route is there" grep -q 2001:db8:77::/48 <(lab exec a ip -6 route show)
lab exec a ip route del 10.78.0.0/16
expect "one that somebody deleted is back" until_true 4 routes a 10.78
switch
expect "the active's route has moved" routes b 10.78
expect "(from the old active)" routes_not a 10.78
expect "the pair's route is on both" routes a 10.77
kill -STOP "$(pid_of b asafod)"
kill -KILL "$(pid_of b asafo-engine)"
kill -CONT "$(pid_of b asafod)"
expect "the route goes with a killed engine" until_true 5 routes_not b 10.78
expect "(a takes over)" until_true 15 state_is a Active
expect "(with the route)" until_true 5 routes a 10.78
expect "(the pair settles)" until_true 20 settled a b
expect "routes are removed" configure "no route outside 10.77.0.0 255.255.0.0" "no route inside 10.78.0.0 255.255.0.0"
expect "(here)" until_true 5 routes_not a 10.7
expect "(and there)" until_true 5 routes_not b 10.7

# ---- more routes than the timers leave time for ----
for i in $(seq 0 254); do echo "route outside 10.$((80 + i / 128)).$((i % 128)).0 255.255.255.0 198.51.100.20"; done >"$files/routes"
sed 's/^/no /' "$files/routes" >"$files/no-routes"
routes_are() { [ "$(lab exec "$1" ip route show | grep -cE '^10\.8[01]\.')" -eq "$2" ]; }
rows() { asafo "$1" --json show failover history | jq '.rows | length'; }
rests() { # nothing moves for a while
	local before
	settled a b || settled b a || return 1
	before="$(rows a) $(rows b)"
	stays 3 true
	[ "$(rows a) $(rows b)" = "$before" ]
}
asafo "$(active)" configure <"$files/routes" >"$files/routes.log" 2>&1
expect "255 routes are there" until_true 15 routes_are "$(active)" 255
expect "a polltime of 5 ms" configure "failover polltime unit msec 5 holdtime msec $((15 * slow))"
expect "the pair rests, although it is in a hurry and has much to do" until_true 30 rests
stretch() { asafo "$(active)" --json show failover | jq -e '.stretch | .hold_ms >= .fence_ms and .late >= 0'; }
expect "what the timers really are is told" stretch
expect "(at ease again)" configure "failover polltime unit msec 100 holdtime msec 500"
expect "(the pair is whole)" until_true 20 rests
asafo "$(active)" configure <"$files/no-routes" >"$files/routes.log" 2>&1
expect "(without them)" until_true 15 routes_are "$(active)" 0
[ "$(active)" = a ] || switch

# ---- virtual MAC addresses ----
mac=02:00:5e:00:01:01
expect "a virtual MAC address is configured" configure "failover mac address eth0 0200.5e00.0101"
lab exec client ip neigh flush all
expect "the failover IP answers" until_true 5 answers $vip
same "with that MAC address" "$(neighbour $vip)" $mac
expect "the standby answers with its own" answers 198.51.100.11
expect "(which is another)" exits 1 neighbour_is 198.51.100.11 $mac
expect "IPv6 answers" until_true 5 answers 2001:db8:100::10
same "with that MAC address, too" "$(neighbour 2001:db8:100::10)" $mac
up_there() { lab exec "$1" ip -o link show type macvlan | grep -q '[<,]UP[,>]'; }
gone_there() { ! up_there "$1"; }
down_there() { lab exec b ip -o link show type macvlan | grep -q 'state DOWN'; }
expect "the standby has the device, down" until_true 5 down_there
lab exec client ip monitor neigh >"$files/neigh.log" 2>&1 &
monitor=$!
expect "TLS works" until_true 10 serves $vip corp "$leaf"
switch
expect "the failover IP answers from the other unit" answers $vip
same "with the same MAC address" "$(neighbour $vip)" $mac
expect "TLS works there" until_true 10 serves $vip corp "$leaf"
expect "IPv6 answers from the other unit" answers 2001:db8:100::10
same "with the same MAC address over IPv6" "$(neighbour 2001:db8:100::10)" $mac
kill $monitor
wait $monitor 2>/dev/null
expect "the old active's device goes down" until_true 5 gone_there a
# What it had to say of its addresses would be said within a second, and the switch would believe it.
silent_for_3s() { # silent_for_3s UNIT: nothing with that MAC address comes from it, whoever asks whom
	ip netns exec "asafo-$LAB-lan" tcpdump --immediate-mode -i "$1-outside" -Q in -U -w "$files/standby.pcap" ether src $mac \
		2>"$files/standby.log" &
	local dump=$!
	until_true 10 grep -q listening "$files/standby.log" || return 1
	lab exec client ping -c 3 -W 1 198.51.100.11 >/dev/null
	lab exec client ping -c 2 -W 1 -I eth0 ff02::1 >/dev/null
	kill $dump
	wait $dump 2>/dev/null
	[ "$(tcpdump -r "$files/standby.pcap" 2>/dev/null | wc -l)" -eq 0 ]
}
expect "the standby sends nothing with that MAC address" silent_for_3s a
learned_at() { bridge -n "asafo-$LAB-lan" fdb show | grep -q "^$mac dev $1-outside "; }
expect "(the switch knows it at the active)" learned_at b
other_macs() { grep -E "^(Deleted )?($vip|2001:db8:100::10) .*lladdr" "$files/neigh.log" | grep -v "$mac"; }
same "the client never saw another one for it" "$(other_macs)" ""
kill -KILL "$(pid_of b asafo-engine)"
expect "a killed engine's device goes down" until_true 5 gone_there b
expect "the failover IP answers from the mate" until_true 15 answers $vip
same "(with the same MAC address)" "$(neighbour $vip)" $mac
expect "(the pair settles)" until_true 20 settled a b
lab exec a ip link del "$(lab exec a ip -o link show type macvlan | grep -o 'afv-[0-9]*' | head -n 1)"
expect "a device that somebody deleted is back, with the address" until_true 5 answers $vip
expect "a virtual MAC address of the standby" configure "failover mac address eth0 0200.5e00.0101 0200.5e00.0102"
standby_answers_with() { lab exec client ip neigh flush all; answers 198.51.100.11 && neighbour_is 198.51.100.11 "$1"; }
expect "is what it answers with" until_true 10 standby_answers_with 02:00:5e:00:01:02
device_is() { lab exec "$1" ip -o link show type macvlan | grep "$3" | grep -q "state $2"; } # device_is UNIT STATE MAC
switch
expect "the failover IP answers from the other unit with its MAC address" until_true 10 answers $vip
same "(the active's)" "$(neighbour $vip)" $mac
expect "the standby address answers with the standby's" until_true 10 standby_answers_with 02:00:5e:00:01:02
expect "the standby's device is down on the active" until_true 5 device_is b DOWN 02:00:5e:00:01:02
expect "(the active's on the standby)" until_true 5 device_is a DOWN $mac
# A parent that comes back hands its carrier to all of its macvlan devices.
flap() { # flap UNIT: the cable of its outside interface, out and in
	ip -n "asafo-$LAB-lan" link set "$1-outside" down
	until_true 5 lab exec "$1" grep -qx 0 /sys/class/net/eth0/carrier || return 1
	ip -n "asafo-$LAB-lan" link set "$1-outside" up
	until_true 5 lab exec "$1" grep -qx 1 /sys/class/net/eth0/carrier
}
muted() { lab exec "$1" ip -o link show type macvlan | grep 02:00:5e:00:01:02 | grep -o 'afv-[0-9]*s'; }
seen_at() { bridge -n "asafo-$LAB-lan" fdb show | grep -q "^$2 dev $1-outside "; } # seen_at UNIT MAC
speaks_not() { # speaks_not UNIT DEVICE: what it has to say there, a question for an address, does not reach the switch
	lab exec "$1" ping -c 1 -W 1 -I "$2" 198.51.100.20 >/dev/null 2>&1
	! seen_at "$1" 02:00:5e:00:01:02
}
expect "(the outside interface is not monitored)" configure "no monitor-interface outside"
expect "a cable goes and comes back" flap b
expect "the standby's device on the active is silent again" until_true 5 device_is b DOWN 02:00:5e:00:01:02
expect "(nothing of it reaches the switch)" speaks_not b "$(muted b)"
expect "the failover IP answers again" until_true 10 answers $vip
expect "the standby address answers with its own MAC address" until_true 10 standby_answers_with 02:00:5e:00:01:02
expect "(the switch knows it at the standby)" seen_at a 02:00:5e:00:01:02
expect "(the outside interface is monitored)" configure "monitor-interface outside"
expect "the two change places" configure "failover mac address eth0 0200.5e00.0102 0200.5e00.0101"
answers_with() { lab exec client ip neigh flush all; answers $vip && neighbour_is $vip "$1"; }
expect "the failover IP answers with the other one" until_true 10 answers_with 02:00:5e:00:01:02
expect "the standby address with the one that was the failover IP's" until_true 10 standby_answers_with $mac
switch
expect "from the other unit, too" until_true 10 answers_with 02:00:5e:00:01:02
expect "(the standby address)" until_true 10 standby_answers_with $mac
expect "no virtual MAC address" configure "no failover mac address eth0"
no_device() { [ -z "$(lab exec "$1" ip -o link show type macvlan)" ]; }
expect "removes the device" until_true 5 no_device a
expect "(on the standby, too)" until_true 5 no_device b
expect "the failover IP answers without" until_true 5 answers $vip

# ---- somebody else with the same address ----
claim() { # claim ADDRESS: the client has it, too, and says nothing
	case $1 in *:*) lab exec client ip addr add "$1" dev eth0 nodad ;; *) lab exec client ip addr add "$1" dev eth0 ;; esac
}
unclaim() { lab exec client ip addr del "$1" dev eth0; }
troubled() { asafo "$1" --json show failover | jq -e --arg t "$2 on interface outside is also claimed by $3" '.troubles | any(startswith($t))'; }
client_mac=$(lab exec client cat /sys/class/net/eth0/address)
unit=$(active)
lab exec client sysctl -qw net.ipv4.conf.eth0.arp_notify=0 net.ipv6.conf.eth0.ndisc_notify=0
addresses=("$vip/24" 2001:db8:100::10/64)
for address in "${addresses[@]}"; do claim "$address"; done
for address in "${addresses[@]}"; do
	expect "a host that has ${address%/*} is named, although it keeps silent" until_true 40 troubled "$unit" "${address%/*}" "$client_mac"
done
same "(with nothing else)" "$(claims "$unit" "$client_mac")" 2
for address in "${addresses[@]}"; do unclaim "$address"; done
expect "in the log, too" grep -q "ASAFO-4-405001: Received ARP response collision from $vip/$client_mac on interface outside" \
	"/run/asafo-lab-$LAB/$unit/log"
lab exec client sysctl -qw net.ipv4.conf.eth0.arp_notify=1
claim 198.51.100.11/24
lab exec client ip link set eth0 address "$client_mac" # the kernel announces what it has
expect "the standby names who claims its address" until_true 40 troubled "$(mate_of "$unit")" 198.51.100.11 "$client_mac"
unclaim 198.51.100.11/24
expect "the failover IP answers again" until_true 10 answers $vip

# ---- an address of the pair in another place ----
misplaced() { asafo "$1" --json show failover | jq -e --arg t "$2 was configured on $3 by somebody" '.troubles | any(startswith($t))'; }
misplaced_not() { ! misplaced "$@"; }
for unit in a b; do
	lab exec $unit ip addr add $vip/32 dev eth1
	expect "the active address on another device of unit $unit is named" until_true 5 misplaced $unit $vip/32 eth1
	lab exec $unit ip addr del $vip/32 dev eth1
	expect "(until it is gone)" until_true 5 misplaced_not $unit $vip/32 eth1
done
lab exec a ip addr add $vip/32 dev eth0
expect "so is one with another prefix beside its own" until_true 5 misplaced a $vip/32 eth0
expect "(which answers)" answers $vip
lab exec a ip addr del $vip/32 dev eth0
expect "(until it is gone, too)" until_true 5 misplaced_not a $vip/32 eth0

# ---- hundreds ----
{
	echo "interface eth0"
	for i in $(seq 0 249); do
		echo "ip address 10.100.0.$((i + 1)) 255.255.0.0 secondary"
		printf 'ipv6 address 2001:db8:200::%x/64 secondary\n' $((i + 1))
	done
} >"$files/many"
many() { lab exec "$1" ip -o addr show dev eth0 | grep -cE ' (10\.100\.|2001:db8:200:)'; }
many_are() { [ "$(many "$1")" -eq "$2" ]; }
asafo "$(active)" configure <"$files/many" >"$files/many.log" 2>&1
expect "500 secondary addresses are set" until_true 15 many_are "$(active)" 500
expect "(the pair settles)" until_true 20 settled "$(active)" "$(mate_of "$(active)")"
# Not 30: that takes a machine with nothing else to do.
expect "a polltime of 10 ms" configure "failover polltime unit msec 10 holdtime msec $((150 * slow))"
for i in 1 2; do
	switch
	expect "all are on the new active" many_are "$(active)" 500
	expect "none is on the old" many_are "$(mate_of "$(active)")" 0
done
before="$(rows a) $(rows b)"
stays 3 true
same "nothing else happens while they are held" "$(rows a) $(rows b)" "$before"
done_testing

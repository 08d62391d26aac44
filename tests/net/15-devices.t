#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Devices on top of others: a bridge as failover link, a bridge and a macvlan as monitored interfaces that have the failover
# addresses. They are made when the units run already; their ports and parents go, their MAC address changes.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
config() { # config UNIT
	cat <<-CONFIG
		hostname gw
		interface mv0
		 nameif outside
		 ip address 198.51.100.10 255.255.255.0 standby 198.51.100.11
		interface br0
		 nameif inside
		 ip address 192.0.2.1 255.255.255.0 standby 192.0.2.2
		failover lan unit $1
		failover lan interface fover br1
		failover interface ip fover 203.0.113.1 255.255.255.252 standby 203.0.113.2
		failover polltime msec 100 holdtime msec 500
		failover polltime interface msec 200 holdtime 1
		failover key other-devices
		failover
	CONFIG
}
config primary >"$files/a.config"
config secondary >"$files/b.config"
lab up --config-a "$files/a.config" --config-b "$files/b.config" >"$files/up.log" 2>&1 || not_ok "the lab comes up"
make_devices() { # make_devices UNIT; each bridge has a second port that leads to a host which says nothing
	lab exec "$1" ip link add link eth0 name mv0 type macvlan mode bridge &&
		lab exec "$1" ip link set eth0 up &&
		for n in 0 1; do
			lab exec "$1" ip link add "br$n" type bridge mcast_snooping 0 &&
				lab exec "$1" ip link set "eth$((n + 1))" master "br$n" up &&
				lab exec "$1" ip link add "port$n" type veth peer name "$1-dead$n" &&
				lab exec "$1" ip link set "$1-dead$n" netns "asafo-$LAB-lan" &&
				ip netns exec "asafo-$LAB-lan" sysctl -qw "net.ipv6.conf.$1-dead$n.disable_ipv6=1" &&
				ip netns exec "asafo-$LAB-lan" ip link set "$1-dead$n" up &&
				lab exec "$1" ip link set "port$n" master "br$n" up || return
		done
}
for unit in a b; do expect "the devices of $unit appear when it runs" make_devices "$unit"; done
ready() { state_is "$1" Active && state_is "$2" "Standby Ready"; }
paths_up() { field "$1" '[.paths[] | select(.state != "up")] | length' | grep -qx 0; }
expect "the units find each other" until_true 20 eval 'ready a b || ready b a'
expect "hellos come on all of them" until_true 10 eval 'paths_up a && paths_up b'
expect "unit a is active" until_true 10 active_or_asks a
answers() { lab exec "$1" ping -qc 1 -W 1 "$2" >/dev/null; }
reached() { until_true 5 answers client 198.51.100.10 && until_true 5 answers inside 192.0.2.1; }
expect "clients reach its addresses" reached

mac_of() { lab exec "$1" ip -j neigh show "$2" | jq -r '.[0].lladdr'; }
term=$(field a .term)
expect "the bridge gets another MAC address" lab exec a ip link set br0 address 02:00:00:00:00:77
expect "the neighbours are told at once" until_true 2 eval '[ "$(mac_of inside 192.0.2.1)" = 02:00:00:00:00:77 ]'
same "that is no failover" "$(field a .term) $(field a .state)" "$term Active"

expect "the parent of the active's macvlan goes down" lab exec a ip link set eth0 down
expect "the other unit takes over" until_true 5 state_is b Active
expect "clients reach it" reached
expect "the parent comes back" lab exec a ip link set eth0 up
expect "its unit is ready again" until_true 15 state_is a "Standby Ready"
expect "hellos come on all paths again" until_true 10 eval 'paths_up a && paths_up b'

expect "the port to the LAN leaves the active's bridge, which keeps its carrier" lab exec b ip link set eth1 nomaster
expect "the tests of the interface find it, and the other unit takes over" until_true 15 state_is a Active
expect "clients reach it" reached
expect "the port comes back" lab exec b ip link set eth1 master br0
expect "its unit is ready again" until_true 15 state_is b "Standby Ready"

term=$(field a .term)
expect "the port to the mate leaves the bridge of the failover link" lab exec a ip link set eth2 nomaster
expect "that is said" until_true 10 eval 'field a ".troubles[]" | grep -q "no hello of the mate comes on the failover link fover .br1."'
expect "the port comes back" lab exec a ip link set eth2 master br1
expect "the link is up again" until_true 15 eval '[ "$(field b .link.up)" = true ] && paths_up a && paths_up b'
same "it was no failover" "$(field a .term) $(field a .state)" "$term Active"

macs() { printf 'failover mac address %s\n' 'br0 0200.0000.0001 0200.0000.0002' 'mv0 0200.0000.0003 0200.0000.0004' | asafo a configure; }
expect "virtual MAC addresses on a bridge and on a macvlan" macs
expect "unit b is to have them" until_true 10 active_or_asks b
expect "clients reach them" reached
same "by the MAC addresses of the active unit" "$(mac_of inside 192.0.2.1) $(mac_of client 198.51.100.10)" \
	"02:00:00:00:00:01 02:00:00:00:00:03"
done_testing

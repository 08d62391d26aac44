#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# IPv6 is disabled by a sysctl on an interface of a unit that runs, the active one and then the standby: the unit says which
# address is missing, goes on with the others, and has it again when that is undone.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
disable() { lab exec "$1" sysctl -qw net.ipv6.conf.eth0.disable_ipv6="$2"; }
named() { asafo "$1" --json show failover | jq -e --arg t "cannot set $2 on eth0: IPv6 is disabled there" '.troubles | any(startswith($t))' >/dev/null; }
named_not() { ! named "$@"; }
holds() { lab exec "$1" ip -6 -o addr show dev eth0 | grep -q " $2/64 "; }
lines() { grep -c 'addresses: cannot set' "/run/asafo-lab-$LAB/$1/log"; }
refuse() { # refuse UNIT ADDRESS
	forget_log "$1"
	disable "$1" 1
	expect "unit $1 names the address that it has not" until_true 5 named "$1" "$2/64"
	refused "asafo check warns of it" 1 "cannot set $2" asafo "$1" check
	stays 3 true
	same "the log says it once" "$(lines "$1")" 1
	expect "the certificate is served by IPv4" until_true 10 serves 198.51.100.10 corp "$leaf"
	same "nobody changed roles" "$(field a .state), $(field b .state), $(field a .term)" "$roles"
	disable "$1" 0
	expect "it is set again" until_true 5 holds "$1" "$2"
	expect "and named no more" until_true 5 named_not "$1" "$2/64"
	expect "(nor was it forgotten in the log)" until_true 5 \
		grep -q "addresses: all of this unit's are set again" "/run/asafo-lab-$LAB/$1/log"
}

LAB_POLL=500 LAB_HOLD=3000 pair_up "$@" # nobody changes roles because the machine was busy for a second
make_ca corp && make_p12 corp vpn
leaf=$(fingerprint_of "$files/vpn.pem")
expect "a trustpoint" import a vpn vpn
expect "on both units" asafo a write-standby
roles="Active, Standby Ready, $(field a .term)"
refuse a 2001:db8:100::10
expect "the certificate is served by IPv6 again" until_true 10 serves '[2001:db8:100::10]' corp "$leaf"
refuse b 2001:db8:100::11
done_testing

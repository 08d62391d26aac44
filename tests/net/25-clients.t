#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Clients as there are, old and new, Cisco's own and others, spoken by hand: logins, files, CONNECT in all its forms, addresses
# that change, endings. What each needs of the answers is what reference documents and other servers say of it.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
vip=198.51.100.10 other=198.51.100.21
# shellcheck source=openconnect.sh
. "$(dirname "$0")/openconnect.sh"

configure() {
	asafo a configure <<'CONFIG'
ip local pool VPN 10.9.0.10-10.9.0.250 mask 255.255.255.0
group-policy STAFF internal
group-policy STAFF attributes
 vpn-simultaneous-logins 50
tunnel-group staff type remote-access
tunnel-group staff general-attributes
 address-pool VPN
 default-group-policy STAFF
username alice password s3cret-word
webvpn
 anyconnect enable
CONFIG
}
pair_up
make_ca corp && make_p12 corp vpn
expect "a trustpoint" import a vpn vpn
expect "a group, a pool and a user" configure
lab exec client ip address add $other/24 dev eth0
until_true 10 serves $vip corp "$(fingerprint_of "$files/vpn.pem")"
lab exec client timeout $((300 * slow)) python3 "$(dirname "$0")/clients.py" $vip 198.51.100.20 $other "$files/corp-ca.pem" \
	>"$files/clients" 2>&1
status=$?
cat "$files/clients"
n_ok=$((n_ok + $(grep -c '^ok - ' "$files/clients")))
n_bad=$((n_bad + $(grep -c '^not ok - ' "$files/clients")))
same "every client was tried to the end" "$status" 0
done_testing

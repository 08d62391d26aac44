#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Which certificate a client gets: fallback, interface, name; and that a change drops nobody.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
vip=198.51.100.10

pair_up
make_ca corp && make_p12 corp vpn && make_p12 corp mail secret mail.example.net
vpn=$(fingerprint_of "$files/vpn.pem") mail=$(fingerprint_of "$files/mail.pem")
leaf_only() { # without verification: the fallback has no CA
	lab exec client timeout $((5 * slow)) openssl s_client -connect "$1:443" -servername "${2:-x.example.net}" </dev/null 2>/dev/null |
		openssl x509 -noout -fingerprint -sha256 2>/dev/null
}
fallback=$(leaf_only $vip)
expect "without a trustpoint the self-signed fallback is served" test -n "$fallback"
expect "show ssl says that it is the fallback" sh -c \
	"'$top/tools/lab' --name '$LAB' asafo a --json show ssl | jq -e '.served | any(.is_fallback)'"
expect "... in the place of the one that is bound, and why" sh -c \
	"'$top/tools/lab' --name '$LAB' asafo a show ssl | grep -E '^self-signed fallback +outside .* vpn is bound by interface, but '"
expect "import of what is bound already" import a vpn vpn
expect "it is served from then on" until_true 5 serves $vip corp "$vpn"

# A connection that stays open while the binding changes.
mkfifo "$files/in"
lab exec client openssl s_client -quiet -connect "$vip:443" -servername vpn.example.net <"$files/in" >"$files/out" 2>/dev/null &
exec 8>"$files/in"
printf 'GET /healthz HTTP/1.1\r\nHost: gw\r\n\r\n' >&8
expect "a connection is open" until_true 5 grep -q '200 OK' "$files/out"
expect "another trustpoint for a name" import a mail mail
expect "bound to that name" asafo a bind mail outside --domain mail.example.net
expect "by SNI the other leaf" until_true 5 serves $vip corp "$mail" mail.example.net
expect "the first name still has its own" serves $vip corp "$vpn"
expect "unbound again" asafo a unbind mail outside --domain mail.example.net
make_p12 corp renewed
renewed=$(fingerprint_of "$files/renewed.pem")
asafo a configure 'failover replication trustpoint sync' >/dev/null
expect "a renewal under the same name" import a vpn renewed --replace
expect "is served on the active unit" until_true 5 serves $vip corp "$renewed"
expect "and on the standby" until_true 5 serves 198.51.100.11 corp "$renewed"
expect "a rollback" asafo a rollback vpn
expect "brings the older one back on the active unit" until_true 5 serves $vip corp "$vpn"
expect "and on the standby" until_true 5 serves 198.51.100.11 corp "$vpn"
asafo a configure 'no failover replication trustpoint' >/dev/null
expect "that name gets the interface's" until_true 5 serves $vip corp "$vpn" mail.example.net
: >"$files/out"
printf 'GET /healthz HTTP/1.1\r\nHost: gw\r\nConnection: close\r\n\r\n' >&8
expect "the open connection outlived all of these changes" until_true 5 grep -q '200 OK' "$files/out"
exec 8>&-
# Two host names, one certificate.
troubles() { asafo "$1" --json show failover | jq -r '.troubles[]'; }
names_trouble() { troubles "$1" | grep -q "lacks $2, the name of the standby unit's address"; }
expect "names of the interface" asafo a configure "interface $(asafo a --json show failover |
	jq -r '.interfaces[] | select(.name == "outside") | .device')" \
	' fqdn vpn.example.net standby vpn-b.example.net'
expect "the name that the certificate lacks is said" until_true 5 names_trouble a vpn-b.example.net
expect "and on the standby, too" until_true 10 names_trouble b vpn-b.example.net
expect "asafo check warns of it" exits 1 asafo a check
expect "whoever binds hears it at once" sh -c \
	"'$top/tools/lab' --name '$LAB' asafo a bind vpn outside 2>&1 | grep -q 'lacks vpn-b.example.net'"
make_p12 corp second secret vpn-b.example.net
expect "another certificate for that name" import a second second
expect "bound to it" asafo a bind second outside --domain vpn-b.example.net
no_names_trouble() { ! names_trouble "$1" vpn-b.example.net; }
expect "ends the trouble" until_true 5 no_names_trouble a
expect "bindings are on the standby, too" sh -c \
	"'$top/tools/lab' --name '$LAB' asafo b show running-config | grep -q 'ssl trust-point vpn'"
refused "a binding on an interface that is none" 1 'interface' asafo a bind vpn nowhere
expect "write memory saves on both units" asafo a write-memory
lab power a off
wait_state b Active
lab power b off
lab power b on
wait_state b Active
fallback_b=$(asafo b --json show trustpoints | jq -r '.position.digest')
expect "alone after a power cycle it has its store" test -n "$fallback_b"
done_testing

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# RSA and ECDSA side by side at one place: each client gets the one that it takes, on both units.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
vip=198.51.100.10 standby=198.51.100.11

make_ec_p12() { # make_ec_p12 CA NAME: as make_p12, with an ECDSA key
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=vpn.example.net \
		-keyout "$files/$2.key" -out "$files/$2.csr" 2>/dev/null
	openssl x509 -req -in "$files/$2.csr" -CA "$files/$1-ca.pem" -CAkey "$files/$1-ca.key" -days 365 \
		-set_serial "0x$(openssl rand -hex 15)" -out "$files/$2.pem" \
		-extfile <(printf 'subjectAltName=DNS:vpn.example.net\nextendedKeyUsage=serverAuth\n') 2>/dev/null
	echo secret >"$files/$2.pass"
	openssl pkcs12 -export -in "$files/$2.pem" -inkey "$files/$2.key" -certfile "$files/$1-ca.pem" \
		-passout pass:secret -out "$files/$2.p12"
}
rsa_only=RSA-PSS+SHA256:RSA+SHA256 ecdsa_only=ECDSA+SHA256
gets() { # gets ADDRESS FINGERPRINT OPTION...: the leaf that a client with these options of s_client is given
	local address=$1 want=$2
	shift 2
	[ "$(lab exec client timeout $((5 * slow)) openssl s_client -connect "$address:443" -servername vpn.example.net "$@" </dev/null 2>/dev/null |
		openssl x509 -noout -fingerprint -sha256 2>/dev/null | cut -d= -f2 | tr -d : | tr A-F a-f)" = "$want" ]
}
gets_each() { # gets_each ADDRESS RSA ECDSA
	gets "$1" "$2" -tls1_3 -sigalgs $rsa_only && gets "$1" "$2" -tls1_2 -sigalgs $rsa_only &&
		gets "$1" "$2" -tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256 &&
		gets "$1" "$3" -tls1_3 -sigalgs $ecdsa_only && gets "$1" "$3" -tls1_2 -sigalgs $ecdsa_only &&
		gets "$1" "$3" -tls1_3 && gets "$1" "$3" -tls1_2
}
lines() { asafo "$1" show running-config | grep '^ssl trust-point'; }
says() { # says PATTERN COMMAND...
	local pattern=$1
	shift
	grep -qE -- "$pattern" <<<"$("$@" 2>&1)"
}

pair_up
make_ca corp && make_p12 corp rsa && make_p12 corp rsa2 && make_ec_p12 corp ec
rsa=$(fingerprint_of "$files/rsa.pem") rsa2=$(fingerprint_of "$files/rsa2.pem") ec=$(fingerprint_of "$files/ec.pem")
asafo a configure 'failover replication trustpoint sync' >/dev/null
for name in rsa rsa2 ec; do
	expect "import of $name" import a $name $name
done
asafo a unbind vpn outside >/dev/null # the lab's
expect "bound, the RSA one" asafo a bind rsa outside
expect "and beside it the ECDSA one" asafo a bind ec outside
same "both lines hold" "$(lines a | sort | tr '\n' ' ')" \
	"$(lines a | grep -v ' outside$' | tr '\n' ' ')ssl trust-point ec outside ssl trust-point rsa outside "
expect "each client gets the one that it takes" until_true 10 gets_each $vip "$rsa" "$ec"
expect "and on the standby" until_true 10 gets_each $standby "$rsa" "$ec"
expect "show ssl says both, and for whom" sh -c "'$top/tools/lab' --name '$LAB' asafo a show ssl | tee '$files/ssl' |
	grep -q 'for clients that take RSA and not ECDSA' && grep -q 'for clients that take ECDSA' '$files/ssl'"
expect "--probe tries each kind" sh -c "'$top/tools/lab' --name '$LAB' asafo a --json show ssl --probe |
	jq -e '[.served[] | select(.interface == \"outside\" and .tested_at > 0 and .code == 0) | .kind] | sort == [\"ECDSA\", \"RSA\"]'"
expect "verify proves both" until_true 10 asafo a verify rsa ec
refused "neither can be removed: rsa" 1 'rsa is bound' asafo a remove rsa
refused "nor ec" 1 'ec is bound' asafo a remove ec

expect "another RSA one" sh -c "'$top/tools/lab' --name '$LAB' asafo a bind rsa2 outside >'$files/said' 2>&1"
expect "replaces the first, and it is said" grep -q 'ssl trust-point rsa outside.*is replaced by rsa2' "$files/said"
expect "the clients get that" until_true 10 gets_each $vip "$rsa2" "$ec"
expect "on the standby, too" until_true 10 gets_each $standby "$rsa2" "$ec"
expect "a line does the same" sh -c "'$top/tools/lab' --name '$LAB' asafo a configure 'ssl trust-point rsa outside' 2>&1 |
	grep -q 'ssl trust-point rsa2 outside.*is replaced by rsa'"
expect "the first is back" until_true 10 gets_each $vip "$rsa" "$ec"

expect "one that is not there yet" sh -c "'$top/tools/lab' --name '$LAB' asafo a bind later outside >'$files/said' 2>&1"
expect "stays beside them, and it is said" grep -q 'stays beside later' "$files/said"
expect "asafo check says that no client gets it" until_true 10 says 'no client of interface outside .* gets trustpoint later' asafo a check
expect "and each client gets what it got" gets_each $vip "$rsa" "$ec"
expect "unbound again" asafo a unbind later outside

# Cipher suites and versions, as the operator has set them.
speaks() { # speaks OPTION...: a client with these options of s_client gets through its handshake
	lab exec client timeout $((5 * slow)) openssl s_client -connect "$vip:443" "$@" </dev/null 2>&1 | grep -qE 'Cipher is [A-Z]'
}
speaks_not() { ! speaks "$@"; }
expect "a list of cipher suites for TLS 1.2" asafo a configure \
	'ssl cipher tlsv1.2 custom "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256"'
expect "one that is not in it is refused" until_true 10 speaks_not -tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256
expect "also where its cipher is served with the other kind of key" until_true 10 speaks_not -tls1_2 -cipher ECDHE-ECDSA-AES256-GCM-SHA384
expect "those that are in it are served" speaks -tls1_2 -cipher ECDHE-RSA-AES256-GCM-SHA384
expect "(both)" speaks -tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256
expect "TLS 1.3 has its own" speaks -tls1_3 -ciphersuites TLS_CHACHA20_POLY1305_SHA256
expect "until it is restricted, too" asafo a configure 'ssl cipher tlsv1.3 high'
expect "to AES-256" until_true 10 speaks_not -tls1_3 -ciphersuites TLS_CHACHA20_POLY1305_SHA256
expect "which is served" speaks -tls1_3 -ciphersuites TLS_AES_256_GCM_SHA384
expect "show ssl says which" sh -c "'$top/tools/lab' --name '$LAB' asafo a show ssl |
	grep -q 'TLSv1.3 (high): TLS_AES_256_GCM_SHA384'"
expect "and the front's own handshakes are well" until_true 10 asafo a show ssl --probe
refused "a name that is none" 2 'AES128-SHA" is no cipher suite that is served under tlsv1.2: those are ECDHE' \
	asafo a configure 'ssl cipher tlsv1.2 custom AES128-SHA'
expect "TLS 1.3 only" asafo a configure 'ssl server-version tlsv1.3'
expect "refuses TLS 1.2" until_true 10 speaks_not -tls1_2
expect "and back to the defaults" asafo a configure 'no ssl server-version' 'no ssl cipher tlsv1.2' 'no ssl cipher tlsv1.3'
expect "serves it again" until_true 10 speaks -tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256

expect "a switchover" asafo b failover active
wait_state b Active
expect "changes nothing of this" until_true 10 gets_each $vip "$rsa" "$ec"
expect "without the ECDSA one" asafo b unbind ec outside
expect "those that took it get the RSA one" until_true 10 gets $vip "$rsa" -tls1_3
done_testing

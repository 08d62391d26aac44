#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# OCSP staples: checked at import, sent by both units, in TLS 1.2 and 1.3, of each certificate its own.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
vip=198.51.100.10

# An index as `openssl ca` keeps it is all that a responder needs.
index() { # index CA NAME STATUS...: V (valid) or R (revoked)
	local serial
	serial=$(openssl x509 -in "$files/$2.pem" -noout -serial | cut -d= -f2)
	if [ "$3" = R ]; then
		printf 'R\t301231235959Z\t260101000000Z,keyCompromise\t%s\tunknown\t/CN=%s\n' "$serial" "$2"
	else
		printf 'V\t301231235959Z\t\t%s\tunknown\t/CN=%s\n' "$serial" "$2"
	fi >>"$files/$1.index"
}
respond() { # respond CA NAME OUT [ARGS...]: what the CA's responder says of the certificate
	local ca=$1 name=$2 out=$3
	shift 3
	openssl ocsp -index "$files/$ca.index" -CA "$files/$ca-ca.pem" -rsigner "$files/$ca-ca.pem" -rkey "$files/$ca-ca.key" \
		-issuer "$files/$ca-ca.pem" -cert "$files/$name.pem" -respout "$files/$out.der" -ndays 7 -noverify "$@" >/dev/null 2>&1
}
# What a client in the lab is told of the certificate: "good" or "none"; "failed": it came to no server that it believes.
told() { # told [ARGS...]
	lab exec client timeout $((5 * slow)) openssl s_client -connect "$vip:443" -servername vpn.example.net -status \
		-CAfile "$files/corp-ca.pem" "$@" </dev/null 2>/dev/null >"$files/status"
	if ! grep -q 'Verify return code: 0 ' "$files/status"; then
		echo failed
	elif grep -q 'Cert Status: good' "$files/status"; then
		echo good
	elif grep -q 'OCSP response: no response sent' "$files/status"; then
		echo none
	else
		echo failed
	fi
}
is_told() { [ "$(told "${@:2}")" = "$1" ]; }
shows() { asafo "$1" --json show ssl | jq -e "$2" >/dev/null; } # shows UNIT JQ
mate_has_them() { shows "$1" '.staples.mate_has_them and .staples.count > 0'; }
count_is() { shows "$1" ".staples.count == $2"; }
staple_of() { asafo "$1" --json show trustpoints | jq -e ".trustpoints[] | select(.name == \"$2\") | .staple | $3" >/dev/null; }

pair_up
make_ca corp && make_ca else && make_p12 corp vpn && make_p12 corp other && make_p12 corp renewed && make_p12 else stranger
for name in vpn other renewed; do index corp $name V; done
index else stranger V
respond corp vpn good && respond corp other other && respond else stranger stranger && respond corp renewed renewed
cp "$files/corp.index" "$files/corp.before"
: >"$files/corp.index" && index corp vpn R && respond corp vpn revoked && cp "$files/corp.before" "$files/corp.index"
openssl ocsp -index "$files/corp.index" -CA "$files/corp-ca.pem" -rsigner "$files/else-ca.pem" -rkey "$files/else-ca.key" \
	-issuer "$files/corp-ca.pem" -cert "$files/vpn.pem" -respout "$files/forged.der" -ndays 7 -noverify >/dev/null 2>&1
expect "a trustpoint" import a vpn vpn
expect "on both units" asafo a write-standby
expect "it is bound" asafo a bind vpn outside
expect "it is served" until_true 10 serves $vip corp "$(fingerprint_of "$files/vpn.pem")"
expect "without a staple a client is told nothing" is_told none

# ---- what is refused ----
refused "a standby takes none" 3 'active' asafo b ocsp import vpn "$files/good.der"
refused "a response about another certificate" 1 'about another certificate' asafo a ocsp import vpn "$files/other.der"
refused "one of another issuer" 1 'about another certificate' asafo a ocsp import vpn "$files/stranger.der"
refused "one that another signed" 1 'not signed by the issuer' asafo a ocsp import vpn "$files/forged.der"
refused "what is no response" 1 'no OCSP response' asafo a ocsp import vpn "$files/vpn.pem"
refused "one that says that the certificate is revoked" 1 'has revoked the certificate \(keyCompromise' \
	asafo a ocsp import vpn "$files/revoked.der"
expect "(and the log says so)" grep -q 'trustpoint vpn: the issuer has revoked the certificate' "/run/asafo-lab-$LAB/a/log"
refused "one for a trustpoint that is not there" 1 'nothing' asafo a ocsp import nothing "$files/good.der"
expect "none of them is there" count_is a 0

# ---- served ----
expect "a dry run" asafo a ocsp import vpn "$files/good.der" --dry-run
expect "changes nothing" count_is a 0
expect "a good one" asafo a ocsp import vpn "$files/good.der"
expect "is sent under TLS 1.3" until_true 10 is_told good
expect "and under TLS 1.2" is_told good -tls1_2
expect "once more" asafo a --json ocsp import vpn "$files/good.der"
expect "show ssl says until when" sh -c "'$top/tools/lab' --name '$LAB' asafo a show ssl | grep 'OCSP staple of vpn (RSA) on outside: sent'"
expect "so does show trustpoints" sh -c "'$top/tools/lab' --name '$LAB' asafo a show crypto ca trustpoints | grep 'OCSP staple good until'"
expect "(for programs, too)" staple_of a vpn '.good and .source == "file"'
expect "the mate has it" until_true 10 mate_has_them a
expect "(and shows it)" staple_of b vpn .good

# ---- the other unit ----
lab power a off
wait_state b Active
expect "the plug pulled: the other unit sends it" until_true 10 is_told good
expect "under TLS 1.2, too" is_told good -tls1_2
lab power a on
wait_state a "Standby Ready"

# ---- another leaf, and back ----
expect "a renewal" until_true 30 import b vpn renewed --replace
expect "is served" until_true 10 serves $vip corp "$(fingerprint_of "$files/renewed.pem")"
expect "without the staple of the one before" is_told none
expect "its own" asafo b ocsp import vpn "$files/renewed.der"
expect "is sent" until_true 10 is_told good
expect "a rollback" asafo b rollback vpn
expect "has the one before again" until_true 10 serves $vip corp "$(fingerprint_of "$files/vpn.pem")"
expect "with its staple" until_true 10 is_told good
expect "a removal" asafo b ocsp remove vpn
expect "ends it" until_true 10 is_told none
expect "on the mate, too" until_true 10 count_is a 1
done_testing

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# OCSP staples that the active unit fetches: from a responder, then from ones that are slow, wrong or hostile; the other
# unit fetches on after a failover; what is revoked stays so, whatever an older answer says.
# long: a staple of a minute is fetched anew at half of its time
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
vip=198.51.100.10
good=http://192.0.2.20:8080/
bad=http://192.0.2.20:8081

index() { # index NAME V|R
	local serial
	serial=$(openssl x509 -in "$files/$1.pem" -noout -serial | cut -d= -f2)
	if [ "$2" = R ]; then
		printf 'R\t301231235959Z\t260101000000Z,keyCompromise\t%s\tunknown\t/CN=%s\n' "$serial" "$1"
	else
		printf 'V\t301231235959Z\t\t%s\tunknown\t/CN=%s\n' "$serial" "$1"
	fi >>"$files/index"
}
responder=(openssl ocsp -index "$files/index" -CA "$files/corp-ca.pem" -rsigner "$files/corp-ca.pem" -rkey "$files/corp-ca.key")
respond() { # respond NAME OUT [-nmin N]: what the CA says of it
	local good_for=(-ndays 7)
	[ $# -eq 2 ] || good_for=("${@:3}")
	"${responder[@]}" -issuer "$files/corp-ca.pem" -cert "$files/$1.pem" -respout "$files/answers/$2.der" "${good_for[@]}" \
		-noverify >/dev/null 2>&1
}
told() { # told NAME: "good" or "none", what a client is told of the certificate of that name
	lab exec client timeout $((5 * slow)) openssl s_client -connect "$vip:443" -servername "$1" -status \
		-CAfile "$files/corp-ca.pem" </dev/null 2>/dev/null >"$files/status"
	grep -q 'Verify return code: 0 ' "$files/status" || { echo failed && return; }
	if grep -q 'Cert Status: good' "$files/status"; then echo good; else echo none; fi
}
is_told() { [ "$(told "$2")" = "$1" ]; }
of() { asafo "$1" --json show trustpoints | jq -e ".trustpoints[] | select(.name == \"$2\") | $3" >/dev/null; } # of UNIT NAME JQ
taken_at() { asafo "$1" --json show trustpoints | jq -r '.trustpoints[] | select(.name == "vpn") | .staple.taken_at // 0'; }
troubled() { asafo "$1" --json show failover | jq -e --arg t "$2" '.troubles | any(test($t))' >/dev/null; } # troubled UNIT PATTERN
mate_has_them() { asafo "$1" --json show ssl | jq -e '.staples.mate_has_them and .staples.count > 0' >/dev/null; }
configure() { asafo "$1" configure "crypto ca trustpoint $2" "${@:3}"; } # configure UNIT NAME LINE...
fails() { # fails UNIT URL PATTERN: asks that one, and says that it failed so
	configure "$1" other " ocsp url $2" &&
		until_true 40 of "$1" other ".staple_fetch | .failures > 0 and (.why | test(\"$3\"))"
}
is_later() { [ "$(taken_at "$1")" -gt "$2" ]; }

pair_up
mkdir "$files/answers"
make_ca corp && make_p12 corp vpn && make_p12 corp other secret other.example.net && make_p12 corp third
: >"$files/index" && index vpn V && index other V && index third V
respond other good && respond third third
: >"$files/index" && index other R && respond other revoked
: >"$files/index" && respond other unknown
: >"$files/index" && index vpn V
lab exec inside "${responder[@]}" -port 8080 -nmin 1 >"$files/responder.log" 2>&1 &
lab exec inside "$top/tests/net/responder" 8081 "$files/answers" >>"$files/responder.log" 2>&1 &
lab exec client "$top/tests/net/responder" 8081 "$files/answers" >>"$files/responder.log" 2>&1 &
expect "two trustpoints" eval 'import a vpn vpn && import a other other && asafo a write-standby'
expect "are bound" eval 'asafo a bind vpn outside && asafo a bind other outside --domain other.example.net'
refused "only http is spoken" 2 'begins with http://' configure a vpn " ocsp url https://192.0.2.20/"
expect "a responder is given" configure a vpn " ocsp url $good" " ocsp fetch"
expect "a client is told what it says" until_true 20 is_told good vpn.example.net
expect "where it is from is shown" until_true 10 of a vpn ".staple.source == \"$good\" and .staple_fetch.here and .staple_fetch.failures == 0"
expect "(for people, too)" sh -c "'$top/tools/lab' --name '$LAB' asafo a show crypto ca trustpoints | grep 'vpn: OCSP staple fetched from $good'"
expect "the mate has it" until_true 10 mate_has_them a
expect "and fetches none" until_true 20 of b vpn '.staple.good and (.staple_fetch.here | not)'

# ---- the other unit ----
lab power a off
wait_state b Active
expect "the plug pulled: the other unit sends it" until_true 10 is_told good vpn.example.net
expect "and is the one that fetches" until_true 10 of b vpn .staple_fetch.here
lab power a on
wait_state a "Standby Ready"

# ---- bad ones ----
expect "a certificate that names no responder" configure b other " ocsp fetch"
expect "(is a failure that says so)" until_true 20 of b other '.staple_fetch.why | test("names no OCSP responder")'
expect "garbage" fails b $bad/garbage "no OCSP response in DER"
expect "ten megabytes" fails b $bad/big "larger than 65536 bytes"
expect "a redirect, which is not followed" fails b $bad/redirect "sends to another place"
expect "an error" fails b $bad/error "HTTP status 503"
expect "an answer about another certificate" fails b $bad/third "about another certificate"
expect "that it is not known" fails b $bad/unknown "does not know the certificate"
expect "nobody" fails b http://192.0.2.20:8099/ "cannot be asked"
expect "a name that is none" fails b http://responder.invalid/ "cannot be asked|did not answer within"
expect "one that never answers" fails b $bad/slow "did not answer within"
expect "a client is told nothing of all that" until_true 10 is_told none other.example.net
expect "it is a trouble" until_true 10 troubled b 'trustpoint other has no OCSP staple: to fetch one fails'
expect "and a line of the log" grep -q 'ASAFO-3-717032: .*OCSP status check failed for trustpoint other' "/run/asafo-lab-$LAB/b/log"
expect "one that is well, over IPv6" configure b other " ocsp url http://[2001:db8:100::20]:8081/good"
expect "ends it" until_true 20 is_told good other.example.net
expect "(and is the mate's, too)" until_true 10 mate_has_them b
expect "that the certificate is revoked" configure b other " ocsp url $bad/revoked"
expect "is asked for at half of the staple's time only" until_true 10 of b other \
	'.staple.good and .staple_fetch.asked_at == 0 and .staple_fetch.next_at > now + 600'
: >"$files/index" && index other V && respond other brief -nmin 1
: >"$files/index" && index other R && respond other revoked
: >"$files/index" && index vpn V
expect "one that is good for a minute" eval "asafo b ocsp remove other && configure b other ' ocsp url $bad/brief'"
expect "is sent" until_true 20 is_told good other.example.net
expect "then the responder says revoked" configure b other " ocsp url $bad/revoked"
expect "at half of its time it is a trouble" until_true 60 troubled b 'trustpoint other is bound, and revoked: the issuer has revoked'
expect "the staple is gone, before its end or behind it" until_true 10 of b other '.staple == null'
expect "and nothing is sent" until_true 10 is_told none other.example.net
expect "the mate knows it, too" until_true 20 troubled a 'trustpoint other is bound, and revoked'
expect "a responder that is behind, with an older answer" fails b $bad/good "since it gave this OCSP response"
expect "does not bring it back" is_told none other.example.net
expect "nor ends the trouble" troubled b 'trustpoint other is bound, and revoked'
refused "nor does its file" 1 'revoked the certificate since it gave this' asafo b ocsp import other "$files/answers/good.der"
refused "there is none to remove" 1 'its issuer has revoked the certificate' asafo b ocsp remove other
: >"$files/index" && index other V && respond other newer
: >"$files/index" && index vpn V
expect "a newer answer, that it is good again" configure b other " ocsp url $bad/newer"
expect "is believed" until_true 20 is_told good other.example.net

# ---- again ----
since=$(taken_at b)
expect "the other unit has a staple" test "$since" -gt 0
expect "at half of its time the other unit has fetched a newer one" until_true 60 is_later b "$since"
expect "(which is sent)" until_true 10 is_told good vpn.example.net
expect "the mate has that" until_true 20 mate_has_them b
done_testing

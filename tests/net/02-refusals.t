#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Bad input: each ends with one clear sentence, a status, and nothing half-done.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

pair_up
make_ca corp && make_p12 corp good && make_p12 corp other
before=$(digest a)

head -c 200 "$files/good.p12" >"$files/truncated.p12"
: >"$files/empty.p12"
head -c 1100000 /dev/zero >"$files/huge.p12"
# The same bytes each time: what they begin with decides what is said of them.
random() { openssl enc -aes-128-ctr -nosalt -K 00 -iv "$1" -in /dev/zero 2>/dev/null | head -c "$2"; }
random 1 3000 >"$files/random.p12"
{ printf '\060\052' && random 2 2998; } >"$files/followed.p12" # a SEQUENCE of 42 bytes
{ printf '\060\202\017\377' && random 3 2996; } >"$files/longer.p12" # ... of 4095
{ printf 'M' && random 4 2999; } >"$files/digits.p12" # as base64 begins
for f in truncated empty huge random followed longer digits; do cp "$files/good.pass" "$files/$f.pass"; done
cp "$files/good.p12" "$files/wrong.p12" && echo nope >"$files/wrong.pass"
openssl pkcs12 -export -nokeys -in "$files/good.pem" -passout pass:secret -out "$files/keyless.p12"
cp "$files/good.pass" "$files/keyless.pass"
openssl pkcs12 -export -nocerts -inkey "$files/good.key" -passout pass:secret -out "$files/certless.p12"
cp "$files/good.pass" "$files/certless.pass"

openssl pkcs12 -export -in "$files/good.pem" -inkey "$files/other.key" -passout pass:secret -out "$files/mismatch.p12" 2>/dev/null ||
	certtool --load-certificate "$files/good.pem" --load-privkey "$files/other.key" --to-p12 --p12-name x \
		--password secret --outder --outfile "$files/mismatch.p12" 2>/dev/null
dated() { # dated NAME FROM TO: a certificate of that time, by GnuTLS' tool
	printf 'cn = "%s"\nactivation_date = "%s"\nexpiration_date = "%s"\ntls_www_server\n' "$1" "$2" "$3" >"$files/$1.tmpl"
	certtool --generate-self-signed --load-privkey "$files/good.key" --template "$files/$1.tmpl" \
		--outfile "$files/$1.pem" 2>/dev/null
	openssl pkcs12 -export -in "$files/$1.pem" -inkey "$files/good.key" -passout pass:secret -out "$files/$1.p12"
}
dated expired "2020-01-01 00:00:00" "2021-01-01 00:00:00"
dated future "2035-01-01 00:00:00" "2036-01-01 00:00:00"
for f in mismatch expired future; do cp "$files/good.pass" "$files/$f.pass"; done

refused "a truncated file" 1 'cut off|damaged|truncated|not a PKCS#12|malformed' import a x truncated
refused "an empty file" 1 'empty|not a PKCS#12|malformed' import a x empty
refused "a file over 1 MiB" 1 'larger|limit|1 MiB' import a x huge
refused "random bytes" 1 'not a PKCS#12|malformed' import a x random
refused "random bytes that begin like a shorter one" 1 '2956 bytes follow the end' import a x followed
refused "random bytes that begin like a longer one" 1 'cut off: it holds 3000 of its 4099 bytes' import a x longer
refused "random bytes that begin like its text" 1 'not a PKCS#12' import a x digits
refused "a wrong passphrase" 1 'passphrase' import a x wrong
refused "a file without a key" 1 'no private key' import a x keyless
refused "a file without a certificate" 1 'no certificate' import a x certless
refused "an expired one" 1 'expired' import a x expired
refused "one that is not yet valid" 1 'valid only from' import a x future
refused "a key that is not the certificate's" 1 'belongs to none' import a x mismatch
refused "a name that is none" 2 'name' import a ../x good
refused "a file that is not there" 1 'no such file' asafo a import x "$files/nope.p12" --passphrase-file "$files/good.pass"
refused "an unknown verb" 2 '' asafo a frobnicate
same "nothing of it was stored" "$(digest a)" "$before"

expect "the good one is taken" import a good good
expect "the same again changes nothing" import a good good
refused "another certificate under a name that exists" 1 'exists|--replace' import a good other
expect "--replace makes a new generation" import a good other --replace
same "it is generation 2" \
	"$(asafo a --json show trustpoints | jq '.trustpoints[] | select(.name == "good") | .generation')" 2
same "the generations are told, the latest first" \
	"$(asafo a --json history good | jq -c '[.generations[] | [.generation, .present]]')" '[[2,true],[1,false]]'
before=$(digest a)
expect "a dry run of a rollback" asafo a rollback good --dry-run
same "(it changed nothing)" "$(digest a)" "$before"
expect "a rollback" asafo a rollback good
same "it is a new generation with the older certificate" \
	"$(asafo a --json show trustpoints | jq -r '.trustpoints[] | select(.name == "good") | "\(.generation) \(.fingerprint)"')" \
	"3 $(fingerprint_of "$files/good.pem")"
refused "a rollback to what is not kept" 1 'not kept.*history good' asafo a rollback good 17
refused "a rollback of what is not there" 1 'no trustpoint nobody' asafo a rollback nobody
refused "a rollback on the standby" 3 'primary' asafo b rollback good
expect "and back again" asafo a rollback good 2

cat "$files/good.pem" "$files/corp-ca.pem" "$files/good.key" >"$files/bundle.pem"
expect "PEM: key, certificate and chain, without a passphrase" asafo a import pem "$files/bundle.pem"
expect "the same from two files changes nothing" sh -c "cat '$files/good.pem' '$files/corp-ca.pem' >'$files/chain.pem' &&
	'$top/tools/lab' --name '$LAB' asafo a import pem '$files/chain.pem' --key '$files/good.key' | grep -q 'holds this certificate already'"
expect "base64 on stdin up to quit, and the passphrase behind it" sh -c "(openssl base64 -in '$files/good.p12'; echo quit; echo secret) |
	'$top/tools/lab' --name '$LAB' asafo a import pasted"
expect "the ASA's words: the passphrase, and the file pasted" sh -c "(openssl base64 -in '$files/good.p12'; echo quit) |
	'$top/tools/lab' --name '$LAB' asafo a crypto ca import asa pkcs12 secret"
expect "(both are there)" has a asa
expect "a CA's certificate alone" asafo a crypto ca authenticate corp "$files/corp-ca.pem"
openssl x509 -in "$files/corp-ca.pem" -outform DER -out "$files/corp-ca.der"
expect "the same in DER changes nothing" sh -c "'$top/tools/lab' --name '$LAB' asafo a authenticate corp '$files/corp-ca.der' |
	grep -q 'holds this certificate already'"
expect "nor does it in base64, pasted up to quit" sh -c "(openssl base64 -in '$files/corp-ca.der'; echo quit) |
	'$top/tools/lab' --name '$LAB' asafo a crypto ca authenticate corp | grep -q 'holds this certificate already'"
refused "PKCS#12 in its place" 1 "this is a PKCS#12 file" asafo a authenticate other "$files/good.p12"
refused "a certificate that is no CA's" 1 "not a CA's" asafo a authenticate other "$files/good.pem"
refused "a CA's trustpoint is not bound" 1 "no key" asafo a bind corp outside
refused "nor exported with a key" 1 "no key" asafo a export corp --output "$files/out.p12" --passphrase-file "$files/good.pass"
expect "one that is not exportable" import a secretive good --non-exportable
refused "is exported by nobody" 1 'not exportable' asafo a export secretive --output "$files/out.p12" --passphrase-file "$files/good.pass"
expect "and is replicated" asafo a write-standby
expect "(it is there)" has b secretive
expect "so is the CA's" has b corp
whole_there() { # and says what it got
	asafo b verify "$1" >"$files/verify" 2>&1 || :
	cat "$files/verify"
	grep -qE "^$1 .* yes +- +yes +yes" "$files/verify"
}
expect "which is whole there, though it has no key" whole_there corp
refused "and is not exported there either" 1 'not exportable' asafo b export secretive --output "$files/out.p12" --passphrase-file "$files/good.pass"
for name in pem pasted asa corp secretive; do expect "($name is removed)" asafo a remove $name; done
expect "dry run stores nothing" import a dry good --dry-run
expect "(it is not there)" has_not a dry
expect "a bound one can be bound" asafo a bind good outside
refused "a bound one is not removed" 1 'bound' asafo a remove good
expect "removed with --force" asafo a remove good --force
expect "(it is gone)" has_not a good

refused "write standby on the standby" 3 'primary' asafo b write-standby
refused "a wrong line of configuration" 2 'expected' asafo a configure 'failover polltime msec x'
lab power b off
mate_is_silent() { [ "$(field a .mate.heard)" = false ]; }
expect "the mate is gone" until_true 10 mate_is_silent
expect "write memory says that the mate did not save" exits 5 asafo a write-memory
asafo a configure 'failover replication trustpoint sync'
expect "an import that the mate could not get ends with 5" exits 5 import a alone other
expect "so does a removal" exits 5 asafo a remove alone
asafo a configure 'failover replication trustpoint off'
refused "write standby without a mate" 1 'mate|link' asafo a write-standby
lab power b on
wait_state b "Standby Ready"
same "write memory is done when the mate's file is on its disk" "$(asafo a --json write-memory | jq -r .mate)" saved
asafo a configure 'failover replication trustpoint sync'
same "an import that the standby has says so" \
	"$(import a both other --json | jq -r '.trustpoint.on_mate + " " + .replication')" "yes done"
asafo a configure 'failover replication trustpoint off'
expect "a removal says that the standby may still have it" grep -q 'may still have it' <(asafo a remove both)
expect "a write standby takes it there, too" asafo a write-standby
expect "(it is gone on both)" has_not b both
refused "no daemon on the socket" 4 'does not run' asafo a --control "$files/none" show version

for port in 443 5105; do
	head -c 20000 /dev/urandom | lab exec client timeout 3 openssl s_client -quiet -connect 198.51.100.10:$port >/dev/null 2>&1
	lab exec client timeout 3 bash -c "head -c 20000 /dev/urandom >/dev/tcp/198.51.100.10/$port" 2>/dev/null
done
lab exec b timeout 3 bash -c 'head -c 20000 /dev/urandom >/dev/tcp/203.0.113.1/5105' 2>/dev/null
lab exec b timeout 3 bash -c 'for i in 1 2 3 4 5; do head -c 400 /dev/urandom >/dev/udp/203.0.113.1/5105; done' 2>/dev/null
wait_state a Active
wait_state b "Standby Ready"
expect "after random bytes on every port write standby works" asafo a write-standby

both() { # waits for the jobs $one and $two; their statuses are in $first and $second
	first=0 second=0
	wait "$one" || first=$?
	wait "$two" || second=$?
}
import a one good >"$files/one.log" 2>&1 &
one=$!
import a two other >"$files/two.log" 2>&1 &
two=$!
both
same "two imports at once: both succeed" "$first $second $(cat "$files/one.log" "$files/two.log" | grep -i 'asafo: ')" "0 0 "
expect "(the first is there)" has a one
expect "(the second is there)" has a two
import a same good >"$files/one.log" 2>&1 &
one=$!
import a same other >"$files/two.log" 2>&1 &
two=$!
both
expect "two imports under one name at once: one of them wins, the other is refused" \
	test "$((first == 0)) $((second == 0))" != "$((second == 0)) $((first == 0))"
asafo a write-standby >"$files/w1" 2>&1 &
one=$!
asafo a write-standby >"$files/w2" 2>&1 &
two=$!
both
expect "write standby twice at once: at least one succeeds, the other says that it is busy" \
	test $((first * second)) -eq 0
expect "both units hold the same digest" same_digest
done_testing

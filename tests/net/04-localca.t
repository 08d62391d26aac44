#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What the local CA issued stays home. Every byte that crosses the failover link during boot, bulk and import-time replication,
# rollback, rekey, failover and the end of a split is recorded and decrypted (the walls are down for that: --no-sandbox and a key
# log), and searched for the certificates and keys.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
LAB_FLAGS="--no-sandbox"
keys=$files/keys
chmod 711 "$files" && mkdir "$keys" "$keys/cap" && chmod 777 "$keys" "$keys/cap"
SSLKEYLOGFILE=$keys/keys.log
: >"$SSLKEYLOGFILE" && chmod 666 "$SSLKEYLOGFILE"
export LAB_FLAGS SSLKEYLOGFILE

pair_up
# On the wire, not in a unit: a recorder in a unit without power would miss its return. Immediately: else libpcap
# waits for a full block, and on some kernels for ever.
ip netns exec "asafo-$LAB-lan" tcpdump --immediate-mode -B 16384 -i br-fover -U -w "$keys/cap/link.pcap" -s 0 \
	>"$keys/cap/log" 2>&1 &
capture=$!
expect "the capture runs" until_true 5 test -s "$keys/cap/link.pcap"
# A session that is recorded from its first byte.
lab power b off
lab power b on
wait_state b "Standby Ready"

echo local >"$files/local.pass"
for unit in a b; do
	expect "unit $unit makes its local CA" asafo $unit localca create "unit-$unit"
	expect "unit $unit issues a certificate" asafo $unit localca issue "user-$unit" \
		"$files/user-$unit.p12" --passphrase-file "$files/local.pass"
	cp "$files/local.pass" "$files/user-$unit.pass"
done
for name in second alone; do
	expect "unit a issues another one ($name)" asafo a localca issue "user-$name" "$files/$name.p12" \
		--passphrase-file "$files/local.pass"
	cp "$files/local.pass" "$files/$name.pass"
done
make_ca corp && make_p12 corp vpn && make_p12 corp renewed && make_p12 corp late
expect "an ordinary trustpoint" import a vpn vpn
# What unit b's local CA issued is nothing for unit a's store either: the units know each other's CAs.
openssl pkcs12 -in "$files/user-b.p12" -passin pass:local -nodes -clcerts -out "$files/bare-b.txt" 2>/dev/null
openssl pkcs12 -export -in "$files/bare-b.txt" -passout pass:local -name renamed -out "$files/bare-b.p12"
cp "$files/local.pass" "$files/bare-b.pass"
expect "a PKCS#12 of the mate's local CA" import a mates user-b
expect "the same without its CA, renamed and packed anew" import a mates-bare bare-b
for name in mates mates-bare; do
	expect "show trustpoints says that the mate's local CA issued $name" sh -c \
		"'$top/tools/lab' --name '$LAB' asafo a --json show trustpoints |
		jq -e '.trustpoints[] | select(.name == \"$name\") | (.kept_home | test(\"mate.s local CA\")) and (.replicated | not)'"
done
expect "a local-CA PKCS#12 imported again as a trustpoint" import a home user-a
# Another name, another container, written by another tool: the same certificate.
openssl pkcs12 -in "$files/user-a.p12" -passin pass:local -nodes -out "$files/again.txt" 2>/dev/null
openssl pkcs12 -export -in "$files/again.txt" -passout pass:local -name renamed -out "$files/again.p12"
cp "$files/local.pass" "$files/again.pass"
expect "re-exported by OpenSSL and imported under another name" import a disguised again
# Its key in other people's certificates: one that it signs itself, on the unit whose CA issued it and on the mate's.
rekeyed_as() { # rekeyed_as FILE NAME
	openssl pkcs12 -in "$files/$1.p12" -passin pass:local -nodes -nocerts -out "$files/$2.key" 2>/dev/null
	openssl req -x509 -new -key "$files/$2.key" -subj "/CN=$2" -days 99 -out "$files/$2.pem" 2>/dev/null
	openssl pkcs12 -export -inkey "$files/$2.key" -in "$files/$2.pem" -passout pass:local -out "$files/$2.p12"
	cp "$files/local.pass" "$files/$2.pass"
}
rekeyed_as user-a own-key && rekeyed_as user-b mates-key
expect "a certificate of one's own with a key that this unit's local CA certified" import a own-key own-key
expect "the same with a key that the mate's certified" import a mates-key mates-key
expect "show trustpoints says why both stay" sh -c "'$top/tools/lab' --name '$LAB' asafo a --json show trustpoints |
	jq -e '[.trustpoints[] | select(.name | endswith(\"-key\")) | select(.replicated | not) | .kept_home] |
		(.[0] | test(\"certificate that the mate\")) and (.[1] | test(\"certificate that this unit\"))'"
for name in home disguised; do
	expect "show trustpoints says why $name stays home" sh -c \
		"'$top/tools/lab' --name '$LAB' asafo a --json show trustpoints |
		jq -e '.trustpoints[] | select(.name == \"$name\") | (.kept_home | test(\"local CA\")) and (.replicated | not)'"
done
expect "write standby" asafo a write-standby
expect "the standby has the ordinary one" has b vpn
expect "the standby has no local-CA one" has_not b home
expect "(nor the disguised one)" has_not b disguised
expect "(nor what its own CA issued, by this way)" has_not b mates
expect "(nor the keys of either in other certificates)" has_not b own-key
expect "(and the other one)" has_not b mates-key
expect "digests agree all the same" same_digest

expect "from now on the standby has each import at once" asafo a configure "failover replication trustpoint sync"
expect "a renewal is there with its import" import a vpn renewed --replace
expect "what is issued here is renewed, too" import a home second --replace
expect "a rollback" asafo a rollback vpn
expect "and one of what is issued here" asafo a rollback home
expect "a rekey" asafo a rekey
rekeyed() { [ "$(field a .failover_key.rekey)" = settled ] && [ "$(field b .failover_key.rekey)" = settled ]; }
expect "(both units are done)" until_true 10 rekeyed
expect "and a replication behind it" asafo a rollback vpn
expect "(on both)" until_true 10 same_digest
expect "the standby still has no local-CA one" has_not b home

lab cut a fover
lab cut a outside
lab cut a inside
wait_state b Active
expect "alone an older active takes what is issued here" import a alone alone
refused "and an ordinary one, which its standby does not get" 5 'standby' import a late late
lab heal
expect "it gives way" until_true 20 state_is a "Standby Ready"
orphaned() { asafo a --json show orphans | jq -e '.orphans | any(.name == "late")' >/dev/null; }
expect "and keeps the ordinary one as an orphan" until_true 10 orphaned
expect "which the other has not" has_not b late
expect "the one that was issued here is here" has a alone
expect "(and not there)" has_not b alone
expect "the role comes back" asafo a failover active
wait_state a Active
wait_state b "Standby Ready"
expect "the orphan is taken back" asafo a orphans restore late
expect "(on both)" until_true 10 has b late
expect "failover" asafo b failover active
wait_state b Active
wait_state a "Standby Ready"
lab power a off
lab power a on
wait_state a "Standby Ready"
expect "after boot and bulk it still has its own" has a home
expect "(and the other unit has not)" has_not b home
kill "$capture" 2>/dev/null
wait "$capture" 2>/dev/null
expect "nothing was missed" grep -q "^0 packets dropped by kernel" "$keys/cap/log"

tshark -r "$keys/cap/link.pcap" -d tcp.port==5105,tls -o "tls.keylog_file:$SSLKEYLOGFILE" -x >"$files/dump" 2>/dev/null
# What tshark decrypted, as one hexadecimal string a record ("Decrypted TLS" panes of -x).
awk '/^Decrypted TLS/ { p = 1; printf "\n"; next } /^[A-Z]/ { p = 0 } p && /^[0-9a-f][0-9a-f][0-9a-f][0-9a-f]  / {
	line = substr($0, 7, 48); gsub(/ /, "", line); printf "%s", line }' "$files/dump" >"$files/records"
crossed() { # crossed PEM: 48 bytes of its public key's neighbourhood
	local hex
	hex=$(openssl x509 -in "$1" -pubkey -noout | openssl pkey -pubin -outform DER | xxd -p -c 1000000)
	tr -d '\n' <"$files/records" | grep -q "${hex: -96}"
}
crossed_not() { ! crossed "$1"; }
expect "the recording can be read: the ordinary certificate is found in it" crossed "$files/vpn.pem"
expect "(and what came with its import)" crossed "$files/renewed.pem"
expect "(and what was an orphan)" crossed "$files/late.pem"
for name in second alone; do
	openssl pkcs12 -in "$files/$name.p12" -passin pass:local -nokeys -clcerts -out "$files/$name.pem" 2>/dev/null
	expect "no byte of what unit a's local CA issued later ($name) crossed the link" crossed_not "$files/$name.pem"
done
for unit in a b; do
	openssl pkcs12 -in "$files/user-$unit.p12" -passin pass:local -nokeys -clcerts -out "$files/user-$unit.pem" 2>/dev/null
	openssl pkcs12 -in "$files/user-$unit.p12" -passin pass:local -nokeys -cacerts -out "$files/ca-$unit.pem" 2>/dev/null
	expect "no byte of what unit $unit's local CA issued crossed the link" crossed_not "$files/user-$unit.pem"
	expect "nor of that CA's certificate" crossed_not "$files/ca-$unit.pem"
done
done_testing

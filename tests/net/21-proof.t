#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Proof of present, usable, served: on both units, with times; and what is said, by name of the interface and with what to
# type, where a certificate is on both units and clients get the self-signed one all the same.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
vip=198.51.100.10

verdict() { # verdict UNIT TRUSTPOINT this|mate WHAT: as last found
	asafo "$1" --json show trustpoints "$2" | jq -r ".trustpoints[0].$3.$4.state"
}
verdict_is() { [ "$(verdict "$1" "$2" "$3" "$4")" = "$5" ]; }
says() { # says PATTERN COMMAND...: whatever its status
	local pattern=$1
	shift
	"$@" 2>&1 | grep -qE -- "$pattern"
}
is_self_signed() { # is_self_signed ADDRESS
	lab exec client timeout $((5 * slow)) openssl s_client -connect "$1:443" </dev/null 2>/dev/null |
		openssl x509 -noout -issuer -subject 2>/dev/null | sed 's/^[a-z]*=//' | uniq -d | grep -q .
}

# A listener that is stopped on purpose is not to be killed for it.
export LAB_FLAGS="--watchdog 60"
pair_up
make_ca corp && make_p12 corp vpn && make_p12 corp mail secret mail.example.net
expect "the lab's line names a trustpoint that nobody has: a check says it, and on which interface" \
	until_true 5 says 'interface outside .*self-signed certificate: ssl trust-point vpn holds there' asafo a check
refused "verify of a name that nobody has" 1 'no trustpoint of that name' asafo a verify vpn
expect "an import, with the mode off" import a vpn vpn
refused "verify finds that the standby lacks it" 1 'vpn: present on the other unit: no' asafo a verify vpn
expect "why says that it is off, and what to type" says '-> asafo write-standby; .*replication trustpoint sync' asafo a why vpn
for unit in a b; do
	expect "the difference is named, on $unit" says '^[+] vpn, generation 1, SHA-256 ' asafo $unit show failover diff
	expect "(by a status)" exits 5 asafo $unit show failover diff
done
expect "a dry run of write standby says the same" says '^[+] vpn, generation 1' asafo a write-standby --dry-run
expect "(and changes nothing)" has_not b vpn
refused "a dry run on the standby" 3 'not active' asafo b write-standby --dry-run
expect "write standby, item by item" says 'sent +vpn, SHA-256' asafo a write-standby --verbose
expect "nothing differs then" says 'Nothing differs' asafo b show failover diff
expect "(by a status)" asafo a show failover diff
expect "why says that it is on both" says 'the other unit has the same record' asafo a why vpn
expect "verify proves all of it on both units" asafo a verify
expect "(named)" asafo a verify vpn
expect "(from the standby, too)" asafo b verify
start=$EPOCHSECONDS
expect "and the handshakes of both units are of the same call" \
	test "$(asafo a --json verify vpn | jq "[.trustpoints[0] | .this.served.at, .mate.served.at + 1] | all(. >= $start)")" = true
for what in usable served; do
	expect "show trustpoints has $what, here" until_true 10 verdict_is a vpn this $what yes
	expect "show trustpoints has $what, on the mate" until_true 10 verdict_is a vpn mate $what yes
	expect "(on the standby)" until_true 10 verdict_is b vpn mate $what yes
done
expect "each has its time" sh -c "'$top/tools/lab' --name '$LAB' asafo a --json show trustpoints vpn |
	jq -e '.trustpoints[0] | [.this.usable, .this.served, .mate.present, .mate.usable, .mate.served] | all(.at > 1600000000)'"
expect "a check is well" until_true 10 exits 0 asafo a check
expect "the background has been over everything" until_true 15 sh -c "'$top/tools/lab' --name '$LAB' asafo a --json show failover |
	jq -e '.proof | .ended_at > 0 and .trustpoints == 1 and .mate_usable == 1'"

# The certificate is on both units, and the browser gets another one: no line binds it.
expect "unbound" asafo a unbind vpn outside
expect "clients get the self-signed certificate" until_true 5 is_self_signed $vip
expect "why says which line is missing" says '-> asafo bind vpn outside' asafo a why vpn
refused "why of what nobody has" 1 'neither unit has' asafo a why elsewhere
for unit in a b; do
	expect "verify on $unit says where, and what to type" until_true 15 says 'type asafo bind vpn outside' asafo $unit verify
	expect "check on $unit says it" until_true 15 says 'interface outside .*type asafo bind vpn outside' asafo $unit check
	expect "(it warns)" exits 1 asafo $unit check
done
expect "bound on an interface that is not listened on" asafo a bind vpn inside
expect "check says that nothing listens there" says 'ssl trust-point vpn inside serves nobody' asafo a check
expect "check still says what clients of outside get" says 'interface outside .*there is one for vpn on inside' asafo a check
asafo a unbind vpn inside >/dev/null
expect "bound again" asafo a bind vpn outside
expect "all is well" until_true 10 asafo a verify
expect "a check is well again" until_true 10 exits 0 asafo a check

# Of a renewal both the new one and the generation that it leaves behind differ.
make_p12 corp renewed
expect "a renewal, with the mode off" import a vpn renewed --replace
for unit in a b; do
	expect "the new one differs, on $unit" until_true 5 says '^~ vpn, generation 1 -> 2, SHA-256 ' asafo $unit show failover diff
	expect "and the earlier generation, by its fingerprint" \
		says "^[+] vpn, earlier generation 1, SHA-256 $(fingerprint_of "$files/vpn.pem" | cut -c 1-16)" asafo $unit show failover diff
done
expect "it is brought over" asafo a write-standby
expect "nothing differs" says 'Nothing differs' asafo a show failover diff

# A binding of something that is not there, while another one is.
expect "a trustpoint that nobody has is bound to a name" asafo a bind mail outside --domain mail.example.net
expect "check says it" until_true 5 says 'interface outside .*\(mail.example.net\).*ssl trust-point mail holds there' asafo a check
expect "it is imported" import a mail mail
asafo a write-standby >/dev/null
expect "both are proven" until_true 10 asafo a verify

expect "a local CA" asafo a localca create
printf 'secret\n' >"$files/home.pass"
expect "what it issued comes back as an import" asafo a localca issue home.example.net "$files/home.p12" --passphrase-file "$files/home.pass"
expect "(under a name)" import a home home
expect "why says that the local CA keeps it home" says 'local CA' asafo a why home
expect "it is no gap of the pair's" asafo a verify home

# What clients refuse as weak is taken only where a line says so.
openssl req -x509 -newkey rsa:1024 -nodes -days 90 -subj /CN=weak -keyout "$files/weak.key" -out "$files/weak.pem" 2>/dev/null
openssl pkcs12 -export -in "$files/weak.pem" -inkey "$files/weak.key" -passout pass:secret -out "$files/weak.p12"
cp "$files/vpn.pass" "$files/weak.pass"
refused "a weak key is refused" 1 '1024 bits, which clients refuse as weak' import a weak weak
expect "a line permits it" asafo a configure "crypto ca permit-weak-crypto"
expect "it is imported with a warning" says 'warning: .*1024 bits, which clients refuse as weak' import a weak weak
expect "the line goes" asafo a configure "no crypto ca permit-weak-crypto"
refused "and a renewal with it is refused again" 1 'refuse as weak' import a weak weak --replace
expect "it is removed" asafo a remove weak

lab power b off
until_true 10 sh -c "! '$top/tools/lab' --name '$LAB' asafo a --json show failover | jq -e .mate.heard"
refused "alone, this unit's half is proven, and the status says so" 5 'other unit could not be asked' asafo a verify
# What was found before the call is no proof of it.
listener=$(pid_of a asafo-front)
kill -STOP "$listener"
refused "verify does not take an earlier handshake for an answer: a listener that hangs proves nothing" 5 \
	'vpn: served on this unit: unknown' asafo a verify vpn
kill -CONT "$listener"
refused "it is proven when the listener goes on" 5 'other unit could not be asked' asafo a verify vpn
expect "(here)" test "$(asafo a --json verify vpn | jq -r '.trustpoints[0].this.served.state')" = yes
done_testing

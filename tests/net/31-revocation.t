#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Certificates of VPN users that their CA has revoked: CRLs are checked at import, known to both units, looked at at each login, of the
# leaf and of the CAs between; with the real openconnect, and after a failover.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
vip=198.51.100.10 host=vpn.example.net

ca_config() { # ca_config CA: what `openssl ca` wants to know; its database is empty
	: >"$files/$1.index"
	printf '%s\n' '[ca]' 'default_ca=own' '[own]' "database=$files/$1.index" "crlnumber=$files/$1.number" 'default_md=sha256' \
		'crl_extensions=crl' '[crl]' 'authorityKeyIdentifier=keyid' '[delta]' '2.5.29.27=critical,DER:02:01:01' '[part]' \
		'issuingDistributionPoint=critical,@only' '[only]' 'onlyuser=TRUE' '[odd]' '1.2.3.4=critical,DER:05:00' >"$files/$1.cnf"
	echo 01 >"$files/$1.number"
}
make_sub() { # make_sub CA NAME: a CA below CA
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$2 CA" -keyout "$files/$2-ca.key" -out "$files/$2.csr" \
		2>/dev/null
	openssl x509 -req -in "$files/$2.csr" -CA "$files/$1-ca.pem" -CAkey "$files/$1-ca.key" -days 365 -set_serial 0x5001 \
		-out "$files/$2-ca.pem" -extfile <(printf '%s\n' 'basicConstraints=critical,CA:TRUE' 'keyUsage=keyCertSign,cRLSign' \
		'subjectKeyIdentifier=hash') 2>/dev/null
}
make_client() { # make_client CA NAME SERIAL
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$2" -keyout "$files/$2.key" -out "$files/$2.csr" 2>/dev/null
	openssl x509 -req -in "$files/$2.csr" -CA "$files/$1-ca.pem" -CAkey "$files/$1-ca.key" -days 365 -set_serial "$3" -out "$files/$2.pem" \
		-extfile <(echo extendedKeyUsage=clientAuth) 2>/dev/null
}
revoke() { # revoke CA SERIAL: in hex digits, an even number of them
	printf 'R\t301231235959Z\t260101000000Z,keyCompromise\t%s\tunknown\t/CN=%s\n' "$2" "$2" >>"$files/$1.index"
}
list() { # list CA OUT [ARGS...]: the CA's list of now, in PEM
	local ca=$1 out=$2
	shift 2
	openssl ca -config "$files/$ca.cnf" -gencrl -keyfile "$files/$ca-ca.key" -cert "$files/$ca-ca.pem" -crldays 7 "$@" \
		-out "$files/$out.crl" 2>/dev/null
}
client() { # client NAME: the length of the cookie that openconnect is given
	lab exec client timeout $((20 * slow)) openconnect --authenticate --non-inter --cafile "$files/corp-ca.pem" --resolve "$host:$vip" \
		-c "$files/$1.pem" -k "$files/$1.key" "https://$host/Cards" </dev/null 2>"$files/openconnect.log" >"$files/said"
	sed -n "s/^COOKIE='\(.*; \)\?webvpn=\([0-9a-f]*\).*/\2/p" "$files/said" | tr -d '\n' | wc -c
}
gets_in() { [ "$(client "$1")" = 64 ]; }
stays_out() { [ "$(client "$1")" = 0 ]; }
logged() { grep -q "$2" "/run/asafo-lab-$LAB/$1/log"; } # logged UNIT REGEX
crls() { asafo "$1" --json show crls | jq -e "$2" >/dev/null; } # crls UNIT JQ
troubled() { asafo "$1" --json show failover | jq -e --arg t "$2" '.troubles | any(test($t))' >/dev/null; }
untroubled() { ! troubled "$1" 'CRL'; }
check() { printf 'crypto ca trustpoint people\n revocation-check %s\n' "$2" | asafo "$1" configure; } # check UNIT HOW

pair_up
make_ca corp && make_ca people && make_ca other && make_p12 corp vpn
for ca in people other; do ca_config $ca; done
make_sub people branch && ca_config branch
make_client people anna 0x1001
make_client people bert 0x1002
make_client branch carl 0x2001
make_client branch dora 0x2002
for name in carl dora; do cat "$files/branch-ca.pem" >>"$files/$name.pem"; done
revoke people 1002 && revoke branch 2002
list people people && list branch branch && list other other
list people delta -crlexts delta && list people part -crlexts part && list people odd -crlexts odd
list people weak -md sha1
list people older -crl_lastupdate 20250101000000Z -crldays 3650
list people ended -crl_lastupdate 20250101000000Z -crl_nextupdate 20250201000000Z
list people later -crl_lastupdate 20440101000000Z -crl_nextupdate 20440201000000Z
openssl crl -in "$files/people.crl" -outform DER -out "$files/people.der"
head -c 100 "$files/people.der" >"$files/cut.der"
# Another CA with the name of the people's.
cp "$files/people.cnf" "$files/forger.cnf"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=people CA" -keyout "$files/forger-ca.key" \
	-out "$files/forger-ca.pem" 2>/dev/null
list forger forged
expect "a certificate for the gateway" import a vpn vpn
expect "that of the people's CA" asafo a authenticate people "$files/people-ca.pem"
expect "and that of the CA below it" asafo a authenticate branch "$files/branch-ca.pem"
cat >"$files/vpn.config" <<EOF
failover replication trustpoint sync
ssl trust-point vpn outside
crypto ca trustpoint people
 validation-usage ssl-client
ip local pool P 10.99.0.10-10.99.0.99 mask 255.255.255.0
group-policy DfltGrpPolicy attributes
 vpn-simultaneous-logins 20
tunnel-group Cards type remote-access
tunnel-group Cards general-attributes
 address-pool P
tunnel-group Cards webvpn-attributes
 authentication certificate
username anna password right
username bert password right
username carl password right
username dora password right
webvpn
 enable outside
 anyconnect enable
EOF
configure() { asafo a configure <"$files/vpn.config"; }
expect "users and a group" configure
expect "on both units" until_true 20 asafo a write-standby

# ---- what is refused ----
refused "a standby takes no CRL" 3 'active' asafo b crl import people "$files/people.crl"
refused "that of another CA" 1 'of another CA' asafo a crl import people "$files/other.crl"
refused "one that another signed" 1 'not signed by the key' asafo a crl import people "$files/forged.crl"
refused "a delta" 1 'is a delta' asafo a crl import people "$files/delta.crl"
refused "one about a part of the certificates" 1 'a part of' asafo a crl import people "$files/part.crl"
refused "one with a critical extension that nobody knows" 1 'critical extension' asafo a crl import people "$files/odd.crl"
refused "one that is signed weakly" 1 'can be forged' asafo a crl import people "$files/weak.crl"
refused "one that ended" 1 'ended at 2025-02-01' asafo a crl import people "$files/ended.crl"
refused "one that begins later" 1 'good from 2044-01-01' asafo a crl import people "$files/later.crl"
refused "half of one" 1 'no CRL' asafo a crl import people "$files/cut.der"
refused "what is none" 1 'no CRL' asafo a crl import people "$files/vpn.pem"
refused "one for a server's certificate" 1 'does not hold a CA' asafo a crl import vpn "$files/people.crl"
refused "one for a trustpoint that is not there" 1 'nothing' asafo a crl import nothing "$files/people.crl"
expect "none of them is there" crls a '.crls | length == 0'

# ---- without revocation-check ----
expect "without revocation-check everybody gets in" until_true 10 gets_in anna
same "also who is revoked" "$(client bert)" 64
expect "a dry run" asafo a crl import people "$files/people.der" --dry-run
expect "changes nothing" crls a '.crls | length == 0'

# ---- crl: nobody without one ----
expect "revocation-check crl" check a crl
expect "is a trouble without a CRL" until_true 10 troubled a 'trustpoint people has revocation-check, and its CA no CRL: who has .* is not let in'
expect "and nobody gets in" until_true 10 stays_out anna
expect "(the log says why)" until_true 5 logged a 'ASAFO-3-717027: .*cannot be checked: there is no CRL of its CA.*CN=anna'
expect "crl none" check a 'crl none'
expect "lets everybody in" until_true 10 gets_in bert
expect "with a warning" until_true 5 logged a 'ASAFO-4-717028: .*revocation status was not checked.*CN=bert'
expect "crl again" check a crl
expect "a CRL" asafo a crl import people "$files/people.der"
expect "lets in who is not revoked" until_true 10 gets_in anna
same "and not who is" "$(client bert)" 0
expect "(the log says so)" until_true 5 logged a 'ASAFO-3-717027: .*the certificate is revoked.*CN=bert'
expect "the CA below has none yet" stays_out carl
expect "its own, in PEM" asafo a crypto ca crl import branch "$files/branch.crl"
expect "lets in who is not revoked there" until_true 10 gets_in carl
same "and not who is" "$(client dora)" 0
expect "nothing is wrong any more" until_true 10 untroubled a
expect "crl none does not let in who is revoked" check a 'crl none'
expect "(but others)" until_true 10 gets_in anna
same "at all" "$(client bert)" 0
expect "crl" check a crl
expect "it is shown" crls a '.crls | length == 2 and all(.good and .replicated and .revoked == 1)'
shown() { asafo a show crypto ca crls people | grep -A7 '^CRL Issuer Name: ' | grep -q 'Associated Trustpoints: people'; }
expect "as an ASA shows it, too" shown
expect "the mate has them" until_true 10 crls a '.crls | all(.on_mate)'
expect "(and shows them)" crls b '.crls | length == 2'
refused "an older one is not taken" 1 'newer than this one' asafo a crl import people "$files/older.crl"

# ---- the other unit ----
lab power a off
wait_state b Active
expect "the plug pulled: the other unit lets in who is not revoked" until_true 20 gets_in anna
same "and not who is" "$(client bert)" 0
same "nor whom the CA below revoked" "$(client dora)" 0
revoke people 5001 && list people renewed
expect "the CA below is revoked itself" asafo b crl import people "$files/renewed.crl"
expect "and with it everybody whom it signed" until_true 10 stays_out carl
same "others get in" "$(client anna)" 64
lab power a on
wait_state a "Standby Ready"
expect "the unit that was off gets it" until_true 20 crls a '[.crls[] | select(.trustpoints | index("people"))][0].revoked == 2'

# ---- large ones, and none ----
awk 'BEGIN { for (i = 0; i < 100000; i++) printf "R\t301231235959Z\t260101000000Z\t7A%014X\tunknown\t/CN=x\n", i * 7919 }' >>"$files/people.index"
list people large
expect "a hundred thousand" asafo b crl import people "$files/large.crl"
expect "are known" until_true 20 stays_out bert
same "and who is none of them gets in" "$(client anna)" 64
expect "on the mate, too" until_true 20 crls a '[.crls[] | select(.trustpoints | index("people"))][0].revoked == 100002'
key=$(asafo b --json show crls | jq -r '[.crls[] | select(.trustpoints | index("people"))][0].key_id')
refused "the standby removes none" 3 'active' asafo a crl remove "$key"
expect "a removal, by the key of the CA" asafo b crl remove "$key"
expect "leaves nobody in" until_true 10 stays_out anna
expect "on the mate, too" until_true 10 crls a '.crls | length == 1'

# ---- an active unit with an older list ----
expect "the list again" asafo b crl import people "$files/large.crl"
expect "on the mate, too" until_true 20 crls a '[.crls[] | select(.trustpoints | index("people"))][0].revoked == 100002'
lab power a off
revoke people 5002 && list people apart
expect "a later one, while the mate is off" asafo b crl import people "$files/apart.crl"
lab power b off
lab power a on
wait_state a Active
expect "which knows the older one only" until_true 20 crls a '[.crls[] | select(.trustpoints | index("people"))][0].revoked == 100002'
lab power b on
wait_state b "Standby Ready"
expect "and takes the later one from the standby" until_true 20 crls a \
	'[.crls[] | select(.trustpoints | index("people"))][0].revoked == 100003'
expect "(its log says so)" logged a 'the standby has 1 CRLs, or removals of them, that this unit has not, or older ones of'
expect "both have it then" until_true 20 crls a '.crls | length == 2 and all(.on_mate)'
expect "nothing is wrong" until_true 10 untroubled a
done_testing

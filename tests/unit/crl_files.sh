#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes the CRLs of test_crl in directory $1, with the tool that users have: openssl.
set -eu
cd "$1"

ca() { # NAME SUBJECT [EXTENSION]
	[ -e "$1.key" ] || openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key" 2>/dev/null
	openssl req -x509 -key "$1.key" -nodes -days 3650 -subj "/CN=$2" \
		-addext basicConstraints=critical,CA:TRUE -addext "${3:-keyUsage=critical,keyCertSign,cRLSign}" \
		-out "$1.pem" 2>/dev/null
	openssl x509 -in "$1.pem" -outform DER -out "$1.crt"
	: >"$1.index"
	echo 0a01 >"$1.number"
	printf '%s\n' '[ca]' 'default_ca=own' '[own]' "database=$1.index" "crlnumber=$1.number" 'default_md=sha256' \
		'crl_extensions=crl' '[crl]' 'authorityKeyIdentifier=keyid' '[delta]' '2.5.29.27=critical,DER:02:01:01' '[part]' \
		'issuingDistributionPoint=critical,@only' '[only]' 'onlyuser=TRUE' '[place]' \
		'issuingDistributionPoint=critical,@one' '[one]' 'fullname=URI:http://192.0.2.9/1.crl' '[indirect]' \
		'issuingDistributionPoint=critical,@others' '[others]' 'indirectCRL=TRUE' '[odd]' '1.2.3.4=critical,DER:05:00' \
		'[harmless]' '1.2.3.4=DER:05:00' >"$1.cnf"
}
revoke() { # CA SERIAL [REASON]
	printf 'R\t301231235959Z\t260101000000Z%s\t%s\tunknown\t/CN=x\n' "${3-}" "$2" >>"$1.index"
}
list() { # OUT CA [ARGS...]
	out=$1 ca=$2
	shift 2
	openssl ca -config "$ca.cnf" -gencrl -keyfile "$ca.key" -cert "$ca.pem" -crldays 7 "$@" -out "$out.crl" 2>/dev/null
	openssl crl -in "$out.crl" -outform DER -out "$out.der"
}

ca ca 'people CA'
ca stranger 'other CA'
ca forger 'people CA'
ca mute 'mute CA' keyUsage=critical,keyCertSign
list empty ca
revoke ca 10
revoke ca 00FEDCBA9876543210FEDCBA9876543210FEDCBA ,keyCompromise
revoke ca 11
list good ca
list stranger stranger
list forged forger
list mute mute
for kind in delta part place indirect odd harmless; do list $kind ca -crlexts $kind; done
list weak ca -md sha1
list ended ca -crl_lastupdate 20250101000000Z -crl_nextupdate 20250201000000Z
list later ca -crl_lastupdate 20440101000000Z -crl_nextupdate 20440201000000Z
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out pss.key 2>/dev/null
ca pss 'pss CA'
for digest in sha1 sha256; do list pss-$digest pss -md $digest -sigopt rsa_padding_mode:pss; done
cat good.crl empty.crl >two.crl
sed '1a Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n' good.crl >locked.crl

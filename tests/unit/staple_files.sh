#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes the OCSP responses of test_staple in directory $1, with the tool that users have: openssl.
set -eu
cd "$1"

ca() { # NAME: valid for long already, so that a test's clock may go back
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$1.key" -out "$1.csr" \
		2>/dev/null
	: >"$1.database"
	echo 01 >"$1.serial"
	printf '%s\n' '[ca]' 'default_ca=own' '[own]' "database=$1.database" 'new_certs_dir=.' "serial=$1.serial" \
		'default_md=sha256' 'policy=any' 'x509_extensions=extensions' '[any]' 'commonName=supplied' '[extensions]' \
		'basicConstraints=critical,CA:TRUE' >"$1.cnf"
	openssl ca -batch -selfsign -config "$1.cnf" -keyfile "$1.key" -in "$1.csr" -startdate 20250101000000Z \
		-enddate 20450101000000Z -notext -out "$1.pem" 2>/dev/null
}
issue() { # NAME SERIAL [EXTENSIONS]
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$1.key" \
		-out "$1.csr" 2>/dev/null
	printf 'subjectAltName=DNS:vpn.example.net\n%s\n' "${3-}" >"$1.ext"
	openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -days 20 -set_serial "$2" -extfile "$1.ext" \
		-out "$1.pem" 2>/dev/null
}
entry() { # NAME SERIAL STATUS REVOKED
	printf '%s\t301231235959Z\t%s\t%s\tunknown\t/CN=%s\n' "$3" "$4" "$2" "$1"
}
respond() { # OUT NAME SIGNER [ARGS...]
	out=$1 name=$2 signer=$3
	shift 3
	# shellcheck disable=SC2086 # none, or one word
	openssl ocsp ${digest-} -index index -CA ca.pem -rsigner "$signer.pem" -rkey "$signer.key" -issuer ca.pem \
		-cert "$name.pem" -respout "$out.der" -noverify "$@" >/dev/null 2>&1
}

ca ca
ca stranger
issue leaf 16
issue other 17
issue revoked 18
issue unknown 19
issue responder 20 'extendedKeyUsage=OCSPSigning'
issue server 21 'extendedKeyUsage=serverAuth'
{
	entry leaf 10 V ''
	entry other 11 V ''
	entry revoked 12 R 260101000000Z,keyCompromise
} >index
respond good leaf ca -ndays 7
digest=-sha256
respond sha256 leaf ca -ndays 7
digest=
respond delegated leaf responder -ndays 7
respond long leaf responder -ndays 60
respond several leaf ca -ndays 7 -cert other.pem
respond undelegated leaf server -ndays 7
respond forged leaf stranger -ndays 7
respond other other ca -ndays 7
respond revoked revoked ca -ndays 7
respond revoked-endless revoked ca
respond unknown unknown ca -ndays 7
respond endless leaf ca
respond weak leaf ca -ndays 7 -rmd sha1
printf '\060\003\012\001\003' >later.der
for name in ca leaf other revoked unknown; do
	openssl x509 -in $name.pem -outform DER -out $name.crt
done

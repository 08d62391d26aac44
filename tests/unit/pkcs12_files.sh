#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes the PKCS#12 files of test_pkcs12 in directory $1, with the tool that users have: openssl.
set -eu
cd "$1"
pass=swordfish

key() { # NAME ALGORITHM [OPTION...]
	name=$1 algorithm=$2
	shift 2
	openssl genpkey -algorithm "$algorithm" "$@" -out "$name.key" 2>/dev/null
}

issue() { # NAME ISSUER EXTENSIONS [OPTION...]
	name=$1 issuer=$2 extensions=$3
	shift 3
	printf '%s\n' "$extensions" >"$name.ext"
	openssl req -new -key "$name.key" -subj "/O=Test/CN=$name" -out "$name.csr"
	openssl x509 -req -in "$name.csr" -CA "$issuer.crt" -CAkey "$issuer.key" -days 800 \
		-extfile "$name.ext" -out "$name.crt" "$@" 2>/dev/null
}

pack() { # FILE NAME [OPTION...]
	file=$1 name=$2
	shift 2
	openssl pkcs12 -export -inkey "$name.key" -in "$name.crt" -certfile chain.pem -name "$name" \
		-passout "pass:$pass" -out "$file.p12" "$@"
}

ca='basicConstraints=critical,CA:TRUE'
leaf='subjectAltName=DNS:gw.example,DNS:*.gw.example,IP:198.51.100.10,IP:2001:db8::1
extendedKeyUsage=serverAuth'

key root EC -pkeyopt ec_paramgen_curve:P-256
openssl req -x509 -new -key root.key -subj /O=Test/CN=root -days 3650 -addext "$ca" -out root.crt
key inter EC -pkeyopt ec_paramgen_curve:P-256
issue inter root "$ca"
key other EC -pkeyopt ec_paramgen_curve:P-256
openssl req -x509 -new -key other.key -subj /O=Test/CN=other -days 3650 -out other.crt
cat root.crt inter.crt >chain.pem

key rsa RSA -pkeyopt rsa_keygen_bits:2048
key p256 EC -pkeyopt ec_paramgen_curve:P-256
key p384 EC -pkeyopt ec_paramgen_curve:P-384
key p521 EC -pkeyopt ec_paramgen_curve:P-521
key ed25519 ED25519
key ed448 ED448
key rsapss RSA-PSS -pkeyopt rsa_keygen_bits:2048
for name in rsa p256 p384 p521 ed25519 ed448 rsapss; do
	issue $name inter "$leaf"
	pack $name $name
done

# For one digest alone (RFC 4055).
key pss384 RSA-PSS -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_pss_keygen_md:sha384 \
	-pkeyopt rsa_pss_keygen_mgf1_md:sha384 -pkeyopt rsa_pss_keygen_saltlen:48
issue pss384 inter "$leaf"
pack pss384 pss384

key explicit EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit
issue explicit inter "$leaf"
pack explicit explicit
# More of them than GnuTLS takes out of a bag, and a chain that is too long.
issuer=root
for n in $(seq 40); do
	cp p256.key link$n.key
	issue link$n $issuer "$ca"
	issuer=link$n
	cat link$n.crt >>links.pem
done
openssl pkcs12 -export -inkey p256.key -in link40.crt -certfile links.pem -name link40 -passout "pass:$pass" -out links.p12

key rsa1024 RSA -pkeyopt rsa_keygen_bits:1024
issue rsa1024 inter "$leaf"
pack rsa1024 rsa1024
cp p256.key sha1.key
issue sha1 inter "$leaf" -sha1
pack sha1 sha1
cp rsa.key rsaca.key
openssl req -x509 -new -key rsaca.key -subj /O=Test/CN=rsaca -days 3650 -addext "$ca" -out rsaca.crt
cp p256.key md5.key
issue md5 rsaca "$leaf" -md5
pack md5 md5
key k1 EC -pkeyopt ec_paramgen_curve:secp256k1
issue k1 inter "$leaf"
pack k1 k1
openssl dsaparam -genkey -out dsa.key 1024 2>/dev/null
issue dsa inter "$leaf"
pack dsa dsa

pack legacy rsa -legacy
pack rc2_128 p256 -legacy -certpbe PBE-SHA1-RC2-128 -keypbe PBE-SHA1-3DES
pack rc4_128 p256 -legacy -certpbe PBE-SHA1-RC4-128 -keypbe PBE-SHA1-RC4-40
pack des2 p256 -legacy -certpbe PBE-SHA1-2DES -keypbe PBE-SHA1-2DES
pack camellia p256 -certpbe CAMELLIA-256-CBC -keypbe CAMELLIA-128-CBC
pack aria p256 -certpbe ARIA-256-CBC -keypbe ARIA-256-CBC
pack mac_sha512 p256 -macalg SHA512
pack mac_sha3 p256 -macalg SHA3-256
pack mac_md5 p256 -macalg MD5
pack plain_certificates rsa -certpbe NONE -keypbe AES-128-CBC
pack nomac p256 -nomac
xxd -p -c 100000 nomac.p12 | sed 's/60864801650304012a/60864801650304012e/g' | xxd -r -p >gcm.p12
openssl pkcs12 -export -inkey p256.key -in p256.crt -name "$(printf "\342\202\254%.0s" $(seq 100))" -passout "pass:$pass" -out wide.p12
openssl pkcs12 -export -inkey p256.key -in p256.crt -name "$(printf 'a\033[2Jb\302\233c')" -passout "pass:$pass" -out controls.p12
pack rounds p256 -iter 100000
pack rounds_nomac p256 -iter 100000 -nomac
pack once p256 -iter 1

openssl pkcs12 -export -inkey p256.key -in p256.crt -passout pass: -out nopass.p12
openssl pkcs12 -export -inkey p256.key -in p256.crt -passout "pass:$(printf 'gr\303\274n')" -out latin1.p12
openssl pkcs12 -export -nokeys -in p256.crt -passout "pass:$pass" -out keyless.p12
openssl pkcs12 -export -nocerts -inkey p256.key -passout "pass:$pass" -out certless.p12 2>/dev/null
openssl pkcs12 -export -inkey p256.key -in p256.crt -passout "pass:$pass" -out bare.p12
openssl x509 -in p256.crt -outform DER -out certificate.p12
openssl pkcs8 -topk8 -in rsa.key -passout "pass:$pass" -out pem_pkcs8.key
openssl rsa -in rsa.key -traditional -out pem_rsa.key 2>/dev/null
openssl rsa -in rsa.key -traditional -aes256 -passout "pass:$pass" -out pem_rsa_aes.key 2>/dev/null
openssl rsa -in rsa.key -traditional -des3 -passout "pass:$pass" -out pem_rsa_des3.key 2>/dev/null
openssl ec -in p256.key -out pem_ec.key 2>/dev/null
{ echo '-----BEGIN OPENSSH PRIVATE KEY-----'; openssl base64 -in p256.p12; echo '-----END OPENSSH PRIVATE KEY-----'; } >pem_openssh.key
sed 's/OPENSSH/TSS2/' pem_openssh.key >pem_tss2.key
# The rounds are changed where they stand: nobody waits until a tool has done so many.
openssl pkcs8 -topk8 -in rsa.key -iter 100000 -passout "pass:$pass" -outform DER |
	xxd -p -c 100000 | sed 's/0203\(0186a0\)/02037fffff/' | xxd -r -p |
	{ echo '-----BEGIN ENCRYPTED PRIVATE KEY-----'; openssl base64; echo '-----END ENCRYPTED PRIVATE KEY-----'; } >pem_rounds.key
# What they ask for is changed where it stands: blocks of 16 KiB for scrypt, AES-GCM for AES-CBC.
sed 's/AES-256-CBC/NONE-AT-ALL/' pem_rsa_aes.key >pem_rsa_foo.key
armoured_key() { echo '-----BEGIN ENCRYPTED PRIVATE KEY-----'; xxd -r -p | openssl base64; echo '-----END ENCRYPTED PRIVATE KEY-----'; }
openssl pkcs8 -topk8 -in rsa.key -scrypt -passout "pass:$pass" -outform DER | xxd -p -c 100000 |
	sed 's/02024000020108/0202400002017f/' | armoured_key >pem_scrypt_large.key
openssl pkcs8 -topk8 -in rsa.key -scrypt -passout "pass:$pass" -out pem_scrypt.key
openssl pkcs8 -topk8 -in rsa.key -v2 aes-256-cbc -passout "pass:$pass" -outform DER | xxd -p -c 100000 |
	sed 's/60864801650304012a/60864801650304012e/' | armoured_key >pem_gcm.key
key wide_names EC -pkeyopt ec_paramgen_curve:P-256
issue wide_names inter "subjectAltName=$(seq -f 'DNS:a-host-of-many-%04.0f.example.net' -s , 2200)"
pack wide_names wide_names
openssl crl2pkcs7 -nocrl -certfile p256.crt -certfile chain.pem -out pem_chain.p7b
openssl crl2pkcs7 -nocrl -certfile p256.crt -certfile chain.pem -outform DER -out p7.p12
openssl x509 -in p256.crt -trustout -addtrust serverAuth -out pem_trusted.crt
cat certificate.p12 certificate.p12 >certificates.p12
openssl base64 -in certificate.p12 -out certificate_base64.p12
openssl base64 -in p7.p12 -out p7_base64.p12
openssl req -new -key p256.key -subj /CN=request -outform DER | openssl base64 -out request_base64.p12
key critical EC -pkeyopt ec_paramgen_curve:P-256
issue critical inter "$leaf
1.3.6.1.4.1.99999.1=critical,DER:0500"
pack critical critical
key limited EC -pkeyopt ec_paramgen_curve:P-256
issue limited root "$ca
nameConstraints=critical,permitted;DNS:other.example"
key constrained EC -pkeyopt ec_paramgen_curve:P-256
issue constrained limited "$leaf"
openssl pkcs12 -export -inkey constrained.key -in constrained.crt -certfile limited.crt -passout "pass:$pass" -out constrained.p12
openssl base64 -in p256.p12 -out base64.p12
openssl base64 -A -in p256.p12 -out oneline.p12
{ echo '-----BEGIN PKCS12-----'; openssl base64 -in p256.p12; echo '-----END PKCS12-----'; } >armoured.p12
{ echo 'Exported pkcs12 follows:'; sed 's/$/\r/' armoured.p12; echo quit; } >asa.p12
{ cat base64.p12; echo quit; } >quit.p12
{ echo '-----BEGIN PKCS12-----'; openssl base64 -in p256.p12; } >noend.p12
# What the other tool says is in them.
for file in rsa p256 p384 p521 ed25519 ed448 rsapss legacy rc2_128 rc4_128 des2 camellia aria mac_sha512 mac_sha3 \
	mac_md5 plain_certificates nomac once; do
	mac=
	test $file != nomac || mac=-nomacver
	openssl pkcs12 -in $file.p12 -legacy $mac -passin "pass:$pass" -nocerts -noenc 2>/dev/null |
		openssl pkcs8 -topk8 -nocrypt -outform DER -out $file.key.der
	openssl pkcs12 -in $file.p12 -legacy $mac -passin "pass:$pass" -clcerts -nokeys 2>/dev/null |
		openssl x509 -outform DER -out $file.leaf.der
done

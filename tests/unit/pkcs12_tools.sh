#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes the files of tests/unit/pkcs12.d, once, with the tools that people have: openssl, certtool, pk12util, keytool,
# python3-cryptography. They are kept, since no machine that builds has all of these; this is how to make them again.
set -eu
out=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
pass=swordfish
wide='Пароль-€-日本'
beyond='schlüssel-🔑'

key() { # NAME ALGORITHM [OPTION...]
	local name=$1 algorithm=$2
	shift 2
	openssl genpkey -algorithm "$algorithm" "$@" -out "$name.key" 2>/dev/null
}
# openssl 3.0's x509 has no start date: `openssl ca` has one.
issue() { # NAME ISSUER EXTENSIONS [SUBJECT]: signs NAME.key's request
	local name=$1 issuer=$2 extensions=$3 subject=${4-/O=Test/CN=$1}
	printf '[ca]\ndefault_ca=d\n[d]\nnew_certs_dir=.\ndatabase=index\nrand_serial=yes\ndefault_md=sha256\npolicy=p\nunique_subject=no\n' >ca.cnf
	printf '[p]\norganizationName=optional\ncommonName=optional\n[x]\n%s\n' "$extensions" >>ca.cnf
	: >index
	openssl req -new -key "$name.key" -subj "$subject" -utf8 -out "$name.csr"
	local signer=(-cert "$issuer.crt" -keyfile "$issuer.key")
	[ "$issuer" != self ] || signer=(-selfsign -keyfile "$name.key")
	openssl ca -batch -notext -config ca.cnf -extensions x -startdate 20250101000000Z -enddate 20491231000000Z \
		-in "$name.csr" -out "$name.crt" \
		"${signer[@]}" 2>/dev/null
}
ossl() { # FILE NAME [OPTION...]
	local file=$1 name=$2
	shift 2
	openssl pkcs12 -export -inkey "$name.key" -in "$name.crt" -certfile chain.pem -name "$name" \
		-passout "pass:$pass" -out "$out/$file.p12" "$@"
}

ca=$'basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign,cRLSign'
leaf=$'subjectAltName=DNS:gw.example\nextendedKeyUsage=serverAuth'
for name in root root2 inter other; do key $name EC -pkeyopt ec_paramgen_curve:P-256; done
issue root self "$ca"
issue root2 self "$ca"
issue inter root "$ca"
issue other self "$ca"
cp root.key cross.key && issue cross root2 "$ca" /O=Test/CN=root # root, signed by root2
cp inter.key dead.key && issue dead other "$ca" /O=Test/CN=inter # inter, signed by a CA that the file has not
cat root.crt inter.crt >chain.pem

for bits in 2048 3072 4096 8192; do key rsa$bits RSA -pkeyopt rsa_keygen_bits:$bits; done
key pss2048 RSA-PSS -pkeyopt rsa_keygen_bits:2048
for curve in 256 384 521; do key p$curve EC -pkeyopt ec_paramgen_curve:P-$curve; done
key ed25519 ED25519
key ed448 ED448
all="rsa2048 rsa3072 rsa4096 rsa8192 pss2048 p256 p384 p521 ed25519 ed448"
for name in $all; do issue $name inter "$leaf"; done
key second EC -pkeyopt ec_paramgen_curve:P-256 && issue second inter "$leaf"

# ---- openssl ----
for name in $all; do ossl "openssl-$name" $name; done
ossl openssl-legacy rsa2048 -legacy
ossl openssl-1.0 rsa2048 -legacy -descert -macalg SHA1
ossl openssl-1.1 rsa2048 -legacy -certpbe PBE-SHA1-RC2-40 -keypbe PBE-SHA1-3DES -iter 2048 -macalg SHA1
for mac in SHA1 SHA224 SHA256 SHA384 SHA512; do ossl openssl-mac-${mac,,} p256 -macalg $mac; done
for cipher in 128 192 256; do ossl openssl-aes$cipher p256 -certpbe AES-$cipher-CBC -keypbe AES-$cipher-CBC; done
ossl openssl-nomac p256 -nomac
# As Windows writes them: 3DES throughout, its provider's name and its "local machine" attribute.
ossl windows-3des rsa2048 -legacy -certpbe PBE-SHA1-3DES -keypbe PBE-SHA1-3DES -macalg SHA1 -iter 2000 \
	-CSP 'Microsoft Enhanced Cryptographic Provider v1.0' -LMK -keyex
ossl windows-aes rsa2048 -certpbe AES-256-CBC -keypbe AES-256-CBC -macalg SHA256 -iter 2000 \
	-CSP 'Microsoft Software Key Storage Provider' -LMK -keyex
# As Apple's Keychain does: RC2-40 and 3DES.
ossl apple-rc2 rsa2048 -legacy -certpbe PBE-SHA1-RC2-40 -keypbe PBE-SHA1-3DES -macalg SHA1 -iter 2048 -name 'Schlüssel für den Zugang'
pass='' ossl openssl-empty p256
pass=$wide ossl openssl-wide p256
pass=$beyond ossl openssl-beyond p256
pass=$wide ossl openssl-wide-legacy p256 -legacy
shuffled() { # FILE CERTIFICATE...: behind the leaf, in this order
	local file=$1
	shift
	cat "${@/%/.crt}" >shuffled.pem
	openssl pkcs12 -export -inkey p256.key -in p256.crt -certfile shuffled.pem -name p256 -passout "pass:$pass" -out "$out/$file.p12"
}
shuffled chain-backwards root inter
shuffled chain-cross-signed root2 cross inter
shuffled chain-both-roots cross root inter root2
shuffled chain-dead-end dead inter root
shuffled chain-surplus other root rsa2048 inter root2
shuffled chain-twice inter root inter root
shuffled chain-gap root

# ---- GnuTLS ----
gnu() { # FILE NAME [OPTION...]
	local file=$1 name=$2
	shift 2
	certtool --to-p12 --load-privkey "$name.key" --load-certificate "$name.crt" --load-ca-certificate inter.crt \
		--p12-name "$name" --outder --outfile "$out/$file.p12" "$@" 2>/dev/null
}
for name in rsa2048 pss2048 p256 ed25519 ed448; do gnu "gnutls-$name" $name --password "$pass"; done
for cipher in 3des 3des-pkcs12 aes-128 aes-192 aes-256 rc2-40 arcfour; do
	gnu "gnutls-$cipher" p256 --password "$pass" --pkcs-cipher $cipher
done
gnu gnutls-sha512 p256 --password "$pass" --hash SHA512
gnu gnutls-empty p256 --empty-password
gnu gnutls-null p256 --null-password
gnu gnutls-wide p256 --password "$wide"
gnu gnutls-beyond p256 --password "$beyond"

# ---- NSS ----
mkdir db
certutil -N -d sql:db --empty-password
printf '%s\n' "$pass" >pw
for name in rsa2048 p256 p384; do
	openssl pkcs12 -export -inkey $name.key -in $name.crt -certfile chain.pem -name $name -passout "pass:$pass" -out in.p12
	pk12util -i in.p12 -d sql:db -w pw >/dev/null
	pk12util -o "$out/nss-$name.p12" -n $name -d sql:db -w pw >/dev/null
done
pk12util -o "$out/nss-legacy.p12" -n rsa2048 -d sql:db -w pw -c "PKCS #12 V2 PBE With SHA-1 And 3KEY Triple DES-CBC" \
	-C "PKCS #12 V2 PBE With SHA-1 And 40 Bit RC2 CBC" >/dev/null
pk12util -o "$out/nss-aes128.p12" -n p256 -d sql:db -w pw -c AES-128-CBC -C AES-128-CBC -M SHA-512 >/dev/null
printf '%s\n' "$wide" >pw
pk12util -o "$out/nss-wide.p12" -n p256 -d sql:db -w pw >/dev/null
printf '%s\n' "$beyond" >pw
pk12util -o "$out/nss-beyond.p12" -n p256 -d sql:db -w pw >/dev/null

# ---- Java, whose passwords are ASCII ----
java_store() { # FILE PASSWORD NAME... [-- OPTION...]: each an entry, with its own alias
	local file=$1 password=$2 name
	shift 2
	rm -f "$out/$file.p12"
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		name=$1
		shift
		openssl pkcs12 -export -inkey $name.key -in $name.crt -certfile chain.pem -name $name -passout "pass:$pass" -out in.p12
		keytool -J-Dfile.encoding=UTF-8 "${java_options[@]}" -importkeystore -noprompt -srckeystore in.p12 -srcstorepass "$pass" -srcstoretype PKCS12 \
			-destkeystore "$out/$file.p12" -deststorepass "$password" -deststoretype PKCS12 2>/dev/null
	done
}
export LC_ALL=C.UTF-8
java_options=()
for name in rsa2048 p256 ed25519; do java_store "java-$name" "$pass" $name; done
java_store several-java "$pass" p256 rsa2048 ed25519
java_options=(-J-Dkeystore.pkcs12.legacy)
java_store java-legacy "$pass" rsa2048

# ---- python3-cryptography, and what no tool writes by itself ----
python3 - "$out" "$pass" "$wide" <<'PYTHON'
import sys
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import pkcs12, PrivateFormat, BestAvailableEncryption, NoEncryption
out, passphrase, wide = sys.argv[1], sys.argv[2].encode(), sys.argv[3].encode()
key = lambda n: serialization.load_pem_private_key(open(n + ".key", "rb").read(), None)
crt = lambda n: x509.load_pem_x509_certificate(open(n + ".crt", "rb").read())
def write(file, name, encryption):
    data = pkcs12.serialize_key_and_certificates(name.encode(), key(name), crt(name), [crt("inter"), crt("root")], encryption)
    open(f"{out}/{file}.p12", "wb").write(data)
write("python-best", "rsa2048", BestAvailableEncryption(passphrase))
write("python-ed25519", "ed25519", BestAvailableEncryption(passphrase))
write("python-wide", "p256", BestAvailableEncryption(wide))
write("python-none", "p256", NoEncryption())
for pbes, label in ((pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC, "3des"), (pkcs12.PBES.PBESv2SHA256AndAES256CBC, "aes256")):
    for mac in (hashes.SHA1(), hashes.SHA256(), hashes.SHA512()):
        if label == "3des" and mac.name != "sha1":
            continue
        write(f"python-{label}-{mac.name}", "p256",
              PrivateFormat.PKCS12.encryption_builder().kdf_rounds(3000).key_cert_algorithm(pbes).hmac_hash(mac).build(passphrase))

# Two identities in one file, each joined by its localKeyId and named: the bags of two files in one.
import hashlib, hmac
def tlv(tag, *parts):
    content = b"".join(parts)
    size = len(content).to_bytes(4, "big").lstrip(b"\0") or b"\0"
    return bytes([tag]) + (size if len(content) < 128 else bytes([0x80 | len(size)]) + size) + content
def split(data): # the elements of a constructed value, each whole
    while data:
        size, head = data[1], 2
        if size >= 0x80: head += size & 0x7f; size = int.from_bytes(data[2:head], "big")
        yield data[: head + size], data[head : head + size]
        data = data[head + size :]
inside = lambda data, *path: inside([v for _, v in split(data)][path[0]], *path[1:]) if path else data
def kdf(salt, rounds): # RFC 7292, appendix B.2: one block is enough for SHA-256's MAC key
    fill = lambda x: (x * 64)[: 64 * -(-len(x) // 64)]
    digest = bytes([3]) * 64 + fill(salt) + fill(passphrase.decode().encode("utf-16-be") + b"\0\0")
    for _ in range(rounds): digest = hashlib.sha256(digest).digest()
    return digest
def safes(name): # what the authenticated safe of a file holds
    pfx = open(f"{out}/{name}.p12", "rb").read()
    return inside(pfx, 0, 1, 1, 0, 0)
def pack(name, body, rounds=2048):
    body, salt = tlv(0x30, body), b"saltsalt"
    mac = hmac.new(kdf(salt, rounds), body, hashlib.sha256).digest()
    oid_data, oid_sha256 = bytes.fromhex("06092a864886f70d010701"), bytes.fromhex("0609608648016503040201")
    open(f"{out}/{name}.p12", "wb").write(tlv(0x30, b"\2\1\3", tlv(0x30, oid_data, tlv(0xa0, tlv(4, body))),
        tlv(0x30, tlv(0x30, tlv(0x30, oid_sha256, b"\5\0"), tlv(4, mac)), tlv(4, salt), tlv(2, rounds.to_bytes(2, "big")))))
pack("several-joined", safes("openssl-p256") + safes("openssl-rsa2048"))
PYTHON

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Other people's scanners at the failover IP, all at once: they find nothing above info, and nothing older than TLS 1.2. While
# they and the slow clients are at it, each handshake of somebody else's succeeds.
# ASAFO_SCAN_ALL=1: everything that testssl.sh knows (a minute more).
# long: a scanner of a minute and a half
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
vip=198.51.100.10 host=vpn.example.net other=198.51.100.21
for tool in sslscan testssl nmap slowhttptest; do
	command -v "$tool" >/dev/null || {
		echo "1..0 # SKIP $tool is not installed"
		exit 0
	}
done

# Like a bought one: who checks it is told where it would be revoked. Nobody fetches that here.
make_public_p12() {
	make_p12 corp "$1"
	openssl x509 -req -in "$files/$1.csr" -CA "$files/corp-ca.pem" -CAkey "$files/corp-ca.key" -days 365 \
		-set_serial "0x$(openssl rand -hex 15)" -out "$files/$1.pem" -extfile <(
			printf 'subjectAltName=DNS:%s\nextendedKeyUsage=serverAuth\n' "$host"
			printf 'keyUsage=critical,digitalSignature\ncrlDistributionPoints=URI:http://crl.example.net/corp.crl\n'
		) 2>/dev/null
	openssl pkcs12 -export -in "$files/$1.pem" -inkey "$files/$1.key" -certfile "$files/corp-ca.pem" \
		-passout pass:secret -out "$files/$1.p12"
}

# Somebody else, at another address: a handshake and a request, four times a second, one line each.
cat >"$files/probe.py" <<'PYTHON'
import select, socket, ssl, sys, time

vip, source, ca, host, patience = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
while True:
    begin = time.monotonic()
    try:
        with socket.create_connection((vip, 443), float(patience), (source, 0)) as plain:
            with context.wrap_socket(plain, server_hostname=host) as s:
                s.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
                answer = b""
                while piece := s.recv(4096):
                    answer += piece
        word = "served" if answer.startswith(b"HTTP/1.1 200 ") else "refused"
    except OSError as error:
        word = f"failed ({error})"
    print(int((time.monotonic() - begin) * 1000), word, flush=True)
    select.select([], [], [], 0.25)
PYTHON
probe_start() {
	lab exec client python3 "$files/probe.py" $vip $other "$files/corp-ca.pem" $host $((5 * slow)) >"$files/probe" 2>&1 &
	probe=$!
}
served_more_than() { [ "$(grep -c ' served$' "$files/probe")" -gt "$1" ]; }

testssl_run() { # testssl_run [CHECKS...]
	lab exec client timeout $((150 * slow)) testssl --color 0 --quiet --warnings off --nodns none --add-ca "$files/corp-ca.pem" \
		--jsonfile "$files/testssl.json" --ip $vip "$@" https://$host:443 >"$files/testssl" 2>&1
}
nmap_run() {
	lab exec client timeout $((100 * slow)) nmap -Pn -n -p 443 --script "ssl-enum-ciphers,ssl-heartbleed,ssl-poodle,\
ssl-ccs-injection,sslv2-drown,ssl-dh-params,tls-ticketbleed,http-methods,http-trace,http-security-headers" \
		--script-args "tls.servername=$host" -oN "$files/nmap" $vip >/dev/null 2>&1
}
slow_run() { # slow_run MODE: each holds up to 300 connections and says as little as it can
	(cd "$files" && lab exec client timeout $((60 * slow)) slowhttptest "-$1" -c 300 -r 50 -i 2 -l 10 -p 3 -x 20 \
		-u "https://$vip/" -g -o "slow-$1" >"slow-$1.log" 2>&1)
}
slow_connections() { # MODE; the most that it had at a time
	awk -F, 'NR > 1 && $4 > most { most = $4 } END { print most + 0 }' "$files/slow-$1.csv"
}
connections() { lab exec a ss -Htn state established '( sport = :443 )' | wc -l; }
connections_at_most() { [ "$(connections)" -le "$1" ]; }

pair_up
make_ca corp && make_public_p12 vpn
expect "a trustpoint" import a vpn vpn
configure() {
	asafo a configure <<'CONFIG'
ip local pool P 10.9.0.10-10.9.0.20 mask 255.255.255.0
ssl trust-point vpn outside
tunnel-group staff type remote-access
tunnel-group staff general-attributes
 address-pool P
webvpn
 enable outside
 anyconnect enable
CONFIG
}
expect "the login page is open" configure
until_true 10 serves $vip corp "$(fingerprint_of "$files/vpn.pem")"
lab exec client ip address add $other/24 dev eth0
complaints() { grep -E '^<[0-4]>asafo-front' "/run/asafo-lab-$LAB/a/log"; }
before=$(complaints)
probe_start
expect "somebody else is served" until_true 10 served_more_than 3

start=$SECONDS
for mode in H B X; do
	(slow_run $mode; echo "# slow $mode $((SECONDS - start)) s") &
done
(nmap_run; echo "# nmap $((SECONDS - start)) s") &
checks=(-p -h -R)
[ -z "${ASAFO_SCAN_ALL-}" ] || checks=()
(testssl_run "${checks[@]}"; echo "# testssl $((SECONDS - start)) s") &
testssl=$!
lab exec client timeout $((60 * slow)) sslscan --no-colour --sni-name=$host $vip:443 >"$files/sslscan" 2>&1
wait "$testssl"
for job in $(jobs -p); do
	[ "$job" = "$probe" ] || wait "$job"
done
expect "(the probe goes on)" until_true 10 served_more_than "$(grep -c ' served$' "$files/probe")"
kill "$probe" 2>/dev/null

echo "# the slowest of $(wc -l <"$files/probe") probes took $(sort -n "$files/probe" | awk 'END { print $1 }') ms"
same "each handshake of somebody else's was served meanwhile" "$(grep -v ' served$' "$files/probe")" ""
for mode in H B X; do
	expect "(slow clients of kind $mode were there: $(slow_connections $mode))" test "$(slow_connections $mode)" -ge 100
done
expect "the slow ones are let go" until_true 30 connections_at_most 5

# What each of them found.
same "sslscan: TLS 1.2, TLS 1.3, and nothing else" \
	"$(sed -n 's/^\(SSLv[23]\|TLSv1\.[0-3]\)  *enabled.*/\1/p' "$files/sslscan" | xargs)" "TLSv1.2 TLSv1.3"
same "sslscan: ciphers with authenticated encryption and forward secrecy only" \
	"$(awk '/^(Preferred|Accepted) / && $5 !~ /^(TLS_(AES|CHACHA20)|ECDHE-.*-(GCM|CHACHA20))/' "$files/sslscan")" ""
expect "sslscan: (it saw them)" test "$(grep -cE '^(Preferred|Accepted) ' "$files/sslscan")" -ge 6
expect "sslscan: no renegotiation, no downgrade" sh -c "grep -q 'renegotiation not supported' '$files/sslscan' &&
	grep -q 'supports TLS Fallback SCSV' '$files/sslscan'"
same "sslscan: no Heartbleed" "$(grep -E 'vulnerable' "$files/sslscan" | grep -v 'not vulnerable')" ""
same "nmap: the same versions" "$(sed -n 's/^|  *\(SSLv.\|TLSv.*\):.*/\1/p' "$files/nmap" | xargs)" "TLSv1.2 TLSv1.3"
same "nmap: the weakest of it is an A" "$(sed -n 's/.*least strength: //p' "$files/nmap")" A
same "nmap: nothing vulnerable, no warning" "$(grep -E 'VULNERABLE|warnings:|TRACE|Risky' "$files/nmap")" ""
[ -s "$files/testssl.json" ] || not_ok "testssl.sh ends: $(tail -n 5 "$files/testssl")"
# That OpenSSL has no GOST is a finding about the scanner.
same "testssl.sh: no finding above info" "$(jq -r '.[] | select(.id != "engine_problem") |
	select(.severity | IN("OK", "INFO", "DEBUG") | not) | "\(.severity) \(.id): \(.finding)"' "$files/testssl.json")" ""
offered() { jq -r --arg id "$1" '.[] | select(.id == $id).finding' "$files/testssl.json"; }
same "testssl.sh: what is offered" "$(for v in SSLv2 SSLv3 TLS1 TLS1_1 TLS1_2; do offered $v; done | xargs)" \
	"not offered not offered not offered not offered offered"
same "testssl.sh: a client cannot renegotiate" "$(offered secure_client_renego)" "not vulnerable"
same "the log has no word of any of it" "$(complaints)" "$before"
done_testing

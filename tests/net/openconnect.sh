# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The real OpenConnect as alice, from the lab's client to $vip: its words are in $files/openconnect, and $files/script sets its
# device octun up. After lib.sh.
: "${files:?}" "${vip:?}" "${slow:?}"
openconnect_or_skip() {
	command -v openconnect >/dev/null && return
	echo "1..0 # SKIP openconnect is not installed"
	exit 0
}
# Who may come in, for a test that has no more to say of it.
vpn_configure() {
	asafo a configure <<'CONFIG'
ip local pool VPN 10.9.0.10-10.9.0.250 mask 255.255.255.0
tunnel-group staff type remote-access
tunnel-group staff general-attributes
 address-pool VPN
username alice password s3cret-word
webvpn
 anyconnect enable
CONFIG
}
# For a test that has a tunnel: with a way to $inside and, where that is set, to $inside6.
script_make() {
	local inside6_lines=''
	[ -z "${inside6-}" ] || inside6_lines="ip address add \"\$INTERNAL_IP6_ADDRESS/128\" dev \"\$TUNDEV\" nodad
ip route replace $inside6/128 dev \"\$TUNDEV\""
	cat >"$files/script" <<SCRIPT
#!/bin/sh
[ "\$reason" = connect ] || exit 0
ip link set "\$TUNDEV" up mtu "\$INTERNAL_IP4_MTU"
ip address add "\$INTERNAL_IP4_ADDRESS/32" dev "\$TUNDEV"
ip route replace ${inside:?}/32 dev "\$TUNDEV"
$inside6_lines
echo "\$INTERNAL_IP4_MTU" >"$files/up"
SCRIPT
	chmod +x "$files/script"
}
pin_of() {
	openssl pkey -pubin -in <(openssl x509 -in "$files/$1.pem" -pubkey -noout) -outform der |
		openssl dgst -sha256 -binary | base64
}
# OpenConnect 9.01 does not ignore SIGPIPE: one that writes at the moment of a reset would be gone without a word.
openconnect_start() {
	rm -f "$files/up"
	printf '%s\n' s3cret-word | lab exec client env --ignore-signal=PIPE openconnect -v --timestamp --non-inter --user alice --passwd-on-stdin \
		--servercert "pin-sha256:$(pin_of vpn)" --script "$files/script" --interface octun "https://$vip" \
		>"$files/openconnect" 2>&1 &
}
address_of_client() { lab exec client ip -4 -o address show dev octun | awk '{ print $4 }'; }

# ---- what it says, and what the units say of it ----
count() { grep -c "$1" "$files/openconnect"; }
at_least() { [ "$(count "$1")" -ge "$2" ]; }
established() { at_least 'Established DTLS connection' "$1"; }
session_of() { asafo "$1" --json show vpn-sessiondb | jq -r '.sessions[] | select(.username == "alice") | .'"$2"; }
goes_by() { [ "$(session_of "$1" tunnel)" = "$2" ]; }
index_of() { session_of "$1" index; }

# ---- what is done to it ----
# On arrival, so that nobody is told: as a firewall between them does.
udp_cut() {
	lab exec client nft "add table inet cut; add chain inet cut in { type filter hook prerouting priority -300; }; add rule inet cut in udp sport 443 drop"
	lab exec "$1" nft "add table inet cut; add chain inet cut in { type filter hook prerouting priority -300; }; add rule inet cut in udp dport 443 drop"
}
# Datagrams that are larger vanish without a word; udp_mend ends that, too.
udp_narrow() { # udp_narrow UNIT BYTES: of an IPv4 packet
	lab exec client nft "add table inet cut; add chain inet cut in { type filter hook prerouting priority -300; }; add rule inet cut in udp sport 443 meta length > $2 drop"
	lab exec "$1" nft "add table inet cut; add chain inet cut in { type filter hook prerouting priority -300; }; add rule inet cut in udp dport 443 meta length > $2 drop"
}
udp_mend() {
	lab exec client nft delete table inet cut
	lab exec "$1" nft delete table inet cut
}
transfer_ready() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=inside \
		-keyout "$files/inside.key" -out "$files/inside.pem" 2>/dev/null
	head -c 1048576 /dev/urandom >"$files/megabyte"
}
# A port of its own each: the server of the one before may listen a while yet, and would end the next one's connection.
transfers=0
transfer() { # transfer ADDRESS SENTENCE: a megabyte from the inside, by TCP
	local host=$1 port=$((9000 + transfers))
	transfers=$((transfers + 1))
	[ "${1#*:}" = "$1" ] || host="[$1]"
	lab exec inside openssl s_server -quiet -accept "$port" -naccept 1 -cert "$files/inside.pem" -key "$files/inside.key" \
		<"$files/megabyte" >/dev/null 2>&1 &
	until_true 10 lab exec inside sh -c "ss -ltn | grep -q ':$port '"
	lab exec client timeout $((20 * slow)) openssl s_client -quiet -connect "$host:$port" </dev/zero 2>/dev/null |
		head -c 1048576 >"$files/got"
	same "$2" "$(sha256sum <"$files/got")" "$(sha256sum <"$files/megabyte")"
}

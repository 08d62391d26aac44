# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154,SC2034
# For benches with a real OpenConnect: who sources it has set name, vip, inside, ocserv_port and work, has lab(), and has sourced
# lib.sh.

# In the background it is the _exec of the two that has the number of the process.
client() { (client_exec "$@"); }
client_exec() { exec taskset -c 1 ip netns exec "asafo-$name-client" "$@" 9>&-; }
inner() { (inner_exec "$@"); }
inner_exec() { exec taskset -c 1 ip netns exec "asafo-$name-inside" "$@" 9>&-; }
fail() { echo "$(basename "$0"): $*" >&2; exit 1; }
until_true() { # SECONDS COMMAND...
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		((SECONDS < end)) || return 1
		pause
	done
}

# ---- what both serve ----
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 300 -subj /CN=vpn.example.net -addext subjectAltName=DNS:vpn.example.net \
	-keyout "$work/key" -out "$work/pem" 2>/dev/null
openssl pkcs12 -export -in "$work/pem" -inkey "$work/key" -passout pass:secret -out "$work/p12"
echo secret >"$work/pass"
pin=$(openssl x509 -in "$work/pem" -pubkey -noout | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64)
asafo_configure() {
	lab asafo a import vpn "$work/p12" --passphrase-file "$work/pass" >/dev/null
	lab asafo a configure >/dev/null <<'CONFIG'
ip local pool VPN 10.9.0.10-10.9.15.250 mask 255.255.240.0
group-policy STAFF internal
group-policy STAFF attributes
 vpn-simultaneous-logins 5000
 split-tunnel-policy tunnelspecified
 split-tunnel-network-list value 192.0.2.0/24
tunnel-group staff type remote-access
tunnel-group staff general-attributes
 address-pool VPN
 default-group-policy STAFF
username alice password s3cret-word
webvpn
 anyconnect enable
CONFIG
}
pair_up() {
	lab up >/dev/null
	asafo_configure
	lab asafo a write-standby >/dev/null
	way_close
}
ocserv_configure() { # NAME LINE...: its configuration, to ocserv.NAME
	[ -e "$work/ocpasswd" ] || printf 's3cret-word\ns3cret-word\n' | ocpasswd -c "$work/ocpasswd" alice
	chmod 644 "$work/ocpasswd"
	cat >"$work/ocserv.$1" <<-CONFIG
		auth = "plain[passwd=$work/ocpasswd]"
		run-as-user = nobody
		run-as-group = nogroup
		socket-file = $work/ocserv-$1.socket
		server-cert = $work/pem
		server-key = $work/key
		max-clients = 0
		max-same-clients = 0
		rate-limit-ms = 0
		cookie-timeout = 300
		use-occtl = false
		device = vpns
		ipv4-network = 10.8.0.0
		ipv4-netmask = 255.255.255.0
		route = 192.0.2.0/255.255.255.0
		pid-file = $work/ocserv-$1.pid
	CONFIG
	printf '%s\n' "${@:2}" >>"$work/ocserv.$1"
}

# ---- one OpenConnect ----
cat >"$work/script" <<-SCRIPT
	#!/bin/sh
	[ "\$reason" = connect ] || exit 0
	ip link set "\$TUNDEV" up mtu "\$INTERNAL_IP4_MTU"
	ip address add "\$INTERNAL_IP4_ADDRESS/32" dev "\$TUNDEV"
	ip route replace $inside/32 dev "\$TUNDEV"
	echo "\$INTERNAL_IP4_MTU" >"$work/up"
SCRIPT
chmod +x "$work/script"
reaches() { client ping -c 1 -W 1 "$inside"; }
connect() { # HOST:PORT OPTION...
	rm -f "$work/up"
	client_exec env --ignore-signal=PIPE openconnect --non-inter --user alice --passwd-on-stdin --servercert "pin-sha256:$pin" \
		--script "$work/script" --interface octun "${@:2}" "https://$1" <<<s3cret-word >"$work/openconnect" 2>&1 &
	openconnect=$!
	until_true 20 test -s "$work/up" && until_true 10 reaches || { cat "$work/openconnect" >&2; fail "no tunnel to $1"; }
}
disconnect() {
	kill -TERM "$openconnect" 2>/dev/null || :
	wait "$openconnect" 2>/dev/null || :
}
# The client's only way to the inside is a tunnel.
way_close() { client ip route delete 192.0.2.0/24; }

# ---- a download of 40 Mbit/s in the tunnel ----
cat >"$work/source.py" <<-PYTHON
	import socket, sys
	listener = socket.create_server((sys.argv[1], 9000))
	connection, _ = listener.accept()
	connection.setsockopt(socket.SOL_SOCKET, 47, 5000000)  # SO_MAX_PACING_RATE
	try:
	    while True:
	        connection.sendall(bytes(4096))
	except OSError:
	    pass
PYTHON
# The longest time between two pieces that came, in milliseconds.
cat >"$work/sink.py" <<-PYTHON
	import os, signal, socket, sys, time
	connection = socket.create_connection((sys.argv[1], 9000))
	longest, last = 0, time.monotonic()
	def over(*_):
	    print(int(max(longest, time.monotonic() - last) * 1000), flush=True)
	    os._exit(0)
	signal.signal(signal.SIGTERM, over)
	count = 0
	try:
	    while connection.recv(65536):
	        now = time.monotonic()
	        if count > 100:
	            longest = max(longest, now - last)
	        last = now
	        count += 1
	        if count == 200:
	            print("flows", flush=True)
	except OSError:
	    pass
	while True:
	    signal.pause()
PYTHON
download_start() {
	local said
	inner_exec python3 "$work/source.py" "$inside" &
	source=$!
	until_true 10 inner sh -c "ss -ltn | grep -q ':9000 '"
	coproc SINK { client_exec python3 "$work/sink.py" "$inside"; }
	sink=$SINK_PID
	read -r said <&"${SINK[0]}" && [ "$said" = flows ]
}
download_end() { # the longest time without a piece, in milliseconds, to $stood_still
	kill -TERM "$sink"
	read -r stood_still <&"${SINK[0]}"
	wait "$sink" 2>/dev/null || :
	kill "$source" 2>/dev/null || :
	wait "$source" 2>/dev/null || :
}

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The real OpenConnect, and a crowd of clients, through the failovers that there are: the same session goes on, with the same
# addresses, and nobody logs in a second time. ASAFO_BUILD_OLD_TUNNEL names the build folder of an older release that has
# tunnels: the pair then begins with it, and is upgraded on the way.
# long: real clients through each failover
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
vip=198.51.100.10 inside=192.0.2.20
# shellcheck source=openconnect.sh
. "$(dirname "$0")/openconnect.sh"
openconnect_or_skip

vpn_configure() { # on stdin, since a password does not belong on a command line
	asafo a configure <<'CONFIG'
ip local pool VPN 10.9.0.10-10.9.3.250 mask 255.255.252.0
ipv6 local pool VPN6 fd00:9::10/64 1000
group-policy STAFF internal
group-policy STAFF attributes
 vpn-simultaneous-logins 500
 dns-server value 192.0.2.53
 split-tunnel-policy tunnelspecified
 split-tunnel-network-list value 192.0.2.0/24
tunnel-group staff type remote-access
tunnel-group staff general-attributes
 address-pool VPN
 ipv6-address-pool VPN6
 default-group-policy STAFF
username alice password s3cret-word
webvpn
 anyconnect enable
CONFIG
}
# What OpenConnect calls when it has an address. The route is to one host, since the client's own goes around.
script_make() {
	cat >"$files/script" <<SCRIPT
#!/bin/sh
echo "\$reason \$INTERNAL_IP4_ADDRESS \$INTERNAL_IP6_ADDRESS" >>"$files/script.log"
[ "\$reason" = connect ] || exit 0
ip link set "\$TUNDEV" up mtu "\$INTERNAL_IP4_MTU"
ip address add "\$INTERNAL_IP4_ADDRESS/32" dev "\$TUNDEV"
ip route replace $inside/32 dev "\$TUNDEV"
echo "\$INTERNAL_IP4_ADDRESS" >"$files/up"
SCRIPT
	chmod +x "$files/script"
}
answers() { grep -c 'Got CONNECT response: HTTP/1.1 200' "$files/openconnect"; }
connected_at_least() { [ "$(answers)" -ge "$1" ]; }
ping_once() { lab exec client ping -c 1 -W 1 "$inside"; }
ping_start() {
	: >"$files/ping"
	lab exec client ping -D -n -i 0.02 "$inside" >"$files/ping" 2>&1 &
	ping=$!
}
replies() { grep -c 'bytes from' "$files/ping"; }
replies_more_than() { [ "$(replies)" -gt "$1" ]; }
# The longest time between two replies, in ms.
gap_ms() {
	sed -n 's/^\[\([0-9.]*\)\].*bytes from.*/\1/p' "$files/ping" |
		awk 'NR > 1 && $1 - last > longest { longest = $1 - last } { last = $1 } END { printf "%d\n", longest * 1000 }'
}
# passes SENTENCE COMMAND...: what happens to the active unit, with a ping going on.
passes() {
	local sentence=$1 before connects
	shift
	before=$(replies) connects=$(answers)
	"$@" >"$files/passes.log" 2>&1 || not_ok "$sentence: $(cat "$files/passes.log")"
	expect "$sentence: the client comes back by itself" until_true 30 connected_at_least $((connects + 1))
	expect "$sentence: packets go through again" until_true 30 replies_more_than $((before + 100))
	same "$sentence: with the same address" "$(address_of_client)" "$address"
	[ -n "$address" ] || exit 1
}
index_of() { asafo "$1" --json show vpn-sessiondb | jq -r '.sessions[] | select(.username == "alice") | .index' | head -n 1; }
kill_process() { kill -KILL "$(pid_of "$1" "$2")"; }
log_says() { grep -qE "$1" "$files/openconnect"; }
log_never_says() { ! log_says "$1"; }

# Lines that follow each other without end, over a connection inside the tunnel.
stream_start() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=inside \
		-keyout "$files/inside.key" -out "$files/inside.pem" 2>/dev/null
	(n=0; while n=$((n + 1)) && echo "line $n"; do pause_short; done) |
		lab exec inside openssl s_server -quiet -accept 9000 -naccept 1 -cert "$files/inside.pem" \
			-key "$files/inside.key" >/dev/null 2>&1 &
	: >"$files/stream"
	until_true 10 lab exec inside sh -c "ss -ltn | grep -q ':9000 '"
	lab exec client openssl s_client -quiet -connect "$inside:9000" </dev/zero 2>/dev/null >"$files/stream" &
}
stream_lines() { grep -c '^line' "$files/stream"; }
stream_reached() { [ "$(stream_lines)" -ge "$1" ]; }
stream_goes_on() {
	local n
	n=$(stream_lines)
	until_true 30 stream_reached $((n + 10))
}
stream_is_whole() { grep '^line' "$files/stream" | awk '$2 != NR { exit 1 }'; }

old=${ASAFO_BUILD_OLD_TUNNEL:-}
pair_up ${old:+--build-a "$old" --build-b "$old"}
make_ca corp && make_p12 corp vpn
expect "a trustpoint" import a vpn vpn
expect "on both units" asafo a write-standby
expect "groups, a pool and a user" vpn_configure
# Nothing gets to the inside but through a tunnel.
lab exec client ip route delete 192.0.2.0/24
script_make
until_true 10 serves $vip corp "$(fingerprint_of "$files/vpn.pem")"
openconnect_start
if until_true 20 test -s "$files/up"; then ok "OpenConnect logs in and has an address"; else
	not_ok "OpenConnect logs in and has an address"
	sed 's/^/#   /' "$files/openconnect"
	done_testing
	exit 1
fi
address=$(address_of_client)
posts=$(grep -c 'Please enter\|XML POST\|POST https' "$files/openconnect")
expect "it reaches the inside" until_true 10 ping_once
index=$(index_of a)
same "the standby knows the session" "$(index_of b)" "$index"
stream_start
expect "a connection inside the tunnel is open" stream_goes_on
ping_start
expect "(a ping runs)" until_true 10 replies_more_than 20

passes "plug pulled" lab power a off
echo "# longest silence of the ping so far: $(gap_ms) ms"
wait_state b Active
same "the session is the same" "$(index_of b)" "$index"
expect "the connection inside goes on" stream_goes_on
lab power a on
wait_state a "Standby Ready" 30
passes "planned switchover" asafo a failover active
wait_state a Active
wait_state b "Standby Ready" 30
passes "engine killed" kill_process a asafo-engine
wait_state b Active 30
wait_state a "Standby Ready" 60
# A front that dies takes its connections with it.
fronts_kill() {
	local p
	for p in $(ip netns pids "asafo-$LAB-b"); do
		[ "$(cat "/proc/$p/comm" 2>/dev/null)" != asafo-front ] || kill -KILL "$p"
	done
}
# A client that is refused does not try again for ten seconds.
refusals() { grep -cE 'Failed to connect to host|Connection refused' "$files/openconnect"; }
refused_before=$(refusals)
passes "fronts killed" fronts_kill
same "fronts killed: nobody was refused" "$(refusals)" "$refused_before"

# An upgrade, with ASAFO_BUILD in place of what runs: the standby's service, a change of roles, the other's.
is_gone() { ! kill -0 "$1" 2>/dev/null; }
service_stop() { # in an orderly way, as systemctl does
	local pid
	pid=$(pid_of "$1" asafod)
	[ -n "$pid" ] && kill -TERM "$pid" && until_true 20 is_gone "$pid"
}
service_start() { lab power "$1" off && lab power "$1" on --build "$ASAFO_BUILD"; }
knows_session() { [ "$(index_of "$1")" = "$index" ]; }
connects=$(answers)
expect "upgrade: the standby's service ends" service_stop a
expect "upgrade: and begins again" service_start a
wait_state a "Standby Ready" 30
same "upgrade: the client notices nothing" "$(answers)" "$connects"
expect "upgrade: the standby knows the session again" until_true 10 knows_session a
passes "upgrade: change of roles" asafo a failover active
wait_state a Active
wait_state b "Standby Ready" 30
expect "upgrade: the other unit's service ends" service_stop b
expect "upgrade: and begins again" service_start b
wait_state b "Standby Ready" 30
expect "upgrade: the session is still there" knows_session a
expect "upgrade: the other unit knows it again" until_true 10 knows_session b
passes "service of the active unit stopped" service_stop a
wait_state b Active
expect "it is started again" service_start a
wait_state a "Standby Ready" 30
expect "the connection inside went on all the time" stream_goes_on
expect "without a line lost or out of order" stream_is_whole
same "it is the session of the beginning" "$(index_of b)" "$index"
same "one login was enough" "$(grep -c 'Please enter\|XML POST\|POST https' "$files/openconnect")" "$posts"
expect "nobody was told 401" log_never_says 'HTTP/1.1 401'
expect "nor that the session is over" log_never_says 'server (terminate|disconnect)'
kill "$ping" 2>/dev/null

expect "an operator ends the session" asafo b vpn-sessiondb logoff name alice
expect "and OpenConnect hears of it" until_true 10 log_says 'server (terminate|disconnect)'

# Many at once.
install -m 0755 "$ASAFO_BUILD/tests/net/cstp" "$files/cstp"
lab exec client "$files/cstp" -s "$vip" -u alice -p s3cret-word -t "$inside" -n 100 -i 100 -j 4 >"$files/crowd" 2>"$files/crowd.err" &
crowd=$!
expect "a hundred clients are connected" until_true 90 grep -q '^up' "$files/crowd"
expect "the active unit loses its plug" lab power b off
wait_state a Active 20
all_back() { sed -n '/^not all/,$p' "$files/crowd" | grep -q '^up'; }
expect "all of them are back" until_true 30 all_back
pkill -TERM -P "$crowd" 2>/dev/null || kill -TERM "$crowd"
until_true 10 grep -q sessions "$files/crowd"
sed -n 's/^{/# {/p' "$files/crowd"
figure() { jq -r ".$1" < <(grep '^{' "$files/crowd"); }
same "none was asked to log in" "$(figure logins) $(figure never)" "100 0"
same "each has its own address still" "$(figure other_address)" 0
same "none was told to go" "$(figure terminated)" 0
done_testing

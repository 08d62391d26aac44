#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# VPN sessions on two units: there before the client has its cookie, kept by a failover, ended for good.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
vip=198.51.100.10 inside=192.0.2.20
# shellcheck source=openconnect.sh
. "$(dirname "$0")/openconnect.sh"
openconnect_or_skip

configure_vpn() {
	lab asafo a configure <<-'LINES'
		ip local pool STAFF 10.99.0.10-10.99.0.100 mask 255.255.255.0
		ipv6 local pool STAFF6 fd00:99::10/64 64
		group-policy STAFF internal
		group-policy STAFF attributes
		 vpn-idle-timeout 10
		 vpn-session-timeout 60
		 vpn-simultaneous-logins 2
		tunnel-group staff type remote-access
		tunnel-group staff general-attributes
		 address-pool STAFF
		 ipv6-address-pool STAFF6
		 default-group-policy STAFF
		username ada password correct-horse
		username bob password battery-staple
		webvpn
		 anyconnect enable
	LINES
}
log_in() { # log_in USER PASSWORD: prints the cookie
	printf '%s\n' "$2" | lab exec client timeout $((20 * slow)) openconnect --authenticate --non-inter -u "$1" --passwd-on-stdin \
		--cafile "$files/corp-ca.pem" --resolve "vpn.example.net:$vip" https://vpn.example.net 2>"$files/openconnect.err" |
		sed -n "s/^COOKIE='\(.*\)'$/\1/p"
}
sessions() { asafo "$1" --json show vpn-sessiondb; }
session() { # session UNIT USER: index and addresses
	sessions "$1" | jq -r --arg user "$2" '.sessions[] | select(.username == $user) | "\(.index) \(.assigned_ip) \(.assigned_ipv6)"'
}
count_is() { [ "$(sessions "$1" | jq '.sessions | length')" = "$2" ]; }
is_complete() { [ "$(sessions "$1" | jq .complete)" = true ]; }
hash_of_user() { asafo "$1" show running-config username | sed -n "s/^username $2 password //p"; }
has_tun() { lab exec "$1" ip -o link show asafo0 2>/dev/null | grep -q '[<,]UP.*mtu 1406'; }
has_routes() { [ "$(lab exec "$1" ip -4 route show proto 107 dev asafo0 | wc -l)" -gt 1 ]; }

pair_up
make_ca corp && make_p12 corp vpn
expect "a trustpoint" import a vpn vpn
asafo a bind vpn outside >/dev/null
expect "on both units" asafo a write-standby
expect "the VPN is configured" configure_vpn
expect "a password is kept as its hash" sh -c "case '$(hash_of_user a ada)' in '\$y\$'*) ;; *) exit 1 ;; esac"
same_hash() { [ "$(hash_of_user a "$1")" = "$(hash_of_user b "$1")" ]; }
expect "the standby has the same one" until_true 5 same_hash ada
refused "a password in clear is no argument, which others can see" 2 'does not belong on the command line' \
	asafo a configure 'username eve password clear'
for unit in a b; do
	expect "unit $unit has a TUN device" until_true 5 has_tun "$unit"
	expect "unit $unit routes the pool to it" until_true 5 has_routes "$unit"
	expect "unit $unit knows all sessions" until_true 10 is_complete "$unit"
done

cookie=$(log_in ada correct-horse)
expect "openconnect logs in" test -n "$cookie"
ada=$(session a ada)
expect "the session has both addresses" sh -c "echo '$ada' | grep -qE '^[0-9]+ 10\.99\.0\.[0-9]+ fd00:99::'"
expect "the standby has it, with the same index and addresses" test "$(session b ada)" = "$ada"
expect "a wrong password gets no session" test -z "$(log_in bob wrong)"
expect "a second session of the user" test -n "$(log_in ada correct-horse)"
expect "another user" test -n "$(log_in bob battery-staple)"
expect "three sessions on the standby" count_is b 3
same "a third login" "$(test -n "$(log_in ada correct-horse)" && echo yes)" yes
expect "ends the oldest session" until_true 5 count_is a 3
expect "on the standby, too" until_true 5 count_is b 3
oldest_is_gone() { ! session "$1" ada | grep -qxF "$ada"; }
for unit in a b; do expect "(unit $unit knows which)" until_true 5 oldest_is_gone "$unit"; done
ada=$(session a ada | head -n 1)

refused "the standby ends no session" 3 'do it on the active unit' asafo b vpn-sessiondb logoff all
expect "one is logged off" asafo a vpn-sessiondb logoff name bob
expect "on the standby, too" until_true 10 count_is b 2
says_end() { # says_end UNIT USER REASON: the log, of one whose session it ended
	lab log "$1" | grep -qE "ASAFO-4-113019: Group = staff, Username = $2, IP = 198\.51\.100\.20, Session disconnected\. .*, Reason: $3 \(session [0-9]+\)"
}
expect "the log says who, and why" until_true 5 says_end a bob "Administrator Reset"
expect "and said so of the one that made room" says_end a ada "Simultaneous Logins"
same "the standby's log leaves that to the other" "$(lab log b | grep -c 113019)" 0

expect "the active unit loses its plug" lab power a off
wait_state b Active
expect "the sessions are there" count_is b 2
expect "with the same index and addresses" sh -c "'$top/tools/lab' --name '$LAB' asafo b --json show vpn-sessiondb |
	jq -e --arg ada '$ada' '.sessions | any(\"\(.index) \(.assigned_ip) \(.assigned_ipv6)\" == \$ada)'"
expect "their time runs on" until_true 5 sh -c "'$top/tools/lab' --name '$LAB' asafo b --json show vpn-sessiondb |
	jq -e '.sessions | all(.left_s <= 3600 and .left_s > 3000 and .duration_s > 0)'"
expect "new ones are made, without a mate" test -n "$(log_in bob battery-staple)"
expect "with an address that nobody has" test "$(sessions b | jq -r '[.sessions[].assigned_ip] | unique | length')" = 3
expect "all are logged off" asafo b vpn-sessiondb logoff all

expect "the other unit comes back" lab power a on
wait_state a "Standby Ready" 30
expect "and has the whole table" until_true 10 is_complete a
expect "in which nobody is alive again" count_is a 0
expect "but known to be over" test "$(sessions a | jq .tombstones)" -ge 3
expect "a login after that is on both" test -n "$(log_in ada correct-horse)"
expect "(on the standby)" test "$(session a ada)" = "$(session b ada)"
# 10.99.0.10 up to 10.99.0.100, of which hers is one.
host=$(session b ada | sed 's/.* 10\.99\.0\.\([0-9]*\) .*/\1/')
pool_replace() { asafo b configure <<<"ip local pool STAFF 10.99.0.$1-10.99.0.$2 mask 255.255.255.0"; }
expect "a pool is replaced by one that has her address, too" pool_replace "$host" $((host + 5))
still_there() { count_is a 1 && count_is b 1 && [ "$(session b ada)" = "$(session a ada)" ]; }
expect "her session stays" stays 2 still_there
expect "a pool without it" pool_replace $((host + 1)) $((host + 5))
expect "ends her session" until_true 5 count_is b 0
expect "on the standby, too" until_true 5 count_is a 0
expect "and the log says why" until_true 5 says_end b ada "Configuration Changed, its address is in no pool any more"
expect "a login has an address of the new pool" test -n "$(log_in ada correct-horse)"
expect "a user that is no more" asafo b configure 'no username ada'
expect "has no session" until_true 5 count_is b 0
expect "on the standby, too" until_true 5 count_is a 0
expect "the log says why" until_true 5 says_end b ada "Configuration Changed, its user is gone"

# Nobody tells the standby when a session's time is over but the active unit, which tells it once.
timeout_is() { printf 'group-policy STAFF attributes\n vpn-session-timeout %s\n' "$1" | asafo b configure; }
expect "sessions end after a minute" timeout_is 1
for i in 1 2; do expect "bob logs in ($i)" test -n "$(log_in bob battery-staple)"; done
expect "both are on the standby" until_true 5 count_is a 2
expect "a minute later they are over" until_true 75 count_is b 0
expect "the log says why" until_true 5 says_end b bob "Max Time Exceeded"
expect "on the standby, too" until_true 10 count_is a 0
expect "sessions may last" timeout_is 60
for i in 1 2; do expect "he logs in again, to the same addresses ($i)" test -n "$(log_in bob battery-staple)"; done
both_stay() { count_is a 2 && count_is b 2; }
expect "and stays" stays 2 both_stay

# An engine that begins anew without a mate knows no session, and its fronts have tunnels: two users would share an address.
expect "nobody is logged in" asafo b vpn-sessiondb logoff all
expect "the pool has one address" pool_replace 50 50
expect "alice may log in" asafo b configure <<<"username alice password s3cret-word"
expect "also after a start" asafo b write memory
script_make
openconnect_start
expect "she has a tunnel" until_true 20 test -s "$files/up"
same "with that address" "$(address_of_client)" 10.99.0.50/32
lab power a off
kill -KILL "$(pid_of b asafo-engine)"
wait_state b Active 30
knows_nobody() { count_is b 0 && [ "$(sessions b | jq .complete)" = false ]; }
expect "an engine that begins anew knows nobody" until_true 20 knows_nobody
expect "bob logs in" test -n "$(log_in bob battery-staple)"
expect "and has her address" sh -c "echo '$(session b bob)' | grep -q ' 10\.99\.0\.50 '"
lost_it() { lab log b | grep -q 'session [0-9]* (alice): the session is over'; }
expect "she has it no more" until_true 5 lost_it
lab power a on
wait_state a "Standby Ready" 30

# A cookie that is nobody's, where that is certain, and where it is not.
ask_tunnel() {
	printf 'CONNECT /CSCOSSLC/tunnel HTTP/1.1\r\nHost: vpn.example.net\r\nCookie: webvpn=%064d\r\n\r\n' 7 |
		lab exec client timeout $((30 * slow)) openssl s_client -quiet -connect "$vip:443" 2>/dev/null | tr -d '\r' >"$files/answer"
	head -n 1 "$files/answer"
}
is_refused() { ask_tunnel | grep -q '^HTTP/1.1 401 '; }
is_put_off() { ask_tunnel | grep -q '^HTTP/1.1 503 '; }
expect "an unknown cookie is refused by a pair that knows all sessions" until_true 10 is_refused
lab power a off
lab power b off
expect "one unit comes back alone, with nothing" lab power b on
wait_state b Active 30
same "it does not know all sessions" "$(sessions b | jq .complete)" false
expect "an unknown cookie may come back later" until_true 20 is_put_off
expect "and is told when" grep -q '^Retry-After: [0-9]' "$files/answer"
done_testing

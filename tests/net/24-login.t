#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# VPN users log in with a browser's forms and with the real openconnect; the plug of the active unit is pulled, and who was
# logged in still is. Who guesses has to wait; the helper that compares passwords may die.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
vip=198.51.100.10 host=vpn.example.net jar=$files/jar page=$files/page

# A browser: it trusts the CA, and nothing else.
browse() { # browse PATH [CURL ARGS...]; prints the status, leaves page and head
	local path=$1
	shift
	lab exec client curl -s --max-time $((10 * slow)) --cacert "$files/corp-ca.pem" --resolve "$host:443:$vip" -b "${cookies:-$jar}" -c "$jar" \
		-H 'Sec-Fetch-Site: same-origin' -D "$page.head" -o "$page" -w '%{http_code}' "$@" "https://$host$path"
}
login() { # login USER PASSWORD [GROUP]
	browse /auth "${from[@]}" --data-urlencode "username=$1" --data-urlencode "password=$2" ${3:+--data-urlencode "group_list=$3"}
}
from=()
stranger() { # stranger N USER PASSWORD: from another address of the client's
	local from=(--interface "198.51.100.3$1")
	jar=/dev/null login "$2" "$3"
}
proof() { sed -n 's/.*name="proof" value="\([0-9a-f]*\)".*/\1/p' "$page"; }
logout() { # by the button of the session's page
	browse / >/dev/null
	browse /logout --data-urlencode "proof=$(proof)"
}
shows() { [ "$(browse /)" = 200 ] && grep -q -- "$1" "$page"; }
address() { grep -o '<dd>10\.99\.0\.[0-9]*</dd>' "$page"; }
client() { # client PASSWORD [ARGS...]: the cookie that openconnect is given
	local pass=$1
	shift
	lab exec client timeout $((20 * slow)) openconnect --authenticate --non-inter --passwd-on-stdin --user anna --authgroup 'The_Staff' \
		--cafile "$files/corp-ca.pem" --resolve "$host:$vip" "$@" "https://$host/" <<<"$pass" 2>"$files/openconnect.log" |
		sed -n "s/^COOKIE='\(.*; \)\?webvpn=\([0-9a-f]*\).*/\2/p"
}

pair_up
make_ca corp && make_p12 corp vpn
expect "a certificate for the gateway" import a vpn vpn
expect "on both units" asafo a write-standby
cat >"$files/vpn.config" <<'EOF'
failover replication trustpoint sync
ssl trust-point vpn outside
ip local pool P 10.99.0.10-10.99.0.99 mask 255.255.255.0
group-policy GP internal
group-policy GP attributes
 banner value Welcome <in>
 vpn-simultaneous-logins 10
tunnel-group Staff type remote-access
tunnel-group Staff general-attributes
 address-pool P
 default-group-policy GP
tunnel-group Staff webvpn-attributes
 group-alias The_Staff enable
tunnel-group Guests type remote-access
tunnel-group Guests general-attributes
 address-pool P
tunnel-group Guests webvpn-attributes
 group-alias Guests enable
username anna password right-1
username bert password right-2
username carl password right-3
webvpn
 enable outside
 anyconnect enable
EOF
configure() { asafo a configure <"$files/vpn.config"; }
expect "users, a pool and two groups" configure
expect "the hash of a password is kept, not the password" \
	sh -c "'$top/tools/lab' --name '$LAB' asafo a show running-config | grep -qF 'username anna password \$y\$'"
lab exec client curl -s -o /dev/null "https://$vip/" && not_ok "the client trusts nobody but its CA"
expect "the login page, without a warning" until_true 5 shows 'name="password"'
same "a wrong password is no way in" "$(login anna wrong-1 Guests) $(grep -c 'Login failed' "$page")" "200 1"
same "the right one is" "$(login anna right-1 Guests)" 303
expect "one's own session is shown, and its group" shows '<dd>Guests</dd>'
before=$(address)
expect "with its address in the tunnel" test -n "$before"
cookie=$(client right-1)
same "openconnect logs in" "${#cookie}" 64
old=$(client right-1 --no-xmlpost)
same "and with the forms of before" "${#old}" 64
same "not with a wrong password" "$(client wrong-1)" ""
same "a profile for the client" "$(browse /profiles/asafo.xml) $(grep -c "<HostAddress>$host</HostAddress>" "$page")" "200 1"
same "another site's form is not taken" "$(browse /logout -X POST -H 'Sec-Fetch-Site: cross-site')" 403

# Who has guessed here has guessed there: strangers for anna, until 25 are wrong with two of her own above, at three addresses
# the fifth; and five of carl's where anna is.
for n in 1 2 3 4 5 6; do lab exec client ip address add "198.51.100.3$n/24" dev eth0; done
for _ in 1 2 3 4 5; do
	for n in 1 2 3 4 5; do stranger "$n" anna guess >/dev/null; done
done
for _ in 1 2 3 4 5; do login carl guess >/dev/null; done
expect "the standby hears who is locked: four for anna, one for carl" \
	until_true 10 grep -q 'the active unit has locked out: 5' "/run/asafo-lab-$LAB/b/log"

same "a link ends no session" "$(browse /logout) $(browse /logout -X POST)" "303 303"
expect "(it goes on)" shows '<dd>anna</dd>'

# The plug.
same "a session is ended" "$(jar=/dev/null cookies="webvpn=$old" logout)" 303
lab power a off
wait_state b Active
expect "the same session on the other unit, without a warning and without a login" until_true 10 shows '<dd>anna</dd>'
same "the same address" "$(address)" "$before"
same "what openconnect has is a session there, too" \
	"$(jar=/dev/null cookies="webvpn=$cookie" browse /) $(grep -c '<dd>Staff</dd>' "$page")" "200 1"
same "the one that was ended at the last moment is over there, too" \
	"$(jar=/dev/null cookies="webvpn=$old" browse /) $(grep -c 'name="password"' "$page")" "200 1"
same "a failover gives nobody five more guesses" \
	"$(jar=/dev/null login carl right-3) $(grep -c 'Too many wrong passwords' "$page")" "200 1"
same "nor to who comes from yet another address" "$(stranger 6 anna right-1) $(grep -c 'Too many wrong passwords' "$page")" "200 1"
same "but strangers lock nobody out where he has logged in before" "$(jar=/dev/null login anna right-1)" 303
same "and a lock holds where the guesses came from" "$(stranger 6 carl right-3)" 303
same "the session's end" "$(logout)" 303
expect "is an end" shows 'name="password"'
same "a login at the unit that took over" "$(login bert right-2)" 303
expect "shows the session" shows '<dd>bert</dd>'

# The helper dies: sessions live on, the next login waits for nobody long.
kill -KILL "$(pid_of b asafo-auth)"
expect "a session does not need the helper" shows '<dd>bert</dd>'
logs_in() { [ "$(login anna right-1)" = 303 ]; }
expect "the helper is back and knows the users" until_true 10 logs_in

# A front that somebody took over asks for a session in another's name, through its own channel to the engine.
channel() { # channel FRONT: the number of that descriptor, found by the engine's end of it
	local engine
	engine=$(pid_of b asafo-engine)
	ip netns exec "asafo-$LAB-b" ss -xpH | awk -v "engine=pid=$engine," -v "front=pid=$1," '
		index($0, engine) { ends[$8] = 1 }
		index($0, front) { own[$6] = $0 }
		END {
			for (inode in own)
				if (inode in ends && match(own[inode], front "fd=[0-9]+"))
					print substr(own[inode], RSTART + length(front) + 3, RLENGTH - length(front) - 3)
		}'
}
front=$(pid_of b asafo-front)
forge() { "$ASAFO_BUILD/tests/net/forge" "$front" "$(channel "$front")" "$1" Staff; }
made() { asafo b --json show vpn-sessiondb | jq -c '[.made, .unproved]'; }
before=$(made)
expect "a front that was taken over asks for a session in a user's name" forge bert
refused() { grep -q 'asked for a VPN session of bert, tunnel-group Staff, without a proof of asafo-auth.s that holds' "/run/asafo-lab-$LAB/b/log"; }
expect "the engine says so" until_true 10 refused
same "and makes none" "$(made)" "$(jq -c '[.[0], .[1] + 1]' <<<"$before")"
expect "the helper's own word is enough, as before" logs_in
expect "(the next engine begins with this configuration)" exits 5 asafo b write-memory
kill -KILL "$(pid_of b asafo-engine)"
expect "it is for the next engine, too, which has another key for it" until_true 30 logs_in

# Guessing.
for _ in 1 2 3 4 5; do login bert guess >/dev/null; done
same "five wrong passwords lock a user, the right one as well" \
	"$(login bert right-2) $(grep -c 'Too many wrong passwords' "$page")" "200 1"
same "not another user" "$(login anna right-1)" 303
expect "the log has the ASA's number for it" grep -q 'ASAFO-6-113006: User bert locked out' "/run/asafo-lab-$LAB/b/log"
expect "and no password" sh -c "! grep -qE 'right-1|right-2|wrong-1|guess' /run/asafo-lab-$LAB/*/log"
done_testing

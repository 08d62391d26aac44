#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# VPN users log in with certificates, in a browser's way and with the real openconnect, on both units: alone, with a password, with a
# code. A certificate of another CA, an expired one, somebody else's and none are no way in, and a failover asks for no new login.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
vip=198.51.100.10 host=vpn.example.net page=$files/page
given=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP
# shellcheck source=codes.sh
. "$(dirname "$0")/codes.sh"

make_client() { # make_client CA FILE SUBJECT [EXTENSION] [DAYS]
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "$3" -keyout "$files/$2.key" \
		-out "$files/$2.csr" 2>/dev/null
	openssl x509 -req -in "$files/$2.csr" -CA "$files/$1-ca.pem" -CAkey "$files/$1-ca.key" -days "${5:-365}" \
		-set_serial "0x$(openssl rand -hex 15)" -out "$files/$2.pem" \
		-extfile <(printf '%s\n' "${4:-extendedKeyUsage=clientAuth}") 2>/dev/null
}
# Who it is comes from the certificate NAME; "none": without one.
https() { # https NAME ARGS...; prints the status, leaves page
	local who=() name=$1
	shift
	[ "$name" = none ] || who=(--cert "$files/$name.pem" --key "$files/$name.key")
	lab exec client curl -s --max-time $((10 * slow)) --cacert "$files/corp-ca.pem" --resolve "$host:443:$vip" -H 'Sec-Fetch-Site: same-origin' \
		-o "$page" -w '%{http_code}' "${who[@]}" "$@"
}
post() { # post NAME FIELD...
	local name=$1 fields=() field
	shift
	for field; do fields+=(--data-urlencode "$field"); done
	https "$name" "${fields[@]}" "https://$host/auth"
}
says() { grep -c "$1" "$page"; }
client() { # client GROUP NAME [ARGS...]: the length of the cookie that openconnect is given; the password is on stdin
	local group=$1 who=() name=$2
	shift 2
	[ "$name" = none ] || who=(-c "$files/$name.pem" -k "$files/$name.key")
	lab exec client timeout $((20 * slow)) openconnect --authenticate --non-inter --passwd-on-stdin --cafile "$files/corp-ca.pem" \
		--resolve "$host:$vip" "${who[@]}" "$@" "https://$host/$group" 2>"$files/openconnect.log" >"$files/said"
	sed -n "s/^COOKIE='\(.*; \)\?webvpn=\([0-9a-f]*\).*/\2/p" "$files/said" | tr -d '\n' | wc -c
}

pair_up
make_ca corp && make_ca people && make_ca other && make_p12 corp vpn
make_client people anna /CN=anna
make_client people bert "/O=Example/CN=Somebody/OU=x" 'subjectAltName=email:bert@example.net'
make_client people carl /CN=carl
make_client people dora /CN=dora
make_client people ghost /CN=ghost
make_client people late /CN=anna extendedKeyUsage=clientAuth -1
make_client people server /CN=anna extendedKeyUsage=serverAuth
make_client other stranger /CN=anna
# What the server's own CA signs says nothing about users.
make_client corp inhouse /CN=anna
expect "a certificate for the gateway" import a vpn vpn
expect "and that of the people's CA" asafo a authenticate people "$files/people-ca.pem"
cat >"$files/vpn.config" <<EOF
failover replication trustpoint sync
ssl trust-point vpn outside
ip local pool P 10.99.0.10-10.99.0.99 mask 255.255.255.0
group-policy DfltGrpPolicy attributes
 vpn-simultaneous-logins 20
tunnel-group Words type remote-access
tunnel-group Words general-attributes
 address-pool P
tunnel-group Cards type remote-access
tunnel-group Cards general-attributes
 address-pool P
 username-from-certificate EA CN
tunnel-group Cards webvpn-attributes
 authentication certificate
tunnel-group Both type remote-access
tunnel-group Both general-attributes
 address-pool P
tunnel-group Both webvpn-attributes
 authentication aaa certificate
username anna password right
username bert password right
username bert attributes
 group-lock value Cards
username carl password right
username dora password right
username dora attributes
 totp $given
webvpn
 enable outside
 anyconnect enable
EOF
configure() { asafo a configure <"$files/vpn.config"; }
expect "users and three groups" configure
expect "on both units" until_true 20 asafo a write-standby
untrusted() { [ "$(post anna certificate=1 group_list=Cards) $(says 'no CA that is trusted here\|sent none')" = "200 1" ]; }
troubled() { asafo a --json show failover | jq -e --arg t "$1" '.troubles | any(test($t))' >/dev/null; }
untroubled() { asafo a --json show failover | jq -e '.troubles | any(test("validation-usage")) | not' >/dev/null; }
expect "that there is no CA for them is a trouble" until_true 10 troubled '^users are to log in .*no trustpoint has validation-usage'
expect "so is a trustpoint that is not there" asafo a configure 'crypto ca trustpoint absent' ' validation-usage ssl-client'
expect "(it is named)" until_true 10 troubled '^trustpoint absent has validation-usage ssl-client, but there is no such'
expect "(until the line is gone)" asafo a configure 'no crypto ca trustpoint absent'
expect "a CA is trusted for clients only where the configuration says so" until_true 10 untrusted
printf 'crypto ca trustpoint people\n validation-usage ssl-client\n' >"$files/trust.config"
trust() { asafo a configure <"$files/trust.config"; }
expect "the people's CA is" trust
same "the configuration says what it was told" \
	"$(asafo a show running-config | grep -cE '^ (authentication (aaa )?certificate|username-from-certificate EA CN|validation-usage ssl-client)$')" 4
expect "and nothing is wrong with the trustpoints" until_true 10 untroubled

# A browser.
enters() { [ "$(post anna certificate=1 group_list=Cards)" = 303 ]; }
expect "a certificate is a login" until_true 10 enters
same "by the name in its mail address, too" "$(post bert certificate=1 group_list=Cards)" 303
same "its group's page asks for nothing else" "$(https anna "https://$host/Cards") $(says 'name="password"') $(says 'Log in with the certificate')" "200 0 1"
same "not without one" "$(post none certificate=1 group_list=Cards) $(says 'sent none')" "200 1"
same "not one of the server's CA" "$(post inhouse certificate=1 group_list=Cards) $(says 'no CA that is trusted here')" "200 1"
same "not one of another CA with the same name in it" "$(post stranger certificate=1 group_list=Cards) $(says 'no CA that is trusted here')" "200 1"
same "not an expired one" "$(post late certificate=1 group_list=Cards) $(says 'has expired')" "200 1"
same "not one for servers" "$(post server certificate=1 group_list=Cards) $(says 'not for clients')" "200 1"
same "not of who is no user" "$(post ghost certificate=1 group_list=Cards) $(says 'nobody who is a user here')" "200 1"
same "where both are wanted, the page has the name" "$(https carl "https://$host/Both") $(says 'value="carl"')" "200 1"
same "the password alone is no login" "$(post none username=carl password=right group_list=Both) $(says 'sent none')" "200 1"
same "nor is the certificate" "$(post carl username=carl password=wrong group_list=Both) $(says 'wrong username or password')" "200 1"
same "nor are somebody else's and the right password" \
	"$(post carl username=anna password=right group_list=Both) $(says 'another user')" "200 1"
same "both are" "$(post carl username=carl password=right group_list=Both)" 303
same "a group without certificates is as it was" "$(post none username=anna password=right group_list=Words)" 303
same "but not to who may use another group only" \
	"$(post none username=bert password=right group_list=Words) $(says 'Login failed: wrong username or password')" "200 1"
expect "the log says why" grep -q 'ASAFO-6-113015: .*Group-lock check failed (came to Words, may only use Cards) .*user = bert' \
	"/run/asafo-lab-$LAB/a/log"
same "a code is asked for, too" "$(post dora certificate=1 group_list=Cards) $(says 'one-time-code')" "200 1"
round=$(state)
same "of who had the certificate, with it" "$(post none "state=$round" "secondary_password=$(code "$given" 0)") $(says 'did not come')" "200 1"
same "and not with another" "$(post anna "state=$round" "secondary_password=$(code "$given" 0)") $(says 'login began with')" "200 1"
same "the right one is a login" "$(post dora "state=$round" "secondary_password=$(code "$given" 0)")" 303

# The real client.
same "openconnect logs in with a certificate" "$(client Cards anna <<<x)" 64
same "and with the forms of before" "$(client Cards anna --no-xmlpost <<<x)" 64
same "with one and a password" "$(client Both carl --user carl <<<right)" 64
expect "in the group that its URL names" grep -q 'login of carl, group Both: logged in' "/run/asafo-lab-$LAB/a/log"
same "not with the password alone" "$(client Both none --user carl <<<right)" 0
same "not without one" "$(client Cards none <<<x)" 0
same "not with a stranger's" "$(client Cards stranger <<<x)" 0
same "not with an expired one" "$(client Cards late <<<x)" 0

# A failover with a tunnel up.
cat >"$files/script" <<EOF
#!/bin/sh
[ "\$reason" != connect ] || { ip link set dev "\$TUNDEV" up && : >"$files/up"; }
EOF
chmod +x "$files/script"
lab exec client env --ignore-signal=PIPE openconnect -v --non-inter -c "$files/anna.pem" -k "$files/anna.key" --cafile "$files/corp-ca.pem" \
	--resolve "$host:$vip" --script "$files/script" --interface octun "https://$host/Cards" </dev/null >"$files/openconnect" 2>&1 &
openconnect=$!
expect "a tunnel by certificate" until_true 20 test -e "$files/up"
logins() { grep -c 'ASAFO-6-717022' "/run/asafo-lab-$LAB/$1/log" || :; }
lab power a off
wait_state b Active
again() { grep -q '(anna): the tunnel is up' "/run/asafo-lab-$LAB/b/log"; }
expect "goes on at the other unit" until_true 40 again
same "without another login" "$(logins b)" 0
same "which takes certificates itself" "$(client Cards anna <<<x)" 64
same "and no stranger's" "$(client Cards stranger <<<x)" 0
kill "$openconnect"
wait "$openconnect" 2>/dev/null

# The CA is trusted no more.
printf 'crypto ca trustpoint people\n no validation-usage\n' >"$files/trust.config"
distrust() { asafo b configure <"$files/trust.config"; }
expect "the CA is trusted no more" distrust
gone() { [ "$(post anna certificate=1 group_list=Cards)" = 200 ]; }
expect "and a login by what it signed is over" until_true 10 gone
same "a password still is one" "$(post none username=anna password=right group_list=Words)" 303
expect "the log says who came with what" grep -q 'ASAFO-6-717022: .*subject name: CN=anna, user: anna' "/run/asafo-lab-$LAB/b/log"
done_testing

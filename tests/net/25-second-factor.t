#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A second factor: codes of an authenticator, in a browser's forms and with the real openconnect. The plug of the active unit is
# pulled between password and code, and the login goes on; a code that was used is used on the other unit, too.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
vip=198.51.100.10 host=vpn.example.net page=$files/page
given=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP
# shellcheck source=codes.sh
. "$(dirname "$0")/codes.sh"

# A browser without cookies: it is the login that is looked at, not the session.
post() { # post FIELD...; prints the status, leaves page
	local arguments=() field
	for field; do arguments+=(--data-urlencode "$field"); done
	lab exec client curl -s --max-time $((10 * slow)) --cacert "$files/corp-ca.pem" --resolve "$host:443:$vip" -H 'Sec-Fetch-Site: same-origin' \
		-o "$page" -w '%{http_code}' "${arguments[@]}" "https://$host/auth"
}
password() { post "username=$1" 'password=right' >/dev/null && state; }
client() { # client USER SECRET [ARGS...]: the cookie that openconnect is given
	local user=$1 secret=$2
	shift 2
	lab exec client timeout $((20 * slow)) openconnect --authenticate --non-inter --passwd-on-stdin --user "$user" --token-mode=totp \
		--token-secret="base32:$secret" --cafile "$files/corp-ca.pem" --resolve "$host:$vip" "$@" "https://$host/" <<<right \
		2>"$files/openconnect.log" | sed -n "s/^COOKIE='\(.*; \)\?webvpn=\([0-9a-f]*\).*/\2/p"
}

pair_up
make_ca corp && make_p12 corp vpn
expect "a certificate for the gateway" import a vpn vpn
expect "on both units" asafo a write-standby
cat >"$files/vpn.config" <<EOF
failover replication trustpoint sync
ssl trust-point vpn outside
ip local pool P 10.99.0.10-10.99.0.99 mask 255.255.255.0
group-policy DfltGrpPolicy attributes
 vpn-simultaneous-logins 20
tunnel-group Staff type remote-access
tunnel-group Staff general-attributes
 address-pool P
username anna password right
username bert password right
username bert attributes
 totp $given
username carl password right
username carl attributes
 totp $given
username erin password right
username dora password right
username dora attributes
 totp $given
webvpn
 enable outside
 anyconnect enable
EOF
configure() { asafo a configure <"$files/vpn.config"; }
expect "users with a second factor" configure
uri=$(asafo a username anna totp 2>/dev/null)
secret=$(sed -n 's/.*?secret=\([A-Z2-7]*\)&.*/\1/p' <<<"$uri")
same "a secret is made and shown as authenticators read it" "${uri%%\?*} ${#secret}" \
	"otpauth://totp/$(asafo a show running-config | sed -n 's/^hostname //p'):anna 32"
asafo a show running-config >"$files/running"
expect "the configuration has the secrets sealed" \
	sh -c "[ \$(grep -c '^ totp \\\$t1\\\$' '$files/running') = 4 ] && ! grep -qE '$secret|$given' '$files/running'"
serves() { [ "$(post 'username=nobody' 'password=wrong')" = 200 ]; }
expect "the gateway asks who one is" until_true 10 serves

# In a browser.
round=$(password anna)
expect "after the password the code is asked for" grep -q 'autocomplete="one-time-code"' "$page"
same "a wrong code is no way in" "$(post "state=$round" 'secondary_password=12345x') $(grep -c 'The code is wrong' "$page")" "200 1"
same "nor is a login that somebody made up" \
	"$(post "state=${round:0:60}AAAA${round:64}" "secondary_password=$(code "$secret")") $(grep -c 'Begin again' "$page")" "200 1"
# Soon it would be two steps old: it has to be taken in the step in which it is made.
step_is_new() { [ $(($(date +%s) % 30)) -lt 15 ]; }
until_true 20 step_is_new
first=$(code "$secret" -1)
same "the right one is" "$(post "state=$round" "secondary_password=$first")" 303
same "once" "$(post "state=$(password anna)" "secondary_password=$first") $(grep -c 'The code is wrong, or was used' "$page")" "200 1"

# A state beside somebody else's name, as an AnyConnect client would send it: his code is not that one's password.
round=$(password bert)
xml_reply() { # xml_reply STATE USER PASSWORD
	lab exec client curl -s --max-time $((10 * slow)) --cacert "$files/corp-ca.pem" --resolve "$host:443:$vip" -H 'X-Transcend-Version: 1' \
		-H 'X-Aggregate-Auth: 1' -A 'AnyConnect' -H 'Content-Type: application/xml' -o "$page" -w '%{http_code}' -d "<?xml version=\"1.0\"?>
<config-auth client=\"vpn\" type=\"auth-reply\"><opaque is-for=\"sg\"><state>$1</state></opaque><auth><username>$2</username>
<password>$3</password></auth></config-auth>" "https://$host/"
}
same "somebody else's name and the own code are no login" \
	"$(xml_reply "$round" ceo "$(code "$given")") $(grep -c '<session-token>' "$page")" "200 0"
same "nor beside a user's without a second factor" \
	"$(xml_reply "$round" erin "$(code "$given")") $(grep -c '<session-token>' "$page")" "200 0"
same "(the right password is one, with a state from before)" \
	"$(xml_reply "$round" erin right) $(grep -c '<session-token>' "$page")" "200 1"

# The real client.
same "openconnect logs in with its token" "$(client anna "$secret" | wc -c)" 65
same "and with the forms of before" "$(client bert $given --no-xmlpost | wc -c)" 65
same "not with another secret" "$(client carl "$secret")" ""

# The plug, between a password and its code.
mkfifo "$files/typed"
lab exec client timeout $((60 * slow)) openconnect --authenticate --user dora --cafile "$files/corp-ca.pem" --resolve "$host:$vip" \
	"https://$host/" <"$files/typed" >"$files/cookie" 2>"$files/openconnect.log" &
openconnect=$!
exec 7>"$files/typed"
echo right >&7
expect "openconnect asks for the code" until_true 10 grep -q 'Code:' "$files/openconnect.log"
round=$(password carl)
used=$(code "$given" 1)
same "a code that is used a moment before" "$(post "state=$(password bert)" "secondary_password=$used")" 303
lab power a off
wait_state b Active
again() { [ -n "$(password bert)" ]; }
expect "the other unit asks for codes" until_true 10 again
same "does not take it again" "$(post "state=$(password bert)" "secondary_password=$used") $(grep -c 'The code is wrong' "$page")" "200 1"
same "and goes on with a login that the first one began" "$(post "state=$round" "secondary_password=$(code "$given")")" 303
code "$given" >&7
exec 7>&-
wait "$openconnect"
same "as openconnect does, without a new password" \
	"$(sed -n "s/^COOKIE='\(.*; \)\?webvpn=\([0-9a-f]*\).*/\2/p" "$files/cookie" | wc -c) $(grep -c 'Password:' "$files/openconnect.log")" "65 1"

# Codes are not tried for ever.
for _ in 1 2 3 4 5; do post "state=$(password dora)" 'secondary_password=000000' >/dev/null; done
same "five wrong codes lock the user" "$(post 'username=dora' 'password=right') $(grep -c 'Too many wrong passwords' "$page")" "200 1"
expect "the log says what was wrong" grep -q 'ASAFO-6-113015: .*reason = Invalid one-time code.*user = dora' "/run/asafo-lab-$LAB/b/log"
expect "and has no secret" sh -c "! grep -qE '$secret|$given' /run/asafo-lab-$LAB/*/log"
done_testing

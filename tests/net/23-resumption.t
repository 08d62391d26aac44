#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Session tickets: a TLS client resumes on the other unit, also with the key before within its time; not with a forgotten
# one, and not where it would be shown another certificate.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
vip=198.51.100.10

printf 'GET /healthz HTTP/1.1\r\nHost: vpn.example.net\r\nConnection: close\r\n\r\n' >"$files/request"
# A ticket of TLS 1.3 comes after the handshake: the client stays until it has its answer.
connect() { # connect SESSION [ARGS...]: prints New or Reused, and the version; the newest ticket is in SESSION after it
	local session=$1 out
	shift
	[ ! -e "$session" ] || set -- -sess_in "$session" "$@"
	: >"$files/client.out"
	out=$({
		cat "$files/request"
		until_true 5 grep -q '^HTTP/1.1 200' "$files/client.out" >&2
	} | lab exec client timeout $((10 * slow)) openssl s_client -connect "$vip:443" -servername vpn.example.net \
		-CAfile "$files/corp-ca.pem" -verify_return_error -sess_out "$session.next" "$@" 2>&1 | tee "$files/client.out")
	[ ! -e "$session.next" ] || mv "$session.next" "$session"
	grep -q '^HTTP/1.1 200' <<<"$out" || { printf '%s\n' "$out"; return 1; }
	grep -oE '^(New|Reused), TLSv1\.[23]' <<<"$out"
}
is() { [ "$(connect "${@:2}")" = "$1" ]; } # is "Reused, TLSv1.3" SESSION [ARGS...]
tickets() { asafo "$1" --json show ssl | jq -r ".session_tickets.$2"; }
mate_has() { [ "$(tickets "$1" mate_has_it)" = true ]; }
same_key() { [ "$(tickets a key)" = "$(tickets b key)" ]; }

pair_up
make_ca corp && make_p12 corp vpn && make_p12 corp renewed
leaf=$(fingerprint_of "$files/vpn.pem")
expect "a trustpoint" import a vpn vpn
expect "on both units" asafo a write-standby
expect "it is bound" asafo a bind vpn outside
expect "it is served" until_true 10 serves $vip corp "$leaf"
expect "the mate has the key of tickets" until_true 10 mate_has a
expect "(the same)" same_key

expect "a client's first handshake is whole" is "New, TLSv1.3" "$files/13"
expect "its second is short" is "Reused, TLSv1.3" "$files/13"
expect "with TLS 1.2, too" is "New, TLSv1.2" "$files/12" -tls1_2
expect "(the second)" is "Reused, TLSv1.2" "$files/12" -tls1_2
expect "after a HelloRetryRequest, too" is "New, TLSv1.3" "$files/retry" -groups P-521:X25519
expect "(the second)" is "Reused, TLSv1.3" "$files/retry" -groups P-521:X25519
expect "no early data is offered" sh -c "! openssl sess_id -in '$files/13' -noout -text | grep -i 'max early data: [1-9]'"

expect "a switchover" asafo b failover active
wait_state b Active
until_true 10 state_is a "Standby Ready"
expect "the client resumes on the other unit" is "Reused, TLSv1.3" "$files/13"
expect "with TLS 1.2, too" is "Reused, TLSv1.2" "$files/12" -tls1_2

# ---- another key ----
cp "$files/13" "$files/13.old" && cp "$files/12" "$files/12.old"
before=$(tickets b key)
refused "a standby makes none" 3 'active' asafo a session-tickets rotate
expect "the active unit makes another" asafo b session-tickets rotate
expect "it is another" test "$before" != "$(tickets b key)"
expect "the mate takes it" until_true 10 mate_has b
expect "(the same)" same_key
expect "a ticket of the key before resumes" is "Reused, TLSv1.3" "$files/13.old"
expect "with TLS 1.2, too" is "Reused, TLSv1.2" "$files/12.old" -tls1_2
rm -f "$files/fresh"
expect "a new client gets a ticket of the new key" is "New, TLSv1.3" "$files/fresh"
lab power b off
wait_state a Active
expect "the plug pulled: the new ticket resumes on the other unit" is "Reused, TLSv1.3" "$files/fresh"
expect "and that of the key before" is "Reused, TLSv1.3" "$files/13"
expect "what is forgotten" asafo a session-tickets rotate --forget
expect "resumes no more" is "New, TLSv1.3" "$files/fresh"
expect "neither does the older one" is "New, TLSv1.2" "$files/12" -tls1_2
lab power b on
wait_state b "Standby Ready"
expect "the mate that comes back takes the new key" until_true 15 mate_has a
expect "(the same)" same_key
kill -9 "$(pid_of a asafo-keeper)"
expect "a keeper that starts again has it" until_true 20 same_key
expect "and the client goes on with it" is "Reused, TLSv1.3" "$files/fresh"

# ---- another certificate ----
# The keeper that was killed may not be asked yet, and its absence may yet move the role.
renews() { active_or_asks a && import a vpn renewed --replace; }
expect "a renewal" until_true 30 renews
expect "is served" until_true 10 serves $vip corp "$(fingerprint_of "$files/renewed.pem")"
expect "who has a ticket of the one before is shown the new one" is "New, TLSv1.3" "$files/fresh"
expect "and resumes with that" is "Reused, TLSv1.3" "$files/fresh"
expect "show ssl --probe says that a client gets exactly that" grep -q "exactly that, at" <(asafo a show ssl --probe)
expect "(for programs, too)" sh -c "'$top/tools/lab' --name '$LAB' asafo a --json show ssl --probe |
	jq -e '.probed_at > 0 and (.served | length > 0 and all(.code == 0 and .tested_at > 0))'"
kill -STOP "$(pid_of a asafo-keeper)"
expect "a keeper that does not sign is found by it" exits 1 asafo a show ssl --probe
kill -CONT "$(pid_of a asafo-keeper)"
expect "show ssl counts them" sh -c "'$top/tools/lab' --name '$LAB' asafo a show ssl | grep -E 'by session tickets|Session tickets: key'"
done_testing

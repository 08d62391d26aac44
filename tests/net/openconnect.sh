# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The real OpenConnect as alice, from the lab's client to $vip: its words are in $files/openconnect, and $files/script (the
# test's own) sets its device octun up. After lib.sh.
: "${files:?}" "${vip:?}"
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

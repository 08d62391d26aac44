#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# asafo master-key: another one while the unit serves; from the file to a credential as systemd passes it, unsealed by a TPM
# (in software), and back.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
vip=198.51.100.10

pair_up
make_ca corp && make_p12 corp vpn
leaf=$(fingerprint_of "$files/vpn.pem")
expect "a trustpoint" import a vpn vpn
expect "on both units" asafo a write-standby
expect "it is bound" asafo a bind vpn outside
expect "a local CA on the standby, which nobody else has" asafo b localca create
expect "(the leaf is served)" until_true 10 serves $vip corp "$leaf"
file() { echo "/run/asafo-lab-$LAB/$1/state/keeper/master.key"; }
source_of() { asafo "$1" --json show security | jq -r .master_key.source; }
transitions() { asafo "$1" --json show failover history | jq '[.rows[] | select(.from != .to)] | length'; }

# ---- another one ----
for unit in a b; do
	cp "$(file $unit)" "$files/$unit.before"
	before="$(digest $unit) $(transitions $unit)"
	expect "unit $unit gets another master key while it is what it is" asafo $unit master-key rotate
	expect "it is another" exits 1 cmp -s "$(file $unit)" "$files/$unit.before"
	same "the old one has no name any more" "$(cd "$(dirname "$(file $unit)")" && echo master.key*)" master.key
	same "the keeper alone reads it" "$(stat -c %a "$(file $unit)")" 600
	same "what the pair shares is the same, and no state changed" "$(digest $unit) $(transitions $unit)" "$before"
done
expect "the leaf is served, signed after the change" serves $vip corp "$leaf"
make_p12 corp more
expect "it replicates" import a more more
expect "(write standby)" asafo a write-standby
expect "the pair has one digest" same_digest
kill -9 "$(pid_of b asafo-keeper)"
is_source() { [ "$(source_of "$1")" = "$2" ]; }
expect "a keeper that starts again opens the store" until_true 20 is_source b file
expect "and has its local CA" asafo b localca issue carol "$files/carol.p12" --passphrase-file "$files/vpn.pass"

# ---- as a credential, and back; what is printed is what root types, but for systemd's part ----
expect "what root types is printed" grep -q "systemd-creds encrypt" <(asafo b master-key move credential)
mkdir -m 700 "$files/credentials"
# tpm STATE encrypt|decrypt FROM TO: systemd-creds with a TPM, in software, that has its state there.
tpm() {
	mkdir -p "$1"
	# shellcheck disable=SC2016 # its own words
	lab exec client timeout $((30 * slow)) bash -c '
		ip link set lo up
		swtpm socket --tpm2 --tpmstate "dir=$1" --server type=tcp,port=2321,bindaddr=127.0.0.1 \
			--ctrl type=tcp,port=2322,bindaddr=127.0.0.1 --flags not-need-init,startup-clear &
		tpm=$!
		until ss -Htln sport = :2321 | grep -q .; do kill -0 $tpm || exit 9; done
		device=swtpm:host=127.0.0.1,port=2321 status=0
		if [ "$2" = encrypt ]; then
			systemd-creds encrypt --with-key=tpm2 --tpm2-device=$device --name=asafo.master-key "$3" "$4"
		else
			systemd-creds decrypt --tpm2-device=$device --name=asafo.master-key "$3" "$4"
		fi || status=1
		kill $tpm 2>/dev/null
		exit $status' tpm "$@" 2>&1
}
can_tpm() { command -v swtpm >/dev/null && tpm "$files/tpm" encrypt "$(file b)" "$files/sealed" >/dev/null; }
if can_tpm; then
	expect "a TPM unseals the credential" tpm "$files/tpm" decrypt "$files/sealed" "$files/credentials/asafo.master-key"
	holds_key() { xxd -p -c 100000 "$files/sealed" | grep -q "$(xxd -p -c 100000 "$(file b)")"; }
	expect "(in which the key is not in clear)" exits 1 holds_key
	expect "another machine's TPM does not" exits 1 tpm "$files/other-tpm" decrypt "$files/sealed" "$files/nothing"
	expect "(not a byte of it)" test ! -s "$files/nothing"
	expect "it is the key" cmp "$(file b)" "$files/credentials/asafo.master-key"
else
	echo "ok - a credential that a TPM seals # SKIP no swtpm, or a systemd-creds without libtss2-rc0"
	cp "$(file b)" "$files/credentials/asafo.master-key"
fi
restart() { # restart UNIT [CREDENTIALS]
	lab power "$1" off && (
		[ $# -eq 1 ] || export CREDENTIALS_DIRECTORY=$2
		lab power "$1" on
	) && until_true 20 state_is "$1" "Standby Ready"
}
expect "(unit b starts with the credential)" restart b "$files/credentials"
same "the credential goes before the file" "$(source_of b)" credential
expect "show security says that the file lies there, and what to type" \
	grep -q "Trouble: .*asafo master-key move credential" <(asafo b show security)
expect "it goes by that" asafo b master-key move credential
expect "from the disk" test ! -e "$(file b)"
expect "the credential alone opens the store" restart b "$files/credentials"
expect "unit a says both units' sources" grep -Pzq '(?s)This unit\n.*a file on this disk.*The mate\n.*the systemd credential' \
	<(asafo a show security)
same "for programs, too" "$(asafo a --json show security | jq -r .mate.master_key.source)" credential
refused "another one is not the service's to make then" 1 "move file" asafo b master-key rotate
expect "back to a file" asafo b master-key move file
expect "with the same key" cmp "$(file b)" "$files/credentials/asafo.master-key"
expect "which opens the store without the credential" restart b
same "(it is the file)" "$(source_of b)" file
cp "$files/b.before" "$files/credentials/asafo.master-key"
expect "a credential of yesterday keeps no unit out whose file is right" \
	restart b "$files/credentials"
expect "and show security says it" grep -q "is not this store's key" <(asafo b show security)
expect "the pair has one digest at the end" same_digest
done_testing

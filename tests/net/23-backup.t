#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A backup outlives the pair: made on one, restored on another that has nothing, replicated, and the same leaf is served.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
vip=198.51.100.10
backup=$files/pair.backup
printf 'a long passphrase\n' >"$files/backup.pass"
printf 'another\n' >"$files/wrong.pass"

says() { # says PATTERN COMMAND...: whatever its status
	local pattern=$1
	shift
	"$@" 2>&1 | grep -qE -- "$pattern"
}
restore() { asafo "$1" restore "$backup" --passphrase-file "$files/backup.pass" "${@:2}"; }
# What is kept of each: name, generation, fingerprint.
generations() { asafo "$1" --json history "$2" | jq -c '[.generations[] | [.generation, .fingerprint]]'; }
# Bytes of a trustpoint's or a CA's certificate, as they would lie in a file that is not sealed.
holds_der() { # holds_der FILE PEM
	local hex
	hex=$(openssl x509 -in "$2" -outform DER | xxd -p | tr -d '\n' | cut -c 200-280)
	xxd -p "$1" | tr -d '\n' | grep -q "$hex"
}
has_no_line() { ! asafo "$1" show running-config | grep -q "$2"; } # has_no_line UNIT PATTERN
holds_no_der() { ! holds_der "$@"; }

pair_up
make_ca corp && make_p12 corp vpn && make_p12 corp renewed && make_p12 corp web && make_p12 corp bound
renewed=$(fingerprint_of "$files/renewed.pem")
expect "a trustpoint" import a vpn vpn
expect "renewed" import a vpn renewed --replace
expect "another one" import a web web
expect "and one that may not be exported" import a locked bound --non-exportable
expect "bound" asafo a bind vpn outside
printf 'crypto ca alerts expiration begin 45 repeat 3\n' >"$files/lines"
expect "a line of the configuration" asafo a configure <"$files/lines"
expect "a local CA on this unit" asafo a localca create
expect "and what it issued" asafo a localca issue joe "$files/joe.p12" --name joe.example --passphrase-file "$files/vpn.pass"
expect "which stays home" asafo a import joe "$files/joe.p12" --passphrase-file "$files/vpn.pass"
expect "on both units" asafo a write-standby
expect "the renewed one is served" until_true 5 serves $vip corp "$renewed"
vpn_generations=$(generations a vpn)

refused "an output file that stands in no folder is named" 1 'cannot write' asafo a backup /nowhere/pair.backup --passphrase-file "$files/backup.pass"
refused "no passphrase, no backup" 1 'empty' asafo a backup "$backup" --passphrase-file /dev/null
expect "a backup says what is not in it" says 'locked is not in it' asafo a backup "$files/less" --passphrase-file "$files/backup.pass"
expect "(and that a unit's own is not)" says "1 of this unit's own" asafo a backup "$files/less" --passphrase-file "$files/backup.pass"
expect "a backup of everything is made" asafo a backup "$backup" --unit --non-exportable --passphrase-file "$files/backup.pass"
same "that only its owner reads" "$(stat -c %a "$backup")" 600
expect "and that shows no certificate" holds_no_der "$backup" "$files/renewed.pem"
expect "(and on the standby, too)" asafo b backup "$backup.b" --passphrase-file "$files/backup.pass"
refused "another passphrase is said to be one" 1 'not the passphrase' asafo a restore "$backup" --passphrase-file "$files/wrong.pass"
refused "it is restored on the active unit, which is named" 3 'do it on the active unit, the Primary' restore b
expect "what is there already is not written again" says '^Nothing to change: .* 3 the same' restore a
expect "the lines of the configuration are in it" says '^crypto ca alerts expiration begin 45 repeat 3' restore a --lines
head -c 700 "$backup" >"$files/cut"
refused "one that was cut off is none" 1 'damaged|in the middle' asafo a restore "$files/cut" --passphrase-file "$files/backup.pass"
cp "$backup" "$files/damaged" && printf 'x' | dd of="$files/damaged" bs=1 seek=$(($(stat -c %s "$backup") - 9)) conv=notrunc 2>/dev/null
refused "nor one that is damaged at its end" 1 'damaged' asafo a restore "$files/damaged" --passphrase-file "$files/backup.pass" --force
same "nothing of it is taken" "$(generations a vpn)" "$vpn_generations"

# Both units are lost, and others stand in their place.
expect "the pair is gone" lab down
printf 'crypto ca trustpoint other\n redundancy no\n' >"$files/other"
pair_up
expect "the new pair has a line of its own" asafo a configure <"$files/other"
expect "a dry run lists what would change" says '^\+ vpn, SHA-256' restore a --dry-run
expect "(and the lines, too)" says '^\+ crypto ca alerts expiration begin 45 repeat 3' restore a --dry-run
expect "(and those that go)" says '^- crypto ca trustpoint other: redundancy no' restore a --dry-run
expect "and stores nothing" has_not a vpn
expect "the backup is restored" restore a
expect "the standby gets it as any other" asafo a write-standby
expect "both units' digests are equal" until_true 5 same_digest
same "each generation is there" "$(generations a vpn)" "$vpn_generations"
same "on the standby, too" "$(generations b vpn)" "$vpn_generations"
expect "the line is in force on both units" says '^crypto ca alerts expiration begin 45 repeat 3' asafo b show running-config
expect "the same certificate is served" until_true 5 serves $vip corp "$renewed"
expect "what may not be exported came back" has b locked
refused "and still may not" 1 'not exportable' asafo a export locked --output "$files/locked.p12" --passphrase-file "$files/vpn.pass"
expect "what was the first unit's own is not shared" has_not a joe
expect "it comes back with --unit, which says that lines do not" says 'No line of the backup was applied' restore a --unit
expect "on that unit" has a joe
expect "and not on the other" has_not b joe
expect "the local CA is the one that it was" says 'joe' asafo a localca list
refused "on the other unit it is refused" 1 'made on the primary unit' restore b --unit
expect "bulk replication leaves it there" asafo a write-standby
expect "(where it is)" has_not b joe
expect "after a failover the standby serves it" asafo b failover active
wait_state b Active
expect "(the same certificate)" until_true 5 serves $vip corp "$renewed"

# What the pair has newer is not lost to a backup.
wait_state a "Standby Ready"
expect "renewed again on the new active" import b vpn web --replace
refused "a backup that is older is refused, by name" 1 'newer .*vpn' restore b
expect "but not where it is asked for" restore b --force
expect "the backup's is served" until_true 5 serves $vip corp "$renewed"
expect "and the one before it is a rollback away" asafo b rollback vpn
expect "(which is the newer one)" until_true 5 serves $vip corp "$(fingerprint_of "$files/web.pem")"
expect "--keep-config leaves the lines" asafo b configure < <(printf 'no crypto ca alerts expiration\n')
expect "(restored without them)" restore b --force --keep-config
expect "(so they stay away)" has_no_line b "^crypto ca alerts"
done_testing

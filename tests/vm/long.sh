# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034 # here, work, old and vip are set by the others, who use what is set here
# A machine's longer life: tests/vm/run --long. Each step finds a (the primary) active and b ready, both in order, and leaves
# them so. What systemd-creds loads for a TPM is installed.
long_packages=(libtss2-esys-3.0.2-0 libtss2-mu0 libtss2-rc0)

in_order() {
	becomes b 'Standby Ready'
	becomes a Active
	serves "the pair serves"
}
# boots UNIT: its agent answers again.
boots() {
	if boot_wait "$1"; then ok "$1 boots"; else not_ok "$1 boots"; fi
}
reboot_now() { # reboot_now UNIT: the power goes, as it does
	plug_pull "$1"
	power_on "$1" || not_ok "$1 is switched on"
}
# Beside a step: the failover IP is asked again and again, and each answer is noted.
watch_start() {
	: >"$work/answers"
	(while :; do
		if https "$vip" 200 >/dev/null; then echo "$EPOCHREALTIME" >>"$work/answers"; fi
		read -rt 0.1 <> <(:)
	done) &
	watcher=$!
}
watch_end() { # watch_end SENTENCE SECONDS: the longest time without an answer is below that
	local gap
	kill "$watcher" && wait "$watcher" 2>/dev/null
	gap=$(awk 'NR > 1 && $1 - last > gap { gap = $1 - last } { last = $1 } END { printf "%.1f", (NR > 9 ? gap : 999) }' "$work/answers")
	if awk -v "gap=$gap" -v "most=$2" 'BEGIN { exit gap >= most }'; then ok "$1"; else not_ok "$1"; fi
	echo "# $(wc -l <"$work/answers") answers; the longest time without one: $gap s, all emulated"
}

long_00_pair() {
	local unit code package=/root/asafo.deb
	[ -z "$old" ] || package=/root/older.deb
	for unit in a b; do
		expect "the package installs on $unit" $unit "apt-get install -y -qq $package >apt.log 2>&1 || { cat apt.log; exit 1; }"
		put $unit "$here/answer" /root/answer && put $unit "$work/vpn.p12" /root/vpn.p12
		set_up $unit 'chmod +x answer; echo secret >passphrase; chmod 600 passphrase
			cp /usr/share/doc/asafo/examples/startup-config /etc/asafo/
			echo "failover polltime unit 1 holdtime 5" >>/etc/asafo/startup-config'
	done
	set_up b 'sed -i "s/^failover lan unit primary/failover lan unit secondary/" /etc/asafo/startup-config'
	for unit in a b; do
		expect "it starts on $unit" $unit 'systemctl enable --now asafo'
	done
	set_up a 'systemd-run -q --unit=offer -p StandardOutput=file:/root/offer asafo pair'
	soon "asafo pair shows a code" a 20 'grep -E "([0-9A-Z]{5}-){4}[0-9A-Z]{5}" offer'
	code=$(on a 'grep -oE "([0-9A-Z]{5}-){4}[0-9A-Z]{5}" offer')
	expect "asafo pair --join" b "./answer 'shows:' '$code' 'asafo pair --join'"
	becomes a Active
	becomes b 'Standby Ready'
	expect "a trustpoint on both" a "asafo import vpn vpn.p12 --passphrase-file passphrase && asafo bind vpn outside &&
		asafo write-standby && asafo write-memory"
	serves "the pair serves"
}

long_10_upgrade() {
	local unit
	if [ -z "$old" ]; then
		ok "an upgrade # SKIP --old names no older package"
		return
	fi
	watch_start
	for unit in b a; do
		expect "$unit is upgraded, as the standby" $unit 'apt-get install -y -qq ./asafo.deb >apt.log 2>&1 || { cat apt.log; exit 1; }'
		expect "without a question or a complaint" $unit '! grep -iE "fail|error|cannot|warn|conffile" apt.log'
		becomes $unit 'Standby Ready'
		expect "it has the trustpoint" $unit 'asafo show trustpoints | grep vpn.example.net'
		expect "$unit takes over" $unit 'asafo failover active'
		becomes $unit Active
	done
	becomes b 'Standby Ready'
	watch_end "somebody served all the time" 10
	expect "an import after it" a 'asafo import more vpn.p12 --passphrase-file passphrase && asafo write-standby && asafo write-memory'
	expect "the older package goes over the newer one where apt is told so" b \
		'apt-get install -y -qq --allow-downgrades ./older.deb >apt.log 2>&1 || { cat apt.log; exit 1; }'
	becomes b 'Standby Ready'
	expect "it opens the store that the newer one wrote" b 'asafo show trustpoints | grep "^more"'
	expect "back to the newer one" b 'apt-get install -y -qq ./asafo.deb >apt.log 2>&1 || { cat apt.log; exit 1; }'
	in_order
	expect "(one trustpoint less)" a 'asafo remove more && asafo write-standby'
}

long_20_service() {
	refused "systemctl reload has nothing to do, and systemd says so" b 3 'reload is not applicable|not.*reload' 'systemctl reload asafo'
	expect "systemctl daemon-reload goes by it" b 'systemctl show asafo -p MainPID --value >pid; systemctl daemon-reload &&
		[ "$(systemctl show asafo -p MainPID --value)" = "$(cat pid)" ]'
	expect "systemctl kill -s KILL of all its processes" a 'systemctl kill -s KILL asafo'
	serves "the mate serves"
	becomes b Active
	becomes a 'Standby Ready'
	expect "systemd started it once" a '[ "$(systemctl show asafo -p NRestarts --value)" = 1 ]'
	set_up a 'asafo failover active'
	in_order
}

long_30_read_only() {
	expect "/etc becomes read-only" b 'mount --bind /etc /etc && mount -o remount,bind,ro /etc && ! touch /etc/here'
	expect "the service starts with it" b 'systemctl restart asafo'
	becomes b 'Standby Ready'
	refused "what writes there says why it cannot" b 1 'startup-config.*[Rr]ead-only' 'asafo write-memory'
	set_up b 'umount /etc; systemctl restart asafo'
	in_order
	expect "write-memory works again" b 'asafo write-memory'
}

# ---- hardware ----

# doc/security.md: the master key, sealed by the machine's TPM; what a thief of the disk has.
long_60_tpm() {
	local file=/var/lib/asafo/keeper/master.key
	tpm_of[b]=$work/tpm.b
	reboot_now b
	boots b
	becomes b 'Standby Ready'
	expect "systemd-creds finds the TPM" b 'systemd-creds has-tpm2 | grep -x +driver'
	expect "the printed steps are the TPM's" b 'asafo master-key move credential | sed -n "s/^  //p" >steps && grep with-key=tpm2 steps'
	expect "(a copy of the key, kept off the machine)" b "base64 $file >copy"
	on b 'cat copy' >"$work/copy"
	expect "they can be pasted" b 'sh -ex steps && rm copy'
	becomes b 'Standby Ready'
	expect "the key's file is gone" b "[ ! -e $file ]"
	expect "show security names the credential" b 'asafo show security | grep "systemd credential"'
	expect "what lies on the disk is not the key" b "! base64 -w0 /etc/credstore.encrypted/asafo.master-key | grep -qF '$(head -c 40 "$work/copy")'"
	set_up b 'systemctl reboot'
	boots b
	becomes b 'Standby Ready'
	expect "after a reboot it opened the store" b 'asafo --json show security | grep -o "\"source\":\"[a-z]*\"" | head -n 1 | grep credential'
	expect "it takes over" b 'asafo failover active'
	becomes b Active
	serves "and serves the trustpoint"
	expect "after another reboot of its, too" a 'asafo failover active'
	becomes a Active
	tpm_lost
}
# The disk in a machine with another TPM.
tpm_lost() {
	tpm_of[b]=$work/tpm.thief
	reboot_now b
	boots b
	soon "with another TPM the unit does not start" b 60 'journalctl -b -u asafo -o cat | grep "CREDENTIALS"'
	expect "systemd-creds gives no key" b '! systemd-creds decrypt --name=asafo.master-key /etc/credstore.encrypted/asafo.master-key key && [ ! -s key ]'
	expect "no file has it" b "[ ! -e /var/lib/asafo/keeper/master.key ] && [ -z \"\$(ls /run/credentials/asafo.service 2>/dev/null)\" ]"
	soon "the journal says what to do" b 20 'journalctl -b -u asafo -o cat | grep "asafo.master-key.*security.md"'
	expect "systemctl status shows it" b 'systemctl status asafo | grep "asafo.master-key.*security.md"'
	refused "the command says that nothing runs" b 4 'systemctl start asafo' 'asafo show failover'
	expect "the active unit goes on" a "[ \"\$($status_text)\" = Active ]"
	expect "with the copy the unit is back, as the document says" b "systemctl stop asafo
		base64 -d <<<'$(cat "$work/copy")' | install -m 600 -o asafo-keeper -g asafo-keeper /dev/stdin /var/lib/asafo/keeper/master.key
		rm /etc/systemd/system/asafo.service.d/master-key.conf /etc/credstore.encrypted/asafo.master-key
		systemctl daemon-reload && systemctl start asafo"
	in_order
	tpm_of[b]=
	reboot_now b
	boots b
	in_order
}

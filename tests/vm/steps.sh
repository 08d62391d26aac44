# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2154 # here and work are set by run
# What is done and looked at, in order. README.md's commands are typed as they stand there.
vip=198.51.100.10
n_ok=0 n_bad=0

ok() {
	n_ok=$((n_ok + 1))
	echo "ok $((n_ok + n_bad)) - $*"
}
not_ok() {
	n_bad=$((n_bad + 1))
	echo "not ok $((n_ok + n_bad)) - $*"
}
# expect SENTENCE UNIT SCRIPT: the script succeeds in the guest.
expect() {
	local out
	if out=$(on "$2" "$3"); then ok "$1"; else
		not_ok "$1"
		printf '%s\n' "$out" | tail -n 25 | sed 's/^/#   /'
	fi
}
# refused SENTENCE UNIT STATUS PATTERN SCRIPT: it ends with STATUS and says PATTERN.
refused() {
	local out status=0
	out=$(on "$2" "$5") || status=$?
	if [ "$status" -eq "$3" ] && grep -qiE -- "$4" <<<"$out"; then ok "$1"; else
		not_ok "$1"
		printf '#   status %s (wanted %s), wanted /%s/\n' "$status" "$3" "$4"
		printf '%s\n' "$out" | tail -n 25 | sed 's/^/#   /'
	fi
}
# soon SENTENCE UNIT SECONDS SCRIPT: it comes to succeed; the seconds are a bound, not a wait.
soon() {
	expect "$1" "$2" "end=\$((SECONDS + $3))
		until ($4) >/tmp/soon 2>&1; do
			[ \$SECONDS -lt \$end ] || { cat /tmp/soon; systemctl status asafo; exit 1; }
			timeout 0.3 tail -f /dev/null
		done
		true"
}
# set_up UNIT SCRIPT: what is no test.
set_up() { on "$@" >/dev/null; }
# client SENTENCE COMMAND...: the same for this host, a client outside; it may take a few tries.
client() {
	local sentence=$1 out end=$((SECONDS + 20))
	shift
	until out=$("$@" 2>&1); do
		if [ "$SECONDS" -ge "$end" ]; then
			not_ok "$sentence"
			printf '%s\n' "$out" | sed 's/^/#   /'
			return
		fi
		read -rt 0.1 <> <(:)
	done
	ok "$sentence"
}
status_text='systemctl show asafo -p StatusText --value'
becomes() { # becomes UNIT STATE
	soon "$1 is $2" "$1" 60 "[ \"\$($status_text)\" = '$2' ]"
}
pki_make() {
	(
		cd "$work" || exit 1
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=corp CA" \
			-addext basicConstraints=critical,CA:TRUE -keyout ca.key -out ca.pem
		openssl req -new -newkey rsa:2048 -nodes -subj /CN=vpn.example.net -keyout vpn.key -out vpn.csr
		openssl x509 -req -in vpn.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 365 -out vpn.pem \
			-extfile <(printf 'subjectAltName=DNS:vpn.example.net\nextendedKeyUsage=serverAuth\n')
		openssl pkcs12 -export -in vpn.pem -inkey vpn.key -certfile ca.pem -passout pass:secret -out vpn.p12
	) >"$work/pki.log" 2>&1
}
https() { # https ADDRESS STATUS: verified against the CA, with the name of the certificate
	local got
	got=$(curl -s --max-time 5 --cacert "$work/ca.pem" --connect-to "vpn.example.net:443:$1:443" -o "$work/body" \
		-w '%{http_code}' https://vpn.example.net/healthz)
	[ "$got" = "$2" ] || { echo "$1: HTTP $got, wanted $2"; return 1; }
}
serves() { # serves SENTENCE
	client "$1" https "$vip" 200
}

step_10_install() {
	local unit
	for unit in a b; do
		expect "the package installs on $unit" $unit 'apt-get install -y -qq /root/asafo.deb >apt.log 2>&1 || { cat apt.log; exit 1; }'
		expect "without a complaint" $unit '! grep -iE "fail|error|cannot|warn" apt.log'
		put $unit "$here/answer" /root/answer && set_up $unit 'chmod +x /root/answer'
	done
	expect "it makes the users, who cannot log in" a 'for u in engine keeper front; do
		[ "$(getent passwd asafo-$u | cut -d: -f7)" = /usr/sbin/nologin ] || exit 1; done'
	expect "it makes the groups" a 'getent group asafo asafo-admin'
	expect "the configuration's folder is the keeper's, too" a \
		'[ "$(stat -c "%a %U %G" /etc/asafo)" = "775 root asafo-keeper" ]'
	expect "the folders of hooks and track scripts are root's" a \
		'[ "$(stat -c "%a %U %G" /etc/asafo/hooks.d /etc/asafo/track.d | sort -u)" = "755 root root" ]'
	expect "the service is enabled" a 'systemctl is-enabled asafo'
	expect "but waits for a configuration" a \
		'[ "$(systemctl show asafo -p ActiveState -p ConditionResult --value | xargs)" = "inactive no" ]'
	refused "and the command says so" a 4 'systemctl start asafo' 'asafo show failover'
	expect "the documents are there" a 'ls /usr/share/man/man8/asafo.8.gz /usr/share/man/man8/asafod.8.gz \
		/usr/share/man/man5/startup-config.5.gz /usr/share/doc/asafo/examples/startup-config'
}

step_20_configuration() {
	local unit
	for unit in a b; do
		set_up $unit 'cp /usr/share/doc/asafo/examples/startup-config /etc/asafo/startup-config'
	done
	set_up b 'sed -i "s/^failover lan unit primary/failover lan unit secondary/" /etc/asafo/startup-config'
	expect "the example passes check-config" b 'asafo check-config /etc/asafo/startup-config'
	# An emulated processor stands still for longer than any hardware; half a second is no fault there.
	for unit in a b; do
		set_up $unit 'echo "failover polltime unit 1 holdtime 5" >>/etc/asafo/startup-config'
	done
	expect "so does it with longer timers" b 'asafo check-config /etc/asafo/startup-config'

	set_up a 'cp /etc/asafo/startup-config good; sed -i "s/nameif inside/nameiff inside/" /etc/asafo/startup-config'
	refused "a wrong line is named" a 2 'startup-config:[0-9]+:2: "nameiff"' 'asafo check-config /etc/asafo/startup-config'
	refused "the service does not start with it" a 1 'failed' 'systemctl start asafo'
	expect "it ended with 78, once" a \
		'[ "$(systemctl show asafo -p ExecMainStatus -p NRestarts --value | xargs)" = "0 78" ] ||
		 [ "$(systemctl show asafo -p ExecMainStatus -p NRestarts --value | xargs)" = "78 0" ]'
	expect "and is not started again" a '[ "$(systemctl show asafo -p ActiveState --value)" = failed ]'
	expect "its status names the line" a 'systemctl status asafo | grep "Status:.*startup-config:[0-9]*:2:.*nameiff"'
	expect "so does the journal" a 'journalctl -u asafo -o cat | grep "startup-config:[0-9]*:2:.*nameiff"'
	set_up a 'cp good /etc/asafo/startup-config; chown games /etc/asafo/startup-config'
	refused "nor with a file that is somebody else's" a 1 'failed' 'systemctl start asafo'
	expect "which its status says" a 'systemctl status asafo | grep "Status:.*belongs to root" &&
		[ "$(systemctl show asafo -p ExecMainStatus --value)" = 78 ]'
	set_up a 'chown root /etc/asafo/startup-config'
}

step_30_start() {
	local unit
	for unit in a b; do
		expect "systemctl enable --now asafo returns when $unit is ready" $unit \
			'systemctl enable --now asafo && systemctl is-active asafo'
		soon "the status of $unit says that there is no key, and what to do" $unit 20 \
			"$status_text | grep 'no failover key.*asafo pair'"
		expect "so does show failover" $unit 'asafo show failover | grep "no failover key.*asafo pair"'
		expect "so does the journal, once" $unit '[ "$(journalctl -b -u asafo -o cat | grep -c "^no failover key")" = 1 ]'
		soon "the interfaces that nobody set up are up" $unit 20 \
			'for i in ens3 ens4 ens5; do [ "$(cat /sys/class/net/$i/operstate)" = up ] || exit 1; done'
	done
	expect "no address is claimed" a '! ip address | grep -E "198\.51\.100|192\.0\.2"'
	expect "only the supervisor and the runner are root" a '[ "$(ps -eo user:20,comm | grep " asafo" | sort -u | xargs)" = \
		"asafo-auth asafo-auth asafo-engine asafo-engine asafo-fetch asafo-fetch asafo-front asafo-front asafo-keeper asafo-keeper asafo-pam asafo-pam root asafo-runner root asafod" ]'
	expect "each process is filtered and gets no new privileges" a 'for p in $(pidof asafo-engine asafo-keeper asafo-front asafo-auth asafo-fetch asafo-pam asafod); do
		grep -q "^NoNewPrivs:.1" /proc/$p/status && grep -q "^Seccomp:.2" /proc/$p/status || exit 1; done'
	expect "the keeper has no capability" a 'for p in $(pidof asafo-keeper); do
		grep -E "^Cap(Inh|Prm|Eff|Bnd|Amb):.*[1-9a-f]" /proc/$p/status && exit 1; done; true'
	expect "a front may bind low ports, no more" a 'for p in $(pidof asafo-front); do
		[ "$(grep -E "^Cap(Prm|Eff|Bnd):" /proc/$p/status | sed "s/.*://" | sort -u | xargs)" = 0000000000000400 ] || exit 1; done'
	expect "the store is the keeper's alone" a '[ "$(stat -c "%a %U" /var/lib/asafo/keeper)" = "700 asafo-keeper" ] &&
		! find /var/lib/asafo/keeper -perm /077 | grep .'
	expect "systemd-analyze security finds an exposure of at most 4.0" a \
		'systemd-analyze security --no-pager --threshold=40 asafo >exposure'
	echo "# $(on a 'tail -n 1 exposure')"
	expect "nothing failed" a '[ -z "$(systemctl --failed --no-legend --plain)" ]'
}

step_40_pair() {
	local code
	set_up a 'systemd-run -q --unit=offer -p StandardOutput=file:/root/offer asafo pair'
	soon "asafo pair shows a code" a 20 'grep -E "([0-9A-Z]{5}-){4}[0-9A-Z]{5}" offer'
	code=$(on a 'grep -oE "([0-9A-Z]{5}-){4}[0-9A-Z]{5}" offer')
	expect "asafo pair --join asks for it" b "./answer 'shows:' '$code' 'asafo pair --join'"
	becomes a Active
	becomes b 'Standby Ready'
	expect "show failover says so, too" a 'asafo show failover | grep "This host: Primary - Active" &&
		asafo show failover | grep "Other host: Secondary - Standby Ready"'
	expect "the active unit holds the active addresses" a 'ip address show ens3 | grep -q 198.51.100.10/24 &&
		ip address show ens3 | grep -q 2001:db8:100::10/64 && ip address show ens4 | grep -q 192.0.2.1/24'
	expect "the standby holds its own" b 'ip address show ens3 | grep -q 198.51.100.11/24 &&
		ip address show ens4 | grep -q 192.0.2.2/24'
}

step_50_import() {
	put a "$work/vpn.p12" /root/vpn.p12
	refused "a wrong passphrase is one" a 1 'wrong passphrase|passphrase is wrong' "./answer assphrase wrong 'asafo import vpn vpn.p12'"
	expect "asafo import asks for the passphrase" a "./answer assphrase secret 'asafo import vpn vpn.p12'"
	expect "bind" a 'asafo bind vpn outside'
	expect "write-standby" a 'asafo write-standby'
	expect "write-memory" a 'asafo write-memory'
	expect "the standby has it" b 'asafo show trustpoints | grep vpn.example.net'
	expect "both have the configuration on disk, replaced by the keeper" b 'grep -q "ssl trust-point vpn outside" \
		/etc/asafo/startup-config && [ "$(stat -c %U /etc/asafo/startup-config)" = asafo-keeper ]'
	expect "no key is in it" a '! grep -E "failover key [^*]" /etc/asafo/startup-config'
	expect "check-config takes what was written" a 'asafo check-config /etc/asafo/startup-config'
	serves "a client gets the certificate on the failover IP"
	client "over IPv6, too" https '[2001:db8:100::10]' 200
	client "the standby answers 503 with it" https 198.51.100.11 503
	expect "show ssl says what is served" a 'asafo show ssl | grep -E "^vpn +outside +any +[A-Za-z0-9]+ +[0-9a-f]{16}"'
}

step_60_access() {
	set_up a 'useradd -G asafo looker; useradd -G asafo-admin changer; useradd stranger'
	expect "a member of asafo may look" a 'runuser -u looker -- asafo show failover'
	refused "but not change" a 1 'asafo.WriteMemory may be called by root or a member of the group asafo-admin' \
		'runuser -u looker -- asafo write-memory'
	refused "nor hand over" a 1 'group asafo-admin' 'runuser -u looker -- asafo failover standby'
	expect "a member of asafo-admin may change" a 'runuser -u changer -- asafo write-memory'
	refused "others may not look" a 1 'root or a member of the group asafo or asafo-admin' \
		'runuser -u stranger -- asafo show failover'
	refused "nobody else reads the store" a 2 'denied' 'runuser -u looker -- ls /var/lib/asafo/keeper'
	refused "not even the engine" a 2 'denied' 'runuser -u asafo-engine -- ls /var/lib/asafo/keeper'
}

step_70_journal() {
	expect "messages have their number as a field" a \
		'journalctl -u asafo ASAFO_ID=104001 -o cat | grep "^%ASAFO-1-104001: (Primary) Switching to ACTIVE"'
	expect "and their process" a 'journalctl -u asafo ASAFO_PROCESS=engine -o cat | grep -c .'
	expect "what a front says arrives" a 'journalctl -u asafo | grep "front: interface outside.*serves vpn"'
}

step_71_fields() {
	expect "a change of role has its reason as a field" a \
		'journalctl -u asafo ASAFO_ID=104001 -o json | grep "\"ASAFO_REASON\":\"No Active unit found\""'
	expect "the unit, its state and its term, too" a 'journalctl -u asafo ASAFO_ID=104001 -o json |
		grep "\"ASAFO_UNIT\":\"Primary\"" | grep "\"ASAFO_STATE\":\"" | grep "\"ASAFO_TERM\":\"[0-9]"'
	expect "it is found by its message's identity" a \
		'journalctl MESSAGE_ID=6f1d0a7c54e94b3aa5af0c0de0104001 -o cat | grep "Switching to ACTIVE"'
	expect "what is said of an interface has its name" a 'journalctl -u asafo ASAFO_INTERFACE=outside -o cat | grep .'
}

step_72_hooks() {
	local unit
	for unit in a b; do
		set_up $unit 'cat >/etc/asafo/hooks.d/10-note <<"END"
#!/bin/sh
echo "$1 $2 $ASAFO_UNIT" >>/run/note
for folder in /usr /etc /var /boot /root; do
	! touch $folder/note || echo $folder >>/run/walls
done
true
END
cat >/etc/asafo/hooks.d/20-route <<"END"
#!/bin/sh
case $1 in
active) ip route replace 203.0.113.128/25 via 198.51.100.20 dev ens3 ;;
*) ip route delete 203.0.113.128/25 || true ;;
esac
END
cat >/etc/asafo/hooks.d/30-service <<"END"
#!/bin/sh
exec systemctl start --no-block note-$1.service
END
chmod 0755 /etc/asafo/hooks.d/[123]0-*
for role in active standby; do
	printf "[Service]\nType=oneshot\nExecStart=/usr/bin/touch /run/service-%s\n" $role \
		>/etc/systemd/system/note-$role.service
done
systemctl daemon-reload'
	done
	expect "a switchover" a 'asafo failover standby'
	becomes b Active
	becomes a 'Standby Ready'
	soon "a hook writes a file in /run" b 20 'grep -x "active standby secondary" /run/note'
	soon "on the other unit, too" a 20 'grep -x "standby active primary" /run/note'
	soon "a hook sets a route" b 20 'ip route show 203.0.113.128/25 | grep "via 198.51.100.20"'
	soon "a hook starts a service" b 20 'ls /run/service-active'
	soon "on the other unit, too" a 20 'ls /run/service-standby'
	expect "but writes none in the rest of the system" b '! cat /run/walls 2>/dev/null'
	for unit in a b; do
		expect "no hook failed on $unit" $unit '! journalctl -b -u asafo -o cat | grep -i "hook.*\(exit\|fail\|limit\|refused\)"'
	done
	set_up a 'asafo failover active'
	becomes a Active
	becomes b 'Standby Ready'
	for unit in a b; do
		set_up $unit 'rm /etc/asafo/hooks.d/[123]0-*'
	done
}

step_73_reload() {
	set_up b 'systemctl show asafo -p MainPID --value >pid; pidof asafo-engine >engine'
	expect "failover reload-standby is answered when the standby is ready again" a 'asafo failover reload-standby'
	expect "its engine is another one" b '[ "$(pidof asafo-engine)" != "$(cat engine)" ]'
	expect "its supervisor has the same number" b '[ "$(systemctl show asafo -p MainPID --value)" = "$(cat pid)" ]'
	becomes b 'Standby Ready'
	expect "systemd takes it for running, and had nothing to do" b \
		'[ "$(systemctl show asafo -p ActiveState -p SubState -p NRestarts --value | sort | xargs)" = "0 active running" ]'
	expect "the active unit went on" a "[ \"\$($status_text)\" = Active ]"
	expect "it can be stopped and started as before" b 'systemctl restart asafo'
	becomes b 'Standby Ready'
}

step_74_maintenance() {
	expect "maintenance on for the standby" b 'asafo maintenance on'
	expect "the active unit knows" a 'asafo show failover | grep "other unit is in maintenance"'
	set_up a 'systemctl stop asafo'
	soon "it sees its mate go" b 20 'asafo show failover | grep "Other host: Primary - "'
	expect "and does not take over" b 'timeout 3 tail -f /dev/null; ! ip address show ens3 | grep 198.51.100.10/'
	expect "until it is told to" b 'asafo failover active --force --yes'
	serves "it serves"
	set_up a 'systemctl start asafo'
	becomes a 'Standby Ready'
	expect "maintenance off" b 'asafo maintenance off'
	set_up a 'asafo failover active'
	becomes a Active
	becomes b 'Standby Ready'
}

neighbour_is() { # neighbour_is MAC: whom this host, a client, takes for the failover IP
	https "$vip" 200 && ip neighbour show "$vip" dev outside | grep -q "lladdr $1"
}
step_75_mac() {
	local unit
	expect "failover mac address" a 'asafo configure "failover mac address ens3 0200.5e00.0001 0200.5e00.0002"'
	client "the failover IP has the virtual MAC address" neighbour_is 02:00:5e:00:00:01
	expect "a switchover" a 'asafo failover standby'
	becomes b Active
	client "it moves with the address" neighbour_is 02:00:5e:00:00:01
	set_up a 'asafo failover active'
	becomes a Active
	becomes b 'Standby Ready'
	client "and back" neighbour_is 02:00:5e:00:00:01
	expect "no failover mac address" a 'asafo configure "no failover mac address ens3"'
	client "the device's own is used again" neighbour_is 52:54:00:00:01:01
	for unit in a b; do
		soon "its devices are gone from $unit" $unit 10 '! ip link show type macvlan | grep afv-'
		set_up $unit 'echo "install macvlan /bin/false" >/etc/modprobe.d/none.conf; rmmod macvlan'
	done
	set_up a 'asafo configure "failover mac address ens3 0200.5e00.0001"'
	soon "without the kernel's macvlan it says what to do" a 10 'journalctl -u asafo -o cat | grep "modprobe macvlan"'
	expect "so does show failover" a 'asafo show failover | grep "Trouble: the virtual MAC address of ens3.*modprobe macvlan"'
	client "the device's own is used meanwhile" neighbour_is 52:54:00:00:01:01
	expect "and nobody failed over for it" a "[ \"\$($status_text)\" = Active ]"
	set_up a 'asafo configure "no failover mac address ens3"'
	becomes a Active
	becomes b 'Standby Ready'
	for unit in a b; do
		set_up $unit 'rm /etc/modprobe.d/none.conf'
	done
}

step_80_stop() {
	local began
	began=$(date +%s%N)
	expect "systemctl stop on the active unit" a 'systemctl stop asafo'
	serves "the mate serves"
	echo "# $((($(date +%s%N) - began) / 1000000)) ms from the command to the mate's first answer, all emulated"
	becomes b Active
	expect "since it was told" b 'asafo show failover history | grep "Mate left in an orderly way"'
	expect "the addresses are released" a '! ip address | grep -E "198\.51\.100\.1[01]|192\.0\.2\."'
	refused "the command says that nothing runs" a 4 'systemctl start asafo' 'asafo show failover'
	expect "nothing is left running" a '[ -z "$(pidof asafod asafo-engine asafo-keeper asafo-front asafo-runner asafo-auth asafo-fetch asafo-pam)" ]'
	expect "systemctl start" a 'systemctl start asafo'
	becomes a 'Standby Ready'
	expect "systemctl restart on the active unit" b 'systemctl restart asafo'
	serves "the first unit serves again"
	becomes a Active
	becomes b 'Standby Ready'
}

step_81_killed() {
	expect "kill -9 of asafod on the active unit" a 'kill -9 $(systemctl show asafo -p MainPID --value)'
	serves "the mate serves"
	becomes b Active
	soon "systemd starts it again" a 60 '[ "$(systemctl show asafo -p NRestarts --value)" = 1 ] && systemctl is-active asafo'
	becomes a 'Standby Ready'
	expect "kill -9 of the engine" a 'kill -9 $(pidof asafo-engine)'
	soon "its supervisor starts it again" a 30 'pidof asafo-engine && journalctl -u asafo -o cat | grep "engine .* was killed by signal 9"'
	becomes a 'Standby Ready'
	expect "systemd had nothing to do" a '[ "$(systemctl show asafo -p NRestarts --value)" = 1 ]'
	soon "what the keeper said about it arrives" a 10 'journalctl -u asafo | grep "keeper: the channel to the engine"'
	expect "a supervisor that hangs" b 'kill -STOP $(systemctl show asafo -p MainPID --value)'
	soon "is ended by systemd's watchdog" b 90 '[ "$(systemctl show asafo -p NRestarts --value)" = 1 ] && systemctl is-active asafo &&
		journalctl -u asafo | grep -i "watchdog timeout"'
	serves "and somebody serves"
	soon "the pair is whole again" b 60 "$status_text | grep -E '^(Active|Standby Ready)$'"
	set_up a 'asafo failover active'
	becomes a Active
	becomes b 'Standby Ready'
}

step_82_reboot() {
	set_up a 'systemctl reboot'
	boot_wait a || not_ok "a boots again"
	serves "the mate serves while a unit boots"
	becomes a 'Standby Ready'
	becomes b Active
	expect "the trustpoint is there" a 'asafo show trustpoints | grep vpn.example.net'
	expect "the binding, too" a 'asafo show running-config | grep "ssl trust-point vpn outside"'
	expect "no key was said to be wrong meanwhile" b '! journalctl -b -u asafo | grep "refuses our failover key"'
}

step_83_plug() {
	plug_pull b
	serves "the plug of the active unit is pulled: the other serves"
	becomes a Active
	power_on b
	boot_wait b || not_ok "b boots with the disk it had"
	becomes b 'Standby Ready'
	expect "with the same digest" b 'asafo show failover | grep -E "(This|Other) host: +term" |
		sed "s/.*digest //" | sort -u | wc -l | grep -x 1'
}

# As `asafo master-key move credential` prints it, and with a key of the host's: these machines have no TPM.
step_84_master_key() {
	local file=/var/lib/asafo/keeper/master.key
	expect "another master key" b "sha256sum $file >before && asafo master-key rotate && ! sha256sum -c --status before"
	expect "the old key's file is gone" b "[ \"\$(ls /var/lib/asafo/keeper | grep -c master.key)\" = 1 ]"
	expect "the steps are printed" b 'asafo master-key move credential | sed -n "s/^  //p" >steps && grep -q with-key=host steps'
	expect "and can be pasted" b 'sh -ex steps'
	becomes b 'Standby Ready'
	expect "the credential opened the store" b "asafo --json show security | grep -o '\"source\":\"[a-z]*\"' | head -n 1 | grep credential"
	expect "and the file is gone" b "[ ! -e $file ]"
	set_up b 'systemctl restart asafo'
	becomes b 'Standby Ready'
	refused "another one is not the service's to make then" b 1 'move file' 'asafo master-key rotate'
	expect "as a file again" b "asafo master-key move file | sed -n 's/^  //p' >steps && [ -s $file ] && sh -ex steps"
	becomes b 'Standby Ready'
	expect "it is the file" b "asafo --json show security | grep -o '\"source\":\"[a-z]*\"' | head -n 1 | grep file"
}

step_90_upgrade() {
	expect "the package is installed again" b 'apt-get install -y -qq --reinstall /root/asafo.deb >apt.log 2>&1 || { cat apt.log; exit 1; }'
	becomes b 'Standby Ready'
	expect "the configuration and the store stayed" b 'asafo show trustpoints | grep vpn.example.net &&
		[ "$(stat -c "%a %G" /etc/asafo)" = "775 asafo-keeper" ]'
}

step_91_purge() {
	expect "remove stops the service" a 'apt-get remove -y -qq asafo >apt.log 2>&1 && [ -z "$(pidof asafod)" ]'
	serves "the mate serves"
	becomes b Active
	expect "the configuration and the store are kept" a 'ls /etc/asafo/startup-config /var/lib/asafo/keeper/store'
	expect "installed again, it is a unit of the pair again" a 'apt-get install -y -qq /root/asafo.deb >apt.log 2>&1'
	becomes a 'Standby Ready'
	expect "purge" a 'apt-get purge -y -qq asafo >apt.log 2>&1'
	expect "takes the keys and the configuration with it" a '! ls -d /etc/asafo /var/lib/asafo /run/asafo 2>/dev/null | grep .'
	expect "and leaves no unit behind" a '! systemctl cat asafo 2>/dev/null && [ -z "$(find /etc/systemd -name "asafo*")" ]'
	expect "the mate goes on" b "[ \"\$($status_text)\" = Active ]"
}

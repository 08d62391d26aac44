# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2154 # here and work are set by run
# Two virtual machines and the three cables between them. The cables are bridges in the caller's own network namespace,
# which this host shares as 198.51.100.20 outside, so that nothing leaves it and the kernel clears it up.
guest_packages=(systemd systemd-sysv udev dbus kmod iproute2 procps openssl curl linux-image-cloud-amd64)
cables=(outside inside fover)
declare -A pid_of=() to=() from=()
# tpm_of[a] is the folder of the TPM that a machine has.
declare -A tpm_of=() tpm_pid_of=()

# ---- the disk ----

# Debian as it is installed, with what the package depends on, but without the package.
base_make() { # base_make FILE DEPENDENCIES...
	local file=$1
	shift
	[ -s "$file" ] && return
	echo "# makes a Debian 12 once: $file"
	mmdebstrap --quiet --format=tar --variant=minbase --include="$(IFS=,; echo "${guest_packages[*]},$*")" \
		bookworm "$file.new" ${ASAFO_VM_MIRROR:+"$ASAFO_VM_MIRROR"} >&2 && mv "$file.new" "$file"
}

disk_make() { # disk_make FILE BASE DEB [OLD]
	local root=$work/root unit
	mkdir -p "$root" && tar -xf "$2" -C "$root" || return 1
	install -m 0755 "$here/agent" "$root/usr/local/sbin/vm-agent"
	install -m 0644 "$3" "$root/root/asafo.deb"
	[ -z "${4-}" ] || install -m 0644 "$4" "$root/root/older.deb"
	unit=$root/etc/systemd/system/vm-agent.service
	cat >"$unit" <<-'TEXT'
		[Unit]
		After=dev-virtio\x2dports-asafo.vm.device
		Requires=dev-virtio\x2dports-asafo.vm.device
		[Service]
		ExecStart=/usr/local/sbin/vm-agent
		Environment=HOME=/root
		KillMode=process
		[Install]
		WantedBy=multi-user.target
	TEXT
	printf 'SUBSYSTEM=="virtio-ports", TAG+="systemd"\n' >"$root/etc/udev/rules.d/90-vm.rules"
	printf '/dev/vda / ext4 defaults 0 1\n' >"$root/etc/fstab"
	rm -f "$root/etc/resolv.conf"
	systemctl --root="$root" --quiet enable vm-agent.service || return 1
	systemctl --root="$root" --quiet mask apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer || return 1
	cp "$root"/boot/vmlinuz-* "$work/vmlinuz" && cp "$root"/boot/initrd.img-* "$work/initrd" || return 1
	mke2fs -q -t ext4 -L root -d "$root" "$1" 1500M >/dev/null && rm -rf "$root"
}

# ---- the cables ----

cables_make() {
	local cable unit
	ip link set lo up
	for cable in "${cables[@]}"; do
		ip link add "$cable" type bridge mcast_snooping 0 && ip link set "$cable" up || return 1
		for unit in a b; do
			ip tuntap add "$unit-$cable" mode tap && ip link set "$unit-$cable" master "$cable" up || return 1
		done
	done
	ip address add 198.51.100.20/24 dev outside
	ip address add 2001:db8:100::20/64 dev outside nodad
}

# ---- the power ----

# A TPM ends when its machine does; what it sealed with stays in its folder.
tpm_on() { # tpm_on UNIT
	mkdir -p "${tpm_of[$1]}"
	rm -f "$work/$1.tpm"
	swtpm socket --tpm2 --tpmstate "dir=${tpm_of[$1]}" --ctrl "type=unixio,path=$work/$1.tpm" --terminate \
		>"$work/$1.swtpm" 2>&1 </dev/null &
	tpm_pid_of[$1]=$!
	until [ -S "$work/$1.tpm" ]; do
		kill -0 "${tpm_pid_of[$1]}" 2>/dev/null || return 1
		read -rt 0.1 <> <(:)
	done
	true
}
# ens3, ens4 and ens5 are what udev calls the slots 3, 4 and 5.
power_on() { # power_on UNIT
	local unit=$1 n cable devices=()
	for n in "${!cables[@]}"; do
		cable=${cables[n]}
		devices+=(-netdev "tap,id=$cable,ifname=$unit-$cable,script=no,downscript=no")
		devices+=(-device "virtio-net-pci,netdev=$cable,addr=$((3 + n)),mac=52:54:00:00:0$((n + 1)):0$([ "$unit" = a ] && echo 1 || echo 2),romfile=")
	done
	if [ -n "${tpm_of[$unit]-}" ]; then
		tpm_on "$unit" || return 1
		devices+=(-chardev "socket,id=tpm,path=$work/$unit.tpm" -tpmdev "emulator,id=tpm,chardev=tpm" -device "tpm-tis,tpmdev=tpm")
	fi
	qemu-system-x86_64 -accel tcg -cpu max -m 512 -nodefaults -display none -name "$unit" \
		-kernel "$work/vmlinuz" -initrd "$work/initrd" \
		-append "root=/dev/vda ro console=ttyS0 quiet systemd.show_status=0 panic=1" \
		-drive "file=$work/$unit.qcow2,if=none,id=disk,cache=writeback" -device virtio-blk-pci,drive=disk,addr=6 \
		-device virtio-serial-pci,addr=7 -chardev "pipe,id=agent,path=$work/$unit.agent" \
		-device virtserialport,chardev=agent,name=asafo.vm \
		-device virtio-rng-pci,addr=8 -serial "file:$work/$unit.console" "${devices[@]}" \
		>"$work/$unit.qemu" 2>&1 </dev/null &
	pid_of[$unit]=$!
}

plug_pull() { # plug_pull UNIT
	kill -KILL "${pid_of[$1]}" 2>/dev/null
	wait "${pid_of[$1]}" 2>/dev/null
	unset "pid_of[$1]"
	[ -z "${tpm_pid_of[$1]-}" ] || wait "${tpm_pid_of[$1]}"
	unset "tpm_pid_of[$1]"
}

boot_wait() { # boot_wait UNIT
	local word
	while read -r -t 300 -u "${from[$1]}" word _; do
		[ "$word" = ready ] && return
	done
	echo "# $1 did not boot:"
	tail -n 30 "$work/$1.console" "$work/$1.qemu" | sed 's/^/#   /'
	return 1
}

machines_make() {
	local unit fd
	for unit in a b; do
		qemu-img create -q -f qcow2 -b "$work/disk" -F raw "$work/$unit.qcow2" || return 1
		mkfifo "$work/$unit.agent.in" "$work/$unit.agent.out" || return 1
		exec {fd}<>"$work/$unit.agent.in"
		to[$unit]=$fd
		exec {fd}<>"$work/$unit.agent.out"
		from[$unit]=$fd
		power_on "$unit"
	done
}

machines_end() {
	local unit
	for unit in "${!pid_of[@]}"; do
		plug_pull "$unit"
	done
}

# ---- words to a guest ----

# on UNIT SCRIPT: runs it in the guest as root; its output and its exit status.
on() {
	local unit=$1 id=$BASHPID.$EPOCHREALTIME word status text
	printf '%s %s\n' "$id" "$(base64 -w0 <<<"$2")" >&"${to[$unit]}"
	while read -r -t 180 -u "${from[$unit]}" word status text; do
		[ "$word" = "$id" ] || continue
		[ -z "$text" ] || printf '%s\n' "$(base64 -d <<<"$text")"
		return "$status"
	done
	echo "(no answer from $unit)"
	return 255
}
put() { # put UNIT FILE NAME: a copy in the guest
	on "$1" "base64 -d >'$3' <<'END'
$(base64 "$2")
END"
}

# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# For benches that compare programs: each runs in a control group of its own, where the CPU time of all of its processes is
# counted to the nanosecond, also of those that have ended.

exec 9<><(:)
pause() { read -rt 0.02 -u 9 _ || :; }

bench_groups=$$
# Version 1 has a tree that counts; version 2 counts everywhere.
if [ -d /sys/fs/cgroup/cpuacct ]; then group_root=/sys/fs/cgroup/cpuacct; else group_root=/sys/fs/cgroup; fi
group_dir() { echo "$group_root/asafo-bench-$bench_groups-$1"; }
# Makes this very shell the command, on processor 0.
group_exec() { # GROUP COMMAND...
	local dir
	dir=$(group_dir "$1")
	mkdir -p "$dir"
	echo $BASHPID >"$dir/cgroup.procs"
	shift
	exec taskset -c 0 "$@" </dev/null >/dev/null 2>&1 9>&-
}
in_group() { (group_exec "$@"); }
# The same for a server, in the background. Its end is for the script to see, not for the shell to tell.
serve_in_group() {
	group_exec "$@" &
	disown $!
}
group_cpu_ns() {
	local dir
	dir=$(group_dir "$1")
	if [ -e "$dir/cpuacct.usage" ]; then cat "$dir/cpuacct.usage"; else awk '$1 == "usage_usec" {print $2 * 1000}' "$dir/cpu.stat"; fi
}
group_pids() { cat "$(group_dir "$1")/cgroup.procs"; }
group_pss_kb() {
	local pid
	for pid in $(group_pids "$1"); do sed -n 's/^Pss: *\([0-9]*\).*/\1/p' "/proc/$pid/smaps_rollup" 2>/dev/null || :; done |
		awk '{n += $1} END {print n + 0}'
}
# Ends what still runs in them.
groups_remove() {
	local dir pids
	for dir in "$group_root/asafo-bench-$bench_groups-"*; do
		[ -d "$dir" ] || continue
		for _ in 1 2 3 4 5 6 7 8 9 10; do
			mapfile -t pids <"$dir/cgroup.procs"
			((${#pids[@]} > 0)) || break
			kill -KILL "${pids[@]}" 2>/dev/null || :
			pause
		done
		rmdir "$dir" 2>/dev/null || :
	done
}

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What nobody should do to the sockets: garbage, huge requests, idle and vanishing clients, crowds, and who may not call at
# all. Thousands of operations later no process holds a descriptor more.
# long: thousands of requests
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
control=/run/asafo-lab-$LAB/a/run/control
processes=(asafod asafo-keeper asafo-engine asafo-front asafo-runner asafo-auth asafo-fetch asafo-pam)
descriptors() {
	local process
	for process in "${processes[@]}"; do
		find "/proc/$(pid_of a "$process")/fd" -mindepth 1 | wc -l
	done | tr '\n' ' '
}
memory_kb() {
	local process
	for process in "${processes[@]}"; do awk '/^VmRSS/ { print $2 }' "/proc/$(pid_of a "$process")/status"; done |
		awk '{ n += $1 } END { print n }'
}
same_descriptors() { [ "$(descriptors)" = "$before" ]; }

pair_up
make_ca corp && make_p12 corp vpn && make_p12 corp more
expect "a trustpoint" import a vpn vpn
expect "on both units" asafo a write-standby
pids=$(for process in "${processes[@]}"; do pid_of a "$process"; done)
until_true 5 serves 198.51.100.10 corp "$(fingerprint_of "$files/vpn.pem")"

also_remove+=("/tmp/asafo-$LAB")
install -m 0755 "$ASAFO_BUILD/asafo" /tmp/asafo-"$LAB"
as_nobody() { ASAFO_CONTROL=$control setpriv --reuid 65534 --regid 65534 --clear-groups /tmp/asafo-"$LAB" "$@"; }
refused "nobody may not look" 1 'group|root' as_nobody show failover
refused "nor change" 1 'group|root' as_nobody remove vpn
expect "(it is there)" has a vpn

# Who may look may not change anything on the mate by way of exec, either. The group is made for unit b alone.
looks=62999
cp /etc/group "$files/group" && printf 'asafo:x:%s:\n' $looks >>"$files/group"
lab power b off
unshare -m bash -c 'mount --bind "$1" /etc/group && shift && exec "$@"' - "$files/group" \
	"$top/tools/lab" --name "$LAB" power b on >/dev/null
wait_state b "Standby Ready"
as_looker() {
	ASAFO_CONTROL=/run/asafo-lab-$LAB/b/run/control setpriv --reuid 65534 --regid $looks --clear-groups \
		/tmp/asafo-"$LAB" "$@"
}
expect "who may look may look" as_looker show state
expect "at the mate, too" as_looker failover exec mate show state
user_make() { asafo a configure <<<"username anna password right-1"; }
hashes() { "$@" | sed -n 's/^username anna password //p'; }
is_hash() { [[ $(hashes asafo b show running-config) == '$y$'* ]]; }
expect "a user" user_make
expect "(root sees the hash of the password)" until_true 10 is_hash
same "who may look does not" "$(hashes as_looker show running-config)" "*****"
same "nor at the mate" "$(hashes as_looker failover exec mate show running-config)" "*****"
expect "and can compare the units all the same" as_looker show failover diff
for command in "failover standby --force --yes" "maintenance on" "failover reload-standby" "clear failover statistics" \
	"write-standby" "write-memory" "remove vpn --force" "bind more"; do
	# shellcheck disable=SC2086
	refused "but not change by exec: $command" 1 'may be called by' as_looker failover exec mate $command
done
expect "(nothing happened)" has a vpn
expect "(a serves)" state_is a Active
rm -f /tmp/asafo-"$LAB"

cat >"$files/abuse.py" <<'PYTHON'
import json, os, random, socket, struct, sys

path, what = sys.argv[1:3]
random.seed(1)

def connect():
    # A full queue of connections is waited for; a Python time-out would make it an error instead.
    s = socket.socket(socket.AF_UNIX)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 20, 0))
    s.connect(path)
    s.settimeout(20)
    return s

def call(method):
    return json.dumps({"method": "asafo." + method, "parameters": {}}).encode() + b"\0"

if what == "operations":
    s, rest, shows = connect(), b"", ["ShowFailover", "ShowTrustpoints", "ShowState", "ShowHistory", "ShowRunningConfig"]
    for _ in range(200):
        s.sendall(b"".join(map(call, shows * 10)))
        for _ in range(50):
            while b"\0" not in rest:
                piece = s.recv(65536)
                assert piece, "hung up"
                rest += piece
            answer, rest = rest.split(b"\0", 1)
            assert "error" not in json.loads(answer), answer
elif what == "garbage":
    for i in range(1000):
        s = connect()
        data = random.choice([
            random.randbytes(random.randint(1, 5000)),
            b'{"method":"asafo.ShowFailover","parameters":' + b"[" * random.randint(1, 3000) + b"\0",
            b'{"method":"asafo.Import","parameters":{"name":"x","file":0}}\0',
            b'{"method":5}\0', b"\0" * 100, b"{}\0", b'"' * 400 + b"\0"])
        try:
            s.sendall(data)
            if i % 2:
                s.recv(100)
        except OSError:
            pass
        s.close()
elif what == "huge":
    s, sent = connect(), 0
    try:
        while sent < 1 << 26:
            sent += s.send(b"x" * 65536)
        sys.exit("it took everything")
    except OSError:
        assert b"larger" in s.recv(1000)
elif what == "vanish":
    for _ in range(500):
        s = connect()
        s.sendall(call(random.choice(["ShowTrustpoints", "WriteStandby", "ShowFailover", "PairOffer"])))
        s.close()
elif what == "crowd":
    crowd = [connect() for _ in range(100)]
    idle = connect()
    answered = 0
    for s in crowd:
        try:
            s.sendall(call("ShowState"))
            answered += b"\0" in s.recv(65536)
        except OSError:
            pass
    assert answered >= 32, answered
elif what == "deaf":
    s = connect()
    s.setblocking(False)
    try:
        while True:
            s.send(call("ShowFailover"))
    except OSError:
        pass
PYTHON
abuse() { python3 "$files/abuse.py" "$control" "$1"; }
expect "once, so that what is made at first use is made" abuse operations
# Not those of a connection that is being closed.
at_rest() { descriptors >"$files/rest" && [ "$(descriptors)" = "$(cat "$files/rest")" ]; }
until_true 10 at_rest || not_ok "the processes come to rest"
before=$(cat "$files/rest") kb=$(memory_kb)
for what in operations garbage huge vanish crowd deaf; do
	expect "control: $what" abuse $what
	expect "control: (it answers others)" asafo a show state
done
for n in 1 2 3 4 5 6 7 8 9 10; do
	expect "import $n with --replace" import a loop "$([ $((n % 2)) -eq 0 ] && echo vpn || echo more)" --replace
done >"$files/loop.log"
expect "imports in a row" test "$(grep -c '^ok' "$files/loop.log")" -eq 10
switchovers() {
	local unit
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
		for unit in b a; do
			until_true 10 state_is "$unit" "Standby Ready" && asafo "$unit" failover active || return 1
		done
	done
}
expect "thirty switchovers" switchovers
until_true 10 state_is b "Standby Ready"
for port in 443 5105; do
	lab exec client timeout 20 python3 - $port >/dev/null 2>&1 <<'PYTHON'
import os, socket, sys
held = []
for i in range(600):
    s = socket.socket()
    s.settimeout(2)
    try:
        s.connect(("198.51.100.10", int(sys.argv[1])))
        if i % 2:
            s.sendall(os.urandom(700))
            s.close()
        else:
            held.append(s)
    except OSError:
        s.close()
PYTHON
	lab exec client timeout 20 python3 - >/dev/null 2>&1 <<'PYTHON'
import os, socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("198.51.100.20"))
for i in range(3000):
    head = b"AFHO" + bytes([1 + i % 3, i % 2, 1, 0]) if i % 2 else b""
    s.sendto(head + os.urandom(i % 900), ("224.0.0.105", 5105))
PYTHON
done
expect "random bytes on TCP 443, 5105 and the hellos' group: the leaf is served" until_true 20 \
	serves 198.51.100.10 corp "$(fingerprint_of "$files/vpn.pem")"
same "nobody died" "$(for process in "${processes[@]}"; do pid_of a "$process"; done)" "$pids"
expect "no process holds a descriptor more" until_true 20 same_descriptors
# A sanitizer keeps what was freed for a while, to find a use after it: its memory says nothing about ours.
[ "$slow" -gt 1 ] ||
	expect "and the memory did not grow with the operations ($kb to $(memory_kb) KiB)" test "$(memory_kb)" -lt $((kb + 8192))
state_is a Active && state_is b "Standby Ready" || not_ok "the pair stands"
expect "write standby works" asafo a write-standby
expect "a flood of hellos is a line or two in the log" test "$(grep -c 'hello refused' "/run/asafo-lab-$LAB/a/log")" -lt 5
done_testing

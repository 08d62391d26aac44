#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# No key, no passphrase in clear: on the disks (raw, with free pages and deleted files), in cores, logs, /proc and on the
# link, over import, bulk, import-time replication, rekey and failover. The same search finds what was planted.
# long: it looks through disks and memories
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
state=/run/asafo-lab-$LAB
pass='Korrekt-Pferd-Batterie-Klammer'
capture=
end_of_test() {
	[ -z "$capture" ] || kill "$capture" 2>/dev/null
	for unit in a b; do lab power $unit off >/dev/null 2>&1; done
	umount "$state/a/state" "$state/b/state" 2>/dev/null
	cleanup
}
trap end_of_test EXIT

# ---- disks that can be read as a thief reads them ----
lab up >"$files/up.log" 2>&1 || sed 's/^/# /' "$files/up.log"
for unit in a b; do lab power $unit off; done
is_image=true
for unit in a b; do
	truncate -s 64M "$files/$unit.img" && mkfs.ext4 -q "$files/$unit.img"
	mount -o loop,nodiscard "$files/$unit.img" "$state/$unit/state" 2>/dev/null || is_image=false
done
$is_image || {
	umount "$state/a/state" 2>/dev/null
	echo "# no loop devices here: the folders of the stores are searched, not the raw disks"
}
lab exec a timeout 600 tcpdump -U -i eth2 -w "$files/link.pcap" >/dev/null 2>&1 &
capture=$!
for unit in a b; do lab power $unit on; done
wait_state a Active
wait_state b "Standby Ready"

# ---- what happens ----
make_ca corp && make_p12 corp rsa "$pass" && make_p12 corp more "$pass"
openssl ecparam -name prime256v1 -genkey -noout -out "$files/ec.key"
openssl req -x509 -new -key "$files/ec.key" -subj /CN=ec.example.net -days 30 -addext subjectAltName=DNS:ec.example.net \
	-out "$files/ec.pem"
printf '%s\n' "$pass" >"$files/ec.pass"
openssl pkcs12 -export -in "$files/ec.pem" -inkey "$files/ec.key" -passout "pass:$pass" -out "$files/ec.p12"
expect "an import (RSA)" import a rsa rsa
expect "an import (ECDSA)" import a ec ec
expect "a bulk replication" asafo a write-standby
expect "import-time replication" asafo a configure "failover replication trustpoint sync"
expect "(of a renewal)" import a rsa more --replace
expect "a rekey" asafo a rekey
expect "(a binding)" asafo a bind rsa outside
expect "(the leaf is served and signed)" until_true 10 serves 198.51.100.10 corp "$(fingerprint_of "$files/more.pem")"
expect "a removal" asafo a remove ec --force
expect "a failover" asafo b failover active
wait_state b Active
wait_state a "Standby Ready"
expect "and back" asafo a failover active
wait_state a Active
until_true 10 state_is b "Standby Ready"

# ---- what is looked for: each in the forms in which it could lie around ----
cat >"$files/needles.py" <<'PYTHON'
import base64, re, subprocess, sys
files, out = sys.argv[1], open(sys.argv[2], "w")
def needle(name, data):
    size = len(data) - 24
    for at in {0, size // 2, size} if size > 0 else {0}:  # pieces, since a page may end in the middle
        piece = data[at:at + 24]
        if len(piece) >= 12 and len(set(piece)) > 4:
            out.write(f"{name} {piece.hex()}\n")
def number(name, data):
    needle(name, data)
    needle(name + "-reversed", data[::-1])                # as a library for large numbers keeps it
def der(path):
    return subprocess.run(["openssl", "pkcs8", "-topk8", "-nocrypt", "-in", path, "-outform", "DER"],
                          capture_output=True, check=True).stdout
def text(path):
    return subprocess.run(["openssl", "pkey", "-in", path, "-text", "-noout"], capture_output=True, check=True).stdout.decode()
for key in ("rsa", "more", "ec"):
    path = f"{files}/{key}.key"
    for field, body in re.findall(r"^(\w+):\n((?:    [0-9a-f:]+\n)+)", text(path), re.M):
        if field in ("privateExponent", "prime1", "prime2", "exponent1", "exponent2", "coefficient", "priv"):
            number(f"{key}-{field}", bytes.fromhex(re.sub(r"[^0-9a-f]", "", body)))
    for line in base64.encodebytes(der(path)[600:750] if key != "ec" else der(path)[36:84]).split()[:1]:
        needle(f"{key}-base64", line)
    pem = open(path).read().split("\n")
    for line in [l for l in pem if len(l) == 64][9:12]:
        needle(f"{key}-pem", line.encode())
needle("passphrase", b"Korrekt-Pferd-Batterie-Klammer")
for name in sys.argv[3:]:
    needle("master-key", open(name, "rb").read())
PYTHON
python3 "$files/needles.py" "$files" "$files/needles" "$state"/[ab]/state/keeper/master.key
expect "there is something to look for" test "$(wc -l <"$files/needles")" -gt 60
cat >"$files/search.py" <<'PYTHON'
import sys
names = {}
for line in open(sys.argv[1]):
    name, data = line.split()
    names.setdefault(bytes.fromhex(data), name)
skip = set(filter(None, sys.argv[2].split(",")))
found, empty = set(), bytes(4096)
for path in sys.argv[3:]:
    with open(path, "rb") as file:  # empty pages hold nothing, and are most of a disk
        data = b"".join(page for page in iter(lambda: file.read(4096), b"") if page != empty)
    found.update(f"{name} in {path.rsplit('/', 1)[-1]}" for needle, name in names.items() if name not in skip and needle in data)
print("\n".join(sorted(found)))
PYTHON
search() { # search NEEDLES-THAT-MAY-BE-THERE FILE...
	python3 "$files/search.py" "$files/needles" "$@" | head -n 10
}
python3 - "$files/needles" "$files/planted" <<'PYTHON'
import sys
lines = open(sys.argv[1]).read().split("\n")
with open(sys.argv[2], "wb") as file:
    file.write(b"x" * 4093 + bytes.fromhex([l for l in lines if l.startswith("more-prime2 ")][1].split()[1]) + b"y" * 99)
PYTHON
same "the search finds a piece of a prime that was planted" "$(search '' "$files/planted")" "more-prime2 in planted"
cat "$files/planted" >"$state/b/state/planted"
sync -f "$state/b/state"
rm "$state/b/state/planted"

security=$(asafo a --json show security)
same "show security says how the keys are kept" \
	"$(jq -r '[.master_key.source, .master_key.file_mode, .keeper_memory.locked, .keeper_memory.dumpable, .keeper_memory.core_limit, .sandbox] | join(" ")' <<<"$security")" \
	"file 0600 true false 0 true"
expect "(in words, too)" grep -q 'Master key: *a file on this disk' <(asafo a show security)

# ---- cores: of every process; as the kernel writes them, and all the memory of those that may know nothing ----
cat >"$files/memory.py" <<'PYTHON'
import re, sys
pid, only_dumped, out = sys.argv[1], sys.argv[2] == "dumped", open(sys.argv[3], "wb")
filter_ = int(open(f"/proc/{pid}/coredump_filter").read(), 16)
memory, areas = open(f"/proc/{pid}/mem", "rb"), re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", open(f"/proc/{pid}/smaps").read(), flags=re.M)
for area in areas[1:]:
    begin, end = (int(n, 16) for n in area.split(" ", 1)[0].split("-"))
    flags = re.search(r"^VmFlags:(.*)$", area, re.M).group(1).split()
    if "rd" not in flags or "io" in flags or "[v" in area.split("\n")[0]:
        continue
    is_private = area.split()[1][3] == "p"
    # The pages of a file that nobody wrote to are the file's: the libraries, most of all that there is to look through.
    if is_private and "/" in area.split("\n")[0] and re.search(r"^Anonymous: +0 kB$", area, re.M):
        continue
    if only_dumped and ("dd" in flags or not filter_ & (1 if is_private else 2)):
        continue
    # What a sanitizer has set aside for its shadow: terabytes, and no page of it is the program's.
    if end - begin > 1 << 30:
        continue
    try:
        memory.seek(begin)
        out.write(memory.read(end - begin))
    except (OSError, ValueError):
        pass
PYTHON
for unit in a b; do
	for process in asafod asafo-engine asafo-front asafo-runner asafo-auth asafo-fetch asafo-pam asafo-keeper; do
		pid=$(pid_of $unit $process)
		kind=all
		[ $process != asafo-keeper ] || kind=dumped
		python3 "$files/memory.py" "$pid" $kind "$files/core.$unit.$process"
	done
	parser=$(pgrep -P "$(pid_of $unit asafo-keeper)" | head -n 1)
	python3 "$files/memory.py" "$parser" all "$files/core.$unit.parser"
	python3 "$files/memory.py" "$(pid_of $unit asafo-keeper)" all "$files/all.$unit.keeper"
done
same "no key and no passphrase in the memory of supervisor, engine, front, runner and parser, nor in a core of the keeper" \
	"$(search '' "$files"/core.*)" ""
expect "(the search finds the key that was just signed with where it must be: in all of the keeper's memory)" \
	grep -q '^more-' <(search '' "$files/all.a.keeper")
for unit in a b; do
	pid=$(pid_of $unit asafo-keeper)
	gcore -o "$files/gcore.$unit" "$pid" >/dev/null 2>&1 || :
done
same "nor in what a debugger saves of the keeper as a core" "$(search '' "$files"/gcore.* 2>/dev/null)" ""

# ---- disks, logs, /proc, link ----
for unit in a b; do
	for p in $(ip netns pids "asafo-$LAB-$unit"); do cat "/proc/$p/cmdline" "/proc/$p/environ" 2>/dev/null; done >"$files/proc.$unit"
	cp "$state/$unit/log" "$files/log.$unit"
done
same "nor in a log" "$(search '' "$files"/log.*)" ""
same "nor in the arguments and environments" "$(search '' "$files"/proc.*)" ""
for unit in a b; do lab power $unit off; done
sync -f "$state/a/state" "$state/b/state"
kill "$capture" && wait "$capture" 2>/dev/null
capture=
expect "the link was recorded" test "$(stat -c %s "$files/link.pcap")" -gt 20000
same "nor on the failover link" "$(search '' "$files/link.pcap")" ""
if $is_image; then
	umount "$state/a/state" "$state/b/state"
	same "nor on the raw disk of a; its master key is what lies there beside the sealed keys" \
		"$(search master-key "$files/a.img")" ""
	same "(on the disk of b the same search finds what was planted and deleted)" \
		"$(search master-key "$files/b.img")" "more-prime2 in b.img"
else
	for unit in a b; do
		find "$state/$unit/state" -type f -exec cat {} + >"$files/disk.$unit"
	done
	same "nor on the disks; the master key is what lies there beside the sealed keys" \
		"$(search master-key "$files"/disk.*)" ""
fi
done_testing

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A transfer through the tunnel goes on after the plug of the active unit was pulled, behind a stateful firewall on the units: the
# shipped one, and with the usual three rules it does not.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
vip=198.51.100.10 inside=192.0.2.20
# shellcheck source=openconnect.sh
. "$(dirname "$0")/openconnect.sh"
openconnect_or_skip

cat >"$files/source.py" <<'PYTHON'
import socket, sys
listener = socket.create_server((sys.argv[1], 9000))
while True:
    connection, _ = listener.accept()
    connection.setsockopt(socket.SOL_SOCKET, 47, 500000)  # SO_MAX_PACING_RATE
    try:
        while True:
            connection.sendall(bytes(4096))
    except OSError:
        pass
PYTHON
cat >"$files/sink.py" <<'PYTHON'
import socket, sys
connection = socket.create_connection((sys.argv[1], 9000))
got = 0
while piece := connection.recv(65536):
    got += len(piece)
    with open(sys.argv[2], "w") as out:
        out.write(str(got))
PYTHON
rules=$top/doc/examples/nftables-inside.conf
firewall() { # firewall UNIT FILE
	lab exec "$1" nft -f "$2"
}
got() { cat "$files/got" 2>/dev/null || echo 0; }
download() { lab exec client python3 "$files/sink.py" $inside "$files/got" >/dev/null 2>&1 & }
has_got() { [ "$(got)" -ge "$1" ]; }
moves() { local n; n=$(got) && until_true "$1" has_got $((n + 100000)); }
reaches() { lab exec client ping -q -c 1 -W 1 $inside; }

pair_up
make_ca corp && make_p12 corp vpn
expect "a trustpoint" import a vpn vpn
expect "on both units" asafo a write-standby
expect "a pool and a user" vpn_configure
lab exec client ip route delete 192.0.2.0/24
script_make
# The same without the rule for the middle of connections.
grep -v 'oifname.*invalid' "$rules" >"$files/usual.nft"
expect "the firewall that is shipped, on a" firewall a "$rules"
expect "the usual three rules, on b" firewall b "$files/usual.nft"
lab exec inside python3 "$files/source.py" $inside >/dev/null 2>&1 &
until_true 10 serves $vip corp "$(fingerprint_of "$files/vpn.pem")"
openconnect_start
expect "a tunnel is up" until_true 30 test -s "$files/up"
until_true 10 reaches
reaches_client() { lab exec inside ping -q -c 1 -W 1 "$(address_of_client | cut -d/ -f1)"; }
refused "nobody on the inside begins anything with a client" 1 '100% packet loss' reaches_client
download
expect "a download runs" moves $((10 * slow))
lab power a off
expect "the tunnel is back" until_true $((20 * slow)) reaches
n=$(got)
# The host on the inside sends again after 0.2, 0.6, 1.4, 3 and 6 s.
expect "but the download stands still" exits 1 until_true 7 has_got $((n + 100000))
lab exec b nft delete table inet asafo_inside
expect "the firewall that is shipped, on b" firewall b "$rules"
expect "with it the download goes on when it is sent once more" until_true $((30 * slow)) has_got $((n + 100000))
lab power a on
wait_state a "Standby Ready" 60
# Conntrack of that unit still has the connection, as it was: all of it is outside the window by now.
expect "(the download runs)" moves $((10 * slow))
lab power b off
expect "the tunnel is back" until_true $((20 * slow)) reaches
expect "the download goes on there, too" moves $((20 * slow))
done_testing

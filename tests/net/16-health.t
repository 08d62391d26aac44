#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Interfaces that go deaf while their carrier stays, on one unit and on both; track objects; what counts and what not.
# alone: targets have 90 ms to answer, scripts 250
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
status() { field "$1" ".interfaces[] | select(.name == \"$2\") | .status"; }
status_is() { [ "$(status "$1" "$2")" = "$3" ]; }
mate_status_is() { [ "$(field "$1" ".interfaces[] | select(.name == \"$2\") | .mate_status")" = "$3" ]; }
logged() { lab log "$1" | grep -q -- "$2"; }
reason_is() { [ "$(field "$1" .reason)" = "$2" ]; }
score_is() { [ "$(asafo "$1" --json show monitor-interface | jq .score)" = "$2" ]; }
failure_is() { [ "$(asafo "$1" --json show state | jq -r ".$2.last_failure_reason")" = "$3" ]; }
track_is() { [ "$(asafo "$1" --json show track "${3:-7}" | jq -r '.tracks[0].state')" = "$2" ]; } # track_is UNIT STATE [NUMBER]
# Who is silent has nothing to say in the tests of others, either.
mute() { lab exec "$1" ip link set eth0 down; }
unmute() {
	lab exec "$1" ip link set eth0 up
	lab exec "$1" ip address replace "$2" dev eth0
}

pair_up
expect "both units hear each other on both interfaces" until_true 5 status_is a outside Normal
all_monitored() { [ "$(asafo a show monitor-interface | grep -c 'Normal (Monitored)')" -eq 4 ]; }
expect "(Monitored, on both hosts, as an ASA says it)" until_true 5 all_monitored

# A bad cable: each time that it comes back would be a replication, and a dozen lines in two logs.
flaps() { # flaps UNIT TIMES
	local n
	for ((n = 0; n < $2; n++)); do
		ip -n "asafo-$LAB-lan" link set "$1-outside" down
		ip -n "asafo-$LAB-lan" link set "$1-outside" up
	done
}
lines() { lab log "$1" | wc -l; }
before=$(($(lines a) + $(lines b)))
flaps b 40
expect "a link that goes and comes again and again is said to" logged b 'the link of interface outside goes and comes again and again'
expect "(and counts as down)" state_is b Failed
expect "until it has stayed up" until_true 5 status_is b outside Normal
wait_state b "Standby Ready"
expect "(neither log was flooded)" test $(($(lines a) + $(lines b) - before)) -lt 200
expect "(nobody took over)" state_is a Active

lab cut a outside
wait_state b Active
expect "the active's outside was deaf while the standby's heard others: a failover" until_true 5 reason_is a "Interface check"
expect "its outside is Failed, and the mate knows it" until_true 5 mate_status_is b outside Failed
expect "105008, the test" logged a '105008: (Primary) Testing Interface outside'
expect "105009, its end" logged a '105009: (Primary) Testing on interface outside Failed'
expect "103003, at the mate" logged b '103003: (Secondary) Other firewall network interface outside failed'
expect "the unit with it is Failed" until_true 5 state_is a Failed
lab heal
expect "traffic restores it" until_true 5 status_is a outside Normal
wait_state a "Standby Ready"
expect "(the other goes on)" state_is b Active
expect "103002, at the mate" until_true 5 logged b '103002: (Secondary) Other firewall network interface outside OK'

lab cut a inside
expect "the standby's inside is deaf: it is Failed, and no more happens" until_true 5 state_is a Failed
expect "(the other goes on)" state_is b Active
lab heal
wait_state a "Standby Ready"

mute client
lab cut a outside
lab cut b outside
expect "both deaf: Unknown here" until_true 5 status_is a outside Unknown
expect "... and there" until_true 5 status_is b outside Unknown
expect "it is not counted" score_is b 1000
expect "nobody hands over" state_is b Active
expect "(nor fails)" state_is a "Standby Ready"
lab heal
expect "the network is back: Normal" until_true 5 status_is a outside Normal
unmute client 198.51.100.20/24
unmute client 2001:db8:100::20/64

expect "one of two is enough at 50 %: configured" asafo b configure "failover interface-policy 51%"
terms="$(field a .term) $(field b .term)"
lab cut b outside
expect "one of two is less than 51 %: it is seen" until_true 5 status_is b outside Failed
expect "... and counts in the score" until_true 3 score_is b 990
# What would be a reason is judged with each hello: the mate has the score, and has said more than one behind it.
heard() { field "$1" '[.paths[].received] | add'; }
heard_more() { [ "$(heard "$1")" -ge "$2" ]; } # heard_more UNIT COUNT
mate_score_is() { [ "$(field "$1" .mate.health)" = "$2" ]; }
expect "... and the mate knows it" until_true 5 mate_score_is a 990
expect "... and has been heard since" until_true 5 heard_more b $(($(heard b) + 2 * $(field b '.paths | length')))
expect "... but is no reason" state_is b Active
same "(nor was it in between)" "$(field a .term) $(field b .term)" "$terms"
expect "the percentage is lowered" asafo b configure "failover interface-policy 50%"
wait_state a Active
expect "(and the mate has the line)" grep -q "policy 50%" <(asafo a show running-config)
lab heal
wait_state b "Standby Ready"

# A line that names a device which neither unit has costs both the same.
terms="$(field a .term) $(field b .term)"
expect "an interface on a device that nobody has is configured" asafo a configure "interface x0" "nameif nowhere" \
	"ip address 10.9.9.1 255.255.255.0 standby 10.9.9.2"
expect "it is No Link on both" until_true 5 eval 'status_is a nowhere "No Link" && status_is b nowhere "No Link"'
expect "and it is said that there is no such device" until_true 5 eval 'asafo a show failover | grep -q "Trouble: .*nowhere No Link (there is no device [a-z0-9]*)"'
wait_state b "Standby Ready"
expect "both lost as much" until_true 5 eval 'score_is a 990 && score_is b 990'
same "nobody handed over to a unit that had not read the line yet" "$(field a .term) $(field b .term)" "$terms"
expect "(and it is taken away)" asafo a configure "no interface x0"
wait_state b "Standby Ready"

named() { asafo "$1" --json show failover | jq -e --arg t "$2" '.troubles | any(startswith($t))' >/dev/null; }
expect "a track object" asafo a configure "track 7 ping 192.0.2.20 interface inside frequency msec $((100 * slow)) timeout $((90 * slow)) down 3 up 2" \
	"failover track 7 decrement 30"
expect "is up on the active" until_true 5 track_is a Up
expect "... and on the standby" until_true 5 track_is b Up
expect "(show track, as IOS)" test "$(asafo a show track 7 | grep -c 'Reachability is Up')" -eq 1
# A target that dies for both is seen by each in its own turn, and so is its return: that is no reason to change roles.
terms=$(field a .term)
for turn in 1 2 3; do
	lab exec inside ip link set eth0 down
	expect "a target that both lose is down on the active (time $turn)" until_true 5 track_is a Down
	expect "... and on the standby" until_true 5 track_is b Down
	expect "it is named" named b 'track 7 is Down'
	expect "... by the state, too" test "$(asafo b --json show state | jq -r '.this.detail[]')" = "track 7: Down"
	lab exec inside ip link set eth0 up
	expect "it is back on the active" until_true 5 track_is a Up
	expect "... and on the standby" until_true 5 track_is b Up
done
same "no unit gave way for it" "$(field a .term) $(field a .state)" "$terms Active"
wait_state b "Standby Ready"
lab exec inside ip route replace default via 192.0.2.1
# The target is lost for one unit only.
# By its MAC address: the active address is the other unit's in a moment.
mac_of_a=$(lab exec a cat /sys/class/net/eth1/address)
lab exec inside nft -f - <<<"table inet drop1 { chain in { type filter hook input priority 0; ether saddr $mac_of_a icmp type echo-request drop; }; }"
expect "lost on the active: down" until_true 5 track_is a Down
wait_state b Active
expect "the track object is the reason, not an interface" logged a '104002: .*Switching to STANDBY - Tracked object is down'
refused "a track object that is not there is refused" 1 'no such track object' asafo b configure "failover track 8"
expect "it is forgotten" asafo b configure "no track 7"

for unit in a b; do
	install -m 0755 /dev/stdin "/run/asafo-lab-$LAB/$unit/etc/track.d/uplink" <<<$'#!/bin/sh\nexit 0'
done
expect "a script is tracked" asafo b configure "track 7 script uplink frequency msec $((300 * slow)) timeout $((250 * slow)) down 2 up 2" "failover track 7"
expect "it ends with 0: up" until_true 5 track_is b Up
install -m 0755 /dev/stdin "/run/asafo-lab-$LAB/b/etc/track.d/uplink" <<<$'#!/bin/sh\nexit 3'
expect "it ends with another code: down" until_true 5 logged b 'track 7 is Down: exit code 3'
wait_state a Active
expect "the state tells of a track failure" until_true 5 failure_is b this "Track Failure"
expect "on the other unit, too" until_true 5 failure_is a other "Track Failure"
install -m 0755 /dev/stdin "/run/asafo-lab-$LAB/b/etc/track.d/uplink" <<<$'#!/bin/sh\nexit 0'
wait_state b "Standby Ready"
expect "and up again" until_true 5 track_is b Up
expect "it is forgotten, too" asafo a configure "no track 7"
# Too many changes of role in a minute, which a quick machine gets to, would suspend the next one.
for unit in a b; do expect "the changes of role so far count no more (unit $unit)" asafo "$unit" failover reset; done
expect "the role is given away" until_true 10 asafo a failover standby
wait_state b Active

expect "a port that nobody listens on" asafo b configure "track 9 tcp 198.51.100.20 9 frequency msec 200 timeout 150 down 2"
expect "is down" until_true 5 track_is b Down 9
expect "... and does not count unless failover tracks it" score_is b 1000

make_ca corp && make_p12 corp vpn
expect "a trustpoint is served" import b vpn vpn
expect "(and is on the standby)" until_true 10 asafo b write-standby
want=$(fingerprint_of "$files/vpn.pem")
expect "a client gets it" until_true 5 serves 198.51.100.10 corp "$want"
wait_state a "Standby Ready"
kill -STOP "$(pid_of b asafo-keeper)"
expect "a keeper that stands still is noticed within seconds" until_true 6 logged b 'this unit could not serve: .*the keeper does not answer'
wait_state a Active 5
expect "the unit that can serve does" until_true 5 serves 198.51.100.10 corp "$want"
kill -CONT "$(pid_of b asafo-keeper)"
expect "it goes on: the unit could serve again" until_true 10 logged b 'this unit could serve again'
wait_state b "Standby Ready"
expect "(full score)" until_true 5 score_is b 1000
expect "nobody took the address back" state_is a Active
expect "the role is given away again" until_true 10 asafo a failover standby
wait_state b Active

lab exec b ip link set eth1 down
expect "Link Down counts at once" until_true 3 status_is b inside "Link Down"
wait_state a Active
done_testing

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Two links to the mate: replication moves to the other when one dies, and no link's death is a failover.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
config() { # config UNIT
	cat <<-CONFIG
		hostname gw
		interface eth0
		 nameif outside
		 ip address 198.51.100.10 255.255.255.0
		failover lan unit $1
		failover lan interface fover eth2
		failover link state eth1
		failover interface ip fover 203.0.113.1 255.255.255.252 standby 203.0.113.2
		failover interface ip state fd00:5::1/126 standby fd00:5::2
		failover polltime msec 100 holdtime msec 500
		failover key two-links
		failover
	CONFIG
}
over_is() { [ "$(field "$1" .link.over)" = "$2" ]; }
path_is() { # path_is UNIT NAME STATE
	[ "$(field "$1" "[.paths[] | select(.name == \"$2\")][0].state")" = "$3" ]
}
path_field() { field "$1" "[.paths[] | select(.name == \"$2\")][0].$3"; }
logged() { grep -qaE -- "$2" "/run/asafo-lab-$LAB/$1/log"; }

config primary >"$files/a.config"
config secondary >"$files/b.config"
pair_up --config-a "$files/a.config" --config-b "$files/b.config"
expect "replication runs over the preferred link" over_is b fover
expect "(says the other end, too)" over_is a fover
for path in fover state; do
	expect "hellos come on $path" until_true 5 path_is a "$path" up
	expect "its latency is measured" until_true 5 eval '[ "$(path_field a '"$path"' rtt_median_us)" -gt 0 ]'
done

# The standby has no IPv4 address outside: what it sends there has none to come from.
for unit in a b; do
	for device in all eth0; do
		lab exec $unit sysctl -qw "net.ipv4.conf.$device.rp_filter=1"
	done
done
heard4() { field a '[.paths[] | select(.name == "outside" and .family == "ipv4")][0].received'; }
heard=$(heard4)
heard_more() { [ "$(heard4)" -gt $((heard + 10)) ]; }
expect "strict reverse path filters let its hellos through" until_true 5 heard_more
expect "(it says what it does)" grep -q 'sent from 0.0.0.0' <<<"$(field b '.paths[].error')"

lab cut a fover
expect "the link that is cut is lost" until_true 5 path_is a fover lost
expect "... for both" until_true 5 path_is b fover lost
expect "... with an ASA's message" until_true 5 logged a '105043.*Failover interface failed'
expect "replication moves to the stateful link" until_true 5 over_is b state
expect "(says the other end, too)" until_true 5 over_is a state
same "nobody took over" "$(field a .state)/$(field b .state)" "Active/Standby Ready"
make_ca corp && make_p12 corp vpn
expect "an import, with the first link cut" import a vpn vpn
expect "write standby goes over the second" asafo a write-standby
expect "and arrives" until_true 5 has b vpn
expect "the loss of the cut link grows" until_true 10 eval '[ "$(path_field a fover loss_permille)" -gt 100 ]'
same "the other one has lost nothing" "$(path_field a state loss_permille)" 0

lab heal
expect "the healed link is up again" until_true 5 path_is b fover up
expect "... with an ASA's message" until_true 5 logged b '105042.*Failover interface OK'
expect "replication stays where it works" over_is b state
lab cut b inside
expect "... until that dies" until_true 5 over_is b fover
expect "(says the other end, too)" until_true 5 over_is a fover
same "nobody took over" "$(field a .state)/$(field b .state)" "Active/Standby Ready"
lab heal
# A switch in between that carries no frame of the units' own size: hellos and handshakes come through, and so must a bulk.
for unit in a b; do lab exec $unit ip link set eth2 gso_max_segs 1; done
ip netns exec "asafo-$LAB-lan" nft add rule bridge lab loss_fover meta length '>' 1300 drop
expect "an import that is larger than a frame" import a larger vpn
expect "a switch that swallows large frames does not keep it from the standby" timeout $((20 * slow)) \
	"$top/tools/lab" --name "$LAB" asafo a write-standby
expect "(it is there)" has b larger
same "(over that link)" "$(field a .link.over) $(field b .link.over)" "fover fover"
lab heal
# Hellos that go one way only on the failover link, whichever it is: each unit has its own words for it.
troubled() { asafo "$1" --json show failover | jq -e --arg t "$2" '.troubles | any(test($t))' >/dev/null; }
untroubled() { ! troubled "$1" 'failover link fover'; }
expect "the link is whole" until_true 10 eval 'untroubled a && untroubled b'
for unit in a b; do
	mate=$([ $unit = a ] && echo b || echo a)
	ip netns exec "asafo-$LAB-lan" nft add rule bridge lab loss_fover iifname "$unit-fover" drop
	expect "what $unit sends there is lost: it says that its mate hears nothing" until_true 10 \
		troubled $unit 'no hello of this unit reaches the mate on the failover link fover .eth2.: repair it'
	expect "its mate says that nothing comes" until_true 10 \
		troubled $mate 'no hello of the mate comes on the failover link fover .eth2.: repair it'
	lab heal
	expect "neither does when it is repaired" until_true 10 eval 'untroubled a && untroubled b'
done
same "nobody took over for that, either" "$(field a .state)/$(field b .state)" "Active/Standby Ready"

# Lines that differ: no hello can arrive, and repairing the cable would not help.
other_lines() { printf 'failover interface ip fover %s 255.255.255.252 standby %s\n' "$1" "$2" | asafo b configure; }
expect "other addresses on the second unit's failover link" other_lines 203.0.113.5 203.0.113.6
for unit in a b; do
	expect "$unit says that the lines differ" until_true 20 \
		troubled $unit 'no failover link with the addresses of fover .eth2.: make the lines .failover interface ip'
done
expect "the same addresses again" other_lines 203.0.113.1 203.0.113.2
expect "no trouble is left" until_true 15 eval 'untroubled a && untroubled b'
same "nobody took over for that, either" "$(field a .state)/$(field b .state)" "Active/Standby Ready"

# A firewall that lets hellos through, and no connection, on either link.
checks() { asafo "$1" check 2>&1 | grep -q -- "$2"; }
for unit in a b; do
	printf 'table inet shut {\n chain in { type filter hook input priority 0; tcp dport 5105 drop; tcp sport 5105 drop; }\n}\n' |
		lab exec $unit nft -f -
done
for unit in a b; do
	expect "$unit says that replication has no connection, and where to look" until_true 30 \
		troubled $unit 'replication has had no connection .* though hellos pass there.* drops TCP port 5105'
	expect "asafo check on $unit finds it, too" checks $unit "drops TCP port 5105"
	lab exec $unit nft delete table inet shut
done
expect "it is no trouble any more when the firewall is gone" until_true 15 eval \
	'! troubled a "replication has had" && ! troubled b "replication has had"'
same "nobody took over for that, either" "$(field a .state)/$(field b .state)" "Active/Standby Ready"

# It came back on either link, and stays where it works: what follows is about the first.
lab cut b inside
expect "(replication goes over the first link)" until_true 10 eval 'over_is a fover && over_is b fover'
lab heal
# One that carries small frames only: hellos pass, and connections that do not last.
ip netns exec "asafo-$LAB-lan" nft add rule bridge lab loss_fover meta length '>' 400 drop
for unit in a b; do
	expect "$unit says that no connection lasts, and where to look" until_true 40 \
		troubled $unit 'no connection of the replication .* has lasted .* though hellos pass there: look whether something .* loses long frames'
done
lab heal
expect "it is no trouble any more when long frames pass" until_true 30 eval \
	'! troubled a "connection of the replication" && ! troubled b "connection of the replication"'
same "nobody took over for that, either" "$(field a .state)/$(field b .state)" "Active/Standby Ready"

# A device that somebody renames keeps what is on it, under a name that no line has.
renamed() { lab exec a sh -c "ip link set $1 down && ip link set $1 name $2 && ip link set $2 up"; }
expect "the device of the failover link gets another name" renamed eth2 stray2
stray_has_none() { ! lab exec a ip -o addr show dev stray2 | grep -q ' 203.0.113.'; }
expect "no address of the link is left on it" until_true 5 stray_has_none
expect "... and its own name again" renamed stray2 eth2
expect "the link works again" until_true 15 path_is a fover up

# Somebody plays with the cable: a hundred times in a moment, and not in the ten seconds of what was said before.
lines() { grep -caE -- "$1" "/run/asafo-lab-$LAB/a/log"; }
lines_before=$(lines '10503[12]')
quiet_since=$SECONDS
is_quiet() {
	local n
	n=$(lines '10503[12]')
	((n == lines_before)) || { lines_before=$n quiet_since=$SECONDS; }
	((SECONDS > quiet_since + 10))
}
expect "the log has nothing new of the link for ten seconds" until_true 40 is_quiet
flap() { for _ in $(seq 100); do printf 'link set eth2 %s\n' down up; done | lab exec a ip -batch -; }
expect "a link that goes and comes a hundred times" flap
expect "in the end the log says how it is, and how often it was so" until_true 20 \
	logged a '105031.*LAN interface is up: fover .and [0-9]+ more before it'
expect "... and has no page of it" test $(($(lines '10503[12]') - lines_before)) -le 12
expect "the link works" until_true 15 path_is a fover up

lab exec a ip link set eth2 down
expect "a carrier that goes moves it at once" until_true 5 over_is b state
lab exec a ip link set eth2 up
has_address() { lab exec "$1" ip -o addr show dev eth2 | grep -q ' 203.0.113.'; }
has_no_address() { ! has_address "$1"; }
expect "(the second unit has its address on the link)" has_address b
kill -TERM "$(pid_of b asafod)"
expect "an orderly stop leaves no address of the link behind" until_true 10 has_no_address b
done_testing

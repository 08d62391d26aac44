#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Passwords of VPN users by PAM: the system's accounts by pam_unix, with the real openconnect; accounts and passwords that
# ended, modules that hang and crash, who guesses, a line of one's own beside it, and a failover with a tunnel up.
# The system's own accounts and services stay what they are: the pair has others, in a mount namespace of this test's.
[ -n "${ASAFO_PAM_INSIDE-}" ] || exec env ASAFO_PAM_INSIDE=1 unshare --mount --propagation private "$0"
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
vip=198.51.100.10 host=vpn.example.net page=$files/page
good='Schnabel-tier7' bad='Wasser-igel3' given=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP

account() { # account NAME PASSWORD [LAST-CHANGE [EXPIRES]]
	n_accounts=$((n_accounts + 1))
	echo "$1:x:$((5000 + n_accounts)):100::/nonexistent:/usr/sbin/nologin" >>"$files/passwd"
	echo "$1:$(openssl passwd -6 "$2"):${3-20000}:0:99999:7::${4-}:" >>"$files/shadow"
}
service() { # service NAME LINE...
	local name=$1
	shift
	printf '%s\n' "$@" >"$files/pam.d/$name"
}
n_accounts=0
cp /etc/passwd /etc/shadow "$files/"
sed -i "s|^root:[^:]*:|root:$(openssl passwd -6 "$good"):|" "$files/shadow"
account anna "$good"
account bert "$good"
account carl "$good"
account dora "$good"
account gone "$good" 20000 1
account stale "$good" 0
mkdir "$files/pam.d" && chmod 755 "$files" "$files/pam.d"
chmod 644 "$files/passwd" && chgrp shadow "$files/shadow" && chmod 640 "$files/shadow"
odd=$(realpath "$ASAFO_BUILD/tests/net/pam_odd.so")
cp "$odd" "$files/pam_odd.so" && odd=$files/pam_odd.so && chmod 644 "$odd"
# As the package has it, where this is no released tree, which has no debian/.
if [ -r "$top/debian/asafo.pam" ] && [ -r /etc/pam.d/common-auth ]; then
	cp "$top/debian/asafo.pam" "$files/pam.d/asafo"
	cp /etc/pam.d/common-auth /etc/pam.d/common-account "$files/pam.d/"
else
	service asafo 'auth requisite pam_succeed_if.so quiet_success user != root' 'auth required pam_unix.so' 'account required pam_unix.so'
fi
for what in hang crash tell hide; do
	service "$what" "auth required $odd $what $good" 'account required pam_permit.so'
done
# What is not there is not to be looked for in another.
service other "auth required $odd - $good" 'account required pam_permit.so'
for file in passwd shadow pam.d; do
	mount --bind "$files/$file" "/etc/$file" || exit 1
done

# A browser.
post() { # post GROUP USER PASSWORD: prints the status, leaves page
	lab exec client curl -s --max-time $((30 * slow)) --cacert "$files/corp-ca.pem" --resolve "$host:443:$vip" \
		-H 'Sec-Fetch-Site: same-origin' -o "$page" -w '%{http_code}' --data-urlencode "username=$2" \
		--data-urlencode "password=$3" --data-urlencode "group_list=$1" "https://$host/auth"
}
says() { grep -c "$1" "$page"; }
client() { # client GROUP USER PASSWORD: the length of the cookie that openconnect is given
	lab exec client timeout $((30 * slow)) openconnect --authenticate --non-inter --passwd-on-stdin --user "$2" --cafile "$files/corp-ca.pem" \
		--resolve "$host:$vip" "https://$host/$1" <<<"$3" 2>"$files/openconnect.log" |
		sed -n "s/^COOKIE='\(.*; \)\?webvpn=\([0-9a-f]*\).*/\2/p" | tr -d '\n' | wc -c
}
logged() { grep -q -- "$2" "/run/asafo-lab-$LAB/$1/log"; }

pair_up
make_ca corp && make_p12 corp vpn
expect "a certificate for the gateway" import a vpn vpn
cat >"$files/vpn.config" <<END
failover replication trustpoint sync
ssl trust-point vpn outside
ip local pool P 10.99.0.10-10.99.0.99 mask 255.255.255.0
group-policy DfltGrpPolicy attributes
 vpn-simultaneous-logins 20
$(for group in Staff Both Hang Crash Tell Hide Absent; do
	printf 'tunnel-group %s type remote-access\ntunnel-group %s general-attributes\n address-pool P\n' "$group" "$group"
	case $group in
	Staff) echo ' authentication-server-group PAM' ;;
	Both) printf ' authentication-server-group PAM LOCAL\n pam-service crash\n' ;;
	*) printf ' authentication-server-group PAM\n pam-service %s\n' "${group,}" ;;
	esac
done)
webvpn
 enable outside
 anyconnect enable
END
configure() { asafo a configure <"$files/vpn.config"; }
expect "groups, and no user" configure
expect "on both units" until_true 20 asafo a write-standby
enters() { [ "$(post Staff anna "$good")" = 303 ]; }
expect "whom PAM knows needs no line" until_true 15 enters
expect "the log says who, and by whom" logged a 'ASAFO-6-113004: .*Successful : server = PAM : user = anna'
same "openconnect logs in, too" "$(client Staff anna "$good")" 64
same "not with a wrong password" "$(client Staff anna "$bad")" 0
same "a person reads so" "$(post Staff anna "$bad") $(says 'wrong username or password')" "200 1"
expect "and the log has it" logged a 'ASAFO-6-113005: .*reason = Invalid password : server = PAM : user = anna : user IP = '
same "an account that has ended is no way in" "$(post Staff gone "$good") $(says 'wrong username or password')" "200 1"
expect "(the log says why)" logged a '113005: .*reason = Account \(expired\|refused\) : server = PAM : user = gone'
same "nor is a password that has" "$(post Staff stale "$good")" 200
expect "(the log says why)" logged a '113005: .*reason = Password expired : server = PAM : user = stale'
same "root is not let in" "$(post Staff root "$good")" 200
same "another spelling of a name is nobody's" "$(post Staff ANNA "$good")" 200
same "nor is one with a domain" "$(post Staff anna@example.net "$good")" 200
same "who is nobody is not logged" "$(post Staff "$bad" x) $(grep -c "user = $bad" "/run/asafo-lab-$LAB/a/log")" "200 0"
same "a service that is not there is no other one" "$(post Absent anna "$good")" 503
expect "(the log says so)" logged a '113014: .*server = PAM : .*no readable /etc/pam.d file'
same "a module that wants more than a password is not answered" "$(post Hide anna "$good")" 200
expect "(the log says so)" logged a 'reason = PAM asks for more than a password'
same "one that crashes lets nobody in" "$(post Crash anna "$good")" 503
expect "(the log says so)" logged a 'PAM service crash: its modules ended the process (signal 11)'

# One that hangs: the others go on, and it is over by itself.
(post Hang anna "$good" >"$files/hung") &
hung=$!
children() { local p; for p in $(pgrep -P "$(pid_of a asafo-pam)"); do echo "$p"; done; }
has_child() { [ -n "$(children)" ]; }
expect "a module hangs in a process of its own" until_true 10 has_child
pid=$(children | head -n 1)
# It is there before it has dropped what it had.
is_nobody() {
	local have
	have=$(awk '/^CapEff|^Uid|^NoNewPrivs|^Seccomp:/ { print $2 }' "/proc/$pid/status" | tr '\n' ' ')
	echo "$have"
	[ "$have" = "62006 0000000000000000 1 2 " ]
}
has_its_answer_only() {
	local have
	have=$(find "/proc/$pid/fd" -type l -printf '%l\n')
	echo "$have"
	[ -n "$have" ] && ! grep -qvE '^/dev/null$|^pipe:' <<<"$have"
}
expect "which has nothing of root, and is not root" until_true 3 is_nobody
expect "and no descriptor but its answer" until_true 3 has_its_answer_only
same "others log in meanwhile" "$(post Staff bert "$good")" 303
still_hangs() { kill -0 "$hung" && [ ! -s "$files/hung" ]; }
expect "(it hangs all the while)" still_hangs
wait "$hung"
same "it is over in its time" "$(<"$files/hung")" 503
has_none() { ! has_child; }
expect "and leaves nothing behind" until_true 10 has_none
expect "(the log says so)" logged a 'PAM service hang: its modules did not answer in 8000 ms'

# Lines of their own, beside PAM.
cat >"$files/users.config" <<END
username carl
username carl attributes
 group-lock value Both
username dora
username dora attributes
 totp $given
username bert password local-word
END
add_users() { asafo a configure <"$files/users.config"; }
expect "some have a line, without a password" add_users
refused "a service has no capitals" 2 'lower case' asafo a configure 'tunnel-group Staff general-attributes' ' pam-service Asafo'
lines() { asafo "$1" show running-config | grep -E '^ (authentication-server-group|pam-service)|^username' | grep -v password; }
same "the configuration says what it was told" "$(lines a | grep -cE '^ authentication-server-group PAM( LOCAL)?$|^ pam-service (crash|hang|tell|hide|absent)$|^username (carl|dora)( attributes)?$')" 17
same_lines() { [ "$(lines a)" = "$(lines b)" ]; }
expect "on both units" until_true 10 same_lines
asafo a write-memory >/dev/null
same "and is kept" "$(grep -cE '^ authentication-server-group PAM' "/run/asafo-lab-$LAB/a/etc/startup-config")" 7
expect "asafo check-config takes it" asafo a check-config "/run/asafo-lab-$LAB/a/etc/startup-config"
locked() { [ "$(post Staff carl "$good")" = 200 ] && logged a 'Group-lock check failed (came to Staff, may only use Both) : server = PAM : user = carl'; }
expect "a group-lock holds for whom PAM lets in" until_true 10 locked
same "so does a second factor" "$(post Staff dora "$good") $(says 'one-time-code')" "200 1"
same "LOCAL is for where PAM cannot be asked" "$(post Both bert local-word)" 303
expect "(the log says so)" logged a '113014: .*not accessible : server = PAM : user = bert'
same "not with PAM's password" "$(post Both bert "$good")" 200
same "nor for whom it refuses" "$(post Staff bert local-word)" 200
same "and not where the group has none" "$(post Crash bert local-word)" 503

# Secrets.
same "a module that tells the password tells nobody" "$(post Tell anna "$good")" 303
same "no password is in a log" "$(cat /run/asafo-lab-"$LAB"/[ab]/log | grep -c -e "$good" -e "$bad" -e local-word)" 0
same "nor in what the processes are called with" \
	"$(for p in $(ip netns pids "asafo-$LAB-a"); do tr '\0' '\n' <"/proc/$p/cmdline"; tr '\0' '\n' <"/proc/$p/environ"; done 2>/dev/null |
		grep -c -e "$good" -e "$bad")" 0
same "and who asks PAM leaves no core" "$(awk '/Max core file size/ { print $5 }' "/proc/$(pid_of a asafo-pam)/limits")" 0

# Who guesses has to wait, on the other unit, too; who has a tunnel does not notice that.
cat >"$files/script" <<END
#!/bin/sh
[ "\$reason" != connect ] || { ip link set dev "\$TUNDEV" up && : >"$files/up"; }
END
chmod +x "$files/script"
lab exec client env --ignore-signal=PIPE openconnect -v --non-inter --user anna --passwd-on-stdin --cafile "$files/corp-ca.pem" \
	--resolve "$host:$vip" --script "$files/script" --interface octun "https://$host/Staff" <<<"$good" >"$files/openconnect" 2>&1 &
openconnect=$!
expect "a tunnel of one who has no line" until_true 20 test -e "$files/up"
on_standby() { asafo b --json show vpn-sessiondb | jq -e '.sessions | any(.username == "anna")' >/dev/null; }
expect "the standby has its session" until_true 10 on_standby
for _ in 1 2 3 4 5; do post Staff carl "$bad" >/dev/null; done
expect "five wrong ones lock a name" logged a '113006: User carl locked out'
same "the right one does not count then" "$(post Both carl "$good") $(says 'Too many wrong passwords')" "200 1"
expect "the standby hears of it" until_true 10 logged b 'users and addresses that the active unit has locked out: 1'
lab power a off
wait_state b Active
same "the other unit has the name locked" "$(post Both carl "$good") $(says 'Too many wrong passwords')" "200 1"
again() { grep -q '(anna): the tunnel is up' "/run/asafo-lab-$LAB/b/log"; }
expect "goes on at the other unit" until_true 40 again
same "without another login" "$(grep -c 'ASAFO-6-113004' "/run/asafo-lab-$LAB/b/log")" 0
same "and who logs in there is asked of its PAM" "$(client Staff bert "$good")" 64
kill "$openconnect"
wait "$openconnect" 2>/dev/null

# The helper may die.
kill -KILL "$(pid_of b asafo-pam)"
same_again() { [ "$(post Staff bert "$good")" = 303 ]; }
expect "it is started again" until_true 15 same_again
same "no password is in a log" "$(cat /run/asafo-lab-"$LAB"/[ab]/log | grep -c -e "$good" -e "$bad")" 0
done_testing

# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What every test of the pair shares: a lab of its own, TAP lines, and waiting for a fact instead of for a time.
set -u
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
ASAFO_BUILD=${ASAFO_BUILD:?the folder of a build: ASAFO_BUILD=build tests/net/run}
export ASAFO_BUILD
slow=${ASAFO_SLOW:-1} # a sanitizer build is that much slower
LAB=${LAB:-t$$}
n_ok=0 n_bad=0
max_bad=${ASAFO_MAX_BAD:-5} # so many failures say what is wrong; those behind them wait for what will not come
also_remove=()              # what a test makes elsewhere than in $files
end_signalled() { # end_signalled STATUS: once, and in whole
	trap '' INT TERM HUP
	exit "$1"
}
trap 'end_signalled 130' INT
trap 'end_signalled 143' TERM
trap 'end_signalled 129' HUP
trap cleanup EXIT
files=$(mktemp -d "${TMPDIR:-/tmp}/asafo-net.XXXXXX") || exit 1

# A sanitizer's report on any program of a test goes to a file of its own, also where nobody looks at its output or its
# status. The units' own go to their logs: behind their walls they make no file.
sanitizer_reports=$(mktemp -d "${TMPDIR:-/tmp}/asafo-reports.XXXXXX") && chmod 1777 "$sanitizer_reports" || exit 1
readonly sanitizer_reports
units_asan_options=${ASAN_OPTIONS-}
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}log_path=$sanitizer_reports/report:log_exe_name=1

lab() {
	local ASAN_OPTIONS=$ASAN_OPTIONS

	case ${1-} in up | power) ASAN_OPTIONS=$units_asan_options ;; esac
	"$top/tools/lab" --name "$LAB" "$@"
}
asafo() { lab asafo "$@"; }

# The sanitizers' reports, each whole, under the name of its process.
reports() {
	local file unit
	for unit in a b; do
		[ ! -r "/run/asafo-lab-$LAB/$unit/log" ] || cat "$files/$unit.before" "/run/asafo-lab-$LAB/$unit/log" 2>/dev/null |
			awk -v "unit=$unit" '
			/runtime error: |ERROR: [A-Z][A-Za-z]*Sanitizer|ERROR: Can.t open file/ {
				if (!inside)
					print "a process of unit " unit " says:"
				inside = 1
			}
			inside { print }
			/^SUMMARY: |ABORTING/ { inside = 0 }'
	done
	for file in "$sanitizer_reports"/report.*; do
		[ ! -f "$file" ] || {
			echo "${file##*/report.} (program, process) says:"
			cat "$file"
		}
	done
}
# The unit's log begins anew; what it said so far is still looked through for reports.
forget_log() { # forget_log UNIT
	cat "/run/asafo-lab-$LAB/$1/log" >>"$files/$1.before" 2>/dev/null
	: >"/run/asafo-lab-$LAB/$1/log"
}
# ASAFO_KEEP=DIR: what a failed test leaves behind is put there.
keep_files() {
	local kept unit
	kept=$ASAFO_KEEP/$(basename "$0" .t)-$LAB
	mkdir -p "$kept"
	for unit in a b; do
		cp "/run/asafo-lab-$LAB/$unit/log" "$kept/$unit.log" 2>/dev/null
	done
	cp -r "$files" "$kept/files"
	echo "# kept: $kept"
}
cleanup() {
	local unit
	for unit in a b; do
		[ "$n_bad" -eq 0 ] || [ ! -s "/run/asafo-lab-$LAB/$unit/log" ] || {
			echo "# the log of unit $unit ends"
			tail -n 60 "/run/asafo-lab-$LAB/$unit/log" | sed 's/^/#   /'
		}
	done
	[ "$n_bad" -eq 0 ] || [ -z "${ASAFO_KEEP-}" ] || keep_files
	lab down >/dev/null 2>&1
	rm -rf "$files" "${sanitizer_reports-}" "${also_remove[@]}"
}

ok() {
	n_ok=$((n_ok + 1))
	echo "ok - $*"
}
not_ok() {
	n_bad=$((n_bad + 1))
	echo "not ok - $*"
}
# Where more than enough has failed the rest says nothing new, slowly.
enough() {
	[ "$n_bad" -lt "$max_bad" ] || {
		echo "# $n_bad have failed: the rest of $(basename "$0") is not tried (ASAFO_MAX_BAD=1000 tries it)"
		done_testing
		exit 1
	}
}
# expect SENTENCE COMMAND...: the command succeeds.
expect() {
	local sentence=$1 out
	shift
	if out=$("$@" 2>&1); then ok "$sentence"; else
		not_ok "$sentence"
		printf '%s\n' "$out" | sed 's/^/#   /'
		enough
	fi
}
# refused SENTENCE STATUS PATTERN COMMAND...: it ends with STATUS and says PATTERN (extended, any case).
refused() {
	local sentence=$1 want=$2 pattern=$3 out status=0
	shift 3
	out=$("$@" 2>&1) || status=$?
	if [ "$status" -eq "$want" ] && printf '%s' "$out" | grep -qiE -- "$pattern"; then ok "$sentence"; else
		not_ok "$sentence"
		printf '#   status %s (wanted %s), wanted /%s/\n' "$status" "$want" "$pattern"
		printf '%s\n' "$out" | sed 's/^/#   /'
		enough
	fi
}
exits() { # exits STATUS COMMAND...
	local want=$1 status=0
	shift
	"$@" || status=$?
	[ "$status" -eq "$want" ]
}
same() { # same SENTENCE A B
	if [ "$2" = "$3" ]; then ok "$1"; else
		not_ok "$1"
		printf '#   have %s\n#   want %s\n' "$2" "$3"
		enough
	fi
}
# until_true SECONDS COMMAND...: polls until it succeeds; the seconds are a bound, not a wait. Says what the last try said.
until_true() {
	local end=$((SECONDS + $1 * slow)) said
	shift
	while ! said=$("$@" 2>&1); do
		[ "$SECONDS" -lt "$end" ] || {
			[ -z "$said" ] || printf '%s\n' "$said"
			return 1
		}
		pause_short
	done
}
# stays SECONDS COMMAND...: it succeeds time and again for so long, which no build and no machine makes longer.
stays() {
	local end=$((SECONDS + $1))
	shift
	while "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 0
		pause_short
	done
	return 1
}
exec 9<><(:)
pause_short() { read -rt 0.05 -u 9 _ || :; }

field() { asafo "$1" --json show failover | jq -r "$2"; }
state_is() { [ "$(field "$1" .state)" = "$2" ]; }
wait_state() { # wait_state UNIT STATE [SECONDS]
	if until_true "${3:-15}" state_is "$1" "$2"; then ok "unit $1 is $2"; else
		not_ok "unit $1 is $2 (it is $(field "$1" .state 2>&1))"
		asafo "$1" show failover 2>&1 | sed 's/^/#   /'
		asafo "$1" show failover history 2>&1 | sed 's/^/#   /'
		enough
	fi
}
# A unit that could not sign for a while may have given the role away, rightly: it has it again, wherever it was.
active_or_asks() { state_is "$1" Active || { asafo "$1" failover active >/dev/null 2>&1 && state_is "$1" Active; }; }
make_active() { # make_active UNIT
	expect "unit $1 has the active role" until_true 30 active_or_asks "$1"
}
pair_up() { # a active, b standby ready
	lab up "$@" >"$files/up.log" 2>&1 || {
		not_ok "the lab comes up"
		sed 's/^/#   /' "$files/up.log"
		exit 1
	}
	wait_state a Active
	wait_state b "Standby Ready"
	[ "$n_bad" -eq 0 ] || {
		echo "# without a pair the rest of $(basename "$0") is not tried"
		done_testing
		exit 1
	}
}

# ---- certificates, by someone else's tool ----
make_ca() { # make_ca NAME
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=$1 CA" \
		-addext basicConstraints=critical,CA:TRUE -keyout "$files/$1-ca.key" -out "$files/$1-ca.pem" 2>/dev/null
}
make_p12() { # make_p12 CA NAME [PASSPHRASE] [HOST...]
	local ca=$1 name=$2 pass=${3-secret} host=${4-vpn.example.net}
	openssl req -new -newkey rsa:2048 -nodes -subj "/CN=$host" -keyout "$files/$name.key" \
		-out "$files/$name.csr" 2>/dev/null
	openssl x509 -req -in "$files/$name.csr" -CA "$files/$ca-ca.pem" -CAkey "$files/$ca-ca.key" -days 365 \
		-set_serial "0x$(openssl rand -hex 15)" -out "$files/$name.pem" \
		-extfile <(printf 'subjectAltName=DNS:%s\nextendedKeyUsage=serverAuth\n' "$host") 2>/dev/null
	printf '%s\n' "$pass" >"$files/$name.pass"
	openssl pkcs12 -export -in "$files/$name.pem" -inkey "$files/$name.key" -certfile "$files/$ca-ca.pem" \
		-passout "pass:$pass" -out "$files/$name.p12"
}
import() { # import UNIT TRUSTPOINT FILE [ARGS...]
	local unit=$1 trustpoint=$2 file=$3
	shift 3
	asafo "$unit" import "$trustpoint" "$files/$file.p12" --passphrase-file "$files/$file.pass" "$@"
}
fingerprint_of() { openssl x509 -in "$1" -noout -fingerprint -sha256 | cut -d= -f2 | tr -d : | tr A-F a-f; }
# What a client in the lab gets from ADDRESS, verified against CA; prints the leaf's fingerprint.
served() { # served ADDRESS CA [SERVERNAME]
	lab exec client timeout $((5 * slow)) openssl s_client -connect "$1:443" -servername "${3:-vpn.example.net}" \
		-CAfile "$files/$2-ca.pem" -verify_return_error </dev/null 2>/dev/null |
		openssl x509 -noout -fingerprint -sha256 2>/dev/null | cut -d= -f2 | tr -d : | tr A-F a-f
}
serves() { [ "$(served "$1" "$2" "${4-}")" = "$3" ]; } # serves ADDRESS CA FINGERPRINT [SERVERNAME]
has() { # has UNIT TRUSTPOINT
	asafo "$1" --json show trustpoints | jq -e --arg n "$2" '.trustpoints | any(.name == $n)' >/dev/null
}
has_not() { ! has "$@"; }
digest() { field "$1" .position.digest; }
same_digest() { [ "$(digest a)" = "$(digest b)" ]; }
name_of() { cat "/proc/$1/comm" 2>/dev/null; }
parent_of() { awk '/^PPid:/ { print $2 }' "/proc/$1/status" 2>/dev/null; }
# pid_of UNIT PROCESS: asafod, asafo-engine, asafo-keeper, asafo-front, asafo-runner, asafo-auth, asafo-fetch, asafo-pam. Not
# a child of its own, which has the same name (the keeper's parser), and a lower number where the numbers began anew.
pid_of() {
	local p
	for p in $(ip netns pids "asafo-$LAB-$1"); do
		[ "$(name_of "$p")" = "$2" ] && [ "$(name_of "$(parent_of "$p")")" != "$2" ] && echo "$p"
	done | head -n 1
}
runs() { [ -n "$(pid_of "$1" "$2")" ]; } # runs UNIT PROCESS
done_testing() {
	[ -z "$(reports)" ] || {
		not_ok "no process broke the language's rules, and none left memory behind"
		reports | head -n 400 | sed 's/^/#   /'
	}
	echo "# $n_ok ok, $n_bad not ok"
	[ "$n_bad" -eq 0 ]
}

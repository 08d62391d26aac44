# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# For tests that log in with a second factor: $page is the answer that came last.
: "${page:?}"
# The code of an authenticator (RFC 6238) that is OFFSET steps of 30 s ahead.
code() { # code SECRET [OFFSET]
	local key digest at
	key=$(base32 -d <<<"$1" | od -An -v -tx1 | tr -d ' \n')
	digest=$(printf "$(printf '%016x' $(($(date +%s) / 30 + ${2:-0})) | sed 's/../\\x&/g')" |
		openssl dgst -sha1 -mac HMAC -macopt "hexkey:$key" | sed 's/.*= *//')
	at=$((16#${digest:39:1} * 2))
	printf '%06d\n' $(((16#${digest:at:8} & 0x7fffffff) % 1000000))
}
# The login so far, which the form carries.
state() { sed -n 's/.*name="state" value="\([^"]*\)".*/\1/p' "$page"; }

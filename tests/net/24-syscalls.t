#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A keeper that is killed, or refused, as it makes an import or a bulk commit durable; `tests/net/faults` has every other
# system call of it, and of the engine.
# long: a keeper ends at each call, and the pair settles again
exec "$(dirname "$0")/faults" --only :fdatasync:

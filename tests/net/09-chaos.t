#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A short run of bad luck; `tests/net/chaos --seconds 3600` is the long one.
exec "$(dirname "$0")/chaos" --seed "${ASAFO_SEED:-9}" --seconds 20

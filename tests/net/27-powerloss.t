#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Power cuts on a disk that forgets what was not synced; `tests/net/powerloss` has them before each change of the disk.
# long: the pair settles again after each power cut
exec "$(dirname "$0")/powerloss" --pick 2

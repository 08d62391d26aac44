/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "tools/cli/verb.h"

/*
 * Where MATCH has --force: says what would be lost and asks on the terminal, or wants --yes.
 * CLI_OK: go on (also without --force); otherwise it was said why not.
 */
int confirm_force(struct cli *cli, const struct grammar_match *match);
